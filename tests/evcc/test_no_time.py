"""A clock that shows no time: nobody can say what is due, and the session ends, off the cable first.

The moment right before is a time like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Action, EndReason, Urgency
from tests.evcc.station import VEHICLE, battery

END = 1e15


def told(session: EvccSession, now: float) -> list[Action]:
    return session.handle(ev.SignalChanged(ev.SignalState.B), now)


def due(session: EvccSession, now: float) -> list[Action]:
    return session.handle_timeout(now)


@pytest.mark.parametrize("call", [told, due])
@pytest.mark.parametrize("now", [END, -END, math.inf, -math.inf, math.nan])
def test_a_clock_that_shows_no_time_ends_the_session(
    call: Callable[[EvccSession, float], list[Action]], now: float
) -> None:
    session = EvccSession(EvccConfig(), VEHICLE, battery())
    actions = call(session, now)
    assert session.ended is not None
    assert session.ended.reason is EndReason.INTERNAL_ERROR
    assert actions[0] == act.StopPower(Urgency.EMERGENCY)


@pytest.mark.parametrize("call", [told, due])
@pytest.mark.parametrize("now", [math.nextafter(END, 0.0), math.nextafter(-END, 0.0), 0.0])
def test_the_moment_before_is_a_time(call: Callable[[EvccSession, float], list[Action]], now: float) -> None:
    session = EvccSession(EvccConfig(), VEHICLE, battery())
    assert call(session, now) == []
    assert session.ended is None
