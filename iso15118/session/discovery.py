"""What comes of a discovery (SDP) that looks wrong: less security than was asked for, or a
second station that answers.

SDP is not protected: anybody on the link may answer it, and the standard leaves it to
each side what to make of that.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Downgrade", "SecondAnswer"]


class Downgrade(Enum):
    """What comes of less security than was asked for in discovery."""

    ACCEPT = "it is told, and what may be said in the clear is said"
    REFUSE = "nothing is said"


class SecondAnswer(Enum):
    """What comes of a second, different answer to discovery."""

    NOTE = "it is told, and the first one stands"
    LEAVE = "the vehicle does not charge here"
