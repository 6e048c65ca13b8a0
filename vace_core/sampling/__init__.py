"""From noise to latents: sigmas, guidance and solvers (samplers). Nothing here depends on a particular model."""
