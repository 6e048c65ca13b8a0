"""The node that measures a video: what was kept, seams, drift, controls, and the paper's indicators."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ..vace_core.checks.numbers import check_number
from ..vace_core.checks.room import FRAMES, check_room
from ..vace_core.errors import InputError, VaceError
from ..vace_core.evaluation import edits, vbench
from ..vace_core.evaluation.indicators import Indicators, Shown, open_indicators
from ..vace_core.evaluation.measures import Given, How, Made, Measured, measure
from ..vace_core.evaluation.pictures import drawn_sheet
from ..vace_core.evaluation.report import lines
from ..vace_core.media.video import from_uint8, to_uint8
from ..vace_core.protocols import VideoVae
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, memory, native, placement, sockets
from .comfy.bridge import frames_of, latents_of, masks_of, pictures_of
from .comfy.node import Node
from .comfy.registry import NATIVE_VACE
from .comfy.sockets import LibraryModel, NativeModel

FOLDER = "vace_evaluation"
"""ComfyUI's model folder of the indicators' networks."""

NO_CONTROL, NO_NETWORK, ALL = "none", "without a network", "all with weights"
FREE = "temporal flickering"  # the indicator that needs no network
NETWORKS = tuple(name for name in vbench.BOUNDS if name != FREE)
NUMBERS = {
    "kept_part": "kept part, result",
    "seam": "seam",
    "drift": "drift",
    "flickering": FREE,
    "control_followed": "control followed",
}
"""The measures that are outputs of their own."""

COPIES = 8  # of the clip that are held while it is measured


class VaceMeasureVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceMeasureVideo",
            "VACE Measure Video",
            "Measures a video: how exactly it was kept where nothing was to change, how visible seams are, whether "
            "colours drift, how well a control was followed, and the quality indicators of the VACE paper (VBench). "
            "The numbers are those of the command vace evaluate.",
            inputs=[
                io.Image.Input("images", tooltip="The video to measure."),
                sockets.fps(
                    "Frames per second of the video: link the fps of VACE Decode Video. Only dynamic degree depends on "
                    "it."
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="",
                    tooltip="What the video should show, for overall consistency. Empty = the prompt of the VCU.",
                ),
                io.Combo.Input(
                    "control_kind",
                    options=[NO_CONTROL, *edits.CONTROLS],
                    default=NO_CONTROL,
                    tooltip="What the control video shows: it is computed from the video again and compared. "
                    "Depth and pose would need a network and cannot be measured.",
                ),
                io.Combo.Input(
                    "indicators",
                    options=[NO_NETWORK, ALL, *NETWORKS],
                    default=NO_NETWORK,
                    tooltip="The quality indicators to measure beside temporal flickering. Their networks are read "
                    f"from the folder models/{FOLDER}; the help page says which files. Nothing is downloaded.",
                ),
                sockets.Vcu.Input(
                    "vcu",
                    optional=True,
                    tooltip="The VCU that the video was generated from: its source, mask, control, references and "
                    "prompt.",
                ),
                io.Image.Input(
                    "source",
                    optional=True,
                    tooltip="The video that was edited, in place of the VCU's; needs mask.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White = generated, black = kept, of source. A single frame applies to the whole video.",
                ),
                io.Image.Input("control", optional=True, tooltip="The control video, in place of the VCU's."),
                io.MultiType.Input(
                    "decoded",
                    types=[io.Image, io.Latent],
                    optional=True,
                    tooltip="The video before kept pixels were pasted back: decoded images, or the samples, which "
                    "are then decoded here and need vcu and vae. Tells how well the model itself keeps.",
                ),
                io.Image.Input(
                    "original",
                    optional=True,
                    tooltip="The true video, if there is one: only colours that change otherwise than in it count as "
                    "drift.",
                ),
                sockets.references(optional=True),
                io.MultiType.Input(
                    "vae",
                    types=[io.Vae, sockets.Model],
                    optional=True,
                    tooltip="The VACE model or its VAE: measures how exactly a kept part survives its VAE. No model "
                    "that uses this VAE keeps better without pasting back.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="All that was measured, a line for each measure."),
                io.Image.Output(display_name="sheet", tooltip="The contact sheet that the node shows."),
                io.String.Output(display_name="values", tooltip="The same numbers as JSON, by the measure's name."),
                *(_number(name, measure_name) for name, measure_name in NUMBERS.items()),
            ],
            aliases=["evaluate", "metrics", "quality", "vbench", "psnr", "compare videos", "benchmark", "score"],
            output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **values: Any) -> list[tuple[str, int, int]]:
        folder = host.models_folder(FOLDER)
        return [] if folder is None else host.stamps(sorted(folder.rglob("*")))

    @classmethod
    def execute(
        cls,
        images: Any,
        fps: float,
        prompt: str,
        control_kind: str,
        indicators: str,
        vcu: VideoConditionUnit | None = None,
        source: Any | None = None,
        mask: Any | None = None,
        control: Any | None = None,
        decoded: Any | None = None,
        original: Any | None = None,
        references: Any | None = None,
        vae: Any | None = None,
    ) -> io.NodeOutput:
        check_number("The fps", fps, above=0)
        frames = frames_of(images, "images")
        check_room(frames[0, 0].numel() * FRAMES * COPIES, "The measured clip", frames=frames.shape[2])
        keeper = None if vae is None else _vae(vae)
        edited, masks = _edited(vcu, source, mask)
        made = Made(
            shown=Shown(frames=to_uint8(frames), fps=fps, prompt=prompt or ("" if vcu is None else vcu.prompt)),
            original=_images(original, "original"),
            source=edited,
            mask=masks,
            decoded=_decoded(decoded, vcu, vae, keeper),
            control=_control(vcu, control, control_kind),
            control_kind=None if control_kind == NO_CONTROL else control_kind,
            references=_references(vcu, references),
        )
        _check_needed("decoded", decoded, "vcu, or source and mask", edited)
        progress = host.check_interrupt

        def run() -> tuple[Measured, Indicators]:
            opened = _opened(indicators)
            return measure(made, How(indicators=opened, vae=keeper), before_each=progress), opened

        with placement.saying_short_memory("measuring the video", "Measure fewer indicators at a time"):
            measured, opened = placement.when_memory_is_short(run, run)
        said = _said(made, measured, opened, indicators)
        sheet = torch.from_numpy(np.array(drawn_sheet(_rows(made)))).float().div_(255)[None]
        numbers = (measured.values.get(name, math.nan) for name in NUMBERS.values())
        values = json.dumps(measured.values, indent=1)
        return host.output(cls, "\n".join(said), sheet, values, *numbers, notes=said, images=sheet)


def _number(name: str, measure_name: str) -> Any:
    return io.Float.Output(
        display_name=name, tooltip=f"{measure_name.capitalize()}, as in the report; nan where it was not measured."
    )


# What the video is compared with: read only when it is measured, so that what is wrong with one takes no other with it


def _rounded(frames: Tensor) -> Tensor:
    """As a file of 8 bits holds them, for which the command measures."""
    return from_uint8(to_uint8(frames))


def _given(name: str, read: Callable[[], Tensor]) -> Given:
    return Given(name=f"the input {name}", read=cache(read))


def _images(images: Any | None, name: str) -> Given | None:
    return None if images is None else _given(name, lambda: _rounded(frames_of(images, name)))


def _edited(vcu: VideoConditionUnit | None, source: Any, mask: Any) -> tuple[Given | None, Given | None]:
    """What was edited and where: as connected, or else the VCU's."""
    _check_needed("source", source, "mask", mask)
    _check_needed("mask", mask, "source", source)
    edited = _images(source, "source")
    if edited is not None:
        return edited, _given("mask", lambda: _hard(mask, edited))
    kept = None if vcu is None else vcu.source
    if vcu is None or kept is None:
        return None, None
    return _given("vcu", lambda: _rounded(vcu.shown(kept))), _given("vcu", lambda: vcu.shown(vcu.masks))


def _hard(mask: Any, edited: Given) -> Tensor:
    """`(1, 1, T, H, W)` of 0 and 1; the black mask of an image without transparency covers nothing of it."""
    masks = masks_of(mask)
    return torch.zeros(1, 1, 1, *edited.read().shape[3:]) if masks is None else (masks > 0.5).float()[None, None]


def _control(vcu: VideoConditionUnit | None, control: Any, kind: str) -> Given | None:
    if kind == NO_CONTROL:
        return None
    if control is not None:
        return _images(control, "control")
    followed = None if vcu is None else vcu.control
    if vcu is None or followed is None:
        raise _alone("control_kind", "control, or a vcu with a control")
    return _given("vcu", lambda: _rounded(vcu.shown(followed)))


def _decoded(decoded: Any, vcu: VideoConditionUnit | None, vae: Any, keeper: VideoVae | None) -> Given | None:
    """The video before paste-back, of images or of latents."""
    if not isinstance(decoded, dict):
        return _images(decoded, "decoded")
    if vcu is None or keeper is None:
        raise _alone("decoded", "vcu and vae, where it is a LATENT")

    def read() -> Tensor:
        family = _family(vae)
        latents = latents_of(decoded, family, family.grid.latent_frames(vcu.num_frames), vcu.num_references)
        return _rounded(vcu.shown(keeper.decode(latents).float().cpu()))

    return _given("decoded", read)


def _references(vcu: VideoConditionUnit | None, references: Any) -> Callable[[], Sequence[Tensor]] | None:
    if references is not None:
        return lambda: [to_uint8(picture)[0] for picture in pictures_of(references)]
    held = () if vcu is None else vcu.references
    return (lambda: [to_uint8(picture)[0] for picture in held]) if held else None


def _family(vae: Any) -> Any:
    if isinstance(vae, LibraryModel):
        return vae.family
    return NATIVE_VACE if isinstance(vae, NativeModel) else native.family_of(vae)


def _vae(vae: Any) -> VideoVae:
    """Encodes and decodes whole clips, wherever ComfyUI keeps its weights."""
    if isinstance(vae, LibraryModel):
        return memory.ManagedVae(vae, torch.device("cpu"))
    return native.NativeVae(vae.vae if isinstance(vae, NativeModel) else vae, _family(vae))


def _opened(indicators: str) -> Indicators:
    if indicators == NO_NETWORK:
        return open_indicators(None, only=(FREE,))
    only = None if indicators == ALL else (FREE, indicators)
    return open_indicators(host.models_folder(FOLDER), placement.network_device(), only)


def _check_needed(name: str, given: Any, other: str, needed: Any) -> None:
    if given is not None and needed is None:
        raise _alone(name, other)


def _alone(name: str, other: str) -> InputError:
    return InputError(
        "measure-input-alone",
        "The input {name} was given alone. {other} is needed too, to compare with. Connect it, or leave {name} out.",
        name=name,
        other=other,
    )


# What is said and shown


def _said(made: Made, measured: Measured, opened: Indicators, indicators: str) -> list[str]:
    count, height, width = made.shown.frames.shape[:3]
    said = [f"{count} frames of {width} x {height} at {made.shown.fps:.4g} fps.", *lines(measured, opened.missing)]
    if indicators == NO_NETWORK:
        said.append(f"Not measured without a network: {', '.join(NETWORKS)}.")
    if measured.errors:
        said.append(f"{len(measured.errors)} of what was asked could not be measured.")
    return said


def _rows(made: Made) -> list[tuple[str, Tensor]]:
    """The clips of the contact sheet; what cannot be read is named in the report."""
    given = {"source": made.source, "mask": made.mask, "control": made.control, "decoded": made.decoded}
    rows: list[tuple[str, Tensor]] = []
    for name, one in given.items():
        if one is None:
            continue
        try:
            clip = one.read()
        except VaceError:
            continue
        rows.append((name, to_uint8(clip if name != "mask" else (clip * 2 - 1).expand(-1, 3, -1, -1, -1))))
    return [*rows, ("result", made.shown.frames)]
