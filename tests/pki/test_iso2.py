"""Signed messages and contract installation of -2, as octets between two sides
that share nothing but roots."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import pytest

from iso15118 import exi
from iso15118.errors import MisuseError
from iso15118.messages import iso2
from iso15118.pki import Credential, IssuedPki, issue_leaf, issue_test_pki
from iso15118.pki.cases import Case, all_cases, response_code
from iso15118.pki.cases.messages import wrong_key, wrong_signature
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.keys.raw import SigningKey
from iso15118.pki.keys.signer import SoftwareSigner, signer_of
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.contract_key import ISO2
from iso15118.pnc.contract_service import issuing
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.installation import InstallationError, InstalledContract
from iso15118.pnc.installation_iso2 import (
    ContractServiceIso2,
    accept_contract,
    installation_request,
    signed_elements,
    update_request,
)
from iso15118.pnc.iso2 import (
    RESPONSE_CODES,
    judge_authorization,
    judge_request,
    judge_tariffs,
    signed_request,
    signed_tariffs,
)
from iso15118.pnc.signature import SignedElement, sign

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SESSION = bytes(range(8))
CHALLENGE = bytes(range(16))
FRESH = "DE8AA000000009"


@cache
def pki() -> IssuedPki:
    made = issue_test_pki("iso2", "p256", at=NOW)
    return issue_leaf(made, "contract", "fresh", at=NOW, names={"emaid": FRESH})


def signer(name: str) -> SoftwareSigner:
    return signer_of(pki().credential(name))


def key(name: str) -> SigningKey:
    found = load_key(pki().keys[name])
    assert isinstance(found, SigningKey)
    return found


def passed(message: iso2.V2GMessage) -> iso2.V2GMessage:
    """As the other side reads it."""
    again = exi.decode("iso2", exi.encode("iso2", message))
    assert isinstance(again, iso2.V2GMessage)
    return again


def trust(**changes: Any) -> ContractTrust:
    fields: dict[str, Any] = {"mo_anchors": (pki().certificates["mo-root"],), "edition": "iso2"}
    return ContractTrust(**(fields | changes))


def judged(message: iso2.V2GMessage, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "challenge": CHALLENGE,
        "chain": pki().chain("contract"),
        "trust": trust(),
        "unix_time": NOW.timestamp(),
    }
    return judge_authorization(message, **(arguments | changes))


AUTHORIZATION = iso2.AuthorizationReq(id="id1", gen_challenge=CHALLENGE)
RECEIPT = iso2.MeteringReceiptReq(
    id="id1", session_id=SESSION, meter_info=iso2.MeterInfo(meter_id="M1", meter_reading=4711)
)


def test_an_authorization_is_judged_and_says_whose_contract_it_is() -> None:
    verdict = judged(passed(signed_request(AUTHORIZATION, signer("contract"), SESSION)))
    assert verdict.refusal is None, verdict.detail
    assert verdict.emaid == "DE-8AA-CA2B3C4D5-L"


def test_what_is_wrong_with_an_authorization_has_its_code() -> None:
    good = passed(signed_request(AUTHORIZATION, signer("contract"), SESSION))
    receipt = passed(signed_request(RECEIPT, signer("contract"), SESSION))
    stranger = issue_test_pki("iso2", "p256", at=NOW)
    wrong = {
        "FAILED_ChallengeInvalid": judged(good, challenge=bytes(16)),
        "FAILED_SignatureError": judged(good, chain=stranger.chain("contract")),
        "FAILED_CertChainError": judged(good, trust=trust(mo_anchors=(stranger.certificates["mo-root"],))),
        "FAILED_CertificateExpired": judged(good, unix_time=NOW.timestamp() + 3 * 366 * 86_400),
    }
    for code, verdict in wrong.items():
        assert verdict.refusal is not None, code
        assert RESPONSE_CODES[verdict.refusal].value == code
    for verdict in (judged(receipt), judged(good, chain=()), judged(good, chain=(b"no certificate",))):
        assert verdict.refusal in (Refusal.CHALLENGE, Refusal.SIGNATURE)


def test_every_refusal_has_a_code_and_the_kinds_of_the_cases_agree() -> None:
    assert RESPONSE_CODES.keys() == set(Refusal)
    for kind in ("chain", "expired", "not-yet-valid", "revoked", "signature", "challenge"):
        assert RESPONSE_CODES[Refusal(kind)].value == response_code(kind, "iso2")


def test_roots_of_either_edition_are_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    """A station of both editions has the roots of both, and judges each contract by its own edition."""
    ContractTrust(mo_anchors=(pki().certificates["mo-root"],))
    assert caplog.records == []
    ContractTrust(mo_anchors=(pki().certificates["contract"],))
    assert "trust anchor" in caplog.text


def test_a_receipt_is_signed_by_the_contract() -> None:
    message = passed(signed_request(RECEIPT, signer("contract"), SESSION))
    assert judge_request(message, pki().certificates["contract"]).ok
    assert not judge_request(message, pki().certificates["fresh"]).ok
    without_id = msgspec.structs.replace(RECEIPT, id=None)
    with pytest.raises(MisuseError, match="Id"):
        signed_request(without_id, signer("contract"), SESSION)
    body = iso2.Body(body_element=without_id)
    verdict = judge_request(msgspec.structs.replace(message, body=body), pki().certificates["contract"])
    assert [fault for fault, _ in verdict.faults] == ["reference-uri"]


SIGNATURES = [
    one for one in all_cases().values() if one.area == "signature" and one.edit not in ("challenge", "none")
]


@pytest.mark.parametrize("case", SIGNATURES, ids=[case.name for case in SIGNATURES])
@pytest.mark.parametrize("request_", [AUTHORIZATION, RECEIPT], ids=["authorization", "receipt"])
def test_a_spoiled_request_is_refused(request_: Any, case: Case) -> None:
    other: Any = (
        msgspec.structs.replace(request_, gen_challenge=bytes(16))
        if request_ is AUTHORIZATION
        else msgspec.structs.replace(request_, session_id=bytes(8))
    )
    made = wrong_signature(
        case.edit or "", key("contract"), SignedElement("iso2", request_), other=SignedElement("iso2", other)
    )
    good = signed_request(request_, signer("contract"), SESSION)
    message = passed(
        msgspec.structs.replace(good, header=msgspec.structs.replace(good.header, signature=made))
    )
    faults = {fault for fault, _ in judge_request(message, pki().certificates["contract"]).faults}
    assert faults & set(case.expect.codes), (case.name, faults)
    if request_ is AUTHORIZATION:
        refusal = judged(message).refusal
        assert RESPONSE_CODES[refusal].value == response_code(case.expect.response or "", "iso2")


def tariff(number: int) -> iso2.SalesTariff:
    entry = iso2.SalesTariffEntry(time_interval=iso2.RelativeTimeInterval(start=0), e_price_level=number)
    return iso2.SalesTariff(
        id=f"tariff{number}", sales_tariff_id=number, num_e_price_levels=2, sales_tariff_entry=(entry,)
    )


def test_tariffs_are_signed_by_the_sub_ca_of_the_contract() -> None:
    tariffs = (tariff(1), tariff(2))
    signature = signed_tariffs(tariffs, signer("mo-sub2"))
    chain = pki().chain("contract")
    assert judge_tariffs(tariffs, signature, chain).ok
    assert not judge_tariffs(tariffs[:1], signature, chain).ok
    assert not judge_tariffs((tariffs[0], tariff(3)), signature, chain).ok
    assert not judge_tariffs(tariffs, signature, pki().chain("cps")).ok
    assert not judge_tariffs(tariffs, None, chain).ok
    for bad in ((), (msgspec.structs.replace(tariffs[0], id=None),)):
        assert not judge_tariffs(bad, signature, chain).ok
        with pytest.raises(MisuseError):
            signed_tariffs(bad, signer("mo-sub2"))
    assert not judge_tariffs(tariffs, signature, chain[:1]).ok


# -- installation and update


def service(**changes: Any) -> ContractServiceIso2:
    made = pki()
    fields: dict[str, Any] = {
        "cps": made.credential("cps"),
        "contracts": issuing(made, clock=lambda: NOW),
        "renewed": lambda emaid: made.credential("fresh"),
        "oem_anchors": [made.oem_root],
        "oem_intermediates": made.chain("oemprov")[1:],
        "mo_anchors": [made.certificates["mo-root"]],
        "clock": lambda: NOW,
    }
    return ContractServiceIso2(**(fields | changes))


def accepted(answer: iso2.V2GMessage, whose: str, **changes: Any) -> InstalledContract:
    arguments: dict[str, Any] = {
        "receiver": signer(whose),
        "v2g_anchors": [pki().v2g_root],
        "mo_anchors": [pki().certificates["mo-root"]],
        "at": NOW,
    }
    return accept_contract(answer, **(arguments | changes))


def asked(kind: str) -> iso2.V2GMessage:
    make = installation_request if kind == "install" else update_request
    return make(signer(receiver_of(kind)), [pki().v2g_root], SESSION)


def receiver_of(kind: str) -> str:
    return "oemprov" if kind == "install" else "contract"


@pytest.mark.parametrize("kind", ["install", "update"])
def test_a_contract_goes_from_the_service_into_the_vehicle(kind: str) -> None:
    octets = service().answer_exi(exi.encode("iso2", asked(kind)))
    assert isinstance(octets, bytes)
    answer = exi.decode("iso2", octets)
    assert isinstance(answer, iso2.V2GMessage)
    assert answer.header.session_id == SESSION
    assert answer.header.signature is not None
    uris = [one.uri for one in answer.header.signature.signed_info.reference]
    assert uris == ["#id1", "#id2", "#id3", "#id4"]
    taken = accepted(answer, receiver_of(kind))
    assert taken.credential is not None
    assert taken.signer.chain == taken.credential.chain
    if kind == "update":
        assert taken.credential == pki().credential("fresh")
    # The new contract is good for an authorization at once.
    message = passed(signed_request(AUTHORIZATION, taken.signer, SESSION))
    assert judged(message, chain=taken.signer.chain).refusal is None


def test_what_the_service_refuses_has_its_code() -> None:
    stranger = issue_test_pki("iso2", "p256", at=NOW)
    good = asked("install")
    unsigned = msgspec.structs.replace(good, header=msgspec.structs.replace(good.header, signature=None))
    from_stranger = installation_request(signer_of(stranger.credential("oemprov")), [pki().v2g_root], SESSION)
    update = asked("update")
    body: Any = update.body.body_element
    renamed = signed_request(msgspec.structs.replace(body, emaid=FRESH), signer("contract"), SESSION)
    table = [
        (service(), unsigned, Refusal.SIGNATURE),
        (service(), from_stranger, Refusal.CHAIN),
        (service(contracts=lambda pcid: ()), good, Refusal.NO_CONTRACT),
        (service(renewed=lambda emaid: None), update, Refusal.REJECTED),
        (service(clock=lambda: NOW.replace(year=2060)), good, Refusal.EXPIRED),
        (service(), renamed, Refusal.CHAIN),
        (service(), passed(signed_request(RECEIPT, signer("contract"), SESSION)), Refusal.NO_CONTRACT),
    ]
    for number, (one, request, refusal) in enumerate(table):
        assert one.answer_exi(exi.encode("iso2", request)) is refusal, number
    assert service().answer_exi(b"\x80nothing") is Refusal.NOT_AVAILABLE


INSTALLATIONS = [
    one for one in all_cases().values() if one.area == "installation" and "p256" in one.algorithms
]


def respoken(answer: iso2.V2GMessage, **changes: Any) -> iso2.V2GMessage:
    """The answer with changed elements, signed anew by the service."""
    body: Any = answer.body.body_element
    response = msgspec.structs.replace(body, **changes)
    header = msgspec.structs.replace(answer.header, signature=sign(key("cps"), signed_elements(response)))
    return iso2.V2GMessage(header=header, body=iso2.Body(body_element=response))


@pytest.mark.parametrize("kind", ["install", "update"])
@pytest.mark.parametrize("case", INSTALLATIONS, ids=[case.name for case in INSTALLATIONS])
def test_a_spoiled_key_is_refused_by_name(case: Case, kind: str) -> None:
    answer = service().answer(asked(kind))
    body: Any = answer.body.body_element
    contract = parse(body.contract_signature_cert_chain.certificate)
    public: Any = signer(receiver_of(kind)).public_key
    own: Any = load_key(_key_of(kind, contract.common_names[0]))
    wrapped = wrong_key(case.edit or "", ISO2, own, public, pcid="", ski=b"")
    if len(wrapped.encrypted_private_key) != 48 or len(wrapped.dh_public_key) != 65:
        # These have no place in the schema of -2; the element is taken as the other side would hand it over.
        spoiled = _unsigned_change(answer, wrapped.dh_public_key, wrapped.encrypted_private_key)
        with pytest.raises(InstallationError):
            accepted(spoiled, receiver_of(kind))
        return
    spoiled = respoken(
        answer,
        dhpublickey=msgspec.structs.replace(body.dhpublickey, value=wrapped.dh_public_key),
        contract_signature_encrypted_private_key=msgspec.structs.replace(
            body.contract_signature_encrypted_private_key, value=wrapped.encrypted_private_key
        ),
    )
    with pytest.raises(InstallationError, match=f"contract installation: {case.expect.codes[0]}") as caught:
        accepted(spoiled, receiver_of(kind))
    assert caught.value.fault == "contract-key"


def _unsigned_change(answer: iso2.V2GMessage, public: bytes, blob: bytes) -> iso2.V2GMessage:
    body: Any = answer.body.body_element
    response = msgspec.structs.replace(
        body,
        dhpublickey=msgspec.structs.replace(body.dhpublickey, value=public),
        contract_signature_encrypted_private_key=msgspec.structs.replace(
            body.contract_signature_encrypted_private_key, value=blob
        ),
    )
    return msgspec.structs.replace(answer, body=iso2.Body(body_element=response))


def _key_of(kind: str, emaid: str) -> bytes:
    if kind == "update":
        return pki().keys["fresh"]
    # What the service issued is in nobody's hands but the vehicle's: taken here as the vehicle takes it.
    return key_of_the_installed()


def key_of_the_installed() -> bytes:
    taken = accepted(service().answer(asked("install")), "oemprov")
    assert isinstance(taken.credential, Credential)
    return taken.credential.key


def test_what_is_wrong_with_an_answer_is_named() -> None:
    answer = service().answer(asked("install"))
    body: Any = answer.body.body_element
    stranger = issue_test_pki("iso2", "p256", at=NOW)
    other_name = respoken(answer, emaid=msgspec.structs.replace(body.emaid, value=FRESH))
    same_ids = respoken(
        answer,
        contract_signature_cert_chain=msgspec.structs.replace(body.contract_signature_cert_chain, id="id9"),
    )
    assert accepted(same_ids, "oemprov").credential is not None  # names of elements are free
    no_id = msgspec.structs.replace(
        answer,
        body=iso2.Body(
            body_element=msgspec.structs.replace(
                body,
                contract_signature_cert_chain=msgspec.structs.replace(
                    body.contract_signature_cert_chain, id=None
                ),
            )
        ),
    )
    failed = msgspec.structs.replace(
        answer,
        body=iso2.Body(
            body_element=msgspec.structs.replace(
                body, response_code=iso2.ResponseCode.FAILED_NoCertificateAvailable
            )
        ),
    )
    unsigned = msgspec.structs.replace(answer, header=msgspec.structs.replace(answer.header, signature=None))
    table: list[tuple[iso2.V2GMessage, dict[str, Any], str]] = [
        (other_name, {}, "contract-key"),
        (no_id, {}, "signature"),
        (unsigned, {}, "signature"),
        (failed, {}, "no-contract"),
        (asked("install"), {}, "no-contract"),
        (answer, {"v2g_anchors": [stranger.v2g_root]}, "chain"),
        (answer, {"mo_anchors": [stranger.certificates["mo-root"]]}, "chain"),
        (answer, {"receiver": signer_of(stranger.credential("oemprov"))}, "contract-key"),
    ]
    for number, (message, changes, fault) in enumerate(table):
        with pytest.raises(InstallationError) as caught:
            accepted(message, "oemprov", **changes)
        assert caught.value.fault == fault, number
