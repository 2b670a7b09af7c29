"""Is this chain acceptable for this role? Path, validity, profile and role, with every violation named.

The path is built here, from what the peer sent in any order; the rules come from the profile of the edition.
Nothing that a peer sends raises anything: bad bytes are violations like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import rules
from iso15118.pki.parsed import Parsed, UnreadableError, parse
from iso15118.pki.path import find_paths
from iso15118.pki.profiles import AnchorRole, PkiProfile, RoleProfile, load_profile
from iso15118.pki.revocation import Revocation, RevocationPolicy
from iso15118.pki.violations import CODES, Verdict, Violation, violation

__all__ = ["Anchors", "Environment", "peer_verifier", "verify_chain"]

Environment = Literal["public", "private"]
Anchors: TypeAlias = Sequence[bytes] | Mapping[AnchorRole, Sequence[bytes]]
"""Trusted roots (DER): all of one kind, or by their kind as :class:`~iso15118.pki.store.Contents` has them."""
_MAX_CERTIFICATES = 8
"""Certificates a peer may send: a chain of four, and room for a second branch."""
_ANCHOR_ROLES = ("V2G", "OEM", "MO", "CPS", "PE")


def verify_chain(
    chain_der: Sequence[bytes],
    *,
    role: str,
    anchors_der: Anchors,
    anchor_role: str = "",
    at: datetime | None,
    edition: str,
    environment: Environment = "public",
    revocation: Revocation | None = None,
    skew: timedelta = timedelta(),
    tolerate: Collection[str] = (),
) -> Verdict:
    """Check a peer's certificates (DER, leaf first, the others in any order).

    ``role``: what the leaf is used as, ``secc``, ``vehicle``, ``contract``, ``oemprov`` or ``cps``.
    ``anchor_role``: what kind of roots the anchors are (``V2G``, ``OEM``, ``MO``, ``CPS``, ``PE``), unless they
    are given by kind. ``at``: the time to judge validity by, with a time zone; None if no clock is set, which is
    a violation of its own (revocation is judged even so, but for the freshness of its evidence). ``edition``:
    ``iso20``, ``iso20amd1``, ``iso2`` or ``lab``. ``environment``: a private one needs neither Sub-CAs nor OCSP
    responders. ``revocation``: OCSP responses and lists; without it, nothing is said about revocation. ``skew``:
    how far our clock may be off, in both directions. ``tolerate``: codes of violations to accept and report.

    Of several paths to a root, the one with the fewest violations counts, those that are not tolerated first.

    Raises ConfigError for names that do not exist and a time without zone, PkiError for an anchor that is no
    certificate.
    """
    profile = load_profile(edition)
    if at is not None and at.utcoffset() is None:
        raise ConfigError("at", "a time without time zone", "for example datetime.now(UTC)")
    if skew < timedelta():
        raise ConfigError("skew", f"{skew.total_seconds():g} s", "zero or more")
    if unknown := set(tolerate) - CODES.keys():
        raise ConfigError("tolerate", f"no violation is called {', '.join(sorted(unknown))}")
    anchors = _read_anchors(anchors_der, anchor_role)
    use = _Use(profile, _role(profile, role), anchors, at, skew, environment, revocation)
    candidates = [_whole(one, tolerate) for one in _judged(chain_der, use)]
    return min(candidates, key=lambda one: (len(one.violations), len(one.tolerated)))


def peer_verifier(
    *,
    role: str,
    anchors_der: Anchors,
    anchor_role: str = "",
    clock: Callable[[], datetime | None],
    edition: str,
    environment: Environment = "public",
    revocation: RevocationPolicy | Callable[[Sequence[bytes]], Revocation | None] | None = None,
    skew: timedelta = timedelta(),
    tolerate: Collection[str] = (),
    report: Callable[[Verdict], None] | None = None,
    older_edition: str | None = None,
) -> Callable[..., tuple[str, str] | None]:
    """The check of a TLS peer, for ``iso15118.tls.TlsContext(verify=...)``; the arguments are those of
    :func:`verify_chain`.

    ``revocation``: what is demanded and known when a chain comes, as a policy that also takes what the peer has
    stapled, or as a callable that leaves that out; None: nothing is said about it.
    ``older_edition``: what holds instead of ``edition`` on a connection of TLS 1.2. The first violation
    decides the alert; the text names them all. ``report`` gets each verdict, also the good ones.
    """
    # Once now, so that wrong names and anchors show when the station starts and not when a car arrives.
    verify_chain(
        [],
        role=role,
        anchors_der=anchors_der,
        anchor_role=anchor_role,
        at=clock(),
        edition=edition,
        skew=skew,
        tolerate=tolerate,
    )

    def verify(
        chain: list[bytes], staples: list[bytes] | None = None, version: str = "TLSv1.3"
    ) -> tuple[str, str] | None:
        older = version != "TLSv1.3"
        pending = staples is None and older  # they come, and then this is called again
        evidence: Revocation | None = None
        if revocation is not None and not pending:
            if isinstance(revocation, RevocationPolicy):
                evidence = revocation.evidence(chain, staples or (), leaf_only=older)
            else:
                evidence = revocation(chain)
        verdict = verify_chain(
            chain,
            role=role,
            anchors_der=anchors_der,
            anchor_role=anchor_role,
            at=clock(),
            edition=older_edition if older and older_edition is not None else edition,
            environment=environment,
            revocation=evidence,
            skew=skew,
            tolerate=tolerate,
        )
        if report is not None and not (pending and verdict.ok):
            report(verdict)
        return None if verdict.ok else (verdict.violations[0].alert, f"{role} certificates: {verdict}")

    return verify


def _role(profile: PkiProfile, role: str) -> RoleProfile:
    if role not in profile.roles:
        known = ", ".join(profile.roles)
        raise ConfigError("role", f"{profile.edition} has no role {role!r}", f"one of {known}")
    return profile.roles[role]


def _read_anchors(anchors_der: Anchors, kind: str) -> list[_Anchor]:
    given = anchors_der if isinstance(anchors_der, Mapping) else {kind: anchors_der}
    if isinstance(anchors_der, Mapping) and kind:
        raise ConfigError("anchor_role", f"{kind!r}, beside anchors by their kind", "leave it out")
    if unknown := set(given) - set(_ANCHOR_ROLES):
        known = ", ".join(_ANCHOR_ROLES)
        raise ConfigError("anchor_role", f"{min(unknown)!r} is no kind of root", f"one of {known}")
    try:
        return [_Anchor(parse(der), kind) for kind, some in given.items() for der in some]
    except UnreadableError as error:
        raise PkiError(f"a trust anchor is no certificate: {error}") from error


class _Anchor(NamedTuple):
    certificate: Parsed
    kind: str


class _Use(NamedTuple):
    """What a chain is judged by."""

    profile: PkiProfile
    demands: RoleProfile
    anchors: list[_Anchor]
    at: datetime | None
    skew: timedelta
    environment: Environment
    revocation: Revocation | None


def _whole(verdict: Verdict, tolerate: Collection[str]) -> Verdict:
    """The verdict with what is tolerated set apart."""
    return msgspec.structs.replace(
        verdict,
        violations=tuple(one for one in verdict.violations if one.code not in tolerate),
        tolerated=tuple(one for one in verdict.violations if one.code in tolerate),
    )


def _judged(chain_der: Sequence[bytes], use: _Use) -> Iterator[Verdict]:
    """A verdict for each path; one without a path if there is none."""
    if not chain_der:
        yield Verdict((violation("no-certificate", None),))
        return
    if len(chain_der) > _MAX_CERTIFICATES:
        yield Verdict((violation("too-many-certificates", None, str(len(chain_der))),))
        return
    found: list[Violation] = []
    certificates: dict[int, Parsed] = {}
    for place, der in enumerate(chain_der):
        try:
            certificates[place] = parse(der)
        except UnreadableError as error:
            found.append(violation("malformed", place, str(error)))
    if use.at is None:
        found.append(violation("clock-not-set", None))
    if 0 not in certificates:
        yield Verdict((*found, *_anchor_kind(use, {one.kind for one in use.anchors})))
        return
    paths, obstacles = find_paths(certificates, [one.certificate for one in use.anchors])
    if not paths:
        found += _anchor_kind(use, {one.kind for one in use.anchors})
        yield Verdict((*found, *obstacles, *_each(certificates, use)))
    for places, anchor in paths:
        wrong = _along(places, use.anchors[anchor], certificates, use)
        yield Verdict((*found, *wrong), path=places, anchor=use.anchors[anchor].certificate.der)


def _anchor_kind(use: _Use, kinds: Collection[str]) -> Iterator[Violation]:
    allowed = use.demands.anchors
    if kinds and not set(kinds) & set(allowed):
        yield violation("anchor-role", None, f"{' and '.join(sorted(kinds))}, not {' or '.join(allowed)}")


def _each(certificates: dict[int, Parsed], use: _Use) -> Iterator[Violation]:
    """What can be said without a path: each certificate by itself, but for a root that was sent along."""
    yield from rules.leaf(certificates[0], use.demands)
    for place, one in certificates.items():
        if place == 0 or one.subject != one.issuer:
            yield from rules.every(place, one, use.demands, use.profile, use.at, use.environment, use.skew)


def _along(
    places: tuple[int, ...], trusted: _Anchor, certificates: dict[int, Parsed], use: _Use
) -> Iterator[Violation]:
    """What is wrong on one path, from the anchor's part to the leaf's."""
    anchor, profile, at, skew = trusted.certificate, use.profile, use.at, use.skew
    yield from _anchor_kind(use, {trusted.kind})
    if at is not None and not anchor.not_before - skew <= at <= anchor.not_after + skew:
        yield violation("anchor-expired", None, anchor.name)
    if anchor.key not in {row.key for row in profile.algorithms.values()}:
        yield violation("key-type", None, anchor.key)
    chain = [certificates[place] for place in places]
    yield from rules.depth(chain, profile, use.environment)
    for below, (place, one) in enumerate(zip(places[1:], chain[1:], strict=True)):
        cross = rules.is_cross(one, profile)
        yield from rules.issuing(place, one, use.demands, sub_cas_below=below, cross=cross)
    for place, child, parent in zip(places, chain, [*chain[1:], anchor], strict=True):
        yield from rules.link(place, child, parent, profile)
    for place, one in zip(places, chain, strict=True):
        yield from rules.every(place, one, use.demands, profile, at, use.environment, skew)
    yield from rules.leaf(chain[0], use.demands)
    if use.revocation is not None:
        yield from use.revocation.violations(places, chain, anchor, at, skew)
