"""Training: the loop, the precision it computes in, and the loss of flow matching."""
