"""What the station's funnel and an edition say to each other: why a request is refused, where a session
is, and what a handler answers.

No message type of any edition stands here. Each edition has one table from ``Fault`` to its response codes,
one ``Stage`` for each of its states, and one table of what is legal when.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from msgspec import Struct

from iso15118.timing import Timer

from .actions import Action, EndReason

__all__ = ["Answer", "Fault", "Refused", "Stage", "Wait"]


class Fault(Enum):
    """Why a request is refused, whatever the edition."""

    FAILED = "no other word fits"
    SEQUENCE = "not legal now"
    UNKNOWN_SESSION = "the id of another session"
    SERVICE_ID = "a service that was not offered"
    SERVICE_SELECTION = "a combination of services that was not offered"
    NO_ENERGY_SERVICE = "no energy service was selected"
    PAYMENT_SELECTION = "a way to pay that was not offered"
    ENERGY_TRANSFER_MODE = "a way to charge that was not offered"
    CHARGE_PARAMETER = "charge parameters that do not fit"
    SCHEDULE = "a schedule that was not offered"
    POWER_PROFILE = "a power profile that leaves the schedule"
    POWER_PROFILE_VIOLATED = "more power than the profile says"
    NOT_APPLIED = "the output is not ready for power"
    ASSOCIATION = "another vehicle than the one at this place"
    CONTACTOR = "a contactor did not switch"
    SIGNATURE = "a signature that does not fit"
    CHALLENGE = "a challenge that was not given"
    CERTIFICATE = "a certificate that is not accepted"
    METERING_SIGNATURE = "a signature of a meter reading that does not fit"
    PAUSE = "a pause that is not allowed"
    SERVICE_RENEGOTIATION = "a choice of another service that is not supported"


class Stage(Struct, frozen=True, kw_only=True):
    """All that the funnel knows about a state of an edition."""

    name: str
    """What the station waits for, named after the message."""
    first: bool = False
    """Communication set-up is not over: the link timer runs."""
    authorizing: bool = False
    """A decision about the driver or a contract counts now; later it can only be withdrawn."""
    live: bool = False
    """The output may carry voltage: the control pilot must stay in C or D."""
    holds: bool = False
    """Contactors that are closed stay so until they are told to open."""
    refuses: bool = True
    """A wish to stop may be told by refusing a request that leads on; False once power is over."""
    lasts: bool = False
    """Energy flows as long as both sides want: nothing bounds how long the vehicle stays here."""
    timer: Timer | None = None
    """The one timer of a phase that may run here; entering any other state stops it."""
    limit: str = ""
    """The field of ``Timing`` by which ``timer`` is set on entering; empty: an action sets it."""

    @property
    def bound(self) -> str:
        """The setting by which the time of the whole phase can be made another."""
        return "session.authorization_attempts" if self.authorizing else "timing.phase_performance"


class Answer(Struct, frozen=True):
    """What a handler answers: the response, the state that follows, what the hardware has to do before, and
    whether that is the end.

    With ``end`` set the session is over after the response, whatever ``next`` says.
    """

    response: Any
    next: Any
    before: tuple[Action, ...] = ()
    end: EndReason | None = None
    detail: str = ""
    cause: str = ""
    """A code of ``session.causes``, where that says more than ``end``."""


class Refused(Struct, frozen=True):
    """A handler refuses: the machine builds the response with the edition's code for ``fault``, and
    the session ends for ``end``.

    ``code``: a code of the edition's own, where ``Fault`` has no word for it. ``rule``: the supervision's
    rule behind it. ``cause``: a code of ``session.causes``, where that says more than ``end`` and ``fault``.
    """

    fault: Fault
    end: EndReason
    detail: str
    rule: str = ""
    code: Any = None
    cause: str = ""


class Wait(Struct, frozen=True):
    """A handler cannot answer before the hardware did: carry out ``before`` and ask ``finish`` again on every
    event, at the latest at ``deadline``.

    ``finish(timed_out)`` gives the answer or None to go on waiting; with ``timed_out`` it must give one.
    Another ``Wait`` is the next step of it, within the time that the request has left.
    """

    before: tuple[Action, ...]
    deadline: float
    finish: Callable[[bool], Answer | Refused | Wait | None]
