"""Ablations: what the choices behind VACE are worth, each as a training that differs from the default in one thing."""
