"""A loop for coroutines on a virtual clock, small enough to see that no event loop is needed by the ports."""

from __future__ import annotations

import heapq
from collections.abc import Coroutine, Generator
from typing import Any


class _Sleep:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self.seconds


class VirtualLoop:
    """Runs coroutines that await nothing but ``sleep``; time jumps from one wake-up to the next."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self._turn = 0
        self._waiting: list[tuple[float, int, Coroutine[Any, None, Any]]] = []
        self.results: dict[int, Any] = {}

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await _Sleep(seconds)

    def start(self, coroutine: Coroutine[Any, None, Any]) -> int:
        """Run it from now on; its result or exception appears in ``results`` under the returned number."""
        self._turn += 1
        heapq.heappush(self._waiting, (self.now, self._turn, coroutine))
        return self._turn

    def run_until(self, time: float) -> None:
        while self._waiting and self._waiting[0][0] <= time:
            at, number, coroutine = heapq.heappop(self._waiting)
            self.now = max(self.now, at)
            try:
                seconds = coroutine.send(None)
            except StopIteration as stop:
                self.results[number] = stop.value
            except Exception as error:
                self.results[number] = error
            else:
                heapq.heappush(self._waiting, (self.now + seconds, number, coroutine))
        self.now = max(self.now, time)

    def finish(self, coroutine: Coroutine[Any, None, Any], *, within_s: float) -> Any:
        """The result of ``coroutine``; it must end within that time."""
        number = self.start(coroutine)
        until = self.now + within_s
        while number not in self.results:
            assert self._waiting[0][0] <= until, f"not finished within {within_s} s"
            self.run_until(self._waiting[0][0])
        result = self.results[number]
        if isinstance(result, Exception):
            raise result
        return result

    def cancel(self, number: int) -> None:
        """As an event loop cancels: the coroutine is closed where it waits."""
        for entry in list(self._waiting):
            if entry[1] == number:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
                entry[2].close()
