"""Long clips, part by part: the units of windows, what is kept of them in a folder, and how colours are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from refused import refused
from torch import Tensor

from vace_core import tasks
from vace_core.errors import InputError, VaceError
from vace_core.files.jobs.folder import JobFolder
from vace_core.inputs.masks import soften
from vace_core.models.wan.dit import GRID
from vace_core.pipeline import SamplingOptions, finish
from vace_core.pipeline.anchor import Colours
from vace_core.pipeline.composite import RING, composite, composite_vcu
from vace_core.pipeline.kept_windows import KeptWindows
from vace_core.pipeline.long import redo, stream
from vace_core.pipeline.model import Expert
from vace_core.pipeline.parts import (
    PlanPictures,
    check_pictures,
    keeping,
    lengthened,
    parts_of,
    placed,
    window_unit,
)
from vace_core.pipeline.windowed import HandOver, Joining, MadeWindow, WindowedJob
from vace_core.sampling.planning import Span, plan_windows
from vace_core.sampling.windows import Keyframe, Plan
from vace_core.vcu import FOLLOW, KEEP


def code(act) -> str:
    with pytest.raises(VaceError) as error:
        act()
    return error.value.code


def numbered(count: int, first: int = 0, side: int = 16) -> Tensor:
    """`(1, 3, T, side, side)`: each frame's number in hundredths."""
    return ((torch.arange(count) + first) / 100).view(1, 1, -1, 1, 1).expand(1, 3, -1, side, side).contiguous()


def levels(frames: Tensor) -> list[int]:
    return [round(100 * level) for level in frames[0, 0, :, 0, 0].tolist()]


def planned(count: int = 17, **more) -> Plan:
    return plan_windows(count, fps=16, grid=GRID, window=9, overlap=5, **more)


# Units of windows


def test_stretches_are_cut_out_of_a_whole():
    masks = torch.ones(1, 1, 13, 16, 16)
    masks[:, :, :2] = 0
    whole = replace(tasks.inpaint(numbered(13), masks, prompt="a"), padding=3)
    part = parts_of(whole)
    assert part(0, 10) is whole
    one = part(1, 5)
    assert (levels(one.source), one.padding, one.prompt, one.roles.shape[2]) == ([1, 2, 3, 4], 0, "a", 4)
    assert (one.masks[0, 0, :, 0, 0].tolist(), one.control) == ([0, 1, 1, 1], None)
    assert levels(part(8, 13).source) == [8, 9]  # not beyond what is shown
    control = parts_of(tasks.control(numbered(9)))(2, 4)
    assert (levels(control.control), control.source) == ([2, 3], None)


def test_units_are_brought_to_a_length():
    unit = tasks.inpaint(numbered(5), torch.ones(1, 1, 5, 16, 16))
    more = lengthened(unit, 9, padding=4)
    assert (levels(more.source), more.padding, more.shown_frames) == ([0, 1, 2, 3, 4, 4, 4, 4, 4], 4, 5)
    less = lengthened(more, 5, padding=1)
    assert (levels(less.source), less.padding, less.num_frames) == ([0, 1, 2, 3, 4], 1, 5)
    same = lengthened(more, 9, padding=2)
    assert (same.num_frames, same.padding) == (9, 2)
    assert lengthened(tasks.text(num_frames=5, height=16, width=16), 9, padding=0).source is None


def test_frames_are_kept_at_their_place():
    unit = tasks.text(num_frames=9, height=16, width=16)
    kept = keeping(unit, 3, numbered(2, 50))
    assert levels(kept.source) == [0, 0, 0, 50, 51, 0, 0, 0, 0]
    assert (kept.roles[0, 0, :, 0, 0] == KEEP).tolist() == [False] * 3 + [True] * 2 + [False] * 4
    assert (kept.roles[0, 0, 0, 0, 0], unit.roles.unique().tolist()) == (0, [0])
    again = keeping(kept, 4, numbered(1, 70))
    assert (levels(again.source)[3:5], levels(kept.source)[3:5]) == ([50, 70], [50, 51])
    assert keeping(unit, 7, numbered(2)).num_frames == keeping(unit, 0, numbered(9)).num_frames == 9
    for at, count, side in ((8, 2, 16), (-1, 2, 16), (0, 2, 8)):
        assert (
            code(lambda at=at, count=count, side=side: keeping(unit, at, numbered(count, 0, side)))
            == "kept-frames-size"
        )


def test_clips_are_placed_in_a_stretch_as_far_as_they_lie_in_it():
    unit = tasks.text(num_frames=5, height=16, width=16)
    found = placed(unit, 10, {7: numbered(4, 20), 13: numbered(9, 40), 2: numbered(8, 60), 15: numbered(2, 80)})
    assert levels(found.source) == [23, 0, 0, 40, 41]
    assert (found.roles[0, 0, :, 0, 0] == KEEP).tolist() == [True, False, False, True, True]
    assert placed(unit, 10, {15: numbered(2), 0: numbered(10)}) is unit


def test_a_window_asks_for_what_its_plan_says():
    whole = parts_of(tasks.control(numbered(14), prompt="all"))
    plan = planned(14, keyframes=[Keyframe(frame=6, picture="key"), Keyframe(frame=-1, picture="end")])
    plan = plan.edited(1, prompt="own", negative_prompt="not", references=("fox",))
    keyframes = {"key": numbered(1, 90), "end": numbered(1, 95)}
    references = {"fox": numbered(1, 99, 8), "key": numbered(1, 97, 8)}  # of an image that is both
    pictures = PlanPictures(references=references, keyframes=keyframes)
    first = window_unit(plan, 0, whole, pictures)
    assert (first.prompt, first.references, first.padding, levels(first.source)[6]) == ("all", (), 0, 90)
    assert (first.roles[0, 0, :, 0, 0] == FOLLOW).sum() == 8
    second = window_unit(plan, 1, whole, pictures)
    begin = plan.windows[1].begin
    assert (second.prompt, second.negative_prompt, len(second.references)) == ("own", "not", 1)
    assert second.references[0].shape == (1, 3, 1, 16, 16)
    assert levels(second.source)[6 - begin] == 90
    last = len(plan) - 1
    end = window_unit(plan, last, whole, pictures)
    count = 14 - plan.windows[last].begin
    assert (end.padding, end.num_frames, levels(end.source)[count - 1]) == (
        plan.length(last) - count,
        plan.length(last),
        95,
    )
    back = window_unit(plan, last, whole, pictures, leads_back=True)
    assert back.padding == 0
    check_pictures(plan, pictures)
    for kind, name, left in (("keyframes", "key", "end"), ("keyframes", "end", "key"), ("references", "fox", "key")):
        others = {left: getattr(pictures, kind)[left]}
        with pytest.raises(InputError) as error:
            check_pictures(plan, replace(pictures, **{kind: others}))
        assert refused(error.value) == f"plan-picture: name={name}, there={left}"


def test_windows_have_seeds_and_strengths_of_their_own():
    plan = planned().edited(1, seed=3, strength=0.5).edited(2, strength=0.0)
    job = WindowedJob(model=None, plan=plan, parts=None, options=SamplingOptions(seed=2**64 - 2, strength=0.5))
    assert [job.options_of(number).seed for number in range(3)] == [2**64 - 2, 3, 0]
    assert [job.options_of(number).strength for number in range(3)] == [0.5, 0.25, 0.0]


def test_how_windows_are_joined_by_default():
    assert (Joining().by, Joining().anchored, Joining().fade) == ("latents", "first", 8)
    assert str(Joining()) == "latents, colours anchored: first, steps fade out over 8 frames"
    # Windows that are denoised together have one colour already, and no step.
    assert Joining(by="overlap").anchored == "none"
    assert str(Joining(by="overlap")) == "overlap"
    assert [Joining(by=by).streams for by in ("pixels", "pinned", "latents", "overlap", "pyramid")] == [True] * 3 + [
        False
    ] * 2
    assert code(lambda: Joining(fade=-1)) == "number-range"
    assert code(lambda: Joining(anchor="last")) == code(lambda: Joining(by="glue")) == "joining-unknown"
    assert code(lambda: Joining(by="pyramid", anchor="shared")) == "anchor-together"
    Joining(by="pinned").check_streams("redone")
    assert code(lambda: Joining(by="pyramid").check_streams("redone")) == "together-cannot"


def test_what_cannot_be_made_together_is_named():
    plan = planned()
    job = WindowedJob(model=None, plan=plan, parts=None, options=SamplingOptions(), joining=Joining(by="overlap"),
                      pictures=PlanPictures(keyframes={"a": numbered(1)}))  # fmt: skip
    for change, what in (
        ({"plan": plan.edited(1, seed=0)}, "given seeds of their own"),
        ({"plan": plan.edited(1, references=())}, "given references of their own"),
        ({"plan": replace(plan, keyframes=(Keyframe(frame=0, picture="a"),))}, "given keyframes by the plan"),
        ({"plan": replace(plan, order=(0, 1, 2))}, "made in another order"),
        ({"plan": plan_windows(40, fps=8, grid=GRID, window=13, overlap=5, loop=True)},
         "closed to a loop"),
        ({"pin": True}, "pinned"),
        ({"options": SamplingOptions(denoise=0.5)}, "begun from the source"),
    ):  # fmt: skip
        with pytest.raises(InputError) as error:
            list(stream(replace(job, **change)))
        assert error.value.fields["what"] == what
    one_by_one = replace(job, joining=Joining())
    for number, given in ((0, {}), (1, {"before": HandOver(frames=numbered(5))}), (1, {"after": numbered(5)}), (2, {})):
        assert code(lambda number=number, given=given: redo(one_by_one, number, **given)) == "redo-neighbour"


# What is kept


def window(number: int, plan: Plan, *, handed: bool = True, first: Colours | None = None) -> MadeWindow:
    one = plan.windows[number]
    skip = one.overlap
    frames = numbered(one.frames - skip, one.begin + skip)
    head = numbered(one.overlap, one.begin)
    tail = None
    if handed and number + 1 < len(plan):
        shared = plan.shared_with_next(number)
        tail = HandOver(
            frames=numbered(shared, one.end - shared), latents=torch.full((1, 2, 1, 2, 2), number), first=first
        )
    return MadeWindow(number=number, begin=one.begin + skip, frames=frames, head=head, handed=tail)


def test_windows_are_kept_with_what_their_neighbours_need(tmp_path):
    plan = planned()
    kept = KeptWindows(JobFolder.create(tmp_path / "job", {}), plan)
    assert (kept.done, kept.left, kept.edges()) == ([], [0, 1, 2], {})
    colours = Colours(mean=torch.tensor([0.1, 0.2, 0.3]), spread=torch.tensor([1.0, 2.0, 3.0]))
    kept.keep(window(0, plan, first=colours))
    assert (kept.done, kept.left) == ([0], [1, 2])
    assert (tmp_path / "job" / "windows.m3u").read_text() == "window-0000.mkv\n"
    found = kept.handed(0)
    assert (levels(found.frames), float(found.latents.max())) == ([4, 5, 6, 7, 8], 0)
    assert (found.first.mean.tolist(), found.first.spread.tolist()) == (colours.mean.tolist(), colours.spread.tolist())
    edge = kept.edges()[0]
    assert (edge.begin, edge.frames.shape[2], edge.head.shape[2], levels(edge.handed.frames)[0]) == (0, 0, 0, 4)
    assert "handed" in kept.folder.kept("window-0000").tensors
    assert code(kept.film) == "job-window-gone"
    kept.keep(window(2, plan))
    assert levels(kept.edges()[2].head) == [8, 9, 10, 11, 12]
    kept.keep(window(1, plan))
    assert kept.left == []
    # Every neighbour is done: what edges show is in the films.
    assert sorted(kept.folder.kept("window-0000").tensors) == ["latents", "mean", "spread"]
    assert kept.edges()[1].begin == 0
    assert levels(kept.handed(0).frames) == [4, 5, 6, 7, 8]
    assert (kept.handed(2), float(kept.handed(1).latents.max()), kept.handed(1).first) == (None, 1, None)
    assert levels(kept.frames(7, 15)) == list(range(7, 15))
    assert kept.frames(7, 7).shape[2] == 0
    assert code(lambda: kept.frames(15, 18)) == "job-window-gone"
    film = kept.film()
    assert (film.count, film.fps) == (17, 16)
    assert (tmp_path / "job" / "windows.m3u").read_text().split() == [f"window-000{n}.mkv" for n in range(3)]


def test_windows_are_made_anew_edited_and_replaced(tmp_path):
    plan = planned()
    kept = KeptWindows(JobFolder.create(tmp_path / "job", {}), plan)
    for number in range(3):
        kept.keep(window(number, plan))
    again = replace(window(1, plan), frames=numbered(4, 50))
    kept.replace(again)
    assert levels(kept.frames(8, 14)) == [8, 50, 51, 52, 53, 13]
    assert float(kept.handed(1).latents.max()) == 1
    kept.edit(plan.edited(1, prompt="new"))
    kept.forget([1])
    assert kept.left == [1]
    kept.folder.close()
    opened = KeptWindows(JobFolder.open(tmp_path / "job"), plan)
    assert (opened.plan.windows[1].prompt, opened.done) == ("new", [0])  # the last one began with frames of that
    with pytest.raises(InputError) as error:
        KeptWindows(opened.folder, planned(18))
    assert error.value.code == "job-other-windows"


@pytest.mark.parametrize("ending", ["safetensors", "mkv"])
def test_what_is_gone_of_a_window_is_made_anew_with_what_grew_out_of_it(tmp_path, ending):
    plan = planned()
    kept = KeptWindows(JobFolder.create(tmp_path / "job", {}), plan)
    for number in range(3):
        kept.keep(window(number, plan))
    kept.folder.close()
    (tmp_path / "job" / f"window-0001.{ending}").unlink()
    opened = KeptWindows(JobFolder.open(tmp_path / "job"), plan)
    assert (opened.done, opened.left) == ([0], [1, 2])
    assert levels(opened.edges()[0].handed.frames) == [4, 5, 6, 7, 8]
    for number in opened.left:
        opened.keep(window(number, plan))
    assert opened.film().count == 17


def test_frames_are_given_whole_or_not_at_all(tmp_path):
    plan = planned()
    kept = KeptWindows(JobFolder.create(tmp_path / "job", {}), plan)
    kept.keep(window(0, plan))
    kept.keep(window(2, plan))
    assert code(lambda: kept.frames(5, 15)) == "job-window-gone"
    kept.forget([0])
    assert code(lambda: kept.frames(0, 15)) == "job-window-gone"


def test_windows_made_together_are_kept_as_shots(tmp_path):
    plan = planned(34, spans=[Span(begin=0, end=17), Span(begin=17, end=34, new_shot=True)])
    kept = KeptWindows(JobFolder.create(tmp_path / "job", {}), plan, together=True)
    assert kept.left == [0, 3]
    shot = MadeWindow(number=3, begin=17, frames=numbered(17, 17), head=numbered(0), handed=None)
    kept.keep(shot)
    assert (kept.done, kept.left) == ([3], [0])
    kept.keep(replace(shot, number=0, begin=0, frames=numbered(17)))
    assert levels(kept.frames(15, 19)) == [15, 16, 17, 18]
    assert kept.film().count == 34


def test_a_window_that_was_made_after_the_next_one_ends_with_frames_of_that(tmp_path):
    plan = replace(planned(), order=(2, 1, 0))
    kept = KeptWindows(JobFolder.create(tmp_path / "job", {}), plan)
    for number in plan.made_in:
        one = plan.windows[number]
        kept.keep(MadeWindow(number=number, begin=one.begin, frames=numbered(one.frames, one.begin),
                             head=numbered(one.overlap, one.begin), handed=None))  # fmt: skip
    film = kept.film()
    shown = torch.cat([chunk.frames for chunk in film.chunks(deep=True)], dim=2)
    assert (film.count, levels(shown)) == (17, list(range(17)))


# Kept pixels and colours


def hole(side: int = 40) -> Tensor:
    masks = torch.zeros(1, 1, 1, side, side)
    masks[..., 14:26, 14:26] = 1
    return masks


def test_colours_are_compared_on_sixteen_pixels_at_least():
    truth = torch.rand(1, 3, 1, 40, 40, generator=torch.Generator().manual_seed(0)) - 0.5
    for pixels, enough in ((15, False), (16, True)):
        made = truth.clone()
        made[..., 8, 12 : 12 + pixels] += 0.1
        act = lambda made=made: composite(made, truth, hole(), match_colour=True)  # noqa: E731
        assert (act() is not None) if enough else code(act) == "colours-not-comparable"
    ring = truth.clone()
    ring[..., 14 - RING - 1, :] += 0.1  # a pixel too far away
    assert code(lambda: composite(ring, truth, hole(), match_colour=True)) == "colours-not-comparable"


@pytest.mark.parametrize(("spread", "gain"), [(0.25, 2.0), (0.8, 1.25), (1.6, 0.625), (4.0, 0.5)])
def test_contrast_is_matched_within_a_factor_of_two(spread, gain):
    truth = (torch.rand(1, 3, 1, 40, 40, generator=torch.Generator().manual_seed(0)) - 0.5) * 0.2
    found = composite(truth * spread, truth, hole(), match_colour=True)
    inside = hole().bool().expand_as(truth)
    mean = truth.mean()
    assert torch.allclose(found[inside] - mean, (truth * spread * gain)[inside] - mean, atol=0.02)
    assert float(found[inside].std() / (truth * spread)[inside].std()) == pytest.approx(gain, rel=0.02)


def test_a_blend_shows_the_source_inside_the_mask_only():
    made, source, masks = torch.full((1, 3, 1, 40, 40), 0.5), torch.zeros(1, 3, 1, 40, 40), hole()
    found = composite(made, source, masks, blend=soften(masks, 3))
    assert found[0, 0, 0, 20, 12:20].tolist() == [0, 0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    for blend in (masks * 1.01, masks * 0 - 0.01):
        assert code(lambda blend=blend: composite(made, source, masks, blend=blend)) == "blend-values"
    assert code(lambda: composite(made, source, masks, blend=1 - masks)) == "blend-outside-mask"
    assert code(lambda: composite(made, source, masks, blend=masks[..., :39])) == "blend-size"
    assert code(lambda: composite(made[..., :39], source, masks)) == "composite-size"


def test_a_unit_is_finished_with_what_it_keeps():
    source, made = torch.full((1, 3, 1, 48, 48), 0.4), torch.full((1, 3, 1, 48, 48), -0.4)
    unit = tasks.outpaint(source[..., :32], right=16)
    soft = composite_vcu(made, unit, feather=3)
    # Where there is no source its last pixel is carried on under the soft edge.
    row = soft[0, 0, 0, 24, 30:38].tolist()
    assert row == pytest.approx([0.4, 0.4, 0.2, 0.0, -0.2, -0.4, -0.4, -0.4])
    assert code(lambda: composite_vcu(made, tasks.text(num_frames=1, height=48, width=48))) == "nothing-kept"
    hard = composite_vcu(made, unit)
    assert hard[0, 0, 0, 24, 31:33].tolist() == pytest.approx([0.4, -0.4])


def test_what_is_made_is_corrected_before_kept_pixels_are_put_back():
    vae = tiny.vae()
    unit = tasks.inpaint(torch.full((1, 3, 1, 48, 48), 0.4), torch.nn.functional.pad(hole(), (4, 4, 4, 4)))
    latents = torch.randn(1, 16, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    plain = finish(vae, unit, latents)
    found = finish(vae, unit, latents, correct=lambda frames: frames * 0 + 0.25)
    inside = unit.masks.bool().expand_as(found)
    assert (found[inside] == 0.25).all()
    assert (found[~inside] == unit.source[~inside]).all()
    whole = vae.decode(latents)
    assert torch.allclose(plain[inside], whole[inside], atol=1e-5)
    free = tasks.text(num_frames=1, height=48, width=48)
    assert torch.equal(finish(vae, free, latents), whole)
    assert (finish(vae, free, latents, correct=lambda frames: frames * 0 + 0.25) == 0.25).all()
    for wrong in ({"feather": 1}, {"match_colour": True}, {"blend_mode": "multiband"}):
        assert code(lambda wrong=wrong: finish(vae, free, latents, **wrong)) == "finish-without-source"


def test_adapters_are_as_many_as_bases():
    model = tiny.model()
    adapter = model.expert.adapter
    pair = replace(model, low_noise=Expert(base=model.expert.base, adapter=adapter))
    assert pair.detach().low_noise.adapter is None
    assert pair.detach().attach(adapter, adapter).low_noise.adapter is adapter
    assert model.detach().attach(adapter).low_noise is None
    for one, given, came in ((model, (adapter, adapter), "Two adapters"), (pair, (adapter,), "One adapter")):
        with pytest.raises(InputError) as error:
            one.attach(*given)
        assert error.value.fields["came"] == came
        assert error.value.fields["needed"] == ("one" if one is model else "two (high and low noise)")
