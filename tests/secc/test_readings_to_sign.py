"""Readings that a vehicle is to sign, in every family of services: it is asked to confirm what it was told,
and only that. What a meter does not say in time is not asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.messages.iso20 import ac, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.services import ServiceID
from iso15118.timing import Timing
from tests.secc.ac_vehicle import AcDrive
from tests.secc.pad import PadDrive
from tests.secc.vehicle import Drive

S = State
TIMING = Timing(sequence_timeout_loop=60.0)


def config(service: ServiceID) -> SeccConfig:
    return SeccConfig(services=(service,), metering_confirmation_s=5.0, timing=TIMING)


def dc_loop() -> tuple[Drive, type]:
    return Drive(config=config(ServiceID.DC)).to(S.DC_CHARGE_LOOP), dc.DCChargeLoopReq


def ac_loop() -> tuple[Drive, type]:
    return AcDrive(config=config(ServiceID.AC)).to(S.AC_CHARGE_LOOP), ac.ACChargeLoopReq


def pad_loop() -> tuple[Drive, type]:
    return PadDrive(config=config(ServiceID.WPT)).to(S.WPT_CHARGE_LOOP), wpt.WPTChargeLoopReq


FAMILIES = pytest.mark.parametrize("family", [dc_loop, ac_loop, pad_loop], ids=lambda one: one.__name__)
Family = Callable[[], tuple[Drive, type]]


def by_contract(family: Family) -> tuple[Drive, type]:
    """In the loop by a contract that readings are billed to, ten seconds after it began."""
    drive, turn = family()
    drive.session._facts.contract = b"a certificate"
    drive.send(turn)
    drive.book.now += 10.0
    return drive, turn


def asked(response: Any) -> str:
    status = response.evse_status
    return "" if status is None else str(status.evse_notification.value)


def read(drive: Drive) -> None:
    drive.book.tell(ev.MeterRead("M1", 4711.0, at=drive.book.now))


@FAMILIES
def test_a_reading_that_is_told_is_to_be_confirmed(family: Family) -> None:
    drive, turn = by_contract(family)
    read(drive)
    response = drive.send(turn)
    assert response.meter_info.charged_energy_reading_wh == 4711
    assert asked(response) == "MeteringConfirmation"
    assert [reading for reading, _ in drive.context.metering_asked] == [response.meter_info]


@FAMILIES
def test_without_a_reading_nothing_is_to_be_confirmed(family: Family) -> None:
    """One that was asked for before is still open; this answer has none, so there is nothing to sign."""
    drive, turn = by_contract(family)
    read(drive)
    drive.send(turn)
    drive.book.now += drive.config.meter_age_s + 1.0
    assert drive.send(turn) is None, "the meter is asked, and waited for"
    drive.book.does(act.ReadMeter)
    drive.book.wait(2.0)
    late = [one.message for one in drive.book.actions if isinstance(one, act.Send)]
    assert [(one.meter_info, asked(one)) for one in late] == [(None, "")]
    again = drive.send(turn)
    assert (again.meter_info, asked(again)) == (None, ""), "it is not waited for again"
    read(drive)
    again = drive.send(turn)
    assert asked(again) == "MeteringConfirmation"
    assert again.meter_info is not None


@FAMILIES
def test_power_delivery_has_no_reading_and_asks_for_no_signature(family: Family) -> None:
    drive, turn = by_contract(family)
    read(drive)
    assert asked(drive.send(turn)) == "MeteringConfirmation"
    for progress in (cm.ChargeProgress.Standby, cm.ChargeProgress.ScheduleRenegotiation):
        response = drive.send(cm.PowerDeliveryReq, charge_progress=progress)
        assert response.response_code.value == "OK"
        assert asked(response) == ""


@FAMILIES
def test_before_it_is_due_and_without_a_contract_nobody_is_asked(family: Family) -> None:
    drive, turn = family()
    drive.book.now += 10.0
    read(drive)
    told = drive.send(turn)
    assert told.meter_info is not None, "a first reading is told in any case"
    assert asked(told) == ""
    drive.session._facts.contract = b"a certificate"
    drive.context.metering_due = drive.book.now + 0.1
    assert asked(drive.send(turn)) == ""
    drive.book.now += 0.1
    assert asked(drive.send(turn)) == "MeteringConfirmation"
