"""How the shipped workflows are tried: in this process, and in a real ComfyUI."""
