"""How urgent each stop of basic charging is, in both roles: no orderly opening while current flows, no ramp
behind a stop at once, and an emergency counts behind an orderly end, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iso15118.connector.basic import BasicSettings, BasicStation, BasicVehicle, Steps
from iso15118.link.primitives import DutyChanged, Pilot
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.testing import SafetyViolation
from iso15118.testing.monitor.basic import BasicStationMonitor, BasicVehicleMonitor
from tests.evcc.station import battery

A, B, C = ev.SignalState.A, ev.SignalState.B, ev.SignalState.C
STOP, OPEN = act.StopPower, act.OpenContactors
AT_ONCE, RAMP = Urgency.EMERGENCY, Urgency.ORDERLY
OUTLET, CHARGER = AcStationLimits.of(current_a=16.0), AcVehicleLimits.of(current_a=16.0)
BOTH_AT_ONCE = [(STOP, AT_ONCE), (OPEN, AT_ONCE)]
Asked = list[tuple[type[act.Action], Urgency]]
ALARMS = [ev.EmergencyShutdown("button"), ev.HardwareFault("meter", "short circuit")]


def flowing(amperes: float) -> ev.AcMeasured:
    return ev.AcMeasured(voltage_v=(230.0,) * 3, current_a=(amperes,) * 3, power_w=(amperes * 230.0,) * 3)


class End:
    """A session under its monitor that keeps ``amperes`` on the cable."""

    def __init__(self, session: BasicStation | BasicVehicle) -> None:
        self.session, self.now, self.amperes = session, 0.0, 0.0
        self.battery = battery()
        """What that of a vehicle tells."""
        self.monitor: BasicStationMonitor | BasicVehicleMonitor
        if isinstance(session, BasicStation):
            self.monitor = BasicStationMonitor(OUTLET, most_a=32.0, before=Pilot.STEADY, matched=False)
        else:
            self.monitor = BasicVehicleMonitor(CHARGER, percent=26.7)

    def tell(self, event: ev.Event | None) -> Asked:
        session = self.session
        actions = session.handle_timeout(self.now) if event is None else session.handle(event, self.now)
        self.monitor.look(event, actions, self.now)
        return [(type(one), one.urgency) for one in actions if isinstance(one, STOP | OPEN)]

    def run(self, seconds: float) -> Asked:
        """So long, or until it is over."""
        asked, until = [], self.now + seconds
        while self.now < until and self.session.ended is None:
            self.now = round(self.now + 0.1, 1)
            asked += self.tell(flowing(self.amperes))
            if isinstance(self.session, BasicVehicle) and self.session.ended is None:
                asked += self.tell(self.battery)
            if self.session.deadline is not None and self.session.deadline <= self.now:
                asked += self.tell(None)
        return asked

    @property
    def ended(self) -> act.SessionEnded:
        assert self.session.ended is not None
        return self.session.ended


def station(off: tuple[Rule, ...] = (), amperes: float = 16.0) -> End:
    limits = SupervisionLimits(off=off)
    end = End(BasicStation(BasicSettings(), OUTLET, steps=Steps.NONE, supervision=limits))
    for event in (
        ev.Connected(secure=False),
        ev.SignalChanged(B),
        ev.AuthorizationDecided(True),
        ev.SignalChanged(C),
        ev.ContactorsChanged(True),
    ):
        end.tell(event)
    end.amperes = amperes
    end.run(1.0)
    assert end.session.state == "BasicCharging"
    return end


def vehicle() -> End:
    end = End(BasicVehicle(BasicSettings(), CHARGER, battery(), percent=26.7))
    end.tell(ev.Connected(secure=False))
    end.run(0.1)
    end.amperes = 16.0
    end.run(1.0)
    assert end.session.state == "BasicCharging"
    return end


def test_an_outlet_that_comes_alive_again_has_time_to_be_read() -> None:
    end = station(amperes=0.0)
    end.tell(ev.SignalChanged(B))
    end.tell(ev.ContactorsChanged(False))
    end.now += 60.0
    end.tell(None)
    end.tell(ev.SignalChanged(C))
    assert end.session._live
    assert end.session.deadline == pytest.approx(end.now + 1.0)
    end.tell(None)
    assert end.session.ended is None


def test_so_has_a_charger() -> None:
    end = vehicle()
    end.amperes = 0.0
    end.tell(DutyChanged(None))
    end.run(0.2)
    end.now += 60.0
    end.tell(end.battery)
    end.tell(flowing(0.0))
    end.now += 0.95
    end.tell(end.battery)
    end.tell(DutyChanged(26.7))
    assert end.session._live
    assert end.session.deadline == pytest.approx(end.now + 1.0)


# -- the end of the time to stop


def test_a_station_opens_at_once_what_still_flows_when_the_time_is_over() -> None:
    end = station()
    assert end.tell(ev.StopRequested("switched off")) == []
    assert end.run(5.9) == []
    assert end.run(0.1) == BOTH_AT_ONCE
    assert (end.ended.reason, end.ended.rule) == (EndReason.HARDWARE_FAULT, "no-decay")
    assert "16 A still flow 6 s" in end.ended.detail


def test_so_it_does_where_nobody_judges_it() -> None:
    end = station(off=(Rule.NO_DECAY,))
    end.tell(ev.StopRequested("switched off"))
    assert end.run(6.0) == BOTH_AT_ONCE
    assert (end.ended.reason, end.ended.detail) == (EndReason.STOPPED_BY_STATION, "switched off")


def test_what_no_longer_flows_is_opened_in_an_orderly_way() -> None:
    end = station()
    end.tell(ev.StopRequested("switched off"))
    end.amperes = 0.0
    assert end.run(6.0) == [(STOP, RAMP), (OPEN, RAMP)]
    assert end.ended == act.SessionEnded(EndReason.STOPPED_BY_STATION, "switched off")


# -- behind a stop at once


def test_a_station_asks_for_no_ramp_behind_a_stop_at_once() -> None:
    end = station()
    assert end.tell(ev.SignalChanged(B)) == BOTH_AT_ONCE
    end.tell(ev.ContactorsChanged(False))
    end.amperes = 0.0
    end.run(0.5)
    assert end.tell(ev.StopRequested("enough")) == BOTH_AT_ONCE
    assert end.ended.reason is EndReason.STOPPED_BY_STATION


def test_a_station_that_closed_again_may_ramp_again() -> None:
    end = station()
    end.tell(ev.SignalChanged(B))
    end.tell(ev.ContactorsChanged(False))
    end.amperes = 0.0
    end.run(0.5)
    end.tell(ev.SignalChanged(C))
    end.run(3.0)
    end.tell(ev.ContactorsChanged(True))
    assert end.session.state == "BasicCharging"
    end.tell(ev.StopRequested("enough"))
    assert end.run(1.0) == [(STOP, RAMP), (OPEN, RAMP)]


def test_a_vehicle_asks_for_no_ramp_behind_a_stop_at_once() -> None:
    end = vehicle()
    assert end.tell(ev.StopRequested("driver")) == [(STOP, RAMP)]
    assert end.run(2.9) == []
    assert end.run(0.1) == [(STOP, AT_ONCE)]
    assert end.ended == act.SessionEnded(EndReason.STOPPED_BY_EV, "driver")


def test_a_vehicle_that_draws_again_may_ramp_again() -> None:
    end = vehicle()
    assert end.tell(DutyChanged(None)) == [(STOP, RAMP)]
    assert end.run(3.0) == [(STOP, AT_ONCE)]
    assert end.session.state == "BasicWaiting"
    end.tell(DutyChanged(26.7))
    end.run(0.1)
    assert end.session.state == "BasicCharging"
    assert end.tell(ev.StopRequested("driver")) == [(STOP, RAMP)]


def test_the_monitors_see_a_ramp_behind_a_stop_at_once() -> None:
    wrong: list[act.Action] = [STOP(AT_ONCE), STOP(RAMP)]
    for end in (station(), vehicle()):
        with pytest.raises(SafetyViolation, match="a ramp after a stop at once"):
            end.monitor.look(flowing(16.0), wrong, end.now)


# -- an emergency during an orderly stop, and behind an orderly end


@pytest.mark.parametrize("alarm", ALARMS)
@pytest.mark.parametrize("made", [station, vehicle])
def test_an_emergency_during_an_orderly_stop(made: Callable[[], End], alarm: ev.Event) -> None:
    end = made()
    end.tell(ev.StopRequested("enough"))
    end.run(1.0)
    assert end.tell(alarm) == BOTH_AT_ONCE
    assert not end.ended.reason.orderly
    assert end.tell(alarm) == [], "once"


@pytest.mark.parametrize("alarm", ALARMS)
@pytest.mark.parametrize("made", [station, vehicle])
def test_an_emergency_behind_an_orderly_end(made: Callable[[], End], alarm: ev.Event) -> None:
    end = made()
    end.tell(ev.StopRequested("enough"))
    end.amperes = 0.0
    end.run(1.0)
    reason = end.ended.reason
    assert reason.orderly
    assert end.tell(alarm) == BOTH_AT_ONCE
    assert end.tell(alarm) == [], "once"
    assert end.ended.reason is reason


@pytest.mark.parametrize("state", [A, B, ev.SignalState.F])
def test_a_vehicle_that_lets_go_of_contactors_that_open_slowly(state: ev.SignalState) -> None:
    end = station()
    end.tell(ev.StopRequested("enough"))
    end.amperes = 0.0
    end.run(1.0)
    assert end.ended.reason is EndReason.STOPPED_BY_STATION
    assert end.tell(ev.SignalChanged(C)) == []
    assert end.tell(ev.SignalChanged(state)) == BOTH_AT_ONCE
    assert end.tell(ev.SignalChanged(state)) == [], "once"


def test_contactors_that_have_opened_are_left_alone() -> None:
    end = station()
    end.tell(ev.StopRequested("enough"))
    end.amperes = 0.0
    end.run(1.0)
    end.tell(ev.ContactorsChanged(False))
    assert end.tell(ev.SignalChanged(A)) == []


def test_an_alarm_behind_an_end_that_never_let_anything_flow_asks_nothing() -> None:
    end = End(BasicStation(BasicSettings(), OUTLET, steps=Steps.NONE))
    end.tell(ev.Connected(secure=False))
    end.tell(ev.StopRequested("enough"))
    assert end.ended.reason is EndReason.STOPPED_BY_STATION
    assert end.tell(ALARMS[0]) == []
