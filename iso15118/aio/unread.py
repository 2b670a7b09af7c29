"""Whether a driver reads what its session watches: without that nobody may count on its making safe.

A rule of the session comes first, with what the settings say of it. Only where that does nothing is the
heartbeat to stop: firmware that drops the contactors for it does so under whatever flows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from iso15118.session.supervision import Rule

if TYPE_CHECKING:
    from iso15118.session.supervision import SupervisionLimits

    from .driver import SessionDriver

__all__ = ["unread"]

_ACTS_S: Final = 0.5
"""What a session has to act on readings that are missing."""


def unread(driver: SessionDriver, limits: SupervisionLimits, now: float) -> str:
    """Why the readings of live hardware are too old at ``now``; empty if they are not, or nobody minds. In a
    session those of what is live in it count, behind its end any."""
    hardware, session = driver.hardware, driver.session
    stale_s = limits.beyond(Rule.STALE_READINGS, limits.stale_s)
    if hardware is None or not hardware.live:
        return ""
    until = hardware.measured_at + stale_s
    if session is not None and session.ended is None:
        until = session.readings_until
    late_s = now - until
    return f"no reading for {stale_s + late_s:.1f} s" if late_s > _ACTS_S else ""
