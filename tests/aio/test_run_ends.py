"""How the programs of a vehicle end, with one inlet and with several: in an orderly way at the first signal,
at once at the second one, and within bounds where a session takes no notice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.run import AT_ONCE_S, ORDERLY_S, run_vehicle
from iso15118.aio.run_inlets import run_inlets
from iso15118.errors import LinkError

from .programs import Session, at

pytestmark = pytest.mark.usefixtures("steady_clock")

FIRST, SECOND = signal.SIGTERM, signal.SIGINT
WORDS = {"stop": "the driver ends the session", "emergency": "the driver ends the session at once"}


class Program:
    """Runs one of the programs with a session that the test makes."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self._patch = name, monkeypatch
        self.session: Session | None = None
        self.entered = 0

    def __call__(self, make: Callable[[], Session], *signals: tuple[float, Any]) -> tuple[Any, bool]:
        def begin(*_: Any, **__: Any) -> Session:
            assert self.session is None
            self.session = make()
            at(*signals)
            return self.session

        if self.name == "one inlet":
            self._patch.setattr("iso15118.aio.evcc.EvccClient", begin)
            nothing: Any = None
            return run_vehicle(nothing, lambda sleep, clock: nothing, "lo", None)
        return run_inlets(lambda sleep, clock: _Several(begin(), self))  # type: ignore[arg-type,return-value]


class _Several:
    """A vehicle with inlets, of which the visit is that session."""

    def __init__(self, visit: Session, program: Program) -> None:
        self.run, self.stop, self.emergency_shutdown = visit.run, visit.stop, visit.emergency_shutdown
        self._program = program

    async def __aenter__(self) -> None:
        self._program.entered += 1

    async def __aexit__(self, *_: object) -> None:
        self._program.entered -= 1


@pytest.fixture(params=["one inlet", "several inlets"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(request.param, monkeypatch)


def asked(program: Program) -> list[tuple[str, float]]:
    session = program.session
    assert session is not None
    assert session.safe, "nobody gives way before the hardware is safe"
    assert session.reasons == [WORDS[what] for what, _ in session.asked if what in WORDS]
    assert program.entered == 0
    return session.asked


def test_a_session_that_comes_to_its_end_is_the_result(program: Program) -> None:
    assert program(lambda: Session(lasts_s=30.0)) == ("result", False)
    assert asked(program) == []


def test_what_ends_a_session_comes_out(program: Program) -> None:
    with pytest.raises(LinkError, match="no station"):
        program(lambda: Session(LinkError("no station answered"), lasts_s=3.0))
    assert asked(program) == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_session_in_an_orderly_way(program: Program, name: str) -> None:
    came = signal.Signals[name]
    before = signal.signal(came, signal.SIG_DFL)  # whoever runs the tests may ignore it
    try:
        assert program(lambda: Session(stops_s=3.0), (5.0, came)) == ("result", True)
    finally:
        signal.signal(came, before)
    assert asked(program) == [("stop", 5.0)]


def test_a_second_signal_ends_it_at_once(program: Program) -> None:
    both = (5.0, FIRST), (6.0, SECOND)
    assert program(lambda: Session(falls_s=0.5), *both) == ("result", True)
    assert asked(program) == [("stop", 5.0), ("emergency", 6.0)]


def test_an_orderly_end_has_a_minute_and_one_at_once_eight_seconds(program: Program) -> None:
    assert program(lambda: Session(falls_s=None), (5.0, FIRST)) == (None, True)
    assert asked(program) == [("stop", 5.0), ("emergency", 65.0), ("cancel", 73.0)]
    assert (ORDERLY_S, AT_ONCE_S) == (60.0, 8.0)


@pytest.mark.parametrize("signals", [1, 2])
def test_a_session_that_is_over_when_the_signal_comes_still_has_its_result(
    signals: int, program: Program
) -> None:
    came = [(5.0, FIRST), (5.5, SECOND)][:signals]
    assert program(lambda: Session(lasts_s=4.5, safe_s=2.0), *came) == ("result", True)
    assert "cancel" not in [what for what, _ in asked(program)]
    if program.name == "one inlet":
        assert asked(program) == [("stop", 5.0)], "an emergency would take the vehicle out of service"


@pytest.mark.parametrize(
    ("sleeps", "results", "expected"),
    [(True, ["first", "paused"], "paused"), (True, [], None), (False, ["paused"], None)],
    ids=["at rest", "nothing yet", "another one runs"],
)
def test_a_signal_while_a_plug_in_rests_does_not_cost_the_result_of_what_was_paused(
    sleeps: bool, results: list[str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(*_: Any, **__: Any) -> Session:
        session = Session(searches=sleeps)
        session.results = results
        at((5.0, FIRST))
        return session

    monkeypatch.setattr("iso15118.aio.plug.plugged_evcc.PluggedEvcc", begin)
    nothing: Any = None
    ended = run_vehicle(nothing, lambda sleep, clock: nothing, "lo", None, link=lambda: nothing)
    assert ended == (expected, True)


def test_further_signals_change_nothing(program: Program) -> None:
    many = [(5.0, FIRST), (6.0, SECOND), (6.5, FIRST), (7.0, SECOND), (7.5, FIRST)]
    assert program(lambda: Session(falls_s=4.0), *many) == ("result", True)
    assert asked(program) == [("stop", 5.0), ("emergency", 6.0)]


def test_an_end_just_before_a_signal_needs_no_other_one(program: Program) -> None:
    assert program(lambda: Session(stops_s=1.0), (5.0, FIRST), (20.0, SECOND)) == ("result", True)
    assert asked(program) == [("stop", 5.0)]


def test_a_signal_while_a_station_is_looked_for_ends_that(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program("one inlet", monkeypatch)
    assert program(lambda: Session(searches=True), (5.0, FIRST)) == (None, True)
    assert asked(program) == [("cancel", 5.0)]


def test_a_visit_is_told_of_a_signal_whether_a_session_runs_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program("several inlets", monkeypatch)
    assert program(lambda: Session(["tried"], searches=True, stops_s=0.1), (5.0, FIRST)) == (["tried"], True)
    assert asked(program) == [("stop", 5.0)]


def test_the_hardware_of_all_inlets_is_looked_after_while_the_visit_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = Program("several inlets", monkeypatch)
    seen: list[int] = []

    def look() -> None:
        seen.append(program.entered)

    program(lambda: Session(lasts_s=3.0), (1.0, look), (2.9, look))
    assert seen == [1, 1]
    assert program.entered == 0
