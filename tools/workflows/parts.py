"""What all workflows have in common: the note, the models, the way from a VCU to a video."""

from __future__ import annotations

from typing import Any

from .graph_json import Graph, Link, Node

AUTO = "auto"
ANY_LENGTH = f"{AUTO}, any length"
SAMPLING = {"seed": 1, "steps": 0, "cfg": -1.0, "shift": 0.0, "sampler": AUTO}
"""All as the model was published."""

CHOICE = "VaceChooseModel"
STARTER, REAL = "starter", "wan-1.3b-480p"

_FILES = "https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files"
_KIJAI = "https://huggingface.co/Kijai/WanVideo_comfy/resolve/main"


def _file(directory: str, name: str, at: str = "") -> dict[str, str]:
    return {"name": name, "url": at or f"{_FILES}/{directory}/{name}", "directory": directory}


SMALL = _file("diffusion_models", "wan2.1_vace_1.3B_fp16.safetensors")
LARGE = _file("diffusion_models", "wan2.1_vace_14B_fp16.safetensors")
BASE = _file("diffusion_models", "wan2.1_t2v_1.3B_fp16.safetensors")
TEXT = _file("text_encoders", "umt5_xxl_fp8_e4m3fn_scaled.safetensors")
VAE = _file("vae", "wan_2.1_vae.safetensors")
LORA = _file(
    "loras",
    "Wan21_CausVid_14B_T2V_lora_rank32.safetensors",
    f"{_KIJAI}/Wan21_CausVid_14B_T2V_lora_rank32.safetensors",
)
SMALL_LORA = _file(
    "loras",
    "Wan21_CausVid_bidirect2_T2V_1_3B_lora_rank32.safetensors",
    f"{_KIJAI}/Wan21_CausVid_bidirect2_T2V_1_3B_lora_rank32.safetensors",
)
LTX = _file(
    "checkpoints",
    "ltx-video-2b-v0.9.safetensors",
    "https://huggingface.co/ali-vilab/VACE-LTX-Video-0.9/resolve/main/ltx-video-2b-v0.9.safetensors",
)
T5 = _file(
    "text_encoders",
    "t5xxl_fp16.safetensors",
    "https://huggingface.co/comfyanonymous/flux_text_encoders/resolve/main/t5xxl_fp16.safetensors",
)
ADAPTER = _file(
    "diffusion_models",
    "Wan2_1-VACE_module_1_3B_bf16.safetensors",
    f"{_KIJAI}/Wan2_1-VACE_module_1_3B_bf16.safetensors",
)
REAL_FILES = (("small", "1.3B", SMALL), ("large", "14B", LARGE), ("text", "umT5", TEXT), ("vae", "VAE", VAE))
FILES = {"vae": VAE["name"], "text_encoder": TEXT["name"]}

VCU = "The task builds a VCU (Video Condition Unit): what to keep of each frame, and what to generate."
RUN = "**Press Run**: an example clip and the small starter model are here; nothing is downloaded."
MODEL = (
    "**A real model**: choose its profile in *VACE Model*. All that says 0, -1 or auto follows, and it names the files "
    "that are missing. For Wan: {large} → `models/diffusion_models`, {text} → `models/text_encoders`, {vae} → "
    "`models/vae`."
)


def links(*files: dict[str, str]) -> str:
    return "\n".join(f"- [{one['name']}]({one['url']}) → `models/{one['directory']}`" for one in files)


def note(title: str, does: str, own: str) -> str:
    """The note of a workflow that runs at once.

    Args:
        does: What comes out.
        own: What replaces the example.
    """
    found = {name: f"[{said}]({file['url']})" for name, said, file in REAL_FILES}
    large = f"{found['small']} or {found['large']}"
    model = MODEL.format(large=large, text=found["text"], vae=found["vae"])
    return f"## {title}\n\n{does}\n\n{VCU}\n\n{RUN}\n\n**Your own**: {own}\n\n{model}\n"


def model_of(graph: Graph, profile: str = STARTER, **linked: Link) -> Node:
    """The one choice of model of a graph, which is added where it is first asked for."""
    there = next((node for node in graph.nodes if node.form.node_id == CHOICE), None)
    return there or graph.add(CHOICE, "model", profile=profile, **linked)


def fit(graph: Graph, how: str = AUTO, profile: str = STARTER) -> dict[str, Any]:
    """A task's clip is fitted as the graph's model takes it."""
    return {"fit": how, "model": model_of(graph, profile)["model"]}


def size(graph: Graph) -> dict[str, Any]:
    """A task's result has the size, length and rate of the graph's model."""
    return {"width": 0, "height": 0, "length": 0, "fps": 0.0, "model": model_of(graph)["model"]}


def example(graph: Graph, scene: str, place: str = "input", *, length: int = 17, title: str = "") -> Node:
    return graph.add("VaceExampleClip", place, scene=scene, length=length, title=title)


def boxed(graph: Graph, clip: Node, *, grow: int) -> Node:
    """A box around the object of an example clip. A mask that somebody connects keeps its own outline."""
    return graph.add("VaceComposeMasks", "more", paths=clip["paths"], images=clip["images"], grow=grow)


def green_square(graph: Graph) -> Node:
    """The example that many workflows inpaint: a box around the circle, in which a green square is asked for."""
    clip = example(graph, "circle that moves right")
    mask = boxed(graph, clip, grow=3)
    return graph.add(
        "VaceInpaintVideo",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        fps=clip["fps"],
        **fit(graph),
        prompt="a green square moves right on a gradient beige background",
    )


def make(
    graph: Graph,
    vcu: Link,
    *,
    ends: dict[str, Link] | None = None,
    guided: dict[str, Any] | None = None,
    finish: bool = True,
    seed: int = 1,
    look: bool = True,
    sound: Link | None = None,
) -> Node:
    """Preview, sampler, decoder and the saved video; the decoder. `guided` goes to the sampler."""
    model = model_of(graph)["model"]
    if look:
        seen = graph.add("VacePreviewVCU", "look", vcu=vcu, model=model)
        vcu, model = seen["vcu"], seen["model"]
    chosen: dict[str, Any] = {**SAMPLING, "seed": seed, **(guided or {})}
    sampled = graph.add("VaceSampleVideo", "sample", model=model, vcu=vcu, **chosen)
    decoded = graph.add(
        "VaceDecodeVideo", "decode", samples=sampled["samples"], vcu=vcu, vae=sampled["model"], **(ends or {})
    )
    if finish:
        save(graph, decoded, sound)
    return decoded


def save(graph: Graph, decoded: Node, sound: Link | None = None) -> Node:
    heard = {} if sound is None else {"audio": sound}
    video = graph.add("CreateVideo", "decode", images=decoded["images"], fps=decoded["fps"], **heard)
    name = graph.title.lower().removeprefix("vace ").replace(" ", "_")
    return graph.add("SaveVideo", "save", video=video["VIDEO"], filename_prefix=f"video/vace_{name}")


def batch_item(graph: Graph, images: Link, index: int, place: str = "more") -> Link:
    return graph.add("ImageFromBatch", place, image=images, batch_index=index, length=1)["IMAGE"]
