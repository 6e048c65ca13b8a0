"""Wan 2.1: transformer, VAE, names of weights, text, cost, and all of it as a family."""
