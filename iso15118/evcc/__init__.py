"""The vehicle's side of a session (EVCC): a value that takes events and gives actions.

``EvccSession`` is all a driver needs; the folder of each edition holds its script, which reads like the
sequence chart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .config import EvccConfig

if TYPE_CHECKING:
    from .session import EvccSession

__all__ = ["EvccConfig", "EvccSession"]


def __getattr__(name: str) -> Any:
    """Settings are read by both sides, the session is loaded when it is asked for."""
    if name == "EvccSession":
        from .session import EvccSession

        return EvccSession
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
