"""OCSP queries over HTTP, and the responses of a chain kept in a certificate store, from where they are
stapled.

A station asks about its own chain, and about vehicles and contracts that have come; see ``status`` for when.
Nothing is asked in the middle of a handshake.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

from iso15118.errors import LinkError, PkiError
from iso15118.pki.chain.parsed import UnreadableError, is_issued_by, parse
from iso15118.pki.status.ocsp import HashName, OcspVerdict, ocsp_request, verify_response
from iso15118.pki.store import Store
from iso15118.pki.store_files import crl_der

from .http_client import HttpClient

__all__ = ["Nonce", "OcspAnswer", "OcspClient", "fetch_response", "issuer_among", "refresh_responses"]

Nonce: TypeAlias = Literal["required", "preferred", "none"]
"""``required``: a response that does not repeat our nonce proves nothing. ``preferred``: a nonce is sent,
another one in the response is refused, and none at all is taken, since responders that sign in advance (RFC
5019) have none; how old it may be is then bounded by its times, a week at most [V2G20-2448]. ``none``: none
is sent."""

_MAX_RESPONSE: Final = 32 * 1024
_MAX_LIST: Final = 4 * 1024 * 1024
_MAX_URLS: Final = 4
_NONCE_OCTETS: Final = 16


class OcspAnswer(NamedTuple):
    """What a responder said about one certificate, and what that is worth."""

    octets: bytes
    verdict: OcspVerdict


def _now() -> datetime:
    return datetime.now(UTC)


class OcspClient:
    """Asks responders. ``http``: the connections to use. ``responder``: this address instead of those that
    the certificates name. ``nonce``: see :data:`Nonce`. ``hash_name``: with which certificates are named;
    ``sha1`` for responders of RFC 5019.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        responder: str | None = None,
        nonce: Nonce = "preferred",
        hash_name: HashName = "sha256",
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.http = http
        self.clock = clock
        self._responder = responder
        self._nonce: Nonce = nonce
        self._hash_name: HashName = hash_name

    async def ask(self, certificate_der: bytes, issuer_der: bytes, *, place: int = 0) -> OcspAnswer:
        """About one certificate, at each responder that it names until one gives an answer that proves
        something.

        The last answer, if none does. Raises LinkError if none answers, PkiError for what is no certificate
        or names no responder; ConfigError without the library.
        """
        try:
            urls = parse(certificate_der).ocsp_urls if self._responder is None else (self._responder,)
        except UnreadableError as error:
            raise PkiError(f"no certificate: {error}") from error
        if not urls:
            raise PkiError("the certificate names no OCSP responder")
        answer: OcspAnswer | None = None
        missing: list[str] = []
        for url in urls[:_MAX_URLS]:
            nonce = None if self._nonce == "none" else secrets.token_bytes(_NONCE_OCTETS)
            request = ocsp_request(certificate_der, issuer_der, nonce=nonce, hash_name=self._hash_name)
            try:
                octets = await _post(self.http, url, request)
            except LinkError as error:
                missing.append(str(error))
                continue
            verdict = verify_response(
                octets,
                certificate_der=certificate_der,
                issuer_der=issuer_der,
                at=self.clock(),
                nonce=nonce,
                nonce_demanded=self._nonce == "required",
                place=place,
            )
            answer = OcspAnswer(octets, verdict)
            if verdict.status != "invalid":
                break
        if answer is None:
            raise LinkError("; ".join(missing))
        return answer

    async def fetch_list(self, url: str) -> bytes:
        """A revocation list (DER), which is judged where it is used. Raises LinkError, PkiError for what is
        no list.
        """
        data = await self.http.get(url, accept="application/pkix-crl", most=_MAX_LIST)
        return await asyncio.to_thread(crl_der, data)


async def fetch_response(url: str, request: bytes, *, timeout_s: float = 5.0) -> bytes:
    """What a responder answers to a request (DER), unjudged.

    Raises LinkError if there is no answer, or none of a sensible size, within ``timeout_s``.
    """
    async with HttpClient(timeout_s=timeout_s) as http:
        return await _post(http, url, request)


async def refresh_responses(
    store: Store,
    chain: Sequence[bytes],
    roots: Sequence[bytes],
    *,
    responder: str | None = None,
    nonce: Nonce = "preferred",
    clock: Callable[[], datetime] = _now,
    timeout_s: float = 5.0,
) -> tuple[OcspVerdict | None, ...]:
    """Ask once about every certificate of a chain (DER, leaf first) and keep what was answered; the verdicts,
    by place.

    A response that proves nothing is not kept, so an older one that is still good stays. None stands for a
    certificate without a responder, without an issuer in chain or ``roots`` (DER), or without an answer.
    """
    verdicts: list[OcspVerdict | None] = []
    async with HttpClient(timeout_s=timeout_s) as http:
        client = OcspClient(http, responder=responder, nonce=nonce, clock=clock)
        for place, der in enumerate(chain):
            issuer = issuer_among(der, [*chain[place + 1 :], *roots])
            if issuer is None:
                verdicts.append(None)
                continue
            try:
                answer = await client.ask(der, issuer, place=place)
            except (LinkError, PkiError):
                verdicts.append(None)
                continue
            if answer.verdict.status != "invalid":
                await asyncio.to_thread(store.add_response, der, answer.octets)
            verdicts.append(answer.verdict)
    return tuple(verdicts)


def issuer_among(der: bytes, candidates: Sequence[bytes]) -> bytes | None:
    """The certificate (DER) whose name and key issued this one; None if it is not among them."""
    try:
        child = parse(der)
    except UnreadableError:
        return None
    for one in candidates:
        try:
            parent = parse(one)
        except UnreadableError:
            continue
        if parent.subject == child.issuer and is_issued_by(child, parent):
            return one
    return None


async def _post(http: HttpClient, url: str, request: bytes) -> bytes:
    try:
        return await http.post(
            url,
            request,
            kind="application/ocsp-request",
            accept="application/ocsp-response",
            most=_MAX_RESPONSE,
        )
    except LinkError as error:
        raise LinkError(f"OCSP responder {error}") from error
