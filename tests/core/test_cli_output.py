"""The command tries the place of the result first, and does not lose a finished one; it warns in its first lines."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from refused import refused
from typer.testing import CliRunner, Result

from vace_core import tasks
from vace_core.cli import app
from vace_core.cli.inputs import fit_file, warnings_of
from vace_core.cli.options import Wanted
from vace_core.cli.request import Request
from vace_core.cli.run import write_result
from vace_core.errors import InputError
from vace_core.inputs import fitting
from vace_core.media.pictures import write_image
from vace_core.media.video import read_video
from vace_core.media.write import write_video
from vace_core.models.wan.dit import GRID


def vace(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def one_line(text: str) -> str:
    return " ".join(text.split())


def request(sound: Path | None = None) -> Request:
    return Request(vcu=tasks.text(num_frames=5, height=32, width=48, fps=8), wanted=Wanted(), sound=sound)


def test_the_place_of_the_result_is_tried_before_a_model_is_looked_for(tmp_path):
    out = tmp_path / ("x" * 300 + ".mp4")
    found = vace("text", "-m", tmp_path / "no model", "-o", out)
    assert found.exit_code == 3
    assert refused(found.exception) == f"file-unwritable: error=File name too long, path={out}"


@pytest.mark.parametrize("words", [
    ("inpaint", "-o", "clip.mp4"), ("inpaint", "-o", "link.mp4"), ("inpaint", "--preview", "mask.png", "--dry-run"),
    ("preview", "inpaint", "-o", "mask.png"),
])  # fmt: skip
def test_nothing_that_a_job_is_made_of_is_written_over(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    write_video(Path("clip.mp4"), tiny.clip(5, 32, 48), fps=8)
    write_image(Path("mask.png"), torch.ones(1, 3, 1, 32, 48))
    Path("link.mp4").hardlink_to("clip.mp4")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    found = vace(*words, "clip.mp4", "--mask", "mask.png")
    assert found.exit_code == 3
    assert refused(found.exception) == f"target-is-given: path={next(one for one in words if '.' in one)}"
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize(("output", "code"), [
    ("shots", "disk-full"), ("new/a_%04d.png", "disk-full"), ("100%.png", "frames-pattern"),
    ("new/100%_%04d.png", "frames-pattern"),
])  # fmt: skip
def test_the_place_of_numbered_pictures_is_tried_before_a_model_is_looked_for(tmp_path, monkeypatch, output, code):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    found = vace("text", "-m", tmp_path / "no model", "-o", output)
    assert (found.exit_code, refused(found.exception).split(":")[0]) == (3, code)


def test_a_result_that_cannot_be_written_is_put_into_a_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    frames = tiny.clip(5, 32, 48)
    with pytest.raises(InputError) as error:
        write_result(tmp_path / "taken away" / "out.mkv", frames, request(), lossless=True)
    assert error.value.code == "result-saved-aside"
    assert refused(error.value.fields["error"]) == f"folder-missing: folder={tmp_path / 'taken away'}"
    saved = Path(error.value.fields["saved"])
    assert saved.is_relative_to(tmp_path / "temporary")
    assert read_video(saved).frames.shape == (5, 32, 48, 3)


def test_a_sound_that_cannot_be_read_does_not_cost_the_pictures(tmp_path):
    sound = tmp_path / "sound.mp4"
    sound.write_bytes(b"not a video" * 100)
    with pytest.raises(InputError) as error:
        write_result(tmp_path / "out.mp4", tiny.clip(5, 32, 48), request(sound), lossless=False)
    assert error.value.code == "result-saved-aside"
    assert error.value.fields["saved"] == tmp_path / "out.mp4"
    assert "sound" in error.value.fields["silent"]
    assert read_video(tmp_path / "out.mp4").frames.shape == (5, 32, 48, 3)


@pytest.mark.parametrize(("name", "lost"), [("out.mp4", True), ("out", True), ("out.mkv", False)])
def test_that_transparency_is_lost_is_said(tmp_path, name, lost):
    levels = np.random.default_rng(0).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    (tmp_path / "shots").mkdir()
    for index in range(5):
        Image.fromarray(levels).save(tmp_path / "shots" / f"{index}.png")
    write_image(tmp_path / "mask.png", torch.ones(1, 3, 1, 64, 64))
    more = ["--lossless"] if name == "out.mkv" else []
    words = ("inpaint", tmp_path / "shots", "--mask", tmp_path / "mask.png", "--dry-run", "-o", tmp_path / name, *more)
    done = vace(*words)
    assert done.exit_code == 0, done.output
    assert ("has not the transparency of the original" in one_line(done.stderr)) == lost


def test_thinning_out_is_said_with_the_way_to_keep_the_rate(tmp_path):
    write_video(tmp_path / "long.mp4", torch.zeros(1, 3, 100, 96, 96), fps=29.97)
    fitted = fit_file(tmp_path / "long.mp4", Wanted())
    (said,) = warnings_of(fitted, Wanted())
    assert said == (
        f"The clip is thinned out in time: 100 frames at 29.97 fps become 17 at {fitted.plan.fps:.4g} fps. Motion "
        "becomes coarser. To keep the rate, leave out --fit official."
    )
    shown = vace("preview", "gray", tmp_path / "long.mp4", "--fit", "official", "-o", tmp_path / "sheet.png")
    assert f"! {said}" in one_line(shown.stderr)
    (tmp_path / "file").touch()  # where the demo ends, which has no --fit
    shown = vace("demo", tmp_path / "long.mp4", "-o", tmp_path / "file")
    assert f"! {said.removesuffix(' To keep the rate, leave out --fit official.')}" in one_line(shown.stderr)
    assert "--fit" not in shown.stderr
    asked = Wanted(length=17, fps=29.97)
    kept = fit_file(tmp_path / "long.mp4", asked)
    assert kept.plan.indices == tuple(range(17))
    assert kept.plan.fps == pytest.approx(29.97)
    assert warnings_of(kept, asked) == []


def test_inspect_fits_a_clip_as_the_tasks_do(tmp_path):
    write_video(tmp_path / "long.mp4", torch.zeros(1, 3, 22, 96, 96), fps=25)
    said = one_line(vace("inspect", tmp_path / "long.mp4").stderr)
    assert "go to the model as 25 frames of 96 x 96 at 25 fps. The last 3 repeat the last frame" in said
    assert said.endswith("and are dropped again. It goes by windows of 17.")
    assert "Frames dropped" not in said


def test_a_clip_that_loses_little_is_not_warned_of():
    assert fitting.thinning(fitting.plan_exact(82, 64, 64, GRID, length=81, fps=16)) is None
    assert fitting.thinning(fitting.plan_exact(1, 64, 64, GRID, fps=16)) is None
    assert fitting.thinning(fitting.plan_exact(90, 64, 64, GRID, length=81, fps=16)) is None
    assert fitting.thinning(fitting.plan_exact(93, 64, 64, GRID, length=81, fps=16)) is not None


@pytest.mark.parametrize("command", [("preview", "gray"), ("gray", "--dry-run"), ("demo",)])
def test_the_starter_says_in_its_first_line_what_it_was_never_taught(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "noise.mp4", tiny.clip(17, 64, 64), fps=8)
    first, *rest = command
    # The demo ends at its output, which is a file here: it has said so much by then.
    (tmp_path / "file").touch()
    where = ("-o", tmp_path / "file") if first == "demo" else ()
    found = vace(first, *rest, tmp_path / "noise.mp4", *where)
    assert one_line(found.stderr).startswith(
        "! This is a small teaching model for drawn shapes, faces and people, and this is"
    )
