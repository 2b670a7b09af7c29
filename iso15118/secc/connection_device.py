"""The station's connection device, such as a pantograph, or its pad, in the way out: what is told of it
means, and when it is retracted.

It leaves the vehicle with contactors open and without current and voltage only, whatever ends the session;
that may be a moment after the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Action, EndReason, Urgency
from iso15118.session.checks import taken_at
from iso15118.session.coupling import DevicePosition
from iso15118.session.wireless import CoilDiagnosis
from iso15118.timing import Timer, TimerTable

if TYPE_CHECKING:
    from .facts import Facts
    from .hardware import HardwareBooks

__all__ = ["ConnectionDevice"]


class ConnectionDevice:
    """What ``Funnel`` knows about it."""

    ended: act.SessionEnded | None
    timers: TimerTable
    _facts: Facts
    _books: HardwareBooks

    def _abort(self, reason: EndReason, detail: str, *, rule: str = "", cause: str = "") -> list[Action]:
        raise NotImplementedError

    def _stop(self, reason: str, rule: str = "") -> list[Action]:
        raise NotImplementedError

    def _device_moved(self, position: DevicePosition) -> list[Action]:
        """It reports where it is: away from its end position it carries nothing."""
        facts = self._facts
        before, facts.device = facts.device, position
        by_itself = (
            before in (None, DevicePosition.HOME)
            and position is not DevicePosition.HOME
            and not facts.device_down
        )
        facts.device_down = facts.device_down or by_itself
        there = DevicePosition.END_POSITION if facts.device_down else DevicePosition.HOME
        if position is there:
            self.timers.clear(Timer.CONNECTION_DEVICE)
        if self.ended is not None:
            return self._retract()
        if by_itself and before is not None and facts.decides(EndReason.HARDWARE_FAULT):
            return self._abort(
                EndReason.HARDWARE_FAULT, "the connection device moves, and nobody asked for it"
            )
        lost = position is not DevicePosition.END_POSITION
        live = facts.energized or facts.contactors_closed
        if lost and live and facts.decides(EndReason.HARDWARE_FAULT):
            what = f"the connection device left the vehicle under power: {position.value}"
            return self._abort(EndReason.HARDWARE_FAULT, what)
        return []

    def _coupling(self, event: ev.Event) -> list[Action]:
        """What a device, a sensor of the vehicle's place or a pad tells."""
        facts = self._facts
        match event:
            case ev.ConnectionDeviceChanged(position=position):
                return self._device_moved(position)
            case ev.VehiclePositionMeasured(position=place, at=at):
                if (taken := taken_at(at, facts.now, facts.position_at)) is not None:
                    facts.position, facts.position_at = place, taken
            case ev.PadLimitsChanged(limits=limits):
                facts.pad_capabilities = limits
                return self._rebound()
        return []

    def _rebound(self) -> list[Action]:
        raise NotImplementedError

    def _over_the_pad(self) -> list[Action]:
        """Whatever lies or lives over the pad, or is wrong with its coil, takes the power away at once, as
        does a vehicle that has left; then it is asked to stop. One that has left while its position was
        tried is told so with its next request, and may find its place again."""
        facts = self._facts
        if facts.pad_barred:
            return []
        if facts.pad.diagnosis is not CoilDiagnosis.NO_ISSUE:
            return self._bar(f"over the pad: {facts.pad.diagnosis.value}")
        if facts.pad.vehicle_here is not False:
            return []
        if facts.delivered:
            return self._bar("the vehicle is not over the pad any more")
        return self._pad_off()

    def _bar(self, why: str) -> list[Action]:
        facts = self._facts
        facts.pad_barred = why
        return self._pad_off() + ([] if self.ended is not None else self._stop(why))

    def _pad_off(self) -> list[Action]:
        """At once, also where a ramp to nothing is under way."""
        facts = self._facts
        if self._books.at_once or (facts.pad_power is None and facts.pad.power_w <= 0.0):
            return []
        return self._books.keep((act.StopPower(Urgency.EMERGENCY),))

    def _device_late(self) -> list[Action]:
        if self._facts.device_down:
            late = "the connection device did not reach the vehicle in time"
            return self._abort(EndReason.COUPLING_FAILED, late, cause="coupling-timeout")
        return self._abort(EndReason.HARDWARE_FAULT, "the connection device was not retracted in time")

    def _retract(self, *, over: bool = False) -> list[Action]:
        """Retract it, once the session is over, as soon as nothing flows and nobody could touch a voltage."""
        facts = self._facts
        if not facts.device_down or not (over or self.ended is not None) or not facts.dead:
            return []
        actions = self._books.keep((act.DisconnectDevice(facts.now + facts.timing.ongoing_performance),))
        self.timers.clear(Timer.CONNECTION_DEVICE)  # nobody is told any more
        return actions

    # -- the stream on which the vehicle tells its status

    def _watch_status(self) -> None:
        """The next one is waited for as long as the standard has it, and not for
        long while there is power."""
        facts = self._facts
        heard = facts.status_heard
        if heard is None:
            self.timers.clear(Timer.SYSTEM_STATUS)
            return
        if not facts.status_ever and not facts.config.acdp.status_required:
            return
        wait_s = facts.timing.sequence_timeout
        if facts.status_ever and facts.energized:
            wait_s = min(wait_s, facts.config.acdp.status_silence_s)
        self.timers.set(Timer.SYSTEM_STATUS, heard + wait_s)

    def _status_silent(self) -> list[Action]:
        facts = self._facts
        if facts.stop_wanted:
            return []
        silent_s = facts.now - (facts.now if facts.status_heard is None else facts.status_heard)
        return self._stop(f"no ACDP_SystemStatusReq for {silent_s:.0f} s")
