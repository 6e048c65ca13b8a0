"""`vace evaluate` on small films: what it measures is right, what fails is named, and the rest goes on."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from refused import refused
from torch.nn import functional
from typer.testing import CliRunner
from video_files import without_frames

from vace_core.cli import app
from vace_core.errors import InputError
from vace_core.evaluation import edits, statistics, vbench
from vace_core.evaluation.indicators import Indicators, Shown, open_indicators, subject
from vace_core.evaluation.manifest import Item, read_manifest, write_manifest
from vace_core.evaluation.measures import How, through
from vace_core.evaluation.report import markdown, page_of, table
from vace_core.evaluation.results import AVERAGE, Results, Scored, read_results, write_results
from vace_core.evaluation.run import evaluate, find_result, read_reference
from vace_core.inputs import controls
from vace_core.media.pictures import write_image
from vace_core.media.write import write_video

SIZE = 9, 48, 64
BARE = How(indicators=open_indicators(None))


def scene(seed: int = 0) -> torch.Tensor:
    """`(1, 3, T, H, W)`: a disc that moves over a smooth ground."""
    t, h, w = SIZE
    ground = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6
    ground = torch.nn.functional.interpolate(ground, size=(h, w), mode="bilinear")[:, :, None].expand(-1, -1, t, -1, -1)
    y, x = torch.arange(h).view(1, h, 1), torch.arange(w).view(1, 1, w)
    disc = ((x - torch.linspace(14, 50, t).view(t, 1, 1)).square() + (y - 24).square()) < 81
    return torch.where(disc[None, None], torch.tensor([0.9, -0.5, -0.8]).view(1, 3, 1, 1, 1), ground).contiguous()


def hole() -> torch.Tensor:
    masks = torch.zeros(1, 1, *SIZE)
    masks[..., 12:36, 16:48] = 1
    return masks


def saved(path: Path, frames: torch.Tensor) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, fps=8, lossless=path.suffix == ".mkv")
    return path


def picture(masks: torch.Tensor) -> torch.Tensor:
    return (masks * 2 - 1).expand(-1, 3, -1, -1, -1)


@pytest.fixture
def bench(tmp_path):
    """Two samples and two methods, of which one keeps to the bit and the other is off by six levels."""
    samples = []
    for number in range(2):
        clip, place = scene(number), tmp_path / "bench"
        saved(place / f"{number}.mkv", clip)
        saved(place / f"{number}_mask.mkv", picture(hole()))
        samples.append(
            {"name": f"s{number}", "task": "inpainting", "prompt": "a disc", "source": f"{number}.mkv",
             "mask": f"{number}_mask.mkv", "video": f"{number}.mkv"}
        )  # fmt: skip
        made = torch.where(hole() > 0, clip * 0.5, clip)
        saved(tmp_path / "exact" / f"s{number}.mkv", made)
        saved(tmp_path / "off" / f"s{number}" / "out_video.mkv", (made + 6 / 127.5).clamp(-1, 1))
    (tmp_path / "bench" / "manifest.json").write_text(json.dumps({"samples": samples}))
    return tmp_path


def values(results: Results, method: str, measure: str) -> list[float]:
    return [one.values[measure] for one in results.scored if one.method == method]


def test_what_was_kept_is_measured_on_every_result(bench):
    methods = {"exact": bench / "exact", "off": bench / "off"}
    results = evaluate(read_manifest(bench / "bench"), methods, BARE)
    assert results.methods == ("exact", "off")
    assert values(results, "exact", "kept part, result") == [0, 0]
    assert values(results, "off", "kept part, result") == pytest.approx([6, 6], abs=0.6)  # levels are whole numbers
    assert results.problems == ()
    assert "temporal flickering" in results.measures
    assert set(results.missing) == set(vbench.BOUNDS) - {"temporal flickering"}
    assert results.average("inpainting", "exact") is None


def test_the_kept_part_is_measured_of_what_is_called_like_a_control_too(bench):
    items = [replace(item, task="flower inpainting") for item in read_manifest(bench / "bench")]
    results = evaluate(items, {"off": bench / "off"}, BARE)
    assert values(results, "off", "kept part, result") == pytest.approx([6, 6], abs=0.6)
    assert "control followed" not in results.measures


def test_before_paste_back_is_measured_where_the_decoded_clips_are(bench):
    for number in range(2):
        saved(bench / "exact" / "decoded" / f"s{number}.mkv", scene(number) * 0.9)
    results = evaluate(read_manifest(bench / "bench"), {"exact": bench / "exact"}, BARE)
    assert min(values(results, "exact", "kept part, decoded")) > 1
    assert values(results, "exact", "kept part, result") == [0, 0]


def test_the_floor_is_what_the_vae_loses(bench):
    from vace_core.loading.load import load_vae
    from vace_core.starter.model import WEIGHTS, part_file

    vae = load_vae(part_file(WEIGHTS, "vae"), dtype=torch.float32)
    frames = scene()[:, :, :7, :45, :61]
    found = through(vae, frames)
    assert found.shape == frames.shape
    # As of a frame that fits: what was added lies to the right and below.
    fits = functional.pad(frames, (0, 3, 0, 3, 0, 2), mode="replicate")
    assert torch.equal(found, through(vae, fits)[:, :, :7, :45, :61])
    how = How(indicators=BARE.indicators, vae=vae)
    results = evaluate(read_manifest(bench / "bench")[:1], {"exact": bench / "exact"}, how)
    (floor,) = values(results, "exact", "kept part, VAE floor")
    assert 0 < floor < 40


def test_a_step_at_the_edge_shows_as_a_seam():
    clip, masks = scene(), hole()
    assert abs(edits.seam(clip, masks)) < 4
    assert edits.seam(torch.where(masks > 0, clip - 0.2, clip), masks) > 15
    assert math.isnan(edits.seam(clip, torch.ones_like(masks)))


def test_a_step_in_time_shows_as_a_seam_in_time():
    clip = scene()[:, :, :1].expand(-1, -1, 9, -1, -1).clone()
    masks = torch.zeros(1, 1, *SIZE)
    masks[:, :, 4:] = 1
    assert edits.time_seam(clip, masks) == pytest.approx(0, abs=1e-5)
    clip[:, :, 4:] += 0.1
    assert edits.time_seam(clip, masks) == pytest.approx(12.75, abs=1e-3)
    assert math.isnan(edits.time_seam(clip, hole()))


def test_drift_is_a_change_of_colour_that_the_true_clip_does_not_have():
    clip = scene()
    brighter = clip + torch.linspace(0, 0.4, 9).view(1, 1, 9, 1, 1)
    # The first and the last fifth are one frame each.
    assert edits.drift(brighter, clip) == pytest.approx(0.4 * 127.5, abs=1e-3)
    assert edits.drift(brighter, brighter) == 0


@pytest.mark.parametrize("kind", ["gray", "scribble", "flow"])
def test_a_followed_control_is_found_again(kind):
    clip, other = scene(), scene(5).flip(-1)
    control = getattr(controls, kind)(clip)
    same, different = edits.adherence(clip, control, kind), edits.adherence(other, control, kind)
    assert same == pytest.approx(1, abs=0.02)
    assert different < same - 0.02
    assert edits.adherence(clip, control, "depth") is None


def test_a_control_task_is_measured_on_its_source(bench):
    saved(bench / "bench" / "gray.mkv", controls.gray(scene(0)))
    item = Item(name="s0", task="grayscale", source=bench / "bench" / "gray.mkv", mask=bench / "bench" / "0_mask.mkv")
    (one,) = evaluate([item], {"exact": bench / "exact"}, BARE).scored
    assert 0.7 < one.values["control followed"] < 1
    assert "kept part, result" not in one.values


def test_identity_needs_an_embedder_and_is_one_for_the_same_pictures(bench):
    write_image(bench / "bench" / "r.png", scene(0)[:, :, :1])

    def embed(pictures: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pictures, 4).flatten(1)

    with_dino = How(indicators=Indicators(measured={"subject consistency": subject(embed)}, embed=embed))
    item = Item(name="s0", references=(bench / "bench" / "r.png",))
    saved(bench / "still" / "s0.mkv", scene(0)[:, :, :1].expand(-1, -1, 9, -1, -1))
    (one,) = evaluate([item], {"still": bench / "still"}, with_dino).scored
    assert one.values["identity"] == pytest.approx(1, abs=1e-4)
    assert one.values["subject consistency"] == pytest.approx(1, abs=1e-5)
    assert "identity" not in evaluate([item], {"still": bench / "still"}, BARE).scored[0].values


def test_a_reference_that_is_transparent_is_measured_and_shown_on_white(tmp_path):
    cut_out = np.full((8, 12, 4), (200, 30, 60, 255), np.uint8)
    cut_out[:, 6:, 3] = 0
    Image.fromarray(cut_out).save(tmp_path / "cut.png")
    picture = read_reference(tmp_path / "cut.png")
    assert picture[0, 0].tolist() == [200, 30, 60]
    assert picture[:, 6:].min() == 255
    saved(tmp_path / "one" / "s.mkv", scene())
    seen: list[torch.Tensor] = []
    embed = lambda pictures: seen.append(pictures) or pictures.flatten(1)[:, :4]  # noqa: E731
    how = How(indicators=Indicators(measured={}, embed=embed))
    evaluate([Item(name="s", references=(tmp_path / "cut.png",))], {"one": tmp_path / "one"}, how)
    white = vbench.dino_images(torch.full((1, 8, 12, 3), 255, dtype=torch.uint8))
    assert any(torch.allclose(one[..., -1], white[..., -1]) for one in seen)


def test_what_is_wrong_is_named_and_the_rest_goes_on(bench):
    saved(bench / "exact" / "s1.mkv", scene(1)[:, :, :5])  # of another length
    saved(bench / "bench" / "0_mask.mkv", picture(hole())[..., :32, :48])  # of another size
    (bench / "off" / "s1" / "out_video.mkv").write_bytes(b"no video")
    (bench / "bench" / "1.mkv").unlink()
    items = read_manifest(bench / "bench")
    results = evaluate(items, {"exact": bench / "exact", "off": bench / "off", "none": bench / "bench"}, BARE)
    found = {(one.method, one.sample, one.measure, one.code) for one in results.problems}
    assert ("exact", "s0", "kept part", "result-size") in found
    assert ("exact", "s1", "kept part", "file-missing") in found
    assert ("exact", "s1", "kept part", "result-size") in found
    assert ("off", "s1", "", "video-unreadable") in found or any(one[:3] == ("off", "s1", "") for one in found)
    assert {one for one in found if one[0] == "none"} == {("none", f"s{n}", "", "result-missing") for n in range(2)}
    assert {one.sample for one in results.scored if one.method == "exact"} == {"s0", "s1"}


@pytest.mark.parametrize("kind", ["sound alone", "no packets", "no file of any kind"])
def test_a_result_or_a_source_without_frames_is_named_and_the_rest_is_measured(bench, kind):
    (bench / "exact" / "s1.mkv").unlink()
    without_frames(bench / "exact" / "s1.mp4", kind)
    (bench / "bench" / "0.mkv").unlink()
    without_frames(bench / "bench" / "0.mp4", kind).rename(bench / "bench" / "0.mkv")
    page = bench / "page.html"
    said = CliRunner().invoke(
        app, ["evaluate", str(bench / "bench"), "--method", f"exact={bench / 'exact'}", "-o", str(page), "--show", "1"]
    )
    assert said.exit_code == 0, said.output
    results = read_results(page.with_suffix(".json"))
    assert {(one.sample, one.measure) for one in results.problems} == {("s0", "drift"), ("s0", "kept part"), ("s1", "")}
    assert all("s1.mp4" in one.message or "0.mkv" in one.message for one in results.problems)
    (one,) = results.scored
    assert one.values["temporal flickering"] > 0
    assert "s1.mp4" in page.read_text()
    assert sorted(path.name for path in bench.glob("*.*")) == ["page.html", "page.json"]
    assert "page.html" in "".join(said.output.split())


def test_intervals_cover_the_mean_and_shrink_with_more_clips():
    dice = np.random.default_rng(1)
    few, many = (statistics.mean(dice.normal(5, 1, count).tolist()) for count in (10, 400))
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 3
    assert statistics.mean([3.0]).low is None
    assert statistics.mean([math.nan]) is None


def scored(method: str, count: int, **of) -> list[Scored]:
    """Clips with all eight indicators at .8 but for those given."""
    base = dict.fromkeys(vbench.BOUNDS, 0.8) | of
    return [
        Scored(method=method, sample=str(n), task="I2V", values={k: v + 0.01 * (n % 2) for k, v in base.items()})
        for n in range(count)
    ]


def test_the_average_stands_in_the_table_with_its_interval():
    results = Results(scored=tuple(scored("a", 4) + scored("b", 4, **{"imaging quality": 0.9})))
    found = results.average("I2V", "a")
    assert found.value == pytest.approx(vbench.normalised_average(dict.fromkeys(vbench.BOUNDS, 0.805)))
    assert found.low < found.value < found.high
    assert results.summary("I2V", "b", "imaging quality").value == pytest.approx(0.905)
    assert results.summary("b", "I2V", "imaging quality") is None
    assert results.difference("I2V", "b", "a", "imaging quality").value == pytest.approx(0.1)
    assert f"{100 * found.value:.2f}" in table(results)
    assert AVERAGE in markdown(results)


@pytest.mark.parametrize(("name", "best"), [("kept part, result", "a"), ("imaging quality", "b")])
def test_the_best_of_several_is_marked_the_lowest_where_less_is_better(name, best):
    two = Results(scored=tuple(scored("a", 2, **{name: 0.2}) + scored("b", 2, **{name: 0.9})))
    rows = {row.split("</td>")[1][4:]: row.split("</td>")[2:] for row in table(two).split("<tr><td>")[1:]}
    heads = [head.split("</th>")[0] for head in table(two).split("</thead>")[0].split("<th>")]
    marked = {method for method, cells in rows.items() if "class=best" in cells[heads.index(name) - 3]}
    assert marked == {best}
    differ = {heads.index(one) - 3 for one in (name, AVERAGE)}
    for cells in rows.values():  # where both are alike, none is best
        assert not any("class=best" in cell for column, cell in enumerate(cells) if column not in differ)
    assert "class=best" not in table(Results(scored=tuple(scored("a", 2))))


def test_results_survive_their_file_and_join_an_earlier_run(tmp_path):
    results = Results(scored=tuple(scored("a", 2)), missing={"x": "y"}, versions={"vace": "1"}, about={"made": "now"})
    write_results(tmp_path / "r.json", results)
    assert read_results(tmp_path / "r.json") == results
    joined = Results(scored=tuple(scored("b", 2))).with_earlier(results, "r.json")
    assert joined.methods == ("b", "a")
    assert (joined.missing, joined.about) == ({"x": "y"}, {"with r.json": "made: now"})
    assert len(Results(scored=tuple(scored("a", 1))).with_earlier(results, "r.json").scored) == 1
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InputError) as error:
        read_results(tmp_path / "bad.json")
    assert error.value.code == "results-unread"


def test_the_benchmark_is_read_in_both_its_forms(tmp_path):
    flat, classes = tmp_path / "flat" / "data", tmp_path / "classes"
    for name in ("raw_video", "src_video", "src_mask"):
        saved(flat / f"sample000001_{name}.mp4", scene())
    saved(flat / "sample000002_raw_video.mp4", scene())
    saved(classes / "depth" / "src_video.mp4", scene())
    write_image(saved(classes / "face" / "src_video.mp4", scene()).with_name("src_ref_image_1.png"), scene()[:, :, :1])
    one, two = read_manifest(tmp_path / "flat")
    assert (one.name, one.mask, one.task) == ("sample000001", flat / "sample000001_src_mask.mp4", "unknown")
    assert two.source is None
    depth, face = read_manifest(classes)
    assert (depth.task, depth.followed, depth.control_kind) == ("depth", classes / "depth" / "src_video.mp4", "depth")
    assert face.references == (classes / "face" / "src_ref_image_1.png",)
    assert [item.task for item in read_manifest(flat.parent / "data")] == ["unknown"] * 2
    write_manifest(classes / "manifest.json", [depth, face])
    assert read_manifest(classes) == [depth, face]
    with pytest.raises(InputError) as error:
        write_manifest(tmp_path / "flat" / "m.json", [depth])
    assert error.value.code == "manifest-elsewhere"
    assert not (tmp_path / "flat" / "m.json").exists()


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        ([], "there is no list"),
        ([{"name": "../x"}], "which no file can have"),
        ([{"name": "x", "mask": "../../y.mp4"}], "not in the manifest's folder"),
        ([{"name": "x", "masks": "y.mp4"}], "unknown entry masks"),
        ([{"name": "x"}, {"name": "x"}], "1 names occur twice"),
        ([{"name": "x", "kind": "drawn"}], "its kind is drawn"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path, samples, problem):
    (tmp_path / "manifest.json").write_text(json.dumps({"samples": samples}))
    with pytest.raises(InputError) as error:
        read_manifest(tmp_path)
    assert error.value.code == "manifest-wrong"
    assert problem in error.value.fields["problem"]


def test_an_empty_folder_and_no_json_are_refused(tmp_path):
    with pytest.raises(InputError) as error:
        read_manifest(tmp_path)
    assert refused(error.value) == f"clips-none: folder={tmp_path}"
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(InputError) as error:
        read_manifest(tmp_path / "m.json")
    assert error.value.code == "manifest-unread"


def test_the_command_writes_a_page_that_holds_all_it_shows(bench):
    out = bench / "page.html"
    said = CliRunner().invoke(
        app,
        ["evaluate", str(bench / "bench"), "--method", f"exact={bench / 'exact'}", "--method", f"off={bench / 'off'}",
         "-o", str(out), "--show", "1"],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    page = out.read_text()
    assert page.count("data:video/mp4;base64,") == 2
    assert "<svg" in page
    assert "<h2>Differences to exact</h2>" in page
    assert "<tr><td>inpainting</td><td>kept part, result</td><td>off</td>" in page
    assert "Not measured, and therefore no average:</p><ul><li>aesthetic quality: no weights: clip-l14" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert "kept part, result" in said.stdout
    again = CliRunner().invoke(
        app,
        ["evaluate", str(bench / "bench"), "--method", f"new={bench / 'exact'}", "-o", str(bench / "two.html"),
         "--with", str(out.with_suffix(".json")), "--show", "0", "--json"],
    )  # fmt: skip
    assert again.exit_code == 0
    assert read_results(Path(json.loads(again.stdout)["results"])).methods == ("new", "exact", "off")


def test_what_an_evaluation_reads_is_not_written_over(bench):
    given, method = bench / "bench" / "manifest.json", f"exact={bench / 'exact'}"
    kept = given.read_text()
    for samples in (given, given.parent):
        said = CliRunner().invoke(
            app, ["evaluate", str(samples), "--method", method, "-o", str(given.with_suffix(".html"))]
        )
        assert said.exit_code == 3
        assert "is one of the files that are read for it" in said.stderr
        assert given.read_text() == kept


def test_an_earlier_run_on_other_samples_is_told(bench):
    earlier = Results(
        scored=(Scored(method="a", sample="s0", task="inpainting", values={"aesthetic quality": 0.5}),),
        about={"prompts": "original"},
    )
    write_results(bench / "a.json", earlier)
    said = CliRunner().invoke(
        app,
        ["evaluate", str(bench / "bench"), "--method", f"exact={bench / 'exact'}", "-o", str(bench / "page.html"),
         "--with", str(bench / "a.json"), "--show", "0"],
    )  # fmt: skip
    assert said.exit_code == 0
    assert "a.json was measured on other samples:" in said.stderr.replace("\n", " ")
    page = (bench / "page.html").read_text()
    assert "<li>with a.json: prompts: original</li>" in page
    assert "<li>aesthetic quality of exact: no weights" in page
    assert "<li>dynamic degree: no weights" in page


def test_an_evaluation_of_nothing_is_an_error(bench):
    (bench / "empty").mkdir()
    page = bench / "page.html"
    said = CliRunner().invoke(
        app, ["evaluate", str(bench / "bench"), "--method", f"none={bench / 'empty'}", "-o", str(page)]
    )
    assert said.exit_code == 3
    assert "No result could be measured: 2 problems, such as: " in said.stderr
    assert not page.exists()


def test_what_files_say_is_never_markup():
    item = Item(name="s", task="<b>x</b>", prompt="<script>")
    results = Results(scored=(Scored(method="<i>", sample="s", task=item.task, values={"drift": 1.0}),))
    page = page_of(results, [item], {})
    assert "<b>x</b>" not in page
    assert "<script>" not in page


def test_a_folder_of_clips_measures_itself(tmp_path):
    saved(tmp_path / "clips" / "one.mp4", scene())
    said = CliRunner().invoke(app, ["evaluate", str(tmp_path / "clips"), "-o", str(tmp_path / "e.html"), "--show", "0"])
    assert said.exit_code == 0, said.output
    assert [one.method for one in read_results(tmp_path / "e.json").scored] == ["clips"]
    wrong = CliRunner().invoke(
        app, ["evaluate", str(tmp_path / "clips"), "--method", "x", "-o", str(tmp_path / "e.html")]
    )
    assert wrong.exit_code == 3


def test_clips_are_found_by_any_ending_each_as_itself(tmp_path):
    (saved(tmp_path / "one.mp4", scene(0))).rename(tmp_path / "one.MP4")
    saved(tmp_path / "two.mp4", scene(1))
    saved(tmp_path / "two.mkv", scene(2))
    items = read_manifest(tmp_path)
    assert [item.name for item in items] == ["one", "two.mkv", "two.mp4"]
    assert [find_result(tmp_path, item.name).name for item in items] == ["one.MP4", "two.mkv", "two.mp4"]


def test_a_result_is_the_video_and_not_the_references_that_lie_beside_it(tmp_path):
    saved(tmp_path / "face" / "out_video.mp4", scene())
    write_image(tmp_path / "face" / "src_ref_image_0.png", scene()[:, :, :1])
    assert find_result(tmp_path, "face") == tmp_path / "face" / "out_video.mp4"
    (tmp_path / "still").mkdir()
    (tmp_path / "still" / "0001.jpg").write_bytes(b"")
    assert find_result(tmp_path, "still") == tmp_path / "still"


def test_weights_that_are_absent_are_named(tmp_path):
    found = open_indicators(tmp_path)
    assert found.missing["dynamic degree"] == "no weights: raft.safetensors"
    assert list(found.measured) == ["temporal flickering"]
    assert found.measured["temporal flickering"](Shown(frames=torch.zeros(2, 8, 8, 3, dtype=torch.uint8), fps=8)) == 1


def test_an_interval_is_that_of_two_thousand_draws_and_95_in_a_hundred():
    found = statistics.mean([0.3 * n**2 for n in range(12)])
    assert (found.value, found.low, found.high, found.count) == (
        pytest.approx(12.65), pytest.approx(6.125), pytest.approx(19.325625), 12
    )  # fmt: skip
    assert (found.text(), found.text(10, 1)) == ("12.65 (6.12 to 19.33)", "126.5 (61.2 to 193.3)")
    (one, few) = statistics.mean([3.0, math.nan]), statistics.mean([1.0, 3.0])
    assert (one.value, one.low, one.count, one.text()) == (3, None, 1, "3.00")
    assert (few.value, few.low, few.high, few.count) == (2, 1, 3, 2)
    assert statistics.mean([math.nan]) is None


def half(count: int, height: int = 24, width: int = 32) -> torch.Tensor:
    """A mask of the right half."""
    masks = torch.zeros(1, 1, count, height, width)
    masks[..., width // 2 :] = 1
    return masks


def test_a_seam_is_the_step_across_less_those_beside_in_levels():
    frames = torch.zeros(1, 3, 2, 24, 32)
    frames[..., 16:] = 0.5
    assert edits.seam(frames, half(2)) == pytest.approx(0.5 * 127.5)
    frames[:, 0, ..., 16:] = 0  # of one channel in three less
    assert edits.seam(frames, half(2)) == pytest.approx(0.5 * 127.5 * 2 / 3)
    for column, counts in ((11, False), (12, False), (13, True), (15, True)):  # kept pixels within 4 of the edge
        rough = torch.zeros(1, 3, 2, 24, 32)
        rough[..., column:] += 0.2
        assert (edits.seam(rough, half(2)) < 0) == counts
    rows = half(2, 32, 24).transpose(3, 4)
    frames = torch.zeros(1, 3, 2, 24, 32).masked_fill(rows > 0, 0.5)
    assert edits.seam(frames, rows) == pytest.approx(0.5 * 127.5)


def test_a_seam_in_time_is_the_step_less_those_before_and_after():
    shades = torch.tensor([0.0, 0.1, 0.3, 0.2, 0.2, 0.7])
    frames = shades.view(1, 1, -1, 1, 1).expand(1, 3, -1, 4, 4)
    masks = torch.zeros(1, 1, 6, 4, 4)
    masks[:, :, 2:] = 1
    assert edits.time_seam(frames, masks) == pytest.approx((0.2 - (0.1 + 0.1) / 2) * 127.5, abs=1e-3)
    masks[:, :, 5:] = 0
    second = 0.5 - 0.0
    assert edits.time_seam(frames, masks) == pytest.approx((0.1 + second) / 2 * 127.5, abs=1e-3)
    masks[:, :, 1, 0, 0] = 1  # neither kept nor made
    assert edits.time_seam(frames, masks) == pytest.approx(second * 127.5, abs=1e-3)
    assert math.isnan(edits.time_seam(frames, torch.ones_like(masks)))


def test_drift_is_between_the_first_and_the_last_fifth():
    frames = torch.zeros(1, 3, 10, 2, 2)
    frames[:, 1, 8:] = 0.4
    frames[:, 1, 2:8] = 0.9
    frames[:, 2, :2] = -0.1
    assert edits.drift(frames) == pytest.approx(0.4 * 127.5)
    assert edits.drift(frames, frames * 0.5) == pytest.approx(0.2 * 127.5)
    assert edits.drift(frames[:, :, :3]) == pytest.approx(0.9 * 127.5)
    assert edits.drift(frames[:, :, :1]) == 0


def test_a_task_says_which_control_is_followed_and_what_is_edited():
    a, b, c = Path("a"), Path("b"), Path("c")
    kinds = {"Depth control": "depth", "Grey": "gray", "GRAY": "gray", "scribble": "scribble", "optical flow": "flow",
             "pose": "pose", "layout": "layout", "I2V": None, "gray_01": "gray", "poseTransfer": "pose",
             "flower inpainting": None, "composed": None, "overflow": None, "displayout": None}  # fmt: skip
    assert {task: Item(name="s", task=task).control_kind for task in kinds} == kinds
    for one, followed, edited in (
        (Item(name="s", task="inpainting", source=a, mask=b), None, a),
        (Item(name="s", task="inpainting", source=a), None, None),
        (Item(name="s", task="depth", source=a), a, None),
        (Item(name="s", task="depth", source=a, mask=b), a, None),
        (Item(name="s", task="depth", source=a, control=c, mask=b), c, a),
    ):
        assert (one.followed, one.edited) == (followed, edited)
