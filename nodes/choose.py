"""The node with which a model is chosen once for a whole workflow: its files, and all that other nodes take from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from comfy_api.latest import io

from ..vace_core.errors import ModelError
from ..vace_core.inputs import fitting
from ..vace_core.loading.assembly import lora_changes
from ..vace_core.loading.choosing import ChosenFiles, choose_files
from ..vace_core.loading.lora import Lora
from ..vace_core.loading.profiles import Profile
from ..vace_core.models.devices import memory_of
from ..vace_core.preview.cost import ModelSizes
from ..vace_core.preview.plan import Job, advice, plan_job
from ..vace_core.preview.stated import sizes_of
from ..vace_core.starter import model as starter
from ..vace_core.starter.profiles import PROFILES
from .comfy import host, placement, sockets
from .comfy.chosen import ChosenModel
from .comfy.fitted import source_of
from .comfy.node import Node, captured_warnings
from .comfy.sockets import AdapterFile, LibraryModel, LoraStack
from .load import loaded, managed
from .lora import files_of, loras_input

FOLDERS = ("diffusion_models", "unet_gguf", "checkpoints", "model_patches", "vae", "text_encoders", "loras")

_made: WeakValueDictionary[tuple[Any, ...], ChosenModel] = WeakValueDictionary()
"""By all that decides what is loaded: profile, adapter, LoRAs, stamps of the files."""

_held: ContextVar[Mapping[str | None, Sequence[ChosenModel]] | None] = ContextVar("models held", default=None)
"""By profile, for the length of a job: ComfyUI lets go of what a node made before it runs it with another clip."""


class VaceChooseModel(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceChooseModel",
            "VACE Model",
            "One choice of model for a whole workflow. It finds the files of a profile in ComfyUI's folders by their "
            "contents, says which are missing, and decides size, length, steps, cfg, shift and sampler wherever a "
            "node leaves these to the model. Loaded when it is first used.",
            inputs=[
                io.Combo.Input(
                    "profile",
                    options=list(PROFILES),
                    default=starter.STARTER.name,
                    tooltip="; ".join(f"{name}: {one.title}" for name, one in PROFILES.items()) + ".",
                ),
                sockets.Adapter.Input(
                    "adapter", optional=True, tooltip="Used instead of the adapter that is found: VACE Load Adapter."
                ),
                loras_input("that are merged into the model and its adapter, beside that of the profile"),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="A clip that the plan is made for. Without it, for the size and length of the profile.",
                ),
            ],
            outputs=[
                sockets.Model.Output(
                    display_name="model",
                    tooltip="For the input model of every VACE node, and where these take a CLIP or VAE.",
                ),
                sockets.Adapter.Output(
                    display_name="adapter", tooltip="The VACE adapter alone: for VACE Attach Adapter."
                ),
            ],
            aliases=["model profile", "model preset", "wan vace", "ltx video", "starter model", "switch model"],
        )

    @classmethod
    def fingerprint_inputs(cls, profile: str | None, **others: Any) -> list[tuple[str, int, int]]:
        there = [one for one in _made.values() if profile in (None, one.profile.name)]
        _held.set({**(_held.get() or {}), profile: there})
        chosen = PROFILES.get(profile or "", starter.STARTER)
        try:
            return host.stamps(_starter_files() if not chosen.files else _chosen(chosen, None).all)
        except ModelError:
            return []

    @classmethod
    def execute(
        cls,
        profile: str,
        adapter: AdapterFile | None = None,
        loras: LoraStack | None = None,
        images: Any | None = None,
    ) -> io.NodeOutput:
        chosen, own = PROFILES[profile], None if adapter is None else adapter.path
        with captured_warnings() as warned:
            if chosen.files:
                files = _chosen(chosen, own)
                used = (*files.lora, *files_of(loras))
                lora_changes(used, files.bases, files.adapters)
                model = _chosen_model(chosen, files.all, own, used, lambda: _load(chosen, files, used))
                first, said = files.adapter, [f"Files: {', '.join(path.name for path in files.all)}."]
            else:
                first = own or starter.part_file(starter.WEIGHTS, "adapter")
                used = files_of(loras)
                lora_changes(used, [starter.part_file(starter.WEIGHTS, "base")], [first])
                model = _chosen_model(chosen, _starter_files(), own, used, lambda: _load_starter(chosen, own, used))
                said = ["It comes with this pack: no file is needed."]
        notes = [f"{chosen.title}.", *said, settings_note(chosen), plan_note(chosen, images), *warned]
        return host.output(cls, model, AdapterFile(path=first), notes=notes)


def _chosen_model(
    profile: Profile, files: Sequence[Path], adapter: Path | None, loras: Sequence[Lora], load: Callable[[], Any]
) -> ChosenModel:
    """The model of these files: the one that is there, loaded or not, as long as something holds it."""
    stamps = host.stamps([*files, *([] if adapter is None else [adapter]), *(one.path for one in loras)])
    key = (profile.name, adapter, tuple(loras), tuple(stamps))
    there = _made.get(key)
    if there is None:
        _held.set(None)  # or another model's weights stay in memory while this one's are read
        there = _made[key] = ChosenModel(profile=profile, load=load)
    return there


def _starter_files() -> list[Path]:
    return [starter.part_file(starter.WEIGHTS, part) for part in starter.PARTS]


def _chosen(profile: Profile, adapter: Path | None) -> ChosenFiles:
    """The files of a profile in ComfyUI's folders; headers are read once for the same files."""
    listed = {folder: [host.model_path(name, folder) for name in host.model_names(folder)] for folder in FOLDERS}
    paths = {path for some in listed.values() for path in some} | ({adapter} if adapter else set())
    stamps = tuple(sorted(host.stamps(sorted(paths))))
    return _found(profile.name, tuple((name, tuple(some)) for name, some in listed.items()), adapter, stamps)


@cache
def _found(
    profile: str, listed: tuple[tuple[str, tuple[Path, ...]], ...], adapter: Path | None, stamps: Sequence[Any]
) -> ChosenFiles:
    return choose_files(PROFILES[profile], dict(listed), adapter=adapter)


def _load(profile: Profile, files: ChosenFiles, loras: Sequence[Lora]) -> LibraryModel:
    paths = {"vae": files.vae, "text": files.text}
    return loaded(profile.family, profile.usual, files.bases, files.adapters, **paths, loras=loras, profile=profile)


def _load_starter(profile: Profile, adapter: Path | None, loras: Sequence[Lora]) -> LibraryModel:
    core = starter.load_starter(folder=starter.WEIGHTS, ops=placement.managed_layers(), lora=loras, adapter=adapter)
    return managed(core, profile.family, profile.usual, profile)


def settings_note(profile: Profile) -> str:
    """What the profile decides, in a line."""
    usual, (height, width) = profile.usual, profile.size
    shift = "a shift that grows with the clip" if usual.shift_growth else f"shift {usual.shift:g}"
    return (
        f"Sets fit to {width} x {height}, {profile.length} frames at {profile.rule.fps:g} fps; {usual.steps} steps of "
        f"{usual.solver}, cfg {usual.guidance_scale:g}, {shift}."
    )


def plan_note(profile: Profile, images: Any | None) -> str:
    """Whether a job fits on this device by the weights of the profile in 16 bits, and what it takes; computed."""
    size = (profile.length, *profile.size)
    if images is not None:
        clip = source_of(images, profile.rule.fps)
        fitted = fitting.plan(*clip.shape, profile.rule, fps=clip.fps)
        size = (fitted.num_frames, fitted.height, fitted.width)
    half = _sizes(profile.name, torch.bfloat16, torch.bfloat16).experts[0].total
    transformer, pixels = placement.dtypes(half // torch.bfloat16.itemsize, profile.family.dtypes)
    sizes = _sizes(profile.name, transformer, pixels)
    options = profile.usual
    job = Job(size=size, steps=options.steps, passes=1 + options.is_guided + (options.stg_scale != 0))
    found = plan_job(sizes, job, memory_of(placement.network_device()))
    said = "; ".join(f"{name}: {value}" for name, value in found.rows() if name in ("device", "plan"))
    return f"{job}, {said}." + ("" if found.fits else f" {advice(sizes, job, found.memory)}")


@cache
def _sizes(profile: str, dtype: torch.dtype, vae_dtype: torch.dtype) -> ModelSizes:
    return sizes_of(PROFILES[profile], dtype=dtype, vae_dtype=vae_dtype)
