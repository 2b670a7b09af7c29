"""ChargeParameterDiscovery: what the vehicle can take and wants, what the station can give, and which schedule is followed.

The same message asks for the schedules; it is repeated while the station says Ongoing.
"""

from __future__ import annotations

import math

from iso15118.errors import ConfigError
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.exchange import poll
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.plug_and_charge import tariffs_hold
from iso15118.evcc.iso2.schedules import choose_schedule, implausible, read_schedules
from iso15118.evcc.iso2.status import asks_to_end, battery_status, same_kind
from iso15118.evcc.needs import departure_s, wanted_wh
from iso15118.messages import iso2
from iso15118.messages.physical import floor_physical, quantity, watt_hours
from iso15118.messages.values import floored
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits

__all__ = ["charge_parameters", "told_voltage_limit", "wanted_voltage"]

_V, _A, _W = iso2.UnitSymbol.V, iso2.UnitSymbol.A, iso2.UnitSymbol.W
_MOST_S = 2**32 - 1


async def charge_parameters(talk: Conversation, plan: Plan) -> None:
    """Declare the vehicle's limits and needs; take the station's limits and choose among its schedules."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)

    def look(response: iso2.ChargeParameterDiscoveryRes) -> None:
        """Limits and status count while the schedules are still awaited."""
        plan.offer = plan.station = _limits(talk, plan, response.evse_charge_parameter)
        end = asks_to_end(_status(response))
        if end is not None:
            # With the schedules on the table the station may be told of the stop by its own message.
            plan.stop_told = _finished(response) and response.sa_schedules is not None and _notified(response)
            raise Leave(end.reason, end.detail)

    answer = await poll(
        talk,
        lambda: _request(talk, plan),
        _finished,
        limit=talk.timing.ongoing_timeout,
        reason=EndReason.ONGOING_TOO_LONG,
        look=look,
    )
    response: iso2.ChargeParameterDiscoveryRes = answer.body.body_element  # type: ignore[assignment]
    if response.sa_schedules is None:  # [V2G2-905]
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "the station is finished and offers no schedule")
    _check(talk, plan)
    believed = tariffs_hold(talk, plan, response.sa_schedules, answer.header.signature)
    offered = read_schedules(talk, response.sa_schedules, believed=believed)
    plan.schedule, plan.profile = choose_schedule(talk, plan, offered), None
    if plan.schedule_over(talk.now):
        reason = EndReason.STOPPED_BY_EV if plan.charged else EndReason.PARAMETERS_NOT_ACCEPTED
        raise Leave(reason, "the schedule that the station offers is over")


def _finished(response: iso2.ChargeParameterDiscoveryRes) -> bool:
    return response.evse_processing is iso2.EVSEProcessing.Finished


def _status(response: iso2.ChargeParameterDiscoveryRes) -> iso2.EVSEStatus:
    offer = response.evse_charge_parameter
    return offer.dc_evse_status if isinstance(offer, iso2.DCEVSEChargeParameter) else offer.ac_evse_status


def _notified(response: iso2.ChargeParameterDiscoveryRes) -> bool:
    return _status(response).evse_notification is iso2.EVSENotification.StopCharging


def _request(talk: Conversation, plan: Plan) -> iso2.ChargeParameterDiscoveryReq:
    limits, battery = talk.limits, talk.battery  # limits were rounded when the session began
    departure = departure_s(talk)
    return iso2.ChargeParameterDiscoveryReq(
        max_entries_sa_schedule_tuple=talk.config.iso2.maximum_schedule_entries,
        requested_energy_transfer_mode=plan.mode,
        ev_charge_parameter=iso2.DCEVChargeParameter(
            departure_time=None if departure is None else min(departure, _MOST_S),
            dc_ev_status=battery_status(talk, plan),
            ev_maximum_current_limit=floor_physical(limits.maximum_charge_current_a, _A),
            ev_maximum_power_limit=floor_physical(limits.maximum_charge_power_w, _W),
            ev_maximum_voltage_limit=floor_physical(told_voltage_limit(talk), _V),
            ev_energy_capacity=watt_hours(round(battery.capacity_wh)),
            ev_energy_request=watt_hours(_energy(talk, plan)),
            full_soc=100,
            bulk_soc=talk.config.target_soc,
        ),
    )


def _energy(talk: Conversation, plan: Plan) -> float:
    """What the battery lacks in whole Wh; in a session that goes on no more than when it was paused [V2G2-743]."""
    wanted = max(wanted_wh(talk), 0.0)
    if plan.resumed is not None and plan.resumed.energy_wh is not None:
        wanted = min(wanted, plan.resumed.energy_wh)
    return float(math.ceil(wanted))


def wanted_voltage(talk: Conversation) -> float:
    """EVTargetVoltage in V: what the battery wants at most, within what the vehicle can have."""
    battery = talk.battery
    return floored(min(battery.target_voltage_v, battery.maximum_voltage_v, talk.limits.maximum_voltage_v))


def told_voltage_limit(talk: Conversation) -> float:
    """EVMaximumVoltageLimit in V: what was declared, or the head room above the target where that is more."""
    headroom = talk.config.iso2.ev_voltage_headroom_v
    return max(talk.limits.maximum_voltage_v, wanted_voltage(talk) + headroom)


def _limits(talk: Conversation, plan: Plan, offer: iso2.EVSEChargeParameter) -> StationLimits:
    if not isinstance(offer, iso2.DCEVSEChargeParameter):
        same_kind(offer.ac_evse_status, plan)
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "the station offers alternating current")
    same_kind(offer.dc_evse_status, plan)
    said = {
        "maximum_charge_power_w": quantity(offer.evse_maximum_power_limit),
        "maximum_charge_current_a": quantity(offer.evse_maximum_current_limit),
        "minimum_charge_current_a": quantity(offer.evse_minimum_current_limit),
        "maximum_voltage_v": quantity(offer.evse_maximum_voltage_limit),
        "minimum_voltage_v": quantity(offer.evse_minimum_voltage_limit),
    }
    below = sorted(name for name, value in said.items() if value < 0.0)
    if below:
        implausible(talk, f"limits of the station are below zero: {', '.join(below)}")
        said |= dict.fromkeys(below, 0.0)
    for what in ("charge_current_a", "voltage_v"):
        most, least = f"maximum_{what}", f"minimum_{what}"
        if said[least] > said[most]:
            implausible(talk, f"the station's {least} is above its {most}")
            said[least] = said[most]
    try:
        return StationLimits(**said)
    except ConfigError as error:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, str(error)) from error


def _check(talk: Conversation, plan: Plan) -> None:
    """The two sides can charge with each other at all."""
    station, own = plan.station, talk.limits
    if station.minimum_voltage_v > own.maximum_voltage_v:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, "the station's minimum voltage is above the vehicle's maximum"
        )
    if station.minimum_charge_current_a > own.maximum_charge_current_a > 0.0:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, "the station's minimum current is above the vehicle's maximum"
        )
    if station.maximum_voltage_v < talk.battery.voltage_v:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "the station cannot reach the battery's voltage")
