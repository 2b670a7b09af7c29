"""Uses of private keys: each in a thread of its own, since a token that takes its time, or hangs, must not
hold up the loop that guards the hardware.

How long is waited for one is the session's business; a thread that hangs is left behind, and ends
with the process at the latest.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from iso15118.errors import PkiError
from iso15118.session import events as ev

from .guard import describe

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from iso15118.session import actions as act

__all__ = ["KeyCalls"]


class KeyCalls:
    """The private keys of one session; ``tell`` gets what came of each use."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[ev.Event], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._closed = False

    def use(self, action: act.UseKey) -> None:
        """Begin to use a key; at most one thread more than those that hang already."""
        thread = threading.Thread(
            target=self._work, args=(action,), name=f"iso15118 key: {action.purpose}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # there are too many
            self._done(ev.KeyUsed(action.number, error=error))

    def close(self) -> None:
        """Nobody wants to know any more."""
        self._closed = True

    def _work(self, action: act.UseKey) -> None:
        try:
            used = ev.KeyUsed.of(action)
        except BaseException as error:  # a library that wants the program to end ends its own work
            used = ev.KeyUsed(action.number, error=PkiError(f"a key raised {describe(error)}"))
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(partial(self._done, used))

    def _done(self, used: ev.KeyUsed) -> None:
        if not self._closed:
            self._tell(used)
