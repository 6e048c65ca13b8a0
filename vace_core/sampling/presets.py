"""Sampling of models that were distilled to few steps, by a LoRA or whole: the values that were published with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .options import SamplingOptions


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """How a model with a distilled LoRA is sampled. All of them are for Wan, and without guidance.

    Attributes:
        steps: Denoising steps.
        shift: Shift of the schedule.
        solver: One of `SOLVERS`.
        strengths: Of the LoRA, as published: from, to.
        lora: Which LoRA it is for.
        source: Who published the values.
    """

    steps: int
    shift: float
    solver: str
    strengths: tuple[float, float]
    lora: str
    source: str

    def options(self, usual: SamplingOptions) -> SamplingOptions:
        """`usual` with the steps, shift, guidance and solver of this preset."""
        return replace(
            usual,
            steps=self.steps,
            shift=self.shift,
            shift_growth=0.0,
            guidance_scale=1.0,
            guidance_scales=(),
            stg_scale=0.0,
            solver=self.solver,
        )


DISTILLED: Mapping[str, Distilled] = {
    "causvid-4": Distilled(
        steps=4,
        shift=8.0,
        solver="unipc",
        strengths=(0.3, 0.7),
        lora="Wan21_CausVid_14B_T2V_lora_rank32, Wan21_CausVid_bidirect2_T2V_1_3B_lora_rank32",
        source="ComfyUI's workflow templates video_wan_vace_14B_t2v, _v2v and _ref2v",
    ),
    "causvid-8": Distilled(
        steps=8,
        shift=8.0,
        solver="unipc",
        strengths=(0.3, 0.5),
        lora="as causvid-4, where the motion is too still",
        source="Kijai's notes on the CausVid LoRA: 4 to 9 steps, 6 to 8 for more motion; shift as causvid-4",
    ),
    "lightx2v-4": Distilled(
        steps=4,
        shift=5.0,
        solver="euler",
        strengths=(1.0, 1.0),
        lora="wan2.1_t2v_14b_lora_rank64_lightx2v_4step; for a pair wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise "
        "and _low_noise",
        source="LightX2V, configs/distill/wan_t2v_distill_4step_cfg_lora.json; ComfyUI's template video_wan2_2_14B_t2v",
    ),
}
"""By name: what it is for, and its number of steps."""
