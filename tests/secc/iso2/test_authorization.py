"""External identification in ISO 15118-2: a driver who comes late, is refused,
never comes, or is withdrawn."""

from __future__ import annotations

from typing import Any

from iso15118.messages import iso2
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.iso2.vehicle import Drive, configured, settings

OK, FINISHED = "OK", iso2.EVSEProcessing.Finished


def code(answer: Any) -> str:
    return answer.response_code.value  # type: ignore[no-any-return]


def test_a_driver_is_waited_for_in_thirty_repetitions() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    for _ in range(30):
        answer = drive.send(iso2.AuthorizationReq)
        waiting = iso2.EVSEProcessing.Ongoing_WaitingForCustomerInteraction
        assert (code(answer), answer.evse_processing) == (OK, waiting)
        drive.book.wait(0.95)
    assert drive.done == ["RequestAuthorization"]
    drive.book.tell(ev.AuthorizationDecided(True))
    assert drive.send(iso2.AuthorizationReq).evse_processing is FINISHED


def test_a_driver_who_never_comes_ends_the_session_after_five_minutes() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    for _ in range(10):
        assert code(drive.send(iso2.AuthorizationReq)) == OK
        drive.book.wait(30.01)
    assert code(drive.send(iso2.AuthorizationReq)) == "FAILED"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_a_refused_driver_is_waited_for_since_another_card_may_come() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    drive.send(iso2.AuthorizationReq)
    drive.book.tell(ev.AuthorizationDecided(False))
    answer = drive.send(iso2.AuthorizationReq)
    assert answer.evse_processing is iso2.EVSEProcessing.Ongoing_WaitingForCustomerInteraction
    assert drive.book.does() == []  # the next question waits a second
    drive.book.wait(1.0)
    drive.send(iso2.AuthorizationReq)
    drive.book.does(act.RequestAuthorization)
    drive.book.tell(ev.AuthorizationDecided(True))
    assert drive.send(iso2.AuthorizationReq).evse_processing is FINISHED


def test_a_refused_driver_ends_the_session_by_setting_and_so_do_too_many_refusals() -> None:
    drive = Drive(settings(eim_rejected="fail")).to(State.AUTHORIZATION)
    drive.send(iso2.AuthorizationReq)
    drive.book.tell(ev.AuthorizationDecided(False))
    assert code(drive.send(iso2.AuthorizationReq)) == "FAILED"
    drive = Drive(config=configured(authorization_attempts=2)).to(State.AUTHORIZATION)
    for _ in range(2):
        drive.send(iso2.AuthorizationReq)
        drive.book.tell(ev.AuthorizationDecided(False))
        assert code(drive.send(iso2.AuthorizationReq)) == OK
        drive.book.wait(1.1)
    assert code(drive.send(iso2.AuthorizationReq)) == "FAILED"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_an_authorization_that_is_taken_back_stops_the_charge() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.book.tell(ev.AuthorizationDecided(False))
    assert drive.loop().dc_evse_status.evse_notification is iso2.EVSENotification.StopCharging
