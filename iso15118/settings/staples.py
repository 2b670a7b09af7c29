"""OCSP responses for the chains of a test PKI, which has the keys of its responders in the same folder.

A real station gets its responses from its provider, and keeps them in a ``pki.store``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from iso15118.pki import IssuedPki
from iso15118.pki.status.ocsp import ocsp_request
from iso15118.pki.status.responder import OcspResponder

__all__ = ["TestPkiStaples"]

_RENEW_AFTER = timedelta(hours=12)
"""Responses of the test responder are good for three days."""


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class TestPkiStaples:
    """A staple source for ``TlsContext``: made when they are first asked for, and again when they get old."""

    __test__ = False  # not a test, whatever its name says

    def __init__(self, pki: IssuedPki, *, clock: Callable[[], datetime] = _now) -> None:
        self._pki = pki
        self._clock = clock
        self._responder = OcspResponder(pki)
        self._issuers = {
            der: pki.certificates[issuer]
            for name, issuer in pki.issuers.items()
            if issuer is not None and (der := pki.certificates[name])
        }
        self._made: dict[bytes, tuple[datetime, bytes]] = {}

    def __call__(self, chain: Sequence[bytes]) -> list[bytes | None]:
        """The responses for a chain (DER, leaf first), None for certificates of others."""
        return [self._of(der, self._clock()) for der in chain]

    def _of(self, der: bytes, now: datetime) -> bytes | None:
        issuer = self._issuers.get(der)
        if issuer is None:
            return None
        made = self._made.get(der)
        if made is None or now - made[0] > _RENEW_AFTER:
            made = now, self._responder.respond(ocsp_request(der, issuer), now)
            self._made[der] = made
        return made[1]
