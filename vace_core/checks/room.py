"""Whether something of a given size fits into memory, checked before it is allocated.

The bound is what the machine can still give: free memory and free swap, and no more than a container is allowed.
Whoever allocates by numbers that somebody typed asks here first, the library as the nodes.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch

from ..errors import InputError

SHORT = ("out of memory", "can't allocate memory", "not enough memory")
"""What errors of torch say of memory that ran out."""

SMALL = 64 << 20
"""Bytes that are always taken to be free."""

UNTOLD = 32 << 30
"""Bytes taken to be free where the system does not say."""

# Bytes that one pixel of a clip takes.
FRAMES = 12  # three numbers in float32
UNIT = 17  # a unit on its way to a model: roles, the mask in float32, and one of its halves as frames

# What every model takes: lengths of 8n + 1, sides of multiples of 32.
_LENGTH, _SIDE = 8, 32
_SPARE = 0.9  # of the bound, for a size that is advised: what is free changes while somebody types


def check_room(
    needed_bytes: int, what: str, *, frames: int | None = None, height: int | None = None, width: int | None = None
) -> None:
    """Validate that this much fits into the memory that is free.

    Args:
        needed_bytes: All that is about to be allocated at once. It is taken to grow with length and area.
        what: What it is for, as a sentence begins: "The clip", "The contact sheet".
        frames: Its length, where the user can change it.
        height: Its height in pixels, where the user can change it.
        width: Its width in pixels, where the user can change it.

    Raises:
        InputError: it does not fit; with the largest length and the largest size that would.
    """
    if needed_bytes <= SMALL or needed_bytes <= (free := free_bytes()):
        return
    size = " of ".join(
        ([_frames(frames)] if frames is not None else [])
        + ([f"{_number(width)} x {_number(height)} pixels"] if height is not None and width is not None else [])
    )
    raise InputError(
        "out-of-room",
        "{what} {has}needs {needed_bytes} of memory. At most {free} are free here. {advice}",
        what=what,
        has=f"has {size} and " if size else "",
        needed_bytes=_bytes(needed_bytes),
        free=_bytes(free),
        advice=advice(needed_bytes, free, frames=frames, height=height, width=width),
    )


def check_vcu_room(
    batch: int, num_frames: int, height: int, width: int, *, what: str = "The clip", clips: int = 0
) -> None:
    """Validate that a VCU, and all that is computed from it for a model, fit into the memory that is free.

    Args:
        clips: How many clips of its own, such as a source, are about to be allocated for it.

    Raises:
        InputError: as `check_room`.
    """
    needed = batch * num_frames * height * width * (UNIT + clips * FRAMES)
    check_room(needed, what, frames=num_frames, height=height, width=width)


def most_bytes(limit: int) -> int:
    """How much may be filled: no more than `limit`, and no more than is free now."""
    return min(limit, max(free_bytes(), SMALL))


def advice(needed_bytes: int, free: int, *, frames: int | None, height: int | None, width: int | None) -> str:
    """Advice where `needed_bytes` exceed `free`: the largest length and size of the same shape that fit."""
    room, choices = int(free * _SPARE), list[str]()
    sized = height is not None and width is not None
    if frames is not None and (fit := frames * room // needed_bytes):
        fit = (fit - 1) // _LENGTH * _LENGTH + 1
        choices.append(f"{_frames(fit)}{' of this size' if sized else ''}")
    if height is not None and width is not None:
        # The longer side, in whole steps; the other follows it, so that no size is too small to be a number.
        long, short = max(height, width), min(height, width)
        fit = math.isqrt(long * long * room // needed_bytes) // _SIDE * _SIDE
        other = max(fit * short // long // _SIDE, 1) * _SIDE
        if fit and fit * other * needed_bytes <= long * short * room:
            w, h = (fit, other) if width >= height else (other, fit)
            choices.append(f"{w} x {h} pixels{f' at {_frames(frames)}' if frames not in (None, 1) else ''}")
    if not choices:
        return "Make it smaller or shorter, close other programs, or use a machine with more memory."
    return f"The largest that fit are {' or '.join(choices)}. Choose one of these, or free some memory."


def is_short_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a device or on the CPU."""
    # Not all devices have an error of their own for it, nor has the CPU.
    said = str(error).lower() if isinstance(error, RuntimeError) else ""
    return isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or any(sign in said for sign in SHORT)


def free_bytes(system: Path = Path("/")) -> int:
    """The memory that this process can still be given: free memory and free swap, within its own limits.

    Args:
        system: Where Linux tells of itself, in the folders proc and sys.
    """
    return min([_free_in_system(system), *_free_in_containers(system), *_free_in_process()])


def _free_in_system(system: Path) -> int:
    # Memory that holds copies of files counts as free: the system drops them when it is asked for more.
    if told := _table(system / "proc" / "meminfo"):
        return (told.get("MemAvailable", told.get("MemFree", 0)) + told.get("SwapFree", 0)) << 10
    try:
        import psutil

        return psutil.virtual_memory().available + psutil.swap_memory().free
    except (ImportError, OSError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # all of it, where what is free is not told
    except (AttributeError, OSError, ValueError):
        return UNTOLD


def _free_in_containers(system: Path) -> list[int]:
    """What is left of the limit of a control group, of either version; empty where there is none."""
    group, found = system / "sys" / "fs" / "cgroup", list[int]()
    for folder, limit, used in (
        (group, "memory.max", ("anon", "shmem")),
        (group / "memory", "memory.limit_in_bytes", ("total_rss", "total_shmem")),
    ):
        text = _text(folder / limit).strip()
        if text.isascii() and text.isdigit():
            told = _table(folder / "memory.stat")
            found.append(max(int(text) - sum(told.get(name, 0) for name in used), 0))
    return found


def _free_in_process() -> list[int]:
    """What is left of the limit that "ulimit -v" sets; empty where there is none."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, AttributeError):  # not on Windows
        return []
    taken = _table(Path("/proc/self/status")).get("VmSize", 0) << 10
    return [] if most == resource.RLIM_INFINITY else [max(most - taken, 0)]


def _table(path: Path) -> dict[str, int]:
    """The numbers of a file of lines such as "name: 12 kB"."""
    pairs = (line.replace(":", " ").split()[:2] for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{_number(count)} frames"


def _number(count: int) -> str:
    # Python refuses to write thousands of digits.
    return str(count) if count < 10**18 else f"over 10^{(count.bit_length() - 1) * 3 // 10}"


def _bytes(count: int) -> str:
    # By whole numbers: somebody may ask for more than a float can hold.
    for unit, power in (("GiB", 30), ("TiB", 40), ("PiB", 50), ("EiB", 60)):
        if count >> power < 1024:
            return f"{(count >> (power - 10)) / 1024:.2f} {unit}"
    return "more than 1024 EiB"
