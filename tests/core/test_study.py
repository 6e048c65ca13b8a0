"""`vace study`: the page tells no method, every rater counts, and scores are means with intervals."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from refused import refused
from typer.testing import CliRunner

from vace_core.cli import app
from vace_core.errors import InputError
from vace_core.evaluation.manifest import Item, read_manifest
from vace_core.evaluation.pictures import film
from vace_core.evaluation.study import (
    QUESTIONS,
    Entry,
    Opinions,
    make_study,
    read_opinions,
    scores_json,
    scores_table,
)
from vace_core.media.sources import open_footage
from vace_core.media.stored import stored_format
from vace_core.media.video import read_video
from vace_core.media.write import write_video


@pytest.fixture
def made(tmp_path):
    """A study of two methods and three samples, of which one lacks a result."""
    (tmp_path / "bench").mkdir()
    samples = [{"name": f"s{n}", "task": "I2V", "prompt": "a <b>disc</b></script>"} for n in range(3)]
    (tmp_path / "bench" / "manifest.json").write_text(json.dumps({"samples": samples}))
    methods = {}
    for number, method in enumerate(("ours", "theirs")):
        methods[method] = tmp_path / method
        methods[method].mkdir()
        for sample in range(3 - number):
            write_video(methods[method] / f"s{sample}.mp4", torch.full((1, 3, 5, 16, 16), 0.2 * number), fps=8)
    count, problems = make_study(tmp_path / "out", read_manifest(tmp_path / "bench"), methods)
    return tmp_path, methods, count, problems


def rated(folder: Path, rater: str, ours: int, theirs: int, *, study: str | None = None) -> Path:
    key = json.loads((folder / "out" / "key.json").read_text())
    score = {"ours": ours, "theirs": theirs}
    ratings = {clip: [score[entry["method"]], 3, 4] for clip, entry in key["clips"].items()}
    path = folder / f"{rater}.json"
    path.write_text(json.dumps({"study": study or key["study"], "rater": rater, "ratings": ratings}))
    return path


def test_a_sample_is_asked_for_only_where_all_methods_have_it(made):
    _, _, count, problems = made
    assert count == 4
    assert [(one.method, one.sample, one.code) for one in problems] == [("theirs", "s2", "result-missing")]


def test_neither_the_page_nor_its_clips_tell_a_method(made):
    folder = made[0]
    page = (folder / "out" / "study" / "study.html").read_text()
    assert "ours" not in page
    assert "theirs" not in page
    assert "s0" not in page
    assert "</script></script>" not in page
    assert [f"value={score}>" in page for score in range(7)] == [False, *[True] * 5, False]
    for name in json.loads((folder / "out" / "key.json").read_text())["clips"]:
        assert f'"{name}"' in page
    assert sorted(path.name for path in (folder / "out" / "study").iterdir()) == ["clips", "study.html"]
    assert len({path.stat().st_mode for path in (folder / "out" / "study" / "clips").iterdir()}) == 1


def test_clips_of_odd_sides_and_of_a_rate_that_varies_are_shown_by_every_browser_at_their_times(tmp_path):
    edges = torch.tensor([0.0, 0.1, 0.2, 0.6, 0.7], dtype=torch.float64)
    times = torch.stack([edges[:-1], edges[1:]], 1)
    write_video(tmp_path / "s.mp4", torch.zeros(1, 3, 4, 17, 23), fps=4 / 0.7, times=times)
    make_study(tmp_path / "out", [Item(name="s")], {"one": tmp_path})
    (clip,) = (tmp_path / "out" / "study" / "clips").iterdir()
    shown = open_footage(clip)
    assert (shown.height, shown.width, stored_format(shown)) == (16, 22, "yuv420p")
    assert torch.allclose(shown.times, times, atol=1e-3)
    encoded = film(read_video(tmp_path / "s.mp4")).partition("base64,")[2]
    (tmp_path / "page.mp4").write_bytes(base64.b64decode(encoded))
    assert torch.allclose(open_footage(tmp_path / "page.mp4").times, times, atol=1e-3)


def test_a_study_is_not_written_over(made):
    folder, methods, *_ = made
    with pytest.raises(InputError) as error:
        make_study(folder / "out", read_manifest(folder / "bench"), methods)
    assert refused(error.value) == f"study-exists: folder={folder / 'out'}"


def test_scores_are_means_over_raters_and_samples(made):
    folder = made[0]
    opinions = read_opinions(folder / "out" / "key.json", [rated(folder, "a", 5, 2), rated(folder, "b", 4, 3)])
    assert opinions.score("I2V", "ours", "prompt following").value == 4.5
    assert opinions.score("I2V", "theirs", "average").value == pytest.approx((2.5 + 3 + 4) / 3)
    found = opinions.score("I2V", "ours", "prompt following")
    assert found.low <= 4.5 <= found.high
    assert found.low == 4
    difference, prefer, other = opinions.compared("I2V", "ours", "theirs", "prompt following")
    assert (difference.value, prefer, other) == (2, 1, 0)
    assert opinions.compared("I2V", "ours", "theirs", QUESTIONS[1])[0].value == 0
    assert "ours - theirs" in scores_table(opinions)


def test_of_two_files_of_one_rater_that_with_most_answers_counts(made):
    folder = made[0]
    whole, partial = rated(folder, "a", 5, 2), folder / "partial.json"
    said = json.loads(whole.read_text())
    partial.write_text(json.dumps(said | {"ratings": dict([*said["ratings"].items()][:1])}))
    for files in ([partial, whole], [whole, partial]):
        opinions = read_opinions(folder / "out" / "key.json", files)
        assert not np.isnan(opinions.scores).any()
        assert [one.sample for one in opinions.problems] == [files[1].name]


def test_files_that_do_not_fit_are_named_and_the_others_count(made):
    folder = made[0]
    good = rated(folder, "a", 5, 2)
    twice = folder / "again.json"
    twice.write_bytes(good.read_bytes())
    other, broken, high = rated(folder, "b", 4, 3, study="x"), folder / "broken.json", rated(folder, "c", 6, 1)
    broken.write_text("{")
    opinions = read_opinions(folder / "out" / "key.json", [good, twice, other, broken, high])
    assert opinions.raters == ("a",)
    assert [one.sample for one in opinions.problems] == ["again.json", "b.json", "broken.json", "c.json"]
    assert {one.code for one in opinions.problems} == {"ratings-unread"}
    with pytest.raises(InputError) as error:
        read_opinions(folder / "out" / "key.json", [other])
    assert error.value.code == "ratings-none"


def test_the_command_makes_and_scores(made):
    folder, methods, *_ = made
    asked = [f"--method={name}={place}" for name, place in methods.items()]
    said = CliRunner().invoke(app, ["study", "make", str(folder / "bench"), str(folder / "two"), *asked])
    assert said.exit_code == 0, said.output
    assert Path(said.stdout.strip()).is_file()
    key = str(folder / "out" / "key.json")
    said = CliRunner().invoke(app, ["study", "score", key, str(rated(folder, "a", 5, 2)), "--json"])
    assert said.exit_code == 0, said.output
    first = json.loads(said.stdout)["scores"][0]
    assert (first["method"], first["question"], first["value"]) == ("ours", "prompt following", 5)


def test_intervals_draw_raters_and_samples_again(made):
    """Answers that are missing do not count, nor do raters without one."""
    nan = math.nan
    entries = [Entry(method="m", sample=f"s{n}", task="I2V") for n in range(4)]
    given = np.array([[1, 2, 5, nan], [2, nan, 4, 3], [nan, nan, nan, nan]])
    scores = np.stack([given, given * 0 + 3, np.full_like(given, nan)], axis=2)
    found = Opinions(raters=("a", "b", "c"), entries=tuple(entries), scores=scores)
    one = found.score("I2V", "m", QUESTIONS[0])
    assert (one.value, one.low, one.high, one.count) == (
        pytest.approx(17 / 6), pytest.approx(4 / 3), pytest.approx(30 / 7), 6
    )  # fmt: skip
    assert found.score("I2V", "m", QUESTIONS[2]) is None
    assert found.score("I2V", "m", "average") is None
    assert found.score("I2V", "n", QUESTIONS[0]) is None
    assert found.tasks == ("I2V",)
    single = replace(found, entries=tuple(entries[:1]), scores=scores[:, :1])
    assert (single.score("I2V", "m", QUESTIONS[0]).low, single.score("I2V", "m", QUESTIONS[0]).count) == (None, 2)


def test_two_methods_are_compared_on_the_samples_that_both_have():
    entries = [("m", "s0", "I2V"), ("m", "s1", "I2V"), ("m", "s2", "T2V"), ("n", "s2", "T2V"), ("n", "s0", "I2V")]
    scores = np.array([[5, 1, 2, 2, 3], [4, 1, 1, 3, 4]], float)[:, :, None].repeat(3, axis=2)
    found = Opinions(
        raters=("a", "b"), scores=scores,
        entries=tuple(Entry(method=method, sample=sample, task=task) for method, sample, task in entries),
    )  # fmt: skip
    assert (found.methods, found.tasks) == (("m", "n"), ("I2V", "T2V", "all"))
    summary, prefer, other = found.compared("all", "m", "n", "average")
    assert (summary.value, prefer, other) == (0, 0.25, 0.25)  # +2, 0, 0, -2
    assert found.compared("I2V", "m", "n", QUESTIONS[1])[0].value == 1
    assert found.compared("I2V", "m", "x", QUESTIONS[1]) is None
    rows = scores_table(found).splitlines()
    assert "| I2V | m - n | 1.00, 50 % to 0 % | 1.00, 50 % to 0 % | 1.00, 50 % to 0 % | 1.00, 50 % to 0 % |" in rows
    alone = [entry for entry in found.entries if entry.method == "m"]
    assert "Differences" in scores_table(found)
    assert "Differences" not in scores_table(replace(found, entries=tuple(alone), scores=scores[:, :3]))
    said = scores_json(found)
    assert (said["raters"], said["pairs"][0]["prefer"], len(said["scores"])) == (2, [0.5, 0.0], 24)


@pytest.mark.parametrize(
    ("answer", "taken"), [([1, 5, 3], True), ([0, 3, 3], False), ([3, 6, 3], False), ([True, 3, 3], False),
                          ([3, 3], False), ([3, 3, 3, 3], False), ([3, 3, 2.5], False), ("333", False)]
)  # fmt: skip
def test_an_answer_is_three_whole_numbers_of_one_to_five(made, answer, taken):
    folder = made[0]
    path = rated(folder, "a", 3, 3)
    said = json.loads(path.read_text())
    said["ratings"][min(said["ratings"])] = answer
    path.write_text(json.dumps(said))
    other = rated(folder, "b", 3, 3)
    assert read_opinions(folder / "out" / "key.json", [path, other]).raters == (("a", "b") if taken else ("b",))


def test_a_reason_inside_a_message_ends_once(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError) as error:
        make_study(tmp_path / "study", [Item(name="fox")], {"ours": tmp_path / "none"})
    assert ".." not in str(error.value).replace(str(tmp_path), "")
