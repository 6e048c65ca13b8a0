"""What the time line of VACE Plan Windows is answered: the plan that the node makes, and what a moved border types."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest

CUT = {"length": 61, "fps": 10.0, "window": 17, "overlap": 5, "prompts": "[0-2s] a fox | [2s, new shot] a dog"}


@pytest.fixture
def ask(pack):
    def answer(**said):
        return pack.nodes.comfy.routes.answered(pack.nodes.plan_routes.ROUTES["windows"], said)

    return answer


def edges(plan):
    return [(one.begin, one.end, one.overlap) for one in plan.windows]


def drawn(answer):
    return [(one["begin"], one["end"], one["overlap"]) for one in answer.data["windows"]]


def test_the_plan_is_that_of_the_node(run, ask):
    values = {**CUT, "keyframes": "0=1 -1=2", "changes": f"1: move +4, seed {2**64 - 1}\n2: references 2 1"}
    status, answer = ask(values=values)
    plan = run("VacePlanWindows", **values)[0].plan
    assert status == 200
    assert drawn(answer) == edges(plan)
    told = answer.data
    assert (told["frames"], told["fps"], told["group"], told["loop"]) == (61, 10.0, 4, False)
    assert [one["moved"] for one in told["windows"]][:3] == [0, 4, 0]
    assert told["windows"][1]["seed"] == str(2**64 - 1)
    assert told["windows"][2]["references"] == ("2", "1")
    assert told["stretches"] == [
        {"begin": 0, "end": 20, "prompt": "a fox"},
        {"begin": 20, "end": 61, "prompt": "a dog"},
    ]
    assert told["keyframes"] == [{"frame": 0, "picture": "1"}, {"frame": 60, "picture": "2"}]


def test_without_values_it_is_the_plan_of_a_new_node(run, ask):
    assert drawn(ask()[1]) == edges(run("VacePlanWindows")[0].plan)


def test_it_is_the_plan_of_the_unit_and_the_model_that_are_linked(pack, run, ask):
    vcu = run("VaceTextToVideo", width=64, height=64, length=41, fps=8.0, prompt="a fox")[0]
    profiles = pack.vace_core.starter.profiles
    model = pack.nodes.comfy.chosen.ChosenModel(profile=profiles.profile_named("starter"), load=lambda: None)
    made = run("VacePlanWindows", window=0, vcu=vcu, model=model)
    (told,) = made.ui["vace_plan"]
    assert (told["clip"], told["model"]) == ((41, 8.0), "starter")
    status, answer = ask(values=told["values"], clip=list(told["clip"]), model=told["model"])
    assert status == 200
    assert drawn(answer) == edges(made[0].plan)
    ltx = pack.vace_core.models.ltx.family.LTX
    model = pack.nodes.comfy.sockets.LibraryModel(core=None, family=ltx, usual=ltx.options)
    made = run("VacePlanWindows", length=121, window=41, model=model)
    (told,) = made.ui["vace_plan"]
    answer = ask(values=told["values"], model=told["model"])[1]
    assert (answer.data["group"], drawn(answer)) == (8, edges(made[0].plan))


def test_a_border_moves_by_what_is_then_typed(run, ask):
    values = {**CUT, "changes": "1: seed 9\n3: move -4"}
    answer = ask(values=values, move={"window": 1, "frames": 4})[1]
    assert answer.data["changes"] == "1: move +4, seed 9\n3: move -4"
    assert (answer.data["moved"], answer.data["refused"]) == (4, None)
    assert drawn(answer) == edges(run("VacePlanWindows", **{**values, "changes": answer.data["changes"]})[0].plan)
    back = ask(values={**values, "changes": "3: move -4"}, move={"window": 3, "frames": 4})[1]
    assert back.data["changes"] == ""


def test_a_border_goes_as_far_as_the_plan_lets_it_and_why_is_said(run, ask):
    answer = ask(values=CUT, move={"window": 1, "frames": 400})[1]
    moved, said = answer.data["moved"], answer.data["refused"]
    assert moved % 4 == 0
    assert said.startswith("A window of 4 frames has an overlap of 5.")
    assert run("VacePlanWindows", **{**CUT, "changes": f"1: move {moved:+d}"})[0].plan
    with pytest.raises(Exception, match="A window of 4 frames"):
        run("VacePlanWindows", **{**CUT, "changes": f"1: move {moved + 4:+d}"})


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"values": {"prompts": "[0-1s] a | [9s"}}, "spans-unreadable"),
        ({"values": {"window": 17, "overlap": 17}}, "window-overlap"),
        ({"values": {"window": 0}}, "auto-without-model"),
        ({"values": {"window": 18}}, "window-size"),
        ({"values": {"changes": "9: move 4"}}, "window-unknown"),
        ({"values": {"join_by": "overlap", "anchor_colour": "first"}}, "anchor-together"),
        ({"values": {"length": 0}}, "number-range"),
        ({"values": {"join_by": "glue"}}, "not-an-option"),
        ({"values": {"saved_plan": "{}"}}, "plan-unreadable"),
        ({"values": 3}, "request-not-json"),
        ({"model": "none of these"}, "profile-unknown"),
        ({"clip": [0, 8.0]}, "number-range"),
        ({"clip": 3}, "number-range"),
        ({"move": {"window": 0, "frames": 4}}, "plan-move"),
        ({"move": {"window": 1, "frames": 3}}, "plan-move"),
        ({"move": {"window": 7, "frames": 4}}, "window-unknown"),
        ({"move": {"window": 1, "frames": 1e9}}, "number-range"),
        ({"move": 4}, "request-not-json"),
    ],
)
def test_bad_requests_are_answered_with_code_and_message(ask, said, code):
    status, answer = ask(**said)
    assert (status, answer.data["code"]) == (400, code)
    assert len(answer.data["message"]) > 20


def test_the_route_is_offered_once_where_there_is_a_server(pack):
    pytest.importorskip("aiohttp")
    host, routes = pack.nodes.comfy.host, pack.nodes.plan_routes
    offered = mock.Mock()
    server = SimpleNamespace(routes=mock.MagicMock(post=offered))
    server.routes.__iter__.return_value = iter([])
    with mock.patch.object(host, "prompt_server", return_value=server):
        assert routes.offer()
    offered.assert_called_once_with("/vace/plan/windows")
    with mock.patch.object(host, "prompt_server", return_value=None):
        assert routes.offer() is False
