"""What is measured is judged in ISO 15118-2 as in other editions: the script tells the supervision what it
asks for, and what is said."""

from __future__ import annotations

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import amperes, volts
from iso15118.session import actions as act
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason
from iso15118.session.supervision import Rule
from tests.evcc.iso2.station import BATTERY_V, NOTIFY, Host, status


def warned(host: Host) -> set[str]:
    return {one.rule for one in host.news if isinstance(one, act.SupervisionWarning)}


def run(host: Host, seconds: float) -> None:
    until = host.book.now + seconds
    while host.book.now < until and host.ended is None:
        host.step()


def test_more_current_than_is_asked_for_ends_the_charge() -> None:
    host = Host().to("CurrentDemand", 2)
    host.answer(evse_maximum_current_limit=amperes(50.0))
    host.measure(BATTERY_V, 50.0)
    run(host, 5.0)
    assert host.session.state == "CurrentDemand"
    host.measure(BATTERY_V, 250.0)
    run(host, 20.0)
    assert host.ended is not None
    assert host.ended.rule == Rule.OVER_CURRENT.value
    assert not host.watch.told_closed


def test_current_while_a_new_schedule_is_negotiated_ends_the_session() -> None:
    host = Host().to("CurrentDemand", 2)
    host.answer(dc_evse_status=status(notification=NOTIFY.ReNegotiation))
    host.to("ChargeParameterDiscovery")
    host.measure(BATTERY_V, 60.0)
    began = host.book.now
    while host.ended is None and host.book.now < began + 20.0:
        if host.waiting:
            host.answer(evse_processing=iso2.EVSEProcessing.Ongoing, sa_schedules=None)
        else:
            host.wait(0.1)
    assert host.ended is not None
    assert host.ended.reason is EndReason.HARDWARE_FAULT
    assert not host.watch.told_closed


@pytest.mark.parametrize(
    ("voltage", "current", "expected"),
    [(BATTERY_V, 0.0, False), (700.0, 0.0, True), (BATTERY_V, 200.0, True)],
)
def test_a_station_that_says_something_else_than_is_measured(
    voltage: float, current: float, expected: bool
) -> None:
    host = Host().to("CurrentDemand", 2)
    for _ in range(200):
        if isinstance(host.request, iso2.CurrentDemandReq) and host.waiting:
            host.answer(evse_present_voltage=volts(voltage), evse_present_current=amperes(current))
        else:
            host.step()
    assert (Rule.STATION_REPORTS_OTHER.value in warned(host)) is expected
    assert host.ended is None


def test_readings_that_stop_end_the_charge() -> None:
    host = Host().to("CurrentDemand", 2)
    host.shown.clear()
    run(host, 10.0)
    assert host.ended is not None
    assert host.ended.rule == Rule.STALE_READINGS.value


def test_more_than_evse_max_current_ends_the_charge() -> None:
    host = Host(charger=AcVehicleLimits.of(current_a=16.0)).to("ChargingStatus", 2)
    host.answer(evse_max_current=amperes(8.0))
    host.draw(8.0)
    run(host, 10.0)
    assert host.session.state == "ChargingStatus"
    host.draw(16.0)
    run(host, 60.0)
    assert host.ended is not None
    assert host.ended.rule in (Rule.OVER_CURRENT.value, Rule.OVER_POWER.value)
