"""A thread that writes what others must not wait for: lines of a log, lines for a terminal.

The loop that guards the contactors hands them over and goes on; only the thread ever waits for a
handler, a pipe or a full disk.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["AT_EXIT_S", "WriterThread"]

AT_EXIT_S: Final = 1.0
"""How long the end of the program waits for what was not written yet."""
_MOST_WAITING: Final = 10_000
"""Items that may wait to be written; what comes beyond them is counted and dropped."""

Item = TypeVar("Item")


class WriterThread(Generic[Item]):
    """Calls ``write`` for each item, in order, on a daemon thread that is made with the first one; at the end
    of the program what waits is written, or given up. One for the life of a process: a child process after a
    fork has a thread of its own, and nothing to write.

    ``name``: of the thread. ``write`` may raise anything: that costs its item. No method
    raises or waits, but ``flush``.
    """

    def __init__(self, name: str, write: Callable[[Item], object]) -> None:
        self._name, self._write = name, write
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.flush)

    def _begin(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Item] | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._dropped = self._failed = 0

    @property
    def lost(self) -> int:
        """How many items were not written: they were too many, or writing them failed."""
        return self._dropped + self._failed

    @property
    def idle(self) -> bool:
        """Nothing waits."""
        return self._waiting.empty()

    def taken_dropped(self) -> int:
        """How many were dropped because too many waited, since this was asked last."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def put(self, item: Item) -> None:
        """Write this when its turn comes."""
        if self._waiting.qsize() >= _MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.put((item,))
        if self._thread is None:
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads on this machine, or the interpreter ends
                return
            self._thread = thread

    def flush(self, timeout_s: float = AT_EXIT_S) -> bool:
        """Wait until what was put so far is written. False if that takes longer than ``timeout_s``."""
        if self._thread is None:
            return True
        written = threading.Event()
        self._waiting.put(written)
        return written.wait(timeout_s)

    def _work(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            try:
                self._write(item[0])
            except BaseException:  # whatever a handler or a stream, or what stands in its place, may raise
                self._failed += 1
