"""What the check of a chain is given to know about revocation: stapled or fetched OCSP responses, and lists.

Nothing here fetches anything. The first evidence that speaks of a certificate counts: its OCSP response, the
peer's before ours, and where there is none, a list of its issuer. Only a revocation counts whatever else
there is, for a peer chooses what it staples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp

from iso15118.pki.chain.parsed import Parsed, UnreadableError, parse
from iso15118.pki.chain.violations import Violation, violation
from iso15118.pki.status.crl import judge_crl
from iso15118.pki.status.ocsp import WEEK, judge
from iso15118.ranges import check_fields

__all__ = ["Demand", "Revocation", "RevocationPolicy", "placed"]

Demand = Literal["all", "leaf", "none"]
_NOT_ITS_LIST = frozenset({"crl-issuer", "crl-malformed", "crl-signature"})
"""Violations of a list that another CA made, or nobody."""

_PROVES_NOTHING = frozenset({"crl-stale", "crl-future", "crl-partial"})
"""Violations of a list that is its issuer's, and with which it can only revoke."""
_ONCE_GOOD = frozenset({"ocsp-stale"})
"""Violations of a response with which nothing else is wrong than that its time is over."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence and how much of it is demanded. Raises ``ConfigError`` for a field of another type."""

    staples: tuple[bytes | None, ...] = ()
    """OCSP responses (DER) by the place of the certificate in the chain as it was given; None for none.
    [V2G20-2388]
    """
    responses: tuple[bytes | None, ...] = ()
    """OCSP responses (DER) that we have ourselves, by place; without nonce. One that is past its next update
    counts as none, unless it says ``revoked``."""
    crls: tuple[bytes, ...] = ()
    """Revocation lists (DER) of any issuers."""
    nonces: tuple[bytes | None, ...] = ()
    """What was sent with the requests, by place; stapled responses have none."""
    required: bool = True
    """A certificate below the root that nothing is known about is a violation. [V2G20-1240]"""
    leaf_only: bool = False
    """Only the leaf has to be known about: TLS 1.2 carries one response."""
    longest: timedelta | None = WEEK
    """How long a response may be good for. [V2G20-2448]"""

    def __post_init__(self) -> None:
        check_fields(self)

    def violations(
        self,
        places: Sequence[int],
        chain: Sequence[Parsed],
        anchor: Parsed,
        at: datetime | None,
        skew: timedelta = timedelta(),
    ) -> Iterator[Violation]:
        """For each certificate of a path, with its place in the chain as it was given. Without a clock
        (``at`` is None) freshness is not judged.
        """
        for place, one, issuer in zip(places, chain, [*chain[1:], anchor], strict=True):
            yield from self._of(place, one, issuer, at, skew)

    def _of(
        self, place: int, one: Parsed, issuer: Parsed, at: datetime | None, skew: timedelta
    ) -> Iterator[Violation]:
        staple, own = _at(self.staples, place), _at(self.responses, place)
        listed = [judge_crl(some, one, issuer, at=at, place=place, skew=skew)[1] for some in self.crls]
        if staple is not None:
            nonce = _at(self.nonces, place)
            found = judge(
                staple, one, issuer, at=at, nonce=nonce, longest=self.longest, place=place, skew=skew
            ).violations
            if own is not None:
                listed.append(judge(own, one, issuer, at=at, longest=None, place=place, skew=skew).violations)
        elif own is not None:
            verdict = judge(own, one, issuer, at=at, longest=self.longest, place=place, skew=skew)
            found = verdict.violations
            if {row.code for row in found} == _ONCE_GOOD:
                # Kept from an earlier visit: it says no more than none at all.
                found = self._by_lists(place, listed)
                if any(row.code == "status-missing" for row in found):
                    found = verdict.violations
        else:
            found = self._by_lists(place, listed)
        yield from found
        if not _revoked(found) and any(_revoked(some) for some in listed):
            yield violation("revoked", place)

    def _by_lists(self, place: int, listed: Sequence[tuple[Violation, ...]]) -> tuple[Violation, ...]:
        """What the lists of this issuer say. One that is not proven to be its own says nothing, for or
        against anybody: it is named only where something is demanded and nothing is known."""
        own = [some for some in listed if not {row.code for row in some} & _NOT_ITS_LIST]
        demanded = self.required and not (self.leaf_only and place != 0)
        if not demanded:
            own = [some for some in own if not some or {row.code for row in some} - _PROVES_NOTHING]
        if own:
            return min(own, key=len)
        if not demanded:
            return ()
        signed = tuple(row for some in listed for row in some if row.code == "crl-signature")
        if signed:
            return signed  # one bears its name, and a signature that is wrong or another CA's of that name
        broken = tuple(row for some in listed for row in some if row.code == "crl-malformed")
        return (*broken, violation("status-missing", place))


def _at(some: Sequence[bytes | None], place: int) -> bytes | None:
    return some[place] if place < len(some) else None


def _revoked(found: Sequence[Violation]) -> bool:
    return any(row.code == "revoked" for row in found)


class RevocationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a TLS peer's chain is held against: the responses that came with it, and what we have ourselves.
    Raises ``ConfigError`` for a field of another type."""

    demand: Demand = "all"
    """Which certificates below the root something must be known about. What is known always counts:
    revoked is revoked. A vehicle demands ``all`` in -20 [V2G20-1240] and ``leaf`` in -2, since TLS
    1.2 carries one response."""
    longest: timedelta | None = WEEK
    """How long a response may be good for. [V2G20-1021, V2G20-2448]"""
    crls: Callable[[], Sequence[bytes]] = tuple
    """Gives the revocation lists (DER) that we have now."""
    responses: Callable[[Sequence[bytes]], Sequence[bytes | None]] = lambda chain: ()
    """Gives the responses (DER) that we have for a chain ourselves, by place: for peers that
    cannot staple, as vehicles."""

    def __post_init__(self) -> None:
        check_fields(self)

    def evidence(self, chain: Sequence[bytes], staples: Sequence[bytes], *, leaf_only: bool) -> Revocation:
        """All of it, for one chain (DER, leaf first). ``leaf_only``: the connection can carry no more."""
        return Revocation(
            staples=placed(staples, chain),
            responses=tuple(self.responses(chain)),
            crls=tuple(self.crls()),
            required=self.demand != "none",
            leaf_only=leaf_only or self.demand == "leaf",
            longest=self.longest,
        )


def placed(staples: Sequence[bytes], chain: Sequence[bytes]) -> tuple[bytes | None, ...]:
    """Responses (DER) that came without gaps, by the places of the certificates (DER) that they speak of.

    As many as there are certificates are taken as they come. Of fewer, one that speaks of none of them goes
    to the first place that is left, so that it is judged all the same.
    """
    if len(staples) >= len(chain):
        return tuple(staples[: len(chain)])
    found: list[bytes | None] = [None] * len(chain)
    names = [_name(der) for der in chain]
    strange = []
    for staple in staples:
        place = _place(staple, names)
        if place is not None and found[place] is None:
            found[place] = staple
        else:
            strange.append(staple)
    for staple in strange:
        found[found.index(None)] = staple
    return tuple(found)


def _name(der: bytes) -> tuple[bytes, int] | None:
    """What responses call a certificate: its issuer's name (DER) and its serial number."""
    try:
        one = parse(der)
        return one.issuer.public_bytes(), one.serial_number
    except UnreadableError:
        return None


def _place(staple: bytes, names: Sequence[tuple[bytes, int] | None]) -> int | None:
    """Which of these a response is about. Its issuer's key is compared when it is judged."""
    try:
        response = ocsp.load_der_ocsp_response(staple)
        serial, digest = response.serial_number, response.issuer_name_hash
        hash_name = response.hash_algorithm.name
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    for place, name in enumerate(names):
        if name is not None and name[1] == serial and _hashed(hash_name, name[0]) == digest:
            return place
    return None


def _hashed(hash_name: str, data: bytes) -> bytes:
    try:
        return hashlib.new(hash_name, data, usedforsecurity=False).digest()
    except ValueError:
        return b""
