"""The settings of the supervision: for each rule a threshold, the time that it has to be
exceeded, and what is done then.

A threshold of None switches its rule off, and so does its name in ``off``. "Proposal" in a docstring means
that no public source names a figure: compare it with IEC 61851-23 and -23-3 and with your hardware. The
hardware trips first; this is the second line.
"""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.ranges import Count, HowLong, Share, check_fields, listed_once

from .rules import HIGHEST_V, Reaction, Rule

__all__ = ["SupervisionLimits"]

Lasting = Annotated[float, Meta(ge=0.0, le=60.0)]
"""How long a rule has to be broken, or may take to be kept, in s; 0: one sample is enough. More than a minute
would switch it off in effect, which ``off`` is for."""

_FAULT, _STOP = Reaction.FAULT, Reaction.STOP
_STAGES = (
    (Rule.OVER_CURRENT, "over_current_s", "over_current_fault_s"),
    (Rule.VOLTAGE_ABOVE_ASKED, "asked_voltage_stop_s", "asked_voltage_fault_s"),
    (Rule.FROZEN_READINGS, "frozen_warn_s", "frozen_stop_s"),
    (Rule.BATTERY_WANTS_NONE, "battery_stop_s", "battery_fault_s"),
    (Rule.INLET_HOT, "hot_stop_s", "battery_fault_s"),
)
"""What a rule does first, and what later."""
_NO_POWER_W, _NO_CURRENT_A, _NO_AC_CURRENT_A = 500.0, 5.0, 1.0
_LOOKS_S = 5.0


class SupervisionLimits(Struct, frozen=True, kw_only=True):
    """When measured values end a session. A threshold of 0 means any deviation, a time of 0 that one sample
    is enough; a rule is switched off by its name in ``off``. Raises ``ConfigError`` naming the key."""

    off: tuple[Rule, ...] = ()
    """Rules that are not kept, by name."""

    # -- both roles
    over_voltage_factor: Annotated[float, Meta(ge=1.0, le=2.0)] | None = 1.1
    """over-voltage, station: times what both sides can stand. EVerest trips at 550, 825, 935, 1100 and 1375 V
    for maxima of up to 500, 750, 850, 1000 V and above; above 1250 V, which only couplers of 1500 V have, the
    trip is at 1650 V. The lesser of both holds."""
    over_voltage_s: Lasting = 0.1
    """How long; two samples. EVerest's software trips within 400 ms."""
    over_voltage_reaction: Reaction = _FAULT
    """What is done about over-voltage, by either role."""
    reversed_v: Annotated[float, Meta(ge=1.0, le=2000.0)] | None = 60.0
    """over-voltage, both roles, and cable-check-voltage in the check: the wrong way round by more than this.
    Below 60 V nobody is in danger (IEC 61851-23), and a sensor may be off by some. None switches off this
    part only."""
    over_current_a: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 5.0
    """over-current: above what is asked by this, or by over_current_share if that is more. Proposal;
    accuracy of a supply's current."""
    over_current_share: Share = 0.05
    """The same as a share of what is asked."""
    over_current_s: Lasting = 0.5
    """How long. Proposal."""
    over_current_reaction: Reaction = _FAULT
    """What a station does; a vehicle stops first (over_current_fault_s)."""
    over_current_fault_s: Lasting | None = 2.0
    """Vehicle: it asks the station to stop after over_current_s, and opens after this. Proposal."""
    rating_factor: Annotated[float, Meta(ge=1.0, le=2.0)] | None = 1.05
    """over-current: times the greatest current that was offered (station) or declared (vehicle), and
    over_current_a on top. Proposal."""
    rating_s: Lasting = 0.0
    """How long, station: one sample is enough."""
    inlet_rating_s: Lasting = 0.5
    """How long, vehicle. Proposal."""
    reverse_current_a: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 2.0
    """reverse-current: more than this the wrong way, or than reverse_current_share
    if that is more. Proposal."""
    reverse_current_share: Share = 0.01
    """The same as a share of the greatest current: sensors of 3000 A have an offset."""
    reverse_current_s: Lasting = 0.2
    """How long. Proposal."""
    reverse_current_reaction: Reaction = _FAULT
    """What is done."""
    no_current_a: Annotated[float, Meta(ge=0.1, le=100.0)] | None = _NO_CURRENT_A
    """current-without-permission, no-decay: what counts as no current; IEC 61851-23 has 5 A. None switches
    these two off; other rules that need to know it have 5 A then."""
    no_current_s: Lasting = 0.1
    """How long, once the time to stop is over: two samples."""
    no_current_reaction: Reaction = _FAULT
    """What is done."""
    settle_s: Lasting = 1.0
    """Time to begin with a lowered bound or an orderly stop, in which a current may still rise to the bound
    of before, and all the time that an emergency has: below 5 A in 1 s (IEC 61851-23)."""
    ramp_a_per_s: Annotated[float, Meta(ge=0.1, le=1e6)] = 25.0
    """Slowest fall of the current after that, from what flowed until then; EVerest's default ramp."""
    ramp_full_s: Annotated[float, Meta(ge=0.1, le=3600.0)] = 20.0
    """A connector of more than 500 A falls from its greatest current within this: 25 A/s would give
    3000 A two minutes. Proposal."""
    stale_s: Annotated[float, Meta(ge=0.1, le=60.0)] | None = 1.0
    """stale-readings: none younger than this while the output is live (station), or contactors are closed or
    charger or coil are on (vehicle, its battery included), and none of output, inlet or battery before that
    begins; EVerest's value. Between sessions as well, and a session does not end safe by an older one."""
    stale_reaction: Reaction = _FAULT
    """What is done."""
    contactor_s: Annotated[float, Meta(ge=0.1, le=60.0)] | None = 3.3
    """contactor-level: closed so long after being told to open: 3 s to switch [V2G20-860]
    and 0.3 s for the feedback."""
    contactor_reaction: Reaction = _FAULT
    """What is done."""

    # -- alternating current, both roles
    ac_over_current_a: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 2.0
    """over-current with AC: any phase above its bound by this, or by ac_over_current_share if that is more.
    IEC 61851-1 lets a station open at 2 A above a maximum of up to 20 A, and at 1.1 times a greater one."""
    ac_over_current_share: Share = 0.1
    """The same as a share of the bound."""
    ac_over_current_s: Lasting = 1.0
    """How long; IEC 61851-1 has one second."""
    ac_adapt_s: Lasting = 5.0
    """How long a vehicle may take to follow a lowered bound, each by itself where several follow one another;
    IEC 61851-1 gives it 5 s for the duty cycle."""
    ac_no_current_a: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = _NO_AC_CURRENT_A
    """current-without-permission with AC: what counts as no current in any phase;
    ISO 15118-2 opens below 1 A. None as above: inlet-hot has 1 A then."""
    ac_stop_s: Lasting = 3.0
    """How long the current may take to end after it was asked to, in an orderly way;
    an emergency has settle_s."""
    ac_reverse_w: Annotated[float, Meta(ge=0.0, le=1e6)] | None = 300.0
    """reverse-current with AC: active power out of the vehicle that nobody asked for, of
    all phases in W. Proposal."""
    ac_voltage_factor: Annotated[float, Meta(ge=1.0, le=2.0)] | None = 1.15
    """over-voltage with AC: times the nominal voltage (station), or the greatest that the inlet stands times
    1 (vehicle). None: neither. Grids keep within 10 %. Proposal."""
    ac_phase_lost_share: Share | None = 0.5
    """phase-lost: below this share of the nominal voltage. Proposal."""
    ac_phase_lost_s: Lasting = 5.0
    """How long until an orderly stop; the limits of the outlet are to be lowered at once."""

    # -- station
    asked_voltage_v: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 20.0
    """voltage-above-asked: above the bound by this, or by asked_voltage_share if that is more. Proposal."""
    asked_voltage_share: Share = 0.05
    """The same as a share of the bound."""
    asked_voltage_stop_s: Lasting | None = 0.5
    """How long until an orderly stop. Proposal."""
    asked_voltage_fault_s: Lasting | None = 1.0
    """How long until an emergency."""
    wrong_direction_a: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 5.0
    """wrong-direction: charging by more than this though the vehicle was asked to give. Proposal."""
    wrong_direction_s: Lasting = 1.0
    """How long, after the current had time to turn."""
    wrong_direction_reaction: Reaction = _STOP
    """What is done."""
    touch_safe_v: Annotated[float, Meta(ge=1.0, le=120.0)] | None = 60.0
    """cable-check-voltage before the check, and voltage-after-end, also between sessions: below this the
    output counts as discharged (IEC 61851-23)."""
    discharge_s: Lasting = 5.0
    """voltage-after-end, and cable-check-voltage before the check: how long the output may take
    to be discharged. Proposal."""
    voltage_after_end_reaction: Reaction = Reaction.WARN
    """What a session does, whose contactors are open anyway; between sessions it is always a fault."""
    cable_check_v: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 10.0
    """cable-check-voltage: above the test voltage by more than this; EVerest's tolerance. None switches
    off as well that 9/10 of the test voltage, or it less this if that is lower, have to be measured."""
    cable_check_a: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 2.0
    """cable-check-current; EVerest's limit, for connectors of a few hundred amperes."""
    offset_share: Share = 0.002
    """cable-check-current, pre-charge-current: this share of the greatest current if that is more, since a
    sensor of 3000 A shows a few amperes where none flow. Proposal; the accuracy of your sensor at zero."""
    cable_check_s: Lasting = 0.1
    """How long, both."""
    pre_charge_v: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 20.0
    """pre-charge-voltage: above the target by more than this; the difference at
    which contactors may close."""
    pre_charge_factor: Annotated[float, Meta(ge=1.0, le=100.0)] | None = 1.5
    """pre-charge-current: times ``SeccConfig.precharge_current_a``. Proposal."""
    pre_charge_s: Lasting = 0.2
    """How long, both. Contactors that close over a small difference make a short current."""
    frozen_a: Annotated[float, Meta(ge=0.1, le=1000.0)] | None = 10.0
    """frozen-readings: the current asked for changed by more than this and the readings
    did not follow. Proposal."""
    frozen_warn_s: Annotated[float, Meta(ge=0.1, le=600.0)] | None = 5.0
    """How long until a warning. Proposal."""
    frozen_stop_s: Annotated[float, Meta(ge=0.1, le=600.0)] | None = 10.0
    """How long until an orderly stop. Proposal."""
    insulation_s: Lasting = 1.0
    """insulation: below the service's threshold (100 or 125 kOhm) for so long: an orderly stop. What a
    monitor told holds until it tells something else; one that says nothing at all is no finding."""
    insulation_fault_share: Share | None = 0.8
    """Below this share of the threshold it is a fault at once. Proposal."""
    sensors_v: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 50.0
    """sensors-disagree: more than this apart; EVerest's value."""
    sensors_s: Lasting = 1.0
    """How long."""
    earth_v: Annotated[float, Meta(ge=1.0, le=2000.0)] | None = 550.0
    """voltage-to-earth: above this, or above earth_factor times the negotiated voltage if that
    is less; EVerest's values."""
    earth_factor: Annotated[float, Meta(ge=0.5, le=2.0)] = 1.1
    """The same as a factor."""
    earth_s: Lasting = 2.0
    """voltage-to-earth: twice within this time."""
    over_power_w: Annotated[float, Meta(ge=0.0, le=1e6)] | None = _NO_POWER_W
    """over-power: above the bound by over_power_share of it and this, while some current flows. With AC a
    bound that only says what the currents give follows the voltage. Proposal."""
    over_power_share: Share = 0.05
    """The same as a share."""
    over_power_s: Lasting = 1.0
    """How long. Proposal."""
    over_power_reaction: Reaction = _STOP
    """What is done."""
    limits_ignored_loops: Count | None = 2
    """limits-ignored: charge loops in which a vehicle may still ask for more than it was told. Only warns,
    since the bounds hold anyway."""

    # -- vehicle
    inlet_voltage_v: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 5.0
    """over-voltage at the inlet: above what battery and declaration allow by this, or by inlet_voltage_share
    if that is more. Proposal."""
    inlet_voltage_share: Share = 0.01
    """The same as a share."""
    inlet_voltage_s: Lasting = 0.2
    """How long. Proposal."""
    battery_stop_s: Lasting | None = 2.0
    """battery-wants-none: how long until an orderly stop, after the current had time to fall: twice settle_s,
    since the station hears of it by the next request, and the ramp. DC only. Proposal."""
    battery_fault_s: Lasting | None = 10.0
    """battery-wants-none and inlet-hot: how long until an emergency. Proposal."""
    hot_stop_s: Lasting | None = 5.0
    """inlet-hot: how long until an orderly stop. Proposal."""
    reported_voltage_v: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = 10.0
    """station-reports-other: further from the own voltage than this and 5 percent. Only warns. Proposal."""
    reported_current_a: Annotated[float, Meta(ge=0.0, le=1000.0)] = 5.0
    """The same for the current, and 10 percent."""
    reported_s: HowLong = 5.0
    """How long."""

    def __post_init__(self) -> None:
        check_fields(self, "supervision")
        listed_once("supervision.off", self.off)
        for rule, first, then in _STAGES:
            soon, late = getattr(self, first), getattr(self, then)
            if soon is not None and late is not None and soon > late and rule not in self.off:
                raise ConfigError(
                    f"supervision.{first}",
                    f"{soon!r} is longer than supervision.{then}, {late!r}, which is what comes after it",
                    f"at most so long, or a greater {then}",
                )

    @property
    def no_power_w(self) -> float:
        """Less than this, in W, is no power at a pad or a coil: ``over_power_w``, or its default where that
        is None."""
        return _NO_POWER_W if self.over_power_w is None else self.over_power_w

    @property
    def none_a(self) -> float:
        """No more direct current than this, in A, is none: ``no_current_a``, or its default where that is
        None."""
        return _NO_CURRENT_A if self.no_current_a is None else self.no_current_a

    @property
    def ac_none_a(self) -> float:
        """The same in a phase of AC, by ``ac_no_current_a``."""
        return _NO_AC_CURRENT_A if self.ac_no_current_a is None else self.ac_no_current_a

    @property
    def gap_s(self) -> float:
        """So long without a sample that was judged by a rule, in s, and it is looked at anew. Five times
        ``stale_s``, and five looks at least, which come once a second where nothing is asked of the hardware:
        else each would begin anew."""
        return max(5.0 * self.beyond(Rule.STALE_READINGS, self.stale_s), _LOOKS_S)

    @property
    def least_v(self) -> float:
        """Below this, in V, a DC voltage is the wrong way round: what a sensor of none may show at most."""
        return -min(self.beyond(Rule.OVER_VOLTAGE, self.reversed_v), HIGHEST_V)

    def beyond(self, rule: Rule, threshold: float | None) -> float:
        """The threshold of a rule; infinite for one that is switched off."""
        return math.inf if threshold is None or rule in self.off else threshold

    def ramp(self, greatest_a: float) -> float:
        """How fast at least a current has to fall on a connector of ``greatest_a``, in A/s."""
        return max(self.ramp_a_per_s, greatest_a / self.ramp_full_s)
