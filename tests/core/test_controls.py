"""Control signals: gray and flow pictures are the official ones; what is wrong is found, and mended if it can be."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vace_core import controls
from vace_core.errors import InputError, ShapeError
from vace_core.layout import BoxKey, BoxPath, draw_layout

HEIGHT, WIDTH = 96, 128
quick = settings(max_examples=40, deadline=None, derandomize=True)


def frames_of(*pictures: np.ndarray) -> Tensor:
    """A clip of pictures `(H, W)` or `(H, W, 3)`, 0..255."""
    clip = np.stack(
        [picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2) for picture in pictures]
    )
    return torch.from_numpy(clip.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1


def levels(frames: Tensor) -> np.ndarray:
    """`(T, H, W, 3)`, 0..255, of the first clip."""
    return ((frames[0] + 1) * 127.5).round().byte().permute(1, 2, 3, 0).contiguous().numpy()


def photo() -> np.ndarray:
    """A coloured picture with texture at every scale: noise whose amplitude falls as its waves grow shorter."""
    numbers = np.random.default_rng(0)
    frequencies = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.fftfreq(WIDTH)[None])
    frequencies[0, 0] = 1
    spectrum = np.fft.fft2(numbers.normal(size=(3, HEIGHT, WIDTH))) / frequencies
    pictures = np.real(np.fft.ifft2(spectrum)).transpose(1, 2, 0)
    return np.clip(128 + 45 * (pictures - pictures.mean()) / pictures.std(), 0, 255).round()


def depth(edge: float) -> np.ndarray:
    """A disc before a slope, its edge about `edge` pixels wide."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = 1 / (1 + np.exp(np.clip((np.hypot(x - 60, y - 48) - 30) * 4 / edge, -50, 50)))
    return (1 - inside) * (30 + 40 * y / HEIGHT) + inside * (210 - 0.2 * x)


def skeleton(background: int) -> np.ndarray:
    picture = np.full((HEIGHT, WIDTH, 3), background, float)
    picture[20:80, 60:64] = (0, 153, 60)
    picture[40:44, 30:100] = (153, 0, 0)
    return picture


def drawing(paper: int, ink: int) -> np.ndarray:
    picture = np.full((HEIGHT, WIDTH), paper, float)
    picture[20:22, 10:110] = picture[20:80, 40:42] = picture[60:62, 40:100] = ink
    return picture


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


def test_scribbles_are_dark_lines_on_white():
    picture = np.full((HEIGHT, WIDTH), 200.0)
    picture[30:70, 40:90] = 60
    lines = controls.scribble(frames_of(picture))
    assert lines.shape == (1, 3, 1, HEIGHT, WIDTH)
    assert (lines[..., :20, :] == 1).all()
    assert (lines[..., 40:60, 50:80] == 1).all()
    # One line for the edge, and that on its dark side.
    assert lines[0, 0, 0, 30, 60] == -1
    assert lines[0, 0, 0, 29, 60] == 1
    assert controls.inspect_control(lines, "scribble") == []


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
    ours = (1 - controls.scribble(frames_of(*clip))[0, 0].numpy()) / 2
    soft = [cv2.GaussianBlur(picture.astype(np.uint8), (0, 0), 1.0) for picture in clip]
    canny = np.stack([cv2.Canny(picture, 50, 120) for picture in soft]) / 255.0

    def flicker(ink: np.ndarray) -> float:
        return float(np.abs(np.diff(ink, axis=0)).mean() / ink.mean())

    assert flicker(ours) < 0.7 * flicker(canny)


def test_strength_adds_fainter_lines_and_takes_none_away():
    frames = frames_of(photo())
    weak, usual, strong = (controls.scribble(frames, strength=strength) for strength in (0.5, 1, 2))
    assert (strong <= usual).all()
    assert (usual <= weak).all()
    assert strong.mean() < usual.mean() < weak.mean()


# The check.

GOOD = {
    "depth": depth(edge=6),
    "pose": skeleton(background=32),
    "scribble": drawing(paper=255, ink=0),
    "gray": depth(edge=6),
}


@pytest.mark.parametrize("kind", list(GOOD))
def test_a_good_control_is_left_untouched(kind):
    frames = frames_of(GOOD[kind], GOOD[kind])
    assert controls.inspect_control(frames, kind) == []
    mended, notes = controls.sanitise(frames, kind)
    assert torch.equal(mended, frames)
    assert notes == []


def test_what_this_library_draws_passes_its_own_check():
    keys = (BoxKey(time=0, x=0.3, y=0.5, width=0.3, height=0.3), BoxKey(time=1, x=0.7, y=0.5, width=0.3, height=0.3))
    box = draw_layout([BoxPath(keys=keys)], num_frames=3, height=HEIGHT, width=WIDTH)
    clip = frames_of(photo(), np.roll(photo(), 2, axis=1))
    assert controls.inspect_control(box, "layout") == []
    assert controls.inspect_control(controls.gray(clip), "gray") == []
    assert controls.inspect_control(controls.flow(clip), "flow") == []


@pytest.mark.parametrize(
    ("kind", "picture", "warning"),
    [
        (
            "depth",
            photo(),
            "The depth control has colour. Depth is gray, near is light. Connect it without a colour map.",
        ),
        (
            "depth",
            photo().mean(axis=-1),
            "The depth control has fine texture on 80% of its pixels, like a photo. Depth is smooth. "
            "Connect the depth map, not the video it was made from.",
        ),
        (
            "pose",
            photo(),
            "Only 2% of the pose control is of one colour. A pose is a skeleton on a plain background. "
            "Connect what a pose detector draws, not the video itself.",
        ),
        (
            "pose",
            skeleton(background=255),
            "The pose control has a light background. The model knows a dark one. Draw the pose on black.",
        ),
        (
            "scribble",
            photo(),
            "Only 27% of the scribble control is blank. Scribbles are thin dark lines on white. "
            "Connect lines, not the video they were drawn from.",
        ),
        (
            "scribble",
            np.clip(skeleton(background=255) - (0, 0, 50), 0, 255),
            "The scribble control has colour. Scribbles are black on white. Turn it gray.",
        ),
        (
            "flow",
            skeleton(background=0),
            "The flow control is dark where nothing moves. On the Middlebury wheel, which the model knows, still is "
            "white. Draw the flow on that wheel.",
        ),
        (
            "flow",
            depth(edge=6) / 2 + 127,
            "The flow control has no colour. Its colours are the directions. Connect coloured flow.",
        ),
        (
            "layout",
            drawing(paper=0, ink=255),
            "Only 4% of the layout control is white. A layout is the outlines of boxes on white. Draw it on white.",
        ),
    ],
)
def test_what_cannot_be_mended_is_said_and_left_alone(kind, picture, warning):
    frames = frames_of(picture)
    assert controls.inspect_control(frames, kind) == [warning]
    mended, notes = controls.sanitise(frames, kind)
    assert torch.equal(mended, frames)
    assert notes == []


@pytest.mark.parametrize(
    ("kind", "picture", "warning", "note"),
    [
        (
            "depth",
            depth(edge=0.1),
            "The depth control has hard edges: 86% of its contrast is in steps of one pixel. Depth this clean can pass "
            "for a gray picture to colour in. Sanitise it, or blur it by about 3 pixels.",
            "Blurred the depth control by about 3 pixels.",
        ),
        (
            "pose",
            skeleton(background=0),
            "96% of the pose control is pure black, which can leave dark squares in the picture. "
            "A little light is needed there. Sanitise it, or lift the black to #202020.",
            "Lifted the black of the pose control to #202020.",
        ),
        (
            "scribble",
            drawing(paper=0, ink=255),
            "The scribble control has light lines on dark. Dark lines on white are needed. Sanitise it, or invert it.",
            "Inverted the scribble control: its lines are now dark on white.",
        ),
        (
            "gray",
            photo(),
            "The gray control has colour. Gray pictures are needed. Sanitise it, or turn it gray.",
            "Turned the gray control gray.",
        ),
    ],
)
def test_what_can_be_mended_is_mended_once_and_noted(kind, picture, warning, note):
    frames = frames_of(picture, picture)
    assert controls.inspect_control(frames, kind) == [warning]
    mended, notes = controls.sanitise(frames, kind)
    assert notes == [note]
    assert controls.inspect_control(mended, kind) == []
    again, none = controls.sanitise(mended, kind)
    assert torch.equal(again, mended)
    assert none == []


def test_lifting_leaves_no_dark_rim_and_no_limb_paler():
    rimmed = skeleton(background=0)
    rimmed[19, 60:64] = (0, 20, 8)
    wanted = skeleton(background=32)
    assert torch.equal(controls.sanitise(frames_of(rimmed), "pose")[0], frames_of(wanted))


def test_mending_does_what_the_note_says():
    assert torch.equal(controls.sanitise(frames_of(drawing(0, 255)), "scribble")[0], frames_of(drawing(255, 0)))
    assert torch.equal(controls.sanitise(frames_of(skeleton(0)), "pose")[0], frames_of(skeleton(32)))
    sharp = frames_of(depth(edge=0.1))
    blurred = controls.sanitise(sharp, "depth")[0]
    assert (blurred - sharp).abs().max() > 0.3
    assert (blurred - sharp)[..., :10].abs().max() < 0.01
    assert (blurred.mean() - sharp.mean()).abs() < 0.001


# What is refused, and in which words.


def refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def test_only_three_channels_from_minus_one_to_one_are_taken():
    for function in (
        controls.gray,
        controls.scribble,
        controls.flow,
        lambda frames: controls.sanitise(frames, "depth"),
    ):
        with pytest.raises(ShapeError) as caught:
            function(torch.zeros(1, 1, 2, 16, 16))
        assert str(caught.value) == (
            "The frames have the shape (1, 1, 2, 16, 16). (batch, 3, frames, height, width) is needed, none of them 0. "
            "Connect frames with three channels."
        )
        bright = torch.full((1, 3, 2, 16, 16), 255.0)
        assert refusal(lambda function=function, frames=bright: function(frames)) == (
            "The frames hold values from 255 to 255. -1 (black) to 1 (white) is needed. Rescale them first."
        )
        assert refusal(lambda function=function: function(torch.full((1, 3, 2, 16, 16), float("nan")))) == (
            "The frames hold values from nan to nan. -1 (black) to 1 (white) is needed. Rescale them first."
        )
        assert refusal(lambda function=function: function(torch.zeros(1, 3, 2, 16, 16).half())) == (
            "The frames hold torch.float16 numbers. torch.float32 is needed. Convert them to it first."
        )


def test_flow_needs_motion_to_see():
    assert refusal(lambda: controls.flow(torch.zeros(1, 3, 1, 16, 16))) == (
        "The clip has 1 frame. At least 2 are needed to see motion. Connect a longer clip."
    )
    assert refusal(lambda: controls.flow(torch.zeros(1, 3, 2, 8, 20))) == (
        "The frames are 20 x 8 pixels. At least 16 x 16 are needed to see motion. Connect larger frames."
    )
    assert refusal(lambda: controls.flow_image(torch.zeros(3, 1, 4, 4))) == (
        "The flow has the shape (3, 1, 4, 4). (2, frames, height, width) is needed. "
        "Connect motion to the right and down, in pixels."
    )
    assert refusal(lambda: controls.flow_image(torch.full((2, 1, 4, 4), float("inf")))) == (
        "The flow holds infinite or undefined numbers. Finite ones are needed. Compute it again."
    )


def test_an_unknown_kind_and_numbers_out_of_range_are_named():
    frames = torch.zeros(1, 3, 1, 16, 16)
    assert refusal(lambda: controls.inspect_control(frames, "canny")) == (
        'The control kind is "canny". Known kinds are depth, pose, scribble, flow, layout, gray. Choose one of them.'
    )
    assert refusal(lambda: controls.scribble(frames, strength=0)) == (
        "strength is 0. A number from 0.01 to 100 is needed. Change strength."
    )
    assert refusal(lambda: controls.scribble(frames, thickness=9)) == (
        "thickness is 9. A number from 0.5 to 8 is needed. Change thickness."
    )
