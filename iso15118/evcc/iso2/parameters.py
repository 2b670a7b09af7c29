"""ChargeParameterDiscovery: what the vehicle can take and wants, what the station can give,
and which schedule is followed.

The same message asks for the schedules; it is repeated while the station says Ongoing.
"""

from __future__ import annotations

import math

from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.ac_parameters import ac_parameter, ac_power_w, take_ac_offer
from iso15118.evcc.iso2.dc_parameters import check_dc, dc_parameter, take_dc_offer
from iso15118.evcc.iso2.exchange import poll
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.plug_and_charge import tariffs_hold
from iso15118.evcc.iso2.schedules import choose_schedule, read_schedules
from iso15118.evcc.iso2.status import asks_to_end, same_kind
from iso15118.evcc.needs import departure_s, wanted_wh
from iso15118.messages import iso2
from iso15118.session.actions import EndReason, PriceTrust, ScheduleChosen

__all__ = ["charge_parameters", "own_power_w"]

_MOST_S = 2**32 - 1


async def charge_parameters(talk: Conversation, plan: Plan) -> None:
    """Declare the vehicle's limits and needs; take the station's limits and choose among its schedules."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    talk.needs_changed, talk.schedule_wanted = False, ""  # this is where they are told

    def look(response: iso2.ChargeParameterDiscoveryRes) -> None:
        """Limits and status count while the schedules are still awaited."""
        _take_offer(talk, plan, response.evse_charge_parameter)
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
    if not plan.alternating:
        check_dc(talk, plan)
    believed = tariffs_hold(talk, plan, response.sa_schedules, answer.header.signature)
    offered = read_schedules(talk, response.sa_schedules, believed=believed)
    plan.schedule, plan.profile = choose_schedule(talk, plan, offered, own_power_w(talk, plan)), None
    talk.chosen = ScheduleChosen(
        schedule_id=plan.schedule.tuple_id,
        profile=plan.schedule.power,
        planned_wh=max(wanted_wh(talk), 0.0),
        trust=PriceTrust.NONE if plan.schedule.price is None else PriceTrust.VERIFIED,
        offered=len(offered),
    )
    talk.act(talk.chosen)


def _finished(response: iso2.ChargeParameterDiscoveryRes) -> bool:
    return response.evse_processing is iso2.EVSEProcessing.Finished


def _status(response: iso2.ChargeParameterDiscoveryRes) -> iso2.EVSEStatus:
    offer = response.evse_charge_parameter
    return offer.dc_evse_status if isinstance(offer, iso2.DCEVSEChargeParameter) else offer.ac_evse_status


def _notified(response: iso2.ChargeParameterDiscoveryRes) -> bool:
    return _status(response).evse_notification is iso2.EVSENotification.StopCharging


def _take_offer(talk: Conversation, plan: Plan, offer: iso2.EVSEChargeParameter) -> None:
    if isinstance(offer, iso2.DCEVSEChargeParameter):
        same_kind(offer.dc_evse_status, plan)
        take_dc_offer(talk, plan, offer)
    else:
        same_kind(offer.ac_evse_status, plan)
        take_ac_offer(talk, plan, offer)


def _request(talk: Conversation, plan: Plan) -> iso2.ChargeParameterDiscoveryReq:
    known, energy_wh = departure_s(talk), _energy(talk, plan)
    departure = None if known is None else min(known, _MOST_S)
    return iso2.ChargeParameterDiscoveryReq(
        max_entries_sa_schedule_tuple=talk.config.iso2.maximum_schedule_entries,
        requested_energy_transfer_mode=plan.mode,
        ev_charge_parameter=ac_parameter(talk, plan, departure, energy_wh)
        if plan.alternating
        else dc_parameter(talk, plan, departure, energy_wh),
    )


def own_power_w(talk: Conversation, plan: Plan) -> float:
    """What the vehicle can take from this station at best, in W."""
    if plan.alternating:
        return ac_power_w(talk, plan)
    return min(talk.limits.maximum_charge_power_w, plan.offer.maximum_charge_power_w)


def _energy(talk: Conversation, plan: Plan) -> float:
    """What the battery lacks in whole Wh; in a session that goes on no more than when
    it was paused [V2G2-743]."""
    wanted = max(wanted_wh(talk), 0.0)
    if plan.resumed is not None and plan.resumed.energy_wh is not None:
        wanted = min(wanted, plan.resumed.energy_wh)
    return float(math.ceil(wanted))
