"""Models on a card a tenth of their size: the same numbers, every block brought once a step, nothing done lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lora_files
import pytest
import torch
from card_steps import LEVEL, Steps
from families import ltx, wan
from families.conformance import all_tasks
from model_files import LAYERS, SIZES, scaled_float8
from model_files import full_weights as file_weights
from pretended_card import Card
from refused import refused
from safetensors.torch import save_file

from vace_core import pipeline
from vace_core.errors import ModelError
from vace_core.files.checkpoint import open_checkpoint
from vace_core.files.packed import Packing
from vace_core.files.safetensors_format import SafetensorsFile
from vace_core.loading.detection import identify
from vace_core.loading.load import load_adapter, load_base
from vace_core.loading.lora import Change, kept_change
from vace_core.loading.placing import streaming
from vace_core.loading.placing.measure import blocks_of, bytes_from_files, bytes_from_sizes, units
from vace_core.loading.placing.parcel import Parcel
from vace_core.loading.placing.placed import PlacedBase, Placement, placed
from vace_core.loading.placing.plan import NetworkBytes, PlacingPlan, resident
from vace_core.models.wan.dit import WanSizes
from vace_core.models.wan.family import WAN
from vace_core.pipeline import Expert, VaceModel
from vace_core.vcu import VideoConditionUnit

STREAMED = PlacingPlan(stays=False, share=0.0)
# Blocks so wide and so many that two of them, with what is no block, are less than a tenth of the model.
DEEP = {"wan": (wan.CASE, 4096, 22, (0, 9)), "ltx": (ltx.CASE, 2048, 22, (0, 9, 20))}


def deep(name: str) -> tuple[Any, VaceModel]:
    case, ffn, layers, context = DEEP[name]
    case = replace(case, sizes=replace(case.sizes, layers=layers, ffn=ffn), context_layers=context)
    return case, case.make_model()


def weights(model: VaceModel) -> int:
    experts: list[Any] = [model.expert, model.low_noise] if model.low_noise else [model.expert]
    parts = [part for expert in experts for part in (expert.base, expert.adapter)]
    return sum(weight.nbytes for part in parts for weight in part.parameters())


def streamed(expert: Expert, share: float = 0.0) -> int:
    """Bytes of the blocks that come to the card in a step."""
    blocks = [Parcel(*unit) for unit in units(expert.base, expert.adapter)]
    stays = resident([block.nbytes for block in blocks], share)
    return sum(tensor.nbytes for number, block in enumerate(blocks) if number not in stays for tensor in block.home)


def on_card(
    case: Any, model: VaceModel, plan: PlacingPlan, unit: Any, options: Any, card: Card, on_step: Any = None
) -> Any:
    with placed(model, plan, card.device, case.family) as there:
        return pipeline.generate(there, unit, options, on_step=on_step)


@pytest.mark.parametrize("name", DEEP)
def test_weights_ten_times_the_card_give_the_same_frames_and_every_block_comes_once_a_step(name):
    case, model = deep(name)
    unit = VideoConditionUnit(roles=torch.zeros(1, 1, 1, *case.clip[1:], dtype=torch.uint8), prompt="a dog")
    options = replace(case.family.options, steps=2)
    wanted = pipeline.generate(model, unit, options)
    before = [weight.data_ptr() for weight in model.expert.base.parameters()]
    with Card(weights(model) // 10) as card:
        steps = Steps(card)
        assert torch.equal(on_card(case, model, STREAMED, unit, options, card, steps), wanted)
        assert card.used == 0
    assert [moved for moved, _ in steps.seen] == [streamed(model.expert) + LEVEL]
    assert before == [weight.data_ptr() for weight in model.expert.base.parameters()]


SPARE = 2**14  # bytes that a solver takes for a few latents, and no block works in


@pytest.fixture(scope="module", params=["wan", "ltx"])
def job(request):
    """A model with an edit, and what the CPU makes of it in ten steps."""
    case = DEEP[request.param][0]
    case = replace(case, sizes=replace(case.sizes, layers=4), context_layers=(0, 2))
    model, unit = case.make_model(), all_tasks(case)["inpaint"]
    options = replace(case.family.options, steps=10)
    return case, model, unit, options, pipeline.generate(model, unit, options)


def test_as_much_stays_as_there_is_room_for(job):
    case, model, unit, options, _ = job
    options = replace(options, steps=2)
    wanted = pipeline.generate(model, unit, options)
    with Card(2**30) as card:
        steps = Steps(card)
        got = on_card(case, model, replace(STREAMED, share=0.6), unit, options, card, steps)
    assert torch.equal(got, wanted)
    # Of so few blocks one may still be in its slot from the step before.
    assert all(moved <= streamed(model.expert, 0.6) + LEVEL for moved, _ in steps.seen)
    assert 0 < streamed(model.expert, 0.6) < 0.7 * streamed(model.expert)


def test_memory_that_runs_out_in_step_8_costs_one_step_and_nothing_that_was_done(job, monkeypatch, caplog):
    case, model, unit, options, wanted = job
    begun, block = [], type(blocks_of(model.expert.base)[0])
    forward = block.forward

    def counted(self, *given):
        begun.append(self)
        return forward(self, *given)

    monkeypatch.setattr(block, "forward", counted)
    with Card(2**30) as card:

        def shrink(index: int, _total: int, _denoised: torch.Tensor) -> None:
            if index in (6, 9):  # before the eighth step, and after the last
                card.budget = card.used + SPARE if index == 6 else 2**30

        got = on_card(case, model, replace(STREAMED, share=0.5), unit, options, card, shrink)
    assert torch.equal(got, wanted)
    passes = 1 + (options.guidance_scale != 1) + bool(options.stg_scale)
    a_step = passes * (len(blocks_of(model.expert.base)) + len(model.expert.adapter.context_blocks))
    assert 10 * a_step <= len(begun) <= 11 * a_step
    assert "Out of memory while sampling: it is done again with 25% of the blocks on the device" in caplog.text


class Shrinking:
    """A text encoder after which the card has no more memory."""

    width = None

    def __init__(self, text: Any, card: Card) -> None:
        self.text, self.card = text, card

    def encode(self, prompt: str) -> torch.Tensor:
        self.card.budget = self.card.used + 2**14
        return self.text.encode(prompt)


@pytest.mark.parametrize(("stage", "doing"), [("encode", "encoding"), ("sample", "reading the prompt"),
                                              ("decode", "decoding")])  # fmt: skip
def test_memory_that_is_too_short_for_anything_is_a_sentence(stage, doing):
    case, model = wan.CASE, wan.CASE.make_model()
    unit, options = all_tasks(case)["inpaint"], replace(wan.CASE.family.options, steps=1)
    with Card(2**14 if stage == "encode" else 2**30) as card:

        def at_the_end(_index: int, _total: int, _denoised: torch.Tensor) -> None:
            if stage == "decode":
                card.budget = 2**14

        if stage == "sample":
            model = replace(model, text=Shrinking(model.text, card))
        with pytest.raises(ModelError) as error, placed(model, PlacingPlan(), card.device, case.family) as there:
            pipeline.generate(there, unit, options, on_step=at_the_end)
    assert refused(error.value) == f"out-of-memory-placed: device=gpu:0, doing={doing}"


def test_a_pair_with_adapters_of_their_own_that_act_in_a_part_of_the_steps():
    case, model = wan.CASE, wan.CASE.make_model()
    model = replace(model, low_noise=Expert(base=case.make_base(), adapter=case.make_adapter()), boundary=0.98)
    unit = all_tasks(case)["reference"]
    options = replace(case.family.options, steps=3, end_percent=0.6, strength=0.7)
    wanted = pipeline.generate(model, unit, options)
    with Card(2**30) as card:
        steps = Steps(card)
        assert torch.equal(on_card(case, model, STREAMED, unit, options, card, steps), wanted)
    # Where the adapter does not act, its blocks do not come.
    assert steps.seen[-1][0] == streamed(Expert(base=model.expert.base)) + LEVEL


def test_packed_weights_are_streamed_as_they_are_stored(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(scaled_float8(file_weights()), path)

    def model(**options: Any) -> VaceModel:
        base, adapter = (
            load_base(path, dtype=torch.float32, **options),
            load_adapter(path, dtype=torch.float32, context_layers=LAYERS, **options),
        )
        text = letters(SIZES.text_width)
        return VaceModel(expert=Expert(base=base, adapter=adapter), vae=wan.CASE.make_vae(), text=text,
                         encode_masks=WAN.encode_masks)  # fmt: skip

    unit = all_tasks(wan.CASE)["inpaint"]
    options = replace(WAN.options, steps=2)
    wanted = pipeline.generate(model(), unit, options)
    kept = model(keep_packed=True)
    with Card(2**30) as card:
        steps = Steps(card)
        assert torch.equal(on_card(wan.CASE, kept, STREAMED, unit, options, card, steps), wanted)
    assert steps.seen[0][0] == streamed(kept.expert) + LEVEL
    assert streamed(kept.expert) < 0.3 * streamed(model().expert)


def letters(width: int) -> Any:
    class Letters:
        def encode(self, prompt: str) -> torch.Tensor:
            letters = [ord(letter) % width for letter in prompt] or [0]
            return torch.nn.functional.one_hot(torch.tensor([letters]), width).float()

    Letters.width = width  # type: ignore[attr-defined]
    return Letters()


@torch.no_grad()
def test_what_is_planned_for_weights_is_what_they_take_at_full_width():
    sizes = WanSizes(width=5120, ffn=13824, layers=5)
    with torch.device("meta"):
        base, adapter = WAN.build_base(sizes), WAN.build_adapter(sizes, (0,))
    base, adapter = (part.to(torch.bfloat16).to_empty(device="cpu").requires_grad_(False) for part in (base, adapter))
    expert = bytes_from_sizes(WAN, sizes, 1, torch.bfloat16)
    with Card(100 * 2**30, shadow=True) as card:
        there = PlacedBase(
            Expert(base=base, adapter=adapter), Placement(PlacingPlan(stays=False, share=0.3), card.device)
        )
        text = there.prepare_text(torch.zeros(1, 40, 4096).to(card.device), fps=16.0)
        assert expert.on_device(0.3) == pytest.approx(card.used, rel=0.002)
        card.copied = 0
        there.several(torch.zeros(1, 16, 1, 8, 8).to(card.device), torch.zeros(1), [text, text], [])
    # The context block, which is not used here, is the second of six.
    context = expert.blocks[1] if 1 not in resident(expert.blocks, 0.3) else 0
    assert card.copied == pytest.approx(expert.streamed(0.3) - context, rel=1e-4)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("with_adapter", [True, False])
def test_what_files_will_take_is_what_they_take_once_they_are_loaded(tmp_path, packed, with_adapter):
    weights, path = file_weights(), tmp_path / "model.safetensors"
    save_file(scaled_float8(weights), path)
    options = {"dtype": torch.float32, "keep_packed": packed}
    parts = [load_base(path, **options)]
    if with_adapter:
        parts.append(load_adapter(path, context_layers=LAYERS, **options))
    found = identify(open_checkpoint(path))
    planned = bytes_from_files(found, found if with_adapter else None, torch.float32, keep_packed=packed)
    assert planned.total == sum(one.nbytes for part in parts for one in part.parameters())
    largest = max(one.numel() for name, one in weights.items() if with_adapter or "vace" not in name)
    assert planned.unpacking == (4 * largest if packed else 0)


def test_what_a_lora_changes_in_a_packed_weight_is_made_in_float32_beside_it(tmp_path):
    width = 512
    weights, path = {"rows.weight": torch.randn(width, width)}, tmp_path / "lora.safetensors"
    layers = lora_files.factors({"rows.weight": (width, width)}, ["rows"])
    lora_files.write(path, lora_files.dotted(layers, prefix=""))
    parts = {"up": "rows.lora_B.weight", "down": "rows.lora_A.weight"}
    change = Change(file=SafetensorsFile(path), strength=1.0, parts=parts)
    for changes in ((), (change,)):
        packing = Packing(scale=0.5, change=kept_change(changes))
        with Card(2**30) as card:
            data = weights["rows.weight"].to(torch.float8_e4m3fn).to(card.device)
            card.peak = card.used
            packing.numbers(data, torch.bfloat16)
            assert card.peak - data.nbytes == packing.peak(width**2, 2, changed=bool(changes))


def test_blocks_that_stay_are_spread_evenly_and_take_no_more_than_their_share():
    assert resident((10,) * 8, 0.5) == {1, 3, 5, 7}
    assert resident((10,) * 9, 1 / 3) == {2, 5, 8}
    assert (resident((10,) * 4, 0.0), resident((10,) * 4, 1.0)) == (frozenset(), {0, 1, 2, 3})
    assert resident((30, 10, 10, 10), 0.5) == {1, 2, 3}
    network = NetworkBytes(rest=7, blocks=(10, 20, 10, 20))
    assert (network.total, network.slots, network.streamed(0.5), network.streamed(1.0)) == (67, 40, 30, 0)
    assert (network.on_device(1.0), network.on_device(0.5), network.on_device(0.0)) == (67, 7 + 30 + 40, 7 + 40)
    assert (NetworkBytes(rest=7).total, NetworkBytes(rest=7).slots) == (7, 0)


def test_plans_become_smaller_step_by_step():
    assert PlacingPlan() == PlacingPlan(stays=True, share=1.0, together=True, tile=None, keep_packed=False, text=False)
    plan, seen = PlacingPlan(), []
    while (plan := plan.smaller()) is not None:
        seen.append((plan.stays, plan.share, plan.together))
    assert seen == [(False, share, True) for share in (1.0, 0.5, 0.25, 0.125, 0.0)] + [(False, 0.0, False)]
    plan, tiles = PlacingPlan(), []
    while (plan := plan.smaller_tiles()) is not None:
        tiles.append((plan.stays, plan.tile))
    assert tiles == [(False, None), (False, 512), (False, 256), (False, 128)]
    assert PlacingPlan(stays=False, tile=256).smaller_tiles().tile == 128
    assert not PlacingPlan().streams
    assert PlacingPlan(share=0.99).streams


class _Cuda:
    """CUDA's runtime: it locks `most` bytes, and keeps the error of a failed call until a kernel is launched."""

    def __init__(self, most: int) -> None:
        self.most, self.asked, self.locked, self.error = most, 0, dict[int, int](), 0

    def cudaHostRegister(self, address: int, nbytes: int, flags: int) -> int:
        self.asked += 1
        if sum(self.locked.values()) + nbytes > self.most:
            self.error = 2
            return self.error
        self.locked[address] = nbytes
        return 0

    def cudaHostUnregister(self, address: int) -> int:
        del self.locked[address]
        return 0

    def launch(self, device: torch.device) -> None:
        error, self.error = self.error, 0
        if error:
            raise RuntimeError("CUDA error: out of memory")


@pytest.mark.parametrize("most", [0, 8])
def test_memory_that_cannot_be_locked_is_copied_without(most, monkeypatch):
    """As much as the system allowed once is locked again in the next window, and no more is asked for."""
    cuda, blocks = _Cuda(most), [torch.zeros(1) for _ in range(4)]
    monkeypatch.setattr(torch.cuda, "cudart", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda tensor: False)
    monkeypatch.setattr(streaming, "_launch", cuda.launch)
    stream = streaming._Stream(torch.device("cuda"))
    for asked in (most // 4 + 1, most // 4):
        cuda.asked = 0
        stream.pin(blocks)
        cuda.launch(torch.device("cuda"))  # the first kernel of the pass
        assert cuda.asked == asked
        assert sum(cuda.locked.values()) == most
        stream.unpin()
        assert not cuda.locked


@pytest.mark.parametrize(("numbers", "taken"), [(1, 64), (64, 64), (65, 128)])
def test_weights_begin_at_64_bytes_in_a_slot(numbers, taken):
    holder = torch.nn.Module()
    holder.register_buffer("a", torch.arange(numbers, dtype=torch.uint8))
    holder.b = torch.nn.Parameter(torch.rand(2, 3))
    parcel, before = Parcel(holder), {name: one.clone() for name, one in holder.state_dict().items()}
    assert parcel.nbytes == taken + 64
    slot = torch.zeros(parcel.nbytes, dtype=torch.uint8)
    parcel.copy_into(slot)
    found = {name: one.clone() for name, one in holder.state_dict().items()}
    assert found.keys() == before.keys() == {"a", "b"}
    assert all(torch.equal(found[name], before[name]) for name in before)
    assert {holder.a.data_ptr() - slot.data_ptr(), holder.b.data_ptr() - slot.data_ptr()} == {0, 64}
    parcel.leave()
    assert holder.b.data_ptr() != slot.data_ptr()
