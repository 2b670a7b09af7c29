"""Charge parameters over a pad: which coils are taken and which are not, bound by bound, what the pad offers,
and that a renegotiation is about the same coil."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.values import rational, si
from iso15118.secc.iso20 import wpt_power
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session.wireless import PadLimits
from tests.secc.test_pad_power import at, told, why

S = State


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"evpc_max_receivable_power": rational(0.0)}, "EVPCMaxReceivablePower is 0"),
        ({"evpc_max_receivable_power": rational(-1.0)}, "maximum_power_w"),
        ({"evpc_max_receivable_power": rational(499.0)}, "less than the least"),
        ({"evpc_max_receivable_power": rational(500.0)}, ""),
        ({"sd_min_ground_clearence": 251, "sd_max_ground_clearence": 260}, "too high or too low"),
        ({"sd_min_ground_clearence": 250, "sd_max_ground_clearence": 260}, ""),
        ({"sd_min_ground_clearence": 90, "sd_max_ground_clearence": 99}, "too high or too low"),
        ({"sd_min_ground_clearence": 90, "sd_max_ground_clearence": 100}, ""),
        ({"sd_min_ground_clearence": 200, "sd_max_ground_clearence": 199}, "minimum_clearance_mm"),
        ({"evpc_natural_frequency": rational(78_990.0)}, "78990 Hz"),
        ({"evpc_natural_frequency": rational(79_000.0)}, ""),
        ({"evpc_natural_frequency": rational(90_000.0)}, ""),
        ({"evpc_natural_frequency": rational(90_010.0)}, "90010 Hz"),
    ],
    ids=str,
)
def test_which_coils_are_taken_over_the_pad(changes: dict[str, Any], refused: str) -> None:
    drive = at(S.WPT_CHARGE_PARAMETER_DISCOVERY)
    code = drive.send(wpt.WPTChargeParameterDiscoveryReq, **changes).response_code.value
    if not refused:
        assert (code, drive.session.state) == ("OK", S.SCHEDULE_EXCHANGE.value)
        return
    assert code == "FAILED_WrongChargeParameter"
    assert refused in why(drive)
    assert drive.context.facts.pad_vehicle is None


def test_a_coil_of_half_a_watt_is_one_where_the_pad_knows_no_least() -> None:
    drive = at(S.WPT_CHARGE_PARAMETER_DISCOVERY, PadLimits(maximum_power_w=11_000.0))
    answer = drive.send(wpt.WPTChargeParameterDiscoveryReq, evpc_max_receivable_power=rational(0.5))
    assert answer.response_code.value == "OK"


@pytest.mark.parametrize(
    ("watts", "power_class"), [(3_700.0, 1), (7_700.0, 2), (11_100.0, 3), (11_101.0, 4)], ids=str
)
def test_the_offer_says_what_the_pad_can_do(watts: float, power_class: int) -> None:
    pad = PadLimits(
        maximum_power_w=watts,
        minimum_power_w=300.0,
        maximum_coil_a=60.7,
        minimum_coil_a=2.5,
        maximum_clearance_mm=40_000.0,
        minimum_clearance_mm=0.0,
    )
    offer = at(S.WPT_CHARGE_PARAMETER_DISCOVERY, pad).send(wpt.WPTChargeParameterDiscoveryReq)
    assert offer.pd_input_power_class is getattr(wpt.WPTPowerClass, f"MF_WPT{power_class}")
    assert (si(offer.sd_min_output_power), si(offer.sd_max_output_power)) == (300.0, watts)
    assert offer.sd_max_ground_clearance_support == 32_767, "as much as the element holds"
    assert offer.sd_min_ground_clearance_support == 0
    assert (si(offer.pd_min_coil_current), si(offer.pd_max_coil_current)) == (2.5, 60.7)


def test_without_a_pad_nothing_is_offered_and_nothing_sent() -> None:
    drive = at(S.WPT_CHARGE_LOOP)
    asked = drive.send(wpt.WPTChargeLoopReq)
    assert si(asked.spc_max_output_power_limit) == 7_000.0
    for missing in ("pad_capabilities", "pad_hardware", "pad_vehicle"):
        facts = drive.context.facts
        kept = getattr(facts, missing)
        setattr(facts, missing, None)
        assert si(wpt_power._flows(drive.context)["spc_max_output_power_limit"]) == 0.0, missing
        if missing != "pad_vehicle":
            request = drive.request(wpt.WPTChargeParameterDiscoveryReq)
            reply = wpt_power.declared(request, drive.context)
            assert (type(reply).__name__ == "Refused") is (missing == "pad_hardware")
        setattr(facts, missing, kept)
    facts.pad_hardware = None
    assert si(wpt_power.neutral_offer(drive.context)["sd_max_output_power"]) == 0.0


@pytest.mark.parametrize("missing", ["pad", "service"])
def test_parameters_need_a_pad_and_a_service(missing: str) -> None:
    drive = at(S.WPT_CHARGE_PARAMETER_DISCOVERY)
    request = drive.request(wpt.WPTChargeParameterDiscoveryReq)
    if missing == "pad":
        drive.context.facts.pad_hardware = None
    else:
        drive.context.service = None
    reply = wpt_power.charge_parameter_discovery(request, drive.context)
    assert getattr(reply, "detail", "") == "there is no pad"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"evpc_max_receivable_power": rational(2_000.0)}, ""),
        ({"evpc_max_receivable_power": rational(400.0)}, "less than the least"),
        ({"evpc_natural_frequency": rational(86_000.0)}, "another coil"),
        ({"sd_max_ground_clearence": 209}, "another coil"),
    ],
    ids=str,
)
def test_in_a_renegotiation_it_is_still_the_coil_that_was_paired(
    changes: dict[str, Any], refused: str
) -> None:
    drive = at(S.SCHEDULE_RENEGOTIATION)
    code = drive.send(wpt.WPTChargeParameterDiscoveryReq, **changes).response_code.value
    if refused:
        assert code == "FAILED_WrongChargeParameter"
        assert refused in why(drive)
        return
    assert code == "OK"
    drive.send(cm.ScheduleExchangeReq)
    drive.send(cm.PowerDeliveryReq)
    drive.send(wpt.WPTChargeLoopReq)
    assert told(drive) == [act.SetPad(2_000.0)]
