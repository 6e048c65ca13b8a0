"""A job that is killed, or cannot be written, goes on from its last finished step to the same result."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import job_faults
import pytest
import tiny
import torch
from job_faults import CLOSED, FULL, INTERRUPT, KILL, STEPS, Material, disturbed, in_a_child, planes
from refused import refused
from typer.testing import CliRunner

from vace_core import tasks
from vace_core.cli import app
from vace_core.errors import InputError
from vace_core.files.jobs import fingerprint as prints
from vace_core.files.jobs.fingerprint import fingerprint
from vace_core.files.jobs.folder import JobFolder
from vace_core.pipeline import SamplingOptions, generate
from vace_core.sampling import kept
from vace_core.sampling.kept import KeptSteps
from vace_core.sampling.progress import Reached
from vace_core.sampling.schedule import sigmas
from vace_core.sampling.solvers import SOLVERS

NOISE = tiny.clip(2, 3, 4)


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    return Material.made(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def undisturbed(material, tmp_path_factory) -> dict[str, str]:
    """The frames of a task, computed when it is first asked for."""

    class Known(dict):
        def __missing__(self, task: str) -> str:
            out = tmp_path_factory.mktemp("undisturbed") / "out.mkv"
            done = job_faults.vace(material.words(task, out), material.folder / "aside")
            assert (done.code, [path.name for path in out.parent.iterdir()]) == (0, ["out.mkv"]), done.said
            self[task] = planes(out)
            return self[task]

    return Known()


# Each task, each stage and each fault once; all of them together: python -m tests.reliability.jobs
CASES = [
    ("text", "step 3", KILL, 1),
    ("gray", "keeping step 2", KILL, STEPS - 1),
    ("inpaint, put back", "step 3", KILL, 1),
    ("extend", "confirming", KILL, 0),
    ("gray", "step 3", INTERRUPT, 1),
    ("inpaint, put back", "writing, half way", KILL, 0),
    ("inpaint, put back", "writing, half way", FULL, 0),
    ("gray", "step 2", FULL, STEPS - 1),
    ("text", "decoding", CLOSED, 0),
]


@pytest.mark.parametrize(("task", "at", "what", "steps"), CASES)
def test_a_job_goes_on_to_the_same_frames(material, undisturbed, tmp_path, task, at, what, steps):
    equal = undisturbed[task]
    (tmp_path / "disk").mkdir()
    found = in_a_child(lambda: disturbed(material, task, at, what, tmp_path / "disk" / "out.mkv"))
    if "error" in found and found["error"].startswith(("PermissionError", "OSError", "AttributeError")):
        pytest.skip("no small disk can be made here")
    assert found["failed"] == {KILL: None, INTERRUPT: 130}.get(what, 3), found
    said = found["said"]
    assert (found["code"], found["equal"], found["again"]) == (0, equal, "resume"), said
    assert found["steps"] == steps, said
    assert found["tracebacks"] == 0, said
    if what != KILL:
        assert f"To go on with it: vace resume {tmp_path / 'disk' / 'out.mkv.vace-job'}" in said
    assert found["left"] == []


def killed(material: Material, folder: Path) -> Path:
    """The folder of a job that was killed in its second step, with its files in `folder` too."""
    for name in ("clip.mp4", "mask.png"):
        shutil.copy(material.folder / name, folder)
    shutil.copytree(material.folder / "model", folder / "model")
    (folder / "aside").mkdir()
    words = Material(folder).words("inpaint, put back", folder / "out.mkv")
    assert job_faults.vace(words, folder / "aside", "step 2", job_faults.kill).code is None
    return folder / "out.mkv.vace-job"


def resumed(*words: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["resume", *map(str, words)])
    assert "Traceback" not in found.stderr
    return found.exit_code, refused(found.exception) if found.exit_code else ""


def test_a_job_goes_on_elsewhere(material, undisturbed, tmp_path):
    left = killed(material, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with JobFolder.open(left):
        assert resumed(left) == (3, f"job-running: path={left}")
    assert resumed(left, "-o", tmp_path / "elsewhere" / "other.mkv") == (0, "")
    assert planes(tmp_path / "elsewhere" / "other.mkv") == undisturbed["inpaint, put back"]
    assert not left.exists()
    assert not (tmp_path / "out.mkv").exists()


def test_pictures_that_are_all_there_are_not_made_again(material, tmp_path):
    words = material.words("gray", tmp_path / "shots")
    words.remove("--lossless")
    assert job_faults.vace(words, tmp_path, "confirming", job_faults.kill).code is None
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "shots").iterdir()}
    assert len(pictures) == 5
    assert resumed(tmp_path / "shots.vace-job") == (0, "")
    assert {path.name: path.read_bytes() for path in (tmp_path / "shots").iterdir()} == pictures
    assert [path.name for path in tmp_path.iterdir()] == ["shots"]


class TestRefused:
    """What is not as the job left it is named, and nothing of the job is lost."""

    @pytest.fixture(scope="class")
    def left(self, material, tmp_path_factory) -> Path:
        return killed(material, tmp_path_factory.mktemp("killed"))

    @pytest.mark.parametrize("name", ["clip.mp4", "mask.png", "model/base.safetensors"])
    def test_a_file_that_has_changed(self, left, name):
        path = left.parent / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert resumed(left) == (3, f"job-file-changed: path={path}, state=no longer the same")
        path.unlink()
        assert resumed(left) == (3, f"job-file-changed: path={path}, state=gone")
        path.write_bytes(whole)
        assert left.is_dir()

    def test_a_folder_that_is_no_job(self, left):
        model = left.parent / "model"
        assert resumed(model) == (3, f"job-missing: path={model}, plan=job.json")

    @pytest.mark.parametrize(
        "change",
        [
            {"command": "text"}, {"command": []}, {"command": [1]}, {"files": {"a": 1}}, {"versions": []},
            {"output": None}, {"more": "x"}, {"format": 2},
        ],
    )  # fmt: skip
    def test_a_plan_that_is_none(self, left, change):
        plan = left / "job.json"
        whole = plan.read_text()
        plan.write_text(json.dumps(json.loads(whole) | change))
        known = "it does not say that its format is 1"
        why = known if "format" in change else "it does not say what the command was called with"
        assert resumed(left) == (3, f"job-plan-damaged: error={why}, path={plan}")
        plan.write_text(whole)

    def test_a_folder_that_is_gone(self, left):
        plan = left / "job.json"
        whole = plan.read_text()
        plan.write_text(json.dumps(json.loads(whole) | {"folder": str(left / "gone")}))
        assert resumed(left) == (3, f"job-folder-gone: error=No such file or directory, folder={left / 'gone'}")
        plan.write_text(whole)

    def test_names_that_nothing_can_have(self, left):
        plan = left / "job.json"
        whole = plan.read_text()
        for name in ("\0", "\ud800"):
            for change, code in (({"folder": name}, "job-folder-gone"), ({"files": {name: ""}}, "job-file-changed")):
                plan.write_text(json.dumps(json.loads(whole) | change))
                found, said = resumed(left)
                assert (found, said.split(":")[0]) == (3, code)
        plan.write_text(whole)

    def test_a_state_that_is_damaged(self, left):
        state = left / "sampling.safetensors"
        whole = state.read_bytes()
        state.write_bytes(whole[:-1])
        code, said = resumed(left)
        assert (code, said.split(":")[0]) == (3, "job-damaged")
        state.write_bytes(whole)

    def test_another_job_of_that_name_is_done_beside_it(self, left):
        before = (left / "job.json").read_bytes()
        folder = left.parent
        found = CliRunner().invoke(app, Material(folder).words("inpaint, put back", folder / "out.mkv"))
        assert found.exit_code == 0, found.stderr
        assert f"vace resume {left}" in " ".join(found.stderr.split())
        assert (left / "job.json").read_bytes() == before
        assert sorted(path.name for path in folder.glob("*.vace-job")) == [left.name]


def test_a_job_that_is_refused_leaves_nothing(material, tmp_path):
    words = [*material.words("gray", tmp_path / "out.mkv"), "--start", "soon"]
    assert CliRunner().invoke(app, words).exit_code == 3
    assert list(tmp_path.iterdir()) == []


class TestFolder:
    """What any job can be kept in."""

    def test_stages_are_done_or_not(self, tmp_path):
        with JobFolder.create(tmp_path / "a.vace-job", {"what": "a"}) as folder:
            assert folder.kept("window 1") is None
            folder.keep("window 1", {"latents": NOISE, "more": NOISE[0, 0].to(torch.float16)}, {"step": "3"})
            folder.keep("window 2", {"latents": NOISE})
        with JobFolder.open(tmp_path / "a.vace-job") as folder:
            assert (folder.stages(), folder.plan) == (["window 1", "window 2"], {"what": "a"})
            found = folder.kept("window 1")
            assert found is not None
            assert torch.equal(found.tensors["latents"], NOISE)
            assert found.tensors["more"].dtype == torch.float16
            assert found.said["step"] == "3"
            folder.drop("window 1")
            assert folder.stages() == ["window 2"]
            assert folder.remove()
        assert list(tmp_path.iterdir()) == []

    def test_what_somebody_else_put_there_stays(self, tmp_path):
        folder = JobFolder.create(tmp_path / "a.vace-job", {})
        (folder.path / "notes.txt").write_text("mine")
        assert not folder.remove()
        assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]

    def test_what_cannot_be_kept_is_said_once_and_costs_nothing_else(self, tmp_path, caplog):
        with JobFolder.create(tmp_path / "a.vace-job", {}) as folder:
            folder.keep("steps", {"latents": NOISE})
            (folder.path / "other.safetensors").mkdir()
            assert [folder.keep("other", {"latents": NOISE}) for _ in range(2)] == [False, False]
            assert folder.kept("steps") is not None
        assert caplog.text.count("cannot be kept") == 1


def test_keeping_takes_a_tenth_of_the_time_and_the_last_step_is_always_kept(tmp_path, monkeypatch):
    clock = iter([0, 1, 5, 9.9, 10, 12, 29, 30, 31])  # step 1 from 0 to 1; 2 and 3 not; 4 from 10 to 12; 5 not; 6
    monkeypatch.setattr(kept, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    kept_steps = []
    with JobFolder.create(tmp_path / "a.vace-job", {}) as folder:
        progress = KeptSteps(folder)
        assert progress.reached() is None
        for step in range(1, 7):
            progress.keep(Reached(steps=step, total=6, tensors={"latents": NOISE + step}))
            reached = progress.reached()
            assert reached is not None
            assert torch.equal(reached.tensors["latents"], NOISE + reached.steps)
            kept_steps.append(reached.steps)
    assert kept_steps == [1, 1, 1, 4, 4, 6]


@pytest.mark.parametrize(("steps", "read"), [("999999999", 999_999_999), ("1000000000", 0), ("-1", 0), ("", 0)])
def test_numbers_of_steps_have_at_most_nine_digits(tmp_path, steps, read):
    with JobFolder.create(tmp_path / "a.vace-job", {}) as folder:
        folder.keep("steps", {"latents": NOISE}, {kept.STEPS: steps, kept.TOTAL: "7"})
        reached = KeptSteps(folder, "steps").reached()
    assert reached is not None
    assert (reached.steps, reached.total) == (read, 7)


class Kept:
    """Progress in memory, of which one step is gone on from."""

    def __init__(self, begin: Reached | None = None) -> None:
        self.begin, self.steps = begin, list[Reached]()

    def reached(self) -> Reached | None:
        return self.begin

    def keep(self, reached: Reached) -> None:
        self.steps.append(reached)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_solver_goes_on_from_every_step_bit_for_bit(name, count):
    solver = SOLVERS[name]
    levels = sigmas(count, 3.0, first=solver.first)

    def denoise(latents: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.tanh(latents * 1.3 - sigma)

    whole = Kept()
    made = solver.run(denoise, NOISE, levels, None, whole)
    assert [(one.steps, one.total) for one in whole.steps] == [(n + 1, count) for n in range(count)]
    assert torch.equal(made, solver.run(denoise, NOISE, levels))
    for step in whole.steps[:-1]:
        assert frozenset(step.tensors) in solver.carries
    assert list(whole.steps[-1].tensors) == ["latents"]
    for step in whole.steps:
        rest = Kept(step)
        assert torch.equal(solver.run(denoise, torch.zeros_like(NOISE), levels, None, rest), made)
        assert len(rest.steps) == count - step.steps


def test_a_library_job_goes_on_and_that_of_another_job_is_refused(tmp_path):
    model, options = tiny.model(), SamplingOptions(steps=3, seed=1)
    vcu = tasks.inpaint(tiny.clip(5, 32, 48), (tiny.clip(5, 32, 48)[:, :1] > 0.5).float())
    made = generate(model, vcu, options)
    with JobFolder.create(tmp_path / "a.vace-job", {}) as folder:

        def stop(index: int, _total: int, _denoised: torch.Tensor) -> None:
            if index == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            generate(model, vcu, options, on_step=stop, progress=KeptSteps(folder))
        done: list[int] = []
        again = generate(model, vcu, options, on_step=lambda n, *_: done.append(n), progress=KeptSteps(folder))
        assert torch.equal(again, made)
        assert done == [1, 2]
        assert torch.equal(generate(model, vcu, options, progress=KeptSteps(folder)), made)
        for other in (SamplingOptions(steps=4), SamplingOptions(steps=3)):
            another = vcu if other.steps == 4 else tasks.text(num_frames=5, height=32, width=32)
            with pytest.raises(InputError) as error:
                generate(model, another, other, progress=KeptSteps(folder))
            assert error.value.code == "progress-other-job"


def test_a_job_of_given_sigmas_goes_on(tmp_path):
    model, options = tiny.model(), SamplingOptions(sigmas=(1.0, 0.5, 0.0), guidance_scale=1.0)
    vcu = tasks.text(num_frames=1, height=16, width=16)
    with JobFolder.create(tmp_path / "a.vace-job", {}) as folder:
        made = generate(model, vcu, options, progress=KeptSteps(folder))
        assert torch.equal(generate(model, vcu, options, progress=KeptSteps(folder)), made)


def test_a_fingerprint_is_that_of_the_content(tmp_path, monkeypatch):
    monkeypatch.setattr(prints, "MOST", 4 * prints.PIECE)
    data = bytearray(os.urandom(10 * prints.PIECE))
    path = tmp_path / "a"
    path.write_bytes(data)
    before = fingerprint(path)
    os.utime(path, (0, 0))
    assert fingerprint(path) == before
    for place in (0, len(data) // 3, len(data) - 1):
        changed = data.copy()
        changed[place] ^= 1
        path.write_bytes(changed)
        assert fingerprint(path) != before, place
    path.write_bytes(data)
    whole = fingerprint(tmp_path)
    assert fingerprint(tmp_path, without=path) != whole
    (tmp_path / ".hidden").touch()
    assert fingerprint(tmp_path) == whole
    path.rename(tmp_path / "b")
    assert fingerprint(tmp_path) != whole
