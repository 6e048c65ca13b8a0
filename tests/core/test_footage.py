"""Kinds of real footage keep frames, rate, size, colour, stored levels and sound: a part of `benchmarks/footage.py`.

FFmpeg's own programs make the footage and read it and the results.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from footage import KINDS, in_chromium, row_of

pytestmark = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs FFmpeg's programs")
# One for each way in which a film can be lost; the whole table takes minutes.
QUICK = (
    "variable rate",
    "10-bit HEVC",
    "HDR (PQ)",
    "ProRes 422 HQ",
    "GIF",
    "mp4 with AAC",
    "interlaced SD",
    "full range",
)
QUICK += ("anamorphic PAL", "HD without tags")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in QUICK], ids=lambda kind: kind.name)
def test_footage_comes_back_as_it_was(tmp_path: Path, kind):
    kind = replace(
        kind, frames=min(kind.frames, 25 if kind.sound else 4), size=tuple(min(side, 720) for side in kind.size)
    )
    row = row_of(kind, tmp_path, in_chromium(None))
    assert row[-1] == ("refused, with the command that helps" if kind.refused else "as it came")
