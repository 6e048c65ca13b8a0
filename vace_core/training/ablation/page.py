"""The page of the results, from a folder of runs alone: what is compared, tables, pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files.replacing import replacing, unwritable
from .curves import draw
from .results import Difference, Results

PAGE, PICTURES = "ablations.md", Path("pictures") / "ablations"
NOTHING, NO_NUMBER = "not run", "no number"

INTRODUCTION = """# Ablations

What the choices behind VACE are worth: the ablations of the paper's Figure 5 (a to d, arXiv 2503.07598) and two of our
own (e, f). Each variant is one training that differs from the default in what the tables say, and in nothing else. This
page is written by the command that runs them.

```
vace ablate FOLDER                       # all variants, two seeds; stopped at any time, the same command goes on
vace ablate FOLDER --minutes 60          # for an hour
vace ablate FOLDER --only full --seed 0  # one variant, and the default that it is compared with
vace ablate FOLDER --report docs         # writes this page and its pictures from the folder
```

This needs `pip install -e ".[ablate]"`. It begins at once: all examples are encoded, which is kept, and then run
after run is trained; `--dry-run` only says which there are and how far each is.

`--starter` names a folder with another base and VAE of the starter. `--recipe`, `--base`, `--vae`, `--text-encoder` and
`--data` do the same on any base and on clips of your own, given as for [`vace train`](training.md).

How it is measured:

- Held-out examples of every task, each with a noise level and a noise of its own that never change. The levels of a
  task cover the range evenly, and no loss is weighted, whatever was trained. So two networks are compared pair by pair:
  a difference is the mean over examples of (loss of the variant − loss of the default with the same seed), over all
  tasks the mean of theirs. **Below 0 the variant is better.** The running average of the weights is what is measured.
- "±" is the standard error over clips, of the mean over seeds. All examples of one clip, of whatever tasks and in both
  seeds, count as one: few held-out clips of your own give a large error, however many examples are made of them. In the
  starter's worlds every example is a scene of its own. What another seed would change is not in it; for that, the
  difference of each seed stands beside it.
- "lower" and "higher" are said only where clips and seeds together would give a difference as large by chance in about
  5 % of cases (Welch's t-test of that error and the error over seeds). Two seeds tell little: where they differ by more
  than the clips explain, the difference must be several times that. Everything else is too close to tell at this size.
- A seed gives the same examples, noise and order to all variants whose latents are the same.
- The loss says how well a network predicts, not how its clips look. What guidance makes of a model that has seen more
  or fewer empty prompts is not in it.
- A variant is trained with the learning rate of the default unless it says otherwise: none was tuned for it.
"""


def write_page(folder: Path, docs: Path) -> Path:
    """Writes the page and its pictures, and returns its path.

    Args:
        folder: Of the runs.
        docs: Where the page goes; pictures go to a folder below it.

    Raises:
        ModelError: matplotlib is not installed.
        InputError: the folder holds no results, one of them is damaged, or a file cannot be written.
    """
    results = Results(folder)
    told = results.plan
    drawn = _drawn(told, results) if told else {}
    if not drawn:
        raise InputError(
            "ablation-empty",
            "The folder {folder} holds no results of an ablation. One in which a variant other than the "
            "default has come to its first validation is needed. Correct its name, or begin with vace ablate {folder}.",
            folder=folder,
        )
    try:
        (docs / PICTURES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(docs, error) from error
    for letter, names in drawn.items():
        draw(results, names, told["default"], told["questions"][letter], docs / PICTURES / f"{letter}.png")
    with replacing(docs / PAGE) as part:
        part.write_text(page_of(results), encoding="utf-8")
    return docs / PAGE


def page_of(results: Results) -> str:
    """The page in Markdown; what is drawn lies beside it."""
    told = results.plan
    drawn = _drawn(told, results)
    parts = [INTRODUCTION, _setting(told), _compared(told, results), _state(told, results)]
    parts += [_question(told, results, letter, drawn.get(letter, [])) for letter in told["questions"]]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _drawn(told: Mapping[str, Any], results: Results) -> dict[str, list[str]]:
    """The variants of each question that have come somewhere, where there are some."""
    found: dict[str, list[str]] = {}
    for name, variant in told["variants"].items():
        if variant["question"] and any(run.steps for run in results.of(name).values()):
            found.setdefault(variant["question"], []).append(name)
    return found


def _setting(told: Mapping[str, Any]) -> str:
    recipe = told["recipe"]
    schedule, data, objective = recipe["schedule"], recipe["data"], recipe["objective"]
    return (
        f"The examples: {told['setting']['examples']}.\n\n"
        f"The default: {schedule['steps']} steps of {schedule['batch']} clips, learning rate "
        f"{schedule['learning_rate']:g},\n{data['examples']:,} examples; noise levels shifted by "
        f"{objective['shift']:g}, {objective['logit_normal']:.0%} of them drawn around the middle; "
        f'{objective["p_zero"]:.0%} empty\nprompts (our reading of "p-zero"). The base has {told["blocks"]} blocks and '
        f"is frozen. {told['few']} held-out examples of each\nof {len(told['tasks'])} tasks are validated every "
        f"{schedule['validate_every']} steps (the curves), and {data['held_out']} after "
        f"{_listed(told['checkpoints'])}\nsteps (the tables).\n"
    )


def _compared(told: Mapping[str, Any], results: Results) -> str:
    rows: list[list[str]] = []
    for name, variant in told["variants"].items():
        runs = results.of(name)
        trained = f"{next(iter(runs.values())).trained:,}" if runs else ""
        rows.append([variant["question"], f"`{name}`", variant["about"], trained])
    letters = "".join(f"- {letter}: {title}\n" for letter, title in told["questions"].items())
    return f"## What is compared\n\n{letters}\n{_table(['', 'variant', 'what it is', 'trained weights'], rows)}"


def _state(told: Mapping[str, Any], results: Results) -> str:
    """What is there and what is not."""
    steps, lacking, ended = told["recipe"]["schedule"]["steps"], list[str](), list[str]()
    for name in told["variants"]:
        for seed in results.seeds():
            run = results.of(name).get(seed)
            if run is not None and run.no_number is not None:
                ended.append(f"`{name}` with seed {seed} (step {run.no_number})")
            elif run is None or run.steps < steps:
                come = f"{run.steps} of {steps} steps" if run and run.steps else NOTHING
                lacking.append(f"`{name}` with seed {seed} ({come})")
    said = [f"**{NO_NUMBER.capitalize()}:** the loss of {', '.join(ended)} was not a number."] if ended else []
    if lacking:
        said.append(f"**Unfinished:** {', '.join(lacking)}. What follows is of the runs that have come so far.")
    elif not ended:
        said = [f"All runs are finished, with the seeds {_listed(results.seeds())}."]
    return "## Results\n\n" + "\n\n".join(said) + "\n"


def _question(told: Mapping[str, Any], results: Results, letter: str, drawn: list[str]) -> str:
    title = told["questions"][letter]
    names = [name for name, variant in told["variants"].items() if variant["question"] == letter]
    heading = f"## {letter}. {title}\n"
    if not drawn:
        begun = any(results.of(name) for name in names)
        return f"{heading}\n{'No run has come to a validation' if begun else 'Not run yet'}.\n"
    picture = f"![{title}: losses by step]({(PICTURES / letter).as_posix()}.png)\n"
    parts = [heading, picture, _overall(told, results, names)]
    last = _last(told, results, names)
    if last is not None:
        parts.append(f"Each task after {last} steps, difference \u00b1 error over clips:\n")
        parts.append(_by_task(told, results, names, last))
        unasked = [task for task in told["tasks"] if task not in results.tasks()]
        parts += [f"No held-out clip suits {_listed(unasked)}.\n"] if unasked else []
    return "\n".join(parts)


def _overall(told: Mapping[str, Any], results: Results, names: list[str]) -> str:
    default, steps = told["default"], told["checkpoints"]
    seeds = results.seeds()
    heads = ["variant", *(f"after {step}" for step in steps), *(f"seed {seed}" for seed in seeds), "loss is"]
    rows = [[f"`{default}`, its loss", *(_loss(results, default, step) for step in steps), *("" for _ in seeds), ""]]
    for name in names:
        found = [results.difference(name, default, step, many=True) for step in steps]
        last = next((one for one in reversed(found) if one), None)
        values = [(f"{last.by_seed[seed]:+.4f}" if last and seed in last.by_seed else "") for seed in seeds]
        said = last.told if last and found[-1] else ("unfinished" if results.of(name) else NOTHING)
        if any(run.no_number is not None for run in results.of(name).values()):
            said = NO_NUMBER
        rows.append([f"`{name}`", *map(_shown, found), *values, said])
    return _table(heads, rows)


def _by_task(told: Mapping[str, Any], results: Results, names: list[str], step: int) -> str:
    default = told["default"]
    rows: list[list[str]] = []
    asked = results.tasks()
    for task in (one for one in told["tasks"] if one in asked):
        found = [results.difference(name, default, step, many=True, task=task) for name in names]
        rows.append([task, _loss(results, default, step, task), *map(_shown, found)])
    return _table(["task", f"`{default}`, its loss", *(f"`{name}`" for name in names)], rows)


def _last(told: Mapping[str, Any], results: Results, names: list[str]) -> int | None:
    """The last checkpoint to which one of the variants has come."""
    default = told["default"]
    come = [
        step
        for step in told["checkpoints"]
        if any(results.difference(name, default, step, many=True) for name in names)
    ]
    return max(come, default=None)


def _loss(results: Results, name: str, step: int, task: str | None = None) -> str:
    loss = results.mean(name, step, many=True, task=task)
    return "" if loss is None else f"{loss:.4f}"


def _shown(found: Difference | None) -> str:
    return "" if found is None else f"{found.mean:+.4f} \u00b1 {found.error:.4f}"


def _listed(values: Iterable[Any]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} and {last}" if first else last


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
