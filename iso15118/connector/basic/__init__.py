"""Basic charging by IEC 61851-1: the duty cycle of the control pilot says the current, and
nothing is said by messages.

``BasicStation`` and ``BasicVehicle`` are values without I/O with the outer contract of a session, on the same
ports; a ``Connector`` decides when they begin.
"""

from __future__ import annotations

from .reading import Reading
from .settings import BasicMode, BasicSettings
from .station import BasicStation, Steps
from .vehicle import BasicVehicle

__all__ = ["BasicMode", "BasicSettings", "BasicStation", "BasicVehicle", "Reading", "Steps"]
