"""A pass shared out by its tokens: each process has a part of them, and attention alone needs those of the others.

Two ways, of which the number of heads decides. Where the processes divide it, each attends with a part of the heads
to all tokens (Ulysses, arXiv 2309.14509), by collectives of torch; any kernel computes that, and tokens that are not
divided are padded. Otherwise keys and values go round (ring attention, arXiv 2310.01889), by the context parallelism of
torch, which takes its own kernels and tokens that the processes divide.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from ...errors import InputError
from ...models.sharing import Attend, Share
from .processes import gathered


def check_divided(heads: int, tokens: int, count: int) -> None:
    """Validate that so many processes can share a pass.

    Raises:
        InputError: they divide neither the heads nor the tokens.
    """
    if heads % count and tokens % count:
        raise InputError(
            "processes-divide",
            "{count} processes share {tokens} tokens and {heads} heads of attention. A number that divides one of "
            "the two is needed. Start another number of processes, or change the length or size of the clip.",
            count=count,
            tokens=tokens,
            heads=heads,
        )


class Sequence:
    """How tokens are shared out to the processes of a mesh: a `models.sharing.Sharing`."""

    def __init__(self, mesh: DeviceMesh) -> None:
        self._mesh = mesh

    def __call__(self, tokens: int) -> Part:
        return Part(self._mesh, tokens)


class Part(Share):
    """The tokens of this process, each process with as many; the last ones may be padding."""

    def __init__(self, mesh: DeviceMesh, tokens: int) -> None:
        self._mesh, self._group = mesh, mesh.get_group()
        self._count, self._rank, self._tokens = mesh.size(), mesh.get_local_rank(), tokens
        self._here = -(-tokens // self._count)

    def own(self, x: Tensor, dim: int = 1) -> Tensor:
        """The part of this process, in memory of its own."""
        padding = self._here * self._count - self._tokens
        if padding:
            shape = list(x.shape)
            shape[dim] = padding
            x = torch.cat([x, x.new_zeros(shape)], dim=dim)
        return x.narrow(dim, self._rank * self._here, self._here).clone()

    def whole(self, x: Tensor) -> Tensor:
        """All tokens, without padding."""
        return gathered(x, self._group).movedim(0, 1).flatten(1, 2)[:, : self._tokens]

    def attend(self, attention: Attend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """As `Share`."""
        check_divided(q.shape[1], self._tokens, self._count)
        return self._by_heads(attention, q, k, v) if q.shape[1] % self._count == 0 else self._ring(attention, q, k, v)

    def _by_heads(self, attention: Attend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        each = self._exchanged(torch.stack([q, k, v]).unflatten(2, (self._count, -1)).movedim(2, 0))
        q, k, v = each.movedim(0, 3).flatten(3, 4)
        made = attention(q, k[:, :, : self._tokens], v[:, :, : self._tokens])
        return self._exchanged(made.unflatten(1, (self._count, -1)).movedim(1, 0)).movedim(0, 2).flatten(2)

    def _exchanged(self, x: Tensor) -> Tensor:
        """One part for each process, along the first dimension → one part from each."""
        sent = x.contiguous()
        got = torch.empty_like(sent)
        dist.all_to_all_single(got, sent, group=self._group)
        return got

    def _ring(self, attention: Attend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        from torch.distributed.tensor.experimental import context_parallel
        from torch.distributed.tensor.experimental._attention import _cp_options  # nothing public turns it off

        if not getattr(attention, "is_of_torch", True):
            raise InputError(
                "ring-kernel",
                "{count} processes do not divide {heads} heads of attention, so that keys and values go round, and a "
                "kernel that is not torch's was chosen. A kernel of torch is needed for that. Choose auto attention, "
                "or a number of processes that divides the heads.",
                count=self._count,
                heads=q.shape[1],
            )
        options: Any = _cp_options
        balanced, options.enable_load_balance = options.enable_load_balance, False  # which is for causal attention
        unused = torch.empty(self._count, device=q.device)
        try:
            with context_parallel(
                self._mesh, buffers=[unused], buffer_seq_dims=[0], no_restore_buffers={unused}
            ):  # inside, torch's attention is that of all processes
                return attention(q, k, v)
        finally:
            options.enable_load_balance = balanced
