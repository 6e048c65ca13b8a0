"""Examples as latents on disk: encoded once, in shards, so that a stopped run goes on with the shard it was in."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from ...context import encode_context
from ...errors import InputError
from ...files import strict_json
from ...files.safetensors_format import SafetensorsFile, save
from ...protocols import EncodeMasks, VideoVae
from ..state import check_recipe
from .example import Example, Examples, stack_units

log = logging.getLogger("vace")

SHARD = 64
MOST_WAITING = 1 << 30  # bytes of drawn clips that wait until they are encoded together
ITEMS, SKIPPED, CACHE = "items", "skipped", "cache"


@dataclass(frozen=True, kw_only=True)
class Item:
    """What is known of one example without reading its latents.

    Attributes:
        number: Of the example.
        name: As in `Example`.
        task: As in `Example`.
        prompts: As in `Example`.
        references: How many latent frames in front are references.
        fps: Frames per second.
        size: `(t, h, w)` of the video's latents, references not counted.
    """

    number: int
    name: str
    task: str
    prompts: tuple[str, ...]
    references: int
    fps: float
    size: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """How examples become latents.

    Attributes:
        vae: Encodes clips and pictures.
        encode_masks: How the base's adapters see masks; None = no contexts are made, for training a base.
        together: Small clips that are encoded at once, which keeps a processor busy.
        vae_file: What tells the file of the VAE from others; caches that another one made are refused. "" = the folder
            is known to be of one VAE.
    """

    vae: VideoVae
    encode_masks: EncodeMasks | None
    together: int = 1
    vae_file: str = ""

    @torch.no_grad()
    def encode(self, examples: Sequence[Example]) -> dict[int, dict[str, Tensor]]:
        """`target` `(C, R+t, h, w)` and, with contexts, `context` `(C', R+t, h, w)` of each, by place."""
        found: dict[int, dict[str, Tensor]] = {}
        for alike in self._alike(examples):
            unit = stack_units([examples[place].unit for place in alike])
            video = self.vae.encode(torch.cat([examples[place].target for place in alike]))
            if self.encode_masks is None:
                pictures = [self.vae.encode(picture) for picture in unit.references]
                context = None
            else:
                context = encode_context(unit, self.vae, self.encode_masks)
                # The target of a reference is the reference itself, which is its inactive half.
                pictures = [context[:, : video.shape[1], : unit.num_references]]
            targets = torch.cat([*pictures, video], dim=2)
            for row, place in enumerate(alike):
                found[place] = {"target": targets[row]} | ({} if context is None else {"context": context[row]})
        return found

    def _alike(self, examples: Sequence[Example]) -> Iterator[list[int]]:
        """Places of examples whose units can be stacked, as many at once as may be."""
        groups: dict[tuple[object, ...], list[int]] = {}
        for place, example in enumerate(examples):
            unit = example.unit
            kind = (unit.source is None, unit.control is None, unit.num_references, unit.roles.shape, unit.fps)
            groups.setdefault(kind, []).append(place)
        for group in groups.values():
            for start in range(0, len(group), self.together):
                yield group[start : start + self.together]


class Cache:
    """Latents of many examples in one folder, float16.

    Attributes:
        items: What is known of each.
        skipped: What could not be used and why, by number of the example; another clip may have taken its place.
    """

    def __init__(self, folder: Path) -> None:
        self.items: list[Item] = []
        self.skipped: dict[int, list[str]] = {}
        self._shards: list[tuple[SafetensorsFile, str]] = []
        for path in sorted(folder.glob("examples-*.safetensors")):
            file = SafetensorsFile(path)
            told = strict_json.parse_table(file.metadata.get(ITEMS, ""))
            for number, entry in told.get(ITEMS, {}).items():
                entry = entry | {"prompts": tuple(entry["prompts"]), "size": tuple(entry["size"])}
                self.items.append(Item(**entry))
                self._shards.append((file, number))
            self.skipped |= {int(number): reasons for number, reasons in told.get(SKIPPED, {}).items()}

    def read(self, place: int) -> tuple[Tensor, Tensor | None]:
        """Target `(C, R+t, h, w)` and context `(C', R+t, h, w)` of the item at `place`, float32."""
        file, number = self._shards[place]
        context = f"{number}.context"
        return file.read(f"{number}.target").float(), file.read(context).float() if context in file.tensors else None


class Some(Cache):
    """Those examples of a cache that are wanted."""

    def __init__(self, whole: Cache, wanted: Callable[[Item], bool]) -> None:
        self._whole = whole
        self._places = [place for place, item in enumerate(whole.items) if wanted(item)]
        self.items = [whole.items[place] for place in self._places]
        self.skipped = whole.skipped

    def read(self, place: int) -> tuple[Tensor, Tensor | None]:
        return self._whole.read(self._places[place])


def fill_cache(
    folder: Path,
    examples: Examples,
    numbers: Sequence[int],
    encoder: Encoder,
    *,
    process: int = 0,
    processes: int = 1,
    late: Callable[[], bool] | None = None,
) -> bool:
    """Encodes the examples of these numbers into `folder`; shards that are there are left as they are.

    Args:
        process: Which of `processes` this one is; they divide the shards between them.
        late: Whether to leave the rest for another call, asked after each shard that was encoded; None = never.

    Returns:
        Whether all shards of this process are there.

    Raises:
        InputError: the folder holds a cache of something else, cannot be written, or has too little space for the
            examples that are left, said after the first shard.
    """
    if not numbers:
        return True
    identity = {"examples": examples.identity, "contexts": encoder.encode_masks is not None}
    wanted = identity | {"numbers": f"{len(numbers)} from {numbers[0]}"}
    wanted |= {"VAE file": encoder.vae_file} if encoder.vae_file else {}
    every = range(0, len(numbers), SHARD)
    shards, asked = every[process::processes], False
    for shard in tqdm(shards, desc=f"encoding {folder.name}", mininterval=5, disable=process > 0):
        path = folder / f"examples-{shard // SHARD:05}.safetensors"
        if path.exists():
            check_recipe(path, strict_json.parse_table(SafetensorsFile(path).metadata.get(CACHE, "")), wanted)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        tensors, metadata = _shard(examples, numbers[shard : shard + SHARD], encoder)
        save(path, tensors, metadata | {CACHE: json.dumps(wanted)})
        if not asked:
            _check_disk(folder, len(every))
            asked = True
        if shard != shards[-1] and late is not None and late():
            log.info("%s is encoded in part, and the same command goes on there", folder)
            return False
    return True


def _check_disk(folder: Path, shards: int) -> None:
    """Accepts a folder with room for the shards that are lacking, judged by those that are there."""
    sizes = [path.stat().st_size for path in folder.glob("examples-*.safetensors")]
    left = max(shards - len(sizes), 0)
    needed, free = left * sum(sizes) / len(sizes), shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            "disk-full-examples",
            "{folder} has {free:.1f} GiB of free space. About {needed:.1f} GiB are needed for the {count} examples "
            "that are not encoded yet. Free some space, or begin in another folder, with fewer data.examples.",
            folder=folder,
            free=free / 2**30,
            needed=needed / 2**30,
            count=left * SHARD,
        )


def _shard(examples: Examples, numbers: Sequence[int], encoder: Encoder) -> tuple[dict[str, Tensor], dict[str, str]]:
    waiting, skipped = dict[int, Example](), dict[int, Sequence[str]]()
    tensors, items = dict[str, Tensor](), dict[str, dict[str, object]]()
    for number in numbers:
        try:
            waiting[number] = example = examples.draw(number)
            reasons = example.left_out
        except InputError as error:
            reasons = [str(error)]
        if reasons:
            log.warning("left out: %s", " ".join(reasons))
            skipped[number] = reasons
        if number == numbers[-1] or sum(example.target.nbytes for example in waiting.values()) > MOST_WAITING:
            _encode(waiting, encoder, tensors, items)
            waiting.clear()
    return tensors, {ITEMS: json.dumps({ITEMS: items, SKIPPED: skipped})}


def _encode(
    examples: Mapping[int, Example],
    encoder: Encoder,
    tensors: dict[str, Tensor],
    items: dict[str, dict[str, object]],
) -> None:
    """Adds the latents of examples to `tensors`, and what is known of them to `items`."""
    order = list(examples)
    for place, latents in sorted(encoder.encode(list(examples.values())).items()):
        number, example = order[place], examples[order[place]]
        tensors |= {f"{number}.{kind}": value.half() for kind, value in latents.items()}
        references = example.unit.num_references
        frames, *sides = latents["target"].shape[1:]
        item = Item(
            number=number,
            name=example.name,
            task=example.task,
            prompts=example.prompts,
            references=references,
            fps=example.unit.fps,
            size=(frames - references, sides[0], sides[1]),
        )
        items[str(number)] = asdict(item)
