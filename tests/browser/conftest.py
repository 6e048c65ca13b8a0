"""The real ComfyUI frontend in headless Chromium, against a server of our own.

Needs Playwright, aiohttp and Pillow, a Chromium (CHROMIUM or on the path), and at least one comfyui-frontend-package:
installed, or in a folder of COMFYUI_FRONTENDS (several are separated as in PATH; `pip install --no-deps --target DIR`
makes one). Without them every test here is skipped and says why.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

PACKAGE = "comfyui_frontend_package"
FIRST_WITH_NODES_2 = (1, 40)


def _frontends() -> dict[str, Path]:
    """The static folders found, by version."""
    folders = [Path(folder) for folder in os.environ.get("COMFYUI_FRONTENDS", "").split(os.pathsep) if folder]
    installed = importlib.util.find_spec(PACKAGE)
    if installed and installed.origin:
        folders.append(Path(installed.origin).parents[1])
    found: dict[str, Path] = {}
    for folder in folders:
        for info in folder.glob(f"{PACKAGE}-*.dist-info"):
            found.setdefault(info.name.removesuffix(".dist-info").rpartition("-")[2], folder / PACKAGE / "static")
    return found


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def _missing() -> str:
    modules = [name for name in ("playwright", "aiohttp", "PIL") if importlib.util.find_spec(name) is None]
    if modules:
        return f"browser tests need {', '.join(modules)}"
    return "" if _chromium() else "browser tests need Chromium"


def _kinds() -> list[str]:
    """Each version in classic mode, and in Nodes 2.0 where that shows the widgets of packs."""
    kinds: list[str] = []
    for version in sorted(_frontends(), key=_number):
        kinds.append(f"{version} classic")
        if _number(version) >= FIRST_WITH_NODES_2:
            kinds.append(f"{version} Nodes 2.0")
    return kinds or ["no comfyui-frontend-package"]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


@pytest.fixture(scope="session", params=_kinds())
def studio(request: pytest.FixtureRequest):
    """A frontend, started, with an empty graph."""
    if _missing() or not _frontends():
        pytest.skip(_missing() or "browser tests need a comfyui-frontend-package (see COMFYUI_FRONTENDS)")
    from browser.backend import Backend
    from browser.studio import Studio

    version, _, mode = request.param.partition(" ")
    backend = Backend(_frontends()[version])
    studio = Studio(backend, _chromium(), nodes_2=mode != "classic")
    yield studio
    studio.close()
    backend.close()


@pytest.fixture
def editor(studio):
    """The editor of a new VaceLayoutToVideo, alone in its graph."""
    from browser.studio import LAYOUT

    (editor,) = studio.open(LAYOUT)
    return editor
