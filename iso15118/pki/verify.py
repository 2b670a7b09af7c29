"""Is this chain acceptable for this role? Path, validity, profile and role, with every violation named.

The path is built here, from what the peer sent in any order; the rules come from the profile of the edition.
Nothing that a peer sends raises anything: bad bytes are violations like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Literal

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import rules
from iso15118.pki.parsed import Parsed, UnreadableError, parse
from iso15118.pki.path import Path, find_paths
from iso15118.pki.profiles import PkiProfile, RoleProfile, load_profile
from iso15118.pki.revocation import Revocation
from iso15118.pki.violations import CODES, Verdict, Violation, violation

__all__ = ["Environment", "peer_verifier", "verify_chain"]

Environment = Literal["public", "private"]
_MAX_CERTIFICATES = 8
"""Certificates a peer may send: a chain of four, and room for a second branch."""
_ANCHOR_ROLES = ("V2G", "OEM", "MO", "CPS", "PE")


def verify_chain(
    chain_der: Sequence[bytes],
    *,
    role: str,
    anchors_der: Sequence[bytes],
    anchor_role: str,
    at: datetime | None,
    edition: str,
    environment: Environment = "public",
    revocation: Revocation | None = None,
    tolerate: Collection[str] = (),
) -> Verdict:
    """Check a peer's certificates (DER, leaf first, the others in any order).

    ``role``: what the leaf is used as, ``secc``, ``vehicle``, ``contract``, ``oemprov`` or ``cps``.
    ``anchor_role``: what kind of roots the anchors are (``V2G``, ``OEM``, ``MO``, ``CPS``, ``PE``). ``at``:
    the time to judge validity by, with a time zone; None if no clock is set, which is a violation of its own.
    ``edition``: ``iso20``, ``iso20amd1``, ``iso2`` or ``lab``. ``environment``: a private one needs neither
    Sub-CAs nor OCSP responders. ``revocation``: OCSP responses and lists; without it, nothing is said about
    revocation. ``tolerate``: codes of violations to accept and report.

    Raises ConfigError for names that do not exist and a time without zone, PkiError for an anchor that is no
    certificate.
    """
    profile = load_profile(edition)
    demands = _role(profile, role)
    if anchor_role not in _ANCHOR_ROLES:
        raise ConfigError(
            "anchor_role", f"{anchor_role!r} is no kind of root", f"one of {', '.join(_ANCHOR_ROLES)}"
        )
    if at is not None and at.utcoffset() is None:
        raise ConfigError("at", "a time without time zone")
    if unknown := set(tolerate) - CODES.keys():
        raise ConfigError("tolerate", f"no violation is called {', '.join(sorted(unknown))}")
    anchors = _read_anchors(anchors_der)
    found = list(_violations(chain_der, profile, demands, anchors, anchor_role, at, environment, revocation))
    return Verdict(
        tuple(one for one in found if one.code not in tolerate),
        tuple(one for one in found if one.code in tolerate),
    )


def peer_verifier(
    *,
    role: str,
    anchors_der: Sequence[bytes],
    anchor_role: str,
    clock: Callable[[], datetime | None],
    edition: str,
    environment: Environment = "public",
    tolerate: Collection[str] = (),
    report: Callable[[Verdict], None] | None = None,
) -> Callable[[list[bytes]], tuple[str, str] | None]:
    """The check of a TLS peer, for ``iso15118.tls.TlsContext(verify=...)``; the arguments are those of
    :func:`verify_chain`.

    The first violation decides the alert; the text names them all. ``report`` gets each verdict, also the
    good ones.
    """
    # Once now, so that wrong names and anchors show when the station starts and not when a car arrives.
    verify_chain(
        [],
        role=role,
        anchors_der=anchors_der,
        anchor_role=anchor_role,
        at=clock(),
        edition=edition,
        tolerate=tolerate,
    )

    def verify(chain: list[bytes]) -> tuple[str, str] | None:
        verdict = verify_chain(
            chain,
            role=role,
            anchors_der=anchors_der,
            anchor_role=anchor_role,
            at=clock(),
            edition=edition,
            environment=environment,
            tolerate=tolerate,
        )
        if report is not None:
            report(verdict)
        return None if verdict.ok else (verdict.violations[0].alert, f"{role} certificates: {verdict}")

    return verify


def _role(profile: PkiProfile, role: str) -> RoleProfile:
    if role not in profile.roles:
        known = ", ".join(profile.roles)
        raise ConfigError("role", f"{profile.edition} has no role {role!r}", f"one of {known}")
    return profile.roles[role]


def _read_anchors(anchors_der: Sequence[bytes]) -> list[Parsed]:
    try:
        return [parse(der) for der in anchors_der]
    except UnreadableError as error:
        raise PkiError(f"a trust anchor is no certificate: {error}") from error


def _violations(
    chain_der: Sequence[bytes],
    profile: PkiProfile,
    demands: RoleProfile,
    anchors: Sequence[Parsed],
    anchor_role: str,
    at: datetime | None,
    environment: Environment,
    revocation: Revocation | None,
) -> Iterator[Violation]:
    if not chain_der:
        yield violation("no-certificate", None)
        return
    if len(chain_der) > _MAX_CERTIFICATES:
        yield violation("too-many-certificates", None, str(len(chain_der)))
        return
    certificates: dict[int, Parsed] = {}
    for place, der in enumerate(chain_der):
        try:
            certificates[place] = parse(der)
        except UnreadableError as error:
            yield violation("malformed", place, str(error))
    if at is None:
        yield violation("clock-not-set", None)
    if anchor_role not in demands.anchors:
        yield violation("anchor-role", None, f"{anchor_role}, not {' or '.join(demands.anchors)}")
    if 0 not in certificates:
        return
    paths, obstacles = find_paths(certificates, anchors)
    yield from obstacles
    if not paths:
        # What can be said without a path: each certificate by itself.
        yield from rules.leaf(certificates[0], demands)
        for place, one in certificates.items():
            yield from rules.every(place, one, demands, profile, at, environment)
        return
    candidates = [
        list(_along(path, certificates, anchors, profile, demands, at, environment, revocation))
        for path in paths
    ]
    yield from min(candidates, key=len)


def _along(
    path: Path,
    certificates: dict[int, Parsed],
    anchors: Sequence[Parsed],
    profile: PkiProfile,
    demands: RoleProfile,
    at: datetime | None,
    environment: Environment,
    revocation: Revocation | None,
) -> Iterator[Violation]:
    """What is wrong on one path, from the anchor's part to the leaf's."""
    places, anchor_place = path
    anchor = anchors[anchor_place]
    if at is not None and not anchor.not_before <= at <= anchor.not_after:
        yield violation("anchor-expired", None, anchor.name)
    if anchor.key not in {row.key for row in profile.algorithms.values()}:
        yield violation("key-type", None, anchor.key)
    chain = [certificates[place] for place in places]
    yield from rules.depth(chain, profile, environment)
    for below, (place, one) in enumerate(zip(places[1:], chain[1:], strict=True)):
        cross = rules.is_cross(one, profile)
        yield from rules.issuing(place, one, demands, sub_cas_below=below, cross=cross)
    for place, child, parent in zip(places, chain, [*chain[1:], anchor], strict=True):
        yield from rules.link(place, child, parent, profile)
    for place, one in zip(places, chain, strict=True):
        yield from rules.every(place, one, demands, profile, at, environment)
    yield from rules.leaf(chain[0], demands)
    if revocation is not None and at is not None:
        yield from revocation.violations(places, chain, anchor, at)
