"""The workflows about models: adapters, ComfyUI's own loaders with LoRA, the stock sampler, LTX-Video."""

from __future__ import annotations

from .graph_json import Graph, Node
from .parts import (
    ADAPTER,
    BASE,
    FILES,
    LARGE,
    LORA,
    LTX,
    RUN,
    SAMPLING,
    T5,
    TEXT,
    VAE,
    VCU,
    boxed,
    example,
    fit,
    links,
    make,
    model_of,
    note,
    save,
    size,
)

OWN = {"width": 832, "height": 480, "length": 81, "fps": 16.0}
NOT_AT_ONCE = (
    f"## {{title}}\n\n{{does}}\n\n{VCU}\n\n**It needs real model files** in ComfyUI's folders:\n\n{{files}}\n\n"
    "{more}\n"
)


def lora() -> Graph:
    does = (
        "A LoRA on the model, and a cfg of its own for each step: guided in the first half, at half the time in the "
        "rest. Both nodes work with any task and any model."
    )
    own = (
        "Choose your LoRA in VACE Load LoRA: none changes nothing. With a LoRA of few steps choose its preset in VACE "
        "Sampling Options and empty `cfg_steps`."
    )
    graph = Graph("VACE LoRA and Sampling Options", note("LoRA and sampling options", does, own))
    chosen = graph.add("VaceLoadLora", "weights", lora="none")
    model_of(graph, loras=chosen["loras"])
    task = graph.add(
        "VaceTextToVideo", "task", **size(graph), prompt="a red circle moves right on a gradient beige background"
    )
    halves = graph.add("VaceSamplingOptions", "task", cfg_steps="2 x 2, 1")
    make(graph, task["vcu"], guided={"options": halves["options"]})
    return graph


def adapter() -> Graph:
    does = (
        "A VACE adapter (also called VACE module) on a text-to-video model of Wan 2.1. One adapter works with every "
        "finetune of that model."
    )
    more = "Write a prompt. To generate in 4 steps, choose a LoRA of few steps and its preset in VACE Sampling Options."
    files = links(BASE, ADAPTER, TEXT, VAE)
    said = NOT_AT_ONCE.format(title="Adapter on a base", does=does, files=files, more=more)
    graph = Graph("VACE Adapter on a Wan Base", said)
    module = graph.add("VaceLoadAdapter", "weights", models=[ADAPTER], adapter=ADAPTER["name"])
    added = graph.add("VaceLoadLora", "weights", lora="none")
    model = graph.add(
        "VaceLoadModel",
        "model",
        models=[BASE, TEXT, VAE],
        model=BASE["name"],
        **FILES,
        adapter=module["adapter"],
        loras=added["loras"],
    )["model"]
    sizes = {"width": 0, "height": 0, "length": 0, "fps": 0.0, "model": model}
    prompt = "a woman walks along the beach, the wind in her hair, evening light"
    task = graph.add("VaceTextToVideo", "task", **sizes, prompt=prompt)
    seen = graph.add("VacePreviewVCU", "look", vcu=task["vcu"], model=model)
    sampled = graph.add("VaceSampleVideo", "sample", model=seen["model"], vcu=seen["vcu"], **SAMPLING)
    ends = {"samples": sampled["samples"], "vcu": seen["vcu"], "vae": sampled["model"]}
    save(graph, graph.add("VaceDecodeVideo", "decode", **ends))
    return graph


def plugged() -> Graph:
    does = (
        "A VACE adapter attached to a text-to-video MODEL, for the stock KSampler. The MODEL before VACE Attach "
        "Adapter is unchanged: connect it to the sampler to generate without the adapter."
    )
    said = (
        f"## Attach an adapter\n\n{does}\n\n{VCU}\n\n{RUN}\n\nSeveral VACE Attach Adapter nodes may follow each "
        "other, each with a VCU of its own: their hints add up.\n\n**A real model**: take the workflow *VACE Adapter "
        "on a Native Model through KSampler*: Load Diffusion Model and VACE Load Adapter replace VACE Load Starter, "
        "with Load CLIP and Load VAE. LoRA, GGUF, fp8 and compiled models go in front of VACE Attach Adapter.\n"
    )
    graph = Graph("VACE Attach Adapter", said)
    clip = example(graph, "circle that moves right")
    mask = boxed(graph, clip, grow=3)
    task = graph.add(
        "VaceInpaintVideo",
        "task",
        images=clip["images"],
        mask=mask["mask"],
        fps=clip["fps"],
        fit="starter",
        prompt="a green circle moves right on a gradient beige background",
    )
    seen = graph.add("VacePreviewVCU", "look", vcu=task["vcu"])
    starter = graph.add("VaceLoadStarter", "model")
    attached = graph.add(
        "VaceAttachAdapter",
        "patch",
        model=starter["base"],
        adapter=starter["adapter"],
        vcu=seen["vcu"],
        vae=starter["model"],
    )
    words = graph.add("VaceEncodePrompt", "patch", clip=starter["model"], vcu=seen["vcu"])
    shifted = graph.add("ModelSamplingSD3", "sample", model=attached["model"], shift=3.0)
    sampled = graph.add(
        "KSampler",
        "sample",
        model=shifted["MODEL"],
        positive=words["positive"],
        negative=words["negative"],
        latent_image=attached["latent"],
        seed=1,
        steps=4,
        cfg=2.0,
        sampler_name="euler",
    )
    made = graph.add("VaceDecodeVideo", "decode", samples=sampled["LATENT"], vcu=seen["vcu"], vae=starter["model"])
    save(graph, made)
    return graph


def native() -> Graph:
    does = (
        "A VACE model from ComfyUI's own loaders, with a LoRA for sampling in 8 steps. GGUF, fp8, compiled and patched "
        "models work the same way."
    )
    more = "Choose your image in Load Image: it is the first frame of the video."
    said = NOT_AT_ONCE.format(title="Native model with LoRA", does=does, files=links(LARGE, LORA, TEXT, VAE), more=more)
    graph = Graph("VACE Native Model with LoRA", said)
    picture = graph.add("LoadImage", "input")
    task = graph.add(
        "VaceExtendVideo",
        "task",
        first=picture["IMAGE"],
        length=81,
        fps=16.0,
        fit="480p",
        prompt="she turns her head and smiles, soft light, film grain",
    )
    seen = graph.add("VacePreviewVCU", "look", vcu=task["vcu"])
    plain, text, vae = _loaders(graph)
    lora = graph.add("LoraLoaderModelOnly", "patch", model=plain["MODEL"], lora_name=LORA["name"], models=[LORA])
    model = graph.add("VaceUseNativeModel", "patch", model=lora["MODEL"], clip=text["CLIP"], vae=vae["VAE"])
    sampled = graph.add(
        "VaceSampleVideo",
        "sample",
        model=model["model"],
        vcu=seen["vcu"],
        seed=1,
        steps=8,
        cfg=1.0,
        shift=5.0,
        sampler="unipc",
    )
    decoded = graph.add("VaceDecodeVideo", "decode", samples=sampled["samples"], vcu=seen["vcu"], vae=model["model"])
    save(graph, decoded)
    return graph


def ksampler() -> Graph:
    does = (
        "A VCU for the stock KSampler: VACE Apply VCU turns it into positive, negative and latent, VACE Encode Prompt "
        "encodes its prompts. Everything built on KSampler works with it."
    )
    title = "Native model with LoRA through KSampler"
    said = NOT_AT_ONCE.format(title=title, does=does, files=links(LARGE, LORA, TEXT, VAE), more=REFERENCED)
    graph = Graph("VACE Native Model with LoRA through KSampler", said)
    seen = _person(graph)
    plain, text, vae = _loaders(graph)
    lora = graph.add("LoraLoaderModelOnly", "patch", model=plain["MODEL"], lora_name=LORA["name"], models=[LORA])
    words = graph.add("VaceEncodePrompt", "patch", clip=text["CLIP"], vcu=seen["vcu"])
    applied = graph.add(
        "VaceApplyVCU",
        "sample",
        positive=words["positive"],
        negative=words["negative"],
        vae=vae["VAE"],
        vcu=seen["vcu"],
    )
    sampled = graph.add(
        "KSampler",
        "sample",
        model=lora["MODEL"],
        positive=applied["positive"],
        negative=applied["negative"],
        latent_image=applied["latent"],
        **FEW_STEPS,
    )
    decoded = graph.add("VaceDecodeVideo", "decode", samples=sampled["LATENT"], vcu=seen["vcu"], vae=vae["VAE"])
    save(graph, decoded)
    return graph


def attached() -> Graph:
    does = (
        "A VACE adapter attached to any text-to-video MODEL of Wan 2.1, for the stock KSampler: LoRA, GGUF, fp8 and "
        "compiled models in front of it keep working. Several adapters may follow each other."
    )
    title = "Adapter on a native model through KSampler"
    said = NOT_AT_ONCE.format(title=title, does=does, files=links(BASE, ADAPTER, TEXT, VAE), more=REFERENCED)
    graph = Graph("VACE Adapter on a Native Model through KSampler", said)
    seen = _person(graph)
    plain, text, vae = _loaders(graph, BASE)
    module = graph.add("VaceLoadAdapter", "model", adapter=ADAPTER["name"], models=[ADAPTER])
    model = graph.add(
        "VaceAttachAdapter",
        "patch",
        model=plain["MODEL"],
        adapter=module["adapter"],
        vcu=seen["vcu"],
        vae=vae["VAE"],
    )
    words = graph.add("VaceEncodePrompt", "patch", clip=text["CLIP"], vcu=seen["vcu"])
    sampled = graph.add(
        "KSampler",
        "sample",
        model=model["model"],
        positive=words["positive"],
        negative=words["negative"],
        latent_image=model["latent"],
        seed=1,
        steps=30,
        cfg=5.0,
        sampler_name="uni_pc",
    )
    decoded = graph.add("VaceDecodeVideo", "decode", samples=sampled["LATENT"], vcu=seen["vcu"], vae=vae["VAE"])
    save(graph, decoded)
    return graph


def ltx() -> Graph:
    does = (
        "Generates a video with the outlines of another, on LTX-Video: smaller and faster than Wan, with the same "
        "nodes."
    )
    more = (
        "Choose your video in Load Video and write a prompt. The profile ltx in VACE Model finds the files and sets "
        "size, length and sampling; every other VACE task works the same way."
    )
    said = NOT_AT_ONCE.format(title="Scribble, with LTX-Video", does=does, files=links(LTX, T5), more=more)
    graph = Graph("VACE Scribble (LTX-Video)", said)
    clip = graph.add("LoadVideo", "load")
    parts = graph.add("GetVideoComponents", "input", video=clip["VIDEO"])
    task = graph.add(
        "VaceControlVideo",
        "task",
        images=parts["images"],
        fps=parts["fps"],
        kind="scribble",
        **fit(graph, profile="ltx"),
        prompt="a watercolour painting of a street in the rain, soft colours",
    )
    make(graph, task["vcu"], sound=parts["audio"])
    return graph


REFERENCED = (
    "Choose your reference image in Load Image, cut out or on white. VACE Decode Video removes the latent frames of "
    "reference images by itself."
)
FEW_STEPS = {"seed": 1, "steps": 8, "cfg": 1.0, "sampler_name": "uni_pc"}


def _person(graph: Graph) -> Node:
    """The preview of a VCU with a reference image of somebody."""
    picture = graph.add("LoadImage", "input")
    prompt = "a woman walks along the beach, the wind in her hair, evening light"
    task = graph.add("VaceReferenceToVideo", "task", references=picture["IMAGE"], **OWN, prompt=prompt)
    return graph.add("VacePreviewVCU", "look", vcu=task["vcu"])


def _loaders(graph: Graph, file: dict[str, str] = LARGE) -> tuple[Node, Node, Node]:
    """ComfyUI's own loaders of model, text encoder and VAE; that of the VAE on top, for it is needed furthest away."""
    vae = graph.add("VAELoader", "model", vae_name=VAE["name"], models=[VAE])
    model = graph.add("UNETLoader", "model", unet_name=file["name"], models=[file])
    return model, graph.add("CLIPLoader", "model", clip_name=TEXT["name"], models=[TEXT]), vae
