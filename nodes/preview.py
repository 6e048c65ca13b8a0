"""The node that shows a VCU before anything is computed."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io
from PIL.Image import Image

from ..vace_core.errors import ShapeError
from ..vace_core.loading.profiles import Profile
from ..vace_core.models import FAMILIES
from ..vace_core.preview.sheet import contact_sheet
from ..vace_core.preview.warnings import warnings
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, sockets
from .comfy.chosen import ChosenModel
from .comfy.node import Node
from .comfy.settings import longer, profile_of, unlike
from .comfy.sockets import LibraryModel, NativeModel

NOTHING = "Nothing looks wrong."
BASES = {family.name: family for family in FAMILIES}


class VacePreviewVCU(Node):
    loads = False

    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VacePreviewVCU",
            "VACE Preview VCU",
            "Shows a VCU (Video Condition Unit) before any model is loaded: what will be kept, what will be "
            "generated, the control video, the mask and the reference images. Warns of what looks wrong.",
            inputs=[
                sockets.Vcu.Input("vcu", tooltip="From any VACE task."),
                io.Int.Input("columns", default=8, min=2, max=24, tooltip="How many frames are shown at most."),
                io.Combo.Input(
                    "base",
                    options=list(BASES),
                    default=next(iter(BASES)),
                    optional=True,
                    tooltip="The model family the VCU is for: it decides which size and length fit and which "
                    "mask frames are read.",
                ),
                sockets.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The model that the VCU is for, in place of base: what does not belong together is said. "
                    "It is not loaded for that.",
                ),
            ],
            outputs=[
                sockets.vcu_output(),
                io.Image.Output(display_name="sheet", tooltip="The contact sheet that the node shows."),
                io.String.Output(display_name="warnings", tooltip="The warnings, one sentence a line."),
                sockets.passed_model(),
            ],
            aliases=["contact sheet", "check mask", "debug", "preview control video"],
            output_node=True,
        )

    @classmethod
    def execute(
        cls,
        vcu: VideoConditionUnit,
        columns: int,
        base: str = next(iter(BASES)),
        model: LibraryModel | NativeModel | ChosenModel | None = None,
    ) -> io.NodeOutput:
        sheet, found = preview(vcu, columns, base, None if model is None else profile_of(model))
        image = torch.from_numpy(np.array(sheet)).float().div_(255)[None]
        return host.output(cls, vcu, image, "\n".join(found), model, notes=found or [NOTHING], images=image)


def preview(
    vcu: VideoConditionUnit,
    columns: int,
    base: str,
    profile: Profile | None = None,
) -> tuple[Image, list[str]]:
    """The contact sheet of a VCU, and what is to be known of it, for a model family by name or a model's profile."""
    family, seen, caution, unfit = BASES[base], None, None, list[str]()
    if profile is not None:
        family, base = profile.family, profile.title
        # Whether it goes by windows is decided later, by the sampler.
        caution = unlike(profile, vcu, num_frames=min(vcu.num_frames, profile.length))
        unfit = [said for said in (caution, longer(profile, vcu)) if said is not None]
    try:
        family.grid.check(vcu.num_frames, vcu.height, vcu.width)
        seen = family.mask_frames(vcu.num_frames)
    except ShapeError as error:
        unfit += [f"Not for {base}: {error}"]
    sheet = contact_sheet(vcu, mask_frames=seen, columns=columns, caution=caution)
    return sheet, [*unfit, *warnings(vcu, mask_frames=seen)]
