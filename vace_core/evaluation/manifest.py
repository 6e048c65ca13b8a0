"""What is asked of every method: a manifest of samples, of VACE-Benchmark in both its forms or of one's own clips.

A manifest is JSON, with paths relative to its own folder:

    {"samples": [{"name": "sample000001", "task": "inpainting", "prompt": "…", "rewritten": "…", "kind": "real",
                  "video": "data/sample000001_raw_video.mp4", "source": "data/sample000001_src_video.mp4",
                  "mask": "data/sample000001_src_mask.mp4", "control": "…", "references": ["…"]}]}

Only `name` is needed. Where a folder has no manifest, one is made of what lies in it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from ..errors import InputError, shortened
from ..files import strict_json
from ..files.replacing import is_within, replacing
from ..media.sources import VIDEOS
from ..media.stills import PICTURES

FILE = "manifest.json"
UNKNOWN = "unknown"
CLIPS = "clips"
PATHS = ("video", "source", "mask", "control")
KINDS = ("real", "generated", "")
_FLAT = re.compile(r"(.+)_(raw_video|src_video|src_mask)")
_PARTS = {"raw_video": "video", "src_video": "source", "src_mask": "mask"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_CONTROLS = {"gray": {"gray", "grey", "grayscale", "greyscale"}, "scribble": {"scribble", "scribbles"},
             "flow": {"flow"}, "depth": {"depth"}, "pose": {"pose", "poses", "openpose", "dwpose"},
             "layout": {"layout"}}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Item:
    """One sample.

    Attributes:
        name: By which its result is found.
        task: Its type, a row of the table.
        prompt: The caption of the original clip, for measuring.
        rewritten: The prompt for the task, for being creative.
        kind: Whether its source is "real" or "generated"; "" = not said.
        video: The original clip.
        source: What is edited, or the control where the task is one.
        mask: Where something is generated.
        control: What is followed.
        references: Pictures of what is to appear.
    """

    name: str
    task: str = UNKNOWN
    prompt: str = ""
    rewritten: str = ""
    kind: str = ""
    video: Path | None = None
    source: Path | None = None
    mask: Path | None = None
    control: Path | None = None
    references: tuple[Path, ...] = ()

    @property
    def control_kind(self) -> str | None:
        """Which control the task follows, by a whole word of its name ("flower" is no flow); None if it is none."""
        words = {word.lower() for word in _WORD.findall(self.task)}
        return next((kind for kind, marks in _CONTROLS.items() if words & marks), None)

    @property
    def followed(self) -> Path | None:
        """The file of the control."""
        return self.control or (self.source if self.control_kind else None)

    @property
    def edited(self) -> Path | None:
        """The file of which a part is kept."""
        return None if self.mask is None or (self.control_kind and not self.control) else self.source


def read_manifest(path: Path) -> list[Item]:
    """The samples of a manifest, or of a folder with or without one, by name.

    Args:
        path: A .json, or a folder: with a manifest.json; of VACE-Benchmark, flat (`NAME_raw_video.mp4`,
            `NAME_src_video.mp4`, `NAME_src_mask.mp4`, here or in `data/`) or in class folders (`CLASS/src_video.mp4`,
            `CLASS/src_mask.mp4`, `CLASS/src_ref_image_N.png`); or of clips, which then are samples without a source.

    Raises:
        InputError: there is nothing, it is no manifest, or it names a file outside of its folder.
    """
    if path.is_dir():
        return read_manifest(path / FILE) if (path / FILE).is_file() else _scanned(path)
    try:
        with path.open("rb") as file:
            said = strict_json.parse(file.read(strict_json.MAX_JSON + 1))
    except (OSError, ValueError) as error:
        raise InputError(
            "manifest-unread",
            "The manifest {path} cannot be read ({error}). JSON with a list of samples is needed, or a folder of "
            "clips. Check the path and the file.",
            path=path,
            error=str(error).splitlines()[0],
        ) from error
    table = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    samples = table.get("samples")
    if not isinstance(samples, list) or not samples:
        raise _wrong(path, 'there is no list of "samples"')
    found = [_item(path, one) for one in cast("list[Any]", samples)]
    names = [item.name for item in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise _wrong(path, f"{len(twice)} names occur twice, such as {shortened(min(twice))}")
    return found


def write_manifest(path: Path, items: list[Item]) -> None:
    """Writes a manifest, whole or not at all, to be completed by hand.

    Raises:
        InputError: it cannot be written, or files of the samples are not in its folder, so that it could not be read.
    """
    folder = path.parent.resolve()

    def plain(value: object) -> object:
        if isinstance(value, tuple):
            return [plain(one) for one in cast("tuple[object, ...]", value)]
        if isinstance(value, Path):
            if not value.resolve().is_relative_to(folder):
                raise InputError(
                    "manifest-elsewhere",
                    "The manifest {path} would name {file}, which is not in its folder. A manifest lies in the folder "
                    "of its samples or above it. Choose another place.",
                    path=path,
                    file=value,
                )
            return value.resolve().relative_to(folder).as_posix()
        return value

    always = ("prompt", "rewritten", "kind")  # so that one sees what to fill in
    samples = [
        {
            one.name: plain(getattr(item, one.name))
            for one in fields(item)
            if getattr(item, one.name) or one.name in always
        }
        for item in items
    ]
    with replacing(path) as part:
        part.write_text(json.dumps({"samples": samples}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _item(path: Path, said: Any) -> Item:
    if not isinstance(said, dict):
        raise _wrong(path, "a sample is no table")
    table = cast("dict[str, Any]", said)
    known = {one.name for one in fields(Item)}
    if unknown := sorted(set(table) - known):
        raise _wrong(
            path, f"a sample has the unknown entry {shortened(unknown[0])}; known are {', '.join(sorted(known))}"
        )
    name = table.get("name")
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise _wrong(path, f"a sample has the name {shortened(name)}, which no file can have")
    words = {key: table.get(key, "") for key in ("prompt", "rewritten", "kind")}
    words["task"] = table.get("task", UNKNOWN)
    references = table.get("references", [])
    if not all(isinstance(word, str) for word in words.values()) or not isinstance(references, list):
        raise _wrong(path, f"sample {shortened(name)}: texts and a list of references are needed")
    if words["kind"] not in KINDS:
        raise _wrong(path, f"sample {shortened(name)}: its kind is {shortened(words['kind'])}, not real or generated")
    files = {key: _path(path, name, table[key]) for key in PATHS if table.get(key) is not None}
    return Item(
        name=name,
        **words,
        **cast("Any", files),
        references=tuple(_path(path, name, one) for one in cast("list[Any]", references)),
    )


def _path(manifest: Path, name: str, said: Any) -> Path:
    """A file that a manifest names: within its folder, so that no manifest reads what its user did not hand over."""
    folder = manifest.parent
    if not isinstance(said, str) or not is_within(folder / said, folder):
        raise _wrong(
            manifest, f"sample {shortened(name)} names {shortened(said)}, which is not in the manifest's folder"
        )
    return folder / said


def _wrong(path: Path, problem: str) -> InputError:
    return InputError(
        "manifest-wrong",
        "The manifest {path} cannot be used: {problem}. Samples with a name, a task and files in its folder are "
        "needed. Correct it.",
        path=path,
        problem=problem,
    )


def _scanned(folder: Path) -> list[Item]:
    for found in (_flat(folder), _flat(folder / "data"), _classes(folder), _clips(folder)):
        if found:
            return found
    raise InputError(
        "clips-none",
        "The folder {folder} holds no videos that are known. A manifest.json, VACE-Benchmark or a folder of clips is "
        "needed. Check the path.",
        folder=folder,
    )


def _flat(folder: Path) -> list[Item]:
    samples: dict[str, dict[str, Path]] = {}
    for file in _films(folder):
        if match := _FLAT.fullmatch(file.stem):
            samples.setdefault(match[1], {})[_PARTS[match[2]]] = file
    return [Item(name=name, **cast("Mapping[str, Any]", files)) for name, files in sorted(samples.items())]


def _classes(folder: Path) -> list[Item]:
    found: list[Item] = []
    for place in sorted(one for one in folder.iterdir() if one.is_dir()):
        films = {file.stem: file for file in _films(place)}
        files: dict[str, Any] = {_PARTS[stem]: file for stem, file in films.items() if stem in _PARTS}
        pictures = tuple(sorted(file for file in place.glob("src_ref_image*") if file.suffix.lower() in PICTURES))
        if files or pictures:
            found.append(Item(name=place.name, task=place.name, references=pictures, **files))
    return found


def _clips(folder: Path) -> list[Item]:
    films = _films(folder)
    stems = Counter(file.stem for file in films)
    # fox.mp4 and fox.mov may lie side by side.
    return [Item(name=file.stem if stems[file.stem] == 1 else file.name, task=CLIPS) for file in films]


def _films(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in VIDEOS and not file.name.startswith("."))
