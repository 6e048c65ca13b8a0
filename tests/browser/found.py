"""What there is to test with: frontends, a browser, the Python packages that drive it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

PACKAGE = "comfyui_frontend_package"
FIRST_WITH_NODES_2 = (1, 40)


def frontends() -> dict[str, Path]:
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


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def missing() -> str:
    modules = [name for name in ("playwright", "aiohttp", "PIL") if importlib.util.find_spec(name) is None]
    if modules:
        return f"browser tests need {', '.join(modules)}"
    return "" if chromium() else "browser tests need Chromium"


def kinds() -> list[str]:
    """Each version in classic mode, and in Nodes 2.0 where that shows the widgets of packs."""
    found: list[str] = []
    for version in sorted(frontends(), key=_number):
        found.append(f"{version} classic")
        if _number(version) >= FIRST_WITH_NODES_2:
            found.append(f"{version} Nodes 2.0")
    return found or ["no comfyui-frontend-package"]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
