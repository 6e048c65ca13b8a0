"""The files of a profile among those that are there: told by their headers, never by their names alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import ModelError
from ..files.checkpoint import Part, open_checkpoint
from ..sampling.presets import DISTILLED
from .assembly import lora_changes
from .detection import Found, identify
from .inspect import noise_of
from .lora import Lora
from .profiles import Profile, ProfileFile

FEW_STEPS = ("lightx2v", "distill", "lightning")
"""Words of the names of LoRA that were distilled for few steps, which nothing in their headers tells."""


@dataclass(frozen=True, kw_only=True)
class ChosenFiles:
    """The files of one model.

    Attributes:
        base: The transformer, or that for high noise.
        adapter: Holds its adapter; often the same file.
        low_noise: The transformer for low noise of a pair.
        low_noise_adapter: Holds that one's adapter.
        vae: The VAE; may be the file of the transformer.
        text: The text encoder.
        lora: What the profile needs merged.
    """

    base: Path
    adapter: Path
    vae: Path
    text: Path
    low_noise: Path | None = None
    low_noise_adapter: Path | None = None
    lora: tuple[Lora, ...] = ()

    @property
    def bases(self) -> list[Path]:
        return [path for path in (self.base, self.low_noise) if path is not None]

    @property
    def adapters(self) -> list[Path]:
        return [path for path in (self.adapter, self.low_noise_adapter) if path is not None]

    @property
    def all(self) -> list[Path]:
        """Each file once."""
        paths = [*self.bases, *self.adapters, self.vae, self.text, *(lora.path for lora in self.lora)]
        return list(dict.fromkeys(paths))


def choose_files(
    profile: Profile, folders: Mapping[str, Iterable[Path]], *, adapter: Path | None = None
) -> ChosenFiles:
    """The files of a profile.

    A transformer with its adapter in one file is preferred; a base and an adapter in files of their own do as well. Of
    several files that fit, the one whose name is most like that of the released file is taken.

    Args:
        profile: One that needs files.
        folders: The files that are there, by the name of the folder of ComfyUI's models that they lie in.
        adapter: Used instead of any adapter that is found.

    Raises:
        ModelError: files are missing; all of them are named.
    """
    search = _Search(profile, {name: list(paths) for name, paths in folders.items()}, adapter)
    chosen = {file.part: search.of(file) for file in profile.files if file.part != "lora"}
    base, low_noise = chosen["base"], chosen.get("low-noise base")
    missing = [file for file in profile.files if file.part in chosen and chosen[file.part] is None]
    lora = next((file for file in profile.files if file.part == "lora"), None)
    found = None
    if lora is not None:
        found = None if base is None else search.lora(lora, base)
        missing += [] if found or (base is None and search.named(lora)) else [lora]
    if missing or base is None:
        raise ModelError(
            "profile-files-missing",
            "The profile {profile} lacks {count} of its {total} files, such as {missing}. All of them are needed. Put "
            "them there and press R, or choose another profile.",
            profile=profile.name,
            count=len(missing),
            total=len(profile.files),
            missing="; ".join(map(str, missing)),
        )
    vae, text = chosen.get("vae", base), chosen["text"]
    assert vae is not None
    assert text is not None
    return ChosenFiles(
        base=base[0],
        adapter=base[1],
        low_noise=None if low_noise is None else low_noise[0],
        low_noise_adapter=None if low_noise is None else low_noise[1],
        vae=vae[0],
        text=text[0],
        lora=() if found is None else (found,),
    )


Pair = tuple[Path, Path]  # a base and the file of its adapter; of other parts the same file twice


class _Search:
    def __init__(self, profile: Profile, folders: Mapping[str, Sequence[Path]], adapter: Path | None) -> None:
        self.profile, self.folders, self.adapter = profile, folders, adapter

    def of(self, file: ProfileFile) -> Pair | None:
        """The file of a part; None = there is none."""
        if file.part in ("base", "low-noise base"):
            return self._transformer(file)
        part: Part = "vae" if file.part == "vae" else "text_encoder"
        fits = self._is_vae if part == "vae" else self._is_text
        found = self._first(file, self._paths(file.folder), fits, part)
        return None if found is None else (found, found)

    def _transformer(self, file: ProfileFile) -> Pair | None:
        noise = {"base": "high", "low-noise base": "low"}[file.part] if self.profile.is_pair else None

        def is_one(kinds: tuple[str, ...]) -> Callable[[Path, Found], bool]:
            def fits(path: Path, found: Found) -> bool:
                return found.kind in kinds and self._has_size(found) and noise_of(found.weights.file) == noise

            return fits

        paths = self._paths(file.folder, "unet_gguf", "checkpoints")
        if self.adapter is not None:
            base = self._first(file, paths, is_one(("base", "vace")))
            return None if base is None else (base, self.adapter)
        if whole := self._first(file, paths, is_one(("vace",))):
            return whole, whole
        base = self._first(file, paths, is_one(("base",)))
        if base is None:
            return None
        adapter = self._first(file, self._paths(file.folder, "model_patches", "unet_gguf"), is_one(("adapter",)))
        return None if adapter is None else (base, adapter)

    def lora(self, file: ProfileFile, base: Pair) -> Lora | None:
        """A LoRA of few steps that fits the base."""
        strength = DISTILLED["lightx2v-4"].strengths[0]
        for path in self.named(file):
            one = Lora(path=path, strength=strength)
            try:
                lora_changes([one], [base[0]], [base[1]], say=False)
            except ModelError:
                continue
            return one
        return None

    def named(self, file: ProfileFile) -> list[Path]:
        """The LoRA that say by their names that they are for few steps, the likeliest first."""
        paths = [path for path in self._paths(file.folder) if any(word in path.name.lower() for word in FEW_STEPS)]
        return sorted(paths, key=lambda path: _unlike(path.name, file.released))

    def _paths(self, *folders: str) -> list[Path]:
        return list(dict.fromkeys(path for folder in folders for path in self.folders.get(folder, ())))

    def _first(
        self,
        file: ProfileFile,
        paths: Iterable[Path],
        fits: Callable[[Path, Found], bool],
        part: Part = "transformer",
    ) -> Path | None:
        """The first that fits; a file that cannot be read fits nothing, whatever else lies in the folder."""
        for path in sorted(paths, key=lambda path: _unlike(path.name, file.released)):
            try:
                stat = path.stat()
                if fits(path, _identified(path, part, stat.st_mtime_ns, stat.st_size)):
                    return path
            except (ModelError, OSError):
                continue
        return None

    def _has_size(self, found: Found) -> bool:
        family, wanted = self.profile.family, self.profile.base
        if found.family is not family:
            return False
        if "base" in found.parts:
            sizes = family.base_sizes(found.weights)
            return (sizes.width, sizes.layers) == (wanted.width, wanted.layers)
        return family.adapter_sizes(found.weights)[0].width == wanted.width

    def _is_vae(self, path: Path, found: Found) -> bool:
        return found.kind == "vae" and found.family is self.profile.family

    def _is_text(self, path: Path, found: Found) -> bool:
        return found.kind == "text" and found.family.text.name == self.profile.family.text.name


@lru_cache(maxsize=128)
def _identified(path: Path, part: Part, *stamp: int) -> Found:
    """What a file holds; a file with the same stamp is read once."""
    return identify(open_checkpoint(path, part), part)


def _unlike(name: str, released: str) -> tuple[bool, int, str]:
    """Sorts names by how many words they share with the released one's."""
    words, wanted = (set(re.findall(r"[a-z]+|[0-9.]+", one.lower())) for one in (name, released))
    return name != released, -len(words & wanted), name
