"""The figures of a job on LTX-Video are those of the real modules, counted on meta tensors."""

from __future__ import annotations

import pytest
import torch
from counting import AttentionInOnePiece, LiveBytes
from torch.utils.flop_counter import FlopCounterMode

from vace_core.adapter import Attachment
from vace_core.context import EMPTY
from vace_core.models.ltx import cost as ltx_cost
from vace_core.models.ltx import dit as ltx
from vace_core.models.ltx.family import LTX
from vace_core.models.ltx.vae import LtxVae, LtxVaeNetwork, LtxVaeSizes
from vace_core.preview.cost import ModelSizes, job_cost
from vace_core.tasks.basic import text

TINY = (ltx.LtxSizes(width=64, ffn=256, layers=4, text_width=32), 2, (4, 3, 5))
# Real width and tokens; a few blocks tell as much as all of them.
REAL = (ltx.LtxSizes(width=2048, ffn=8192, layers=3), 2, (13, 16, 24))
WORDS = 40


def one_pass(sizes, blocks, latent, dtype):
    with torch.device("meta"):
        base = ltx.LtxDit(sizes).to(dtype).requires_grad_(False)
        adapter = ltx.build_adapter(sizes, range(blocks)).to(dtype).requires_grad_(False)
        prompt = base.prepare_text(torch.zeros(1, WORDS, sizes.text_width))
        latents, context = torch.zeros(1, 128, *latent), torch.zeros(1, 384, *latent)
    sigma = torch.zeros(1)  # on the CPU, as every noise level
    return base, adapter, latents, sigma, prompt, context


@pytest.mark.parametrize("case", [TINY, REAL], ids=["tiny", "2B"])
def test_arithmetic_of_a_pass_is_that_of_the_modules(case):
    sizes, blocks, latent = case
    base, adapter, latents, sigma, prompt, context = one_pass(sizes, blocks, latent, torch.bfloat16)
    tokens = latent[0] * latent[1] * latent[2]
    attachment = Attachment(adapter=adapter, context=adapter.embed(context))
    with FlopCounterMode(display=False) as alone:
        base(latents, sigma, prompt)
    with FlopCounterMode(display=False) as both:
        base(latents, sigma, prompt, [attachment])
    assert ltx_cost.base_flop(sizes, tokens, WORDS) == alone.get_total_flops()
    made = both.get_total_flops() - alone.get_total_flops()
    assert ltx_cost.adapter_flop(sizes, blocks, tokens, WORDS) == made


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_memory_of_a_pass_is_close_to_that_of_the_modules(dtype):
    sizes, blocks, latent = REAL
    base, adapter, latents, sigma, prompt, context = one_pass(sizes, blocks, latent, dtype)
    with torch.no_grad(), AttentionInOnePiece(), LiveBytes() as bytes_, torch.device("meta"):
        base(latents, sigma, prompt, [Attachment(adapter=adapter, context=adapter.embed(context))])
    tokens = latent[0] * latent[1] * latent[2]
    assert ltx_cost.peak_of_pass(sizes, blocks, tokens, dtype.itemsize) == pytest.approx(bytes_.peak, rel=0.05)


@pytest.mark.parametrize("conditions", [2, 3])
def test_memory_of_further_conditions_is_close_to_that_of_the_modules(conditions):
    sizes, blocks, latent = REAL
    base, adapter, latents, sigma, prompt, _ = one_pass(sizes, blocks, latent, torch.bfloat16)
    with torch.no_grad(), AttentionInOnePiece(), LiveBytes() as bytes_, torch.device("meta"):
        contexts = [torch.zeros(1, 384, *latent) for _ in range(conditions)]
        attached = [Attachment(adapter=adapter, context=adapter.embed(context)) for context in contexts]
        base(latents, sigma, prompt, attached)
    tokens = latent[0] * latent[1] * latent[2]
    assert ltx_cost.peak_of_pass(sizes, blocks, tokens, 2, conditions) == pytest.approx(bytes_.peak, rel=0.05)


@pytest.mark.parametrize("size", [(17, 64, 96), (1, 64, 64)])
def test_arithmetic_of_the_vae_is_that_of_the_modules(size):
    vae, frames, latents = vae_on_meta(8, size)
    with FlopCounterMode(display=False) as encoding:
        vae.encode(frames)
    with FlopCounterMode(display=False) as gray:
        vae.encode(frames, content=EMPTY)
    with FlopCounterMode(display=False) as decoding:
        vae.decode(latents)
    sizes = LtxVaeSizes(width=8)
    assert ltx_cost.encode_flop(sizes, *size) == encoding.get_total_flops()
    assert ltx_cost.encode_flop(sizes, *size, gray=True) == gray.get_total_flops()
    assert ltx_cost.decode_flop(sizes, *size) == decoding.get_total_flops()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_memory_of_the_vae_is_close_to_that_of_the_modules(dtype):
    size = (97, 512, 768)
    vae, frames, latents = vae_on_meta(128, size, dtype)
    with LiveBytes() as encoding:
        vae.encode(frames)
    with LiveBytes() as decoding:
        vae.decode(latents)
    assert encoding.peak < decoding.peak
    assert ltx_cost.peak_of_vae(LtxVaeSizes(), size, dtype.itemsize) == pytest.approx(decoding.peak, rel=0.05)


def test_memory_of_tiles_is_close_to_that_of_the_modules():
    size = (25, 512, 768)
    vae, _, latents = vae_on_meta(128, size)
    with LiveBytes() as decoding:
        LtxVae(vae.network, tile=256).decode(latents)
    found = ltx_cost.peak_of_vae(LtxVaeSizes(), size, 4, 256)
    assert found == pytest.approx(decoding.peak, rel=0.1)
    assert found < 0.6 * ltx_cost.peak_of_vae(LtxVaeSizes(), size, 4)


def vae_on_meta(width, size, dtype=torch.float32):
    with torch.device("meta"):
        vae = LtxVae(LtxVaeNetwork(width=width).to(dtype))
        return vae, torch.zeros(1, 3, *size), torch.zeros(1, 128, *ltx.GRID.latent_size(*size))


def test_figures_of_the_official_job():
    sizes = ltx.LtxSizes(width=2048, ffn=8192, layers=28)
    model = ModelSizes(family=LTX, base=sizes, context_blocks=14, vae=LtxVaeSizes(), weights={})
    found = job_cost(model, text(num_frames=97, height=512, width=768), LTX.options)
    assert (found.tokens, found.latent_size) == (4992, (13, 16, 24))
    assert (found.base_passes, found.adapter_passes) == (120, 120)


OFFICIAL = ltx.LtxSizes(width=2048, ffn=8192, layers=28)


@pytest.mark.parametrize(
    ("sizes", "blocks", "tokens", "bytes_each", "peak"),
    [
        (OFFICIAL, 14, 4992, 2, 334_823_424),
        (OFFICIAL, 0, 4992, 4, 539_295_744),
        (ltx.LtxSizes(width=64, ffn=64, layers=4), 2, 60, 2, 176_640),  # more in attention
    ],
)
def test_estimates_of_a_pass_stay_what_they_were_when_they_were_measured(sizes, blocks, tokens, bytes_each, peak):
    assert ltx_cost.peak_of_pass(sizes, blocks, tokens, bytes_each) == peak


@pytest.mark.parametrize(
    ("size", "bytes_each", "tile", "peak"),
    [
        ((97, 512, 768), 4, None, 4_051_697_664),
        ((97, 512, 768), 2, 256, 1_275_224_064),
        ((9, 512, 768), 4, 768, 729_808_896),  # one tile is no tile
        ((9, 64, 960), 4, 96, 33_251_327),
        ((257, 128, 128), 4, 64, 403_056_230),
        ((9, 64, 128), 4, 64, 13_467_648),  # tiles at the edges alone
        ((9, 128, 128), 2, 64, 12_068_454),
    ],
)
def test_estimates_of_the_vae_stay_what_they_were_when_they_were_measured(size, bytes_each, tile, peak):
    assert ltx_cost.peak_of_vae(LtxVaeSizes(), size, bytes_each, tile) == peak
    assert ltx_cost.peak_of_vae(LtxVaeSizes(), (size[0], size[2], size[1]), bytes_each, tile) == peak
