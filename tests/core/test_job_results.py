"""What a job writes is its own: no result takes the place of another job's, and none is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import job_faults
import pytest
import torch
from job_faults import Ended, Material, planes

from vace_core.files.jobs.folder import JobFolder
from vace_core.media.pictures import write_image


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    return Material.made(tmp_path_factory.mktemp("material"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """The folder that jobs are called in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(material: Material, seed: int, output: str | None = None) -> list[str]:
    """Of a job whose result nobody named, unless `output` does."""
    told = material.words("text", Path("out"))
    told = told[: told.index("-o")]
    if output is not None:
        told += ["-o", output]
        if "." not in output:
            told.remove("--lossless")
    return [*told, "--seed", str(seed)]


def vace(material: Material, told: list[str]) -> Ended:
    done = job_faults.vace(told, material.folder / "aside")
    assert done.code == 0, done.said
    return done


def killed(material: Material, told: list[str], at: str = "step 2") -> None:
    assert job_faults.vace(told, material.folder / "aside", at, job_faults.kill).code is None


def one_line(text: str) -> str:
    return " ".join(text.split())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_jobs_at_once_have_a_result_each(material, here):
    def another() -> None:
        said = vace(material, words(material, 2)).said
        (here / "said").write_text(said)

    first = job_faults.vace(words(material, 1), material.folder / "aside", "step 2", another)
    assert first.code == 0, first.said
    assert names(here) == ["said", "text-2.mkv", "text.mkv"]
    assert "unfinished" not in (here / "said").read_text()
    alone = [planes(path) for path in (here / "text.mkv", here / "text-2.mkv")]
    for seed, was in zip((1, 2), alone, strict=True):
        vace(material, words(material, seed, "alone.mkv"))
        assert planes(here / "alone.mkv") == was


def test_an_unfinished_job_keeps_its_name(material, here):
    killed(material, words(material, 1))
    said = vace(material, words(material, 2)).said
    assert "To go on with that one: vace resume text.vace-job" in one_line(said)
    assert names(here) == ["text-2.mkv", "text.vace-job"]
    vace(material, ["resume", "text.vace-job"])
    assert names(here) == ["text-2.mkv", "text.mkv"]


@pytest.mark.parametrize("output", [None, "text.mkv"])
def test_what_came_since_a_job_was_begun_is_not_replaced_by_resuming_it(material, here, output):
    killed(material, words(material, 1, output))
    vace(material, words(material, 2, "text.mkv"))
    there = (here / "text.mkv").read_bytes()
    said = vace(material, ["resume", "text.vace-job" if output is None else "text.mkv.vace-job"]).said
    assert (here / "text.mkv").read_bytes() == there
    assert names(here) == ["text-2.mkv", "text.mkv"]
    assert "Its result goes to" in one_line(said)
    vace(material, words(material, 1, "alone.mkv"))
    assert planes(here / "text-2.mkv") == planes(here / "alone.mkv")


def test_what_was_there_when_a_job_was_begun_or_is_its_own_is_replaced(material, here):
    vace(material, words(material, 2, "out.mkv"))
    for at in ("step 2", "confirming"):
        killed(material, words(material, 1, "out.mkv"), at)
        vace(material, ["resume", "out.mkv.vace-job"])
        assert names(here) == ["out.mkv"]


@pytest.mark.parametrize("output", ["shots", "shots/take_%02d.png"])
def test_a_folder_of_pictures_belongs_to_the_job_that_wrote_it(material, here, output):
    killed(material, words(material, 1, output))
    vace(material, words(material, 2, output))
    there = {path.name: path.read_bytes() for path in (here / "shots").iterdir()}
    again = job_faults.vace(["resume", "shots.vace-job"], material.folder / "aside")
    assert again.code == 3
    assert "not an empty folder" in one_line(again.said)
    assert {path.name: path.read_bytes() for path in (here / "shots").iterdir()} == there
    vace(material, ["resume", "shots.vace-job", "-o", "other"])
    assert names(here) == ["other", "shots"]
    assert all((here / "other" / f"frame_{n:05d}.png").read_bytes() not in there.values() for n in range(5))


def test_a_job_of_an_earlier_version_goes_on(material, here):
    """Its plan does not say what was there; a result of that name stays."""
    killed(material, words(material, 1, "out.mkv"))
    with JobFolder.open(here / "out.mkv.vace-job") as folder:
        folder.write_plan({name: value for name, value in folder.plan.items() if name != "own"})
    assert "own" not in json.loads((here / "out.mkv.vace-job" / "job.json").read_text())
    vace(material, ["resume", "out.mkv.vace-job"])
    assert names(here) == ["out.mkv"]


@pytest.mark.parametrize("named", ["shots/out.mkv", "link/out.mkv"])
def test_a_job_whose_result_lies_in_a_folder_that_it_reads_goes_on(material, here, named):
    (here / "shots").mkdir()
    (here / "link").symlink_to("shots", target_is_directory=True)
    for number in range(5):
        write_image(here / "shots" / f"{number}.png", torch.rand(1, 3, 1, 32, 48) * 2 - 1)
    told = ["gray", "shots", *words(material, 1)[words(material, 1).index("-m") :], "-o", named]
    vace(material, told)  # what is there when the next one begins is no part of the clip
    for at in ("step 2", "confirming"):
        killed(material, told, at)
        vace(material, ["resume", f"{named}.vace-job"])
    assert names(here / "shots") == ["0.png", "1.png", "2.png", "3.png", "4.png", "out.mkv"]
    killed(material, told)
    write_image(here / "shots" / "3.png", torch.zeros(1, 3, 1, 32, 48))
    again = job_faults.vace(["resume", f"{named}.vace-job"], material.folder / "aside")
    assert "no longer the same" in one_line(again.said)
