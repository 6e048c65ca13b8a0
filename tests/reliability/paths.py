"""Rows 16, 17 and 26 in the loaders: names that escape, files that are damaged, folders that are empty."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import torch

from .offline import offline
from .pack import Pack, tiny_starter
from .row import Row, tally

NAMES = (
    "../x.safetensors", "../../x.safetensors", "../vae/../../x.safetensors", "a/../../../x.safetensors",
    "./../x.safetensors", "....//....//x.safetensors", "..\\x.safetensors", "..\\..\\x.safetensors",
    "..%2fx.safetensors",
    "%2e%2e/x.safetensors", "/etc/passwd", "//etc/passwd", "/proc/self/environ", "file:///etc/passwd",
    "http://127.0.0.1/x.safetensors", "~/x.safetensors", "$HOME/x.safetensors", "C:\\x.safetensors", "C:/x.safetensors",
    "\\\\server\\share\\x.safetensors", "x.safetensors [output]", "x.safetensors [input]", "x.safetensors [temp]",
    "../x.safetensors [output]", "x.safetensors\0.png", "\0", "", ".", "..", "/", " ", "CON", "nul.safetensors",
    "x" * 5000 + ".safetensors", "x\n.safetensors", "‥/x.safetensors", "vae/../../x.safetensors",
)  # fmt: skip
WIDGETS = ("model", "vae", "text_encoder", "low_noise_model")
FOLDERS = {"model": "diffusion_models", "vae": "vae", "text_encoder": "text_encoders",
           "low_noise_model": "diffusion_models"}  # fmt: skip


def escapes(pack: Pack) -> dict[str, Any] | None:
    """Row 16: each name in each widget that names a file, through the server's check and past it."""
    if pack.comfy is None:
        return None
    models = pack.folder / "models"
    for kind in (*FOLDERS.values(), "model_patches"):
        (models / kind).mkdir(parents=True, exist_ok=True)
    for outside in (pack.folder, models, pack.folder / "output", pack.folder / "input"):
        outside.mkdir(exist_ok=True)
        (outside / "x.safetensors").write_bytes(b"secret")
    allowed = [os.path.realpath(models / kind) for kind in (*FOLDERS.values(), "model_patches", "checkpoints")]
    host, found, escaped, passed = pack.module.nodes.comfy.host, [], [], 0
    for name in NAMES:
        for folder in sorted(set(FOLDERS.values())):
            kind, got = pack.outcome(host.model_path, name, folder)
            found.append((f"{folder}: {name[:60]!r}", kind if kind != "handled" else "found", got))
            if kind == "handled" and not any(os.path.realpath(got).startswith(root + os.sep) for root in allowed):
                escaped.append(f"{folder}: {name[:60]!r} -> {got}")
        for node, values in _loaders(name):
            found.append((f"{node}: {name[:60]!r}", *_refused(pack.outcome(pack.run, node, **values))))
            passed += _validates(pack, node, values)
    link = models / "vae" / "link.safetensors"
    link.symlink_to(pack.folder / "x.safetensors")
    followed = pack.outcome(host.model_path, "link.safetensors", "vae")[0] == "handled"
    return {
        **tally(found),
        "escapes": escaped,
        "let through by the server's own check": passed,
        "links in the folder are followed, as ComfyUI does": followed,
    }


def _loaders(name: str) -> list[tuple[str, dict[str, Any]]]:
    good = dict.fromkeys(WIDGETS, "x.safetensors") | {"low_noise_model": "none"}
    return [("VaceLoadModel", {**good, widget: name}) for widget in WIDGETS] + [("VaceLoadAdapter", {"adapter": name})]


def _refused(outcome: tuple[str, Any]) -> tuple[str, Any]:
    return ("loaded", "a file was loaded") if outcome[0] == "handled" else outcome


def _validates(pack: Pack, node: str, values: dict[str, Any]) -> bool:
    prompt = {"1": {"class_type": node, "inputs": {"boundary": 0.875, **values}},
              "2": {"class_type": "VaceSampleVideo", "inputs": {"model": ["1", 0]}}}  # fmt: skip
    assert pack.comfy is not None
    try:
        return bool(asyncio.run(pack.comfy.execution.validate_inputs("1", prompt, "1", {}))[0])
    except TypeError:  # older and newer ComfyUIs differ in its arguments
        return bool(asyncio.run(pack.comfy.execution.validate_inputs("1", prompt, "1", {}, {}))[0])


def damaged(pack: Pack) -> dict[str, Any] | None:
    """Row 17: broken weights in every widget that takes weights."""
    if pack.comfy is None:
        return None
    from . import corpus

    made = pack.folder / "corpus"
    made.mkdir()
    os.chdir(pack.folder)
    models, found = pack.folder / "models", []
    _good_files(pack)
    good = {"model": "good.safetensors", "vae": "good.safetensors", "text_encoder": "good.safetensors"}
    for case, (path, _) in corpus.weights(made).items():
        if path.suffix == ".gguf" or path.is_dir():
            continue
        name = f"bad{path.suffix}"
        for widget in WIDGETS:
            target = models / FOLDERS[widget] / name
            target.write_bytes(path.read_bytes())
            outcome = pack.outcome(pack.run, "VaceLoadModel", **{**good, "low_noise_model": "none", widget: name})
            found.append((f"{case} as {widget}", *_refused(outcome)))
            target.unlink()
        target = models / "diffusion_models" / name
        target.write_bytes(path.read_bytes())
        found.append((f"{case} as adapter", *_refused(pack.outcome(pack.run, "VaceLoadAdapter", adapter=name))))
        target.unlink()
    return tally(found)


def _good_files(pack: Pack) -> None:
    from filling import fill
    from safetensors.torch import save_file
    from tiny_files import full_weights

    core, models = pack.module.vace_core, pack.folder / "models"
    vae = fill(core.models.wan.vae.WanVaeNetwork(width=4, blocks=1), 3).state_dict()
    for kind, weights in (
        ("diffusion_models", full_weights(core)),
        ("vae", vae),
        ("text_encoders", {"shared.weight": torch.zeros(8, 4096)}),
    ):
        (models / kind).mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in weights.items()}, models / kind / "good.safetensors")


def absent(pack: Pack) -> dict[str, Any] | None:
    """Row 26: nothing in the model folders, no network."""
    if pack.comfy is None:
        return None
    with offline() as attempts:
        found = _absent(pack)
    return {**tally(found), "network attempts": len(attempts)}


def _absent(pack: Pack) -> list[tuple[str, str, Any]]:
    for path in (pack.folder / "models").rglob("*"):
        if path.is_file() or path.is_symlink():
            path.unlink()
    found = []
    _good_files(pack)
    names = {"model": "good.safetensors", "vae": "good.safetensors", "text_encoder": "good.safetensors"}
    for widget in WIDGETS:
        values = {**names, "low_noise_model": "none", widget: "absent.safetensors"}
        got = pack.outcome(pack.run, "VaceLoadModel", **values)
        found.append((f"VaceLoadModel.{widget}", *_named(got, "absent.safetensors", FOLDERS[widget])))
    got = pack.outcome(pack.run, "VaceLoadAdapter", adapter="absent.safetensors")
    found.append(("VaceLoadAdapter", *_named(got, "absent.safetensors", "diffusion_models")))
    for path in (pack.folder / "models").rglob("*.safetensors"):
        path.unlink()
    for node, values in (
        ("VaceLoadModel", {**dict.fromkeys(WIDGETS[:3], ""), "low_noise_model": "none"}),
        ("VaceLoadAdapter", {"adapter": ""}),
    ):
        found.append(
            (f"{node}, no file at all", *_named(pack.outcome(pack.run, node, **values), "", "diffusion_models"))
        )
    tiny_starter(pack)
    weights = pack.module.vace_core.starter.model.WEIGHTS
    for part in ("vae", "base", "adapter"):
        path: Path = weights / f"{part}.safetensors"
        kept = path.read_bytes()
        path.unlink()
        got = pack.outcome(pack.run, "VaceLoadStarter")
        found.append((f"VaceLoadStarter without {part}", *_named(got, f"{part}.safetensors", str(weights))))
        path.write_bytes(kept)
    return found


def _named(outcome: tuple[str, Any], *wanted: str) -> tuple[str, Any]:
    kind, got = outcome
    if kind == "handled":
        return "loaded", "something was loaded"
    return (kind, got) if kind == "cryptic" or all(one in got for one in wanted) else ("not named", got)


def row_16(hosts: dict[str, dict[str, Any]]) -> Row:
    total = sum(one["cases"] for one in hosts.values())
    bad = sum(len(one["bad"]) for one in hosts.values())
    escaped = [name for one in hosts.values() for name in one["escapes"]]
    return Row(
        16,
        f"{len(escaped)} of {total}" + (f"; {bad} cryptic" if bad else ", each refused in a sentence"),
        not escaped and not bad,
        f"{len(NAMES)} names (../, absolute, drives, shares, addresses, NUL, [output], devices, endless) in every "
        "widget that names a file, through the server's check and past it. Links that the owner of the computer puts "
        "into a model folder are followed, as ComfyUI does.",
    )


def row_26(hosts: dict[str, dict[str, Any]]) -> Row:
    total, said, attempts = (
        sum(one.get(key, 0) for one in hosts.values()) for key in ("cases", "said", "network attempts")
    )
    return Row(
        26,
        f"{said} of {total} name file and folder; network attempts {attempts}",
        said == total and not attempts,
        "Each widget of the loaders with a file that is not there, all folders empty, and the starter without each of "
        "its files; the network is cut off and watched.",
    )


HOSTED = {16: escapes, 17: damaged, 26: absent}
ROWS = {16: row_16, 26: row_26}
