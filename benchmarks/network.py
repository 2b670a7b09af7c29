"""Charge-loop pairs and whole sessions over TCP and mutual TLS 1.3, both ends in this process;
beside them a bare TLS echo."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from iso15118.aio.results import SessionResult
from iso15118.messages.iso20.dc import DCChargeLoopReq

from .echo import Rate, echo_rate
from .ends import Ends, Trust
from .figure import Figure, Scale, median

__all__ = ["run", "session_costs"]

_EXCHANGES = 33
_AFTER_THE_LOOP = 5  # stop of the power, welding detection, end of the session
_CASE = "TCP and TLS, both ends in one process"


def run(scale: Scale) -> Iterator[Figure]:
    """Echo, rate, their ratio, CPU of a session."""
    trust = Trust.make()
    echo = echo_rate(trust.pki, scale.pairs)
    yield Figure(
        figure="tls-echo-pairs",
        case="bare asyncio, both ends in one process",
        value=echo.pairs_per_s,
        unit="pairs/s",
        more_is_better=True,
        details={"pairs": scale.pairs, "cpu_us_per_pair": echo.cpu_us_per_pair},
    )
    rate = asyncio.run(_charge_loops(trust, scale.pairs))
    yield Figure(
        figure="charge-loop-pairs",
        case=_CASE,
        value=rate.pairs_per_s,
        unit="pairs/s",
        aim=8_000.0,
        more_is_better=True,
        details={"pairs": scale.pairs, "cpu_us_per_pair": rate.cpu_us_per_pair},
    )
    yield Figure(
        figure="charge-loop-to-echo",
        case=_CASE,
        value=rate.pairs_per_s / echo.pairs_per_s,
        unit="ratio",
        more_is_better=True,
        details={"echo_pairs_per_s": echo.pairs_per_s},
    )
    results, cpu = asyncio.run(session_costs(trust, scale.sessions))
    yield Figure(
        figure="session-cpu",
        case=_CASE,
        value=median(cpu) * 1e3,
        unit="ms",
        aim=30.0,
        details={
            "exchanges": results[-1].exchanges,
            "charge_loops": results[-1].charge_loops,
            "least_ms": min(cpu) * 1e3,
            "most_ms": max(cpu) * 1e3,
            "sessions": len(cpu),
        },
    )


async def _charge_loops(trust: Trust, pairs: int) -> Rate:
    """The rate in the middle of one session, as fast as it goes."""
    requests, warm_up = 0, pairs // 10 + 1
    wall, cpu = [0.0, 0.0], [0.0, 0.0]

    def enough(message: Any) -> bool:
        nonlocal requests
        if type(message) is DCChargeLoopReq:
            requests += 1
            if requests in (warm_up, warm_up + pairs):
                mark = int(requests > warm_up)
                wall[mark], cpu[mark] = time.perf_counter(), time.process_time()
        return requests == warm_up + pairs

    async with Ends(trust, loop_interval_s=0.0) as ends:
        await ends.session(enough)
    return Rate(pairs / (wall[1] - wall[0]), (cpu[1] - cpu[0]) / pairs * 1e6)


async def session_costs(trust: Trust, sessions: int) -> tuple[list[SessionResult], list[float]]:
    """Whole sessions one after another, from connecting to the closed connection: results,
    and the CPU of both ends in s.

    One more is run first and not counted: whatever is loaded at first use is loaded then.
    """
    results: list[SessionResult] = []
    cpu: list[float] = []
    async with Ends(trust, loop_interval_s=0.01) as ends:
        for _ in range(sessions + 1):
            sent = 0

            def enough(message: Any) -> bool:
                nonlocal sent
                sent += 1
                return type(message) is DCChargeLoopReq and sent >= _EXCHANGES - _AFTER_THE_LOOP

            began = time.process_time()
            results.append(await ends.session(enough))
            cpu.append(time.process_time() - began)
    return results[1:], cpu[1:]
