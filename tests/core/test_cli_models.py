"""The files of a model on the command line: pairs of networks, text encoders, and what a job would take of them."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import lora_files
import pytest
import torch
from filling import fill
from lora_files import factors
from model_files import scaled_float8, text_encoder, vae_weights, write_sparse
from refused import refused
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from vace_core.cli import app
from vace_core.cli.files import Files, find_files
from vace_core.cli.models import load, options_of, read_sizes
from vace_core.cli.options import Run, Wanted
from vace_core.errors import InputError
from vace_core.loading.lora import Lora
from vace_core.media.pictures import read_image
from vace_core.models.wan.dit import WanDit, WanSizes, build_adapter, official_adapter_key
from vace_core.models.wan.family import WAN
from vace_core.models.wan.vae_stream import WanVae

SIZES = WanSizes(width=128, ffn=128, layers=2, text_width=4096)
STILL = ("--length", "1", "--width", "32", "--height", "32", "--steps", "3", "--shift", "1", "-p", "a red star")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two experts, each whole as wan_high and wan_low, and in halves as base_… and module_…; one VAE."""
    folder = tmp_path_factory.mktemp("pair")
    for seed, noise in enumerate(("high", "low")):
        base = fill(WanDit(SIZES), seed).state_dict()
        adapter = fill(build_adapter(SIZES, (0, 1)), seed + 2).state_dict()
        adapter = {official_adapter_key(name): value.contiguous() for name, value in adapter.items()}
        save_file(base | adapter, folder / f"wan_{noise}.safetensors")
        save_file(base, folder / f"base_{noise}.safetensors")
        save_file(adapter, folder / f"module_{noise.upper()}.safetensors", {"vace_layers": "[0, 1]"})
    save_file(base, folder / "other.safetensors")
    save_file(vae_weights(), folder / "vae.safetensors")
    return folder


def vace(folder: Path, *words: object) -> Result:
    rest = ("--vae", folder / "vae.safetensors", "--text-encoder", "starter")
    return CliRunner().invoke(app, ["text", *STILL, *map(str, (*rest, *words))])


def picture(folder: Path, out: Path, *words: object) -> torch.Tensor:
    done = vace(folder, "-o", out, *words)
    assert done.exit_code == 0, done.stderr
    return read_image(out)[0]


def test_the_twin_beside_a_high_noise_file_is_taken_and_said(folder, tmp_path):
    high, low = folder / "wan_high.safetensors", folder / "wan_low.safetensors"
    alone = tmp_path / "wan_high.safetensors"
    alone.symlink_to(high)
    pair = vace(folder, "-m", high, "-o", tmp_path / "pair.png")
    half = vace(folder, "-m", alone, "-o", tmp_path / "half.png")

    assert (pair.exit_code, half.exit_code) == (0, 0), pair.stderr + half.stderr
    assert letters(f"low noise {low}, below noise level 0.875") in letters(pair.stderr)
    said = f"high noise {alone}, for all noise levels: the other one of its pair was not found"
    assert letters(said) in letters(half.stderr)
    made, other = (read_image(tmp_path / f"{name}.png")[0] for name in ("pair", "half"))
    assert not torch.equal(made, other)
    given = picture(folder, tmp_path / "given.png", "-m", alone, "--low-noise", low)
    assert torch.equal(given, made)
    # Below a boundary of nothing there is no noise left for the second one.
    assert torch.equal(picture(folder, tmp_path / "never.png", "-m", high, "--boundary", "0"), other)


def test_a_pair_is_sampled_as_pairs_were_published(folder):
    wanted, whole = (Wanted(model=str(folder / f"{name}.safetensors")) for name in ("wan_high", "other"))
    assert options_of(wanted, Run()) == WAN.pair_options
    assert options_of(whole, Run()) == WAN.options
    assert options_of(whole, Run(low_noise=folder / "wan_low.safetensors")) == WAN.pair_options
    assert options_of(wanted, Run(shift=5.0)).shift == 5.0


NEGATIVES = {
    "none given": ((), WAN.options.negative_prompt),
    "another": (("--negative", "a blue star"), "a blue star"),
    "emptied": (("--negative", ""), ""),
    "the word": (("--negative", "none"), ""),
}


@pytest.mark.parametrize("name", NEGATIVES)
def test_the_negative_prompt_is_the_models_own_unless_another_or_none_is_asked_for(name, folder, tmp_path):
    words, wanted = NEGATIVES[name]
    shapes = text_encoder(2, 2, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    encoder = write_sparse(tmp_path / "umt5.safetensors", shapes)
    rest = ("--vae", folder / "vae.safetensors", "--text-encoder", encoder)
    command = ["text", *STILL, "-m", folder / "other.safetensors", "--strength", "0", "--dry-run", "--json", *rest]
    found = CliRunner().invoke(app, [*map(str, command), *words])

    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["negative_prompt"] == wanted
    assert letters(f"negative prompt {wanted or 'none'}") in letters(found.stderr)


def test_a_pair_of_bases_takes_a_pair_of_adapters(folder, tmp_path):
    whole = picture(folder, tmp_path / "whole.png", "-m", folder / "wan_high.safetensors")
    adapter = ("--adapter", folder / "module_HIGH.safetensors")
    halves = picture(folder, tmp_path / "halves.png", "-m", folder / "base_high.safetensors", *adapter)

    assert torch.equal(halves, whole)


def test_a_dry_run_counts_both(folder):
    adapter = ("--adapter", folder / "module_HIGH.safetensors")
    found = vace(folder, "-m", folder / "base_high.safetensors", *adapter, "--dry-run", "--json")

    assert found.exit_code == 0, found.stderr
    weights = json.loads(found.stdout)["cost"]["weights"]
    base, adapters = (
        4 * sum(value.numel() for value in module.state_dict().values())
        for module in (WanDit(SIZES), build_adapter(SIZES, (0, 1)))
    )
    vae = 4 * sum(value.numel() for value in vae_weights().values())
    assert weights == {
        "base": base, "adapter": adapters, "low-noise base": base, "low-noise adapter": adapters, "VAE": vae,
    }  # fmt: skip


def test_a_low_noise_base_without_an_adapter_is_refused(folder, tmp_path):
    adapter, low = tmp_path / "module_high.safetensors", folder / "base_low.safetensors"
    adapter.symlink_to(folder / "module_HIGH.safetensors")
    found = vace(folder, "-m", folder / "base_high.safetensors", "--adapter", adapter)

    assert found.exit_code == 3
    assert refused(found.exception) == f"low-noise-adapter: low_noise={low}"


def test_a_folder_of_two_experts_is_a_pair(folder, tmp_path):
    for noise in ("high", "low"):
        (tmp_path / f"{noise}_noise_model").mkdir()
        (tmp_path / f"{noise}_noise_model" / "a.safetensors").symlink_to(folder / f"wan_{noise}.safetensors")
    files = find_files(Wanted(model=str(tmp_path), text_encoder="starter"), Run(vae=folder / "vae.safetensors"))
    high, low = (tmp_path / f"{noise}_noise_model" for noise in ("high", "low"))

    assert files == Files(
        base=high, adapter=high, low_noise=low, low_noise_adapter=low, vae=folder / "vae.safetensors", text=None
    )


def test_a_text_encoder_of_another_width_is_refused_before_anything_is_made(folder, tmp_path):
    path = tmp_path / "narrow.safetensors"
    save_file(fill(WanDit(WanSizes(width=128, ffn=128, layers=1, text_width=64))).state_dict(), path)
    found = vace(folder, "-m", path, "--strength", "0", "-o", tmp_path / "a.png")

    assert found.exit_code == 4
    assert refused(found.exception) == f"text-width: path={path}, text_width=4096, width=64"


@pytest.mark.parametrize("place", ["file", "folder", "diffusers"])
def test_the_text_encoder_is_counted_wherever_it_lies(place, folder, tmp_path):
    shapes = text_encoder(2, 2, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    parent = tmp_path / "text_encoder" if place == "diffusers" else tmp_path
    parent.mkdir(exist_ok=True)
    path = write_sparse(parent / "model.safetensors", shapes)
    # Beside a text encoder, a folder of diffusers holds what is none.
    (tmp_path / "transformer").mkdir()
    files = Files(
        base=folder / "other.safetensors", adapter=None, vae=folder / "vae.safetensors",
        text=path if place == "file" else tmp_path,
    )  # fmt: skip

    assert read_sizes(files, Run()).weights["text"] == 2 * 4 * len(shapes)


def test_a_plan_knows_that_a_lora_changes_packed_weights(folder, tmp_path):
    shape, path = {"blocks.0.ffn.0.weight": (128, 128)}, tmp_path / "wan.safetensors"
    save_file(scaled_float8(load_file(folder / "other.safetensors")), path)
    lora = lora_files.write(tmp_path / "lora.safetensors", lora_files.kohya(factors(shape, ["blocks.0.ffn.0"])))
    plain = Files(base=path, adapter=None, vae=folder / "vae.safetensors", text=None)
    run = Run(memory=1.0)
    changed = read_sizes(replace(plain, lora=(Lora(path=lora),)), run).experts[0].unpacking
    # The largest weight, what the text becomes, is not the one that is changed.
    largest = 128 * SIZES.text_width
    assert read_sizes(plain, run).experts[0].unpacking == changed == 2 * largest
    shape = {"text_embedding.0.weight": (128, SIZES.text_width)}
    lora_files.write(lora, lora_files.kohya(factors(shape, ["text_embedding.0"])))
    assert read_sizes(replace(plain, lora=(Lora(path=lora),)), run).experts[0].unpacking == (2 + 4) * largest


def test_the_vae_works_in_tiles_where_that_is_asked_for(folder):
    files = Files(base=folder / "other.safetensors", adapter=None, vae=folder / "vae.safetensors", text=None)
    vae = load(files, Run(tile=64)).vae
    assert read_sizes(files, Run(tile=64)).tile == 64

    assert isinstance(vae, WanVae)
    assert vae.tile == 64


def letters(text: str) -> str:
    """Without white space: a table breaks lines anywhere."""
    return "".join(text.split())


def test_loras_change_the_network_they_are_for_and_are_said(folder, tmp_path):
    shape = {"blocks.0.ffn.0.weight": (128, 128), "vace_blocks.1.self_attn.v.weight": (128, 128)}
    named = factors(shape, [name.removesuffix(".weight") for name in shape])
    lora = lora_files.write(tmp_path / "small.safetensors", lora_files.kohya(named))
    scale = 0.5 * lora_files.ALPHA / lora_files.RANK
    for noise in ("high", "low"):
        whole = load_file(folder / f"wan_{noise}.safetensors")
        lora_files.write(tmp_path / f"wan_{noise}.safetensors", lora_files.added(whole, named, scale))
    model = ("-m", folder / "wan_high.safetensors")
    done = vace(folder, *model, "--lora", f"{lora}:0.5", "-o", tmp_path / "both.png")
    assert done.exit_code == 0, done.stderr
    assert "small.safetensors at 0.5" in done.stderr
    merged = picture(folder, tmp_path / "merged.png", "-m", tmp_path / "wan_high.safetensors")
    assert (read_image(tmp_path / "both.png")[0].int() - merged.int()).abs().max() <= 1
    each = ("--lora", f"{lora}:0.5:high", "--lora", f"{lora}:0.5:low")
    assert torch.equal(picture(folder, tmp_path / "each.png", *model, *each), read_image(tmp_path / "both.png")[0])
    assert not torch.equal(picture(folder, tmp_path / "high.png", *model, *each[:2]), merged)


def test_a_lora_that_fits_nowhere_is_refused_before_anything_is_read(folder, tmp_path):
    lora = lora_files.write(tmp_path / "other.safetensors", {"double_blocks.0.lora_up.weight": torch.zeros(1, 1)})
    for words in (("--dry-run",), ()):
        done = vace(folder, "-m", folder / "wan_high.safetensors", "--lora", lora, *words, "-o", tmp_path / "a.png")
        assert done.exit_code != 0
        assert refused(done.exception).startswith("lora-matches-nothing: count=1, ")


WRONG_FILES = {
    "VAE for the model": (("-m", "vae"), "found=the Wan 2.1 VAE, needed=a Wan text-to-video base"),
    "adapter for the model": (
        ("-m", "module_HIGH"), "found=a VACE adapter without base, needed=a Wan text-to-video base"
    ),
    "VAE for the adapter": (("-m", "other", "--adapter", "vae"), "found=the Wan 2.1 VAE, needed=a VACE adapter"),
    "base for the adapter": (
        ("-m", "other", "--adapter", "other"),
        "found=a Wan text-to-video base without adapter, needed=a VACE adapter",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_file_in_the_place_of_another_is_called_what_it_is(case, folder, tmp_path):
    words, said = WRONG_FILES[case]
    typed = [word if word.startswith("-") else folder / f"{word}.safetensors" for word in words]
    lora = lora_files.write(tmp_path / "l.safetensors", lora_files.kohya({"blocks.0.ffn.0": torch.zeros(2, 128, 2)}))
    for run in (("-o", tmp_path / "a.png"), ("--dry-run",), ("--dry-run", "--lora", lora)):
        done = vace(folder, *typed, *run)
        assert done.exit_code == 4
        assert refused(done.exception) == f"weights-other-part: {said}, path={typed[-1]}"


def test_a_transformer_is_no_vae(folder, tmp_path):
    done = vace(folder, "-m", folder / "wan_low.safetensors", "--vae", folder / "other.safetensors", "--dry-run")
    found = "a Wan text-to-video base without adapter"
    assert refused(done.exception) == (
        f"weights-other-part: found={found}, needed=the Wan 2.1 VAE, path={folder / 'other.safetensors'}"
    )


def test_a_dry_run_refuses_an_adapter_for_another_base(folder, tmp_path):
    adapter = fill(build_adapter(WanSizes(width=256, ffn=128, layers=4, text_width=4096), (0, 2))).state_dict()
    path = tmp_path / "wide.safetensors"
    named = {official_adapter_key(name): value.contiguous() for name, value in adapter.items()}
    save_file(named, path, {"vace_layers": "[0, 2]"})
    base = folder / "other.safetensors"
    for run in (("--dry-run",), ("-o", tmp_path / "a.png")):
        done = vace(folder, "-m", base, "--adapter", path, *run)
        assert refused(done.exception) == (
            f"adapter-width: adapter={path}, base={base}, base_blocks=2, base_ffn=128, base_width=128, ffn=128, "
            "least_blocks=3, width=256"
        )


def test_a_pair_the_wrong_way_round_or_of_one_file_is_refused(folder):
    high, low = folder / "wan_high.safetensors", folder / "wan_low.safetensors"
    swapped, same = (vace(folder, "-m", one, "--low-noise", high, "--dry-run") for one in (low, high))
    assert refused(swapped.exception) == f"experts-swapped: high={low}, low={high}"
    assert refused(same.exception) == f"experts-same: path={high}"
    alone = vace(folder, "-m", low, "--dry-run")
    assert letters("for all noise levels: for the pair give the high-noise one as --model") in letters(alone.stderr)


def test_options_that_would_do_nothing_or_harm_alone_are_said(folder):
    for model in (("-m", folder / "other.safetensors", "--strength", "0"), ("-m", "starter")):
        done = vace(folder, *model, "--boundary", "0.5", "--dry-run")
        assert refused(done.exception) == "boundary-without-pair: boundary=0.5"
    done = vace(folder, "-m", folder / "wan_high.safetensors", "--distilled", "lightx2v-4", "--dry-run")
    assert letters("--distilled was given without --lora") in letters(done.stderr)


def test_a_job_does_not_go_on_with_a_network_that_came_since(folder, tmp_path, monkeypatch):
    high, low, out = tmp_path / "wan_high.safetensors", tmp_path / "wan_low.safetensors", tmp_path / "a.png"
    high.symlink_to(folder / high.name)

    def full(*_: object, **__: object) -> None:
        raise InputError("disk-full", "It is full.")

    with monkeypatch.context() as patch:
        patch.setattr(import_module("vace_core.cli.run"), "write_result", full)
        assert vace(folder, "-m", high, "-o", out).exit_code == 3
    low.symlink_to(folder / low.name)
    found = CliRunner().invoke(app, ["resume", f"{out}.vace-job"])
    assert refused(found.exception) == f"job-file-new: path={low}"
    low.unlink()
    assert CliRunner().invoke(app, ["resume", f"{out}.vace-job"]).exit_code == 0
    assert torch.equal(read_image(out)[0], picture(folder, tmp_path / "half.png", "-m", high))


def test_files_without_their_model_are_refused_where_a_profile_plans_alone(folder):
    words = ("--profile", "wan-1.3b-480p", "--lora", "a.safetensors", "--dry-run")
    assert refused(vace(folder, *words).exception) == (
        "profile-some-files: given=--vae and --text-encoder and --lora, profile=wan-1.3b-480p"
    )
