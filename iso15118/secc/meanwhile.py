"""What becomes known while contactors wait for something before they close: that somebody wants the session
to end.

A wish that was there before is told by refusing the request, where the edition has it so.
"""

from __future__ import annotations

from iso15118.session.actions import EndReason
from iso15118.session.edition import Fault, Refused

from .facts import Facts

__all__ = ["stopped_since"]


def stopped_since(facts: Facts, wanted: str) -> Refused | None:
    """The way out where a stop is wanted now, and was not (``wanted``: for which reason) when the wait
    began. Power that is about to end is not switched on."""
    if not facts.stop_wanted or facts.stop_wanted == wanted:
        return None
    return Refused(Fault.FAILED, EndReason.STOPPED_BY_STATION, facts.stop_wanted, rule=facts.stop_rule)
