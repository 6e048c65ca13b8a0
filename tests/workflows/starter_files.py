"""Puts the starter into ComfyUI's model folders under the names of released models, and example clips into its input.

So workflows that ask for files run as they are: Load Diffusion Model, Load VAE, LoRA, Load Video and Load Image load.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tools.workflows.forms import pack
from tools.workflows.parts import ADAPTER, BASE, LARGE, LORA, SMALL, TEXT, VAE
from vace_core.starter.model import LENGTH, SIDE, WEIGHTS
from vace_core.starter.scenes.render import render

FPS = 8
RANK, ALPHA = 4, 0.02
PARTS = Path(__file__).with_name("starter_parts")


def write(folder: Path) -> None:
    """Models, pictures and clips in the folders of a ComfyUI that lives in `folder`."""
    base, adapter, vae = (load_file(WEIGHTS / f"{part}.safetensors") for part in ("base", "adapter", "vae"))
    for file, weights, layers in (
        (SMALL, base | adapter, True),
        (LARGE, base | adapter, True),
        (BASE, base, False),
        (ADAPTER, adapter, True),
        (VAE, vae, False),
        (TEXT, words(), False),
        (LORA, lora(base), False),
    ):
        path = folder / "models" / file["directory"] / file["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, path, metadata=_said() if layers else {})
    (folder / "input").mkdir(exist_ok=True)
    for scene in pack().nodes.example.SCENES:
        write_clip(folder / "input" / clip_name(scene), _bytes(example(scene, "images")))
        for source in ("objects", "images"):
            _write_picture(folder / "input" / picture_name(scene, source), example(scene, source)[0])


def clip_name(scene: str) -> str:
    return f"{scene}.mkv"


def picture_name(scene: str, source: str) -> str:
    """The file of the first of the `objects` or `images` of an example clip."""
    return f"{scene}, {source}.png"


def example(scene: str, source: str) -> Tensor:
    """`(T, H, W, 3)` in 0..1: an output of VACE Example Clip, as 8-bit files hold it."""
    clip = render(pack().nodes.example.SCENES[scene], num_frames=LENGTH, height=SIDE, width=SIDE)
    frames = clip.frames if source == "images" else torch.cat(clip.references, dim=2)
    return ((frames[0].permute(1, 2, 3, 0) + 1) * 127.5).round() / 255


def words() -> dict[str, Tensor]:
    """What is looked at to tell that a file holds umT5."""
    name = "encoder.block.{}.layer.0.SelfAttention.{}.weight"
    return {name.format(n, part): torch.zeros(2, 2) for n in range(2) for part in ("q", "relative_attention_bias")}


def lora(base: dict[str, Tensor]) -> dict[str, Tensor]:
    """A small random change of every query of the base."""
    random = torch.Generator().manual_seed(1)
    made: dict[str, Tensor] = {}
    for name, weight in base.items():
        if name.endswith("self_attn.q.weight"):
            high, wide = weight.shape
            stem = f"diffusion_model.{name.removesuffix('.weight')}"
            made[f"{stem}.lora_A.weight"] = torch.randn(RANK, wide, generator=random) * ALPHA
            made[f"{stem}.lora_B.weight"] = torch.randn(high, RANK, generator=random) * ALPHA
    return made


def _said() -> dict[str, str]:
    with safe_open(WEIGHTS / "adapter.safetensors", "pt") as file:
        return file.metadata()


def write_clip(path: Path, frames: Tensor) -> None:
    """Bytes `(T, H, W, 3)` as a video without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(FPS))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.numpy(), format="rgb24")))
        container.mux(stream.encode())


def _write_picture(path: Path, image: Tensor) -> None:
    Image.fromarray(_bytes(image).numpy()).save(path)


def _bytes(image: Tensor) -> Tensor:
    return (image * 255).round().byte()
