"""The command on files of LTX-Video, from the words of a prompt to a video, and what it says of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_ltx
import torch
from filling import fill
from model_files import adapter_weights as wan_adapter
from refused import refused
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from vace_core import tasks
from vace_core.cli import app
from vace_core.loading.t5 import load_text
from vace_core.media.pictures import write_image
from vace_core.media.video import from_uint8, read_video
from vace_core.media.write import write_video
from vace_core.models.ltx import dit as ltx
from vace_core.models.ltx import keys as ltx_keys
from vace_core.models.ltx.family import LTX
from vace_core.pipeline import Expert, VaceModel, generate

write_t5 = pytest.importorskip("tiny_t5").write_t5
pytest.importorskip("ftfy")

SIZES, LAYERS = ltx.LtxSizes(width=64, ffn=256, layers=4, text_width=32), (0, 2)
PROMPT = "a red circle moves left"


def networks() -> tuple[ltx.LtxDit, torch.nn.Module]:
    return fill(ltx.LtxDit(SIZES), 1), fill(ltx.build_adapter(SIZES, LAYERS), 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The layout of the released model: one file with everything but the text encoder, which lies beside it."""
    folder = write_t5(tmp_path_factory.mktemp("ltx"))
    base, adapter = (network.state_dict() for network in networks())
    named = {ltx_keys.official_adapter_key(name, LAYERS): value for name, value in adapter.items()}
    transformer = {f"model.diffusion_model.{name}": value for name, value in (base | named).items()}
    vae = {f"vae.{name}": value for name, value in tiny_ltx.vae_network(8).state_dict().items()}
    save_file({name: value.contiguous() for name, value in (transformer | vae).items()}, folder / "model.safetensors")
    clip = torch.randint(0, 256, (9, 64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    write_video(folder / "clip.mkv", from_uint8(clip), fps=25.0, lossless=True)
    mask = torch.full((64, 96, 3), -1.0)
    mask[:, 48:] = 1
    write_image(folder / "mask.png", mask.permute(2, 0, 1)[None, :, None])
    return folder


def vace(folder: Path, task: str, *words: object) -> Result:
    return CliRunner().invoke(app, [task, *map(str, words), "-m", str(folder / "model.safetensors")])


def inpaint(folder: Path, *words: object) -> Result:
    return vace(folder, "inpaint", folder / "clip.mkv", "--mask", folder / "mask.png", "-p", PROMPT, *words)


def test_words_and_a_clip_become_what_the_library_makes_of_them(folder, tmp_path):
    out = tmp_path / "a.mkv"
    done = inpaint(folder, "--steps", 2, "--seed", 3, "--lossless", "-o", out)
    assert done.exit_code == 0, done.stderr
    base, adapter = networks()
    model = VaceModel(
        expert=Expert(base=base, adapter=adapter), vae=tiny_ltx.LtxVae(tiny_ltx.vae_network(8)),
        text=load_text(folder, kind=LTX.text), encode_masks=ltx.encode_masks,
    )  # fmt: skip
    masks = torch.zeros(1, 1, 9, 64, 96)
    masks[..., 48:] = 1
    unit = tasks.inpaint(from_uint8(read_video(folder / "clip.mkv").frames), masks, fps=25.0, prompt=PROMPT)
    wanted = generate(model, unit, replace(LTX.options, steps=2, seed=3))
    made = from_uint8(read_video(out).frames)
    assert (made[..., :48] == unit.source[..., :48]).all()
    assert float((made - wanted).abs().max()) <= 1 / 255 + 1e-6


@pytest.mark.parametrize(
    ("words", "options", "passes"),
    [
        ((), {"stg_scale": 1.0, "rescale": 0.7, "shift": LTX.options.shift}, 3),
        (("--stg", 0), {"stg_scale": 0.0, "rescale": 0.7}, 2),
        (("--stg", 2, "--rescale", 0.5), {"stg_scale": 2.0, "rescale": 0.5}, 3),
        (("--shift", 5), {"shift": 5.0, "shift_growth": 0.0, "terminal": 0.1}, 3),
    ],
)
def test_options_are_the_familys_or_what_was_typed(folder, words, options, passes):
    done = inpaint(folder, "--steps", 2, "--dry-run", "--json", *words)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["family"] == "LTX-Video 0.9"
    assert {name: told["options"][name] for name in options} == options
    assert told["cost"]["base_passes"] == 2 * passes


def test_a_dry_run_names_the_family(folder):
    done = vace(folder, "text", "--dry-run")
    assert "(LTX-Video0.9);40stepsofeuler" in "".join(done.stderr.split())


def test_inspect_names_the_family(folder):
    done = CliRunner().invoke(app, ["inspect", str(folder / "model.safetensors"), "--json"])
    assert json.loads(done.stdout)["family"] == "LTX-Video 0.9"
    assert "family" in done.stderr


def test_what_would_do_nothing_is_refused():
    still = ("text", "--length", "1", "--width", "16", "--height", "16", "--dry-run")
    assert refused(CliRunner().invoke(app, [*still, "--stg", "1"]).exception) == (
        "stg-unknown: base_name=a Wan text-to-video base"
    )
    assert refused(CliRunner().invoke(app, [*still, "--rescale", "0.5"]).exception) == "rescale-without-stg"


def test_an_adapter_of_another_kind_is_refused(folder, tmp_path):
    save_file({name: value.contiguous() for name, value in wan_adapter().items()}, tmp_path / "wan.safetensors")
    done = inpaint(folder, "--adapter", tmp_path / "wan.safetensors", "-o", tmp_path / "a.mp4")
    assert done.exit_code == 4
    assert refused(done.exception) == (
        "adapter-other-family: found=Wan 2.1, model=an LTX-Video base, needed=LTX-Video 0.9, "
        f"path={tmp_path / 'wan.safetensors'}"
    )
