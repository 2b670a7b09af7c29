"""The firmware of a charger's power board, with the hardware behind it: a supply that ramps, contactors
that take time, a control pilot.

It stands for the micro-controller that a charger has beside its main processor, so that `charger.py` can be
run without one. The two speak lines of text over a socket, where a product has a UART or CAN. The board keeps
what is dangerous to itself: it opens the contactors when the heartbeat of the main processor stays away for
0.5 s, and when the main processor goes away.

    python board.py SOCKET [SECONDS WITHOUT HEARTBEAT]
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from pathlib import Path

STEP_S = 0.005
"""How often the board computes and measures."""
TELEMETRY_S = 0.02
"""How often it tells what it measures."""
BEAT_WITHIN_S = 0.5
"""The heartbeat that it waits for, and then opens."""

RAMP_V_PER_S = 1_000.0
RAMP_A_PER_S = 200.0
CLOSES_S = 0.06
CABLE_OHM = 0.05
INSULATION_OHM = 5e6
TEST_S = 0.2
"""How long the insulation monitor measures at the test voltage."""


class Board:
    """State of the hardware. ``command`` takes a line of the main processor, ``step`` lets time pass,
    ``line`` is what is measured."""

    def __init__(self, beat_within_s: float = BEAT_WITHIN_S) -> None:
        self.beat_within_s = beat_within_s
        self.output_v = self.current_a = 0.0
        self.wanted_v = self.wanted_a = 0.0
        self.closed, self.moving, self.closes_at = False, False, 0.0
        self.battery_v = 0.0
        self.charged_wh = 0.0
        self.pilot_percent = 100.0
        self.pilot_state = "A"
        self.test_v, self.test, self.test_number, self.tested_at = 0.0, "none", 0, 0.0
        self.now = self.beaten_at = 0.0
        self.said: list[str] = []

    def command(self, line: str) -> None:
        """Carry out one line. What is no command switches everything off: a line that is
        garbled may have been "open"."""
        word, *values = line.split() or [""]
        try:
            numbers = [float(value) for value in values]
            if not all(map(math.isfinite, numbers)):
                raise ValueError("no number")
            if word == "beat":
                self.beaten_at = self.now
            elif word == "close":
                self.moving, self.closes_at = True, self.now + CLOSES_S
            elif word == "open":
                self.open("asked for")
            elif word == "pre-charge":
                self.end_test()
                (self.wanted_v, _), self.wanted_a = numbers, 0.0
            elif word == "set":
                self.end_test()
                volts, amperes, watts = numbers
                self.wanted_v, self.wanted_a = volts, min(amperes, watts / max(self.output_v, 1.0))
            elif word == "stop":
                self.end_test()
                self.wanted_a = self.wanted_v = 0.0
            elif word == "cut":
                self.cut()
            elif word == "test":
                number, self.test_v = numbers
                self.test, self.test_number = "rising", int(number)
            elif word == "pilot":
                (self.pilot_percent,) = numbers
            else:
                raise ValueError("no such command")
        except ValueError as error:
            self.cut()
            self.open(f"a line that is none: {line!r}: {error}")

    def open(self, because: str) -> None:
        """The contactors open; the current is taken away with them."""
        if self.closed or self.moving:
            self.said.append(f"contactors open: {because}")
        self.moving, self.closed = False, False
        self.current_a = 0.0

    def cut(self) -> None:
        """No current and no voltage, at once."""
        self.end_test()
        self.wanted_a = self.wanted_v = self.current_a = 0.0

    def end_test(self) -> None:
        """A test under way is given up: nobody may wait for it, and its voltage falls."""
        if self.test in ("rising", "measuring", "falling"):
            self.test, self.wanted_v = "failed", 0.0

    def step(self, passed_s: float) -> None:
        """Let this much time pass."""
        self.now += passed_s
        self._pilot()
        if self.now - self.beaten_at > self.beat_within_s and (
            self.closed or self.moving or self.output_v > 60.0
        ):
            self.cut()
            self.open("the heartbeat stays away")
        if self.moving and self.now >= self.closes_at:
            self.moving, self.closed, self.battery_v = False, True, self.output_v
            self.said.append("contactors closed")
        self._test()
        if self.closed:
            self.current_a = towards(self.current_a, self.wanted_a, RAMP_A_PER_S * passed_s)
            self.output_v = self.battery_v + CABLE_OHM * self.current_a
            self.charged_wh += self.output_v * self.current_a * passed_s / 3600.0
        else:
            goal = self.test_v if self.test in ("rising", "measuring") else self.wanted_v
            self.output_v = towards(self.output_v, goal, RAMP_V_PER_S * passed_s)

    def _pilot(self) -> None:
        """A resistor box stands for the vehicle: plugged in from the start, and ready as soon
        as the station offers 5 %."""
        driven = self.pilot_percent >= 0.0  # state F is told as -1
        self.pilot_state = "F" if not driven else "C" if self.pilot_percent == 5.0 else "B"

    def _test(self) -> None:
        if self.test == "rising" and self.output_v >= self.test_v:
            self.test, self.tested_at = "measuring", self.now + TEST_S
        elif self.test == "measuring" and self.now >= self.tested_at:
            self.test, self.wanted_v = "falling", 0.0
        elif self.test == "falling" and self.output_v < 60.0:
            self.test = "done"

    def line(self) -> str:
        """One line of telemetry. What became of a test is told with its number: a line may have been on its
        way since the test before."""
        return (
            f"{self.output_v:.2f} {self.current_a:.2f} {self.closed:d} {self.pilot_state} "
            f"{self.test_number}:{self.test} "
            f"{INSULATION_OHM:.0f} {self.charged_wh:.3f}\n"
        )


def towards(value: float, wanted: float, step: float) -> float:
    """``wanted``, or as far as ``step`` goes."""
    return value + max(min(wanted - value, step), -step)


async def serve(path: Path, beat_within_s: float) -> None:
    """One main processor after the other, until interrupted."""
    board = Board(beat_within_s)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        print("board: the main processor is there", flush=True)
        board.beaten_at = board.now

        async def tell() -> None:
            while True:
                writer.write(board.line().encode())
                await writer.drain()
                await asyncio.sleep(TELEMETRY_S)

        telling = asyncio.create_task(tell())
        try:
            while line := await reader.readline():
                board.command(line.decode("ascii", "replace").strip())
        except (ValueError, ConnectionError) as error:  # a line without end; a processor that was reset
            print(f"board: {error}", flush=True)
        finally:
            board.cut()
            board.open("the main processor is gone")
            board.pilot_percent = 100.0
            telling.cancel()
            writer.close()

    server = await asyncio.start_unix_server(talk, path)
    print(f"board: ready at {path}", flush=True)
    loop = asyncio.get_running_loop()
    async with server:
        then = loop.time()
        while True:
            await asyncio.sleep(STEP_S)
            now = loop.time()
            board.step(min(now - then, 0.1))
            then = now
            while board.said:
                print(f"board: {board.said.pop(0)}", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        path, *rest = sys.argv[1:]
        asyncio.run(serve(Path(path), float(rest[0]) if rest else BEAT_WITHIN_S))
