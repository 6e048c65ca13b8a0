"""The real ComfyUI frontend in headless Chromium, against a server of our own.

Needs Playwright, aiohttp and Pillow, a Chromium (CHROMIUM or on the path), and at least one comfyui-frontend-package:
installed, or in a folder of COMFYUI_FRONTENDS (several are separated as in PATH; `pip install --no-deps --target DIR`
makes one). Without them every test here is skipped and says why.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.found import chromium, frontends, kinds, missing
from browser.results import Results

RESULTS = Results()
IN_COMFYUI = ("test_drawn_and_sampled", "test_offered", "test_plan_in_comfyui")


@pytest.fixture(scope="session", params=kinds())
def studio(request: pytest.FixtureRequest):
    """A frontend, started, with an empty graph."""
    if missing() or not frontends():
        pytest.skip(missing() or "browser tests need a comfyui-frontend-package (see COMFYUI_FRONTENDS)")
    from browser.backend import Backend
    from browser.studio import Studio

    version, _, mode = request.param.partition(" ")
    backend = Backend(frontends()[version])
    studio = Studio(backend, chromium(), nodes_2=mode != "classic", name=request.param)
    yield studio
    studio.close()
    backend.close()


@pytest.fixture
def editor(studio):
    """The editor of a new VaceLayoutToVideo, alone in its graph."""
    from browser.studio import LAYOUT

    (editor,) = studio.open(LAYOUT)
    return editor


@pytest.fixture
def record():
    """Gives the dict in which a test puts what it measured on a frontend."""
    return RESULTS.measured.__getitem__


@pytest.fixture
def results(studio, record):
    """Where a test puts what it measured on this frontend."""
    return record(studio.name)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    module = Path(report.fspath).stem
    if report.when == "call" or report.skipped or (report.when == "setup" and report.failed):
        RESULTS.count(_kind(report.nodeid, module), module, report.outcome, report.duration)


def _kind(nodeid: str, module: str) -> str:
    """The frontend that a test was about, or the ComfyUI, which those that need one have named by then."""
    named = [kind for kind in kinds() if f"[{kind}" in nodeid]
    if module in IN_COMFYUI:
        named += [kind for kind in RESULTS.measured if kind.startswith("ComfyUI")]
    return named[0] if named else "without a frontend"


def pytest_sessionfinish() -> None:
    RESULTS.write()
