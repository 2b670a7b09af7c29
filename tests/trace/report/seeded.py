"""Captures of whole sessions between our two ends in memory, with named faults of the wire,
and every way of going away.

The octets are those of the sessions; the packets around them are written here, in the clear or in real TLS.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from iso15118.errors import V2GError
from iso15118.loopback import LoopbackSpec
from iso15118.loopback.memory import run_in_memory
from iso15118.loopback.rig import Rig
from iso15118.session.events import TransportLoss, TransportLost
from iso15118.testing.monitor import SafetyViolation
from iso15118.testing.pair import Pair
from iso15118.testing.wire import Cut, WireFault, WireFaults
from iso15118.trace.entries import Entry, Packet
from iso15118.trace.packets import Endpoint, TcpConversation
from iso15118.trace.reading import CaptureReader, Secrets
from iso15118.trace.report.building import ReportBuilder
from iso15118.trace.report.model import Report
from tests.trace.made import EV, SE, Frames, Made

__all__ = ["Spoken", "captured", "report_on", "spoken_by"]


@dataclass
class Spoken:
    """What passed: time, whether from the vehicle, and the octets; or "open", and how that side went
    away: "fin", "reset", "alert"."""

    events: list[tuple[float, bool, bytes | str]] = field(default_factory=list)
    befell: list[str] = field(default_factory=list)
    """What the faults have done."""
    ended_at: float = 0.0


def spoken_by(spec: LoopbackSpec, *faults: tuple[str, WireFault]) -> Spoken:
    """Run it. ``faults``: side ("evcc" or "secc") and fault."""
    told = Spoken()
    pairs: list[Pair] = []

    def on_pair(rig: Rig, pair: Pair) -> None:
        pairs.append(pair)
        told.events.append((pair.now, True, "open"))
        for role, wire, heard, tell in (
            ("evcc", pair.to_secc, pair.to_evcc, pair.tell_evcc),
            ("secc", pair.to_evcc, pair.to_secc, pair.tell_secc),
        ):
            wire.faults = WireFaults()
            for side, fault in faults:
                if side == role:
                    wire.faults.add(fault)
            wire.left = partial(_gone, tell)
            heard.takes = partial(_taken, wire.faults, wire)
            wire.tap = partial(_tapped, told, role == "evcc")
            wire.close = partial(_closed, told, role == "evcc", wire.close)  # type: ignore[method-assign]

    # What was on the wire is what counts.
    with contextlib.suppress(SafetyViolation, V2GError, RuntimeError):
        run_in_memory(spec, on_pair=on_pair)
    for pair in pairs:
        told.ended_at = max(told.ended_at, pair.now)
        for wire in (pair.to_secc, pair.to_evcc):
            told.befell += wire.faults.done if wire.faults is not None else []
    return told


def _tapped(told: Spoken, from_vehicle: bool, data: bytes, now: float) -> None:
    told.events.append((now, from_vehicle, data))


def _closed(
    told: Spoken, from_vehicle: bool, close: Any, now: float, how: TransportLoss = TransportLoss.CLOSED
) -> None:
    kind = {TransportLoss.RESET: "reset", TransportLoss.TLS_ALERT: "alert"}.get(how, "fin")
    told.events.append((now, from_vehicle, kind))
    close(now, how)


def _taken(faults: WireFaults, answers: Any, message: Any, now: float) -> bool:
    answer = faults.received(message)
    if answer is None:
        return False
    answers.send_bytes(answer.data, now + answer.delay_s)
    return True


def _gone(tell: Any, how: Cut) -> None:
    if how.seen_as is not None:
        tell(TransportLost(TransportLoss.LINK_DOWN))


def captured(told: Spoken, *, tls: str | None = None, answer_s: float = 0.002, idle_s: float = 0.0) -> Made:
    """As packets, from discovery to the end. ``answer_s``: what the network and the stations add to an
    answer. ``idle_s``: how long the capture went on."""
    made = Made(tls, step_s=0.0005)
    began = made.now + 0.01
    gone: dict[bool, bool] = {}
    late = {True: 0.0, False: 0.0}
    events = sorted(enumerate(told.events), key=lambda one: (one[1][0], one[0]))
    for place, (at, from_vehicle, what) in events:
        if what == "open":
            if place:
                made.now = max(made.now, began + at)
                made.tcp = TcpConversation(Endpoint(EV.address, EV.port + place, station=False), SE)
                made.add(made.tcp.open())
                gone.clear()
            continue
        late[from_vehicle] = max(late[from_vehicle], at)
        made.now = max(made.now, began + late[from_vehicle] + (0.0 if from_vehicle else answer_s))
        made.step_s = 0.0
        if gone.get(from_vehicle):
            continue
        if isinstance(what, bytes):
            made.say(from_vehicle, what)
            continue
        gone[from_vehicle] = True
        if what == "reset":
            made.add(made.tcp.reset(from_vehicle))
            gone[not from_vehicle] = True
        elif what == "alert":
            alert(made, from_vehicle)
            made.add(made.tcp.finish(from_vehicle))
            gone[not from_vehicle] = True
        else:
            made.add(made.tcp.finish(from_vehicle))
    if idle_s:  # somebody else's packet shows that the capture went on
        made.now = max(made.now, began + told.ended_at) + idle_s
        made.frames.append((made.now, bytes(12) + b"\x88\xcc" + bytes(40)))
    return made


def alert(made: Made, from_vehicle: bool) -> None:
    """A fatal alert, which TLS itself makes of a record that nobody has sent it."""
    assert made.ends is not None, "there is no TLS"
    one, _ = made.ends if from_vehicle else made.ends[::-1]
    with contextlib.suppress(V2GError):
        one.receive_data(b"\x17\x03\x03\x00\x28" + bytes(range(40)))
    data = one.data_to_send()
    assert data
    made.add(made.tcp.data(from_vehicle, data))


def report_on(made: Made | Frames, *, secrets: bytes = b"", source: str = "made") -> Report:
    """The report of these packets."""
    frames = made.frames if isinstance(made, Made) else made
    log = made.key_log if isinstance(made, Made) and not secrets else secrets
    known = Secrets()
    if log:
        known.add(log, "keylog")
    reader = CaptureReader(secrets=known, live=False)
    builder = ReportBuilder()
    entries: list[Entry] = reader.packets(
        Packet(number + 1, at, 1, data, len(data)) for number, (at, data) in enumerate(frames)
    )
    builder.see(entries)
    builder.see(reader.close())
    reader.facts.packets = len(frames)
    return builder.finish(source, reader.facts, reader.streams)
