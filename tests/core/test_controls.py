"""Control signals: gray and flow pictures are the official ones, scribbles are closed thin outlines."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures_to_control import HEIGHT, WIDTH, frames_of, levels, photo
from refused import refused
from torch import Tensor

from vace_core.errors import InputError, ShapeError
from vace_core.inputs import controls
from vace_core.inputs.control_checks import check_control, fix_control
from vace_core.starter.scenes.clips import HELD_OUT, Bucket, clip

quick = settings(max_examples=40, deadline=None, derandomize=True)


# Gray. Numbers: GrayAnnotator of ali-vilab/VACE 48eb44f, run with OpenCV 5.0.


def test_gray_is_the_official_one():
    pixels = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (12, 200, 77), (0, 0, 0)]
    drawn = levels(controls.gray(frames_of(np.array([pixels], float))))
    assert drawn[0, 0, :, 0].tolist() == [29, 150, 76, 255, 142, 0]
    assert (drawn == drawn[..., :1]).all()


def test_gray_is_opencv_with_red_and_blue_exchanged():
    import cv2

    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.array_equal(
        levels(controls.gray(frames_of(picture)))[0, ..., 0], cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    )


@quick
@given(st.integers(0, 255), st.integers(1, 2), st.integers(1, 3))
def test_gray_of_gray_is_itself(level, batch, num_frames):
    frames = torch.full((batch, 3, num_frames, 2, 2), level / 127.5 - 1)
    assert torch.allclose(controls.gray(frames), frames, rtol=0, atol=1e-6)


# Flow. Numbers: flow_viz.flow_to_image of princeton-vl/RAFT 2888e15, run with NumPy 2.4; the checksum is zlib.crc32.


def test_the_flow_picture_is_the_official_one():
    y, x = np.mgrid[:12, :16].astype(np.float32)
    moves = torch.from_numpy(np.stack([(x - 7.5) * 1.5 + 0.25 * y, (y - 5.5) * 2 - 0.5 * x])).float()
    drawn = levels(controls.flow_image(moves[:, None]))[0]
    corners = [drawn[0, 0].tolist(), drawn[5, 8].tolist(), drawn[11, 15].tolist(), drawn[0, 15].tolist()]
    assert corners == [[69, 109, 255], [229, 191, 255], [255, 108, 85], [179, 0, 255]]
    assert zlib.crc32(drawn.tobytes()) == 6033120


@pytest.mark.parametrize(
    ("right", "down", "full", "half"),
    [
        (3, 0, [255, 0, 0], [255, 127, 127]),
        (0, 3, [255, 229, 0], [255, 242, 127]),
        (-3, 0, [0, 209, 255], [127, 232, 255]),
        (0, -3, [88, 0, 255], [171, 127, 255]),
        (0, 0, [255, 255, 255], [255, 255, 255]),
    ],
)
def test_direction_is_colour_and_speed_its_depth(right, down, full, half):
    moves = torch.tensor([[right, right / 2], [down, down / 2]]).float().reshape(2, 1, 1, 2)
    assert levels(controls.flow_image(moves))[0, 0].tolist() == [full, half]


def test_the_fastest_pixel_is_darkened_where_the_official_rounding_darkens_it():
    moves = torch.tensor([14007.0, -29787.0]).reshape(2, 1, 1, 1)
    assert levels(controls.flow_image(moves)).flatten().tolist() == [121, 0, 191]


@pytest.mark.parametrize(("right", "down"), [(2, 0), (-2, 0), (0, 2), (0, -2)])
def test_flow_shows_where_the_picture_moves(right, down):
    first = photo()
    drawn = controls.flow(frames_of(first, np.roll(first, (down, right), axis=(0, 1))))
    alone = torch.tensor([right, down]).float().reshape(2, 1, 1, 1)
    wanted = controls.flow_image(alone)[0, :, 0, 0, 0]
    inner = drawn[0, :, 0, 16:-16, 16:-16]
    assert drawn.shape == (1, 3, 2, HEIGHT, WIDTH)
    assert (inner.flatten(1).median(dim=1).values - wanted).abs().max() < 0.5


def test_flow_keeps_the_length_by_showing_the_first_motion_twice():
    clip = frames_of(*(np.roll(photo(), shift, axis=1) for shift in (0, 2, 1, 4)))
    drawn = controls.flow(clip.repeat(2, 1, 1, 1, 1))
    assert drawn.shape == (2, 3, 4, HEIGHT, WIDTH)
    assert torch.equal(drawn[:, :, 0], drawn[:, :, 1])
    assert not torch.equal(drawn[:, :, 1], drawn[:, :, 2])
    assert torch.equal(drawn[0], drawn[1])


def test_a_still_clip_flows_white():
    assert (controls.flow(frames_of(photo(), photo(), photo())) == 1).all()


# Scribble.


def ink(frames: Tensor, **options: float) -> np.ndarray:
    """How dark the scribble is, `(T, H, W)`, 0..1."""
    return ((1 - controls.scribble(frames, **options)[0, 0]) / 2).numpy()


def triangle(inside: tuple[int, int, int], outside: tuple[int, int, int], scale: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat triangle on a plain background, `(64 scale, 64 scale, 3)`, and where it is."""
    y, x = (np.mgrid[: 64 * scale, : 64 * scale] + 0.5) / scale
    where = (y < 50) & (abs(x - 32) < (y - 14) * 0.55)
    return np.where(where[..., None], inside, outside).astype(float), where


def test_a_scribble_of_which_nothing_is_said_has_the_usual_strength_and_thickness():
    frames = torch.rand(1, 3, 2, 48, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    usual = controls.scribble(frames)
    assert torch.equal(usual, controls.scribble(frames, strength=1.0, thickness=1.0))
    for other in ({"strength": 1.6}, {"thickness": 1.6}):
        assert not torch.equal(usual, controls.scribble(frames, **other))


def test_scribbles_are_dark_lines_on_white():
    picture = np.full((HEIGHT, WIDTH), 200.0)
    picture[30:70, 40:90] = 60
    lines = controls.scribble(frames_of(picture))
    assert lines.shape == (1, 3, 1, HEIGHT, WIDTH)
    assert (lines[..., :20, :] == 1).all()
    assert (lines[..., 40:60, 50:80] == 1).all()
    assert lines[0, 0, 0, 26:34, 60].tolist() == [1, 1, 1, -1, -1, 1, 1, 1]
    assert check_control(lines, "scribble") == []


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ((36, 61, 235), (194, 173, 150)),  # blue on beige
        ((200, 60, 60), (60, 131, 60)),  # red on green of the same brightness
        ((140, 140, 140), (110, 110, 110)),  # gray on gray
        ((20, 20, 20), (250, 250, 250)),
    ],
)
def test_an_outline_is_closed_and_thin(inside, outside, scale):
    import cv2

    picture, where = triangle(inside, outside, scale)
    lines = ink(frames_of(picture))[0] > 0.5
    _, parts = cv2.connectedComponents((~lines).astype(np.uint8), connectivity=4)
    assert parts[40 * scale, 32 * scale] != parts[0, 0]
    outline = cv2.morphologyEx(where.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    assert not (lines & (cv2.dilate(outline, np.ones((3, 3), np.uint8)) == 0)).any()
    assert lines.sum() <= 1.3 * outline.sum()


def test_the_outline_of_every_object_of_the_world_is_drawn():
    import cv2

    near, found, share = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)), list[float](), list[float]()
    size = Bucket(num_frames=2, height=96, width=96)
    for seed in range(60):
        shown = clip(HELD_OUT, seed, size, calm=True)
        drawn = ink(shown.frames[:, :, :1])[0]
        reached = cv2.dilate((drawn > 0.5).astype(np.uint8), near)
        for mask in shown.masks[:, 0, 0].byte().numpy():
            edge = mask > cv2.erode(mask, np.ones((3, 3), np.uint8))
            found += [float(reached[edge].mean())] if edge.any() else []
        if shown.scene.backdrop.kind == "plain" and shown.objects:
            share.append(float(drawn.mean()) / len(shown.objects))
    assert len(found) > 40
    assert np.mean(found) > 0.98
    assert min(found) > 0.9
    assert len(share) >= 5
    assert max(share) < 0.12
    assert np.mean(share) < 0.07


@pytest.mark.parametrize("thickness", [0.5, 1, 2, 4])
def test_lines_are_as_thick_as_asked_for_and_as_dark(thickness):
    edge = np.full((HEIGHT, WIDTH), 120.0)
    edge[:, 64:] = 60
    drawn = ink(frames_of(edge), thickness=thickness)[0, HEIGHT // 2]
    assert drawn.max() == 1
    assert drawn.sum() == pytest.approx(max(2, 2 * thickness), abs=0.1)


@pytest.mark.parametrize(
    ("strength", "thickness", "amount"),
    [
        (1.0, 1.0, 0.37453),
        (0.5, 1.0, 0.20685),
        (0.3, 1.0, 0.07402),
        (0.4, 0.5, 0.05727),
        (0.4, 3.0, 0.20746),
        (3.0, 1.0, 0.37789),
    ],
)
def test_lines_of_a_photo_are_as_many_as_they_were(strength, thickness, amount):
    assert ink(frames_of(photo()), strength=strength, thickness=thickness).mean() == pytest.approx(amount, rel=2e-3)


@pytest.mark.parametrize("value", [-1.0005, 1.0005, -1.002, 1.002])
def test_rounding_beyond_black_and_white_is_taken_and_no_more(value):
    frames = torch.zeros(1, 3, 1, 16, 16)
    frames[0, 0, 0, 0, 0] = value
    if abs(value) < 1.001:
        assert controls.gray(frames).isfinite().all()
    else:
        assert refusal(lambda: controls.gray(frames)).startswith("frames-values: ")


def test_an_edge_gives_the_same_line_whatever_else_is_in_the_clip():
    edge = np.full((HEIGHT, WIDTH), 120.0)
    edge[:, 60:] = 60
    alone = controls.scribble(frames_of(edge))
    beside = controls.scribble(frames_of(edge, photo()))
    assert (alone < 0).any()
    assert torch.equal(alone[:, :, 0], beside[:, :, 0])


def test_grain_makes_lines_flicker_less_than_canny():
    import cv2

    numbers = np.random.default_rng(0)
    still = np.kron(np.random.default_rng(1).integers(40, 220, (6, 8)), np.ones((16, 16)))
    clip = [np.clip(still + numbers.normal(0, 4, still.shape), 0, 255).round() for _ in range(4)]
    ours = ink(frames_of(*clip))
    soft = [cv2.GaussianBlur(picture.astype(np.uint8), (0, 0), 1.0) for picture in clip]
    canny = np.stack([cv2.Canny(picture, 50, 120) for picture in soft]) / 255.0

    def flicker(ink: np.ndarray) -> float:
        return float(np.abs(np.diff(ink, axis=0)).mean() / ink.mean())

    assert flicker(ours) < 0.1 * flicker(canny)


def test_strength_adds_fainter_lines_and_takes_none_away():
    frames = frames_of(photo())
    weak, usual, strong = (controls.scribble(frames, strength=strength) for strength in (0.5, 1, 2))
    assert (strong <= usual).all()
    assert (usual <= weak).all()
    assert strong.mean() < usual.mean() < weak.mean()


# What is refused, and in which words.


def refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return refused(caught.value)


def test_only_three_channels_from_minus_one_to_one_are_taken():
    for function in (controls.gray, controls.scribble, controls.flow, lambda frames: fix_control(frames, "depth")):
        with pytest.raises(ShapeError) as caught:
            function(torch.zeros(1, 1, 2, 16, 16))
        assert refused(caught.value) == "frames-shape: shape=(1, 1, 2, 16, 16)"
        bright = torch.full((1, 3, 2, 16, 16), 255.0)
        assert refusal(lambda function=function, frames=bright: function(frames)) == (
            "frames-values: high=255, low=255"
        )
        assert refusal(lambda function=function: function(torch.full((1, 3, 2, 16, 16), float("nan")))) == (
            "frames-values: high=nan, low=nan"
        )
        assert refusal(lambda function=function: function(torch.zeros(1, 3, 2, 16, 16).half())) == (
            "frames-dtype: dtype=torch.float16"
        )


def test_flow_needs_motion_to_see():
    assert refusal(lambda: controls.flow(torch.zeros(1, 3, 1, 16, 16))) == "flow-length"
    assert refusal(lambda: controls.flow(torch.zeros(1, 3, 2, 8, 20))) == "flow-size: height=8, width=20"
    assert refusal(lambda: controls.flow_image(torch.zeros(3, 1, 4, 4))) == "flow-shape: shape=(3, 1, 4, 4)"
    assert refusal(lambda: controls.flow_image(torch.full((2, 1, 4, 4), float("inf")))) == "flow-not-finite"


def test_numbers_out_of_range_are_named():
    frames = torch.zeros(1, 3, 1, 16, 16)
    assert refusal(lambda: controls.scribble(frames, strength=0)) == (
        "number-range: needed=[0.01, 100], value=0, what=The strength"
    )
    assert refusal(lambda: controls.scribble(frames, thickness=9)) == (
        "number-range: needed=[0.5, 8], value=9, what=The thickness"
    )
