"""Simulated power hardware, ideal and faulty: a battery with its vehicle, a supply with its station, and the
cable between them.

``SimulatedStation`` and ``SimulatedVehicle`` share one ``DcCircuit``; both are driven by a virtual clock
(perform, advance, measure) or, through ``ports``, by an asynchronous driver. Energy is integrated once, so
that meter and battery agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.moved import renamed

from .ac_circuit import AcCircuit
from .ac_presets import AC_CAR_PACK, AC_PRESETS, AcPreset
from .ac_remote_peer import AcStationWithRemoteVehicle, AcVehicleWithRemoteStation
from .ac_station import SimulatedAcStation
from .ac_vehicle import SimulatedAcVehicle
from .battery import Battery
from .cable_check import InsulationMonitor
from .charger import OnBoardCharger
from .circuit import DcCircuit
from .contactors import ContactorFault, Contactors
from .coupled_remote_peer import (
    PadWithRemoteVehicle,
    PantographWithRemoteVehicle,
    ReceiverWithRemotePad,
    RoofWithRemotePantograph,
)
from .faults import STATION_CALLS, VEHICLE_CALLS, Faults, ReadingFault
from .grid_codes import european, north_american
from .inverter import SimulatedInverter
from .meter import Meter
from .pantograph import Bay, PantographStation, PantographVehicle
from .plan import EnergyPlan, PlanPhase
from .presets import PRESETS, StationPreset, preset
from .record import Record
from .remote_peer import StationWithRemoteVehicle, VehicleWithRemoteStation
from .station import SimulatedStation
from .timetable import Timetable
from .vehicle import SimulatedVehicle
from .wireless import PAD_PRESETS, WirelessCircuit, WirelessStation, WirelessVehicle

__all__ = [
    "AC_CAR_PACK",
    "AC_PRESETS",
    "PAD_PRESETS",
    "PRESETS",
    "STATION_CALLS",
    "VEHICLE_CALLS",
    "AcCircuit",
    "AcPreset",
    "AcStationWithRemoteVehicle",
    "AcVehicleWithRemoteStation",
    "Battery",
    "Bay",
    "ContactorFault",
    "Contactors",
    "DcCircuit",
    "EnergyPlan",
    "Faults",
    "InsulationMonitor",
    "Meter",
    "OnBoardCharger",
    "PadWithRemoteVehicle",
    "PantographStation",
    "PantographVehicle",
    "PantographWithRemoteVehicle",
    "PlanPhase",
    "ReadingFault",
    "ReceiverWithRemotePad",
    "Record",
    "RoofWithRemotePantograph",
    "SimulatedAcStation",
    "SimulatedAcVehicle",
    "SimulatedInverter",
    "SimulatedStation",
    "SimulatedVehicle",
    "StationPreset",
    "StationWithRemoteVehicle",
    "Timetable",
    "VehicleWithRemoteStation",
    "WirelessCircuit",
    "WirelessStation",
    "WirelessVehicle",
    "european",
    "north_american",
    "preset",
]


if not TYPE_CHECKING:  # old names, for one release
    __getattr__ = renamed(
        __name__, {"LoneStation": "StationWithRemoteVehicle", "LoneVehicle": "VehicleWithRemoteStation"}
    )
