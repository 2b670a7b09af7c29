"""The rules of a station's output: how long each may be broken, and what is done then. When they are, says
``StationSupervisor``."""

from __future__ import annotations

from .limits import SupervisionLimits
from .rules import Reaction, Rule, Watch

__all__ = ["station_watches"]


def station_watches(limits: SupervisionLimits) -> tuple[Watch, ...]:
    """One for each rule, in the order in which the supervisor names them."""
    at, fault, stop = limits, Reaction.FAULT, Reaction.STOP
    volts, amperes = "V at the output", "A at the output"
    watch = [
        Watch(rule, what, *stages, gap_s=limits.gap_s)
        for rule, what, *stages in (
            (Rule.OVER_VOLTAGE, volts, (at.over_voltage_s, at.over_voltage_reaction)),
            (
                Rule.VOLTAGE_ABOVE_ASKED,
                volts,
                (at.asked_voltage_stop_s, stop),
                (at.asked_voltage_fault_s, fault),
            ),
            (Rule.OVER_CURRENT, amperes, (at.over_current_s, at.over_current_reaction)),
            (Rule.OVER_CURRENT, amperes, (at.rating_s, at.over_current_reaction)),
            (Rule.REVERSE_CURRENT, amperes, (at.reverse_current_s, at.reverse_current_reaction)),
            (Rule.WRONG_DIRECTION, amperes, (at.wrong_direction_s, at.wrong_direction_reaction)),
            (Rule.CURRENT_WITHOUT_PERMISSION, amperes, (at.no_current_s, at.no_current_reaction)),
            (Rule.VOLTAGE_AFTER_END, volts, (0.0, at.voltage_after_end_reaction)),
            (Rule.CABLE_CHECK_VOLTAGE, volts, (at.discharge_s, at.voltage_after_end_reaction)),
            (Rule.CABLE_CHECK_VOLTAGE, volts, (at.cable_check_s, fault)),
            (Rule.CABLE_CHECK_CURRENT, amperes, (at.cable_check_s, fault)),
            (Rule.PRE_CHARGE_VOLTAGE, volts, (at.pre_charge_s, fault)),
            (Rule.PRE_CHARGE_CURRENT, amperes, (at.pre_charge_s, fault)),
            (Rule.CONTACTOR_VOLTAGE, "V between output and pre-charge target", (0.0, fault)),
            (Rule.OVER_POWER, "W at the output", (at.over_power_s, at.over_power_reaction)),
        )
    ]
    frozen = (at.frozen_warn_s, Reaction.WARN), (at.frozen_stop_s, stop)
    still = f"{amperes}, which does not move"
    watch.append(Watch(Rule.FROZEN_READINGS, still, *frozen, gap_s=limits.gap_s, against="asked for:"))
    # Their level holds until they tell another one, whether anybody looks or not.
    watch.append(Watch(Rule.CONTACTOR_LEVEL, "(1: closed)", (at.contactor_s, at.contactor_reaction)))
    return tuple(watch)
