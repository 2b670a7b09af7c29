"""SLAC begins anew without pulling the plug: asked by either side's application, by toggles and C in X1,
after a failed matching, after a lost link, and within the times of the standard.
"""

from __future__ import annotations

import pytest

from iso15118.link.primitives import (
    DLinkError,
    DLinkTerminate,
    DutyChanged,
    LinkState,
    Pilot,
    Restart,
    SetPilot,
    ShowState,
)
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.messages import SlacParmReq
from iso15118.link.slac.settings import SlacSettings
from iso15118.session.actions import Action
from iso15118.session.events import Event, SignalChanged, SignalState
from iso15118.simulation.modem import PlcModem

from .rig import CAR, Pair, kinds, modem_for, run_to
from .test_edges import linked_ev, linked_evse

T_CONN_RESETUP_S = 15.0
B, C, E = (SignalChanged(SignalState(state)) for state in "BCE")


def pilots(pair: Pair, since: float) -> list[tuple[float, Pilot]]:
    return [
        (round(t - since, 2), a.pilot)
        for t, who, a in pair.bench.journal
        if who == "EVSE1" and isinstance(a, SetPilot) and t >= since
    ]


def finished(pair: Pair | None = None) -> Pair:
    """A session is over, and the vehicle stays plugged in over night."""
    pair = pair or Pair()
    pair.match()
    for end in (pair.vehicle, pair.station):
        pair.bench.tell(end, DLinkTerminate())
    pair.bench.run(8 * 3600.0)
    assert pair.station.machine.state is pair.vehicle.machine.state is LinkState.UNMATCHED
    assert pair.station.plug is not None
    assert pair.station.plug.pilot is Pilot.STEADY
    return pair


def linked_within(pair: Pair, seconds: float) -> float:
    begun = pair.bench.now
    assert pair.bench.run(seconds, lambda: pair.linked), pair.bench.notes()
    return pair.bench.now - begun


# -- the application


def test_the_vehicle_wakes_the_station_up_for_preconditioning() -> None:
    pair = finished()
    begun = pair.bench.now
    pair.bench.tell(pair.vehicle, Restart("preconditioning"))
    assert linked_within(pair, 6.0) < 2.0, "T_conn_resume is 6 s"
    assert pilots(pair, begun)[0] == (0.1, Pilot.FIVE_PERCENT), "once C is no glitch"
    pair.bench.run(1.0)
    assert pair.station.plug is not None
    assert pair.station.plug.signal is SignalState.B, "the toggle is over"


def test_the_station_wakes_the_vehicle_up() -> None:
    pair = finished()
    begun = pair.bench.now
    pair.bench.tell(pair.station, Restart("a tariff"))
    assert linked_within(pair, T_CONN_RESETUP_S) < 6.0
    assert [p for _, p in pilots(pair, begun)] == [Pilot.STEADY, Pilot.STATE_F, Pilot.FIVE_PERCENT]


@pytest.mark.parametrize("side", ["station", "vehicle"])
@pytest.mark.parametrize("moment_s", [0.0, 0.1, 0.4, 0.6, 2.0, 60.0])
def test_a_restart_at_any_moment_leads_to_a_link(side: str, moment_s: float) -> None:
    pair = Pair()
    pair.plug_in()
    pair.bench.run(moment_s)
    pair.bench.tell(pair.station if side == "station" else pair.vehicle, Restart())
    pair.bench.run(8.0)  # the station rests and shows F first
    assert linked_within(pair, 8.0) <= 8.0
    assert pair.vehicle.machine.peer == pair.station.machine.mac  # type: ignore[attr-defined]


def test_a_station_that_does_not_wake_up_is_asked_three_times() -> None:
    at, now = linked_ev()
    vehicle = at.ev
    vehicle.handle(DLinkTerminate(), now)
    vehicle.handle(DutyChanged(None), now)
    steps: list[tuple[float, Action]] = [(now, a) for a in vehicle.handle(Restart(), now)]
    steps += run_to(vehicle, now + 60.0)
    c = [round(t - now, 3) for t, a in steps if a == ShowState(SignalState.C)]
    assert c == [0.0, 6.0, 12.0]
    assert any("does not wake up" in repr(a) for _, a in steps)


@pytest.mark.parametrize("side", ["station", "vehicle"])
def test_unplugged_a_restart_is_nothing(side: str) -> None:
    pair = Pair()
    pair.bench.tell(pair.station if side == "station" else pair.vehicle, Restart())
    pair.bench.run(60.0)
    assert not pair.linked
    assert pair.match() < 1.0


# -- toggles and C in X1


@pytest.mark.parametrize(("length_s", "woken"), [(0.05, False), (0.3, True), (30.0, True)])
def test_toggles_and_c_in_x1_wake_the_station_up(length_s: float, woken: bool) -> None:
    pair = finished()
    begun = pair.bench.now
    assert pair.station.plug is not None
    pair.station.plug.show(SignalState.C)
    pair.bench.run(length_s)
    pair.station.plug.show(SignalState.B)
    assert bool(pilots(pair, begun)) is woken
    if woken:
        pair.bench.run(2.0)
        assert pair.linked


def test_a_station_that_gave_up_is_woken_up_as_well() -> None:
    pair = Pair(ev_modem=PlcModem(CAR, b"\x06CAR_1", silent=True))
    pair.plug_in()
    pair.bench.run(300.0)
    assert pair.station.machine.state is LinkState.UNMATCHED
    assert pair.vehicle.modem is not None
    pair.vehicle.modem.silent = False
    pair.bench.tell(pair.vehicle, Restart("its modem is there now"))
    assert linked_within(pair, 6.0) < 3.0


# -- after a failed matching


def test_after_a_failed_matching_a_restart_of_the_vehicle_begins_at_once() -> None:
    pair = Pair(ev_modem=PlcModem(CAR, b"\x06CAR_1", silent=True))
    pair.plug_in()
    pair.bench.run(30.0)
    assert pair.vehicle.machine.state is LinkState.UNMATCHED
    assert pair.vehicle.modem is not None
    pair.vehicle.modem.silent = False
    pair.bench.tell(pair.vehicle, Restart("once more"))
    assert linked_within(pair, 2.0) < 1.0


# -- after a lost link


class Waiting(EvSlac):
    """A vehicle that leaves a link that is lost, and waits for the station's E or F
    then, as the standard has it."""

    def handle(self, event: Event, now: float) -> list[Action]:
        actions = super().handle(event, now)
        return self._wait(actions, now)

    def handle_timeout(self, now: float) -> list[Action]:
        return self._wait(super().handle_timeout(now), now)

    def _wait(self, actions: list[Action], now: float) -> list[Action]:
        if "the link is gone" not in repr(actions):
            return actions
        return [a for a in actions if "SlacParmReq" not in repr(a)] + super().handle(DLinkError(), now)


def test_a_vehicle_that_waits_for_e_or_f_after_a_lost_link_is_served_within_t_conn_resetup() -> None:
    pair = Pair()
    pair.bench.ends.remove(pair.vehicle)
    machine = Waiting(CAR)
    pair.vehicle = pair.bench.vehicle("CAR_1", machine, modem_for(CAR, measures=False))
    pair.match()
    lost = pair.bench.now
    pair.bench.line.jammed = True
    assert pair.bench.run(5.0, lambda: not pair.vehicle.ready and not pair.station.ready)
    pair.bench.line.jammed = False
    assert pair.bench.run(60.0, lambda: pair.linked), pair.bench.notes()
    assert pair.bench.now - lost < T_CONN_RESETUP_S, pilots(pair, lost)
    assert Pilot.STATE_F in [p for _, p in pilots(pair, lost)]


def test_a_vehicle_that_begins_by_itself_after_a_lost_link_is_served_at_once_and_sees_no_f() -> None:
    pair = Pair()
    pair.match()
    lost = pair.bench.now
    pair.bench.line.jammed = True
    pair.bench.run(2.5)
    pair.bench.line.jammed = False
    assert pair.bench.run(60.0, lambda: pair.linked), pair.bench.notes()
    assert pair.bench.now - lost < 6.0
    assert Pilot.STATE_F not in [p for _, p in pilots(pair, lost)]


def test_without_wake_ups_a_lost_link_is_waited_for_as_long_as_ever() -> None:
    at, now = linked_evse(SlacSettings(c_sequ_retry=0))
    for n in (1.0, 2.0):
        at.link(False, now + n)
    shown = [(round(t, 1), a.pilot) for t, a in run_to(at.evse, 300.0) if isinstance(a, SetPilot)]
    assert shown == [(round(now + 2.0 + 50.0, 1), Pilot.STEADY)]


# -- a vehicle that reboots


@pytest.mark.parametrize("keeps_key", [True, False])
def test_a_vehicle_that_reboots_is_linked_again_within_t_conn_max_comm(keeps_key: bool) -> None:
    pair = Pair()
    pair.match()
    pair.bench.run(30.0)
    begun = pair.bench.now
    pair.bench.ends.remove(pair.vehicle)
    modem = pair.vehicle.modem
    assert modem is not None
    if not keeps_key:
        modem.network = None
    pair.vehicle.name = "gone"
    pair.vehicle = again = pair.bench.vehicle("CAR_1", EvSlac(CAR), modem)
    again.plug = pair.station.plug
    assert again.plug is not None
    again.plug.to_vehicle = lambda event: pair.bench.tell(again, event)
    pair.station.ready = False
    pair.bench.tell(again, B)
    pair.bench.tell(again, DutyChanged(5.0))
    assert pair.bench.run(20.0, lambda: pair.linked), pair.bench.notes()
    assert pair.bench.now - begun < 8.0


# -- faults of the pilot


def test_a_flapping_pilot_is_restarted_within_its_budget_and_not_20_times() -> None:
    pair = Pair()
    pair.match()
    begun = pair.bench.now
    assert pair.station.plug is not None
    for _ in range(20):
        pair.station.plug.disturb(SignalState.E)
        pair.bench.run(0.02)
        pair.station.plug.disturb(None)
        pair.bench.run(0.18)
    assert [p for _, p in pilots(pair, begun)] == [Pilot.STEADY, Pilot.STATE_F]
    assert linked_within(pair, T_CONN_RESETUP_S) < 8.0


def test_the_budget_of_restarts_after_faults_is_for_one_plug_in() -> None:
    settings = SlacSettings(c_fault_restarts=1)
    pair = Pair(evse_settings=settings)
    pair.match()
    for _ in range(2):
        assert pair.station.plug is not None
        pair.station.plug.disturb(SignalState.E)
        pair.bench.run(0.02)
        pair.station.plug.disturb(None)
        pair.bench.run(20.0)
    assert not pair.station.ready
    assert any("no restart left after state E" in note for note in pair.bench.notes())
    pair.bench.unplug(pair.vehicle, pair.station)
    pair.bench.run(1.0)
    assert pair.match() < 1.0


def test_c_wakes_a_resting_station_up_after_half_of_t_vald_detect() -> None:
    at, now = linked_evse()
    at.evse.handle(DLinkTerminate(), now)
    assert kinds(at.hear(SlacParmReq(b"too-late"), now)) == []
    at.evse.handle(C, now + 1.0)
    shown = [(round(t - now, 3), a.pilot) for t, a in run_to(at.evse, now + 2.0) if isinstance(a, SetPilot)]
    assert shown == [(1.1, Pilot.FIVE_PERCENT)]
    at.evse.handle(B, now + 2.0)
    at.evse.handle(E, now + 3.0)
    assert at.evse.state is LinkState.MATCHING
