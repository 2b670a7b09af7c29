"""Programs that end: a station and a vehicle on real time, of which something is made to end while power
flows or hardware is made safe.

Each is run in a process of its own (``programs``). What the ports were told is written to memory that
the parent keeps, so that it sees in which state the hardware was left. Opening takes a moment, in
which the loop still has to turn.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from iso15118.aio import EvccClient, SeccServer
from iso15118.aio.run import run_station, run_vehicle
from iso15118.messages.iso20 import dc
from tests.aio.site import LOOPBACK, QUICK_PORTS, QUICK_STREAM, Plant, evcc_config, secc_config

__all__ = ["ENDS", "ROLES", "TAKE_THE_LOOP", "Memory", "Program", "live"]

OPENING_S = 0.02
ROLES = ("secc", "evcc")
SIGNALS = {
    "SIGINT": (signal.SIGINT,),
    "SIGINT twice": (signal.SIGINT,) * 2,
    "SIGINT three times": (signal.SIGINT,) * 3,
    "SIGTERM": (signal.SIGTERM,),
    "SIGTERM twice": (signal.SIGTERM,) * 2,
    "SIGTERM three times": (signal.SIGTERM,) * 3,
    "SIGHUP": (signal.SIGHUP,),
    "SIGHUP and SIGTERM twice": (signal.SIGHUP, signal.SIGTERM, signal.SIGTERM),
    "every signal": (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTERM),
}
BY_THEMSELVES = (
    "returns",
    "raises",
    "exits",
    "exits in a callback",
    "interrupted in a callback",
    "stops the loop",
    "exits in a port",
)
TAKE_THE_LOOP = {f"{role} program, SIGINT twice" for role in ROLES}
"""The second one is raised by ``asyncio.run`` itself in whatever runs, and nothing runs any more: no library
can open anything then. ``run_station`` and ``run_vehicle`` have handlers of their own."""
ENDS = (
    *(f"{role} program {end}" for role in ROLES for end in BY_THEMSELVES),
    *(f"{role} program, {name}" for role in ROLES for name in ("SIGINT", "SIGINT twice")),
    *(f"run_station, {name}" for name in SIGNALS),
    *(f"run_vehicle, {name}" for name in SIGNALS),
    "run_station, listening exits",
    "run_station, finished exits",
)


@dataclass(frozen=True)
class Program:
    """It ends in this way, ``after_s`` after power flows, or when it is being made
    safe already if ``late``."""

    end: str
    after_s: float
    gap_s: float
    """Between signals."""
    late: bool

    def __str__(self) -> str:
        when = "while it is made safe" if self.late else "under power"
        return f"{self.end}, {self.after_s:.3f} s after {when}, signals {self.gap_s:.3f} s apart"


class Memory:
    """What the ports were told, for the parent: one octet each."""

    FIELDS = ("closed secc", "closed evcc", "open asked secc", "open asked evcc", "stop asked", "on", "power")

    def __init__(self) -> None:
        self._octets = mmap.mmap(-1, len(self.FIELDS))

    def __setitem__(self, name: str, value: bool) -> None:
        self._octets[self.FIELDS.index(name)] = value

    def __getitem__(self, name: str) -> bool:
        return bool(self._octets[self.FIELDS.index(name)])


class Told:
    """A port in front of the real one, which writes down what it is told."""

    def __init__(self, real: Any, role: str, memory: Memory) -> None:
        self._real, self._role, self._memory = real, role, memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def close(self) -> Any:
        self._memory[f"open asked {self._role}"] = False
        self._memory[f"closed {self._role}"] = True
        return await self._real.close()

    async def open(self, urgency: Any, reason: str) -> None:
        self._memory[f"open asked {self._role}"] = True
        await asyncio.sleep(OPENING_S)
        self._memory[f"closed {self._role}"] = False
        await self._real.open(urgency, reason)

    async def set_power(self, *bounds: float) -> None:
        self._memory["on"], self._memory["stop asked"] = True, False
        await self._real.set_power(*bounds)

    async def stop(self, urgency: Any) -> None:
        self._memory["stop asked"] = True
        await asyncio.sleep(OPENING_S)
        self._memory["on"] = False
        await self._real.stop(urgency)


class Live:
    """A plant in the loop that runs, and the moment at which its program is to end."""

    def __init__(self, program: Program, memory: Memory) -> None:
        self.program, self.memory = program, memory
        self.plant = Plant()
        self.tasks: set[asyncio.Task[Any]] = {asyncio.create_task(self.plant.follow())}
        self.end: Callable[[], None] = lambda: None
        self.due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.loops = 0
        self.bad_port = False
        secc, evcc = self.plant.secc, self.plant.evcc
        self.station = replace(
            secc, contactors=Told(secc.contactors, "secc", memory), power=Told(secc.power, "secc", memory)
        )
        self.vehicle = replace(evcc, contactors=Told(evcc.contactors, "evcc", memory))

    def observe(self, now: float, what: Any) -> None:
        """See power flow, and the end begin."""
        if type(getattr(what, "message", None)) in (dc.DCChargeLoopRes, dc.DCChargeLoopReq):
            self.loops += 1
            if self.loops == 6:
                self.memory["power"] = True
                if not self.program.late:
                    self._soon()
        elif type(what).__name__ == "OpenContactors" and self.program.late:
            self._soon()
        if self.due.done() and self.program.end.endswith("in a callback"):
            raise SystemExit(4) if "exits" in self.program.end else KeyboardInterrupt

    def _soon(self) -> None:
        if not self.due.done():
            loop = asyncio.get_running_loop()
            loop.call_later(self.program.after_s, self._now)

    def _now(self) -> None:
        if not self.due.done():
            self.due.set_result(None)
            self.end()

    def server(self, **settings: Any) -> SeccServer:
        merged: dict[str, Any] = {
            "sdp_port": 0,
            "port_limits": QUICK_PORTS,
            "stream_limits": QUICK_STREAM,
            "observer": self.observe,
        }
        return SeccServer(
            secc_config(allow_plaintext=True), self.station, LOOPBACK, None, **(merged | settings)
        )

    def client(self, server: SeccServer) -> EvccClient:
        where = LOOPBACK.address, next(iter(server.ports.values()))
        return EvccClient(
            evcc_config(allow_plaintext=True),
            self.vehicle,
            LOOPBACK,
            None,
            station=where,
            port_limits=QUICK_PORTS,
            stream_limits=QUICK_STREAM,
            observer=self.observe,
        )

    def keep(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self.tasks.add(task)
        return task


def _signals(names: tuple[signal.Signals, ...], gap_s: float) -> Callable[[], None]:
    """From a thread, as they come from outside."""

    def send() -> None:
        for name in names:
            os.kill(os.getpid(), name)
            time.sleep(gap_s)

    return lambda: threading.Thread(target=send, daemon=True).start()


async def _by_itself(program: Program, memory: Memory) -> None:
    """A program of an application, which ends as it likes."""
    here = Live(program, memory)
    role, _, end = program.end.partition(" program")
    end = end.strip(" ,")
    if end in SIGNALS:
        here.end = _signals(SIGNALS[end], program.gap_s)
    elif end == "stops the loop":
        here.end = asyncio.get_running_loop().stop
    server = here.server()
    await server.open()
    client = here.client(server)
    running = here.keep(client.run())
    if program.late:
        asyncio.get_running_loop().call_later(0.6, client.stop, "enough")
    if role == "secc" and program.gap_s > 0.05:
        async with server:  # one that closes what it opened
            await _until_the_end(here, end, running)
    else:
        await _until_the_end(here, end, running)


async def _until_the_end(here: Live, end: str, running: asyncio.Task[Any]) -> None:
    if end == "exits in a port":
        here.end = lambda: _spoil(here)
    await here.due
    if end == "returns":
        return
    if end == "raises":
        raise ValueError("misuse")
    if end == "exits":
        raise SystemExit(5)
    await asyncio.wait((running,), timeout=15.0)


def _spoil(here: Live) -> None:
    async def exits(*_: object) -> None:
        raise SystemExit(6)

    setattr(here.station.power, "set_power", exits)  # noqa: B010 - a port turns bad


def live(program: Program, memory: Memory) -> None:
    """Be this program, to its end. Raises what ends it."""
    logging.disable(logging.CRITICAL)
    if program.end.startswith("run_station"):
        _station(program, memory)
    elif program.end.startswith("run_vehicle"):
        _vehicle(program, memory)
    else:
        asyncio.run(_by_itself(program, memory))


def _station(program: Program, memory: Memory) -> None:
    made: list[Live] = []

    def station(sleep: Any, clock: Any) -> Any:
        made.append(Live(program, memory))
        return made[0].station

    def listening(server: SeccServer) -> None:
        here = made[0]
        name = program.end.partition(", ")[2]
        if name in SIGNALS:
            here.end = _signals(SIGNALS[name], program.gap_s)
        client = here.client(server)
        here.keep(client.run())
        if program.late:
            asyncio.get_running_loop().call_later(0.6, client.stop, "enough")
        if name == "listening exits":
            raise SystemExit(7)
        if name == "finished exits":
            here.end = lambda: client.stop("enough")

    def finished(result: Any) -> None:
        raise SystemExit(8)

    run_station(
        secc_config(allow_plaintext=True),
        station,
        "lo",
        None,
        sdp_port=0,
        sessions=1,
        listening=listening,
        finished=finished if program.end.endswith("finished exits") else None,
        observer=lambda now, what: made[0].observe(now, what),  # noqa: PLW0108 - there is none yet
    )


def _vehicle(program: Program, memory: Memory) -> None:
    made: list[Live] = []
    port = 20_000 + random.Random(str(program)).randrange(20_000)

    def vehicle(sleep: Any, clock: Any) -> Any:
        here = Live(program, memory)
        made.append(here)
        here.end = _signals(SIGNALS[program.end.partition(", ")[2]], program.gap_s)
        server = here.server(sdp_port=port)
        here.keep(server.open())
        if program.late:
            asyncio.get_running_loop().call_later(0.8, server.stop, "enough")
        return here.vehicle

    run_vehicle(
        evcc_config(allow_plaintext=True),
        vehicle,
        "lo",
        None,
        sdp_port=port,
        observer=lambda now, what: made[0].observe(now, what),  # noqa: PLW0108 - there is none yet
    )
