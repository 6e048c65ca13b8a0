"""Data construction: the folder that is made, what is counted in it, and what a film comes to, step by step."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from refused import refused

from vace_core.errors import InputError
from vace_core.media.video import read_video
from vace_core.media.write import write_video
from vace_core.training.construction import make as make_module
from vace_core.training.construction.build import Built, How, Tools, write
from vace_core.training.construction.captions import read_captions
from vace_core.training.construction.films import Film, films_in, read_frames
from vace_core.training.construction.filters import Limits
from vace_core.training.construction.folder import OutputFolder, begun
from vace_core.training.construction.given import MADE_OF
from vace_core.training.construction.make import _times, make_clips, summarise
from vace_core.training.construction.shots import Shot, find_shots
from vace_core.training.data.sources import clips_in

LIMITS = Limits(seconds=0.1, side=16, sharpness=None, still=None, fast=None, text=None)
HOW = How(shots="whole", limits=LIMITS, bars="keep")
SAID = {"seed": 0}


def code(act) -> str:
    with pytest.raises(InputError) as error:
        act()
    return error.value.code


def film(path: Path, count: int = 10, *, caption: str = "a ramp") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = torch.linspace(-0.8, 0.8, count).view(1, 1, -1, 1, 1) + torch.linspace(-0.2, 0.2, 48)
    write_video(path, levels.expand(1, 3, count, 32, 48).contiguous(), fps=8)
    path.with_suffix(".txt").write_text(caption)
    return path


# The folder


def test_a_folder_is_begun_once(tmp_path):
    assert not begun(tmp_path / "out")
    out = OutputFolder(tmp_path / "out", {"a": (1, 2), "b": None})
    assert json.loads((tmp_path / "out" / "settings.json").read_text()) == {"a": [1, 2], "b": None}
    assert begun(tmp_path / "out")
    OutputFolder(tmp_path / "out", {"a": (1, 2), "b": None})
    with pytest.raises(InputError) as error:
        OutputFolder(tmp_path / "out", {"a": (1, 3), "c": 1})
    assert error.value.fields["names"] == "a, c"  # None and what is not there are one
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / ".settings.json.1").write_text("")
    OutputFolder(tmp_path / "hidden", SAID)
    (tmp_path / "file").write_text("")
    assert code(lambda: OutputFolder(tmp_path / "file", SAID)) == "file-unwritable"
    assert out.summarise({"clips": 3}) == tmp_path / "out" / "summary.json"


def test_records_are_kept_and_damaged_ones_count_as_none(tmp_path):
    out = OutputFolder(tmp_path / "out", SAID)
    assert (out.film("a"), out.shot("a-0001"), list(out.films()), list(out.shots())) == (None, None, [], [])
    out.keep_film("sub/b", {"film": "sub/b"})
    out.keep_film("a", {"film": "a"})
    left = tmp_path / "out" / "records" / "films" / ".c.json"
    left.write_text('{"film": "c"}')
    (tmp_path / "out" / "records" / "films" / "d.json").write_text("{")
    assert [one["film"] for one in out.films()] == ["a", "sub/b"]
    assert out.film("d") is None
    out.forget_film("a")
    out.forget_film("a")
    assert out.film("a") is None


def test_a_film_is_held_by_one(tmp_path):
    one, other = OutputFolder(tmp_path / "out", SAID), OutputFolder(tmp_path / "out", SAID)
    place = tmp_path / "out" / "unfinished" / "a"
    with one.held("a") as ours, other.held("a") as theirs:
        assert (ours, theirs) == (True, False)
    assert place.is_dir()
    with other.held("a") as theirs:
        assert theirs
        other.keep_film("a", {"film": "a"})
    assert not place.exists()  # it is done


def test_files_of_a_shot_go_to_their_places_and_those_of_another_try_go(tmp_path):
    out = OutputFolder(tmp_path / "out", SAID)
    old = out.clips / "sub" / "a-0001.depth.mp4"
    old.parent.mkdir(parents=True)
    other = out.clips / "sub" / "a-00011.mp4"
    for path in (old, other):
        path.write_text("old")
    record = {"shot": "sub/a-0001"}
    with out.shot_in_work("sub/a", "sub/a-0001", record) as place:
        assert list(place.iterdir()) == []
        for name in ("a-0001.mp4", "a-0001.txt", "a-0001.sheet.jpg"):
            (place / name).write_text(name)
        assert out.shot("sub/a-0001") is None
    assert sorted(path.name for path in (out.clips / "sub").iterdir()) == ["a-0001.mp4", "a-0001.txt", "a-00011.mp4"]
    assert (out.sheets / "sub" / "a-0001.jpg").read_text() == "a-0001.sheet.jpg"
    assert (out.shot("sub/a-0001"), place.exists()) == (record, False)
    try:
        with out.shot_in_work("b", "b-0001", {}) as place:
            (place / "b-0001.mp4").write_text("half")
            raise ValueError
    except ValueError:
        pass
    assert (place.exists(), out.shot("b-0001"), (out.clips / "b-0001.mp4").exists()) == (False, None, False)


def test_what_came_of_it_is_counted(tmp_path):
    out = OutputFolder(tmp_path / "out", SAID)

    def shot(name: str, **more: object) -> None:
        given = {
            "seconds": 1.25,
            "dropped": None,
            "objects": [],
            "objects dropped": {},
            "references": 0,
            "controls": [],
        }
        with out.shot_in_work("f", name, {"shot": name} | given | more):
            pass

    person = {"label": "person"}
    shot("f-0001", objects=[person, person], references=2, controls=["depth", "pose"], bars=[0, 1, 0, 1])
    shot("f-0002", objects=[person], references=1, **{"objects dropped": {"too small": 2}})
    shot("f-0003", controls=["pose"], **{"objects dropped": {"too small": 1, "twice": 1}})
    shot("f-0004", dropped="still", bars=[1, 1, 1, 1], measured={"sharpness": 50.0, "still": 0.003})
    shot("f-0005", dropped="still", measured={"still": 0.001})
    shot("f-0007", dropped="caption", measured={"still": 0.01})
    shot("f-0006", fault="broken")
    out.keep_film("f", {"film": "f", "faults": 1})
    out.keep_film("g", {"film": "g", "fault": "no film"})
    found = summarise(out)
    assert (found.films, found.shots, found.clips, found.seconds, found.bars) == (2, 7, 3, 3.75, 1)
    assert found.faults == {"g": "no film", "f-0006": "broken"}
    assert (found.dropped, found.beyond) == ({"caption": 1, "still": 2}, {"still": (0.001, 0.003)})
    assert (found.objects, found.references, found.objects_dropped) == (3, 3, {"too small": 3, "twice": 1})
    plain = dict.fromkeys(("text", "inpaint", "outpaint", "extend", "gray", "scribble", "flow"), 3)
    assert found.tasks == plain | {
        "depth": 1, "pose": 2, "layout": 2, "reference": 2, "references": 1, "swap": 2, "move": 2, "animate": 1,
        "expand": 2,
    }  # fmt: skip


# A film


def test_a_film_becomes_pieces_of_equal_length(tmp_path):
    film(tmp_path / "raw" / "a.mp4", 13)
    out, done = OutputFolder(tmp_path / "out", SAID), []
    how = How(**(vars(HOW) | {"longest": 0.7}))  # of eight frames a second five
    films, _ = films_in(tmp_path / "raw")
    make_clips(films, out, how, Tools(), on_film=lambda *of: done.append(of))
    assert done == [(1, 1)]
    counts = {"faults": 0, "uncaptioned": 0}
    told = {name: value for name, value in out.film("a").items() if name != MADE_OF}
    assert told == {"film": "a", "frames": 13, "fps": 8.0, "cuts": [[0, 13]]} | counts
    assert [(one["shot"], one["begin"], one["end"], one["seconds"]) for one in out.shots()] == [
        ("a-0001", 0, 4, 0.5), ("a-0002", 4, 9, 0.625), ("a-0003", 9, 13, 0.5)
    ]  # fmt: skip
    assert (out.clips / "a-0002.txt").read_text() == "a ramp\n"
    written = (tmp_path / "out" / "records" / "shots" / "a-0001.json").stat().st_mtime_ns
    make_clips(films, out, how, Tools(), retry=True)
    assert (tmp_path / "out" / "records" / "shots" / "a-0001.json").stat().st_mtime_ns == written


def test_a_film_whose_rate_varies_is_measured_by_its_times(tmp_path):
    edges = torch.tensor([0.0] + [0.2] * 5 + [0.05] * 10, dtype=torch.float64).cumsum(0)
    frames = torch.randint(0, 255, (15, 32, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    (tmp_path / "raw").mkdir()
    write_video(tmp_path / "raw" / "a.mp4", frames, fps=10, times=torch.stack([edges[:-1], edges[1:]], 1))
    (tmp_path / "raw" / "a.txt").write_text("noise")
    out = OutputFolder(tmp_path / "out", SAID)
    how = How(**(vars(HOW) | {"longest": 1.0, "limits": replace(LIMITS, seconds=0.75)}))
    make_clips(films_in(tmp_path / "raw")[0], out, how, Tools(depth=lambda frames: frames.float().mean(3)))
    first, second = out.shots()
    assert [(one["begin"], one["end"], one["seconds"], one["dropped"]) for one in (first, second)] == [
        (0, 4, 0.8, None), (4, 15, 0.7, "seconds")
    ]  # fmt: skip
    clip, depth = (read_video(out.clips / f"a-0001{name}.mp4") for name in ("", ".depth"))
    assert clip.times[-1, 1] == depth.times[-1, 1] == pytest.approx(0.8)


def test_a_shot_that_failed_is_tried_again_where_one_says_so(tmp_path):
    film(tmp_path / "raw" / "a.mp4", 8)
    out, films = OutputFolder(tmp_path / "out", SAID), films_in(tmp_path / "raw")[0]
    wrong = [True]

    def depth(frames: torch.Tensor) -> torch.Tensor:
        if wrong[0]:
            raise InputError("broken", "It broke. It is needed. Mend it.")
        return frames.float().mean(3)

    for retry, faults in ((False, 1), (False, 1), (True, 1), (True, 0)):
        make_clips(films, out, HOW, Tools(depth=depth), retry=retry)
        assert (out.film("a")["faults"], len(summarise(out).faults)) == (faults, faults)
        if retry:
            wrong[0] = False
    assert summarise(out).tasks["depth"] == 1


def test_what_is_written_of_a_shot(tmp_path):
    frames = torch.full((4, 32, 48, 3), 90, dtype=torch.uint8)
    masks = torch.zeros(2, 4, 32, 48, dtype=torch.bool)
    masks[1, :, 8:24, 8:24] = True
    record = {"dropped": None, "seconds": 0.5, "measured": {}, "objects": [{"label": "a"}, {"label": "b"}]}
    built = Built(record=record, frames=frames, prompts=("one", "two"), masks=masks,
                  references={2: torch.zeros(1, 3, 1, 30, 30)}, controls={"depth": frames})  # fmt: skip
    write(tmp_path, "x-0001", 8.0, None, built)
    names = ["x-0001.depth.mp4", "x-0001.mask-1.mp4", "x-0001.mask-2.mp4", "x-0001.mp4", "x-0001.reference-2.png",
             "x-0001.sheet.jpg", "x-0001.txt"]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert (tmp_path / "x-0001.txt").read_text() == "one\ntwo\n"
    (tmp_path / "dropped").mkdir()
    write(tmp_path / "dropped", "y", 8.0, None, Built(record=record | {"dropped": "still"}, frames=frames))
    assert [path.name for path in (tmp_path / "dropped").iterdir()] == ["y.sheet.jpg"]
    (tmp_path / "none").mkdir()
    write(tmp_path / "none", "z", 8.0, None, Built(record={"dropped": "seconds"}))
    assert list((tmp_path / "none").iterdir()) == []


def test_times_are_kept_where_the_rate_varies():
    times = torch.tensor([[0.0, 0.1], [0.1, 0.2], [0.2, 0.4], [0.4, 0.5]], dtype=torch.float64)
    clip = SimpleNamespace(times=times, fps=10.0)
    assert _times(clip, Shot(0, 2)) is None
    assert torch.allclose(_times(clip, Shot(1, 3)), torch.tensor([[0.0, 0.1], [0.1, 0.3]], dtype=torch.float64))
    near = SimpleNamespace(times=times[:2] + torch.tensor([[0.0, 0.0], [0.0, 0.00009]]), fps=10.0)
    assert _times(near, Shot(0, 2)) is None


def test_frames_are_scaled_as_they_are_decoded():
    def chunks(begin: int, end: int) -> list[SimpleNamespace]:
        frames = torch.arange(begin, end).byte().view(-1, 1, 1, 1).expand(-1, 8, 12, 3) * 10
        return [SimpleNamespace(begin=place, frames=frames[place : place + 2]) for place in range(0, end - begin, 2)]

    clip = SimpleNamespace(path=Path("a.mp4"), chunks=chunks)
    for size in ((8, 12), (4, 6)):
        found = read_frames(clip, Shot(2, 5), size)
        assert found.shape == (3, *size, 3)
        assert found[:, 0, 0, 0].tolist() == [20, 30, 40]
    assert find_shots(SimpleNamespace(count=7), "whole") == [Shot(0, 7)]


def test_captions_are_those_beside_a_film_before_those_of_a_table(tmp_path):
    one, two = film(tmp_path / "a.mp4", 2, caption=" first \n\n second\n"), film(tmp_path / "b.mp4", 2, caption=" \n")
    (tmp_path / "t.csv").write_text("video,prompt\na.mp4,table a\nb.mp4,table b\nb.mp4,\n")
    given = read_captions(tmp_path / "t.csv")
    assert (given.of(one), given.of(two), given.of(tmp_path / "c.mp4")) == (("first", "second"), ("table b",), ())
    assert len(given.faults) <= 1
    assert read_captions(None).of(one) == ("first", "second")
    assert Film(name="a", path=one).path == one


def test_a_caption_of_several_lines_in_a_table_is_one_wording_of_the_clip(tmp_path):
    film(tmp_path / "raw" / "a.mp4", 8, caption="")
    table = tmp_path / "t.csv"
    table.write_text('video,prompt\nraw/a.mp4,"A ramp rises.\n\nThe light is soft."\nraw/a.mp4,a ramp\n')
    out, (films, _) = OutputFolder(tmp_path / "out", SAID), films_in(tmp_path / "raw")
    make_clips(films, out, HOW, Tools(), read_captions(table, tmp_path / "raw", films))
    (clip,), _ = clips_in(out.clips)
    assert clip.prompts == ("A ramp rises. The light is soft.", "a ramp")


def test_names_in_a_table_are_relative_to_it_or_to_the_folder_of_films(tmp_path):
    raw = tmp_path / "raw"
    one, two = film(raw / "a.mp4", 2, caption=""), film(raw / "sub" / "b.mp4", 2, caption="")
    films, _ = films_in(raw)
    table = tmp_path / "t.csv"
    table.write_text(
        "video,prompt\na.mp4,of the folder\nraw/sub/b.mp4,of the table\na.mp4,in other words\nc.mp4,nothing\n"
    )
    given = read_captions(table, raw, films)
    assert (given.of(one), given.of(two)) == (("of the folder", "in other words"), ("of the table",))
    (fault,) = given.faults
    assert "Of the videos in the table" in fault
    assert "c.mp4" in fault
    table.write_text("video,prompt\nA.mp4,x\nb.mp4,x\n")  # nothing of it would be used
    with pytest.raises(InputError) as error:
        read_captions(table, raw, films)
    assert refused(error.value) == f"captions-without-video: count=2, names=A.mp4, b.mp4, path={table}, raw={raw}"


def test_what_changed_in_the_raw_folder_is_made_anew_and_said(tmp_path, caplog, monkeypatch):
    raw, how, made = tmp_path / "raw", replace(HOW, longest=1.0), list[str]()
    real = make_module.build
    monkeypatch.setattr(make_module, "build", lambda *given: made.append(given[2]) or real(*given))
    path = film(raw / "a.mp4", 24, caption="a wrong caption")
    film(raw / "b.mp4", 8, caption="another")
    out, (films, _) = OutputFolder(tmp_path / "out", SAID), films_in(raw)

    def again(*, decodes: bool, said: str = "") -> set[str]:
        """Names of the clips; a second call changes nothing."""
        caplog.clear()
        made.clear()
        make_clips(films, out, how, Tools())
        assert bool(made) == decodes
        assert [record.getMessage() for record in caplog.records] == ([said] if said else [])
        before = {one: one.read_bytes() for one in out.path.rglob("*") if one.is_file()}
        make_clips(films, out, how, Tools())
        assert {one: one.read_bytes() for one in out.path.rglob("*") if one.is_file()} == before
        return {one.name for one in out.clips.iterdir() if one.suffix == ".mp4"}

    assert again(decodes=True) == {"a-0001.mp4", "a-0002.mp4", "a-0003.mp4", "b-0001.mp4"}
    path.with_suffix(".txt").write_text("the right caption")
    again(decodes=False, said="a: its captions changed since it was begun; its clips are captioned anew")
    assert (out.clips / "a-0003.txt").read_text() == "the right caption\n"
    assert out.shot("a-0003")["prompts"] == ["the right caption"]
    os.utime(path, (1, 1))  # as a copy has another time
    again(decodes=False)
    film(path, 12, caption="the right caption")
    there = again(decodes=True, said="a: its video changed since it was begun; its clips are made anew")
    assert there == {"a-0001.mp4", "a-0002.mp4", "b-0001.mp4"}
    assert [shot["shot"] for shot in out.shots()] == ["a-0001", "a-0002", "b-0001"]
    assert {one.stem for one in out.sheets.iterdir()} == {"a-0001", "a-0002", "b-0001"}
    (raw / "a.boxes.json").write_text('[{"box": [0.1, 0.1, 0.5, 0.5], "label": "x", "time": 0}]')
    again(decodes=True, said="a: its boxes changed since it was begun; its clips are made anew")
    path.with_suffix(".txt").unlink()  # as where --captions was forgotten
    caplog.clear()
    make_clips(films, out, how, Tools())
    assert (out.clips / "a-0001.txt").read_text() == "the right caption\n"
    assert [record.args for record in caplog.records] == [(1,)]


def test_a_film_that_is_replaced_while_it_is_in_work_is_begun_anew(tmp_path, monkeypatch):
    raw, how = tmp_path / "raw", replace(HOW, longest=1.0)
    path = film(raw / "a.mp4", 24, caption="old")
    out, (films, _) = OutputFolder(tmp_path / "out", SAID), films_in(raw)
    real, left = make_module.build, [2]

    def stopped(*given):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(make_module, "build", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_clips(films, out, how, Tools())
    left[0] = 100
    assert [shot["shot"] for shot in out.shots()] == ["a-0001", "a-0002"]
    film(path, 12, caption="new")
    make_clips(films, out, how, Tools())
    whole = OutputFolder(tmp_path / "whole", SAID)
    make_clips(films, whole, how, Tools())
    assert {one.name: one.read_bytes() for one in out.clips.iterdir()} == {
        one.name: one.read_bytes() for one in whole.clips.iterdir()
    }


def test_a_clip_gets_a_caption_that_was_missing(tmp_path):
    path = film(tmp_path / "raw" / "a.mp4", 8, caption="")
    out, films = OutputFolder(tmp_path / "out", SAID), films_in(tmp_path / "raw")[0]
    make_clips(films, out, HOW, Tools())
    make_clips(films, out, HOW, Tools(), retry=True)  # there is still none
    assert (out.film("a")["uncaptioned"], summarise(out).dropped) == (1, {"caption": 1})
    path.with_suffix(".txt").write_text("a ramp")
    make_clips(films, out, HOW, Tools())
    assert (out.film("a")["uncaptioned"], summarise(out).dropped, summarise(out).clips) == (0, {}, 1)
    assert (out.clips / "a-0001.txt").read_text() == "a ramp\n"
