"""One case tried: a session in which a port or a callback misbehaves, the next one in which all is
well, and what must hold of both.

Must hold: current zero and contactors open were asked for within a second of the fault, the plant is safe
where its ports allow it, a result arrives and is honest, the next vehicle is served or loudly refused, the
server closes, and nobody blames this software.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

from iso15118.aio import EvccClient, SeccServer, SessionResult
from iso15118.aio.service import ServiceState
from iso15118.errors import V2GError
from iso15118.session.actions import EndReason
from iso15118.session.events import SignalChanged, SignalState
from tests.aio.site import LOOPBACK, QUICK_STREAM

from .cases import Case
from .coroutines import STUBBORN_S
from .families import ISO20, Family
from .plants import TrialPlant, configs, plant_of
from .sides import LIMITS, Hand, Side
from .ways import BLOCK_S

__all__ = ["Outcome", "trial"]

SOON_S = 1.0
"""From a fault to the calls that make safe."""
SESSION_S, SETTLED_S, CLOSED_S, SERVED_S = 60.0, 20.0, 12.0, 15.0


@dataclass
class Outcome:
    """What was found, by kind: ``unsafe``, ``dishonest``, ``stuck``, ``blamed``, ``unserved``, ``unseen``."""

    case: Case
    problems: list[tuple[str, str]] = field(default_factory=list)
    hit: bool = False
    refused: bool = False
    """It was refused loudly, before anything was switched on."""

    def add(self, kind: str, what: str) -> None:
        self.problems.append((kind, what))


class Trial:
    """The plant, both sides and the server of one case."""

    def __init__(self, case: Case, out: Outcome, edition: str = ISO20) -> None:
        self.case, self.out = case, out
        family = case.family
        self.plant: TrialPlant = plant_of(family)
        secc, self._car = configs(family, edition)
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._unseen)
        self.secc = Side("secc", self.plant.secc, case if case.role == "secc" else None, family)
        self.evcc = Side("evcc", self.plant.evcc, case if case.role == "evcc" else None, family)
        self.bad = self.secc if case.role == "secc" else self.evcc
        self.evcc.other = self.secc
        self.closing: asyncio.Task[None] | None = None
        self.running: asyncio.Task[SessionResult] | None = None
        self.server = SeccServer(
            secc,
            self.secc.bundle,
            LOOPBACK,
            None,
            sdp=False,
            sdp_port=0,
            port_limits=LIMITS,
            stream_limits=QUICK_STREAM,
            watch=self.secc.watch,
            **{name: self.secc.callback(name) for name in ("news", "observer", "connections")},  # type: ignore[arg-type]
        )
        self.secc.hand = Hand(self.server, self._close_server, self.plant.limits_changed)

    def client(self) -> EvccClient:
        client = EvccClient(
            self._car,
            self.evcc.bundle,
            LOOPBACK,
            None,
            port_limits=LIMITS,
            stream_limits=QUICK_STREAM,
            watch=self.evcc.watch,
            **{name: self.evcc.callback(name) for name in ("news", "observer", "connections")},  # type: ignore[arg-type]
        )
        self.evcc.hand = Hand(client, self._cancel_client, SignalChanged(SignalState.C))
        self.evcc.loops = 0
        self.evcc.enough = lambda: client.stop("enough")
        return client

    def _close_server(self) -> None:
        if self.closing is None:
            self.closing = self.loop.create_task(self.server.close())

    def _cancel_client(self) -> None:
        if self.running is not None:
            self.running.cancel()

    def _unseen(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        trace = error.__traceback__ if error is not None else None
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None and "/iso15118/" in trace.tb_frame.f_code.co_filename:
            self.out.add("unseen", f"{context.get('message')}: {type(error).__name__}")

    # -- a session
    # --------------------------------------------------------------------------------------------

    async def charge(self) -> SessionResult | None:
        """One session; the vehicle's result, or None if none began."""
        where = LOOPBACK.address, next(iter(self.server.ports.values()))
        client = self.client()
        self.running = running = self.loop.create_task(client.run(where))
        await asyncio.wait((running,), timeout=SESSION_S)
        if not running.done():
            self.out.add("stuck", "the vehicle's session does not end")
            running.cancel()
            await asyncio.wait((running,), timeout=SETTLED_S)
            return None
        if running.cancelled():
            return None
        error = running.exception()
        if error is None:
            return running.result()
        if not isinstance(error, V2GError):
            self.out.add("unseen", f"the vehicle's run raised {type(error).__name__}")
        return None

    async def settled(self) -> None:
        """Until the station's session is over, too."""
        until = self.loop.time() + SETTLED_S
        while self.server.state is ServiceState.IN_SESSION:
            if self.loop.time() > until:
                self.out.add("stuck", "the station's session does not end")
                return
            await asyncio.sleep(0.02)

    # -- what must hold
    # -----------------------------------------------------------------------------------------

    def prevented(self, role: str) -> bool:
        """The port does not let this side's contactors be opened."""
        case = self.case
        way = case.way
        return (
            case.role == role
            and case.place == "contactors.open"
            and (way.prevents or way.lies)
            and way.times > 1
        )

    def closed(self, role: str) -> bool:
        self.plant.station.advance(self.plant.clock())
        self.plant.vehicle.advance(self.plant.clock())
        return self.plant.closed(role)

    def judge_result(self, result: SessionResult | None, role: str) -> None:
        if result is None:
            return
        if result.safe and self.closed(role):
            self.out.add("dishonest", f"{role}: safe, with contactors closed: {result.ended}")
        if result.safe and abs(self.plant.current_a) >= self.plant.no_current_a:
            self.out.add("dishonest", f"{role}: safe, with {self.plant.current_a:.0f} A")
        if result.ended.reason is EndReason.INTERNAL_ERROR or result.error is not None:
            self.out.add("blamed", f"{role}: {result.ended} {result.error!r}")

    def judge_plant(self) -> None:
        for role in ("secc", "evcc"):
            if self.closed(role) and not self.prevented(role):
                self.out.add("unsafe", f"{role}: contactors stay closed")
        if abs(self.plant.current_a) >= self.plant.no_current_a:
            self.out.add("unsafe", f"{self.plant.current_a:.0f} A flow")

    def judge_times(self) -> None:
        """What makes safe was asked for soon after the fault."""
        for side in (self.secc, self.evcc):
            since = side.fault_at if side.fault_at is not None else side.ended_at
            if since is None:
                continue
            slow = BLOCK_S * 3 if self.case.way.name.startswith("blocks") else 0.0
            for call, at in side.asked_since_energised(since).items():
                if at > since + SOON_S + slow:
                    late = "never" if math.isinf(at) else f"after {at - since:.1f} s"
                    self.out.add("unsafe", f"{side.role}: {call} was asked for {late}")

    # -- the whole
    # ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        case, server = self.case, self.server
        if case.phase == "before":
            self.bad.armed = True
        await self._open()
        mine = await self.charge()
        before = len(server.results)
        self.judge_result(mine, "evcc")
        await self.settled()
        self.judge_result(server.results[-1] if before or server.results else None, "secc")
        await asyncio.sleep(SOON_S)
        self.judge_times()
        # Then nobody can see what happens between sessions.
        lies = (case.place == "contactors.closed" and case.way.lies) or (
            case.place == "pad.present" and case.way.name == "has zeros"
        )
        if case.phase == "idle" and not lies:
            self.bad.enter("idle")
            self._disturb_idle()
            await asyncio.sleep(3.0)
        self.judge_plant()
        if server.state is ServiceState.OUT_OF_SERVICE and not server.out_of_service_because:
            self.out.add("unserved", "out of service, and nobody says why")
        self.out.hit = bool(self.bad.hits)
        self.bad.cure()
        await self._serve_next()

    def _disturb_idle(self) -> None:
        """Between sessions something is on that nobody asked for."""
        station = self.plant.station
        if self.case.family is Family.WPT:
            station.circuit.told_w = station.circuit.taken_w = 3_000.0
        else:
            station.outlet.request_close(station.circuit.time)

    async def _open(self) -> None:
        try:
            await self.server.open()
        except V2GError:
            self.out.refused = True
            self.out.hit = True
            self.bad.armed = False
            await self.server.open()

    async def _serve_next(self) -> None:
        server = self.server
        if self.closing is not None:
            await asyncio.wait((self.closing,), timeout=CLOSED_S)
            if not self.closing.done():
                self.out.add("stuck", "the server does not close")
            await server.open()
        server.back_in_service()
        until = self.loop.time() + SERVED_S
        while server.state is not ServiceState.AVAILABLE:
            if self.loop.time() > until:
                self.out.add("unserved", f"{server.state}: {server.out_of_service_because}")
                return
            await asyncio.sleep(0.1)
        result = await self.charge()
        await self.settled()
        if (
            result is not None
            and result.ended.reason is EndReason.CONTACTOR_FAILED
            and self.case.role == "evcc"
        ):
            # Its contactors were left closed, and nobody looks between the sessions of a vehicle: it was
            # refused, and they are open now.
            result = await self.charge()
            await self.settled()
        elif result is not None and self.case.role == "evcc" and "has not ended" in result.ended.detail:
            # A call that energises hangs on, and no session may begin while it does.
            await asyncio.sleep(STUBBORN_S)
            result = await self.charge()
            await self.settled()
        if result is None or result.ended.reason is not EndReason.STOPPED_BY_EV:
            self.out.add("unserved", f"the next vehicle: {result.ended if result else None}")

    async def close(self) -> None:
        began = self.loop.time()
        try:
            async with asyncio.timeout(2 * CLOSED_S):
                if self.running is not None and not self.running.done():
                    await asyncio.wait((self.running,))
                await self.server.close()
        except TimeoutError:
            self.out.add("stuck", "the server does not close")
        if self.loop.time() - began > CLOSED_S:
            self.out.add("stuck", f"the server takes {self.loop.time() - began:.1f} s to close")
        self.out.hit = self.out.hit or bool(self.bad.hits)
        await asyncio.sleep(0.1)
        self.judge_plant()


async def trial(case: Case, out: Outcome, edition: str = ISO20) -> None:
    """Try it. What is found is in ``out``, even where the case ends the program before this is over."""
    here = Trial(case, out, edition)
    # Not gathered: CPython 3.12.1 loses the end of a gathering that eager tasks made.
    plant = here.plant
    following = [asyncio.create_task(part.follow()) for part in (plant._station_ports, plant._vehicle_ports)]
    try:
        await here.run()
    finally:
        await here.close()
        for task in following:
            task.cancel()
        await asyncio.wait(following)
