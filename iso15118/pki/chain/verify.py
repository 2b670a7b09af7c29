"""Is this chain acceptable for this role? Path, validity, profile and role, with every violation named.

The path is built here, from what the peer sent in any order; the rules come from the profile of the edition.
Nothing that a peer sends raises anything: bad bytes are violations like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Literal, NamedTuple, TypeAlias, get_args

import msgspec

from iso15118.errors import ConfigError, PkiError
from iso15118.pki.chain import rules
from iso15118.pki.chain.parsed import Parsed, UnreadableError, parse
from iso15118.pki.chain.path import find_paths
from iso15118.pki.chain.profiles import AnchorRole, PkiProfile, RoleProfile, load_profile
from iso15118.pki.chain.violations import CODES, Verdict, Violation, rule_of, violation
from iso15118.pki.status.crl import lists
from iso15118.pki.status.ocsp import says_revoked
from iso15118.pki.status.revocation import Revocation
from iso15118.ranges import shown

__all__ = ["Anchors", "Environment", "anchor_problems", "check_codes", "verify_chain"]

Environment = Literal["public", "private"]
_ENVIRONMENTS = get_args(Environment)
Anchors: TypeAlias = Sequence[bytes] | Mapping[AnchorRole, Sequence[bytes]]
"""Trusted roots (DER): all of one kind, or by their kind as
:class:`~iso15118.pki.store.Contents` has them."""
_MAX_CERTIFICATES = 8
"""Certificates a peer may send: a chain of four, and room for a second branch."""
_ANCHOR_ROLES = ("V2G", "OEM", "MO", "CPS", "PE")
_LONGEST_SKEW = timedelta(days=366)
"""A clock that may be further off than that is none."""


def _remedy(unknown: Collection[str]) -> str:
    """For codes that do not exist: the nearest ones, or where all of them stand."""
    near = sorted({name for one in unknown for name in get_close_matches(str(one)[:60], CODES, n=1)})
    return f"did you mean {', '.join(near)}?" if near else "a code of iso15118.pki.chain.violations.CODES"


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
    refuse: Collection[str] = (),
) -> Verdict:
    """Check a peer's certificates (DER, leaf first, the others in any order).

    ``role``: what the leaf is used as, ``secc``, ``vehicle``, ``contract``, ``oemprov`` or ``cps``.
    ``anchor_role``: what kind of roots the anchors are (``V2G``, ``OEM``, ``MO``, ``CPS``, ``PE``), unless
    they are given by kind. ``at``: the time to judge validity by, with a time zone; None if no clock is set,
    which is a violation of its own (revocation is judged even so, but for the freshness of its evidence).
    ``edition``: ``iso20``, ``iso20amd1``, ``iso2`` or ``lab``. ``environment``: a private one needs neither
    Sub-CAs nor OCSP responders. ``revocation``: OCSP responses and lists; without it, nothing is said about
    revocation. ``skew``: how far our clock may be off, in both directions, a year at most. ``tolerate``:
    codes of violations to accept and report, beside those that the edition's profile tolerates. ``refuse``:
    codes of those that count nevertheless.

    Of several paths to a root, the one with the fewest violations counts, those that are not tolerated first.
    Where no path reaches a root, the longest part of one is judged by the same rules, as if its root were
    known: that it is not, ``issuer-unknown``, stands beside all else that is wrong.

    Raises ConfigError for names that do not exist and a time without zone, PkiError for an anchor that is no
    certificate.
    """
    profile = load_profile(edition)
    if at is not None and at.utcoffset() is None:
        raise ConfigError("at", "a time without time zone", "for example datetime.now(UTC)")
    if not timedelta() <= skew <= _LONGEST_SKEW:
        raise ConfigError("skew", f"{skew.total_seconds():g} s", "zero or more, a year at most")
    check_codes(tolerate=tolerate, refuse=refuse)
    if environment not in _ENVIRONMENTS:
        # Whatever is not public would be judged by the rules of a private one, which are the laxer ones.
        raise ConfigError("environment", f"{shown(environment)} is none", '"public" or "private"')
    accepted = {*tolerate, *profile.tolerated} - {*refuse}
    anchors = _read_anchors(anchors_der, anchor_role)
    use = _Use(profile, _role(profile, role), anchors, at, skew, environment, revocation)
    candidates = [_whole(one, accepted, edition) for one in _judged(chain_der, use)]
    return min(candidates, key=lambda one: (len(one.violations), len(one.tolerated)))


def check_codes(**codes: Collection[str]) -> None:
    """Codes of violations, by the name of the argument that they come in. Raises ConfigError for one that
    does not exist."""
    for name, wanted in codes.items():
        if unknown := set(wanted) - CODES.keys():
            raise ConfigError(name, f"no violation is called {', '.join(sorted(unknown))}", _remedy(unknown))


def anchor_problems(
    anchors_der: Anchors,
    anchor_role: str = "",
    *,
    at: datetime | None,
    edition: str,
    older_edition: str | None = None,
    skew: timedelta = timedelta(),
) -> list[tuple[str, Violation]]:
    """Trust anchors that nobody's chain can end in, each by its name and with the reason: expired, no CA, no
    root. Raises as ``verify_chain``. ``older_edition``: one in whose chains an anchor may stand as well.
    """
    profiles = [load_profile(one) for one in (edition, older_edition) if one is not None]
    found: list[tuple[str, Violation]] = []
    for one in _read_anchors(anchors_der, anchor_role):
        problems = [
            [
                problem
                for problem in rules.anchor(one.certificate, profile, at, skew)
                if problem.code not in profile.tolerated
            ]
            for profile in profiles
        ]
        if all(problems):
            found += [(one.certificate.name, problem) for problem in problems[0]]
    return found


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


def _whole(verdict: Verdict, tolerate: Collection[str], edition: str) -> Verdict:
    """The verdict with what is tolerated set apart, and with the rules of this edition."""
    found = [_cited(one, edition) for one in verdict.violations]
    return msgspec.structs.replace(
        verdict,
        violations=tuple(one for one in found if one.code not in tolerate),
        tolerated=tuple(one for one in found if one.code in tolerate),
    )


def _cited(one: Violation, edition: str) -> Violation:
    """A rule that was not named for the occasion is the edition's own."""
    if one.rule != CODES[one.code].rule or (rule := rule_of(one.code, edition)) == one.rule:
        return one
    return msgspec.structs.replace(one, rule=rule)


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
    paths, dead = find_paths(certificates, [one.certificate for one in use.anchors])
    for places, anchor in paths:
        trusted = use.anchors[anchor]
        wrong = [*_anchor_kind(use, {trusted.kind}), *_along(places, trusted.certificate, certificates, use)]
        yield Verdict((*found, *wrong), path=places, anchor=trusted.certificate.der)
    if dead:
        found += _anchor_kind(use, {one.kind for one in use.anchors})
    for places, obstacle in dead:
        yield _without_root(places, [*found, obstacle], certificates, use)


def _anchor_kind(use: _Use, kinds: Collection[str]) -> Iterator[Violation]:
    allowed = use.demands.anchors
    if kinds and not set(kinds) & set(allowed):
        yield violation("anchor-role", None, f"{' and '.join(sorted(kinds))}, not {' or '.join(allowed)}")


def _without_root(
    places: tuple[int, ...], found: list[Violation], certificates: dict[int, Parsed], use: _Use
) -> Verdict:
    """A path that reaches no anchor. Its own root may have been sent along: that one is not trusted, and is
    not part of the chain, but what it issued is judged by it."""
    top = certificates[places[-1]]
    if len(places) > 1 and top.subject == top.issuer:
        below = places[:-1]
        return Verdict((*found, *_along(below, top, certificates, use)), path=below)
    return Verdict((*found, *_along(places, None, certificates, use)), path=places)


def _along(
    places: tuple[int, ...], anchor: Parsed | None, certificates: dict[int, Parsed], use: _Use
) -> Iterator[Violation]:
    """What is wrong on one path, from the anchor's part to the leaf's. ``anchor``: None if nobody
    knows who issued the topmost."""
    profile, at, skew = use.profile, use.at, use.skew
    chain = [certificates[place] for place in places]
    top = len(chain) - 1
    # Only a root can vouch for another root: further down, the mark of a
    # cross-certificate is somebody's own word.
    cross = top if anchor is not None and top > 0 and rules.marked_cross(chain[top], profile) else None
    if anchor is not None:
        yield from rules.anchor(anchor, profile, at, skew, sub_cas_below=top)
    yield from rules.depth(top - (cross is not None), profile, use.environment, whole=anchor is not None)
    for below, (place, one) in enumerate(zip(places[1:], chain[1:], strict=True)):
        yield from rules.issuing(place, one, use.demands, sub_cas_below=below, cross=below + 1 == cross)
    issuers = [*chain[1:], anchor]
    for place, child, parent in zip(places, chain, issuers, strict=True):
        if parent is not None:
            crossed = cross is not None and parent is chain[cross]
            yield from rules.link(place, child, parent, profile, under_cross=crossed)
    for place, one in zip(places, chain, strict=True):
        yield from rules.every(place, one, use.demands, profile, at, use.environment, skew)
    yield from rules.leaf(chain[0], use.demands, profile)
    keys: list[tuple[int | None, Parsed]] = list(zip(places, chain, strict=True))
    yield from rules.shared_keys(keys if anchor is None else [*keys, (None, anchor)])
    if use.revocation is None:
        return
    if anchor is not None:
        yield from use.revocation.violations(places, chain, anchor, at, skew)
        return
    yield from use.revocation.violations(places[:-1], chain[:-1], chain[-1], at, skew)
    # The issuer of the topmost is not there to check the evidence by; that it is revoked counts all the same.
    place, known = places[-1], use.revocation
    if any(lists(crl, chain[-1]) for crl in known.crls) or any(
        response is not None and says_revoked(response, chain[-1])
        for some in (known.staples, known.responses)
        for response in some[place : place + 1]
    ):
        yield violation("revoked", place, "by the name of its issuer")
