"""What is done in one cell, wherever it runs: a session that is judged, messages that are changed and
decoded, a capture that is decoded.

Everything that goes in and out is data, so that it can go to another process or another machine.
"""

from __future__ import annotations

import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from iso15118.channel import EDITIONS, MessageChannel, Received
from iso15118.errors import ConfigError, ExiError, FrameError
from iso15118.files import NEW, make_folder, new_secret
from iso15118.loopback import LoopbackSpec, run
from iso15118.scenario import Outcome, Scenario, run_scenario
from iso15118.trace.entries import CaptureFacts, Entry, MessageEntry

__all__ = ["DecodeWork", "Done", "FuzzWork", "SessionWork", "Work", "run_cell"]

_KEPT: Final = 3
"""Messages of each name that are changed; findings that are told."""
_FIGURES: Final = (
    "edition", "ended_by", "end_reason", "exchanges", "charge_loops", "soc_end", "energy_charged_kwh",
    "energy_discharged_kwh", "peak_power_kw", "session_seconds",
)  # fmt: skip
_SUMMED_NOTES: Final = 8


class SessionWork(Struct, frozen=True, tag="session"):
    """A session on the loopback, with what is done to it and what has to come of it."""

    scenario: Scenario
    ordered: bool
    """It has to end as ordered, too."""


class FuzzWork(Struct, frozen=True, tag="fuzz"):
    """Messages of a session, changed in ``rounds`` ways that ``seed`` decides, as an end would read them."""

    session: LoopbackSpec
    seed: int
    rounds: int


class DecodeWork(Struct, frozen=True, tag="decode"):
    """A capture or a log, read to its end."""

    path: str
    keylog: str | None = None
    out: str | None = None
    """File for the entries, a line of JSON each."""


Work = SessionWork | FuzzWork | DecodeWork


class Done(Struct, frozen=True, kw_only=True):
    """What came of a cell. The same work gives the same, but for what real time and new keys do over tcp."""

    verdict: str
    """``pass``, ``fail``, ``inconclusive`` or ``error``."""
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = {}


def run_cell(work: Work) -> Done:
    """Do it. Raises nothing but what ends a process: an error that nobody expected is
    a failure with its place."""
    try:
        match work:
            case SessionWork():
                return _session(work)
            case FuzzWork():
                return _fuzz(work)
            case DecodeWork():
                return _decode(work)
    except ConfigError as error:
        return Done(verdict="error", reasons=(f"ConfigError: {error}",))
    except Exception as error:  # the cell is about our own faults as well
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return Done(verdict="fail", reasons=(f"internal: {type(error).__name__} at {where}: {error}",))


# -- sessions -----------------------------------------------------------------------------------------------


def _session(work: SessionWork) -> Done:
    outcome = run_scenario(work.scenario)
    verdict, reasons = outcome.verdict, list(outcome.reasons)
    summary = outcome.summary
    if work.ordered and verdict == "pass" and summary is not None and summary.result != "ok":
        verdict = "fail"
        reasons.append(f"{summary.end_reason}: {summary.detail}")
    return Done(verdict=verdict, reasons=tuple(reasons), figures=_figures(outcome))


def _figures(outcome: Outcome) -> dict[str, Any]:
    figures: dict[str, Any] = {f"{role}_ended": end.reason for role, end in outcome.ends.items()}
    if outcome.summary is not None:
        told = asdict(outcome.summary)
        figures |= {key: told[key] for key in _FIGURES}
        figures["tls"] = None if outcome.summary.tls is None else outcome.summary.tls.version
    return figures


# -- changed messages ---------------------------------------------------------------------------------------


def _fuzz(work: FuzzWork) -> Done:
    frames = _frames(work.session)
    dice = random.Random(work.seed)  # noqa: S311 - to be the same again, not to be secret
    seen: Counter[str] = Counter()
    findings: list[str] = []
    for _ in range(work.rounds):
        edition, frame = frames[dice.randrange(len(frames))]
        data = _changed(frame, dice)
        try:
            seen[_attempt(edition, data)] += 1
        except Exception as error:  # anything else than the documented errors is what is looked for
            seen["found"] += 1
            if len(findings) < _KEPT:
                findings.append(f"{type(error).__name__}: {error}; {edition} {data.hex()}")
    return Done(
        verdict="fail" if findings else "pass",
        reasons=tuple(findings),
        figures={"messages": len(frames), **dict(sorted(seen.items()))},
    )


@cache
def _frames(session: LoopbackSpec) -> list[tuple[str, bytes]]:
    """Frames of a session in memory, a few of each name, with the edition that they are read in."""
    kept: Counter[str] = Counter()
    found: list[tuple[str, bytes]] = []
    channel = MessageChannel()
    negotiation = channel.edition

    def watch(sender: str, message: object, now: float) -> None:
        name = type(message).__name__
        body = getattr(getattr(message, "body", None), "body_element", None)
        name = name if body is None else type(body).__name__
        kept[name] += 1
        if kept[name] <= _KEPT:
            messages.append(message)

    messages: list[object] = []
    edition = run(session, watch=watch).edition
    # ISO 15118-20 is several schema sets, of which a session speaks one.
    spoken = [one for one in EDITIONS if one == edition or one.startswith(f"{edition}-")]
    for message in messages:
        for edition in (*spoken, negotiation):
            channel = MessageChannel()
            channel.select(edition)
            try:
                found.append((edition, channel.encode(message)))
            except Exception:  # noqa: S112 - of the other edition
                continue
            break
    return found


def _changed(frame: bytes, dice: random.Random) -> bytes:
    """Bits flipped, octets written over, cut, doubled or inserted; in one case of eight
    the header is changed, too."""
    data = bytearray(frame)
    first = 0 if dice.random() < 0.125 else 8
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        if len(data) <= first:
            break
        at = dice.randrange(first, len(data))
        match dice.randrange(6):
            case 0 | 1:
                data[at] ^= 1 << dice.randrange(8)
            case 2:
                data[at] = dice.choice((0x00, 0xFF, 0x7F, 0x80, dice.randrange(256)))
            case 3:
                del data[at:]
            case 4:
                end = min(len(data), at + dice.randrange(1, 9))
                data[at:at] = data[at:end]
            case _:
                data[at:at] = dice.randbytes(dice.randrange(1, 9))
    if first:
        data[4:8] = (len(data) - 8).to_bytes(4, "big")  # a frame that is whole, so that its payload is read
    return bytes(data)


def _attempt(edition: str, data: bytes) -> str:
    """How an end takes it. Raises whatever it should not."""
    channel = MessageChannel()
    channel.select(edition)
    try:
        items = found = channel.receive_data(data)
        while found and channel.more:
            found = channel.receive_data(b"")
            items += found
    except FrameError:
        return "no frame"
    if not items:
        return "incomplete"
    [first, *_] = items
    if not isinstance(first, Received):
        return "refused"
    again = MessageChannel()
    again.select(edition)
    try:
        octets = channel.encode(first.message)
    except ExiError:
        # What was tolerated when it was read may be what nobody writes.
        if not first.notes:
            raise
        return "read only"
    [back] = again.receive_data(octets)
    if not isinstance(back, Received) or back.message != first.message:
        raise ValueError("what was read and written again reads differently")
    return "read"


# -- captures -----------------------------------------------------------------------------------------------


def _decode(work: DecodeWork) -> Done:
    from iso15118.trace.reading import Secrets
    from iso15118.trace.reading.files import read_key_log
    from iso15118.trace.reading.source import open_source

    secrets = Secrets()
    if work.keylog is not None:
        read_key_log(Path(work.keylog), secrets)
    if not Path(work.path).is_file():
        raise ConfigError(
            "campaign.files", f"there is no file {work.path} where this cell runs", "a shared folder"
        )
    messages: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    found = 0
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(work.path, secrets, "auto"))
        write = None if work.out is None else stack.enter_context(_lines(Path(work.out)))
        for entries in opened.batches():
            found += len(entries)
            _count(entries, messages, notes)
            if write is not None:
                write(entries)
        facts: CaptureFacts = opened.facts
        remarks = list(opened.summary())
    figures = {
        "kind": facts.kind,
        "packets": facts.packets,
        "entries": found,
        "messages": sum(messages.values()),
        "editions": dict(sorted(messages.items())),
        "notes": dict(notes.most_common(_SUMMED_NOTES)),
    }
    if facts.broken is not None:
        return Done(verdict="fail", reasons=tuple(remarks), figures=figures)
    if not found:
        return Done(
            verdict="inconclusive", reasons=("nothing that belongs to charging", *remarks), figures=figures
        )
    return Done(verdict="pass", reasons=tuple(remarks), figures=figures)


@contextmanager
def _lines(path: Path) -> Iterator[Callable[[list[Entry]], None]]:
    """A file for the entries; it has its name when it is whole."""
    from iso15118.trace.as_json import json_object

    make_folder(path.parent, durable=False)
    part = path.with_name(f"{NEW}{path.name}")
    with new_secret(part) as file:
        yield lambda entries: file.writelines(
            msgspec.json.encode(json_object(one)) + b"\n" for one in entries
        )
    part.replace(path)


def _count(entries: list[Entry], messages: Counter[str], notes: Counter[str]) -> None:
    for one in entries:
        if isinstance(one, MessageEntry):
            messages[one.edition or one.schema] += 1
        notes.update(note.partition(":")[0] for note in one.notes)
