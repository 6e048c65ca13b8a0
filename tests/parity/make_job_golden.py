"""Writes tests/parity/golden/jobs.safetensors: the results of whole official jobs.

`python tests/parity/make_job_golden.py --vace DIR --wan DIR --ltx DIR`, where the folders are checkouts of ali-vilab/VACE,
Wan-Video/Wan2.1 and Lightricks/LTX-Video at ltx-video-0.9.1, in a Python 3.11 with what they need: torch, torchvision,
diffusers, transformers, einops, ftfy, regex, easydict, decord. Weights and inputs are those of `tests/job_cases.py`, in
float32 on the CPU, where the attention of Wan, made for CUDA, is torch's own.

Official are the preparation of files, the encoding of context and masks, noise, schedule, solver, guidance, network
and VAE; ours are tiny weights and the text encoder, which gives a letter a row.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import types
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import job_cases  # noqa: E402
import tiny  # noqa: E402
import tiny_ltx  # noqa: E402

from vace_core.models import wan  # noqa: E402
from vace_core.models.ltx_keys import official_adapter_key  # noqa: E402

GOLDEN = ROOT / "tests" / "parity" / "golden" / "jobs.safetensors"
CPU = torch.device("cpu")
SIZES_480P = (480, 832)


def package(name: str, folder: Path) -> None:
    """A package without what its __init__ would import: demos, annotators, other models."""
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(folder)]


def official_wan():
    """The official pipeline for Wan with tiny networks, built without the files that its constructor reads."""
    torch.cuda.current_device = lambda: 0  # asked for when the text encoder is imported
    modules = importlib.import_module("wan.modules.model")
    modules.flash_attention = attention
    configs = importlib.import_module("vace.models.wan.configs")
    pipelines = importlib.import_module("vace.models.wan.wan_vace")
    vae = importlib.import_module("wan.modules.vae")

    base, adapter = tiny.base(), tiny.adapter()
    sizes = tiny.SIZES
    model = pipelines.VaceWanModel(
        vace_layers=list(tiny.LAYERS), vace_in_dim=96, dim=sizes.width, ffn_dim=sizes.ffn, text_dim=sizes.text_width,
        num_heads=sizes.width // 128, num_layers=sizes.layers,
    )  # fmt: skip
    state = {wan.official_adapter_key(name): value for name, value in adapter.state_dict().items()}
    model.load_state_dict(dict(base.state_dict()) | state, strict=True)

    made = object.__new__(pipelines.WanVace)
    config = configs.WAN_CONFIGS["vace-1.3B"]
    made.config, made.device, made.rank, made.sp_size, made.t5_cpu = config, CPU, 0, 1, True
    made.num_train_timesteps, made.param_dtype = config.num_train_timesteps, config.param_dtype
    made.vae_stride, made.patch_size = config.vae_stride, config.patch_size
    made.sample_neg_prompt, made.model = config.sample_neg_prompt, model.eval().requires_grad_(False)
    made.text_encoder = lambda prompts, device: [tiny.LetterText().encode(prompt)[0] for prompt in prompts]
    made.vae = official_wan_vae(vae)
    processors = importlib.import_module("vace.models.utils.preprocessor")
    made.vid_proc = processors.VaceVideoProcessor(
        downsample=(4, 16, 16), min_area=480 * 832, max_area=480 * 832, min_fps=config.sample_fps,
        max_fps=config.sample_fps, zero_start=True, seq_len=32760, keep_last=True,
    )  # fmt: skip
    return made


def official_wan_vae(vae):
    network = vae.WanVAE_(
        dim=4, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=1, attn_scales=[],
        temperal_downsample=[False, True, True], dropout=0.0,
    )  # fmt: skip
    network.load_state_dict(tiny.vae().network.state_dict(), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "vae.pth"
        torch.save(network.state_dict(), weights)
        build, vae._video_vae = vae._video_vae, lambda **_: network
        made = vae.WanVAE(vae_pth=str(weights), device="cpu")
        vae._video_vae = build
    return made


def attention(q, k, v, k_lens=None, window_size=(-1, -1), **_):
    """What flash attention computes, on whole sequences."""
    assert k_lens is None or int(k_lens) == k.shape[1]
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)


def wan_job(pipeline, job, folder):
    """The official job, with what it makes of the latents at its end: `(latents, frames)`."""
    video = [str(job_cases.write_control(folder))]
    pictures = [str(path) for path in job_cases.write_references(folder, job.references)]
    (frames,), (masks,), (references,) = pipeline.prepare_source(
        video, [None], [pictures or None], job_cases.NUM_FRAMES, SIZES_480P, CPU
    )
    if job.task != "control":
        frames, masks = torch.zeros_like(frames), torch.ones_like(masks)
    if job.task == "first frame":
        frames[:, :1], masks[:, :1] = job_cases.source()[0, :, :1], 0
    if job.task == "inpaint":
        masks = job_cases.mask()[0]
        frames = job_cases.source()[0] * (1 - masks)
    ends = []
    decode = pipeline.decode_latent
    pipeline.decode_latent = lambda latents, pictures: ends.append(latents[0]) or decode(latents, pictures)
    made = pipeline.generate(
        job_cases.PROMPT, [frames], [masks], [references], frame_num=job_cases.NUM_FRAMES, context_scale=job.strength,
        shift=job.shift, sample_solver=job.solver, sampling_steps=job.steps, guide_scale=job.guidance,
        n_prompt=job.negative, seed=job.seed, offload_model=False,
    )  # fmt: skip
    pipeline.decode_latent = decode
    return ends[0][None, :, job.references :], made[None]


def timesteps():
    """What the official schedulers hand to the network, by solver, shift and number of steps."""
    solvers = importlib.import_module("wan.utils.fm_solvers")
    unipc = importlib.import_module("wan.utils.fm_solvers_unipc")
    settings = {"num_train_timesteps": 1000, "shift": 1, "use_dynamic_shifting": False}
    for shift in (1, 3, 5, 8, 12, 16):
        rows = []
        for steps in range(1, 51):
            scheduler = unipc.FlowUniPCMultistepScheduler(**settings)
            scheduler.set_timesteps(steps, device="cpu", shift=shift)
            other = solvers.FlowDPMSolverMultistepScheduler(**settings)
            solvers.retrieve_timesteps(other, device="cpu", sigmas=solvers.get_sampling_sigmas(steps, shift))
            rows.append((scheduler.timesteps, other.timesteps))
        yield f"timesteps/unipc/{shift}", torch.cat([row[0] for row in rows]).to(torch.int16)
        yield f"timesteps/dpm++/{shift}", torch.cat([row[1] for row in rows]).to(torch.int16)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("vace", "wan", "ltx"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    folders = parser.parse_args()
    package("wan", folders.wan / "wan")
    for name in ("vace", "vace.models", "vace.models.ltx"):
        package(name, folders.vace / name.replace(".", "/"))
    sys.path.insert(0, str(folders.ltx))
    results = dict(timesteps())
    pipeline = official_wan()
    for name, job in job_cases.JOBS.items():
        with tempfile.TemporaryDirectory() as folder:
            latents, frames = wan_job(pipeline, job, Path(folder))
        results[f"{name}/latents"] = latents.contiguous()
        results[f"{name}/frames"] = frames[job_cases.THINNED].contiguous()
    save_file(
        results,
        GOLDEN,
        {"made by": "tests/parity/make_job_golden.py", "negative prompt": pipeline.sample_neg_prompt},
    )


if __name__ == "__main__":
    main()
