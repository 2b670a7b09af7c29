"""SessionSetup, and what belongs to it: a new session or the one that was paused, and what is kept when it is paused again."""

from __future__ import annotations

from typing import Any

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso2.exchange import exchange
from iso15118.evcc.iso2.plan import Plan
from iso15118.messages import iso2

__all__ = ["keep", "session_setup"]


async def session_setup(talk: Conversation, plan: Plan) -> None:
    """A new session, whose id is zero in the request and the station's from then on."""
    talk.resume = None
    await exchange(talk, iso2.SessionSetupReq(evccid=talk.config.iso2.evccid))


def keep(talk: Conversation, plan: Plan) -> Any:
    """What to keep of the session now that it is paused."""
    return None
