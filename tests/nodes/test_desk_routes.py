"""What the desk's editor is answered: the sheet of VACE Preview VCU before a run, frames, selection, tracking."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import weakref
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock
from urllib.parse import unquote

import numpy as np
import profile_files
import pytest
import torch
from model_files import released_shapes, write_sparse
from PIL import Image

SCENE, SIDE = "star and triangle that pass", 96
CLIP = {"example": SCENE, "length": 17}
STAR = {"time": 0.0, "x": 0.25, "y": 0.27, "width": 0.42, "height": 0.42}
DRAWN = json.dumps({"version": 1, "objects": [{"action": "remove", "keys": [STAR, {**STAR, "time": 1.0, "x": 0.68}]}]})


@pytest.fixture
def ask(pack):
    routes = pack.nodes.desk_routes.ROUTES

    def answer(name, **said):
        with torch.inference_mode():
            return pack.nodes.comfy.routes.answered(routes[name], said)

    return answer


@pytest.fixture
def example(run):
    return run("VaceExampleClip", scene=SCENE)


def levels(body):
    return np.array(Image.open(io.BytesIO(body)))


def test_the_sheet_is_that_of_preview_after_a_run(run, ask, example):
    settings = {"fit": "starter", "prompt": "an empty plain slate background", "columns": 6}
    status, answer = ask("sheet", desk=DRAWN, clip=CLIP, settings=settings)
    assert (status, answer.kind) == (200, "image/webp")
    vcu = run("VaceDesk", clip=example[0], desk=DRAWN, fps=8.0, fit="starter", prompt=settings["prompt"])[0]
    shown = run("VacePreviewVCU", vcu=vcu, columns=6)
    assert np.array_equal(levels(answer.body), (shown[1][0].numpy() * 255).round())
    assert "96 x 96 pixels at 8 fps" in unquote(answer.headers["X-Vace-Notes"])


@pytest.mark.parametrize(
    ("name", "fit"), [("starter", "480p"), ("ltx", "auto, all frames"), ("Wan 2.1", "auto, all frames")]
)
def test_the_sheet_for_a_model_is_that_of_preview_with_it(pack, run, ask, name, fit):
    profile = pack.nodes.comfy.settings.profile_by(name)
    model = pack.nodes.comfy.chosen.ChosenModel(profile=profile, load=lambda: None)
    clip = run("VaceExampleClip", scene=SCENE, length=33)[0].repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    named = pack.nodes.desk_routes.named_clip(CLIP)
    long = dataclasses.replace(named, name=(name,), size=tuple(clip.shape[:3]), images=lambda: clip)
    with mock.patch.object(pack.nodes.desk_routes, "named_clip", return_value=long):
        status, answer = ask("sheet", desk=DRAWN, clip=CLIP, settings={"fit": fit, "profile": name})
    vcu = run("VaceDesk", clip=clip, desk=DRAWN, fps=8.0, fit=fit, model=model)[0]
    shown = run("VacePreviewVCU", vcu=vcu, model=model)
    assert status == 200
    assert np.array_equal(levels(answer.body), (shown[1][0].numpy() * 255).round())
    notes = unquote(answer.headers["X-Vace-Notes"]).split("\n")
    assert set(shown[2].split("\n")) - {""} <= set(notes)
    caution = pack.nodes.comfy.settings.unlike(profile, vcu, num_frames=min(vcu.num_frames, profile.length))
    assert (caution in notes) == (name == "starter")


@pytest.mark.parametrize("name", ["starter", "ltx", "wan-14b-720p", "Wan 2.1"])
def test_what_a_model_takes_is_what_a_task_makes_of_zeros(pack, run, ask, name):
    profile = pack.nodes.comfy.settings.profile_by(name)
    chosen = pack.nodes.comfy.chosen.ChosenModel(profile=profile, load=lambda: None)
    vcu = run("VaceTextToVideo", width=0, height=0, length=0, fps=0.0, prompt="a fox", model=chosen)[0]
    status, answer = ask("model", model=name)
    assert status == 200
    assert answer.data == {"width": vcu.width, "height": vcu.height, "length": vcu.num_frames, "fps": vcu.fps}


@pytest.mark.parametrize(("file", "family"), [("ltx.safetensors", "LTX-Video 0.9"), ("wan.safetensors", "Wan 2.1")])
def test_of_a_file_it_is_that_of_the_family_that_is_in_it(ask, monkeypatch, tmp_path, file, family):
    for name, shapes in (("ltx", profile_files.ltx()), ("wan", released_shapes(1.3))):
        write_sparse(tmp_path / f"{name}.safetensors", shapes)
    module = ModuleType("folder_paths")
    module.folder_names_and_paths = {"diffusion_models": tmp_path}
    module.get_full_path = lambda name, file: str(tmp_path / file) if (tmp_path / file).is_file() else None
    monkeypatch.setitem(sys.modules, "folder_paths", module)
    assert ask("model", model={"file": file})[1].data == ask("model", model=family)[1].data
    status, answer = ask("model", model={"file": "gone.safetensors"})
    assert (status, answer.data["code"]) == (400, "model-file-missing")


def test_the_sheet_says_what_a_run_makes_something_else_of(ask):
    said = {"desk": DRAWN, "settings": {"fit": "starter"}}
    _, answer = ask("sheet", **said, clip=CLIP, control={**CLIP, "changed": True})
    assert unquote(answer.headers["X-Vace-Notes"]).startswith("! Seen here as the file has it: control. A node")
    _, answer = ask("sheet", **said, clip=CLIP, control=CLIP)
    assert "Seen here" not in unquote(answer.headers["X-Vace-Notes"])


def test_the_sheet_has_pictures_and_control(run, ask, example):
    objects = [{"action": "replace", "picture": 1, "keys": [STAR]}, {"action": "control", "keys": [{**STAR, "y": 0.7}]}]
    text = json.dumps({"version": 1, "objects": objects})
    said = {"desk": text, "clip": CLIP, "settings": {"fit": "starter"}}
    status, answer = ask("sheet", **said, pictures=[{"example": "circle that moves right", "length": 1}], control=CLIP)
    other = run("VaceExampleClip", scene="circle that moves right", length=1)[0]
    vcu = run("VaceDesk", clip=example[0], desk=text, fps=8.0, fit="starter", pictures=other, control=example[0])[0]
    assert status == 200
    shown = run("VacePreviewVCU", vcu=vcu)
    assert np.array_equal(levels(answer.body), (shown[1][0].numpy() * 255).round())


def test_a_clip_that_a_node_showed_is_found_by_its_first_picture(pack, ask, example):
    shown = pack.nodes.comfy.shown_clips
    images = example[0].clone()
    picture = SimpleNamespace(as_dict=lambda: {"images": [{"filename": "a.png", "subfolder": "", "type": "temp"}]})
    with mock.patch.object(shown.ui, "PreviewImage", return_value=picture):
        shown.show(None, images, images, 12.0)
    status, answer = ask("clip", clip={"file": "a.png", "type": "temp"})
    assert (status, answer.data) == (200, {"width": SIDE, "height": SIDE, "frames": 17, "fps": 12.0})


class Computed:
    """A VIDEO that decodes its frames whenever it is asked for them."""

    decoded = 0

    def __init__(self, images):
        self._images = images

    def get_components(self):
        self.decoded += 1
        return SimpleNamespace(images=self._images.clone(), frame_rate=12.0)


@pytest.fixture
def show(pack):
    """Shows a clip as its node does, and says how an editor names it."""

    def call(clip, images, name):
        shown = pack.nodes.comfy.shown_clips
        picture = SimpleNamespace(as_dict=lambda: {"images": [{"filename": name, "subfolder": "", "type": "temp"}]})
        with mock.patch.object(shown.ui, "PreviewImage", return_value=picture):
            shown.show(None, clip, images, 12.0)
        return {"clip": {"file": name, "type": "temp"}}

    return call


def test_a_video_that_was_computed_is_decoded_once(ask, show, example):
    video = Computed(example[0])
    said = show(video, example[0].clone(), "b.png")
    answers = [ask("clip", **said), *(ask("frame", **said, frame=n) for n in range(3))]
    assert [status for status, _ in answers] == [200] * 4
    assert answers[0][1].data == {"width": SIDE, "height": SIDE, "frames": 17, "fps": 12.0}
    assert video.decoded == 1
    del video
    assert ask("clip", **said)[0] == 400


def test_a_video_that_does_not_fit_is_not_decoded(pack, ask, show, example, monkeypatch):
    room = pack.vace_core.checks.room
    monkeypatch.setattr(room, "SMALL", 0)
    monkeypatch.setattr(room, "free_bytes", lambda: 1000)
    video = Computed(example[0])
    status, answer = ask("frame", **show(video, example[0].clone(), "c.png"))
    assert (status, answer.data["code"], video.decoded) == (400, "out-of-room", 0)
    held = example[0].clone()  # as a VIDEO made of images holds them: there is nothing to decode
    assert ask("frame", **show(video, held, "d.png"))[0] == 200
    assert video.decoded == 0


@pytest.fixture
def fitted(pack, monkeypatch):
    """Every clip that is fitted, weakly, and the call that is waiting to let all of them go."""
    clips, made = pack.nodes.desk_clips, SimpleNamespace(frames=[], later=None)
    real = clips.fit_clip

    def fit(*args, **named):
        found = real(*args, **named)
        made.frames.append(weakref.ref(found.frames))
        return found

    def timer(seconds, call):
        made.later = call
        return SimpleNamespace(start=lambda: None, cancel=lambda: None, daemon=True)

    monkeypatch.setattr(clips, "fit_clip", fit)
    monkeypatch.setattr(clips, "Timer", timer)
    monkeypatch.setattr(clips, "_fitted", type(clips._fitted)())
    return made


def living(made):
    return [frames() is not None for frames in made.frames]


def test_fitted_clips_are_kept_for_the_next_stroke_within_a_bound(pack, ask, fitted, monkeypatch):
    """What was asked for longest ago goes first."""
    monkeypatch.setattr(pack.nodes.desk_clips, "BYTES", (5 + 9 + 13) * SIDE * SIDE * 3 * 4)
    for length in (5, 9, 13, 9, 13, 5):
        said = {"desk": DRAWN, "clip": {**CLIP, "length": length}, "settings": {"fit": "starter"}}
        assert ask("sheet", **said)[0] == 200
    assert living(fitted) == [True] * 3
    assert ask("sheet", desk=DRAWN, clip=CLIP, settings={"fit": "starter"})[0] == 200
    assert living(fitted) == [True, False, False, True]


def test_fitted_clips_are_let_go_after_a_while(pack, ask, show, example, fitted):
    video = Computed(example[0])
    said = {"desk": DRAWN, **show(video, example[0].clone(), "e.png"), "settings": {"fit": "starter"}}
    assert ask("sheet", **said)[0] == 200
    assert ask("sheet", **said)[0] == 200
    assert (living(fitted), video.decoded) == ([True], 1)
    fitted.later()
    assert living(fitted) == [False]
    assert ask("sheet", **said)[0] == 200
    assert video.decoded == 2


def test_a_frame_is_that_of_the_clip(ask, example):
    status, answer = ask("frame", clip=CLIP, frame=3)
    assert status == 200
    assert np.array_equal(levels(answer.body), (example[0][3].numpy() * 255).round())
    assert answer.headers["X-Vace-Frames"] == "17"


@pytest.mark.parametrize(
    ("cut", "places", "fps"),
    [
        ({"skip": 3}, range(3, 17), 8.0),
        ({"skip": 1, "every": 4, "cap": 3}, (1, 5, 9), 2.0),
        ({"rate": 4.0}, range(0, 17, 2), 4.0),
        ({"rate": 3.0, "skip": 1, "every": 2}, (3, 8, 14), 1.5),
        ({"rate": 16.0, "cap": 4}, (0, 1, 1, 2), 16.0),
    ],
)
def test_a_loader_that_leaves_frames_out_is_followed(ask, example, pack, monkeypatch, cut, places, fps):
    """Rate, first frames, every n-th, number: in the order in which loaders of other packs do it."""
    clips = pack.nodes.desk_clips
    whole = clips.named_clip(CLIP)
    monkeypatch.setattr(clips.host, "file_in", lambda *_: Path("film.mp4"))
    monkeypatch.setattr(clips, "_of_file", lambda *_: whole)
    status, answer = ask("clip", clip={"file": "film.mp4", **cut})
    assert (status, answer.data["frames"], answer.data["fps"]) == (200, len(places), fps)
    _, last = ask("frame", clip={"file": "film.mp4", **cut}, frame=len(places) - 1)
    assert np.array_equal(levels(last.body), (example[0][places[-1]].numpy() * 255).round())
    assert torch.equal(clips.named_clip({"file": "film.mp4", **cut}).images(), example[0][list(places)])


def test_a_click_selects_the_object(pack, ask, run):
    clip = run("VaceExampleClip", scene="circle that moves right")
    status, answer = ask("select", clip={"example": "circle that moves right"}, time=0.0, inside=[[0.3, 0.45]])
    assert status == 200
    text = json.dumps({"version": 1, "objects": [{"action": "remove", "shapes": [{"time": 0, **answer.data}]}]})
    mask = run("VaceDesk", clip=clip[0], desk=text, fit="starter")[1][0] > 0
    truth = clip[2][0] > 0.5
    assert float((mask & truth).sum() / (mask | truth).sum()) >= 0.8  # all but its dark rim


def test_tracked_keys_follow_the_object(ask, run):
    clip = run("VaceExampleClip", scene="circle that moves right")
    box = {"x": 0.3, "y": 0.45, "width": 0.58, "height": 0.58}
    one = {"action": "remove", "keys": [{"time": 0.0, **box}]}
    status, answer = ask("track", clip={"example": "circle that moves right"}, object=one, **{"from": 0.0, "to": 1.0})
    assert status == 200
    keys = answer.data["keys"]
    assert [key["tracked"] for key in keys] == [True] * 16
    assert keys[-1]["x"] == pytest.approx(0.7, abs=0.02)
    assert keys[-1]["width"] == pytest.approx(0.58, abs=0.03)
    text = json.dumps({"version": 1, "objects": [{**one, "keys": [*one["keys"], *keys]}]})
    assert run("VaceDesk", clip=clip[0], desk=text, fit="starter")[0].num_frames == 17


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("sheet", {"clip": CLIP}, "desk-empty"),
        ("sheet", {"clip": CLIP, "desk": "{"}, "desk-unreadable"),
        ("sheet", {"clip": CLIP, "desk": DRAWN, "settings": {"fit": "huge"}}, "not-an-option"),
        ("sheet", {"clip": CLIP, "desk": DRAWN, "settings": 3}, "request-not-json"),
        ("model", {"model": "none of these"}, "profile-unknown"),
        ("model", {}, "profile-unknown"),
        ("clip", {"clip": {}}, "clip-unnamed"),
        ("clip", {"clip": {"example": "nothing"}}, "not-an-option"),
        ("frame", {"clip": CLIP, "frame": 17}, "number-range"),
        ("select", {"clip": CLIP}, "desk-select-nothing"),
        ("select", {"clip": CLIP, "inside": [[2, 0]]}, "number-range"),
        ("track", {"clip": CLIP, "object": {"action": "dance"}}, "boxes-invalid"),
        ("track", {"clip": CLIP, "object": {"action": "keep", "keys": [STAR]}, "to": 0.0}, "desk-track-short"),
        ("track", {"clip": CLIP, "object": {"action": "keep"}}, "desk-track-empty"),
    ],
)
def test_bad_requests_are_answered_with_code_and_message(ask, name, said, code):
    status, answer = ask(name, **said)
    assert (status, answer.data["code"]) == (400, code)
    assert len(answer.data["message"]) > 20


def test_only_files_of_comfyuis_folders_are_opened(ask, comfy, tmp_path):
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8)).save(secret)
    for said in ({"file": str(secret)}, {"file": "../../secret.png"}, {"file": "x.png", "subfolder": "../.."}):
        assert ask("clip", clip=said)[1].data["code"] == "clip-file"


def test_without_a_server_nothing_is_offered(pack):
    with mock.patch.object(pack.nodes.comfy.host, "prompt_server", return_value=None):
        assert pack.nodes.desk_routes.offer() is False
