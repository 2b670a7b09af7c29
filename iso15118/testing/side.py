"""One end of a connector under a virtual clock: its connection, what it charges with,
and what it has been told."""

from __future__ import annotations

from iso15118.connector import Phase
from iso15118.connector.machine import Connector
from iso15118.session.actions import Action
from iso15118.testing.basic import BasicEnd

__all__ = ["Side"]


class Side:
    """One end: its connection, and the numbers of its connections."""

    def __init__(self, name: str, machine: Connector) -> None:
        self.name, self.machine = name, machine
        self.number = 0
        self.told_over = self.told_closed = True
        self.over_at: float | None = None
        self.basic: BasicEnd | None = None
        """While it charges by the duty cycle, or the last time that it did."""
        self.journal: list[tuple[float, Action]] = []
        """What the connection asked for and said, frames left out."""

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self.machine.phase

    @property
    def charges_basic(self) -> bool:
        """The hardware is in the hands of basic charging."""
        return self.basic is not None and not self.told_closed
