"""The nodes' forms: what saved graphs and users rely on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

FROZEN = Path(__file__).with_name("forms.json")
WIDGET_VALUES = Path(__file__).with_name("widgets.json")
DOCS = Path(__file__).parents[2] / "web" / "docs"
SAID = ("input", "input_order", "output", "output_name", "output_tooltips", "name", "display_name", "category",
        "description", "output_node")  # fmt: skip
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
SIDES = ("width", "height", "resolution")  # the whole numbers that go by steps of their own
TYPED = {"frames": (1, 5, 17, 49, 81, 97, 121), "pixels": (64, 96, 480, 512, 704, 832, 1280)}


def plain(value):
    """As it travels: JSON knows no tuples."""
    return json.loads(json.dumps(value))


def test_the_standin_makes_the_forms_that_comfyui_makes(comfy, pack, forms_of_standin):
    for node_id, node in pack.by_id.items():
        real = node.GET_NODE_INFO_V1()
        assert plain({key: real[key] for key in SAID}) == plain(forms_of_standin[node_id])


def test_forms_are_those_that_graphs_were_saved_with(forms_of_standin):
    """Inputs are kept by position in saved graphs: append, never insert, rename or remove."""
    ours = {
        node_id: {
            "inputs": [
                [name, spec[0]]
                for group in ("required", "optional")
                for name, spec in form["input"].get(group, {}).items()
            ],
            "outputs": [list(pair) for pair in zip(form["output_name"], form["output"], strict=True)],
        }
        for node_id, form in forms_of_standin.items()
    }
    assert plain(ours) == json.loads(FROZEN.read_text())


def test_widgets_begin_and_end_where_they_did(forms_of_standin):
    """A graph that leaves a widget alone must go on to mean the same. What a computer's folders hold is left out."""
    ours = {
        f"{node_id}.{name}": {key: said[key] for key in ("default", "min", "max", "step", "options") if said.get(key)}
        for node_id, form in forms_of_standin.items()
        for group in ("required", "optional")
        for name, (kind, said) in form["input"].get(group, {}).items()
        if kind in WIDGETS
    }
    for said in ours.values():
        said["options"] = [one for one in said.get("options", []) if not str(one).endswith(".safetensors")]
    ours = {name: {key: value for key, value in said.items() if value != []} for name, said in ours.items()}
    assert plain(ours) == json.loads(WIDGET_VALUES.read_text())


@pytest.fixture
def nodes(forms_of_standin):
    return forms_of_standin.values()


def test_everything_has_a_tooltip(nodes):
    for form in nodes:
        assert form["description"]
        assert all(form["output_tooltips"])
        for group in ("required", "optional"):
            for name, (_, said) in form["input"].get(group, {}).items():
                assert said.get("tooltip"), f"{form['name']}.{name}"


def test_names_and_category(nodes):
    for form in nodes:
        assert form["name"].startswith("Vace")
        assert form["display_name"].startswith("VACE ")
        assert form["category"].split("/")[0] == "VACE"


def test_no_more_widgets_than_a_screen_shows(nodes):
    for form in nodes:
        widgets = [
            name
            for group in ("required", "optional")
            for name, (kind, said) in form["input"].get(group, {}).items()
            if kind in WIDGETS and not said.get("forceInput")
        ]
        assert len(widgets) <= 11, f"{form['name']}: {widgets}"


def test_widgets_have_defaults_within_their_range(nodes):
    for form in nodes:
        for name, (kind, said) in form["input"]["required"].items():
            if kind in ("INT", "FLOAT"):
                assert said["min"] <= said["default"] <= said["max"], f"{form['name']}.{name}"
            elif kind == "COMBO" and "default" in said:
                assert said["default"] in said["options"]


def after_typing(kind, said, value):
    """What frontends make of a number that is typed, or reached with a widget's arrows."""
    step = said.get("step") or (1 if kind == "INT" else 0.5)
    if kind == "INT":
        start = math.fmod(said["min"], step)
        kept = math.floor((value - start) / step + 0.5) * step + start
    else:  # rounded to the digits of the step, however fine `round` is
        digits = max(0, -math.floor(math.log10(step)))
        by = said.get("round") or 10.0**-digits
        kept = round(math.floor(value / by + 0.5) * by, digits)
    return min(max(kept, said["min"]), said["max"])


def test_whole_numbers_stay_as_they_are_typed(nodes):
    """Lengths of 4n + 1 in every widget that counts anything but pixels; sides that models take in those of pixels."""
    counted = {"frames": 0, "pixels": 0}
    for form in nodes:
        for group in ("required", "optional"):
            for name, (kind, said) in form["input"].get(group, {}).items():
                if kind != "INT":
                    continue
                what = "pixels" if name in SIDES else "frames"
                counted[what] += 1
                values = [value for value in (0, *TYPED[what]) if said["min"] <= value <= said["max"]]
                values += [720] if name in ("width", "height") else []
                kept = [after_typing(kind, said, value) for value in values]
                assert kept == values, f"{form['name']}.{name}"
    assert all(counted.values())


def test_fractions_stay_as_they_are_typed(nodes):
    """Rates to the thousandth, so that what is typed goes with what a file has; others to the hundredth."""
    for form in nodes:
        for group in ("required", "optional"):
            for name, (kind, said) in form["input"].get(group, {}).items():
                if kind == "FLOAT":
                    values = (23.976, 24, 29.97, 59.94) if name == "fps" else (0.25, 0.5, 1, 3.25, 7.35)
                    values = [value for value in values if said["min"] <= value <= said["max"]]
                    kept = [after_typing(kind, said, value) for value in values]
                    assert kept == pytest.approx(values, abs=1e-9), f"{form['name']}.{name}"


def test_every_node_has_a_help_page(nodes):
    for form in nodes:
        page = (DOCS / f"{form['name']}.md").read_text()
        assert page.startswith(f"# {form['display_name']}\n")
        for group in ("required", "optional"):
            for name in form["input"].get(group, {}):
                assert f"`{name}`" in page, f"{form['name']}: {name}"
