"""The node that turns a VCU into conditioning and a latent, for the stock samplers."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..vace_core.errors import InputError, ShapeError
from ..vace_core.sampling.strength import Strength
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, memory, native, sockets
from .comfy.fitted import check_for_model
from .comfy.native_strength import check_carried, varying
from .comfy.node import Node
from .comfy.registry import NATIVE_VACE
from .comfy.sockets import ConditionStack
from .comfy.vae_kind import kind_of
from .comfy.where import EMPTY_LATENT, PINNED_LATENT, Where, all_conditions, latent_of


class VaceApplyVCU(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceApplyVCU",
            "VACE Apply VCU",
            "Turns a VCU (Video Condition Unit) into conditioning and a latent for KSampler and everything built "
            "on it. The prompts come from your own text encode nodes; those of the VCU are not used. Reference "
            "frames are in front of the latent: VACE Decode Video drops them by itself, for other nodes use Trim "
            "Video Latent with trim_latent.",
            inputs=[
                io.Conditioning.Input("positive", tooltip="The prompt, from CLIP Text Encode."),
                io.Conditioning.Input("negative", tooltip="The negative prompt."),
                io.Vae.Input("vae", tooltip="The VAE of Wan 2.1."),
                sockets.Vcu.Input(
                    "vcu", tooltip="VCU (Video Condition Unit): what to keep and what to generate. From any VACE task."
                ),
                sockets.strength(),
                *sockets.where(),
                sockets.latent(),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The MODEL that samples: only for strengths that vary over steps, frames, places or "
                    "references.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="For the sampler."),
                io.Conditioning.Output(display_name="negative", tooltip="For the sampler."),
                io.Latent.Output(display_name="latent", tooltip=sockets.LATENT_TIP),
                io.Int.Output(display_name="trim_latent", tooltip="The number of latent frames that are references."),
                io.Model.Output(display_name="model", tooltip="The MODEL for the sampler, where one is connected."),
            ],
            aliases=["wan vace to video", "vace conditioning", "vace context", "vace strength", "ksampler"],
        )

    @classmethod
    def execute(
        cls,
        positive: Any,
        negative: Any,
        vae: Any,
        vcu: VideoConditionUnit,
        strength: float,
        strengths: Strength | None = None,
        conditions: ConditionStack | None = None,
        latent: str = EMPTY_LATENT,
        model: Any | None = None,
    ) -> io.NodeOutput:
        progress = host.Progress()
        family = kind_of(vae).family
        if family is not None and family is not NATIVE_VACE:
            kind = family.text.reader
            raise InputError(
                "native-without-vace",
                "The VAE is that of {kind}, for which ComfyUI's own models have no VACE. The VAE of {needed} is "
                "needed here. For {kind} use VACE Sample Video, or VACE Attach Adapter on a MODEL.",
                kind=kind,
                needed=NATIVE_VACE.name,
            )
        if model is not None:
            native.check_has_vace(model, "model")
        check_for_model(vcu, NATIVE_VACE.grid)
        _check_size(vcu, positive, negative)
        where = Where(conditions=all_conditions(vcu, strength, strengths, conditions), pin=latent == PINNED_LATENT)
        check_carried(where, model)
        source = latent != EMPTY_LATENT
        with memory.said("encoding", vcu):
            known = native.encoded(vae, where, source=source, on_chunk=lambda done, total: progress(done, total))
        values = native.conditions(where, known.contexts)
        conditioned = (host.with_values(one, values) for one in (positive, negative))
        begun = latent_of(latent, known.contexts[0], known.source, where, NATIVE_VACE)
        return host.output(cls, *conditioned, begun, vcu.num_references, varying(model))


def _check_size(vcu: VideoConditionUnit, *conditioning: Any) -> None:
    """Validate that a VCU is of the size of contexts that a CONDITIONING has already, by this node or ComfyUI's own.

    Raises:
        ShapeError: it is not, and ComfyUI could not put them together.
    """
    t, h, w = NATIVE_VACE.grid.latent_size(vcu.num_frames, vcu.height, vcu.width)
    needed = (vcu.num_references + t, h, w)
    there = (context for rows in conditioning for _, said in rows for context in said.get("vace_frames", ()))
    if (other := next((one for one in there if tuple(one.shape[2:]) != needed), None)) is not None:
        raise ShapeError(
            "conditioning-size",
            "The conditioning holds a VACE context of {came} already, the VCU is {needed} (latent frames x height x "
            "width, references included). All need the same. Fit the VCUs to one size and give each the same number "
            "of references, or connect prompts without a context.",
            came=" x ".join(map(str, other.shape[2:])),
            needed=" x ".join(map(str, needed)),
        )
