"""The running ComfyUI's API: files, devices, progress, interruption, its own models.

The only file that imports it, beside `comfy_api`. Every import is inside the function that needs it, and what can be
done without is done without, so that the rest of the pack runs and is tested where no ComfyUI is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor, nn

from ...vace_core.errors import InputError, ModelError, shortened
from ...vace_core.models import FAMILIES
from ...vace_core.models.text import truncation_warning

log = logging.getLogger("vace")

PADDING = 0  # number of the token that T5 and umT5 fill prompts up with


SUFFIXES = (".safetensors", ".sft", ".gguf")  # what is never unpickled


@contextmanager
def asked_for() -> Generator[None, None, None]:
    """Around imports that have no replacement.

    Raises:
        ModelError: this ComfyUI does not have it.
    """
    try:
        yield
    except ImportError as error:
        raise ModelError(
            "comfyui-too-old",
            "This ComfyUI lacks a part that VACE works with ({error}). ComfyUI 0.3.64 or newer is needed, and "
            "one that this version of the pack knows. Update ComfyUI and the pack.",
            error=error,
        ) from error


# Files


def model_names(*folders: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """The files in ComfyUI's model folders of these names; a folder that nobody registered is empty."""
    try:
        from folder_paths import folder_names_and_paths, get_filename_list
    except ImportError:
        return []
    names = [name for folder in folders if folder in folder_names_and_paths for name in get_filename_list(folder)]
    return [name for name in dict.fromkeys(names) if name.lower().endswith(suffixes)]


MODELS = ("diffusion_models", "unet_gguf", "checkpoints")
"""The folders that video models lie in."""


def model_path(name: str, *folders: str) -> Path:
    """The file of that name in one of ComfyUI's model folders, never outside of them.

    Raises:
        ModelError: it is not there.
    """
    with asked_for():
        from folder_paths import folder_names_and_paths, get_full_path
    for folder in folders:
        path = get_full_path(folder, name) if folder in folder_names_and_paths else None
        if path is not None:
            return Path(path)
    raise ModelError(
        "model-file-missing",
        'The file "{name}" is not in ComfyUI\'s model folder {folders}. It is needed there. Put it into '
        "that folder and press R, or choose another file.",
        name=shortened(name),
        folders=folders[0],
    )


def models_folder(name: str) -> Path | None:
    """ComfyUI's model folder of that name, registered or simply there; None if it is not."""
    try:
        import folder_paths
    except ImportError:
        return None
    known = folder_paths.folder_names_and_paths
    places = known[name][0] if name in known else [Path(folder_paths.models_dir) / name]
    return next((Path(place) for place in places if Path(place).is_dir()), None)


def file_in(kind: str, subfolder: str, name: str) -> Path:
    """A file of ComfyUI's input, output or temp folder, never outside of them.

    Raises:
        InputError: it is outside, or not there.
    """
    with asked_for():
        from folder_paths import get_directory_by_type
    folder = get_directory_by_type(kind)
    base = None if folder is None else os.path.abspath(folder)
    path = None if base is None else os.path.abspath(os.path.join(base, subfolder, name))
    inside = base is not None and path is not None and os.path.commonpath((base, path)) == base
    if path is None or not inside or not os.path.isfile(path):
        raise InputError(
            "clip-file",
            'The file "{name}" is not in ComfyUI\'s folder {folder}. A file of its input, output or temp folder is '
            "needed. Choose the clip again.",
            name=shortened(f"{subfolder}/{name}" if subfolder else name),
            folder=shortened(kind),
        )
    return Path(path)


def load_images(kind: str, subfolder: str, name: str) -> Tensor:
    """A picture or animation as Load Image gives it: IMAGE."""
    with asked_for():
        from nodes import LoadImage
    return LoadImage().load_image(f"{subfolder}/{name} [{kind}]" if subfolder else f"{name} [{kind}]")[0]


def load_video(path: Path) -> Any:
    """A video as Load Video gives it: VIDEO."""
    with asked_for():
        from comfy_api.latest import InputImpl
    return InputImpl.VideoFromFile(str(path))


def prompt_server() -> Any | None:
    """ComfyUI's server; None where none runs."""
    try:
        from server import PromptServer
    except ImportError:
        return None
    server = getattr(PromptServer, "instance", None)
    return server if hasattr(server, "routes") else None  # scripts that stand in for it have none


def stamps(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """File stamps: what changes when a file is replaced under its name."""
    found = [(path, path.stat()) for path in paths if path.is_file()]
    return [(str(path), stat.st_mtime_ns, stat.st_size) for path, stat in found]


def stamps_of(named: Iterable[tuple[str | None, Sequence[str]]]) -> list[tuple[str, int, int]]:
    """Those of names in model folders. A name that is linked is None here: ComfyUI itself sees when it changes."""
    return stamps([model_path(name, *folders) for name, folders in named if name is not None])


# What is said and shown


CLIP_OF_DESK = "vace_clip"  # pictures of some frames of the clip that was drawn on
BEHIND_BOXES = "vace_picture"  # what the editor of boxes draws over; frontends would show "images" a second time


def output(
    cls: Any,
    *values: Any,
    notes: Sequence[str] = (),
    images: Tensor | None = None,
    shown_as: str = "images",
    more: Mapping[str, Any] | None = None,
) -> io.NodeOutput:
    """The result of a node, with notes shown in the node, an image if there is one, and `more` for its editor."""
    return io.NodeOutput(*values, ui={**(_shown(cls, notes, images, shown_as) or {}), **(more or {})} or None)


def waiting(
    cls: Any,
    reason: str,
    *,
    notes: Sequence[str],
    picture: Tensor | None = None,
    more: Mapping[str, Any] | None = None,
) -> io.NodeOutput:
    """No result yet, but an image to draw on, or `more` for an editor; nodes after this one stop with `reason`."""
    shown = {**(_shown(cls, (*notes, reason), picture, BEHIND_BOXES) or {}), **(more or {})}
    return io.NodeOutput(None, ui=shown, block_execution=reason)


def _shown(cls: Any, notes: Sequence[str], images: Tensor | None, shown_as: str) -> dict[str, Any] | None:
    shown: dict[str, Any] = {} if images is None else dict(ui.PreviewImage(images, cls=cls).as_dict())
    if images is not None and shown_as != "images":
        shown = {shown_as: shown["images"]}
    if notes:
        shown["text"] = ("\n".join(notes),)
    return shown or None


def check_interrupt() -> None:
    """Stops the job if the user asked for it."""
    try:
        from comfy.model_management import throw_exception_if_processing_interrupted
    except ImportError:
        return
    throw_exception_if_processing_interrupted()


class Progress:
    """ComfyUI's bar on the running node. Every call also stops the job if the user asked for it."""

    def __init__(self) -> None:
        try:
            from comfy.utils import ProgressBar
        except ImportError:
            self._bar = None
        else:
            self._bar = ProgressBar(1)

    def __call__(self, done: int, total: int, picture: Any = None) -> None:
        check_interrupt()
        if self._bar is not None:
            self._bar.update_absolute(done, total, None if picture is None else ("JPEG", picture, 512))


def rgb_factors(latent_format: str) -> tuple[Tensor, Tensor] | None:
    """`(C, 3)` and `(3,)`: ComfyUI's rough colours of latents, by the name of their format; None where it has none."""
    try:
        from comfy import latent_formats
    except ImportError:
        return None
    kind = getattr(latent_formats, latent_format, None)
    found = None if kind is None else kind()
    if found is None or found.latent_rgb_factors is None or found.latent_rgb_factors_bias is None:
        return None
    return torch.tensor(found.latent_rgb_factors), torch.tensor(found.latent_rgb_factors_bias)


# Devices and memory


# ComfyUI's own models


def load_diffusion_model(path: Path) -> Any | None:
    """A transformer as Load Diffusion Model gives it; None without ComfyUI."""
    try:
        from comfy.sd import load_diffusion_model
    except ImportError:
        return None
    return load_diffusion_model(str(path))


def load_clip(path: Path, kind: str) -> Any:
    """A text encoder as ComfyUI loads it.

    Args:
        path: Of the file.
        kind: Name of one of ComfyUI's CLIPType, which decides what it makes of the file.
    """
    with asked_for():
        from comfy.sd import CLIPType, load_clip
        from folder_paths import get_folder_paths
    return load_clip([str(path)], embedding_directory=get_folder_paths("embeddings"), clip_type=CLIPType[kind])


def tokens(clip: Any, prompt: str) -> Any:
    """A prompt as tokens of a CLIP, cut to what the base was trained with; the log says so."""
    found = clip.tokenize(prompt)
    return {name: _within(some, name) for name, some in found.items()} if isinstance(found, dict) else found


def conditioning(clip: Any, prompt: str) -> Any:
    """A prompt as ComfyUI's CONDITIONING, cut as `tokens` says."""
    return clip.encode_from_tokens_scheduled(tokens(clip, prompt))


def _within(sections: Any, encoder: str) -> Any:
    """ComfyUI's tokens of a prompt, cut as the bases' own code cuts them: the end token stays."""
    kind = next((family.text for family in FAMILIES if encoder == f"{family.text.name.lower()}xxl"), None)
    if kind is None or len(sections) != 1:
        return sections
    tokens = list(sections[0])
    while len(tokens) > kind.max_tokens and tokens[-1][0] == PADDING:
        tokens.pop()
    most = kind.max_tokens - 1
    if len(tokens) <= kind.max_tokens:
        return sections
    log.warning(truncation_warning(len(tokens) - 1, kind))
    return [[*tokens[:most], tokens[-1]]]


def text_encoder_name(clip: Any) -> str:
    """What ComfyUI calls the encoder in a CLIP, "umt5xxl" or "t5xxl" say; "" if it does not tell."""
    return str(getattr(getattr(clip, "cond_stage_model", None), "clip_name", ""))


def with_values(conditioning: Any, values: dict[str, list[Any]]) -> Any:
    """A CONDITIONING with more in it; lists are appended to those it has, and nothing is changed in place."""
    return [
        [text, {**said, **{name: [*said.get(name, []), *value] for name, value in values.items()}}]
        for text, said in conditioning
    ]


def has_vace(model: Any) -> bool:
    """Whether a MODEL has VACE's context blocks."""
    return hasattr(network_of(model), "vace_patch_embedding")


def network_of(model: Any) -> Any:
    """The network of a MODEL, without what torch.compile put around it."""
    network = model.get_model_object("diffusion_model")
    return getattr(network, "_orig_mod", network)


def add_wrapper(model: Any, kind: str, name: str, wrapper: Callable[..., Any]) -> None:
    """Puts something around one kind of ComfyUI's calls, on a MODEL that is our own clone."""
    with asked_for():
        from comfy.patcher_extension import WrappersMP
    model.add_wrapper_with_key(getattr(WrappersMP, kind), name, wrapper)


def has_wrapper(model: Any, kind: str, name: str) -> bool:
    """Whether `add_wrapper` was called for a MODEL with this kind and name."""
    with asked_for():
        from comfy.patcher_extension import WrappersMP
    return bool(model.get_wrappers(getattr(WrappersMP, kind), name))


def wan_classes() -> tuple[type[nn.Module], type[nn.Module]] | None:
    """ComfyUI's Wan and its block; None without ComfyUI."""
    try:
        from comfy.ldm.wan.model import WanAttentionBlock, WanModel
    except ImportError:
        return None
    return WanModel, WanAttentionBlock


def ltx_classes() -> tuple[type[nn.Module], type[nn.Module]] | None:
    """ComfyUI's LTXV and its block; None without ComfyUI."""
    try:
        from comfy.ldm.lightricks.model import BasicTransformerBlock, LTXVModel
    except ImportError:
        return None
    return LTXVModel, BasicTransformerBlock


def with_wrapper(model: Any, wrapper: Callable[..., Any]) -> Any:
    """A MODEL with something around every call of its network; the one given is not changed."""
    with asked_for():
        from comfy.patcher_extension import WrappersMP
    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "vace", wrapper)
    return clone


def reads_negative(model: Any) -> bool:
    """Whether a MODEL reads the negative prompt at a guidance scale of 1 too, as some nodes have it."""
    return bool(model.model_options.get("disable_cfg1_optimization", False))


def guided(
    model: Any,
    positive: Any,
    negative: Any,
    cfg: float,
    run: Callable[..., Tensor],
    levels: Sequence[float],
    noise: Tensor,
    latents: Tensor,
    seed: int,
) -> Tensor:
    """ComfyUI's own sampling with our solver: raw latents."""
    with asked_for():
        from comfy.samplers import KSAMPLER, CFGGuider
    guider = CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    samples = guider.sample(noise, latents, KSAMPLER(run), torch.tensor(levels), seed=seed, disable_pbar=True)
    return samples.to("cpu")
