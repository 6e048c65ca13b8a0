"""The evaluation, one part at a time: limits on both sides, what a report says, and what is asked of a network."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import sys
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from refused import refused
from safetensors.torch import save_file
from torch import Tensor

from vace_core.errors import InputError
from vace_core.evaluation import edits, pixels, report, run, vbench
from vace_core.evaluation.backbones import load_raft
from vace_core.evaluation.indicators import Shown, beautiful, clean, moving, open_indicators, prompted, smooth
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


# Formulas


def test_clips_are_dynamic_from_the_limits_on():
    for speed, moves in ((6.0, 0.0), (6.01, 1.0)):
        assert vbench.dynamic([speed] * 4, shorter_side=256, num_frames=16) == moves
    assert vbench.dynamic([3.01] * 4, shorter_side=128, num_frames=16) == 1
    assert vbench.dynamic([9.0] * 3 + [0.0] * 12, shorter_side=256, num_frames=16) == 0
    assert vbench.dynamic([9.0, 0.0], shorter_side=256, num_frames=6) == 0  # two of six are needed
    assert vbench.dynamic([9.0, 9.0], shorter_side=256, num_frames=6) == 1
    assert vbench.dynamic([0.0], shorter_side=256, num_frames=2) == 1
    assert vbench.dynamic([], shorter_side=256, num_frames=1) == 0


def test_the_fastest_are_five_in_a_hundred():
    flow = torch.zeros(2, 4, 10)
    flow[0, 0, :3] = torch.tensor([3.0, 6.0, 1.0])
    flow[1, 0, 0] = 4.0
    assert vbench.fastest(flow) == pytest.approx(5.5)  # of 40 pixels two: 5 and 6
    assert vbench.fastest(flow[:, :2]) == pytest.approx(6.0)
    assert math.isnan(vbench.fastest(flow[:, :1, :]))


def test_frames_for_motion_are_eight_a_second():
    frames = torch.arange(30)
    steps = {4: 1, 8: 1, 11.9: 1, 12.1: 2, 24: 3, 30: 4, 60: 8}
    assert {fps: int(vbench.flow_frames(frames, fps)[1]) for fps in steps} == steps


def test_few_frames_are_refused():
    for measure, needed in (
        (lambda: vbench.smoothness(noise(2, 4, 4), noise(1, 4, 4)), 3),
        (lambda: vbench.frame_consistency(torch.ones(1, 4)), 2),
    ):
        with pytest.raises(InputError) as error:
            measure()
        assert error.value.fields["needed"] == needed
    assert 0 <= vbench.smoothness(noise(3, 4, 4), noise(1, 4, 4, 1)) <= 1
    assert vbench.frame_consistency(torch.tensor([[1.0, 0], [-1, 0]])) == 0
    assert vbench.frame_consistency(torch.tensor([[1.0, 0], [0, 1], [0, 2]])) == pytest.approx(0.25)


def test_pictures_for_networks_are_scaled_at_their_limits():
    assert vbench.quality_images(noise(1, 512, 20)).shape == (1, 3, 512, 20)
    assert vbench.quality_images(noise(1, 514, 21)).shape == (1, 3, 512, 20)
    assert torch.equal(vbench.quality_images(noise(2, 8, 9)), noise(2, 8, 9).permute(0, 3, 1, 2) / 255)
    assert vbench.dino_images(noise(1, 112, 150)).shape == (1, 3, 224, 300)
    assert vbench.dino_images(noise(1, 151, 112)).shape == (1, 3, 302, 224)
    one = vbench.dino_images(torch.full((1, 224, 224, 3), 51, dtype=torch.uint8))[0, :, 0, 0]
    assert one.tolist() == pytest.approx([(0.2 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.2 - 0.406) / 0.225])
    cut = vbench.clip_images(noise(1, 224, 231))
    assert torch.equal(cut, vbench.clip_images(noise(1, 224, 231)[:, :, 4:228]))
    assert torch.equal(vbench.clip_images(noise(1, 230, 224)), vbench.clip_images(noise(1, 230, 224)[:, 3:227]))
    assert not torch.equal(
        vbench.clip_images(noise(1, 100, 100)), vbench.clip_images(noise(1, 100, 100), whole_levels=True)
    )


def test_scores_of_networks_become_shares():
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    found = vbench.aesthetic(features, torch.tensor([[2.0, 1.0]]), torch.tensor([0.5]))
    assert found == pytest.approx(((0.6 * 2 + 0.8 + 0.5) + (1 + 0.5)) / 2 / 10)
    assert vbench.imaging(torch.tensor([20.0, 70.0])) == pytest.approx(0.45)
    assert vbench.overall(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])) == pytest.approx(0.5**0.5)


def test_errors_are_in_levels_and_dB_of_what_is_asked_for():
    truth, where = flat(0.0, 2), torch.zeros(1, 1, 2, 8, 12)
    where[:, :, 1, :4] = 0.5
    frames = truth.clone()
    frames[:, 0, 1, :4], frames[:, :, 0] = 0.3, 1.0
    assert pixels.mean_error(frames, truth, where) == pytest.approx(0.1 * 127.5)
    assert pixels.psnr(frames, truth, where) == pytest.approx(10 * math.log10(4 / 0.03), abs=1e-4)
    assert pixels.psnr(truth + 1e-6, truth, where) == 60
    assert math.isnan(pixels.mean_error(frames, truth, where * 0))
    assert edits.kept_error(frames, truth, 1 - where.sign()) == pytest.approx(0.1 * 127.5)


def lines(*rows: int) -> Tensor:
    drawn = torch.ones(1, 3, 1, 48, 64)
    for row in rows:
        drawn[:, :, :, row : row + 2, 8:56] = -1
    return drawn


def test_lines_agree_within_their_reach():
    step = flat(-0.8, 1, 48, 64)
    step[:, :, :, 24:] = 0.8
    assert pixels.edge_agreement(step, lines(23)) == pytest.approx(0.8966, abs=0.002)
    for row, reach, wanted in ((25, 2.0, 0.8673), (26, 2.0, 0.4286), (27, 2.0, 0), (28, 2.0, 0), (28, 4.0, 0.4286)):
        assert pixels.edge_agreement(step, lines(row), reach) == pytest.approx(wanted, abs=0.002)
    assert pixels.edge_agreement(step, lines(26)) == pixels.edge_agreement(step, lines(26), 2.0)
    assert pixels.edge_agreement(step, lines(23, 40)) == pytest.approx(0.619, abs=0.002)  # half of theirs
    assert math.isnan(pixels.edge_agreement(step, lines()))
    assert pixels.edge_agreement(flat(0.1, 1, 48, 64), lines(23)) == 0
    twice = torch.cat([step, flat(0.0, 1, 48, 64)], dim=2)
    other = torch.cat([lines(), lines(23)], dim=2)
    assert pixels.edge_agreement(twice, other) == 0  # the line is of another frame


# Networks


def test_indicators_ask_their_networks():
    shown, asked = Shown(frames=noise(9, 30, 40), fps=8, prompt="a fox"), []

    def score(pictures: Tensor) -> Tensor:
        asked.append(tuple(pictures.shape))
        return pictures.mean((1, 2, 3))[:, None] * 100

    wanted = (shown.frames.double().mean((1, 2, 3)) / 255).mean()
    assert clean(score)(shown) == pytest.approx(float(wanted), abs=1e-5)
    assert asked == [(1, 3, 30, 40)] * 9

    def compare(pictures: Tensor, prompt: str) -> tuple[Tensor, Tensor]:
        asked.append((tuple(pictures.shape), prompt))
        whole = pictures * torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
        levels = (whole + torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)) * 255
        assert (levels - levels.round()).abs().max() < 1e-3
        return torch.tensor([3.0, 4.0]), torch.tensor([3.0, 0.0])

    assert prompted(compare)(shown) == pytest.approx(0.6)
    assert asked[-1] == ((8, 3, 224, 224), "a fox")
    head = torch.tensor([[2.0, 1.0]]), torch.tensor([1.0])
    assert beautiful(lambda pictures: torch.ones(len(pictures), 2), *head)(shown) == pytest.approx(
        (3 * 0.5**0.5 + 1) / 10
    )


def test_every_second_frame_is_held_against_what_lies_between_its_neighbours():
    frames = torch.zeros(6, 4, 4, 3, dtype=torch.uint8)
    for place, level in enumerate((0, 60, 101, 40, 20, 255)):
        frames[place] = level
    seen = []

    def interpolate(one: Tensor, two: Tensor) -> Tensor:
        seen.append((float(one.max() * 255), float(two.max() * 255), tuple(one.shape)))
        return (one + two) / 2

    # 50 for 60, and 60 for 40; the last has no neighbour behind it.
    assert smooth(interpolate)(Shown(frames=frames, fps=8)) == pytest.approx((255 - (10 + 20) / 2) / 255)
    assert [one[:2] for one in seen] == [pytest.approx((0, 101)), pytest.approx((101, 20))]
    assert seen[0][2] == (1, 3, 4, 4)
    with pytest.raises(InputError):
        smooth(interpolate)(Shown(frames=frames[:2], fps=8))


def test_motion_is_asked_of_every_pair():
    seen = []

    def flow(one: Tensor, two: Tensor) -> Tensor:
        seen.append((float(one.mean()), float(two.mean())))
        return torch.full((2, 30, 40), 0.5 if len(seen) == 1 else 0.4)

    frames = torch.arange(17).byte().view(17, 1, 1, 1).expand(17, 30, 40, 3)
    # 30 pixels of 256: fast is above .703; of both ways .707 and .566.
    assert moving(flow)(Shown(frames=frames[:3], fps=8)) == 1
    assert seen == [(0, 1), (1, 2)]
    seen.clear()
    assert moving(flow)(Shown(frames=frames, fps=24)) == 0
    assert seen == [(0, 3), (3, 6), (6, 9), (9, 12), (12, 15)]


class Still(torch.nn.Module):
    """Answers as RAFT of torchvision does: a flow for each update, of which the last counts."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, one: Tensor, two: Tensor, num_flow_updates: int = 12) -> list[Tensor]:
        assert num_flow_updates == 20
        assert -1 <= one.min() <= two.max() <= 1
        assert all(side % 8 == 0 and side >= 128 for side in one.shape[2:])
        return [one[:, :2] * 0, torch.cat([one[:, :1], two[:, 1:2]], 1) + self.weight]


def test_raft_is_asked_with_padded_pictures_and_what_was_added_is_taken_away(tmp_path, monkeypatch):
    library = SimpleNamespace(raft_large=lambda weights, progress: Still())
    for name in ("torchvision", "torchvision.models", "torchvision.models.optical_flow"):
        monkeypatch.setitem(sys.modules, name, library)
    save_file({"weight": torch.full((1,), 0.25)}, tmp_path / "raft.safetensors")
    flow = load_raft(tmp_path / "raft.safetensors", torch.device("cpu"))
    before, after = torch.rand(2, 1, 3, 131, 50) * 255
    found = flow(before, after)
    assert torch.allclose(found[0], before[0, 0] / 127.5 - 1 + 0.25)
    assert torch.allclose(found[1], after[0, 1] / 127.5 - 1 + 0.25)
    assert not found.requires_grad


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
    found = run._mask(tmp_path / "mask.png", flat(0, 5, 16, 16))
    assert (found.shape, found.sum()) == ((1, 1, 5, 16, 16), 5 * 128)
    with pytest.raises(InputError) as error:
        run._mask(tmp_path / "mask.png", flat(0, 5, 16, 18))
    assert error.value.code == "result-size"
    write_video(tmp_path / "two.mkv", mask.expand(-1, -1, 2, -1, -1), fps=8, lossless=True)
    with pytest.raises(InputError):
        run._mask(tmp_path / "two.mkv", flat(0, 5, 16, 16))


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
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in markdown(RESULTS).splitlines()]
    head, _, *cells = rows
    assert head == ["type", "method", *vbench.BOUNDS, "normalised average", "drift", "identity"]
    assert [row[:2] for row in cells] == [["I2V", "<m>"], ["I2V", "n"], ["T2V\\|x", "<m>"], ["T2V\\|x", "n"],
                                          ["all", "<m>"], ["all", "n"]]  # fmt: skip
    assert [row[head.index("imaging quality")] for row in cells[:3]] == ["50.00", "25.00", "not measured"]
    assert [row[-2] for row in cells] == ["3.00 (2.00 to 4.00)", "1.00", *["not measured"] * 2, "3.00 (2.00 to 4.00)",
                                          "1.00"]  # fmt: skip
    assert cells[2][-1] == "0.25"


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
    assert of[3] == " class=best>50.00<small>n = 1</small>"
    assert of[9] == ">3.00<small>2.00 to 4.00, n = 2</small>"
    assert of[0] == " class=none>not measured"
    assert rows[(">I2V", ">n")][9] == " class=best>1.00<small>n = 1</small>"
    assert rows[(">T2V|x", ">n")][10] == " class=best>0.50<small>n = 1</small>"
    drawn = re.findall(r"<!-- (.*?) -->", page)
    types, places = ["I2V", "T2V|x", "all"], ["0.3", "0.4", "0.5"]
    assert drawn == [*places, *types, "imaging quality", "&lt;m&gt;", "n", *"1234", *types, "drift", *places, *types,
                     "identity"]  # fmt: skip
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
    both = now.with_earlier(RESULTS)
    assert [(one.method, one.sample) for one in both.scored] == [("n", "z"), ("<m>", "a"), ("<m>", "b"), ("<m>", "c")]
    assert (both.problems, both.about, both.missing) == ((), {"of": "now"}, {"x": "y"})
    other = Results(scored=(scored("o", "z", "I2V", drift=0.0),)).with_earlier(RESULTS)
    assert [one.sample for one in other.problems] == ["b", "c"]
    assert list(open_indicators(None).measured) == ["temporal flickering"]
