"""The simulated hardware of one end, as its file describes it; what the far end reports in its
messages is passed on to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from iso15118.messages import iso2
from iso15118.messages.iso20 import ac, dc
from iso15118.messages.values import si
from iso15118.settings.coupled import pad_of, receiver_of, tell_coming, tell_device
from iso15118.settings.grid import charger_of, grid_code_of, offered_of, wanted_of
from iso15118.settings.parts import StationSettings
from iso15118.settings.roles import EvccSettings
from iso15118.settings.schedule_file import read_schedules
from iso15118.simulation import (
    AC_PRESETS,
    PAD_PRESETS,
    PRESETS,
    AcCircuit,
    AcPreset,
    AcStationWithRemoteVehicle,
    AcVehicleWithRemoteStation,
    Battery,
    DcCircuit,
    PadWithRemoteVehicle,
    PantographWithRemoteVehicle,
    ReceiverWithRemotePad,
    RoofWithRemotePantograph,
    StationWithRemoteVehicle,
    Timetable,
    VehicleWithRemoteStation,
)

__all__ = ["AnyStation", "AnyVehicle", "Reported", "battery_of", "station_of", "vehicle_of"]

AnyStation = StationWithRemoteVehicle | AcStationWithRemoteVehicle | PadWithRemoteVehicle
AnyVehicle = VehicleWithRemoteStation | AcVehicleWithRemoteStation | ReceiverWithRemotePad

Reported = Callable[[object, float], None]
"""Told every message of the far end, and the time on the hardware's clock."""

_LOOP_S = 0.01  # one turn of the charge loop on a busy machine, where it is not slowed down on purpose


def station_of(settings: StationSettings) -> tuple[AnyStation, Reported]:
    """A station whose vehicle is somewhere else. Raises ``ConfigError`` for a file of
    schedules that cannot be used."""
    table = None
    if settings.schedule is not None:
        table = Timetable(read_schedules(settings.schedule), delay_s=settings.schedule_delay_s)
    if settings.preset in AC_PRESETS:
        return _outlet_of(settings, AC_PRESETS[settings.preset], table)
    if settings.preset in PAD_PRESETS:
        pad, reported = pad_of(settings, table)
        pad.value_added = offered_of(settings)
        return pad, reported
    of_pantograph = settings.preset == "pantograph"
    make = PantographWithRemoteVehicle if of_pantograph else StationWithRemoteVehicle
    station = make(
        DcCircuit(time_scale=settings.time_scale),
        PRESETS[settings.preset],
        accept=settings.accept,
        authorization_s=settings.authorization_s,
        cable_check_s=settings.cable_check_s,
        insulation_ohm=settings.insulation_ohm,
        meter_id=settings.meter_id,
        bidirectional=settings.bidirectional,
        timetable=table,
    )
    station.value_added = offered_of(settings)

    def heard(message: object, now: float) -> None:
        element: Any = _body(message)
        if isinstance(station, PantographWithRemoteVehicle):
            tell_coming(station, element, now)
        if isinstance(element, dc.DCChargeLoopReq):
            station.vehicle_shows(si(element.ev_present_voltage), now)
        elif type(element).__name__ == "PreChargeReq":
            # In the older editions a vehicle never says what it measures: the voltage of its battery is
            # what it wants for pre-charge.
            station.vehicle_shows(_quantity(element.ev_target_voltage), now)

    return station, heard


def _outlet_of(
    settings: StationSettings, preset: AcPreset, table: Timetable | None
) -> tuple[AcStationWithRemoteVehicle, Reported]:
    limits = preset.limits
    if not settings.bidirectional:
        nothing = (0.0, 0.0, 0.0)
        limits = replace(limits, maximum_discharge_power_w=nothing, minimum_discharge_power_w=nothing)
    station = AcStationWithRemoteVehicle(
        _ac_circuit(preset, time_scale=settings.time_scale),
        limits,
        accept=settings.accept,
        authorization_s=settings.authorization_s,
        meter_id=settings.meter_id,
        timetable=table,
        grid_code=grid_code_of(settings, limits),
    )
    station.value_added = offered_of(settings)

    def reported(message: object, now: float) -> None:
        element = _body(message)
        if isinstance(element, ac.ACChargeLoopReq):
            mode = element.cl_req_control_mode
            l2, l3 = mode.ev_present_active_power_l2, mode.ev_present_active_power_l3
            station.vehicle_takes(
                si(mode.ev_present_active_power),
                None if l2 is None else si(l2),
                None if l3 is None else si(l3),
                now,
            )
        elif isinstance(element, iso2.ChargeParameterDiscoveryReq):
            said = element.ev_charge_parameter
            if isinstance(said, iso2.ACEVChargeParameter):
                station.vehicle_declares(_quantity(said.ev_max_current))

    return station, reported


def _ac_circuit(preset: AcPreset, **settings: float) -> AcCircuit:
    limits = preset.limits
    return AcCircuit(
        phases=limits.phases,
        voltage_v=limits.nominal_voltage_v,
        frequency_hz=limits.nominal_frequency_hz,
        **settings,
    )


def battery_of(settings: EvccSettings) -> Battery:
    """The simulated battery of a vehicle."""
    session, kind = settings.session, settings.vehicle
    return Battery(
        capacity_wh=kind.battery_kwh * 1000.0,
        soc=kind.soc,
        target_soc=session.target_soc,
        minimum_soc=session.minimum_soc,
        empty_v=kind.empty_v,
        full_v=kind.full_v,
        resistance_ohm=kind.resistance_ohm,
        maximum_charge_current_a=kind.maximum_current_a,
        maximum_charge_power_w=kind.maximum_power_kw * 1000.0,
        maximum_discharge_current_a=kind.maximum_current_a,
        maximum_discharge_power_w=kind.maximum_power_kw * 1000.0,
        taper_from_soc=kind.taper_from_soc,
        taper_floor=kind.taper_floor,
        constant_power_w=None if kind.power_kw is None else kind.power_kw * 1000.0,
    )


def vehicle_of(settings: EvccSettings, battery: Battery | None = None) -> tuple[AnyVehicle, Reported]:
    """A vehicle whose station is somewhere else. ``battery``: one that other inlets have, too."""
    session, kind = settings.session, settings.vehicle
    battery = battery_of(settings) if battery is None else battery
    loop_s = max(session.loop_s, _LOOP_S)
    if kind.charger != "none":
        preset = AC_PRESETS[kind.charger]
        alternating = _ac_circuit(preset, time_scale=kind.time_scale, loop_s=loop_s)
        charger = charger_of(kind, preset)
        alternate = AcVehicleWithRemoteStation(alternating, charger, battery)
        alternate.value_added = wanted_of(kind)
        return alternate, _nothing
    if kind.receiver != "none":
        coil, reported = receiver_of(kind, battery, loop_s)
        coil.value_added = wanted_of(kind)
        return coil, reported
    circuit = DcCircuit(time_scale=kind.time_scale, loop_s=loop_s)
    vehicle: VehicleWithRemoteStation = (
        RoofWithRemotePantograph(circuit, battery)
        if kind.inlet == "pantograph"
        else VehicleWithRemoteStation(circuit, battery, reports=True)
    )
    vehicle.value_added = wanted_of(kind)

    def heard(message: object, now: float) -> None:
        element: Any = _body(message)
        if isinstance(vehicle, RoofWithRemotePantograph):
            tell_device(vehicle, element, now)
        if isinstance(element, dc.DCPreChargeRes):
            vehicle.station_shows(si(element.evse_present_voltage), now)
        elif isinstance(element, dc.DCChargeLoopRes):
            vehicle.station_gives(si(element.evse_present_current), now)
        elif type(element).__name__ == "PreChargeRes":
            vehicle.station_shows(_quantity(element.evse_present_voltage), now)
        elif type(element).__name__ == "CurrentDemandRes":
            vehicle.station_gives(_quantity(element.evse_present_current), now)

    return vehicle, heard


def _nothing(message: object, now: float) -> None:
    """What an AC station reports of its present values is what this vehicle does itself."""


def _body(message: Any) -> object:
    """What a message says; in the older editions it is in the body."""
    return message.body.body_element if type(message).__name__ == "V2GMessage" else message


def _quantity(number: Any) -> float:
    """A quantity of the older editions; who reads one has loaded them, and nobody else has to."""
    from iso15118.messages.physical import quantity

    return quantity(number)
