"""Another agreement beside the charge loop, in every family of services: what of a new declaration holds
at once and what waits, which attempt is given up, and what of its copy is never taken over."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.messages.iso20 import ac, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.beside import _lesser
from iso15118.secc.iso20.sequence import State
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import ScheduleRenegotiated
from iso15118.session.limits import VehicleLimits
from iso15118.session.services import ControlMode, ServiceID
from iso15118.timing import Timing
from tests.secc.ac_vehicle import AcDrive
from tests.secc.pad import PadDrive
from tests.secc.vehicle import ALL_SERVICES, Drive

S = State
PATIENT = Timing(sequence_timeout_loop=60.0)
CONFIG = SeccConfig(services=ALL_SERVICES, timing=PATIENT)


def beside(drive: Drive, kind: type, **changes: Any) -> Any:
    """The answer to such a request on the stream beside the loop."""
    drive.book.tell(ev.MessageReceived(drive.request(kind, **changes), beside=True))
    sent = [one.message for one in drive.book.actions if isinstance(one, act.Send)]
    return sent[0] if sent else None


def told(drive: Drive) -> list[ScheduleRenegotiated]:
    return [one for one in drive.book.actions if isinstance(one, ScheduleRenegotiated)]


def looping(**session: Any) -> Drive:
    drive = Drive(ServiceID.DC_BPT, config=CONFIG, **session).to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    return drive


# -- what a declaration leaves


def test_less_of_an_outlet_holds_at_once_and_more_with_the_new_schedule() -> None:
    drive = AcDrive(control_mode=ControlMode.DYNAMIC).to(S.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    facts = drive.session._facts

    def declare(watts: float, least: float = 1_000.0) -> None:
        mode = drive.cpd_mode(
            ev_maximum_charge_power=rational(watts), ev_minimum_charge_power=rational(least)
        )
        beside(drive, ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=mode)
        drive.session.timers.clear_all()

    def holds() -> float:
        assert facts.ac_vehicle is not None
        return sum(facts.ac_vehicle.maximum_charge_power_w)

    declare(6_000.0)
    assert holds() == pytest.approx(6_000.0)
    declare(9_000.0)
    assert holds() == pytest.approx(6_000.0), "more waits"
    beside(drive, cm.ScheduleExchangeReq)
    assert holds() == pytest.approx(6_000.0)
    beside(drive, cm.PowerDeliveryReq)
    assert holds() == pytest.approx(9_000.0)


def test_less_over_a_pad_holds_at_once_and_more_with_the_new_schedule() -> None:
    drive = PadDrive(ControlMode.DYNAMIC).to(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    facts = drive.session._facts
    for watts, holds in ((3_000.0, 3_000.0), (6_000.0, 3_000.0)):
        answer = beside(drive, wpt.WPTChargeParameterDiscoveryReq, evpc_max_receivable_power=rational(watts))
        assert answer.response_code.value == "OK"
        assert facts.pad_vehicle is not None
        assert facts.pad_vehicle.maximum_power_w == facts.pad_power == holds
        assert facts.ac_vehicle is None
    beside(drive, cm.ScheduleExchangeReq)
    beside(drive, cm.PowerDeliveryReq)
    assert facts.pad_vehicle is not None
    assert facts.pad_vehicle.maximum_power_w == 6_000.0
    assert facts.pad_power == 5_000.0


def test_no_minimum_is_left_above_its_maximum() -> None:
    old = VehicleLimits(
        maximum_charge_power_w=50_000.0, maximum_charge_current_a=100.0, maximum_voltage_v=900.0
    )
    new = replace(
        old, maximum_charge_current_a=200.0, minimum_charge_current_a=150.0, minimum_charge_power_w=9_000.0
    )
    both = _lesser(old, new)
    assert (both.maximum_charge_current_a, both.minimum_charge_current_a) == (100.0, 100.0)
    assert (both.maximum_charge_power_w, both.minimum_charge_power_w) == (50_000.0, 9_000.0)


def test_a_current_beside_phases_is_that_of_each() -> None:
    old = AcVehicleLimits.of(current_a=10.0, phases=1, minimum_a=6.0)
    new = AcVehicleLimits.of(current_a=16.0, phases=1, minimum_a=8.0)
    assert _lesser(old, new).minimum_current_a == 8.0
    new = AcVehicleLimits.of(current_a=16.0, phases=1, minimum_a=12.0)
    assert _lesser(old, new).minimum_current_a == 10.0
    assert _lesser(old, new).maximum_charge_power_w == (2_300.0, 0.0, 0.0)


@pytest.mark.parametrize("volts", [700.0, 949.0, 950.0, 951.0, 1_100.0])
def test_a_minimum_voltage_anew_is_never_above_what_the_cable_was_checked_for(volts: float) -> None:
    drive = looping()
    mode = drive.cpd_mode(ev_maximum_voltage=rational(1_200.0), ev_minimum_voltage=rational(volts))
    answer = beside(drive, dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=mode)
    assert answer.response_code.value == "OK"
    beside(drive, cm.ScheduleExchangeReq)
    beside(drive, cm.PowerDeliveryReq)
    vehicle = drive.session._facts.vehicle
    assert vehicle is not None
    assert (vehicle.maximum_voltage_v, vehicle.minimum_voltage_v) == (950.0, min(volts, 950.0))


# -- attempts


def test_who_begins_anew_gives_up_what_was_offered_and_no_more() -> None:
    drive = looping()
    beside(drive, cm.ScheduleExchangeReq)
    assert told(drive) == []
    beside(drive, cm.ScheduleExchangeReq)
    assert told(drive) == [ScheduleRenegotiated(beside=True, agreed=False, reason="the vehicle began anew")]
    drive = looping()
    for _ in range(2):
        beside(drive, dc.DCChargeParameterDiscoveryReq)
        assert told(drive) == [], "nothing was offered yet"
    beside(drive, cm.ScheduleExchangeReq)
    assert told(drive) == []


@pytest.mark.parametrize(("at", "waits"), [(17.99, True), (18.0, False)])
def test_a_vehicle_that_still_computes_is_waited_for_anew(at: float, waits: bool) -> None:
    drive = looping()
    drive.session._facts.config = replace(CONFIG, renegotiation=RenegotiationSettings(silence_s=10.0))
    beside(drive, cm.ScheduleExchangeReq)
    drive.book.now = 8.0
    answer = beside(drive, cm.PowerDeliveryReq, ev_processing=Processing.Ongoing)
    assert answer.response_code.value == "OK"
    drive.session.timers.clear_all()
    drive.book.now = at
    drive.send(dc.DCChargeLoopReq)
    why = "the vehicle did not finish it"
    assert told(drive) == ([] if waits else [ScheduleRenegotiated(beside=True, agreed=False, reason=why)])


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        (S.DC_CHARGE_LOOP, cm.PowerDeliveryReq, "PowerDeliveryReq Start beside the loop while waiting for nothing"),
        (S.DC_CHARGE_LOOP, cm.ServiceDetailReq, "ServiceDetailReq beside the loop while waiting for nothing"),
        (S.POWER_DELIVERY, cm.ScheduleExchangeReq, "ScheduleExchangeReq beside the loop while in PowerDelivery"),
    ],
)  # fmt: skip
def test_the_end_says_what_was_waited_for(state: State, kind: type, said: str) -> None:
    drive = Drive(config=CONFIG).to(state)
    assert beside(drive, kind).response_code.value == "FAILED_SequenceError"
    assert drive.session.ended is not None
    assert drive.session.ended.detail == said


def test_beside_the_loop_nobody_waits_for_the_energy_manager() -> None:
    drive = Drive(ServiceID.DC_BPT, config=CONFIG, schedules=True).to(S.SCHEDULE_EXCHANGE)
    offer = ScheduleOffer(charging=PowerOffer(entries=((86_400.0, 50_000.0),)))
    drive.send(cm.ScheduleExchangeReq)
    drive.book.tell(ev.SchedulesGiven((offer,)))
    if drive.session.state == S.SCHEDULE_EXCHANGE.value:
        drive.send(cm.ScheduleExchangeReq)
    drive.to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    answer = beside(drive, cm.ScheduleExchangeReq)
    assert answer.evse_processing is Processing.Ongoing, "at once, while the manager is asked"
    assert [one for one in drive.book.actions if isinstance(one, act.RequestSchedules)]
    drive.book.tell(ev.SchedulesGiven((offer,)))
    assert beside(drive, cm.ScheduleExchangeReq).evse_processing is Processing.Finished


def test_an_answer_beside_the_loop_has_no_reading_and_asks_for_no_signature() -> None:
    config = SeccConfig(services=ALL_SERVICES, timing=PATIENT, metering_confirmation_s=5.0)
    drive = Drive(ServiceID.DC_BPT, config=config).to(S.DC_CHARGE_LOOP)
    drive.session._facts.contract = b"a certificate"
    drive.book.now += 10.0
    drive.book.tell(ev.MeterRead("M1", 4711.0, at=drive.book.now))
    status = drive.send(dc.DCChargeLoopReq).evse_status
    assert status.evse_notification.value == "MeteringConfirmation"
    beside(drive, cm.ScheduleExchangeReq)
    assert beside(drive, cm.PowerDeliveryReq).evse_status is None


def test_the_time_stamps_of_answers_are_those_of_now() -> None:
    """An attempt makes headers of its own; how long one holds goes with the header, and is not taken over."""
    drive = looping()
    began = 1_790_000_000
    drive.book.now = 19.9
    assert drive.send(dc.DCChargeLoopReq).header.time_stamp == began + 19
    drive.book.now = 20.1
    assert beside(drive, cm.ScheduleExchangeReq).header.time_stamp == began + 20
    drive.book.now = 20.2
    assert beside(drive, cm.PowerDeliveryReq).header.time_stamp == began + 20
    drive.book.now = 20.3
    assert drive.send(dc.DCChargeLoopReq).header.time_stamp == began + 20
