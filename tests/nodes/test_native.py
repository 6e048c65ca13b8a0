"""Units on ComfyUI's own models: equal to ComfyUI's node where that is right, and to our own model everywhere."""

from __future__ import annotations

from typing import ClassVar

import native_parts
import pytest
import torch
from filling import relative
from refusal import refusal
from tiny_files import full_weights

# Both compute in float32 on the CPU: what differs is the order of sums.
CLOSE = 1e-5


@pytest.fixture(autouse=True)
def _as_comfyui_runs_nodes():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def parts(comfy, pack):
    core = pack.vace_core
    with torch.inference_mode():
        return native_parts.vace_model(core), native_parts.Clip(), native_parts.vae(core)


def clip(frames=5, height=32, width=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, height, width, 3), generator=generator).float() / 255


def half_mask(frames=5, height=32, width=48):
    mask = torch.zeros(frames, height, width)
    mask[:, :, width // 2 :] = 1
    return mask


def core_node(vae, **inputs):
    """What ComfyUI's own node gives: its conditioning values, latent and trim."""
    from comfy_extras.nodes_wan import WanVaceToVideo

    text = [[torch.zeros(1, 1, 4096), {}]]
    out = WanVaceToVideo.execute(text, text, vae, **{"batch_size": 1, "strength": 1.0, **inputs})
    return out[0][0][1], out[2]["samples"], out[3]


def our_node(run, vae, vcu, strength=1.0):
    text = [[torch.zeros(1, 1, 4096), {}]]
    out = run("VaceApplyVCU", positive=text, negative=text, vae=vae, vcu=vcu, strength=strength)
    return out[0][0][1], out[2]["samples"], out[3]


def assert_same(ours, theirs, tolerance=CLOSE):
    assert ours[0].keys() == theirs[0].keys()
    assert relative(ours[0]["vace_frames"][0], theirs[0]["vace_frames"][0]) < tolerance
    assert torch.equal(ours[0]["vace_mask"][0], theirs[0]["vace_mask"][0])
    assert ours[0]["vace_strength"] == theirs[0]["vace_strength"]
    assert torch.equal(ours[1], theirs[1])
    assert ours[2] == theirs[2]


class TestEqualToCoreWhereItIsRight:
    def test_words_alone(self, run, parts):
        vcu = run("VaceTextToVideo", width=48, height=32, length=5)[0]
        assert_same(our_node(run, parts[2], vcu), core_node(parts[2], width=48, height=32, length=5))

    def test_inpainting(self, run, parts):
        video, mask = clip(), half_mask()
        vcu = run("VaceInpaintVideo", images=video, mask=mask, fit="as it is")[0]
        painted = torch.where(mask[..., None] > 0, 0.5, video)  # there the user must paint the gray
        theirs = core_node(parts[2], width=48, height=32, length=5, control_video=painted, control_masks=mask)
        assert_same(our_node(run, parts[2], vcu), theirs)

    def test_control_inside_a_mask(self, run, parts):
        video, signal, mask = clip(), clip(seed=5), half_mask()
        vcu = run("VaceBuildVCU", images=video, control=signal, mask=mask, fit="as it is")[0]
        mixed = torch.where(mask[..., None] > 0, signal, video)
        theirs = core_node(parts[2], width=48, height=32, length=5, control_video=mixed, control_masks=mask)
        assert_same(our_node(run, parts[2], vcu), theirs)

    def test_control_everywhere(self, run, parts):
        video = clip()
        vcu = run("VaceBuildVCU", control=video, fit="as it is")[0]
        theirs = core_node(parts[2], width=48, height=32, length=5, control_video=video)
        assert_same(our_node(run, parts[2], vcu), theirs)

    def test_one_reference_of_the_frames_size(self, run, parts):
        picture = clip(1, seed=3)
        vcu = run("VaceReferenceToVideo", references=picture, width=48, height=32, length=5)[0]
        theirs = core_node(parts[2], width=48, height=32, length=5, reference_image=picture)
        assert_same(
            our_node(run, parts[2], vcu, 0.7),
            core_node(parts[2], width=48, height=32, length=5, reference_image=picture, strength=0.7),
        )
        assert theirs[2] == 1

    def test_first_frame(self, run, parts):
        """What ComfyUI pads with gray and ones is what extending means."""
        picture = clip(1, seed=4)
        vcu = run("VaceExtendVideo", first=picture, length=9, fit="as it is")[0]
        mask = torch.ones(9, 32, 48)
        mask[0] = 0
        theirs = core_node(parts[2], width=48, height=32, length=9, control_video=picture, control_masks=mask)
        assert_same(our_node(run, parts[2], vcu), theirs)


class TestFaultsOfCore:
    """What ComfyUI's node does wrong in silence (the comments), and what happens here."""

    def test_second_reference_counts(self, run, parts):
        # There the second picture of a batch is dropped.
        both = torch.cat([clip(1, seed=3), clip(1, seed=4)])
        theirs = core_node(parts[2], width=48, height=32, length=5, reference_image=both)
        ours = our_node(run, parts[2], run("VaceReferenceToVideo", references=both, width=48, height=32, length=5)[0])
        assert (theirs[2], ours[2]) == (1, 2)
        assert ours[1].shape[2] == 4
        for place, seed in ((0, 3), (1, 4)):
            alone = core_node(parts[2], width=48, height=32, length=5, reference_image=clip(1, seed=seed))
            assert relative(ours[0]["vace_frames"][0][:, :, place], alone[0]["vace_frames"][0][:, :, 0]) < CLOSE

    def test_mask_of_one_frame_counts_for_all(self, run, parts):
        # There the other frames are made anew, and nothing of the mask is left: its mean is 1.
        video, one = clip(17), half_mask(1)
        theirs = core_node(parts[2], width=48, height=32, length=17, control_video=video, control_masks=one * 0)
        assert float(theirs[0]["vace_mask"][0].mean()) == 1.0
        vcu = run("VaceInpaintVideo", images=video, mask=one, fit="as it is")[0]
        assert float(our_node(run, parts[2], vcu)[0]["vace_mask"][0].mean()) == 0.5

    def test_length_that_is_not_4n_plus_1_is_refused(self, run):
        # There 18 becomes 17.
        assert refusal(run, "VaceTextToVideo", width=48, height=32, length=18) == (
            "length-for-model: choice=17 or 21, lengths=4n + 1, num_frames=18, some=1, 5, 9"
        )

    def test_width_that_is_no_multiple_of_16_is_refused(self, run):
        # There: "shape '[17, 8, 8, 8, 8]' is invalid".
        assert refusal(run, "VaceTextToVideo", width=68, height=64, length=17) == (
            "size-for-model: choice=64 or 80, name=width, size=68, step=16"
        )

    def test_short_mask_is_refused(self, run):
        # There the other frames are made anew.
        assert refusal(run, "VaceInpaintVideo", images=clip(17), mask=half_mask(9)) == (
            "mask-length: clip=images, count=9, name=mask, total=17"
        )

    @pytest.mark.parametrize("shape", [(32, 48), (1, 32, 48), (5, 32, 48, 1), (5, 1, 32, 48)])
    def test_mask_shapes_of_the_wild_are_read(self, run, parts, shape):
        # There: ValueError, or a message of torch.
        mask = half_mask(5 if 5 in shape else 1).reshape(shape)
        vcu = run("VaceInpaintVideo", images=clip(), mask=mask, fit="as it is")[0]
        assert torch.equal(vcu.masks, half_mask()[None, None])

    def test_reference_of_another_shape_is_shown_whole(self, run):
        # There it is cut to its centre.
        tall = torch.zeros(1, 64, 16, 3)
        vcu = run("VaceReferenceToVideo", references=tall, width=48, height=32, length=5)[0]
        seen = vcu.references[0][0, 0, 0]
        assert seen[:, 20:28].eq(-1).all()
        assert seen[:, :20].eq(1).all()
        assert seen[:, 28:].eq(1).all()

    def test_nan_is_named(self, run):
        # There it is passed on.
        video = clip()
        video[3, 5, 5] = float("nan")
        assert refusal(run, "VaceInpaintVideo", images=video, mask=half_mask()) == (
            "image-not-finite: frame=3, name=images"
        )

    def test_empty_video_is_named(self, run):
        # There it is filled with gray.
        assert refusal(run, "VaceInpaintVideo", images=torch.zeros(0, 32, 48, 3), mask=half_mask()) == (
            "image-shape: name=images, shape=(0, 32, 48, 3)"
        )

    def test_transparent_video_is_named(self, run):
        # There its alpha is dropped.
        video = torch.cat([clip(), torch.zeros(5, 32, 48, 1)], dim=3)
        assert refusal(run, "VaceInpaintVideo", images=video, mask=half_mask()) == "image-transparent: name=images"

    def test_soft_masks_are_made_hard(self, run, parts):
        # There a soft edge darkens the pixels of both halves.
        vcu = run("VaceInpaintVideo", images=clip(), mask=half_mask() * 0.8, fit="as it is")[0]
        assert torch.equal(vcu.masks, half_mask()[None, None])


class TestSampling:
    """A MODEL of ComfyUI gives what our model of the same weights gives, step for step."""

    OPTIONS: ClassVar = {"steps": 4, "cfg": 2.0, "shift": 3.0, "seed": 7}

    @pytest.fixture
    def models(self, run, pack, parts):
        """The same weights: as ComfyUI's MODEL, and as ours."""
        core = pack.vace_core
        model, clip_, vae = parts
        native = run("VaceUseNativeModel", model=model, clip=clip_, vae=vae)[0]
        weights = full_weights(core)
        wan = core.models.wan.dit
        sizes = wan.WanSizes(width=128, ffn=192, layers=4, text_width=4096)
        base, adapter = wan.WanDit(sizes), wan.build_adapter(sizes, (0, 2))
        base.load_state_dict({name: value for name, value in weights.items() if not name.startswith("vace_")})
        adapter.load_state_dict({wan.adapter_key(n): v for n, v in weights.items() if n.startswith("vace_")})
        parts_ = pack.nodes.comfy.native
        ours = core.pipeline.VaceModel(
            expert=core.pipeline.Expert(base=base, adapter=adapter),
            vae=parts_.NativeVae(vae),
            text=pack.nodes.comfy.kept_texts.ClipText(clip_),
            encode_masks=wan.encode_masks,
        )
        family = core.models.wan.family.WAN
        library = pack.nodes.comfy.sockets.LibraryModel(core=ours, family=family, usual=family.options)
        return native, library

    @pytest.mark.parametrize("sampler", ["unipc", "euler", "dpm++"])
    def test_equal_to_ours(self, run, models, sampler):
        vcu = run("VaceInpaintVideo", images=clip(), mask=half_mask(), fit="as it is", prompt="a dog")[0]
        native, ours = (
            run("VaceSampleVideo", model=model, vcu=vcu, sampler=sampler, **self.OPTIONS)[0]["samples"]
            for model in models
        )
        assert relative(native, ours) < 1e-4

    def test_equal_within_a_part_of_the_schedule(self, run, models):
        vcu = run("VaceReferenceToVideo", references=clip(2), width=48, height=32, length=5, prompt="a dog")[0]
        part = {"start_percent": 0.3, "end_percent": 0.6, "strength": 0.5, "sampler": "euler", **self.OPTIONS}
        native, ours = (run("VaceSampleVideo", model=model, vcu=vcu, **part)[0]["samples"] for model in models)
        assert native.shape == (1, 16, 2, 4, 6)
        assert relative(native, ours) < 1e-4
        whole = run("VaceSampleVideo", model=models[0], vcu=vcu, **{**part, "end_percent": 1.0})[0]["samples"]
        assert relative(whole, ours) > 1e-2

    @pytest.mark.parametrize("steps", [3, 4, 7, 10])
    def test_equal_where_a_step_lies_on_the_edge(self, run, models, steps):
        vcu = run("VaceTextToVideo", width=48, height=32, length=1, prompt="a dog")[0]
        part = {"start_percent": 1 / steps, "end_percent": (steps - 1) / steps, "sampler": "euler"}
        native, ours = (
            run("VaceSampleVideo", model=model, vcu=vcu, **part, **{**self.OPTIONS, "steps": steps})[0]["samples"]
            for model in models
        )
        assert relative(native, ours) < 1e-4

    @pytest.mark.parametrize("by", ["latents", "pinned", "pixels"])
    def test_windows_are_equal_to_ours(self, run, models, by):
        vcu = run("VaceControlVideo", images=clip(17), kind="gray", fit="as it is", prompt="a dog")[0]
        plan = run("VacePlanWindows", vcu=vcu, window=9, overlap=5, join_by=by)[0]
        given = {**self.OPTIONS, "steps": 2, "cfg": 1.0, "sampler": "euler", "vcu": vcu, "plan": plan}
        native, ours = (run("VaceSampleLongVideo", model=model, **given)[0] for model in models)
        assert native.shape == (17, 32, 48, 3)
        assert relative(native, ours) < 1e-4

    def test_windows_that_are_denoised_together_are_refused(self, run, models):
        vcu = run("VaceTextToVideo", width=48, height=32, length=17)[0]
        plan = run("VacePlanWindows", vcu=vcu, window=9, overlap=5, join_by="pyramid")[0]
        said = refusal(run, "VaceSampleLongVideo", model=models[0], vcu=vcu, plan=plan, **self.OPTIONS)
        assert said == "together-native: by=pyramid"

    def test_two_models_meet_at_the_boundary(self, run, pack, parts, models):
        model, clip_, vae = parts
        pair = run("VaceUseNativeModel", model=model, clip=clip_, vae=vae, low_noise_model=model.clone(), boundary=0.8)[
            0
        ]
        vcu = run("VaceInpaintVideo", images=clip(), mask=half_mask(), fit="as it is", prompt="a dog")[0]
        one, two = (
            run("VaceSampleVideo", model=some, vcu=vcu, sampler="euler", **self.OPTIONS)[0]["samples"]
            for some in (models[0], pair)
        )
        assert relative(two, one) < 1e-4

    def test_ksampler_gives_the_same_with_the_same_sigmas(self, run, parts, models):
        """Euler on the simple schedule of a model of shift 3: through the stock sampler and through ours."""
        import comfy.sample
        from comfy_extras.nodes_model_advanced import ModelSamplingSD3

        model, clip_, vae = parts
        shifted = ModelSamplingSD3().patch(model, 3.0)[0]
        vcu = run("VaceInpaintVideo", images=clip(), mask=half_mask(), fit="as it is", prompt="a dog",
                  negative_prompt="none")[0]  # fmt: skip
        ours = run("VaceSampleVideo", model=models[0], vcu=vcu, sampler="euler", **self.OPTIONS)[0]["samples"]
        texts = [clip_.encode_from_tokens_scheduled(words) for words in ("a dog", "")]
        positive, negative, latent, *_ = run(
            "VaceApplyVCU", positive=texts[0], negative=texts[1], vae=vae, vcu=vcu, strength=1.0
        ).result
        noise = comfy.sample.prepare_noise(latent["samples"], 7)
        theirs = comfy.sample.sample(
            shifted, noise, 4, 3.0, "euler", "simple", positive, negative, latent["samples"], disable_pbar=True, seed=7
        )
        assert relative(ours, theirs) < 1e-3

    def test_model_without_vace_is_refused(self, run, pack, parts):
        plain = native_parts.plain_model(pack.vace_core)
        assert refusal(run, "VaceUseNativeModel", model=plain, clip=parts[1], vae=parts[2]) == (
            "model-without-vace: name=model"
        )

    def test_a_clip_of_another_model_is_refused(self, run, parts):
        """As Load CLIP makes one of umT5's file with a type other than wan: its prompts would be noise to the model."""
        import comfy.sd1_clip

        other = native_parts.Clip()
        other.cond_stage_model = comfy.sd1_clip.SD1ClipModel(name="t5xxl", clip_model=lambda **_: torch.nn.Identity())
        assert refusal(run, "VaceUseNativeModel", model=parts[0], clip=other, vae=parts[2]) == (
            "clip-for-another-model: found=t5xxl, needed=umT5 from Load CLIP, type wan"
        )

    def test_decode_pastes_back_to_the_bit(self, run, parts, models):
        video, mask = clip(), half_mask()
        vcu = run("VaceInpaintVideo", images=video, mask=mask, fit="as it is")[0]
        samples = run("VaceSampleVideo", model=models[0], vcu=vcu, sampler="euler", **self.OPTIONS)[0]
        for decoder in (models[0], parts[2]):
            images, fps, report = run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=decoder).result
            assert torch.equal(images[:, :, :24], video[:, :, :24])
            assert not torch.equal(images[:, :, 24:], video[:, :, 24:])
            assert (fps, report) == (
                16.0,
                "5 frames of 48 x 32 at 16 fps. 50.0% was kept; largest difference to the source there: 0 of 255.",
            )
