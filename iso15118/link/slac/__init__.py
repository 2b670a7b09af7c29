"""SLAC: matching of a vehicle and a station over HomePlug Green PHY (ISO 15118-3, Annex A), both roles.

``frames`` reads and builds; ``ev`` and ``evse`` are the two machines, both ``DataLink``s; ``settings``
holds timers, counts and choices.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .frames import BROADCAST, ETHERTYPE, Frame, parse_frame

__all__ = ["BROADCAST", "ETHERTYPE", "Frame", "parse_frame"]


def __getattr__(name: str) -> Any:
    """Frames are loaded with the first use: files of settings name timers of SLAC where no modem is near."""
    if name in __all__:
        from . import frames

        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
