"""How every figure here is measured: one process, candidates in turn, medians, ratios of pairs from the same round."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def arguments(description: str, **choices: Sequence[str]) -> argparse.Namespace:
    """The options that all scripts share, and a list to choose from for each of `choices`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="toy sizes, to see that the script runs; saves nothing")
    parser.add_argument("--rounds", type=int, default=5, help="how often each candidate is timed")
    parser.add_argument("--threads", type=int, default=1, help="1 = CPU time of the process; more = wall clock")
    for name, values in choices.items():
        parser.add_argument(f"--{name}", nargs="+", choices=values, default=list(values))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.quick:
        options.rounds = 1
    return options


def in_turn(candidates: Mapping[str, Callable[[], Any]], options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each candidate, round by round (A B C, A B C, …), after one call of each that is not timed."""
    clock = time.process_time if options.threads == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(options.rounds + 1):
        for name, run in candidates.items():
            start = clock()
            run()
            if number:
                seconds[name].append(clock() - start)
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], ours: str, theirs: str) -> float:
    """The median over the rounds of our time over theirs."""
    return statistics.median(a / b for a, b in zip(seconds[ours], seconds[theirs], strict=True))


def timings(seconds: Mapping[str, Sequence[float]], ours: str) -> dict[str, dict[str, Any]]:
    """Median, ratio of `ours` to it and all times, for each candidate."""
    return {
        name: {"median_s": statistics.median(times), "ours_over_this": ratio(seconds, ours, name), "seconds": times}
        for name, times in seconds.items()
    }


def largest_difference(got: Tensor, wanted: Tensor) -> float:
    """Largest difference over largest value."""
    got, wanted = got.double(), wanted.double()
    return float((got - wanted).abs().max() / wanted.abs().max())


def distance(got: Tensor, wanted: Tensor) -> float:
    """Length of the difference over length of `wanted`."""
    got, wanted = got.double(), wanted.double()
    return float((got - wanted).norm() / wanted.norm())


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a markdown table."""
    print(f"\n### {title}\n")
    for cells in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


def save(name: str, results: Any, options: argparse.Namespace) -> None:
    """Writes `results/<name>.json` with what it was measured on; nothing for toy sizes."""
    if options.quick:
        return
    RESULTS.mkdir(exist_ok=True)
    where = {"cpu": _cpu(), "threads": options.threads, "rounds": options.rounds, "torch": torch.__version__}
    where |= {"clock": "CPU time of the process" if options.threads == 1 else "wall clock"}
    where |= {"bf16_in_hardware": torch.cpu._is_avx512_bf16_supported(), "amx": torch.cpu._is_amx_tile_supported()}
    text = json.dumps({"measured_on": where, "results": results}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} x {len(names)}" if names else platform.processor()
