"""The keys of a settings class: type, unit, range, default and meaning of each, all
taken from the class itself.

The meaning is the string under the field in the source, the unit the ending of its name,
the range its ``msgspec.Meta``.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from iso15118.connector import ConnectorSettings
from iso15118.link.slac.settings import SlacSettings, SlacTiming
from iso15118.link.spe.settings import SpeSettings
from iso15118.timing import DinTiming, Iso2Timing, Timing

__all__ = ["Field", "enum_names", "fields"]

_UNITS = {
    "_a_per_s": "A/s",
    "_ohm": "ohm",
    "_percent": "percent",
    "_wh": "Wh",
    "_kwh": "kWh",
    "_kw": "kW",
    "_w": "W",
    "_share": "share, 1 is all of it",
    "_factor": "times as much",
    "_soc": "percent",
    "soc": "percent",
    "_a": "A",
    "_v": "V",
    "_days": "days",
    "t_step_ef": "seconds",
    "t_step_x1": "seconds",
    "_s": "seconds",
    "_timer": "bit times",
}
_UNIT_OF: dict[type, str] = {
    Timing: "seconds",
    Iso2Timing: "seconds",
    DinTiming: "seconds",
    ConnectorSettings: "seconds",
    SlacTiming: "seconds",
    SpeSettings: "seconds",
    SlacSettings: "dB",
}
"""Classes whose every ``float`` has the same unit."""


class Field(Struct, frozen=True, kw_only=True):
    """One key. ``kind`` is its type without ``None`` and ranges, ``item`` the type of the items of a list."""

    name: str
    kind: Any
    item: Any = None
    default: Any = msgspec.NODEFAULT
    optional: bool = False
    """It may be absent and then stands for nothing."""
    least: float | None = None
    most: float | None = None
    meaning: str = ""
    unit: str = ""
    """Unit of a number, empty if it has none."""
    choices: tuple[str, ...] = ()
    """Names to choose from where the type says text: ``Meta(extra={"choices": ...})``."""

    @property
    def is_table(self) -> bool:
        """It has keys of its own."""
        return isinstance(self.kind, type) and issubclass(self.kind, Struct)

    @property
    def has_tables(self) -> bool:
        """It is a list of tables with keys of their own."""
        return isinstance(self.item, type) and issubclass(self.item, Struct)

    @property
    def values(self) -> list[str] | None:
        """The names to choose from, if it is a choice or a list of choices."""
        if self.choices:
            return list(self.choices)
        kind = self.item if self.item is not None else self.kind
        if get_origin(kind) is Literal:
            return [str(value) for value in get_args(kind)]
        if isinstance(kind, type) and issubclass(kind, Enum):
            return list(enum_names(kind))
        return None

    @property
    def wanted(self) -> str:
        """What the value has to be, in words."""
        if self.has_tables:
            return f"tables, each written [[{self.name}]]"
        if self.item is not None:
            return "a list of " + ", ".join(self.values or ["texts"])
        if self.values is not None:
            return "one of " + ", ".join(self.values)
        words = {
            bool: "true or false",
            int: "a whole number",
            float: "a number",
            str: "a text",
            bytes: "a text of hexadecimal bytes",
        }
        text = words.get(self.kind, "a path")
        if self.least is not None and self.most is not None:
            text += f" from {self.least:g} to {self.most:g}"
        elif self.least is not None:
            text += f", {self.least:g} or more"
        return f"{text}, in {self.unit}" if self.unit else text


def enum_names(kind: type[Enum]) -> dict[str, Enum]:
    """Members of an enumeration by the names that files use: ``MCS_BPT`` is written ``mcs-bpt``."""
    return {member.name.lower().replace("_", "-"): member for member in kind}


@cache
def fields(kind: type[Struct]) -> tuple[Field, ...]:
    """The keys of a settings class, in their order."""
    return tuple(_fields(kind))


def _fields(kind: type[Struct]) -> Iterator[Field]:
    hints = get_type_hints(kind, include_extras=True)
    meanings = _meanings(kind)
    for one in msgspec.structs.fields(kind):
        annotation, metas = _without_meta(hints[one.name])
        optional = get_origin(annotation) in (Union, UnionType)
        if optional:
            annotation = next(part for part in get_args(annotation) if part is not NoneType)
            annotation, inner = _without_meta(annotation)
            metas += inner
        is_list, item = get_origin(annotation) is tuple, None
        if is_list:  # a range of a list is that of its items
            item, inner = _without_meta(get_args(annotation)[0])
            metas += inner
        default = one.default
        if one.default_factory is not msgspec.NODEFAULT:
            default = one.default_factory()
        choices = next(
            (meta.extra["choices"] for meta in metas if meta.extra and "choices" in meta.extra), ()
        )
        yield Field(
            choices=choices,
            name=one.name,
            kind=list if is_list else annotation,
            item=item,
            default=default,
            optional=optional,
            least=next((meta.ge for meta in metas if meta.ge is not None), None),
            most=next((meta.le for meta in metas if meta.le is not None), None),
            meaning=meanings.get(one.name, ""),
            unit=_unit(kind, one.name, annotation),
        )


def _unit(kind: type, name: str, annotation: Any) -> str:
    if annotation not in (int, float):
        return ""
    if annotation is float and kind in _UNIT_OF:
        return _UNIT_OF[kind]
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")


def _without_meta(annotation: Any) -> tuple[Any, list[msgspec.Meta]]:
    if get_origin(annotation) is not Annotated:
        return annotation, []
    kind, *extras = get_args(annotation)
    return kind, [extra for extra in extras if isinstance(extra, msgspec.Meta)]


def _meanings(kind: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        # What a class takes over from another, it means as there.
        if issubclass(base, Struct) and base is not Struct:
            found |= _own_meanings(base)
    return found


def _own_meanings(kind: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, text in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found[field.target.id] = " ".join(text.value.value.split())
    return found
