"""Where and when conditions act, as it is typed: the command gives the library what its help promises."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from refused import refused
from typer.testing import CliRunner, Result

from vace_core import tasks as library
from vace_core.cli import app, tasks
from vace_core.cli.options import CropName, EditPart, References, Wanted
from vace_core.cli.request import Request
from vace_core.cli.where import Conditions, FullRun, conditions_of
from vace_core.context import encode_job
from vace_core.errors import InputError, ShapeError
from vace_core.media.pictures import read_image, write_image
from vace_core.media.video import from_uint8, read_video
from vace_core.media.write import write_video
from vace_core.models.wan.dit import GRID, mask_frames
from vace_core.pipeline import SamplingOptions, generate, sample
from vace_core.preview.sheet import contact_sheet
from vace_core.preview.strength import strength_sheet
from vace_core.sampling.conditions import Condition
from vace_core.sampling.schedule import NoiseSchedule, found_percent, percent_to_sigma
from vace_core.sampling.solvers import SOLVERS
from vace_core.sampling.strength import Strength
from vace_core.sampling.strength_text import read_curve, read_factors
from vace_core.vcu import compose

OPTIONS = SamplingOptions(steps=3, shift=3.0, guidance_scale=1.0, seed=1, solver="euler")
WANTED = Wanted(width=48, height=32)


@pytest.fixture
def clip(tmp_path) -> Path:
    write_video(tmp_path / "clip.mkv", tiny.clip(9), fps=8, lossless=True)
    return tmp_path / "clip.mkv"


@pytest.fixture
def mask(tmp_path) -> Path:
    picture = torch.full((1, 3, 1, 32, 48), -1.0)
    picture[..., 24:] = 1
    write_image(tmp_path / "mask.png", picture)
    return tmp_path / "mask.png"


@pytest.fixture(scope="module")
def model():
    return tiny.model()


def vace(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


# What is typed


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0:1 0.5:1 0.6:0", ((0.0, 1.0), (0.5, 1.0), (0.6, 0.0))),
        ("0:1,1:.25", ((0.0, 1.0), (1.0, 0.25))),
        ("0.4", ((0.0, 0.4),)),
        ("", ()),
        ("  ", ()),
    ],
)
def test_curves_are_read(text, meant):
    assert read_curve(text, "The curve") == meant


@pytest.mark.parametrize("text", ["a", "0:1 0.5", "0:1:2", "0=1", "0:", ":"])
def test_what_is_no_curve_is_named(text):
    with pytest.raises(InputError) as error:
        read_curve(text, "--strength-steps")
    assert refused(error.value) == f"curve-unreadable: name=--strength-steps, value={text}"


def test_a_curve_of_frames_is_met_at_the_middle_of_what_a_latent_shows():
    frames = Strength(frames=((0.0, 0.0), (1.0, 1.0))).on_tokens(library.control(tiny.clip(9)), GRID)
    assert frames is not None
    wanted = torch.tensor([0, 2.5 / 8, 6.5 / 8]).view(1, 3, 1)
    assert torch.equal(frames.view(1, 3, -1), wanted.expand_as(frames.view(1, 3, -1)))


def test_a_curve_of_frames_ends_with_the_last_frame_that_is_shown():
    vcu = replace(library.control(tiny.clip(9)), padding=3)  # frames 0, 1..4, and 5 with three that repeat it
    frames = Strength(frames=((0.0, 0.0), (1.0, 1.0))).on_tokens(vcu, GRID)
    assert frames is not None
    assert frames.view(3, -1)[:, 0].tolist() == pytest.approx([0, 2.5 / 5, 1])


def test_lists_are_read():
    assert read_factors("1 1, .5", "The blocks") == (1.0, 1.0, 0.5)
    assert read_factors("", "The blocks") == ()
    with pytest.raises(InputError) as error:
        read_factors("1 x", "The blocks")
    assert refused(error.value) == "factors-unreadable: name=The blocks, value=1 x"


# What the library gets


def test_everything_typed_reaches_the_library(clip, mask, tmp_path):
    picture = tmp_path / "face.png"
    write_image(picture, tiny.clip(1))
    request = tasks.gray(clip, pictures=References(reference=[picture]), wanted=WANTED)
    job = FullRun(
        strength_steps="0:1 0.5:0", strength_frames="0.5", strength_blocks="1 0", strength_mask=mask,
        reference_strength=[0.3],
    )  # fmt: skip
    strength = conditions_of(request, job).strength
    assert (strength.overall, strength.steps, strength.frames) == (1.0, ((0.0, 1.0), (0.5, 0.0)), ((0.0, 0.5),))
    assert (strength.blocks, strength.references) == ((1.0, 0.0), (0.3,))
    assert strength.space is not None
    assert strength.space.shape == (1, 1, 1, 32, 48)
    assert strength.space[..., :24].eq(0).all()
    assert strength.space[..., 24:].eq(1).all()
    assert job.said() == {
        "strength_steps": "0:1 0.5:0", "strength_frames": "0.5", "strength_blocks": "1 0", "strength_mask": str(mask),
        "reference_strength": [0.3],
    }  # fmt: skip
    assert FullRun().said() == {}


def test_a_mask_in_frames_goes_on_over_the_padding(clip, tmp_path):
    write_video(
        tmp_path / "masks.mkv",
        torch.linspace(-1, 1, 7).view(1, 1, 7, 1, 1).expand(1, 3, 7, 16, 24),
        fps=8,
        lossless=True,
    )
    request = tasks.gray(clip, pictures=References(), wanted=replace(WANTED, length=7))
    assert (request.vcu.num_frames, request.vcu.padding) == (9, 2)
    strength = conditions_of(request, FullRun(strength_mask=tmp_path / "masks.mkv")).strength
    factors = strength.on_tokens(request.vcu, GRID).view(3, -1)[:, 0]
    assert factors.tolist() == pytest.approx([0, (1 + 2 + 3 + 4) / 24, (5 + 6 + 6 + 6) / 24], abs=0.05)
    whole = tasks.gray(clip, pictures=References(), wanted=WANTED)
    with pytest.raises(ShapeError) as error:
        conditions_of(whole, FullRun(strength_mask=tmp_path / "masks.mkv"))
    assert error.value.code == "strength-space-size"


def test_a_mask_of_the_shape_of_the_clip_is_cropped_as_the_clip_is(clip, tmp_path):
    levels = torch.full((1, 3, 9, 32, 48), -1.0)
    levels[..., :4], levels[..., 24:] = 1, 1
    levels[:, :, 0] = 1
    write_video(tmp_path / "masks.mkv", levels, fps=8, lossless=True)
    write_image(tmp_path / "mask.png", levels[:, :, 1:2].repeat_interleave(2, 3).repeat_interleave(2, 4))
    square = replace(WANTED, width=32, height=32, length=5)  # 8 columns are cut off on each side
    request = tasks.gray(clip, pictures=References(), part=EditPart(start="2f", end="7f"), wanted=square)
    for name, count in (("masks.mkv", 5), ("mask.png", 1)):
        space = conditions_of(request, FullRun(strength_mask=tmp_path / name)).strength.space
        assert space.shape == (1, 1, count, 32, 32)
        assert space[..., :14].max() < 0.1
        assert space[..., 18:].min() > 0.9


def test_two_controls_at_once_are_two_conditions_each_with_its_strength(model, clip):
    request = tasks.scribble(clip, pictures=References(), wanted=WANTED)
    job = FullRun(strength=0.4, also=[f"gray={clip}"], also_strength=[0.9])
    found = conditions_of(request, job)
    assert [one.strength.overall for one in found.also] == [0.9]
    assert job.sampled(replace(OPTIONS, strength=0.4)).strength == 1.0
    gray = library.gray(request.begin, fps=request.vcu.fps)
    got = sample(model, request.vcu, OPTIONS, strength=found.strength, also=found.also)
    meant = [Condition(vcu=gray, strength=Strength(overall=0.9))]
    assert torch.equal(got, sample(model, request.vcu, OPTIONS, strength=Strength(overall=0.4), also=meant))


def test_every_control_is_on_the_contact_sheet(clip, tmp_path):
    words = ("scribble", clip, "--also", f"gray={clip}", "--preview", tmp_path / "sheet.png", "--dry-run")
    done = vace(*words, "--width", 48, "--height", 32)
    assert done.exit_code == 0, done.output
    request = tasks.scribble(clip, pictures=References(), wanted=WANTED)
    (other,) = conditions_of(request, FullRun(also=[f"gray={clip}"])).also
    first = contact_sheet(request.vcu, mask_frames=mask_frames(9), caution=request.first_line())
    sheets = [first, contact_sheet(other.vcu, mask_frames=mask_frames(9))]
    both, _ = read_image(tmp_path / "sheet.png")
    assert torch.equal(both, torch.cat([torch.from_numpy(np.array(sheet)) for sheet in sheets]))


def test_the_plan_of_a_job_counts_further_controls(clip):
    def planned(*more):
        done = vace("scribble", clip, *more, "--dry-run", "--json", "--width", 48, "--height", 32)
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        return next(one for one in told["plan"]["stages"] if one["name"] == "sample")["activations"]

    alone, two, three = (planned(*["--also", f"gray={clip}"] * count) for count in range(3))
    assert alone < two < three
    assert three - two == pytest.approx(two - alone, abs=1)


def test_a_further_control_keeps_what_the_task_keeps(clip, mask):
    part = EditPart(put_back=False)
    request = tasks.inpaint(clip, mask=mask, part=part, wanted=replace(WANTED, prompt="a dog"))
    (other,) = conditions_of(request, FullRun(also=[f"scribble={clip}"])).also
    assert torch.equal(other.vcu.masks, request.vcu.masks)
    assert other.vcu.prompt == ""
    assert torch.equal(other.vcu.frames, compose(request.vcu, library.scribble(request.vcu.source, fps=8.0)).frames)


def difference(request: Request, also: str) -> float:
    """Between a further control of a clip and the same control of what the model is shown of it, where it acts."""
    (other,) = conditions_of(request, FullRun(also=[f"gray={also}"])).also
    assert other.vcu.control is not None
    meant = library.gray(request.vcu.source if request.begin is None else request.begin, fps=request.vcu.fps)
    assert meant.control is not None
    there = other.vcu.masks.bool().expand_as(meant.control)
    return float((other.vcu.control - meant.control).abs()[there].max())


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (EditPart(start="2f", end="7f", put_back=False), WANTED),
        (EditPart(start="3f", put_back=False), replace(WANTED, fps=4)),
        (EditPart(start="2f"), replace(WANTED, width=32)),  # the whole picture is squeezed, to be put back
        (EditPart(start="1f", crop=CropName.steady, crop_margin=0.1), Wanted()),
    ],
)
def test_a_further_control_of_the_clip_shows_what_the_model_is_shown_of_it(clip, mask, part, wanted):
    assert difference(tasks.inpaint(clip, mask=mask, part=part, wanted=wanted), clip) == 0
    if part.crop is None:
        follows = replace(part, put_back=False)
        request = tasks.scribble(clip, pictures=References(), part=follows, wanted=wanted)
        assert difference(request, clip) == 0


def test_a_further_control_of_another_rate_begins_where_the_part_does(clip, tmp_path):
    """As long as the clip: of that it shows the part. Of its frames 2 and 3 each is there twice."""
    write_video(tmp_path / "half.mkv", tiny.clip(9)[:, :, 1::2], fps=4, lossless=True)
    request = tasks.scribble(clip, pictures=References(), part=EditPart(start="4f", end="8f"), wanted=WANTED)
    (other,) = conditions_of(request, FullRun(also=[f"gray={tmp_path / 'half.mkv'}"])).also
    meant = library.gray(from_uint8(read_video(tmp_path / "half.mkv").frames), fps=8)
    assert torch.equal(other.vcu.control, meant.control[:, :, [2, 2, 3, 3, 3]])


def test_a_further_control_of_a_crop_is_one_of_its_clip(clip, mask, tmp_path):
    write_video(tmp_path / "other.mkv", tiny.clip(7), fps=8, lossless=True)
    request = tasks.inpaint(clip, mask=mask, part=EditPart(crop=CropName.follow), wanted=Wanted())
    with pytest.raises(InputError) as error:
        conditions_of(request, FullRun(also=[f"gray={tmp_path / 'other.mkv'}"]))
    assert error.value.code == "also-crop"


def test_less_noise_begins_from_the_clip_that_a_control_comes_from(clip):
    request = tasks.gray(clip, pictures=References(), wanted=WANTED)
    begin = conditions_of(request, FullRun(denoise=0.5)).begin
    assert begin is not None
    assert torch.equal(begin, request.begin)
    assert FullRun(denoise=0.5).sampled(OPTIONS).denoise == 0.5


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (FullRun(pin=True), "where-without-source"),
        (FullRun(reference_strength=[1.0]), "reference-strengths: given=1, references=0"),
        (FullRun(also=["pose"]), "also-unreadable"),
        (FullRun(also=["smell=a.mp4"]), "also-unreadable"),
        (FullRun(also_strength=[1.0]), "also-strengths: also=0, given=1"),
        (FullRun(strength_steps="1:0 0:1"), "curve-order"),
        (FullRun(strength_frames="0:-1"), "number-range"),
    ],
)
def test_what_acts_nowhere_is_refused(clip, job, said):
    request = tasks.gray(clip, pictures=References(), wanted=WANTED)
    with pytest.raises(InputError) as error:
        conditions_of(request, job)
    assert refused(error.value).startswith(said)


def test_a_task_without_a_clip_has_nothing_to_begin_from():
    request = tasks.text(replace(WANTED, length=5))
    with pytest.raises(InputError) as error:
        conditions_of(request, FullRun(denoise=0.9))
    assert error.value.code == "where-without-source"
    assert conditions_of(request, FullRun()).begin is None


# The command


def test_the_command_pins_and_keeps_every_kept_byte(clip, mask, tmp_path):
    outs = []
    for name, more in (("free", ()), ("pinned", ("--pin", "--strength-steps", "0:1 0.5:0"))):
        out = tmp_path / f"{name}.mkv"
        words = ("--steps", "2", "--seed", "1", "-o", out, "--lossless", "--json")
        done = vace("inpaint", clip, "--mask", mask, "-p", "a red circle", *words, *more)
        assert done.exit_code == 0, done.stderr
        outs.append(read_video(out).frames)
        asked = json.loads(done.stdout)["where_and_when"]
        assert asked == ({"pin": True, "strength_steps": "0:1 0.5:0"} if more else {})
    source = read_video(clip).frames
    for frames in outs:
        assert torch.equal(frames[:, :, :24], source[:, :, :24])
    assert not torch.equal(outs[0], outs[1])


def test_strengths_for_other_blocks_are_refused_before_anything_is_loaded(clip):
    done = vace("gray", clip, "--strength-blocks", "1 1 1 1 1 1 1", "--dry-run")
    assert done.exit_code == 4  # what does not fit is the model
    assert "There are strengths for 7 context blocks." in " ".join(done.stderr.split())


# Noise levels of another scheduler


def test_the_noise_levels_of_the_schedule_given_as_such_change_nothing(model):
    vcu = library.inpaint(tiny.clip(5), torch.ones(1, 1, 1, 32, 48))
    for name, solver in SOLVERS.items():
        options = replace(OPTIONS, solver=name)
        levels = NoiseSchedule(steps=3, shift=3.0, first=solver.first).sigmas()
        given_ = replace(options, sigmas=tuple(levels), steps=9)
        assert torch.equal(sample(model, vcu, given_), sample(model, vcu, options))
        assert not given_.begins_from_clip


def test_the_last_part_of_a_schedule_begins_from_the_source(model):
    vcu = library.inpaint(tiny.clip(5), torch.ones(1, 1, 1, 32, 48))
    levels = tuple(NoiseSchedule(steps=6, shift=3.0).sigmas()[3:])
    part = sample(model, vcu, replace(OPTIONS, sigmas=levels))
    assert torch.equal(part, sample(model, vcu, replace(OPTIONS, denoise=0.5)))


@given(st.lists(st.floats(0, 1), max_size=5))
def test_noise_levels_must_fall_to_nothing(levels):
    falling = len(levels) > 1 and levels[-1] == 0 and all(a > b for a, b in pairwise(levels))
    if falling or not levels:
        assert SamplingOptions(sigmas=tuple(levels)).sigmas == tuple(levels)
        return
    with pytest.raises(InputError) as error:
        SamplingOptions(sigmas=tuple(levels))
    assert error.value.code == "sigmas-order"


@given(st.integers(0, 100), st.floats(1, 16))
def test_what_is_behind_a_level_is_found_where_only_the_way_back_is_known(hundredth, shift):
    percent = hundredth / 100
    level = float(torch.tensor(percent_to_sigma(percent, shift)))
    assert found_percent(lambda part: percent_to_sigma(part, shift), level) == percent


def test_noise_levels_and_denoise_exclude_each_other():
    with pytest.raises(InputError) as error:
        SamplingOptions(sigmas=(0.5, 0.0), denoise=0.5)
    assert refused(error.value) == "denoise-and-sigmas: denoise=0.5"


def test_a_job_that_was_encoded_before_is_the_same(model):
    masks = torch.zeros(1, 1, 9, 32, 48)
    masks[..., 24:] = 1
    vcu, begin = library.inpaint(tiny.clip(9), masks), tiny.clip(9, seed=5)
    other = Condition(vcu=library.control(tiny.clip(9, seed=7)), strength=Strength(overall=0.5))
    options, given_ = replace(OPTIONS, denoise=0.7), Conditions(strength=Strength(), also=(other,), pin=True)
    whole = sample(model, vcu, options, also=given_.also, pin=True, begin=begin)
    encoded = encode_job([vcu, other.vcu], model.vae, model.encode_masks, source=True, begin=begin)
    assert torch.equal(sample(model, vcu, options, also=given_.also, pin=True, encoded=encoded), whole)
    assert generate(model, vcu, options, also=given_.also, pin=True, begin=begin).shape == (1, 3, 9, 32, 48)
    assert GRID.latent_frames(9) == encoded.source.shape[2]


# Drawn


def blue(picture) -> np.ndarray:
    return (np.array(picture) == (66, 135, 245)).all(axis=2)


def test_only_what_is_not_one_everywhere_is_drawn():
    nothing, steps = strength_sheet(Strength()), strength_sheet(Strength(steps=((0.0, 1.0), (1.0, 0.0))))
    assert nothing.size == steps.size
    both = strength_sheet(Strength(steps=((0.0, 1.0),), frames=((0.0, 2.0),), blocks=(1.0, 0.0)))
    assert both.size == (2 * steps.width, 2 * steps.height)
    places = np.argwhere(blue(steps))
    left, right = (places[places[:, 1] == x, 0].mean() for x in (40, 330))
    assert left < right  # the curve falls, rows are counted from the top
    space = torch.zeros(1, 1, 1, 32, 48)
    space[..., 24:] = 1
    drawn = np.array(strength_sheet(Strength(space=space, overall=0.5)))
    assert drawn[60, drawn.shape[1] // 2 + 150].tolist() == [255, 255, 255]
    assert drawn[60, drawn.shape[1] // 2 + 60].tolist() == [0, 0, 0]
