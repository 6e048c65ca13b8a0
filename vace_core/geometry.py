"""Pixel and latent sizes: all stride arithmetic, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ShapeError


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How a base model divides a clip: pixels into latent cells, latent cells into tokens.

    Attributes:
        frames: Pixel frames that a clip grows by at least. Wan 4, LTX 8.
        pixels: Pixels along one side of a latent cell. Wan 8, LTX 32.
        patch: Latent cells along one side of a token. Wan 2, LTX 1.
        latents: Latent frames that these `frames` are.
        shortest: Pixel frames and latent frames of the shortest clip. An image is one of each in any case.
    """

    frames: int
    pixels: int
    patch: int
    latents: int = 1
    shortest: tuple[int, int] = (1, 1)

    @property
    def step(self) -> int:
        """The number of pixels that height and width must be multiples of."""
        return self.pixels * self.patch

    def latent_frames(self, num_frames: int) -> int:
        """Latent frames of a clip of `num_frames` pixel frames; for one of `frames`·n + 1, n + 1."""
        frames, latents = self.shortest
        if 1 <= num_frames < frames:
            return 1
        return (num_frames - frames) // self.frames * self.latents + latents

    def pixel_frames(self, latent_frames: int) -> int:
        """Pixel frames that `latent_frames` latent frames decode to; for a number that no clip has, the next below."""
        frames, latents = self.shortest
        if 1 <= latent_frames < latents:
            return 1
        return (latent_frames - latents) // self.latents * self.frames + frames

    def frames_of(self, latent_frame: int) -> tuple[int, int]:
        """Begin and end of the pixel frames that a latent frame (0-based) holds; of one of several, those of all."""
        begin = self.pixel_frames(latent_frame) if latent_frame else 0
        end = self.pixel_frames(latent_frame + 1)
        return begin, end if self.latent_frames(end) > latent_frame else end + self.frames

    def latent_size(self, num_frames: int, height: int, width: int) -> tuple[int, int, int]:
        """`(t, h, w)` of a clip of `(T, H, W)` pixels."""
        return self.latent_frames(num_frames), height // self.pixels, width // self.pixels

    def tokens(self, num_frames: int, height: int, width: int, num_references: int = 0) -> int:
        """Tokens the model works on; every reference adds as many as one latent frame."""
        t, h, w = self.latent_size(num_frames, height, width)
        return (t + num_references) * (h // self.patch) * (w // self.patch)

    def nearest_lengths(self, num_frames: int) -> tuple[int, int]:
        """The longest length that fits into `num_frames`, and the shortest that holds it."""
        below = self.pixel_frames(self.latent_frames(max(num_frames, 1)))
        if below == num_frames:
            return below, below
        return below, self.shortest[0] if below < self.shortest[0] else below + self.frames

    @property
    def lengths(self) -> str:
        """The lengths of clips as a formula: "4n + 1"."""
        return f"{self.frames}n + {self.shortest[0]}"

    def check(self, num_frames: int, height: int, width: int) -> None:
        """Validate that the model can take a clip.

        Raises:
            ShapeError: the length is not one of `lengths`, or a side is not a positive multiple of `step`.
        """
        below, above = self.nearest_lengths(num_frames)
        if num_frames < 1 or below != num_frames:
            choice = f"{above}" if num_frames < below else f"{below} or {above}"
            some = ", ".join(str(self.shortest[0] + n * self.frames) for n in range(3))
            raise ShapeError(
                "length-for-model",
                "The clip has {num_frames} frames. This model needs {lengths} frames ({some}, ...). Set the length "
                "to {choice}.",
                num_frames=num_frames,
                lengths=self.lengths,
                some=some,
                choice=choice,
            )
        for name, size in (("width", width), ("height", height)):
            if size < self.step or size % self.step:
                down = size // self.step * self.step
                choice = f"{down} or {down + self.step}" if down else f"{self.step}"
                raise ShapeError(
                    "size-for-model",
                    "The {name} is {size} pixels. This model needs a multiple of {step}. Set the {name} to {choice}.",
                    name=name,
                    size=size,
                    step=self.step,
                    choice=choice,
                )


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels or latent cells, half-open: `left` ≤ x < `right`, `top` ≤ y < `bottom`."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def area(self) -> int:
        return max(self.width, 0) * max(self.height, 0)

    def grown(self, margin: int, height: int, width: int, step: int = 1) -> Box:
        """This box with `margin` more on each side, widened to multiples of `step`, cut at the edges of the frame."""
        return Box(
            max((self.left - margin) // step * step, 0),
            max((self.top - margin) // step * step, 0),
            min(-(-(self.right + margin) // step) * step, width),
            min(-(-(self.bottom + margin) // step) * step, height),
        )
