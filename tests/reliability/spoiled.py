"""Row 10: values that are not numbers, in every socket, in weights, latents and networks that overflow."""

from __future__ import annotations

from typing import Any

import torch

from .material import PATH, FakeVae, clip, conditioning, left_half
from .pack import Pack, tiny_starter
from .row import Row, tally

VALUES = {"NaN": float("nan"), "+infinity": float("inf"), "-infinity": float("-inf")}
SOCKETS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "VaceReferenceToVideo": ({"references": clip(2), "width": 48, "height": 32, "length": 5}, ("references",)),
    "VaceInpaintVideo": ({"images": clip(), "mask": left_half()}, ("images", "mask")),
    "VaceOutpaintVideo": ({"images": clip()}, ("images",)),
    "VaceExtendVideo": ({"first": clip(1), "last": clip(1, seed=1), "length": 9}, ("first", "last")),
    "VaceJoinVideos": ({"first": clip(5), "last": clip(5, seed=1), "length": 17}, ("first", "last")),
    "VacePlaceKeyframes": ({"images": clip(2), "length": 9}, ("images",)),
    "VaceControlVideo": ({"images": clip(), "kind": "gray", "mask": left_half()}, ("images", "mask")),
    "VaceMoveAnything": ({"image": clip(1), "paths": PATH, "length": 5}, ("image",)),
    "VaceSwapAnything": (
        {"images": clip(), "mask": left_half(), "references": clip(1)},
        ("images", "mask", "references"),
    ),
    "VaceExpandAnything": ({"image": clip(1), "length": 5, "references": clip(1)}, ("image", "references")),
    "VaceAnimateAnything": ({"pose": clip(), "references": clip(1)}, ("pose", "references")),
    "VaceReferenceAnything": (
        {"image_1": clip(1), "mask_1": left_half(), "image_2": clip(1), "width": 48, "height": 32, "length": 5},
        ("image_1", "mask_1", "image_2"),
    ),
    "VaceBuildVCU": (
        {"images": clip(), "mask": left_half(), "control": clip(), "references": clip(1)},
        ("images", "mask", "control", "references"),
    ),
    "VaceComposeMasks": ({"mask": left_half(), "mask_2": left_half(), "images": clip(1)}, ("mask", "mask_2", "images")),
    "VaceStackReferences": ({"image": clip(1), "mask": left_half()}, ("image", "mask")),
}


def spoiled(pack: Pack) -> dict[str, Any]:
    """Row 10."""
    found = [*_sockets(pack), *_later(pack), *_overflow(pack)]
    return {**tally(found), "NaN frames written": _written(pack)}


def _sockets(pack: Pack) -> list[tuple[str, str, Any]]:
    """One bad value in one place of each input of each node: the message must name the input."""
    found = []
    for node, (values, sockets) in SOCKETS.items():
        for socket in sockets:
            for name, value in pack.part([*VALUES.items()], 3):
                spoiled = values[socket].clone()
                spoiled.view(-1)[spoiled.numel() // 2] = value
                outcome = pack.outcome(pack.run, node, **{**values, socket: spoiled})
                found.append((f"{node}.{socket} {name}", *_named(outcome, f'"{socket}"')))
    return found


def _later(pack: Pack) -> list[tuple[str, str, Any]]:
    """Latents, decoded images, and a VAE that overflows while it encodes or decodes."""
    vcu = pack.run("VaceInpaintVideo", images=clip(), mask=left_half(), fit="as it is")[0]
    found = []
    for name, value in VALUES.items():
        latent = torch.zeros(1, 16, 2, 4, 6)
        latent[0, 0, 1, 1, 1] = value
        samples = {"samples": latent}
        got = pack.outcome(pack.run, "VaceDecodeVideo", samples=samples, vcu=vcu, vae=FakeVae())
        found.append((f"latent {name}", *_named(got, "samples")))
        images = clip()
        images[3, 3, 3] = value
        got = pack.outcome(pack.run, "VaceCompositeVideo", images=images, vcu=vcu)
        found.append((f"VaceCompositeVideo.images {name}", *_named(got, '"images"')))
    text, vae = conditioning(), FakeVae("encode")
    got = pack.outcome(pack.run, "VaceApplyVCU", positive=text, negative=text, vae=vae, vcu=vcu, strength=1.0)
    found.append(("VAE that gives NaN while encoding", *_named(got, "VAE")))
    samples = {"samples": torch.zeros(1, 16, 2, 4, 6)}
    got = pack.outcome(pack.run, "VaceDecodeVideo", samples=samples, vcu=vcu, vae=FakeVae("decode"))
    found.append(("VAE that gives NaN while decoding", *_named(got, "VAE")))
    return found


def _overflow(pack: Pack) -> list[tuple[str, str, Any]]:
    """The tiny model in three types, once as it is and once with weights that are NaN or overflow."""
    found = []
    vcu = pack.run("VaceInpaintVideo", images=clip(), mask=left_half(), fit="as it is")[0]
    spoilers = {"as it is": None, "NaN in a weight": float("nan"), "weights that overflow": 1e30}
    for dtype in pack.part((torch.float32, torch.bfloat16, torch.float16), 3):
        for name, value in spoilers.items():
            model = _tiny(pack, dtype, value)
            got = pack.outcome(pack.run, "VaceSampleVideo", model=model, vcu=vcu, steps=2, cfg=2.0, shift=3.0)
            case = f"{dtype}, {name}"
            if value is None:
                finite = got[0] == "handled" and bool(torch.isfinite(got[1][0]["samples"]).all())
                found.append((case, "right" if finite else "not finite", got[1] if got[0] != "handled" else None))
            else:
                found.append((case, *_named(got, "sampling gave values that are not numbers")))
    return found


def _tiny(pack: Pack, dtype: torch.dtype, value: float | None) -> Any:
    """The tiny starter, its transformer in another type, and `value` in place of a weight of its file."""
    model = tiny_starter(pack)
    if value is not None:
        model = tiny_starter(pack, value)
    with torch.inference_mode():
        model.core.expert.base.to(dtype)
        model.core.expert.adapter.to(dtype)
    return model


def _written(pack: Pack) -> int:
    """Files that the library writes although a frame is not a number."""
    from importlib import import_module

    name = pack.module.__name__
    video, pictures = import_module(f"{name}.vace_core.media.write"), import_module(f"{name}.vace_core.media.pictures")
    written = 0
    for value in VALUES.values():
        frames = torch.zeros(1, 3, 5, 32, 32)
        frames[0, 0, 3, 3, 3] = value
        for number, (write, part, ending) in enumerate(
            ((video.write_video, frames, "mp4"), (pictures.write_image, frames[:, :, 3:4], "png"))
        ):
            path = pack.folder / f"spoiled{number}.{ending}"
            pack.outcome(write, path, part, **({"fps": 8.0} if ending == "mp4" else {}))
            written += path.exists()
    return written


def _named(outcome: tuple[str, Any], wanted: str) -> tuple[str, Any]:
    """Whether it was refused in a message that names where it came from."""
    kind, got = outcome
    if kind == "handled":
        return "passed on", "no error"
    return (kind, got) if kind == "cryptic" or wanted in got else ("not named", got)


def row_10(hosts: dict[str, dict[str, Any]]) -> Row:
    total = sum(one["cases"] for one in hosts.values())
    good = sum(one.get("said", 0) + one.get("right", 0) for one in hosts.values())
    written = sum(one["NaN frames written"] for one in hosts.values())
    return Row(
        10,
        f"{good} of {total} named where they come in; NaN frames written: {written}",
        good == total and not written,
        "NaN and both infinities in every tensor input of every node, in latents, in decoded images, in a VAE that "
        "overflows either way, and in a model of float32, bfloat16 and float16 as it is, with NaN in a weight, and "
        "with weights that overflow.",
    )


HOSTED = {10: spoiled}
ROWS = {10: row_10}
