"""A station's file with several connectors: ``[[connector]]`` tables, each with what is different
there; the rest holds for all.

A file without such tables is a station with one connector, as ever.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from iso15118.errors import ConfigError

from .overrides import Override, override
from .reading import read_toml
from .roles import ELSEWHERE, SeccSettings, secc_of
from .several import NAME, Cables, names_of, read_each, tables_of
from .writing import json_schema, to_toml

__all__ = [
    "TABLE",
    "OneConnector",
    "connectors_schema",
    "connectors_to_builtins",
    "connectors_to_toml",
    "has_connectors",
    "load_connectors",
]

TABLE: Final = "connector"
"""Name of the tables."""
MOST: Final = 64
"""Connectors of one process: each has sockets, timers and hardware of its own."""
_NOT_ASSIGNED: Final = SeccSettings().session.evse_id
_WITHOUT: Final = frozenset(ELSEWHERE) | {f"{TABLE}.{key}" for key in ELSEWHERE}


class OneConnector(Struct, frozen=True):
    """One connector of a station. ``name``: the one that results and logs show; empty where the
    file has one connector alone."""

    name: str
    settings: SeccSettings


def has_connectors(path: Path) -> bool:
    """This file has ``[[connector]]`` tables. Raises ``ConfigError`` for one that is no TOML."""
    return TABLE in read_toml(path)


def load_connectors(path: Path, overrides: Sequence[Override] = ()) -> tuple[OneConnector, ...]:
    """Every connector of a station's file, in its order, and ``overrides`` over what is said of each. Raises
    ``ConfigError`` for what is wrong with one, or with two."""
    table = read_toml(path)
    if TABLE not in table:
        override(table, overrides, SeccSettings)
        return (OneConnector("", secc_of(table, path)),)
    own = tables_of(table.pop(TABLE), TABLE, MOST)
    names = names_of(own, TABLE)
    override(deepcopy(table), overrides, SeccSettings)  # what there is no key for is of no connector

    def one_of(number: int, merged: dict[str, Any]) -> OneConnector:
        override(merged, overrides, SeccSettings)
        return OneConnector(names[number], secc_of(merged, path))

    found = tuple(read_each(one_of, table, own, names, TABLE, [one.key for one in overrides]))
    _check_together(found)
    return found


# -- what does not go together
# --------------------------------------------------------------------------------


def _check_together(connectors: tuple[OneConnector, ...]) -> None:
    """A vehicle is answered by the connector that it is plugged into, and by nobody else; so each
    has an interface of its own."""
    cables = Cables(TABLE, "connector")
    listening: dict[tuple[str, int], str] = {}
    ids: dict[str, str] = {}
    for number, one in enumerate(connectors):
        settings, where = one.settings, f"{TABLE}[{number}]"
        cables.check(
            number,
            one.name,
            settings.interface,
            settings.sdp_port,
            settings.link,
            "both would answer the discovery of one vehicle, and it could begin a session with the plug that it is not in",
        )
        port = (settings.interface, settings.port)
        if settings.port and listening.setdefault(port, one.name) != one.name:
            raise ConfigError(
                f"{where}.port",
                f"connector {listening[port]!r} listens at TCP port {settings.port} of {settings.interface!r}",
                "0, or a port for each",
            )
        evse_id = settings.session.evse_id
        if evse_id != _NOT_ASSIGNED and ids.setdefault(evse_id, one.name) != one.name:
            raise ConfigError(
                f"{where}.session.evse_id",
                f"{evse_id!r} is that of connector {ids[evse_id]!r}: an EVSEID names one outlet",
                "an id for each connector",
            )


def connectors_to_builtins(connectors: tuple[OneConnector, ...]) -> dict[str, Any]:
    """The same as tables and plain values, for JSON."""
    return tomllib.loads(connectors_to_toml(connectors))


# -- shown
# ----------------------------------------------------------------------------------------------------


def connectors_to_toml(connectors: tuple[OneConnector, ...]) -> str:
    """The file that says the same, with every key of every connector."""
    if [one.name for one in connectors] == [""]:
        return to_toml(connectors[0].settings, without=_WITHOUT) + "\n" + "\n".join(_comment())
    tables = [
        "\n".join((f"# Connector {one.name}.", f"[[{TABLE}]]", f'name = "{one.name}"', _body(one.settings)))
        for one in connectors
    ]
    return "\n".join(tables)


def _body(settings: SeccSettings) -> str:
    return to_toml(settings, without=_WITHOUT, where=TABLE)


def _comment() -> Iterator[str]:
    yield "# Several connectors in one process: a table [[connector]] for each, with a name and whatever keys and tables of the above"
    yield "# are different there, such as interface, [connector.link], [connector.tls] and [connector.station]. Each has an interface of"
    yield "# its own."
    yield f"# [[{TABLE}]]"
    yield '# name = "left"'
    yield '# interface = "eth1"'


def connectors_schema(station: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a station's file, of which ``station`` is the part for one connector."""
    one = json_schema(SeccSettings, without=_WITHOUT, where="")
    properties = {
        "name": {
            "type": "string",
            "pattern": f"^{NAME.pattern}$",
            "description": "Name of the connector in results and logs; absent: its number, from 1 on.",
        },
        **one["properties"],
    }
    tables = {
        "type": "array",
        "minItems": 1,
        "maxItems": MOST,
        "items": {**one, "properties": properties},
        "description": "Several connectors in one process; what a table does not say is as the rest of the file has it.",
    }
    return {**station, "properties": {**station["properties"], TABLE: tables}}
