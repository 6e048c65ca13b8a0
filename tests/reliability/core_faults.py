"""The known faults of ComfyUI's own node: what it does with each, and what this pack does."""

from __future__ import annotations

from typing import Any

import torch

from .material import FakeVae, clip, conditioning, left_half
from .pack import Pack

SIZE = {"width": 64, "height": 64, "length": 17}
VIDEO = (17, 64, 64)


def core_faults(pack: Pack) -> dict[str, Any] | None:
    """Each case of the list, on the real node and on ours."""
    if pack.comfy is None:
        return None
    return {"cases": {name: {"core": _said(core), "ours": _said(ours)} for name, core, ours in _cases(pack)}}


def _cases(pack: Pack) -> list[tuple[str, Any, Any]]:
    video, hard = clip(*VIDEO), left_half(17, 64, 64)
    nan = video.clone()
    nan[4, 3, 3] = float("nan")  # a frame that the VAE of averages looks at
    both = torch.cat([clip(1, 64, 64, seed=3), clip(1, 64, 64, seed=4)])
    tall = torch.zeros(1, 128, 32, 3)
    tall[:, :16] = 1  # the end that a centre crop cuts off

    def core(**values: Any) -> Any:
        from comfy_extras.nodes_wan import WanVaceToVideo

        def call() -> Any:
            text = conditioning()
            with torch.inference_mode():
                out = WanVaceToVideo.execute(
                    text, text, FakeVae(), **{"batch_size": 1, "strength": 1.0, **SIZE, **values}
                )
            return out[0][0][1], out[2]["samples"], out[3]

        return call

    def ours(node: str, **values: Any) -> Any:
        def call() -> Any:
            vcu = pack.run(node, **values)[0]
            text = conditioning()
            out = pack.run("VaceApplyVCU", positive=text, negative=text, vae=FakeVae(), vcu=vcu, strength=1.0)
            return out[0][0][1], out[2]["samples"], out[3]

        return call

    def paint(images: torch.Tensor, mask: torch.Tensor) -> Any:
        return ours("VaceInpaintVideo", images=images, mask=mask, fit="as it is")

    def frames(call: Any) -> Any:
        return lambda: f"{call()[1].shape[2]} latent frames"

    def mean(call: Any) -> Any:
        return lambda: f"{float(call()[0]['vace_mask'][0].mean()):.3f} of the mask is generated"

    def trim(call: Any) -> Any:
        return lambda: f"{call()[2]} reference(s) in front"

    def corner(call: Any) -> Any:
        # Raw latents of averages: white is 1, and the fake VAE keeps the image's own values in channel 0.
        def seen() -> str:
            reference = call()[0]["vace_frames"][0][0, 0, 0]
            is_whole = float(reference[0].max()) > 0.9 and _has_black(reference)
            return "shown whole" if is_whole else "its ends are cut off"

        return seen

    def finite(call: Any) -> Any:
        def seen() -> str:
            good = bool(torch.isfinite(call()[0]["vace_frames"][0]).all())
            return "finite conditioning" if good else "NaN in the conditioning, nothing said"

        return seen

    return [
        ("length 18", frames(core(length=18)), frames(ours("VaceTextToVideo", **{**SIZE, "length": 18}))),
        ("length 20", frames(core(length=20)), frames(ours("VaceTextToVideo", **{**SIZE, "length": 20}))),
        ("width 68", frames(core(width=68)), frames(ours("VaceTextToVideo", **{**SIZE, "width": 68}))),
        (
            "video of 18 frames",
            frames(core(length=18, control_video=clip(18, 64, 64))),
            frames(ours("VaceControlVideo", images=clip(18, 64, 64), kind="gray", fit="starter")),
        ),
        (
            "mask of one black frame, video of 17",
            mean(core(control_video=video, control_masks=torch.zeros(1, 64, 64))),
            mean(paint(video, torch.zeros(1, 64, 64))),
        ),
        (
            "mask of one frame, half white",
            mean(core(control_video=video, control_masks=hard[:1])),
            mean(paint(video, hard[:1])),
        ),
        (
            "mask of 9 of 17 frames",
            mean(core(control_video=video, control_masks=hard[:9] * 0)),
            mean(paint(video, hard[:9])),
        ),
        ("mask [H, W]", mean(core(control_video=video, control_masks=hard[0])), mean(paint(video, hard[0]))),
        (
            "mask [T, H, W, 1]",
            mean(core(control_video=video, control_masks=hard[..., None])),
            mean(paint(video, hard[..., None])),
        ),
        (
            "two references",
            trim(core(reference_image=both)),
            trim(ours("VaceReferenceToVideo", references=both, **SIZE)),
        ),
        (
            "reference of another shape (32 x 128)",
            corner(core(reference_image=tall)),
            corner(ours("VaceReferenceToVideo", references=tall, **SIZE)),
        ),
        ("NaN in the video", finite(core(control_video=nan, control_masks=hard)), finite(paint(nan, hard))),
        (
            "video without frames",
            frames(core(control_video=video[:0], control_masks=hard)),
            frames(paint(video[:0], hard)),
        ),
        (
            "video with transparency",
            frames(core(control_video=clip(*VIDEO, channels=4), control_masks=hard)),
            frames(paint(clip(*VIDEO, channels=4), hard)),
        ),
    ]


def _has_black(reference: torch.Tensor) -> bool:
    return float(reference.min()) < 0.1


def _said(call: Any) -> str:
    try:
        return str(call())
    except Exception as error:  # what a user would see
        ours = "VaceError" in [kind.__name__ for kind in type(error).__mro__]
        return ("stops: " if ours else f"{type(error).__name__}: ") + str(error).splitlines()[0][:400]


HOSTED = {"core": core_faults}
ROWS: dict[Any, Any] = {}
