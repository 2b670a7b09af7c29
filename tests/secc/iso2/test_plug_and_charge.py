"""Contracts in ISO 15118-2: what is offered, the chain, the signed challenge, the backend, contracts for
vehicles, signed readings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.iso2 import signed_request
from iso15118.pnc.signature import SignedElement, sign
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.iso2.contracts import CONTRACT, NOW, ContractDrive, chain_of, pki, signer, trust
from tests.secc.iso2.vehicle import Drive, replace, selection

OK, ONGOING, FINISHED = "OK", iso2.EVSEProcessing.Ongoing, iso2.EVSEProcessing.Finished
DAY_S = 86_400.0


def code(answer: Any) -> str:
    return answer.response_code.value  # type: ignore[no-any-return]


# -- the offer


@pytest.mark.parametrize(
    ("options", "payments", "certificates"),
    [
        ({"secure": False, "installs": True}, 1, False),
        ({"trust": None, "installs": True}, 1, False),
        ({}, 2, False),
        ({"installs": True}, 2, True),
    ],
)
def test_contracts_are_offered_over_tls_to_a_station_that_can_judge_them(
    options: dict[str, Any], payments: int, certificates: bool
) -> None:
    drive = ContractDrive(**options).to(State.SERVICE_DISCOVERY)
    found = drive.send(iso2.ServiceDiscoveryReq)
    assert len(found.payment_option_list.payment_option) == payments
    assert (CONTRACT in found.payment_option_list.payment_option) is (payments == 2)
    assert (found.service_list is not None) is certificates
    answer = drive.send(iso2.ServiceDetailReq, service_id=2)
    assert code(answer) == ("OK" if certificates else "FAILED_ServiceIDInvalid")
    if certificates:
        sets = answer.service_parameter_list.parameter_set
        names = [(one.parameter_set_id, one.parameter[0].name, one.parameter[0].string_value) for one in sets]
        assert names == [(1, "Service", "Installation"), (2, "Service", "Update")]


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({}, True),
        ({"service_category": iso2.ServiceCategory.ContractCertificate}, True),
        ({"service_category": iso2.ServiceCategory.EVCharging}, False),
        ({"service_scope": "somebody"}, False),
    ],
)
def test_scope_and_category_filter_the_services_beside_charging(
    changes: dict[str, Any], listed: bool
) -> None:
    drive = ContractDrive(installs=True).to(State.SERVICE_DISCOVERY)
    found = drive.send(iso2.ServiceDiscoveryReq, **changes)
    assert (found.service_list is not None) is listed
    assert found.charge_service.service_id == 1
    assert code(drive.send(iso2.ServiceDetailReq, service_id=2)) == OK


@pytest.mark.parametrize(
    ("option", "services", "expected"),
    [
        (CONTRACT, ((1, None),), "FAILED_PaymentSelectionInvalid"),
        (iso2.PaymentOption.ExternalPayment, ((1, None), (2, 1)), "FAILED_ServiceSelectionInvalid"),
        (iso2.PaymentOption.ExternalPayment, ((1, None), (77, None)), "FAILED_ServiceSelectionInvalid"),
        (iso2.PaymentOption.ExternalPayment, ((77, None),), "FAILED_ServiceSelectionInvalid"),
        (iso2.PaymentOption.ExternalPayment, ((1, None),), OK),
    ],
)
def test_what_a_station_without_tls_takes(option: Any, services: Any, expected: str) -> None:
    drive = Drive(trust=trust(), installs=True).to(State.PAYMENT_SERVICE_SELECTION)
    answer = drive.send(
        iso2.PaymentServiceSelectionReq,
        selected_payment_option=option,
        selected_service_list=selection(*services),
    )
    assert code(answer) == expected


@pytest.mark.parametrize(
    ("services", "expected", "state"),
    [
        (((1, None),), OK, "PaymentDetails"),
        (((1, None), (2, None)), OK, "CertificateInstallation"),
        (((2, 1), (1, None)), OK, "CertificateInstallation"),
        (((1, None), (2, 2)), OK, "CertificateInstallation"),
        (((1, None), (2, 3)), "FAILED_ServiceSelectionInvalid", "Ended"),
        (((2, 1),), "FAILED_NoChargeServiceSelected", "Ended"),
    ],
)
def test_what_a_selection_of_services_leads_to(services: Any, expected: str, state: str) -> None:
    drive = ContractDrive(installs=True).to(State.PAYMENT_SERVICE_SELECTION)
    answer = drive.send(
        iso2.PaymentServiceSelectionReq,
        selected_payment_option=CONTRACT,
        selected_service_list=selection(*services),
    )
    assert (code(answer), drive.session.state) == (expected, state)


def test_a_driver_at_the_terminal_of_a_station_with_contracts() -> None:
    drive = ContractDrive().to(State.CURRENT_DEMAND)
    assert drive.session.emaid == ""


# -- the contract


def test_a_charge_by_contract_with_unsigned_repetitions() -> None:
    """The first request is signed; twenty empty ones follow until the backend has decided."""
    drive = ContractDrive()
    drive.selects()
    answer = drive.details()
    assert (code(answer), len(answer.gen_challenge)) == (OK, 16)
    assert answer.evse_time_stamp == int(NOW.timestamp())
    assert drive.signs().evse_processing is ONGOING
    (asked,) = drive.book.does(act.RequestContractAuthorization)
    assert isinstance(asked, act.RequestContractAuthorization)
    assert asked.claim.verified
    assert asked.claim.chain == pki().chain("contract")
    for _ in range(20):
        drive.book.wait(1.0)
        answer = drive.send(iso2.AuthorizationReq)
        assert (code(answer), answer.evse_processing) == (OK, ONGOING)
        assert drive.book.does() == []
    assert drive.accepted().evse_processing is FINISHED
    assert drive.session.emaid == "DE-8AA-CA2B3C4D5-L"
    drive.to(State.CURRENT_DEMAND)
    assert "CloseContactors" in drive.done


def test_a_vehicle_that_signs_each_repetition_is_judged_each_time() -> None:
    drive = ContractDrive()
    drive.selects()
    drive.details()
    for _ in range(3):
        assert code(drive.signs()) == OK
    assert drive.done == ["RequestContractAuthorization"]
    assert code(drive.signs("fresh")) == "FAILED_SignatureError"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


@pytest.mark.parametrize(
    ("emaid", "fits"),
    [
        ("DE8AACA2B3C4D5L", True),
        ("DE-8AA-CA2B3C4D5-L", True),
        ("de8aaca2b3c4d5l", True),
        ("DE8AACA2B3C4D5", True),
        ("DE8AA000000009", False),
        ("DE8AACA2B3C4D5LXYZ", False),
        ("", False),
    ],
)
def test_the_emaid_is_that_of_the_contract_however_it_is_written(emaid: str, fits: bool) -> None:
    drive = ContractDrive()
    drive.selects()
    answer = drive.details(emaid=emaid)
    assert code(answer) == (OK if fits else "FAILED_CertChainError")
    assert len(answer.gen_challenge) == 16


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"epoch": NOW.timestamp() + 3 * 366 * DAY_S}, "FAILED_CertificateExpired"),
        ({"epoch": NOW.timestamp() - 30 * DAY_S}, "FAILED_CertChainError"),
        ({"trust": trust(mo_anchors=(pki().v2g_root,))}, "FAILED_CertChainError"),
    ],
    ids=["expired", "not yet valid", "wrong root"],
)
def test_a_chain_that_is_not_accepted_ends_with_its_code(changes: dict[str, Any], expected: str) -> None:
    drive = ContractDrive(**changes)
    drive.selects()
    answer = drive.details()
    assert (code(answer), len(answer.gen_challenge)) == (expected, 16)
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)
    assert drive.session.refusals


@pytest.mark.parametrize(
    "chain",
    [
        iso2.CertificateChain(certificate=b"\x30\x03abc"),
        iso2.CertificateChain(certificate=b""),
        chain_of(pki().chain("contract")[:1]),
        chain_of((pki().chain("contract")[0], b"\x30\x80junk")),
        chain_of((pki().chain("contract")[1], pki().chain("contract")[0])),
    ],
    ids=["junk", "empty", "no Sub-CA", "broken Sub-CA", "turned round"],
)
def test_certificates_that_are_none_are_refused_and_nothing_breaks(chain: iso2.CertificateChain) -> None:
    drive = ContractDrive()
    drive.selects()
    answer = drive.details(contract_signature_cert_chain=chain)
    assert code(answer) == "FAILED_CertChainError"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


@pytest.mark.parametrize(("days", "expected"), [(21.5, OK), (20.5, "OK_CertificateExpiresSoon")])
def test_a_contract_that_ends_soon_is_said_to(days: float, expected: str) -> None:
    from iso15118.pki.chain.parsed import parse

    ends = parse(pki().chain("contract")[0]).not_after.timestamp()
    drive = ContractDrive(epoch=ends - days * DAY_S)
    drive.selects()
    assert code(drive.details()) == expected


def test_without_a_clock_contracts_are_judged_without_time_and_the_time_stamp_is_0() -> None:
    drive = ContractDrive(epoch=0.0)
    drive.selects()
    answer = drive.details()
    assert answer.evse_time_stamp == 0


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("contract", {"gen_challenge": bytes(16)}, "FAILED_ChallengeInvalid"),
        ("contract", {"gen_challenge": None}, "FAILED_ChallengeInvalid"),
        ("fresh", {}, "FAILED_SignatureError"),
    ],
)
def test_a_challenge_signed_wrongly(name: str, changes: dict[str, Any], expected: str) -> None:
    drive = ContractDrive()
    drive.selects()
    drive.details()
    assert code(drive.signs(name, **changes)) == expected
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)
    assert "RequestContractAuthorization" not in drive.done


def test_one_bit_of_the_challenge_or_another_reference_or_no_signature_at_all() -> None:
    def changed(message: iso2.V2GMessage, **fields: Any) -> iso2.V2GMessage:
        element = replace(message.body.body_element, **fields)  # type: ignore[type-var]
        return replace(message, body=iso2.Body(body_element=element))

    def first(make: Callable[[ContractDrive], iso2.V2GMessage]) -> str:
        drive = ContractDrive()
        drive.selects()
        drive.details()
        return code(drive.say(make(drive)))

    def good(drive: ContractDrive) -> iso2.V2GMessage:
        request = iso2.AuthorizationReq(id="id1", gen_challenge=drive.challenge)
        return signed_request(request, signer(), drive.session_id)

    def flipped(drive: ContractDrive) -> iso2.V2GMessage:
        octets = bytes([drive.challenge[0] ^ 1]) + drive.challenge[1:]
        return changed(good(drive), gen_challenge=octets)

    def bare(drive: ContractDrive) -> iso2.V2GMessage:
        message = good(drive)
        return replace(message, header=replace(message.header, signature=None))

    assert first(good) == OK
    assert first(flipped) == "FAILED_ChallengeInvalid"
    assert first(lambda drive: changed(good(drive), id="id2")) == "FAILED_SignatureError"
    assert first(lambda drive: changed(good(drive), id=None)) == "FAILED_SignatureError"
    assert first(bare) == "FAILED_SignatureError"


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("contract", {}, OK),
        ("contract", {"gen_challenge": bytes(16)}, "FAILED_ChallengeInvalid"),
        ("contract", {"gen_challenge": None}, "FAILED_ChallengeInvalid"),
        ("fresh", {}, "FAILED_SignatureError"),
    ],
)
def test_what_is_signed_again_is_judged_again(name: str, changes: dict[str, Any], expected: str) -> None:
    """A vehicle whose first request was good, while the backend still decides."""
    drive = ContractDrive()
    drive.selects()
    drive.details()
    assert code(drive.signs()) == OK
    assert code(drive.signs(name, **changes)) == expected
    assert (drive.session.ended is None) is (expected == OK)


def test_the_first_request_may_not_be_an_empty_one() -> None:
    drive = ContractDrive()
    drive.selects()
    drive.details()
    assert code(drive.send(iso2.AuthorizationReq)) == "FAILED_ChallengeInvalid"


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal.REJECTED, "FAILED_ContractCanceled"),
        (Refusal.REVOKED, "FAILED_CertificateRevoked"),
        (Refusal.PROVIDER_UNKNOWN, "FAILED_CertificateNotAllowedAtThisEVSE"),
        (Refusal.NOT_AVAILABLE, "FAILED_NoCertificateAvailable"),
    ],
)
def test_what_the_backend_refuses_has_its_code(refusal: Refusal, expected: str) -> None:
    drive = ContractDrive()
    drive.selects()
    drive.details()
    drive.signs()
    claim = drive.session._facts.claim
    assert claim is not None
    drive.book.tell(ev.ContractDecided(claim, refusal))
    assert code(drive.send(iso2.AuthorizationReq)) == expected
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_a_backend_that_says_nothing_for_55_seconds_is_a_refusal() -> None:
    drive = ContractDrive()
    drive.selects()
    drive.details()
    drive.signs()
    drive.book.wait(30.0)
    drive.send(iso2.AuthorizationReq)
    drive.book.wait(24.9)
    assert drive.send(iso2.AuthorizationReq).evse_processing is ONGOING
    drive.book.wait(0.2)
    assert code(drive.send(iso2.AuthorizationReq)) == "FAILED_NoCertificateAvailable"


def test_a_terminal_does_not_decide_about_a_contract() -> None:
    drive = ContractDrive()
    drive.selects()
    drive.details()
    drive.signs()
    drive.book.tell(ev.AuthorizationDecided(True))
    assert drive.send(iso2.AuthorizationReq).evse_processing is ONGOING


def test_one_message_signs_one_element() -> None:
    """A signature over another element of the right key proves nothing about this one."""
    drive = ContractDrive()
    drive.selects()
    drive.details()
    other = iso2.MeteringReceiptReq(
        id="id1", session_id=drive.session_id, meter_info=iso2.MeterInfo(meter_id="M", meter_reading=1)
    )
    request = iso2.AuthorizationReq(id="id1", gen_challenge=drive.challenge)
    header = iso2.MessageHeader(
        session_id=drive.session_id, signature=sign(signer(), [SignedElement("iso2", other)])
    )
    answer = drive.say(iso2.V2GMessage(header=header, body=iso2.Body(body_element=request)))
    assert code(answer) == "FAILED_SignatureError"
