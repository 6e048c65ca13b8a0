"""A contact sheet of a VCU, to be looked at before anything is computed.

Rows: the whole clip in time, the frames as the model gets them, the mask, the kept and the generated part, references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from ..checks.room import FRAMES, UNIT, check_room
from ..errors import InputError
from ..vcu import KEEP, REPAINT, VideoConditionUnit
from .warnings import role_shares

Colour = tuple[int, int, int]
Bytes = NDArray[np.uint8]

_PAPER: Colour = (34, 36, 40)
_INK: Colour = (235, 235, 235)
_FAINT: Colour = (160, 163, 168)
_KEPT: Colour = (245, 245, 245)
_FREE: Colour = (214, 62, 54)
_FOLLOWED: Colour = (66, 135, 245)
_MARK: Colour = (255, 200, 60)
_LEGEND = (("kept", _KEPT), ("generated from a control", _FOLLOWED), ("generated freely", _FREE))
_EDGE, _GAP = 20, 8  # pixels around the sheet and between pictures
_WIDEST, _TALLEST = 260, 300  # of one picture
_LEAST_WIDTH, _USUAL_WIDTH = 760, 1920  # of the sheet
_ABRUPT = 0.2  # of a frame: masks that change by more from one frame to the next make both worth seeing


def contact_sheet(
    vcu: VideoConditionUnit, *, mask_frames: Sequence[int] | None = None, columns: int = 12, caution: str | None = None
) -> Image.Image:
    """One RGB image that shows a VCU; of a batch, its first clip.

    A long clip is sampled: the first frame, the last, those where the mask changes abruptly, and evenly between.

    Args:
        vcu: The VCU.
        mask_frames: The frames whose mask the model reads, such as `models.wan.mask_frames(num_frames)`; they are
            marked. None leaves the marks out.
        columns: The most frames shown, 2..24.
        caution: A sentence or two that are to be read first.

    Raises:
        InputError: `columns` is out of range, or the VCU is too large to be drawn.
    """
    _check(vcu, vcu.num_frames, columns)
    shown = _worth_seeing(vcu.num_frames, _cuts(_kept(vcu)), columns)
    has = (vcu.source is not None, vcu.control is not None)
    return _sheet_of(vcu, _only(vcu, shown), has, shown, role_shares(vcu), mask_frames, caution)


def long_contact_sheet(
    parts: Callable[[int, int], VideoConditionUnit],
    num_frames: int,
    *,
    stretch: int,
    mask_frames: Sequence[int] | None = None,
    columns: int = 12,
    caution: str | None = None,
) -> Image.Image:
    """The same of a clip that is never held as a whole: all of it is looked at once, and the frames shown once more.

    Args:
        parts: The VCU of a stretch from its first frame to the one after its last; asked for two frames at least.
        num_frames: Of the whole clip, two at least.
        stretch: Frames that are held at once, from 1; one more where one alone would be left.
        mask_frames: As `contact_sheet`, as are `columns` and `caution`.

    Raises:
        InputError: `columns` is out of range, or a stretch is too large to be drawn.
    """
    shares, has = list[NDArray[np.float64]](), (False, False)
    last = num_frames - 1  # where no stretch begins: a single frame has no flow

    def kept() -> Iterator[NDArray[np.bool_]]:
        nonlocal has
        for begin in range(0, last, max(stretch, 2)):
            end = begin + max(stretch, 2)
            unit = parts(begin, num_frames if end >= last else end)
            _check(unit, num_frames, columns)
            shares.append(role_shares(unit))
            has = (has[0] or unit.source is not None, has[1] or unit.control is not None)
            yield from _kept(unit)

    shown = _worth_seeing(num_frames, _cuts(kept()), columns)
    units: list[VideoConditionUnit] = []
    for frame in shown:
        begin = min(frame, num_frames - 2)
        units.append(_only(parts(begin, begin + 2), [frame - begin]))
    return _sheet_of(parts(0, 2), _joined(units), has, shown, np.concatenate(shares), mask_frames, caution)


def _check(vcu: VideoConditionUnit, num_frames: int, columns: int) -> None:
    """Validate that a sheet of a clip can be drawn of which `vcu` is what is held at once."""
    if not 2 <= columns <= 24:
        raise InputError(
            "sheet-columns",
            "The contact sheet has {columns} columns. From 2 to 24 are possible. Set columns within that range.",
            columns=columns,
        )
    # The frames that are shown: a unit of them, and its clips; and for every pixel that is held whether it is kept.
    pixel = min(columns, num_frames) * (UNIT + 3 * FRAMES) + 4 * vcu.num_frames
    check_room(pixel * vcu.height * vcu.width, "The contact sheet", height=vcu.height, width=vcu.width)


def _sheet_of(
    vcu: VideoConditionUnit,
    part: VideoConditionUnit,
    has: tuple[bool, bool],
    shown: list[int],
    shares: NDArray[np.float64],
    mask_frames: Sequence[int] | None,
    caution: str | None,
) -> Image.Image:
    """The sheet of a clip that `vcu` tells the facts of, from the frames that are shown alone.

    `has` = whether the clip has a source and a control anywhere.
    """
    size = _thumb_size(vcu, len(shown))
    width = max(len(shown) * (size[1] + _GAP) - _GAP + 2 * _EDGE, _LEAST_WIDTH)
    sections = [
        _header(vcu, shares, width, caution),
        _timeline(shares, mask_frames, width),
        *_frame_rows(part, has, shown, mask_frames, size, width),
        *_reference_rows(vcu, size, width),
    ]
    sheet = Image.new("RGB", (width, sum(section.height for section in sections) + _EDGE), _PAPER)
    top = 0
    for section in sections:
        sheet.paste(section, (0, top))
        top += section.height
    return sheet


def _kept(vcu: VideoConditionUnit) -> Iterator[NDArray[np.bool_]]:
    """What is kept of each frame, of every second pixel."""
    for roles in vcu.roles[0, 0, :, ::2, ::2].cpu().numpy():
        yield (roles & (KEEP | REPAINT)) == KEEP


def _cuts(kept: Iterable[NDArray[np.bool_]]) -> list[int]:
    """The frames behind which the mask is another."""
    pairs = enumerate(pairwise(kept))
    return [i for i, (before, after) in pairs if np.count_nonzero(before ^ after) > _ABRUPT * before.size]


def _only(vcu: VideoConditionUnit, frames: list[int]) -> VideoConditionUnit:
    """Some frames of the first clip."""
    source, control = (None if one is None else one[:1, :, frames] for one in (vcu.source, vcu.control))
    return VideoConditionUnit(roles=vcu.roles[:1, :, frames], source=source, control=control)


def _joined(units: list[VideoConditionUnit]) -> VideoConditionUnit:
    """Stretches one behind the other; where one has no source or no control that is gray, which counts nowhere."""
    roles = torch.cat([unit.roles for unit in units], dim=2)

    def clip(each: list[Tensor | None]) -> Tensor | None:
        if all(one is None for one in each):
            return None
        gray = [torch.zeros_like(unit.roles, dtype=torch.float32).expand(-1, 3, -1, -1, -1) for unit in units]
        return torch.cat([none if one is None else one for one, none in zip(each, gray, strict=True)], dim=2)

    source, control = clip([unit.source for unit in units]), clip([unit.control for unit in units])
    return VideoConditionUnit(roles=roles, source=source, control=control)


def _worth_seeing(num_frames: int, cuts: list[int], columns: int) -> list[int]:
    """At most `columns` frames, in order."""
    if num_frames <= columns:
        return list(range(num_frames))
    room = columns - 2
    # The frames after a cut first: where a single frame differs, that is the frame itself.
    arrivals, both = ({cut + n for cut in cuts for n in after} - {0, num_frames - 1} for after in ((1,), (0, 1)))
    keys = sorted(both if len(both) <= room else arrivals)
    picked = keys if len(keys) <= room else [keys[round(i * (len(keys) - 1) / max(room - 1, 1))] for i in range(room)]
    if not picked:
        return [round(i * (num_frames - 1) / (columns - 1)) for i in range(columns)]
    shown = sorted({0, num_frames - 1, *picked})
    while len(shown) < columns:
        gap, before = max((after - before, -before) for before, after in pairwise(shown))
        shown = sorted({*shown, -before + gap // 2})
    return shown


def _thumb_size(vcu: VideoConditionUnit, count: int) -> tuple[int, int]:
    width = min(_WIDEST, (_USUAL_WIDTH - 2 * _EDGE) // count - _GAP)
    height = max(round(width * vcu.height / vcu.width), 1)
    if height > _TALLEST:
        width, height = max(round(_TALLEST * vcu.width / vcu.height), 24), _TALLEST
    return height, width


def _frame_rows(
    part: VideoConditionUnit,
    has: tuple[bool, bool],
    shown: list[int],
    mask_frames: Sequence[int] | None,
    size: tuple[int, int],
    width: int,
) -> list[Image.Image]:
    has_source, has_control = has
    if not has_control:  # the frames are what is kept, and the other half is gray, whatever its size
        inactive = _shrunk(part.frames, size)
        reactive = torch.zeros_like(inactive)
    else:
        inactive, reactive = (_shrunk(half, size) for half in part.decouple())
    made = _shrunk(part.masks, size)
    paper = _checks(size)
    numbers = [str(frame) for frame in shown]
    marks = None if mask_frames is None else [frame in mask_frames for frame in shown]
    mask = made * _signed(_FREE) + (1 - made) * _signed(_KEPT)
    rows = [
        _row("Frames as the model gets them", _bytes(inactive + reactive), width, captions=numbers),
        _row("Mask: red = generate, white = keep", _bytes(mask), width, marks=marks),
    ]
    if has_source:
        rows.append(_row("Kept", _bytes(inactive + made * paper), width))
    if has_control:
        title = "Generated: from the control shown, or freely where gray"
        rows.append(_row(title, _bytes(reactive + (1 - made) * paper), width))
    return rows


def _reference_rows(vcu: VideoConditionUnit, size: tuple[int, int], width: int) -> list[Image.Image]:
    if not vcu.references:
        return []
    # Larger than the frames: there is room, and likeness is in the details.
    scale = min(2.0, _TALLEST / size[0], _WIDEST / size[1])
    size = max(int(size[0] * scale), 1), max(int(size[1] * scale), 1)
    pictures = torch.cat([_shrunk(picture[:1], size) for picture in vcu.references])
    each = max((width - 2 * _EDGE + _GAP) // (size[1] + _GAP), 1)
    rows: list[Image.Image] = []
    for start in range(0, len(pictures), each):
        some = pictures[start : start + each]
        numbers = [str(start + n) for n in range(1, len(some) + 1)]
        title = "Reference images, in this order" if start == 0 else ""
        rows.append(_row(title, _bytes(some), width, captions=numbers))
    return rows


def _row(
    title: str, thumbs: Bytes, width: int, *, captions: list[str] | None = None, marks: list[bool] | None = None
) -> Image.Image:
    _, height, each, _ = thumbs.shape
    top = (34 if title else 14) + (20 if captions else 0)
    row = Image.new("RGB", (width, top + height + (14 if marks else 0)), _PAPER)
    draw = ImageDraw.Draw(row)
    draw.text((_EDGE, 12), title, _FAINT, _font(15))
    for n, thumb in enumerate(thumbs):
        left = _EDGE + n * (each + _GAP)
        row.paste(Image.fromarray(thumb), (left, top))
        middle = left + each // 2
        if captions:
            draw.text((middle, top - 5), captions[n], _INK, _font(14), anchor="ms")
        if marks and marks[n]:
            foot = top + height
            draw.polygon([(middle, foot + 3), (middle - 6, foot + 13), (middle + 6, foot + 13)], _MARK)
    return row


def _header(vcu: VideoConditionUnit, shares: NDArray[np.float64], width: int, caution: str | None) -> Image.Image:
    seconds = len(shares) / vcu.fps
    facts = f"{vcu.width} x {vcu.height},  {_count(len(shares), 'frame')} at {vcu.fps:g} fps ({seconds:.2f} s)"
    if vcu.references:
        facts += f",  {_count(vcu.num_references, 'reference')}"
    if len(vcu.roles) > 1:
        facts += f",  the first of a batch of {len(vcu.roles)}"
    parts = [
        f"{name} {_percent(share)}" for (name, _), share in zip(_LEGEND, shares.mean(axis=0), strict=True) if share
    ]
    if vcu.padding:
        parts.append(f"the last {_count(vcu.padding, 'frame')} there to fill the length, and dropped again")
    room = width - 2 * _EDGE
    lines = [(facts, 22, _INK), (",  ".join(parts), 15, _FAINT)]
    lines += [(line, 15, _MARK) for line in _wrapped(caution or "", 15, room, 5)]
    for name, words, most in (("Prompt", vcu.prompt, 3), ("Negative prompt", vcu.negative_prompt, 1)):
        if words:
            lines += [(line, 15, _INK) for line in _wrapped(f"{name}: {words}", 15, room, most)]
    header = Image.new("RGB", (width, _EDGE + sum(size + 9 for _, size, _ in lines)), _PAPER)
    draw, top = ImageDraw.Draw(header), _EDGE
    for line, size, colour in lines:
        draw.text((_EDGE, top), line, colour, _font(size))
        top += size + 9
    return header


def _timeline(shares: NDArray[np.float64], mask_frames: Sequence[int] | None, width: int) -> Image.Image:
    """The whole clip, a bar per frame: how much of it is kept, generated from a control, generated freely."""
    top, height = 34, 40
    section = Image.new("RGB", (width, top + height + (18 if mask_frames is not None else 6)), _PAPER)
    draw, left = ImageDraw.Draw(section), _EDGE
    legend = [entry for entry, there in zip(_LEGEND, shares.max(axis=0).tolist(), strict=True) if there]
    for words, colour in legend + ([("the model reads the mask here", _MARK)] if mask_frames is not None else []):
        corners = [(left, 15), (left + 12, 15), (left + 12, 27), (left, 27)]
        draw.polygon([(left + 6, 15), *corners[2:]] if colour == _MARK else corners, colour)
        draw.text((left + 18, 12), words, _FAINT, _font(15))
        left += 36 + int(_font(15).getlength(words))
    draw.text((width - _EDGE, 12), f"frames 0 to {len(shares) - 1}", _FAINT, _font(15), anchor="ra")
    edges = np.linspace(_EDGE, width - _EDGE, len(shares) + 1).round().astype(int).tolist()
    gap = 1 if edges[1] - edges[0] > 3 else 0
    for frame, parts in enumerate(shares):
        # What is there shows, however little it is: a bar of less than a pixel would vanish.
        bars = [max(share * height, 2.0) if share > 0 else 0.0 for share in parts.tolist()]
        bars[bars.index(max(bars))] -= sum(bars) - height
        foot, right = float(top + height), max(edges[frame + 1] - 1 - gap, edges[frame])
        for bar, (_, colour) in zip(bars, _LEGEND, strict=True):
            if bar:
                draw.rectangle((edges[frame], foot - bar, right, foot - 1), colour)
            foot -= bar
    for frame in mask_frames or ():
        middle, foot = (edges[frame] + edges[frame + 1]) // 2, top + height
        draw.polygon([(middle, foot + 3), (middle - 4, foot + 10), (middle + 4, foot + 10)], _MARK)
    return section


def _shrunk(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """`(N, C, H, W)` of the first clip at the size of a thumbnail; areas are averaged."""
    pictures = frames[0].transpose(0, 1).float().cpu()
    if min(pictures.shape[2] / size[0], pictures.shape[3] / size[1]) < 1:
        return functional.interpolate(pictures, size=size, mode="nearest")
    return functional.interpolate(pictures, size=size, mode="area")


def _checks(size: tuple[int, int]) -> Tensor:
    """The pattern behind what is not there."""
    rows, columns = (torch.arange(side) // 6 % 2 for side in size)
    return torch.where((rows[:, None] ^ columns).bool(), -0.62, -0.5).expand(3, -1, -1)


def _signed(colour: Colour) -> Tensor:
    return torch.tensor(colour).view(3, 1, 1) / 127.5 - 1


def _bytes(pictures: Tensor) -> Bytes:
    bytes_: Bytes = ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(bytes_)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _drawn(character: str) -> bytes:
    picture = Image.new("L", (32, 32))
    ImageDraw.Draw(picture).text((4, 4), character, 255, _font(15))
    return picture.tobytes()


def _drawable(character: str) -> bool:
    return character.isspace() or _drawn(character) != _drawn("\uffff")


def _in_letters(text: str) -> str:
    """`text` with what the font has no letters for counted instead: empty boxes would tell nothing at all."""
    runs = ((known, "".join(run)) for known, run in groupby(text, key=_drawable))
    return "".join(run if known else f"[{_count(len(run), 'character')} of another script]" for known, run in runs)


def _wrapped(text: str, size: int, width: int, most: int) -> list[str]:
    """At most `most` lines no wider than `width`; what does not fit ends in dots. Scripts without spaces break too."""
    # No letter is narrower than 3 pixels, and measuring pages of text takes seconds.
    text = _in_letters(" ".join(text[: most * width // 2].split()))[: most * width // 3]
    font, lines = _font(size), list[str]()
    while text and len(lines) < most:
        end = len(text)
        while end > 1 and font.getlength(text[:end]) > width:
            end -= max((end - width // size) // 2, 1)
        while end < len(text) and font.getlength(text[: end + 1]) <= width:
            end += 1
        space = text.rfind(" ", 0, end)
        end = space if end < len(text) and space > 0 else end
        lines.append(text[:end])
        text = text[end:].strip()
    if text:
        lines[-1] = lines[-1][:-2].rstrip() + " \u2026"
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _percent(share: float) -> str:
    return "under 1%" if 0 < share < 0.01 else "over 99%" if 0.99 < share < 1 else f"{share:.0%}"
