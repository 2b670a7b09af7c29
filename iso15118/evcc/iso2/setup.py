"""The vehicle's phases before energy: session, services, how to charge and how to be identified.

The vehicle ranks by its own order; what the station offers beyond it does not matter.
"""

from __future__ import annotations

from typing import Final

from iso15118.evcc.config import Identification
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.exchange import exchange, poll
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.plug_and_charge import authorize_by_contract, contract_to_use
from iso15118.evcc.iso2.value_added import select
from iso15118.evcc.no_contract import leave_without_contract
from iso15118.messages import iso2
from iso15118.session.actions import EndReason
from iso15118.session.services import AC_SERVICES, ServiceID

__all__ = ["choose_services", "identify", "modes_of"]


def _stop_if_wanted(talk: Conversation) -> None:
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)


_CCS: Final = frozenset({ServiceID.DC, ServiceID.DC_BPT})


def modes_of(talk: Conversation) -> tuple[iso2.EnergyTransferMode, ...]:
    """The vehicle's ways to charge that belong to its services and that it has hardware for, best first."""
    services, charger = talk.config.services, talk.charger
    phases = 0 if charger is None or not AC_SERVICES.intersection(services) else charger.phases
    over_dc = talk.has_dc and bool(_CCS.intersection(services))
    possible = {
        iso2.EnergyTransferMode.AC_single_phase_core: phases >= 1,
        iso2.EnergyTransferMode.AC_three_phase_core: phases == 3,
    }
    return tuple(mode for mode in talk.config.iso2.energy_transfer_modes if possible.get(mode, over_dc))


async def choose_services(talk: Conversation, plan: Plan) -> iso2.ServiceDiscoveryRes:
    """Ask what there is, and take the first of the vehicle's ways to charge that the station has."""
    _stop_if_wanted(talk)
    offered: iso2.ServiceDiscoveryRes = await exchange(talk, iso2.ServiceDiscoveryReq())
    modes = offered.charge_service.supported_energy_transfer_mode.energy_transfer_mode
    plan.charge_service = offered.charge_service.service_id
    wished = modes_of(talk)
    if plan.resumed is not None and plan.resumed.iso2 is not None:  # the same as before [V2G2-741]
        wished = (iso2.EnergyTransferMode(plan.resumed.iso2.mode),)
    for mode in wished:
        if mode in modes:
            plan.mode = mode
            return offered
    wanted = ", ".join(mode.value for mode in wished)
    raise Leave(
        EndReason.PARAMETERS_NOT_ACCEPTED,
        f"the station offers {', '.join(mode.value for mode in modes)}, and not {wanted}",
    )


async def identify(talk: Conversation, plan: Plan, offered: iso2.ServiceDiscoveryRes) -> None:
    """By contract or at a terminal, in the vehicle's order. The choice is made once: there is no
    other try in the same session."""
    options = offered.payment_option_list.payment_option
    ways = talk.config.identification
    if plan.resumed is not None:  # the same as before [V2G2-741]
        ways = (Identification.PNC if plan.resumed.emaid else Identification.EIM,)
    for way in ways:
        if way is Identification.PNC:
            # Never without TLS: anybody on the line could be the one who asks for the signature [V2G2-633].
            if talk.plain or iso2.PaymentOption.Contract not in options:
                continue
            choice = await contract_to_use(talk, plan, offered)
            if choice is not None:
                plan.payment = iso2.PaymentOption.Contract
                await authorize_by_contract(talk, plan, offered, choice)
                return
        elif iso2.PaymentOption.ExternalPayment in options:
            plan.payment = iso2.PaymentOption.ExternalPayment
            await _external(talk, plan, offered)
            return
    if talk.refusals:
        raise leave_without_contract(talk)
    wanted = {Identification.PNC: "Plug and Charge", Identification.EIM: "external identification"}
    names = " or ".join(wanted[way] for way in ways)
    raise Leave(
        EndReason.AUTHORIZATION_FAILED, f"the station does not offer {names}", cause="no-common-authorization"
    )


async def _external(talk: Conversation, plan: Plan, offered: iso2.ServiceDiscoveryRes) -> None:
    """External identification, repeated unaltered while the station waits for the driver [V2G2-854]."""
    _stop_if_wanted(talk)
    await select(talk, plan, offered)
    _stop_if_wanted(talk)
    await poll(
        talk,
        iso2.AuthorizationReq,
        lambda response: response.evse_processing is iso2.EVSEProcessing.Finished,
        limit=talk.config.iso2.timing.customer_wait,
        reason=EndReason.ONGOING_TOO_LONG,
    )
