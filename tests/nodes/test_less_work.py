"""ComfyUI's own VAE of Wan does no work that says nothing, and none twice: equal results, and the work counted."""

from __future__ import annotations

import native_parts
import pytest
import torch
from filling import relative
from vae_of_comfyui import Counting, counted, standin

CLOSE = 1e-5  # float32 on the CPU: what differs is the order of sums
LENGTH, HEIGHT, WIDTH = 5, 128, 160
HOLE = (slice(56, 72), slice(72, 88))
BOX = (72, 56, 88, 72)
LATENT = (1, 16, 2, HEIGHT // 8, WIDTH // 8)


@pytest.fixture
def vae(pack, host):
    with torch.inference_mode():
        return standin(pack.vace_core) if host is None else native_parts.vae(pack.vace_core)


@pytest.fixture(autouse=True)
def _as_comfyui_runs_nodes():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def whole(pack, host):
    """FLOP of ComfyUI's own call for a clip: encoding and decoding."""
    with torch.inference_mode():
        vae = standin(pack.vace_core) if host is None else native_parts.vae(pack.vace_core)
        return tuple(counted(run)[1] for run in (lambda: vae.encode(pixels()), lambda: vae.decode(torch.zeros(LATENT))))


def pixels():
    return torch.rand(LENGTH, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(0))


def hole():
    mask = torch.zeros(LENGTH, HEIGHT, WIDTH)
    mask[:, HOLE[0], HOLE[1]] = 1
    return mask


@pytest.fixture
def units(run):
    """VCUs of the same clip with other words."""

    def make(task, prompt):
        size = {"width": WIDTH, "height": HEIGHT, "length": LENGTH}
        if task == "text":
            return run("VaceTextToVideo", prompt=prompt, **size)[0]
        return run("VaceInpaintVideo", prompt=prompt, images=pixels(), mask=hole(), fit="as it is")[0]

    return make


def applied(run, vae, vcu, **changes):
    text = [[torch.zeros(1, 1, 4096), {}]]
    return run("VaceApplyVCU", positive=text, negative=text, vae=vae, vcu=vcu, **changes)


class TestEqual:
    @pytest.fixture
    def native(self, pack, vae):
        return pack.nodes.comfy.native.NativeVae(vae)

    @pytest.fixture
    def box(self, pack):
        return pack.vace_core.geometry.Box(*BOX)

    def test_a_gray_clip(self, pack, native, whole):
        gray = torch.zeros(1, 3, LENGTH, HEIGHT, WIDTH)
        less, flop = counted(lambda: native.encode(gray, content=pack.vace_core.context.EMPTY))
        assert relative(less, native.encode(gray)) < CLOSE
        assert flop < whole[0]

    def test_a_clip_that_is_gray_outside_of_a_box(self, native, box, whole):
        clip = torch.zeros(1, 3, LENGTH, HEIGHT, WIDTH)
        clip[..., HOLE[0], HOLE[1]] = torch.rand(1, 3, LENGTH, 16, 16) * 2 - 1
        less, flop = counted(lambda: native.encode(clip, content=box))
        assert relative(less, native.encode(clip)) < CLOSE
        assert flop < whole[0]

    def test_the_hole_alone(self, native, box, whole):
        latents = torch.randn(LATENT)
        less, flop = counted(lambda: native.decode(latents, window=box))
        assert relative(less, native.decode(latents)[..., HOLE[0], HOLE[1]]) < CLOSE
        assert flop < whole[1]

    def test_where_there_is_little_to_save_comfyuis_own_call_is_used(self, pack, vae, native, whole):
        box = pack.vace_core.geometry.Box(0, 0, WIDTH - 32, HEIGHT)
        clip = torch.zeros(1, 3, LENGTH, HEIGHT, WIDTH)
        clip[..., : WIDTH - 32] = 0.5
        assert torch.equal(native.encode(clip, content=box), native.encode(clip))
        latents = torch.randn(LATENT)
        assert torch.equal(native.decode(latents, window=box), native.decode(latents)[..., : WIDTH - 32])

    @pytest.mark.parametrize("change", ["code of the VAE", "code of its network", "patches"])
    def test_a_vae_that_somebody_changed_is_left_to_itself(self, vae, native, box, whole, change):
        if change == "patches":
            patched = {"conv1.weight": ("diff", (torch.zeros(32, 32, 1, 1, 1),))}
            getattr(vae.patcher, "add_patches", vae.patcher.patches.update)(patched)
        else:
            at = vae if change == "code of the VAE" else vae.first_stage_model
            at.decode = type(at).decode.__get__(at)
        latents = torch.randn(LATENT)
        assert counted(lambda: native.decode(latents, window=box))[1] == whole[1]

    def test_where_memory_is_short_for_it_comfyuis_own_call_is_used(self, vae, native, box, whole):
        known, latents = vae.memory_used_decode, torch.randn(LATENT)

        def short(*_):
            vae.memory_used_decode = known
            raise torch.cuda.OutOfMemoryError("out of memory")

        vae.memory_used_decode = short
        frames, flop = counted(lambda: native.decode(latents, window=box))
        assert flop == whole[1]
        assert torch.equal(frames, native.decode(latents)[..., HOLE[0], HOLE[1]])


class TestWork:
    """At full size, in whole encodes and decodes of the clip; the first job of a size computes its gray, too."""

    SIZE = (9, 480, 832)

    @pytest.fixture
    def vae(self, pack, host):
        if host is not None:
            pytest.skip("its memory management moves no meta tensors")
        with torch.device("meta"):
            return standin(pack.vace_core)

    def clip(self, pack, task, seed=0):
        vcu = pack.vace_core.vcu
        frames = torch.rand(1, 3, *self.SIZE, generator=torch.Generator().manual_seed(seed))
        roles = torch.zeros(1, 1, *self.SIZE, dtype=torch.uint8)
        if task == "inpaint":
            roles += vcu.KEEP
            roles[..., 176:304, 352:480] = vcu.REPAINT  # 4 % of a frame
        more = {
            "text": {},
            "reference": {"references": (frames[:, :, :1],)},
            "control": {"roles": roles + vcu.FOLLOW, "control": frames},
            "inpaint": {"source": frames},
        }
        return vcu.VideoConditionUnit(**{"roles": roles, **more[task]})

    @pytest.mark.parametrize(
        ("task", "most"), [("text", 0.0), ("reference", 1 / 9), ("control", 1.0), ("inpaint", 1.2)]
    )
    def test_of_encoding_in_a_later_job(self, pack, vae, task, most):
        native, context = pack.nodes.comfy.native.NativeVae(vae), pack.vace_core.context
        whole = counted(lambda: native.encode(torch.zeros(1, 3, *self.SIZE, device="meta")))[1]
        counting = Counting(native)
        keeping = pack.nodes.comfy.kept_latents.KeepingVae(counting, vae.first_stage_model)
        masks = pack.vace_core.models.wan.dit.encode_masks
        context.encode_context(self.clip(pack, task), keeping, masks)
        counting.flop = 0
        context.encode_context(self.clip(pack, task, seed=1), keeping, masks)
        assert counting.flop <= most * whole

    def test_of_decoding_a_hole(self, pack, vae):
        counting, vcu = Counting(pack.nodes.comfy.native.NativeVae(vae)), self.clip(pack, "inpaint")
        latents = torch.zeros(1, 16, 3, 60, 104)
        counting.decode(latents)
        whole, counting.flop = counting.flop, 0
        pack.vace_core.pipeline.finish(counting, vcu, latents)
        assert counting.flop <= 0.2 * whole


class TestTwice:
    @pytest.mark.parametrize("task", ["text", "inpaint"])
    def test_other_words_encode_nothing_again(self, run, vae, units, task):
        first = applied(run, vae, units(task, "a fox"), latent="empty")
        again, flop = counted(lambda: applied(run, vae, units(task, "a bear"), latent="empty"))
        assert flop == 0
        assert torch.equal(again[0][0][1]["vace_frames"][0], first[0][0][1]["vace_frames"][0])

    def test_a_clip_that_differs_in_one_pixel_is_encoded(self, pack, run, vae):
        keeping = pack.nodes.comfy.native.keeping_vae(vae)
        frames = torch.rand(1, 3, 1, 32, 48)
        keeping.encode(frames)
        assert counted(lambda: keeping.encode(frames.clone()))[1] == 0
        frames[..., 7, 9] += 0.01
        assert counted(lambda: keeping.encode(frames))[1] > 0
        assert counted(lambda: keeping.encode(frames.reshape(1, 3, 1, 48, 32)))[1] > 0

    def test_what_is_given_out_may_be_changed(self, pack, vae):
        keeping, frames = pack.nodes.comfy.native.keeping_vae(vae), torch.rand(1, 3, 1, 32, 48)
        wanted = keeping.encode(frames)
        keeping.encode(frames).zero_()
        assert torch.equal(keeping.encode(frames), wanted)

    def test_another_lora_on_the_vae_encodes_again(self, pack, vae):
        keeping, frames = pack.nodes.comfy.native.keeping_vae, torch.rand(1, 3, 1, 32, 48)
        keeping(vae).encode(frames)
        vae.patcher.patches_uuid = 7
        assert counted(lambda: keeping(vae).encode(frames))[1] > 0

    def test_the_oldest_is_dropped_where_there_are_too_many(self, pack, vae, monkeypatch):
        monkeypatch.setattr(pack.nodes.comfy.kept_latents, "BYTES", 3 * 16 * 4 * 6 * 4)
        keeping = pack.nodes.comfy.native.keeping_vae(vae)
        clips = [torch.full((1, 3, 1, 32, 48), value / 8) for value in range(1, 5)]
        for clip in clips:
            keeping.encode(clip)
        assert [counted(lambda clip=clip: keeping.encode(clip))[1] > 0 for clip in clips[1:]] == [False] * 3
        assert counted(lambda: keeping.encode(clips[0]))[1] > 0
