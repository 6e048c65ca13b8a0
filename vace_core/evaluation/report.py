"""One page of HTML that shows an evaluation: table, plots, contact sheets and videos, problems, versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from torch import Tensor

from ..errors import VaceError
from ..files.replacing import replacing
from ..media.video import Clip, read_video
from . import vbench
from .manifest import Item
from .measures import Measured
from .pictures import film, plots, scale_of, sheet, summary_of
from .results import ALL, AVERAGE, PLAIN, Results
from .run import find_result, read_reference

NOT_MEASURED = "not measured"
NOTHING = "–"
FLOOR = "kept part, VAE floor"
ORDER = (*PLAIN, *vbench.BOUNDS)
WHITE = 250  # of 255: a codec makes white a little darker
SHOWN = 2
"""Samples of each type that are shown, unless one says otherwise."""

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid #8885; padding: .3rem .4rem; text-align: right; vertical-align: top }
th { font-weight: 600 } td:first-child, td:nth-child(2), th:first-child, th:nth-child(2) { text-align: left }
td small { color: #888; display: block; font-weight: 400; white-space: nowrap } .best { font-weight: 700 }
.wide { overflow-x: auto } .films { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0 }
figcaption { color: #888; font-size: 13px } img { max-width: 100% }
video { width: 320px; max-width: 100% } .plots { background: #fff; overflow-x: auto }
section { margin-top: 2.5rem } .none { color: #888 }
"""


def write_report(
    path: Path, results: Results, items: Sequence[Item], methods: Mapping[str, Path], *, shown: int = SHOWN
) -> None:
    """Writes the page, whole or not at all; it holds all that it shows.

    Args:
        path: A .html.
        results: What was found.
        items: The samples, of which some are shown.
        methods: The folders of the methods whose results can be shown.
        shown: Samples of each type that are shown; 0 = none.

    Raises:
        InputError: the file cannot be written.
        ModelError: matplotlib is not installed.
    """
    page = page_of(results, items, methods, shown=shown)
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")


def page_of(results: Results, items: Sequence[Item], methods: Mapping[str, Path], *, shown: int = SHOWN) -> str:
    """The page."""
    about = "".join(f"<li>{escape(name)}: {escape(text)}</li>" for name, text in results.about.items())
    parts = [
        f"<h1>Evaluation</h1><ul>{about}</ul>",
        f"<section><h2>Results</h2>{_explained(results)}<div class=wide>{table(results)}</div>{_missing(results)}",
        "</section><section><h2>Plots</h2><p>Means and 95 % confidence intervals.</p>",
        f"<div class=plots>{plots(results)}</div></section>",
        _differences(results),
        "".join(_samples(items, methods, shown)),
        _problems(results),
        _versions(results),
    ]
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>Evaluation</title><style>{_STYLE}</style>"
    return f"{head}<body>{''.join(parts)}</body></html>\n"


def table(results: Results) -> str:
    """Type × method as HTML: the mean, and below it the 95 % interval and how many clips; indicators in percent."""
    names = _columns(results)
    head = "".join(f"<th>{escape(name)}</th>" for name in ("type", "method", *names))
    lines: list[str] = []
    for task in results.tasks:
        best = {name: _best(results, task, name) for name in names}
        for method in results.methods:
            if not results.of(task, method):
                continue
            cells = "".join(_cell(results, task, method, name, best[name] == method) for name in names)
            lines.append(f"<tr><td>{escape(task)}</td><td>{escape(method)}</td>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def markdown(results: Results) -> str:
    """The same table in Markdown."""
    names = _columns(results)
    rows = [("type", "method", *names), ("---",) * (len(names) + 2)]
    for task in results.tasks:
        for method in results.methods:
            if results.of(task, method):
                found = [summary_of(results, task, method, name) for name in names]
                texts = [
                    NOTHING if one is None else one.text(scale_of(name)) for one, name in zip(found, names, strict=True)
                ]
                rows.append((task, method, *texts))
    shown = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"
    names = ", ".join(name + _of_some(results, name) for name in results.missing)
    return f"{shown}\n{NOT_MEASURED.capitalize()}: {names}.\n" if names else shown


def _columns(results: Results) -> list[str]:
    """The measures that anything was measured in, the paper's first; the others are said below the table."""
    rows = [(task, method) for task in results.tasks for method in results.methods]
    average = [AVERAGE] if any(results.average(*row) for row in rows) else []
    names = results.measures
    return [*(name for name in names if name not in PLAIN), *average, *(name for name in names if name in PLAIN)]


def lines(measured: Measured, missing: Mapping[str, str]) -> list[str]:
    """What was measured of one video in words, a line for each measure; then what was not, and why."""
    found = [f"{name}: {_said(name, measured.values[name])}" for name in ORDER if name in measured.values]
    return [
        *found,
        *(f"{name or 'everything'}: {NOT_MEASURED}. {error}" for name, error in measured.errors),
        *(f"{name}: {NOT_MEASURED} ({why})" for name, why in missing.items()),
    ]


def _said(name: str, value: float) -> str:
    if name in vbench.BOUNDS:
        return f"{100 * value:.2f} % (higher is better)"
    unit = " levels" if "levels" in PLAIN[name][1] else ""
    return f"{value:.2f}{unit} ({PLAIN[name][0]} is better)"


def _cell(results: Results, task: str, method: str, name: str, best: bool) -> str:
    found = summary_of(results, task, method, name)
    if found is None:
        return f"<td class=none>{NOTHING}</td>"
    value, scale = f"{found.value * scale_of(name):.2f}", scale_of(name)
    interval = (
        "" if found.low is None or found.high is None else f"{found.low * scale:.2f} to {found.high * scale:.2f}, "
    )
    return f"<td{' class=best' if best else ''}>{value}<small>{interval}n = {found.count}</small></td>"


def _best(results: Results, task: str, name: str) -> str | None:
    """The method with the best mean, where there are several and one is better than all others."""
    if name == FLOOR:  # of the VAE, whatever the method
        return None
    found = {method: summary_of(results, task, method, name) for method in results.methods}
    known = {method: one.value for method, one in found.items() if one is not None}
    if len(known) < 2:
        return None
    lower = name in PLAIN and PLAIN[name][0] == "lower"
    best = (min if lower else max)(known.values())
    first, *others = [method for method, value in known.items() if value == best]
    return None if others else first


def _explained(results: Results) -> str:
    used = [name for name in results.measures if name in PLAIN]
    lines = "".join(f"<li>{escape(name)} ({PLAIN[name][0]} is better): {escape(PLAIN[name][1])}</li>" for name in used)
    return (
        "<p>The indicators of VBench and their average are in percent, more is better; below each mean stand its 95 % "
        "confidence interval (bootstrap over clips) and the number of clips. Bold is the best mean, which says nothing "
        f"where the intervals overlap; {NOTHING} is where there was nothing to measure, or a problem that is listed "
        f"below.</p><ul>{lines}</ul>"
    )


def _missing(results: Results) -> str:
    if not results.missing:
        return ""
    lines = "".join(
        f"<li>{escape(name)}{_of_some(results, name)}: {escape(why)}</li>" for name, why in results.missing.items()
    )
    return f"<p>{NOT_MEASURED.capitalize()}, and therefore no average:</p><ul>{lines}</ul>"


def _of_some(results: Results, name: str) -> str:
    """Of which methods an indicator is not measured, where an earlier run has it."""
    without = [one for one in results.methods if results.summary(ALL, one, name) is None]
    return f" of {escape(', '.join(without))}" if name in results.measures and without else ""


def _differences(results: Results) -> str:
    """Each other method less the first one, on the clips that both have."""
    if len(results.methods) < 2:
        return ""
    first, *others = results.methods
    lines: list[str] = []
    for name in results.measures:
        for task in results.tasks:
            for other in others:
                found = results.difference(task, other, first, name)
                if found is not None:
                    text = found.text(scale_of(name))
                    lines.append(
                        f"<tr><td>{escape(task)}</td><td>{escape(name)}</td><td>{escape(other)}</td><td>{text}</td><td>{found.count}</td></tr>"
                    )
    head = "<tr><th>type</th><th>measure</th><th>method</th><th>difference (95 % interval)</th><th>clips</th></tr>"
    return (
        f"<section><h2>Differences to {escape(first)}</h2><p>Clip by clip, on the clips that both have: an interval "
        f"without 0 is a difference.</p><details><summary>{len(lines)} rows</summary><div class=wide><table>{head}"
        f"{''.join(lines)}</table></div></details></section>"
    )


def _samples(items: Sequence[Item], methods: Mapping[str, Path], shown: int) -> Iterator[str]:
    seen: dict[str, int] = {}
    for item in items:
        seen[item.task] = seen.get(item.task, 0) + 1
        if seen[item.task] <= shown:
            yield _sample(item, methods)


def _sample(item: Item, methods: Mapping[str, Path]) -> str:
    """What was asked for and what each method made of it: a contact sheet, and the results as videos."""
    given = {"original": item.video, "source": item.source, "mask": item.mask, "control": item.control}
    rows: list[tuple[str, Tensor]] = []
    films: list[str] = []
    for name, path in given.items():
        clip = None if path is None else _clip(path)
        if clip is None or (name == "mask" and int(clip.frames.min()) >= WHITE):  # a mask of everything shows nothing
            continue
        rows.append((name, clip.frames))
    for method, folder in methods.items():
        if (clip := _clip(folder, item.name)) is not None:
            rows.append((method, clip.frames))
            shown = f'<video src="{film(clip)}" controls loop muted></video>'
            films.append(f"<figure>{shown}<figcaption>{escape(method)}</figcaption></figure>")
    for number, path in enumerate(item.references):
        if (picture := _picture(path)) is not None:
            rows.append((f"reference {number + 1}", picture))
    if not rows:
        return ""
    title = f"<h3>{escape(item.task)}: {escape(item.name)}</h3><p>{escape(item.rewritten or item.prompt)}</p>"
    pictures = f'<img alt="contact sheet" src="{sheet(rows)}">'
    return f"<section>{title}{pictures}<div class=films>{''.join(films)}</div></section>"


def _clip(path: Path, result: str | None = None) -> Clip | None:
    """A clip, or a method's result; None where it cannot be read, which stands among the problems."""
    try:
        return read_video(path if result is None else find_result(path, result))
    except VaceError:
        return None


def _picture(path: Path) -> Tensor | None:
    try:
        return read_reference(path)[None]
    except VaceError:
        return None


def _problems(results: Results) -> str:
    found = results.problems
    lines = "".join(
        f"<tr><td>{escape(one.method)}</td><td>{escape(one.sample)}</td><td>{escape(one.measure or 'everything')}</td>"
        f"<td style='text-align:left'>{escape(one.message)}</td></tr>"
        for one in found
    )
    head = "<tr><th>method</th><th>sample</th><th>measure</th><th>what happened</th></tr>"
    body = f"<div class=wide><table>{head}{lines}</table></div>" if found else ""
    return f"<section><h2>Problems</h2><p>{len(found)} of what was asked could not be measured.</p>{body}</section>"


def _versions(results: Results) -> str:
    lines = "".join(f"<li>{escape(name)} {escape(version)}</li>" for name, version in results.versions.items())
    return f"<section><h2>Versions</h2><ul>{lines}</ul></section>"
