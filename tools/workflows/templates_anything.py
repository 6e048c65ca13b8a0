"""The workflows of the composed tasks, and of what puts tasks together."""

from __future__ import annotations

from .graph_json import Graph
from .parts import FIT, SIZE, SIZED, example, make, note
from .templates import CLIP, boxes


def move() -> Graph:
    does = (
        "A picture comes to life: what is in your boxes moves along with them. Draw a box over a thing, go to the end "
        "of the time line, and drag it to where it shall be."
    )
    own = "Put *Load Image* in the place of VACE Example Clip and draw your boxes."
    graph = Graph("VACE Move Anything", note("Move anything", does, own))
    picture = example(graph, "circle that moves right", length=1, title="A picture")
    task = graph.add(
        "VaceMoveAnything",
        "task",
        image=picture["images"],
        paths=boxes(("circle", (0.27, 0.45), (0.7, 0.72), 0.4)),
        length=17,
        fps=8.0,
        **FIT,
        prompt="a red circle moves down on a gradient beige background",
    )
    make(graph, task["vcu"])
    return graph


def swap() -> Graph:
    does = (
        "The person or thing of your picture takes the place of what the mask covers. Everything else stays exactly as "
        "it is."
    )
    own = f"{CLIP} The picture of who comes in is another *Load Image*."
    graph = Graph("VACE Swap Anything", note("Swap anything", does, own))
    clip = example(graph, "circle that moves right", title="The clip")
    other = example(graph, "face that moves right", title="Who comes in")
    mask = graph.add("VaceComposeMasks", "more", mask=clip["mask"], shape="bbox", grow=2)
    task = graph.add(
        "VaceSwapAnything",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        references=other["objects"],
        fps=clip["fps"],
        **FIT,
        prompt="a thing moves right on a gradient beige background",
    )
    make(graph, task["vcu"], seed=3)
    return graph


def expand() -> Graph:
    does = "A picture becomes a wider scene that lives: it is the first frame, inside a new border."
    own = "Put *Load Image* in the place of VACE Example Clip. The reference says who appears, and may be left out."
    graph = Graph("VACE Expand Anything", note("Expand anything", does, own))
    picture = example(graph, "circle that moves right", length=1, title="A picture")
    task = graph.add(
        "VaceExpandAnything",
        "task",
        image=picture["images"],
        references=picture["objects"],
        left=0.16,
        right=0.16,
        top=0.16,
        bottom=0.16,
        length=17,
        fps=8.0,
        **FIT,
        prompt="a red circle moves right on a gradient beige background",
    )
    make(graph, task["vcu"])
    return graph


def animate() -> Graph:
    does = "The character of your picture moves as the skeleton of a clip does."
    own = (
        "Put a pose node, such as *DWPose Estimator*, behind *Load Video* and *Get Video Components* for the "
        "skeletons, and *Load Image* for the character."
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
        **FIT,
        prompt="a thing walks right on a plain gray background",
    )
    make(graph, task["vcu"])
    return graph


def reference_anything() -> Graph:
    does = "A video with the subjects of several pictures, each cut out by its own mask."
    own = "Put a *Load Image* in the place of each VACE Example Clip and paint its mask in the mask editor."
    graph = Graph("VACE Reference Anything", note("Reference anything", does, own, sizes=SIZED))
    one = example(graph, "circle that moves right", length=1, title="First picture")
    two = example(graph, "star and triangle that pass", length=1, title="Second picture")
    task = graph.add(
        "VaceReferenceAnything",
        "task",
        image_1=one["images"],
        mask_1=one["mask"],
        image_2=two["images"],
        mask_2=two["mask"],
        **SIZE,
        prompt="a red circle moves right and a yellow star moves left on a plain mint background",
    )
    make(graph, task["vcu"])
    return graph


def composed() -> Graph:
    does = (
        "Three tasks at once: the mask says where something is made, the boxes say where it is at every moment, the "
        "reference says what it is. Any tasks of the same size and length can be put together so."
    )
    graph = Graph("VACE Several Tasks Composed", note("Several tasks, composed", does, CLIP))
    clip = example(graph, "circle that moves right", title="The clip")
    other = example(graph, "ring, first part", title="Who comes in")
    mask = graph.add("VaceComposeMasks", "more", paths=clip["paths"], images=clip["images"], grow=2)
    where = graph.add(
        "VaceInpaintVideo",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        fps=clip["fps"],
        **FIT,
        prompt="a thing moves right on a gradient beige background",
    )
    way = graph.add("VaceLayoutToVideo", "task", paths=clip["paths"], **SIZE)
    who = graph.add("VaceReferenceToVideo", "task", references=other["objects"], **SIZE)
    task = graph.add("VaceComposeVCUs", "compose", vcu_1=where["vcu"], vcu_2=way["vcu"], vcu_3=who["vcu"])
    make(graph, task["vcu"])
    return graph


def masks() -> Graph:
    does = (
        "Everything that moves is removed: a mask and the boxes of a path editor are joined, and brought into a looser "
        "shape, which tells the model less about what was there."
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
        **FIT,
        prompt="an empty plain slate background",
    )
    make(graph, task["vcu"])
    return graph


def general() -> Graph:
    does = (
        "Everything that VACE takes, in one node: the video that is kept where the mask is black, the control that is "
        "followed where it is white, and references. Leave out what you do not have."
    )
    graph = Graph("VACE Build VCU", note("The general builder", does, CLIP))
    clip = example(graph, "circle that moves right")
    mask = graph.add("VaceComposeMasks", "more", mask=clip["mask"], shape="bbox", grow=3)
    task = graph.add(
        "VaceBuildVCU",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        control=clip["depth"],
        **{**SIZE, "fps": clip["fps"]},
        **FIT,
        prompt="a cyan circle moves right on a gradient beige background",
    )
    make(graph, task["vcu"])
    return graph


def retouch() -> Graph:
    does = (
        "What was made is sharpened by another node, then VACE Composite Video puts every kept pixel back. Use it "
        "after whatever changes the whole picture: upscalers of details, colour nodes, a VAE Decode of your own."
    )
    graph = Graph("VACE Retouch and Paste Back", note("Retouch and paste back", does, CLIP))
    clip = example(graph, "circle that moves right")
    mask = graph.add("VaceComposeMasks", "more", mask=clip["mask"], shape="bbox", grow=3)
    task = graph.add(
        "VaceInpaintVideo",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        fps=clip["fps"],
        **FIT,
        prompt="a green square moves right on a gradient beige background",
    )
    made = make(graph, task["vcu"], finish=False)
    sharp = graph.add("ImageSharpen", "decode", image=made["images"], alpha=0.3)
    kept = graph.add("VaceCompositeVideo", "save", images=sharp["IMAGE"], vcu=task["vcu"])
    video = graph.add("CreateVideo", "save", images=kept["images"], fps=kept["fps"])
    graph.add("SaveVideo", "show", video=video["VIDEO"], filename_prefix="video/vace_retouch")
    return graph
