"""Whole sessions of a vehicle that is an energy resource: energies, functions that its inverter follows,
and those that it does not."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from iso15118.energy.curves import Curve
from iso15118.energy.grid_functions import CurveFunction, DsoSetPoint, IecFunction, IecGridCode
from iso15118.energy.grid_support import GridEvent
from iso15118.energy.sae_functions import LimitDischarge, SaeFunction, SaeGridCode
from iso15118.messages.iso20 import ac, ac_der_iec
from iso15118.messages.values import ReactiveSign, rational
from iso15118.secc.ac_settings import AcSeccSettings
from iso15118.session import actions as act
from iso15118.session import der_iec
from iso15118.session import events as ev
from iso15118.session.ac_limits import ChargerBounds
from iso15118.session.actions import EndReason
from iso15118.session.der import InverterAbilities
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import european, north_american
from iso15118.testing import AcPair
from iso15118.testing.monitor import SafetyViolation
from tests.pair.ac_rig import ended, until_charging
from tests.pair.der_contrary import conversation, disturb
from tests.pair.der_rig import DER_SERVICES, IEC, SAE, bend_station, der_pair, go_on, inverter

GOOD = (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


def notes(pair: AcPair) -> list[str]:
    """Names of the deviations that the vehicle tells, from now on."""
    found: list[str] = []
    inner = pair.monitor.evcc

    def watch(event: Any, actions: list[act.Action], now: float) -> Any:
        found.extend(one.name for one in actions if isinstance(one, act.PeerDeviates))
        return inner(event, actions, now)

    pair.monitor.evcc = watch  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("mode", list(ControlMode))
@pytest.mark.parametrize("service", DER_SERVICES)
def test_a_whole_session_with_energy_given_back(service: ServiceID, mode: ControlMode, phases: int) -> None:
    pair = der_pair(service, mode, phases=phases, discharge_wh=100.0)
    pair.run()
    assert ended(pair) == GOOD
    meter, battery = pair.station.meter, pair.vehicle.battery
    assert meter.discharged_wh == pytest.approx(100.0, rel=0.02)
    assert meter.charged_wh == pytest.approx(battery.charged_wh, rel=0.001)
    assert meter.discharged_wh == pytest.approx(battery.discharged_wh, rel=0.001)
    assert pair.vehicle.battery.soc >= 41.99
    assert inverter(pair).follows >= 2
    assert inverter(pair).followed is None, "the session is over"


@pytest.mark.parametrize("service", DER_SERVICES)
def test_a_vehicle_without_an_inverter_does_not_offer_it(service: ServiceID) -> None:
    pair = der_pair(service)
    pair.evcc._talk.inverter = None
    pair.run()
    assert pair.secc.ended is not None
    assert pair.secc.ended.reason is not EndReason.STOPPED_BY_EV


@pytest.mark.parametrize(
    ("can", "masks", "chosen"),
    [
        (0xFFF, (), int(european().functions)),
        (0x00F, (0xFFF, 0x00F, 0x001), 0x00F),
        (0x007, (0x00F, 0x001), 0x001),
        (0x00F, (0xFFF,), None),
        (0xCFF, (), None),
    ],
)
def test_a_set_is_chosen_of_whose_functions_the_vehicle_has_all(
    can: int, masks: tuple[int, ...], chosen: int | None
) -> None:
    abilities = InverterAbilities(iec_functions=can, apparent_va=12_000.0, reactive_var=5_000.0)
    pair = der_pair(secc={"ac": AcSeccSettings(der_functions=masks)}, abilities=abilities)
    pair.run(until=lambda: pair.evcc.state == "AC_ChargeLoop")
    if chosen is None:
        assert pair.evcc.ended is not None
        assert pair.evcc.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED
        return
    followed = inverter(pair).followed
    assert isinstance(followed, IecGridCode)
    assert followed.functions & ~chosen == 0
    assert followed == msgspec.structs.replace(european().within(chosen), set_points=IecFunction(0))


@pytest.mark.parametrize("service", DER_SERVICES)
def test_the_inverter_follows_voltage_and_frequency(service: ServiceID) -> None:
    pair = until_charging(der_pair(service))
    pair.tell_secc(ev.SetPointChanged(-9_000.0))
    pair.let_pass(10.0)
    assert sum(pair.station.circuit.power_w) == pytest.approx(-9_000.0, rel=0.01)
    pair.station.circuit.grid_v = (246.0, 246.0, 246.0)
    pair.let_pass(30.0)
    assert sum(inverter(pair).reactive_var) > 1_000.0, "absorbs, since the voltage is high"
    pair.station.circuit.grid_v = (230.0, 230.0, 230.0)
    pair.station.circuit.frequency_hz = 50.7
    pair.let_pass(30.0)
    assert -7_500.0 < sum(pair.station.circuit.power_w) < -4_000.0
    pair.station.circuit.frequency_hz = 50.0
    pair.let_pass(30.0)
    assert sum(pair.station.circuit.power_w) == pytest.approx(-9_000.0, rel=0.01)
    assert not pair.done


def test_set_points_of_the_operator_reach_the_inverter_once_per_change() -> None:
    pair = until_charging(der_pair())
    told = inverter(pair).follows
    for wanted in (DsoSetPoint(reactive_var=-1_500.0), DsoSetPoint(cos_phi=0.9, over_excited=True)):
        pair.station.operate(wanted, pair.now)
        pair.hear_station()
        pair.let_pass(5.0)
        told += 1
        assert (inverter(pair).set_point, inverter(pair).follows) == (wanted, told)
        assert sum(inverter(pair).reactive_var) < -1_000.0
    pair.station.operate(DsoSetPoint(), pair.now)
    pair.hear_station()
    pair.let_pass(60.0)
    assert inverter(pair).follows == told + 1
    assert sum(inverter(pair).reactive_var) == pytest.approx(0.0, abs=1.0), "by the lag of its curve"


def test_a_cap_of_the_operator_bounds_what_is_given_back() -> None:
    pair = until_charging(der_pair())
    pair.tell_secc(ev.SetPointChanged(-9_000.0))
    pair.let_pass(10.0)
    pair.station.operate(DsoSetPoint(maximum_discharge_w=5_000.0), pair.now)
    pair.hear_station()
    pair.let_pass(5.0)
    assert sum(pair.station.circuit.power_w) == pytest.approx(-5_000.0, rel=0.01)


def test_another_grid_code_is_followed_at_once_with_the_american_service() -> None:
    pair = until_charging(der_pair(SAE))
    pair.tell_secc(ev.SetPointChanged(-9_000.0))
    pair.let_pass(10.0)
    code = msgspec.structs.replace(
        north_american(230.0, 50.0), limit_max_discharge=LimitDischarge(enable=True, percent=30)
    )
    pair.station.ask(code, pair.now)
    pair.hear_station()
    pair.let_pass(10.0)
    assert inverter(pair).followed == code
    assert sum(pair.station.circuit.power_w) == pytest.approx(-0.3 * 11_040.0, rel=0.02)
    denied = msgspec.structs.replace(code.enter_service, permit=False)
    pair.station.ask(msgspec.structs.replace(code, enter_service=denied), pair.now)
    pair.hear_station()
    pair.let_pass(5.0)
    assert sum(pair.station.circuit.power_w) == 0.0
    pair.station.ask(code, pair.now)
    pair.hear_station()
    pair.let_pass(10.0)
    assert sum(pair.station.circuit.power_w) < -3_000.0
    assert not pair.done


def test_a_trip_and_the_events_of_the_grid_are_told_to_the_station() -> None:
    for service in DER_SERVICES:
        heard: list[act.GridReported] = []
        pair = until_charging(der_pair(service))
        inner = pair.monitor.secc

        def watch(
            event: Any, actions: list[act.Action], now: float, inner: Any = inner, heard: Any = heard
        ) -> Any:
            heard.extend(one for one in actions if isinstance(one, act.GridReported))
            return inner(event, actions, now)

        pair.monitor.secc = watch  # type: ignore[method-assign]
        pair.station.circuit.frequency_hz = 52.5
        pair.let_pass(3.0)
        pair.station.circuit.frequency_hz = 50.0
        pair.let_pass(3.0)
        assert heard or service is IEC  # charging, nothing of the European code acts on too high a frequency
        if service is SAE:
            assert heard[-1].events == 0
            assert any(one.events & (GridEvent.TRIPPED | GridEvent.OVER_FREQUENCY) for one in heard)


# -- what was not agreed on --------------------------------------------------------------------------------


def loop(change: Any) -> Any:
    def bend(message: Any) -> Any:
        if type(message) is not ac.ACChargeLoopRes:
            return message
        return msgspec.structs.replace(message, cl_res_control_mode=change(message.cl_res_control_mode))

    return bend


def parameters(change: Any) -> Any:
    def bend(message: Any) -> Any:
        if type(message) is not ac.ACChargeParameterDiscoveryRes:
            return message
        mode = message.ac_cpd_res_energy_transfer_mode
        return msgspec.structs.replace(message, ac_cpd_res_energy_transfer_mode=change(mode))

    return bend


@pytest.mark.parametrize("bit", list(IecFunction), ids=lambda bit: bit.name)
def test_a_function_that_was_not_agreed_on_is_ignored_and_told(bit: IecFunction) -> None:
    code = european()
    name = str(bit.name).lower()
    if bit in (IecFunction.WATT_VAR, IecFunction.WATT_COS_PHI):
        unit = "var" if bit is IecFunction.WATT_VAR else "W"
        curve = Curve(points=((0.0, 0.0), (5_000.0, 0.9)), x_unit="W", y_unit=unit)
        code = msgspec.structs.replace(code, volt_var=None, **{name: CurveFunction(curve=curve)})
    mask = int(code.functions & ~bit)
    control = der_iec.control(code, ReactiveSign.ABSORBS)
    fields = der_iec.set_point(DsoSetPoint(reactive_var=900.0), ReactiveSign.ABSORBS)
    if bit is IecFunction.DSO_COS_PHI_SET_POINT:
        fields = der_iec.set_point(DsoSetPoint(cos_phi=0.9), ReactiveSign.ABSORBS)
    in_loop = bit in (IecFunction.DSO_Q_SET_POINT, IecFunction.DSO_COS_PHI_SET_POINT)
    pair = der_pair(grid_code=code, secc={"ac": AcSeccSettings(der_functions=(mask,))})
    bend = (
        loop(lambda mode: msgspec.structs.replace(mode, **fields))
        if in_loop
        else parameters(lambda mode: msgspec.structs.replace(mode, der_control=control))
    )
    bend_station(pair, bend)
    found = notes(pair)
    until_charging(pair)
    followed = inverter(pair).followed
    assert isinstance(followed, IecGridCode)
    assert bit not in followed.functions
    assert inverter(pair).set_point == DsoSetPoint()
    assert found == ["der-not-negotiated"]
    assert not pair.done


def _curve(points: list[tuple[float, float]], x: str = "V", y: str = "var") -> ac_der_iec.DERCurve:
    return ac_der_iec.DERCurve(
        x_unit=ac_der_iec.CurveDataPointsUnit(x),
        y_unit=ac_der_iec.CurveDataPointsUnit(y),
        curve_data_points=ac_der_iec.CurveDataPointsList(
            curve_data_point=tuple(
                ac_der_iec.DataTuple(
                    x_value=rational(at),
                    y_value=ac_der_iec.SetpointExcitation(setpoint_value=rational(value)),
                )
                for at, value in points
            )
        ),
        pt1_response_reactive_power=True,
        step_response_time_constant_reactive_power=rational(5.0),
    )


@pytest.mark.parametrize(
    "curve",
    [
        _curve([(240.0, 0.0), (220.0, 1.0)]),
        _curve([(220.0, 0.0), (220.0, 1.0)]),
        _curve([(220.0, 0.0), (240.0, 1.0)], x="Hz"),
        _curve([(220.0, 0.0), (240.0, 1.0)], y="W"),
        msgspec.structs.replace(
            _curve([(220.0, 0.0), (240.0, 1.0)]), step_response_time_constant_reactive_power=rational(-1.0)
        ),
        msgspec.structs.replace(_curve([(220.0, 0.0), (240.0, 1.0)]), min_cos_phi=rational(7.0)),
    ],
    ids=["descending", "twice", "x unit", "y unit", "time", "cos phi"],
)
def test_a_function_that_makes_no_sense_is_left_out_alone(curve: ac_der_iec.DERCurve) -> None:
    support = ac_der_iec.ReactivePowerSupport(volt_var=curve)
    pair = bend_station(
        der_pair(),
        parameters(
            lambda mode: msgspec.structs.replace(
                mode, der_control=msgspec.structs.replace(mode.der_control, reactive_power_support=support)
            )
        ),
    )
    found = notes(pair)
    until_charging(pair)
    followed = inverter(pair).followed
    assert isinstance(followed, IecGridCode)
    assert (followed.volt_var, followed.over_frequency_watt) == (None, european().over_frequency_watt)
    assert found == ["der-invalid"]


def test_half_of_an_american_grid_code_is_none() -> None:
    def bend(mode: Any) -> Any:
        control = mode.der_control_cpd_res
        trip = control.voltage_trip.over_voltage_must_trip_curve
        points = trip.curve_data_points.curve_data_point
        backwards = msgspec.structs.replace(
            trip, curve_data_points=type(trip.curve_data_points)(curve_data_point=points[::-1])
        )
        volts = msgspec.structs.replace(control.voltage_trip, over_voltage_must_trip_curve=backwards)
        return msgspec.structs.replace(
            mode, der_control_cpd_res=msgspec.structs.replace(control, voltage_trip=volts)
        )

    pair = bend_station(der_pair(SAE), parameters(bend))
    pair.run()
    assert ended(pair)[1] is EndReason.PARAMETERS_NOT_ACCEPTED
    assert inverter(pair).followed is None


def test_modes_that_were_not_declared_are_not_followed() -> None:
    abilities = InverterAbilities(
        sae_functions=int(SaeFunction.FREQUENCY_DROOP), apparent_va=12_000.0, reactive_var=5_000.0
    )
    pair = der_pair(SAE, abilities=abilities)
    until_charging(pair)
    followed = inverter(pair).followed
    assert isinstance(followed, SaeGridCode)
    assert followed.enabled is SaeFunction.FREQUENCY_DROOP

    def bend(mode: Any) -> Any:
        reactive = mode.der_control_cpd_res.reactive_power_support_cpd_res
        on = msgspec.structs.replace(reactive.volt_var, enable=True)
        reactive = msgspec.structs.replace(reactive, volt_var=on)
        control = msgspec.structs.replace(mode.der_control_cpd_res, reactive_power_support_cpd_res=reactive)
        return msgspec.structs.replace(mode, der_control_cpd_res=control)

    pair = bend_station(der_pair(SAE, abilities=abilities), parameters(bend))
    found = notes(pair)
    until_charging(pair)
    assert found == ["der-not-negotiated"]
    followed = inverter(pair).followed
    assert isinstance(followed, SaeGridCode)
    assert followed.enabled is SaeFunction.FREQUENCY_DROOP


# -- by seeds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [*range(24), 3275, 3994, 5195])
def test_no_conversation_with_a_contrary_peer_leaves_our_side_unsafe(seed: int) -> None:
    assert conversation(seed)


@pytest.mark.parametrize("seed", range(16))
def test_a_pair_that_is_disturbed_ends_safely_and_in_an_orderly_way(seed: int) -> None:
    rng = random.Random(500 + seed)
    pair = der_pair(
        rng.choice(DER_SERVICES),
        rng.choice(list(ControlMode)),
        phases=rng.choice((1, 3)),
        evcc={"no_power_s": 60.0},
    )
    for _ in range(8):
        if pair.done:
            break
        until = pair.now + rng.uniform(0.5, 8.0)
        go_on(pair, until)
        disturb(rng, pair)
    pair.tell_secc(ev.StopRequested("over"))
    pair.run()
    reasons = ended(pair)
    assert not any(pair.station.circuit.power_w)
    assert (
        all(one.orderly or one is EndReason.HARDWARE_FAULT for one in reasons) or pair.secc.ended is not None
    )


# -- the monitor itself ------------------------------------------------------------------------------------


def test_the_monitor_sees_an_inverter_that_is_told_what_was_not_agreed_on() -> None:
    pair = until_charging(der_pair(secc={"ac": AcSeccSettings(der_functions=(0x00F,))}))
    wrong = act.FollowGrid(european())
    with pytest.raises(SafetyViolation, match="not agreed on"):
        pair.monitor.evcc(None, [wrong], pair.now)
    allowed = act.FollowGrid(msgspec.structs.replace(european().within(0x00F)))
    pair.monitor.evcc(None, [allowed], pair.now)
    with pytest.raises(SafetyViolation, match="not agreed on"):
        pair.monitor.evcc(None, [act.FollowGrid(IecGridCode(), DsoSetPoint(reactive_var=1.0))], pair.now)
    taken = ChargerBounds(phases=3, power_w=(1e3,) * 3, current_a=(16.0,) * 3)
    with pytest.raises(SafetyViolation, match="before the inverter was told"):
        pair.monitor.evcc(None, [act.FollowGrid(None), act.SetCharger(taken)], pair.now)
