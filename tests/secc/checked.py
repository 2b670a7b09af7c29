"""A playbook with an output that shows the test voltage before a cable check is told to have gone well."""

from __future__ import annotations

from typing import Any

from iso15118.secc import SeccSession
from iso15118.session import events as ev
from iso15118.testing import Playbook

__all__ = ["CheckedBook", "show_the_test"]


def show_the_test(session: SeccSession, now: float) -> None:
    """The output has the voltage of the cable check that is under way, and then what it had before."""
    supervisor = session._books.supervisor
    if supervisor._asked.name == "CABLE_CHECK":
        before = session._facts.measured
        session.handle(ev.PowerMeasured(supervisor._bound_v, 0.0), now)
        session.handle(ev.PowerMeasured(before.voltage_v, before.current_a), now)


class CheckedBook(Playbook):
    """What a test is not about need not be said in each."""

    def tell(self, event: Any) -> Playbook:
        if type(event) is ev.CableCheckFinished and event.ok and isinstance(self.session, SeccSession):
            show_the_test(self.session, self.now)
        return super().tell(event)
