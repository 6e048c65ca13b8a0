"""VACE Measure Video: the numbers of `vace evaluate`, and what is wrong with one input takes no other with it."""

from __future__ import annotations

import json
import math
import sys
import types

import pytest
import torch
from refusal import refusal

from vace_core.evaluation.indicators import open_indicators
from vace_core.evaluation.manifest import Item
from vace_core.evaluation.measures import How
from vace_core.evaluation.run import evaluate
from vace_core.inputs import controls
from vace_core.media.write import write_video

OUTPUTS = ("report", "sheet", "values", "kept_part", "seam", "drift", "flickering", "control_followed")


def clip(frames=9, height=64, width=64, seed=0):
    """IMAGE whose colours wander."""
    dice = torch.Generator().manual_seed(seed)
    levels = torch.nn.functional.interpolate(
        torch.rand(1, 3, 3, 5, 5, generator=dice), size=(frames, height, width), mode="trilinear"
    )
    return levels[0].movedim(0, -1).mul(255).round() / 255


@pytest.fixture
def measured(run):
    def call(**values):
        return dict(zip(OUTPUTS, run("VaceMeasureVideo", **values).args, strict=True))

    return call


@pytest.fixture
def mask():
    found = torch.zeros(9, 64, 64)
    found[:, 16:40, 20:44] = 1
    return found


def written(path, images):
    frames = images.movedim(-1, 0)[None] * 2 - 1
    write_video(path, frames, fps=8, lossless=True)
    return path


def test_the_numbers_are_those_of_the_command(run, measured, mask, tmp_path):
    made, source = clip(), clip(seed=1)
    made[mask == 0] = source[mask == 0] + 2 / 255
    made.clamp_(0, 1)
    unit = run("VaceInpaintVideo", images=source, mask=mask, fps=8.0, fit="as it is").args[0]
    found = measured(images=made, fps=8.0, vcu=unit, original=source, decoded=clip(seed=2))
    for name, images in (("source", source), ("mask", mask[..., None].expand(-1, -1, -1, 3))):
        written(tmp_path / f"{name}.mkv", images)
    (tmp_path / "ours" / "decoded").mkdir(parents=True)
    written(tmp_path / "ours" / "one.mkv", made)
    written(tmp_path / "ours" / "decoded" / "one.mkv", clip(seed=2))
    item = Item(name="one", source=tmp_path / "source.mkv", mask=tmp_path / "mask.mkv", video=tmp_path / "source.mkv")
    (one,) = evaluate([item], {"ours": tmp_path / "ours"}, How(indicators=open_indicators(None))).scored
    assert json.loads(found["values"]) == one.values
    assert {"kept part, result", "kept part, decoded", "seam", "drift", "temporal flickering"} == one.values.keys()
    assert found["kept_part"] == one.values["kept part, result"]
    assert 1 < found["kept_part"] < 2.1
    assert math.isnan(found["control_followed"])
    assert found["sheet"].shape[0] == 1


def test_a_control_is_taken_from_the_video_again(run, measured):
    images = clip()
    unit = run("VaceControlVideo", images=images, kind="gray", fps=8.0, fit="as it is").args[0]
    assert measured(images=images, vcu=unit, control_kind="gray")["control_followed"] == pytest.approx(1, abs=1e-3)
    lines = controls.scribble(images.movedim(-1, 0)[None] * 2 - 1)[0].movedim(0, -1)
    other = measured(images=clip(seed=3), control=(lines + 1) / 2, control_kind="scribble")
    assert other["control_followed"] < 0.9


def test_what_does_not_fit_is_named_and_the_rest_is_measured(measured, mask):
    found = measured(images=clip(), source=clip(), mask=mask[:, :32], control=clip(frames=5), control_kind="gray")
    assert "kept part: not measured. The result has 9 frames of 64 x 64, and the input mask has 9" in found["report"]
    assert "control followed: not measured." in found["report"]
    assert "2 of what was asked could not be measured." in found["report"]
    assert math.isnan(found["kept_part"])
    assert found["flickering"] > 0.9


@pytest.mark.parametrize("side", [64, 96])
@pytest.mark.parametrize("shape", [(64, 64), (1, 64, 64), (9, 64, 64, 1), (9, 1, 64, 64)])
def test_a_black_mask_of_any_shape_covers_nothing(measured, shape, side):
    """That of an image without transparency is of 64 x 64 pixels, whatever the size of the clip."""
    images = clip(height=side)
    found = measured(images=images, source=images, mask=torch.zeros(shape))
    assert "not measured. The result" not in found["report"]
    assert found["kept_part"] == 0


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (["source"], "name=source, other=mask"),
        (["mask"], "name=mask, other=source"),
        (["decoded"], "name=decoded, other=vcu, or source and mask"),
        (["control_kind"], "name=control_kind, other=control, or a vcu with a control"),
        (["latent"], "name=decoded, other=vcu and vae, where it is a LATENT"),
    ],
)
def test_an_input_that_needs_another_says_so(run, mask, given, refused):
    values = {"source": clip(), "mask": mask, "decoded": clip(), "control_kind": "flow"}
    named = {"decoded": {"samples": torch.zeros(1, 16, 3, 8, 8)}} if given == ["latent"] else {}
    chosen = {name: values[name] for name in given if name in values} | named
    assert refusal(run, "VaceMeasureVideo", images=clip(), **chosen) == f"measure-input-alone: {refused}"


def test_samples_are_decoded_and_the_vae_has_its_floor(run, measured, mask):
    model, images = run("VaceLoadStarter").args[0], clip()
    unit = run("VaceInpaintVideo", images=images, mask=mask, fps=8.0, fit="as it is").args[0]
    dice = torch.Generator().manual_seed(0)
    samples = {"samples": torch.randn(1, 16, 3, 8, 8, generator=dice)}
    free = run("VaceTextToVideo", width=64, height=64, length=9, fps=8.0).args[0]
    alone, _, _ = run("VaceDecodeVideo", samples=samples, vcu=free, vae=model).args
    found = measured(images=images, vcu=unit, decoded=samples, vae=model)
    values = json.loads(found["values"])
    assert values == json.loads(measured(images=images, vcu=unit, decoded=alone, vae=model)["values"])
    assert 0 == values["kept part, result"] < values["kept part, VAE floor"] < values["kept part, decoded"]


def test_networks_are_those_in_comfyuis_folder(run, measured, tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=32, patch_size=16
    )
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "dino")
    (tmp_path / "musiq.safetensors").write_bytes(b"none")
    paths = sys.modules.get("folder_paths")
    if paths is None:
        paths = types.SimpleNamespace(folder_names_and_paths={}, models_dir=str(tmp_path))
        monkeypatch.setitem(sys.modules, "folder_paths", paths)
    monkeypatch.setitem(paths.folder_names_and_paths, "vace_evaluation", ([str(tmp_path)], set()))
    found = measured(images=clip(), references=clip(frames=2), indicators="all with weights")
    values = json.loads(found["values"])
    assert {"subject consistency", "identity", "temporal flickering", "drift"} == values.keys()
    assert "overall consistency: not measured (no weights: viclip.safetensors, clip-l14)" in found["report"]
    assert "imaging quality: not measured (" in found["report"]
    one = measured(images=clip(), indicators="subject consistency")
    assert json.loads(one["values"])["subject consistency"] == values["subject consistency"]
    assert "imaging" not in one["report"]
