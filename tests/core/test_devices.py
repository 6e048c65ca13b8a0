"""Any accelerator that torch has is used, in numbers that it has; no network needs float64 there."""

from __future__ import annotations

import pytest
import tiny
import tiny_ltx
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vace_core.adapter import Attachment
from vace_core.errors import InputError
from vace_core.models import devices, rotary
from vace_core.models.layers import as_given
from vace_core.models.ltx.family import LTX
from vace_core.models.wan import dit as wan
from vace_core.models.wan.family import WAN
from vace_core.sampling.guidance import guide

BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
CUDA = torch.device("cuda", 0)


class WithoutFloat64(TorchDispatchMode):
    """The meta device as one like MPS: neither float64 nor complex128."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in (leaf for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor)):
            assert tensor.device.type == "cpu" or tensor.dtype not in (torch.float64, torch.complex128), function
        return made


def denoised(model, channels, context_channels, text_width):
    base, adapter = (part.to(BF16).to("meta") for part in (model.base(), model.adapter()))
    latents, context = (torch.zeros(1, c, 3, 4, 6, device="meta") for c in (channels, context_channels))
    prompt = base.prepare_text(torch.zeros(1, 5, text_width, device="meta"), fps=16.0)
    attachment = Attachment(adapter=adapter, context=adapter.embed(context))
    return guide(base, prompt, prompt, guidance_scale=3.0, attachments=[attachment])(latents, 0.7)


def both_ways(vae, frames):
    vae.network.to("meta")
    return vae.decode(vae.encode(frames.to("meta")))


def encoded():
    transformers = pytest.importorskip("transformers")
    from vace_core.loading.t5 import T5Text
    from vace_core.models.wan.text import UMT5

    config = transformers.UMT5Config(vocab_size=60, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    model = transformers.UMT5EncoderModel(config).eval().to("meta")
    return T5Text(model=model, tokenize=lambda words: [2, 3, 4], kind=UMT5).encode("a cat")


@torch.no_grad()
@pytest.mark.parametrize(
    "run",
    [
        lambda: denoised(tiny, 16, 96, tiny.SIZES.text_width),
        lambda: denoised(tiny_ltx, 128, 384, tiny_ltx.SIZES.text_width),
        lambda: both_ways(tiny.vae(), tiny.clip()),
        lambda: both_ways(tiny_ltx.vae(), tiny_ltx.clip()),
        encoded,
    ],
    ids=["Wan with adapter", "LTX with adapter", "VAE of Wan", "VAE of LTX", "T5"],
)
def test_no_network_needs_float64_on_its_device(run):
    with WithoutFloat64():
        assert run().device.type == "meta"


@pytest.mark.parametrize("dtype", [F32, BF16])
def test_positions_are_the_same_to_the_bit_without_complex_numbers(monkeypatch, dtype):
    rotation = wan.rotations(2, 8, 12)
    x = torch.randn(2, len(rotation), 256, generator=torch.Generator().manual_seed(1)).to(dtype)
    wanted = rotary.turned(x, rotation)
    monkeypatch.setattr(rotary, "WITHOUT_COMPLEX", {"cpu"})
    assert torch.equal(rotary.turned(x, rotation), wanted)
    monkeypatch.setattr(rotary, "PIECE", 7)  # 48 tokens in seven pieces, the last one short
    assert torch.equal(rotary.turned(x, rotation), wanted)


@pytest.mark.parametrize("real", [False, True])
def test_long_clips_are_turned_piece_by_piece_as_in_one(monkeypatch, real):
    """Every pair of features turns by the angle of its token."""
    monkeypatch.setattr(rotary, "PIECE", 5)
    monkeypatch.setattr(rotary, "WITHOUT_COMPLEX", {"cpu"} if real else set())
    for count in (5, 6, 13):
        x = torch.randn(2, count, 12, generator=torch.Generator().manual_seed(count))
        angles = torch.linspace(-3, 3, 3 * count, dtype=torch.float64).view(count, 3)
        even, odd = x.view(2, count, 2, 3, 2).double().unbind(-1)
        cos, sin = angles.cos()[:, None], angles.sin()[:, None]
        wanted = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).view(2, count, 12)
        assert (rotary.turned(x, rotary.cos_sin(angles)) - wanted).abs().max() < 1e-6


def test_positions_are_those_of_complex_numbers_in_double_precision():
    angles = torch.rand(6, 64, dtype=torch.float64) * 100
    x = torch.randn(1, 6, 256, dtype=F32)
    exact = (
        torch.view_as_complex(x.double().unflatten(-1, (2, 64, 2)))
        * torch.polar(torch.ones_like(angles), angles)[:, None]
    )
    got = rotary.turned(x, rotary.cos_sin(angles))
    assert (got - torch.view_as_real(exact).flatten(2)).abs().max() <= 1e-6


@pytest.mark.parametrize(
    ("there", "wanted"),
    [(("cuda", "xpu", "mps"), "cuda"), (("xpu", "mps"), "xpu"), (("mps",), "mps"), ((), "cpu")],
)
def test_the_best_device_is_an_accelerator_of_any_kind(monkeypatch, there, wanted):
    for name, kind in (("cuda", torch.cuda), ("xpu", torch.xpu), ("mps", torch.backends.mps)):
        monkeypatch.setattr(kind, "is_available", lambda name=name: name in there)
    assert devices.best_device() == torch.device(wanted)


@pytest.mark.parametrize(
    ("has_bf16", "stored", "family", "wanted"),
    [
        (True, BF16, WAN, None),
        (False, BF16, WAN, F16),
        (False, BF16, LTX, F32),
        (False, F16, WAN, None),
        (False, F32, WAN, None),
    ],
)
def test_where_bfloat16_is_missing_wan_is_computed_in_float16(monkeypatch, has_bf16, stored, family, wanted):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has_bf16)
    monkeypatch.setattr(torch.cuda, "_get_device_index", lambda *_, **__: -1)  # of a device that is not there
    assert devices.dtype_on(CUDA, stored, family.dtypes) == wanted


def test_a_vae_is_never_computed_in_float16_unasked():
    assert F16 not in devices.VAE_DTYPES


def test_layers_that_compute_in_what_comes_in_do_so_under_autocast():
    numbers = torch.rand(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (numbers @ numbers).dtype == torch.bfloat16
        with as_given(torch.device("cpu")):
            assert (numbers @ numbers).dtype == torch.float32
    with as_given(torch.device("meta")):
        assert (numbers @ numbers).dtype == torch.float32


def test_what_memory_there_is():
    host = devices.memory_of(torch.device("cpu"))
    assert (host.name, host.is_host, host.total) == ("main memory", True, host.free)
    assert host.free > 2**20
    assert devices.memory_of(torch.device("cpu"), 5).free == 5
    assert devices.memory_of(torch.device("cpu"), 2**60).free <= host.total * 2
    meta = devices.memory_of(torch.device("meta"))
    assert (meta.name, meta.is_host) == ("meta", False)
    assert not devices.Memory(name="a", total=1, free=1).is_host


def test_a_card_gives_what_torch_holds_and_does_not_use(monkeypatch):
    for name, value in (("mem_get_info", (100, 900)), ("memory_reserved", 70), ("memory_allocated", 30),
                        ("get_device_name", "a card")):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    found = devices.memory_of(CUDA)
    assert found == devices.Memory(name="a card", total=900, free=140, is_host=False)
    assert devices.memory_of(CUDA, 120).free == 120
    assert devices.memory_of(CUDA, 141).free == 140


@pytest.mark.parametrize(("room", "free"), [(2**60, 70), (50, 50)])
def test_an_apple_gpu_gives_no_more_than_main_memory_has(monkeypatch, room, free):
    monkeypatch.setattr(devices, "free_bytes", lambda: room)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 100)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 30)
    found = devices.memory_of(torch.device("mps"))
    assert (found.name, found.total, found.free) == ("Apple GPU", 100, free)


@pytest.mark.parametrize(
    ("text", "size"),
    [("12GB", 12 * 10**9), ("12", 12 * 10**9), (" 11.5 GiB ", 23 * 2**29), ("800MB", 8 * 10**8), ("1k", 1000),
     ("2Ki", 2048), ("3m", 3 * 10**6), ("1TiB", 2**40), ("0.5t", 5 * 10**11)],
)  # fmt: skip
def test_sizes_of_memory_are_typed(text, size):
    assert devices.memory_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "0", "0.0GB", "1.GB", "12 XB", "12GBB", "1e9", "1234567890"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InputError) as error:
        devices.memory_size(text)
    assert error.value.code == "memory-unreadable"


def test_which_numbers_a_device_computes_in(monkeypatch):
    assert all(devices.computes_in(torch.device("cpu"), dtype) for dtype in (BF16, F16, F32))
    assert devices.computes_in(torch.device("meta"), BF16)

    def refuses(*_: object, **__: object) -> None:
        raise TypeError

    monkeypatch.setattr(torch, "empty", refuses)
    assert not devices.computes_in(torch.device("mps"), BF16)
    assert devices.computes_in(torch.device("mps"), F16)
