"""PowerDelivery, which both kinds of current begin and end with, and the way out over it.

Its answer counts when power begins; after a stop the station's status says nothing any more.
"""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso2.exchange import exchange
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.status import battery_status
from iso15118.messages import iso2
from iso15118.session.actions import Action

__all__ = ["negotiation_due", "power_delivery"]


def negotiation_due(talk: Conversation, plan: Plan) -> bool:
    """A new negotiation begins now: the station asks for it, or the driver, or the schedule is over. None of
    it is done again at once, since the power rests meanwhile."""
    if talk.needs_changed:
        talk.needs_changed = False
        talk.schedule_wanted = talk.schedule_wanted or "the driver changed his mind"
    if plan.renegotiate and plan.negotiations >= talk.config.iso2.most_renegotiations:
        talk.note(
            "renegotiations",
            f"the station asks for more than {plan.negotiations} new negotiations in a session",
        )
        plan.renegotiate = False
    wanted = plan.renegotiate or bool(talk.schedule_wanted)
    if wanted and talk.now >= plan.negotiated_at + talk.config.iso2.renegotiation_interval_s:
        return True
    every = talk.config.schedule_renegotiation_s
    return every > 0.0 and plan.schedule_over(talk.now) and talk.now >= plan.negotiated_at + every


async def power_delivery(
    talk: Conversation,
    plan: Plan,
    progress: iso2.ChargeProgress,
    profile: iso2.ChargingProfile | None = None,
    *,
    then: tuple[Action, ...] = (),
) -> iso2.PowerDeliveryRes:
    """Ask to switch power on or off, or to negotiate again; the plan knows from the moment of sending.
    ``then`` is done right behind it."""
    plan.power_delivered = progress is iso2.ChargeProgress.Start
    plan.charged = plan.charged or plan.power_delivered
    parameter = iso2.DCEVPowerDeliveryParameter(
        dc_ev_status=battery_status(talk, plan), charging_complete=talk.battery.complete
    )
    answer: iso2.PowerDeliveryRes = await exchange(
        talk,
        iso2.PowerDeliveryReq(
            charge_progress=progress,
            sa_schedule_tuple_id=plan.tuple_id,
            charging_profile=profile,
            ev_power_delivery_parameter=None if plan.alternating else parameter,
        ),
        then=then,
    )
    return answer
