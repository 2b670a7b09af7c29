"""The timers of a connection at their edges, budgets, and what follows each way a session may
end. The link is a plain one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iso15118.connector import ConnectorSettings, EvccInlet, Phase, SeccConnector, SetupFrom
from iso15118.connector.machine import Connector
from iso15118.connector.news import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    ConnectorTimer,
    DropConnection,
    PhaseEntered,
    SessionFinished,
    SessionSetUp,
    StartDiscovery,
    StartSession,
    StationFound,
    StopDiscovery,
    TimerLate,
)
from iso15118.errors import ConfigError
from iso15118.link.plain import PlainLink
from iso15118.link.primitives import (
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    LinkReported,
    LinkState,
    PowerOn,
    Restart,
)
from iso15118.session.actions import Action, EndReason, SessionEnded
from iso15118.session.events import Event, SignalChanged, SignalState

A, B, E = (SignalChanged(SignalState(state)) for state in "ABE")
TICK = 1e-6


class Spy(PlainLink):
    """A plain link that remembers what was asked of it."""

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__(delay_s=delay_s)
        self.asked: list[str] = []

    def handle(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, DLinkTerminate | DLinkError | DLinkPause | Restart):
            self.asked.append(type(event).__name__)
        return super().handle(event, now)


def secc(link: Spy | None = None, settings: ConnectorSettings | None = None) -> tuple[SeccConnector, Spy]:
    link = link or Spy()
    machine = SeccConnector(link, 18.0, settings)
    machine.handle(PowerOn(), 0.0)
    return machine, link


def evcc(link: Spy | None = None, settings: ConnectorSettings | None = None) -> tuple[EvccInlet, Spy]:
    link = link or Spy()
    machine = EvccInlet(link, 20.0, settings)
    machine.handle(PowerOn(), 0.0)
    return machine, link


def kinds(actions: list[Action]) -> list[str]:
    return [type(action).__name__ for action in actions if not isinstance(action, PhaseEntered)]


def station_in_session(machine: SeccConnector, number: int = 1, now: float = 1.0) -> None:
    machine.handle(B, now)
    assert machine.handle(ConnectionOpened(number), now) == [PhaseEntered(Phase.SETTING_UP)]
    assert machine.handle(SessionSetUp(number), now) == [PhaseEntered(Phase.SESSION)]


def vehicle_in_session(machine: EvccInlet, now: float = 1.0) -> int:
    actions = machine.handle(B, now)
    number = next(action.number for action in actions if isinstance(action, StartDiscovery))
    assert kinds(machine.handle(StationFound(number, "there"), now)) == ["StartSession"]
    assert machine.handle(SessionSetUp(number), now) == [PhaseEntered(Phase.SESSION)]
    return number


def over(reason: EndReason, number: int = 1) -> SessionFinished:
    return SessionFinished(number, SessionEnded(reason))


# -- communication set-up


@pytest.mark.parametrize(("make", "setup_s"), [(secc, 18.0), (evcc, 20.0)])
def test_the_set_up_time_runs_from_the_link_and_ends_at_its_edge(
    make: Callable[..., tuple[Connector, Spy]], setup_s: float
) -> None:
    machine, link = make(Spy(delay_s=3.0))
    machine.handle(B, 1.0)
    machine.handle_timeout(4.0)
    assert machine.phase is Phase.DISCOVERY
    assert machine.deadline == 4.0 + setup_s
    assert machine.handle_timeout(4.0 + setup_s - TICK) == []
    assert "StopDiscovery" in kinds(machine.handle_timeout(4.0 + setup_s))
    assert link.asked == ["DLinkError"]


@pytest.mark.parametrize(("make", "setup_s"), [(secc, 18.0), (evcc, 20.0)])
def test_the_set_up_time_runs_from_the_plug_where_that_is_wanted(
    make: Callable[..., tuple[Connector, Spy]], setup_s: float
) -> None:
    machine, link = make(Spy(delay_s=3.0), ConnectorSettings(setup_from=SetupFrom.PLUG_IN))
    machine.handle(B, 1.0)
    machine.handle_timeout(4.0)
    assert machine.handle_timeout(1.0 + setup_s - TICK) == []
    assert machine.handle_timeout(1.0 + setup_s) != []
    assert link.asked == ["DLinkError"]


def test_with_the_set_up_time_from_the_plug_a_link_that_never_comes_ends_it_as_well() -> None:
    machine, link = secc(Spy(delay_s=100.0), ConnectorSettings(setup_from=SetupFrom.PLUG_IN))
    machine.handle(B, 0.0)
    machine.handle_timeout(18.0)
    assert link.asked == ["DLinkError"]


def test_one_discovery_without_a_connection_does_not_keep_the_station_waiting_longer() -> None:
    machine, _ = secc()
    machine.handle(B, 0.0)
    machine.handle(ConnectionOpened(1), 17.0)
    assert machine.deadline == 18.0, "a connection without SessionSetup changes nothing"
    actions = machine.handle_timeout(18.0)
    assert kinds(actions)[:2] == ["DropConnection", "StopDiscovery"]


def test_session_set_up_ends_the_set_up_time() -> None:
    machine, _ = secc()
    station_in_session(machine)
    assert machine.deadline is None
    vehicle, _ = evcc()
    vehicle_in_session(vehicle)
    assert vehicle.deadline is None


def test_connections_that_fail_before_a_session_may_be_tried_again_until_the_set_up_time_is_over() -> None:
    machine, link = secc()
    machine.handle(B, 0.0)
    for number in (1, 2, 3):
        machine.handle(ConnectionOpened(number), float(number))
        assert machine.handle(ConnectionFailed(number, "alert"), number + 0.5) == [
            PhaseEntered(Phase.DISCOVERY)
        ]
        machine.handle(ConnectionClosed(number), number + 0.6)
    assert machine.deadline == 18.0
    assert link.asked == []


# -- lateness is told, and ends nothing


@pytest.mark.parametrize(("make", "name"), [(secc, "secc"), (evcc, "evcc")])
def test_plug_in_to_link_late(make: Callable[..., tuple[Connector, Spy]], name: str) -> None:
    machine, link = make(Spy(delay_s=30.0))
    machine.handle(B, 1.0)
    assert machine.handle_timeout(9.0 - TICK) == []
    assert machine.handle_timeout(9.0) == [TimerLate(ConnectorTimer.MAX_COMM, 8.0)]
    assert machine.phase is Phase.LINKING
    assert "StartDiscovery" in kinds(machine.handle_timeout(31.0))
    assert link.asked == []


def test_loss_to_link_late() -> None:
    machine, _ = secc()
    station_in_session(machine)
    machine.handle(LinkReported(False), 5.0)
    assert machine.handle_timeout(20.0 - TICK) == []
    assert machine.handle_timeout(20.0) == [TimerLate(ConnectorTimer.RESETUP, 15.0)]
    assert "StartDiscovery" in kinds(machine.handle(LinkReported(True), 40.0))


def test_a_link_in_time_is_not_told_late() -> None:
    machine, _ = secc()
    station_in_session(machine)
    machine.handle(LinkReported(False), 5.0)
    machine.handle(LinkReported(True), 6.0)
    machine.handle(ConnectionOpened(2), 6.0)
    machine.handle(SessionSetUp(2), 6.0)
    assert machine.deadline is None


# -- after a session


@pytest.mark.parametrize("reason", EndReason)
def test_what_the_link_is_told_after_a_session(reason: EndReason) -> None:
    station, at_station = secc()
    station_in_session(station)
    vehicle, at_vehicle = evcc()
    number = vehicle_in_session(vehicle)
    station.handle(over(reason), 5.0)
    vehicle.handle(over(reason, number), 5.0)
    assert station.phase is vehicle.phase is Phase.CLOSING
    assert at_station.asked == at_vehicle.asked == [], "not before the connection is closed"
    station.handle(ConnectionClosed(1), 5.5)
    vehicle.handle(ConnectionClosed(number), 5.5)
    own = (EndReason.HARDWARE_FAULT, EndReason.EMERGENCY, EndReason.INTERNAL_ERROR)
    if reason is EndReason.PAUSED:
        wanted = "DLinkPause"
    elif reason.orderly or reason in own:
        wanted = "DLinkTerminate"
    else:
        wanted = "DLinkError"
    assert at_vehicle.asked == [wanted]
    again = (
        EndReason.TIMEOUT,
        EndReason.ONGOING_TOO_LONG,
        EndReason.SEQUENCE_ERROR,
        EndReason.UNKNOWN_SESSION,
        EndReason.UNDECODABLE,
        EndReason.PEER_VANISHED,
        EndReason.SIGNAL_LOST,
    )
    if wanted == "DLinkError" and reason not in again:
        wanted = "DLinkTerminate"  # the same vehicle would only hear the same once more
    assert at_station.asked == [wanted]


def test_a_connection_that_is_not_closed_is_dropped_at_its_edge() -> None:
    machine, link = secc()
    station_in_session(machine)
    machine.handle(over(EndReason.STOPPED_BY_EV), 10.0)
    assert machine.handle_timeout(16.0 - TICK) == []
    actions = machine.handle_timeout(16.0)
    assert isinstance(actions[0], DropConnection)
    assert link.asked == ["DLinkTerminate"]
    assert machine.phase is Phase.FINISHED


def test_the_budget_of_restarts_of_a_station() -> None:
    machine, link = secc(settings=ConnectorSettings(restarts=2))
    station_in_session(machine)
    for number in (1, 2, 3):
        machine.handle(over(EndReason.TIMEOUT, number), 10.0 * number)
        machine.handle(ConnectionClosed(number), 10.0 * number)
        if number < 3:
            assert machine.phase is Phase.DISCOVERY, "a plain link is back at once"
            machine.handle(ConnectionOpened(number + 1), 10.0 * number)
    assert link.asked == ["DLinkError", "DLinkError", "DLinkTerminate"]
    assert machine.phase is Phase.FINISHED
    machine.handle(A, 40.0)
    station_in_session(machine, 4, 41.0)
    machine.handle(over(EndReason.TIMEOUT, 4), 42.0)
    machine.handle(ConnectionClosed(4), 42.0)
    assert link.asked[-1] == "DLinkError", "the next plug-in has a budget of its own"


def test_the_budget_of_restarts_of_a_vehicle() -> None:
    machine, link = evcc(settings=ConnectorSettings(restarts=1))
    actions = machine.handle(B, 0.0)
    looked = 0
    while machine.phase is Phase.DISCOVERY:
        number = next(action.number for action in actions if isinstance(action, StartDiscovery))
        looked += 1
        actions = machine.handle(ConnectionFailed(number, "nobody there"), 13.0 * looked)
    assert looked == 2
    assert machine.phase is Phase.FINISHED
    assert link.asked == ["DLinkError", "DLinkError", "DLinkTerminate"]


def test_no_restart_at_all() -> None:
    machine, link = secc(settings=ConnectorSettings(restarts=0))
    machine.handle(B, 0.0)
    machine.handle_timeout(18.0)
    assert link.asked == ["DLinkTerminate"]


# -- late news


def test_news_of_a_connection_that_was_dropped_is_not_news_of_the_next() -> None:
    machine, link = secc()
    station_in_session(machine)
    machine.handle(LinkReported(False), 5.0)
    machine.handle(LinkReported(True), 6.0)
    machine.handle(ConnectionOpened(2), 6.5)
    for late in (
        SessionSetUp(1),
        over(EndReason.PEER_VANISHED),
        ConnectionClosed(1),
        ConnectionFailed(1, ""),
    ):
        assert machine.handle(late, 7.0) == []
    assert machine.phase is Phase.SETTING_UP
    assert link.asked == []


def left_late(machine: Connector, link: Spy) -> None:
    machine.handle(LinkReported(False), 5.0)
    phases = [machine.phase]
    machine.handle(over(EndReason.STOPPED_BY_EV), 5.1)
    assert [*phases, machine.phase] == [Phase.LINKING, Phase.FINISHED]
    assert link.asked == ["DLinkTerminate"]


def test_a_session_that_had_ended_in_order_when_its_link_went_is_over() -> None:
    station, at_station = secc()
    station_in_session(station)
    left_late(station, at_station)
    vehicle, at_vehicle = evcc()
    vehicle_in_session(vehicle)
    left_late(vehicle, at_vehicle)


def test_a_connection_out_of_place_is_dropped() -> None:
    machine, _ = secc(Spy(delay_s=1.0))
    assert kinds(machine.handle(ConnectionOpened(1), 0.0)) == ["DropConnection"]
    machine.handle(B, 0.0)
    assert kinds(machine.handle(ConnectionOpened(2), 0.5)) == ["DropConnection"]
    machine.handle_timeout(1.0)
    machine.handle(ConnectionOpened(3), 1.0)
    assert kinds(machine.handle(ConnectionOpened(4), 1.5)) == ["DropConnection"], "one at a time"
    assert machine.phase is Phase.SETTING_UP


def test_after_the_end_a_link_that_comes_back_is_left_again() -> None:
    machine, link = evcc()
    number = vehicle_in_session(machine)
    machine.handle(over(EndReason.STOPPED_BY_EV, number), 5.0)
    machine.handle(ConnectionClosed(number), 5.0)
    machine.handle(LinkReported(True), 6.0)
    assert machine.phase is Phase.FINISHED
    assert link.asked == ["DLinkTerminate", "DLinkTerminate"]
    assert link.state is LinkState.UNMATCHED


# -- what the application asks for


@pytest.mark.parametrize(
    ("request_", "phase"),
    [
        (DLinkTerminate(), Phase.FINISHED),
        (DLinkError(), Phase.DISCOVERY),
        (DLinkPause(), Phase.PAUSED),
    ],
)
def test_the_application_may_use_the_primitives_itself(request_: Event, phase: Phase) -> None:
    machine, link = secc()
    station_in_session(machine)
    actions = machine.handle(request_, 5.0)
    assert isinstance(actions[0], DropConnection)
    assert (machine.phase, link.asked) == (Phase.CLOSING, []), "the hardware is made safe first"
    machine.handle(over(EndReason.PEER_VANISHED), 5.5)
    assert machine.phase is phase
    assert link.asked == [type(request_).__name__]


@pytest.mark.parametrize("request_", [DLinkTerminate(), DLinkError(), Restart("the user")])
def test_what_the_application_asks_for_waits_for_a_session_that_does_not_end_for_so_long_only(
    request_: Event,
) -> None:
    machine, link = secc()
    station_in_session(machine)
    machine.handle(request_, 5.0)
    assert machine.handle_timeout(11.0 - TICK) == []
    machine.handle_timeout(11.0)
    assert link.asked == [type(request_).__name__]


def test_primitives_without_a_plug_are_harmless() -> None:
    for request in (DLinkTerminate(), DLinkError(), DLinkPause()):
        machine, _ = evcc()
        assert machine.handle(request, 0.0) == []
        assert machine.phase is Phase.UNPLUGGED


def test_what_makes_safe_comes_first() -> None:
    for event in (A, E, LinkReported(False)):
        machine, _ = secc()
        station_in_session(machine)
        actions = machine.handle(event, 5.0)
        assert isinstance(actions[0], DropConnection)
        assert DLinkReady(False) in actions


def test_a_vehicle_looks_for_a_station_only_with_a_link_and_connects_only_where_it_found_one() -> None:
    machine, _ = evcc(Spy(delay_s=1.0))
    assert kinds(machine.handle(B, 0.0)) == []
    assert kinds(machine.handle_timeout(1.0)) == ["DLinkReady", "StartDiscovery"]
    assert machine.handle(StationFound(99, "elsewhere"), 1.1) == []
    assert machine.handle(StationFound(1, "there"), 1.1)[-1] == StartSession(1, "there")
    assert machine.handle(StationFound(1, "there"), 1.2) == [], "one connection, not two"
    assert StopDiscovery() in machine.handle(A, 2.0)


@pytest.mark.parametrize("name", ["t_conn_max_comm", "t_conn_resume", "t_conn_resetup", "close_s"])
def test_settings_are_durations(name: str) -> None:
    for wrong in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match=rf"connection\.{name}"):
            ConnectorSettings(**{name: wrong})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"connection\.restarts"):
        ConnectorSettings(restarts=-1)
