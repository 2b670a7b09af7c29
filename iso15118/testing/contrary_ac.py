"""A peer with other habits for AC and AC_BPT of ISO 15118-20: our own, whose messages are changed on their
way, one way for one seed.

Every change is legal by the schema, and most are by the standard: powers in another writing, for one phase
or three, beyond or below what was declared; optional fields present or absent; another order of parameters;
statuses, schedules and profiles that come early, late or not at all; repeated and swallowed requests.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import (
    DisplayParameters,
    EvseNotification,
    EVSEStatus,
    MeterInfo,
    Processing,
    RationalNumber,
)

__all__ = ["CHANGES", "AcMeddler"]

_TIMES: Final = 8
"""So often a conversation is meddled with at most: one that is changed everywhere gets nowhere."""
_SHARES: Final = (0.0, 0.001, 0.3, 0.5, 0.999, 1.001, 2.0, 10.0, -1.0)
_BOUNDS: Final = (0, 1, -1, 32_767, -32_768)
_GREATEST: Final = {
    "departure_time": (0, 1, 3600, 2**32 - 1),
    "minimum_soc": (0, 10, 100),
    "target_soc": (0, 42, 100),
    "ack_max_delay": (0, 1, 60, 255),
}

_NO_NUMBER: Final = ("ev_energy_offer", "price_schedule")


def _read(number: RationalNumber) -> float:
    return float(number.value) * 10.0**number.exponent


def _written(rng: random.Random, value: float) -> RationalNumber:
    """With any exponent that it fits in."""
    fitting = [one for one in range(-3, 4) if abs(value / 10.0**one) <= 32_767]
    exponent = rng.choice(fitting) if fitting else 3
    return RationalNumber(exponent=exponent, value=max(min(round(value / 10.0**exponent), 32_767), -32_768))


def _number(rng: random.Random, old: RationalNumber | None) -> RationalNumber:
    """The same in another writing, a share of it, or whatever the type has room for."""
    dice = rng.random()
    if old is None or dice < 0.2:
        return RationalNumber(
            exponent=rng.randint(-3, 3), value=rng.choice((*_BOUNDS, rng.randint(-32_768, 32_767)))
        )
    value = _read(old)
    return _written(rng, value if dice < 0.4 else value * rng.choice(_SHARES))


def _mode(rng: random.Random, mode: Any) -> Any:
    """Some fields of the element that says limits, wishes and present values."""
    names = [
        name
        for name in mode.__struct_fields__
        if not name.endswith(("_l2", "_l3")) and name not in _NO_NUMBER
    ]
    changed: dict[str, Any] = {}
    for name in rng.sample(names, min(rng.randint(1, 3), len(names))):
        old = getattr(mode, name)
        if name in _GREATEST:
            changed[name] = rng.choice(_GREATEST[name])
        elif f"{name}_l2" not in mode.__struct_fields__:
            changed[name] = _number(rng, old)
        else:
            changed[name] = _number(rng, old)
            match rng.randrange(3):
                case 0:  # for all phases together
                    changed[f"{name}_l2"] = changed[f"{name}_l3"] = None
                case 1:  # for each of them
                    changed[f"{name}_l2"], changed[f"{name}_l3"] = _number(rng, old), _number(rng, old)
                case _:
                    pass
    return replace(mode, **changed)


def _parameters(rng: random.Random, message: cm.ServiceDetailRes) -> cm.ServiceDetailRes:
    """The sets in another order, with a parameter that nobody knows, or without one of the known."""
    sets = list(message.service_parameter_list.parameter_set)
    rng.shuffle(sets)
    place = rng.randrange(len(sets))
    parameters = list(sets[place].parameter)
    rng.shuffle(parameters)
    if rng.random() < 0.3 and len(parameters) > 1:
        parameters.pop()
    if rng.random() < 0.5:
        parameters.append(cm.Parameter(name="Other", finite_string="x"))
    if rng.random() < 0.3:
        parameters[0] = cm.Parameter(
            name=parameters[0].name, int_value=rng.choice((-(2**31), 0, 7, 2**31 - 1))
        )
    sets[place] = replace(sets[place], parameter=tuple(parameters[:16]))
    return replace(message, service_parameter_list=cm.ServiceParameterList(parameter_set=tuple(sets)))


def _schedules(rng: random.Random, message: cm.ScheduleExchangeRes) -> cm.ScheduleExchangeRes:
    """Later, with other powers, for one phase, or with an anchor that is off."""
    mode = message.se_res_control_mode
    if isinstance(mode, cm.DynamicSEResControlMode):
        return replace(message, se_res_control_mode=_mode(rng, mode))
    first, *others = mode.schedule_tuple
    power = first.charging_schedule.power_schedule
    entries = list(power.power_schedule_entries.power_schedule_entry)
    match rng.randrange(4):
        case 0:
            return replace(message, evse_processing=Processing.Ongoing)
        case 1:
            power = replace(power, time_anchor=max(power.time_anchor + rng.choice((-4500, -30, 3, 600)), 0))
        case 2:
            entries = [
                replace(one, duration=rng.choice((1, 60, 86_400)), power=_number(rng, one.power))
                for one in entries
            ]
        case _:
            entries = [replace(one, power_l2=None, power_l3=None) for one in entries[:1]]
    power = replace(
        power, power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=tuple(entries))
    )
    first = replace(first, charging_schedule=replace(first.charging_schedule, power_schedule=power))
    return replace(message, se_res_control_mode=replace(mode, schedule_tuple=(first, *others)))


def _delivery(rng: random.Random, message: cm.PowerDeliveryReq) -> cm.PowerDeliveryReq:
    """Without its profile, with another one, or not yet."""
    profile = message.ev_power_profile
    match rng.randrange(4):
        case 0:
            return replace(message, ev_power_profile=None)
        case 1:
            return replace(message, ev_processing=Processing.Ongoing)
        case 2 if profile is not None:
            entries = tuple(
                replace(one, power=_number(rng, one.power))
                for one in profile.ev_power_profile_entries.ev_power_profile_entry
            )
            there = cm.EVPowerProfileEntryList(ev_power_profile_entry=entries)
            return replace(message, ev_power_profile=replace(profile, ev_power_profile_entries=there))
        case _:
            return replace(message, charge_progress=rng.choice(list(cm.ChargeProgress)))


def _status(rng: random.Random) -> EVSEStatus | None:
    if rng.random() < 0.3:
        return None
    return EVSEStatus(
        notification_max_delay=rng.choice((0, 1, 60, 65_535)),
        evse_notification=rng.choice(list(EvseNotification)),
    )


def _loop_answer(rng: random.Random, message: ac.ACChargeLoopRes) -> ac.ACChargeLoopRes:
    match rng.randrange(4):
        case 0:
            return replace(message, evse_status=_status(rng))
        case 1:
            meter = MeterInfo(meter_id="C", charged_energy_reading_wh=rng.choice((0, 1, 2**63)))
            return replace(message, meter_info=rng.choice((None, meter)))
        case 2:
            return replace(message, evse_target_frequency=rng.choice((None, _number(rng, None))))
        case _:
            return replace(message, cl_res_control_mode=_mode(rng, message.cl_res_control_mode))


def _loop_request(rng: random.Random, message: ac.ACChargeLoopReq) -> ac.ACChargeLoopReq:
    match rng.randrange(4):
        case 0:
            return replace(message, meter_info_requested=not message.meter_info_requested)
        case 1:
            shown = DisplayParameters(present_soc=rng.choice((0, 100)), charging_complete=rng.random() < 0.5)
            return replace(message, display_parameters=rng.choice((None, shown)))
        case _:
            return replace(message, cl_req_control_mode=_mode(rng, message.cl_req_control_mode))


def _processing(name: str) -> Callable[[random.Random, Any], Any]:
    return lambda rng, message: replace(
        message, **{name: rng.choice((Processing.Ongoing, Processing.Finished))}
    )


CHANGES: Final[dict[type, Callable[[random.Random, Any], Any]]] = {
    cm.AuthorizationRes: _processing("evse_processing"),
    cm.ServiceDiscoveryRes: lambda rng, message: replace(
        message, service_renegotiation_supported=rng.random() < 0.5
    ),
    cm.ServiceDetailRes: _parameters,
    ac.ACChargeParameterDiscoveryReq: lambda rng, message: replace(
        message, ac_cpd_req_energy_transfer_mode=_mode(rng, message.ac_cpd_req_energy_transfer_mode)
    ),
    ac.ACChargeParameterDiscoveryRes: lambda rng, message: replace(
        message, ac_cpd_res_energy_transfer_mode=_mode(rng, message.ac_cpd_res_energy_transfer_mode)
    ),
    cm.ScheduleExchangeReq: lambda rng, message: replace(
        message, se_req_control_mode=_mode(rng, message.se_req_control_mode)
    ),
    cm.ScheduleExchangeRes: _schedules,
    cm.PowerDeliveryReq: _delivery,
    cm.PowerDeliveryRes: lambda rng, message: replace(message, evse_status=_status(rng)),
    ac.ACChargeLoopReq: _loop_request,
    ac.ACChargeLoopRes: _loop_answer,
    cm.SessionStopReq: lambda rng, message: replace(
        message, charging_session=rng.choice(list(cm.ChargingSession))
    ),
}
"""Message class -> what becomes of it."""


class AcMeddler:
    """Changes messages of ``role`` ("secc" or "evcc"), repeats some and swallows a few; the same for one
    seed."""

    def __init__(self, role: str, seed: int) -> None:
        self.role = role
        self._rng = random.Random(f"ac {seed}")  # noqa: S311 - repeatable, no secrets
        self._share = self._rng.choice((0.02, 0.1, 0.4))
        self.changed: list[type] = []
        """The kinds of messages that were changed, in order."""

    def __call__(self, message: Any) -> tuple[Any, ...]:
        """The messages to send instead: mostly the same one, or another one; none, or the same twice."""
        rng, change = self._rng, CHANGES.get(type(message))
        # What is said once is changed more often than what is said in every turn.
        loop = isinstance(message, (ac.ACChargeLoopReq, ac.ACChargeLoopRes))
        share = self._share if not loop else 0.3 * self._share
        if change is None or len(self.changed) >= _TIMES or rng.random() >= share:
            return (message,)
        self.changed.append(type(message))
        dice = rng.random()
        if dice < 0.03:
            return ()
        if dice < 0.06:
            return message, message
        return (change(rng, message),)
