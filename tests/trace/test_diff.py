"""Two sessions compared: the same one is the same, another one differs where it does, and
nowhere for its ids and times."""

from __future__ import annotations

from functools import cache

import pytest

from iso15118.trace.diff import Difference, Kind, differences
from iso15118.trace.entries import MessageEntry, Packet
from iso15118.trace.reading import CaptureReader
from tests.trace.report.faults import EDITIONS, session
from tests.trace.report.seeded import captured, spoken_by


@cache
def said(edition: str, soc_target: float = 20.15, seed: int | None = None) -> tuple[MessageEntry, ...]:
    made = captured(spoken_by(session(edition, soc_target=soc_target, seed=seed)))
    reader = CaptureReader(live=False)
    found = reader.packets(
        Packet(place + 1, at, 1, data, len(data)) for place, (at, data) in enumerate(made.frames)
    )
    return tuple(one for one in (*found, *reader.close()) if isinstance(one, MessageEntry))


def told(one: tuple[MessageEntry, ...], other: tuple[MessageEntry, ...], **more: bool) -> list[Difference]:
    return list(differences(one, other, **more))


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_session_is_the_same_as_itself_and_as_another_run_of_it(edition: str) -> None:
    one, again = said(edition), tuple(said.__wrapped__(edition))
    assert told(one, one, everything=True) == []
    assert one[3].session_id != again[3].session_id
    assert told(one, again) == []
    # Nothing masked, the id of the session differs in every message.
    assert any("SessionID" in found.path for found in told(one, again, everything=True))


def test_a_longer_session_has_more_of_the_same() -> None:
    found = told(said("iso20"), said("iso20", 20.4))
    counts = {one.message: (one.a, one.b) for one in found if one.kind == Kind.COUNT}
    assert "DC_ChargeLoop" in counts
    a, b = (int(text.split()[0]) for text in counts["DC_ChargeLoop"])
    assert a < b


def test_a_value_that_differs_is_told_once_with_how_often() -> None:
    one = said("iso2")
    changed = tuple(_with_limit(each) if each.message == "CurrentDemandReq" else each for each in one)
    (found,) = told(one, changed)
    assert (found.kind, found.message, found.path) == (
        Kind.FIELD,
        "CurrentDemandReq",
        "Body/CurrentDemandReq/EVMaximumCurrentLimit",
    )
    assert found.times == sum(each.message == "CurrentDemandReq" for each in one)
    assert found.b == "123 A"
    assert found.number_a


def test_what_only_one_has_is_told() -> None:
    one = said("iso20")
    without = tuple(each for each in one if not each.message.startswith("DC_WeldingDetection"))
    (found,) = told(one, without)
    assert (found.kind, found.message) == (Kind.ONLY_A, "DC_WeldingDetection")
    (other,) = told(without, one)
    assert other.kind == Kind.ONLY_B


def test_the_order_of_messages_counts_and_not_their_time() -> None:
    one = said("iso20")
    later = tuple(_later(each) for each in one)
    assert told(one, later) == []


def _with_limit(entry: MessageEntry) -> MessageEntry:
    from msgspec.structs import replace

    from iso15118.messages import iso2

    value = entry.value
    limit = iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.A, value=123)
    body = replace(value.body.body_element, ev_maximum_current_limit=limit)  # type: ignore[attr-defined]
    changed = replace(value, body=replace(value.body, body_element=body))  # type: ignore[attr-defined]
    return replace(entry, value=changed, exi=entry.exi + b"\0")


def _later(entry: MessageEntry) -> MessageEntry:
    from msgspec.structs import replace

    return replace(entry, t=(entry.t or 0.0) * 2.0, number=entry.number + 7)
