"""Small files that are broken, or made to break something, or merely unusual. All made here, none shipped."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

HTML = b"<!DOCTYPE html><html><body>401 Unauthorized</body></html>" * 20
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5135149760\n"


def weights(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files of weights by name, each with what is due: "said"."""
    from core.test_hostile_files import GGUF, SAFETENSORS

    made: dict[str, bytes] = {f"safetensors: {name}": content for name, (content, _) in SAFETENSORS.items()}
    made |= {f"gguf: {name}": content for name, (content, _) in GGUF.items()}
    header = json.dumps(
        {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}
    ).encode()
    pickled = pickle.dumps({"a": _Trap()})
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    made |= {
        "safetensors: a web page": HTML,
        "safetensors: a pointer of Git LFS": LFS,
        "safetensors: a pickle under another name": pickled,
        "safetensors: a zip of pickles under another name": zipped.getvalue(),
        "safetensors: 100,000 tensors that are no model": struct.pack("<Q", len(header)) + header,
        "safetensors: zeros": bytes(10_000),
        "gguf: a web page": HTML,
        "pth: a pickle that would run code": pickled,
        "ckpt: a zip of pickles": zipped.getvalue(),
        "bin: a pickle": pickled,
    }
    found = {}
    for number, (name, content) in enumerate(made.items()):
        path = folder / f"w{number}.{name.split(':')[0]}"
        path.write_bytes(content)
        found[name] = (path, "said")
    directory = folder / "directory.safetensors"
    directory.mkdir()
    return {**found, "safetensors: a folder of that name": (directory, "said")}


class _Trap:
    """A pickle that leaves a trace if it is ever loaded."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return (_leave_trace, ("trace",))


def _leave_trace(name: str) -> None:
    Path(name).write_text("code ran")


def videos(folder: Path) -> dict[str, tuple[Path, str]]:
    """Videos by name, and whether they must be read ("handled") or refused ("said")."""
    from video_files import encode, encode_sound, noise, turn

    good = encode(folder / "good.mp4", noise(8, 32, 48, 3))
    data = good.read_bytes()
    broken = {
        "0 bytes": b"",
        "random bytes": np.random.default_rng(0).bytes(5000),
        "a text": b"this is no video\n" * 100,
        "a web page": HTML,
        "cut in half": data[: len(data) // 2],
        "its index missing": data[: data.index(b"moov") - 4],
        "its index only": data[:40],
        "a playlist of other files": b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "a list to be joined": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "zeros where the frames are": data[:200] + bytes(len(data) - 200),
    }
    found = {}
    for number, (name, content) in enumerate(broken.items()):
        path = folder / f"v{number}.mp4"
        path.write_bytes(content)
        found[f"video: {name}"] = (path, "said")
    playlist = folder / "list.m3u8"
    playlist.write_bytes(broken["a playlist of other files"])
    huge = bytearray(encode(folder / "huge.avi", noise(2, 32, 32, 3), codec="mjpeg", pix_fmt="yuvj420p").read_bytes())
    place = huge.index(b"strf") + 12
    huge[place : place + 8] = struct.pack("<ii", 60_000, 60_000)
    (folder / "huge.avi").write_bytes(huge)
    gray = noise(8, 33, 17, 3)
    alpha = torch.cat([noise(4, 32, 32, 3), torch.full((4, 32, 32, 1), 100, dtype=torch.uint8)], dim=3)
    first = [Image.fromarray(one.numpy()) for one in noise(4, 20, 20, 3)]
    first[0].save(folder / "moving.gif", save_all=True, append_images=first[1:], duration=100)
    return {
        **found,
        "video: a playlist": (playlist, "said"),
        "video: sides of 60,000 in its header": (folder / "huge.avi", "any"),
        "video: sound only": (encode_sound(folder / "sound.mp4", 0.2, 0.1, codec="aac"), "said"),
        "video: of variable rate": (
            encode(folder / "vfr.mp4", noise(6, 32, 32, 3), ticks=[0, 1, 5, 6, 20, 21]), "handled"),
        "video: turned by its header": (
            turn(encode(folder / "r.mp4", noise(4, 32, 48, 3)), 0, 65536, -65536, 0), "handled"),
        "video: of odd sides": (
            encode(folder / "odd.mp4", gray, codec="libx264rgb", pix_fmt="rgb24"), "handled"),
        "video: with transparency": (
            encode(folder / "alpha.mov", alpha, codec="qtrle", pix_fmt="argb"), "handled"),
        "video: one frame": (encode(folder / "one.mp4", noise(1, 32, 32, 3)), "handled"),
        "video: one pixel": (encode(folder / "px.mp4", noise(3, 1, 1, 3), codec="libx264rgb", pix_fmt="rgb24"), "any"),
        "video: a moving GIF": (folder / "moving.gif", "handled"),
        "video: 1000 frames a second": (encode(folder / "fast.mp4", noise(4, 32, 32, 3), fps=1000), "handled"),
    }  # fmt: skip


def pictures(folder: Path) -> dict[str, tuple[Path, str]]:
    """Image files by name, and what is due."""
    good = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))

    def saved(name: str, image: Image.Image = good, **options: Any) -> Path:
        image.save(folder / name, **options)
        return folder / name

    png = saved("good.png").read_bytes()
    broken = {
        "0 bytes": b"",
        "cut in half": png[: len(png) // 2],
        "a text": b"no picture" * 50,
        "a web page": HTML,
        "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "sides of 60,000 in its header": _png(60_000, 60_000, b""),
        "a bomb of 30,000 x 30,000": _png(30_000, 30_000, zlib.compress(bytes(30_000 * 3_751), 9)),
        "a bomb in its text": png[:33] + _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9)) + png[33:],
        "a wrong check sum": png[:-20] + bytes(4) + png[-16:],
        "sides of 0": _png(0, 0, zlib.compress(b"")),
    }
    found = {}
    for number, (name, content) in enumerate(broken.items()):
        path = folder / f"p{number}.png"
        path.write_bytes(content)
        # The last two are within what a decoder may forgive.
        found[f"picture: {name}"] = (path, "any" if name.startswith(("a bomb in", "a wrong")) else "said")
    sixteen = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    floats = Image.fromarray(np.random.default_rng(0).random((20, 30), dtype=np.float32))
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        **found,
        "picture: of 16 bits": (saved("16.png", sixteen), "handled"),
        "picture: of floats": (saved("f.tiff", floats), "said"),
        "picture: CMYK": (saved("cmyk.jpg", good.convert("CMYK")), "handled"),
        "picture: a palette with transparency": (saved("p.png", good.convert("P"), transparency=3), "handled"),
        "picture: gray with alpha": (saved("la.png", good.convert("LA")), "handled"),
        "picture: one bit": (saved("1.png", good.convert("1")), "handled"),
        "picture: turned by its EXIF": (saved("exif.jpg", exif=turned), "handled"),
        "picture: one pixel": (saved("px.png", good.crop((0, 0, 1, 1))), "handled"),
    }


def _png(width: int, height: int, data: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
