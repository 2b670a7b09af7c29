"""Why a connector is out of service: which of two reasons counts, and that a change is told and written down
once."""

from __future__ import annotations

import logging

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.ports.guard import Callback
from iso15118.aio.ports.inbox import Inbox
from iso15118.aio.service import Service
from iso15118.session.events import EmergencyShutdown, HardwareFault


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was written down since the last time."""
    assert flush(60.0)
    said = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return said


def test_a_change_is_told_and_written_down_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    told: list[str] = []
    service = Service(Callback("the test", told.append), Inbox())
    service.clear()
    service.hardware("")
    assert (told, lines(caplog)) == ([], [])
    service.tell("maintenance")
    service.tell("something else")
    service.hardware("contactors are closed")
    assert (service.reason, service.unsafe) == ("maintenance", "contactors are closed")
    assert (told, lines(caplog)) == (["maintenance"], ["out of service: maintenance"])
    service.clear()
    assert service.reason == "contactors are closed"
    assert lines(caplog) == ["out of service: contactors are closed"]
    service.hardware("")
    assert lines(caplog) == ["back in service, after: contactors are closed"]
    assert told == ["maintenance", "contactors are closed", ""]
    service.hardware("")
    assert len(told) == 3


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (HardwareFault("cooling", "no flow"), "cooling: no flow"),
        (EmergencyShutdown("the button"), "emergency: the button"),
    ],
)
def test_an_alarm_says_where_it_is_from(event: HardwareFault | EmergencyShutdown, reason: str) -> None:
    service = Service(Callback("the test", None), Inbox())
    service.alarm(event)
    assert service.reason == reason


def test_an_alarm_that_nobody_hears_yet_counts_until_it_is_cleared() -> None:
    """It stays where it is for whoever comes to hear it."""
    inbox = Inbox()
    service = Service(Callback("the test", None), inbox)
    inbox.push(HardwareFault("cooling", "no flow"))
    service.hardware("warm")
    assert (service.reason, service.unsafe) == ("cooling: no flow", "warm")
    service.tell("maintenance")
    assert service.reason == "maintenance"
    service.clear()
    assert (service.reason, inbox.alarm) == ("warm", None)
