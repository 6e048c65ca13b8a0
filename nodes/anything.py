"""The composed tasks: move, swap, expand, animate and reference anything."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..vace_core.errors import InputError, ShapeError
from ..vace_core.inputs.control_checks import check_control, fix_control
from ..vace_core.inputs.fitting import growth
from ..vace_core.inputs.layout import said_of_paths
from ..vace_core.inputs.references import crop_subject
from ..vace_core.tasks import anything
from .build import references_note
from .comfy import host, sockets
from .comfy.boxes import box_paths, linked_boxes
from .comfy.bridge import images_of, masks_of, pictures_of, unseen_mask
from .comfy.fitted import ANY_GRID, fit_clip, fit_picture, grid_of, notes_of, padded, require_mask
from .comfy.node import Task
from .control import NO_BOXES, no_boxes, paths_given

MOST = 3  # pictures with masks of their own in one node; more come from VACE Stack References


class VaceMoveAnything(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceMoveAnything",
            "VACE Move Anything",
            "Animates an image: the objects in your boxes move along with them. Draw the boxes over the image in "
            "the node (it is shown there after the first run), or link a path from another pack's editor.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("image", tooltip="The image: the first frame of the video."),
                *box_paths(),
                sockets.length_input(),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                sockets.for_model(),
                *linked_boxes(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["motion brush", "trajectory", "drag", "animate picture", "spline", "motion path", "i2v"],
        )

    @classmethod
    def execute(
        cls,
        image: Any,
        paths: str,
        box_size: float,
        length: int,
        fps: float,
        fit: str,
        prompt: str,
        negative_prompt: str,
        boxes: Any | None = None,
        tracks: Any | None = None,
    ) -> io.NodeOutput:
        still = fit_picture(image, fit, fps)
        grid_of(fit).check(length, *still.size)
        seen = images_of(still.frames)
        if no_boxes(paths) and boxes is None and tracks is None:
            return host.waiting(cls, NO_BOXES, notes=notes_of(still), picture=seen)
        plan = still.plan
        picture = plan.source_width, plan.source_height
        moving = paths_given(paths, boxes, tracks, length, plan.seen, box_size, picture)
        vcu = anything.move_anything(
            still.frames, moving, num_frames=length, prompt=prompt, negative_prompt=negative_prompt, fps=fps
        )
        notes = (*notes_of(still), *said_of_paths(moving, length))
        return host.output(cls, vcu, notes=notes, images=seen, shown_as=host.BEHIND_BOXES)


class VaceSwapAnything(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceSwapAnything",
            "VACE Swap Anything",
            "Replaces what the mask covers with the person or thing in your reference images; the rest of the "
            "video stays exactly as it is.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("images", tooltip="The input video."),
                io.Mask.Input(
                    "mask", tooltip="White = replace, black = keep. A single frame applies to the whole video."
                ),
                sockets.references(),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                sockets.for_model(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["replace", "face swap", "character swap", "virtual try-on", "head swap"],
        )

    @classmethod
    def execute(
        cls, images: Any, mask: Any, references: Any, fps: float, fit: str, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        clip = fit_clip(images, fit, fps)
        masks, notes = require_mask(mask, clip)
        pictures = pictures_of(references)
        vcu = anything.swap_anything(
            clip.frames, masks, pictures, prompt=prompt, negative_prompt=negative_prompt, fps=clip.plan.fps
        )
        return host.output(cls, padded(vcu, clip), notes=(*notes_of(clip), *notes, *references_note(pictures)))


class VaceExpandAnything(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceExpandAnything",
            "VACE Expand Anything",
            "Outpaints and animates an image: it is the first frame, inside a new border. Reference images can "
            "show who else appears.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("image", tooltip="The image: the first frame, inside the new border."),
                sockets.border("left", 0.25),
                sockets.border("right", 0.25),
                sockets.border("top", 0.0),
                sockets.border("bottom", 0.0),
                sockets.length_input(),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                sockets.references(optional=True),
                sockets.for_model(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["outpaint", "image to video", "zoom out"],
        )

    @classmethod
    def execute(
        cls,
        image: Any,
        left: float,
        right: float,
        top: float,
        bottom: float,
        length: int,
        fps: float,
        fit: str,
        prompt: str,
        negative_prompt: str,
        references: Any | None = None,
    ) -> io.NodeOutput:
        still = fit_picture(image, fit, fps, growth=growth(left, right, top, bottom))
        grid_of(fit).check(length, *still.size)
        pictures = () if references is None else pictures_of(references)
        vcu = anything.expand_anything(
            still.frames,
            pictures,
            num_frames=length,
            left=float(left),
            right=float(right),
            top=float(top),
            bottom=float(bottom),
            step=grid_of(fit).step,
            prompt=prompt,
            negative_prompt=negative_prompt,
            fps=fps,
        )
        said = references_note(pictures) if pictures else ()
        return host.output(cls, vcu, notes=(*notes_of(still), f"The canvas is {vcu.width} x {vcu.height}.", *said))


class VaceAnimateAnything(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceAnimateAnything",
            "VACE Animate Anything",
            "Animates the character in your reference images with a pose video. The poses (skeletons) come from "
            "a pose node, such as DWPose Estimator.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("pose", tooltip="The pose video: skeletons drawn on black."),
                sockets.references(),
                io.Boolean.Input(
                    "mend",
                    default=False,
                    tooltip="Fixes (sanitises) the pose video: lifts the pure black behind the skeletons a "
                    "little, and reports it.",
                ),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                sockets.for_model(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["dance", "motion transfer", "character animation", "openpose", "dwpose"],
        )

    @classmethod
    def execute(
        cls, pose: Any, references: Any, mend: bool, fps: float, fit: str, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        clip, notes = fit_clip(pose, fit, fps, name="pose"), list[str]()
        frames = clip.frames
        if mend:
            frames, notes = fix_control(frames, "pose")
        pictures = pictures_of(references)
        vcu = anything.animate_anything(
            frames, pictures, prompt=prompt, negative_prompt=negative_prompt, fps=clip.plan.fps
        )
        found = check_control(frames, "pose")
        said = (*notes_of(clip), *notes, *found, *references_note(pictures))
        return host.output(cls, padded(vcu, clip), notes=said)


class VaceReferenceAnything(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        more = [
            socket
            for n in range(2, MOST + 1)
            for socket in (
                io.Image.Input(
                    f"image_{n}", optional=True, tooltip=f"Reference image {n} of someone or something that appears."
                ),
                io.Mask.Input(f"mask_{n}", optional=True, tooltip=f"White on the subject of image {n}."),
            )
        ]
        return sockets.schema(
            "VaceReferenceAnything",
            "VACE Reference Anything",
            "Generates a video with the subjects of up to three images, each cut out of its image with a mask. "
            "For more, use VACE Stack References and VACE Reference to Video.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("image_1", tooltip="A reference image of someone or something that appears."),
                io.Mask.Input(
                    "mask_1",
                    optional=True,
                    tooltip="White on the subject. Without a mask the whole image is the reference.",
                ),
                *more,
                *sockets.sizes(),
                sockets.fps(),
                *sockets.prompts(),
                sockets.for_model(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["subject", "multi reference", "r2v", "ref2v", "s2v"],
        )

    @classmethod
    def execute(
        cls,
        image_1: Any,
        width: int,
        height: int,
        length: int,
        fps: float,
        prompt: str,
        negative_prompt: str,
        mask_1: Any | None = None,
        image_2: Any | None = None,
        mask_2: Any | None = None,
        image_3: Any | None = None,
        mask_3: Any | None = None,
    ) -> io.NodeOutput:
        ANY_GRID.check(length, height, width)
        given = ((image_1, mask_1), (image_2, mask_2), (image_3, mask_3))
        subjects = [
            subject for n, (image, mask) in enumerate(given, start=1) for subject in subjects_of(image, mask, f"_{n}")
        ]
        vcu = anything.reference_anything(
            subjects,
            masks=[None] * len(subjects),
            num_frames=length,
            height=height,
            width=width,
            prompt=prompt,
            negative_prompt=negative_prompt,
            fps=fps,
        )
        unseen = (note for n, (_, mask) in enumerate(given, start=1) for note in unseen_mask(mask, f"mask_{n}"))
        return host.output(cls, vcu, notes=(*references_note(tuple(subjects)), *unseen))


def subjects_of(image: Any | None, mask: Any | None, ending: str = "") -> tuple[Tensor, ...]:
    """The subjects of an image or of each of a batch, cut out where there is a mask; none where no image came.

    Raises:
        InputError: a mask without an image, or one that is empty.
        ShapeError: a mask of another size or number than its images.
    """
    masks = masks_of(mask, f"mask{ending}")
    if image is None:
        if masks is not None:
            raise InputError(
                "subject-mask-without-image",
                "mask{ending} was given without image{ending}. The image that it belongs to is needed. Connect "
                "it, or leave the mask out.",
                ending=ending,
            )
        return ()
    pictures = pictures_of(image, f"image{ending}")
    if masks is None:
        return pictures
    hard = (masks > 0.5).float()[:, None, None, None]
    if len(hard) not in (1, len(pictures)) or hard.shape[4:] != pictures[0].shape[3:]:
        raise ShapeError(
            "subject-mask-size",
            "mask{ending} has {masks} frames of {mask_width} x {mask_height} pixels, image{ending} "
            "{pictures} of {width} x {height}. A mask needs the size of its image, and one frame or as many. "
            "Connect the mask of this image.",
            ending=ending,
            masks=len(hard),
            mask_width=hard.shape[5],
            mask_height=hard.shape[4],
            pictures=len(pictures),
            width=pictures[0].shape[4],
            height=pictures[0].shape[3],
        )
    return tuple(crop_subject(picture, hard[n if len(hard) > 1 else 0]) for n, picture in enumerate(pictures))
