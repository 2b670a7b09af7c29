"""No setting without an effect: every field of every settings class is read somewhere outside its own
class."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.settings import roles
from iso15118.timing import EVCC_MESSAGE_TIMEOUT, SECC_PERFORMANCE_TIME, DinTiming, Iso2Timing, Timing

PACKAGE = Path(__file__).parents[2] / "iso15118"
ACCESSORS = {"message_timeout_of": EVCC_MESSAGE_TIMEOUT, "answer_time_of": SECC_PERFORMANCE_TIME}
"""Methods of ``Timing`` that read a field by the name of a request."""
FOLDED: dict[tuple[type, str], str] = {(EvccConfig, "control_mode"): "control_modes"}
"""A field that its own class turns into another one."""


def settings_classes() -> list[type[msgspec.Struct]]:
    """The classes of both roles, and of every table in their files."""
    found: list[type[msgspec.Struct]] = []
    queue: list[type[msgspec.Struct]] = [
        SeccConfig,
        EvccConfig,
        Timing,
        roles.SeccSettings,
        roles.EvccSettings,
    ]
    while queue:
        kind = queue.pop()
        if kind in found:
            continue
        found.append(kind)
        for field in msgspec.structs.fields(kind):
            queue += [one for one in named_in(field.type) if one not in found]
    return sorted(found, key=lambda kind: kind.__name__)


def named_in(annotation: object) -> list[type[msgspec.Struct]]:
    """The classes of settings in a type: itself, or an item of a tuple, or one of several."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [annotation]
    return [one for part in get_args(annotation) for one in named_in(part)]


@cache
def read_outside(kind: type) -> set[str]:
    """Names read anywhere in the package but in the body of this class, or in a method of it
    that is called from outside."""
    home = Path(str(__import__(kind.__module__, fromlist=["_"]).__file__))
    names: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if path != home:
            names |= read_in(path)
    tree = ast.parse(home.read_text(encoding="utf-8"))
    (body,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    tree.body.remove(body)
    own = [node for node in body.body if isinstance(node, ast.FunctionDef)]
    names |= attributes(tree)
    for method in own:
        if method.name in names:
            names |= attributes(method)
    for accessor, table in ACCESSORS.items():
        if kind is Timing and accessor in names:
            names |= set(table.values())
    return names


@cache
def read_in(path: Path) -> frozenset[str]:
    """Names read in a file as an attribute, or by name as a timer that is chosen from a table."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return frozenset(strings | attributes(tree))


def attributes(tree: ast.AST) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize("kind", settings_classes(), ids=lambda kind: kind.__name__)
def test_every_setting_is_read(kind: type[msgspec.Struct]) -> None:
    read = read_outside(kind)
    unread = [name for name in kind.__struct_fields__ if FOLDED.get((kind, name), name) not in read]
    assert unread == []


@pytest.mark.parametrize(("edition", "kind"), [("iso2", Iso2Timing), ("din", DinTiming)])
def test_a_timer_of_an_edition_is_one_there_or_refused(edition: str, kind: type[Iso2Timing]) -> None:
    rooms = [
        *(path for role in ("secc", "evcc") for path in (PACKAGE / role).glob("*.py")),
        *(path for role in ("secc", "evcc") for path in (PACKAGE / role / edition).glob("*.py")),
        *(path for room in ("session", "aio") for path in (PACKAGE / room).rglob("*.py")),
    ]
    read = frozenset[str]().union(*map(read_in, rooms))
    needless = [one for one in msgspec.structs.fields(kind) if one.name not in read]
    assert {"sdp_retry", "positioning_timeout"} <= {one.name for one in needless}
    for one in needless:
        with pytest.raises(ConfigError, match=f"timing.{one.name}: nothing in this edition goes by it"):
            kind(**{one.name: one.default + 1})
        kind(**{one.name: one.default})  # as a file has it that lists every key
    others = {one.name: one.default for one in msgspec.structs.fields(kind) if one not in needless}
    assert kind(**others | {"close_wait": 4.0}).close_wait == 4.0


def test_the_walk_finds_the_classes() -> None:
    names = {kind.__name__ for kind in settings_classes()}
    assert names >= {
        "SeccConfig",
        "EvccConfig",
        "Timing",
        "SeccSettings",
        "EvccSettings",
        "TlsSettings",
        "VehicleSettings",
        "SlacTiming",
        "VehicleQuirk",
        "StationQuirk",
        "OwnParameterSet",
        "OwnWish",
    }
