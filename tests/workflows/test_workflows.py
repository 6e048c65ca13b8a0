"""The shipped workflows: what is in their files, and how they look."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tools.workflows.forms import CORE_PACK, OURS, pack, pack_forms
from tools.workflows.graph_json import FIXED, Graph, form_of
from tools.workflows.layout import TITLE
from tools.workflows.parts import CHOICE, LARGE, SAMPLING, SMALL, STARTER, TEXT, VAE
from tools.workflows.shipped import PAGE, PROMPTS, WORKFLOWS, at_once, everything, files
from vace_core.errors import ModelError
from vace_core.loading.choosing import choose_files
from vace_core.models.wan.family import WAN
from vace_core.sampling.plan_text import spans_from_text
from vace_core.sampling.planning import plan_windows
from vace_core.starter.profiles import PROFILES

from .picture_runs import pictured

GRAPHS = {graph.title: graph for graph in everything()}
SAVED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(WORKFLOWS.glob("*.json"))}
MOST_NODES = 14
EDITED = {"BOUNDING_BOX", "BOUNDING_BOXES", "COLORS", "CURVE", "RANGE", "VIDEO_EDIT"}
"""Types that frontends 1.49.6 and 1.58.1 have an editor for."""


@pytest.fixture(params=GRAPHS)
def graph(request) -> Graph:
    return GRAPHS[request.param]


@pytest.fixture(params=SAVED)
def saved(request):
    return SAVED[request.param]


def test_no_input_that_waits_for_a_link_is_an_editor_of_the_frontend():
    """Where nothing is linked, the frontend would send what its editor shows: curves that nobody drew."""
    edited = [
        (node, name, said)
        for node, info in pack().infos.items()
        for inputs in (info["input"]["required"], info["input"].get("optional", {}))
        for name, (kind, said) in inputs.items()
        if kind in EDITED
    ]
    assert [(node, name) for node, name, _ in edited] == [
        ("VaceStrength", "steps_curve"),
        ("VaceStrength", "frames_curve"),
    ]
    assert all(said.get("forceInput") for *_, said in edited)


def test_the_files_are_those_of_the_code():
    """If this fails: `python -m tools.workflows` writes them."""
    wanted = files()
    there = {path for folder in (WORKFLOWS, PROMPTS) for path in folder.glob("*.json")}
    assert there == {path for path in wanted if path.parent in (WORKFLOWS, PROMPTS)}
    assert PAGE in wanted
    for path, text in wanted.items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_every_node_of_the_pack_is_shown():
    shown = {node["type"] for one in SAVED.values() for node in one["nodes"]}
    assert set(pack_forms()) - shown == set()


def test_titles_read_well(saved):
    assert len(SAVED) == len({title.lower() for title in SAVED})
    assert all(title.startswith("VACE ") for title in SAVED)


def test_few_nodes_and_one_note(saved):
    notes = [node for node in saved["nodes"] if node["type"] == "MarkdownNote"]
    assert len(notes) == 1
    assert len(saved["nodes"]) - 1 <= MOST_NODES


def test_nothing_touches(saved):
    boxes = [_box(node) for node in saved["nodes"]]
    for n, one in enumerate(boxes):
        for other in boxes[:n]:
            assert not _meet(one, other), (one, other)


def test_groups_do_not_meet_and_hold_every_node(saved):
    groups = [_corners(group["bounding"]) for group in saved["groups"]]
    for n, one in enumerate(groups):
        assert not any(_meet(one, other) for other in groups[:n])
    for node in saved["nodes"]:
        if node["type"] != "MarkdownNote":
            assert sum(_within(_box(node), group) for group in groups) == 1, node["type"]


def test_links_go_from_left_to_right_or_down(saved):
    nodes = {node["id"]: _box(node) for node in saved["nodes"]}
    for _, origin, _, target, _, _ in saved["links"]:
        one, other = nodes[origin], nodes[target]
        assert one[2] <= other[0] or one[3] <= other[1]


def test_links_and_slots_tell_the_same(saved):
    nodes = {node["id"]: node for node in saved["nodes"]}
    assert len(nodes) == len(saved["nodes"]) == saved["last_node_id"]
    assert saved["last_link_id"] == len(saved["links"])
    for number, origin, slot, target, place, kind in saved["links"]:
        leaving, arriving = nodes[origin]["outputs"][slot], nodes[target]["inputs"][place]
        assert number in leaving["links"]
        assert arriving["link"] == number
        assert leaving["type"] == kind
        assert kind in arriving["type"].split(",") or "*" in (kind, arriving["type"])
    ends = [number for node in saved["nodes"] for one in node["outputs"] for number in one["links"]]
    assert sorted(ends) == [link[0] for link in saved["links"]]


def test_nodes_say_where_they_come_from(saved):
    for node in saved["nodes"]:
        if node["type"] == "MarkdownNote":
            continue
        said = node["properties"]
        assert said["Node name for S&R"] == node["type"]
        assert said["cnr_id"] == form_of(node["type"]).pack
        assert "ver" in said or said["cnr_id"] not in (OURS, "comfy-core")


def test_files_of_models_are_named_with_their_folder_and_address(saved):
    named = [model for node in saved["nodes"] for model in node["properties"].get("models", [])]
    note = next(node for node in saved["nodes"] if node["type"] == "MarkdownNote")["widgets_values"][0]
    kinds = {node["type"] for node in saved["nodes"]}
    assert named or kinds & {"VaceLoadStarter", CHOICE}
    for model in named:
        assert set(model) == {"name", "url", "directory"}
        assert model["url"].endswith(model["name"])
        assert f"[{model['name']}]({model['url']}) → `models/{model['directory']}`" in note
    for node in saved["nodes"]:
        for model in node["properties"].get("models", []):
            assert model["name"] in node["widgets_values"]


@pytest.mark.parametrize(("name", "large"), [("wan-1.3b-480p", SMALL), ("wan-14b-480p", LARGE)])
def test_what_a_note_links_is_what_vace_model_names_where_it_is_missing(name, large):
    with pytest.raises(ModelError) as error:
        choose_files(PROFILES[name], {})
    named = [said.partition(" (")[0] for said in error.value.fields["missing"].split("; ")]
    assert named == [f"{file['name']} in models/{file['directory']}" for file in (large, VAE, TEXT)]


def test_a_title_that_is_the_nodes_own_is_left_to_the_frontend_and_its_language(saved):
    titles = {node["type"]: node.get("title") for node in saved["nodes"] if node["type"] != "MarkdownNote"}
    for kind, title in titles.items():
        assert title != form_of(kind).title or form_of(kind).pack not in (OURS, CORE_PACK)


VIDEOS = {"LoadVideo": "GetVideoComponents", "VHS_LoadVideo": "VHS_LoadVideo"}
SAVED_BY = ("CreateVideo", "VHS_VideoCombine")


@pytest.mark.parametrize("title", [one for one in GRAPHS if {n.form.node_id for n in GRAPHS[one].nodes} & set(VIDEOS)])
def test_the_sound_of_an_artists_video_goes_into_the_result(title):
    nodes = {node.form.node_id: node for node in GRAPHS[title].nodes}
    (last,) = (nodes[kind] for kind in SAVED_BY if kind in nodes)
    (first,) = (nodes[VIDEOS[kind]] for kind in VIDEOS if kind in nodes)
    assert last.values["audio"] == first["audio"]


@pytest.mark.parametrize("title", [one for one in GRAPHS if "Mask Editor" in GRAPHS[one].note])
def test_a_painted_mask_keeps_its_outline(title):
    """Where the note says how to paint one."""
    (masks,) = (node for node in GRAPHS[title].nodes if node.form.node_id == "VaceComposeMasks")
    assert masks.value("shape") == "original"


LONG = [graph for graph in at_once() if any(node.form.node_id == "VacePlanWindows" for node in graph.nodes)]


@pytest.mark.parametrize("graph", LONG, ids=lambda graph: graph.title)
@pytest.mark.parametrize(("fps", "window"), [(8, 17), (16, 81), (24, 97)])
def test_the_prompts_of_a_plan_fit_its_clip_at_the_rate_of_any_model(graph, fps, window):
    (plan,) = (node for node in graph.nodes if node.form.node_id == "VacePlanWindows")
    lengths = [node.values["length"] for node in graph.nodes if isinstance(node.values.get("length"), int)]
    spans = spans_from_text(str(plan.value("prompts")), num_frames=lengths[-1], fps=fps)
    more = {"overlap": plan.value("overlap"), "spans": spans, "loop": plan.value("loop")}
    assert len(plan_windows(lengths[-1], fps=fps, grid=WAN.grid, window=window, **more)) >= 1


SAMPLERS = ("VaceSampleVideo", "VaceSampleLongVideo")
PASSES_ON = ("VacePreviewVCU", "VaceSampleVideo")
OWN_SAMPLER = [graph for graph in at_once() if any(one.form.node_id in SAMPLERS for one in graph.nodes)]


def sampler_of(graph):
    return next(node for node in graph.nodes if node.form.node_id in SAMPLERS)


@pytest.mark.parametrize("graph", OWN_SAMPLER, ids=lambda graph: graph.title)
class TestThoseThatRunAtOnce:
    def test_the_model_is_chosen_in_one_place(self, graph):
        """Nothing but the profile has to be changed for another model: every node takes it, or what passes it on."""
        choices = [node for node in graph.nodes if node.form.node_id == CHOICE]
        assert [node.values["profile"] for node in choices] == [STARTER]
        for node in graph.nodes:
            assert not node.mode
            for name in ("model", "vae"):
                if name in {one.name for one in node.form.inputs}:
                    origin = node.values[name].node
                    assert origin is choices[0] or origin.form.node_id in PASSES_ON, f"{node.form.node_id}.{name}"

    def test_no_file_is_asked_for(self, graph):
        asked = {one["class_type"] for one in graph.prompt().values()} & {"LoadImage", "LoadVideo", "VaceLoadModel"}
        assert asked == set()

    def test_it_previews_and_saves(self, graph):
        kinds = [one["class_type"] for one in graph.prompt().values()]
        assert {"VacePreviewVCU", "CreateVideo", "SaveVideo"} <= set(kinds)
        assert {"VaceSampleVideo", "VaceDecodeVideo"} <= set(kinds) or {"VacePlanWindows", SAMPLERS[1]} <= set(kinds)

    def test_it_samples_as_the_model_was_published(self, graph):
        sampler = sampler_of(graph)
        wanted = {name: value for name, value in SAMPLING.items() if name != "seed"}
        assert {name: sampler.values[name] for name in wanted} == wanted
        assert all(node.values.get("fit", "auto").split(",")[0] == "auto" for node in graph.nodes)

    def test_nothing_is_left_to_chance(self, graph):
        for node in graph.workflow()["nodes"]:
            assert "randomize" not in node["widgets_values"]
            assert (FIXED in node["widgets_values"]) == (node["type"] in SAMPLERS)


def _box(node):
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, x + width, y + height


def _corners(bounding):
    x, y, width, height = bounding
    return x, y, x + width, y + height


def _meet(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _within(one, other):
    return other[0] <= one[0] and other[1] <= one[1] and one[2] <= other[2] and one[3] <= other[3]


def test_every_workflow_has_a_small_picture():
    """Made from a real run, see `picture_runs.py`; ComfyUI asks for the file's name with .jpg."""
    assert {path.stem for path in WORKFLOWS.glob("*.jpg")} == set(SAVED) == set(pictured())
    for path in WORKFLOWS.glob("*.jpg"):
        assert path.stat().st_size < 20_000, path.name
        with Image.open(path) as picture:
            assert 380 <= min(picture.size) <= max(picture.size) <= 420
