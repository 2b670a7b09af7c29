"""What the monitor knows of a connection device and of the vehicle under it: nothing flows while it is not
there, and it moves while nothing flows."""

from __future__ import annotations

from typing import Any

from iso15118.messages.iso20 import acdp
from iso15118.messages.iso20.common_types import Processing
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.coupling import DevicePosition, VehiclePosition

from .violation import SafetyViolation

__all__ = ["DeviceRules", "HeldRules"]

_REACTION_S = 1.2
"""With a dead output after the end the device has to be told to leave within this."""
_LIVE = (act.StartCableCheck, act.PreCharge, act.CloseContactors, act.SetPower)


class DeviceRules:
    """Of a station whose device is at ``position`` when the session begins."""

    def __init__(self, position: DevicePosition) -> None:
        self._position = position
        self._place: VehiclePosition | None = None
        self._place_at = -1e9
        self._output = ev.PowerMeasured(0.0, 0.0)
        self._closed = self._live = self._over = False
        self._down = position is not DevicePosition.HOME
        self._idle_since: float | None = None

    def measured(self, values: ev.PowerMeasured, now: float | None) -> None:
        """The station's output."""
        self._output = values
        if now is None or not self._over or not self._down or not self._dead:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since > _REACTION_S:
            raise SafetyViolation("the session is over, and nobody retracts the connection device")

    @property
    def _dead(self) -> bool:
        output = self._output
        return (
            not (self._closed or self._live)
            and abs(output.current_a) <= 1.0
            and abs(output.voltage_v) <= 60.0
        )

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """One call of the station's session."""
        match event:
            case ev.ConnectionDeviceChanged(position=position):
                self._position = position
                alive = self._live or self._closed
                lost = alive and not self._over and position is not DevicePosition.END_POSITION
                if lost and not any(type(action) is act.OpenContactors for action in actions):
                    raise SafetyViolation(
                        "the connection device left under power, and nothing was done about it"
                    )
            case ev.VehiclePositionMeasured(position=place, at=at):
                self._place, self._place_at = place, now if at is None else at
            case ev.ContactorsChanged(closed=closed):
                self._closed = closed
            case _:
                pass
        for action in actions:
            self._action(action, now)

    def _action(self, action: act.Action, now: float) -> None:
        kind = type(action)
        if kind in _LIVE:
            self._live = True
            if self._position is not DevicePosition.END_POSITION:
                raise SafetyViolation(f"{kind.__name__} while the connection device is not at the vehicle")
        elif kind is act.OpenContactors:
            self._live = False
        elif kind is act.ConnectDevice:
            place = self._place
            if place is None or now - self._place_at > 1.01 or not (place.in_position and place.associated):
                raise SafetyViolation("the connection device was brought down on nobody knows whom")
            if self._live or self._closed or self._over:
                raise SafetyViolation("the connection device was brought down at the wrong time")
            self._down = True
        elif kind is act.DisconnectDevice:
            if not self._dead:
                raise SafetyViolation(f"the connection device was retracted at {self._output}")
            self._down = False
        elif kind is act.SessionEnded:
            self._over = True
            orderly = action.reason.orderly  # type: ignore[attr-defined]
            if orderly and self._down and self._dead:
                raise SafetyViolation("the session ended with the connection device down")


class HeldRules:
    """Of a vehicle under a connection device."""

    def __init__(self) -> None:
        self._held = False
        self._asked = self._home = False

    def look(self, event: ev.Event | None, actions: list[act.Action]) -> None:
        """One call of the vehicle's session."""
        if isinstance(event, ev.MobilityChanged):
            self._held = event.immobilized
        message: Any = event.message if type(event) is ev.MessageReceived else None
        if type(message) is acdp.ACDPDisconnectRes:
            home = acdp.MechanicalChargingDeviceStatus.Home
            self._home = (
                message.evse_mechanical_charging_device_status is home
                and message.evse_processing is Processing.Finished
            )
        for action in actions:
            if type(action) is act.Send and type(action.message) is acdp.ACDPConnectReq:
                self._asked = True
                if not self._held:
                    raise SafetyViolation("a connection device was asked for by a vehicle that may move")
            elif type(action) is act.CloseContactors and not self._held:
                raise SafetyViolation("vehicle contactors while it may move")
            elif type(action) is act.Immobilize and not action.immobile and self._asked and not self._home:
                raise SafetyViolation("the drive was let go before the connection device was home")
