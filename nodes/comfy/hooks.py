"""An adapter on ComfyUI's own MODEL, by the hooks that every MODEL offers, and nothing else.

A wrapper around each call of the model starts one pass of the adapter, or none where it does not act; replacements of
the base's blocks carry it on. They and what a pass knows travel in the options of that one call, around whatever other
nodes replace in it: a MODEL keeps nothing of it, so a job that fails leaves nothing behind. All hooks are functions,
for older ComfyUIs copy objects with all they hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...vace_core.adapter import ContextAdapter, HintChain, check_blocks
from ...vace_core.errors import InputError, ShapeError
from ...vace_core.models.family import Family
from ...vace_core.models.layers import keep_packed
from ...vace_core.sampling.options import AdapterOptions
from ...vace_core.sampling.schedule import found_percent
from ...vace_core.sampling.strength import AS_TRAINED, Strength
from . import host, placement

PASSES = "vace_passes"  # in the options of one call: by the name of each attached adapter, its pass
NAME = "vace"
KIND, BLOCK = "dit", "double_block"
# Noise levels come as float32, percents become levels in double precision.
ROUNDING = 1 + 1e-5


class Plug(Protocol):
    """How the adapters of one family act in ComfyUI's own models of it.

    Attributes:
        family: Whose adapters.
        room: Memory for the activations of an adapter, as a part of what ComfyUI counts for the base's.
    """

    family: Family
    room: float

    def owns(self, network: Any) -> bool:
        """Whether the network of a MODEL is of this family, any variant included."""
        ...

    def check(self, network: Any) -> None:
        """Accepts a base of this family that its adapters are made for. Raises InputError: a variant."""
        ...

    def sizes(self, network: Any) -> Mapping[str, int]:
        """`width` and `layers` of a base."""
        ...

    def managed(self, adapter: ContextAdapter) -> ContextAdapter:
        """The same weights in layers that ComfyUI moves and casts.

        Its embedder takes context latents in the precision of the base. Its blocks take tokens `(B, L, D)` and, as
        their stream, what ComfyUI hands to a replaced block: a dict, whose "img" may have been written into.
        """
        ...

    def prompt(self, rows: Tensor, fps: float) -> tuple[Tensor, dict[str, Any]]:
        """A prompt `(1, S, D)` without padding, for a clip of `fps`, as CONDITIONING of ComfyUI's own model."""
        ...

    def context(self, model: Any, context: Tensor) -> Tensor:
        """Context latents, normalised by us, as ComfyUI's own model of this family would get them."""
        ...


def in_managed_layers(adapter: ContextAdapter, embedder: nn.Module, blocks: Sequence[nn.Module]) -> ContextAdapter:
    """The weights of `adapter` in `embedder` and `blocks`, which are on meta, of ComfyUI's layers."""
    with torch.device("meta"):
        made = ContextAdapter(
            embedder=embedder,
            blocks=blocks,
            width=adapter.width,
            context_layers=adapter.context_layers,
            ops=placement.managed_layers(),
        )
    for name, layer in adapter.named_modules():
        if getattr(layer, "packing", None) is not None:
            target: Any = made.get_submodule(name)
            keep_packed(target, layer.weight, layer.packing)
            target.weight_comfy_model_dtype = layer.weight.dtype  # what newer ComfyUIs would turn it into on its way
    made.load_state_dict(adapter.state_dict(), strict=True, assign=True)
    return made.eval().requires_grad_(False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Acting:
    """Where and when an attached adapter acts, all of which multiplies.

    Attributes:
        options: How strongly, and in which part of the schedule.
        strength: And over steps and blocks.
        places: `(1, 1, R+t, h, w)`, the factor of each token by its place; None where all are 1.
    """

    options: AdapterOptions
    strength: Strength = AS_TRAINED
    places: Tensor | None = None

    @property
    def overall(self) -> float:
        """The factor on all hints; 0 where none is ever added."""
        somewhere = any(self.strength.blocks or (1.0,)) and (self.places is None or bool(self.places.any()))
        return self.options.strength * self.strength.overall if somewhere else 0.0

    def at(self, base: Any, t: Tensor) -> float:
        """The factor on all hints at the noise levels `t` of the model that samples."""
        # Asked of the model that samples: its shift may be set behind us.
        to_sigma = base.model_sampling.percent_to_sigma
        within = self.options.sigma_range(lambda percent: float(to_sigma(percent)) * ROUNDING)
        if within.is_everything and not self.strength.steps:
            return self.overall  # without waiting for the device to tell its level
        sigma = float(t.max())
        if sigma not in within:
            return 0.0
        percent = found_percent(lambda percent: float(to_sigma(percent)), sigma) if self.strength.steps else 0.0
        return self.overall * self.strength.at(percent)


def attach(model: Any, adapter: Any, context: Tensor, acting: Acting, room: float) -> Any:
    """A MODEL on which the adapter acts; the one given is not changed.

    Args:
        model: MODEL, on which other adapters may act already: all of them add up.
        adapter: ComfyUI's handle of what `Plug.managed` gave.
        context: From `Plug.context`.
        acting: How strongly, where and when.
        room: `Plug.room`.

    Raises:
        AdapterMismatchError: factors for another number of blocks than the adapter has.
    """
    attached = model.clone()
    if acting.strength.blocks:
        check_blocks(len(acting.strength.blocks), len(adapter.model.context_layers))
    if acting.overall == 0:
        return attached
    name = _free_name(attached)
    host.add_wrapper(attached, "APPLY_MODEL", name, _around(name, adapter, context, acting))
    host.add_wrapper(attached, "PREPARE_SAMPLING", name, _roomier(room))
    # One adapter with two conditions is loaded, and counted, once. An empty list marks the name as taken.
    there = any(other.is_clone(adapter) for some in attached.additional_models.values() for other in some)
    attached.set_additional_models(name, [] if there else [adapter])
    return attached


class Pass:
    """One adapter in one call of the model."""

    def __init__(
        self,
        adapter: ContextAdapter,
        latents: Tensor,
        strength: float,
        blocks: tuple[float, ...] = (),
        places: Tensor | None = None,
    ) -> None:
        self._adapter, self._latents, self._strength = adapter, latents, strength
        self._blocks, self._places = blocks, places
        self._chain: HintChain | None = None

    def begin(self, tokens: Tensor) -> None:
        """Meets the base's `tokens` `(B, L, D)` as they are before its first block.

        Raises:
            InputError: the base works on more than the latent, or on a part of it.
        """
        embedded = self._adapter.embed(self._latents.to(tokens.dtype))
        if embedded.shape[1] != tokens.shape[1]:
            raise InputError(
                "tokens-differ",
                "The model works on {tokens} tokens, the latent has {latent_tokens}. Both need the same number. {fix}",
                tokens=tokens.shape[1],
                latent_tokens=embedded.shape[1],
                fix="Limit a prompt to a part of the picture with Conditioning (Set Mask) and set_cond_area default, "
                "not with an area or the bounds of a mask."
                if tokens.shape[1] < embedded.shape[1]
                else "Give the images that another node adds to the conditioning to the VCU as references instead.",
            )
        self._chain = NativeHintChain(
            self._adapter, embedded + tokens, strength=self._strength, blocks=self._blocks, places=self._places
        )

    def add_hint(self, layer: int, tokens: Tensor, args: Mapping[str, Any]) -> Tensor:
        """As `HintChain.add_hint`."""
        assert self._chain is not None  # the first context layer is that of the first block
        return self._chain.add_hint(layer, tokens, args)


class NativeHintChain(HintChain):
    """Adds hints in the order of ComfyUI's own model, so that the sum is equal to the bit."""

    def _sum(self, tokens: Tensor, hint: Tensor, strength: float) -> Tensor:
        return hint.mul_(strength).add_(tokens)


def _block(name: str, layer: int, earlier: Callable[..., Any] | None) -> Callable[..., Any]:
    """Replaces a block of the base by itself, or by what replaced it earlier, and its hint."""

    def block(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        now: Pass | None = args["transformer_options"].get(PASSES, {}).get(name)
        if now is not None and layer == 0:
            now.begin(args["img"])
        out = extra["original_block"](args) if earlier is None else earlier(args, extra)
        return out if now is None else {**out, "img": now.add_hint(layer, out["img"], args)}

    return block


def _around(name: str, adapter: Any, context: Tensor, acting: Acting) -> Callable[..., Any]:
    """Goes around one call of the model, outside of what may be compiled."""

    def around(
        executor: Any,
        x: Tensor,
        t: Tensor,
        c_concat: Any = None,
        c_crossattn: Any = None,
        control: Any = None,
        transformer_options: Mapping[str, Any] | None = None,
        **conds: Any,
    ) -> Any:
        shared = dict(transformer_options or {})
        base = executor.class_obj
        strength = acting.at(base, t)
        if strength:
            network = placement.companion_of(getattr(base, "current_patcher", None), adapter)
            window = shared.get("context_window")
            seen = _seen(context, x, window, base)
            places = None if acting.places is None else _in_window(acting.places, x, window, base).reshape(1, -1, 1)
            now = Pass(network, seen, strength, acting.strength.blocks, places)
            shared[PASSES] = {**shared.get(PASSES, {}), name: now}
            shared["patches_replace"] = _with_blocks(shared.get("patches_replace", {}), name, network.context_layers)
        return executor(x, t, c_concat, c_crossattn, control, shared, **conds)

    return around


def _seen(context: Tensor, latents: Tensor, window: Any | None, base: Any) -> Tensor:
    """The context of the frames that one call of `base` is about, once for every clip of the batch.

    Raises:
        ShapeError: the latent is not that of the unit.
    """
    fits = getattr(window, "total_frames", context.shape[2]) == context.shape[2]
    if fits:
        context = _in_window(context, latents, window, base)
    clips, rest = divmod(len(latents), len(context))
    if rest or not fits or context.shape[2:] != latents.shape[2:]:
        raise ShapeError(
            "latent-size",
            "The latent is {latent}, that of the VCU {vcu} (frames x height x width, references included). "
            "Both need the same. Connect the latent of VACE Attach Adapter to the sampler, and with several "
            "adapters attach VCUs of one size and as many references.",
            latent=_by(latents.shape[2:]),
            vcu=_by(context.shape[2:]),
        )
    return context.to(latents.device).repeat(clips, 1, 1, 1, 1)


def _in_window(whole: Tensor, latents: Tensor, window: Any | None, base: Any) -> Tensor:
    """Of `(B, C, t, h, w)` the frames that one call of `base` is about."""
    if window is None:
        return whole.to(latents.device)
    return window.get_tensor(whole, latents.device, dim=2, **kept_in_windows(base))


def kept_in_windows(base: Any) -> dict[str, Any]:
    """Which frames of a condition ComfyUI was told to show in every context window, if any."""
    patcher = getattr(base, "current_patcher", None)
    handler = patcher.model_options.get("context_handler") if patcher is not None else None
    frames = getattr(handler, "cond_retain_index_list", None)
    return {"retain_index_list": frames} if frames else {}


def _by(shape: Any) -> str:
    return " x ".join(str(int(side)) for side in shape)


def _roomier(room: float) -> Callable[..., Any]:
    """Makes ComfyUI keep memory free for the adapter's activations too, as if frames were higher."""

    def prepare(executor: Any, model: Any, noise_shape: Any, conds: Any, *args: Any, **named: Any) -> Any:
        shape = list(noise_shape)
        if len(shape) == 5:
            shape[3] = math.ceil(shape[3] * (1 + room))
        return executor(model, torch.Size(shape), conds, *args, **named)

    return prepare


def _free_name(model: Any) -> str:
    """By the number of adapters alone: ComfyUI, and what is compiled, find the same names on the next run."""
    number = sum(name.startswith(NAME) for name in model.additional_models)
    return f"{NAME} {number + 1}"


def _with_blocks(replaced: Mapping[str, Any], name: str, layers: Sequence[int]) -> dict[str, Any]:
    """Replacements of one call with those that carry a pass on.

    Around what is there in the call, for some nodes leave blocks out in some calls alone (skip-layer guidance): the
    hint of such a block counts all the same, as in ComfyUI's own model.
    """
    blocks = dict(replaced.get(KIND, {}))
    for layer in layers:
        blocks[BLOCK, layer] = _block(name, layer, blocks.get((BLOCK, layer)))
    return {**replaced, KIND: blocks}
