"""Promises of what the starter is compared with: rivals use what they are given, and the numbers see through tricks."""

from __future__ import annotations

import dataclasses

import pytest
import tiny
import torch

from vace_core.pipeline import SamplingOptions
from vace_core.pipeline.composite import composite_vcu
from vace_core.starter.evaluation.comparison import SPLITS, Split, compare, held_out
from vace_core.starter.evaluation.joint import face_parts, truth_error
from vace_core.starter.evaluation.pinning import known_cells, sample_pinned
from vace_core.starter.evaluation.rivals import RIVALS, able, asked_paints, cut_out, disc, filled, tinted
from vace_core.starter.evaluation.trials import TRIALS
from vace_core.starter.scenes.backdrops import UNSEEN_BACKDROPS
from vace_core.starter.scenes.clips import BUCKETS, Bucket
from vace_core.starter.scenes.palette import COLOURS, SKINS
from vace_core.starter.scenes.render import render
from vace_core.starter.scenes.samples import COMPOSED, draw_sample
from vace_core.starter.scenes.scene import random_scene
from vace_core.starter.scenes.split import UNSEEN_PAIRS

SMALL = Bucket(num_frames=5, height=64, width=64)


def sample_of(task, seed=3, **more):
    return draw_sample(task, seed, SMALL, always_tell=True, **more)


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_hands_in_a_clip_and_leaves_what_is_kept(name):
    tried = 0
    for task in ("inpaint", "outpaint", "extend", "gray", "layout", "face reference", *COMPOSED):
        example = sample_of(task)
        if not able(name, example):
            continue
        tried += 1
        made = RIVALS[name](example)
        assert made.shape == example.clip.frames.shape
        assert bool(made.isfinite().all())
        kept = (example.vcu.masks == 0).expand_as(made)
        assert torch.equal(made[kept], example.clip.frames[kept])
    assert tried >= 4


def test_no_rival_has_seen_the_true_clip():
    for task in ("inpaint", "gray", "object reference", "swap anything"):
        example = sample_of(task)
        blind = dataclasses.replace(example, clip=None)
        for name, rival in RIVALS.items():
            if able(name, example):
                assert torch.equal(rival(blind), rival(example))


def test_what_is_asked_for_is_read_from_the_words():
    things, backdrop = asked_paints("a scarlet star moves left and a ball that is blue on a striped mint wall")
    assert torch.allclose(things[0].flatten(), torch.tensor(COLOURS["red"]) * 2 - 1)
    assert torch.allclose(things[1].flatten(), torch.tensor(COLOURS["blue"]) * 2 - 1)
    assert backdrop[1] > backdrop[0]


def test_rivals_are_hard_to_beat_where_they_can_compete():
    """Each is nearer to the true clip than what the model is shown."""
    pairs = [("gray", tinted), ("depth", tinted), ("extend", filled), ("swap anything", cut_out)]
    for task, rival in pairs:
        gains = [
            truth_error(example.vcu.frames, example.clip.frames) - truth_error(rival(example), example.clip.frames)
            for example in (sample_of(task, seed, calm=task != "gray") for seed in range(8))
        ]
        assert sum(gains) / 8 > 2, task


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


def test_cells_are_known_where_every_pixel_is_kept():
    masks = torch.ones(1, 1, 5, 16, 24)
    masks[:, :, 0, :8, :8] = 0
    masks[:, :, 1:, 8:, 8:16] = 0
    masks[:, :, 1:, :8, :8] = 0
    masks[:, :, 3, 0, 0] = 1
    known = known_cells(masks)
    assert known.shape == (1, 1, 2, 2, 3)
    assert known.nonzero()[:, 2:].tolist() == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(("strength", "solver"), [(0.0, "euler"), (1.0, "unipc")])
def test_known_latents_come_out_as_they_were_put_in(strength, solver):
    model = tiny.model()
    example = sample_of("inpaint", 4)
    options = SamplingOptions(steps=2, strength=strength, guidance_scale=1.0, solver=solver, negative_prompt="")
    source = filled(example)
    latents = sample_pinned(model, [example.vcu, example.vcu], torch.cat([source, source]), options)
    known, cells = model.vae.encode(source), known_cells(example.vcu.masks)
    assert bool(cells.any())
    assert not bool(cells.all())
    for one in latents:
        assert torch.allclose(one[cells[0].expand_as(one)], known[0][cells[0].expand_as(one)], atol=1e-5)
    other = sample_pinned(model, [example.vcu], source, dataclasses.replace(options, strength=1 - strength))
    assert not torch.allclose(other[0], latents[0], atol=1e-3)
    finished = composite_vcu(model.vae.decode(latents[:1]), example.vcu)
    kept = (example.vcu.masks == 0).expand_as(finished)
    assert torch.equal(finished[kept], example.clip.frames[kept])


@pytest.mark.parametrize("task", ["text", "object reference", "reference anything", "layout", "swap anything"])
def test_the_true_clip_passes_its_own_trial(task):
    trial = TRIALS[task]
    for split in (SPLITS["in the world"], SPLITS["unseen combinations"]):
        for example in held_out(task, split, 2):
            for measure in trial.measures:
                score = measure.score(example, example.clip.frames)
                assert score == 0 if measure.better == "lower" else score > 0.8, (measure.metric, example.vcu.prompt)


def test_no_still_picture_wins_what_asks_for_everything():
    measure = TRIALS["object reference"].measures[-1]
    for example in held_out("object reference", SPLITS["in the world"], 2):
        assert measure.score(example, example.clip.frames) == 1
        assert measure.score(example, cut_out(example)) == 0
        assert measure.score(example, example.clip.frames[:, :, :1].expand_as(example.clip.frames)) == 0


def test_held_out_examples_are_kept_from_training_and_unseen_ones_show_what_it_never_did():
    for task in ("layout", "depth"):
        for example in held_out(task, SPLITS["unseen sizes"], 3):
            pairs = {(item.shape, item.colour) for item in example.clip.objects}
            assert pairs & UNSEEN_PAIRS or example.clip.scene.backdrop.kind in UNSEEN_BACKDROPS
            assert example.clip.frames.shape[2:] not in {(b.num_frames, b.height, b.width) for b in BUCKETS}


def test_a_comparison_has_a_row_for_every_measure_with_all_rivals():
    model, options = tiny.model(), SamplingOptions(steps=1, guidance_scale=1.0, solver="euler", negative_prompt="")
    split = Split(name="small", buckets=(SMALL,), unseen=False)
    for task in ("inpaint", "stylization"):
        rows = compare(model, task, split, clips=2, noise_seeds=(1, 2), options=options)
        assert [(row.task, row.metric) for row in rows] == [
            (f"{task}, small", measure.metric) for measure in TRIALS[task].measures
        ]
        for row, measure in zip(rows, TRIALS[task].measures, strict=True):
            assert row.n == 2
            assert [rival.name for rival in row.baselines] == list(measure.rivals)
            assert row.on.mean != row.off.score.mean
