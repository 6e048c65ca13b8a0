"""How the starter model is trained: VAE, base, adapter, and the examples they learn from."""
