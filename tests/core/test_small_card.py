"""Bases and adapters on a card smaller than their weights: the `ops` seam, and whatever is no layer of it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import tiny
import tiny_ltx
import torch
import torch.nn.functional as F
from filling import fill
from pretended_card import Card, resident
from torch import nn

from vace_core.adapter import Attachment
from vace_core.models.ltx import dit as ltx
from vace_core.models.wan import dit as wan
from vace_core.models.wan.cost import peak_of_pass


class Streaming:
    """Layers that bring their weights when they are used, in the least that `ops` needs."""

    class Linear(nn.Linear):
        @contextmanager
        def held(self, x):
            yield self.weight.to(x.device), self.bias.to(x.device)

        def forward(self, x):
            with self.held(x) as weights:
                return F.linear(x, *weights)

    class RMSNorm(nn.RMSNorm):
        def forward(self, x):
            return F.rms_norm(x, self.normalized_shape, self.weight.to(x.device), self.eps)

    class LayerNorm(nn.LayerNorm):
        def forward(self, x):
            return F.layer_norm(x, self.normalized_shape, self.weight.to(x.device), self.bias.to(x.device), self.eps)


WAN = (wan, wan.WanDit, tiny.SIZES, tiny.LAYERS, (16, 96), (2, 4, 6))
LTX = (ltx, ltx.LtxDit, tiny_ltx.SIZES, tiny_ltx.LAYERS, (128, 384), (2, 3, 2))


@pytest.fixture(params=[WAN, LTX], ids=["wan", "ltx"])
def job(request):
    """Base, adapter, and one pass of both on a device."""
    module, kind, sizes, layers, channels, size = request.param
    base = fill(kind(sizes, Streaming), 1).requires_grad_(False)
    adapter = fill(module.build_adapter(sizes, layers, Streaming), 2).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    latents, context = (torch.randn(1, count, *size, generator=generator) for count in channels)
    words = torch.randn(1, 5, sizes.text_width, generator=generator)

    @torch.no_grad()
    def run(device):
        attachment = Attachment(adapter=adapter, context=adapter.embed(context.to(device)))
        text = base.prepare_text(words.to(device), fps=8.0)
        return base(latents.to(device), torch.tensor([0.7], device=device), text, [attachment])

    return base, adapter, run


def test_any_part_of_the_weights_may_stay_where_it_is(job):
    base, adapter, run = job
    wanted = run("cpu")
    size = sum(weight.nbytes for part in (base, adapter) for weight in part.parameters())
    modules = [module for part in (base, adapter) for module in part.modules() if next(module.children(), None) is None]
    for every in (2, len(modules) + 1):
        with Card(2 * size) as card:
            for module in modules[::every]:
                module.to(card.device)
            assert 0 < resident(base) + resident(adapter) < size
            assert torch.equal(run(card.device).cpu(), wanted)
            for part in (base, adapter):
                part.to("cpu")


def test_a_card_half_as_large_as_the_weights_is_enough(job):
    base, adapter, run = job
    wanted = run("cpu")
    size = sum(weight.nbytes for part in (base, adapter) for weight in part.parameters())
    with Card(size // 2) as card:
        assert torch.equal(run(card.device).cpu(), wanted)
        assert card.peak <= size // 2


def test_a_pass_brings_every_weight_once_however_small_the_pieces(monkeypatch):
    base = fill(wan.WanDit(tiny.SIZES, Streaming), 1).requires_grad_(False)
    copied = []
    for piece in (4096, 4):
        monkeypatch.setattr(wan, "FFN_PIECE", piece)
        with Card(2**30) as card, torch.no_grad():
            text = base.prepare_text(torch.ones(1, 5, 32).to(card.device))
            base.forget()
            card.copied = 0
            base(torch.zeros(1, 16, 2, 4, 6).to(card.device), torch.tensor([0.5]).to(card.device), text)
            copied.append(card.copied)
    assert copied[0] == copied[1]


def test_more_than_the_card_has_is_out_of_memory(job):
    base, _, _ = job
    size = sum(weight.nbytes for weight in base.parameters())
    with Card(size // 2) as card:
        with pytest.raises(torch.cuda.OutOfMemoryError):
            base.to(card.device)
        base.to("cpu")


def test_a_part_of_what_is_on_it_takes_no_room_of_its_own():
    for shadow in (False, True):
        with Card(2**30, shadow=shadow) as card:
            whole = torch.zeros(64, 256, device=card.device)
            parts = [whole[:8], whole.T, whole.view(-1), whole.unflatten(1, (2, -1)).transpose(0, 1), whole.chunk(2)[1]]
            assert (card.used, len(parts)) == (whole.nbytes, 5)


def test_a_pass_of_full_width_takes_what_is_estimated():
    sizes, latent = wan.WanSizes(width=5120, ffn=13824, layers=1), (21, 60, 104)
    with torch.device("meta"):
        base = wan.WanDit(sizes).to(torch.bfloat16).requires_grad_(False)
        adapter = wan.build_adapter(sizes, (0,)).to(torch.bfloat16).requires_grad_(False)
    with Card(2**40, shadow=True) as card, torch.no_grad():
        for part in (base, adapter):
            part.to(card.device)
        text = base.prepare_text(torch.zeros(1, 40, sizes.text_width, device=card.device))
        latents, context = (torch.zeros(1, channels, *latent, device=card.device) for channels in (16, 96))
        before = card.peak = card.used
        base(latents, torch.tensor([0.7]), text, [Attachment(adapter=adapter, context=adapter.embed(context))])
        assert peak_of_pass(sizes, 1, 21 * 30 * 52, 2) == pytest.approx(card.peak - before, rel=0.05)
