"""Who has the hardware of a connector or an inlet now, and the calls that energise which an earlier one has
left behind.

A coroutine that does not care about being cancelled, or waits for a thread, may end long after its session.
What it switches on then concerns whoever has the hardware by that time, and nobody else may ask for anything
under his load.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

    from .calls import Call

__all__ = ["Hold"]


class Hold:
    """From when it is made until ``close``: the hold on these ports, which belong to one connector or inlet.

    ``ended_late`` gets the name of a call that an earlier hold on one of these ports left
    behind, when that has ended.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ports: Iterable[object],
        ended_late: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._ports = tuple(port for port in ports if port is not None)
        self._ended_late = ended_late
        self._number = next(_numbers)
        _holds.add(self)

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Names of the calls that energise and that earlier holds have left behind, not ended yet."""
        left = _left.get(self._loop, ())
        return tuple(call.name for hold, call in left if hold is not self and hold._shares(self))

    def close(self, under_way: Iterable[Call]) -> None:
        """The hold is over. ``under_way``: its calls that energise and have not ended; ``ended`` is to be
        told when they have."""
        _holds.discard(self)
        _left.setdefault(self._loop, []).extend((self, call) for call in under_way)

    def ended(self, call: Call) -> None:
        """A call that energises ended after ``close``: that is told to whoever has the hardware now, and to
        this hold if nobody has."""
        left = _left.get(self._loop, [])
        left[:] = [(hold, one) for hold, one in left if one is not call]
        heirs = [hold for hold in tuple(_holds) if hold._loop is self._loop and hold._shares(self)]
        max(heirs, key=lambda hold: hold._number, default=self)._ended_late(call.name)

    def _shares(self, other: Hold) -> bool:
        """By identity: a port need not be comparable."""
        return any(port is one for port in self._ports for one in other._ports)


_numbers: Final = itertools.count()
_holds: Final[weakref.WeakSet[Hold]] = weakref.WeakSet()
_left: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[tuple[Hold, Call]]]] = (
    weakref.WeakKeyDictionary()
)
"""By loop: on one that is closed nothing ends any more."""
