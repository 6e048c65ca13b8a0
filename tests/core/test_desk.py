"""The desk: its document comes back as it was, its masks are what was drawn, and every action does what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refused import refused

from vace_core.errors import InputError
from vace_core.geometry import Grid
from vace_core.inputs.box_paths import paths_to_json
from vace_core.inputs.desk.document import (
    ACTIONS,
    EASES,
    LONGEST_LABEL,
    STROKES,
    ClipSize,
    Desk,
    DeskKey,
    DeskObject,
    Shape,
    Stroke,
    Way,
)
from vace_core.inputs.desk.drawing import draw_object, feathered, grown
from vace_core.inputs.desk.reading import clip_notes, desk_from_json, desk_to_json
from vace_core.inputs.fitted import Fitted, Source, Target, fit_clip
from vace_core.inputs.layout import BoxKey, BoxPath, path_mask
from vace_core.tasks.desk import desk_condition, layers_of
from vace_core.vcu import FOLLOW, KEEP, REPAINT

quick = settings(max_examples=15, deadline=None, derandomize=True)

places, sizes = st.floats(-10, 10), st.floats(0.0001, 10)
times = st.sets(st.integers(0, 100), min_size=1, max_size=4).map(lambda some: [n / 100 for n in sorted(some)])


@st.composite
def keys(draw, least=1):
    some = draw(times.filter(lambda found: len(found) >= least))
    return tuple(
        DeskKey(
            time=time,
            x=draw(places),
            y=draw(places),
            width=draw(sizes),
            height=draw(sizes),
            angle=draw(st.floats(-3600, 3600)),
            tracked=draw(st.booleans()),
        )
        for time in some
    )


strokes = st.builds(
    Stroke,
    kind=st.sampled_from(STROKES),
    points=st.lists(st.tuples(places, places), min_size=3, max_size=5).map(tuple),
    width=st.floats(0, 10),
)


SMOOTH = st.sampled_from((False, True, "auto"))


@st.composite
def objects(draw):
    box = draw(st.one_of(st.just(()), keys()))
    path = draw(st.builds(Way, keys=keys(2), smooth=SMOOTH, ease=st.sampled_from(EASES))) if box else None
    shapes = tuple(
        Shape(time=time, strokes=tuple(draw(st.lists(strokes, max_size=3))))
        for time in draw(st.one_of(st.just([]), times))
    )
    return DeskObject(
        action=draw(st.sampled_from(ACTIONS)),
        label=draw(st.text(max_size=9)),
        order=draw(st.integers(-9, 9)),
        colour=draw(st.tuples(*[st.integers(0, 255)] * 3)),
        prompt=draw(st.text(max_size=9)),
        picture=draw(st.integers(0, 9)),
        grow=draw(st.integers(-512, 512)),
        feather=draw(st.integers(0, 256)),
        strength=draw(st.floats(0, 2)),
        smooth=draw(SMOOTH),
        keys=box,
        shapes=shapes,
        path=draw(st.one_of(st.none(), st.just(path))),
    )


@quick
@given(st.lists(objects(), max_size=3), st.one_of(st.none(), st.just(ClipSize(width=64, height=48, frames=17))))
def test_json_gives_the_drawing_back(some, clip):
    desk = Desk(objects=tuple(some), clip=clip)
    assert desk_from_json(desk_to_json(desk)) == desk


def test_what_may_be_missing_has_the_defaults():
    assert desk_from_json('{"version": 1, "objects": [{"action": "keep"}]}') == Desk(
        objects=(DeskObject(action="keep"),)
    )
    assert desk_from_json(" ") == desk_from_json("[]") == Desk()


def test_paths_and_points_of_other_editors_become_objects_to_generate():
    path = BoxPath(keys=(BoxKey(time=0, x=0.5, y=0.5, width=0.2, height=0.2),), label="dog", smooth=True)
    (one,) = desk_from_json(paths_to_json([path])).objects
    assert (one.action, one.label, one.smooth, one.keys[0].x) == ("generate", "dog", True, 0.5)
    text = '[{"x": 16, "y": 24}, {"x": 32, "y": 24}]'
    (one,) = desk_from_json(text, size=(64, 48), box=(16, 12)).objects
    assert [(at.time, at.x, at.y, at.width, at.height) for at in one.keys] == [
        (0, 0.25, 0.5, 0.25, 0.25),
        (1, 0.5, 0.5, 0.25, 0.25),
    ]


AT = {"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}


def text(**changes: object) -> str:
    return json.dumps({"version": 1, "objects": [{"action": "remove", "label": "dog", **changes}]})


DOG = 'Object 1 ("dog")'


@pytest.mark.parametrize(
    ("given_text", "message"),
    [
        ("{", "desk-unreadable: error=(boxes-not-json: reason=Expecting property name enclosed in double quotes: "
         "line 1 column 2 (char 1))"),
        (" " * 7 + "1" * 1_000_001, "desk-unreadable: error=(boxes-too-long: length=1000008, limit=1000000)"),
        ('{"nodes": [], "links": []}', "desk-not-ours: fields=['nodes', 'links']"),
        ('{"version": 2, "objects": []}', "desk-version: version=2"),
        ('{"version": 1, "objects": 3}', "desk-list: most=64, value=3, what=objects, where=The drawing"),
        (text(action="cut"), "boxes-invalid: error=(desk-choice: known=keep, remove, replace, move, control, generate, "
         f"name=action, value='cut'), where={DOG}"),
        (text(speed=1), "boxes-fields: came=has the unknown field 'speed', known=action, label, order, colour, prompt, "
         f"picture, grow, feather, strength, smooth, keys, shapes, path, where={DOG}"),
        (text(keys=[{**AT, "x": 11}]), "boxes-invalid: error=(number-range: needed=[-10, 10], value=11, what=x), "
         f"where={DOG}, key 1"),
        (text(keys=[AT, AT]), "boxes-invalid: error=(desk-order: before=0, time=0, what=The box), "
         f"where={DOG}"),
        (text(keys=[AT], path={"keys": [AT]}), "boxes-invalid: error=(desk-path-short: count=1), "
         f"where={DOG}, path"),
        (text(path={"keys": [AT, {**AT, "time": 1}]}), "boxes-invalid: error=(desk-path-without-box), "
         f"where={DOG}"),
        (text(shapes=[{"time": 0, "strokes": [{"kind": "lasso", "points": [[0, 0], [1, 1]]}]}]),
         f"boxes-invalid: error=(desk-stroke-short: count=2, kind=lasso, least=3), where={DOG}, shape 1, stroke 1"),
        (text(shapes=[{"time": 0, "strokes": [{"kind": "brush", "points": [[0, 0, 0]]}]}]),
         f"desk-point: value=[0, 0, 0], where={DOG}, shape 1, stroke 1"),
        (text(prompt="a" * 20_001), f"boxes-invalid: error=(desk-text-long: count=20001, most=20000, name=prompt), "
         f"where={DOG}"),
        (text(shapes=[{"time": 0, "strokes": [{"kind": "brush", "points": [[0, 0]] * 10_001}] * 2}]),
         f"boxes-invalid: error=(desk-too-much: count=20002, most=20000, what=points of strokes), where={DOG}"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(given_text, message):
    with pytest.raises(InputError) as error:
        desk_from_json(given_text)
    assert refused(error.value) == message


def test_a_clip_that_changed_is_told_and_the_drawing_kept():
    desk = Desk(objects=(DeskObject(action="keep"),), clip=ClipSize(width=64, height=48, frames=17))
    assert clip_notes(desk, 64, 48, 17) == []
    assert len(clip_notes(desk, 128, 96, 17)) == 1
    assert len(clip_notes(desk, 48, 48, 9)) == 3


# Masks


def overlap(mask, truth) -> float:
    mask = np.asarray(mask) > 0
    return float((mask & truth).sum() / (mask | truth).sum())


def circle(x: float, y: float, radius: float, height: int, width: int):
    """Pixels whose centre lies within `radius` pixels of a place in pixels."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def round_lasso(x: float, y: float, radius: float, height: int, width: int, kind="lasso") -> Stroke:
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    points = [((x + radius * np.cos(a)) / width, (y + radius * np.sin(a)) / height) for a in angles]
    return Stroke(kind=kind, points=tuple(points))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.sampled_from([(160, 256), (240, 240), (480, 832)]),
    st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)),
    st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)),
    st.floats(0.8, 1.8),
    st.floats(-180, 180),
)
def test_the_mask_is_what_was_drawn_carried_by_its_box(size, start, end, scale, angle):
    height, width = size
    radius = 0.18 * height
    (x, y), (to_x, to_y) = ((a * width, b * height) for a, b in (start, end))
    box = {"width": 0.3, "height": 0.4}
    eye = radius / 2  # a hole beside the middle, which turns with it
    one = DeskObject(
        action="remove",
        keys=(
            DeskKey(time=0, x=start[0], y=start[1], **box),
            DeskKey(time=1, x=end[0], y=end[1], width=0.3 * scale, height=0.4 * scale, angle=angle),
        ),
        shapes=(
            Shape(
                time=0,
                strokes=(
                    round_lasso(x, y, radius, height, width),
                    Stroke(kind="erase", width=eye / width, points=(((x + eye) / width, y / height),)),
                ),
            ),
        ),
    )
    masks = draw_object(one, 5, height, width)
    truth = circle(x, y, radius, height, width) & ~circle(x + eye, y, eye / 2, height, width)
    assert overlap(masks[0], truth) >= 0.98
    at = np.deg2rad(angle)
    hole = to_x + eye * scale * np.cos(at), to_y + eye * scale * np.sin(at)
    truth = circle(to_x, to_y, radius * scale, height, width) & ~circle(*hole, eye / 2 * scale, height, width)
    assert overlap(masks[-1], truth) >= 0.98


@pytest.mark.parametrize("part", [0.03, 0.06, 0.12])
def test_a_stroke_is_as_wide_as_its_brush(part):
    height, width = 240, 416
    start, end = (0.45 * width, 0.3 * height), (0.6 * width, 0.2 * height)
    ends = tuple((x / width, y / height) for x, y in (start, end))
    drawn = Shape(time=0, strokes=(Stroke(kind="brush", width=part, points=ends),))
    masks = draw_object(DeskObject(action="remove", shapes=(drawn,)), 1, height, width)
    rows, columns = np.mgrid[:height, :width] + 0.5
    along = np.array(end) - start
    reached = ((columns - start[0]) * along[0] + (rows - start[1]) * along[1]) / (along @ along)
    nearest = [start[axis] + reached.clip(0, 1) * along[axis] for axis in (0, 1)]
    truth = np.hypot(columns - nearest[0], rows - nearest[1]) <= part * width / 2
    assert overlap(masks[0], truth) >= 0.98


def test_strokes_add_and_take_away_in_order():
    height = width = 96
    drawn = (
        Stroke(kind="brush", width=20 / width, points=((24 / width, 0.5), (72 / width, 0.5))),
        round_lasso(48, 48, 18, height, width),
        round_lasso(48, 48, 8, height, width, kind="cut"),
        Stroke(kind="brush", width=4 / width, points=((0.5, 0.5),)),
    )
    masks = draw_object(DeskObject(action="remove", shapes=(Shape(time=0, strokes=drawn),)), 1, height, width)
    rows, columns = np.mgrid[:height, :width] + 0.5
    bar = (np.clip(np.maximum(24 - columns, columns - 72), 0, None) ** 2 + (rows - 48) ** 2) <= 100
    truth = (bar | circle(48, 48, 18, height, width)) & ~circle(48, 48, 8, height, width)
    assert overlap(masks[0], truth | circle(48, 48, 2, height, width)) >= 0.98


def test_a_shape_holds_until_the_next():
    strokes_at = [(round_lasso(20, 20, 9, 64, 64),), (round_lasso(40, 40, 9, 64, 64),)]
    drawn = tuple(Shape(time=time, strokes=some) for time, some in zip((0.25, 0.75), strokes_at, strict=True))
    masks = draw_object(DeskObject(action="keep", shapes=drawn), 5, 64, 64)
    assert [overlap(mask, circle(20, 20, 9, 64, 64)) > 0.9 for mask in masks] == [True, True, True, False, False]
    assert [overlap(mask, circle(40, 40, 9, 64, 64)) > 0.9 for mask in masks] == [False, False, False, True, True]


def test_a_level_box_without_a_shape_is_that_of_layouts():
    ends = [{"time": 0, "x": 0.31, "y": 0.2, "width": 0.21, "height": 0.3}]
    ends += [{"time": 1, "x": 0.9, "y": 1.1, "width": 0.4, "height": 0.17}]
    one = DeskObject(action="remove", keys=tuple(DeskKey(**end) for end in ends), smooth=True)
    boxes = path_mask(
        [BoxPath(keys=tuple(BoxKey(**end) for end in ends), smooth=True)], num_frames=9, height=48, width=80
    )
    assert np.array_equal(draw_object(one, 9, 48, 80) > 0, boxes[0, 0].numpy() > 0)


def test_only_the_frames_asked_for_are_drawn_and_alike():
    one = DeskObject(
        action="remove", keys=(DeskKey(**AT),), shapes=(Shape(time=0, strokes=(round_lasso(20, 20, 9, 64, 64),)),)
    )
    some = draw_object(one, 9, 64, 64, frames=[2, 5])
    assert np.array_equal(some[[2, 5]], draw_object(one, 9, 64, 64)[[2, 5]])
    assert not np.delete(some, [2, 5], axis=0).any()


def test_grow_and_feather_are_those_of_masks():
    mask = draw_object(
        DeskObject(action="keep", shapes=(Shape(time=0, strokes=(round_lasso(32, 32, 10, 64, 64),)),)), 1, 64, 64
    )
    assert overlap(grown(mask, 5)[0], circle(32, 32, 15, 64, 64)) > 0.96
    assert overlap(grown(mask, -5)[0], circle(32, 32, 5, 64, 64)) > 0.85
    soft = feathered(mask, 4)
    assert np.array_equal(soft > 0, mask > 0)
    assert soft[0, 32, 32] == 1
    assert 0 < soft[0, 32, 23] < 1


# Actions


def clip(frames=5, height=32, width=48) -> Fitted:
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (frames, height, width, 3), generator=generator, dtype=torch.uint8)
    return fit_clip(Source(frames=levels, fps=8.0), Target(takes=Grid(frames=4, pixels=8, patch=2)))


def box(x=0.5, y=0.5, side=0.5, **more) -> dict:
    return {"keys": (DeskKey(time=0, x=x, y=y, width=side, height=side, **more),)}


def made(*some: DeskObject, **named):
    return desk_condition(Desk(objects=some), clip(), **named)


def filled(one: DeskObject, **more) -> np.ndarray:
    return draw_object(one, 5, 32, 48, **more) > 0


@pytest.mark.parametrize("action", ["remove", "generate"])
def test_remove_and_generate_inpaint_the_mask(action):
    one = DeskObject(action=action, prompt="a dog", grow=2, **box())
    found = made(one, prompt="a street")
    assert np.array_equal(found.vcu.masks[0, 0].numpy() > 0, grown(draw_object(one, 5, 32, 48), 2) > 0)
    assert torch.equal(found.vcu.source, clip().frames)
    assert found.vcu.prompt == "a street; a dog"
    assert (found.strengths, found.references, found.notes) == (None, (), ())


def test_keep_is_in_front_of_all():
    keep = DeskObject(action="keep", order=-5, **box(0.25, 0.5, 0.5))
    gone = DeskObject(action="remove", order=5, **box(0.5, 0.5, 0.9))
    masks = made(keep, gone).vcu.masks[0, 0].numpy() > 0
    assert np.array_equal(masks, filled(gone) & ~filled(keep))


def test_keep_alone_has_all_the_rest_generated():
    keep = DeskObject(action="keep", **box(0.25, 0.5, 0.5))
    assert np.array_equal(made(keep).vcu.masks[0, 0].numpy() > 0, ~filled(keep))


def test_replace_has_its_picture_as_a_reference():
    pictures = [torch.full((1, 3, 1, 8, 8), level) for level in (-1.0, 0.5, 1.0)]
    some = [DeskObject(action="replace", picture=n, **box(x, 0.5, 0.3)) for n, x in ((2, 0.2), (3, 0.5), (2, 0.8))]
    found = made(*some, pictures=pictures)
    assert [float(one.mean()) for one in found.references] == [0.5, 1.0]
    assert found.vcu.num_references == 2
    assert np.array_equal(found.vcu.masks[0, 0].numpy() > 0, np.any([filled(one) for one in some], axis=0))


def test_control_is_followed_where_it_is_drawn():
    one, other = DeskObject(action="control", **box(0.25)), DeskObject(action="remove", **box(0.75, 0.5, 0.3))
    signal = torch.full((1, 3, 5, 32, 48), 0.25)
    vcu = made(one, other, follow=lambda: signal).vcu
    assert np.array_equal((vcu.roles[0, 0] & FOLLOW).numpy() > 0, filled(one))
    assert np.array_equal(vcu.masks[0, 0].numpy() > 0, filled(one) | filled(other))
    assert torch.equal(vcu.frames[:, :, :, 16, 12], torch.full((1, 3, 5), 0.25))


def goes(x=0.25, to=0.75, angle=0.0, scale=1.0, ease="linear", **more) -> DeskObject:
    side = 0.25
    ends = (
        DeskKey(time=0, x=x, y=0.5, width=side, height=side * 1.5),
        DeskKey(time=1, x=to, y=0.5, width=side * scale, height=side * 1.5 * scale, angle=angle),
    )
    return DeskObject(action="move", keys=ends[:1], path=Way(keys=ends, ease=ease), **more)


def test_a_cut_out_moves_with_its_box_and_leaves_a_hole():
    one = goes()
    found, source = made(one), clip().frames
    here, there = filled(one), filled(one, there=True)
    assert np.array_equal(found.vcu.masks[0, 0].numpy() > 0, here & ~there)
    # Half the frame's width in the last frame: a whole number of pixels, so the pixels are the same.
    assert torch.allclose(found.vcu.source[0, :, 4, 10:22, 30:42], source[0, :, 4, 10:22, 6:18], atol=1e-6)
    kept = (found.vcu.roles & (KEEP | REPAINT)) == KEEP
    assert bool(kept[0, 0, 4, 10:22, 30:42].all())


def test_a_cut_out_turns_and_scales_with_its_box():
    height = width = 64
    frames = torch.full((2, height, width, 3), 30, dtype=torch.uint8)
    frames[:, 28:36, 8:24] = torch.tensor([250, 30, 30], dtype=torch.uint8)  # a bar, lying
    film = fit_clip(Source(frames=frames, fps=8.0), Target(takes=Grid(frames=1, pixels=8, patch=2)))
    keys_ = (
        DeskKey(time=0, x=0.25, y=0.5, width=0.3, height=0.3),
        DeskKey(time=1, x=0.625, y=0.5, width=0.6, height=0.6, angle=90),
    )
    one = DeskObject(action="move", keys=keys_[:1], path=Way(keys=keys_))
    source = desk_condition(Desk(objects=(one,)), film).vcu.source
    red = source[0, 0, 1].numpy() > 0.5
    rows, columns = np.mgrid[:height, :width] + 0.5
    standing = (abs(columns - 40) <= 8) & (abs(rows - 32) <= 16)  # twice as large
    old = (abs(columns - 16) <= 8) & (abs(rows - 32) <= 4)  # under the hole
    assert overlap(red & ~old, standing) > 0.9


def test_grow_of_what_moves_generates_a_rim_where_it_lands():
    one = goes(grow=2)
    masks = made(one).vcu.masks[0, 0].numpy() > 0
    there = draw_object(one, 5, 32, 48, there=True)
    rim = (grown(there, 2) > 0) & ~(there > 0)
    assert (masks | ~rim).all()
    assert not (masks & (there > 0)).any()


def test_an_eased_path_starts_and_stops_slowly():
    at = [
        float(np.nonzero(filled(goes(ease=ease), there=True)[1].any(axis=0))[0].mean())
        for ease in ("in", "linear", "out")
    ]
    assert at[0] < at[1] < at[2]
    ends = [filled(goes(ease=ease), there=True)[[0, -1]] for ease in EASES]
    assert all(np.array_equal(one, ends[0]) for one in ends)


def test_what_moved_is_seen_over_what_was_removed_and_keep_over_both():
    moving, gone = goes(), DeskObject(action="remove", order=9, **box(0.75, 0.5, 0.5))
    keep = DeskObject(action="keep", **box(0.75, 0.2, 0.2))
    masks = made(moving, gone, keep).vcu.masks[0, 0].numpy() > 0
    lands = filled(moving, there=True) & ~filled(keep)
    assert not (masks & lands).any()
    assert np.array_equal(masks, (filled(gone) | filled(moving)) & ~lands & ~filled(keep))


def test_order_says_who_is_in_front():
    moving = goes()
    over = DeskObject(action="generate", order=1, **box(0.75, 0.5, 0.5))
    assert (made(moving, over).vcu.masks[0, 0].numpy() > 0)[filled(over)].all()
    under = replace(over, order=-1)
    assert not (made(moving, under).vcu.masks[0, 0].numpy() > 0)[filled(moving, there=True)].any()


def test_strengths_are_where_their_objects_are():
    weak, strong = (DeskObject(action="remove", strength=s, **box(x, 0.5, 0.3)) for s, x in ((0.25, 0.2), (2.0, 0.8)))
    found = made(weak, strong).strengths
    assert found is not None
    levels = found[0, 0].numpy()
    assert (levels[filled(weak)] == 0.25).all()
    assert (levels[filled(strong)] == 2.0).all()
    assert (levels[~filled(weak) & ~filled(strong)] == 1).all()


def test_layers_of_some_frames_are_those_of_all():
    desk = Desk(objects=(goes(grow=1), DeskObject(action="remove", grow=2, **box(0.5, 0.2, 0.4))))
    some, every = layers_of(desk, 5, 32, 48, frames=[0, 3]), layers_of(desk, 5, 32, 48)
    for a, b in zip(some.made, every.made, strict=True):
        assert np.array_equal(a[[0, 3]], b[[0, 3]])
        assert not a[[1, 2, 4]].any()


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (DeskObject(action="replace", label="dog", **box()), 'desk-picture: count=0, name=Object 1 ("dog"), '
         "which=a picture, and none is chosen"),
        (DeskObject(action="replace", picture=2, **box()), "desk-picture: count=0, name=Object 1, which=picture 2"),
        (DeskObject(action="control", **box()), "desk-lacks: cure=Connect control, name=Object 1, "
         "what=is to follow a control, and none is connected"),
        (DeskObject(action="remove", **box(5.0)), "desk-nothing: why=Object 1 is outside of the frame, or empty, in "
         "every frame: it does nothing."),
        (DeskObject(action="remove"), "desk-nothing: why=Object 1 is not drawn yet: it has no box and no stroke, and "
         "does nothing."),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(one, message):
    with pytest.raises(InputError) as error:
        made(one)
    assert refused(error.value) == message


def test_objects_that_do_nothing_are_told():
    found = made(
        DeskObject(action="remove", **box()),
        DeskObject(action="remove", **box(5.0)),
        DeskObject(action="move", **box(0.1, 0.1, 0.1)),
    )
    assert len(found.notes) == 2
    assert "Object 2" in found.notes[0]
    assert "Object 3" in found.notes[1]


def test_a_box_over_the_upper_left_corner_has_its_part_inside():
    drawn = filled(DeskObject(action="remove", **box(x=0.0, y=0.0)))
    assert drawn[:, :8, :12].all()
    assert drawn.sum() == 5 * 8 * 12


def test_words_may_be_as_long_as_is_said():
    assert DeskObject(action="remove", label="a" * LONGEST_LABEL, **box()).label
    with pytest.raises(InputError) as error:
        DeskObject(action="remove", label="a" * (LONGEST_LABEL + 1), **box())
    assert refused(error.value).startswith("desk-text-long: ")
