"""From which thread something is called: steps that make hardware safe run on the thread of the event loop,
and on no other one, since asyncio keeps one current task for each loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from iso15118.errors import MisuseError

__all__ = ["LoopThread"]


class LoopThread:
    """The event loop that its owner lives in, from ``enter`` to ``leave``, and the thread of that loop."""

    __slots__ = ("_thread", "loop")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """The owner lives in this loop from now on; to be called on its thread."""
        self.loop, self._thread = loop, threading.get_ident()

    def leave(self) -> None:
        """The owner lives in no loop."""
        self.loop = None

    @property
    def elsewhere(self) -> bool:
        """This is another thread than that of the loop, which there is."""
        return self.loop is not None and threading.get_ident() != self._thread

    def do(self, call: Callable[[], object]) -> None:
        """Make this call on the loop's thread: at once from there, or while there is no loop; in its next
        turn from another thread."""
        loop = self.loop
        if loop is None or threading.get_ident() == self._thread:
            call()
            return
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:  # that loop is closed, and nobody entered another one
            call()

    def need(self, what: str) -> None:
        """Raises ``MisuseError`` that names ``what`` on another thread than that of the loop."""
        if self.elsewhere:
            raise MisuseError(
                f"{what} was called from another thread than that of its event loop: "
                f"use loop.call_soon_threadsafe({what}, ...)"
            )
