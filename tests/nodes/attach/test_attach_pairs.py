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
        "This adapter is made for a base of width 5120 with at least 36 blocks. The base has width 1536 and 30 blocks. "
        "Choose the adapter that belongs to this base."
    )


@pytest.mark.parametrize(
    ("width", "layers", "said"),
    [(256, (0, 2), "256 with at least 3 blocks"), (128, (0, 5), "128 with at least 6 blocks")],
)
def test_a_wider_and_a_deeper_adapter(core, pack, attach, unit, plain, tmp_path, width, layers, said):
    file = adapter_file(core, pack, tmp_path, width=width, layers=layers)
    assert refusal(attach, plain, unit(), adapter=file) == (
        f"This adapter is made for a base of width {said}. The base has width 128 and 4 blocks. Choose the adapter "
        "that belongs to this base."
    )


def test_a_model_with_vace(attach, unit, native):
    assert refusal(attach, native, unit()) == (
        "The model has VACE blocks of its own. A text-to-video model without them is needed to attach an adapter. "
        "Connect the plain base, or use this model as it is with VACE Apply VCU."
    )


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
        ({"out_dim": 48}, "The model makes latents of 48 channels. A Wan model that makes 16 is needed"),
        ({"img_emb": object()}, "The blocks of the model attend to a picture beside the text (CLIP vision"),
        ({"blocks": [torch.nn.Linear(1, 1)]}, "The blocks of the model are of another kind (Linear) than those of the"),
    ],
)
def test_what_does_not_fit_is_said(pack, plain, other, said):
    network = Unlike(plain.model.diffusion_model, **other)
    assert refusal(pack.nodes.comfy.plug_wan.WAN_PLUG.check, network).startswith(said)


def test_a_model_of_another_kind(attach, unit):
    assert refusal(attach, native_parts.other_model(), unit()) == (
        "The adapter is for Wan 2.1, the model is of another kind (SD15). Both must be of one kind. Connect a Wan "
        "text-to-video base, or choose an adapter that was made for this model."
    )


def test_an_adapter_of_ltx(core, pack, attach, unit, plain, tmp_path):
    file = pack.nodes.comfy.sockets.AdapterFile(path=native_parts.write_ltx_adapter(core, tmp_path))
    assert refusal(attach, plain, unit(), adapter=file) == (
        "The adapter is for LTX-Video 0.9, the model is Wan 2.1. Both must be of one kind. Connect an LTX-Video base, "
        "or choose an adapter that was made for this model."
    )


def test_a_vae_of_another_kind(attach, unit, plain):
    other = native_parts.SomeVae(latent_channels=128, latent_dim=3)
    assert refusal(attach, plain, unit(), vae=other) == (
        "The VAE is one that is not known here (SomeVae, with latents of 128 channels in 3 dimensions). That of Wan "
        "2.1 is needed. Load wan_2.1_vae.safetensors with Load VAE."
    )


def test_a_latent_of_another_size(attach, unit, sample, plain, texts):
    attached, _ = attach(plain, unit())
    assert refusal(sample, attached, texts, {"samples": torch.zeros(1, 16, 3, 4, 6)}) == (
        "The latent is 3 x 4 x 6, that of the unit 2 x 4 x 6 (frames x height x width, references included). Both need "
        "the same. Connect the latent of VACE Attach Adapter to the sampler, and with several adapters attach units of "
        "one size and as many references."
    )
