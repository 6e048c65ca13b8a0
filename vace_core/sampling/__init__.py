"""From noise to latents: noise levels, guidance and solvers. Nothing here knows a particular model."""
