"""Formats of weights, read safely: safetensors, GGUF, sharded folders."""
