"""Nodes that combine what others made: masks, reference images, whole VCUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..vace_core.errors import InputError, ShapeError
from ..vace_core.inputs import masks as shapes
from ..vace_core.inputs.layout import path_mask
from ..vace_core.inputs.references import letterbox
from ..vace_core.vcu import VideoConditionUnit, compose
from .anything import subjects_of
from .comfy import host, sockets
from .comfy.boxes import box_masks, boxes_of, paths_of_tracks
from .comfy.bridge import frames_of, images_of, masks_of, unseen_mask
from .comfy.node import Node
from .comfy.sockets import ReferenceStack
from .control import no_boxes, paths_typed

OPERATIONS = {"union": shapes.union, "intersection": shapes.intersection, "difference": shapes.difference}
POINT_BOX = 0.25  # of the frame: the box around a point that has none
SHOWN = 480, 832  # pixels: a reference as it is shown


class VaceComposeMasks(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceComposeMasks",
            "VACE Compose Masks",
            "Combines masks, boxes and paths into one mask: merged, reshaped, grown, held over time, inverted, "
            "in this order. The result is binary (only black and white), as the model expects.",
            category="VACE/Combine",
            inputs=[
                io.Mask.Input("mask", optional=True, tooltip="White = generate, black = keep."),
                io.Mask.Input("mask_2", optional=True, tooltip="Combined with the first mask as operation says."),
                io.MultiType.Input(
                    "boxes",
                    types=[io.BBOX, sockets.BoundingBox],
                    optional=True,
                    tooltip="Bounding boxes in pixels, for all frames or one list per frame; they are added to "
                    "the first mask.",
                ),
                io.String.Input(
                    "paths",
                    optional=True,
                    force_input=True,
                    tooltip="Moving boxes, from the path editor of another node; they are added to the first mask.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The video the mask is for. Only boxes and paths use it, for the size.",
                ),
                io.Combo.Input(
                    "operation",
                    options=list(OPERATIONS),
                    default="union",
                    tooltip="How the two masks are combined; difference is the first minus the second.",
                ),
                io.Combo.Input(
                    "shape",
                    options=list(shapes.AUGMENT_MODES),
                    default="original",
                    tooltip=(
                        "A looser shape tells the model less about what was there: hull (convex hull) and bbox "
                        "(bounding box), each also expanded. To remove something, use bbox_expand or hull_expand."
                    ),
                ),
                io.Int.Input(
                    "grow",
                    default=0,
                    min=-512,
                    max=512,
                    tooltip="Pixels to grow the mask by; a negative number shrinks it.",
                ),
                io.Int.Input(
                    "hold",
                    default=0,
                    min=-1,
                    max=512,
                    tooltip="Hold the mask for this many frames before and after, so that it moves less; -1 = "
                    "the whole video.",
                ),
                io.Boolean.Input(
                    "invert",
                    default=False,
                    tooltip="Invert the mask at the end: black becomes white and white becomes black.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFF,
                    # Frontends would change what is called seed after every run, and everything would run again.
                    control_after_generate=False,
                    tooltip="Used only with the shape random.",
                ),
                sockets.Tracks.Input(
                    "tracks",
                    optional=True,
                    tooltip="Tracks of points in pixels; boxes of a quarter of the frame around them are added to the "
                    "first mask.",
                ),
            ],
            outputs=[io.Mask.Output(display_name="mask", tooltip="The binary mask: only black and white.")],
            aliases=["grow mask", "combine masks", "box to mask", "path to mask", "invert mask"],
        )

    @classmethod
    def execute(
        cls,
        operation: str,
        shape: str,
        grow: int,
        hold: int,
        invert: bool,
        seed: int,
        mask: Any | None = None,
        mask_2: Any | None = None,
        boxes: Any | None = None,
        paths: str | None = None,
        images: Any | None = None,
        tracks: Any | None = None,
    ) -> io.NodeOutput:
        found = _first(mask, boxes, paths, tracks, images)
        second = _hard(masks_of(mask_2, "mask_2"))
        if second is not None:
            found = OPERATIONS[operation](*_alike(found, second))
        found = shapes.augment(found, shape, seed=seed)
        found = shapes.grow(found, grow) if grow > 0 else shapes.shrink(found, -grow) if grow else found
        found = shapes.steady(found, None if hold < 0 else hold) if hold else found
        found = shapes.invert(found) if invert else found
        said = (
            f"{found.shape[2]} frames of {found.shape[4]} x {found.shape[3]}, {float(found.mean()):.1%} is generated."
        )
        unseen = (*unseen_mask(mask), *unseen_mask(mask_2, "mask_2"))
        return host.output(cls, found[0, 0].contiguous(), notes=[said, *unseen])


class VaceStackReferences(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceStackReferences",
            "VACE Stack References",
            "Adds a reference image, its subject cut out if a mask is connected. Chain several of these nodes "
            "for several images: the order is kept. Shows each as the model will see it in a wide video.",
            category="VACE/Combine",
            inputs=[
                io.Image.Input("image", tooltip="An image, or a batch of images: each becomes a reference image."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White on the subject: everything else becomes white, and is cropped away.",
                ),
                sockets.References.Input(
                    "references",
                    optional=True,
                    tooltip="The reference images before this one, from another VACE Stack References.",
                ),
            ],
            outputs=[
                sockets.References.Output(display_name="references", tooltip="All reference images, in order."),
            ],
            aliases=["multi reference", "batch references", "cut out subject"],
        )

    @classmethod
    def execute(cls, image: Any, mask: Any | None = None, references: ReferenceStack | None = None) -> io.NodeOutput:
        before = () if references is None else references.pictures
        stack = ReferenceStack(pictures=(*before, *subjects_of(image, mask)))
        seen = torch.cat([images_of(letterbox(picture, *SHOWN)) for picture in stack.pictures])
        return host.output(cls, stack, notes=[f"{len(stack.pictures)} references.", *unseen_mask(mask)], images=seen)


class VaceComposeVCUs(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceComposeVCUs",
            "VACE Compose VCUs",
            "Combines several VCUs (Video Condition Units) into one. What one of them inpaints is generated even "
            "if another keeps it; kept pixels win over a control video. Where two keep a pixel the first VCU "
            "gives it, where two have a control video the last one is followed. Reference images and prompts are "
            "appended in order.",
            category="VACE/Combine",
            inputs=[
                sockets.Vcu.Input("vcu_1", tooltip="The first VCU."),
                sockets.Vcu.Input("vcu_2", tooltip="The second VCU, of the same size, length and fps."),
                sockets.Vcu.Input("vcu_3", optional=True, tooltip="One more VCU."),
                sockets.Vcu.Input("vcu_4", optional=True, tooltip="One more VCU."),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["combine tasks", "merge", "multi control", "multi controlnet"],
        )

    @classmethod
    def execute(
        cls,
        vcu_1: VideoConditionUnit,
        vcu_2: VideoConditionUnit,
        vcu_3: VideoConditionUnit | None = None,
        vcu_4: VideoConditionUnit | None = None,
    ) -> io.NodeOutput:
        return host.output(cls, compose(*(one for one in (vcu_1, vcu_2, vcu_3, vcu_4) if one is not None)))


def _first(mask: Any | None, boxes: Any | None, paths: str | None, tracks: Any | None, images: Any | None) -> Tensor:
    """The first mask `(1, 1, T, H, W)` with what boxes, paths and tracks add to it.

    Raises:
        InputError: none of them came, or boxes without anything that has their size.
    """
    parts = [_hard(masks_of(mask))]
    size = None if parts[0] is None else tuple(parts[0].shape[2:])
    if images is not None:
        size = tuple(frames_of(images, "images").shape[2:])
    if any(one is not None for one in (boxes, paths, tracks)):
        if size is None:
            raise InputError(
                "boxes-without-size",
                "Boxes were given without an image size. A mask or the video they were drawn on is needed too. "
                "Connect images.",
            )
        length, height, width = size
        if boxes is not None:
            parts.append(box_masks(boxes_of(boxes, length), height, width))
        if paths is not None and not no_boxes(paths):  # as VACE Desk hands them on where nothing has a box
            moving = paths_typed(paths, (0, 0, width, height), POINT_BOX)
            parts.append(path_mask(moving, num_frames=length, height=height, width=width))
        if tracks is not None:
            moving = paths_of_tracks(tracks, (0, 0, width, height), POINT_BOX)
            parts.append(path_mask(moving, num_frames=length, height=height, width=width))
    there = [part for part in parts if part is not None]
    if not there:
        raise InputError(
            "no-mask",
            "No mask was given, or only the black one that Load Image gives for an image without "
            "transparency. A mask, boxes or paths are needed. Connect one of them.",
        )
    return shapes.union(*_alike(*there))


def _hard(masks: Tensor | None) -> Tensor | None:
    return None if masks is None else (masks > 0.5).float()[None, None]


def _alike(*masks: Tensor) -> Sequence[Tensor]:
    """Masks of one length: one frame counts for all.

    Raises:
        ShapeError: other lengths, or other sizes.
    """
    length = max(one.shape[2] for one in masks)
    for one in masks:
        if one.shape[2] not in (1, length) or one.shape[3:] != masks[0].shape[3:]:
            first, other = (f"{m.shape[2]} frames of {m.shape[4]} x {m.shape[3]}" for m in (masks[0], one))
            raise ShapeError(
                "masks-differ",
                "One mask has {first}, another {other}. They need the same size, and the same length or one frame. "
                "Make them from the same video.",
                first=first,
                other=other,
            )
    return [one.expand(-1, -1, length, -1, -1) for one in masks]
