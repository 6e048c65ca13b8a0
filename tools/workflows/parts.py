"""What all workflows have in common: the note, the models, the way from a VCU to a video."""

from __future__ import annotations

from typing import Any

from .graph_json import Graph, Link, Node

FIT = {"fit": "starter"}
SIZE = {"width": 64, "height": 64, "length": 17, "fps": 8.0}
SAMPLING = {"seed": 1, "steps": 20, "cfg": 2.0, "shift": 3.0, "sampler": "unipc"}
REAL_SAMPLING = {"seed": 1, "steps": 30, "cfg": 5.0, "shift": 16.0, "sampler": "unipc"}

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
FILES = {"model": SMALL["name"], "vae": VAE["name"], "text_encoder": TEXT["name"]}

REAL = """\
**For a real model**

1. Put these files into ComfyUI's folders:
{files}
2. Select *{real}*, which is muted, press Ctrl+M to unmute it, and connect its `model` to VACE Sample Video and \
VACE Decode Video in place of the starter's.
3. {sizes}
4. In VACE Sample Video set 30 steps, cfg 5, shift 16.
"""
VCU = (
    "A VACE task node builds a VCU (Video Condition Unit): frames and masks that tell the model what to keep and what "
    "to generate."
)
REAL_TITLE = "Real model (wake: Ctrl+M)"
FITTED = "Set `fit` to 480p, or to 720p for the 14B model. The clip may have any size and length."
SIZED = "Set the size and length: 832 x 480 and 81 frames at 16 fps."


def links(*files: dict[str, str]) -> str:
    return "\n".join(f"   - [{one['name']}]({one['url']}) → `models/{one['directory']}`" for one in files)


def note(title: str, does: str, own: str, *, sizes: str = FITTED) -> str:
    """The note of a workflow that runs at once.

    Args:
        does: What comes out.
        own: What replaces the example.
        sizes: Where the size is set.
    """
    files = links(SMALL, TEXT, VAE)
    files += f"\n   - or the large model, [{LARGE['name']}]({LARGE['url']}) → `models/{LARGE['directory']}`"
    real = REAL.format(files=files, real=REAL_TITLE, sizes=sizes)
    return (
        f"## {title}\n\n{does}\n\n{VCU}\n\nPress **Run**: it works right away, on an example clip and the small "
        f"starter model. Nothing has to be downloaded.\n\n**For your own images and videos**\n\n{own}\n\n{real}"
    )


def example(graph: Graph, scene: str, place: str = "input", *, length: int = 17, title: str = "") -> Node:
    return graph.add("VaceExampleClip", place, scene=scene, length=length, title=title)


def make(
    graph: Graph,
    vcu: Link,
    *,
    ends: dict[str, Link] | None = None,
    adapter: Link | None = None,
    loras: Link | None = None,
    options: Link | None = None,
    finish: bool = True,
    seed: int = 1,
) -> Node:
    """Preview, models, sampler, decoder and the saved video; the decoder."""
    seen = graph.add("VacePreviewVCU", "look", vcu=vcu)
    starter = graph.add("VaceLoadStarter", "model")
    real_model(graph, adapter, loras)
    chosen: dict[str, Any] = {**SAMPLING, "seed": seed, **({} if options is None else {"options": options})}
    sampled = graph.add("VaceSampleVideo", "sample", model=starter["model"], vcu=seen["vcu"], **chosen)
    decoded = graph.add(
        "VaceDecodeVideo",
        "decode",
        samples=sampled["samples"],
        vcu=seen["vcu"],
        vae=starter["model"],
        **(ends or {}),
    )
    if finish:
        save(graph, decoded)
    return decoded


def real_model(graph: Graph, adapter: Link | None = None, loras: Link | None = None) -> Node:
    linked: dict[str, Any] = {"adapter": adapter, "loras": loras}
    joined = {name: link for name, link in linked.items() if link is not None}
    files = dict(FILES) if adapter is None else {**FILES, "model": BASE["name"]}
    needed = [SMALL if adapter is None else BASE, TEXT, VAE]
    return graph.add("VaceLoadModel", "model", title=REAL_TITLE, muted=True, models=needed, **files, **joined)


def save(graph: Graph, decoded: Node, fps: Link | None = None) -> Node:
    video = graph.add("CreateVideo", "decode", images=decoded["images"], fps=decoded["fps"] if fps is None else fps)
    name = graph.title.lower().removeprefix("vace ").replace(" ", "_")
    return graph.add("SaveVideo", "save", video=video["VIDEO"], filename_prefix=f"video/vace_{name}")


def batch_item(graph: Graph, images: Link, index: int, place: str = "more") -> Link:
    return graph.add("ImageFromBatch", place, image=images, batch_index=index, length=1)["IMAGE"]
