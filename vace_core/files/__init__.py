"""Tensors in files: what each format says of itself in its header, and reading one tensor at a time."""
