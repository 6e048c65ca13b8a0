"""The nodes, in the order in which a graph uses them."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import desk_routes, plan_routes
from .anything import (
    VaceAnimateAnything,
    VaceExpandAnything,
    VaceMoveAnything,
    VaceReferenceAnything,
    VaceSwapAnything,
)
from .apply import VaceApplyVCU
from .attach import VaceAttachAdapter, VaceEncodePrompt
from .build import VaceBuildVCU, VaceReferenceToVideo, VaceTextToVideo
from .choose import VaceChooseModel
from .combine import VaceComposeMasks, VaceComposeVCUs, VaceStackReferences
from .control import VaceControlVideo, VaceLayoutToVideo
from .crop import VaceCropVideo, VaceStitchVideo
from .desk import VaceDesk
from .edit import VaceExtendVideo, VaceInpaintVideo, VaceJoinVideos, VaceOutpaintVideo, VacePlaceKeyframes
from .example import VaceExampleClip
from .finish import VaceCompositeVideo, VaceDecodeVideo
from .load import VaceLoadAdapter, VaceLoadModel, VaceLoadStarter, VaceUseNativeModel
from .long import VaceSampleLongVideo
from .lora import VaceLoadLora
from .measure import VaceMeasureVideo
from .options import VaceSamplingOptions
from .plan import VacePlanWindows
from .preview import VacePreviewVCU
from .sample import VaceSampleVideo
from .strength import VaceAddCondition, VaceStrength
from .style import VaceStylizeVideo

NODES: tuple[type[io.ComfyNode], ...] = (
    VaceChooseModel,
    VaceLoadStarter,
    VaceLoadModel,
    VaceLoadAdapter,
    VaceLoadLora,
    VaceUseNativeModel,
    VaceExampleClip,
    VaceStackReferences,
    VaceComposeMasks,
    VaceTextToVideo,
    VaceReferenceToVideo,
    VaceDesk,
    VaceInpaintVideo,
    VaceOutpaintVideo,
    VaceExtendVideo,
    VaceJoinVideos,
    VacePlaceKeyframes,
    VaceControlVideo,
    VaceStylizeVideo,
    VaceLayoutToVideo,
    VaceMoveAnything,
    VaceSwapAnything,
    VaceExpandAnything,
    VaceAnimateAnything,
    VaceReferenceAnything,
    VaceBuildVCU,
    VaceComposeVCUs,
    VaceStrength,
    VaceAddCondition,
    VacePreviewVCU,
    VaceSamplingOptions,
    VaceSampleVideo,
    VacePlanWindows,
    VaceSampleLongVideo,
    VaceApplyVCU,
    VaceAttachAdapter,
    VaceEncodePrompt,
    VaceDecodeVideo,
    VaceCompositeVideo,
    VaceCropVideo,
    VaceStitchVideo,
    VaceMeasureVideo,
)


class VaceExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        desk_routes.offer()
        plan_routes.offer()
        return list(NODES)
