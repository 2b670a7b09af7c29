"""OCSP responses in TLS 1.3: one for each certificate, judged in the handshake; and what a station
knows of vehicles by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509

from iso15118.pki import IssuedPki, peer_verifier
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.crl import crl
from iso15118.pki.status.revocation import RevocationPolicy, placed
from iso15118.tls import ISO20, TlsContext

from .evidence import Stapler, judge_stations
from .rig import NOW, car, issued, joined, refused, station

NAMES = ("secc", "cpo-sub2", "cpo-sub1")


def stapling(pki: IssuedPki, script: dict[str, str] | None = None) -> TlsContext:
    return TlsContext(
        ISO20,
        role="server",
        identities=[pki.secc],
        anchors=[pki.oem_root],
        verify=lambda *_: None,
        staples=Stapler(pki, script),
    )


def demanding(pki: IssuedPki, demand: str = "all", **policy: Any) -> TlsContext:
    return car(pki, verify=judge_stations([pki.v2g_root], demand=demand, **policy))


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
def test_one_response_for_each_certificate_is_stapled_and_judged(algorithm: str) -> None:
    """[V2G20-2388]"""
    pki = issued(algorithm)
    client, _ = joined(demanding(pki), stapling(pki))
    assert client.info is not None
    assert client.info.staples == tuple(Stapler(pki)(pki.secc.chain)) or len(client.info.staples) == 3
    assert client.info.anchor == pki.v2g_root


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("answer", "alert"),
    [
        ("revoked", "certificate_revoked"),
        ("unknown", "certificate_unknown"),
        ("stale", "bad_certificate"),
        ("wrong-signer", "bad_certificate"),
        ("try-later", "bad_certificate"),
        ("missing", "certificate_unknown"),
    ],
)
def test_a_response_that_is_not_good_refuses_the_station(name: str, answer: str, alert: str) -> None:
    """[V2G20-1240] Whichever certificate of the chain it is about."""
    pki = issued()
    client, server, errors = refused(demanding(pki), stapling(pki, {name: answer}))
    assert not client.handshake_complete
    assert server.alert_received == alert == client.alert_sent
    assert errors[0].reason.startswith("secc certificates: ")


def test_no_response_at_all_is_refused_where_they_are_demanded() -> None:
    pki = issued()
    client, _, errors = refused(demanding(pki), station(pki))
    assert client.alert_sent == "certificate_unknown"
    assert "nothing says whether it is revoked" in errors[0].reason


def test_what_is_known_counts_where_nothing_is_demanded() -> None:
    pki = issued()
    joined(demanding(pki, "none"), station(pki))
    joined(demanding(pki, "leaf"), stapling(pki, {"cpo-sub1": "missing", "cpo-sub2": "missing"}))
    client, *_ = refused(demanding(pki, "none"), stapling(pki, {"cpo-sub1": "revoked"}))
    assert client.alert_sent == "certificate_revoked"


def test_a_response_is_good_for_a_week_at_most() -> None:
    """[V2G20-1021]"""
    pki = issued()
    joined(demanding(pki, longest=timedelta(days=3)), stapling(pki))
    client, *_ = refused(demanding(pki, longest=timedelta(days=2)), stapling(pki))
    assert client.alert_sent == "bad_certificate"


def test_nothing_is_stapled_for_a_car_that_does_not_ask() -> None:
    pki = issued()
    source = Stapler(pki)
    server = TlsContext(
        ISO20,
        role="server",
        identities=[pki.secc],
        anchors=[pki.oem_root],
        verify=lambda *_: None,
        staples=source,
    )
    client, _ = joined(car(pki, msgspec.structs.replace(ISO20, status_request=False)), server)
    assert client.info is not None
    assert client.info.staples == ()
    assert source.asked == 0


def test_a_source_that_fails_staples_nothing_and_is_heard_of(caplog: pytest.LogCaptureFixture) -> None:
    def broken(chain: Sequence[bytes]) -> list[bytes | None]:
        raise OSError("the disk is gone")

    pki = issued()
    server = TlsContext(
        ISO20,
        role="server",
        identities=[pki.secc],
        anchors=[pki.oem_root],
        verify=lambda *_: None,
        staples=broken,
    )
    client, _ = joined(demanding(pki, "none"), server)
    assert client.info is not None
    assert client.info.staples == ()
    assert "their source failed" in caplog.text


def test_a_source_may_answer_differently_after_a_refresh() -> None:
    pki = issued()
    said: list[dict[str, str]] = [{}]

    def by_now(chain: Sequence[bytes]) -> list[bytes | None]:
        return Stapler(pki, said[0])(chain)

    server = TlsContext(
        ISO20,
        role="server",
        identities=[pki.secc],
        anchors=[pki.oem_root],
        verify=lambda *_: None,
        staples=by_now,
    )
    joined(demanding(pki), server)
    said[0] = {"secc": "revoked"}
    assert refused(demanding(pki), server)[0].alert_sent == "certificate_revoked"


def test_responses_without_gaps_find_their_certificates() -> None:
    """OpenSSL tells which responses came, and not for which place of the chain."""
    pki = issued()
    chain = pki.secc.chain
    leaf, sub2, sub1 = Stapler(pki)(chain)
    assert leaf is not None
    assert sub2 is not None
    assert sub1 is not None
    assert placed([], chain) == (None, None, None)
    assert placed([sub2], chain) == (None, sub2, None)
    assert placed([leaf, sub1], chain) == (leaf, None, sub1)
    assert placed([sub1, sub2, leaf], chain) == (
        sub1,
        sub2,
        leaf,
    )  # judged as they are: about other certificates
    assert placed([b"garbage", sub1], chain) == (b"garbage", None, sub1)
    (vehicle, *_) = Stapler(pki)(pki.vehicle.chain)
    assert vehicle is not None
    assert placed([vehicle], chain) == (vehicle, None, None)
    assert placed([leaf] * 9, chain) == (leaf, leaf, leaf)


# -- vehicles, which staple nothing
# -----------------------------------------------------------------------------------


def serial(der: bytes) -> int:
    return x509.load_der_x509_certificate(der).serial_number


def root_list(pki: IssuedPki, *revoked: str) -> list[bytes]:
    """The list of the OEM root. Sub-CAs of vehicles sign none: their key usage does not have it."""
    made = crl(
        pki.oem_root,
        load_key(pki.keys["oem-root"]),
        last_update=NOW - timedelta(days=1),
        next_update=NOW + timedelta(days=1),
        revoked=[serial(pki.certificates[name]) for name in revoked],
    )
    return [made]


def checking(pki: IssuedPki, policy: RevocationPolicy) -> TlsContext:
    verify = peer_verifier(
        role="vehicle",
        anchors_der=[pki.oem_root],
        anchor_role="OEM",
        clock=lambda: NOW,
        edition="iso20",
        revocation=policy,
    )
    return station(pki, verify=verify)


def test_a_station_judges_vehicles_by_its_revocation_lists() -> None:
    """[V2G20-2443, V2G20-2457] For a certificate without a response."""
    pki = issued()
    responses = Stapler(pki, {"vehicle-sub1": "missing"})
    policy = RevocationPolicy(responses=responses, crls=lambda: root_list(pki))
    joined(car(pki), checking(pki, policy))
    policy = RevocationPolicy(responses=responses, crls=lambda: root_list(pki, "vehicle-sub1"))
    _, server, _ = refused(car(pki), checking(pki, policy))
    assert server.alert_sent == "certificate_revoked"


def test_a_station_judges_vehicles_by_responses_that_it_has_fetched() -> None:
    """[V2G20-2448]"""
    pki = issued()
    joined(car(pki), checking(pki, RevocationPolicy(responses=Stapler(pki))))
    for name, answer, alert in (
        ("vehicle", "revoked", "certificate_revoked"),
        ("vehicle-sub2", "unknown", "certificate_unknown"),
        ("vehicle-sub1", "missing", "certificate_unknown"),
    ):
        policy = RevocationPolicy(responses=Stapler(pki, {name: answer}))
        _, server, _ = refused(car(pki), checking(pki, policy))
        assert server.alert_sent == alert


def test_a_station_that_knows_nothing_may_be_told_to_let_vehicles_in() -> None:
    pki = issued()
    joined(car(pki), checking(pki, RevocationPolicy(demand="none")))
    _, server, _ = refused(car(pki), checking(pki, RevocationPolicy()))
    assert server.alert_sent == "certificate_unknown"


def test_what_a_station_staples_says_nothing_about_the_vehicle() -> None:
    pki = issued()
    verify = peer_verifier(
        role="vehicle",
        anchors_der=[pki.oem_root],
        anchor_role="OEM",
        clock=lambda: NOW,
        edition="iso20",
        revocation=RevocationPolicy(demand="none"),
    )
    server = TlsContext(
        ISO20,
        role="server",
        identities=[pki.secc],
        anchors=[pki.oem_root],
        verify=verify,
        staples=Stapler(pki),
    )
    client, theirs = joined(demanding(pki), server)
    assert client.info is not None
    assert len(client.info.staples) == 3
    assert theirs.info is not None
    assert theirs.info.staples == ()
