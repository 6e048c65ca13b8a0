"""Rows 5, 19 and 21: what every node has, what else is installed beside the pack, other systems."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from .pack import ROOT
from .row import Row

PACKS = {
    # As published; a newer version may ask for more.
    "VideoHelperSuite": ["opencv-python-headless", "imageio-ffmpeg"],
    "KJNodes": ["librosa", "numpy", "pillow>=10.3.0", "scipy", "color-matcher", "matplotlib", "huggingface_hub",
                "opencv-python-headless"],
    "controlnet_aux": ["torch", "importlib_metadata", "huggingface_hub", "scipy", "opencv-python>=4.7.0.72", "filelock",
                       "numpy", "Pillow", "einops", "torchvision", "pyyaml", "scikit-image", "python-dateutil",
                       "mediapipe", "svglib", "fvcore", "yapf", "omegaconf", "ftfy", "addict", "yacs", "trimesh[easy]"],
    "segment-anything-2": ["pyyaml", "numpy<=1.26.4"],
}  # fmt: skip
SUITES = {
    "numpy 1.26, OpenCV 4.11": ("numpy==1.26.4", "opencv-python-headless==4.11.0.86"),
    "numpy 2, OpenCV 4.14": ("opencv-python-headless==4.14.0.94",),
    "numpy 2, OpenCV 5.0": ("opencv-python-headless==5.0.0.93",),
}
TESTED = ("test_masks", "test_layout", "test_layout_json", "test_controls", "test_control_checks", "test_preview",
          "test_references", "test_pictures", "test_video", "test_fitting", "test_composite", "test_vcu", "test_tasks",
          "test_evaluation", "test_world", "test_hostile_files")  # fmt: skip
POSIX = {"fcntl", "pwd", "grp", "termios", "resource", "posix", "curses", "readline", "pty", "tty"}
ASKED = ("/proc/self/status",)  # read where it is there, and done without where not
RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))}


def coverage(pack_forms: dict[str, Any]) -> dict[str, Any]:
    """Row 5: for each node a workflow that shows it, a help page with an image, and a tooltip everywhere."""
    shown: set[str] = set()
    graphs = [*(ROOT / "workflows").glob("*.json"), *(ROOT / "subgraphs").glob("*.json")]
    for path in graphs:
        shown |= set(re.findall(r'"type": ?"(Vace\w+)"', path.read_text(encoding="utf-8")))
    lacks: dict[str, list[str]] = {"workflow": [], "help page": [], "image in it": [], "tooltips": []}
    for node_id, form in pack_forms.items():
        page = ROOT / "web" / "docs" / f"{node_id}.md"
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        specs = [spec for group in ("required", "optional") for spec in form["input"].get(group, {}).values()]
        said = all(len(spec) > 1 and spec[1].get("tooltip") for spec in specs) and all(form["output_tooltips"])
        for what, there in (
            ("workflow", node_id in shown),
            ("help page", bool(text)),
            ("image in it", "![" in text),
            ("tooltips", said and bool(form["description"])),
        ):
            if not there:
                lacks[what].append(node_id)
    return {"nodes": len(pack_forms), "graphs": len(graphs), "lack": lacks}


def standin_forms() -> dict[str, Any]:
    """Every node's form, from the stand-in."""
    script = (
        "import json, sys, tempfile, pathlib; from tests.reliability.pack import start\n"
        "pack = start(None, pathlib.Path(tempfile.mkdtemp()))\n"
        "print('FORMS' + json.dumps({i: n.GET_NODE_INFO_V1() for i, n in pack.module.by_id.items()}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.split("FORMS", 1)[1])


def resolved(comfyuis: dict[str, Path]) -> dict[str, Any]:
    """Row 19: pip, asked to install the pack beside ComfyUI and the packs it is used with, for each ComfyUI."""
    found = {}
    ours = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for name, path in comfyuis.items():
        for others in ((), tuple(PACKS)):
            # Frontends and sounds play no part, and some have no wheels here.
            theirs = [line for line in (path / "requirements.txt").read_text(encoding="utf-8").splitlines()
                      if line.strip() and not re.match(r"#|comfy|torchaudio|torchvision|torchsde", line)]  # fmt: skip
            wanted = [*theirs, *(one for pack in others for one in PACKS[pack] if one != "torchvision")]
            case = f"{name}{' with ' + ', '.join(others) if others else ''}"
            without, with_us = _asked(wanted), _asked([*wanted, *ours.splitlines()])
            found[case] = {"without us": without[0], "with us": with_us[0], "we add": sorted(with_us[1] - without[1])}
    return found


def _asked(wanted: list[str]) -> tuple[str, set[str]]:
    """Whether pip finds versions for all of it, and which packages these are."""
    lines = [line for line in wanted if line.strip() and not line.startswith("#")]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-",
               *lines]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:300], set()
    report = json.loads(done.stdout[done.stdout.index("{") :])
    return "resolved", {f"{one['metadata']['name']}=={one['metadata']['version']}" for one in report["install"]}


def suites(folder: Path) -> dict[str, Any]:
    """Row 19: the tests that draw and count, with each of the numpys and OpenCVs in front of the usual packages."""
    found = {}
    for name, wanted in SUITES.items():
        place = folder / re.sub(r"\W+", "-", name)
        if not place.is_dir():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place), "--no-deps", *wanted]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                found[name] = {"passed": 0, "failed": -1, "said": done.stderr.strip()[-300:]}
                continue
        files = [f"tests/core/{one}.py" for one in TESTED]
        environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
        versions = subprocess.run(
            [sys.executable, "-c", "import cv2, numpy; print(numpy.__version__, cv2.__version__)"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|errors?)", done.stdout[-2000:])}
        if not counts:  # quiet runs of newer pytest print dots only
            counts = {"passed": done.stdout.count("."), "failed": done.stdout.count("F")}
        failures = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
        found[name] = {**counts, "exit": done.returncode, "versions": versions.stdout.strip(), "failures": failures}
    return found


def portable() -> dict[str, Any]:
    """Row 21: what would break elsewhere, found in the sources; then the command on a Windows code page."""
    return {**unportable(), "commands": _commands(), "meta": meta()}


def unportable() -> dict[str, Any]:
    """Row 21: faults in the sources and the names of files."""
    found: list[str] = []
    for path in (ROOT / "__init__.py", *(ROOT / "nodes").rglob("*.py"), *(ROOT / "vace_core").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in sorted(_faults(tree))]
    names = [str(path.relative_to(ROOT)) for path in _shipped()]
    lower = [name.lower() for name in names]
    found += [f"{name}: differs from another by case only" for name in names if lower.count(name.lower()) > 1]
    found += [
        f"{name}: no name for Windows"
        for name in names
        if re.search(r'[<>:"|?*\\]|[. ]$', name) or {part.split(".")[0].lower() for part in Path(name).parts} & RESERVED
    ]
    return {"files": len(names), "faults": found}


def _faults(tree: ast.Module) -> set[tuple[int, str]]:
    found, fine = set(), _guarded(tree)
    for node in ast.walk(tree):
        if id(node) in fine:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"cuda(:\d+)?", node.value):
                found.add((node.lineno, 'hard-coded "cuda"'))
            if node.value not in ASKED and re.match(r"/(tmp|dev|var|home|usr|etc|proc)\b", node.value):
                found.add((node.lineno, f"path of one system {node.value!r}"))
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            named = {one.arg for one in node.keywords}
            if name == "cuda":
                found.add((node.lineno, ".cuda()"))
            if name in ("read_text", "write_text") and "encoding" not in named and len(node.args) < 2:
                found.add((node.lineno, f"{name} without an encoding"))
            mode = node.args[0 if isinstance(node.func, ast.Attribute) else 1 :][:1]
            binary = any(isinstance(one, ast.Constant) and "b" in str(one.value) for one in mode)
            other = re.search(r"av|image_module|Image|container|^os\.|Folder", ast.unparse(node.func))
            if name == "open" and not binary and "encoding" not in named and not other:
                found.add((node.lineno, "open without an encoding"))
            if name in ("fork", "symlink", "mkfifo", "geteuid", "getuid", "setrlimit"):
                found.add((node.lineno, f"{name} is not everywhere"))
        if isinstance(node, ast.Import) and {one.name.split(".")[0] for one in node.names} & POSIX:
            found.add((node.lineno, f"{ast.unparse(node)} is not everywhere"))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in POSIX:
            found.add((node.lineno, f"{ast.unparse(node)} is not everywhere"))
    return found


def _guarded(tree: ast.Module) -> set[int]:
    """Docstrings; devices that are compared or looked up, or taken only where they are; imports that may fail."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            found.add(id(node.value))
        elif isinstance(node, ast.IfExp) and "is_available" in ast.unparse(node.test):
            found |= {id(node.body), id(node.orelse)}
        elif isinstance(node, ast.Compare):
            found |= {id(part) for one in node.comparators for part in ast.walk(one)}
        elif isinstance(node, ast.If) and "sys.platform" in ast.unparse(node.test):
            found |= {id(one) for one in (*node.body, *node.orelse)}
        elif isinstance(node, ast.Dict):
            found |= {id(one) for one in node.keys}
        elif isinstance(node, ast.Try) and any("ImportError" in ast.unparse(one) for one in node.handlers):
            found |= {id(one) for one in node.body}
    return found


def _shipped() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                            check=False)  # fmt: skip
    return [ROOT / line for line in listed.stdout.splitlines()]


def _commands() -> dict[str, str]:
    """The command where text is written in a Windows code page, and where it is plain ASCII."""
    found = {}
    for page in ("cp1252", "cp437", "ascii"):
        for words in (["--help"], ["inpaint", "--help"], ["no-such-task"], ["sizes"]):
            environment = {**os.environ, "PYTHONIOENCODING": page, "PYTHONUTF8": "0", "LC_ALL": "C", "NO_COLOR": "1"}
            done = subprocess.run([sys.executable, "-m", "vace_core", *words], cwd=ROOT, env=environment,
                                  capture_output=True, check=False)  # fmt: skip
            failed = b"Traceback" in done.stderr or b"UnicodeEncodeError" in done.stderr
            found[f"{page}: {' '.join(words)}"] = done.stderr.decode(errors="replace")[-300:] if failed else "fine"
    return found


def meta() -> dict[str, str]:
    """The tiny model on the device "meta": whatever is made on another device by mistake stops it."""
    import tiny

    base, vae = tiny.base().to("meta"), tiny.vae()
    vae.network.to("meta")
    latents = torch.zeros(1, 16, 3, 4, 6, device="meta")
    try:
        with torch.inference_mode():
            frames, back = vae.decode(latents), vae.encode(torch.zeros(1, 3, 9, 32, 48, device="meta"))
            text = base.prepare_text(torch.zeros(1, 4, 32, device="meta"))
            made = base(latents, torch.zeros(1), text)  # noise levels stay on the CPU
    except Exception as error:  # whatever a user would see
        return {"out": "", "error": f"{type(error).__name__}: {error}"[-400:]}
    return {"out": f"{tuple(frames.shape)} {tuple(back.shape)} {tuple(made.shape)}", "error": ""}


def row_5(found: dict[str, Any]) -> Row:
    total, lack = found["nodes"], found["lack"]
    parts = [f"{what} {total - len(names)} of {total}" for what, names in lack.items()]
    missing = {name for names in lack.values() for name in names}
    return Row(
        5,
        ", ".join(parts) + (f"; lacking something: {', '.join(sorted(missing))}" if missing else ""),
        not missing,
        f"The forms of all nodes against {found['graphs']} workflows and blueprints and web/docs.",
    )


def row_19(found: dict[str, Any], tested: dict[str, Any]) -> Row:
    conflicts = [
        name for name, one in found.items() if one["with us"] != "resolved" and one["without us"] == "resolved"
    ]
    theirs = [name for name, one in found.items() if one["without us"] != "resolved"]
    green = [name for name, one in tested.items() if one.get("exit") == 0]
    added = sorted({one.split("==")[0] for case in found.values() for one in case["we add"]})
    return Row(
        19,
        f"{len(conflicts)} conflicts in {len(found)} resolutions; packages added at most {len(added)} "
        f"({', '.join(added)}); suites green {len(green)} of {len(tested)}"
        + (f"; not resolvable even without us: {', '.join(theirs)}" if theirs else ""),
        not conflicts and len(green) == len(tested) and bool(found),
        f"pip, asked for our requirements beside ComfyUI's, and beside those of ComfyUI and {', '.join(PACKS)}; tests "
        f"of {len(TESTED)} modules with {', '.join(tested)}. Without OpenCV: row 1.",
    )


def row_21(found: dict[str, Any]) -> Row:
    failed = [name for name, said in found["commands"].items() if said != "fine"]
    return Row(
        21,
        f"{sum('cuda' in one for one in found['faults'])} hard-coded devices, {len(found['faults'])} other faults of "
        f"portability; the command on {len(found['commands'])} code pages and texts: {len(failed)} failures; on the "
        f"device meta: {'runs' if not found['meta']['error'] else 'stops'}",
        not found["faults"] and not failed and not found["meta"]["error"],
        "Sources searched for devices, paths, encodings and modules of one system; file names for Windows; the command "
        "with cp1252, cp437 and ASCII; model and VAE on a device that is neither CPU nor CUDA.",
    )
