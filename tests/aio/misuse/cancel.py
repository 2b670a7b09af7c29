"""``python -m tests.aio.misuse.cancel [--count 500] [--seed N]``: something is cancelled at a random point
of a session, once or often.

What is cancelled: the server's ``close``, the vehicle's ``run``, one task of any kind, all tasks at once, or
all of them because the program ends in mid-session. Contactors must open and the current must go, and nothing
may take longer than its bound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iso15118.aio.service import ServiceState
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests import clock

from .cases import CALLBACK, Case
from .trial import CLOSED_S, SETTLED_S, Outcome, Trial
from .ways import Way

__all__ = ["Cancellation", "cancellations", "run"]

WHAT = (
    "close",
    "close, cancelled",
    "vehicle",
    "one task",
    "all tasks",
    "end of the program",
    "end while it is made safe",
)
STEPS = 400
"""Calls of both sessions in one charge, about."""
NOTHING = Case(
    "secc", f"{CALLBACK}.none", None, Way("is as it should be", lambda real, hands, place: real), "never"
)


@dataclass(frozen=True)
class Cancellation:
    """``what`` is cancelled at the ``at``-th step, ``again`` times more, each so
    many turns of the loop later."""

    what: str
    at: int
    again: int
    turns: int
    seed: int

    def __str__(self) -> str:
        return f"{self.what} at step {self.at}, {self.again} times more every {self.turns} turns, seed {self.seed}"


def cancellations(count: int, seed: int) -> list[Cancellation]:
    """So many, by chance."""
    chance = random.Random(seed)
    return [
        Cancellation(
            WHAT[number % len(WHAT)],
            chance.randint(1, STEPS),
            chance.choice((0, 0, 1, 2, 5)),
            chance.choice((0, 1, 3, 20)),
            chance.randrange(1_000_000),
        )
        for number in range(count)
    ]


class Cancelling(Trial):
    """A trial in which no port misbehaves, and something is cancelled."""

    def __init__(self, one: Cancellation, out: Outcome) -> None:
        super().__init__(NOTHING, out)
        self.one, self.steps = one, 0
        self.chance = random.Random(one.seed)
        self.reached = self.loop.create_future()
        for side in (self.secc, self.evcc):
            side.watch = self._counting(side.watch)  # type: ignore[method-assign]  # for this trial
        self.server.sessions.watch = self.secc.watch
        self.safe_is_asked = self.loop.create_future()

    def _counting(self, watch: Callable[..., list[act.Action]]) -> Callable[..., list[act.Action]]:
        def count(event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
            self.steps += 1
            if self.steps >= self.one.at and not self.reached.done():
                self.reached.set_result(None)
            if (
                any(isinstance(action, act.OpenContactors) for action in actions)
                and not self.safe_is_asked.done()
            ):
                self.safe_is_asked.set_result(None)
            return watch(event, actions, now)

        return count

    async def run(self) -> None:
        await self.server.open()
        where = self.server.interface
        port = next(iter(self.server.ports.values()))
        client = self.client()
        self.running = self.loop.create_task(client.run((where.address, port)))
        what = self.one.what
        first = self.safe_is_asked if what == "end while it is made safe" else self.reached
        if first is self.safe_is_asked:
            self.server.emergency_shutdown("misuse") if self.chance.random() < 0.3 else None
        await asyncio.wait((first, self.running), return_when=asyncio.FIRST_COMPLETED)
        if what.startswith("end"):
            return
        if what.startswith("close"):
            self.closing = self.loop.create_task(self.server.close())
        await self._cancel(what)
        for _ in range(self.one.again):
            for _ in range(self.one.turns):
                await asyncio.sleep(0)
            await self._cancel(what)
        await self._over()

    async def _cancel(self, what: str) -> None:
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine and task.get_name() != "plant"]
        if what == "close, cancelled" and self.closing is not None:
            self.closing.cancel()
        elif what == "vehicle" and self.running is not None:
            self.running.cancel()
        elif what == "one task" and tasks:
            self.chance.choice(sorted(tasks, key=lambda task: task.get_name())).cancel()
        elif what == "all tasks":
            for task in tasks:
                task.cancel()

    async def _over(self) -> None:
        waiting = {task for task in (self.running, self.closing) if task is not None}
        _, late = await asyncio.wait(waiting, timeout=SETTLED_S)
        if late:
            self.out.add("stuck", f"{[task.get_name() for task in late]}")
        until = self.loop.time() + SETTLED_S
        while self.server.state is ServiceState.IN_SESSION:
            if self.loop.time() > until:
                self.out.add("stuck", "the station's session does not end")
                return
            await asyncio.sleep(0.05)

    def judge(self) -> None:
        """When the program is over."""
        self.judge_plant()
        for side in (self.secc, self.evcc):
            for call, at in side.asked_since_energised(float("inf")).items():
                if at == float("inf"):
                    self.out.add("unsafe", f"{side.role}: {call} was never asked for")


async def _whole(one: Cancellation, out: Outcome, made: list[Cancelling]) -> None:
    here = Cancelling(one, out)
    made.append(here)
    asyncio.create_task(here.plant.follow(), name="plant")  # noqa: RUF006 - ends with the loop
    try:
        await here.run()
    finally:
        if one.what.startswith("end") and one.again == 0:
            pass  # nobody closes anything: the loop's own end cancels it all
        else:
            began = here.loop.time()
            try:
                await here.server.close()
            finally:
                if here.loop.time() - began > CLOSED_S:
                    out.add("stuck", f"the server takes {here.loop.time() - began:.1f} s to close")


def attempt(one: Cancellation, factory: Any = None) -> Outcome:
    """Try it in a loop of its own; judged when that has ended."""
    out, made = Outcome(NOTHING), list[Cancelling]()
    try:
        if factory is None:
            clock.run(_whole(one, out, made))
        else:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(_whole(one, out, made))
    except asyncio.CancelledError:
        pass
    except BaseException as error:
        out.add("unseen", f"the program raised {type(error).__name__}: {error}")
    for here in made:
        here.judge()
    return out


def run(count: int, seed: int) -> Counter[str]:
    """Try so many; failures as lines of JSON. Gives the counts."""
    counts: Counter[str] = Counter()
    for one in cancellations(count, seed):
        out = attempt(one)
        counts["cancellations"] += 1
        counts[one.what] += 1
        for kind in {kind for kind, _ in out.problems}:
            counts[kind] += 1
        for kind, what in dict.fromkeys(out.problems):
            print(json.dumps({"failed": str(one), "kind": kind, "what": what}), flush=True)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.aio.misuse.cancel", description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.getLogger("iso15118").setLevel(logging.CRITICAL + 1)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = run(given.count, given.seed)
    print(json.dumps(counts))
    return 1 if any(counts[kind] for kind in ("unsafe", "stuck", "unseen", "dishonest", "blamed")) else 0


if __name__ == "__main__":
    sys.exit(main())
