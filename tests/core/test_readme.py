"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import torch

from vace_core.media.pictures import write_image
from vace_core.media.video import read_video
from vace_core.media.write import write_video
from vace_core.starter.scene import Background, Keyframe, Scene, SceneObject
from vace_core.starter.world import render

README = Path(__file__).parents[2] / "README.md"


def test_the_python_sample_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vace-demo").mkdir()
    path = (Keyframe(time=0, x=0.25, y=0.5, radius=0.18), Keyframe(time=1, x=0.75, y=0.5, radius=0.18))
    star = SceneObject(shape="star", colour="red", motion="moves right", path=path)
    drawn = render(
        Scene(background=Background(kind="plain", tint="gray"), objects=(star,)), num_frames=5, height=64, width=64
    )
    write_video("vace-demo/clip.mp4", drawn.frames, fps=8)
    mask = torch.full((1, 3, 1, 64, 64), -1.0)
    mask[..., 16:48, :] = 1
    write_image("mask.png", mask)

    (sample,) = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "sample.py").write_text(sample, encoding="utf-8")
    runpy.run_path("sample.py")

    before, after = read_video("vace-demo/clip.mp4"), read_video("out.mp4")
    assert (after.frames.shape, after.fps) == (before.frames.shape, 8)
    changed = (after.frames.int() - before.frames.int()).abs().float()
    assert changed[:, 16:48].mean() > 2 * changed[:, :16].mean()
