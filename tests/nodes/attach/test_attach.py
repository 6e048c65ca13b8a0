"""An adapter on ComfyUI's own MODEL is to the bit what ComfyUI's own VACE model computes, under all of its samplers."""

from __future__ import annotations

import dataclasses
from unittest import mock

import native_parts
import pytest
import torch
from filling import relative
from graphs import chain, execute
from native_parts import Clip, node_result
from tiny_files import write_starter

CLOSE = 1e-4  # both compute in float32: what differs is the order of sums


def batches(model):
    """The MODEL, and a list that is filled with how many clips each call of it had."""
    seen = []

    def spy(executor, x, *args, **kwargs):
        seen.append(len(x))
        return executor(x, *args, **kwargs)

    watched = model.clone()
    watched.add_wrapper_with_key("apply_model", "zz", spy)
    return watched, seen


class TestUnits:
    @pytest.mark.parametrize("clips", [1, 2])
    @pytest.mark.parametrize("strengths", [(1.0,), (0.7,), (0.7, 1.3)])
    def test_one_and_two(self, unit, attach, apply, sample, native, plain, strengths, clips):
        units = [(unit(seed), strength) for seed, strength in enumerate(strengths)]
        attached = plain
        for vcu, strength in units:
            attached, latent = attach(attached, vcu, strength=strength)
        attached, seen = batches(attached)
        texts = apply(*units)
        ours, theirs = (sample(model, texts, latent, clips=clips) for model in (attached, native))
        assert float((ours - theirs).abs().max()) == 0.0
        assert not torch.equal(ours, sample(plain, texts, latent, clips=clips))
        assert seen == [2 * clips] * 3  # prompt and negative prompt in one call

    def test_with_a_reference(self, run, attach, apply, sample, native, plain):
        picture = torch.rand(2, 32, 48, 3, generator=torch.Generator().manual_seed(3))
        vcu = run("VaceReferenceToVideo", references=picture, width=48, height=32, length=5)[0]
        attached, latent = attach(plain, vcu)
        assert latent["samples"].shape == (1, 16, 4, 4, 6)
        ours, theirs = (sample(model, apply((vcu, 1.0)), latent) for model in (attached, native))
        assert torch.equal(ours, theirs)

    def test_guidance_in_two_calls(self, unit, attach, apply, sample, native, plain):
        # Prompts of lengths that have no common multiple within reach are not computed in one batch.
        positive, negative = apply((unit(), 1.0))
        texts = [positive, [[negative[0][0][:, :257], negative[0][1]]]]
        attached, latent = attach(plain, unit())
        attached, seen = batches(attached)
        ours, theirs = (sample(model, texts, latent) for model in (attached, native))
        assert torch.equal(ours, theirs)
        assert seen == [1] * 6

    @pytest.mark.parametrize(("start", "end"), [(0.0, 0.6), (0.1, 0.6), (0.1, 1.0), (0.6, 0.65)])
    def test_a_part_of_the_schedule(self, comfy, unit, attach, apply, sample, native, plain, texts, start, end):
        vcu = unit()
        attached, latent = attach(plain, vcu, start_percent=start, end_percent=end)
        within, without = apply((vcu, 1.0)), apply((vcu, 0.0))
        ranges = comfy.nodes.ConditioningSetTimestepRange()
        parts = [(without, 0.0, start), (within, start, end), (without, end, 1.0)]
        wanted = [
            [one for both, a, b in parts if a < b for one in ranges.set_range(both[side], a, b)[0]] for side in range(2)
        ]
        ours, theirs = sample(attached, texts, latent, steps=4), sample(native, wanted, latent, steps=4)
        assert torch.equal(ours, theirs)
        assert torch.equal(ours, sample(plain, texts, latent, steps=4)) == (start == 0.6)


class TestSamplers:
    @pytest.mark.parametrize("sampler", ["euler_ancestral", "uni_pc", "dpmpp_2m"])
    def test_ksampler(self, unit, attach, apply, sample, native, plain, sampler):
        attached, latent = attach(plain, unit())
        texts = apply((unit(), 1.0))
        ours, theirs = (sample(model, texts, latent, sampler=sampler) for model in (attached, native))
        assert torch.equal(ours, theirs)

    def test_ksampler_advanced(self, comfy, unit, attach, apply, native, plain):
        attached, latent = attach(plain, unit())
        texts = apply((unit(), 1.0))
        ours, theirs = (in_two_parts(comfy, (model, model), texts, latent) for model in (attached, native))
        assert torch.equal(ours, theirs)

    def test_a_pair_of_models_takes_an_adapter_each(self, comfy, core, pack, unit, attach, apply, native, plain,
                                                    tmp_path):  # fmt: skip
        file = pack.nodes.comfy.sockets.AdapterFile(path=write_starter(tmp_path, core, seed=11) / "adapter.safetensors")
        high, latent = attach(plain, unit())
        low, _ = attach(native_parts.plain_model(core, seed=11), unit(), adapter=file, strength=0.8)
        other = native_parts.vace_model(core, seed=11)
        texts = apply((unit(), 1.0)), apply((unit(), 0.8))
        ours = in_two_parts(comfy, (high, low), texts[0], latent)
        theirs = in_two_parts(comfy, (native, other), texts[0], latent, texts[1])
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, in_two_parts(comfy, (high, high), texts[0], latent))

    def test_sampler_custom(self, unit, attach, apply, native, plain):
        import comfy.samplers
        from comfy_extras.nodes_custom_sampler import SamplerCustom

        attached, latent = attach(plain, unit())
        positive, negative = apply((unit(), 1.0))
        given = {
            "add_noise": True, "noise_seed": 3, "cfg": 3.0, "positive": positive, "negative": negative,
            "sampler": comfy.samplers.sampler_object("uni_pc"), "sigmas": torch.tensor([1.0, 0.8, 0.4, 0.0]),
            "latent_image": latent,
        }  # fmt: skip
        ours, theirs = (node_result(SamplerCustom, model=model, **given)["samples"] for model in (attached, native))
        assert torch.equal(ours, theirs)


class TestContextWindows:
    """Each window of a long clip gets the hints of its own frames."""

    @pytest.mark.parametrize("kept", ["", "0"])
    def test_as_in_comfyuis_own_model(self, kept, run, attach, apply, sample, native, plain):
        windows = windows_of(run, attach, apply, sample, plain)
        ours = windows(kept)
        if hasattr(native.model, "resize_cond_for_context_window"):
            theirs = windows(kept, native)
        elif kept:
            pytest.skip("this ComfyUI shows no frames in every window")
        else:  # its own VACE model does not cut the context by itself
            theirs = windows(kept, cut_by_hand(native))
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, windows(None))

    def test_with_a_reference_in_front(self, run, attach, apply, sample, native, plain):
        reference = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(2))
        windows = windows_of(run, attach, apply, sample, plain, references=reference)
        cut = native if hasattr(native.model, "resize_cond_for_context_window") else cut_by_hand(native)
        assert torch.equal(windows(""), windows("", cut))

    @pytest.mark.parametrize(
        "changed",
        [
            {"context_schedule": "standard_uniform", "fuse_method": "overlap-linear"},
            {"context_schedule": "looped_uniform", "closed_loop": True, "context_stride": 2},
            {"context_schedule": "batched", "context_overlap": 0, "fuse_method": "relative"},
        ],
        ids=lambda changed: changed["context_schedule"],
    )
    def test_whatever_the_schedule(self, changed, run, attach, apply, sample, native, plain):
        windows = windows_of(run, attach, apply, sample, plain)
        cut = native if hasattr(native.model, "resize_cond_for_context_window") else cut_by_hand(native)
        ours = windows("", **changed)
        assert torch.equal(ours, windows("", cut, **changed))
        assert not torch.equal(ours, windows(""))

    def test_by_the_numbers_of_a_plan(self, run, attach, apply, sample, native, plain):
        """What VACE Plan Windows says goes into ComfyUI's node for Wan, in frames."""
        from comfy_extras.nodes_context_windows import WanContextWindowsManualNode as Windows

        vcu = run("VaceControlVideo", images=torch.rand(25, 32, 48, 3), kind="gray", fit="as it is")[0]
        attached, latent = attach(plain, vcu)
        *_, length, overlap = run("VacePlanWindows", vcu=vcu, window=13, overlap=5).result
        values = {
            one.id: one.default for one in Windows.define_schema().inputs if getattr(one, "default", None) is not None
        }
        values |= {"context_length": length, "context_overlap": overlap, "context_schedule": "standard_static"}
        cut = native if hasattr(native.model, "resize_cond_for_context_window") else cut_by_hand(native)
        ours, theirs, whole = (
            sample(model if plan is None else Windows.execute(model, **plan)[0], apply((vcu, 1.0)), latent)
            for model, plan in ((attached, values), (cut, values), (attached, None))
        )
        assert (length, overlap) == (13, 5)
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, whole)


def windows_of(run, attach, apply, sample, plain, **given):
    """A long clip sampled in windows: with the adapter attached, or by the VACE model that is given."""
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode as Windows

    video = torch.rand(25, 32, 48, 3, generator=torch.Generator().manual_seed(1))
    vcu = run("VaceBuildVCU", images=video, fit="as it is", **given)[0]
    attached, latent = attach(plain, vcu)

    def call(kept, model=attached, **changed):
        values = {"context_length": 4, "context_overlap": 2, "context_schedule": "standard_static",
                  "context_stride": 1, "closed_loop": False, "fuse_method": "pyramid", "dim": 2}  # fmt: skip
        known = {one.id for one in Windows.define_schema().inputs}
        more = {"freenoise": False, "cond_retain_index_list": kept}
        values |= {name: value for name, value in more.items() if name in known} | changed
        used = model if kept is None else Windows.execute(model, **values)[0]
        return sample(used, apply((vcu, 1.0)), latent)

    return call


def cut_by_hand(native):
    """ComfyUI's own VACE model, its context cut to the frames of each window."""

    def cut(executor, *args, **kwargs):
        window = args[5]["context_window"]
        kwargs["vace_context"] = window.get_tensor(kwargs["vace_context"], dim=3)
        return executor(*args, **kwargs)

    model = native.clone()
    model.add_wrapper_with_key("diffusion_model", "cut", cut)
    return model


class TestStarter:
    """What one loader gives goes through ComfyUI's KSampler as through our own sampler."""

    @pytest.fixture
    def starter(self, core, pack, run, tmp_path):
        with mock.patch.object(pack.vace_core.starter.model, "WEIGHTS", write_starter(tmp_path, core)):
            yield run("VaceLoadStarter").result

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
        vcu = dataclasses.replace(unit(), prompt="a dog on a sledge", negative_prompt="none")
        for ours, theirs in zip(run("VaceEncodePrompt", clip=Clip(), vcu=vcu).result, texts, strict=True):
            assert torch.equal(ours[0][0], theirs[0][0])

    def test_a_graph_runs_is_cancelled_and_runs_again(self, comfy, starter):
        from comfy import model_management as management
        from comfy.utils import set_progress_bar_global_hook as listen

        wanted = execute(comfy, graph(seed=3))
        assert (wanted.success, wanted.error) == (True, "")
        steps = []

        def hook(value, total, preview, **_):
            management.throw_exception_if_processing_interrupted()
            if total == 4:
                steps.append(value)
                management.interrupt_current_processing(True)

        listen(hook)
        try:
            stopped = execute(comfy, graph(seed=3))
        finally:
            listen(None)
            management.interrupt_current_processing(False)
        assert (stopped.success, stopped.interrupted) == (False, True)
        assert len(steps) <= 2
        assert saved(comfy, execute(comfy, graph(seed=3))) == saved(comfy, wanted)


def graph(seed):
    """ComfyUI's own sampler on the starter's base with its adapter attached."""
    size = {"width": 48, "height": 32, "length": 5, "fps": 8.0}
    return chain(
        starter=("VaceLoadStarter", {}),
        task=("VaceTextToVideo", {**size, "prompt": "a red circle", "negative_prompt": ""}),
        attach=(
            "VaceAttachAdapter",
            {"model": ("starter", 1), "adapter": ("starter", 2), "vcu": ("task", 0), "vae": ("starter", 0),
             "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0},
        ),
        words=("VaceEncodePrompt", {"clip": ("starter", 0), "vcu": ("task", 0)}),
        sample=(
            "KSampler",
            {"model": ("attach", 0), "seed": seed, "steps": 4, "cfg": 2.0, "sampler_name": "euler",
             "scheduler": "simple", "positive": ("words", 0), "negative": ("words", 1), "latent_image": ("attach", 1),
             "denoise": 1.0},
        ),
        decode=(
            "VaceDecodeVideo",
            {"samples": ("sample", 0), "vcu": ("task", 0), "vae": ("starter", 0), "feather": 0, "match_colour": False},
        ),
        save=("SaveImage", {"images": ("decode", 0), "filename_prefix": "attached"}),
    )  # fmt: skip


def saved(comfy, ran):
    assert (ran.success, ran.error) == (True, "")
    return [(comfy.folder / "output" / one["filename"]).read_bytes() for one in ran.outputs["save"]["images"]]


def in_two_parts(comfy, models, texts, latent, later=None):
    node = comfy.nodes.KSamplerAdvanced()
    rest = 3.0, "euler", "simple"
    half = node.sample(models[0], "enable", 3, 4, *rest, *texts, latent, 0, 2, "enable")[0]
    done = node.sample(models[1], "disable", 3, 4, *rest, *(later or texts), half, 2, 4, "disable")[0]
    return done["samples"]
