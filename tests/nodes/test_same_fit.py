"""A clip is fitted alike by the command and by the nodes: what they build from the same files is equal to the bit.

Every case runs the command's own function on files and the node on what ComfyUI makes of those files. `VACE_FIT=all`
runs a longer grid.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from filling import fill
from PIL import Image
from refused import refused
from safetensors.torch import save_file
from torch import Tensor

from vace_core.inputs import fitted, fitting
from vace_core.media.write import write_video
from vace_core.models.ltx import dit as ltx

command = pytest.importorskip("vace_core.cli.tasks", reason="the command needs typer and rich")
options = pytest.importorskip("vace_core.cli.options")
inputs = pytest.importorskip("vace_core.cli.inputs")

FITS = ("480p", "LTX-Video", "starter", "480p, all frames", "starter, all frames")
FPS = 16.0
LONG = os.environ.get("VACE_FIT") == "all"
LENGTH = 17  # of a result; 4n + 1 and 8n + 1
EXTENDED = 97 if LONG else LENGTH
TALL, WIDE, ODD, EVEN = (96, 40), (40, 96), (45, 67), (64, 64)  # H, W
SHAPES = (TALL, WIDE, ODD, EVEN)
COUNTS = (1, 2, 5, 17, 20, 33) if LONG else (1, 5, 6)
ENDS = (1, 5, 10, 20, 33) if LONG else (1, 10)
BORDERS = ((0.1, 0, 0, 0), (0.5, 0.5, 0, 0), (0, 0.25, 0.3, 0))
KEEPS = (None, 1, 5, 6, 50)
LARGE = ((832, 480), (480, 832), (1280, 720), (1920, 1080), (640, 640), (100, 70), (64, 64), (1024, 430))
LONG_COUNTS = (1, 5, 17, 49, 81, 100, 300)
PLANNED_BORDERS = ((0, 0, 0, 0), *BORDERS, (0, 0.25, 0, 0), (0.25, 0.25, 0.25, 0.25))
SIDES = ("left", "right", "top", "bottom")
OF_CLIPS = ("inpaint", "swap", "outpaint", "gray", "scribble", "flow", "depth", "pose")
PATHS = json.dumps({"version": 1, "paths": [{"keys": [
    {"time": 0.0, "x": 0.25, "y": 0.5, "width": 0.25, "height": 0.5},
    {"time": 1.0, "x": 0.75, "y": 0.5, "width": 0.25, "height": 0.5},
]}]})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one case gives to the command or to a node; what is in `files` is a name of `Files`."""

    name: str
    files: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


class Files:
    """Clips, pictures and masks, each as a file and as the IMAGE or MASK that ComfyUI makes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[tuple[Any, ...], tuple[Path, Tensor]] = {}

    def __call__(self, kind: str, *what: Any) -> tuple[Path, Tensor]:
        key = (kind, *what)
        if key not in self.known:
            self.known[key] = getattr(self, f"_{kind}")(*what)
        return self.known[key]

    def path(self, key: tuple[Any, ...]) -> Path:
        return self(*key)[0]

    def tensor(self, key: tuple[Any, ...]) -> Tensor:
        return self(*key)[1]

    def _clip(self, count: int, size: tuple[int, int], seed: int = 0) -> tuple[Path, Tensor]:
        pixels = torch.randint(0, 256, (count, *size, 3), generator=_generator(seed), dtype=torch.uint8)
        if count == 1:
            return self._saved(pixels[0]), pixels.float() / 255
        path = self.folder / f"{len(self.known)}.mkv"
        write_video(path, pixels.permute(3, 0, 1, 2)[None].float() / 127.5 - 1, fps=FPS, lossless=True)
        return path, pixels.float() / 255

    def _transparent(self, size: tuple[int, int]) -> tuple[Path, Tensor]:
        pixels = torch.randint(0, 256, (*size, 4), generator=_generator(3), dtype=torch.uint8)
        return self._saved(pixels), pixels[None].float() / 255

    def _hard(self, size: tuple[int, int]) -> tuple[Path, Tensor]:
        """A disc off the centre, with a pixelated edge."""
        return self._mask(torch.where(_distances(*size) < 0.35, 255, 0))

    def _soft(self, size: tuple[int, int]) -> tuple[Path, Tensor]:
        """The same with a wide soft edge."""
        return self._mask(((0.6 - _distances(*size)) * 2.5).clamp(0, 1).mul(255).round())

    def _moving(self, size: tuple[int, int], count: int) -> tuple[Path, Tensor]:
        """A mask of its own for every frame, as a video."""
        frames = torch.stack([torch.where(_distances(*size, shift=n / 20) < 0.3, 255, 0) for n in range(count)])
        path = self.folder / f"{len(self.known)}.mkv"
        pixels = frames.to(torch.uint8)[..., None].expand(-1, -1, -1, 3)
        write_video(path, pixels.permute(3, 0, 1, 2)[None].float() / 127.5 - 1, fps=FPS, lossless=True)
        return path, frames.float() / 255

    def _paths(self) -> tuple[Path, Tensor]:
        path = self.folder / "paths.json"
        path.write_text(PATHS)
        return path, torch.empty(0)

    def _mask(self, levels: Tensor) -> tuple[Path, Tensor]:
        levels = levels.to(torch.uint8)
        return self._saved(levels), levels[None].float() / 255

    def _saved(self, pixels: Tensor) -> Path:
        path = self.folder / f"{len(self.known)}.png"
        Image.fromarray(pixels.numpy()).save(path)
        return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the command is given as --model for each fit of the nodes."""
    folder = tmp_path_factory.mktemp("ltx")
    sizes = ltx.LtxSizes(width=64, ffn=256, layers=1, text_width=32)
    save_file(dict(fill(ltx.LtxDit(sizes)).state_dict()), folder / "ltx.safetensors")
    names = {"480p": str(folder / "not there"), "LTX-Video": str(folder / "ltx.safetensors"), "starter": "starter"}
    return names | {f"{name}, all frames": path for name, path in names.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("files"))


def inpainted(fit: str) -> Iterator[tuple[Side, Side]]:
    for size, count in product(SHAPES, COUNTS):
        small = (size[0] // 2, size[1] // 2) if size != ODD else (90, 134)
        for mask in (("hard", size), ("soft", size), ("moving", size, count), ("soft", small)):
            given = {"mask": mask}
            yield (
                Side(name="inpaint", files={"clip": ("clip", count, size), **given}),
                Side(name="VaceInpaintVideo", files={"images": ("clip", count, size), **given}),
            )


def swapped(fit: str) -> Iterator[tuple[Side, Side]]:
    for size, picture in product(SHAPES, (("clip", 1, (30, 50), 1), ("transparent", (50, 30)))):
        clip, mask = ("clip", 5, size), ("soft", size)
        yield (
            Side(name="swap", files={"clip": clip, "mask": mask, "reference": picture}),
            Side(name="VaceSwapAnything", files={"images": clip, "mask": mask, "references": picture}),
        )


def outpainted(fit: str) -> Iterator[tuple[Side, Side]]:
    for size, count, border in product(SHAPES, COUNTS, BORDERS):
        sides = dict(zip(SIDES, border, strict=True))
        yield (
            Side(name="outpaint", files={"clip": ("clip", count, size)}, values={"sides": sides}),
            Side(name="VaceOutpaintVideo", files={"images": ("clip", count, size)}, values=sides),
        )


def extended(fit: str) -> Iterator[tuple[Side, Side]]:
    for size, count, keep in product(SHAPES if LONG else (WIDE, ODD), ENDS, KEEPS):
        first, last = ("clip", count, size), ("clip", 6, size, 1)
        for given in ({"first": first}, {"last": first}, {"first": first, "last": last}):
            named = {"clip" if name == "first" else name: clip for name, clip in given.items()}
            yield (
                Side(name="extend", files=named, values={"length": EXTENDED, "fps": FPS, "keep": keep}),
                Side(name="VaceExtendVideo", files=given, values={"length": EXTENDED, "keep": keep or 0}),
            )


def controlled(fit: str) -> Iterator[tuple[Side, Side]]:
    for size, count, kind in product(SHAPES, COUNTS, ("gray", "depth", "pose")):
        clip, named = ("clip", count, size), "clip" if kind == "gray" else "maps"
        yield (
            Side(name=kind, files={named: clip}),
            Side(name="VaceControlVideo", files={"images": clip}, values={"kind": kind}),
        )
    for size, kind in product((WIDE, ODD), ("gray", "scribble", "flow")):
        clip, mask = ("clip", 9, size), ("soft", size)
        yield (
            Side(name=kind, files={"clip": clip, "mask": mask}),
            Side(name="VaceControlVideo", files={"images": clip, "mask": mask}, values={"kind": kind}),
        )


def stills(fit: str) -> Iterator[tuple[Side, Side]]:
    whole = {"length": LENGTH, "fps": FPS}
    for size in SHAPES:
        picture = ("clip", 1, size)
        yield (
            Side(name="move", files={"photo": picture, "path": ("paths",)}, values=whole),
            Side(name="VaceMoveAnything", files={"image": picture}, values={"paths": PATHS, "length": LENGTH}),
        )
        for border in BORDERS:
            sides = dict(zip(SIDES, border, strict=True))
            yield (
                Side(name="expand", files={"photo": picture}, values={**whole, "sides": sides}),
                Side(name="VaceExpandAnything", files={"image": picture}, values={**sides, "length": LENGTH}),
            )
        yield (
            Side(name="keyframes", files={"0": picture, "9": ("clip", 1, size, 1)}, values=whole),
            Side(
                name="VacePlaceKeyframes",
                files={"images": picture, "more": ("clip", 1, size, 1)},
                values={"positions": "0, 9", "length": LENGTH},
            ),
        )


GROUPS: tuple[Callable[[str], Iterator[tuple[Side, Side]]], ...] = (
    inpainted, swapped, outpainted, extended, controlled, stills,
)  # fmt: skip


def asked(side: Side, files: Files, model: str, fit: str) -> Any:
    """The request that the command makes of a case."""
    values = dict(side.values)
    wanted = options.Wanted(model=model, length=values.pop("length", None), fps=values.pop("fps", None))
    given: dict[str, Any] = {name: files.path(key) for name, key in side.files.items()}
    pictures = options.References(reference=[given.pop("reference")] if "reference" in given else None)
    if side.name == "keyframes":
        return command.keyframes([f"{index}={path}" for index, path in given.items()], wanted=wanted)
    if "path" in given:
        given["paths"] = options.Paths(path=[str(given.pop("path"))])
    if "sides" in values:
        values["sides"] = options.Sides(**{name: str(amount) for name, amount in values["sides"].items()})
    if side.name not in ("inpaint", "outpaint", "extend", "move"):
        given["pictures"] = pictures
    if side.name in OF_CLIPS:
        part: Any = options.Part if side.name in ("depth", "pose") else partial(options.EditPart, put_back=False)
        part = partial(options.KeptPart, put_back=False) if side.name == "outpaint" else part
        given["part"] = part(fit=options.FitName("all-frames" if fit.endswith("all frames") else "official"))
    if side.name == "extend":
        given["back"] = options.PutBack(put_back=False)
    return getattr(command, side.name)(**given, **values, wanted=wanted)


def built(run: Any, side: Side, files: Files, fit: str, fps: float) -> tuple[Any, ...]:
    """What the node returns for a case."""
    given = {name: files.tensor(key) for name, key in side.files.items()}
    if "more" in given:
        given["images"] = torch.cat([given["images"], given.pop("more")])
    return run(side.name, **given, **side.values, fit=fit, fps=fps).result


def differences(first: Any, second: Any) -> list[str]:
    """The parts of two units that are not equal to the bit."""
    parts = [*(one.name for one in fields(first)), "frames", "masks"]
    return [name for name in parts if not _same(getattr(first, name), getattr(second, name))]


def rest_in_bytes(rest: Any) -> Tensor | None:
    """What the command writes before or after a unit."""
    if rest is None:
        return None
    return torch.cat(list(rest.chunks()))


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
@pytest.mark.parametrize("fit", FITS)
def test_the_command_and_the_nodes_build_equal_units(run, files, models, fit, group):
    differing = dict[str, list[str]]()
    for of_command, of_node in group(fit):
        request = asked(of_command, files, models[fit], fit)
        still = all(files.tensor(key).shape[0] == 1 for name, key in of_command.files.items() if name != "mask")
        usual = inputs.profile_of(options.Wanted(model=models[fit])).rule.fps
        vcu, *more = built(run, of_node, files, fit, usual if still and "fps" not in of_command.values else FPS)
        found = differences(request.vcu, vcu)
        if of_command.name == "extend":
            for name, ours, image in zip(("before", "after"), (request.before, request.after), more, strict=True):
                shown = None if image is None else image.mul(255).round().to(torch.uint8)
                found += [] if _same(rest_in_bytes(ours), shown) else [name]
        if found:
            differing[f"{of_command} | {of_node}"] = found
    assert differing == {}


def test_there_are_cases_enough():
    assert sum(1 for fit, group in product(FITS, GROUPS) for _ in group(fit)) >= 600


@pytest.mark.parametrize("fit", FITS)
def test_large_clips_are_planned_alike(pack, models, fit):
    part = options.Part(fit=options.FitName("all-frames" if fit.endswith("all frames") else "official"))
    theirs, of_command = pack.vace_core.inputs.fitted, inputs.target_of(options.Wanted(model=models[fit]), part)
    of_command = replace(of_command, any_length=False)  # what is too long for one pass goes by windows there
    of_node = pack.nodes.comfy.fitted.target_of(fit)
    for (width, height), count, border in product(LARGE, LONG_COUNTS, PLANNED_BORDERS):
        frames = torch.zeros(1, dtype=torch.uint8).expand(count, height, width, 3)  # takes no memory
        growth = fitting.growth(*border)
        ours = planned(fitted, frames, of_command, growth)
        assert ours == planned(theirs, frames, of_node, growth), (width, height, count, border)


def planned(library: Any, frames: Tensor, target: Any, growth: float) -> Any:
    """The plan, or what is said of a clip that is too long for one pass."""
    try:
        return asdict(library.plan_of(library.Source(frames=frames, fps=FPS), target, growth=growth))
    except Exception as error:
        return refused(error)


def test_a_border_does_not_cost_frames_that_have_room(models):
    frames = torch.zeros(1, dtype=torch.uint8).expand(81, 480, 832, 3)
    target = inputs.target_of(options.Wanted(model=models["480p"]))
    assert fitted.plan_of(fitted.Source(frames=frames, fps=FPS), target, growth=1.1).num_frames == 81


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    return type(first) is type(second) and first == second


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _distances(height: int, width: int, shift: float = 0.0) -> Tensor:
    """How far each pixel is from a point off the centre, as a ratio of the sides."""
    y, x = torch.linspace(0, 1, height)[:, None] - 0.4, torch.linspace(0, 1, width)[None] - 0.55 - shift
    return (x.square() + y.square()).sqrt()
