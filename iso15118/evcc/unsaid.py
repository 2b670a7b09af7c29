"""What is asked of a vehicle in mid-session and has no words in an older edition: told once, not waited for.

Nothing of it stays behind: a wish that cannot be said is withdrawn.
"""

from __future__ import annotations

from .conversation import Conversation

__all__ = ["withdraw"]


def withdraw(talk: Conversation, edition: str, *, renegotiates: bool) -> None:
    """Look at the wishes in a turn of the charge loop. ``edition``: its name for people; ``renegotiates``: it
    has words for another schedule."""
    if talk.standby_wanted:
        talk.standby_wanted = False
        talk.note("standby", f"{edition} has no standby: the vehicle charges on")
    if talk.service_wanted:
        talk.service_wanted = ""
        talk.note("service-renegotiation", f"{edition} has no other choice of service in mid-session")
    if talk.schedule_wanted and not renegotiates:
        talk.schedule_wanted = ""
        talk.note("schedule-renegotiation", f"{edition} has no schedule that is agreed on anew")
