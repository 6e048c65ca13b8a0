"""Where ComfyUI keeps networks: devices, precision, layers that stream, and what is done when memory is short."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from ...vace_core.checks.room import is_short_of_memory
from ...vace_core.errors import ModelError
from ...vace_core.models import layers as own_layers
from ...vace_core.models.devices import VAE_DTYPES
from .host import asked_for
from .layers import managed_ops

Result = TypeVar("Result")

log = logging.getLogger("vace")


def dtypes(numbers: int, supported: Sequence[torch.dtype] = VAE_DTYPES) -> tuple[torch.dtype, torch.dtype]:
    """What ComfyUI would compute a transformer of so many weights in, and a VAE.

    Args:
        numbers: How many weights.
        supported: What the transformer can be computed in, best first.
    """
    try:
        from comfy.model_management import get_torch_device, unet_dtype, vae_dtype
    except ImportError:
        return torch.float32, torch.float32
    device = get_torch_device()
    chosen = unet_dtype(device=device, model_params=numbers, supported_dtypes=list(supported))
    # What was asked for on ComfyUI's command line comes back even where it is not supported.
    return chosen if chosen in supported else supported[0], vae_dtype(device, list(VAE_DTYPES))


def network_device() -> torch.device:
    """Where ComfyUI computes; the CPU without it."""
    try:
        from comfy.model_management import get_torch_device
    except ImportError:
        return torch.device("cpu")
    return get_torch_device()


def patcher(network: nn.Module) -> Any | None:
    """ComfyUI's handle of a transformer made of `managed_layers`, by which it brings as much as there is room for."""
    try:
        from comfy import model_patcher
        from comfy.model_management import get_torch_device, unet_offload_device

        # Newer ComfyUIs decide at their start how weights are moved.
        kind = getattr(model_patcher, "CoreModelPatcher", None) or model_patcher.ModelPatcher
    except (ImportError, AttributeError):
        return None
    return kind(network, load_device=get_torch_device(), offload_device=unet_offload_device())


def vae_patcher(network: nn.Module) -> Any | None:
    """ComfyUI's handle of a VAE, which is on its device whole or not at all."""
    try:
        from comfy.model_management import vae_device, vae_offload_device
        from comfy.model_patcher import ModelPatcher
    except ImportError:
        return None
    return ModelPatcher(network, load_device=vae_device(), offload_device=vae_offload_device())


def to_device(handle: Any | None, memory: int, *, whole: bool = False) -> None:
    """Brings a network to its device: whole, or as much of it as leaves room for so many bytes of activations.

    Where there is too little memory even for that, the device is emptied and the weights stay where they are stored.
    """
    if handle is None:
        return
    with asked_for():
        from comfy.model_management import load_models_gpu

    def bring() -> None:
        load_models_gpu([handle], memory_required=memory, force_full_load=whole)

    when_memory_is_short(bring, bring if whole else lambda: None)
    if whole:  # where ComfyUI keeps weights off the device, those without managed layers cannot be used from there
        handle.model.to(handle.load_device)


def bring_vae(vae: Any, memory: int) -> None:
    """Brings the weights of ComfyUI's own VAE to its device, as it does itself, with room for so many bytes."""
    try:
        from comfy.model_management import load_models_gpu
    except ImportError:
        return
    load_models_gpu([vae.patcher], memory_required=memory, force_full_load=getattr(vae, "disable_offload", False))


def free_cache() -> None:
    """Frees cached memory that nothing uses."""
    try:
        from comfy.model_management import soft_empty_cache
    except ImportError:
        return
    soft_empty_cache()


def free_device() -> None:
    """Takes every model off the device; those of managed layers can be used even so."""
    try:
        from comfy.model_management import unload_all_models
    except ImportError:
        return
    unload_all_models()
    free_cache()


def when_memory_is_short(run: Callable[[], Result], instead: Callable[[], Result]) -> Result:
    """What `run` gives, or `instead`, with nothing else on the device, where there was too little memory for it."""
    try:
        return run()
    except Exception as error:
        if not is_short_of_memory(error):
            raise
        log.warning("VACE: out of memory, so all models are taken off the device and it is tried once more")
    # Here the error is gone, and with it what its frames held.
    free_device()
    return instead()


@contextmanager
def saying_short_memory(doing: str, cure: str) -> Generator[None, None, None]:
    """Around what may run out of memory after all that could be done about it.

    Raises:
        ModelError: it did.
    """
    try:
        yield
    except Exception as error:
        if not is_short_of_memory(error):
            raise
    else:
        return
    free_device()
    raise ModelError(
        "out-of-memory",
        "Memory ran out while {doing}, also with all other models taken off the device. More free memory "
        "is needed. {cure}, or close other programs that use it.",
        doing=doing,
        cure=cure,
    )


def companion(make: Callable[[], nn.Module], model: Any) -> Any:
    """ComfyUI's handle of a network that works beside a MODEL, on the same devices.

    Args:
        make: Gives the network, with weights of its own at every call: ComfyUI wants another one for every device that
            the MODEL is spread over.
        model: MODEL.
    """
    from comfy import model_patcher

    devices = {"load_device": model.load_device, "offload_device": model.offload_device}

    def handle(disable_dynamic: bool = False) -> Any:
        # Newer ComfyUIs decide at their start how weights are moved.
        plain = model_patcher.ModelPatcher
        kind = plain if disable_dynamic else getattr(model_patcher, "CoreModelPatcher", plain)
        made = kind(make(), **devices)
        made.cached_patcher_init = (handle, ())
        return made

    return handle()


def companion_of(model: Any, handle: Any) -> nn.Module:
    """The network of a companion as it works beside a MODEL that samples: on each device a MODEL has its own."""
    origin = getattr(handle, "clone_base_uuid", None)  # older ComfyUIs spread nothing
    others = model.get_additional_models() if origin is not None and model is not None else ()
    return next((other.model for other in others if other.clone_base_uuid == origin), handle.model)


def compute_dtype(model: Any) -> torch.dtype:
    """What a MODEL computes in, however its weights are stored."""
    # Asked of the MODEL: what another branch of the graph set is in the network as long as that one is loaded.
    chosen = model.get_model_object("manual_cast_dtype") or model.model.get_dtype()
    return chosen if chosen in (torch.float32, torch.bfloat16, torch.float16) else dtypes(0)[0]


def managed_layers() -> Any:
    """Layers whose weights ComfyUI keeps where there is room, with its attention; our own without it."""
    try:
        from comfy import ops
        from comfy.ldm.modules import attention

        context = getattr(ops, "CastBiasWeightContext", None)
        return managed_ops(ops.manual_cast, ops.cast_bias_weight, context, attention)
    except (ImportError, AttributeError):
        return own_layers
