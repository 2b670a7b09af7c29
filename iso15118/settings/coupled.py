"""The simulated hardware of one end that no plug joins to the other: a pantograph and the bus under it, a pad
and the coil over it.

As in ``hardware``, what the far end reports in its messages is passed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118.messages.iso20 import acdp, wpt
from iso15118.messages.iso20.common_messages import SessionSetupReq
from iso15118.messages.values import si
from iso15118.session.coupling import DevicePosition
from iso15118.session.wireless import ReceiverLimits
from iso15118.simulation import (
    PAD_PRESETS,
    Battery,
    PadWithRemoteVehicle,
    PantographWithRemoteVehicle,
    ReceiverWithRemotePad,
    RoofWithRemotePantograph,
    Timetable,
    WirelessCircuit,
)

from .parts import StationSettings, VehicleSettings

__all__ = ["pad_of", "receiver_of", "tell_coming", "tell_device"]

Reported = Callable[[object, float], None]

_DEVICE = {
    acdp.MechanicalChargingDeviceStatus.Home: DevicePosition.HOME,
    acdp.MechanicalChargingDeviceStatus.Moving: DevicePosition.MOVING,
    acdp.MechanicalChargingDeviceStatus.EndPosition: DevicePosition.END_POSITION,
}
_OF_DEVICE = (acdp.ACDPConnectRes, acdp.ACDPDisconnectRes, acdp.ACDPSystemStatusRes)


def tell_coming(
    station: PantographWithRemoteVehicle | PadWithRemoteVehicle, message: object, now: float
) -> None:
    """A vehicle that begins a new session sets out for its place; one that goes on with a session has
    stood there all the time."""
    if isinstance(message, SessionSetupReq) and not any(message.header.session_id):
        station.vehicle_comes(now)


def tell_device(vehicle: RoofWithRemotePantograph, message: object, now: float) -> None:
    """Where the station's device is."""
    if isinstance(message, _OF_DEVICE):
        vehicle.device_is(_DEVICE[message.evse_mechanical_charging_device_status], now)


def pad_of(settings: StationSettings, table: Timetable | None) -> tuple[PadWithRemoteVehicle, Reported]:
    """A pad whose vehicle is somewhere else."""
    station = PadWithRemoteVehicle(
        WirelessCircuit(time_scale=settings.time_scale),
        PAD_PRESETS[settings.preset],
        id_code=settings.pad_code,
        accept=settings.accept,
        authorization_s=settings.authorization_s,
        meter_id=settings.meter_id,
        timetable=table,
    )
    return station, lambda message, now: tell_coming(station, message, now)


def receiver_of(
    settings: VehicleSettings, battery: Battery, loop_s: float
) -> tuple[ReceiverWithRemotePad, Reported]:
    """A vehicle with a coil whose pad is somewhere else."""
    power_w = PAD_PRESETS[settings.receiver].maximum_power_w
    vehicle = ReceiverWithRemotePad(
        WirelessCircuit(time_scale=settings.time_scale, loop_s=loop_s),
        ReceiverLimits(maximum_power_w=power_w),
        battery,
        pad_code=settings.pad_code,
    )

    def reported(message: object, now: float) -> None:
        sent: Any = None
        if isinstance(message, wpt.WPTAlignmentCheckRes):
            sent = message.power_transmitted
        elif isinstance(message, wpt.WPTChargeLoopRes):
            sent = message.sd_power_input
        if sent is not None:
            vehicle.pad_sends(si(sent), now)

    return vehicle, reported
