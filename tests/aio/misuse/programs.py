"""``python -m tests.aio.misuse.programs [--count 200] [--seed N]``: programs that end at random moments, and
how they leave the hardware.

This process has everything loaded and forks each program; the child writes what its ports were
told into memory that both have.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .ends import ENDS, ROLES, TAKE_THE_LOOP, Memory, Program, live

__all__ = ["Ended", "programs", "run"]

LONGEST_S = 60.0
"""What a program may take, without the time in which it waited for the processor."""
AT_A_TIME = 4


@dataclass
class Running:
    """One that has been started."""

    program: Program
    memory: Memory
    pid: int
    began: float

    @property
    def had_s(self) -> float:
        """Seconds since it began, less those in which the machine did not let it run."""
        waited_ns = int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1])
        return time.monotonic() - self.began - waited_ns / 1e9


@dataclass
class Ended:
    """How it ended; ``wrong`` is empty if nothing was left as it must not be."""

    program: Program
    powered: bool
    wrong: list[str]


def programs(count: int, seed: int) -> list[Program]:
    """So many, every way to end in turn, its moment by chance."""
    chance = random.Random(seed)
    return [
        Program(
            ENDS[number % len(ENDS)],
            chance.choice((0.0, chance.uniform(0.0, 0.1), chance.uniform(0.0, 0.5))),
            chance.choice((0.0, 0.005, 0.02, 0.1, 0.3)),
            chance.random() < 0.4,
        )
        for number in range(count)
    ]


def start(program: Program) -> Running:
    """Fork it."""
    memory = Memory()
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid == 0:
        _be(program, memory)
    return Running(program, memory, pid, time.monotonic())


def _be(program: Program, memory: Memory) -> None:
    """The child: never comes back."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        live(program, memory)
    except BaseException:
        os._exit(1)
    os._exit(0)


def beside(program: Program, role: str) -> bool:
    """``run_station`` and ``run_vehicle`` hold signals back until the hardware that they drive is safe. The
    other side, which is in the same program here alone, is asked to open; another signal may end it then."""
    return program.end.startswith({"secc": "run_vehicle, SIG", "evcc": "run_station, SIG"}[role])


def end_of(running: Running) -> Ended | None:
    """What became of it; None if it still runs."""
    pid, _ = os.waitpid(running.pid, os.WNOHANG)
    wrong: list[str] = []
    if pid == 0:
        if running.had_s < LONGEST_S:
            return None
        wrong.append("it does not end")
        os.kill(running.pid, signal.SIGKILL)
        os.waitpid(running.pid, 0)
    memory = running.memory
    for role in ROLES:
        if memory[f"closed {role}"]:
            if memory[f"open asked {role}"] and beside(running.program, role):
                continue
            asked = "asked for, and not done" if memory[f"open asked {role}"] else "not asked for"
            wrong.append(f"contactors of {role} stay closed: opening was {asked}")
    if memory["on"]:
        wrong.append(
            f"power stays on: stopping was {'asked for, and not done' if memory['stop asked'] else 'not asked for'}"
        )
    return Ended(running.program, memory["power"], wrong)


def run(count: int, seed: int) -> list[Ended]:
    """Run so many, a few at a time."""
    waiting, now, over = programs(count, seed)[::-1], list[Running](), list[Ended]()
    while waiting or now:
        while waiting and len(now) < AT_A_TIME:
            now.append(start(waiting.pop()))
        time.sleep(0.02)
        for running in tuple(now):
            ended = end_of(running)
            if ended is not None:
                now.remove(running)
                over.append(ended)
    return over


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.aio.misuse.programs", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    for ended in run(given.count, given.seed):
        counts["programs"] += 1
        counts["had power"] += ended.powered
        lost = ended.program.end in TAKE_THE_LOOP
        counts["lost its loop" if lost else "left unsafe"] += bool(ended.wrong)
        for wrong in ended.wrong:
            print(json.dumps({"lost" if lost else "failed": str(ended.program), "what": wrong}), flush=True)
    print(json.dumps(counts))
    return 1 if counts["left unsafe"] else 0


if __name__ == "__main__":
    sys.exit(main())
