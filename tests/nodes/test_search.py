"""The words that artists type into the node search, and the nodes that they lead to."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from unittest import mock

import pytest

WORDS = {
    "t2v": {"VaceTextToVideo"},
    "r2v": {"VaceReferenceToVideo", "VaceReferenceAnything"},
    "ref2v": {"VaceReferenceToVideo", "VaceReferenceAnything"},
    "subject": {"VaceReferenceToVideo", "VaceReferenceAnything", "VaceStackReferences"},
    "character": {"VaceReferenceToVideo", "VaceAnimateAnything", "VaceSwapAnything"},
    "style": {"VaceStylizeVideo", "VaceControlVideo", "VaceReferenceToVideo"},
    "i2v": {"VaceExtendVideo", "VaceMoveAnything"},
    "image to video": {"VaceExtendVideo", "VaceExpandAnything"},
    "start image": {"VaceExtendVideo"},
    "end image": {"VaceExtendVideo"},
    "first frame": {"VaceExtendVideo", "VacePlaceKeyframes"},
    "end frame": {"VaceExtendVideo"},
    "last frame": {"VaceExtendVideo", "VacePlaceKeyframes"},
    "flf2v": {"VaceExtendVideo"},
    "extend video": {"VaceExtendVideo"},
    "long video": {"VaceExtendVideo", "VacePlanWindows", "VaceSampleLongVideo"},
    "long take": {"VacePlanWindows", "VaceSampleLongVideo"},
    "sliding window": {"VacePlanWindows", "VaceSampleLongVideo"},
    "context window": {"VacePlanWindows", "VaceSampleLongVideo"},
    "prompt travel": {"VacePlanWindows"},
    "redo": {"VaceSampleLongVideo"},
    "style transfer": {"VaceStylizeVideo", "VaceControlVideo"},
    "crop and stitch": {"VaceCropVideo", "VaceStitchVideo"},
    "loop": {"VaceJoinVideos", "VacePlanWindows", "VaceSampleLongVideo"},
    "transition": {"VaceJoinVideos"},
    "join clips": {"VaceJoinVideos"},
    "timeline": {"VaceDesk", "VacePlanWindows"},
    "keyframe": {"VacePlaceKeyframes"},
    "v2v": {"VaceControlVideo", "VaceStylizeVideo"},
    "controlnet": {"VaceControlVideo", "VaceAttachAdapter", "VaceComposeVCUs", "VaceAddCondition"},
    "multi control": {"VaceComposeVCUs", "VaceAddCondition"},
    "scribble": {"VaceControlVideo"},
    "sketch": {"VaceControlVideo"},
    "canny": {"VaceControlVideo"},
    "lineart": {"VaceControlVideo"},
    "depth": {"VaceControlVideo"},
    "pose": {"VaceControlVideo"},
    "openpose": {"VaceControlVideo", "VaceAnimateAnything"},
    "optical flow": {"VaceControlVideo"},
    "colorize": {"VaceControlVideo"},
    "inpainting": {"VaceInpaintVideo"},
    "inpaint": {"VaceInpaintVideo", "VaceCropVideo", "VaceStitchVideo"},
    "object removal": {"VaceInpaintVideo"},
    "background": {"VaceInpaintVideo"},
    "outpaint": {"VaceOutpaintVideo", "VaceExpandAnything"},
    "uncrop": {"VaceOutpaintVideo"},
    "face swap": {"VaceSwapAnything"},
    "try-on": {"VaceSwapAnything"},
    "motion brush": {"VaceMoveAnything"},
    "trajectory": {"VaceMoveAnything", "VaceLayoutToVideo"},
    "layout": {"VaceLayoutToVideo"},
    "box": {"VaceLayoutToVideo", "VaceComposeMasks"},
    "draw mask": {"VaceDesk"},
    "brush": {"VaceDesk", "VaceMoveAnything"},
    "lasso": {"VaceDesk"},
    "rotoscope": {"VaceDesk"},
    "spline editor": {"VaceDesk"},
    "track object": {"VaceDesk"},
    "remove object": {"VaceDesk", "VaceInpaintVideo"},
    "mask": {"VaceDesk", "VaceComposeMasks", "VaceBuildVCU", "VacePreviewVCU", "VaceCompositeVideo"},
    "motion transfer": {"VaceAnimateAnything"},
    "context": {"VaceApplyVCU", "VaceAttachAdapter", "VacePlanWindows", "VaceSampleLongVideo"},
    "vace strength": {"VaceSampleVideo", "VaceApplyVCU", "VaceAttachAdapter", "VaceStrength"},
    "strength curve": {"VaceStrength"},
    "start percent": {"VaceStrength"},
    "switch model": {"VaceChooseModel"},
    "wan vace": {
        "VaceChooseModel",
        "VaceLoadModel",
        "VaceUseNativeModel",
        "VaceAttachAdapter",
        "VaceBuildVCU",
        "VaceApplyVCU",
    },
    "ltx": {"VaceChooseModel", "VaceLoadModel"},
    "lora": {"VaceUseNativeModel", "VaceAttachAdapter", "VaceLoadLora"},
    "gguf": {"VaceUseNativeModel", "VaceAttachAdapter"},
    "sampler": {"VaceSampleVideo"},
    "starter": {"VaceChooseModel", "VaceLoadStarter"},
    "evaluate": {"VaceMeasureVideo"},
    "vbench": {"VaceMeasureVideo"},
    "quality": {"VaceMeasureVideo"},
    "metrics": {"VaceMeasureVideo"},
    "compare videos": {"VaceMeasureVideo"},
}


@pytest.fixture(scope="module")
def knows_aliases(pack):
    """ComfyUI has known them since 0.11."""
    return "search_aliases" in {field.name for field in fields(pack.nodes.comfy.sockets.io.Schema)}


@pytest.fixture(scope="module")
def forms(pack, knows_aliases):
    """Displayed name and aliases of each node, as a ComfyUI that knows aliases is told them."""
    io = pack.nodes.comfy.sockets.io

    @dataclass
    class Newer(io.Schema):
        search_aliases: list[str] = field(default_factory=list)

    with nullcontext() if knows_aliases else mock.patch.object(io, "Schema", Newer):
        made = {node_id: node.define_schema() for node_id, node in pack.by_id.items()}
    return {node_id: (one.display_name, *one.search_aliases) for node_id, one in made.items()}


def found(forms, typed):
    """The nodes that a frontend shows for what was typed.

    Frontends look into name, displayed name and aliases, not into category or description, and want all words in the
    same of these texts; old ones know no aliases. They also show what is merely similar, after the rest; that is left
    out here: with each word that was typed a word of the text must begin.
    """
    wanted = _words(typed)
    return {node_id for node_id, texts in forms.items() if any(_in(wanted, _words(text)) for text in texts)}


def _words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def _in(wanted, words):
    return all(any(word.startswith(one) for word in words) for one in wanted)


@pytest.mark.parametrize("typed", WORDS)
def test_what_is_typed_leads_to_the_node_that_does_it(forms, typed):
    assert found(forms, typed) == WORDS[typed]


def test_every_node_has_aliases_and_they_say_more_than_its_name(forms):
    for node_id, texts in forms.items():
        said = [" ".join(_words(text)) for text in texts]
        assert len(said) > 1, node_id
        assert len(set(said)) == len(said), node_id


def test_comfyui_is_told_them_where_it_knows_them(pack, forms, knows_aliases):
    """In what /object_info answers; an older ComfyUI is told nothing that it does not know."""
    for node_id, node in pack.by_id.items():
        told = node.GET_NODE_INFO_V1().get("search_aliases")
        assert told == (list(forms[node_id][1:]) if knows_aliases else None), node_id
