"""The vehicle's phases with alternating current: start with the control pilot behind the
request, the charge loop, and stop.

The on-board charger is told what to take in one place, after the station has answered
PowerDeliveryReq(Start), and to stop on every way out.
"""

from __future__ import annotations

from typing import Final

from iso15118.energy.ac import NOTHING, each
from iso15118.evcc.conversation import Conversation, Leave, Until
from iso15118.evcc.iso2.ac_parameters import ac_power_w, charger_of, own_current_a, take_most
from iso15118.evcc.iso2.delivery import negotiation_due, power_delivery
from iso15118.evcc.iso2.exchange import exchange
from iso15118.evcc.iso2.parameters import charge_parameters
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.profile import charging_profile
from iso15118.evcc.iso2.receipt import answer_meter
from iso15118.evcc.iso2.status import asks_to_end, asks_to_renegotiate, leave_if_asked, same_kind
from iso15118.evcc.needs import enough
from iso15118.evcc.unsaid import withdraw
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session.ac_limits import AcVehicleLimits, ChargerBounds
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    ScheduleRenegotiated,
    SessionEnded,
    SetCharger,
    SignalReady,
    StopPower,
    Urgency,
)

__all__ = ["charge_loop", "start", "stop"]

_NO_CURRENT_A: Final = 1.0
"""Per phase: below this the current is at rest, and PowerDelivery(Stop) may be said."""
_FLOWS_W: Final = 100.0
"""Less than this is what the charger needs itself, and noise of its meter."""
_WIND_DOWN_S: Final = 3.0
"""How long the charger has to bring the current down before PowerDelivery(Stop) is said all the same."""


async def start(talk: Conversation, plan: Plan) -> None:
    """Ask for power along the schedule; state C shows behind the first such
    request, not before [V2G2-847]."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    profile = charging_profile(talk, plan, ac_power_w(talk, plan), phases=plan.ac.phases)
    then = () if plan.ready else (SignalReady(True),)
    plan.ready = True
    response = await power_delivery(talk, plan, iso2.ChargeProgress.Start, profile, then=then)
    plan.renegotiate = False
    same_kind(response.evse_status, plan)
    leave_if_asked(response.evse_status)
    _look_at_rcd(talk, response.evse_status)
    _set_charger(talk, plan)


async def charge_loop(talk: Conversation, plan: Plan) -> SessionEnded:
    """Turn after turn until the battery, the driver or the station has had enough; then the charger winds
    down. Returns who ended it."""
    interval = talk.config.iso2.ac_loop_interval_s
    end: SessionEnded | None = None
    wind_down_until = 0.0
    rest_until: float | None = None
    while True:
        began = talk.now
        withdraw(talk, "ISO 15118-2", renegotiates=True)
        if end is None:
            flows = abs(talk.charger_measured.total_w) >= _FLOWS_W
            end = enough(talk, plan, flows=flows, below_minimum=_below_minimum(talk, plan))
            wind_down_until = began + _WIND_DOWN_S
        elif _is_at_rest(talk) or began >= wind_down_until:
            return end
        rests = end is None and negotiation_due(talk, plan)
        if not rests:
            rest_until = None
        elif rest_until is None:  # nobody leaves from a negotiation under power
            rest_until = began + _WIND_DOWN_S
        if rest_until is not None and (_is_at_rest(talk) or began >= rest_until):
            await _renegotiate(talk, plan)
            rests, rest_until = False, None
        _set_charger(talk, plan, winding_down=rests or end is not None)
        response: iso2.ChargingStatusRes = await exchange(talk, iso2.ChargingStatusReq())
        if response.evse_max_current is not None:
            take_most(talk, plan, quantity(response.evse_max_current))
        # Before anything else is said.
        _set_charger(talk, plan, winding_down=rests or end is not None)
        status: iso2.EVSEStatus = response.ac_evse_status
        _look_at_rcd(talk, status)
        asking = asks_to_end(status)
        plan.renegotiate = plan.renegotiate or asks_to_renegotiate(status)
        receipt = await answer_meter(talk, plan, response)
        if receipt is not None:
            same_kind(receipt, plan)
            plan.renegotiate = plan.renegotiate or asks_to_renegotiate(receipt)
            later = asks_to_end(receipt)
            if later is not None:
                asking, status = later, receipt
        if end is None and asking is not None:
            end = asking
            delay = float(status.notification_max_delay) or _WIND_DOWN_S
            wind_down_until = talk.now + min(_WIND_DOWN_S, delay)
            _set_charger(talk, plan, winding_down=True)
        if talk.now < began + interval:
            await Until(began + interval)


def _is_at_rest(talk: Conversation) -> bool:
    return max(talk.charger_measured.current_a) < _NO_CURRENT_A


def _bounds(talk: Conversation, plan: Plan) -> ChargerBounds:
    """Within the charger, the battery, EVSEMaxCurrent and the schedule; below the
    charger's minimum nothing."""
    charger, ac = charger_of(talk), plan.ac
    phases, volts = ac.phases, ac.nominal_v
    amperes = min(own_current_a(charger, phases), ac.most_a)
    watts = min(
        *charger.maximum_charge_power_w[:phases],
        max(talk.battery.maximum_charge_power_w, 0.0) / phases,
        plan.scheduled_power_w(talk.now) / phases,
        amperes * volts,
    )
    if amperes < charger.minimum_current_a or watts < _least_w(charger, plan):
        return ChargerBounds(phases=phases, power_w=NOTHING, current_a=each(amperes, phases))
    return ChargerBounds(phases=phases, power_w=each(watts, phases), current_a=each(amperes, phases))


def _set_charger(talk: Conversation, plan: Plan, *, winding_down: bool = False) -> None:
    """Tell the on-board charger what it may take now, if that has changed."""
    bounds = _bounds(talk, plan)
    if winding_down:
        bounds = ChargerBounds(phases=bounds.phases, power_w=NOTHING, current_a=bounds.current_a)
    if bounds != plan.ac.taken:
        plan.ac.taken = bounds
        talk.act(SetCharger(bounds))


def _below_minimum(talk: Conversation, plan: Plan) -> bool:
    """The battery takes less than the least that the charger can do; what the station
    allows may become more again."""
    least = _least_w(charger_of(talk), plan)
    return talk.battery.maximum_charge_power_w < least * plan.ac.phases


def _least_w(charger: AcVehicleLimits, plan: Plan) -> float:
    """Per phase: the charger says a power at some nominal voltage, and a current, which counts
    where the voltage is less."""
    power = max(charger.minimum_charge_power_w[: plan.ac.phases])
    return min(power, charger.minimum_current_a * plan.ac.nominal_v)


def _look_at_rcd(talk: Conversation, status: iso2.EVSEStatus) -> None:
    if isinstance(status, iso2.ACEVSEStatus) and status.rcd:
        talk.note("rcd", "the station says that its residual current device has tripped")


async def _renegotiate(talk: Conversation, plan: Plan) -> None:
    """Agree on another schedule: the power rests, state C and the station's contactor stay."""
    _set_charger(talk, plan, winding_down=True)
    response = await power_delivery(talk, plan, iso2.ChargeProgress.Renegotiate)
    same_kind(response.evse_status, plan)
    leave_if_asked(response.evse_status)
    await charge_parameters(talk, plan)
    await start(talk, plan)
    plan.negotiated_at, plan.negotiations = talk.now, plan.negotiations + 1
    talk.act(ScheduleRenegotiated(beside=False, agreed=True))


async def stop(talk: Conversation, plan: Plan) -> None:
    """The charger off, then tell the station that power is no longer wanted; state B shows
    behind the request [V2G2-848]."""
    plan.ready = plan.stop_told = False
    if plan.ac.taken is not None:  # otherwise it has been stopped already, perhaps in more haste
        plan.ac.taken = None
        talk.act(StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
    await power_delivery(talk, plan, iso2.ChargeProgress.Stop, then=(SignalReady(False),))
