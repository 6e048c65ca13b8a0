"""How plans, strengths and clips of an evaluation are drawn: pictures that were looked at.

After a change that is meant, `python tests/core/test_drawn_golden.py` draws them anew; look at each.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from vace_core.evaluation.pictures import film, sheet
from vace_core.media.extended import even_times
from vace_core.media.video import Clip, read_video
from vace_core.models.wan.dit import GRID
from vace_core.preview.strength import strength_sheet
from vace_core.preview.timeline import draw_plan, plan_rows
from vace_core.sampling.planning import Span, plan_windows
from vace_core.sampling.strength import Strength
from vace_core.sampling.windows import Keyframe, Plan

GOLDEN = Path(__file__).with_name("golden")
FREETYPE = "2.14.3"  # draws letters a little differently in each version

SPANS = (Span(begin=0, end=40, prompt="a red fox runs over a meadow\nand on"), Span(begin=40, end=75, prompt="狗 b"),
         Span(begin=75, end=110, prompt="an owl", new_shot=True), Span(begin=110, end=121))  # fmt: skip


def shots() -> Plan:
    """Two shots, keyframes at both ends and inside, and a window of its own strength, seed and references."""
    keyframes = [
        Keyframe(frame=0, picture="a.png"),
        Keyframe(frame=-1, picture="b.png"),
        Keyframe(frame=50, picture="c"),
    ]
    plan = plan_windows(121, fps=15.984, grid=GRID, window=33, overlap=9, spans=SPANS, keyframes=keyframes)
    windows = list(plan.windows)
    windows[1] = replace(windows[1], strength=0.5, seed=7, references=("x.png", "y.png"), prompt=None)
    windows[2] = replace(windows[2], references=())
    return replace(plan, windows=tuple(windows), order=(0, 1, 2, *range(3, len(windows))))


def loop() -> Plan:
    return plan_windows(80, fps=16, grid=GRID, window=33, overlap=9, loop=True)


def single() -> Plan:
    return plan_windows(5, fps=8, grid=GRID, window=17, overlap=1)


def mask(height: int, width: int) -> torch.Tensor:
    return torch.linspace(0, 1, width).expand(1, 1, 3, height, width) * torch.tensor([1, 0.5, 0.2])[:, None, None]


CURVE = ((0.0, 1.0), (0.25, 0.5), (0.5, 1.6), (1.0, 0.0))
STRENGTHS = {
    "one": Strength(),
    "all": Strength(overall=0.7, steps=CURVE, frames=CURVE[:2], blocks=(1.0, 0.5, 0.0), references=(0.2, 2.5),
                    space=mask(32, 48)),
    "some": Strength(frames=CURVE[1:], blocks=(0.4,), space=mask(90, 20)),
    "wide": Strength(space=mask(2, 700)),
}  # fmt: skip


def clips() -> bytes:
    """A large clip, a small one that is enlarged, and one of few frames that stands, with a long name."""
    y, x = torch.meshgrid(torch.linspace(0, 200, 300), torch.linspace(0, 255, 200), indexing="ij")
    large = torch.stack([torch.stack([x, y, torch.full_like(x, 20.0 * n)], 2) for n in range(11)]).to(torch.uint8)
    small = large[:8, ::20, ::10].transpose(1, 2)
    address = sheet([("source", large.transpose(1, 2)), ("a method of a long name", small), ("white", large[:2] | 255)])
    kind, _, content = address.partition(",")
    assert kind == "data:image/jpeg;base64"
    return base64.b64decode(content)


CASES: dict[str, Callable[[], Image.Image]] = {
    **{f"plan_{make.__name__}": (lambda make=make: draw_plan(make())) for make in (shots, loop, single)},
    **{f"strength_{name}": (lambda one=one: strength_sheet(one)) for name, one in STRENGTHS.items()},
}


same_letters = pytest.mark.skipif(features.version("freetype2") != FREETYPE, reason="letters of another FreeType")


@same_letters
@pytest.mark.parametrize("name", CASES)
def test_it_looks_as_it_did_when_it_was_looked_at(name: str):
    with Image.open(GOLDEN / f"{name}.png") as wanted:
        assert np.array_equal(np.asarray(CASES[name]()), np.asarray(wanted.convert("RGB")))


@same_letters
def test_clips_of_a_report_look_as_they_did():
    with Image.open(io.BytesIO(clips())) as found, Image.open(GOLDEN / "clips.jpg") as wanted:
        assert (found.size, found.format) == (wanted.size, "JPEG")
        apart = np.asarray(found).astype(int) - np.asarray(wanted)
    assert np.abs(apart).max() <= 3  # other versions of the library of JPEG round otherwise


def test_a_plan_is_told_window_by_window():
    rows = plan_rows(shots())
    assert rows[:6] == [
        ("plan", "121 frames at 15.98 fps (7.57 s) in 7 windows, made in the order 0, 1, 2, 3, 4, 5, 6"),
        ("window 0", 'frames 0 to 24 (25 in the model): "a red fox runs over a meadow\nand on"'),
        ("window 1", "frames 16 to 40 (25 in the model), the first 9 shared, strength 0.5, seed 7, references x.png, "
                     "y.png"),
        ("window 2", 'frames 32 to 60 (29 in the model), the first 9 shared, references none: "狗 b"'),
        ("window 3", 'frames 52 to 74 (25 in the model), the first 9 shared: "狗 b"'),
        ("window 4", 'frames 75 to 99 (25 in the model), a new shot: "an owl"'),
    ]  # fmt: skip
    assert rows[-3:] == [("frame 0", "shows a.png"), ("frame 50", "shows c"), ("frame 120", "shows b.png")]
    assert plan_rows(loop())[0] == ("plan", "80 frames at 16 fps (5.00 s) in 4 windows, a loop")
    assert plan_rows(single()) == [
        ("plan", "5 frames at 8 fps (0.62 s) in 1 window"), ("window 0", "frames 0 to 4 (5 in the model)")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "shown"), [((40, 30), (40, 30)), ((41, 31), (40, 30)), ((640, 480), (320, 240)), ((322, 700), (146, 320))]
)
def test_a_clip_of_a_report_has_even_sides_of_320_pixels_at_most(tmp_path: Path, size, shown):
    frames = torch.full((4, *size, 3), 90, dtype=torch.uint8)
    shown_clip = Clip(frames=frames, alpha=None, fps=12.5, times=even_times(4, 12.5))
    kind, _, content = film(shown_clip).partition(",")
    (tmp_path / "a.mp4").write_bytes(base64.b64decode(content))
    clip = read_video(tmp_path / "a.mp4")
    assert (kind, clip.frames.shape, clip.fps) == ("data:video/mp4;base64", (4, *shown, 3), 12.5)
    assert (clip.frames.int() - 90).abs().max() <= 2


if __name__ == "__main__":
    for case, make in CASES.items():
        make().save(GOLDEN / f"{case}.png", optimize=True)
    (GOLDEN / "clips.jpg").write_bytes(clips())
