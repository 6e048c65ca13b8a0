"""Whatever a prompt holds, a node does its work or says in a sentence what is wrong, and any console can print it."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections import Counter
from contextlib import contextmanager
from numbers import Real

import pytest
import torch
from hostile import HALF, NODE, Named, cases, inputs_of
from hostile_values import LINKED, NAMES, Values

CONSOLES = ("cp437", "cp1252", "ascii", "utf-8")
COUNT, BATCH = 450, 150


@contextmanager
def console(encoding, wrapper=io.TextIOWrapper):
    """Standard output and error of that encoding, which fail on what they cannot encode."""
    before = sys.stdout, sys.stderr
    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    sys.stdout = sys.stderr = raw if wrapper is io.TextIOWrapper else wrapper(raw)
    try:
        yield sys.stderr
    finally:
        sys.stdout, sys.stderr = before


@pytest.fixture(scope="module")
def values(pack, host, tmp_path_factory):
    def native(name):
        if host is None:
            return None
        import native_parts

        made = {"model": native_parts.vace_model, "vae": native_parts.vae, "clip": lambda _: native_parts.Clip()}
        return made[name](pack.vace_core)

    return Values(pack, tmp_path_factory.mktemp("values"), native)


def typed(kind, said, value):
    """What ComfyUI makes of a literal; it refuses some itself.

    Raises:
        ValueError, TypeError, OverflowError: it refuses.
    """
    if isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]
    convert = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}.get(kind)
    value = value if convert is None else convert(value)
    if isinstance(value, Real) and (value < said.get("min", value) or value > said.get("max", value)):
        raise ValueError("beyond its range")
    return value


def arguments(case, form, values):
    """What `execute` would get; None where ComfyUI itself refuses the prompt."""
    known, found = inputs_of(form), {}
    if "class_type" in case.raw or "inputs" in case.raw:
        return None
    needed = form["input"].get("required") or {}
    if any(key not in case.inputs for key in needed):
        return None
    for key, value in case.inputs.items():
        if key not in known:
            continue
        if isinstance(value, Named):
            found[key] = values[value.name]
        elif isinstance(value, list):
            return None
        else:
            try:
                found[key] = typed(*known[key], value)
            except (ValueError, TypeError, OverflowError):
                return None
    return found


def is_ours(error):
    return "VaceError" in [kind.__name__ for kind in type(error).__mro__]


def normal(values):
    """The pixels of a job as people do it."""
    with torch.inference_mode():
        model, unit = values["starter"], values["starter's unit"]
        samples = values.run("VaceSampleVideo", model=model, vcu=unit, seed=1, steps=2)[0]
        return values.run("VaceDecodeVideo", samples=samples, vcu=unit, vae=model)[0]


def test_a_prompt_ends_in_a_result_or_in_a_sentence(pack, forms_of_standin, values):
    worked = refused = 0
    expected = normal(values).clone()
    for number, case in enumerate(cases(forms_of_standin, NAMES, COUNT)):
        if number % BATCH == BATCH - 1:
            assert torch.equal(normal(values), expected), number
        given = arguments(case, forms_of_standin[case.node_id], values)
        if given is None:
            continue
        encoding = CONSOLES[number % len(CONSOLES)]
        with console(encoding), torch.inference_mode():
            try:
                pack.by_id[case.node_id].execute(**given)
            except Exception as error:
                failed = error
            else:
                failed = None
        if failed is None:
            worked += 1
            continue
        assert is_ours(failed), (case, failed)
        assert type(failed).__name__ != "VaceError", (case, failed)  # a raw error that was only made printable
        "".join(traceback.format_exception(failed)).encode(encoding)
        assert len(str(failed)) <= 3 * pack.vace_core.errors.LONGEST
        refused += 1
    assert worked > COUNT / 20
    assert refused > COUNT / 5


def test_a_prompt_ends_so_by_comfyuis_own_check_and_executor(comfy, pack, forms_of_standin, values, monkeypatch):
    """Three about each node; benchmarks/hostile_prompts.py sends thousands to a server."""
    import hostile_pack
    from graphs import execute

    monkeypatch.setattr(hostile_pack, "_MADE", [values])
    for name, node in hostile_pack.NODE_CLASS_MAPPINGS.items():
        monkeypatch.setitem(comfy.nodes.NODE_CLASS_MAPPINGS, name, node)
    expected, executor, ends = normal(values).clone(), None, Counter()
    for case in cases(forms_of_standin, LINKED, 3 * len(forms_of_standin), seed=3):
        try:
            ran = execute(comfy, case.prompt(), executor)
        except Exception:  # its own check failed, before anything of the pack ran
            ends["failed in ComfyUI", "vace_core" in traceback.format_exc()] += 1
            continue
        executor = ran.executor or executor
        if ran.success or ran.failed_type is None:
            ends["worked" if ran.success else "refused"] += 1
            continue
        module, _, name = ran.failed_type.rpartition(".")
        ours = module.endswith("vace_core.errors") and name != "VaceError"
        assert ours or name == "DependencyCycleError", (case, ran.failed_type, ran.error)
        ends["said" if ours else "refused"] += 1
    assert torch.equal(normal(values), expected)
    assert all(ends[kind] > 5 for kind in ("worked", "refused", "said")), ends
    assert not ends["failed in ComfyUI", True], ends


def logged_as_comfyui_does(error, stream):
    """The two lines that ComfyUI's executor writes where a node fails."""
    log = logging.Logger("as ComfyUI's")
    log.addHandler(logging.StreamHandler(stream))
    try:
        raise error
    except Exception as caught:
        log.error(f"!!! Exception during processing !!! {caught}")
        log.error(traceback.format_exc())


HOSTILE_TEXTS = (HALF, f"0, {HALF}", "\u4e2d\u6587\u2026", "\x1b[31m", "\u202e", "x" * 100_000)


@pytest.mark.parametrize("encoding", CONSOLES)
@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
def test_what_was_typed_never_kills_the_log(pack, run, text, encoding, capsys):
    """The text comes back escaped, where the console needs it, and cut."""
    asked = {
        "VacePlaceKeyframes": {"images": torch.zeros(2, 32, 48, 3), "positions": text},
        "VaceInpaintVideo": {"images": torch.zeros(1, 32, 48, 3), "mask": torch.ones(1, 32, 48), "fit": text},
        "VaceLayoutToVideo": {"paths": text},
        "VaceLoadAdapter": {"adapter": text},
        "VaceLoadLora": {"lora": text},
        "VaceSamplingOptions": {"cfg_steps": text},
    }
    for node_id, values in asked.items():
        with console(encoding) as stream:
            with pytest.raises(Exception, match=r"\. ") as caught:
                run(node_id, **values)
            logged_as_comfyui_does(caught.value, stream)
            stream.flush()
            written = stream.buffer.getvalue().decode(encoding)
        assert "Logging error" not in written
        assert is_ours(caught.value)
        assert len(str(caught.value)) <= 500
        assert all(one.isprintable() for one in str(caught.value))


def test_a_name_stays_readable_where_the_console_can_print_it(run):
    for encoding, shown in (("utf-8", "\u4e2d\u6587"), ("gbk", "\u4e2d\u6587"), ("cp437", r"\u4e2d\u6587")):
        with console(encoding), pytest.raises(Exception, match="positions") as caught:
            run("VacePlaceKeyframes", images=torch.zeros(2, 32, 48, 3), positions="\u4e2d\u6587")
        assert caught.value.code == "positions-unreadable"
        assert shown in str(caught.value)


def test_an_error_of_something_else_is_made_printable_too(pack):
    class Fails(pack.nodes.comfy.node.Node):
        @classmethod
        def define_schema(cls):
            return pack.nodes.comfy.sockets.schema("VaceFails", "", "", inputs=[], outputs=[])

        @classmethod
        def execute(cls):
            try:
                raise KeyError(HALF)
            except KeyError:
                raise OSError(2, "no such file", f"\u4e2d{HALF}.png") from None

        @classmethod
        def fingerprint_inputs(cls):
            raise OSError(f"\u4e2d{HALF}")

    for call in (Fails.execute, Fails.fingerprint_inputs):
        with console("cp437") as stream:
            with pytest.raises(Exception, match="Error: ") as caught:
                call()
            logged_as_comfyui_does(caught.value, stream)


@pytest.mark.parametrize("encoding", CONSOLES)
def test_through_comfyuis_own_log(comfy, run, encoding):
    """A whole prompt by ComfyUI's executor, its log on a console of that encoding."""
    import app.logger
    from graphs import chain, execute

    root, level = logging.getLogger(), logging.getLogger().level
    handlers, logs = root.handlers[:], app.logger.logs
    prompt = chain(
        clip=("EmptyImage", {"width": 48, "height": 32, "batch_size": 2, "color": 0}),
        node=("VacePlaceKeyframes", {"images": ("clip", 0), "positions": f"{HALF}\u4e2d\u2026", "length": 9,
                                     "fps": 16.0, "fit": "as it is", "prompt": "", "negative_prompt": ""}),
        preview=("VacePreviewVCU", {"vcu": (NODE, 0), "columns": 4}),
    )  # fmt: skip
    try:
        with console(encoding, app.logger.LogInterceptor) as stream:
            app.logger.logs = []
            root.handlers = [logging.StreamHandler(stream)]
            ran = execute(comfy, prompt)
            assert not ran.success
            assert ran.failed_node == NODE
            assert "half of a character" in ran.error
            said = "".join(entry["m"] for entry in app.logger.logs)
            assert "half of a character" in said
            assert "Logging error" not in said
    finally:
        root.handlers, app.logger.logs = handlers, logs
        root.setLevel(level)
