"""The workflows about models: an adapter on a base, ComfyUI's own loaders with LoRA, the stock sampler."""

from __future__ import annotations

from .graph_json import Graph, Node
from .parts import ADAPTER, BASE, LARGE, LORA, SIZE, TEXT, VAE, links, make, note, save

OWN = {"width": 832, "height": 480, "length": 81, "fps": 16.0}
NOT_AT_ONCE = (
    "## {title}\n\n{does}\n\n**This one needs real files; it does not run on the starter.** Put them into ComfyUI's "
    "folders:\n{files}\n\n{more}\n"
)


def adapter() -> Graph:
    does = (
        "A VACE adapter (also called VACE module) on a text-to-video model of Wan 2.1. One adapter serves every "
        "finetune of that model."
    )
    base = "The two loaders of the real model are asleep. Wake both with Ctrl+M.\n" + links(BASE, ADAPTER)
    graph = Graph("VACE Adapter on a Wan Base", note("Adapter on a base", does, base, sizes="Set size and length."))
    prompt = "a blue star moves up on a plain mint background"
    task = graph.add("VaceTextToVideo", "task", **SIZE, prompt=prompt)
    module = graph.add("VaceLoadAdapter", "task", muted=True, models=[ADAPTER], adapter=ADAPTER["name"])
    make(graph, task["vcu"], adapter=module["adapter"])
    return graph


def native() -> Graph:
    does = (
        "A VACE model from ComfyUI's own loaders, with a LoRA that makes 8 steps enough. GGUF, fp8, compiled and "
        "patched models go the same way."
    )
    more = "Put your picture into Load Image: the video begins with it."
    said = NOT_AT_ONCE.format(title="Native model with LoRA", does=does, files=links(LARGE, LORA, TEXT, VAE), more=more)
    graph = Graph("VACE Native Model with LoRA", said)
    picture = graph.add("LoadImage", "input")
    task = graph.add(
        "VaceExtendVideo",
        "task",
        first=picture["IMAGE"],
        length=81,
        fps=16.0,
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
    )
    decoded = graph.add("VaceDecodeVideo", "decode", samples=sampled["samples"], vcu=seen["vcu"], vae=model["model"])
    save(graph, decoded)
    return graph


def ksampler() -> Graph:
    does = (
        "A VACE unit through the stock KSampler: VACE Apply VCU makes positive, negative and latent of it, VACE Encode "
        "Prompt gives its prompts. Everything built on KSampler works with it."
    )
    title = "Native model with LoRA through KSampler"
    said = NOT_AT_ONCE.format(title=title, does=does, files=links(LARGE, LORA, TEXT, VAE), more=REFERENCED)
    graph = Graph("VACE Native Model with LoRA through KSampler", said)
    seen = _person(graph)
    plain, text, vae = _loaders(graph)
    lora = graph.add("LoraLoaderModelOnly", "patch", model=plain["MODEL"], lora_name=LORA["name"], models=[LORA])
    words = graph.add("VaceEncodePrompt", "patch", clip=text["CLIP"], vcu=seen["vcu"])
    unit = graph.add(
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
        positive=unit["positive"],
        negative=unit["negative"],
        latent_image=unit["latent"],
        **FEW_STEPS,
    )
    decoded = graph.add("VaceDecodeVideo", "decode", samples=sampled["LATENT"], vcu=seen["vcu"], vae=vae["VAE"])
    save(graph, decoded)
    return graph


def attached() -> Graph:
    does = (
        "A VACE adapter plugged into any text-to-video MODEL of Wan 2.1, for the stock KSampler: LoRA, GGUF, fp8 and "
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


REFERENCED = "Put your picture into Load Image, cut out or on white. VACE Decode Video drops the references by itself."
FEW_STEPS = {"seed": 1, "steps": 8, "cfg": 1.0, "sampler_name": "uni_pc"}


def _person(graph: Graph) -> Node:
    """The preview of a unit with a picture of somebody."""
    picture = graph.add("LoadImage", "input")
    prompt = "a woman walks along the beach, the wind in her hair, evening light"
    task = graph.add("VaceReferenceToVideo", "task", references=picture["IMAGE"], **OWN, prompt=prompt)
    return graph.add("VacePreviewVCU", "look", vcu=task["vcu"])


def _loaders(graph: Graph, file: dict[str, str] = LARGE) -> tuple[Node, Node, Node]:
    """ComfyUI's own loaders of model, text encoder and VAE."""
    return (
        graph.add("UNETLoader", "model", unet_name=file["name"], models=[file]),
        graph.add("CLIPLoader", "model", clip_name=TEXT["name"], models=[TEXT]),
        graph.add("VAELoader", "model", vae_name=VAE["name"], models=[VAE]),
    )
