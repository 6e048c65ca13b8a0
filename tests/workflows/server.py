"""A real ComfyUI in a process of its own: started on the CPU, asked to run prompts, its videos fetched.

As a script it is what starts ComfyUI: `python server.py COMFYUI_DIR arguments…`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE = 900  # seconds for a start or a prompt: a busy computer is slow
ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A running ComfyUI with the pack, its folders in `folder`; use it as a context.

    Args:
        comfyui: The checkout.
        folder: An empty folder.
        name: What the pack's folder is called there.
        with_files: Whether the starter lies in its model folders, and example clips among its inputs.
        packs: Other packs beside it.
        encoding: Of its console.
    """

    def __init__(
        self,
        comfyui: Path,
        folder: Path,
        name: str = "vace",
        *,
        with_files: bool = True,
        packs: Sequence[Path] = (),
        encoding: str = "utf-8",
    ) -> None:
        self.comfyui, self.folder, self.name, self.with_files = comfyui, folder, name, with_files
        self.packs, self.encoding = packs, encoding
        self.log = folder / "log.txt"
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]

    def __enter__(self) -> Server:
        (self.folder / "custom_nodes").mkdir()
        (self.folder / "custom_nodes" / self.name).symlink_to(ROOT, target_is_directory=True)
        for pack in self.packs:
            (self.folder / "custom_nodes" / pack.name).symlink_to(pack, target_is_directory=True)
        if self.with_files:
            from .starter_files import PARTS, write

            (self.folder / "custom_nodes" / PARTS.name).symlink_to(PARTS, target_is_directory=True)
            write(self.folder)
        options = ["--cpu", "--disable-api-nodes", "--listen", "127.0.0.1", "--port", str(self.port)]
        options += ["--cache-classic"]  # newer ones forget results when the machine's memory is taken, whoever took it
        command = [sys.executable, __file__, str(self.comfyui), *options, "--base-directory", str(self.folder)]
        env = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        env["PYTHONIOENCODING"] = self.encoding
        self._process = subprocess.Popen(command, stdout=self.log.open("w"), stderr=subprocess.STDOUT, env=env)
        self._wait(lambda: self.get("/system_stats"), "to start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def get(self, path: str, **query: str) -> Any:
        return json.loads(self.fetch(path, **query))

    def fetch(self, path: str, **query: str) -> bytes:
        address = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.read()

    def run(self, prompt: dict[str, Any]) -> dict[str, Any]:
        """What ComfyUI's history says of a prompt when it is done."""
        data = json.dumps({"prompt": prompt}).encode()
        address = f"http://127.0.0.1:{self.port}/prompt"
        request = urllib.request.Request(address, data=data, headers={"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                number = json.load(answer)["prompt_id"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"ComfyUI refuses the prompt: {error.read().decode()[:2000]}") from None
        return self._wait(lambda: self.get(f"/history/{number}").get(number), "to run a prompt")

    def _wait(self, ask: Any, what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if answer := ask():
                    return answer
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"ComfyUI did not manage {what}:\n{self.log.read_text(errors='replace')[-3000:]}")


def _main() -> None:
    """ComfyUI's main.py, where torchvision and torchaudio may lack their compiled parts."""
    path = ROOT / "tests" / "nodes" / "boot.py"
    spec = importlib.util.spec_from_file_location("boot", path)
    assert spec is not None
    assert spec.loader is not None
    boot = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(boot)
    boot.declare_torchvision()
    boot.stand_in_for_torchaudio()
    comfyui = Path(sys.argv[1]).resolve()
    sys.argv = [str(comfyui / "main.py"), *sys.argv[2:]]
    sys.path.insert(0, str(comfyui))
    os.chdir(comfyui)
    runpy.run_path("main.py", run_name="__main__")


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules have names that ComfyUI's have too
    _main()
