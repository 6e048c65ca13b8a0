"""HDR brought to standard dynamic range, where somebody asks for it."""

from __future__ import annotations

import torch
from torch import Tensor

PQ, HLG = 16, 18
"""Transfer functions of HDR, by the number that a file states."""

_WHITE = 203.0  # cd/m2 of a sheet of white paper in HDR (ITU-R BT.2408); white in SDR
_PEAK = 1000.0  # cd/m2 of the display that HLG is shown on
_KNEE = 0.8  # of white: what is darker keeps its brightness, what is brighter is rolled off
_GAMMA = 2.4  # of an SDR display (ITU-R BT.1886)

# Linear BT.2020 to BT.709, ITU-R BT.2087.
_TO_709 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))


def tone_mapped(picture: Tensor, transfer: int) -> Tensor:
    """`(H, W, 3)` float32 in 0..1 for an SDR display, BT.709, from the same of HDR, BT.2020.

    Brightness up to 0.8 of white is kept; highlights are rolled off towards white by a curve on the largest channel,
    so that hues stay.

    Args:
        picture: What the file holds.
        transfer: `PQ` or `HLG`.

    Source: SMPTE ST 2084 and ITU-R BT.2100 for the transfer functions.
    """
    light = (_from_pq(picture) if transfer == PQ else _from_hlg(picture)) / _WHITE
    light = (light @ torch.tensor(_TO_709).T).clamp_min(0)
    peak = light.amax(2, keepdim=True).clamp_min(_KNEE)
    beyond = (peak - _KNEE) / (1 - _KNEE)
    rolled = _KNEE + (1 - _KNEE) * beyond / (1 + beyond)
    return (light * (rolled / peak)).clamp_max(1) ** (1 / _GAMMA)


def _from_pq(levels: Tensor) -> Tensor:
    """cd/m2."""
    root = levels ** (32 / 2523)
    return 10_000 * ((root - 3424 / 4096).clamp_min(0) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)


def _from_hlg(levels: Tensor) -> Tensor:
    """cd/m2 on a display of 1000."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = torch.where(levels <= 0.5, levels**2 / 3, (torch.exp((levels - c) / a) + b) / 12)
    luma = (scene @ torch.tensor([0.2627, 0.6780, 0.0593]))[..., None]
    return _PEAK * luma**0.2 * scene
