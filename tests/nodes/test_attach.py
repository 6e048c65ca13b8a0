"""An adapter on ComfyUI's own MODEL is to the bit what ComfyUI's own VACE model computes, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import gc
import json
from unittest import mock

import native_parts
import pytest
import torch
from filling import fill, relative
from native_parts import Clip
from refusal import refusal
from safetensors.torch import save_file
from tiny_files import full_weights, write_starter

ROUNDS = 20
CLOSE = 1e-4  # both compute in float32: what differs is the order of sums


@pytest.fixture(autouse=True)
def _as_comfyui_runs_nodes():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def core(comfy, pack):
    return pack.vace_core


@pytest.fixture(scope="module")
def vae(core):
    return native_parts.vae(core)


@pytest.fixture(scope="module")
def native(core):
    with torch.inference_mode():
        return native_parts.vace_model(core)


@pytest.fixture(scope="module")
def plain(core):
    with torch.inference_mode():
        return native_parts.plain_model(core)


@pytest.fixture(scope="module")
def adapter(core, pack, tmp_path_factory):
    folder = write_starter(tmp_path_factory.mktemp("adapter"), core)
    return pack.nodes.sockets.AdapterFile(path=folder / "adapter.safetensors")


@pytest.fixture(scope="module")
def texts():
    return [Clip().encode_from_tokens_scheduled(words) for words in ("a dog on a sledge", "")]


@pytest.fixture
def unit(run):
    """A unit by its seed: five frames, the right half of which is made."""

    def make(seed=0):
        video = torch.rand(5, 32, 48, 3, generator=torch.Generator().manual_seed(seed))
        mask = torch.zeros(1, 32, 48)
        mask[:, :, 24:] = 1
        return run("VaceInpaintVideo", images=video, mask=mask, fit="as it is")[0]

    return make


@pytest.fixture
def attach(run, adapter, vae):
    """MODEL and unit in, MODEL and latent out."""

    def call(model, vcu, **values):
        return run("VaceAttachAdapter", model=model, adapter=adapter, vcu=vcu, vae=vae, **values).result[:2]

    return call


@pytest.fixture
def apply(run, vae, texts):
    """The texts with units for ComfyUI's own VACE model: `apply((unit, strength), …)`."""

    def call(*units):
        both = texts
        for vcu, strength in units:
            both = run("VaceApplyVCU", positive=both[0], negative=both[1], vae=vae, vcu=vcu, strength=strength)[:2]
        return both

    return call


@pytest.fixture
def sample(comfy):
    """ComfyUI's own KSampler."""

    def call(model, texts, latent, *, steps=3, clips=1, sampler="euler"):
        latent = {"samples": latent["samples"].repeat(clips, 1, 1, 1, 1)}
        sampled = comfy.nodes.KSampler().sample(model, 7, steps, 4.0, sampler, "simple", *texts, latent)
        return sampled[0]["samples"]

    return call


def options_of(model):
    """All that a MODEL carries for its calls, by identity where it is no dictionary or list."""

    def seen(value):
        if isinstance(value, dict):
            return {str(key): seen(one) for key, one in value.items()}
        return [seen(one) for one in value] if isinstance(value, list) else id(value)

    return [seen(part) for part in (model.model_options, model.wrappers, model.callbacks, model.object_patches)]


class TestEqualToCoreToTheBit:
    @pytest.mark.parametrize("clips", [1, 2])
    @pytest.mark.parametrize("strengths", [(1.0,), (0.7,), (0.7, 1.3)])
    def test_one_and_two_units(self, unit, attach, apply, sample, native, plain, strengths, clips):
        units = [(unit(seed), strength) for seed, strength in enumerate(strengths)]
        attached = plain
        for vcu, strength in units:
            attached, latent = attach(attached, vcu, strength=strength)
        texts = apply(*units)
        ours, theirs = (sample(model, texts, latent, clips=clips) for model in (attached, native))
        assert float((ours - theirs).abs().max()) == 0.0
        assert not torch.equal(ours, sample(plain, texts, latent, clips=clips))

    def test_a_unit_with_a_reference(self, run, attach, apply, sample, native, plain):
        picture = torch.rand(2, 32, 48, 3, generator=torch.Generator().manual_seed(3))
        vcu = run("VaceReferenceToVideo", references=picture, width=48, height=32, length=5)[0]
        attached, latent = attach(plain, vcu)
        assert latent["samples"].shape == (1, 16, 4, 4, 6)
        ours, theirs = (sample(model, apply((vcu, 1.0)), latent) for model in (attached, native))
        assert torch.equal(ours, theirs)

    def test_guidance_in_two_calls(self, unit, attach, apply, sample, native, plain):
        # Prompts of different length are not computed in one batch.
        positive, negative = apply((unit(), 1.0))
        texts = [positive, [[negative[0][0][:, :256], negative[0][1]]]]
        attached, latent = attach(plain, unit())
        ours, theirs = (sample(model, texts, latent) for model in (attached, native))
        assert torch.equal(ours, theirs)

    def test_with_a_lora(self, unit, attach, apply, sample, native, plain):
        attached, latent = attach(with_lora(plain), unit())
        texts = apply((unit(), 1.0))
        ours, theirs = (sample(model, texts, latent) for model in (attached, with_lora(native)))
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, sample(native, texts, latent))

    def test_with_a_lora_behind(self, unit, attach, apply, sample, native, plain):
        attached, latent = attach(plain, unit())
        texts = apply((unit(), 1.0))
        ours, theirs = (sample(with_lora(model), texts, latent) for model in (attached, native))
        assert torch.equal(ours, theirs)

    def test_on_a_base_that_is_read_from_gguf_blocks(self, core, unit, attach, apply, sample, native):
        attached, latent = attach(quantised(core, vace=False), unit())
        texts = apply((unit(), 1.0))
        ours, theirs = (sample(model, texts, latent) for model in (attached, quantised(core, vace=True)))
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, sample(native, texts, latent))

    def test_ksampler_advanced(self, comfy, unit, attach, apply, native, plain):
        attached, latent = attach(plain, unit())
        texts = apply((unit(), 1.0))
        ours, theirs = (in_two_parts(comfy, model, texts, latent) for model in (attached, native))
        assert torch.equal(ours, theirs)

    def test_sampler_custom(self, unit, attach, apply, native, plain):
        import comfy.sample
        import comfy.samplers

        attached, latent = attach(plain, unit())
        texts = apply((unit(), 1.0))
        noise = comfy.sample.prepare_noise(latent["samples"], 3)
        levels = torch.tensor([1.0, 0.8, 0.4, 0.0])
        solver = comfy.samplers.sampler_object("uni_pc")
        ours, theirs = (
            comfy.sample.sample_custom(model, noise, 3.0, solver, levels, *texts, latent["samples"], disable_pbar=True)
            for model in (attached, native)
        )
        assert torch.equal(ours, theirs)

    @pytest.mark.parametrize("kept", ["", "0"])
    def test_context_windows(self, kept, run, attach, apply, sample, native, plain):
        try:
            from comfy_extras.nodes_context_windows import ContextWindowsManualNode as Windows
        except ImportError:
            pytest.skip("this ComfyUI has no context windows")
        if not hasattr(native.model, "resize_cond_for_context_window"):
            pytest.skip("this ComfyUI's own VACE model fails within context windows")
        video = torch.rand(25, 32, 48, 3, generator=torch.Generator().manual_seed(1))
        vcu = run("VaceControlVideo", images=video, kind="gray", fit="as it is")[0]
        attached, latent = attach(plain, vcu)
        windows = {"context_length": 4, "context_overlap": 2, "context_schedule": "standard_static",
                   "context_stride": 1, "closed_loop": False, "fuse_method": "pyramid", "dim": 2,
                   "freenoise": False, "cond_retain_index_list": kept}  # fmt: skip
        texts = apply((vcu, 1.0))
        ours, theirs = (sample(Windows.execute(model, **windows)[0], texts, latent) for model in (attached, native))
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, sample(native, texts, latent))


class TestStarter:
    """What one loader gives goes through ComfyUI's KSampler as through our own sampler."""

    @pytest.fixture
    def starter(self, core, pack, run, tmp_path):
        with mock.patch.object(pack.vace_core.starter.model, "WEIGHTS", write_starter(tmp_path, core)):
            return run("VaceLoadStarter").result

    def test_equal_to_our_own_sampler(self, run, sample, starter):
        from comfy_extras.nodes_model_advanced import ModelSamplingSD3

        model, base, adapter = starter
        picture = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(3))
        vcu = run("VaceReferenceToVideo", references=picture, width=48, height=32, length=5, prompt="a red circle",
                  negative_prompt="a blue square")[0]  # fmt: skip
        ours = run("VaceSampleVideo", model=model, vcu=vcu, seed=7, steps=4, cfg=4.0, shift=3.0, sampler="euler")[0]
        attached, latent, skip = run("VaceAttachAdapter", model=base, adapter=adapter, vcu=vcu, vae=model).result
        texts = run("VaceEncodePrompt", clip=model, vcu=vcu).result
        theirs = {"samples": sample(ModelSamplingSD3().patch(attached, 3.0)[0], texts, latent, steps=4)}
        assert skip == 1
        assert relative(theirs["samples"][:, :, skip:], ours["samples"]) < CLOSE
        images = [run("VaceDecodeVideo", samples=some, vcu=vcu, vae=model)[0] for some in (ours, theirs)]
        assert relative(*images) < CLOSE

    def test_prompts_of_a_clip(self, run, unit, texts):
        vcu = dataclasses.replace(unit(), prompt="a dog on a sledge")
        for ours, theirs in zip(run("VaceEncodePrompt", clip=Clip(), vcu=vcu).result, texts, strict=True):
            assert torch.equal(ours[0][0], theirs[0][0])


class TestWhenItActs:
    def test_a_part_of_the_schedule(self, unit, attach, sample, plain, texts):
        from comfy_extras.nodes_model_advanced import ModelSamplingSD3

        seen = []

        def spy(executor, x, t, *args, **kwargs):
            seen.append((round(float(t[0]), 3), bool(args[-1].get("vace_passes"))))
            return executor(x, t, *args, **kwargs)

        attached, latent = attach(plain, unit(), start_percent=0.25, end_percent=0.75)
        # Set behind the adapter, and counts all the same.
        shifted = ModelSamplingSD3().patch(attached, 3.0)[0]
        shifted.add_wrapper_with_key("apply_model", "zz", spy)
        sample(shifted, texts, latent, steps=4)
        assert seen == [(1.0, False), (0.9, True), (0.75, True), (0.5, False)]

    def test_no_strength_is_the_base_alone(self, unit, attach, sample, plain, texts):
        attached, latent = attach(plain, unit(), strength=0.0)
        assert torch.equal(sample(attached, texts, latent), sample(plain, texts, latent))

    def test_a_block_that_another_node_replaced_is_still_replaced(self, unit, attach, sample, plain, texts):
        calls = []

        def other(args, extra):
            calls.append(1)
            return extra["original_block"](args)

        replaced = plain.clone()
        replaced.set_model_patch_replace(other, "dit", "double_block", 2)
        attached, latent = attach(replaced, unit())
        ours = sample(attached, texts, latent)
        assert len(calls) == 3
        assert torch.equal(ours, sample(attach(plain, unit())[0], texts, latent))

    def test_a_first_block_that_was_taken_away_is_said(self, unit, attach, sample, plain, texts):
        attached, latent = attach(plain, unit())
        attached = attached.clone()
        attached.set_model_patch_replace(lambda args, extra: extra["original_block"](args), "dit", "double_block", 0)
        assert refusal(sample, attached, texts, latent) == (
            "Another node replaced the first block of the model after the VACE adapter was attached. The adapter needs "
            "that block. Put VACE Attach Adapter behind that node."
        )


class TestNothingStays:
    def test_the_other_branch_is_as_if_never_attached(self, unit, attach, sample, plain, texts):
        latent = {"samples": torch.zeros(1, 16, 2, 4, 6)}
        before, options = sample(plain, texts, latent), options_of(plain)
        attached, _ = attach(plain, unit())
        other = plain.clone()
        sample(attached, texts, latent)
        for model in (plain, other):
            assert torch.equal(sample(model, texts, latent), before)
        assert options_of(plain) == options

    def test_two_branches_with_units_of_their_own(self, unit, attach, sample, plain, texts):
        one, latent = attach(plain, unit(1))
        alone = sample(one, texts, latent)
        two, _ = attach(plain, unit(2))
        assert not torch.equal(sample(two, texts, latent), alone)
        assert torch.equal(sample(one, texts, latent), alone)

    def test_clones_share_the_adapter(self, unit, attach, plain):
        attached, _ = attach(plain, unit())
        again, _ = attach(attached.clone(), unit(1))
        assert [len(some) for some in again.additional_models.values()] == [1, 0]
        first, second = (next(iter(model.additional_models.values()))[0].model for model in (attached, again))
        assert first is second

    def test_attaching_changes_no_input(self, unit, attach, plain):
        one, _ = attach(plain, unit())
        options = options_of(one)
        attach(one, unit(1))
        assert options_of(one) == options

    def test_an_interrupted_job_leaves_nothing(self, unit, attach, sample, plain, texts):
        import comfy.model_management
        import comfy.sample

        attached, latent = attach(plain, unit())
        options, whole = options_of(attached), sample(attached, texts, latent)

        def stop(step, *_):
            if step == 1:
                raise comfy.model_management.InterruptProcessingException

        noise = comfy.sample.prepare_noise(latent["samples"], 7)
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            comfy.sample.sample(
                attached, noise, 3, 4.0, "euler", "simple", *texts, latent["samples"], callback=stop, seed=7
            )
        assert options_of(attached) == options
        assert torch.equal(sample(attached, texts, latent), whole)
        assert torch.equal(sample(plain, texts, latent), sample(plain.clone(), texts, latent))

    def test_no_growth_over_many_rounds(self, core, pack, vae, run, unit, sample, texts, tmp_path):
        # An adapter file of its own each round, as when users try one after another.
        path = write_starter(tmp_path, core) / "adapter.safetensors"
        base, live = native_parts.plain_model(core), []
        for seed in range(ROUNDS):
            file = pack.nodes.sockets.AdapterFile(path=path)
            attached, latent, _ = run("VaceAttachAdapter", model=base, adapter=file, vcu=unit(seed), vae=vae)
            sample(attached, texts, latent, steps=1)
            del attached, latent, file
            if seed in (2, ROUNDS - 1):
                gc.collect()
                tensors = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
                live.append((len(tensors), sum(one.untyped_storage().nbytes() for one in tensors if not one.is_meta)))
                del tensors
        assert live[0] == live[1]

    def test_its_weights_and_activations_are_counted(self, comfy, unit, attach, sample, plain, texts):
        import comfy.model_management

        attached, latent = attach(plain, unit())
        asked = []

        def spy(executor, model, noise_shape, *args, **kwargs):
            asked.append(tuple(noise_shape))
            return executor(model, noise_shape, *args, **kwargs)

        attached.add_wrapper_with_key("prepare_sampling", "zz", spy)
        sample(attached, texts, latent)
        assert asked == [(1, 16, 2, 5, 6)]
        handle = next(iter(attached.additional_models.values()))[0]
        assert any(loaded.model.is_clone(handle) for loaded in comfy.model_management.current_loaded_models)


class TestWrongPairs:
    def test_wider_adapter(self, core, pack, run, unit, vae, plain, tmp_path):
        wide = adapter_file(core, pack, tmp_path, width=256, layers=(0, 2))
        assert refusal(run, "VaceAttachAdapter", model=plain, adapter=wide, vcu=unit(), vae=vae) == (
            "This adapter is made for a base of width 256 with at least 3 blocks. The base has width 128 and 4 blocks. "
            "Choose the adapter that belongs to this base."
        )

    def test_deeper_adapter(self, core, pack, run, unit, vae, plain, tmp_path):
        deep = adapter_file(core, pack, tmp_path, width=128, layers=(0, 5))
        assert refusal(run, "VaceAttachAdapter", model=plain, adapter=deep, vcu=unit(), vae=vae) == (
            "This adapter is made for a base of width 128 with at least 6 blocks. The base has width 128 and 4 blocks. "
            "Choose the adapter that belongs to this base."
        )

    def test_model_with_vace(self, attach, unit, native):
        assert refusal(attach, native, unit()) == (
            "The model has VACE blocks of its own. A text-to-video model without them is needed to attach an adapter. "
            "Connect the plain base, or use this model as it is with VACE Apply VCU."
        )

    def test_image_to_video_model(self, core, attach, unit):
        assert refusal(attach, native_parts.image_to_video_model(core), unit()) == (
            "The model is a variant of Wan (WanModel with 36 input channels, such as image-to-video or camera "
            "control). A text-to-video model, with 16, is needed by VACE adapters. Choose a Wan 2.1 T2V model, or a "
            "Wan 2.2 T2V 14B one."
        )

    def test_model_of_another_kind(self, attach, unit):
        assert refusal(attach, native_parts.other_model(), unit()) == (
            "The adapter is for Wan 2.1, the model is of another kind (SD15). Both must be of one kind. Connect a Wan "
            "text-to-video base, or choose an adapter that was made for this model."
        )

    def test_adapter_of_ltx(self, core, pack, run, unit, vae, plain, tmp_path):
        file = pack.nodes.sockets.AdapterFile(path=native_parts.write_ltx_adapter(core, tmp_path))
        assert refusal(run, "VaceAttachAdapter", model=plain, adapter=file, vcu=unit(), vae=vae) == (
            "The adapter is for LTX-Video 0.9, the model is Wan 2.1. Both must be of one kind. Connect an LTX-Video "
            "base, or choose an adapter that was made for this model."
        )

    def test_vae_of_another_kind(self, run, unit, adapter, plain):
        other = native_parts.SomeVae(latent_channels=128, latent_dim=3)
        assert refusal(run, "VaceAttachAdapter", model=plain, adapter=adapter, vcu=unit(), vae=other) == (
            "The VAE makes latents of 128 channels in 3 dimensions. That of Wan 2.1 is needed, with 16 in 3. Load "
            "wan_2.1_vae.safetensors with Load VAE."
        )

    def test_latent_of_another_size(self, attach, unit, sample, plain, texts):
        attached, _ = attach(plain, unit())
        assert refusal(sample, attached, texts, {"samples": torch.zeros(1, 16, 3, 4, 6)}) == (
            "The latent is 3 x 4 x 6, that of the unit 2 x 4 x 6 (frames x height x width, references included). Both "
            "need the same. Connect the latent of VACE Attach Adapter to the sampler, and with several adapters attach "
            "units of one size and as many references."
        )


def adapter_file(core, pack, folder, *, width, layers):
    wan = core.models.wan
    sizes = wan.WanSizes(width=width, ffn=192, layers=8)
    state = fill(wan.build_adapter(sizes, layers), 2).state_dict()
    path = folder / "adapter.safetensors"
    official = {wan.official_adapter_key(name): value.contiguous() for name, value in state.items()}
    save_file(official, path, metadata={"vace_layers": json.dumps(layers)})
    return pack.nodes.sockets.AdapterFile(path=path)


def with_lora(model):
    """A LoRA on a layer of every kind of the base's blocks."""
    import comfy.sd

    weights = {}
    for place in ("blocks.0.self_attn.q", "blocks.2.cross_attn.o", "blocks.3.ffn.2"):
        layer = model.model.diffusion_model.get_submodule(place)
        generator = torch.Generator().manual_seed(len(weights))
        for name, shape in (("down", (4, layer.in_features)), ("up", (layer.out_features, 4))):
            weights[f"diffusion_model.{place}.lora_{name}.weight"] = torch.randn(shape, generator=generator) * 0.1
    return comfy.sd.load_lora_for_models(model, None, weights, 0.8, 0.0)[0]


def in_two_parts(comfy, model, texts, latent):
    node = comfy.nodes.KSamplerAdvanced()
    rest = (3.0, "euler", "simple", *texts)
    half = node.sample(model, "enable", 3, 4, *rest, latent, 0, 2, "enable")[0]
    return node.sample(model, "disable", 3, 4, *rest, half, 2, 4, "disable")[0]["samples"]


def quantised(core, *, vace):
    """The base with its matrices in GGUF's blocks of 8 bits, unpacked whenever they are used; the adapter as it is."""
    import comfy.ops
    import comfy.sd

    quants = pytest.importorskip("gguf").quants
    kind = pytest.importorskip("gguf").GGMLQuantizationType.Q8_0

    class Operations(comfy.ops.manual_cast):
        class Linear(comfy.ops.manual_cast.Linear):
            def _load_from_state_dict(self, state, prefix, *rest):
                self.blocks = None
                if not prefix.startswith("vace_"):
                    self.blocks = quants.quantize(state[f"{prefix}weight"].numpy(), kind)
                super()._load_from_state_dict(state, prefix, *rest)

            def forward_comfy_cast_weights(self, x):
                if self.blocks is None:
                    return super().forward_comfy_cast_weights(x)
                weight = torch.from_numpy(quants.dequantize(self.blocks, kind)).to(x)
                return torch.nn.functional.linear(x, weight, self.bias.to(x))

    weights = {name: value for name, value in full_weights(core).items() if vace or not name.startswith("vace_")}
    return comfy.sd.load_diffusion_model_state_dict(weights, model_options={"custom_operations": Operations})
