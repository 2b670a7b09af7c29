"""Rules that hold a chain together beyond each certificate: validity within validity, keys, anchors,
responders, marks and rule ids."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding

from iso15118.errors import ConfigError
from iso15118.pki import (
    IssuedPki,
    Verdict,
    issue_leaf,
    issue_test_pki,
    load_profile,
    peer_verifier,
    verify_chain,
)
from iso15118.pki.chain.identifiers import emaid_check_digit, fault_of
from iso15118.pki.chain.parsed import parse
from iso15118.pki.chain.violations import CODES, rule_of
from iso15118.pki.issuing.build import certificate, new_key, subject
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.ocsp import ocsp_response, verify_response

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKI = issue_test_pki("iso20", "ed448", at=NOW, responders=True)


def made_with(name: str, edition: str = "iso20", algorithm: str = "ed448", **change: Any) -> IssuedPki:
    profile = load_profile(edition)
    rows = dict(profile.certificates)
    rows[name] = msgspec.structs.replace(rows[name], **change)
    changed = msgspec.structs.replace(profile, certificates=rows)
    return issue_test_pki(edition, algorithm, at=NOW, profile=changed)


def judged(pki: IssuedPki, name: str = "secc", edition: str = "iso20", **changes: Any) -> Verdict:
    kind = {"secc": "V2G", "contract": "MO", "vehicle": "OEM", "oemprov": "OEM"}[name]
    arguments: dict[str, Any] = {
        "role": name,
        "anchors_der": [pki.certificates[f"{kind.lower()}-root"]],
        "anchor_role": kind,
        "at": NOW,
        "edition": edition,
    }
    return verify_chain(changes.pop("chain", pki.chain(name)), **(arguments | changes))


def codes(verdict: Verdict) -> list[tuple[str, int | None]]:
    return [(one.code, one.certificate) for one in verdict.violations]


def tolerated(verdict: Verdict) -> list[str]:
    return [one.code for one in verdict.tolerated]


def test_validity_lies_within_the_issuers_by_amendment_1_and_is_told_elsewhere() -> None:
    pki = made_with("cpo-sub2", valid_days=5000.0)  # its issuer ends after 1461 days
    assert judged(pki).ok
    assert tolerated(judged(pki)) == ["validity-not-nested"]
    assert judged(pki).tolerated[0].level == "profile"
    assert codes(judged(pki, edition="iso20amd1")) == [("validity-not-nested", 1)]
    assert judged(pki, edition="iso20amd1", tolerate=["validity-not-nested"]).ok
    assert codes(judged(pki, refuse=["validity-not-nested"])) == [("validity-not-nested", 1)]
    for name in ("secc", "contract", "vehicle", "oemprov"):
        assert judged(PKI, name, "iso20amd1").ok
    crossed = judged(
        PKI,
        "contract",
        "iso20amd1",
        chain=[*PKI.chain("contract"), PKI.certificates["mo-root-by-v2g"]],
        anchors_der={"V2G": [PKI.v2g_root]},
        anchor_role="",
    )
    assert crossed.ok, "a cross-certificate is younger than those that it vouches for"


@pytest.mark.parametrize(("edition", "algorithm"), [("iso20", "ed448"), ("iso2", "p256"), ("lab", "p256")])
def test_a_stations_sub_ca_for_other_usages_is_refused_as_openssl_does(edition: str, algorithm: str) -> None:
    other = made_with("cpo-sub2", edition, algorithm, extended_key_usage=("OCSPSigning",))
    assert codes(judged(other, edition=edition)) == [("issuer-extended-key-usage", 1)]
    for usages in (("serverAuth",), ("serverAuth", "clientAuth")):
        assert judged(
            made_with("cpo-sub1", edition, algorithm, extended_key_usage=usages), edition=edition
        ).ok


def test_the_other_name_of_an_operator_is_accepted_until_it_is_settled() -> None:
    pki = made_with("secc", domain_component="CSO")
    for edition in ("iso20", "iso20amd1"):
        assert judged(pki, edition=edition).ok
        assert tolerated(judged(pki, edition=edition)) == ["domain-component-unsettled"]
        strict = judged(pki, edition=edition, refuse=["domain-component-unsettled"])
        assert codes(strict) == [("domain-component-unsettled", 0)]
    older = made_with("secc", "iso2", "p256", domain_component="CSO")
    assert codes(judged(older, edition="iso2")) == [("domain-component", 0)]
    with pytest.raises(ConfigError, match="refuse"):
        judged(pki, refuse=["nonsense"])


def test_a_key_is_for_one_role() -> None:
    leaf_key = PKI.keys["contract"]
    shared = issue_leaf(PKI, "contract", "again", at=NOW, key=PKI.keys["mo-sub2"])
    assert codes(judged(shared, "contract", chain=shared.chain("again"))) == [("same-key", 0)]
    alone = issue_leaf(PKI, "contract", "renewed", at=NOW, key=leaf_key)
    assert judged(alone, "contract", chain=alone.chain("renewed")).ok


def test_the_mark_of_a_cross_certificate_counts_where_a_root_has_put_it() -> None:
    """A Sub-CA that marks itself would not be counted, and could be of any role."""
    profile = load_profile("iso20")
    rows, at = profile.certificates, NOW
    parent = x509.load_der_x509_certificate(PKI.certificates["mo-sub2"])
    key, leaf_key = new_key(profile, "ed448"), new_key(profile, "ed448")
    row = msgspec.structs.replace(
        rows["mo-root-by-v2g"], common_name="OwnCA", domain_component="OEM", path_length=None
    )
    marked = certificate(
        profile, row, subject(row, "Test", {}), key, parent, load_key(PKI.keys["mo-sub2"]), at
    )
    assert profile.cross_indication in parse(marked).access_methods
    leaf = certificate(
        profile,
        rows["contract"],
        subject(rows["contract"], "Test", {"emaid": "DE8AA000000001"}),
        leaf_key,
        x509.load_der_x509_certificate(marked),
        key,
        at,
    )
    verdict = judged(PKI, "contract", chain=[leaf, marked, *PKI.chain("contract")[1:]])
    found = {one.code for one in verdict.violations}
    assert {"too-many-sub-cas", "domain-component", "path-length"} <= found


def test_the_last_moment_of_the_calendar_is_as_good_as_any_other() -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    days = (end - NOW).total_seconds() / 86_400.0
    pki = PKI
    for name in ("v2g-root", "cpo-sub1", "cpo-sub2", "secc"):
        assert name in pki.certificates
    profile = load_profile("iso20")
    rows = {
        name: msgspec.structs.replace(row, valid_days=days)
        if name.startswith(("v2g", "cpo", "secc"))
        else row
        for name, row in profile.certificates.items()
    }
    for_ever = issue_test_pki(
        "iso20", "ed448", at=NOW, profile=msgspec.structs.replace(profile, certificates=rows)
    )
    assert parse(for_ever.chain("secc")[0]).not_after == end
    for skew in (timedelta(), timedelta(days=366)):
        assert judged(for_ever, skew=skew).ok
        assert judged(for_ever, skew=skew, at=end).ok
    for skew in (timedelta.max, timedelta(days=400)):
        with pytest.raises(ConfigError, match="skew"):
            judged(for_ever, skew=skew)
    responder = for_ever.responder("cpo-sub2")
    response = ocsp_response(
        for_ever.chain("secc")[0],
        for_ever.certificates["cpo-sub2"],
        responder_der=responder.chain[0],
        key=load_key(responder.key),
        this_update=NOW,
        next_update=end,
    )
    whole = verify_response(
        response,
        certificate_der=for_ever.chain("secc")[0],
        issuer_der=for_ever.certificates["cpo-sub2"],
        at=NOW,
        longest=None,
    )
    assert whole.status == "good"


def test_anchors_that_are_none_vouch_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    sub_ca = PKI.certificates["cpo-sub1"]
    pinned = judged(PKI, anchors_der=[sub_ca])
    assert codes(pinned) == [("anchor-not-self-signed", None)]
    assert judged(PKI, anchors_der=[sub_ca], tolerate=["anchor-not-self-signed"]).ok, "by choice"
    leaf = issue_leaf(PKI, "secc", "again", at=NOW)
    assert "anchor-not-a-ca" in {
        one.code
        for one in judged(leaf, chain=forged_under(leaf), anchors_der=[leaf.chain("secc")[0]]).violations
    }
    late = NOW + timedelta(days=20_000)
    with caplog.at_level(logging.WARNING):
        peer_verifier(
            role="secc",
            anchors_der=[PKI.v2g_root, sub_ca, PKI.chain("secc")[0]],
            anchor_role="V2G",
            clock=lambda: late,
            edition="iso20",
        )
    said = [record.getMessage() for record in caplog.records]
    assert any("V2GRootCA" in one and "outside its validity" in one for one in said)
    assert any("CPOSubCA1" in one and "no root" in one for one in said)
    assert any("no CA" in one for one in said)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        peer_verifier(
            role="secc", anchors_der=[PKI.v2g_root], anchor_role="V2G", clock=lambda: NOW, edition="iso20"
        )
    assert caplog.records == []


def forged_under(pki: IssuedPki) -> list[bytes]:
    """A station's certificate that another station issued."""
    profile = load_profile("iso20")
    row, parent = profile.certificates["secc"], x509.load_der_x509_certificate(pki.chain("secc")[0])
    name = subject(row, "Test", {"seccid": "DEABCS" + "1" * 33})
    return [
        certificate(profile, row, name, new_key(profile, "ed448"), parent, load_key(pki.keys["secc"]), NOW)
    ]


def delegated(**changes: Any) -> tuple[bytes, ed448.Ed448PrivateKey]:
    """A responder's certificate of the second Sub-CA, right but for the changes."""
    own = x509.load_der_x509_certificate(PKI.responder("cpo-sub2").chain[0])
    key = changes.get("key") or ed448.Ed448PrivateKey.generate()
    made = (
        x509.CertificateBuilder()
        .subject_name(own.subject)
        .issuer_name(own.issuer)
        .public_key(key.public_key())
    )
    made = (
        made.serial_number(99)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(changes.get("until", NOW + timedelta(days=30)))
    )
    for extension in own.extensions:
        if not isinstance(extension.value, changes.get("without", ())):
            made = made.add_extension(extension.value, extension.critical)
    for value, critical in changes.get("more", ()):
        made = made.add_extension(value, critical)
    return made.sign(load_key(PKI.keys["cpo-sub2"]), None).public_bytes(Encoding.DER), key


def said_by(responder: bytes, key: Any) -> set[str]:
    leaf, issuer = PKI.chain("secc")[:2]
    response = ocsp_response(
        leaf,
        issuer,
        responder_der=responder,
        key=key,
        this_update=NOW,
        next_update=NOW + timedelta(days=1),
    )
    verdict = verify_response(response, certificate_der=leaf, issuer_der=issuer, at=NOW)
    return {one.code for one in verdict.violations}


def test_a_responder_is_judged_in_full() -> None:
    assert said_by(*delegated()) == set()
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    for changes, code in (
        ({"without": (x509.ExtendedKeyUsage,)}, "ocsp-responder-usage"),
        ({"without": (x509.KeyUsage,), "more": [(usage, True)]}, "ocsp-responder-usage"),
        ({"more": [(unknown, True)]}, "ocsp-responder"),
        ({"until": NOW - timedelta(hours=1)}, "ocsp-responder-expired"),
        ({"key": load_key(PKI.keys["secc"])}, "ocsp-responder"),
    ):
        assert said_by(*delegated(**changes)) == {code}, changes
    stranger = issue_test_pki("iso20", "ed448", at=NOW, responders=True).responder("cpo-sub2")
    assert "ocsp-responder" in said_by(stranger.chain[0], load_key(stranger.key))


def test_a_leaf_that_may_sign_responses_vouches_for_nobody_and_is_no_leaf() -> None:
    pki = made_with("secc", extended_key_usage=("serverAuth", "OCSPSigning"))
    assert codes(judged(pki)) == [("extended-key-usage-of-another-role", 0)]
    leaf, issuer = pki.chain("secc")[:2]
    itself = ocsp_response(
        leaf,
        issuer,
        responder_der=leaf,
        key=load_key(pki.keys["secc"]),
        this_update=NOW,
        next_update=NOW + timedelta(days=1),
    )
    verdict = verify_response(itself, certificate_der=leaf, issuer_der=issuer, at=NOW)
    assert (verdict.status, [one.code for one in verdict.violations]) == ("invalid", ["ocsp-responder"])
    assert "vouches for itself" in verdict.violations[0].detail


@pytest.mark.parametrize("edition", ["iso2", "iso20", "iso20amd1", "lab"])
def test_each_edition_cites_its_own_rules(edition: str) -> None:
    other = "V2G20-" if edition == "iso2" else "V2G2-"
    for code in CODES:
        assert not rule_of(code, edition).startswith(
            (other, "ISO15118-20" if edition == "iso2" else "ISO15118-2-")
        )


def test_a_wrong_check_digit_is_told_with_the_right_one() -> None:
    wrong = "UKSWI123456789A"
    right = emaid_check_digit(wrong[:14])
    assert right != "A"
    for edition, algorithm, rule in (
        ("iso2", "p256", "ISO15118-2-annex-H"),
        ("iso20", "ed448", "ISO15118-20-annex-C"),
    ):
        pki = made_with("contract", edition, algorithm, common_name=wrong)
        (violation,) = judged(pki, "contract", edition).violations
        assert violation.code == "identifier"
        assert f"is no EMAID: its check digit is {right}" in violation.detail
        assert violation.rule == rule
        assert judged(
            made_with("contract", edition, algorithm, common_name=wrong[:14] + right), "contract", edition
        ).ok
    assert fault_of("EVCCID", "WVWV123456789ABCDEF8") == "its check digit is 7"
    assert fault_of("EVCCID", "WVWV123456789ABCDEF7") == ""
    assert fault_of("PCID", "WVW123456789ABCDE70", "mod-37-36").startswith("17 capitals")
    assert fault_of("PCID", "WVW123456789ABCDEA", "mod-37-36").startswith("its check digit is ")
    assert "two letters" in fault_of("EMAID", "no emaid")
    assert fault_of("SECCID", "x" * 200) != ""
    pki = made_with("vehicle", common_name="WVWV123456789ABCDEF8")
    assert judged(pki, "vehicle").violations[0].rule == "V2G20-2598"
