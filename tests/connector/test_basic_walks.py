"""Basic charging that is told anything in any order: nothing raises, the monitors hold, and
the plug has the last word."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.connector import ConnectorSettings, EvccInlet, Phase, SeccConnector
from iso15118.connector.basic import BasicMode, BasicSettings, BasicStation, BasicVehicle, Steps
from iso15118.connector.machine import Connector
from iso15118.connector.news import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    SessionFinished,
    SessionSetUp,
    StartBasic,
    StationFound,
)
from iso15118.link.primitives import (
    DLinkError,
    DLinkPause,
    DLinkTerminate,
    DutyChanged,
    LinkReported,
    Pilot,
    PowerOn,
    Restart,
    SetPilot,
    WakeUp,
)
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.simulation import Battery
from iso15118.testing.monitor.basic import BasicStationMonitor, BasicVehicleMonitor
from tests.connector.basic_rig import CELLS
from tests.connector.rig import links_of

OUTLET, CHARGER = AcStationLimits.of(current_a=32), AcVehicleLimits.of(current_a=16)
SETTINGS = BasicSettings(mode=BasicMode.FALLBACK)
SEEDS = range(25)


def measured(chance: random.Random) -> ev.AcMeasured:
    volts = chance.choice((0.0, 120.0, 230.0, 230.0, 300.0))
    amperes = chance.choice((0.0, 0.0, 3.0, 16.0, 40.0))
    sign = chance.choice((1.0, 1.0, -1.0))
    watts = sign * volts * amperes
    return ev.AcMeasured(voltage_v=(volts,) * 3, current_a=(amperes,) * 3, power_w=(watts,) * 3)


def commands(chance: random.Random) -> list[Callable[[], ev.Event]]:
    return [
        lambda: ev.SignalChanged(chance.choice((*[ev.SignalState.C] * 6, *ev.SignalState))),
        lambda: measured(chance),
        lambda: ev.StopRequested("enough") if chance.random() < 0.05 else measured(chance),
        lambda: ev.EmergencyShutdown("pressed") if chance.random() < 0.02 else ev.PauseRequested("no"),
        lambda: ev.HardwareFault("a port", "broken") if chance.random() < 0.02 else ev.MeterRead("m", 1.0),
        lambda: ev.Connected(False),
    ]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("steps", list(Steps), ids=lambda steps: steps.name)
def test_a_station_is_told_anything(steps: Steps, seed: int) -> None:
    chance = random.Random(f"{steps.name} {seed}")
    session = BasicStation(SETTINGS, OUTLET, steps=steps)
    before = Pilot.STEADY if steps is Steps.NONE else Pilot.FIVE_PERCENT
    monitor = BasicStationMonitor(OUTLET, most_a=32.0, before=before, matched=steps is Steps.REST)
    told: list[Callable[[], ev.Event]] = [
        *commands(chance),
        lambda: ev.AuthorizationDecided(chance.random() < 0.97),
        lambda: ev.ContactorsChanged(chance.random() < 0.7),
        lambda: ev.AcLimitsChanged(
            AcStationLimits.of(current_a=chance.choice((0.0, 5.0, 6.0, 13.0, 32.0, 63.0)))
        ),
        lambda: ev.SetPointChanged(chance.choice((None, 0.0, -4000.0, 7000.0, 1e9))),
    ]
    now, shown = 0.0, Pilot.FIVE_PERCENT
    event: ev.Event | None = ev.Connected(False)
    for _ in range(600):
        actions = session.handle_timeout(now) if event is None else session.handle(event, now)
        for action in monitor.look(event, actions, now):
            if isinstance(action, SetPilot):
                shown = action.pilot
            if isinstance(action, act.CloseContactors) and chance.random() < 0.8:
                actions = session.handle(ev.ContactorsChanged(True), now)
                monitor.look(ev.ContactorsChanged(True), actions, now)
        now += chance.choice((0.0, 0.01, 0.3, 2.5))
        due = session.deadline
        event = None if due is not None and due <= now else chance.choice(told)()
    session.handle(ev.SignalChanged(ev.SignalState.A), now)
    assert session.ended is not None
    assert shown is Pilot.STEADY or not monitor.seen


@pytest.mark.parametrize("seed", SEEDS)
def test_a_vehicle_is_told_anything(seed: int) -> None:
    chance = random.Random(seed)
    battery = Battery(**CELLS)
    session = BasicVehicle(SETTINGS, CHARGER, battery.state(0.0), percent=53.3)
    monitor = BasicVehicleMonitor(CHARGER, percent=53.3)
    told: list[Callable[[], ev.Event]] = [
        *commands(chance),
        lambda: DutyChanged(chance.choice((None, 5.0, 7.5, 10.0, 30.0, 53.3, 96.0, 99.0, 10.0, 53.3))),
        lambda: battery.state(0.0),
        lambda: ev.ChargerChanged(AcVehicleLimits.of(current_a=chance.choice((6.0, 8.0, 16.0)))),
    ]
    now = 0.0
    event: ev.Event | None = ev.Connected(False)
    for _ in range(600):
        actions = session.handle_timeout(now) if event is None else session.handle(event, now)
        monitor.look(event, actions, now)
        now += chance.choice((0.0, 0.01, 0.3, 1.0))
        due = session.deadline
        event = None if due is not None and due <= now else chance.choice(told)()
    session.handle(ev.SignalChanged(ev.SignalState.A), now)
    assert session.ended is not None


@pytest.mark.parametrize(
    "mode", [mode for mode in BasicMode if mode is not BasicMode.OFF], ids=lambda mode: mode.value
)
@pytest.mark.parametrize("kind", ["plain", "slac"])
@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_a_connector_is_told_anything(role: str, kind: str, mode: BasicMode) -> None:
    chance = random.Random(f"{role} {kind} {mode.value}")
    link = links_of(kind)[role == "evcc"]
    settings = ConnectorSettings(basic=BasicSettings(mode=mode))
    machine: Connector = (
        SeccConnector(link, 18.0, settings) if role == "secc" else EvccInlet(link, 20.0, settings)
    )
    number, started, seen, now = 0, 0, set(), 0.0
    ends = [SessionEnded(reason) for reason in EndReason]
    makers: list[Callable[[], Any]] = [
        lambda: ev.SignalChanged(chance.choice((*[ev.SignalState.B] * 4, *ev.SignalState))),
        lambda: DutyChanged(chance.choice((None, 5.0, 53.3, 53.3))),
        lambda: LinkReported(chance.random() < 0.7),
        PowerOn,
        WakeUp,
        DLinkTerminate,
        DLinkError,
        DLinkPause,
        Restart,
        lambda: ConnectionOpened(number + 1),
        lambda: SessionSetUp(number),
        lambda: StationFound(number, "there"),
        lambda: ConnectionFailed(number, "broken"),
        lambda: SessionFinished(number, chance.choice(ends)),
        lambda: ConnectionClosed(number),
    ]
    for _ in range(6_000):
        event = chance.choice(makers)()
        if isinstance(event, ConnectionOpened):
            number = event.number
        actions = machine.handle(event, now)
        now += chance.choice((0.0, 0.05, 1.0, 13.0))
        actions += machine.handle_timeout(now)
        for action in actions:
            if isinstance(action, StartBasic):
                started += 1
                number = action.number or number + 1
                machine.handle(ConnectionOpened(number), now)
                assert machine.phase in (
                    Phase.BASIC,
                    Phase.CLOSING,
                    Phase.FINISHED,
                    Phase.LINKING,
                    Phase.UNPLUGGED,
                )
        if machine.phase is Phase.BASIC:
            starts = [place for place, action in enumerate(actions) if isinstance(action, StartBasic)]
            after = actions[starts[-1] :] if starts else actions
            assert not any(isinstance(action, SetPilot) for action in after), "two masters of one pilot"
        seen.add(machine.phase)
    assert started > 10
    assert Phase.BASIC in seen
    machine.handle(ev.SignalChanged(ev.SignalState.A), now)
    assert machine.phase is Phase.UNPLUGGED
