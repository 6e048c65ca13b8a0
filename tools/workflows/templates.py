"""The workflows of the single tasks, one function each."""

from __future__ import annotations

import json

from .graph_json import Graph
from .parts import batch_item, example, fit, green_square, make, note, size

REPLACED = "Replace VACE Example Clip with *Load Video* and *Get Video Components*"
VIDEO = f"{REPLACED} (its `audio` goes to Create Video)"
CLIP = (
    f"{VIDEO}: connect `images` and `fps`. A mask comes from *Load Image* (paint it with Open in Mask Editor), "
    "from SAM, or from any node with a MASK output: connect it to `mask` of VACE Compose Masks. White is generated, "
    "black is kept, and the outline stays as you drew it. VACE's own masks are outlines, hulls and boxes, as "
    "drawn or grown: to remove something, set `shape` to *bbox_expand*, which tells less of what was there."
)
PICTURE = (
    "Replace VACE Example Clip with *Load Image*. Cut the subject out, or connect a mask, so that the model does not "
    "take the background for a part of it."
)


def boxes(*paths: tuple[str, tuple[float, float], tuple[float, float], float]) -> str:
    """What the editor writes: label, centre at the start and at the end, side, in parts of the frame."""
    found = []
    for order, (label, *ends, side) in enumerate(paths):
        keys = [{"time": float(n), "x": x, "y": y, "width": side, "height": side} for n, (x, y) in enumerate(ends)]
        found.append({"label": label, "order": order, "keys": keys})
    return json.dumps({"version": 1, "paths": found})


def text() -> Graph:
    does = "Generates a video from a prompt alone."
    own = (
        "Write a prompt. The starter knows only the words of its own world, which `vace words` lists; real models know "
        "all."
    )
    graph = Graph("VACE Text to Video", note("Text to video", does, own))
    prompt = "a red circle moves right on a gradient beige background"
    task = graph.add("VaceTextToVideo", "task", **size(graph), prompt=prompt)
    make(graph, task["vcu"])
    return graph


def reference() -> Graph:
    does = "Generates a video with the person or object of your reference image."
    graph = Graph("VACE Reference to Video", note("Reference to video", does, PICTURE))
    clip = example(graph, "face that moves right")
    task = graph.add(
        "VaceReferenceToVideo",
        "task",
        references=clip["objects"],
        **size(graph),
        prompt="a thing moves right on a plain gray background",
    )
    make(graph, task["vcu"], seed=3)
    return graph


def several_references() -> Graph:
    does = "Generates a video with the people or objects of several reference images. They are stacked in order."
    graph = Graph("VACE Several References", note("Several references", does, PICTURE))
    clip = example(graph, "star and triangle that pass", "load")
    pictures = [batch_item(graph, clip["objects"], n, "input") for n in range(2)]
    first = graph.add("VaceStackReferences", "more", image=pictures[0])
    second = graph.add("VaceStackReferences", "more", image=pictures[1], references=first["references"])
    task = graph.add(
        "VaceReferenceToVideo",
        "task",
        references=second["references"],
        **size(graph),
        prompt="a thing moves right and a thing moves left on a plain mint background",
    )
    make(graph, task["vcu"], seed=12)
    return graph


def inpaint() -> Graph:
    does = "Generates what the mask covers, as the prompt says. Everything else stays exactly as it is."
    graph = Graph("VACE Inpaint", note("Inpaint a video", does, CLIP))
    task = green_square(graph)
    make(graph, task["vcu"])
    return graph


def outpaint() -> Graph:
    does = "Makes the frame larger and generates the new border. The inside stays exactly as it is."
    own = f"{VIDEO}, and say what to add at each side."
    graph = Graph("VACE Outpaint", note("Outpaint a video", does, own))
    clip = example(graph, "circle that moves right")
    task = graph.add(
        "VaceOutpaintVideo",
        "task",
        images=clip["images"],
        fps=clip["fps"],
        left=0.25,
        right=0.25,
        top=0.25,
        bottom=0.25,
        **fit(graph),
        prompt="a red circle moves right on a gradient beige background",
    )
    make(graph, task["vcu"])
    return graph


def extend() -> Graph:
    does = (
        "Generates what comes after a clip. The model sees its last frames; `before` passes the others on, so that "
        "the result is the whole video."
    )
    own = f"{VIDEO}, or *Load Image* for a first frame."
    graph = Graph("VACE Extend", note("Extend a video", does, own))
    clip = example(graph, "ring, first part")
    task = graph.add(
        "VaceExtendVideo",
        "task",
        first=clip["images"],
        fps=clip["fps"],
        length=0,
        keep=9,
        **fit(graph),
        prompt="a purple ring moves right on a hilly mint background",
    )
    make(graph, task["vcu"], ends={"before": task["before"], "after": task["after"]}, seed=5)
    return graph


def first_and_last() -> Graph:
    does = "Generates the video between a first and a last frame."
    own = "Replace VACE Example Clip and Image From Batch with two *Load Image* nodes. Either may be left out."
    graph = Graph("VACE First and Last Frame", note("First and last frame", does, own))
    clip = example(graph, "circle that moves right")
    first, last = (batch_item(graph, clip["images"], n) for n in (0, 16))
    task = graph.add(
        "VaceExtendVideo",
        "task",
        first=first,
        last=last,
        fps=clip["fps"],
        length=0,
        **fit(graph),
        prompt="a red circle moves right on a gradient beige background",
    )
    make(graph, task["vcu"])
    return graph


def keyframes() -> Graph:
    does = "Shows your images at the frames you name and generates the frames in between."
    own = (
        "Replace Image From Batch with *Load Image* nodes, one for each image, and name their frames in `positions`: "
        "0 is the first, -1 the last."
    )
    graph = Graph("VACE Keyframes", note("Keyframes", does, own))
    clip = example(graph, "star and triangle that pass", "load")
    first, middle, last = (batch_item(graph, clip["images"], n, "input") for n in (0, 8, 16))
    two = graph.add("ImageBatch", "more", title="First two", image1=first, image2=middle)
    three = graph.add("ImageBatch", "more", title="All three", image1=two["IMAGE"], image2=last)
    task = graph.add(
        "VacePlaceKeyframes",
        "task",
        images=three["IMAGE"],
        fps=clip["fps"],
        positions="0, 8, -1",
        length=0,
        **fit(graph),
        prompt="a yellow star moves right and a blue triangle moves left on a plain slate background",
    )
    make(graph, task["vcu"])
    return graph


def join() -> Graph:
    does = "Generates the transition between two clips, so that they become one video."
    own = REPLACED.replace("VACE", "each VACE") + ". Both keep all their frames."
    graph = Graph("VACE Join Two Clips", note("Join two clips", does, own))
    first = example(graph, "ring, first part", title="First clip")
    last = example(graph, "ring, second part", title="Second clip")
    task = graph.add(
        "VaceJoinVideos",
        "task",
        first=first["images"],
        last=last["images"],
        fps=first["fps"],
        length=0,
        keep=5,
        **fit(graph),
        prompt="a purple ring moves right on a hilly mint background",
    )
    make(graph, task["vcu"], ends={"before": task["before"], "after": task["after"]})
    return graph


def _control(title: str, does: str, scene: str, source: str, kind: str, prompt: str, own: str) -> Graph:
    graph = Graph(f"VACE {title}", note(title, does, own))
    clip = example(graph, scene)
    task = graph.add(
        "VaceControlVideo", "task", images=clip[source], fps=clip["fps"], kind=kind, **fit(graph), prompt=prompt
    )
    make(graph, task["vcu"])
    return graph


COMPUTED = VIDEO + ". The control video ({}) is computed from it."
GIVEN = VIDEO + ", and add a node between them and VACE Control Video that makes the control video, such as {}."


def gray() -> Graph:
    return _control(
        "Colorize",
        "Colorizes a black and white video; the prompt names the colours.",
        "circle that moves right",
        "images",
        "gray",
        "a green circle moves right on a gradient mint background",
        COMPUTED.format("grayscale"),
    )


def depth() -> Graph:
    return _control(
        "Depth",
        "Generates a video with the depth of another: where objects are and how they move, not how they look.",
        "circle that moves right",
        "depth",
        "depth",
        "a blue circle moves right on a checkered mint background",
        GIVEN.format("Depth Anything"),
    )


def pose() -> Graph:
    return _control(
        "Pose",
        "Generates a video that follows the poses of another: openpose skeletons.",
        "figure that walks",
        "pose",
        "pose",
        "a person in a blue shirt and red trousers walks right on a plain beige background",
        GIVEN.format("DWPose Estimator"),
    )


def scribble() -> Graph:
    return _control(
        "Scribble",
        "Generates a video with the outlines of another.",
        "circle that moves right",
        "images",
        "scribble",
        "a cyan circle moves right on a gradient mint background",
        COMPUTED.format("outlines"),
    )


def stylize() -> Graph:
    does = (
        "Restyles a video: the same outlines and motion, with the colours and textures of the prompt. Connect an image "
        "in the style to `style`, or leave it to the words."
    )
    graph = Graph("VACE Stylize", note("Stylize a video", does, f"{VIDEO}, and name the style in the prompt."))
    clip = example(graph, "circle that moves right")
    task = graph.add(
        "VaceStylizeVideo",
        "task",
        images=clip["images"],
        fps=clip["fps"],
        **fit(graph),
        prompt="a red circle moves right on a gradient beige background, in night style",
    )
    make(graph, task["vcu"])
    return graph


def flow() -> Graph:
    return _control(
        "Flow",
        "Generates a video with the optical flow of another: every point moves as it does there.",
        "circle that moves right",
        "images",
        "flow",
        "a yellow circle moves right on a gradient slate background",
        COMPUTED.format("optical flow"),
    )


def layout() -> Graph:
    does = "Generates objects that stay inside moving boxes. Draw the boxes in the node."
    own = "Draw your own boxes in VACE Layout to Video: drag to draw one, move along the time line, drag it elsewhere."
    graph = Graph("VACE Layout", note("Layout", does, own))
    task = graph.add(
        "VaceLayoutToVideo",
        "task",
        paths=boxes(("star", (0.29, 0.5), (0.71, 0.5), 0.54)),
        **size(graph),
        prompt="a yellow star moves right on a plain gray background",
    )
    make(graph, task["vcu"])
    return graph
