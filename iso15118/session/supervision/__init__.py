"""Supervision: what is measured is judged, in every state and by both roles, and between sessions.

Sans-I/O and without any edition: numbers and the time go in, findings come out. What a session does about
them stands in the sessions.
"""

from __future__ import annotations

from .alternating import AcSupervisor
from .battery import BatterySupervisor
from .idle import IdleSupervisor
from .limits import SupervisionLimits
from .over_voltage import over_voltage_limit
from .rules import Ceiling, Finding, Reaction, Rule, Watch, worse
from .sensors import SensorSupervisor
from .station import StationSupervisor
from .vehicle import VehicleSupervisor
from .wireless import WirelessSupervisor

__all__ = [
    "AcSupervisor",
    "BatterySupervisor",
    "Ceiling",
    "Finding",
    "IdleSupervisor",
    "Reaction",
    "Rule",
    "SensorSupervisor",
    "StationSupervisor",
    "SupervisionLimits",
    "VehicleSupervisor",
    "Watch",
    "WirelessSupervisor",
    "over_voltage_limit",
    "worse",
]
