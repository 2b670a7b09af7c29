"""The cells of a campaign: which there are, what each is called, and which of
them can have no session at all.

A cell is known by a digest of its work, so that a campaign that was interrupted, or got another value on an
axis, goes on with what is new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from iso15118.campaign.model import NO_FAULT, Campaign
from iso15118.campaign.work import DecodeWork, FuzzWork, SessionWork, Work
from iso15118.errors import ConfigError
from iso15118.loopback import LoopbackSpec
from iso15118.scenario import Expect, Scenario
from iso15118.scenario.model import parse as parse_scenario
from iso15118.settings.reading import read_struct, read_toml

__all__ = ["Cell", "plan"]

_MOST_CELLS: Final = 1_000_000
_CAPTURES: Final = (".pcap", ".pcapng", ".cap", ".gz", ".log", ".txt", ".hex")
Axes = dict[str, Any]
Tables = dict[str, Any]


class Cell(Struct, frozen=True, kw_only=True):
    """One piece of work, or why there is none."""

    id: str
    """The same for the same work in every run, whoever does it."""
    axes: Axes
    """What it is, by axis: values for people and tables."""
    work: Work | None = None
    skipped: str = ""
    """Why these values can have no session."""


def plan(campaign: Campaign) -> list[Cell]:
    """All cells, in the order of their axes. Raises ``ConfigError`` for a value that no cell can have, cells
    that are the same, more than a million of them, and files that cannot be read."""
    head = campaign.head
    made = _decoding(campaign) if head.of == "decode" else _sessions(campaign)
    cells: dict[str, Cell] = {}
    for cell in made:
        if cell.id in cells:
            raise ConfigError(
                "matrix",
                f"two cells are the same: {_said(cells[cell.id].axes)} and {_said(cell.axes)}",
                "one of them",
            )
        cells[cell.id] = cell
        if len(cells) > _MOST_CELLS:
            raise _too_many()
    found = list(cells.values())
    if not found:
        raise ConfigError("campaign", "there is no cell in it", "less in [[without]], or other files")
    _check_values(found)
    return found


def _too_many() -> ConfigError:
    return ConfigError("matrix", f"makes more than {_MOST_CELLS} cells", "fewer values, or seeds")


def _check_values(cells: list[Cell]) -> None:
    """A value that no cell can have is an error of whoever wrote it."""
    if all(cell.skipped and set(cell.axes) <= {"seed"} for cell in cells):
        raise ConfigError("session", cells[0].skipped, "keys that can have a session together")
    possible = {(key, one) for cell in cells if not cell.skipped for key, one in cell.axes.items()}
    for cell in cells:
        for key, one in cell.axes.items():
            if (key, one) not in possible:
                raise ConfigError(
                    f"matrix.{key}", f"no cell can have {one!r}: {cell.skipped}", "another value"
                )


def _sessions(campaign: Campaign) -> Iterator[Cell]:
    head = campaign.head
    axes: dict[str, tuple[Any, ...]] = dict(campaign.matrix)
    if head.seeds is not None:
        axes["seed"] = tuple(range(1, head.seeds + 1))
    elif head.of == "fuzz" and "seed" not in axes:
        axes["seed"] = (1,)
    scenarios: dict[str, Tables | None] = _scenarios(campaign) if head.of == "scenario" else {"": None}
    # Counted before any of them is made; what [[without]] takes away is in the count.
    if len(scenarios) * prod(len(values) for values in axes.values()) > _MOST_CELLS:
        raise _too_many()
    for name, scenario in scenarios.items():
        for values in product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            if any(
                all(chosen.get(key) == _fixed(value) for key, value in row.items())
                for row in campaign.without
            ):
                continue
            named: Axes = {"scenario": name, **chosen} if scenario is not None else chosen
            try:
                work = _work(campaign, chosen, scenario)
            except ConfigError as error:
                yield Cell(id=_digest(named), axes=_shown(named), skipped=str(error))
            else:
                yield Cell(id=_digest(work), axes=_shown(named), work=work)


def _work(campaign: Campaign, chosen: Axes, scenario: Tables | None) -> Work:
    keys = dict(campaign.session)
    peer, fault = chosen.get("peer"), chosen.get("fault", NO_FAULT)
    if peer is not None:
        keys |= campaign.peers[peer].session
    keys |= {key: value for key, value in chosen.items() if key not in ("peer", "fault")}
    seed = keys.get("seed")
    if campaign.head.of == "fuzz":
        keys.pop("seed", None)  # it is the changes that differ
    if isinstance(keys.get("schedule"), str):
        keys["schedule"] = str(campaign.folder / keys["schedule"])
    table = {key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()}
    if scenario is not None:
        keys = {**scenario.get("session", {}), **table}
        return SessionWork(scenario=parse_scenario({**scenario, "session": keys}), ordered=False)
    session = read_struct(LoopbackSpec, {"transport": "memory", **table}, "session")
    if campaign.head.of == "fuzz":
        return FuzzWork(session=session, seed=int(seed or 0), rounds=campaign.head.rounds)
    disturbed = campaign.faults.get(fault)
    if disturbed is None:
        whole = Scenario(session=session, expect=campaign.expect or Expect())
        return SessionWork(scenario=whole, ordered=campaign.expect is None)
    return SessionWork(
        scenario=Scenario(session=session, steps=disturbed.steps, expect=disturbed.expect), ordered=False
    )


def _scenarios(campaign: Campaign) -> dict[str, Tables | None]:
    """The tables of each file, which are right as they stand there."""
    found: dict[str, Tables | None] = {}
    for name, path in _files(campaign, (".toml",)).items():
        try:
            found[name] = tables = read_toml(path)
            parse_scenario(tables, name)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.key}", error.reason, error.hint) from error
    return found


def _decoding(campaign: Campaign) -> Iterator[Cell]:
    keylog = campaign.head.keylog
    log = None if keylog is None else campaign.folder / keylog
    if log is not None and not log.is_file():
        raise ConfigError("campaign.keylog", f"there is no file {log}", "a file with TLS secrets")
    folder = None if campaign.head.decoded is None else campaign.folder / campaign.head.decoded
    for name, path in _files(campaign, _CAPTURES).items():
        told = path.stat()
        work = DecodeWork(
            path=str(path),
            keylog=None if log is None else str(log),
            out=None if folder is None else str(folder / f"{name}.jsonl"),
        )
        # Gigabytes are not read to plan: a file that was written again has another time.
        yield Cell(
            id=_digest((name, told.st_size, told.st_mtime_ns, keylog, campaign.head.decoded)),
            axes={"file": name},
            work=work,
        )


def _files(campaign: Campaign, suffixes: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for place, one in enumerate(campaign.head.files):
        path = campaign.folder / one
        if path.is_dir():
            inside = sorted(
                file for file in path.rglob("*") if file.suffix.lower() in suffixes and file.is_file()
            )
            if not inside:
                raise ConfigError(
                    f"campaign.files[{place}]", f"{path} has no file {', '.join(suffixes)}", "another folder"
                )
            found |= {f"{Path(one) / file.relative_to(path)}": file for file in inside}
        elif path.is_file():
            found[one] = path
        else:
            raise ConfigError(
                f"campaign.files[{place}]", f"there is no file or folder {path}", "relative to this file"
            )
    return found


def _digest(what: object) -> str:
    data = msgspec.json.encode(what, enc_hook=str, order="deterministic")
    return hashlib.sha256(data).hexdigest()[:20]


def _shown(axes: Axes) -> Axes:
    return {
        key: ", ".join(map(str, value)) if isinstance(value, tuple) else value for key, value in axes.items()
    }


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _said(axes: Axes) -> str:
    return ", ".join(f"{key} {value}" for key, value in axes.items())
