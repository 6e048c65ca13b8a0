"""The node that chooses LoRA files for models and adapters of this pack."""

from __future__ import annotations

from comfy_api.latest import io

from ..vace_core.loading.inspect import Noise
from ..vace_core.loading.lora import Lora
from .comfy import host, sockets
from .comfy.node import Node
from .comfy.sockets import LoraStack

FOLDER = "loras"
NONE = "none"
NETWORKS: dict[str, Noise | None] = {"both": None, "high noise": "high", "low noise": "low"}


class VaceLoadLora(Node):
    files = frozenset({"lora"})

    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceLoadLora",
            "VACE Load LoRA",
            "Chooses a LoRA for VACE Model or VACE Load Model, which merge it into base and adapter, or for VACE "
            "Attach Adapter. Several are chained, and add up. For ComfyUI's own MODEL use its LoRA loaders.",
            inputs=[
                io.Combo.Input(
                    "lora",
                    options=[NONE, *host.model_names(FOLDER)],
                    default=NONE,
                    tooltip="A LoRA for the model, with the names of any common trainer (kohya, diffusers, official, "
                    "LightX2V). none = no change.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-100.0,
                    max=100.0,
                    step=0.01,
                    tooltip="How strongly the LoRA acts: 1 = as trained, 0 = not at all.",
                ),
                io.Combo.Input(
                    "network",
                    options=list(NETWORKS),
                    default="both",
                    tooltip="Only with a low-noise model (Wan 2.2 VACE-Fun): the network of the pair that the LoRA is "
                    "for.",
                ),
                sockets.Loras.Input("loras", optional=True, tooltip="Further LoRAs, from another VACE Load LoRA."),
            ],
            outputs=[
                sockets.Loras.Output(
                    display_name="loras", tooltip="For VACE Model, VACE Load Model or VACE Attach Adapter."
                )
            ],
            aliases=["lora loader", "lora stack", "lightx2v", "causvid", "distilled"],
        )

    @classmethod
    def fingerprint_inputs(
        cls, lora: str | None, strength: float, network: str, loras: LoraStack | None = None
    ) -> list[tuple[str, int, int]]:
        return host.stamps_of([(lora, (FOLDER,))] if lora != NONE else [])

    @classmethod
    def execute(cls, lora: str, strength: float, network: str, loras: LoraStack | None = None) -> io.NodeOutput:
        before = files_of(loras)
        if lora == NONE:
            return host.output(cls, LoraStack(loras=before), notes=[f"{one}." for one in before] or ["No LoRA."])
        own = Lora(path=host.model_path(lora, FOLDER), strength=strength, noise=NETWORKS[network])
        stack = LoraStack(loras=(*before, own))
        return host.output(cls, stack, notes=[f"{one}." for one in stack.loras])


def loras_input(target: str) -> sockets.Loras.Input:
    """The optional input of a node that uses LoRAs."""
    return sockets.Loras.Input("loras", optional=True, tooltip=f"LoRAs {target}, from VACE Load LoRA.")


def files_of(loras: LoraStack | None) -> tuple[Lora, ...]:
    """The files of a stack; none where none came."""
    return () if loras is None else loras.loras
