"""What the help page of every node shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..workflows.templates_anything import drawn
from .sheet import Sheet
from .studio import SIZE, WORDS, Studio, frames, images, masks, roles

GETS, IN, OUT, MADE = "What the model gets", "In", "Out", "What the starter generates"
ONE, TWO, WALKER = "circle that moves right", "star and triangle that pass", "figure that walks"
LONG = "a cyan circle moves right on a gradient mint background"
CASES: dict[str, Callable[[Studio, Sheet], str]] = {}
"""Fills a sheet and returns what it shows, in words."""


def case(node_id: str) -> Callable[[Callable[[Studio, Sheet], str]], Callable[[Studio, Sheet], str]]:
    def keep(function: Callable[[Studio, Sheet], str]) -> Callable[[Studio, Sheet], str]:
        CASES[node_id] = function
        return function

    return keep


def show_unit(studio: Studio, sheet: Sheet, vcu: Any, *, sampled: bool = True, **options: Any) -> None:
    """Frames, mask and reference images of a VCU, and what is generated from it."""
    sheet.heading(GETS)
    if vcu.prompt:
        sheet.words(f"“{vcu.prompt}”")
    seen = "gray = generate" if vcu.control is None else "in the generated part, the control video or gray"
    sheet.strip(f"frames: {seen}", frames(vcu.frames))
    sheet.strip("mask: red = generate, white = keep", roles(vcu))
    if vcu.references:
        sheet.strip("reference images", [picture for one in vcu.references for picture in frames(one)])
    if sampled:
        sheet.heading(MADE)
        sheet.strip("images", images(studio.made(vcu, **options)))


def path(*keys: tuple[float, float, float], side: float = 0.56) -> str:
    """One box of the editor, keyed at `(time, x, y)`."""
    keyed = [{"time": time, "x": x, "y": y, "width": side, "height": side} for time, x, y in keys]
    return json.dumps({"version": 1, "paths": [{"keys": keyed}]})


# Loaders


@case("VaceChooseModel")
def choose_model(studio: Studio, sheet: Sheet) -> str:
    name = studio.name("VaceChooseModel")
    users = [studio.name(one) for one in ("VaceInpaintVideo", "VacePreviewVCU", "VaceSampleVideo")]
    sheet.chain([["a profile"], [name], [*users, "any VACE task"]], name)
    sheet.heading("What a profile decides wherever a node leaves it to the model")
    for line in studio.profiles():
        sheet.words(line)
    return "the profiles, with their size, length and sampling"


@case("VaceLoadStarter")
def load_starter(studio: Studio, sheet: Sheet) -> str:
    names = [studio.name(one) for one in ("VaceLoadStarter", "VaceSampleVideo", "VaceDecodeVideo")]
    sheet.chain([[name] for name in names], names[0])
    sheet.heading("What it generates from a prompt alone")
    for scene in (ONE, "ring, first part", WALKER):
        words = studio.clip(scene)["caption"]
        vcu = studio.run("VaceTextToVideo", prompt=words, **SIZE)[0]
        sheet.strip(words, images(studio.made(vcu)))
    return "three clips that the starter generated from three prompts"


@case("VaceLoadModel")
def load_model(studio: Studio, sheet: Sheet) -> str:
    name = studio.name("VaceLoadModel")
    sheet.chain([["transformer file", "VAE file", "text encoder file"], [name], [studio.name("VaceSampleVideo")]], name)
    sheet.heading("Files are recognised by their contents")
    for line in studio.facts():
        sheet.words(line)
    return "three files become one model"


@case("VaceLoadAdapter")
def load_adapter(studio: Studio, sheet: Sheet) -> str:
    name = studio.name("VaceLoadAdapter")
    users = [studio.name(one) for one in ("VaceLoadModel", "VaceAttachAdapter")]
    sheet.chain([["adapter file"], [name], users], name)
    sheet.heading("What is in the file of the starter's adapter")
    sheet.words(studio.facts()[-1])
    return "an adapter file goes to VACE Load Model or to VACE Attach Adapter"


@case("VaceLoadLora")
def load_lora(studio: Studio, sheet: Sheet) -> str:
    name = studio.name("VaceLoadLora")
    users = [studio.name(one) for one in ("VaceChooseModel", "VaceLoadModel", "VaceAttachAdapter")]
    sheet.chain([["LoRA file", f"another {name}"], [name], users], name)
    sheet.heading("Merged into base and adapter as they are read, one after the other")
    return "LoRA files go to VACE Model, VACE Load Model or VACE Attach Adapter"


@case("VaceUseNativeModel")
def use_native_model(studio: Studio, sheet: Sheet) -> str:
    name = studio.name("VaceUseNativeModel")
    sheet.chain(
        [
            ["Load Diffusion Model, then LoRA and so on", "Load CLIP", "Load VAE"],
            [name],
            [studio.name("VaceSampleVideo")],
        ],
        name,
    )
    return "ComfyUI's own loaders become one VACE model"


@case("VaceAttachAdapter")
def attach_adapter(studio: Studio, sheet: Sheet) -> str:
    name = studio.name("VaceAttachAdapter")
    sheet.chain([["MODEL", studio.name("VaceLoadAdapter"), "any VACE task"], [name], ["KSampler"]], name)
    clip = studio.clip(ONE)
    vcu = studio.run("VaceControlVideo", images=clip["images"], kind="scribble", fps=8.0, **WORDS)[0]
    sheet.heading("One seed, no prompt, and outlines to follow")
    sheet.strip("the VCU", frames(vcu.frames))
    for strength, words in ((0.0, "the base model alone"), (1.0, "with the adapter")):
        sheet.strip(words, images(studio.made(vcu, strength=strength)))
    return "the same base model without the adapter and with it"


@case("VaceExampleClip")
def example_clip(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(WALKER)
    sheet.heading(WALKER)
    sheet.words(f"“{clip['caption']}”")
    for name in ("images", "mask", "depth", "pose"):
        sheet.strip(name, (masks if name == "mask" else images)(clip[name]))
    sheet.strip("objects", images(clip["objects"]))
    return "a clip with its mask, depth, skeleton and object"


# References and masks


@case("VaceStackReferences")
def stack_references(studio: Studio, sheet: Sheet) -> str:
    face, star = studio.clip("face that moves right", 1), studio.clip(TWO, 1)
    sheet.heading(IN)
    first, second = face["images"], star["images"]
    sheet.strip("image and mask of the first node, image and mask of the second", [
        *images(first), *masks(face["mask"]), *images(second), *masks(star["mask"])
    ])  # fmt: skip
    stack = studio.run("VaceStackReferences", image=first, mask=face["mask"])[0]
    given = studio.run("VaceStackReferences", image=second, mask=star["mask"], references=stack)
    sheet.heading(OUT)
    sheet.strip("references, as the model sees them in a wide video", [
        picture for one in given.ui["images"] for picture in images(one[None])
    ])  # fmt: skip
    return "two images, cut out with their masks and laid on white"


@case("VaceComposeMasks")
def compose_masks(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(TWO)
    sheet.heading(IN)
    sheet.strip("images", images(clip["images"]))
    sheet.strip("mask", masks(clip["mask"]))
    sheet.heading(OUT)
    given: dict[str, dict[str, Any]] = {
        "shape = bbox_expand": {"mask": clip["mask"], "shape": "bbox_expand"},
        "hold = -1": {"mask": clip["mask"], "hold": -1},
        "paths linked and invert on": {"paths": clip["paths"], "images": clip["images"], "invert": True},
    }
    for words, values in given.items():
        sheet.strip(words, masks(studio.run("VaceComposeMasks", **values)[0]))
    return "a mask of a star as a loose box, held over the whole clip, and boxes inverted"


# Tasks


@case("VaceTextToVideo")
def text_to_video(studio: Studio, sheet: Sheet) -> str:
    words = studio.clip(ONE)["caption"]
    show_unit(studio, sheet, studio.run("VaceTextToVideo", prompt=words, **SIZE)[0])
    return "nothing but gray, and the clip generated from the prompt"


@case("VaceReferenceToVideo")
def reference_to_video(studio: Studio, sheet: Sheet) -> str:
    star = studio.clip(TWO)["objects"][:1]
    words = {"prompt": "a yellow star moves right on a gradient beige background", **SIZE}
    show_unit(studio, sheet, studio.run("VaceReferenceToVideo", references=star, **words)[0])
    return "an image of an object, and a clip in which it appears"


@case("VaceInpaintVideo")
def inpaint_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    loose = studio.run("VaceComposeMasks", mask=clip["mask"], shape="bbox", grow=3)[0]
    sheet.heading(IN)
    sheet.strip("images", images(clip["images"]))
    sheet.strip("mask", masks(loose))
    vcu = studio.run(
        "VaceInpaintVideo",
        images=clip["images"],
        mask=loose,
        fps=8.0,
        prompt=clip["caption"].replace("red circle", "blue star"),
        **WORDS,
    )[0]
    show_unit(studio, sheet, vcu)
    return "a red circle under a mask becomes a blue star"


@case("VaceOutpaintVideo")
def outpaint_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip("face that moves right")
    sheet.heading(IN)
    sheet.strip("images", images(clip["images"]))
    vcu = studio.run("VaceOutpaintVideo", images=clip["images"], fps=8.0, prompt=clip["caption"], **SIDES, **WORDS)[0]
    show_unit(studio, sheet, vcu)
    return "a clip gets a border on the left and on the right"


SIDES = {"left": 0.25, "right": 0.25, "top": 0.0, "bottom": 0.0}


@case("VaceExtendVideo")
def extend_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    sheet.heading(IN)
    sheet.strip("first", images(clip["images"][:9]))
    values = {"first": clip["images"][:9], "length": 17, "fps": 8.0, "prompt": clip["caption"]}
    given = studio.run("VaceExtendVideo", **values, **WORDS)
    show_unit(studio, sheet, given[0])
    return "the first frames are kept, the rest is generated"


@case("VaceJoinVideos")
def join_videos(studio: Studio, sheet: Sheet) -> str:
    first, last = studio.clip("ring, first part"), studio.clip("ring, second part")
    sheet.heading(IN)
    sheet.strip("first", images(first["images"]))
    sheet.strip("last", images(last["images"]))
    values = {"first": first["images"], "last": last["images"], "length": 17, "keep": 5, "fps": 8.0}
    given = studio.run("VaceJoinVideos", prompt=first["caption"], **values, **WORDS)
    show_unit(studio, sheet, given[0])
    return "the end of one clip, the start of another, and what is generated between"


@case("VacePlaceKeyframes")
def place_keyframes(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(TWO)
    pictures = clip["images"][[0, 8, 16]]
    sheet.heading(IN)
    sheet.strip("images, at 0, 8, -1", images(pictures))
    values = {"images": pictures, "positions": "0, 8, -1", "length": 17, "fps": 8.0, "prompt": clip["caption"]}
    show_unit(studio, sheet, studio.run("VacePlaceKeyframes", **values, **WORDS)[0])
    return "three images at three frames, and what is generated between them"


@case("VaceControlVideo")
def control_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    sheet.heading(IN)
    sheet.strip("images", images(clip["images"]))
    sheet.heading("control, by kind")
    units = {}
    for kind in ("gray", "scribble", "flow", "depth"):
        source = clip["depth" if kind == "depth" else "images"]
        given = studio.run("VaceControlVideo", images=source, kind=kind, fps=8.0, prompt=clip["caption"], **WORDS)
        units[kind] = given[0]
        sheet.strip("depth, from another node" if kind == "depth" else kind, images(given[1]))
    sheet.heading("What the starter generates from the scribble")
    sheet.strip("images", images(studio.made(units["scribble"])))
    return "a clip as gray, outlines, optical flow and depth, and a generated clip that follows the outlines"


@case("VaceStylizeVideo")
def stylize_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    sheet.heading(IN)
    sheet.strip("images", images(clip["images"]))
    words = f"{clip['caption']}, in night style"
    show_unit(studio, sheet, studio.run("VaceStylizeVideo", images=clip["images"], fps=8.0, prompt=words, **WORDS)[0])
    return "a clip, the outlines that are followed, and what is generated in the style that the prompt names"


@case("VaceLayoutToVideo")
def layout_to_video(studio: Studio, sheet: Sheet) -> str:
    paths = path((0, 0.3, 0.68), (0.5, 0.5, 0.32), (1, 0.7, 0.68))
    given = studio.run(
        "VaceLayoutToVideo", paths=paths, prompt="a red circle wanders on a plain gray background", **SIZE
    )
    show_unit(studio, sheet, given[0])
    return "a box on an arch, and the circle that follows it"


# Anything


@case("VaceMoveAnything")
def move_anything(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE, 1)
    sheet.heading(IN)
    sheet.strip("image", images(clip["images"]))
    paths = path((0, 0.3, 0.45), (1, 0.68, 0.69))
    values = {"image": clip["images"], "paths": paths, "length": 17, "fps": 8.0, "prompt": clip["caption"]}
    show_unit(studio, sheet, studio.run("VaceMoveAnything", **values, **WORDS)[0])
    return "an image, a box that moves over it, and the object that moves along"


@case("VaceDesk")
def desk(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(TWO)
    sheet.heading(IN)
    sheet.strip("clip", images(clip["images"]))
    sheet.words("The star is removed, the triangle is moved along a path")
    made = studio.run(
        "VaceDesk",
        clip=clip["images"],
        desk=drawn(),
        fps=8.0,
        prompt="a blue triangle moves up on a plain slate background",
        **WORDS,
    )
    show_unit(studio, sheet, made[0])
    return "one object of a clip is removed, another is moved, and what the starter makes of it"


@case("VaceSwapAnything")
def swap_anything(studio: Studio, sheet: Sheet) -> str:
    clip, other = studio.clip(ONE), studio.clip(TWO)
    loose = studio.run("VaceComposeMasks", mask=clip["mask"], shape="bbox", grow=3)[0]
    sheet.heading(IN)
    sheet.strip("images", images(clip["images"]))
    sheet.strip("references", images(other["objects"][:1]))
    vcu = studio.run(
        "VaceSwapAnything",
        images=clip["images"],
        mask=loose,
        references=other["objects"][:1],
        fps=8.0,
        prompt=clip["caption"].replace("red circle", "yellow star"),
        **WORDS,
    )[0]
    show_unit(studio, sheet, vcu)
    return "a star from an image takes the place of a circle in a clip"


@case("VaceExpandAnything")
def expand_anything(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE, 1)
    sheet.heading(IN)
    sheet.strip("image", images(clip["images"]))
    values = {"image": clip["images"], "length": 17, "fps": 8.0, "prompt": clip["caption"], **SIDES}
    show_unit(studio, sheet, studio.run("VaceExpandAnything", **values, **WORDS)[0])
    return "an image as the first frame of a wider clip"


@case("VaceAnimateAnything")
def animate_anything(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(WALKER)
    sheet.heading(IN)
    sheet.strip("pose", images(clip["pose"]))
    sheet.strip("references", images(clip["objects"]))
    values = {"pose": clip["pose"], "references": clip["objects"], "mend": True, "fps": 8.0}
    show_unit(studio, sheet, studio.run("VaceAnimateAnything", prompt=clip["caption"], **values, **WORDS)[0])
    return "a skeleton, a character, and the character that walks like the skeleton"


@case("VaceReferenceAnything")
def reference_anything(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(TWO, 1)
    sheet.heading(IN)
    face = studio.clip("face that moves right", 1)
    sheet.strip("image_1 and its mask, image_2 and its mask", [
        *images(clip["images"]), *masks(clip["mask"]), *images(face["images"]), *masks(face["mask"])
    ])  # fmt: skip
    vcu = studio.run(
        "VaceReferenceAnything",
        image_1=clip["images"],
        mask_1=clip["mask"],
        image_2=face["images"],
        mask_2=face["mask"],
        prompt="a yellow star moves right and a smiling face with purple hair and green eyes stays still "
        "on a plain slate background",
        **SIZE,
    )[0]
    show_unit(studio, sheet, vcu, sampled=False)
    return "the subjects of two images, cut out, for a clip in which they appear"


@case("VaceBuildVCU")
def build_vcu(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(TWO)
    sheet.heading(IN)
    sheet.strip("images", images(clip["images"]))
    sheet.strip("mask", masks(clip["mask"]))
    sheet.strip("control", images(clip["depth"]))
    sheet.strip("references", images(clip["objects"][:1]))
    vcu = studio.run(
        "VaceBuildVCU",
        images=clip["images"],
        mask=clip["mask"],
        control=clip["depth"],
        references=clip["objects"][:1],
        **WORDS,
        **{**SIZE, "prompt": clip["caption"]},
    )[0]
    show_unit(studio, sheet, vcu, sampled=False)
    return "a clip to keep, a mask, depth to follow inside it, and a reference image, in one VCU"


# VCUs


@case("VaceComposeVCUs")
def compose_vcus(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(TWO)
    half = studio.run("VaceComposeMasks", mask=clip["mask"], hold=-1, grow=2)[0]
    first = studio.run("VaceInpaintVideo", images=clip["images"], mask=half, fps=8.0, prompt=clip["caption"], **WORDS)[
        0
    ]
    second = studio.run("VaceControlVideo", images=clip["images"], kind="scribble", fps=8.0, **WORDS)[0]
    third = studio.run("VaceReferenceToVideo", references=clip["objects"][:1], **SIZE)[0]
    sheet.heading(IN)
    for name, vcu in (("vcu_1, inpaint", first), ("vcu_2, control", second)):
        sheet.strip(name, frames(vcu.frames))
    sheet.strip("vcu_3, reference", frames(third.references[0]))
    vcu = studio.run("VaceComposeVCUs", vcu_1=first, vcu_2=second, vcu_3=third)[0]
    show_unit(studio, sheet, vcu)
    return "inpainting, outlines and a reference image become one VCU"


@case("VaceStrength")
def strength(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    vcu = studio.run("VaceControlVideo", images=clip["images"], kind="scribble", fps=8.0, **WORDS)[0]
    given = studio.run("VaceStrength", over_steps="0:1 0.4:1 0.5:0", over_frames="0:1 0.5:1 1:0.2")
    sheet.whole(images(given.ui["images"][0][None])[0])
    sheet.heading(MADE)
    sheet.strip("the VCU", frames(vcu.frames))
    for words, values in (
        ("strength 1 everywhere", {}),
        ("over_steps = 0:1 0.4:1 0.5:0", {"over_steps": "0:1 0.4:1 0.5:0"}),
        ("over_frames = 0:1 0.5:1 0.6:0", {"over_frames": "0:1 0.5:1 0.6:0"}),
    ):
        said = studio.run("VaceStrength", **values)[0]
        sheet.strip(words, images(studio.made(vcu, strengths=said)))
    return "curves over steps and frames, and what is generated with outlines in the first steps alone"


@case("VaceAddCondition")
def add_condition(studio: Studio, sheet: Sheet) -> str:
    clip, other = studio.clip(ONE), studio.clip(TWO)
    first = studio.run("VaceControlVideo", images=clip["images"], kind="gray", fps=8.0, **WORDS)[0]
    second = studio.run("VaceControlVideo", images=other["images"], kind="scribble", fps=8.0, **WORDS)[0]
    sheet.heading(IN)
    for name, vcu in (("the first VCU", first), ("vcu", second)):
        sheet.strip(name, frames(vcu.frames))
    sheet.heading(MADE)
    for strengths in ((1.0, 0.0), (0.0, 1.0), (0.7, 0.5)):
        more = studio.run("VaceAddCondition", vcu=second, strength=strengths[1])[0]
        words = f"the first at {strengths[0]:g}, vcu at {strengths[1]:g}"
        sheet.strip(words, images(studio.made(first, strength=strengths[0], conditions=more)))
    return "brightness and outlines, each alone, and both at once with a strength for each"


@case("VacePlanWindows")
def plan_windows(studio: Studio, sheet: Sheet) -> str:
    prompts = "[0-6s] a man walks | [6s] it rains | [10s, new shot] he sits"
    given = studio.run("VacePlanWindows", length=257, prompts=prompts, keyframes="0=1 -1=2", window=81)
    sheet.whole(images(given.ui["images"][0][None])[0])
    sheet.heading(f"prompts = {prompts}")
    for line in given[1].split("\n"):
        sheet.words(line)
    sheet.heading("loop = true")
    looped = studio.run("VacePlanWindows", length=161, window=81, overlap=17, loop=True)
    sheet.whole(images(looped.ui["images"][0][None])[0])
    return "sixteen seconds with three prompts, a hard cut and an end frame on the time line, and a loop"


@case("VaceSampleLongVideo")
def sample_long_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE, 29)
    vcu = studio.run(
        "VaceControlVideo", images=clip["images"], kind="scribble", fps=8.0, fit="starter, any length", prompt=LONG
    )[0]
    plan = studio.run("VacePlanWindows", vcu=vcu, window=17, overlap=5)
    given = {"model": studio.starter, "vcu": vcu, "plan": plan[0], "seed": 1, "steps": 4, "cfg": 2.0, "shift": 3.0}
    made = studio.run("VaceSampleLongVideo", **given)
    again = studio.run("VaceSampleLongVideo", **{**given, "seed": 5, "redo": 1, "made": made[0]})
    sheet.heading(IN)
    sheet.strip("the VCU, 29 frames, where the model takes 17", frames(vcu.frames))
    for line in plan[1].split("\n")[1:-1]:
        sheet.words(line)
    sheet.heading(MADE)
    sheet.strip("images", images(made[0]))
    sheet.words(made[2])
    sheet.strip("redo = 1, another seed: window 0 stays as it is", images(again[0]))
    return "29 frames generated in two windows, and the second window made again alone"


@case("VacePreviewVCU")
def preview_vcu(studio: Studio, sheet: Sheet) -> str:
    clip, other = studio.clip(ONE), studio.clip(TWO)
    loose = studio.run("VaceComposeMasks", mask=clip["mask"], shape="bbox", grow=3)[0]
    values = {"images": clip["images"], "mask": loose, "references": other["objects"][:1], "fps": 8.0}
    vcu = studio.run("VaceSwapAnything", prompt="a yellow star moves right", **values, **WORDS)[0]
    given = studio.run("VacePreviewVCU", vcu=vcu, columns=4)
    sheet.whole(images(given[1])[0])
    return "the contact sheet of a swap: frames, mask, what is kept, and the reference image"


# Sampling and after


@case("VaceSamplingOptions")
def sampling_options(studio: Studio, sheet: Sheet) -> str:
    name, sampler = (studio.name(one) for one in ("VaceSamplingOptions", "VaceSampleVideo"))
    sheet.chain([[name], [sampler]], name)
    clip = studio.clip(ONE)
    vcu = studio.run("VaceControlVideo", images=clip["images"], kind="scribble", fps=8.0, **WORDS)[0]
    sheet.heading("One seed, 4 steps")
    for typed, words in (("2", "cfg 2 in every step: 8 passes"), ("2 x 2, 1", "cfg_steps 2 x 2, 1: 6 passes")):
        options = studio.run("VaceSamplingOptions", cfg_steps=typed)[0]
        sheet.strip(words, images(studio.made(vcu, options=options)))
    return "guidance in every step, and in the first two"


@case("VaceSampleVideo")
def sample_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    vcu = studio.run("VaceControlVideo", images=clip["images"], kind="scribble", fps=8.0, **WORDS)[0]
    sheet.heading("One VCU")
    sheet.strip("outlines to follow, without a prompt", frames(vcu.frames))
    sheet.heading("Out, decoded")
    for words, options in (
        ("seed 1", {"seed": 1}),
        ("seed 2", {"seed": 2}),
        ("seed 1, strength 0: the VCU does not guide", {"seed": 1, "strength": 0.0}),
        ("seed 1, 2 steps", {"seed": 1, "steps": 2}),
    ):
        sheet.strip(words, images(studio.made(vcu, **options)))
    return "one VCU with two seeds, without guidance, and with few steps"


@case("VaceApplyVCU")
def apply_vcu(studio: Studio, sheet: Sheet) -> str:
    name = studio.name("VaceApplyVCU")
    ends = ["KSampler", studio.name("VaceDecodeVideo")]
    sheet.chain([["CLIP Text Encode", "any VACE task", "Load VAE"], [name], *[[end] for end in ends]], name)
    clip = studio.clip(TWO)
    vcu = studio.run("VaceReferenceToVideo", references=clip["objects"], **SIZE)[0]
    sheet.heading("References are in front of the latent")
    given = [picture for one in vcu.references for picture in frames(one)]
    sheet.strip(f"trim_latent = {vcu.num_references}, then the video", [*given, *frames(vcu.frames, 3)])
    return "a VCU goes to KSampler, with its reference frames in front of the video"


@case("VaceEncodePrompt")
def encode_prompt(studio: Studio, sheet: Sheet) -> str:
    name = studio.name("VaceEncodePrompt")
    sheet.chain([["any VACE task", "Load CLIP"], [name], ["KSampler"]], name)
    clip = studio.clip(ONE)
    sheet.heading("The prompts of the VCU")
    vcu = studio.run("VaceTextToVideo", prompt=clip["caption"], negative_prompt="a star", **SIZE)[0]
    sheet.words(f"positive: “{vcu.prompt}”")
    sheet.words(f"negative: “{vcu.negative_prompt}”")
    return "the prompts of a VCU go to KSampler"


def _green_circle(studio: Studio) -> tuple[dict[str, Any], Any, Any]:
    """A clip, the VCU in which its red circle is generated in green, and what was sampled for it."""
    clip = studio.clip(ONE)
    loose = studio.run("VaceComposeMasks", mask=clip["mask"], shape="bbox", grow=3)[0]
    words = {"prompt": clip["caption"].replace("red", "green"), "fps": 8.0, **WORDS}
    vcu = studio.run("VaceInpaintVideo", images=clip["images"], mask=loose, **words)[0]
    samples = studio.samples(vcu)
    return clip, vcu, samples


@case("VaceDecodeVideo")
def decode_video(studio: Studio, sheet: Sheet) -> str:
    clip, vcu, samples = _green_circle(studio)
    sheet.heading(IN)
    sheet.strip("the clip that the VCU keeps", images(clip["images"]))
    sheet.strip("samples, decoded alone", images(studio.plain(samples)))
    given = studio.decoded(vcu, samples)
    sheet.heading(OUT)
    sheet.strip("images: the red part was generated, around it is the clip", images(given[0]))
    sheet.strip("mask of the VCU", roles(vcu))
    sheet.words(f"report: {given[2]}")
    return "decoded latents, and the result with every kept pixel put back"


@case("VaceCropVideo")
def crop_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    sheet.heading(IN)
    sheet.strip("images", images(clip["images"]))
    sheet.strip("mask", masks(clip["mask"]))
    sheet.heading(OUT)
    for follow in (False, True):
        given = studio.run("VaceCropVideo", images=clip["images"], mask=clip["mask"], follow=follow, margin=0.0)
        sheet.strip(f"images, follow = {'on' if follow else 'off'}", images(given[0]))
    return "a video with its mask, and the crop around it"


@case("VaceStitchVideo")
def stitch_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    words = {"prompt": clip["caption"].replace("red", "blue"), "fps": 8.0, **WORDS}
    loose = studio.run("VaceComposeMasks", mask=clip["mask"], shape="bbox", grow=2)[0]
    cut, mask, back = studio.run("VaceCropVideo", images=clip["images"], mask=loose, margin=0.0, resolution=96)
    made = studio.made(studio.run("VaceInpaintVideo", images=cut, mask=mask, **words)[0])
    sheet.heading(IN)
    sheet.strip("images", images(made))
    sheet.heading(OUT)
    sheet.strip("images", images(studio.run("VaceStitchVideo", images=made, stitch=back, feather=2)[0]))
    return "an edited crop, and the whole video with it"


@case("VaceCompositeVideo")
def composite_video(studio: Studio, sheet: Sheet) -> str:
    clip = studio.clip(ONE)
    loose = studio.run("VaceComposeMasks", mask=clip["mask"], shape="bbox", grow=3)[0]
    words = {"prompt": clip["caption"].replace("red", "blue"), "fps": 8.0, **WORDS}
    vcu = studio.run("VaceInpaintVideo", images=clip["images"], mask=loose, **words)[0]
    elsewhere = studio.plain(studio.samples(vcu))
    sheet.heading(IN)
    sheet.strip("images, decoded elsewhere", images(elsewhere))
    sheet.strip("vcu: red was generated, white is put back", roles(vcu))
    sheet.heading(OUT)
    for feather in (0, 6):
        given = studio.run("VaceCompositeVideo", images=elsewhere, vcu=vcu, feather=feather)
        sheet.strip(f"images, feather = {feather}", images(given[0]))
    sheet.words(f"report: {given[2]}")
    return "a decoded video, and the same with every kept pixel put back"


@case("VaceMeasureVideo")
def measure_video(studio: Studio, sheet: Sheet) -> str:
    _, vcu, samples = _green_circle(studio)
    made = studio.decoded(vcu, samples)[0]
    given = studio.run("VaceMeasureVideo", images=made, fps=8.0, vcu=vcu, decoded=samples, vae=studio.starter)
    sheet.heading(IN)
    sheet.strip("images: the green part was generated", images(made))
    sheet.strip("decoded, before kept pixels were put back", images(studio.plain(samples)))
    sheet.strip("mask of the VCU", roles(vcu))
    sheet.heading(OUT)
    for line in given[0].splitlines()[1:-1]:
        sheet.words(line)
    return "an inpainted clip, and how exactly it was kept, its seam, drift and flickering in numbers"
