"""Runs the shipped workflows and blueprints through a real ComfyUI, twice each, and looks at the videos that it saves.

    python -m tests.workflows.run COMFYUI_DIR [--only WORDS …] [--numbers FILE.json] [--videos FOLDER] [--off]

Writes a table, and the numbers and videos where they are wanted. What is replaced in workflows that need real weights
or other packs says `recast.py`. With --off every workflow runs a third time, without the adapter's work: what is to be
shown must be gone then.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from . import starter_files
from .cases import AS_IT_IS, Run, off, runs
from .checks import check, check_measured, length_of
from .here import Here
from .server import Server

KEPT_WELL = "largest difference to the source there: 0 of 255"
LOSSLESS = "lossless"
MEASURES = "VaceMeasureVideo"


def run(
    server: Server, one: Run, videos: Path | None = None, others: Mapping[str, Tensor] | None = None
) -> dict[str, Any]:
    """One workflow, twice: its times, what it wrote and the numbers of its video.

    Args:
        videos: Where its frames are put, as a video without loss.
        others: The frames of workflows that ran before, by title. Its own are compared with those it must equal.

    Raises:
        AssertionError: it fails, is not the same the second time, or its video has another size, length or rate.
    """
    prompt = with_frames(one.prompt)
    (first, seconds), (again, seconds_again) = (_timed(server, prompt) for _ in range(2))
    for history in (first, again):
        assert history["status"]["status_str"] == "success", history["status"]["messages"]
    cached = dict(map(tuple, again["status"]["messages"]))["execution_cached"]["nodes"]
    assert set(cached) == set(prompt), f"ran again: {set(prompt) - set(cached)}"
    here = Here(one.prompt)
    unit, report = here.unit, _said(first, here)
    assert unit.source is None or KEPT_WELL in report, report
    film, rate = video(saved(server, first, here))
    exact = frames(server, first)
    assert tuple(film.shape) == (1, 3, length_of(here), unit.height, unit.width), film.shape
    assert tuple(exact.shape) == (film.shape[2], unit.height, unit.width, 3), exact.shape
    assert abs(rate - unit.fps) < 0.01, rate
    if videos is not None:
        starter_files.write_clip(videos / f"{one.name}.mkv", exact)
    rows = check(one.checks, one.prompt, film, exact)
    if MEASURES in {node["class_type"] for node in prompt.values()}:
        rows += check_measured(" ".join(first["outputs"][here.first(MEASURES)]["text"]))
    if others is not None and one.same_as in others:
        away = float((exact.int() - others[one.same_as].int()).abs().max())
        rows.append({"what": f"levels off {one.same_as}", "value": away, "bound": "<= 0", "holds": away <= 0})
    return {
        "workflow": one.title,
        "run": one.how,
        "stamp": one.stamp,
        "seconds": round(seconds, 1),
        "second run": round(seconds_again, 2),
        "frames": film.shape[2],
        "size": f"{film.shape[4]} x {film.shape[3]}",
        "fps": rate,
        "report": report,
        "checks": rows,
        "exact": exact,
    }


def without(server: Server, one: Run, rows: Sequence[dict[str, Any]]) -> None:
    """Adds to each number what it is without the adapter."""
    prompt = off(one.prompt)
    history = server.run(with_frames(prompt))
    assert history["status"]["status_str"] == "success", history["status"]["messages"]
    film, _ = video(saved(server, history, Here(prompt)))
    for row, other in zip(rows, check(one.checks, prompt, film, frames(server, history)), strict=False):
        row["without"], row["holds without"] = other["value"], other["holds"]


def with_frames(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt that also saves the frames of its video as pictures."""
    video_node = next(node["inputs"]["video"][0] for node in prompt.values() if node["class_type"] == "SaveVideo")
    pictures = {"images": prompt[video_node]["inputs"]["images"], "filename_prefix": f"{LOSSLESS}/frame"}
    return {**prompt, LOSSLESS: {"class_type": "SaveImage", "inputs": pictures}}


def _timed(server: Server, prompt: dict[str, Any]) -> tuple[dict[str, Any], float]:
    start = time.monotonic()
    return server.run(prompt), time.monotonic() - start


def _said(history: dict[str, Any], here: Here) -> str:
    """What the last node that puts kept pixels back says of its result."""
    kinds = [one["class_type"] for one in here.prompt.values()]
    last = "VaceCompositeVideo" if "VaceCompositeVideo" in kinds else here.finisher
    return " ".join(history["outputs"][here.first(last)]["text"])


def saved(server: Server, history: dict[str, Any], here: Here) -> bytes:
    """The file that Save Video wrote."""
    shown = history["outputs"][here.first("SaveVideo")]
    file = next(one for some in shown.values() if isinstance(some, list) for one in some if isinstance(one, dict))
    return _file(server, file)


def frames(server: Server, history: dict[str, Any]) -> Tensor:
    """`(T, H, W, 3)`, bytes: the frames as Save Image wrote them."""
    files = history["outputs"][LOSSLESS]["images"]
    return torch.stack([torch.from_numpy(np.array(Image.open(io.BytesIO(_file(server, file))))) for file in files])


def _file(server: Server, file: Mapping[str, str]) -> bytes:
    return server.fetch("/view", filename=file["filename"], subfolder=file["subfolder"], type=file["type"])


def video(data: bytes) -> tuple[Tensor, float]:
    """Frames `(1, 3, T, H, W)` in -1..1 of a video file, and their rate."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])
        rate = float(stream.average_rate or 0)
    return torch.from_numpy(pictures).permute(3, 0, 1, 2)[None].float() / 127.5 - 1, rate


def version_of(server: Server) -> str:
    return server.get("/system_stats")["system"]["comfyui_version"]


def fits(one: Run, version: str) -> bool:
    """Whether this version of ComfyUI has the nodes."""
    return _numbers(version) >= _numbers(one.needs or "0")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def run_all(
    comfyui: Path, wanted: Sequence[Run], videos: Path | None = None, *, compare: bool = False
) -> Iterator[dict[str, Any]]:
    """The result of each, as soon as it is there."""
    with tempfile.TemporaryDirectory() as folder, Server(comfyui, Path(folder)) as server:
        version, others = version_of(server), dict[str, Tensor]()
        for one in wanted:
            if not fits(one, version):
                continue
            result = run(server, one, videos, others)
            exact = result.pop("exact")
            if one.how == AS_IT_IS:
                others[one.title] = exact
            if compare and not one.same_as:
                without(server, one, result["checks"])
            yield {"comfyui": version, **result}


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results in markdown."""
    lines = ["| workflow | run | ComfyUI | first run | again | video | content |", "|---|---|---|---|---|---|---|"]
    for one in results:
        shape = f"{one['frames']} frames, {one['size']}, {one['fps']:g} fps"
        times = f"{one['seconds']:.1f} s | {one['second run']:.2f} s"
        content = "; ".join(_told(row) for row in one["checks"])
        lines.append(f"| {one['workflow']} | {one['run']} | {one['comfyui']} | {times} | {shape} | {content} |")
    return "\n".join(lines)


def _told(row: Mapping[str, Any]) -> str:
    fails = "" if row["holds"] else " ✗"
    other = "" if "without" not in row else f", without {row['without']:.3g}{'' if row['holds without'] else ' ✗'}"
    return f"{row['what']} {row['value']:.3g} ({row['bound']}){fails}{other}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comfyui", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="words of the titles")
    parser.add_argument("--numbers", type=Path, help="where the numbers are kept; those of other versions stay")
    parser.add_argument("--videos", type=Path, help="a folder for the videos")
    parser.add_argument("--off", action="store_true", help="also without the adapter")
    options = parser.parse_args()
    wanted = [one for one in runs() if not options.only or any(word in one.name for word in options.only)]
    results = []
    for one in run_all(options.comfyui, wanted, options.videos, compare=options.off):
        results.append(one)
        print(table([one]).splitlines()[-1], flush=True)
        if options.numbers:
            keep(options.numbers, results)


def keep(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """Puts results in the place of those of the same run and version, in the order of `runs`."""
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    new = {(one["comfyui"], one["workflow"], one["run"]): one for one in (*old, *results)}
    order = [(one.title, one.how) for one in runs()]
    rows = sorted(
        (one for key, one in new.items() if key[1:] in order),
        key=lambda one: (one["comfyui"], order.index((one["workflow"], one["run"]))),
    )
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
