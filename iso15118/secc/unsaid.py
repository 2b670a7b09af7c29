"""What a station is to ask of a vehicle in mid-session and has no words for in an older edition: told once,
not waited for.

Nothing of it stays behind: a wish that cannot be said is withdrawn.
"""

from __future__ import annotations

from .facts import Facts

__all__ = ["withdraw"]


def withdraw(facts: Facts, edition: str, *, renegotiates: bool) -> None:
    """Look at the wishes in a turn of the charge loop. ``edition``: its name for people; ``renegotiates``: it
    has words for another schedule."""
    wishes = facts.wishes
    wishes.exit_standby.done()  # nobody stands by
    if facts.pause_until > facts.now:
        facts.pause_until = 0.0
        facts.note(
            "pause", f"{edition} has no pause that a station asks for; a set-point of 0 W rests the power"
        )
    if wishes.service.why:
        wishes.service.done()
        facts.note("service-renegotiation", f"{edition} has no other choice of service in mid-session")
    if wishes.schedule.why and not renegotiates:
        wishes.schedule.done()
        facts.note("schedule-renegotiation", f"{edition} has no schedule that is agreed on anew")
