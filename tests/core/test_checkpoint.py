"""Reading tensors from files: what a file says is believed only as far as the file itself bears it out."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import write_gguf, write_shards
from refused import refused
from safetensors import safe_open
from safetensors.torch import save_file

from vace_core.errors import WeightsError
from vace_core.files.checkpoint import open_checkpoint
from vace_core.files.safetensors_format import save

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
          torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]  # fmt: skip
SHAPES = st.lists(st.integers(0, 4), max_size=5).map(tuple)
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    st.builds(lambda shape, dtype: made(shape, dtype), SHAPES, st.sampled_from(DTYPES)),
    max_size=6,
)
each_example = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def made(shape, dtype):
    count = 1
    for size in shape:
        count *= size
    return (torch.arange(count) % 7).reshape(shape).to(dtype)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.reshape(-1).view(torch.uint8).equal(
        b.reshape(-1).view(torch.uint8)
    )  # fmt: skip


@each_example
@given(TENSORS)
def test_what_the_safetensors_package_writes_is_read_as_it_was(tmp_path, tensors):
    save_file(tensors, tmp_path / "a.safetensors", metadata={"who": "them"})
    file = open_checkpoint(tmp_path / "a.safetensors")
    assert file.metadata == {"who": "them"}
    assert file.tensors.keys() == tensors.keys()
    assert all(same(file.read(name), value) for name, value in tensors.items())


@each_example
@given(TENSORS)
def test_the_safetensors_package_reads_what_is_written_here(tmp_path, tensors):
    save(tmp_path / "a.safetensors", tensors, {"who": "us"})
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "who": "us"}
        assert all(same(file.get_tensor(name), value) for name, value in tensors.items())
        assert set(file.keys()) == tensors.keys()


@each_example
@given(TENSORS)
def test_every_tensor_is_written_at_a_multiple_of_its_own_width(tmp_path, tensors):
    save(tmp_path / "a.safetensors", tensors)
    file = open_checkpoint(tmp_path / "a.safetensors")
    assert all(file.tensors[name].start % value.element_size() == 0 for name, value in tensors.items())


def test_a_tensor_that_is_a_view_is_written_as_what_it_shows(tmp_path):
    value = torch.arange(12.0).reshape(3, 4).T
    save(tmp_path / "a.safetensors", {"a": value})
    assert open_checkpoint(tmp_path / "a.safetensors").read("a").equal(value)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, {"a": torch.ones(2)})
    before = path.read_bytes()
    with pytest.raises(RuntimeError):
        save(path, {"a": torch.ones(2, device="meta")})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_each_tensor_has_memory_of_its_own_and_the_file_may_go(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, {"a": torch.ones(2), "b": torch.zeros(1000)})
    value = open_checkpoint(path).read("a")
    path.unlink()
    assert value.untyped_storage().nbytes() == 8
    assert value.tolist() == [1, 1]


def test_shards_are_one_file(tmp_path):
    tensors = {name: torch.full((2,), float(number)) for number, name in enumerate("abcd")}
    write_shards(tmp_path, tensors)
    for path in (tmp_path, tmp_path / "diffusion_pytorch_model.safetensors.index.json"):
        file = open_checkpoint(path)
        assert {name: file.read(name).tolist() for name in file.tensors} == {
            name: value.tolist() for name, value in tensors.items()
        }


@pytest.mark.parametrize("five_dims", ["original shape", "as they are"])
def test_gguf_gives_every_tensor_its_true_shape(tmp_path, five_dims):
    tensors = {"a": torch.arange(32.0 * 3).reshape(3, 32), "b": torch.arange(64.0 * 6).reshape(6, 16, 1, 2, 2)}
    path = write_gguf(tmp_path / "a.gguf", tensors, "F16", five_dims=five_dims)
    file = open_checkpoint(path)
    assert file.metadata["general.architecture"] == "wan"
    assert {name: info.dtype for name, info in file.tensors.items()} == {"a": "F16", "b": "F32"}
    assert all(file.read(name).float().equal(value) for name, value in tensors.items())


class Bomb:
    """What a hostile pickle does when it is opened."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle file was opened",))


@pytest.mark.parametrize("name", ["vae.pth", "vae.pt", "vae.ckpt", "vae.bin", "VAE.PTH", "disguised.safetensors"])
@pytest.mark.parametrize("as_zip", [True, False])
def test_pickle_files_are_refused_unopened(tmp_path, name, as_zip):
    path = tmp_path / name
    torch.save(Bomb(), path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(WeightsError) as error:
        open_checkpoint(path)
    safe = path.with_suffix(".safetensors").name
    assert refused(error.value) == f"weights-pickled: name={name}, path={path}, target={safe}"


def test_the_advice_for_pickle_files_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.arange(6.0).reshape(2, 3).T}, "vae.pth")
    with pytest.raises(WeightsError) as error:
        open_checkpoint(Path("vae.pth"))
    script = tmp_path / "convert.py"
    script.write_text("\n".join(line.strip() for line in str(error.value).splitlines()[1:]))
    runpy.run_path(str(script))
    assert open_checkpoint("vae.safetensors").read("a").tolist() == [[0, 3], [1, 4], [2, 5]]


def test_folders(tmp_path):
    with pytest.raises(WeightsError) as error:
        open_checkpoint(tmp_path / "absent")
    assert refused(error.value) == f"weights-missing: path={tmp_path / 'absent'}"
    with pytest.raises(WeightsError) as error:
        open_checkpoint(tmp_path)
    assert refused(error.value) == f"weights-ambiguous: folder={tmp_path}, listed=no file of weights"
    save(tmp_path / "a.safetensors", {"a": torch.ones(1)})
    assert open_checkpoint(tmp_path).path == tmp_path / "a.safetensors"
    save(tmp_path / "b.safetensors", {"a": torch.ones(1)})
    with pytest.raises(WeightsError) as error:
        open_checkpoint(tmp_path)
    assert refused(error.value) == f"weights-ambiguous: folder={tmp_path}, listed=a.safetensors and b.safetensors"


def test_of_a_folder_of_many_models_five_are_named_and_the_rest_counted(tmp_path):
    for name in "abcdefg":
        save(tmp_path / f"{name}.safetensors", {"a": torch.ones(1)})
    with pytest.raises(WeightsError) as error:
        open_checkpoint(tmp_path)
    assert error.value.fields["listed"] == " and ".join([*(f"{name}.safetensors" for name in "abcde"), "2 more"])


def test_a_folder_of_nothing_but_pickles_says_so(tmp_path):
    (tmp_path / "Wan2.1_VAE.pth").write_bytes(b"never read")
    with pytest.raises(WeightsError) as error:
        open_checkpoint(tmp_path)
    assert error.value.code == "weights-pickled"


def test_one_shard_of_several_is_refused(tmp_path):
    write_shards(tmp_path, {"a": torch.ones(1), "b": torch.ones(1)})
    path = tmp_path / "diffusion_pytorch_model-00001-of-00002.safetensors"
    with pytest.raises(WeightsError) as error:
        open_checkpoint(path)
    assert refused(error.value) == f"weights-shard: index=diffusion_pytorch_model.safetensors.index.json, path={path}"


def test_what_the_system_refuses_is_said_in_its_words(tmp_path):
    path = tmp_path / ("a" * 300)
    with pytest.raises(WeightsError) as error:
        open_checkpoint(path)
    assert refused(error.value) == f"weights-unreadable: error=File name too long, path={path}"


@pytest.mark.parametrize("dims", range(9))
def test_weights_of_up_to_eight_dimensions_are_read(tmp_path, dims):
    weight = torch.arange(2.0 if dims else 1.0).reshape((*(1,) * (dims - 1), 2) if dims else ())
    save(tmp_path / "a.safetensors", {"a": weight})
    assert torch.equal(open_checkpoint(tmp_path / "a.safetensors").read("a"), weight)
