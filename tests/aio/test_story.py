"""What the log says of one session, line by line: at info what was decided and where it stands, at debug
every message, and nothing of what comes with every turn."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from iso15118.aio.logs import flush
from iso15118.aio.story import Story
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests.aio.test_told_result import TLS, result

EndReason = act.EndReason


class Log:
    """The lines of a story, with or without their levels."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def lines(self) -> list[str]:
        return [text for _, text in self.levels()]

    def levels(self) -> list[tuple[str, str]]:
        assert flush(60.0)
        told = [
            (one.levelname, one.getMessage())
            for one in self._caplog.records
            if one.name == "iso15118.aio.story"
        ]
        self._caplog.clear()
        return told


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level(logging.DEBUG, logger="iso15118")
    return Log(caplog)


def stream(peer: str, info: Any) -> Any:
    return SimpleNamespace(peer=peer, tls_info=info)


def test_it_begins_with_the_peer_and_what_tls_agreed_on(log: Log) -> None:
    one, other = Story("secc"), Story("evcc")
    one.began(stream("[::1]:5", TLS))
    other.began(stream("", None))
    other.turn(None, [act.StateEntered("A")])
    assert log.lines() == [
        "secc with [::1]:5: the session begins, TLSv1.3, TLS_AES_256_GCM_SHA384",
        "evcc: the session begins, without TLS",
        "evcc: state A",
    ]


def test_messages_are_told_at_debug_with_what_is_in_them(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    story = Story("secc")
    enveloped = SimpleNamespace(body=SimpleNamespace(body_element="what is inside"))
    story.message(sent=True, message=enveloped)
    story.message(sent=False, message="as it is")
    story.message(sent=True, message=SimpleNamespace(body=None))
    assert log.lines() == [
        "secc: sent what is inside",
        "secc: received as it is",
        "secc: sent namespace(body=None)",
    ]
    caplog.set_level(logging.INFO, logger="iso15118")
    story.message(sent=True, message="x")
    assert log.lines() == []


@pytest.mark.parametrize(
    ("length", "shown"), [(2000, "x" * 2000), (2001, "x" * 2000 + "... (2001 characters)")]
)
def test_a_message_is_shown_up_to_2000_characters(log: Log, length: int, shown: str) -> None:
    Story("secc").message(sent=True, message="x" * length)
    assert log.lines() == [f"secc: sent {shown}"]


def test_decisions_states_and_what_is_asked_of_the_hardware_are_told_and_nothing_else(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes with every turn of the charge loop has no line; nor has the end, which has its own."""
    story = Story("secc")
    decided, asked = ev.StopRequested("enough"), act.OpenContactors(act.Urgency.ORDERLY, "enough")
    measured = ev.PowerMeasured(voltage_v=400.0, current_a=1.0)
    noted = act.PeerDeviates("isolation-under-power", "x")
    quiet = [act.SessionEnded(EndReason.EMERGENCY), act.VehicleDisplay(), act.ReadMeter()]
    story.turn(decided, [act.StateEntered("B"), asked, noted, *quiet])
    story.turn(measured, [])
    story.turn(None, [])
    assert log.lines() == [
        f"secc: told {decided}",
        "secc: state B",
        f"secc: asks for {asked}",
        f"secc: {noted}",
    ]
    caplog.set_level(logging.WARNING, logger="iso15118")
    story.turn(decided, [asked])
    assert log.lines() == []


def test_the_end_is_told_with_its_cause_and_with_what_there_is_of_it(log: Log) -> None:
    story = Story("secc")
    story.ended(result(detail="enough"))
    timed = result(EndReason.TIMEOUT, cause="sequence-timeout", edition="iso20")
    story.ended(timed)
    first, second = log.lines()
    assert first.startswith(
        "secc: the session ended, STOPPED_BY_EV (cause stopped-by-vehicle, points at evcc"
    )
    assert first.endswith("): enough")
    assert second.endswith(")"), "nothing more was said of it"
    assert timed.cause.timer == "V2G_SECC_Sequence_Timeout"
    assert f"points at {timed.side}, {timed.cause.timer}" in second


OURS = (
    "CABLE_CHECK_FAILED",
    "PRE_CHARGE_FAILED",
    "CONTACTOR_FAILED",
    "HARDWARE_FAULT",
    "EMERGENCY",
    "INTERNAL_ERROR",
)
THEIRS = {
    "peer-malfunction": EndReason.HARDWARE_FAULT,
    "peer-emergency": EndReason.EMERGENCY,
    "battery-limit-lowered": EndReason.PRE_CHARGE_FAILED,
    "coupling-failed": EndReason.COUPLING_FAILED,
}


@pytest.mark.parametrize("reason", list(EndReason), ids=lambda reason: reason.name)
def test_an_end_by_a_fault_of_this_side_is_an_error(log: Log, reason: EndReason) -> None:
    """What a neighbour of the network can bring about as often as he likes is none."""
    Story("secc").ended(result(reason))
    [(level, _)] = log.levels()
    if reason is EndReason.COUPLING_FAILED:  # points at what lies between the two
        assert level == "WARNING"
    else:
        assert level == ("ERROR" if reason.name in OURS else "INFO")


@pytest.mark.parametrize("cause", THEIRS)
def test_an_end_by_a_fault_of_the_other_side_is_a_warning(log: Log, cause: str) -> None:
    Story("secc").ended(result(THEIRS[cause], cause=cause))
    assert [level for level, _ in log.levels()] == ["WARNING"]


@pytest.mark.parametrize(("role", "level"), [("secc", "ERROR"), ("evcc", "WARNING")])
def test_a_cable_check_that_failed_is_the_stations_error(log: Log, role: str, level: str) -> None:
    Story(role).ended(msgspec.structs.replace(result(EndReason.CABLE_CHECK_FAILED), role=role))
    assert [one for one, _ in log.levels()] == [level]


@pytest.mark.parametrize("at", [logging.DEBUG, logging.WARNING])
def test_a_broken_rule_is_a_warning_once_in_a_session(
    log: Log, caplog: pytest.LogCaptureFixture, at: int
) -> None:
    caplog.set_level(at, logger="iso15118")
    story = Story("evcc")
    first, other = act.SupervisionWarning("over-current", "a"), act.SupervisionWarning("insulation", "b")
    for _ in range(3):
        story.turn(None, [act.StateEntered("A"), first])
    story.turn(None, [other])
    Story("evcc").turn(None, [first])
    told = [one for one in log.levels() if "Supervision" in one[1]]
    assert [text for level, text in told if level == "WARNING"] == [
        f"evcc: {first}",
        f"evcc: {other}",
        f"evcc: {first}",
    ]
    assert [level for level, _ in told if level != "WARNING"] == (
        [] if at == logging.WARNING else ["INFO"] * 2
    )


def test_a_rule_that_ended_a_session_is_an_error_whatever_the_reason(log: Log) -> None:
    """One that only asked for an orderly stop had its warning."""
    story, wanted = Story("secc"), result(EndReason.STOPPED_BY_STATION)
    ruled = result(EndReason.ONGOING_TOO_LONG, cause="over-voltage")
    for one in (wanted, ruled):
        story.ended(
            msgspec.structs.replace(one, ended=msgspec.structs.replace(one.ended, rule="over-voltage"))
        )
    assert [level for level, _ in log.levels()] == ["INFO", "ERROR"]
