"""What a registry or an installer reads of the pack, and what would be published."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")
MOST = 38  # MB; the starter's weights are 32 of them

# requirements.txt of ComfyUI 0.3.64, and what these packages bring.
IN_COMFYUI = {
    "comfyui-frontend-package", "comfyui-workflow-templates", "comfyui-embedded-docs", "torch", "torchsde",
    "torchvision", "torchaudio", "numpy", "einops", "transformers", "tokenizers", "sentencepiece", "safetensors",
    "aiohttp", "yarl", "pyyaml", "pillow", "scipy", "tqdm", "psutil", "alembic", "sqlalchemy", "av", "kornia",
    "spandrel", "pydantic", "pydantic-settings", "huggingface-hub", "requests",
}  # fmt: skip


def requirements(path: Path) -> dict[str, str]:
    """Lines by the name of their package."""
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    return {REQUIREMENT.match(line)[0].lower(): line for line in lines if line}  # type: ignore[index]


def ignored() -> list[str]:
    lines = (ROOT / ".comfyignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def published() -> set[str]:
    """Everything under version control but what `.comfyignore` leaves out, which is how the pack is packed."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a git checkout")
    out = tuple(pattern.removeprefix("/") for pattern in ignored())
    return {name for name in listed.split("\0") if name and not name.startswith(out) and (ROOT / name).is_file()}


def test_the_registry_finds_what_it_asks_for():
    project, comfy = PROJECT["project"], PROJECT["tool"]["comfy"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,99}", project["name"])
    assert "comfyui" not in project["name"]
    assert project["description"]
    assert project["license"] == "Apache-2.0"
    assert (ROOT / "LICENSE").read_text().lstrip().startswith("Apache License\n")
    assert comfy["DisplayName"] == "VACE"
    assert comfy["requires-comfyui"] == ">=0.3.64"
    # With it the scripts of WEB_DIRECTORY would be served, and run, twice.
    assert "web" not in comfy


def test_it_is_published_by_its_owner_alone():
    publisher = PROJECT["tool"]["comfy"]["PublisherId"]
    assert PROJECT["project"]["urls"]["Repository"].split("/")[-2] == publisher
    workflow = (ROOT / ".github" / "workflows" / "publish.yml").read_text()
    assert f"github.repository_owner == '{publisher}'" in workflow
    assert "needs: test\n" in workflow
    tests = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    for action in re.findall(r"uses: ([^\s.]\S+)", workflow + tests):  # ours begin with "./"
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), f"{action} is not pinned"


def test_no_accelerator_is_asked_for():
    """A list of them would tell everybody without one, who can run the starter, that the pack does not fit."""
    classifiers = PROJECT["project"]["classifiers"]
    assert "Operating System :: OS Independent" in classifiers
    assert not [one for one in classifiers if one.startswith("Environment ::")]


def test_there_is_one_version():
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0].split()[0] == PROJECT["project"]["version"]
    files = [ROOT / "__init__.py", *(path for name in ("vace_core", "nodes") for path in (ROOT / name).rglob("*.py"))]
    said = {path: re.findall(r'^__version__ = "(.+)"$', path.read_text(encoding="utf-8"), re.M) for path in files}
    assert {path: found for path, found in said.items() if found} == {
        ROOT / "vace_core" / "__init__.py": [PROJECT["project"]["version"]]
    }


def test_installing_the_pack_moves_nothing_that_comfyui_has():
    ours = requirements(ROOT / "requirements.txt")
    assert not ours.keys() & IN_COMFYUI
    assert not [line for line in ours.values() if re.search(r"==|<|~=|!=|@|://", line)]
    # The two hold the same files, and installing one beside the other breaks both.
    assert "opencv-python" not in ours


def test_installing_the_pack_moves_nothing_that_this_comfyui_has():
    if not os.environ.get("COMFYUI_PATH"):
        pytest.skip("needs a ComfyUI: set COMFYUI_PATH")
    theirs = requirements(Path(os.environ["COMFYUI_PATH"]) / "requirements.txt")
    assert "torch" in theirs
    assert not requirements(ROOT / "requirements.txt").keys() & theirs.keys()


def test_the_library_asks_for_the_same():
    """What the pack installs, the package of the library installs too."""
    library = {REQUIREMENT.match(line)[0].lower() for line in PROJECT["project"]["dependencies"]}  # type: ignore[index]
    assert requirements(ROOT / "requirements.txt").keys() <= library
    assert "comfyui-frontend-package" not in library  # 100 MB that the library has no use for


def test_what_is_ignored_is_there():
    for pattern in ignored():
        assert pattern.startswith("/"), f"{pattern} could match more than it says"
        assert (ROOT / pattern.removeprefix("/")).exists(), pattern


def test_what_is_published_is_the_pack_and_nothing_else(published):
    tops = {name.split("/")[0] for name in published}
    assert {"__init__.py", "nodes", "vace_core", "web", "locales", "LICENSE", "README.md", "pyproject.toml",
            "requirements.txt"} <= tops  # fmt: skip
    assert tops <= {"__init__.py", "nodes", "vace_core", "web", "locales", "workflows", "subgraphs", "LICENSE",
                    "README.md", "pyproject.toml", "requirements.txt"}  # fmt: skip
    assert "vace_core/starter/weights/base.safetensors" in published
    assert not [name for name in published if "test" in name.lower() and name.endswith(".py")]


def test_what_is_published_is_small(published):
    size = sum((ROOT / name).stat().st_size for name in published) / 1e6
    assert size < MOST, f"{size:.1f} MB"


def test_the_library_says_the_version_of_the_package():
    import vace_core

    assert vace_core.__version__ == PROJECT["project"]["version"]


def test_messages_install_what_the_package_lists():
    """By names of a package index. `vace[...]` is none, and the pack may lie in ComfyUI without being installed."""
    listed = [PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()]
    known = {REQUIREMENT.match(line)[0].lower() for lines in listed for line in lines}  # type: ignore[index]
    said = re.findall(r"pip install (.+)$", (ROOT / "tests" / "messages.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert said
    for line in said:
        named = {REQUIREMENT.match(word)[0].lower() for word in line.replace('"', "").split()}  # type: ignore[index]
        assert named <= known, line
