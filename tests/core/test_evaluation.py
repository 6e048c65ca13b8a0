"""The evaluation on known answers: the truth scores high, what is wrong in one way scores low in that way."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import tiny
import torch
from refused import refused

from vace_core.errors import InputError
from vace_core.evaluation import pixels
from vace_core.pipeline import SamplingOptions
from vace_core.starter.drawing import COLOURS, SHAPES
from vace_core.starter.evaluation import evaluate, evaluation_sheet, metrics, numbers, sheet, table
from vace_core.starter.evaluation.measures import NO_REFERENCE, PLANS
from vace_core.starter.evaluation.objects import coloured, largest, likeness, motion, shape_of, skin_of, things
from vace_core.starter.evaluation.report import row_of, score_of
from vace_core.starter.evaluation.sampling import BASELINES, Made, examples, finish, make
from vace_core.starter.training.samples import TASKS
from vace_core.starter.world import Background, Keyframe, Scene, SceneClip, SceneObject, render

OPTIONS = SamplingOptions(steps=1, guidance_scale=2.0, solver="euler")


def clip_of(shape="circle", colour="red", *, start=(0.5, 0.5), end=None, radius=0.2, frames=5, variant=0) -> SceneClip:
    keys = [Keyframe(time=number, x=x, y=y, radius=radius) for number, (x, y) in enumerate((start, end or start))]
    motion = "walks right" if shape == "figure" else "moves right"
    thing = SceneObject(shape=shape, colour=colour, path=tuple(keys), variant=variant, motion=motion)
    return render(Scene(background=Background(kind="plain", tint="slate"), objects=(thing,)), num_frames=frames)


def shifted(frames: torch.Tensor, far: int) -> torch.Tensor:
    return frames.roll(far, dims=-1)


def first(task: str):
    return examples(task, 1, tell=PLANS[task].tell, suits=PLANS[task].suits)[0]


# What the truth reaches at least, and gray at most, where it is not a share from 0 to 1.
BOUNDS = {"PSNR": (60.0, 28.0), "centre": (0.02, 0.5), "outline error": (0.02, 0.5), "motion error": (1.5, 0.5)}


@pytest.mark.parametrize("task", PLANS)
def test_the_true_clip_does_every_task_and_a_gray_one_does_none(task):
    example = first(task)
    gray = torch.zeros_like(example.clip.frames)
    for measure in PLANS[task].measures:
        true, none = (measure.score(example, frames) for frames in (example.clip.frames, gray))
        if math.isnan(true) or "as written" in measure.metric:
            continue
        best, worst = next((bound for name, bound in BOUNDS.items() if name in measure.metric), (0.8, 0.05))
        better = (true >= best and none <= worst) if measure.better == "higher" else (true <= best and none >= worst)
        assert better, f"{measure.metric}: {true} for the truth, {none} for gray"


def test_the_twelve_tasks_and_the_five_compositions_are_measured():
    assert set(TASKS) - set(PLANS) == {"keyframes", "mixed"}
    assert list(PLANS) == [task for task in TASKS if task in PLANS]
    assert len(PLANS) == 17


def test_a_shifted_object_is_as_far_off_as_it_was_shifted():
    clip = clip_of(radius=0.2)
    found = largest(coloured(shifted(clip.frames, 16), "red"))
    assert metrics.centre_error(found, clip.boxes[0]) == pytest.approx(0.25, abs=0.01)
    # A box of 25.6 pixels, shifted by 16: 9.6 shared, 41.6 together.
    assert metrics.box_iou(found, clip.boxes[0]) == pytest.approx(9.6 / 41.6, abs=0.03)
    assert metrics.mask_iou(found, clip.masks[0, 0]) < 0.25


def test_an_object_that_is_missing_is_a_miss_in_every_measure():
    clip = clip_of("figure", radius=0.4)
    nothing = torch.zeros_like(clip.masks[0, 0]).bool()
    masks = clip.masks[0, 0]
    assert metrics.box_iou(nothing, clip.boxes[0]) == 0
    assert metrics.centre_error(nothing, clip.boxes[0]) == 0.5
    assert metrics.mask_iou(nothing, masks) == 0
    assert metrics.outline_error(nothing, masks) == 0.5
    assert likeness(nothing, masks[0] > 0) == 0
    assert shape_of(nothing) is None
    assert metrics.direction_of(nothing) is None


def test_half_of_the_frames_missing_costs_half():
    clip = clip_of(frames=6)
    found = largest(coloured(clip.frames, "red"))
    whole = metrics.box_iou(found, clip.boxes[0])
    found[:3] = False
    assert metrics.box_iou(found, clip.boxes[0]) == pytest.approx(whole / 2, abs=1e-6)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("shape", ["circle", "figure", "face"])
def test_each_colour_is_found_and_no_other(colour, shape):
    clip = clip_of(shape, colour, radius=0.35, frames=1)
    only = [float(other == colour) for other in COLOURS]
    assert [metrics.are_dominant(clip.frames, [other]) for other in COLOURS] == only
    lips = shape == "face"
    assert [metrics.are_present(clip.frames, [other]) for other in COLOURS if not (lips and other == "red")] == [
        one for one, other in zip(only, COLOURS, strict=True) if not (lips and other == "red")
    ]


def test_two_colours_are_dominant_only_together():
    frames = torch.cat([clip_of(colour="red").frames, clip_of(colour="blue").frames], dim=-1)
    assert metrics.are_dominant(frames, ["red", "blue"]) == 1
    assert metrics.are_dominant(frames, ["red", "green"]) == 0
    assert metrics.are_present(frames, ["red", "green"]) == 0.5


def test_stray_pixels_are_no_object():
    clip = clip_of(colour="green")
    speckle = torch.rand(clip.frames.shape[2:], generator=torch.Generator().manual_seed(0)) < 0.05
    frames = torch.where(speckle, torch.tensor(COLOURS["red"]).view(3, 1, 1, 1) * 2 - 1, clip.frames)
    assert int(coloured(frames, "red").sum()) > 500
    assert metrics.are_present(frames, ["red"]) == 0
    assert metrics.are_dominant(frames, ["green"]) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_told_apart_wherever_and_however_large(shape):
    wanted = things(clip_of(shape, radius=0.4, frames=1).references[0])[0]
    for radius, start in ((0.16, (0.25, 0.7)), (0.35, (0.55, 0.45))):
        found = largest(things(clip_of(shape, "yellow", radius=radius, start=start, frames=1).frames))
        assert shape_of(found) == shape
        assert likeness(found, wanted) > 0.85
        others = [likeness(found, things(clip_of(other, frames=1).references[0])[0]) for other in SHAPES]
        assert max(others) == likeness(found, wanted)


@pytest.mark.parametrize("variant", range(3))
def test_faces_are_told_apart_by_their_skin(variant):
    hair = ("red", "yellow", "blue")[variant]
    assert skin_of(clip_of("face", hair, radius=0.3, frames=2, variant=variant).frames) == variant
    assert skin_of(clip_of("circle", hair).frames) is None


@pytest.mark.parametrize(
    ("way", "end"), [("right", (0.7, 0.5)), ("left", (0.3, 0.5)), ("down", (0.5, 0.7)), ("up", (0.5, 0.3))]
)
def test_directions_are_those_of_the_picture(way, end):
    assert metrics.direction_of(largest(things(clip_of(end=end, frames=9).frames))) == way
    assert metrics.direction_of(largest(things(clip_of(frames=9).frames))) is None


def test_motion_counts_by_its_direction():
    clip = clip_of("cross", start=(0.3, 0.5), end=(0.6, 0.5), frames=9)
    still = clip.frames[:, :, :1].expand_as(clip.frames)
    speed = 0.3 * 64 / 8
    assert metrics.direction_agreement(clip.frames, clip.flow) > 0.9
    assert metrics.direction_agreement(clip.frames, -clip.flow) < -0.9
    assert metrics.direction_agreement(still, clip.flow) == 0
    assert metrics.flow_error(still, clip.flow) == pytest.approx(speed, abs=0.01)
    assert metrics.flow_error(clip.frames, clip.flow) < speed / 3
    assert motion(clip.frames).shape == clip.flow.shape
    assert metrics.moves(clip.flow)
    assert not metrics.moves(torch.zeros_like(clip.flow))


def test_edges_count_within_two_pixels():
    example = first("scribble")
    lines = example.vcu.control
    score = {far: pixels.edge_agreement(shifted(example.clip.frames, far), lines) for far in (0, 1, 6)}
    assert score[0] == 1
    assert score[1] > 0.9
    assert score[6] < 0.75
    assert pixels.edge_agreement(torch.zeros_like(lines), lines) == 0


def test_a_figure_with_its_hands_elsewhere_is_off_by_its_outline():
    still, waving = clip_of("figure", radius=0.35), first("pose").clip
    assert metrics.outline_error(largest(things(still.frames)), still.masks[0, 0]) < 0.01
    small = clip_of("figure", radius=0.25)
    assert metrics.outline_error(largest(things(small.frames)), still.masks[0, 0]) > 0.04
    assert waving.masks.any()


def test_psnr_is_exact_and_looks_only_where_it_should():
    truth, where = torch.zeros(1, 3, 2, 4, 4), torch.zeros(1, 1, 2, 4, 4)
    where[..., :2] = 1
    frames = truth.clone()
    frames[..., :2] = 0.2
    frames[..., 2:] = 0.9
    assert pixels.psnr(frames, truth, where) == pytest.approx(20.0, abs=1e-4)
    assert pixels.psnr(truth, truth, where) == 60.0
    assert math.isnan(pixels.psnr(frames, truth, torch.zeros_like(where)))


def test_one_kept_pixel_changed_is_seen_in_what_is_written():
    source, kept = torch.full((1, 3, 2, 4, 4), 100 / 127.5 - 1), torch.ones(1, 1, 2, 4, 4)
    kept[0, 0, 1, 2, 2] = 0
    frames = source.clone()
    frames[0, :, 1, 2, 2] = 1
    assert pixels.written_error(frames, source, kept) == 0
    frames[0, 1, 0, 3, 3] += 3 / 127.5
    assert pixels.written_error(frames, source, kept) == 3


def test_brightness_follows_or_opposes():
    example = first("gray")
    frames, gray = example.clip.frames, example.vcu.control
    assert pixels.brightness_correlation(-frames, gray) == pytest.approx(-1, abs=1e-3)
    assert pixels.brightness_correlation(torch.zeros_like(frames), gray) == 0
    assert pixels.brightness_psnr(frames, gray) == 60


def test_what_is_kept_plays_no_part_in_what_is_found():
    example = first("swap anything")
    hole = example.vcu.masks.expand_as(example.clip.frames)
    outside = torch.where(hole > 0, 0.0, example.clip.frames)
    inside = torch.where(hole > 0, example.clip.frames, 0.0)
    for measure in PLANS["swap anything"].measures:
        if "PSNR" not in measure.metric and "written" not in measure.metric:
            assert measure.score(example, outside) == 0
            assert measure.score(example, inside) == measure.score(example, example.clip.frames)


def test_frames_that_are_kept_whole_are_not_judged():
    example = first("move anything")
    frames = example.clip.frames.clone()
    frames[:, :, 0] = 0
    for measure in PLANS["move anything"].measures[:2]:
        assert measure.score(example, frames) == measure.score(example, example.clip.frames)


def test_simple_ways_do_what_they_say():
    inpaint, extend = first("inpaint"), first("extend")
    masks = inpaint.vcu.masks.expand_as(inpaint.clip.frames)
    assert (BASELINES["gray"](inpaint)[masks > 0] == 0).all()
    assert torch.equal(BASELINES["gray"](inpaint)[masks == 0], inpaint.clip.frames[masks == 0])
    assert pixels.written_error(BASELINES["Telea"](inpaint), inpaint.clip.frames, 1 - inpaint.vcu.masks) == 0
    assert pixels.psnr(BASELINES["Telea"](inpaint), inpaint.clip.frames, inpaint.vcu.masks) > 12
    known = (extend.vcu.masks[0, 0].flatten(1) == 0).all(1).nonzero()[:, 0].tolist()
    repeated = BASELINES["nearest frame"](extend)
    for frame in range(17):
        nearest = min(known, key=lambda number: abs(number - frame))
        assert torch.equal(repeated[:, :, frame], extend.clip.frames[:, :, nearest])


def test_examples_are_the_same_ones_however_many_are_asked_for():
    few, many = (examples("object reference", count, tell=False, suits=lambda example: True) for count in (2, 4))
    assert all(torch.equal(a.clip.frames, b.clip.frames) for a, b in zip(few, many, strict=False))
    assert all(item.colour not in example.vcu.prompt.split() for example in many for item in example.clip.objects)
    told = examples("object reference", 2, tell=True, suits=lambda example: True)
    assert [example.vcu.prompt for example in told] == [example.clip.caption for example in told]


@pytest.fixture(scope="module")
def model():
    return tiny.model()


def test_clips_made_together_do_not_touch_each_other(model):
    one, two, three = (example.vcu for example in examples("extend", 3, tell=True, suits=lambda example: True))
    three = replace(three, prompt="a much longer prompt than the others have, with more words")
    first_pair, second_pair = make(model, [one, two], OPTIONS), make(model, [one, three], OPTIONS)
    assert (first_pair.decoded[0] - second_pair.decoded[0]).abs().max() < 1e-4
    assert (first_pair.decoded[1] - second_pair.decoded[1]).abs().max() > 1e-2
    kept = (one.masks == 0).expand(1, 3, -1, -1, -1)
    assert torch.equal(first_pair.finished[:1][kept], one.source[kept])
    assert not torch.equal(first_pair.decoded[:1][kept], one.source[kept])


def test_a_finished_clip_is_what_the_unit_keeps_and_what_was_made():
    unit = first("inpaint").vcu
    made = finish(torch.full_like(unit.source, 0.25), [unit])
    assert isinstance(made, Made)
    assert torch.equal(made.finished, torch.where(unit.masks > 0, 0.25, unit.source))


def test_a_model_is_evaluated_row_by_row(model):
    seen = []
    tasks = ("object reference", "inpaint")
    rows = evaluate(
        model, tasks=tasks, clips=2, noise_seeds=(3, 4), options=OPTIONS, on_done=lambda *done: seen.append(done)
    )
    assert seen == [(task, 2, 2) for task in tasks]
    assert [(row.task, row.metric) for row in rows] == [
        (task, measure.metric) for task in tasks for measure in PLANS[task].measures
    ]
    by_metric = {row.metric: row for row in rows}
    written = by_metric["largest error of the kept part as written, of 255"]
    assert (written.on.mean, written.off.score.mean, written.n) == (0, 0, 2)
    hole = by_metric["hole, PSNR dB"]
    assert [rival.name for rival in hole.baselines] == ["gray", "Telea"]
    assert hole.truth is None
    assert hole.off.gain.mean == pytest.approx(hole.on.mean - hole.off.score.mean)
    assert hole.off.gain.mean != 0
    assert [rival.name for rival in by_metric["colour present"].baselines] == [NO_REFERENCE]
    assert by_metric["colour present"].truth.mean == 1
    again = evaluate(model, tasks=("inpaint",), clips=2, noise_seeds=(3, 4), options=OPTIONS)
    assert numbers(again) == numbers(rows[-len(again) :])


def test_the_sheet_shows_the_true_clip_beside_what_was_made(model):
    picture = evaluation_sheet(model, tasks=("inpaint",), options=OPTIONS)
    width = 3 * (sheet._SIDE + sheet._GAP) + 3 * sheet._GAP
    left = picture.width - 3 * width
    shown = torch.tensor(list(picture.crop((left, sheet._HEAD, left + 96, sheet._HEAD + 96)).getdata()))
    frame = first("inpaint").clip.frames[:, :, 0]
    wanted = torch.nn.functional.interpolate(frame, size=(96, 96), mode="nearest")
    levels = ((wanted + 1) * 127.5).round()[0].permute(1, 2, 0).reshape(-1, 3)
    assert torch.equal(shown.float(), levels)


def test_seeds_of_one_clip_are_averaged_before_the_error_is_taken():
    score = score_of(torch.tensor([[1.0, 3.0], [5.0, 7.0]]))
    assert (score.mean, score.error) == (4.0, 2.0)
    assert math.isnan(score_of(torch.tensor([[1.0, 3.0]])).error)


def example_row(better="higher"):
    nan = math.nan
    values = {
        "on": torch.tensor([[3.0], [5.0], [7.0], [nan]]),
        "off": torch.tensor([[1.0], [3.0], [5.5], [nan]]),
        "Telea": torch.tensor([[4.0], [4.0], [8.0], [1.0]]),
        "ceiling": torch.tensor([[8.0], [8.0], [8.0], [8.0]]),
        "truth": torch.tensor([[9.0], [9.0], [9.0], [9.0]]),
    }
    return row_of("inpaint", "hole", better, values, ["Telea"], absolute=True)


def test_a_row_compares_clip_by_clip_and_leaves_out_what_was_not_measured():
    row = example_row()
    assert (row.n, row.on.mean, row.off.score.mean) == (3, 5.0, pytest.approx(9.5 / 3))
    assert row.off.gain.mean == pytest.approx(5.5 / 3)
    assert row.off.gain.error == pytest.approx(torch.tensor([2.0, 2.0, 1.5]).std().item() / 3**0.5)
    assert row.baselines[0].gain.mean == pytest.approx(-1 / 3)


def test_the_table_marks_what_is_clear():
    assert table([example_row()]).splitlines()[2] == (
        "| inpaint | hole | higher | 5 ± 1.2 | 3.17 ± 1.3 | **+1.83 ± 0.17** | Telea 5.33 (-0.333 ± 0.67) | 8 | 9 | 3 |"
    )
    assert "**" not in table([example_row("lower")])


def test_numbers_are_json_without_nan():
    row = replace(example_row(), on=score_of(torch.tensor([[1.0]])))
    assert json.loads(json.dumps(numbers([row]), allow_nan=False))[0]["on"] == {"mean": 1.0, "error": None}


def test_what_cannot_be_evaluated_is_refused(model):
    with pytest.raises(InputError) as error:
        evaluate(model, tasks=("inpaint", "singing"))
    assert refused(error.value) == f"tasks-unknown: known={', '.join(PLANS)}, unknown=singing"
    with pytest.raises(InputError) as error:
        evaluate(model, clips=0)
    assert refused(error.value) == "evaluation-empty: clips=0, noise_seeds=1"
    with pytest.raises(InputError) as error:
        evaluate(model.detach())
    assert refused(error.value) == "no-adapter"
