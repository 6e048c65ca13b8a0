"""Training data as people have it: captions in several encodings, DiffSynth-Studio's tables, disks that fill up."""

from __future__ import annotations

import csv
import random
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import clip_folders
import pytest
import tiny
import tiny_ltx
import torch
from filling import fill

from vace_core.errors import InputError
from vace_core.files.safetensors_format import SafetensorsFile
from vace_core.media.pictures import read_mask, write_image
from vace_core.media.reader import VideoReader
from vace_core.media.video import from_uint8, read_video
from vace_core.media.write import write_video
from vace_core.models.ltx import dit as ltx
from vace_core.models.wan import dit as wan
from vace_core.training import fit as fit_module
from vace_core.training.data import cache as cache_module
from vace_core.training.data import clips as clips_module
from vace_core.training.data.batches import Batches
from vace_core.training.data.cache import Cache, Encoder, Item, fill_cache
from vace_core.training.data.clips import MOST_CLIPS, TRIES, UNSUITED, ClipExamples, divided
from vace_core.training.data.material import Bucket, read_material, suitable
from vace_core.training.data.prompts import CachedPrompts, fill_prompts
from vace_core.training.data.sources import LEAST_FILMS, ClipFiles, clips_in
from vace_core.training.engine import CHECKPOINT, LOSSES, train
from vace_core.training.fit import fit
from vace_core.training.objective import Objective
from vace_core.training.recipe import RECIPES, read_recipe
from vace_core.training.schedule import Schedule
from vace_core.training.tuning import Tuned

SAID = "ein grüner Kreis"
BUCKET = Bucket(frames=5, height=32, width=48)


@contextmanager
def space_for(size: int):
    """No file can become larger than `size` bytes meanwhile: the system refuses to write, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def examples(path, **changes) -> ClipExamples:
    clips, _ = clips_in(path)
    told = {"clips": clips, "buckets": (BUCKET,), "tasks": {"as given": 1.0}, "grid": wan.GRID}
    return ClipExamples(**told | changes)


def test_captions_are_read_in_every_encoding_that_tells_itself_and_named_where_it_does_not(tmp_path):
    clip = (clip_folders.write(tmp_path / "clips", 1) / "clip0.mp4").read_bytes()
    read, refusals = ("utf-8", "utf-8-sig", "utf-16"), ("latin-1", "utf-16-le", "utf-16-be")
    for number, encoding in enumerate((*read, *refusals)):
        (tmp_path / f"{encoding}.mp4").write_bytes(clip)
        (tmp_path / f"{encoding}.txt").write_bytes((SAID if number < 4 else "a disc").encode(encoding))
    clips, faults = clips_in(tmp_path)
    assert {each.name: each.prompts for each in clips if "/" not in each.name} == {
        f"{encoding}.mp4": (SAID,) for encoding in read
    }
    assert len(faults) == len(refusals)
    assert all(any(f"{encoding}.txt is not UTF-8" in fault for fault in faults) for encoding in refusals)


def test_every_file_of_a_folder_is_a_clip_or_named(tmp_path):
    folder = clip_folders.write(tmp_path, 1)
    clip = (folder / "clip0.mp4").read_bytes()
    for name in ("reel.m4v", "card.MXF", "b.ts", "notes.pdf", "sub/old.rm"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(clip)
        (folder / name).with_suffix(".txt").write_text("a disc")
    (folder / "clip0.boxes.json").write_text("[]")
    clips, faults = clips_in(folder)
    assert [clip.name for clip in clips] == ["b.ts", "card.MXF", "clip0.mp4", "reel.m4v"]
    (fault,) = faults
    assert f"2 files in {folder}" in fault
    assert "notes.pdf, sub/old.rm" in fault


def write_table(path, rows, encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_diffsynth_is_read_as_it_is(tmp_path, encoding):
    folder = clip_folders.write(tmp_path, 2)
    rows = [["video", "vace_video", "vace_reference_image", "prompt"]]
    rows += [[f"clip{n}.mp4", f"clip{n}.pose.mp4", f"clip{n}.reference-1.png", f"{SAID}, {n}"] for n in range(2)]
    drawn = examples(write_table(folder / "metadata.csv", rows, encoding))
    assert [clip.prompts for clip in drawn.clips] == [(f"{SAID}, 0",), (f"{SAID}, 1",)]
    example = drawn.draw(0)
    assert example.left_out == ()
    assert example.prompts in {(f"{SAID}, 0",), (f"{SAID}, 1",)}
    unit = example.unit
    assert unit.num_references == 1
    assert bool((unit.masks == 1).all())
    assert unit.control is not None
    assert unit.control.shape == example.target.shape
    assert float((unit.control - example.target).abs().mean()) > 0.3  # the pose, and not the clip


def test_the_mask_of_a_table_says_where_its_control_is_followed_and_where_kept(tmp_path):
    folder = clip_folders.write(tmp_path, 1)
    rows = [["video", "vace_video", "vace_video_mask", "prompt"]]
    rows += [["clip0.mp4", "clip0.pose.mp4", "clip0.mask.mp4", SAID]]
    whole = replace(BUCKET, frames=9, height=64, width=96)
    table, beside = write_table(folder / "metadata.csv", rows), examples(folder, buckets=(whole,)).draw(0).unit
    unit = examples(table, buckets=(whole,)).draw(0).unit
    mask = read_mask(folder / "clip0.mask.mp4")[None, None]
    pose = from_uint8(read_video(folder / "clip0.pose.mp4").frames)
    assert torch.equal(unit.masks, mask)
    assert torch.equal(unit.frames, pose)  # outside of the mask it is kept, inside followed
    assert torch.equal(unit.inactive, pose * (1 - mask))
    assert torch.equal(unit.reactive, pose * mask)
    assert bool((beside.masks == 1).all())  # in a folder it is a mask of an object


def test_a_comma_in_the_name_of_a_video_is_a_letter_and_between_pictures_it_parts_them(tmp_path):
    folder = clip_folders.write(tmp_path, 2)
    (folder / "clip0.mp4").rename(folder / "clip1.mp4, take 2.mp4")
    rows = [["video", "vace_reference_image", "prompt"]]
    rows += [["clip1.mp4, take 2.mp4", "clip0.reference-1.png,clip1.reference-1.png", SAID]]
    clips, faults = clips_in(write_table(folder / "metadata.csv", rows))
    assert [clip.video.name for clip in clips] == ["clip1.mp4, take 2.mp4"]
    assert [picture.name for picture in clips[0].references] == ["clip0.reference-1.png", "clip1.reference-1.png"]
    assert faults == []


def test_a_mask_whose_clip_has_another_name_is_told(tmp_path):
    folder = clip_folders.write(tmp_path, 2)
    (folder / "clip1.mask.mp4").rename(folder / "clip-1.mask-2.mp4")
    clips, faults = clips_in(folder)
    assert [len(clip.masks) for clip in clips] == [1, 0]
    assert len(faults) == 1
    assert faults[0].startswith(f"{folder / 'clip-1.mask-2.mp4'} belongs to a clip clip-1, which is not beside it.")


def test_of_a_clip_and_what_lies_beside_it_no_frames_are_read_but_those_of_the_example(tmp_path, monkeypatch):
    (clip,), _ = clips_in(clip_folders.write(tmp_path, 1))
    whole = {name: read_video(path).frames for name, path in
             {"frames": clip.video, "mask": clip.masks[0], "pose": clip.controls["pose"]}.items()}  # fmt: skip
    read, pictures = [], VideoReader.pictures
    monkeypatch.setattr(
        VideoReader, "pictures", lambda film, at, **how: read.append((film.path, *at)) or pictures(film, at, **how)
    )
    bucket = Bucket(frames=5, height=64, width=96, fps=8)  # every second frame of 9
    material = read_material(clip, [bucket], wan.GRID, random.Random(0))
    assert [one[1:] for one in read if one[0] == clip.masks[0]] == [tuple(range(9))]  # a mask is looked at as a whole
    assert {one[1:] for one in read if one[0] != clip.masks[0]} == {(0, 2, 4, 6, 8)}
    found = {"frames": material.frames, "mask": material.masks[0] * 2 - 1, "pose": material.controls["pose"]}
    for name, frames in found.items():
        wanted = from_uint8(whole[name][::2])
        assert torch.equal(frames.expand_as(wanted), wanted.sign() if name == "mask" else wanted), name
    read.clear()
    read_material(clip, [replace(bucket, frames=1, fps=16)], wan.GRID, random.Random(1))
    assert {len(one) for one in read} == {2}
    assert len({one[1] for one in read}) == 1


def test_a_swap_takes_out_what_is_seen_and_brings_it_back_by_its_own_picture(tmp_path):
    folder = clip_folders.write(tmp_path, 1)
    (folder / "clip0.mask.mp4").rename(folder / "clip0.mask-2.mp4")
    write_image(folder / "clip0.mask-1.png", torch.full((1, 3, 1, 64, 96), -1.0))  # an object that is not there now
    red, blue = (
        torch.tensor(colour).view(1, 3, 1, 1, 1).expand(-1, -1, -1, 8, 8) for colour in ([1.0, -1, -1], [-1.0, -1, 1])
    )
    for number, colour in ((1, red), (2, blue)):
        write_image(folder / f"clip0.reference-{number}.png", colour)
    one = examples(folder, tasks={"swap": 1.0})
    for unit in (one.draw(number).unit for number in range(4)):
        assert bool((unit.masks > 0).any())
        assert colour_of(unit.references[0]) == [-1, -1, 1]
    (folder / "clip0.reference-2.png").unlink()
    for unit in (examples(folder, tasks={"swap": 1.0}).draw(number).unit for number in range(4)):
        assert colour_of(unit.references[0]) == [1, -0.5, -1]  # cut out of the clip


def colour_of(picture) -> list[float]:
    """Of the middle, rounded to halves."""
    _, _, _, h, w = picture.shape
    return [round(2 * value) / 2 for value in picture[0, :, 0, h // 2, w // 2].tolist()]


def test_the_line_of_a_table_that_is_named_is_that_of_its_file(tmp_path):
    folder = clip_folders.write(tmp_path, 1)
    rows = [["video", "prompt"], ["clip0.mp4", "a disc\nthat moves"], ["clip0.mp4", ""]]
    _, faults = clips_in(write_table(folder / "metadata.csv", rows))
    assert [fault.split(" of ")[0] for fault in faults] == ["Line 4"]


def test_a_table_without_a_column_is_refused_by_its_name(tmp_path):
    folder = clip_folders.write(tmp_path, 1)
    with pytest.raises(InputError) as error:
        clips_in(write_table(folder / "metadata.csv", [["video", "vace_video"], ["clip0.mp4", "clip0.pose.mp4"]]))
    assert error.value.code == "column-missing"
    assert error.value.fields["lacking"] == "prompt"


def test_lines_of_a_table_that_cannot_be_used_are_named_and_others_drawn(tmp_path):
    folder = clip_folders.write(tmp_path, 1)
    rows = [["video", "prompt"], ["clip0.mp4", "a disc"], ["gone.mp4", "a disc"], ["clip0.mp4", ""]]
    rows += [["../clip0.mp4", "a disc"], [",", "a disc"], ["a\0.mp4", "a disc"]]
    table = write_table(folder / "metadata.csv", rows, "utf-16")
    faults = clips_in(table)[1]
    assert [fault[:6] for fault in faults] == ["Line 4", "Line 5", "Line 6", "Line 7"]
    drawn = [examples(table, seed=seed).draw(0) for seed in range(8)]
    assert {example.name for example in drawn} == {"clip0.mp4, as given"}
    reasons = {reason for example in drawn for reason in example.left_out}
    assert len(reasons) == 1
    assert "gone.mp4" in reasons.pop()


def test_another_clip_is_drawn_in_place_of_a_damaged_one_whatever_was_drawn_before(tmp_path):
    folder = clip_folders.write(tmp_path, 3)
    (folder / "clip1.mp4").write_bytes(b"no video")
    one = examples(folder, tasks={"inpaint": 1.0})
    in_turn = [one.draw(number) for number in range(6)]
    apart = [examples(folder, tasks={"inpaint": 1.0}).draw(number) for number in range(6)]
    assert any(example.left_out for example in in_turn)
    for first, second in zip(in_turn, apart, strict=True):
        assert (first.name, first.left_out) == (second.name, second.left_out)
        assert torch.equal(first.unit.frames, second.unit.frames)


def write_masked(folder, masks):
    """Clips of 25 frames of 48 x 32, each with the masks `(1, 1, 25, 32, 48)` that are given."""
    folder.mkdir()
    for number, beside in enumerate(masks):
        write_video(folder / f"clip{number}.mp4", tiny.clip(25, 32, 48, seed=number), fps=16)
        for which, mask in enumerate(beside, start=1):
            write_video(folder / f"clip{number}.mask-{which}.mp4", (mask * 2 - 1).expand(-1, 3, -1, -1, -1), fps=16)
        (folder / f"clip{number}.txt").write_text(f"a thing {number}", encoding="utf-8")
    return folder


def box_mask(frames=slice(None), *, height=16, width=16):
    """`(1, 1, 25, 32, 48)`: a box in some frames."""
    mask = torch.zeros(1, 1, 25, 32, 48)
    mask[:, :, frames, 8 : 8 + height, 8 : 8 + width] = 1
    return mask


def test_an_example_is_the_same_whatever_was_drawn_before_and_a_part_without_its_object_is_drawn_again(tmp_path):
    folder = write_masked(tmp_path / "clips", [[box_mask(slice(8 + number, None))] for number in range(4)])
    one = examples(folder, tasks={"layout": 1.0})
    whole = [one.draw(number) for number in range(24)]
    assert [example.left_out for example in whole] == [()] * 24
    assert {example.name for example in whole} == {f"clip{number}.mp4, layout" for number in range(4)}
    apart = [examples(folder, tasks={"layout": 1.0}).draw(number) for number in reversed(range(24))]
    for first, second in zip(whole, reversed(apart), strict=True):
        assert first.name == second.name
        assert torch.equal(first.target, second.target)
        assert torch.equal(first.unit.frames, second.unit.frames)


def test_two_processes_or_a_stop_encode_the_same_examples_as_one_of_clips_with_an_object_now_and_then(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(cache_module, "SHARD", 3)
    folder = write_masked(tmp_path / "clips", [[box_mask(slice(20, None))], [box_mask(slice(0))], [box_mask()]])
    encoder = Encoder(vae=tiny.vae(), encode_masks=wan.encode_masks)

    def drawn():
        return examples(folder, tasks={"layout": 1.0})

    fill_cache(tmp_path / "whole", drawn(), range(12), encoder)
    while not fill_cache(tmp_path / "stopped", drawn(), range(12), encoder, late=lambda: True):
        pass
    for process in range(2):
        fill_cache(tmp_path / "two", drawn(), range(12), encoder, process=process, processes=2)
    shards = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert len(shards) == 4
    for name in ("stopped", "two"):
        for shard in shards:
            assert (tmp_path / name / shard).read_bytes() == (tmp_path / "whole" / shard).read_bytes()
    reasons = {reason for some in Cache(tmp_path / "whole").skipped.values() for reason in some}
    assert any("clip1.mp4 suits one of the tasks layout" in reason for reason in reasons)


def test_a_clip_beside_which_nothing_lies_that_a_task_needs_is_never_drawn_and_named_once(tmp_path, caplog):
    folder = write_masked(tmp_path / "clips", [[box_mask()], [], [], []])
    one = examples(folder, tasks={"layout": 1.0, "text": 0.0})
    assert {(example.name, example.left_out) for example in map(one.draw, range(8))} == {("clip0.mp4, layout", ())}
    divided(one, 0)
    assert [record.message.split(" suits ")[0] for record in caplog.records] == [
        f"left out: The clip clip{number}.mp4" for number in (1, 2, 3)
    ]
    with pytest.raises(InputError) as error:
        replace(one, clips=one.clips[1:]).draw(0)
    assert error.value.code == "clip-without-task"


def test_clips_whose_object_is_never_seen_are_tried_a_bounded_number_of_times(tmp_path, monkeypatch):
    folder = write_masked(tmp_path / "clips", [[box_mask(slice(0))] for _ in range(MOST_CLIPS + 2)])
    tried = []
    monkeypatch.setattr(
        clips_module, "read_material", lambda clip, *rest: tried.append(clip.name) or read_material(clip, *rest)
    )
    with pytest.raises(InputError) as error:
        examples(folder, tasks={"layout": 1.0}).draw(0)
    assert error.value.code == UNSUITED
    assert len(set(tried)) == MOST_CLIPS
    assert len(tried) == MOST_CLIPS * TRIES


def test_several_references_are_asked_of_clips_alone_in_which_several_objects_are_seen(tmp_path):
    large, small = box_mask(), box_mask(height=1, width=1)
    folder = write_masked(tmp_path / "clips", [[large, small], [large, box_mask().flip(4)]])
    found = [examples(folder, tasks={"text": 1.0, "references": 9.0}).draw(number) for number in range(24)]
    counts = {(example.name, example.unit.num_references) for example in found}
    assert counts == {("clip0.mp4, text", 0), ("clip1.mp4, text", 0), ("clip1.mp4, references", 2)}
    assert all(example.left_out == () for example in found)
    write_image(folder / "clip1.reference-1.png", torch.zeros(1, 3, 1, 8, 8))  # these are then all that are given
    found = [examples(folder, tasks={"text": 1.0, "references": 9.0}).draw(number) for number in range(12)]
    assert {example.task for example in found} == {"text"}


def sides(clips, share):
    """The clips that are trained on and those that are held out."""
    both = divided(examples_of(clips), share)
    return [[] if part is None else part.clips for part in both]


def examples_of(clips):
    return ClipExamples(clips=clips, buckets=(BUCKET,), tasks={"text": 1.0}, grid=wan.GRID)


def shots(films, each, folder):
    names = [f"{film}-{shot:04}.mp4" for film in films for shot in range(1, each + 1)]
    return [ClipFiles(name=name, video=folder / name, prompts=("a shot",)) for name in names]


def film(clip):
    return clip.name.split("-")[0]


def test_all_shots_of_a_film_are_trained_on_or_all_are_held_out(tmp_path, caplog):
    clips = shots([f"film{number}" for number in range(LEAST_FILMS)], 4, tmp_path / "clips")
    known, held_out = sides(clips, 0.2)
    assert (len(known), len(held_out)) == (len(clips) - 8, 8)
    assert not {film(clip) for clip in known} & {film(clip) for clip in held_out}
    assert caplog.records == []
    few = [*shots("ab", 6, tmp_path / "clips"), *shots("c", 5, tmp_path / "clips")]
    known, held_out = sides(few, 0.1)  # numbers that somebody gave, as far as anybody can tell
    assert (len(known), len(held_out)) == (15, 2)
    (tmp_path / "records" / "shots").mkdir(parents=True)
    known, held_out = sides(few, 0.1)
    assert {film(clip) for clip in held_out} == {"c"}
    assert len(known) == 12
    assert [record.message.split(",")[0] for record in caplog.records] == ["5 of 17 clips are held out"]
    known, held_out = sides(few[:6], 0.1)
    assert (len(known), held_out) == (6, [])
    assert caplog.records[-1].message == "nothing is held out: all 6 clips are of one film"


def test_rows_of_a_table_with_one_video_are_on_one_side(tmp_path):
    folder = clip_folders.write(tmp_path, 4)
    rows = [[name, f"wording {word}"] for name in ("clip0.mp4", "clip1.mp4", "clip2.mp4") for word in range(3)]
    rows += [["./clip2.mp4", "another"], ["clip3.mp4", "alone"]]
    for share, count in ((0.1, 1), (0.3, 4), (1.0, 10)):
        known, held_out = sides(clips_in(write_table(folder / "metadata.csv", [["video", "prompt"], *rows]))[0], share)
        assert not {clip.video for clip in known} & {clip.video for clip in held_out}
        assert len(held_out) <= count
        assert known


@pytest.mark.parametrize(("count", "share", "held"), [(3, 1.0, 2), (2, 0.8, 1), (2, 0.01, 1), (1, 1.0, 0), (4, 0.0, 0)])
def test_some_clips_are_always_trained_on(tmp_path, count, share, held):
    known, held_out = sides(clips_in(clip_folders.write(tmp_path, count))[0], share)
    assert (len(known), len(held_out)) == (count - held, held)
    examples_of(known).draw(0)


def box_size(pixels):
    """Height and width of what is bright in `(1, C, T, H, W)`, or of what is 1."""
    places = (pixels[0, 0, 0] > 0.2).nonzero()
    return (places.amax(0) - places.amin(0) + 1).tolist()


@pytest.mark.parametrize("stored", [(64, 64), (32, 32), (64, 128), (32, 64)])  # the last two with square pixels
def test_pixels_that_are_not_square_are_trained_as_they_are_shown_and_what_lies_beside_them_over_them(tmp_path, stored):
    high, wide = stored

    def square(height, width):
        """A square as it is shown: a quarter of the height, an eighth of a width that is twice as wide."""
        shown = torch.full((1, 3, 9, height, width), -1.0)
        shown[..., height // 4 : height // 2, width // 2 : width // 2 + width // 8] = 1
        return shown

    write_video(tmp_path / "fox.mp4", square(64, 64), fps=16, aspect=Fraction(2))
    for part in ("mask", "pose"):
        write_video(tmp_path / f"fox.{part}.mp4", square(high, wide), fps=16)
    (tmp_path / "fox.txt").write_text("a square", encoding="utf-8")
    (clip,), _ = clips_in(tmp_path)
    upright = Bucket(frames=9, height=64, width=64)
    material = read_material(clip, [upright, Bucket(frames=9, height=64, width=128)], wan.GRID, random.Random(0))
    assert material.frames.shape[3:] == (64, 128)
    for pixels in (material.frames, material.masks[0], material.controls["pose"]):
        assert all(abs(side - 16) <= 2 for side in box_size(pixels))
    cropped = read_material(clip, [upright], wan.GRID, random.Random(0))
    assert torch.equal(cropped.frames, material.frames[..., 32:96])  # and nothing is squeezed
    assert torch.equal(cropped.masks[0], material.masks[0][..., 32:96])


def test_a_mask_of_another_size_is_scaled_and_one_of_another_shape_is_named(tmp_path):
    folder = clip_folders.write(tmp_path, 1)
    whole = examples(folder, tasks={"layout": 1.0}).draw(0)
    mask = read_mask(folder / "clip0.mask.mp4")[None, None]
    small = torch.nn.functional.interpolate(mask, scale_factor=(1, 0.5, 0.5))
    write_video(folder / "clip0.mask.mp4", (small * 2 - 1).expand(-1, 3, -1, -1, -1), fps=16)
    half = examples(folder, tasks={"layout": 1.0}).draw(0)
    assert half.left_out == ()
    assert float((whole.unit.frames - half.unit.frames).abs().mean()) < 0.1
    write_video(folder / "clip0.mask.mp4", small.expand(-1, 3, -1, -1, -1)[..., :40], fps=16)
    with pytest.raises(InputError) as error:
        examples(folder, tasks={"layout": 1.0}).draw(0)
    assert (error.value.code, error.value.fields["path"]) == ("clip-mask-shape", folder / "clip0.mask.mp4")
    assert "40x32 pixels, its clip 96x64" in str(error.value)


def batches_of(rates, *, fps_matters):
    cache = Cache.__new__(Cache)
    cache.items = [
        Item(number=n, name=f"{n}", task="text", prompts=("a",), references=0, fps=fps, size=(3, 8, 8))
        for n, fps in enumerate(rates)
    ]
    return Batches(cache, [], size=8, p_zero=0, seed=0, fps_matters=fps_matters)


def test_rates_that_differ_meet_in_a_batch_where_the_base_does_not_read_them():
    rates = [9 + number / 30 for number in range(200)]
    mixed = batches_of(rates, fps_matters=False)
    assert all(len(set(mixed.names(0, number))) > 4 for number in range(20))
    for rate in (batches_of(rates, fps_matters=True).names(0, number) for number in range(20)):
        told = [round(rates[int(name)], 1) for name in rate]
        assert len(set(told)) == 1
    near = batches_of([24.999999999999996, 25.000000000000004, 25.0, 25.01, 24.99] * 4, fps_matters=True)
    assert all(len(set(near.names(0, number))) > 4 for number in range(20))


def test_clips_of_all_rates_are_one_batch_for_wan_which_counts_frames_and_not_for_ltx_which_counts_seconds(
    tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        fit_module, "Batches", lambda *_, fps_matters, **__: asked.append(fps_matters) or SimpleNamespace(names=None)
    )
    monkeypatch.setattr(fit_module, "train", lambda *_, **__: SimpleNamespace(weights={}))
    with torch.device("meta"):
        for base in (wan.WanDit(tiny.SIZES), ltx.LtxDit(tiny_ltx.SIZES)):
            fit(
                Tuned(base),
                Cache(tmp_path),
                tiny.LetterText(),
                objective=Objective(),
                schedule=Schedule(steps=1, learning_rate=1),
                folder=tmp_path,
            )
    assert asked == [False, True]


def test_sizes_of_nearly_one_shape_are_drawn_alike():
    buckets = read_recipe(RECIPES["wan-14b"]).data.buckets
    found = suitable("fox.mp4", (150, 1080, 1920), 25.0, buckets)  # 1.778, and 832 x 480 is 1.733
    assert [(one.frames, one.width) for one in found] == [(1, 832), (17, 832), (49, 832), (81, 1280)]
    upright, wide = (Bucket(frames=9, height=h, width=w) for h, w in ((96, 64), (64, 96)))
    assert suitable("fox.mp4", (9, 96, 72), 16.0, (upright, wide)) == [upright]


def test_a_clip_too_short_for_every_size_that_moves_is_left_out_and_not_a_still():
    still, upright = Bucket(frames=1, height=64, width=96), Bucket(frames=1, height=96, width=64)
    short = Bucket(frames=17, height=96, width=64)
    for sizes in ((still, short), (short, still, upright)):
        with pytest.raises(InputError) as error:
            suitable("fox.mp4", (16, 96, 64), 16.0, sizes)
        assert error.value.code == "clip-too-small"
    assert suitable("fox.mp4", (17, 96, 64), 16.0, (still, short)) == [short]
    assert suitable("fox.mp4", (17, 128, 192), 16.0, (still, short)) == [still, short]
    assert suitable("fox.png", (1, 96, 64), 16.0, (short, still, upright)) == [upright]
    assert suitable("fox.mp4", (16, 96, 64), 16.0, (still, upright)) == [upright]  # a training of pictures


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_shape_of_a_recipe_has_a_size_for_pictures(name):
    buckets = read_recipe(RECIPES[name]).data.buckets
    for bucket in buckets:
        (still,) = suitable("fox.png", (1, 2 * bucket.height, 2 * bucket.width), 16.0, buckets)
        assert abs(still.height / still.width * bucket.width / bucket.height - 1) < 0.05


def test_clips_are_known_by_what_they_hold_wherever_they_are(tmp_path):
    folder = clip_folders.write(tmp_path / "clips", 2)
    was = examples(folder).identity
    moved = folder.rename(tmp_path / "moved")
    assert examples(moved).identity == was

    def changed(path, content):
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(content)
        identity = examples(moved).identity
        path.unlink() if before is None else path.write_bytes(before)
        return identity

    clip, other = ((moved / f"clip0.{name}").read_bytes() for name in ("mp4", "pose.mp4"))
    names = (
        "clip0.mp4",
        "clip0.mask.mp4",
        "clip0.reference-1.png",
        "clip0.pose.mp4",
        "clip0.depth.mp4",
        "clip0.mask-2.mp4",
    )
    found = [changed(moved / name, other if name == "clip0.mp4" else clip) for name in names]
    found.append(changed(moved / "clip0.txt", b"a red disc"))
    assert len({was, *found}) == 8
    assert examples(moved).identity == was


def test_latents_of_two_vaes_are_not_mixed_and_prompts_of_two_encoders_neither(tmp_path):
    drawn = examples(clip_folders.write(tmp_path / "clips", 1), tasks={"inpaint": 1.0})
    encoder = Encoder(vae=tiny.vae(), encode_masks=wan.encode_masks)
    for name, before, now in (("new", "one", "two"), ("old", "", "")):  # the last as a cache that names none
        fill_cache(tmp_path / name, drawn, range(1), replace(encoder, vae_file=before))
        if now:
            with pytest.raises(InputError) as error:
                fill_cache(tmp_path / name, drawn, range(1), replace(encoder, vae_file=now))
            assert error.value.fields["changes"] == "VAE file was 'one' and is 'two'"
        fill_cache(tmp_path / name, drawn, range(1), replace(encoder, vae_file=before))
    assert "VAE" not in SafetensorsFile(next((tmp_path / "old").iterdir())).metadata["cache"]
    fill_prompts(tmp_path / "prompts", tiny.LetterText(), ["a"], "one")
    for told in ("one", ""):
        assert "a" in CachedPrompts(tmp_path / "prompts", told)
    with pytest.raises(InputError) as error:
        fill_prompts(tmp_path / "prompts", tiny.LetterText(), ["b"], "two")
    assert error.value.code == "prompts-other-encoder"


def test_a_disk_that_fills_up_while_clips_are_encoded_leaves_whole_shards_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "SHARD", 2)
    drawn = examples(clip_folders.write(tmp_path / "clips", 2), tasks={"inpaint": 1.0})
    encoder = Encoder(vae=tiny.vae(), encode_masks=wan.encode_masks)
    folder = tmp_path / "examples"
    fill_cache(folder, drawn, range(2), encoder)
    (first,) = folder.iterdir()
    size = first.stat().st_size
    first.unlink()
    with space_for(size // 2), pytest.raises(InputError) as error:
        fill_cache(folder, drawn, range(4), encoder)
    assert error.value.code == "file-unwritable"
    assert error.value.fields["path"] == first
    assert list(folder.iterdir()) == []
    fill_cache(folder, drawn, range(4), encoder)
    assert len(Cache(folder).items) == 4


def test_too_little_space_for_all_examples_is_said_after_the_first_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "SHARD", 2)
    drawn = examples(clip_folders.write(tmp_path / "clips", 1), tasks={"inpaint": 1.0})
    encoder = Encoder(vae=tiny.vae(), encode_masks=wan.encode_masks)
    fill_cache(tmp_path / "one", drawn, range(2), encoder)  # whole, it needs no more
    size = next((tmp_path / "one").iterdir()).stat().st_size
    for free, number in ((2 * size - 9, 1), (2 * size + 9, 3)):
        monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        if number == 1:
            with pytest.raises(InputError) as error:
                fill_cache(tmp_path / "all", drawn, range(6), encoder)
            assert error.value.code == "disk-full-examples"
            assert error.value.fields["count"] == 4
        else:
            fill_cache(tmp_path / "all", drawn, range(6), encoder)
        assert len(list((tmp_path / "all").iterdir())) == number


def test_a_disk_that_fills_up_during_the_training_leaves_the_last_checkpoint_and_the_run_goes_on(tmp_path):
    schedule = Schedule(steps=6, learning_rate=0.05, warmup=0, save_every=2)

    def layer() -> torch.nn.Linear:
        return fill(torch.nn.Linear(128, 64), 1)

    def losses_of(module, draw):
        return module(torch.full((1, 128), 0.1 * draw.number)).square().mean(1)

    train(layer(), losses_of, schedule, folder=tmp_path / "run", stop_after=0)
    saved = (tmp_path / "run" / CHECKPOINT).read_bytes()
    with space_for(len(saved) // 2), pytest.raises(InputError) as error:
        train(layer(), losses_of, schedule, folder=tmp_path / "run")
    assert error.value.code == "file-unwritable"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [CHECKPOINT, LOSSES]
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == saved
    again = train(layer(), losses_of, schedule, folder=tmp_path / "run")
    whole = train(layer(), losses_of, schedule, folder=tmp_path / "whole")
    assert again.finished
    assert all(torch.equal(again.weights[name], whole.weights[name]) for name in whole.weights)
