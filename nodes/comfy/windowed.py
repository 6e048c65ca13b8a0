"""A long clip on the models that nodes have: window by window on the device, frame after frame as IMAGE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...vace_core import SamplingOptions, pipeline
from ...vace_core.checks.room import FRAMES, check_room
from ...vace_core.errors import InputError, ShapeError
from ...vace_core.inputs.fitted import Source, Target, fit_clip
from ...vace_core.pipeline import Expert, VaceModel
from ...vace_core.pipeline.anchor import colours_of
from ...vace_core.pipeline.composite import max_kept_error
from ...vace_core.pipeline.long import redo, stream
from ...vace_core.pipeline.parts import Parts, PlanPictures, parts_of
from ...vace_core.pipeline.windowed import HandOver, MadeWindow, WindowedJob
from ...vace_core.sampling.conditions import Condition
from ...vace_core.sampling.strength import Strength
from ...vace_core.sampling.windows import Plan, Window
from ...vace_core.vcu import VideoConditionUnit
from . import host, memory, native
from .bridge import frames_of, images_of
from .fitted import ANY_GRID
from .kept_texts import ClipText, conditionings
from .registry import NATIVE_VACE
from .sockets import LibraryModel, LongPlan, NativeModel
from .where import Where


class EncodedTexts:
    """Prompts that were encoded before."""

    width = None

    def __init__(self, texts: dict[str, Tensor]) -> None:
        self._texts = texts

    def encode(self, prompt: str) -> Tensor:
        return self._texts[prompt]


def networks(
    model: LibraryModel | NativeModel,
    plan: LongPlan,
    parts: Parts,
    options: SamplingOptions,
    *,
    only: int | None = None,
) -> tuple[VaceModel, Callable[..., Tensor]]:
    """`WindowedJob.model` and `sampler` of a model of the nodes, whose parts come to the device when their turn comes.

    Args:
        model: The model.
        plan: The windows.
        parts: What the clip asks for.
        options: How it is sampled.
        only: The one window that is made; None = all of them.

    Raises:
        InputError: windows that are denoised together, on a model of ComfyUI's own.
    """
    # All prompts before the first window, so that the text encoder takes the place of the transformer once.
    units = _words(plan.plan.windows[slice(None) if only is None else slice(only, only + 1)], parts(0, 1))
    if isinstance(model, NativeModel):
        return _of_comfyui(model, plan, units, options)
    prompts = dict.fromkeys(words for unit in units for words in options.prompts_for(unit))
    texts = EncodedTexts({words: model.core.text.encode(words) for words in prompts})
    last = max(window.frames for window in plan.plan.windows)
    core, device = memory.streamed(model, parts(0, min(last, plan.plan.num_frames)))
    vae = memory.ManagedVae(model, device)

    def sampled(_: VaceModel, vcu: VideoConditionUnit, options: SamplingOptions, **given: Any) -> Tensor:
        core, _device = memory.streamed(model, vcu)  # the VAE may have taken the device from what was there
        return pipeline.sample(replace(core, text=texts, vae=vae), vcu, options, **given)

    return replace(core, text=texts, vae=vae), sampled


def _of_comfyui(
    model: NativeModel, plan: LongPlan, units: Sequence[VideoConditionUnit], options: SamplingOptions
) -> tuple[VaceModel, Callable[..., Tensor]]:
    if not plan.joining.streams:
        raise InputError(
            "together-native",
            'The plan joins windows by "{by}", and the model is ComfyUI\'s own, which has nodes of its own for windows '
            "that are denoised together. Another way is needed. Join by latents, or use VACE Apply VCU, ComfyUI's "
            "context windows and KSampler.",
            by=plan.joining.by,
        )
    prompts = dict.fromkeys(words for unit in units for words in native.prompts_for(model, unit, options))
    texts = conditionings(model.clip, prompts)
    nowhere: Any = None  # the network is run by ComfyUI
    parts = VaceModel(
        expert=Expert(base=nowhere),
        vae=native.NativeVae(model.vae),
        text=ClipText(model.clip),
        encode_masks=NATIVE_VACE.encode_masks,
    )

    def sampled(
        _: VaceModel,
        vcu: VideoConditionUnit,
        options: SamplingOptions,
        *,
        strength: Strength,
        pin: bool,
        encoded: Any,
        **given: Any,
    ) -> Tensor:
        where = Where(conditions=(Condition(vcu=vcu, strength=strength),), pin=pin)
        return NATIVE_VACE.latents.from_comfyui(
            native.sample(model, where, options, texts=texts, known=encoded, **given)
        )

    return parts, sampled


def _words(windows: Sequence[Window], whole: VideoConditionUnit) -> list[VideoConditionUnit]:
    """Units with the prompts of windows."""
    units = list[VideoConditionUnit]()
    for window in windows:
        own = {"prompt": window.prompt, "negative_prompt": window.negative_prompt}
        units.append(replace(whole, **{name: words for name, words in own.items() if words is not None}))
    return units


def pictures_for(plan: LongPlan, vcu: VideoConditionUnit) -> PlanPictures:
    """The images of a plan; those of keyframes in the size of the clip."""
    keyframes = dict[str, Tensor]()
    target = Target(takes=ANY_GRID, height=vcu.height, width=vcu.width)
    for name in {one.picture for one in plan.plan.keyframes} & set(plan.pictures):
        picture = Source(frames=plan.pictures[name], fps=vcu.fps, name=f"picture {name}")
        keyframes[name] = fit_clip(picture, target).frames
    return PlanPictures(references=plan.pictures, keyframes=keyframes)


def windows_made(job: WindowedJob, number: int | None, made: Any | None) -> Iterator[MadeWindow]:
    """Windows as they are done: all of them, or one again.

    Args:
        job: The clip.
        number: The window to make again; None = all.
        made: IMAGE of the whole clip, where one is made again.

    Raises:
        InputError: there is no such window, it has no frames of its own, nothing was made before, or as
            `pipeline.long`.
        ShapeError: what was made is another clip.
    """
    if number is None:
        yield from stream(job)
        return
    plan = job.plan
    plan.check_alone(number)
    if made is None:
        raise InputError(
            "redo-without-made",
            "Window {number} is to be made again, and made is not connected. The clip that it is a window of is "
            "needed. Connect what this node generated before, or set redo to -1.",
            number=number,
        )

    def frames(begin: int, end: int) -> Tensor:
        places = [place % plan.num_frames for place in range(begin, end)]
        return frames_of(made[places], "made")

    window, behind = plan.windows[number], plan.shared_with_next(number)
    led_to = plan.shared_with_next(len(plan) - 1) if plan.loop and not number else 0
    before = None
    if window.overlap:
        first = plan.windows[_first_handed_over(plan, number - 1)]
        colours = colours_of(frames(first.begin, first.end)) if job.joining.anchored == "first" else None
        before = HandOver(frames=frames(window.begin, window.first_new), first=colours)
    again = redo(
        job,
        number,
        before=before,
        after=frames(window.end - behind, window.end) if behind else None,
        head=frames(0, led_to) if led_to else None,
    )
    # What the window behind begins with stays as it is, to the bit.
    own = min(window.end - behind, plan.num_frames) - again.begin
    yield replace(again, frames=again.frames[:, :, :own])


def _first_handed_over(plan: Plan, number: int) -> int:
    """The window that hands over to the one that hands over, and so on up to `number`: whose colours are theirs."""
    made_in = plan.made_in
    while plan.windows[number].overlap and made_in.index(number - 1) < made_in.index(number):
        number -= 1
    return number


class Film:
    """The frames of a long clip as IMAGE, filled window by window, and what can be said of them.

    Args:
        vcu: Of the whole clip.
        plan: Its windows.
        made: IMAGE of what is there already; None = nothing.

    Raises:
        InputError: it does not fit into memory.
        ShapeError: what is there is another clip.
    """

    def __init__(self, vcu: VideoConditionUnit, plan: Plan, made: Any | None = None) -> None:
        size = {"frames": vcu.shown_frames, "height": vcu.height, "width": vcu.width}
        check_room(vcu.shown_frames * vcu.height * vcu.width * FRAMES, "The clip", **size)
        self._vcu, self._plan, self._parts = vcu, plan, parts_of(vcu)
        shape = (vcu.shown_frames, vcu.height, vcu.width, 3)
        if made is not None and tuple(made.shape) != shape:
            raise ShapeError(
                "made-size",
                "made is {came}, and the clip is {needed} (frames, height, width, channels). The same is needed. "
                "Connect what this node generated for this VCU, without the frames before and after it.",
                came=tuple(made.shape),
                needed=shape,
            )
        self.images = torch.zeros(shape) if made is None else made.to("cpu", torch.float32, copy=True)

    def add(self, window: MadeWindow) -> None:
        self.images[window.begin : window.begin + window.frames.shape[2]] = images_of(window.frames)

    def report(self) -> str:
        """What was kept and how exactly, and how windows meet."""
        vcu = self._vcu
        said = f"{vcu.shown_frames} frames of {vcu.width} x {vcu.height} at {vcu.fps:.4g} fps."
        if vcu.source is None:
            return f"{said} All of it was generated.{self._seams()}"
        made, error = 0.0, 0.0
        for window in self._plan.windows:
            begin, end = window.first_new, min(window.end, self._plan.num_frames)
            host.check_interrupt()
            part = self._parts(begin, end)
            masks = part.shown(part.masks)
            made += float(masks.mean()) * (end - begin)
            if part.source is not None:
                frames = frames_of(self.images[begin:end], "images")
                error = max(error, max_kept_error(frames, part.shown(part.source), masks) * 127.5)
        kept = 1 - made / vcu.shown_frames
        # IMAGE holds 0..1: what is equal there may differ by a rounding here.
        error = 0.0 if error < 1e-3 else error
        return f"{said} {kept:.1%} was kept; largest difference to the source there: {error:.4g} of 255.{self._seams()}"

    def _seams(self) -> str:
        """How large steps between frames are where windows meet, against those inside windows; "" without borders."""
        borders = {window.first_new for window in self._plan.windows if window.overlap}
        borders |= {self._plan.num_frames} if self._plan.loop else set[int]()
        if not borders:
            return ""
        count = len(self.images)
        steps = [float((self.images[n % count] - self.images[n - 1]).abs().mean()) for n in range(1, count + 1)]
        cuts = {window.begin for window in self._plan.windows if not window.overlap} | {count}
        inside = [step for n, step in enumerate(steps, start=1) if n not in borders | cuts]
        usual = max(sum(inside) / max(len(inside), 1), 1e-6)
        worst, at = max((steps[border - 1] / usual, border) for border in borders)
        where = "from the last frame to the first" if at == count else f"at frame {at}"
        return f" Largest step where windows meet: {worst:.2f} of the mean step between frames, {where}."
