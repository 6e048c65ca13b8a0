"""LTX-Video from files: nodes run by ComfyUI's own executor, its text encoder with its mask, its VAE beside ours."""

from __future__ import annotations

import json
from unittest import mock

import numpy as np
import pytest
import tiny_ltx_files as tiny
import torch
from filling import fill, relative
from graphs import chain, execute
from model_files import text_encoder, write_sparse
from PIL import Image
from refusal import refusal
from safetensors.torch import save_file
from tiny_files import full_weights
from tiny_ltx_files import clip, half_mask

OPTIONS = {"steps": 2, "cfg": 2.0, "seed": 3, "sampler": "euler"}
FIT = {"fit": "LTX-Video"}
GIVEN = {"prompt": "A Dog", "fps": 25.0}


@pytest.fixture(scope="module")
def model(pack):
    return tiny.model_of(pack)


class TestComfyuisT5:
    """The text encoder as ComfyUI loads it for LTX-Video, with its own tokenizer, padding and mask."""

    @pytest.fixture(scope="class")
    def clip(self, comfy, pack, tmp_path_factory):
        with torch.inference_mode():
            return tiny.t5_clip(pack, tmp_path_factory.mktemp("t5"))

    @pytest.mark.parametrize("prompt", ["a red dog", "A Dog", ""])
    def test_rows_are_those_of_transformers_without_padding(self, pack, clip, prompt):
        family = pack.vace_core.models.ltx.family.LTX
        tokens = [number for number, _ in clip.tokenize(prompt.lower())["t5xxl"][0]]
        assert len(tokens) == 128
        numbers = tokens[: tokens.index(1) + 1]
        with torch.inference_mode():
            read = pack.nodes.comfy.kept_texts.ClipText(clip, cased=family.text.cased).encode(prompt)
            wanted = tiny.t5()(input_ids=torch.tensor([numbers])).last_hidden_state
        assert read.shape == wanted.shape
        assert relative(read, wanted) < 1e-4

    def test_a_long_prompt_is_cut_as_the_official_code_cuts_it(self, pack, clip):
        words = "a red dog " * 80
        numbers = [number for number, _ in clip.tokenize(words)["t5xxl"][0]]
        assert len(numbers) > 128
        with torch.inference_mode():
            read = pack.nodes.comfy.kept_texts.ClipText(clip).encode(words)
            wanted = tiny.t5()(input_ids=torch.tensor([[*numbers[:127], 1]])).last_hidden_state
        assert read.shape == wanted.shape
        assert relative(read, wanted) < 1e-4

    def test_the_mask_and_the_rate_go_with_the_prompts(self, run, clip):
        words = {"prompt": "a red dog", "negative_prompt": "a dog"}  # of tokens that the tiny encoder has
        vcu = run("VaceTextToVideo", width=64, height=32, length=9, fps=12.5, **words)[0]
        out = run("VaceEncodePrompt", clip=clip, vcu=vcu)
        assert out.ui["text"] == ("Negative prompt: a dog",)
        for both, text in zip(out.result, words.values(), strict=True):
            ((rows, more),) = both
            count = [number for number, _ in clip.tokenize(text)["t5xxl"][0]].index(1) + 1
            assert rows.shape == (1, 128, 4096)
            assert more["attention_mask"].tolist() == [[1] * count + [0] * (128 - count)]
            assert more["frame_rate"] == 12.5


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
        vae = fill(core.models.wan.vae.WanVaeNetwork(width=4, blocks=1), 3).state_dict()
        save_file({name: value.contiguous() for name, value in vae.items()}, models / "vae" / "wan.safetensors")
        for name, tables in (("t5xxl", 1), ("umt5xxl", 2)):
            shapes = text_encoder(2, tables, "encoder.block.{}.layer.0.SelfAttention.q.weight")
            write_sparse(models / "text_encoders" / f"{name}.safetensors", shapes)
        asked: list[str] = []
        host = pack.nodes.comfy.host
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

    def test_a_graph_from_files_to_pictures(self, run, comfy, folder):
        """Loader, task, preview, sampler, decoding and composite, by ComfyUI's own executor."""
        picture = (clip(1)[0] * 255).round().to(torch.uint8)
        (comfy.folder / "input").mkdir(exist_ok=True)
        Image.fromarray(picture.numpy()).save(comfy.folder / "input" / "ltx.png")
        outputs = graph_of(comfy, sampler=own_sampler())
        assert outputs["preview"]["text"]
        made, again = (pictures(comfy, outputs[name]) for name in ("save", "again"))
        assert made.shape == (9, 32, 64, 3)
        assert torch.equal(made[:, :, :32], picture[:, :32].expand(9, -1, -1, -1))
        assert not torch.equal(made[:, :, 32:], picture[:, 32:].expand(9, -1, -1, -1))
        assert torch.equal(again[:, :, :32], made[:, :, :32])

    def test_a_graph_with_the_adapter_on_comfyuis_own_model(self, run, comfy, folder):
        """ComfyUI's loader, its sampler and its schedule."""
        picture = (clip(1)[0] * 255).round().to(torch.uint8)
        (comfy.folder / "input").mkdir(exist_ok=True)
        Image.fromarray(picture.numpy()).save(comfy.folder / "input" / "ltx.png")
        made = pictures(comfy, graph_of(comfy, sampler=comfyuis_sampler())["save"])
        assert made.shape == (9, 32, 64, 3)
        assert torch.equal(made[:, :, :32], picture[:, :32].expand(9, -1, -1, -1))
        assert made[:, :, 32:].float().std() > 5

    def test_parts_of_another_kind_are_refused_before_anything_is_read(self, run, comfy):
        assert refusal(run, "VaceLoadModel", **{**FILES, "text_encoder": "umt5xxl.safetensors"}) == (
            "text-encoder-other: example=t5xxl_fp16.safetensors, found=the umT5 text encoder, "
            "model=LTX-Video 0.9, name=umt5xxl.safetensors, needed=T5-XXL"
        )
        assert refusal(run, "VaceLoadModel", **{**FILES, "vae": "wan.safetensors"}) == (
            "vae-other-family: found=the Wan 2.1 VAE, model=an LTX-Video base, needed=the LTX-Video "
            f"0.9 VAE, vae={comfy.folder}/models/vae/wan.safetensors"
        )
        adapter = run("VaceLoadAdapter", adapter="wan_adapter.safetensors")[0]
        assert refusal(run, "VaceLoadModel", **FILES, adapter=adapter) == (
            "adapter-other-family: found=Wan 2.1, model=an LTX-Video base, needed=LTX-Video 0.9, "
            f"path={comfy.folder}/models/diffusion_models/wan_adapter.safetensors"
        )


def graph_of(comfy, *, sampler):
    """What every node shows, of a graph that makes the right half of a clip anew; `sampler` has the node "sample"."""
    ran = execute(comfy, chain(
        picture=("LoadImage", {"image": "ltx.png"}),
        clip=("RepeatImageBatch", {"image": ("picture", 0), "amount": 9}),
        hole=("SolidMask", {"value": 1.0, "width": 32, "height": 32}),
        empty=("SolidMask", {"value": 0.0, "width": 64, "height": 32}),
        mask=("MaskComposite",
              {"destination": ("empty", 0), "source": ("hole", 0), "x": 32, "y": 0, "operation": "add"}),
        model=("VaceLoadModel", {**FILES, "low_noise_model": "none", "boundary": 0.875}),
        task=("VaceInpaintVideo",
              {"images": ("clip", 0), "mask": ("mask", 0), "negative_prompt": "", **FIT, **GIVEN}),
        preview=("VacePreviewVCU", {"vcu": ("task", 0), "columns": 4, "base": "LTX-Video 0.9"}),
        **sampler,
        decode=("VaceDecodeVideo", {"samples": ("sample", 0), "vcu": ("task", 0), "vae": ("model", 0), "feather": 0,
                                    "match_colour": False}),
        save=("SaveImage", {"images": ("decode", 0), "filename_prefix": "ltx"}),
        composite=("VaceCompositeVideo",
                   {"images": ("decode", 0), "vcu": ("task", 0), "feather": 0, "match_colour": False}),
        again=("SaveImage", {"images": ("composite", 0), "filename_prefix": "ltx"}),
    ))  # fmt: skip
    assert (ran.success, ran.error) == (True, "")
    return ran.outputs


def own_sampler():
    return {
        "sample": ("VaceSampleVideo", {"model": ("model", 0), "vcu": ("task", 0), "shift": 0.0, "strength": 1.0,
                                       "start_percent": 0.0, "end_percent": 1.0, "stg": 1.0, **OPTIONS}),
    }  # fmt: skip


def comfyuis_sampler():
    return {
        "base": ("UNETLoader", {"unet_name": "ltx_base.safetensors", "weight_dtype": "default"}),
        "adapter": ("VaceLoadAdapter", {"adapter": "ltx_adapter.safetensors"}),
        "attach": ("VaceAttachAdapter", {"model": ("base", 0), "adapter": ("adapter", 0), "vcu": ("task", 0),
                                         "vae": ("model", 0), "strength": 1.0, "start_percent": 0.0,
                                         "end_percent": 1.0}),
        "words": ("VaceEncodePrompt", {"clip": ("model", 0), "vcu": ("task", 0)}),
        "sample": ("KSampler", {"model": ("attach", 0), "seed": 3, "steps": 2, "cfg": 2.0, "sampler_name": "euler",
                                "scheduler": "simple", "positive": ("words", 0), "negative": ("words", 1),
                                "latent_image": ("attach", 1), "denoise": 1.0}),
    }  # fmt: skip


def pictures(comfy, shown):
    names = [one["filename"] for one in shown["images"]]
    return torch.from_numpy(np.stack([np.array(Image.open(comfy.folder / "output" / name)) for name in names]))


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
        native = pack.nodes.comfy.native.NativeVae(vae, pack.vace_core.models.ltx.family.LTX)
        frames = clip().movedim(-1, 0)[None] * 2 - 1
        with torch.inference_mode():
            assert relative(native.encode(frames), model.core.vae.encode(frames)) < 1e-4

    def test_a_gray_clip_is_encoded_as_one_frame(self, pack, vae):
        native = pack.nodes.comfy.native.NativeVae(vae, pack.vace_core.models.ltx.family.LTX)
        gray = torch.zeros(1, 3, 17, 32, 64)
        with torch.inference_mode():
            less = native.encode(gray, content=pack.vace_core.context.EMPTY)
            assert relative(less, native.encode(gray)) < 1e-4

    def test_conditioning_for_native_models_is_refused(self, run, vae):
        vcu = run("VaceTextToVideo", width=64, height=32, length=9)[0]
        text = [[torch.zeros(1, 1, 4096), {}]]
        assert refusal(run, "VaceApplyVCU", positive=text, negative=text, vae=vae, vcu=vcu, strength=1.0) == (
            "native-without-vace: kind=LTX-Video, needed=Wan 2.1"
        )
