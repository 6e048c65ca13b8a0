"""The networks that find, follow and describe, out of local folders through transformers; nothing is fetched.

Each is a plain function behind one of the interfaces `Detect`, `Track`, `Caption` and `Depth`; anything else that meets
the interface can stand in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ...errors import ModelError, WeightsError
from ...geometry import Box
from . import measures
from .boxes import Detect, Found
from .packages import package
from .tracking import Track

Caption: TypeAlias = Callable[[Tensor], str]
"""Frames `(T, H, W, 3)` uint8 → what they show, in words."""

Depth: TypeAlias = Callable[[Tensor], Tensor]
"""Frames `(T, H, W, 3)` uint8 → how near each pixel is, `(T, H, W)` float32, of any scale."""

FRAMES, WORDS = 6, 160  # of a clip that a describing network sees, and tokens that it may answer with
DESCRIBE = "Describe this video in one paragraph: what is seen, what it does, the place, the light and the camera."
NAME = "Name the main objects in this video, separated by full stops. Give nothing but their names."
_STATISTICS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as SAM 2 was trained


def load_detector(path: Path, device: torch.device, *, threshold: float = 0.25, text_threshold: float = 0.25) -> Detect:
    """Grounding DINO, or another detector of transformers that is asked in words and grounds its answer.

    Args:
        path: A folder as `save_pretrained` writes it.
        device: Where it runs.
        threshold: Least score of a box, 0..1.
        text_threshold: Least score of a word for it to be part of a label, 0..1.

    Raises:
        ModelError: transformers is not installed, or the folder holds something else.
    """
    model, processor = opened("AutoModelForZeroShotObjectDetection", path, device, "Objects are found")

    @torch.no_grad()
    def detect(picture: Tensor, labels: Sequence[str]) -> list[Found]:
        # The words as Grounding DINO was trained: lower case, each ended by a full stop.
        asked = " ".join(f"{label.strip().lower().rstrip('.')}." for label in labels)
        inputs = processor(images=as_image(picture), text=asked, return_tensors="pt").to(device)
        (result,) = processor.post_process_grounded_object_detection(
            model(**inputs), inputs["input_ids"], threshold=threshold, text_threshold=text_threshold,
            target_sizes=[tuple(picture.shape[:2])],
        )  # fmt: skip
        rows = zip(result["scores"].tolist(), result["boxes"].tolist(), result["text_labels"], strict=True)
        found = [Found(box=Box(*map(round, box)), label=label, score=score) for score, box, label in rows]
        return sorted(found, key=lambda one: -one.score)

    return detect


def load_segmenter(path: Path, device: torch.device) -> Track:
    """SAM 2 (video), which follows boxes from the first frame on.

    Args:
        path: A folder as `save_pretrained` writes it. Frames are scaled and normalised as its processor does.
        device: Where it runs.

    Raises:
        ModelError: transformers is not installed, or the folder holds something else.
    """
    model = opened_model("Sam2VideoModel", path, device, "Objects are followed")
    session_of = package("transformers", "Objects are followed").Sam2VideoInferenceSession
    side = int(model.config.vision_config.backbone_config.image_size[0])

    @torch.no_grad()
    def track(frames: Tensor, boxes: Sequence[Box]) -> Tensor:
        count, height, width = frames.shape[:3]
        masks = torch.zeros(len(boxes), count, height, width, dtype=torch.bool)
        if not boxes:
            return masks
        session = session_of(
            video=torch.cat([_for_sam(frame, side) for frame in frames]), video_height=height, video_width=width,
            inference_device=device, dtype=torch.float32,
        )  # fmt: skip
        scale = torch.tensor([side / width, side / height])
        for number, box in enumerate(boxes):
            corners = torch.tensor([[box.left, box.top], [box.right, box.bottom]]).float() * scale
            # To its prompt encoder a box is two points of the kinds 2 and 3.
            points = {"point_coords": corners[None, None], "point_labels": torch.tensor([[[2, 3]]], dtype=torch.int32)}
            session.add_point_inputs(session.obj_id_to_idx(number), 0, points)
        session.obj_with_new_inputs = list(range(len(boxes)))
        for found in model.propagate_in_video_iterator(session, start_frame_idx=0):
            large = functional.interpolate(found.pred_masks.float(), size=(height, width), mode="bilinear")
            masks[:, found.frame_idx] = (large[:, 0] > 0).cpu()
        return masks

    return track


def load_captioner(path: Path, device: torch.device, *, ask: str = DESCRIBE) -> Caption:
    """Any model of transformers that answers in words to pictures and a question.

    Args:
        path: A folder as `save_pretrained` writes it, with its processor and chat template.
        device: Where it runs.
        ask: What it is asked.

    Raises:
        ModelError: transformers is not installed, or the folder holds something else.
    """
    model, processor = opened("AutoModelForImageTextToText", path, device, "Clips are described")
    if not getattr(processor, "chat_template", None):
        raise unread(path, "Clips are described", "its processor has no chat template")

    @torch.no_grad()
    def caption(frames: Tensor) -> str:
        shown = [{"type": "image", "image": as_image(frames[place])} for place in measures.sampled(len(frames), FRAMES)]
        said = [{"role": "user", "content": [*shown, {"type": "text", "text": ask}]}]
        inputs = processor.apply_chat_template(
            said, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        ).to(device)
        answer = model.generate(**inputs, max_new_tokens=WORDS, do_sample=False)
        words = processor.batch_decode(answer[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0]
        return " ".join(words.split())

    return caption


def load_depth(path: Path, device: torch.device) -> Depth:
    """Depth Anything, DPT (MiDaS) or another network of transformers whose depth is larger where it is nearer.

    Raises:
        ModelError: transformers is not installed, or the folder holds something else.
    """
    model = opened_model("AutoModelForDepthEstimation", path, device, "Depth is measured")
    processor = opened_processor("AutoImageProcessor", path, "Depth is measured")

    @torch.no_grad()
    def depth(frames: Tensor) -> Tensor:
        found: list[Tensor] = []
        for frame in frames:
            inputs = processor(images=as_image(frame), return_tensors="pt").to(device)
            (one,) = processor.post_process_depth_estimation(model(**inputs), target_sizes=[tuple(frame.shape[:2])])
            found.append(one["predicted_depth"].float().cpu())
        return torch.stack(found)

    return depth


def depth_pictures(depth: Tensor) -> Tensor:
    """Depth `(T, H, W)` as the control: `(T, H, W, 3)` uint8, near = white, every frame from its farthest to its
    nearest, as the official annotators do."""
    low, high = depth.amin((1, 2), keepdim=True), depth.amax((1, 2), keepdim=True)
    bright = (depth - low) / (high - low).clamp(min=1e-6)
    return (bright * 255).round().to(torch.uint8)[..., None].expand(-1, -1, -1, 3).contiguous()


def _for_sam(frame: Tensor, side: int) -> Tensor:
    """`(1, 3, side, side)` of a frame `(H, W, 3)` uint8, scaled in bytes as its processor does."""
    picture = frame.permute(2, 0, 1)[None].contiguous()
    picture = functional.interpolate(picture, size=(side, side), mode="bilinear", antialias=True)
    mean, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in _STATISTICS)
    return (picture / 255 - mean) / spread


def as_image(frame: Tensor) -> Image.Image:
    return Image.fromarray(frame.numpy())


def opened(kind: str, path: Path, device: torch.device, what: str) -> tuple[Any, Any]:
    return opened_model(kind, path, device, what), opened_processor("AutoProcessor", path, what)


def opened_processor(kind: str, path: Path, what: str) -> Any:
    transformers = package("transformers", what)
    try:
        return getattr(transformers, kind).from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError) as error:
        raise unread(path, what, _first_line(error)) from error


def opened_model(kind: str, path: Path, device: torch.device, what: str) -> Any:
    """A model with all of its weights, out of safetensors files alone."""
    transformers = package("transformers", what)
    if not path.is_dir():
        raise unread(path, what, "there is no such folder")
    try:
        model, found = getattr(transformers, kind).from_pretrained(
            path, local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError) as error:
        raise unread(path, what, _first_line(error)) from error
    missing = sorted(found["missing_keys"]) + [str(key[0]) for key in found.get("mismatched_keys", ())]
    if missing:
        raise unread(path, what, f"{len(missing)} of its weights are missing, such as {missing[0]}")
    return model.eval().requires_grad_(False).to(device)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def unread(path: Path, what: str, why: str) -> ModelError:
    return WeightsError(
        "data-network",
        "The folder {path} cannot be used ({why}). {what} with it: a model in the format of transformers with all "
        "of its files is needed. Download it again, or name another folder.",
        path=path,
        why=why,
        what=what,
    )
