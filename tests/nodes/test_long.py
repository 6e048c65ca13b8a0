"""Clips of any length in nodes: planned on the time line, generated window by window, one window made again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from refusal import refusal
from tiny_files import write_starter

PLAN = {"window": 9, "overlap": 5}
OPTIONS = {"steps": 2, "cfg": 1.0, "shift": 3.0, "sampler": "euler", "seed": 1}
COUNT = 17
WORDS = {"prompt": "a red circle moves right on a plain gray background"}


def clip(frames=COUNT, height=32, width=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, height, width, 3), generator=generator).float() / 255


@pytest.fixture(scope="module")
def model(pack, tmp_path_factory):
    core = pack.vace_core
    starter = core.starter.model
    loaded = starter.load_starter(folder=write_starter(tmp_path_factory.mktemp("starter"), core))
    return pack.nodes.load.managed(loaded, core.models.wan.family.WAN, starter.STARTER_OPTIONS)


@pytest.fixture(scope="module")
def inpainting(run):
    mask = torch.zeros(COUNT, 32, 48)
    mask[:, 8:24, 8:32] = 1
    return run("VaceInpaintVideo", images=clip(), mask=mask, fit="as it is", fps=8.0, **WORDS)[0]


@pytest.fixture(scope="module")
def made(run, model, inpainting):
    """The inpainting in three windows."""
    plan = run("VacePlanWindows", vcu=inpainting, **PLAN)[0]
    return run("VaceSampleLongVideo", model=model, vcu=inpainting, plan=plan, **OPTIONS)


class TestPlan:
    def test_it_is_the_librarys_plan(self, run, pack):
        planning = pack.vace_core.sampling.planning
        got = run("VacePlanWindows", length=41, fps=10.0, prompts="[0-2s] a fox | [2s, new shot] a dog", **PLAN)
        spans = [planning.Span(begin=0, end=20, prompt="a fox"),
                 planning.Span(begin=20, end=41, prompt="a dog", new_shot=True)]  # fmt: skip
        grid = pack.vace_core.models.wan.family.WAN.grid
        assert got[0].plan == planning.plan_windows(41, fps=10.0, grid=grid, spans=spans, **PLAN)
        assert got.result[3:] == (41, 9, 5)

    def test_a_unit_says_length_and_rate_and_a_model_what_lengths_windows_have(self, run, pack, inpainting):
        plan = run("VacePlanWindows", vcu=inpainting, length=5, fps=30.0, **PLAN)[0].plan
        assert (plan.num_frames, plan.fps, plan.group) == (COUNT, 8.0, 4)
        ltx = pack.vace_core.models.ltx.family.LTX
        model = pack.nodes.comfy.sockets.LibraryModel(core=None, family=ltx, usual=ltx.options)
        assert run("VacePlanWindows", model=model, length=41, window=17)[0].plan.group == 8

    def test_a_saved_plan_is_the_same_plan(self, run):
        typed = {"prompts": "[0-2s] a fox | [2s] a dog", "keyframes": "0=1 -1=2", "changes": "1: seed 9"}
        first = run("VacePlanWindows", length=41, fps=10.0, pictures=clip(2), **typed, **PLAN)
        again = run("VacePlanWindows", saved_plan=first[2])
        assert again[0].plan == first[0].plan
        assert again[1:4] == first[1:4]
        assert list(first[0].pictures) == ["1", "2"]

    def test_changes_of_windows(self, run):
        given = {"length": 33, "window": 9, "overlap": 1}
        before = run("VacePlanWindows", **given)[0].plan
        changes = "2: move -4, seed 9, strength 0.5\n\nwindow 1: references 2 1\n0: references none"
        plan = run("VacePlanWindows", changes=changes, **given)[0].plan
        wanted = before.moved(2, -4).edited(2, seed=9, strength=0.5)
        assert plan == wanted.edited(1, references=("2", "1")).edited(0, references=())

    def test_it_is_drawn(self, run):
        shown = run("VacePlanWindows", length=COUNT, keyframes="-1=1", **PLAN)
        assert "images" in shown.ui
        text = shown.ui["text"][0].split("\n")
        assert text[0].startswith("plan: 17 frames at 16 fps (1.06 s) in 3 windows")
        assert "frame 16: shows 1" in text

    def test_of_a_very_long_clip_the_first_hundred_windows_are_drawn(self, run, pack):
        made = run("VacePlanWindows", length=1601, window=9, overlap=1)
        assert len(made[0].plan) == 200
        high = pack.vace_core.preview.timeline.draw_plan(made[0].plan).height
        shorter = run("VacePlanWindows", length=801, window=9, overlap=1)[0].plan
        assert len(shorter) == 100
        assert 0 < high - pack.vace_core.preview.timeline.draw_plan(shorter).height < 60
        assert len(made.ui["text"][0].split("\n")) == 100

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"window": 5, "overlap": 5}, "window-overlap: frames=5, overlap=5"),
            ({"prompts": "[0-1s] a | [9s] b"}, "spans-order"),
            ({"prompts": "[0f] a | [2f] b"}, "borders-too-near: first=0, group=4, second=2"),
            ({"fps": float("nan"), "prompts": "[0-1s] a"}, "number-range"),
            ({"keyframes": "17=1"}, "keyframe-outside-plan: frame=17, last=16, picture=1"),
            ({"keyframes": "16=1 -1=2"}, "keyframe-twice: first=1, frame=16, second=2"),
            ({"keyframes": "last=1"}, "keyframes-unreadable: value=last=1"),
            ({"changes": "3: seed 1"}, "window-unknown: count=3, last=2, number=3"),
            ({"changes": "seed 1"}, "plan-changes"),
            ({"changes": "1: speed 1"}, "plan-changes"),
            ({"changes": "1: move 4.5"}, "plan-changes"),
            ({"changes": "1: references"}, "plan-changes"),
            ({"saved_plan": "{}"}, "plan-unreadable"),
            ({"saved_plan": "{}", "loop": True}, "saved-plan-and-options: options=loop"),
            ({"join_by": "overlap", "anchor_colour": "first"}, "anchor-together"),
        ],
    )
    def test_what_it_refuses(self, run, given, said):
        assert refusal(run, "VacePlanWindows", length=COUNT, **{"fps": 16.0, **PLAN, **given}).startswith(said)


class TestSampled:
    @pytest.mark.parametrize("by", ["latents", "pinned", "pixels", "overlap"])
    def test_it_is_the_library_with_the_same_plan(self, run, pack, model, by):
        core = pack.vace_core
        vcu = run("VaceControlVideo", images=clip(), kind="gray", fit="as it is", fps=8.0, **WORDS)[0]
        plan = run("VacePlanWindows", vcu=vcu, join_by=by, prompts="[0-1s] a star | [1s] a ring", **PLAN)[0]
        got = run("VaceSampleLongVideo", model=model, vcu=vcu, plan=plan, **OPTIONS)
        usual = replace(model.usual, steps=2, guidance_scale=1.0, shift=3.0, solver="euler", seed=1)
        job = core.pipeline.windowed.WindowedJob(
            model=model.core, plan=plan.plan, parts=core.pipeline.parts.parts_of(vcu), options=usual,
            joining=core.pipeline.windowed.Joining(by=by),
        )  # fmt: skip
        with torch.inference_mode():
            wanted = core.pipeline.long.generate_long(job)
        assert torch.equal(got[0], pack.nodes.comfy.bridge.images_of(wanted))
        assert got[1] == 8.0

    def test_kept_pixels_are_the_sources(self, made, inpainting):
        kept = inpainting.masks[0, 0] == 0
        assert torch.equal(made[0][kept], clip()[kept])
        assert "largest difference to the source there: 0 of 255" in made[2]
        assert "Largest step where windows meet: " in made[2]

    def test_a_clip_of_one_window_that_is_filled_up(self, run, model):
        mask = torch.zeros(6, 32, 48)
        mask[:, 8:24, 8:32] = 1
        vcu = run("VaceInpaintVideo", images=clip(6), mask=mask, fit="starter, any length", fps=8.0)[0]
        assert vcu.padding
        plan = run("VacePlanWindows", vcu=vcu, **PLAN)[0]
        images, _, report = run("VaceSampleLongVideo", model=model, vcu=vcu, plan=plan, **OPTIONS).result
        assert images.shape[0] == 6
        assert "0 of 255" in report

    def test_one_window_again_and_everything_else_as_it_was(self, run, model, inpainting, made):
        plan = run("VacePlanWindows", vcu=inpainting, changes="2: seed 77", **PLAN)[0]
        given = {"model": model, "vcu": inpainting, "plan": plan, "made": made[0], **OPTIONS}
        again = run("VaceSampleLongVideo", redo=2, **given)[0]
        same = [torch.equal(one, other) for one, other in zip(again, made[0], strict=True)]
        assert same == [n < plan.plan.windows[2].first_new for n in range(COUNT)]

    def test_a_window_made_again_is_held_to_the_first_windows_colours_too(self, run, model):
        vcu = run("VaceControlVideo", images=clip(), kind="gray", fit="as it is", fps=8.0, **WORDS)[0]
        plan = run("VacePlanWindows", vcu=vcu, join_by="pixels", anchor_colour="first", **PLAN)[0]
        given = {"model": model, "vcu": vcu, "plan": plan, **OPTIONS}
        whole = run("VaceSampleLongVideo", **given)[0]
        again = run("VaceSampleLongVideo", redo=2, made=whole, **given)[0]
        assert (again - whole).abs().max() < 1e-3  # with the same seed it is the same window

    def test_a_loop_leads_back_to_its_first_frames(self, run, pack, model):
        vcu = run("VaceTextToVideo", width=48, height=32, length=21, fps=8.0, **WORDS)[0]
        plan = run("VacePlanWindows", vcu=vcu, loop=True, window=9, overlap=1)[0]
        images, _, report = run("VaceSampleLongVideo", model=model, vcu=vcu, plan=plan, **OPTIONS).result
        assert images.shape == (21, 32, 48, 3)
        assert plan.plan.windows[-1].end > 21
        assert "Largest step where windows meet: " in report
        other = run("VacePlanWindows", vcu=vcu, loop=True, window=9, overlap=1, changes="0: seed 77")[0]
        again = run("VaceSampleLongVideo", model=model, vcu=vcu, plan=other, redo=0, made=images, **OPTIONS)[0]
        led_to, behind = other.plan.shared_with_next(len(other.plan) - 1), other.plan.windows[1].begin
        same = [torch.equal(one, before) for one, before in zip(again, images, strict=True)]
        assert same == [n < led_to or n >= behind for n in range(21)]

    def test_keyframes_are_shown_at_their_frames_of_the_whole(self, run, model):
        vcu = run("VaceTextToVideo", width=48, height=32, length=COUNT, fps=8.0, **WORDS)[0]
        plan = run("VacePlanWindows", vcu=vcu, keyframes="-1=2, 3=1", pictures=clip(2), **PLAN)[0]
        images = run("VaceSampleLongVideo", model=model, vcu=vcu, plan=plan, **OPTIONS)[0]
        assert torch.equal(images[3], clip(2)[0])
        assert torch.equal(images[-1], clip(2)[1])

    def test_an_image_that_is_a_keyframe_stays_whole_as_a_reference(self, run, pack):
        vcu = run("VaceTextToVideo", width=48, height=32, length=COUNT, fps=8.0, **WORDS)[0]
        plan = run("VacePlanWindows", vcu=vcu, keyframes="-1=1", pictures=clip(1, 60, 20), **PLAN)[0]
        found = pack.nodes.comfy.windowed.pictures_for(plan, vcu)
        assert found.keyframes["1"].shape == (1, 3, 1, 32, 48)
        assert found.references["1"].shape == (1, 3, 1, 60, 20)

    def test_frames_around_it_are_put_back(self, run, model):
        vcu, before, _ = run("VaceExtendVideo", first=clip(9), keep=5, length=COUNT, fit="as it is", fps=8.0).result
        plan = run("VacePlanWindows", vcu=vcu, **PLAN)[0]
        images = run("VaceSampleLongVideo", model=model, vcu=vcu, plan=plan, before=before, **OPTIONS)[0]
        assert images.shape[0] == COUNT + 4
        assert torch.equal(images[:9], clip(9))

    def test_the_bar_counts_the_steps_of_all_windows_and_stops_between_them(self, run, pack, model, inpainting):
        told, stop = [], [None]

        class Stopped(Exception):
            pass

        class Bar:
            def __call__(self, done, total, picture=None):
                told.append((done, total, picture is not None))
                if done == stop[0]:
                    raise Stopped

        plan = run("VacePlanWindows", vcu=inpainting, **PLAN)[0]
        given = {"model": model, "vcu": inpainting, "plan": plan, **OPTIONS}
        patch = pytest.MonkeyPatch()
        patch.setattr(pack.nodes.comfy.host, "Progress", Bar)
        try:
            run("VaceSampleLongVideo", **given)
            assert told == [(n, 6, True) for n in range(1, 7)]
            stop[0] = 3
            with pytest.raises(Stopped):
                run("VaceSampleLongVideo", **given)
            assert len(told) == 9
        finally:
            patch.undo()

    def test_what_it_refuses(self, run, model, inpainting, made):
        def refused(plan=None, **given):
            planned = run("VacePlanWindows", **{"vcu": inpainting, **PLAN, **(plan or {})})[0]
            vcu = given.pop("vcu", inpainting)
            return refusal(run, "VaceSampleLongVideo", model=model, vcu=vcu, plan=planned, **OPTIONS, **given)

        shorter = run("VaceTextToVideo", width=48, height=32, length=9, fps=8.0)[0]
        assert refused(vcu=shorter) == "plan-of-another: fps=8, frames=9, planned=17, planned_fps=8"
        assert refused(redo=2) == "redo-without-made: number=2"
        assert refused(redo=1, made=made[0]) == "window-all-shared: number=1"  # 5 of its 9 frames, and 5
        assert refused(redo=3, made=made[0]) == "window-unknown: count=3, last=2, number=3"
        assert refused(redo=2, made=clip(5)) == "made-size: came=(5, 32, 48, 3), needed=(17, 32, 48, 3)"
        assert refused({"join_by": "overlap"}, redo=2, made=made[0]).startswith("together-cannot")
        assert refused({"keyframes": "0=1"}) == "plan-picture: name=1, there=none"
        strengths = run("VaceStrength", over_frames="0:1 1:0")[0]
        assert refused(strengths=strengths) == "windows-strength: count=3, what=over_frames"
