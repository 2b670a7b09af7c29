"""A link without matching shows upper layers the same primitives as any other."""

from __future__ import annotations

import pytest

from iso15118.errors import ConfigError
from iso15118.link.plain import PlainLink
from iso15118.link.primitives import (
    DataLink,
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    LinkReported,
    LinkState,
    Pilot,
    PowerOn,
    SetPilot,
    WakeUp,
)
from iso15118.session.events import SignalChanged, SignalState

UP, DOWN = [DLinkReady(True)], [DLinkReady(False)]
B, A, F = (SignalChanged(SignalState(state)) for state in "BAF")


def powered(delay_s: float = 0.0) -> PlainLink:
    link = PlainLink(delay_s=delay_s)
    assert isinstance(link, DataLink)
    assert link.handle(PowerOn(), 0.0) == []
    return link


def test_it_comes_with_the_signalling_and_goes_with_it() -> None:
    link = powered()
    assert link.handle(B, 1.0) == UP
    assert link.handle(SignalChanged(SignalState.C), 2.0) == []
    assert link.handle(A, 3.0) == DOWN
    assert link.handle(A, 3.0) == []


def test_without_signalling_it_is_there_from_power_on() -> None:
    link = PlainLink(signalled=False)
    assert link.handle(PowerOn(), 0.0) == UP
    assert link.handle(PowerOn(), 1.0) == []


def test_a_simulated_one_takes_its_time_unless_the_plug_goes_first() -> None:
    link = powered(2.0)
    assert link.handle(B, 1.0) == []
    assert (link.state, link.deadline) == (LinkState.MATCHING, 3.0)
    assert link.handle_timeout(2.999) == []
    assert link.handle_timeout(3.0) == UP
    link = powered(2.0)
    link.handle(B, 1.0)
    assert link.handle(A, 2.0) == []
    assert link.deadline is None
    assert link.handle_timeout(9.0) == []


def test_terminate_error_loss_pause_and_wake() -> None:
    link = powered()
    link.handle(B, 1.0)
    assert link.handle(DLinkError(), 2.0) == DOWN + UP
    assert link.handle(LinkReported(False), 3.0) == DOWN
    assert link.handle(LinkReported(True), 4.0) == UP
    assert link.handle(DLinkPause(), 5.0) == []
    assert link.handle(LinkReported(False), 6.0) == []
    assert link.handle(WakeUp(), 7.0) == UP
    assert link.handle(DLinkTerminate(), 8.0) == DOWN
    assert link.handle(F, 9.0) == []
    assert link.handle(B, 10.0) == UP


@pytest.mark.parametrize("delay_s", [-1.0, float("nan"), float("inf")])
def test_impossible_delays_are_refused(delay_s: float) -> None:
    with pytest.raises(ConfigError):
        PlainLink(delay_s=delay_s)


def test_a_station_with_a_real_pilot_offers_five_percent_while_somebody_is_plugged_in() -> None:
    steady, five = SetPilot(Pilot.STEADY), SetPilot(Pilot.FIVE_PERCENT)
    link = PlainLink(pilot=True)
    assert link.resting == (steady,)
    assert link.handle(PowerOn(), 0.0) == []
    assert link.handle(B, 1.0) == [five, *UP]
    assert link.handle(SignalChanged(SignalState.C), 2.0) == []
    assert link.handle(A, 3.0) == [*DOWN, steady]
    slow = PlainLink(delay_s=2.0, pilot=True)
    slow.handle(PowerOn(), 0.0)
    assert slow.handle(B, 1.0) == [five], "a vehicle waits for it before it looks for a link"
    assert slow.handle(DLinkTerminate(), 2.0) == [steady]
    assert PlainLink().resting == ()
