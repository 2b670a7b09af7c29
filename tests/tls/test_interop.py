"""Other people's TLS: the standard library's ssl in memory, and the openssl command over TCP where it is
installed.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iso15118.errors import TlsError
from iso15118.pki import IssuedPki
from iso15118.tls import TlsConnection

from .rig import car, issued, station
from .test_cases_openssl import PATIENCE_S, connected
from .test_iso2 import PKI as OLD
from .test_iso2 import car2, station2

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed")


@pytest.fixture(params=["p521", "ed448"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[IssuedPki, Path]:
    """An issued PKI, and the folder it is written to, with the chains as one file each."""
    pki = issued(request.param)
    pki.write(tmp_path)
    for leaf, subs in (("secc", ("cpo-sub2", "cpo-sub1")), ("vehicle", ("vehicle-sub2", "vehicle-sub1"))):
        text = "".join((tmp_path / f"{name}.pem").read_text() for name in (leaf, *subs))
        (tmp_path / f"{leaf}-chain.pem").write_text(text)
    return pki, tmp_path


class StandardEnd:
    """The standard library's TLS with the same way of feeding as ours."""

    def __init__(self, context: ssl.SSLContext, *, server_side: bool) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_side=server_side)
        self.complete = False

    def receive_data(self, data: bytes) -> bytes:
        self.incoming.write(data)
        plain = b""
        try:
            if not self.complete:
                self.ssl.do_handshake()
                self.complete = True
            while piece := self.ssl.read():
                plain += piece
        except ssl.SSLWantReadError:
            pass
        return plain

    def encrypt(self, data: bytes) -> bytes:
        self.ssl.write(data)
        return self.outgoing.read()


def standard(folder: Path, leaf: str, root: str, *, server_side: bool) -> StandardEnd:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ecdh_curve("secp521r1")
    context.load_cert_chain(folder / f"{leaf}-chain.pem", folder / f"{leaf}.key")
    context.load_verify_locations(folder / f"{root}.pem")
    # Its own clock would find our certificates, which are valid in 2027, not yet so.
    context.verify_flags |= ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME
    return StandardEnd(context, server_side=server_side)


def carry(ours: TlsConnection, theirs: StandardEnd) -> None:
    for _ in range(8):
        theirs.receive_data(ours.data_to_send())
        ours.receive_data(theirs.outgoing.read())


def test_the_standard_library_as_station(files: tuple[IssuedPki, Path]) -> None:
    pki, folder = files
    ours = car(pki).connect()
    theirs = standard(folder, "secc", "oem-root", server_side=True)
    carry(ours, theirs)
    assert ours.handshake_complete
    assert theirs.complete
    assert theirs.ssl.getpeercert(binary_form=True) == pki.vehicle.chain[0]
    assert theirs.receive_data(ours.encrypt(b"hello")) == b"hello"
    assert ours.receive_data(theirs.encrypt(b"back")) == b"back"
    assert theirs.ssl.cipher() == ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)


def test_the_standard_library_as_car(files: tuple[IssuedPki, Path]) -> None:
    pki, folder = files
    ours = station(pki).connect()
    theirs = standard(folder, "vehicle", "v2g-root", server_side=False)
    carry(ours, theirs)
    assert ours.handshake_complete
    assert theirs.complete
    assert ours.receive_data(theirs.encrypt(b"hello")) == b"hello"
    assert theirs.receive_data(ours.encrypt(b"back")) == b"back"
    assert theirs.ssl.getpeercert(binary_form=True) == pki.secc.chain[0]


def test_the_standard_library_without_certificate_sees_the_alert(tmp_path: Path) -> None:
    pki = issued()
    pki.write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ecdh_curve("secp521r1")
    theirs, ours = StandardEnd(context, server_side=False), station(pki).connect()
    theirs.receive_data(b"")
    ours.receive_data(theirs.outgoing.read())
    theirs.receive_data(ours.data_to_send())
    with pytest.raises(TlsError) as caught:
        ours.receive_data(theirs.outgoing.read())
    assert caught.value.alert == "certificate_required"
    with pytest.raises(ssl.SSLError, match="certificate required"):
        theirs.receive_data(ours.data_to_send())


def older_standard(folder: Path, *, server_side: bool) -> StandardEnd:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    context.set_ecdh_curve("prime256v1")
    if server_side:
        context.load_cert_chain(folder / "secc-chain.pem", folder / "secc.key")
    else:
        context.load_verify_locations(folder / "v2g-root.pem")
        context.verify_flags |= ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME
    return StandardEnd(context, server_side=server_side)


def test_the_standard_library_on_both_sides_of_the_older_edition(tmp_path: Path) -> None:
    OLD.write(tmp_path)
    text = "".join((tmp_path / f"{name}.pem").read_text() for name in ("secc", "cpo-sub2", "cpo-sub1"))
    (tmp_path / "secc-chain.pem").write_text(text)
    vehicle, their_station = car2(OLD).connect(), older_standard(tmp_path, server_side=True)
    their_vehicle, ours = older_standard(tmp_path, server_side=False), station2(OLD).connect()
    their_vehicle.receive_data(b"")
    for here, there in ((vehicle, their_station), (ours, their_vehicle)):
        carry(here, there)
        assert here.handshake_complete
        assert there.complete
        assert there.ssl.cipher() == ("ECDHE-ECDSA-AES128-SHA256", "TLSv1.2", 128)
        assert there.receive_data(here.encrypt(b"hello")) == b"hello"
        assert here.receive_data(there.encrypt(b"back")) == b"back"


def talk(ours: TlsConnection, link: socket.socket, until: Callable[[bytes], bool]) -> bytes:
    """Drive our end over a socket until enough plaintext came, or the peer is gone."""
    plain = b""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not until(plain):
        if data := ours.data_to_send():
            link.sendall(data)
        link.settimeout(0.2)
        try:
            if not (data := link.recv(65536)):
                break
        except TimeoutError:
            continue
        plain += ours.receive_data(data)
    if data := ours.data_to_send():
        link.sendall(data)
    return plain


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


@needs_openssl
@pytest.mark.parametrize("fragment", [None, "512"])
def test_the_openssl_command_as_car(files: tuple[IssuedPki, Path], fragment: str | None) -> None:
    assert OPENSSL is not None
    pki, folder = files
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [OPENSSL, "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-tls1_3"]
        command += ["-cert", str(folder / "vehicle.pem"), "-cert_chain", str(folder / "vehicle-chain.pem")]
        command += ["-key", str(folder / "vehicle.key"), "-CAfile", str(folder / "v2g-root.pem")]
        command += ["-groups", "X448", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-no_check_time"]
        command += ["-verify_return_error", "-requestCAfile", str(folder / "v2g-root.pem")]
        if fragment:
            command += ["-maxfraglen", fragment]
        with process(*command) as theirs:
            listener.settimeout(PATIENCE_S)
            link, _ = listener.accept()
            with link:
                ours = station(pki).connect()
                assert theirs.stdin is not None
                theirs.stdin.write(b"from the command\n")
                assert talk(ours, link, lambda plain: b"\n" in plain) == b"from the command\n"
                assert ours.info is not None
                assert (ours.info.group, ours.info.cipher) == ("x448", "TLS_CHACHA20_POLY1305_SHA256")
                assert ours.info.client_certificate
                answer = b"x" * 3000
                link.sendall(ours.encrypt(answer))
                assert theirs.stdout is not None
                said = b""
                while said.count(b"x") < len(answer):
                    said += theirs.stdout.read(4096)
                assert answer in said


@needs_openssl
def test_the_openssl_command_as_station(files: tuple[IssuedPki, Path]) -> None:
    assert OPENSSL is not None
    pki, folder = files
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [OPENSSL, "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3", "-rev", "-no_check_time"]
    command += ["-cert", str(folder / "secc.pem"), "-cert_chain", str(folder / "secc-chain.pem")]
    command += ["-key", str(folder / "secc.key"), "-CAfile", str(folder / "oem-root.pem")]
    command += ["-Verify", "4", "-verify_return_error", "-naccept", "1"]
    with process(*command), connected(port) as link:
        ours = car(pki).connect()
        talk(ours, link, lambda plain: ours.handshake_complete)
        assert ours.info is not None
        assert ours.info.server_signature in ("ecdsa_secp521r1_sha512", "ed448")
        link.sendall(ours.encrypt(b"abc\n"))
        assert talk(ours, link, lambda plain: b"\n" in plain) == b"cba\n"
