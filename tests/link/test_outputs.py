"""Outputs have a defined state: at the start whatever was left there, at every end,
and never state F for good."""

from __future__ import annotations

import itertools
import random

import pytest

from iso15118.link.primitives import (
    DLinkError,
    DLinkPause,
    DLinkTerminate,
    DutyChanged,
    LinkReported,
    LinkState,
    Pilot,
    PowerOn,
    Restart,
    SetPilot,
    ShowState,
    WakeUp,
)
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.slac.messages import SlacParmReq
from iso15118.link.spe.ev import EvSpe
from iso15118.link.spe.evse import EvseSpe
from iso15118.link.spe.signalling import CeChanged, CeState, SetS3
from iso15118.session.actions import Action
from iso15118.session.events import Event, SignalChanged, SignalState

from .rig import CAR, EVSE, RUN, AtEvse, run_to
from .test_edges import linked_evse


def last_pilot(actions: list[Action]) -> Pilot | None:
    return next((a.pilot for a in reversed(actions) if isinstance(a, SetPilot)), None)


def last_s3(actions: list[Action]) -> bool | None:
    return next((a.closed for a in reversed(actions) if isinstance(a, SetS3)), None)


def test_every_output_is_asserted_at_power_on() -> None:
    assert EvseSlac(EVSE).handle(PowerOn(), 0.0)[0] == SetPilot(Pilot.STEADY)
    assert EvseSpe().handle(PowerOn(), 0.0)[0] == SetS3(False)
    for vehicle in (EvSlac(CAR), EvSpe()):
        assert vehicle.handle(PowerOn(), 0.0)[0] == ShowState(SignalState.B)
    for machine in (EvseSlac(EVSE), EvseSpe(), EvSlac(CAR), EvSpe()):
        assert set(machine.resting) <= set(machine.handle(PowerOn(), 0.0))


def station_in(state: str) -> tuple[EvseSlac, float]:
    """A station's machine in this state, and the time."""
    at = AtEvse()
    if state == "unmatched":
        run_to(at.evse, 200.0)
        return at.evse, 200.0
    if state == "woken up":
        run_to(at.evse, 51.0)
        return at.evse, 51.0
    if state == "matching":
        at.hear(SlacParmReq(RUN), 0.0)
        return at.evse, 0.1
    at, now = linked_evse()
    if state in ("error", "state F after an error"):
        at.evse.handle(DLinkError(), now)
        run_to(at.evse, now + (1.0 if state == "error" else 4.0))
        return at.evse, now + (1.0 if state == "error" else 4.0)
    if state == "paused":
        at.evse.handle(DLinkPause(), now)
    return at.evse, now


STATES = ["unmatched", "woken up", "matching", "matched", "error", "state F after an error", "paused"]


@pytest.mark.parametrize("state", STATES)
def test_terminate_leaves_the_pilot_steady_in_any_state_and_for_good(state: str) -> None:
    evse, now = station_in(state)
    assert last_pilot(evse.handle(DLinkTerminate(), now)) is Pilot.STEADY
    assert evse.state is LinkState.UNMATCHED
    later = [a for _, a in run_to(evse, now + 400.0) if isinstance(a, SetPilot)]
    assert later == []
    assert last_pilot(evse.handle(DLinkTerminate(), now + 400.0)) is Pilot.STEADY, "asserted once more"


@pytest.mark.parametrize("state", STATES)
def test_left_alone_the_pilot_never_stays_in_f(state: str) -> None:
    evse, now = station_in(state)
    shown = [(t, a.pilot) for t, a in run_to(evse, now + 600.0) if isinstance(a, SetPilot)]
    for (start, pilot), (end, _) in itertools.pairwise(shown):
        if pilot is Pilot.STATE_F:
            assert end - start == pytest.approx(4.0)
    assert not shown or shown[-1][1] is not Pilot.STATE_F


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_f_has_an_end_and_terminate_means_steady(seed: int) -> None:
    chance = random.Random(seed)
    evse = EvseSlac(EVSE, draw=random.Random(seed).randbytes)
    evse.handle(PowerOn(), 0.0)
    now, pilot, since = 0.0, Pilot.STEADY, 0.0
    events: list[Event] = [*(SignalChanged(state) for state in SignalState), DLinkError(), DLinkPause()]
    events += [DLinkTerminate(), Restart(), WakeUp(), LinkReported(True), LinkReported(False)]
    for _ in range(400):
        event = chance.choice(events)
        steps = [(now, evse.handle(event, now))]
        if isinstance(event, DLinkTerminate):
            assert last_pilot(steps[0][1]) is Pilot.STEADY
        now += chance.choice((0.0, 0.01, 0.3, 2.0, 5.0, 60.0))
        while (due := evse.deadline) is not None and due <= now:
            steps.append((due, evse.handle_timeout(due)))
        for at, actions in steps:
            for action in actions:
                if isinstance(action, SetPilot):
                    if pilot is Pilot.STATE_F:
                        assert at - since <= 4.0 + 1e-6, event
                    pilot, since = action.pilot, at
        assert pilot is not Pilot.STATE_F or now - since <= 4.0 + 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_s3_is_open_after_terminate_and_never_closed_twice_within_the_guard_time(
    seed: int,
) -> None:
    chance = random.Random(seed)
    evse = EvseSpe()
    closed, opened_at, now = False, -10.0, 0.0
    events: list[Event] = [*(CeChanged(state) for state in CeState if state is not CeState.A)]
    events += [DLinkError(), DLinkTerminate(), Restart(), LinkReported(True), LinkReported(False), PowerOn()]
    for _ in range(400):
        event = chance.choice(events)
        steps = [(now, evse.handle(event, now))]
        if isinstance(event, DLinkTerminate):
            assert last_s3(steps[0][1]) is False
        now += chance.choice((0.0, 0.02, 0.3, 2.0, 5.0))
        while (due := evse.deadline) is not None and due <= now:
            steps.append((due, evse.handle_timeout(due)))
        for at, actions in steps:
            for action in actions:
                if not isinstance(action, SetS3) or action.closed is closed:
                    continue
                closed = action.closed
                if closed and "wakes" not in repr(actions):
                    assert at - opened_at >= 3.0 - 1e-6, (event, actions)
                if not closed:
                    opened_at = at


def test_a_vehicle_shows_b_after_terminate_in_any_state() -> None:
    for machine in (EvSlac(CAR, draw=random.Random(1).randbytes), EvSpe()):
        machine.handle(PowerOn(), 0.0)
        assert ShowState(SignalState.B) in machine.handle(DLinkTerminate(), 0.0)
        for event in (SignalChanged(SignalState.B), DutyChanged(5.0), CeChanged(CeState.B)):
            machine.handle(event, 1.0)
        for request in (DLinkTerminate(), DLinkError()):
            shown = [a for a in machine.handle(request, 2.0) if isinstance(a, ShowState)]
            assert shown[-1] == ShowState(SignalState.B)
