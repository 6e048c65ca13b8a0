"""Ablations: each variant differs from the default in what it says, and the page says what the runs found."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace

import clip_folders
import pytest
import tiny
import torch
from filling import fill
from refused import refused
from safetensors.torch import save_file
from typer.testing import CliRunner

from vace_core import tasks
from vace_core.cli import app
from vace_core.errors import InputError
from vace_core.models.wan import dit as wan
from vace_core.models.wan.family import WAN
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.starter.scenes.samples import HELD_OUT, TASKS
from vace_core.starter.training.ablation import RECIPE as RECIPE_OF_ALL
from vace_core.starter.training.ablation import starter_setting
from vace_core.training import precision, run
from vace_core.training.ablation.encoding import MaskedControls, OneClip, is_control, random_mask
from vace_core.training.ablation.page import INTRODUCTION, page_of, write_page
from vace_core.training.ablation.results import Difference, Results, Run, write_json
from vace_core.training.ablation.runs import Ablation, checkpoints
from vace_core.training.ablation.setting import EachTask, Setting, setting_of_clips
from vace_core.training.ablation.variants import read_variants
from vace_core.training.data.cache import Encoder
from vace_core.training.data.example import Example
from vace_core.training.data.material import Bucket
from vace_core.training.objective import Objective
from vace_core.training.recipe import Data, Recipe, read_recipe
from vace_core.training.schedule import Schedule
from vace_core.training.tables import to_toml

DOCS = Path(__file__).parents[2] / "docs"
VARIANTS = read_variants()
STEPS = Schedule(
    steps=2, learning_rate=1e-2, batch=2, warmup=0, decay_from=1.0, average=0.0, save_every=2, validate_every=2
)
RECIPE = Recipe(
    data=Data(examples=6, held_out=2),
    objective=Objective(shift=2.0, logit_normal=0.7, p_zero=0.9),
    schedule=STEPS,
)
SIZE = {"num_frames": 5, "height": 32, "width": 32}


@dataclass(frozen=True)
class Tiny:
    """Clips of noise; every other one follows a control, the rest has a hole and a reference."""

    task: str = ""

    @property
    def identity(self) -> str:
        return f"noise for {self.task}"

    def draw(self, number: int) -> Example:
        task = self.task or ("inpaint", "control")[number % 2]
        clip = tiny.clip(5, 32, 32, seed=number + 100 * bool(self.task))
        if task == "control":
            unit = tasks.control(clip.flip(4))
        else:
            holes = torch.zeros(1, 1, 5, 32, 32)
            holes[..., 8:24, 8:24] = 1
            unit = replace(tasks.inpaint(clip, holes), references=(clip[:, :, :1],))
        return Example(name=f"clip {number}", task=task, unit=unit, target=clip, prompts=("a red fox",))


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    folder = tmp_path_factory.mktemp("setting")
    save_file(fill(wan.WanDit(tiny.SIZES), 1).state_dict(), folder / "base.safetensors")
    save_file(fill(WanVaeNetwork(width=4, blocks=1), 3).state_dict(), folder / "vae.safetensors")
    return Setting(
        base=folder / "base.safetensors",
        vae=folder / "vae.safetensors",
        examples=Tiny(),
        held_out={"inpaint": Tiny("inpaint"), "control": Tiny("control")},
        text=lambda _: tiny.LetterText(),
        clip_of=lambda item: item.name,
        cpu=True,
    )


@pytest.fixture(scope="module")
def everything(setting, tmp_path_factory) -> Path:
    """All variants, with a seed that draws a control split by a mask, and prompts that each p-zero treats its way."""
    folder = tmp_path_factory.mktemp("runs")
    # In bfloat16 a base that is held in it and one that is trained differ by rounding.
    with pytest.MonkeyPatch.context() as patch:
        for module in (precision, run):
            patch.setattr(module, "training_dtype", lambda device="cpu": torch.float32)
        assert Ablation(folder, setting, RECIPE, VARIANTS).run(seeds=[1])
    return folder


def test_every_variant_comes_to_other_losses_than_the_default(everything):
    results = Results(everything)
    assert {name for name, _ in results.runs} == set(VARIANTS.variants)
    for name in VARIANTS.variants:
        found = results.difference(name, "default", 2, many=True)
        assert found is not None
        assert math.isfinite(found.mean)
        assert (found.mean == 0) == (name == "default"), name


def test_an_adapter_begins_as_the_base_and_only_what_is_encoded_otherwise_can_change_that(everything):
    results = Results(everything)
    for name in VARIANTS.variants:
        found = results.difference(name, "default", 0, many=False)
        assert found == Difference(mean=0, error=0, clips=2, by_seed={1: 0})


def test_what_is_encoded_is_shared_by_all_who_see_the_same(everything):
    found = {path.parent.relative_to(everything).as_posix() for path in everything.glob("*/*/examples-*.safetensors")}
    assert found == {
        "examples/decoupled", "examples/one-clip", "examples/masked-controls",
        "held-out/decoupled", "held-out/one-clip",
    }  # fmt: skip


def test_few_clips_are_validated_in_between_and_many_at_three_checkpoints(everything):
    run = Results(everything).of("default")[1]
    assert (sorted(run.few), sorted(run.many)) == ([0, 2], [2])
    assert {task: len(losses) for task, losses in run.many[2].items()} == {"inpaint": 2, "control": 2}
    for steps, every, wanted in ((900, 100, [300, 600, 900]), (800, 100, [300, 600, 800]), (100, 20, [40, 80, 100])):
        schedule = replace(STEPS, steps=steps, validate_every=every)
        assert checkpoints(replace(RECIPE, schedule=schedule)) == wanted


def test_where_the_context_blocks_sit():
    layers = {name: VARIANTS.variants[name].context_layers(8) for name in ("default", *VARIANTS.of("c"))}
    assert layers == {
        "default": (0, 2, 4, 6),
        "first-quarter": (0, 1),
        "spread-quarter": (0, 4),
        "first-half": (0, 1, 2, 3),
        "all-blocks": tuple(range(8)),
    }


def test_every_variant_answers_a_question_and_every_question_has_one():
    assert VARIANTS.default in VARIANTS.variants
    assert [variant.question for variant in VARIANTS.variants.values()] == sorted(
        ["", *(letter for letter in VARIANTS.questions for _ in VARIANTS.of(letter))]
    )
    assert all(VARIANTS.of(letter) for letter in VARIANTS.questions)


def test_a_variant_changes_what_it_says_and_nothing_else():
    told = RECIPE.told()
    for name, variant in VARIANTS.variants.items():
        changed = variant.recipe(RECIPE, 0).told()
        for table, entries in variant.changes.items():
            assert {entry: changed[table][entry] for entry in entries} == entries
            changed[table] |= {entry: told.get(table, {}).get(entry) for entry in entries}
        changed["schedule"]["learning_rate"] /= variant.rate
        assert changed == told, name


def network(setting, name: str):
    variant = VARIANTS.variants[name]
    ablation = Ablation(Path("nowhere"), setting, RECIPE, VARIANTS)
    return ablation.network(variant, variant.recipe(RECIPE, 0), torch.device("cpu"))


def test_how_the_adapter_begins(setting):
    names = ("default", "random-masks", "random-blocks")
    default, masks, blocks = (network(setting, name).adapter for name in names)
    weight = {name: one.context_embedder.weight for name, one in zip(names, (default, masks, blocks), strict=True)}
    assert not bool(weight["default"][:, 32:].any())
    assert bool((weight["random-masks"][:, 32:] != 0).all())
    assert torch.equal(weight["random-masks"][:, :32], weight["default"][:, :32])
    assert torch.equal(weight["random-blocks"], weight["default"])
    base = network(setting, "default").base
    for one, same in ((default, True), (masks, True), (blocks, False)):
        copied = [
            torch.equal(block.ffn[0].weight, base.blocks[layer].ffn[0].weight)
            for block, layer in zip(one.context_blocks, one.context_layers, strict=True)
        ]
        assert copied == [same] * 2
        assert not any(bool(projection.weight.any()) for projection in (one.before_proj, *one.after_proj))


def test_full_fine_tuning_trains_the_base_and_has_no_blocks(setting):
    default, full = network(setting, "default"), network(setting, "full")
    assert full.adapter.context_layers == ()
    assert all(weights.requires_grad for weights in full.parameters())
    assert not any(weights.requires_grad for weights in default.base.parameters())


def encoded(kind, examples):
    encoder = kind(vae=tiny.vae(), encode_masks=wan.encode_masks)
    return [encoder.encode(examples)[place]["context"] for place in range(len(examples))]


def test_without_decoupling_a_clip_is_encoded_once():
    examples = [Tiny().draw(number) for number in range(2)]
    for example, context, usual in zip(examples, encoded(OneClip, examples), encoded(Encoder, examples), strict=True):
        references = example.unit.num_references
        video = context[:, references:]
        assert torch.allclose(video[:16], tiny.vae().encode(example.unit.frames)[0], atol=1e-5)
        assert not bool(video[16:32].any())
        assert bool(usual[16:32, references:].any())
        assert torch.equal(context[32:], usual[32:])
        assert torch.equal(context[:, :references], usual[:, :references])


def test_masked_controls_are_split_by_a_mask_that_the_mask_channels_do_not_show():
    examples = [Tiny().draw(number) for number in range(1, 6, 2)] + [Tiny().draw(0)]
    split, usual = encoded(MaskedControls, examples), encoded(Encoder, examples)
    masks = [random_mask(example) for example in examples]
    assert any(
        bool((mask == 0).any()) for mask, example in zip(masks, examples, strict=True) if is_control(example.unit)
    )
    for example, mask, wrong, right in zip(examples, masks, split, usual, strict=True):
        if not is_control(example.unit):
            assert torch.equal(wrong, right)
            continue
        halves = [tiny.vae().encode(example.unit.frames * part)[0] for part in (1 - mask, mask)]
        assert torch.allclose(wrong[:32], torch.cat(halves), atol=1e-5)
        assert bool((wrong[32:] == 1).all())
        assert torch.allclose(wrong, right, atol=1e-5) == bool((mask == 1).all())


def test_the_random_masks_have_holes_and_known_ends_and_are_the_same_every_time():
    examples = [replace(Tiny().draw(1), name=f"clip {number}") for number in range(40)]
    masks = [random_mask(example) for example in examples]
    assert all(torch.equal(mask, random_mask(example)) for mask, example in zip(masks, examples, strict=True))
    by_frame = [mask[0, 0].flatten(1).mean(1) for mask in masks]
    assert any(bool((share == 1).all()) for share in by_frame)
    assert any(share[0] == 0 and share[-1] == 1 for share in by_frame)
    assert any(share[0] == 0 and share[-1] == 0 for share in by_frame)
    assert any(bool(((share > 0) & (share < 1)).any()) for share in by_frame)


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_stopped_again_and_again_it_comes_to_the_same_to_the_bit(setting, tmp_path):
    recipe = replace(RECIPE, schedule=replace(STEPS, steps=3, validate_every=1))
    assert Ablation(tmp_path / "whole", setting, recipe, VARIANTS).run(["masked-controls"], [3])
    calls = 1
    while not Ablation(tmp_path / "parts", setting, recipe, VARIANTS).run(["masked-controls"], [3], stop_after=0):
        calls += 1
    assert calls == 5  # a step each, and the last of the first run goes on to the second
    whole, parts = files(tmp_path / "whole"), files(tmp_path / "parts")
    assert any(name.endswith("checkpoint.safetensors") for name in whole)
    assert whole == parts


def test_a_finished_run_is_left_alone_and_another_seed_is_added(setting, tmp_path):
    ablation = Ablation(tmp_path, setting, RECIPE, VARIANTS)
    assert ablation.run(["bell"], [0])
    before = files(tmp_path / "runs")
    assert ablation.run(["bell"], [0, 1])
    after = files(tmp_path / "runs")
    assert {name: after[name] for name in before} == before
    assert Results(tmp_path).seeds() == [0, 1]
    assert ablation.is_done("bell", 1)
    assert not ablation.is_done("full", 0)


def test_a_run_that_comes_to_no_number_is_told_and_the_others_go_on(setting, tmp_path, caplog):
    """`full` with its learning rate a thousand times as high: the second step's loss is not a number."""
    variants = dict(VARIANTS.variants)
    variants["full"] = replace(variants["full"], rate=1e30)
    some = {name: variants[name] for name in ("default", "full", "bell")}
    ablation = Ablation(tmp_path, setting, RECIPE, replace(VARIANTS, variants=some))
    assert ablation.run([], [0])
    assert ablation.is_done("bell", 0)
    assert Results(tmp_path).runs["full", 0].no_number == 2
    assert "full, seed 0 ends: its loss is not a number in step 2" in caplog.text
    before = files(tmp_path)
    assert ablation.run([], [0])  # nothing is tried again
    assert files(tmp_path) == before
    page = page_of(Results(tmp_path))
    assert "**No number:** the loss of `full` with seed 0 (step 2) was not a number." in page
    assert "## a. Context adapter or full fine-tuning\n\nNo run has come to a validation.\n" in page
    assert "Unfinished" not in page


def test_a_run_that_comes_to_no_number_late_is_judged_by_nobody(made_up):
    run = made_up / "runs" / "bell-seed-0" / "run.json"
    write_json(run, json.loads(run.read_text()) | {"no number in step": 8})
    page = page_of(Results(made_up))
    assert "`bell` with seed 0 (step 8)" in page
    assert rows(page)["`bell`"][2:] == ["", "+0.0000", "", "no number"]


def test_two_ablations_in_one_folder_do_not_both_write(setting, tmp_path):
    refusals = list[str]()

    def text(_):
        with pytest.raises(InputError) as error:
            Ablation(tmp_path, setting, RECIPE, VARIANTS).run(["bell"], [7])
        refusals.append(error.value.code)
        return tiny.LetterText()

    assert Ablation(tmp_path, replace(setting, text=text), RECIPE, VARIANTS).run(["default"], [0])
    assert refusals == ["training-folder-held"]
    assert Results(tmp_path).seeds() == [0]


def test_a_folder_of_another_recipe_or_base_is_refused(setting, tmp_path):
    Ablation(tmp_path, setting, RECIPE, VARIANTS).run(["bell"], [0], stop_after=0)
    longer = replace(RECIPE, schedule=replace(STEPS, steps=4))
    with pytest.raises(InputError) as error:
        Ablation(tmp_path, setting, longer, VARIANTS).run(["bell"], [0])
    assert error.value.code == "checkpoint-other-recipe"
    assert "recipe.schedule.steps was 2 and is 4" in error.value.fields["changes"]
    other = tmp_path / "base.safetensors"
    save_file(fill(wan.WanDit(tiny.SIZES), 2).state_dict(), other)
    with pytest.raises(InputError) as error:
        Ablation(tmp_path, replace(setting, base=other), RECIPE, VARIANTS).run(["bell"], [0])
    assert "setting.base was" in error.value.fields["changes"]


def test_a_variant_that_the_recipe_already_is_is_left_out_and_an_unknown_one_refused(setting):
    recipe = replace(RECIPE, objective=replace(RECIPE.objective, shift=5.0))
    ablation = Ablation(Path("nowhere"), setting, recipe, VARIANTS)
    assert set(VARIANTS.variants) - set(ablation.chosen(())) == {"shift-5"}
    assert ablation.chosen(["bell"]) == ["default", "bell"]
    assert ablation.chosen(["default"]) == ["default"]
    with pytest.raises(InputError) as error:
        ablation.chosen(["bel"])
    assert refused(error.value).startswith("variant-unknown: known=default, full")


class Unusable(Tiny):
    def draw(self, number: int) -> Example:
        raise InputError("clip-too-small", "It is too small. A larger one is needed. Remove it.")


@pytest.mark.parametrize("part", ["examples", "held_out"])
def test_nothing_is_trained_where_no_clip_can_be_used(setting, tmp_path, part):
    unusable = replace(setting, **{part: Unusable() if part == "examples" else {"inpaint": Unusable()}})
    with pytest.raises(InputError) as error:
        Ablation(tmp_path, unusable, RECIPE, VARIANTS).run(["default"], [0])
    assert error.value.code == "data-empty"
    assert "It is too small." in error.value.fields["faults"]


def test_all_tasks_come_in_turn():
    each = EachTask(by_task={"inpaint": Tiny("inpaint"), "control": Tiny("control")})
    drawn = [each.draw(number) for number in range(4)]
    assert [example.task for example in drawn] == ["inpaint", "control"] * 2
    assert torch.equal(drawn[3].target, Tiny("control").draw(1).target)


def test_the_starters_setting_asks_what_it_never_taught():
    setting = starter_setting()
    assert list(setting.held_out) == list(TASKS)
    asked = setting.held_out["depth"].draw(3)
    assert (asked.task, asked.name) == ("depth", f"example {HELD_OUT + 3}, depth")
    for example in (asked, setting.examples.draw(5), setting.examples.draw(6)):
        assert example.target.shape == (1, 3, 17, 64, 64)
    recipe = read_recipe(RECIPE_OF_ALL)
    assert recipe.data.examples < HELD_OUT
    assert recipe.schedule.steps >= 800
    assert recipe.schedule.batch == 16


# The page


PLAN = {
    "default": "default",
    "questions": {"a": "Adapter or all", "b": "Levels"},
    "variants": {
        "default": {"question": "", "about": "as it is"},
        "full": {"question": "a", "about": "everything"},
        "bell": {"question": "b", "about": "weighted"},
    },
    "tasks": ["inpaint", "depth"],
    "few": 2,
    "blocks": 8,
    "recipe": Recipe(data=Data(examples=6, held_out=3), schedule=replace(STEPS, steps=9, validate_every=3)).told(),
    "checkpoints": [3, 6, 9],
    "seeds": [0, 1],
    "setting": {"examples": "tasks of a world", "base": "0123abcd", "vae": "4567cdef"},
}
DEFAULT = {"inpaint": [0.5, 0.6, 0.7], "depth": [0.2, 0.3, 0.4]}
APART = {0: [-0.11, -0.10, -0.12], 1: [-0.09, -0.12, -0.12]}


def make_up(folder: Path, variant: str, seed: int, apart: list[float], last: int = 9) -> None:
    run = folder / "runs" / f"{variant}-seed-{seed}"
    (run / "validation").mkdir(parents=True)
    clips = {task: ["one.mp4", "two.mp4", "three.mp4"] for task in DEFAULT}
    write_json(run / "run.json", {"variant": variant, "seed": seed, "trained": 4321, "told": {}, "clips": clips})
    for step in range(0, last + 1, 3):
        losses = {
            task: [loss + (more if step else 0) for loss, more in zip(values, apart, strict=True)]
            for task, values in DEFAULT.items()
        }
        few = {task: values[:2] for task, values in losses.items()}
        write_json(run / "validation" / f"{step:06}.json", {"few": few} | ({"many": losses} if step else {}))


@pytest.fixture
def made_up(tmp_path) -> Path:
    """Two seeds of `full`, which is better by known amounts; one half-done run of `bell`."""
    write_json(tmp_path / "plan.json", PLAN)
    for seed, apart in APART.items():
        make_up(tmp_path, "default", seed, [0.0] * 3)
        make_up(tmp_path, "full", seed, apart)
    make_up(tmp_path, "bell", 0, [0.01, -0.01, 0.0], last=6)
    return tmp_path


def rows(page: str) -> dict[str, list[str]]:
    """The last table row of each first cell."""
    lines = [re.split(r"\s*\|\s*", line)[1:-1] for line in page.splitlines() if line.startswith("| ")]
    return {line[0]: line[1:] for line in lines}


def test_the_page_has_the_numbers_that_were_put_in(made_up):
    page = page_of(Results(made_up))
    by_clip = [fmean(pair) for pair in zip(*APART.values(), strict=True)]
    error = stdev(by_clip) / math.sqrt(3)
    told = f"{fmean(by_clip):+.4f} ± {error:.4f}"  # two tasks of the same clips are no more than one
    assert rows(page)["`full`"] == [told] * 3 + ["-0.1100", "-0.1100", "lower"]
    assert rows(page.split("## b.")[0])["inpaint"] == ["0.6000", told]
    assert rows(page)["`default`, its loss"] == ["0.4500"] * 3 + ["", "", ""]
    assert "| a | `full` | everything | 4,321 |" in page
    assert "![Adapter or all: losses by step](pictures/ablations/a.png)" in page


def test_the_page_says_what_is_unfinished_and_judges_nothing_of_it(made_up):
    page = page_of(Results(made_up))
    assert "`bell` with seed 0 (6 of 9 steps), `bell` with seed 1 (not run)" in page
    assert rows(page)["`bell`"][2:] == ["", "+0.0000", "", "unfinished"]
    assert "Each task after 6 steps" in page.split("## b.")[1]


def test_a_task_that_no_held_out_clip_suits_is_said(made_up):
    for path in made_up.glob("runs/*/validation/*.json"):
        kept = {kind: {"inpaint": losses["inpaint"]} for kind, losses in json.loads(path.read_text()).items()}
        write_json(path, kept)
    page = page_of(Results(made_up))
    assert "No held-out clip suits depth." in page
    assert "| inpaint |" in page
    assert "| depth |" not in page


@pytest.mark.parametrize("begun", [False, True], ids=["mistyped", "planned"])
def test_without_results_there_is_no_page(tmp_path, begun):
    if begun:
        write_json(tmp_path / "plan.json", PLAN)
    with pytest.raises(InputError) as error:
        write_page(tmp_path, tmp_path / "docs")
    assert error.value.code == "ablation-empty"
    assert not (tmp_path / "docs").exists()


def test_what_is_called_lower_is_so_for_every_seed_and_beyond_its_errors():
    def told(error: float, *values: float, clips: int = 20) -> str:
        return Difference(mean=fmean(values), error=error, clips=clips, by_seed=dict(enumerate(values))).told

    assert told(0.01, -0.10, -0.12) == "lower"
    assert told(0.01, 0.10, 0.12) == "higher"
    assert told(0.06, -0.10, -0.12) == "too close to tell"
    assert told(0.01, -0.30, -0.05) == "too close to tell"
    assert told(0.001, -0.10, 0.02) == "too close to tell"
    assert told(0.01, -0.12) == "one seed only"
    assert told(math.inf, -0.10, -0.12, clips=1) == "too close to tell"
    assert told(math.inf, -0.10, -0.12, clips=0) == "not known: clips without names"


def compared(number: int, clips: int, effect: float) -> Difference:
    """A variant of which each clip is `effect` worse, give or take what the clip, the seed and the noise do.

    250 examples of each of five tasks, in two seeds, all made of the same few clips.
    """
    dice = torch.Generator().manual_seed(number)
    of_clip = effect + 0.02 * torch.randn(clips, generator=dice)
    which = [torch.randint(clips, (250,), generator=dice) for _ in range(5)]
    names = {str(task): [f"{clip}.mp4" for clip in drawn.tolist()] for task, drawn in enumerate(which)}
    results = Results(Path("nowhere"))
    for seed in (0, 1):
        of_seed = 0.002 * torch.randn((), generator=dice)
        for name in ("default", "variant"):
            noise = (0.02 * torch.randn(250, generator=dice) for _ in which)
            more = (of_clip[drawn] + of_seed + one for drawn, one in zip(which, noise, strict=True))
            losses = [1 + one * (name == "variant") for one in more]
            many = {str(task): one.tolist() for task, one in enumerate(losses)}
            results.runs[name, seed] = Run(trained=1, few={}, many={900: many}, clips=names)
    found = results.difference("variant", "default", 900, many=True)
    assert found is not None
    return found


@pytest.mark.parametrize("clips", [5, 20, 250])
def test_of_no_difference_a_verdict_comes_about_in_about_one_case_of_twenty(clips):
    nothing = [compared(number, clips, 0.0) for number in range(200)]
    assert sum(found.told in ("lower", "higher") for found in nothing) / 200 < 0.1
    told = fmean(math.hypot(found.error, 0.002 / math.sqrt(2)) for found in nothing)  # the seeds' part is no clip's
    assert told == pytest.approx(stdev(found.mean for found in nothing), rel=0.2)
    assert fmean(compared(number, clips, 0.05).told == "higher" for number in range(40)) > 0.9


def test_the_clip_of_each_loss_is_kept_with_the_losses(setting, tmp_path):
    bucket = Bucket(frames=5, height=32, width=32)
    data = Data(examples=6, held_out=4, share_held_out=0.4, buckets=(bucket,), tasks={"text": 1.0, "inpaint": 1.0})
    recipe = replace(RECIPE, data=data)
    clips = clip_folders.write(tmp_path / "clips")
    given = setting_of_clips(
        recipe, clips, WAN, base=setting.base, vae=setting.vae, text=lambda _: tiny.LetterText(), cpu=True
    )
    assert Ablation(tmp_path / "runs", given, recipe, VARIANTS).run(["default"], [0])
    run = Results(tmp_path / "runs").of("default")[0]
    assert {task: len(names) for task, names in run.clips.items()} == {"text": 4, "inpaint": 4}
    assert {name for names in run.clips.values() for name in names} <= {path.name for path in clips.glob("*.mp4")}


def test_shots_of_one_film_count_as_one_clip(setting, tmp_path):
    clips = clip_folders.write(tmp_path / "clips")
    for number, name in enumerate(("fox-0001", "fox-0002", "hen-0001")):
        for path in clips.glob(f"clip{number}.*"):
            path.rename(path.with_name(path.name.replace(f"clip{number}", name)))
    (tmp_path / "records" / "shots").mkdir(parents=True)
    bucket = Bucket(frames=5, height=32, width=32)
    data = Data(examples=6, held_out=4, share_held_out=0.4, buckets=(bucket,), tasks={"text": 1.0})
    models = {"base": setting.base, "vae": setting.vae, "text": lambda _: tiny.LetterText(), "cpu": True}
    given = setting_of_clips(replace(RECIPE, data=data), clips, WAN, **models)
    names = [f"{name}.mp4, text" for name in ("fox-0001", "fox-0002", "hen-0001")]
    found = [given.clip_of(SimpleNamespace(name=name, task="text")) for name in names]
    assert found == ["fox-0001.mp4", "fox-0001.mp4", "hen-0001.mp4"]


def test_the_curves_are_drawn_beside_the_page(made_up, tmp_path):
    pytest.importorskip("matplotlib")
    path = write_page(made_up, tmp_path / "docs")
    for letter in "ab":
        picture = path.parent / "pictures" / "ablations" / f"{letter}.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 100_000
        assert f"({picture.relative_to(path.parent).as_posix()})" in path.read_text(encoding="utf-8")


def test_a_damaged_result_is_named(made_up):
    (made_up / "runs" / "full-seed-0" / "validation" / "000003.json").write_text("{")
    with pytest.raises(InputError) as error:
        Results(made_up)
    assert error.value.code == "ablation-results"
    assert error.value.fields["path"].name == "000003.json"


def test_the_page_in_the_docs_is_what_the_command_writes():
    page = (DOCS / "ablations.md").read_text(encoding="utf-8")
    assert page.startswith(INTRODUCTION)
    for name, variant in VARIANTS.variants.items():
        assert f"| {variant.question} | `{name}` | {variant.about} |" in page
    linked = set(re.findall(r"\((pictures/ablations/.*?)\)", page))
    there = {path.relative_to(DOCS).as_posix() for path in (DOCS / "pictures" / "ablations").glob("*")}
    assert linked == there


def test_the_command_says_what_is_there(tmp_path):
    told = CliRunner().invoke(app, ["ablate", str(tmp_path), "--dry-run", "--only", "bell", "--seed", "4"])
    assert told.exit_code == 0, told.output
    assert "bell, seed 4     0 of 900 steps" in told.output
    assert list(tmp_path.iterdir()) == []
    wrong = CliRunner().invoke(app, ["ablate", str(tmp_path), "--only", "bel"])
    assert wrong.exit_code == 3
    half = CliRunner().invoke(app, ["ablate", str(tmp_path), "--data", str(tmp_path)])
    assert half.exit_code == 3
    assert "--base" in half.output


def test_a_recipe_that_holds_nothing_out_is_refused_before_anything_is_encoded(setting, tmp_path):
    bucket = Bucket(frames=5, height=32, width=48)
    recipe = replace(RECIPE, data=Data(examples=2, buckets=(bucket,), tasks={"inpaint": 1.0}))
    (tmp_path / "mine.toml").write_text(to_toml(recipe.told()), encoding="utf-8")
    given = {"base": setting.base, "vae": setting.vae, "data": clip_folders.write(tmp_path / "clips", 2)}
    words = ["ablate", str(tmp_path / "runs"), "--recipe", str(tmp_path / "mine.toml"), "--only", "bell", "--cpu"]
    words += [word for name, path in given.items() for word in (f"--{name}", str(path))]
    refusal = CliRunner().invoke(app, [*words, "--text-encoder", "starter"])
    assert refusal.exit_code == 3, refusal.output
    assert "data.held_out = 0" in " ".join(refusal.output.split())
    assert not (tmp_path / "runs").exists()


def test_a_text_encoder_that_is_missing_or_wrong_is_said_before_anything_is_encoded(setting, tmp_path):
    bucket = Bucket(frames=5, height=32, width=48)
    recipe = replace(RECIPE, data=replace(RECIPE.data, buckets=(bucket,), tasks={"inpaint": 1.0}))
    (tmp_path / "mine.toml").write_text(to_toml(recipe.told()), encoding="utf-8")
    given = {"base": setting.base, "vae": setting.vae, "data": clip_folders.write(tmp_path / "clips", 2)}
    words = ["ablate", str(tmp_path / "runs"), "--recipe", str(tmp_path / "mine.toml"), "--only", "bell", "--cpu"]
    words += [word for name, path in given.items() for word in (f"--{name}", str(path))]
    for more in ([], ["--text-encoder", str(tmp_path / "gone.safetensors")]):
        refusal = CliRunner().invoke(app, [*words, *more])
        assert refusal.exit_code == 3
        assert "text encoder" in " ".join(refusal.output.split())
        assert not (tmp_path / "runs").exists()
    assert CliRunner().invoke(app, [*words, "--dry-run"]).exit_code == 0
