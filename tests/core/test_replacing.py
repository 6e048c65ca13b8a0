"""A file is written whole or not at all, whoever else writes it, and nobody else's file is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from refused import refused

from vace_core.errors import InputError, WeightsError
from vace_core.files.checkpoint import open_checkpoint
from vace_core.files.replacing import replacing
from vace_core.files.safetensors_format import save, write
from vace_core.media.pictures import write_image
from vace_core.media.write import write_video
from vace_core.starter.training import starter
from vace_core.training.state import Average, save_state

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("VACE_WRITER_ROUNDS", "10"))  # the full proof: 100
# Each writer fills every tensor with its own number, and begins when it is told to.
WRITER = """
import sys
from pathlib import Path
import torch
from vace_core.files.safetensors_format import save
path, number = Path(sys.argv[1]), float(sys.argv[2])
tensors = {f"tensor {n}": torch.full((256, 256), number) for n in range(24)}
print("ready", flush=True)
for line in sys.stdin:
    save(path, tensors, {"who": str(number)})
    print("done", flush=True)
"""


def test_two_writers_of_one_file_never_mix(tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    command = [sys.executable, "-c", WRITER, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen([*command, number], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for number in ("1", "2")
    ]
    mixed = 0
    try:
        for writer in writers:
            assert _line(writer) == "ready\n"
        for _ in range(ROUNDS):
            for writer in writers:
                assert writer.stdin
                writer.stdin.write("\n")
                writer.stdin.flush()
            assert [_line(writer) for writer in writers] == ["done\n", "done\n"]
            file = open_checkpoint(path)
            who = float(file.metadata["who"])
            mixed += any(bool((file.read(name) != who).any()) for name in file.tensors)
    finally:
        for writer in writers:
            writer.communicate("")
    assert (mixed, [path.name for path in tmp_path.iterdir()]) == (0, ["weights.safetensors"])


def _line(writer: subprocess.Popen[str]) -> str:
    assert writer.stdout
    return writer.stdout.readline()


def _trained(path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    optimiser, average = torch.optim.AdamW(layer.parameters()), Average(layer, 0.5)
    layer(torch.ones(3)).sum().backward()
    optimiser.step()
    save_state(path, layer, optimiser, average, step=1, recipe={})


PICTURE = torch.zeros(1, 3, 1, 16, 16)
WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "weights": ("a.safetensors", lambda path: save(path, {"a": torch.ones(3)})),
    "starter": ("a.safetensors", lambda path: starter.write(path, {"a": torch.ones(3)}, {})),
    "training checkpoint": ("a.checkpoint", _trained),
    "picture": ("a.png", lambda path: write_image(path, PICTURE)),
    "video": ("a.mp4", lambda path: write_video(path, PICTURE, fps=16)),
    "lossless video": ("a.mkv", lambda path: write_video(path, PICTURE, fps=16, lossless=True)),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_of_somebody_else_is_never_touched(tmp_path: Path, kind: str):
    name, writer = WRITERS[kind]
    others = [f"{name}.part", f"{Path(name).stem}.part", f".{name}.part", f".{name}", f"{name}.tmp"]
    for other in others:
        (tmp_path / other).write_text("mine")
    writer(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, *others])
    assert all((tmp_path / other).read_text() == "mine" for other in others)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_cannot_be_written_is_a_sentence_and_leaves_nothing(tmp_path: Path, kind: str):
    name, writer = WRITERS[kind]
    (tmp_path / name).mkdir()
    with pytest.raises(InputError) as error:
        writer(tmp_path / name)
    assert str(tmp_path / name) in refused(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("error", [InputError("stopped", "Stopped."), KeyboardInterrupt(), MemoryError()], ids=type)
def test_what_is_raised_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException):
    path = tmp_path / "a.safetensors"
    save(path, {"a": torch.ones(3)})
    old, info = path.read_bytes(), open_checkpoint(path).tensors["a"]

    def interrupted(name: str) -> torch.Tensor:
        if name == "b":
            raise error
        return torch.zeros(12, dtype=torch.uint8)

    with pytest.raises(type(error)):
        write(path, {"a": info, "b": info}, interrupted)
    assert (path.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (old, ["a.safetensors"])


def test_the_longest_name_can_be_written(tmp_path: Path):
    path = tmp_path / ("\N{GRINNING FACE}" * 60 + ".safetensors")  # four bytes each; no name may have more than 255
    with replacing(path) as part:
        part.write_bytes(b"new")
    assert path.read_bytes() == b"new"


def test_a_file_that_is_replaced_while_it_is_read_is_an_error_not_a_mixture(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save(path, {"a": torch.ones(3), "b": torch.ones(3)})
    file = open_checkpoint(path)
    file.read("a")
    save(path, {"a": torch.zeros(3), "b": torch.zeros(3)})
    with pytest.raises(WeightsError) as error:
        file.read("b")
    assert refused(error.value) == f"weights-damaged: path={path}, reason=it was written anew while it was read"
