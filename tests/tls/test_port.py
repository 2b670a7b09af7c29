"""One port for both editions: the ClientHello decides about profile and chain."""

from __future__ import annotations

import msgspec
import pytest

from iso15118.errors import MisuseError, TlsError
from iso15118.pki import issue_test_pki
from iso15118.tls import ISO20, LAB, PortConnection, TlsConnection, TlsContext, TlsPort

from .rig import NOW, car, issued, shake, station
from .test_iso2 import PKI as OLD
from .test_iso2 import accept, car2, dual, other, station2

P521 = issued()
ED448 = issue_test_pki("iso20", "ed448", at=NOW, organization="Second maker")


def port() -> TlsPort:
    """A station with chains for everybody."""
    new = TlsContext(
        ISO20,
        role="server",
        identities=[P521.secc, ED448.secc],
        anchors=[P521.oem_root, ED448.oem_root],
        verify=accept,
    )
    return TlsPort([new, station2(OLD, other("Second"))])


def met(client: TlsContext, server: TlsPort, *, piece: int = 1 << 20) -> tuple[TlsConnection, PortConnection]:
    ends = client.connect(), server.connect()
    assert shake(*ends, piece=piece) == []  # type: ignore[arg-type]
    assert ends[0].handshake_complete
    assert ends[1].handshake_complete
    return ends


@pytest.mark.parametrize("piece", [1 << 20, 1])
def test_each_vehicle_gets_its_edition(piece: int) -> None:
    server = port()
    for client, version, chain in (
        (car(P521), "TLSv1.3", P521.secc.chain),
        (car(ED448), "TLSv1.3", ED448.secc.chain),
        (car2(OLD), "TLSv1.2", OLD.secc.chain),
        (dual(P521, P521, OLD), "TLSv1.3", P521.secc.chain),
    ):
        ours, theirs = met(client, server, piece=piece)
        assert ours.info is not None
        assert theirs.info is not None
        assert ours.info.version == theirs.info.version == version
        assert theirs.info.edition == ("iso20" if version == "TLSv1.3" else "iso2")
        assert ours.info.peer_chain == chain
        assert theirs.info.client_certificate == (version == "TLSv1.3")
        assert theirs.receive_data(ours.encrypt(b"hello")) == b"hello"
        assert ours.receive_data(theirs.encrypt(b"back")) == b"back"
        ours.close()
        theirs.receive_data(ours.data_to_send())
        assert theirs.peer_closed
        theirs.close()
        ours.receive_data(theirs.data_to_send())
        assert ours.peer_closed


def test_trusted_ca_keys_choose_among_the_older_chains() -> None:
    second = other("Second")
    server = TlsPort([station(P521), station2(OLD, second)])
    ours, theirs = met(car2(second), server)
    assert ours.info is not None
    assert ours.info.peer_chain == second.secc.chain
    assert theirs.context is server.contexts[1]


def test_the_context_with_a_chain_under_a_named_root_is_chosen() -> None:
    strangers = issue_test_pki(at=NOW, organization="Strangers")
    server = TlsPort([station(strangers), station(P521)])
    assert met(car(P521), server)[1].context is server.contexts[1]
    assert met(car(strangers), server)[1].context is server.contexts[0]


def test_a_laboratory_context_beside_the_proper_one() -> None:
    lab = issue_test_pki("lab", "p256", at=NOW)
    server = TlsPort([station(P521), station(lab, LAB)])
    old_car = msgspec.structs.replace(
        LAB, groups=("secp256r1",), signature_schemes=("ecdsa_secp256r1_sha256",)
    )
    assert met(car(lab, old_car), server)[1].context is server.contexts[1]
    assert met(car(P521), server)[1].context is server.contexts[0]


def test_tls13_is_never_left_for_tls12() -> None:
    """A vehicle that could have the newer edition is refused with it, and not served with
    the older one. [V2G20-2356]"""
    stranger = issue_test_pki(at=NOW, organization="Strangers")
    ends = dual(stranger, stranger, other("Second")).connect(), port().connect()
    shake(*ends)  # type: ignore[arg-type]
    assert not ends[0].handshake_complete
    assert ends[0].alert_received == "handshake_failure"


def test_a_station_of_the_newer_edition_only_refuses_older_vehicles_by_version() -> None:
    ends = car2(OLD).connect(), TlsPort([station(P521)]).connect()
    shake(*ends)  # type: ignore[arg-type]
    assert ends[0].alert_received == ends[1].alert_sent == "protocol_version"


def test_a_station_of_the_older_edition_only_refuses_newer_vehicles_by_version() -> None:
    ends = car(P521).connect(), TlsPort([station2(OLD)]).connect()
    shake(*ends)  # type: ignore[arg-type]
    assert ends[0].alert_received == ends[1].alert_sent == "protocol_version"


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\xfe\x80\x01" + bytes(12), b"\x17\x03\x03\x00\x01\x00"]
)
def test_what_is_no_client_hello_is_refused(data: bytes) -> None:
    theirs = port().connect()
    with pytest.raises(TlsError):
        theirs.receive_data(data)
    for again in (theirs.eof_received, lambda: theirs.receive_data(b"more")):
        with pytest.raises(TlsError):
            again()
    assert not theirs.handshake_complete


def test_before_the_client_hello_there_is_nothing() -> None:
    theirs = port().connect()
    assert theirs.receive_data(b"\x16") == theirs.data_to_send() == b""
    assert (theirs.info, theirs.context, theirs.alert_sent, theirs.alert_received) == (None,) * 4
    assert not theirs.peer_closed
    for send in (theirs.send_data, theirs.encrypt):
        with pytest.raises(MisuseError):
            send(b"early")
    theirs.close()
    with pytest.raises(TlsError, match="before the ClientHello"):
        theirs.eof_received()
    with pytest.raises(TlsError, match="before the ClientHello"):
        theirs.receive_data(b"\x03")


def test_a_client_hello_in_endless_pieces_is_given_up() -> None:
    theirs = port().connect()
    record = b"\x16\x03\x01\x00\x01"
    header = b"".join(record + bytes([octet]) for octet in (1, 0, 0x3F, 0xFF))
    assert theirs.receive_data(header + (record + b"\x00") * 5_000) == b""
    with pytest.raises(TlsError, match="too many pieces"):
        theirs.receive_data((record + b"\x00") * 1_000)
    assert theirs.data_to_send() == b"\x15\x03\x03\x00\x02\x02\x2f"
    assert theirs.alert_sent == "illegal_parameter"
    with pytest.raises(TlsError, match="too many pieces"):
        theirs.receive_data(b"more")
    assert theirs.data_to_send() == b""


def test_every_truncation_and_many_flips_of_a_client_hello_are_survived() -> None:
    server = port()
    for hello in (car(P521).connect().data_to_send(), car2(OLD).connect().data_to_send()):
        for length in range(0, len(hello), 5):
            theirs = server.connect()
            assert theirs.receive_data(hello[:length]) == b""
            assert theirs.data_to_send() == b""
        for position in range(0, len(hello) * 8, 31):
            data = bytearray(hello)
            data[position // 8] ^= 1 << position % 8
            theirs = server.connect()
            try:
                theirs.receive_data(bytes(data))
            except TlsError:
                assert theirs.alert_sent is not None
            assert not theirs.handshake_complete


def test_a_port_is_for_servers() -> None:
    with pytest.raises(TlsError, match="a context at least"):
        TlsPort([])
    with pytest.raises(TlsError, match="servers only"):
        TlsPort([car(P521)])
    assert repr(port()) == "TlsPort(iso20, iso2)"
