"""Questions about the driver are numbered: an answer that comes late is one to the question that it was
given to, not to the next."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.vehicle import Drive as Iso2Drive
from tests.secc.vehicle import Drive

EDITIONS: dict[str, tuple[Any, Any, type]] = {
    "iso20": (Drive, State.AUTHORIZATION, cm.AuthorizationReq),
    "iso2": (Iso2Drive, Iso2State.AUTHORIZATION, iso2.AuthorizationReq),
    "din": (DinDrive, DinState.CONTRACT_AUTHENTICATION, din.ContractAuthenticationReq),
}


def questions(drive: Any) -> list[int]:
    return [action.number for action in drive.book.actions if isinstance(action, act.RequestAuthorization)]


def asked_twice(edition: str) -> tuple[Any, type]:
    """A driver who was refused, and about whom is asked once more."""
    kind, state, request = EDITIONS[edition]
    drive = kind().to(state)
    drive.send(request)
    assert questions(drive) == [1]
    drive.book.tell(ev.AuthorizationDecided(False, 1))
    drive.send(request)
    drive.book.wait(1.5)
    drive.send(request)
    assert questions(drive) == [2]
    return drive, request


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_late_answer_to_the_first_question_is_none_to_the_second(edition: str) -> None:
    drive, request = asked_twice(edition)
    drive.book.tell(ev.AuthorizationDecided(True, 1))
    assert drive.send(request).evse_processing.value != "Finished"
    drive.book.tell(ev.AuthorizationDecided(True, 3))
    assert drive.send(request).evse_processing.value != "Finished"
    drive.book.tell(ev.AuthorizationDecided(True, 2))
    assert drive.send(request).evse_processing.value == "Finished"


@pytest.mark.parametrize("edition", EDITIONS)
def test_an_answer_without_a_number_is_one_to_the_last_question(edition: str) -> None:
    drive, request = asked_twice(edition)
    drive.book.tell(ev.AuthorizationDecided(True))
    assert drive.send(request).evse_processing.value == "Finished"


def test_a_late_refusal_does_not_withdraw_what_was_granted_since() -> None:
    drive, request = asked_twice("iso20")
    drive.book.tell(ev.AuthorizationDecided(True, 2))
    drive.send(request)
    drive.book.tell(ev.AuthorizationDecided(False, 1))
    assert drive.send(cm.ServiceDiscoveryReq).response_code.value == "OK"
    drive.book.tell(ev.AuthorizationDecided(False, 2))
    assert drive.send(cm.ServiceDetailReq).response_code.value == "FAILED"


@pytest.mark.parametrize("number", [-1, 1.0, "2", None, True])
def test_a_number_that_is_none_is_refused(number: Any) -> None:
    drive, _request = asked_twice("iso2")
    with pytest.raises(ConfigError, match="number"):
        drive.session.handle(ev.AuthorizationDecided(True, number), drive.book.now)


@pytest.mark.parametrize("edition", ["iso20", "iso2"])
def test_nobody_keeps_the_station_by_asking_about_services_for_ever(edition: str) -> None:
    """Nobody has been authorized."""
    drive: Any
    if edition == "iso20":
        drive, request = Drive().to(State.SERVICE_DETAIL), cm.ServiceDetailReq
    else:
        drive, request = Iso2Drive().to(Iso2State.PAYMENT_SERVICE_SELECTION), iso2.ServiceDetailReq  # type: ignore[assignment]
    for _ in range(64):
        assert drive.send(request).response_code.value == "OK"
        drive.book.wait(5.0)  # within what a phase may take
    assert drive.send(request).response_code.value == "FAILED"
    assert "most_service_details" in drive.session.ended.detail
