"""Revocation lists are read before a peer comes, in a thread or at the start: a handshake on the
event loop finds them known."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from iso15118.pki import IssuedPki, Store, issue_test_pki, peer_verifier
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.crl import crl, read_ahead, verify_crl
from iso15118.pki.status.evidence import Evidence
from iso15118.pki.status.revocation import RevocationPolicy

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PKIS = {name: issue_test_pki("iso20", name, at=NOW) for name in ("p521", "ed448")}


@pytest.fixture(params=PKIS)
def pki(request: pytest.FixtureRequest) -> IssuedPki:
    return PKIS[request.param]


def listing(pki: IssuedPki, by: str = "cpo-sub2", *, revoked: int = 1000, number: int = 1) -> bytes:
    return crl(
        pki.certificates[by],
        load_key(pki.keys[by]),
        last_update=NOW - DAY,
        next_update=NOW + DAY,
        revoked=range(10**18, 10**18 + revoked),
        number=number,
    )


class Reads:
    """In which threads lists are taken apart."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[int] = []
        real = x509.load_der_x509_crl

        def load(data: bytes, *rest: Any) -> Any:
            self.threads.append(threading.get_ident())
            return real(data, *rest)

        monkeypatch.setattr("iso15118.pki.status.crl.x509.load_der_x509_crl", load)


def judged(pki: IssuedPki, policy: RevocationPolicy) -> Any:
    return peer_verifier(
        role="secc",
        anchors_der=[pki.v2g_root],
        anchor_role="V2G",
        clock=lambda: NOW,
        edition="iso20",
        revocation=policy,
    )


SOURCES = ["store", "changed store", "fetched", "policy"]


@pytest.mark.parametrize("source", SOURCES)
def test_who_judges_a_peer_reads_no_list(
    pki: IssuedPki, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = SOURCES.index(source)  # nobody has seen these yet
    lists = [listing(pki, by, number=number) for by in ("cpo-sub2", "cpo-sub1", "v2g-root")]
    store = Store(tmp_path)
    if source != "changed store":
        for place, der in enumerate(lists):
            store.add_crl(f"list-{place}", der)
    evidence = Evidence(store if "store" in source else None)
    if source == "changed store":
        for place, der in enumerate(lists):
            store.add_crl(f"list-{place}", der)
        evidence.refresh()
    for der in lists if source == "fetched" else ():
        evidence.add_list(f"http://ca/{len(der)}-{der[-4:].hex()}", der)
    policy = RevocationPolicy(crls=lambda: lists) if source == "policy" else evidence.policy("all")
    verifier = judged(pki, policy)
    reads = Reads(monkeypatch)
    assert verifier.verdict(list(pki.secc.chain)).ok
    assert reads.threads == []


def test_every_signature_of_the_profiles_is_verified(pki: IssuedPki) -> None:
    good, by = listing(pki), pki.certificates["cpo-sub2"]
    leaf = pki.secc.chain[0]

    def status(der: bytes, issuer: bytes = by) -> list[str]:
        return [one.code for one in verify_crl(der, certificate_der=leaf, issuer_der=issuer, at=NOW)[1]]

    assert status(good) == []
    assert status(good[:-1] + bytes([good[-1] ^ 1])) == ["crl-signature"]
    at = good.index((10**18 + 7).to_bytes(8, "big"))
    assert status(good[: at + 7] + bytes([good[at + 7] ^ 0x40]) + good[at + 8 :]) == ["crl-signature"]
    other = PKIS["ed448" if pki is PKIS["p521"] else "p521"]
    assert status(good, other.certificates["cpo-sub2"]) in (["crl-signature"], ["crl-issuer"])


def test_two_algorithms_in_one_list_are_none(pki: IssuedPki) -> None:
    """The one beside the signature is not signed: whoever changes it must not choose what is verified."""
    good = listing(pki)
    oid = bytes.fromhex("2b6571" if pki is PKIS["ed448"] else "2a8648ce3d040304")
    assert good.count(oid) == 2
    other = bytes.fromhex("2b6570" if pki is PKIS["ed448"] else "2a8648ce3d040303")
    last = good.rindex(oid)
    changed = good[:last] + other + good[last + len(oid) :]
    codes = [
        one.code
        for one in verify_crl(
            changed,
            certificate_der=pki.secc.chain[0],
            issuer_der=pki.certificates["cpo-sub2"],
            at=NOW,
        )[1]
    ]
    assert codes in (["crl-malformed"], ["crl-signature"])


@pytest.mark.parametrize("junk", [b"", b"\x30\x00", b"no list", b"\x30\x84\xff\xff\xff\xff"])
def test_what_is_no_list_is_said_when_it_is_judged(junk: bytes) -> None:
    read_ahead(junk)
    pki = PKIS["ed448"]
    found = verify_crl(
        junk, certificate_der=pki.secc.chain[0], issuer_der=pki.certificates["cpo-sub2"], at=NOW
    )
    assert [one.code for one in found[1]] == ["crl-malformed"]
