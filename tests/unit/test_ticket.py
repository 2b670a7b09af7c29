"""Tickets of paused sessions: kept and read back, and refused in one way if they are damaged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.errors import MisuseError, TicketError
from iso15118.pnc.contracts import ContractClaim
from iso15118.session.secured import TlsPeer
from iso15118.session.services import SERVICES, ControlMode, ServiceID, parameter_sets
from iso15118.session.ticket import VALIDITY_S, EvccTicket, SeccTicket, peer_binding

ID = bytes(range(1, 9))
LINK = TlsPeer(version="TLSv1.3", peer_chain=(b"leaf", b"sub"))
CLAIM = ContractClaim(emaid="DE8AAC123456789", chain=(b"\x30contract", b"\x30sub"), evccid="WVWV1")


def secc(**changes: Any) -> SeccTicket:
    fields: dict[str, Any] = {
        "session_id": ID,
        "evccid": "WVWV1",
        "secure": True,
        "binding": peer_binding(ID, LINK),
        "service": ServiceID.MCS,
        "paused_at": 1.79e9,
        "parameter_set": parameter_sets(SERVICES[ServiceID.MCS], connector=1)[0],
        "claim": CLAIM,
    }
    return SeccTicket(**(fields | changes))


def evcc(**changes: Any) -> EvccTicket:
    fields: dict[str, Any] = {
        "session_id": ID,
        "evccid": "WVWV1",
        "secure": True,
        "binding": peer_binding(ID, LINK),
        "service": ServiceID.DC,
        "paused_at": 1.79e9,
        "parameter_set_id": 1,
        "control_mode": ControlMode.DYNAMIC,
        "emaid": "DE8AAC123456789",
    }
    return EvccTicket(**(fields | changes))


@pytest.mark.parametrize(
    "ticket",
    [
        secc(),
        secc(claim=None),
        secc(secure=False, binding=b"", claim=None),
        evcc(),
        evcc(emaid="", valid_s=0.5),
        evcc(evccid="W", valid_s=999_999_999.0),
        evcc(evccid="W V" * 85),
    ],
)
def test_a_ticket_comes_back_as_it_was(ticket: SeccTicket | EvccTicket) -> None:
    data = ticket.to_bytes()
    assert type(ticket).from_bytes(data) == ticket
    assert data.isascii()


@given(st.integers(min_value=0), st.integers(1, 255))
def test_any_damaged_byte_is_noticed(at: int, by: int) -> None:
    data = bytearray(secc().to_bytes())
    data[at % len(data)] ^= by
    with pytest.raises(TicketError):
        SeccTicket.from_bytes(bytes(data))


@given(st.integers(min_value=0))
def test_a_ticket_that_was_cut_off_is_noticed(length: int) -> None:
    data = evcc().to_bytes()
    with pytest.raises(TicketError):
        EvccTicket.from_bytes(data[: length % len(data)])


@given(st.binary(max_size=200))
def test_bytes_that_never_were_a_ticket(data: bytes) -> None:
    with pytest.raises(TicketError):
        EvccTicket.from_bytes(data)


def test_a_ticket_is_of_one_role_and_of_bounded_length() -> None:
    with pytest.raises(TicketError, match="no ticket of the EVCC"):
        EvccTicket.from_bytes(secc().to_bytes())
    with pytest.raises(TicketError, match="too long"):
        SeccTicket.from_bytes(b" " * 65_537)
    with pytest.raises(TicketError, match="no ticket of this version"):
        SeccTicket.from_bytes(b" " * 65_536)
    assert issubclass(TicketError, MisuseError)


def test_what_is_signed_for_but_makes_no_sense_is_refused_all_the_same() -> None:
    """The check is against damage only, so what is behind it is looked at, too."""
    from iso15118.session import ticket as room

    body = msgspec.json.encode(msgspec.to_builtins(secc()) | {"service": 64})
    data = b" ".join((b"iso15118-pause-1", b"secc", room._digest("secc", body), body))
    with pytest.raises(TicketError):
        SeccTicket.from_bytes(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_id": bytes(8)},
        {"session_id": b"short"},
        {"evccid": ""},
        {"evccid": "x" * 256},
        {"binding": b""},
        {"binding": b"\1" * 63},
        {"secure": False},
        {"service": 12},
        {"paused_at": float("nan")},
        {"valid_s": 0.0},
        {"valid_s": float("inf")},
        {"valid_s": 1e9},
    ],
    ids=str,
)
def test_values_that_no_session_left(wrong: dict[str, Any]) -> None:
    for make in (secc, evcc):
        with pytest.raises(TicketError, match=next(iter(wrong)) if "secure" not in wrong else "binding"):
            make(**wrong)


def test_a_contract_needs_tls() -> None:
    with pytest.raises(TicketError, match="claim"):
        secc(secure=False, binding=b"")


def test_repr_keeps_to_itself_who_paused() -> None:
    for ticket in (secc(), evcc()):
        shown = repr(ticket) + str(list(ticket.__rich_repr__()))
        for secret in ("WVWV1", "DE8AA", ID.hex(), repr(ID), repr(ticket.binding)[2:12]):
            assert secret not in shown
        assert ticket.service.name in shown


def test_the_same_peer_and_nobody_else() -> None:
    ticket = secc()
    assert ticket.belongs_to(secure=True, tls=LINK)
    other = TlsPeer(version="TLSv1.3", peer_chain=(b"another",))
    for secure, tls in (
        (True, other),
        (True, None),
        (True, TlsPeer(version="TLSv1.3")),
        (False, None),
        (False, LINK),
    ):
        assert not ticket.belongs_to(secure=secure, tls=tls)
    plain = secc(secure=False, binding=b"", claim=None)
    assert plain.belongs_to(secure=False, tls=None)
    assert not plain.belongs_to(secure=True, tls=LINK)
    assert not plain.belongs_to(secure=True, tls=None)


def test_validity_begins_with_the_pause() -> None:
    ticket = evcc(paused_at=1000.0)
    assert [ticket.is_valid(1000.0 + s) for s in (-60.1, -60.0, 0.0, VALIDITY_S, VALIDITY_S + 0.1)] == [
        False,
        True,
        True,
        True,
        False,
    ]
