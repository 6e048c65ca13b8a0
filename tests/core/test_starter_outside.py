"""The starter says what it was never taught, and nothing where it was."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from typer.testing import CliRunner

from vace_core import tasks
from vace_core.cli import app
from vace_core.media.pictures import read_image
from vace_core.media.video import read_video
from vace_core.media.write import write_video
from vace_core.models.wan.dit import mask_frames
from vace_core.preview.sheet import contact_sheet
from vace_core.starter.model import SIDE
from vace_core.starter.outside import outside
from vace_core.starter.scenes.clips import BUCKETS, HELD_OUT, Bucket, clip

FLAT = torch.zeros(1, 3, 17, 96, 96)
USUAL = Bucket(num_frames=17, height=96, width=96)
MASKS = torch.ones(1, 1, 17, 96, 96)


@pytest.mark.parametrize("bucket", BUCKETS, ids=str)
def test_its_own_world_is_not_outside(bucket):
    for seed in range(6):
        drawn = clip(HELD_OUT, seed, bucket)
        masks = torch.ones_like(drawn.frames[:, :1])
        assert outside(tasks.inpaint(drawn.frames, masks, prompt=drawn.caption)) is None
        assert outside(tasks.depth(drawn.depth, prompt=drawn.caption)) is None


@pytest.mark.parametrize("seed", range(8))
def test_its_own_world_is_not_outside_after_it_was_compressed(tmp_path, seed):
    drawn = clip(HELD_OUT, seed, USUAL, calm=True)
    write_video(tmp_path / "a.mp4", drawn.frames, fps=8)
    assert outside(tasks.inpaint(read(tmp_path / "a.mp4"), MASKS, prompt=drawn.caption)) is None


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        (lambda: tasks.inpaint(tiny.clip(17, 96, 96), MASKS), "the clip does not look like drawn shapes"),
        (lambda: tasks.text(num_frames=17, height=480, width=832), "832 x 480 pixels are far from 96 x 96"),
        (
            lambda: tasks.text(num_frames=81, height=96, width=96),
            "81 frames of this size are far more than 17 of 96 x 96",
        ),
        (lambda: tasks.text(num_frames=17, height=16, width=96), "96 x 16 pixels are far from 96 x 96"),
        (lambda: tasks.text(num_frames=17, height=64, width=208), "208 x 64 pixels are far from 96 x 96"),
        (lambda: tasks.outpaint(tiny.clip(17, 96, 96), left=0.25), "the clip does not look like drawn shapes"),
        (
            lambda: tasks.extend(tiny.clip(5, 96, 96), num_frames=17),
            "the clip does not look like drawn shapes",
        ),
        (
            lambda: tasks.reference([tiny.clip(1, 96, 96)], num_frames=17, height=96, width=96),
            "a reference does not look like drawn shapes",
        ),
        (
            lambda: tasks.inpaint(FLAT, MASKS, prompt="the cat is in the kitchen"),
            "the prompt has no word that it knows",
        ),
        (
            lambda: tasks.inpaint(FLAT, MASKS, prompt="Ein Hund, der bellt"),
            "the prompt has no word that it knows",
        ),
    ],
)
def test_what_lies_outside_is_named(unit, reason):
    assert outside(unit()) == (
        "This is a small teaching model for drawn shapes, faces and people, and this is outside its world: "
        f"{reason}. The result says nothing of what VACE does with real weights. Choose a real model for it."
    )


@pytest.mark.parametrize("length", [17, 81])
def test_the_sheet_of_the_command_says_it_too(tmp_path, length):
    path = tmp_path / "sheet.png"
    words = ["preview", "text", "--length", str(length), "--prompt", "Ein Hund, der bellt", "-o", str(path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    unit = tasks.text(num_frames=length, height=SIDE, width=SIDE, prompt="Ein Hund, der bellt", fps=8)
    reason = outside(unit)
    assert reason is not None
    sheet = contact_sheet(unit, mask_frames=mask_frames(length), caution=reason)
    assert torch.equal(read_image(path)[0].int(), torch.from_numpy(np.array(sheet)).int())


def test_one_known_word_or_none_at_all_is_enough():
    assert outside(tasks.inpaint(FLAT, MASKS, prompt="my dog in red")) is None
    assert outside(tasks.inpaint(FLAT, MASKS)) is None


def read(path) -> torch.Tensor:
    return read_video(path).frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1
