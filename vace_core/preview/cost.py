"""The cost of a job from sizes alone: tokens, arithmetic, memory. No weight is read and nothing is run.

FLOP are counted as usual, a multiplication with its addition as two; only matrix products, convolutions and attention
count. The numbers are upper bounds where the work depends on the picture: a small hole is encoded and decoded alone,
which is cheaper, and a prompt is taken to be as long as it can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..loading.placing.plan import NetworkBytes
from ..models.family import Family
from ..pipeline import get_solver
from ..sampling.options import SamplingOptions
from ..vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit

TERA, GIB = 1e12, 2**30
UNITS = (("PFLOP", 1e3), ("TFLOP", 1.0), ("GFLOP", 1e-3), ("MFLOP", 1e-6))


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """The sizes of a job's models.

    Attributes:
        family: Their model family.
        base: The transformer.
        context_blocks: Blocks of the adapter; 0 = there is none.
        vae: The VAE.
        weights: Bytes that the weights of each model take once loaded, by a name to show.
        bytes_per_number: Of the transformer's activations: 2 in half precision, 4 in float32.
        vae_bytes_per_number: Of the VAE's.
        tile: Side in pixels of the pieces that the VAE works in; None = whole frames.
        experts: What each transformer takes on a device, its adapter with it; none = it is not known.
        keep_packed: Whether their quantised weights stay as they are stored, which `experts` counts with.
        stated: Whether the sizes are those of a profile, of which no file was looked at.
    """

    family: Family
    base: Any
    context_blocks: int
    vae: Any
    weights: Mapping[str, int]
    bytes_per_number: int = 2
    vae_bytes_per_number: int = 4
    tile: int | None = None
    experts: tuple[NetworkBytes, ...] = ()
    keep_packed: bool = False
    stated: bool = False


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """The figures of one job.

    Attributes:
        num_frames: Frames of the clip.
        height: Pixels.
        width: Pixels.
        num_references: Images, each as much work as one latent frame.
        latent_size: `(t, h, w)` of what is sampled, references included.
        tokens: What the transformer works on.
        base_tflop: One pass of the base.
        adapter_tflop: One pass of the adapter.
        base_passes: Passes in the whole job: steps, twice with guidance.
        adapter_passes: Those in which the adapter acts.
        encode_tflop: All pixels into latents, once a job.
        decode_tflop: All latents into pixels, once a job.
        weights: Bytes of each model once loaded.
        peak_bytes: Activations at the worst moment, beside the weights; an estimate.
    """

    num_frames: int
    height: int
    width: int
    num_references: int
    latent_size: tuple[int, int, int]
    tokens: int
    base_tflop: float
    adapter_tflop: float
    base_passes: int
    adapter_passes: int
    encode_tflop: float
    decode_tflop: float
    weights: Mapping[str, int]
    peak_bytes: int

    @property
    def adapter_share(self) -> float:
        """The part of one pass, 0..1, that is the adapter's."""
        return self.adapter_tflop / (self.base_tflop + self.adapter_tflop)

    @property
    def total_tflop(self) -> float:
        """The whole job, text encoder not counted."""
        passes = self.base_passes * self.base_tflop + self.adapter_passes * self.adapter_tflop
        return passes + self.encode_tflop + self.decode_tflop

    @property
    def memory_bytes(self) -> int:
        """Weights and activations together."""
        return sum(self.weights.values()) + self.peak_bytes

    def to_json(self) -> dict[str, Any]:
        """All figures, the derived ones too, as a table that `json.dumps` accepts."""
        table = asdict(self) | {"latent_size": list(self.latent_size), "weights": dict(self.weights)}
        derived = ("adapter_share", "total_tflop", "memory_bytes")
        return table | {name: getattr(self, name) for name in derived}

    def __str__(self) -> str:
        return "\n".join(f"{name:<10} {value}" for name, value in self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """The figures as names and readable values, for a table."""
        t, h, w = self.latent_size
        weights = ", ".join(f"{name} {readable(count)}" for name, count in self.weights.items())
        pictures = f" and {self.num_references} reference" + "s" * (self.num_references > 1)
        clip = f"{self.num_frames} frames of {self.width} x {self.height}"
        passes = f"{self.base_passes} of the base, {self.adapter_passes} of the adapter"
        return [
            ("clip", clip + pictures * bool(self.num_references)),
            ("latents", f"{t} x {h} x {w}, {self.tokens:,} tokens"),
            ("one pass", f"base {_tera(self.base_tflop)}, adapter {_tera(self.adapter_tflop)}"),
            ("adapter", f"{self.adapter_share:.1%} of a pass"),
            ("passes", passes),
            ("VAE", f"encode {_tera(self.encode_tflop)}, decode {_tera(self.decode_tflop)}"),
            ("work", _tera(self.total_tflop)),
            ("weights", f"{readable(sum(self.weights.values()))} ({weights})" if weights else "0"),
            ("memory", f"{readable(self.memory_bytes)}, of which activations about {readable(self.peak_bytes)}"),
        ]


def job_cost(
    model: ModelSizes,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    *,
    text_tokens: int | None = None,
    conditions: int = 1,
) -> JobCost:
    """The figures of the job that `generate` would do with these.

    Args:
        model: What is known of the models.
        vcu: The task.
        options: How it is sampled.
        text_tokens: Tokens of a prompt; None = as many as the base reads at most.
        conditions: VCUs that act at once, all of whose contexts take memory; the arithmetic is that of the first.

    Raises:
        ShapeError: a length or size the model cannot take.
        InputError: an option out of range.
    """
    size, grid, costs = (vcu.num_frames, vcu.height, vcu.width), model.family.grid, model.family.costs
    grid.check(*size)
    tokens = grid.tokens(*size, vcu.num_references)
    t, h, w = grid.latent_size(*size)
    words = costs.MAX_TEXT_TOKENS if text_tokens is None else text_tokens
    acts = _acting_steps(options, tokens) if model.context_blocks else [False] * options.steps
    passes = [1 + (scale != 1) + (options.stg_scale != 0) for scale in options.scales]
    return JobCost(
        num_frames=vcu.num_frames,
        height=vcu.height,
        width=vcu.width,
        num_references=vcu.num_references,
        latent_size=(t + vcu.num_references, h, w),
        tokens=tokens,
        base_tflop=costs.base_flop(model.base, tokens, words) / TERA,
        adapter_tflop=costs.adapter_flop(model.base, model.context_blocks, tokens, words) / TERA,
        base_passes=sum(passes),
        adapter_passes=sum(count for count, acting in zip(passes, acts, strict=True) if acting),
        encode_tflop=_encode_all(model, vcu) / TERA,
        decode_tflop=costs.decode_flop(model.vae, *size) / TERA,
        weights=dict(model.weights),
        peak_bytes=max(
            costs.peak_of_pass(model.base, model.context_blocks, tokens, model.bytes_per_number, conditions),
            costs.peak_of_vae(model.vae, size, model.vae_bytes_per_number, model.tile),
        ),
    )


def _encode_all(model: ModelSizes, vcu: VideoConditionUnit) -> int:
    """Both halves of the VCU and its references; where both halves are gray, one is computed."""
    size = (vcu.num_frames, vcu.height, vcu.width)
    kept = (vcu.roles & (KEEP | REPAINT)) == KEEP
    followed = ~kept & ((vcu.roles & FOLLOW) != 0)
    used = int(kept.any()) + int(followed.any())
    encode = model.family.costs.encode_flop
    gray = encode(model.vae, *size, gray=True) if used < 2 else 0
    return used * encode(model.vae, *size) + gray + vcu.num_references * encode(model.vae, 1, *size[1:])


def _acting_steps(options: SamplingOptions, tokens: int) -> list[bool]:
    """Whether the adapter acts in each step."""
    if options.strength == 0:
        return [False] * options.steps
    schedule = options.schedule(tokens, first=get_solver(options.solver).first)
    acting = options.adapter.sigma_range(schedule.at)
    return [level in acting for level in schedule.sigmas()[:-1]]


def _tera(tflop: float) -> str:
    unit, scale = next(((unit, scale) for unit, scale in UNITS if tflop >= scale), UNITS[-1])
    return f"{tflop / scale:.4g} {unit}"


def readable(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / GIB:.2f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"
