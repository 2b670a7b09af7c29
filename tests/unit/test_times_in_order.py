"""Times of different files of which one has to be over before the other: a default that is changed alone, and
contradicts one elsewhere, fails here."""

from __future__ import annotations

import pytest

from iso15118.aio import heartbeat, run
from iso15118.aio.net.ending import StreamLimits
from iso15118.aio.ports.hardware import PortLimits
from iso15118.connector.settings import ConnectorSettings
from iso15118.evcc.iso2 import ac as iso2_ac
from iso15118.evcc.iso20 import ac_energy, wpt_power
from iso15118.secc.config import SeccConfig
from iso15118.session.supervision.limits import SupervisionLimits
from iso15118.session.supervision.station import StationSupervisor
from iso15118.session.supervision.vehicle import VehicleSupervisor
from iso15118.timing import DinTiming, Iso2Timing, Timing

TIMINGS = [Timing(), Iso2Timing(), DinTiming()]
SUPERVISION = SupervisionLimits()
GREATEST_A = [1.0, 125.0, 500.0, 501.0, 3000.0]
MARGIN_S = 0.5
"""For what is under way when the first of two times is over."""


def falls_within_s(greatest_a: float) -> float:
    """As the station reckons it."""
    station = StationSupervisor(SUPERVISION)
    station.negotiated(1000.0, greatest_a, 0.0)
    return station.falls_within_s


@pytest.mark.parametrize("greatest_a", GREATEST_A)
def test_a_program_waits_for_an_orderly_end_longer_than_a_station_does(greatest_a: float) -> None:
    config = SeccConfig()
    followed_s = config.stop_delay_s + falls_within_s(greatest_a) + SUPERVISION.settle_s
    goodbye_s = config.stop_delay_s
    assert followed_s + goodbye_s + MARGIN_S <= run.ORDERLY_S


@pytest.mark.parametrize("greatest_a", GREATEST_A)
def test_a_station_that_asked_for_the_end_waits_longer_than_a_vehicle_goes_on_asking_for_nothing(
    greatest_a: float,
) -> None:
    vehicle = VehicleSupervisor(SUPERVISION, maximum_v=1000.0, charge_a=greatest_a, discharge_a=0.0)
    vehicle.offered(greatest_a, 0.0)
    vehicle.current_a = greatest_a
    assert vehicle.falls_within_s <= falls_within_s(greatest_a)


@pytest.mark.parametrize(
    "wind_down_s", [iso2_ac._WIND_DOWN_S, ac_energy._WIND_DOWN_S, wpt_power._WIND_DOWN_S]
)
def test_a_vehicle_that_ends_its_current_itself_does_so_before_the_station_loses_patience(
    wind_down_s: float,
) -> None:
    assert wind_down_s + MARGIN_S < SeccConfig().stop_delay_s
    assert wind_down_s <= SUPERVISION.ac_stop_s


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda one: type(one).__name__)
def test_contactors_and_their_answer(timing: Timing) -> None:
    answer_s, timeout_s = timing.answer_time, timing.message_timeout
    if isinstance(timing, Iso2Timing):
        answer_s, timeout_s = timing.answer_time_power, timing.message_timeout_power
    assert timing.contactor_answer < answer_s < timeout_s
    assert timing.contactor_answer <= timing.contactor_close
    assert SUPERVISION.contactor_s is not None
    assert PortLimits.of(timing).contactors_s <= timing.contactor_close < SUPERVISION.contactor_s


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda one: type(one).__name__)
def test_ports_give_up_before_the_vehicle_does(timing: Timing) -> None:
    ports = PortLimits.of(timing)
    assert ports.pre_charge_s < timing.pre_charge_timeout
    assert max(ports.device_s, ports.contract_s) < timing.ongoing_timeout
    assert max(ports.power_s, ports.meter_s, ports.signal_s) < timing.answer_time


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda one: type(one).__name__)
def test_a_connection_outlives_the_silence_that_a_session_allows(timing: Timing) -> None:
    stream = StreamLimits()
    assert timing.sequence_timeout < stream.idle_s
    assert stream.handshake_s < timing.communication_setup_performance < timing.communication_setup_timeout
    assert timing.close_wait < ConnectorSettings().close_s


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda one: type(one).__name__)
def test_a_phase_lasts_as_long_as_whatever_it_waits_for(timing: Timing) -> None:
    assert timing.longest_phase <= timing.phase_performance
    assert SeccConfig().stop_delay_s < timing.sequence_timeout


def test_readings_are_looked_at_many_times_before_they_are_old() -> None:
    ports = PortLimits()
    assert SUPERVISION.stale_s is not None
    assert 5.0 * ports.look_s <= SUPERVISION.stale_s
    assert 2.0 * ports.look_s <= min(SUPERVISION.no_current_s, SUPERVISION.reverse_current_s)
    assert ports.bounce_s < ports.feedback_s < SUPERVISION.contactor_s  # type: ignore[operator]


def test_the_heart_beats_several_times_within_the_least_limit() -> None:
    assert 2.0 * heartbeat.BEAT_S < heartbeat._LEAST_LIMIT_S < heartbeat._MOST_LIMIT_S
