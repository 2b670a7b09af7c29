"""A connection says who its peer is by the path that was verified, and marks a version that
somebody may have lowered."""

from __future__ import annotations

import msgspec
import pytest

from iso15118.errors import TlsError
from iso15118.pki import Credential, issue_test_pki
from iso15118.tls import TlsConnection, TlsContext, TlsPort

from .rig import NOW, car, checks_vehicles, issued, joined, shake, station
from .test_iso2 import PKI as OLD
from .test_iso2 import accept, car2, dual, station2

P521 = issued()
STRANGER = issue_test_pki(at=NOW, organization="Strangers")
SENTINEL = b"DOWNGRD\x01"


def padded(credential: Credential, *extra: bytes) -> Credential:
    """The same chain out of order, with certificates of others in it."""
    leaf, sub2, sub1 = credential.chain
    return msgspec.structs.replace(credential, chain=(leaf, sub1, *extra, sub2))


def test_the_path_that_was_verified_is_told_and_not_what_was_sent() -> None:
    car_with_extras = padded(P521.vehicle, STRANGER.certificates["vehicle-sub1"])
    station_with_extras = padded(P521.secc, STRANGER.certificates["cpo-sub1"])
    client, server = joined(
        car(P521, identities=[car_with_extras], anchors=[P521.v2g_root, STRANGER.v2g_root]),
        TlsContext(
            station(P521).profile,
            role="server",
            identities=[station_with_extras],
            anchors=[STRANGER.oem_root, P521.oem_root],
            verify=checks_vehicles(P521),
        ),
    )
    for end, credential, sent, root in (
        (client, P521.secc, station_with_extras, P521.v2g_root),
        (server, P521.vehicle, car_with_extras, P521.oem_root),
    ):
        assert end.info is not None
        assert end.info.peer_chain == credential.chain
        assert end.info.anchor == root
        assert end.info.presented == sent.chain


def test_a_certificate_that_names_another_anchor_at_the_end_makes_no_anchor() -> None:
    """What a peer puts behind its chain was taken for the way to a root."""
    leaf, sub2, sub1 = P521.vehicle.chain
    sent = msgspec.structs.replace(
        P521.vehicle, chain=(leaf, sub2, sub1, STRANGER.certificates["vehicle-sub1"])
    )
    server = TlsContext(
        station(P521).profile,
        role="server",
        identities=[P521.secc],
        anchors=[P521.oem_root, STRANGER.oem_root],
        verify=checks_vehicles(P521),
    )
    _, theirs = joined(car(P521, identities=[sent]), server)
    assert theirs.info is not None
    assert theirs.info.anchor == P521.oem_root
    assert theirs.info.peer_chain == P521.vehicle.chain


def test_a_check_of_ones_own_verifies_the_leaf_as_far_as_anybody_knows() -> None:
    client, server = joined(car(P521, verify=accept), station(P521, verify=accept))
    assert client.info is not None
    assert client.info.peer_chain == P521.secc.chain[:1]
    assert client.info.presented == P521.secc.chain
    assert client.info.anchor is None
    assert server.info is not None
    assert server.info.peer_chain == P521.vehicle.chain[:1]


@pytest.mark.parametrize(
    "answer", [("unknown_ca",), ("unknown_ca", 7), ([], b""), 7, ([7], None), ("", None)]
)
def test_a_check_that_answers_anything_else_refuses(answer: object) -> None:
    ends = car(P521, verify=lambda *_: answer).connect(), station(P521).connect()  # type: ignore[arg-type]
    if answer == ([], b""):
        assert shake(*ends) == [], "a path of no certificates says nothing of a peer, but is one"
        return
    assert shake(*ends)
    assert ends[0].alert_sent == "internal_error"


def server_random(flight: bytes) -> bytes:
    assert (flight[0], flight[5]) == (22, 2), "a ServerHello"
    return flight[11:43]


def test_a_port_that_has_both_versions_marks_the_older_one() -> None:
    for server, marked in (
        (TlsPort([station(P521), station2(OLD)]), True),
        (TlsPort([station2(OLD), station(P521)]), True),
        (TlsPort([station2(OLD)]), False),
    ):
        client, theirs = car2(OLD).connect(), server.connect()
        theirs.receive_data(client.data_to_send())
        flight = theirs.data_to_send()
        assert (server_random(flight)[-8:] == SENTINEL) is marked
        client.receive_data(flight)
        assert shake(client, theirs) == []  # type: ignore[arg-type]
        assert client.handshake_complete, "a vehicle that has the older version only does not mind"
        assert client.info is not None
        assert client.info.version == "TLSv1.2"


def lowered(client: TlsConnection) -> bytes:
    """The ClientHello with TLS 1.3 taken out by somebody in between."""
    hello = client.data_to_send()
    offered = b"\x00\x2b\x00\x05\x04\x03\x04\x03\x03"
    assert hello.count(offered) == 1
    return hello.replace(offered, b"\x00\x2b\x00\x05\x04\x03\x03\x03\x03")


def test_a_vehicle_notices_that_somebody_lowered_the_version() -> None:
    client, theirs = dual(P521, P521, OLD).connect(), TlsPort([station(P521), station2(OLD)]).connect()
    theirs.receive_data(lowered(client))
    with pytest.raises(TlsError, match=r"inappropriate fallback|downgrade"):
        client.receive_data(theirs.data_to_send())
    assert client.alert_sent == "illegal_parameter"


def test_a_newer_hello_never_reaches_the_context_of_the_older_version() -> None:
    server = TlsPort([station2(OLD), station(P521)])
    client, theirs = car(P521).connect(), server.connect()
    assert shake(client, theirs) == []  # type: ignore[arg-type]
    assert theirs.context is server.contexts[1]
    # And if it did, nothing outside the profile would be agreed on.
    alone = station2(OLD).connect(beside_newer=True)
    assert shake(dual(P521, P521, OLD).connect(), alone)
    assert not alone.handshake_complete
