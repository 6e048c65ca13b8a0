"""The windows of a long clip in the folder of a job: a film of each that is done, and what its neighbours need."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..files.jobs.folder import FILM, JobFolder
from ..files.replacing import replacing
from ..media.footage import Footage
from ..media.joined import Joined, taken
from ..media.ranges import Cut
from ..media.reader import VideoReader
from ..media.write import write_video
from ..sampling.plan_text import read_plan, write_plan
from ..sampling.windows import Plan
from .anchor import Colours
from .windowed import HandOver, MadeWindow

PLAN_FILE = "windows.json"
PLAYLIST = "windows.m3u"
_BEGIN = "begin"
_HEAD, _HANDED, _LATENTS, _MEAN, _SPREAD = "head", "handed", "latents", "mean", "spread"


class KeptWindows:
    """Windows as they are done, on disk: none is made twice, and memory does not grow with their number.

    A window is a film without loss of 16 bits, which players show while others are made, and a stage of the folder:
    the latents that it handed over, and its edges as they were to the bit while a neighbour is still to be made.

    Args:
        folder: The job's.
        plan: The windows. What the folder's own plan says of their prompts, references, strengths and seeds goes
            before it: that file may be edited before a window is made again.
        together: Whether the windows of a shot are made together, and kept as one under the number of its first.

    Attributes:
        plan: The plan that counts.

    Raises:
        InputError: the plan in the folder is damaged, or of other windows.
    """

    def __init__(self, folder: JobFolder, plan: Plan, *, together: bool = False) -> None:
        self.folder, self.plan = folder, plan
        self._numbers = [first for first, _ in plan.shots] if together else list(range(len(plan)))
        path = folder.path / PLAN_FILE
        if path.is_file():
            self.plan = read_plan(path)
            if _spans(self.plan) != _spans(plan):
                raise InputError(
                    "job-other-windows",
                    "The plan {path} has other windows than the job that it belongs to. Prompts, references, strengths "
                    "and seeds may be changed there; begins, ends and overlaps are needed as they were. Put them back, "
                    "or begin a new job.",
                    path=path,
                )
        else:
            write_plan(path, plan)
        self._torn = set[int]()
        self._find_torn()

    @property
    def done(self) -> list[int]:
        """Numbers of the windows that are done."""
        stages = set(self.folder.stages())
        return [number for number in self._numbers if _name(number) in stages and number not in self._torn]

    @property
    def left(self) -> list[int]:
        """Numbers of those that are still to be made."""
        done = set(self.done)
        return [number for number in self._numbers if number not in done]

    def keep(self, made: MadeWindow) -> None:
        """Keeps a window that is done, in place of what was kept of it before.

        Raises:
            InputError: it cannot be written.
        """
        tensors = {_HEAD: made.head} if made.head.shape[2] else dict[str, Tensor]()
        if made.handed is not None:
            tensors[_HANDED] = made.handed.frames
            if made.handed.latents is not None:
                tensors[_LATENTS] = made.handed.latents
            if made.handed.first is not None:
                tensors |= {_MEAN: made.handed.first.mean, _SPREAD: made.handed.first.spread}
        self._keep_film(made)
        self.folder.keep(_name(made.number), tensors, {_BEGIN: str(made.begin)})
        self._torn.discard(made.number)
        for number in {made.number, *self._beside(made.number)}.intersection(self.done):
            if not self._beside(number).intersection(self.left):
                self._trim(number)

    def replace(self, made: MadeWindow) -> None:
        """Keeps the frames of a window that was made again, alone; what it handed over stays.

        Raises:
            InputError: it cannot be written.
        """
        tensors, begin = self._kept(made.number)
        if begin != made.begin:
            self.folder.keep(_name(made.number), tensors, {_BEGIN: str(made.begin)})
        self._keep_film(made)

    def edit(self, plan: Plan) -> None:
        """Keeps another plan of the same windows.

        Raises:
            InputError: it cannot be written.
        """
        write_plan(self.folder.path / PLAN_FILE, plan)
        self.plan = plan

    def forget(self, numbers: Iterable[int]) -> None:
        """Has windows made anew."""
        for number in numbers:
            self.folder.drop(_name(number))

    def edges(self, anew: Collection[int] = ()) -> dict[int, MadeWindow]:
        """The windows that are done, as `pipeline.long.stream` takes them: of each what its neighbours need of it.

        Args:
            anew: Windows that are to be made anew though they are done, which count as not done.

        Raises:
            InputError: a file is damaged or gone.
        """
        left = {*self.left, *anew}
        return {number: self._edges(number, left) for number in self.done if number not in left}

    def handed(self, number: int) -> HandOver | None:
        """What a window that is done handed over; None = nothing.

        Raises:
            InputError: a file is damaged or gone.
        """
        shared, end = self.plan.shared_with_next(number), self.plan.windows[number].end
        if not shared or number + 1 == len(self.plan):
            return None
        tensors = self._kept(number)[0]
        frames = tensors.get(_HANDED)
        first = Colours(mean=tensors[_MEAN], spread=tensors[_SPREAD]) if _MEAN in tensors else None
        frames = self.frames(end - shared, end) if frames is None else frames
        return HandOver(frames=frames, latents=tensors.get(_LATENTS), first=first)

    def frames(self, begin: int, end: int) -> Tensor:
        """`(1, 3, n, H, W)`: frames of the whole clip, of windows that are done.

        Raises:
            InputError: they are not done, or a file is damaged or gone.
        """
        found = [torch.empty(1, 3, 0, 1, 1)] if begin >= end else list[Tensor]()
        for number in self.done if begin < end else ():
            start, film = self._kept(number)[1], self._film(number)
            first, last = max(begin, start), min(end, start + film.count)
            if start <= begin and first < last:
                found.append(taken(film, first - start, last - start))
                begin = last
        if begin < end:
            raise self._gone(self.folder.path, f"frames {begin} to {end - 1} are not there")
        return torch.cat(found, dim=2)

    def film(self) -> Footage:
        """All windows as one film.

        Raises:
            InputError: one is not done, or a file is damaged or gone.
        """
        if self.left:
            raise self._gone(self.folder.path, f"window {self.left[0]} is not done")
        films: list[Footage] = []
        reached = 0
        for number in self._numbers:
            begin, film = self._kept(number)[1], self._film(number)
            if begin + film.count > reached:  # one that was made after the next one ends with frames of that
                films.append(Cut(film, reached - begin, None) if begin < reached else film)
                reached = begin + film.count
        if reached != self.plan.num_frames:
            raise self._gone(self.folder.path, f"there are {reached} of {self.plan.num_frames} frames")
        return Joined(films, self.plan.fps)

    def _find_torn(self) -> None:
        """Finds the windows of which the film is gone, and those behind that begin with frames that went with it.

        They count as not done. Their files stay, so that one that was only elsewhere can be put back.
        """
        self._torn.update(number for number in self.done if not self._film_path(number).is_file())
        for number in self.done:
            window, before = self.plan.windows[number], number - 1
            if window.overlap and before not in self.done:
                tensors, begin = self._kept(number)
                if _HEAD not in tensors and begin > window.begin:
                    self._torn.add(number)

    def _edges(self, number: int, left: Collection[int]) -> MadeWindow:
        nothing = torch.empty(1, 3, 0, 1, 1)
        if not self._beside(number).intersection(left):
            return MadeWindow(number=number, begin=0, frames=nothing, head=nothing, handed=None)
        tensors, begin = self._kept(number)
        head = tensors.get(_HEAD)
        if head is None:
            window, plan = self.plan.windows[number], self.plan
            wrapped = plan.shared_with_next(len(plan) - 1) if plan.loop and not number else 0
            head = self.frames(window.begin, window.begin + max(window.overlap, wrapped))
        return MadeWindow(number=number, begin=begin, frames=nothing, head=head, handed=self.handed(number))

    def _beside(self, number: int) -> set[int]:
        """The windows before and behind one, which need its edges while they are still to be made."""
        around = {number - 1, number + 1}
        return {one % len(self.plan) for one in around} if self.plan.loop else around

    def _trim(self, number: int) -> None:
        """Lets go of the edges of a window: what they show is in its film."""
        tensors, begin = self._kept(number)
        small = {name: tensor for name, tensor in tensors.items() if name not in (_HEAD, _HANDED)}
        if len(small) < len(tensors):
            self.folder.keep(_name(number), small, {_BEGIN: str(begin)})

    def _kept(self, number: int) -> tuple[dict[str, Tensor], int]:
        kept = self.folder.kept(_name(number))
        if kept is None or not kept.said.get(_BEGIN, "").isdecimal():
            raise self._gone(self.folder.path, f"window {number} is not done")
        return kept.tensors, int(kept.said[_BEGIN])

    def _keep_film(self, made: MadeWindow) -> None:
        write_video(self._film_path(made.number), made.frames.cpu(), fps=self.plan.fps, lossless=True, bits=16)
        write_playlist(self.folder.path / PLAYLIST, sorted({*self.done, made.number}))

    def _film_path(self, number: int) -> Path:
        return self.folder.path / f"{_name(number)}{FILM}"

    def _film(self, number: int) -> Footage:
        path = self._film_path(number)
        if not path.is_file():
            raise self._gone(path, "there is no such file")
        return VideoReader(path)

    def _gone(self, path: Path, why: str) -> InputError:
        return InputError(
            "job-window-gone",
            "The windows of the job cannot be read from {path}: {why}. All of them are needed as they were kept. Put "
            "the file back, or go on with the job by vace resume, which makes what is missing.",
            path=path,
            why=why,
        )


def write_playlist(path: Path, numbers: Iterable[int]) -> None:
    """Writes a list of the windows that are done, which players show one after the other.

    Raises:
        InputError: it cannot be written.
    """
    with replacing(path) as part:
        part.write_text("".join(f"{_name(number)}{FILM}\n" for number in numbers), encoding="utf-8")


def _name(number: int) -> str:
    return f"window-{number:04d}"


def _spans(plan: Plan) -> list[tuple[int, int, int]]:
    return [(window.begin, window.end, window.overlap) for window in plan.windows]
