"""Charge parameters of AC, element by element: what is read per phase, what is refused and with which words,
and what of the outlet is told for one phase and for three."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import DischargeLimitSign, rational, si
from iso15118.secc.iso20 import ac_wire
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import PeerDeviates
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from tests.secc.ac_vehicle import AcDrive

S = State
PHASES = ("", "_l2", "_l3")


def at_parameters(service: ServiceID = ServiceID.AC, **session: Any) -> AcDrive:
    return AcDrive(service, ControlMode.DYNAMIC, **session).to(S.AC_CHARGE_PARAMETER_DISCOVERY)


def declare(drive: AcDrive, mode: Any = None, **changes: Any) -> str:
    element = drive.cpd_mode(**changes) if mode is None else mode
    answer = drive.send(ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=element)
    return str(answer.response_code.value)


def why(drive: AcDrive) -> str:
    assert drive.session.ended is not None
    return drive.session.ended.detail


def each(name: str, *watts: float) -> dict[str, Any]:
    return {f"ev_{name}{at}": rational(value) for at, value in zip(PHASES, watts, strict=True)}


# -- what is read


def test_a_vehicle_is_uneven_that_names_its_greatest_charging_power_per_phase() -> None:
    drive = AcDrive(ServiceID.AC_BPT)
    most = each("maximum_charge_power", 3_000.0, 2_000.0, 1_000.0)
    least = each("minimum_charge_power", 300.0, 200.0, 100.0)
    for changes, uneven in (({}, False), (least, False), (most | least, True)):
        limits, odd = ac_wire.vehicle_limits(drive.cpd_mode(**changes), 3, 230.0)
        assert limits.uneven is uneven
        assert odd == ()
    assert limits.maximum_charge_power_w == (3_000.0, 2_000.0, 1_000.0)
    assert limits.minimum_charge_power_w == (300.0, 200.0, 100.0)


def test_the_current_is_that_of_the_greater_power_of_both_directions() -> None:
    drive = AcDrive(ServiceID.AC_BPT)
    mode = drive.cpd_mode(
        ev_maximum_charge_power=rational(6_900.0),
        ev_minimum_charge_power=rational(690.0),
        ev_maximum_discharge_power=rational(-13_800.0),
        ev_minimum_discharge_power=rational(-690.0),
    )
    limits, _ = ac_wire.vehicle_limits(mode, 3, 230.0)
    assert limits.maximum_current_a == pytest.approx((20.0, 20.0, 20.0))
    assert limits.minimum_current_a == 0.0
    assert limits.maximum_discharge_power_w == pytest.approx((4_600.0,) * 3), "either sign"
    limits, _ = ac_wire.vehicle_limits(AcDrive(phases=1).cpd_mode(), 1, 230.0)
    assert limits.maximum_current_a == pytest.approx((16.0, 0.0, 0.0))


def test_one_phase_below_nothing_is_refused() -> None:
    drive = at_parameters()
    changes = each("maximum_charge_power", 3_000.0, -1.0, 3_000.0)
    assert declare(drive, **changes) == "FAILED_WrongChargeParameter"
    assert why(drive) == "maximum_charge_power_w: -1 W is below 0"
    with pytest.raises(ConfigError, match="-2 W is below 0"):
        ac_wire.vehicle_limits(AcDrive().cpd_mode(ev_minimum_charge_power=rational(-2.0)), 1, 230.0)


# -- what is refused, and what is noted


def test_another_type_is_refused_with_its_name_in_a_renegotiation_too() -> None:
    other = AcDrive(ServiceID.AC_BPT).cpd_mode()
    said = "BPTACCPDReqEnergyTransferMode does not belong to the chosen service"
    drive = at_parameters()
    assert declare(drive, other) == "FAILED_WrongChargeParameter"
    assert why(drive) == said
    drive = AcDrive(control_mode=ControlMode.DYNAMIC).to(S.AC_CHARGE_LOOP)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    assert declare(drive, other) == "FAILED_WrongChargeParameter"
    assert why(drive) == said


@pytest.mark.parametrize("service", [ServiceID.AC, ServiceID.AC_BPT], ids=lambda one: one.name)
def test_a_refusal_is_in_the_element_of_the_chosen_service(service: ServiceID) -> None:
    drive = at_parameters(service)
    mode = drive.cpd_mode(ev_maximum_charge_power=rational(-1.0))
    answer = drive.send(ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=mode)
    assert answer.response_code.value == "FAILED_WrongChargeParameter"
    assert type(answer.ac_cpd_res_energy_transfer_mode) is drive.service.cpd_res_mode


def test_phases_do_not_become_uneven_in_a_renegotiation() -> None:
    changes = each("maximum_charge_power", 3_000.0, 3_000.0, 3_000.0)
    drive = AcDrive(control_mode=ControlMode.DYNAMIC).to(S.AC_CHARGE_LOOP)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    assert declare(drive, **changes) == "FAILED_WrongChargeParameter"
    assert why(drive) == "the phases may differ now, or no longer"


@pytest.mark.parametrize(
    ("outlet_least", "outlet_most", "least", "most", "noted"),
    [
        (0.0, 10.0, 6_900.0, 11_040.0, ""),
        (0.0, 10.0, 6_901.0, 11_040.0, "above the station's maximum"),
        (10.0, 32.0, 0.0, 6_900.0, ""),
        (10.0, 32.0, 0.0, 6_899.0, "below the station's minimum"),
    ],
)
def test_limits_that_leave_nothing_are_noted(
    outlet_least: float, outlet_most: float, least: float, most: float, noted: str
) -> None:
    outlet = AcStationLimits.of(current_a=outlet_most, minimum_a=outlet_least)
    drive = at_parameters(outlet=outlet)
    changes = {
        "ev_maximum_charge_power": rational(most),
        "ev_minimum_charge_power": rational(least),
    }
    assert declare(drive, **changes) == "OK"
    found = [one.detail for one in drive.book.actions if isinstance(one, PeerDeviates)]
    assert (noted in found[0]) if noted else found == []


# -- what is told


@pytest.mark.parametrize("phases", [1, 3])
def test_how_uneven_phases_may_be_is_told_where_there_are_three(phases: int) -> None:
    outlet = replace(
        AcStationLimits.of(current_a=32.0), maximum_asymmetry_w=4_600.0, power_ramp_percent_per_min=25.0
    )
    drive = at_parameters(outlet=outlet, phases=phases)
    answer = drive.send(ac.ACChargeParameterDiscoveryReq).ac_cpd_res_energy_transfer_mode
    told = answer.maximum_power_asymmetry
    assert (None if told is None else si(told)) == (4_600.0 if phases == 3 else None)
    assert si(answer.evse_power_ramp_limitation) == 25.0
    limits = replace(AcStationLimits.of(current_a=32.0, phases=1), maximum_asymmetry_w=4_600.0)
    fields = ac_wire.offer_fields(limits, SERVICES[ServiceID.AC], False, DischargeLimitSign.PLUS)
    assert "maximum_power_asymmetry" not in fields


def test_who_stops_is_asked_for_nothing_more() -> None:
    drive = AcDrive().to(S.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    drive.book.tell(ev.PauseRequested("the grid"))
    assert drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop) is None
    drive.book.tell(ev.ContactorsChanged(False))
    assert drive.book.sends(cm.PowerDeliveryRes, "OK").evse_status is None
