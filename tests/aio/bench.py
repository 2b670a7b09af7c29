"""A session's driver between played hardware, a played session and a played connection, each of which
writes down what it is asked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

from iso15118.aio.driver import SessionDriver
from iso15118.aio.results import SessionResult
from iso15118.channel import Received, Skipped
from iso15118.messages.iso20 import dc
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.v2gtp import PayloadType
from tests.evcc.station import Host

LOOP_RES = Host().response(dc.DCChargeLoopRes)
OFF = act.StopPower(Urgency.EMERGENCY), act.OpenContactors(Urgency.EMERGENCY, "so")
POWER = act.SetPower(800.0, 10.0, 8e3)
DROPPED = Skipped(PayloadType.SAP, 12)
OVER = act.SessionEnded(EndReason.TIMEOUT, "silence")


class Plant:
    """Hardware of which every call is written down."""

    def __init__(self, **changes: Any) -> None:
        self.faults: list[ev.HardwareFault] = []
        self.done: list[Any] = []
        self.looked: list[float] = []
        self.live, self.safe, self.trouble, self.energy = False, True, "", None
        self.measured_at, self.settles_within_s = -100.0, 3.0
        self.shows: Sequence[ev.Event] = ()
        self.settled: Any = True
        self.settling_s = self.winding_s = self.winds_up_within_s = 0.0
        self.on_look: Callable[[], None] = lambda: None
        self.fails: dict[type, BaseException] = {}
        self.__dict__.update(changes)

    def start(self) -> Sequence[ev.Event]:
        return ()

    def do(self, action: act.HardwareAction) -> None:
        if (error := self.fails.get(type(action))) is not None:
            raise error
        self.done.append(action)

    def measure(self, now: float) -> Sequence[ev.Event]:
        self.looked.append(now)
        self.on_look()
        return self.shows

    def make_safe(self, reason: str) -> None:
        self.done.append(f"make safe: {reason}")

    async def settle(self) -> bool:
        self.done.append("settle")
        await asyncio.sleep(self.settling_s)
        if isinstance(self.settled, BaseException):
            raise self.settled
        return self.settled  # type: ignore[no-any-return]

    async def wind_up(self) -> None:
        self.done.append("wind up")
        await asyncio.sleep(self.winding_s)

    def why_unsafe(self) -> str:
        return "" if self.settled is True else "the contactors are closed"

    def close(self) -> None:
        self.done.append("close")


class Script:
    """A session whose answers the test gives; it hears events and timers, with their time."""

    session_id = bytes(8)

    def __init__(self) -> None:
        self.ended: act.SessionEnded | None = None
        self.states: list[str] = ["Connecting"]
        self.state = "Connecting"
        self.deadline: float | None = None
        self.readings_until = math.inf
        self.ticket: object = None
        self.heard: list[tuple[str, float]] = []
        self.answers: Callable[[Any], list[act.Action]] = lambda event: []

    def handle(self, event: ev.Event, now: float) -> list[act.Action]:
        self.heard.append((type(event).__name__, now))
        return self.answers(event)

    def handle_timeout(self, now: float) -> list[act.Action]:
        self.heard.append(("timer", now))
        self.deadline = None
        return self.answers(None)

    def events(self, *, but: str = "Connected") -> list[str]:
        return [name for name, _ in self.heard if name != but]


class Stream:
    """A connection that keeps what it is asked for."""

    secure, tls_info, peer, ear = True, None, "[::1]:1", None

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def send(self, message: object, *, beside: bool = False) -> None:
        self.asked.append(message)

    def select(self, edition: str) -> None:
        self.asked.append(("select", edition))

    def close(self, grace_s: float = 0.0) -> None:
        self.asked.append(("close", grace_s))

    def abort(self) -> None:
        self.asked.append("abort")


class Bench:
    """The three of them, and the driver between."""

    def __init__(self, role: str = "secc", plant: Plant | None = None, **options: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.plant, self.script, self.stream = plant or Plant(), Script(), Stream()
        self.driver = SessionDriver(role, lambda tell: self.plant, lambda: self.script, **options)

    def begin(self) -> Bench:
        self.driver.stream_ready(self.stream)  # type: ignore[arg-type]
        self.plant.done.clear()
        self.plant.looked.clear()
        return self

    def on(self, kind: type | None, *actions: act.Action, ends: act.SessionEnded | None = None) -> None:
        """What the session answers to an event of this class."""

        def answers(event: Any) -> list[act.Action]:
            if not (event is None if kind is None else type(event) is kind):
                return []
            self.script.ended = ends
            return list(actions)

        self.script.answers = answers

    def receive(self, message: object) -> None:
        self.driver.stream_received(self.stream, Received(message, PayloadType.ISO20_DC, b""))  # type: ignore[arg-type]

    async def result(self) -> SessionResult:
        result = await self.driver.result
        assert result is not None
        return result
