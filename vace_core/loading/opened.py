"""A model with what it takes and its usual options, and clips opened for it: from file to file in a few lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..inputs.blending import BlendMode
from ..inputs.fitted import Fitted, Source, Target, fit_clip
from ..inputs.fitted_masks import clip_mask
from ..inputs.fitting import ResolutionPreset
from ..inputs.put_back import Edit, is_series, write_put_back
from ..inputs.resizing import resize_masks
from ..media.footage import Footage
from ..media.pictures import MaskChannel, read_mask_levels, write_image
from ..media.ranges import Cut, frame_range
from ..media.sources import open_footage
from ..media.write import write_frames, write_video
from ..pipeline import SamplingOptions, VaceModel, generate
from ..sampling.progress import Progress
from ..vcu import VideoConditionUnit

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pixels = Union[Tensor, "NDArray[Any]"]
"""Pictures or masks in memory, of torch or numpy."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenModel:
    """A model, what it takes and how it is sampled.

    Attributes:
        model: Its networks.
        takes: The sizes and lengths it takes.
        options: The sampling options that it was published with.
    """

    model: VaceModel
    takes: ResolutionPreset
    options: SamplingOptions

    def read(
        self,
        clip: str | Path | Pixels,
        mask: str | Path | Pixels | None = None,
        *,
        start: str | float | None = None,
        end: str | float | None = None,
        fps: float | None = None,
        channel: MaskChannel = "auto",
    ) -> OpenClip:
        """A part of a clip as the model gets it, all frames of it at their own rate.

        Args:
            clip: A video, a folder of numbered pictures, a picture; or `(T, H, W, 3)` uint8, or `(1, 3, T, H, W)` in
                −1..1.
            mask: Where to generate, of the whole clip or of the part, or one for all frames: a file; or `(T, H, W)` of
                uint8 (255 = generate), or of numbers in 0..1. None = everywhere.
            start: Where the part begins, as by `media.ranges.frame_range`: seconds, "80f", a timecode.
            end: Where it ends.
            fps: The rate of pictures that state none. None = 25 for files, and that of the model for arrays.
            channel: Where in its file the mask is: its brightness or its transparency.

        Raises:
            InputError: a file cannot be read, or the part is longer than the model takes in one pass.
            ShapeError: the mask belongs to another clip, or an array is laid out otherwise.
        """
        film, begin, source = _opened(clip, start, end, fps, self.takes.fps)
        fitted = fit_clip(source, Target(takes=self.takes, all_frames=True, whole=film is not None))
        total = source.shape[0] if film is None else film.count
        if mask is None:
            masks, hard = torch.ones_like(fitted.frames[:, :1]), None
        else:
            hard, _ = clip_mask(_levels(mask, channel, begin, source.shape[0], total), source)
            masks = resize_masks(hard, fitted.plan)
            if hard.dtype != torch.uint8:
                hard = (hard * 255).round().to(torch.uint8)
        count = len(fitted.plan.shown)
        edit = None if film is None else Edit(film=film, begin=begin, count=count, masks=hard)
        return OpenClip(frames=fitted.frames, masks=masks, fitted=fitted, edit=edit)

    def generate(
        self,
        vcu: VideoConditionUnit,
        *,
        feather: int = 0,
        match_colour: bool = False,
        blend_mode: BlendMode = "feather",
        progress: Progress | None = None,
        **options: Any,
    ) -> Tensor:
        """`(1, 3, T, H, W)` in −1..1: what the VCU asks for, as by `generate`.

        Args:
            vcu: The VCU.
            feather: As for `generate`.
            match_colour: As for `generate`.
            blend_mode: As for `generate`.
            progress: As for `generate`.
            options: Fields of `SamplingOptions` that differ from the model's own, such as `seed` or `steps`.

        Raises:
            InputError: there is no such option, or as `generate`.
        """
        known = set(vars(self.options))
        if unknown := sorted(set(options) - known):
            raise InputError(
                "option-unknown",
                "{names} came as options. One of {known} is needed. Change the name.",
                names=", ".join(unknown),
                known=", ".join(sorted(known)),
            )
        chosen = replace(self.options, **options)
        return generate(
            self.model,
            vcu,
            chosen,
            feather=feather,
            match_colour=match_colour,
            blend_mode=blend_mode,
            progress=progress,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenClip:
    """A part of a clip as a model gets it.

    Attributes:
        frames: `(1, 3, T, H, W)` in −1..1, the last one repeated up to a length that the model takes.
        masks: `(1, 1, T, H, W)`, 1 = generate.
        fitted: How it was fitted.
        edit: Where in its file it belongs; None for arrays.
    """

    frames: Tensor
    masks: Tensor
    fitted: Fitted
    edit: Edit | None

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.fitted.plan.fps

    def write(
        self,
        path: str | Path,
        made: Tensor,
        *,
        feather: int = 0,
        blend_mode: BlendMode = "feather",
        lossless: bool = False,
    ) -> None:
        """Writes the whole clip at its own size, with its sound, and what was made of the part in it.

        Args:
            path: Ends in .mp4, .mkv if `lossless`, or .png for one picture; or a folder of numbered pictures.
            made: `(1, 3, T, H, W)` in −1..1, what was made of `frames`.
            feather: Pixels of soft edge, inside the mask; 0 = a hard edge.
            blend_mode: As for `inputs.put_back.put_back`.
            lossless: Keeps every stored level outside of the mask.

        Raises:
            InputError: it cannot be written.
        """
        made = made[:, :, : len(self.fitted.plan.shown)]
        path = Path(path)
        if self.edit is not None:
            write_put_back(path, made, self.edit, feather=feather, blend_mode=blend_mode, lossless=lossless)
        elif is_series(path):
            write_frames(path, made)
        elif path.suffix.lower() == ".png":
            write_image(path, made)
        else:
            write_video(path, made, fps=self.fps, lossless=lossless)


def _opened(
    clip: str | Path | Pixels, start: str | float | None, end: str | float | None, fps: float | None, usual: float
) -> tuple[Footage | None, int, Source]:
    if isinstance(clip, (str, Path)):
        film = open_footage(clip, fps=fps)
        begin, last = frame_range(film, start, end)
        part = Cut(film, begin, None if end is None else last)
        source = Source(frames=part, fps=film.fps, times=part.times, aspect=float(film.aspect), path=Path(clip))
        return film, begin, source
    if start is not None or end is not None:
        raise InputError(
            "range-of-array",
            "start or end was given with pictures in memory. They name a part of a file. Cut the array instead.",
        )
    frames = _tensor(clip)
    count, colours = (4, frames.shape[3:]) if frames.dtype == torch.uint8 else (5, frames.shape[1:2])
    if frames.ndim != count or tuple(colours) != (3,) or (count == 5 and len(frames) != 1):
        raise ShapeError(
            "clip-layout",
            "The clip is {kind} of the shape {shape}. Bytes of (T, H, W, 3), or numbers in -1..1 of (1, 3, T, H, W), "
            "are needed. Bring it into one of these forms; one image of (H, W, 3) becomes a clip by clip[None].",
            kind=str(frames.dtype).removeprefix("torch."),
            shape=tuple(frames.shape),
        )
    return None, 0, Source(frames=frames if frames.dtype == torch.uint8 else frames.float(), fps=fps or usual)


def _levels(mask: str | Path | Pixels, channel: MaskChannel, begin: int, taken: int, total: int) -> Tensor:
    """`(T, H, W)` of the part."""
    if isinstance(mask, (str, Path)):
        whole = open_footage(mask).count == total > 1
        return read_mask_levels(
            mask, channel=channel, begin=begin if whole else 0, end=begin + taken if whole else None
        )
    masks = _tensor(mask)
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise ShapeError(
            "mask-layout",
            "The mask has the shape {shape}. (T, H, W), or (H, W) for all frames, is needed. Bring it into one of "
            "these forms.",
            shape=tuple(masks.shape),
        )
    masks = masks if masks.dtype == torch.uint8 else masks.float()
    return masks[begin : begin + taken] if len(masks) == total else masks


def _tensor(pixels: Pixels) -> Tensor:
    return pixels if isinstance(pixels, Tensor) else torch.as_tensor(pixels)
