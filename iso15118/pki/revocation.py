"""What the check of a chain is given to know about revocation: stapled or fetched OCSP responses, and lists.

Nothing here fetches anything. The first evidence that speaks of a certificate counts: its OCSP response, and
where there is none, a list of its issuer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from iso15118.pki.crl import judge_crl
from iso15118.pki.ocsp import WEEK, judge
from iso15118.pki.parsed import Parsed
from iso15118.pki.violations import Violation, violation

__all__ = ["Revocation"]


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence and how much of it is demanded."""

    staples: tuple[bytes | None, ...] = ()
    """OCSP responses (DER) by the place of the certificate in the chain as it was given; None for none.
    [V2G20-2388]
    """
    crls: tuple[bytes, ...] = ()
    """Revocation lists (DER) of any issuers."""
    nonces: tuple[bytes | None, ...] = ()
    """What was sent with the requests, by place; stapled responses have none."""
    required: bool = True
    """A certificate below the root that nothing is known about is a violation. [V2G20-1240]"""
    longest: timedelta | None = WEEK
    """How long a response may be good for. [V2G20-2448]"""

    def violations(
        self,
        places: Sequence[int],
        chain: Sequence[Parsed],
        anchor: Parsed,
        at: datetime | None,
        skew: timedelta = timedelta(),
    ) -> Iterator[Violation]:
        """For each certificate of a path, with its place in the chain as it was given. Without a clock (``at`` is
        None) freshness is not judged.
        """
        for place, one, issuer in zip(places, chain, [*chain[1:], anchor], strict=True):
            yield from self._of(place, one, issuer, at, skew)

    def _of(
        self, place: int, one: Parsed, issuer: Parsed, at: datetime | None, skew: timedelta
    ) -> Iterator[Violation]:
        staple = self.staples[place] if place < len(self.staples) else None
        if staple is not None:
            nonce = self.nonces[place] if place < len(self.nonces) else None
            verdict = judge(
                staple, one, issuer, at=at, nonce=nonce, longest=self.longest, place=place, skew=skew
            )
            yield from verdict.violations
            return
        judged = [judge_crl(listed, one, issuer, at=at, place=place, skew=skew) for listed in self.crls]
        own = [
            found for _, found in judged if not {row.code for row in found} & {"crl-issuer", "crl-malformed"}
        ]
        if own:
            yield from min(own, key=len)
            return
        for _, found in judged:
            yield from (row for row in found if row.code == "crl-malformed")
        if self.required:
            yield violation("status-missing", place)
