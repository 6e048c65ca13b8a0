"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from refused import refused

import vace_core
from vace_core.media.pictures import write_image
from vace_core.media.video import read_video
from vace_core.media.write import write_video
from vace_core.starter.scenes.backdrops import Backdrop
from vace_core.starter.scenes.paths import Keyframe
from vace_core.starter.scenes.render import render
from vace_core.starter.scenes.scene import Scene, SceneObject

README = Path(__file__).parents[2] / "README.md"


def test_the_python_sample_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vace-demo").mkdir()
    path = (Keyframe(time=0, x=0.25, y=0.5, radius=0.25), Keyframe(time=1, x=0.75, y=0.5, radius=0.25))
    star = SceneObject(shape="star", colour="red", motion="moves right", path=path)
    drawn = render(
        Scene(backdrop=Backdrop(kind="plain", colour="gray"), objects=(star,)), num_frames=5, height=96, width=96
    )
    write_video("vace-demo/clip.mp4", drawn.frames, fps=8)
    mask = torch.full((1, 3, 1, 96, 96), -1.0)
    mask[..., 24:72, :] = 1
    write_image("mask.png", mask)

    (sample,) = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "sample.py").write_text(sample, encoding="utf-8")
    runpy.run_path("sample.py")

    before, after = read_video("vace-demo/clip.mp4"), read_video("out.mp4")
    assert (after.frames.shape, after.fps) == (before.frames.shape, 8)
    changed = (after.frames.int() - before.frames.int()).abs().float()
    assert changed[:, 24:72].mean() > 2 * changed[:, :24].mean()


def test_pictures_in_memory_are_taken_from_torch_and_numpy(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)
    hole = np.zeros((48, 64), dtype=np.float32)
    hole[16:32, 16:48] = 1
    vace = vace_core.open_model()
    clips = [vace.read(pictures, hole, fps=25), vace.read(torch.from_numpy(pictures), torch.from_numpy(hole), fps=25)]
    units = [vace_core.tasks.inpaint(clip.frames, clip.masks, fps=clip.fps) for clip in clips]
    assert torch.equal(units[0].frames, units[1].frames)
    assert clips[0].frames.shape == (1, 3, 9, 48, 64)
    clips[0].write(tmp_path / "out.mkv", vace.generate(units[0], seed=1, steps=1), lossless=True)
    after = read_video(tmp_path / "out.mkv")
    assert (after.frames.shape, after.fps) == (pictures.shape, 25)
    different = (after.frames.numpy() != pictures).any(-1)
    assert different[:, 16:32, 16:48].any()
    different[:, 16:32, 16:48] = False
    assert not different.any()


def test_pictures_in_memory_are_written_as_the_name_says(tmp_path):
    pictures = torch.randint(0, 256, (5, 48, 64, 3), dtype=torch.uint8)
    vace = vace_core.open_model()
    clip, still = vace.read(pictures), vace.read(pictures[:1])
    clip.write(tmp_path / "frames", clip.frames)
    still.write(tmp_path / "still.png", still.frames)
    assert torch.equal(read_video(tmp_path / "frames").frames, pictures)
    assert torch.equal(read_video(tmp_path / "still.png").frames, pictures[:1])


@pytest.mark.parametrize(
    ("shape", "kind", "mask"),
    [((48, 64, 3), "uint8", None), ((5, 48, 64, 3), "float32", None), ((5, 48, 64, 4), "uint8", None),
     ((2, 3, 5, 48, 64), "float32", None), ((5, 48, 64, 3), "uint8", (5, 48, 64, 1))],
)  # fmt: skip
def test_pictures_in_memory_of_another_layout_are_refused(shape, kind, mask):
    pictures = np.zeros(shape, kind)
    with pytest.raises(vace_core.VaceError) as error:
        vace_core.open_model().read(pictures, None if mask is None else np.ones(mask, np.uint8))
    assert error.value.code == ("clip-layout" if mask is None else "mask-layout")


def test_an_unknown_option_is_refused():
    vace = vace_core.open_model()
    unit = vace_core.tasks.text(num_frames=1, height=32, width=32)
    with pytest.raises(vace_core.VaceError) as error:
        vace.generate(unit, step=3)
    assert refused(error.value).startswith("option-unknown")


def test_every_name_at_the_top_is_there():
    assert all(hasattr(vace_core, name) for name in vace_core.__all__)
