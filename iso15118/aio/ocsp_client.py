"""OCSP queries over HTTP, with everything bounded, and the responses of a chain kept fresh in a certificate store.

A station fetches those of its own chain, to staple them, and may do the same for vehicles that it expects. Nothing is asked in the middle
of a handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import urllib.parse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from iso15118.errors import LinkError, PkiError
from iso15118.pki.ocsp import OcspVerdict, ocsp_request, verify_response
from iso15118.pki.parsed import UnreadableError, parse
from iso15118.pki.store import Store

__all__ = ["fetch_response", "refresh_responses"]

_MAX_HEAD: Final = 16 * 1024
_MAX_BODY: Final = 32 * 1024
_NONCE_OCTETS: Final = 16


def _now() -> datetime:
    return datetime.now(UTC)


async def fetch_response(url: str, request: bytes, *, timeout_s: float = 5.0) -> bytes:
    """What a responder answers to a request (DER), unjudged. ``url``: plain ``http``, as OCSP has it.

    Raises ``LinkError`` if there is no answer, or none of a sensible size, within ``timeout_s``.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise LinkError(f"OCSP responder {url[:200]!r}: {error}") from error
    if parts.scheme != "http" or not host or any(one in url for one in "\r\n "):
        raise LinkError(f"OCSP responder {url[:200]!r}: not an http address")
    try:
        async with asyncio.timeout(timeout_s):
            return await _post(
                host, port, urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")), request
            )
    except TimeoutError as error:
        raise LinkError(f"OCSP responder {host}: no answer within {timeout_s:g} s") from error
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise LinkError(f"OCSP responder {host}: {error}") from error


async def refresh_responses(
    store: Store,
    chain: Sequence[bytes],
    roots: Sequence[bytes],
    *,
    responder: str | None = None,
    clock: Callable[[], datetime] = _now,
    timeout_s: float = 5.0,
) -> tuple[OcspVerdict | None, ...]:
    """Ask about every certificate of a chain (DER, leaf first) and keep what was answered; the verdicts, by place.

    Asked is the responder that each certificate names, or ``responder``. A response that proves nothing is not kept, so an older one
    that is still good stays. None stands for a certificate without a responder, without an issuer in chain or ``roots`` (DER), or
    without an answer.
    """
    verdicts: list[OcspVerdict | None] = []
    for place, der in enumerate(chain):
        issuer = _issuer(der, [*chain[place + 1 :], *roots])
        url = responder or _responder(der)
        if issuer is None or url is None:
            verdicts.append(None)
            continue
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        try:
            answer = await fetch_response(url, ocsp_request(der, issuer, nonce=nonce), timeout_s=timeout_s)
        except (LinkError, PkiError):
            verdicts.append(None)
            continue
        verdict = verify_response(
            answer, certificate_der=der, issuer_der=issuer, at=clock(), nonce=nonce, place=place
        )
        if verdict.status != "invalid":
            store.add_response(der, answer)
        verdicts.append(verdict)
    return tuple(verdicts)


async def _post(host: str, port: int, path: str, body: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, limit=_MAX_HEAD)
    try:
        name = f"[{host}]" if ":" in host else host
        head = f"POST {path} HTTP/1.1\r\nHost: {name}:{port}\r\nContent-Type: application/ocsp-request\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("ascii") + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = lines[0].split(" ")
        if len(status) < 2 or not status[0].startswith("HTTP/1.") or status[1] != "200":
            raise ValueError(f"it says {lines[0][:80]!r}")
        answer = b""
        while piece := await reader.read(_MAX_BODY + 1 - len(answer)):
            answer += piece
            if len(answer) > _MAX_BODY:
                raise ValueError(f"more than {_MAX_BODY} octets")
        return answer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _issuer(der: bytes, candidates: Sequence[bytes]) -> bytes | None:
    try:
        name = parse(der).issuer
        return next((one for one in candidates if parse(one).subject == name), None)
    except UnreadableError:
        return None


def _responder(der: bytes) -> str | None:
    try:
        urls = parse(der).ocsp_urls
    except UnreadableError:
        return None
    return urls[0] if urls else None
