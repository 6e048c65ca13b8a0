"""Promises of what the starter is compared with: rivals use what they are given, and the numbers see through tricks."""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
import tiny
import torch

from vace_core.pipeline import SamplingOptions
from vace_core.starter.evaluation import comparison
from vace_core.starter.evaluation.asked import asked_for, signed
from vace_core.starter.evaluation.comparison import SPLITS, Split, compare, held_out, label_of
from vace_core.starter.evaluation.joint import face_parts, truth_error
from vace_core.starter.evaluation.metrics import direction_of
from vace_core.starter.evaluation.objects import centres_of
from vace_core.starter.evaluation.outlines import vivid
from vace_core.starter.evaluation.report import numbers, row_of, rows_of, table
from vace_core.starter.evaluation.rivals import RIVALS, able, carried, cut_out, disc, filled, recoloured, tinted
from vace_core.starter.evaluation.trials import BLENDED, NO_REFERENCE, TRIALS
from vace_core.starter.scenes.backdrops import UNSEEN_BACKDROPS
from vace_core.starter.scenes.clips import BUCKETS, Bucket
from vace_core.starter.scenes.palette import COLOURS, PAINTS, SKINS
from vace_core.starter.scenes.render import render
from vace_core.starter.scenes.samples import TASKS, draw_sample
from vace_core.starter.scenes.scene import random_scene
from vace_core.starter.scenes.shapes import SHAPES
from vace_core.starter.scenes.split import UNSEEN_PAIRS
from vace_core.starter.scenes.styles import PALETTES, Style, stylise

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import starter_tasks

SMALL = Bucket(num_frames=5, height=64, width=64)
QUICK = Bucket(num_frames=17, height=64, width=64)


def sample_of(task, seed=3, **more):
    return draw_sample(task, seed, SMALL, always_tell=True, **more)


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_hands_in_a_clip_and_leaves_what_is_kept(name):
    tried = 0
    for task in TASKS:
        example = sample_of(task)
        if not able(name, example):
            continue
        tried += 1
        made = RIVALS[name](example)
        assert made.shape == example.clip.frames.shape
        assert bool(made.isfinite().all())
        kept = (example.vcu.masks == 0).expand_as(made)
        assert torch.equal(made[kept], example.clip.frames[kept])
    assert tried


def test_no_rival_has_seen_the_true_clip():
    for task in ("inpaint", "gray", "object reference", "swap anything"):
        example = sample_of(task)
        blind = dataclasses.replace(example, clip=None)
        for name, rival in RIVALS.items():
            if able(name, example):
                assert torch.equal(rival(blind), rival(example))


def test_what_is_asked_for_is_read_from_the_words():
    things, backdrop = asked_for("a scarlet star goes left and a ball that is blue on a striped mint wall")
    assert [(thing.noun, thing.paint, thing.way) for thing in things] == [
        ("star", COLOURS["red"], "left"),
        ("circle", COLOURS["blue"], None),
    ]
    assert backdrop == PAINTS["mint"]
    person = asked_for("a woman in a rosy sweater and green jeans strolls right, the camera pans left")[0][0]
    assert person.worn == {"shirt": COLOURS["pink"], "trousers": COLOURS["green"]}
    assert person.way == "right"


def test_rivals_are_hard_to_beat_where_they_can_compete():
    """Each is nearer to the true clip than what the model is shown."""
    pairs = [
        ("gray", tinted),
        ("depth", tinted),
        ("pose", tinted),
        ("extend", filled),
        ("swap anything", cut_out),
        ("move anything", carried),
        ("stylization", recoloured),
    ]
    for task, rival in pairs:
        gains = [
            truth_error(example.vcu.frames, example.clip.frames) - truth_error(rival(example), example.clip.frames)
            for example in (sample_of(task, seed, calm=task != "gray") for seed in range(8))
            if able(rival.__name__.replace("_", "-"), example)
        ]
        assert len(gains) >= 4
        assert sum(gains) / len(gains) > 2, task


@pytest.mark.parametrize("way", ["right", "left", "up", "down"])
def test_what_is_pasted_goes_where_the_words_say_and_all_of_it(way):
    example = draw_sample("reference anything", 3, QUICK, always_tell=True)
    other = {"right": "left", "left": "right", "up": "down", "down": "up"}[way]
    prompt = f"a thing moves {way} and a thing moves {other} on a plain white background"
    unit = dataclasses.replace(example.vcu, prompt=prompt)
    assert len(unit.references) == 2
    found = vivid(cut_out(dataclasses.replace(example, vcu=unit)))
    for seen, wanted in ((found[:, :, :32], way), (found[:, :, 32:], other)):
        assert bool(seen.flatten(1).any(1).all())
        padded = torch.nn.functional.pad(seen, (16, 16))
        assert direction_of(padded) == wanted


@pytest.mark.parametrize("task", ["depth", "pose"])
def test_a_tinted_person_wears_what_the_words_say(task):
    example = draw_sample(task, 3, SMALL, always_tell=True)
    while example.clip.objects[0].shape != "person" or len(example.clip.objects) > 1:
        example = draw_sample(task, random.Random(example.vcu.prompt).randrange(999), SMALL, always_tell=True)
    unit = dataclasses.replace(example.vcu, prompt="a person in a green shirt and red trousers on a gray background")
    made = tinted(dataclasses.replace(example, vcu=unit))
    shirt, trousers = ((made - signed(COLOURS[name])).abs().amax(1)[0] < 0.01 for name in ("green", "red"))
    assert all(int(part[0].sum()) > 40 for part in (shirt, trousers))
    assert centres_of(shirt)[0, 1] < centres_of(trousers)[0, 1]
    person = example.clip.masks[0, 0, 0] > 0
    if task == "depth":
        assert int(((shirt | trousers)[0] & person).sum()) > 0.5 * int(person.sum())


def test_a_style_is_laid_on_by_brightness():
    example = sample_of("gray", calm=True)
    named = dataclasses.replace(example, vcu=dataclasses.replace(example.vcu, prompt="a red star in night style"))
    wanted = stylise(example.vcu.control, Style(palette=PALETTES["night"], name="night"))
    assert truth_error(recoloured(named), wanted) < 1
    shown = dataclasses.replace(example.vcu, prompt="a red star", references=(wanted[:, :, :1],))
    assert able("recoloured", dataclasses.replace(example, vcu=shown))
    assert truth_error(recoloured(dataclasses.replace(example, vcu=shown)), wanted) < 25
    assert not able("recoloured", example)


def test_latent_blending_enters_wherever_something_is_kept():
    for name, trial in TRIALS.items():
        keeps = sample_of(trial.task or name).vcu.source is not None
        assert all((BLENDED in measure.rivals) == keeps for measure in trial.measures), name


def test_a_cut_out_is_nearer_than_a_disc_of_its_colour():
    examples = [sample_of("swap anything", seed) for seed in range(6)]
    errors = [[truth_error(rival(one), one.clip.frames) for one in examples] for rival in (cut_out, disc)]
    assert sum(errors[0]) < sum(errors[1])


def test_an_echo_loses_against_the_true_clip_and_half_a_pixel_counts_little():
    example = sample_of("gray")
    truth = example.clip.frames
    assert truth_error(truth, truth) == 0
    shifted = (truth + truth.roll(1, 4)) / 2
    assert truth_error(shifted, truth) < 0.5 * truth_error(example.vcu.frames, truth)
    made = example.vcu.masks
    assert truth_error(torch.where(made > 0, truth, -truth), truth, where=made) == 0


def test_face_parts_are_seen_where_they_are_and_not_where_they_are_not():
    present, without = [], []
    for seed in range(30):
        one = render(random_scene(seed, kind="face", calm=True), num_frames=1, height=64, width=64)
        if one.boxes.min() < 0 or one.boxes.max() > 64:
            continue
        item = one.objects[0]
        present.append(face_parts(one.frames, item.colour, item.face))
        skin = torch.tensor(SKINS[item.face.skin])[:, None, None, None] * 2 - 1
        blank = torch.where(one.masks[0] > 0, skin, one.background[0])[None]
        without.append(face_parts(blank, item.colour, item.face))
    for part in ("hair", "eyes", "mouth"):
        seen, imagined = (sum(one[part] for one in some) / len(some) for some in (present, without))
        assert seen > 0.8, part
        assert imagined < seen - 0.45, part


@pytest.mark.parametrize("task", ["text", "object reference", "reference anything", "layout", "swap anything"])
def test_the_true_clip_passes_its_own_trial(task):
    trial = TRIALS[task]
    for unseen in (False, True):
        for example in held_out(task, Split(name="quick", buckets=(QUICK,), unseen=unseen), 2):
            for measure in trial.measures:
                score = measure.score(example, example.clip.frames)
                assert score == 0 if measure.better == "lower" else score > 0.8, (measure.metric, example.vcu.prompt)


def test_every_shape_is_asked_for_about_as_often_as_any_other():
    bucket = Bucket(num_frames=17, height=64, width=64)
    asked = Counter(
        example.clip.objects[0].shape
        for example in held_out("text", Split(name="", buckets=(bucket,), unseen=False), 96)
    )
    assert asked.keys() == SHAPES.keys()
    assert max(asked.values()) < 3 * min(asked.values())


def test_no_still_picture_wins_what_asks_for_everything():
    measure = TRIALS["object reference"].measures[-1]
    for example in held_out("object reference", Split(name="quick", buckets=(QUICK,), unseen=False), 2):
        assert measure.score(example, example.clip.frames) == 1
        still = cut_out(example)[:, :, :1].expand_as(example.clip.frames)
        assert measure.score(example, still) == 0
        assert measure.score(example, example.clip.frames[:, :, :1].expand_as(example.clip.frames)) == 0


def test_held_out_examples_are_kept_from_training_and_unseen_ones_show_what_it_never_did():
    for task in ("layout", "depth"):
        for example in held_out(task, SPLITS["unseen sizes and combinations"], 3):
            pairs = {(item.shape, item.colour) for item in example.clip.objects}
            assert pairs & UNSEEN_PAIRS or example.clip.scene.backdrop.kind in UNSEEN_BACKDROPS
            assert example.clip.frames.shape[2:] not in {(b.num_frames, b.height, b.width) for b in BUCKETS}


def test_a_comparison_has_a_row_for_every_measure_with_all_rivals():
    model, options = tiny.model(), SamplingOptions(steps=1, guidance_scale=1.0, solver="euler", negative_prompt="")
    split = Split(name="small", buckets=(SMALL,), unseen=False)
    for task, clips in (("inpaint", 2), ("stylization", 3)):
        rows = compare(model, task, split, clips=clips, noise_seeds=(1, 2), options=options)
        assert [(row.task, row.metric) for row in rows] == [
            (f"{task}, small", measure.metric) for measure in TRIALS[task].measures
        ]
        for row, measure in zip(rows, TRIALS[task].measures, strict=True):
            assert row.n == clips
            assert [rival.name for rival in row.baselines] == list(measure.rivals)
            assert row.on.mean != row.off.score.mean
            assert rows_of(json.loads(json.dumps(numbers([row])))) == [row]
    # Without references there is nothing to leave out, and such clips count in all other comparisons.
    pages = sum(bool(example.vcu.references) for example in held_out("stylization", split, 3))
    assert {rival.name: rival.n for rival in rows[0].baselines}[NO_REFERENCE] == pages < 3


def test_a_table_that_was_stopped_goes_on_and_measures_nothing_twice(tmp_path, monkeypatch):
    asked: list[str] = []

    def compare(model, task, split, **more):
        asked.append(label_of(task, split))
        more["on_done"](more["clips"], more["clips"])
        nan = float("nan")
        values = {who: torch.tensor([[2.0], [4.0]]) for who in ("on", "off", "ceiling", "truth")}
        values["filled"] = torch.tensor([[5.0], [nan]])
        return [row_of(asked[-1], "error", "lower", values, ["filled"], absolute=False)]

    monkeypatch.setattr(starter_tasks, "compare", compare)
    told = argparse.Namespace(clips=2, noise_seeds=[0], splits=["in the world"], out=tmp_path / "a.json")

    def run(*tasks, weights="one", out="a.json"):
        asked.clear()
        told.tasks, told.out = tasks, tmp_path / out
        return starter_tasks.measured(None, told, {"weights": weights}, None)

    run("extend", "inpaint on unseen textures")
    assert asked == ["extend, in the world"]
    rows = run("inpaint", "extend")
    assert asked == ["inpaint, in the world"]
    assert [row["task"] for row in starter_tasks.ordered(rows)] == ["inpaint, in the world", "extend, in the world"]
    run("inpaint", weights="two", out="b.json")
    with pytest.raises(SystemExit, match="other weights"):
        starter_tasks.merged([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "c.json")
    run("gray", out="b.json")
    assert asked == ["gray, in the world"]
    _, both = starter_tasks.merged([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "c.json")
    rows = rows_of(json.loads((tmp_path / "c.json").read_text())["rows"])
    assert rows == rows_of(starter_tasks.ordered(both))
    assert table(rows).splitlines()[3] == (
        "| extend, in the world | error | lower | 3 \u00b1 1 | 3 \u00b1 1 | +0 \u00b1 0 "
        "| filled 5 (-3 \u00b1 nan, 1 of 2 clips) | 3 |  | 2 |"
    )


def test_an_object_that_is_shown_in_one_frame_alone_is_not_right():
    example = held_out("object reference", SPLITS["in the world"], 1)[0]
    right = TRIALS["object reference"].measures[-1].score
    true = example.clip.frames
    flashed = example.clip.background.clone()
    flashed[:, :, 8] = true[:, :, 8]
    assert (right(example, true), right(example, flashed)) == (1.0, 0.0)


def test_a_chart_of_all_colours_has_none_of_them_right():
    examples = held_out("reference anything", SPLITS["in the world"], 4)
    colours = TRIALS["reference anything"].measures[0].score
    paints = torch.tensor(list(COLOURS.values())) * 2 - 1
    for example in examples:
        chart = paints.T[:, torch.arange(96) * len(paints) // 96][None, :, None, None].expand(1, 3, 17, 96, 96)
        assert (colours(example, example.clip.frames), colours(example, chart)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("task", "better", "worse"), [("inpaint", "filled as asked", "filled"), ("scribble", "blank", "tinted")]
)
def test_what_the_words_say_makes_a_stronger_rival(task, better, worse):
    examples = [example for example in held_out(task, SPLITS["in the world"], 12) if able(worse, example)]
    score = TRIALS[task].measures[0].score
    by = {name: sum(score(example, RIVALS[name](example)) for example in examples) for name in (better, worse)}
    assert by[better] < 0.95 * by[worse]


def test_latent_blending_does_not_see_what_is_under_a_hole(monkeypatch):
    model, options = tiny.model(), SamplingOptions(steps=1, shift=1.0)
    split = Split(name="small", buckets=(SMALL,), unseen=False)
    examples = held_out("inpaint", split, 2)

    def blended() -> float:
        row, *_ = compare(model, "inpaint", split, clips=2, noise_seeds=(1,), options=options)
        return next(rival for rival in row.baselines if rival.name == BLENDED).score.mean

    before = blended()
    other = [
        dataclasses.replace(one, vcu=dataclasses.replace(one.vcu, source=one.vcu.source * (1 - 2 * one.vcu.masks)))
        for one in examples
    ]
    monkeypatch.setattr(comparison, "held_out", lambda *_: other)
    assert blended() == before
