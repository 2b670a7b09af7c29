"""A result as JSON values and as ten lines: what was not there is None or said in words, and nothing is said
of what was not."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio.net.ending import Ending, StreamEnd
from iso15118.aio.results import LastMessage, SessionResult
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.events import HardwareFault
from iso15118.tls import TlsInfo

TLS = TlsInfo(
    profile="iso20",
    version="TLSv1.3",
    cipher="TLS_AES_256_GCM_SHA384",
    group="secp521r1",
    server_signature="ecdsa_secp521r1_sha512",
    client_signature=None,
    peer_chain=(),
    peer_authorities=(),
    deviations=(),
)


def result(
    reason: EndReason = EndReason.STOPPED_BY_EV, detail: str = "", cause: str = "", **more: Any
) -> SessionResult:
    more.setdefault("safe", True)
    return SessionResult(
        role="secc",
        ended=SessionEnded(reason, detail, cause=cause),
        exchanges=70,
        charge_loops=40,
        started=100.0,
        finished=161.23456,
        **more,
    )


@pytest.mark.parametrize(
    ("reason", "safe", "told"),
    [
        (EndReason.STOPPED_BY_EV, True, "ok"),
        (EndReason.STOPPED_BY_EV, False, "failed"),
        (EndReason.EMERGENCY, True, "failed"),
        (EndReason.EMERGENCY, False, "failed"),
    ],
)
def test_a_session_is_well_if_it_ended_in_order_and_its_hardware_is_safe(
    reason: EndReason, safe: bool, told: str
) -> None:
    one = result(reason, safe=safe)
    assert one.summary()["result"] == told
    assert ("NOT CONFIRMED SAFE" in str(one)) is not safe


def test_what_was_not_there_is_none_for_programs_and_said_for_people() -> None:
    one = result()
    told = one.summary()
    for name in ("tls", "link", "error", "energy_charged_kwh", "energy_discharged_kwh"):
        assert told[name] is None, name
    assert told["session_seconds"] == 61.235
    assert (told["last_messages"], told["faults"]) == ([], [])
    lines = str(one).splitlines()
    assert len(lines) == 10
    for words in (
        "secc session with nobody: STOPPED_BY_EV",
        "spoke       no edition in common, plaintext, 70 exchanges, 40 charge loops",
        "vehicle     unknown",
        "energy      no meter; at most 0.0 kW",
        "time        61.2 s, energy for 0.0 s; last state none",
        "last        no message",
        "hardware    safe",
    ):
        assert any(words in line for line in lines), words
    assert lines[5].endswith("unknown")
    assert lines[9].endswith("safe")
    assert "given back" not in str(one)


def test_what_was_there_is_told_in_both() -> None:
    one = result(
        detail="enough",
        tls=TLS,
        link=StreamEnd(Ending.CLOSED_BY_PEER),
        error=ValueError("odd"),
        charged_wh=12_345.678,
        discharged_wh=500.0,
        emaid="DE8AA1A2B3C4D5",
        states=("SupportedAppProtocol", "DC_ChargeLoop", "Ended"),
        last_messages=(LastMessage(0.12345, "evcc", "DC_ChargeLoopReq"), LastMessage(0.1, "secc", "A", "OK")),
        faults=(HardwareFault("power", "too hot"),),
    )
    told = one.summary()
    assert told["tls"] == {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "group": "secp521r1",
        "client_certificate": False,
    }
    assert told["link"] == "the peer closed the connection"
    assert told["error"] == "ValueError: odd"
    assert (told["energy_charged_kwh"], told["energy_discharged_kwh"]) == (12.3457, 0.5)
    assert told["faults"] == ["power: too hot"]
    assert told["last_messages"] == [
        {"before_s": 0.123, "from": "evcc", "message": "DC_ChargeLoopReq", "response_code": None},
        {"before_s": 0.1, "from": "secc", "message": "A", "response_code": "OK"},
    ]
    text = str(one)
    for words in (
        "(enough)",
        "TLSv1.3",
        ", contract DE8AA1A2B3C4D5",
        "12.35 kWh, 0.50 kWh given back",
        "last state DC_ChargeLoop",
        "DC_ChargeLoopReq, A OK",
        "safe; power: too hot",
    ):
        assert words in text, words


def test_no_energy_is_none_for_nobody() -> None:
    """A meter that counted nothing is a meter."""
    one = result(charged_wh=0.0, discharged_wh=0.0)
    assert (one.summary()["energy_charged_kwh"], one.summary()["energy_discharged_kwh"]) == (0.0, 0.0)
    assert "0.00 kWh;" in str(one)
    assert "given back" not in str(one)


def test_a_timer_is_named_where_one_is_behind_the_end() -> None:
    timed, plain = result(EndReason.TIMEOUT, cause="sequence-timeout", edition="iso20"), result()
    assert timed.cause.timer == "V2G_SECC_Sequence_Timeout"
    assert f"({timed.cause.timer}" in str(timed).splitlines()[2]
    shown = (plain.cause.timer, plain.cause.requirement(""), plain.cause.mrec)
    assert ("(" in str(plain).splitlines()[2]) is any(shown)


@pytest.mark.parametrize("over", [0, 1])
def test_a_line_has_160_characters_at_most(over: int) -> None:
    """What is longer ends with three dots, and is as long."""
    head = len(str(result()).splitlines()[1]) + len(" ()")
    line = str(result(detail="x" * (160 - head + over))).splitlines()[1]
    assert len(line) == 160
    assert line.endswith("xxx..." if over else "xxxx)")
