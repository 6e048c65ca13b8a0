"""Promises of the tasks: what each asks of every pixel, the official sizes and orders, and what is refused."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from refused import refused
from torch import Tensor

from vace_core import tasks
from vace_core.errors import InputError, ShapeError
from vace_core.inputs import controls
from vace_core.inputs.layout import BoxKey, BoxPath, draw_layout
from vace_core.tasks import anything
from vace_core.vcu import compose


def clip(seed: int, t: int = 5, h: int = 16, w: int = 32) -> Tensor:
    """Pixels that are nowhere gray, so that a missing one shows."""
    return 0.1 + 0.9 * torch.rand(1, 3, t, h, w, generator=torch.Generator().manual_seed(seed))


def left_half(t: int = 5, h: int = 16, w: int = 32) -> Tensor:
    masks = torch.zeros(1, 1, t, h, w)
    masks[..., : w // 2] = 1
    return masks


PATH = BoxPath(
    keys=(BoxKey(time=0, x=0.3, y=0.5, width=0.3, height=0.5), BoxKey(time=1, x=0.7, y=0.5, width=0.3, height=0.5))
)
SIZE = {"num_frames": 5, "height": 16, "width": 32}

# Every task once, on inputs it takes.
CALLS = {
    tasks.text: lambda **words: tasks.text(**SIZE, **words),
    tasks.reference: lambda **words: tasks.reference([clip(1, 1, 9, 9)], **SIZE, **words),
    tasks.inpaint: lambda **words: tasks.inpaint(clip(1), left_half(), **words),
    tasks.outpaint: lambda **words: tasks.outpaint(clip(1), left=0.5, **words),
    tasks.extend: lambda **words: tasks.extend(clip(1, 1), num_frames=5, **words),
    tasks.keyframes: lambda **words: tasks.keyframes({2: clip(1, 1)}, num_frames=5, **words),
    tasks.control: lambda **words: tasks.control(clip(1), **words),
    tasks.gray: lambda **words: tasks.gray(clip(1), **words),
    tasks.depth: lambda **words: tasks.depth(clip(1), **words),
    tasks.scribble: lambda **words: tasks.scribble(clip(1), **words),
    tasks.pose: lambda **words: tasks.pose(clip(1), **words),
    tasks.flow: lambda **words: tasks.flow(clip(1), **words),
    tasks.layout: lambda **words: tasks.layout([PATH], **SIZE, **words),
    anything.join: lambda **words: anything.join(clip(1, 2), clip(2, 2), num_frames=9, **words),
    anything.reference_anything: lambda **words: anything.reference_anything(
        [clip(1, 1, 9, 9)], masks=[None], **SIZE, **words
    ),
    anything.animate_anything: lambda **words: anything.animate_anything(clip(1), [clip(2, 1)], **words),
    anything.stylize: lambda **words: anything.stylize(clip(1), [clip(2, 1)], **words),
    anything.swap_anything: lambda **words: anything.swap_anything(clip(1), left_half(), [clip(2, 1)], **words),
    anything.move_anything: lambda **words: anything.move_anything(clip(1, 1), [PATH], num_frames=5, **words),
    anything.expand_anything: lambda **words: anything.expand_anything(
        clip(1, 1), [clip(2, 1)], num_frames=5, left=0.5, **words
    ),
}


@pytest.mark.parametrize("task", CALLS, ids=lambda task: task.__name__)
def test_every_task_carries_its_words_and_rate(task):
    unit = CALLS[task](prompt="a dog; rain; rain", negative_prompt="blur", fps=25.0)
    assert (unit.prompt, unit.negative_prompt, unit.fps) == ("a dog; rain; rain", "blur", 25.0)


@pytest.mark.parametrize("task", CALLS, ids=lambda task: task.__name__)
def test_a_task_of_which_nothing_is_said_has_no_words_and_the_rate_of_wan(task):
    unit = CALLS[task]()
    assert (unit.prompt, unit.negative_prompt, unit.fps) == ("", "", 16.0)


def test_no_task_is_forgotten_here():
    public = {
        function
        for module in (tasks.basic, anything)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and name != "check_longer"
    }
    assert public == set(CALLS)


def test_text_says_nothing():
    unit = tasks.text(**SIZE)
    assert not unit.roles.any()
    assert (unit.num_frames, unit.height, unit.width) == (5, 16, 32)


def test_references_are_fitted_and_in_order():
    unit = tasks.reference([clip(1, 1, 9, 9), clip(2, 1, 5, 40)], **SIZE)
    assert [picture.shape for picture in unit.references] == [(1, 3, 1, 16, 32)] * 2
    assert bool((unit.references[0][..., 0] == 1).all())
    assert bool((unit.references[1][..., 0, :] == 1).all())
    assert not unit.roles.any()


def test_inpainting_grays_the_mask_and_keeps_the_rest():
    unit = tasks.inpaint(clip(1), left_half())
    assert torch.equal(unit.masks, left_half())
    assert torch.equal(unit.frames, clip(1) * (1 - left_half()))


def test_one_mask_frame_counts_for_the_whole_clip():
    assert torch.equal(tasks.inpaint(clip(1), left_half(t=1)).roles, tasks.inpaint(clip(1), left_half()).roles)
    assert torch.equal(
        tasks.control(clip(1), masks=left_half(t=1)).roles, tasks.control(clip(1), masks=left_half()).roles
    )


# Canvas and kept box (left, top, right, bottom, half-open) of OutpaintingAnnotator, ali-vilab/VACE at 48eb44f1c4be,
# vace/annotators/outpainting.py, with KEEP_PADDING_RATIO = step.
OUTPAINTED = [
    ((200, 120), 1, {"left": 0.25, "right": 0.25}, (300, 120), (50, 0, 250, 120)),
    ((200, 120), 1, {"left": 0.3, "right": 0.3, "top": 0.3, "bottom": 0.3}, (320, 192), (60, 36, 260, 156)),
    ((200, 120), 8, {"left": 0.25, "right": 0.25}, (304, 120), (52, 0, 252, 120)),
    ((99, 64), 1, {"left": 0.25, "right": 0.25}, (147, 64), (24, 0, 123, 64)),
    ((200, 112), 16, {"left": 0.25, "right": 0.25}, (304, 112), (52, 0, 252, 112)),
    ((176, 120), 16, {"bottom": 0.29}, (176, 160), (0, 0, 176, 120)),
    ((90, 70), 16, {"left": 0.29, "right": 0.29, "top": 0.29}, (144, 96), (27, 26, 117, 96)),
]


@pytest.mark.parametrize(("size", "step", "sides", "canvas", "kept"), OUTPAINTED)
def test_outpainting_makes_the_official_canvas(size, step, sides, canvas, kept):
    source = clip(1, 1, size[1], size[0])
    unit = tasks.outpaint(source, step=step, **sides)
    assert (unit.width, unit.height) == canvas
    left, top, right, bottom = kept
    expected = torch.ones(1, 1, 1, canvas[1], canvas[0])
    expected[..., top:bottom, left:right] = 0
    assert torch.equal(unit.masks, expected)
    assert torch.equal(unit.frames[..., top:bottom, left:right], source)
    assert not unit.frames[(expected > 0).expand_as(unit.frames)].any()


def test_a_border_of_less_than_a_pixel_of_what_the_model_is_shown_is_there():
    assert anything.expand_anything(clip(1, 1, 32, 48), num_frames=5, left=0.01).width == 64
    assert tasks.outpaint(clip(1, 5, 32, 48), right=0.01, step=1).width == 49


def test_outpainting_takes_pixels_and_ratios():
    pixels = tasks.outpaint(clip(1), left=16, bottom=32)
    ratios = tasks.outpaint(clip(1), left=0.5, bottom=2.0)
    assert torch.equal(pixels.roles, ratios.roles)
    assert (pixels.width, pixels.height) == (48, 48)
    counted = tasks.outpaint(clip(1), left=np.int64(2), right=np.int32(14))
    assert (counted.width, counted.masks[0, 0, 0, 0].tolist()) == (48, [1.0] * 2 + [0.0] * 32 + [1.0] * 14)


def test_two_clips_share_one_canvas_side_by_side():
    unit = compose(tasks.outpaint(clip(1), right=1.0), tasks.outpaint(clip(2), left=1.0))
    assert torch.equal(unit.frames, torch.cat([clip(1), clip(2)], dim=-1))
    assert not unit.masks.any()


# Sources (first 10, 11; last 20, 21, 22; gray 0) and masks of FrameRefExpandAnnotator of the same commit,
# vace/annotators/frameref.py, with expand_num 4.
EXTENDED = [
    (1, 0, [10, 0, 0, 0, 0], "01111"),
    (0, 1, [0, 0, 0, 0, 20], "11110"),
    (1, 1, [10, 0, 0, 0, 0, 20], "011110"),
    (2, 0, [10, 11, 0, 0, 0, 0], "001111"),
    (2, 3, [10, 11, 0, 0, 0, 0, 20, 21, 22], "001111000"),
]


@pytest.mark.parametrize(("firsts", "lasts", "pixels", "masks"), EXTENDED)
def test_extension_has_the_official_order(firsts, lasts, pixels, masks):
    def numbered(start: int, count: int) -> Tensor | None:
        numbers = torch.arange(start, start + count).reshape(1, 1, -1, 1, 1) / 100
        return numbers.expand(-1, 3, -1, 2, 2) if count else None

    unit = tasks.extend(numbered(10, firsts), numbered(20, lasts), num_frames=firsts + lasts + 4)
    assert (unit.frames[0, 0, :, 0, 0] * 100).round().int().tolist() == pixels
    assert "".join(str(int(mask)) for mask in unit.masks[0, 0, :, 0, 0]) == masks


def test_keyframes_are_kept_where_they_are():
    unit = tasks.keyframes({4: clip(2, 1), 1: clip(1, 1)}, num_frames=5)
    assert unit.masks[0, 0, :, 0, 0].tolist() == [1, 0, 1, 1, 0]
    assert torch.equal(unit.frames[:, :, 1:2], clip(1, 1))
    assert torch.equal(unit.frames[:, :, 4:], clip(2, 1))


def test_controls_are_followed_everywhere():
    for unit, signal in (
        (tasks.gray(clip(1)), controls.gray(clip(1))),
        (tasks.scribble(clip(1), strength=2.0), controls.scribble(clip(1), strength=2.0)),
        (tasks.flow(clip(1)), controls.flow(clip(1))),
        (tasks.depth(clip(1)), clip(1)),
        (tasks.pose(clip(1)), clip(1)),
        (tasks.layout([PATH], **SIZE), draw_layout([PATH], **SIZE)),
    ):
        assert torch.equal(unit.frames, signal)
        assert bool(unit.masks.all())


def test_a_control_in_an_area_leaves_the_rest_free_or_kept():
    free = tasks.depth(clip(1), masks=left_half())
    assert torch.equal(free.frames, clip(1) * left_half())
    assert bool(free.masks.all())
    kept = compose(tasks.inpaint(clip(2), left_half()), free)
    assert torch.equal(kept.frames, torch.where(left_half() > 0, clip(1), clip(2)))
    assert torch.equal(kept.masks, left_half())


def test_two_controls_have_an_area_each():
    both = compose(tasks.pose(clip(1), masks=left_half()), tasks.depth(clip(2), masks=1 - left_half()))
    assert torch.equal(both.frames, torch.where(left_half() > 0, clip(1), clip(2)))


def test_joining_keeps_both_clips():
    unit = anything.join(clip(1, 2), clip(2, 3), num_frames=9)
    assert unit.masks[0, 0, :, 0, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert torch.equal(unit.frames[:, :, -3:], clip(2, 3))


def test_referenced_subjects_are_cut_out():
    picture, subject = clip(1, 1, 32, 32), torch.zeros(1, 1, 1, 32, 32)
    subject[..., 4:12, 4:20] = 1
    cut, plain = anything.reference_anything([picture, picture], masks=[subject, None], **SIZE).references
    assert not torch.equal(cut, plain)
    assert torch.equal(plain, tasks.reference([picture], **SIZE).references[0])
    # The subject, 16 x 8, fills the frame of 32 x 16 by itself.
    assert not bool((cut == 1).any())


def test_a_swap_is_an_inpainting_with_references():
    unit = anything.swap_anything(clip(1), left_half(), [clip(2, 1), clip(3, 1)])
    assert torch.equal(unit.roles, tasks.inpaint(clip(1), left_half()).roles)
    assert [float(a.sum()) for a in unit.references] == [float(clip(2, 1).sum()), float(clip(3, 1).sum())]


def test_a_style_follows_the_outlines_and_shows_its_picture_without_white():
    wide = torch.full((1, 3, 1, 20, 90), 0.5)
    unit = anything.stylize(clip(1), [wide])
    scribbled = tasks.scribble(clip(1))
    assert torch.equal(unit.frames, scribbled.frames)
    assert unit.masks.eq(1).all()
    assert unit.references[0].shape == (1, 3, 1, *unit.frames.shape[3:])
    assert (unit.references[0] - 0.5).abs().max() < 1e-6
    assert torch.equal(anything.stylize(clip(1), follow="brightness").frames, tasks.gray(clip(1)).frames)
    assert anything.stylize(clip(1)).references == ()


def test_a_style_inside_a_mask_keeps_the_rest():
    unit = anything.stylize(clip(1), masks=left_half())
    kept = (left_half() == 0).expand_as(unit.frames)
    assert torch.equal(unit.frames[kept], clip(1)[kept])
    assert torch.equal(unit.masks, left_half())
    assert torch.equal(unit.frames[~kept], tasks.scribble(clip(1)).frames[~kept])


def test_an_animation_follows_the_pose_with_references():
    unit = anything.animate_anything(clip(1), [clip(2, 1)])
    assert torch.equal(unit.frames, clip(1))
    assert torch.equal(unit.references[0], clip(2, 1))


def test_a_moved_picture_is_kept_and_its_box_arrives():
    unit = anything.move_anything(clip(1, 1), [PATH], num_frames=5)
    assert torch.equal(unit.frames[:, :, :1], clip(1, 1))
    assert torch.equal(unit.frames[:, :, 1:], draw_layout([PATH], **SIZE)[:, :, 1:])
    assert unit.masks[0, 0, :, 0, 0].tolist() == [0, 1, 1, 1, 1]


def test_a_batch_of_pictures_moves_along_the_same_paths():
    pair = torch.cat([clip(1, 1), clip(2, 1)])
    assert anything.move_anything(pair, [PATH], num_frames=5).frames.shape == (2, 3, 5, 16, 32)


def test_an_expanded_picture_has_its_border_in_frame_0_and_is_free_after_it():
    unit = anything.expand_anything(clip(1, 1), num_frames=5, left=16, right=16)
    assert torch.equal(unit.masks[:, :, :1], tasks.outpaint(clip(1, 1), left=16, right=16).masks)
    assert torch.equal(unit.frames[:, :, 0, :, 16:48], clip(1, 1)[:, :, 0])
    assert bool(unit.masks[:, :, 1:].all())
    assert not unit.frames[:, :, 1:].any()
    assert unit.num_references == 0


def test_references_of_an_expansion_have_the_size_of_the_canvas():
    unit = anything.expand_anything(clip(1, 1), [clip(2, 1)], num_frames=5, left=16, right=16)
    assert unit.references[0].shape == (1, 3, 1, 16, 64)


def test_presets_compose_further():
    still = anything.expand_anything(clip(1, 1), num_frames=5, right=32)
    followed = compose(still, tasks.depth(clip(2, 5, 16, 64)))
    kept = still.masks == 0
    assert torch.equal(followed.masks, still.masks)
    assert torch.equal(followed.frames, torch.where(kept, still.frames, clip(2, 5, 16, 64)))


def case(error: type[Exception], message: str, call) -> tuple:
    return pytest.param(call, error, message, id=message[:40])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        case(
            ShapeError,
            "size-too-small: name=length, size=0, what=frames",
            lambda: tasks.text(num_frames=0, height=16, width=16),
        ),
        case(
            InputError,
            "no-reference",
            lambda: tasks.reference([], **SIZE),
        ),
        case(
            ShapeError,
            "clip-mask-size: mask_shape=(1, 1, 4, 16, 32), name=source, shape=(1, 3, 5, 16, 32)",
            lambda: tasks.inpaint(clip(1), left_half(t=4)),
        ),
        case(
            InputError,
            "mask-values: high=0.5, low=0",
            lambda: tasks.inpaint(clip(1), left_half() / 2),
        ),
        case(
            ShapeError,
            "frames-shape: name=source, shape=(3, 5, 16, 32)",
            lambda: tasks.inpaint(clip(1)[0], left_half()),
        ),
        case(
            InputError,
            "nothing-to-outpaint",
            lambda: tasks.outpaint(clip(1)),
        ),
        case(
            InputError,
            "number-range: needed=whole [0, inf), value=-8, what=left (pixels)",
            lambda: tasks.outpaint(clip(1), left=-8),
        ),
        case(
            InputError,
            "margin-ratio: amount=64, limit=4, name=top",
            lambda: tasks.outpaint(clip(1), top=64.0),
        ),
        case(
            InputError,
            "number-range: needed=whole [1, inf), value=0, what=The step",
            lambda: tasks.outpaint(clip(1), top=16, step=0),
        ),
        case(
            ShapeError,
            ("margin-multiple: cropped=16, extra=12, side=height, size=20, step=16, wanted=top or bottom"),
            lambda: tasks.outpaint(clip(1, 1, 20, 32), left=16),
        ),
        case(
            InputError,
            "nothing-to-extend",
            lambda: tasks.extend(num_frames=5),
        ),
        case(
            ShapeError,
            "length-too-short: given=5, least=6, length=5",
            lambda: tasks.extend(clip(1, 2), clip(2, 3), num_frames=5),
        ),
        case(
            ShapeError,
            "length-too-short: given=1, least=2, length=1",
            lambda: anything.expand_anything(clip(1, 1), num_frames=1, left=16),
        ),
        case(
            ShapeError,
            (
                "clips-differ: batch=1, height=16, name=first clip, other=last clip, other_batch=1, "
                "other_height=16, other_width=48, width=32"
            ),
            lambda: tasks.extend(clip(1, 1), clip(2, 1, 16, 48), num_frames=5),
        ),
        case(
            InputError,
            "no-keyframe",
            lambda: tasks.keyframes({}, num_frames=5),
        ),
        case(
            InputError,
            "keyframe-outside: index=5, last=4",
            lambda: tasks.keyframes({5: clip(1, 1)}, num_frames=5),
        ),
        case(
            ShapeError,
            "keyframe-several: frames=3, index=2",
            lambda: tasks.keyframes({2: clip(1, 3)}, num_frames=5),
        ),
        case(
            ShapeError,
            "frames-shape: name=control clip, shape=(5, 16, 32)",
            lambda: tasks.depth(clip(1)[0, 0]),
        ),
        case(
            InputError,
            "subjects-count: masks=1, pictures=2",
            lambda: anything.reference_anything([clip(1, 1)] * 2, masks=[None], **SIZE),
        ),
        case(
            InputError,
            "style-follows: follow=colours, known=outlines, brightness",
            lambda: anything.stylize(clip(1), follow="colours"),
        ),
    ],
)
def test_what_makes_no_task_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert refused(caught.value) == message


def test_official_lengths_leave_room_for_the_grid():
    """expand_num 80 means 81 frames from one picture; two pictures and 79 give the same length."""
    one = tasks.extend(clip(1, 1, 2, 2), num_frames=81)
    two = tasks.extend(clip(1, 1, 2, 2), clip(2, 1, 2, 2), num_frames=81)
    assert (int(one.masks[0, 0, :, 0, 0].sum()), int(two.masks[0, 0, :, 0, 0].sum())) == (80, 79)


@pytest.mark.parametrize("wrong", [-0.5, -0.001, float("nan"), float("inf"), -1])
def test_a_border_below_nothing_is_refused(wrong):
    with pytest.raises(InputError) as error:
        tasks.outpaint(torch.zeros(1, 3, 1, 16, 16), left=wrong)
    assert error.value.code == ("number-range" if wrong == -1 else "margin-ratio")
