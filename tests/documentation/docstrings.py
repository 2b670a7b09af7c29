"""Which public names say too little: found in the syntax trees of the modules that are in the API reference.

Public is what ``__all__`` of one of these modules names, where it is defined, and the public methods and
properties of such a class. Each has a docstring. A float that it takes, gives or holds has its unit in its
name or in a docstring; what it raises itself is named in one.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tools.api_reference import MODULES

ROOT = Path(__file__).parents[2]

UNIT_IN_NAME = re.compile(
    r"(^|_)(s|ms|us|v|a|w|wh|kw|kwh|hz|ohm|db|dbm|soc|percent|mm|cm|m|va|var|days?|minutes|per_s|now|at|seconds"
    r"|share|factor|ratio|deadline|scale)$"
)
"""``now``, ``at`` and ``deadline`` are moments, in s on the clock of whoever calls; a share, factor,
ratio and scale have no unit."""
UNIT_IN_TEXT = re.compile(
    r"\b(s|ms|[Ss]econds?|days|minutes|V|A|W|Wh|kW|kWh|Hz|ohm|percent|var|VA|dB|dBm|mm|cm|m"
    r"|shares?|factor|ratio|per unit|unit|moments?|clock|SI|times)\b|%"
)
NUMBER = re.compile(r"float( \| None)?")
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def exported(path: Path) -> list[str]:
    for node in tree(path).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            value = getattr(node, "value", None)
            return list(ast.literal_eval(value)) if value is not None else []
    return []


def text_below(body: list[ast.stmt], place: int) -> str:
    after = body[place + 1] if place + 1 < len(body) else None
    is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    return str(after.value.value) if is_text else ""  # type: ignore[union-attr]


def defining_files() -> dict[Path, set[str]]:
    """File -> names that are public there: of the modules themselves, and of those that they pass on."""
    found: dict[Path, set[str]] = {}
    for module in MODULES:
        path = path_of(module)
        _follow(path, set(exported(path)), found)
    return {path: names for path, names in found.items() if "messages" not in path.parts}


def _follow(path: Path, names: set[str], found: dict[Path, set[str]]) -> None:
    here = path.relative_to(ROOT).parts[:-1]
    own = set(names)
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = here[: len(here) - node.level + 1] if node.level else ()
        module = ".".join((*base, *([node.module] if node.module else ())))
        passed = {alias.name for alias in node.names if (alias.asname or alias.name) in names}
        if passed and module.startswith("iso15118"):
            own -= passed
            _follow(path_of(module), passed, found)
    found.setdefault(path, set()).update(own)


def raised(function: FUNCTION) -> set[str]:
    """Exceptions that it raises itself, by name; not what it catches or lets pass,
    and not what is abstract."""
    found = {name for node in function.body for name in _raised_in(node)}
    return found - {"NotImplementedError", "AssertionError"}


def _raised_in(node: ast.AST) -> set[str]:
    if isinstance(node, FUNCTION | ast.ClassDef | ast.Lambda):
        return set()
    if isinstance(node, ast.Raise) and node.exc is not None:
        what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = what.attr if isinstance(what, ast.Attribute) else getattr(what, "id", "")
        return {name} if name[:1].isupper() else set()
    if isinstance(node, ast.Try):
        caught = {ast.unparse(one.type) for one in node.handlers if one.type is not None}
        inside = {name for one in node.body for name in _raised_in(one) if not _is_caught(name, caught)}
        beside = [*node.handlers, *node.orelse, *node.finalbody]
        return inside | {name for one in beside for name in _raised_in(one)}
    return {name for one in ast.iter_child_nodes(node) for name in _raised_in(one)}


def _is_named(name: str, text: str) -> bool:
    """By itself, or by a class above it, as OSError."""
    kind = getattr(builtins, name, Exception)
    return any(one in text for one in (name, *(base.__name__ for base in kind.__mro__[:-3])))


def _is_caught(name: str, caught: set[str]) -> bool:
    kind = getattr(builtins, name, Exception)
    above = {one.__name__ for one in kind.__mro__} | {name, "Exception"}
    return bool(above & caught)


def is_number(annotation: ast.expr | None) -> bool:
    return annotation is not None and NUMBER.fullmatch(ast.unparse(annotation)) is not None


def of_function(function: FUNCTION, beside: str = "") -> Iterator[str]:
    """What its docstring lacks; ``beside``: docstring of its class."""
    own = ast.get_docstring(function) or ""
    if not own and not beside:
        yield "has no docstring"
    if own.startswith("As "):
        return  # what is said there holds here
    text = f"{own} {beside}"
    yield from (
        f"raises {name} and does not say so" for name in sorted(raised(function)) if not _is_named(name, text)
    )
    taken = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    for one in taken:
        if is_number(one.annotation) and not UNIT_IN_NAME.search(one.arg) and not UNIT_IN_TEXT.search(text):
            yield f"takes the number {one.arg} without a unit"
    if (
        is_number(function.returns)
        and not UNIT_IN_NAME.search(function.name)
        and not UNIT_IN_TEXT.search(text)
    ):
        yield "gives a number without a unit"


def of_class(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    own = ast.get_docstring(node) or ""
    if not own:
        yield node.name, "has no docstring"
    for place, inside in enumerate(node.body):
        if isinstance(inside, FUNCTION):
            name = f"{node.name}.{inside.name}"
            if inside.name in ("__init__", "__post_init__"):
                yield from ((name, lack) for lack in of_function(inside, own or "-"))
            elif not inside.name.startswith("_"):
                if not ast.get_docstring(inside):
                    yield name, "has no docstring"
                yield from ((name, lack) for lack in of_function(inside, own or "-"))
        elif isinstance(inside, ast.AnnAssign) and isinstance(inside.target, ast.Name):
            field = inside.target.id
            text = f"{text_below(node.body, place)} {own}"
            bare = is_number(inside.annotation) and not UNIT_IN_NAME.search(field)
            if bare and not field.startswith("_") and not UNIT_IN_TEXT.search(text):
                yield f"{node.name}.{field}", "is a number without a unit"


def lacking(path: Path, names: set[str]) -> Iterator[str]:
    """One line for each public name of this file that says too little."""
    where = path.relative_to(ROOT).as_posix()
    body = tree(path).body
    for place, node in enumerate(body):
        lacks: list[tuple[str, str]] = []
        if isinstance(node, FUNCTION) and node.name in names:
            lacks = [(node.name, lack) for lack in of_function(node)]
        elif isinstance(node, ast.ClassDef) and node.name in names:
            lacks = list(of_class(node))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if (
                isinstance(target, ast.Name)
                and target.id in names - {"__version__"}
                and not text_below(body, place)
            ):
                lacks = [(target.id, "has no docstring")]
        yield from (f"{where}:{node.lineno} {name} {lack}" for name, lack in lacks)
