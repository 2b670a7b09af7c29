"""Connections that are told anything in any order: nothing raises, nothing is stuck, and the plug
always has the last word."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from iso15118.connector import EvccInlet, Phase, SeccConnector
from iso15118.connector.machine import Connector
from iso15118.connector.news import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    DropConnection,
    SessionFinished,
    SessionSetUp,
    StartDiscovery,
    StartSession,
    StationFound,
)
from iso15118.link.primitives import (
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    DutyChanged,
    LinkReported,
    LinkState,
    PowerOn,
    Restart,
    WakeUp,
)
from iso15118.link.slac.events import FrameReceived
from iso15118.link.spe.signalling import CeChanged, CeState, IdChanged, IdState
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.events import Event, SignalChanged, SignalState
from tests.connector.rig import LINKS, links_of

STEPS = 4_000
UNPLUGGED = (SignalChanged(SignalState.A), CeChanged(CeState.A))


def some_event(chance: random.Random, mcs: bool, number: int) -> Event:
    signal: Callable[[], Event] = (
        (lambda: CeChanged(chance.choice(list(CeState))))
        if mcs
        else (lambda: SignalChanged(chance.choice(list(SignalState))))
    )
    makers: list[Callable[[], Event]] = [
        signal,
        lambda: (
            IdChanged(chance.choice(list(IdState))) if mcs else DutyChanged(chance.choice([None, 5.0, 50.0]))
        ),
        lambda: LinkReported(chance.random() < 0.7),
        lambda: FrameReceived(chance.randbytes(chance.randrange(120))),
        PowerOn,
        WakeUp,
        DLinkTerminate,
        DLinkError,
        DLinkPause,
        Restart,
        lambda: StationFound(number, "there"),
        lambda: ConnectionOpened(number),
        lambda: ConnectionFailed(number, "for some reason"),
        lambda: SessionSetUp(number),
        lambda: SessionFinished(number, SessionEnded(chance.choice(list(EndReason)))),
        lambda: ConnectionClosed(number),
    ]
    likely: list[Callable[[], Event]] = [
        (lambda: CeChanged(CeState.B)) if mcs else (lambda: SignalChanged(SignalState.B)),
        (lambda: IdChanged(IdState.MATED)) if mcs else (lambda: DutyChanged(5.0)),
        lambda: LinkReported(True),
        *makers[-6:],
    ]
    if chance.random() < 0.05:
        return UNPLUGGED[mcs]
    return chance.choice(makers if chance.random() < 0.15 else likely)()


@pytest.mark.parametrize("role", [SeccConnector, EvccInlet])
@pytest.mark.parametrize("kind", LINKS)
def test_anything_in_any_order(role: type[Connector], kind: str) -> None:
    chance = random.Random(f"{role.__name__} {kind}")
    links = links_of(kind)
    machine = role(links[0] if role is SeccConnector else links[1], 18.0)
    mcs = kind == "spe"
    now, ready, seen, dropped = 0.0, False, set(), set[Phase]()
    for _ in range(STEPS):
        event = some_event(
            chance, mcs, machine._number or 1 if chance.random() < 0.9 else chance.randrange(9)
        )
        before, number = machine.phase, machine._number
        actions = machine.handle(event, now)
        if chance.random() < 0.1 and (due := machine.deadline) is not None:
            now = max(now, due)
            for _ in range(5):
                actions += machine.handle_timeout(now)
            assert machine.deadline is None or machine.deadline > now, "a timer that is due for ever"
        else:
            now += 0.5 * chance.random()
            actions += machine.handle_timeout(now)
        for action in actions:
            if isinstance(action, DLinkReady):
                ready = action.link
            if isinstance(action, StartDiscovery | StartSession):
                assert ready, (event, actions)
        if event in UNPLUGGED:
            assert machine.phase is Phase.UNPLUGGED, (event, actions)
            drops = [one for one in actions if isinstance(one, DropConnection)]
            assert [one.number for one in drops] == ([] if number is None else [number]), (event, actions)
            assert drops == actions[: len(drops)], "before anything else"
            dropped |= set() if number is None else {before}
        if machine.phase in (Phase.DISCOVERY, Phase.SETTING_UP, Phase.SESSION):
            assert machine.link.state is LinkState.MATCHED, (event, actions)
        seen.add(machine.phase)
    reached = (
        {Phase.UNPLUGGED, Phase.LINKING, Phase.FINISHED, Phase.PAUSED}
        if kind == "slac"
        else set(Phase) - {Phase.BASIC}
    )
    assert seen == reached, "SLAC takes a peer with the same key, which chance does not make"
    assert dropped >= reached & {Phase.SETTING_UP, Phase.SESSION}, "each was unplugged"
    # And then an ordinary plug-in.
    gone, there = (
        (CeChanged(CeState.A), CeChanged(CeState.B))
        if mcs
        else (
            SignalChanged(SignalState.A),
            SignalChanged(SignalState.B),
        )
    )
    if mcs:
        machine.handle(IdChanged(IdState.MATED), now)
    machine.handle(gone, now)
    assert machine.phase is Phase.UNPLUGGED
    machine.handle(there, now + 1.0)
    assert machine.phase in (Phase.LINKING, Phase.DISCOVERY)
