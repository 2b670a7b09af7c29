"""The single rules: what a certificate must be by itself, as an issuer, next to its issuer, and as the leaf
of a role.

Each function yields the violations of one certificate; which rules apply is data (``certs/*.toml``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from iso15118.pki.chain.identifiers import IDENTIFIERS, fault_of
from iso15118.pki.chain.parsed import Parsed, is_issued_by
from iso15118.pki.chain.profiles import PkiProfile, RoleProfile
from iso15118.pki.chain.violations import Violation, violation

__all__ = ["anchor", "depth", "every", "issuing", "leaf", "link", "marked_cross", "outside", "shared_keys"]

_UTF8, _PRINTABLE, _IA5 = 12, 19, 22
_STRINGS = {"CN": _UTF8, "O": _UTF8, "OU": _UTF8, "DC": _IA5, "C": _PRINTABLE}
"""ASN.1 tags of the attributes of a name."""
_ANY_USE = "2.5.29.37.0"
_LONGEST_ATTRIBUTE = 64
_NAMED = 4
"""Things of one kind that are wrong with one certificate, and are called by their names: a peer
chooses how many there are."""
_LONGEST_SERIAL = 20 * 8 - 1
"""Bits of a serial number that fits 20 octets as a signed number."""


def every(
    place: int,
    one: Parsed,
    demands: RoleProfile,
    profile: PkiProfile,
    at: datetime | None,
    environment: str,
    skew: timedelta = timedelta(),
) -> Iterator[Violation]:
    """Rules for each certificate below the anchor."""
    match outside(one, at, skew):
        case "expired":
            yield violation("expired", place, f"since {one.not_after:%Y-%m-%d %H:%M} UTC")
        case "not-yet-valid":
            yield violation("not-yet-valid", place, f"before {one.not_before:%Y-%m-%d %H:%M} UTC")
    if one.version != 3:
        yield violation("version", place, f"version {one.version}")
    if not 0 < one.serial_number < 1 << _LONGEST_SERIAL:
        yield violation("serial-number", place)
    yield from _strings(place, one, profile)
    if profile.ski_octets and one.subject_key_identifier is not None:
        octets = len(one.subject_key_identifier)
        if octets not in profile.ski_octets:
            yield violation("subject-key-identifier", place, f"{octets} octets")
    if one.not_understood:
        yield violation("critical-extension", place, ", ".join(one.not_understood[:_NAMED]))
    if len(one.der) > profile.certificate_octets:
        yield violation("oversize", place, f"{len(one.der)} octets, not {profile.certificate_octets} at most")
    if one.key not in {row.key for row in profile.algorithms.values()}:
        yield violation("key-type", place, one.key)
    if not one.uncompressed:
        yield violation("key-encoding", place)
    if one.ca is not None and one.ca and "basicConstraints" not in one.critical:
        yield violation("basic-constraints-not-critical", place)
    if one.key_usage is None:
        yield violation("key-usage-missing", place)
    elif "keyUsage" not in one.critical:
        yield violation("key-usage-not-critical", place)
    if demands.ocsp and environment == "public" and not one.ocsp_urls:
        yield violation("no-ocsp-url", place)


def _strings(place: int, one: Parsed, profile: PkiProfile) -> Iterator[Violation]:
    long = [
        f"{name} of {length} characters"
        for name, _, length in one.attributes
        if not 1 <= length <= _LONGEST_ATTRIBUTE
    ]
    if long:
        yield violation("name-length", place, ", ".join(long[:_NAMED]))
    odd = [name for name, tag, _ in one.attributes if profile.utf8_names and tag != _STRINGS.get(name, tag)]
    if odd:
        yield violation("name-string", place, ", ".join(odd[:_NAMED]))


def outside(one: Parsed, at: datetime | None, skew: timedelta) -> str:
    """``expired``, ``not-yet-valid``, or nothing; the last moment of the calendar, 9999-12-31, is as good as
    any other (RFC 5280 section 4.1.2.5): moments are subtracted, never moved beyond it."""
    if at is None:
        return ""
    if at - one.not_after > skew:
        return "expired"
    return "not-yet-valid" if one.not_before - at > skew else ""


def anchor(
    one: Parsed, profile: PkiProfile, at: datetime | None, skew: timedelta, *, sub_cas_below: int = 0
) -> Iterator[Violation]:
    """Rules for the trust anchor that a path ends in."""
    if outside(one, at, skew):
        yield violation("anchor-expired", None, one.name)
    if not one.ca or (one.key_usage is not None and "keyCertSign" not in one.key_usage):
        yield violation("anchor-not-a-ca", None, one.name)
    elif one.path_length is not None and one.path_length < sub_cas_below:
        yield violation("path-length", None, f"anchor {one.path_length}, with {sub_cas_below} below")
    if profile.self_signed_anchors and (one.subject != one.issuer or not is_issued_by(one, one)):
        yield violation("anchor-not-self-signed", None, one.name)
    if one.key not in {row.key for row in profile.algorithms.values()}:
        yield violation("key-type", None, one.key)


def marked_cross(one: Parsed, profile: PkiProfile) -> bool:
    """True for a certificate with the mark of those that vouch for another PKI's root. Whoever issued it has
    put it there: only a root may."""
    return profile.cross_indication in one.access_methods


def depth(sub_cas: int, profile: PkiProfile, environment: str, *, whole: bool) -> Iterator[Violation]:
    """Rules for the number of Sub-CAs on a path, cross-certificates not counted.
    ``whole``: it reaches a root."""
    if sub_cas > profile.sub_cas:
        yield violation("too-many-sub-cas", None, f"{sub_cas}, not {profile.sub_cas} at most")
    if whole and sub_cas == 0 and environment == "public":
        yield violation("no-sub-ca", None)


def shared_keys(chain: Sequence[tuple[int | None, Parsed]]) -> Iterator[Violation]:
    """A key is for one role: no two certificates of a path have the same one. A
    place of None is the anchor's."""
    owners: dict[tuple[str, bytes], Parsed] = {}
    for place, one in reversed(chain):
        owner = owners.setdefault((one.key, one.key_bits), one)
        if owner is not one:
            yield violation("same-key", place, owner.name)


def issuing(
    place: int, one: Parsed, demands: RoleProfile, *, sub_cas_below: int, cross: bool = False
) -> Iterator[Violation]:
    """Rules for a certificate that issued another one of the path."""
    if not one.ca:
        yield violation("not-a-ca", place)
    elif one.path_length is not None and one.path_length < sub_cas_below:
        yield violation("path-length", place, f"{one.path_length}, with {sub_cas_below} below")
    if one.key_usage is not None and "keyCertSign" not in one.key_usage:
        yield violation("no-key-cert-sign", place)
    if one.subject_key_identifier is None:
        yield violation("no-subject-key-identifier", place)
    if one.extended_key_usage is not None and demands.sub_ca_without_extended_key_usage:
        yield violation("sub-ca-extended-key-usage", place)
    uses = one.extended_key_usage
    if uses is not None and _ANY_USE not in uses and (absent := {*demands.sub_ca_extended_key_usage} - uses):
        yield violation("issuer-extended-key-usage", place, f"without {', '.join(sorted(absent))}")
    allowed = demands.sub_ca_domain_components
    for component in one.domain_components if not cross else ():
        if allowed and not _matches(component, allowed, suffix=demands.domain_component_suffix):
            yield violation("domain-component", place, f"{component}, not {' or '.join(allowed)}")


def link(
    place: int, child: Parsed, parent: Parsed, profile: PkiProfile, *, under_cross: bool = False
) -> Iterator[Violation]:
    """Rules for a certificate and the one that issued it. ``under_cross``: that is a cross-certificate, which
    comes later than those below it, whose validity lies within that of the root which it vouches for."""
    if not under_cross and not parent.not_before <= child.not_before <= child.not_after <= parent.not_after:
        yield violation("validity-not-nested", place, f"issuer: {_validity(parent)}, it: {_validity(child)}")
    if child.signature not in {row.signature for row in profile.algorithms.values() if row.key == parent.key}:
        yield violation("signature-algorithm", place, f"{child.signature} of a {parent.key} key")
    if child.key != parent.key:
        yield violation("mixed-algorithms", place, f"{child.key} under {parent.key}")
    if child.authority_key_identifier is None:
        yield violation("no-authority-key-identifier", place)
    elif parent.subject_key_identifier not in (None, child.authority_key_identifier):
        yield violation("authority-key-identifier", place)


def _validity(one: Parsed) -> str:
    return f"{one.not_before:%Y-%m-%d %H:%M} to {one.not_after:%Y-%m-%d %H:%M}"


def leaf(one: Parsed, demands: RoleProfile, profile: PkiProfile) -> Iterator[Violation]:
    """Rules for the leaf in its role."""
    usages = one.key_usage or frozenset()
    if one.ca or "keyCertSign" in usages:
        yield violation("leaf-is-ca", 0)
    if one.key_usage is not None and (missing := set(demands.key_usage) - usages):
        yield violation("key-usage", 0, ", ".join(sorted(missing)))
    if demands.extended_key_usage:
        if absent := set(demands.extended_key_usage) - (one.extended_key_usage or frozenset()):
            yield violation("extended-key-usage", 0, ", ".join(sorted(absent)))
        elif demands.extended_key_usage_critical and "extendedKeyUsage" not in one.critical:
            yield violation("extended-key-usage-not-critical", 0)
    if wrong := set(demands.refused_extended_key_usage) & (one.extended_key_usage or frozenset()):
        yield violation("extended-key-usage-of-another-role", 0, ", ".join(sorted(wrong)))
    if demands.domain_component is not None:
        yield from _domain_component(one, demands.domain_component, demands)
    if demands.organization and len(one.organizations) != 1:
        yield violation("organization", 0, f"{len(one.organizations)} organizations")
    if demands.subject and sorted(name for name, _, _ in one.attributes) != sorted(demands.subject):
        yield violation("subject", 0, ", ".join(name for name, _, _ in one.attributes))
    if demands.identifier is not None:
        if len(one.common_names) != 1:
            yield violation("common-name", 0, f"{len(one.common_names)} common names")
        elif not IDENTIFIERS[demands.identifier](one.common_names[0], demands.check_digit):
            why = fault_of(demands.identifier, one.common_names[0], demands.check_digit)
            detail = f"{one.common_names[0][:80]!r} is no {demands.identifier}: {why}"
            # [V2G20-2598] speaks of the vehicle's name; the others are in the annexes.
            own = "" if profile.edition == "iso2" or demands.identifier == "EVCCID" else "ISO15118-20-annex-C"
            yield violation("identifier", 0, detail, rule=own)


def _domain_component(one: Parsed, wanted: str, demands: RoleProfile) -> Iterator[Violation]:
    suffix = demands.domain_component_suffix
    if not one.domain_components:
        yield violation("no-domain-component", 0, wanted)
    elif len(one.domain_components) > 1:
        yield violation("several-domain-components", 0, ", ".join(one.domain_components))
    elif one.domain_components[0] in demands.unsettled_domain_components:
        yield violation("domain-component-unsettled", 0, f"{one.domain_components[0]} beside {wanted}")
    elif not _matches(one.domain_components[0], (wanted,), suffix=suffix):
        yield violation("domain-component", 0, f"{one.domain_components[0]}, not {wanted}")


def _matches(component: str, wanted: tuple[str, ...], *, suffix: bool) -> bool:
    return component.endswith(wanted) if suffix else component in wanted
