"""The ClientHello read in the clear, and the names of roots that vehicles send."""

from __future__ import annotations

import random
import ssl
import sys
from types import FrameType

import pytest

from iso15118.errors import TlsError
from iso15118.tls import trusted_ca_keys as trusted_ca_keys_module
from iso15118.tls.client_hello import ClientHello, ClientHelloReader, parse_client_hello
from iso15118.tls.trusted_ca_keys import (
    IdentifierType,
    TrustedAuthority,
    choose_chain,
    parse_trusted_ca_keys,
    trusted_ca_keys,
)

from .rig import car, issued


def ours() -> bytes:
    return car(issued()).connect().data_to_send()


def theirs(version: ssl.TLSVersion) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def read(data: bytes) -> ClientHello:
    hello = parse_client_hello(data)
    assert hello is not None
    return hello


def test_our_own_hello_is_what_the_profile_says() -> None:
    hello = read(ours())
    assert hello.edition == "iso20"
    assert hello.versions == ("TLSv1.3",)
    assert hello.cipher_suites == ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
    assert hello.groups == ("secp521r1", "x448")
    assert hello.signature_schemes == ("ecdsa_secp521r1_sha512", "ed448")
    assert hello.status_request
    assert len(hello.certificate_authorities) == 1
    assert hello.objections() == ()
    assert "roots it trusts: V2GRootCA, Test, V2G" in hello.describe()


def test_other_peoples_hellos_are_read_and_objected_to() -> None:
    hello = read(theirs(ssl.TLSVersion.TLSv1_3))
    assert hello.edition == "iso20"
    assert any("certificate_authorities" in line for line in hello.objections())
    hello = read(theirs(ssl.TLSVersion.TLSv1_2))
    assert hello.edition == "iso2"
    assert any("trusted_ca_keys" in line for line in hello.objections())


def test_a_hello_in_pieces_is_waited_for_and_in_several_records_read() -> None:
    data = ours()
    for length in range(len(data)):
        assert parse_client_hello(data[:length]) is None
    message = data[5:]
    pieces = [message[start : start + 100] for start in range(0, len(message), 100)]
    records = b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)
    assert read(records) == read(data)


def test_a_hello_in_the_smallest_pieces_is_looked_at_once() -> None:
    data = ours()
    whole, reader = parse_client_hello(data), ClientHelloReader()
    records = b"".join(data[:3] + b"\0\1" + data[at : at + 1] for at in range(5, len(data)))
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        found = [reader.feed(records[at : at + 1]) for at in range(len(records))]
    finally:
        sys.setprofile(before)
    assert found == [None] * (len(records) - 1) + [whole]
    assert calls < 50 * len(records)  # not one for each octet that came before


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\xfe\x80\x01\x00\x00\x00\x10" + bytes(16),
        b"\x16\x02\x00\x00\x10" + bytes(16),
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01" + bytes(100),
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",
    ],
)
def test_what_is_no_hello_is_refused(data: bytes) -> None:
    with pytest.raises(TlsError):
        parse_client_hello(data)


def test_every_flipped_bit_gives_a_value_or_the_one_error() -> None:
    data = ours()
    generator = random.Random(5)
    for position in generator.sample(range(len(data) * 8), 800):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        try:
            hello = parse_client_hello(bytes(changed))
        except TlsError:
            continue
        if hello is not None:
            assert hello.describe()
            assert isinstance(hello.objections(), tuple)


@pytest.mark.parametrize("kind", [one for one in IdentifierType if one is not IdentifierType.PRE_AGREED])
def test_trusted_roots_are_named_and_found_again(kind: IdentifierType) -> None:
    pki, other = issued(), issued("ed448")
    named = parse_trusted_ca_keys(trusted_ca_keys([pki.v2g_root, pki.oem_root], kind))
    assert [one.kind for one in named] == [kind, kind]
    assert choose_chain(named, [other.certificates["pe-root"], pki.oem_root]) == 1
    assert choose_chain(named, [other.certificates["pe-root"]]) is None
    assert not TrustedAuthority(IdentifierType.PRE_AGREED, b"").names(pki.v2g_root)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x00\x01",
        b"\x00\x01\x04",
        b"\x00\x02\x03\x00",
        b"\x00\x03\x02\x00\x00",
        b"\x00\x00\x00",
        b"\x00\x02\x02\x00",
    ],
)
def test_bad_trusted_ca_keys_are_refused(data: bytes) -> None:
    with pytest.raises(TlsError) as caught:
        parse_trusted_ca_keys(data)
    assert caught.value.alert == "decode_error"


def test_an_empty_list_and_a_pre_agreed_root_are_read() -> None:
    assert parse_trusted_ca_keys(b"\x00\x00") == ()
    assert parse_trusted_ca_keys(b"\x00\x01\x00") == (TrustedAuthority(IdentifierType.PRE_AGREED, b""),)


def test_a_root_among_thousands_of_names_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    root, hashed = issued().v2g_root, []
    identify = trusted_ca_keys_module._identify

    def counted(kind: IdentifierType, der: bytes) -> bytes:
        hashed.append(kind)
        return identify(kind, der)

    strangers = tuple(
        TrustedAuthority(IdentifierType.KEY_SHA1_HASH, number.to_bytes(20, "big")) for number in range(700)
    )
    ours = TrustedAuthority(IdentifierType.KEY_SHA1_HASH, identify(IdentifierType.KEY_SHA1_HASH, root))
    monkeypatch.setattr(trusted_ca_keys_module, "_identify", counted)
    assert choose_chain(strangers, [root]) is None
    assert choose_chain((*strangers, ours), [None, root]) == 1
    assert len(hashed) <= 6
