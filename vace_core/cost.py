"""What a job costs, told from sizes alone: tokens, arithmetic, memory. No weight is read and nothing is run.

FLOP are counted as usual, a multiplication with its addition as two; only matrix products, convolutions and attention
count. The numbers are upper bounds where the work depends on the picture: a small hole is encoded and decoded alone,
which is cheaper, and a prompt is taken to be as long as it can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .models.wan import CONTEXT_CHANNELS, FFN_PIECE, FREQUENCIES, GRID, LATENT_CHANNELS, TEXT_TOKENS, WanSizes
from .models.wan_vae import MULTIPLIERS, VaeSizes
from .models.wan_vae_stream import GRAY_SIDE
from .pipeline import SamplingOptions, solver_named
from .schedule import percent_to_sigma, sigmas
from .vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit

TERA, GIB = 1e12, 2**30
UNITS = (("PFLOP", 1e3), ("TFLOP", 1.0), ("GFLOP", 1e-3), ("MFLOP", 1e-6))

# Tensors alive at the worst moment, found by following every allocation on meta tensors; see the test.
# In a block: its input, its output so far, what the last part made, what goes into the next part.
BLOCK_TENSORS = 4
ATTENTION_TENSORS = 7
ADAPTER_TENSORS = 2
# What belongs to a token in any precision: its rotation, and its part of the condition in float32.
BYTES_OF_TOKEN = 512 + CONTEXT_CHANNELS * GRID.patch**2 * 4
# In the VAE, as features of full size and least width.
ENCODE_TENSORS, DECODE_TENSORS = 33, 42


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """What must be known of the models of a job.

    Attributes:
        base: The transformer.
        context_blocks: Blocks of the adapter; 0 = there is none.
        vae: The VAE.
        weights: Bytes that the weights of each model take once loaded, by a name to show.
        bytes_per_number: Of the transformer's activations: 2 in half precision, 4 in float32.
        vae_bytes_per_number: Of the VAE's.
    """

    base: WanSizes
    context_blocks: int
    vae: VaeSizes
    weights: Mapping[str, int]
    bytes_per_number: int = 2
    vae_bytes_per_number: int = 4


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """The figures of one job.

    Attributes:
        num_frames: Frames of the clip.
        height: Pixels.
        width: Pixels.
        num_references: Pictures, each as much work as one latent frame.
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
        weights = ", ".join(f"{name} {_size(count)}" for name, count in self.weights.items())
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
            ("weights", f"{_size(sum(self.weights.values()))} ({weights})" if weights else "0"),
            ("memory", f"{_size(self.memory_bytes)}, of which activations about {_size(self.peak_bytes)}"),
        ]


def job_cost(
    model: ModelSizes, vcu: VideoConditionUnit, options: SamplingOptions, *, text_tokens: int = TEXT_TOKENS
) -> JobCost:
    """The figures of the job that `generate` would do with these.

    Args:
        model: What is known of the models.
        vcu: The task.
        options: How it is sampled.
        text_tokens: Tokens of a prompt, with one for all padding.

    Raises:
        ShapeError: a length or size the model cannot take.
        InputError: an option out of range.
    """
    size = (vcu.num_frames, vcu.height, vcu.width)
    GRID.check(*size)
    tokens = GRID.tokens(*size, vcu.num_references)
    t, h, w = GRID.latent_size(*size)
    acting = _acting_steps(options) if model.context_blocks else 0
    passes = 2 if options.guidance_scale != 1 else 1
    return JobCost(
        num_frames=vcu.num_frames,
        height=vcu.height,
        width=vcu.width,
        num_references=vcu.num_references,
        latent_size=(t + vcu.num_references, h, w),
        tokens=tokens,
        base_tflop=base_flop(model.base, tokens, text_tokens) / TERA,
        adapter_tflop=adapter_flop(model.base, model.context_blocks, tokens, text_tokens) / TERA,
        base_passes=options.steps * passes,
        adapter_passes=acting * passes,
        encode_tflop=_encode_all(model.vae, vcu) / TERA,
        decode_tflop=decode_flop(model.vae, *size) / TERA,
        weights=dict(model.weights),
        peak_bytes=max(peak_of_pass(model, tokens), peak_of_vae(model, *size)),
    )


def base_flop(sizes: WanSizes, tokens: int, text_tokens: int) -> int:
    """One pass of the base on one clip; prompts are embedded once for a job and not counted."""
    d = sizes.width
    patches = 2 * tokens * d * 2 * LATENT_CHANNELS * GRID.patch**2  # in and out
    time = 2 * d * (FREQUENCIES + d + 6 * d)
    return patches + time + sizes.layers * _block_flop(sizes, tokens, text_tokens)


def adapter_flop(sizes: WanSizes, blocks: int, tokens: int, text_tokens: int) -> int:
    """One pass of an adapter of so many blocks; the condition is embedded once for a job and not counted."""
    return blocks * (_block_flop(sizes, tokens, text_tokens) + 2 * tokens * sizes.width**2)


def embed_flop(sizes: WanSizes, tokens: int) -> int:
    """The adapter's work that is done once for a job."""
    return 2 * tokens * sizes.width * (CONTEXT_CHANNELS * GRID.patch**2 + sizes.width)


def encode_flop(vae: VaeSizes, num_frames: int, height: int, width: int, *, gray: bool = False) -> int:
    """One clip of pixels into latents; a clip known to be `gray` is computed on a small canvas first."""
    sides = [(min(side, GRAY_SIDE) if gray else side) for side in (height, width)]
    first, later = (_encode_frame(vae, sides, (height, width), first=first) for first in (True, False))
    return first + (GRID.latent_frames(num_frames) - 1) * later


def decode_flop(vae: VaeSizes, num_frames: int, height: int, width: int) -> int:
    """The latents of a whole clip into pixels."""
    first, later = (_decode_frame(vae, height, width, first=first) for first in (True, False))
    return first + (GRID.latent_frames(num_frames) - 1) * later


def peak_of_pass(model: ModelSizes, tokens: int) -> int:
    """Bytes of activations in one pass of base and adapter, weights not counted; within some 10 % at real sizes."""
    d, hidden = model.base.width, 2 * model.base.ffn  # before and after the activation function
    feed_forward = BLOCK_TENSORS * d * tokens + hidden * min(tokens, FFN_PIECE)
    numbers = max(feed_forward, ATTENTION_TENSORS * d * tokens)
    if model.context_blocks:
        numbers += ADAPTER_TENSORS * d * tokens
    return numbers * model.bytes_per_number + tokens * BYTES_OF_TOKEN


def peak_of_vae(model: ModelSizes, num_frames: int, height: int, width: int) -> int:
    """Bytes of activations while a clip is encoded or decoded whole; within some 10 % at real sizes."""
    features = height * width * model.vae.width * model.vae_bytes_per_number
    clip = num_frames * height * width * 3 * 4
    return max(ENCODE_TENSORS * features + clip, DECODE_TENSORS * features + 2 * clip)


def _block_flop(sizes: WanSizes, tokens: int, text_tokens: int) -> int:
    d = sizes.width
    projections = 2 * d * d * (4 * tokens + 2 * tokens + 2 * text_tokens)
    attention = 4 * d * tokens * (tokens + text_tokens)
    return projections + attention + 4 * tokens * d * sizes.ffn


def _encode_all(vae: VaeSizes, vcu: VideoConditionUnit) -> int:
    """Both halves of the unit and its references; where both halves are gray, one is computed."""
    size = (vcu.num_frames, vcu.height, vcu.width)
    kept = (vcu.roles & (KEEP | REPAINT)) == KEEP
    followed = ~kept & ((vcu.roles & FOLLOW) != 0)
    used = int(kept.any()) + int(followed.any())
    gray = encode_flop(vae, *size, gray=True) if used < 2 else 0
    return used * encode_flop(vae, *size) + gray + vcu.num_references * encode_flop(vae, 1, *size[1:])


def _acting_steps(options: SamplingOptions) -> int:
    """Steps in which the adapter acts."""
    if options.strength == 0:
        return 0
    levels = sigmas(options.steps, options.shift, first=solver_named(options.solver).first)[:-1]
    start = percent_to_sigma(options.start_percent, options.shift)
    end = percent_to_sigma(options.end_percent, options.shift)
    return sum(end < level <= start for level in levels)


def _conv(inputs: int, outputs: int, taps: int, cells: int) -> int:
    return 2 * inputs * outputs * taps * cells


def _residual(inputs: int, outputs: int, taps: int, cells: int) -> int:
    shortcut = 0 if inputs == outputs else _conv(inputs, outputs, 1, cells)
    return _conv(inputs, outputs, taps, cells) + _conv(outputs, outputs, taps, cells) + shortcut


def _middle(channels: int, taps: int, cells: int) -> int:
    """Two residual blocks and the attention within a frame between them."""
    attention = _conv(channels, 4 * channels, 1, cells) + 4 * channels * cells**2
    return 2 * _residual(channels, channels, taps, cells) + attention


def _taps(first: bool) -> int:
    """Of a convolution of side 3: the first frame of a clip has no past to look at."""
    return 9 if first else 27


def _encode_frame(vae: VaeSizes, canvas: Sequence[int], size: Sequence[int], *, first: bool) -> int:
    """One latent frame: on `canvas` down to an eighth, on `size` from there on; both `(H, W)`."""
    taps, channels = _taps(first), vae.width
    frames = (1, 1, 1, 1) if first else (4, 4, 2, 1)
    area = canvas[0] * canvas[1]
    total = _conv(3, channels, taps, frames[0] * area)
    for level, multiplier in enumerate(MULTIPLIERS):
        last = level == len(MULTIPLIERS) - 1
        area = (size[0] * size[1] if last else canvas[0] * canvas[1]) >> (2 * level)
        outputs = vae.width * multiplier
        total += _residuals(channels, outputs, taps, frames[level] * area, vae.blocks)
        channels = outputs
        if not last:
            total += _conv(channels, channels, 9, frames[level] * area // 4)
            in_time = level > 0 and not first
            total += _conv(channels, channels, 3, frames[level + 1] * area // 4) * in_time
    ends = _conv(channels, 2 * LATENT_CHANNELS, taps, area) + _conv(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1, area)
    return total + _middle(channels, taps, area) + ends


def _decode_frame(vae: VaeSizes, height: int, width: int, *, first: bool) -> int:
    """One latent frame into its one or four frames."""
    taps, channels = _taps(first), vae.width * MULTIPLIERS[-1]
    frames = (1, 1, 1, 1) if first else (1, 2, 4, 4)
    area = (height * width) // GRID.pixels**2
    total = _conv(LATENT_CHANNELS, LATENT_CHANNELS, 1, area) + _conv(LATENT_CHANNELS, channels, taps, area)
    total += _middle(channels, taps, area)
    for level, multiplier in enumerate(reversed(MULTIPLIERS)):
        outputs = vae.width * multiplier
        total += _residuals(channels, outputs, taps, frames[level] * area, vae.blocks + 1)
        channels = outputs
        if level < len(MULTIPLIERS) - 1:
            in_time = level < 2 and not first
            total += _conv(channels, 2 * channels, 3, frames[level] * area) * in_time
            area *= 4
            total += _conv(channels, channels // 2, 9, frames[level + 1] * area)
            channels //= 2
    return total + _conv(channels, 3, taps, frames[-1] * area)


def _residuals(inputs: int, outputs: int, taps: int, cells: int, count: int) -> int:
    return _residual(inputs, outputs, taps, cells) + (count - 1) * _residual(outputs, outputs, taps, cells)


def _tera(tflop: float) -> str:
    unit, scale = next(((unit, scale) for unit, scale in UNITS if tflop >= scale), UNITS[-1])
    return f"{tflop / scale:.4g} {unit}"


def _size(count: int) -> str:
    return f"{count / GIB:.2f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"
