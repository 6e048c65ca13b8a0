"""The options of clips that are made by windows, shared by every task."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

from typer import Option

from ..pipeline.windowed import Joining

PANEL = "Long clips"


class JoinName(str, Enum):
    """The names of `pipeline.windowed.JoinBy`."""

    latents = "latents"
    pinned = "pinned"
    pixels = "pixels"
    overlap = "overlap"
    pyramid = "pyramid"


class AnchorName(str, Enum):
    """The names of `pipeline.windowed.Anchor`."""

    auto = "auto"
    none = "none"
    shared = "shared"
    first = "first"


_JOIN_BY, _ANCHOR = JoinName(Joining.by), AnchorName(Joining.anchor)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How a clip is cut into windows that the model makes one after the other."""

    windows: Annotated[
        int | None,
        Option(
            min=1,
            help="Make the clip by windows of so many frames at most, 4n + 1 (LTX-Video 8n + 1). Default: a part of a "
            "clip that is longer than the model takes in one pass is made by windows of that length.",
            rich_help_panel=PANEL,
        ),
    ] = None
    overlap: Annotated[
        int | None,
        Option(
            min=1, help="Frames that two windows share, 4n + 1. Default: a quarter of a window.", rich_help_panel=PANEL
        ),
    ] = None
    prompts: Annotated[
        str | None,
        Option(
            help="Prompts for stretches: '[0-4s] a man walks | [4s, new shot] he sits'; times as for --start. A new "
            "shot is a hard cut.",
            rich_help_panel=PANEL,
        ),
    ] = None
    plan: Annotated[Path | None, Option(help="Windows as a file of vace plan says.", rich_help_panel=PANEL)] = None
    loop: Annotated[bool, Option("--loop", help="The end leads back to the beginning.", rich_help_panel=PANEL)] = False
    join_by: Annotated[
        JoinName,
        Option(
            help="What one window hands over to the next: its last latents, its last frames held in every step "
            "(pinned), or its last frames. Or denoise all together, blended in every step where they overlap (overlap, "
            "pyramid), which takes the memory of all.",
            rich_help_panel=PANEL,
        ),
    ] = _JOIN_BY
    keep_windows: Annotated[
        bool,
        Option(
            "--keep-windows/--no-keep-windows",
            help="Keep the folder OUTPUT.vace-job with all windows behind the job, so that vace redo can make one of "
            "them again.",
            rich_help_panel=PANEL,
        ),
    ] = True
    anchor_colour: Annotated[
        AnchorName,
        Option(
            help="Correct the colours of later windows by how the model changed the frames that were handed over "
            "(shared), and draw those that keep nothing else to the first window (first). auto: first, where windows "
            "are made one by one; none for a clip whose light is to change.",
            rich_help_panel=PANEL,
        ),
    ] = _ANCHOR
    fade_joins: Annotated[
        int,
        Option(
            min=0,
            help="New frames over which the step fades out that a join leaves; 0 = it is left as it is.",
            rich_help_panel=PANEL,
        ),
    ] = Joining.fade

    def cuts(self, frames: int, most: int | None) -> bool:
        """Whether a clip goes by windows.

        Args:
            frames: Of the clip, and up to a length that the model takes.
            most: What the model takes of it in one pass; None = as many as there are.
        """
        asked = self.windows or self.overlap or self.prompts or self.plan is not None or self.loop
        return bool(asked) or (most is not None and frames > most)
