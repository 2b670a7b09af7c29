"""A rig for tests of sessions: both ends, a memory link, virtual time, and a monitor that watches every step
for safety.

Made for this package's own tests and for those of its users; nothing here sleeps, opens a socket or reads a
clock.
"""

from iso15118.testing.link import MemoryTransport
from iso15118.testing.monitor import SafetyMonitor, SafetyViolation
from iso15118.testing.pair import AcPair, Pair
from iso15118.testing.playbook import Playbook, PlaybookError

__all__ = [
    "AcPair",
    "MemoryTransport",
    "Pair",
    "Playbook",
    "PlaybookError",
    "SafetyMonitor",
    "SafetyViolation",
]
