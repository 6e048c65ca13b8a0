"""Kernels of attention to choose from by name: those of torch, and those of packages where they are installed."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import InputError, shortened
from ..protocols import BaseSizes
from . import layers
from .wan.dit import HEAD_WIDTH

AUTO = "auto"
"""As torch chooses: the fastest exact kernel that it has for the device."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """What a kernel needs beside torch: the name to install, the name to import, and the earliest version."""

    name: str
    module: str
    least: str


@dataclass(frozen=True)
class Kernel:
    """Attention by one kernel, called as `layers.attention` is.

    Attributes:
        run: Computes it.
        takes_bias: Whether it takes a bias of the scores; text is padded for one that does not, which is the same.
        is_of_torch: Whether torch's `scaled_dot_product_attention` is what it calls.
    """

    run: Callable[..., Tensor]
    takes_bias: bool = True
    is_of_torch: bool = True

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        return self.run(q, k, v, bias)


PACKAGES: Mapping[str, Package] = {
    "flash3": Package(name="flash-attn-3", module="flash_attn_interface", least="3.0"),
    "sage": Package(name="sageattention", module="sageattention", least="1.0.6"),
    "xformers": Package(name="xformers", module="xformers.ops", least="0.0.29"),
}
"""What those kernels need that are not torch's own."""


def attention_named(name: str) -> Callable[..., Tensor]:
    """Attention by the kernel of this name, not looked at yet: `check_attention` does that.

    Raises:
        InputError: there is none of that name.
    """
    if name == AUTO:
        return layers.attention
    if name not in _KERNELS:
        raise InputError(
            "attention-unknown",
            'The attention is "{name}". One of {known} is needed. Choose one of these.',
            name=shortened(name),
            known=", ".join(ATTENTIONS),
        )
    return _KERNELS[name]


def layers_with(name: str) -> ModuleType | Any:
    """The library's layers with attention by this kernel, for `ops` of `load_base`. Raises as `attention_named`."""
    if name == AUTO:
        return layers
    return SimpleNamespace(
        Linear=layers.Linear, LayerNorm=layers.LayerNorm, RMSNorm=layers.RMSNorm, attention=attention_named(name)
    )


def heads_of(sizes: BaseSizes) -> int:
    """How many heads the attention of a base has; Wan's are all of one width."""
    return getattr(sizes, "heads", sizes.width // HEAD_WIDTH)


def check_attention(name: str, device: torch.device, dtype: torch.dtype, head_width: int) -> None:
    """Validate that a kernel computes on a device, by a few numbers.

    Args:
        name: One of `ATTENTIONS`.
        device: Where.
        dtype: What the transformer is computed in.
        head_width: Features of a head.

    Raises:
        InputError: there is none of that name, its package is missing or of a wrong version, or it does not run there.
    """
    kernel = attention_named(name)
    if name == AUTO:
        return
    if name in PACKAGES:
        _check_package(name, PACKAGES[name])
    try:
        x = torch.zeros(1, 2, 16, head_width, device=device, dtype=dtype)
        kernel(x, x, x)
    except Exception as error:  # of any package
        raise InputError(
            "attention-refused",
            "The attention {name} does not run on {device} in {dtype} with heads of {width}: {error} One that does is "
            "needed. Choose auto, or another one.",
            name=name,
            device=device,
            dtype=str(dtype).removeprefix("torch."),
            width=head_width,
            error=shortened(str(error).split("\n")[0], 200).rstrip(".") + ".",
        ) from error


def _check_package(name: str, package: Package) -> None:
    try:
        found = metadata.version(package.name)
    except metadata.PackageNotFoundError:
        found = "not installed"
    if found == "not installed" or _numbers(found) < _numbers(package.least):
        raise InputError(
            "attention-package",
            "The attention {name} needs the package {package}, which is {found}. {least} or later is needed. Install "
            "that, or choose auto.",
            name=name,
            package=package.name,
            found=found,
            least=package.least,
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0])[:3])


def _torch(backend: SDPBackend) -> Callable[..., Tensor]:
    def run(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        with sdpa_kernel(backend):
            return layers.attention(q, k, v, bias)

    return run


def _flash3(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    from torch.nn import attention  # an older torch has no such switch

    switch: Any = attention
    if switch.current_flash_attention_impl() != "FA3":
        switch.activate_flash_attention_impl("FA3")
    return _KERNELS["flash"](q, k, v, bias)


def _sage(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    if bias is not None:  # of the text, which takes little time
        return layers.attention(q, k, v, bias)
    package: Any = importlib.import_module(PACKAGES["sage"].module)
    return package.sageattn(q, k, v, tensor_layout="HND").transpose(1, 2).flatten(2)


def _xformers(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    if bias is not None:
        return layers.attention(q, k, v, bias)
    package: Any = importlib.import_module(PACKAGES["xformers"].module)
    return package.memory_efficient_attention(*(x.transpose(1, 2) for x in (q, k, v))).flatten(2)


_KERNELS: Mapping[str, Kernel] = {
    "flash": Kernel(_torch(SDPBackend.FLASH_ATTENTION), takes_bias=False),
    "flash3": Kernel(_flash3, takes_bias=False),
    "cudnn": Kernel(_torch(SDPBackend.CUDNN_ATTENTION)),
    "efficient": Kernel(_torch(SDPBackend.EFFICIENT_ATTENTION)),
    "sage": Kernel(_sage, is_of_torch=False),
    "xformers": Kernel(_xformers, is_of_torch=False),
}
ATTENTIONS = (AUTO, *_KERNELS)
"""The names to choose from. All but sage are exact; sage computes scores in eight bits."""
