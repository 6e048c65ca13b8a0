"""The plan of a long clip as a table and as a picture, to be looked at before anything is computed."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from ..sampling.windows import Plan

_PAPER, _INK, _FAINT = (34, 36, 40), (235, 235, 235), (160, 163, 168)
_NEW, _SHARED, _CUT, _KEYFRAME = (66, 135, 245), (120, 200, 140), (214, 62, 54), (255, 200, 60)
_EDGE, _TOP, _ROW, _BAR = 20, 78, 30, 20  # pixels
_WIDTH = 1200
_MOST = 100  # rows


def plan_rows(plan: Plan) -> list[tuple[str, str]]:
    """Names and values in two columns: the whole, each window, keyframes."""
    rows = [("plan", _whole_words(plan))]
    for number, window in enumerate(plan.windows):
        said = f"frames {window.begin} to {window.end - 1} ({plan.length(number)} in the model)"
        said += f", the first {window.overlap} shared" if window.overlap else ", a new shot" if number else ""
        said += f", strength {window.strength:g}" if window.strength != 1 else ""
        said += "" if window.seed is None else f", seed {window.seed}"
        said += "" if window.references is None else f", references {', '.join(window.references) or 'none'}"
        said += "" if window.prompt is None else f': "{window.prompt}"'
        rows.append((f"window {number}", said))
    frames = sorted(plan.keyframes_in(0, plan.num_frames).items())
    return rows + [(f"frame {frame}", f"shows {picture}") for frame, picture in frames]


def stretches(plan: Plan) -> list[tuple[int, int, str | None]]:
    """First frame, frame after the last and prompt of each stretch of windows with one prompt; a hard cut ends one."""
    found: list[tuple[int, int, str | None]] = []
    for window in plan.windows:
        end = min(window.end, plan.num_frames)
        if found and window.overlap and found[-1][2] == window.prompt:
            found[-1] = (found[-1][0], end, window.prompt)
        else:
            found.append((window.first_new, end, window.prompt))
    return found


def draw_plan(plan: Plan) -> Image.Image:
    """An RGB image: time from left to right, a row for each window; shared frames, hard cuts and keyframes marked.

    Of more than 100 windows the first 100 are drawn.
    """
    font = ImageFont.load_default(15)
    rows, more = plan.windows[:_MOST], len(plan) - _MOST
    sheet = Image.new("RGB", (_WIDTH, _TOP + (len(rows) + (more > 0)) * _ROW + _EDGE), _PAPER)
    draw = ImageDraw.Draw(sheet)
    last = max(plan.num_frames, plan.windows[-1].end)

    def x(frame: float) -> int:
        return _EDGE + round(frame / last * (_WIDTH - 2 * _EDGE))

    draw.text((_EDGE, 10), _whole_words(plan), _INK, font)
    left = _EDGE
    legend = [("new frames", _NEW), ("shared with the window before", _SHARED)]
    if len(plan.shots) > 1:
        legend.append(("hard cut", _CUT))
    if plan.keyframes:
        legend.append(("keyframe", _KEYFRAME))
    for words, colour in legend:
        draw.rectangle((left, 41, left + 12, 53), colour)
        draw.text((left + 18, 38), words, _FAINT, font)
        left += 36 + int(font.getlength(words))
    for number, window in enumerate(rows):
        top = _TOP + number * _ROW
        draw.rectangle((x(window.begin), top, max(x(window.end) - 1, x(window.begin)), top + _BAR), _NEW)
        shared = [(window.begin, window.first_new)] if window.overlap else []
        if number + 1 == len(plan) and plan.loop:
            shared.append((plan.num_frames, window.end))
        for begin, end in shared:
            draw.rectangle((x(begin), top, max(x(end) - 1, x(begin)), top + _BAR), _SHARED)
        if number and not window.overlap:
            draw.line((x(window.begin), _TOP - 8, x(window.begin), sheet.height - _EDGE), _CUT, 2)
        room = x(window.end) - x(window.first_new) - 8
        words = _cut(f"{number} {window.prompt or ''}".strip(), font, room)
        draw.text((x(window.first_new) + 4, top + 2), words, _INK, font)
    if more > 0:
        draw.text((_EDGE, _TOP + len(rows) * _ROW), f"and {more} more windows", _FAINT, font)
    for frame in plan.keyframes_in(0, plan.num_frames):
        middle = x(frame + 0.5)
        draw.polygon([(middle, _TOP - 4), (middle - 6, _TOP - 14), (middle + 6, _TOP - 14)], _KEYFRAME)
        draw.line((middle, _TOP - 4, middle, sheet.height - _EDGE), _KEYFRAME, 1)
    return sheet


def _whole_words(plan: Plan) -> str:
    count = len(plan)
    said = f"{plan.num_frames} frames at {plan.fps:.4g} fps ({plan.num_frames / plan.fps:.2f} s) in {count} window"
    said += "s" * (count > 1) + (", a loop" if plan.loop else "")
    return said + (f", made in the order {', '.join(map(str, plan.order))}" if plan.order else "")


def _cut(words: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> str:
    """As much of `words` as there is room for, in letters that the font has."""
    words = words.encode("ascii", "replace").decode().replace("\n", " ")
    if font.getlength(words) <= room:
        return words
    while words and font.getlength(f"{words}...") > room:
        words = words[:-1]
    return f"{words}..." if words else ""
