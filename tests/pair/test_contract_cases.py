"""Every named signature and installation case through both roles' sessions: the right
response code, and a safe end.

One message on its way is replaced by a spoiled one; what the other side makes of it is its own doing. At
the end, one where nothing is spoiled: how often a reading is to be confirmed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.pki import IssuedPki
from iso15118.pki.cases import Case, all_cases, response_code, variants
from iso15118.pki.cases.make import make
from iso15118.pki.cases.messages import TRANSPORTS, wrong_key, wrong_signature
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.keys.raw import SigningKey
from iso15118.pnc.authorization import ContractTrust, refusal_of, time_of
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.signature import SignedElement, sign
from iso15118.secc.iso20.plug_and_charge import AUTHORIZATION_CODES
from iso15118.session.actions import EndReason
from iso15118.simulation.backend import ContractBackend
from iso15118.testing import Pair
from iso15118.testing.pair import EPOCH
from tests.pair.contracts import DAY, PCID, contract_pair, held, issued, service, trust
from tests.pair.test_sessions import safe

SCHEMA = "iso20-common"
ALGORITHMS = ("p521", "ed448")
SIGNATURES = [
    (case, algorithm)
    for case in all_cases().values()
    if case.area == "signature"
    for algorithm in ALGORITHMS
    if algorithm in case.algorithms
]
INSTALLATIONS = [
    (case, algorithm)
    for case in all_cases().values()
    if case.area == "installation"
    for algorithm in ALGORITHMS
    if algorithm in case.algorithms
]
UNSIGNED = [(case, algorithm) for case, algorithm in SIGNATURES if case.edit != "challenge"]
"""Those that any signed element can have: only an authorization has a challenge."""


def names(pairs: list[tuple[Case, str]]) -> list[str]:
    return [f"{case.name}-{algorithm}" for case, algorithm in pairs]


def key_of(pki: IssuedPki, name: str) -> SigningKey:
    key = load_key(pki.keys[name])
    assert isinstance(key, SigningKey)
    return key


class Spoiler:
    """Replaces the first message of a class, and keeps the answers of the station."""

    def __init__(self, kind: type, change: Callable[[Any], Any]) -> None:
        self.kind, self.change = kind, change
        self.rig: Pair | None = None
        self.done = False
        self.answers: list[Any] = []

    def __call__(self, sender: str, message: object, now: float) -> bool | None:
        if sender == "secc":
            self.answers.append(message)
        if type(message) is not self.kind or self.done or self.rig is None:
            return None
        self.done = True
        link = self.rig.to_secc if sender == "evcc" else self.rig.to_evcc
        link.send(self.change(message), now)
        return False

    def codes(self, kind: Any) -> list[str]:
        return [str(one.response_code.value) for one in self.answers if type(one) is kind]


def run(spoiler: Spoiler, algorithm: str, *contracts: str, **options: Any) -> Pair:
    rig = contract_pair(algorithm, *contracts, on_message=spoiler, **options)
    spoiler.rig = rig
    rig.run()
    assert spoiler.done, "the message to spoil never came"
    safe(rig)
    return rig


def with_signature(message: Any, signature: Any) -> Any:
    return msgspec.structs.replace(
        message, header=msgspec.structs.replace(message.header, signature=signature)
    )


@pytest.mark.parametrize(("case", "algorithm"), SIGNATURES, ids=names(SIGNATURES))
def test_a_station_answers_a_spoiled_authorization_with_its_code(case: Case, algorithm: str) -> None:
    pki, edit = issued(algorithm), case.edit or ""
    key = key_of(pki, "contract-0")

    def change(request: cm.AuthorizationReq) -> Any:
        element = request.a_req_authorization_mode
        assert isinstance(element, cm.PnCAReqAuthorizationMode)
        other = msgspec.structs.replace(element, gen_challenge=element.gen_challenge[::-1])
        if edit == "challenge":
            element = other
        if edit == "element":
            # The challenge is looked at first, so that another part of the element is changed.
            chain = element.contract_certificate_chain
            shorter = cm.SubCertificates(certificate=chain.sub_certificates.certificate[:1])
            other = msgspec.structs.replace(
                element,
                contract_certificate_chain=msgspec.structs.replace(chain, sub_certificates=shorter),
            )
        made = wrong_signature(edit, key, SignedElement(SCHEMA, element), other=SignedElement(SCHEMA, other))
        return with_signature(msgspec.structs.replace(request, a_req_authorization_mode=element), made)

    spoiler = Spoiler(cm.AuthorizationReq, change)
    rig = run(spoiler, algorithm, "contract-0")
    assert case.expect.response is not None
    expected = response_code(case.expect.response, "iso20")
    assert spoiler.codes(cm.AuthorizationRes) == [expected]
    assert rig.secc.emaid == "" == rig.evcc.emaid
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    if expected.startswith("FAILED"):
        assert rig.secc.ended.reason is EndReason.AUTHORIZATION_FAILED
        assert rig.evcc.ended.reason is EndReason.REFUSED
    else:
        assert rig.secc.ended.reason is EndReason.AUTHORIZATION_FAILED
        assert rig.evcc.ended.reason is EndReason.AUTHORIZATION_FAILED
    assert "DC_CableCheck" not in rig.secc.states


@pytest.mark.parametrize(("case", "algorithm"), UNSIGNED, ids=names(UNSIGNED))
def test_a_spoiled_request_for_a_contract_gets_none(case: Case, algorithm: str) -> None:
    pki = issued(algorithm)

    def change(request: cm.CertificateInstallationReq) -> Any:
        element = request.oem_provisioning_certificate_chain
        other = msgspec.structs.replace(element, sub_certificates=None)
        made = wrong_signature(
            case.edit or "",
            key_of(pki, "oemprov"),
            SignedElement(SCHEMA, element),
            other=SignedElement(SCHEMA, other),
        )
        return with_signature(request, made)

    spoiler = Spoiler(cm.CertificateInstallationReq, change)
    rig = run(spoiler, algorithm, installs=1)
    assert spoiler.codes(cm.CertificateInstallationRes) == ["FAILED_SignatureError"]
    assert rig.evcc.installed == 0
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.AUTHORIZATION_FAILED


@pytest.mark.parametrize(("case", "algorithm"), UNSIGNED, ids=names(UNSIGNED))
def test_a_vehicle_takes_no_contract_with_a_spoiled_signature(case: Case, algorithm: str) -> None:
    pki = issued(algorithm)

    def change(response: cm.CertificateInstallationRes) -> Any:
        data = response.signed_installation_data
        other = msgspec.structs.replace(data, dh_public_key=bytes(len(data.dh_public_key)))
        made = wrong_signature(
            case.edit or "",
            key_of(pki, "cps"),
            SignedElement(SCHEMA, data),
            other=SignedElement(SCHEMA, other),
        )
        return with_signature(response, made)

    refused_by_the_vehicle(Spoiler(cm.CertificateInstallationRes, change), algorithm, "signature", case)


@pytest.mark.parametrize(("case", "algorithm"), INSTALLATIONS, ids=names(INSTALLATIONS))
def test_a_vehicle_takes_no_contract_with_a_spoiled_key(case: Case, algorithm: str) -> None:
    pki, edit = issued(algorithm), case.edit or ""
    provisioning, contract = parse(pki.certificates["oemprov"]), parse(pki.certificates["contract-0"])
    transport = TRANSPORTS[algorithm]

    def change(response: cm.CertificateInstallationRes) -> Any:
        receiver: Any = provisioning.certificate.public_key()
        if algorithm == "ed448":
            alternative = held(pki).present.provisioning
            assert alternative is not None
            receiver = alternative.alternative._key.public_key()  # type: ignore[union-attr]
        wrapped = wrong_key(
            edit,
            transport,
            key_of(pki, "contract-0"),
            receiver,
            pcid=PCID,
            ski=contract.subject_key_identifier or b"",
        )
        blob = "x448" if algorithm == "ed448" else "secp521"
        data = msgspec.structs.replace(
            response.signed_installation_data,
            dh_public_key=wrapped.dh_public_key,
            **{f"{blob}_encrypted_private_key": wrapped.encrypted_private_key},
        )
        signature = sign(key_of(pki, "cps"), [SignedElement(SCHEMA, data)])
        return with_signature(msgspec.structs.replace(response, signed_installation_data=data), signature)

    fault = f"contract installation: {case.expect.codes[0]}"
    refused_by_the_vehicle(Spoiler(cm.CertificateInstallationRes, change), algorithm, fault, case)


def refused_by_the_vehicle(spoiler: Spoiler, algorithm: str, fault: str, case: Case) -> None:
    """Nothing is kept, and the reason is named; without another way the vehicle leaves in order."""
    store = held(issued(algorithm))
    rig = run(spoiler, algorithm, store=store, installs=1)
    assert store.stored == []
    assert store.present.signers == ()
    assert rig.evcc.installed == 0
    said = rig.evcc.refusals[0]
    wanted = set(case.expect.codes) if fault == "signature" else {fault}
    assert said.startswith("contract installation: ")
    assert any(one in said for one in wanted), said
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.AUTHORIZATION_FAILED
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.STOPPED_BY_EV
    assert spoiler.codes(cm.CertificateInstallationRes) == ["OK"]
    assert "DC_CableCheck" not in rig.secc.states


@pytest.mark.parametrize(("case", "algorithm"), UNSIGNED, ids=names(UNSIGNED))
def test_a_spoiled_meter_reading_ends_the_charge_safely(case: Case, algorithm: str) -> None:
    pki = issued(algorithm)

    def change(request: cm.MeteringConfirmationReq) -> Any:
        data = request.signed_metering_data
        other = msgspec.structs.replace(data, session_id=bytes(8))
        made = wrong_signature(
            case.edit or "",
            key_of(pki, "contract-0"),
            SignedElement(SCHEMA, data),
            other=SignedElement(SCHEMA, other),
        )
        return with_signature(request, made)

    spoiler = Spoiler(cm.MeteringConfirmationReq, change)
    rig = run(spoiler, algorithm, "contract-0", secc={"metering_confirmation_s": 1.0})
    assert spoiler.codes(cm.MeteringConfirmationRes) == ["FAILED_MeteringSignatureNotValid"]
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.AUTHORIZATION_FAILED
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.REFUSED


CHAINS = [
    one
    for one in all_cases().values()
    if one.is_chain and "contract" in one.roles and "iso20" in one.editions
]


@pytest.mark.parametrize("case", CHAINS, ids=[case.name for case in CHAINS])
def test_every_chain_case_has_its_response_code(case: Case) -> None:
    """The verdict of the check as the station says it; the checks themselves have tests of their own."""
    for variant in variants(case):
        if variant.role != "contract" or variant.edition != "iso20":
            continue
        broken = make(variant, at=DAY)
        if broken.anchor_role not in ("MO", "V2G"):
            assert case.name == "wrong-kind-of-root", "a station has no other roots for contracts"
            continue
        anchors: dict[str, Any] = {f"{broken.anchor_role.lower()}_anchors": broken.anchors}
        policy: Any = variant.case.policy or variant.edition
        judge = ContractTrust(**anchors, edition=policy, revocation=broken.revocation)
        verdict = judge.verify(broken.chain, None if broken.at is None else broken.at.timestamp())
        refusal = refusal_of(verdict)
        if not case.expect.codes:
            assert refusal is None, str(verdict)
            continue
        assert refusal is not None
        assert case.expect.response is not None
        assert AUTHORIZATION_CODES[refusal].value == response_code(case.expect.response, "iso20"), str(
            verdict
        )


OF_SESSIONS = ("expired-leaf", "not-yet-valid-leaf", "unknown-root", "revoked-leaf", "no-digital-signature")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", OF_SESSIONS)
def test_a_bad_contract_is_answered_with_its_warning_and_the_next_one_pays(name: str, algorithm: str) -> None:
    """A warning is no end: the vehicle tries its next contract."""
    case = all_cases()[name]
    variant = next(
        one
        for one in variants(case)
        if (one.role, one.edition, one.algorithm) == ("contract", "iso20", algorithm)
    )
    broken, pki = make(variant, at=DAY), issued(algorithm)
    bad = broken.pki.credential(broken.places["leaf"])
    from iso15118.pki.keys.signer import signer_of

    class Both(ContractTrust, frozen=True, kw_only=True):
        """The station knows the broken PKI as well as the case lets it."""

        def verify(self, chain: Any, unix_time: float | None, **edition: Any) -> Any:
            if tuple(chain) == broken.chain:
                judge = ContractTrust(mo_anchors=broken.anchors, revocation=broken.revocation)
                return judge.verify(chain, unix_time, **edition)
            return super().verify(chain, unix_time, **edition)

    spoiler = Spoiler(cm.ServiceDiscoveryReq, lambda request: request)
    store = held(pki, "contract-0")
    # The vehicle has no opinion about the time, or it would not even try.
    signers = (signer_of(bad), *store.present.signers)
    usable = tuple(signers)
    store.present = msgspec.structs.replace(store.present, signers=usable)
    rig = contract_pair(
        algorithm,
        backend=ContractBackend(Both(mo_anchors=(pki.certificates["mo-root"],))),
        store=store,
        on_message=spoiler,
        evcc={"contract_preferences": (parse(bad.chain[0]).common_names[0].replace("-", "")[:14],)},
    )
    spoiler.rig = rig
    rig.evcc._talk.epoch = 0.0  # its clock is not set
    rig.run()
    safe(rig)
    assert case.expect.response is not None
    expected = response_code(case.expect.response, "iso20")
    codes = spoiler.codes(cm.AuthorizationRes)
    assert codes[0] == expected
    assert rig.secc.emaid == "DE8AA000000001"
    assert codes[-1] == "OK"


def test_every_refusal_has_a_code_and_the_kinds_of_the_cases_agree() -> None:
    assert AUTHORIZATION_CODES.keys() == set(Refusal)
    for kind in ("chain", "expired", "not-yet-valid", "revoked", "signature", "challenge"):
        assert AUTHORIZATION_CODES[Refusal(kind)] is ResponseCode(response_code(kind, "iso20"))
    assert time_of(None) is None
    assert time_of(EPOCH) == DAY
    assert trust(issued("p521")).providers == ()
    assert service(issued("p521")).answer_exi(b"nothing") is Refusal.NOT_AVAILABLE


def test_the_next_confirmation_is_asked_for_after_its_time() -> None:
    asked_at: list[float] = []

    def note(sender: str, message: object, now: float) -> bool:
        if isinstance(message, cm.MeteringConfirmationReq):
            asked_at.append(now)
        return True

    contract_pair("p521", "contract-0", on_message=note, secc={"metering_confirmation_s": 8.0}).run()
    assert len(asked_at) >= 3
    for before, after in pairwise(asked_at):
        assert after - before == pytest.approx(8.0, abs=1.0)
