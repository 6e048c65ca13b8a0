"""Runs the shipped workflows through a real ComfyUI, twice each, and looks at the videos that it saves.

    python -m tests.workflows.run COMFYUI_DIR [--only WORDS …] [--numbers FILE.json] [--videos FOLDER]

Writes a table, and the numbers and videos where they are wanted.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from .checks import check, length_of
from .graph_json import Graph
from .here import Here
from .server import Server
from .shipped import PROMPTS, at_once

KEPT_WELL = "largest difference to the source there: 0 of 255"


def run(server: Server, title: str, prompt: dict[str, Any], videos: Path | None = None) -> dict[str, Any]:
    """One workflow, twice: its times, what it wrote and the numbers of its video.

    Args:
        title: Of the workflow.
        prompt: What is sent to the server.
        videos: Where the video is put, under the title.

    Raises:
        AssertionError: it fails, is not the same the second time, or its video has another size, length or rate.
    """
    runs = [_timed(server, prompt) for _ in range(2)]
    (first, seconds), (again, seconds_again) = runs
    for history in (first, again):
        assert history["status"]["status_str"] == "success", history["status"]["messages"]
    cached = dict(map(tuple, again["status"]["messages"]))["execution_cached"]["nodes"]
    assert set(cached) == set(prompt), f"ran again: {set(prompt) - set(cached)}"
    here = Here(prompt)
    unit, report = here.input_of("VaceDecodeVideo", "vcu"), _said(first, here)
    assert unit.source is None or KEPT_WELL in report, report
    data = saved(server, first, here)
    if videos is not None:
        (videos / f"{title}.mp4").write_bytes(data)
    film, rate = video(data)
    assert tuple(film.shape) == (1, 3, length_of(here), unit.height, unit.width), film.shape
    assert abs(rate - unit.fps) < 0.01, rate
    return {
        "workflow": title,
        "seconds": round(seconds, 1),
        "second run": round(seconds_again, 2),
        "frames": film.shape[2],
        "size": f"{film.shape[4]} x {film.shape[3]}",
        "fps": rate,
        "report": report,
        "checks": check(title, prompt, film),
    }


def _timed(server: Server, prompt: dict[str, Any]) -> tuple[dict[str, Any], float]:
    start = time.monotonic()
    return server.run(prompt), time.monotonic() - start


def _said(history: dict[str, Any], here: Here) -> str:
    """What the last node that puts kept pixels back says of its result."""
    kinds = [one["class_type"] for one in here.prompt.values()]
    last = "VaceCompositeVideo" if "VaceCompositeVideo" in kinds else "VaceDecodeVideo"
    return " ".join(history["outputs"][here.first(last)]["text"])


def saved(server: Server, history: dict[str, Any], here: Here) -> bytes:
    """The file that Save Video wrote."""
    shown = history["outputs"][here.first("SaveVideo")]
    file = next(one for some in shown.values() if isinstance(some, list) for one in some if isinstance(one, dict))
    return server.fetch("/view", filename=file["filename"], subfolder=file["subfolder"], type=file["type"])


def video(data: bytes) -> tuple[Tensor, float]:
    """Frames `(1, 3, T, H, W)` in -1..1 of a video file, and their rate."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])
        rate = float(stream.average_rate or 0)
    return torch.from_numpy(pictures).permute(3, 0, 1, 2)[None].float() / 127.5 - 1, rate


def run_all(comfyui: Path, graphs: Sequence[Graph], videos: Path | None = None) -> Iterator[dict[str, Any]]:
    """The result of each, as soon as it is there."""
    with tempfile.TemporaryDirectory() as folder, Server(comfyui, Path(folder)) as server:
        version = server.get("/system_stats")["system"]["comfyui_version"]
        for graph in graphs:
            frozen = json.loads((PROMPTS / f"{graph.title}.json").read_text(encoding="utf-8"))
            yield {"comfyui": version, **run(server, graph.title, frozen, videos)}


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results in markdown."""
    lines = ["| workflow | ComfyUI | first run | again | video | content |", "|---|---|---|---|---|---|"]
    for one in results:
        content = "; ".join(
            f"{row['what']} {row['value']:.3g} ({row['bound']}){'' if row['holds'] else ' ✗'}" for row in one["checks"]
        )
        shape = f"{one['frames']} frames, {one['size']}, {one['fps']:g} fps"
        times = f"{one['seconds']:.1f} s | {one['second run']:.2f} s"
        lines.append(f"| {one['workflow']} | {one['comfyui']} | {times} | {shape} | {content} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comfyui", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="words of the titles")
    parser.add_argument("--numbers", type=Path, help="where the numbers are kept; those of other versions stay")
    parser.add_argument("--videos", type=Path, help="a folder for the videos")
    options = parser.parse_args()
    graphs = [one for one in at_once() if not options.only or any(word in one.title for word in options.only)]
    results = []
    for one in run_all(options.comfyui, graphs, options.videos):
        results.append(one)
        print(table([one]).splitlines()[-1], flush=True)
    if options.numbers:
        keep(options.numbers, results)


def keep(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """Puts results in the place of those of the same workflow and version, and the table beside them."""
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    new = {(one["comfyui"], one["workflow"]): one for one in (*old, *results)}
    rows = [new[key] for key in sorted(new)]
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(table(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
