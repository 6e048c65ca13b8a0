"""What does not belong together is said in a sentence, before anything is sampled."""

from __future__ import annotations

import json

import native_parts
import pytest
import torch
from filling import fill
from model_files import only, released_shapes, write_sparse
from refusal import refusal
from safetensors.torch import save_file


def adapter_file(core, pack, folder, *, width, layers):
    wan = core.models.wan.dit
    sizes = wan.WanSizes(width=width, ffn=192, layers=8)
    state = fill(wan.build_adapter(sizes, layers), 2).state_dict()
    path = folder / "adapter.safetensors"
    official = {wan.official_adapter_key(name): value.contiguous() for name, value in state.items()}
    save_file(official, path, metadata={"vace_layers": json.dumps(layers)})
    return pack.nodes.comfy.sockets.AdapterFile(path=path)


def test_an_adapter_of_14b_on_a_base_of_1_3b(pack, attach, unit, tmp_path):
    path = write_sparse(tmp_path / "Wan2_1-VACE_module_14B_bf16.safetensors", only("adapter", released_shapes(14)))
    file = pack.nodes.comfy.sockets.AdapterFile(path=path)
    assert refusal(attach, native_parts.large_base(), unit(), adapter=file) == (
        "adapter-width: base_blocks=30, base_width=1536, least_blocks=36, width=5120"
    )


@pytest.mark.parametrize(
    ("width", "layers", "least"),
    [(256, (0, 2), 3), (128, (0, 5), 6)],
)
def test_a_wider_and_a_deeper_adapter(core, pack, attach, unit, plain, tmp_path, width, layers, least):
    file = adapter_file(core, pack, tmp_path, width=width, layers=layers)
    assert refusal(attach, plain, unit(), adapter=file) == (
        f"adapter-width: base_blocks=4, base_width=128, least_blocks={least}, width={width}"
    )


def test_a_model_with_vace(attach, unit, native):
    assert refusal(attach, native, unit()) == "model-has-vace"


def test_an_image_to_video_model_whose_sizes_fit(core, attach, unit, sample, texts):
    """Wan 2.2's: 36 channels go in, and its blocks are those of text-to-video models."""
    model = native_parts.image_to_video_model(core)
    (off, latent), (on, _) = (attach(model, unit(), strength=strength) for strength in (0.0, 1.0))
    base = sample(model, texts, latent)
    assert torch.equal(sample(off, texts, latent), base)
    assert (sample(on, texts, latent) - base).abs().max() > 0.1


class Unlike:
    """What is looked at of the network of a MODEL, of a real one but for these."""

    def __init__(self, network, **other):
        self.network, self.other = network, other

    def __getattr__(self, name):
        return self.other[name] if name in self.other else getattr(self.network, name)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"out_dim": 48}, "model-latents: channels=48, needed=16"),
        ({"img_emb": object()}, "model-image-attention"),
        ({"blocks": [torch.nn.Linear(1, 1)]}, "model-blocks: kind=Linear, "),
    ],
)
def test_what_does_not_fit_is_said(pack, plain, other, said):
    network = Unlike(plain.model.diffusion_model, **other)
    assert refusal(pack.nodes.comfy.plug_wan.WAN_PLUG.check, network).startswith(said)


def test_a_model_of_another_kind(attach, unit):
    assert refusal(attach, native_parts.other_model(), unit()) == (
        "adapter-for-another-model: adapter=Wan 2.1, model=of another kind (SD15), needed=a Wan text-to-video base"
    )


def test_an_adapter_of_ltx(core, pack, attach, unit, plain, tmp_path):
    file = pack.nodes.comfy.sockets.AdapterFile(path=native_parts.write_ltx_adapter(core, tmp_path))
    assert refusal(attach, plain, unit(), adapter=file) == (
        "adapter-for-another-model: adapter=LTX-Video 0.9, model=Wan 2.1, needed=an LTX-Video base"
    )


def test_a_vae_of_another_kind(attach, unit, plain):
    other = native_parts.SomeVae(latent_channels=128, latent_dim=3)
    assert refusal(attach, plain, unit(), vae=other) == (
        "vae-for-another-model: file=wan_2.1_vae.safetensors, needed=Wan 2.1, vae=one that is "
        "not known here (SomeVae, with latents of 128 channels in 3 dimensions)"
    )


def test_a_latent_of_another_size(attach, unit, sample, plain, texts):
    attached, _ = attach(plain, unit())
    assert refusal(sample, attached, texts, {"samples": torch.zeros(1, 16, 3, 4, 6)}) == (
        "latent-size: latent=3 x 4 x 6, vcu=2 x 4 x 6"
    )
