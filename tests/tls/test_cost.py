"""What a stranger may cost before he has proven anything: counted, not timed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding

from iso15118.errors import TlsError
from iso15118.pki import Revocation, issue_test_pki, verify_chain
from iso15118.pki.chain import parsed
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status import crl as crl_module
from iso15118.pki.status.crl import crl
from iso15118.tls import TlsPort, client_hello, trusted_ca_keys
from iso15118.tls.client_hello import TooMuchError, parse_client_hello
from iso15118.tls.trusted_ca_keys import parse_trusted_ca_keys

from .rig import NOW, issued, station

PKI = issue_test_pki(at=NOW)


def hello(*extensions: tuple[int, bytes], suites: bytes = b"\x13\x02") -> bytes:
    body = b"".join(kind.to_bytes(2, "big") + vector(data) for kind, data in extensions)
    inside = b"\x03\x03" + bytes(32) + b"\0" + vector(suites) + b"\x01\0" + vector(body)
    message = b"\x01" + len(inside).to_bytes(3, "big") + inside
    pieces = [message[at : at + 16_384] for at in range(0, len(message), 16_384)]
    return b"".join(b"\x16\x03\x01" + vector(piece) for piece in pieces)


def vector(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


LISTS: dict[str, Callable[[int], bytes]] = {
    "cipher suites": lambda count: hello(suites=b"\x13\x02" * count),
    "groups": lambda count: hello((10, vector(b"\0\x17" * count))),
    "schemes": lambda count: hello((13, vector(b"\x04\x03" * count))),
    "roots": lambda count: hello((47, vector(b"\0\x01\x30" * count))),
    "extensions": lambda count: hello(*((1000 + number, b"") for number in range(count))),
}


@pytest.mark.parametrize("what", LISTS)
def test_a_list_that_nobody_needs_is_refused_before_it_is_read(what: str) -> None:
    assert parse_client_hello(LISTS[what](100)) is not None
    for count in (600, 5000):
        with pytest.raises(TooMuchError):
            parse_client_hello(LISTS[what](count))
    server = TlsPort([station(issued())]).connect()
    with pytest.raises(TlsError, match="more than"):
        server.receive_data(LISTS[what](5000))
    assert server.context is None, "no TLS library has seen it"
    assert server.data_to_send() == b"\x15\x03\x03\x00\x02\x02\x2f"


def test_sixteen_thousand_trusted_ca_keys_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    made = trusted_ca_keys.TrustedAuthority

    def counted(*values: Any) -> trusted_ca_keys.TrustedAuthority:
        read.append(values)
        return made(*values)

    monkeypatch.setattr(trusted_ca_keys, "TrustedAuthority", counted)
    assert len(parse_trusted_ca_keys(vector(bytes(256)))) == 256
    read.clear()
    with pytest.raises(TlsError, match="more than 256 roots"):
        parse_trusted_ca_keys(vector(bytes(16_000)))
    assert len(read) <= 256
    with pytest.raises(TlsError, match="more than"):
        parse_client_hello(hello((3, vector(bytes(15_000)))))
    assert client_hello.MAX_OCTETS <= 16 * 1024


def doubles(count: int) -> list[bytes]:
    """Certificates with the name of a Sub-CA that issues itself, each with a key
    and a signature of its own."""
    name = x509.load_der_x509_certificate(PKI.secc.chain[1]).subject
    found = []
    for serial in range(1, count + 1):
        key = ec.generate_private_key(ec.SECP521R1())
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        made = made.serial_number(serial).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
        found.append(made.sign(key, SHA512()).public_bytes(Encoding.DER))
    return found


def test_signatures_that_are_verified_for_one_chain_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    genuine = parsed.is_issued_by

    def counted(*pair: parsed.Parsed) -> bool:
        asked.append(pair)
        return genuine(*pair)

    monkeypatch.setattr("iso15118.pki.chain.path.is_issued_by", counted)
    leaf, sub2, sub1 = PKI.secc.chain
    arguments = {"role": "secc", "anchors_der": [PKI.v2g_root], "anchor_role": "V2G", "at": NOW}
    for chain, most in (
        ([leaf, sub2, sub1], 3),
        ([leaf, sub2, sub2, sub2, sub1, sub1, sub1, sub1], 3),
        ([leaf, *doubles(7)], 24),
        ([leaf, sub2, sub1, *doubles(5)], 24),
    ):
        asked.clear()
        verdict = verify_chain(chain, edition="iso20", **arguments)  # type: ignore[arg-type]
        assert verdict.ok is (sub2 in chain)
        assert len(asked) <= most


def test_a_long_list_is_read_once_and_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    key = load_key(PKI.keys["cpo-sub2"])
    serial = parsed.parse(PKI.secc.chain[0]).serial_number
    listed = crl(
        PKI.certificates["cpo-sub2"],
        key,
        last_update=NOW,
        next_update=NOW + timedelta(days=1),
        revoked=[*range(1, 20_001), serial],
    )
    crl_module._read.cache_clear()
    crl_module._is_signed_by.cache_clear()
    known = Revocation(crls=(listed,), required=False)
    for _ in range(20):
        verdict = verify_chain(
            PKI.secc.chain,
            role="secc",
            anchors_der=[PKI.v2g_root],
            anchor_role="V2G",
            at=NOW,
            edition="iso20",
            revocation=known,
        )
        assert [one.code for one in verdict.violations] == ["revoked"]
    assert crl_module._read.cache_info().misses == 1
    assert crl_module._is_signed_by.cache_info().misses == 1
