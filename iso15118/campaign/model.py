"""A campaign as its file has it: what kind of cells, the axes of the matrix, the peers and faults that
axes name, and what is left out.

``read`` takes it from a TOML file; everything that is wrong is refused by its key. What
the cells are is in ``plan``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.loopback import LoopbackSpec
from iso15118.scenario import Expect, Step
from iso15118.settings import choose
from iso15118.settings.fields import fields
from iso15118.settings.reading import read_struct, read_toml, read_values

__all__ = ["NO_FAULT", "Campaign", "Fault", "Head", "Peer", "parse", "read"]

NO_FAULT: Final = "none"
"""Value of the axis ``fault`` for a session that is left alone."""
_MOST_VALUES: Final = 10_000
_TABLES: Final = ("campaign", "session", "expect", "matrix", "peer", "fault", "without")
_SESSION: Final = tuple(field.name for field in fields(LoopbackSpec))

Kind = Literal["loopback", "scenario", "fuzz", "decode"]


class Head(Struct, frozen=True, kw_only=True):
    """The table ``[campaign]``."""

    name: str = ""
    """What it is called in its report; absent: as its file."""
    of: Kind = "loopback"
    """What a cell is: a "loopback" session, a "scenario" of a file, "fuzz": changed messages of a session to
    the decoder, or "decode": a capture."""
    seeds: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """So many cells for each of the matrix, with the seeds 1, 2, 3 and so on. Absent: one, without a
    seed (fuzz: with seed 1)."""
    files: tuple[str, ...] = ()
    """scenario, decode: files, or folders with them, relative to this file."""
    keylog: str | None = None
    """decode: file with TLS secrets, where they are not in the captures. Relative to this file."""
    decoded: str | None = None
    """decode: folder to write the entries of each capture into, as `iso15118 decode --json` prints them.
    Relative to this file; absent: they are counted, and not kept."""
    rounds: Annotated[int, Meta(ge=1, le=100_000_000)] = 1000
    """fuzz: changed messages in each cell."""
    longest_s: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 600.0
    """A cell that takes longer is given up, and is an error."""


class Peer(Struct, frozen=True, kw_only=True):
    """A row of ``[[peer]]``: keys of the session that go together under one name."""

    name: str
    session: dict[str, Any]


class Fault(Struct, frozen=True, kw_only=True):
    """A row of ``[[fault]]``: steps as a scenario has them, and what has to come of it."""

    name: str
    steps: tuple[Step, ...]
    expect: Expect


class Campaign(Struct, frozen=True, kw_only=True):
    """A campaign that fits together as far as can be said without its cells."""

    head: Head
    folder: Path
    """What its paths are relative to."""
    session: dict[str, Any] = {}
    """Keys of `iso15118 loopback`, the same in every cell."""
    expect: Expect | None = None
    """What has to come of sessions without a fault; None: that they end as ordered."""
    matrix: dict[str, tuple[Any, ...]] = {}
    """Axis -> its values."""
    peers: dict[str, Peer] = {}
    faults: dict[str, Fault] = {}
    without: tuple[dict[str, Any], ...] = ()
    """Cells that have all of these values are left out."""


def read(path: Path) -> Campaign:
    """The campaign in a TOML file. Raises ``ConfigError`` naming the key."""
    return parse(read_toml(path), path.resolve().parent, path.stem)


def parse(tables: dict[str, Any], folder: Path, name: str) -> Campaign:
    """The same of tables that were read already. Raises ``ConfigError`` for what they cannot say."""
    for key in tables:
        choose("table", key, _TABLES)
    table = _table(tables, "campaign")
    head = read_struct(Head, {"name": name, **table}, "campaign")
    files = head.of in ("scenario", "decode")
    if files is not bool(head.files):
        raise ConfigError(
            "campaign.files",
            "is missing" if files else f"means nothing in a campaign of {head.of!r}",
            "files, or folders with them" if files else "leave it out",
        )
    for key, of in (("keylog", "decode"), ("decoded", "decode"), ("rounds", "fuzz")):
        if key in table and head.of != of:
            raise ConfigError(
                f"campaign.{key}", f"means nothing in a campaign of {head.of!r}", "leave it out"
            )
    peers = {row.name: row for row in map(_peer, *_rows(tables, "peer"))}
    faults = {row.name: row for row in map(_fault, *_rows(tables, "fault"))}
    known = {"peer": tuple(peers), "fault": (NO_FAULT, *faults)}
    campaign = Campaign(
        head=head,
        folder=folder,
        session=_session(_table(tables, "session"), "session"),
        expect=None if "expect" not in tables else read_struct(Expect, _table(tables, "expect"), "expect"),
        matrix={
            key: _axis(f"matrix.{key}", key, values, known)
            for key, values in _table(tables, "matrix").items()
        },
        peers=peers,
        faults=faults,
        without=tuple(row for _, row in zip(*_rows(tables, "without"), strict=True)),
    )
    _check(campaign, set(tables))
    return campaign


def _check(campaign: Campaign, tables: set[str]) -> None:
    of, matrix = campaign.head.of, campaign.matrix
    if of == "decode" and (pointless := tables - {"campaign"}):
        raise ConfigError(min(pointless), "means nothing in a campaign of 'decode'", "leave it out")
    if of != "loopback":
        for key in ("fault", "expect"):
            if key in tables or key in matrix:
                raise ConfigError(key, f"means nothing in a campaign of {of!r}", 'campaign.of = "loopback"')
    for key in ("peer", "fault"):
        rows = campaign.peers if key == "peer" else campaign.faults
        unused = [name for name in rows if name not in matrix.get(key, ())]
        if unused:
            raise ConfigError(
                key, f"{unused[0]!r} is in no cell", f"matrix.{key} = [..., {unused[0]!r}], or leave it out"
            )
    axes = [*matrix, *(["seed"] if campaign.head.seeds else [])]
    if campaign.head.seeds and ("seed" in matrix or "seed" in campaign.session):
        raise ConfigError("campaign.seeds", "stands beside a seed of its own", "one of them")
    for key in matrix:
        if key in campaign.session:
            raise ConfigError(f"matrix.{key}", f"session.{key} says it, too", "one of them")
    for peer in campaign.peers.values():
        for key in peer.session:
            if key in matrix or key in campaign.session:
                raise ConfigError(f"peer.{key}", "is in [session] or [matrix], too", "one of them")
    for place, row in enumerate(campaign.without):
        if not row:
            raise ConfigError(f"without[{place}]", "says nothing", "values of axes")
        for key, value in row.items():
            choose(f"without[{place}]", key, axes)
            value = tuple(value) if isinstance(value, list) else value
            if key != "seed" and value not in matrix[key]:
                raise ConfigError(
                    f"without[{place}].{key}", f"{value!r} is in no cell", "a value of the axis"
                )


def _axis(where: str, key: str, values: Any, known: dict[str, tuple[str, ...]]) -> tuple[Any, ...]:
    choose("matrix", key, [*_SESSION, *known])
    if not isinstance(values, list) or not values:
        raise ConfigError(where, "is no list of values", f"{key} = [..., ...]")
    if len(values) > _MOST_VALUES:
        raise ConfigError(where, f"has {len(values)} values", f"at most {_MOST_VALUES}")
    found: list[Any] = []
    for place, value in enumerate(values):
        if key in known:
            if not known[key]:
                raise ConfigError(
                    f"{where}[{place}]", f"there is no {key}", f"[[{key}]] with name = {value!r}"
                )
            choose(f"{where}[{place}]", value, known[key])
        else:
            _session({key: value}, where, place=f"[{place}]")
        one = tuple(value) if isinstance(value, list) else value
        if one in found:
            raise ConfigError(f"{where}[{place}]", f"{value!r} is listed twice", "list each once")
        found.append(one)
    return tuple(found)


def _session(table: dict[str, Any], where: str, place: str = "") -> dict[str, Any]:
    """Keys of a session, each of a kind that it may have; whether they go
    together is for the cells to say."""
    try:
        read_values(LoopbackSpec, table, where)
    except ConfigError as error:
        raise ConfigError(f"{where}{place}" if place else error.key, error.reason, error.hint) from error
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _peer(where: str, row: dict[str, Any]) -> Peer:
    return Peer(
        name=_named(where, row),
        session=_session({key: value for key, value in row.items() if key != "name"}, where),
    )


def _fault(where: str, row: dict[str, Any]) -> Fault:
    name = _named(where, row)
    if name == NO_FAULT:
        raise ConfigError(f"{where}.name", f"{NO_FAULT!r} is a session that is left alone", "another name")
    for key in row:
        choose(where, key, ["name", "step", "expect"])
    places, rows = _rows(row, "step", where)
    if not rows:
        raise ConfigError(f"{where}.step", "is missing", "[[fault.step]] as in a scenario")
    expect = row.get("expect", {})
    if not isinstance(expect, dict):
        raise ConfigError(f"{where}.expect", "is no table", "[fault.expect]")
    return Fault(
        name=name,
        steps=tuple(read_struct(Step, one, place) for place, one in zip(places, rows, strict=True)),
        expect=read_struct(Expect, expect, f"{where}.expect"),
    )


def _named(where: str, row: dict[str, Any]) -> str:
    name = row.get("name")
    if not isinstance(name, str) or not name or not name.isprintable():
        raise ConfigError(f"{where}.name", "is missing, or no text", "a name for the axis")
    return name


def _rows(tables: dict[str, Any], key: str, below: str = "") -> tuple[list[str], list[dict[str, Any]]]:
    rows = tables.get(key, [])
    where = f"{below}.{key}" if below else key
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(where, "is no list of tables", f"write each one as [[{key}]] with its keys below")
    names = [row.get("name") for row in rows if "name" in row]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ConfigError(f"{where}[{place}].name", f"{name!r} is there twice", "each name once")
    return [f"{where}[{place}]" for place in range(len(rows))], rows


def _table(tables: dict[str, Any], key: str) -> dict[str, Any]:
    table = tables.get(key, {})
    if not isinstance(table, dict):
        raise ConfigError(key, "is no table", f"write it as [{key}] with its keys below")
    return table
