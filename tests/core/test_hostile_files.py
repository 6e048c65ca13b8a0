"""Files that are broken, or made to break something: each is refused in a whole sentence, fast and cheaply."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path

import pytest
import torch
from forked import forked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import write_gguf, write_sparse
from refused import refused

from vace_core.errors import InputError, ModelError, UnsupportedModelError, VaceError, WeightsError
from vace_core.files.checkpoint import open_checkpoint
from vace_core.files.gguf_format import GgufFile
from vace_core.files.safetensors_format import save


def safetensors_bytes(header, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


NO_JSON = "its header is not the JSON that a safetensors file begins with"
PLACELESS = "its header does not say type, shape and place of a"
ENTRY = entry([1], 0, 4)
SAFETENSORS = {
    "empty": (b"", "it has only 0 bytes"),
    "a stub": (b"\0" * 7, "it has only 7 bytes"),
    "a header longer than the file": (
        safetensors_bytes({}, length=99),
        "its header claims 99 bytes, and the whole file has 10",
    ),
    "a header of any length": (
        safetensors_bytes({}, length=2**64 - 1),
        "its header claims 18446744073709551615 bytes, and the whole file has 10",
    ),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "it is a Git LFS pointer, a few lines that stand for the file until git lfs pull is run",
    ),
    "a web page": (b"<!DOCTYPE html><title>404</title>", "it is a web page"),
    "a header one byte longer than the file": (
        safetensors_bytes({}, length=3),
        "its header claims 3 bytes, and the whole file has 10",
    ),
    "no JSON": (safetensors_bytes(b"\xff{]"), NO_JSON),
    "JSON without end": (safetensors_bytes(b"[" * 9999), NO_JSON),
    "an endless number": (
        safetensors_bytes(b'{"a":' + b"9" * 9999 + b"}"),
        PLACELESS,
    ),
    "endless numbers in a shape": (
        safetensors_bytes({"a": {**ENTRY, "shape": [10**4000] * 300}}),
        PLACELESS,
    ),
    "one endless number in a shape": (safetensors_bytes({"a": {**ENTRY, "shape": [10**4000]}}), PLACELESS),
    "endless offsets": (safetensors_bytes({"a": {**ENTRY, "data_offsets": [0, 10**4000]}}), PLACELESS),
    "nine dimensions": (safetensors_bytes({"a": {**ENTRY, "shape": [1] * 9}}, b"\0" * 4), PLACELESS),
    "an empty tensor with huge sides": (
        safetensors_bytes({"a": entry([2**40, 0, 2**40], 0, 0)}),
        "the shape of a has more numbers than the file can hold",
    ),
    "huge sides of an unknown type": (
        safetensors_bytes({"a": entry([2**40], 0, 2, "F4")}, b"\0\0"),
        "the shape of a has more numbers than the file can hold",
    ),
    "too many tensors": (
        safetensors_bytes({f"a{n}": 0 for n in range(65_537)}),
        "its header describes 65537 tensors, and at most 65536 are read",
    ),
    "too many lists": (safetensors_bytes(b'{"a":[' + b"[]," * 300_000 + b"[]]}"), NO_JSON),
    "a byte order mark": (safetensors_bytes(b"\xef\xbb\xbf" + json.dumps({"a": ENTRY}).encode(), b"\0" * 4), NO_JSON),
    "another encoding": (safetensors_bytes(json.dumps({"a": ENTRY}).encode("utf-16-le"), b"\0" * 4), NO_JSON),
    "metadata of numbers": (safetensors_bytes({"__metadata__": {"a": 3}}), "its metadata is not a table of texts"),
    "two tensors in one place": (
        safetensors_bytes({"a": ENTRY, "b": ENTRY}, b"\0" * 4),
        "its tensors overlap or leave gaps",
    ),
    "an empty tensor inside another": (
        safetensors_bytes({"a": entry([2], 0, 8), "b": entry([0], 4, 4)}, b"\0" * 8),
        "its tensors overlap or leave gaps",
    ),
    "a name twice": (
        safetensors_bytes(b'{"a":1,"a":1}'),
        NO_JSON,
    ),
    "a list": (safetensors_bytes([]), "its header is not a table of tensors"),
    "metadata of another kind": (safetensors_bytes({"__metadata__": 3}), "its metadata is not a table of texts"),
    "a tensor that is a number": (safetensors_bytes({"a": 3}), "its header does not say type, shape and place of a"),
    "a negative size": (
        safetensors_bytes({"a": entry([-2, -1], 0, 8)}, b"\0" * 8),
        "its header does not say type, shape and place of a",
    ),
    "a size that is true": (
        safetensors_bytes({"a": entry([True], 0, 4)}, b"\0" * 4),
        "its header does not say type, shape and place of a",
    ),
    "three offsets": (
        safetensors_bytes({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2, 4]}}, b"\0" * 4),
        "its header does not say type, shape and place of a",
    ),
    "offsets the wrong way round": (
        safetensors_bytes({"a": entry([1], 4, 0)}, b"\0" * 4),
        "the size of a does not agree with its shape",
    ),
    "a shape too large": (
        safetensors_bytes({"a": entry([2**62, 2**62], 0, 4)}, b"\0" * 4),
        "the size of a does not agree with its shape",
    ),
    "an overlap": (
        safetensors_bytes({"a": entry([1], 0, 4), "b": entry([1], 2, 6)}, b"\0" * 6),
        "its tensors overlap or leave gaps",
    ),
    "a gap": (
        safetensors_bytes({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, b"\0" * 12),
        "its tensors overlap or leave gaps",
    ),
    "a long and strange name": (
        safetensors_bytes({"\n" * 99: 1}),
        f"its header does not say type, shape and place of {(ascii(chr(10) * 99))[:80]}...",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAFETENSORS)
def test_a_broken_safetensors_file_is_refused(tmp_path, case):
    content, reason = SAFETENSORS[case]
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as error:
        open_checkpoint(path)
    assert refused(error.value) == f"weights-damaged: path={path}, reason={reason}"


def test_a_header_over_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write((10_000_001).to_bytes(8, "little"))
        file.truncate(200_000_000)
    with pytest.raises(WeightsError) as error:
        open_checkpoint(path)
    reason = "its header claims 10000001 bytes, and at most 10000000 are read"
    assert refused(error.value) == f"weights-damaged: path={path}, reason={reason}"


def test_a_truncated_file_is_refused_before_anything_is_read(tmp_path):
    path = write_sparse(tmp_path / "a.safetensors", {"a": (4, 4)})
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 1)
    with pytest.raises(WeightsError) as error:
        open_checkpoint(path)
    reason = f"its header describes {size} bytes, and the file has {size - 1}"
    assert refused(error.value) == f"weights-damaged: path={path}, reason={reason}"


def test_a_file_that_shrinks_after_it_was_opened_is_an_error_not_garbage(tmp_path):
    path = write_sparse(tmp_path / "a.safetensors", {"a": (4, 4)})
    file, size = open_checkpoint(path), path.stat().st_size
    with path.open("r+b") as stream:
        stream.truncate(size - 1)
    with pytest.raises(WeightsError) as error:
        file.read("a")
    reason = f"it ended after {size - 1} bytes while {size} were expected"
    assert refused(error.value) == f"weights-damaged: path={path}, reason={reason}"


def test_an_unknown_type_is_named_when_it_is_asked_for(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors_bytes({"a": entry([4], 0, 2, "F4")}, b"\0\0"))
    file = open_checkpoint(path)
    with pytest.raises(UnsupportedModelError) as error:
        file.read("a")
    assert refused(error.value) == (
        "weights-dtype: dtype=F4, known=F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, "
        f"I8, U8, BOOL, name=a, path={path}"
    )


def gguf_text(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def gguf_head(tensors=0, values=0, version=3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, values)


def gguf_tensor(dims, kind=0, offset=0, name=b"a") -> bytes:
    return gguf_text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


GGUF = {
    "nothing after the magic": (b"GGUF", "its header claims 4 more bytes where 0 are left"),
    "an old version": (gguf_head(version=1), "it is GGUF of version 1, and only versions 2 and 3 are known"),
    "the other byte order": (
        b"GGUF" + struct.pack(">I", 3) + b"\0" * 16,
        "it is GGUF of version 50331648, and only versions 2 and 3 are known",
    ),
    "absurdly many tensors": (gguf_head(tensors=2**60), f"its header claims {2**60} entries"),
    "absurdly many values": (gguf_head(values=2**63), f"its header claims {2**63} entries"),
    "an endless text": (
        gguf_head(values=1) + struct.pack("<Q", 2**62),
        f"its header claims {2**62} more bytes where 0 are left",
    ),
    "an endless array of numbers": (
        gguf_head(values=1) + gguf_text(b"k") + struct.pack("<IIQ", 9, 0, 2**60),
        f"its header claims {2**60} more bytes where 0 are left",
    ),
    "an endless array of texts": (
        gguf_head(values=1) + gguf_text(b"k") + struct.pack("<IIQ", 9, 8, 2**60),
        f"its header claims {2**60} entries",
    ),
    "arrays within arrays": (
        gguf_head(values=1) + gguf_text(b"k") + struct.pack("<IIQ", 9, 9, 1),
        "its header holds an array of unknown type 9",
    ),
    "a value of unknown type": (
        gguf_head(values=1) + gguf_text(b"k") + struct.pack("<I", 77),
        "its header holds a value of unknown type 77",
    ),
    "an alignment of zero": (
        gguf_head(values=1) + gguf_text(b"general.alignment") + struct.pack("<II", 4, 0),
        "its alignment is not a number of bytes",
    ),
    "an alignment of more than 64 KiB": (
        gguf_head(values=1) + gguf_text(b"general.alignment") + struct.pack("<II", 4, (1 << 16) + 1),
        "its alignment is not a number of bytes",
    ),
    "absurdly many dimensions": (
        gguf_head(tensors=1) + gguf_text(b"a") + struct.pack("<I", 2**31),
        f"its header describes a twice or with {2**31} dimensions",
    ),
    "a tensor twice": (
        gguf_head(tensors=2) + gguf_tensor([1]) * 2 + b"\0" * 64,
        "its header describes a twice or with 1 dimensions",
    ),
    "an unknown type": (gguf_head(tensors=1) + gguf_tensor([1], 999), "it holds weights of unknown type 999"),
    "half a block": (gguf_head(tensors=1) + gguf_tensor([33], 8), "the rows of a are not whole blocks of Q8_0"),
    "a tensor larger than the file": (
        gguf_head(tensors=1) + gguf_tensor([2**40, 2**20]) + b"\0" * 64,
        "its header describes more than the 129 bytes that the file has",
    ),
    "a tensor beyond the file": (
        gguf_head(tensors=1) + gguf_tensor([1], 0, 2**63) + b"\0" * 64,
        "its header describes more than the 121 bytes that the file has",
    ),
    "too many texts in arrays": (
        gguf_head(values=1) + gguf_text(b"k") + struct.pack("<IIQ", 9, 8, 1_000_001),
        "its header claims 1000001 entries",
    ),
    "tensors that overlap": (
        gguf_head(tensors=2) + gguf_tensor([8]) + gguf_tensor([8], 0, 16, b"b") + b"\0" * 128,
        "its tensors overlap",
    ),
    "an original shape of true": (
        gguf_head(1, 1) + gguf_text(b"comfy.gguf.orig_shape.a") + struct.pack("<IIQ??", 9, 7, 2, True, True)
        + gguf_tensor([1]) + b"\0" * 64,
        "the original shape of a does not agree with its size",
    ),
    "an original shape of fractions": (
        gguf_head(1, 1) + gguf_text(b"comfy.gguf.orig_shape.a") + struct.pack("<IIQff", 9, 6, 2, 8.0, 0.5)
        + gguf_tensor([4]) + b"\0" * 64,
        "the original shape of a does not agree with its size",
    ),
    "an original shape below zero": (
        gguf_head(1, 1) + gguf_text(b"comfy.gguf.orig_shape.a") + struct.pack("<IIQii", 9, 5, 2, -2, -2)
        + gguf_tensor([4]) + b"\0" * 64,
        "the original shape of a does not agree with its size",
    ),
    "an original shape of nine sides": (
        gguf_head(1, 1) + gguf_text(b"comfy.gguf.orig_shape.a") + struct.pack("<IIQ9i", 9, 5, 9, *[1] * 9)
        + gguf_tensor([1]) + b"\0" * 64,
        "the original shape of a does not agree with its size",
    ),
    "an original shape of another size": (
        gguf_head(1, 1) + gguf_text(b"comfy.gguf.orig_shape.a") + struct.pack("<IIQi", 9, 5, 1, 3)
        + gguf_tensor([4]) + b"\0" * 64,
        "the original shape of a does not agree with its size",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GGUF)
def test_a_broken_gguf_file_is_refused(tmp_path, case):
    content, reason = GGUF[case]
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as error:
        open_checkpoint(path)
    assert refused(error.value) == f"weights-damaged: path={path}, reason={reason}"


def test_blocks_that_nothing_can_decode_are_named(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_head(tensors=1) + gguf_tensor([32], 9) + b"\0" * 99)
    with pytest.raises(UnsupportedModelError) as error:
        open_checkpoint(path)
    assert refused(error.value) == f"gguf-type: name=Q8_1, path={path}"


def test_gguf_without_its_package_is_one_clear_sentence(tmp_path, monkeypatch):
    path = write_gguf(tmp_path / "a.gguf", {"a": torch.ones(2, 32)})
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ModelError) as error:
        open_checkpoint(path)
    assert refused(error.value) == "gguf-not-installed"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_bytes_whatever_raise_anything_but_our_own_errors(tmp_path, data):
    valid = data.draw(st.sampled_from(sorted(_valid_files(tmp_path))))
    content = bytearray((tmp_path / valid).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(content), 400) - 1))
        content[place] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    path = tmp_path / f"mutated.{valid}"
    path.write_bytes(content)
    try:
        file = open_checkpoint(path)
        for name in file.tensors:
            file.read(name)
    except VaceError:
        pass


def _valid_files(folder: Path) -> list[str]:
    if not (folder / "a.gguf").exists():
        write_gguf(folder / "a.gguf", {"a": torch.ones(2, 32), "b": torch.ones(6, 16, 1, 2, 2), "c": torch.ones(3)})
        save(folder / "a.safetensors", {"a": torch.ones(2, 32), "b": torch.ones(3), "c": torch.ones(1)}, {"k": "v"})
    return ["a.gguf", "a.safetensors"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="what a process has taken is asked in another way there")
def test_no_header_keeps_a_reader_busy_or_takes_much_memory(tmp_path):
    headers = (
        b"{" + b",".join(b'"%d":{"dtype":"F32"}' % n for n in range(1_000_000)) + b"}",
        b'{"a":{"dtype":"F32","data_offsets":[0,4],"shape":[' + b",".join([b"9" * 4000] * 2400) + b"]}}",
        b'{"a":[' + b"1.5," * 2_400_000 + b"1]}",
        b'{"a":[' + b'{"b":0},' * 299_000 + b"1]}",
    )
    path = tmp_path / "a.safetensors"
    for header in headers:
        path.write_bytes(safetensors_bytes(header, b"\0" * 4))
        child = forked(lambda: open_checkpoint(path), seconds=20)
        assert (child.error, str(path) in child.text) == ("WeightsError", True)
        assert child.grown < 300 << 20


def test_a_weight_larger_than_memory_is_a_sentence(tmp_path):
    path = tmp_path / "a.safetensors"
    try:
        write_sparse(path, {"a": (1 << 20, 1 << 20), "b": (2,)})
    except OSError as error:
        pytest.skip(f"no file of 2 TiB with a hole in it can be made here: {error}")
    file = open_checkpoint(path)
    assert file.read("b").shape == (2,)
    with pytest.raises(InputError) as error:
        file.read("a")
    assert (error.value.code, error.value.fields["needed_bytes"]) == ("out-of-room", "2.00 TiB")


def test_a_file_that_is_gone_is_a_sentence(tmp_path):
    path = write_sparse(tmp_path / "a.safetensors", {"a": (4, 4)})
    file = open_checkpoint(path)
    path.unlink()
    with pytest.raises(WeightsError) as error:
        file.read("a")
    assert refused(error.value) == f"weights-damaged: path={path}, reason=No such file or directory"


INDEXES = {
    "no JSON": ("{", None),
    "a list": ("[]", None),
    "no map": ("{}", "it has no weight_map that says which shard holds which weight"),
    "a shard above the folder": (
        {"a": "../secret.safetensors"},
        "it names the shard ../secret.safetensors, which is no safetensors file of its folder",
    ),
    "a shard anywhere": (
        {"a": "/etc/passwd"},
        "it names the shard /etc/passwd, which is no safetensors file of its folder",
    ),
    "a shard on another drive": (
        {"a": "C:\\secret.safetensors"},
        "it names the shard C:\\secret.safetensors, which is no safetensors file of its folder",
    ),
    "a pickle shard": (
        {"a": "model-00001-of-00002.bin"},
        "it names the shard model-00001-of-00002.bin, which is no safetensors file of its folder",
    ),
    "a list of shards": (
        {"a": ["real.safetensors"]},
        "it names the shard ['real.safetensors'], which is no safetensors file of its folder",
    ),
    "a table": ({"a": {"b": 1}}, "it names the shard {'b': 1}, which is no safetensors file of its folder"),
    "a byte order mark": ("\ufeff{}", None),
    "a name twice": ('{"weight_map": {}, "weight_map": {}}', None),
    "a number": ({"a": 7}, "it names the shard 7, which is no safetensors file of its folder"),
    "a missing shard": ({"a": "b.safetensors"}, "the shard b.safetensors is not beside it"),
    "a promise not kept": ({"c": "real.safetensors"}, "real.safetensors does not hold c, as the index says"),
}


@pytest.mark.parametrize("case", INDEXES)
def test_a_broken_index_is_refused(tmp_path, case):
    places, reason = INDEXES[case]
    folder = tmp_path / "model"
    folder.mkdir()
    save(tmp_path / "secret.safetensors", {"a": torch.ones(1)})
    save(folder / "real.safetensors", {"a": torch.ones(1)})
    path = folder / "model.safetensors.index.json"
    path.write_text(places if isinstance(places, str) else json.dumps({"weight_map": places}))
    with pytest.raises(WeightsError) as error:
        open_checkpoint(path)
    assert refused(error.value) == (
        f"weights-damaged: path={path}, reason={reason}" if reason else f"weights-json: path={path}"
    )


NUMBERS = {0: ("B", 200), 1: ("b", -5), 2: ("H", 60000), 3: ("h", -300), 4: ("I", 4_000_000_000), 5: ("i", -70000),
           6: ("f", 0.5), 7: ("?", True), 10: ("Q", 2**60), 11: ("q", -(2**40)), 12: ("d", 0.1)}  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 8, 9, 40])
def test_every_kind_of_number_in_a_gguf_header_is_read_and_lists_are_passed_over(tmp_path, count):
    values = [gguf_text(f"k{kind}".encode()) + struct.pack(f"<I{code}", kind, value)
              for kind, (code, value) in NUMBERS.items()]  # fmt: skip
    lists = [gguf_text(f"l{kind}".encode()) + struct.pack(f"<IIQ{count}{code}", 9, kind, count, *[value] * count)
             for kind, (code, value) in NUMBERS.items()]  # fmt: skip
    texts = gguf_text(b"texts") + struct.pack("<IIQ", 9, 8, count) + gguf_text(b"word") * count
    end = gguf_text(b"end") + struct.pack("<I", 8) + gguf_text(b"here")
    head = gguf_head(1, len(values) + len(lists) + 2) + b"".join([*values, *lists]) + texts + end + gguf_tensor([8])
    (tmp_path / "a.gguf").write_bytes(head + b"\0" * (-len(head) % 32) + struct.pack("<8f", *range(8)))
    found = GgufFile(tmp_path / "a.gguf")
    assert found.metadata == {f"k{kind}": str(value) for kind, (_, value) in NUMBERS.items()} | {"end": "here"}
    assert found.read("a").tolist() == list(range(8))
