"""The workflows of the composed tasks, and of what puts tasks together."""

from __future__ import annotations

import json
from typing import Any

from .graph_json import Graph
from .parts import boxed, example, fit, green_square, make, model_of, note, size
from .templates import CLIP, VIDEO, boxes


def move() -> Graph:
    does = (
        "Animates an image: the objects in your boxes move along with them. Draw a box over an object, go to the end "
        "of the time line, and drag it to where the object ends up."
    )
    own = "Replace VACE Example Clip with *Load Image* and draw your boxes."
    graph = Graph("VACE Move Anything", note("Move anything", does, own))
    picture = example(graph, "circle that moves right", length=1, title="A picture")
    task = graph.add(
        "VaceMoveAnything",
        "task",
        image=picture["images"],
        paths=boxes(("circle", (0.3, 0.45), (0.68, 0.69), 0.56)),
        length=0,
        fps=0.0,
        **fit(graph),
        prompt="a red circle moves down on a gradient beige background",
    )
    make(graph, task["vcu"])
    return graph


def swap() -> Graph:
    does = (
        "Replaces what the mask covers with the person or object of your reference image. Everything else stays "
        "exactly as it is."
    )
    own = f"{CLIP} The reference image is another *Load Image*."
    graph = Graph("VACE Swap Anything", note("Swap anything", does, own))
    clip = example(graph, "circle that moves right", title="The clip")
    other = example(graph, "face that moves right", title="Who comes in")
    mask = boxed(graph, clip, grow=2)
    task = graph.add(
        "VaceSwapAnything",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        references=other["objects"],
        fps=clip["fps"],
        **fit(graph),
        prompt="a thing moves right on a gradient beige background",
    )
    make(graph, task["vcu"], seed=3)
    return graph


def expand() -> Graph:
    does = "Makes a wider, moving scene of an image: it is the first frame, inside a new border."
    own = "Replace VACE Example Clip with *Load Image*. The reference image shows who appears, and may be left out."
    graph = Graph("VACE Expand Anything", note("Expand anything", does, own))
    picture = example(graph, "circle that moves right", length=1, title="A picture")
    task = graph.add(
        "VaceExpandAnything",
        "task",
        image=picture["images"],
        references=picture["objects"],
        left=0.25,
        right=0.25,
        top=0.25,
        bottom=0.25,
        length=0,
        fps=0.0,
        **fit(graph),
        prompt="a red circle moves right on a gradient beige background",
    )
    make(graph, task["vcu"])
    return graph


def animate() -> Graph:
    does = "Animates the character of your reference image with the poses of a video."
    own = (
        "Add a pose node, such as *DWPose Estimator*, after *Load Video* and *Get Video Components* for the control "
        "video, and *Load Image* for the character."
    )
    graph = Graph("VACE Animate Anything", note("Animate anything", does, own))
    dance = example(graph, "figure that walks", title="Who moves")
    character = example(graph, "figure that waves", title="Who is seen")
    task = graph.add(
        "VaceAnimateAnything",
        "task",
        pose=dance["pose"],
        references=character["objects"],
        fps=dance["fps"],
        **fit(graph),
        prompt="a thing walks right on a plain gray background",
    )
    make(graph, task["vcu"])
    return graph


def reference_anything() -> Graph:
    does = "Generates a video with the subjects of several reference images, each cut out by its own mask."
    own = "Replace each VACE Example Clip with *Load Image* and paint its mask in the mask editor."
    graph = Graph("VACE Reference Anything", note("Reference anything", does, own))
    one = example(graph, "circle that moves right", length=1, title="First picture")
    two = example(graph, "star and triangle that pass", length=1, title="Second picture")
    task = graph.add(
        "VaceReferenceAnything",
        "task",
        image_1=one["images"],
        mask_1=one["mask"],
        image_2=two["images"],
        mask_2=two["mask"],
        **size(graph),
        prompt="a red circle moves right and a yellow star moves left on a plain mint background",
    )
    make(graph, task["vcu"])
    return graph


def composed() -> Graph:
    does = (
        "Three tasks combined: the mask says where to generate, the boxes where the object is in each frame, the "
        "reference image what it is. Any tasks of one size and length combine like this."
    )
    own = f"{VIDEO}, and give the two other tasks size, length and rate as VACE Inpaint Video says them."
    graph = Graph("VACE Several Tasks Composed", note("Several tasks, composed", does, own))
    clip = example(graph, "circle that moves right", title="The clip")
    other = example(graph, "ring, first part", title="Who comes in")
    as_the_clip = {"width": 96, "height": 96, "length": 17, "fps": clip["fps"], "model": model_of(graph)["model"]}
    mask = graph.add("VaceComposeMasks", "find", paths=clip["paths"], images=clip["images"], grow=2)
    where = graph.add(
        "VaceInpaintVideo",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        fps=clip["fps"],
        **fit(graph),
        prompt="a thing moves right on a gradient beige background",
    )
    who = graph.add("VaceReferenceToVideo", "task", references=other["objects"], **as_the_clip)
    way = graph.add("VaceLayoutToVideo", "draw", paths=clip["paths"], **as_the_clip)
    task = graph.add("VaceComposeVCUs", "compose", vcu_1=where["vcu"], vcu_2=way["vcu"], vcu_3=who["vcu"])
    make(graph, task["vcu"])
    return graph


def two_controls() -> Graph:
    does = (
        "Two controls at the same time, each with a strength of its own: depth maps for the whole schedule, and "
        "outlines in its first part alone, so that details are free. VACE Strength says where and when, and draws it."
    )
    own = (
        "Replace both controls: connect the depth maps and the video that you have to the two VACE Control Video "
        "nodes. Both need the same size and length."
    )
    graph = Graph("VACE Two Controls at Once", note("Two controls at once", does, own))
    clip = example(graph, "circle that moves right", title="The clip, and its depth")
    prompt = "a pink circle moves right on a gradient mint background"
    common: dict[str, Any] = {"fps": clip["fps"], **fit(graph)}
    depth = graph.add("VaceControlVideo", "task", images=clip["depth"], kind="depth", **common, prompt=prompt)
    lines = graph.add("VaceControlVideo", "task", images=clip["images"], kind="scribble", **common)
    early = graph.add("VaceStrength", "compose", over_steps="0:1 0.5:1 0.6:0")
    more = graph.add("VaceAddCondition", "compose", vcu=lines["vcu"], strength=0.6, strengths=early["strengths"])
    make(graph, depth["vcu"], guided={"strength": 0.7, "conditions": more["conditions"]})
    return graph


def drawn() -> str:
    """What the editor of the desk writes: a star that goes, and a triangle that takes another way."""
    star, triangle = ({"width": side, "height": side} for side in (0.48, 0.46))
    gone = {
        "action": "remove",
        "label": "star",
        "colour": [214, 62, 54],
        "grow": 1,
        "keys": [{"time": 0.0, "x": 0.25, "y": 0.25, **star}, {"time": 1.0, "x": 0.68, "y": 0.25, **star}],
    }
    moved = {
        "action": "move",
        "label": "triangle",
        "order": 1,
        "colour": [66, 135, 245],
        "grow": 1,
        "keys": [{"time": 0.0, "x": 0.75, "y": 0.71, **triangle}, {"time": 1.0, "x": 0.32, "y": 0.71, **triangle}],
        "path": {
            "ease": "in-out",
            "keys": [{"time": 0.0, "x": 0.75, "y": 0.71, **triangle}, {"time": 1.0, "x": 0.75, "y": 0.27, **triangle}],
        },
    }
    clip = {"width": 96, "height": 96, "frames": 17}
    return json.dumps({"version": 1, "clip": clip, "objects": [gone, moved]})


def desk() -> Graph:
    does = (
        "Draw on the clip and say what shall happen: here the star is removed and the triangle is moved along a path "
        "of its own. Open the editor in VACE Desk to see both, and change them."
    )
    own = "Replace VACE Example Clip with *Load Video*, connect it to `clip`, and draw on it in VACE Desk."
    graph = Graph("VACE Desk", note("The desk", does, own))
    clip = example(graph, "star and triangle that pass")
    task = graph.add(
        "VaceDesk",
        "task",
        clip=clip["images"],
        desk=drawn(),
        fps=clip["fps"],
        **fit(graph),
        prompt="a blue triangle moves up on a plain slate background",
    )
    make(graph, task["vcu"], guided={"strengths": task["strengths"]})
    return graph


def masks() -> Graph:
    does = (
        "Removes everything that moves: a mask and the boxes of a path editor are combined and given a looser shape, "
        "which tells the model less about what was there."
    )
    graph = Graph("VACE Remove with Composed Masks", note("Remove, with composed masks", does, CLIP))
    clip = example(graph, "star and triangle that pass")
    mask = graph.add(
        "VaceComposeMasks",
        "more",
        mask=clip["mask"],
        paths=clip["paths"],
        images=clip["images"],
        shape="original",
        grow=3,
    )
    task = graph.add(
        "VaceInpaintVideo",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        fps=clip["fps"],
        **fit(graph),
        prompt="an empty plain slate background",
    )
    make(graph, task["vcu"])
    return graph


def general() -> Graph:
    does = (
        "Every input of VACE in one node: the video that is kept where the mask is black, the control video that is "
        "followed where it is white, and reference images. Leave out what you do not have."
    )
    graph = Graph("VACE Build VCU", note("The general builder", does, CLIP))
    clip = example(graph, "circle that moves right")
    mask = boxed(graph, clip, grow=3)
    task = graph.add(
        "VaceBuildVCU",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        control=clip["depth"],
        **{**size(graph), **fit(graph), "fps": clip["fps"]},
        prompt="a cyan circle moves right on a gradient beige background",
    )
    make(graph, task["vcu"])
    return graph


def retouch() -> Graph:
    does = (
        "Another node sharpens the generated video, then VACE Composite Video puts every kept pixel back. Use it after "
        "any node that changes the whole image: detail upscalers, colour nodes, a VAE Decode of your own."
    )
    graph = Graph("VACE Retouch and Paste Back", note("Retouch and paste back", does, CLIP))
    task = green_square(graph)
    made = make(graph, task["vcu"], finish=False)
    sharp = graph.add("ImageSharpen", "decode", image=made["images"], alpha=0.3)
    kept = graph.add("VaceCompositeVideo", "save", images=sharp["IMAGE"], vcu=task["vcu"])
    video = graph.add("CreateVideo", "save", images=kept["images"], fps=kept["fps"])
    graph.add("SaveVideo", "show", video=video["VIDEO"], filename_prefix="video/vace_retouch")
    return graph


def crop() -> Graph:
    does = (
        "Edits a part of the video at a resolution of its own: VACE Crop Video shows the task a box around the "
        "mask, VACE Stitch Video puts the result back. Cost follows the mask, and a small part gets more detail. (The "
        "example clip is so small that the box holds nearly all of it.)"
    )
    own = f"{CLIP} Set `resolution` to the longer side that the model works at, such as 832."
    graph = Graph("VACE Crop and Stitch", note("Crop and stitch", does, own))
    clip = example(graph, "circle that moves right")
    mask = boxed(graph, clip, grow=3)
    cut = graph.add("VaceCropVideo", "mask", images=clip["images"], mask=mask["mask"], margin=0.5)
    task = graph.add(
        "VaceInpaintVideo",
        "task",
        images=cut["images"],
        mask=cut["mask"],
        fps=clip["fps"],
        **fit(graph),
        prompt="a green square moves right on a gradient beige background",
    )
    made = make(graph, task["vcu"], finish=False)
    whole = graph.add("VaceStitchVideo", "save", images=made["images"], stitch=cut["stitch"])
    video = graph.add("CreateVideo", "save", images=whole["images"], fps=made["fps"])
    graph.add("SaveVideo", "show", video=video["VIDEO"], filename_prefix="video/vace_crop_and_stitch")
    return graph


def measure() -> Graph:
    does = (
        "Inpaints a clip and measures the result: how exactly the rest was kept, before and after its pixels were put "
        "back, against what the VAE alone loses; how visible the seam is; whether colours drift; how much it flickers."
    )
    own = (
        f"{CLIP} In VACE Measure Video leave out what you do not have. `indicators` measures the paper's quality "
        "indicators too, with the networks that you put into `models/vace_evaluation`."
    )
    graph = Graph("VACE Measure", note("Measure a result", does, own))
    task = green_square(graph)
    made = make(graph, task["vcu"])
    samples, starter = made.values["samples"], made.values["vae"]
    graph.add(
        "VaceMeasureVideo",
        "measure",
        images=made["images"],
        fps=made["fps"],
        vcu=task["vcu"],
        decoded=samples,
        vae=starter,
    )
    return graph
