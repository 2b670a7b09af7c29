"""Handshakes with the openssl command over TCP, both editions, both ways: what is agreed, what is refused,
and the alert that it sees."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import TlsError
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.pki.issuing.issue import pem
from iso15118.tls import ISO20, TlsConnection, TlsContext, TlsPort

from .evidence import Stapler, judge_stations
from .rig import NOW, car, checks_vehicles, issued
from .test_cases_openssl import PATIENCE_S, connected, pump
from .test_iso2 import PKI as OLD
from .test_iso2 import accept, car2, station2

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed")


@pytest.fixture(scope="module", params=["p521", "ed448"])
def new(request: pytest.FixtureRequest) -> IssuedPki:
    return issued(request.param)


@pytest.fixture(scope="module")
def folder(new: IssuedPki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys as files: those of the newer edition, ``old-`` those of the older one."""
    path = tmp_path_factory.mktemp("tls")
    new.write(path)
    OLD.write(path / "old")
    stranger = issue_test_pki(at=NOW, organization="Strangers")
    (path / "stranger.pem").write_text(pem(stranger.v2g_root))
    (path / "two.pem").write_text(pem(stranger.v2g_root) + pem(new.v2g_root))
    for pki, place in ((new, path), (OLD, path / "old")):
        for leaf in ("secc", "vehicle", "contract", "oemprov"):
            if leaf in pki.certificates:
                (place / f"{leaf}-chain.pem").write_text("".join(pem(one) for one in pki.chain(leaf)))
    return path


def identity(folder: Path, leaf: str) -> list[str]:
    chain = str(folder / f"{leaf}-chain.pem")
    return ["-cert", chain, "-cert_chain", chain, "-key", str(folder / f"{leaf}.key")]


def port(pki: IssuedPki) -> TlsPort:
    new = TlsContext(
        ISO20,
        role="server",
        identities=[pki.secc],
        anchors=[pki.oem_root],
        verify=checks_vehicles(pki),
        staples=Stapler(pki),
    )
    return TlsPort([new, station2(OLD, staples=Stapler(OLD))])


def as_vehicle(
    server: TlsContext | TlsPort, options: Sequence[str], typed: bytes = b""
) -> tuple[Any, TlsError | None, str]:
    """Their command connects to us; our end, what made it refuse, and what the command printed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        command = [str(OPENSSL), "s_client", "-connect", f"127.0.0.1:{listener.getsockname()[1]}", *options]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as theirs:
            try:
                link, _ = listener.accept()
                with link:
                    ours: Any = server.connect()
                    error = pump(ours, link)
                    if error is None and typed:
                        assert theirs.stdin is not None
                        theirs.stdin.write(typed)
                        theirs.stdin.flush()
                        link.settimeout(PATIENCE_S)
                        try:
                            ours.receive_data(link.recv(65536))
                        except TlsError as refusal:
                            error = refusal
                        link.sendall(ours.data_to_send())
                    if error is None:
                        link.sendall(ours.encrypt(b"hello\n"))
                        ours.close()
                        link.sendall(ours.data_to_send())
                    link.shutdown(socket.SHUT_WR)
                    said, _ = theirs.communicate(timeout=PATIENCE_S)
            finally:
                theirs.kill()
    return ours, error, said.decode(errors="replace")


@contextmanager
def as_station(options: Sequence[str]) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]
    command = [str(OPENSSL), "s_server", "-accept", f"127.0.0.1:{number}", "-naccept", "1", *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as theirs:
        try:
            with connected(number) as link:
                yield link, theirs
        finally:
            theirs.kill()


def met_station(context: TlsContext, options: Sequence[str]) -> tuple[TlsConnection, TlsError | None, str]:
    """We connect to their command."""
    with as_station(options) as (link, theirs):
        ours = context.connect()
        error = pump(ours, link)
        if error is None:
            ours.close()
            link.sendall(ours.data_to_send())
        link.shutdown(socket.SHUT_WR)
        said, _ = theirs.communicate(timeout=PATIENCE_S)
    return ours, error, said.decode(errors="replace")


NEW_CAR = ["-tls1_3", "-groups", "P-521"]
VEHICLES: dict[str, tuple[str, list[str], str]] = {
    # leaf, options, alert
    "no certificate": ("", NEW_CAR, "certificate_required"),
    "contract certificate": ("contract", NEW_CAR, "unknown_ca"),
    "provisioning certificate": ("oemprov", NEW_CAR, "bad_certificate"),
    "station's certificate": ("secc", NEW_CAR, "unknown_ca"),
    "TLS 1.2 with another suite": (
        "vehicle",
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
        "handshake_failure",
    ),
    "TLS 1.2 with another group": ("vehicle", ["-tls1_2", "-groups", "P-521"], "handshake_failure"),
    "only AES-128": ("vehicle", [*NEW_CAR, "-ciphersuites", "TLS_AES_128_GCM_SHA256"], "handshake_failure"),
    "only secp256r1": ("vehicle", ["-tls1_3", "-groups", "P-256"], "handshake_failure"),
    "only P-256 signatures": ("vehicle", [*NEW_CAR, "-sigalgs", "ECDSA+SHA256"], "handshake_failure"),
    "an unknown root named": ("vehicle", [*NEW_CAR, "-requestCAfile", "stranger.pem"], "handshake_failure"),
}


@pytest.mark.parametrize("name", VEHICLES)
def test_their_vehicle_is_refused_and_told_why(name: str, new: IssuedPki, folder: Path) -> None:
    leaf, options, alert = VEHICLES[name]
    options = [str(folder / one) if one.endswith(".pem") else one for one in options]
    ours, error, said = as_vehicle(port(new), [*options, *(identity(folder, leaf) if leaf else [])])
    assert error is not None
    assert ours.alert_sent == alert, error
    # Their command of 3.0 has no words for the newest ones.
    words = "SSL alert number 116" if alert == "certificate_required" else f"alert {alert.replace('_', ' ')}"
    assert words in said


def test_their_vehicle_of_an_old_version_is_refused_by_version(new: IssuedPki) -> None:
    only_new = TlsContext(ISO20, role="server", identities=[new.secc], anchors=[new.oem_root], verify=accept)
    ours, error, said = as_vehicle(only_new, ["-tls1_2"])
    assert error is not None
    assert ours.alert_sent == "protocol_version"
    assert "alert protocol version" in said


@pytest.mark.parametrize("roots", ["", "two.pem", "v2g-root.pem"])
def test_their_vehicle_of_the_newer_edition_is_let_in(roots: str, new: IssuedPki, folder: Path) -> None:
    """With no root named, with two of which the second fits, and with ours; it sees
    the leaf's OCSP response."""
    named = ["-requestCAfile", str(folder / roots)] if roots else []
    ours, error, said = as_vehicle(port(new), [*NEW_CAR, "-status", *named, *identity(folder, "vehicle")])
    assert error is None
    assert ours.info.version == "TLSv1.3"
    assert ours.info.peer_chain[0] == new.vehicle.chain[0]
    assert "OCSP Response Status: successful" in said
    assert "TLS_AES_256_GCM_SHA384" in said


def test_their_vehicle_of_the_older_edition_is_let_in_on_the_same_port(new: IssuedPki, folder: Path) -> None:
    options = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256", "-groups", "P-256", "-status"]
    root = ["-CAfile", str(folder / "old" / "v2g-root.pem"), "-no_check_time"]
    ours, error, said = as_vehicle(port(new), [*options, *root])
    assert error is None
    assert ours.info.version == "TLSv1.2"
    assert ours.info.cipher == "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"
    assert "OCSP Response Status: successful" in said
    assert "Verify return code: 0 (ok)" in said
    assert "Session-ID: \n" in said, "nothing to resume by"
    assert "TLS session ticket:" not in said


def test_renegotiation_is_refused() -> None:
    """Matrix 75: the older version's way of a second handshake."""
    ours, _, said = as_vehicle(station2(OLD), ["-tls1_2", "-groups", "P-256"], typed=b"R\n")
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said
    assert ours.info.version == "TLSv1.2"


def test_a_session_of_another_station_is_not_resumed(new: IssuedPki, folder: Path) -> None:
    """Matrix 72: with the same certificate, and a ticket that somebody else gave out."""
    session = folder / "session.pem"
    server = [*identity(folder, "secc"), "-tls1_3", "-rev"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]
    with subprocess.Popen(
        [str(OPENSSL), "s_server", "-accept", f"127.0.0.1:{number}", *server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as theirs:
        try:
            connected(number).close()
            client = [str(OPENSSL), "s_client", "-connect", f"127.0.0.1:{number}", *NEW_CAR]
            with subprocess.Popen(
                [*client, "-sess_out", str(session)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            ) as first:
                assert first.stdin is not None
                assert first.stdout is not None
                first.stdin.write(b"hello\n")
                said_first = b""
                while b"olleh" not in said_first:  # the tickets come before that
                    piece = first.stdout.read(4096)
                    assert piece, said_first
                    said_first += piece
                first.stdin.close()
        finally:
            theirs.kill()
    assert session.exists()
    options = [*NEW_CAR, "-sess_in", str(session), *identity(folder, "vehicle")]
    ours, error, said = as_vehicle(port(new), options)
    assert error is None
    assert ours.info.peer_chain[0] == new.vehicle.chain[0]
    assert "Reused" not in said


# -- their command as a station
# -------------------------------------------------------------------------------------------


STATIONS: dict[str, tuple[list[str], str]] = {
    # options, the alert that they send
    "TLS 1.2 only": (["-tls1_2"], "protocol_version"),
    "only AES-128": (["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], "handshake_failure"),
    "only secp256r1": (["-tls1_3", "-groups", "P-256"], "handshake_failure"),
}


@pytest.mark.parametrize("name", STATIONS)
def test_their_station_outside_the_profile_refuses_us(name: str, new: IssuedPki, folder: Path) -> None:
    options, alert = STATIONS[name]
    ours, error, _ = met_station(car(new), [*options, *identity(folder, "secc")])
    assert error is not None
    assert ours.alert_received == alert
    assert not ours.handshake_complete


def response(new: IssuedPki, folder: Path, answer: str) -> list[str]:
    """The leaf's OCSP response in a file: their command staples that one."""
    leaf = Stapler(new, {"secc": answer})(new.secc.chain)[0]
    assert leaf is not None
    path = folder / f"{answer}.der"
    path.write_bytes(leaf)
    return ["-status_file", str(path)]


@pytest.mark.parametrize(
    ("demand", "answer", "alert"),
    [
        ("leaf", "good", None),
        ("none", "", None),
        ("all", "good", "certificate_unknown"),  # nothing speaks for the Sub-CAs
        ("leaf", "", "certificate_unknown"),
        ("leaf", "revoked", "certificate_revoked"),
        ("leaf", "unknown", "certificate_unknown"),
        ("leaf", "stale", "bad_certificate"),
        ("none", "revoked", "certificate_revoked"),
    ],
)
def test_our_vehicle_judges_what_their_station_staples(
    demand: str, answer: str, alert: str | None, new: IssuedPki, folder: Path
) -> None:
    stapled = response(new, folder, answer) if answer else []
    context = car(new, verify=judge_stations([new.v2g_root], demand=demand))
    ours, error, said = met_station(context, ["-tls1_3", *identity(folder, "secc"), *stapled])
    if alert is None:
        assert error is None
        assert ours.info is not None
        assert len(ours.info.staples) == bool(answer)
    else:
        assert error is not None
        assert ours.alert_sent == alert
        assert f"alert {alert.replace('_', ' ')}" in said


def test_our_vehicle_of_the_older_edition_at_their_station(folder: Path) -> None:
    options = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256", *identity(folder / "old", "secc")]
    ours, error, _ = met_station(car2(OLD, demand="all"), [*options, *response(OLD, folder, "good")])
    assert error is None
    assert ours.info is not None
    assert len(ours.info.staples) == 1
    ours, error, said = met_station(car2(OLD, demand="all"), options)
    assert error is not None
    assert ours.alert_sent == "bad_certificate_status_response"
    assert "bad certificate status response" in said
