"""What an evaluation reads, runs and reports: samples and results by their names, tables, a page."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from refused import refused
from torch import Tensor

from vace_core.errors import InputError
from vace_core.evaluation import measures, report, run
from vace_core.evaluation.indicators import open_indicators
from vace_core.evaluation.manifest import Item, read_manifest, write_manifest
from vace_core.evaluation.report import markdown, page_of
from vace_core.evaluation.results import Problem, Results, Scored, read_results, write_results
from vace_core.evaluation.run import How, evaluate, find_result
from vace_core.media.pictures import write_image
from vace_core.media.write import write_video


def flat(level: float, frames: int = 1, height: int = 8, width: int = 12) -> Tensor:
    return torch.full((1, 3, frames, height, width), level)


def noise(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=generator)


# Samples


def test_a_manifest_says_all_of_a_sample(tmp_path):
    for name in ("v.mp4", "s.mp4", "m.mp4", "c.mp4", "r.png", "q.png"):
        (tmp_path / name).write_bytes(b"")
    full = {"name": "a", "task": "depth", "prompt": "p", "rewritten": "r", "kind": "real", "video": "v.mp4",
            "source": "s.mp4", "mask": "m.mp4", "control": "c.mp4", "references": ["r.png", "q.png"]}  # fmt: skip
    samples = [full, {"name": "b", "kind": "generated"}, {"name": "c", "mask": None}]
    (tmp_path / "manifest.json").write_text(json.dumps({"samples": samples}))
    one, two, three = read_manifest(tmp_path)
    assert one == Item(
        name="a", task="depth", prompt="p", rewritten="r", kind="real", video=tmp_path / "v.mp4",
        source=tmp_path / "s.mp4", mask=tmp_path / "m.mp4", control=tmp_path / "c.mp4",
        references=(tmp_path / "r.png", tmp_path / "q.png"),
    )  # fmt: skip
    assert two == Item(name="b", task="unknown", kind="generated")
    assert three == Item(name="c")
    write_manifest(tmp_path / "again.json", [one, two])
    said = json.loads((tmp_path / "again.json").read_text())["samples"]
    assert said == [full, {"name": "b", "task": "unknown", "prompt": "", "rewritten": "", "kind": "generated"}]


@pytest.mark.parametrize(
    ("sample", "problem"),
    [
        ("x", "a sample is no table"),
        ({"name": ""}, "which no file can have"),
        ({"name": 3}, "which no file can have"),
        ({"name": "x", "prompt": 3}, "texts and a list of references are needed"),
        ({"name": "x", "references": "a.png"}, "texts and a list of references are needed"),
        ({"name": "x", "source": 3}, "not in the manifest's folder"),
        ({"name": "x", "source": "a\0.mp4"}, "not in the manifest's folder"),
    ],
)
def test_a_wrong_sample_is_refused(tmp_path, sample, problem):
    (tmp_path / "manifest.json").write_text(json.dumps({"samples": [sample]}))
    with pytest.raises(InputError) as error:
        read_manifest(tmp_path)
    assert problem in error.value.fields["problem"]


def test_folders_are_searched_for_films(tmp_path):
    for name in (".x.mp4", "b.GIF", "a.mp4", "notes.txt", "a_src_video.mp4.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [(one.name, one.task) for one in read_manifest(tmp_path)] == [("a", "clips"), ("b", "clips")]
    (tmp_path / "class").mkdir()
    assert len(read_manifest(tmp_path)) == 2  # a folder without a film is no class
    for name in ("src_ref_image_2.png", "src_ref_image_1.jpg", "src_ref_image.txt"):
        (tmp_path / "class" / name).write_bytes(b"")
    (one,) = read_manifest(tmp_path)
    assert [path.name for path in one.references] == ["src_ref_image_1.jpg", "src_ref_image_2.png"]
    assert (one.task, one.source) == ("class", None)


def test_results_are_found_under_the_names_that_are_documented(tmp_path):
    for kind in (".png", ".mkv", ".mp4"):
        (tmp_path / f"s{kind}").write_bytes(b"")
        assert find_result(tmp_path, "s") == tmp_path / f"s{kind}"
    (tmp_path / "t" / "deep").mkdir(parents=True)
    with pytest.raises(InputError) as error:
        find_result(tmp_path, "t")
    assert error.value.code == "result-missing"
    (tmp_path / "t" / "1.png").write_bytes(b"")
    assert find_result(tmp_path, "t") == tmp_path / "t"
    (tmp_path / "u" / "out_video").mkdir(parents=True)
    (tmp_path / "u" / "out_video" / "1.png").write_bytes(b"")
    assert find_result(tmp_path, "u") == tmp_path / "u" / "out_video"


# A run and its report


def test_a_run_measures_in_order_and_with_the_prompt_it_was_made_with(tmp_path):
    methods = {name: tmp_path / name for name in ("z", "a")}
    items = [Item(name=f"s{n}", task="T2V", prompt="p" if n else "", rewritten="long") for n in range(2)]
    for folder in methods.values():
        for item in items:
            folder.mkdir(exist_ok=True)
            write_video(folder / f"{item.name}.mp4", flat(0.2, 5, 16, 16), fps=8)
    asked: list[tuple[str, float]] = []
    indicator = {"overall consistency": lambda shown: asked.append((shown.prompt, shown.fps)) or 0.3,
                 "temporal flickering": lambda shown: math.nan}  # fmt: skip
    how = How(indicators=SimpleNamespace(measured=indicator, missing={}, embed=None))
    done: list[tuple[int, int]] = []
    results = evaluate(items, methods, how, on_done=lambda *of: done.append(of), about={"made": "now"})
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [(one.method, one.sample) for one in results.scored] == [(m, s) for m in "za" for s in ("s0", "s1")]
    assert [sorted(one.values) for one in results.scored] == [["drift"], ["drift", "overall consistency"]] * 2
    assert (asked, results.about) == ([("p", 8.0)] * 2, {"made": "now"})
    asked.clear()
    evaluate(items, methods, How(indicators=how.indicators, rewritten=True))
    assert asked == [("long", 8.0)] * 4
    assert set(run.versions()) >= {"torch", "numpy", "av"}


def test_one_mask_counts_for_all_frames(tmp_path):
    mask = flat(-1.0, 1, 16, 16)
    mask[..., 8:] = 1
    write_image(tmp_path / "mask.png", mask)

    def given(path) -> measures.Given:
        return measures.Given(name=path.name, read=lambda: run.read_mask(path)[None, None])

    found = measures._like(flat(0, 5, 16, 16), given(tmp_path / "mask.png"), for_all=True)
    assert (found.shape, found.sum()) == ((1, 1, 5, 16, 16), 5 * 128)
    with pytest.raises(InputError) as error:
        measures._like(flat(0, 5, 16, 18), given(tmp_path / "mask.png"), for_all=True)
    assert error.value.code == "result-size"
    write_video(tmp_path / "two.mkv", mask.expand(-1, -1, 2, -1, -1), fps=8, lossless=True)
    with pytest.raises(InputError):
        measures._like(flat(0, 5, 16, 16), given(tmp_path / "two.mkv"), for_all=True)


def scored(method: str, sample: str, task: str, **values: float) -> Scored:
    return Scored(method=method, sample=sample, task=task, values={k.replace("_", " "): v for k, v in values.items()})


RESULTS = Results(
    scored=(scored("<m>", "a", "I2V", drift=2.0, imaging_quality=0.5), scored("<m>", "b", "I2V", drift=4.0),
            scored("n", "a", "I2V", drift=1.0, imaging_quality=0.25), scored("n", "c", "T2V|x", identity=0.5),
            scored("<m>", "c", "T2V|x", identity=0.25)),
    problems=(Problem(method="n", sample="b", measure="", code="c", message="<no> file"),
              Problem(method="n", sample="c", measure="seam", code="c", message="small")),
    missing={"motion smoothness": "no <weights>"}, versions={"torch": "<2>"}, about={"of": "<bench>"},
)  # fmt: skip


def test_the_table_in_markdown():
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in markdown(RESULTS).splitlines()
        if line[:1] == "|"
    ]
    head, _, *cells = rows
    assert head == ["type", "method", "imaging quality", "drift", "identity"]
    assert [row[:2] for row in cells] == [["I2V", "<m>"], ["I2V", "n"], ["T2V\\|x", "<m>"], ["T2V\\|x", "n"],
                                          ["all", "<m>"], ["all", "n"]]  # fmt: skip
    assert [row[head.index("imaging quality")] for row in cells[:3]] == ["50.00", "25.00", "–"]
    assert [row[-2] for row in cells] == ["3.00 (2.00 to 4.00)", "1.00", *["–"] * 2, "3.00 (2.00 to 4.00)",
                                          "1.00"]  # fmt: skip
    assert cells[2][-1] == "0.25"
    assert markdown(RESULTS).endswith("\nNot measured: motion smoothness.\n")


def test_a_page_says_all_of_a_run(tmp_path):
    pytest.importorskip("matplotlib")
    page = page_of(RESULTS, [], {})
    assert "<h1>Evaluation</h1><ul><li>of: &lt;bench&gt;</li></ul>" in page
    assert (
        "<p>Not measured, and therefore no average:</p><ul><li>motion smoothness: no &lt;weights&gt;</li></ul>" in page
    )
    assert "<h2>Problems</h2><p>2 of what was asked could not be measured.</p>" in page
    assert "<tr><td>n</td><td>b</td><td>everything</td><td style='text-align:left'>&lt;no&gt; file</td></tr>" in page
    assert "<td>c</td><td>seam</td>" in page
    assert "<li>torch &lt;2&gt;</li>" in page
    assert "<h2>Differences to &lt;m&gt;</h2>" in page
    assert "<summary>6 rows</summary>" in page
    assert "<tr><td>I2V</td><td>imaging quality</td><td>n</td><td>-25.00</td><td>1</td></tr>" in page
    assert "<tr><td>I2V</td><td>drift</td><td>n</td><td>-1.00</td><td>1</td></tr>" in page
    assert "<li>drift (lower is better): change of colour" in page
    assert "<li>identity (higher is better)" in page
    assert "seam (lower" not in page
    rows = {tuple(cells[:2]): cells[2:] for cells in (
        re.findall(r"<td(.*?)</td>", row) for row in page.split("<h2>Plots")[0].split("<tr>")[2:])}  # fmt: skip
    of = rows[(">I2V", ">&lt;m&gt;")]
    assert of[0] == " class=best>50.00<small>n = 1</small>"
    assert of[1] == ">3.00<small>2.00 to 4.00, n = 2</small>"
    assert of[2] == " class=none>–"
    assert rows[(">I2V", ">n")][1] == " class=best>1.00<small>n = 1</small>"
    assert rows[(">T2V|x", ">n")][2] == " class=best>0.50<small>n = 1</small>"
    drawn = re.findall(r"<!-- (.*?) -->", page)
    first = drawn[: drawn.index("imaging quality")]
    assert {"30", "40", "50", "I2V", "all"} <= set(first)  # in percent, as in the table
    assert "T2V|x" not in first  # of which nothing was measured
    assert {"drift", "identity", "T2V|x", "&lt;m&gt;", "n"} <= set(drawn)
    alone = Results(scored=RESULTS.scored[:1])
    assert (report._differences(alone), report._missing(alone)) == ("", "")
    assert "<p>0 of what was asked could not be measured.</p></section>" in report._problems(alone)


def test_so_many_samples_of_each_type_are_shown(tmp_path):
    write_video(tmp_path / "s0.mp4", flat(0.2, 2, 16, 16), fps=8)
    write_image(tmp_path / "r.png", flat(0.2, 1, 16, 16))
    film = tmp_path / "s0.mp4"
    again = {"task": "A", "video": film}
    items = [Item(name="s0", task="A", prompt="said", source=film, mask=tmp_path / "no.mp4", control=film,
                  references=(tmp_path / "no.png", tmp_path / "r.png")),
             Item(name="s1", rewritten="more", prompt="said", **again), Item(name="s2", **again),
             Item(name="s3", task="B", video=film), Item(name="s4", task="B")]  # fmt: skip

    def shown(**of: int) -> list[tuple[str, str, int]]:
        page = "".join(report._samples(items, {"m": tmp_path, "n": tmp_path / "none"}, of.get("shown", report.SHOWN)))
        found = re.findall(
            r'<h3>(.*?)</h3><p>(.*?)</p><img alt="contact sheet" src="data:image/jpeg;base64,(.*?)"', page
        )
        sheets = [Image.open(io.BytesIO(base64.b64decode(content))).height for *_, content in found]
        return [(name, said, height // 166) for (name, said, _), height in zip(found, sheets, strict=True)]

    # Source, control, result and the second reference; what cannot be read is left out.
    assert shown() == [("A: s0", "said", 4), ("A: s1", "more", 1), ("B: s3", "", 1)]
    assert [one[0] for one in shown(shown=1)] == ["A: s0", "B: s3"]
    assert shown(shown=0) == []


def test_results_of_another_version_are_refused(tmp_path):
    write_results(tmp_path / "r.json", RESULTS)
    assert read_results(tmp_path / "r.json") == RESULTS
    said = json.loads((tmp_path / "r.json").read_text())
    assert said["format"] == 1
    (tmp_path / "r.json").write_text(json.dumps(said | {"format": 2}))
    with pytest.raises(InputError) as error:
        read_results(tmp_path / "r.json")
    assert "its format is 2, not 1" in refused(error.value)


def test_an_earlier_run_gives_way_where_the_method_is_the_same():
    now = Results(scored=(scored("n", "z", "I2V", drift=0.0),), problems=(), about={"of": "now"}, missing={"x": "y"})
    both = now.with_earlier(RESULTS, "r")
    assert [(one.method, one.sample) for one in both.scored] == [("n", "z"), ("<m>", "a"), ("<m>", "b"), ("<m>", "c")]
    told = "; ".join(f"{name}: {text}" for name, text in RESULTS.about.items())
    assert (both.problems, both.about) == ((), {"of": "now", "with r": told})
    assert both.missing == {**RESULTS.missing, "x": "y"}
    other = Results(scored=(scored("o", "z", "I2V", drift=0.0),)).with_earlier(RESULTS, "r")
    assert [one.sample for one in other.problems] == ["b", "c"]
    assert list(open_indicators(None).measured) == ["temporal flickering"]
