"""Plug and Charge as the vehicle does it: contracts are taken if none is there, tried
one after the other, and sign.

What a contract is worth, and whether one that was sent is to be believed, is judged by the
``VehicleContracts`` of the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from iso15118.errors import MisuseError, PkiError
from iso15118.evcc.config import Identification, InstallContracts
from iso15118.evcc.conversation import Conversation, KeyUse
from iso15118.evcc.iso20.exchange import header, poll
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.metering import MeterReading
from iso15118.evcc.no_contract import Untold, not_tried, tell_set_aside
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MeterInfo, Processing, Receipt, ResponseCode
from iso15118.messages.xmldsig import Signature
from iso15118.printable import printable
from iso15118.session.actions import EndReason, MeteringRefused, StoreContract
from iso15118.session.services import ControlMode

if TYPE_CHECKING:
    from iso15118.pnc.signature import Form
    from iso15118.pnc.vehicle_contracts import Contract

__all__ = ["confirm_metering", "plug_and_charge", "reading_of"]

_MOST_PRIORITIZED = 8
"""Of PrioritizedEMAIDs."""
_METERING_ID = "id1"
_METERING = "the meter reading"
"""What the key is used for, as the session calls it."""


async def plug_and_charge(talk: Conversation, offered: cm.AuthorizationSetupRes) -> bool:
    """Try to be authorized by contract; False: none of them was taken, ``talk.refusals`` says why."""
    mode = offered.as_res_authorization_mode
    if talk.contracts is None:
        if Identification.EIM not in talk.config.identification:
            talk.refusals.append("the vehicle has no contracts, and no store for them")
        return False
    if not isinstance(mode, cm.PnCASResAuthorizationMode):
        return False
    providers = mode.supported_providers.provider_id if mode.supported_providers is not None else ()
    wanted = talk.config.install_contracts
    usable = _usable(talk, providers)
    if wanted is InstallContracts.ALWAYS or (wanted is InstallContracts.IF_NEEDED and not usable):
        if offered.certificate_installation_service:
            await _install(talk)
            usable = _usable(talk, providers)
        else:
            talk.refusals.append("the station installs no contracts")
    if not usable:
        talk.refusals.append("the vehicle has no contract that could be used here")
    for contract in usable[: talk.config.contract_attempts]:
        if await _authorize(talk, contract, mode.gen_challenge):
            talk.contract = contract
            return True
    late = [contract.emaid for contract in usable[talk.config.contract_attempts :]]
    tell_set_aside(talk, providers=providers, untried=not_tried(talk, late))
    return False


def _usable(talk: Conversation, providers: Sequence[str]) -> tuple[Contract, ...]:
    if talk.contracts is None:
        return ()
    preferences = talk.config.contract_preferences
    return talk.contracts.usable(preferences=preferences, providers=providers, unix_time=talk.clock)


async def _authorize(talk: Conversation, contract: Contract, challenge: bytes) -> bool:
    from iso15118.pnc.authorization import (
        signed_authorization,  # here: only a vehicle with contracts loads it
    )

    try:
        element, signature = await talk.with_key(
            "the authorization",
            tuple,
            lambda: signed_authorization(contract.signer, challenge, form=_form(talk)),
        )
    except (PkiError, MisuseError) as error:  # the token is gone, or the chain cannot be sent
        talk.refusals.append(Untold(f"{contract.emaid}: {error}"))
        return False
    response = await poll(
        talk,
        # Repeated unaltered but for the time stamp [V2G20-1582]: signed once.
        lambda: cm.AuthorizationReq(
            header=_signed(talk, signature),
            selected_authorization_service=cm.Authorization.PnC,
            a_req_authorization_mode=element,
        ),
        lambda response: response.evse_processing is Processing.Finished,
        limit=talk.timing.ongoing_timeout,
        reason=EndReason.ONGOING_TOO_LONG,
    )
    if response.response_code.value.startswith("WARNING"):
        talk.refusals.append(f"{contract.emaid}: {response.response_code.value}")
        return False
    if response.response_code is ResponseCode.OK_CertificateExpiresSoon:
        talk.note("contract-expires-soon", f"{contract.emaid}: the station says that the contract soon ends")
    return True


async def _install(talk: Conversation) -> None:
    """Ask for contracts until none remains, or enough are there. What is wrong with
    one is no reason to leave."""
    from iso15118.pnc.installation import InstalledContract

    if talk.contracts is None:
        return
    try:
        chain, signature, roots = await talk.with_key(
            "the contract installation", tuple, talk.contracts.request
        )
    except (PkiError, MisuseError) as error:
        talk.refusals.append(str(error))
        return
    prioritized = tuple(one for one in talk.config.contract_preferences if len(one) >= 14)[:_MOST_PRIORITIZED]
    most = talk.config.maximum_contracts
    for _ in range(most):
        response = await poll(
            talk,
            lambda: cm.CertificateInstallationReq(
                header=_signed(talk, signature),
                oem_provisioning_certificate_chain=chain,
                list_of_root_certificate_ids=roots,
                maximum_contract_certificate_chains=most,
                prioritized_emaids=cm.EMAIDList(emaid=prioritized) if prioritized else None,
            ),
            lambda response: response.evse_processing is Processing.Finished,
            limit=talk.timing.ongoing_timeout,
            reason=EndReason.ONGOING_TOO_LONG,
        )
        if response.response_code.value.startswith("WARNING"):
            talk.refusals.append(f"contract installation: {response.response_code.value}")
            return
        try:
            accept = partial(talk.contracts.accept, response, talk.clock)
            taken = await talk.with_key("the installed contract", InstalledContract, accept)
            talk.contracts = talk.contracts.with_contract(taken.signer)
        except (
            PkiError,
            MisuseError,
        ) as error:  # nothing of it is kept [V2G20-2504], nor of one that is older than ours
            talk.refusals.append(str(error))
        else:
            talk.installed += 1
            if taken.credential is not None:
                talk.act(StoreContract(taken.credential))
        if response.remaining_contract_certificate_chains <= 0:
            return


def confirm_metering(talk: Conversation, plan: Plan, reading: MeterInfo, receipt: Receipt | None) -> None:
    """Sign what the station's meter says with the contract that pays [V2G20-1083], if it fits what the
    vehicle has measured itself. Otherwise nothing is confirmed, and the charge goes on: it is for the
    station to draw its conclusions."""
    contract = talk.contract
    if contract is None or (talk.beside is not None and talk.now < talk.beside_until):
        return
    if talk.key_is_used(_METERING):
        return
    if why := talk.meter.why_not(reading_of(reading)):
        kind = re.sub(r"-?[0-9]+", "", why)
        if kind not in talk.unsigned:
            talk.unsigned.add(kind)
            talk.refusals.append(f"meter reading not signed: {why}")
            talk.act(MeteringRefused(printable(reading.meter_id), why))
        return
    from iso15118.pnc.authorization import signed_metering

    mode: cm.SMDTControlMode = cm.DynamicSMDTControlMode()
    if plan.control_mode is ControlMode.SCHEDULED and plan.schedule is not None:
        mode = cm.ScheduledSMDTControlMode(selected_schedule_tuple_id=plan.schedule.tuple_id)
    data = cm.SignedMeteringData(
        id=_METERING_ID,
        session_id=talk.session_id,
        meter_info=reading,
        receipt=receipt,
        smdt_control_mode=mode,
    )
    form = _form(talk)

    def confirm(use: KeyUse) -> None:
        if use.error is not None:  # what the meter says is not denied, only not confirmed
            talk.refusals.append(f"meter reading: {use.error}")
        elif plan.power_delivered:
            talk.send_beside(
                cm.MeteringConfirmationReq(header=_signed(talk, use.result), signed_metering_data=data),
                cm.MeteringConfirmationRes,
            )

    # On a stream of its own: the charge loop goes on meanwhile.
    talk.key_beside(_METERING, Signature, lambda: signed_metering(contract.signer, data, form=form), confirm)


def reading_of(info: MeterInfo) -> MeterReading:
    """A reading as the vehicle compares it."""
    return MeterReading(
        meter_id=info.meter_id,
        charged_wh=float(info.charged_energy_reading_wh),
        discharged_wh=None
        if info.bpt_discharged_energy_reading_wh is None
        else float(info.bpt_discharged_energy_reading_wh),
        at=None if info.meter_timestamp is None else float(info.meter_timestamp),
    )


def _form(talk: Conversation) -> Form:
    return "standalone" if talk.contracts is None else talk.contracts.form


def _signed(talk: Conversation, signature: Signature) -> Any:
    return msgspec.structs.replace(header(talk), signature=signature)
