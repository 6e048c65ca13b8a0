"""The engine's promises: the same to the bit whenever it was stopped, a good state whatever goes wrong."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import tiny
import torch
from refused import refused
from safetensors import safe_open

from vace_core.errors import InputError, ModelError
from vace_core.training import engine
from vace_core.training.engine import CHECKPOINT, LOSSES, Draw, TrainingError, train
from vace_core.training.optimisers import moments_of, optimiser_for
from vace_core.training.precision import mixed_precision, seeded, training_dtype
from vace_core.training.schedule import Schedule
from vace_core.training.state import Average, load_state, trainable

SCHEDULE = Schedule(steps=12, learning_rate=0.05, batch=8, warmup=2, save_every=4, weight_decay=0.01)
MUON = replace(SCHEDULE, optimiser="muon")


def layer() -> torch.nn.Linear:
    with seeded(0):
        return torch.nn.Linear(3, 2)


class Blocks(torch.nn.Module):
    """A block of a matrix and a bias between two layers that are in none."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(4, 4)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.leave(self.blocks[0](self.enter(x)))


def blocks() -> Blocks:
    with seeded(0):
        return Blocks()


def losses_of(module: torch.nn.Module, draw: Draw, size: int = 8) -> torch.Tensor:
    """Clips `number * size` and following of one endless row, whatever the size of a micro-batch."""
    places = range(draw.number * size, (draw.number + 1) * size)
    x = torch.stack([torch.randn(3, generator=torch.Generator().manual_seed(place)) for place in places])
    return (module(x) - x[:, :2]).square().mean(1)


def lines(folder) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / LOSSES).read_text().splitlines()]


@pytest.mark.parametrize(("network", "schedule"), [(layer, SCHEDULE), (blocks, MUON)], ids=["adamw", "muon"])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path, network, schedule):
    whole = train(network(), losses_of, schedule, folder=tmp_path / "whole")
    for done in range(1, 13):
        parts = train(network(), losses_of, schedule, folder=tmp_path / "parts", stop_after=0)
        assert (parts.steps, parts.finished) == (done, done == 12)
    assert all(torch.equal(parts.weights[name], whole.weights[name]) for name in whole.weights)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    with pytest.raises(InputError):  # it is of another recipe
        train(network(), losses_of, schedule, folder=tmp_path / "parts", recipe={"optimiser": "another"})


def test_what_an_optimiser_goes_on_with_is_where_its_weights_are(tmp_path):
    train(layer(), losses_of, SCHEDULE, folder=tmp_path, stop_after=0)
    module = layer().to("meta")  # a device that no value comes to by itself, as to a GPU
    weights = trainable(module)
    optimiser = optimiser_for("adamw", weights, learning_rate=1.0, weight_decay=0.0)
    moments = moments_of("adamw", weights)
    load_state(tmp_path / CHECKPOINT, module, optimiser, Average(module, 0.5), moments=moments, recipe={})
    kept = [value for weight in weights.values() for value in optimiser.state[weight].values()]
    assert len(kept) == 2 * 3  # the step and two moments of matrix and bias
    assert all(value.is_meta for value in kept)


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    whole = train(layer(), losses_of, SCHEDULE, folder=tmp_path / "whole")

    def killed(module, draw):
        if draw.step == 6:
            raise KeyboardInterrupt
        return losses_of(module, draw)

    with pytest.raises(KeyboardInterrupt):
        train(layer(), killed, SCHEDULE, folder=tmp_path / "parts")
    assert len(lines(tmp_path / "parts")) == 6
    parts = train(layer(), losses_of, SCHEDULE, folder=tmp_path / "parts")
    assert all(torch.equal(parts.weights[name], whole.weights[name]) for name in whole.weights)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_taken_between_two_steps_and_loses_none(tmp_path, number):
    def ended(*_):
        raise KeyboardInterrupt

    before = signal.signal(number, ended)
    try:
        whole = train(layer(), losses_of, SCHEDULE, folder=tmp_path / "whole")
        times = 1

        def interrupted(module, draw):
            for _ in range(times if draw.step in (5, 9) else 0):
                signal.raise_signal(number)
            return losses_of(module, draw)

        with pytest.raises(KeyboardInterrupt):
            train(layer(), interrupted, SCHEDULE, folder=tmp_path / "parts")
        with safe_open(tmp_path / "parts" / CHECKPOINT, "pt") as file:
            assert file.metadata()["step"] == "6"
        times = 2  # the second one does not wait for the end of the step
        with pytest.raises(KeyboardInterrupt):
            train(layer(), interrupted, SCHEDULE, folder=tmp_path / "parts")
        assert len(lines(tmp_path / "parts")) == 9
        assert signal.getsignal(number) is ended
        signal.signal(number, signal.SIG_IGN)  # as under nohup
        parts = train(layer(), interrupted, SCHEDULE, folder=tmp_path / "parts")
    finally:
        signal.signal(number, before)
    assert all(torch.equal(parts.weights[name], whole.weights[name]) for name in whole.weights)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


def test_micro_batches_add_up_to_the_batch(tmp_path):
    whole = train(layer(), losses_of, SCHEDULE, folder=tmp_path / "whole")
    small = Schedule(**{**vars(SCHEDULE), "micro_batch": 2})
    parts = train(layer(), lambda module, draw: losses_of(module, draw, 2), small, folder=tmp_path / "parts")
    assert all(torch.allclose(parts.weights[name], whole.weights[name], atol=1e-6) for name in whole.weights)


def test_a_loss_that_is_no_number_keeps_the_last_good_state_and_names_the_clip(tmp_path):
    def spoiled(module, draw):
        losses = losses_of(module, draw)
        return torch.where(torch.arange(8) == 3, math.nan, losses) if draw.step == 6 else losses

    folder = tmp_path / "run"
    with pytest.raises(TrainingError) as error:
        train(
            layer(), spoiled, SCHEDULE, folder=folder, names_of=lambda draw: [f"clip {number}" for number in range(8)]
        )
    assert (error.value.code, error.value.fields["step"]) == ("loss-not-finite", 7)
    assert "clip 3" in error.value.fields["clips"]
    assert str(folder / CHECKPOINT) in error.value.fields["kept"]
    whole = train(layer(), losses_of, SCHEDULE, folder=tmp_path / "whole")
    mended = train(layer(), losses_of, SCHEDULE, folder=folder)
    assert all(torch.equal(mended.weights[name], whole.weights[name]) for name in whole.weights)


def test_a_checkpoint_of_another_recipe_is_refused_by_what_differs(tmp_path):
    recipe = {"schedule": {"steps": 12, "weight_decay": 0.05}, "tasks": ["inpaint"]}
    train(layer(), losses_of, SCHEDULE, folder=tmp_path, recipe=recipe, stop_after=0)
    other = {"schedule": {"steps": 12, "weight_decay": 0.1}, "tasks": ["inpaint"]}
    with pytest.raises(InputError) as error:
        train(layer(), losses_of, SCHEDULE, folder=tmp_path, recipe=other)
    assert error.value.code == "checkpoint-other-recipe"
    assert "schedule.weight_decay was 0.05 and is 0.1" in error.value.fields["changes"]
    told = {"schedule": recipe["schedule"] | {"save_every": 1, "validate_every": 2}, "tuning": {"save_memory": True}}
    rarely = train(layer(), losses_of, SCHEDULE, folder=tmp_path, recipe=recipe | told, stop_after=0)
    assert rarely.steps == 2
    with pytest.raises(InputError) as error:
        train(torch.nn.Linear(3, 3), losses_of, SCHEDULE, folder=tmp_path, recipe=recipe)
    assert error.value.code == "checkpoint-other-network"


def test_a_full_disk_is_said_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(engine.check_disk.__globals__["shutil"], "disk_usage", lambda _: type("", (), {"free": 9}))
    with pytest.raises(InputError) as error:
        train(layer(), losses_of, SCHEDULE, folder=tmp_path / "run")
    assert error.value.code == "disk-full"
    assert list((tmp_path / "run").iterdir()) == []


def test_validation_sees_the_average_and_changes_nothing(tmp_path):
    seen: list[torch.Tensor] = []

    def validate(module):
        seen.append(module.weight.detach().clone())
        return {"validation": float(module.weight.sum())}

    schedule = Schedule(**{**vars(SCHEDULE), "validate_every": 4})
    plain = train(layer(), losses_of, SCHEDULE, folder=tmp_path / "plain")
    watched = train(layer(), losses_of, schedule, folder=tmp_path / "watched", validate=validate)
    assert all(torch.equal(watched.weights[name], plain.weights[name]) for name in plain.weights)
    assert torch.equal(seen[-1], watched.weights["weight"])
    assert [line["step"] for line in lines(tmp_path / "watched") if "validation" in line] == [4, 8, 12]


def test_a_batch_that_cannot_be_divided_is_refused(tmp_path):
    with pytest.raises(InputError) as error:
        engine._share(SCHEDULE, 3)
    assert error.value.code == "batch-indivisible"
    with pytest.raises(InputError) as error:
        Schedule(steps=1, learning_rate=1, batch=4, micro_batch=3)
    assert refused(error.value) == "micro-batch: batch=4, micro_batch=3"


def test_the_learning_rate_rises_holds_and_falls():
    schedule = Schedule(steps=100, learning_rate=1.0, warmup=10, decay_from=0.5)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert rates[51:] == sorted(rates[51:], reverse=True)
    assert rates[-1] < 0.01


def test_training_leaves_the_dice_of_the_process_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with seeded(9):
        torch.rand(100)
    assert torch.equal(torch.rand(4), expected)


def test_mixed_precision_leaves_wans_noise_level_and_output_in_float32():
    base, latents, sigma = tiny.base(), torch.randn(1, 16, 2, 4, 4), torch.tensor([0.7])
    seen: dict[str, torch.dtype] = {}
    for name in ("time_embedding", "time_projection", "blocks.0.ffn", "head.head"):
        base.get_submodule(name).register_forward_hook(
            lambda module, _, made, name=name: seen.update({name: made.dtype})
        )
    wanted = base._places(latents, sigma)[1]
    with mixed_precision("cpu", torch.bfloat16):
        made = base(latents, sigma, base.prepare_text(tiny.LetterText().encode("a")))
        assert torch.equal(base._places(latents, sigma)[1], wanted)
    assert made.dtype == torch.float32
    assert seen.pop("blocks.0.ffn") == torch.bfloat16
    assert set(seen.values()) == {torch.float32}
    assert len(seen) == 3


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_training_computes_in_what_the_processor_is_fast_at(monkeypatch, fast, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": fast}, raising=False)
    assert training_dtype() == dtype
    linear, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    with mixed_precision():
        assert linear(x).dtype == dtype


def test_muon_takes_the_matrices_of_the_blocks_and_adamw_the_rest(tmp_path):
    module = blocks()
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    once = replace(MUON, steps=1, warmup=0, clip=1e9, decay_from=1.0, average=0.0, weight_decay=0.0)
    after = train(module, losses_of, once, folder=tmp_path).weights
    moved = {name: (after[name] - value) / once.learning_rate for name, value in before.items()}
    # As large in each direction of its gradient, within what few rounds make: two, for two numbers come out.
    directions = torch.linalg.svdvals(moved.pop("blocks.0.weight")) / (0.2 * 4**0.5)
    assert directions[2:].max() < 0.3 < 0.6 < directions[1] <= directions[0] < 1.3
    # The first step of AdamW is one of the whole rate, up or down.
    assert all(value.abs().allclose(torch.ones(()), atol=1e-3) for value in moved.values())


def test_muon_needs_a_pytorch_that_has_it(tmp_path, monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ModelError) as error:
        train(blocks(), losses_of, MUON, folder=tmp_path)
    assert refused(error.value) == f"muon-torch-too-old: version={torch.__version__}"


def test_muon_needs_whole_matrices(tmp_path):
    two = SimpleNamespace(num_processes=2)
    with pytest.raises(InputError) as error:
        train(blocks(), losses_of, replace(MUON, micro_batch=1), folder=tmp_path, processes=two, shard=(Blocks,))
    assert refused(error.value) == "muon-sharded: count=2"
