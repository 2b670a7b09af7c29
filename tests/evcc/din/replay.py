"""Captured stations of DIN 70121 against our vehicle: how far it goes with each, and why no further.

``python -m tests.evcc.din.replay`` prints it. The captures are those of the reference folder, where
messages that occur in several captures are listed once: what a capture lacks is said by an ordinary
station, so that a session comes about.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from iso15118.evcc import EvccConfig
from iso15118.evcc.din.exchange import RESPONSES
from iso15118.messages import din
from iso15118.session import events as ev
from tests.evcc.din.station import BATTERY_V, Host
from tests.exi.reference import VECTORS
from tests.secc.din.replay import Captured, captures

__all__ = ["Outcome", "replay"]

_MOST_STEPS = 400


class Outcome(msgspec.Struct, frozen=True):
    """What came of one captured message."""

    vector: str
    said: str
    code: str
    asked: str
    """What the vehicle asked for next; empty if it was nothing."""
    state: str
    """Where the session was afterwards."""
    notes: tuple[str, ...] = ()
    why: str = ""
    """Why the session ended, if it did."""
    said_to_it: bool = True
    """It was asked for; otherwise the vehicle had gone on, or away, before."""


def replay(captured: Captured) -> list[Outcome]:
    """Let our vehicle charge at this station."""
    host = Host(EvccConfig(editions=("din",)))
    host.session_id = captured.session_id if any(captured.session_id) else host.session_id
    left = _in_order(captured)
    outcomes: list[Outcome] = []
    for _ in range(_MOST_STEPS):
        if host.session.ended is not None or not any(left.values()):
            break
        _step(host, left, outcomes)
    # What was not asked for any more.
    for messages in left.values():
        outcomes += [
            replace(_outcome(host, vector, message, len(host.noted)), said_to_it=False)
            for vector, message in messages
        ]
    return outcomes


def _in_order(captured: Captured) -> dict[type, list[tuple[str, din.V2GMessage]]]:
    """By the kind of message: polls that go on first, refusals last."""
    left: dict[type, list[tuple[str, din.V2GMessage]]] = {}
    for vector, message in captured.messages:
        left.setdefault(type(message.body.body_element), []).append((vector, message))
    for messages in left.values():
        messages.sort(key=lambda entry: _rank(entry[1].body.body_element))
    return left


def _rank(body: Any) -> int:
    if body.response_code.value.startswith("FAILED"):
        return 2
    return 0 if getattr(body, "evse_processing", None) is din.EVSEProcessing.Ongoing else 1


def _step(host: Host, left: dict[type, list[tuple[str, din.V2GMessage]]], outcomes: list[Outcome]) -> None:
    """Answer by what was captured, or in the ordinary way where there is nothing (more) of this kind."""
    kind = RESPONSES[type(host.request)].response if type(host.request) in RESPONSES else None
    if not host.waiting or kind is None or not left.get(kind):
        if host.session.state == "CurrentDemand" and host.waiting:
            host.battery(energy_to_target_wh=0.0, complete=True)
        host.step()
        return
    (vector, message), rest = left[kind][0], left[kind][1:]
    left[kind] = rest
    if kind is din.PreChargeRes:
        host.measure(0.0 if rest else BATTERY_V)
    elif kind is din.WeldingDetectionRes:
        host.measure(100.0 if rest else 0.0)
    noted = len(host.noted)
    header = replace(message.header, session_id=host.session_id)
    host.tell(ev.MessageReceived(replace(message, header=header)))
    outcomes.append(_outcome(host, vector, message, noted))


def _outcome(host: Host, vector: str, message: din.V2GMessage, noted: int) -> Outcome:
    body: Any = message.body.body_element
    ended = host.session.ended
    why = "" if ended is None else f"{ended.reason.name} {ended.detail}".strip()
    asked = type(host.request).__name__ if host.waiting else ""
    return Outcome(
        vector,
        type(body).__name__,
        body.response_code.value,
        asked,
        host.session.state,
        tuple(host.noted[noted:]),
        why,
    )


def main() -> None:
    """Print what comes of every captured station."""
    if not VECTORS.exists():
        print(f"{VECTORS} is not there")
        return
    for captured in captures(("Res",)):
        print(captured.name)
        for one in replay(captured):
            notes = f"  note: {', '.join(one.notes)}" if one.notes else ""
            why = f"  {one.why}" if one.why else ""
            why += "" if one.said_to_it else "  (not asked for)"
            print(f"  {one.vector:10} {one.said:28} {one.code:26} {one.state:26} {one.asked}{notes}{why}")


if __name__ == "__main__":
    main()
