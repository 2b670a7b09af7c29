"""What an answer of ISO 15118-20 to a message out of sequence says besides that: nothing that a vehicle could
take for an offer, a measurement or a permission."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, RationalNumber
from iso15118.secc.iso20.sequence import State
from iso15118.session.actions import EndReason
from iso15118.session.services import SERVICES, ServiceID
from tests.secc.vehicle import Drive

ZERO = RationalNumber(exponent=0, value=0)
NOTHING: dict[type, dict[str, Any]] = {
    cm.AuthorizationSetupReq: {
        "authorization_services": (cm.Authorization.EIM,),
        "certificate_installation_service": False,
    },
    cm.AuthorizationReq: {"evse_processing": Processing.Finished},
    cm.ServiceDetailReq: {
        "service_parameter_list": cm.ServiceParameterList(
            parameter_set=(
                cm.ParameterSet(parameter_set_id=0, parameter=(cm.Parameter(name="Connector", int_value=0),)),
            )
        )
    },
    dc.DCCableCheckReq: {"evse_processing": Processing.Finished},
    dc.DCPreChargeReq: {"evse_present_voltage": ZERO},
    dc.DCChargeLoopReq: {
        "evse_present_current": ZERO,
        "evse_present_voltage": ZERO,
        "evse_power_limit_achieved": False,
        "evse_current_limit_achieved": False,
        "evse_voltage_limit_achieved": False,
    },
    dc.DCWeldingDetectionReq: {"evse_present_voltage": ZERO},
}


def out_of_sequence(kind: type) -> Any:
    state = State.SERVICE_SELECTION if kind is not cm.ServiceDetailReq else State.SCHEDULE_EXCHANGE
    drive = Drive().to(state)
    response = drive.send(kind)
    assert response.response_code.value == "FAILED_SequenceError"
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    return response


@pytest.mark.parametrize("kind", NOTHING, ids=lambda one: one.__name__)
def test_a_message_out_of_sequence_is_answered_with_nothing(kind: type) -> None:
    response = out_of_sequence(kind)
    assert {name: getattr(response, name) for name in NOTHING[kind]} == NOTHING[kind]


@pytest.mark.parametrize("offered", [True, False])
def test_the_limits_in_it_are_those_of_the_chosen_service_or_of_charging(offered: bool) -> None:
    """Of the hardware, before anything was offered."""
    drive = Drive(ServiceID.MCS_BPT).to(State.SCHEDULE_EXCHANGE if offered else State.SERVICE_DISCOVERY)
    response = drive.send(dc.DCChargeParameterDiscoveryReq)
    assert response.response_code.value == "FAILED_SequenceError"
    mode = response.dc_cpd_res_energy_transfer_mode
    assert mode.evse_maximum_charge_power.value > 0
    assert type(mode) is SERVICES[ServiceID.MCS_BPT if offered else ServiceID.DC].cpd_res_mode
