"""Rows of an evaluation: means with their standard errors, as a table and as numbers for a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Better = Literal["higher", "lower"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """A mean and its standard error.

    The error is that of a mean over clips: the noise seeds of one clip are averaged first, for they are not
    independent of each other. NaN with a single clip.
    """

    mean: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Rival:
    """What the adapter is compared with.

    Attributes:
        name: "adapter off", or a method without the adapter.
        score: Its own result.
        gain: The adapter's result minus this one, clip by clip; positive is only good where higher is better.
        n: Clips in which it had something to work with; only these count in `score` and `gain`.
    """

    name: str
    score: Score
    gain: Score
    n: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure of one task.

    Attributes:
        task: A name of `scenes.samples.TASKS`, with the clips that were asked for.
        metric: What is measured, with its unit.
        better: Which way is good.
        n: Clips in which there was something to measure.
        on: The adapter at strength 1.
        off: The base alone: strength 0, the same noise, the same prompt.
        baselines: Other ways to do it.
        ceiling: The true clip after the VAE's encoder and decoder: no model that uses this VAE does better by more
            than chance.
        truth: The true clip itself: what the measure can show at all. None where it compares with just that.
    """

    task: str
    metric: str
    better: Better
    n: int
    on: Score
    off: Rival
    baselines: tuple[Rival, ...]
    ceiling: Score
    truth: Score | None


def score_of(values: Tensor) -> Score:
    """Mean and standard error of `values` `(clips, seeds)`, without NaN."""
    clips = values.double().mean(dim=1)
    if not len(clips):
        return Score(mean=math.nan, error=math.nan)
    error = float(clips.std() / math.sqrt(len(clips))) if len(clips) > 1 else math.nan
    return Score(mean=float(clips.mean()), error=error)


def row_of(
    task: str, metric: str, better: Better, values: Mapping[str, Tensor], baselines: Sequence[str], *, absolute: bool
) -> Row:
    """The row of one measure.

    Args:
        task: Goes into the row, as `metric` and `better` do.
        values: `(clips, seeds)` for "on", "off", "ceiling", "truth" and each of `baselines`; NaN = nothing to measure.
            A clip in which only a baseline has nothing is left out of the comparison with that one.
        baselines: Names among `values`, in the order of the table.
        absolute: Whether the truth has a value of its own.
    """
    own = [value for name, value in values.items() if name not in baselines]
    measured = ~torch.stack([value.isnan().any(dim=1) for value in own]).any(dim=0)
    values = {name: value[measured] for name, value in values.items()}

    def rival(name: str, label: str) -> Rival:
        there = ~values[name].isnan().any(dim=1)
        theirs, ours = values[name][there], values["on"][there]
        return Rival(name=label, score=score_of(theirs), gain=score_of(ours - theirs), n=int(there.sum()))

    return Row(
        task=task,
        metric=metric,
        better=better,
        n=int(measured.sum()),
        on=score_of(values["on"]),
        off=rival("off", "adapter off"),
        baselines=tuple(rival(name, name) for name in baselines),
        ceiling=score_of(values["ceiling"]),
        truth=score_of(values["truth"]) if absolute else None,
    )


def table(rows: Sequence[Row]) -> str:
    """`rows` as a markdown table; a gain that is good by more than two standard errors is bold."""
    head = ("task", "measure", "better", "adapter on", "off", "gain", "others (gain over them)")
    lines = [(*head, "VAE ceiling", "truth", "clips"), ("---",) * (len(head) + 3)]
    for row in rows:
        others = ", ".join(_other(one, row) for one in row.baselines)
        lines.append(
            (
                *(row.task, row.metric, row.better, _with_error(row.on), _with_error(row.off.score)),
                *(_gain(row.off, row.better), others, f"{row.ceiling.mean:.3g}"),
                *("" if row.truth is None else f"{row.truth.mean:.3g}", str(row.n)),
            )
        )
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def numbers(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """`rows` as what JSON can hold; NaN becomes None, which JSON has a word for."""
    return [_plain(asdict(row)) for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def rows_of(told: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows that `numbers` told."""
    return [
        Row(
            task=row["task"],
            metric=row["metric"],
            better=row["better"],
            n=row["n"],
            on=_score(row["on"]),
            off=_rival(row["off"]),
            baselines=tuple(map(_rival, row["baselines"])),
            ceiling=_score(row["ceiling"]),
            truth=None if row["truth"] is None else _score(row["truth"]),
        )
        for row in told
    ]


def _score(told: Mapping[str, Any]) -> Score:
    return Score(**{name: math.nan if value is None else value for name, value in told.items()})


def _rival(told: Mapping[str, Any]) -> Rival:
    return Rival(name=told["name"], score=_score(told["score"]), gain=_score(told["gain"]), n=told["n"])


def _other(rival: Rival, row: Row) -> str:
    """A rival's cell; how many clips it could enter where these were not all."""
    clips = "" if rival.n == row.n else f", {rival.n} of {row.n} clips"
    return f"{rival.name} {rival.score.mean:.3g} ({_gain(rival, row.better)}{clips})"


def _with_error(score: Score) -> str:
    return f"{score.mean:.3g} \u00b1 {score.error:.2g}"


def _gain(rival: Rival, better: Better) -> str:
    gain = rival.gain
    good = gain.mean if better == "higher" else -gain.mean
    text = f"{gain.mean:+.3g} \u00b1 {gain.error:.2g}"
    return f"**{text}**" if good > 2 * gain.error else text
