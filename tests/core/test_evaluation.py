"""The evaluation on known answers: the truth scores high, what is wrong in one way scores low in that way."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import tiny
import torch

from vace_core.evaluation import pixels
from vace_core.pipeline import SamplingOptions
from vace_core.starter.evaluation import SPLITS, held_out, metrics, numbers, sheet, sheet_of, table
from vace_core.starter.evaluation.objects import coloured, largest, motion, vivid
from vace_core.starter.evaluation.report import row_of, score_of
from vace_core.starter.evaluation.sampling import Made, finish, make
from vace_core.starter.evaluation.trials import TRIALS
from vace_core.starter.scenes.backdrops import Backdrop
from vace_core.starter.scenes.palette import COLOURS, TINTS
from vace_core.starter.scenes.paths import Keyframe
from vace_core.starter.scenes.render import SceneClip, render
from vace_core.starter.scenes.samples import TASKS
from vace_core.starter.scenes.scene import Scene, SceneObject
from vace_core.tasks import scribble

OPTIONS = SamplingOptions(steps=1, guidance_scale=2.0, solver="euler")
USUAL = SPLITS["in the world"]


def clip_of(shape="circle", colour="red", *, start=(0.5, 0.5), end=None, radius=0.2, frames=5) -> SceneClip:
    keys = [Keyframe(time=number, x=x, y=y, radius=radius) for number, (x, y) in enumerate((start, end or start))]
    thing = SceneObject(shape=shape, colour=colour, trousers=colour, path=tuple(keys), motion="moves right")
    return render(Scene(backdrop=Backdrop(kind="plain", colour="slate"), objects=(thing,)), num_frames=frames)


def shifted(frames: torch.Tensor, far: int) -> torch.Tensor:
    return frames.roll(far, dims=-1)


def first(task: str):
    return held_out(task, USUAL, 1)[0]


def test_the_thirteen_tasks_and_the_five_compositions_are_measured():
    asked = {trial.task or name for name, trial in TRIALS.items()}
    assert asked == set(TASKS) - {"keyframes", "mixed"}
    assert len(asked) == 18


def test_a_shifted_object_is_as_far_off_as_it_was_shifted():
    clip = clip_of(radius=0.2)
    found = largest(coloured(shifted(clip.frames, 16), "red"))
    assert metrics.centre_error(found, clip.boxes[0]) == pytest.approx(0.25, abs=0.01)
    # A box of 25.6 pixels, shifted by 16: 9.6 shared, 41.6 together.
    assert metrics.box_iou(found, clip.boxes[0]) == pytest.approx(9.6 / 41.6, abs=0.03)
    assert metrics.mask_iou(found, clip.masks[0, 0]) < 0.25


def test_an_object_that_is_missing_is_a_miss_in_every_measure():
    clip = clip_of(radius=0.4)
    nothing = torch.zeros_like(clip.masks[0, 0]).bool()
    assert metrics.box_iou(nothing, clip.boxes[0]) == 0
    assert metrics.centre_error(nothing, clip.boxes[0]) == 0.5
    assert metrics.mask_iou(nothing, clip.masks[0, 0]) == 0
    assert metrics.direction_of(nothing) is None


def test_half_of_the_frames_missing_costs_half():
    clip = clip_of(frames=6)
    found = largest(coloured(clip.frames, "red"))
    whole = metrics.box_iou(found, clip.boxes[0])
    found[:3] = False
    assert metrics.box_iou(found, clip.boxes[0]) == pytest.approx(whole / 2, abs=1e-6)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("shape", ["circle", "star", "person"])
def test_each_colour_is_found_and_no_other(colour, shape):
    clip = clip_of(shape, colour, radius=0.35, frames=1)
    # The skin of a person is a pale orange.
    others = [other for other in COLOURS if shape != "person" or other != "orange"]
    found = [metrics.are_present(clip.frames, [other]) for other in others]
    assert found == [float(other == colour) for other in others]


@pytest.mark.parametrize("tint", TINTS)
def test_no_muted_backdrop_is_taken_for_an_object(tint):
    empty = render(Scene(backdrop=Backdrop(kind="hilly", colour=tint)), num_frames=1)
    assert not vivid(empty.frames).any()


def test_of_two_colours_each_counts():
    frames = torch.cat([clip_of(colour="red").frames, clip_of(colour="blue").frames], dim=-1)
    assert metrics.are_present(frames, ["red", "blue"]) == 1
    assert metrics.are_present(frames, ["red", "green"]) == 0.5


def test_stray_pixels_are_no_object():
    clip = clip_of(colour="green")
    speckle = torch.rand(clip.frames.shape[2:], generator=torch.Generator().manual_seed(0)) < 0.05
    frames = torch.where(speckle, torch.tensor(COLOURS["red"]).view(3, 1, 1, 1) * 2 - 1, clip.frames)
    assert int(coloured(frames, "red").sum()) > 500
    assert metrics.are_present(frames, ["red"]) == 0
    assert metrics.are_present(frames, ["green"]) == 1


@pytest.mark.parametrize(
    ("way", "end"), [("right", (0.7, 0.5)), ("left", (0.3, 0.5)), ("down", (0.5, 0.7)), ("up", (0.5, 0.3))]
)
def test_directions_are_those_of_the_picture(way, end):
    assert metrics.direction_of(largest(vivid(clip_of(end=end, frames=9).frames))) == way
    assert metrics.direction_of(largest(vivid(clip_of(frames=9).frames))) is None


def test_motion_counts_by_its_direction():
    clip = clip_of("cross", start=(0.3, 0.5), end=(0.6, 0.5), frames=9)
    still = clip.frames[:, :, :1].expand_as(clip.frames)
    assert metrics.direction_agreement(clip.frames, clip.flow) > 0.9
    assert metrics.direction_agreement(clip.frames, -clip.flow) < -0.9
    assert metrics.direction_agreement(still, clip.flow) == 0
    assert motion(clip.frames).shape == clip.flow.shape


def test_edges_count_within_two_pixels():
    frames = clip_of("square").frames
    lines = scribble(frames).control
    score = {far: pixels.edge_agreement(shifted(frames, far), lines) for far in (0, 1, 6)}
    assert score[0] == 1
    assert score[1] > 0.9
    assert score[6] < 0.75
    assert pixels.edge_agreement(torch.zeros_like(lines), lines) == 0


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


@pytest.fixture(scope="module")
def model():
    return tiny.model()


def test_clips_made_together_do_not_touch_each_other(model):
    one, two, three = (example.vcu for example in held_out("extend", USUAL, 3))
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


def test_the_sheet_shows_the_true_clip_beside_what_was_made(model):
    picture = sheet_of(model, {"inpaint": first("inpaint")}, OPTIONS)
    width = 3 * (sheet._SIDE + sheet._GAP) + 3 * sheet._GAP
    left = picture.width - 3 * width
    shown = torch.tensor(list(picture.crop((left, sheet._HEAD, left + 96, sheet._HEAD + 96)).getdata()))
    frame = first("inpaint").clip.frames[:, :, 0]
    wanted = torch.nn.functional.interpolate(frame, size=(96, 96), mode="nearest")
    levels = ((wanted + 1) * 127.5).round()[0].permute(1, 2, 0).reshape(-1, 3)
    assert (shown.float() - levels).abs().max() <= 1


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
