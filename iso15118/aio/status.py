"""Evidence of revocation kept fresh while a station runs: the responses of its own chains, which it staples,
before they end; and those of a peer or a contract that has come, asked for when they are needed.

Two tasks of one client. What is asked for, and when again, is decided by ``pki.status.renewal``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from iso15118.aio.net.ocsp_client import issuer_among
from iso15118.errors import ConfigError, LinkError, PkiError
from iso15118.pki.status.ocsp import verify_response
from iso15118.pki.status.renewal import refresh_at, retry_s

from .logs import Log

if TYPE_CHECKING:
    from iso15118.aio.net.ocsp_client import OcspClient
    from iso15118.pki.status.evidence import Evidence

__all__ = ["StatusKeeper", "fetch_missing"]

_log = Log(__name__)

_LONGEST_NAP_S: Final = 60.0
"""A new chain, a changed store and a clock that was set are noticed after this time."""
_SPREAD: Final = 0.1
"""Of a wait, at random: stations that started together do not ask together."""


_LATEST: Final = timedelta(days=1)
"""Nothing is ever due later than that: what seems to be was put off by a clock that has been set back
since."""


class _Asked:
    """When a certificate is asked about again."""

    def __init__(self, due: datetime) -> None:
        self.due = due
        self.failures = 0

    def is_due(self, now: datetime) -> bool:
        return not now < self.due <= now + _LATEST


class StatusKeeper:
    """Keeps the responses for ``chains`` fresh in ``evidence``, and in its store.

    ``chains``: gives our chains (DER, leaf first), asked each time, so that new ones count; ``roots``: gives
    the roots (DER) they end in. ``lists``: addresses of revocation lists to keep beside them, of whatever
    issuers. ``responses``: ask responders. ``client``: None to follow the store only.
    """

    def __init__(
        self,
        client: OcspClient | None,
        evidence: Evidence,
        *,
        chains: Callable[[], Iterable[Sequence[bytes]]],
        roots: Callable[[], Sequence[bytes]],
        lists: Sequence[str] = (),
        responses: bool = True,
    ) -> None:
        self._client = client
        self._responses = responses
        self._evidence = evidence
        self._chains, self._roots = chains, roots
        self._lists = tuple(lists)
        self._asked: dict[bytes | str, _Asked] = {}
        self._wanted: asyncio.Event | None = None

    async def run(self) -> None:
        """Keep on until cancelled."""
        self._wanted = asyncio.Event()
        while True:
            self._wanted.clear()
            try:
                nap_s = await self.turn()
            except ConfigError:
                raise
            except Exception as error:
                _log.error("revocation: a turn of the keeper failed; it goes on", error=error)
                nap_s = _LONGEST_NAP_S
            try:
                async with asyncio.timeout(nap_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    def wake(self) -> None:
        """Look at once: there is a new chain."""
        if self._wanted is not None:
            self._wanted.set()

    async def turn(self) -> float:
        """Ask about all that are due, and give the seconds until the next one is."""
        await asyncio.to_thread(self._evidence.refresh)
        if self._client is None:
            return _LONGEST_NAP_S
        now = self._client.clock()
        wanted: dict[bytes | str, _Asked] = {}
        roots = list(self._roots())
        for chain in self._chains():
            for place, der in enumerate(chain):
                issuer = issuer_among(der, [*chain[place + 1 :], *roots])
                if issuer is None:
                    continue
                if self._responses:
                    known = wanted.get(der) or self._asked.get(der)
                    asked = wanted[der] = known or _Asked(self._first_due(der, issuer, now))
                    if asked.is_due(now):
                        await self._certificate(self._client, der, issuer, place, asked)
        for url in self._lists:
            listed = wanted[url] = wanted.get(url) or self._asked.get(url) or _Asked(now)
            if listed.is_due(now):
                await self._list(self._client, url, listed)
        self._asked = wanted
        if not wanted:
            return _LONGEST_NAP_S
        left = min(one.due for one in wanted.values()) - self._client.clock()
        return min(max(left.total_seconds(), 0.0), _LONGEST_NAP_S)

    def _first_due(self, der: bytes, issuer: bytes, now: datetime) -> datetime:
        """A response that is there from an earlier run is not asked for again before its time."""
        (known,) = self._evidence.responses((der,))
        if known is None:
            return now
        verdict = verify_response(known, certificate_der=der, issuer_der=issuer, at=now)
        if verdict.status == "invalid" or verdict.this_update is None:
            return now
        due = refresh_at(verdict.this_update, verdict.next_update, now)
        return due if due - now > timedelta(minutes=1) else now

    async def _certificate(
        self, client: OcspClient, der: bytes, issuer: bytes, place: int, asked: _Asked
    ) -> None:
        now = client.clock()
        try:
            answer = await client.ask(der, issuer, place=place)
        except PkiError:  # names no responder, and nothing changes that
            asked.due = now + _LATEST
            return
        except LinkError as error:
            self._failed(asked, now, f"no OCSP response about our certificate {place}: {error}")
            return
        verdict = answer.verdict
        if verdict.status == "invalid" or verdict.this_update is None:
            why = "; ".join(map(str, verdict.violations))
            self._failed(asked, now, f"the OCSP response about our certificate {place} proves nothing: {why}")
            return
        asked.failures = 0
        asked.due = _spread(refresh_at(verdict.this_update, verdict.next_update, now), now)
        if verdict.status != "good":
            _log.error(
                "our certificate %d is %s, says its OCSP responder: vehicles refuse it", place, verdict.status
            )
        self._evidence.add_response(der, answer.octets)
        if self._evidence.store is not None:
            try:
                await asyncio.to_thread(self._evidence.store.add_response, der, answer.octets)
            except PkiError as error:
                _log.warning("an OCSP response is not kept for the next start: %s", error)

    async def _list(self, client: OcspClient, url: str, asked: _Asked) -> None:
        now = client.clock()
        try:
            fetched = await client.fetch_list(url)
            await asyncio.to_thread(self._evidence.add_list, url, fetched)
        except (LinkError, PkiError) as error:
            self._failed(asked, now, f"no revocation list: {error}")
            return
        asked.failures = 0
        asked.due = _spread(now + timedelta(hours=1), now)

    def _failed(self, asked: _Asked, now: datetime, what: str) -> None:
        asked.failures += 1
        again_s = retry_s(asked.failures)
        asked.due = _spread(now + timedelta(seconds=again_s), now)
        _log.warning("%s; asked again in %.0f s", what, again_s)


async def fetch_missing(client: OcspClient, evidence: Evidence, path: Sequence[bytes], anchor: bytes) -> None:
    """Ask about those certificates of a verified path (DER, leaf first, below ``anchor``) about which nothing
    good is known now. What comes is in ``evidence`` afterwards; what does not is in the log. [V2G20-2448]
    """
    parents = [*path[1:], anchor]
    known = evidence.responses(path)
    now = client.clock()
    missing = [
        (place, der, issuer)
        for place, (der, issuer, one) in enumerate(zip(path, parents, known, strict=True))
        if one is None
        or verify_response(one, certificate_der=der, issuer_der=issuer, at=now).status == "invalid"
    ]

    async def ask(place: int, der: bytes, issuer: bytes) -> None:
        try:
            answer = await client.ask(der, issuer, place=place)
        except (LinkError, PkiError) as error:
            _log.warning("revocation of a peer's certificate %d is not known: %s", place, error)
            return
        if answer.verdict.status == "invalid":
            why = "; ".join(map(str, answer.verdict.violations))
            _log.warning("the OCSP response about a peer's certificate %d proves nothing: %s", place, why)
        else:
            evidence.add_response(der, answer.octets)

    await asyncio.gather(*(ask(*one) for one in missing))


def _spread(due: datetime, now: datetime) -> datetime:
    """A little earlier, never later."""
    share = secrets.randbelow(1000) / 1000.0 * _SPREAD
    return due - (due - now) * share
