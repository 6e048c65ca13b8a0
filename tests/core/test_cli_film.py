"""The film around an extension: every frame that came is there once, to the bit, and what was made lies between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from vace_core.cli import tasks
from vace_core.cli.film import PIECE, joined
from vace_core.cli.options import PutBack, Wanted
from vace_core.cli.request import Request
from vace_core.inputs import fitting
from vace_core.inputs.fitted import Source, rest_of
from vace_core.inputs.fitting import FitPlan
from vace_core.inputs.resizing import resize_frames
from vace_core.media.pictures import write_image
from vace_core.media.video import read_video, to_uint8
from vace_core.media.write import write_video
from vace_core.models.wan.dit import GRID
from vace_core.pipeline.composite import composite

WANTED = Wanted(width=48, height=32, length=17)
ALONE = PutBack(put_back=False)  # at the size of the model
SIZE = (48, 80)  # fitted by a scale and a crop


@pytest.fixture
def clips(tmp_path) -> tuple[Path, Path]:
    """30 and 22 frames at 8 fps, stored without loss."""
    for name, length in (("a", 30), ("b", 22)):
        write_video(tmp_path / f"{name}.mkv", tiny.clip(length, *SIZE, seed=length), fps=8, lossless=True)
    return tmp_path / "a.mkv", tmp_path / "b.mkv"


def made(request: Request) -> torch.Tensor:
    """What a model makes of a unit, as far as this is about: anything new, and what was kept."""
    vcu = request.vcu
    assert vcu.source is not None
    return composite(tiny.clip(vcu.num_frames, vcu.height, vcu.width, seed=9), vcu.source, vcu.masks)


def fitted(path: Path) -> torch.Tensor:
    """All frames of a file at the size of the result, in bytes."""
    frames = read_video(path).frames
    plan = FitPlan(
        source_frames=len(frames), source_height=48, source_width=80, source_fps=8, indices=tuple(range(len(frames))),
        height=32, width=48, fps=8,
    )  # fmt: skip
    return to_uint8(resize_frames(frames, plan))


def film_of(request: Request, clip: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(joined(request.before, clip, request.after)))


def test_an_extension_is_the_source_and_the_new_frames(clips):
    request = tasks.extend(clips[0], keep=5, back=ALONE, wanted=WANTED)
    clip = made(request)
    film = film_of(request, clip)

    assert request.around == (25, 0)
    assert len(film) == 30 + 12
    assert torch.equal(film[:30], fitted(clips[0]))
    assert torch.equal(film[30:], to_uint8(clip[:, :, 5:]))
    assert (request.sound, request.vcu.fps) == (clips[0], 8)


def test_what_is_led_up_to_follows_whole(clips):
    request = tasks.extend(last=clips[0], keep=9, back=ALONE, wanted=WANTED)
    clip = made(request)

    assert request.around == (0, 21)
    assert torch.equal(film_of(request, clip), torch.cat([to_uint8(clip[:, :, :8]), fitted(clips[0])]))
    assert request.sound is None


def test_a_passage_joins_two_whole_clips(clips):
    request = tasks.join(*clips, keep=5, back=ALONE, wanted=WANTED)
    clip = made(request)
    parts = [fitted(clips[0]), to_uint8(clip[:, :, 5:12]), fitted(clips[1])]

    assert request.around == (25, 17)
    assert torch.equal(film_of(request, clip), torch.cat(parts))


def test_only_what_the_model_works_on(clips):
    request = tasks.join(*clips, keep=5, only=True, back=ALONE, wanted=WANTED)
    clip = made(request)

    assert (request.around, request.sound) == ((0, 0), None)
    assert torch.equal(film_of(request, clip), to_uint8(clip))


def test_a_picture_has_no_rest(tmp_path):
    write_image(tmp_path / "a.png", tiny.clip(1, *SIZE))
    request = tasks.extend(tmp_path / "a.png", wanted=WANTED)

    assert (request.around, request.sound) == ((0, 0), None)


@pytest.mark.parametrize(("keep", "kept"), [(40, 29), (10, 9)])
def test_as_many_are_kept_as_there_are_and_fit_and_that_is_said(clips, keep, kept):
    request = tasks.extend(clips[0], keep=keep, wanted=replace(WANTED, length=33))
    assert request.vcu.num_frames - int(request.vcu.masks[0, 0, :, 0, 0].sum()) == kept
    assert request.notes[1] == (
        "first",
        f"{keep} frames of the clip {clips[0]} are to be kept, and it has 30 at 8 fps: {kept} are kept, the most of a "
        "length that the model takes.",
    )


def test_a_clip_after_a_picture_keeps_its_rate(clips, tmp_path):
    write_image(tmp_path / "a.png", tiny.clip(1, *SIZE))
    assert tasks.extend(tmp_path / "a.png", last=clips[0], wanted=WANTED).vcu.fps == 8


def test_a_clip_of_another_rate_goes_on_at_that_of_the_first(clips, tmp_path):
    fast = tmp_path / "fast.mkv"
    write_video(fast, tiny.clip(40, *SIZE), fps=16, lossless=True)
    request = tasks.join(clips[0], fast, keep=5, back=ALONE, wanted=WANTED)

    assert request.after is not None
    # Ten frames at 16 fps became the five kept ones; of the thirty that follow every other one is shown.
    assert request.after.plan.indices == tuple(range(10, 40, 2))


@given(st.integers(1, 60), st.floats(0.5, 240), st.data())
def test_at_its_own_rate_every_frame_is_taken_once(count, fps, data):
    begin = data.draw(st.integers(0, count))
    end = data.draw(st.integers(begin, count))
    clip = Source(frames=torch.zeros(count, 16, 16, 3, dtype=torch.uint8), fps=fps)
    plan = fitting.plan_exact(count, 16, 16, GRID, length=1, fps=fps)

    rest = rest_of(clip, begin, end, plan, fps)
    assert (rest.indices if rest else ()) == tuple(range(begin, end))


def test_frames_of_varying_length_are_shown_as_long_as_they_were():
    lengths = torch.tensor([1.0, 3.0, 1.0, 1.0], dtype=torch.float64)
    ends = lengths.cumsum(0)
    times = torch.stack([ends - lengths, ends], dim=1)
    clip = Source(frames=torch.zeros(4, 16, 16, 3, dtype=torch.uint8), fps=4 / 6, times=times)
    plan = fitting.plan_exact(4, 16, 16, GRID, length=1, fps=clip.fps, times=clip.times)

    rest = rest_of(clip, 0, 3, plan, 1.0)
    assert rest is not None
    assert rest.indices == (0, 1, 1, 1, 2)


def test_a_rest_longer_than_one_piece_is_fitted_as_a_whole(clips):
    request = tasks.extend(clips[0], keep=1, back=ALONE, wanted=WANTED)
    assert request.before is not None
    assert request.before.plan.num_frames == 29 > PIECE
    whole = to_uint8(resize_frames(request.before.pictures, request.before.plan))

    assert torch.equal(film_of(request, made(request))[:29], whole)
