"""What came of a use of a private key, which a session asks for and does not do itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iso15118.vocabulary import Event

if TYPE_CHECKING:
    from .actions import UseKey

__all__ = ["KeyUsed"]


class KeyUsed(Event, frozen=True):
    """What came of the ``UseKey`` of this ``number``: what its work returned, or the ``error`` that it
    raised, which never ends a session by itself. An answer that nobody waits for any more is ignored."""

    number: int
    result: Any = None
    error: Exception | None = None

    @classmethod
    def of(cls, action: UseKey) -> KeyUsed:
        """Do the work here and now, however long it takes, and say what came of it."""
        try:
            return cls(action.number, action.work())
        except Exception as error:
            return cls(action.number, error=error)

    def __repr__(self) -> str:
        return f"KeyUsed({self.number}, {'done' if self.error is None else f'error={self.error!r}'})"
