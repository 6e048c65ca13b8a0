"""Sizes at the ends of the widgets are refused before memory is taken, with the largest that fits."""

from __future__ import annotations

import pytest
import torch
from hostile import PATH
from refusal import refusal

ENDS = {"width": 8192, "height": 8192, "length": 8185}  # 8n + 1
LARGE = torch.zeros(1, 1024, 1024, 3)


@pytest.mark.parametrize(
    ("node_id", "values"),
    [
        ("VaceTextToVideo", ENDS),
        ("VaceReferenceToVideo", {"references": torch.zeros(1, 8, 8, 3), **ENDS}),
        ("VaceReferenceAnything", {"image_1": torch.zeros(1, 8, 8, 3), **ENDS}),
        ("VaceBuildVCU", ENDS),
        ("VaceLayoutToVideo", {"paths": PATH, **ENDS}),
        ("VaceExtendVideo", {"first": LARGE, "length": 8185, "fit": "as it is"}),
        ("VaceJoinVideos", {"first": LARGE, "last": LARGE, "length": 8185, "fit": "as it is"}),
        ("VacePlaceKeyframes", {"images": LARGE, "positions": "0", "length": 8185, "fit": "as it is"}),
        ("VaceMoveAnything", {"image": LARGE, "paths": PATH, "length": 8185, "fit": "as it is"}),
        ("VaceExpandAnything", {"image": LARGE, "length": 8185, "fit": "as it is"}),
    ],
)
def test_sizes_at_the_ends_of_the_widgets(run, node_id, values):
    said = refusal(run, node_id, **values)
    assert said.startswith("out-of-room: ")
    assert "The largest that fit are " in said
