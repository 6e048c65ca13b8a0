"""Nodes that edit a part of the frame at a resolution of its own: crop around a mask, and stitch back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io

from ..vace_core.geometry import Box, Grid
from ..vace_core.inputs import put_back
from ..vace_core.inputs.blending import BlendMode
from ..vace_core.inputs.crops import crop_boxes, crop_masks
from ..vace_core.inputs.fitted import Target, fit_clip
from ..vace_core.inputs.fitted_masks import clip_mask
from ..vace_core.inputs.resizing import resize_masks
from ..vace_core.models import FAMILIES
from .comfy import host, sockets
from .comfy.bridge import frames_of, images_of
from .comfy.fitted import mask_given, source_of
from .comfy.node import Node
from .comfy.sockets import CropStitch

STEP = max(family.grid.step for family in FAMILIES)  # so that any model takes a crop as it is
ANY = Grid(frames=1, pixels=1, patch=1)


class VaceCropVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceCropVideo",
            "VACE Crop Video",
            "Crops a video to a box around its mask, with some surrounding, so that a task works on that part alone: "
            "at more detail, or at less cost. VACE Stitch Video puts the result back.",
            inputs=[
                io.Image.Input("images", tooltip="The input video."),
                io.Mask.Input(
                    "mask", tooltip="White = generate, black = keep. A single frame applies to the whole video."
                ),
                io.Float.Input(
                    "margin",
                    default=0.5,
                    min=0.0,
                    max=8.0,
                    step=0.05,
                    tooltip="Surrounding on each side of the mask, as a ratio of its own side. The model needs some to "
                    "match light and motion.",
                ),
                io.Boolean.Input(
                    "follow",
                    default=False,
                    tooltip="Moves the box with the mask, smoothly. Off: one box that holds the mask in all frames.",
                ),
                io.Int.Input(
                    "resolution",
                    default=0,
                    min=0,
                    max=8192,
                    step=32,
                    tooltip="Pixels of the longer side that the crop is scaled to. 0 = as it is in the video.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The crop, for a task."),
                io.Mask.Output(display_name="mask", tooltip="The mask inside of it."),
                sockets.Stitch.Output(display_name="stitch", tooltip="For VACE Stitch Video."),
            ],
            aliases=["inpaint crop", "crop and stitch", "zoom", "detailer", "region"],
        )

    @classmethod
    def execute(cls, images: Any, mask: Any, margin: float, follow: bool, resolution: int) -> io.NodeOutput:
        source = source_of(images, 16.0)
        masks, notes = clip_mask(mask_given(mask), source)
        frames = frames_of(images, "images")
        boxes = crop_boxes(masks > 0.5, margin=margin, step=STEP, follow=follow)
        each = boxes if len(boxes) > 1 else boxes * source.shape[0]
        cut = [frames[:, :, n : n + 1, box.top : box.bottom, box.left : box.right] for n, box in enumerate(each)]
        fitted = fit_clip(replace(source, frames=torch.cat(cut, dim=2)), _target(boxes[0], resolution))
        inside = resize_masks(crop_masks(masks, boxes), fitted.plan)[0, 0]
        back = CropStitch(source=frames, where=masks > 0.5, boxes=boxes)
        box, (height, width) = boxes[0], fitted.size
        said = f"A box of {box.width} x {box.height} of the video's {source.shape[2]} x {source.shape[1]} pixels"
        said += ", which follows the mask" if len(boxes) > 1 else f", from {box.left}, {box.top} on"
        scaled = f", scaled to {width} x {height}" if (height, width) != (box.height, box.width) else ""
        return host.output(cls, images_of(fitted.frames), inside, back, notes=(f"{said}{scaled}.", *notes))


class VaceStitchVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceStitchVideo",
            "VACE Stitch Video",
            "Puts the edited crop of VACE Crop Video back into its video: scaled, and inside the mask alone. Every "
            "other pixel is as it was.",
            inputs=[
                io.Image.Input("images", tooltip="The edited crop, from VACE Decode Video. It may have another size."),
                sockets.Stitch.Input("stitch", tooltip="From VACE Crop Video."),
                io.Int.Input(
                    "feather",
                    default=0,
                    min=0,
                    max=512,
                    tooltip="Width in pixels of the video of the soft edge inside the mask; 0 = a hard edge.",
                ),
                sockets.blend(),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="The frames of the whole video.")],
            aliases=["inpaint stitch", "crop and stitch", "paste back"],
        )

    @classmethod
    def execute(cls, images: Any, stitch: CropStitch, feather: int, blend: BlendMode = "feather") -> io.NodeOutput:
        made = frames_of(images, "images")
        whole = put_back.stitch(made, stitch.source, stitch.where, stitch.boxes, feather=feather, blend_mode=blend)
        return host.output(cls, images_of(whole))


def _target(box: Box, resolution: int) -> Target:
    """The size of the crop, that every model takes."""
    scale = resolution / max(box.height, box.width) if resolution else 1.0
    height, width = (max(round(side * scale / STEP), 1) * STEP for side in (box.height, box.width))
    return Target(takes=ANY, height=height, width=width, whole=True)
