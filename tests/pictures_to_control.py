"""Pictures for the tests of controls and of their checks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

HEIGHT, WIDTH = 96, 128


def frames_of(*pictures: np.ndarray) -> Tensor:
    """A clip of pictures `(H, W)` or `(H, W, 3)`, 0..255."""
    clip = np.stack(
        [picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2) for picture in pictures]
    )
    return torch.from_numpy(clip.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1


def levels(frames: Tensor) -> np.ndarray:
    """`(T, H, W, 3)`, 0..255, of the first clip."""
    return ((frames[0] + 1) * 127.5).round().byte().permute(1, 2, 3, 0).contiguous().numpy()


def photo() -> np.ndarray:
    """A coloured picture with texture at every scale: noise whose amplitude falls as its waves grow shorter."""
    numbers = np.random.default_rng(0)
    frequencies = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.fftfreq(WIDTH)[None])
    frequencies[0, 0] = 1
    spectrum = np.fft.fft2(numbers.normal(size=(3, HEIGHT, WIDTH))) / frequencies
    pictures = np.real(np.fft.ifft2(spectrum)).transpose(1, 2, 0)
    return np.clip(128 + 45 * (pictures - pictures.mean()) / pictures.std(), 0, 255).round()


def depth(edge: float) -> np.ndarray:
    """A disc before a slope, its edge about `edge` pixels wide."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = 1 / (1 + np.exp(np.clip((np.hypot(x - 60, y - 48) - 30) * 4 / edge, -50, 50)))
    return (1 - inside) * (30 + 40 * y / HEIGHT) + inside * (210 - 0.2 * x)


def skeleton(background: int) -> np.ndarray:
    picture = np.full((HEIGHT, WIDTH, 3), background, float)
    picture[20:80, 60:64] = (0, 153, 60)
    picture[40:44, 30:100] = (153, 0, 0)
    return picture


def drawing(paper: int, ink: int) -> np.ndarray:
    picture = np.full((HEIGHT, WIDTH), paper, float)
    picture[20:22, 10:110] = picture[20:80, 40:42] = picture[60:62, 40:100] = ink
    return picture
