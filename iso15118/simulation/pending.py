"""What one side of the plant has to do later: named entries, each with the plant time at which it happens.

An entry of the same name replaces the earlier one; the circuit carries them out in the order of their times.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Agenda"]


class Agenda:
    """Named things to do. ``due`` is the time of the first, None when there is none."""

    def __init__(self) -> None:
        self.due: float | None = None
        self._entries: dict[str, tuple[float, Callable[[], None]]] = {}

    def put(self, name: str, time: float, what: Callable[[], None]) -> None:
        """Do ``what`` at ``time``, in place of an earlier entry of that name."""
        self._entries[name] = (time, what)
        self._find_due()

    def drop(self, name: str) -> bool:
        """Forget this entry. True if there was one."""
        found = self._entries.pop(name, None) is not None
        self._find_due()
        return found

    def act(self, time: float, current_a: float) -> None:
        """Do the first entry, which is due at ``time``; the current that flows does not matter to it."""
        if self._entries:
            name = min(self._entries, key=lambda entry: self._entries[entry][0])
            _, what = self._entries.pop(name)
            self._find_due()
            what()

    def _find_due(self) -> None:
        self.due = min((time for time, _ in self._entries.values()), default=None)
