"""Training data as people have it: captions in several encodings, DiffSynth-Studio's tables, disks that fill up."""

from __future__ import annotations

import csv
import random
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import clip_folders
import pytest
import tiny
import torch
from filling import fill

from vace_core.errors import InputError
from vace_core.files.safetensors_format import SafetensorsFile
from vace_core.media.pictures import read_mask, write_image
from vace_core.media.reader import VideoReader
from vace_core.media.video import from_uint8, read_video
from vace_core.models.wan import dit as wan
from vace_core.training.data import cache as cache_module
from vace_core.training.data.cache import Cache, Encoder, fill_cache
from vace_core.training.data.clips import ClipExamples
from vace_core.training.data.material import Bucket, read_material
from vace_core.training.data.prompts import CachedPrompts, fill_prompts
from vace_core.training.data.sources import clips_in
from vace_core.training.engine import CHECKPOINT, LOSSES, train
from vace_core.training.schedule import Schedule

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
