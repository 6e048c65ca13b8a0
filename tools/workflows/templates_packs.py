"""The workflows that chain with other packs, and with what a ComfyUI of 2026 has itself."""

from __future__ import annotations

import json

from .graph_json import Graph, Link, Node
from .parts import REAL, SMALL, TEXT, VAE, VCU, fit, links, make

SAM3 = {
    "name": "sam3.1_multiplex_fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/sam3.1/resolve/main/checkpoints/sam3.1_multiplex_fp16.safetensors",
    "directory": "checkpoints",
}
DEPTH3 = {
    "name": "depth_anything_3_mono_large.safetensors",
    "url": "https://huggingface.co/Comfy-Org/Depth-Anything-3/resolve/main/geometry_estimation/"
    "depth_anything_3_mono_large.safetensors",
    "directory": "geometry_estimation",
}
SDPOSE = {
    "name": "sdpose_wholebody_fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/SDPose/resolve/main/checkpoints/sdpose_wholebody_fp16.safetensors",
    "directory": "checkpoints",
}
POINT = [{"x": 416, "y": 240}]
CORNER = [{"x": 0, "y": 0}]
SEEN = ", a reference image in *Who is seen*"
COMES = ", a reference image in *Who comes in*"
UNSEEN = "To see the mask before a long run, add *VACE Preview VCU* behind the task and press its run arrow."
BOXES = ", draw boxes in *VACE Desk*"


def _note(title: str, does: str, needs: str, *files: dict[str, str], more: str = "", last: str = "") -> str:
    """The note of a template. `more` is what is chosen beside the video, `last` is said behind all."""
    return (
        f"## {title}\n\n{does}\n\n{VCU}\n\n**It needs** {needs}, and these files in ComfyUI's folders:\n\n"
        f"{links(*files, SMALL, TEXT, VAE)}\n\nChoose your video (of any size and length) in the first node{more}, "
        f"write a prompt, press **Run**.{last and ' '}{last}\n"
    )


def depth_aux() -> Graph:
    does = "Generates a video with the depth of another: where objects are and how they move, not how they look."
    said = _note("Depth, with controlnet_aux", does, "the packs comfyui_controlnet_aux and VideoHelperSuite")
    graph = Graph("VACE Depth (controlnet_aux)", said)
    clip = graph.add("VHS_LoadVideo", "load", force_rate=16, format="Wan")
    drawn = graph.add("DepthAnythingV2Preprocessor", "more", image=clip["IMAGE"])
    task = _followed(graph, drawn["IMAGE"], "depth", "a marble statue in an old museum, soft daylight")
    _combine(graph, make(graph, task["vcu"], finish=False), clip["audio"])
    return graph


def pose_aux() -> Graph:
    does = "Animates the character of your reference image with the poses of a video."
    said = _note("Animate, with DWPose", does, "the packs comfyui_controlnet_aux and VideoHelperSuite", more=SEEN)
    graph = Graph("VACE Animate (DWPose)", said)
    clip = graph.add("VHS_LoadVideo", "load", title="Who moves", force_rate=16, format="Wan")
    picture = graph.add("LoadImage", "load", title="Who is seen")
    drawn = graph.add("DWPreprocessor", "more", image=clip["IMAGE"])
    task = _animated(graph, drawn["IMAGE"], picture)
    _combine(graph, make(graph, task["vcu"], finish=False), clip["audio"])
    return graph


def swap_sam2() -> Graph:
    does = "Point at a person or object: SAM 2 tracks it, and that of your reference image replaces it."
    needs = "the packs ComfyUI-segment-anything-2, KJNodes and VideoHelperSuite"
    graph = Graph(
        "VACE Swap (SAM 2)",
        _note("Swap, with SAM 2", does, needs, more=f", a point in *Points Editor*{COMES}", last=UNSEEN),
    )
    size = {"custom_width": 832, "custom_height": 480}
    clip = graph.add("VHS_LoadVideo", "load", force_rate=16, format="Wan", **size)
    points = graph.add(
        "PointsEditor",
        "more",
        points_store=json.dumps({"positive": POINT, "negative": CORNER}),
        coordinates=json.dumps(POINT),
        neg_coordinates=json.dumps(CORNER),
        width=832,
        height=480,
        bg_image=clip["IMAGE"],
    )
    model = graph.add("DownloadAndLoadSAM2Model", "more")
    state = graph.add(
        "Sam2VideoSegmentationAddPoints",
        "find",
        sam2_model=model["sam2_model"],
        coordinates_positive=points["positive_coords"],
        coordinates_negative=points["negative_coords"],
        image=clip["IMAGE"],
    )
    mask = graph.add(
        "Sam2VideoSegmentation", "find", sam2_model=state["sam2_model"], inference_state=state["inference_state"]
    )
    loose = _loosened(graph, mask["mask"])
    picture = graph.add("LoadImage", "load", title="Who comes in")
    task = _swapped(graph, clip["IMAGE"], loose, picture, 16.0)
    _combine(graph, make(graph, task["vcu"], finish=False, look=False), clip["audio"])
    return graph


def depth_3() -> Graph:
    does = "Generates a video with the depth of another, without any other pack: ComfyUI's own Depth Anything 3."
    graph = Graph("VACE Depth (Depth Anything 3)", _note("Depth, with Depth Anything 3", does, NEEDS_NEWER, DEPTH3))
    parts = _video(graph)
    model = graph.add("LoadDA3Model", "load", model_name=DEPTH3["name"], models=[DEPTH3])
    found = graph.add("DA3Inference", "more", da3_model=model["DA3_MODEL"], image=parts["images"])
    drawn = graph.add("DA3Render", "more", da3_geometry=found["da3_geometry"])
    task = _followed(
        graph, drawn["IMAGE"], "depth", "a marble statue in an old museum, soft daylight", fps=parts["fps"]
    )
    make(graph, task["vcu"], sound=parts["audio"])
    return graph


def pose_sdpose() -> Graph:
    does = "Animates the character of your reference image with the poses of a video, without any other pack."
    graph = Graph("VACE Animate (SDPose)", _note("Animate, with SDPose", does, NEEDS_NEWER, SDPOSE, more=SEEN))
    parts = _video(graph)
    model = graph.add("CheckpointLoaderSimple", "load", ckpt_name=SDPOSE["name"], models=[SDPOSE])
    picture = graph.add("LoadImage", "load", title="Who is seen")
    found = graph.add("SDPoseKeypointExtractor", "more", model=model["MODEL"], vae=model["VAE"], image=parts["images"])
    drawn = graph.add("SDPoseDrawKeypoints", "more", keypoints=found["keypoints"])
    task = _animated(graph, drawn["IMAGE"], picture, fps=parts["fps"])
    make(graph, task["vcu"], sound=parts["audio"])
    return graph


def swap_sam3() -> Graph:
    does = "Name a person or object: SAM 3 finds and tracks it, and that of your reference image replaces it."
    more = f", a word in *What is swapped*{COMES}"
    graph = Graph("VACE Swap (SAM 3)", _note("Swap, with SAM 3", does, NEEDS_NEWER, SAM3, more=more, last=UNSEEN))
    parts = _video(graph)
    model = graph.add("CheckpointLoaderSimple", "load", ckpt_name=SAM3["name"], models=[SAM3])
    words = graph.add("CLIPTextEncode", "more", title="What is swapped", text="person", clip=model["CLIP"])
    track = graph.add(
        "SAM3_VideoTrack",
        "find",
        images=parts["images"],
        model=model["MODEL"],
        conditioning=words["CONDITIONING"],
        max_objects=1,
    )
    mask = graph.add("SAM3_TrackToMask", "find", track_data=track["track_data"])
    loose = _loosened(graph, mask["masks"])
    picture = graph.add("LoadImage", "mask", title="Who comes in")
    task = _swapped(graph, parts["images"], loose, picture, parts["fps"])
    make(graph, task["vcu"], look=False, sound=parts["audio"])
    return graph


def inpaint_boxes() -> Graph:
    does = "Draw boxes over the video in VACE Desk: what is inside is generated. A box may move with what it covers."
    graph = Graph("VACE Inpaint (Box Editor)", _note("Inpaint boxes", does, "no other pack", more=BOXES))
    parts = _video(graph)
    drawn = graph.add(
        "VaceDesk",
        "task",
        clip=parts.values["video"],
        **fit(graph, profile=REAL),
        prompt="a wooden bench in a park",
    )
    make(graph, drawn["vcu"], guided={"strengths": drawn["strengths"]}, sound=parts["audio"])
    return graph


NEEDS_NEWER = "a ComfyUI of 2026 (0.33) and no other pack"


def _video(graph: Graph) -> Node:
    clip = graph.add("LoadVideo", "load")
    return graph.add("GetVideoComponents", "input", video=clip["VIDEO"])


def _followed(graph: Graph, drawn: Link, kind: str, prompt: str, fps: Link | float = 16.0) -> Node:
    return graph.add(
        "VaceControlVideo", "task", images=drawn, kind=kind, fps=fps, **fit(graph, profile=REAL), prompt=prompt
    )


def _animated(graph: Graph, drawn: Link, picture: Node, fps: Link | float = 16.0) -> Node:
    return graph.add(
        "VaceAnimateAnything",
        "task",
        pose=drawn,
        references=picture["IMAGE"],
        mend=True,
        fps=fps,
        **fit(graph, profile=REAL),
        prompt="a knight in silver armour dances in a castle hall",
    )


def _loosened(graph: Graph, mask: Link) -> Link:
    """The box around what was found: its outline would tell who was there, and its edges would stay."""
    return graph.add("VaceComposeMasks", "mask", mask=mask, shape="bbox", grow=8)["mask"]


def _swapped(graph: Graph, images: Link, mask: Link, picture: Node, fps: Link | float) -> Node:
    return graph.add(
        "VaceSwapAnything",
        "task",
        images=images,
        mask=mask,
        references=picture["IMAGE"],
        fps=fps,
        **fit(graph, profile=REAL),
        prompt="an astronaut in a white suit",
    )


def _combine(graph: Graph, decoded: Node, sound: Link) -> None:
    graph.add(
        "VHS_VideoCombine",
        "save",
        images=decoded["images"],
        frame_rate=decoded["fps"],
        audio=sound,
        filename_prefix="vace",
        format="video/h264-mp4",
    )
