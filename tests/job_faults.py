"""Jobs of the command that are killed, or whose disk fills up or is closed, at a given stage; and resumed."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import io
import json
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import like_starter
import torch
from forked import forked
from typer.main import get_command
from typer.testing import CliRunner
from video_files import encode, noise

from vace_core.cli import app
from vace_core.media.pictures import write_image
from vace_core.media.planes import stored_planes
from vace_core.media.reader import VideoReader
from vace_core.sampling import kept

COMMAND = get_command(app)  # made once: that takes a quarter of a small job
STEPS = 3
HEIGHT, WIDTH, COUNT = 32, 48, 9
DISK = 2 << 20  # bytes of the disk that fills up

# By stage: what is called there, of a module; and which call it is.
STAGES: dict[str, tuple[str, str, int]] = {
    "reading": ("vace_core.media.reader", "VideoReader.pictures", 1),
    "loading the model": ("vace_core.cli.run", "load", 1),
    "encoding": ("vace_core.pipeline", "encode_context", 1),
    **{f"step {n}": ("vace_core.sampling.kept", "KeptSteps.keep", n) for n in range(1, STEPS + 1)},
    "keeping step 2": ("vace_core.files.jobs.folder", "save", 2),
    "decoding": ("vace_core.models.wan.vae_stream", "WanVae.decode", 1),
    "putting back": ("vace_core.inputs.put_back", "put_back", 1),
    "writing": ("vace_core.cli.run", "write_result", 1),
    "writing, half way": ("vace_core.media.encoder", "FilmEncoder.add", 2),
    "confirming": ("vace_core.cli.run", "confirm", 1),
}
TASKS: dict[str, list[str]] = {
    "text": ["text", "-p", "a red circle", "--length", "5", "--solver", "unipc"],
    "gray": ["gray", "{clip}", "--end", "5f", "--solver", "euler"],
    "inpaint, put back": ["inpaint", "{clip}", "--mask", "{mask}", "--end", "5f", "--solver", "dpm++"],
    "inpaint, UniPC": ["inpaint", "{clip}", "--mask", "{mask}", "--end", "5f", "--solver", "unipc", "--feather", "3"],
    "extend": ["extend", "{clip}", "--keep", "5", "--length", "9", "--solver", "unipc"],
}
KILL, INTERRUPT, FULL, CLOSED = "killed", "interrupted", "disk full", "read-only"


@dataclass(frozen=True)
class Material:
    """A tiny model, a clip and a mask, and a folder beside them that results saved aside come into."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Material:
        (folder / "model").mkdir()
        (folder / "aside").mkdir()
        like_starter.write(folder / "model")
        encode(folder / "clip.mp4", noise(COUNT, HEIGHT, WIDTH, 3), fps=25)
        hole = torch.full((1, 3, 1, HEIGHT, WIDTH), -1.0)
        hole[..., 8:24, 16:32] = 1
        write_image(folder / "mask.png", hole)
        # What is imported when it is first used is not to be imported again in every process.
        done = CliRunner().invoke(app, cls(folder).words("gray", folder / "first.mkv"))
        assert done.exit_code == 0, done.stderr
        return cls(folder)

    def words(self, task: str, out: Path) -> list[str]:
        places = {"clip": self.folder / "clip.mp4", "mask": self.folder / "mask.png"}
        own = [word.format(**places) for word in TASKS[task]]
        return [
            *own,
            "-m",
            str(self.folder / "model"),
            "--steps",
            str(STEPS),
            "--seed",
            "1",
            "--lossless",
            "-o",
            str(out),
        ]


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (None = it was killed), what it said, how many steps it did."""

    code: int | None
    said: str
    steps: int = 0


def vace(words: Sequence[str], aside: Path, at: str | None = None, fault: Callable[[], None] | None = None) -> Ended:
    """A command in a process of its own, with a fault at a stage."""

    def job() -> str:
        kept.SHARE = 1.0  # every step is kept, as fast as they are here
        tempfile.tempdir = str(aside)
        done: list[int] = []
        _before("vace_core.sampling.kept", "KeptSteps.keep", lambda: done.append(1))
        if at is not None and fault is not None:
            module, name, number = STAGES[at]
            calls = iter(range(1, 10_000))
            _before(module, name, lambda: fault() if next(calls) == number else None)
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            try:
                code = COMMAND.main(list(words), standalone_mode=False) or 0
            except Exception:
                code = 1
                traceback.print_exc()
        return json.dumps([code, said.getvalue()[-2500:], len(done)])

    child = forked(job)
    return Ended(None, child.error + child.text) if child.error else Ended(*json.loads(child.text))


def planes(path: Path) -> str:
    """How many frames there are, and a hash of all as they are stored."""
    found, film = hashlib.sha256(), VideoReader(path)
    for frame in film.raw(0, film.count):
        for plane in stored_planes(frame)[0]:
            found.update(plane.tobytes())
    return f"{film.count} {found.hexdigest()}"


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Disk:
    """A small disk of this process alone, that can be filled and closed."""

    folder: Path

    @classmethod
    def mounted(cls, folder: Path) -> Disk:
        """To be called in a process of its own, which sees it alone.

        Raises:
            OSError: the system does not allow it.
        """
        user, group = os.getuid(), os.getgid()
        _system("unshare", 0x10000000 | 0x20000)  # CLONE_NEWUSER, CLONE_NEWNS
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        _system("mount", b"none", b"/", None, 0x4000 | 0x40000, None)  # MS_REC, MS_PRIVATE
        _system("mount", b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={DISK}".encode())
        return cls(folder)

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def close(self) -> None:
        _system("mount", None, str(self.folder).encode(), None, 32 | 1, None)  # MS_REMOUNT, MS_RDONLY

    def mend(self) -> None:
        with contextlib.suppress(OSError):
            _system("mount", None, str(self.folder).encode(), None, 32, None)
        (self.folder / "filler").unlink(missing_ok=True)


def disturbed(material: Material, task: str, at: str, what: str, out: Path) -> dict[str, Any]:
    """A job with a fault at a stage, and again after that: what came of it.

    Returns:
        failed: The exit code, None where it was killed.
        again: "resume", "repeat" where nothing was left to resume, or "nothing" where it needed neither.
        equal: The frames at last, as `planes`.
        steps: Steps that were done after the fault.
        left: Files beside the output at last.
        tracebacks: How many were shown.
        said: What was said first and then.
    """
    aside, words = material.folder / "aside", material.words(task, out)
    disk = Disk.mounted(out.parent) if what in (FULL, CLOSED) else None
    fault = {KILL: kill, INTERRUPT: interrupt, FULL: disk and disk.fill, CLOSED: disk and disk.close}[what]
    first = vace(words, aside, at, fault)
    if disk is not None:
        disk.mend()
    job = out.with_name(f"{out.name}.vace-job")
    again, second = "nothing", Ended(0, "")
    if first.code != 0:
        again = "resume" if job.is_dir() else "repeat"
        second = vace(["resume", str(job)] if again == "resume" else words, aside)
    said = first.said + second.said
    return {
        "failed": first.code,
        "again": again,
        "code": second.code,
        "equal": planes(out) if out.exists() else "missing",
        "steps": second.steps,
        "left": sorted(path.name for path in out.parent.iterdir() if path != out),
        "tracebacks": said.count("Traceback"),
        "said": said,
    }


def in_a_child(job: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `job` gives, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        child = forked(lambda: path.write_text(json.dumps(job())), seconds=600)
        return json.loads(path.read_text()) if path.exists() else {"error": f"{child.error}: {child.text}"}


def _before(module: str, name: str, act: Callable[[], object]) -> None:
    """Has `act` called before each call of what `module` calls `name`."""
    owner: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = getattr(owner, last)

    def called(*given: Any, **named: Any) -> Any:
        act()
        return original(*given, **named)

    setattr(owner, last, called)


def _system(name: str, *given: Any) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*given):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
