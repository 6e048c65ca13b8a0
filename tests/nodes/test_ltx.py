"""The same tasks, preview, sampler, decode and composite nodes on LTX-Video."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar
from unittest import mock

import pytest
import tiny_ltx_files as tiny
import torch
from refusal import refusal
from tiny_ltx_files import clip, half_mask

OPTIONS = {"steps": 2, "cfg": 2.0, "seed": 3, "sampler": "euler"}
AWAY = "Negative prompt: worst quality, inconsistent motion, blurry, jittery, distorted"
FIT = {"fit": "LTX-Video"}
GIVEN = {"prompt": "A Dog", "fps": 25.0}


@pytest.fixture(scope="module")
def model(pack):
    return tiny.model_of(pack)


class TestTasks:
    """A task knows only its fit; the grid of the fit holds for everything that it decides."""

    TASKS: ClassVar = (
        ("VaceInpaintVideo", {"images": clip(20, 70, 100), "mask": half_mask(20, 70, 100)}),
        ("VaceOutpaintVideo", {"images": clip(20, 70, 100), "left": 0.3}),
        ("VaceExtendVideo", {"first": clip(20, 70, 100), "length": 25}),
        ("VaceJoinVideos", {"first": clip(20, 70, 100), "last": clip(20, 70, 100, seed=1), "length": 33}),
        ("VacePlaceKeyframes", {"images": clip(1, 70, 100), "positions": "0", "length": 9}),
        ("VaceControlVideo", {"images": clip(20, 70, 100), "kind": "gray"}),
        ("VaceExpandAnything", {"image": clip(1, 70, 100), "left": 0.3, "length": 9}),
        ("VaceSwapAnything", {"images": clip(20, 70, 100), "mask": half_mask(20, 70, 100), "references": clip(1)}),
        ("VaceAnimateAnything", {"pose": clip(20, 70, 100), "references": clip(1)}),
        ("VaceBuildVCU", {"images": clip(20, 70, 100), "mask": half_mask(20, 70, 100)}),
    )

    @pytest.mark.parametrize(("node", "inputs"), TASKS, ids=[node for node, _ in TASKS])
    def test_a_unit_fits(self, run, pack, node, inputs):
        vcu = run(node, **inputs, **FIT, **GIVEN)[0]
        pack.vace_core.models.ltx.dit.GRID.check(vcu.num_frames, vcu.height, vcu.width)

    def test_every_fit_is_looser_than_none(self, pack):
        grids = [family.grid for family in pack.vace_core.models.FAMILIES]
        loosest = pack.nodes.comfy.fitted.ANY_GRID
        assert all(grid.frames % loosest.frames == 0 == grid.step % loosest.step for grid in grids)

    def test_frames_kept_are_those_that_fit(self, run):
        vcu, before, _ = run("VaceExtendVideo", first=clip(20, 32, 64), length=25, **FIT).result
        kept = [float(frame.mean()) for frame in 1 - vcu.masks[0, 0]]
        assert kept == [1.0] * 9 + [0.0] * 16
        assert len(before) == 11

    def test_a_length_that_does_not_fit_is_named_by_the_task(self, run):
        assert refusal(run, "VaceExtendVideo", first=clip(1, 32, 64), length=13, **FIT) == (
            "length-for-model: choice=9 or 17, lengths=8n + 1, num_frames=13, some=1, 9, 17"
        )


class TestPreview:
    def test_mask_frames_are_those_that_the_base_reads(self, run, pack):
        vcu = run("VaceTextToVideo", width=64, height=32, length=9)[0]
        seen = []
        with mock.patch.object(pack.nodes.preview, "contact_sheet", wraps=pack.nodes.preview.contact_sheet) as sheet:
            for base in ("Wan 2.1", "LTX-Video 0.9"):
                run("VacePreviewVCU", vcu=vcu, base=base)
                seen.append(sheet.call_args.kwargs["mask_frames"])
        assert seen == [[1, 4, 7], [0, 2, 3, 5, 6, 8]]

    def test_what_does_not_fit_is_said_before_sampling(self, run):
        vcu = run("VaceTextToVideo", width=48, height=32, length=5)[0]
        assert run("VacePreviewVCU", vcu=vcu)[2] == ""
        assert run("VacePreviewVCU", vcu=vcu, base="LTX-Video 0.9")[2].startswith("Not for LTX-Video 0.9: ")


class TestSampling:
    @pytest.fixture(scope="class")
    def vcu(self, run):
        return run("VaceInpaintVideo", images=clip(), mask=half_mask(), **FIT, **GIVEN)[0]

    def wanted(self, model, vcu, pack, **changes):
        """What the library makes of it."""
        options = {"steps": 2, "guidance_scale": 2.0, "seed": 3, **changes}
        with torch.inference_mode():
            return pack.vace_core.pipeline.sample(model.core, vcu, replace(model.usual, **options))

    def test_it_is_the_library_with_the_familys_options(self, run, pack, model, vcu):
        out = run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)
        assert torch.equal(out[0]["samples"], self.wanted(model, vcu, pack))
        assert out.ui["text"] == (f"2 steps of euler, shift 1.795, cfg 2, stg 1. {AWAY}",)

    def test_a_shift_that_is_typed_is_the_one_used(self, run, pack, model, vcu):
        out = run("VaceSampleVideo", model=model, vcu=vcu, shift=5.0, **OPTIONS)
        assert torch.equal(out[0]["samples"], self.wanted(model, vcu, pack, shift=5.0, shift_growth=0.0))
        assert out.ui["text"] == (f"2 steps of euler, shift 5, cfg 2, stg 1. {AWAY}",)

    def test_guidance_in_space_and_time_can_be_turned_off(self, run, pack, model, vcu):
        out = run("VaceSampleVideo", model=model, vcu=vcu, stg=0.0, **OPTIONS)
        assert torch.equal(out[0]["samples"], self.wanted(model, vcu, pack, stg_scale=0.0))
        assert out.ui["text"] == (f"2 steps of euler, shift 1.795, cfg 2. {AWAY}",)

    def test_references_are_dropped_and_decoding_pastes_back_to_the_bit(self, run, pack, model):
        video, mask = clip(), half_mask()
        vcu = run("VaceSwapAnything", images=video, mask=mask, references=clip(2), **FIT, **GIVEN)[0]
        samples = run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)[0]
        assert samples["samples"].shape == (1, 128, 2, 1, 2)
        images, fps, report = run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=model).result
        assert torch.equal(images[:, :, :32], video[:, :, :32])
        assert not torch.equal(images[:, :, 32:], video[:, :, 32:])
        assert (fps, report) == (
            25.0,
            "9 frames of 64 x 32 at 25 fps. 50.0% was kept; largest difference to the source there: 0 of 255.",
        )
        frames = (model.core.vae.decode(samples["samples"])[0].movedim(0, -1) + 1) / 2
        again = run("VaceCompositeVideo", images=frames, vcu=vcu)[0]
        assert float((again - images).abs().max()) < 1e-5

    def test_a_unit_of_wan_that_fits_runs_unchanged(self, run, model):
        vcu = run("VaceTextToVideo", width=64, height=32, length=9)[0]
        assert run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)[0]["samples"].shape == (1, 128, 2, 1, 2)

    def test_a_unit_that_does_not_fit_is_refused_with_the_fit_that_would(self, run, model):
        vcu = run("VaceInpaintVideo", images=clip(5, 32, 80), mask=half_mask(5, 32, 80), fit="480p")[0]
        assert refusal(run, "VaceSampleVideo", model=model, vcu=vcu, **OPTIONS) == (
            'size-for-model: choice="LTX-Video", error=(length-for-model: choice=1 or 9, lengths=8n + 1, '
            "num_frames=5, some=1, 9, 17)"
        )

    def test_latents_of_wan_are_refused(self, run, model, vcu):
        assert (
            refusal(run, "VaceDecodeVideo", samples={"samples": torch.zeros(1, 16, 2, 1, 2)}, vcu=vcu, vae=model)
            == "latents-shape: came=(1, 16, 2, 1, 2), channels=128, name=LTX-Video 0.9"
        )


class TestText:
    def test_padding_behind_a_mask_is_dropped_and_capitals_are_taken_away(self, pack):
        read = pack.nodes.comfy.kept_texts.ClipText(tiny.PaddedClip(), cased=False).encode("A Dog")
        assert torch.equal(read, tiny.LetterText().encode("a dog"))

    def test_capitals_stay_where_they_count(self, pack):
        read = pack.nodes.comfy.kept_texts.ClipText(tiny.PaddedClip()).encode("A Dog")
        assert torch.equal(read, tiny.LetterText().encode("A Dog"))
