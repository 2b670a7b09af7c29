"""From the plug to the session and back: basic signalling, data link, discovery, session, pause and wake-up, in their order, for each role.

``SeccConnection`` and ``EvccConnection`` are values without I/O around any ``DataLink``; nothing here knows which link it is.
"""

from .evcc import EvccConnection
from .news import Phase
from .secc import SeccConnection
from .settings import ConnectionSettings, SetupFrom

__all__ = ["ConnectionSettings", "EvccConnection", "Phase", "SeccConnection", "SetupFrom"]
