"""The networks of the indicators, tiny: they equal the official ones, and weights of another model are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from vace_core.errors import ModelError
from vace_core.evaluation.amt import Amt, load_amt
from vace_core.evaluation.backbones import load_clip, load_dino, load_head, load_raft, padding_to
from vace_core.evaluation.indicators import Shown, background, beautiful, moving, open_indicators, smooth, subject
from vace_core.evaluation.musiq import Musiq, load_musiq
from vace_core.evaluation.viclip import Viclip, ViclipSizes, load_viclip, sizes_of

# Features that the official networks give with the weights and inputs below: facebookresearch/dino's ViT, ViCLIP's two
# towers as VBench has them, scores of the MUSIQ that VBench asks, and a frame that MCG-NKU/AMT's AMT-S interpolates.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "backbones.json").read_text())
CPU = torch.device("cpu")
SIZES = ViclipSizes(
    width=128, layers=2, patch=14, places=5, num_frames=8, text_width=64, text_layers=2, vocabulary=50, max_tokens=12,
    joint=16,
)  # fmt: skip


def filled(network: nn.Module) -> nn.Module:
    """`network` with weights that are drawn in the order of their names."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, weight in sorted(network.named_parameters()):
            drawn = torch.randn(weight.shape, generator=generator) * 0.2
            weight.copy_(drawn + (1.0 if name.endswith("norm.weight") else 0.0))
    return network.eval()


def dino(folder: Path) -> Path:
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, image_size=64,
        patch_size=16, layer_norm_eps=1e-6,
    )  # fmt: skip
    filled(ViTModel(config, add_pooling_layer=False)).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, image_size=224, patch_size=56,
        projection_dim=24,
    )  # fmt: skip
    filled(CLIPVisionModelWithProjection(config)).save_pretrained(folder)
    return folder


def frames(count: int = 5) -> torch.Tensor:
    return torch.randint(0, 256, (count, 40, 56, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def test_dino_is_the_original_at_every_size(tmp_path):
    embed = load_dino(dino(tmp_path / "dino"), CPU)
    generator = torch.Generator().manual_seed(6)
    for size, expected in GOLDEN["dino"].items():
        pictures = torch.randn(2, 3, *map(int, size.split("x")), generator=generator)
        torch.testing.assert_close(embed(pictures), torch.tensor(expected), atol=1e-4, rtol=0)


def test_viclip_is_the_original():
    network = filled(Viclip(SIZES))
    assert sorted(network.state_dict()) == GOLDEN["viclip"]["names"]
    pictures = torch.randn(8, 3, 28, 28, generator=torch.Generator().manual_seed(4))
    # Without the zeros that the original fills a prompt up with: they come after the end, and count for nothing.
    video, text = network.compare(pictures, torch.tensor([48, 3, 9, 27, 49]))
    torch.testing.assert_close(video, torch.tensor(GOLDEN["viclip"]["video"]), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(text, torch.tensor(GOLDEN["viclip"]["text"]), atol=1e-4, rtol=1e-4)


def test_viclip_is_asked_with_the_words_of_a_prompt_between_its_marks(tmp_path):
    network = filled(Viclip(SIZES))
    save_file(network.state_dict(), tmp_path / "viclip.safetensors")
    pieces = ["c", "a", "t", "t</w>", "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>"]
    numbers = dict(zip(pieces, [3, 4, 5, 6, 7, 9, 48, 49], strict=True))
    (tmp_path / "vocab.json").write_text(json.dumps(numbers))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n")
    pictures = torch.randn(8, 3, 28, 28, generator=torch.Generator().manual_seed(4))
    found = load_viclip(tmp_path / "viclip.safetensors", tmp_path, CPU)(pictures, "Cat cat")
    for one, other in zip(found, network.compare(pictures, torch.tensor([48, 9, 9, 49])), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("size", "padding"),
    [((128, 128), (0, 0, 0, 0)), ((129, 130), (3, 3, 3, 4)), ((40, 127), (0, 1, 44, 44)), ((100, 135), (0, 1, 14, 14)),
     ((136, 61), (33, 34, 0, 0))],
)  # fmt: skip
def test_raft_takes_sides_of_whole_cells_from_128_pixels_on(size, padding):
    assert padding_to(*size, 8) == padding


def test_raft_is_that_of_torchvision_where_nothing_is_padded(tmp_path):
    flows = pytest.importorskip("torchvision.models.optical_flow")
    torch.manual_seed(0)
    network = flows.raft_large(weights=None, progress=False).eval()
    save_file(network.state_dict(), tmp_path / "raft.safetensors")
    flow, (before, after) = load_raft(tmp_path / "raft.safetensors", CPU), torch.rand(2, 1, 3, 136, 144) * 255
    wanted = network(before / 127.5 - 1, after / 127.5 - 1, num_flow_updates=20)[-1][0]
    assert torch.equal(flow(before, after), wanted)
    assert flow(before[..., :61, :50], after[..., :61, :50]).shape == (2, 61, 50)


def test_musiq_is_the_one_that_vbench_asks(tmp_path):
    network = filled(Musiq(width=48, hidden=96, heads=2, layers=2))
    assert sorted(network.state_dict()) == GOLDEN["musiq"]["names"]
    generator = torch.Generator().manual_seed(8)
    for size, expected in GOLDEN["musiq"]["scores"].items():
        picture = torch.rand(1, 3, *map(int, size.split("x")), generator=generator)
        assert float(network(picture)) == pytest.approx(expected, abs=1e-4)
    save_file(network.state_dict(), tmp_path / "musiq.safetensors")
    with pytest.raises(ModelError) as error:
        load_musiq(tmp_path / "musiq.safetensors", CPU)  # of other sizes than the published one
    assert error.value.code == "metric-weights"


def test_amt_interpolates_the_frame_that_the_official_one_does(tmp_path):
    network, generator = Amt(), torch.Generator().manual_seed(11)
    assert sorted(network.state_dict()) == GOLDEN["amt"]["names"]
    with torch.no_grad():
        for _, weight in sorted(network.named_parameters()):
            spread = 0.1 if weight.ndim == 1 else 0.7 / weight[0].numel() ** 0.5
            weight.copy_(torch.randn(weight.shape, generator=generator) * spread)
    save_file(network.state_dict(), tmp_path / "amt-s.safetensors")
    interpolate, generator = load_amt(tmp_path / "amt-s.safetensors", CPU), torch.Generator().manual_seed(5)
    before, after = (
        functional.interpolate(torch.rand(1, 3, 9, 11, generator=generator), size=(128, 144), mode="bicubic").clamp(
            0, 1
        )
        for _ in range(2)
    )
    wanted = torch.tensor(GOLDEN["amt"]["frame"])[None]
    torch.testing.assert_close(interpolate(before, after)[..., ::16, ::16], wanted, atol=1e-5, rtol=0)
    small = interpolate(before[..., 10:74, :61], after[..., 10:74, :61])
    around = [functional.pad(one[..., 10:74, :61], (33, 34, 32, 32), mode="replicate") for one in (before, after)]
    assert torch.equal(small, network(*around)[..., 32:96, 33:94])
    measured = open_indicators(tmp_path, only=["motion smoothness"])
    assert 0 < measured.measured["motion smoothness"](Shown(frames=frames(5), fps=8)) < 1
    assert measured.missing == {}


def test_the_sizes_of_viclip_are_told_by_its_weights(tmp_path):
    assert sizes_of(Viclip(SIZES).state_dict(), tmp_path) == SIZES
    save_file({"x": torch.zeros(1)}, tmp_path / "v.safetensors")
    with pytest.raises(ModelError) as error:
        load_viclip(tmp_path / "v.safetensors", tmp_path, CPU)
    assert error.value.code == "viclip-weights"


def test_indicators_run_from_files_to_numbers(tmp_path):
    shown = Shown(frames=frames(), fps=8)
    dino(tmp_path / "dino")
    clip(tmp_path / "clip-b32")
    clip(tmp_path / "clip-l14")
    save_file({"weight": torch.ones(1, 24), "bias": torch.ones(1)}, tmp_path / "aesthetic.safetensors")
    found = open_indicators(tmp_path)
    assert {"subject consistency", "background consistency", "aesthetic quality"} <= set(found.measured)
    assert found.embed is not None
    for name in ("subject consistency", "background consistency"):
        assert 0 <= found.measured[name](shown) <= 1
    expected = beautiful(load_clip(tmp_path / "clip-l14", CPU), torch.ones(1, 24), torch.ones(1))(shown)
    assert found.measured["aesthetic quality"](shown) == pytest.approx(expected)


def test_indicators_take_any_network():
    shown = Shown(frames=frames(7), fps=8)
    assert smooth(lambda one, two: (one + two) / 2)(shown) < 1
    still = Shown(frames=frames(1).expand(7, -1, -1, -1), fps=8)
    assert smooth(lambda one, two: (one + two) / 2)(still) == pytest.approx(1)
    assert moving(lambda one, two: torch.full((2, *one.shape[2:]), 9.0))(shown) == 1
    assert moving(lambda one, two: torch.zeros(2, *one.shape[2:]))(shown) == 0
    for of in (subject, background):
        assert of(lambda pictures: torch.ones(len(pictures), 4))(shown) == pytest.approx(1)


def test_weights_of_another_model_are_named_and_the_rest_is_measured(tmp_path):
    clip(tmp_path / "dino")  # CLIP under DINO's name
    clip(tmp_path / "clip-b32")
    clip(tmp_path / "clip-l14")
    save_file({"weight": torch.ones(1, 24)}, tmp_path / "aesthetic.safetensors")
    (tmp_path / "viclip.safetensors").write_bytes(b"damaged")
    found = open_indicators(tmp_path)
    assert set(found.measured) == {"background consistency", "temporal flickering"}
    assert "do not fit DINO" in found.missing["subject consistency"]
    assert "linear head" in found.missing["aesthetic quality"]
    assert "viclip.safetensors" in found.missing["overall consistency"]
    for broken, code in ((tmp_path / "none", "metric-folder"), (tmp_path, "metric-folder-unread")):
        with pytest.raises(ModelError) as error:
            load_clip(broken, CPU)
        assert error.value.code == code
    with pytest.raises(ModelError) as error:
        load_head(tmp_path / "aesthetic.safetensors")
    assert error.value.code == "metric-weights"


def test_networks_have_the_sizes_that_were_published():
    """MUSIQ 27.13 million weights, AMT-S 3.0; ViCLIP-L, the towers of CLIP ViT-L/14 on 8 frames."""
    with torch.device("meta"):
        assert sum(weight.numel() for weight in Musiq().parameters()) == 27_125_825
        assert sum(weight.numel() for weight in Amt().parameters()) == 2_990_543
    assert ViclipSizes() == ViclipSizes(
        width=1024, layers=24, patch=14, places=257, num_frames=8, text_width=768, text_layers=12, vocabulary=49408,
        max_tokens=32, joint=768,
    )  # fmt: skip
