"""What a station's sessions know of each other, and what they tell: tickets, results, numbers, events that
come between them, and the heartbeat. Drivers and hardware are stand-ins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import secc_sessions as module
from iso15118.aio.logs import flush
from iso15118.aio.secc_sessions import SeccSessions
from iso15118.connector.news import ConnectionClosed, ConnectionFailed, ConnectionOpened, SessionFinished
from iso15118.errors import HardwareError, MisuseError
from iso15118.session import actions as act
from iso15118.session import events as ev

from .site import QUICK_PORTS, Plant, secc_config
from .test_results import result_of

PHASES = (16.0, 16.0, 16.0)


def sessions_of(station: Any = None, **more: Any) -> Any:
    settings: dict[str, Any] = {
        "news": None, "observer": None, "watch": None, "epoch": None, "connections": None, "tickets": (),
        "changed": lambda reason: None, "opening": lambda: False,
    }  # fmt: skip
    return SeccSessions(secc_config(), station or Plant().secc, QUICK_PORTS, **(settings | more))


def driver_of(result: Any = None, **more: Any) -> Any:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if result is not None:
        done.set_result(result)
    settings: dict[str, Any] = {
        "result": done, "link_end": "reset", "session": None, "hardware": None, "unsafe_because": "",
        "unheard": [], "over": False, "told": [],
    }  # fmt: skip
    driver = SimpleNamespace(**(settings | more))
    driver.tell, driver.heard = driver.told.append, []
    driver.heed = driver.heard.append
    return driver


# -- what is left behind


class Spoken:
    """A session with messages that has ended, with its tickets."""

    def __init__(self, ticket: Any, *used: Any) -> None:
        self.ticket, self.used_tickets = ticket, used


async def test_a_ticket_is_kept_where_the_session_was_paused_and_its_hardware_is_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And forgotten when it was used; sixteen are kept, the oldest makes room."""
    monkeypatch.setattr(module, "SeccSession", Spoken)
    sessions = sessions_of(tickets=[f"t{number}" for number in range(17)])
    assert list(sessions.tickets) == [f"t{number}" for number in range(1, 17)]
    sessions.keep(driver_of(result_of(1), session=Spoken("unsafe", "t3", "t0")))
    assert "t3" not in sessions.tickets
    assert "unsafe" not in sessions.tickets
    paused: Any = object()
    sessions.keep(driver_of(result_of(2, ticket=paused), session=Spoken(None)))
    sessions.keep(driver_of(result_of(3, ticket=paused), session=Spoken("new")))
    assert list(sessions.tickets)[-2:] == ["t16", "new"]
    assert sessions.finished == 3


async def test_a_session_without_a_result_has_failed_and_is_told_with_the_number_of_its_connection() -> None:
    """One that does not come to its end keeps the station out of service; so does unsafe hardware."""
    told: list[Any] = []
    sessions = sessions_of(connections=told.append)
    sessions._number = 7
    sessions.keep(driver_of())
    assert sessions.service.unsafe == "the last session did not come to its end"
    ended = driver_of(unsafe_because="warm")
    ended.result.cancel()
    sessions.keep(ended)
    assert sessions.service.unsafe == "warm"
    sessions.keep(driver_of(result_of(1)))
    assert told == [
        ConnectionFailed(7, "reset"),
        ConnectionFailed(7, "reset"),
        SessionFinished(7, result_of(1).ended),
    ]
    assert (sessions.finished, len(sessions.results), sessions.service.unsafe) == (1, 1, "")


async def test_who_waits_for_a_session_is_told_also_after_another_loop_was_closed() -> None:
    """What waits there is left alone."""
    other = asyncio.new_event_loop()
    sessions = sessions_of()
    sessions._finish_news = left = other.create_future()
    other.close()
    waiting = asyncio.create_task(sessions.wait_finished(1))
    also = asyncio.create_task(sessions.wait_finished(2))
    await asyncio.sleep(0)
    assert sessions._finish_news.get_loop() is asyncio.get_running_loop()
    sessions.keep(driver_of(result_of(1)))
    assert (await waiting).ended.detail == "1"
    sessions.keep(driver_of(result_of(2)))
    assert (await also).ended.detail == "2"
    assert not left.done()
    for count in (0, -1):
        with pytest.raises(MisuseError, match=f"session {count} of 2 is not among the 2 kept"):
            await sessions.wait_finished(count)


async def test_a_flood_of_refused_connections_is_a_few_lines_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ten at once, and one a second then."""
    sessions = sessions_of()

    def refused() -> int:
        assert flush(60.0)
        caplog.clear()
        for _ in range(20):
            sessions.refused(None)
        assert flush(60.0)
        return caplog.text.count("a connection ended before a session began")

    assert refused() == 10
    await asyncio.sleep(4.5)
    assert refused() == 4


# -- from connection to end


class Stream:
    """A connection that notes who has it."""

    def __init__(self, told: list[Any]) -> None:
        self.adopt = told.append


async def test_each_connection_has_the_next_number_until_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The remark about one goes with its driver; a session without messages works with all of the station,
    others with what they may."""
    made: list[Any] = []

    def driver(role: str, take: Any, make: Any, **how: Any) -> Any:
        made.append(driver_of(take=take, **how))
        return made[-1]

    monkeypatch.setattr(module, "SessionDriver", driver)
    told: list[Any] = []
    plant = Plant()
    less = replace(plant.secc, meter=None)
    sessions = sessions_of(plant.secc, connections=told.append, talks_with=less)
    first, second = Stream(told), Stream(told)
    sessions.early.append("early")
    looks: list[str] = []
    sessions._idle = SimpleNamespace(stop=lambda: looks.append("ends"))
    sessions.serve(first, lambda: None, remark="odd")
    sessions.serve(second, lambda: None, make=lambda hardware: None, show=lambda pilot: None)
    assert told == [ConnectionOpened(1), made[0], ConnectionOpened(2), made[1]]
    assert looks == ["ends", "ends"], "two would look at the same hardware"
    assert [one.remarks for one in made] == [["odd"], []]
    assert [one.told for one in made] == [["early"], []]
    assert [one.take.args[0] for one in made] == [less, plant.secc]
    told.clear()
    sessions.gone(second)
    sessions.gone(first)
    sessions.gone(first)
    assert told == [ConnectionClosed(2), ConnectionClosed(1)]


async def test_the_end_of_a_session_counts_once_and_frees_the_station_also_when_it_is_closed() -> None:
    """Of another session than the one that has the hardware nothing is kept."""
    freed: list[Any] = []
    sessions = sessions_of()
    driver = driver_of(result_of(1))
    sessions._over(driver, lambda: freed.append("other"), driver.result)
    assert (freed, sessions.finished) == (["other"], 0)
    sessions.driver = driver
    sessions._over(driver, lambda: freed.append("own"), driver.result)
    assert (freed, sessions.finished, sessions.driver) == (["other", "own"], 1, None)


async def test_who_depends_on_what_is_told_is_told_again_after_it_failed() -> None:
    """Other than the application, which hears no more news."""
    heard: list[str] = []

    def fails(name: str) -> Any:
        def call(*what: Any) -> None:
            heard.append(name)
            raise ValueError

        return call

    sessions = sessions_of(
        holds=fails("holds"), connections=fails("connections"), changed=fails("changed"), news=fails("news")
    )
    for number in range(2):
        sessions._holds(())
        sessions._happened(ConnectionOpened(number))
        sessions.service.tell(f"reason {number}")
        sessions.service.clear()
        sessions.tell_news(act.PeerDeviates("about", "this"))
    assert [heard.count(name) for name in ("holds", "connections", "changed", "news")] == [2, 2, 4, 1]


# -- events


async def test_a_wish_waits_for_the_session_that_is_about_to_begin_and_an_alarm_for_nobody() -> None:
    """A wish that comes while no connection opens was about nothing."""
    opening = [False]
    sessions = sessions_of(opening=lambda: opening[0])
    stop, fault = ev.StopRequested("enough"), ev.HardwareFault("door", "open")
    for opening[0] in (False, True):
        sessions._deliver(stop)
        sessions._deliver(ev.SignalChanged(ev.SignalState.B))
        assert sessions.early == [stop] * opening[0]
    sessions.driver = over = driver_of(over=True)
    sessions._deliver(fault)
    assert (over.heard, over.told) == ([fault], []), "its hardware may still be on its way to safety"
    assert sessions.take_leave() is over
    sessions._deliver(fault)
    assert over.heard == [fault, fault], "nor does the end of the server keep it from that"
    assert sessions.early == [stop]
    assert sessions.service.reason == "door: open"
    sessions.driver = running = driver_of()
    sessions._deliver(fault)
    assert running.told == [fault]


@pytest.mark.parametrize("port", ["power", "ac"])
async def test_limits_of_an_energy_manager_are_joined_with_those_of_the_hardware(port: str) -> None:
    """Before there is any, the session is told as it is; hardware that cannot say its own is a fault of that
    port; hardware that does not have it is told nothing."""
    from iso15118.session.ac_limits import AcStationLimits

    plant = Plant()
    limits: Any = (
        AcStationLimits(maximum_current_a=PHASES, maximum_charge_power_w=PHASES)
        if port == "ac"
        else plant.station.limits
    )
    told = (ev.AcLimitsChanged if port == "ac" else ev.LimitsChanged)(limits)
    sessions = sessions_of(plant.secc)
    driver = sessions.driver = driver_of()
    sessions._deliver(told)
    assert driver.told == [told]
    answers: list[Any] = ["joined", None, HardwareError("no reading")]

    def managed(event: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    sessions._hardware = SimpleNamespace(managed=managed)
    for _ in range(3):
        sessions._deliver(told)
    assert driver.told[1:] == ["joined", ev.HardwareFault(port, "no reading")]
    stop = ev.StopRequested("enough")
    sessions._deliver(stop)
    assert driver.told[-1] == stop


@pytest.mark.parametrize("shows", [False, True])
async def test_an_energy_manager_hears_what_the_vehicle_needs_and_shows(
    shows: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The display only if it takes one; what it does not take is said, and has no consequence."""
    heard: list[Any] = []

    class Manager:
        def listen(self, tell: Any) -> None: ...

        def needs(self, what: Any) -> None:
            heard.append(what)

    class Showing(Manager):
        def display(self, what: Any) -> None:
            heard.append(what)
            raise ValueError("no screen")

    needs, display = act.ChargingNeeds(1.0, 2.0, 0.0), act.VehicleDisplay(present_soc=5)
    sessions = sessions_of(replace(Plant().secc, energy=Showing() if shows else Manager()))
    for news in (needs, display, act.PeerDeviates("about", "this")):
        sessions._heard(news)
    assert heard == ([needs, display] if shows else [needs])
    assert flush(60.0)
    assert caplog.text.count("does not take what the vehicle says") == shows
    sessions_of()._heard(display)
    assert len(heard) == 1 + shows


async def test_a_provider_of_services_hears_what_was_chosen_and_nothing_else() -> None:
    """Other news are none of its business."""
    heard: list[Any] = []
    provider = SimpleNamespace(selected=heard.append, services=())
    sessions = sessions_of(replace(Plant().secc, value_added=provider))
    sessions._heard(act.PeerDeviates("about", "this"))
    sessions._heard(act.ServicesSelected(((5, None),)))
    assert heard == [((5, None),)]
