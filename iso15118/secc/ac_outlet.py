"""The steps in which an AC outlet comes alive and is taken back, the same in every edition: the
control pilot, then the contactors.

This is the only place that asks to close the contactors of an AC outlet, and it does so with authorization
and the limits of both sides on record, and not before the vehicle shows state C or D. What is said about it
to the vehicle is the edition's business.
"""

from __future__ import annotations

from collections.abc import Callable

from iso15118.session.ac_limits import AcBounds
from iso15118.session.actions import (
    CloseContactors,
    EndReason,
    OpenContactors,
    SetAcPower,
    StopPower,
    Urgency,
)
from iso15118.session.edition import Answer, Fault, Refused, Wait

from .facts import Facts
from .hardware import READY
from .meanwhile import stopped_since

__all__ = ["close_contactors", "open_contactors"]


def close_contactors(
    facts: Facts, phases: int, closed: Callable[[], Answer], *, pilot_s: float | None = None
) -> Answer | Wait | Refused:
    """Wait for state C or D, connect ``phases`` phases and wait for the contactors;
    ``closed`` gives the answer then.

    All within ``timing.contactor_answer``, or with ``pilot_s`` the state within that time and the contactors
    in theirs. Contactors that are closed already are a level that counts, whenever it was reported.
    """
    facts.lets_go = False
    if facts.contactors_closed and facts.energized:
        return closed()  # after a renegotiation
    if not facts.authorized or facts.ac_limits is None or facts.ac_vehicle is None:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "power delivery without its preconditions")
    deadline = facts.now + (facts.timing.contactor_answer if pilot_s is None else pilot_s)
    if _is_ready(facts):
        return _close(facts, phases, facts.now + facts.timing.contactor_answer, closed)

    def shown(timed_out: bool) -> Wait | Refused | None:
        if (gone := stopped_since(facts)) is not None:
            return gone
        if timed_out:
            return Refused(
                Fault.CONTACTOR,
                EndReason.SIGNAL_LOST,
                "the control pilot did not show state C in time",
                cause="pilot-late",
            )
        if not _is_ready(facts):
            return None
        contactors = deadline if pilot_s is None else facts.now + facts.timing.contactor_answer
        return _close(facts, phases, contactors, closed)

    return Wait((), deadline, shown)


def _is_ready(facts: Facts) -> bool:
    """The vehicle shows state C or D; nothing is known of a pilot that nobody tells of."""
    return facts.signal is None or facts.signal in READY


def _close(facts: Facts, phases: int, deadline: float, closed: Callable[[], Answer]) -> Wait:
    def finish(timed_out: bool) -> Answer | Refused | None:
        if facts.contactors_closed:
            facts.delivered = True
            return closed()
        if timed_out:
            return Refused(
                Fault.CONTACTOR,
                EndReason.CONTACTOR_FAILED,
                "contactors did not close in time",
                cause="contactors-not-closed",
            )
        return None

    return Wait((SetAcPower(AcBounds(phases=phases)), CloseContactors(deadline)), deadline, finish)


def open_contactors(facts: Facts, opened: Callable[[], Answer]) -> Wait:
    """Current to zero and contactors open before the answer that ``opened`` gives. State B is
    now how the vehicle lets go."""
    facts.lets_go = True
    deadline = facts.now + facts.timing.contactor_answer

    def finish(timed_out: bool) -> Answer | Refused | None:
        if not facts.contactors_closed:
            return opened()
        if timed_out:
            return Refused(
                Fault.CONTACTOR,
                EndReason.CONTACTOR_FAILED,
                "contactors did not open in time (PortLimits.feedback_s is part of it)",
                cause="contactors-not-opened",
            )
        return None

    before = (StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
    return Wait(before, deadline, finish)
