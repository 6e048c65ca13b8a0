"""The figures of a job are those of the real modules, counted on meta tensors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from counting import AttentionInOnePiece, LiveBytes
from torch.utils.flop_counter import FlopCounterMode

from vace_core.adapter import Attachment
from vace_core.context import EMPTY
from vace_core.models.wan import cost as wan_cost
from vace_core.models.wan.dit import WanDit, WanSizes, build_adapter, default_context_layers
from vace_core.models.wan.family import WAN
from vace_core.models.wan.vae import VaeSizes, WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae
from vace_core.pipeline import SamplingOptions
from vace_core.preview.cost import ModelSizes, job_cost
from vace_core.vcu import FOLLOW, KEEP, VideoConditionUnit

TINY = (WanSizes(width=256, ffn=640, layers=6, text_width=64), 3, (5, 8, 8))
# Real widths and tokens; a few blocks tell as much as all of them, for they are alike.
SMALL_REAL = (WanSizes(width=1536, ffn=8960, layers=4), 2, (21, 60, 104))
LARGE_REAL = (WanSizes(width=5120, ffn=13824, layers=5), 1, (21, 60, 104))
WORDS = 40


def one_pass(sizes: WanSizes, blocks: int, latent: tuple[int, int, int], dtype: torch.dtype) -> tuple[Any, ...]:
    with torch.device("meta"):
        base = WanDit(sizes).to(dtype).requires_grad_(False)
        layers = default_context_layers(sizes.layers, blocks)
        adapter = build_adapter(sizes, layers).to(dtype).requires_grad_(False)
        text = base.prepare_text(torch.zeros(1, WORDS, sizes.text_width))
        latents, context = torch.zeros(1, 16, *latent), torch.zeros(1, 96, *latent)
    sigma = torch.zeros(1)  # on the CPU, as every noise level
    return base, adapter, latents, sigma, text, context


@pytest.mark.parametrize("case", [TINY, SMALL_REAL, LARGE_REAL], ids=["tiny", "1.3B", "14B"])
def test_arithmetic_of_a_pass_is_that_of_the_modules(case):
    sizes, blocks, latent = case
    base, adapter, latents, sigma, text, context = one_pass(sizes, blocks, latent, torch.bfloat16)
    tokens = latent[0] * latent[1] * latent[2] // 4
    with FlopCounterMode(display=False) as alone:
        base(latents, sigma, text)
    attachment = Attachment(adapter=adapter, context=adapter.embed(context))
    with FlopCounterMode(display=False) as both:
        base(latents, sigma, text, [attachment])

    assert wan_cost.base_flop(sizes, tokens, WORDS + 1) == alone.get_total_flops()
    made = both.get_total_flops() - alone.get_total_flops()
    assert wan_cost.adapter_flop(sizes, blocks, tokens, WORDS + 1) == made


@pytest.mark.parametrize(
    ("case", "dtype", "slack"),
    [(SMALL_REAL, torch.bfloat16, 0.05), (LARGE_REAL, torch.bfloat16, 0.1), (SMALL_REAL, torch.float32, 0.05),
     (TINY, torch.float32, 0.25)],
    ids=["1.3B", "14B", "1.3B float32", "tiny"],
)  # fmt: skip
def test_memory_of_a_pass_is_close_to_that_of_the_modules(case, dtype, slack):
    sizes, blocks, latent = case
    base, adapter, latents, sigma, text, context = one_pass(sizes, blocks, latent, dtype)
    with torch.no_grad(), AttentionInOnePiece(), LiveBytes() as bytes_, torch.device("meta"):
        attachment = Attachment(adapter=adapter, context=adapter.embed(context))
        base(latents, sigma, text, [attachment])
    tokens = latent[0] * latent[1] * latent[2] // 4
    assert wan_cost.peak_of_pass(sizes, blocks, tokens, dtype.itemsize) == pytest.approx(bytes_.peak, rel=slack)


@pytest.mark.parametrize("conditions", [2, 3])
def test_memory_of_further_conditions_is_close_to_that_of_the_modules(conditions):
    sizes, blocks, latent = SMALL_REAL
    base, adapter, latents, sigma, text, _ = one_pass(sizes, blocks, latent, torch.bfloat16)
    with torch.no_grad(), AttentionInOnePiece(), LiveBytes() as bytes_, torch.device("meta"):
        contexts = [torch.zeros(1, 96, *latent) for _ in range(conditions)]
        attached = [Attachment(adapter=adapter, context=adapter.embed(context)) for context in contexts]
        base(latents, sigma, text, attached)
        alone = bytes_.peak
        base.passes(latents, sigma, [text, text], attached)
    cost = (sizes, blocks, latent[0] * latent[1] * latent[2] // 4, 2, conditions)
    assert wan_cost.peak_of_pass(*cost) == pytest.approx(alone, rel=0.05)
    assert wan_cost.peak_of_pass(*cost) + wan_cost.waiting_pass(*cost) == pytest.approx(bytes_.peak, rel=0.05)


def test_memory_of_two_passes_in_one_go_is_close_to_that_of_the_modules():
    sizes, blocks, latent = SMALL_REAL
    base, adapter, latents, sigma, text, context = one_pass(sizes, blocks, latent, torch.bfloat16)
    with torch.no_grad(), AttentionInOnePiece(), LiveBytes() as bytes_, torch.device("meta"):
        attachment = Attachment(adapter=adapter, context=adapter.embed(context))
        base.passes(latents, sigma, [text, text], [attachment])
    cost = (sizes, blocks, latent[0] * latent[1] * latent[2] // 4, 2)
    planned = wan_cost.peak_of_pass(*cost) + wan_cost.waiting_pass(*cost)
    assert planned == pytest.approx(bytes_.peak, rel=0.05)


@pytest.mark.parametrize(
    ("vae", "size"),
    [(VaeSizes(width=16, blocks=1), (17, 64, 64)), (VaeSizes(), (9, 480, 832)), (VaeSizes(), (1, 128, 160))],
    ids=["tiny", "Wan 2.1", "still"],
)
def test_arithmetic_of_the_vae_is_that_of_the_modules(vae, size):
    network, frames, latents = vae_on_meta(vae, size)
    with FlopCounterMode(display=False) as encoding:
        network.encode(frames)
    with FlopCounterMode(display=False) as gray:
        network.encode(frames, content=EMPTY)
    with FlopCounterMode(display=False) as decoding:
        network.decode(latents)

    assert wan_cost.encode_flop(vae, *size) == encoding.get_total_flops()
    assert wan_cost.encode_flop(vae, *size, gray=True) == gray.get_total_flops()
    assert wan_cost.decode_flop(vae, *size) == decoding.get_total_flops()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_memory_of_the_vae_is_close_to_that_of_the_modules(dtype):
    size = (9, 480, 832)
    network, frames, latents = vae_on_meta(VaeSizes(), size, dtype)
    with AttentionInOnePiece(), LiveBytes() as encoding:
        network.encode(frames)
    with AttentionInOnePiece(), LiveBytes() as decoding:
        network.decode(latents)
    assert wan_cost.peak_of_vae(VaeSizes(), size, dtype.itemsize) == pytest.approx(
        max(encoding.peak, decoding.peak), rel=0.05
    )


def test_memory_of_tiles_is_close_to_that_of_the_modules():
    size = (9, 480, 832)
    network, _, latents = vae_on_meta(VaeSizes(), size)
    with AttentionInOnePiece(), LiveBytes() as decoding:
        WanVae(network.network, tile=256).decode(latents)
    assert wan_cost.peak_of_vae(VaeSizes(), size, 4, 256) == pytest.approx(decoding.peak, rel=0.1)


def vae_on_meta(vae: VaeSizes, size: tuple[int, int, int], dtype: torch.dtype = torch.float32):
    with torch.device("meta"):
        network = WanVae(WanVaeNetwork(width=vae.width, blocks=vae.blocks).to(dtype))
        latents = torch.zeros(1, 16, (size[0] - 1) // 4 + 1, size[1] // 8, size[2] // 8)
        return network, torch.zeros(1, 3, *size), latents


def empty_unit(**changes: Any) -> VideoConditionUnit:
    return VideoConditionUnit(**{"roles": torch.zeros(1, 1, 17, 64, 96, dtype=torch.uint8), **changes})


def tiny_model(blocks: int = 3) -> ModelSizes:
    return ModelSizes(
        family=WAN, base=TINY[0], context_blocks=blocks, vae=VaeSizes(width=16, blocks=1), weights={"base": 2**20}
    )


def test_passes_follow_guidance_strength_and_the_adapters_range():
    def passes(**changes: Any) -> tuple[int, int]:
        found = job_cost(tiny_model(), empty_unit(), SamplingOptions(steps=10, shift=1.0, **changes))
        return found.base_passes, found.adapter_passes

    assert passes() == (20, 20)
    assert passes(guidance_scale=1.0) == (10, 10)
    assert passes(strength=0.0) == (20, 0)
    assert passes(end_percent=0.5, solver="euler") == (20, 10)
    assert passes(start_percent=0.7, solver="euler") == (20, 6)


def test_a_base_alone_has_no_adapter_work():
    found = job_cost(tiny_model(blocks=0), empty_unit(), SamplingOptions(steps=4))

    assert (found.adapter_tflop, found.adapter_passes, found.adapter_share) == (0, 0, 0)


def test_only_halves_that_show_something_are_encoded():
    vae, size = tiny_model().vae, (17, 64, 96)
    whole, gray = wan_cost.encode_flop(vae, *size), wan_cost.encode_flop(vae, *size, gray=True)
    frames, keep = torch.full((1, 3, *size), 0.5), torch.full((1, 1, *size), KEEP, dtype=torch.uint8)
    keep[..., :32] = FOLLOW

    def encoded(unit: VideoConditionUnit) -> float:
        return job_cost(tiny_model(), unit, SamplingOptions(steps=4)).encode_tflop * 1e12

    assert encoded(empty_unit()) == gray
    assert encoded(empty_unit(roles=torch.full_like(keep, FOLLOW), control=frames)) == whole + gray
    assert encoded(empty_unit(roles=keep, source=frames, control=frames)) == 2 * whole
    pictures = (torch.ones(1, 3, 1, 64, 96),) * 2
    assert encoded(empty_unit(references=pictures)) == gray + 2 * wan_cost.encode_flop(vae, 1, 64, 96)


def test_figures_as_a_table_and_as_text():
    found = job_cost(tiny_model(), empty_unit(references=(torch.ones(1, 3, 1, 64, 96),)), SamplingOptions(steps=4))

    table = json.loads(json.dumps(found.to_json()))
    assert table["tokens"] == 6 * 4 * 6
    assert table["latent_size"] == [6, 8, 12]
    assert table["memory_bytes"] == 2**20 + table["peak_bytes"]
    assert table["adapter_share"] == found.adapter_tflop / (found.adapter_tflop + found.base_tflop)
    lines = str(found).splitlines()
    assert lines[0] == "clip       17 frames of 96 x 64 and 1 reference"
    assert lines[1] == "latents    6 x 8 x 12, 144 tokens"
    assert lines[4] == "passes     8 of the base, 8 of the adapter"
    assert lines[-2] == "weights    1.0 MiB (base 1.0 MiB)"


def test_figures_of_the_official_job():
    """480p, 81 frames, 50 steps with guidance: 144 of 427 TFLOP are the adapter's."""
    sizes = WanSizes(width=1536, ffn=8960, layers=30)
    adapter, base = wan_cost.adapter_flop(sizes, 15, 32_760, 512), wan_cost.base_flop(sizes, 32_760, 512)

    assert adapter / 1e12 == pytest.approx(144.0, rel=2e-3)
    assert (adapter + base) / 1e12 == pytest.approx(427.0, rel=2e-3)


SMALL, LARGE = WanSizes(width=1536, ffn=8960, layers=30), WanSizes(width=5120, ffn=13824, layers=40)


@pytest.mark.parametrize(
    ("sizes", "blocks", "tokens", "bytes_each", "peak"),
    [
        (SMALL, 15, 32_760, 2, 1_073_479_680),
        (LARGE, 8, 32_760, 2, 3_421_716_480),
        (SMALL, 0, 32_760, 4, 1_274_757_120),
        (WanSizes(width=64, ffn=1024, layers=6), 3, 80, 4, 942_080),  # more in the feed-forward part than in attention
        (WanSizes(width=64, ffn=1024, layers=6), 3, 5000, 4, 51_474_432),  # and there piece by piece
    ],
)
def test_estimates_of_a_pass_stay_what_they_were_when_they_were_measured(sizes, blocks, tokens, bytes_each, peak):
    assert wan_cost.peak_of_pass(sizes, blocks, tokens, bytes_each) == peak


@pytest.mark.parametrize(
    ("vae", "size", "bytes_each", "tile", "peak"),
    [
        (VaeSizes(), (81, 480, 832), 4, None, 6_829_056_000),
        (VaeSizes(), (81, 480, 832), 2, 256, 2_943_421_056),
        (VaeSizes(), (9, 64, 96), 4, 96, 99_753_984),  # one tile is no tile
        (VaeSizes(), (9, 64, 96), 4, 95, 119_909_376),
        (VaeSizes(width=16, blocks=1), (5, 64, 1000), 2, 64, 89_168_448),
    ],
)
def test_estimates_of_the_vae_stay_what_they_were_when_they_were_measured(vae, size, bytes_each, tile, peak):
    assert wan_cost.peak_of_vae(vae, size, bytes_each, tile) == peak
    assert wan_cost.peak_of_vae(vae, (size[0], size[2], size[1]), bytes_each, tile) == peak


def test_every_figure_is_shown_in_a_unit_that_fits():
    weights = {"base": 98 * 2**20, "adapter": 108 * 2**20}
    model = ModelSizes(family=WAN, base=SMALL, context_blocks=15, vae=VaeSizes(), weights=weights, tile=256)
    frames = torch.zeros(1, 1, 81, 480, 832, dtype=torch.uint8)
    assert str(job_cost(model, VideoConditionUnit(roles=frames), WAN.options)).splitlines() == [
        "clip       81 frames of 832 x 480",
        "latents    21 x 60 x 104, 32,760 tokens",
        "one pass   base 283 TFLOP, adapter 143.8 TFLOP",
        "adapter    33.7% of a pass",
        "passes     100 of the base, 100 of the adapter",
        "VAE        encode 14.37 TFLOP, decode 272.7 TFLOP",
        "work       42.97 PFLOP",
        "weights    0.20 GiB (base 98.0 MiB, adapter 0.11 GiB)",
        "memory     5.32 GiB, of which activations about 5.12 GiB",
    ]


@pytest.mark.parametrize(
    ("tflop", "shown"), [(1000.0, "1 PFLOP"), (999.4, "999.4 TFLOP"), (1.0, "1 TFLOP"), (0.5, "500 GFLOP"),
                         (1e-3, "1 GFLOP"), (5e-4, "500 MFLOP"), (1e-6, "1 MFLOP"), (1e-7, "0.1 MFLOP")]
)  # fmt: skip
def test_arithmetic_is_shown_in_thousands_of_a_unit(tflop, shown):
    found = job_cost(tiny_model(), empty_unit(), SamplingOptions(steps=4))
    assert dict(replace(found, encode_tflop=tflop).rows())["VAE"].startswith(f"encode {shown}, ")


def test_references_are_counted_in_words():
    picture = torch.ones(1, 3, 1, 64, 96)
    rows = [
        dict(job_cost(tiny_model(), empty_unit(references=(picture,) * n), SamplingOptions(steps=4)).rows())
        for n in (1, 2)
    ]
    assert [row["clip"] for row in rows] == [
        "17 frames of 96 x 64 and 1 reference", "17 frames of 96 x 64 and 2 references"
    ]  # fmt: skip


def test_a_whole_job_is_all_its_passes_and_the_vae():
    found = job_cost(tiny_model(), empty_unit(), SamplingOptions(steps=4, strength=1.0, end_percent=0.5))
    once = found.encode_tflop + found.decode_tflop
    passes = found.base_passes * found.base_tflop + found.adapter_passes * found.adapter_tflop
    assert found.total_tflop == pytest.approx(once + passes, rel=1e-12)
    assert 0 < found.adapter_passes < found.base_passes


def test_a_model_of_which_nothing_is_said_is_in_half_precision_and_its_vae_in_float32():
    usual = {"family": WAN, "base": SMALL, "context_blocks": 15, "weights": {}}
    roles = torch.zeros(1, 1, 81, 64, 96, dtype=torch.uint8)
    for vae in (VaeSizes(width=4, blocks=1), VaeSizes()):
        found = job_cost(ModelSizes(vae=vae, **usual), VideoConditionUnit(roles=roles), WAN.options)
        passes, pixels = wan_cost.peak_of_pass(SMALL, 15, found.tokens, 2), wan_cost.peak_of_vae(vae, (81, 64, 96), 4)
        assert found.peak_bytes == max(passes, pixels)
        assert (passes > pixels) == (vae.width == 4)
