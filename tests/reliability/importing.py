"""Rows 1 and 2: loading the pack with packages missing, and what loading costs and touches.

`python -m tests.reliability.importing --out FILE [--comfyui FOLDER] [--serve]` measures in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import logging
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from .offline import offline
from .pack import ROOT, Pack
from .row import Row

OPTIONAL = ("cv2", "av", "gguf", "transformers", "sentencepiece", "ftfy", "tqdm", "typer", "rich", "scipy", "kornia",
            "torchvision", "torchaudio", "diffusers")  # fmt: skip
NOISE = re.compile(r"error|warn|exception|traceback|fail|deprecat|cannot", re.IGNORECASE)


def blocked(pack: Pack) -> dict[str, Any]:
    """Row 1: the pack under a new name for each package that is missing, then without any of them."""
    from conftest import load_pack

    wanted, found = len(pack.module.by_id), {}
    for number, names in enumerate([*((name,) for name in pack.part(OPTIONAL, 4)), OPTIONAL]):
        before = {name: sys.modules.get(name) for name in names}
        sys.modules.update(dict.fromkeys(names))  # None: importing it fails
        try:
            count = len(load_pack(f"vace_without_{number}").by_id)
            found[" ".join(names)] = "loaded" if count == wanted else f"{count} nodes of {wanted}"
        except Exception as error:
            found[" ".join(names)] = f"{type(error).__name__}: {error}"
        finally:
            for name, module in before.items():
                if module is None:
                    sys.modules.pop(name, None)
                else:
                    sys.modules[name] = module
    return {"packs": found, "loaded": sum(one == "loaded" for one in found.values()), "cases": len(found)}


def library_alone() -> dict[str, Any]:
    """Row 1: the library where there is no ComfyUI, with each package missing."""
    found = {}
    for names in [*((name,) for name in OPTIONAL), OPTIONAL]:
        script = f"import sys; sys.modules.update(dict.fromkeys({names!r})); import vace_core, vace_core.pipeline"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        found[" ".join(names)] = "loaded" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
    return {"packs": found, "loaded": sum(one == "loaded" for one in found.values()), "cases": len(found)}


def _state() -> dict[str, Any]:
    """What loading must not change."""
    import numpy as np
    import torch

    return {
        "sys.path": list(sys.path),
        "sys.meta_path": [str(one) for one in sys.meta_path],
        "sys.argv": list(sys.argv),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch type and device": (torch.get_default_dtype(), str(torch.get_default_device())),
        "torch gradients": (
            torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "torch algorithms": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark,
                             torch.backends.cudnn.enabled, torch.backends.cudnn.deterministic),
        "torch precision": (torch.get_float32_matmul_precision(), torch.backends.cuda.matmul.allow_tf32,
                            torch.backends.cudnn.allow_tf32),
        "torch attention": (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled(),
                            torch.backends.cuda.mem_efficient_sdp_enabled()),
        "torch seed": (torch.initial_seed(), torch.get_rng_state().sum().item()),
        "CUDA": torch.cuda.is_initialized(),
        "numpy": (str(np.geterr()), str(np.get_printoptions())),
        "warnings": [str(one) for one in warnings.filters],
        "logging": (logging.root.level, [str(one) for one in logging.root.handlers], logging.raiseExceptions),
        "signals": [str(signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM)],
        "threads": threading.active_count(),
        "hooks": (str(sys.excepthook), str(sys.displayhook), str(sys.stdout), str(sys.stderr), sys.getrecursionlimit()),
    }  # fmt: skip


def cost(comfyui: Path | None, folder: Path) -> dict[str, Any]:
    """Row 2 in this process: seconds of the package itself and of its nodes, and what was changed."""
    import standin
    from boot import boot

    if comfyui:
        boot(comfyui, folder)
    else:
        standin.install()
    with offline() as attempts:
        before, start = _state(), time.perf_counter()
        spec = importlib.util.spec_from_file_location(
            "vace_timed", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["vace_timed"] = module
        spec.loader.exec_module(module)
        package = time.perf_counter()

        async def nodes() -> int:
            return len(await (await module.comfy_entrypoint()).get_node_list())

        count = asyncio.run(nodes())
        end = time.perf_counter()
        after = _state()
    return {
        "the package, s": package - start,
        "its nodes, s": end - package,
        "nodes": count,
        "changed": [name for name, value in before.items() if after[name] != value],
        "network attempts": len(attempts),
    }


def serve(comfyui: Path, folder: Path) -> None:
    """ComfyUI itself, started with its own test option: it loads every pack of its folder and ends."""
    import boot

    boot.declare_torchvision()
    boot.stand_in_for_torchaudio()
    os.chdir(comfyui)
    sys.path.insert(0, str(comfyui))
    sys.argv = [str(comfyui / "main.py"), "--cpu", "--quick-test-for-ci", "--disable-api-nodes", "--base-directory",
                str(folder)]  # fmt: skip
    runpy.run_path("main.py", run_name="__main__")


def served(python: str, comfyui: Path) -> dict[str, Any]:
    """Row 2: seconds that ComfyUI says the pack took, and lines of its log that are there only with the pack."""
    logs, seconds = [], []
    for with_pack in (False, True, True):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "custom_nodes").mkdir()
            if with_pack:
                (folder / "custom_nodes" / "vace").symlink_to(ROOT)
            command = [python, "-m", "tests.reliability.importing", "--serve", "--comfyui", str(comfyui), "--out", "-"]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(
                command,
                env={**environment, "VACE_FOLDER": name},
                capture_output=True,
                text=True,
                check=False,
                timeout=560,
            )
            log = (done.stdout + done.stderr).replace(name, "FOLDER")
            logs.append([re.sub(r"\d+", "N", line.strip()) for line in log.splitlines() if line.strip()])
            found = re.search(r"([\d.]+) seconds(.*): .*vace\s*$", log, re.MULTILINE)
            if with_pack:
                seconds.append(float(found[1]) if found and "FAILED" not in found[2] else None)
    new = [line for line in logs[2] if line not in logs[0] and NOISE.search(line) and "seconds" not in line]
    return {"seconds in ComfyUI": seconds, "errors and warnings": new, "lines of the log": len(logs[2])}


def row_1(hosts: dict[str, dict[str, Any]], alone: dict[str, Any]) -> Row:
    parts = [*hosts.values(), alone]
    loaded, cases = (sum(one[key] for one in parts) for key in ("loaded", "cases"))
    return Row(
        1,
        f"{loaded} of {cases}",
        loaded == cases,
        f"{len(OPTIONAL)} packages missing one by one and all together: the pack in each ComfyUI and on the stand-in, "
        "the library alone.",
    )


def row_2(costs: dict[str, dict[str, Any]], servers: dict[str, dict[str, Any]]) -> Row:
    package = max(one["the package, s"] for one in costs.values())
    changed = [name for one in costs.values() for name in one["changed"]]
    network = sum(one["network attempts"] for one in costs.values())
    seconds = [one for host in servers.values() for one in host["seconds in ComfyUI"]]
    noise = sum(len(one["errors and warnings"]) for one in servers.values())
    best = [min((s for s in one["seconds in ComfyUI"] if s is not None), default=None) for one in servers.values()]
    loaded = bool(seconds) and None not in best
    said = ", ".join(f"{one:.1f} s in {name}" if one is not None else f"failed in {name}"
                     for name, one in zip(servers, best, strict=True))  # fmt: skip
    return Row(
        2,
        f"the package {package * 1000:.0f} ms; with all nodes {said or 'not measured in ComfyUI'}; side effects "
        f"{len(changed)}, network attempts {network}, errors and warnings in ComfyUI's log {noise}",
        (package < 0.2 and max(best) < 1 and not changed and not network and not noise) if loaded else None,
        "Process state (paths, environment, torch's flags, threads, seeds, signals, log and warning settings) before "
        "and after, network cut off; ComfyUI's own report of its custom nodes, and its log with the pack against "
        "without.",
        {"changed": changed},
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--comfyui", type=Path)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.serve:
        serve(options.comfyui, Path(os.environ["VACE_FOLDER"]))
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(options.out).write_text(json.dumps(cost(options.comfyui, Path(folder).resolve())))


HOSTED = {1: blocked}

if __name__ == "__main__":
    main()
