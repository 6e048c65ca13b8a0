"""Short memory: a card smaller than the model, and memory that runs out: what is done anew, and what is said."""

from __future__ import annotations

import dataclasses
from unittest import mock

import pytest
import torch
from pretended_card import Card, in_comfyui, resident
from refusal import refusal
from tiny_files import write_starter

SCALE = 1000
STEPS = {"steps": 10, "cfg": 2.0, "shift": 3.0, "seed": 3}
SAID = "out-of-memory: cure=Make the clip shorter or smaller, doing={} a clip of 5 frames of 48 x 32 pixels"


class Counted:
    """Counts the calls of a module, and lets those of some numbers, from 0, find no memory."""

    def __init__(self, module, *failing):
        self.calls, self._failing = 0, failing
        self._hook = module.register_forward_pre_hook(self._called)

    def _called(self, *_):
        self.calls += 1
        if self.calls - 1 in self._failing:
            raise torch.cuda.OutOfMemoryError("out of memory")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._hook.remove()


@pytest.fixture(scope="module")
def folder(pack, tmp_path_factory):
    folder = write_starter(tmp_path_factory.mktemp("starter"), pack.vace_core)
    module = pack.vace_core.starter.model
    before, module.WEIGHTS = module.WEIGHTS, folder
    yield folder
    module.WEIGHTS = before


@pytest.fixture
def model(folder, run):
    return run("VaceLoadStarter")[0]


@pytest.fixture
def forget(pack):
    """Has a model encode again what it encoded before."""
    return lambda model: pack.nodes.comfy.kept_latents.forget(model.core.vae.network)


@pytest.fixture
def vcu(run):
    picture, hole = torch.zeros(1, 32, 48, 3), torch.zeros(1, 32, 48)
    hole[:, 8:24, 8:24] = 1
    clip = torch.rand(5, 32, 48, 3, generator=torch.Generator().manual_seed(0))
    return run("VaceSwapAnything", images=clip, mask=hole, references=picture, fit="starter")[0]


def sampled(run, model, vcu, **options):
    return run("VaceSampleVideo", model=model, vcu=vcu, **{**STEPS, **options})[0]["samples"]


class TestRunningOut:
    def test_in_step_8_of_10_one_pass_is_done_again(self, run, model, vcu, forget):
        base, conv1 = model.core.expert.base, model.core.vae.network.conv1
        sampled(run, model, vcu, steps=1)  # from here on it knows what gray is
        forget(model)
        with Counted(conv1) as encoded:
            wanted = sampled(run, model, vcu)
        forget(model)
        with Counted(base, 14) as passes, Counted(conv1) as encoded_again:
            got = sampled(run, model, vcu)
        assert passes.calls == 2 * 10 + 1
        assert encoded_again.calls == encoded.calls > 0
        assert torch.equal(got, wanted)

    def test_another_seed_or_prompt_encodes_nothing_again(self, run, model, vcu):
        sampled(run, model, vcu, steps=1)
        other = dataclasses.replace(vcu, prompt="a bear")
        with Counted(model.core.vae.network.conv1) as encoded:
            sampled(run, model, other, steps=1, seed=4)
        assert encoded.calls == 0

    def test_twice_in_one_pass_is_said_and_leaves_a_model_that_works(self, run, model, vcu):
        wanted = sampled(run, model, vcu)
        with Counted(model.core.expert.base, 14, 15) as passes:
            assert refusal(sampled, run, model, vcu) == SAID.format("sampling")
        assert passes.calls == 16
        assert torch.equal(sampled(run, model, vcu), wanted)

    def test_while_encoding_it_is_done_again_in_tiles_once(self, run, model, vcu, forget):
        wanted = sampled(run, model, vcu)
        conv1, base = model.core.vae.network.conv1, model.core.expert.base
        forget(model)
        with Counted(conv1, 1), Counted(base) as passes:
            got = sampled(run, model, vcu)
        assert passes.calls == 2 * 10
        assert torch.allclose(got, wanted, atol=1e-3)
        forget(model)
        with Counted(conv1, 1, 2) as encoded, Counted(base) as passes:
            assert refusal(sampled, run, model, vcu) == SAID.format("sampling")
        assert (encoded.calls, passes.calls) == (3, 0)

    def test_while_decoding_it_is_done_again_in_tiles_once(self, run, model, vcu):
        samples = {"samples": sampled(run, model, vcu)}
        conv2 = model.core.vae.network.conv2

        def decoded():
            return run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=model)[0]

        wanted = decoded()
        with Counted(conv2, 1):
            assert torch.allclose(decoded(), wanted, atol=1e-4)
        with Counted(conv2, 1, 2) as pieces:
            assert refusal(decoded) == SAID.format("decoding")
        assert pieces.calls == 3

    def test_another_error_is_no_short_memory(self, run, model, vcu):
        def fail(*_):
            raise RuntimeError("shapes do not fit")

        hook = model.core.expert.base.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="shapes do not fit"):
            sampled(run, model, vcu)
        hook.remove()


class TestSmallCard:
    """In a real ComfyUI, on a card that is not there; budgets are of the weights, which are some 3.5 MB."""

    @pytest.fixture(autouse=True)
    def reserves(self, comfy, pack, monkeypatch):
        """ComfyUI keeps some 1.2 GB free, which on a card of megabytes would be all of it; here, what is asked for."""
        from comfy import model_management as management

        room = pack.nodes.comfy.memory._room
        monkeypatch.setattr(management, "minimum_inference_memory", lambda: 0)
        monkeypatch.setattr(management, "extra_reserved_memory", lambda: 0)
        monkeypatch.setattr(pack.nodes.comfy.memory, "_room", lambda *args: room(*args) * SCALE)
        return room

    def on_card(self, run, vcu, budget):
        """Latents, and the most weights and bytes that were on the card."""
        with Card(budget) as card, in_comfyui(card, SCALE):
            model = run("VaceLoadStarter")[0]
            weights = []
            base = model.core.expert.base
            base.register_forward_hook(lambda *_: weights.append(resident(model.experts[0].model)))
            samples = sampled(run, model, vcu, steps=2)
            return samples, max(weights), card.peak, sum(one.nbytes for one in model.experts[0].model.parameters())

    def test_what_does_not_fit_is_streamed_to_the_same_numbers(self, run, folder, vcu, reserves):
        wanted, all_of_it, _, size = self.on_card(run, vcu, 2**30)
        assert all_of_it == size
        model = run("VaceLoadStarter")[0]
        assert torch.equal(sampled(run, model, vcu, steps=2), wanted)
        room = reserves(model, 3 * 2 * 3)
        # One weight of the toy is half of it, and newer ComfyUIs keep room for the largest that is streamed.
        for part, least in ((0.25, 0), (0.9, 1)):
            budget = room + int(size * part)
            got, weights, peak, _ = self.on_card(run, vcu, budget)
            assert torch.equal(got, wanted)
            assert least <= weights <= size * part
            assert peak <= budget

    def test_memory_that_something_else_took_is_done_without(self, run, folder, vcu):
        """While loading: ComfyUI believes that there is room for everything, and there is not."""
        from comfy import model_management as management

        wanted, _, peak, size = self.on_card(run, vcu, 2**30)

        def believed(_: object = None, torch_free_too: bool = False) -> object:
            return (2**50, 0) if torch_free_too else 2**50

        with (
            Card(peak - size // 2) as card,
            in_comfyui(card, SCALE),
            mock.patch.object(management, "get_free_memory", believed),
        ):
            got = sampled(run, run("VaceLoadStarter")[0], vcu, steps=2)
        assert torch.equal(got, wanted)

    def test_the_attention_on_it_is_what_comfyui_was_started_with(self, run, folder, vcu):
        """Such as SageAttention; text, whose padding is a bias, is left to torch's."""
        from comfy.ldm.modules import attention

        wanted, *_ = self.on_card(run, vcu, 2**30)
        asked = []

        def chosen(q, k, v, heads, **named):
            asked.append((q.shape[1], heads, k.shape == q.shape, named))
            return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2) * 1.5

        with mock.patch.object(attention, "attention_pytorch", chosen):
            other, *_ = self.on_card(run, vcu, 2**30)
        blocks, passes = 4 + 2, 2 * 2
        assert asked == [(1, 1, True, {"skip_reshape": True})] * blocks * passes
        assert not torch.equal(other, wanted)
