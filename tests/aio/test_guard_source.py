"""What the source of the drivers has to look like, read from it: foreign code is reached through the guard
alone, and nothing that can fail or block stands before a step that makes safe.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from iso15118.session.ports import Station, Vehicle

AIO = Path(__file__).parents[2] / "iso15118" / "aio"

LOGS_BY_ITSELF = {"logs.py", "output.py", "workers.py"}
"""The way to the log, and processes without sessions of their own, which say nothing at all."""

ORDERED = (
    "driver.py",
    "finishing.py",
    "hardware.py",
    "station_hardware.py",
    "vehicle_hardware.py",
    "contactor_calls.py",
    "port_calls.py",
)

MAKES_SAFE = {"make_safe", "stop", "open", "tell", "_withdraw", "_stop_power", "_open_contactors"}
"""Methods that ask for a safe hardware, or tell the session so that it does."""

CAN_FAIL_OR_BLOCK = {
    "_news", "news", "tell_news", "observer", "_watch", "_show", "show", "_tell_audience", "_tell_rest",
    "record", "_record", "recorded", "_say", "write_down", "describe",
}  # fmt: skip
"""By which an application is called or a line is written, by the names that the sources have for it. Not
``note`` and ``note_turn`` of the audience: they put down what is told later."""
PUTS_DOWN = {"note", "note_turn"}
STREAM = {"close", "abort", "send"}

PORT_FIELDS = {field.name for bundle in (Station, Vehicle) for field in dataclasses.fields(bundle)}


def sources() -> list[Path]:
    return sorted(path for path in AIO.rglob("*.py") if path.name != "__init__.py")


def tree(name: str) -> ast.Module:
    """The one module of this name, in whichever room it is."""
    (path,) = AIO.rglob(name)
    return ast.parse(path.read_text())


def ids(path: Path) -> str:
    return path.name


def imports_logging(module: ast.Module) -> bool:
    for node in ast.walk(module):
        if isinstance(node, ast.Import) and any(
            alias.name.split(".")[0] == "logging" for alias in node.names
        ):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "logging":
            return True
    return False


@pytest.mark.parametrize("path", sources(), ids=ids)
def test_nobody_but_the_log_imports_logging(path: Path) -> None:
    if path.name in LOGS_BY_ITSELF:
        return
    assert not imports_logging(tree(path.name)), (
        f"{path.name}: use aio.logs.Log, which never raises or blocks"
    )


# -- ports are reached by the guard -------------------------------------------------------------------------


def port_attributes() -> set[str]:
    """What the ports of a station and a vehicle are made of, as their tables have it."""
    from iso15118.session import ports

    return {name for table in (ports._STATION, ports._VEHICLE) for port in table.values() for name in port}


def is_port(node: ast.expr) -> bool:
    """``self.station.power``, ``vehicle.contactors`` and the like: a field of the bundle itself."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr in PORT_FIELDS
        and isinstance(node.value, ast.Name | ast.Attribute)
        and (node.value.id if isinstance(node.value, ast.Name) else node.value.attr) in {"station", "vehicle"}
    )


def reaches(module: ast.Module) -> Iterator[str]:
    attributes = port_attributes()
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and is_port(node.value):
            yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            name = node.args[1]
            if is_port(node.args[0]) or (isinstance(name, ast.Constant) and name.value in attributes):
                yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", sources(), ids=ids)
def test_nobody_but_the_guard_reaches_into_a_port(path: Path) -> None:
    if path.name == "guard.py":
        return
    assert list(reaches(tree(path.name))) == [], "wrap the port with guard.Port"


def test_that_would_be_seen() -> None:
    module = ast.parse(
        "def f(self):\n    self.station.power.stop()\n    getattr(x, 'closed')\n    station.meter.read\n"
        "    self.vehicle.receiver.measure()\n    getattr(station.pad, name)\n    station.ac\n"
    )
    assert len(list(reaches(module))) == 5


@pytest.mark.parametrize(
    "name", ["driver.py", "hardware.py", "station_hardware.py", "vehicle_hardware.py", "idle.py"]
)
def test_the_drivers_put_nobodys_exception_into_words_but_by_the_guard(name: str) -> None:
    """``str(error)`` of a foreign exception may raise; of our own ``HardwareError`` it may not."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ExceptHandler) and node.name is not None:
            kind = ast.unparse(node.type) if node.type is not None else ""
            if kind == "HardwareError":
                continue
            for inside in ast.walk(node):
                if isinstance(inside, ast.FormattedValue):
                    used = {n.id for n in ast.walk(inside) if isinstance(n, ast.Name)}
                    assert node.name not in used, f"{name}, line {inside.lineno}: use describe()"


# -- the order
# ------------------------------------------------------------------------------------------------


def called(node: ast.AST) -> str:
    """The name of what is called, or handed to ``each`` or ``partial`` to be called."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr
        if isinstance(node.func, ast.Name):
            return node.func.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return ""


def is_log(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    return name == "print" or name.startswith(("_log.", "logging.", "self._story."))


def is_stream(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STREAM):
        return False
    return "stream" in ast.unparse(node.func.value)


def in_order(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Everything in it, as it is written; what is defined inside is not run here."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
                continue
            if (
                isinstance(child, ast.If)
                and leaves(child)
                and not any(makes_safe(n) for n in ast.walk(child))
            ):
                continue  # another way out, on which there is nothing to be made safe
            yield child
            yield from walk(child)

    yield from walk(function)


def leaves(branch: ast.If) -> bool:
    return not branch.orelse and isinstance(branch.body[-1], ast.Return)


def makes_safe(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call | ast.Attribute)
        and called(node) in MAKES_SAFE
        and "stream" not in ast.unparse(node)
    )


def early(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What stands before the first step that makes safe and must not; empty if nothing does, or if the
    function makes nothing safe."""
    steps = list(in_order(function))
    safe = [(node.lineno, node.col_offset) for node in steps if makes_safe(node)]  # type: ignore[attr-defined]  # an expression
    if not safe:
        return ""
    first = min(safe)
    for node in steps:
        if not isinstance(node, ast.Call) or (node.lineno, node.col_offset) >= first:
            continue
        if is_log(node) or is_stream(node) or called(node) in CAN_FAIL_OR_BLOCK:
            return f"line {node.lineno}: {ast.unparse(node)} stands before what makes safe"
    return ""


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("name", ORDERED)
def test_nothing_that_can_fail_or_block_stands_before_what_makes_safe(name: str) -> None:
    found = {function.name: why for function in functions(tree(name)) if (why := early(function))}
    assert found == {}


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("def f(self):\n    _log.error('x')\n    self.hardware.make_safe('y')", True),
        ("def f(self):\n    self.hardware.make_safe('y')\n    _log.error('x')", False),
        ("def f(self):\n    self.stream.close()\n    each(self.hardware.make_safe)", True),
        ("def f(self):\n    self.audience.show()\n    self.tell(ev.TransportLost())", True),
        ("def f(self):\n    self._tell_audience()\n    each(self.hardware.make_safe)", True),
        ("def f(self):\n    self._story.turn(1, [])\n    each(self.hardware.make_safe)", True),
        ("def f(self):\n    self.audience.note(1, end)\n    self.tell(ev.TransportLost())", False),
        ("def f(self):\n    text = describe(error)\n    self.contactors.open(text)", True),
        ("def f(self):\n    each(partial(self.hardware.make_safe, d), self.stream.close)", False),
        ("def f(self):\n    self.stream.send(1)", False),
    ],
)
def test_that_order_would_be_seen(source: str, wrong: bool) -> None:
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert bool(early(function)) is wrong


def in_use(module: ast.Module) -> Iterator[str]:
    """Names of all that is called, or handed to somebody who calls it."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield called(node)
            yield from (called(argument) for argument in node.args if isinstance(argument, ast.Attribute))


def test_each_of_those_names_is_one_of_the_sources() -> None:
    """One that is called otherwise now would be looked for in vain."""
    used = {name for path in sources() for name in in_use(tree(path.name))}
    assert CAN_FAIL_OR_BLOCK - used == set()
    assert PUTS_DOWN - used == set()
    assert MAKES_SAFE - used == set()


def test_what_only_puts_down_calls_nobody() -> None:
    found = [one for one in functions(tree("audience.py")) if one.name in PUTS_DOWN]
    assert {one.name for one in found} == PUTS_DOWN
    calls = {called(node) for one in found for node in ast.walk(one) if isinstance(node, ast.Call)}
    assert calls == {"append", "isinstance", "type"}


def test_the_functions_that_make_safe_are_looked_at() -> None:
    """The rule above holds for something: these have it in them."""
    for name, function in (
        ("driver.py", "abandon"),
        ("driver.py", "_break"),
        ("driver.py", "stream_ended"),
        ("station_hardware.py", "make_safe"),
        ("vehicle_hardware.py", "make_safe"),
        ("hardware.py", "settle"),
    ):
        found = [f for f in functions(tree(name)) if f.name == function]
        assert any(makes_safe(node) for f in found for node in in_order(f)), (name, function)
