"""Wan 14B with VACE on cards that are smaller than it, in a real ComfyUI: each way to run it, each kind of file.

    COMFYUI_PATH=/path/to/ComfyUI PYTHON_OF_COMFYUI benchmarks/small_cards.py --folder /somewhere

The card is pretended (`tests/pretended_card.py`): its bytes and the copies to it are accounted, it refuses what does
not fit, and nothing is computed. The files have their full size and are one hole, which takes no room on the disk, and
are mapped instead of read. ComfyUI decides about memory as it would with such an NVIDIA card. One step with guidance.
Each row is saved when it is there; rows that are saved are not measured again without --again.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import itertools
import json
import mmap
import os
import sys
import tempfile
from collections.abc import Sequence
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
from forked import forked
from pretended_card import Card, in_comfyui, resident
from safetensors.torch import save_file

from vace_core.models.wan.vae import WanVaeNetwork

GIB = 2**30
CARDS = (8, 12, 16, 24)
SECONDS = 3600  # after which a row is given up
EXACT = 0.05  # how near our estimate must be to the peak
SIZE = {"width": 832, "height": 480, "length": 81}
SAMPLING = {"steps": 1, "cfg": 5.0, "shift": 3.0, "seed": 1, "sampler": "euler"}
# How each kind of file is written from the shapes of its weights.
FILES = {
    "bf16": ("safetensors", model_files.write_sparse),
    "fp16": ("safetensors", lambda path, shapes: model_files.write_sparse(path, shapes, "F16")),
    "fp8 scaled": ("safetensors", model_files.write_sparse_scaled_float8),
    "GGUF Q8_0": ("gguf", lambda path, shapes: model_files.write_sparse_gguf(path, shapes, "Q8_0")),
    "GGUF Q4_K": ("gguf", lambda path, shapes: model_files.write_sparse_gguf(path, shapes, "Q4_K")),
}
OURS, NATIVE, ATTACHED = PATHS = ("VACE Load Model", "VACE Apply VCU", "VACE Attach Adapter")


def mapped(path: Path, start: int, nbytes: int, *_: Any) -> torch.Tensor:
    """As `read_span`, but the file's own pages."""
    if not nbytes:
        return torch.empty(0, dtype=torch.uint8)
    with Path(path).open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return torch.frombuffer(whole, dtype=torch.uint8, count=nbytes, offset=start)


def file_of(part: str, kind: str) -> str:
    return f"{part} {kind}.{FILES[kind][0]}"


def write_files(models: Path, billions: float, kinds: Sequence[str]) -> None:
    for kind in ("diffusion_models", "vae", "text_encoders"):
        (models / kind).mkdir(parents=True, exist_ok=True)
    shapes = model_files.released_shapes(billions)
    parts = {"vace": shapes} | {part: model_files.only(part, shapes) for part in ("base", "adapter")}
    for kind in kinds:
        for part, some in parts.items():
            FILES[kind][1](models / "diffusion_models" / file_of(part, kind), some)
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
        self.passes = self.predicted = 0

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

    def ours(self, kind: str) -> None:
        import folder_paths  # pyright: ignore[reportMissingImports]

        folder_paths.add_model_folder_path("unet_gguf", str(self.comfy.folder / "models" / "diffusion_models"))
        folder_paths.folder_names_and_paths["unet_gguf"][1].add(".gguf")
        model = self.node("VaceLoadModel", model=file_of("vace", kind), vae="wan_vae.safetensors",
                          text_encoder="umt5.safetensors", low_noise_model="none")  # fmt: skip
        self.watch(model.core.expert.base, model.experts[0].model)
        vcu = self.vcu()
        tokens = model.core.vae.grid.tokens(vcu.num_frames, vcu.height, vcu.width)
        self.predicted = sum(self.pack.nodes.comfy.memory.beside_weights(model, tokens))
        self.node("VaceSampleVideo", model=model, vcu=vcu, **SAMPLING)

    def native(self, kind: str) -> None:
        latent = torch.zeros(1, 16, *self.latent_size())
        said = {"vace_frames": [torch.cat([latent, latent], dim=1)], "vace_strength": [1.0],
                "vace_mask": [torch.ones(1, 64, *latent.shape[2:])]}  # fmt: skip
        model = self.comfyui_model(file_of("vace", kind))
        network = model.get_model_object("diffusion_model")
        self.watch(network, network)
        self.sample(model, latent, said)

    def attached(self, kind: str) -> None:
        model = self.comfyui_model(file_of("base", kind))
        path = self.comfy.folder / "models" / "diffusion_models" / file_of("adapter", kind)
        adapter = self.pack.nodes.comfy.sockets.AdapterFile(path=path)
        encoded = self.pack.vace_core.context.Encoded(contexts=(torch.zeros(1, 96, *self.latent_size()),))
        attach = self.pack.nodes.attach
        with mock.patch.object(attach, "_encoded", return_value=encoded), mock.patch.object(attach, "_check_vae"):
            model = self.node(
                "VaceAttachAdapter", model=model, adapter=adapter, vcu=self.vcu(), vae=native_parts.SomeVae()
            )
        network = model.get_model_object("diffusion_model")
        (companion,) = model.additional_models["vace 1"]
        self.watch(network, torch.nn.ModuleList([network, companion.model]))
        self.sample(model, torch.zeros(1, 16, *self.latent_size()), {})

    def vcu(self) -> Any:
        return self.node("VaceTextToVideo", prompt="a fox", **SIZE)

    @staticmethod
    def latent_size() -> tuple[int, int, int]:
        return (SIZE["length"] - 1) // 4 + 1, SIZE["height"] // 8, SIZE["width"] // 8

    def comfyui_model(self, name: str) -> Any:
        import comfy.sd  # pyright: ignore[reportMissingImports]

        return comfy.sd.load_diffusion_model(str(self.comfy.folder / "models" / "diffusion_models" / name))

    @staticmethod
    def sample(model: Any, latent: torch.Tensor, said: dict[str, Any]) -> None:
        import comfy.samplers  # pyright: ignore[reportMissingImports]

        conditions = [[[torch.zeros(1, 512, 4096), {"pooled_output": None, **said}]] for _ in range(2)]
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(*conditions)
        guider.set_cfg(SAMPLING["cfg"])
        sampler = comfy.samplers.sampler_object("euler")
        guider.sample(torch.randn_like(latent), latent, sampler, torch.tensor([1.0, 0.0]), disable_pbar=True)


def measure(comfy: Any, pack: ModuleType, path: str, kind: str, card_gib: float, *, trace: bool) -> dict[str, Any]:
    """Bytes of one path on one card."""
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

    card = Card(int(card_gib * GIB), shadow=True, float64=True)
    run = Run(comfy, pack, card)
    said = "runs"
    with (
        mock.patch.object(formats, "read_span", mapped),
        mock.patch.object(tensors, "read_span", mapped),
        mock.patch.object(importlib.import_module("vace_pack.vace_core.files.gguf_format"), "read_span", mapped),
        mock.patch.object(importlib.import_module("vace_pack.vace_core.loading.load"), "check_room"),
        mock.patch.object(torch.nn.Module, "load_state_dict", assigned),
        mock.patch("comfy.utils.load_torch_file", read),
        torch.inference_mode(),
        card,
        in_comfyui(card),
    ):
        try:
            {OURS: run.ours, NATIVE: run.native, ATTACHED: run.attached}[path](kind)
        except Exception as error:
            if trace:
                raise
            said = f"{type(error).__name__}: {str(error)[:300]}"
        got = {"said": said, "passes": run.passes, "beside_weights": run.predicted, **run.at_pass}
        got |= {"peak": card.peak, "streamed_per_pass": card.copied // max(run.passes, 1)}
        gc.collect()
    return got


def told(comfy: Any, pack: ModuleType, path: str, kind: str, card: float, *, trace: bool) -> dict[str, Any]:
    """As `measure`, in a process of its own that begins where ComfyUI has started; said as soon as it is there."""
    if path != OURS and FILES[kind][0] == "gguf":
        return {"said": "ComfyUI itself loads no GGUF", "passes": 0}
    done = forked(lambda: json.dumps(measure(comfy, pack, path, kind, card, trace=trace)), seconds=SECONDS)
    got = {"said": f"{done.error}: {done.text}", "passes": 0} if done.error else json.loads(done.text)
    print("; ".join(row(f"{card:g} GiB", path, kind, got)), file=sys.stderr, flush=True)
    return got


def saved(name: str) -> dict[str, Any]:
    """Rows that were measured before, by card, path and kind of file."""
    path = measuring.RESULTS / f"{name}.json"
    return json.loads(path.read_text())["results"] if path.exists() else {}


def row(card: str, path: str, kind: str, got: dict[str, Any]) -> list[str]:
    """Of the table; bytes as GiB."""
    begins = [card, path, kind, got["said"]]
    if not got["passes"]:
        return begins + [""] * 5
    free = float(card.split()[0]) * GIB - got["used"]
    numbers = [got["resident"], got["streamed_per_pass"], free, got["peak"]]
    predicted = f"{(got['resident'] + got['beside_weights']) / GIB:.2f}" if got["beside_weights"] else ""
    return [*begins, *(f"{number / GIB:.2f}" for number in numbers), predicted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the 1.3B on one small card; saves nothing")
    parser.add_argument("--folder", type=Path, help="where the files are; the folder for temporary files if absent")
    parser.add_argument("--cards", type=float, nargs="+", default=CARDS, help="GiB")
    parser.add_argument("--paths", nargs="+", default=PATHS, choices=PATHS)
    parser.add_argument("--kinds", nargs="+", default=[kind for kind in FILES if kind != "fp16"], choices=list(FILES))
    parser.add_argument("--again", action="store_true", help="measure rows that are saved, too")
    parser.add_argument("--trace", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    version = (Path(os.environ["COMFYUI_PATH"]) / "comfyui_version.py").read_text().split('"')[-2]
    billions, cards = (1.3, [2.0]) if options.quick else (14, options.cards)
    options.rounds, options.threads = 1, torch.get_num_threads()
    name = f"small_cards_{version}"
    results = {} if options.quick else saved(name)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_files(Path(folder) / "models", billions, options.kinds)
        comfy = booting.boot(Path(os.environ["COMFYUI_PATH"]), Path(folder), "--use-pytorch-cross-attention")
        pack = load_pack("vace_pack")
        for card, path, kind in itertools.product(cards, options.paths, options.kinds):
            of_path = results.setdefault(f"{card:g} GiB", {}).setdefault(path, {})
            if options.again or kind not in of_path:
                of_path[kind] = told(comfy, pack, path, kind, card, trace=options.trace)
                measuring.save(name, results, options)
    rows = [
        row(card, path, kind, got)
        for card, paths in results.items()
        for path, kinds in paths.items()
        for kind, got in kinds.items()
    ]
    title = f"Wan {billions}B VACE, 81 frames 832x480, in ComfyUI {version}; GiB"
    columns = ["card", "path", "file", "", "resident", "streamed a pass", "free", "peak", "peak, predicted"]
    measuring.show(title, columns, rows)
    ours = [got for paths in results.values() for got in paths.get(OURS, {}).values()]
    if any(got["said"] != "runs" for got in ours):
        sys.exit("Failed: one of our rows does not run.")
    if any(abs(got["resident"] + got["beside_weights"] - got["peak"]) > EXACT * got["peak"] for got in ours):
        sys.exit(f"Failed: an estimate is more than {EXACT:.0%} away from the peak.")


if __name__ == "__main__":
    main()
