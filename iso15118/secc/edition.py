"""What an edition is to the station's funnel: a value that answers requests, and knows its
own states, codes and times.

``editions.py`` has the ones there are. The funnel never looks into a message; whatever it has
to know of one, it asks here.
"""

from __future__ import annotations

from typing import Any, Protocol

from iso15118.session.ac_limits import AcBounds
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer, Fault, Refused, Stage, Wait
from iso15118.session.ticket import SeccTicket

from .facts import Facts

__all__ = ["SeccEdition"]


class SeccEdition(Protocol):
    """One session in one edition. States are whatever the edition likes; the funnel keeps the
    present one and hands it back."""

    schema: str
    """What the channel speaks, a key of ``channel.EDITIONS``."""
    facts: Facts
    first: Any
    """The state after supportedAppProtocol."""
    ended: Any
    """The state that waits for nothing."""

    def stage(self, state: Any) -> Stage:
        """What the funnel needs to know about this state."""
        ...

    def request_of(self, message: Any) -> str:
        """Name of the request, for timers and people ("DCChargeLoopReq"); empty if the message is
        no request of this edition."""
        ...

    def is_beside(self, message: Any) -> bool:
        """The request comes on a stream of its own: the main conversation, and its timers, go on."""
        ...

    def leads_on(self, message: Any) -> bool:
        """A wish to stop is told by refusing this request, while its stage ``refuses``; False for what
        runs, stops or says goodbye."""
        ...

    def answer(self, message: Any, state: Any) -> Answer | Refused | Wait:
        """The answer to a request in ``state``; whatever the table of the edition
        does not list is refused."""
        ...

    def answer_beside(self, message: Any, state: Any) -> Answer | Refused | Wait:
        """The answer to a request that came on a stream beside the main conversation,
        which stays in ``state``."""
        ...

    def refuse(self, message: Any, fault: Fault, code: Any = None) -> Any:
        """The response to this request that says the edition's code for ``fault``, or ``code``, with
        neutral values beside it."""
        ...

    def answer_time(self, message: Any) -> float:
        """Within how many s this request has to be answered."""
        ...

    def is_turn(self, response: Any) -> bool:
        """It answers a charge-loop request: behind it, and nothing else, the next one has the time of
        the loop."""
        ...

    def goodbye(self, message: Any) -> Any | None:
        """After the end: the answer to the vehicle's last word in this session;
        None if it is anything else."""
        ...

    def is_last(self, response: Any) -> bool:
        """Nothing can be said after this response: the vehicle has taken its leave."""
        ...

    def advice(self, reason: EndReason, state: Any) -> str:
        """Where a session ends for ``reason`` in ``state``: what people may try; empty
        if there is nothing to say."""
        ...

    def rebound(self) -> tuple[float, float, float, bool] | AcBounds | float | None:
        """Limits or set-point have changed: derive what follows from them, and give the bounds that the
        supply has to hold now (V, A, W, discharging), or those of an AC outlet; None before the first
        request of the charge loop."""
        ...

    def steps_at(self) -> float | None:
        """When a schedule that is in force changes the bounds by itself, in s on the session's clock; None:
        there is no such moment."""
        ...

    def ticket(self) -> SeccTicket | None:
        """What is kept of a session that was paused; None if there is nothing to go on with."""
        ...
