"""What a session is told, looked at before anything of it is kept: events of our own application
that make no sense are refused.

Whatever reports a fault or asks for an end is never refused, however odd its fields are; nor is a
measurement: one that is no number is a fault of the hardware, which the sessions see to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from msgspec.structs import astuple

from iso15118.energy.grid_functions import DsoSetPoint, IecGridCode
from iso15118.energy.offer import check_offers
from iso15118.energy.sae_functions import SaeGridCode
from iso15118.errors import ConfigError
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.printable import printable
from iso15118.session.supervision.rules import HIGHEST_A, HIGHEST_V

from . import events as ev
from .ac_limits import AcStationLimits, AcVehicleLimits
from .coupling import DevicePosition, VehiclePosition
from .der import GridCondition
from .limits import StationLimits
from .services import ServiceID
from .value_added import Guidance
from .wireless import CoilDiagnosis, PadLimits

__all__ = [
    "PILOT_GONE",
    "check_event",
    "is_ac_reading",
    "is_battery",
    "is_coil_reading",
    "is_reading",
    "late_alarm",
    "so_soon",
    "taken_at",
    "text",
    "what_went_wrong",
]

PILOT_GONE: Final = (ev.SignalState.A, ev.SignalState.E, ev.SignalState.F)
"""States of the control pilot without a vehicle to talk to: unplugged, or a fault."""
_LONGEST = 300
_FEEDBACK_S: Final = 5.0
"""No feedback of contactors is later than this."""
_GREATEST = 1e15
"""Beyond this no quantity fits into a message; a comparison with it also finds what is
no number, however large."""
_MOST_PLANS, _MOST_ENTRIES = 3, 1024
_FLAGS = (True, False)
_QUANTITIES = ev.BatteryChanged.__struct_fields__.index("complete")


def text(value: object) -> str:
    """A reason as text; of what is none, the name of its class, since whatever else
    it has to say might raise."""
    return value[:_LONGEST] if type(value) is str else f"({type(value).__name__})"


def what_went_wrong(error: BaseException) -> str:
    """An exception in words, also where its own words raise."""
    try:
        return f"{type(error).__name__}: {error}"[:_LONGEST]
    except Exception:  # whatever it is, the session ends all the same
        return type(error).__name__


def so_soon(told_open_at: float, now: float) -> str:
    """What to add where contactors show that they are closed, a few seconds after they were told to open: the
    level may only be late. Empty if that was longer ago, or never."""
    ago = now - told_open_at
    if not 0.0 <= ago <= _FEEDBACK_S:
        return ""
    return f", and are closed {ago:.1f} s after they were told to: is PortLimits.feedback_s too short?"


def late_alarm(event: ev.Event, closed: bool) -> str:
    """What cuts the ramp of a session short that is over, in words; empty if nothing does. ``closed``: the
    contactors still are."""
    if isinstance(event, ev.HardwareFault | ev.EmergencyShutdown):
        return printable(text(event.reason)) or "an alarm"
    if isinstance(event, ev.SignalChanged) and closed and event.state in PILOT_GONE:
        return f"control pilot state {event.state.value}"
    return ""


def is_reading(voltage_v: Any, current_a: Any, at: Any) -> bool:
    """Finite numbers, a time if there is one, and nothing beyond the 2000 V and 5000 A
    that no DC connector has."""
    try:
        # A comparison that no number passes fails for what is not one, too.
        if not (-HIGHEST_V <= voltage_v <= HIGHEST_V and -HIGHEST_A <= current_a <= HIGHEST_A):
            return False
        return at is None or math.isfinite(at)
    except (TypeError, ValueError, ArithmeticError):
        return False


def taken_at(at: float | None, now: float, last: float) -> float | None:
    """When a reading was taken that comes at ``now`` (s): then, if it does not say, or says a time to come.

    None for one that is older than the reading that is known, which was taken at ``last``: it is dropped,
    neither kept nor judged. What hardware shows is what was measured last, and a rule asks how long something
    goes on, which an older sample among younger ones would break off or prolong. It makes nothing younger, so
    that hardware which has nothing else to tell ends as hardware without readings.
    """
    if at is None or at > now:
        return now
    return None if at < last else at


_HIGHEST_W = HIGHEST_V * HIGHEST_A
_FLOATS = frozenset((float,))


def _are_numbers(values: Iterable[Any]) -> bool:
    """Floats, a library's as well, or whole numbers: a Decimal compares with a float
    and cannot be reckoned with."""
    kinds = {*map(type, values)}
    return kinds <= _FLOATS or all(issubclass(kind, float) or kind is int for kind in kinds)


def is_ac_reading(reading: ev.AcMeasured) -> bool:
    """Three finite numbers of each kind, voltages and currents 0 or more, nothing beyond what any outlet has,
    and a time if there is one."""
    try:
        volts, amperes, watts, vars_ = (
            reading.voltage_v,
            reading.current_a,
            reading.power_w,
            reading.reactive_var,
        )
        if not (len(volts) == len(amperes) == len(watts) == len(vars_) == 3 and reading.one_meter in _FLAGS):
            return False
        for index in range(3):
            if not (
                0.0 <= volts[index] <= HIGHEST_V
                and 0.0 <= amperes[index] <= HIGHEST_A
                and -_HIGHEST_W <= watts[index] <= _HIGHEST_W
                and -_HIGHEST_W <= vars_[index] <= _HIGHEST_W
            ):
                return False
        if not _are_numbers((*volts, *amperes, *watts, *vars_)):
            return False
        hertz = reading.frequency_hz
        if hertz is not None and not (_are_numbers((hertz,)) and 0.0 <= hertz <= _HIGHEST_HZ):
            return False
        return reading.at is None or (_are_numbers((reading.at,)) and math.isfinite(reading.at))
    except (TypeError, ValueError, ArithmeticError):
        return False


_HIGHEST_HZ = 1000.0
_HIGHEST_COIL_HZ = 1e6


def is_coil_reading(reading: ev.PadMeasured | ev.ReceiverMeasured) -> bool:
    """Finite numbers, 0 or more and nothing beyond what any coil has, flags where flags belong,
    and a time if there is one."""
    try:
        numbers = [reading.power_w, reading.coil_a]
        flags: list[Any] = []
        if isinstance(reading, ev.ReceiverMeasured):
            numbers += [reading.voltage_v, reading.current_a]
            flags = [reading.in_place]
            code = reading.pad_code
            if code is not None and not (type(code) is int and 1 <= code <= 0xFFFF_FFFF):
                return False
        elif reading.vehicle_here is not None:
            flags = [reading.vehicle_here]
        hertz = reading.frequency_hz
        return (
            _are_numbers(numbers)
            and all(0.0 <= number <= _HIGHEST_W for number in numbers)
            and all(flag in _FLAGS for flag in flags)
            and (hertz is None or (_are_numbers((hertz,)) and 0.0 <= hertz <= _HIGHEST_COIL_HZ))
            and isinstance(reading.diagnosis, CoilDiagnosis)
            and (reading.at is None or (_are_numbers((reading.at,)) and math.isfinite(reading.at)))
        )
    except (TypeError, ValueError, ArithmeticError):
        return False


def is_battery(battery: ev.BatteryChanged) -> bool:
    """Finite numbers throughout, and yes or no where nothing else fits."""
    try:
        total = sum(astuple(battery)[:_QUANTITIES])
        return (
            total - total == 0.0  # which is true of no infinity, and of nothing that is no number
            and battery.complete in _FLAGS
            and battery.inlet_hot in _FLAGS
            and (battery.at is None or math.isfinite(battery.at))
        )
    except (TypeError, ValueError, ArithmeticError):
        return False


def check_event(event: object) -> None:
    """Refuse an event of the application that makes no sense. Raises ``ConfigError``, a ``MisuseError``,
    that names event and field."""
    check = _CHECKS.get(type(event))
    if check is not None:
        check(event)
    elif not isinstance(event, ev.Event):
        raise ConfigError("event", f"{type(event).__name__} is no event", "one of iso15118.session.events")


def _refuse(event: object, field: str, wanted: str) -> NoReturn:
    value = getattr(event, field)
    shown = repr(value) if type(value) in (float, int, bool, str, type(None)) else type(value).__name__
    raise ConfigError(f"{type(event).__name__}.{field}", f"{shown} is not possible", wanted)


def _number(event: object, field: str, *, optional: bool = False, least: float = -_GREATEST) -> None:
    value = getattr(event, field)
    if value is None and optional:
        return
    if type(value) not in (float, int) or not least <= value <= _GREATEST:
        bound = "" if least == -_GREATEST else f", {least:g} or more"
        _refuse(event, field, f"a finite number{bound}" + (" or None" if optional else ""))


def _flag(event: object, field: str) -> None:
    if type(getattr(event, field)) is not bool:
        _refuse(event, field, "True or False")


def _limits(event: Any) -> None:
    limits = event.limits
    if not isinstance(limits, StationLimits):
        _refuse(event, "limits", "StationLimits")
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        if value is None and name == "power_ramp_w_per_s":
            continue
        if type(value) not in (float, int) or not 0.0 <= value <= _GREATEST:
            raise ConfigError(f"LimitsChanged.limits.{name}", "is no limit", "a finite number, 0 or more")


def _ac_limits(kind: type[AcStationLimits] | type[AcVehicleLimits]) -> Callable[[Any], None]:
    """Limits judge themselves when they are made; their owner may have changed them in place since."""

    def check(event: Any) -> None:
        if not isinstance(event.limits, kind):
            _refuse(event, "limits", kind.__name__)
        event.limits.__post_init__()

    return check


def _set_point(event: Any) -> None:
    _number(event, "power_w", optional=True)
    _number(event, "reactive_var", optional=True)


def _refusal(event: Any) -> None:
    if event.refusal is not None and not isinstance(event.refusal, Refusal):
        _refuse(event, "refusal", "a Refusal, or None")


def _contract(event: Any) -> None:
    if not isinstance(event.claim, ContractClaim):
        _refuse(event, "claim", "the ContractClaim that was asked about")
    _refusal(event)


def _meter(event: Any) -> None:
    if not isinstance(event.meter_id, str):
        _refuse(event, "meter_id", "a text")
    charged, discharged = event.charged_wh, event.discharged_wh
    # Twice a second, and nearly always plain: only what is not is looked at by name.
    plain = type(charged) is float and type(discharged) is float
    if not (plain and 0.0 <= charged <= _GREATEST and 0.0 <= discharged <= _GREATEST):
        _number(event, "charged_wh", least=0.0)
        _number(event, "discharged_wh", least=0.0)
    if event.signature is not None and not isinstance(event.signature, bytes):
        _refuse(event, "signature", "bytes, or None")
    _number(event, "at", optional=True)


def _plan(event: Any) -> None:
    _number(event, "begins", optional=True)
    plans = event.plans
    if type(plans) is not tuple or len(plans) > _MOST_PLANS:
        _refuse(event, "plans", f"a tuple of at most {_MOST_PLANS}")
    for plan in plans:
        if type(plan) is not tuple or not 1 <= len(plan) <= _MOST_ENTRIES:
            _refuse(event, "plans", f"of each plan a tuple of 1 to {_MOST_ENTRIES} entries")
        for entry in plan:
            if type(entry) is not tuple or len(entry) != 2:
                _refuse(event, "plans", "of each entry a duration in s and a power in W")
            duration, power = entry
            for value, least in ((duration, 1.0), (power, 0.0)):
                if type(value) not in (float, int) or not least <= value <= _GREATEST:
                    _refuse(event, "plans", "durations of 1 s or more, and powers of 0 W or more")


def _schedules(event: Any) -> None:
    if type(event.number) is not int:
        _refuse(event, "number", "the number of the question, or 0")
    if event.signature is not None and not (
        isinstance(event.signature, bytes) and 1 <= len(event.signature) <= 350
    ):
        _refuse(event, "signature", "1 to 350 octets, or None")
    if type(event.offers) is not tuple:
        _refuse(event, "offers", "a tuple of ScheduleOffer")
    check_offers(event.offers, "SchedulesGiven.offers")


def _missing(event: Any) -> None:
    if type(event.number) is not int:
        _refuse(event, "number", "the number of the question")


def _reason(event: Any) -> None:
    if not isinstance(event.reason, str):
        _refuse(event, "reason", "a text")


def _grid_code(event: Any) -> None:
    if event.code is not None and not isinstance(event.code, (IecGridCode, SaeGridCode)):
        _refuse(event, "code", "IecGridCode(...), SaeGridCode(...) or None")


def _is_a(field: str, kind: type) -> Callable[[Any], None]:
    def check(event: Any) -> None:
        if not isinstance(getattr(event, field), kind):
            _refuse(event, field, f"{kind.__name__}(...)")

    return check


def _pad_limits(event: Any) -> None:
    if type(event.limits) is not PadLimits:
        _refuse(event, "limits", "PadLimits")
    event.limits.__post_init__()


def _device(event: Any) -> None:
    if type(event.position) is not DevicePosition:
        _refuse(event, "position", "a DevicePosition")


def _vehicle_position(event: Any) -> None:
    position = event.position
    if type(position) is not VehiclePosition:
        _refuse(event, "position", "a VehiclePosition")
    for name in ("x_cm", "y_cm", "window_x_cm", "window_y_cm"):
        value = getattr(position, name)
        if type(value) not in (float, int) or not -_GREATEST <= value <= _GREATEST:
            raise ConfigError(f"VehiclePositionMeasured.position.{name}", "is no length", "a finite number")
    for name in ("in_position", "associated"):
        if type(getattr(position, name)) is not bool:
            raise ConfigError(f"VehiclePositionMeasured.position.{name}", "is no flag", "True or False")
    _number(event, "at", optional=True)


def _drive(event: Any) -> None:
    _flag(event, "stands")
    _flag(event, "immobilized")


def _decision(event: Any) -> None:
    _flag(event, "accepted")
    if type(event.number) is not int or event.number < 0:
        _refuse(event, "number", "that of the question, or 0 for the last one")


def _key_used(event: Any) -> None:
    if type(event.number) is not int:
        _refuse(event, "number", "that of the UseKey")
    if event.error is not None and not isinstance(event.error, Exception):
        _refuse(event, "error", "an Exception, or None")


def _services(event: Any) -> None:
    _reason(event)
    services = event.services
    if type(services) is not tuple or not all(isinstance(one, ServiceID) for one in services):
        _refuse(event, "services", "a tuple of ServiceID")


def _standby(event: Any) -> None:
    _reason(event)
    _flag(event, "wanted")


def _needs(event: Any) -> None:
    _number(event, "departure_s", optional=True, least=0.0)
    for field in ("minimum_soc", "target_soc"):
        value = getattr(event, field)
        if value is not None and (type(value) is not int or not 0 <= value <= 100):
            _refuse(event, field, "whole percent from 0 to 100, or None")
    least, target = event.minimum_soc, event.target_soc
    if least is not None and target is not None and least > target:  # [V2G20-1640]
        _refuse(event, "minimum_soc", f"at most target_soc = {target}")


def _mobility(event: Any) -> None:
    _needs(event)
    _number(event, "ack_max_delay_s", least=0.0)
    if event.ack_max_delay_s > _LONGEST_DELAY_S:
        _refuse(event, "ack_max_delay_s", f"0 to {_LONGEST_DELAY_S:g} s")


def _receipt(event: Any) -> None:
    for field in ("energy", "occupancy", "services", "overstay"):
        cost = getattr(event, field)
        if cost is None:
            continue
        if not isinstance(cost, ev.Cost):
            _refuse(event, field, "a Cost, or None")
        for name in ("amount", "per_unit"):
            value = getattr(cost, name)
            if type(value) not in (float, int) or not -_GREATEST_SUM <= value <= _GREATEST_SUM:
                raise ConfigError(f"ReceiptIssued.{field}.{name}", "is no sum of money", "a finite number")
    taxes = event.taxes
    if type(taxes) is not tuple or len(taxes) > _MOST_TAXES:
        _refuse(event, "taxes", f"a tuple of at most {_MOST_TAXES}")
    for tax in taxes:
        if (
            type(tax) is not tuple
            or len(tax) != 2
            or type(tax[0]) is not int
            or not 1 <= tax[0] <= _MOST_RULES
        ):
            _refuse(event, "taxes", "of each tax the number of its rule and a sum")
        if type(tax[1]) not in (float, int) or not -_GREATEST_SUM <= tax[1] <= _GREATEST_SUM:
            _refuse(event, "taxes", "of each tax the number of its rule and a sum")


_LONGEST_DELAY_S = 65_535.0
"""Of AckMaxDelay, an unsigned short."""
_GREATEST_SUM = 1e6
_MOST_TAXES, _MOST_RULES = 10, 2**32 - 1


def _guidance(event: Any) -> None:
    if not isinstance(event.guidance, Guidance):
        _refuse(event, "guidance", "Guidance(...)")


_CHECKS: dict[type, Callable[[Any], None]] = {
    ev.Connected: lambda event: _flag(event, "secure"),
    ev.AuthorizationDecided: _decision,
    ev.ContractDecided: _contract,
    ev.KeyUsed: _key_used,
    ev.ContractCertificateAnswered: _refusal,
    ev.LimitsChanged: _limits,
    ev.AcLimitsChanged: _ac_limits(AcStationLimits),
    ev.ChargerChanged: _ac_limits(AcVehicleLimits),
    ev.ConnectionDeviceChanged: _device,
    ev.VehiclePositionMeasured: _vehicle_position,
    ev.MobilityChanged: _drive,
    ev.PadLimitsChanged: _pad_limits,
    ev.SetPointChanged: _set_point,
    ev.PlanChanged: _plan,
    ev.SchedulesGiven: _schedules,
    ev.SchedulesMissing: _missing,
    ev.MeterRead: _meter,
    ev.GridCodeChanged: _grid_code,
    ev.DsoSetPointChanged: _is_a("set_point", DsoSetPoint),
    ev.GridConditionChanged: _is_a("condition", GridCondition),
    ev.PauseRequested: _reason,
    ev.ScheduleRenegotiationRequested: _reason,
    ev.ServiceRenegotiationRequested: _services,
    ev.StandbyRequested: _standby,
    ev.NeedsChanged: _needs,
    ev.MobilityNeedsChanged: _mobility,
    ev.ReceiptIssued: _receipt,
    ev.ParkingGuidance: _guidance,
}
