"""Controls made elsewhere: what is wrong is found, and mended if it can be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures_to_control import HEIGHT, WIDTH, depth, drawing, frames_of, photo, skeleton
from refused import refused

from vace_core.errors import InputError
from vace_core.inputs import controls
from vace_core.inputs.control_checks import check_control, fix_control
from vace_core.inputs.layout import BoxKey, BoxPath, draw_layout

GOOD = {
    "depth": depth(edge=6),
    "pose": skeleton(background=32),
    "scribble": drawing(paper=255, ink=0),
    "gray": depth(edge=6),
}


@pytest.mark.parametrize("kind", list(GOOD))
def test_a_good_control_is_left_untouched(kind):
    frames = frames_of(GOOD[kind], GOOD[kind])
    assert check_control(frames, kind) == []
    mended, notes = fix_control(frames, kind)
    assert torch.equal(mended, frames)
    assert notes == []


def test_what_this_library_draws_passes_its_own_check():
    keys = (BoxKey(time=0, x=0.3, y=0.5, width=0.3, height=0.3), BoxKey(time=1, x=0.7, y=0.5, width=0.3, height=0.3))
    box = draw_layout([BoxPath(keys=keys)], num_frames=3, height=HEIGHT, width=WIDTH)
    clip = frames_of(photo(), np.roll(photo(), 2, axis=1))
    assert check_control(box, "layout") == []
    assert check_control(controls.gray(clip), "gray") == []
    assert check_control(controls.flow(clip), "flow") == []


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
    assert check_control(frames, kind) == [warning]
    mended, notes = fix_control(frames, kind)
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
    assert check_control(frames, kind) == [warning]
    mended, notes = fix_control(frames, kind)
    assert notes == [note]
    assert check_control(mended, kind) == []
    again, none = fix_control(mended, kind)
    assert torch.equal(again, mended)
    assert none == []


def test_lifting_leaves_no_dark_rim_and_no_limb_paler():
    rimmed = skeleton(background=0)
    rimmed[19, 60:64] = (0, 20, 8)
    wanted = skeleton(background=32)
    assert torch.equal(fix_control(frames_of(rimmed), "pose")[0], frames_of(wanted))


def test_mending_does_what_the_note_says():
    assert torch.equal(fix_control(frames_of(drawing(0, 255)), "scribble")[0], frames_of(drawing(255, 0)))
    assert torch.equal(fix_control(frames_of(skeleton(0)), "pose")[0], frames_of(skeleton(32)))
    sharp = frames_of(depth(edge=0.1))
    blurred = fix_control(sharp, "depth")[0]
    assert (blurred - sharp).abs().max() > 0.3
    assert (blurred - sharp)[..., :10].abs().max() < 0.01
    assert (blurred.mean() - sharp.mean()).abs() < 0.001


def test_an_unknown_kind_is_named():
    with pytest.raises(InputError) as caught:
        check_control(torch.zeros(1, 3, 1, 16, 16), "canny")
    assert refused(caught.value) == "control-kind: kind=canny, known=depth, pose, scribble, flow, layout, gray"


@pytest.mark.parametrize(("off", "said"), [(0, []), (1, []), (2, ["The gray control has colour."])])
def test_channels_that_differ_by_rounding_are_gray(off, said):
    """A codec's colours come back one level off."""
    picture = np.tile(np.linspace(0, 250, WIDTH).round()[:, None], (HEIGHT, 1, 3))
    picture[..., 1] += off
    assert [one.split(". ")[0] + "." for one in check_control(frames_of(picture), "gray")] == said


def flat(level: float) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), level, float)


def rows(part: float, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """One picture over another, which begins at this part of the height."""
    cut = round(part * HEIGHT)
    return np.concatenate([above[:cut], below[cut:]])


def share(blank: int) -> np.ndarray:
    """So many of a hundred columns are blank, all others black."""
    columns = np.where(np.arange(100) < blank, 255.0, 0.0)
    return np.broadcast_to(columns[None, :, None], (HEIGHT, 100, 3)).copy()


def tinted(picture: np.ndarray, by: float) -> np.ndarray:
    return picture + np.array((0, by, 0))


def stripes(low: float, high: float, axis: int) -> np.ndarray:
    """Lines of one pixel, of two levels in turns."""
    turns = np.indices((HEIGHT, WIDTH))[axis] % 2
    return np.repeat(np.where(turns, high, low)[..., None], 3, axis=2)


def step(slope: float) -> np.ndarray:
    """An edge of 60 levels in a soft relief that rises and falls."""
    x = np.arange(WIDTH)
    relief = slope * (20 - np.abs(x % 40 - 20)) + np.where(x < 60, 60, 120)
    return np.repeat(np.tile(relief, (HEIGHT, 1))[..., None], 3, axis=2)


LIMITS = {  # kind, a picture that passes, one that is just beyond, how the warning about it begins
    "depth, colour": ("depth", tinted(flat(80), 8), tinted(flat(80), 9), "The depth control has colour."),
    "depth, rows of texture": ("depth", stripes(98, 103, 0), stripes(97, 104, 0), "The depth control has fine texture"),
    "depth, columns of texture": (
        "depth", stripes(98, 103, 1), stripes(97, 104, 1), "The depth control has fine texture on 100%"
    ),
    "depth, texture": (
        "depth", rows(0.08, stripes(90, 110, 1), flat(100)), rows(0.12, stripes(90, 110, 1), flat(100)),
        "The depth control has fine texture on 1",
    ),
    "depth, edges": ("depth", step(3), step(1.5), "The depth control has hard edges: 2"),
    "pose, ground": ("pose", rows(0.55, flat(40), photo()), rows(0.45, flat(40), photo()), "Only 4"),
    "pose, light": ("pose", flat(127), flat(128), "The pose control has a light background."),
    "pose, black": ("pose", flat(9), flat(8), "100% of the pose control is pure black"),
    "pose, part of it black": (
        "pose", rows(0.45, flat(0), flat(20)), rows(0.55, flat(0), flat(20)), "55% of the pose control is pure black"
    ),
    "scribble, paper": (
        "scribble", rows(0.65, flat(255), flat(128)), rows(0.55, flat(255), flat(128)), "Only 55% of the scribble"
    ),
    "scribble, paper not quite white": (
        "scribble", rows(0.55, flat(255), flat(240)), rows(0.55, flat(255), flat(239)), "Only 55% of the scribble"
    ),
    "scribble, share": ("scribble", share(60), share(59), "Only 59% of the scribble"),
    "scribble, colour": ("scribble", tinted(flat(240), 8), tinted(flat(240), 9), "The scribble control has colour."),
    "scribble, dark paper": ("scribble", flat(64), flat(63), "The scribble control has light lines on dark."),
    "flow, dark": ("flow", tinted(flat(50), 14), tinted(flat(50), 13), "The flow control is dark where nothing moves."),
    "flow, colour": ("flow", tinted(flat(200), 1), flat(200), "The flow control has no colour."),
    "flow, all still": ("flow", flat(240), flat(239), "The flow control has no colour."),
    "layout, white": ("layout", rows(0.55, flat(255), flat(0)), rows(0.45, flat(255), flat(0)), "Only 4"),
    "layout, not quite white": ("layout", flat(208), flat(207), "Only 0% of the layout control is white."),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_on_one_side_of_a_limit_nothing_is_said_and_on_the_other_what_is_wrong(name):
    kind, passes, beyond, said = LIMITS[name]
    assert check_control(frames_of(passes), kind) == []
    (warning,) = check_control(frames_of(beyond), kind)
    assert warning.startswith(said)


@pytest.mark.parametrize(
    "pair", [((40, 0, 0), (0, 255, 255)), ((0, 40, 0), (0, 0, 255)), ((0, 255, 40), (40, 0, 0)),
             ((0, 40, 0), (0, 0, 140)), ((0, 0, 0), (0, 0, 140)), ((0, 0, 0), (32, 0, 0))]
)  # fmt: skip
def test_two_colours_are_not_one_background(pair):
    first, second = flat(0) + pair[0], flat(0) + pair[1]
    picture = rows(0.45, first, rows(0.9, second, photo()))
    assert check_control(frames_of(picture), "pose")[0].startswith("Only 45% of the pose control is of one colour.")


def test_shades_of_a_codec_are_one_background():
    """Up to 31 levels apart."""
    assert check_control(frames_of(rows(0.5, flat(32), flat(63))), "pose") == []


def test_what_is_wrong_only_now_and_then_is_found_in_a_long_clip():
    """One frame of eight is looked at, at least."""
    clip = [flat(100)] * 4 + [tinted(flat(100), 100)] * 8 + [flat(100)] * 52
    assert len(check_control(frames_of(*clip), "depth")) == 1


@pytest.mark.parametrize("turned", [False, True])
def test_an_edge_is_blurred_by_about_three_pixels(turned):
    """Its slope is more than half as steep as it gets over three or four pixels, in either direction."""
    edge = np.where(np.arange(WIDTH) < 64, 60.0, 200.0)
    picture = np.tile(edge, (WIDTH, 1))
    blurred = fix_control(frames_of(picture.T if turned else picture), "depth")[0][0, 0, 0].numpy()
    slope = np.diff(blurred.T[64] if turned else blurred[64])
    assert 3 <= (slope > slope.max() / 2).sum() <= 4
