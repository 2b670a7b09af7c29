"""What a loopback run showed.

The summary's keys are a contract; its figures come from sessions, meter and circuit, and from nowhere else.
"""

from __future__ import annotations

from msgspec import Struct

from iso15118.loopback.cost import RunCost
from iso15118.loopback.midway import Midway
from iso15118.loopback.rig import Rig
from iso15118.session.actions import EndReason, SessionEnded

__all__ = ["Hardware", "LoopbackSummary", "Tls", "summarize"]

_TIMEOUTS = (EndReason.TIMEOUT, EndReason.ONGOING_TOO_LONG)
_BY_PEER = (EndReason.REFUSED, EndReason.PEER_VANISHED)
"""A side that ended for one of these only followed the other."""
_SHORT_OF = 0.999  # part of the ordered discharge that counts as all of it


class Tls(Struct, frozen=True, kw_only=True):
    """What the handshake agreed on; names as IANA writes them."""

    version: str
    cipher: str
    group: str
    signature: str
    """Signature scheme of the station's certificate key."""
    client_certificate: bool
    client_signature: str | None = None
    deviations: tuple[str, ...] = ()
    """Where the profile falls short of ISO 15118-20."""


class Hardware(Struct, frozen=True, kw_only=True):
    """Both sides' own accounts and the record of the circuit between them; energies in kWh."""

    meter_charged_kwh: float
    meter_discharged_kwh: float
    battery_charged_kwh: float
    battery_discharged_kwh: float
    battery_stored_kwh: float
    """What the cells hold more than at the beginning."""
    transfer_seconds: float
    """Time in which energy flowed, on the hardware's clock."""
    beyond_station_limits: int
    """Integration steps in which a limit of the station was exceeded."""
    beyond_vehicle_limits: int
    inrushes: int
    """Contactors closed over more than 20 V."""


class LoopbackSummary(Struct, frozen=True, kw_only=True):
    """One run. Seconds are the protocol clock's unless they say otherwise, states of charge percent."""

    result: str
    """"ok": everything as ordered; otherwise "failed", and ``detail`` says why."""
    ended_by: str
    """"evcc", "secc" or "link"."""
    edition: str
    """What was spoken; empty if the two had none in common."""
    service: str
    auth: str
    control: str
    transport: str
    tls: Tls | None
    exchanges: int
    charge_loops: int
    soc_start: float
    soc_end: float
    energy_charged_kwh: float
    energy_discharged_kwh: float
    peak_power_kw: float
    peak_current_a: float
    max_voltage_v: float
    transfer_seconds: float
    session_seconds: float
    wall_seconds: float
    secc_states: list[str]
    evcc_states: list[str]
    # Beyond the contract:
    link: str
    link_seconds: float | None
    """From plug-in to the data link on both sides; None without a link."""
    setup_seconds: float | None
    """From plug-in, or without a link from the beginning, to the first energy; None if there was none."""
    detail: str
    end_reason: str
    """Name of the ``EndReason`` of the side that ended the session."""
    station: str
    peak_discharge_power_kw: float
    hardware_time_scale: float
    """Seconds of the simulated hardware in one second of the protocol's clock."""
    hardware: Hardware
    sdp: str | None = None
    """How the station was found."""
    emaid: str = ""
    """The contract that pays, as the station has it."""
    contracts_installed: int = 0
    """Contracts that the vehicle was given in the session."""
    paused_seconds: float | None = None
    """How long the session rested between its two parts; None: it was not paused, or did not go on."""
    cost: RunCost | None = None
    """With ``schedule``: which schedule the vehicle took, and what the run cost by its prices."""
    exchanges_of_parts: list[int] = []
    """Exchanges before and after the pause; of a session without one, all."""
    renegotiated: list[str] = []
    """What was agreed on anew, in order: "stop-and-go" or "beside" for a schedule, "service"."""
    standby_seconds: float | None = None
    """How long the vehicle stood by; None: it did not."""

    @property
    def exit_status(self) -> int:
        """0 as ordered, 3 the link failed, 5 a timeout, 1 anything else."""
        if self.result == "ok":
            return 0
        if self.end_reason in [reason.name for reason in _TIMEOUTS]:
            return 5
        return 3 if self.end_reason == EndReason.PEER_VANISHED.name else 1


def summarize(
    plant: Rig,
    secc: SessionEnded,
    evcc: SessionEnded,
    *,
    edition: str,
    tls: Tls | None,
    exchanges: int,
    charge_loops: int,
    transfer_s: float,
    session_s: float,
    wall_s: float,
    secc_states: list[str],
    evcc_states: list[str],
    link_s: float | None = None,
    setup_s: float | None = None,
    safe: bool = True,
    sdp: str | None = None,
    emaid: str = "",
    contracts_installed: int = 0,
    paused_s: float | None = None,
    parts: list[int] | None = None,
    cost: RunCost | None = None,
    midway: Midway | None = None,
    standby_scale: float = 1.0,
) -> LoopbackSummary:
    """Put the figures together and judge whether everything went as ordered."""
    order, record, meter, battery = (
        plant.order,
        plant.circuit.record,
        plant.station.meter,
        plant.vehicle.battery,
    )
    who, end = _who_ended(secc, evcc)
    problem = _problem(plant, end) if safe else "the hardware did not confirm that it is safe"
    if not problem and order.pause is not None and paused_s is None:
        problem = "the session was not paused"
    if not problem and midway is not None:
        problem = midway.problem
    return LoopbackSummary(
        result="failed" if problem else "ok",
        ended_by=who,
        edition=edition,
        service=order.service,
        auth=order.auth,
        control=order.control,
        link=order.link,
        transport=order.transport,
        tls=tls,
        exchanges=exchanges,
        charge_loops=charge_loops,
        soc_start=order.soc_start,
        soc_end=round(battery.soc, 3),
        energy_charged_kwh=_kilo(meter.charged_wh),
        energy_discharged_kwh=_kilo(meter.discharged_wh),
        peak_power_kw=_kilo(record.peak_power_w),
        peak_current_a=round(record.peak_current_a, 1),
        max_voltage_v=round(record.maximum_voltage_v, 1),
        link_seconds=None if link_s is None else round(link_s, 3),
        setup_seconds=None if setup_s is None else round(setup_s, 3),
        transfer_seconds=round(transfer_s, 3),
        session_seconds=round(session_s, 3),
        wall_seconds=round(wall_s, 3),
        secc_states=secc_states,
        evcc_states=evcc_states,
        detail=problem,
        end_reason=end.reason.name,
        station=order.station or "",
        peak_discharge_power_kw=_kilo(record.peak_discharge_power_w),
        hardware_time_scale=plant.circuit.time_scale,
        hardware=Hardware(
            meter_charged_kwh=_kilo(meter.charged_wh),
            meter_discharged_kwh=_kilo(meter.discharged_wh),
            battery_charged_kwh=_kilo(battery.charged_wh),
            battery_discharged_kwh=_kilo(battery.discharged_wh),
            battery_stored_kwh=_kilo(battery.stored_wh - plant.stored_at_start_wh),
            transfer_seconds=round(record.transfer_s, 3),
            beyond_station_limits=record.beyond_station,
            beyond_vehicle_limits=record.beyond_vehicle,
            inrushes=record.inrushes,
        ),
        sdp=sdp,
        emaid=emaid,
        contracts_installed=contracts_installed,
        paused_seconds=paused_s,
        cost=cost,
        exchanges_of_parts=[exchanges] if parts is None else parts,
        renegotiated=[] if midway is None else midway.renegotiated,
        standby_seconds=None
        if midway is None or midway.standby_s is None
        else round(midway.standby_s * standby_scale, 1),
    )


def _who_ended(secc: SessionEnded, evcc: SessionEnded) -> tuple[str, SessionEnded]:
    """The side whose own doing the end was; the link, if each only saw the other vanish."""
    if evcc.reason is EndReason.STOPPED_BY_STATION:
        return "secc", evcc
    for who, end in (("evcc", evcc), ("secc", secc)):
        if end.reason not in _BY_PEER and end.reason is not EndReason.STOPPED_BY_EV:
            return who, end
    for who, end in (("evcc", evcc), ("secc", secc)):
        if end.reason not in _BY_PEER:
            return who, end
    return ("evcc", evcc) if evcc.reason is EndReason.REFUSED else ("link", evcc)


def _problem(plant: Rig, end: SessionEnded) -> str:
    """Why the run was not as ordered; empty if it was."""
    order, record, battery = plant.order, plant.circuit.record, plant.vehicle.battery
    if not end.reason.orderly:
        return f"{end.reason.value}: {end.detail}" if end.detail else end.reason.value
    if not battery.complete:
        return f"the session ended at {battery.soc:.2f} %, short of the target of {order.soc_target:g} %"
    given_kwh = plant.station.meter.discharged_wh / 1000.0
    if order.discharge_kwh is not None and given_kwh < order.discharge_kwh * _SHORT_OF:
        return f"{given_kwh:.1f} kWh were given back instead of {order.discharge_kwh:g}"
    for what, count in (
        ("limits of the station", record.beyond_station),
        ("limits of the vehicle", record.beyond_vehicle),
    ):
        if count:
            return f"{what} were exceeded in {count} of {record.steps} steps"
    if record.inrushes:
        return f"contactors closed over {record.worst_inrush_v:.0f} V"
    return ""


def _kilo(value: float) -> float:
    return round(value / 1000.0, 4)
