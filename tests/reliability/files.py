"""Row 17: every file of the corpus read in a process of its own, with a limit of memory and time."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .pack import ROOT
from .row import Row

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
SECONDS = 20  # of computing that no small file may take
MEMORY = 1 << 30  # bytes that no small file may take
FITS = {"handled": ("handled",), "said": ("said",), "any": ("handled", "said")}


def hostile_files(every: int = 1) -> dict[str, Any]:
    """Row 17: reads the corpus, or every n-th file of it, with the library's readers."""
    from vace_core.files.checkpoint import open_checkpoint
    from vace_core.loading.inspect import inspect
    from vace_core.media.pictures import read_image, read_mask
    from vace_core.media.video import read_video

    from . import corpus

    def read_weights(path: Path) -> str:
        file = open_checkpoint(path)
        for name in file.tensors:
            file.read(name)
        return f"{len(file.tensors)} tensors"

    def read_picture(path: Path) -> str:
        read_mask(path)
        picture, alpha = read_image(path)
        return f"{tuple(picture.shape)}{' with alpha' if alpha is not None else ''}"

    def read_clip(path: Path) -> str:
        clip = read_video(path, max_bytes=MEMORY // 2)
        return f"{tuple(clip.frames.shape)}{' with alpha' if clip.alpha is not None else ''}"

    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        groups = (
            (corpus.weights(folder), (("read", read_weights), ("inspect", lambda path: str(inspect(path).kind)))),
            (corpus.videos(folder), (("read", read_clip),)),
            (corpus.pictures(folder), (("read", read_picture),)),
        )
        for files, readers in groups:
            for case, (path, due) in list(files.items())[::every]:
                for what, reader in readers:
                    found[f"{case}, {what}"] = {"due": due, **_alone(reader, path)}
        ran = (folder / "trace").exists()
        os.chdir(ROOT)
    # A header that is read without complaint is no model all the same: what counts is that one of the two says so.
    return {"files": found, "code of a pickle ran": ran}


def _alone(reader: Callable[[Path], str], path: Path) -> dict[str, Any]:
    """What happens in a process of its own: outcome, seconds, growth in bytes."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.write(write, json.dumps(_limited(reader, path)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if not text:
        return {"outcome": "crash or hang", "message": f"signal {os.WTERMSIG(status)}", "seconds": 0, "bytes": 0}
    return json.loads(text)


def _limited(reader: Callable[[Path], str], path: Path) -> dict[str, Any]:
    import torch

    from vace_core.errors import VaceError

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    signal.alarm(SECONDS * 30)  # waiting for other processes is no fault of the file
    torch.set_num_threads(1)  # the others do not follow into a child, and torch would wait for them for ever
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        outcome, message = "handled", reader(path)
    except VaceError as error:
        outcome, message = "said", str(error)
    except BaseException as error:  # what a user would see
        outcome, message = "cryptic", f"{type(error).__name__}: {error}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"outcome": outcome, "message": message[:600], "seconds": time.process_time() - start, "bytes": grown}


def row_17(found: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> Row:
    """Of the library's readers, and of the loaders in ComfyUI."""
    files = found["files"]
    crashed = [name for name, one in files.items() if one["outcome"] not in ("handled", "said")]
    wrong = [name for name, one in files.items() if one["outcome"] not in FITS[one["due"]] and not _fine(name, files)]
    slow = max(one["seconds"] for one in files.values())
    size = max(one["bytes"] for one in files.values())
    nodes = sum(one["cases"] for one in hosts.values())
    cryptic = sum(one["cases"] - one.get("said", 0) for one in hosts.values())
    return Row(
        17,
        f"{len(files)} readings: {len(crashed)} crashes, hangs or cryptic errors, {len(wrong)} not as due; slowest "
        f"{slow:.1f} s, most memory {size / 2**20:.0f} MB; in the loaders {nodes - cryptic} of {nodes} named; code of "
        f"a pickle ran: {'yes' if found['code of a pickle ran'] else 'never'}",
        not crashed
        and not wrong
        and slow < SECONDS
        and size < MEMORY
        and not cryptic
        and not found["code of a pickle ran"],
        "Weights, videos and images that are broken, made to break something, or merely unusual, each read in a "
        "process of its own; the weights also through every widget of the loaders.",
    )


def _fine(name: str, files: dict[str, Any]) -> bool:
    """Weights may be readable as a file of tensors, as long as they are refused as a model."""
    return name.endswith(", read") and files.get(name.removesuffix("read") + "inspect", {}).get("outcome") == "said"
