"""Context latents against a second, plain implementation of the official rule."""

from __future__ import annotations

import pytest
import tiny
import torch
from refused import refused

from vace_core import tasks
from vace_core.context import content_box, encode_context
from vace_core.errors import ShapeError
from vace_core.geometry import Box
from vace_core.models.wan import dit as wan
from vace_core.models.wan.latents import LATENTS
from vace_core.vcu import VideoConditionUnit, compose

LATENT_MEAN, LATENT_STD = LATENTS.latents_mean, LATENTS.latents_std


@pytest.fixture(scope="module")
def vae():
    return tiny.vae()


def plain_encode(vae, clip: torch.Tensor) -> torch.Tensor:
    """The posterior's mean of the whole clip in one piece, normalised channel by channel."""
    with torch.no_grad():
        mean, _ = vae.network.encode(clip, {})
    return torch.stack([(mean[:, c] - LATENT_MEAN[c]) / LATENT_STD[c] for c in range(16)], dim=1)


def plain_context(vae, clip, mask, references) -> torch.Tensor:
    """Facts 4.1, step by step, with loops in place of reshapes."""
    hard = (mask > 0.5).float()
    latents = torch.cat([plain_encode(vae, clip * (1 - hard)), plain_encode(vae, clip * hard)], dim=1)
    _, _, t, h, w = latents.shape
    masks = torch.zeros(1, 64, t, h, w)
    for k in range(t):
        frame = int((k + 0.5) * clip.shape[2] / t)
        for dy in range(8):
            for dx in range(8):
                masks[:, 8 * dy + dx, k] = mask[:, 0, frame, dy::8, dx::8]
    for picture in reversed(references):
        single = torch.cat([plain_encode(vae, picture), torch.zeros(1, 16, 1, h, w)], dim=1)
        latents = torch.cat([single, latents], dim=2)
        masks = torch.cat([torch.zeros(1, 64, 1, h, w), masks], dim=2)
    return torch.cat([latents, masks], dim=1)


@pytest.mark.parametrize("num_frames", [1, 5, 9, 17])
@pytest.mark.parametrize("num_references", [0, 1, 3])
def test_context_equals_the_plain_rule(vae, num_frames, num_references):
    generator = torch.Generator().manual_seed(num_frames)
    source, control = tiny.clip(num_frames, seed=1), tiny.clip(num_frames, seed=2)
    masks = (torch.rand(1, 1, num_frames, 32, 48, generator=generator) > 0.5).float()
    references = tuple(tiny.clip(1, seed=10 + number) for number in range(num_references))
    unit = compose(tasks.inpaint(source, masks), tasks.control(control))
    unit = compose(unit, VideoConditionUnit(roles=torch.zeros_like(unit.roles), references=references))
    got = encode_context(unit, vae, wan.encode_masks)
    frames = source * (1 - masks) + control * masks
    wanted = plain_context(vae, frames, masks, references)
    assert got.shape == (1, 96, num_references + (num_frames + 3) // 4, 4, 6)
    assert (got - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_text_alone_is_a_gray_clip_with_every_mask_one(vae):
    unit = tasks.text(num_frames=9, height=32, width=48)
    wanted = plain_context(vae, torch.zeros(1, 3, 9, 32, 48), torch.ones(1, 1, 9, 32, 48), [])
    got = encode_context(unit, vae, wan.encode_masks)
    assert (got - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.mark.parametrize(
    ("num_frames", "seen"),
    [
        (1, [0]),
        (5, [1, 3]),
        (9, [1, 4, 7]),
        (13, [1, 4, 8, 11]),
        (17, [1, 5, 8, 11, 15]),
        (33, [1, 5, 9, 12, 16, 20, 23, 27, 31]),
        (49, [1, 5, 9, 13, 16, 20, 24, 28, 32, 35, 39, 43, 47]),
        (81, [1, 5, 9, 13, 17, 21, 25, 28, 32, 36, 40, 44, 48, 52, 55, 59, 63, 67, 71, 75, 79]),
    ],
)
def test_the_mask_frames_that_are_read(num_frames, seen):
    assert wan.mask_frames(num_frames) == seen


def test_frames_equal_torch_nearest_exact():
    for num_frames in range(1, 202, 4):
        index = torch.arange(num_frames, dtype=torch.float32).view(1, 1, -1)
        t = (num_frames + 3) // 4
        theirs = torch.nn.functional.interpolate(index, size=t, mode="nearest-exact").flatten().int().tolist()
        assert wan.mask_frames(num_frames) == theirs


def test_a_mask_pixel_lands_in_channel_eight_dy_plus_dx():
    masks = torch.zeros(1, 1, 1, 16, 24)
    masks[0, 0, 0, 8 + 3, 16 + 5] = 1
    folded = wan.encode_masks(masks)
    assert folded.nonzero().tolist() == [[0, 8 * 3 + 5, 0, 1, 2]]


def test_the_box_of_what_is_not_gray():
    clip = torch.zeros(1, 3, 5, 32, 48)
    assert content_box(clip) == Box(0, 0, 0, 0)
    clip[0, 1, 2, 10:12, 20:30] = -0.5
    assert content_box(clip) == Box(20, 10, 30, 12)
    assert content_box(torch.ones_like(clip)) is None


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (
            (18, 32, 48),
            "length-for-model: choice=17 or 21, lengths=4n + 1, num_frames=18, some=1, 5, 9",
        ),
        ((17, 30, 48), "size-for-model: choice=16 or 32, name=height, size=30, step=16"),
        ((17, 32, 8), "size-for-model: choice=16, name=width, size=8, step=16"),
    ],
)
def test_sizes_the_model_cannot_take_are_named(vae, size, message):
    num_frames, height, width = size
    with pytest.raises(ShapeError) as error:
        encode_context(tasks.text(num_frames=num_frames, height=height, width=width), vae, wan.encode_masks)
    assert refused(error.value) == message
