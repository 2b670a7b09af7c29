"""Chain cases between our stack and the openssl command over TCP: it presents the bad chain, we
refuse, and it sees the alert.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from iso15118.errors import TlsError
from iso15118.pki.cases import Case, Variant, all_cases
from iso15118.pki.cases.make import make
from iso15118.pki.issuing.issue import pem
from iso15118.tls import TlsConnection

from .rig import NOW
from .test_cases import CHAINS, ends

PATIENCE_S = 60.0
"""What another program may take for anything on a busy machine; it ends a test that fails."""
OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed")
# Their command cannot load these, or has no scheme for their keys.
UNLOADABLE = {
    *(
        "duplicate-extension",
        "negative-serial",
        "huge-leaf",
        "too-many-certificates",
        "leaf-only",
        "self-signed-leaf",
    ),
    *(
        name
        for name, case in all_cases().items()
        if {"key-type", "mixed-algorithms"} & set(case.expect.codes)
    ),
}
OVER_TCP = [case for case in CHAINS if case.name not in UNLOADABLE and "iso20" in case.editions]


def pump(ours: TlsConnection, link: socket.socket) -> TlsError | None:
    """Carry bytes until we are through or refuse; a refusal is sent."""
    link.settimeout(PATIENCE_S)
    while True:
        link.sendall(ours.data_to_send())
        if ours.handshake_complete:
            return None
        data = link.recv(65536)
        try:
            if not data:
                ours.eof_received()
            ours.receive_data(data)
        except TlsError as error:
            link.sendall(ours.data_to_send())
            return error


def connected(port: int) -> socket.socket:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError("their command does not listen")


def options(case: Case, role: str, folder: Path) -> tuple[list[str], TlsConnection]:
    """Files of the bad chain for their command, and our end that judges it."""
    broken = make(Variant(case, role, "iso20", "p521"), at=NOW)
    broken.pki.write(folder)
    (folder / "leaf.pem").write_text(pem(broken.chain[0]))
    (folder / "subs.pem").write_text("".join(pem(one) for one in broken.chain[1:]))
    client, server = ends(broken)
    leaf = broken.places["leaf"]
    files = ["-cert", str(folder / "leaf.pem"), "-key", str(folder / f"{leaf}.key")]
    if len(broken.chain) > 1:
        files += ["-cert_chain", str(folder / "subs.pem")]
    return files, (client if role == "secc" else server).connect()


def judged(case: Case, error: TlsError | None, ours: TlsConnection, said: str) -> None:
    if not case.expect.codes:
        assert error is None
        return
    assert error is not None
    assert case.expect.alert is not None
    assert ours.alert_sent == case.expect.alert
    assert f"alert {case.expect.alert.replace('_', ' ')}" in said


@pytest.mark.parametrize("case", OVER_TCP, ids=lambda case: case.name)
def test_their_station_presents_a_bad_chain_and_our_car_refuses(case: Case, tmp_path: Path) -> None:
    if "secc" not in case.roles:
        assert "vehicle" in case.roles or not case.expect.alert
        return
    files, ours = options(case, "secc", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(OPENSSL), "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3", "-naccept", "1", *files]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.PIPE
    ) as theirs:
        try:
            with connected(port) as link:
                error = pump(ours, link)
            said, _ = theirs.communicate(timeout=PATIENCE_S)
        finally:
            theirs.kill()
    judged(case, error, ours, said.decode(errors="replace"))


@pytest.mark.parametrize("case", OVER_TCP, ids=lambda case: case.name)
def test_their_car_presents_a_bad_chain_and_our_station_refuses(case: Case, tmp_path: Path) -> None:
    if "vehicle" not in case.roles:
        assert "secc" in case.roles or not case.expect.alert
        return
    files, ours = options(case, "vehicle", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        port = listener.getsockname()[1]
        command = [str(OPENSSL), "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", *files]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.PIPE
        ) as theirs:
            try:
                link, _ = listener.accept()
                with link:
                    error = pump(ours, link)
                    link.shutdown(socket.SHUT_WR)
                    said, _ = theirs.communicate(timeout=PATIENCE_S)
            finally:
                theirs.kill()
    judged(case, error, ours, said.decode(errors="replace"))
