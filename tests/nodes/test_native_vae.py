"""A VAE socket is told by the weights in it: a VAE of another model is refused by its name."""

from __future__ import annotations

from types import SimpleNamespace

import native_parts
import pytest
import torch
from filling import fill
from refusal import refusal
from torch import nn

CURE = "vae-for-another-model: file=wan_2.1_vae.safetensors, needed=Wan 2.1, vae={}"


@pytest.fixture(scope="module")
def kinds(pack):
    return pack.nodes.comfy.vae_kind


def socket(network, channels, dims=3):
    """A VAE socket as far as it is looked at."""
    return SimpleNamespace(first_stage_model=network, latent_channels=channels, latent_dim=dims)


class Named(nn.Module):
    """A network with weights of these names and shapes."""

    def __init__(self, **shapes):
        super().__init__()
        self._shapes = {name.replace("__", "."): shape for name, shape in shapes.items()}

    def named_parameters(self, *args, **kwargs):
        return [(name, torch.empty(shape, device="meta")) for name, shape in self._shapes.items()]


def named(shapes):
    network = Named()
    network._shapes = shapes
    return network


def wan_21(pack, width=8):
    return pack.vace_core.models.wan.vae.WanVaeNetwork(width=width)


# The weights by which each is told, in the shapes of the released files.
STRANGERS = {
    "that of HunyuanVideo": (16, {"decoder.conv_in.conv.weight": (512, 16, 3, 3, 3),
                                  "post_quant_conv.weight": (16, 16, 1, 1, 1)}),
    "that of Cosmos": (16, {"decoder.unpatcher3d.wavelets": (2,), "decoder.conv_in.0.conv3d.weight": (512, 16)}),
    "that of Mochi": (12, {"decoder.blocks.2.blocks.3.stack.5.weight": (512, 512, 3, 3, 3)}),
    "that of Wan 2.2 (5B)": (48, {"decoder.middle.0.residual.0.gamma": (1024, 1, 1, 1),
                                  "decoder.upsamples.0.upsamples.0.residual.2.weight": (1024, 1024, 3, 3, 3)}),
    "that of LTX-Video 0.9.5 or later": (128, {"per_channel_statistics.mean-of-means": (128,),
                                               "encoder.down_blocks.1.conv.conv.weight": (128, 128, 3, 3, 3)}),
    "a variant of Wan 2.1's that reads 4 channels of pixels, makes 4 and has 16 of latents": (
        16, {"decoder.middle.0.residual.0.gamma": (384, 1, 1, 1), "encoder.conv1.weight": (96, 4, 3, 3, 3),
             "decoder.head.2.weight": (4, 96, 3, 3, 3), "conv2.weight": (16, 16, 1, 1, 1)}),
}  # fmt: skip


class TestTold:
    @pytest.mark.parametrize("said", STRANGERS)
    def test_others_are_named(self, pack, kinds, said):
        channels, shapes = STRANGERS[said]
        vae = socket(named(shapes), channels)
        assert (kinds.kind_of(vae).family, kinds.kind_of(vae).said) == (None, said)
        assert refusal(pack.nodes.comfy.native.NativeVae, vae) == CURE.format(said)
        assert refusal(pack.nodes.comfy.native.family_of, vae) == (
            f"vae-unknown: known=Wan 2.1 or LTX-Video 0.9, vae={said}"
        )

    @pytest.mark.parametrize(
        ("vae", "said"),
        [
            (socket(nn.Linear(2, 2), 4, 2), "(Linear, with latents of 4 channels in 2 dimensions)"),
            (socket(None, 16), "(SimpleNamespace, with latents of 16 channels in 3 dimensions)"),
            (SimpleNamespace(), "(SimpleNamespace)"),
            ("abc", "(str)"),
            (None, "(NoneType)"),
        ],
    )
    def test_what_is_not_known_is_described(self, pack, vae, said):
        assert refusal(pack.nodes.comfy.native.NativeVae, vae) == CURE.format(f"one that is not known here {said}")

    def test_wans_own_of_any_width_also_where_parts_are_compiled(self, pack, kinds):
        wan = pack.vace_core.models.wan.family.WAN
        network = wan_21(pack)
        names = [name for name, _ in network.named_parameters()]
        compiled = {name.replace("decoder.", "decoder._orig_mod."): tuple(value.shape)
                    for name, value in network.named_parameters()}  # fmt: skip
        whole = {f"_orig_mod.{name}": shape for name, shape in compiled.items()}
        for other in (network, wan_21(pack, 4), named(compiled), named(whole)):
            assert kinds.kind_of(socket(other, 16)).family is wan
        assert "decoder.middle.0.residual.0.gamma" in names

    def test_ltx_videos_own(self, pack, kinds):
        network = pack.vace_core.models.ltx.vae.LtxVaeNetwork(width=8)
        assert kinds.kind_of(socket(network, 128)).family is pack.vace_core.models.ltx.family.LTX


@pytest.fixture(scope="module")
def real(comfy):
    """ComfyUI's own VAE objects, without memory for weights of released sizes: `real(network, channels)`."""
    import comfy.sd

    def make(network, channels, dims=3):
        vae = comfy.sd.VAE.__new__(comfy.sd.VAE)
        vae.first_stage_model, vae.latent_channels, vae.latent_dim = network, channels, dims
        return vae

    return make


def hunyuan_video():
    from comfy.ldm.models.autoencoder import AutoencoderKL

    sizes = {"double_z": True, "z_channels": 16, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 32,
             "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0, "conv3d": True,
             "time_compress": 4}  # fmt: skip
    return AutoencoderKL(ddconfig=sizes, embed_dim=16), 16


def cosmos():
    from comfy.ldm.cosmos.vae import CausalContinuousVideoTokenizer

    sizes = {"z_channels": 16, "latent_channels": 16, "z_factor": 1, "resolution": 1024, "in_channels": 3,
             "out_channels": 3, "channels": 8, "channels_mult": [2, 4, 4], "num_res_blocks": 2,
             "attn_resolutions": [32], "dropout": 0.0, "patch_size": 4, "num_groups": 1, "temporal_compression": 8,
             "spacial_compression": 8}  # fmt: skip
    return CausalContinuousVideoTokenizer(**sizes), 16


def wan_22():
    from comfy.ldm.wan.vae2_2 import WanVAE

    sizes = {"dim": 8, "z_dim": 48, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": [],
             "temperal_downsample": [False, True, True], "dropout": 0.0}  # fmt: skip
    return WanVAE(**sizes), 48


def ltx_095():
    from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE

    with torch.device("meta"):
        return VideoVAE(version=2), 128


def ltx_091():
    from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE

    with torch.device("meta"):
        return VideoVAE(version=1), 128


def mochi():
    from comfy.ldm.genmo.vae.model import VideoVAE

    with torch.device("meta"):
        return VideoVAE(), 12


def taehv():
    TAEHV = pytest.importorskip("comfy.taesd.taehv", reason="this ComfyUI has none").TAEHV

    return TAEHV(latent_channels=16), 16


class TestRealOnes:
    """ComfyUI's own classes; those of released sizes are made without memory."""

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (hunyuan_video, "that of HunyuanVideo"),
            (cosmos, "that of Cosmos"),
            (wan_22, "that of Wan 2.2 (5B)"),
            (ltx_095, "that of LTX-Video 0.9.5 or later"),
            (mochi, "that of Mochi"),
            (ltx_091, "that of LTX-Video 0.9"),
            (taehv, "a TAEHV for previews (such as lighttaew2_1), whose latents begin at other frames"),
        ],
    )
    def test_refused_by_name(self, pack, run, real, make, said):
        vae = real(*make())
        assert refusal(pack.nodes.comfy.native.NativeVae, vae) == CURE.format(said)
        vcu = run("VaceTextToVideo", width=48, height=32, length=5)[0]
        given = {"samples": {"samples": torch.zeros(1, vae.latent_channels, 2, 4, 6)}, "vcu": vcu, "vae": vae}
        if make is not ltx_091:
            assert refusal(run, "VaceDecodeVideo", **given).startswith("vae-unknown: ")

    @torch.inference_mode()
    def test_a_preview_vae_reads_later_frames_into_the_first_latent(self, comfy):
        """Why it is refused: the first latent of Wan's VAE is the first frame alone."""
        network = fill(taehv()[0])
        clip = torch.rand(1, 3, 5, 16, 16, generator=torch.Generator().manual_seed(0))
        later = torch.cat([clip[:, :, :1], 1 - clip[:, :, 1:]], dim=2)
        assert not torch.allclose(network.encode(clip)[:, :, :1], network.encode(later)[:, :, :1], atol=1e-3)

    def test_ours_are_known(self, pack, kinds, comfy, real):
        families = pack.vace_core.models.wan.family.WAN, pack.vace_core.models.ltx.family.LTX
        with torch.inference_mode():
            wan = native_parts.vae(pack.vace_core)
        ltx = real(*ltx_091())
        assert [kinds.kind_of(vae).family for vae in (wan, ltx)] == list(families)
