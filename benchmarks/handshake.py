"""What a TLS handshake costs each side, and a connection in memory, beside the standard library's
ssl with the same certificates.

Both run in this process, in turns, over memory buffers, so that neither the network nor the machine's mood
favours one of them. Both verify the peer's chain; ours by the profile of its role as well, and remembers what
it has read and verified of Sub-CAs. OCSP responses for the whole chain, which the standard library knows
nothing of, are a figure of their own without an aim.
"""

from __future__ import annotations

import gc
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from iso15118.pki import IssuedPki, issue_test_pki, peer_verifier
from iso15118.pki.status.revocation import Demand
from iso15118.settings.trust import evcc_context, secc_context
from iso15118.tls import PROFILES, TlsContext

from .figure import Figure, Scale, median

__all__ = ["run"]

KINDS = {
    "iso2 P-256": ("iso2", "p256"),
    "iso20 P-521": ("iso20", "p521"),
    "iso20 Ed448": ("iso20", "ed448"),
}
_GROUPS = {"iso2": "prime256v1", "iso20": "secp521r1"}
_AT_MOST = 1.2
"""Times the standard library's CPU."""


class _End(Protocol):
    def receive_data(self, data: bytes) -> bytes: ...

    def data_to_send(self) -> bytes: ...


class _StandardEnd:
    """The standard library's TLS, fed like ours."""

    def __init__(self, context: ssl.SSLContext, *, server: bool) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server)
        self._complete = False
        if not server:
            self.receive_data(b"")

    def receive_data(self, data: bytes) -> bytes:
        self._incoming.write(data)
        try:
            if not self._complete:
                self._tls.do_handshake()
                self._complete = True
            return self._tls.read()
        except ssl.SSLWantReadError:
            return b""

    def data_to_send(self) -> bytes:
        return self._outgoing.read()


Ends = tuple[Callable[[], _End], Callable[[], _End]]
"""What makes a vehicle's and a station's end."""


def _ours(pki: IssuedPki, *, staples: bool = False) -> Ends:
    demand: Demand = "all" if staples else "none"
    vehicle = evcc_context(pki, profile=pki.edition, revocation=demand)
    station = secc_context(pki, profile=pki.edition)
    if not staples:
        # Neither asks nor sends, as the standard library's.
        silent = replace(PROFILES[pki.edition], status_request=False)
        vehicle = TlsContext(
            silent,
            role="client",
            identities=[] if pki.edition == "iso2" else [pki.vehicle],
            anchors=[pki.v2g_root],
            verify=peer_verifier(
                role="secc",
                anchors_der=[pki.v2g_root],
                anchor_role="V2G",
                clock=lambda: datetime.now(UTC),
                edition=pki.edition,
            ),
        )
    return vehicle.connect, station.connect


def _standard(pki: IssuedPki) -> Ends:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pki.write(folder)

        def context(server: bool, leaf: str | None, root: str | None) -> ssl.SSLContext:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
            made.check_hostname = False
            made.set_ecdh_curve(_GROUPS[pki.edition])
            made.options |= ssl.OP_NO_TICKET
            if server:
                made.num_tickets = 0
            version = ssl.TLSVersion.TLSv1_3 if pki.edition == "iso20" else ssl.TLSVersion.TLSv1_2
            made.minimum_version = made.maximum_version = version
            if pki.edition == "iso2":
                made.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
            if leaf is not None:
                text = "".join(_pem(one) for one in pki.chain(leaf))
                (folder / "chain.pem").write_text(text)
                made.load_cert_chain(folder / "chain.pem", folder / f"{leaf}.key")
            if root is not None:
                made.verify_mode = ssl.CERT_REQUIRED
                made.load_verify_locations(folder / f"{root}.pem")
            return made

        mutual = pki.edition == "iso20"
        vehicle = context(False, "vehicle" if mutual else None, "v2g-root")
        station = context(True, "secc", "oem-root" if mutual else None)
    return lambda: _StandardEnd(vehicle, server=False), lambda: _StandardEnd(station, server=True)


def _pem(der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der)


def _connect(ends: Ends) -> tuple[_End, _End, int, int]:
    """A connection, and the CPU that vehicle and station took for it, in ns."""
    clock = time.process_time_ns
    began = clock()
    vehicle = ends[0]()
    data = vehicle.data_to_send()
    costs = [clock() - began, 0]
    began = clock()
    station = ends[1]()
    costs[1] += clock() - began
    sides = (station, vehicle)
    turn = 0
    while data:
        side = sides[turn]
        began = clock()
        side.receive_data(data)
        data = side.data_to_send()
        costs[1 - turn] += clock() - began
        turn = 1 - turn
    return vehicle, station, costs[0], costs[1]


def run(scale: Scale) -> Iterator[Figure]:
    """CPU per side, then memory per pair of connections."""
    for kind, (edition, algorithm) in KINDS.items():
        pki = issue_test_pki(edition, algorithm, at=datetime.now(UTC), responders=True)
        makers = {"ours": _ours(pki), "standard": _standard(pki), "stapled": _ours(pki, staples=True)}
        taken: dict[str, list[tuple[int, int]]] = {name: [] for name in makers}
        for number in range(scale.handshakes + 3):
            for name, ends in makers.items():
                *_, vehicle, station = _connect(ends)
                if number >= 3:
                    taken[name].append((vehicle, station))
        for place, side in enumerate(("vehicle", "station")):
            ours, standard, stapled = (median([one[place] / 1e3 for one in taken[name]]) for name in makers)
            yield Figure(
                figure="handshake-cpu",
                case=f"{kind}, {side}",
                value=ours / standard,
                unit="x ssl",
                aim=_AT_MOST,
                details={"ours_us": ours, "ssl_us": standard, "handshakes": scale.handshakes},
            )
            yield Figure(
                figure="handshake-cpu-ocsp",
                case=f"{kind}, {side}",
                value=stapled / standard,
                unit="x ssl",
                details={"ours_us": stapled, "ssl_without_us": standard, "handshakes": scale.handshakes},
            )
    for kind in KINDS:
        ours, standard = (_memory(kind, which, scale.live_pairs) for which in ("ours", "standard"))
        yield Figure(
            figure="connection-memory",
            case=f"{kind}, both ends",
            value=ours,
            unit="KiB",
            details={"ssl_KiB": standard, "pairs": scale.live_pairs},
        )


def _memory(kind: str, which: str, pairs: int) -> float:
    command = [sys.executable, "-m", "benchmarks.handshake", kind, which, str(pairs)]
    done = subprocess.run(  # noqa: S603 - this file, in this interpreter
        command, check=True, capture_output=True, cwd=Path(__file__).parent.parent
    )
    return float(done.stdout)


def _live(kind: str, which: str, pairs: int) -> float:
    """KiB that a live pair of connections takes."""
    edition, algorithm = KINDS[kind]
    pki = issue_test_pki(edition, algorithm, at=datetime.now(UTC), responders=True)
    ends = _ours(pki) if which == "ours" else _standard(pki)
    kept = [_connect(ends) for _ in range(5)]
    gc.collect()
    before = _resident_kib()
    kept += [_connect(ends) for _ in range(pairs)]
    gc.collect()
    return max(1.0, _resident_kib() - before) / pairs


def _resident_kib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


if __name__ == "__main__":
    print(_live(sys.argv[1], sys.argv[2], int(sys.argv[3])))
