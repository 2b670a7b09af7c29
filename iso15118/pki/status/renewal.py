"""When to ask again: evidence before it ends, a responder that does not answer, certificates that run out.

Functions of times, without a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from iso15118.errors import ConfigError
from iso15118.pki.chain.parsed import UnreadableError, parse
from iso15118.printable import printable

__all__ = ["Expiry", "check_identity", "expiring", "refresh_at", "retry_s"]

_SOONEST: Final = timedelta(minutes=1)
"""Nobody is asked more often, whatever its answers say."""
_LATEST: Final = timedelta(days=1)
"""Somebody is asked at least as often: what was revoked yesterday is known today."""
_RETRY_S, _LONGEST_RETRY_S = 60.0, 3600.0


class Expiry(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that runs out soon, or has."""

    kind: str
    """``own`` or ``anchor``."""
    name: str
    """Its subject, human-readable."""
    not_after: datetime
    expired: bool
    purpose: str = ""
    """What it is there for, such as ``contracts``; empty: TLS."""

    def __str__(self) -> str:
        what = "certificate of ours" if self.kind == "own" else "trust anchor"
        if self.purpose:
            what += f" for {self.purpose}"
        when = "expired" if self.expired else "expires"
        return f"{what} {self.name} {when} on {self.not_after:%Y-%m-%d %H:%M} UTC"


def refresh_at(this_update: datetime, next_update: datetime | None, now: datetime) -> datetime:
    """When evidence is to be fetched anew: in the middle of its time, so that the other half is left for
    tries that fail; at the latest a day from now, at the soonest in a minute.
    """
    if next_update is None:
        due = now + _LATEST
    else:
        middle = this_update + (next_update - this_update) / 2
        due = middle if middle > now else now + (next_update - now) / 2
    return min(max(due, now + _SOONEST), now + _LATEST)


def retry_s(failures: int) -> float:
    """Seconds until the next try after so many failures in a row: a minute, doubled
    each time, up to an hour."""
    return float(min(_RETRY_S * 2.0 ** min(max(failures - 1, 0), 10), _LONGEST_RETRY_S))


def expiring(
    chains: Iterable[Sequence[bytes]],
    anchors: Iterable[bytes],
    at: datetime,
    *,
    ahead: timedelta,
    purpose: str = "",
) -> tuple[Expiry, ...]:
    """Certificates (DER) of our chains and our trust that run out before ``at`` plus ``ahead``, the first at
    the front. ``purpose``: what they are there for, unless it is TLS.
    """
    found = {}
    for kind, ders in (("own", [der for chain in chains for der in chain]), ("anchor", list(anchors))):
        for der in ders:
            try:
                one = parse(der)
            except UnreadableError:
                continue  # what cannot be read is refused where it is used
            if one.not_after - at < ahead:
                found[der] = Expiry(
                    kind=kind,
                    name=printable(one.name, 200),
                    not_after=one.not_after,
                    expired=one.not_after < at,
                    purpose=purpose,
                )
    return tuple(sorted(found.values(), key=lambda one: one.not_after))


def check_identity(chains: Iterable[Sequence[bytes]], at: datetime, *, key: str) -> None:
    """Raises ConfigError if a certificate of a chain of ours (DER, leaf first) has run out: every peer would
    refuse it. ``key``: the setting or argument that it came from. A clock that was never set shows a time
    long ago, at which nothing has expired.
    """
    for one in expiring(chains, (), at, ahead=timedelta()):
        if one.expired:
            raise ConfigError(
                key,
                f"the {one}, {(at - one.not_after).days} days ago, and every peer refuses it",
                "get a new one (`iso15118 pki issue` or `pki init` for a test PKI), or set the clock if it is wrong",
            )
