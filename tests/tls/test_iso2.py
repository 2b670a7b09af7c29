"""TLS 1.2 of ISO 15118-2: what is agreed, how the vehicle names its roots, which chain it gets, and the
OCSP response of the leaf."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from iso15118.errors import TlsError
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.tls import DUAL, ISO2, ISO20, TlsConnection, TlsContext, TlsProfile
from iso15118.tls.client_hello import parse_client_hello
from iso15118.tls.trusted_ca_keys import IdentifierType, trusted_ca_keys

from .evidence import Stapler, judge_stations
from .rig import NOW, issued, joined, refused, shake

PKI = issued("p256", None, "iso2")


def station2(
    *pkis: IssuedPki, profile: TlsProfile = ISO2, staples: Stapler | None = None, roots: bool = True
) -> TlsContext:
    return TlsContext(
        profile,
        role="server",
        identities=[pki.secc for pki in pkis],
        roots=[pki.v2g_root for pki in pkis] if roots else (),
        staples=staples,
        verify=None,
    )


def car2(
    *trusted: IssuedPki, profile: TlsProfile = ISO2, edition: str = "iso2", demand: str = "none"
) -> TlsContext:
    anchors = [pki.v2g_root for pki in trusted]
    return TlsContext(
        profile,
        role="client",
        anchors=anchors,
        verify=judge_stations(anchors, edition=edition, demand=demand),
    )


def other(name: str) -> IssuedPki:
    return issue_test_pki("iso2", "p256", at=NOW, organization=name)


def test_only_the_station_is_authenticated_and_the_lists_are_those_of_the_edition() -> None:
    client, server = joined(car2(PKI), station2(PKI))
    for end in (client, server):
        info = end.info
        assert info is not None
        assert (info.version, info.edition) == ("TLSv1.2", "iso2")
        assert info.cipher == "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"
        assert (info.group, info.server_signature) == ("secp256r1", "ecdsa_secp256r1_sha256")
        assert not info.client_certificate
    assert client.info is not None
    assert client.info.peer_chain == PKI.secc.chain
    assert client.info.anchor == PKI.v2g_root
    assert server.info is not None
    assert server.info.peer_chain == ()
    assert server.receive_data(client.encrypt(b"hello")) == b"hello"
    assert client.receive_data(server.encrypt(b"back")) == b"back"


def test_the_vehicle_offers_nothing_but_the_edition_and_names_its_roots() -> None:
    hello = parse_client_hello(car2(PKI).connect().data_to_send())
    assert hello is not None
    assert hello.versions == ("TLSv1.2",)
    assert [suite for suite in hello.cipher_suites if "WITH" in suite] == list(ISO2.cipher_suites)
    assert (hello.groups, hello.signature_schemes) == (("secp256r1",), ("ecdsa_secp256r1_sha256",))
    assert [one.kind for one in hello.trusted_ca_keys] == [IdentifierType.CERT_SHA1_HASH]
    assert hello.trusted_ca_keys[0].names(PKI.v2g_root)
    assert hello.status_request
    assert hello.objections() == ()


@pytest.mark.parametrize("kind", ["cert_sha1_hash", "key_sha1_hash", "x509_name"])
def test_the_chain_under_a_named_root_is_presented(kind: str) -> None:
    """[V2G2-871]"""
    pkis = [PKI, other("Second"), other("Third")]
    server = station2(*pkis)
    profile = msgspec.structs.replace(ISO2, trusted_ca_keys=kind)
    for pki in pkis:
        client, theirs = joined(car2(pki, profile=profile), server)
        assert client.info is not None
        assert client.info.peer_chain == pki.secc.chain
        assert client.info.anchor == pki.v2g_root
        assert theirs.info is not None
        (named,) = theirs.info.trusted_authorities
        assert named.kind is IdentifierType[kind.upper()]
        assert named.names(pki.v2g_root)


def test_of_several_named_roots_our_first_chain_counts() -> None:
    second, third = other("Second"), other("Third")
    client, _ = joined(car2(third, second), station2(PKI, second, third))
    assert client.info is not None
    assert client.info.peer_chain == second.secc.chain


def test_another_chain_is_presented_where_none_of_the_named_roots_fits() -> None:
    """[V2G2-923] The vehicle judges it."""
    client, server, _ = refused(car2(other("Second")), station2(PKI))
    assert client.alert_sent == server.alert_received == "unknown_ca"


def test_a_vehicle_that_names_nothing_gets_the_first_chain() -> None:
    silent = msgspec.structs.replace(ISO2, trusted_ca_keys=None)
    client, server = joined(car2(PKI, profile=silent), station2(PKI, other("Second")))
    assert client.info is not None
    assert client.info.peer_chain == PKI.secc.chain
    assert server.info is not None
    assert server.info.trusted_authorities == ()


def with_extension(hello: bytes, data: bytes) -> bytes:
    """The same ClientHello with other data in trusted_ca_keys."""
    good = trusted_ca_keys([PKI.v2g_root])
    old = b"\x00\x03" + len(good).to_bytes(2, "big") + good
    assert hello.count(old) == 1
    changed = hello.replace(old, b"\x00\x03" + len(data).to_bytes(2, "big") + data)
    grown = len(changed) - len(hello)
    at = changed.index(b"\x00\x03" + len(data).to_bytes(2, "big") + data)
    body = bytearray(changed)

    def add(place: int, octets: int) -> None:
        value = int.from_bytes(body[place : place + octets], "big") + grown
        body[place : place + octets] = value.to_bytes(octets, "big")

    add(3, 2)
    add(6, 3)
    extensions = 9 + 2 + 32
    extensions += 1 + body[extensions]
    extensions += 2 + int.from_bytes(body[extensions : extensions + 2], "big")
    extensions += 1 + body[extensions]
    assert extensions < at
    add(extensions, 2)
    return bytes(body)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        trusted_ca_keys([PKI.v2g_root])[2:],
        b"\x00\x15\x03" + bytes(19),
        b"\x00\x01\x09",
        b"\x00\x03\x02\xff\xff",
    ],
    ids=["empty", "no length prefix", "cut short", "unknown type", "name beyond the end"],
)
def test_malformed_trusted_ca_keys_are_refused(data: bytes) -> None:
    server = station2(PKI).connect()
    with pytest.raises(TlsError, match="trusted_ca_keys") as caught:
        server.receive_data(with_extension(car2(PKI).connect().data_to_send(), data))
    assert caught.value.alert == server.alert_sent == "decode_error"


@pytest.mark.parametrize("data", [b"\x00\x00", b"\x00\x01\x00"], ids=["no entries", "pre-agreed"])
def test_trusted_ca_keys_that_name_nobody_leave_the_choice(data: bytes) -> None:
    server = station2(PKI, other("Second")).connect()
    server.receive_data(with_extension(car2(PKI).connect().data_to_send(), data))
    assert PKI.secc.chain[0] in server.data_to_send()


def test_several_chains_need_something_to_choose_by() -> None:
    with pytest.raises(TlsError, match="roots="):
        station2(PKI, other("Second"), roots=False)


def test_static_ecdh_is_a_limit_with_a_name() -> None:
    both = (*ISO2.cipher_suites, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256")
    with pytest.raises(TlsError, match="no static ECDH"):
        station2(PKI, profile=msgspec.structs.replace(ISO2, cipher_suites=both))


# -- the OCSP response of the leaf
# ----------------------------------------------------------------------------------


def test_the_leafs_response_is_stapled_and_judged() -> None:
    """[V2G2-873]"""
    client, server = joined(car2(PKI, demand="all"), station2(PKI, staples=Stapler(PKI)))
    assert client.info is not None
    assert len(client.info.staples) == 1
    assert server.info is not None


def test_a_missing_response_is_refused() -> None:
    """[V2G2-875]"""
    client, server, errors = refused(car2(PKI, demand="all"), station2(PKI))
    assert client.alert_sent == server.alert_received == "bad_certificate_status_response"
    assert "nothing says whether it is revoked" in errors[0].reason


@pytest.mark.parametrize("answer", ["revoked", "unknown", "stale", "wrong-signer", "try-later"])
def test_a_bad_response_is_refused(answer: str) -> None:
    client, server, errors = refused(
        car2(PKI, demand="all"), station2(PKI, staples=Stapler(PKI, {"secc": answer}))
    )
    assert client.alert_sent == server.alert_received == "bad_certificate_status_response"
    assert errors[0].reason.startswith("secc certificates: ")
    assert not client.handshake_complete


def test_the_vehicle_may_do_without() -> None:
    joined(car2(PKI, demand="none"), station2(PKI))


# -- vehicles of both editions
# ----------------------------------------------------------------------------------------


def dual(pki: IssuedPki, *trusted: IssuedPki) -> TlsContext:
    anchors = [one.v2g_root for one in trusted]
    return TlsContext(
        DUAL,
        role="client",
        identities=[pki.vehicle],
        anchors=anchors,
        verify=judge_stations(anchors, edition="iso20", older_edition="iso2"),
    )


def test_a_vehicle_of_both_editions_takes_the_newer_one_where_it_can() -> None:
    """[V2G20-2062]"""
    new = issued()
    server = TlsContext(ISO20, role="server", identities=[new.secc], anchors=[new.oem_root], verify=accept)
    for station, version in ((server, "TLSv1.3"), (station2(PKI), "TLSv1.2")):
        client, _ = joined(dual(new, new, PKI), station)
        assert client.info is not None
        assert client.info.version == version


def accept(chain: list[bytes], staples: list[bytes] | None, version: str) -> None:
    return None


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"groups": ("secp256r1",)}, "group secp256r1 is outside the profile"),
        ({"cipher_suites": ("TLS_AES_128_GCM_SHA256",)}, ""),
    ],
)
def test_what_one_edition_allows_is_not_allowed_in_the_other(
    lists: dict[str, Sequence[str]], said: str
) -> None:
    new = issued()
    loose = msgspec.structs.replace(ISO20, **lists)
    server = TlsContext(loose, role="server", identities=[new.secc], anchors=[new.oem_root], verify=accept)
    client = dual(new, new, PKI).connect()
    errors = shake(client, server.connect())
    assert not client.handshake_complete
    assert any(said in error.reason for error in errors)


def test_a_p256_station_is_refused_on_tls13() -> None:
    loose = msgspec.structs.replace(ISO20, signature_schemes=("ecdsa_secp256r1_sha256",))
    server = TlsContext(loose, role="server", identities=[PKI.secc], anchors=[PKI.v2g_root], verify=accept)
    client: TlsConnection = dual(issued(), PKI).connect()
    shake(client, server.connect())
    assert not client.handshake_complete
