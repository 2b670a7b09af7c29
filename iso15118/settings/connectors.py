"""A station's file with several connectors: ``[[connector]]`` tables, each with what is different
there; the rest holds for all.

A file without such tables is a station with one connector, as ever.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from iso15118.errors import ConfigError, Problems

from .choice import shown
from .overrides import Override, override
from .reading import read_toml
from .roles import ELSEWHERE, SeccSettings, secc_of
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
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_SOURCES: Final = ("pki", "store", "certificate", "key", "chain", "anchors", "key_password_file")
"""Keys of [tls] and [tls.iso2] that say where certificates are from: a connector that has one of
them takes none of them over."""
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
    own = _tables(table.pop(TABLE))
    names = [_name(number, one) for number, one in enumerate(own)]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(
                f"{TABLE}[{number}].name", f"{name!r} is the name of another one", "a name for each"
            )
    found = tuple(
        OneConnector(name, _settings(number, name, table, one, path, overrides))
        for number, (name, one) in enumerate(zip(names, own, strict=True))
    )
    _check_together(found)
    return found


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(
            TABLE, f"{shown(value)} is no list of tables", f"write each as [[{TABLE}]] with its keys below"
        )
    if not 1 <= len(value) <= MOST:
        raise ConfigError(TABLE, f"there are {len(value)}", f"1 to {MOST} tables [[{TABLE}]]")
    return value


def _name(number: int, own: dict[str, Any]) -> str:
    name = own.pop("name", str(number + 1))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{TABLE}[{number}].name",
            f"{shown(name)} is no name",
            "1 to 32 letters, digits, dots, hyphens and underscores, the first a letter or a digit",
        )
    return name


def _settings(
    number: int,
    name: str,
    common: dict[str, Any],
    own: dict[str, Any],
    path: Path,
    overrides: Sequence[Override],
) -> SeccSettings:
    merged = _over(common, own)
    override(merged, overrides, SeccSettings)
    try:
        return secc_of(merged, path)
    except ConfigError as error:
        problems = Problems()
        for one in error.each:
            with problems.noted():
                # Said where it is written: a key that only the common part has is wrong there, though it may
                # be right for another connector.
                if _has(own, one.key) or not _has(common, one.key):
                    raise ConfigError(f"{TABLE}[{number}].{one.key}", one.reason, one.hint) from error
                raise ConfigError(one.key, f"for connector {name!r}: {one.reason}", one.hint) from error
        problems.tell()
        raise


def _over(common: dict[str, Any], own: dict[str, Any], where: str = "") -> dict[str, Any]:
    """``own``, with what it does not say from ``common``; table by table."""
    merged = deepcopy(common)
    if where in ("tls", "tls.iso2") and any(key in own for key in _SOURCES):
        merged = {key: value for key, value in merged.items() if key not in _SOURCES}
    for key, value in own.items():
        there = merged.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            merged[key] = _over(there, value, f"{where}.{key}" if where else key)
        else:
            merged[key] = deepcopy(value)
    return merged


def _has(table: Any, key: str) -> bool:
    """``key``, dotted and perhaps with the place in a list, is written in this table."""
    for part in re.sub(r"\[\d+\]", "", key).split("."):
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


# -- what does not go together
# --------------------------------------------------------------------------------


def _check_together(connectors: tuple[OneConnector, ...]) -> None:
    """A vehicle is answered by the connector that it is plugged into, and by nobody else; so each
    has an interface of its own."""
    discovery: dict[tuple[str, int], str] = {}
    listening: dict[tuple[str, int], str] = {}
    media: dict[str, str] = {}
    ids: dict[str, str] = {}
    for number, one in enumerate(connectors):
        settings, where = one.settings, f"{TABLE}[{number}]"
        other = discovery.setdefault((settings.interface, settings.sdp_port), one.name)
        if other != one.name:
            raise ConfigError(
                f"{where}.interface",
                f"connector {other!r} is on {settings.interface!r} too: both would answer the discovery of one vehicle, and it could "
                "begin a session with the plug that it is not in",
                "an interface for each connector; for tests on one machine another sdp_port",
            )
        port = (settings.interface, settings.port)
        if settings.port and listening.setdefault(port, one.name) != one.name:
            raise ConfigError(
                f"{where}.port",
                f"connector {listening[port]!r} listens at TCP port {settings.port} of {settings.interface!r}",
                "0, or a port for each",
            )
        if settings.link.plugged and settings.link.backend != "none":
            medium = settings.link.interface or settings.interface
            if media.setdefault(medium, one.name) != one.name:
                raise ConfigError(
                    f"{where}.link.interface",
                    f"the modem or transceiver on {medium!r} is of connector {media[medium]!r}",
                    "one for each connector",
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
            "pattern": f"^{_NAME.pattern}$",
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
