"""What processes that share a job send each other, from sizes alone."""

from __future__ import annotations


def bytes_of_pass(
    *, width: int, blocks: int, tokens: int, parts: int, numbers_out: int, bytes_per_number: int, ring: bool = False
) -> int:
    """Bytes that one process sends in one pass, shared out by tokens.

    Args:
        width: Features of a token.
        blocks: Of the base and of the adapter.
        tokens: Of the clip.
        parts: Processes that share the pass.
        numbers_out: That the network gives for each token, in float32 as the solver needs them.
        bytes_per_number: Of what attention is computed in.
        ring: Whether keys and values go round; otherwise queries, keys and values are exchanged by heads, and what
            attention makes of them is exchanged back.
    """
    here = -(-tokens // parts)
    others = parts - 1
    tensors = 2 * others if ring else 4 * others / parts
    return int(blocks * tensors * here * width * bytes_per_number) + others * here * numbers_out * 4


def bytes_of_step(a_pass: int, *, predictions: int, halves: int, latents: int) -> int:
    """Bytes that one process sends in one step.

    Args:
        a_pass: Those of one pass.
        predictions: Of a step: 2 with guidance.
        halves: Groups of processes that the predictions are shared out to; 1 = each makes all.
        latents: Bytes of one prediction.
    """
    turns = -(-predictions // halves)
    exchanged = turns * latents * (halves - 1) if predictions > 1 else 0
    return turns * a_pass + exchanged
