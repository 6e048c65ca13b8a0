"""Training: a context adapter, a LoRA or everything, for any base, by a recipe."""
