"""Whole sessions with AC under the safety monitor: services, control modes, phases, targets, limits that
change, pauses and faults."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import DischargeLimitSign, si
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits, Islanding
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, GeneratorMode, ServiceID
from tests.pair.ac_rig import AC_SERVICES, ac_pair, ended, total_w, until_charging

MODES = list(ControlMode)
DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED


class Seen:
    """Every message of both sides, in order."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def __call__(self, sender: str, message: Any, now: float) -> None:
        self.messages.append(message)

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.messages if type(message) is kind]


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("service", AC_SERVICES, ids=lambda one: one.name)
@pytest.mark.parametrize(("volts", "hertz"), [(230.0, 50.0), (120.0, 60.0)])
def test_a_whole_session(
    service: ServiceID, mode: ControlMode, phases: int, volts: float, hertz: float
) -> None:
    back = service is ServiceID.AC_BPT
    pair = ac_pair(
        service,
        mode,
        phases=phases,
        voltage_v=volts,
        frequency_hz=hertz,
        discharge_wh=50.0 if back else 0.0,
        battery={"capacity_wh": 12.5e3},
    )
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    meter, battery, outlet = pair.station.meter, pair.vehicle.battery, pair.station.outlet
    assert meter.charged_wh == pytest.approx(battery.charged_wh, rel=1e-3)
    assert meter.discharged_wh == pytest.approx(battery.discharged_wh, rel=1e-3)
    assert battery.complete
    assert (meter.discharged_wh > 45.0) is back
    assert pair.station.circuit.record.peak_power_w == pytest.approx(phases * 16.0 * volts, rel=1e-3)
    assert (outlet.closings, outlet.openings, outlet.opened_under_load) == (1, 1, 0)
    assert "AC_ChargeLoop" in pair.secc.states
    assert not {"DC_CableCheck", "DC_PreCharge", "DC_WeldingDetection"} & set(pair.secc.states)
    assert pair.monitor.seen > 500


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_the_pilot_follows_the_request_and_never_leads(mode: ControlMode) -> None:
    """B before PowerDeliveryReq(Start), C behind it within 0.25 s; B behind PowerDeliveryReq(Stop)."""
    moments: list[tuple[float, str]] = []

    def seen(sender: str, message: Any, now: float) -> None:
        if type(message) is cm.PowerDeliveryReq:
            moments.append((now, message.charge_progress.value))

    pair = ac_pair(mode=mode, on_message=seen)
    circuit = pair.station.circuit
    circuit.watch_signal(lambda: moments.append((circuit.time, circuit.signal.value)))
    pair.run()
    assert [what for _, what in moments] == ["Start", "C", "Stop", "B"]
    for (sent, _), (shown, _) in (moments[:2], moments[2:]):
        assert 0.0 < shown - sent <= 0.25


def test_what_is_offered_and_declared_on_the_wire() -> None:
    seen = Seen()
    ac_pair(on_message=seen).run()
    detail = seen.of(cm.ServiceDetailRes)[0].service_parameter_list.parameter_set
    sets = [{one.name: one.int_value for one in parameters.parameter} for parameters in detail]
    assert [(one["Connector"], one["ControlMode"], one["EVSENominalVoltage"]) for one in sets] == [
        (2, 1, 230),
        (2, 2, 230),
        (1, 1, 230),
        (1, 2, 230),
    ]
    assert not any("BPTChannel" in one or "GridCodeIslandingDetectionMethod" in one for one in sets)
    req = seen.of(ac.ACChargeParameterDiscoveryReq)[0].ac_cpd_req_energy_transfer_mode
    assert (si(req.ev_maximum_charge_power), req.ev_maximum_charge_power_l2) == (11_040.0, None)
    assert si(req.ev_minimum_charge_power) == 4_140.0
    res = seen.of(ac.ACChargeParameterDiscoveryRes)[0].ac_cpd_res_energy_transfer_mode
    assert (si(res.evse_maximum_charge_power), res.evse_maximum_charge_power_l3) == (22_080.0, None)
    assert si(res.evse_nominal_frequency) == 50.0
    loops = seen.of(ac.ACChargeLoopRes)
    loop = loops[len(loops) // 2].cl_res_control_mode
    assert loop.evse_target_active_power is None  # nothing holds but schedule and offer
    assert si(loop.evse_present_active_power) == pytest.approx(11_040.0, abs=1.0)
    asked = seen.of(ac.ACChargeLoopReq)[len(loops) // 2].cl_req_control_mode
    assert si(asked.ev_present_active_power) == pytest.approx(11_040.0, abs=1.0)


def test_peers_are_told_only_where_the_vehicle_can_do_uneven_phases() -> None:
    seen = Seen()
    pair = ac_pair(mode=DYNAMIC, uneven=True, on_message=seen)
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    req = seen.of(ac.ACChargeParameterDiscoveryReq)[0].ac_cpd_req_energy_transfer_mode
    assert [si(getattr(req, f"ev_maximum_charge_power{at}")) for at in ("", "_l2", "_l3")] == [3_680.0] * 3
    loop = seen.of(ac.ACChargeLoopRes)[5].cl_res_control_mode
    assert [si(getattr(loop, f"evse_target_active_power{at}")) for at in ("", "_l2", "_l3")] == [3_680.0] * 3


@pytest.mark.parametrize("connector", ["2", "3"])
@pytest.mark.parametrize(("outlet", "car", "taken"), [(3, 3, 3), (3, 1, 1), (1, 3, 1), (1, 1, 1)])
def test_a_vehicle_takes_the_set_of_its_own_phases(connector: Any, outlet: int, car: int, taken: int) -> None:
    from iso15118.secc.ac_settings import AcSeccSettings

    settings = {"ac": AcSeccSettings(three_phase_connector=connector)}
    pair = ac_pair(phases=outlet, car_phases=car, secc=settings, battery={"capacity_wh": 12.5e3})
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    assert pair.station.circuit.connected == taken
    assert pair.station.circuit.record.peak_power_w == pytest.approx(3_680.0 * taken, rel=1e-3)


@pytest.mark.parametrize("forms", [False, True])
def test_grid_forming_sets_are_for_vehicles_that_can(forms: bool) -> None:
    from iso15118.secc.ac_settings import AcSeccSettings

    settings = AcSeccSettings(generator_modes=(GeneratorMode.GRID_FORMING,), islanding=Islanding.PASSIVE)
    pair = ac_pair(
        ServiceID.AC_BPT,
        secc={"ac": settings},
        charger=AcVehicleLimits.of(current_a=16.0, discharge_a=16.0, forms_grid=forms),
    )
    if not forms:
        pair.run()
        assert ended(pair)[1] is EndReason.PARAMETERS_NOT_ACCEPTED
        return
    until_charging(pair)
    bounds = pair.vehicle.charger.bounds
    assert bounds is not None
    assert (bounds.forms_grid, bounds.islanding) == (True, Islanding.PASSIVE)
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize(
    ("point", "power"), [(6_000.0, 6_000.0), (4_140.0, 4_140.0), (4_000.0, 0.0), (0.0, 0.0), (30e3, 11_040.0)]
)
def test_a_set_point_is_followed_and_never_below_the_vehicles_minimum(
    mode: ControlMode, point: float, power: float
) -> None:
    pair = until_charging(ac_pair(mode=mode))
    pair.tell_secc(ev.SetPointChanged(point))
    pair.let_pass(6.0)
    assert total_w(pair) == pytest.approx(power, abs=1.0)
    pair.tell_secc(ev.SetPointChanged(None))
    pair.let_pass(6.0)
    assert total_w(pair) == pytest.approx(11_040.0, abs=1.0)
    assert pair.station.outlet.openings == 0
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("service", AC_SERVICES, ids=lambda one: one.name)
@pytest.mark.parametrize("phases", [1, 3])
def test_a_negative_set_point_asks_for_energy_only_where_the_service_has_it(
    service: ServiceID, mode: ControlMode, phases: int
) -> None:
    pair = until_charging(ac_pair(service, mode, phases=phases))
    pair.tell_secc(ev.SetPointChanged(-3_000.0 * phases))
    pair.let_pass(8.0)
    expected = -3_000.0 * phases if service is ServiceID.AC_BPT else 0.0
    assert total_w(pair) == pytest.approx(expected, abs=1.0)
    pair.tell_secc(ev.SetPointChanged(None))
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize(("secc", "evcc"), [(-1, 1), (1, -1), (-1, -1)])
def test_discharge_limits_of_either_sign_mean_the_same(mode: ControlMode, secc: int, evcc: int) -> None:
    sign = {1: DischargeLimitSign.PLUS, -1: DischargeLimitSign.MINUS}
    seen = Seen()
    pair = ac_pair(
        ServiceID.AC_BPT,
        mode,
        secc={"discharge_limit_sign": sign[secc]},
        evcc={"discharge_limit_sign": sign[evcc]},
        on_message=seen,
    )
    until_charging(pair)
    pair.tell_secc(ev.SetPointChanged(-6_000.0))
    pair.let_pass(8.0)
    assert total_w(pair) == pytest.approx(-6_000.0, abs=1.0)
    req = seen.of(ac.ACChargeParameterDiscoveryReq)[0].ac_cpd_req_energy_transfer_mode
    res = seen.of(ac.ACChargeParameterDiscoveryRes)[0].ac_cpd_res_energy_transfer_mode
    assert si(req.ev_maximum_discharge_power) == evcc * 11_040.0
    assert si(res.evse_maximum_discharge_power) == secc * 22_080.0


def test_a_battery_below_its_minimum_gives_nothing() -> None:
    pair = ac_pair(ServiceID.AC_BPT, DYNAMIC, battery={"soc": 9.0, "minimum_soc": 10.0, "target_soc": 20.0})
    until_charging(pair)
    pair.tell_secc(ev.SetPointChanged(-6_000.0))
    pair.let_pass(8.0)
    assert total_w(pair) == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_reactive_power_is_passed_to_the_charger(mode: ControlMode) -> None:
    pair = until_charging(ac_pair(ServiceID.AC_BPT, mode))
    pair.tell_secc(ev.SetPointChanged(6_000.0, 1_500.0))
    pair.let_pass(6.0)
    assert pair.vehicle.charger.reactive_var == pytest.approx((500.0, 500.0, 500.0))
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_limits_that_change_hold_in_the_loop(mode: ControlMode) -> None:
    pair = until_charging(ac_pair(mode=mode))
    station = pair.station
    for amperes, expected in ((10.0, 6_900.0), (5.0, 0.0), (32.0, 11_040.0), (8.0, 5_520.0)):
        station.derate(AcStationLimits.of(current_a=amperes), pair.now)
        pair.hear_station()
        pair.let_pass(6.0)
        assert total_w(pair) == pytest.approx(expected, abs=1.0), amperes
    car = AcVehicleLimits.of(current_a=7.0)
    pair.vehicle.derate(car, pair.now)
    pair.let_pass(6.0)
    assert total_w(pair) == pytest.approx(4_830.0, abs=1.0)
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


def test_a_station_that_is_held_back_at_plug_in_still_offers_all_it_has() -> None:
    pair = ac_pair(mode=DYNAMIC)
    seen = Seen()
    pair = ac_pair(mode=DYNAMIC, on_message=seen)
    pair.tell_secc(ev.AcLimitsChanged(AcStationLimits.of(current_a=8.0)))
    until_charging(pair)
    assert total_w(pair) == pytest.approx(5_520.0, abs=1.0)
    res = seen.of(ac.ACChargeParameterDiscoveryRes)[0].ac_cpd_res_energy_transfer_mode
    assert si(res.evse_maximum_charge_power) == 22_080.0
    pair.tell_secc(ev.AcLimitsChanged(AcStationLimits.of(current_a=32.0)))
    pair.let_pass(6.0)
    assert total_w(pair) == pytest.approx(11_040.0, abs=1.0)


def test_a_vehicle_whose_minimum_is_above_the_station_waits_for_more() -> None:
    pair = ac_pair(
        mode=DYNAMIC,
        outlet=AcStationLimits.of(current_a=16.0),
        charger=AcVehicleLimits.of(current_a=32.0, minimum_a=18.0),
        evcc={"no_power_s": 30.0},
    )
    pair.run()
    assert total_w(pair) == 0.0
    assert ended(pair) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    assert pair.evcc.ended is not None
    assert pair.evcc.ended.detail == "no power for 30 s"


def test_the_ramp_that_a_station_allows_holds_for_rises_only() -> None:
    outlet = replace(AcStationLimits.of(current_a=16.0), power_ramp_percent_per_min=100.0)
    pair = ac_pair(mode=DYNAMIC, outlet=outlet)
    pair.run(until=lambda: total_w(pair) > 100.0)
    pair.let_pass(10.0)
    # 184 W/s; 4140 W are the least that the charger can do at all.
    assert total_w(pair) == pytest.approx(5_980.0, abs=250.0)
    pair.tell_secc(ev.SetPointChanged(0.0))
    pair.let_pass(4.0)
    assert total_w(pair) == 0.0


def test_the_asymmetry_that_a_station_allows_holds() -> None:
    outlet = replace(AcStationLimits.of(current_a=16.0), maximum_asymmetry_w=1_000.0)
    pair = until_charging(ac_pair(mode=DYNAMIC, outlet=outlet, uneven=True))
    lame = replace(outlet, maximum_charge_power_w=(3_680.0, 1_500.0, 3_680.0))
    pair.station.derate(lame, pair.now)
    pair.let_pass(6.0)
    assert pair.station.circuit.power_w == pytest.approx((2_500.0, 1_500.0, 2_500.0), abs=1.0)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_stopped_by_the_station(mode: ControlMode) -> None:
    pair = until_charging(ac_pair(mode=mode))
    pair.tell_secc(ev.StopRequested("enough"))
    pair.run()
    assert ended(pair) == (EndReason.STOPPED_BY_STATION, EndReason.STOPPED_BY_STATION)
    assert pair.station.outlet.opened_under_load == 0


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_pause_and_the_same_session_after_it(mode: ControlMode) -> None:
    pair = until_charging(ac_pair(ServiceID.AC, mode))
    pair.tell_evcc(ev.PauseRequested("later"))
    pair.run()
    assert ended(pair) == (EndReason.PAUSED, EndReason.PAUSED)
    secc, evcc = pair.secc.ticket, pair.evcc.ticket
    assert secc is not None
    assert evcc is not None
    assert evcc.phases == 3
    again = ac_pair(ServiceID.AC, mode, paused=(secc,), resume=evcc, now=100.0)
    again.run()
    assert ended(again) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    assert again.secc.session_id == secc.session_id
    assert "Authorization" not in again.secc.states
    assert again.vehicle.battery.complete


def test_a_schedule_is_agreed_on_anew_with_the_contactor_closed() -> None:
    pair = ac_pair(secc={"schedule_renegotiation_s": 5.0})
    pair.tell_secc(ev.AcLimitsChanged(AcStationLimits.of(current_a=8.0)))
    until_charging(pair)
    pair.tell_secc(ev.AcLimitsChanged(AcStationLimits.of(current_a=32.0)))
    pair.let_pass(10.0)
    assert total_w(pair) == pytest.approx(11_040.0, abs=1.0)
    assert "ScheduleRenegotiation" in pair.secc.states
    assert (pair.station.outlet.closings, pair.station.outlet.openings) == (1, 0)
