"""A station that leaves contracts under unknown roots to its backend leaves nothing else
to it, in either edition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509

from iso15118.errors import ConfigError, PkiError
from iso15118.messages.iso2 import AuthorizationReq, V2GMessage
from iso15118.pki import IssuedPki, Revocation, issue_test_pki, load_profile
from iso15118.pki.cases import Case, all_cases, variants
from iso15118.pki.cases.make import make
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.build import certificate, new_key, subject
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.keys.signer import signer_of
from iso15118.pki.status.crl import crl
from iso15118.pnc.authorization import ContractTrust, time_of
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.pnc.iso2 import judge_authorization, signed_request

NOW = datetime(2027, 1, 1, tzinfo=UTC)
AT = NOW.timestamp()
OURS = issue_test_pki("iso20", "ed448", at=NOW, organization="Ours")
STRANGER = issue_test_pki("iso20", "ed448", at=NOW, organization="Elsewhere")
CENTRAL = ContractTrust(mo_anchors=(OURS.certificates["mo-root"],), central_validation=True)
ONLY_THE_ROOT = {
    "unknown-root",
    "expired-root",
    "wrong-kind-of-root",
    "no-roots",
    "twin-root",
    "sub1-signature-altered",  # by the unknown root
    "sub1-missing",  # what is left is a chain with one Sub-CA
}
"""Cases that nobody can tell from a chain whose root is unknown."""


def with_row(name: str, **change: Any) -> IssuedPki:
    """Elsewhere's PKI with one row of its profile changed."""
    profile = load_profile("iso20")
    rows = dict(profile.certificates)
    rows[name] = msgspec.structs.replace(rows[name], **change)
    changed = msgspec.structs.replace(profile, certificates=rows)
    return issue_test_pki("iso20", "ed448", at=NOW, organization="Elsewhere", profile=changed)


def test_an_unknown_root_alone_is_left_to_the_backend() -> None:
    chain = STRANGER.chain("contract")
    judged = CENTRAL.judge_chain(chain, AT)
    assert (judged.refusal, judged.verified, judged.chain) == (None, False, chain)
    assert judged.emaid
    with_root = CENTRAL.judge_chain((*chain, STRANGER.certificates["mo-root"]), AT)
    assert (with_root.refusal, with_root.chain) == (None, chain), (
        "a root that was sent along is no part of it"
    )
    known = CENTRAL.judge_chain(OURS.chain("contract"), AT)
    assert (known.refusal, known.verified) == (None, True)
    local = msgspec.structs.replace(CENTRAL, central_validation=False)
    refused = local.judge_chain(chain, AT)
    assert (refused.refusal, refused.verified) == (Refusal.CHAIN, False)


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("contract", {"valid_days": -0.1}, "expired"),
        ("mo-sub2", {"valid_days": -0.1}, "expired"),
        ("mo-sub1", {"path_length": 0}, "path-length"),
        ("mo-sub2", {"ca": False, "path_length": None}, "not-a-ca"),
        ("mo-sub2", {"key_usage": ("digitalSignature",)}, "no-key-cert-sign"),
        ("mo-sub1", {"domain_component": "CPO"}, "domain-component"),
        ("contract", {"domain_component": "OEM"}, "domain-component"),
        ("contract", {"key_usage": ("keyAgreement",)}, "key-usage"),
        ("contract", {"extended_key_usage": ("clientAuth",)}, "extended-key-usage-of-another-role"),
        ("contract", {"common_name": "somebody"}, "identifier"),
        ("contract", {"ocsp": False}, "no-ocsp-url"),
    ],
)
def test_whatever_else_is_wrong_below_an_unknown_root_is_refused(
    name: str, change: dict[str, Any], code: str
) -> None:
    chain = with_row(name, **change).chain("contract")
    verdict = CENTRAL.verify(chain, AT)
    assert {one.code for one in verdict.violations} == {"issuer-unknown", code}
    judged = CENTRAL.judge_chain(chain, AT)
    assert judged.refusal is not None
    assert not judged.verified


@pytest.mark.parametrize("judge", [CENTRAL, msgspec.structs.replace(CENTRAL, central_validation=False)])
def test_a_time_below_an_unknown_root_is_named(judge: ContractTrust) -> None:
    """The code that says more: that the root is unknown is no reason to hide that the contract has ended."""
    for name in ("contract", "mo-sub2"):
        judged = judge.judge_chain(with_row(name, valid_days=-0.1).chain("contract"), AT)
        assert (judged.refusal, judged.verified) == (Refusal.EXPIRED, False), judged.detail
    early = judge.judge_chain(STRANGER.chain("contract"), AT - 30 * 86_400)
    assert (early.refusal, early.verified) == (Refusal.NOT_YET_VALID, False), early.detail


def test_a_contract_that_another_contract_issued_is_refused() -> None:
    profile = load_profile("iso20")
    owner, row = load_key(STRANGER.keys["contract"]), profile.certificates["contract"]
    key = new_key(profile, "ed448")
    parent = x509.load_der_x509_certificate(STRANGER.certificates["contract"])
    forged = certificate(
        profile, row, subject(row, "Elsewhere", {"emaid": "DE8AA000000001"}), key, parent, owner, NOW
    )
    for rest in (STRANGER.chain("contract"), (STRANGER.certificates["contract"],)):
        judged = CENTRAL.judge_chain((forged, *rest), AT)
        assert judged.refusal is Refusal.CHAIN
        assert "without being a CA" in judged.detail


def test_extra_certificates_of_others_change_nothing_and_are_not_passed_on() -> None:
    chain = STRANGER.chain("contract")
    extras = (OURS.certificates["mo-sub1"], OURS.certificates["contract"], b"\x30\x00")
    judged = CENTRAL.judge_chain((chain[0], *extras[:2], *chain[1:]), AT)
    assert (judged.refusal, judged.chain) == (None, chain)
    assert judged.presented != chain
    assert CENTRAL.judge_chain((*chain, extras[2]), AT).refusal is Refusal.CHAIN, "what cannot be read"
    three = with_row("mo-sub1", path_length=None)
    bent = CENTRAL.judge_chain((*three.chain("contract"), *extras[:1]), AT)
    assert (bent.refusal, bent.chain) == (None, three.chain("contract"))


def test_a_contract_without_the_sub_ca_that_issued_it_lacks_more_than_a_root() -> None:
    leaf, _, sub1 = STRANGER.chain("contract")
    for chain in ((leaf,), (leaf, sub1), (leaf, OURS.certificates["mo-sub2"])):
        assert CENTRAL.judge_chain(chain, AT).refusal is Refusal.CHAIN


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_on_a_list_of_the_station_is_refused_under_an_unknown_root_too(place: int) -> None:
    chain = STRANGER.chain("contract")
    issuer = ("mo-sub2", "mo-sub1", "mo-root")[place]
    listed = crl(
        STRANGER.certificates[issuer],
        load_key(STRANGER.keys[issuer]),
        last_update=NOW,
        next_update=NOW + timedelta(days=1),
        revoked=[parse(chain[place]).serial_number],
    )
    trust = msgspec.structs.replace(CENTRAL, revocation=Revocation(crls=(listed,), required=False))
    for sent in (chain, (*chain, STRANGER.certificates["mo-root"])):
        judged = trust.judge_chain(sent, AT)
        assert judged.refusal is not None
        assert "revoked" in judged.detail
    assert not trust.still_holds(claim(chain), AT), "nor does it go on after a pause"


def claim(chain: tuple[bytes, ...], **changes: Any) -> ContractClaim:
    made = ContractClaim(emaid=parse(chain[0]).common_names[0], chain=chain, evccid="X", verified=False)
    return msgspec.structs.replace(made, **changes)


def test_a_claim_is_judged_anew_after_a_pause_verified_or_not() -> None:
    ours, strange = OURS.chain("contract"), STRANGER.chain("contract")
    year = AT + 3 * 365 * 86_400.0
    local = msgspec.structs.replace(CENTRAL, central_validation=False)
    for trust, one, at, holds in (
        (CENTRAL, claim(ours, verified=True), AT, True),
        (CENTRAL, claim(strange), AT, True),
        (CENTRAL, claim(strange), year, False),
        (CENTRAL, claim(strange), None, False),
        (local, claim(strange), AT, False),
        (CENTRAL, claim(strange, verified=True), AT, False),
        (CENTRAL, claim(ours, emaid="DE8AA000000009"), AT, False),
    ):
        assert trust.still_holds(one, at) is holds


CASES = [
    one
    for one in all_cases().values()
    if one.is_chain and "contract" in one.roles and "iso20" in one.editions
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_chain_case_is_refused_where_its_root_is_unknown_as_well(case: Case) -> None:
    judged = 0
    for variant in variants(case):
        if (variant.role, variant.edition) != ("contract", "iso20"):
            continue
        broken = make(variant, at=NOW)
        judge = ContractTrust(
            mo_anchors=(OURS.certificates["mo-root"],),
            edition=variant.case.policy or variant.edition,  # type: ignore[arg-type]  # names of policies
            revocation=broken.revocation,
            central_validation=True,
        )
        verdict = judge.judge_chain(broken.chain, None if broken.at is None else broken.at.timestamp())
        judged += 1
        if not case.expect.codes or case.name in ONLY_THE_ROOT:
            continue
        assert verdict.refusal is not None, case.name
        assert not verdict.verified
    assert judged


def test_the_older_edition_overrides_no_more_and_holds_the_emaid_against_the_certificate() -> None:
    pki = issue_test_pki("iso2", "p256", at=NOW, organization="Elsewhere")
    own = issue_test_pki("iso2", "p256", at=NOW, organization="Ours")
    trust = ContractTrust(mo_anchors=(own.certificates["mo-root"],), edition="iso2", central_validation=True)
    challenge = bytes(16)

    def judged(issued: IssuedPki, chain: tuple[bytes, ...], trust: ContractTrust, emaid: str = "") -> Any:
        request = AuthorizationReq(id="ID1", gen_challenge=challenge)
        message: V2GMessage = signed_request(request, signer_of(issued.credential("contract")), bytes(8))
        return judge_authorization(
            message, challenge=challenge, chain=chain, trust=trust, unix_time=AT, emaid=emaid
        )

    chain = pki.chain("contract")
    good = judged(pki, chain, trust)
    assert (good.refusal, good.verified) == (None, False)
    assert judged(pki, chain[:1], trust).refusal is Refusal.CHAIN
    assert (
        judged(pki, chain, msgspec.structs.replace(trust, central_validation=False)).refusal is Refusal.CHAIN
    )
    known = judged(own, own.chain("contract"), trust)
    assert (known.refusal, known.verified) == (None, True)
    spelled = known.emaid.replace("-", "")[:14].lower()
    assert judged(own, own.chain("contract"), trust, spelled).refusal is None
    other = judged(own, own.chain("contract"), trust, "DE8AA999999999")
    assert (other.refusal, other.verified) == (Refusal.CHAIN, False)


@pytest.mark.parametrize("clock", [float("nan"), float("inf"), -float("inf"), 1e18, -1e18])
def test_a_clock_that_says_no_time_is_no_clock(clock: float) -> None:
    assert time_of(clock) is None
    assert CENTRAL.judge_chain(OURS.chain("contract"), clock).refusal is Refusal.CHAIN
    assert "without a clock" in CENTRAL.judge_chain(OURS.chain("contract"), clock).detail


def test_one_key_is_not_the_vehicles_in_tls_and_its_contracts() -> None:
    chain = OURS.chain("contract")
    judged = CENTRAL.judge_chain(chain, AT, tls_leaf=chain[0])
    assert (judged.refusal, judged.verified) == (Refusal.CHAIN, False)
    assert CENTRAL.judge_chain(chain, AT, tls_leaf=OURS.vehicle.chain[0]).refusal is None
    assert CENTRAL.judge_chain(chain, AT, tls_leaf=b"nothing").refusal is None


def test_what_is_tolerated_is_not_verified() -> None:
    lax = ContractTrust(mo_anchors=(OURS.certificates["mo-root"],), tolerate=("issuer-unknown",))
    judged = lax.judge_chain(STRANGER.chain("contract"), AT)
    assert (judged.refusal, judged.verified) == (None, False)


def test_roots_are_looked_at_when_the_station_is_set_up(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PkiError, match="trust anchor"):
        ContractTrust(mo_anchors=(b"nothing",))
    with pytest.raises(ConfigError, match="edition"):
        ContractTrust(edition="iso99")  # type: ignore[arg-type]
    ContractTrust(mo_anchors=(OURS.certificates["mo-root"],))
    assert caplog.records == []
    ContractTrust(mo_anchors=(OURS.certificates["mo-sub1"], OURS.certificates["contract"]))
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "no root" in said
    assert "no CA" in said


def test_the_roots_of_both_editions_may_have_one_name_and_what_fits_neither_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    older = issue_test_pki("iso2", "p256", at=NOW, organization="Ours").certificates["mo-root"]
    newer = OURS.certificates["mo-root"]
    assert parse(older).name == parse(newer).name
    ContractTrust(mo_anchors=(older, newer))
    assert caplog.messages == []
    ContractTrust(mo_anchors=(newer, OURS.chain("contract")[0]))
    assert "for contracts" in caplog.text
