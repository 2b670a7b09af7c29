"""The vehicle's private keys in a test by hand: used at once, or when the test says so."""

from __future__ import annotations

from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.testing import Playbook

__all__ = ["Keys"]


class Keys:
    """Takes every use of a key that a session asks for in ``book``."""

    def __init__(self, book: Playbook) -> None:
        self.book = book
        self.slow = False
        """The token takes its time: uses are kept in ``waiting``."""
        self.waiting: list[act.UseKey] = []
        self.purposes: list[str] = []

    def look(self) -> None:
        """After each call of the session: what follows from it is added to the actions of the book."""
        gathered, asked = list(self.book.actions), self._asked()
        while asked:
            use = asked.pop(0)
            self.purposes.append(use.purpose)
            if self.slow:
                self.waiting.append(use)
                continue
            self.book.tell(ev.KeyUsed.of(use))
            gathered += self.book.actions
            asked += self._asked()
        self.book.actions = gathered

    def _asked(self) -> list[act.UseKey]:
        return [action for action in self.book.actions if isinstance(action, act.UseKey)]
