"""The adapter's promises: off is the base, detached is before, and two of them do not mix."""

from __future__ import annotations

import pytest
import tiny
import torch
from refused import refused

from vace_core.adapter import Attachment, ContextAdapter, HintChain, SigmaRange
from vace_core.errors import AdapterMismatchError
from vace_core.models.wan import dit as wan
from vace_core.sampling.options import AdapterOptions


@pytest.fixture(scope="module")
def base():
    return tiny.base()


@pytest.fixture(scope="module")
def inputs(base):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 16, 2, 4, 6, generator=generator)
    text = base.prepare_text(tiny.LetterText().encode("a red fox"))
    return latents, torch.tensor([0.7]), text


def context(seed: int) -> torch.Tensor:
    return torch.randn(1, 96, 2, 4, 6, generator=torch.Generator().manual_seed(seed))


def attach(adapter: ContextAdapter, strength: float = 1.0, seed: int = 5, **options) -> Attachment:
    return Attachment(adapter=adapter, context=adapter.embed(context(seed)), strength=strength, **options)


class Shifted(torch.nn.Module):
    def __init__(self, by: int) -> None:
        super().__init__()
        self.by = by

    def forward(self, tokens, stream):
        return tokens + self.by


@torch.no_grad()
def test_strength_zero_is_the_base_bit_for_bit(base, inputs):
    assert torch.equal(base(*inputs, [attach(tiny.adapter(), strength=0.0)]), base(*inputs))


@torch.no_grad()
def test_the_adapter_does_change_the_result(base, inputs):
    assert (base(*inputs, [attach(tiny.adapter())]) - base(*inputs)).abs().max() > 0.1


@torch.no_grad()
def test_detached_is_before_bit_for_bit(base, inputs):
    before, weights = base(*inputs), {name: value.clone() for name, value in base.state_dict().items()}
    base(*inputs, [attach(tiny.adapter())])
    assert torch.equal(base(*inputs), before)
    assert all(torch.equal(value, weights[name]) for name, value in base.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in base.modules())


@torch.no_grad()
def test_two_adapters_do_not_mix(base, inputs):
    first, second = attach(tiny.adapter(2)), attach(tiny.adapter(7))
    alone = base(*inputs, [first])
    base(*inputs, [second])
    base(*inputs, [first, second])
    assert torch.equal(base(*inputs, [first]), alone)


@torch.no_grad()
def test_hints_of_two_attachments_add_up(base, inputs):
    """Two attachments of the same condition at half strength are one at full strength."""
    adapter = tiny.adapter()
    once = base(*inputs, [attach(adapter)])
    twice = base(*inputs, [attach(adapter, 0.5), attach(adapter, 0.5)])
    assert torch.allclose(once, twice, atol=1e-5)


@torch.no_grad()
def test_hints_made_on_the_way_equal_hints_made_up_front(base, inputs):
    latents, sigma, text = inputs
    attachment = attach(tiny.adapter(), strength=0.6)
    adapter = attachment.adapter
    tokens = base.patch_embedding(latents)
    time, modulation, rotation = base._places(latents, sigma)
    stream = wan.Stream(modulation=modulation, rotation=rotation, text=text)
    hints, chain = {}, attachment.context + tokens
    for block, projection, layer in zip(
        adapter.context_blocks, adapter.after_proj, adapter.context_layers, strict=True
    ):
        chain = block(chain, stream)
        hints[layer] = projection(chain)
    for layer, block in enumerate(base.blocks):
        tokens = block(tokens, stream)
        tokens = tokens + 0.6 * hints[layer] if layer in hints else tokens
    wanted = base._unpatch(base.head(tokens, time), latents.shape)
    assert torch.allclose(base(*inputs, [attachment]), wanted, atol=1e-6)


@pytest.mark.parametrize(("sigma", "acts"), [(1.0, False), (0.9, True), (0.6, True), (0.5, False), (0.1, False)])
def test_an_attachment_acts_between_its_noise_levels(sigma, acts):
    attachment = attach(tiny.adapter(), sigmas=SigmaRange(start=0.9, end=0.5))
    assert attachment.is_active(sigma) is acts


def test_a_part_of_the_schedule_is_a_range_of_noise_levels():
    asked = []

    def to_sigma(percent):
        asked.append(percent)
        return 1 - percent

    always = AdapterOptions().sigma_range(to_sigma)
    assert always.is_everything
    assert asked == []  # a sampler need not be asked where its schedule begins and ends
    assert 1e9 in always
    assert 1e-9 in always
    for options, levels in (({"start_percent": 0.25}, (0.75, 1e-9)), ({"end_percent": 0.5}, (1e9, 0.51))):
        part = AdapterOptions(**options).sigma_range(to_sigma)
        assert not part.is_everything
        assert all(level in part for level in levels)
    assert 0.76 not in AdapterOptions(start_percent=0.25).sigma_range(to_sigma)
    assert 0.5 not in AdapterOptions(end_percent=0.5).sigma_range(to_sigma)


@torch.no_grad()
def test_hints_of_blocks_that_were_left_out_are_added_at_the_next_one():
    adapter = tiny.adapter()
    adapter.context_blocks = torch.nn.ModuleList(Shifted(index + 1) for index in range(len(adapter.context_layers)))
    adapter.after_proj = torch.nn.ModuleList(torch.nn.Identity() for _ in adapter.context_layers)
    start, last = torch.ones(1, 3, 4), adapter.context_layers[-1]
    chain = HintChain(adapter, start, strength=1.0)
    sums = [sum(range(2 + index)) + 1 for index in range(len(adapter.context_layers))]
    assert torch.equal(chain.add_hint(last, torch.zeros(1, 3, 4), None), torch.full((1, 3, 4), float(sum(sums))))
    assert torch.equal(chain.add_hint(last + 1, start, None), start)


def test_an_adapter_of_another_width_is_refused():
    with pytest.raises(AdapterMismatchError) as error:
        tiny.adapter().check_fits(width=1536, layers=30)
    assert refused(error.value) == "adapter-width: base_blocks=30, base_width=1536, least_blocks=3, width=128"


def test_an_adapter_of_a_deeper_model_is_refused():
    with pytest.raises(AdapterMismatchError):
        tiny.adapter().check_fits(width=128, layers=2)


def test_the_names_of_checkpoints_come_and_go():
    names = list(tiny.adapter().state_dict())
    assert [wan.adapter_key(wan.official_adapter_key(name)) for name in names] == names


@pytest.mark.parametrize(
    ("layers", "blocks", "wanted"),
    [(30, 15, tuple(range(0, 30, 2))), (40, 8, tuple(range(0, 40, 5))), (6, 3, (0, 2, 4))],
)
def test_context_layers_are_spaced_evenly_where_nothing_says_so(layers, blocks, wanted):
    assert wan.default_context_layers(layers, blocks) == wanted


@torch.no_grad()
@pytest.mark.parametrize("places", [False, True])
def test_an_adapter_without_blocks_adds_its_context_to_the_tokens_of_the_base(base, inputs, places):
    """As much as its strength says, of each token as much as its place says."""
    plain = wan.build_adapter(tiny.SIZES, ())
    tokens, condition = torch.randn(2, 1, 12, 128, generator=torch.Generator().manual_seed(0)).unbind(0)
    factors = torch.linspace(0, 1, 12).view(1, 12, 1) if places else None
    wanted = condition * factors if places else condition
    one = Attachment(adapter=plain, context=condition, places=factors)
    assert torch.equal(one.begin(tokens), tokens + wanted)
    half = Attachment(adapter=plain, context=condition, places=factors, strength=0.5)
    assert torch.allclose(half.begin(tokens), tokens + 0.5 * wanted, atol=1e-6)
    assert torch.equal(attach(tiny.adapter()).begin(tokens), tokens)  # one with blocks gives hints instead
    embedded = attach(tiny.adapter(), places=torch.zeros(1, 12, 1))
    assert torch.equal(base(*inputs, [embedded]), base(*inputs))


@pytest.mark.parametrize(
    ("changes", "acts"),
    [
        ({}, True), ({"strength": 0.0}, False), ({"blocks": (0.0, 0.0)}, False), ({"blocks": (0.0, 0.1)}, True),
        ({"places": torch.zeros(1, 12, 1)}, False), ({"places": torch.eye(12)[None, :, :1]}, True),
        ({"steps": lambda sigma: sigma - 0.5}, False), ({"steps": lambda sigma: sigma}, True),
        ({"sigmas": SigmaRange(start=0.4)}, False), ({"sigmas": SigmaRange(start=0.5, end=0.4)}, True),
        ({"sigmas": SigmaRange(end=0.5)}, False),
    ],
)  # fmt: skip
def test_what_adds_nothing_is_not_active(changes, acts):
    assert attach(tiny.adapter(), **changes).is_active(0.5) == acts


def test_a_range_of_noise_levels_is_everything_where_no_end_is_set():
    assert SigmaRange().is_everything
    assert not SigmaRange(start=1.0).is_everything
    assert not SigmaRange(end=0.0).is_everything
