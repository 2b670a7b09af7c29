"""The vehicle under a connection device: finding its place, being connected and disconnected, and
the status beside the charge.

The drive is locked from before the device is asked for until the device is home; no message of
the station unlocks it earlier.
"""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation, EndSession, Leave, SideStream, Until
from iso15118.evcc.iso20.exchange import header, poll
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import acdp
from iso15118.messages.iso20.common_types import Processing
from iso15118.session.actions import EndReason, GuideVehicle, Immobilize
from iso15118.session.coupling import PositioningPlace, VehiclePosition
from iso15118.session.events import SignalState

__all__ = ["connect", "disconnect", "position", "position_first"]

_APART = acdp.ElectricalChargingDeviceStatus.State_A
_ELECTRICAL = {
    SignalState.A: _APART,
    SignalState.B: acdp.ElectricalChargingDeviceStatus.State_B,
    SignalState.C: acdp.ElectricalChargingDeviceStatus.State_C,
    SignalState.D: acdp.ElectricalChargingDeviceStatus.State_D,
}
_PILOT = {
    SignalState.A: acdp.CpStatus.StateA,
    SignalState.B: acdp.CpStatus.StateB,
    SignalState.C: acdp.CpStatus.StateC,
    SignalState.D: acdp.CpStatus.StateD,
    SignalState.E: acdp.CpStatus.StateE,
}
_HOME = acdp.MechanicalChargingDeviceStatus.Home
_END = acdp.MechanicalChargingDeviceStatus.EndPosition


# -- finding the place -------------------------------------------------------------------------------------


async def position_first(talk: Conversation, plan: Plan) -> None:
    """Between SessionSetup and AuthorizationSetup, if that is where the vehicle does it."""
    if talk.config.acdp.positioning is PositioningPlace.BEFORE_AUTHORIZATION:
        await position(talk, plan)


async def position(talk: Conversation, plan: Plan) -> None:
    """Move until the station sees the vehicle in its place, and it stands."""
    settings = talk.config.acdp
    told: VehiclePosition | None = None

    def request() -> acdp.ACDPVehiclePositioningReq:
        stands = talk.mobility is not None and talk.mobility.stands
        return acdp.ACDPVehiclePositioningReq(
            header=header(talk),
            ev_mobility_status=settings.mobility_status.says(stands),
            ev_positioning_support=settings.finds_place,
        )

    def finished(response: acdp.ACDPVehiclePositioningRes) -> bool:
        nonlocal told
        place = VehiclePosition(
            x_cm=float(response.ev_relative_x_deviation),
            y_cm=float(response.ev_relative_y_deviation),
            window_x_cm=float(response.contact_window_xc),
            window_y_cm=float(response.contact_window_yc),
            in_position=response.ev_in_charge_position,
        )
        if place != told and response.evse_positioning_support:
            told = place
            talk.act(GuideVehicle(place))
        stands = talk.mobility is not None and talk.mobility.stands
        return response.evse_processing is Processing.Finished and stands

    await poll(
        talk,
        request,
        finished,
        limit=talk.timing.positioning_timeout,
        reason=EndReason.COUPLING_FAILED,
    )
    plan.positioned = True


# -- down and up -------------------------------------------------------------------------------------------


def _electrical(talk: Conversation, plan: Plan) -> acdp.ElectricalChargingDeviceStatus:
    """The pilot as the vehicle sees it; where nobody tells of one, a device that the station says is in
    contact counts as state B."""
    if talk.signal is not None:
        return _ELECTRICAL.get(talk.signal, _APART)
    return acdp.ElectricalChargingDeviceStatus.State_B if plan.device_down else _APART


async def connect(talk: Conversation, plan: Plan) -> None:
    """Lock the drive, then have the device brought down until both sides feel the other."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    if not plan.positioned:
        await position(talk, plan)
    deadline = talk.now + talk.config.acdp.immobilize_s
    talk.act(Immobilize(True))
    if not await Until(deadline, lambda: talk.locked):
        talk.act(Immobilize(False))
        raise Leave(EndReason.COUPLING_FAILED, "the drive was not locked in time")
    talk.held = plan.connecting = True
    talk.side = _status_stream(talk)

    def finished(response: acdp.ACDPConnectRes) -> bool:
        plan.device_down = response.evse_mechanical_charging_device_status is _END
        done = response.evse_processing is Processing.Finished
        if done and not plan.device_down:
            raise Leave(
                EndReason.COUPLING_FAILED, "the station calls a device connected that is not in contact"
            )
        return done and _electrical(talk, plan) is not _APART

    await poll(
        talk,
        lambda: acdp.ACDPConnectReq(
            header=header(talk), ev_electrical_charging_device_status=_electrical(talk, plan)
        ),
        finished,
        limit=talk.timing.ongoing_timeout,
        reason=EndReason.COUPLING_FAILED,
    )
    talk.apart = False  # from now on a pilot in state A is a contact that is lost


async def disconnect(talk: Conversation, plan: Plan) -> None:
    """Have the device retracted, and let the drive go once it is home."""
    if not plan.connecting:
        return
    plan.connecting = False
    talk.apart = True

    def finished(response: acdp.ACDPDisconnectRes) -> bool:
        home = response.evse_mechanical_charging_device_status is _HOME
        plan.device_down = plan.device_down and not home
        return home and response.evse_processing is Processing.Finished

    wanted, talk.stop_wanted = (
        talk.stop_wanted,
        "",
    )  # it is about to go: nothing has to be broken off for that
    try:
        await poll(
            talk,
            lambda: acdp.ACDPDisconnectReq(
                header=header(talk), ev_electrical_charging_device_status=_electrical(talk, plan)
            ),
            finished,
            limit=talk.timing.ongoing_timeout,
            reason=EndReason.ONGOING_TOO_LONG,
        )
    finally:
        talk.stop_wanted = talk.stop_wanted or wanted
        talk.side = None
    talk.held = False
    talk.act(Immobilize(False))


# -- beside the charge -------------------------------------------------------------------------------------


def _status_stream(talk: Conversation) -> SideStream:
    settings = talk.config.acdp
    return SideStream(
        response_type=acdp.ACDPSystemStatusRes,
        every_s=settings.status_every_s,
        silence_s=settings.status_silence_s,
        ask=lambda: _status(talk),
        hear=lambda response: _heard(talk, response),
        lost=lambda: _stop(talk, f"no answer to ACDP_SystemStatusReq for {settings.status_silence_s:g} s"),
    )


def _status(talk: Conversation) -> acdp.ACDPSystemStatusReq:
    signal = talk.signal
    return acdp.ACDPSystemStatusReq(
        header=header(talk),
        ev_technical_status=acdp.EVTechnicalStatus(
            ev_ready_to_charge=not talk.stop_wanted,
            ev_immobilization_request=talk.held,
            ev_immobilized=talk.locked,
            evcp_status=None if signal is None else _PILOT.get(signal),
            evsoc=min(max(int(talk.battery.soc), 0), 100),
            ev_error_code=acdp.ErrorCode.OK_NoEVError,
            ev_timeout=False,
        ),
    )


def _heard(talk: Conversation, status: acdp.ACDPSystemStatusRes) -> None:
    """The station's own faults end it at once; what only keeps it from charging, in order."""
    if status.evse_emergency_shutdown:
        raise EndSession(
            EndReason.EMERGENCY, "the station reports an emergency shutdown", cause="peer-emergency"
        )
    if status.evse_malfunction:
        raise EndSession(
            EndReason.HARDWARE_FAULT, "the station reports a malfunction", cause="peer-malfunction"
        )
    if status.evse_isolation_status is acdp.IsolationStatus.Fault:
        raise EndSession(
            EndReason.HARDWARE_FAULT,
            "the station reports an isolation fault",
            cause="insulation-fault-reported",
        )
    joined = not talk.apart
    if joined and status.evse_mechanical_charging_device_status is not _END:
        raise EndSession(
            EndReason.HARDWARE_FAULT,
            f"the connection device left the vehicle: {status.evse_mechanical_charging_device_status.value}",
        )
    if status.evse_disabled:
        _stop(talk, "the station is disabled", by_station=True)
    if status.evse_utility_interrupt_event:
        _stop(talk, "the station's grid is interrupted", by_station=True)


def _stop(talk: Conversation, why: str, *, by_station: bool = False) -> None:
    talk.stop_wanted = talk.stop_wanted or why
    if by_station:
        talk.note("system-status", why)
