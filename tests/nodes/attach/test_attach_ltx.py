"""An adapter of LTX-Video on ComfyUI's own LTXV computes what our own model computes, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest
import tiny_ltx_files as tiny
import torch
from filling import relative
from refusal import refusal
from safetensors.torch import save_file
from tiny_files import write_starter

CLOSE = 1e-4


@pytest.fixture(scope="module")
def base(core):
    """MODEL: ComfyUI's own LTXV of the weights of `tiny_ltx_files`."""
    import comfy.sd

    with torch.inference_mode():
        model = comfy.sd.load_diffusion_model_state_dict(dict(tiny.weights(core)["base"]))
    assert type(model.model).__name__ == "LTXV"
    return model


@pytest.fixture(scope="module")
def ours(core, pack):
    """VACE_MODEL of the same weights."""
    family = core.models.ltx.family.LTX
    return pack.nodes.comfy.sockets.LibraryModel(core=tiny.library_model(core), family=family, usual=family.options)


@pytest.fixture(scope="module")
def adapter(core, pack, tmp_path_factory):
    path = tmp_path_factory.mktemp("ltx") / "adapter.safetensors"
    save_file({name: value.contiguous() for name, value in tiny.weights(core)["adapter"].items()}, path)
    return pack.nodes.comfy.sockets.AdapterFile(path=path)


def unit(run, seed=0, references=0, fps=25.0):
    """Nine frames, the right half of which is made."""
    generator = torch.Generator().manual_seed(seed)
    video, pictures = torch.rand(9, 64, 96, 3, generator=generator), torch.rand(2, 32, 32, 3, generator=generator)
    mask = torch.zeros(1, 64, 96)
    mask[:, :, 48:] = 1
    given = {"images": video, "mask": mask, "fit": "LTX-Video", "fps": fps, "prompt": "a dog"}
    if references:
        return run("VaceSwapAnything", references=pictures[:references], **given)[0]
    return run("VaceInpaintVideo", **given)[0]


def attached(run, base, adapter, ours, vcu, **values):
    """MODEL and latent."""
    return run("VaceAttachAdapter", model=base, adapter=adapter, vcu=vcu, vae=ours, **values).result[:2]


def texts(vcu):
    """The prompts as ComfyUI's CLIP and LTXVConditioning give them: padded, with a mask, and the rate of the clip."""
    found = []
    for words in (vcu.prompt, vcu.negative_prompt):
        rows, more = tiny.PaddedClip().encode_from_tokens_scheduled(words)[0]
        found.append([[rows, {**more, "frame_rate": vcu.fps}]])
    return found


def native_sample(model, vcu, latent, options, sigmas, prompts=None):
    """What SamplerCustom makes with Euler on these noise levels."""
    import comfy.sample
    import comfy.samplers

    samples = latent["samples"]
    noise = torch.randn(samples.shape, generator=torch.Generator().manual_seed(options.seed))
    positive, negative = prompts or texts(vcu)
    sampler = comfy.samplers.sampler_object("euler")
    made = comfy.sample.sample_custom(
        model, noise, options.guidance_scale, sampler, torch.tensor(sigmas), positive, negative, samples,
        disable_pbar=True, seed=options.seed,
    )  # fmt: skip
    return made[:, :, vcu.num_references :]


@pytest.fixture
def both(core, run, base, ours, adapter):
    """A whole job through ComfyUI's sampler with the adapter attached, and through ours."""

    def job(vcu, **changes):
        options = replace(ours.usual, stg_scale=0.0, steps=4, seed=5, negative_prompt="", **changes)
        tokens = ours.family.grid.tokens(vcu.num_frames, vcu.height, vcu.width, vcu.num_references)
        sigmas = options.schedule(tokens).sigmas()
        model, latent = attached(run, base, adapter, ours, vcu, strength=options.strength)
        theirs = native_sample(model, vcu, latent, options, sigmas)
        return theirs, core.pipeline.sample(ours.core, vcu, options)

    return job


@pytest.mark.parametrize("references", [0, 2])
def test_a_job_is_that_of_our_own_model(run, both, references):
    theirs, wanted = both(unit(run, references=references))
    assert theirs.shape == (1, 128, 2, 2, 3)
    assert relative(theirs, wanted) < CLOSE


def test_strength_rate_and_guidance_are_the_same(run, both):
    theirs, wanted = both(unit(run, fps=12.5), strength=0.6, guidance_scale=1.0)
    assert relative(theirs, wanted) < CLOSE
    other, _ = both(unit(run, fps=25.0), strength=0.6, guidance_scale=1.0)
    assert relative(other, wanted) > 1e-3


def test_the_adapter_acts_and_is_gone_when_the_plain_model_is_used(run, base, ours, adapter):
    vcu = unit(run)
    options = replace(ours.usual, steps=2)
    sigmas = [1.0, 0.6, 0.0]
    latent = {"samples": torch.zeros(1, 128, 2, 2, 3)}
    before = native_sample(base, vcu, latent, options, sigmas)
    model, empty = attached(run, base, adapter, ours, vcu)
    assert relative(native_sample(model, vcu, empty, options, sigmas), before) > 1e-2
    assert torch.equal(native_sample(base, vcu, latent, options, sigmas), before)


def test_two_adapters_add_up_as_in_our_own_model(core, run, base, ours, adapter):
    first, second = unit(run), unit(run, seed=9)
    model, latent = attached(run, base, adapter, ours, first)
    model, _ = attached(run, model, adapter, ours, second, strength=0.5)
    options = replace(ours.usual, stg_scale=0.0, steps=2, guidance_scale=1.0)
    theirs = native_sample(model, first, latent, options, [1.0, 0.6, 0.0])

    expert, family = ours.core.expert, ours.family
    attachments = [
        core.adapter.Attachment(
            adapter=expert.adapter,
            context=expert.adapter.embed(core.context.encode_context(vcu, ours.core.vae, family.encode_masks)),
            strength=strength,
        )
        for vcu, strength in ((first, 1.0), (second, 0.5))
    ]
    prompt = expert.base.prepare_text(tiny.LetterText().encode("a dog"), fps=25.0)
    denoise = core.sampling.guidance.guide(expert.base, prompt, None, guidance_scale=1.0, attachments=attachments)
    noise = torch.randn(latent["samples"].shape, generator=torch.Generator().manual_seed(options.seed))
    assert relative(theirs, core.sampling.solvers.euler(denoise, noise, [1.0, 0.6, 0.0])) < CLOSE


def test_a_part_of_the_schedule(run, base, ours, adapter):
    vcu = unit(run)
    options = replace(ours.usual, steps=2)
    whole, latent = attached(run, base, adapter, ours, vcu)
    never, _ = attached(run, base, adapter, ours, vcu, start_percent=0.999)
    results = [native_sample(model, vcu, latent, options, [1.0, 0.6, 0.0]) for model in (base, whole, never)]
    assert torch.equal(results[0], results[2])
    assert not torch.equal(results[0], results[1])


def test_each_context_window_gets_the_hints_of_its_own_frames(run, pack, base, ours, adapter):
    """Two windows that share no frame are two clips, each with its half of the context."""
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode as Windows

    vcu = run("VaceControlVideo", images=torch.rand(25, 64, 96, 3, generator=torch.Generator().manual_seed(4)),
              kind="gray", fit="LTX-Video", fps=25.0)[0]  # fmt: skip
    whole, latent = attached(run, base, adapter, ours, vcu)
    windows = {"context_length": 2, "context_overlap": 0, "context_schedule": "standard_static", "context_stride": 1,
               "closed_loop": False, "fuse_method": "flat", "dim": 2}  # fmt: skip
    known = {one.id for one in Windows.define_schema().inputs}
    more = {"freenoise": False, "cond_retain_index_list": "", "causal_window_fix": False}
    windows |= {name: value for name, value in more.items() if name in known}
    windowed = Windows.execute(whole, **windows)[0]
    windowed.model_options["context_handler"].causal_window_fix = False
    options = replace(ours.usual, guidance_scale=1.0)
    made = native_sample(windowed, vcu, latent, options, [1.0, 0.0])

    context = pack.vace_core.context.encode_context(vcu, ours.core.vae, ours.family.encode_masks)
    plug, (handle,) = pack.nodes.comfy.plug_ltx.LTX_PLUG, whole.additional_models["vace 1"]
    noise = torch.randn(latent["samples"].shape, generator=torch.Generator().manual_seed(options.seed))
    for half in (slice(0, 2), slice(2, 4)):
        always = pack.nodes.comfy.hooks.Acting(options=pack.vace_core.sampling.options.AdapterOptions())
        part = pack.nodes.comfy.hooks.attach(base, handle, context[:, :, half], always, plug.room)
        with mock.patch.object(torch, "randn", return_value=noise[:, :, half]):
            alone = native_sample(part, vcu, {"samples": latent["samples"][:, :, half]}, options, [1.0, 0.0])
        assert torch.equal(made[:, :, half], alone)


def test_prompts_of_comfyuis_own_t5(core, run, pack, base, ours, adapter, tmp_path):
    """Padded, behind a mask, and with the rate of the clip; our model reads the same without padding."""
    clip = tiny.t5_clip(pack, tmp_path)
    vcu = replace(unit(run, fps=12.5), prompt="a red dog", negative_prompt="a dog")
    options = replace(ours.usual, stg_scale=0.0, steps=3, seed=5)
    tokens = ours.family.grid.tokens(vcu.num_frames, vcu.height, vcu.width, 0)
    model, latent = attached(run, base, adapter, ours, vcu)
    prompts = run("VaceEncodePrompt", clip=clip, vcu=vcu).result
    theirs = native_sample(model, vcu, latent, options, options.schedule(tokens).sigmas(), prompts)
    text = pack.nodes.comfy.kept_texts.ClipText(clip, cased=ours.family.text.cased)
    wanted = core.pipeline.sample(replace(ours.core, text=text), vcu, options)
    assert relative(theirs, wanted) < CLOSE
    own = run("VaceEncodePrompt", clip=replace(ours, core=replace(ours.core, text=text)), vcu=vcu).result
    again = native_sample(model, vcu, latent, options, options.schedule(tokens).sigmas(), own)
    assert relative(again, wanted) < CLOSE


def test_wrong_pairings_are_refused(core, run, base, ours, adapter, pack, tmp_path):
    import native_parts

    wan = pack.nodes.comfy.sockets.AdapterFile(path=write_starter(tmp_path, core) / "adapter.safetensors")
    vcu = unit(run)
    assert refusal(run, "VaceAttachAdapter", model=base, adapter=wan, vcu=vcu, vae=ours) == (
        "adapter-for-another-model: adapter=Wan 2.1, model=LTX-Video 0.9, needed=a Wan text-to-video base"
    )
    plain = native_parts.plain_model(core)
    assert refusal(run, "VaceAttachAdapter", model=plain, adapter=adapter, vcu=vcu, vae=ours) == (
        "adapter-for-another-model: adapter=LTX-Video 0.9, model=Wan 2.1, needed=an LTX-Video base"
    )


def test_a_later_version_is_refused(run, base, ours, adapter):
    network = base.model.diffusion_model
    network.causal_temporal_positioning = True
    try:
        said = refusal(run, "VaceAttachAdapter", model=base, adapter=adapter, vcu=unit(run), vae=ours)
    finally:
        network.causal_temporal_positioning = False
    assert said == "ltx-version"
