"""Durations and named timers."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.channel import EDITIONS
from iso15118.errors import ConfigError, MisuseError
from iso15118.timing import EVCC_MESSAGE_TIMEOUT, SECC_PERFORMANCE_TIME, Timer, TimerTable, Timing


@pytest.mark.parametrize(
    ("request_name", "timeout", "answer"),
    [
        ("SupportedAppProtocolReq", 2.0, 1.5),
        ("SessionSetupReq", 2.0, 1.5),
        ("AuthorizationReq", 2.0, 1.5),
        ("ServiceDetailReq", 5.0, 4.5),
        ("CertificateInstallationReq", 5.0, 4.5),
        ("PowerDeliveryReq", 2.0, 1.5),
        ("DCCableCheckReq", 2.0, 1.5),
        ("DCChargeLoopReq", 0.5, 0.25),
        ("ACChargeLoopReq", 0.5, 0.25),
        ("SessionStopReq", 2.0, 1.5),
    ],
)
def test_how_long_each_message_may_take(request_name: str, timeout: float, answer: float) -> None:
    assert Timing().message_timeout_of(request_name) == timeout
    assert Timing().answer_time_of(request_name) == answer


def test_a_station_answers_before_the_car_stops_waiting() -> None:
    timing = Timing()
    assert EVCC_MESSAGE_TIMEOUT.keys() == SECC_PERFORMANCE_TIME.keys()
    for request_name in EVCC_MESSAGE_TIMEOUT:
        assert timing.answer_time_of(request_name) < timing.message_timeout_of(request_name)
    assert timing.communication_setup_performance < timing.communication_setup_timeout
    assert timing.ongoing_performance < timing.ongoing_timeout
    assert timing.cable_check_performance < timing.cable_check_timeout
    assert timing.pre_charge_performance < timing.pre_charge_timeout
    assert timing.sequence_performance < timing.sequence_timeout
    assert timing.sequence_performance_loop < timing.sequence_timeout_loop
    assert timing.contactor_answer < timing.answer_time


def test_the_values_of_the_standard() -> None:
    timing = Timing()
    assert (timing.sdp_retry, timing.sdp_requests) == (0.25, 50)
    assert (timing.sequence_timeout, timing.sequence_timeout_loop) == (60.0, 0.5)
    assert (timing.ongoing_timeout, timing.ongoing_performance) == (60.0, 55.0)
    assert (timing.cable_check_timeout, timing.cable_check_performance) == (40.0, 38.0)
    assert (timing.communication_setup_timeout, timing.communication_setup_performance) == (20.0, 18.0)
    assert (timing.contactor_close, timing.control_pilot_change, timing.close_wait) == (3.0, 0.25, 5.0)


def test_a_setting_reaches_every_message_it_is_for() -> None:
    timing = Timing(message_timeout_loop=3.0)
    assert timing.message_timeout_of("DCChargeLoopReq") == 3.0
    assert timing.message_timeout_of("SessionSetupReq") == 2.0


@pytest.mark.parametrize("value", [0, 0.0, -1.0, float("nan"), float("inf"), "2", None, True])
def test_a_duration_is_a_finite_number_above_zero(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"timing\.sequence_timeout"):
        Timing(sequence_timeout=value)


def test_the_number_of_tries_is_whole() -> None:
    with pytest.raises(ConfigError, match=r"timing\.sdp_requests"):
        Timing(sdp_requests=1.5)  # type: ignore[arg-type]


def test_a_name_that_is_no_request_is_refused() -> None:
    with pytest.raises(MisuseError, match="SessionSetupRes is no request"):
        Timing().message_timeout_of("SessionSetupRes")


def test_timers_fire_at_their_deadline_and_once() -> None:
    timers = TimerTable()
    timers.set(Timer.SEQUENCE, 60.0)
    assert timers.deadline == 60.0
    assert Timer.SEQUENCE in timers
    assert timers.expired(59.999) == []
    assert timers.expired(60.0) == [Timer.SEQUENCE]
    assert timers.expired(60.0) == []
    assert timers.deadline is None


def test_setting_a_running_timer_moves_it() -> None:
    timers = TimerTable()
    timers.set(Timer.SEQUENCE, 60.0)
    timers.set(Timer.SEQUENCE, 0.5)
    assert timers.deadline_of(Timer.SEQUENCE) == timers.deadline == 0.5
    timers.set(Timer.SEQUENCE, 90.0)
    assert timers.expired(60.0) == []


def test_timers_expire_in_order_of_time_and_then_of_name() -> None:
    timers = TimerTable()
    for timer, deadline in (
        (Timer.SEQUENCE, 1.0),
        (Timer.PACE, 2.0),
        (Timer.MESSAGE, 2.0),
        (Timer.STOP, 9.0),
    ):
        timers.set(timer, deadline)
    assert timers.deadline == 1.0
    assert timers.expired(5.0) == [Timer.SEQUENCE, Timer.MESSAGE, Timer.PACE]
    assert timers.deadline == 9.0


def test_timers_can_be_cleared() -> None:
    timers = TimerTable()
    timers.set(Timer.MESSAGE, 1.0)
    timers.set(Timer.PACE, 2.0)
    timers.clear(Timer.MESSAGE)
    timers.clear(Timer.MESSAGE)
    assert timers.deadline_of(Timer.MESSAGE) is None
    assert timers.deadline == 2.0
    timers.clear_all()
    assert timers.expired(10.0) == []


@pytest.mark.parametrize("deadline", [float("nan"), float("inf"), float("-inf")])
def test_a_deadline_is_a_finite_number(deadline: float) -> None:
    with pytest.raises(MisuseError, match="no deadline"):
        TimerTable().set(Timer.MESSAGE, deadline)


def test_a_table_shows_what_runs() -> None:
    timers = TimerTable()
    timers.set(Timer.SEQUENCE, 0.5)
    assert repr(timers) == "TimerTable(sequence: 0.5)"


def test_every_request_that_can_be_sent_has_its_times() -> None:
    requests = {
        message_type.__name__
        for streams in EDITIONS.values()
        for stream in streams
        for message_type in stream.message_types
        if message_type.__name__.endswith("Req")
    }
    assert requests
    assert requests <= EVCC_MESSAGE_TIMEOUT.keys()
