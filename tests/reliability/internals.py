"""Rows 3 and 20: the nodes' forms against the frozen ones, and ComfyUI's symbols taken away one by one."""

from __future__ import annotations

import builtins
import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .material import FakeVae, clip, conditioning, left_half
from .pack import ROOT, Pack, tiny_starter
from .row import Row


class Lacking:
    """A module of ComfyUI as the pack would see it without one of its names."""

    def __init__(self, module: Any, gone: str, parts: dict[str, Any]) -> None:
        self._module, self._gone, self._parts = module, gone, parts

    def __getattr__(self, name: str) -> Any:
        if name == self._gone:
            raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")
        return self._parts[name] if name in self._parts else getattr(self._module, name)


@contextmanager
def _without(gone_module: str, gone: str) -> Iterator[None]:
    """Takes a name away from what the pack imports, and leaves it to ComfyUI itself."""
    real = builtins.__import__

    def lacking(name: str, within: Any = None, local: Any = None, wanted: Any = (), level: int = 0) -> Any:
        found = real(name, within, local, wanted, level)
        if level or not str((within or {}).get("__name__", "")).startswith("vace_pack"):
            return found
        if name == gone_module and wanted and gone in wanted:
            raise ImportError(f"cannot import name {gone!r} from {name!r}")
        parent, _, part = gone_module.rpartition(".")
        if name == gone_module and not wanted and not parent:
            return Lacking(found, gone, {})
        if name == parent and wanted and part in wanted:
            return Lacking(found, "", {part: Lacking(sys.modules[gone_module], gone, {})})
        return found

    builtins.__import__ = lacking
    try:
        yield
    finally:
        builtins.__import__ = real


def forms(pack: Pack) -> dict[str, Any]:
    """Row 3: every frozen input and output, by place, name and type."""
    frozen = json.loads((ROOT / "tests" / "nodes" / "forms.json").read_text(encoding="utf-8"))
    drift, inputs = [], 0
    for node_id, form in frozen.items():
        node = pack.module.by_id.get(node_id)
        if node is None:
            drift.append(f"{node_id} is gone")
            continue
        info = node.GET_NODE_INFO_V1()
        now = [[name, _kind(spec)] for group in ("required", "optional")
               for name, spec in info["input"].get(group, {}).items()]  # fmt: skip
        inputs += len(form["inputs"])
        before = [[name, kind if isinstance(kind, str) else "COMBO"] for name, kind in form["inputs"]]
        # Appending is allowed: saved graphs keep their values by place.
        required = len(info["input"].get("required", {}))
        if now[: len(before)] != before:
            drift.append(f"{node_id}: {before} is now {now}")
        elif len(now) > len(before) and required > len(before):
            drift.append(f"{node_id} needs more than before")
        if [list(pair) for pair in zip(info["output_name"], info["output"], strict=True)][
            : len(form["outputs"])
        ] != form["outputs"]:
            drift.append(f"{node_id}: outputs")
    return {"nodes": len(frozen), "inputs": inputs, "drift": drift}


def _kind(spec: Any) -> str:
    return spec[0] if isinstance(spec[0], str) else "COMBO"


def symbols(pack: Pack) -> dict[str, Any]:
    """Row 20: each symbol of ComfyUI that is imported, there and taken away."""
    from test_host import API, imports

    wanted = sorted(set().union(*(imports(path) for path in (ROOT / "nodes").rglob("*.py"))) - API)
    found: dict[str, Any] = {"symbols": [".".join(one) for one in wanted]}
    if pack.comfy is None:
        return found
    from conftest import load_pack

    found["missing here"] = [
        f"{module}.{name}" for module, name in wanted if not hasattr(importlib.import_module(module), name)
    ]
    outcomes = {}
    for number, (module, name) in enumerate(wanted):
        with _without(module, name):
            try:
                # The pack imports only these while it is loaded; a few loads show that.
                if number % 4 == 0 or module == "folder_paths":
                    assert len(load_pack(f"{pack.module.__name__}_{number}").by_id) == len(pack.module.by_id)
                outcomes[f"{module}.{name}"] = pack.outcome(_job, pack)
            except Exception as error:
                outcomes[f"{module}.{name}"] = ("pack absent", str(error))
    found["works without"] = [name for name, (kind, _) in outcomes.items() if kind == "handled"]
    found["said without"] = [name for name, (kind, _) in outcomes.items() if kind == "said"]
    found["cryptic without"] = {n: got for n, (kind, got) in outcomes.items() if kind not in ("handled", "said")}
    return found


def _job(pack: Pack) -> None:
    """The starter from loading to images, and conditioning for the stock samplers."""
    model = tiny_starter(pack)
    vcu = pack.run("VaceInpaintVideo", images=clip(), mask=left_half(), fit="as it is")[0]
    samples = pack.run("VaceSampleVideo", model=model, vcu=vcu, steps=1, cfg=1.0, shift=3.0)[0]
    pack.run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=model)
    text = conditioning()
    pack.run("VaceApplyVCU", positive=text, negative=text, vae=FakeVae(), vcu=vcu, strength=1.0)


def row_3(hosts: dict[str, dict[str, Any]]) -> Row:
    drift = [one for host in hosts.values() for one in host["drift"]]
    inputs = sum(one["inputs"] for one in hosts.values())
    return Row(
        3,
        f"{len(drift)} of {inputs} inputs of {max(one['nodes'] for one in hosts.values())} nodes",
        not drift,
        "object_info of each ComfyUI against tests/nodes/forms.json, by place, name and type; appending is allowed.",
    )


def row_20(hosts: dict[str, dict[str, Any]]) -> Row:
    real = {name: one for name, one in hosts.items() if "missing here" in one}
    count = max(len(one["symbols"]) for one in hosts.values())
    missing = sum(len(one["missing here"]) for one in real.values())
    cryptic = {name for one in real.values() for name in one["cryptic without"]}
    works = min((len(one["works without"]) for one in real.values()), default=0)
    return Row(
        20,
        f"{count} symbols, {missing} absent; taken away one by one, the starter runs without {works}, "
        f"{len(cryptic)} unguarded" + (f" ({', '.join(sorted(cryptic))})" if cryptic else ""),
        (not missing and not cryptic) if real else None,
        "Each symbol that the pack imports from ComfyUI is looked up in both, then kept from it. It must load, and "
        "the starter must run or say in a sentence what is missing.",
    )


HOSTED = {3: forms, 20: symbols}
ROWS = {3: row_3, 20: row_20}
