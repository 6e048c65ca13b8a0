"""Promises of the contact sheet: what a unit keeps, follows, makes and refers to can be seen on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from refused import refused
from torch import Tensor

from vace_core import tasks
from vace_core.errors import InputError
from vace_core.models.wan.dit import mask_frames
from vace_core.preview.sheet import _cuts, _kept, _worth_seeing, contact_sheet, long_contact_sheet
from vace_core.vcu import VideoConditionUnit, compose

# Colours that nothing else on the sheet has.
GREEN, CYAN, PINK = (0, 200, 0), (0, 220, 220), (230, 0, 230)
GRAY, RED, WHITE, BLUE, YELLOW = (128, 128, 128), (214, 62, 54), (245, 245, 245), (66, 135, 245), (255, 200, 60)


def flat(colour: tuple[int, int, int], t: int = 1, h: int = 32, w: int = 48) -> Tensor:
    return (torch.tensor(colour) / 127.5 - 1).view(1, 3, 1, 1, 1).expand(1, 3, t, h, w).contiguous()


def half(t: int) -> Tensor:
    masks = torch.zeros(1, 1, t, 32, 48)
    masks[..., :24] = 1
    return masks


def area(sheet: Image.Image, colour: tuple[int, int, int]) -> int:
    """Pixels of this colour, give or take a rounding."""
    channels = np.asarray(sheet).transpose(2, 0, 1)
    return int(
        np.logical_and.reduce(
            [abs(one.astype(np.int16) - value) <= 1 for one, value in zip(channels, colour, strict=True)]
        ).sum()
    )


def test_kept_made_and_followed_parts_are_shown():
    unit = compose(tasks.inpaint(flat(GREEN, 5), half(5)), tasks.depth(flat(CYAN, 5)))
    sheet = contact_sheet(unit)
    assert sheet.mode == "RGB"
    # Both are shown twice, as the model gets them and each in a row of its own; the mask is as large as either.
    assert area(sheet, GREEN) == area(sheet, CYAN) > 10_000
    assert 0.4 < area(sheet, RED) / area(sheet, GREEN) < 0.6
    assert area(sheet, BLUE) > 0
    assert area(sheet, GRAY) == 0


def test_what_is_made_freely_is_gray():
    sheet = contact_sheet(tasks.inpaint(flat(GREEN, 5), half(5)))
    assert area(sheet, GRAY) == area(sheet, GREEN) / 2
    assert area(sheet, BLUE) == 0


def test_an_uncovered_source_does_not_shine_through():
    assert area(contact_sheet(tasks.inpaint(flat(GREEN, 5), torch.ones(1, 1, 5, 32, 48))), GREEN) == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 80), st.integers(3, 12))
def test_a_single_kept_frame_of_a_long_clip_is_shown_wherever_it_is(index, columns):
    unit = tasks.keyframes({index: flat(PINK, h=8, w=12)}, num_frames=81)
    assert area(contact_sheet(unit, columns=columns), PINK) > 500


def test_every_frame_of_a_short_clip_is_shown():
    colours = [(10 * n, 255 - 10 * n, 90) for n in range(12)]
    unit = tasks.depth(torch.cat([flat(colour) for colour in colours], dim=2))
    sheet = contact_sheet(unit)
    assert all(area(sheet, colour) > 100 for colour in colours)


def test_a_long_clip_is_sampled_evenly_from_first_to_last():
    colours = torch.cat([flat((3 * n, 255 - 3 * n, 90), h=8, w=12) for n in range(81)], dim=2)
    pixels = np.asarray(contact_sheet(tasks.depth(colours), columns=5)).reshape(-1, 3)
    red = np.bincount(pixels[(pixels[:, 2] == 90) & (pixels[:, 1] == 255 - pixels[:, 0])][:, 0], minlength=256)
    assert (np.flatnonzero(red > 100) // 3).tolist() == [0, 20, 40, 60, 80]


def test_masks_that_the_model_reads_are_marked():
    unit = tasks.text(num_frames=5, height=32, width=48)
    plain, one, both = (area(contact_sheet(unit, mask_frames=seen), YELLOW) for seen in (None, [1], mask_frames(5)))
    assert plain == 0
    legend = 2 * one - both
    assert both > one > legend > 0


def test_references_are_shown_all():
    unit = tasks.reference([flat(GREEN), flat(CYAN), flat(PINK)], num_frames=1, height=32, width=48)
    sheet = contact_sheet(unit)
    assert area(sheet, GREEN) == area(sheet, CYAN) == area(sheet, PINK) > 10_000
    many = replace(unit, references=unit.references * 7)
    assert area(contact_sheet(many), PINK) == 7 * area(sheet, PINK)


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_words_are_shown(field):
    unit = tasks.text(num_frames=1, height=32, width=48)
    sheets = {
        contact_sheet(replace(unit, **{field: words})).tobytes() for words in ("", "a dog", "a cat", "a 狗", "a 狗狗")
    }
    assert len(sheets) == 5


def test_what_is_to_be_read_first_stands_on_the_sheet_of_a_short_clip_and_of_a_long_one():
    unit = tasks.text(num_frames=9, height=32, width=48)
    plain, warned = (contact_sheet(unit, caution=words) for words in (None, "This is outside of its world."))
    assert area(plain, YELLOW) == 0 < area(warned, YELLOW)
    long = long_contact_sheet(
        lambda begin, end: tasks.text(num_frames=end - begin, height=32, width=48),
        9,
        stretch=5,
        caution="This is outside of its world.",
    )
    assert long.tobytes() == warned.tobytes()


def test_a_long_prompt_does_not_flood_the_sheet():
    unit = tasks.text(num_frames=1, height=32, width=48)
    short = contact_sheet(replace(unit, prompt="a dog")).height
    long = [contact_sheet(replace(unit, prompt=word * 3000)).height for word in ("a dog ", "dogdog", "狗")]
    assert max(long) < short + 80


def test_the_first_clip_of_a_batch_is_shown():
    unit = tasks.depth(torch.cat([flat(GREEN, 5), flat(CYAN, 5)]))
    assert area(contact_sheet(unit), GREEN) > 10_000
    assert area(contact_sheet(unit), CYAN) == 0


@pytest.mark.parametrize(
    ("t", "h", "w"), [(1, 1, 1), (1, 16, 16), (3000, 2, 2), (2, 4, 900), (13, 900, 4), (81, 32, 48)]
)
def test_every_size_and_length_has_a_sheet(t, h, w):
    unit = tasks.control(torch.zeros(1, 3, t, h, w))
    sheet = contact_sheet(unit, mask_frames=range(t))
    assert 760 <= sheet.width <= 2000
    assert sheet.height < 1600


def test_what_little_there_is_can_be_seen_in_the_whole_clip():
    """One kept pixel in one frame: its bar is drawn."""
    roles = torch.zeros(1, 1, 5, 100, 100, dtype=torch.uint8)
    before = VideoConditionUnit(roles=roles, source=torch.zeros(1, 3, 5, 100, 100))
    roles = roles.clone()
    roles[0, 0, 2, 0, 0] = 1
    after = VideoConditionUnit(roles=roles, source=torch.zeros(1, 3, 5, 100, 100))
    assert area(contact_sheet(after), WHITE) > area(contact_sheet(before), WHITE) + 100


def test_a_sheet_does_not_change_its_unit_and_comes_out_the_same_again():
    unit = compose(tasks.inpaint(flat(GREEN, 5), half(5)), tasks.depth(flat(CYAN, 5)))
    frames = unit.frames
    first, second = contact_sheet(unit), contact_sheet(unit)
    assert first.tobytes() == second.tobytes()
    assert torch.equal(unit.frames, frames)


@pytest.mark.parametrize("columns", [1, 25])
def test_other_numbers_of_columns_are_refused(columns):
    with pytest.raises(InputError) as caught:
        contact_sheet(tasks.text(num_frames=1, height=2, width=2), columns=columns)
    assert refused(caught.value) == f"sheet-columns: columns={columns}"


def test_both_sides_of_every_cut_are_shown_where_there_is_room_for_them():
    """Two cuts have four frames beside them, which fit between the first and the last one in six columns."""
    masks = torch.zeros(1, 1, 81, 32, 48)
    masks[:, :, 20:60] = 1
    unit = tasks.inpaint(flat(BLUE, 81), masks)
    cuts = _cuts(_kept(unit))
    assert _worth_seeing(81, cuts, 6) == [0, 19, 20, 59, 60, 80]
    assert _worth_seeing(81, cuts, 5) == [0, 20, 40, 60, 80]


def test_the_sheet_says_which_frames_only_fill_the_length():
    whole = tasks.control(torch.zeros(1, 3, 9, 16, 16))
    plain, padded = (np.asarray(contact_sheet(replace(whole, padding=count))).astype(int) for count in (0, 3))
    differs = np.flatnonzero((plain != padded).any(axis=(1, 2)))
    assert 0 < len(differs) < 20  # a line of the header, and nothing else
    assert differs.max() < 80
