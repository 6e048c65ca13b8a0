"""The forms of ComfyUI's own nodes that the workflows use, as its version 0.3.64 has them.

`test_forms_of_others.py` compares them with a real ComfyUI.
"""

from __future__ import annotations

from typing import Any

from .forms import NEEDED, Form, Input


def core(node_id: str, title: str, inputs: dict[str, Any], outputs: dict[str, str], *, room: int = 0) -> Form:
    """A form from short words: a type for a socket, (type, default) for a widget; "?" in front = optional."""
    return form(node_id, title, inputs, outputs, room=room)


def form(node_id: str, title: str, inputs: dict[str, Any], outputs: dict[str, str], **said: Any) -> Form:
    return Form(
        node_id=node_id,
        title=title,
        inputs=tuple(_input(name, spec) for name, spec in inputs.items()),
        outputs=tuple(outputs.items()),
        **said,
    )


def _input(name: str, spec: Any) -> Input:
    kind, default, *rest = (spec, NEEDED) if isinstance(spec, str) else spec
    optional, kind = kind.startswith("?"), kind.removeprefix("?")
    return Input(
        name=name,
        kind=kind,
        default=default,
        socket=isinstance(spec, str),
        optional=optional,
        tall="tall" in rest,
        seeds="seeds" in rest,
    )


_ALL = (
    core("LoadVideo", "Load Video", {"file": ("COMBO", "")}, {"VIDEO": "VIDEO"}, room=240),
    core(
        "GetVideoComponents",
        "Get Video Components",
        {"video": "VIDEO"},
        {"images": "IMAGE", "audio": "AUDIO", "fps": "FLOAT"},
        room=40,  # newer versions have two outputs more
    ),
    core("LoadImage", "Load Image", {"image": ("COMBO", "example.png")}, {"IMAGE": "IMAGE", "MASK": "MASK"}, room=240),
    core(
        "ImageFromBatch",
        "Image From Batch",
        {"image": "IMAGE", "batch_index": ("INT", 0), "length": ("INT", 1)},
        {"IMAGE": "IMAGE"},
    ),
    form(
        "ImageBatch",
        "Batch Images",
        {"image1": "IMAGE", "image2": "IMAGE"},
        {"IMAGE": "IMAGE"},
        says=24,  # newer versions write below it that it is deprecated; 0.3.64 has no other
    ),
    core(
        "ImageSharpen",
        "Image Sharpen",
        {"image": "IMAGE", "sharpen_radius": ("INT", 1), "sigma": ("FLOAT", 1.0), "alpha": ("FLOAT", 1.0)},
        {"IMAGE": "IMAGE"},
    ),
    core(
        "CreateVideo",
        "Create Video",
        {"images": "IMAGE", "fps": ("FLOAT", 30.0), "audio": "?AUDIO"},
        {"VIDEO": "VIDEO"},
        room=24,  # newer versions have a widget more
    ),
    core(
        "SaveVideo",
        "Save Video",
        {
            "video": "VIDEO",
            "filename_prefix": ("STRING", "video/ComfyUI"),
            "format": ("COMBO", "auto"),
            "codec": ("COMBO", "auto"),
        },
        {},
        room=250,
    ),
    core(
        "UNETLoader",
        "Load Diffusion Model",
        {"unet_name": ("COMBO", NEEDED), "weight_dtype": ("COMBO", "default")},
        {"MODEL": "MODEL"},
    ),
    core(
        "LoraLoaderModelOnly",
        "LoraLoaderModelOnly",
        {"model": "MODEL", "lora_name": ("COMBO", NEEDED), "strength_model": ("FLOAT", 1.0)},
        {"MODEL": "MODEL"},
    ),
    core(
        "CLIPLoader",
        "Load CLIP",
        {"clip_name": ("COMBO", NEEDED), "type": ("COMBO", "wan"), "device": ("?COMBO", "default")},
        {"CLIP": "CLIP"},
    ),
    core("VAELoader", "Load VAE", {"vae_name": ("COMBO", NEEDED)}, {"VAE": "VAE"}),
    core(
        "CheckpointLoaderSimple",
        "Load Checkpoint",
        {"ckpt_name": ("COMBO", NEEDED)},
        {"MODEL": "MODEL", "CLIP": "CLIP", "VAE": "VAE"},
    ),
    core(
        "CLIPTextEncode",
        "CLIP Text Encode (Prompt)",
        {"text": ("STRING", "", "tall"), "clip": "CLIP"},
        {"CONDITIONING": "CONDITIONING"},
    ),
    core(
        "ModelSamplingSD3",
        "ModelSamplingSD3",
        {"model": "MODEL", "shift": ("FLOAT", 3.0)},
        {"MODEL": "MODEL"},
    ),
    core(
        "KSampler",
        "KSampler",
        {
            "model": "MODEL",
            "seed": ("INT", 0, "seeds"),
            "steps": ("INT", 20),
            "cfg": ("FLOAT", 8.0),
            "sampler_name": ("COMBO", "euler"),
            "scheduler": ("COMBO", "simple"),
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "latent_image": "LATENT",
            "denoise": ("FLOAT", 1.0),
        },
        {"LATENT": "LATENT"},
    ),
)
CORE: dict[str, Form] = {one.node_id: one for one in _ALL}
