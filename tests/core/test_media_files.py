"""What every media file shares: the files there must be, the names to write to, and the libraries that are missing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from video_files import encode, message, noise

from vace_core.errors import InputError, ShapeError
from vace_core.files.replacing import replacing
from vace_core.media.files import check_target
from vace_core.media.pictures import read_image, read_mask, write_image
from vace_core.media.video import from_uint8, read_video
from vace_core.media.write import check_video_target, write_video


def shown(path: Path) -> str:
    """A path as messages have it: what cannot be printed is escaped."""
    return str(path).replace("\0", "\\x00")


@pytest.mark.parametrize("read", [read_video, read_image, read_mask])
def test_missing_and_empty_files(tmp_path: Path, read: Callable[[Path], object]):
    for path in (
        tmp_path / "none.mp4",
        Path("a\0b.mp4"),
        tmp_path / "no" / "x_%03d.png",
        tmp_path / "x_%03d.png",
        tmp_path / ("x" * 300 + ".mp4"),
    ):
        assert message(InputError, lambda path=path: read(path)) == f"file-missing: path={path}"
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert message(InputError, lambda: read(empty)) == f"file-empty: path={empty}"


def test_what_is_no_image_is_called_what_it_is(tmp_path: Path):
    clip = encode(tmp_path / "clip.mp4", noise(5, 32, 32, 3))
    assert message(InputError, lambda: read_image(clip)) == f"image-is-film: path={clip}"
    assert message(InputError, lambda: read_image(tmp_path)) == f"file-is-folder: path={tmp_path}"
    (tmp_path / "a.jpg").write_bytes(b"no image")
    assert message(InputError, lambda: read_image(tmp_path / "a.jpg")).startswith("image-unreadable: ")


def test_write_says_what_it_needs(tmp_path: Path):
    frames, (one, folder) = torch.zeros(1, 3, 1, 16, 16), (tmp_path / "a.mp4", tmp_path / "b.mp4")
    folder.mkdir()
    assert message(InputError, lambda: write_video(tmp_path / "a.avi", frames, fps=16)) == (
        f"file-ending: known=.mp4, path={tmp_path / 'a.avi'}, suffix=.avi"
    )
    assert message(InputError, lambda: write_video(one, frames, fps=16, lossless=True)) == (
        f"file-ending: known=.mkv, path={one}, suffix=.mp4"
    )
    assert message(InputError, lambda: write_image(one, frames)) == (
        f"file-ending: known=.png, path={one}, suffix=.mp4"
    )
    assert message(InputError, lambda: write_video(tmp_path / "no" / "a.mp4", frames, fps=16)) == (
        f"folder-missing: folder={tmp_path / 'no'}"
    )
    assert message(InputError, lambda: write_video(folder, frames, fps=16)) == f"file-is-folder: path={folder}"
    assert message(InputError, lambda: write_video(one, frames, fps=float("nan"))) == "fps-range: fps=nan"
    assert message(InputError, lambda: write_video(one, frames, fps=16, crf=52)) == "crf-range: crf=52"
    assert message(ShapeError, lambda: write_image(tmp_path / "a.png", frames.repeat(1, 1, 2, 1, 1))) == (
        "image-several-frames: frames=2"
    )
    assert message(InputError, lambda: check_target(tmp_path / "a.avi", ".mp4", ".png")) == (
        f"file-ending: known=.mp4 or .png, path={tmp_path / 'a.avi'}, suffix=.avi"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.mp4"]


def test_a_target_is_tried_before_there_is_anything_to_write(tmp_path: Path):
    for name, why in (("x" * 300 + ".mp4", "File name too long"), ("a\0b.mp4", "embedded null byte")):
        assert message(InputError, lambda name=name: check_target(tmp_path / name, ".mp4")) == (
            f"file-unwritable: error={why}, path={tmp_path / name}"
        )
    said = message(InputError, lambda: check_video_target(tmp_path / "a.mkv", lossless=True, pixels=1 << 60))
    assert said.startswith(f"disk-full: folder={tmp_path}, ")
    check_video_target(tmp_path / "a.mkv", lossless=True, pixels=1 << 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits")
@pytest.mark.parametrize("limit", [0, 100, 3000])
def test_a_disk_that_becomes_full_is_a_sentence(tmp_path: Path, limit: int):
    import resource

    frames = from_uint8(noise(5, 64, 64, 3))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        for name, write in (
            ("a.mp4", lambda path: write_video(path, frames, fps=8)),
            ("a.mkv", lambda path: write_video(path, frames, fps=8, lossless=True)),
            ("a.png", lambda path: write_image(path, frames[:, :, :1])),
        ):
            assert message(InputError, lambda write=write, name=name: write(tmp_path / name)) == (
                f"file-unwritable: error=File too large, path={tmp_path / name}"
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_vanishes_is_a_sentence(tmp_path: Path):
    folder = tmp_path / "gone"
    folder.mkdir()

    def vanish() -> None:
        with replacing(folder / "a.mp4", OSError):
            shutil.rmtree(folder)
            folder.touch()  # what was to be taken away is now below a file

    assert message(InputError, vanish) == f"file-unwritable: error=Not a directory, path={folder / 'a.mp4'}"


def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert message(InputError, lambda: read_video(tmp_path / "a.mp4")) == "pyav-not-installed"
    assert message(InputError, lambda: read_image(tmp_path / "a.png")) == "pillow-not-installed"
