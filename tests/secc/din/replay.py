"""Captured vehicles of DIN 70121 against our station: how far each goes, and why no further.

``python -m tests.secc.din.replay`` prints it. The captures are those of the reference folder, where messages
that occur in several captures are listed once: what a capture lacks is said by our own vehicle, so that a
session comes about. Session ids are replaced by the station's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.messages import din
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits
from tests.exi.reference import VECTORS, octets
from tests.secc.din.vehicle import Drive

__all__ = ["Captured", "Outcome", "captures", "replay"]

WIDE = StationLimits(
    maximum_charge_power_w=350_000.0,
    maximum_charge_current_a=500.0,
    maximum_voltage_v=1000.0,
    minimum_voltage_v=150.0,
)
_NO_ID = (b"\0", bytes(8))


class Captured(msgspec.Struct, frozen=True):
    """The messages of one session in one capture."""

    source: str
    session_id: bytes
    messages: tuple[tuple[str, din.V2GMessage], ...]
    """Id of the vector, and what it says."""

    @property
    def name(self) -> str:
        """File of the capture, and the session in it."""
        return f"{self.source.rpartition('/')[2][:60]} {self.session_id.hex()}"


class Outcome(msgspec.Struct, frozen=True):
    """What came of one captured message."""

    vector: str
    said: str
    answer: str
    """Code of the answer; empty if there was none."""
    state: str
    """Where the session was afterwards."""
    notes: tuple[str, ...] = ()
    why: str = ""
    """Why the session ended, if it did."""


def captures(suffix: tuple[str, ...]) -> list[Captured]:
    """All sessions of all captures with messages of whose names one ends so; messages without a session go
    to each of their capture."""
    found: dict[tuple[str, bytes], list[tuple[str, din.V2GMessage]]] = {}
    without: dict[str, list[tuple[str, din.V2GMessage]]] = {}
    for vector, source, message in _vectors():
        body = message.body.body_element
        if not type(body).__name__.endswith(suffix):
            continue
        entry = (vector, message)
        if message.header.session_id in _NO_ID and isinstance(body, din.SessionSetupReq):
            without.setdefault(source, []).append(entry)
        else:
            found.setdefault((source, message.header.session_id), []).append(entry)
    for source in without.keys() - {source for source, _ in found}:
        found[source, b""] = []
    return [
        Captured(source, session_id, (*without.get(source, ()), *messages))
        for (source, session_id), messages in sorted(found.items())
    ]


def _vectors() -> Iterator[tuple[str, str, din.V2GMessage]]:
    for line in VECTORS.read_text(encoding="utf-8").splitlines():
        row = msgspec.json.decode(line)
        if row["schema"] != "din" or row["fragment"]:
            continue
        try:
            message = exi.decode("din", octets(row))
        except ExiError:
            continue  # whether all of them decode is asked elsewhere
        if isinstance(message, din.V2GMessage) and message.body.body_element is not None:
            yield row["id"], row["source"], message


def replay(captured: Captured) -> list[Outcome]:
    """Let this vehicle charge at our station; the safety monitor reads its limits in its messages."""
    drive = Drive(limits=WIDE)
    outcomes: list[Outcome] = []
    drive.connect()
    for kind, on in _ORDER:
        own = [entry for entry in captured.messages if _is(entry[1].body.body_element, kind, on)]
        if drive.session.ended is not None:
            outcomes += [
                Outcome(vector, _words(m), "", "Ended", why="the session was over") for vector, m in own
            ]
            continue
        for vector, message in own or [("", _ours(drive, kind, on))]:
            outcome = _say(drive, vector, message)
            if vector:
                outcomes.append(outcome)
    return outcomes


_ORDER: tuple[tuple[type, bool | None], ...] = (
    (din.SessionSetupReq, None),
    (din.ServiceDiscoveryReq, None),
    (din.ServicePaymentSelectionReq, None),
    (din.ContractAuthenticationReq, None),
    (din.ChargeParameterDiscoveryReq, None),
    (din.CableCheckReq, None),
    (din.PreChargeReq, None),
    (din.PowerDeliveryReq, True),
    (din.CurrentDemandReq, None),
    (din.PowerDeliveryReq, False),
    (din.WeldingDetectionReq, None),
    (din.SessionStop, None),
)


def _is(body: Any, kind: Any, on: bool | None) -> bool:
    """It is of this kind, and switches power this way if it switches any."""
    if type(body) is not kind:
        return False
    return on is None or bool(body.ready_to_charge_state) is on


def _ours(drive: Drive, kind: type, on: bool | None) -> din.V2GMessage:
    return drive.request(kind) if on is None else drive.request(kind, ready_to_charge_state=on)


def _words(message: din.V2GMessage) -> str:
    body: Any = message.body.body_element
    name = type(body).__name__
    return (
        f"{name} {'on' if body.ready_to_charge_state else 'off'}"
        if isinstance(body, din.PowerDeliveryReq)
        else name
    )


def _say(drive: Drive, vector: str, message: din.V2GMessage) -> Outcome:
    """One message, and what ordinary hardware does on it; a poll is repeated until it is over."""
    body: Any = message.body.body_element
    header = din.MessageHeader(session_id=drive.session.session_id)
    if not isinstance(body, din.SessionSetupReq):
        message = replace(message, header=header)
    answer: Any = drive.receive(message)
    notes = drive.notes()
    for one in drive.asked:
        if isinstance(one, act.PreCharge):
            drive.output = ev.PowerMeasured(one.voltage_v, 0.0)
    if answer is None:  # it waits for the contactors
        drive.tell(
            ev.ContactorsChanged(isinstance(body, din.PowerDeliveryReq) and body.ready_to_charge_state)
        )
        answer = drive.answer
    if drive.session.state == "ContractAuthentication" and isinstance(body, din.ContractAuthenticationReq):
        drive.tell(ev.AuthorizationDecided(True))
        answer = drive.receive(message)
    elif drive.session.state == "CableCheck" and isinstance(body, din.CableCheckReq):
        drive.tell(ev.CableCheckFinished(True))
        answer = drive.receive(message)
    elif drive.session.state == "WeldingDetection":
        drive.output = ev.PowerMeasured(0.0, 0.0)
    ended = drive.session.ended
    why = "" if ended is None else f"{ended.reason.name} {ended.detail}".strip()
    code = "" if answer is None else answer.response_code.value
    return Outcome(vector, _words(message), code, drive.session.state, tuple(notes), why)


def main() -> None:
    """Print what comes of every captured vehicle."""
    if not VECTORS.exists():
        print(f"{VECTORS} is not there")
        return
    far: dict[str, int] = {}
    for captured in captures(("Req", "SessionStop")):
        print(captured.name)
        for outcome in replay(captured):
            notes = f"  note: {', '.join(outcome.notes)}" if outcome.notes else ""
            why = f"  {outcome.why}" if outcome.why else ""
            print(f"  {outcome.vector:10} {outcome.said:28} {outcome.answer:28} {outcome.state}{notes}{why}")
            far[outcome.answer] = far.get(outcome.answer, 0) + 1
    print(far)


if __name__ == "__main__":
    main()
