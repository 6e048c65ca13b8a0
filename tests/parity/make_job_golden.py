"""Writes tests/parity/golden/jobs.safetensors: the results of whole official jobs.

`python tests/parity/make_job_golden.py --vace DIR --wan DIR --ltx DIR`, where the folders are checkouts of
ali-vilab/VACE, Wan-Video/Wan2.1 and Lightricks/LTX-Video at ltx-video-0.9.1, in a Python 3.11 with what they need:
torch, torchvision, diffusers, transformers, einops, ftfy, regex, easydict, decord. Weights and inputs are those of
`tests/job_cases.py`, in float32 on the CPU, where the attention of Wan, made for CUDA, is torch's own.

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
import ltx_case  # noqa: E402
import tiny  # noqa: E402
import tiny_ltx  # noqa: E402

from vace_core.media.pictures import read_image  # noqa: E402
from vace_core.media.video import from_uint8  # noqa: E402
from vace_core.models.ltx.family import LTX  # noqa: E402
from vace_core.models.wan import dit as wan  # noqa: E402

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


def official_ltx():
    """The official pipeline for LTX-Video with tiny networks."""
    ltx = importlib.import_module("vace.models.ltx.pipelines.pipeline_ltx_video")
    transformer = importlib.import_module("vace.models.ltx.models.transformers.transformer3d").VaceTransformer3DModel
    schedulers = importlib.import_module("ltx_video.schedulers.rf")
    patchifiers = importlib.import_module("ltx_video.models.transformers.symmetric_patchifier")
    text_encoder = torch.nn.Linear(1, 1)  # only where it is and what it computes in is asked for
    text_encoder.device, text_encoder.dtype = CPU, torch.float32
    return ltx.VaceLTXVideoPipeline(
        tokenizer=None, text_encoder=text_encoder, vae=official_ltx_vae(), transformer=ltx_case.official(transformer),
        scheduler=schedulers.RectifiedFlowScheduler(shifting="SD3", target_shift_terminal=0.1),
        patchifier=patchifiers.SymmetricPatchifier(patch_size=1),
    )  # fmt: skip


def official_ltx_vae():
    vae = importlib.import_module("ltx_video.models.autoencoders.causal_video_autoencoder")
    shrink, widen, layers = ("compress_all", {}), ("res_x_y", {}), [("res_x", {"num_layers": n}) for n in (4, 3)]
    blocks = [layers[0], shrink, widen, layers[1], shrink, widen, layers[1], shrink, layers[1], layers[0]]
    network = tiny_ltx.vae_network()
    sizes = {"dims": 3, "blocks": blocks, "base_channels": network.width, "patch_size": 4, "norm_layer": "pixel_norm"}
    made = vae.CausalVideoAutoencoder(
        encoder=vae.Encoder(**sizes, in_channels=3, out_channels=128, latent_log_var="uniform"),
        decoder=vae.Decoder(**sizes, in_channels=128, out_channels=3, causal=False, timestep_conditioning=False),
        latent_channels=128, dims=3, use_quant_conv=False,
    )  # fmt: skip
    state = dict(network.state_dict())
    for name in ("mean", "std"):
        made.register_buffer(f"{name}_of_means", state.pop(f"per_channel_statistics.{name}-of-means"))
    # Latents are drawn from a distribution, whose width is a channel of its own: here it has none.
    last = {name: value.clone() for name, value in state.items() if name.startswith("encoder.conv_out")}
    for name, value in last.items():
        value[-1] = -60.0 if name.endswith("bias") else 0.0
    made.load_state_dict(state | last, strict=False)
    missing = set(made.state_dict()) - set(state) - {"mean_of_means", "std_of_means"}
    assert not missing, missing
    return made.eval()


def prompt_of(words):
    """A prompt padded to 128 tokens, and the mask of the padding."""
    rows = tiny_ltx.LetterText().encode(words)
    spare = 128 - rows.shape[1]
    mask = torch.tensor([[1] * rows.shape[1] + [0] * spare])
    return torch.nn.functional.pad(rows, (0, 0, 0, spare), value=1.0), mask


def ltx_job(pipeline, job, folder):
    """The official job: `(latents, frames)`."""
    strategies = importlib.import_module("ltx_video.utils.skip_layer_strategy")
    methods = importlib.import_module("ltx_video.utils.conditioning_method")
    encoding = importlib.import_module("ltx_video.models.autoencoders.vae_encode")
    size = job_cases.LTX_HEIGHT, job_cases.LTX_WIDTH
    frames, masks = torch.zeros(3, job_cases.NUM_FRAMES, *size), torch.ones(1, job_cases.NUM_FRAMES, *size)
    if job.task == "inpaint":
        frames, masks = job_cases.source(*size)[0], job_cases.mask(*size)[0]
        frames = frames * (1 - masks)
    pictures = [from_uint8(read_image(path)[0])[0] for path in job_cases.write_references(folder, job.references)]
    (text, mask), (away, away_mask) = prompt_of(job_cases.PROMPT), prompt_of(LTX.options.negative_prompt)
    latents = pipeline(
        src_video=[frames], src_mask=[masks], src_ref_images=[pictures], height=size[0], width=size[1],
        num_frames=job_cases.NUM_FRAMES, frame_rate=job_cases.LTX_FPS, prompt_embeds=text, prompt_attention_mask=mask,
        negative_prompt=None, negative_prompt_embeds=away, negative_prompt_attention_mask=away_mask,
        num_inference_steps=job.steps, guidance_scale=job.guidance, context_scale=job.strength,
        skip_layer_strategy=strategies.SkipLayerStrategy.Attention, skip_block_list=[job_cases.GUIDED], stg_scale=1.0,
        do_rescaling=True, rescaling_scale=0.7, generator=torch.Generator().manual_seed(job.seed),
        output_type="latent", is_video=True, vae_per_channel_normalize=True,
        conditioning_method=methods.ConditioningMethod.UNCONDITIONAL, return_dict=False,
    )[0]  # fmt: skip
    made = encoding.vae_decode(latents, pipeline.vae, is_video=True, vae_per_channel_normalize=True)
    return latents, made.clamp(-1, 1)


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
    jobs = [(pipeline, wan_job, *one) for one in job_cases.JOBS.items()]
    jobs += [(official_ltx(), ltx_job, *one) for one in job_cases.LTX_JOBS.items()]
    for official, run, name, job in jobs:
        with tempfile.TemporaryDirectory() as folder:
            latents, frames = run(official, job, Path(folder))
        results[f"{name}/latents"] = latents.contiguous()
        results[f"{name}/frames"] = frames[job_cases.THINNED].contiguous()
    save_file(
        results,
        GOLDEN,
        {"made by": "tests/parity/make_job_golden.py", "negative prompt": pipeline.sample_neg_prompt},
    )


if __name__ == "__main__":
    main()
