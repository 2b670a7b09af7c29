"""Two ends in memory: contexts from an issued PKI, and a wire between them that carries everything until it
is quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache

from msgspec import structs

from iso15118.errors import TlsError
from iso15118.pki import Credential, IssuedPki, issue_test_pki, peer_verifier
from iso15118.pki.chain.identifiers import evccid_check_digit
from iso15118.pki.issuing.issue import issue_leaf
from iso15118.tls import ISO20, Identity, PeerCheck, TlsConnection, TlsContext, TlsProfile

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@cache
def issued(
    algorithm: str = "p521", vehicle_algorithm: str | None = None, edition: str = "iso20"
) -> IssuedPki:
    return issue_test_pki(edition, algorithm, vehicle_algorithm=vehicle_algorithm, at=NOW)


@cache
def other_vehicle(number: int) -> IssuedPki:
    """The same PKI with another vehicle of the same maker."""
    pki, name, evccid = issued(), f"vehicle-{number}", f"WVWV12345678900000{number}"
    evccid += evccid_check_digit(evccid)
    made = issue_leaf(pki, "vehicle", name, at=NOW, names={"evccid": evccid})
    return structs.replace(
        pki,
        certificates={**pki.certificates, "vehicle": made.certificates[name]},
        keys={**pki.keys, "vehicle": made.keys[name]},
    )


def checks_vehicles(pki: IssuedPki, edition: str = "iso20") -> PeerCheck:
    return peer_verifier(
        role="vehicle", anchors_der=[pki.oem_root], anchor_role="OEM", clock=lambda: NOW, edition=edition
    )


def checks_stations(pki: IssuedPki, edition: str = "iso20") -> PeerCheck:
    return peer_verifier(
        role="secc", anchors_der=[pki.v2g_root], anchor_role="V2G", clock=lambda: NOW, edition=edition
    )


def station(
    pki: IssuedPki,
    profile: TlsProfile = ISO20,
    *,
    identities: Sequence[Identity] | None = None,
    verify: PeerCheck | None = None,
    keylog: Callable[[str], None] | None = None,
) -> TlsContext:
    return TlsContext(
        profile,
        role="server",
        identities=[pki.secc] if identities is None else identities,
        anchors=[pki.oem_root],
        verify=verify or checks_vehicles(pki, pki.edition),
        keylog=keylog,
    )


def car(
    pki: IssuedPki,
    profile: TlsProfile = ISO20,
    *,
    identities: Sequence[Identity] | None = None,
    anchors: Sequence[bytes] | None = None,
    verify: PeerCheck | None = None,
    keylog: Callable[[str], None] | None = None,
) -> TlsContext:
    return TlsContext(
        profile,
        role="client",
        identities=[pki.vehicle] if identities is None else identities,
        anchors=[pki.v2g_root] if anchors is None else anchors,
        verify=verify or checks_stations(pki, pki.edition),
        keylog=keylog,
    )


def shake(client: TlsConnection, server: TlsConnection, *, piece: int = 1 << 20) -> list[TlsError]:
    """Carry bytes both ways, in pieces, until there are none; returns the errors, the client's and the
    server's.
    """
    errors: list[TlsError] = []
    failed: set[TlsConnection] = set()
    while True:
        quiet = True
        for sender, receiver in ((client, server), (server, client)):
            data = sender.data_to_send()
            quiet = quiet and not data
            for start in range(0, len(data), piece):
                if receiver in failed:
                    break
                try:
                    receiver.receive_data(data[start : start + piece])
                except TlsError as error:
                    errors.append(error)
                    failed.add(receiver)
        if quiet:
            return errors


def joined(client: TlsContext, server: TlsContext) -> tuple[TlsConnection, TlsConnection]:
    """Both ends of a connection that is ready for data."""
    ends = client.connect(), server.connect()
    assert shake(*ends) == []
    assert ends[0].handshake_complete
    assert ends[1].handshake_complete
    return ends


def refused(client: TlsContext, server: TlsContext) -> tuple[TlsConnection, TlsConnection, list[TlsError]]:
    """Both ends of a handshake that failed on at least one side."""
    ends = client.connect(), server.connect()
    errors = shake(*ends)
    assert errors
    return *ends, errors


def strangers(pki: IssuedPki) -> Credential:
    """A vehicle of quite another PKI."""
    return issue_test_pki(at=NOW, organization="Strangers").vehicle
