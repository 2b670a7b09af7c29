"""What an edition is to the vehicle's funnel: a script that reads like the sequence chart, and how to
read the envelope of an answer.

``editions.py`` has the ones there are. The funnel never looks into a message; whatever it has
to know of one, it asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from iso15118.session.actions import SessionEnded

if TYPE_CHECKING:
    from .conversation import Conversation, Step

__all__ = ["EvccEdition", "Reading"]


class Reading(Struct, frozen=True, gc=False):
    """What stands on the outside of an answer."""

    kind: type
    """The class of the response."""
    code: str
    """Its ResponseCode."""
    failed: bool
    """The code is one of those after which nothing else in the response counts."""
    session_id: bytes
    joined: bool = False
    """The answer to SessionSetupReq goes on with the paused session."""
    deviates: tuple[str, str] | None = None
    """Name and detail of what the station does not do by the standard, and is tolerated."""


class EvccEdition(Protocol):
    """How one edition is spoken."""

    schema: str
    """What the channel speaks, a key of ``channel.EDITIONS``."""

    def plain(self, message: Any, session_id: bytes) -> type | None:
        """The class of a response that says OK in this session, and nothing else in its envelope: as almost
        all do. None says nothing: ``read`` has to look."""
        ...

    def read(self, message: Any) -> Reading | None:
        """The envelope of a message; None if it is no response of this edition."""
        ...

    def session(self, talk: Conversation, set_up: Callable[[], None]) -> Coroutine[Step, Any, SessionEnded]:
        """The whole session after supportedAppProtocol; ``set_up`` is called when communication set-up is
        over. Gives how the vehicle ended it."""
        ...
