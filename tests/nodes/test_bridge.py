"""What comes from ComfyUI is read in every shape of the wild or refused in a sentence; what goes back is exact."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from refusal import outcome, refusal

SIZES = {"height": st.sampled_from([16, 32, 64]), "width": st.sampled_from([16, 48, 64])}
few = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def bridge(pack):
    return pack.nodes.comfy.bridge


@pytest.fixture(scope="module")
def wan(pack):
    return pack.vace_core.models.wan.family.WAN


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class TestImages:
    def test_every_level_of_8_bits_comes_back_to_the_bit(self, bridge):
        images = (torch.arange(256).float() / 255).view(1, 16, 16, 1).expand(-1, -1, -1, 3).contiguous()
        assert torch.equal(bridge.images_of(bridge.frames_of(images, "images")), images)

    def test_other_values_come_back_within_a_float(self, bridge):
        images = noise(2, 8, 8, 3)
        back = bridge.images_of(bridge.frames_of(images, "images"))
        assert float((back - images).abs().max()) < 1e-6

    def test_axes_and_range(self, bridge):
        images = noise(5, 8, 6, 3)
        frames = bridge.frames_of(images, "images")
        assert frames.shape == (1, 3, 5, 8, 6)
        assert torch.equal(frames[0, 2, 4], images[4, :, :, 2] * 2 - 1)

    def test_gray_and_single_pictures_and_opaque_alpha_are_read(self, bridge):
        gray = bridge.frames_of(noise(2, 8, 8, 1), "images")
        assert torch.equal(gray[:, 0], gray[:, 2])
        assert bridge.frames_of(noise(8, 8, 3), "images").shape == (1, 3, 1, 8, 8)
        opaque = torch.cat([noise(2, 8, 8, 3), torch.ones(2, 8, 8, 1)], dim=3)
        assert torch.equal(bridge.frames_of(opaque, "images"), bridge.frames_of(opaque[..., :3], "images"))

    def test_overshoot_of_resampling_is_cut_and_said(self, bridge):
        images = noise(1, 8, 8, 3) * 1.2 - 0.1
        assert float(bridge.frames_of(images, "images").abs().max()) == 1.0
        (said,) = bridge.range_warning(images)
        assert said.startswith("Values from -0.09")
        assert bridge.range_warning(noise(1, 8, 8, 3)) == []

    def test_another_range_is_refused(self, bridge):
        assert refusal(bridge.frames_of, torch.full((1, 2, 2, 3), 255.0), "images") == (
            "image-values: high=255, low=255, name=images"
        )

    @pytest.mark.parametrize("wrong", [None, 5, "x", [1], torch.zeros(1, 8, 8, 3, dtype=torch.uint8)])
    def test_what_is_no_image_is_refused(self, bridge, wrong):
        assert refusal(bridge.frames_of, wrong, "images").startswith("not-an-image: ")

    def test_a_cut_out_from_load_image_lies_on_white_as_its_help_page_says(self, comfy, run):
        from comfy_extras.nodes_compositing import JoinImageWithAlpha

        picture = Image.new("RGBA", (64, 64))  # black, of which nothing is seen
        picture.paste((255, 0, 0, 255), (16, 16, 48, 48))
        folder = comfy.folder / "input"
        folder.mkdir(exist_ok=True)
        picture.save(folder / "cut out.png")
        image, mask = comfy.nodes.LoadImage().load_image("cut out.png")[:2]
        joined = JoinImageWithAlpha.execute(image, mask).result[0]
        (shown,) = run("VaceStackReferences", image=joined)[0].pictures
        assert shown[0, :, 0, 0, 0].tolist() == [1, 1, 1]
        assert shown[0, :, 0, 32, 32].tolist() == [1, -1, -1]

    def test_references_lie_on_white(self, bridge):
        picture = torch.cat(
            [torch.zeros(1, 4, 4, 3), torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).repeat(1, 4, 2, 1)], dim=3
        )
        (found,) = bridge.pictures_of(picture)
        assert torch.equal(found[0, 0, 0, 0], torch.tensor([1.0, -1.0, 1.0, -1.0]))


class TestMasks:
    """The zoo: every shape handled or refused in a sentence; kept pixels never change."""

    @given(
        frames=st.sampled_from([1, 5]),
        layout=st.sampled_from(["H W", "T H W", "T H W 1", "T 1 H W"]),
        values=st.sampled_from(["hard", "soft", "inverted", "bool"]),
        seed=st.integers(0, 10),
        **SIZES,
    )
    @few
    def test_every_layout_means_the_same(self, run, frames, layout, values, seed, height, width):
        frames = 1 if layout == "H W" else frames
        hard = (noise(frames, height, width, seed=seed) > 0.5).float()
        hard[:, 0, 0], hard[:, -1, -1] = 0, 1
        wanted = 1 - hard if values == "inverted" else hard
        came = {"soft": hard * 0.6 + 0.2, "inverted": 1 - hard, "bool": hard > 0}.get(values, hard)
        shape = {"H W": (height, width), "T H W 1": (frames, height, width, 1), "T 1 H W": (frames, 1, height, width)}
        came = came.reshape(shape.get(layout, came.shape))
        video = (noise(5, height, width, 3, seed=seed + 1) * 255).round() / 255
        before = came.clone(), video.clone()
        vcu = run("VaceInpaintVideo", images=video, mask=came, fit="as it is")[0]
        assert torch.equal(vcu.masks[0, 0], wanted.expand(5, -1, -1))
        made = noise(5, height, width, 3, seed=seed + 2)
        images = run("VaceCompositeVideo", images=made, vcu=vcu)[0]
        kept = (vcu.masks[0, 0] == 0)[..., None].expand_as(images)
        assert torch.equal(images[kept], video[kept])
        assert torch.equal(came, before[0])
        assert torch.equal(video, before[1])

    @given(shape=st.lists(st.integers(0, 5), max_size=6), value=st.sampled_from([0.0, 1.0, 0.5, 300.0, float("nan")]))
    @few
    def test_anything_else_is_handled_or_refused_in_a_sentence(self, run, shape, value):
        said = outcome(run, "VaceInpaintVideo", images=noise(5, 16, 16, 3), mask=torch.full(shape, value))
        assert said == "handled" or said.count(". ") >= 2

    def test_the_black_mask_of_load_image_says_nothing(self, bridge, run):
        none = torch.zeros(1, 64, 64)
        assert bridge.masks_of(none) is None
        assert refusal(run, "VaceInpaintVideo", images=noise(5, 32, 48, 3), mask=none) == "mask-empty"
        vcu = run("VaceControlVideo", images=noise(5, 32, 48, 3), kind="gray", mask=none)[0]
        assert float(vcu.masks.mean()) == 1.0

    @pytest.mark.parametrize(
        "node_id", ["VaceInpaintVideo", "VaceSwapAnything", "VaceCropVideo", "VaceControlVideo", "VaceStylizeVideo"]
    )
    @pytest.mark.parametrize("soft", [0.0, 0.4])
    def test_a_mask_that_generates_nothing_is_refused_before_anything_is_sampled(self, run, node_id, soft):
        more = {"references": noise(1, 32, 48, 3)} if node_id == "VaceSwapAnything" else {}
        given = {"images": noise(5, 32, 48, 3), "mask": torch.full((5, 32, 48), soft), **more}
        assert refusal(run, node_id, **given) == "mask-empty"

    def test_a_mask_that_counts_as_none_is_said(self, run):
        black, video, white = torch.zeros(1, 64, 64), noise(5, 64, 64, 3), torch.ones(1, 64, 64)
        asked = {
            "VaceControlVideo": {"images": video, "kind": "gray", "mask": black},
            "VaceStylizeVideo": {"images": video, "mask": black},
            "VaceBuildVCU": {"images": video, "mask": black},
            "VaceComposeMasks": {"mask": white, "mask_2": black, "operation": "intersection"},
            "VaceStackReferences": {"image": video[:1], "mask": black},
            "VaceReferenceAnything": {"image_1": video[:1], "image_2": video[:1], "mask_2": black},
            "VaceStrength": {"mask": black},
        }
        for node_id, values in asked.items():
            said = run(node_id, **values).ui["text"][0]
            assert "is black and 64 x 64 pixels" in said, node_id
            assert "it counts as none" in said, node_id

    def test_an_image_is_named(self, run):
        assert refusal(run, "VaceInpaintVideo", images=noise(5, 32, 48, 3), mask=noise(5, 32, 48, 3)) == (
            "mask-shape: fix=It looks like an IMAGE: turn it into a MASK with Convert Image to Mask, "
            "name=mask, shape=(5, 32, 48, 3)"
        )

    def test_a_mask_of_the_same_shape_is_scaled_and_that_is_said(self, run):
        small = torch.zeros(1, 16, 24)
        small[:, :, 12:] = 1
        out = run("VaceInpaintVideo", images=noise(5, 32, 48, 3), mask=small, fit="as it is")
        assert torch.equal(out[0].masks[0, 0, 0, 0], (torch.arange(48) >= 24).float())
        assert "The mask of 24 x 16 was scaled to its clip's 48 x 32." in out.ui["text"][0]

    def test_a_mask_of_another_shape_is_refused(self, run):
        assert refusal(run, "VaceInpaintVideo", images=noise(5, 32, 48, 3), mask=torch.ones(1, 32, 32)) == (
            "mask-aspect: clip=images, clip_height=32, clip_width=48, height=32, name=mask, width=32"
        )

    def test_inverted_masks_are_asked_about(self, run):
        mask = torch.ones(1, 32, 48)
        mask[:, :2] = 0
        vcu = run("VaceInpaintVideo", images=noise(5, 32, 48, 3), mask=mask)[0]
        (said,) = run("VacePreviewVCU", vcu=vcu).ui["text"]
        assert "If the small part should change, invert the mask." in said


class TestLatents:
    def test_raw_and_normalised_are_inverse(self, wan):
        latents = noise(1, 16, 2, 4, 4)
        assert torch.allclose(wan.latents.process_in(wan.latents.process_out(latents)), latents, atol=1e-5)

    def test_references_in_front_are_dropped(self, bridge, wan):
        samples = noise(1, 16, 4, 2, 2)
        found = bridge.latents_of({"samples": samples}, wan, 2, 2)
        assert torch.equal(found, wan.latents.from_comfyui(samples[:, :, 2:]))
        assert torch.equal(bridge.latents_of({"samples": samples[:, :, 2:]}, wan, 2, 2), found)

    def test_another_length_is_refused(self, bridge, wan):
        assert refusal(bridge.latents_of, {"samples": noise(1, 16, 3, 2, 2)}, wan, 2, 2) == (
            "latents-length: frames=3, references=2, vcu_frames=2"
        )

    def test_nan_is_named(self, bridge, wan):
        samples = noise(1, 16, 2, 2, 2)
        samples[0, 0, 0, 0, 0] = float("inf")
        assert refusal(bridge.latents_of, {"samples": samples}, wan, 2, 0) == "latents-not-finite"

    def test_another_model_is_named(self, bridge, wan):
        assert refusal(bridge.latents_of, {"samples": noise(1, 4, 8, 8)}, wan, 2, 0) == (
            "latents-shape: came=(1, 4, 8, 8), channels=16, name=Wan 2.1"
        )
