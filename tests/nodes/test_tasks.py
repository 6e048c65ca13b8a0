"""What each task node builds: the unit that the library's task builds, and what the node says of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from refusal import outcome, refusal

TEXT = {"prompt": "a dog", "negative_prompt": "blur"}
SIZE = {"width": 48, "height": 32, "length": 5}
PATH = json.dumps({"version": 1, "paths": [{"keys": [
    {"time": 0.0, "x": 0.25, "y": 0.5, "width": 0.25, "height": 0.5},
    {"time": 1.0, "x": 0.75, "y": 0.5, "width": 0.25, "height": 0.5},
]}]})  # fmt: skip


def clip(frames=5, height=32, width=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, height, width, 3), generator=generator).float() / 255


def left_half(frames=1, height=32, width=48):
    mask = torch.zeros(frames, height, width)
    mask[:, :, : width // 2] = 1
    return mask


def said(out):
    return out.ui["text"][0]


def kept(vcu):
    """The part of each frame that is kept."""
    return (1 - vcu.masks[0, 0]).flatten(1).mean(dim=1).tolist()


def tracks():
    """One point that moves right, as ComfyUI's own nodes hand it on."""
    path = torch.tensor([[[12.0 + 6 * n, 16.0]] for n in range(5)])
    return {"track_path": path, "track_visibility": torch.ones(5, 1, dtype=torch.bool)}


class TestEveryTask:
    """The texts and the rate belong to every unit, and no input is changed."""

    TASKS = (
        ("VaceTextToVideo", {**SIZE}),
        ("VaceReferenceToVideo", {**SIZE, "references": clip(2, 20, 20)}),
        ("VaceInpaintVideo", {"images": clip(), "mask": left_half()}),
        ("VaceOutpaintVideo", {"images": clip()}),
        ("VaceExtendVideo", {"first": clip(5), "length": 13}),
        ("VaceJoinVideos", {"first": clip(5), "last": clip(5, seed=1), "length": 17}),
        ("VacePlaceKeyframes", {"images": clip(2), "length": 9}),
        ("VaceControlVideo", {"images": clip(), "kind": "gray"}),
        ("VaceControlVideo", {"images": clip(), "kind": "scribble"}),
        ("VaceControlVideo", {"images": clip(), "kind": "flow"}),
        ("VaceControlVideo", {"images": clip(), "kind": "depth"}),
        ("VaceStylizeVideo", {"images": clip(), "style": clip(1, 20, 30)}),
        ("VaceStylizeVideo", {"images": clip(), "follow": "brightness", "mask": left_half()}),
        ("VaceLayoutToVideo", {**SIZE, "paths": PATH}),
        ("VaceMoveAnything", {"image": clip(1), "paths": PATH, "length": 9}),
        ("VaceSwapAnything", {"images": clip(), "mask": left_half(), "references": clip(1)}),
        ("VaceExpandAnything", {"image": clip(1), "length": 9}),
        ("VaceAnimateAnything", {"pose": clip(), "references": clip(1)}),
        ("VaceReferenceAnything", {**SIZE, "image_1": clip(1), "mask_1": left_half()}),
        ("VaceBuildVCU", {"images": clip(), "control": clip(seed=1), "mask": left_half(), "references": clip(1)}),
    )

    @pytest.mark.parametrize(("node", "inputs"), TASKS, ids=[f"{node}-{n}" for n, (node, _) in enumerate(TASKS)])
    def test_texts_rate_grid_and_inputs(self, run, pack, node, inputs):
        before = {name: value.clone() for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        vcu = run(node, **inputs, **TEXT, fps=8.0)[0]
        assert (vcu.prompt, vcu.negative_prompt, vcu.fps) == ("a dog", "blur", 8.0)
        pack.vace_core.models.wan.dit.GRID.check(vcu.num_frames, vcu.height, vcu.width)
        for name, value in before.items():
            assert torch.equal(value, inputs[name]), name

    @pytest.mark.parametrize(("node", "inputs"), TASKS, ids=[f"{node}-{n}" for n, (node, _) in enumerate(TASKS)])
    def test_preview_shows_it(self, run, node, inputs):
        out = run("VacePreviewVCU", vcu=run(node, **inputs)[0])
        assert out[1].shape[0] == 1
        assert out[1].shape[3] == 3
        assert len(out.ui["images"]) == 1


class TestFit:
    @pytest.mark.parametrize(
        ("fit", "frames", "size", "came"),
        [
            ("480p", 5, (480, 832), (5, 500, 860)),
            ("480p", 17, (48, 80), (20, 48, 80)),
            ("720p", 1, (720, 1280), (1, 1080, 1920)),
            ("starter", 17, (96, 96), (33, 128, 128)),
            ("starter", 17, (80, 112), (18, 150, 210)),
        ],
    )
    def test_size_and_length_are_the_models(self, run, fit, frames, size, came):
        vcu = run("VaceControlVideo", images=torch.rand(*came, 3), kind="gray", fit=fit)[0]
        assert (vcu.num_frames, vcu.height, vcu.width) == (frames, *size)

    def test_what_was_done_is_said(self, run):
        out = run("VaceControlVideo", images=clip(18, 64, 64), kind="gray", fit="starter", fps=24.0)
        assert said(out) == (
            "images: 18 frames of 64 x 64 pixels at 24 fps (0.75 s) go to the model as 17 frames of 64 x 64 at 23.31 "
            "fps. "
            "Frames dropped: 1 (11)."
        )

    def test_thinning_out_is_said_with_the_way_to_keep_the_rate(self, run):
        out = run("VaceControlVideo", images=torch.full((100, 96, 96, 3), 0.5), kind="gray", fit="starter", fps=25.0)
        assert out[0].num_frames == 17
        assert said(out).split("\n")[1] == (
            "! The clip is thinned out in time: 100 frames at 25 fps become 17 at 4.271 fps. Motion becomes coarser. "
            "To keep the rate, take the first 17 frames alone (0.68 s) with Image From Batch before the node."
        )

    def test_all_frames_are_kept_and_those_that_fill_the_length_dropped_again(self, run):
        video, mask = clip(6, 48, 80), torch.zeros(1, 48, 80)
        mask[:, 8:24, 8:40] = 1
        vcu = run("VaceInpaintVideo", images=video, mask=mask, fit="starter, all frames", fps=25.0)[0]
        assert (vcu.num_frames, vcu.padding, vcu.fps) == (9, 3, 25.0)
        made = clip(9, 48, 80, seed=1)
        made[6:] = made[5]
        images = run("VaceCompositeVideo", images=made, vcu=vcu)[0]
        assert images.shape == video.shape
        assert torch.equal(images[:, 24:], video[:, 24:])
        assert torch.equal(run("VaceCompositeVideo", images=made[:6], vcu=vcu)[0], images)

    def test_a_clip_that_is_too_long_for_one_pass_is_not_thinned(self, run):
        images = torch.full((100, 96, 96, 3), 0.5)
        assert refusal(run, "VaceControlVideo", images=images, kind="gray", fit="starter, all frames", fps=25.0) == (
            "clip-too-long: frames=100, height=96, most=17, most_seconds=0.68, name=images, seconds=4, width=96"
        )
        words = outcome(run, "VaceControlVideo", images=images, kind="gray", fit="starter, all frames", fps=25.0)
        assert "--" not in words  # options of the command

    def test_mask_and_clip_share_one_plan(self, run):
        video = clip(18, 64, 96)
        mask = (video.mean(dim=3) > 0.5).float()
        vcu = run("VaceInpaintVideo", images=video, mask=mask, fit="starter")[0]
        assert vcu.masks.shape[2:] == vcu.source.shape[2:]

    @pytest.mark.parametrize("frames", [2, 3, 18, 20, 80, 82])
    def test_as_it_is_refuses_other_lengths(self, run, frames):
        below = (frames - 1) // 4 * 4 + 1
        assert refusal(run, "VaceControlVideo", images=clip(frames, 16, 16), kind="gray", fit="as it is") == (
            f"length-for-model: choice={below} or {below + 4}, lengths=4n + 1, num_frames={frames}, some=1, 5, 9"
        )


class TestCrop:
    """A part of the frame is edited and put back; the rest of the video is as it was."""

    @pytest.mark.parametrize(("follow", "size"), [(False, (32, 96)), (True, (32, 32))])
    def test_what_is_stitched_is_inside_the_mask_alone(self, run, follow, size):
        video, mask = clip(7, 64, 128), torch.zeros(7, 64, 128)
        for n in range(7):
            mask[n, 20:36, 8 + 8 * n : 24 + 8 * n] = 1
        images, inside, back = run("VaceCropVideo", images=video, mask=mask, follow=follow, margin=0.25)
        assert images.shape == (7, *size, 3)
        assert inside.sum() == mask.sum()
        whole = run("VaceStitchVideo", images=1 - images, stitch=back)[0]
        where = mask[..., None] > 0
        assert torch.allclose(whole, torch.where(where, 1 - video, video), atol=1e-6)

    def test_a_crop_of_another_resolution_comes_back_at_that_of_the_video(self, run):
        video, mask = torch.rand(1, 8, 16, 3).repeat_interleave(8, 1).repeat_interleave(8, 2), torch.zeros(1, 64, 128)
        mask[:, 20:36, 50:70] = 1
        images, inside, back = run("VaceCropVideo", images=video, mask=mask, resolution=128)
        assert images.shape[1:3] == (64, 128)
        assert inside.shape == (1, 64, 128)
        whole = run("VaceStitchVideo", images=images, stitch=back)[0]
        assert (whole[0][mask[0] == 0] - video[0][mask[0] == 0]).abs().max() <= 1e-6
        assert (whole - video).abs().mean() < 0.02

    def test_another_length_is_refused(self, run):
        images, _, back = run("VaceCropVideo", images=clip(6), mask=left_half())
        assert refusal(run, "VaceStitchVideo", images=images[:5], stitch=back) == "stitch-length: count=6, frames=5"


class TestEdit:
    def test_extend_keeps_the_end_and_gives_the_rest_back(self, run):
        film = clip(20)
        out = run("VaceExtendVideo", first=film, length=17)
        vcu, before, after = out.result
        assert kept(vcu) == [1.0] * 5 + [0.0] * 12
        assert torch.equal(before, film[:15])
        assert after is None
        assert said(out).startswith("first: the model is shown the last 5 of 20 frames; the other 15 are the rest.")

    def test_extend_backwards_and_between(self, run):
        assert kept(run("VaceExtendVideo", last=clip(1), length=9)[0]) == [0.0] * 8 + [1.0]
        both = run("VaceExtendVideo", first=clip(1), last=clip(1, seed=1), length=9)[0]
        assert kept(both) == [1.0] + [0.0] * 7 + [1.0]

    def test_join_fits_the_second_to_the_first(self, run):
        vcu, before, after = run("VaceJoinVideos", first=clip(9), last=clip(9, 64, 64), length=21, keep=5).result
        assert kept(vcu) == [1.0] * 5 + [0.0] * 11 + [1.0] * 5
        assert before.shape == (4, 32, 48, 3)
        assert after.shape == (4, 32, 48, 3)

    def test_extend_needs_something(self, run):
        assert refusal(run, "VaceExtendVideo", length=9) == "nothing-to-extend"

    def test_keyframes_stand_where_they_are_put(self, run):
        pictures = clip(3)
        vcu = run("VacePlaceKeyframes", images=pictures, positions="0, 4; -1", length=9, fit="as it is")[0]
        assert kept(vcu) == [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0]
        assert torch.equal(vcu.source[0, :, 4], pictures[1].movedim(-1, 0) * 2 - 1)

    @pytest.mark.parametrize(
        ("positions", "said_"),
        [
            (
                "0, x",
                "positions-unreadable: value=0, x",
            ),
            (
                "0, 1, 2",
                "positions-count: pictures=2, positions=3",
            ),
            ("8, -1", "positions-twice: value=8, -1"),
            ("0, -10", "keyframe-outside: index=-10, last=8"),
            (
                "0, 9",
                "keyframe-outside: index=9, last=8",
            ),
        ],
    )
    def test_positions_that_cannot_be(self, run, positions, said_):
        assert refusal(run, "VacePlaceKeyframes", images=clip(2), positions=positions, length=9) == said_

    def test_outpainting_leaves_room_for_its_border(self, run):
        vcu = run("VaceOutpaintVideo", images=clip(5, 480, 832), left=0.5, right=0.5)[0]
        assert vcu.height * vcu.width <= 480 * 832 * 1.05
        assert vcu.width / vcu.height > 3
        assert 0.45 < kept(vcu)[0] < 0.55


class TestControl:
    def test_computed_inside_a_mask_keeps_the_rest(self, run):
        video = clip()
        vcu, control = run("VaceControlVideo", images=video, kind="gray", mask=left_half(), fit="as it is").result
        assert torch.equal(vcu.frames[0, :, :, :, 24:], video.movedim(-1, 0)[:, :, :, 24:] * 2 - 1)
        assert control.shape == video.shape
        assert torch.equal(control[..., 0], control[..., 2])

    def test_a_photo_is_no_depth(self, run):
        out = run("VaceControlVideo", images=clip(5, 64, 64), kind="depth")
        assert "The depth control has colour. Depth is gray, near is light." in said(out)

    def test_inverted_lines_are_mended_when_asked(self, run):
        lines = torch.zeros(5, 64, 64, 3)
        lines[:, 30:32] = 1
        asked = run("VaceControlVideo", images=lines, kind="given scribble", mend=True)
        assert float(asked[1].mean()) > 0.9
        assert float(run("VaceControlVideo", images=lines, kind="given scribble")[1].mean()) < 0.1

    def test_points_of_other_packs_are_paths(self, run):
        points = json.dumps([{"x": 8, "y": 16}, {"x": 40, "y": 16}])
        ours = run("VaceLayoutToVideo", **SIZE, paths=points, box_size=0.25)[1]
        drawn = run("VaceLayoutToVideo", **SIZE, paths=json.dumps({"version": 1, "paths": [{"keys": [
            {"time": 0.0, "x": 8 / 48, "y": 0.5, "width": 0.25, "height": 0.25},
            {"time": 1.0, "x": 40 / 48, "y": 0.5, "width": 0.25, "height": 0.25},
        ]}]}))[1]  # fmt: skip
        assert torch.equal(ours, drawn)

    def test_tracks_and_boxes_are_paths_beside_those_drawn(self, run):
        drawn = run("VaceLayoutToVideo", **SIZE, paths=PATH)[1]
        point = torch.tensor([[12.0 + 6 * n, 16.0] for n in range(SIZE["length"])])
        linked = run("VaceLayoutToVideo", **SIZE, paths="[]", box_size=0.25, tracks=tracks())[1]
        boxes = [[(x - 6, y - 4, x + 6, y + 4)] for x, y in point.tolist()]
        assert torch.equal(run("VaceLayoutToVideo", **SIZE, paths="[]", boxes=boxes)[1], linked)
        both = run("VaceLayoutToVideo", **SIZE, paths=PATH, box_size=0.25, tracks=tracks())[1]
        assert torch.equal(both, torch.minimum(drawn, linked))
        still = {"image": clip(1), "fit": "as it is", "length": 5}
        assert run("VaceMoveAnything", **still, paths="[]", tracks=tracks())[0].num_frames == 5

    @pytest.mark.parametrize("given", ["points", "boxes", "tracks", "desk"])
    def test_what_is_told_of_an_image_stays_on_it_where_the_image_is_cropped(self, run, given):
        image = torch.zeros(1, 90, 160, 3)
        image[:, 30:46, 20:36] = 1  # of which the frame shows 150 pixels from 4 on
        place = {
            "points": {"paths": json.dumps([{"x": 28, "y": 38}] * 2)},
            "boxes": {"boxes": [(20, 30, 36, 46)]},
            "tracks": {"tracks": {"track_path": torch.tensor([[[28.0, 38.0]]] * 5)}},
            "desk": {"paths": run("VaceDesk", clip=image.expand(5, -1, -1, -1), boxes=[(20, 30, 36, 46)])[3]},
        }[given]
        vcu = run("VaceMoveAnything", image=image, fit="starter", length=5, box_size=0.1, **place)[0]
        spot = (vcu.frames[0, 0, 0] > 0).nonzero().float().mean(0)
        outline = (vcu.frames[0, 0, 4] < 0).nonzero().float().mean(0)
        assert outline.tolist() == pytest.approx(spot.tolist(), abs=0.6)

    @pytest.mark.parametrize("paths", ["", "[]", " [] ", '{"version": 1, "paths": []}'])
    def test_no_box_yet(self, run, paths):
        assert refusal(run, "VaceLayoutToVideo", paths=paths, **SIZE) == "no-boxes"
        # The picture to draw on comes first: it is shown, and only what comes after the node is stopped.
        waits = run("VaceMoveAnything", image=clip(1), paths=paths, length=5)
        assert waits.block_execution == outcome(run, "VaceLayoutToVideo", paths=paths, **SIZE)
        assert len(waits.ui["vace_picture"]) == 1


class TestAnything:
    def test_move_shows_its_first_frame(self, run):
        out = run("VaceMoveAnything", image=clip(1, 64, 96), paths=PATH, length=5, fit="starter")
        assert len(out.ui["vace_picture"]) == 1
        vcu = out[0]
        assert kept(vcu)[0] == 1.0
        assert (vcu.height, vcu.width) == (64, 96)

    def test_several_pictures_are_no_picture(self, run):
        assert refusal(run, "VaceMoveAnything", image=clip(2), paths=PATH) == "several-images: name=image, pictures=2"

    def test_swap_takes_a_stack_of_references(self, run):
        stack = run("VaceStackReferences", image=clip(1), mask=left_half())[0]
        stack = run("VaceStackReferences", image=clip(2, seed=1), references=stack)[0]
        vcu = run("VaceSwapAnything", images=clip(), mask=left_half(), references=stack)[0]
        assert vcu.num_references == 3

    def test_subjects_are_cut_out(self, run):
        out = run("VaceReferenceAnything", image_1=clip(1), mask_1=left_half(), image_3=clip(1, 20, 20), **SIZE)
        assert said(out) == "references: 2 (24 x 32, 20 x 20), each shown whole on white."

    def test_a_mask_without_its_picture(self, run):
        assert refusal(run, "VaceReferenceAnything", image_1=clip(1), mask_2=left_half(), **SIZE) == (
            "subject-mask-without-image: ending=_2"
        )


class TestCombine:
    def test_masks_are_joined_shaped_grown_held_and_inverted(self, run):
        first, second = torch.zeros(5, 32, 48), torch.zeros(1, 32, 48)
        first[2, 10, 10], second[0, 20, 30] = 1, 1
        assert run("VaceComposeMasks", mask=first, mask_2=second)[0].sum() == 6
        assert run("VaceComposeMasks", mask=first, mask_2=second, operation="intersection")[0].sum() == 0
        assert run("VaceComposeMasks", mask=first, hold=-1)[0].sum() == 5
        assert run("VaceComposeMasks", mask=first, hold=1)[0].sum() == 3
        assert run("VaceComposeMasks", mask=first, grow=1)[0].sum() == 5
        assert run("VaceComposeMasks", mask=first, grow=1, shape="bbox")[0].sum() == 5
        assert run("VaceComposeMasks", mask=first, invert=True)[0].sum() == 5 * 32 * 48 - 1

    @pytest.mark.parametrize(
        "boxes",
        [
            [(8, 4, 16, 12)],
            (8, 4, 16, 12),
            [[(8, 4, 16, 12)]] * 5,
            {"x": 8, "y": 4, "width": 8, "height": 8},
            [{"x": 8, "y": 4, "width": 8, "height": 8}],
            [[{"x": 8, "y": 4, "width": 8, "height": 8}]] * 5,
            np.array([[8, 4, 16, 12]]),
            torch.tensor([8.0, 4.0, 16.0, 12.0]),
            [torch.tensor([[8, 4, 16, 12]])] * 5,
            [tuple(np.float32(side) for side in (8, 4, 16, 12))],
        ],
    )
    def test_boxes_of_both_kinds(self, run, boxes):
        mask = run("VaceComposeMasks", boxes=boxes, images=clip())[0]
        assert mask.shape == (5, 32, 48)
        assert mask[:, 4:12, 8:16].sum() == mask.sum() == 5 * 64

    @pytest.mark.parametrize("boxes", [[], "x", [(1, 2, 3)], [(5, 5, 1, 1)], [[(0, 0, 1, 1)]] * 3, [None]])
    def test_other_boxes_are_refused(self, run, boxes):
        assert outcome(run, "VaceComposeMasks", boxes=boxes, images=clip()).count(". ") >= 2

    def test_a_detector_that_found_nothing_is_named(self, run):
        for nothing in ([], [[]] * 5):
            assert refusal(run, "VaceComposeMasks", boxes=nothing, images=clip()) == "boxes-empty"

    @pytest.mark.parametrize("boxes", [(0.1, 0.2, 0.5, 0.6), [[(0.1, 0.2, 0.5, 0.6)]] * 5, {"x": 0, "y": 0.5,
                                       "width": 0.25, "height": 0.25}])  # fmt: skip
    def test_boxes_in_fractions_of_the_frame_are_named(self, run, boxes):
        assert refusal(run, "VaceComposeMasks", boxes=boxes, images=clip()).startswith("boxes-fractions: ")

    def test_a_box_of_less_than_a_pixel_is_one(self, run):
        assert run("VaceComposeMasks", boxes=(8.6, 4, 9.4, 6), images=clip())[0][0].nonzero().tolist() == [
            [4, 9],
            [5, 9],
        ]

    def test_paths_without_a_box_add_nothing(self, run):
        mask = run("VaceComposeMasks", paths="[]", mask=left_half())[0]
        assert torch.equal(mask, left_half())
        assert refusal(run, "VaceComposeMasks", paths="[]", images=clip()) == "no-mask"

    def test_paths_become_moving_masks(self, run):
        mask = run("VaceComposeMasks", paths=PATH, images=clip())[0]
        assert mask[0, 16, 12] == mask[4, 16, 36] == 1
        assert mask[0, 16, 36] == mask[4, 16, 12] == 0

    def test_a_track_that_was_lost_is_named(self, run):
        lost = tracks()
        lost["track_path"][3] = float("nan")
        assert refusal(run, "VaceComposeMasks", tracks=lost, images=clip()) == "tracks-not-finite"

    def test_tracks_become_moving_masks(self, run):
        mask = run("VaceComposeMasks", tracks=tracks(), images=clip())[0]
        assert mask[0, 16, 12] == mask[4, 16, 36] == 1
        assert mask[0, 16, 36] == mask[4, 16, 12] == 0

    def test_boxes_need_a_size(self, run):
        assert refusal(run, "VaceComposeMasks", boxes=[(0, 0, 4, 4)]) == "boxes-without-size"

    def test_units_are_composed(self, run):
        video = clip()
        painted = run("VaceInpaintVideo", images=video, mask=left_half(), prompt="a dog")[0]
        control = run("VaceControlVideo", images=video, kind="gray", prompt="a cat")[0]
        vcu = run("VaceComposeVCUs", vcu_1=painted, vcu_2=control)[0]
        assert vcu.prompt == "a dog; a cat"
        assert kept(vcu) == [0.5] * 5

    def test_units_of_other_sizes_are_refused(self, run):
        small, large = (run("VaceTextToVideo", width=width, height=32, length=5)[0] for width in (32, 48))
        assert refusal(run, "VaceComposeVCUs", vcu_1=small, vcu_2=large) == (
            "units-differ: first=5 frames of 32x32, second=5 frames of 48x32"
        )


class TestBuild:
    def test_leaving_out_means_text(self, run):
        vcu = run("VaceBuildVCU", **SIZE)[0]
        assert (vcu.source, vcu.control, vcu.references) == (None, None, ())

    def test_control_of_another_size_gets_the_same_plan(self, run):
        vcu = run("VaceBuildVCU", images=clip(18, 64, 96), control=clip(18, 128, 192), fit="starter")[0]
        assert vcu.control.shape == vcu.source.shape

    def test_control_of_another_length_is_refused(self, run):
        assert refusal(run, "VaceBuildVCU", images=clip(9), control=clip(5)) == (
            "control-length: clip=images, count=5, name=control, total=9"
        )

    def test_a_mask_needs_a_video(self, run):
        assert refusal(run, "VaceBuildVCU", mask=left_half(), **SIZE) == "mask-without-images"


class TestFinish:
    def test_composite_needs_a_source(self, run):
        vcu = run("VaceTextToVideo", **SIZE)[0]
        assert refusal(run, "VaceCompositeVideo", images=clip(), vcu=vcu) == "nothing-kept"

    def test_untrimmed_videos_are_named(self, run):
        vcu = run("VaceSwapAnything", images=clip(), mask=left_half(), references=clip(1))[0]
        assert refusal(run, "VaceCompositeVideo", images=clip(9), vcu=vcu) == (
            "images-size: frames=9, height=32, vcu_frames=5, vcu_height=32, vcu_width=48, width=48"
        )

    def test_feather_stays_inside_the_mask(self, run):
        video = clip()
        vcu = run("VaceInpaintVideo", images=video, mask=left_half(), fit="as it is")[0]
        images = run("VaceCompositeVideo", images=clip(seed=9), vcu=vcu, feather=4)[0]
        assert torch.equal(images[:, :, 24:], video[:, :, 24:])
        assert not torch.equal(images[:, :, 23], clip(seed=9)[:, :, 23])
