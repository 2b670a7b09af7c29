"""SLAC: matching of a vehicle and a station over HomePlug Green PHY (ISO 15118-3, Annex A), both roles.

``frames`` reads and builds; ``ev`` and ``evse`` are the two machines, both ``DataLink``s; ``settings`` holds timers, counts and choices.
"""

from .frames import BROADCAST, ETHERTYPE, Frame, parse_frame

__all__ = ["BROADCAST", "ETHERTYPE", "Frame", "parse_frame"]
