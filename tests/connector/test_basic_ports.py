"""Basic charging with ports and applications that say nonsense, and with an outlet whose phases
change: each role by itself."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.connector.basic import BasicSettings, BasicStation, BasicVehicle
from iso15118.errors import ConfigError
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds, AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason
from iso15118.session.supervision import Rule

NAN = math.nan
THREE, ONE = AcStationLimits.of(current_a=16.0), AcStationLimits.of(current_a=16.0, phases=1)
VOLTS = ev.AcMeasured(voltage_v=(230.0, 230.0, 230.0))
UNUSABLE = [
    ev.AcMeasured(voltage_v=(NAN, NAN, NAN), current_a=(NAN, NAN, NAN)),
    ev.AcMeasured(current_a=(math.inf, 0.0, 0.0)),
    ev.AcMeasured(voltage_v=("230", 230.0, 230.0)),  # type: ignore[arg-type]
    ev.AcMeasured(current_a=None),  # type: ignore[arg-type]
    ev.AcMeasured(at=NAN),
]


def station(outlet: AcStationLimits = THREE, set_point_w: float | None = None) -> BasicStation:
    """It charges, since 10.5 s."""
    session = BasicStation(BasicSettings(rise_s=0.0, reclose_s=0.0), outlet)
    session.handle(ev.Connected(False), now=0.0)
    session.handle(ev.AuthorizationDecided(True), now=1.0)
    session.handle(ev.SetPointChanged(set_point_w), now=2.0)
    session.handle_timeout(now=3.0)
    session.handle(ev.SignalChanged(ev.SignalState.C), now=10.0)
    session.handle(ev.ContactorsChanged(True), now=10.5)
    assert session.state == "BasicCharging"
    return session


def vehicle() -> BasicVehicle:
    """It charges, since 1 s."""
    battery = ev.BatteryChanged(
        voltage_v=350.0,
        target_voltage_v=400.0,
        maximum_voltage_v=400.0,
        minimum_voltage_v=300.0,
        target_current_a=30.0,
        maximum_charge_current_a=30.0,
        maximum_charge_power_w=11_000.0,
        soc=40.0,
        capacity_wh=60e3,
        energy_to_target_wh=20e3,
        energy_to_maximum_wh=30e3,
        energy_to_minimum_wh=0.0,
    )
    session = BasicVehicle(BasicSettings(), AcVehicleLimits.of(current_a=16.0), battery, percent=26.7)
    session.handle(ev.Connected(False), now=0.0)
    session.handle(VOLTS, now=1.0)
    assert session.state == "BasicCharging"
    return session


def bounds(actions: list[Any]) -> AcBounds:
    return next(one.bounds for one in actions if isinstance(one, act.SetAcPower))


@pytest.mark.parametrize("reading", UNUSABLE, ids=repr)
@pytest.mark.parametrize("make", [station, vehicle])
def test_a_reading_that_is_none_is_a_fault_of_the_hardware(make: Any, reading: ev.AcMeasured) -> None:
    session = make()
    actions = session.handle(reading, now=11.0)
    assert isinstance(actions[0], act.StopPower)
    assert session.ended is not None
    assert (session.ended.reason, session.ended.rule) == (
        EndReason.HARDWARE_FAULT,
        Rule.UNUSABLE_READINGS.value,
    )


@pytest.mark.parametrize(
    "event",
    [
        ev.SetPointChanged(NAN),
        ev.SetPointChanged("11000"),  # type: ignore[arg-type]
        ev.AcLimitsChanged("16 A"),  # type: ignore[arg-type]
        "stop",
    ],
    ids=repr,
)
def test_an_event_of_the_application_that_makes_no_sense_is_refused(event: Any) -> None:
    session = station()
    with pytest.raises(ConfigError):
        session.handle(event, now=11.0)
    assert session.ended is None
    assert session.handle(VOLTS, now=11.1) == []


@pytest.mark.parametrize(
    "event",
    [ev.HardwareFault(None, None), ev.EmergencyShutdown(None), ev.TransportLost("gone")],  # type: ignore[arg-type]
)
@pytest.mark.parametrize("make", [station, vehicle])
def test_who_reports_a_fault_is_believed_however_odd_his_words(make: Any, event: Any) -> None:
    session = make()
    assert isinstance(session.handle(event, now=11.0)[0], act.StopPower)
    assert session.ended is not None
    assert session.ended.reason is not EndReason.INTERNAL_ERROR


@pytest.mark.parametrize("make", [station, vehicle])
@pytest.mark.parametrize("timeout", [True, False])
def test_a_clock_that_shows_no_time_is_a_fault_and_off(make: Any, timeout: bool) -> None:
    session = make()
    actions = session.handle_timeout(NAN) if timeout else session.handle(VOLTS, NAN)
    assert [type(one) for one in actions[:2]] == [act.StopPower, act.OpenContactors]
    assert session.ended is not None
    assert session.ended.reason is EndReason.INTERNAL_ERROR
    assert session.deadline is None


def test_an_outlet_that_loses_two_phases_gives_them_no_current_and_goes_on_with_one() -> None:
    session = station()
    actions = session.handle(ev.AcLimitsChanged(ONE), now=20.0)
    assert actions[0] == SetPilot(Pilot.STEADY)
    assert bounds(actions).charge_a == (0.0, 0.0, 0.0)
    session.handle(ev.SignalChanged(ev.SignalState.B), now=21.0)
    session.handle(ev.ContactorsChanged(False), now=21.1)
    session.handle_timeout(now=22.0)
    session.handle(ev.SignalChanged(ev.SignalState.C), now=23.0)
    told = bounds(session.handle(ev.ContactorsChanged(True), now=23.1))
    assert told.phases == 1
    assert told.charge_a[0] == pytest.approx(16.0, abs=0.1)
    assert told.charge_a[1:] == (0.0, 0.0)


def test_a_set_point_is_a_power_of_the_phases_that_are_connected() -> None:
    session = station(AcStationLimits.of(current_a=32.0, phases=1), 6_900.0)
    assert session.handle(ev.AcLimitsChanged(AcStationLimits.of(current_a=32.0)), now=20.0) == []
    session.handle(ev.SignalChanged(ev.SignalState.B), now=21.0)
    session.handle_timeout(now=21.0)
    session.handle(ev.ContactorsChanged(False), now=21.1)
    session.handle(ev.SignalChanged(ev.SignalState.C), now=23.0)
    told = bounds(session.handle(ev.ContactorsChanged(True), now=23.1))
    assert told.phases == 3
    assert sum(told.charge_w) <= 6_900.0
