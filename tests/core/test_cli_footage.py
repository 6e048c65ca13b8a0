"""A clip is edited at its own rate, length and size: files in, files out, nothing lost on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import like_starter
import numpy as np
import pytest
import tiny
import torch
from refused import refused
from typer.testing import CliRunner, Result
from video_files import encode, encode_sound, noise, sound_of

from vace_core.cli import app, tasks
from vace_core.cli.options import ChannelName, CropName, EditPart, FitName, Part, Paths, References, Wanted
from vace_core.inputs.put_back import Edit, put_back
from vace_core.media.pictures import write_image
from vace_core.media.planes import frame_of_planes
from vace_core.media.reader import VideoReader
from vace_core.media.tone import PQ
from vace_core.media.video import from_uint8, read_video
from vace_core.media.write import write_frames, write_video

QUICK = ("--steps", "1", "--seed", "1")
HEIGHT, WIDTH, COUNT = 64, 96, 30
HOLE = (slice(16, 40), slice(32, 64))  # rows, columns
WANTED = Wanted()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return like_starter.write(tmp_path_factory.mktemp("model"))


def vace(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """30 frames of 96 x 64 at 25 fps, H.264 4:2:0."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return encode(path, noise(COUNT, HEIGHT, WIDTH, 3), fps=25)


@pytest.fixture(scope="module")
def mask(tmp_path_factory) -> Path:
    picture = torch.full((1, 3, 1, HEIGHT, WIDTH), -1.0)
    picture[:, :, 0, HOLE[0], HOLE[1]] = 1
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    write_image(path, picture)
    return path


def planes(path: Path) -> list[np.ndarray]:
    """Every frame as it is stored."""
    film = VideoReader(path)
    return [frame.to_ndarray() for frame in film.raw(0, film.count)]


def rgb(path: Path) -> torch.Tensor:
    return read_video(path).frames


def test_an_edit_is_in_the_whole_film_and_nothing_else_of_it_has_changed(model, clip, mask, tmp_path):
    out = tmp_path / "out.mkv"
    done = vace("inpaint", clip, "--mask", mask, "-m", model, "--start", "8f", "--end", "0.76", "--lossless", "-o", out,
                *QUICK)  # fmt: skip
    assert done.exit_code == 0, done.stderr

    before, after = VideoReader(clip), VideoReader(out)
    assert (after.count, after.fps, after.height, after.width) == (COUNT, 25, HEIGHT, WIDTH)
    assert after.layout == before.layout == "yuv420p"
    for index, (was, now) in enumerate(zip(planes(clip), planes(out), strict=True)):
        different = was != now
        if 8 <= index < 19:  # 11 frames, for which the model gets 13
            assert different[:HEIGHT][HOLE].mean() > 0.5
            different[:HEIGHT][HOLE] = False
            different = different[:HEIGHT]  # chroma shares its samples with the edge
        assert not different.any(), index
    assert "generated in frames 8 to 18" in " ".join(done.stderr.split())


def test_ten_bits_stay_ten_bits(model, mask, tmp_path):
    clip, out = tmp_path / "clip.mp4", tmp_path / "out.mkv"
    write_video(clip, tiny.clip(5, HEIGHT, WIDTH), fps=25, bits=10)
    done = vace("inpaint", clip, "--mask", mask, "-m", model, "--lossless", "-o", out, "--feather", "4", "--blend",
                "multiband", *QUICK)  # fmt: skip
    assert done.exit_code == 0, done.stderr

    assert VideoReader(out).layout == "yuv420p10le"
    for was, now in zip(planes(clip), planes(out), strict=True):
        different = (was != now)[:HEIGHT]
        assert different[HOLE].any()
        different[HOLE] = False
        assert not different.any()


def test_pictures_come_and_go_as_numbered_files(model, mask, tmp_path):
    pictures = noise(5, HEIGHT, WIDTH, 3)
    write_frames(tmp_path / "shots", pictures)
    for given, out in (("shots", "made"), ("shots/frame_%05d.png", "more/take_%03d.png")):
        done = vace("inpaint", tmp_path / given, "--mask", mask, "-m", model, "-o", tmp_path / out, *QUICK)
        assert done.exit_code == 0, done.stderr
    names = [path.name for path in sorted((tmp_path / "made").iterdir())]
    assert names == [f"frame_{n:05d}.png" for n in range(5)]
    after = rgb(tmp_path / "made" / "frame_%05d.png")
    different = (after != pictures).any(-1)
    assert different[:, HOLE[0], HOLE[1]].float().mean() > 0.5
    different[:, HOLE[0], HOLE[1]] = False
    assert not different.any()
    assert torch.equal(rgb(tmp_path / "more" / "take_%03d.png"), after)


def test_a_picture_keeps_its_size(model, tmp_path):
    write_image(tmp_path / "photo.png", from_uint8(noise(90, 134, 3)))
    hole = torch.full((1, 3, 1, 90, 134), -1.0)
    hole[..., 30:60, 40:80] = 1
    write_image(tmp_path / "hole.png", hole)
    out = tmp_path / "out.png"
    done = vace("inpaint", tmp_path / "photo.png", "--mask", tmp_path / "hole.png", "-m", model, "-o", out, *QUICK)
    assert done.exit_code == 0, done.stderr
    different = (rgb(out) != rgb(tmp_path / "photo.png")).any(-1)[0]
    assert different[30:60, 40:80].any()
    different[30:60, 40:80] = False
    assert not different.any()


@pytest.mark.parametrize(
    ("wanted", "part", "count", "fps"),
    [
        ({}, {"end": "12f"}, 12, 25),
        ({"length": 6}, {}, 6, 25),
        ({"fps": 10.0}, {}, 12, 10),
        ({"fps": 50.0}, {"end": "6f"}, 12, 50),
        ({"fps": 10.0, "length": 7}, {"start": "0.4"}, 7, 10),
        ({}, {"fit": FitName.official}, 25, 25 / (29.5 / 25)),
    ],
)
def test_frames_and_rate_are_those_of_the_clip_or_those_asked_for(clip, wanted, part, count, fps):
    vcu = tasks.depth(clip, pictures=References(), part=Part(**part), wanted=Wanted(**wanted)).vcu
    assert (vcu.shown_frames, vcu.fps) == (count, pytest.approx(fps))
    assert vcu.num_frames % 4 == 1
    assert vcu.control is not None
    last = vcu.control[:, :, count - 1 : count]
    assert torch.equal(vcu.control[:, :, count:], last.expand(-1, -1, vcu.padding, -1, -1))


def test_padding_is_not_in_the_result(model, clip, tmp_path):
    done = vace("gray", clip, "-m", model, "--end", "6f", "-o", tmp_path / "out.mp4", *QUICK)
    assert done.exit_code == 0, done.stderr
    film = VideoReader(tmp_path / "out.mp4")
    assert (film.count, film.fps, (film.height, film.width)) == (6, 25, (64, 96))


def test_a_short_result_has_the_rate_that_was_asked_for(model, clip, tmp_path):
    """Of 25 to 24 fps the first frames are the clip's own, each once."""
    done = vace("gray", clip, "-m", model, "--fps", "24", "--length", "9", "-o", tmp_path / "out.mp4", *QUICK)
    assert done.exit_code == 0, done.stderr
    film = VideoReader(tmp_path / "out.mp4")
    assert (film.count, film.fps) == (9, 24)


def test_what_generates_every_pixel_has_the_size_of_the_clip_if_asked(model, clip, tmp_path):
    out = tmp_path / "out.mkv"
    done = vace("gray", clip, "-m", model, "--end", "5f", "--put-back", "--lossless", "-o", out, *QUICK)
    assert done.exit_code == 0, done.stderr
    different = np.stack(planes(clip)) != np.stack(planes(out))
    assert not different[5:].any()
    assert different[:5].mean() > 0.5


def test_sound_is_that_of_the_part(tmp_path):
    clip = encode_sound(tmp_path / "clip.mp4", 2.0, 1.0, codec="aac", video_start=0)
    request = tasks.pose(clip, pictures=References(), part=Part(start="1.2", end="1.6"), wanted=WANTED)
    assert (request.sound, request.sound_start) == (clip, pytest.approx(1.2))
    from vace_core.cli.run import write_result

    write_result(tmp_path / "out.mp4", tiny.clip(10, 32, 32), request, lossless=False)
    assert np.abs(sound_of(tmp_path / "out.mp4")[:, 2048:]).mean() > 0.1  # silent before 1 s
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert abs(float(film.streams.audio[0].duration * film.streams.audio[0].time_base) - 0.4) < 0.05


def test_pixels_that_are_not_square_are_shown_to_the_model_as_they_look(tmp_path):
    write_video(tmp_path / "wide.mp4", tiny.clip(5, 64, 64), fps=25, aspect=Fraction(2, 1))
    squeezed = tasks.depth(tmp_path / "wide.mp4", pictures=References(), wanted=WANTED).vcu
    assert (squeezed.height, squeezed.width) == (64, 128)
    write_video(tmp_path / "shown.mp4", tiny.clip(5, 64, 128), fps=25)
    shown = tasks.depth(tmp_path / "shown.mp4", pictures=References(), wanted=WANTED).vcu
    assert (shown.height, shown.width) == (squeezed.height, squeezed.width)


class TestMasks:
    """A mask may be of any kind, size and length that can belong to the clip."""

    PART = EditPart(start="8f", end="19f")

    @pytest.fixture(scope="class")
    def levels(self) -> torch.Tensor:
        """`(T, H, W)`, a square that moves."""
        found = torch.zeros(COUNT, HEIGHT, WIDTH, dtype=torch.uint8)
        for n in range(COUNT):
            found[n, 16:48, 2 * n : 2 * n + 16] = 255
        return found

    def of(self, clip: Path, mask: Path, **change: object) -> torch.Tensor:
        edit = tasks.inpaint(clip, mask=mask, part=EditPart(**{**vars(self.PART), **change}), wanted=WANTED).edit
        assert edit is not None
        return edit.mask(0, 11)

    def test_of_the_whole_film_or_of_the_part(self, clip, levels, tmp_path):
        coloured = levels[..., None].expand(-1, -1, -1, 3).contiguous()
        write_video(tmp_path / "all.mkv", coloured, fps=25, lossless=True)
        write_frames(tmp_path / "part", coloured[8:19])
        for path in (tmp_path / "all.mkv", tmp_path / "part"):
            assert torch.equal(self.of(clip, path), levels[8:19] > 127)

    def test_as_transparency(self, clip, levels, tmp_path):
        film = torch.cat([noise(COUNT, HEIGHT, WIDTH, 3), levels[..., None]], dim=3)
        with av.open(str(tmp_path / "alpha.mkv"), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgra"
            for picture in film:
                frame = av.VideoFrame.from_ndarray(picture.numpy(), format="rgba").reformat(format="bgra")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        assert torch.equal(self.of(clip, tmp_path / "alpha.mkv", mask_channel=ChannelName.alpha), levels[8:19] > 127)

    def test_of_another_size(self, clip, levels, tmp_path):
        write_frames(tmp_path / "small", levels[:, ::2, ::2, None].repeat(1, 1, 1, 3))
        assert (self.of(clip, tmp_path / "small") != (levels[8:19] > 127)).float().mean() < 0.02

    def test_the_model_generates_every_pixel_that_is_put_back(self, clip, mask):
        request = tasks.inpaint(clip, mask=mask, part=self.PART, wanted=WANTED)
        assert request.edit is not None
        size = request.vcu.height, request.vcu.width
        made = torch.nn.functional.interpolate(request.vcu.masks[0, :, 0][None], size=(HEIGHT, WIDTH))[0, 0] > 0
        assert size == (64, 96)
        assert bool(made[request.edit.mask(0, 1)[0]].all())


def test_a_frame_of_a_video_is_a_picture(clip, tmp_path):
    frame = rgb(clip)[20]
    write_image(tmp_path / "frame.png", from_uint8(frame))
    named = clip.with_name("clip.mp4@0.8s")
    pictures = (References(reference=[path]) for path in (named, tmp_path / "frame.png"))
    first, second = (tasks.reference(one, wanted=Wanted(length=5)).vcu.references[0] for one in pictures)
    assert torch.equal(first, second)
    path = Paths(path=["0.2,0.5 0.8,0.5"])
    moved, same = (tasks.move(one, paths=path, wanted=WANTED).vcu.frames for one in (named, tmp_path / "frame.png"))
    assert torch.equal(moved, same)


def test_points_of_a_photo_stay_on_it_where_the_photo_is_cropped(tmp_path):
    photo = torch.zeros(90, 160, 3, dtype=torch.uint8)
    photo[30:46, 60:76] = 255
    write_image(tmp_path / "photo.png", from_uint8(photo[None]))
    (tmp_path / "points.json").write_text(json.dumps([{"x": 68, "y": 38}]))
    path = Paths(path=[str(tmp_path / "points.json")], box="0.2x0.2")
    wanted = Wanted(width=64, height=64, length=5)
    frames = tasks.move(tmp_path / "photo.png", paths=path, wanted=wanted).vcu.frames
    spot, outline = (frames[0, 0, 0] > 0).nonzero().float().mean(0), (frames[0, 0, 4] < 0).nonzero().float().mean(0)
    assert outline.tolist() == pytest.approx(spot.tolist(), abs=0.6)


class TestPutBack:
    """What the model made, on the film."""

    def edit(self, clip: Path, masks: torch.Tensor | None, count: int = 3) -> Edit:
        return Edit(film=VideoReader(clip), begin=4, count=count, masks=masks)

    def test_a_part_is_scaled_as_the_whole_would_be(self, clip):
        made, masks = tiny.clip(3, 40, 64), torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
        masks[:, 10:31, 40:77] = 255
        (part, where), (whole, _) = (next(put_back(made, self.edit(clip, one))) for one in (masks, None))
        assert torch.equal(where, (masks > 127).expand(3, -1, -1))
        assert torch.allclose(part[..., 10:31, 40:77], whole[..., 10:31, 40:77], atol=1e-5)

    def test_an_edge_fades_into_the_film_inside_the_mask(self, clip):
        masks = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
        masks[:, 10:50, 20:80] = 255
        made = torch.ones(1, 3, 3, 40, 64)
        ((frames, _),) = put_back(made, self.edit(clip, masks), feather=4)
        film = from_uint8(rgb(clip)[4:7])
        assert torch.allclose(frames[..., 15:45, 25:75], torch.ones(1), atol=1e-5)
        assert torch.allclose(frames[..., 10, 20:80], film[..., 10, 20:80] * 0.8 + 0.2, atol=0.02)


class TestCrop:
    """The model is shown a box around the mask; the rest of the frame is never touched."""

    @pytest.fixture(scope="class")
    def moving(self, tmp_path_factory) -> Path:
        """A square of 8 x 8 that goes from one side to the other."""
        levels = torch.zeros(9, HEIGHT, WIDTH, 3, dtype=torch.uint8)
        for n in range(9):
            levels[n, 28:36, 8 + 9 * n : 16 + 9 * n] = 255
        path = tmp_path_factory.mktemp("moving") / "moving.mkv"
        write_video(path, levels, fps=25, lossless=True)
        return path

    @pytest.mark.parametrize(("crop", "size"), [("steady", (16, 96)), ("follow", (32, 32))])
    def test_a_box_holds_the_mask_in_every_frame_and_is_put_back_there(
        self, crop, size, model, clip, moving, tmp_path
    ):  # fmt: skip
        out = tmp_path / "out.mkv"
        done = vace("inpaint", clip, "--mask", moving, "-m", model, "--end", "9f", "--crop", crop, "--lossless", "-o",
                    out, *QUICK)  # fmt: skip
        assert done.exit_code == 0, done.stderr
        assert f"9 frames of {size[1]} x {size[0]} pixels at 25 fps" in " ".join(done.stderr.split())
        masks = rgb(moving)[..., 0] > 127
        for n, (was, now) in enumerate(zip(planes(clip), planes(out), strict=True)):
            different = (was != now)[:HEIGHT]
            if n < 9:
                assert different[masks[n].numpy()].mean() > 0.5
                different[masks[n].numpy()] = False
            assert not different.any(), n

    def test_a_box_that_keeps_its_size_loses_nothing(self, clip, moving):
        part = EditPart(end="9f", crop=CropName.steady)
        request = tasks.inpaint(clip, mask=moving, part=part, wanted=Wanted(width=96, height=16))
        assert request.edit is not None
        assert request.vcu.source is not None
        frames, where = next(put_back(request.vcu.source, request.edit))
        film = from_uint8(rgb(clip)[:9])
        assert torch.equal(frames[0][:, where], film[0][:, where])

    def test_a_smaller_picture_may_be_longer(self, clip, tmp_path):
        picture = torch.full((1, 3, 1, HEIGHT, WIDTH), -1.0)
        picture[..., 20:36, 20:36] = 1
        write_image(tmp_path / "small.png", picture)
        part = EditPart(crop=CropName.steady)
        request = tasks.inpaint(clip, mask=tmp_path / "small.png", part=part, wanted=WANTED)
        assert request.vcu.shown_frames == COUNT  # which are too many of the whole frame
        assert (request.vcu.height, request.vcu.width) == (32, 32)


def wrong(folder: Path) -> dict[str, tuple[list[object], str]]:
    clip, mask = folder / "clip.mp4", folder / "mask.png"
    return {
        "start after the end": (
            ["inpaint", clip, "--mask", mask, "--start", "20f", "--end", "10f"],
            f"range-empty: count=30, end=10f, path={clip}, seconds=1.2, start=20f",
        ),
        "a start that is not there": (
            ["gray", clip, "--start", "3.2s"],
            f"time-outside: count=30, origin=, path={clip}, seconds=1.2, when=3.2s",
        ),
        "a start that is no time": (["gray", clip, "--start", "soon"], "time-unreadable: when=soon"),
        "more frames than there are": (
            ["gray", clip, "--length", "31"],
            f"clip-too-short: fps=25, length=31, name=clip {clip}, num_frames=30",
        ),
        "the mask of another clip": (
            ["inpaint", clip, "--mask", folder / "other.mkv", "--end", "9f"],
            f"mask-length: clip=clip {clip}, count=7, name=mask {folder / 'other.mkv'}, total=9",
        ),
        "an alpha that is not there": (
            ["inpaint", clip, "--mask", mask, "--end", "9f", "--mask-channel", "alpha"],
            f"mask-without-alpha: path={mask}",
        ),
        "frames that are not those of the clip": (
            ["inpaint", clip, "--mask", mask, "--fps", "10", "--put-back"],
            f"put-back-resampled: fps=25, path={clip}",
        ),
        "a crop around nothing": (["gray", clip, "--end", "9f", "--crop", "steady"], "crop-without-mask"),
        "sound alone": (
            ["inpaint", folder / "sound.mp4", "--mask", mask],
            f"video-without-picture: path={folder / 'sound.mp4'}",
        ),
        "a folder that is taken": (
            ["gray", clip, "--end", "9f", "-o", folder],
            f"folder-not-empty: folder={folder}",
        ),
    }


@pytest.mark.parametrize("name", wrong(Path()))
def test_what_is_wrong_is_said_in_a_sentence(name, clip, mask, tmp_path):
    shutil.copy(clip, tmp_path / "clip.mp4")
    shutil.copy(mask, tmp_path / "mask.png")
    write_video(tmp_path / "other.mkv", tiny.clip(7, HEIGHT, WIDTH), fps=25, lossless=True)
    encode_sound(tmp_path / "sound.mp4", 0.2, 0.0, codec="aac")
    words, said = wrong(tmp_path)[name]
    found = vace(*words)
    assert (found.exit_code, refused(found.exception)) == (3, said)
    assert "Traceback" not in found.stderr


def test_no_length_is_wrong_usage(clip):
    assert vace("gray", clip, "--length", "0").exit_code == 2


FULL = """
import sys, tempfile
from pathlib import Path
import torch
sys.path += ["tests"]
from vace_core.cli import tasks
from vace_core.cli.options import EditPart, Wanted
from vace_core.cli.run import write_result
full, clip, mask, tempfile.tempdir = map(str, sys.argv[1:])
request = tasks.inpaint(Path(clip), mask=Path(mask), part=EditPart(end="9f"), wanted=Wanted())
try:
    write_result(Path(full) / "out.mp4", torch.zeros(1, 3, 9, 48, 80), request, lossless=False)
except Exception as error:
    print(error)
print(sorted(path.name for path in Path(full).iterdir()))
"""


def test_a_disk_that_fills_up_while_the_result_is_written_costs_nothing(clip, mask, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "other").mkdir()
    space = "mount -t tmpfs -o size=64k tmpfs"
    words = [sys.executable, "-c", FULL, *(str(path) for path in (tmp_path / "full", clip, mask, tmp_path / "other"))]
    if subprocess.run(["unshare", "-rm", "sh", "-c", f"{space} {tmp_path / 'full'}"], check=False).returncode:
        pytest.skip("no small disk can be made here")
    found = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{space} {tmp_path / "full"} && exec "$@"', "sh", *words],
        cwd=Path(__file__).parents[2], env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True, capture_output=True,
        check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    said, left = found.stdout.strip().splitlines()
    assert "No space left on device" in said
    (saved,) = (tmp_path / "other").rglob("out.mp4")
    assert str(saved) in said
    assert VideoReader(saved).count == COUNT
    assert left == "[]"


def test_the_version_is_said():
    from vace_core import __version__

    assert vace("--version").stdout == f"{__version__}\n"


def test_an_hdr_clip_is_refused_with_the_option_that_takes_it_and_so_is_a_control_of_it(tmp_path):
    hdr, mask = tmp_path / "hdr.mp4", tmp_path / "mask.png"
    with av.open(str(hdr), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.colorspace = PQ, 9
        planes = [np.full((side, side), 500, np.uint16) for side in (64, 32, 32)]
        for _ in range(5):
            container.mux(stream.encode(frame_of_planes(planes, "yuv420p10le")))
        container.mux(stream.encode(None))
    write_image(mask, torch.ones(1, 3, 1, 64, 64))

    def vace(*words: object) -> Result:
        return CliRunner().invoke(app, [*map(str, words), "--dry-run"])

    words = ("inpaint", hdr, "--mask", mask)
    plain = vace(*words)
    assert (plain.exit_code, "--tone-map" in plain.stderr) == (3, True)
    assert "--tone-map" not in vace("extend", hdr).stderr  # which has no such option
    taken = vace(*words, "--tone-map", "--also", f"gray={hdr}")
    assert taken.exit_code == 0, taken.output
