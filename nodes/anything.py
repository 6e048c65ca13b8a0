"""The composed tasks: move, swap, expand, animate and reference anything."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..vace_core.errors import InputError, ShapeError
from ..vace_core.inputs.control_checks import inspect_control, sanitise
from ..vace_core.inputs.references import crop_subject
from ..vace_core.tasks import anything
from .build import said_of_references
from .comfy import host, sockets
from .comfy.bridge import images_of, masks_of, pictures_of
from .comfy.fitted import LOOSEST, fit_clip, fit_picture, grid_of, growth_of, needed_mask
from .comfy.node import Node
from .control import NO_BOXES, no_boxes, paths_of, said_of_boxes

MOST = 3  # pictures with masks of their own in one node; more come from VACE Stack References


class VaceMoveAnything(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceMoveAnything",
            "VACE Move Anything",
            "A picture comes to life: the things in your boxes move along with them. Draw the boxes over the picture "
            "in the node (it is shown there after the first run), or link the path of another pack's editor.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("image", tooltip="The picture: the first frame."),
                *sockets.box_paths(),
                sockets.length_input(),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
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
    ) -> io.NodeOutput:
        still = fit_picture(image, fit, fps)
        grid_of(fit).check(length, *still.size)
        seen = images_of(still.frames)
        if no_boxes(paths):
            return host.waiting(cls, NO_BOXES, notes=still.notes, picture=seen)
        boxes = paths_of(paths, (still.plan.source_width, still.plan.source_height), box_size)
        vcu = anything.move_anything(
            still.frames, boxes, num_frames=length, prompt=prompt, negative_prompt=negative_prompt, fps=fps
        )
        notes = (*still.notes, said_of_boxes(boxes))
        return host.output(cls, vcu, notes=notes, images=seen, shown_as=host.BEHIND_BOXES)


class VaceSwapAnything(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceSwapAnything",
            "VACE Swap Anything",
            "Puts the person or thing of your pictures in the place of what the mask covers; the rest of the video "
            "stays exactly as it is.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("images", tooltip="The video."),
                io.Mask.Input("mask", tooltip="White = what is swapped. One frame counts for the whole video."),
                sockets.references(),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["replace", "face swap", "character swap", "virtual try-on", "head swap"],
        )

    @classmethod
    def execute(
        cls, images: Any, mask: Any, references: Any, fps: float, fit: str, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        clip = fit_clip(images, fit, fps)
        masks, notes = needed_mask(mask, clip)
        pictures = pictures_of(references)
        vcu = anything.swap_anything(
            clip.frames, masks, pictures, prompt=prompt, negative_prompt=negative_prompt, fps=clip.plan.fps
        )
        return host.output(cls, vcu, notes=(*clip.notes, *notes, *said_of_references(pictures)))


class VaceExpandAnything(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceExpandAnything",
            "VACE Expand Anything",
            "A picture becomes a wider scene that lives: it is the first frame, inside a new border. References may "
            "say who else appears.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("image", tooltip="The picture: the first frame, inside its new border."),
                sockets.border("left", 0.25),
                sockets.border("right", 0.25),
                sockets.border("top", 0.0),
                sockets.border("bottom", 0.0),
                sockets.length_input(),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                sockets.references(optional=True),
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
        still = fit_picture(image, fit, fps, growth=growth_of(left, right, top, bottom))
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
        said = said_of_references(pictures) if pictures else ()
        return host.output(cls, vcu, notes=(*still.notes, f"The canvas is {vcu.width} x {vcu.height}.", *said))


class VaceAnimateAnything(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceAnimateAnything",
            "VACE Animate Anything",
            "The character of your pictures moves as a skeleton does. The skeletons come from a pose node, such as "
            "DWPose Estimator.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("pose", tooltip="The skeletons, drawn on black, as a video."),
                sockets.references(),
                io.Boolean.Input(
                    "mend",
                    default=False,
                    tooltip="Sanitises the skeletons: lifts pure black behind them a little, and says so.",
                ),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
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
            frames, notes = sanitise(frames, "pose")
        pictures = pictures_of(references)
        vcu = anything.animate_anything(
            frames, pictures, prompt=prompt, negative_prompt=negative_prompt, fps=clip.plan.fps
        )
        found = inspect_control(frames, "pose")
        return host.output(cls, vcu, notes=(*clip.notes, *notes, *found, *said_of_references(pictures)))


class VaceReferenceAnything(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        more = [
            socket
            for n in range(2, MOST + 1)
            for socket in (
                io.Image.Input(
                    f"image_{n}", optional=True, tooltip=f"Picture {n} of someone or something that appears."
                ),
                io.Mask.Input(f"mask_{n}", optional=True, tooltip=f"White on the subject of picture {n}."),
            )
        ]
        return sockets.schema(
            "VaceReferenceAnything",
            "VACE Reference Anything",
            "A video in which the subjects of up to three pictures appear, each cut out of its picture with a mask. "
            "For more, use VACE Stack References and VACE Reference to Video.",
            category="VACE/Anything",
            inputs=[
                io.Image.Input("image_1", tooltip="A picture of someone or something that appears."),
                io.Mask.Input(
                    "mask_1",
                    optional=True,
                    tooltip="White on the subject. Without it the whole picture is the reference.",
                ),
                *more,
                *sockets.sizes(),
                sockets.fps(),
                *sockets.prompts(),
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
        LOOSEST.check(length, height, width)
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
        return host.output(cls, vcu, notes=said_of_references(tuple(subjects)))


def subjects_of(image: Any | None, mask: Any | None, ending: str = "") -> tuple[Tensor, ...]:
    """The subjects of a picture or of each of a batch, cut out where there is a mask; none where no picture came.

    Raises:
        InputError: a mask without a picture, or one that is empty.
        ShapeError: a mask of another size or number than its pictures.
    """
    masks = masks_of(mask, f"mask{ending}")
    if image is None:
        if masks is not None:
            raise InputError(
                f"mask{ending} came without image{ending}. The picture it belongs to is needed. Connect it, or leave "
                "the mask out."
            )
        return ()
    pictures = pictures_of(image, f"image{ending}")
    if masks is None:
        return pictures
    hard = (masks > 0.5).float()[:, None, None, None]
    if len(hard) not in (1, len(pictures)) or hard.shape[4:] != pictures[0].shape[3:]:
        raise ShapeError(
            f"mask{ending} has {len(hard)} frames of {hard.shape[5]} x {hard.shape[4]} pixels, image{ending} "
            f"{len(pictures)} of {pictures[0].shape[4]} x {pictures[0].shape[3]}. A mask needs the size of its "
            "picture, and one frame or as many. Connect the mask of this very picture."
        )
    return tuple(crop_subject(picture, hard[n if len(hard) > 1 else 0]) for n, picture in enumerate(pictures))
