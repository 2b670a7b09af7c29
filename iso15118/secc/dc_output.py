"""The steps in which a DC output comes alive and is taken back, the same in every edition: cable
check, pre-charge, contactors.

This is the only place that asks to close the contactors of a DC output, and it does so with authorization,
cable check and pre-charge on record. What is said about it to the vehicle is the edition's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from iso15118.energy.dc import cable_check_voltage
from iso15118.session.actions import (
    Action,
    CloseContactors,
    EndReason,
    OpenContactors,
    PreCharge,
    StartCableCheck,
    StopPower,
    Urgency,
)
from iso15118.session.coupling import DevicePosition
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.supervision import Rule

from .facts import Facts
from .meanwhile import stopped_since

__all__ = [
    "above_limit",
    "close_contactors",
    "no_pre_charge",
    "open_contactors",
    "pre_charge",
    "pre_charge_change",
    "pre_charge_current",
    "pre_charge_stands",
    "start_cable_check",
    "still_flows",
    "take_back",
]

_SWITCHES_S: Final = 0.5
"""What contactors have of the time for the answer, where the voltage is waited for before."""


def _apart(facts: Facts) -> Refused | None:
    """A station with a connection device gives voltage to a vehicle only that the device has reached."""
    if facts.device is None or facts.device is DevicePosition.END_POSITION:
        return None
    return Refused(
        Fault.FAILED, EndReason.HARDWARE_FAULT, f"the connection device is not there: {facts.device.value}"
    )


def _is_old(facts: Facts) -> bool:
    """What is known of the output was measured too long ago to show how it is now."""
    supervision = facts.config.supervision
    return facts.now - facts.measured_at > supervision.beyond(Rule.STALE_READINGS, supervision.stale_s)


def start_cable_check(facts: Facts) -> tuple[Action, ...] | Refused:
    """Begin the cable check; the deadline is that of the edition's timing. An output that still falls, as
    after the session of another vehicle, is waited for as long as it may take anyway, and so is a reading
    that is young enough: nothing is asked for then, and nothing has begun."""
    if facts.vehicle is None or facts.limits is None or not facts.authorized:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "cable check without its preconditions")
    if (apart := _apart(facts)) is not None:
        return apart
    supervision, facts.lets_go = facts.config.supervision, False
    if facts.cable_check_asked is None:
        facts.cable_check_asked = facts.now
    limit, patience = supervision.stale_s, supervision.discharge_s
    present = abs(facts.measured.voltage_v)
    if _is_old(facts):
        if facts.now < facts.cable_check_asked + patience:
            return ()  # the output may have any voltage by now
        detail = (
            f"{Rule.STALE_READINGS.value}: the output was not measured within {limit:g} s of the cable check, "
            f"{patience:g} s (supervision.discharge_s) after it was asked for"
        )
        return Refused(Fault.FAILED, EndReason.HARDWARE_FAULT, detail, rule=Rule.STALE_READINGS.value)
    if present > supervision.beyond(Rule.CABLE_CHECK_VOLTAGE, supervision.touch_safe_v):
        if facts.now < facts.cable_check_asked + patience:
            return ()
        detail = (
            f"{Rule.CABLE_CHECK_VOLTAGE.value}: {present:.0f} V at the output before the cable check, "
            f"{patience:g} s (supervision.discharge_s) after it was asked for"
        )
        return Refused(
            Fault.FAILED, EndReason.CABLE_CHECK_FAILED, detail, rule=Rule.CABLE_CHECK_VOLTAGE.value
        )
    facts.cable_check_started = facts.now
    deadline = facts.cable_check_asked + facts.timing.cable_check_performance
    voltage = cable_check_voltage(facts.vehicle.maximum_voltage_v, facts.limits.maximum_voltage_v)
    facts.cable_checks += 1
    return (StartCableCheck(voltage, deadline, facts.insulation_threshold_ohm, facts.cable_checks),)


def pre_charge(facts: Facts, asked_v: float, most_v: float) -> tuple[Action, ...] | Refused:
    """Follow the vehicle's target, up to ``most_v`` of both sides, in V. Contactors close over what the
    vehicle named: the voltage of its battery may well be that."""
    if not facts.cable_check_ok:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "pre-charge without its preconditions")
    facts.delivered = False
    before: tuple[Action, ...] = ()
    if facts.precharge_started is None:
        facts.precharge_started = facts.now
    current_a, target_v = pre_charge_current(facts), min(asked_v, most_v)
    asked = facts.precharge_target_v, facts.precharge_current_a
    if asked != (target_v, current_a) or not facts.precharging:
        before = (PreCharge(target_v, current_a),)
    facts.precharge_target_v, facts.precharge_asked_v = target_v, asked_v
    return before


def no_pre_charge(facts: Facts) -> tuple[Action, ...]:
    """A target that no battery has is not followed, and what was asked for before is taken back: there is
    nothing to compare the output with, so that contactors do not close by the target before."""
    before: tuple[Action, ...] = (StopPower(Urgency.ORDERLY),) if facts.precharging else ()
    facts.precharge_target_v, facts.precharge_asked_v, facts.precharge_started = 0.0, 0.0, None
    return before


def pre_charge_stands(facts: Facts) -> str:
    """The two voltages that pre-charge is to bring together, in words."""
    target_v, asked_v = facts.precharge_target_v, facts.precharge_asked_v
    if facts.precharge_started is None:
        wanted = "the vehicle has named no target that can be followed"
    else:
        wanted = f"the target is {asked_v:g} V"
        wanted += f", which was cut to {target_v:g} V" if target_v < asked_v else ""
    return f"the output is at {facts.measured.voltage_v:.1f} V, {wanted}"


def pre_charge_current(facts: Facts) -> float:
    """The current in A of the pre-charge path: that of the settings, and no more than the station can give
    now. 0 A there says that nothing is to be charged with for a while, and does not count: pre-charge gives
    the battery nothing, whose contactors are open, and only behind it a vehicle can wait for power."""
    own_a = facts.config.precharge_current_a
    most_a = 0.0 if facts.limits is None else facts.limits.maximum_charge_current_a
    return min(own_a, most_a) if most_a > 0.0 else own_a


def pre_charge_change(facts: Facts) -> tuple[Action, ...]:
    """What has to be asked for in pre-charge once the station can give another current."""
    current_a = pre_charge_current(facts)
    if not facts.precharging or facts.delivered or current_a == facts.precharge_current_a:
        return ()
    return (PreCharge(facts.precharge_target_v, current_a),)


def above_limit(facts: Facts) -> str:
    """Why the voltage of cable check or pre-charge, which is asked for now, has to go: the station's limit
    has fallen below it. Empty if it may stay. Bounds of the charge loop follow the limits by themselves."""
    if facts.limits is None or facts.power is not None:
        return ""
    if facts.cable_check_awaited and facts.cable_check_ok is None:
        what, asked_v = "the cable check", facts.cable_check_v
    elif facts.precharging:
        what, asked_v = "pre-charge", facts.precharge_target_v
    else:
        return ""
    most_v = facts.limits.maximum_voltage_v
    return f"the station's limit is {most_v:g} V now, {what} is at {asked_v:g} V" if asked_v > most_v else ""


def close_contactors(facts: Facts, closed: Callable[[], Answer]) -> Wait | Refused:
    """Close the contactors and wait for them; ``closed`` gives the answer then. Not by a reading of some time
    ago, whatever it shows, nor by one that shows another voltage: a supply may still be on its way, and many
    report a few times a second. A reading that fits is waited for as long as the answer may wait."""
    if not (facts.authorized and facts.cable_check_ok and facts.precharge_started is not None):
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "power delivery without its preconditions")
    answer_by = facts.now + facts.timing.contactor_answer

    def match(timed_out: bool) -> Wait | Refused | None:
        if (gone := _apart(facts) or stopped_since(facts)) is not None:
            return gone
        if why := above_limit(facts):
            return Refused(
                Fault.NOT_APPLIED, EndReason.STOPPED_BY_STATION, why, cause="voltage-limit-lowered"
            )
        unfit = _unfit(facts)
        if unfit is None:
            return _close(facts, answer_by, closed)
        return unfit if timed_out else None

    # What is above the target now does not come down by itself: there is nothing to wait for.
    above = facts.measured.voltage_v > facts.precharge_asked_v and facts.measured_at >= facts.now
    decided = match(timed_out=above)
    return Wait((), max(facts.now, answer_by - _SWITCHES_S), match) if decided is None else decided


def _unfit(facts: Facts) -> Refused | None:
    """Why contactors may not close over what was measured last."""
    if _is_old(facts):
        return Refused(
            Fault.NOT_APPLIED,
            EndReason.HARDWARE_FAULT,
            f"{Rule.STALE_READINGS.value}: the output was last measured {facts.now - facts.measured_at:.1f} s "
            "before the contactors were to close",
            rule=Rule.STALE_READINGS.value,
        )
    difference = abs(facts.measured.voltage_v - facts.precharge_asked_v)
    if difference <= facts.config.precharge_tolerance_v:  # whatever rules are off: that is pre-charge itself
        return None
    cut = facts.precharge_target_v < facts.precharge_asked_v
    why = f", which was cut to {facts.precharge_target_v:g} V" if cut else ""
    return Refused(
        Fault.NOT_APPLIED,
        EndReason.PRE_CHARGE_FAILED,
        f"{Rule.CONTACTOR_VOLTAGE.value}: output is at {facts.measured.voltage_v:.0f} V, {difference:.0f} V off "
        f"the pre-charge target of {facts.precharge_asked_v:g} V{why}",
        rule=Rule.CONTACTOR_VOLTAGE.value,
    )


def _close(facts: Facts, deadline: float, closed: Callable[[], Answer]) -> Wait:
    def finish(timed_out: bool) -> Answer | Refused | None:
        if facts.contactors_closed:
            facts.delivered = True
            return closed()
        if timed_out:
            return Refused(
                Fault.CONTACTOR,
                EndReason.CONTACTOR_FAILED,
                "contactors did not close in time",
                cause="contactors-not-closed",
            )
        return None

    return Wait((CloseContactors(deadline),), deadline, finish)


def open_contactors(facts: Facts, opened: Callable[[], Answer]) -> Wait:
    """Current to zero and contactors open before the answer that ``opened`` gives: the vehicle opens its own
    on it. State B is now how it lets go.

    A vehicle that says Stop under current leaves no time for a slow ramp. What still flows when no more is
    left than an emergency has is taken away as fast as the supply can: contactors open without it.
    """
    facts.lets_go = True
    deadline = facts.now + facts.timing.contactor_answer
    supervision = facts.config.supervision

    def finish(timed_out: bool) -> Answer | Refused | None:
        if not facts.contactors_closed:
            return opened()
        if timed_out:
            return Refused(
                Fault.CONTACTOR,
                EndReason.CONTACTOR_FAILED,
                "contactors did not open in time (PortLimits.feedback_s is part of it)",
                cause="contactors-not-opened",
            )
        return None

    def hasten(timed_out: bool) -> Answer | Wait | None:
        if not facts.contactors_closed:
            return opened()
        if not timed_out:
            return None
        flows = abs(facts.measured.current_a) > supervision.none_a
        return Wait((StopPower(Urgency.EMERGENCY),) if flows else (), deadline, finish)

    ramp_until = max(facts.now, deadline - supervision.settle_s)
    return Wait(take_back("PowerDelivery stop"), ramp_until, hasten)


def still_flows(facts: Facts) -> bool:
    """A current flows through closed contactors, as one that is on its way down: they are to open without."""
    return facts.contactors_closed and abs(facts.measured.current_a) > facts.config.supervision.none_a


def take_back(reason: str) -> tuple[Action, ...]:
    """Current to zero, then the contactors open, as agreed with the vehicle."""
    return StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, reason)
