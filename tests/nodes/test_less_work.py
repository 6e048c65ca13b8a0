"""ComfyUI's own VAE of Wan does no work that says nothing, and none twice: equal results, and the work counted."""

from __future__ import annotations

from types import SimpleNamespace

import native_parts
import pytest
import torch
from filling import fill, relative
from torch.utils.flop_counter import FlopCounterMode

CLOSE = 1e-5  # float32 on the CPU: what differs is the order of sums
LENGTH, HEIGHT, WIDTH = 5, 144, 208
HOLE = (slice(56, 88), slice(88, 120))  # 3 % of a frame
BOX = (88, 56, 120, 88)
LATENT = (1, 16, 2, HEIGHT // 8, WIDTH // 8)


class OfComfyUI:
    """What is used of ComfyUI's VAE, where there is no ComfyUI."""

    device = output_device = torch.device("cpu")
    vae_dtype, patcher = torch.float32, SimpleNamespace(patches={}, patches_uuid=0)

    def __init__(self, network):
        self.first_stage_model = network

    def memory_used_encode(self, shape, dtype):
        return 0

    memory_used_decode = memory_used_encode

    def encode(self, pixels):
        return self.first_stage_model.encode(pixels.movedim(-1, 0)[None] * 2 - 1, {})[0]

    def decode(self, latents):
        frames = self.first_stage_model.decode(latents, {})
        return (frames.clamp(-1, 1) / 2 + 0.5).movedim(1, -1)


def standin(core):
    kind = type("WanVAE", (core.models.wan.vae.WanVaeNetwork,), {"__module__": "comfy.ldm.wan.vae"})
    vae = type("VAE", (OfComfyUI,), {"__module__": "comfy.sd"})
    return vae(fill(kind(width=4), 3).requires_grad_(False))


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


def counted(run):
    with FlopCounterMode(display=False) as counter:
        made = run()
    return made, counter.get_total_flops()


def pixels(seed=0, frames=LENGTH):
    return torch.rand(frames, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(seed))


def hole():
    mask = torch.zeros(LENGTH, HEIGHT, WIDTH)
    mask[:, HOLE[0], HOLE[1]] = 1
    return mask


@pytest.fixture
def units(run):
    """A VCU of each task, by what is encoded for it; with other words the same clips."""

    def make(task, prompt="a fox", seed=0):
        size = {"width": WIDTH, "height": HEIGHT, "length": LENGTH}
        if task == "text":
            return run("VaceTextToVideo", prompt=prompt, **size)[0]
        if task == "reference":
            return run("VaceReferenceToVideo", prompt=prompt, references=pixels(seed, 1), **size)[0]
        if task == "control":
            return run("VaceBuildVCU", prompt=prompt, control=pixels(seed), fit="as it is")[0]
        return run("VaceInpaintVideo", prompt=prompt, images=pixels(seed), mask=hole(), fit="as it is")[0]

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
        assert flop < 0.25 * whole[0]

    def test_a_clip_that_is_gray_outside_of_a_box(self, native, box, whole):
        clip = torch.zeros(1, 3, LENGTH, HEIGHT, WIDTH)
        clip[..., HOLE[0], HOLE[1]] = torch.rand(1, 3, LENGTH, 32, 32) * 2 - 1
        less, flop = counted(lambda: native.encode(clip, content=box))
        assert relative(less, native.encode(clip)) < CLOSE
        assert flop < 0.5 * whole[0]

    def test_the_hole_alone(self, native, box, whole):
        latents = torch.randn(LATENT)
        less, flop = counted(lambda: native.decode(latents, window=box))
        assert relative(less, native.decode(latents)[..., HOLE[0], HOLE[1]]) < CLOSE
        assert flop < 0.2 * whole[1]

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
            vae.patcher.patches = {"conv1.weight": ["a LoRA"]}
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
    """In whole encodes of the clip; the first time a size is seen its gray is computed too."""

    @pytest.mark.parametrize(
        ("task", "later"), [("text", 0.0), ("reference", 1 / LENGTH), ("control", 1.0), ("inpaint", 1.5)]
    )
    def test_of_a_later_job_with_other_pictures(self, run, vae, units, whole, task, later):
        applied(run, vae, units(task))
        vcu = units(task, seed=1)
        assert counted(lambda: applied(run, vae, vcu))[1] <= later * whole[0]

    def test_of_decoding_a_hole(self, run, vae, units, whole):
        vcu = units("inpaint")
        samples = {"samples": torch.randn(LATENT)}
        assert counted(lambda: run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=vae))[1] <= 0.2 * whole[1]


class TestTwice:
    @pytest.mark.parametrize("task", ["text", "reference", "control", "inpaint"])
    def test_other_words_encode_nothing_again(self, run, vae, units, task):
        first = applied(run, vae, units(task), latent="empty")
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
