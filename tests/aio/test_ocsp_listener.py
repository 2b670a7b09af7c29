"""The listener of an OCSP responder for tests: what is a request over HTTP, what is not, and how many and how
slow clients may be."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import urllib.parse
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.net import ocsp_listener as module
from iso15118.aio.net.ocsp_listener import _request, serve_ocsp
from tests.aio.test_settling import now

ASKED = bytes(range(200, 256)) + b"??>>"
TEXT = base64.b64encode(ASKED).decode()


def post(length: object, body: bytes = ASKED) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode() + body


async def requested(data: bytes) -> bytes | None:
    reader = asyncio.StreamReader(limit=16 * 1024)
    reader.feed_data(data)
    reader.feed_eof()
    return await _request(reader)


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (post(len(ASKED)), ASKED),
        (post(f" {len(ASKED)} "), ASKED),
        (post(4096, bytes(4096)), bytes(4096)),
        (post(4097, bytes(4097)), None),
        (post("00060"), ASKED),
        (post("000060"), None),
        (post("-1"), None),
        (post("x"), None),
        (post(""), None),
        (post("\u0666\u0660".encode().decode("latin-1")), None),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", None),
        (b"post / HTTP/1.1\r\ncontent-length: 60\r\n\r\n" + ASKED, None),
        (b"POST / HTTP/1.1\r\ncontent-length: 60\r\n\r\n" + ASKED, ASKED),
        (f"GET /{urllib.parse.quote(TEXT, safe='')} HTTP/1.1\r\n\r\n".encode(), ASKED),
        (f"GET /ocsp/{urllib.parse.quote(TEXT, safe='')} HTTP/1.1\r\n\r\n".encode(), ASKED),
        (f"GET /{TEXT} HTTP/1.1\r\n\r\n".encode(), ASKED),
        (b"GET /QUJD HTTP/1.1\r\n\r\n", b"ABC"),
        (b"GET /QU-D HTTP/1.1\r\n\r\n", None),
        (b"GET /QU-JD HTTP/1.1\r\n\r\n", None),
        (b"GET /QUJ HTTP/1.1\r\n\r\n", None),
        (b"PUT /QUJD HTTP/1.1\r\n\r\n", None),
    ],
)
async def test_what_is_a_request_and_what_is_not(data: bytes, request_: bytes | None) -> None:
    assert await requested(data) == request_


@pytest.mark.parametrize("data", [b"GET / HTTP", post(61), b""])
async def test_a_request_that_breaks_off_is_none(data: bytes) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await requested(data)


class Responder:
    """Answers after so long, and notes when it was asked."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.asked: list[tuple[bytes, datetime]] = []

    def reply(self, request: bytes, at: datetime) -> Any:
        self.asked.append((request, at))
        return SimpleNamespace(octets=b"answer", delay_s=self.delay_s)


DAY = datetime(2026, 1, 1, tzinfo=UTC)


async def leave(writer: asyncio.StreamWriter) -> None:
    """Close, and let the server notice."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    await asyncio.sleep(0.05)


async def ask(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("::1", port)
    writer.write(data)
    try:
        return await reader.read()
    except ConnectionResetError:  # what was sent had not been read
        return b""
    finally:
        await leave(writer)


async def test_an_answer_comes_after_both_delays_and_with_its_media_type() -> None:
    responder: Any = Responder(0.3)
    server = await serve_ocsp(responder, host="::1", delay=0.4, clock=lambda: DAY)
    async with server:
        began = now()
        head, _, body = (await ask(server.sockets[0].getsockname()[1], post(len(ASKED)))).partition(
            b"\r\n\r\n"
        )
        assert now() - began == pytest.approx(0.7, abs=0.1)
        refused = await ask(server.sockets[0].getsockname()[1], b"PUT / HTTP/1.1\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 6")
    assert body == b"answer"
    assert responder.asked == [(ASKED, DAY)]
    assert refused.startswith(b"HTTP/1.1 400 Bad Request")


async def test_so_many_clients_are_served_at_once_and_more_when_some_have_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MAX_CONNECTIONS", 2)
    responder: Any = Responder()
    server = await serve_ocsp(responder, host="::1", clock=lambda: DAY)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for _ in range(3):
            idle = [await asyncio.open_connection("::1", port) for _ in range(2)]
            await asyncio.sleep(0.05)
            assert await ask(port, post(len(ASKED))) == b"", "there are too many"
            await leave(idle[0][1])
            assert b"200 OK" in await ask(port, post(len(ASKED)))
            idle[1][1].write(post(len(ASKED)))
            assert b"200 OK" in await idle[1][0].read(), "the second of two was not too many"
            await leave(idle[1][1])


async def test_sixty_four_clients_are_served_at_once() -> None:
    responder: Any = Responder()
    server = await serve_ocsp(responder, host="::1", clock=lambda: DAY)
    async with server:
        port = server.sockets[0].getsockname()[1]
        idle = [await asyncio.open_connection("::1", port) for _ in range(64)]
        await asyncio.sleep(0.05)
        assert await ask(port, post(len(ASKED))) == b"", "that is one more"
        idle[-1][1].write(post(len(ASKED)))
        assert b"200 OK" in await idle[-1][0].read()
        for _, writer in idle:
            writer.close()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("over", [0, 1])
async def test_the_head_of_a_request_has_16_kib_at_most(over: int) -> None:
    """Whoever sends more is no client; nothing is kept for it."""
    responder: Any = Responder()
    server = await serve_ocsp(responder, host="::1", clock=lambda: DAY)
    async with server:
        began = b"GET /QUJD HTTP/1.1\r\nX: "
        head = began + b"x" * (16 * 1024 - len(began) + over) + b"\r\n\r\n"
        said = await ask(server.sockets[0].getsockname()[1], head)
    assert (said == b"") is bool(over)
    assert [request for request, _ in responder.asked] == ([] if over else [b"ABC"])


async def test_unless_it_is_told_otherwise_it_takes_a_free_port_and_answers_at_once() -> None:
    responder: Any = Responder()
    servers = [await serve_ocsp(responder, clock=lambda: DAY) for _ in range(2)]
    ports = {server.sockets[0].getsockname()[1] for server in servers}
    assert len(ports) == 2
    began = now()
    reader, writer = await asyncio.open_connection("127.0.0.1", max(ports))
    writer.write(post(len(ASKED)))
    assert b"200 OK" in await reader.read()
    assert now() - began < 0.1
    await leave(writer)
    for server in servers:
        server.close()


async def test_a_client_that_does_not_send_is_dropped_after_ten_seconds() -> None:
    responder: Any = Responder()
    server = await serve_ocsp(responder, host="::1", clock=lambda: DAY)
    async with server:
        began = now()
        assert await ask(server.sockets[0].getsockname()[1], b"GET") == b""
        assert now() - began == pytest.approx(10.0, abs=0.1)


def test_the_time_of_an_answer_has_whole_seconds() -> None:
    at = module._now()
    assert (at.microsecond, at.tzinfo) == (0, UTC)
