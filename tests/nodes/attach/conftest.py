"""An adapter, the base that it is for, and ComfyUI's own model of the two, all of the same weights."""

from __future__ import annotations

import native_parts
import pytest
import torch
from native_parts import Clip
from tiny_files import write_starter


@pytest.fixture(autouse=True)
def _as_comfyui_runs_nodes():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def core(comfy, pack):
    return pack.vace_core


@pytest.fixture(scope="module")
def vae(core):
    return native_parts.vae(core)


@pytest.fixture(scope="module")
def native(core):
    with torch.inference_mode():
        return native_parts.vace_model(core)


@pytest.fixture(scope="module")
def plain(core):
    with torch.inference_mode():
        return native_parts.plain_model(core)


@pytest.fixture(scope="module")
def adapter(core, pack, tmp_path_factory):
    folder = write_starter(tmp_path_factory.mktemp("adapter"), core)
    return pack.nodes.comfy.sockets.AdapterFile(path=folder / "adapter.safetensors")


@pytest.fixture(scope="module")
def texts():
    return [Clip().encode_from_tokens_scheduled(words) for words in ("a dog on a sledge", "")]


@pytest.fixture
def unit(run):
    """A unit by its seed: five frames, the right half of which is made."""

    def make(seed=0):
        video = torch.rand(5, 32, 48, 3, generator=torch.Generator().manual_seed(seed))
        mask = torch.zeros(1, 32, 48)
        mask[:, :, 24:] = 1
        return run("VaceInpaintVideo", images=video, mask=mask, fit="as it is")[0]

    return make


@pytest.fixture
def attach(run, adapter, vae):
    """MODEL and unit in, MODEL and latent out."""

    def call(model, vcu, **values):
        given = {"model": model, "adapter": adapter, "vcu": vcu, "vae": vae, **values}
        return run("VaceAttachAdapter", **given).result[:2]

    return call


@pytest.fixture
def apply(run, vae, texts):
    """The texts with units for ComfyUI's own VACE model: `apply((unit, strength), …)`."""

    def call(*units):
        both = texts
        for vcu, strength in units:
            both = run("VaceApplyVCU", positive=both[0], negative=both[1], vae=vae, vcu=vcu, strength=strength)[:2]
        return both

    return call


@pytest.fixture
def sample(comfy):
    """ComfyUI's own KSampler."""

    def call(model, texts, latent, *, steps=3, clips=1, sampler="euler"):
        latent = {"samples": latent["samples"].repeat(clips, 1, 1, 1, 1)}
        sampled = comfy.nodes.KSampler().sample(model, 7, steps, 4.0, sampler, "simple", *texts, latent)
        return sampled[0]["samples"]

    return call
