"""Files made hostile by rule: good ones, a part of which is replaced. The same seed gives the same files.

Weights (safetensors, GGUF, an index of shards, LoRA), boxes, plans of long clips and folders of jobs as JSON, pictures
and videos. Weights are holes behind a true header, so that they take no room.
"""

from __future__ import annotations

import functools
import io
import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, 10**4000, -(10**4000), 1.5, -0.0, 1e308, float("nan"),
    float("inf"), True, False, None, "", "3", "\ud800", "\x00", "x" * 5000, [], {}, [[]], [1] * 3000, [10**4000] * 30,
)  # fmt: skip
NAMES = (
    "", "a", "\ud800", "\x1b[31m", "x" * 10_000, "blocks.99999999999999999999.ffn.0.weight",
    "blocks." + "9" * 5000 + ".x",
    "blocks.²x.weight", "vace_blocks.7.after_proj.weight", "head.modulation", "blocks.0.ffn.0.scale_weight",
    "blocks.0.ffn.0.comfy_quant", "scaled_fp8", "blocks.0.self_attn.k_img.weight", "model.diffusion_model.blocks.0.x",
    "transformer_context_blocks." + "1" * 4400 + ".x", "decoder.middle.0.residual.0.gamma",
)  # fmt: skip
TYPES = ("F4", "f32", "F64", "BOOL", "F8_E4M3", "I8", "", "x" * 5000, "\ud800", 7, None, [], {})
SAID = (
    "[" * 5000, "9" * 4000, "[" + "9" * 4000 + "]", "[-1]", "[0, 0]", "[1.5]", "{}", "[true]", "null", "NaN",
    '"\\ud800"',
    "[0, 1, 2, 3, 4, 5, 6, 7, 8]", "[" + "0," * 9000 + "0]", '{"layers": {"a": {"format": [1]}}}', '{"layers": 3}',
    '{"transformer": {"causal_temporal_positioning": true}}', '{"transformer": 3}', "\ufeff{}",
)  # fmt: skip
SAYING = ("vace_layers", "config", "_quantization_metadata", "modelspec.title")
LORA_NAMES = tuple(
    f"diffusion_model.blocks.0.self_attn.q.{end}"
    for end in ("dora_scale", "hada_w1_a", "lokr_w1", "diff", "diff_b", "lora_mid.weight", "lora_down.weight", "x", "")
)
SHARDS = ("../x.safetensors", "/etc/passwd", "model.bin", "nul.safetensors", "x" * 5000 + ".safetensors", "a\0.sft")
WORDS = ("\ud800", "\x00", "x" * 5000, "", "-", "--", "--mask", "--start", "@3.2s", "%d.png", "/", "\x1b[31m") * 4
SHARES = {"safetensors": 0.3, "gguf": 0.15, "index": 0.1, "lora": 0.1, "layout": 0.1, "plan": 0.05, "job": 0.05,
          "media": 0.15}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One file: what was done to it, of which kind it is, and where it lies."""

    name: str
    kind: str
    path: Path


def mutants(folder: Path, count: int = 300, seed: int = 0) -> list[Mutant]:
    """`count` files in `folder`, of every kind in equal turns."""
    makers = {"safetensors": _safetensors, "gguf": _gguf, "index": _index, "lora": _lora, "layout": _layout,
              "plan": _plan, "job": _job, "media": _media}  # fmt: skip
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * 20))]
    found = []
    for number in range(count):
        kind = kinds[number * 7 % len(kinds)]
        pick = random.Random(f"{seed} {number}")
        name, path = makers[kind](folder / f"h{number:04}", pick)
        found.append(Mutant(name=f"{number} {name}", kind=kind, path=path))
    return found


def read(mutant: Mutant, core: Any) -> str:
    """What the library makes of a file, with every reader that may be given it; raises its errors."""
    from importlib import import_module

    def module(name: str) -> Any:
        return import_module(f"{core.__name__}.{name}")

    if mutant.kind == "layout":
        paths = module("inputs.box_paths").paths_from_json(mutant.path.read_text("utf-8", "surrogatepass"))
        return str(tuple(module("inputs.layout").draw_layout(paths, num_frames=3, height=16, width=16).shape))
    if mutant.kind == "media":
        if mutant.path.suffix in (".png", ".jpg"):
            module("media.pictures").read_mask(mutant.path)
            return str(tuple(module("media.pictures").read_image(mutant.path)[0].shape))
        return str(tuple(module("media.video").read_video(mutant.path, max_bytes=1 << 26).frames.shape))
    if mutant.kind == "plan":
        plan = module("sampling.plan_text").read_plan(mutant.path)
        return str(module("preview.timeline").plan_rows(plan)) + module("sampling.plan_text").plan_to_json(plan)
    if mutant.kind == "job":
        with module("files.jobs.folder").JobFolder.open(mutant.path) as job:
            module("sampling.kept").KeptSteps(job).reached()
            module("cli.jobs").Invocation.of(job)
        return _resumed(mutant.path, module("cli").app)
    if mutant.kind == "lora":
        one, starter = module("loading.lora").Lora(path=mutant.path), module("starter.model")
        parts = ([starter.WEIGHTS / f"{part}.safetensors"] for part in ("base", "adapter"))
        base, adapter = parts
        (changes,) = module("loading.assembly").lora_changes([one], base, adapter)
        module("loading.load").load_base(*base, changes=changes)
        return str(len(changes))
    file = module("files.checkpoint").open_checkpoint(mutant.path)
    for name in file.tensors:
        file.read(name)
    found, loading = module("loading.inspect").inspect(mutant.path), module("loading.load")
    for part, load in (("base", loading.load_base), ("adapter", loading.load_adapter), ("vae", loading.load_vae)):
        if part in found.parameters:
            load(mutant.path)
    return found.kind


def _resumed(folder: Path, app: Any) -> str:
    """What the command says of a job; raises what it does not say in a sentence."""
    from typer.testing import CliRunner

    ended = CliRunner().invoke(app, ["resume", str(folder)])
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended.output


def _tree(value: Any, pick: random.Random, bad: tuple[Any, ...] = NUMBERS) -> str:
    """Replaces, drops or doubles one part of JSON in place; says where."""
    parent, key, where = None, None, ""
    while isinstance(value, dict | list) and value and (parent is None or pick.random() < 0.8):
        parent, key = value, pick.choice(list(value) if isinstance(value, dict) else range(len(value)))
        where, value = f"{where}.{str(key)[:20]}", value[key]
    if parent is None:
        return "nothing"
    what = pick.choice(("replaced", "replaced", "replaced", "dropped", "doubled"))
    if what == "dropped":
        del parent[key]
    elif what == "doubled" and isinstance(parent, list):
        parent += [value] * pick.choice((1, 9, 300))
    else:
        parent[key] = pick.choice(bad)
    return ascii(f"{where} {what}")


def _bytes(content: bytes, pick: random.Random, head: int = 400) -> tuple[str, bytes]:
    """Bytes changed, cut or added, mostly near the beginning."""
    made = bytearray(content)
    what = pick.choice(("flipped", "cut", "empty", "longer", "zeros", "moved"))
    if what == "flipped":
        for _ in range(pick.randint(1, 6)):
            made[pick.randrange(min(len(made), head))] = pick.randrange(256)
    elif what == "cut":
        del made[pick.randrange(len(made)) :]
    elif what == "empty":
        made.clear()
    elif what == "longer":
        made += bytes(pick.randrange(256) for _ in range(pick.choice((1, 7, 5000))))
    elif what == "zeros":
        start = pick.randrange(len(made))
        made[start : start + 64] = bytes(len(made[start : start + 64]))
    else:
        made[:0] = pick.choice((b"\xef\xbb\xbf", b"\0", b"PK\x03\x04", b"GGUF", b"\x80\x04"))
    return what, bytes(made)


@functools.cache
def _shapes() -> dict[str, tuple[int, ...]]:
    import tiny

    from vace_core.models.wan import dit as wan

    full = {**tiny.base().state_dict()}
    full |= {wan.official_adapter_key(name): value for name, value in tiny.adapter().state_dict().items()}
    return {name: tuple(value.shape) for name, value in full.items()}


def _header(shapes: dict[str, tuple[int, ...]]) -> tuple[dict[str, Any], int]:
    header, end = {"__metadata__": {"format": "pt", "vace_layers": "[0, 2]"}}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    return header, end


def _hole(path: Path, front: bytes, size: int) -> None:
    with path.open("wb") as file:
        file.write(front)
        file.truncate(max(len(front) + size, 0))


def _text(table: Any) -> bytes:
    return json.dumps(table).encode("utf-8", "surrogatepass")


def _safetensors(stem: Path, pick: random.Random) -> tuple[str, Path]:
    path = stem.with_suffix(".safetensors")
    return f"safetensors:{_spoiled(path, _shapes(), pick)}", path


def _spoiled(path: Path, shapes_of: dict[str, tuple[int, ...]], pick: random.Random, names: Any = NAMES) -> str:
    """Writes weights of these shapes with something wrong about them; says what."""
    header, size = _header(shapes_of)
    name, entry = "", pick.choice(list(header)[1:])
    empty = {"dtype": "F8_E4M3", "shape": [0], "data_offsets": [size, size]}
    shapes = ([], [1] * 9, [0, 2**50], [10**4000] * 300, [-1, -1])
    places = ([0, 0], [0, 4], [size, 0], [-4, 0], [0, 2**70])
    rules: dict[str, Callable[[], object]] = {
        "tree": lambda: _tree(header, pick),
        "type": lambda: header[entry].update(dtype=pick.choice(TYPES)),
        "shape": lambda: header[entry].update(shape=pick.choice(shapes)),
        "sides": lambda: header[entry].update(shape=[*header[entry]["shape"][::-1], 1]),
        "place": lambda: header[entry].update(data_offsets=pick.choice(places)),
        "other place": lambda: header[entry].update(data_offsets=header[pick.choice(list(header)[1:])]["data_offsets"]),
        "renamed": lambda: header.update({pick.choice(names): header.pop(entry)}),
        "empty beside": lambda: header.update({pick.choice(names): empty}),
        "said": lambda: header["__metadata__"].update({pick.choice(SAYING): pick.choice(SAID)}),
        "metadata": lambda: header.update(__metadata__=pick.choice(NUMBERS)),
        "many": lambda: header.update({f"blocks.{n}.x": pick.choice((3, empty)) for n in range(70_000)}),
    }  # fmt: skip
    for _ in range(pick.choice((1, 1, 2))):
        rule = pick.choice([rule for rule in rules if rule != "many" or pick.random() < 0.3])
        said = rules[rule]() if entry in header or rule in ("tree", "said", "metadata", "many") else None
        name += f" {rule}" + (f" {said}" if isinstance(said, str) else "")
    text = _text(header)
    raw = pick.choice((*[""] * 18, "bytes", "length", "twice", "mark", "encoding", "depth", "size"))
    front = len(text).to_bytes(8, "little") + text
    if raw == "bytes":
        name, front = name + " bytes", _bytes(front, pick)[1]
    elif raw == "length":
        front = pick.choice((0, 1, len(text) - 1, len(text) + 1, 2**40, 2**64 - 1)).to_bytes(8, "little") + text
    elif raw in ("twice", "mark", "encoding", "depth"):
        text = {
            "twice": b"{" + text[1:-1] + b"," + text[1:],
            "mark": b"\xef\xbb\xbf" + text,
            "encoding": text.decode(errors="replace").encode("utf-16"),
            "depth": b'{"a":' * 5000 + text + b"}" * 5000,
        }[raw]
        front = len(text).to_bytes(8, "little") + text
    _hole(path, front, size + pick.choice((-1, 1, -size, 1 << 40)) if raw == "size" else size)
    return f"{name} {raw}"


def _lora(stem: Path, pick: random.Random) -> tuple[str, Path]:
    path, shapes, rank = stem.with_suffix(".safetensors"), dict[str, tuple[int, ...]](), pick.choice((1, 4, 4, 300))
    for layer in ("self_attn.q", "self_attn.o", "ffn.0"):
        wide = (768 if layer == "ffn.0" else 256, 256)  # of the starter
        for prefix in ("diffusion_model.blocks.0.", "diffusion_model.vace_blocks.0."):
            shapes |= {f"{prefix}{layer}.lora_A.weight": (rank, wide[1]), f"{prefix}{layer}.alpha": ()}
            shapes[f"{prefix}{layer}.lora_B.weight"] = (wide[0], rank)
    return f"lora:{_spoiled(path, shapes, pick, (*NAMES, *LORA_NAMES * 2))}", path


def _string(text: str) -> bytes:
    content = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(content)) + content


def _gguf(stem: Path, pick: random.Random) -> tuple[str, Path]:
    path, wide = stem.with_suffix(".gguf"), (0, 1, 3, 32, 2**31, 2**62, 2**64 - 1)
    shapes = _shapes()
    entry = pick.choice(list(shapes))
    rule = pick.choice((
        "version", "tensors", "values", "name", "dims", "sides", "type", "place", "original", "original", "alignment",
        "text", "array", "value", "bytes", "cut", "nothing",
    ))  # fmt: skip
    values = [
        _string("general.architecture") + struct.pack("<I", 8) + _string("wan"),
        _string("general.alignment") + struct.pack("<II", 4, pick.choice(wide[:5]) if rule == "alignment" else 32),
    ]
    if rule == "original":
        code, kind = pick.choice((("i", 5), ("?", 7), ("f", 6), ("q", 11), ("I", 4), ("d", 12)))
        sides = pick.choice(([-1, -1], [0, 0], [1, 1], [1] * 9, [2**30] * 2, [int(np.prod(shapes[entry]))]))
        sides = [abs(side) for side in sides] if code == "I" else sides
        key = _string(f"comfy.gguf.orig_shape.{entry}")
        values.append(key + struct.pack(f"<IIQ{len(sides)}{code}", 9, kind, len(sides), *sides))
    if rule == "text":
        values.append(struct.pack("<Q", pick.choice(wide)) + b"x")
    if rule == "array":
        values.append(_string("k") + struct.pack("<IIQ", 9, pick.choice((0, 8, 9, 12, 13)), pick.choice(wide)))
    if rule == "value":
        values.append(_string("k") + struct.pack("<IQ", pick.choice((0, 7, 13, 2**31)), pick.choice(wide)))
    front, place, tensors = b"", 0, list(shapes.items())
    for name, shape in tensors:
        changed = name == entry
        sides = [pick.choice(wide) for _ in shape] if changed and rule == "sides" else list(shape[::-1])
        count = pick.choice((0, 9, 2**31)) if changed and rule == "dims" else len(sides)
        kind = pick.choice((1, 2, 8, 9, 14, 15, 99, 2**31)) if changed and rule == "type" else 0
        at = pick.choice((0, 1, place + 4, 2**40, 2**64 - 1)) if changed and rule == "place" else place
        called = pick.choice(NAMES) if changed and rule == "name" else name
        front += _string(called) + struct.pack(f"<I{len(sides)}QIQ", count, *sides, kind, at)
        place += -(-4 * int(np.prod(shape)) // 32) * 32
    head = b"GGUF" + struct.pack(
        "<IQQ",
        pick.choice((0, 1, 2, 4, 2**31)) if rule == "version" else 3,
        pick.choice(wide) if rule == "tensors" else len(tensors),
        pick.choice(wide) if rule == "values" else len(values),
    )
    front = head + b"".join(values) + front
    front += bytes(-len(front) % 32)
    if rule == "bytes":
        front = _bytes(front, pick)[1]
    _hole(path, front, pick.choice((0, place - 1, place // 2)) if rule == "cut" else place)
    return f"gguf: {rule}", path


def _index(stem: Path, pick: random.Random) -> tuple[str, Path]:
    shapes = list(_shapes().items())
    stem.mkdir()
    places: dict[str, Any] = {}
    for number, part in enumerate((shapes[::2], shapes[1::2]), 1):
        shard = f"model-{number:05}-of-00002.safetensors"
        header, size = _header(dict(part))
        text = _text(header)
        _hole(stem / shard, len(text).to_bytes(8, "little") + text, size)
        places |= {name: shard for name, _ in part}
    table: dict[str, Any] = {"metadata": {"total_size": 1}, "weight_map": places}
    name, path = _tree(table, pick, (*NUMBERS, *SHARDS, *SHARDS)), stem / "model.safetensors.index.json"
    text = _text(table)
    if pick.random() < 0.3:
        changed, text = _bytes(text, pick)
        name += f" {changed}"
    path.write_bytes(text)
    return f"index: {name}", path


def _layout(stem: Path, pick: random.Random) -> tuple[str, Path]:
    keys = [{"time": t, "x": 0.5, "y": 0.5, "width": 0.2, "height": 0.2} for t in (0.0, 0.5, 1.0)]
    path: dict[str, Any] = {"label": "dog", "order": 0, "colour": [0, 0, 0], "smooth": True, "keys": keys}
    table: Any = {"version": 1, "paths": [path, {"keys": keys[:1]}]}
    table = json.loads(json.dumps(pick.choice((table, table, [{"x": 1, "y": 2}] * 3))))
    name, text = _changed(table, pick)
    file = stem.with_suffix(".json")
    file.write_bytes(text.decode(errors="replace").encode())
    return f"layout: {name}", file


def _plan(stem: Path, pick: random.Random) -> tuple[str, Path]:
    windows = [{"begin": 0, "end": 17}, {"begin": 12, "end": 29, "overlap": 5, "prompt": "a", "references": ["b.png"]}]
    keyframes = [{"frame": -1, "picture": "c.png"}]
    table: Any = {"vace_plan": 1, "num_frames": 29, "fps": 16.0, "group": 4, "windows": windows, "shortest": 1}
    table = json.loads(json.dumps(table | {"keyframes": keyframes, "order": [1, 0], "loop": False}))
    name, text = _changed(table, pick)
    path = stem.with_suffix(".json")
    path.write_bytes(text)
    return f"plan: {name}", path


def _job(stem: Path, pick: random.Random) -> tuple[str, Path]:
    stem.mkdir()
    words, files = ["inpaint", "gone.mp4", "--mask", "gone.png"], pick.choice(({}, {"gone.safetensors": "0" * 64}))
    told = {"command": words, "folder": str(stem), "versions": {"vace": "1"}, "output": "out.mp4"}
    table: Any = json.loads(json.dumps({"format": 1, **told, "files": files}))
    text, name, kept = _text(table), "", stem / "sampling.safetensors"
    tensors = {"latents": (1, 16, 2, 4, 6), "last": (1, 16, 2, 4, 6)}
    if pick.random() < 0.5:
        name, text = _changed(table, pick, (*NUMBERS, *WORDS))
        head, size = _header(tensors)
        head["__metadata__"] = {"steps": "2", "total": "3"}
        front = _text(head)
        _hole(kept, len(front).to_bytes(8, "little") + front, size)
    else:
        name = _spoiled(kept, tensors, pick)
    (stem / "job.json").write_bytes(text)
    return f"job: {name}", stem


def _changed(table: Any, pick: random.Random, bad: tuple[Any, ...] = NUMBERS) -> tuple[str, bytes]:
    """JSON with parts of it replaced, and now and then its bytes; what was done, and its text."""
    name = " ".join(_tree(table, pick, bad) for _ in range(pick.choice((1, 1, 3))))
    text = _text(table)
    if pick.random() < 0.3:
        changed, text = _bytes(text, pick)
        name += f" {changed}"
    return name, text


def _media(stem: Path, pick: random.Random) -> tuple[str, Path]:
    from video_files import encode, noise

    kind = pick.choice((".png", ".jpg", ".gif", ".mp4", ".mkv"))
    path = stem.with_suffix(kind)
    if kind in (".png", ".jpg", ".gif"):
        made = io.BytesIO()
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
        image.save(made, format={".png": "PNG", ".jpg": "JPEG", ".gif": "GIF"}[kind])
        content = made.getvalue()
    else:
        content = encode(path, noise(4, 32, 48, 3)).read_bytes()
    if kind == ".png" and pick.random() < 0.5:
        sides = (pick.choice((0, 1, 30_000, 2**31 - 1, 2**32 - 1)), pick.choice((0, 20, 2**31 - 1)))
        content = content[:16] + struct.pack(">II", *sides) + content[24:]
        changed = f"sides {sides}"
    else:
        changed, content = _bytes(content, pick)
    path.write_bytes(content)
    return f"media: {kind} {changed}", path
