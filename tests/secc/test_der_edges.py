"""Inverters that support the grid, at the edges of the station: what a renegotiation takes back of the
functions, what is told of forming a grid and of its moment, and that a refusal lets nothing flow."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.grid_functions import IecFunction, IecGridCode
from iso15118.energy.sae_functions import SaeFunction, SaeGridCode
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import TimeStampUnit, rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.ac_settings import AcSeccSettings
from iso15118.secc.iso20 import der_part
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.services import ControlMode, GeneratorMode, ServiceID
from tests.secc.ac_vehicle import AcDrive
from tests.secc.der_vehicle import CODES, DER_SERVICES, DerDrive, iec, sae

S = State
IEC, SAE = ServiceID.AC_DER_IEC, ServiceID.AC_DER_SAE
MODES = pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)


def at_parameters(service: ServiceID = IEC, mode: ControlMode = ControlMode.DYNAMIC) -> DerDrive:
    drive = DerDrive(service, mode)
    drive.to(S.AC_CHARGE_PARAMETER_DISCOVERY)
    return drive


def in_a_renegotiation(service: ServiceID) -> DerDrive:
    drive = DerDrive(service, ControlMode.DYNAMIC)
    drive.to(S.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    return drive


def declare(drive: DerDrive, mode: Any = None, **changes: Any) -> Any:
    element = drive.cpd_mode(**changes) if mode is None else mode
    return drive.send(ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=element)


# -- parameters


@pytest.mark.parametrize("service", DER_SERVICES, ids=lambda one: one.name)
@pytest.mark.parametrize("again", [False, True])
def test_a_refusal_names_what_is_wrong(service: ServiceID, again: bool) -> None:
    drive = in_a_renegotiation(service) if again else at_parameters(service)
    answer = declare(drive, AcDrive(ServiceID.AC_BPT).cpd_mode())
    assert answer.response_code.value == "FAILED_WrongChargeParameter"
    assert drive.session.ended is not None
    assert drive.session.ended.detail == "BPTACCPDReqEnergyTransferMode does not belong to the chosen service"


def test_functions_that_an_inverter_has_no_longer_are_not_asked_for_any_more() -> None:
    drive = in_a_renegotiation(SAE)
    was = drive.context.der_functions
    assert was & SaeFunction.VOLT_VAR
    offer = declare(drive, supported_modes=was & ~SaeFunction.VOLT_VAR).ac_cpd_res_energy_transfer_mode
    assert drive.context.der_functions == was & ~SaeFunction.VOLT_VAR
    assert not offer.der_control_cpd_res.reactive_power_support_cpd_res.volt_var.enable
    declare(drive, supported_modes=was)
    assert drive.context.der_functions == was & ~SaeFunction.VOLT_VAR, "nor does it come back"
    code = drive.context.der_code
    assert isinstance(code, SaeGridCode)
    assert not code.volt_var.enable


def test_without_functions_in_the_parameter_set_there_are_none() -> None:
    drive = at_parameters()
    mode = drive.cpd_mode()
    ctx = drive.context
    assert ctx.parameter_set is not None
    assert der_part._functions(mode, ctx) == ctx.parameter_set.der_functions != 0
    for functions in (0, None):
        ctx.parameter_set = replace(ctx.parameter_set, der_functions=functions)
        assert der_part._functions(mode, ctx) == 0
    ctx.parameter_set = None
    assert der_part._functions(mode, ctx) == 0


@pytest.mark.parametrize("generator", [None, *GeneratorMode], ids=str)
def test_who_forms_a_grid_is_said_by_the_parameter_set(generator: GeneratorMode | None) -> None:
    drive = at_parameters()
    ctx = drive.context
    assert ctx.parameter_set is not None
    ctx.parameter_set = replace(ctx.parameter_set, generator_mode=generator)
    offer = declare(drive).ac_cpd_res_energy_transfer_mode
    forms = generator is GeneratorMode.GRID_FORMING
    modes = iec.EvOperatingMode
    assert offer.ev_operating_mode is (modes.GridForming if forms else modes.GridFollowing)


def test_a_parameter_set_with_a_function_agrees_on_it() -> None:
    config = SeccConfig(services=DER_SERVICES, ac=AcSeccSettings(der_functions=(int(IecFunction.VOLT_VAR),)))
    drive = DerDrive(config=config)
    drive.to(S.AC_CHARGE_PARAMETER_DISCOVERY)
    declare(drive)
    code = drive.context.der_code
    assert isinstance(code, IecGridCode)
    assert code.functions == IecFunction.VOLT_VAR


def test_the_offer_says_when_it_was_made() -> None:
    drive = at_parameters(SAE)
    drive.book.now += 7.0
    assert declare(drive).ac_cpd_res_energy_transfer_mode.evse_update_time == 1_790_000_007


def test_that_moment_is_of_the_unit_of_every_time_stamp() -> None:
    units = SeccConfig(services=DER_SERVICES, time_stamp_unit=TimeStampUnit.MICROSECONDS)
    drive = DerDrive(SAE, ControlMode.DYNAMIC, config=units)
    drive.to(S.AC_CHARGE_PARAMETER_DISCOVERY)
    answer = declare(drive)
    assert answer.ac_cpd_res_energy_transfer_mode.evse_update_time == answer.header.time_stamp
    assert answer.header.time_stamp > 1e12


# -- the loop


def test_forming_a_grid_is_told_once_and_taken_back_once() -> None:
    drive = DerDrive(SAE, ControlMode.DYNAMIC)
    drive.to(S.AC_CHARGE_LOOP)
    code = CODES[SAE]
    seen = []
    for forms in (False, True, True, False, False):
        drive.book.tell(ev.GridCodeChanged(replace(code, forms_grid=forms)))
        element = drive.send(ac.ACChargeLoopReq).cl_res_control_mode
        seen.append(element.required_der_operating_mode)
    modes = sae.RequiredDEROperatingMode
    assert seen == [None, modes.GridForming, None, modes.GridFollowing, None]


@pytest.mark.parametrize("uneven", [False, True])
def test_limits_in_the_loop_are_per_phase_for_who_says_so(uneven: bool) -> None:
    drive = at_parameters()
    peers = {
        f"ev_{what}_charge_power{at}": rational(watts)
        for what, watts in (("maximum", 3_680.0), ("minimum", 1_380.0))
        for at in ("", "_l2", "_l3")
    }
    declare(drive, **(peers if uneven else {}))
    drive.to(S.AC_CHARGE_LOOP)
    element = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=drive.loop(**(peers if uneven else {})))
    told = element.cl_res_control_mode
    assert si(told.evse_maximum_charge_power) == (7_360.0 if uneven else 22_080.0)
    assert (told.evse_maximum_charge_power_l2 is not None) is uneven


# -- refusals


@MODES
@pytest.mark.parametrize("service", DER_SERVICES, ids=lambda one: one.name)
def test_a_refusal_lets_nothing_flow(service: ServiceID, mode: ControlMode) -> None:
    drive = DerDrive(service, mode)
    drive.to(S.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    drive.book.tell(ev.EmergencyShutdown("smoke"))
    refused = drive.send(ac.ACChargeLoopReq)
    assert refused.response_code.value == "FAILED"
    dynamic = mode is ControlMode.DYNAMIC
    kind = drive.service.dynamic_res if dynamic else drive.service.scheduled_res
    assert type(refused.cl_res_control_mode) is kind
    element: Any = refused.cl_res_control_mode
    assert (si(element.evse_maximum_charge_power), si(element.evse_maximum_discharge_power)) == (0.0, 0.0)
    if dynamic:
        assert si(element.evse_target_active_power) == 0.0
    if service is SAE:
        assert element.der_control_cl_res.enter_service_cl_res.permit_service is False
