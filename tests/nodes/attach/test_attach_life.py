"""When an attached adapter acts, that its memory is counted, and that nothing of it stays."""

from __future__ import annotations

import gc
from itertools import pairwise

import native_parts
import pytest
import torch
from tiny_files import write_starter

ROUNDS = 20


def options_of(model):
    """All that a MODEL carries for its calls, by identity where it is no dictionary or list."""

    def seen(value):
        if isinstance(value, dict):
            return {str(key): seen(one) for key, one in value.items()}
        return [seen(one) for one in value] if isinstance(value, list) else id(value)

    return [seen(part) for part in (model.model_options, model.wrappers, model.callbacks, model.object_patches)]


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

    def test_a_first_block_that_is_replaced_behind_it_is_still_replaced(self, unit, attach, sample, plain, texts):
        attached, latent = attach(plain, unit())
        wanted = sample(attached, texts, latent)
        attached = attached.clone()
        attached.set_model_patch_replace(lambda args, extra: extra["original_block"](args), "dit", "double_block", 0)
        assert torch.equal(sample(attached, texts, latent), wanted)

    @pytest.mark.parametrize("layer", ["0", "1", "2", "3"])
    @pytest.mark.parametrize("where", ["front", "behind"])
    def test_layers_that_guidance_skips_are_skipped_as_in_comfyuis_own_model(self, unit, attach, apply, sample, native,
                                                                             plain, layer, where):  # fmt: skip
        from comfy_extras.nodes_slg import SkipLayerGuidanceDiT

        def skipping(model):
            values = {"double_layers": layer, "single_layers": "", "start_percent": 0.0, "end_percent": 1.0}
            return native_parts.node_result(SkipLayerGuidanceDiT, model=model, scale=3.0, rescaling_scale=0.0, **values)

        attached, latent = attach(skipping(plain) if where == "front" else plain, unit())
        texts = apply((unit(), 1.0))
        ours = sample(attached if where == "front" else skipping(attached), texts, latent)
        assert torch.equal(ours, sample(skipping(native), texts, latent))
        assert not torch.equal(ours, sample(native, texts, latent))


class TestNothingStays:
    def test_the_other_branch_is_as_if_never_attached(self, unit, attach, sample, plain, texts):
        latent = {"samples": torch.zeros(1, 16, 2, 4, 6)}
        before, options = sample(plain, texts, latent), options_of(plain)
        attached, _ = attach(plain, unit())
        other = plain.clone()
        assert not torch.equal(sample(attached, texts, latent), before)
        for model in (plain, other):
            assert torch.equal(sample(model, texts, latent), before)
        assert options_of(plain) == options

    def test_two_branches_with_units_of_their_own(self, unit, attach, sample, plain, texts):
        one, latent = attach(plain, unit(1))
        alone = sample(one, texts, latent)
        two, _ = attach(plain, unit(2))
        assert not torch.equal(sample(two, texts, latent), alone)
        assert torch.equal(sample(one, texts, latent), alone)

    def test_what_another_branch_computes_in_is_its_own(self, unit, attach, sample, plain, texts):
        other = plain.clone()
        other.set_model_compute_dtype(torch.bfloat16)
        attached, latent = attach(other, unit())
        sample(attached, texts, latent)
        for model, dtype in ((plain, torch.float32), (other, torch.bfloat16)):
            (adapter,) = attach(model, unit())[0].additional_models["vace 1"]
            assert next(adapter.model.context_blocks.parameters()).dtype == dtype

    def test_clones_share_the_adapter(self, unit, attach, plain):
        attached, _ = attach(plain, unit())
        again, _ = attach(attached.clone(), unit(1))
        assert [len(some) for some in again.additional_models.values()] == [1, 0]
        first, second = (next(iter(model.additional_models.values()))[0].model for model in (attached, again))
        assert first is second

    def test_a_warning_of_an_earlier_run_is_written_over(self, run, unit, adapter, plain, vae):
        ui = run("VaceAttachAdapter", model=plain, adapter=adapter, vcu=unit(), vae=vae).ui
        assert ui["text"] == ("adapter.safetensors: 2 context blocks for Wan 2.1.",)

    def test_attaching_changes_no_input(self, unit, attach, plain):
        one, _ = attach(plain, unit())
        options = options_of(one)
        attach(one, unit(1))
        assert options_of(one) == options

    @pytest.mark.parametrize("how", ["interrupted", "failed"])
    def test_a_job_that_is_not_finished_leaves_nothing(self, unit, attach, sample, plain, texts, how):
        import comfy.model_management
        import comfy.sample

        latent = {"samples": torch.zeros(1, 16, 2, 4, 6)}
        alone, network = sample(plain, texts, latent), plain.model.diffusion_model
        calls, failing = [], [False]

        def other(args, extra):
            calls.append(1)
            if failing[0] and how == "failed" and len(calls) == 2:  # within the second step, past the first hint
                raise RuntimeError("out of memory, or so")
            return extra["original_block"](args)

        between = plain.clone()
        between.set_model_patch_replace(other, "dit", "double_block", 1)
        attached, latent = attach(between, unit())
        options, whole = options_of(attached), sample(attached, texts, latent)
        named, calls[:], failing[0] = dict(network.named_modules()), [], True

        def stop(step, *_):
            if how == "interrupted" and step == 1:
                raise comfy.model_management.InterruptProcessingException

        error = comfy.model_management.InterruptProcessingException if how == "interrupted" else RuntimeError
        noise = comfy.sample.prepare_noise(latent["samples"], 7)
        with pytest.raises(error):
            comfy.sample.sample(
                attached, noise, 3, 4.0, "euler", "simple", *texts, latent["samples"], callback=stop, seed=7
            )
        assert len(calls) == 2
        failing[0] = False
        assert options_of(attached) == options
        assert dict(network.named_modules()) == named
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
        assert torch.equal(sample(plain, texts, latent), alone)
        assert torch.equal(sample(attached, texts, latent), whole)

    def test_no_growth_over_many_rounds(self, core, pack, vae, run, unit, sample, texts, tmp_path):
        import comfy.model_management

        # An adapter file of its own each round, as when users try one after another.
        path = write_starter(tmp_path, core) / "adapter.safetensors"
        base, live = native_parts.plain_model(core), []
        for seed in range(ROUNDS):
            file = pack.nodes.comfy.sockets.AdapterFile(path=path)
            attached, latent, _ = run("VaceAttachAdapter", model=base, adapter=file, vcu=unit(seed), vae=vae)
            sample(attached, texts, latent, steps=1)
            del attached, latent, file
            if seed in (2, ROUNDS // 2, ROUNDS - 1):
                pack.nodes.comfy.kept_latents.forget(vae.first_stage_model)  # kept on purpose, up to a limit
                gc.collect()
                tensors = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
                held = sum(one.untyped_storage().nbytes() for one in tensors if not one.is_meta)
                live.append((len(tensors), held, len(comfy.model_management.current_loaded_models)))
                del tensors
        # Less is no fault: what other tests left in ComfyUI's and torch's caches is given up on the way.
        for earlier, later in pairwise(live):
            assert all(now <= before for before, now in zip(earlier, later, strict=True)), live


class TestMemory:
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
        (loaded,) = [one for one in comfy.model_management.current_loaded_models if one.model.is_clone(handle)]
        assert loaded.model_memory() == sum(
            weight.numel() * weight.element_size() for weight in handle.model.state_dict().values()
        )

    def test_two_units_of_one_adapter_are_loaded_once(self, comfy, unit, attach, sample, plain, texts):
        import comfy.model_management

        comfy.model_management.unload_all_models()
        attached, latent = attach(plain, unit())
        attached, _ = attach(attached, unit(1))
        sample(attached, texts, latent)
        names = [type(one.model.model).__name__ for one in comfy.model_management.current_loaded_models]
        assert sorted(name for name in names if name != "WanVAE") == ["ContextAdapter", "WAN21"]

    def test_it_goes_where_there_is_no_room(self, comfy, unit, attach, sample, plain, texts):
        import comfy.model_management

        attached, latent = attach(plain, unit())
        before = sample(attached, texts, latent)
        freed = comfy.model_management.free_memory(1e30, plain.load_device)
        assert comfy.model_management.current_loaded_models == []
        assert freed is None or freed
        assert torch.equal(sample(attached, texts, latent), before)
