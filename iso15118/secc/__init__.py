"""The charging station's side of a session (SECC): a value that takes events and gives actions.

``SeccSession`` is all a driver needs; the folder of each edition holds its table of what is legal and the
handlers behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .config import SeccConfig

if TYPE_CHECKING:
    from .session import SeccSession

__all__ = ["SeccConfig", "SeccSession"]


def __getattr__(name: str) -> Any:
    """Settings are read by both sides, the session is loaded when it is asked for."""
    if name == "SeccSession":
        from .session import SeccSession

        return SeccSession
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
