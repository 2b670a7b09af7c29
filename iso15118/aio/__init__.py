"""asyncio drivers: connections, discovery, and the two roles on real sockets.

The only part of the package that imports asyncio, socket or ssl; everything it drives is a value that could
be driven otherwise. ``SeccServer`` and ``EvccClient`` are all that most users need; ``PluggedSecc`` and ``PluggedEvcc`` begin below
them, with the plug.
"""

from .driver import Observer, Watch
from .evcc import EvccClient
from .hardware import PortLimits
from .keylog import KeyLogFile
from .link import Ending, StreamEnd, StreamLimits
from .network import Interface, find_interface
from .plugged import LinkParts, PluggedEvcc, PluggedSecc
from .results import SessionResult
from .secc import SeccServer

__all__ = [
    "Ending",
    "EvccClient",
    "Interface",
    "KeyLogFile",
    "LinkParts",
    "Observer",
    "PluggedEvcc",
    "PluggedSecc",
    "PortLimits",
    "SeccServer",
    "SessionResult",
    "StreamEnd",
    "StreamLimits",
    "Watch",
    "find_interface",
]
