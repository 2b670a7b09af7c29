"""Basic charging from plug-in to unplug in virtual time, both roles, each under its monitor: when it begins,
what it does, what ends it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from iso15118.connector import Phase
from iso15118.connector.basic import BasicMode
from iso15118.link.primitives import DutyChanged, Pilot, Restart
from iso15118.link.pwm import current_for
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import EndReason
from iso15118.simulation import ContactorFault
from tests.connector.basic_rig import BasicRig, basic_rig, ended, phases_of, shown, until_charging, when

FALLBACK, READ, ONLY, OFF = BasicMode.FALLBACK, BasicMode.READ, BasicMode.ONLY, BasicMode.OFF
C, D, B = ev.SignalState.C, ev.SignalState.D, ev.SignalState.B


def amperes(rig: BasicRig) -> float:
    return max(rig.station.circuit.currents_a)


# -- when it begins


def test_slac_is_given_up_early_and_the_pilot_takes_its_steps() -> None:
    rig = until_charging(basic_rig(deaf=True))
    pilots = shown(rig)
    assert [pilot for _, pilot, _ in pilots] == [
        Pilot.STEADY,
        Pilot.FIVE_PERCENT,
        Pilot.STATE_F,
        Pilot.STEADY,
        Pilot.NOMINAL,
    ]
    plugged, given_up, steady, nominal = (at for at, _, _ in pilots[1:])
    assert given_up - plugged == pytest.approx(12.0)
    assert steady - given_up == pytest.approx(4.0)
    assert nominal - steady == pytest.approx(3.0)
    assert pilots[-1][2] == 53.3, "32 A of the settings and the outlet"
    assert amperes(rig) == pytest.approx(16.0, rel=0.01), "what the charger takes"


def test_the_setting_says_how_early() -> None:
    rig = until_charging(basic_rig(deaf=True, give_up_s=5.0, t_step_ef=6.0, t_step_x1=1.0))
    times = [at for at, _, _ in shown(rig)[1:]]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([5.0, 6.0, 1.0])


def test_a_vehicle_that_can_talk_is_talked_to() -> None:
    rig = basic_rig()
    rig.plug_in()
    assert rig.run(300.0, lambda: rig.phases() == (Phase.FINISHED, Phase.FINISHED)), rig.phases()
    assert rig.secc.basic is None
    assert rig.evcc.basic is None
    assert rig.pair is not None
    assert rig.pair.secc.ended is not None
    assert rig.pair.secc.ended.reason is EndReason.STOPPED_BY_EV


def test_who_asks_to_match_late_gets_the_time_for_it() -> None:
    rig = basic_rig(deaf=True)
    rig.plug_in()
    rig.run(6.0)  # the vehicle has tried three times, and gave up
    rig.cable.cut(False)
    rig.tell(rig.evcc, Restart())
    assert rig.run(8.0, lambda: rig.phases() == (Phase.SESSION, Phase.SESSION)), rig.phases()
    assert rig.secc.basic is None


def test_without_it_nothing_changes() -> None:
    rig = basic_rig((OFF, FALLBACK), deaf=True)
    rig.plug_in()
    rig.run(45.0)
    assert Phase.BASIC not in phases_of(rig.secc)
    assert {pilot for _, pilot, _ in shown(rig)} == {Pilot.STEADY, Pilot.FIVE_PERCENT}


def test_a_vehicle_that_may_not_draws_nothing() -> None:
    rig = basic_rig((ONLY, OFF))
    rig.plug_in()
    rig.run(30.0)
    assert rig.phases() == (Phase.BASIC, Phase.LINKING)
    assert rig.station.outlet.closings == 0


def test_only_the_duty_cycle_from_plug_in_on() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK)), within_s=5.0)
    assert Pilot.FIVE_PERCENT not in {pilot for _, pilot, _ in shown(rig)}
    assert rig.pair is None


def test_a_plain_link_too() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), kind="plain"), within_s=5.0)
    assert amperes(rig) > 15.0


@pytest.mark.parametrize("reason", ["nothing in common", "it never comes"])
def test_a_high_level_session_that_comes_to_nothing(reason: str) -> None:
    if reason == "nothing in common":
        rig = basic_rig(secc={"editions": ("iso20",)}, evcc={"editions": ("iso2",)})
    else:
        rig = basic_rig()
        rig.discovery._carries = lambda: False  # nobody hears discovery
    until_charging(rig, within_s=150.0)
    pilots = shown(rig)
    five = [at for at, pilot, _ in pilots if pilot is Pilot.FIVE_PERCENT][-1]
    after = [(at, pilot) for at, pilot, _ in pilots if at > five]
    if reason == "nothing in common":  # otherwise the vehicle has left the link before it gives up
        assert {pilot for _, pilot in after} == {Pilot.STEADY, Pilot.NOMINAL}, "no E or F after a matching"
    steady = [at for at, pilot in after if pilot is Pilot.STEADY][-1]
    nominal = next(at for at, pilot in after if pilot is Pilot.NOMINAL)
    assert nominal - steady >= 3.0 - 1e-6


def test_a_session_reads_and_the_duty_cycle_goes_on() -> None:
    rig = until_charging(basic_rig((READ, FALLBACK)))
    assert rig.pair is not None
    assert rig.pair.secc.ended is not None
    assert rig.pair.secc.ended.reason is EndReason.STOPPED_BY_STATION
    assert rig.pair.secc.ended.reason.orderly
    assert rig.evccid
    assert rig.secc.basic is not None
    asked = [action for _, action in rig.secc.basic.journal if isinstance(action, act.RequestAuthorization)]
    assert [action.evccid for action in asked] == [rig.evccid]
    assert rig.station.outlet.closings == 1, "not in the session that reads"


# -- what it does


@pytest.mark.parametrize(
    ("phases", "car_phases", "watts"), [(3, 3, 11_000), (3, 1, 3_680), (1, 3, 3_680), (1, 1, 3_680)]
)
def test_phases(phases: int, car_phases: int, watts: float) -> None:
    rig = until_charging(
        basic_rig((ONLY, FALLBACK), phases=phases, car_phases=car_phases), at_least_w=3_000.0
    )
    assert sum(rig.station.circuit.power_w) == pytest.approx(watts, rel=0.01)


def test_a_whole_charge_and_the_energies_agree() -> None:
    rig = until_charging(basic_rig(deaf=True))
    assert rig.run(300.0, lambda: rig.evcc.phase is Phase.FINISHED)
    assert ended(rig.evcc).reason is EndReason.STOPPED_BY_EV
    rig.run(5.0)
    assert rig.safe
    assert rig.secc.phase is Phase.BASIC, "it may want more, as for preconditioning"
    assert rig.vehicle.battery.soc == pytest.approx(41.0, abs=0.05)
    assert rig.station.meter.charged_wh == pytest.approx(rig.vehicle.battery.charged_wh, rel=0.001)
    assert rig.station.outlet.opened_under_load == 0
    rig.unplug()
    rig.run(1.0)
    assert ended(rig.secc) == act.SessionEnded(EndReason.STOPPED_BY_EV, "unplugged")
    assert rig.phases() == (Phase.UNPLUGGED, Phase.UNPLUGGED)


def test_the_duty_cycle_follows_limits_that_change() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))

    def derate(current_a: float, seconds: float) -> float:
        rig.station.derate(AcStationLimits.of(current_a=current_a), rig.now)
        rig.run(seconds)
        return amperes(rig)

    changes = len(shown(rig))
    assert derate(10.0, 1.5) == pytest.approx(10.0, abs=0.1)
    assert shown(rig)[changes][0] == pytest.approx(rig.now - 1.5, abs=0.01), "lowered at once"
    assert derate(14.0, 2.0) == pytest.approx(10.0, abs=0.1), "raised when the vehicle had its time"
    assert derate(14.0, 6.0) == pytest.approx(14.0, abs=0.1)
    assert derate(5.0, 8.0) == 0.0
    assert not rig.station.outlet.closed
    assert (rig.secc.phase, rig.evcc.phase) == (Phase.BASIC, Phase.BASIC)
    assert derate(16.0, 20.0) == pytest.approx(16.0, abs=0.1)
    assert rig.station.outlet.closings == 2
    assert rig.station.outlet.opened_under_load == 0


def test_limits_that_change_without_end_wear_nothing() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    before = len(shown(rig))
    for turn in range(1000):
        rig.station.derate(AcStationLimits.of(current_a=10.0 + turn % 7), rig.now)
        rig.run(0.01)
    rises = [percent for _, _, percent in shown(rig)[before:]]
    assert len(rises) < 12
    assert rig.station.outlet.closings == 1


def test_a_set_point_of_the_energy_manager_counts() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    assert rig.secc.basic is not None
    rig.secc.basic.tell(ev.SetPointChanged(6900.0))
    rig.run(3.0)
    assert amperes(rig) == pytest.approx(10.0, abs=0.1)


def test_what_the_settings_allow_is_the_most() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), maximum_current_a=8.0))
    assert shown(rig)[-1][2] == 13.3
    assert amperes(rig) == pytest.approx(8.0, abs=0.1)


def test_nothing_is_offered_before_the_authorization() -> None:
    rig = basic_rig((ONLY, FALLBACK), authorization_s=7.0)
    rig.plug_in()
    rig.run(6.5)
    assert {pilot for _, pilot, _ in shown(rig)} == {Pilot.STEADY}
    rig.run(3.0)
    assert rig.station.outlet.closed


def test_who_is_not_authorized_gets_nothing() -> None:
    rig = basic_rig((ONLY, FALLBACK), accept=False)
    rig.plug_in()
    rig.run(5.0)
    assert rig.secc.basic is not None
    assert rig.secc.basic.session.ended is not None
    assert rig.secc.basic.session.ended.reason is EndReason.AUTHORIZATION_FAILED
    assert rig.secc.phase is Phase.FINISHED
    assert rig.station.outlet.closings == 0
    assert shown(rig)[-1][1] is Pilot.STEADY


# -- the contactor and the pilot


def test_b_opens_the_contactor_in_the_same_turn() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    rig.cable.plug.show(B)  # type: ignore[attr-defined]  # S2 opens under power
    assert when(rig.secc, act.OpenContactors)[-1] == rig.now
    rig.run(0.06)
    assert not rig.station.outlet.closed, "within 100 ms"
    rig.run(1.0)
    assert rig.station.outlet.closings == 1
    assert rig.secc.phase is Phase.BASIC


def test_a_vehicle_that_toggles_wears_no_contactor() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    for _ in range(40):
        rig.cable.plug.show(B)  # type: ignore[attr-defined]
        rig.run(0.1)
        rig.cable.plug.show(C)  # type: ignore[attr-defined]
        rig.run(0.1)
    assert rig.station.outlet.closings <= 6, "once in two seconds"


@pytest.mark.parametrize("accept_d", [True, False])
def test_ventilation(accept_d: bool) -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0, accept_d=accept_d))
    rig.cable.plug.show(D)  # type: ignore[attr-defined]
    rig.run(0.2)
    assert rig.station.outlet.closed is accept_d


@pytest.mark.parametrize("disturbed", [ev.SignalState.E, ev.SignalState.F])
def test_a_fault_of_the_pilot_is_off_at_once(disturbed: ev.SignalState) -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    rig.cable.plug.disturb(disturbed)  # type: ignore[attr-defined]
    assert when(rig.secc, act.OpenContactors)[-1] == rig.now
    rig.run(0.06)
    assert rig.safe
    assert ended(rig.secc).reason is EndReason.SIGNAL_LOST
    assert ended(rig.evcc).reason is EndReason.SIGNAL_LOST


def test_pulled_under_power() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    rig.unplug()
    rig.run(1.0)
    assert ended(rig.secc).reason is EndReason.SIGNAL_LOST
    assert rig.safe
    assert rig.phases() == (Phase.UNPLUGGED, Phase.UNPLUGGED)
    assert shown(rig)[-1][1] is Pilot.STEADY
    until_charging(rig)  # and the next plug-in is served


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ContactorFault.STUCK_OPEN, EndReason.CONTACTOR_FAILED),
        (ContactorFault.WELDED, EndReason.CONTACTOR_FAILED),
    ],
)
def test_contactors_that_fail(fault: ContactorFault, reason: EndReason) -> None:
    rig = basic_rig((ONLY, FALLBACK), target_soc=80.0)
    if fault is ContactorFault.STUCK_OPEN:
        rig.station.outlet.fault = fault
        rig.plug_in()
        rig.run(10.0)
    else:
        until_charging(rig)
        rig.station.outlet.fault = fault
        rig.cable.plug.show(B)  # type: ignore[attr-defined]
        rig.run(10.0)
    assert ended(rig.secc).reason is reason
    assert rig.secc.phase is Phase.FINISHED
    assert shown(rig)[-1][1] is Pilot.STEADY


@pytest.mark.parametrize("call", ["set_power", "close_contactors", "open_contactors", "stop_power"])
def test_ports_that_raise(call: str) -> None:
    rig = basic_rig((ONLY, FALLBACK), target_soc=80.0)
    rig.station.faults.raises(call, RuntimeError("broken"))
    rig.plug_in()
    rig.run(5.0)
    rig.cable.plug.show(B)  # type: ignore[attr-defined]
    rig.run(3.0)
    assert ended(rig.secc).reason is EndReason.HARDWARE_FAULT


def test_a_vehicle_that_takes_too_much_is_switched_off() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    rig.vehicle.charger.stuck = True
    rig.station.derate(AcStationLimits.of(current_a=6.0), rig.now)
    assert rig.run(30.0, lambda: not rig.station.outlet.closed)
    assert rig.secc.basic is not None
    rules = [
        action.rule for _, action in rig.secc.basic.journal if isinstance(action, act.SupervisionWarning)
    ]
    assert "over-current" in rules


def test_a_vehicle_that_does_not_stop_is_opened_under_load() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    rig.vehicle.charger.stuck = True
    at = rig.now
    assert rig.secc.basic is not None
    rig.secc.basic.tell(ev.StopRequested("enough"))
    assert rig.run(10.0, lambda: not rig.station.outlet.closed)
    assert rig.now - at < 6.2
    assert ended(rig.secc).reason in (EndReason.STOPPED_BY_STATION, EndReason.HARDWARE_FAULT)


def test_readings_that_stop_end_it() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    rig.station.faults.raises("present", RuntimeError("no meter"))
    rig.run(3.0)
    assert ended(rig.secc).reason is EndReason.HARDWARE_FAULT
    assert rig.safe


# -- commands


def test_the_station_stops_in_an_orderly_way() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    assert rig.secc.basic is not None
    rig.secc.basic.tell(ev.StopRequested("enough"))
    assert rig.run(6.0, lambda: rig.secc.phase is Phase.FINISHED)
    assert ended(rig.secc) == act.SessionEnded(EndReason.STOPPED_BY_STATION, "enough")
    assert rig.station.outlet.opened_under_load == 0
    assert rig.evcc.basic is not None
    assert rig.evcc.basic.session.state == "BasicWaiting"


def test_the_vehicle_stops_in_an_orderly_way() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    assert rig.evcc.basic is not None
    rig.evcc.basic.tell(ev.StopRequested("enough"))
    assert rig.run(6.0, lambda: rig.evcc.phase is Phase.FINISHED)
    assert ended(rig.evcc) == act.SessionEnded(EndReason.STOPPED_BY_EV, "enough")
    rig.run(1.0)
    assert rig.safe
    assert rig.station.outlet.opened_under_load == 0


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_an_emergency_is_off_in_the_same_turn(role: str) -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    side = rig.secc if role == "secc" else rig.evcc
    assert side.basic is not None
    side.basic.tell(ev.EmergencyShutdown("pressed"))
    assert ended(side).reason is EndReason.EMERGENCY
    assert when(side, act.StopPower)[-1] == rig.now
    rig.run(0.2)
    assert amperes(rig) == 0.0


def test_an_authorization_that_is_withdrawn() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    assert rig.secc.basic is not None
    rig.secc.basic.tell(ev.AuthorizationDecided(False))
    assert rig.run(7.0, lambda: rig.secc.phase is Phase.FINISHED)
    assert ended(rig.secc).reason is EndReason.STOPPED_BY_STATION
    assert rig.station.outlet.opened_under_load == 0


def test_the_application_starts_anew() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    rig.tell(rig.secc, Restart())
    rig.run(1.0)
    assert rig.safe
    assert rig.run(30.0, lambda: amperes(rig) > 10.0), rig.phases()


def test_a_station_that_asks_for_digital_communication_gets_it() -> None:
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    assert rig.evcc.basic is not None
    rig.cable.vehicle.push(DutyChanged(5.0))
    rig.run(4.0)
    assert ended(rig.evcc).reason is EndReason.STOPPED_BY_STATION
    assert rig.evcc.phase is Phase.LINKING


@pytest.mark.parametrize("percent", [None, 2.0, 7.5, 98.0])
def test_a_duty_cycle_that_says_nothing_ends_the_current(percent: float | None) -> None:
    assert current_for(percent) is None
    rig = until_charging(basic_rig((ONLY, FALLBACK), target_soc=80.0))
    rig.cable.vehicle.push(DutyChanged(percent))
    at = rig.now
    assert rig.run(5.0, lambda: amperes(rig) == 0.0)
    assert rig.now - at < 3.1
    assert rig.evcc.basic is not None
    rig.run(0.5)
    assert rig.evcc.basic.session.state == "BasicWaiting"


# -- vehicles with habits of their own


def test_a_vehicle_that_shows_c_from_the_start_waits_for_the_duty_cycle() -> None:
    rig = basic_rig((FALLBACK, OFF), deaf=True, authorization_s=12.0)
    rig.plug_in()
    rig.cable.plug.show(C)  # type: ignore[attr-defined]
    rig.run(23.5)
    assert rig.station.outlet.closings == 0
    rig.run(3.0)
    assert rig.station.outlet.closed
    assert shown(rig)[-1][1] is Pilot.NOMINAL


def test_a_vehicle_that_stays_in_c_at_a_steady_pilot_is_opened_and_not_closed_again() -> None:
    rig = basic_rig((ONLY, OFF))
    rig.plug_in()
    rig.cable.plug.show(C)  # type: ignore[attr-defined]
    rig.run(2.0)
    outlet = rig.station.outlet
    assert outlet.closed
    rig.station.derate(AcStationLimits.of(current_a=0.0), rig.now)
    rig.run(5.9)
    assert outlet.closed, "it has its time"
    rig.run(0.3)
    assert [outlet.closed] == [False]
    rig.run(30.0)
    assert outlet.closings == 1
    rig.station.derate(AcStationLimits.of(current_a=16.0), rig.now)
    rig.run(6.0)
    assert rig.station.outlet.closings == 2


def test_a_vehicle_that_goes_while_the_contactors_close() -> None:
    rig = basic_rig((ONLY, OFF))
    rig.plug_in()
    rig.cable.plug.show(C)  # type: ignore[attr-defined]
    rig.run(0.02)  # they need 50 ms
    rig.cable.plug.show(B)  # type: ignore[attr-defined]
    rig.run(1.0)
    assert rig.safe
    assert rig.secc.phase is Phase.BASIC
    rig.cable.plug.show(C)  # type: ignore[attr-defined]
    rig.run(3.0)
    assert rig.station.outlet.closed
