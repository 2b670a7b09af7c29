"""Pieces of work on several processes of this machine; one that dies or hangs
costs its own piece and no other.

``concurrent.futures`` cannot say whose piece it was that ended a process, and does not end one that hangs;
here each process has a connection of its own.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from iso15118.errors import LinkError

__all__ = ["Finished", "on_workers"]

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class Finished(Generic[I, O]):
    """What came of ``item``: its ``value``, or the ``problem`` of its process.
    ``seconds``: how long it took."""

    __slots__ = ("item", "problem", "seconds", "value")

    def __init__(self, item: I, value: O | None, problem: str, seconds: float) -> None:
        self.item, self.value, self.problem, self.seconds = item, value, problem, seconds


def on_workers(
    function: Callable[[I], O], items: Iterable[I], *, count: int, longest_s: float
) -> Iterator[Finished[I, O]]:
    """``function`` of each item, on ``count`` processes, as they get done. A process that takes longer
    than ``longest_s`` is ended.

    The function must not raise, and has to be known by name to a process that is started anew. All
    processes have ended when the iterator has, however it ends. Raises ``LinkError`` if a process ends
    before it has begun to work.
    """
    queue = deque(items)
    running: dict[Connection, _Worker[I]] = {}
    try:
        while queue or any(worker.busy for worker in running.values()):
            while queue and len(running) < count and len(running) < len(queue) + _busy(running):
                started = _Worker[I](function)
                running[started.connection] = started
            for worker in running.values():
                if queue and worker.ready and not worker.busy and worker.give(queue[0]):
                    queue.popleft()
            for connection in wait(list(running), timeout=_patience(running, longest_s)):
                worker = running[connection]  # type: ignore[index]
                answer = worker.answer()
                if answer is None:
                    del running[connection]  # type: ignore[arg-type]
                    how = worker.end()
                    if not worker.ready:
                        raise LinkError(f"a process for the work did not start: {how}")
                    for item in worker.item:
                        yield Finished(item, None, f"its process died: {how}", worker.age)
                elif answer:
                    items_done, worker.item = worker.item, ()
                    for item in items_done:
                        yield Finished(item, *answer)
            for connection, worker in list(running.items()):
                # One that has done its work meanwhile is heard in the next turn.
                if worker.busy and worker.age > longest_s and not connection.poll():
                    del running[connection]
                    worker.end()
                    for item in worker.item:
                        yield Finished(item, None, f"it took longer than {longest_s:g} s", worker.age)
    finally:
        for worker in running.values():
            worker.end()


class _Worker(Generic[I]):
    """One process. ``item``: the one that it works on; empty when it has none."""

    def __init__(self, function: Callable[[I], object]) -> None:
        # A process that shares nothing with this one: no lock that another thread holds,
        # no connection of its siblings.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.ready = False
        self.item: tuple[I, ...] = ()
        self._since = 0.0
        self._process: BaseProcess = context.Process(target=_serve, args=(theirs, function), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def busy(self) -> bool:
        return bool(self.item)

    @property
    def age(self) -> float:
        return time.monotonic() - self._since

    def give(self, item: I) -> bool:
        """Whether it was there to take it."""
        try:
            self.connection.send(item)
        except OSError:
            return False
        self.item, self._since = (item,), time.monotonic()
        return True

    def answer(self) -> tuple[Any, str, float] | tuple[()] | None:
        """Its value, no problem, and seconds; empty when it says that it is ready; None when it is gone."""
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            return None
        if not self.ready:
            self.ready = True
            return ()
        value, seconds = said
        return value, "", seconds

    def end(self) -> str:
        """End it if it has not ended; how it did."""
        with suppress(OSError):
            self.connection.close()
        self._process.join(0.5 if not self.busy else 0.05)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"signal {signal.Signals(-code).name}"
        return f"exit status {code}"


def _busy(running: dict[Connection, _Worker[I]]) -> int:
    return sum(worker.busy for worker in running.values())


def _patience(running: dict[Connection, _Worker[I]], longest_s: float) -> float | None:
    ages = [worker.age for worker in running.values() if worker.busy]
    return max(0.01, longest_s - max(ages) + 0.01) if ages else None


def _serve(connection: Connection, function: Callable[[object], object]) -> None:
    """A process: it takes one item after the other until nobody is there any more."""
    # Who interrupts the command ends it, and it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # Killed, it can end nobody: an item that takes an hour must not go on alone.
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    with suppress(EOFError, OSError):
        connection.send(True)
        while True:
            item = connection.recv()
            begun = time.monotonic()
            value = function(item)
            connection.send((value, time.monotonic() - begun))


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
