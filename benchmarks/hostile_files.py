"""Hostile files, given to a running ComfyUI: how many kill it, and how many end in anything but a sentence.

    PYTHON_OF_COMFYUI benchmarks/hostile_files.py COMFYUI [--count 300] [--seed 0]

The files of tests/mutants.py: weights and LoRA through every widget of the loaders that they can be chosen in, boxes as
the text of a widget, pictures and videos through ComfyUI's own loaders (whose own errors are counted apart), and all of
them, with plans of long clips and folders of jobs, by the library's readers beside it. After every batch of 50 a normal
prompt is run anew and must give the same pixels. Writes benchmarks/results/hostile_files.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "nodes"), str(ROOT / "tests")]

from graphs import chain  # noqa: E402
from mutants import Mutant, mutants, read  # noqa: E402

import vace_core  # noqa: E402
from tests.workflows.server import Server  # noqa: E402
from tools.workflows.parts import SMALL, TEXT, VAE  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "hostile_files.json"
BATCH = 50
WIDGETS = {"model": "diffusion_models", "vae": "vae", "text_encoder": "text_encoders",
           "low_noise_model": "diffusion_models", "adapter": "diffusion_models"}  # fmt: skip
GGUF = ("model", "low_noise_model", "adapter")  # the widgets that offer it, of the folder that ComfyUI-GGUF registers
GGUF_PACK = """from pathlib import Path
import folder_paths
folder_paths.folder_names_and_paths["unet_gguf"] = ([str(Path(folder_paths.models_dir) / "unet_gguf")], {".gguf"})
NODE_CLASS_MAPPINGS = {}
"""


def normal(seed: int) -> dict[str, Any]:
    """A prompt as people send it; nothing of it comes out of a cache, for its name for the file is new."""
    return chain(
        clip=("VaceExampleClip", {"scene": "circle that moves right", "length": 17}),
        model=("VaceLoadStarter", {}),
        task=("VaceInpaintVideo", {"images": ("clip", 0), "mask": ("clip", 2), "fps": ("clip", 1), "fit": "starter",
                                   "prompt": "a red circle moves right" + " " * seed, "negative_prompt": ""}),
        sample=("VaceSampleVideo", {"model": ("model", 0), "vcu": ("task", 0), "seed": 1, "steps": 2, "cfg": 2.0,
                                    "shift": 0.0, "sampler": "unipc", "strength": 1.0, "start_percent": 0.0,
                                    "end_percent": 1.0}),
        decode=("VaceDecodeVideo", {"samples": ("sample", 0), "vcu": ("task", 0), "vae": ("model", 0), "feather": 0,
                                    "match_colour": False}),
        look=("SaveImage", {"images": ("decode", 0), "filename_prefix": f"normal{seed}"}),
    )  # fmt: skip


def normal_hash(server: Server, seed: int) -> str:
    from PIL import Image

    history = server.run(normal(seed))
    assert history["status"]["status_str"] == "success", history["status"]
    files = sorted((server.folder / "output").glob(f"normal{seed}_*.png"))
    pixels = [Image.open(path).tobytes() for path in files]
    return hashlib.sha256(b"".join(pixels)).hexdigest()


def prompts(server: Server, mutant: Mutant) -> list[tuple[str, dict[str, Any]]]:
    """The prompts that a file is tried with, by the widget that it is chosen in."""
    if mutant.kind == "layout":
        text = mutant.path.read_text("utf-8", "surrogatepass")
        values = {"paths": text, "width": 64, "height": 64, "length": 5, "fps": 8.0}
        task = ("VaceLayoutToVideo", with_defaults(server, "VaceLayoutToVideo", values))
        return [("paths", chain(task=task, look=("PreviewAny", {"source": ("task", 0)})))]
    if mutant.kind == "media":
        name = f"{mutant.path.name}"
        shutil.copy(mutant.path, server.folder / "input" / name)
        picture = mutant.path.suffix in (".png", ".jpg", ".gif")
        load = ("LoadImage", {"image": name}) if picture else ("LoadVideo", {"file": name})
        frames = {} if picture else {"frames": ("GetVideoComponents", {"video": ("load", 0)})}
        values = {"images": ("load" if picture else "frames", 0), "fit": "starter"}
        task = ("VaceOutpaintVideo", with_defaults(server, "VaceOutpaintVideo", values))
        return [("media", chain(load=load, **frames, task=task, look=("PreviewAny", {"source": ("task", 0)})))]
    if mutant.kind in ("plan", "job"):
        return []  # no node takes them
    source, found = mutant.path, []
    good = {"model": SMALL["name"], "vae": VAE["name"], "text_encoder": TEXT["name"], "low_noise_model": "none"}
    if mutant.kind == "lora":
        (server.folder / "models" / "loras" / source.name).symlink_to(source)
        lora = ("VaceLoadLora", {"lora": source.name, "strength": 1.0, "network": "both"})
        node = ("VaceLoadModel", {**good, "boundary": 0.875, "loras": ("lora", 0)})
        return [("lora", chain(lora=lora, load=node, look=("PreviewAny", {"source": ("load", 0)})))]
    widgets = dict.fromkeys(GGUF, "unet_gguf") if mutant.kind == "gguf" else WIDGETS
    for widget, folder in widgets.items():
        target = server.folder / "models" / folder
        if mutant.kind == "index":
            name = f"{source.parent.name}-00001-of-00002.safetensors"
            index = target / f"{source.parent.name}.safetensors.index.json"
            shutil.copy(next(source.parent.glob("*-00001-*")), target / name)
            shutil.copy(source, index)
        else:
            name = source.name
            if not (target / name).exists():
                (target / name).symlink_to(source)
        node = ("VaceLoadModel", {**good, widget: name, "boundary": 0.875})
        node = ("VaceLoadAdapter", {"adapter": name}) if widget == "adapter" else node
        found.append((widget, chain(load=node, look=("PreviewAny", {"source": ("load", 0)}))))
    return found


def with_defaults(server: Server, node: str, values: dict[str, Any]) -> dict[str, Any]:
    """`values`, and for every other input that the node must have what its widget begins with."""
    form = server.get(f"/object_info/{node}")[node]["input"]["required"]
    defaults = {name: spec[1].get("default", spec[0][0]) for name, spec in form.items() if len(spec) > 1}
    return {**defaults, **values}


def outcome(server: Server, prompt: dict[str, Any]) -> tuple[str, str]:
    """ "worked", "said" (one of the library's sentences), "refused" or "of ComfyUI" (its own error), or "cryptic"."""
    try:
        history = server.run(prompt)
    except AssertionError as error:
        if "refuses the prompt" in str(error):
            return "refused", str(error)[:300]
        raise
    error = dict(history["status"]["messages"]).get("execution_error")
    if error is None:
        return "worked", ""
    said = f"{error['exception_type']}: {error['exception_message'].strip()}"[:400]
    said = said.replace(f"{server.folder}/", "")  # no path of this machine
    if not str(error["node_type"]).startswith("Vace"):
        return "of ComfyUI", f"{error['node_type']}: {said}"
    return ("said" if ".vace_core.errors." in error["exception_type"] else "cryptic"), said


def measure(comfyui: Path, count: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        made, home = Path(name) / "made", Path(name) / "home"
        made.mkdir()
        home.mkdir()
        files, found, hashes, readers = mutants(made, count, seed), [], [], Counter[str]()
        pack = Path(name) / "gguf_folder"
        pack.mkdir()
        (pack / "__init__.py").write_text(GGUF_PACK)
        with Server(comfyui, home, packs=[pack]) as server:
            for folder in {*WIDGETS.values(), "unet_gguf", "loras"}:
                (server.folder / "models" / folder).mkdir(parents=True, exist_ok=True)
            batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
            hashes.append(normal_hash(server, 0))
            for number, batch in enumerate(batches, 1):
                for mutant in batch:
                    found += [(f"{mutant.name}, {widget}", *outcome(server, prompt))
                              for widget, prompt in prompts(server, mutant)]  # fmt: skip
                hashes.append(normal_hash(server, number))
                print(f"{number * BATCH} files: {Counter(kind for _, kind, _ in found)}", flush=True)
        for mutant in files:
            try:
                read(mutant, vace_core)
                readers["worked"] += 1
            except vace_core.errors.VaceError:
                readers["said"] += 1
            except Exception as error:
                readers["cryptic"] += 1
                found.append((f"{mutant.name}, library", "cryptic", repr(error)[:400]))
    kinds = Counter(kind for _, kind, _ in found)
    odd = [kind for kind in kinds if kind not in ("said", "worked")]
    return {
        "files": count,
        "prompts": len(found),
        "cryptic": 0,
        **kinds,
        "dead servers": 0,  # a server that dies ends the whole run
        "library": dict(readers),
        "normal prompts": len(hashes),
        "different hashes": len(set(hashes)) - 1,
        "examples": {kind: [one for one in found if one[1] == kind][:10] for kind in odd},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comfyui", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    version = (options.comfyui / "comfyui_version.py").read_text(encoding="utf-8").split('"')[1]
    start = time.monotonic()
    result = measure(options.comfyui.resolve(), options.count, options.seed)
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known[f"ComfyUI {version}"] = {**result, "seconds": round(time.monotonic() - start)}
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(known[f"ComfyUI {version}"], indent=1))


if __name__ == "__main__":
    main()
