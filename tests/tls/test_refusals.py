"""Handshakes that must fail, the alert that the other side sees, and bytes that are no TLS at all."""

from __future__ import annotations

import random
from typing import Any, Literal

import msgspec
import pytest

from iso15118.errors import ConfigError, TlsError
from iso15118.pki import Credential, issue_test_pki, load_profile
from iso15118.pki.chain.profiles import PkiProfile
from iso15118.tls import ISO20, LAB, TlsConnection, TlsContext, TlsProfile

from .rig import NOW, car, issued, joined, refused, shake, station, strangers

WRONG_PROFILES = {
    "TLS 1.2 only": (
        msgspec.structs.replace(
            LAB,
            min_version="TLSv1.2",
            max_version="TLSv1.2",
            cipher_suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",),
        ),
        "protocol_version",
    ),
    "only AES-128": (
        msgspec.structs.replace(LAB, cipher_suites=("TLS_AES_128_GCM_SHA256",)),
        "handshake_failure",
    ),
    "only secp256r1": (msgspec.structs.replace(LAB, groups=("secp256r1",)), "handshake_failure"),
    "only P-256 signatures": (
        msgspec.structs.replace(LAB, signature_schemes=("ecdsa_secp256r1_sha256",)),
        "handshake_failure",
    ),
}


@pytest.mark.parametrize("name", WRONG_PROFILES)
def test_a_car_outside_the_profile_is_refused(name: str) -> None:
    profile, alert = WRONG_PROFILES[name]
    pki = issued()
    client, server, errors = refused(car(pki, profile), station(pki))
    assert server.alert_sent == client.alert_received == alert
    assert {error.alert for error in errors} == {alert}
    assert not client.handshake_complete
    assert not server.handshake_complete


@pytest.mark.parametrize("name", WRONG_PROFILES)
def test_a_station_outside_the_profile_is_refused(name: str) -> None:
    profile, alert = WRONG_PROFILES[name]
    pki = issued()
    lab = issued("p256", None, "lab")
    identities = [lab.secc] if name == "only P-256 signatures" else [pki.secc]
    client, server, _ = refused(car(pki), station(pki, profile, identities=identities))
    assert not client.handshake_complete
    assert not server.handshake_complete
    # Whoever notices first says so: a station of TLS 1.2 only cannot even read our versions.
    assert server.alert_sent == client.alert_received == alert


def test_a_car_without_certificate_is_refused() -> None:
    """[V2G20-1264]"""
    pki = issued()
    client, server, errors = refused(car(pki, identities=[]), station(pki))
    assert client.alert_received == server.alert_sent == "certificate_required"
    assert not server.handshake_complete
    assert any(error.reason == "the peer refused: certificate required" for error in errors)


def swapped(**changes: object) -> PkiProfile:
    """The iso20 profile with changed rows: name=(field, value)."""
    profile = load_profile("iso20")
    rows = dict(profile.certificates)
    for name, change in changes.items():
        assert isinstance(change, dict)
        rows[name.replace("_", "-")] = msgspec.structs.replace(rows[name.replace("_", "-")], **change)
    return msgspec.structs.replace(profile, certificates=rows)


BAD_VEHICLES = {
    "expired": (swapped(vehicle={"valid_days": -0.5}), "certificate_expired"),
    "expired Sub-CA": (swapped(vehicle_sub2={"valid_days": -0.5}), "certificate_expired"),
    "domain component of a provisioning certificate": (
        swapped(vehicle={"domain_component": "OEM"}),
        "bad_certificate",
    ),
    "no domain component": (swapped(vehicle={"domain_component": None}), "bad_certificate"),
    "only serverAuth": (swapped(vehicle={"extended_key_usage": ("serverAuth",)}), "unsupported_certificate"),
    "no EVCCID": (swapped(vehicle={"common_name": "Car"}), "bad_certificate"),
    "no digitalSignature": (swapped(vehicle={"key_usage": ("keyAgreement",)}), "unsupported_certificate"),
    "Sub-CA that is none": (swapped(vehicle_sub2={"ca": False, "path_length": None}), "unknown_ca"),
    "no OCSP responder": (swapped(vehicle={"ocsp": False}), "bad_certificate"),
}


@pytest.mark.parametrize("name", BAD_VEHICLES)
def test_a_bad_vehicle_certificate_is_refused_by_name(name: str) -> None:
    profile, alert = BAD_VEHICLES[name]
    pki = issue_test_pki(at=NOW, profile=profile)
    client, server, errors = refused(car(pki), station(pki))
    assert server.alert_sent == client.alert_received == alert
    assert not server.handshake_complete
    assert any(error.reason.startswith("vehicle certificates: ") for error in errors)
    with pytest.raises(TlsError):
        client.receive_data(b"")


def test_a_station_certificate_of_a_wrong_role_is_refused() -> None:
    pki = issue_test_pki(at=NOW, profile=swapped(secc={"domain_component": "CPS"}))
    client, server, errors = refused(car(pki), station(pki))
    assert client.alert_sent == server.alert_received == "bad_certificate"
    assert "CPS, not CPO" in errors[0].reason
    assert not client.handshake_complete
    assert not server.handshake_complete


def test_a_vehicle_certificate_makes_no_station() -> None:
    pki = issued()
    client, server, _ = refused(
        car(pki, anchors=[pki.oem_root, pki.v2g_root]), station(pki, identities=[pki.vehicle])
    )
    assert client.alert_sent == server.alert_received == "unknown_ca"


def test_an_unknown_root_is_refused() -> None:
    pki = issued()
    client, server, _ = refused(car(pki, identities=[strangers(pki)]), station(pki))
    assert server.alert_sent == client.alert_received == "unknown_ca"


def test_a_missing_sub_ca_is_refused() -> None:
    pki = issued()
    short = Credential(chain=(pki.vehicle.chain[0], pki.vehicle.chain[2]), key=pki.vehicle.key)
    _, server, _ = refused(car(pki, identities=[short]), station(pki))
    assert server.alert_sent == "unknown_ca"


def test_a_flood_of_certificates_is_refused() -> None:
    pki = issued()
    leaf, sub2, sub1 = pki.vehicle.chain
    for count, alert in ((8, "bad_certificate"), (150, "illegal_parameter")):
        flood = Credential(chain=(leaf, sub2, *[sub1] * (count - 1)), key=pki.vehicle.key)
        client, server, _ = refused(car(pki, identities=[flood]), station(pki))
        assert server.alert_sent == client.alert_received == alert


def test_sub_cas_in_another_order_are_accepted() -> None:
    pki = issued()
    leaf, sub2, sub1 = pki.vehicle.chain
    joined(car(pki, identities=[Credential(chain=(leaf, sub1, sub2), key=pki.vehicle.key)]), station(pki))


def raises(chain: list[bytes], staples: list[bytes] | None, version: str) -> tuple[str, str] | None:
    raise RuntimeError("the trust store is on fire")


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (raises, "on fire"),
        (lambda *_: "bad_certificate", "the chain check failed"),
        (lambda *_: True, "the chain check failed"),
        (lambda *_: ("no_such_alert", "odd"), "odd"),
    ],
)
def test_a_broken_check_accepts_nobody(check: object, said: str) -> None:
    pki = issued()
    client, server, errors = refused(car(pki), station(pki, verify=check))  # type: ignore[arg-type]
    assert server.alert_sent == client.alert_received == "internal_error"
    assert any(said in error.reason for error in errors)
    assert not server.handshake_complete


@pytest.mark.parametrize(
    "alert",
    [
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
        "decrypt_error",
        "handshake_failure",
        "internal_error",
    ],
)
def test_a_check_chooses_the_alert(alert: str) -> None:
    pki = issued()
    client, server, errors = refused(
        car(pki), station(pki, verify=lambda chain, staples, version: (alert, "my reason"))
    )
    assert server.alert_sent == client.alert_received == alert
    assert errors[0].reason == "my reason"
    assert errors[0].alert == alert


def test_a_certificate_without_its_key_cannot_even_be_configured() -> None:
    pki = issued()
    with pytest.raises(TlsError, match="chain and key"):
        station(pki, identities=[Credential(chain=pki.secc.chain, key=pki.vehicle.key)])


@pytest.mark.parametrize(
    "profile",
    [
        msgspec.structs.replace(ISO20, groups=("secp521r1", "no_such_group")),
        msgspec.structs.replace(ISO20, groups=("?x25519",)),
        msgspec.structs.replace(ISO20, groups=()),
        msgspec.structs.replace(ISO20, cipher_suites=(*ISO20.cipher_suites, "TLS_NO_SUCH_SUITE")),
        msgspec.structs.replace(ISO20, cipher_suites=("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",)),
        msgspec.structs.replace(ISO20, signature_schemes=("ed448", "no_such_scheme")),
        msgspec.structs.replace(ISO20, min_version="TLSv1.2"),
        msgspec.structs.replace(
            ISO20, cipher_suites=("TLS_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
        ),
        msgspec.structs.replace(
            ISO20, min_version="TLSv1.2", cipher_suites=("TLS_AES_256_GCM_SHA384", "TLS_NO_SUCH_WITH_NULL")
        ),
        # Static ECDH is in -2, and no longer in OpenSSL.
        msgspec.structs.replace(
            ISO20,
            min_version="TLSv1.2",
            cipher_suites=("TLS_AES_256_GCM_SHA384", "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256"),
        ),
    ],
)
def test_a_profile_that_cannot_be_enforced_is_an_error(profile: TlsProfile) -> None:
    with pytest.raises(TlsError):
        station(issued(), profile)


def test_nothing_is_accepted_without_a_check() -> None:
    pki = issued()
    roles: tuple[Literal["server", "client"], ...] = ("server", "client")
    for role in roles:
        with pytest.raises(TlsError, match="no check"):
            TlsContext(ISO20, role=role, identities=[pki.secc], verify=None)
    with pytest.raises(TlsError, match="needs a certificate chain"):
        station(pki, identities=[])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_certificate", "Required"),
        ("client_certificate", None),
        ("min_version", "TLSv1.1"),
        ("certificate_authorities", "no"),
        ("status_request", 0),
        ("max_fragment_length", 1000),
        ("trusted_ca_keys", "sha1"),
        ("groups", "secp521r1"),
        ("edition", "iso99"),
        ("older", "iso2"),
    ],
)
def test_a_field_of_a_profile_that_is_none_is_named(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as told:
        msgspec.structs.replace(ISO20, **{field: value})
    assert told.value.key == f"profile.{field}"


@pytest.mark.parametrize(("name", "value"), [("profile", "iso20"), ("verify", True), ("role", "Server")])
def test_an_argument_that_is_none_is_named_before_anybody_connects(name: str, value: object) -> None:
    given: dict[str, Any] = {"profile": ISO20, "role": "server", "verify": raises, name: value}
    with pytest.raises(ConfigError) as told:
        TlsContext(given.pop("profile"), identities=[issued().secc], **given)
    assert told.value.key == name


NO_KEY = b"-----BEGIN %s-----\nxx\n" % b"PRIVATE KEY"


@pytest.mark.parametrize("key", [b"", b"\x30\x03\x02\x01\x00", NO_KEY])
def test_an_unreadable_key_is_an_error(key: bytes) -> None:
    pki = issued()
    with pytest.raises(TlsError, match="private key"):
        station(pki, identities=[Credential(chain=pki.secc.chain, key=key)])


def test_garbage_is_refused_or_waits_for_more() -> None:
    pki = issued()
    generator = random.Random(1)
    for _ in range(300):
        server = station_end(pki_server)
        data = generator.randbytes(generator.randrange(5, 400))
        try:
            assert server.receive_data(data) == b""
        except TlsError:
            with pytest.raises(TlsError):
                server.receive_data(b"more")
        assert not server.handshake_complete
    plain = station(pki).connect()
    with pytest.raises(TlsError):
        plain.receive_data(b"\x01\xfe\x80\x01\x00\x00\x00\x10" + bytes(16))  # V2GTP on the TLS port


pki_server = station(issued())


def station_end(context: TlsContext) -> TlsConnection:
    return context.connect()


def test_every_flipped_bit_of_a_client_hello_is_survived() -> None:
    hello = car(issued()).connect().data_to_send()
    generator = random.Random(2)
    for position in generator.sample(range(len(hello) * 8), 400):
        data = bytearray(hello)
        data[position // 8] ^= 1 << position % 8
        server = station_end(pki_server)
        try:
            server.receive_data(bytes(data))
        except TlsError:
            assert server.alert_sent is not None
        assert not server.handshake_complete


def test_every_truncation_of_a_client_hello_waits() -> None:
    hello = car(issued()).connect().data_to_send()
    for length in range(0, len(hello), 7):
        server = station_end(pki_server)
        assert server.receive_data(hello[:length]) == b""
        assert server.data_to_send() == b""
        with pytest.raises(TlsError, match="during the handshake"):
            server.eof_received()


def test_an_altered_record_ends_the_connection() -> None:
    pki = issued()
    client, server = joined(car(pki), station(pki))
    record = bytearray(client.encrypt(b"energy"))
    record[-1] ^= 1
    with pytest.raises(TlsError) as caught:
        server.receive_data(bytes(record))
    assert caught.value.alert == server.alert_sent == "bad_record_mac"
    with pytest.raises(TlsError) as seen:
        client.receive_data(server.data_to_send())
    assert seen.value.alert == client.alert_received == "bad_record_mac"
    for end in (client, server):
        with pytest.raises(TlsError):
            end.send_data(b"x")


def test_a_replayed_record_ends_the_connection() -> None:
    pki = issued()
    client, server = joined(car(pki), station(pki))
    record = client.encrypt(b"once")
    assert server.receive_data(record) == b"once"
    with pytest.raises(TlsError):
        server.receive_data(record)


def test_an_oversize_record_is_refused() -> None:
    pki = issued()
    _, server = joined(car(pki), station(pki))
    with pytest.raises(TlsError) as caught:
        server.receive_data(b"\x17\x03\x03" + (17000).to_bytes(2, "big") + bytes(17000))
    assert caught.value.alert == "record_overflow"


def test_plaintext_after_the_handshake_is_refused() -> None:
    pki = issued()
    _, server = joined(car(pki), station(pki))
    with pytest.raises(TlsError):
        server.receive_data(b"\x17\x03\x03\x00\x05hello")


def test_a_refused_pair_stays_refused() -> None:
    pki = issued()
    client, server, _ = refused(car(pki, identities=[]), station(pki))
    assert shake(client, server) == []
    for end in (client, server):
        with pytest.raises(TlsError):
            end.receive_data(b"")
        with pytest.raises(TlsError):
            end.eof_received()
