"""The station of AC_DER_IEC and AC_DER_SAE, message by message: what its tables list, what it tells
of the grid code, and when."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.energy.curves import Curve
from iso15118.energy.grid_functions import CurveFunction, DsoSetPoint, IecFunction, IecGridCode
from iso15118.energy.sae_functions import CurveMode, SaeFunction, SaeGridCode
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import DischargeLimitSign, ReactiveSign, rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.ac_settings import AcSeccSettings
from iso15118.secc.iso20.der_part import AC_DER_IEC, AC_DER_SAE
from iso15118.secc.iso20.machine import table_of
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import der_iec, der_sae
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import european, north_american
from tests.secc.ac_vehicle import WAY, AcDrive
from tests.secc.der_vehicle import CODES, DER_SERVICES, DerDrive, iec, sae

DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED
IEC, SAE = ServiceID.AC_DER_IEC, ServiceID.AC_DER_SAE
MODES = list(ControlMode)
PLUS = ReactiveSign.ABSORBS
REQUESTS = tuple(
    getattr(module, name) for module in (cm, ac) for name in module.__all__ if name.endswith("Req")
)
LISTED = {
    "SessionSetup": {"SessionSetupReq"},
    "AuthorizationSetup": {"AuthorizationSetupReq", "SessionStopReq"},
    "Authorization": {"AuthorizationReq", "SessionStopReq"},
    "ServiceDiscovery": {"ServiceDiscoveryReq", "SessionStopReq"},
    "ServiceDetail": {"ServiceDetailReq", "SessionStopReq"},
    "ServiceSelection": {"ServiceDetailReq", "ServiceSelectionReq", "SessionStopReq"},
    "AC_ChargeParameterDiscovery": {"ACChargeParameterDiscoveryReq", "SessionStopReq"},
    "ScheduleExchange": {"ScheduleExchangeReq", "SessionStopReq"},
    "PowerDelivery": {"PowerDeliveryReq", "SessionStopReq"},
    "AC_ChargeLoop": {"ACChargeLoopReq", "PowerDeliveryReq", "SessionStopReq"},
    "SessionStop": {"SessionStopReq"},
}
"""What may be said when, written without looking at the table."""


def told(drive: DerDrive, kind: type) -> list[Any]:
    return [action for action in drive.book.actions if type(action) is kind]


def offer_of(drive: DerDrive, **changes: Any) -> Any:
    answer = drive.send(
        ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=drive.cpd_mode(**changes)
    )
    assert answer.response_code is ResponseCode.OK, drive.session.ended
    return answer.ac_cpd_res_energy_transfer_mode


def looping(service: ServiceID = IEC, mode: ControlMode = DYNAMIC, **more: Any) -> DerDrive:
    drive = DerDrive(service, mode, **more)
    drive.to(State.AC_CHARGE_LOOP)
    return drive


def turn(drive: DerDrive, **changes: Any) -> Any:
    answer = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=drive.loop(**changes))
    assert answer.response_code is ResponseCode.OK, answer
    return answer.cl_res_control_mode


# -- the table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", WAY, ids=lambda state: state.name)
@pytest.mark.parametrize("service", DER_SERVICES)
def test_every_state_against_every_request(service: ServiceID, state: State, request_type: type) -> None:
    drive = DerDrive(service)
    drive.to(state)
    changes: dict[str, Any] = {}
    if request_type is cm.PowerDeliveryReq and state is not State.POWER_DELIVERY:
        changes["charge_progress"] = cm.ChargeProgress.Stop
    response = drive.send(request_type, **changes)
    if request_type.__name__ in LISTED[state.value]:
        assert response is None or response.response_code.value.startswith("OK"), response
        return
    assert response.response_code is ResponseCode.FAILED_SequenceError
    assert type(response).__name__ == request_type.__name__.replace("Req", "Res")
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not drive.session.energized


@pytest.mark.parametrize("part", [AC_DER_IEC, AC_DER_SAE], ids=["iec", "sae"])
def test_the_table_is_that_of_ac_but_for_parameters_that_are_asked_for_again(part: Any) -> None:
    from iso15118.secc.iso20.ac_part import AC

    own, plain = table_of(part), table_of(AC)
    assert own.keys() == plain.keys()
    differs = [
        state
        for state in own
        if {k: r.next for k, r in own[state].items()} != {k: r.next for k, r in plain[state].items()}
    ]
    assert differs == [State.AC_CHARGE_PARAMETER_DISCOVERY]
    row = own[State.AC_CHARGE_PARAMETER_DISCOVERY][ac.ACChargeParameterDiscoveryReq]
    assert row.next == {State.AC_CHARGE_PARAMETER_DISCOVERY, State.SCHEDULE_EXCHANGE}
    assert all(one.source for rows in own.values() for one in rows.values())


@pytest.mark.parametrize("service", DER_SERVICES)
@pytest.mark.parametrize("state", WAY, ids=lambda state: state.name)
def test_silence_ends_every_state(service: ServiceID, state: State) -> None:
    drive = DerDrive(service)
    drive.to(state)
    assert drive.session.deadline is not None
    drive.book.wait(120.0)
    assert drive.session.ended is not None
    assert not drive.session.energized


@pytest.mark.parametrize("service", DER_SERVICES)
def test_silence_in_the_loop_ends_after_half_a_second(service: ServiceID) -> None:
    drive = looping(service)
    turn(drive)
    drive.book.wait(0.499)
    assert drive.session.ended is None
    drive.book.wait(0.002)
    drive.book.ends(EndReason.TIMEOUT)


# -- what is offered ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "more"),
    [
        (IEC, {"grid_code": CODES[SAE]}),
        (SAE, {"grid_code": CODES[IEC]}),
        (IEC, {"outlet": AcStationLimits.of(current_a=32.0)}),
        (SAE, {"config": SeccConfig(services=(IEC,))}),
    ],
)
def test_without_its_grid_code_or_a_way_back_the_service_is_not_offered(
    service: ServiceID, more: dict[str, Any]
) -> None:
    drive = DerDrive(service, **more)
    drive.connect()
    drive.book.ends(EndReason.PROTOCOL_NEGOTIATION_FAILED)


def test_without_any_grid_code_there_is_neither() -> None:
    for service in DER_SERVICES:
        drive = AcDrive(service, config=SeccConfig(services=DER_SERVICES))
        DerDrive.connect(drive)  # type: ignore[arg-type]
        drive.book.ends(EndReason.PROTOCOL_NEGOTIATION_FAILED)


def test_parameter_sets_name_the_functions_of_the_site_or_those_configured() -> None:
    for masks, expected in (((), {0b1111_1100_1111}), ((0x00F, 0x003), {0x00F, 0x003})):
        config = SeccConfig(services=DER_SERVICES, ac=AcSeccSettings(der_functions=masks))
        drive = DerDrive(config=config)
        drive.to(State.SERVICE_DETAIL)
        answer = drive.send(cm.ServiceDetailReq)
        sets = answer.service_parameter_list.parameter_set
        found = {
            one.int_value for each in sets for one in each.parameter if one.name == "DERControlFunctions"
        }
        assert found == expected
        assert len(sets) == 4 * len(expected)
    drive = DerDrive(SAE)
    drive.to(State.SERVICE_DETAIL)
    names = {
        one.name
        for each in drive.send(cm.ServiceDetailReq).service_parameter_list.parameter_set
        for one in each.parameter
    }
    assert "DERControlFunctions" not in names
    assert names >= {"BPTChannel", "GeneratorMode", "EVSENominalVoltage"}


# -- charge parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", DER_SERVICES)
def test_parameters_are_asked_for_again_until_the_vehicle_has_finished(service: ServiceID) -> None:
    drive = DerDrive(service)
    drive.to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    for _ in range(3):
        offer_of(drive, ev_processing=Processing.Ongoing)
        assert drive.session.state == "AC_ChargeParameterDiscovery"
        assert told(drive, act.InverterDeclared) == []
    offer_of(drive)
    assert drive.session.state == "ScheduleExchange"
    (news,) = told(drive, act.InverterDeclared)
    assert news.functions == (0x1FB if service is SAE else int(european().functions))
    assert news.manufacturer == ("Maker" if service is SAE else "")


@pytest.mark.parametrize("bit", list(IecFunction), ids=lambda bit: bit.name)
def test_each_function_is_told_if_it_was_agreed_on_and_left_out_if_not(bit: IecFunction) -> None:
    code = european()
    if bit in (IecFunction.WATT_VAR, IecFunction.WATT_COS_PHI):
        curve = Curve(points=((0.0, 1.0), (5_000.0, 0.9)), x_unit="W", y_unit="W", over_excited=(True, False))
        if bit is IecFunction.WATT_VAR:
            curve = Curve(points=((0.0, 0.0), (5_000.0, 900.0)), x_unit="W", y_unit="var")
        name = str(bit.name).lower()
        code = msgspec.structs.replace(code, volt_var=None, **{name: CurveFunction(curve=curve)})
    for mask in (int(bit), int(code.functions & ~bit)):
        config = SeccConfig(services=DER_SERVICES, ac=AcSeccSettings(der_functions=(mask,)))
        drive = DerDrive(grid_code=code, config=config)
        drive.to(State.AC_CHARGE_PARAMETER_DISCOVERY)
        control = offer_of(drive).der_control
        read, problems = der_iec.read_control(control, PLUS)
        assert problems == ()
        assert read == msgspec.structs.replace(code.within(mask), set_points=IecFunction(0))
        assert (bit in read.functions) is (mask == bit and bit not in _SET_POINTS)


_SET_POINTS = IecFunction.DSO_Q_SET_POINT | IecFunction.DSO_COS_PHI_SET_POINT


@pytest.mark.parametrize("sign", list(ReactiveSign))
def test_what_is_told_reads_back_whatever_the_sign(sign: ReactiveSign) -> None:
    code = european()
    assert der_iec.read_control(der_iec.control(code, sign), sign)[0] == msgspec.structs.replace(
        code, set_points=IecFunction(0)
    )
    points = der_iec.control(code, sign).reactive_power_support.volt_var.curve_data_points  # type: ignore[union-attr]
    assert si(points.curve_data_point[0].y_value.setpoint_value) == -4_000.0 * sign.value
    whole = north_american()
    assert der_sae.read_control(der_sae.control(whole, sign), der_sae.grid_limits(whole), sign) == whole


def test_nominal_and_greatest_power_are_the_same_with_the_sign_of_the_setting() -> None:
    config = SeccConfig(services=DER_SERVICES, discharge_limit_sign=DischargeLimitSign.MINUS)
    drive = DerDrive(config=config)
    drive.to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    offer = offer_of(drive)
    assert si(offer.evse_nominal_charge_power) == si(offer.evse_maximum_charge_power) == 22_080.0
    assert si(offer.evse_nominal_discharge_power) == si(offer.evse_maximum_discharge_power) == -22_080.0
    assert offer.ev_operating_mode is iec.EvOperatingMode.GridFollowing


@pytest.mark.parametrize("modes", [0, int(SaeFunction.VOLT_VAR), 0xFFFF_FFFF])
def test_what_the_vehicle_did_not_declare_is_switched_off(modes: int) -> None:
    drive = DerDrive(SAE)
    drive.to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    offer = offer_of(drive, supported_modes=modes)
    control = offer.der_control_cpd_res
    assert control.reactive_power_support_cpd_res.volt_var.enable is bool(modes & SaeFunction.VOLT_VAR)
    assert control.active_power_support_cpd_res.frequency_droop.enable is bool(
        modes & SaeFunction.FREQUENCY_DROOP
    )
    assert control.enter_service_cpd_res.permit_service is True
    assert offer.evse_processing is Processing.Finished
    assert si(offer.grid_limits.grid_nominal_voltage) == 230.0


@pytest.mark.parametrize("service", DER_SERVICES)
def test_a_type_of_ac_is_refused(service: ServiceID) -> None:
    plain = AcDrive(ServiceID.AC_BPT)
    drive = DerDrive(service)
    drive.to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=plain.cpd_mode())
    assert answer.response_code is ResponseCode.FAILED_WrongChargeParameter
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)
    drive = looping(service, SCHEDULED)
    answer = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=plain.loop())
    assert answer.response_code is ResponseCode.FAILED
    assert not drive.session.energized


def test_a_grid_code_that_went_away_leaves_no_service() -> None:
    drive = DerDrive()
    drive.to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    drive.book.tell(ev.GridCodeChanged(None))
    answer = drive.send(ac.ACChargeParameterDiscoveryReq)
    assert answer.response_code is ResponseCode.FAILED_WrongChargeParameter


# -- the loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", DER_SERVICES)
@pytest.mark.parametrize("mode", MODES)
def test_every_turn_says_the_limits_of_this_moment(service: ServiceID, mode: ControlMode) -> None:
    drive = looping(service, mode)
    said = turn(drive)
    assert si(said.evse_maximum_charge_power) == si(said.evse_maximum_discharge_power) == 22_080.0
    drive.book.tell(ev.AcLimitsChanged(AcStationLimits.of(current_a=10.0, discharge_a=5.0)))
    said = turn(drive)
    assert si(said.evse_maximum_charge_power) == 6_900.0
    assert si(said.evse_maximum_discharge_power) == 3_450.0


@pytest.mark.parametrize("mode", MODES)
def test_the_operators_set_points_are_told_if_they_were_agreed_on(mode: ControlMode) -> None:
    drive = looping(IEC, mode)
    assert (turn(drive).dsoq_setpoint, turn(drive).dso_maximum_discharge_power) == (None, None)
    drive.book.tell(ev.DsoSetPointChanged(DsoSetPoint(maximum_discharge_w=5_000.7, reactive_var=-900.0)))
    said = turn(drive)
    assert si(said.dsoq_setpoint.dsoq_setpoint_value) == -900.0
    assert si(said.dso_maximum_discharge_power) == 5_000.0, "a cap is rounded down"
    drive.book.tell(ev.DsoSetPointChanged(DsoSetPoint(cos_phi=0.95, over_excited=True)))
    said = turn(drive)
    assert said.dso_cos_phi_setpoint.excitation is iec.PowerFactorExcitation.OverExcited
    assert (said.dsoq_setpoint, said.dso_maximum_discharge_power) == (None, None)
    config = SeccConfig(services=DER_SERVICES, ac=AcSeccSettings(der_functions=(0x00F,)))
    drive = looping(IEC, mode, config=config)
    drive.book.tell(ev.DsoSetPointChanged(DsoSetPoint(maximum_discharge_w=5_000.0, reactive_var=-900.0)))
    said = turn(drive)
    assert said.dsoq_setpoint is None
    assert si(said.dso_maximum_discharge_power) == 5_000.0, "a cap always holds"


def test_a_cap_below_what_is_given_back_lowers_the_target_at_once() -> None:
    drive = looping()
    drive.book.tell(ev.SetPointChanged(-9_000.0))
    assert si(turn(drive).evse_target_active_power) == -9_000.0
    drive.book.tell(ev.DsoSetPointChanged(DsoSetPoint(maximum_discharge_w=5_000.0)))
    (bounds,) = [action.bounds for action in told(drive, act.SetAcPower)]
    assert sum(bounds.discharge_w) == pytest.approx(5_000.0)
    assert si(turn(drive).evse_target_active_power) == -5_000.0
    drive.book.tell(ev.DsoSetPointChanged(DsoSetPoint(maximum_discharge_w=0.0)))
    assert si(turn(drive).evse_target_active_power) == 0.0


def test_reactive_current_may_flow_whatever_the_active_power() -> None:
    drive = looping()
    drive.book.tell(ev.SetPointChanged(0.0))
    turn(drive)
    current = (8.0, 8.0, 8.0)
    for _ in range(20):
        turn(drive)
        drive.book.tell(ev.AcMeasured(voltage_v=(230.0,) * 3, current_a=current, reactive_var=(1_840.0,) * 3))
        drive.book.wait(0.4)
    assert drive.session.ended is None


def test_events_of_the_grid_are_told_once_for_each_rise_and_fall() -> None:
    drive = looping()
    heard: list[int] = []
    for condition in (0, 3, 3, 0, 0, 5):
        turn(drive, grid_event_condition=condition)
        heard += [one.events for one in told(drive, act.GridReported)]
    assert heard == [3, 0, 5]


def test_alarms_and_modes_of_a_north_american_inverter_are_told() -> None:
    drive = looping(SAE)
    assert told(drive, act.GridReported) == []
    turn(drive, enabled_modes=0xFFFF_FFFF, der_operational_state=sae.DerOperationalState.Off)
    (news,) = told(drive, act.GridReported)
    assert (news.enabled, news.in_service, news.connected) == (0x05FF_FDFB, False, True)


@pytest.mark.parametrize("mode", MODES)
def test_a_change_of_the_grid_code_is_told_once_and_by_itself(mode: ControlMode) -> None:
    drive = looping(SAE, mode)
    code = CODES[SAE]
    assert isinstance(code, SaeGridCode)
    quiet = turn(drive).der_control_cl_res
    assert quiet.enter_service_cl_res == sae.EnterServiceCLRes(permit_service=True)
    assert (quiet.voltage_trip, quiet.reactive_power_support_cl_res, quiet.active_power_support_cl_res) == (
        None,
        None,
        None,
    )
    changed = msgspec.structs.replace(
        code, volt_watt=CurveMode(enable=True, curve=code.volt_watt.curve, open_loop_s=3.0)
    )
    drive.book.tell(ev.GridCodeChanged(changed))
    said = turn(drive).der_control_cl_res
    assert said.active_power_support_cl_res.volt_watt.enable is True
    assert said.active_power_support_cl_res.frequency_droop is None
    assert (said.voltage_trip, said.reactive_power_support_cl_res) == (None, None)
    assert turn(drive).der_control_cl_res == quiet


def test_permission_is_withdrawn_at_once_and_the_band_is_not_repeated() -> None:
    drive = looping(SAE)
    code = CODES[SAE]
    assert isinstance(code, SaeGridCode)
    denied = msgspec.structs.replace(
        code, enter_service=msgspec.structs.replace(code.enter_service, permit=False)
    )
    drive.book.tell(ev.GridCodeChanged(denied))
    for _ in range(2):
        said = turn(drive).der_control_cl_res.enter_service_cl_res
        assert said == sae.EnterServiceCLRes(permit_service=False)


def test_an_island_is_told_once() -> None:
    drive = looping(SAE)
    code = CODES[SAE]
    drive.book.tell(ev.GridCodeChanged(msgspec.structs.replace(code, islanded=True)))
    assert turn(drive).grid_connection_mode is sae.GridConnectionMode.GridIslanded
    assert turn(drive).grid_connection_mode is None


def test_of_the_european_code_a_change_waits_for_the_next_parameters() -> None:
    drive = looping()
    before = turn(drive)
    drive.book.tell(ev.GridCodeChanged(IecGridCode()))
    assert turn(drive) == before


@pytest.mark.parametrize("service", DER_SERVICES)
def test_a_refusal_is_a_message_of_this_service(service: ServiceID) -> None:
    drive = DerDrive(service)
    drive.to(State.SERVICE_DISCOVERY)
    answer = drive.send(
        ac.ACChargeLoopReq, cl_req_control_mode=drive.loop(ev_present_active_power=rational(0.0))
    )
    assert answer.response_code is ResponseCode.FAILED_SequenceError
    assert type(answer.cl_res_control_mode) is drive.service.scheduled_res
