"""Draws the pictures of the help pages with the real nodes and the starter: `python -m tools.pictures`."""
