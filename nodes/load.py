"""Nodes that load models: the built-in one, files, adapters, and ComfyUI's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..vace_core.errors import InputError, ModelError
from ..vace_core.loading import load_adapter, load_base, load_vae
from ..vace_core.model_file import inspect
from ..vace_core.models.wan import fold_masks
from ..vace_core.pipeline import Expert, VaceModel
from ..vace_core.starter import model as starter
from . import host, native, sockets
from .sockets import AdapterFile, LibraryModel, NativeModel

MODELS = ("diffusion_models", "unet_gguf")
ADAPTERS = ("diffusion_models", "model_patches", "unet_gguf")
NONE = "none"
HELD = {
    "vace": "a base with its VACE adapter",
    "base": "a base without VACE",
    "adapter": "a VACE adapter without base",
    "vae": "a VAE",
    "text": "a text encoder",
}


class VaceLoadStarter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceLoadStarter",
            "VACE Load Starter",
            "The small model that comes with this pack: it runs on any computer, needs no downloads, and edits clips "
            "of its own world of moving shapes, 64 x 64 pixels and up to 17 frames. For trying every task and every "
            "graph.",
            inputs=[],
            outputs=[_model_output()],
            aliases=["tiny model", "demo model", "test model"],
        )

    @classmethod
    def fingerprint_inputs(cls) -> list[tuple[str, int, int]]:
        return _stamps([starter.WEIGHTS / f"{part}.safetensors" for part in starter.PARTS])

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return host.output(cls, managed(starter.load_starter(folder=starter.WEIGHTS)))


class VaceLoadModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        models = host.model_names(*MODELS)
        return sockets.schema(
            "VaceLoadModel",
            "VACE Load Model",
            "A VACE model for Wan 2.1 from its files: transformer, VAE and text encoder in one node. Files are "
            "recognised by what is in them. To use LoRA or other nodes on the model, load it with ComfyUI's own "
            "loaders and connect them to VACE Use Native Model instead.",
            inputs=[
                io.Combo.Input(
                    "model", options=models, tooltip="The VACE model, or a Wan 2.1 base to put an adapter on."
                ),
                io.Combo.Input("vae", options=host.model_names("vae"), tooltip="The VAE of Wan 2.1."),
                io.Combo.Input(
                    "text_encoder",
                    options=host.model_names("text_encoders", suffixes=host.SUFFIXES[:2]),
                    tooltip="umT5-XXL, such as umt5_xxl_fp8_e4m3fn_scaled.safetensors.",
                ),
                io.Combo.Input(
                    "low_noise_model",
                    options=[NONE, *models],
                    default=NONE,
                    tooltip="The second model of a pair (Wan 2.2 VACE-Fun): it takes over at low noise. Else none.",
                ),
                _boundary(),
                sockets.Adapter.Input(
                    "adapter", optional=True, tooltip="Used instead of the one in the model's file, if there is one."
                ),
                sockets.Adapter.Input(
                    "low_noise_adapter", optional=True, tooltip="The adapter of the low-noise model."
                ),
            ],
            outputs=[_model_output()],
            aliases=["wan vace", "vace checkpoint", "load vace"],
        )

    @classmethod
    def fingerprint_inputs(
        cls, model: str, vae: str, text_encoder: str, low_noise_model: str, **others: Any
    ) -> list[tuple[str, int, int]]:
        names = ((model, MODELS), (vae, ("vae",)), (text_encoder, ("text_encoders",)), (low_noise_model, MODELS))
        return _stamps([host.model_path(name, *folders) for name, folders in names if name != NONE])

    @classmethod
    def execute(
        cls,
        model: str,
        vae: str,
        text_encoder: str,
        low_noise_model: str,
        boundary: float,
        adapter: AdapterFile | None = None,
        low_noise_adapter: AdapterFile | None = None,
    ) -> io.NodeOutput:
        paths = [host.model_path(name, *MODELS) for name in (model, low_noise_model) if name != NONE]
        vae_path = host.model_path(vae, "vae")
        text = native.ClipText(host.load_clip(host.model_path(text_encoder, "text_encoders")))
        given = (adapter, low_noise_adapter)[: len(paths)]
        experts = [_expert(path, own) for path, own in zip(paths, given, strict=True)]
        core = VaceModel(
            expert=experts[0],
            low_noise=experts[1] if len(experts) > 1 else None,
            vae=load_vae(vae_path, dtype=host.dtypes(0)[1]),
            text=text,
            fold_masks=fold_masks,
            boundary=boundary,
        )
        return host.output(cls, managed(core))


class VaceLoadAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceLoadAdapter",
            "VACE Load Adapter",
            "A VACE adapter (also called VACE module) from a file of its own, or out of a whole VACE model. Connect it "
            "to VACE Load Model to use it on any Wan 2.1 text-to-video model of the same size.",
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=host.model_names(*ADAPTERS),
                    tooltip="A VACE module, such as Wan2_1-VACE_module_14B_bf16.safetensors, or a whole VACE model.",
                )
            ],
            outputs=[sockets.Adapter.Output(display_name="adapter", tooltip="For VACE Load Model.")],
            aliases=["vace module"],
        )

    @classmethod
    def fingerprint_inputs(cls, adapter: str) -> list[tuple[str, int, int]]:
        return _stamps([host.model_path(adapter, *ADAPTERS)])

    @classmethod
    def execute(cls, adapter: str) -> io.NodeOutput:
        path = host.model_path(adapter, *ADAPTERS)
        file = inspect(path)
        if "adapter" not in file.parameters:
            raise ModelError(
                f"{adapter} holds {HELD[file.kind]}. A VACE adapter is needed here. Choose a file that holds one."
            )
        blocks = "" if file.context_layers is None else f" of {len(file.context_layers)} context blocks"
        said = f"An adapter{blocks} for bases of width {file.width}."
        return host.output(cls, AdapterFile(path=path), notes=[said])


class VaceUseNativeModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceUseNativeModel",
            "VACE Use Native Model",
            "A VACE model made of ComfyUI's own MODEL, CLIP and VAE. Whatever is done to them before (LoRA, GGUF, fp8, "
            "compilation, attention) keeps working.",
            inputs=[
                io.Model.Input(
                    "model", tooltip="A Wan VACE model from Load Diffusion Model, with LoRA and so on after it."
                ),
                io.Clip.Input("clip", tooltip="umT5 from Load CLIP, type wan."),
                io.Vae.Input("vae", tooltip="The VAE of Wan 2.1 from Load VAE."),
                io.Model.Input(
                    "low_noise_model", optional=True, tooltip="The second model of a pair (Wan 2.2 VACE-Fun), if any."
                ),
                _boundary(),
            ],
            outputs=[_model_output()],
            aliases=["wan vace", "lora", "gguf"],
        )

    @classmethod
    def execute(
        cls, model: Any, clip: Any, vae: Any, boundary: float, low_noise_model: Any | None = None
    ) -> io.NodeOutput:
        for name, one in (("model", model), ("low_noise_model", low_noise_model)):
            if one is not None and not host.has_vace(one):
                raise InputError(
                    f"The {name} has no VACE blocks. A MODEL loaded from a Wan VACE file is needed here. Choose "
                    "wan2.1_vace_*.safetensors in Load Diffusion Model, or use VACE Load Model with an adapter."
                )
        native.NativeVae(vae)  # says so now if it is another one
        made = NativeModel(model=model, clip=clip, vae=vae, low_noise=low_noise_model, boundary=boundary)
        return host.output(cls, made)


def managed(core: VaceModel) -> LibraryModel:
    """A model of ours whose networks ComfyUI moves."""
    experts = [core.expert, *([core.low_noise] if core.low_noise else [])]
    networks = [part for expert in experts for part in (expert.base, expert.adapter) if part is not None]
    patchers = [host.patcher(core.vae.network, vae=True), *(host.patcher(network) for network in networks)]
    return LibraryModel(core=core, patchers=tuple(patchers))


def _expert(path: Path, own: AdapterFile | None) -> Expert:
    """A base with its adapter, both in the precision that ComfyUI chooses."""
    file = inspect(path)
    if own is None and "adapter" not in file.parameters:
        raise ModelError(
            f"{path.name} holds {HELD[file.kind]}. An adapter is needed too. Connect VACE Load Adapter, or choose a "
            "VACE model."
        )
    dtype = host.dtypes(sum(file.parameters.values()))[0]
    base = load_base(path, dtype=dtype)
    adapter = load_adapter(path if own is None else own.path, dtype=dtype)
    adapter.check_fits(width=base.sizes.width, layers=base.sizes.layers)
    return Expert(base=base, adapter=adapter)


def _stamps(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """What changes when a file is replaced under its name."""
    found = [(path, path.stat()) for path in paths if path.is_file()]
    return [(str(path), stat.st_mtime_ns, stat.st_size) for path, stat in found]


def _boundary() -> Any:
    return io.Float.Input(
        "boundary",
        default=0.875,
        min=0.0,
        max=1.0,
        step=0.001,
        tooltip="Only with a low-noise model: the noise level below which it takes over. 0.875 for Wan 2.2 VACE-Fun.",
    )


def _model_output() -> Any:
    return sockets.Model.Output(display_name="model", tooltip="For VACE Sample Video and VACE Decode Video.")
