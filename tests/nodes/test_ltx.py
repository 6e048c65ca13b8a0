"""The same tasks, preview, sampler, decode and composite nodes on LTX-Video, from files and beside ComfyUI's own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar
from unittest import mock

import pytest
import tiny_ltx_files as tiny
import torch
from filling import fill, relative
from model_files import text_encoder, write_sparse
from refusal import refusal
from safetensors.torch import save_file
from tiny_files import full_weights

OPTIONS = {"steps": 2, "cfg": 2.0, "seed": 3, "sampler": "euler"}
FIT = {"fit": "LTX-Video"}
GIVEN = {"prompt": "A Dog", "fps": 25.0}


def clip(frames=9, height=32, width=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, height, width, 3), generator=generator).float() / 255


def half_mask(frames=9, height=32, width=64):
    mask = torch.zeros(frames, height, width)
    mask[:, :, width // 2 :] = 1
    return mask


@pytest.fixture(scope="module")
def model(pack):
    """A VACE_MODEL of the pack, with the network that the library's result is made with."""
    core, family = pack.vace_core, pack.vace_core.models.ltx_family.LTX
    library = tiny.library_model(core)
    return pack.nodes.sockets.LibraryModel(core=library, patchers=(), family=family, usual=family.options)


class TestTasks:
    """A task knows only its fit; the grid of the fit holds for everything that it decides."""

    TASKS: ClassVar = (
        ("VaceInpaintVideo", {"images": clip(20, 70, 100), "mask": half_mask(20, 70, 100)}),
        ("VaceOutpaintVideo", {"images": clip(20, 70, 100), "left": 0.3}),
        ("VaceExtendVideo", {"first": clip(20, 70, 100), "length": 25}),
        ("VaceJoinVideos", {"first": clip(20, 70, 100), "last": clip(20, 70, 100, seed=1), "length": 33}),
        ("VacePlaceKeyframes", {"images": clip(1, 70, 100), "positions": "0", "length": 9}),
        ("VaceControlVideo", {"images": clip(20, 70, 100), "kind": "gray"}),
        ("VaceExpandAnything", {"image": clip(1, 70, 100), "left": 0.3, "length": 9}),
        ("VaceSwapAnything", {"images": clip(20, 70, 100), "mask": half_mask(20, 70, 100), "references": clip(1)}),
        ("VaceAnimateAnything", {"pose": clip(20, 70, 100), "references": clip(1)}),
        ("VaceBuildVCU", {"images": clip(20, 70, 100), "mask": half_mask(20, 70, 100)}),
    )

    @pytest.mark.parametrize(("node", "inputs"), TASKS, ids=[node for node, _ in TASKS])
    def test_a_unit_fits(self, run, pack, node, inputs):
        vcu = run(node, **inputs, **FIT, **GIVEN)[0]
        pack.vace_core.models.ltx.GRID.check(vcu.num_frames, vcu.height, vcu.width)

    def test_every_fit_is_looser_than_none(self, pack):
        grids = [family.grid for family in pack.vace_core.models.FAMILIES]
        loosest = pack.nodes.fitted.LOOSEST
        assert all(grid.frames % loosest.frames == 0 == grid.step % loosest.step for grid in grids)

    def test_frames_kept_are_those_that_fit(self, run):
        vcu, before, _ = run("VaceExtendVideo", first=clip(20, 32, 64), length=25, **FIT).result
        kept = [float(frame.mean()) for frame in 1 - vcu.masks[0, 0]]
        assert kept == [1.0] * 9 + [0.0] * 16
        assert len(before) == 11

    def test_a_length_that_does_not_fit_is_named_by_the_task(self, run):
        assert refusal(run, "VaceExtendVideo", first=clip(1, 32, 64), length=13, **FIT) == (
            "The clip has 13 frames. This model needs 8n + 1 frames (1, 9, 17, …). Set the length to 9 or 17."
        )


class TestPreview:
    def test_mask_frames_are_those_that_the_base_reads(self, run, pack):
        vcu = run("VaceTextToVideo", width=64, height=32, length=9)[0]
        seen = []
        with mock.patch.object(pack.nodes.preview, "contact_sheet", wraps=pack.nodes.preview.contact_sheet) as sheet:
            for base in ("Wan 2.1", "LTX-Video 0.9"):
                run("VacePreviewVCU", vcu=vcu, base=base)
                seen.append(sheet.call_args.kwargs["seen_frames"])
        assert seen == [[1, 4, 7], [0, 2, 3, 5, 6, 8]]

    def test_what_does_not_fit_is_said_before_sampling(self, run):
        vcu = run("VaceTextToVideo", width=48, height=32, length=5)[0]
        assert run("VacePreviewVCU", vcu=vcu)[2] == ""
        assert run("VacePreviewVCU", vcu=vcu, base="LTX-Video 0.9")[2] == (
            "Not for LTX-Video 0.9: The clip has 5 frames. This model needs 8n + 1 frames (1, 9, 17, …). Set the "
            "length to 1 or 9."
        )


class TestSampling:
    @pytest.fixture(scope="class")
    def vcu(self, run):
        return run("VaceInpaintVideo", images=clip(), mask=half_mask(), **FIT, **GIVEN)[0]

    def wanted(self, model, vcu, pack, **changes):
        """What the library makes of it."""
        options = {"steps": 2, "guidance_scale": 2.0, "seed": 3, **changes}
        with torch.inference_mode():
            return pack.vace_core.pipeline.sample(model.core, vcu, replace(model.usual, **options))

    def test_it_is_the_library_with_the_familys_options(self, run, pack, model, vcu):
        out = run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)
        assert torch.equal(out[0]["samples"], self.wanted(model, vcu, pack))
        assert out.ui["text"] == ("2 steps of euler, shift 1.795, cfg 2, stg 1.",)

    def test_a_shift_that_is_typed_is_the_one_used(self, run, pack, model, vcu):
        out = run("VaceSampleVideo", model=model, vcu=vcu, shift=5.0, **OPTIONS)
        assert torch.equal(out[0]["samples"], self.wanted(model, vcu, pack, shift=5.0, shift_growth=0.0))
        assert out.ui["text"] == ("2 steps of euler, shift 5, cfg 2, stg 1.",)

    def test_guidance_in_space_and_time_can_be_turned_off(self, run, pack, model, vcu):
        out = run("VaceSampleVideo", model=model, vcu=vcu, stg=0.0, **OPTIONS)
        assert torch.equal(out[0]["samples"], self.wanted(model, vcu, pack, stg_scale=0.0))
        assert out.ui["text"] == ("2 steps of euler, shift 1.795, cfg 2.",)

    def test_references_are_dropped_and_decoding_pastes_back_to_the_bit(self, run, pack, model):
        video, mask = clip(), half_mask()
        vcu = run("VaceSwapAnything", images=video, mask=mask, references=clip(2), **FIT, **GIVEN)[0]
        samples = run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)[0]
        assert samples["samples"].shape == (1, 128, 2, 1, 2)
        images, fps, report = run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=model).result
        assert torch.equal(images[:, :, :32], video[:, :, :32])
        assert not torch.equal(images[:, :, 32:], video[:, :, 32:])
        assert (fps, report) == (
            25.0,
            "9 frames of 64 x 32 at 25 fps. 50.0% was kept; largest difference to the source there: 0 of 255.",
        )
        frames = (model.core.vae.decode(samples["samples"])[0].movedim(0, -1) + 1) / 2
        again = run("VaceCompositeVideo", images=frames, vcu=vcu)[0]
        assert float((again - images).abs().max()) < 1e-5

    def test_a_unit_of_wan_that_fits_runs_unchanged(self, run, model):
        vcu = run("VaceTextToVideo", width=64, height=32, length=9)[0]
        assert run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)[0]["samples"].shape == (1, 128, 2, 1, 2)

    def test_a_unit_that_does_not_fit_is_refused_with_the_fit_that_would(self, run, model):
        vcu = run("VaceInpaintVideo", images=clip(5, 32, 80), mask=half_mask(5, 32, 80), fit="480p")[0]
        assert refusal(run, "VaceSampleVideo", model=model, vcu=vcu, **OPTIONS) == (
            "The clip has 5 frames. This model needs 8n + 1 frames (1, 9, 17, …). Set the length to 1 or 9. Where a "
            'video or picture comes in, the task does it by itself with fit set to "LTX-Video".'
        )

    def test_latents_of_wan_are_refused(self, run, model, vcu):
        assert refusal(
            run, "VaceDecodeVideo", samples={"samples": torch.zeros(1, 16, 2, 1, 2)}, vcu=vcu, vae=model
        ) == (
            "The samples are (1, 16, 2, 1, 2). Video latents of LTX-Video 0.9, (batch, 128, frames, height, width), "
            "are needed here. Connect the LATENT of VACE Sample Video, or of a sampler after VACE Apply VCU, and the "
            "model or VAE that belongs to it."
        )


class TestText:
    def test_padding_behind_a_mask_is_dropped_and_capitals_are_taken_away(self, pack):
        read = pack.nodes.native.ClipText(tiny.PaddedClip(), cased=False).encode("A Dog")
        assert torch.equal(read, tiny.LetterText().encode("a dog"))

    def test_capitals_stay_where_they_count(self, pack):
        read = pack.nodes.native.ClipText(tiny.PaddedClip()).encode("A Dog")
        assert torch.equal(read, tiny.LetterText().encode("A Dog"))


FILES = {"model": "vace_ltx.safetensors", "vae": "in the model's file", "text_encoder": "t5xxl.safetensors"}


class TestFiles:
    @pytest.fixture(scope="class", autouse=True)
    def folder(self, comfy, pack):
        """The published file in the folder of checkpoints, and its parts in files of their own."""
        core, models = pack.vace_core, comfy.folder / "models"
        for kind in ("checkpoints", "diffusion_models", "vae", "text_encoders"):
            (models / kind).mkdir(parents=True, exist_ok=True)
        parts = tiny.weights(core)
        save_file(tiny.checkpoint(core), models / "checkpoints" / FILES["model"])
        for name, where in (("base", "diffusion_models"), ("adapter", "diffusion_models"), ("vae", "vae")):
            state = {key: value.contiguous() for key, value in parts[name].items()}
            save_file(state, models / where / f"ltx_{name}.safetensors")
        wan = {name: value.contiguous() for name, value in full_weights(core).items() if name.startswith("vace_")}
        save_file(wan, models / "diffusion_models" / "wan_adapter.safetensors", metadata={"vace_layers": "[0, 2]"})
        vae = fill(core.models.wan_vae.WanVaeNetwork(width=4, blocks=1), 3).state_dict()
        save_file({name: value.contiguous() for name, value in vae.items()}, models / "vae" / "wan.safetensors")
        for name, tables in (("t5xxl", 1), ("umt5xxl", 2)):
            shapes = text_encoder(2, tables, "encoder.block.{}.layer.0.SelfAttention.q.weight")
            write_sparse(models / "text_encoders" / f"{name}.safetensors", shapes)
        asked: list[str] = []
        host = pack.nodes.host
        real, host.load_clip = host.load_clip, lambda path, kind: asked.append(kind) or tiny.PaddedClip()
        yield asked
        host.load_clip = real

    def test_the_published_file_is_the_library_model(self, run, pack, model, folder):
        out = run("VaceLoadModel", **FILES)
        assert folder[-1] == "LTXV"
        assert out.ui["text"] == (
            "LTX-Video 0.9. Published with 40 steps of euler, cfg 3, a shift that grows with the clip; clips of 8n + 1 "
            "frames, sides of multiples of 32.",
        )
        vcu = run("VaceInpaintVideo", images=clip(), mask=half_mask(), **FIT, **GIVEN)[0]
        small = run("VaceInpaintVideo", images=clip(), mask=half_mask(), **FIT, **{**GIVEN, "prompt": "a dog"})[0]
        loaded = run("VaceSampleVideo", model=out[0], vcu=vcu, **OPTIONS)[0]["samples"]
        wanted = run("VaceSampleVideo", model=model, vcu=small, **OPTIONS)[0]["samples"]
        assert relative(loaded, wanted) < 1e-5

    def test_parts_in_files_of_their_own_are_the_same(self, run, folder):
        adapter = run("VaceLoadAdapter", adapter="ltx_adapter.safetensors")
        assert adapter.ui["text"] == ("An adapter of 2 context blocks for bases of LTX-Video 0.9 of width 64.",)
        vcu = run("VaceTextToVideo", width=64, height=32, length=9, **GIVEN)[0]
        parts = {"model": "ltx_base.safetensors", "vae": "ltx_vae.safetensors", "adapter": adapter[0]}
        whole, put_together = (
            run("VaceSampleVideo", model=run("VaceLoadModel", **files)[0], vcu=vcu, **OPTIONS)[0]["samples"]
            for files in (FILES, {**FILES, **parts})
        )
        assert torch.equal(whole, put_together)

    def test_parts_of_another_kind_are_refused_before_anything_is_read(self, run, comfy):
        assert refusal(run, "VaceLoadModel", **{**FILES, "text_encoder": "umt5xxl.safetensors"}) == (
            "umt5xxl.safetensors holds the umT5 text encoder. LTX-Video 0.9 reads prompts with the T5-XXL text "
            "encoder. Choose a file such as t5xxl_fp16.safetensors."
        )
        assert refusal(run, "VaceLoadModel", **{**FILES, "vae": "wan.safetensors"}) == (
            f"{comfy.folder}/models/vae/wan.safetensors holds the Wan 2.1 VAE, and the model is an LTX-Video base, "
            "which needs the LTX-Video 0.9 VAE. Choose the VAE that belongs to this model."
        )
        adapter = run("VaceLoadAdapter", adapter="wan_adapter.safetensors")[0]
        assert refusal(run, "VaceLoadModel", **FILES, adapter=adapter) == (
            f"The adapter in {comfy.folder}/models/diffusion_models/wan_adapter.safetensors is made for Wan 2.1, and "
            "the model is an LTX-Video base. An adapter for LTX-Video 0.9 is needed. Choose the adapter that belongs "
            "to this model."
        )


# As the published file's metadata have it, of another width and with the padding that the model was trained with.
VAE_CONFIG = {
    "dims": 3, "in_channels": 3, "out_channels": 3, "latent_channels": 128, "norm_layer": "pixel_norm", "patch_size": 4,
    "latent_log_var": "uniform", "use_quant_conv": False, "causal_decoder": False, "spatial_padding_mode": "zeros",
    "encoder_base_channels": 8, "decoder_base_channels": 8,
    "blocks": [
        ["res_x", 4], ["compress_all", 1], ["res_x_y", 1], ["res_x", 3], ["compress_all", 1], ["res_x_y", 1],
        ["res_x", 3], ["compress_all", 1], ["res_x", 3], ["res_x", 4],
    ],
}  # fmt: skip


def narrow(real):
    return lambda **said: real(**{**said, "base_channels": 8})


def native_vae(core):
    """ComfyUI's VAE of the same weights. Older ComfyUIs know one width only: they are told the other."""
    import comfy.ldm.lightricks.vae.causal_video_autoencoder as module
    import comfy.sd

    state = {name: value.contiguous() for name, value in tiny.weights(core)["vae"].items()}
    encoder, decoder = (
        mock.patch.object(module, name, narrow(getattr(module, name))) for name in ("Encoder", "Decoder")
    )
    with encoder, decoder:
        return comfy.sd.VAE(sd=state, metadata={"config": json.dumps({"vae": VAE_CONFIG})})


class TestNativeVae:
    """ComfyUI's own VAE of LTX-Video takes the latents as they are."""

    @pytest.fixture(scope="class")
    def vae(self, comfy, pack):
        with torch.inference_mode():
            return native_vae(pack.vace_core)

    def test_latents_are_those_of_comfyui(self, run, pack, model, vae):
        vcu = run("VaceTextToVideo", width=64, height=32, length=9, **GIVEN)[0]
        samples = run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)[0]
        ours = run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=model)[0]
        with torch.inference_mode():
            theirs = vae.decode(samples["samples"])[0]
        assert float((ours - theirs).abs().max()) < 1e-4
        beside = run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=vae)[0]
        assert float((ours - beside).abs().max()) < 1e-4

    def test_pixels_become_the_same_latents(self, pack, model, vae):
        native = pack.nodes.native.NativeVae(vae, pack.vace_core.models.ltx_family.LTX)
        frames = clip().movedim(-1, 0)[None] * 2 - 1
        with torch.inference_mode():
            assert relative(native.encode(frames), model.core.vae.encode(frames)) < 1e-4

    def test_conditioning_for_native_models_is_refused(self, run, vae):
        vcu = run("VaceTextToVideo", width=64, height=32, length=9)[0]
        text = [[torch.zeros(1, 1, 4096), {}]]
        assert refusal(run, "VaceApplyVCU", positive=text, negative=text, vae=vae, vcu=vcu, strength=1.0) == (
            "The VAE is that of LTX-Video, on which ComfyUI's own models know no VACE. That of Wan 2.1 is needed here. "
            "For LTX-Video use VACE Sample Video, or VACE Attach Adapter on a MODEL."
        )
