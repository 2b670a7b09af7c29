"""From the plug to the session and back: basic signalling, data link, discovery, session, pause and wake-up,
in their order, for each role.

``SeccConnector`` and ``EvccInlet`` are values without I/O around any ``DataLink``; nothing
here knows which link it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.moved import renamed

from .evcc import EvccInlet
from .news import Phase
from .secc import SeccConnector
from .settings import ConnectorSettings, SetupFrom

__all__ = ["ConnectorSettings", "EvccInlet", "Phase", "SeccConnector", "SetupFrom"]


if not TYPE_CHECKING:  # old names, for one release
    __getattr__ = renamed(
        __name__,
        {
            "ConnectionSettings": "ConnectorSettings",
            "EvccConnection": "EvccInlet",
            "SeccConnection": "SeccConnector",
        },
    )
