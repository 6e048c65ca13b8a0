"""How the windows of a long clip join: seams and drift of every strategy, on the starter's world.

    OMP_NUM_THREADS=1 python benchmarks/windows.py --windows 1 2 4 8 16 --seeds 5     (the full run)
    OMP_NUM_THREADS=1 python benchmarks/windows.py --windows 8 --seeds 1 --seconds 280  (a part of it, in pieces)
    OMP_NUM_THREADS=1 python benchmarks/windows.py --report                           (the page again, from the results)

Held-out scenes, played forth and back so that a clip of any length has the motion that the starter was taught and
every frame has a truth. Windows of 17 frames of 96 x 96 pixels that share 5, sampled as the starter is by default.
Writes results/windows.json, and docs/windows.md with its two pictures. Results of a run are added to those that are
there; a case that is there is not made again.

What decides the default was written down before the first run. Of the strategies that stream (a window that is done
can be written, and redone alone), over extension, scribble, depth and inpaint at 8 windows, or the most that were run:
the least drift, the mean over seeds of the colour drift in levels, among those whose median seam step is at most 1.2,
or where none is, among all. A tie, within the standard error, goes to the smaller seam step.

What the default must hold, written down before the first run too: after 8 windows at most a quarter of the colour drift
of "pixels", which is plain hand-over; a seam step of at most 1.2 in the median; and at the 95th percentile no more than
the steps inside windows. The page says by how much it is missed, and which strategy comes nearest.

A window depends only on those before it where windows hand over in the order of time. So a clip of fewer windows is
the beginning of a longer one, bit for bit (tests/core/test_long.py), and is measured there: it is not made again. A
single window is the same by every strategy, and is measured once.

- seam step: the mean difference of the two frames at a border of windows, over the mean difference of neighbouring
  frames inside windows of the same clip; 1 = no seam. Every border of windows lies between two latent frames, where
  the frames that a VAE decodes differ more than elsewhere: the column "between latents" is the same number for the
  other steps between latent frames. "the VAE alone" is the true clip, encoded and decoded in one piece: what the best
  model would have.
- colour drift: how far the mean colour of a window is from that of the first, less how far the true one is, in
  levels of 255, the mean over the channels; contrast drift: the same ratio of standard deviations, less 1; sharpness
  drift: of the mean absolute Laplacian. The last window counts.
- PSNR to the true clip in dB over frames that were generated, where the condition determines them (not of an
  extension or a loop): over all windows, and of the last one.
- control followed: of a scribble the F1 of edges within two pixels, of depth the IoU of the objects' silhouettes with
  the true ones, 0..1: over all windows, and of the last one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import measuring
import torch
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor
from torch.nn import functional

from vace_core import tasks
from vace_core.evaluation.pixels import edge_agreement
from vace_core.models.wan.dit import GRID
from vace_core.pipeline import VaceModel
from vace_core.pipeline.long import generate_long
from vace_core.pipeline.parts import parts_of
from vace_core.pipeline.windowed import Joining, WindowedJob
from vace_core.sampling.planning import plan_windows
from vace_core.sampling.windows import Plan
from vace_core.starter.evaluation.metrics import mask_iou
from vace_core.starter.evaluation.objects import largest, vivid
from vace_core.starter.model import SIDE, STARTER_OPTIONS, WEIGHTS, load_starter, part_file
from vace_core.starter.scenes.clips import HELD_OUT, Bucket
from vace_core.starter.scenes.clips import clip as drawn
from vace_core.starter.scenes.render import SceneClip
from vace_core.vcu import VideoConditionUnit

WINDOW, OVERLAP, FPS = 17, 5, 8.0
SAMPLING = STARTER_OPTIONS
PLAIN = "pixels"  # plain hand-over
STRATEGIES = {
    PLAIN: Joining(by="pixels", anchor="none", fade=0),
    "pinned": Joining(by="pinned", anchor="none", fade=0),
    "latents": Joining(by="latents", anchor="none", fade=0),
    "pixels, shared colour": Joining(by="pixels", anchor="shared", fade=0),
    "latents, shared colour": Joining(by="latents", anchor="shared", fade=0),
    "latents, first colour": Joining(by="latents", anchor="first", fade=0),
    "pinned, first colour, fade": Joining(by="pinned", anchor="first", fade=8),
    "latents, first colour, fade": Joining(by="latents", anchor="first", fade=8),
    "overlap": Joining(by="overlap"),
    "pyramid": Joining(by="pyramid"),
}
USUAL = Joining()
DEFAULT = next(
    name
    for name, joining in STRATEGIES.items()
    if (joining.by, joining.anchored, joining.fade) == (USUAL.by, USUAL.anchored, USUAL.fade)
)
TASKS = ("extend", "scribble", "depth", "inpaint", "loop")
DETERMINED = ("scribble", "depth", "inpaint")
CONTROLLED = ("scribble", "depth")
DRIFTS = ("colour", "contrast", "sharpness")
VAE = "the VAE alone"
HEAD = ("task", "joined by", "cases", "seam step, median", "95th percentile", "inside, 95th", "between latents",
        "colour", "contrast", "sharpness", "PSNR, all", "PSNR, last", "control followed, all", "last",
        "CPU s per frame")  # fmt: skip
FILE = measuring.RESULTS / "windows.json"
CHOICE = (
    "A clip that is longer than one pass of the model is made window by window. What to choose (`--join-by` and",
    "`--anchor-colour`; in ComfyUI the inputs of *VACE Plan Windows*):",
    "",
    f'- Nothing: the default, "{DEFAULT}" below. Windows hand over their last latents, so nothing goes through the VAE',
    "  twice, colours are drawn to those of the first window, and the step that is left fades out. It drifts least",
    "  where nothing of the clip is kept.",
    "- `--join-by pinned` where a step is seen between two windows: the frames handed over are held in every step. The",
    "  step is smaller, and colours drift a little more.",
    "- `--join-by overlap` where all windows fit into memory together: there is no step, as they are blended in every",
    "  step of sampling. No window can be made again alone. (`pyramid` blends over whole windows. Here it is the same:",
    "  over two shared latent frames both have the same weights.)",
    "- `--anchor-colour none` for a clip whose light is to change, such as a sunset.",
)


def length_of(windows: int, *, loop: bool) -> int:
    """Frames of a clip that so many windows make."""
    count = WINDOW + (windows - 1) * (WINDOW - OVERLAP)
    return count - OVERLAP if loop else count


def scene(seed: int, frames: int) -> tuple[SceneClip, Tensor]:
    """A scene, and the frames of it that are shown: forth and back."""
    # Before a muted backdrop, or no silhouette could be found.
    clip = drawn(HELD_OUT, seed, Bucket(num_frames=WINDOW, height=SIDE, width=SIDE), calm=True)
    period = 2 * (WINDOW - 1)
    places = torch.arange(frames) % period
    return clip, torch.minimum(places, period - places)


def unit_of(task: str, clip: SceneClip, places: Tensor) -> VideoConditionUnit:
    """What is asked for of the whole clip."""
    said = {"prompt": clip.caption, "fps": FPS}
    frames = clip.frames[:, :, places]
    if task == "extend":
        return tasks.extend(frames[:, :, :OVERLAP], num_frames=len(places), **said)
    if task == "scribble":
        return tasks.scribble(frames, **said)
    if task == "depth":
        return tasks.depth(clip.depth[:, :, places], **said)
    if task == "inpaint":
        masks = torch.zeros_like(frames[:, :1])
        masks[..., SIDE // 4 : 3 * SIDE // 4, SIDE // 4 : 3 * SIDE // 4] = 1
        return tasks.inpaint(frames, masks, **said)
    return tasks.text(num_frames=len(places), height=frames.shape[3], width=frames.shape[4], **said)


def followed(task: str, film: Tensor, clip: SceneClip, places: Tensor, plan: Plan) -> list[float]:
    """How well each window follows its control."""
    scores: list[float] = []
    for one in plan.windows:
        part, shown = slice(one.first_new, one.end), places[one.first_new : one.end]
        if task == "scribble":
            lines = tasks.scribble(clip.frames[:, :, shown]).control
            assert lines is not None
            scores.append(edge_agreement(film[:, :, part], lines))
        else:
            objects = clip.masks[:, 0, shown].amax(0)
            scores.append(mask_iou(largest(vivid(film[:, :, part]), len(clip.objects)), objects))
    return scores


def measured(film: Tensor, truth: Tensor, plan: Plan, masks: Tensor, task: str) -> dict[str, Any]:
    """The numbers of one clip."""
    borders = [window.first_new for window in plan.windows[1:]]
    steps = (film[:, :, 1:] - film[:, :, :-1]).abs().mean((0, 1, 3, 4))
    if plan.loop:
        steps = torch.cat([steps, (film[:, :, :1] - film[:, :, -1:]).abs().mean()[None]])
        borders.append(film.shape[2])
    inside = torch.ones(len(steps), dtype=torch.bool)
    inside[torch.tensor(borders, dtype=torch.long) - 1] = False
    usual = float(steps[inside].mean())
    found: dict[str, Any] = {
        "seams": [float(steps[border - 1]) / max(usual, 1e-6) for border in borders],
        "inside": [float(step) / max(usual, 1e-6) for step in steps[inside]],
        "latents": [float(step) / max(usual, 1e-6) for step in steps[:: GRID.frames][inside[:: GRID.frames]]],
    }
    spans = [(one.first_new, min(one.end, plan.num_frames)) for one in plan.windows]
    ours, theirs = ([_look(clip[:, :, begin:end]) for begin, end in spans] for clip in (film, truth))
    if task in ("extend", "loop"):  # what is new is not that of the true clip
        theirs = [theirs[0]] * len(spans)
    for number, name in enumerate(DRIFTS):
        found[name] = [
            float((_away(one, ours[0], number) - _away(true, theirs[0], number)).abs().mean())
            for one, true in zip(ours, theirs, strict=True)
        ]
    if task in DETERMINED:
        where = masks.expand_as(film) > 0
        found["psnr"] = [_decibels(film, truth, where, begin, end) for begin, end in spans]
    return found


def _look(frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean colour in levels, standard deviation, and mean absolute Laplacian of frames."""
    gray = frames.mean(1).flatten(0, 1)[:, None]
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    sharp = functional.conv2d(gray, kernel).abs().mean()
    pixels = frames.transpose(0, 1).flatten(1)
    return pixels.mean(1) * 127.5, pixels.std(1), sharp[None]


def _away(look: tuple[Tensor, ...], first: tuple[Tensor, ...], number: int) -> Tensor:
    if number == 0:
        return look[0] - first[0]
    return look[number] / first[number].clamp(min=1e-6) - 1


def _decibels(film: Tensor, truth: Tensor, where: Tensor, begin: int, end: int) -> float:
    part = slice(begin, end)
    error = (film - truth)[:, :, part][where[:, :, part]].square().mean()
    return float(10 * torch.log10(4 / error.clamp(min=1e-9)))


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All cases that are asked for and not there yet, as far as the time goes."""
    rows: list[dict[str, Any]] = json.loads(FILE.read_text())["rows"] if FILE.exists() else []
    there = {(row["strategy"], row["task"], row["windows"], row["seed"]) for row in rows}
    model, begun = load_starter(), time.monotonic()
    for seed in range(options.seeds):
        rows += vae_alone(model, seed, [one for one in options.windows if (VAE, "extend", one, seed) not in there])
        for windows in sorted(options.windows, reverse=True):
            for task in options.tasks:
                for name in options.strategies:
                    joining, loop = STRATEGIES[name], task == "loop"
                    if (name, task, windows, seed) in there or (loop and (windows < 2 or not joining.streams)):
                        continue
                    if windows == 1 and name != PLAIN:
                        continue
                    if time.monotonic() - begun > options.seconds:
                        return rows
                    frames = length_of(windows, loop=loop)
                    clip, places = scene(seed, frames)
                    vcu = unit_of(task, clip, places)
                    plan = plan_of(windows, loop=loop)
                    sampling = replace(SAMPLING, seed=seed)
                    job = WindowedJob(model=model, plan=plan, parts=parts_of(vcu), options=sampling, joining=joining)
                    begin = time.process_time()
                    film = generate_long(job)
                    seconds = time.process_time() - begin
                    truth, found = clip.frames[:, :, places], list[int]()
                    # What is made of fewer windows is its beginning.
                    shorter = options.windows if joining.streams and not loop else [windows]
                    for fewer in sorted({one for one in shorter if one <= windows}):
                        if (name, task, fewer, seed) in there or (fewer == 1 and name != PLAIN):
                            continue
                        part = slice(0, length_of(fewer, loop=loop))
                        plan = plan_of(fewer, loop=loop)
                        numbers = measured(film[:, :, part], truth[:, :, part], plan, vcu.masks[:, :, part], task)
                        if task in CONTROLLED:
                            numbers["followed"] = followed(task, film[:, :, part], clip, places[part], plan)
                        case = {"strategy": name, "task": task, "windows": fewer, "seed": seed}
                        rows.append({**case, "seconds_per_frame": seconds / frames, **numbers})
                        there.add((name, task, fewer, seed))
                        found.append(fewer)
                    print(name, task, found, seed, f"seams {_mean(rows[-1]['seams']):.2f}",
                          f"colour {rows[-1]['colour'][-1]:.2f}", f"{seconds:.1f} s", flush=True)  # fmt: skip
                    save(rows)
    return rows


def vae_alone(model: VaceModel, seed: int, counts: list[int]) -> list[dict[str, Any]]:
    """What the VAE alone makes of the true clip, measured as an extension."""
    if not counts:
        return []
    clip, places = scene(seed, length_of(max(counts), loop=False))
    truth = clip.frames[:, :, places]
    begin = time.process_time()
    film = model.vae.decode(model.vae.encode(truth))
    seconds = (time.process_time() - begin) / len(places)
    rows: list[dict[str, Any]] = []
    for windows in counts:
        part, plan = slice(0, length_of(windows, loop=False)), plan_of(windows, loop=False)
        numbers = measured(film[:, :, part], truth[:, :, part], plan, torch.ones(0), "extend")
        case = {"strategy": VAE, "task": "extend", "windows": windows, "seed": seed}
        rows.append({**case, "seconds_per_frame": seconds, **numbers})
    return rows


def plan_of(windows: int, *, loop: bool) -> Plan:
    """The plan of a clip of so many windows."""
    frames = length_of(windows, loop=loop)
    return plan_windows(frames, fps=FPS, grid=GRID, window=WINDOW, overlap=OVERLAP, loop=loop)


def save(rows: list[dict[str, Any]]) -> None:
    measuring.RESULTS.mkdir(exist_ok=True)
    settings = {
        "starter": starter(),
        "window": WINDOW,
        "overlap": OVERLAP,
        "steps": SAMPLING.steps,
        "solver": SAMPLING.solver,
        "guidance": SAMPLING.guidance_scale,
    }
    text = json.dumps({"torch": torch.__version__, "settings": settings, "rows": rows})
    FILE.write_text(text + "\n")


def starter() -> str:
    """Which starter makes the clips: the digest of its adapter."""
    return hashlib.sha256(part_file(WEIGHTS, "adapter").read_bytes()).hexdigest()[:12]


def report(rows: list[dict[str, Any]], starter: str) -> None:
    """docs/windows.md and its picture."""
    most = max(row["windows"] for row in rows if row["strategy"] != VAE)
    seeds = sorted({row["seed"] for row in rows})
    counts = ", ".join(map(str, sorted({row["windows"] for row in rows})))
    lines = [
        "# Long clips: seams and drift",
        "",
        *CHOICE,
        "",
        "## What was measured",
        "",
        "Written by `benchmarks/windows.py`, which says what each number is and how the default is chosen. Made with",
        f"the starter whose adapter has the SHA-256 {starter}...: windows of {WINDOW} frames that share {OVERLAP},",
        f"clips of {counts} such windows, {len(seeds)} scenes, each with a seed. It shows what the strategies do to a",
        'small model, not how good Wan is. "First colour" is "shared colour" in windows that keep pixels other than',
        "those handed over, as those of an inpainting.",
        *_not_run(rows, most),
        "",
        f"## At {most} windows",
        "",
        "Mean over scenes, in brackets the standard deviation between them. Drift of colour in levels of 255, of",
        "contrast and sharpness as ratios, all of the last window against the first.",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|" + "---|" * len(HEAD),
    ]
    for task in TASKS:
        for name in (*STRATEGIES, VAE):
            found = [row for row in rows if (row["task"], row["strategy"], row["windows"]) == (task, name, most)]
            if found:
                lines.append("| " + " | ".join([task, name, *_cells(found)]) + " |")
    lines += [
        "",
        *verdict(rows, min(most, DECIDED_AT)),
        "",
        *by_windows(rows),
        "",
        "## Drift of colour window by window",
        "",
        "![curves](pictures/windows.png)",
        "",
        "## The task window by window",
        "",
        "![curves](pictures/windows-tasks.png)",
        "",
    ]
    (measuring.ROOT / "docs" / "windows.md").write_text("\n".join(lines))
    pictures = measuring.ROOT / "docs" / "pictures"
    draw(rows, most, pictures / "windows.png", [(task, "colour", "drift of colour, levels of 255") for task in TASKS])
    told = [(task, "psnr", "PSNR, dB") for task in DETERMINED]
    told += [(task, "followed", "control followed, 0..1") for task in CONTROLLED]
    draw(rows, most, pictures / "windows-tasks.png", told)


def _not_run(rows: list[dict[str, Any]], most: int) -> list[str]:
    """Lines of the page: what of the full run is not there."""
    there = {row["task"] for row in rows if row["windows"] == most}
    strategies = {row["strategy"] for row in rows if row["windows"] == most}
    missing = [
        *(task for task in TASKS if task not in there),
        *(f'"{name}"' for name in STRATEGIES if name not in strategies),
        *(f"{count} windows" for count in (1, 2, 4, 8, 16) if count not in {row["windows"] for row in rows}),
    ]
    return ["", f"Not run yet: {', '.join(missing)}."] if missing else []


def by_windows(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of the page: seam step and colour drift at every number of windows."""
    counts = sorted({row["windows"] for row in rows} - {1})
    lines = [
        "## By the number of windows",
        "",
        "Seam step in the median / drift of colour of the last window in levels.",
        "",
        "| task | joined by | " + " | ".join(f"{count} windows" for count in counts) + " |",
        "|" + "---|" * (2 + len(counts)),
    ]
    for task in TASKS:
        for name in (*STRATEGIES, VAE):
            cells: list[str] = []
            for count in counts:
                found = [r for r in rows if (r["task"], r["strategy"], r["windows"]) == (task, name, count)]
                steps = [step for row in found for step in row["seams"]]
                drift = _mean(row["colour"][-1] for row in found)
                cells.append(f"{statistics.median(steps):.2f} / {drift:.2f}" if steps else "")
            if any(cells):
                lines.append(f"| {task} | {name} | " + " | ".join(cells) + " |")
    return lines


DECIDED_AT = 8  # windows
DECIDING = ("extend", "scribble", "depth", "inpaint")
QUARTER, SEAM = 0.25, 1.2
RULE_HEAD = ("joined by", "cases", "colour drift", "of plain hand-over's", "seam step, median", "95th percentile",
             "inside, 95th", "holds")  # fmt: skip


def verdict(rows: list[dict[str, Any]], windows: int) -> list[str]:
    """Lines of the page: what the rule for the default says of every strategy that streams."""
    there = [row for row in rows if row["windows"] == windows and row["task"] in DECIDING]
    cases = {name: {(row["task"], row["seed"]) for row in there if row["strategy"] == name} for name in STRATEGIES}
    streaming = [name for name, joining in STRATEGIES.items() if joining.streams and cases[name]]
    if PLAIN not in streaming:
        return ["## The default", "", "Nothing was measured of plain hand-over, which all are compared with."]
    # Only what all were measured on is compared.
    common = set[tuple[str, int]].intersection(*(cases[name] for name in streaming))
    tasks_there = sorted({task for task, _ in common}, key=DECIDING.index)
    found = {
        name: [row for row in there if row["strategy"] == name and (row["task"], row["seed"]) in common]
        for name in streaming
    }
    if not common:
        return ["## The default", "", "No case was measured for all strategies yet."]
    drift = {name: _mean(row["colour"][-1] for row in ours) for name, ours in found.items()}
    lines = [
        "## The default",
        "",
        f"By the rule at the top of the script, over {', '.join(tasks_there)} at {windows} windows, of the cases that",
        "all strategies that stream were measured on: a drift of at most a quarter of plain hand-over's, a seam step",
        "of at most 1.2 in the median, and no more than the steps inside windows at the 95th percentile:",
        "",
        "| " + " | ".join(RULE_HEAD) + " |",
        "|" + "---|" * len(RULE_HEAD),
    ]
    seams = dict[str, float]()
    for name, ours in found.items():
        steps = [step for row in ours for step in row["seams"]]
        inside = torch.tensor([step for row in ours for step in row["inside"]]).quantile(0.95)
        ratio, high = drift[name] / max(drift[PLAIN], 1e-6), torch.tensor(steps).quantile(0.95)
        seams[name] = statistics.median(steps)
        parts = {"drift": ratio <= QUARTER, "seam": seams[name] <= SEAM, "95th": bool(high <= inside)}
        said = ", ".join(part for part, holds in parts.items() if holds) or "nothing"
        lines.append(
            f"| {name} | {len(ours)} | {drift[name]:.2f} | {ratio:.2f} | {seams[name]:.2f} | {high:.2f} | "
            f"{inside:.2f} | {said} |"
        )
    smooth = [name for name in streaming if seams[name] <= SEAM] or streaming
    best = _chosen({name: found[name] for name in smooth}, seams)
    missed = drift[DEFAULT] / max(drift[PLAIN], 1e-6) / QUARTER if DEFAULT in drift else 0.0
    lines += [
        "",
        f'Nearest, and what the rule chooses of these cases: "{best}". The default is "{DEFAULT}": its drift is',
        f"{missed:.1f} times what the rule allows, its seam step {seams.get(DEFAULT, 0.0) / SEAM:.1f} times.",
    ]
    return lines


def _chosen(found: dict[str, list[dict[str, Any]]], seams: dict[str, float]) -> str:
    """The strategy of the least drift, or of those within a standard error of it that of the smallest seam step."""
    drifts = {name: {(row["task"], row["seed"]): row["colour"][-1] for row in ours} for name, ours in found.items()}
    least = min(drifts, key=lambda name: _mean(drifts[name].values()))

    def ties(name: str) -> bool:
        away = [drifts[name][case] - drifts[least][case] for case in drifts[least]]
        error = statistics.stdev(away) / len(away) ** 0.5 if len(away) > 1 else 0.0
        return _mean(away) <= error

    return min((name for name in drifts if ties(name)), key=lambda name: seams[name])


def _cells(found: list[dict[str, Any]]) -> list[str]:
    seams = [step for row in found for step in row["seams"]]
    inside = [step for row in found for step in row["inside"]]
    between = [step for row in found for step in row["latents"]]
    cells = [
        str(len(found)),
        f"{statistics.median(seams):.2f}" if seams else "",
        _percentile(seams),
        _percentile(inside),
        f"{statistics.median(between):.2f}",
    ]
    for name, digits in (("colour", 2), ("contrast", 3), ("sharpness", 3)):
        cells.append(_spread([row[name][-1] for row in found], digits))
    for name in ("psnr", "followed"):
        for pick in (_mean, lambda values: values[-1]):
            cells.append(_spread([pick(row[name]) for row in found], 2) if all(name in row for row in found) else "")
    return [*cells, f"{_mean(row['seconds_per_frame'] for row in found):.2f}"]


def _percentile(values: list[float]) -> str:
    return f"{float(torch.tensor(values).quantile(0.95)):.2f}" if values else ""


def _spread(values: list[float], digits: int) -> str:
    more = f" ({statistics.stdev(values):.{digits}f})" if len(values) > 1 else ""
    return f"{_mean(values):.{digits}f}{more}"


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return statistics.fmean(values) if values else 0.0


def draw(rows: list[dict[str, Any]], most: int, path: Path, wanted: list[tuple[str, str, str]]) -> None:
    """Curves over windows, a panel for each task, number and its name."""
    at_most = [row for row in rows if row["windows"] == most]
    there = [one for one in wanted if any(row["task"] == one[0] and one[1] in row for row in at_most)]
    figure, panels = plt.subplots(
        1, len(there), figsize=(4.5 * len(there) + 3, 3.6), squeeze=False, layout=ConstrainedLayoutEngine(w_pad=0.12)
    )
    for panel, (task, key, label) in zip(panels[0], there, strict=True):
        for number, name in enumerate(STRATEGIES):
            found = [row[key] for row in at_most if (row["task"], row["strategy"]) == (task, name) and key in row]
            if found:
                means = [_mean(values) for values in zip(*found, strict=True)]
                panel.plot(means, color=f"C{number}", label=name)
        panel.set(title=task, xlabel="window", ylabel=label, ylim=0 if key == "colour" else None)
        panel.grid(alpha=0.3)
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right upper", fontsize="small", frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--strategies", nargs="+", choices=list(STRATEGIES), default=list(STRATEGIES))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case after so long; default: all")
    parser.add_argument("--report", action="store_true", help="only write the page, from results that are there")
    options = parser.parse_args()
    made_with = json.loads(FILE.read_text())["settings"]["starter"] if FILE.exists() else starter()
    if options.report:
        report(json.loads(FILE.read_text())["rows"], made_with)
        return
    if made_with != starter():
        parser.error(f"{FILE.name} is of another starter ({made_with}, now {starter()}): move it away to begin anew")
    report(run(options), made_with)


if __name__ == "__main__":
    main()
