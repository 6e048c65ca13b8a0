"""Rows 6 and 7: every length and every size, through a whole graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .material import PATH, FakeVae, clip, conditioning, left_half
from .pack import Pack
from .row import Row, tally

LENGTHS = (0, 1, 2, 3, 5, 17, 18, 20, 80, 81, 82)
TOO_SHORT = ("length-too-short", "flow-length")
FITS = ("starter", "480p", "720p", "as it is")
STARTER_LENGTH = 17
SIZES = ((1, 1), (1, 100), (15, 15), (16, 16), (17, 33), (33, 17), (31, 48), (63, 65), (100, 37), (37, 100), (64, 64),
         (135, 241), (360, 640), (640, 360), (481, 853), (720, 1280), (1280, 720), (1081, 1921), (2160, 3840),
         (3840, 2160), (16, 1000), (1000, 16), (20, 3000))  # fmt: skip

SMALL = SIZES[:11]

CLIP_JOBS = {
    "inpaint": ("VaceInpaintVideo", "images", {"mask": 1}),
    # A border with which the whole is as large as the starter takes.
    "outpaint": ("VaceOutpaintVideo", "images", dict.fromkeys(("left", "right", "top", "bottom"), 0.25)),
    "gray": ("VaceControlVideo", "images", {"kind": "gray"}),
    "scribble": ("VaceControlVideo", "images", {"kind": "scribble"}),
    "flow": ("VaceControlVideo", "images", {"kind": "flow"}),
    "depth": ("VaceControlVideo", "images", {"kind": "depth"}),
    "swap": ("VaceSwapAnything", "images", {"mask": 1, "references": clip(1)}),
    "animate": ("VaceAnimateAnything", "pose", {"references": clip(1)}),
    "general": ("VaceBuildVCU", "images", {"mask": 1}),
    "general, control": ("VaceBuildVCU", "control", {}),
}
LENGTH_JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("VaceTextToVideo", {"width": 48, "height": 32}),
    "reference": ("VaceReferenceToVideo", {"width": 48, "height": 32, "references": clip(1)}),
    "extend": ("VaceExtendVideo", {"first": clip(1)}),
    "join": ("VaceJoinVideos", {"first": clip(1), "last": clip(1)}),
    "keyframes": ("VacePlaceKeyframes", {"images": clip(1), "positions": "0"}),
    "layout": ("VaceLayoutToVideo", {"width": 48, "height": 32, "paths": PATH}),
    "move": ("VaceMoveAnything", {"image": clip(1), "paths": PATH}),
    "expand": ("VaceExpandAnything", {"image": clip(1)}),
    "reference anything": ("VaceReferenceAnything", {"width": 48, "height": 32, "image_1": clip(1)}),
    "general, text": ("VaceBuildVCU", {"width": 48, "height": 32}),
}
PICTURE_JOBS = {
    "move": ("VaceMoveAnything", "image", {"paths": PATH, "length": 5}),
    "expand": ("VaceExpandAnything", "image", {"length": 5}),
    "extend": ("VaceExtendVideo", "first", {"length": 5}),
    "keyframes": ("VacePlaceKeyframes", "images", {"positions": "0", "length": 5}),
}


def wanted_length(came: int, fit: str) -> int | None:
    """The frames that a clip must have in the model, by the rule itself; None = it must be refused."""
    if came < 1:
        return None
    longest = (came - 1) // 4 * 4 + 1
    if fit == "as it is":
        return came if longest == came else None
    return min(longest, STARTER_LENGTH) if fit == "starter" else longest


def frame_counts(pack: Pack) -> dict[str, Any]:
    """Row 6: jobs x lengths, from the task through latents and decoding to the frames that are saved."""
    found = []
    for name, (node, key, rest) in CLIP_JOBS.items():
        for length in pack.part(LENGTHS, 3):
            for fit in ("starter", "480p", "as it is"):
                # As large as the starter takes, so that its length is limited too.
                images = clip(length, 96, 96) if fit == "starter" else clip(length)
                values = _filled({key: images, **rest}, images)
                case = f"{name}, {length} frames, {fit}"
                found.append((case, *_judged(pack, node, {**values, "fit": fit}, wanted_length(length, fit))))
    for name, (node, rest) in LENGTH_JOBS.items():
        for length in pack.part(LENGTHS, 3):
            values = {**rest, "length": length}
            found.append((f"{name}, length {length}", *_judged(pack, node, values, wanted_length(length, "as it is"))))
    return tally(found)


def _judged(pack: Pack, node: str, values: dict[str, Any], wanted: int | None) -> tuple[str, Any]:
    kind, got = pack.outcome(_whole_job, pack, node, values)
    if kind != "handled":
        # One frame leaves extensions nothing to make, and has no motion to follow.
        refused = kind == "said" and (wanted is None or (wanted == 1 and pack.code in TOO_SHORT))
        return ("said", got) if refused else (kind if kind != "said" else "wrongly refused", got)
    return ("right", got) if got == wanted else ("wrong length", f"{got} frames where {wanted} are due")


def _whole_job(pack: Pack, node: str, values: dict[str, Any]) -> int:
    """The frames of the decoded video."""
    vcu = pack.run(node, **values)[0]
    text = conditioning()
    applied = pack.run("VaceApplyVCU", positive=text, negative=text, vae=FakeVae(), vcu=vcu, strength=1.0)
    latent, trim = applied[2]["samples"], applied[3]
    assert latent.shape[2] == (vcu.num_frames - 1) // 4 + 1 + trim
    images = pack.run("VaceDecodeVideo", samples={"samples": latent}, vcu=vcu, vae=FakeVae())[0]
    assert images.shape[1:3] == (vcu.height, vcu.width)
    assert images.shape[0] == vcu.num_frames
    return images.shape[0]


def _filled(values: dict[str, Any], images: Tensor) -> dict[str, Any]:
    """The mask that belongs to a clip in place of its mark."""
    made = left_half(max(len(images), 1), *images.shape[1:3])
    return {name: made if name == "mask" else value for name, value in values.items()}


def ramps(frames: int, height: int, width: int) -> Tensor:
    """IMAGE whose red rises from left to right and whose green from top to bottom."""
    images = torch.zeros(frames, height, width, 3)
    images[..., 0] = (torch.arange(width) + 0.5) / width
    images[..., 1] = ((torch.arange(height) + 0.5) / height)[:, None]
    return images


def aspect_error(frames: Tensor, height: int, width: int) -> float:
    """By how many pixels one side of a fitted image of ramps `(1, 3, T, h, w)` differs from an undistorted one."""
    picture = (frames[0, :, 0] + 1) / 2
    rows, columns = picture.shape[1:]
    inner = slice(rows // 4, rows - rows // 4), slice(columns // 4, columns - columns // 4)
    part = picture[:, inner[0], inner[1]].double()
    if min(part.shape[1:]) < 4:
        return 0.0
    across = 1 / (float((part[0, :, -1] - part[0, :, 0]).mean()) / (part.shape[2] - 1) * width)
    down = 1 / (float((part[1, -1] - part[1, 0]).mean()) / (part.shape[1] - 1) * height)
    return abs(across / down - 1) * min(rows, columns)


def sizes(pack: Pack) -> dict[str, Any]:
    """Row 7: jobs x sizes x fits."""
    found, stretched, odd = [], dict[str, float](), 0
    for height, width in SMALL if pack.quick else SIZES:
        large = height * width > 1_000_000
        for fit in pack.part(FITS, 3):
            for name, (node, key, rest) in {**_CLIPS, **PICTURE_JOBS}.items():
                if large and name not in ("inpaint", "move"):
                    continue
                images = ramps(1 if large or name in PICTURE_JOBS else 5, height, width)
                mask = {"mask": left_half(1, height, width)} if "mask" in rest else {}
                kind, got = pack.outcome(pack.run, node, **{**rest, key: images, **mask, "fit": fit})
                case = f"{name}, {width} x {height}, {fit}"
                found.append((case, kind, None if kind == "handled" else got))
                if kind != "handled":
                    continue
                vcu = got[0]
                odd += bool(vcu.height % 16 or vcu.width % 16)
                if name in ("gray", "extend", "keyframes", "move"):
                    frames = vcu.frames if name == "gray" else vcu.source
                    if name != "gray":
                        stretched[case] = aspect_error(frames, height, width)
    worst = max(stretched, key=lambda case: stretched[case])
    return {**tally(found), "not a multiple of 16": odd, "aspect error, pixels": stretched[worst], "worst": worst}


_CLIPS = {name: CLIP_JOBS[name] for name in ("inpaint", "gray", "outpaint", "swap")}


def row_6(hosts: dict[str, dict[str, Any]]) -> Row:
    total, right, said = (sum(one.get(key, 0) for one in hosts.values()) for key in ("cases", "right", "said"))
    return Row(
        6,
        f"{right + said} of {total}: {right} of the right length, {said} refused in a sentence",
        right + said == total,
        f"{len(CLIP_JOBS)} tasks with a clip x {len(LENGTHS)} lengths x 3 fits and {len(LENGTH_JOBS)} with a length "
        f"x {len(LENGTHS)}, from the task through conditioning and decoding to the saved frames.",
    )


def row_7(hosts: dict[str, dict[str, Any]]) -> Row:
    total, cryptic, odd = (
        sum(h.get(k, 0) for h in hosts.values()) for k in ("cases", "cryptic", "not a multiple of 16")
    )
    said = sum(one.get("said", 0) for one in hosts.values())
    error = max(one["aspect error, pixels"] for one in hosts.values())
    return Row(
        7,
        f"{total} cases: {cryptic} crashes, {said} refused in a sentence; aspect error {error:.2f} px; {odd} odd sizes",
        not cryptic and not odd and error < 1,
        f"{len({**_CLIPS, **PICTURE_JOBS})} tasks x {len(SIZES)} sizes from 1 x 1 to 3840 x 2160 x {len(FITS)} fits. "
        "Stretching is measured on ramps "
        "drawn into the image.",
    )


HOSTED = {6: frame_counts, 7: sizes}
ROWS = {6: row_6, 7: row_7}
