"""The OCSP responder: every scripted answer, judged by our own check, and asked by the openssl command."""

from __future__ import annotations

import asyncio
import base64
import random
import shutil
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509 import ocsp

from iso15118.aio.net.ocsp_listener import serve_ocsp
from iso15118.errors import ConfigError
from iso15118.pki import issue_test_pki
from iso15118.pki.issuing.issue import pem
from iso15118.pki.status.ocsp import ocsp_request, verify_response
from iso15118.pki.status.responder import ANSWERS, Answer, OcspResponder

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKI = issue_test_pki("iso20", "p521", at=NOW, responders=True)
SECC, SUB2 = PKI.certificates["secc"], PKI.certificates["cpo-sub2"]
NONCE = bytes(range(32))
EXPECTED: dict[Answer, tuple[str, str]] = {
    "good": ("good", ""),
    "revoked": ("revoked", "revoked"),
    "unknown": ("unknown", "status-unknown"),
    "stale": ("invalid", "ocsp-stale"),
    "wrong-signer": ("invalid", "ocsp-responder"),
    "no-nonce": ("invalid", "ocsp-nonce"),
    "try-later": ("invalid", "ocsp-malformed"),
    "slow": ("good", ""),
    "garbage": ("invalid", "ocsp-malformed"),
}


def judged(response: bytes) -> tuple[str, str]:
    verdict = verify_response(response, certificate_der=SECC, issuer_der=SUB2, at=NOW, nonce=NONCE)
    return verdict.status, verdict.violations[0].code if verdict.violations else ""


@pytest.mark.parametrize("answer", ANSWERS)
def test_each_answer_is_what_the_check_finds(answer: Answer) -> None:
    request = ocsp_request(SECC, SUB2, nonce=NONCE)
    assert judged(OcspResponder(PKI, answer=answer).respond(request, NOW)) == EXPECTED[answer]
    scripted = OcspResponder(PKI, script={"secc": answer})
    assert judged(scripted.respond(request, NOW)) == EXPECTED[answer]
    other = scripted.respond(ocsp_request(PKI.vehicle.chain[0], PKI.vehicle.chain[1]), NOW)
    verdict = verify_response(
        other, certificate_der=PKI.vehicle.chain[0], issuer_der=PKI.vehicle.chain[1], at=NOW
    )
    assert verdict.status == "good"


def test_strangers_and_garbage_are_not_answered() -> None:
    responder = OcspResponder(PKI)
    stranger = issue_test_pki("iso20", "ed448", at=NOW)
    request = ocsp_request(stranger.secc.chain[0], stranger.secc.chain[1])
    assert status(responder.respond(request, NOW)) == "UNAUTHORIZED"
    generator = random.Random(7)
    for _ in range(50):
        assert (
            status(responder.respond(generator.randbytes(generator.randrange(200)), NOW))
            == "MALFORMED_REQUEST"
        )
    assert status(responder.respond(bytes(5000), NOW)) == "MALFORMED_REQUEST"
    with pytest.raises(ConfigError):
        OcspResponder(PKI, script={"nobody": "good"})


def status(response: bytes) -> str:
    return ocsp.load_der_ocsp_response(response).response_status.name


async def asked(data: bytes, answer: Answer = "good", delay: float = 0.0) -> bytes:
    server = await serve_ocsp(OcspResponder(PKI, answer=answer), delay=delay, clock=lambda: NOW)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(data)
        writer.write_eof()
        answered = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        await writer.wait_closed()
    return answered


def test_over_http_by_post_and_get() -> None:
    request = ocsp_request(SECC, SUB2, nonce=NONCE)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(request), request)
    text = urllib.parse.quote(base64.b64encode(request).decode(), safe="")
    get = f"GET /{text} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for data in (post, get):
        head, _, body = asyncio.run(asked(data)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert judged(body) == ("good", "")


@pytest.mark.parametrize(
    "data",
    [
        b"PUT / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET /!!! HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_bad_http_is_refused_politely(data: bytes) -> None:
    assert asyncio.run(asked(data)).startswith(b"HTTP/1.1 400 ")


def test_a_slow_answer_is_for_its_certificate_only() -> None:
    responder = OcspResponder(PKI, script={"secc": "slow"}, slow_s=2.5)
    assert responder.reply(ocsp_request(SECC, SUB2), NOW).delay_s == 2.5
    other = ocsp_request(PKI.vehicle.chain[0], PKI.vehicle.chain[1])
    assert responder.reply(other, NOW).delay_s == 0.0

    async def seconds() -> float:
        server = await serve_ocsp(OcspResponder(PKI, answer="slow", slow_s=0.3), clock=lambda: NOW)
        request = ocsp_request(SECC, SUB2)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            start = asyncio.get_running_loop().time()
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(request), request))
            assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"HTTP/1.1 200 OK")
            writer.close()
            await writer.wait_closed()
            return asyncio.get_running_loop().time() - start

    assert asyncio.run(seconds()) >= 0.3


def test_half_a_request_ends_quietly() -> None:
    assert asyncio.run(asked(b"POST / HTTP/1.1\r\nContent-Length: 50\r\n\r\nhalf")) == b""
    assert asyncio.run(asked(b"GET")) == b""
    assert asyncio.run(asked(b"GET /" + b"a" * 40_000)) == b""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize(("answer", "said"), [("good", b": good"), ("revoked", b": revoked")])
def test_the_openssl_command_asks_and_believes(tmp_path: Path, answer: Answer, said: bytes) -> None:
    (tmp_path / "leaf.pem").write_text(pem(SECC))
    (tmp_path / "issuer.pem").write_text(pem(SUB2))
    chain = [PKI.certificates[name] for name in ("v2g-root", "cpo-sub1", "cpo-sub2")]
    (tmp_path / "trusted.pem").write_text("".join(pem(der) for der in chain))

    async def run() -> tuple[bytes, int | None]:
        server = await serve_ocsp(OcspResponder(PKI, answer=answer), clock=lambda: NOW)
        async with server:
            port = server.sockets[0].getsockname()[1]
            command = ["openssl", "ocsp", "-issuer", "issuer.pem", "-sha256", "-cert", "leaf.pem"]
            command += ["-url", f"http://127.0.0.1:{port}/", "-CAfile", "trusted.pem", "-no_check_time"]
            command += ["-validity_period", "999999999"]
            theirs = await asyncio.create_subprocess_exec(
                *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            told, _ = await asyncio.wait_for(theirs.communicate(), 60)
            return told, theirs.returncode

    told, code = asyncio.run(run())
    assert b"Response verify OK" in told, told
    assert b"leaf.pem" + said in told
    assert code == 0
