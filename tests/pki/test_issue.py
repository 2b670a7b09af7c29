"""The issuer: what its certificates look like, what it writes, and what it refuses."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import IssuedPki, issue_test_pki, load, load_profile, verify_chain
from iso15118.pki.chain.parsed import parse

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
def test_everything_issued_is_in_order(algorithm: str) -> None:
    pki = issue_test_pki("iso20", algorithm, at=NOW)
    for role, credential, anchor, kind in (
        ("secc", pki.secc, pki.v2g_root, "V2G"),
        ("vehicle", pki.vehicle, pki.oem_root, "OEM"),
    ):
        verdict = verify_chain(
            credential.chain, role=role, anchors_der=[anchor], anchor_role=kind, at=NOW, edition="iso20"
        )
        assert verdict.violations == ()
    assert all(len(der) <= 1600 for der in pki.certificates.values())


def test_the_profile_is_what_is_issued() -> None:
    pki = issue_test_pki(at=NOW)
    rows = load_profile("iso20").certificates
    assert set(rows) == set(pki.certificates) == set(pki.keys)
    for name, row in rows.items():
        one = parse(pki.certificates[name])
        assert one.key_usage == frozenset[str](row.key_usage)
        assert (one.extended_key_usage or frozenset()) == set(row.extended_key_usage)
        assert (bool(one.ca), one.path_length) == (row.ca, row.path_length)
        assert one.domain_components == (row.domain_component,)
        assert one.not_before == NOW - timedelta(days=1)
        assert one.not_after == NOW + timedelta(days=row.valid_days)
        assert bool(one.ocsp_urls) == row.ocsp
        assert one.subject_key_identifier is not None
        assert len(one.subject_key_identifier) == 8
        assert one.subject_key_identifier[0] >> 4 == 4
        assert {"basicConstraints", "keyUsage"} <= one.critical
        assert (one.authority_key_identifier is None) == (row.issuer is None)


def test_the_names_asked_for_are_in_the_leaves() -> None:
    pki = issue_test_pki(at=NOW, evccid="WVWV123456789ABCDEF7", seccid="FR-XYZ-S-" + "7" * 32)
    assert parse(pki.vehicle.chain[0]).common_names == ("WVWV123456789ABCDEF7",)
    assert parse(pki.secc.chain[0]).common_names == ("FR-XYZ-S-" + "7" * 32,)


def test_the_branches_may_differ_in_algorithm() -> None:
    pki = issue_test_pki("iso20", "p521", vehicle_algorithm="ed448", at=NOW)
    assert {parse(der).key for der in (*pki.secc.chain, pki.v2g_root)} == {"secp521r1"}
    assert {parse(der).key for der in (*pki.vehicle.chain, pki.oem_root)} == {"ed448"}


def test_lab_issues_p256_and_accepts_it() -> None:
    pki = issue_test_pki("lab", "p256", at=NOW)
    assert {parse(der).key for der in pki.certificates.values()} == {"secp256r1"}
    common = {"role": "secc", "anchors_der": [pki.v2g_root], "anchor_role": "V2G", "at": NOW}
    assert verify_chain(pki.secc.chain, edition="lab", **common).ok  # type: ignore[arg-type]
    assert not verify_chain(pki.secc.chain, edition="iso20", **common).ok  # type: ignore[arg-type]


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="iso2, iso20, iso20amd1, lab"):
        issue_test_pki("iso21", at=NOW)
    with pytest.raises(ConfigError, match="p521, ed448"):
        issue_test_pki("iso20", "p256", at=NOW)
    with pytest.raises(ConfigError, match="vehicle"):
        issue_test_pki(at=NOW).chain("vehikel")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    pki = issue_test_pki("iso20", "ed448", at=NOW)
    folder = tmp_path / "pki"
    pki.write(folder)
    assert load(folder) == pki
    pki.write(folder)
    for name in pki.keys:
        assert stat.S_IMODE((folder / f"{name}.key").stat().st_mode) == 0o600
        x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    (folder / "secc.key").unlink()
    with pytest.raises(PkiError, match=r"secc\.key"):
        load(folder)
    (folder / "secc.key").write_bytes(b"nonsense")
    with pytest.raises(PkiError):
        load(folder)


@pytest.mark.parametrize(
    "manifest", [b"", b"{}", b'{"edition": "iso20", "issuers": {"../secc": null}}', b"[1]", b"\xff"]
)
def test_a_broken_folder_is_one_error(tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "pki.json").write_bytes(manifest)
    with pytest.raises(PkiError):
        load(tmp_path)


def test_keys_are_in_no_repr() -> None:
    pki: IssuedPki = issue_test_pki(at=NOW)
    assert repr(pki) == (f"IssuedPki(iso20, {', '.join(pki.certificates)}, keys hidden)")
    assert repr(pki.secc) == "Credential(3 certificates, key hidden)"


def test_algorithms_are_mixed_by_branch_and_accepted_by_switch() -> None:
    pki = issue_test_pki(
        "iso20",
        "p521",
        at=NOW,
        algorithms={"cpo-sub1": "ed448", "secc": "p521", "mo-root": "ed448"},
        responders=True,
    )
    kinds = {name: parse(der).key for name, der in pki.certificates.items()}
    assert kinds["v2g-root"] == kinds["secc"] == kinds["oem-root"] == "secp521r1"
    assert kinds["cpo-sub1"] == kinds["cpo-sub2"] == kinds["ocsp-cpo-sub2"] == "ed448"
    assert kinds["mo-root"] == kinds["contract"] == kinds["mo-root-by-v2g"] == "ed448"
    for chain, root, role, kind, mixed in (
        (pki.chain("secc"), "v2g-root", "secc", "V2G", [0, 2]),
        (pki.chain("contract"), "mo-root", "contract", "MO", []),
        ((*pki.chain("contract"), pki.certificates["mo-root-by-v2g"]), "v2g-root", "contract", "V2G", [3]),
    ):
        verdict = verify_chain(
            chain,
            role=role,
            anchors_der=[pki.certificates[root]],
            anchor_role=kind,
            at=NOW,
            edition="iso20",
            tolerate=["mixed-algorithms"],
        )
        assert verdict.ok, str(verdict)
        assert [one.certificate for one in verdict.tolerated] == mixed
    with pytest.raises(ConfigError, match="no certificate 'nobody'"):
        issue_test_pki("iso20", "p521", at=NOW, algorithms={"nobody": "ed448"})
    with pytest.raises(ConfigError, match="'p256' is not in the profile iso20"):
        issue_test_pki("iso20", "p521", at=NOW, algorithms={"secc": "p256"})
