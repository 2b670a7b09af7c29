"""How far a capture can be trusted: what is missing from it, and what it therefore cannot prove.

No side is accused for what the capture does not have.
"""

from __future__ import annotations

from typing import Final

from iso15118.trace.entries import CaptureFacts

from .model import Session, Trust

__all__ = ["WEAKENS", "capture_trust", "session_trust"]

WEAKENS: Final = frozenset(("one-direction", "missing-secrets", "lost-at-the-end"))
"""Of a session with one of these nothing is said that needs all of it to be there."""
_MTU: Final = 1500


def capture_trust(facts: CaptureFacts) -> list[Trust]:
    """What holds for all of it."""
    found: list[Trust] = []

    def add(code: str, text: str) -> None:
        found.append(Trust(code, text))

    if facts.broken is not None:
        add(
            "broken-file",
            f"The file can be read up to packet {facts.packets} only ({facts.broken}): nothing is known of what came later.",
        )
    if facts.cut_off:
        add(
            "cut-off",
            f"{facts.cut_off} of {facts.packets} packets were cut off by the capture (snapshot length): what they carried is not whole.",
        )
    if facts.clock_steps:
        add(
            "clock-step-back",
            f"The capture's clock went back {facts.clock_steps} times, by {facts.greatest_step_back_s:.3f} s at most, or files with"
            " different clocks were merged: times across such a step prove nothing.",
        )
    if facts.duplicates:
        add(
            "duplicates",
            f"{facts.duplicates} packets are in the capture twice, as a mirror port gives them; each is counted once.",
        )
    for link, count in sorted(facts.unread_links.items()):
        add("unread-link", f"{count} packets are of link type {link}, which is not read.")
    if facts.kind in ("text", "octets", "lines"):
        add(
            "text",
            "The input is text: there is no transport, so that nobody can say how the connection was opened, closed or lost.",
        )
    return found


def session_trust(session: Session) -> list[Trust]:
    """What holds for one connection, ``session.facts`` being its ledger."""
    found: list[Trust] = []
    facts = session.facts

    def add(code: str, text: str) -> None:
        found.append(Trust(code, text, session.number))

    if facts is None:
        return found
    if not facts.opened:
        add(
            "late-start",
            "The capture began in the middle of this connection: what was agreed before is not known.",
        )
    client, server = facts.from_client, facts.from_server
    for side, one, other in (("vehicle", client, server), ("station", server, client)):
        unheard = one is client or not session.station_heard or other.octets
        if one.packets == 0 and other.packets and unheard:
            add(
                "one-direction",
                f"No packet of the {side} is in the capture, though the connection lived: only one direction was captured.",
            )
        if one.missing:
            add(
                "lost-segments",
                f"{one.missing} octets of the {side} are missing in {one.gaps} places: what was said there is not known.",
            )
        if one.records_closed:
            add(
                "missing-secrets",
                f"{one.records_closed} TLS records of the {side} stay closed: what was said in them is not known.",
            )
        if one.longest_segment > _MTU:
            add(
                "offloading",
                f"Segments of the {side} are up to {one.longest_segment} octets long: segmentation was offloaded to the network card, and"
                " packets of the capture are not those of the wire.",
            )
    return found
