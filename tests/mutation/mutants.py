"""Every way to be wrong in one place of a source file: the mutants, as edits of its text.

A mutant is known by its file, the text of its line and the name of its mutation, so that it is found
again where lines have moved.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["Mutant", "mutants_of", "place"]

_COMPARISONS = {
    # flipped, and off by one
    "Lt": ("<", (">=", "<=")),
    "LtE": ("<=", (">", "<")),
    "Gt": (">", ("<=", ">=")),
    "GtE": (">=", ("<", ">")),
    "Eq": ("==", ("!=",)),
    "NotEq": ("!=", ("==",)),
    "Is": ("is", ("is not",)),
    "IsNot": (r"is\s+not", ("is",)),
    "In": ("in", ("not in",)),
    "NotIn": (r"not\s+in", ("in",)),
}
_ARITHMETIC = {"Add": ("+", "-"), "Sub": ("-", "+"), "Mult": ("*", "/"), "Div": ("/", "*")}
_SAFE_VALUES = {"make_safe", "_make_safe"}
_SAFE_CALLS = {"make_safe", "_make_safe", "stop", "_stop", "open", "_open_again", "drop", "cancel", "abort"}
_TIMER_CALLS = {"set", "clear", "clear_all", "cancel"}
_SAFE_ACTIONS = {"StopPower", "OpenContactors"}
_FORMAL = {"frozen", "kw_only", "slots", "strict", "eq", "order", "gc", "maxsize", "exc_info"}
"""Keyword arguments that say how, and not what."""


@dataclass(frozen=True)
class Mutant:
    """An edit of the octets from ``start`` to ``end`` of a file."""

    file: str
    line: int
    text: str
    """The line as it is, without blanks around it."""
    mutation: str
    start: int
    end: int
    becomes: bytes
    lines: tuple[int, int]
    """First and last line of the statement around it, or of its head."""
    function: tuple[str, int] | None
    """Qualified name and first line of the outermost function around it; None: it acts
    when the module is imported."""

    @property
    def key(self) -> tuple[str, str]:
        """By which it is found again in the list of survivors."""
        return self.file, f"{self.mutation}: {self.text}"

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.becomes + source[self.end :]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.mutation}: {self.text}"


def mutants_of(file: str, source: bytes) -> list[Mutant]:
    """All mutants of a file, in the order of its text. Two of the same name in one line are numbered."""
    found = sorted(
        _Reader(file, source).read(), key=lambda mutant: (mutant.start, mutant.end, mutant.mutation)
    )
    times: Counter[tuple[int, str]] = Counter()
    named = []
    for mutant in found:
        times[mutant.line, mutant.mutation] += 1
        number = times[mutant.line, mutant.mutation]
        named.append(replace(mutant, mutation=f"{mutant.mutation} ({number})") if number > 1 else mutant)
    return named


class _Reader:
    def __init__(self, file: str, source: bytes) -> None:
        self._file, self._source = file, source
        self._tree = ast.parse(source)
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._found: list[Mutant] = []
        self._statement: tuple[int, int] = (1, 1)
        self._function: tuple[str, int] | None = None
        self._returns_bool = False
        self._dropped: ast.Call | None = None
        self._names: list[str] = []

    def read(self) -> list[Mutant]:
        self._body(self._tree.body)
        return self._found

    # -- where something stands

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _said(self, node: ast.expr | ast.stmt) -> str:
        text = self._source[self._start(node) : self._end(node)].decode()
        return re.sub(r"\s+", " ", text)

    def _note(self, mutation: str, start: int, end: int, becomes: str) -> None:
        line = self._source.count(b"\n", 0, start) + 1
        text = self._lines[line - 1].decode().strip()
        edit = Mutant(
            self._file, line, text, mutation, start, end, becomes.encode(), self._statement, self._function
        )
        self._found.append(edit)

    def _instead(self, node: ast.expr | ast.stmt, becomes: str, mutation: str = "") -> None:
        self._note(
            mutation or f"{self._said(node)} -> {becomes}", self._start(node), self._end(node), becomes
        )

    def _between(self, left: ast.expr, right: ast.expr, operator: str, becomes: str) -> None:
        start, end = self._end(left), self._start(right)
        gap = self._source[start:end].decode()
        if "#" in gap:
            return
        word = operator[0].isalpha()
        pattern = rf"\b{operator}\b" if word else re.escape(operator)
        if (place := re.search(pattern, gap)) is not None:
            shown = re.sub(r"\s+", " ", place[0])
            at = start + place.start()
            self._note(f"{shown} -> {becomes}", at, at + len(place[0]), becomes)

    # -- statements

    def _body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self._take(statement)

    def _take(self, node: ast.stmt) -> None:
        inner = getattr(node, "body", None)
        last = node.end_lineno or node.lineno
        if inner and isinstance(inner[0], ast.stmt):
            last = max(inner[0].lineno - 1, node.lineno)
        elif isinstance(node, ast.Match):
            last = node.lineno
        self._statement = (node.lineno, last)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._define(node)
            case ast.ClassDef():
                if any("Enum" in self._said(base) for base in node.bases):
                    return
                self._names.append(node.name)
                self._body(node.body)
                self._names.pop()
            case ast.Import() | ast.ImportFrom() | ast.Raise():
                pass
            case ast.If() if self._said(node.test) == "TYPE_CHECKING":
                pass
            case ast.Expr(value=ast.Constant()):
                pass  # a docstring
            case ast.Expr(value=value):
                call = value.value if isinstance(value, ast.Await) else value
                if isinstance(call, ast.Call) and self._is_safe_call(call):
                    self._instead(node, "pass", f"drop {self._said(call)}")
                    self._dropped = call
                self._look(value)
            case ast.AnnAssign(value=value):
                if value is not None:
                    self._look(value)
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                pass
            case ast.Assign(targets=targets, value=ast.Call() as call) if self._name(call) in _SAFE_ACTIONS:
                self._dropped = call  # a name, or a place in a list, needs a value
                for expression in (*targets, call):
                    self._look(expression)
            case ast.Return(value=value) if value is not None:
                simple = isinstance(value, ast.Constant) or (
                    isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
                )
                simple = simple or (isinstance(value, ast.Compare) and len(value.ops) == 1)
                if self._returns_bool and not simple:
                    raw = self._source[self._start(value) : self._end(value)].decode()
                    self._instead(value, f"not ({raw})", "return value negated")
                self._look(value)
            case ast.Match(cases=cases):
                self._look(node.subject)
                for case in cases:
                    self._statement = (case.pattern.lineno, case.pattern.end_lineno or case.pattern.lineno)
                    if case.guard is not None:
                        self._condition(case.guard)
                        self._look(case.guard)
                    self._body(case.body)
            case _:
                self._parts(node)

    def _parts(self, node: ast.stmt) -> None:
        head = self._statement
        if isinstance(node, ast.If | ast.While):
            self._condition(node.test)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._statement = head
                self._look(child)
            elif isinstance(child, ast.withitem):
                self._statement = head
                self._look(child.context_expr)
        for name in ("body", "orelse", "finalbody"):
            self._body(getattr(node, name, []))
        for handler in getattr(node, "handlers", []):
            self._body(handler.body)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in ("__repr__", "__str__"):
            return
        head = (node.lineno, max(node.body[0].lineno - 1, node.lineno))
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self._statement = head
                self._look(default)
        outside, said = self._function, self._returns_bool
        if outside is None:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            self._function = (".".join([*self._names, node.name]), first)
        self._returns_bool = isinstance(node.returns, ast.Name) and node.returns.id == "bool"
        self._body(node.body)
        self._function, self._returns_bool = outside, said

    def _condition(self, test: ast.expr) -> None:
        if isinstance(test, ast.Name | ast.Attribute | ast.Call):
            self._instead(test, f"not {self._said(test)}", "condition negated")

    # -- expressions

    def _look(self, node: ast.expr) -> None:
        match node:
            case ast.JoinedStr():
                return
            case ast.Constant(value=value):
                self._constant(node, value)
            case ast.Compare():
                for left, operator, right in zip(
                    [node.left, *node.comparators], node.ops, node.comparators, strict=False
                ):
                    shown, others = _COMPARISONS[type(operator).__name__]
                    for other in others:
                        self._between(left, right, shown, other)
            case ast.BoolOp():
                words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    self._between(left, right, *words)
            case ast.UnaryOp(op=ast.Not()):
                self._note("not removed", self._start(node), self._start(node) + len("not"), "")
            case ast.IfExp():
                self._condition(node.test)
            case ast.BinOp():
                self._sum(node)
            case ast.Call():
                self._call(node)
            case ast.Attribute(attr="EMERGENCY" | "ORDERLY" as urgency) if "Urgency" in self._said(
                node.value
            ):
                other = {"EMERGENCY": "ORDERLY", "ORDERLY": "EMERGENCY"}[urgency]
                self._instead(node, f"{self._said(node.value)}.{other}")
            case ast.Subscript():
                self._look(node.value)
                return
            case _:
                pass
        for child in self._children(node):
            self._look(child)

    def _children(self, node: ast.expr) -> Iterator[ast.expr]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield child
            elif isinstance(child, ast.keyword):
                if child.arg not in _FORMAL:
                    yield child.value
            elif isinstance(child, ast.comprehension):
                yield child.iter
                yield from child.ifs

    def _constant(self, node: ast.Constant, value: object) -> None:
        if isinstance(value, bool):
            self._instead(node, str(not value))
        elif isinstance(value, int):
            more = max(round(1.3 * value), value + 1)
            for other in (more, 0) if value else (1,):
                self._instead(node, str(other))
        elif isinstance(value, float):
            for number in (float(f"{1.3 * value:.12g}"), 0.0) if value else (1.0,):
                self._instead(node, repr(number))

    def _sum(self, node: ast.BinOp) -> None:
        texts = (ast.JoinedStr, ast.List, ast.Tuple)
        sides = (node.left, node.right)
        if any(
            isinstance(side, texts)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
            for side in sides
        ):
            return
        if (words := _ARITHMETIC.get(type(node.op).__name__)) is not None:
            self._between(node.left, node.right, *words)
        # A time from now on: later by 30 %, and at once.
        from_now = isinstance(node.op, ast.Add) and self._said(node.left).endswith("now")
        if from_now and not isinstance(node.right, ast.Constant):
            said = self._said(node.right)
            self._instead(node.right, f"1.3 * ({said})", "30 % later")
            self._instead(node.right, "0.0", "at once")

    @staticmethod
    def _name(node: ast.Call) -> str:
        return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")

    def _call(self, node: ast.Call) -> None:
        name = self._name(node)
        if name in ("min", "max"):
            self._instead(node.func, {"min": "max", "max": "min"}[name])
        if name == "round":
            node.args[1:] = []
        if name in _SAFE_VALUES and node is not self._dropped:
            self._instead(node, "[]", f"drop {self._said(node)}")
        if name in _SAFE_ACTIONS and node is not self._dropped:
            self._instead(node, "*()", f"drop {self._said(node)}")

    def _is_safe_call(self, node: ast.Call) -> bool:
        if not isinstance(node.func, ast.Attribute):
            return False
        name, owner = node.func.attr, self._said(node.func.value)
        return name in _SAFE_CALLS or (name in _TIMER_CALLS and "timer" in owner.lower())


def place(file: str, source: bytes, start: int, end: int, becomes: str) -> Mutant:
    """The mutant of any edit: within which statement and which function it is."""
    first, last = (source.count(b"\n", 0, at) + 1 for at in (start, end))
    function: tuple[str, int] | None = None
    around = (first, last)

    def walk(nodes: list[ast.stmt], names: list[str]) -> None:
        nonlocal function, around
        for node in nodes:
            decorators = getattr(node, "decorator_list", [])
            begins = min([node.lineno, *(one.lineno for one in decorators)])
            if not begins <= first <= (node.end_lineno or node.lineno):
                continue
            body = getattr(node, "body", [])
            inner = names
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if function is None and first >= body[0].lineno:
                    function = ".".join([*names, node.name]), begins
            elif isinstance(node, ast.ClassDef):
                inner = [*names, node.name]
            elif not body:
                around = (node.lineno, node.end_lineno or node.lineno)
            parts = [*getattr(node, "handlers", []), *getattr(node, "cases", [])]
            for part in (body, getattr(node, "orelse", []), getattr(node, "finalbody", [])):
                walk(part, inner)
            for one in parts:
                walk(one.body, inner)

    walk(ast.parse(source).body, [])
    text = source.splitlines()[first - 1].decode().strip()
    return Mutant(file, first, text, "", start, end, becomes.encode(), around, function)
