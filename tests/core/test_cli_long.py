"""Clips longer than the model takes in one pass go by windows, from the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import like_starter
import pytest
import tiny
import torch
from refused import refused
from typer.testing import CliRunner, Result
from video_files import encode, noise

from vace_core.cli import app
from vace_core.cli.long import check_conditions
from vace_core.cli.options import References, Wanted
from vace_core.cli.plan import planned
from vace_core.cli.tasks import gray
from vace_core.cli.where import AS_IT_IS
from vace_core.errors import InputError
from vace_core.media.pictures import read_image, write_image
from vace_core.media.video import read_video
from vace_core.models.wan.dit import GRID
from vace_core.pipeline import SamplingOptions
from vace_core.sampling.planning import plan_windows
from vace_core.sampling.strength import Strength

QUICK = ("--steps", "1", "--seed", "1", "--cfg", "1")
COUNT = 27


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return like_starter.write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return encode(tmp_path_factory.mktemp("clip") / "clip.mp4", noise(COUNT, 96, 96, 3), fps=8)


def vace(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_control_of_any_length_goes_by_windows(model, clip, tmp_path):
    output = tmp_path / "out.mkv"
    done = vace("scribble", clip, "--lossless", "-o", output, *QUICK, "-m", model)
    assert done.exit_code == 0, done.output
    assert len(read_video(output).frames) == COUNT
    assert "in 2 windows" in done.stderr
    assert "far more than 17" not in done.stderr  # a window is as long as what the starter was trained on


def test_an_inpainting_of_any_length_keeps_what_is_kept(model, clip, tmp_path):
    mask, output = tmp_path / "mask.png", tmp_path / "out.mkv"
    white = torch.full((1, 3, 1, 96, 96), -1.0)
    white[..., 24:60, 24:60] = 1
    write_image(mask, white)
    words = ("inpaint", clip, "--mask", mask, "--no-put-back", "--lossless", "-o", output, *QUICK, "-m", model)
    assert vace(*words).exit_code == 0
    made, source = read_video(output).frames, read_video(clip).frames
    where = (white[0, 0, 0] > 0)[None, :, :, None].expand_as(source)
    assert torch.equal(made[~where], source[~where])
    assert (made != source)[-3:][where[-3:]].any()


def test_prompts_for_stretches_make_windows_of_any_text(model, tmp_path):
    output = tmp_path / "out.mkv"
    words = ("text", "--length", 20, "--width", 64, "--height", 64, "--lossless", "-o", output, *QUICK, "-m", model)
    done = vace(*words, "--prompts", "[0-1s] a red star | [1s, new shot] a blue circle")
    assert done.exit_code == 0, done.output
    assert len(read_video(output).frames) == 20
    assert '"a blue circle"' in done.stderr


def test_prompts_begin_at_the_times_of_the_clip(model, tmp_path):
    """20 frames in the first second, 20 in the next four: at 2 seconds frame 25 is on show, and a cut is there."""
    film = encode(tmp_path / "a.mp4", noise(40, 64, 64, 3), fps=20, ticks=[*range(20), *range(20, 100, 4)])
    text = "[0s] a | [2s, new shot] b"
    for words in (["plan", film], ["scribble", film, "--dry-run", *QUICK]):
        done = vace(*words, "--prompts", text, "-m", model)
        assert done.exit_code == 0, done.output
        assert "frames 25 to 39 (17 in the model), a new shot" in done.stderr


def test_prompts_take_timecodes_as_start_does(model, tmp_path):
    film = tmp_path / "a.mov"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width = stream.height = 64
        stream.pix_fmt, stream.metadata["timecode"] = "yuv420p", "01:00:00:00"
        for picture in noise(40, 64, 64, 3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.numpy(), format="rgb24")))
        container.mux(stream.encode(None))
    words = ("scribble", film, "--dry-run", *QUICK, "-m", model, "--start", "01:00:01:00", "--prompts")
    done = vace(*words, "[01:00:01:00] a | [01:00:03:00, new shot] b")
    assert done.exit_code == 0, done.output
    assert "frames 16 to 31 (17 in the model), a new shot" in done.stderr


def test_a_plan_says_for_which_model_it_is_and_a_job_of_another_says_so(tmp_path):
    plan, wan = tmp_path / "plan.json", ("--profile", "wan-14b-480p")
    for words, title, window in ((("-m", "starter"), "The starter", 17), (wan, "14B", 81)):
        made = vace("plan", "--length", 200, "--fps", 16, "-o", plan, *words)
        assert made.exit_code == 0, made.output
        assert title in made.stderr
        assert f"({window} in the model)" in made.stderr
        job = vace("text", "--length", 200, "--fps", 16, "--plan", plan, *wan, "--dry-run")
        assert job.exit_code == 0, job.output
        assert ("the model takes 81 in one pass" in " ".join(job.stderr.split())) == (window < 81)


@pytest.mark.parametrize("words", [("plan", "--length", 200), ("preview", "text", "--length", 17)])
def test_what_is_planned_for_a_model_that_is_not_there_is_refused(tmp_path, words):
    done = vace(*words, "-m", tmp_path / "nothere.safetensors", "-o", tmp_path / "out.json")
    assert done.exit_code == 4
    assert "There is no file at" in done.stderr


@pytest.mark.parametrize(("fps", "frames"), [(8.06, 100), (12.0, 150)])
def test_a_plan_with_a_rate_is_that_of_the_job_with_it(tmp_path, fps, frames):
    """Rates that differ by less than 1 % are one, as 24 and 23.976: every frame is taken as it is."""
    film, wanted = encode(tmp_path / "a.mp4", noise(100, 32, 32, 3), fps=8), Wanted(fps=fps, windows=17)
    plan = planned(film, wanted, prompts="[0-50f] a | [50f] b")
    request = gray(film, pictures=References(), wanted=wanted)
    assert plan.num_frames == frames
    plan.check_clip(request.num_frames, request.vcu.fps, GRID)


def test_a_plan_from_a_file_with_an_end_frame_and_a_reference(model, tmp_path):
    plan, end, output = tmp_path / "plan.json", tmp_path / "end.png", tmp_path / "out.mkv"
    write_image(end, tiny.clip(1, 96, 96))
    assert vace("plan", "--length", 24, "--keyframe", "-1=end.png", "-o", plan, "-m", model).exit_code == 0
    text = plan.read_text()
    first = text.index('"references": null')
    plan.write_text(text[:first] + '"references": ["end.png"]' + text[first + 18 :])
    words = ("text", "--length", 24, "--plan", plan, "--lossless", "-o", output, *QUICK, "-m", model)
    done = vace(*words)
    assert done.exit_code == 0, done.output
    last = read_video(output).frames[-1]
    assert torch.equal(last, read_image(end)[0])
    kept = json.loads((tmp_path / "out.mkv.vace-job" / "job.json").read_text())["files"]
    assert str(end) in kept  # a job goes on with the images that it was begun with
    assert refused(vace(*words, "--preview", end).exception) == f"target-is-given: path={end}"
    assert refused(vace(*words, "--windows", 9).exception) == "plan-and-options: options=--windows"
    words = ("text", "--length", 25, "--plan", plan, *QUICK, "-m", model)
    assert refused(vace(*words).exception).startswith("plan-of-another")


def test_an_image_may_be_a_keyframe_and_a_reference(model, tmp_path):
    """It is fitted to the clip as the one and shown whole as the other."""
    plan, image, output = tmp_path / "plan.json", tmp_path / "wide.png", tmp_path / "out.mkv"
    write_image(image, tiny.clip(1, 40, 100))
    size = ("--width", 64, "--height", 64)
    made = vace("plan", "--length", 24, "--windows", 17, "--keyframe", "-1=wide.png", "-o", plan, "-m", model)
    assert made.exit_code == 0, made.output
    told = json.loads(plan.read_text())
    told["windows"][-1]["references"] = ["wide.png"]
    plan.write_text(json.dumps(told))
    done = vace("text", "--length", 24, *size, "--plan", plan, "--lossless", "-o", output, *QUICK, "-m", model)
    assert done.exit_code == 0, done.output
    assert len(read_video(output).frames) == 24


def test_a_dry_run_counts_one_window(model, clip):
    done = vace("scribble", clip, "--dry-run", "-m", model, *QUICK)
    assert done.exit_code == 0, done.output
    assert "window 1" in done.stderr


def test_a_length_that_was_typed_is_made_in_one_pass(model, clip, tmp_path):
    done = vace("scribble", clip, "--length", 25, "--dry-run", "-m", model, *QUICK)
    assert done.exit_code == 0
    assert "window" not in done.stderr


def test_conditions_over_the_whole_clip_are_refused_where_it_goes_by_windows():
    plan = plan_windows(40, fps=8, grid=GRID, window=17, overlap=5)
    options = SamplingOptions()
    check_conditions(plan, AS_IT_IS, options)
    curve = replace(AS_IT_IS, strength=Strength(frames=((0.0, 1.0), (1.0, 0.0))))
    check_conditions(None, curve, options)
    with pytest.raises(InputError) as error:
        check_conditions(plan, curve, options)
    assert refused(error.value) == "windows-conditions: count=3, what=a strength over the frames"
