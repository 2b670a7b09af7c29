"""The ports of a connection device at the station, and of the drive's lock in the vehicle.

Retracting goes first: it cuts a connection short, and is asked for again when the time
of what it cut short is over.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from iso15118.aio.logs import Log
from iso15118.errors import ConfigError, HardwareError
from iso15118.session import events as ev
from iso15118.session.checks import check_event
from iso15118.session.coupling import DevicePosition, VehiclePosition

from .coil_side import receiver_limits
from .guard import Port
from .plain import plain
from .port_calls import Echo, Question, Report

if TYPE_CHECKING:
    import asyncio

    from iso15118.session import ports
    from iso15118.session.wireless import ReceiverLimits

__all__ = ["DeviceCalls", "MobilityCalls", "coupled", "mobility_of"]

_log = Log(__name__)


class DeviceCalls:
    """One session's hold on the connection device and on the sensor for the vehicle's place."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        device: object,
        place: object,
        report: Report,
        limit_s: float,
    ) -> None:
        self._loop, self._report, self._limit_s = loop, report, limit_s
        self._device = Port(device, "connection_device")
        self._place = Port(place, "vehicle_position")
        failed = partial(report.fault, "connection_device")
        self._connect = Question(loop, self._device, "connect", self._connected, failed)
        self._disconnect = Question(
            loop, self._device, "disconnect", self._disconnected, self._not_disconnected
        )
        self._echo = Echo(loop, self._again)
        self._known: DevicePosition | None = None
        self._down = False
        self._once_more = False
        """It is to be retracted again when the retraction that is under way has ended."""

    # -- what is asked

    def connect(self, deadline: float) -> None:
        """Bring it to the vehicle."""
        self._down, self._once_more = True, False
        self._disconnect.drop()
        self._connect.ask(self._device.call("connect"), max(deadline - self._loop.time(), 0.001))

    def disconnect(self) -> None:
        """Retract it, whatever it does at the moment."""
        self._down = False
        call = self._connect.call
        if call is not None and not call.dropped:
            self._echo.after(call)
            self._connect.drop()
        self._disconnect.ask(self._device.call("disconnect"), self._limit_s)

    def _again(self) -> None:
        """What was cut short has had its time. A device that was asked to connect anew since then stays."""
        if not self._down:
            self._once_more = self._disconnect.asked  # what that one has done may be undone by now
            self.disconnect()
        self._report.over()

    def _connected(self, result: object) -> None:
        if result is not True:
            raise HardwareError(f"connection_device.connect returned {result!r:.50}, not True")
        self._look_now()

    def _disconnected(self, result: object) -> None:
        if result is not True:
            raise HardwareError(f"connection_device.disconnect returned {result!r:.50}, not True")
        self._retract_once_more()
        self._look_now()

    def _not_disconnected(self, complaint: str) -> None:
        self._report.fault("connection_device", complaint)
        self._retract_once_more()

    def _retract_once_more(self) -> None:
        again, self._once_more = self._once_more, False
        if again and not self._down:
            self.disconnect()

    def _look_now(self) -> None:
        self._report.over()
        for event in self.changed():
            self._report.tell(event)

    # -- what it shows

    @property
    def position(self) -> DevicePosition:
        """Where it is now. Raises ``HardwareError``."""
        return self._device.read("position", _device_position)

    @property
    def busy(self) -> bool:
        """It is being retracted."""
        return self._disconnect.asked or self._echo.pending

    @property
    def may_connect(self) -> bool:
        """A connection is under way, or was cut short and may still go on where nobody sees it: wherever it
        is now, it may come down."""
        return self._connect.asked or self._echo.pending

    @property
    def home_within_s(self) -> float:
        """How long it may take from now until it is home for good, in s."""
        if self.is_home and not self.may_connect:
            return 0.0
        call, comes_down_s = self._connect.call, self._echo.due_in
        if call is not None and self._connect.asked:
            comes_down_s = max(comes_down_s, call.began + call.limit_s - self._loop.time())
        return comes_down_s + self._limit_s

    @property
    def is_home(self) -> bool:
        """By what it shows now; False if it cannot be read."""
        try:
            return self.position is DevicePosition.HOME
        except HardwareError:
            return False

    def changed(self) -> list[ev.Event]:
        """Another position than at the last look."""
        position = self.position
        if position is self._known:
            return []
        self._known = position
        return [ev.ConnectionDeviceChanged(position)]

    def look(self) -> list[ev.Event]:
        """Position of the device, if it changed, and of the vehicle. A sensor that cannot be read says
        nothing: what it said before grows old. Raises ``HardwareError`` for the device."""
        found = self.changed()
        try:
            found.append(ev.VehiclePositionMeasured(self._place.read("present", _vehicle_position)))
        except HardwareError as error:
            if self._known is not DevicePosition.HOME or self._down:
                raise
            _log.warning("the place of the vehicle is not known: %s", error)
        return found

    def close(self) -> None:
        """No more calls."""
        self._echo.close()
        self._connect.close()
        self._disconnect.close()


class MobilityCalls:
    """One session's hold on the vehicle's drive."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, mobility: object, report: Report, limit_s: float
    ) -> None:
        self._port, self._report, self._limit_s = Port(mobility, "mobility"), report, limit_s
        self._question = Question(loop, self._port, "immobilize", lambda _: self._done(), self._failed)
        self._wanted: bool | None = None
        self._asked: bool | None = None
        self.known: ev.MobilityChanged | None = None

    def immobilize(self, immobile: bool) -> None:
        """Lock the drive, or let it go; the newest wish counts."""
        self._wanted = immobile
        if not self._question.asked:
            self._ask()

    @property
    def may_take_s(self) -> float:
        """How long what was asked of the lock may take from now, in s; 0.0 when all is done."""
        asked = self._question.asked
        return self._limit_s * (asked + (asked and self._wanted is not self._asked))

    def guide(self, position: VehiclePosition) -> None:
        """The station sees the vehicle here."""
        complaint = self._port.tell("guide", position)
        if complaint:
            _log.warning("nobody is guided: %s", complaint)

    def present(self) -> ev.MobilityChanged:
        """Whether it stands and is held now. Raises ``HardwareError``."""
        return self._port.read("present", mobility_of)

    def changed(self) -> list[ev.Event]:
        """Other values than at the last look. Raises as ``present`` does."""
        present = self.present()
        if present == self.known:
            return []
        self.known = present
        return [present]

    def close(self) -> None:
        """No more calls."""
        self._question.close()

    def _ask(self) -> None:
        self._asked = self._wanted
        self._question.ask(self._port.call("immobilize", self._wanted), self._limit_s)

    def _done(self) -> None:
        self._report.over()
        if self._wanted is not self._asked:
            self._ask()

    def _failed(self, complaint: str) -> None:
        """A newer wish counts all the same: it may be the one to lock."""
        self._report.fault("mobility", complaint)
        if self._wanted is not self._asked:
            self._ask()


def coupled(vehicle: ports.Vehicle) -> tuple[ev.MobilityChanged | None, ReceiverLimits | None]:
    """What a session has to know of these ports when it begins; None for those that there are not.
    Raises ``HardwareError``."""
    mobility = receiver = None
    if vehicle.mobility is not None:
        mobility = Port(vehicle.mobility, "mobility").read("present", mobility_of)
    if vehicle.receiver is not None:
        receiver = Port(vehicle.receiver, "receiver").read("limits", receiver_limits)
    return mobility, receiver


def _device_position(value: Any, port: str) -> DevicePosition:
    if type(value) is not DevicePosition:
        raise HardwareError(f"{port}.position is {type(value).__name__}, not DevicePosition")
    return value


def _vehicle_position(value: Any, port: str) -> VehiclePosition:
    value = plain(value, f"{port}.present")
    try:
        check_event(ev.VehiclePositionMeasured(value))
    except ConfigError as error:
        raise HardwareError(f"{port}.present: {error}") from error
    position: VehiclePosition = value
    return position


def mobility_of(value: Any, port: str) -> ev.MobilityChanged:
    if type(value) is not ev.MobilityChanged:
        raise HardwareError(f"{port}.present is {type(value).__name__}, not MobilityChanged")
    try:
        check_event(value)
    except ConfigError as error:
        raise HardwareError(f"{port}.present: {error}") from error
    return value
