"""OCSP responses fetched from responders of several habits and makes, and kept in a store for stapling."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from iso15118.aio.net.http_client import HttpClient, redirected
from iso15118.aio.net.ocsp_client import OcspClient, fetch_response, issuer_among, refresh_responses
from iso15118.aio.net.ocsp_listener import serve_ocsp
from iso15118.errors import ConfigError, LinkError, PkiError
from iso15118.pki import issue_test_pki
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.crl import crl
from iso15118.pki.status.ocsp import HashName, ocsp_request
from iso15118.pki.status.responder import OcspResponder
from iso15118.pki.store import Store
from iso15118.tls import ISO20, TlsContext
from tests.aio.responder import Seen, openssl_responder, reply, request_of, serving
from tests.tls.evidence import judge_stations
from tests.tls.rig import NOW, car, issued, joined, refused

PKI = issued()
CHAIN = PKI.secc.chain


@asynccontextmanager
async def responder(**script: Any) -> AsyncIterator[str]:
    server = await serve_ocsp(OcspResponder(PKI, **script), host="::1", clock=lambda: NOW)
    try:
        yield f"http://[::1]:{server.sockets[0].getsockname()[1]}/ocsp?x=1"
    finally:
        server.close()
        await server.wait_closed()


async def test_what_is_fetched_is_kept_and_stapled(tmp_path: Path) -> None:
    store = Store(tmp_path)
    server = TlsContext(
        ISO20,
        role="server",
        identities=[PKI.secc],
        anchors=[PKI.oem_root],
        verify=lambda *_: None,
        staples=lambda chain: store.refreshed().staples(chain),
    )
    vehicle = car(PKI, verify=judge_stations([PKI.v2g_root], demand="all"))
    refused(vehicle, server)
    async with responder() as url:
        verdicts = await refresh_responses(store, CHAIN, [PKI.v2g_root], responder=url, clock=lambda: NOW)
    assert [one and one.status for one in verdicts] == ["good"] * 3
    joined(vehicle, server)
    async with responder(script={"cpo-sub2": "revoked"}) as url:
        verdicts = await refresh_responses(store, CHAIN, [PKI.v2g_root], responder=url, clock=lambda: NOW)
    assert [one and one.status for one in verdicts] == ["good", "revoked", "good"]
    assert refused(vehicle, server)[0].alert_sent == "certificate_revoked"


async def test_what_proves_nothing_replaces_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    async with responder() as url:
        await refresh_responses(store, CHAIN, [PKI.v2g_root], responder=url, clock=lambda: NOW)
    before = store.read().responses
    for answer in ("garbage", "stale", "wrong-signer", "no-nonce", "try-later"):
        async with responder(answer=answer) as url:
            verdicts = await refresh_responses(
                store, CHAIN, [PKI.v2g_root], responder=url, nonce="required", clock=lambda: NOW
            )
        assert [one and one.status for one in verdicts] == ["invalid"] * 3, answer
    assert store.read().responses == before


async def test_certificates_that_cannot_be_asked_about_are_passed_over(tmp_path: Path) -> None:
    store = Store(tmp_path)
    async with responder() as url:
        verdicts = await refresh_responses(
            store, [*CHAIN[:1], b"garbage"], [], responder=url, clock=lambda: NOW
        )
    assert verdicts == (None, None)
    nowhere = "http://[::1]:9/"
    assert (
        await refresh_responses(store, CHAIN, [PKI.v2g_root], responder=nowhere, clock=lambda: NOW)
        == (None,) * 3
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/",
        "file:///etc/passwd",
        "http://",
        "http://host:99999/",
        "http://host/a b",
        "http://h/\r\nX: y",
        "http://user:word@host/",
        "http://h\u00f6st/",
    ],
)
async def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(LinkError, match="OCSP responder"):
        await fetch_response(url, b"request")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "404"),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", "206"),
        (b"", "disconnected"),
        (b"HTTP/1.1 200 OK\r\n", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "peer closed"),
        (b"SMTP ready\r\n\r\n", "illegal|malformed"),
        (b"HTTP/1.1 200 OK\r\nX: " + bytes(200_000), "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(40_000), "more than"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "redirects"),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "no http or https"),
        (b"HTTP/1.1 302 Found\r\nLocation: gopher://h/\r\n\r\n", "no http or https"),
    ],
)
async def test_a_responder_may_say_what_it_likes(said: bytes, why: str) -> None:
    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        await request_of(reader, seen)
        writer.write(said)

    async with serving(habit) as (url, _):
        with pytest.raises(LinkError, match=why):
            await fetch_response(url, b"request")


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
async def test_a_responder_that_takes_its_time_is_given_up(drip: bool) -> None:
    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        await request_of(reader, seen)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while drip:
            writer.write(b"x")
            await asyncio.sleep(0.01)
        await reader.read()

    async with serving(habit) as (url, _):
        with pytest.raises(LinkError, match="no answer within"):
            await fetch_response(url, b"request", timeout_s=0.3)


async def chunked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
    """Interim answers, then chunks, on a connection that stays."""
    while True:
        body = await request_of(reader, seen)
        answer = OcspResponder(PKI).respond(body, NOW)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(answer), 100):
            piece = answer[start : start + 100]
            writer.write(f"{len(piece):x};x=y\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\nX-Trailer: 1\r\n\r\n")


async def test_chunks_interim_answers_and_a_connection_that_is_kept(tmp_path: Path) -> None:
    async with serving(chunked) as (url, seen):
        verdicts = await refresh_responses(
            Store(tmp_path), CHAIN, [PKI.v2g_root], responder=url, clock=lambda: NOW
        )
    assert [one and one.status for one in verdicts] == ["good"] * 3
    assert (len(seen.bodies), seen.connections) == (3, 1)
    assert all("accept-encoding: identity" in head.lower() for head in seen.heads)


@pytest.mark.parametrize(
    ("status", "methods"),
    [
        ("301 Moved", ["POST", "POST"]),
        ("302 Found", ["POST", "POST"]),
        ("307 Temporary Redirect", ["POST", "POST"]),
        ("308 Permanent Redirect", ["POST", "POST"]),
        ("303 See Other", ["POST", "GET"]),
    ],
)
async def test_a_redirect_is_followed_with_the_same_request(status: str, methods: list[str]) -> None:
    made = b"an answer"

    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        while True:
            await request_of(reader, seen)
            there = seen.heads[-1].split()[1] == "/there"
            writer.write(reply(made) if there else reply(b"", status=status, more="Location: /there\r\n"))

    async with serving(habit) as (url, seen):
        assert await fetch_response(f"{url}/here", b"request") == made
    assert [head.split()[0] for head in seen.heads] == methods
    assert seen.bodies == [b"request", b"request" if methods[1] == "POST" else b""]


def test_a_redirect_leads_nowhere_near() -> None:
    """What listens on this machine for itself alone is not asked because somebody on the
    way of an answer says so."""
    for near in (
        "http://127.0.0.1:8080/reboot",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0.0.0.0/",
        "http://169.254.169.254/latest",
        "http://LOCALHOST/",
        "http://a.localhost./",
        "http://[::1]:9/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "//127.0.0.1/x",
    ):
        with pytest.raises(LinkError, match="redirect to this machine"):
            redirected("http://ocsp.example/x", near)
        redirected("http://[::1]:80/", near)  # it was asked already
    for elsewhere in ("https://ocsp.example/y", "/y", "http://192.0.2.7/", "http://127.example/"):
        redirected("http://ocsp.example/x", elsewhere)
    for nowhere in ("file:///etc/passwd", "ftp://x/", "http://user@x/"):
        with pytest.raises(LinkError, match="no http or https address"):
            redirected("http://ocsp.example/x", nowhere)


async def test_redirects_come_to_an_end() -> None:
    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        while True:
            await request_of(reader, seen)
            writer.write(reply(b"", status="302 Found", more=f"Location: /{len(seen.heads)}\r\n"))

    async with serving(habit) as (url, seen):
        with pytest.raises(LinkError, match="more than 3 redirects"):
            await fetch_response(url, b"request")
    assert len(seen.heads) == 4


@pytest.mark.parametrize(
    ("nonce", "status"), [("required", "invalid"), ("preferred", "good"), ("none", "good")]
)
async def test_a_responder_that_repeats_no_nonce_is_taken_if_the_setting_says_so(
    nonce: Any, status: str
) -> None:
    async with responder(answer="no-nonce") as url, HttpClient() as http:
        client = OcspClient(http, responder=url, nonce=nonce, clock=lambda: NOW)
        assert (await client.ask(CHAIN[0], CHAIN[1])).verdict.status == status


@pytest.mark.parametrize("nonce", ["required", "preferred"])
async def test_another_nonce_than_ours_is_refused(nonce: Any) -> None:
    stranger = OcspResponder(PKI).respond(ocsp_request(*CHAIN[:2], nonce=b"somebody else's!"), NOW)

    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        await request_of(reader, seen)
        writer.write(reply(stranger))

    async with serving(habit) as (url, _), HttpClient() as http:
        answer = await OcspClient(http, responder=url, nonce=nonce, clock=lambda: NOW).ask(*CHAIN[:2])
    assert [one.code for one in answer.verdict.violations] == ["ocsp-nonce"]


def named(*urls: str) -> tuple[bytes, bytes]:
    """A certificate that names these responders, and its issuer."""
    sub2 = x509.load_der_x509_certificate(CHAIN[1])
    builder = x509.CertificateBuilder().subject_name(sub2.subject).issuer_name(sub2.subject)
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
        for url in urls
    ]
    key = load_key(PKI.keys["cpo-sub2"])
    made = (
        builder.public_key(key.public_key())
        .serial_number(x509.load_der_x509_certificate(CHAIN[0]).serial_number)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
        .add_extension(x509.AuthorityInformationAccess(access), critical=False)
        .sign(key, hashes.SHA512())
    )
    return made.public_bytes(Encoding.DER), CHAIN[1]


async def test_every_responder_that_a_certificate_names_is_tried_until_one_proves_something() -> None:
    async with responder(answer="garbage") as bad, responder(answer="stale") as old, responder() as good:
        der, issuer = named("http://[::1]:9/", bad, old, good)
        async with HttpClient() as http:
            client = OcspClient(http, clock=lambda: NOW)
            assert (await client.ask(der, issuer)).verdict.status == "good"
            assert (await client.ask(*named(old, bad))).verdict.status == "invalid"
            with pytest.raises(LinkError, match=r"\[::1\]|::1"):
                await client.ask(*named("http://[::1]:9/", "ldap://nowhere/"))
            with pytest.raises(PkiError, match="names no OCSP responder"):
                await client.ask(*named())


def test_an_issuer_is_found_by_its_key_and_not_by_its_name_only() -> None:
    twin = issue_test_pki("iso20", "p521", at=NOW)
    other = twin.certificates["cpo-sub2"]
    assert issuer_among(CHAIN[0], [other]) is None
    assert issuer_among(CHAIN[0], [b"garbage", other, CHAIN[1]]) == CHAIN[1]
    assert issuer_among(b"garbage", [CHAIN[1]]) is None


async def test_lists_are_fetched() -> None:
    key = load_key(PKI.keys["cpo-sub2"])
    made = crl(CHAIN[1], key, last_update=NOW, next_update=NOW + timedelta(days=1))
    armoured = x509.load_der_x509_crl(made).public_bytes(Encoding.PEM)
    lists = {"/der": made, "/pem": armoured, "/garbage": b"garbage"}

    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        while True:
            await request_of(reader, seen)
            writer.write(reply(lists[seen.heads[-1].split()[1]]))

    async with serving(habit) as (url, _), HttpClient() as http:
        client = OcspClient(http, clock=lambda: NOW)
        for good in ("/der", "/pem"):
            assert await client.fetch_list(f"{url}{good}") == made
        with pytest.raises(PkiError, match="no revocation list"):
            await client.fetch_list(f"{url}/garbage")


@pytest.mark.real_time  # another process answers
@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
async def test_a_responder_of_another_make(algorithm: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    pki = issue_test_pki("iso20", algorithm, at=now, responders=True)
    leaf, sub2, _ = pki.secc.chain
    for revoked, status in (((), "good"), (("secc",), "revoked")):
        folder = tmp_path / status
        with openssl_responder(pki, "cpo-sub2", folder, revoked=revoked, at=now) as url:
            async with HttpClient() as http:
                hashes_: tuple[HashName, ...] = ("sha1", "sha256")
                for hash_name in hashes_:
                    client = OcspClient(http, responder=url, nonce="required", hash_name=hash_name)
                    answer = await client.ask(leaf, sub2)
                    assert answer.verdict.status == status, answer.verdict.violations
                # A CA that it does not speak for.
                assert (await client.ask(pki.vehicle.chain[0], pki.vehicle.chain[1])).verdict.status != "good"


async def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(ConfigError, match=r"pip install 'iso15118-stack\[ocsp\]'"):
        await fetch_response("http://[::1]:9/", b"request")


def test_importing_the_stack_loads_neither_the_library_nor_der_parsers() -> None:
    code = (
        "import sys, iso15118.aio.secc, iso15118.aio.net.ocsp_client, iso15118.settings.trust, iso15118.pki\n"
        "print([one for one in ('httpx2', 'anyio', 'h11', 'pyasn1', 'pyasn1_modules') if one in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
