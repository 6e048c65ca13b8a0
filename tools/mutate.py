"""Puts random faults into the library, one at a time, and runs the tests on each: what survives, no test holds.

    python -m tools.mutate --count 300 --seed SEED [--only PATH …] [--seconds S] [--out FILE.jsonl]

A fault is one small change of the code: another comparison, operator or constant, a condition turned round, a statement
left out, arguments swapped. Messages and annotations are left alone. It is made in a copy of the checkout; every fault
meets the tests that `TESTS` names for its module, in a process of its own. Prints survivors, then a table by module.
With --out, faults that the file holds already are not tried again, so that a long run can be made in parts.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 240  # seconds for the tests of one fault: one that never ends is found too
KEPT = ("path", "line", "kind", "before", "after")  # what is written of a fault

_WAN = ("parity/test_wan_dit", "core/test_adapter", "core/test_pipeline", "core/test_cost")
_WAN_VAE = ("core/test_wan_vae", "parity/test_wan_vae", "core/test_context", "core/test_cost", "core/test_room")
_LTX = ("parity/test_ltx_dit", "parity/test_ltx_vace", "core/test_ltx", "core/test_ltx_cost")
_VIDEO = ("core/test_video", "core/test_video_decode", "core/test_video_write", "core/test_media_files")
_UNITS = ("core/test_tasks", "core/test_vcu", "core/test_overflow", "nodes/test_tasks")
_WEIGHTS = ("core/test_checkpoint", "core/test_model_file", "core/test_hostile_files", "core/test_loading_strict")
TESTS: dict[str, tuple[str, ...]] = {
    "vace_core/geometry.py": ("core/test_geometry", "core/test_fitting", "core/test_masks", "core/test_context"),
    "vace_core/checks/room.py": ("core/test_room", "core/test_cli_output"),
    "vace_core/vcu.py": (*_UNITS, "core/test_compose_finished"),
    "vace_core/adapter.py": ("core/test_adapter", "core/test_pipeline", "core/test_options", "parity/test_wan_dit"),
    "vace_core/context.py": ("core/test_context", "core/test_pipeline"),
    "vace_core/composite.py": ("core/test_composite", "core/test_compose_finished", "nodes/test_tasks"),
    "vace_core/pipeline.py": ("core/test_pipeline", "core/test_options", "core/test_overflow", "core/test_ltx",
                              "core/test_loading"),
    "vace_core/inputs/masks.py": ("core/test_masks", "core/test_tasks", "nodes/test_tasks"),
    "vace_core/inputs/references.py": ("core/test_references", "nodes/test_tasks", "core/test_room"),
    "vace_core/inputs/controls.py": ("core/test_controls", "core/test_tasks"),
    "vace_core/inputs/control_checks.py": ("core/test_controls", "core/test_control_checks"),
    "vace_core/inputs/layout.py": ("core/test_layout", "core/test_layout_json", "core/test_tasks", "core/test_room"),
    "vace_core/inputs/box_paths.py": ("core/test_layout_json", "core/test_layout", "nodes/test_tasks"),
    "vace_core/inputs/": ("core/test_fitting", "core/test_fit_agreement", "core/test_room", "nodes/test_tasks"),
    "vace_core/tasks/": (*_UNITS, "core/test_advice", "core/test_room"),
    "vace_core/preview/cost.py": ("core/test_cost", "core/test_ltx_cost", "core/test_preview"),
    "vace_core/preview/": ("core/test_preview", "core/test_advice", "core/test_preview_golden"),
    "vace_core/sampling/": ("core/test_schedule", "core/test_solvers", "core/test_guidance", "core/test_options",
                            "parity/test_samplers",
                            "core/test_pipeline"),
    "vace_core/media/pictures.py": ("core/test_pictures", "core/test_media_files", "core/test_video"),
    "vace_core/media/": (*_VIDEO, "core/test_pictures"),
    "vace_core/files/replacing.py": ("core/test_replacing", "core/test_media_files"),
    "vace_core/files/strict_json.py": ("core/test_hostile_files", "core/test_layout_json"),
    "vace_core/files/": (*_WEIGHTS, "core/test_mutants", "core/test_repack"),
    "vace_core/models/tiling.py": ("core/test_wan_vae", "core/test_ltx"),
    "vace_core/models/devices.py": ("core/test_devices",),
    "vace_core/models/wan/vae.py": _WAN_VAE,
    "vace_core/models/wan/vae_stream.py": _WAN_VAE,
    "vace_core/models/wan/cost.py": ("core/test_cost",),
    "vace_core/models/wan/family.py": ("core/test_wan_family", "core/test_fitting", "core/test_detection",
                                       "core/test_loading", "core/test_cost", "core/test_options"),
    "vace_core/models/wan/": (*_WAN, "parity/test_key_maps", "core/test_detection"),
    "vace_core/models/ltx/vae.py": ("parity/test_ltx_vae", "core/test_ltx"),
    "vace_core/models/ltx/": (*_LTX, "parity/test_ltx_keys", "core/test_ltx_files", "core/test_detection"),
    "nodes/sample.py": ("nodes/test_sample", "nodes/test_tasks", "nodes/test_edges", "nodes/test_said"),
}  # fmt: skip
"""The tests of a module, or of all modules in a folder that are not named."""

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE
}  # fmt: skip
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Pow: ast.Mult,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


EITHER_WAY = ("min", "max", "torch.minimum", "torch.maximum")  # calls that no swap changes


@dataclass(frozen=True)
class Fault:
    """One change of one file."""

    path: str
    line: int
    kind: str
    before: str
    after: str
    code: str

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in KEPT)


def sites(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every node that can be changed, and how."""
    for node in tree.body:
        yield from _within(node)


def _within(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    if _left_alone(node):
        return
    yield from ((node, kind) for kind in _kinds(node))
    for name, part in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_comment"):
            continue
        for one in part if isinstance(part, list) else [part]:
            if isinstance(one, ast.AST):
                yield from _within(one)


def _left_alone(node: ast.AST) -> bool:
    """Messages, docstrings, assertions and what only types are made of."""
    if isinstance(node, ast.ClassDef):
        return any(getattr(base, "id", "") == "Protocol" for base in node.bases)
    if isinstance(node, ast.FunctionDef):
        return any(getattr(one, "id", "") == "overload" for one in node.decorator_list)
    if isinstance(node, ast.Assign):  # a name for a type
        return (
            isinstance(node.value, ast.Subscript)
            and getattr(node.targets[0], "id", "_")[0].isupper()
            and (getattr(node.value.value, "id", "") in ("Callable", "Mapping", "Sequence", "Literal", "tuple", "dict"))
        )
    if isinstance(node, ast.Assign) and getattr(getattr(node.value, "func", None), "id", "") == "cast":
        return True
    if isinstance(node, ast.keyword):  # zip(…, strict=True) asserts
        return node.arg == "strict"
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom))


def _kinds(node: ast.AST) -> list[str]:
    match node:
        case ast.Assign() | ast.AugAssign() | ast.Expr(value=ast.Call()):
            return ["left out"]
        case ast.If():
            return ["turned round"]
        case ast.IfExp():
            return ["branches swapped"]
        case ast.Compare(ops=[op, *_]):
            return ["compared otherwise", *(["turned round"] if type(op) in TURNED else [])]
        case ast.BoolOp():
            return ["and for or"]
        case ast.BinOp(op=op, left=left) if type(op) in COMPUTED:
            return [] if isinstance(getattr(left, "value", None), str) else ["computed otherwise"]
        case ast.UnaryOp():
            return ["sign or not left out"]
        case ast.Constant(value=bool()):
            return ["the other of two"]
        case ast.Constant(value=int()):
            return ["one more", "one less"]
        case ast.Constant(value=float()):
            return ["another number"]
        case ast.Call(func=func, args=[first, second, *_]):
            spread = any(isinstance(one, ast.Starred) for one in (first, second))
            return [] if spread or ast.unparse(func) in EITHER_WAY else ["arguments swapped"]
        case _:
            return []


def _changed(node: Any, kind: str) -> ast.AST:
    """What stands in the node's place."""
    new = copy.deepcopy(node)
    match kind, new:
        case "left out", _:
            return ast.Pass()
        case "turned round", ast.If():
            new.test = ast.UnaryOp(ast.Not(), new.test)
        case "turned round", _:
            new.ops[0] = TURNED[type(new.ops[0])]()
        case "branches swapped", _:
            new.body, new.orelse = new.orelse, new.body
        case "compared otherwise", _:
            new.ops[0] = COMPARED[type(new.ops[0])]()
        case "and for or", _:
            new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        case "computed otherwise", _:
            new.op = COMPUTED[type(new.op)]()
        case "sign or not left out", _:
            return new.operand
        case "the other of two", _:
            new.value = not new.value
        case "one more" | "one less", _:
            new.value += 1 if kind == "one more" else -1
        case "another number", _:
            new.value = new.value * 1.5 + 0.1
        case _:
            new.args[:2] = new.args[1::-1]
    return new


class _Replaced(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return ast.copy_location(self.new, node) if node is self.old else super().generic_visit(node)


def fault(root: Path, path: str, number: int) -> Fault:
    """The n-th change of a file."""
    tree = ast.parse((root / path).read_text(encoding="utf-8"))
    node, kind = list(sites(tree))[number]
    new = _changed(node, kind)
    before, after = (ast.unparse(ast.fix_missing_locations(one)).split("\n")[0][:120] for one in (node, new))
    code = ast.unparse(ast.fix_missing_locations(_Replaced(node, new).visit(tree)))
    return Fault(path, getattr(node, "lineno", 0), kind, before, after, code)


def modules(root: Path, only: list[str]) -> list[str]:
    """The files that faults are put into."""
    found = [str(path.relative_to(root)) for top in ("vace_core", "nodes") for path in (root / top).rglob("*.py")]
    return sorted(path for path in found if _named(path) and (not only or any(path.startswith(one) for one in only)))


def _named(path: str) -> str:
    """The entry of `TESTS` for a file, the longest that fits; empty if there is none."""
    return max((entry for entry in TESTS if path.startswith(entry)), key=len, default="")


def chosen(root: Path, only: list[str], count: int, seed: int) -> list[Fault]:
    """Random faults, every place as likely as any other."""
    places = [(path, number) for path in modules(root, only)
              for number, _ in enumerate(sites(ast.parse((root / path).read_text(encoding="utf-8"))))]  # fmt: skip
    return [fault(root, *place) for place in random.Random(seed).sample(places, min(count, len(places)))]


def outcome(root: Path, one: Fault) -> str:
    """ "survived", or what killed it: the first test that failed, or the time."""
    target = root / one.path
    good = target.read_text(encoding="utf-8")
    files = [root / "tests" / f"{name}.py" for name in TESTS[_named(one.path)]]
    target.write_text(one.code, encoding="utf-8")
    try:
        return _tested([str(path) for path in files if path.exists()], root / "tests.log")
    finally:
        target.write_text(good, encoding="utf-8")


def _tested(files: list[str], log: Path) -> str:
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        import pytest

        try:
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--tb=line", "-W", "ignore", *files]))
        except BaseException:
            code = 3
        os._exit(code)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            lines = log.read_text(errors="replace").splitlines()
            named = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
            return "survived" if status == 0 else (named or [f"exit {os.waitstatus_to_exitcode(status)}"])[0][:200]
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "time"


def table(rows: list[dict[str, Any]]) -> str:
    """How many of each module's faults were killed."""
    lines = []
    for path in sorted({one["path"] for one in rows}):
        some = [one["outcome"] != "survived" for one in rows if one["path"] == path]
        lines.append(f"{path:40} {sum(some):4} of {len(some):4}  {sum(some) / len(some):5.0%}")
    killed = sum(one["outcome"] != "survived" for one in rows)
    return "\n".join([*lines, f"{'all':40} {killed:4} of {len(rows):4}  {killed / max(len(rows), 1):5.1%}"])


def _copy(folder: Path) -> Path:
    skip = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "build", ".*_cache", "browser")
    return Path(shutil.copytree(ROOT, folder / "copy", ignore=skip))


def _warm_up(root: Path) -> None:
    """What tests import beside the library, once for all of them."""
    os.chdir(root)
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root)}
    sys.path[:] = [str(root), *(one for one in sys.path if one and Path(one).resolve() != ROOT)]
    for name in (
        "torch",
        "numpy",
        "cv2",
        "pytest",
        "safetensors.torch",
        "PIL.Image",
        "hypothesis",
        "av",
        "typer",
        "gguf",
    ):
        __import__(name)
    sys.modules["torch"].set_num_threads(1)


def main(say: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--only", nargs="*", default=[], metavar="PATH", help="files or folders")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="where to stop")
    parser.add_argument("--out", type=Path, help="where every fault and its outcome is kept")
    options = parser.parse_args()
    end, out = time.monotonic() + options.seconds, options.out.resolve() if options.out else None
    known = [json.loads(line) for line in out.read_text().splitlines()] if out and out.exists() else []
    done = {tuple(one[name] for name in KEPT) for one in known}
    with tempfile.TemporaryDirectory() as folder:
        root = _copy(Path(folder))
        faults = chosen(root, options.only, options.count, options.seed)
        _warm_up(root)
        for one in faults:
            if one.key in done or time.monotonic() > end:
                continue
            row = {name: getattr(one, name) for name in KEPT} | {"outcome": outcome(root, one)}
            known.append(row)
            if row["outcome"] == "survived":
                say(f"{one.path}:{one.line}: {one.kind}: {one.before}  →  {one.after}")
            if out:
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        os.chdir(ROOT)
    say(table(known))


if __name__ == "__main__":
    main()
