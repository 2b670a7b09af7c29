"""The ports of a station: carries out what a session asks of its supply, contactors, cable check,
terminal, meter and backend.

Nothing here knows a protocol, and nothing makes the session wait: answers, readings and
failures come back as events.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from iso15118.aio.logs import Log
from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import Urgency
from iso15118.session.checks import taken_at
from iso15118.session.coupling import DevicePosition
from iso15118.session.limits import StationLimits
from iso15118.session.wireless import PadLimits

from . import readings
from .ac_side import outlet
from .answers import meant_yes
from .by_signature import ask_terminal, run_cable_check
from .calls import Call
from .coil_side import id_code_of, pad
from .contract_calls import ContractCalls
from .coupling_calls import DeviceCalls
from .guard import Port, each
from .hardware import AHEAD_S, PortLimits, SideHardware
from .key_calls import KeyCalls
from .port_calls import Echo, PowerCalls, Question
from .present import Present
from .schedule_calls import ScheduleCalls

if TYPE_CHECKING:
    from iso15118.session import ports
    from iso15118.session.supervision import SupervisionLimits

__all__ = ["StationHardware"]

_log = Log(__name__)

_MOST_SAID: Final = 8
"""So many complaints about the meter are said in a session."""


class StationHardware(SideHardware):
    """One session's hold on the ports of a station. ``tell`` gets the events."""

    def __init__(
        self,
        station: ports.Station,
        limits: PortLimits,
        tell: Callable[[ev.Event], None],
        managed: StationLimits | None = None,
        supervision: SupervisionLimits | None = None,
        managed_ac: AcStationLimits | None = None,
    ) -> None:
        others = (station.power, station.ac, station.pad)
        super().__init__(station.contactors, limits, tell, supervision, others)
        self._output = None if station.power is None else Port(station.power, "power")
        self._cable = None if station.cable_check is None else Port(station.cable_check, "cable_check")
        self._terminal = Port(station.authorizer, "authorizer")
        self._counter = None if station.meter is None else Port(station.meter, "meter")
        self._supply: StationLimits | None = None
        """What the supply said it can do, when that was last read: a copy, as a port may change its own."""
        self._managed = managed
        loop = self._loop
        self._power = (
            None
            if self._output is None
            else PowerCalls(loop, self._output, self._report, limits.power_s, limits.pre_charge_s)
        )
        self._ac = None if station.ac is None else outlet(loop, station.ac, self._report, limits.power_s)
        self._pad = None if station.pad is None else pad(loop, station.pad, self._report, limits.power_s)
        self._managed_ac = managed_ac
        self._powers = tuple(
            calls
            for calls in (
                self._power,
                None if self._ac is None else self._ac.calls,
                None if self._pad is None else self._pad.calls,
            )
            if calls is not None
        )
        """All that can give power: each is stopped whatever the other does."""
        self._device = (
            None
            if station.connection_device is None
            else DeviceCalls(
                loop, station.connection_device, station.vehicle_position, self._report, limits.device_s
            )
        )
        cable = Port(station.cable_check, "cable_check")
        self._check = Question(loop, cable, "run", self._checked, self._check_failed, self._check_ended)
        self._check_number = 0
        self._closed = False
        self._check_echo = Echo(loop, self._stop_again)
        self._authorizer = Question(loop, self._terminal, "authorize", self._authorized, self._not_authorized)
        self._authorization = 0
        """The number of the last question to the terminal."""
        meter = Port(station.meter, "meter")
        self._meter = Question(loop, meter, "read", self._read, self._not_read, reads=True)
        self._contracts = ContractCalls(loop, station, self._news, limits.contract_s)
        self._schedules = ScheduleCalls(loop, station, self._news)
        self._keys = KeyCalls(loop, self._news)
        self._first_reading: ev.MeterRead | None = None
        self._last_reading: ev.MeterRead | None = None
        self._meter_said: set[str] = set()
        self._do: Final[dict[type, Callable[[Any], None]]] = {
            act.SetPower: self._set_power,
            act.SetAcPower: self._set_ac_power,
            act.PreCharge: self._set_power,
            act.SetPad: self._set_pad,
            act.StopPower: self._stop_power,
            act.CloseContactors: self._close_contactors,
            act.OpenContactors: self._open_contactors,
            act.StartCableCheck: self._start_cable_check,
            act.ConnectDevice: self._connect_device,
            act.DisconnectDevice: self._disconnect_device,
            act.RequestAuthorization: self._request_authorization,
            act.ReadMeter: self._read_meter,
            act.RequestContractAuthorization: self._contracts.authorize,
            act.RequestContractCertificate: self._contracts.install,
            act.RequestSchedules: self._schedules.ask,
            act.UseKey: self._keys.use,
        }

    def start(self) -> Sequence[ev.Event]:
        """What another session has left behind, and the level of the contactors, if it is not open; the meter
        is asked for its first reading."""
        self._read_meter(None)
        left, changed = self._left_now(), self._contactors.changed(begins=True)
        return left if changed is None else (*left, changed)

    def do(self, action: act.HardwareAction) -> None:
        """Carry this out."""
        self._do[type(action)](action)

    def measure(self, now: float) -> Sequence[ev.Event]:
        """Voltage and current at the output, and at the AC outlet."""
        present: tuple[ev.Event, ...] = ()
        try:
            if self._output is not None:
                output = self._output.read("present", readings.output)
                self._measured_now("power.present.at", output.at, now)
                present = (output,)
        except HardwareError as error:
            return self._report.unreadable("power", str(error))
        try:
            if self._ac is not None:
                values = self._ac.present()
                self._measured_now("ac.present.at", values.at, now)
                present = (*present, values)
        except HardwareError as error:
            return (*present, *self._report.unreadable("ac", str(error)))
        try:
            if self._pad is not None:
                coil = self._pad.present()
                self._measured_now("pad.present.at", coil.at, now)
                present = (*present, coil)
        except HardwareError as error:
            return (*present, *self._report.unreadable("pad", str(error)))
        if now < self._look_at:
            return present
        self._look_at = now + self._limits.look_s
        return (*present, *self._look())

    def _look(self) -> list[ev.Event]:
        """What the hardware shows and nobody pushes."""
        found: list[ev.Event] = []
        changed = self._contactors.changed()
        if changed is not None:
            found.append(changed)
        if self._device is not None:
            try:
                found += self._device.look()
            except HardwareError as error:
                found += self._report.unreadable("connection_device", str(error))
        if self._pad is not None:
            could = self._pad.known
            try:
                if self._pad.limits() != could and could is not None:
                    found.append(ev.PadLimitsChanged(self._pad.limits()))
            except HardwareError as error:
                found += self._report.unreadable("pad", str(error))
        known = self._supply
        try:
            if self._output is not None and self._read_supply(self._output) != known:
                found.append(ev.LimitsChanged(self._in_force()))
        except HardwareError as error:
            found += self._report.unreadable("power", str(error))
        if (ac := self._ac) is not None:
            before = ac.known
            try:
                if ac.limits() != before and (limits := self.ac_limits()) is not None:
                    found.append(ev.AcLimitsChanged(limits))
            except HardwareError as error:
                found += self._report.unreadable("ac", str(error))
        return found

    def limits(self) -> StationLimits | None:
        """What the station can give now: what its supply can, within what its energy manager allows; None
        without a DC output. Raises ``HardwareError`` if the supply does not say."""
        if self._output is None:
            return None
        self._read_supply(self._output)
        return self._in_force()

    def ac_limits(self) -> AcStationLimits | None:
        """The same of the AC outlet."""
        if self._ac is None:
            return None
        limits = self._ac.limits()
        return limits if self._managed_ac is None else limits.within(self._managed_ac)

    def ac_capabilities(self) -> AcStationLimits | None:
        """What the AC outlet could give at best; None if it does not say. Raises as ``limits`` does."""
        return None if self._ac is None else self._ac.capabilities()

    def capabilities(self) -> StationLimits | None:
        """What the supply could give at best, whatever holds now; None if it does not say.
        Raises as ``limits`` does."""
        if self._output is None or not self._output.has("capabilities"):
            return None
        return self._output.read("capabilities", readings.station_limits)

    def limits_unknown(self) -> str:
        """See ``SideHardware``."""
        try:
            self.limits(), self.ac_limits(), self.pad_limits()
        except HardwareError as error:
            return str(error)
        return ""

    def managed(self, event: ev.LimitsChanged | ev.AcLimitsChanged) -> ev.Event | None:
        """The energy manager allows this from now on; what holds then, None for what there is not.
        Raises as ``limits`` does."""
        if isinstance(event, ev.AcLimitsChanged):
            self._managed_ac = event.limits
            outlet_now = self.ac_limits()
            return None if outlet_now is None else ev.AcLimitsChanged(outlet_now)
        self._managed = event.limits
        limits = self.limits()
        return None if limits is None else ev.LimitsChanged(limits)

    def _read_supply(self, output: Port) -> StationLimits:
        supply = output.read("limits", self._judge_supply)
        if supply != self._supply:
            self._supply = copy.copy(supply)
        return supply

    def _judge_supply(self, value: Any, port: str) -> StationLimits:
        """They are looked at twenty times a second and hardly ever change: what is as it was when it was
        judged is not judged again."""
        known = self._supply
        if known is not None and readings.is_unchanged(value, known):
            return known
        return readings.station_limits(value, port)

    def _in_force(self) -> StationLimits:
        supply = self._supply
        if supply is None:
            raise HardwareError("power.limits were never read")
        return supply if self._managed is None else supply.within(self._managed)

    def make_safe(self, reason: str, *, anew: bool = False) -> None:
        """Current to zero and contactors open, at once; nobody is asked anything any more."""
        failed = each(
            partial(self._stop_power, act.StopPower(Urgency.EMERGENCY), anew=anew),
            partial(self._open_contactors, act.OpenContactors(Urgency.EMERGENCY, reason), anew=anew),
            self._authorizer.drop,
            self._contracts.drop,
            self._schedules.drop,
        )
        for error in failed:
            _log.error("a step on the way to safety failed", error=error)

    async def wind_up(self) -> None:
        """Retract the connection device, now that nothing flows; ask the meter for a last reading and wait
        for it, no longer than it may take."""
        await self._retract()
        if self._counter is None:
            return
        until = self._loop.time() + self._limits.meter_s
        for _ in range(2):  # an answer that is on its way may be older than the end
            awaited = self._meter.asked
            self._read_meter(None)
            await self._while(lambda: self._meter.asked, until)
            if not awaited:
                return

    @property
    def winds_up_within_s(self) -> float:
        """See ``Hardware``."""
        retracting = 0.0 if self._device is None else self._device.home_within_s
        return retracting + (0.0 if self._counter is None else self._limits.meter_s)

    async def _retract(self) -> None:
        device = self._device
        if device is None or (device.is_home and not device.may_connect):
            return
        if not self.safe:
            _log.error("the connection device stays where it is: %s", self.why_unsafe())
            return
        until = self._loop.time() + device.home_within_s
        device.disconnect()
        await self._while(lambda: device.may_connect or (not device.is_home and device.busy), until)
        if not device.is_home:
            _log.error("the connection device is not home")

    def pad_limits(self) -> PadLimits | None:
        """What the pad can send now; None without one. Raises as ``limits`` does."""
        return None if self._pad is None else self._pad.limits()

    def pad_id(self) -> int:
        """Its code; 0 without one. Raises as ``limits`` does."""
        return 0 if self._pad is None else self._pad.port.read("id_code", id_code_of)

    def device_position(self) -> DevicePosition | None:
        """Where the connection device is; None without one. Raises as ``limits`` does."""
        return None if self._device is None else self._device.position

    @property
    def energy(self) -> tuple[float, float] | None:
        """Between the first reading of the session and the last."""
        first, last = self._first_reading, self._last_reading
        if first is None or last is None:
            return None
        return (
            max(last.charged_wh - first.charged_wh, 0.0),  # by rounding it may seem to be less
            max(last.discharged_wh - first.discharged_wh, 0.0),
        )

    def _close(self) -> None:
        self._closed = True
        self._check_echo.close()
        for calls in self._powers:
            calls.close()
        if self._device is not None:
            self._device.close()
        for part in (
            self._check,
            self._authorizer,
            self._contracts,
            self._schedules,
            self._meter,
            self._keys,
        ):
            part.close()
        self._contactors.shut_down()

    # -- actions ------------------------------------------------------------------------------------------

    def _set_power(self, action: act.SetPower | act.PreCharge) -> None:
        self._energise()
        if self._power is not None:
            self._power.want(action)

    def _set_ac_power(self, action: act.SetAcPower) -> None:
        self._energise()
        if self._ac is not None:
            self._ac.calls.want(action)

    def _set_pad(self, action: act.SetPad) -> None:
        self._energise()
        if self._pad is not None:
            self._pad.calls.want(action)

    def _stop_power(self, action: act.StopPower, *, anew: bool = False) -> None:
        failed = each(*(partial(calls.stop, action.urgency, anew=anew) for calls in self._powers))
        for error in failed:
            _log.error("a stop of power failed", error=error)
            self._report.fault("power", str(error))
        check = self._check.call
        if check is not None:  # work for a session dies with it; a thread of it may go on for a while
            self._check_echo.after(check, self._limits.pre_charge_s)
            self._check.drop()

    def _stop_again(self) -> None:
        if self._told_safe:
            for calls in self._powers:
                calls.stop(Urgency.EMERGENCY, anew=True)
        self._report.over()

    def _close_contactors(self, action: act.CloseContactors) -> None:
        self._energise()
        self._contactors.close()

    def _open_contactors(self, action: act.OpenContactors, *, anew: bool = False) -> None:
        self._told_safe = True
        self._contactors.open(action.urgency, action.reason, anew=anew)

    def _start_cable_check(self, action: act.StartCableCheck) -> None:
        self._energise()
        self._check.drop()  # the answer to an earlier one is not wanted any more
        self._check_number = action.number
        limit_s = max(action.deadline - self._loop.time(), 0.001)
        if self._cable is not None:
            self._check.ask(partial(run_cable_check, self._cable, action), limit_s)

    def _connect_device(self, action: act.ConnectDevice) -> None:
        if self._device is not None:
            self._device.connect(action.deadline)

    def _disconnect_device(self, action: act.DisconnectDevice) -> None:
        if self._device is not None:
            self._device.disconnect()

    def _request_authorization(self, action: act.RequestAuthorization) -> None:
        self._authorizer.drop()  # the answer to an earlier question is not wanted any more
        self._authorization = action.number
        self._authorizer.ask(partial(ask_terminal, self._terminal, action), self._limits.authorization_s)

    def _read_meter(self, action: act.ReadMeter | None) -> None:
        if self._counter is not None:
            self._meter.ask(self._counter.call("read"), self._limits.meter_s)

    # -- answers ------------------------------------------------------------------------------------------

    def _checked(self, result: object) -> None:
        if result is None:
            meant_yes("cable_check.run", "True when the cable is good")
        good = result is True or result is None
        if type(result) is str:
            reason = result or "no reason given"
        else:
            reason = "" if good or result is False else f"cable_check.run returned {readings.no_flag(result)}"
        self._news(ev.CableCheckFinished(good, reason if not good else "", self._check_number))

    def _check_ended(self, call: Call) -> None:
        """One that nobody waited for any more: its test voltage may have come after the stop."""
        if self._closed:
            self._hold.ended(call)
        else:
            self._stop_again()

    def _check_failed(self, complaint: str) -> None:
        self._report.fault("cable check", complaint)

    def _authorized(self, result: object) -> None:
        if type(result) is not bool:
            raise HardwareError(f"authorizer.authorize returned {readings.no_flag(result)}")
        self._news(ev.AuthorizationDecided(result, self._authorization))

    def _not_authorized(self, complaint: str) -> None:
        self._news(ev.AuthorizationDecided(False, self._authorization))
        _log.warning("nobody is let in: %s", complaint)

    def _read(self, result: object) -> None:
        reading, last = readings.meter(result, "meter.read"), self._last_reading
        known = -math.inf if last is None or last.at is None else last.at
        at = taken_at(reading.at, self._loop.time(), known)
        readings.follows(reading, None if at is None else last, self._loop.time(), AHEAD_S)
        if at is not None:  # else the session drops it, too
            self._last_reading = reading = msgspec.structs.replace(reading, at=at)
            self._first_reading = self._first_reading or reading
        self._news(reading)

    def _not_read(self, complaint: str) -> None:
        self._wake()
        said = "".join(letter for letter in complaint if not letter.isdigit())  # whatever its numbers
        if said not in self._meter_said and len(self._meter_said) < _MOST_SAID:
            self._meter_said.add(said)
            _log.warning("no reading of the energy meter: %s", complaint)

    # -- safe ---------------------------------------------------------------------------------------------

    def _safe_calls_running(self) -> bool:
        return any(calls.stops.running for calls in self._powers) or self._contactors.opens.running

    def _safe_calls_failed(self) -> bool:
        return any(calls.stops.failed for calls in self._powers) or self._contactors.opens.failed

    def _energising(self) -> list[Call]:
        calls = [self._contactors.under_way, *(power.under_way for power in self._powers)]
        return [*self._check.under_way, *(call for call in calls if call is not None)]

    def _open_calls(self) -> list[float]:
        check = self._check_echo.due_in if self._check_echo.pending else None
        if check is None and self._check.given_up:
            check = 0.0
        powers = [calls.open_s for calls in self._powers]
        return [left for left in (*powers, self._contactors.open_s, check) if left is not None]

    def _measured(self) -> Present | None:
        return self._shown("power", self._output, readings.output, self._ac, self._pad)
