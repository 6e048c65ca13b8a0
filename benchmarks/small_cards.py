"""Wan 14B with VACE on a card that is smaller than it, in a real ComfyUI: our nodes, and ComfyUI's own model.

    COMFYUI_PATH=/path/to/ComfyUI PYTHON_OF_COMFYUI benchmarks/small_cards.py --folder /somewhere

The card is pretended (`tests/pretended_card.py`): its bytes and the copies to it are accounted, it refuses what does
not fit, and nothing is computed. The files have their full size and are one hole, which takes no room on the disk, and
are mapped instead of read. ComfyUI decides about memory as it would with such an NVIDIA card. One step with guidance.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import mmap
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import measuring
import torch

sys.path.insert(0, str(measuring.ROOT / "tests" / "nodes"))
import boot as booting
import model_files
import native_parts
from conftest import load_pack
from filling import fill
from pretended_card import Card, in_comfyui, resident
from safetensors.torch import save_file

from vace_core.models.wan.vae import WanVaeNetwork

GIB = 2**30
CARDS = (8, 12, 16, 24)
SIZE = {"width": 832, "height": 480, "length": 81}
SAMPLING = {"steps": 1, "cfg": 5.0, "shift": 3.0, "seed": 1, "sampler": "euler"}
PATHS = ("VACE Load Model", "ComfyUI's own")


def mapped(path: Path, start: int, nbytes: int) -> torch.Tensor:
    """As `read_span`, but the file's own pages."""
    with Path(path).open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return torch.frombuffer(whole, dtype=torch.uint8, count=nbytes, offset=start)


def write_files(models: Path, billions: float) -> None:
    for kind in ("diffusion_models", "vae", "text_encoders"):
        (models / kind).mkdir(parents=True, exist_ok=True)
    shapes = model_files.released_shapes(billions)
    model_files.write_sparse(models / "diffusion_models" / "vace.safetensors", shapes)
    vae = fill(WanVaeNetwork(width=96, blocks=2), 3).to(torch.bfloat16)
    state = {name: value.contiguous() for name, value in vae.state_dict().items()}
    save_file(state, models / "vae" / "wan_vae.safetensors")
    text = model_files.text_encoder(2, 2, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    model_files.write_sparse(models / "text_encoders" / "umt5.safetensors", text)


class Run:
    """One path on one card, in a process of its own."""

    def __init__(self, comfy: Any, pack: ModuleType, card: Card) -> None:
        self.comfy, self.pack, self.card = comfy, pack, card
        self.at_pass: dict[str, int] = {}
        self.passes = 0

    def node(self, name: str, **values: Any) -> Any:
        node = self.pack.by_id[name]
        inputs = {one.id: one.default for one in node.GET_SCHEMA().inputs if getattr(one, "default", None) is not None}
        return node.PREPARE_CLASS_CLONE({}).EXECUTE_NORMALIZED(**{**inputs, **values})[0]

    def watch(self, network: torch.nn.Module, weights: torch.nn.Module) -> None:
        def before(*_: Any) -> None:
            if not self.passes:
                self.at_pass = {"resident": resident(weights), "used": self.card.used}
                self.card.peak, self.card.copied = self.card.used, 0
            self.passes += 1

        network.register_forward_pre_hook(before)

    def ours(self) -> None:
        model = self.node("VaceLoadModel", model="vace.safetensors", vae="wan_vae.safetensors",
                          text_encoder="umt5.safetensors", low_noise_model="none")  # fmt: skip
        self.watch(model.core.expert.base, model.experts[0].model)
        vcu = self.node("VaceTextToVideo", prompt="a fox", **SIZE)
        self.node("VaceSampleVideo", model=model, vcu=vcu, **SAMPLING)

    def theirs(self) -> None:
        import comfy.samplers
        import comfy.sd

        path = self.comfy.folder / "models" / "diffusion_models" / "vace.safetensors"
        model = comfy.sd.load_diffusion_model(str(path))
        network = model.get_model_object("diffusion_model")
        self.watch(network, network)
        frames = (SIZE["length"] - 1) // 4 + 1
        latent = torch.zeros(1, 16, frames, SIZE["height"] // 8, SIZE["width"] // 8)
        said = {"vace_frames": [torch.cat([latent, latent], dim=1)], "vace_strength": [1.0],
                "vace_mask": [torch.ones(1, 64, *latent.shape[2:])]}  # fmt: skip
        conditions = [[[torch.zeros(1, 512, 4096), {"pooled_output": None, **said}]] for _ in range(2)]
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(*conditions)
        guider.set_cfg(SAMPLING["cfg"])
        sampler = comfy.samplers.sampler_object("euler")
        guider.sample(torch.randn_like(latent), latent, sampler, torch.tensor([1.0, 0.0]), disable_pbar=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Bytes of one path on one card."""
    path = Path(os.environ["COMFYUI_PATH"])
    comfy = booting.boot(path, options.folder, "--use-pytorch-cross-attention")
    pack = load_pack("vace_pack")
    host, tensors = pack.nodes.comfy.host, importlib.import_module("vace_pack.vace_core.files.tensors")
    formats = importlib.import_module("vace_pack.vace_core.files.safetensors_format")
    host.load_clip = lambda path, kind: native_parts.Clip()
    load = torch.nn.Module.load_state_dict

    def assigned(self: Any, state: Any, strict: bool = True, assign: bool = True) -> Any:
        # What is mapped would be copied into memory otherwise; it keeps the types that the model was made with.
        own = {name: value.dtype for name, value in self.state_dict().items() if not value.is_meta}
        state = {name: value.to(own.get(name, value.dtype)) for name, value in state.items()}
        return load(self, state, strict, assign=True)

    def read(path: str, *_: Any, return_metadata: bool = False, **__: Any) -> Any:
        file = formats.SafetensorsFile(Path(path))
        state = {name: file.read(name) for name in file.tensors}
        return (state, {}) if return_metadata else state

    card = Card(int(options.card * GIB), shadow=True)
    run = Run(comfy, pack, card)
    said = "runs"
    with (
        mock.patch.object(formats, "read_span", mapped),
        mock.patch.object(tensors, "read_span", mapped),
        mock.patch.object(torch.nn.Module, "load_state_dict", assigned),
        mock.patch("comfy.utils.load_torch_file", read),
        torch.inference_mode(),
        card,
        in_comfyui(card),
    ):
        try:
            run.ours() if options.path == PATHS[0] else run.theirs()
        except Exception as error:
            if options.trace:
                raise
            said = f"{type(error).__name__}: {str(error)[:300]}"
        got = {"said": said, "passes": run.passes, **run.at_pass}
        got |= {"peak": card.peak, "streamed_per_pass": card.copied // max(run.passes, 1)}
        gc.collect()
    return got


def in_fresh_process(path: str, card: float, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--path", path, "--card", str(card), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"said": f"the process died ({done.returncode}): {done.stderr.strip().splitlines()[-1:]}", "passes": 0}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the 1.3B on one small card; saves nothing")
    parser.add_argument("--folder", type=Path, help="where the files are; the folder for temporary files if absent")
    parser.add_argument("--cards", type=float, nargs="+", default=CARDS, help="GiB")
    parser.add_argument("--trace", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    parser.add_argument("--card", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.path:
        print(json.dumps(measure(options)))
        return
    version = (Path(os.environ["COMFYUI_PATH"]) / "comfyui_version.py").read_text().split('"')[-2]
    billions, cards = (1.3, [2.0]) if options.quick else (14, options.cards)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_files(Path(folder) / "models", billions)
        results = {
            f"{card:g} GiB": {path: in_fresh_process(path, card, Path(folder)) for path in PATHS} for card in cards
        }
    columns = ("resident", "streamed_per_pass", "peak")
    rows = [
        [card, path, got["said"], *(f"{got.get(name, 0) / GIB:.2f}" for name in columns)]
        for card, paths in results.items()
        for path, got in paths.items()
    ]
    title = f"Wan {billions}B VACE, 81 frames 832x480, in ComfyUI {version}"
    measuring.show(title, ["card", "path", "", "resident GiB", "streamed GiB a pass", "peak GiB"], rows)
    options.rounds, options.threads = 1, torch.get_num_threads()
    measuring.save(f"small_cards_{version}", results, options)
    if any(got["said"] != "runs" for got in (paths[PATHS[0]] for paths in results.values())):
        sys.exit("Failed: one of our rows does not run.")


if __name__ == "__main__":
    main()
