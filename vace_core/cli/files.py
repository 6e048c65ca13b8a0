"""The files of a model: those that were given, and those in its folder or beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files.checkpoint import open_checkpoint
from ..loading.detection import identify
from ..loading.inspect import find_pair, inspect
from ..loading.load import find_part
from ..loading.lora import Lora
from ..models.family import Family
from ..sampling.guidance import PAIR_BOUNDARY
from ..starter.model import WEIGHTS, is_starter_folder, part_file
from .options import Run, Wanted

STARTER_NAME = "starter"


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where the parts of a model are.

    Attributes:
        base: The transformer.
        adapter: None = the base alone.
        vae: The VAE.
        text: The text encoder; None = the starter's words.
        low_noise: The second transformer of a pair, of which `base` is then the one for high noise.
        low_noise_adapter: Its adapter.
        is_starter: Whether it is the starter or laid out like it.
        lora: What is merged into transformers and adapters.
    """

    base: Path
    adapter: Path | None
    vae: Path
    text: Path | None
    low_noise: Path | None = None
    low_noise_adapter: Path | None = None
    is_starter: bool = False
    lora: tuple[Lora, ...] = ()

    def rows(self, boundary: float) -> list[tuple[str, str]]:
        """Which LoRA are used, and which file acts at which noise level where the model is or looks like a pair."""
        rows: list[tuple[str, str]] = [("LoRA", "; ".join(map(str, self.lora)))] if self.lora else []
        if self.low_noise is None:
            noise = inspect(self.base).noise
            other = "the other one of its pair was not found"
            why = "for the pair give the high-noise one as --model" if noise == "low" else other
            alone = f"{self.base}, for all noise levels: {why}"
            return rows if noise is None else [*rows, (f"{noise} noise", alone)]
        rows += [("high noise", str(self.base)), ("low noise", f"{self.low_noise}, below noise level {boundary:g}")]
        if self.low_noise_adapter not in (None, self.low_noise):
            rows += [("adapters", f"{self.adapter} and {self.low_noise_adapter}")]
        return rows

    @property
    def bases(self) -> list[Path]:
        """The transformers, that for high noise first."""
        return [path for path in (self.base, self.low_noise) if path is not None]

    @property
    def adapters(self) -> list[Path]:
        """Their adapters."""
        return [path for path in (self.adapter, self.low_noise_adapter) if path is not None]


def starter_folder(model: str) -> Path | None:
    """The folder of the starter, or of a model that is laid out like it; None if `model` is another one."""
    if model == STARTER_NAME:
        return WEIGHTS
    return Path(model) if is_starter_folder(Path(model)) else None


def names_no_file(wanted: Wanted) -> bool:
    """Whether a profile of a model that does not ship was chosen, and no file of it."""
    return wanted.profile not in (None, STARTER_NAME) and wanted.model == STARTER_NAME


def find_files(wanted: Wanted, run: Run) -> Files:
    """The files of the chosen model.

    Raises:
        InputError: a part is neither in the model's folder nor given, or given for nothing; or as `loras`.
        ModelError: a file is missing or damaged.
    """
    if folder := starter_folder(wanted.model):
        if run.low_noise is not None:
            raise InputError(
                "starter-low-noise",
                "The starter is one network for all noise levels, but --low-noise was given. It needs a model in "
                "two networks. Leave it out.",
            )
        _check_boundary(run, None)
        vae, base, adapter = (part_file(folder, part) for part in ("vae", "base", "adapter"))
        return Files(
            base=base, adapter=run.adapter or adapter, vae=run.vae or vae, text=None, is_starter=True, lora=loras(run)
        )
    path = Path(wanted.model)
    base, low_noise = (path, run.low_noise) if run.low_noise else _experts(path)
    find_part(base, "base")  # before what it lacks is asked for
    _check_boundary(run, low_noise)
    adapter, low_noise_adapter = _adapters(base, low_noise, run)
    vae = run.vae or (path if (path / "vae").is_dir() or _has_vae(base) else None)
    if vae is None:
        raise _missing(path, "VAE", "--vae")
    beside = (folder for folder in (path, path.parent) if (folder / "text_encoder").is_dir())
    text = wanted.text_encoder or next(beside, None)
    if text is None:
        raise _missing(path, "text encoder", "--text-encoder")
    return Files(
        base=base,
        adapter=adapter,
        vae=vae,
        text=None if text == STARTER_NAME else Path(text),
        low_noise=low_noise,
        low_noise_adapter=low_noise_adapter,
        lora=loras(run),
    )


def loras(run: Run) -> tuple[Lora, ...]:
    """The LoRA files that were given, and how they are used.

    Raises:
        InputError: a strength is no finite number.
    """
    return tuple(map(Lora.parse, run.lora or ()))


def is_pair(wanted: Wanted, run: Run) -> bool:
    """Whether the chosen model is two networks, one for high noise and one for low."""
    path = Path(wanted.model)
    return run.low_noise is not None or (path.exists() and _experts(path)[1] is not None)


def family_of(model: str) -> Family | None:
    """The model family in a file or folder; None if there is nothing.

    Raises:
        ModelError: it is damaged, or no model that is known.
    """
    path = Path(model)
    return identify(open_checkpoint(_experts(path)[0])).family if path.exists() else None


def _check_boundary(run: Run, low_noise: Path | None) -> None:
    if low_noise is None and run.boundary != PAIR_BOUNDARY:
        raise InputError(
            "boundary-without-pair",
            "--boundary is {boundary:g}, and the model is one network for all noise levels. A pair is needed, of which "
            "the second takes over there. Leave it out, or give that one as --low-noise.",
            boundary=run.boundary,
        )


def _has_vae(path: Path) -> bool:
    """Whether a file has a VAE in it too."""
    return identify(open_checkpoint(path), "vae").kind == "vae"


def _experts(path: Path) -> tuple[Path, Path | None]:
    """The network for high noise, or for all of it, and the one for low noise if there are two."""
    pair = find_pair(path)
    return (path, None) if pair is None else (pair.high_noise, pair.low_noise)


def _adapters(base: Path, low_noise: Path | None, run: Run) -> tuple[Path | None, Path | None]:
    """The adapter of each network: in a file of its own, or in that of the network."""
    if run.strength == 0 and run.adapter is None:
        return None, None
    high, low = _experts(run.adapter) if run.adapter else (_holding(base), low_noise and _holding(low_noise))
    if high is None:
        raise _missing(base, "VACE adapter", "--adapter")
    if low_noise is not None and low is None:
        raise InputError(
            "low-noise-adapter",
            "The low-noise model {low_noise} comes without a VACE adapter. One is needed. Give that for high "
            "noise as --adapter, and put that for low noise beside it, named the same with low instead of high.",
            low_noise=low_noise,
        )
    return high, low if low_noise else None


def _holding(path: Path) -> Path | None:
    """`path`, if it holds an adapter."""
    return path if inspect(path).kind == "vace" else None


def _missing(path: Path, what: str, option: str) -> InputError:
    return InputError(
        "part-missing",
        "The model {path} comes without a {what}. One is needed. Give its file or folder as {option}.",
        path=path,
        what=what,
        option=option,
    )
