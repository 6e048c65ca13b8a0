"""Extensions and outpaintings come back on the original: the film as it is stored, and what is new at its size."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import tiny
import torch
from refused import refused
from video_files import encode, encode_sound, noise, sound_of

from vace_core.cli import tasks
from vace_core.cli.options import CropName, EditPart, KeptPart, PutBack, References, Sides, Wanted
from vace_core.cli.request import Request
from vace_core.cli.run import write_result
from vace_core.errors import InputError
from vace_core.inputs.border import sides_of
from vace_core.inputs.put_back import Edit, write_put_back
from vace_core.inputs.resizing import resize_part
from vace_core.media.pictures import write_image
from vace_core.media.planes import stored_planes
from vace_core.media.reader import VideoReader
from vace_core.media.sources import open_footage
from vace_core.media.video import read_video, to_uint8
from vace_core.media.write import write_frames, write_video
from vace_core.pipeline.composite import composite

HEIGHT, WIDTH, COUNT = 64, 96, 30
SHORT = Wanted(length=17)
BACK = PutBack(put_back=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """30 frames of 96 x 64 at 25 fps, H.264 4:2:0."""
    return encode(tmp_path_factory.mktemp("clip") / "clip.mp4", noise(COUNT, HEIGHT, WIDTH, 3), fps=25)


def made(request: Request) -> torch.Tensor:
    """What a model makes of a unit, as far as this is about: anything new, and what was kept."""
    vcu = request.vcu
    assert vcu.source is not None
    return vcu.shown(composite(tiny.clip(vcu.num_frames, vcu.height, vcu.width, seed=9), vcu.source, vcu.masks))


def written(request: Request, path: Path, *, lossless: bool = True) -> VideoReader:
    write_result(path, made(request), request, lossless=lossless)
    return VideoReader(path)


def planes(film: VideoReader) -> list[np.ndarray]:
    """Every frame as it is stored."""
    return [frame.to_ndarray() for frame in film.raw(0, film.count)]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


class TestExtension:
    def test_a_film_goes_on(self, clip, tmp_path):
        request = tasks.extend(clip, keep=5, wanted=SHORT)
        film, source = written(request, tmp_path / "out.mkv"), VideoReader(clip)
        assert (film.count, film.fps, film.layout) == (COUNT + 12, 25, "yuv420p")
        assert request.shape == (COUNT + 12, film.height, film.width) == (COUNT + 12, HEIGHT, WIDTH)
        assert same(planes(film)[:COUNT], planes(source))
        new = made(request)[0, :, 5]
        expected = resize_part(new, (0.0, 0.0, float(new.shape[2]), float(new.shape[1])), (HEIGHT, WIDTH))
        shown = read_video(film.path).frames[COUNT].float()
        wanted = to_uint8(expected[None, :, None])[0].float()
        assert (shown.mean(-1) - wanted.mean(-1)).abs().mean() < 25  # noise, of which 4:2:0 keeps the luma alone
        other = read_video(film.path).frames[COUNT + 1].float()
        assert (other.mean(-1) - wanted.mean(-1)).abs().mean() > 40
        assert ("output", f"42 frames of 96 x 64 at 25 fps: {COUNT} as they came, 12 new") in request.rows()

    def test_a_film_is_led_up_to_and_its_sound_waits(self, tmp_path):
        clip = encode_sound(tmp_path / "clip.mp4", 1.0, 0.0, codec="aac", video_start=0)
        source = VideoReader(clip)
        request = tasks.extend(last=clip, keep=5, wanted=SHORT)
        film = written(request, tmp_path / "out.mkv")
        assert same(planes(film)[12:], planes(source))
        sound = sound_of(film.path)[0]  # left and right in turn
        assert np.flatnonzero(sound)[0] // 2 == 12 * 44100 // 25
        copied = written(request, tmp_path / "out.mp4", lossless=False)
        with av.open(str(copied.path)) as file:
            track = file.streams.audio[0]
            assert abs(float(track.start_time * track.time_base) - 12 / 25) < 0.05

    def test_sound_that_is_not_in_the_result_is_named(self, tmp_path):
        names = tmp_path / "a.mp4", tmp_path / "b.mp4"
        a, b = (encode_sound(name, 1.0, 0.0, codec="aac", video_start=0) for name in names)
        quiet = encode(tmp_path / "quiet.mp4", noise(22, 32, 32, 3), fps=25)
        said = "The sound of b.mp4 is not in the result, which {}. Add it with an editor."
        for clips, heard in (
            ((a, b), "has that of a.mp4 alone"),
            ((quiet, b), "is silent as quiet.mp4"),
            ((a, quiet, b), "has that of a.mp4 alone"),
        ):
            request = tasks.join(*clips[:2], list(clips[2:]) or None, keep=5, wanted=SHORT)
            assert list(request.cautions) == [said.format(heard)]
        for clips in ((a, quiet), (a, None)):
            assert not tasks.extend(clips[0], last=clips[1], keep=5, wanted=SHORT).cautions
        assert not tasks.join(a, b, only=True, wanted=SHORT).cautions

    def test_two_films_are_joined(self, clip, tmp_path):
        other = encode(tmp_path / "other.mp4", noise(22, HEIGHT, WIDTH, 3), fps=25)
        film = written(tasks.join(clip, other, keep=5, wanted=SHORT), tmp_path / "out.mkv")
        frames = planes(film)
        assert same(frames[:COUNT], planes(VideoReader(clip)))
        assert same(frames[COUNT + 7 :], planes(VideoReader(other)))

    def test_the_first_of_two_films_decides(self, clip, tmp_path):
        """The other has another size, rate and bit depth."""
        other = tmp_path / "other.mp4"
        write_video(other, tiny.clip(24, 80, 80), fps=50, bits=10)
        request = tasks.join(clip, other, keep=5, wanted=SHORT)
        film = written(request, tmp_path / "out.mkv")
        assert (film.count, film.fps, film.layout) == (COUNT + 7 + 12, 25, "yuv420p")
        assert same(planes(film)[:COUNT], planes(VideoReader(clip)))
        assert any("scaled from 80 x 80 to the 96 x 64 pixels" in said for _, said in request.notes)

    def test_ten_bits_stay(self, tmp_path):
        write_video(tmp_path / "deep.mp4", tiny.clip(9, HEIGHT, WIDTH), fps=25, bits=10)
        film = written(tasks.extend(tmp_path / "deep.mp4", keep=5, wanted=SHORT), tmp_path / "out.mkv")
        assert film.layout == "yuv420p10le"
        assert same(planes(film)[:9], planes(VideoReader(tmp_path / "deep.mp4")))

    def test_pictures_come_and_go(self, tmp_path):
        pictures = noise(9, HEIGHT, WIDTH, 3)
        write_frames(tmp_path / "shots", pictures)
        request = tasks.extend(tmp_path / "shots", keep=5, wanted=SHORT)
        write_result(tmp_path / "made", made(request), request, lossless=False)
        after = read_video(tmp_path / "made").frames
        assert len(after) == 9 + 12
        assert torch.equal(after[:9], pictures)

    def test_a_picture_has_the_size_of_the_model_unless_asked_or_beside_a_film(self, clip, tmp_path):
        write_image(tmp_path / "photo.png", tiny.clip(1, 80, 112))
        photo = tmp_path / "photo.png"
        assert tasks.extend(photo, wanted=SHORT).edit is None
        film = written(tasks.extend(photo, back=BACK, wanted=SHORT), tmp_path / "out.mkv")
        assert (film.count, film.height, film.width, film.fps) == (17, 80, 112, 8)
        assert torch.equal(read_video(film.path).frames[0], read_video(photo).frames[0])
        both = tasks.extend(photo, last=clip, keep=1, wanted=SHORT)
        film = written(both, tmp_path / "both.mkv")
        assert (film.count, film.fps) == (1 + 15 + COUNT, 25)
        assert same(planes(film)[16:], planes(VideoReader(clip)))

    def test_only_what_the_model_works_on_and_at_its_size(self, clip):
        only = tasks.extend(clip, keep=5, only=True, wanted=SHORT)
        assert (only.shape, only.sound) == ((17, HEIGHT, WIDTH), None)
        alone = tasks.extend(clip, keep=5, back=PutBack(put_back=False), wanted=SHORT)
        assert alone.shape == (COUNT + 12, 64, 96)
        assert tasks.extend(clip, keep=5, wanted=Wanted(length=17, fps=10)).edit is None
        with pytest.raises(InputError) as error:
            tasks.extend(clip, keep=5, back=BACK, wanted=Wanted(length=17, fps=10))
        assert refused(error.value) == f"put-back-resampled: fps=25, path={clip}"


def test_an_image_of_sixteen_bits_comes_back_as_one(tmp_path):
    levels = torch.linspace(-1, 1, HEIGHT * WIDTH).view(1, 1, 1, HEIGHT, WIDTH).expand(1, 3, 1, HEIGHT, WIDTH)
    write_image(tmp_path / "photo.png", levels, bits=16)
    mask = torch.full((1, 3, 1, HEIGHT, WIDTH), -1.0)
    mask[..., :32] = 1
    write_image(tmp_path / "mask.png", mask)
    request = tasks.inpaint(tmp_path / "photo.png", mask=tmp_path / "mask.png", wanted=Wanted())
    write_result(tmp_path / "out.png", made(request), request, lossless=False)
    before, after = (open_footage(tmp_path / name) for name in ("photo.png", "out.png"))
    assert after.bits == 16
    kept = [next(film.pictures([0], deep=True))[:, 32:] for film in (before, after)]
    assert torch.equal(*kept)
    assert len(kept[0].unique()) > 256


def test_five_edits_in_a_row_keep_what_none_of_them_changed(clip, tmp_path):
    """Two holes, of which one is shown to the model as a crop, new frames, a hole in these, and a border."""
    kept = np.ones((COUNT + 12, HEIGHT, WIDTH), dtype=bool)
    kept[COUNT:] = False
    films = [clip, *(tmp_path / f"{number}.mkv" for number in range(5))]

    def inpaint(number: int, rows: slice, columns: slice, begin: int, end: int, crop: CropName | None = None) -> None:
        mask = torch.full((1, 3, 1, HEIGHT, WIDTH), -1.0)
        mask[..., rows, columns] = 1
        write_image(tmp_path / "mask.png", mask)
        part = EditPart(start=f"{begin}f", end=f"{end}f", crop=crop)
        request = tasks.inpaint(films[number], mask=tmp_path / "mask.png", part=part, wanted=Wanted())
        written(request, films[number + 1])
        kept[begin:end, rows, columns] = False

    inpaint(0, slice(8, 24), slice(16, 40), 4, 13)
    inpaint(1, slice(32, 48), slice(48, 72), 10, 27, CropName.steady)
    written(tasks.extend(films[2], keep=5, wanted=SHORT), films[3])
    inpaint(3, slice(8, 32), slice(60, 80), 25, 42)
    sides = Sides(left="0.25", top="12px")
    written(tasks.outpaint(films[4], sides=sides, part=KeptPart(), wanted=Wanted(length=COUNT + 12)), films[5])
    last = VideoReader(films[5])
    assert (last.count, last.height, last.width) == (COUNT + 12, HEIGHT + 12, WIDTH + 24)
    for n, (was, now) in enumerate(zip(planes(VideoReader(clip)), planes(last), strict=False)):
        inside = kept[n]
        assert np.array_equal(was[:HEIGHT][inside], now[12 : 12 + HEIGHT, 24:][inside])
        chroma = now[last.height :].reshape(2, last.height // 2, last.width // 2)[:, 6:, 12:]
        rough = inside.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).all((1, 3))
        assert np.array_equal(was[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)[:, rough], chroma[:, rough])
        assert inside.all() or not np.array_equal(was[:HEIGHT], now[12 : 12 + HEIGHT, 24:])
    assert 0.9 < kept[:COUNT].mean() < 1


HOLES = [(slice(16, 40), slice(20, 60)), (slice(17, 41), slice(21, 61))]
SAMPLED = [
    ("libx264", "yuv420p"),  # chroma on the left
    ("ffv1", "yuv420p"),  # in the middle
    ("libx264", "yuv422p"),
    ("libx264", "yuv420p10le"),
    ("libx264", "yuv422p10le"),
]


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize(("codec", "pix_fmt"), SAMPLED)
def test_an_edit_that_changes_nothing_leaves_every_stored_level(tmp_path, codec, pix_fmt, hole):
    pictures = noise(3, HEIGHT, WIDTH, 3)
    film = VideoReader(encode(tmp_path / "a.mkv", pictures, codec=codec, pix_fmt=pix_fmt))
    masks = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
    masks[(0, *hole)] = 255
    (chunk,) = film.chunks(deep=True)
    write_put_back(tmp_path / "b.mkv", chunk.frames, Edit(film=film, begin=0, count=3, masks=masks), lossless=True)
    assert same(planes(VideoReader(tmp_path / "b.mkv")), planes(film))


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize(("codec", "pix_fmt"), SAMPLED)
def test_chroma_on_the_edge_of_an_edit_is_between_that_of_both_sides(tmp_path, codec, pix_fmt, hole):
    """Where a sample stands for pixels of both; nothing else is mixed in."""
    red, violet = torch.tensor([200, 40, 40]), torch.tensor([200, 40, 200])
    pictures = red.to(torch.uint8).expand(1, HEIGHT, WIDTH, 3)
    film = VideoReader(encode(tmp_path / "a.mkv", pictures, codec=codec, pix_fmt=pix_fmt))
    masks = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
    masks[(0, *hole)] = 255
    made = (violet / 127.5 - 1).view(1, 3, 1, 1, 1).expand(-1, -1, -1, HEIGHT, WIDTH)
    write_put_back(tmp_path / "b.mkv", made, Edit(film=film, begin=0, count=1, masks=masks), lossless=True)
    frame = next(VideoReader(tmp_path / "b.mkv").raw(0, 1))
    for plane in stored_planes(frame)[0][1:]:
        low, high = sorted((int(plane[0, 0]), int(plane[len(plane) // 2, 20])))
        assert high - low > 8  # both planes differ from one side to the other
        assert plane.min() >= low - 1
        assert plane.max() <= high + 1


class TestOutpainting:
    def request(self, clip: Path, **sides: str) -> Request:
        return tasks.outpaint(clip, sides=Sides(**sides), part=KeptPart(start="4f", end="13f"), wanted=Wanted())

    @pytest.mark.parametrize("blend", [0, 6])
    def test_a_film_lies_in_a_larger_frame(self, blend, clip, tmp_path):
        request = self.request(clip, left="0.25", top="11px", right="0.1")
        write_result(tmp_path / "out.mkv", made(request), request, lossless=True, feather=blend)
        film = VideoReader(tmp_path / "out.mkv")
        left, top = 24, 12  # on even numbers
        assert (film.count, film.height, film.width) == request.shape == (9, HEIGHT + top, WIDTH + left + 10)
        full = planes(film)
        for n, frame in enumerate(planes(VideoReader(clip))[4:13]):
            was, now = frame[:HEIGHT], full[n][top : top + HEIGHT, left : left + WIDTH]
            assert np.array_equal(was, now)
            chroma = full[n][film.height :].reshape(2, film.height // 2, film.width // 2)
            part = chroma[:, top // 2 : (top + HEIGHT) // 2, left // 2 : (left + WIDTH) // 2]
            assert np.array_equal(frame[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2), part)

    @pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
    def test_the_border_lies_where_the_model_made_it(self, side, clip, tmp_path):
        """What was made is a ramp over the whole canvas, which fits the film's place in it."""
        request = self.request(clip, **{side: "0.5"})
        edit, vcu = request.edit, request.vcu
        assert edit is not None
        across, first = side in ("left", "right"), side in ("left", "top")
        film, canvas = (WIDTH, vcu.width) if across else (HEIGHT, vcu.height)
        ramp = torch.linspace(-1, 1, canvas).view(1, 1, 1, *((1, -1) if across else (-1, 1)))
        frame = next(edit.finished(ramp.expand(1, 3, 9, vcu.height, vcu.width)))[0, :, :, 0].float()
        line = frame[0] if across else frame[:, 0]
        seen = vcu.has_source[0, 0, 0].any(0 if across else 1).nonzero()[[0, -1], 0]
        scale, added = float(seen[1] - seen[0] + 1) / film, film // 2
        place = (0 if first else film) + torch.arange(added)
        wanted = ((place + 0.5) * scale + float(seen[0]) - first * added * scale - 0.5) / (canvas - 1) * 255
        border = line[:added] if first else line[film:]
        assert (border[2:-2] - wanted[2:-2]).abs().max() < 2

    def test_a_picture(self, tmp_path):
        write_image(tmp_path / "photo.png", tiny.clip(1, 45, 71))
        request = tasks.outpaint(tmp_path / "photo.png", sides=Sides(bottom="0.5"), wanted=Wanted())
        write_result(tmp_path / "out.png", made(request), request, lossless=False)
        photo, out = (read_video(path).frames for path in (tmp_path / "photo.png", tmp_path / "out.png"))
        assert out.shape[1:3] == (68, 71)
        assert torch.equal(out[:, :45], photo)

    def test_an_expanded_picture_has_its_size_if_asked(self, tmp_path):
        write_image(tmp_path / "photo.png", tiny.clip(1, 80, 112))
        given = {"sides": Sides(left="0.5"), "pictures": References(), "wanted": Wanted(length=9)}
        assert tasks.expand(tmp_path / "photo.png", **given).edit is None
        film = written(tasks.expand(tmp_path / "photo.png", back=BACK, **given), tmp_path / "out.mkv")
        frames = read_video(film.path).frames
        assert frames.shape == (9, 80, 168, 3)
        assert torch.equal(frames[0, :, 56:], read_video(tmp_path / "photo.png").frames[0])

    def test_nothing_is_put_back_if_not_asked(self, clip):
        part = KeptPart(end="9f", put_back=False)
        assert tasks.outpaint(clip, sides=Sides(left="0.25"), part=part, wanted=Wanted()).edit is None

    def test_margins_keep_what_shares_a_chroma_sample_together(self, tmp_path):
        film = VideoReader(encode(tmp_path / "odd.mp4", noise(1, 64, 90, 3), fps=25))
        assert sides_of(film, 0.12, 0.12, 0.0, 0.3) == (10, 10, 0, 20)
