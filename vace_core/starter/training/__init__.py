"""How the starter is trained: its VAE, its base, its adapter, and the examples they learn from."""
