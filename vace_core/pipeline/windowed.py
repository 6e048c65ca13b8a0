"""One window of a long clip: a function of the plan, its number, and the frames that its neighbours hand over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from ..checks.numbers import check_whole
from ..context import encode_job
from ..errors import InputError
from ..inputs.blending import BlendMode
from ..protocols import OnChunk
from ..sampling.options import LAST_SEED, SamplingOptions
from ..sampling.pinning import Held
from ..sampling.solvers import OnStep
from ..sampling.strength import AS_TRAINED, Strength
from ..sampling.windows import Plan
from ..vcu import VideoConditionUnit
from . import VaceModel, finish, sample
from .anchor import Colours, colours_of, drawn_to_first, faded, faded_in, matched_on_shared
from .composite import can_match
from .parts import Parts, PlanPictures, keeping, window_unit

logger = logging.getLogger("vace")

JoinBy = Literal["pixels", "pinned", "latents", "overlap", "pyramid"]
Anchor = Literal["auto", "none", "shared", "first"]


@dataclass(frozen=True, kw_only=True)
class Joining:
    """How the windows of a plan are joined.

    Attributes:
        by: The strategy. Of those that hand over, windows are made one by one, can be written as soon as they are
            done, and redone alone:
            "pixels" = the last frames of a window are kept frames of the next;
            "pinned" = their latents are held in every step too, encoded from these frames;
            "latents" = their latents are those that the window before ended with, which saves a way through the VAE.
            Those that denoise all windows together have no seam, but write nothing before all are done, and no window
            can be redone alone:
            "overlap" = latents are blended in every step where windows overlap, weights rising over the overlap;
            "pyramid" = the same, weights rising up to the middle of a window.
        anchor: Colours of later windows, where they are handed over. "none"; "shared" = corrected by how the model
            changed the frames that were handed over; "first" = also drawn to the colours of the first window, the more
            the further into the window, unless the window keeps pixels of its own, whose colours the new ones are to
            have; "auto" = "first" where windows are made one by one, of all strategies that were measured the one
            whose colours drift least (docs/windows.md).
        fade: New frames over which the step fades out that is left between the frames handed over and the new ones, as
            `anchor.faded`, and in towards frames that a window leads up to; 0 = it is left as it is. Windows that are
            denoised together have no such step.

    Raises:
        InputError: there is no such strategy, none of these anchors, or a fade below 0.
    """

    by: JoinBy = "latents"
    anchor: Anchor = "auto"
    fade: int = 8

    def __post_init__(self) -> None:
        check_whole("The fade", self.fade, least=0)
        for name, value, known in (
            ("strategy", self.by, get_args(JoinBy)),
            ("colour anchor", self.anchor, get_args(Anchor)),
        ):
            if value not in known:
                raise InputError(
                    "joining-unknown",
                    'The {name} is "{value}". One of {known} is needed. Choose one of these.',
                    name=name,
                    value=value,
                    known=", ".join(known),
                )
        if not self.streams and self.anchored != "none":
            raise InputError(
                "anchor-together",
                'Windows are joined by "{by}" and anchored to "{anchor}". Windows that are denoised together have one '
                "colour already. Leave the anchor out, or join by pixels or latents.",
                by=self.by,
                anchor=self.anchor,
            )

    @property
    def streams(self) -> bool:
        """Whether windows are made one by one."""
        return self.by not in ("overlap", "pyramid")

    @property
    def anchored(self) -> Anchor:
        """The anchor that "auto" stands for, or the one that was asked for."""
        if self.anchor != "auto":
            return self.anchor
        return "first" if self.streams else "none"

    def __str__(self) -> str:
        parts = [self.by]
        if self.anchored != "none":
            parts.append(f"colours anchored: {self.anchored}")
        if self.streams and self.fade:
            parts.append(f"steps fade out over {self.fade} frames")
        return ", ".join(parts)

    def check_streams(self, what: str) -> None:
        """Validate that windows are made one by one, which `what` (such as "redone alone") needs.

        Raises:
            InputError: they are denoised together.
        """
        if not self.streams:
            raise InputError(
                "together-cannot",
                'Windows that are joined by "{by}" are denoised together from one noise, and cannot be {what}. A '
                "strategy that hands over is needed for that. Join by {instead}.",
                by=self.by,
                what=what,
                instead="pixels or latents",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class HandOver:
    """What a window passes on to the one behind it.

    Attributes:
        frames: `(B, 3, n, H, W)` in −1..1, its last frames, as many as both share.
        latents: `(B, C, m, h, w)`, its last latents, those of all shared frames but the first of them; None = unknown.
        first: The colours of the first window; None = they are not compared.
    """

    frames: Tensor
    latents: Tensor | None = None
    first: Colours | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class MadeWindow:
    """A window that is done.

    Attributes:
        number: Which.
        begin: The frame of the whole clip at which `frames` begin.
        frames: `(B, 3, n, H, W)` in −1..1, without those that the window before handed over.
        head: `(B, 3, n, H, W)`, its first frames, as many as it shares with the window before.
        handed: For the window behind; None where no other shares frames with it.
    """

    number: int
    begin: int
    frames: Tensor
    head: Tensor
    handed: HandOver | None


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowedJob:
    """What all windows of a long clip have in common.

    Attributes:
        model: The networks.
        plan: The windows.
        parts: What the clip asks for, stretch by stretch.
        options: How each is sampled. Window n has the seed of the options and n more, unless the plan says another.
        joining: How windows are joined.
        pictures: The images that the plan names.
        strength: As `generate`, as are all others; over the frames of each window.
        pin: As `generate`.
        feather: As `generate`.
        match_colour: As `generate`, in windows that keep enough beside their mask; of others a warning says so.
        blend_mode: As `generate`, in windows that keep a part of their frames.
        on_step: As `generate`.
        on_chunk: As `generate`.
        sampler: What samples a window that is made on its own, called as `pipeline.sample`, as another host does it.
    """

    model: VaceModel
    plan: Plan
    parts: Parts
    options: SamplingOptions
    joining: Joining = Joining()
    pictures: PlanPictures = field(default_factory=PlanPictures)
    strength: Strength = AS_TRAINED
    pin: bool = False
    feather: int = 0
    match_colour: bool = False
    blend_mode: BlendMode = "feather"
    on_step: OnStep | None = None
    on_chunk: Callable[[str, int, int], None] | None = None
    sampler: Callable[..., Tensor] = sample

    def chunks(self, what: str) -> OnChunk | None:
        """How the VAE tells of `what` it does, "encode" or "decode"; None = nobody wants to know."""
        tell = self.on_chunk
        return None if tell is None else lambda done, total: tell(what, done, total)

    def options_of(self, number: int) -> SamplingOptions:
        """How a window is sampled."""
        window = self.plan.windows[number]
        seed = (int(self.options.seed) + number) % (LAST_SEED + 1) if window.seed is None else window.seed
        return replace(self.options, seed=seed, strength=self.options.strength * window.strength)


def make_window(
    job: WindowedJob, number: int, *, before: HandOver | None = None, after: Tensor | None = None
) -> MadeWindow:
    """Makes one window, first or again.

    Args:
        job: What it is a window of.
        number: Which.
        before: What the window before it handed over; None = nothing, it is made without.
        after: `(B, 3, n, H, W)`, the first frames of the window behind, which it then leads up to; None = it is free
            to end as it likes.

    Raises:
        InputError: there is no such window, what is handed over has another length than the plan says, or as
            `generate`.
        ShapeError: as `generate`.
    """
    plan, grid = job.plan, job.model.vae.grid
    plan.check_number(number)
    window, shared_after = plan.windows[number], plan.shared_with_next(number)
    _check_handed(number, "before", before and before.frames, window.overlap)
    _check_handed(number, "behind", after, shared_after)
    leads_back = after is not None and window.end > plan.num_frames
    vcu = window_unit(plan, number, job.parts, job.pictures, leads_back=leads_back)
    # New pixels beside kept ones are to have the colours of these, whatever the first window has.
    fits_kept = not bool(vcu.masks[:, :, window.overlap :].all())
    if after is not None:
        vcu = keeping(vcu, window.frames - shared_after, after)
    if before is not None:
        vcu = keeping(vcu, 0, before.frames)
    compared = replace(before, first=None) if before is not None and fits_kept else before
    latents, frames = _generated(job, vcu, number, compared, after)
    shown = frames[:, :, : min(window.end, plan.num_frames) - window.begin]
    skip = 0 if before is None else window.overlap
    handed = None
    if shared_after and number + 1 < len(plan):
        first = None
        if job.joining.anchored == "first":
            first = before.first if before is not None and before.first is not None else colours_of(shown)
        cells = grid.latent_frames(shared_after) - grid.shortest[1]
        tail = None if latents is None or not cells else latents[:, :, -cells:].clone()
        handed = HandOver(frames=shown[:, :, -shared_after:].clone(), latents=tail, first=first)
    head = shown[:, :, : max(window.overlap, _wrapped(plan, number))].clone()
    return MadeWindow(number=number, begin=window.begin + skip, frames=shown[:, :, skip:], head=head, handed=handed)


def _wrapped(plan: Plan, number: int) -> int:
    """Frames of the first window that the last one of a loop leads to."""
    return plan.shared_with_next(len(plan) - 1) if plan.loop and not number else 0


def _generated(
    job: WindowedJob,
    vcu: VideoConditionUnit,
    number: int,
    before: HandOver | None,
    after: Tensor | None,
) -> tuple[Tensor | None, Tensor]:
    """Latents and frames of a window; no latents where all its frames are known."""
    if not bool(vcu.masks.any()):
        assert vcu.source is not None
        return None, vcu.shown(vcu.source)
    hold = encoded = None
    options, matches = job.options_of(number), matches_colour(job, vcu, number)
    by, model, pins = job.joining.by, job.model, job.pin and vcu.source is not None
    if before is not None and by != "pixels":
        tail = before.latents if by == "latents" else None
        hold = _held(job, vcu, before.frames, tail)
    if hold is not None and by == "latents":
        source = pins or options.begins_from_clip
        encoded = encode_job([vcu], model.vae, model.encode_masks, source=source, on_chunk=job.chunks("encode"))
        video = encoded.contexts[0][:, : hold.latents.shape[1], vcu.num_references :]
        # What the adapter reads as kept are the same latents, not those of another way through the VAE.
        video.copy_(torch.where(hold.cells, hold.latents.to(video), video))
    latents = job.sampler(
        model,
        vcu,
        options,
        encoded=encoded,
        strength=job.strength,
        pin=pins,
        hold=hold,
        on_step=job.on_step,
        on_chunk=job.chunks("encode"),
    )
    frames = finish(
        model.vae,
        vcu,
        latents,
        feather=job.feather if vcu.source is not None else 0,
        match_colour=matches,
        blend_mode=job.blend_mode if vcu.source is not None else "feather",
        correct=_correction(job, before, after),
        on_chunk=job.chunks("decode"),
    )
    return latents, frames


def matches_colour(job: WindowedJob, vcu: VideoConditionUnit, number: int) -> bool:
    """Whether the colours of a window, or of a shot from it on, are matched; says where they cannot be."""
    if not job.match_colour or vcu.source is None or can_match(vcu.masks):
        return job.match_colour and vcu.source is not None
    logger.warning("Window %d keeps too little beside its mask to match colours on: they are left as they are.", number)
    return False


def _held(job: WindowedJob, vcu: VideoConditionUnit, frames: Tensor, tail: Tensor | None) -> Held:
    """The latents of handed over frames, at the begin of those of a window."""
    vae, grid = job.model.vae, job.model.vae.grid
    encoded = vae.encode(frames[:, :, : grid.shortest[0]] if tail is not None else frames)
    known = encoded if tail is None else torch.cat([encoded, tail.to(encoded)], dim=2)
    shape = (*known.shape[:2], grid.latent_frames(vcu.num_frames), *known.shape[3:])
    latents, cells = known.new_zeros(shape), torch.zeros(shape[0], 1, *shape[2:], dtype=torch.bool, device=known.device)
    latents[:, :, : known.shape[2]] = known
    cells[:, :, : known.shape[2]] = True
    return Held(latents=latents, cells=cells)


def _correction(job: WindowedJob, before: HandOver | None, after: Tensor | None) -> Callable[[Tensor], Tensor] | None:
    """How the colours of a window are corrected before kept pixels are put back."""
    joining = job.joining
    anchored = before is not None and joining.anchored != "none"
    if not anchored and (not joining.fade or (before is None and after is None)):
        return None

    def correct(made: Tensor) -> Tensor:
        if before is not None:
            handed = before.frames.to(made)
            if anchored:
                made = matched_on_shared(made, handed)
                made = made if before.first is None else drawn_to_first(made, before.first, handed.shape[2])
            made = faded(made, handed, joining.fade)
        return made if after is None else faded_in(made, after.to(made), joining.fade)

    return correct


def _check_handed(number: int, where: str, frames: Tensor | None, needed: int) -> None:
    if frames is not None and frames.shape[2] != needed:
        raise InputError(
            "handed-length",
            "The window {where} window {number} hands over {frames} frames, and by the plan they share {needed}. As "
            "many are needed. Make it by the same plan.",
            where=where,
            number=number,
            frames=frames.shape[2],
            needed=needed,
        )
