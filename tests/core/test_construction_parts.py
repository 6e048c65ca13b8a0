"""Data construction: limits of boxes, films, filters and measures on both sides, and what is kept of a shot."""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from vace_core.errors import InputError
from vace_core.geometry import Box
from vace_core.training.construction import measures
from vace_core.training.construction.boxes import Found, Given, Kept, chosen, overlap, read_given
from vace_core.training.construction.build import Built, How, Source, Tools, build
from vace_core.training.construction.films import check_shard, cropped, even, films_in, scaled_size
from vace_core.training.construction.filters import Limits, judge, values_of
from vace_core.training.construction.shots import Shot, pieces


def texture(seed: int, height: int, width: int) -> Tensor:
    """`(H, W, 3)` uint8: soft blots."""
    drawn = torch.rand(1, 3, height // 8 + 2, width // 8 + 2, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(drawn, size=(height, width), mode="bicubic").clamp(0, 1)
    return (large[0].permute(1, 2, 0) * 255).to(torch.uint8)


# Boxes


def test_given_boxes_become_pixels(tmp_path):
    (tmp_path / "a.boxes.json").write_text(
        '[{"box": [0, 0.25, 0.5, 1], "label": "fox", "time": 1.5}, {"box": [0.1, 0, 1, 0.9]}]'
    )
    one, other = read_given(tmp_path / "a.boxes.json", 9.0)
    assert astuple(one) == (0.0, 0.25, 0.5, 1.0, "fox", 1.5)
    assert astuple(other) == (0.1, 0.0, 1.0, 0.9, "", 0.0)
    assert one.at(3, 40, 60) == Found(box=Box(0, 10, 30, 40), label="fox", score=1.0, frame=3)
    assert (Found(box=Box(0, 0, 1, 1)).frame, Given(left=0, top=0, right=1, bottom=1).time) == (0, 0.0)


@pytest.mark.parametrize(
    "wrong", [{"box": [0, 0, 1.01, 1]}, {"box": [-0.01, 0, 1, 1]}, {"box": [0, 0, 1, 1], "time": -0.1},
              {"box": [0, 0.5, 1, 0.5]}, {"box": [0.6, 0, 0.5, 1]}, {"box": [0, 0, 1, 1], "label": 3}, {"label": "a"},
              {"box": [0, 0, 1, 1, 1]}]
)  # fmt: skip
def test_a_box_outside_the_frame_or_of_no_area_is_refused(tmp_path, wrong):
    (tmp_path / "a.boxes.json").write_text(json.dumps([wrong]))
    with pytest.raises(InputError):
        read_given(tmp_path / "a.boxes.json", 9.0)


def test_which_boxes_are_kept_at_the_limits():
    assert astuple(Kept()) == (0.01, 0.7, 0.7, 0.005, 4, 0.7)

    def kept(*boxes: Box, frames: tuple[int, ...] = (0, 0, 0), **limits: float) -> tuple[int, dict[str, int]]:
        found = [Found(box=box, frame=frame) for box, frame in zip(boxes, frames, strict=False)]
        stay, dropped = chosen(found, 100, 100, Kept(**limits))
        return len(stay), dropped

    small, large, twice = Box(0, 0, 10, 10), Box(0, 0, 100, 70), (Box(0, 0, 20, 10), Box(0, 0, 10, 10))
    assert kept(small) == kept(large) == (1, {})
    assert kept(small, least=0.011) == (0, {"too small": 1})
    assert kept(large, most=0.699) == (0, {"too large": 1})
    assert kept(*twice, overlap=0.5) == kept(*twice, overlap=0.4, frames=(0, 1)) == (2, {})
    assert kept(*twice, overlap=0.4) == (1, {"twice": 1})
    assert kept(Box(0, 0, 0, 50), least=0) == (0, {"too small": 1})
    for name in ("least", "most", "present", "visible", "overlap"):
        Kept(**{name: 0})
        Kept(**{name: 1})
        for wrong in (-0.01, 1.01):
            with pytest.raises(InputError):
                Kept(**{name: wrong})


def test_overlap_is_what_both_have_of_what_either_has():
    assert overlap(Box(0, 0, 4, 2), Box(2, 0, 6, 2)) == 4 / 12
    assert overlap(Box(0, 0, 4, 2), Box(1, 1, 3, 5)) == 2 / 14
    assert overlap(Box(1, 1, 3, 5), Box(0, 0, 4, 2)) == 2 / 14
    assert overlap(Box(0, 0, 4, 2), Box(4, 0, 6, 2)) == 0
    assert overlap(Box(0, 0, 0, 0), Box(0, 0, 0, 0)) == 0


# Films, shots and filters


def film(width: int, height: int, aspect: float = 1.0) -> SimpleNamespace:
    return SimpleNamespace(width=width, height=height, aspect=aspect)


def test_sizes_of_films():
    assert scaled_size(film(1920, 1080), 720) == (720, 1280)
    assert scaled_size(film(1080, 1920), 540) == (960, 540)
    assert scaled_size(film(640, 360), 720) == scaled_size(film(640, 360), None) == (360, 640)
    assert scaled_size(film(720, 576, 16 / 15), None) == (576, 768)
    assert scaled_size(film(3000, 1), 1) == (2, 3000)
    assert even(Box(3, 4, 10, 11)) == Box(3, 4, 9, 10)
    assert even(Box(3, 4, 9, 10)) == Box(3, 4, 9, 10)
    frames = torch.arange(4 * 5 * 3).view(1, 4, 5, 3)
    assert torch.equal(cropped(frames, Box(1, 2, 4, 3)), frames[:, 2:3, 1:4])


def test_names_of_films(tmp_path):
    for name in ("b.mp4", "a.MOV", "sub/a b.c.mp4", ".hidden.mp4", ".dir/x.mp4", "b.mask.mp4", "notes.txt",
                 "c.m4v", "card.MXF", "d.ts", "behind.the.mask.mp4", "behind.the.mask.txt", "e.xyz",
                 "table.csv"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    films, aside = films_in(tmp_path)
    assert [one.name for one in films] == ["a_mov", "b", "behind_the_mask", "c_m4v", "card_mxf", "d_ts", "sub/a_b_c"]
    assert [one.path.name for one in films] == [
        "a.MOV", "b.mp4", "behind.the.mask.mp4", "c.m4v", "card.MXF", "d.ts", "a b.c.mp4"
    ]  # fmt: skip
    assert [path.name for path in aside] == ["b.mask.mp4", "e.xyz"]
    (tmp_path / "a.mov").mkdir()  # no file
    (tmp_path / "a_mov.mp4").write_bytes(b"")
    with pytest.raises(InputError) as error:
        films_in(tmp_path)
    assert error.value.code == "data-names-collide"
    (tmp_path / "empty").mkdir()
    for folder, code in (("nothing", "data-no-folder"), ("empty", "data-no-videos")):
        with pytest.raises(InputError) as error:
            films_in(tmp_path / folder)
        assert error.value.code == code
    for part, of in ((1, 1), (3, 3)):
        check_shard(part, of)


def test_pieces_are_of_nearly_equal_length():
    times = torch.arange(40, dtype=torch.float64)[:, None] / 10 + torch.tensor([0, 0.1], dtype=torch.float64)
    assert pieces(Shot(0, 30), times, 3.0) == [Shot(0, 30)]
    assert pieces(Shot(4, 35), times, 3.0) == [Shot(4, 20), Shot(20, 35)]
    for longest in (0.1, 0.01):
        assert pieces(Shot(2, 5), times, longest) == [Shot(2, 3), Shot(3, 4), Shot(4, 5)]
    assert pieces(Shot(0, 21), times, 1.09) == [Shot(0, 7), Shot(7, 14), Shot(14, 21)]  # two would be 10 and 11 frames


def test_pieces_of_a_film_whose_rate_varies_last_equally_long():
    edges = torch.tensor([0.2] * 10 + [0.05] * 20, dtype=torch.float64).cumsum(0)
    times = torch.stack([torch.cat([torch.zeros(1), edges[:-1]]), edges], 1)
    assert pieces(Shot(0, 30), times, 1.0) == [Shot(0, 5), Shot(5, 10), Shot(10, 30)]
    assert [one.count for one in pieces(Shot(0, 30), times, 0.1)] == [1] * 10 + [4] * 5


def test_limits_are_those_that_are_documented():
    assert astuple(Limits()) == (1.0, 256, 0.5, 20.0, 0.005, 3.0, 0.03, 0.45)
    for name in ("picture", "text", "aesthetic"):
        Limits(**{name: 1})
        with pytest.raises(InputError):
            Limits(**{name: 1.01})
    Limits(seconds=1e6, side=1e6, sharpness=1e6, still=1e6, fast=1e6)
    with pytest.raises(InputError):
        Limits(seconds=-0.1)
    least = ("seconds", "side", "picture", "sharpness", "still", "aesthetic")
    for name in (*least, "fast", "text"):
        for value, dropped in ((0.4, name in least), (0.5, False), (0.6, name not in least)):
            verdict = judge({name: lambda value=value: value}, Limits(**{name: 0.5}))
            assert (verdict.dropped, verdict.measured) == (name if dropped else None, {name: value})
    assert judge({"fast": lambda: 1 / 0}, Limits(fast=None)).measured == {}


def test_motion_is_measured_once_and_beauty_on_some_frames():
    frames = texture(2, 32, 48).expand(20, -1, -1, -1)
    seen: list[object] = []
    values = values_of(
        frames, 8, text=lambda frames: len(frames) / 100, aesthetic=lambda shown: seen.append(shown) or 0.5
    )
    assert list(values) == ["sharpness", "still", "fast", "text", "aesthetic"]
    assert (values["text"](), values["aesthetic"]()) == (0.2, 0.5)
    (shown,) = seen
    assert (len(shown.frames), shown.fps) == (measures.SAMPLED, 8)
    assert values["still"]() == values["fast"]() == measures.motion(frames, 8)
    assert list(values_of(frames, 8)) == ["sharpness", "still", "fast", "text"]
    assert values_of(frames, 8)["text"]() == 0.0


# Measures


def test_samples_lie_evenly_with_both_ends():
    assert measures.sampled(15) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert measures.sampled(8) == list(range(8))
    assert measures.sampled(3) == [0, 1, 2]
    assert measures.sampled(1) == [0]
    assert measures.sampled(9, 2) == [0, 8]
    assert measures.sampled(9, 1) == [0]


def barred(top: int, bottom: int, level: int = 24, height: int = 100) -> Box:
    frames = texture(5, height, 60).expand(3, -1, -1, -1).clone().clamp(min=60)
    frames[:, :top], frames[:, height - bottom :] = level, level
    return measures.inside_bars(frames)


def test_bars_at_the_limits():
    whole = Box(0, 0, 60, 100)
    assert barred(10, 10) == Box(0, 11, 60, 89)
    assert barred(10, 10, level=25) == whole  # too bright
    assert barred(2, 2) == Box(0, 3, 60, 97)
    assert barred(1, 2) == barred(2, 1) == whole  # a single line is none
    assert barred(2, 6) == Box(0, 3, 60, 93)
    assert barred(2, 7) == whole  # not alike
    assert barred(30, 40) == Box(0, 31, 60, 59)
    assert barred(29, 40) == whole
    assert barred(37, 38) == Box(0, 38, 60, 61)  # a quarter is left
    assert barred(38, 38) == whole
    frames = texture(5, 100, 60).expand(3, -1, -1, -1).clone().clamp(min=60)
    frames[:, :10] = frames[:, -10:] = 12
    frames[:, :10, :30] = frames[:, -10:, :30] = 0
    assert measures.inside_bars(frames) == Box(0, 11, 60, 89)  # varies by 6 levels
    frames[:, :10, 30:] = 13
    assert measures.inside_bars(frames) == whole


def written(height: int = 360, width: int = 480, *, size: float = 0.9, thick: int = 2, rows: int = 2) -> np.ndarray:
    import cv2

    frame = np.full((height, width, 3), 70, np.uint8)
    for row in range(rows):
        cv2.putText(frame, "what the subtitle says", (30, height - 30 - 40 * row), cv2.FONT_HERSHEY_SIMPLEX, size,
                    (255, 255, 255), thick)  # fmt: skip
    return frame


def test_measures_of_one_clip_are_what_they_were():
    still = torch.from_numpy(written()).expand(4, -1, -1, -1)
    assert measures.text_share(still) == pytest.approx(0.0822, abs=0.001)
    assert measures.text_share(still[:1]) == measures.text_share(still)
    once = torch.stack([still[0], torch.full_like(still[0], 70), still[0]])
    assert measures.text_share(once) == 0.0  # seen in no two neighbours
    frames = torch.stack([texture(4, 300, 420).roll((place, 2 * place), (0, 1)) for place in range(10)])
    assert measures.sharpness(frames) == pytest.approx(87.6, rel=0.02)
    assert measures.motion(frames, 10) == pytest.approx(5**0.5 * 10 / 300, rel=0.15)
    small = torch.stack([texture(4, 8, 12).roll(place, 1) for place in range(3)])
    assert measures.motion(small, 10) >= 0  # as small as that is measured, too


# A shot


class Clip:
    """A film of frames that are there."""

    def __init__(self, frames: Tensor, fps: float) -> None:
        self.frames, self.fps, self.aspect, self.path = frames, fps, 1.0, Path("fox.mp4")
        self.count, self.height, self.width = frames.shape[:3]
        self.times = torch.arange(self.count).double()[:, None] / fps + torch.tensor([0, 1 / fps]).double()

    def chunks(self, begin: int, end: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(begin=place - begin, frames=self.frames[place : place + 2][: end - place])
                for place in range(begin, end, 2)]  # fmt: skip


OPEN = Limits(seconds=None, side=None, picture=None, sharpness=None, still=None, fast=None, text=None)


def holding(frames: Tensor, boxes: list[Box]) -> Tensor:
    """Follows what never moves."""
    masks = torch.zeros(len(boxes), *frames.shape[:3], dtype=torch.bool)
    for mask, box in zip(masks, boxes, strict=True):
        mask[:, box.top : box.bottom, box.left : box.right] = True
    return masks


def built(frames: Tensor, *given: Given, shot: Shot | None = None, tools: Tools | None = None,
          captions: tuple[str, ...] = ("a fox",), **how: object) -> Built:  # fmt: skip
    source = Source(film=Clip(frames, 4.0), captions=captions, given=given)
    shot = shot or Shot(0, len(frames))
    return build(
        source, shot, "fox-0001", How(**{"limits": OPEN, "shorter_side": None} | how), tools or Tools(track=holding)
    )


def moving(count: int = 6) -> Tensor:
    return torch.stack([texture(6, 80, 121).clamp(min=60).roll(place, 1) for place in range(count)])


def test_what_is_kept_of_a_shot():
    box = {"left": 0.25, "top": 0.25, "right": 0.75, "bottom": 0.75}
    given = [Given(**box, label="Person", time=0.75), Given(**box, label="late", time=2.25),
             Given(**box, label="early", time=0.74), Given(**box, time=2.2),
             Given(left=0.5, top=0, right=1, bottom=1, label="Face", time=0.8)]  # fmt: skip
    frames = moving(10)
    tools = Tools(track=holding, pose=lambda frames, people: people[0])
    one = built(frames, *given, shot=Shot(3, 9), tools=tools, kept=Kept(overlap=1))
    objects = [{"label": "Person", "frame": 0, "box": [30, 20, 91, 60]},
               {"label": "", "frame": 5, "box": [30, 20, 91, 60]},
               {"label": "Face", "frame": 0, "box": [60, 0, 120, 80]}]  # fmt: skip
    assert one.record == {
        "seconds": 1.5, "begin": 3, "end": 9, "measured": {}, "dropped": None, "prompts": ["a fox"],
        "objects": [{"score": 1.0, "present": 1.0} | found for found in objects],
        "objects dropped": {}, "references": 3, "controls": ["pose"],
    }  # fmt: skip
    assert torch.equal(one.frames, frames[3:9, :, :120])
    assert one.masks.shape == (3, 6, 80, 120)
    assert torch.equal(one.controls["pose"], one.masks[0])
    assert len({picture.shape for picture in one.references.values()}) > 1
    assert built(frames, given[1], tools=Tools(track=holding, detect=lambda *_: 1 / 0)).record["objects"]  # not asked
    again = built(frames, given[1], shot=Shot(3, 9))
    assert (again.record["objects"], again.record["controls"], len(again.references)) == ([], [], 0)


def test_a_reference_has_the_number_of_its_mask():
    small, large = Given(left=0.1, top=0.1, right=0.25, bottom=0.3), Given(left=0.4, top=0.1, right=0.9, bottom=0.9)
    one = built(moving(), small, large)
    assert (one.masks.shape[0], list(one.references)) == (2, [2])


def test_what_a_detector_looks_for():
    asked: list[tuple[str, ...]] = []

    def detect(picture: Tensor, labels: tuple[str, ...]) -> list[Found]:
        asked.append((*labels, picture.shape))
        return [Found(box=Box(10, 10, 60, 60), label="cat", score=0.123456), Found(box=Box(10, 10, 59, 60), score=0.1)]

    frames = moving()
    one = built(frames, tools=Tools(track=holding, detect=detect, caption=lambda frames: " "), captions=())
    assert (one.record["dropped"], asked) == ("caption", [])
    one = built(frames, tools=Tools(track=holding, detect=detect, depth=lambda frames: frames.float().mean(3)))
    assert one.record["objects"] == [
        {"label": "cat", "score": 0.1235, "frame": 0, "box": [10, 10, 60, 60], "present": 1.0}
    ]
    assert one.record["objects dropped"] == {"twice": 1}
    assert one.record["controls"] == ["depth"]
    built(frames, tools=Tools(track=holding, detect=detect, names=lambda frames: " a dog. cat .a dog.."))
    built(frames, tools=Tools(track=holding, detect=detect, names=lambda frames: " . "))
    assert asked == [("person", "animal", "vehicle", "face", (80, 120, 3)), ("a dog", "cat", (80, 120, 3))]


def test_an_object_that_is_there_for_as_long_as_is_needed():
    def gone(frames: Tensor, boxes: list[Box]) -> Tensor:
        masks = holding(frames, boxes)
        masks[0, 3:] = False
        return masks

    given = [Given(left=0.1, top=0.1, right=0.5, bottom=0.9), Given(left=0.5, top=0.1, right=0.9, bottom=0.9)]
    one = built(moving(), *given, tools=Tools(track=gone), kept=Kept(present=0.5))
    assert [found["present"] for found in one.record["objects"]] == [0.5, 1.0]
    one = built(moving(), *given, tools=Tools(track=gone), kept=Kept(present=0.51))
    assert [found["present"] for found in one.record["objects"]] == [1.0]
    assert one.record["objects dropped"] == {"gone too soon": 1}
    assert one.masks.shape[0] == one.record["references"] == 1


def test_bars_are_measured_as_the_file_has_them():
    frames = moving()
    frames[:, :8], frames[:, -10:] = 0, 0
    one = built(frames, shorter_side=40, limits=replace(OPEN, side=57.0, picture=0.7))
    assert (one.record["bars"], one.record["measured"]) == ([0, 5, 0, 6], {"picture": 0.725, "side": 58.0})
    assert one.frames.shape == (6, 28, 60, 3)
    for limits, dropped in (({"side": 58.0}, None), ({"side": 58.1}, "side"), ({"picture": 0.73}, "picture")):
        assert built(frames, shorter_side=40, limits=replace(OPEN, **limits)).record["dropped"] == dropped
    assert built(frames, shorter_side=40, bars="keep").frames.shape == (6, 40, 60, 3)
    one = built(frames, bars="drop")
    assert (one.record["dropped"], one.record["bars"]) == ("bars", [0, 9, 0, 11])
    short = built(frames, limits=replace(OPEN, seconds=1.51, side=81))
    assert (short.frames, short.record["measured"], short.record["dropped"]) == (None, {"seconds": 1.5}, "seconds")
    assert built(frames, limits=replace(OPEN, seconds=1.5, side=81)).record["measured"] == {
        "seconds": 1.5,
        "side": 80.0,
    }


def test_how_clips_are_made_by_default():
    how = How()
    assert (how.shots, how.longest, how.shorter_side, how.bars, how.seed) == ("adaptive", 10.0, 720, "cut", 0)
    assert how.objects == ("person", "animal", "vehicle", "face")
    assert How(shorter_side=16, longest=0.01).told()["shorter_side"] == 16
    for wrong in ({"shorter_side": 15}, {"longest": 0}, {"shots": "eye"}, {"bars": "blur"}):
        with pytest.raises(InputError):
            How(**wrong)
