"""A loop that did not turn explains an end that comes by it, and no other one: how long it was, how
long before the end, and which ends and causes those are."""

from __future__ import annotations

import time

import pytest

from iso15118.aio.blocked import Blocked
from iso15118.aio.ports.guard import running
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.supervision import Rule

R = EndReason
SILENT = SessionEnded(R.TIMEOUT, "nothing came")


@pytest.fixture(autouse=True)
def no_call_had_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the tests before would be named: they are told by the clock of the machine."""
    monkeypatch.setattr(running, "_calls", type(running._calls)(maxlen=64))


def explained(blocked: Blocked, at: float, ended: SessionEnded = SILENT) -> bool:
    return blocked.explains(ended, at).cause == "loop-blocked"


@pytest.mark.parametrize(("seconds", "counts"), [(0.0, False), (0.299, False), (0.3, True), (5.0, True)])
def test_a_loop_that_turns_again_soon_explains_nothing(seconds: float, counts: bool) -> None:
    blocked = Blocked()
    assert not explained(blocked, 0.0)
    blocked.late(seconds, 10.0)
    assert explained(blocked, 10.0) is counts


@pytest.mark.parametrize(
    ("after_s", "counts"), [(0.0, True), (0.5, True), (1.0, True), (1.01, False), (9.0, False)]
)
def test_it_explains_what_ends_within_a_second(after_s: float, counts: bool) -> None:
    blocked = Blocked()
    blocked.late(0.5, 10.0)
    assert explained(blocked, 10.0 + after_s) is counts


def test_a_loop_that_never_stood_still_explains_nothing_even_in_its_first_second() -> None:
    assert Blocked().explains(SILENT, 0.5) is SILENT


@pytest.mark.parametrize(
    ("then", "after_s", "said"),
    [
        (0.4, 0.5, "2.00 s"),  # of two that are near the longer one counts
        (2.0, 0.5, "2.00 s"),
        (3.0, 0.5, "3.00 s"),
        (0.4, 0.99, "2.00 s"),
        (0.4, 1.0, "0.40 s"),
        (0.4, 5.0, "0.40 s"),
        (0.2, 0.5, "2.00 s"),
    ],
)
def test_of_several_the_longest_of_the_last_second_is_said(then: float, after_s: float, said: str) -> None:
    blocked = Blocked()
    blocked.late(2.0, 10.0)
    blocked.late(then, 10.0 + after_s)
    text = f"the event loop of this program did not turn for {said}"
    assert blocked.explains(SILENT, 10.0 + after_s).detail == f"{text}; nothing came"


def test_one_as_long_as_the_one_before_is_the_nearer_one() -> None:
    blocked = Blocked()
    blocked.late(0.5, 10.0)
    blocked.late(0.5, 10.9)
    assert explained(blocked, 11.8)


@pytest.mark.parametrize(
    ("reason", "rule", "cause", "counts"),
    [
        (R.TIMEOUT, "", "", True),
        (R.ONGOING_TOO_LONG, "", "sequence-timeout", True),
        (R.PEER_VANISHED, "", "connection-reset", True),
        (R.HARDWARE_FAULT, Rule.STALE_READINGS.value, "stale-readings", True),
        (R.HARDWARE_FAULT, Rule.FROZEN_READINGS.value, "frozen-readings", True),
        (R.HARDWARE_FAULT, Rule.OVER_POWER.value, "", False),
        (R.HARDWARE_FAULT, "", "over-current", False),
        (R.TIMEOUT, "", "unknown-session", False),
        (R.STOPPED_BY_EV, "", "", False),
        (R.EMERGENCY, "", "", False),
    ],
)
def test_only_ends_by_silence_and_by_readings_that_did_not_come_are_explained(
    reason: EndReason, rule: str, cause: str, counts: bool
) -> None:
    blocked = Blocked()
    blocked.late(0.5, 10.0)
    ended = SessionEnded(reason, "why", rule, cause)
    found = blocked.explains(ended, 10.0)
    if counts:
        assert found == SessionEnded(
            reason, "the event loop of this program did not turn for 0.50 s; why", rule, "loop-blocked"
        )
    else:
        assert found is ended


def test_an_end_that_says_nothing_gets_the_cause_alone() -> None:
    blocked = Blocked()
    blocked.late(0.5, 10.0)
    ended = SessionEnded(R.TIMEOUT, "")
    assert blocked.explains(ended, 10.0).detail == "the event loop of this program did not turn for 0.50 s"


@pytest.mark.parametrize(
    ("ago_s", "named"),
    [(0.0, True), (0.7, True), (0.9, False)],
    ids=["now", "as long ago as it was and a moment more", "before"],
)
def test_the_call_that_had_the_loop_meanwhile_is_named(
    ago_s: float, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr("iso15118.aio.ports.guard._clock", lambda: moment[0])
    monkeypatch.setattr(time, "perf_counter", lambda: moment[0])
    running.took("power.present", 0.4)
    moment[0] += ago_s
    blocked = Blocked()
    blocked.late(0.5, 10.0)
    detail = blocked.explains(SILENT, 10.0).detail
    assert (", longest in power.present; nothing came" in detail) is named
