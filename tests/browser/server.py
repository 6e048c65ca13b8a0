"""A real ComfyUI on the CPU with this pack alone, and its folders in a temporary one.

COMFYUI_PATH is its folder, COMFYUI_PYTHON the Python it runs with. It shows the frontend installed with it, or another.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

PACK = Path(__file__).parents[2]
STARTED = 600  # seconds: a busy machine is no fault


class Server:
    def __init__(self, comfyui: Path, *, frontend: Path | None = None, packs: dict[str, Path] | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        for name in ("custom_nodes", "input", "output", "models", "user"):
            (self.folder / name).mkdir()
        for name, path in (packs or {"vace": PACK}).items():
            (self.folder / "custom_nodes" / name).symlink_to(path)
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.log = self.folder / "comfyui.log"
        self.settings = _Settings(self)
        python = os.environ.get("COMFYUI_PYTHON", "python3")
        command = [python, str(Path(__file__).with_name("start_comfyui.py")), str(comfyui), "--cpu"]
        command += ["--listen", "127.0.0.1", "--port", self.url.rpartition(":")[2], "--disable-api-nodes"]
        command += ["--base-directory", str(self.folder), "--user-directory", str(self.folder / "user")]
        command += ["--front-end-root", str(frontend)] if frontend else []
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._temporary.cleanup()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, data: object) -> Any:
        head = {"content-type": "application/json"}
        asked = urllib.request.Request(self.url + path, json.dumps(data).encode(), head)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def finished(self, *, count: int, patience: float = 1800) -> dict[str, Any]:
        """The last of `count` jobs, once so many are done.

        Raises:
            RuntimeError: one of them failed.
            TimeoutError: they took longer than `patience` seconds.
        """
        end = time.monotonic() + patience
        while time.monotonic() < end:
            done = list(self.get("/history").values())
            for job in done:
                if job["status"]["status_str"] == "error":
                    raise RuntimeError(json.dumps(job["status"]["messages"][-1])[:2000])
            if len(done) >= count:
                return done[-1]
            time.sleep(0.5)
        raise TimeoutError(f"{count} jobs did not finish in {patience} s: {self.log.read_text()[-2000:]}")

    def files(self, job: dict[str, Any]) -> list[Path]:
        """What a job put into the output folder."""
        shown = [one for output in job["outputs"].values() for entries in output.values() for one in entries]
        kept = [one for one in shown if isinstance(one, dict) and one.get("type") == "output"]
        return [self.folder / "output" / one["subfolder"] / one["filename"] for one in kept]

    def _wait(self) -> None:
        end = time.monotonic() + STARTED
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.get("/system_stats")
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
            else:
                return
        raise RuntimeError(f"ComfyUI did not start: {self.log.read_text()[-3000:]}")


class _Settings:
    """The settings of the frontend, as the stub server has them."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __setitem__(self, name: str, value: object) -> None:
        self._server.post(f"/settings/{urllib.parse.quote(name)}", value)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
