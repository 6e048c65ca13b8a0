"""The pictures of a report: contact sheets, small videos and plots, as text that stands in a page of HTML."""

from __future__ import annotations

import base64
import importlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor
from torch.nn import functional

from ..errors import ModelError
from ..media.video import Clip
from ..media.write import write_video
from . import vbench
from .results import AVERAGE, Results
from .statistics import Summary

SIDE, COLUMNS, LABEL = 160, 6, 110  # pixels of a picture's longer side, pictures of a row, pixels of its name
LARGEST = 320  # pixels of a video's longer side
CRF = 24
_PAPER, _INK, _FRAME = (255, 255, 255), (30, 30, 30), (190, 190, 190)


def sheet(rows: Sequence[tuple[str, Tensor]]) -> str:
    """A contact sheet as a data address."""
    return data_address(_saved(drawn_sheet(rows)), "image/jpeg")


def drawn_sheet(rows: Sequence[tuple[str, Tensor]]) -> Image.Image:
    """A contact sheet: a row for each name and its clip `(T, H, W, 3)` uint8, evenly in time."""
    drawn = [(name, _row(clip)) for name, clip in rows]
    width = LABEL + max(sum(one.width + 4 for one in pictures) for _, pictures in drawn)
    heights = [max(one.height for one in pictures) + 4 for _, pictures in drawn]
    image = Image.new("RGB", (width, sum(heights)), _PAPER)
    draw, font, top = ImageDraw.Draw(image), ImageFont.load_default(13), 0
    for (name, pictures), height in zip(drawn, heights, strict=True):
        draw.text((2, top + 4), name[:18], _INK, font)
        left = LABEL
        for one in pictures:
            image.paste(one, (left, top))
            left += one.width + 4
        top += height
    return image


def film(clip: Clip) -> str:
    """A clip as a small video that every browser shows, as a data address."""
    small = _scaled(clip.frames, LARGEST, even=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, small, fps=clip.fps, crf=CRF, times=clip.times)
        return data_address(path.read_bytes(), "video/mp4")


def plots(results: Results) -> str:
    """For every measure the methods' means with their 95 % intervals, by type, as SVG.

    Raises:
        ModelError: matplotlib is not installed.
    """
    try:
        figures: Any = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ModelError(
            "report-without-matplotlib",
            "The Python package matplotlib is not installed. The plots of a report are drawn with it. Install it "
            "with: pip install matplotlib",
        ) from error
    found = {name: len(_tasks(results, name)) for name in (*results.measures, AVERAGE)}
    # Plots of about as many types lie side by side, and each line is as high as its types need.
    names = sorted((name for name, count in found.items() if count), key=lambda name: -found[name])
    columns = min(3, len(names)) or 1
    heights = [1 + 0.22 * found[name] * len(results.methods) for name in names[::columns]] or [1]
    figure = figures.Figure(figsize=(4.2 * columns, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    for number, name in enumerate(names):
        _draw(figure.add_subplot(grid[divmod(number, columns)]), results, name, legend=number == 0)
    held = io.StringIO()
    figure.savefig(held, format="svg", metadata={"Date": None})
    return held.getvalue()[held.getvalue().index("<svg") :]


def summary_of(results: Results, task: str, method: str, measure: str) -> Summary | None:
    """What stands in one cell of the table."""
    if measure == AVERAGE:
        return results.average(task, method)
    return results.summary(task, method, measure)


def scale_of(name: str) -> float:
    """By what a measure is multiplied to be shown: the indicators and their average are in percent."""
    return 100.0 if name in (*vbench.BOUNDS, AVERAGE) else 1.0


def data_address(content: bytes, kind: str) -> str:
    """`content` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _tasks(results: Results, name: str) -> list[str]:
    """The types in which a measure was measured of any method."""
    return [task for task in results.tasks if any(summary_of(results, task, one, name) for one in results.methods)]


def _draw(axes: Any, results: Results, name: str, *, legend: bool) -> None:
    methods = results.methods
    tasks, scale = _tasks(results, name), scale_of(name)
    for number, method in enumerate(methods):
        for place, task in enumerate(tasks):
            found = summary_of(results, task, method, name)
            if found is None:
                continue
            at = place + (number + 0.5) / len(methods) * 0.8 - 0.4
            value = found.value * scale
            low, high = (value if one is None else one * scale for one in (found.low, found.high))
            # A percentile of draws can lie beside the mean by what numbers are rounded to.
            error = [[max(value - low, 0)], [max(high - value, 0)]]
            axes.errorbar([value], [at], xerr=error, fmt="o", markersize=4, capsize=2, color=f"C{number}")
    axes.set_yticks(range(len(tasks)), tasks, fontsize="small")
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_title(name, fontsize="medium")
    axes.locator_params(axis="x", nbins=4)
    axes.grid(alpha=0.3, axis="x")
    if legend:
        for number, method in enumerate(methods):
            axes.plot([], [], "o", color=f"C{number}", label=method)
        axes.figure.legend(loc="outside upper left", ncols=4, fontsize="small")


def _row(clip: Tensor) -> list[Image.Image]:
    chosen = torch.linspace(0, len(clip) - 1, min(COLUMNS, len(clip))).round().long()
    pictures = [Image.fromarray(picture.numpy()) for picture in _scaled(clip[chosen], SIDE, even=False)]
    ratio = SIDE / max(pictures[0].size)
    size = [max(round(side * ratio), 1) for side in pictures[0].size]
    # Small clips are enlarged without being smoothed; a frame shows where a white picture ends.
    enlarged = [one.resize(size, Image.Resampling.NEAREST) if ratio > 1 else one for one in pictures]
    return [ImageOps.expand(one, 1, _FRAME) for one in enlarged]


def _scaled(frames: Tensor, longest: int, *, even: bool) -> Tensor:
    """Frames `(T, H, W, 3)` uint8 made smaller, where they are larger than that, of even sides if asked for."""
    height, width = frames.shape[1:3]
    ratio = min(longest / max(height, width), 1.0)
    sides = [max(round(side * ratio), 2) for side in (height, width)]
    sides = [side - side % 2 for side in sides] if even else sides
    if sides == [height, width]:
        return frames
    pictures = frames.permute(0, 3, 1, 2).float()
    small = functional.interpolate(pictures, size=sides, mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _saved(image: Image.Image) -> bytes:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=88)
    return held.getvalue()
