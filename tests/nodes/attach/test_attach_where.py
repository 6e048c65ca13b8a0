"""Where and when a VCU acts on ComfyUI's own models: an attached adapter and ComfyUI's own VACE model say the same."""

from __future__ import annotations

import pytest
import torch
from filling import relative
from refusal import refusal
from torch.utils.flop_counter import FlopCounterMode

STEPS = 2
LATE = "0:0 0.49:0 0.5:1"  # nothing in the first half


@pytest.fixture
def strengths(run):
    return lambda **said: run("VaceStrength", **said)[0]


@pytest.fixture
def apply_with(run, vae, texts):
    """The texts and a MODEL for ComfyUI's own VACE model, with what else VACE Apply VCU takes, and its latent."""

    def call(model, vcu, **values):
        given = {"positive": texts[0], "negative": texts[1], "vae": vae, "vcu": vcu, "model": model, **values}
        positive, negative, latent, _, made = run("VaceApplyVCU", **given).result
        return made, (positive, negative), latent

    return call


@pytest.fixture
def sampled(comfy, texts):
    """What KSampler makes of a MODEL, and the work that it took."""

    def call(model, both, latent, *, steps=STEPS, denoise=1.0):
        with FlopCounterMode(display=False) as counter:
            made = comfy.nodes.KSampler().sample(
                model, 7, steps, 1.0, "euler", "simple", *both, latent, denoise=denoise
            )[0]["samples"]
        return made, counter.get_total_flops()

    return call


@pytest.fixture
def space():
    mask = torch.zeros(1, 32, 48)
    mask[:, :, 32:] = 1
    return mask


AXES = {
    "steps": {"over_steps": LATE},
    "a slope over steps": {"over_steps": "0:1 1:0"},
    "frames": {"over_frames": "0:0 0.4:0 0.5:1"},
    "overall": {"strength": 0.5},
}


class TestAxes:
    @pytest.mark.parametrize("name", AXES)
    def test_attached_and_native_are_equal(self, unit, attach, apply_with, sampled, native, plain, texts, strengths,
                                           name):  # fmt: skip
        vcu, said = unit(), strengths(**AXES[name])
        attached, latent = attach(plain, vcu, strengths=said)
        model, both, _ = apply_with(native, vcu, strengths=said)
        ours, theirs = sampled(attached, texts, latent)[0], sampled(model, both, latent)[0]
        assert relative(ours, theirs) < 1e-6
        whole = sampled(attach(plain, vcu)[0], texts, latent)[0]
        assert not torch.equal(ours, whole)
        assert not torch.equal(ours, sampled(plain, texts, latent)[0])

    def test_a_mask_and_references(self, run, attach, apply_with, sampled, native, plain, texts, strengths, space):
        picture = torch.rand(2, 32, 48, 3, generator=torch.Generator().manual_seed(3))
        vcu = run("VaceReferenceToVideo", references=picture, width=48, height=32, length=5)[0]
        made = []
        for said in ({"mask": space}, {"over_references": "1 0"}, {}):
            strength = strengths(**said)
            attached, latent = attach(plain, vcu, strengths=strength)
            model, both, _ = apply_with(native, vcu, strengths=strength)
            ours, theirs = sampled(attached, texts, latent)[0], sampled(model, both, latent)[0]
            assert relative(ours, theirs) < 1e-6
            made.append(ours)
        assert not torch.equal(made[0], made[2])
        assert not torch.equal(made[1], made[2])

    def test_all_of_them_at_one_are_none_to_the_bit(self, unit, attach, sampled, plain, texts, strengths):
        ones = strengths(over_steps="1", over_frames="1", over_blocks="1 1", mask=torch.ones(1, 32, 48))
        attached, latent = attach(plain, unit(), strengths=ones)
        assert torch.equal(sampled(attached, texts, latent)[0], sampled(attach(plain, unit())[0], texts, latent)[0])


class TestWork:
    """What does nothing costs nothing."""

    def test_steps_without_strength(self, unit, attach, apply_with, sampled, native, plain, texts, strengths):
        vcu, late, never = unit(), strengths(over_steps=LATE), strengths(over_steps="0")
        attached, latent = attach(plain, vcu)
        nothing, whole = sampled(plain, texts, latent)[1], sampled(attached, texts, latent)[1]
        half = sampled(attach(plain, vcu, strengths=late)[0], texts, latent)[1]
        assert half - nothing == (whole - nothing) // 2
        assert sampled(attach(plain, vcu, strengths=never)[0], texts, latent)[1] == nothing
        # ComfyUI's own model embeds its context in every step; its blocks are left out.
        model, both, _ = apply_with(native, vcu)
        whole = sampled(model, both, latent)[1]
        model, both, _ = apply_with(native, vcu, strengths=late)
        half = sampled(model, both, latent)[1]
        model, both, _ = apply_with(native, vcu, strengths=never)
        none = sampled(model, both, latent)[1]
        assert none - nothing < 0.05 * (whole - nothing)
        assert half - none == (whole - none) // 2
        assert torch.equal(sampled(model, both, latent)[0], sampled(plain, texts, latent)[0])
        assert native.model.diffusion_model.vace_layers_mapping  # as it was

    def test_blocks_behind_the_last_that_says_something(self, unit, attach, sampled, plain, texts, strengths):
        vcu = unit()
        work = {}
        for blocks in ("1 1", "1 0", "0 1", "0 0"):
            attached, latent = attach(plain, vcu, strengths=strengths(over_blocks=blocks))
            work[blocks] = sampled(attached, texts, latent)[1]
        nothing = sampled(plain, texts, latent)[1]
        assert work["0 0"] == nothing
        assert work["1 0"] - nothing < 0.6 * (work["1 1"] - nothing)
        assert work["0 1"] > 0.9 * work["1 1"]  # both blocks, one projection less

    def test_contexts_without_strength(self, run, unit, apply_with, sampled, native):
        vcu = unit()
        alone, both, latent = apply_with(native, vcu)
        one = sampled(alone, both, latent)
        off = run("VaceAddCondition", vcu=unit(5), strength=0.0)[0]
        model, both, _ = apply_with(native, vcu, conditions=off)
        assert sampled(model, both, latent)[1] == one[1]
        assert torch.equal(sampled(model, both, latent)[0], one[0])


class TestTwoAtOnce:
    def test_two_conditions_are_two_nodes_in_a_chain(self, run, unit, attach, apply_with, apply, sampled, native,
                                                     plain, texts):  # fmt: skip
        first, second = unit(), unit(1)
        more = run("VaceAddCondition", vcu=second, strength=0.9)[0]
        attached, latent = attach(plain, first, strength=0.4, conditions=more)
        chained, _ = attach(attach(plain, first, strength=0.4)[0], second, strength=0.9)
        ours = sampled(attached, texts, latent)[0]
        assert torch.equal(ours, sampled(chained, texts, latent)[0])
        _, both, _ = apply_with(None, first, strength=0.4, conditions=more)
        assert torch.equal(
            sampled(native, both, latent)[0], sampled(native, apply((first, 0.4), (second, 0.9)), latent)[0]
        )
        assert relative(ours, sampled(native, both, latent)[0]) < 1e-6

    def test_each_with_its_own_curve(self, run, unit, attach, apply_with, sampled, native, plain, texts, strengths):
        early, late = strengths(over_steps="0:1 0.49:1 0.5:0"), strengths(over_steps=LATE)
        more = run("VaceAddCondition", vcu=unit(1), strengths=late)[0]
        attached, latent = attach(plain, unit(), strengths=early, conditions=more)
        model, both, _ = apply_with(native, unit(), strengths=early, conditions=more)
        ours, work = sampled(attached, texts, latent)
        assert relative(ours, sampled(model, both, latent)[0]) < 1e-6
        alone = sampled(attach(plain, unit())[0], texts, latent)[1]
        assert work == alone  # one at a time, as much as one all the time

    def test_the_second_gets_the_references_of_the_first(self, run, unit, attach, sampled, plain, texts):
        picture = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(3))
        vcu = run("VaceReferenceToVideo", references=picture, width=48, height=32, length=5)[0]
        more = run("VaceAddCondition", vcu=unit(1))[0]
        attached, latent = attach(plain, vcu, conditions=more)
        assert latent["samples"].shape == (1, 16, 3, 4, 6)
        assert not torch.equal(sampled(attached, texts, latent)[0], sampled(attach(plain, vcu)[0], texts, latent)[0])


class TestPinned:
    def test_kept_latents_end_as_those_of_the_source(
        self, run, pack, vae, attach, apply_with, sampled, native, plain, texts
    ):
        core = pack.vace_core
        video = torch.rand(9, 32, 48, 3, generator=torch.Generator().manual_seed(0))
        mask = torch.zeros(9, 32, 48)
        mask[3:6, 8:20, 10:30] = 1
        picture = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(3))
        vcu = run(
            "VaceComposeVCUs",
            vcu_1=run("VaceInpaintVideo", images=video, mask=mask, fit="as it is")[0],
            vcu_2=run("VaceReferenceToVideo", references=picture, width=48, height=32, length=9)[0],
        )[0]
        source = core.models.wan.latents.LATENTS.to_comfyui(
            core.sampling.pinning.encode_source(vcu, pack.nodes.comfy.native.NativeVae(vae))
        )
        cells = core.sampling.pinning.kept_cells(vcu.masks, core.models.wan.dit.GRID).expand_as(source)
        attached, latent = attach(plain, vcu, latent="pinned")
        model, both, other = apply_with(native, vcu, latent="pinned")
        assert torch.equal(latent["noise_mask"], other["noise_mask"])
        assert latent["noise_mask"].shape == (1, 1, 4, 4, 6)
        assert latent["noise_mask"][:, :, 0].eq(1).all()  # the reference is not held
        assert torch.equal(latent["noise_mask"][:, :, 1:] == 0, cells[:, :1])
        for some, words in ((attached, texts), (model, both)):
            made = sampled(some, words, latent)[0][:, :, 1:]
            assert (made - source)[cells].abs().max() < 1e-4
            free = sampled(some, words, {"samples": torch.zeros_like(latent["samples"])})[0][:, :, 1:]
            assert (free - source)[cells].abs().mean() > 0.1
            assert (made - free)[~cells].abs().max() > 0.01

    def test_a_lower_denoise_begins_from_the_source(self, unit, attach, sampled, plain, texts):
        attached, latent = attach(plain, unit(), latent="source")
        assert set(latent) == {"samples"}
        little, whole = (sampled(attached, texts, latent, denoise=part)[0] for part in (0.1, 1.0))
        distance = [float((made - latent["samples"]).abs().mean()) for made in (little, whole)]
        assert distance[0] < 0.7 * distance[1]


class TestRefused:
    def test_what_conditioning_alone_cannot_carry(self, run, unit, apply_with, strengths):
        for said in ({"over_steps": LATE}, {"over_frames": LATE}, {"mask": torch.zeros(1, 32, 48)}):
            with pytest.raises(Exception, match="The MODEL is needed too") as error:
                apply_with(None, unit(), strengths=strengths(**said))
            assert error.value.code == "native-strength-model"
        apply_with(None, unit(), strengths=strengths(strength=0.5))

    def test_a_model_that_would_not_look_at_it(self, unit, apply_with, plain):
        assert refusal(apply_with, plain, unit()) == "model-without-vace: name=model"

    def test_contexts_of_two_sizes_in_a_chain(self, run, unit, apply_with, native):
        _, (positive, negative), _ = apply_with(native, unit())
        picture = torch.rand(1, 32, 48, 3)
        other = run("VaceReferenceToVideo", references=picture, width=48, height=32, length=5)[0]
        assert refusal(apply_with, native, other, positive=positive, negative=negative) == (
            "conditioning-size: came=2 x 4 x 6, needed=3 x 4 x 6"
        )

    def test_blocks_on_comfyuis_own_model(self, unit, apply_with, native, strengths):
        with pytest.raises(Exception, match="VACE Attach Adapter") as error:
            apply_with(native, unit(), strengths=strengths(over_blocks="1 0"))
        assert error.value.code == "native-strength-blocks"

    def test_blocks_of_another_adapter(self, run, adapter, vae, unit, plain, strengths):
        given = {"model": plain, "adapter": adapter, "vcu": unit(), "vae": vae}
        said = refusal(run, "VaceAttachAdapter", **given, strengths=strengths(over_blocks="1 1 1"))
        assert said == "strength-blocks: blocks=2, given=3"
