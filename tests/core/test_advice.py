"""Promises of the warnings: what is usually a mistake is named, what is usual is not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vace_core import tasks
from vace_core.inputs import controls
from vace_core.inputs.layout import BoxKey, BoxPath
from vace_core.models.wan.dit import mask_frames
from vace_core.preview.warnings import role_shares, warnings
from vace_core.tasks import anything
from vace_core.vcu import compose

T, H, W = 9, 64, 96
SIZE = {"num_frames": T, "height": H, "width": W}


def photo(seed: int, t: int = T) -> Tensor:
    """Colours and detail as footage has them, panning: large soft colours, and grain."""
    generator = torch.Generator().manual_seed(seed)
    soft = functional.interpolate(torch.rand(1, 3, 6, 8, generator=generator), size=(H, W), mode="bilinear")
    still = (soft + torch.rand(1, 3, H, W, generator=generator) * 0.3 - 0.15).clamp(0, 1) * 2 - 1
    return torch.stack([still.roll(2 * n, dims=3) for n in range(t)], dim=2)


def spot(t: int = T) -> Tensor:
    masks = torch.zeros(1, 1, t, H, W)
    masks[..., 20:40, 30:60] = 1
    return masks


def subject() -> Tensor:
    """A round thing on white."""
    rows, columns = torch.meshgrid(torch.arange(H) - H / 2, torch.arange(W) - W / 2, indexing="ij")
    return torch.where(rows**2 + columns**2 < 20**2, photo(3, 1), torch.ones(()))


def with_window(picture: Tensor) -> Tensor:
    picture[..., :16, :30] = 1
    return picture


PATH = BoxPath(
    keys=(BoxKey(time=0, x=0.3, y=0.5, width=0.3, height=0.5), BoxKey(time=1, x=0.7, y=0.5, width=0.3, height=0.5))
)
USUAL = {
    "text": lambda: tasks.text(**SIZE),
    "inpaint": lambda: tasks.inpaint(photo(1), spot()),
    "outpaint": lambda: tasks.outpaint(photo(1), left=1.0, right=1.0, top=1.0, bottom=1.0),
    "first frame": lambda: tasks.extend(photo(1, 1), num_frames=T),
    "first and last frame": lambda: tasks.extend(photo(1, 1), photo(2, 1), num_frames=T),
    "gray": lambda: tasks.gray(photo(1)),
    "scribble": lambda: tasks.scribble(photo(1)),
    "flow": lambda: tasks.flow(photo(1)),
    "layout": lambda: tasks.layout([PATH], **SIZE),
    "black and white source": lambda: tasks.inpaint(controls.gray(photo(1)), spot()),
    "swap": lambda: anything.swap_anything(photo(1), spot(), [subject()]),
    "move": lambda: anything.move_anything(photo(1, 1), [PATH], num_frames=T),
    "expand": lambda: anything.expand_anything(photo(1, 1), [subject()], num_frames=T, left=1.0),
    "composed": lambda: compose(tasks.inpaint(photo(1), spot()), tasks.scribble(photo(1))),
}


@pytest.mark.parametrize("task", USUAL)
def test_usual_units_raise_no_warning(task):
    assert warnings(USUAL[task](), mask_frames=mask_frames(T)) == []


UNUSUAL = [
    (
        lambda: tasks.inpaint(photo(1), torch.zeros(1, 1, T, H, W)),
        "The mask keeps every pixel, so nothing is generated. What should change needs mask 1 (white). "
        "Paint it, or invert the mask.",
    ),
    (
        lambda: tasks.inpaint(photo(1), torch.ones(1, 1, T, H, W)),
        "The mask generates every pixel, so nothing of the source video is kept. What should stay needs mask 0 "
        "(black). Invert the mask, or leave the source video out.",
    ),
    (
        lambda: tasks.inpaint(photo(1), 1 - spot()),
        "The mask generates 90% of the frame and keeps the small rest. Mask 1 (white) = generate, 0 (black) = keep. "
        "If the small part should change, invert the mask.",
    ),
    (
        lambda: tasks.keyframes({0: photo(1, 1), 3: photo(2, 1)}, num_frames=T),
        "The mask changes for a moment at 3, and the model does not read the mask there: it gets these pixels, but "
        "not whether they are kept. Move them to 4, or hold them longer.",
    ),
    (
        lambda: tasks.inpaint(torch.where(spot() > 0, torch.zeros(()), photo(1)), torch.roll(spot(), 20, 3)),
        "11% of the kept pixels are plain gray, and kept pixels stay as they are. Gray marks what the model generates. "
        "To generate these pixels, let the mask cover them; the gray fill is done by itself.",
    ),
    (
        lambda: tasks.depth(torch.zeros(1, 3, T, H, W)),
        "100% of the control video is plain gray, so there is nothing to follow. Connect a control video, or leave it "
        "out.",
    ),
    (
        lambda: tasks.depth(photo(1)),
        "The control video has the many colours and the fine detail of a photo. It should be a depth map, a pose "
        "(skeleton) or lines. Connect that, not the video it was computed from.",
    ),
    (
        lambda: tasks.reference([subject(), photo(1, 1)], **SIZE),
        "Reference 2 has a background that fills it to its edges. It tends to show up in the first frames. "
        "Cut the subject out and lay it on white, unless it is all over the image, as a style is.",
    ),
    (
        lambda: tasks.reference([photo(1, 1)[..., 20:50]], **SIZE),
        "Reference 1 has a background that fills it to its edges. It tends to show up in the first frames. "
        "Cut the subject out and lay it on white, unless it is all over the image, as a style is.",
    ),
    (  # a photo with a bright window in a corner is a photo
        lambda: tasks.reference([with_window(photo(1, 1))], **SIZE),
        "Reference 1 has a background that fills it to its edges. It tends to show up in the first frames. "
        "Cut the subject out and lay it on white, unless it is all over the image, as a style is.",
    ),
    (
        lambda: tasks.reference([torch.ones(1, 3, 1, 8, 8)], **SIZE),
        "Reference 1 is all white and shows nothing. Connect another image.",
    ),
]


def test_a_photo_whose_grain_is_another_in_every_frame_is_one_too():
    """As a camera's is: frames must be looked at one by one, for their mean has no grain."""
    still = photo(1, 1)
    grain = torch.rand(1, 3, T, H, W, generator=torch.Generator().manual_seed(0)) * 0.3 - 0.15
    (message,) = warnings(tasks.depth((still + grain).clamp(-1, 1)), mask_frames=mask_frames(T))
    assert message.startswith("The control video has the many colours and the fine detail of a photo.")


@pytest.mark.parametrize(("unit", "message"), UNUSUAL)
def test_what_is_usually_a_mistake_is_named(unit, message):
    assert warnings(unit(), mask_frames=mask_frames(T)) == [message]


def test_without_knowing_what_the_model_reads_nothing_is_said_about_it():
    assert warnings(tasks.keyframes({3: photo(2, 1)}, num_frames=T)) == []


def test_every_hidden_keyframe_is_named_or_counted():
    """Frames 1, 5, 9, … of 81 are read: a keyframe on any of them is well placed, any other inner one is not."""
    seen = mask_frames(81)
    small = photo(1, 1)[..., :2, :2]
    for index in range(1, 80):
        found = warnings(tasks.keyframes({index: small}, num_frames=81), mask_frames=seen)
        assert bool(found) == (index not in seen)
    hidden = [index for index in range(2, 79, 3) if index not in seen]
    (message,) = warnings(tasks.keyframes(dict.fromkeys(hidden, small), num_frames=81), mask_frames=seen)
    assert message.startswith("The mask changes for a moment at 2, 8, 11, 14, 20, 23, 26, 29, ..., and the model ")
    assert message.endswith("Move them to 1, 9, 13, 21, 25, 28, or hold them longer.")
    (message,) = warnings(tasks.keyframes(dict.fromkeys(hidden[:8], small), num_frames=81), mask_frames=seen)
    assert message.startswith("The mask changes for a moment at 2, 8, 11, 14, 20, 23, 26, 29, and the model ")


def test_a_moment_that_is_made_is_hidden_too():
    masks = torch.zeros(1, 1, T, H, W)
    masks[:, :, 3] = 1
    assert len(warnings(tasks.inpaint(photo(1), masks), mask_frames=mask_frames(T))) == 1


@pytest.mark.parametrize(("made", "named", "move"), [([0], "0", "1"), ([8], "8", "7"), ([0, 8], "0, 8", "1, 7")])
@pytest.mark.parametrize("part", ["whole frames", "a spot"])
def test_what_is_made_at_the_very_start_or_end_alone_is_hidden_too(made, named, move, part):
    """The mask that the model reads keeps everything, then: kept frames there are usual, made ones are not."""
    masks = torch.zeros(1, 1, T, H, W)
    masks[:, :, made] = 1 if part == "whole frames" else spot(1)
    assert warnings(tasks.inpaint(photo(1), masks), mask_frames=mask_frames(T)) == [
        f"The mask changes for a moment at {named}, and the model does not read the mask there: it gets these pixels, "
        f"but not whether they are kept. Move them to {move}, or hold them longer."
    ]


def test_shares_of_a_frame_are_counted_exactly():
    left = torch.zeros(1, 1, T, H, W)
    left[..., :45] = 1
    unit = compose(tasks.inpaint(photo(1), spot()), tasks.depth(photo(2), masks=left))
    pixels = H * W
    assert (role_shares(unit) * pixels).round().tolist() == [[pixels - 600, 300, 300]] * T


def said(unit) -> list[str]:
    """What each warning is about: its first words."""
    return [" ".join(one.split()[:4]) for one in warnings(unit, mask_frames=mask_frames(T))]


def made(part: float) -> Tensor:
    """Masks that generate this part of the width."""
    masks = torch.zeros(1, 1, T, 20, 100)
    masks[..., : round(100 * part)] = 1
    return masks


def test_a_mask_over_85_percent_may_be_inverted():
    clip = photo(1)[..., :20, :1].expand(1, 3, T, 20, 100)
    assert said(tasks.inpaint(clip, made(0.85))) == []
    assert said(tasks.inpaint(clip, made(0.86))) == ["The mask generates 86%"]


def with_rows(clip: Tensor, count: int, level: float) -> Tensor:
    """Its first rows in one shade of gray, 0..255."""
    clip = clip.clone()
    clip[..., :count, :] = level / 127.5 - 1
    return clip


@pytest.mark.parametrize(("level", "gray"), [(126, False), (127, True), (128, True), (129, False)])
def test_gray_is_the_middle_level_of_a_picture(level, gray):
    unit = tasks.inpaint(with_rows(photo(1), 10, level), spot())
    assert (said(unit) == ["17% of the kept"]) == gray
    assert gray or said(unit) == []


def test_five_percent_of_gray_in_what_is_kept_may_be_a_hole():
    assert said(tasks.inpaint(with_rows(photo(1), 2, 127), spot())) == []
    assert said(tasks.inpaint(with_rows(photo(1), 4, 127), spot())) == ["7% of the kept"]


def test_a_control_that_is_gray_but_for_a_twentieth_says_nothing():
    black = torch.full((1, 3, T, 100, 96), -1.0)
    assert said(tasks.depth(with_rows(black, 94, 128))) == []
    assert said(tasks.depth(with_rows(black, 96, 128))) == ["96% of the control"]


def test_of_a_batch_the_first_clip_is_looked_at():
    """The second one's mask generates all of it but a spot, and all that it keeps is gray."""
    clips, masks = torch.cat([photo(1), torch.zeros(1, 3, T, H, W)]), torch.cat([spot(), 1 - spot()])
    assert said(tasks.inpaint(clips, masks)) == []
    assert said(tasks.inpaint(clips.flip(0), masks.flip(0))) == ["The mask generates 90%", "100% of the kept"]
    controls_of = torch.cat([subject().expand(1, 3, T, H, W), photo(1)])
    assert said(tasks.depth(controls_of.flip(0))) == ["The control video has"]


def block(gaps: tuple[int, int, int, int], level: int = 0) -> Tensor:
    """A block of 40 x 40 on white, with a gap of one pixel's depth in each side: top, bottom, left, right."""
    picture = torch.ones(1, 3, 1, H, W)
    inner = picture[..., 10:50, 20:60]
    inner[:] = level / 127.5 - 1
    for side, gap in zip((inner[..., 0, 5:], inner[..., -1, 5:], inner[..., 5:, 0], inner[..., 5:, -1]), gaps,
                         strict=True):  # fmt: skip
        side[..., :gap] = 1
    return picture


@pytest.mark.parametrize(
    ("gaps", "level", "background"),
    [
        ((0, 0, 0, 0), 0, True),
        ((0, 0, 0, 0), 242, True),
        ((13, 8, 9, 8), 0, True),  # 122 of 160
        ((13, 12, 12, 10), 0, False),  # 113 of 160
        ((12, 12, 12, 4), 0, False),  # three quarters
    ],
)
def test_a_background_fills_more_than_three_quarters_of_the_outline(gaps, level, background):
    found = said(tasks.reference([block(gaps, level)], **SIZE))
    assert found == (["Reference 1 has a"] if background else [])


def test_nearly_white_is_white():
    assert said(tasks.reference([block((0, 0, 0, 0), level=243)], **SIZE)) == ["Reference 1 is all"]
    assert said(tasks.reference([subject(), block((0, 0, 0, 0), level=243)], **SIZE)) == ["Reference 2 is all"]


def relief() -> Tensor:
    """Hundreds of colours, and nothing finer than a slope."""
    x, y = torch.linspace(-0.8, 0.8, W).expand(H, W), torch.linspace(-0.8, 0.8, H)[:, None].expand(H, W)
    return torch.stack([x, y, -x])[None, :, None].expand(1, 3, T, H, W)


def grained(level: float, part: float) -> Tensor:
    """The relief with grain of this many levels on a part of its width."""
    turns = (torch.arange(H)[:, None] + torch.arange(W)) % 2 * 2.0 - 1
    return relief() + turns * (torch.arange(W) < round(part * W)) * level / 127.5


@pytest.mark.parametrize(
    ("level", "part", "photo"), [(1, 1, False), (2, 1, True), (9, 0.04, False), (9, 0.06, True)]
)  # fmt: skip
def test_detail_is_grain_of_two_levels_on_a_twentieth(level, part, photo):
    assert said(tasks.depth(grained(level, part))) == (["The control video has"] if photo else [])


def in_colours(count: int) -> Tensor:
    """Blocks of 2 x 2 in this many colours, of 16 steps a channel, every one as frequent as any other."""
    near = [(1, 0, 0), (0, 15, 15), (0, 15, 1), (0, 1, 0), (0, 0, 15), (15, 15, 15), (14, 15, 15), (0, 0, 0)]
    steps = [*near, *((3 + n % 4, 3 + n // 4 % 4, 3 + n // 16) for n in range(count - len(near)))]
    blocks = torch.tensor([steps[n % count] for n in range(H * W // 4)]).T.reshape(3, H // 2, W // 2)
    picture = (blocks + 0.5) / 8 - 1
    return picture.repeat_interleave(2, 1).repeat_interleave(2, 2)[None, :, None].expand(1, 3, T, H, W)


@pytest.mark.parametrize(("count", "photo"), [(60, False), (61, True)])
def test_a_photo_has_more_than_sixty_colours(count, photo):
    assert said(tasks.depth(in_colours(count))) == (["The control video has"] if photo else [])


def test_white_is_one_of_the_shades_next_to_it():
    """The lightest of 16 steps ends at white."""
    picture = in_colours(60).clone()
    lightest = (picture > 0.8).all(dim=1, keepdim=True) & (torch.arange(W) % 4 < 2)
    assert lightest.any()
    assert said(tasks.depth(torch.where(lightest, torch.ones(()), picture))) == []


@pytest.mark.parametrize(
    ("count", "gray", "share"), [(3, [1], "33%"), (6, [1, 5], "33%"), (7, [2], "25%"), (12, [0, 2, 4], "50%"),
                                 (13, [0, 3], "40%")]
)  # fmt: skip
def test_frames_that_stand_for_a_long_clip_are_spread_evenly_over_it(count: int, gray: list[int], share: str):
    clip = photo(1, count)
    clip[:, :, gray] = 0
    assert [one.split()[0] for one in warnings(tasks.inpaint(clip, spot(count)))] == [share]


def test_what_is_small_counts_wherever_it_is():
    """A control of a single spot of 2 x 2, with the hole that it fills all round it."""
    masks = torch.zeros(1, 1, T, H, W)
    masks[..., 2:4, 2:4] = 1
    unit = compose(tasks.inpaint(photo(1), masks), tasks.depth(torch.zeros(1, 3, T, H, W), masks=masks))
    assert said(unit) == ["100% of the control"]


def test_only_what_is_followed_of_a_control_is_looked_at():
    """Around it the model makes what it likes, and the control may be plain gray there."""
    masks = torch.zeros(1, 1, T, H, W)
    masks[..., 20:32, 30:44] = 1
    control = torch.linspace(-1, 1, W).expand(1, 3, T, H, W) * masks
    assert said(tasks.depth(control, masks=masks)) == []
    assert said(tasks.depth(control)) == ["97% of the control"]
