"""Revocation lists: one that is broken, another CA's, or about others, refuses nobody whom it does not
concern."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iso15118.pki import Verdict, issue_test_pki, verify_chain
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.crl import crl
from iso15118.pki.status.ocsp import ocsp_request
from iso15118.pki.status.responder import OcspResponder
from iso15118.pki.status.revocation import Revocation, RevocationPolicy, placed
from iso15118.pnc.authorization import ContractTrust, refusal_of
from iso15118.pnc.contracts import Refusal

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PKI = issue_test_pki("iso20", "ed448", at=NOW)
TWIN = issue_test_pki("iso20", "ed448", at=NOW)
"""Another PKI whose CAs have the same names."""
LEAF, SUB2, SUB1 = PKI.secc.chain
SERIAL = x509.load_der_x509_certificate(LEAF).serial_number


def listing(
    *serials: int,
    by: str = "cpo-sub2",
    pki: object = PKI,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    until: datetime = NOW + DAY,
    row: tuple[x509.ExtensionType, bool] | None = None,
) -> bytes:
    """A list with the key it is signed with named in it."""
    assert pki in (PKI, TWIN)
    made = PKI if pki is PKI else TWIN
    issuer = x509.load_der_x509_certificate(made.certificates[by])
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(NOW - DAY)
        .next_update(until)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY)
        if row is not None:
            revoked = revoked.add_extension(*row)
        builder = builder.add_revoked_certificate(revoked.build())
    return builder.sign(load_key(made.keys[by]), None).public_bytes(Encoding.DER)


def key_named(by: str, pki: object) -> tuple[x509.ExtensionType, bool]:
    made = PKI if pki is PKI else TWIN
    issuer = x509.load_der_x509_certificate(made.certificates[by])
    digest = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return x509.AuthorityKeyIdentifier(digest, None, None), False


def check(known: Revocation, at: datetime = NOW) -> Verdict:
    return verify_chain(
        PKI.secc.chain,
        role="secc",
        anchors_der={"V2G": [PKI.v2g_root]},
        at=at,
        edition="iso20",
        revocation=known,
    )


def altered(made: bytes) -> bytes:
    return made[:-1] + bytes([made[-1] ^ 1])


STRAY: dict[str, Callable[[], bytes]] = {
    "garbage": lambda: b"garbage",
    "empty": lambda: b"",
    "endless": lambda: bytes(5 * 1024 * 1024),
    "namesake": lambda: listing(SERIAL, pki=TWIN),
    "namesake that names its key": lambda: listing(
        SERIAL, pki=TWIN, extensions=(key_named("cpo-sub2", TWIN),)
    ),
    "namesake, stale": lambda: listing(SERIAL, pki=TWIN, until=NOW - DAY / 2),
    "altered": lambda: altered(listing()),
    "another issuer's": lambda: listing(SERIAL, by="cps-sub2"),
    "of CAs only": lambda: listing(
        extensions=((x509.IssuingDistributionPoint(None, None, False, True, None, False, False), True),)
    ),
}


@pytest.mark.parametrize("stray", STRAY)
def test_a_list_that_does_not_concern_a_chain_refuses_nobody(stray: str) -> None:
    made = STRAY[stray]()
    assert check(Revocation(crls=(made,), required=False)).ok
    good = tuple(listing(by=by) for by in ("cpo-sub2", "cpo-sub1", "v2g-root"))
    for crls in ((made, *good), (*good, made)):
        assert check(Revocation(crls=crls)).ok
    revoking = (listing(SERIAL), *good[1:])
    assert [one.code for one in check(Revocation(crls=(made, *revoking))).violations] == ["revoked"]


@pytest.mark.parametrize("stray", STRAY)
def test_and_where_something_is_demanded_it_is_no_evidence(stray: str) -> None:
    codes = {one.code for one in check(Revocation(crls=(STRAY[stray](),))).violations}
    assert codes & {"status-missing", "crl-signature"}
    leaf_only = check(Revocation(crls=(STRAY[stray](), listing()), leaf_only=True))
    assert leaf_only.ok


def test_a_list_of_leaves_speaks_of_leaves_only() -> None:
    only_leaves = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    revoking = listing(SERIAL, extensions=((only_leaves, True),))
    assert [one.code for one in check(Revocation(crls=(revoking,), required=False)).violations] == ["revoked"]
    sub = x509.load_der_x509_certificate(SUB2).serial_number
    assert check(
        Revocation(crls=(listing(sub, by="cpo-sub1", extensions=((only_leaves, True),)),), required=False)
    ).ok


def test_a_part_of_a_list_is_no_proof() -> None:
    part = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://lists.invalid/7")], None, False, False, None, False, False
    )
    found = check(Revocation(crls=(listing(extensions=((part, True),)),), leaf_only=True))
    assert [one.code for one in found.violations] == ["crl-partial"]


@pytest.mark.parametrize("kind", ["part", "changes"])
def test_whom_a_part_of_a_list_names_is_revoked(kind: str) -> None:
    """It proves nobody good; but its issuer has signed it, and a responder's answer may be older."""
    extension: x509.ExtensionType = x509.DeltaCRLIndicator(1)
    if kind == "part":
        place = [x509.UniformResourceIdentifier("http://lists.invalid/7")]
        extension = x509.IssuingDistributionPoint(place, None, False, False, None, False, False)
    revoking, other = (listing(serial, extensions=((extension, True),)) for serial in (SERIAL, SERIAL + 1))
    good = OcspResponder(PKI).reply(ocsp_request(LEAF, SUB2), NOW).octets
    cases: tuple[dict[str, Any], ...] = (
        {"staples": (good,)},
        {"responses": (good,)},
        {"crls": (listing(), revoking)},
        {"crls": (revoking, listing())},
    )
    for known in cases:
        crls = (*known.get("crls", ()), revoking)
        found = check(Revocation(**(known | {"crls": crls}), required=False)).violations
        assert [one.code for one in found] == ["revoked"]
        assert check(Revocation(**(known | {"crls": (other,)}), required=False)).ok


def test_a_part_of_a_list_revokes_nobody_of_another_issuer_and_nobody_whom_it_takes_back() -> None:
    indirect = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
    assert check(
        Revocation(crls=(listing(SERIAL, extensions=((indirect, True),)), listing()), required=False)
    ).ok
    back = (x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)
    taken = listing(SERIAL, extensions=((x509.DeltaCRLIndicator(1), True),), row=back)
    assert check(Revocation(crls=(taken, listing()), required=False)).ok


def test_a_list_that_proves_nothing_refuses_nobody_where_nothing_is_demanded() -> None:
    old = listing(until=NOW - DAY / 2)
    assert check(Revocation(crls=(old,), required=False)).ok
    assert [one.code for one in check(Revocation(crls=(old,), leaf_only=True)).violations] == ["crl-stale"]
    named = check(Revocation(crls=(listing(SERIAL, until=NOW - DAY / 2),), required=False))
    assert [one.code for one in named.violations] == ["crl-stale", "revoked"]


def test_staples_find_their_certificate_by_issuer_and_number() -> None:
    responder = OcspResponder(PKI)
    chain = (LEAF, SUB2, SUB1)
    staples = [
        responder.respond(ocsp_request(one, issuer), NOW)
        for one, issuer in zip(chain, (SUB2, SUB1, PKI.v2g_root), strict=True)
    ]
    assert placed([staples[1]], chain) == (None, staples[1], None)
    assert placed([staples[2], staples[0]], chain) == (staples[0], None, staples[2])
    # Another CA may have given the same number: that response is about none of these, and is judged and
    # refused.
    other = TWIN.secc.chain
    strange = OcspResponder(TWIN).respond(ocsp_request(other[0], other[1]), NOW)
    assert placed([strange, staples[1]], chain) == (strange, staples[1], None)


@pytest.mark.parametrize("revoked", [False, True])
def test_a_contract_is_held_against_what_is_known_of_its_own_chain(revoked: bool) -> None:
    contract = PKI.credential("contract").chain
    serial = x509.load_der_x509_certificate(contract[0]).serial_number
    asked = []

    def responses(chain: object) -> tuple[bytes | None, ...]:
        asked.append(chain)
        return ()

    lists = [
        listing(*([serial] if revoked else []), by="mo-sub2"),
        listing(by="mo-sub1"),
        listing(by="mo-root"),
    ]
    trust = ContractTrust(
        mo_anchors=(PKI.certificates["mo-root"],),
        revocation=RevocationPolicy(crls=lambda: lists, responses=responses),
    )
    refusal = refusal_of(trust.verify(contract, NOW.timestamp()))
    assert refusal is (Refusal.REVOKED if revoked else None)
    assert asked == [contract]
    lists.clear()
    assert refusal_of(trust.verify(contract, NOW.timestamp())) is Refusal.CHAIN


def test_lists_that_the_library_itself_makes_are_still_good() -> None:
    made = crl(
        SUB2, load_key(PKI.keys["cpo-sub2"]), last_update=NOW - DAY, next_update=NOW + DAY, revoked=[SERIAL]
    )
    assert [one.code for one in check(Revocation(crls=(made,), required=False)).violations] == ["revoked"]
