"""LTX-Video 0.9: transformer, VAE, names of weights, text, cost, and all of it as a family."""
