"""A blind study of opinions: what is shown to raters without names, and mean opinion scores of what they say.

The three questions and the scale of 1 to 5 are those of the paper's user study (arXiv 2503.07598, section 5.1).
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..errors import InputError, VaceError, shortened
from ..files import strict_json
from ..files.replacing import replacing, unwritable
from ..media.video import read_video
from ..media.write import write_video
from .manifest import Item
from .results import ALL, Problem, problem
from .run import find_result
from .statistics import COVERED, DRAWS, Numbers, Summary
from .study_page import page_of

QUESTIONS = ("prompt following", "temporal consistency", "video quality")
AVERAGE = "average"
LEAST, MOST = 1, 5
PAGE, KEY, CLIPS = "study.html", "key.json", "clips"
CRF = 14


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What stands behind one clip of a study.

    Attributes:
        method: Whose result it is.
        sample: Of which sample.
        task: Its type.
    """

    method: str
    sample: str
    task: str


def make_study(
    folder: Path, items: Sequence[Item], methods: Mapping[str, Path], *, rewritten: bool = True
) -> tuple[int, list[Problem]]:
    """Makes the page that raters get and the key that they do not.

    All clips are encoded alike under names drawn at random, so that neither names nor files tell a method.

    Args:
        folder: Gets `study/`, which raters are given, and `key.json`, which stays. It must not hold a study yet.
        items: The samples.
        methods: Their folders of results, by name.
        rewritten: Whether raters are shown the rewritten prompts, where there are some.

    Returns:
        How many clips there are, and what could not be shown; a sample is asked for only where all methods have it.

    Raises:
        InputError: there is a study already, nothing to show, or the folder cannot be written.
    """
    if (folder / KEY).exists():
        raise InputError(
            "study-exists",
            "The folder {folder} holds a study already. A new one would part raters from their clips. Choose another "
            "folder.",
            folder=folder,
        )
    try:
        (folder / "study" / CLIPS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    key: dict[str, Entry] = {}
    shown: list[dict[str, str]] = []
    problems: list[Problem] = []
    for item in items:
        found, missing = _films(item, methods)
        problems += missing
        if missing:
            continue
        source = _written(folder, item.edited or item.followed)
        for method, path in found.items():
            name = _encoded(folder, path)
            key[name] = Entry(method=method, sample=item.name, task=item.task)
            prompt = (item.rewritten if rewritten else "") or item.prompt
            shown.append({"clip": name, "prompt": prompt} | ({"source": source} if source else {}))
    if not key:
        raise InputError(
            "study-empty",
            "No sample has a result of every method: {count} problems, such as: {first} At least one is needed. "
            "Check the folders.",
            count=len(problems),
            first=problems[0].message if problems else "There are no samples.",
        )
    number = secrets.token_hex(8)
    # Sorted by their random names, so that not even the page's source tells what belongs together.
    page = page_of(number, QUESTIONS, sorted(shown, key=lambda one: one["clip"]))
    with replacing(folder / "study" / PAGE) as part:
        part.write_text(page, encoding="utf-8")
    said = {"study": number, "clips": {name: asdict(entry) for name, entry in sorted(key.items())}}
    with replacing(folder / KEY) as part:
        part.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(key), problems


@dataclass(frozen=True, kw_only=True, eq=False)
class Opinions:
    """What raters said.

    Attributes:
        raters: Their names.
        entries: What they rated.
        scores: `(raters, clips, 3)`, 1..5; NaN where one did not answer.
        problems: Files and answers that could not be used.
    """

    raters: tuple[str, ...]
    entries: tuple[Entry, ...]
    scores: Numbers
    problems: tuple[Problem, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """By name."""
        return tuple(sorted({entry.method for entry in self.entries}))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The types, and all of them together if there are several."""
        each = tuple(sorted({entry.task for entry in self.entries}))
        return (*each, ALL) if len(each) > 1 else each

    def score(self, task: str, method: str, question: str) -> Summary | None:
        """The mean opinion score with its interval; None without an answer."""
        return _summary(self._rows(task, method, question)[1])

    def compared(self, task: str, one: str, other: str, question: str) -> tuple[Summary, float, float] | None:
        """Two methods on the samples that both have, rater by rater.

        Returns:
            Mean difference of `one` to `other` with its interval, and the shares of pairs that prefer `one` and
            `other`; the rest are ties. None where nobody rated both.
        """
        names, ours = self._rows(task, one, question)
        others, theirs = self._rows(task, other, question)
        both = [name for name in names if name in others]
        left, right = ([places.index(name) for name in both] for places in (names, others))
        apart = ours[:, left] - theirs[:, right]
        found = _summary(apart)
        if found is None:
            return None
        known = apart[~np.isnan(apart)]
        return found, float((known > 0).mean()), float((known < 0).mean())

    def _rows(self, task: str, method: str, question: str) -> tuple[list[str], Numbers]:
        """Names of samples, and `(raters, samples)`."""
        places = [
            place for place, entry in enumerate(self.entries) if entry.method == method and task in (entry.task, ALL)
        ]
        scores = self.scores[:, places]
        rows = scores.mean(axis=2) if question == AVERAGE else scores[:, :, QUESTIONS.index(question)]
        return [self.entries[place].sample for place in places], rows


def read_opinions(key: Path, files: Sequence[Path]) -> Opinions:
    """What the files of the raters say, with the key of their study.

    A file of another study or a damaged one is a problem, and the others count; of two of one rater the one with most
    answers does.

    Raises:
        InputError: the key cannot be read, or no file can be used.
    """
    said = _json(key)
    try:
        number = str(said["study"])
        entries = {str(name): Entry(**entry) for name, entry in said["clips"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise _unread(key, "it is no key of a study") from error
    places = {name: place for place, name in enumerate(entries)}
    found: dict[str, Numbers] = {}
    problems: list[Problem] = []
    for path in files:
        try:
            rater, scores = _ratings(path, number, places)
            before = found.get(rater)
            # Who stops saves a file with fewer answers than the one at the end.
            if before is None or np.isnan(scores).sum() < np.isnan(before).sum():
                found[rater] = scores
            if before is not None:
                raise _unread(path, f"rater {shortened(rater)} has handed in two, and the one with most answers counts")
        except VaceError as error:
            problems.append(problem("", path.name, "", error))
    if not found:
        raise InputError(
            "ratings-none",
            "None of the {count} files of ratings can be used: {first} At least one of this study is needed. Choose "
            "the files that raters saved on its page.",
            count=len(files),
            first=problems[0].message if problems else "No file was given.",
        )
    return Opinions(
        raters=tuple(found),
        entries=tuple(entries.values()),
        scores=np.stack(list(found.values())),
        problems=tuple(problems),
    )


def scores_table(opinions: Opinions) -> str:
    """Mean opinion scores, type × method, and every two methods compared, in Markdown."""
    names = (*QUESTIONS, AVERAGE)
    lines = [("type", "method", *names), ("---",) * (len(names) + 2)]
    for task in opinions.tasks:
        for method in opinions.methods:
            found = [opinions.score(task, method, name) for name in names]
            if any(found):
                lines.append((task, method, *("" if one is None else one.text() for one in found)))
    parts = [_table(lines)]
    pairs = [("type", "methods", *names), ("---",) * (len(names) + 2)]
    for task in opinions.tasks:
        for one, other in combinations(opinions.methods, 2):
            cells = [_pair(opinions.compared(task, one, other, name)) for name in names]
            if any(cells):
                pairs.append((task, f"{one} - {other}", *cells))
    if len(pairs) > 2:
        parts.append("Differences on the same samples by the same raters, and how often each is preferred:\n")
        parts.append(_table(pairs))
    return "\n".join(parts)


def scores_json(opinions: Opinions) -> dict[str, Any]:
    """The same as what JSON can hold."""
    names = (*QUESTIONS, AVERAGE)
    scores = [
        {"type": task, "method": method, "question": name, **asdict(found)}
        for task in opinions.tasks
        for method in opinions.methods
        for name in names
        if (found := opinions.score(task, method, name)) is not None
    ]
    pairs = [
        {"type": task, "methods": [one, other], "question": name, **asdict(found[0]), "prefer": list(found[1:])}
        for task in opinions.tasks
        for one, other in combinations(opinions.methods, 2)
        for name in names
        if (found := opinions.compared(task, one, other, name)) is not None
    ]
    problems = [asdict(one) for one in opinions.problems]
    return {"raters": len(opinions.raters), "scores": scores, "pairs": pairs, "problems": problems}


def _summary(rows: Numbers) -> Summary | None:
    """Mean and interval of `(raters, samples)`: raters and samples are both drawn again, for both are few."""
    known = rows[~np.isnan(rows).all(axis=1)][:, ~np.isnan(rows).all(axis=0)] if rows.size else rows
    if not known.size:
        return None
    value, count = float(np.nanmean(known)), int((~np.isnan(known)).sum())
    raters, samples = known.shape
    if samples < 2:
        return Summary(value=value, low=None, high=None, count=count)
    dice = np.random.default_rng(0)
    drawn: list[float] = []
    for _ in range(DRAWS):
        some = known[dice.integers(0, raters, raters)][:, dice.integers(0, samples, samples)]
        if not np.isnan(some).all():
            drawn.append(float(np.nanmean(some)))
    rest = 100 * (1 - COVERED) / 2
    low, high = (float(np.percentile(drawn, at)) for at in (rest, 100 - rest))
    return Summary(value=value, low=low, high=high, count=count)


def _films(item: Item, methods: Mapping[str, Path]) -> tuple[dict[str, Path], list[Problem]]:
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for method, folder in methods.items():
        try:
            found[method] = find_result(folder, item.name)
            read_video(found[method], max_frames=1)
        except VaceError as error:
            problems.append(problem(method, item.name, "", error))
    return found, problems


def _encoded(folder: Path, path: Path) -> str:
    clip, name = read_video(path), f"{secrets.token_hex(8)}.mp4"
    height, width = (side - side % 2 for side in clip.frames.shape[1:3])  # of odd sides it would be 4:4:4
    shown = clip.frames[:, : max(height, 1), : max(width, 1)]
    write_video(folder / "study" / CLIPS / name, shown, fps=clip.fps, crf=CRF, times=clip.times)
    return name


def _written(folder: Path, path: Path | None) -> str:
    """The source under a name of its own, "" where there is none that can be read: raters can do without."""
    if path is None:
        return ""
    try:
        return _encoded(folder, path)
    except VaceError:
        return ""


def _ratings(path: Path, number: str, places: Mapping[str, int]) -> tuple[str, Numbers]:
    said = _json(path)
    if said.get("study") != number:
        raise _unread(path, "it is of another study")
    rater, ratings = said.get("rater"), said.get("ratings")
    if not isinstance(rater, str) or not rater or not isinstance(ratings, dict):
        raise _unread(path, "it has no rater or no ratings")
    scores = np.full((len(places), len(QUESTIONS)), math.nan)
    for name, answers in cast("dict[str, Any]", ratings).items():
        whole = isinstance(answers, list) and len(cast("list[Any]", answers)) == len(QUESTIONS)
        if name not in places or not whole or not all(_is_score(one) for one in answers):
            raise _unread(path, f"its answer to {shortened(name)} is no three numbers of 1 to 5")
        scores[places[name]] = answers
    return rater, scores


def _is_score(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and LEAST <= value <= MOST


def _json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            said = strict_json.parse(file.read(strict_json.MAX_JSON + 1))
    except (OSError, ValueError) as error:
        raise _unread(path, str(error).splitlines()[0]) from error
    if not isinstance(said, dict):
        raise _unread(path, "it is no table")
    return cast("dict[str, Any]", said)


def _unread(path: Path, problem: str) -> InputError:
    return InputError(
        "ratings-unread",
        "The file {path} cannot be used: {problem}. The key and the ratings of one study are needed. Check the files.",
        path=path,
        problem=problem,
    )


def _pair(found: tuple[Summary, float, float] | None) -> str:
    if found is None:
        return ""
    return f"{found[0].text()}, {100 * found[1]:.0f} % to {100 * found[2]:.0f} %"


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
