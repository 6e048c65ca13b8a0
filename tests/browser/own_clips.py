"""Clips and a picture of one's own, as files in ComfyUI's input folder."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import torch
from PIL import Image

from vace_core.media.video import to_uint8
from vace_core.starter.scenes.backdrops import Backdrop
from vace_core.starter.scenes.paths import Keyframe
from vace_core.starter.scenes.render import SceneClip, render
from vace_core.starter.scenes.scene import Scene, SceneObject, random_scene

WIDE = (416, 240)
STAR = "star.png"
BACKGROUND = "gradient beige background"
FPS = 8


def _scene(shape: str, colour: str, radius: float) -> Scene:
    path = tuple(Keyframe(time=time, x=x, y=0.45, radius=radius) for time, x in ((0, 0.28), (1, 0.72)))
    thing = SceneObject(shape=shape, colour=colour, motion="moves right", path=path)
    return Scene(backdrop=Backdrop(kind="gradient", colour="beige", phase=(0.1, 0.6, 0.4, 0.5)), objects=(thing,))


def circle(side: int = 96) -> torch.Tensor:
    """`(1, 3, 17, side, side)`: a red circle that moves right."""
    return render(_scene("circle", "red", 0.24), height=side, width=side).frames


def followed(seed: int) -> SceneClip:
    """A clip of the world: one shape before a muted backdrop."""
    return render(random_scene(seed, kind="one", calm=True), num_frames=17, height=96, width=96)


def write_clips(folder: Path, seed: int) -> None:
    """own.mp4 and wide.mp4 as cameras write them, followed.mkv of the world's clip of this seed without loss."""
    _write(folder / "own.mp4", circle(192), "libx264", "yuv420p")
    wide = render(_scene("circle", "red", 0.24), height=WIDE[1], width=WIDE[0])
    _write(folder / "wide.mp4", wide.frames, "libx264", "yuv420p")
    _write(folder / "followed.mkv", followed(seed).frames, "ffv1", "bgr0")
    (star, *_) = render(_scene("star", "blue", 0.3)).references
    Image.fromarray(to_uint8(star)[0].numpy()).save(folder / STAR)
    (folder / "broken.mp4").write_bytes(b"no video")


def _write(path: Path, frames: torch.Tensor, codec: str, pixels: str) -> None:
    images = to_uint8(frames)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(FPS))
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = pixels
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image.numpy(), format="rgb24")))
        container.mux(stream.encode())
