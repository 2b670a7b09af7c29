"""Plug and Charge of ISO 15118-2 as the vehicle does it: a contract is chosen, installed or renewed
if need be, shown, and signs.

A refusal ends the session in this edition, so that contracts that cannot be used are
passed over before one is shown.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from iso15118.errors import MisuseError, PkiError
from iso15118.evcc.config import Identification, InstallContracts
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.exchange import exchange, exchange_message, poll
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.value_added import select
from iso15118.evcc.no_contract import leave_without_contract, tell_set_aside
from iso15118.messages import iso2
from iso15118.messages.xmldsig import Signature
from iso15118.session.actions import EndReason, StoreContract

if TYPE_CHECKING:
    from iso15118.pnc.vehicle_contracts import Contract
else:
    Contract = Any  # who asks for help at run time is told of it without loading it

__all__ = ["Choice", "authorize_by_contract", "contract_to_use", "tariffs_hold"]

_CERTIFICATE_SERVICE: Final = 2
_INSTALLATION: Final = 1
_UPDATE: Final = 2
_SETS: Final = {_INSTALLATION: "Installation", _UPDATE: "Update"}
"""ParameterSetID of the certificate service, and the value of its parameter "Service"."""
_DAY_S: Final = 86_400.0


class Choice(Struct, frozen=True):
    """How the vehicle means to pay by contract."""

    contract: Contract | None
    """The one that is there."""
    certificate_set: int | None = None
    """What to ask the certificate service for first."""


async def contract_to_use(talk: Conversation, plan: Plan, offered: iso2.ServiceDiscoveryRes) -> Choice | None:
    """The first contract in the vehicle's order that can be used, and whether the station is to install or
    renew one; None: the vehicle has none and gets none, ``talk.refusals`` says why."""
    if talk.contracts is None:
        talk.refusals.append("the vehicle has no contracts, and no store for them")
        return None
    resumed = plan.resumed
    terminal = (
        Identification.EIM in talk.config.identification
        and iso2.PaymentOption.ExternalPayment in offered.payment_option_list.payment_option
    )
    contract = _usable(talk, resumed.emaid if resumed is not None else "", refused=not terminal)
    wanted = _certificate_wanted(talk, contract) if resumed is None else None
    if wanted is not None and await _offers(talk, offered, wanted):
        return Choice(contract, wanted)
    if contract is None:
        if wanted is not None:
            talk.refusals.append("the station installs no contracts")
        if refused := ", ".join(talk.contracts.refused):
            talk.refusals.append(f"refused before: {refused}")
        talk.refusals.append("the vehicle has no contract that could be used here")
        if resumed is not None:
            talk.refusals.append(f"the session that was paused is that of {resumed.emaid}")
        tell_set_aside(talk, iso2=True)
        return None
    return Choice(contract)


def _usable(talk: Conversation, only: str = "", *, refused: bool = True) -> Contract | None:
    """The first contract that the messages can carry; ``only``: it must be this one. ``refused``: where there
    is no other, one that was refused in an earlier session is tried again."""
    from iso15118.pnc.iso2 import payment_details  # here: only a vehicle with contracts loads it

    if talk.contracts is None:
        return None
    usable = talk.contracts.usable(
        preferences=talk.config.contract_preferences, unix_time=talk.clock, edition="iso2"
    )
    fresh = [one for one in usable if one.emaid not in talk.contracts.refused]
    again = [one for one in usable if one.emaid in talk.contracts.refused] if refused else []
    if only:
        fresh, again = [one for one in usable if one.emaid == only], []
    for contract in (fresh + again)[: talk.config.contract_attempts]:
        try:
            payment_details(contract.signer)
        except (PkiError, MisuseError) as error:  # the messages cannot carry it
            talk.refusals.append(f"{contract.emaid}: {error}")
        else:
            return contract
    return None


def _certificate_wanted(talk: Conversation, contract: Contract | None) -> int | None:
    """The parameter set of the certificate service that the vehicle has a use for."""
    wanted = talk.config.install_contracts
    if wanted is InstallContracts.NEVER or talk.contracts is None:
        return None
    if wanted is InstallContracts.ALWAYS or contract is None:
        return _INSTALLATION if talk.contracts.provisioning_for("iso2") is not None else None
    if talk.clock is None:
        return None
    left_s = contract.not_after.timestamp() - talk.clock
    return _UPDATE if left_s <= talk.config.iso2.contract_update_days * _DAY_S else None


async def _offers(talk: Conversation, offered: iso2.ServiceDiscoveryRes, wanted: int) -> bool:
    services = () if offered.service_list is None else offered.service_list.service
    if not any(service.service_id == _CERTIFICATE_SERVICE for service in services):
        return False
    detail: iso2.ServiceDetailRes = await exchange(
        talk, iso2.ServiceDetailReq(service_id=_CERTIFICATE_SERVICE)
    )
    sets = () if detail.service_parameter_list is None else detail.service_parameter_list.parameter_set
    return detail.service_id == _CERTIFICATE_SERVICE and any(
        one.parameter_set_id == wanted and _says(one, _SETS[wanted]) for one in sets
    )


def _says(parameters: iso2.ParameterSet, wanted: str) -> bool:
    """A set that names another service is not taken by its number."""
    named = [one.string_value for one in parameters.parameter if one.name == "Service"]
    return not named or named == [wanted]


async def authorize_by_contract(
    talk: Conversation, plan: Plan, offered: iso2.ServiceDiscoveryRes, choice: Choice
) -> None:
    """Select, have the contract installed or renewed, show it, and sign the station's challenge."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    contract = choice.contract
    if choice.certificate_set is None:
        await select(talk, plan, offered)
    else:
        certificates = iso2.SelectedService(
            service_id=_CERTIFICATE_SERVICE, parameter_set_id=choice.certificate_set
        )
        await select(talk, plan, offered, certificates)
        contract = await _fresh(talk, choice)
    if contract is None:
        raise _in_vain(talk)
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    await _authorize(talk, contract)
    talk.contract = contract


def _in_vain(talk: Conversation) -> Leave:
    tell_set_aside(talk, iso2=True)
    return leave_without_contract(talk)


async def _fresh(talk: Conversation, choice: Choice) -> Contract | None:
    """Ask once for a contract. An answer that does not hold is no reason to trust the station with
    another one: the vehicle leaves."""
    from iso15118.pnc.installation import InstalledContract

    contracts, old = talk.contracts, choice.contract
    if contracts is None:
        return None
    try:
        if choice.certificate_set == _UPDATE and old is not None:
            make = partial(contracts.update_request, old.signer, talk.session_id)
            receiver = old.signer
        else:
            make = partial(contracts.installation_request, talk.session_id)
            receiver = None
        request = await talk.with_key("the request for a contract", iso2.V2GMessage, make)
    except (PkiError, MisuseError) as error:
        talk.refusals.append(str(error))
        return old
    answer = await exchange_message(talk, request.body.body_element, request.header.signature)
    if answer is None:
        return old
    try:
        accept = partial(contracts.accept_iso2, answer, talk.clock, receiver)
        taken = await talk.with_key("the installed contract", InstalledContract, accept)
    except (PkiError, MisuseError) as error:  # nothing of it is kept
        talk.refusals.append(str(error))
        raise _in_vain(talk) from error
    try:
        talk.contracts = contracts.with_contract(taken.signer)
    except PkiError as error:  # there is a newer one
        talk.refusals.append(str(error))
    else:
        talk.installed += 1
        if taken.credential is not None:
            talk.act(StoreContract(taken.credential))
    return _usable(talk)


async def _authorize(talk: Conversation, contract: Contract) -> None:
    from iso15118.pnc.iso2 import payment_details, signed_request

    try:
        emaid, chain = payment_details(contract.signer)
    except (PkiError, MisuseError) as error:
        talk.refusals.append(f"{contract.emaid}: {error}")
        raise _in_vain(talk) from error
    talk.shown = contract.emaid
    details: iso2.PaymentDetailsRes = await exchange(
        talk, iso2.PaymentDetailsReq(emaid=emaid, contract_signature_cert_chain=chain)
    )
    if details.response_code is iso2.ResponseCode.OK_CertificateExpiresSoon:
        talk.refusals.append(f"{contract.emaid}: the station says that it expires soon")
    request = iso2.AuthorizationReq(id="id1", gen_challenge=details.gen_challenge)
    try:
        sign = partial(signed_request, request, contract.signer, talk.session_id)
        signed = await talk.with_key("the authorization", iso2.V2GMessage, sign)
    except (PkiError, MisuseError) as error:  # the token is gone
        talk.refusals.append(f"{contract.emaid}: {error}")
        raise _in_vain(talk) from error
    requests: list[tuple[iso2.AuthorizationReq, Signature | None]] = [(request, signed.header.signature)]

    def make() -> Any:
        """Signed once; what is repeated says nothing [V2G2-684]."""
        return requests.pop() if requests else iso2.AuthorizationReq()

    await poll(
        talk,
        make,
        lambda response: response.evse_processing is iso2.EVSEProcessing.Finished,
        limit=talk.timing.ongoing_timeout,
        reason=EndReason.ONGOING_TOO_LONG,
    )
    talk.shown = ""


def tariffs_hold(
    talk: Conversation, plan: Plan, offered: iso2.SAScheduleList, signature: Signature | None
) -> bool:
    """The tariffs are signed by the provider of the contract that pays. Without one, or without TLS, nobody
    can tell: they are dropped."""
    tariffs = [one.sales_tariff for one in offered.sa_schedule_tuple if one.sales_tariff is not None]
    if not tariffs:
        return False
    contract = talk.contract
    if plan.payment is not iso2.PaymentOption.Contract or talk.plain or contract is None:
        talk.note("tariff", "the station's tariffs cannot be verified without a contract, and are dropped")
        return False
    from iso15118.pnc.iso2 import judge_tariffs

    verdict = judge_tariffs(tariffs, signature, contract.signer.chain)
    if not verdict.ok:
        talk.note("tariff", f"the station's tariffs are dropped: {verdict}"[:300])
    return verdict.ok
