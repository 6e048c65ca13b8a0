"""What every node does around its own work: what came is checked before, and what went wrong is said printably after.

ComfyUI checks what is typed, but not what is linked, no literal in a socket, and NaN nowhere. And it logs the text of
an exception as it is: where the console cannot encode it, the thread that works on the queue dies.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from numbers import Real
from threading import get_ident
from typing import Any, ClassVar

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ...vace_core.checks.numbers import check_number, check_whole
from ...vace_core.errors import InputError, VaceError, shortened
from ...vace_core.sampling.strength import Strength
from ...vace_core.vcu import VideoConditionUnit
from .chosen import ChosenModel
from .settings import with_settings
from .sockets import (
    ANY_RATE,
    AdapterFile,
    ConditionStack,
    CropStitch,
    LibraryModel,
    LongPlan,
    LoraStack,
    MoreOptions,
    NativeModel,
    ReferenceStack,
)

log = logging.getLogger("vace")


class Node(io.ComfyNode):
    """A node whose `execute` gets only what its form allows, and whose errors every console can print.

    Attributes:
        files: Inputs whose choices are files; where one is missing, what looks for it says so.
        loads: Whether it needs the weights of a model that is connected, rather than what is known of it before.
    """

    files: ClassVar[frozenset[str]] = frozenset()
    loads: ClassVar[bool] = True

    @classmethod
    def filled(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The values for `execute`, those among them that were left to something else."""
        return values

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        for name, around in (("execute", _executing), ("fingerprint_inputs", _fingerprinting)):
            own = cls.__dict__.get(name)
            # ComfyUI makes classes of its own out of ours, with what they hold.
            if own is not None and not hasattr(own.__func__, "__wrapped__"):
                setattr(cls, name, classmethod(around(own.__func__)))


def _executing(execute: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(execute)
    def checked(cls: Any, **values: Any) -> Any:
        with _printable_errors():
            return execute(cls, **cls.filled(_checked(cls, values)))

    return checked


def _fingerprinting(fingerprint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(fingerprint)
    def printable(cls: Any, **values: Any) -> Any:
        with _printable_errors():
            return fingerprint(cls, **values)

    return printable


class Task(Node):
    """A node that builds a VCU for a model: what it leaves to the model is filled in, and `execute` never sees it."""

    loads = False

    @classmethod
    def filled(cls, values: dict[str, Any]) -> dict[str, Any]:
        return with_settings(values, values.pop("model", None))


@contextmanager
def _printable_errors() -> Generator[None, None, None]:
    """Lets through only errors that the console can print, with all that led to them."""
    try:
        yield
    except Exception as error:
        if all(_printable(str(one)) == str(one) for one in _chain(error)):
            raise
        raise _reworded(error).with_traceback(error.__traceback__) from None


def _reworded(error: Exception) -> VaceError:
    """`error` in letters that the console can print, with its class, code and fields."""
    if not isinstance(error, VaceError):
        return VaceError("node-failed", "{kind}: {error}", kind=type(error).__name__, error=_printable(str(error)))
    text = _printable(str(error)).replace("{", "{{").replace("}", "}}")
    return type(error)(error.code, text, **error.fields)


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error, and what a traceback shows beside it."""
    found = list[BaseException]()
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _printable(text: str) -> str:
    """`text` with escapes for what a stream of this process cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    return text


@contextmanager
def captured_warnings() -> Generator[list[str], None, None]:
    """What the library warns of in its log meanwhile, in this thread, for the notes of a node; each once."""
    said: list[str] = []
    here = get_ident()

    def hear(record: logging.LogRecord) -> bool:
        words = record.getMessage()
        words = f"{words[:1].upper()}{words[1:]}."
        if record.levelno >= logging.WARNING and record.thread == here and words not in said:
            said.append(words)
        return True

    log.addFilter(hear)
    try:
        yield said
    finally:
        log.removeFilter(hear)


# What may come


def _has(*names: str) -> Callable[[Any], bool]:
    """Whether something of ComfyUI's offers what is used of it."""
    return lambda value: all(callable(getattr(value, name, None)) for name in names)


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _is_tensor(value: Any) -> bool:
    """Whether it is a tensor that holds its numbers, one after the other."""
    return isinstance(value, Tensor) and value.layout == torch.strided and not (value.is_meta or value.is_nested)


def _is_latent(value: Any) -> bool:
    return isinstance(value, dict) and _is_tensor(value.get("samples"))


def _is_conditioning(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(
            isinstance(one, (list, tuple)) and len(one) == 2 and _is_tensor(one[0]) and isinstance(one[1], dict)
            for one in value
        )
    )


def _is_tracks(value: Any) -> bool:
    """Whether it has points `(frames, tracks, 2)`."""
    points = value.get("track_path") if isinstance(value, dict) else None
    return _is_tensor(points) and points.dim() == 3 and points.shape[2] == 2 and points.numel() > 0


SOCKETS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "IMAGE": (_is_tensor, "An IMAGE is needed. Connect an IMAGE output."),
    "VIDEO": (_has("get_components"), "A VIDEO is needed. Connect Load Video."),
    "TRACKS": (_is_tracks, "TRACKS are needed. Connect a node that makes tracks, such as Generate Tracks."),
    "MASK": (_is_tensor, "A MASK is needed. Connect a MASK output."),
    "LATENT": (_is_latent, "A LATENT is needed. Connect VACE Sample Video or another sampler."),
    "CONDITIONING": (_is_conditioning, "A CONDITIONING is needed. Connect CLIP Text Encode or VACE Encode Prompt."),
    "MODEL": (_has("clone", "get_model_object"), "A MODEL is needed. Connect Load Diffusion Model."),
    "CLIP": (_has("tokenize", "encode_from_tokens_scheduled"), "A CLIP is needed. Connect Load CLIP."),
    "VAE": (_has("encode", "decode"), "A VAE is needed. Connect Load VAE."),
    "VACE_VCU": (_of(VideoConditionUnit), "A unit is needed. Connect the output vcu of a VACE task."),
    "VACE_MODEL": (
        _of(LibraryModel, NativeModel, ChosenModel),
        "A VACE model is needed. Connect one of the VACE loaders.",
    ),
    "VACE_ADAPTER": (_of(AdapterFile), "A VACE adapter is needed. Connect VACE Load Adapter."),
    "VACE_LORAS": (_of(LoraStack), "LoRAs are needed. Connect VACE Load LoRA."),
    "VACE_OPTIONS": (_of(MoreOptions), "Sampling options are needed. Connect VACE Sampling Options."),
    "VACE_STITCH": (_of(CropStitch), "A crop is needed. Connect the output stitch of VACE Crop Video."),
    "VACE_STRENGTH": (_of(Strength), "A strength is needed. Connect VACE Strength."),
    "VACE_CONDITIONS": (_of(ConditionStack), "Conditions are needed. Connect VACE Add Condition."),
    "VACE_PLAN": (_of(LongPlan), "A plan is needed. Connect VACE Plan Windows."),
    "SIGMAS": (_is_tensor, "SIGMAS are needed. Connect Basic Scheduler or another scheduler."),
    "CURVE": (_has("interp"), "A CURVE is needed. Connect Curve Editor."),
    "VACE_REFERENCES": (_of(ReferenceStack), "References are needed. Connect VACE Stack References."),
}
"""By the type of a socket: what is one, and what is said of anything else. Boxes come in many forms, read elsewhere."""


def _checked(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values for `execute`, numbers and texts as Python's own.

    Raises:
        InputError: one that the form of the node does not allow.
    """
    forms = {one.id: one for one in cls.define_schema().inputs}
    # An optional input that is linked to nothing is one that is not there.
    given = {name: value for name, value in values.items() if value is not None or not forms[name].optional}
    checked = {name: _value(forms[name], value, cls.files) for name, value in given.items()}
    if not cls.loads:
        return checked
    return {name: value.loaded if isinstance(value, ChosenModel) else value for name, value in checked.items()}


def checked_values(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of some of a node's widgets as `execute` gets them, and the defaults of its form for the others.

    Raises:
        InputError: one that the form does not allow.
    """
    forms = {one.id: one for one in cls.define_schema().inputs}
    usual = {name: one.default for name, one in forms.items() if getattr(one, "default", None) is not None}
    return {**usual, **{name: _value(forms[name], value, cls.files) for name, value in values.items()}}


def _value(form: Any, value: Any, files: frozenset[str]) -> Any:
    kind = form.get_io_type()
    if kind in ("INT", "FLOAT"):
        return _number(form, value, whole=kind == "INT")
    if kind == "BOOLEAN":
        return _switch(form.id, value)
    if kind in ("STRING", "COMBO"):
        return _text(form, value, () if kind == "STRING" or form.id in files else form.options)
    fitting = [SOCKETS.get(one, (lambda _: True, "")) for one in kind.split(",")]
    if not any(is_one(value) for is_one, _ in fitting):
        raise InputError(
            "input-type",
            'The input "{name}" is {value}. {fitting}',
            name=form.id,
            value=_came(value),
            fitting=fitting[0][1],
        )
    return value


def _came(value: Any) -> str:
    """What came, in words."""
    if isinstance(value, Tensor):
        return "a tensor without numbers (meta)" if value.is_meta else f"a {value.dtype} tensor"
    kind = type(value).__name__
    return "empty (None)" if value is None else f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"


def _number(form: Any, value: Any, *, whole: bool) -> int | float:
    name = form.id
    if isinstance(value, Real) and not isinstance(value, bool):  # NumPy's among them
        number = _float(value)
        value = int(value) if whole and math.isfinite(number) and value == int(value) else number
    if name == ANY_RATE and isinstance(value, float):
        return value  # what comes with a video; who works with it says what it must be
    if whole:
        check_whole(name, value, least=form.min, most=form.max)
    else:
        check_number(name, value, least=form.min, most=form.max)
    return value


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all of them
        return math.inf if value > 0 else -math.inf


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(
            "not-a-switch", "{name} is {value}. True or false is needed. Change it.", name=name, value=_came(value)
        )
    return bool(value)


def _text(form: Any, value: Any, options: Sequence[str]) -> str:
    """A text of whole characters, one of `options` where there are some."""
    name = form.id
    if not isinstance(value, str):
        raise InputError("not-a-text", "{name} is {value}. A text is needed. Change it.", name=name, value=_came(value))
    if options and value not in options:
        raise InputError(
            "not-an-option",
            '{name} is "{value}". One of {options} is needed. Choose one of these.',
            name=name,
            value=shortened(value),
            options=", ".join(options),
        )
    broken = next((n for n, letter in enumerate(value) if "\ud800" <= letter <= "\udfff"), None)
    if broken is not None:
        raise InputError(
            "text-broken",
            "{name} holds half of a character ({value}, at place {broken}). Whole characters are needed: this "
            "is what is left where a text was cut or sent in pieces. Type it again.",
            name=name,
            value=value[broken],
            broken=broken + 1,
        )
    return value
