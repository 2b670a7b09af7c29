"""Named deadlines of a link machine: a table keyed by an enumeration, in whose order
those of one moment fire."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Generic, TypeVar

__all__ = ["Deadlines", "earliest"]

K = TypeVar("K", bound=Enum)


class Deadlines(Generic[K]):
    """The timers that run now. Setting one that runs moves it."""

    __slots__ = ("_due", "_order")

    def __init__(self, names: type[K]) -> None:
        self._order = {name: place for place, name in enumerate(names)}
        self._due: dict[K, float] = {}

    def set(self, name: K, deadline: float) -> None:
        """Let ``name`` fire at ``deadline``."""
        self._due[name] = deadline

    def clear(self, *names: K) -> None:
        """Stop these; those that do not run are no error."""
        for name in names:
            self._due.pop(name, None)

    def clear_all(self) -> None:
        """Stop every timer."""
        self._due.clear()

    def __contains__(self, name: object) -> bool:
        return name in self._due

    def of(self, name: K) -> float | None:
        """When ``name`` fires; None if it does not run."""
        return self._due.get(name)

    @property
    def earliest(self) -> float | None:
        """The next deadline."""
        return min(self._due.values(), default=None)

    def pop(self, now: float) -> K | None:
        """The first timer that is due at ``now``, which no longer runs afterwards. One at a time: what the
        first one starts or stops decides about the others."""
        due = [name for name, at in self._due.items() if at <= now]
        if not due:
            return None
        first = min(due, key=lambda name: (self._due[name], self._order[name]))
        del self._due[first]
        return first


def earliest(deadlines: Iterable[float | None]) -> float | None:
    """The next of several deadlines, of which some may be None."""
    return min((deadline for deadline in deadlines if deadline is not None), default=None)
