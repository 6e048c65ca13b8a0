"""A picture for a help page: strips of frames under headings, chains of nodes, lines of words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

WIDTH, EDGE, GAP = 640, 16, 8
PAPER, INK, FAINT, ACCENT, BOX = (34, 36, 40), (235, 235, 235), (160, 163, 168), (255, 200, 60), (52, 55, 61)
COLUMNS = 5
SIDE = (WIDTH - 2 * EDGE - (COLUMNS - 1) * GAP) // COLUMNS  # of a frame
LINE = 24


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


class Sheet:
    """Parts from top to bottom, as wide as a help panel."""

    def __init__(self) -> None:
        self._parts: list[Image.Image] = []

    def heading(self, words: str) -> None:
        part, draw = _part(34)
        draw.text((EDGE, 14), words, ACCENT, font(17))
        self._parts.append(part)

    def words(self, words: str) -> None:
        """Words, over as many lines as they need."""
        lines = _wrapped(words, 15)
        part, draw = _part(LINE * len(lines) + 4)
        for n, line in enumerate(lines):
            draw.text((EDGE, 4 + n * LINE), line, INK, font(15))
        self._parts.append(part)

    def strip(self, label: str, pictures: Sequence[Image.Image]) -> None:
        """Pictures side by side, at most `COLUMNS`, each as wide as a frame."""
        shown = [one.resize((SIDE, round(SIDE * one.height / one.width)), Image.Resampling.BICUBIC) for one in pictures]
        part, draw = _part(26 + max(one.height for one in shown) + 4)
        draw.text((EDGE, 6), label, FAINT, font(14))
        for n, one in enumerate(shown):
            part.paste(one, (EDGE + n * (SIDE + GAP), 26))
        self._parts.append(part)

    def whole(self, picture: Image.Image) -> None:
        """One picture as wide as the sheet."""
        part, _ = _part(round(WIDTH * picture.height / picture.width))
        part.paste(picture.resize(part.size, Image.Resampling.LANCZOS), (0, 0))
        self._parts.append(part)

    def chain(self, columns: Sequence[Sequence[str]], marked: str) -> None:
        """Boxes with names, every one of a column linked to every one of the next."""
        rows = max(len(column) for column in columns)
        each, high = (WIDTH - 2 * EDGE - (len(columns) - 1) * 26) // len(columns), 52
        part, draw = _part(rows * (high + GAP) + 16)
        middles = []
        for n, column in enumerate(columns):
            left, top = EDGE + n * (each + 26), 12 + (rows - len(column)) * (high + GAP) // 2
            places = [(left, top + k * (high + GAP)) for k in range(len(column))]
            for (x, y), name in zip(places, column, strict=True):
                edge = ACCENT if name == marked else FAINT
                draw.rounded_rectangle((x, y, x + each, y + high), 7, BOX, edge, 2 if name == marked else 1)
                lines = _wrapped(name, 14, each - 14)
                for k, line in enumerate(lines):
                    height = y + high / 2 + (k - (len(lines) - 1) / 2) * 18
                    draw.text((x + each / 2, height), line, INK, font(14), anchor="mm")
            middles.append([(x, y + high // 2) for x, y in places])
        for before, after in pairwise(middles):
            for x, y in before:
                for to_x, to_y in after:
                    draw.line((x + each + 1, y, to_x - 1, to_y), FAINT, 2)
        self._parts.append(part)

    def drawn(self) -> Image.Image:
        sheet = Image.new("RGB", (WIDTH, sum(part.height for part in self._parts) + EDGE), PAPER)
        top = 4
        for part in self._parts:
            sheet.paste(part, (0, top))
            top += part.height
        return sheet


def _part(height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    part = Image.new("RGB", (WIDTH, height), PAPER)
    return part, ImageDraw.Draw(part)


def _wrapped(words: str, size: int, width: int = WIDTH - 2 * EDGE) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(size).getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
