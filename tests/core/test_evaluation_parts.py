"""The evaluation, one part at a time: limits of its formulas on both sides, and what is asked of a network."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vace_core.errors import InputError
from vace_core.evaluation import edits, pixels, vbench
from vace_core.evaluation.backbones import load_raft
from vace_core.evaluation.indicators import Shown, beautiful, clean, moving, prompted, smooth


def flat(level: float, frames: int = 1, height: int = 8, width: int = 12) -> Tensor:
    return torch.full((1, 3, frames, height, width), level)


def noise(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=generator)


# Formulas


def test_clips_are_dynamic_from_the_limits_on():
    for speed, moves in ((6.0, 0.0), (6.01, 1.0)):
        assert vbench.dynamic([speed] * 4, shorter_side=256, num_frames=16) == moves
    assert vbench.dynamic([3.01] * 4, shorter_side=128, num_frames=16) == 1
    assert vbench.dynamic([9.0] * 3 + [0.0] * 12, shorter_side=256, num_frames=16) == 0
    assert vbench.dynamic([9.0, 0.0], shorter_side=256, num_frames=6) == 0  # two of six are needed
    assert vbench.dynamic([9.0, 9.0], shorter_side=256, num_frames=6) == 1
    assert vbench.dynamic([0.0], shorter_side=256, num_frames=2) == 1
    assert vbench.dynamic([], shorter_side=256, num_frames=1) == 0


def test_the_fastest_are_five_in_a_hundred():
    flow = torch.zeros(2, 4, 10)
    flow[0, 0, :3] = torch.tensor([3.0, 6.0, 1.0])
    flow[1, 0, 0] = 4.0
    assert vbench.fastest(flow) == pytest.approx(5.5)  # of 40 pixels two: 5 and 6
    assert vbench.fastest(flow[:, :2]) == pytest.approx(6.0)
    assert math.isnan(vbench.fastest(flow[:, :1, :]))


def test_frames_for_motion_are_eight_a_second():
    frames = torch.arange(30)
    steps = {4: 1, 8: 1, 11.9: 1, 12.1: 2, 24: 3, 30: 4, 60: 8}
    assert {fps: int(vbench.flow_frames(frames, fps)[1]) for fps in steps} == steps


def test_few_frames_are_refused():
    for measure, needed in (
        (lambda: vbench.smoothness(noise(2, 4, 4), noise(1, 4, 4)), 3),
        (lambda: vbench.frame_consistency(torch.ones(1, 4)), 2),
    ):
        with pytest.raises(InputError) as error:
            measure()
        assert error.value.fields["needed"] == needed
    assert 0 <= vbench.smoothness(noise(3, 4, 4), noise(1, 4, 4, 1)) <= 1
    assert vbench.frame_consistency(torch.tensor([[1.0, 0], [-1, 0]])) == 0
    assert vbench.frame_consistency(torch.tensor([[1.0, 0], [0, 1], [0, 2]])) == pytest.approx(0.25)


def test_pictures_for_networks_are_scaled_at_their_limits():
    assert vbench.quality_images(noise(1, 512, 20)).shape == (1, 3, 512, 20)
    assert vbench.quality_images(noise(1, 514, 21)).shape == (1, 3, 512, 20)
    assert torch.equal(vbench.quality_images(noise(2, 8, 9)), noise(2, 8, 9).permute(0, 3, 1, 2) / 255)
    assert vbench.dino_images(noise(1, 112, 150)).shape == (1, 3, 224, 300)
    assert vbench.dino_images(noise(1, 151, 112)).shape == (1, 3, 302, 224)
    one = vbench.dino_images(torch.full((1, 224, 224, 3), 51, dtype=torch.uint8))[0, :, 0, 0]
    assert one.tolist() == pytest.approx([(0.2 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.2 - 0.406) / 0.225])
    cut = vbench.clip_images(noise(1, 224, 231))
    assert torch.equal(cut, vbench.clip_images(noise(1, 224, 231)[:, :, 4:228]))
    assert torch.equal(vbench.clip_images(noise(1, 230, 224)), vbench.clip_images(noise(1, 230, 224)[:, 3:227]))
    assert not torch.equal(
        vbench.clip_images(noise(1, 100, 100)), vbench.clip_images(noise(1, 100, 100), whole_levels=True)
    )


def test_scores_of_networks_become_shares():
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    found = vbench.aesthetic(features, torch.tensor([[2.0, 1.0]]), torch.tensor([0.5]))
    assert found == pytest.approx(((0.6 * 2 + 0.8 + 0.5) + (1 + 0.5)) / 2 / 10)
    assert vbench.imaging(torch.tensor([20.0, 70.0])) == pytest.approx(0.45)
    assert vbench.overall(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])) == pytest.approx(0.5**0.5)


def test_errors_are_in_levels_and_dB_of_what_is_asked_for():
    truth, where = flat(0.0, 2), torch.zeros(1, 1, 2, 8, 12)
    where[:, :, 1, :4] = 0.5
    frames = truth.clone()
    frames[:, 0, 1, :4], frames[:, :, 0] = 0.3, 1.0
    assert pixels.mean_error(frames, truth, where) == pytest.approx(0.1 * 127.5)
    assert pixels.psnr(frames, truth, where) == pytest.approx(10 * math.log10(4 / 0.03), abs=1e-4)
    assert pixels.psnr(truth + 1e-6, truth, where) == 60
    assert math.isnan(pixels.mean_error(frames, truth, where * 0))
    assert edits.kept_error(frames, truth, 1 - where.sign()) == pytest.approx(0.1 * 127.5)


def lines(*rows: int) -> Tensor:
    drawn = torch.ones(1, 3, 1, 48, 64)
    for row in rows:
        drawn[:, :, :, row : row + 2, 8:56] = -1
    return drawn


def test_lines_agree_within_their_reach():
    step = flat(-0.8, 1, 48, 64)
    step[:, :, :, 24:] = 0.8
    assert pixels.edge_agreement(step, lines(23)) == pytest.approx(0.8966, abs=0.002)
    for row, reach, wanted in ((25, 2.0, 0.8673), (26, 2.0, 0.4286), (27, 2.0, 0), (28, 2.0, 0), (28, 4.0, 0.4286)):
        assert pixels.edge_agreement(step, lines(row), reach) == pytest.approx(wanted, abs=0.002)
    assert pixels.edge_agreement(step, lines(26)) == pixels.edge_agreement(step, lines(26), 2.0)
    assert pixels.edge_agreement(step, lines(23, 40)) == pytest.approx(0.619, abs=0.002)  # half of theirs
    assert math.isnan(pixels.edge_agreement(step, lines()))
    assert pixels.edge_agreement(flat(0.1, 1, 48, 64), lines(23)) == 0
    twice = torch.cat([step, flat(0.0, 1, 48, 64)], dim=2)
    other = torch.cat([lines(), lines(23)], dim=2)
    assert pixels.edge_agreement(twice, other) == 0  # the line is of another frame


# Networks


def test_indicators_ask_their_networks():
    shown, asked = Shown(frames=noise(9, 30, 40), fps=8, prompt="a fox"), []

    def score(pictures: Tensor) -> Tensor:
        asked.append(tuple(pictures.shape))
        return pictures.mean((1, 2, 3))[:, None] * 100

    wanted = (shown.frames.double().mean((1, 2, 3)) / 255).mean()
    assert clean(score)(shown) == pytest.approx(float(wanted), abs=1e-5)
    assert asked == [(1, 3, 30, 40)] * 9

    def compare(pictures: Tensor, prompt: str) -> tuple[Tensor, Tensor]:
        asked.append((tuple(pictures.shape), prompt))
        whole = pictures * torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
        levels = (whole + torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)) * 255
        assert (levels - levels.round()).abs().max() < 1e-3
        return torch.tensor([3.0, 4.0]), torch.tensor([3.0, 0.0])

    assert prompted(compare)(shown) == pytest.approx(0.6)
    assert asked[-1] == ((8, 3, 224, 224), "a fox")
    head = torch.tensor([[2.0, 1.0]]), torch.tensor([1.0])
    assert beautiful(lambda pictures: torch.ones(len(pictures), 2), *head)(shown) == pytest.approx(
        (3 * 0.5**0.5 + 1) / 10
    )


def test_every_second_frame_is_held_against_what_lies_between_its_neighbours():
    frames = torch.zeros(6, 4, 4, 3, dtype=torch.uint8)
    for place, level in enumerate((0, 60, 101, 40, 20, 255)):
        frames[place] = level
    seen = []

    def interpolate(one: Tensor, two: Tensor) -> Tensor:
        seen.append((float(one.max() * 255), float(two.max() * 255), tuple(one.shape)))
        return (one + two) / 2

    # 50 for 60, and 60 for 40; the last has no neighbour behind it.
    assert smooth(interpolate)(Shown(frames=frames, fps=8)) == pytest.approx((255 - (10 + 20) / 2) / 255)
    assert [one[:2] for one in seen] == [pytest.approx((0, 101)), pytest.approx((101, 20))]
    assert seen[0][2] == (1, 3, 4, 4)
    with pytest.raises(InputError):
        smooth(interpolate)(Shown(frames=frames[:2], fps=8))
    for level, said in ((255, 1.01), (0, -0.01)):  # what an interpolator says beyond white and black counts as these
        flat_clip = Shown(frames=torch.full((3, 4, 4, 3), level, dtype=torch.uint8), fps=8)
        assert smooth(lambda one, two, said=said: one * 0 + said)(flat_clip) == 1


def test_motion_is_asked_of_every_pair():
    seen = []

    def flow(one: Tensor, two: Tensor) -> Tensor:
        seen.append((float(one.mean()), float(two.mean())))
        return torch.full((2, 30, 40), 0.5 if len(seen) == 1 else 0.4)

    frames = torch.arange(17).byte().view(17, 1, 1, 1).expand(17, 30, 40, 3)
    # 30 pixels of 256: fast is above .703; of both ways .707 and .566.
    assert moving(flow)(Shown(frames=frames[:3], fps=8)) == 1
    assert seen == [(0, 1), (1, 2)]
    seen.clear()
    assert moving(flow)(Shown(frames=frames, fps=24)) == 0
    assert seen == [(0, 3), (3, 6), (6, 9), (9, 12), (12, 15)]


class Still(torch.nn.Module):
    """Answers as RAFT of torchvision does: a flow for each update, of which the last counts."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, one: Tensor, two: Tensor, num_flow_updates: int = 12) -> list[Tensor]:
        assert num_flow_updates == 20
        assert -1 <= one.min() <= two.max() <= 1
        assert all(side % 8 == 0 and side >= 128 for side in one.shape[2:])
        return [one[:, :2] * 0, torch.cat([one[:, :1], two[:, 1:2]], 1) + self.weight]


def test_raft_is_asked_with_padded_pictures_and_what_was_added_is_taken_away(tmp_path, monkeypatch):
    library = SimpleNamespace(raft_large=lambda weights, progress: Still())
    for name in ("torchvision", "torchvision.models", "torchvision.models.optical_flow"):
        monkeypatch.setitem(sys.modules, name, library)
    save_file({"weight": torch.full((1,), 0.25)}, tmp_path / "raft.safetensors")
    flow = load_raft(tmp_path / "raft.safetensors", torch.device("cpu"))
    before, after = torch.rand(2, 1, 3, 131, 50) * 255
    found = flow(before, after)
    assert torch.allclose(found[0], before[0, 0] / 127.5 - 1 + 0.25)
    assert torch.allclose(found[1], after[0, 1] / 127.5 - 1 + 0.25)
    assert not found.requires_grad
