"""What a station wants in mid-session, to the second: delays, withdrawn wishes, readings that nobody
confirms, receipts, standby."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.values import si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.test_plug_and_charge import in_the_loop
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, Drive

Progress = cm.ChargeProgress


def looping(**settings: Any) -> Drive:
    config = SeccConfig(services=ALL_SERVICES, renegotiation=RenegotiationSettings(**settings))
    drive = Drive(config=config).to(State.DC_CHARGE_LOOP)
    loop(drive)
    return drive


def loop(drive: Drive, **changes: Any) -> Any:
    drive.measure(BATTERY_V, 0.0)
    return drive.send(dc.DCChargeLoopReq, **changes)


def told(drive: Drive) -> tuple[str, int] | None:
    status = loop(drive).evse_status
    return None if status is None else (status.evse_notification.value, status.notification_max_delay)


def after(drive: Drive, seconds: float) -> tuple[str, int] | None:
    """What is told in the loop that goes on for so long."""
    until = drive.book.now + seconds
    last = None
    while drive.book.now < until - 1e-9:
        drive.book.wait(min(0.25, until - drive.book.now))
        last = told(drive)
    return last


@pytest.mark.parametrize(
    ("event", "name", "setting"),
    [
        (ev.ScheduleRenegotiationRequested("x"), "ScheduleRenegotiation", "schedule_delay_s"),
        (ev.ServiceRenegotiationRequested("x"), "ServiceRenegotiation", "service_delay_s"),
    ],
)
def test_a_delay_counts_down_to_the_moment(event: ev.Event, name: str, setting: str) -> None:
    drive = looping(**{setting: 3.0})
    drive.book.tell(event)
    assert told(drive) == (name, 3)
    assert after(drive, 2.0) == (name, 1)
    assert after(drive, 0.99) == (name, 0)
    assert after(drive, 0.02) is None
    assert drive.session.ended is None


def test_power_delivery_says_it_too_and_a_stop_says_nothing_more() -> None:
    drive = looping()
    drive.book.tell(ev.ScheduleRenegotiationRequested("x"))
    response = drive.send(cm.PowerDeliveryReq)
    assert response.evse_status.evse_notification.value == "ScheduleRenegotiation"
    drive.send(cm.PowerDeliveryReq, charge_progress=Progress.Stop)
    drive.book.tell(ev.ContactorsChanged(False))
    assert drive.book.sends(cm.PowerDeliveryRes).evse_status is None


def test_standby_holds_whatever_the_vehicle_asks_for() -> None:
    drive = looping()
    loop(drive, cl_req_control_mode=drive.scheduled(current_a=200.0))
    drive.send(cm.PowerDeliveryReq, charge_progress=Progress.Standby)
    kinds = [type(action) for action in drive.book.actions]
    assert kinds.index(act.SetPower) < kinds.index(act.Send)
    for event in (None, ev.SetPointChanged(1e5), ev.LimitsChanged(drive.session._facts.capabilities)):
        if event is not None:
            drive.book.tell(event)
        loop(drive, cl_req_control_mode=drive.scheduled(current_a=200.0))
        power = drive.session._facts.power
        assert power is not None
        assert power[1] == 0.0
    assert drive.send(cm.PowerDeliveryReq).response_code.value == "OK"
    loop(drive, cl_req_control_mode=drive.scheduled(current_a=200.0))
    power = drive.session._facts.power
    assert power is not None
    assert power[1] > 0.0


@pytest.mark.parametrize("left", [True, False])
def test_a_vehicle_has_its_time_to_leave_standby(left: bool) -> None:
    drive = looping(exit_standby_delay_s=2.0)
    drive.send(cm.PowerDeliveryReq, charge_progress=Progress.Standby)
    drive.book.tell(ev.StandbyRequested("x", wanted=False))
    assert told(drive) == ("ExitStandby", 2)
    assert after(drive, 1.99) == ("ExitStandby", 0)
    if left:
        drive.send(cm.PowerDeliveryReq)
    found = after(drive, 0.5)
    assert (found is None) is left
    if not left:
        assert found is not None
        assert found[0] == "Terminate"


def test_a_wish_to_leave_standby_where_there_is_none_is_forgotten() -> None:
    drive = looping()
    drive.book.tell(ev.StandbyRequested("x", wanted=False))
    assert told(drive) is None
    drive.send(cm.PowerDeliveryReq, charge_progress=Progress.Standby)
    assert told(drive) is None


@pytest.mark.parametrize("attempts", [1, 2, 0])
def test_a_reading_that_nobody_confirms(attempts: int) -> None:
    one = in_the_loop()
    settings = RenegotiationSettings(metering_delay_s=2.0, metering_attempts=attempts)
    object.__setattr__(one, "config", one.config)
    import msgspec

    one.session._facts.config = msgspec.structs.replace(one.config, renegotiation=settings)
    one.book.wait(0.2)

    def turn() -> Any:
        one.book.tell(ev.MeterRead("M1", 4711.0))
        return told(one)

    seen = []
    for _ in range(40):
        one.book.wait(0.25)
        seen.append(turn())
    names = [None if status is None else status[0] for status in seen]
    ends = names.index("Terminate") if "Terminate" in names else None
    if attempts:
        assert ends == pytest.approx(attempts * 8, abs=1)
        one.book.wait(0.0)
        assert one.session._facts.stop_wanted == "the vehicle confirms no meter readings"
    else:
        assert ends is None
        assert set(names) == {"MeteringConfirmation"}


def test_a_receipt_goes_with_the_reading_and_is_signed_with_it() -> None:
    one = in_the_loop()
    one.book.tell(ev.MeterRead("M1", 4711.0))
    one.book.tell(
        ev.ReceiptIssued(energy=ev.Cost(12.5, 0.39), overstay=ev.Cost(1.0, 0.1), taxes=((3, 2.38),))
    )
    one.book.wait(0.2)
    answer = one.send(dc.DCChargeLoopReq)
    receipt = answer.receipt
    assert si(receipt.energy_costs.amount) == 12.5
    assert si(receipt.energy_costs.cost_per_unit) == 0.39
    assert receipt.occupancy_costs is None
    assert si(receipt.overstay_costs.amount) == 1.0
    assert [(tax.tax_rule_id, si(tax.amount)) for tax in receipt.tax_costs] == [(3, 2.38)]
    for sent, problem in ((None, "not a receipt that was sent"), (receipt, "signature")):
        data = cm.SignedMeteringData(
            id="id1",
            session_id=one.session_id,
            meter_info=answer.meter_info,
            receipt=sent,
            smdt_control_mode=cm.DynamicSMDTControlMode(),
        )
        from iso15118.secc.iso20.plug_and_charge import metering_confirmation

        request = one.request(cm.MeteringConfirmationReq, signed_metering_data=data)
        refused = metering_confirmation(request, one.context)
        assert problem in refused.detail


def test_who_hangs_up_after_service_renegotiation_has_ended_in_order() -> None:
    config = SeccConfig(services=ALL_SERVICES, service_renegotiation=True)
    drive = Drive(config=config).to(State.SESSION_STOP)
    answer = drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.ServiceRenegotiation)
    assert answer.response_code.value == "OK"
    drive.book.tell(ev.TransportLost(ev.TransportLoss.CLOSED))
    drive.book.ends(EndReason.STOPPED_BY_EV)


def test_who_hangs_up_later_has_not() -> None:
    config = SeccConfig(services=ALL_SERVICES, service_renegotiation=True)
    drive = Drive(config=config).to(State.SESSION_STOP)
    drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.ServiceRenegotiation)
    drive.send(cm.ServiceDiscoveryReq)
    drive.book.tell(ev.TransportLost(ev.TransportLoss.CLOSED))
    drive.book.ends(EndReason.PEER_VANISHED)
