"""Makes the small pictures of the workflows from the videos of real runs.

python -m tests.workflows.run COMFYUI_DIR --videos FOLDER
python -m tests.workflows.picture_runs FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.workflows.shipped import everything
from tools.workflows.thumbnails import write

from .cases import Run, runs
from .checks import case_of
from .run import video


def pictured() -> dict[str, Run]:
    """The run of each workflow that its picture is made of: the first."""
    titles = {graph.title for graph in everything()}
    found: dict[str, Run] = {}
    for one in runs():
        if one.title in titles:
            found.setdefault(one.title, one)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    folder = parser.parse_args().videos
    for title, one in pictured().items():
        path = folder / f"{one.name}.mkv"
        if not path.is_file():
            print(f"no video of {title}")
            continue
        case = case_of(one.prompt, video(path.read_bytes())[0])
        write(title, case.unit, case.film, case.start)


if __name__ == "__main__":
    main()
