"""Nodes that load models: the built-in one, files, adapters, and ComfyUI's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..vace_core.errors import InputError, ModelError
from ..vace_core.files.checkpoint import open_checkpoint
from ..vace_core.loading.assembly import check_family, family_in, load_model, lora_changes
from ..vace_core.loading.detection import identify
from ..vace_core.loading.inspect import inspect
from ..vace_core.loading.lora import Lora
from ..vace_core.loading.profiles import Profile
from ..vace_core.models.family import Family
from ..vace_core.models.wan.family import WAN
from ..vace_core.pipeline import VaceModel
from ..vace_core.sampling.guidance import PAIR_BOUNDARY
from ..vace_core.sampling.options import SamplingOptions
from ..vace_core.starter import model as starter
from .comfy import host, memory, native, placement, sockets
from .comfy.kept_texts import ClipText
from .comfy.node import Node, captured_warnings
from .comfy.registry import NATIVE_VACE, comfy_family, tips
from .comfy.sockets import AdapterFile, LibraryModel, LoraStack, NativeModel
from .lora import files_of, loras_input

ADAPTERS = ("diffusion_models", "model_patches", "unet_gguf", "checkpoints")
NONE = "none"
IN_MODEL = "in the model's file"
CONTENTS = {
    "vace": "a base with its VACE adapter",
    "base": "a base without VACE",
    "adapter": "a VACE adapter without base",
    "vae": "a VAE",
    "text": "a text encoder",
}


class VaceLoadStarter(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceLoadStarter",
            "VACE Load Starter",
            "A small VACE model that comes with this pack. It runs on any computer without downloads and knows "
            "only its own synthetic world of drawn shapes, faces and people: about 96 x 96 pixels, 17 frames. For "
            "trying every task and every workflow.",
            inputs=[],
            outputs=[
                _model_output(),
                io.Model.Output(
                    display_name="base",
                    tooltip="The base model alone, as from Load Diffusion Model: for VACE Attach Adapter.",
                ),
                sockets.Adapter.Output(
                    display_name="adapter", tooltip="The VACE adapter alone: for VACE Attach Adapter."
                ),
            ],
            aliases=["tiny model", "demo model", "test model"],
        )

    @classmethod
    def fingerprint_inputs(cls) -> list[tuple[str, int, int]]:
        return host.stamps([starter.WEIGHTS / f"{part}.safetensors" for part in starter.PARTS])

    @classmethod
    def execute(cls) -> io.NodeOutput:
        core = starter.load_starter(folder=starter.WEIGHTS, ops=placement.managed_layers())
        base = host.load_diffusion_model(starter.part_file(starter.WEIGHTS, "base"))
        adapter = AdapterFile(path=starter.part_file(starter.WEIGHTS, "adapter"))
        return host.output(cls, managed(core, WAN, starter.STARTER_OPTIONS, starter.STARTER), base, adapter)


class VaceLoadModel(Node):
    files = frozenset({"model", "vae", "text_encoder", "low_noise_model"})

    @classmethod
    def define_schema(cls) -> io.Schema:
        models = host.model_names(*host.MODELS)
        return sockets.schema(
            "VaceLoadModel",
            "VACE Load Model",
            "Loads a VACE model for Wan 2.1 or LTX-Video from its files: transformer, VAE and text encoder in "
            "one node. Files are recognised by their contents. To use other model nodes with Wan, load it with "
            "ComfyUI's own loaders and connect them to VACE Use Native Model instead.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=models,
                    tooltip="A VACE checkpoint of Wan 2.1 or LTX-Video 0.9, or one of their text-to-video base "
                    "models to use with an adapter.",
                ),
                io.Combo.Input(
                    "vae",
                    options=[*host.model_names("vae"), IN_MODEL],
                    tooltip="The VAE of the model. The published LTX-Video checkpoint contains its own.",
                ),
                io.Combo.Input(
                    "text_encoder",
                    options=host.model_names("text_encoders", suffixes=host.SUFFIXES[:2]),
                    tooltip=f"{tips('text_encoder', '; ')}.",
                ),
                io.Combo.Input(
                    "low_noise_model",
                    options=[NONE, *models],
                    default=NONE,
                    tooltip="The low-noise model of a pair (Wan 2.2 VACE-Fun); none for a single model.",
                ),
                _boundary(),
                sockets.Adapter.Input(
                    "adapter",
                    optional=True,
                    tooltip="Used instead of the adapter in the model's file, if there is one.",
                ),
                sockets.Adapter.Input(
                    "low_noise_adapter", optional=True, tooltip="The adapter of the low-noise model."
                ),
                loras_input("that are merged into the model and its adapter"),
            ],
            outputs=[_model_output()],
            aliases=["wan vace", "ltx video", "vace checkpoint", "load vace"],
        )

    @classmethod
    def fingerprint_inputs(
        cls, model: str | None, vae: str | None, text_encoder: str | None, low_noise_model: str | None, **others: Any
    ) -> list[tuple[str, int, int]]:
        named = [(name, host.MODELS) for name in (model, low_noise_model)]
        named += [(vae, ("vae",)), (text_encoder, ("text_encoders",))]
        return host.stamps_of((name, folders) for name, folders in named if name not in (NONE, IN_MODEL))

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
        loras: LoraStack | None = None,
    ) -> io.NodeOutput:
        if low_noise_model == NONE and low_noise_adapter is not None:
            raise InputError(
                "low-noise-adapter-alone",
                "{adapter} came as low_noise_adapter, and low_noise_model is none. The model that this adapter is for "
                "is needed too. Choose it, or disconnect low_noise_adapter.",
                adapter=low_noise_adapter.path.name,
            )
        paths = [host.model_path(name, *host.MODELS) for name in (model, low_noise_model) if name != NONE]
        adapters = [_adapter(path, own) for path, own in zip(paths, (adapter, low_noise_adapter), strict=False)]
        vae_path = paths[0] if vae == IN_MODEL else host.model_path(vae, "vae")
        text_path = host.model_path(text_encoder, "text_encoders")
        family = family_in(paths[0])
        usual = family.options if len(paths) == 1 else family.pair_options
        with captured_warnings() as warned:
            made = loaded(
                family, usual, paths, adapters, vae=vae_path, text=text_path, loras=files_of(loras), boundary=boundary
            )
        return host.output(cls, made, notes=[_model_note(family, usual), *warned])


class VaceLoadAdapter(Node):
    files = frozenset({"adapter"})

    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceLoadAdapter",
            "VACE Load Adapter",
            "Loads a VACE adapter (also called VACE module) from its own file or from a full VACE checkpoint. "
            "Connect it to VACE Load Model to use it with any text-to-video model of the same family and size, "
            "or to VACE Attach Adapter to attach it to a MODEL.",
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=host.model_names(*ADAPTERS),
                    tooltip="A VACE module, such as Wan2_1-VACE_module_14B_bf16.safetensors, or a full VACE "
                    "checkpoint.",
                )
            ],
            outputs=[
                sockets.Adapter.Output(display_name="adapter", tooltip="For VACE Load Model or VACE Attach Adapter.")
            ],
            aliases=["vace module"],
        )

    @classmethod
    def fingerprint_inputs(cls, adapter: str | None) -> list[tuple[str, int, int]]:
        return host.stamps_of([(adapter, ADAPTERS)])

    @classmethod
    def execute(cls, adapter: str) -> io.NodeOutput:
        path = host.model_path(adapter, *ADAPTERS)
        file = inspect(path)
        if "adapter" not in file.parameters:
            raise ModelError(
                "not-an-adapter",
                "{adapter} holds {found}. A VACE adapter is needed here. Choose a file that holds one.",
                adapter=adapter,
                found=CONTENTS[file.kind],
            )
        blocks = "" if file.context_layers is None else f" of {len(file.context_layers)} context blocks"
        said = f"An adapter{blocks} for bases of {family_in(path).name} of width {file.width}."
        return host.output(cls, AdapterFile(path=path), notes=[said])


class VaceUseNativeModel(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceUseNativeModel",
            "VACE Use Native Model",
            "Builds a VACE model from ComfyUI's own MODEL, CLIP and VAE. Whatever is applied to them before "
            "(LoRA, GGUF, fp8, compilation, attention) keeps working.",
            inputs=[
                io.Model.Input(
                    "model", tooltip="A Wan VACE model from Load Diffusion Model, with LoRA and so on applied."
                ),
                io.Clip.Input("clip", tooltip=f"{comfy_family(NATIVE_VACE).tips['clip']}."),
                io.Vae.Input("vae", tooltip="The VAE of Wan 2.1 from Load VAE."),
                io.Model.Input(
                    "low_noise_model",
                    optional=True,
                    tooltip="The low-noise model of a pair (Wan 2.2 VACE-Fun), if any.",
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
            if one is not None:
                native.check_has_vace(one, name)
        _check_clip(clip)
        native.NativeVae(vae)  # says so now if it is another one
        made = NativeModel(model=model, clip=clip, vae=vae, low_noise=low_noise_model, boundary=boundary)
        return host.output(cls, made)


def loaded(
    family: Family,
    usual: SamplingOptions,
    bases: Sequence[Path],
    adapters: Sequence[Path],
    *,
    vae: Path,
    text: Path,
    loras: Sequence[Lora] = (),
    boundary: float = PAIR_BOUNDARY,
    profile: Profile | None = None,
) -> LibraryModel:
    """A model from its files, which are checked to belong together before a weight is read.

    Args:
        family: Of the first base.
        usual: Its default sampling options.
        bases: The transformer, or those of a pair for high and for low noise.
        adapters: Files of their adapters, as many.
        vae: File of the VAE.
        text: File of the text encoder.
        loras: Merged into transformers and adapters.
        boundary: Noise level from which on the second transformer takes over.
        profile: What the model was chosen by, if it was.

    Raises:
        ModelError: a file is missing or damaged, or the parts do not belong together.
    """
    check_family(family, vae=vae, bases=bases, adapters=adapters)
    _check_text(text, family)
    lora_changes(loras, bases, adapters, say=False)  # before the text encoder is read
    clip = host.load_clip(text, comfy_family(family).clip_type)
    transformer, pixels = placement.dtypes(sum(inspect(bases[0]).parameters.values()), family.dtypes)
    pair = len(bases) > 1
    with placement.saying_short_memory("reading the model's files", "Choose a smaller model"):
        core = load_model(
            bases[0],
            vae=vae,
            text=ClipText(clip, cased=family.text.cased),
            adapter=adapters[0],
            low_noise=bases[1] if pair else None,
            low_noise_adapter=adapters[1] if pair else None,
            boundary=boundary,
            dtype=transformer,
            vae_dtype=pixels,
            ops=placement.managed_layers(),
            keep_packed=True,
            lora=loras,
        )
    return managed(core, family, usual, profile)


def managed(core: VaceModel, family: Family, usual: SamplingOptions, profile: Profile | None = None) -> LibraryModel:
    """A model of ours whose networks ComfyUI moves."""
    vae: Any = core.vae
    experts = [expert for expert in (core.expert, core.low_noise) if expert is not None]
    return LibraryModel(
        core=core,
        family=family,
        usual=usual,
        vae=placement.vae_patcher(vae.network),
        experts=tuple(placement.patcher(memory.VaceTransformer(expert)) for expert in experts),
        profile=profile,
    )


def _adapter(path: Path, own: AdapterFile | None) -> Path:
    """The file of the adapter of the base in `path`: one that was chosen, or that of the base."""
    if own is not None:
        return own.path
    file = inspect(path)
    if "adapter" not in file.parameters:
        raise ModelError(
            "adapter-missing",
            "{name} holds {found}. An adapter is needed too. Connect VACE Load Adapter, or choose a VACE model.",
            name=path.name,
            found=CONTENTS[file.kind],
        )
    return path


def _check_text(path: Path, family: Family) -> None:
    found = identify(open_checkpoint(path, "text_encoder"), "text_encoder")
    if found.kind != "text" or found.family.text.name != family.text.name:
        raise ModelError(
            "text-encoder-other",
            "{name} holds {found}. {model} reads prompts with the {needed} text encoder. Choose a file "
            "such as {example}.",
            name=path.name,
            found=found.title,
            model=family.name,
            needed=family.text.released,
            example=family.text.example,
        )


def _check_clip(clip: Any) -> None:
    """Validate that a CLIP is what reads prompts for ComfyUI's own VACE models; others have rows of the same width."""
    found, family = host.text_encoder_name(clip), comfy_family(NATIVE_VACE)
    if found and found != family.clip_name:
        raise InputError(
            "clip-for-another-model",
            "The CLIP is {found}, whose prompts mean nothing to a Wan model. {needed} is needed. Choose the file and "
            "the type there.",
            found=found,
            needed=family.tips["clip"],
        )


def _model_note(family: Family, usual: SamplingOptions) -> str:
    shift = "a shift that grows with the clip" if usual.shift_growth else f"shift {usual.shift:g}"
    return (
        f"{family.name}. Published with {usual.steps} steps of {usual.solver}, cfg {usual.guidance_scale:g}, {shift}; "
        f"clips of {family.grid.lengths} frames, sides of multiples of {family.grid.step}."
    )


def _boundary() -> Any:
    return io.Float.Input(
        "boundary",
        default=PAIR_BOUNDARY,
        min=0.0,
        max=1.0,
        step=0.001,
        tooltip="Only with a low-noise model: the noise level (sigma, 0..1) below which it takes over. "
        f"{PAIR_BOUNDARY:g} for Wan 2.2 VACE-Fun.",
    )


def _model_output() -> Any:
    return sockets.Model.Output(display_name="model", tooltip="For VACE Sample Video and VACE Decode Video.")
