"""Promises of reference pictures: whole, on white, in order, as the original letterboxes and crops them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refused import refused
from torch import Tensor
from torch.nn import functional

from vace_core.errors import InputError, ShapeError
from vace_core.inputs.references import cover, crop_subject, letterbox, on_white, stack

# Whole numbers of 255, as files hold them.
RAMP = torch.arange(18.0).reshape(1, 1, 1, 3, 6).expand(-1, 3, -1, -1, -1) / 127.5 - 1


def levels(picture: Tensor) -> list[list[int]]:
    return ((picture[0, 0, 0] + 1) * 127.5).round().int().tolist()


def flat(height: int, width: int, value: float = 0.5) -> Tensor:
    return torch.full((1, 3, 1, height, width), value)


def test_a_picture_of_the_right_size_is_untouched():
    assert letterbox(RAMP, 3, 6) is RAMP


def test_letterboxing_is_the_official_one():
    # 3 x 6 into 8 x 9: scaled by 1.5 to 4 x 9 (4.5 cut to 4), 2 rows of white above and below. The numbers are
    # prepare_source's of ali-vilab/VACE at 48eb44f1c4be, vace/models/wan/wan_vace.py, for the same picture.
    white = [255] * 9
    assert levels(letterbox(RAMP, 8, 9)) == [
        white,
        white,
        [0, 0, 1, 2, 2, 3, 4, 4, 5],
        [4, 4, 5, 6, 6, 7, 8, 8, 9],
        [8, 9, 9, 10, 11, 11, 12, 13, 13],
        [12, 13, 13, 14, 14, 15, 16, 16, 17],
        white,
        white,
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_the_picture_is_whole_centred_and_touches_two_sides(own_height, own_width, height, width):
    scale = min(height / own_height, width / own_width)
    if int(own_height * scale) == 0 or int(own_width * scale) == 0:
        return
    box = letterbox(flat(own_height, own_width), height, width)
    assert box.shape == (1, 3, 1, height, width)
    inside = (box[0, 0, 0] < 0.9).nonzero()
    (top, left), (bottom, right) = inside.min(dim=0).values.tolist(), inside.max(dim=0).values.tolist()
    assert len(inside) == (bottom - top + 1) * (right - left + 1)
    assert bool((box[0, 0, 0] == 1).sum() == height * width - len(inside))
    below, beside = height - 1 - bottom - top, width - 1 - right - left
    assert {below, beside} <= {0, 1}
    # The truncation to whole pixels may leave a gap of one where the scale is not exact.
    assert top + (height - 1 - bottom) <= 1 or left + (width - 1 - right) <= 1


def test_pictures_of_all_sizes_are_stacked_in_order():
    pictures = [flat(4, 4, 0.1), flat(2, 9, 0.2), flat(9, 2, 0.3)]
    references = stack(pictures, 6, 8)
    assert [picture.shape for picture in references] == [(1, 3, 1, 6, 8)] * 3
    assert [round(float(picture.min()), 4) for picture in references] == [0.1, 0.2, 0.3]


def test_transparency_is_laid_on_white():
    alpha = torch.tensor([[0.0, 0.5, 1.0]] * 2).reshape(1, 1, 1, 2, 3)
    assert torch.equal(on_white(flat(2, 3, -0.3), alpha)[0, 0, 0, 0], torch.tensor([1.0, 0.35, -0.3]))


def test_a_subject_is_cut_out_as_officially():
    # SubjectAnnotator of the same commit, vace/annotators/subject.py, mode "mask" with USE_CROP and ROI_ONLY.
    picture = (torch.arange(48.0) * 3).reshape(1, 1, 1, 6, 8).expand(-1, 3, -1, -1, -1) / 127.5 - 1
    mask = torch.zeros(1, 1, 1, 6, 8)
    mask[..., 1:4, 2:4] = 1
    mask[..., 3, 5] = 1
    assert levels(crop_subject(picture, mask)) == [[30, 33, 255, 255], [54, 57, 255, 255], [78, 81, 255, 87]]


@pytest.mark.parametrize(("own", "frame"), [((40, 90), (32, 48)), ((90, 40), (32, 48)), ((64, 96), (32, 48))])
def test_a_style_image_fills_the_frame_with_its_middle(own, frame):
    height, width = own
    rows = torch.linspace(-1, 1, height).view(1, 1, 1, height, 1).expand(1, 3, 1, height, width)
    columns = torch.linspace(-1, 1, width).expand(1, 3, 1, height, width)
    for ramp, dim in ((rows, 3), (columns, 4)):
        fitted = cover(ramp, *frame)
        assert fitted.shape == (1, 3, 1, *frame)
        ends = fitted.select(dim, 0).mean(), fitted.select(dim, -1).mean()
        assert abs(ends[0] + ends[1]) < 0.05  # the middle is in the middle
        # One of the two is shown whole.
        shown = float(ends[1] - ends[0]) / 2 + 1 / frame[dim - 3]
        whole = (height * frame[1] <= width * frame[0]) if dim == 3 else (height * frame[1] >= width * frame[0])
        assert (shown > 0.9) is whole
    same = torch.rand(1, 3, 1, *frame)
    assert torch.equal(cover(same, *frame), same)
    for dtype in (torch.bfloat16, torch.float16):
        assert torch.equal(cover(rows.to(dtype), *frame), cover(rows.to(dtype).float(), *frame).to(dtype))


@pytest.mark.parametrize(
    ("own", "frame", "rows", "columns"),
    [((4, 1000), (1000, 1), slice(0, 4), slice(499, 500)), ((1000, 4), (1, 1000), slice(499, 500), slice(0, 4)),
     ((10, 2), (4, 1), slice(1, 9), slice(0, 2)), ((2, 10), (1, 4), slice(0, 2), slice(1, 9))],
)  # fmt: skip
def test_of_a_style_image_at_least_a_pixel_is_shown(own, frame, rows, columns):
    picture = torch.rand(1, 3, 1, *own, generator=torch.Generator().manual_seed(1))
    wanted = functional.interpolate(picture[:, :, 0, rows, columns], size=frame, mode="bilinear", antialias=True)
    assert torch.equal(cover(picture, *frame)[:, :, 0], wanted)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: letterbox(torch.zeros(1, 4, 1, 3, 6), 8, 8),
            ShapeError,
            "reference-channels: name=picture, shape=(1, 4, 1, 3, 6)",
        ),
        (
            lambda: stack([RAMP, torch.zeros(1, 3, 2, 3, 6)], 8, 8),
            ShapeError,
            "reference-several: frames=2, name=picture 2",
        ),
        (
            lambda: letterbox(torch.zeros(3, 6, 3), 8, 8),
            ShapeError,
            "frames-shape: name=picture, shape=(3, 6, 3)",
        ),
        (
            lambda: letterbox(RAMP, 0, 8),
            ShapeError,
            "frame-size: height=0, width=8",
        ),
        (
            lambda: letterbox(flat(1, 90), 48, 80),
            ShapeError,
            "reference-too-narrow: height=48, name=picture, own_height=1, own_width=90, width=80",
        ),
        (
            lambda: on_white(RAMP, torch.ones(1, 1, 1, 6, 3)),
            ShapeError,
            "reference-mask-size: name=alpha channel, needed=(1, 1, 1, 3, 6), shape=(1, 1, 1, 6, 3)",
        ),
        (
            lambda: on_white(RAMP, torch.full((1, 1, 1, 3, 6), 255.0)),
            InputError,
            "alpha-values: high=255, low=255",
        ),
        (
            lambda: crop_subject(RAMP, torch.zeros(1, 1, 1, 3, 6)),
            InputError,
            "subject-mask-empty",
        ),
    ],
)
def test_what_is_no_reference_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert refused(caught.value) == message
