"""What faults there are: small changes of the code, and which lines show that a test meets one."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.mutate.tests import entry

KEPT = ("path", "line", "kind", "before", "after")  # what is written of a fault

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


EITHER_WAY = ("min", "max", "np.minimum", "np.maximum", "torch.minimum", "torch.maximum")  # calls that no swap changes


@dataclass(frozen=True)
class Fault:
    """One change of one file."""

    path: str
    line: int
    kind: str
    before: str
    after: str
    code: str
    lines: range | None  # that show that it is run; None: it is run on import

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in KEPT)


def sites(tree: ast.Module) -> Iterator[tuple[ast.AST, str, range | None]]:
    """Every node that can be changed, how, and the lines that show that it is run; None: those of an import."""
    for node in tree.body:
        yield from _within(node, None)


def _within(node: ast.AST, lines: range | None, inside: bool = False) -> Iterator[tuple[ast.AST, str, range | None]]:
    if _left_alone(node):
        return
    if inside:
        lines = _lines(node, lines)
    yield from ((node, kind, lines) for kind in _kinds(node))
    for name, part in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_comment"):
            continue
        body = name == "body" and isinstance(node, ast.FunctionDef)
        for one in part if isinstance(part, list) else [part]:
            if isinstance(one, ast.AST):
                yield from _within(one, lines, inside or body)


def _lines(node: Any, lines: range | None) -> range | None:
    """Those of a statement; of one that holds others only its head."""
    match node:
        case ast.Match():
            return range(node.lineno, node.cases[0].pattern.lineno + 1)
        case ast.match_case() if lines:
            return range(lines.start, node.body[0].lineno + 1)
        case ast.stmt(body=[first, *_]):
            return range(node.lineno, max(node.lineno + 1, first.lineno))
        case ast.stmt(end_lineno=int(end)):
            return range(node.lineno, end + 1)
        case _:
            return lines


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
            alike = ast.unparse(func) in EITHER_WAY or ast.unparse(first) == ast.unparse(second)
            return [] if spread or alike else ["arguments swapped"]
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
    node, kind, lines = list(sites(tree))[number]
    new = _changed(node, kind)
    before, after = (ast.unparse(ast.fix_missing_locations(one)).split("\n")[0][:120] for one in (node, new))
    code = ast.unparse(ast.fix_missing_locations(_Replaced(node, new).visit(tree)))
    return Fault(path, getattr(node, "lineno", 0), kind, before, after, code, lines)


def modules(root: Path, only: list[str]) -> list[str]:
    """The files that faults are put into."""
    found = [str(path.relative_to(root)) for top in ("vace_core", "nodes") for path in (root / top).rglob("*.py")]
    return sorted(path for path in found if entry(path) and (not only or any(path.startswith(one) for one in only)))


def chosen(root: Path, only: list[str], count: int, seed: int) -> list[Fault]:
    """Random faults, every place as likely as any other."""
    places = [(path, number) for path in modules(root, only)
              for number, _ in enumerate(sites(ast.parse((root / path).read_text(encoding="utf-8"))))]  # fmt: skip
    return [fault(root, *place) for place in random.Random(seed).sample(places, min(count, len(places)))]
