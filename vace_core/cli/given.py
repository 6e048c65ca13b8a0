"""The files that a command reads: what a job is made of, none of which is written over."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from typer import Context

from ..errors import InputError
from ..files.checkpoint import open_checkpoint
from ..media.ranges import named_frame
from ..sampling.plan_text import read_plan
from .files import Files
from .options import Run, Wanted


def files_given(context: Context) -> set[Path]:
    """Every file and folder that the task of a command was given."""
    not_given = {field.name for group in (Run, Wanted) for field in fields(group)} - {"plan"}
    texts: list[str] = []
    for name, value in context.params.items():
        if name not in not_given:
            values = cast("list[Any]", value) if isinstance(value, (list, tuple)) else [value]
            texts += [str(one) for one in values if isinstance(one, (str, Path))]
    found = {path for path in map(_named, texts) if path is not None}
    if isinstance(plan := context.params.get("plan"), Path):
        with suppress(InputError, OSError, ValueError):  # said where it is used
            found |= {path for path in (beside(plan, name) for name in read_plan(plan).pictures) if path.is_file()}
    return found


def beside(plan: Path, name: str) -> Path:
    """An image that a plan names: where it is called from, or else beside the plan."""
    with suppress(OSError, ValueError):  # of a name that no file can have
        if Path(name).exists():
            return Path(name)
    return plan.parent / name


def files_read(context: Context, files: Files) -> list[Path]:
    """Every file that a command reads: what its task was given, and the weights of its model."""
    found = files_given(context)
    for part in (files.base, files.adapter, files.low_noise, files.low_noise_adapter):
        found |= set() if part is None else set(open_checkpoint(part).paths)
    found |= set(open_checkpoint(files.vae, "vae").paths) | {one.path for one in files.lora}
    found |= set() if files.text is None else set(open_checkpoint(files.text, "text_encoder").paths)
    return sorted(found)


def check_not_given(context: Context, target: Path) -> None:
    """Refuses to write over a file that the task was given, whose pixels would be lost.

    Raises:
        InputError: it is one.
    """
    check_not_among(files_given(context), target)


def check_not_among(given: Iterable[Path], target: Path) -> None:
    """Refuses to write over one of the files that a command reads.

    Raises:
        InputError: it is one.
    """
    if any(_is_same(target, path) for path in given):
        raise InputError(
            "target-is-given",
            "{path} was to be written, and is one of the files that are read for it. What was given stays as it is. "
            "Choose another name.",
            path=target,
        )


def _is_same(target: Path, path: Path) -> bool:
    try:
        return target.samefile(path)
    except (OSError, ValueError):  # there is nothing yet, or a name that no file can have
        return False


def _named(text: str) -> Path | None:
    """The file or folder that a text names, alone or as "0=a.png", "clip.mp4@3.2s" or "shots/frame_%04d.png"."""
    for one in filter(None, (text, text.partition("=")[2])):
        with suppress(OSError, ValueError):
            path, _ = named_frame(one)
            path = path.parent if "%" in path.name and not path.is_file() else path
            if path.exists():
                return path
    return None
