"""The eight indicators give what VBench's own code gives, and their average what the paper prints."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from refused import refused

from vace_core.errors import InputError
from vace_core.evaluation import vbench

# Scores of the official functions on the clips below, with the tiny networks below in the places of the real ones.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "vbench.json").read_text())

# arXiv 2503.07598, Table 2: the eight indicators in the order of `vbench.BOUNDS`, in percent, and their average.
TABLE_2 = """
I2V I2VGenXL              55.20 92.87  60.00 63.31 97.43 23.78 89.58 95.67  71.54
I2V CogVideoX-I2V         57.78 94.80  40.00 68.23 98.69 24.38 93.84 97.84  73.66
I2V LTX-Video             56.12 94.57  35.00 62.72 99.27 24.92 92.83 98.41  72.89
I2V VACE                  57.53 95.32  45.00 68.03 99.08 25.13 93.61 97.80  74.38
Inpaint ProPainter        44.70 95.64  50.00 61.57 99.01 18.48 92.99 98.47  70.15
Inpaint VACE              51.30 96.30  50.00 60.39 99.12 21.12 94.59 98.21  72.05
Outpaint Follow-Your-Canvas 53.30 95.99 5.00 69.53 98.08 25.90 95.38 97.20  71.54
Outpaint M3DDM            53.34 95.87  30.00 65.07 99.22 25.43 93.65 98.85  73.16
Outpaint VACE             57.04 96.55  30.00 69.49 99.20 25.36 94.47 98.47  74.25
Depth Control-A-Video     50.62 91.71  70.00 67.76 97.58 24.48 88.10 96.58  72.35
Depth VideoComposer       50.03 94.18  70.00 59.44 96.23 24.95 89.79 94.38  70.74
Depth ControlVideo        63.30 95.02  10.00 65.13 96.49 24.20 92.29 95.42  70.07
Depth VACE                56.72 96.12  60.00 66.41 98.84 25.27 94.09 97.27  74.99
Pose Text2Video-Zero      57.63 87.67 100.00 70.74 79.65 23.94 84.82 76.57  59.69
Pose ControlVideo         65.37 94.56  25.00 65.28 97.32 25.19 92.76 96.82  72.45
Pose Follow-Your-Pose     48.79 86.80 100.00 67.41 90.12 26.10 80.18 88.02  66.43
Pose VACE                 60.17 94.92  75.00 64.71 98.63 26.44 94.82 96.60  76.13
Flow FLATTEN              56.23 95.80  70.00 61.65 97.86 26.23 93.94 96.17  74.42
Flow VACE                 55.76 96.07  75.00 65.37 98.98 25.89 94.63 96.93  75.90
R2V Keling1.6             62.13 96.04  85.00 69.27 99.38 27.82 93.79 97.79  78.81
R2V Pika2.2               62.48 96.79  65.00 69.87 99.37 26.02 95.93 98.90  77.87
R2V Vidu2.0               64.30 96.85  35.00 67.03 99.66 26.53 96.73 99.41  76.47
R2V VACE                  63.25 98.03  30.00 72.29 99.51 25.85 98.54 99.15  76.76
"""
ROWS = [line.split() for line in TABLE_2.strip().splitlines()]


def clips() -> dict[str, torch.Tensor]:
    """The clips of the golden numbers, `(T, H, W, 3)` uint8."""
    generator = torch.Generator().manual_seed(5)

    def clip(count: int, height: int, width: int) -> torch.Tensor:
        base, frames = torch.rand(1, 3, 6, 8, generator=generator), []
        for number in range(count):
            picture = F.interpolate(base, size=(height, width), mode="bicubic").roll(3 * number, -1)
            frames.append(picture + 0.08 * torch.rand(1, 3, height, width, generator=generator))
        return (torch.cat(frames).clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    return {"wide": clip(11, 40, 56), "tall": clip(6, 600, 340)}


@pytest.fixture(scope="module", params=["wide", "tall"])
def case(request):
    return GOLDEN[request.param], clips()[request.param]


def pooled(pictures: torch.Tensor) -> torch.Tensor:
    return F.adaptive_avg_pool2d(pictures, 4).flatten(1) - 0.2


def seeded(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_frame_indicators_are_vbench_s(case):
    golden, frames = case
    assert vbench.frame_consistency(pooled(vbench.dino_images(frames))) == pytest.approx(
        golden["subject consistency"], abs=1e-6
    )
    assert vbench.frame_consistency(pooled(vbench.clip_images(frames))) == pytest.approx(
        golden["background consistency"], abs=1e-6
    )
    assert vbench.flickering(frames) == pytest.approx(golden["temporal flickering"], abs=1e-6)


def test_smoothness_is_vbench_s(case):
    golden, frames = case
    even = frames[::2].float()
    # The official code cuts off what lies behind the point.
    predicted = (0.6 * even[:-1] / 255 + 0.4 * even[1:] / 255).mul(255).clamp(0, 255).to(torch.uint8)
    assert vbench.smoothness(frames, predicted) == pytest.approx(golden["motion smoothness"], abs=1e-5)


@pytest.mark.parametrize("fps", [8, 24])
def test_dynamic_degree_is_vbench_s(case, fps):
    golden, frames = case
    used = vbench.flow_frames(frames, fps)
    moves = (vbench.images(used)[1:] - vbench.images(used)[:-1])[:, :2]
    for scale in (2, 10, 40):
        speeds = [vbench.fastest(move / scale) for move in moves]
        found = vbench.dynamic(speeds, shorter_side=min(frames.shape[1:3]), num_frames=len(used))
        assert found == golden[f"dynamic {fps} {scale}"]


def test_the_quality_indicators_are_vbench_s(case):
    golden, frames = case
    weight, bias = seeded(1, 48, seed=9), torch.tensor([5.0])
    found = vbench.aesthetic(pooled(vbench.clip_images(frames)), weight, bias)
    assert found == pytest.approx(golden["aesthetic quality"], abs=1e-6)
    scores = torch.stack([picture[:, ::2].mean() * 100 for picture in vbench.quality_images(frames)])
    assert vbench.imaging(scores) == pytest.approx(golden["imaging quality"], abs=1e-6)


def test_overall_consistency_is_vbench_s(case):
    golden, frames = case
    chosen = vbench.middle_frames(len(frames))
    assert chosen == golden["indices"]
    video = pooled(vbench.clip_images(frames[chosen], whole_levels=True)).mean(0)
    assert vbench.overall(video, seeded(1, 48, seed=3)[0]) == pytest.approx(golden["overall consistency"], abs=1e-6)


def test_the_frames_that_are_read_are_vbench_s():
    assert {count: vbench.middle_frames(int(count)) for count in GOLDEN["indices"]} == GOLDEN["indices"]


def test_too_few_frames_are_refused():
    for measure in (
        lambda: vbench.frame_consistency(torch.ones(1, 4)),
        lambda: vbench.flickering(torch.zeros(1, 8, 8, 3, dtype=torch.uint8)),
    ):
        with pytest.raises(InputError) as error:
            measure()
        assert refused(error.value) == "indicator-frames: count=1, needed=2"


def test_the_table_of_the_paper_has_all_its_rows():
    assert len(ROWS) == 23


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row[:2]) for row in ROWS])
def test_the_average_is_the_paper_s(row):
    values = dict(zip(vbench.BOUNDS, (float(cell) / 100 for cell in row[2:10]), strict=True))
    average = vbench.normalised_average(values)
    assert average is not None
    assert 100 * average == pytest.approx(float(row[10]), abs=0.01)


def test_there_is_no_average_unless_all_eight_are_there():
    values = dict.fromkeys(vbench.BOUNDS, 0.8)
    assert vbench.normalised_average(values) is not None
    for name in vbench.BOUNDS:
        assert vbench.normalised_average({**values, name: math.nan}) is None
        assert vbench.normalised_average({other: 0.8 for other in vbench.BOUNDS if other != name}) is None
