"""Whole jobs whose results the official code gave once: what goes in, for both sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tiny
import torch
from torch import Tensor

from vace_core.media.pictures import write_image
from vace_core.media.video import from_uint8
from vace_core.media.write import write_video

NUM_FRAMES, HEIGHT, WIDTH = 9, 32, 48
REFERENCE_SIZES = ((20, 30), (64, 64), (47, 33))
FPS = 16.0
PROMPT = "A red fox jumps over a lazy dog."
THINNED = (slice(None), slice(None), slice(None, None, 2), slice(None, None, 3), slice(None, None, 3))
"""The frames' part that is stored; latents are stored whole."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job with Wan's settings unless it says otherwise.

    Attributes:
        task: What the unit asks for; "control" is a video file that is fitted to the model first.
        references: How many pictures go with it, read from files.
        negative: "" = what the model comes with.
    """

    task: Literal["text", "control", "inpaint", "first frame"]
    references: int = 0
    solver: str = "unipc"
    steps: int = 8
    shift: float = 16.0
    guidance: float = 5.0
    strength: float = 1.0
    negative: str = ""
    seed: int = 2025


JOBS = {
    "text": Job(task="text"),
    "text, dpm++": Job(task="text", solver="dpm++"),
    "text, 20 steps, shift 5": Job(task="text", steps=20, shift=5.0),
    "text, a negative prompt of its own": Job(task="text", negative="blurred", seed=7),
    "control video": Job(task="control"),
    "control video, dpm++": Job(task="control", solver="dpm++", steps=10, shift=5.0),
    "inpaint": Job(task="inpaint", seed=1),
    "inpaint, dpm++, strength 0.5": Job(task="inpaint", solver="dpm++", strength=0.5),
    "first frame": Job(task="first frame", guidance=3.0),
    "three references": Job(task="text", references=3),
    "two references, control video, strength 0.5": Job(task="control", references=2, strength=0.5, steps=6),
    "a reference, inpaint, dpm++": Job(task="inpaint", references=1, solver="dpm++", shift=8.0),
}

LTX_JOBS = {
    "LTX, text": Job(task="text", steps=4, guidance=3.0, seed=42),
    "LTX, inpaint, two references": Job(task="inpaint", references=2, steps=4, guidance=3.0, seed=1),
}
"""With LTX-Video's own solver and shift, guidance 3 and spatio-temporal guidance."""

LTX_HEIGHT, LTX_WIDTH, LTX_FPS = 64, 96, 25.0
GUIDED = 2
"""The block that the weaker prediction goes without; the official one, the 20th, is more than tiny networks have."""


def bytes_of(*shape: int, seed: int) -> Tensor:
    """Random pixels, in blocks, so that scaling them does not leave plain gray."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def write_control(folder: Path) -> Path:
    """A clip that is longer and larger than what is made of it: 11 frames of 56 x 40 pixels."""
    path = folder / "control.mkv"
    write_video(path, bytes_of(11, 40, 56, 3, seed=1), fps=FPS, lossless=True)
    return path


def write_references(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"reference {n}.png" for n in range(count)]
    for number, path in enumerate(paths):
        write_image(path, from_uint8(bytes_of(*REFERENCE_SIZES[number], 3, seed=10 + number)))
    return paths


def source(height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """`(1, 3, T, H, W)` in −1..1."""
    return tiny.clip(NUM_FRAMES, height, width, seed=2)


def mask(height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """`(1, 1, T, H, W)`: a box that moves, 1 = generate."""
    masks = torch.zeros(1, 1, NUM_FRAMES, height, width)
    for frame in range(NUM_FRAMES):
        masks[..., frame, 5 : height // 2 + frame, 2 * frame : width // 2 + frame] = 1
    return masks
