"""The VAE's ways of doing less: streamed, tiled, windowed and on gray, all with the numbers of the whole."""

from __future__ import annotations

import pytest
import tiny
import torch
from filling import relative
from torch.utils.flop_counter import FlopCounterMode

from vace_core.geometry import Box
from vace_core.models.wan.latents import LATENTS
from vace_core.models.wan.vae import CausalConv3d
from vace_core.models.wan.vae_stream import WanVae

LATENT_MEAN, LATENT_STD = LATENTS.latents_mean, LATENTS.latents_std

BOXES = [Box(60, 50, 90, 85), Box(0, 0, 24, 30), Box(120, 130, 160, 176), Box(3, 100, 20, 110)]


@pytest.fixture(scope="module")
def vae():
    return tiny.vae()


@pytest.fixture(scope="module")
def clip():
    return tiny.clip(9, height=176, width=160)


@pytest.fixture(scope="module")
def latents():
    return torch.randn(1, 16, 3, 22, 20, generator=torch.Generator().manual_seed(0))


def work(action) -> int:
    """Floating-point operations of `action`, counted."""
    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops()


@torch.no_grad()
def test_streamed_encode_equals_the_clip_in_one_piece(vae, clip):
    mean, _ = vae.network.encode(clip, {})
    wanted = (mean - torch.tensor(LATENT_MEAN).view(1, -1, 1, 1, 1)) / torch.tensor(LATENT_STD).view(1, -1, 1, 1, 1)
    assert relative(vae.encode(clip), wanted) <= 2e-6


@torch.no_grad()
def test_streamed_decode_equals_the_clip_in_one_piece(vae, latents):
    raw = latents * torch.tensor(LATENT_STD).view(1, -1, 1, 1, 1) + torch.tensor(LATENT_MEAN).view(1, -1, 1, 1, 1)
    wanted = vae.network.decode(raw, {}).clamp(-1, 1)
    assert (vae.decode(latents) - wanted).abs().max() <= 2e-5


def test_a_tile_larger_than_the_frame_is_the_whole(vae, clip, latents):
    tiled = WanVae(vae.network, tile=256)
    assert relative(tiled.encode(clip), vae.encode(clip)) <= 1e-5
    assert (tiled.decode(latents) - vae.decode(latents)).abs().max() <= 2e-5


def test_tiles_equal_the_whole_frame(vae, clip, latents):
    tiled = WanVae(vae.network, tile=64)
    assert relative(tiled.encode(clip), vae.encode(clip)) <= 1e-5
    assert (tiled.decode(latents) - vae.decode(latents)).abs().max() <= 2e-5


@pytest.mark.parametrize("box", BOXES)
def test_a_small_part_on_gray_encodes_as_the_whole_does(vae, clip, box):
    small = torch.zeros_like(clip)
    small[..., box.top : box.bottom, box.left : box.right] = clip[..., box.top : box.bottom, box.left : box.right]
    assert relative(vae.encode(small, content=box), vae.encode(small)) <= 2e-6


@pytest.mark.parametrize("box", BOXES)
def test_a_window_decodes_as_in_the_whole(vae, latents, box):
    whole = vae.decode(latents)[..., box.top : box.bottom, box.left : box.right]
    window = vae.decode(latents, window=box)
    assert window.shape == whole.shape
    assert (window - whole).abs().max() <= 2e-5


@pytest.mark.parametrize(
    ("inputs", "frames", "side", "is_slow"), [(4, 6, 12, True), (16, 3, 8, True), (64, 18, 18, False)]
)
@torch.no_grad()
def test_clips_of_few_features_are_convolved_frame_by_frame_to_the_same(inputs, frames, side, is_slow):
    layer = CausalConv3d(inputs, 8, 3)
    x = torch.randn(1, inputs, frames, side, side, generator=torch.Generator().manual_seed(0))
    assert layer._is_slow(x) == is_slow
    assert not layer._is_slow(x.bfloat16())
    assert not layer._is_slow(torch.cat([x, x]))
    wanted = torch.nn.functional.conv3d(x, layer.weight, layer.bias, padding=(0, 1, 1))
    assert relative(layer._by_frames(x), wanted) < 1e-6
    memory = {layer: x[:, :, :2]}
    assert relative(layer(x[:, :, 2:], memory), wanted) < 1e-6


def test_an_all_gray_clip_costs_nothing_the_second_time(clip):
    vae = tiny.vae()
    empty = Box(0, 0, 0, 0)
    gray = torch.zeros_like(clip)
    wanted = vae.encode(gray)
    assert relative(vae.encode(gray, content=empty), wanted) <= 2e-6
    assert work(lambda: vae.encode(gray, content=empty)) == 0
    # Causal: a shorter clip is the beginning of a longer one.
    assert work(lambda: vae.encode(gray[:, :, :5], content=empty)) == 0
    assert relative(vae.encode(gray[:, :, :5], content=empty), wanted[:, :, :2]) <= 2e-6


def test_frames_are_causal(vae, clip):
    changed = clip.clone()
    changed[:, :, 5:] = 0.3
    same, other = vae.encode(clip), vae.encode(changed)
    assert torch.equal(same[:, :, :2], other[:, :, :2])
    assert not torch.allclose(same[:, :, 2], other[:, :, 2], atol=1e-3)


def test_raising_between_chunks_stops_the_work(vae, clip, latents):
    seen = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vae.encode(clip, on_chunk=stop)
    with pytest.raises(KeyboardInterrupt):
        vae.decode(latents, on_chunk=stop)
    assert seen == [(1, 3), (1, 3)]
    assert torch.equal(vae.encode(clip), tiny.vae().encode(clip))


def test_a_part_costs_what_its_rim_costs_and_no_more():
    """Of a frame of 176 x 160 pixels; a rim that is too narrow would show, one that is too wide costs."""
    network, short, latents = tiny.vae().network, tiny.clip(5, height=176, width=160), torch.zeros(1, 16, 2, 22, 20)
    whole, tiled = WanVae(network), WanVae(network, tile=64)
    assert [work(lambda box=box: whole.decode(latents, window=box)) for box in (None, *BOXES[:2])] == [
        1_409_126_400, 411_438_240, 210_737_832
    ]  # fmt: skip
    assert work(lambda: tiled.decode(latents)) == 3_497_810_304
    assert (work(lambda: whole.encode(short)), work(lambda: tiled.encode(short))) == (658_493_440, 2_295_601_152)


@pytest.mark.parametrize(
    ("box", "first", "second"),
    [
        (BOXES[0], 508_940_288, 257_157_120),
        (BOXES[1], 411_355_136, 159_571_968),
        (Box(0, 0, 150, 150), 658_493_440, 658_493_440),  # so large that the whole frame is less work
    ],
)
def test_what_is_gray_around_a_part_is_computed_once(box, first, second):
    vae, short = tiny.vae(), tiny.clip(5, height=176, width=160)
    assert [work(lambda: vae.encode(short, content=box)) for _ in range(2)] == [first, second]
