"""When an output is shown as it was wanted, what a port says that has no contactors, and who hears what comes
while nobody listens."""

from __future__ import annotations

import asyncio

import pytest

from iso15118.aio.ports.hardware import NO_CONTACTORS
from iso15118.aio.ports.inbox import Inbox
from iso15118.aio.ports.outputs import _is_shown
from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.session import events as ev


def duty(percent: float | None) -> SetPilot:
    return SetPilot(Pilot.NOMINAL, percent)


@pytest.mark.parametrize(
    ("shown", "wanted", "same"),
    [
        (duty(51.0), duty(50.0), True),
        (duty(49.0), duty(50.0), True),
        (duty(51.01), duty(50.0), False),
        (duty(48.9), duty(50.0), False),
        (duty(None), duty(50.0), True),
        (duty(50.0), duty(None), True),
        (SetPilot(Pilot.STEADY), duty(50.0), False),
        (SetPilot(Pilot.STEADY), SetPilot(Pilot.STEADY), True),
    ],
)
def test_a_duty_cycle_is_shown_within_a_percent_point_or_not_at_all(
    shown: SetPilot, wanted: SetPilot, same: bool
) -> None:
    """A port that cannot measure it is believed that the pilot is the nominal one; no other is."""
    assert _is_shown(shown, wanted) is same


async def test_contactors_that_are_not_there_are_open_and_never_close() -> None:
    """So that nothing waits for them: a vehicle with an on-board charger has none."""
    assert NO_CONTACTORS.closed is False
    assert await NO_CONTACTORS.close() is False


def test_schedules_that_come_before_there_is_a_loop_have_no_moment_yet() -> None:
    """They are kept as they are; with a loop they count from the moment when they came."""
    offer = ScheduleOffer(charging=PowerOffer(entries=((3600.0, 50_000.0),)))
    given = ev.SchedulesGiven((offer,), 0)
    inbox = Inbox()
    assert inbox.orphaned
    inbox.push(given)
    assert inbox.latched() == [given]

    async def later() -> None:
        loop = asyncio.get_running_loop()
        inbox.open(loop, lambda event: None)
        assert not inbox.orphaned
        inbox.push(given)
        (kept,) = inbox.latched()
        assert isinstance(kept, ev.SchedulesGiven)
        assert kept.offers != given.offers

    asyncio.run(later())
    assert inbox.orphaned, "its loop is closed"
