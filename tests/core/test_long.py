"""A clip of any length: windows are functions of what their neighbours hand over, joined by strategies that hold."""

from __future__ import annotations

import weakref
from dataclasses import replace

import pytest
import tiny
import torch
from refused import refused

from vace_core import tasks
from vace_core.errors import InputError, ShapeError
from vace_core.models.wan.dit import GRID
from vace_core.pipeline import SamplingOptions, generate
from vace_core.pipeline.anchor import colours_of, drawn_to_first, faded, faded_in, matched_on_shared
from vace_core.pipeline.long import generate_long, redo, stream
from vace_core.pipeline.parts import PlanPictures, keeping, lengthened, parts_of
from vace_core.pipeline.windowed import HandOver, Joining, WindowedJob, make_window
from vace_core.sampling.overlap import Stretch, blended, pyramid, ramp
from vace_core.sampling.planning import Span, plan_windows
from vace_core.sampling.strength import Strength
from vace_core.sampling.windows import Keyframe

OPTIONS = SamplingOptions(steps=2, shift=3.0, guidance_scale=1.0, seed=1)
STREAMING = ("pixels", "pinned", "latents")
COUNT = 17  # frames: three windows of 9 that share 5
SIDE = 16


def clip(count: int, side: int = SIDE, seed: int = 0) -> torch.Tensor:
    return tiny.clip(count, side, side, seed)


@pytest.fixture(scope="module")
def model():
    return tiny.model()


@pytest.fixture(scope="module")
def control():
    return tasks.control(clip(COUNT), prompt="a red fox")


def planned(count: int = COUNT, window: int = 9, overlap: int = 5, **more):
    return plan_windows(count, fps=16, grid=GRID, window=window, overlap=overlap, **more)


def job(model, vcu, plan=None, **more) -> WindowedJob:
    plan = plan or planned(vcu.shown_frames)
    return WindowedJob(model=model, plan=plan, parts=parts_of(vcu), options=OPTIONS, **more)


@pytest.mark.parametrize("by", [*STREAMING, "overlap", "pyramid"])
@pytest.mark.parametrize("padding", [0, 2])
def test_a_single_window_is_what_generate_makes(model, by, padding):
    masks = torch.zeros(1, 1, 9, SIDE, SIDE)
    masks[:, :, :, 4:12, 4:10] = 1
    vcu = replace(tasks.inpaint(clip(9), masks, prompt="a fox"), padding=padding)
    whole = job(model, vcu, planned(9 - padding), joining=Joining(by=by), feather=2)
    assert torch.equal(generate_long(whole), generate(model, vcu, OPTIONS, feather=2))


@pytest.mark.parametrize("by", STREAMING)
def test_a_shorter_clip_is_the_beginning_of_a_longer_one(model, control, by):
    long = list(stream(job(model, control, joining=Joining(by=by))))
    short = list(stream(job(model, tasks.control(clip(COUNT)[:, :, :13], prompt="a red fox"), joining=Joining(by=by))))
    assert len(short) == 2
    assert all(torch.equal(one.frames, two.frames) for one, two in zip(short, long, strict=False))


@pytest.mark.parametrize("by", STREAMING)
def test_shared_frames_are_handed_over_to_the_bit(model, control, by):
    made = list(stream(job(model, control, joining=Joining(by=by))))
    plan = planned()
    assert [(one.begin, one.frames.shape[2]) for one in made] == [
        (one.first_new, 4 if one.overlap else 9) for one in plan.windows
    ]
    for one, after in zip(made[:-1], plan.windows[1:], strict=True):
        assert one.handed is not None
        film = torch.cat([earlier.frames for earlier in made[: one.number + 1]], dim=2)
        assert torch.equal(one.handed.frames, film[:, :, after.begin :])
    assert torch.equal(
        torch.cat([one.frames for one in made], dim=2), generate_long(job(model, control, joining=Joining(by=by)))
    )


def test_latents_are_handed_over_without_a_way_through_the_vae(model, control):
    """What the window before ended with is what the next begins with, in its latents and in what the adapter reads."""
    seen = []
    asked = job(model, control, joining=Joining(by="latents"))
    real = asked.sampler

    def watched(*given, **named):
        latents = real(*given, **named)
        encoded = named["encoded"]
        seen.append((latents, None if encoded is None else encoded.contexts[0], named["hold"]))
        return latents

    made = list(stream(replace(asked, sampler=watched)))
    assert len(seen) == len(made) == 3
    for (before, _, _), (after, context, hold), one in zip(seen[:-1], seen[1:], made, strict=False):
        assert torch.equal(after[:, :, 1:2], before[:, :, -1:])  # five frames: one encoded alone, one latent of four
        assert torch.equal(context[:, :16, 1:2], before[:, :, -1:])
        assert one.handed is not None
        first = model.vae.encode(one.handed.frames[:, :, :1])
        assert torch.equal(after[:, :, :1], first)
        assert hold.cells[:, :, :2].all()
        assert not hold.cells[:, :, 2:].any()


def test_the_way_by_pixels_alone_holds_no_latents(model, control):
    held: list[object] = []
    asked = job(model, control, joining=Joining(by="pixels"))
    real = asked.sampler
    _ = generate_long(replace(asked, sampler=lambda *a, **k: (held.append(k["hold"]), real(*a, **k))[1]))
    assert held == [None] * 3


@pytest.mark.parametrize("by", STREAMING)
def test_a_window_made_again_leaves_all_others_as_they_are(model, control, by):
    whole = job(model, control, joining=Joining(by=by))
    made = list(stream(whole))
    film = torch.cat([one.frames for one in made], dim=2)
    plan, number = planned(), 1
    after = made[2]
    assert plan.shared_with_next(number) == 5
    begin = plan.windows[2].begin
    again = redo(whole, number, before=made[0].handed, after=film[:, :, begin : begin + 5], seed=77)
    new = film.clone()
    new[:, :, again.begin : again.begin + again.frames.shape[2]] = again.frames
    changed = (new != film).flatten(3).any(3)[0].any(0)
    assert not changed[: plan.windows[1].first_new].any()
    assert not changed[after.begin - 5 :].any()
    same = redo(whole, 2, before=made[1].handed)
    assert torch.equal(same.frames, made[2].frames)


def test_what_is_made_again_is_new_where_no_neighbour_has_a_share(model):
    vcu = tasks.control(clip(29))
    whole = job(model, vcu, planned(29, window=13))
    made = list(stream(whole))
    film = torch.cat([one.frames for one in made], dim=2)
    begin = made[2].begin - 5
    again = redo(whole, 1, before=made[0].handed, after=film[:, :, begin : begin + 5], seed=77)
    free = begin - again.begin
    assert free > 0
    assert not torch.equal(again.frames[:, :, :free], made[1].frames[:, :, :free])
    assert torch.equal(again.frames[:, :, free:], made[1].frames[:, :, free:])


def test_a_chain_goes_on_where_it_stopped(model, control):
    whole = job(model, control)
    made = list(stream(whole))
    rest = list(stream(whole, start=1, before=made[0].handed))
    assert [one.number for one in rest] == [1, 2]
    assert all(torch.equal(one.frames, two.frames) for one, two in zip(rest, made[1:], strict=True))


def test_an_end_frame_is_held_in_the_last_window_alone(model):
    vcu, end = tasks.text(num_frames=COUNT, height=SIDE, width=SIDE), clip(1, seed=9)
    plan = planned(keyframes=[Keyframe(frame=-1, picture="end")])
    whole = job(model, vcu, plan, pictures=PlanPictures(keyframes={"end": end}))
    made = list(stream(whole))
    assert torch.equal(made[-1].frames[:, :, -1:], end)
    free = list(stream(job(model, vcu)))
    assert all(torch.equal(one.frames, two.frames) for one, two in zip(made[:-1], free[:-1], strict=True))
    assert not torch.equal(made[-1].frames[:, :, :-1], free[-1].frames[:, :, :-1])


def test_a_hard_cut_hands_nothing_over(model):
    vcu = tasks.text(num_frames=COUNT, height=SIDE, width=SIDE)
    plan = planned(spans=[Span(begin=0, end=8), Span(begin=8, end=COUNT, prompt="x", new_shot=True)])
    made = list(stream(job(model, vcu, plan)))
    assert made[0].handed is None
    shot = tasks.text(num_frames=9, height=SIDE, width=SIDE, prompt="x")
    alone = generate(model, shot, replace(OPTIONS, seed=2))
    assert torch.equal(made[1].frames, alone)


def test_a_loop_leads_back_to_its_first_frames(model):
    vcu = tasks.text(num_frames=20, height=SIDE, width=SIDE)
    plan = planned(20, window=13, loop=True)
    whole = job(model, vcu, plan)
    made = list(stream(whole))
    film = torch.cat([one.frames for one in made], dim=2)
    assert film.shape[2] == 20
    last, shared = plan.windows[-1], plan.shared_with_next(len(plan) - 1)
    again = make_window(whole, len(plan) - 1, before=made[-2].handed, after=film[:, :, :shared])
    assert torch.equal(again.frames, made[-1].frames)
    free = make_window(whole, len(plan) - 1, before=made[-2].handed)
    assert last.end - 20 == shared
    assert not torch.equal(free.frames, made[-1].frames)


def test_the_first_window_of_a_loop_made_again_begins_with_what_the_last_one_leads_to(model):
    vcu = tasks.text(num_frames=32, height=SIDE, width=SIDE)
    plan = planned(32, window=17, loop=True)
    whole, shared = job(model, vcu, plan), plan.shared_with_next(len(plan) - 1)
    made = list(stream(whole))
    assert refusal(lambda: redo(whole, 0, after=made[1].head)).startswith("redo-neighbour")
    again = redo(whole, 0, after=made[1].head, head=made[0].frames[:, :, :shared], seed=77)
    assert torch.equal(again.frames[:, :, :shared], made[0].frames[:, :, :shared])
    assert not torch.equal(again.frames[:, :, shared:-5], made[0].frames[:, :, shared:-5])


def test_clips_of_a_batch_go_by_windows_each_by_itself(model):
    both = torch.cat([clip(COUNT, seed=1), clip(COUNT, seed=5) * 0.2 + 0.5])
    for anchor in ("shared", "first"):
        joining = Joining(anchor=anchor)
        made = generate_long(job(model, tasks.control(both), joining=joining))
        alone = generate_long(job(model, tasks.control(both[:1]), joining=joining))
        assert (made[:1] - alone).abs().max() < 1e-4


def test_windows_made_from_the_end_lead_up_to_what_follows(model):
    last = clip(5, seed=4)
    vcu, plan = tasks.extend(None, last, num_frames=COUNT), replace(planned(), order=(2, 1, 0))
    made = {one.number: one for one in stream(job(model, vcu, plan))}
    assert torch.equal(made[2].frames[:, :, -5:], last)
    assert torch.equal(made[0].frames[:, :, -5:], made[1].head)


def test_a_window_of_which_all_is_known_is_not_made(model):
    masks = torch.zeros(1, 1, COUNT, SIDE, SIDE)
    masks[:, :, 13:, 4:12, 4:12] = 1
    source = clip(COUNT)
    made = generate_long(job(model, tasks.inpaint(source, masks)))
    kept = masks.expand_as(source) == 0
    assert torch.equal(made[kept], source[kept])
    assert not torch.equal(made, source)


@pytest.mark.parametrize("by", ["latents", "overlap"])
def test_colours_are_not_matched_in_windows_that_keep_nothing_to_compare_with(model, by, caplog):
    masks = torch.ones(1, 1, 18, SIDE, SIDE)
    masks[:, :, 9:, :8] = 0
    cut = planned(18, spans=[Span(begin=0, end=9), Span(begin=9, end=18, new_shot=True)])
    vcu, joining = tasks.inpaint(clip(18), masks), Joining(by=by)
    with caplog.at_level("WARNING", logger="vace"):
        matched = generate_long(job(model, vcu, cut, joining=joining, match_colour=True))
    plain = generate_long(job(model, vcu, cut, joining=joining))
    assert torch.equal(matched[:, :, :9], plain[:, :, :9])
    assert not torch.equal(matched[:, :, 9:], plain[:, :, 9:])
    assert [one.message.split(" keeps")[0] for one in caplog.records] == ["Window 0"]


def test_windows_have_prompts_references_strengths_and_seeds_of_their_own(model, control):
    plain = list(stream(job(model, control)))
    picture = PlanPictures(references={"fox": clip(1, seed=6)})
    for change in ({"prompt": "x"}, {"references": ("fox",)}, {"strength": 0.2}, {"seed": 9}):
        changed = job(model, control, planned().edited(1, **change), pictures=picture)
        made = make_window(changed, 1, before=plain[0].handed)
        assert not torch.equal(made.frames, plain[1].frames)


def test_parts_are_asked_for_window_by_window(model, control):
    asked, whole = [], parts_of(control)
    plan = planned()

    def parts(begin, end):
        asked.append((begin, end))
        return whole(begin, end)

    _ = generate_long(WindowedJob(model=model, plan=plan, parts=parts, options=OPTIONS))
    assert asked == [(one.begin, one.end) for one in plan.windows]


@pytest.mark.parametrize("anchor", ["none", "first"])
def test_memory_does_not_grow_with_the_number_of_windows(model, anchor):
    """Of every window that is done, its frames and those of its unit are let go before the one after next is made."""
    frames, units, alive = [], [], []

    def parts(begin, end):
        vcu = tasks.control(clip(end - begin, seed=begin))
        units.append(weakref.ref(vcu.control))
        return vcu

    plan = planned(33)
    whole = WindowedJob(
        model=model, plan=plan, parts=parts, options=replace(OPTIONS, steps=1), joining=Joining(anchor=anchor)
    )
    for made in stream(whole):
        frames.append(weakref.ref(made.frames))
        alive.append(sum(one() is not None for one in (*frames, *units)))
        del made
    assert len(alive) == len(plan) >= 6
    assert max(alive) <= 3


@pytest.mark.parametrize("by", ["overlap", "pyramid"])
def test_windows_denoised_together_are_one_clip(model, control, by):
    made = list(stream(job(model, control, joining=Joining(by=by))))
    assert [(one.begin, one.frames.shape[2]) for one in made] == [(0, COUNT)]
    other = planned().edited(2, prompt="x")
    changed = generate_long(job(model, control, other, joining=Joining(by=by)))
    assert not torch.equal(changed[:, :, -4:], made[0].frames[:, :, -4:])


@pytest.mark.parametrize("by", ["overlap", "pyramid"])
def test_a_strength_acts_in_windows_that_are_denoised_together(model, by):
    """Of windows of which the last has padding; factors that are 1 are the same to the bit as none."""
    shown = replace(tasks.control(clip(18), prompt="a red fox"), references=(clip(1, seed=3),))

    def made(**where):
        return generate_long(job(model, shown, planned(18), joining=Joining(by=by), strength=Strength(**where)))

    usual = made()
    assert torch.equal(made(references=(1.0,)), usual)
    assert torch.equal(made(frames=((0.0, 1.0), (1.0, 1.0))), usual)
    assert torch.equal(made(space=torch.ones(1, 1, 1, SIDE, SIDE)), usual)
    half = torch.ones(1, 1, 1, SIDE, SIDE)
    half[..., : SIDE // 2] = 0
    for where in ({"references": (0.5,)}, {"frames": ((0.0, 0.0), (1.0, 1.0))}, {"space": half}):
        assert not torch.equal(made(**where), usual)


@pytest.mark.parametrize("by", ["overlap", "pyramid"])
def test_of_windows_denoised_together_one_context_is_embedded_at_a_time(model, control, by, monkeypatch):
    adapter, alive, beside = model.expert.adapter, [], []
    embed = adapter.embed

    def counted(context):
        beside.append(sum(one() is not None for one in alive))
        embedded = embed(context)
        alive.append(weakref.ref(embedded))
        return embedded

    one = job(model, control, joining=Joining(by=by))
    wanted = generate_long(one)
    monkeypatch.setattr(adapter, "embed", counted)
    assert torch.equal(generate_long(one), wanted)
    assert beside == [0] * len(one.plan) * OPTIONS.steps


def test_windows_denoised_together_read_their_prompts_once(model, control):
    text = tiny.CountingText()
    plan = planned().edited(2, prompt="x")
    generate_long(job(replace(model, text=text), control, plan, joining=Joining(by="overlap")))
    assert text.read == ["a red fox", "x"]


def test_of_windows_denoised_together_all_is_told(model):
    told, done = [], []
    plan = planned(34, spans=[Span(begin=0, end=17), Span(begin=17, end=34, new_shot=True)])
    one = job(model, tasks.control(clip(34)), plan, joining=Joining(by="overlap"),
              on_chunk=lambda what, *_: told.append(what))  # fmt: skip
    generate_long(one, on_window=done.append)
    assert done == [3, 6]
    assert set(told) == {"encode", "decode"}


def test_a_shot_of_which_all_is_known_is_not_made_by_windows_together_either(model):
    film, masks = clip(34), torch.zeros(1, 1, 34, SIDE, SIDE)
    masks[:, :, :5] = 1
    plan = planned(34, spans=[Span(begin=0, end=17), Span(begin=17, end=34, new_shot=True)])
    made = generate_long(job(model, tasks.inpaint(film, masks), plan, joining=Joining(by="overlap")))
    assert torch.equal(made[:, :, 5:], film[:, :, 5:])


def test_blending_weighs_what_windows_say_of_shared_latents():
    def says(value):
        return lambda latents, sigma: torch.full_like(latents, value)

    first, second = ramp(4, 0, 2), ramp(4, 2, 0)
    assert torch.allclose(first[2:] + second[:2], torch.ones(2))
    both = blended(
        [Stretch(denoise=says(0.0), begin=0, weights=first), Stretch(denoise=says(3.0), begin=2, weights=second)], 1
    )
    frames = both(torch.zeros(1, 2, 7, 1, 1), 0.5)[0, 0, :, 0, 0]
    assert torch.allclose(frames, torch.tensor([1.5, 0, 0, 1, 2, 3, 3]))
    assert pyramid(5).tolist() == [1, 2, 3, 2, 1]
    assert pyramid(4).tolist() == [1, 2, 2, 1]


def test_colours_are_corrected_by_how_shared_frames_were_changed():
    true = clip(9) * 0.5
    made = true * 0.9 + 0.05
    assert (matched_on_shared(made.clone(), true[:, :, :5]) - true).abs().max() < 1e-5
    # Nothing was generated, so nothing is known.
    assert torch.equal(matched_on_shared(true.clone(), true[:, :, :5]), true)
    noise = clip(9, seed=5) * 0.1
    assert (matched_on_shared(noise.clone(), true[:, :, :5]).std() / noise.std()).item() == pytest.approx(1, abs=0.02)


def test_colours_are_drawn_to_the_first_window_more_and_more():
    true = clip(9) * 0.5
    made = true * 0.9 + 0.05
    drawn = drawn_to_first(made.clone(), colours_of(true[:, :, 5:]), 5)
    assert torch.equal(drawn[:, :, :5], made[:, :, :5])
    errors = (drawn - true).abs().mean((0, 1, 3, 4))[5:].tolist()
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.2 * float((made - true).abs().mean())


def test_the_step_of_a_join_fades_out_behind_it(model, control):
    handed = noise_of(1, 3, 2, 8, 8)
    made = torch.cat([handed + 0.2, noise_of(1, 3, 4, 8, 8, seed=1)], dim=2)
    found = faded(made.clone(), handed, 2)
    away = (found - made)[0, 0, :, 0, 0].tolist()
    assert away == pytest.approx([0, 0, -0.2, -0.1, 0, 0], abs=1e-6)  # nothing of the frames that were handed over
    assert faded(made, handed, 0) is made
    assert torch.equal(faded(made.clone(), handed, 9), faded(made.clone(), handed, 4))
    plain, soft = (list(stream(job(model, control, joining=Joining(fade=fade)))) for fade in (0, 3))
    assert torch.equal(soft[0].frames, plain[0].frames)
    assert not torch.equal(soft[1].frames[:, :, :3], plain[1].frames[:, :, :3])
    assert torch.equal(soft[1].frames[:, :, 3:], plain[1].frames[:, :, 3:])


def test_the_step_of_a_join_fades_in_before_frames_that_are_led_up_to(model, control):
    following = noise_of(1, 3, 2, 8, 8)
    made = torch.cat([noise_of(1, 3, 4, 8, 8, seed=1), following + 0.2], dim=2)
    away = (faded_in(made.clone(), following, 2) - made)[0, 0, :, 0, 0].tolist()
    assert away == pytest.approx([0, 0, -0.1, -0.2, 0, 0], abs=1e-6)
    unit, plan = tasks.control(clip(41), prompt="a red fox"), planned(41, window=17)
    whole = list(stream(job(model, unit, plan)))
    shared = whole[2].head
    plain, soft = (
        redo(job(model, unit, plan, joining=Joining(fade=fade)), 1, before=whole[0].handed, after=shared, seed=5)
        for fade in (0, 3)
    )
    new = plain.frames.shape[2] - shared.shape[2]
    assert torch.equal(soft.frames[:, :, new:], plain.frames[:, :, new:])  # they stay as they were
    changed = [not torch.equal(soft.frames[:, :, n], plain.frames[:, :, n]) for n in range(new)]
    assert changed == [True, True, True, False, True, True, True]


def test_an_anchor_changes_later_windows_alone(model, control):
    first = make_window(job(model, control, joining=Joining(anchor="first")), 0)
    plain = make_window(job(model, control, joining=Joining(anchor="none")), 0)
    assert torch.equal(first.frames, plain.frames)
    assert first.handed is not None
    made = {
        anchor: make_window(
            job(model, control, joining=Joining(anchor=anchor)),
            1,
            before=first.handed if anchor == "first" else plain.handed,
        ).frames
        for anchor in ("none", "shared", "first")
    }
    assert not torch.equal(made["shared"], made["none"])
    assert not torch.equal(made["first"], made["shared"])


@pytest.mark.parametrize("kept", ["surroundings", "keyframe", "end clip", "nothing"])
def test_no_window_that_keeps_pixels_of_its_own_is_drawn_to_the_first(model, kept):
    """New pixels are to fit the kept ones beside them, whose colours the first window need not have."""
    masks = torch.ones(1, 1, COUNT, SIDE, SIDE)
    masks[:, :, :, :4] = 0
    free = tasks.text(num_frames=COUNT, height=SIDE, width=SIDE)
    vcu, plan = free, planned()
    if kept == "surroundings":
        vcu = tasks.inpaint(clip(COUNT), masks)
    elif kept == "end clip":
        vcu = tasks.extend(None, clip(7), num_frames=COUNT)
    elif kept == "keyframe":
        plan = planned(keyframes=[Keyframe(frame=11, picture="one")])
    pictures = PlanPictures(keyframes={"one": clip(1)})
    before = HandOver(frames=clip(5, seed=3), first=colours_of(clip(9, seed=4) * 0.2 - 0.7))
    first, shared = (
        make_window(job(model, vcu, plan, pictures=pictures, joining=Joining(anchor=anchor)), 1, before=given).frames
        for anchor, given in (("first", before), ("shared", replace(before, first=None)))
    )
    assert torch.equal(first, shared) == (kept != "nothing")


def refusal(act) -> str:
    with pytest.raises(InputError) as error:
        act()
    return refused(error.value)


def test_what_a_strategy_cannot_do_is_refused(model, control):
    together = job(model, control, joining=Joining(by="overlap"))
    assert refusal(lambda: redo(together, 1)).startswith("together-cannot")
    assert refusal(lambda: list(stream(together, start=1))).startswith("together-cannot")
    for plan in (planned().edited(1, seed=3), replace(planned(), order=(1, 0, 2)), planned(20, window=13, loop=True)):
        assert refusal(lambda plan=plan: generate_long(replace(together, plan=plan))).startswith("together-cannot")
    assert refusal(lambda: Joining(by="magic")).startswith("joining-unknown")
    assert refusal(lambda: Joining(by="overlap", anchor="first")).startswith("anchor-together")


def test_what_is_missing_is_told_before_anything_is_made(model, control):
    whole = job(model, control)
    assert refusal(lambda: redo(whole, 1, after=clip(5))).startswith("redo-neighbour")
    assert refusal(lambda: redo(whole, 9)).startswith("window-unknown")
    assert refusal(lambda: make_window(whole, 1, before=HandOver(frames=clip(3)))).startswith("handed-length")
    named = replace(whole, plan=planned(keyframes=[Keyframe(frame=-1, picture="end.png")]))
    assert refusal(lambda: generate_long(named)) == "plan-picture: name=end.png, there=none"
    small = PlanPictures(keyframes={"end.png": clip(1, 32)})
    assert refusal(lambda: generate_long(replace(named, pictures=small))).startswith("kept-frames-size")
    short = replace(whole, parts=lambda begin, end: tasks.control(clip(1)))
    assert refusal(lambda: generate_long(short)).startswith("part-length")
    loop = replace(whole, plan=planned(20, window=13, loop=True))
    assert refusal(lambda: list(stream(loop, start=1))).startswith("resume-order")


def noise_of(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 0.8 - 0.4


def test_colours_that_drifted_a_little_come_back_exactly_and_no_further_than_a_drift():
    handed = noise_of(1, 3, 2, 8, 8)
    gains, shifts = (torch.tensor(one).view(1, 3, 1, 1, 1) for one in ([1.1, 0.9, 1.2], [0.05, -0.08, 0.02]))
    made = torch.cat([(handed - shifts) / gains, noise_of(1, 3, 3, 8, 8, seed=1)], dim=2)
    found = matched_on_shared(made.clone(), handed)
    assert torch.allclose(found[:, :, :2], handed, atol=1e-5)
    assert torch.allclose(found, (made * gains + shifts).clamp(-1, 1), atol=1e-5)
    for gain, limited in ((1.5, 1.25), (0.5, 0.8)):
        found = matched_on_shared(handed / gain, handed)
        assert float(found[:, 1].std() / (handed / gain)[:, 1].std()) == pytest.approx(limited, rel=1e-4)
    for shift, limited in ((0.3, 0.1), (-0.3, -0.1)):
        assert torch.allclose(matched_on_shared(handed - shift, handed), handed - shift + limited, atol=1e-5)


@pytest.mark.parametrize(("pixels", "matched"), [(63, False), (64, True)])
def test_colours_are_measured_on_sixty_four_pixels_at_least(pixels: int, matched: bool):
    handed = noise_of(1, 3, 2, 8, 8)
    made = handed.clone()
    made[0, 1].view(-1)[:pixels] += 0.05  # of one channel: the others are measured there, too
    assert torch.equal(matched_on_shared(made.clone(), handed), made) != matched


def test_what_is_drawn_to_the_first_window_is_drawn_wholly_at_its_last_frame():
    first = noise_of(1, 3, 4, 8, 8)
    colours = colours_of(first)
    made = torch.cat([noise_of(1, 3, 2, 8, 8, seed=2), first + 0.08], dim=2)
    found = drawn_to_first(made.clone(), colours, 2)
    assert torch.equal(found[:, :, :2], made[:, :, :2])
    for n in range(4):
        assert torch.allclose(found[:, :, 2 + n], first[:, :, n] + 0.08 * (1 - (n + 1) / 4), atol=1e-5)
    far = drawn_to_first(first - 0.3, colours, 0)
    assert torch.allclose(far[:, :, 3], first[:, :, 3] - 0.2, atol=1e-5)
    middle = first.mean((0, 2, 3, 4)).view(1, 3, 1, 1)
    flat = drawn_to_first((first - middle[:, :, None]) * 0.5 + middle[:, :, None], colours, 0)
    assert torch.allclose(flat[:, :, 3], (first[:, :, 3] - middle) * 0.5 * 1.25 + middle, atol=1e-5)
    assert drawn_to_first(made, colours, 6) is made


def test_weights_of_windows_rise_and_fall_evenly():
    assert ramp(5, 2, 1).tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1, 1 / 2])
    assert ramp(2, 0, 0).tolist() == [1, 1]
    assert (pyramid(4).tolist(), pyramid(5).tolist(), pyramid(1).tolist()) == ([1, 2, 2, 1], [1, 2, 3, 2, 1], [1])


@pytest.mark.parametrize(("at", "fits"), [(0, True), (7, True), (8, False), (-1, False)])
def test_frames_are_kept_that_lie_in_the_clip(at: int, fits: bool):
    unit, kept = tasks.text(num_frames=9, height=32, width=48), tiny.clip(2)
    if not fits:
        with pytest.raises(ShapeError) as error:
            keeping(unit, at, kept)
        assert error.value.code == "kept-frames-size"
        return
    found = keeping(unit, at, kept)
    assert torch.equal(found.source[:, :, at : at + 2], kept)
    assert [n for n in range(9) if bool((found.roles[:, :, n] == 1).all())] == [at, at + 1]
    for wrong in (kept[:, :, :, :30], kept[..., :40], kept[:, :2]):
        with pytest.raises(ShapeError):
            keeping(unit, 0, wrong)


def test_a_clip_is_made_longer_by_its_last_frame_and_shorter_by_its_padding():
    unit = tasks.inpaint(tiny.clip(5), torch.ones(1, 1, 5, 32, 48))
    more, less = lengthened(unit, 9, padding=4), lengthened(unit, 1, padding=0)
    assert (more.num_frames, more.padding, less.num_frames, less.padding) == (9, 4, 1, 0)
    assert torch.equal(more.source[:, :, :5], unit.source)
    assert all(torch.equal(more.source[:, :, n], unit.source[:, :, 4]) for n in range(5, 9))
    assert torch.equal(less.source, unit.source[:, :, :1])
    assert lengthened(unit, 5, padding=2).padding == 2
