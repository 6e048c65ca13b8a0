"""User inputs prepared: masks, references, controls, layouts, paths of boxes, and clips fitted to a model."""
