"""Where ports and the application push events to, from any thread, whether a session runs or not.

Ports are given a listener once and have no way to take it back, so it outlives every session.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from iso15118.errors import MisuseError
from iso15118.session import events as ev

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Inbox"]

_NOT_FROM_HERE = (ev.Connected, ev.MessageReceived, ev.Undecodable)


class Inbox:
    """Hands events to ``deliver`` on the loop's thread.

    From that thread they are delivered at once. From another one they are handed over by
    ``call_soon_threadsafe``: an alarm that was refused because of the thread it came from would be lost. The last
    state of the signal, the last set-point and the last limits are kept, for a session that begins later.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[ev.Event], None]) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._deliver = deliver
        self.signal: ev.SignalChanged | None = None
        self.set_point: ev.SetPointChanged | None = None
        self.limits: ev.LimitsChanged | None = None

    def push(self, event: ev.Event) -> None:
        """Something happened. Raises ``MisuseError``, in the caller's thread, for what is no event, carries no
        finite number, or can only come over the connection."""
        if not isinstance(event, ev.Event) or isinstance(event, _NOT_FROM_HERE):
            raise MisuseError(f"{type(event).__name__} cannot be pushed")
        for name in event.__struct_fields__:
            value = getattr(event, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise MisuseError(f"{type(event).__name__}.{name} is {value!r}")
        if threading.get_ident() == self._thread:
            self._take(event)
        else:
            self._loop.call_soon_threadsafe(self._take, event)

    def standing(self) -> list[ev.Event]:
        """What a session that begins now has to know. Limits are not among them: it asks for those itself."""
        return [event for event in (self.signal, self.set_point) if event is not None]

    def _take(self, event: ev.Event) -> None:
        match event:
            case ev.SignalChanged():
                self.signal = event
            case ev.SetPointChanged():
                self.set_point = event
            case ev.LimitsChanged():
                self.limits = event
            case _:
                pass
        self._deliver(event)
