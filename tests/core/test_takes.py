"""Clips by windows in the command: no window is made twice, any can be made again alone, and memory does not grow."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import job_faults
import like_starter
import numpy as np
import pytest
import torch
from counting import LiveBytes
from PIL import Image
from refused import refused
from typer.testing import CliRunner, Result
from video_files import encode, noise

from vace_core.cli import app, tasks
from vace_core.cli.options import References, Sides, Wanted
from vace_core.inputs import mask_films
from vace_core.media.pictures import write_image
from vace_core.media.planes import stored_planes
from vace_core.media.reader import VideoReader
from vace_core.media.video import read_video
from vace_core.models.wan.dit import mask_frames
from vace_core.pipeline import kept_windows as kept_module
from vace_core.pipeline import windowed
from vace_core.preview.sheet import contact_sheet

QUICK = ("--steps", "1", "--seed", "1", "--cfg", "1", "--lossless")
WINDOWS = ("--windows", "9", "--overlap", "5")
COUNT, SIDE = 17, 32  # three windows of 9 that share 5


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return like_starter.write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return encode(tmp_path_factory.mktemp("clip") / "clip.mp4", noise(COUNT, SIDE, SIDE, 3), fps=8)


def vace(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def frames_of(path: Path) -> torch.Tensor:
    return read_video(path).frames


def luma_of(path: Path) -> torch.Tensor:
    """As it is stored."""
    film = VideoReader(path)
    return torch.stack([torch.from_numpy(stored_planes(frame)[0][0]) for frame in film.raw(0, film.count)])


def words_of(model: Path, clip: Path, output: Path, *more: str) -> list[str]:
    return [str(one) for one in ("gray", clip, "-o", output, *QUICK, *WINDOWS, *more, "-m", model)]


@pytest.fixture(scope="module")
def made(model, clip, tmp_path_factory) -> Path:
    """A result that is not disturbed, with its windows beside it."""
    output = tmp_path_factory.mktemp("made") / "out.mkv"
    done = vace(*words_of(model, clip, output))
    assert done.exit_code == 0, done.output
    assert "vace redo" in " ".join(done.stderr.split())
    return output


def copied(made: Path, folder: Path) -> tuple[Path, Path]:
    """The result and its job, elsewhere."""
    shutil.copytree(made.parent, folder, dirs_exist_ok=True)
    job = folder / "out.mkv.vace-job"
    plan = json.loads((job / "job.json").read_text())
    (job / "job.json").write_text(json.dumps(plan | {"output": str(folder / "out.mkv")}))
    return folder / "out.mkv", job


def test_windows_stay_beside_the_result_as_films_that_make_it_up(made):
    job = made.with_name("out.mkv.vace-job")
    films = [frames_of(job / name) for name in (job / "windows.m3u").read_text().splitlines()]
    assert [len(film) for film in films] == [9, 4, 4]
    assert torch.equal(torch.cat(films), frames_of(made))
    stages = [path.stat().st_size for path in sorted(job.glob("window-*.safetensors"))]
    assert max(stages) < 20_000  # frames are in films alone


@pytest.mark.parametrize("number", [0, 2])
def test_a_job_that_is_killed_behind_a_window_makes_no_window_again(model, clip, made, tmp_path, number):
    output = tmp_path / "out.mkv"
    job_faults.STAGES["a film of a window"] = ("vace_core.pipeline.kept_windows", "write_playlist", number + 1)
    words = words_of(model, clip, output)
    first = job_faults.vace(words, tmp_path, "a film of a window", job_faults.kill)
    assert first.code is None
    job = tmp_path / "out.mkv.vace-job"
    there = sorted(path.name for path in job.glob("window-*.safetensors"))
    assert there == [f"window-{n:04d}.safetensors" for n in range(number)]
    before = [(job / name).with_suffix(".mkv").stat().st_mtime_ns for name in there]
    again = vace("resume", job)
    assert again.exit_code == 0, again.output
    assert [(job / name).with_suffix(".mkv").stat().st_mtime_ns for name in there] == before
    assert torch.equal(frames_of(output), frames_of(made))


def test_a_window_is_made_again_alone(made, tmp_path):
    output, job = copied(made, tmp_path)
    films = {path.name: path.read_bytes() for path in job.glob("window-*.mkv")}
    old = frames_of(output)
    done = vace("redo", job, "--window", 0, "--seed", 77)
    assert done.exit_code == 0, done.output
    new = frames_of(output)
    changed = [path.name for path in sorted(job.glob("window-*.mkv")) if path.read_bytes() != films[path.name]]
    assert changed == ["window-0000.mkv"]
    differs = (new != old).flatten(1).any(1)
    assert differs[:4].all()
    assert not differs[4:].any()  # what the next window begins with is held
    assert json.loads((job / "windows.json").read_text())["windows"][0]["seed"] == 77


def test_the_chain_behind_a_window_is_made_anew(made, tmp_path):
    output, job = copied(made, tmp_path)
    old = frames_of(output)
    same = vace("redo", job, "--window", 1, "--and-after", "-o", tmp_path / "same.mkv")
    assert same.exit_code == 0, same.output
    assert torch.equal(frames_of(output), old)
    near = (frames_of(tmp_path / "same.mkv").int() - old.int()).abs()
    assert int(near.max()) <= 1  # the frames that were handed over come out of a film of 16 bits
    assert vace("redo", job, "--window", 1, "--seed", 5, "--and-after").exit_code == 0
    differs = (frames_of(output) != old).flatten(1).any(1)
    assert not differs[:9].any()
    assert differs[9:].all()


def test_prompts_may_be_edited_before_a_window_is_made_again(made, tmp_path):
    _, job = copied(made, tmp_path)
    path = job / "windows.json"
    text = path.read_text()
    path.write_text(text.replace('"end": 17', '"end": 18'))
    assert refused(vace("redo", job, "--window", 2).exception).startswith("plan-")
    plan = json.loads(text)
    plan["windows"] = [{"begin": 0, "end": 17}]
    path.write_text(json.dumps(plan))
    assert refused(vace("redo", job, "--window", 0).exception) == f"job-other-windows: path={path}"
    plan = json.loads(text)
    plan["windows"][2]["prompt"] = "a red star"
    path.write_text(json.dumps(plan))
    old = frames_of(job.with_name("out.mkv"))
    done = vace("redo", job, "--window", 2, "-o", tmp_path / "new.mkv")
    assert done.exit_code == 0, done.output
    assert '"a red star"' in done.stderr  # what it shows is what it makes
    differs = (frames_of(tmp_path / "new.mkv") != old).flatten(1).any(1)
    assert not differs[:13].any()


def test_what_cannot_be_made_again_is_refused_and_nothing_is_lost(made, tmp_path):
    output, job = copied(made, tmp_path)
    old = frames_of(output)
    assert refused(vace("redo", job, "--window", 3).exception) == "window-unknown: count=3, last=2, number=3"
    assert (
        refused(vace("redo", job, "--window", 1).exception) == "window-all-shared: number=1"
    )  # of 9, it shares 5 and 5
    called = json.loads((job / "job.json").read_text())
    words = [word for word in called["command"] if word not in (*WINDOWS[::2], "9", "5")]
    (job / "job.json").write_text(json.dumps(called | {"command": words}))
    assert refused(vace("redo", job, "--window", 1).exception) == "redo-one-pass: window=1"
    (job / "job.json").write_text(json.dumps(called))
    film = job / "window-0000.mkv"
    kept = film.read_bytes()
    film.unlink()
    assert refused(vace("redo", job, "--window", 2).exception) == f"redo-unfinished: job={job}, left=0, window=2"
    film.write_bytes(kept)
    (job / "window-0002.safetensors").unlink()
    assert refused(vace("redo", job, "--window", 2).exception) == f"redo-unfinished: job={job}, left=2, window=2"
    assert torch.equal(frames_of(output), old)
    assert vace("resume", job).exit_code == 0
    assert int((frames_of(output).int() - old.int()).abs().max()) <= 1
    assert vace("redo", tmp_path / "none", "--window", 1).exit_code == 3


def test_windows_are_let_go_where_nobody_wants_them_or_that_are_made_together(model, clip, made, tmp_path):
    for more in (("--no-keep-windows",), ("--join-by", "overlap")):
        output = tmp_path / "out.mkv"
        assert vace(*words_of(model, clip, output, *more)).exit_code == 0
        assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]
        assert torch.equal(frames_of(output), frames_of(made)) == (more[0] == "--no-keep-windows")
        output.unlink()


def test_a_new_job_of_the_same_result_takes_the_place_of_the_old_one(made, model, clip, tmp_path):
    output, job = copied(made, tmp_path)
    words = words_of(model, clip, output)
    done = vace(*words, "--seed", "2")
    assert done.exit_code == 0, done.output
    assert "unfinished" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mkv", "out.mkv.vace-job"]
    assert "2" in json.loads((job / "job.json").read_text())["command"]


def test_an_edit_goes_back_onto_its_film_from_windows(model, clip, tmp_path):
    mask, output = tmp_path / "mask.png", tmp_path / "out.mkv"
    white = torch.full((1, 3, 1, SIDE, SIDE), -1.0)
    white[..., 8:24, 8:24] = 1
    write_image(mask, white)
    words = ("inpaint", clip, "--mask", mask, "-o", output, *QUICK, *WINDOWS, "-m", model)
    assert vace(*words).exit_code == 0
    new, source = luma_of(output), luma_of(clip)
    kept = torch.ones_like(source, dtype=torch.bool)
    kept[:, 8:24, 8:24] = False
    assert torch.equal(new[kept], source[kept])
    assert vace("redo", tmp_path / "out.mkv.vace-job", "--window", 2, "--seed", 7).exit_code == 0
    again = luma_of(output)
    assert torch.equal(again[kept], source[kept])
    assert torch.equal(again[:13], new[:13])
    assert not torch.equal(again[13:], new[13:])


def test_a_mask_that_generates_nothing_in_any_window_is_refused_before_a_model_is_loaded(model, clip, tmp_path):
    black = tmp_path / "black.png"
    write_image(black, torch.full((1, 3, 1, SIDE, SIDE), -1.0))
    words = ("inpaint", clip, "--mask", black, "-o", tmp_path / "out.mkv", *QUICK, *WINDOWS, "-m", model)
    for more in ((), ("--dry-run",)):
        done = vace(*words, *more)
        assert refused(done.exception) == "nothing-to-generate"
        assert done.exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["black.png"]


def test_what_cannot_be_matched_in_one_pass_is_said_before_a_model_is_loaded(model, clip, tmp_path):
    white = tmp_path / "white.png"
    write_image(white, torch.ones(1, 3, 1, SIDE, SIDE))
    words = ("inpaint", clip, "--mask", white, "--match-colour", "--dry-run", *QUICK, "-m", model)
    assert refused(vace(*words).exception) == "colours-not-comparable: least=16, ring=12"
    assert vace(*words, *WINDOWS).exit_code == 0  # by windows it is said of each


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ((80, 80), "is nowhere brighter than 31.4% of white, "),
        ((0, 160), "has soft values: above one half is generated"),
    ],
)
def test_the_same_is_said_of_a_long_mask_as_of_a_short_one(clip, tmp_path, levels, said, monkeypatch):
    grays = torch.cat([torch.full((n, SIDE, SIDE, 3), level) for n, level in zip((8, 9), levels, strict=True)])
    mask = encode(tmp_path / "mask.mkv", grays.to(torch.uint8), fps=8, codec="ffv1")
    for most in (10**9, 100):
        monkeypatch.setattr(mask_films, "CHUNK_BYTES", most)  # with 100 it is long
        request = tasks.inpaint(clip, mask=mask, wanted=Wanted(windows=9))
        assert [said in note for label, note in request.notes if label == "mask"] == [True]


REQUESTS = {
    "gray": lambda clip, mask, wanted: tasks.gray(clip, pictures=References(), wanted=wanted),
    "flow": lambda clip, mask, wanted: tasks.flow(clip, pictures=References(), wanted=wanted),
    "flow inside": lambda clip, mask, wanted: tasks.flow(clip, mask=mask, pictures=References(), wanted=wanted),
    "depth": lambda clip, mask, wanted: tasks.depth(clip, pictures=References(reference=[mask]), wanted=wanted),
    "inpaint": lambda clip, mask, wanted: tasks.inpaint(clip, mask=mask, wanted=wanted),
    "stylize": lambda clip, mask, wanted: tasks.stylize(clip, mask=mask, wanted=wanted),
    "outpaint": lambda clip, mask, wanted: tasks.outpaint(clip, sides=Sides(left="0.5"), wanted=wanted),
    "extend": lambda clip, mask, wanted: tasks.join(clip, clip, keep=5, wanted=replace(wanted, length=COUNT)),
    "reference": lambda clip, mask, wanted: tasks.reference(
        References(reference=[mask]), replace(wanted, length=COUNT)
    ),
}


@pytest.mark.parametrize("task", list(REQUESTS))
def test_a_stretch_of_a_clip_is_that_of_the_whole(clip, tmp_path, task, monkeypatch):
    monkeypatch.setattr(mask_films, "CHUNK_BYTES", 100)  # as if it were long
    size, mask = (32, 48) if task != "extend" else (None, None), tmp_path / "mask.png"
    write_image(mask, torch.rand(1, 3, 1, SIDE, SIDE) * 2 - 1)
    if task in ("inpaint", "flow inside"):
        mask = encode(tmp_path / "mask.mp4", noise(COUNT, SIDE, SIDE, 3, seed=3), fps=8)
    wanted = Wanted(windows=9, width=size[1], height=size[0])
    request = REQUESTS[task](clip, mask, wanted)
    assert request.stretches is not None
    whole = request.parts(0, COUNT)
    assert (whole.shown_frames, request.shape[0] >= COUNT) == (COUNT, True)
    for begin, end in ((0, 9), (4, 13), (8, COUNT), (1, 2) if "flow" not in task else (1, 3)):
        part = request.parts(begin, end)
        assert torch.equal(part.roles, whole.roles[:, :, begin:end])
        assert torch.equal(part.frames, whole.frames[:, :, begin:end])
        assert (part.prompt, part.num_references) == (whole.prompt, whole.num_references)
    once = REQUESTS[task](clip, mask, replace(wanted, windows=None))
    held = once.parts(0, COUNT)
    assert once.stretches is None or task not in ("extend", "reference")
    assert torch.equal(held.frames, whole.frames)
    assert torch.equal(held.masks, whole.masks)


def test_several_clips_are_joined_by_a_window_each(model, tmp_path):
    clips = [encode(tmp_path / f"{n}.mp4", noise(6 + n, SIDE, SIDE, 3, seed=n), fps=8) for n in range(3)]
    output = tmp_path / "out.mkv"
    words = ("join", *clips, "--length", 13, "--keep", 5, "-o", output, *QUICK, "-m", model)
    done = vace(*words)
    assert done.exit_code == 0, done.output
    film, came = luma_of(output), [luma_of(clip) for clip in clips]
    places = [0, 6 + 3, 6 + 3 + 7 + 3]
    assert len(film) == 6 + 3 + 7 + 3 + 8
    for place, clip in zip(places, came, strict=True):
        assert torch.equal(film[place : place + len(clip)], clip)
    assert vace("redo", f"{output}.vace-job", "--window", 1, "--seed", 7).exit_code == 0
    again = luma_of(output)
    assert torch.equal(again[:16], film[:16])
    assert torch.equal(again[19:], film[19:])
    assert not torch.equal(again[16:19], film[16:19])
    assert refused(vace(*words, "--windows", 9).exception) == "windows-of-task: options=--windows"
    assert refused(vace(*words, "--only").exception) == "only-of-several: count=3"
    assert refused(vace(*words, "--no-put-back").exception) == "join-several: count=3"


def test_what_the_command_holds_does_not_grow_with_the_clip(model, tmp_path):
    """Of a clip three times as long it holds no more at once: a copy of that would be more than is allowed here."""
    most: dict[int, int] = {}
    for count in (13, 37):
        clip = encode(tmp_path / f"{count}.mp4", noise(count, SIDE, SIDE, 3), fps=8)
        with LiveBytes() as counted:
            done = vace(*words_of(model, clip, tmp_path / f"{count}.mkv", "--windows", "13"))
        assert done.exit_code == 0, done.output
        most[count] = counted.peak
    copy = (37 - 13) * SIDE * SIDE * 12  # of the frames that are more, as numbers
    assert most[37] - most[13] < 1.2 * copy  # what windows hand over is less; a copy of the whole would come to it


@pytest.mark.parametrize("task", list(REQUESTS))
def test_the_contact_sheet_of_a_long_clip_is_that_of_the_whole(clip, tmp_path, task, monkeypatch):
    monkeypatch.setattr(mask_films, "CHUNK_BYTES", 100)  # as if it were long
    mask = encode(tmp_path / "mask.mkv", holes(COUNT), fps=8, codec="ffv1")
    if task in ("extend", "depth", "reference", "stylize"):
        write_image(mask := tmp_path / "mask.png", torch.rand(1, 3, 1, SIDE, SIDE) * 2 - 1)
    size = (SIDE, SIDE) if task != "extend" else (None, None)
    request = REQUESTS[task](clip, mask, Wanted(windows=9, width=size[1], height=size[0]))
    assert request.stretches is not None
    request.write_sheet(tmp_path / "sheet.png")
    whole = contact_sheet(request.parts(0, COUNT), mask_frames=mask_frames(COUNT), caution=request.first_line())
    assert (np.asarray(Image.open(tmp_path / "sheet.png")) == np.asarray(whole)).all()


def holes(count: int) -> torch.Tensor:
    """A mask whose hole is elsewhere in two of its frames."""
    white = torch.zeros(count, SIDE, SIDE, 3, dtype=torch.uint8)
    white[:, :16] = 255
    white[9:11] = 255 - white[9:11]
    return white


def test_what_a_preview_holds_does_not_grow_with_the_clip(tmp_path):
    most: dict[int, int] = {}
    for count in (37, 85):
        clip = encode(tmp_path / f"{count}.mp4", noise(count, SIDE, SIDE, 3), fps=8)
        with LiveBytes() as counted:
            done = vace("preview", "gray", clip, "--windows", 13, "-o", tmp_path / "sheet.png")
        assert done.exit_code == 0, done.output
        most[count] = counted.peak
    assert most[85] - most[37] < 0.25 * (85 - 37) * SIDE * SIDE * 12  # a part of one copy of the frames that are more


def test_a_loop_made_again_still_closes(model, tmp_path):
    output = tmp_path / "out.mkv"
    words = ("text", "--length", 20, "--width", SIDE, "--height", SIDE, "--loop", "--windows", 13, "--overlap", 5)
    done = vace(*words, "-o", output, *QUICK, "-m", model)
    assert done.exit_code == 0, done.output
    old, job = frames_of(output), tmp_path / "out.mkv.vace-job"
    plan = json.loads((job / "windows.json").read_text())
    shared = plan["windows"][-1]["end"] - 20
    assert vace("redo", job, "--window", 0, "--seed", 9).exit_code == 0
    new = frames_of(output)
    assert torch.equal(new[:shared], old[:shared])  # which the last window leads to
    assert not torch.equal(new[: plan["windows"][0]["end"]], old[: plan["windows"][0]["end"]])
    assert torch.equal(new[plan["windows"][0]["end"] :], old[plan["windows"][0]["end"] :])
    assert kept_module.PLAYLIST in [path.name for path in job.iterdir()]


def test_a_loop_of_several_shots_closes_where_its_first_shot_is_made_anew(model, tmp_path):
    output = tmp_path / "out.mkv"
    words = ("text", "--length", 16, "--width", SIDE, "--height", SIDE, "--loop", "--windows", 13, "--overlap", 5)
    done = vace(*words, "--prompts", "[0f] a | [8f, new shot] b", "-o", output, *QUICK, "-m", model)
    assert done.exit_code == 0, done.output
    old, job = frames_of(output), tmp_path / "out.mkv.vace-job"
    plan = json.loads((job / "windows.json").read_text())
    assert [(one["begin"], one["end"]) for one in plan["windows"]] == [(0, 8), (8, 21)]
    assert vace("redo", job, "--window", 0, "--seed", 9, "--and-after").exit_code == 0
    new = frames_of(output)
    assert torch.equal(new[:5], old[:5])  # which the last window leads to
    assert not torch.equal(new[5:8], old[5:8])
    assert torch.equal(new[8:], old[8:])


def test_a_chain_that_is_stopped_before_its_first_window_is_made_anew_has_lost_nothing(made, tmp_path, monkeypatch):
    output, job = copied(made, tmp_path)
    old = {path.name: path.read_bytes() for path in job.iterdir() if path.name != "job.json"}
    before = frames_of(output)

    def stopped(*_given, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(windowed, "finish", stopped)
    assert vace("redo", job, "--window", 1, "--seed", 5, "--and-after").exit_code != 0
    assert {path.name: path.read_bytes() for path in job.iterdir() if path.name != "job.json"} == old
    monkeypatch.undo()
    done = vace("redo", job, "--window", 1, "--seed", 5, "--and-after")
    assert done.exit_code == 0, done.output
    differs = (frames_of(output) != before).flatten(1).any(1)
    assert (differs[:9].any(), differs[9:].all()) == (False, True)
    assert json.loads((job / "windows.json").read_text())["windows"][1]["seed"] == 5


def test_what_is_kept_in_the_last_window_alone_is_pinned_and_matched(model, clip, tmp_path):
    output, asked = tmp_path / "out.mkv", ("--pin", "--feather", 1, "--match-colour")
    words = ("extend", "--last", clip, "--keep", 5, "--length", COUNT, "--only", "-o", output, *QUICK, *WINDOWS)
    done = vace(*words, *asked, "-m", model)
    assert done.exit_code == 0, done.output
    assert torch.equal(luma_of(output)[-5:], luma_of(clip)[:5])
    nothing = ("text", "--length", COUNT, "--width", SIDE, "--height", SIDE, "--dry-run", *QUICK, *WINDOWS)
    assert refused(vace(*nothing, "--pin", "-m", model).exception) == "where-without-source"
    assert refused(vace(*nothing, "--feather", 1, "-m", model).exception) == "finish-without-source"
