"""asyncio drivers: connections, discovery, and the two roles on real sockets.

The only part of the package that imports asyncio, socket or ssl; everything it drives is a value that could
be driven otherwise. ``SeccServer`` and ``EvccClient`` are all that most users need; ``PluggedSecc`` and
``PluggedEvcc`` begin below them, with the plug.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from iso15118.aio.net.ending import Ending, StreamEnd, StreamLimits
from iso15118.aio.net.keylog import KeyLogFile
from iso15118.aio.net.network import Interface, find_interface
from iso15118.aio.ports.hardware import PortLimits
from iso15118.moved import renamed

from .driver import ActionFilter, Observer
from .heartbeat import Heartbeat, HeartbeatMissed, LoopLate, WatchdogThread
from .results import SessionResult
from .service import ServiceState
from .threads import in_thread

if TYPE_CHECKING:
    from iso15118.aio.plug.connector import LinkParts
    from iso15118.aio.plug.plugged_evcc import PluggedEvcc
    from iso15118.aio.plug.plugged_secc import PluggedSecc

    from .evcc import EvccClient
    from .recording import Recorder
    from .secc import SeccServer
    from .site import Site

__all__ = [
    "ActionFilter",
    "Ending",
    "EvccClient",
    "Heartbeat",
    "HeartbeatMissed",
    "Interface",
    "KeyLogFile",
    "LinkParts",
    "LoopLate",
    "Observer",
    "PluggedEvcc",
    "PluggedSecc",
    "PortLimits",
    "Recorder",
    "SeccServer",
    "ServiceState",
    "SessionResult",
    "Site",
    "StreamEnd",
    "StreamLimits",
    "WatchdogThread",
    "find_interface",
    "in_thread",
]


_WHERE = {
    "EvccClient": "evcc",
    "LinkParts": "plug.connector",
    "PluggedEvcc": "plug.plugged_evcc",
    "PluggedSecc": "plug.plugged_secc",
    "Recorder": "recording",
    "SeccServer": "secc",
    "Site": "site",
}


def __getattr__(name: str) -> Any:
    """Each role, and what needs a plug, is loaded when it is asked for: who has no
    use for it starts sooner."""
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    if name == "Watch":
        return _renamed(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_renamed = renamed(__name__, {"Watch": "ActionFilter"})
