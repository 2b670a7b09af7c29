"""Handshakes that succeed: algorithms of either side, what they agree on, and data both ways."""

from __future__ import annotations

import msgspec
import pytest

from iso15118.errors import MisuseError, TlsError
from iso15118.pki import issue_test_pki
from iso15118.tls import DUAL, ISO2, ISO20, LAB, PROFILES

from .rig import NOW, car, issued, joined, shake, station

SCHEMES = {"p521": "ecdsa_secp521r1_sha512", "ed448": "ed448", "p256": "ecdsa_secp256r1_sha256"}


@pytest.mark.parametrize("secc", ["p521", "ed448"])
@pytest.mark.parametrize("vehicle", ["p521", "ed448"])
def test_both_algorithms_work_on_either_side(secc: str, vehicle: str) -> None:
    pki = issued(secc, vehicle)
    client, server = joined(car(pki), station(pki))
    for end in (client, server):
        info = end.info
        assert info is not None
        assert (info.version, info.cipher, info.group) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "secp521r1")
        assert (info.server_signature, info.client_signature) == (SCHEMES[secc], SCHEMES[vehicle])
        assert info.client_certificate
        assert info.profile == "iso20"
        assert info.deviations == ()
    assert client.info is not None
    assert server.info is not None
    assert client.info.peer_chain == pki.secc.chain
    assert server.info.peer_chain == pki.vehicle.chain


def test_data_flows_both_ways_in_records_of_any_size() -> None:
    pki = issued()
    client, server = joined(car(pki), station(pki))
    for size in (1, 100, 16384, 16385, 100_000):
        data = bytes(range(256)) * (size // 256 + 1)
        assert server.receive_data(client.encrypt(data[:size])) == data[:size]
        server.send_data(data[:size])
        assert client.receive_data(server.data_to_send()) == data[:size]
    assert client.encrypt(b"") == b""
    assert server.receive_data(b"") == b""


def test_a_byte_at_a_time_makes_no_difference() -> None:
    pki = issued()
    client, server = car(pki).connect(), station(pki).connect()
    assert shake(client, server, piece=1) == []
    assert server.handshake_complete
    record = client.encrypt(b"one") + client.encrypt(b"two")
    assert b"".join(server.receive_data(record[n : n + 1]) for n in range(len(record))) == b"onetwo"


def test_data_right_behind_the_handshake_is_not_lost() -> None:
    pki = issued()
    client, server = car(pki).connect(), station(pki).connect()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    assert client.handshake_complete
    client.send_data(b"first message")
    assert server.receive_data(client.data_to_send()) == b"first message"


def test_both_ends_announce_the_roots_they_trust() -> None:
    pki = issued()
    client, server = joined(car(pki), station(pki))
    assert client.info is not None
    assert server.info is not None
    assert len(client.info.peer_authorities) == 1  # CertificateRequest [V2G20-2401]
    assert b"OEMRootCA" in client.info.peer_authorities[0]
    assert len(server.info.peer_authorities) == 1  # ClientHello [V2G20-1006]
    assert b"V2GRootCA" in server.info.peer_authorities[0]


def test_x448_is_used_by_a_peer_that_has_nothing_else() -> None:
    pki = issued()
    only = msgspec.structs.replace(ISO20, groups=("x448",))
    client, _ = joined(car(pki, only), station(pki))
    assert client.info is not None
    assert client.info.group == "x448"


def test_a_station_may_ask_for_another_key_share() -> None:
    """HelloRetryRequest: the car starts with secp521r1, the station has x448 only."""
    pki = issued()
    client, server = (
        car(pki).connect(),
        station(pki, msgspec.structs.replace(ISO20, groups=("x448",))).connect(),
    )
    server.receive_data(client.data_to_send())
    assert not server.handshake_complete
    assert shake(client, server) == []
    assert client.info is not None
    assert client.info.group == "x448"


def test_the_second_suite_is_used_by_a_peer_that_has_nothing_else() -> None:
    pki = issued()
    only = msgspec.structs.replace(ISO20, cipher_suites=("TLS_CHACHA20_POLY1305_SHA256",))
    client, _ = joined(car(pki, only), station(pki))
    assert client.info is not None
    assert client.info.cipher == "TLS_CHACHA20_POLY1305_SHA256"


def test_our_order_decides_about_suites_and_groups_when_we_serve() -> None:
    pki = issued()
    reverse = msgspec.structs.replace(
        ISO20, cipher_suites=ISO20.cipher_suites[::-1], signature_schemes=ISO20.signature_schemes[::-1]
    )
    both = [pki.secc, issued("ed448").secc]
    client, _ = joined(
        car(pki, reverse, verify=lambda *_: None, anchors=[pki.v2g_root]), station(pki, identities=both)
    )
    assert client.info is not None
    assert client.info.cipher == "TLS_AES_256_GCM_SHA384"
    assert client.info.server_signature == "ecdsa_secp521r1_sha512"


def test_the_chain_under_a_root_that_the_car_names_is_chosen() -> None:
    first, second = issued(), issue_test_pki(at=NOW, organization="Second")
    server = station(first, identities=[first.secc, second.secc])
    for pki in (first, second):
        client = joined(car(first, anchors=[pki.v2g_root], verify=lambda *_: None), server)[0]
        assert client.info is not None
        assert client.info.presented == pki.secc.chain


def test_a_station_without_a_chain_under_the_named_roots_says_so() -> None:
    pki, other = issued(), issue_test_pki(at=NOW, organization="Second")
    client, server = car(pki, anchors=[other.v2g_root]).connect(), station(pki).connect()
    errors = shake(client, server)
    assert "no chain of ours ends in a root that the peer named" in {error.reason for error in errors}
    assert client.alert_received == server.alert_sent == "handshake_failure"


def test_profile_lab_speaks_p256_and_reports_it() -> None:
    pki = issued("p256", None, "lab")
    lab = msgspec.structs.replace(LAB, groups=("secp256r1",))
    client, server = joined(car(pki, lab), station(pki, LAB))
    assert server.info is not None
    assert (server.info.group, server.info.server_signature) == ("secp256r1", SCHEMES["p256"])
    assert "group secp256r1 allowed" in server.info.deviations
    assert "signature scheme ecdsa_secp256r1_sha256 allowed" in server.info.deviations
    assert server.receive_data(client.encrypt(b"x")) == b"x"


def test_profile_lab_can_do_without_a_client_certificate() -> None:
    pki = issued("p256", None, "lab")
    lab = msgspec.structs.replace(LAB, client_certificate="optional")
    _, server = joined(car(pki, LAB, identities=[]), station(pki, lab))
    assert server.info is not None
    assert not server.info.client_certificate
    assert server.info.peer_chain == ()
    assert "client certificate optional" in server.info.deviations


def test_a_profile_says_where_it_deviates_from_its_edition() -> None:
    assert PROFILES == {"iso20": ISO20, "iso2": ISO2, "dual": DUAL, "lab": LAB}
    assert ISO20.deviations() == ()
    static = "no TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256: OpenSSL has no static ECDH"
    assert ISO2.deviations() == DUAL.deviations() == (static,)
    silent = msgspec.structs.replace(ISO2, trusted_ca_keys=None, status_request=False)
    assert silent.deviations() == (static, "no trusted_ca_keys sent", "no OCSP responses asked for")


def test_a_context_serves_many_connections() -> None:
    pki = issued()
    client, server = car(pki), station(pki)
    pairs = [joined(client, server) for _ in range(3)]
    for number, (one, other) in enumerate(pairs):
        text = str(number).encode()
        assert other.receive_data(one.encrypt(text)) == text


def test_no_ticket_is_ever_sent() -> None:
    pki = issued()
    client, server = car(pki).connect(), station(pki).connect()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    assert server.handshake_complete
    assert server.data_to_send() == b""


def test_small_records_are_sent_to_a_car_that_asks_for_them() -> None:
    """[V2G20-2446, V2G20-2447]"""
    pki = issued()
    small = msgspec.structs.replace(ISO20, max_fragment_length=512)
    _, server = joined(car(pki, small), station(pki))
    data = server.encrypt(bytes(5000))
    lengths = []
    while data:
        length = int.from_bytes(data[3:5], "big")
        lengths.append(length)
        data = data[5 + length :]
    assert max(lengths) <= 512 + 17  # content type and tag
    assert sum(lengths) == 5000 + 17 * len(lengths)


def test_key_log_lines_come_on_request_only() -> None:
    pki = issued()
    lines: dict[str, list[str]] = {"car": [], "station": []}
    joined(car(pki, keylog=lines["car"].append), station(pki, keylog=lines["station"].append))
    assert {line.split()[0] for line in lines["car"]} == {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    }
    assert sorted(lines["car"]) == sorted(lines["station"])
    quiet, _ = joined(car(pki), station(pki))
    assert quiet._native.take_keylog() == []


def test_sending_too_early_or_too_late_is_our_own_mistake() -> None:
    pki = issued()
    client, server = car(pki).connect(), station(pki).connect()
    with pytest.raises(MisuseError):
        client.send_data(b"x")
    assert shake(client, server) == []
    client.close()
    with pytest.raises(MisuseError):
        client.send_data(b"x")


def test_close_notify_ends_one_direction_at_a_time() -> None:
    pki = issued()
    client, server = joined(car(pki), station(pki))
    client.send_data(b"last")
    client.close()
    client.close()
    assert server.receive_data(client.data_to_send()) == b"last"
    assert server.peer_closed
    assert server.alert_received == "close_notify"
    server.eof_received()
    assert client.receive_data(server.encrypt(b"answer")) == b"answer"
    before = client.peer_closed
    server.close()
    client.receive_data(server.data_to_send())
    assert (before, client.peer_closed) == (False, True)
    client.eof_received()


def test_an_end_without_close_notify_is_a_truncation() -> None:
    pki = issued()
    client, server = joined(car(pki), station(pki))
    with pytest.raises(TlsError, match="without close_notify"):
        server.eof_received()
    half = car(pki).connect()
    with pytest.raises(TlsError, match="during the handshake"):
        half.eof_received()
    with pytest.raises(TlsError, match="without close_notify"):
        server.receive_data(client.encrypt(b"late"))


def test_no_key_shows_in_a_repr() -> None:
    pki = issued()
    for thing in (pki, pki.secc, station(pki), car(pki).connect()):
        said = repr(thing) + (str(thing.__rich_repr__()) if hasattr(thing, "__rich_repr__") else "")
        for key in pki.keys.values():
            assert repr(key)[2:40] not in said
            assert key.hex()[:20] not in said
