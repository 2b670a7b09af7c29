"""The chain check on our own chains, one fault at a time, and on bytes that are no certificates."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import IssuedPki, Verdict, issue_test_pki, load_profile, peer_verifier, verify_chain
from iso15118.pki.chain.violations import CODES
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.crl import crl
from iso15118.pki.status.ocsp import ocsp_response
from iso15118.pki.status.revocation import Revocation, RevocationPolicy

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKI = issue_test_pki(at=NOW)
OTHER = issue_test_pki(at=NOW)
ED448 = issue_test_pki("iso20", "ed448", at=NOW)


def check(chain: list[bytes] | tuple[bytes, ...], role: str = "secc", **changes: Any) -> Verdict:
    anchor, kind = (PKI.v2g_root, "V2G") if role == "secc" else (PKI.oem_root, "OEM")
    arguments: dict[str, Any] = {
        "role": role,
        "anchors_der": [anchor],
        "anchor_role": kind,
        "at": NOW,
        "edition": "iso20",
    }
    return verify_chain(chain, **(arguments | changes))


def codes(verdict: Verdict) -> list[tuple[str, int | None]]:
    return [(one.code, one.certificate) for one in verdict.violations]


def made_with(name: str, **change: Any) -> IssuedPki:
    profile = load_profile("iso20")
    rows = dict(profile.certificates)
    rows[name] = msgspec.structs.replace(rows[name], **change)
    return issue_test_pki(at=NOW, profile=msgspec.structs.replace(profile, certificates=rows))


ONE_FAULT: dict[str, tuple[str, dict[str, Any], str, int]] = {
    "leaf is a CA": ("secc", {"ca": True}, "leaf-is-ca", 0),
    "leaf may sign certificates": (
        "secc",
        {"key_usage": ("digitalSignature", "keyCertSign")},
        "leaf-is-ca",
        0,
    ),
    "leaf without digitalSignature": ("secc", {"key_usage": ("keyAgreement",)}, "key-usage", 0),
    "leaf without serverAuth": ("secc", {"extended_key_usage": ("clientAuth",)}, "extended-key-usage", 0),
    "leaf without extended key usage": ("secc", {"extended_key_usage": ()}, "extended-key-usage", 0),
    "another role's domain component": ("secc", {"domain_component": "CPS"}, "domain-component", 0),
    "no domain component": ("secc", {"domain_component": None}, "no-domain-component", 0),
    "no SECCID": ("secc", {"common_name": "Station 7"}, "identifier", 0),
    "no OCSP responder for the leaf": ("secc", {"ocsp": False}, "no-ocsp-url", 0),
    "no OCSP responder for a Sub-CA": ("cpo-sub1", {"ocsp": False}, "no-ocsp-url", 2),
    "Sub-CA of another role": ("cpo-sub2", {"domain_component": "MO"}, "domain-component", 1),
    "Sub-CA that is no CA": ("cpo-sub2", {"ca": False, "path_length": None}, "not-a-ca", 1),
    "Sub-CA without keyCertSign": ("cpo-sub2", {"key_usage": ("cRLSign",)}, "no-key-cert-sign", 1),
    "path length": ("cpo-sub1", {"path_length": 0}, "path-length", 2),
    "leaf expired": ("secc", {"valid_days": -0.1}, "expired", 0),
    "Sub-CA expired": ("cpo-sub2", {"valid_days": -0.1}, "expired", 1),
    "vehicle's extended key usage not critical": (
        "vehicle",
        {"extended_key_usage_critical": False},
        "extended-key-usage-not-critical",
        0,
    ),
    "vehicle with an operator's domain component": (
        "vehicle",
        {"domain_component": "CPO"},
        "domain-component",
        0,
    ),
    "vehicle Sub-CA with extended key usage": (
        "vehicle-sub2",
        {"extended_key_usage": ("clientAuth",)},
        "sub-ca-extended-key-usage",
        1,
    ),
    "provisioning certificate's branch": ("vehicle-sub1", {"domain_component": "OEM"}, "domain-component", 2),
}


@pytest.mark.parametrize("name", ONE_FAULT)
def test_one_fault_is_one_violation(name: str) -> None:
    row, change, code, place = ONE_FAULT[name]
    pki = made_with(row, **change)
    if "vehicle" in row:
        verdict = check(pki.vehicle.chain, "vehicle", anchors_der=[pki.oem_root])
    else:
        verdict = check(pki.secc.chain, anchors_der=[pki.v2g_root])
    assert codes(verdict) == [(code, place)]
    assert str(verdict).startswith(f"certificate {place}: ")
    tolerated = check(
        pki.vehicle.chain if "vehicle" in row else pki.secc.chain,
        "vehicle" if "vehicle" in row else "secc",
        anchors_der=[pki.v2g_root, pki.oem_root],
        tolerate=[code],
    )
    assert tolerated.ok
    assert code in [one.code for one in tolerated.tolerated]


def test_a_makers_prefix_before_ev_is_accepted() -> None:
    pki = made_with("vehicle", domain_component="ACME-EV")
    assert check(pki.vehicle.chain, "vehicle", anchors_der=[pki.oem_root]).ok


def test_the_chain_may_come_in_any_order_with_others_among_it() -> None:
    leaf, sub2, sub1 = PKI.secc.chain
    assert check([leaf, sub1, sub2]).ok
    assert check([leaf, ED448.secc.chain[1], sub1, PKI.v2g_root, sub2]).ok
    assert check([leaf, OTHER.secc.chain[1], OTHER.secc.chain[2], sub2, sub1]).ok  # same names, other keys


def test_one_anchor_of_many_is_enough() -> None:
    assert check(PKI.secc.chain, anchors_der=[OTHER.v2g_root, ED448.v2g_root, PKI.v2g_root]).ok


def test_what_is_missing_is_named() -> None:
    leaf, sub2, sub1 = PKI.secc.chain
    assert codes(check([leaf])) == [("issuer-unknown", 0)]
    assert codes(check([leaf, sub1])) == [("issuer-unknown", 0)]
    assert codes(check([leaf, sub2])) == [("issuer-unknown", 1)]
    assert codes(check(PKI.secc.chain, anchors_der=[])) == [("issuer-unknown", 2)]
    assert codes(check(PKI.secc.chain, anchors_der=[OTHER.v2g_root])) == [("root-mismatch", 2)]
    assert codes(check([leaf, OTHER.secc.chain[1], sub1])) == [("signature", 0)]


def test_no_certificates_and_too_many() -> None:
    assert codes(check([])) == [("no-certificate", None)]
    assert codes(check([PKI.secc.chain[0]] * 9)) == [("too-many-certificates", None)]


def test_the_kind_of_root_counts() -> None:
    assert codes(check(PKI.secc.chain, anchor_role="OEM")) == [("anchor-role", None)]
    assert codes(check(PKI.vehicle.chain, "vehicle", anchor_role="MO")) == [("anchor-role", None)]
    assert check(PKI.vehicle.chain, "vehicle", anchor_role="V2G").ok  # [V2G20-2331]


def test_a_chain_of_another_role_is_refused() -> None:
    verdict = check(PKI.vehicle.chain, anchors_der=[PKI.oem_root])
    assert {"domain-component", "extended-key-usage", "identifier"} <= {
        one.code for one in verdict.violations
    }


@pytest.mark.parametrize(
    ("days", "expected"),
    [(-2, "not-yet-valid"), (0, None), (89, None), (91, "expired")],
)
def test_validity_is_judged_by_the_given_time(days: int, expected: str | None) -> None:
    verdict = check(PKI.secc.chain, at=NOW + timedelta(days=days))
    if expected is None:
        assert verdict.ok
    else:
        assert (expected, 0) in codes(verdict)


def test_an_expired_root_is_no_anchor() -> None:
    verdict = check(PKI.secc.chain, at=NOW + timedelta(days=365 * 41))
    assert ("anchor-expired", None) in codes(verdict)


def test_a_clock_that_is_not_set_is_a_verdict_of_its_own() -> None:
    assert codes(check(PKI.secc.chain, at=None)) == [("clock-not-set", None)]
    assert check(PKI.secc.chain, at=None, tolerate=["clock-not-set"]).ok


def test_a_private_environment_needs_no_responders_and_no_sub_cas() -> None:
    profile = load_profile("iso20")
    rows = {
        "v2g-root": profile.certificates["v2g-root"],
        "secc": msgspec.structs.replace(profile.certificates["secc"], issuer="v2g-root", ocsp=False),
    }
    pki = issue_test_pki(at=NOW, profile=msgspec.structs.replace(profile, certificates=rows))
    common: dict[str, Any] = {"anchors_der": [pki.v2g_root], "anchor_role": "PE"}
    assert check(pki.secc.chain, environment="private", **common).ok
    assert codes(check(pki.secc.chain, **common)) == [("no-sub-ca", None), ("no-ocsp-url", 0)]


def test_editions_differ_in_algorithm_and_size() -> None:
    verdict = check(PKI.secc.chain, edition="iso2")
    assert {one.code for one in verdict.violations} == {"key-type", "signature-algorithm"}


def test_wrong_arguments_are_our_own_mistake() -> None:
    for change in (
        {"role": "car"},
        {"anchor_role": "ROOT"},
        {"edition": "20"},
        {"at": datetime(2027, 1, 1)},
        {"tolerate": ["everything"]},
    ):
        with pytest.raises(ConfigError):
            check(PKI.secc.chain, **change)
    with pytest.raises(PkiError):
        check(PKI.secc.chain, anchors_der=[b"root"])
    with pytest.raises(PkiError):
        peer_verifier(role="secc", anchors_der=[b""], anchor_role="V2G", clock=lambda: NOW, edition="iso20")


@pytest.mark.parametrize(
    "bad", [b"", b"\x00", b"0", b"garbage" * 40, b"\x30\x82\xff\xff" + bytes(100), bytes(20_000)]
)
def test_bytes_that_are_no_certificate_are_violations(bad: bytes) -> None:
    leaf, sub2, sub1 = PKI.secc.chain
    assert codes(check([bad, sub2, sub1])) == [("malformed", 0)]
    assert codes(check([leaf, bad, sub1]))[0] == ("malformed", 1)
    assert codes(check([leaf + bad, sub2, sub1])) == ([("malformed", 0)] if bad else [])


def test_any_flipped_bit_is_a_violation_and_nothing_else() -> None:
    leaf, sub2, sub1 = PKI.secc.chain
    generator = random.Random(3)
    for position in generator.sample(range(len(leaf) * 8), 600):
        changed = bytearray(leaf)
        changed[position // 8] ^= 1 << position % 8
        assert not check([bytes(changed), sub2, sub1]).ok


@pytest.mark.parametrize("pki", [PKI, ED448])
def test_a_certificate_has_one_encoding_only(pki: IssuedPki) -> None:
    leaf, sub2, sub1 = pki.secc.chain
    signature = x509.load_der_x509_certificate(leaf).signature
    for unused_bits in range(1, 8):
        changed = bytearray(leaf)
        changed[-len(signature) - 1] = unused_bits
        verdict = check([bytes(changed), sub2, sub1], anchors_der=[pki.v2g_root])
        assert codes(verdict) == [("malformed", 0)]


def test_any_truncation_is_malformed() -> None:
    leaf, sub2, sub1 = PKI.secc.chain
    for length in range(0, len(leaf), 5):
        assert codes(check([leaf[:length], sub2, sub1])) == [("malformed", 0)]


def test_a_peer_verifier_turns_the_verdict_into_an_alert() -> None:
    seen: list[Verdict] = []
    verify = peer_verifier(
        role="secc",
        anchors_der=[PKI.v2g_root],
        anchor_role="V2G",
        clock=lambda: NOW,
        edition="iso20",
        report=seen.append,
    )
    assert verify(list(PKI.secc.chain)) is None
    refusal = verify(list(OTHER.secc.chain))
    assert refusal is not None
    assert refusal[0] == "unknown_ca"
    assert "not signed by the anchor" in refusal[1]
    assert [verdict.ok for verdict in seen] == [True, False]


def test_anchors_of_several_kinds_are_all_tried_and_the_one_that_fits_is_told() -> None:
    everything = {
        "V2G": [PKI.v2g_root],
        "OEM": [OTHER.oem_root, PKI.oem_root],
        "MO": [PKI.certificates["mo-root"]],
    }
    verdict = check(PKI.vehicle.chain, "vehicle", anchors_der=everything, anchor_role="")
    assert verdict.ok
    assert verdict.anchor == PKI.oem_root
    assert verdict.path == (0, 1, 2)
    # With the cross-certificate there are two ways up; only one of them is good here.
    crossed = [*PKI.vehicle.chain, PKI.certificates["oem-root-by-v2g"]]
    only_v2g = check(crossed, "vehicle", anchors_der={"V2G": [PKI.v2g_root]}, anchor_role="")
    assert only_v2g.ok
    assert only_v2g.path == (0, 1, 2, 3)
    wrong_kind = {"MO": [PKI.oem_root], "V2G": [PKI.v2g_root]}
    assert check(crossed, "vehicle", anchors_der=wrong_kind, anchor_role="").anchor == PKI.v2g_root
    assert codes(check(PKI.vehicle.chain, "vehicle", anchors_der={"MO": [PKI.oem_root]}, anchor_role="")) == [
        ("anchor-role", None)
    ]
    for kinds in ({"CSMS": [PKI.v2g_root]}, {"V2G": [PKI.v2g_root], "": [PKI.v2g_root]}):
        with pytest.raises(ConfigError, match="no kind of root"):
            check(PKI.secc.chain, anchors_der=kinds, anchor_role="")
    with pytest.raises(ConfigError, match="beside anchors by their kind"):
        check(PKI.secc.chain, anchors_der=everything)


def test_a_clock_that_may_be_off_moves_both_ends_of_validity() -> None:
    leaf = x509.load_der_x509_certificate(PKI.secc.chain[0])
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    for at, code in (
        (leaf.not_valid_after_utc + hour, "expired"),
        (leaf.not_valid_before_utc - hour, "not-yet-valid"),
    ):
        assert (code, 0) in codes(check(PKI.secc.chain, at=at))
        assert check(PKI.secc.chain, at=at, skew=hour).ok
        assert (code, 0) in codes(check(PKI.secc.chain, at=at, skew=hour - minute))
    with pytest.raises(ConfigError, match="skew"):
        check(PKI.secc.chain, skew=-hour)


def evidence(status: Literal["good", "revoked"], start: datetime) -> Revocation:
    leaf, sub2, _ = PKI.secc.chain
    made = ocsp_response(
        leaf,
        sub2,
        responder_der=sub2,
        key=load_key(PKI.keys["cpo-sub2"]),
        this_update=start,
        next_update=start + timedelta(days=3),
        status=status,
    )
    return Revocation(staples=(made,), required=False)


def test_without_a_clock_what_is_revoked_stays_revoked() -> None:
    verdict = check(PKI.secc.chain, at=None, revocation=evidence("revoked", NOW), tolerate=["clock-not-set"])
    assert codes(verdict) == [("revoked", 0)]
    # Freshness is what cannot be judged: the verdict on the clock says so.
    old = check(PKI.secc.chain, at=None, revocation=evidence("good", NOW - timedelta(days=99)))
    assert codes(old) == [("clock-not-set", None)]
    listed = crl(
        PKI.secc.chain[1],
        load_key(PKI.keys["cpo-sub2"]),
        last_update=NOW,
        next_update=NOW + timedelta(days=1),
        revoked=[x509.load_der_x509_certificate(PKI.secc.chain[0]).serial_number],
    )
    by_list = Revocation(crls=(listed,), required=False)
    assert codes(check(PKI.secc.chain, at=None, revocation=by_list, tolerate=["clock-not-set"])) == [
        ("revoked", 0)
    ]


def test_a_peer_verifier_asks_what_is_known_about_each_chain() -> None:
    asked: list[Sequence[bytes]] = []

    def known(chain: Sequence[bytes]) -> Revocation:
        asked.append(chain)
        return evidence("revoked", NOW)

    verify = peer_verifier(
        role="secc", anchors_der={"V2G": [PKI.v2g_root]}, clock=lambda: NOW, edition="iso20", revocation=known
    )
    refusal = verify(list(PKI.secc.chain))
    assert refusal is not None
    assert refusal[0] == "certificate_revoked"
    assert asked == [list(PKI.secc.chain)]


def test_every_alert_of_the_table_can_be_sent() -> None:
    sendable = {
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
    }
    assert {code.alert for code in CODES.values()} <= sendable


def test_what_is_revoked_stays_so_whatever_else_is_known_or_tolerated() -> None:
    leaf, sub2, _ = PKI.secc.chain
    key = load_key(PKI.keys["cpo-sub2"])
    serial = x509.load_der_x509_certificate(leaf).serial_number
    day = timedelta(days=1)
    good, revoked = (evidence(status, NOW).staples[0] for status in ("good", "revoked"))
    empty, listed = (
        crl(sub2, key, last_update=NOW - day, next_update=NOW + day, revoked=serials)
        for serials in ((), (serial,))
    )
    for known in (
        Revocation(staples=(good,), crls=(listed,), required=False),  # a peer staples what suits it
        Revocation(staples=(good,), responses=(revoked,), required=False),
        Revocation(responses=(good,), crls=(empty, listed), required=False),
        # An old list is good until its next update.
        Revocation(crls=(empty, listed), required=False),
        Revocation(crls=(listed, empty), required=False),
    ):
        assert codes(check(PKI.secc.chain, revocation=known)) == [("revoked", 0)]
    late = NOW + 9 * day
    for known, code in (
        (Revocation(staples=(revoked,), required=False), "ocsp-stale"),
        (Revocation(crls=(listed,), required=False), "crl-stale"),
    ):
        verdict = check(PKI.secc.chain, at=late, revocation=known, tolerate=[code])
        assert codes(verdict) == [("revoked", 0)]
        assert [one.code for one in verdict.tolerated] == [code]
    # Somebody else's word is none: neither for good nor for bad.
    stranger = crl(
        sub2, load_key(PKI.keys["cpo-sub1"]), last_update=NOW - day, next_update=NOW + day, revoked=(serial,)
    )
    assert check(PKI.secc.chain, revocation=Revocation(staples=(good,), crls=(stranger,), required=False)).ok


def test_a_response_of_ours_counts_where_the_peer_staples_none() -> None:
    good, revoked = (evidence(status, NOW).staples[0] for status in ("good", "revoked"))
    for ours, expected in ((good, []), (revoked, [("revoked", 0)])):
        policy = RevocationPolicy(demand="leaf", responses=lambda chain, ours=ours: (ours,))  # type: ignore[misc]
        known = policy.evidence(PKI.secc.chain, (), leaf_only=False)
        assert codes(check(PKI.secc.chain, revocation=known)) == expected


def test_a_response_of_ours_that_is_over_counts_as_none() -> None:
    leaf, sub2, _ = PKI.secc.chain
    key, day = load_key(PKI.keys["cpo-sub2"]), timedelta(days=1)
    good, revoked = (evidence(status, NOW).staples[0] for status in ("good", "revoked"))
    late = NOW + 9 * day
    serial = x509.load_der_x509_certificate(leaf).serial_number
    empty, listed = (
        crl(sub2, key, last_update=NOW, next_update=late + day, revoked=serials)
        for serials in ((), (serial,))
    )
    for known, expected in (
        (Revocation(responses=(good,), required=False), []),
        (Revocation(responses=(good,), leaf_only=True), ["ocsp-stale"]),
        (Revocation(responses=(good,), crls=(empty,), leaf_only=True), []),
        (Revocation(responses=(good,), crls=(listed,), required=False), ["revoked"]),
        (Revocation(responses=(revoked,), required=False), ["ocsp-stale", "revoked"]),
        (
            Revocation(staples=(good,), required=False),
            ["ocsp-stale"],
        ),  # it is the peer's task to have a good one
    ):
        assert [code for code, _ in codes(check(PKI.secc.chain, at=late, revocation=known))] == expected


def test_what_a_peer_calls_itself_is_shown_on_one_line_and_not_for_ever() -> None:
    key = load_key(ED448.keys["secc"])
    name = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, "x\n\x1b[2Jroot logged in\u202e" + "y" * 40)] * 20
    )
    strange = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, None)
    )
    verdict = check([strange.public_bytes(Encoding.DER)], edition="iso20")
    assert ("issuer-unknown", 0) in codes(verdict)
    assert "root logged in" in str(verdict)
    assert str(verdict).isprintable()
    assert max(len(one.detail) for one in verdict.violations) <= 300
