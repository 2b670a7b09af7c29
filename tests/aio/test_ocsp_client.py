"""OCSP responses fetched from a real responder and kept in a store, from where they are stapled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from iso15118.aio.ocsp import serve_ocsp
from iso15118.aio.ocsp_client import fetch_response, refresh_responses
from iso15118.errors import LinkError
from iso15118.pki.responder import OcspResponder
from iso15118.pki.store import Store
from iso15118.tls import ISO20, TlsContext
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
            verdicts = await refresh_responses(store, CHAIN, [PKI.v2g_root], responder=url, clock=lambda: NOW)
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
        "https://host/",
        "http://",
        "http://host:99999/",
        "http://host/a b",
        "http://h/\r\nX: y",
    ],
)
async def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(LinkError, match="OCSP responder"):
        await fetch_response(url, b"request")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "404"),
        (b"", "0 bytes read"),
        (b"HTTP/1.1 200 OK\r\n", "bytes read"),
        (b"SMTP ready\r\n\r\n", "SMTP"),
        (b"X: " + bytes(20_000), "Separator"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(40_000), "more than"),
    ],
)
async def test_a_responder_may_say_what_it_likes(said: bytes, why: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "::1", 0)
    async with server:
        with pytest.raises(LinkError, match=why):
            await fetch_response(f"http://[::1]:{server.sockets[0].getsockname()[1]}/", b"request")


async def test_a_responder_that_says_nothing_is_given_up() -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "::1", 0)
    async with server:
        with pytest.raises(LinkError, match="no answer within"):
            await fetch_response(
                f"http://[::1]:{server.sockets[0].getsockname()[1]}/", b"request", timeout_s=0.05
            )
