"""Scenes of shapes, faces and people on textured backdrops: what is in them, in words and in pixels, with every truth.

The world that the starter learns from. `clips.clip(seed, index, bucket)` is all that a training needs.
"""
