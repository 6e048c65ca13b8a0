"""One job in several processes: they come to what one comes to, send each other what is computed, and end as one.

These are two processes; `benchmarks/parallel.py` has more.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
import tiny
import tiny_ltx
import torch
from processes import Ended, Sent, started
from refused import refused

from vace_core import tasks
from vace_core.cli import main
from vace_core.errors import InputError
from vace_core.media.pictures import read_image
from vace_core.models.sharing import undivided
from vace_core.pipeline import SamplingOptions, VaceModel, sample
from vace_core.pipeline.parallel.processes import Processes, joined
from vace_core.pipeline.parallel.progress import SharedProgress
from vace_core.pipeline.parallel.sequence import check_divided
from vace_core.pipeline.parallel.spread import shared_out, spread
from vace_core.pipeline.parallel.traffic import bytes_of_pass, bytes_of_step
from vace_core.sampling.progress import LATENTS, Reached
from vace_core.starter.model import STARTER_OPTIONS, load_starter

CPU = torch.device("cpu")
CLOSE = 1e-5
STEPS = 2
OPTIONS = SamplingOptions(steps=STEPS, shift=3.0, guidance_scale=2.0, solver="unipc", negative_prompt="b")


def half(clip: torch.Tensor) -> Any:
    masks = torch.zeros_like(clip[:, :1])
    masks[..., : clip.shape[-1] // 2] = 1
    return tasks.inpaint(clip, masks, prompt="abc", negative_prompt="z")


def starter() -> tuple[VaceModel, Any, SamplingOptions]:
    return load_starter(), half(tiny.clip(5, 64, 64)), replace(STARTER_OPTIONS, steps=STEPS)


def ltx() -> tuple[VaceModel, Any, SamplingOptions]:
    """Nine tokens, which two processes do not divide, and three predictions in a step."""
    options = replace(OPTIONS, solver="euler", stg_scale=1.0, rescale=0.5)
    return tiny_ltx.model(), half(tiny_ltx.clip(17, 32, 96)), options


def one_of_all(make: Any, way: Any) -> dict[str, Any]:
    """How far this process's latents are from those of one alone, what it sent, and what was computed before."""
    model, unit, options = make()
    wanted = sample(model, unit, options)
    with joined(CPU) as processes, spread(model, processes, way=way) as there, Sent() as sent:
        got = sample(there, unit, options)
        halves, parts = shared_out(way, processes.count, guided=True)
    base, adapter = model.expert.base, model.expert.adapter
    assert base.share is undivided  # it is left as it was
    tokens = model.vae.grid.tokens(unit.num_frames, unit.height, unit.width)
    a_pass = bytes_of_pass(
        width=base.sizes.width, blocks=base.sizes.layers + len(adapter.context_layers), tokens=tokens, parts=parts,
        numbers_out=got.numel() // tokens, bytes_per_number=4,
    )  # fmt: skip
    predictions = 2 + bool(options.stg_scale)
    computed = STEPS * bytes_of_step(a_pass, predictions=predictions, halves=halves, latents=4 * got.numel())
    far = float((got - wanted).abs().max() / wanted.abs().max())
    return {"far": far, "sent": sum(sent.bytes.values()), "computed": computed}


CASES = {f"{make.__name__} by {way}": (make, way) for make in (starter, ltx) for way in ("sequence", "guidance")}


@pytest.fixture(scope="module")
def of_two() -> list[Ended]:
    """What two processes come to in all cases, one after the other in the same two."""

    def all_cases() -> dict[str, Any]:
        with joined(CPU):
            return {name: one_of_all(*case) for name, case in CASES.items()}

    return started(2, all_cases)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_come_to_the_latents_of_one(of_two, case):
    assert [end.status for end in of_two] == [0, 0], of_two[0].err + of_two[1].err
    assert all(end.value[case]["far"] <= CLOSE for end in of_two)


@pytest.mark.parametrize("case", CASES)
def test_they_send_what_is_computed_beforehand(of_two, case):
    for end in of_two:
        assert end.value[case]["sent"] == end.value[case]["computed"] > 0


def vace(*words: object) -> list[Ended]:
    """The command in two processes."""

    def job() -> None:
        sys.argv = ["vace", *map(str, words)]
        main()

    return started(2, job)


STILL = ["text", "-p", "a red circle", "--length", "1", "--width", "64", "--height", "32", "--steps", "2"]
STILL += ["--device", "cpu"]


def test_the_command_writes_and_prints_once_what_one_process_makes(tmp_path):
    together, alone = tmp_path / "two.png", tmp_path / "one.png"
    first, second = vace(*STILL, "--parallel", "sequence", "-o", together)
    assert (first.status, second.status) == (0, 0), first.err + second.err
    assert first.out.split() == [str(together)]
    assert second.out == second.err == ""
    (end,) = started(1, lambda: _alone(*STILL, "-o", alone))
    assert end.status == 0, end.err
    assert torch.equal(read_image(together)[0], read_image(alone)[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def _alone(*words: object) -> None:
    sys.argv = ["vace", *map(str, words)]
    main()


def test_what_one_process_cannot_do_ends_all_with_one_sentence(tmp_path):
    gone = tmp_path / "gone" / "file.safetensors"
    ends = vace(*STILL, "--vae", gone, "-o", tmp_path / "x.png")
    assert [end.status for end in ends] == [4, 4]
    said = "".join(end.err for end in ends)
    assert said.count(str(gone)) == 1
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_all_go_on_from_where_the_first_one_is():
    kept = Reached(steps=1, total=2, tensors={LATENTS: torch.arange(6.0).reshape(1, 1, 1, 2, 3)})

    class Kept:
        def reached(self) -> Reached:
            return kept

        def keep(self, reached: Reached) -> None:
            print(reached.steps)

    def job() -> list[Any]:
        with joined(CPU) as processes:
            progress = SharedProgress(Kept() if processes.leads else None, processes)
            found = progress.reached()
            assert found is not None
            progress.keep(found)
            none = SharedProgress(None, processes).reached()
            return [
                found.steps,
                found.total,
                found.tensors[LATENTS].tolist(),
                none,
                processes.least(processes.rank + 5),
            ]

    ends = started(2, job)
    assert [end.value for end in ends] == [[1, 2, kept.tensors[LATENTS].tolist(), None, 5]] * 2, ends[1].err
    assert [end.out for end in ends] == ["1\n", ""]


@pytest.mark.parametrize(
    ("way", "count", "guided", "shared"),
    [("auto", 4, True, (2, 2)), ("auto", 4, False, (1, 4)), ("auto", 3, True, (1, 3)), ("sequence", 2, True, (1, 2))],
)
def test_what_is_shared_out(way, count, guided, shared):
    assert shared_out(way, count, guided=guided) == shared


@pytest.mark.parametrize(("count", "guided"), [(3, True), (2, False)])
def test_two_prompts_need_two_halves(count, guided):
    with pytest.raises(InputError) as error:
        shared_out("guidance", count, guided=guided)
    assert error.value.code == "processes-guidance"


def test_processes_divide_heads_or_tokens():
    check_divided(12, 80, 4)
    check_divided(2, 80, 4)
    with pytest.raises(InputError) as error:
        check_divided(2, 81, 4)
    assert refused(error.value) == "processes-divide: count=4, heads=2, tokens=81"


def test_one_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    model = object()
    with joined(CPU) as processes, spread(model, processes) as same:  # type: ignore[arg-type]
        assert same is model
        assert processes == Processes()
        assert processes.leads
        assert processes.least(3) == 3
