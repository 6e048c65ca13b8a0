"""What users bring, made ready: masks, references, controls, layouts, paths of boxes, and clips fitted to a model."""
