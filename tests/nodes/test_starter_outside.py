"""On the starter, the sampling node says what was asked for that the model was never taught."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="module")
def model(pack):
    starter = pack.vace_core.starter.model
    family = pack.vace_core.models.wan.family.WAN
    return pack.nodes.comfy.sockets.LibraryModel(
        core=starter.load_starter(), family=family, usual=starter.STARTER_OPTIONS
    )


def test_a_noisy_clip_is_outside_and_a_flat_one_is_not(pack, model):
    said = pack.nodes.sample.outside_note
    noise = pack.vace_core.tasks.gray(torch.rand(1, 3, 5, 64, 64) * 2 - 1)
    (line,) = said(model, noise)
    assert line.startswith(
        "! This is a small teaching model for drawn shapes, faces and people, and this is outside its world: the clip"
    )
    assert said(model, pack.vace_core.tasks.gray(torch.zeros(1, 3, 5, 64, 64))) == []
