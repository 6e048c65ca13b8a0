"""Starts a ComfyUI as its main.py does, where torch is a build for the CPU: `start_comfyui.py FOLDER OPTION …`."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "nodes"))
import boot

boot.declare_torchvision()
boot.stand_in_for_torchaudio()
del sys.path[0]  # its other files have names that ComfyUI uses too

folder = Path(sys.argv[1]).resolve()
sys.argv = [str(folder / "main.py"), *sys.argv[2:]]
sys.path.insert(0, str(folder))
os.chdir(folder)
runpy.run_path("main.py", run_name="__main__")
