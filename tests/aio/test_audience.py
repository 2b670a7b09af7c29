"""Who is told what happens in a session, and cannot keep it from going on: its observer, its recording, the
application, and the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.audience import Audience, write_down
from iso15118.aio.logs import flush
from iso15118.aio.net.ending import Ending, StreamEnd
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.aio.bench import LOOP_RES, OFF, OVER, Bench, Plant

READ, CLOSED = ev.PowerMeasured(0.0, 0.0), ev.ContactorsChanged(True)
CAME_IN = ev.MessageReceived(LOOP_RES)
STATE, SENT, ASKED = act.StateEntered("Loop"), act.Send(LOOP_RES), act.CloseContactors(1.0)


class Tap:
    """Where a session is recorded."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.told: list[Any] = []
        self.results: list[tuple[Any, float]] = []

    def session_began(self, now: float) -> None:
        self.began.append(now)

    def heard(self, now: float, what: Any) -> None:
        self.told.append(what)

    def finished(self, result: Any, now: float) -> None:
        self.results.append((result, now))


class Heard:
    """All that are told, of which only some are there."""

    def __init__(self, *there: str) -> None:
        self.observer: list[Any] = []
        self.news: list[Any] = []
        self.tap = Tap()
        self.audience = Audience(
            (lambda now, what: self.observer.append(what)) if "observer" in there else None,
            self.news.append if "news" in there else None,
        )
        if "tap" in there:
            self.audience.record(self.tap, 3.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "there", [(), ("observer",), ("news",), ("tap",), ("observer", "tap", "news")], ids=str
)
def test_an_observer_hears_all_a_recording_all_but_octets_and_the_application_news(
    there: tuple[str, ...],
) -> None:
    heard = Heard(*there)
    audience = heard.audience
    assert audience.there is bool(there)
    assert audience.sees_all is ("observer" in there)
    assert audience.records is ("tap" in there)
    assert heard.tap.began == ([3.0] if "tap" in there else [])
    audience.note(0.0, "in")
    for event in (CAME_IN, CLOSED, None):
        audience.note_turn(0.0, event, [STATE, SENT, ASKED])
    audience.show()
    turn = [STATE, SENT, ASKED]
    all_of_it = ["in", *turn, CLOSED, *turn, *turn]
    assert heard.observer == (all_of_it if "observer" in there else [])
    kept = [what for what in heard.tap.told if what is not SENT]
    assert kept == ([what for what in all_of_it if what is not SENT] if "tap" in there else [])
    assert heard.news == ([STATE] * 3 if "news" in there else [])
    audience.recorded("result", 9.0)
    assert heard.tap.results == ([("result", 9.0)] if "tap" in there else [])


def test_when_an_observer_has_failed_the_others_are_told_all_the_same() -> None:
    def fails(now: float, what: Any) -> None:
        raise ValueError("observer")

    for records in (False, True):
        tap, news = Tap(), list[Any]()
        audience = Audience(fails, news.append)
        if records:
            audience.record(tap, 0.0)  # type: ignore[arg-type]
        for _ in range(2):
            audience.note(0.0, "in")
            audience.note_turn(0.0, CLOSED, [STATE, SENT])
            audience.show()
        assert news == [STATE, STATE]
        assert [what for what in tap.told if what is not SENT] == ["in", CLOSED, STATE] * 2 * records
        assert audience.waiting == []


def test_who_answers_everything_with_something_new_is_told_the_rest_later() -> None:
    heard: list[int] = []

    def answers(now: float, what: Any) -> None:
        heard.append(what)
        audience.note(now, what + 1)
        assert audience.show() is False  # from within itself it does nothing

    audience = Audience(answers, None)
    audience.note(0.0, 0)
    assert audience.show() is True
    assert heard == list(range(16))
    assert audience.waiting == [(0.0, 16)]


@pytest.mark.parametrize("whose", ["observer", "news"])
def test_who_answers_everything_with_more_is_not_called_any_more(
    whose: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = 0

    def answers(*_: Any) -> None:
        nonlocal told
        told += 1
        audience.note_turn(0.0, CLOSED, [act.PeerDeviates("a", "b")] * 3)

    tap = Tap()
    audience = Audience(answers if whose == "observer" else None, answers if whose == "news" else None)
    audience.record(tap, 0.0)  # type: ignore[arg-type]
    audience.note(0.0, act.PeerDeviates("a", "b"))
    for _ in range(100):
        if not audience.show():
            break
    else:
        pytest.fail("there is always more to tell")
    assert told < 20_000
    assert len(tap.told) > told, "a recording goes on"
    assert flush(60.0)
    assert "answers everything with more, and is not called any more" in caplog.text


def test_what_listeners_bring_along_is_told_at_once_and_in_order() -> None:
    heard: list[int] = []

    def answers(now: float, what: Any) -> None:
        heard.append(what)
        if what < 3:
            audience.note(now, what + 10)

    audience = Audience(answers, None)
    for what in (0, 1):
        audience.note(0.0, what)
    assert audience.show() is False
    assert heard == [0, 1, 10, 11]


def test_what_was_done_otherwise_with_a_peer_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        write_down(act.QuirkApplied("slow", "[::1]:1", ("timing", "tls")))
        write_down(act.PeerDeviates("spare-bits", "they are 1"))
        write_down(STATE)
        assert flush(60.0)
    lines = [one.getMessage() for one in caplog.records if one.name == "iso15118.aio.audience"]
    assert lines == ["[::1]:1 is treated as slow: timing, tls", "tolerated (spare-bits): they are 1"]


# -- what the driver tells them


def looking(shows: list[ev.Event], **options: Any) -> Bench:
    """Hardware that shows this at the next look, before a session that does nothing upon it."""
    bench = Bench(plant=Plant(), **options).begin()
    bench.plant.shows = shows
    return bench


async def over(bench: Bench) -> None:
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("the test is over"))
    await bench.result()


@pytest.mark.parametrize("pushed", [False, True])
async def test_a_recording_has_what_a_session_was_told_though_it_did_nothing_upon_it(pushed: bool) -> None:
    tap = Tap()
    bench = looking([READ] if pushed else [READ, CLOSED])
    bench.driver.audience.record(tap, 0.0)  # type: ignore[arg-type]
    if pushed:
        bench.driver.tell(CLOSED)
    else:
        bench.receive(LOOP_RES)
    assert CLOSED in tap.told
    assert READ not in tap.told, "there are twenty in a second"
    await over(bench)


@pytest.mark.parametrize("seen_by", ["observer", "watch", "nobody"])
async def test_a_reading_upon_which_nothing_is_done_is_told_to_who_sees_all(seen_by: str) -> None:
    seen: list[Any] = []

    def observer(now: float, what: Any) -> None:
        seen.append(what)

    def watch(event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        seen.append(event)
        return actions

    audience: dict[str, Any] = {"observer": observer, "watch": watch}
    bench = looking([READ], **{name: who for name, who in audience.items() if name == seen_by})
    bench.receive(LOOP_RES)
    assert seen.count(READ) == (0 if seen_by == "nobody" else 1)
    await over(bench)


async def test_the_log_has_what_decides_where_a_session_goes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        bench = looking([READ, CLOSED])
        bench.receive(LOOP_RES)
        assert flush(60.0)
    assert "told ContactorsChanged(closed=True)" in caplog.text
    assert "PowerMeasured" not in caplog.text
    await over(bench)


# -- behind the hardware

EMERGENCIES: dict[str, Callable[[Bench], object]] = {
    "it is abandoned": lambda bench: bench.driver.abandon(EndReason.EMERGENCY, "enough"),
    "the button": lambda bench: bench.driver.tell(ev.EmergencyShutdown("button")),
    "a fault": lambda bench: bench.driver.tell(ev.HardwareFault("power", "hot")),
    "the link": lambda bench: bench.driver.link_lost(),
    "the connection": lambda bench: bench.driver.stream_ended(bench.stream, StreamEnd(Ending.RESET, "gone")),  # type: ignore[arg-type]
    "a fault of this software": lambda bench: bench.driver.tell(ev.SetPointChanged(None)),
}


@pytest.mark.parametrize("listens", ["observer", "news"])
@pytest.mark.parametrize("what", EMERGENCIES)
async def test_whoever_is_told_of_an_emergency_finds_the_hardware_asked_already(
    what: str, listens: str
) -> None:
    """Asked to be safe as a whole, or to stop and to open; nobody is called before, whoever blocks."""
    found: list[list[Any]] = []
    plant = Plant()
    options: dict[str, Any] = {listens: lambda *what: found.append(list(plant.done))}
    bench = Bench(plant=plant, **options).begin()

    def answers(event: Any) -> list[act.Action]:
        if type(event) is ev.SetPointChanged:
            raise ZeroDivisionError
        bench.script.ended = OVER
        return [act.PeerDeviates("odd", "it goes"), *OFF]

    bench.script.answers = answers
    found.clear()
    EMERGENCIES[what](bench)
    await bench.result()
    software = what == "a fault of this software"
    assert found or (software and listens == "news"), "somebody was told"
    for done in found:
        assert set(OFF) <= set(done) or str(done[:1]).startswith("['make safe: "), done
    assert set(OFF) <= set(plant.done) or software
