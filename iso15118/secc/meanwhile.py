"""What becomes known while contactors wait for something before they close: that somebody wants the session
to end.

One that was there before has refused the request itself.
"""

from __future__ import annotations

from iso15118.session.actions import EndReason
from iso15118.session.edition import Fault, Refused

from .facts import Facts

__all__ = ["stopped_since"]


def stopped_since(facts: Facts) -> Refused | None:
    """The way out where a stop is wanted. Power that is about to end is not switched on."""
    if not facts.stop_wanted:
        return None
    return Refused(Fault.FAILED, EndReason.STOPPED_BY_STATION, facts.stop_wanted, rule=facts.stop_rule)
