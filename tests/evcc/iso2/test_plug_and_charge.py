"""Plug and Charge of ISO 15118-2 in the vehicle: which contract is shown, how one is installed or renewed,
and what an authorization says.

The station's part is played with the judges of ``iso15118.pki``, which read the messages as octets.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.evcc.config import Identification, InstallContracts
from iso15118.messages import iso2
from iso15118.pki import issue_test_pki
from iso15118.pki.chain.parsed import parse
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.contract_service import issuing
from iso15118.pnc.installation_iso2 import ContractServiceIso2
from iso15118.pnc.iso2 import judge_authorization, judge_request
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.secured import TlsPeer
from tests.evcc.iso2.contracts import (
    BOTH,
    CERTIFICATES,
    DAY,
    EMAIDS,
    EPOCH,
    TLS,
    held,
    host,
    in_charge,
    octets,
    offered,
    pki,
)
from tests.evcc.iso2.station import (
    CODE,
    FIELDS,
    Host,
    certificate_sets,
)

CHALLENGE = bytes(range(16))
ONGOING = iso2.EVSEProcessing.Ongoing


def service(**changes: Any) -> ContractServiceIso2:
    fields: dict[str, Any] = {
        "cps": pki().credential("cps"),
        "contracts": issuing(pki(), clock=lambda: DAY),
        "renewed": lambda emaid: pki().credential("contract-0"),
        "oem_anchors": [pki().oem_root],
        "oem_intermediates": pki().chain("oemprov")[1:],
        "mo_anchors": [pki().certificates["mo-root"]],
        "clock": lambda: DAY,
    }
    return ContractServiceIso2(**(fields | changes))


# -- which contract


def test_the_preferred_contract_is_shown_and_signs_the_challenge() -> None:
    one = offered(host("contract-0", "contract-1", contract_preferences=("FRXYZ",)))
    chosen = one.request
    assert chosen.selected_payment_option is iso2.PaymentOption.Contract
    assert [service.service_id for service in chosen.selected_service_list.selected_service] == [1]
    one.answer()
    details = one.request
    assert details.emaid == EMAIDS[1]
    chain = details.contract_signature_cert_chain
    assert chain.id is None
    sent = (chain.certificate, *chain.sub_certificates.certificate)
    assert sent == pki().chain("contract-1")
    one.answer(gen_challenge=CHALLENGE)
    verdict = judge_authorization(
        octets(one.messages[-1]),
        challenge=CHALLENGE,
        chain=sent,
        trust=ContractTrust(mo_anchors=(pki().certificates["mo-root"],), edition="iso2"),
        unix_time=EPOCH,
        emaid=details.emaid,
    )
    assert verdict.refusal is None, verdict.detail
    for _ in range(20):
        one.answer(evse_processing=ONGOING)
        one.wait(0.1)
        # Repeated without a word and without a signature [V2G2-684].
        assert one.request == iso2.AuthorizationReq()
        assert one.messages[-1].header.signature is None
    one.answer()
    assert one.session.state == "ChargeParameterDiscovery"
    assert one.session.emaid == EMAIDS[1]


def test_a_contract_that_waits_too_long_ends_the_session() -> None:
    one = offered(host("contract-0")).to("Authorization")
    began = one.book.now
    while one.ended is None:
        if one.waiting:
            one.answer(evse_processing=ONGOING)
        else:
            one.wait(0.1)
    assert 60.0 <= one.book.now - began < 60.2
    assert one.ended.reason is EndReason.ONGOING_TOO_LONG


@pytest.mark.parametrize(
    ("tls", "options", "names", "paid"),
    [
        (TLS, BOTH, ("contract-0",), iso2.PaymentOption.Contract),
        (None, BOTH, ("contract-0",), iso2.PaymentOption.ExternalPayment),
        (TLS, BOTH, (), iso2.PaymentOption.ExternalPayment),
        (TLS, FIELDS[iso2.ServiceDiscoveryRes], ("contract-0",), iso2.PaymentOption.ExternalPayment),
    ],
    ids=["contract", "no TLS", "no contract", "not offered"],
)
def test_when_it_is_the_contract_that_pays(
    tls: TlsPeer | None, options: Any, names: tuple[str, ...], paid: iso2.PaymentOption
) -> None:
    one = host(*names, tls=tls, install_contracts=InstallContracts.NEVER)
    if isinstance(options, iso2.PaymentOptionList):
        one.answer(payment_option_list=options)
    else:
        one.answer()
    assert one.request.selected_payment_option is paid
    assert len(one.request.selected_service_list.selected_service) == 1


@pytest.mark.parametrize(
    ("tls", "names", "why"),
    [
        (None, ("contract-0",), "does not offer Plug and Charge"),
        (TLS, (), "no contract that could be used"),
    ],
)
def test_a_vehicle_that_pays_by_contract_only_says_why_it_leaves(
    tls: TlsPeer | None, names: tuple[str, ...], why: str
) -> None:
    one = host(
        *names,
        tls=tls,
        identification=(Identification.PNC,),
        install_contracts=InstallContracts.NEVER,
    )
    offered(one)
    ended = one.finish()
    assert ended.reason is EndReason.AUTHORIZATION_FAILED
    assert why in ended.detail


def test_a_contract_of_another_kind_of_key_or_out_of_date_is_passed_over() -> None:
    other = issue_test_pki("iso20", "p521", at=DAY)
    both = held(signers=(signer_of(other.credential("contract")), signer_of(pki().credential("contract-0"))))
    one = offered(Host(contracts=both, tls=TLS).to("ServiceDiscovery"))
    one.answer()
    assert one.request.emaid == EMAIDS[0]
    late = (parse(pki().certificates["contract-0"]).not_after.timestamp() - EPOCH) + 1.0
    settings: dict[str, Any] = {"install_contracts": InstallContracts.NEVER}
    one = offered(Host(contracts=both, tls=TLS, now=late, **settings).to("ServiceDiscovery"))
    assert one.request.selected_payment_option is iso2.PaymentOption.ExternalPayment


def test_a_contract_that_the_messages_cannot_carry_gives_way_to_the_next() -> None:
    first, second = (signer_of(pki().credential(name)) for name in ("contract-0", "contract-1"))

    class Long:
        algorithm = first.algorithm
        public_key = first.public_key
        chain = (*first.chain, *[first.chain[1]] * 4)
        sign = first.sign

    one = offered(Host(contracts=held(signers=(Long(), second)), tls=TLS).to("ServiceDiscovery"))
    one.answer()
    assert one.request.emaid == EMAIDS[1]
    assert EMAIDS[0] in one.session.refusals[0]


@pytest.mark.parametrize("code", [code for code in CODE if code.value.startswith("FAILED")])
@pytest.mark.parametrize("state", ["PaymentDetails", "Authorization"])
def test_a_refused_contract_ends_the_session(code: iso2.ResponseCode, state: str) -> None:
    one = offered(host("contract-0", "contract-1")).to(state)
    one.answer(response_code=code)
    one.book.ends(EndReason.REFUSED)
    assert one.ended is not None
    assert code.value in one.ended.detail
    # The next session may try another one first.
    assert one.session.refusals[-1].startswith(f"{EMAIDS[0]}: ")
    assert code.value in one.session.refusals[-1]


def test_a_contract_that_was_refused_gives_way_to_the_next_and_then_to_the_terminal() -> None:
    def asked_with(*refused: str, options: Any = BOTH, **settings: Any) -> Any:
        contracts = held("contract-0", "contract-1", refused=refused)
        one = offered(host(contracts=contracts, **settings), payment_option_list=options)
        if isinstance(one.request, iso2.ServiceDetailReq):
            one.answer(service_parameter_list=certificate_sets("Update"))  # nothing is installed here
        if isinstance(one.request, iso2.SessionStopReq):
            return ""
        paid = one.request.selected_payment_option
        one.answer()
        return paid if paid is iso2.PaymentOption.ExternalPayment else one.request.emaid

    assert asked_with() == EMAIDS[0]
    assert asked_with(EMAIDS[0]) == EMAIDS[1]
    assert asked_with(*EMAIDS) is iso2.PaymentOption.ExternalPayment
    only = iso2.PaymentOptionList(payment_option=(iso2.PaymentOption.Contract,))
    # Where there is no other way, they are tried again.
    assert asked_with(*EMAIDS, options=only) == EMAIDS[0]
    assert asked_with(*EMAIDS, identification=(Identification.PNC,)) == EMAIDS[0]


def test_which_contract_was_refused_is_told_to_whoever_begins_the_next_session() -> None:
    one = offered(host("contract-0", "contract-1")).to("Authorization")
    assert one.session.refused_contract == ""
    one.answer(response_code=CODE.FAILED_ContractCanceled)
    assert one.session.refused_contract == EMAIDS[0]
    other = offered(host("contract-0")).to("ChargeParameterDiscovery")
    other.answer(response_code=CODE.FAILED)
    assert other.session.refused_contract == ""


PNC_STATES = ("ServiceDetail", "PaymentServiceSelection", "CertificateInstallation")
PAYING_STATES = ("PaymentServiceSelection", "PaymentDetails", "Authorization", "MeteringReceipt")
LONG = ("ServiceDetail", "CertificateInstallation", "PaymentDetails")


def at(state: str) -> Host:
    """Where a vehicle with a contract, or one that has none yet, waits for this answer."""
    if state == "MeteringReceipt":
        one = in_charge("contract-0")
        one.answer(meter_info=iso2.MeterInfo(meter_id="M1", meter_reading=7), receipt_required=True)
        return one
    return offered(host(*(("contract-0",) if state in PAYING_STATES[1:] else ()))).to(state)


STATES_OF_CONTRACTS = tuple(dict.fromkeys(PNC_STATES + PAYING_STATES))


@pytest.mark.parametrize("state", STATES_OF_CONTRACTS)
def test_wishes_silence_and_other_answers_where_contracts_are_spoken_of(state: str) -> None:
    one = at(state)
    one.tell(ev.StopRequested("enough"))
    assert one.finish().reason in (EndReason.STOPPED_BY_EV, EndReason.AUTHORIZATION_FAILED)
    assert not one.watch.told_closed
    one = at(state)
    limit = 5.0 if state in LONG else 2.0
    one.wait(limit - 0.001)
    assert one.ended is None
    one.wait(0.001)
    one.book.ends(EndReason.TIMEOUT)
    assert not one.watch.told_closed
    for kind in FIELDS:
        one = at(state)
        one.tell(ev.MessageReceived(one.message(one.response(kind))))
        if kind.__name__ != f"{state}Res":
            one.book.ends(EndReason.SEQUENCE_ERROR)
            assert not one.watch.told_closed
    for code in CODE:
        one = at(state)
        one.answer(response_code=code)
        if code.value.startswith("FAILED"):
            one.book.ends(EndReason.REFUSED)
        else:
            assert one.ended is None


def test_a_contract_that_expires_soon_is_told_and_charges() -> None:
    one = offered(host("contract-0")).to("PaymentDetails")
    one.answer(response_code=CODE.OK_CertificateExpiresSoon)
    one.to("CurrentDemand")
    assert "expires soon" in one.session.refusals[-1]


# -- installation and update


def asked_for(one: Host) -> list[int | None]:
    return [
        service.parameter_set_id
        for service in one.of(iso2.PaymentServiceSelectionReq)[-1].selected_service_list.selected_service
    ]


def brought(one: Host, answer: iso2.V2GMessage) -> None:
    one.tell(ev.MessageReceived(octets(answer)))


def test_a_vehicle_without_a_contract_gets_one_and_charges_with_it() -> None:
    one = offered(host())
    assert one.request == iso2.ServiceDetailReq(service_id=2)
    one.answer()
    assert asked_for(one) == [None, 1]
    one.answer()
    request = octets(one.messages[-1])
    assert judge_request(request, pki().certificates["oemprov"]).ok
    brought(one, service().answer(request))
    (stored,) = [action for action in one.hardware if isinstance(action, act.StoreContract)]
    details = one.request
    assert isinstance(details, iso2.PaymentDetailsReq)
    assert details.contract_signature_cert_chain.certificate == stored.contract.chain[0]
    one.to("CurrentDemand")
    assert one.session.installed == 1
    assert one.session.emaid


def test_a_contract_that_ends_soon_is_renewed() -> None:
    one = offered(host("contract-0", iso2={"contract_update_days": 3650.0}))
    one.answer()
    assert asked_for(one) == [None, 2]
    one.answer()
    request = octets(one.messages[-1])
    assert isinstance(request.body.body_element, iso2.CertificateUpdateReq)
    assert judge_request(request, pki().certificates["contract-0"]).ok
    brought(one, service().answer(request))
    one.to("CurrentDemand")
    assert one.session.installed == 1


@pytest.mark.parametrize(
    ("names", "settings", "services", "sets", "chosen"),
    [
        (("contract-0",), {}, CERTIFICATES, (), [None]),
        (("contract-0",), {"install_contracts": InstallContracts.ALWAYS}, CERTIFICATES, (), [None, 1]),
        (("contract-0",), {"iso2": {"contract_update_days": 3650.0}}, None, (), [None]),
        (
            ("contract-0",),
            {"iso2": {"contract_update_days": 3650.0}},
            CERTIFICATES,
            ("Installation",),
            [None],
        ),
        (
            ("contract-0",),
            {"iso2": {"contract_update_days": 3650.0}},
            CERTIFICATES,
            ("Installation", "Something"),
            [None],
        ),
        (
            ("contract-0",),
            {"iso2": {"contract_update_days": 3650.0}, "install_contracts": InstallContracts.NEVER},
            CERTIFICATES,
            (),
            [None],
        ),
        ((), {}, CERTIFICATES, ("Update",), [None]),
        ((), {}, None, (), [None]),
    ],
    ids=[
        "not needed",
        "always",
        "no service",
        "no update",
        "another service",
        "never",
        "no installation",
        "no service, no contract",
    ],
)
def test_what_the_certificate_service_is_asked_for(
    names: tuple[str, ...],
    settings: dict[str, Any],
    services: iso2.ServiceList | None,
    sets: tuple[str, ...],
    chosen: list[int | None],
) -> None:
    one = offered(host(*names, **settings), service_list=services)
    if isinstance(one.request, iso2.ServiceDetailReq):
        one.answer(service_parameter_list=certificate_sets(*sets))
    assert asked_for(one) == chosen
    paid = one.of(iso2.PaymentServiceSelectionReq)[-1].selected_payment_option
    assert (paid is iso2.PaymentOption.Contract) is bool(names)


def spoiled(answer: iso2.V2GMessage, how: str) -> iso2.V2GMessage:
    body: Any = answer.body.body_element
    match how:
        case "signature":
            return msgspec.structs.replace(
                answer, header=msgspec.structs.replace(answer.header, signature=None)
            )
        case "emaid":
            changed = msgspec.structs.replace(body, emaid=iso2.EMAID(id="id4", value=EMAIDS[1]))
        case "key":
            blob = msgspec.structs.replace(body.contract_signature_encrypted_private_key, value=bytes(48))
            changed = msgspec.structs.replace(body, contract_signature_encrypted_private_key=blob)
        case _:
            junk = iso2.CertificateChain(id="id1", certificate=b"\x30\x00")
            changed = msgspec.structs.replace(body, contract_signature_cert_chain=junk)
    return msgspec.structs.replace(answer, body=iso2.Body(body_element=changed))


@pytest.mark.parametrize("how", ["signature", "emaid", "key", "junk"])
@pytest.mark.parametrize("update", [False, True], ids=["installation", "update"])
def test_an_answer_that_does_not_hold_is_not_kept_and_the_vehicle_leaves(how: str, update: bool) -> None:
    one = offered(host("contract-0", iso2={"contract_update_days": 3650.0}) if update else host())
    one.answer()
    one.answer()
    brought(one, spoiled(service().answer(octets(one.messages[-1])), how))
    assert not any(isinstance(action, act.StoreContract) for action in one.hardware)
    assert one.session.state == "SessionStop"
    ended = one.finish()
    assert ended.reason is EndReason.AUTHORIZATION_FAILED
    assert "contract installation" in ended.detail


@pytest.mark.parametrize("state", ["CertificateInstallation", "CertificateUpdate"])
def test_a_failure_of_the_service_with_empty_fields_ends_the_session(state: str) -> None:
    update = state == "CertificateUpdate"
    one = offered(host("contract-0", iso2={"contract_update_days": 3650.0}) if update else host()).to(state)
    one.answer(response_code=CODE.FAILED_NoCertificateAvailable)
    one.book.ends(EndReason.REFUSED)


# -- pause


def test_a_paused_contract_pays_again_with_a_fresh_signature() -> None:
    one = in_charge("contract-0", "contract-1", contract_preferences=(EMAIDS[1],))
    one.tell(ev.PauseRequested("later"))
    one.finish()
    ticket = one.session.ticket
    assert ticket is not None
    assert ticket.emaid == EMAIDS[1]
    again = Host(contracts=held("contract-0", "contract-1"), tls=TLS, resume=ticket, now=600.0).to(
        "SessionSetup"
    )
    again.answer(response_code=CODE.OK_OldSessionJoined)
    offered(again).answer()
    assert again.request.emaid == EMAIDS[1]
    fresh = bytes(range(16, 32))
    again.answer(gen_challenge=fresh)
    assert again.request.gen_challenge == fresh
    assert again.messages[-1].header.signature is not None
