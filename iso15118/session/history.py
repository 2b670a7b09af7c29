"""The states that a session went through, bounded: a peer that goes round in circles
for days costs no memory."""

from __future__ import annotations

from typing import Final

__all__ = ["MOST_STATES", "StateHistory"]

MOST_STATES: Final = 1000
"""A session that goes through every state once has 16; each renegotiation adds a few."""
_FIRST_KEPT: Final = MOST_STATES // 2


class StateHistory(list[str]):
    """A list that keeps its first and its last 500 entries."""

    def append(self, state: str) -> None:
        """Enter a state."""
        if len(self) >= MOST_STATES:
            del self[_FIRST_KEPT]
        super().append(state)
