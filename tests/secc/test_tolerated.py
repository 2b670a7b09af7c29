"""What is tolerated in the field is told once, whichever setting bears with it: each of those that the preset
"field" has, and those that are off in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.physical import amperes
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.events import SignalState
from iso15118.settings.strictness import DEVIATIONS
from tests.secc.din import vehicle as of_din
from tests.secc.din.test_delivery import profile
from tests.secc.din.test_setup import DRAFT, config, entry
from tests.secc.iso2 import vehicle as of_iso2
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, VEHICLE, Drive


def iso20() -> Drive:
    return Drive(
        config=SeccConfig(services=ALL_SERVICES, tolerate_odd_values=True, accept_ongoing_pre_charge=True)
    )


def iso2_drive(**options: Any) -> of_iso2.Drive:
    return of_iso2.Drive(of_iso2.settings(), **options)


def target_above_its_maximum() -> Any:
    drive = iso20().to(State.DC_CHARGE_LOOP)
    drive.send(
        dc.DCChargeLoopReq,
        cl_req_control_mode=drive.scheduled(voltage_v=VEHICLE.maximum_voltage_v + 0.3),
    )
    return drive


def power_before_the_pre_charge_is_finished() -> Any:
    drive = iso20().to(State.DC_PRE_CHARGE)
    drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
    drive.measure(BATTERY_V)
    drive.send(cm.PowerDeliveryReq)
    return drive


def too_many_points() -> Any:
    drive = iso20().to(State.SCHEDULE_EXCHANGE)
    drive.send(cm.ScheduleExchangeReq, maximum_supporting_points=5000)
    return drive


def iso2_leaves_under_power() -> Any:
    drive = iso2_drive().to(Iso2State.CURRENT_DEMAND)
    drive.send(iso2.SessionStopReq)
    return drive


def din_leaves_under_power() -> Any:
    drive = of_din.Drive().to(DinState.CURRENT_DEMAND)
    drive.send(din.SessionStop)
    return drive


def iso2_pre_charge_with_5_a() -> Any:
    drive = iso2_drive().to(Iso2State.PRE_CHARGE)
    drive.send(iso2.PreChargeReq, ev_target_current=amperes(5.0))
    return drive


def din_pre_charge_with_5_a() -> Any:
    drive = of_din.Drive().to(DinState.PRE_CHARGE)
    drive.send(din.PreChargeReq, ev_target_current=of_din.value(5.0, "A"))
    return drive


def iso2_welding_detection_in_state_c() -> Any:
    drive = iso2_drive().to(Iso2State.CURRENT_DEMAND)
    drive.book.tell(ev.SignalChanged(SignalState.C))
    drive.stopped()
    drive.send(iso2.WeldingDetectionReq)
    return drive


def din_welding_detection_in_state_c() -> Any:
    drive = of_din.Drive().to(DinState.CABLE_CHECK)
    drive.tell(ev.SignalChanged(SignalState.C))
    drive.to(DinState.WELDING_DETECTION)
    drive.send(din.WeldingDetectionReq)
    return drive


def iso2_profile_above_the_schedule() -> Any:
    small = replace(of_iso2.STATION, maximum_charge_power_w=11_040.0)
    drive = iso2_drive(limits=small).to(Iso2State.POWER_DELIVERY)
    drive.send(iso2.PowerDeliveryReq, charging_profile=of_iso2.profile((0, 20_000.0)))
    return drive


def din_profile_above_the_schedule() -> Any:
    small = replace(of_din.STATION, maximum_charge_power_w=20_000.0)
    drive = of_din.Drive(limits=small).to(DinState.POWER_DELIVERY)
    drive.measure(of_din.BATTERY_V)
    drive.send(din.PowerDeliveryReq, charging_profile=profile(1, 1000, 20_001))
    return drive


def iso2_no_percentage() -> Any:
    drive = iso2_drive().to(Iso2State.CHARGE_PARAMETER_DISCOVERY)
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=of_iso2.dc_parameters(full_soc=101))
    return drive


def din_bulk_above_full() -> Any:
    drive = of_din.Drive().to(DinState.CHARGE_PARAMETER_DISCOVERY)
    usual: Any = drive.request(din.ChargeParameterDiscoveryReq).body.body_element
    odd = replace(usual.ev_charge_parameter, full_soc=80, bulk_soc=90)
    drive.send(din.ChargeParameterDiscoveryReq, ev_charge_parameter=odd)
    return drive


def iso2_power_without_a_cable_check() -> Any:
    drive = iso2_drive().to(Iso2State.CURRENT_DEMAND)
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    drive.send(iso2.ChargeParameterDiscoveryReq)
    drive.send(iso2.PowerDeliveryReq)
    return drive


def iso2_driver_who_takes_a_minute() -> Any:
    drive = iso2_drive().to(Iso2State.AUTHORIZATION)
    for _ in range(7):
        drive.send(iso2.AuthorizationReq)
        drive.book.wait(10.0)
    return drive


def din_driver_who_takes_a_minute() -> Any:
    drive = of_din.Drive().to(DinState.CONTRACT_AUTHENTICATION)
    for _ in range(7):
        drive.send(din.ContractAuthenticationReq)
        drive.wait(10.0)
    return drive


def the_draft_of_2010() -> Any:
    drive = of_din.Drive(config=config(serve_2010_namespace=True))
    drive.connect(entry(DRAFT, 9, 1, 1))
    return drive


TOLERATED: dict[str, tuple[Callable[[], Any], str]] = {
    "overvoltage_v": (target_above_its_maximum, "target-voltage"),
    "iso2.session_stop_anywhere": (iso2_leaves_under_power, "session-stop"),
    "din.session_stop_anywhere": (din_leaves_under_power, "session-stop"),
    "iso2.precharge_over_2a": (iso2_pre_charge_with_5_a, "precharge-current"),
    "din.precharge_over_2a": (din_pre_charge_with_5_a, "pre-charge-current"),
    "iso2.welding_needs_cp_b": (iso2_welding_detection_in_state_c, "welding-state"),
    "din.welding_needs_cp_b": (din_welding_detection_in_state_c, "welding-detection-pilot"),
    "iso2.profile_check": (iso2_profile_above_the_schedule, "charging-profile"),
    "din.profile_check": (din_profile_above_the_schedule, "charging-profile"),
    "iso2.plausibility": (iso2_no_percentage, "charge-parameters"),
    "din.plausibility": (din_bulk_above_full, "charge-parameters"),
    "iso2.dc_renegotiation_short": (iso2_power_without_a_cable_check, "short-renegotiation"),
    "iso2.timing.authorization_ongoing_timeout": (iso2_driver_who_takes_a_minute, "long-authorization"),
    "din.timing.authorization_ongoing_timeout": (din_driver_who_takes_a_minute, "long-authorization"),
}
OFF: dict[str, tuple[Callable[[], Any], str]] = {
    "tolerate_odd_values": (too_many_points, "schedule-request"),
    "accept_ongoing_pre_charge": (power_before_the_pre_charge_is_finished, "ongoing-pre-charge"),
    "din.serve_2010_namespace": (the_draft_of_2010, "draft-namespace"),
}


@pytest.mark.parametrize("key", [*TOLERATED, *OFF])
def test_what_is_tolerated_is_told(key: str) -> None:
    act_so, name = (TOLERATED | OFF)[key]
    drive = act_so()
    assert name in drive.session._facts.noted


def test_no_deviation_is_left_out() -> None:
    assert set(TOLERATED) == {one.key for one in DEVIATIONS["secc"]}
