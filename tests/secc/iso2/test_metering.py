"""MeterInfo in the loop and MeteringReceipt: a fresh reading with its time, and the
vehicle's signature of it."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.pnc.iso2 import signed_request
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.iso2.contracts import NOW, ContractDrive, signer
from tests.secc.iso2.vehicle import Drive, configured, decide, replace

OK = "OK"


def code(answer: Any) -> str:
    return answer.response_code.value  # type: ignore[no-any-return]


def metered(**changes: Any) -> ContractDrive:
    """A charge by contract with a meter, at the moment when a reading has to be signed."""
    drive = ContractDrive(config=configured(metering_confirmation_s=60.0), **changes)
    drive.charges()
    drive.book.wait(30.0)
    drive.loop()
    drive.book.wait(29.0)
    drive.book.tell(ev.MeterRead("METER-1", 4711.9, signature=bytes(64)))
    return drive


def receipt(drive: ContractDrive, name: str = "contract", **changes: Any) -> Any:
    info: iso2.MeterInfo | None = drive.context.receipt
    fields: dict[str, Any] = {
        "id": "id1",
        "session_id": drive.session_id,
        "sa_schedule_tuple_id": 1,
        "meter_info": info,
    }
    request = iso2.MeteringReceiptReq(**(fields | changes))
    return drive.say(signed_request(request, signer(name), drive.session_id))


def due(**changes: Any) -> ContractDrive:
    drive = metered(**changes)
    drive.loop()
    drive.book.wait(1.5)
    drive.book.tell(ev.MeterRead("METER-1", 4800.9, signature=bytes(64)))
    answer = drive.loop()
    assert answer.receipt_required is True
    assert answer.meter_info.meter_reading == 4800
    drive.book.waits_for("MeteringReceipt")
    return drive


def test_a_reading_is_told_with_its_time_and_signed_when_it_is_due() -> None:
    drive = metered()
    answer = drive.loop()
    assert answer.receipt_required is False
    info = answer.meter_info
    assert (info.meter_id, info.meter_reading, info.sig_meter_reading) == ("METER-1", 4711, bytes(64))
    assert info.t_meter == int(NOW.timestamp() + drive.book.now)
    drive = due()
    answer = receipt(drive)
    assert code(answer) == OK
    assert answer.evse_status.evse_status_code.value == "EVSE_Ready"
    (news,) = [a for a in drive.book.actions if isinstance(a, act.MeteringConfirmed)]
    assert (news.emaid, news.meter_id, news.charged_wh) == ("DE-8AA-CA2B3C4D5-L", "METER-1", 4800.0)
    drive.book.waits_for("CurrentDemand")
    assert drive.loop().receipt_required is False


def test_the_reading_alone_and_no_tuple_are_a_receipt_too() -> None:
    drive = due()
    short = iso2.MeterInfo(meter_id="METER-1", meter_reading=4800)
    assert code(receipt(drive, meter_info=short, sa_schedule_tuple_id=None)) == OK


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("contract", {"meter_info": iso2.MeterInfo(meter_id="METER-1", meter_reading=4801)}),
        ("contract", {"meter_info": iso2.MeterInfo(meter_id="METER-2", meter_reading=4800)}),
        ("contract", {"meter_info": iso2.MeterInfo(meter_id="METER-1", meter_reading=4800, t_meter=1)}),
        ("contract", {"sa_schedule_tuple_id": 2}),
        ("contract", {"session_id": b"\x01" * 8}),
        ("fresh", {}),
    ],
    ids=["reading", "meter", "time", "tuple", "session", "key"],
)
def test_a_receipt_of_something_else_ends_the_session(name: str, changes: dict[str, Any]) -> None:
    drive = due()
    assert code(receipt(drive, name, **changes)) == "FAILED_MeteringSignatureNotValid"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)
    assert not drive.session.energized


def test_a_receipt_without_signature_is_taken_by_setting_only() -> None:
    for verify, expected in ((True, "FAILED_MeteringSignatureNotValid"), (False, OK)):
        drive = due()
        decide(drive.context, replace(drive.context.settings, verify_receipt=verify))
        answer = drive.send(iso2.MeteringReceiptReq, meter_info=drive.context.receipt)
        assert code(answer) == expected


def test_the_loop_goes_on_only_after_the_receipt() -> None:
    drive = due()
    assert code(drive.loop()) == "FAILED_SequenceError"


def test_an_old_reading_is_not_told_and_not_given_to_be_signed() -> None:
    drive = metered()
    drive.loop()
    drive.book.wait(5.0)
    answer = drive.loop()
    assert (answer.meter_info, answer.receipt_required) == (None, False)


def test_a_driver_at_the_terminal_signs_nothing() -> None:
    drive = Drive(config=configured(metering_confirmation_s=1.0)).to(State.CURRENT_DEMAND)
    drive.book.wait(30.0)
    drive.book.tell(ev.MeterRead("METER-1", 1.0))
    assert drive.loop().receipt_required is False


def test_a_signature_of_the_meter_that_does_not_fit_is_left_out_and_noted() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(ev.MeterRead("M" * 40, 1.0, signature=bytes(65)))
    info = drive.loop().meter_info
    assert (info.meter_id, info.sig_meter_reading) == ("M" * 32, None)
    assert any(isinstance(a, act.PeerDeviates) and a.name == "meter-signature" for a in drive.book.actions)
