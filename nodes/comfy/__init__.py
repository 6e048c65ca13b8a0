"""What the nodes share with ComfyUI: its symbols, sockets and tensors, its own models, and adapters on them."""
