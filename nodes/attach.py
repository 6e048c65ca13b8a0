"""Nodes that attach an adapter to a native MODEL, and encode a VCU's prompts for native samplers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from comfy_api.latest import io
from torch import Tensor, nn

from ..vace_core.context import Encoded
from ..vace_core.errors import InputError
from ..vace_core.files.checkpoint import open_checkpoint
from ..vace_core.loading.detection import Found, identify
from ..vace_core.loading.inspect import context_layers_of
from ..vace_core.loading.load import load_adapter
from ..vace_core.loading.lora import Changes, Lora
from ..vace_core.loading.lora_match import changes_for
from ..vace_core.models.family import Family
from ..vace_core.protocols import OnChunk
from ..vace_core.sampling.options import AdapterOptions, SamplingOptions
from ..vace_core.sampling.strength import Strength
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, memory, native, placement, settings, sockets
from .comfy.fitted import check_for_model
from .comfy.hooks import Acting, Plug, attach
from .comfy.node import Node, captured_warnings
from .comfy.registry import COMFY_FAMILIES, NATIVE_VACE, comfy_family, tips
from .comfy.sockets import AdapterFile, ConditionStack, LibraryModel, LoraStack, NativeModel
from .comfy.where import EMPTY_LATENT, PINNED_LATENT, Where, all_conditions, check_pinning, latent_of, places_of
from .lora import files_of, loras_input

# ComfyUI's handles of adapters that were read, as long as the output of their loader lives: attaching one file twice,
# or again with another VCU, reads and holds it once.
_READ: WeakKeyDictionary[AdapterFile, dict[Any, Any]] = WeakKeyDictionary()


class VaceAttachAdapter(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceAttachAdapter",
            "VACE Attach Adapter",
            "Attaches a VACE adapter with a VCU (Video Condition Unit) to a text-to-video MODEL, for any "
            "sampler: LoRA, GGUF, fp8 and compilation keep working. The input MODEL is not changed: use it to go "
            "on without the adapter. Several can be chained, and add up. Model, adapter and VAE must be of the "
            "same family and size.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="A Wan 2.1 or LTX-Video 0.9 text-to-video model from Load Diffusion Model or another "
                    "loader.",
                ),
                sockets.Adapter.Input("adapter", tooltip="From VACE Load Adapter."),
                sockets.Vcu.Input(
                    "vcu", tooltip="VCU (Video Condition Unit): what to keep and what to generate. From any VACE task."
                ),
                io.MultiType.Input(
                    "vae",
                    types=[io.Vae, sockets.Model],
                    tooltip="The VAE of the model, or a VACE model that has it, such as the starter.",
                ),
                *sockets.guidance(),
                *sockets.where(),
                sockets.latent(),
                loras_input("of the adapter (those of the base go into the MODEL, by ComfyUI's LoRA loaders)"),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with the adapter, for the sampler."),
                io.Latent.Output(display_name="latent", tooltip=sockets.LATENT_TIP),
                io.Int.Output(display_name="trim_latent", tooltip="The number of latent frames that are references."),
            ],
            aliases=[
                "wan vace",
                "apply adapter",
                "vace module",
                "vace context",
                "vace strength",
                "controlnet",
                "lora",
                "gguf",
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        adapter: AdapterFile,
        vcu: VideoConditionUnit,
        vae: Any,
        strength: float,
        start_percent: float,
        end_percent: float,
        strengths: Strength | None = None,
        conditions: ConditionStack | None = None,
        latent: str = EMPTY_LATENT,
        loras: LoraStack | None = None,
    ) -> io.NodeOutput:
        _check_networks(files_of(loras))
        options = AdapterOptions(start_percent=start_percent, end_percent=end_percent)
        where = Where(conditions=all_conditions(vcu, strength, strengths, conditions), pin=latent == PINNED_LATENT)
        found = identify(open_checkpoint(adapter.path))
        plug = _plug_for(model, found.family)
        layers = _fitting_layers(found, plug.sizes(host.network_of(model)))
        _check_vae(vae, plug.family)
        check_for_model(vcu, plug.family.grid)
        check_pinning(latent, plug.family)
        with captured_warnings() as said:
            changes = changes_for(files_of(loras), (found, "adapter"))
        handle = _read(adapter, layers, plug, model, files_of(loras), changes)
        progress = host.Progress()
        with memory.said("encoding", vcu):
            known = _encoded(vae, where, plug.family, latent != EMPTY_LATENT, lambda *at: progress(*at))
        for one, context in zip(where.conditions, known.contexts, strict=True):
            acting = Acting(options=options, strength=one.strength, places=places_of(one, plug.family.grid))
            model = attach(model, handle, plug.context(model, context.float().cpu()), acting, plug.room)
        begun = latent_of(latent, known.contexts[0], known.source, where, plug.family)
        # Always a note: a node shows its last ones, warnings too, until it says something else.
        acts = f"{adapter.path.name}: {len(layers)} context blocks for {plug.family.name}."
        return host.output(cls, model, begun, vcu.num_references, notes=[acts, *said])


class VaceEncodePrompt(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceEncodePrompt",
            "VACE Encode Prompt",
            "Encodes the prompt and negative prompt of a VCU (Video Condition Unit) as conditioning, for "
            "KSampler after VACE Attach Adapter or for VACE Apply VCU. The starter has a text encoder of its "
            "own: for its base model, connect the starter itself.",
            inputs=[
                io.MultiType.Input(
                    "clip",
                    types=[io.Clip, sockets.Model],
                    tooltip=f"{tips('clip', ' ')}, or a VACE model that has its text encoder.",
                ),
                sockets.Vcu.Input("vcu", tooltip="The VCU whose prompts are encoded: from any VACE task."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The prompt, for the sampler."),
                io.Conditioning.Output(
                    display_name="negative",
                    tooltip="The negative prompt, or the model's default one, for the sampler.",
                ),
            ],
            aliases=["clip text encode", "prompt"],
        )

    @classmethod
    def execute(cls, clip: Any, vcu: VideoConditionUnit) -> io.NodeOutput:
        negative = _usual(clip).negative_for(vcu)
        with captured_warnings() as said:
            texts = [_conditioning(clip, words, vcu.fps) for words in (vcu.prompt, negative)]
        return host.output(cls, *texts, notes=[f"Negative prompt: {negative or 'none'}", *said])


def _check_networks(loras: Sequence[Lora]) -> None:
    """Validate that no LoRA is for one network of a pair: nothing in a MODEL tells which of the two it is.

    Raises:
        InputError: one is.
    """
    for lora in loras:
        if lora.noise is not None:
            raise InputError(
                "lora-noise-attached",
                "The LoRA {path} is for the {noise}-noise network of a pair, and VACE Attach Adapter has one MODEL, "
                "which may be either. A LoRA for both is needed here. Set network of VACE Load LoRA to both, and give "
                "each node of a pair the LoRAs of its own MODEL alone.",
                path=lora.path,
                noise=lora.noise,
            )


def _plug_for(model: Any, family: Family) -> Plug:
    """How adapters of a family act in a MODEL.

    Raises:
        InputError: the MODEL is of another kind, or a variant of it.
    """
    network = host.network_of(model)
    plug = comfy_family(family).plug
    if not plug.owns(network):
        known = next((other.family.name for other in COMFY_FAMILIES if other.plug.owns(network)), None)
        kind = type(model.model.model_config).__name__
        raise InputError(
            "adapter-for-another-model",
            "The adapter is for {adapter}, the model is {model}. Both must be of one family. Connect "
            "{needed}, or choose an adapter that was made for this model.",
            adapter=family.name,
            model=known or f"of another kind ({kind})",
            needed=family.base_name,
        )
    plug.check(network)
    return plug


def _fitting_layers(found: Found, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The context layers of the adapter that was found, told from the header of its file.

    Raises:
        AdapterMismatchError: it was made for a base of another width than `sizes` say, or for a deeper one.
    """
    block_sizes, blocks = found.family.adapter_sizes(found.weights)
    if not blocks:
        raise InputError(
            "adapter-without-blocks",
            "The adapter {name} has no blocks: its base was trained to read the condition itself, which "
            "ComfyUI's own MODEL cannot. An adapter with blocks is needed here. Choose one, or run this model "
            "with the command vace.",
            name=found.weights.file.path.name,
        )
    layers = context_layers_of(found) or found.family.usual_layers(sizes["layers"], blocks)
    with torch.device("meta"):
        found.family.build_adapter(block_sizes, layers).check_fits(**sizes)
    return layers


def _read(
    adapter: AdapterFile,
    layers: tuple[int, ...],
    plug: Plug,
    model: Any,
    loras: tuple[Lora, ...],
    changes: Changes,
) -> Any:
    """ComfyUI's handle of the adapter with what LoRAs change in it, in the precision of the MODEL."""
    dtype = placement.compute_dtype(model)
    handles = _READ.setdefault(adapter, {})
    key = (dtype, layers, str(model.load_device), loras, *host.stamps([one.path for one in loras]))
    if key not in handles:
        path = adapter.path  # alone: ComfyUI's handle must not keep alive what its own life hangs on

        def make() -> nn.Module:
            return plug.managed(
                load_adapter(path, context_layers=layers, dtype=dtype, keep_packed=True, changes=changes)
            )

        for old in [old for old in handles if loras and old[3] and old[:3] == key[:3]]:
            del handles[old]  # another strength is tried, and each is a whole adapter
        handles[key] = placement.companion(make, model)
    return handles[key]


def _check_vae(vae: Any, family: Family) -> None:
    """Validate that a VAE is of the adapter's family.

    Raises:
        InputError: It is of another one.
    """
    if not isinstance(vae, LibraryModel):
        native.NativeVae(vae.vae if isinstance(vae, NativeModel) else vae, family)
    elif vae.family.name != family.name:
        raise InputError(
            "vae-for-another-model",
            "The VAE is that of {vae}. That of {needed} is needed by the adapter. Connect the VAE that "
            "belongs to the model.",
            vae=vae.family.name,
            needed=family.name,
        )


def _encoded(vae: Any, where: Where, family: Family, source: bool, on_chunk: OnChunk) -> Encoded:
    if isinstance(vae, LibraryModel):
        return memory.encoded(vae, where.units, source=source, on_chunk=on_chunk)
    own = vae.vae if isinstance(vae, NativeModel) else vae
    return native.encoded(own, where, family, source=source, on_chunk=on_chunk)


def _usual(clip: Any) -> SamplingOptions:
    """The default sampling options of the text encoder's model."""
    if isinstance(clip, (LibraryModel, NativeModel)):
        return settings.usual(clip)[1]
    name = host.text_encoder_name(clip)
    return next((comfy.family for comfy in COMFY_FAMILIES if comfy.clip_name == name), NATIVE_VACE).options


def _conditioning(clip: Any, prompt: str, fps: float) -> Any:
    """A prompt as CONDITIONING, as ComfyUI's own model of the family needs it."""
    if isinstance(clip, NativeModel):
        clip = clip.clip
    if not isinstance(clip, LibraryModel):
        # The rate is for LTX-Video, whose positions in time are seconds; other models do not look at it.
        return [[text, {**said, "frame_rate": fps}] for text, said in host.conditioning(clip, prompt)]
    rows: Tensor = clip.core.text.encode(prompt).float().cpu()
    return [list(comfy_family(clip.family).plug.prompt(rows, fps))]
