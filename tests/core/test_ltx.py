"""LTX-Video's own rules, and the promises of the adapter on a second base."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import tiny_ltx
import torch
from einops import rearrange
from refused import refused
from torch.utils.flop_counter import FlopCounterMode

from vace_core.adapter import Attachment
from vace_core.context import EMPTY, encode_context
from vace_core.errors import AdapterMismatchError, InputError, ShapeError
from vace_core.geometry import Box
from vace_core.models.ltx import dit as ltx
from vace_core.models.ltx.vae import LtxVae, patchify, unpatchify
from vace_core.pipeline import generate, sample
from vace_core.sampling.options import SamplingOptions
from vace_core.tasks.basic import inpaint, text

OPTIONS = SamplingOptions(
    steps=2, shift=2.6, shift_growth=3.6e-4, terminal=0.1, guidance_scale=3.0, stg_scale=1.0, rescale=0.7,
    solver="euler", seed=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def base():
    return tiny_ltx.base()


@pytest.fixture(scope="module")
def model():
    return tiny_ltx.model()


@pytest.fixture(scope="module")
def inputs(base):
    latents = torch.randn(1, 128, 2, 2, 3, generator=torch.Generator().manual_seed(0))
    return latents, torch.tensor([0.7]), base.prepare_text(tiny_ltx.LetterText().encode("a red fox"))


def attach(adapter, strength: float = 1.0, seed: int = 5) -> Attachment:
    context = torch.randn(1, 384, 2, 2, 3, generator=torch.Generator().manual_seed(seed))
    return Attachment(adapter=adapter, context=adapter.embed(context), strength=strength)


@torch.no_grad()
def test_the_promises_of_the_adapter(base, inputs):
    before, weights = base(*inputs), {name: value.clone() for name, value in base.state_dict().items()}
    assert base(*inputs, [attach(tiny_ltx.adapter(), strength=0.0)]).equal(before)
    first, second = attach(tiny_ltx.adapter(2)), attach(tiny_ltx.adapter(7))
    alone = base(*inputs, [first])
    assert (alone - before).abs().max() > 0.1
    base(*inputs, [first, second])
    assert base(*inputs, [first]).equal(alone)
    assert base(*inputs).equal(before)
    assert all(value.equal(weights[name]) for name, value in base.state_dict().items())


@torch.no_grad()
def test_the_rate_is_a_position_in_time(base, inputs):
    latents, sigma, _ = inputs
    embeds = tiny_ltx.LetterText().encode("a red fox")
    fast, slow = (base(latents, sigma, base.prepare_text(embeds, fps=fps)) for fps in (25.0, 12.5))
    assert (fast - slow).abs().max() > 1e-3
    still = latents[:, :, :1]
    assert base(still, sigma, base.prepare_text(embeds, fps=12.5)).equal(base(still, sigma, inputs[2]))


@torch.no_grad()
def test_a_weakened_prompt_goes_without_the_attention_of_one_block(base, inputs, monkeypatch):
    """The official block is the 20th; this base has four, so none of them is it."""
    latents, sigma, prompt = inputs
    assert base(latents, sigma, base.perturb(prompt)).equal(base(latents, sigma, prompt))
    monkeypatch.setattr(ltx, "SKIP_LAYERS", frozenset({2}))
    assert (base(latents, sigma, base.perturb(prompt)) - base(latents, sigma, prompt)).abs().max() > 1e-3


def test_sizes_are_read_from_the_weights():
    shapes = {name: tuple(value.shape) for name, value in tiny_ltx.base().state_dict().items()}
    assert ltx.LtxSizes.of(shapes) == ltx.LtxSizes(width=64, ffn=256, layers=4, text_width=32)


@pytest.mark.parametrize(("num_frames", "height", "width"), [(1, 32, 64), (9, 64, 32), (25, 96, 64)])
def test_masks_are_resampled_to_both_ends_and_folded(num_frames, height, width):
    masks = (torch.rand(1, 1, num_frames, height, width, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    t, h, w = (num_frames + 7) // 8, height // 32, width // 32
    size = (2 * t, 8 * h, 8 * w)
    cells = torch.nn.functional.interpolate(masks, size, mode="trilinear", align_corners=True)
    wanted = rearrange(cells, "b c (f p) (h q) (w r) -> b (c p q r) f h w", p=2, q=8, r=8)
    got = ltx.encode_masks(masks)
    assert got.equal(wanted)
    corners = got[0, [0, -1], [0, -1], [0, -1], [0, -1]]
    assert torch.allclose(corners, masks[0, 0, [0, -1], [0, -1], [0, -1]], atol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 9, 25, 97])
def test_seen_frames_are_those_that_leave_a_trace(num_frames):
    traces = []
    for frame in range(num_frames):
        masks = torch.zeros(1, 1, num_frames, 32, 32)
        masks[:, :, frame] = 1
        if float(ltx.encode_masks(masks).abs().max()) > 1e-4:
            traces.append(frame)
    assert ltx.mask_frames(num_frames) == traces


def test_patches_there_and_back():
    frames = torch.arange(2 * 3 * 2 * 8 * 12.0).reshape(2, 3, 2, 8, 12)
    cells = patchify(frames)
    assert cells.shape == (2, 48, 2, 2, 3)
    # Channel = colour · 16 + column · 4 + row.
    assert cells[0, 1 * 16 + 2 * 4 + 3, 0, 1, 2] == frames[0, 1, 0, 4 + 3, 8 + 2]
    assert unpatchify(cells).equal(frames)


def test_the_context_is_unchanged_changed_mask_with_references_in_front(model):
    clip = tiny_ltx.clip()
    masks = torch.zeros(1, 1, 9, 32, 64)
    masks[..., 32:] = 1
    reference = clip[:, :, :1]
    unit = replace(inpaint(clip, masks, fps=25.0), references=(reference,))
    context = encode_context(unit, model.vae, ltx.encode_masks)
    assert context.shape == (1, 384, 1 + 2, 1, 2)
    assert context[:, :128, :1].equal(model.vae.encode(reference))
    assert not context[:, 128:, :1].any()
    assert context[:, :128, 1:].equal(model.vae.encode(clip * (1 - masks)))
    assert torch.allclose(context[:, 128:256, 1:], model.vae.encode(torch.zeros_like(clip)), atol=2e-5)
    assert context[:, 256:, 1:].equal(ltx.encode_masks(masks))


@torch.no_grad()
def test_a_stream_of_chunks_is_the_clip_in_one(model):
    clip, network = tiny_ltx.clip(25), model.vae.network
    mean, std = network.statistics
    assert torch.allclose(model.vae.encode(clip), (network.encode(clip, {}) - mean) / std, atol=2e-5)


def test_a_gray_clip_costs_one_frame_and_is_as_if_it_had_been_encoded():
    vae, gray = tiny_ltx.vae(), torch.zeros(2, 3, 17, 32, 64)
    told: list[tuple[int, int]] = []
    got = vae.encode(gray, content=EMPTY, on_chunk=lambda done, total: told.append((done, total)))
    assert torch.allclose(got, vae.encode(gray), atol=2e-5)
    assert told == [(1, 1)]


def test_a_window_is_a_part_of_the_whole_and_progress_is_told(model):
    latents = torch.randn(1, 128, 2, 2, 2, generator=torch.Generator().manual_seed(3))
    told: list[tuple[int, int]] = []
    whole = model.vae.decode(latents, on_chunk=lambda done, total: told.append((done, total)))
    assert whole.shape == (1, 3, 9, 64, 64)
    assert float(whole.abs().max()) <= 1
    assert (model.vae.decode(latents, window=Box(8, 0, 40, 24)) - whole[..., 0:24, 8:40]).abs().max() <= 2e-5
    tall = torch.randn(1, 128, 1, 4, 2, generator=torch.Generator().manual_seed(3))
    below = model.vae.decode(tall, window=Box(0, 80, 64, 128))
    assert (below - model.vae.decode(tall)[..., 80:, :]).abs().max() <= 2e-5
    assert told == [(done, 22) for done in range(1, 23)]


def test_tiles_and_windows_are_as_the_whole_frame_to_rounding(model):
    """Wide enough for a piece that is computed with nothing but its rim."""
    latents = torch.randn(1, 128, 2, 3, 20, generator=torch.Generator().manual_seed(3))
    whole, told = model.vae.decode(latents), list[tuple[int, int]]()
    tiled = LtxVae(model.vae.network, tile=64)
    parts = tiled.decode(latents, on_chunk=lambda done, total: told.append((done, total)))
    assert (parts - whole).abs().max() <= 2e-5
    assert told == [(done, 8 + 20 * 14) for done in range(1, 8 + 20 * 14 + 1)]
    window = Box(300, 5, 377, 96)
    for vae in (model.vae, tiled):
        assert (vae.decode(latents, window=window) - whole[..., 5:96, 300:377]).abs().max() <= 2e-5


def test_latents_of_another_vae_are_named(model):
    with pytest.raises(ShapeError) as error:
        model.vae.decode(torch.zeros(1, 16, 1, 2, 2))
    assert refused(error.value) == "latents-channels: channels=16, needed=128"


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (
            (5, 32, 64),
            "length-for-model: choice=1 or 9, lengths=8n + 1, num_frames=5, some=1, 9, 17",
        ),
        ((9, 48, 64), "size-for-model: choice=32 or 64, name=height, size=48, step=32"),
    ],
)
def test_lengths_and_sizes_that_do_not_fit_are_named(model, size, message):
    num_frames, height, width = size
    with pytest.raises(ShapeError) as error:
        sample(model, text(num_frames=num_frames, height=height, width=width), OPTIONS)
    assert refused(error.value) == message


def test_a_whole_job_keeps_what_is_kept(model):
    clip = tiny_ltx.clip()
    masks = torch.zeros(1, 1, 9, 32, 64)
    masks[..., 40:] = 1
    unit = replace(inpaint(clip, masks, fps=25.0, prompt="a fox"), references=(clip[:, :, :1],))
    frames = generate(model, unit, OPTIONS)
    assert frames.shape == clip.shape
    assert frames[..., :40].equal(clip[..., :40])
    assert not frames[..., 40:].equal(clip[..., 40:])
    assert generate(model, unit, OPTIONS).equal(frames)


def test_an_adapter_of_wan_is_refused(model):
    with pytest.raises(AdapterMismatchError) as error:
        model.attach(tiny.adapter())
    assert refused(error.value) == "adapter-width: base_blocks=4, base_width=64, least_blocks=3, width=128"


def test_spatio_temporal_guidance_is_not_known_of_wan():
    unit = text(num_frames=1, height=16, width=16)
    with pytest.raises(InputError):
        sample(tiny.model(), unit, OPTIONS)


def work(action) -> int:
    """Floating-point operations of `action`, counted."""
    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops()


def test_a_part_costs_what_its_rim_costs_and_no_more(model):
    vae, latents = model.vae, torch.zeros(1, 128, 2, 3, 10)
    assert work(lambda: vae.decode(latents)) == 439_848_960
    assert work(lambda: vae.decode(latents, window=Box(130, 5, 170, 40))) == 214_214_400
    assert work(lambda: LtxVae(vae.network, tile=64).decode(latents)) == 1_939_568_640


def test_a_gray_frame_is_encoded_once_for_each_size():
    vae, small, large = tiny_ltx.vae(), torch.zeros(1, 3, 9, 32, 64), torch.zeros(1, 3, 9, 64, 64)
    costs = [work(lambda gray=gray: vae.encode(gray, content=EMPTY)) for gray in (small, small, large)]
    assert costs == [4_567_744, 0, 2 * 4_567_744]
