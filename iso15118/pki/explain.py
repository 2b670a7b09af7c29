"""Certificates, OCSP responses and revocation lists in plain words: who trusts whom, for what,
until when, and what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp

from iso15118.errors import PkiError
from iso15118.pki.cases.make import ANCHOR_ROLES
from iso15118.pki.chain.parsed import Parsed, UnreadableError, is_issued_by, parse
from iso15118.pki.chain.profiles import load_profile
from iso15118.pki.chain.verify import verify_chain
from iso15118.pki.status.ocsp import judge

__all__ = ["explain_certificates", "explain_crl", "explain_ocsp_response", "guess_edition", "guess_role"]

Kind = Literal["root", "cross-certificate", "Sub-CA", "leaf"]
CROSS_INDICATION = "1.0.15118.20.0.6"
"""Access method that marks a certificate as vouching for another PKI's root."""
_STATUS = {
    "good": "not revoked, as far as the responder knows",
    "revoked": "revoked: not to be trusted any more",
    "unknown": "the responder does not know it: not to be trusted",
}
_UNSUCCESSFUL = {
    "malformed_request": "it did not understand the request",
    "internal_error": "it has trouble of its own",
    "try_later": "it is busy; ask again",
    "sig_required": "it answers signed requests only",
    "unauthorized": "it does not speak for this certificate",
}
_ROLES = {"CPO": "secc", "EV": "vehicle", "MO": "contract", "OEM": "oemprov", "CPS": "cps"}
_WORDS = {
    "secc": "a charging station in TLS",
    "vehicle": "a vehicle in TLS",
    "contract": "a contract: who pays",
    "oemprov": "a vehicle's provisioning certificate: who asks for contracts",
    "cps": "a provisioning service: signs contracts on their way",
}


def guess_role(one: Parsed) -> str | None:
    """The role that a leaf's domain component says it has."""
    for component in one.domain_components:
        for suffix, role in _ROLES.items():
            if component == suffix or (role == "vehicle" and component.endswith(suffix)):
                return role
    return None


def guess_edition(one: Parsed) -> str:
    """The edition that a certificate's kind of key belongs to."""
    return "iso2" if one.key == "secp256r1" else "iso20"


def explain_certificates(ders: Sequence[bytes], *, at: datetime, edition: str | None = None) -> Iterator[str]:
    """A line or several for each certificate, then the verdict on the first as the leaf of a chain.

    Roots among them are taken as trusted, and the verdict says so.
    """
    found: dict[int, Parsed] = {}
    unreadable: dict[int, str] = {}
    for place, der in enumerate(ders):
        try:
            found[place] = parse(der)
        except UnreadableError as error:
            unreadable[place] = str(error)
    for place in range(len(ders)):
        if place in found:
            yield from _certificate(place, found[place], found, at)
        else:
            yield f"{place}: not a certificate, or one in no proper DER: {unreadable[place]}"
    if 0 in unreadable:
        yield "verdict: refused, since the first certificate is none"
    elif found and not found[0].ca:
        yield from _verdict(ders, list(found.values()), at, edition)


def _verdict(
    ders: Sequence[bytes], parsed: Sequence[Parsed], at: datetime, edition: str | None
) -> Iterator[str]:
    leaf = parsed[0]
    if "OCSPSigning" in (leaf.extended_key_usage or ()):
        yield f"verdict: an OCSP responder; it speaks for certificates issued by {leaf.issuer_name}, and for no other"
        return
    role = guess_role(leaf)
    if role is None:
        yield "verdict: its domain component (DC) names no role, so it can be used for nothing"
        return
    chosen = edition or guess_edition(leaf)
    if role not in load_profile(chosen).roles:
        yield f"verdict: {chosen} has no role {role}"
        return
    roots = [one.der for one in parsed if one.subject == one.issuer]
    top = _top(parsed)
    private = role == "secc" and top.subject == top.issuer and leaf.issuer == top.subject
    if private:
        yield "judged as in a private environment, since no Sub-CA stands between it and its root"
    verdict = verify_chain(
        ders,
        role=role,
        anchors_der=roots,
        anchor_role="PE" if private else ANCHOR_ROLES[role],
        at=at,
        edition=chosen,
        environment="private" if private else "public",
        tolerate=() if top.subject == top.issuer else ("issuer-unknown",),
    )
    by_name = {one.der: one.name for one in parsed}
    if verdict.anchor is not None:
        steps = [by_name[ders[place]] for place in reversed(verdict.path)]
        yield "trust: " + ", which vouches for ".join([by_name[verdict.anchor], *steps])
    elif top.subject != top.issuer:
        yield f"missing: the certificate of {top.issuer_name}, on which trust in it depends"
    if verdict.ok:
        means = (
            "if that root is trusted"
            if verdict.anchor is not None
            else "as far as it can be judged without what is missing"
        )
        yield f"verdict: good as {_WORDS[role]}, by the rules of {chosen}, {means}"
    else:
        yield f"verdict: refused as {_WORDS[role]}, by the rules of {chosen}"
    for violation in verdict.violations:
        yield f"wrong ({violation.code}, {violation.level}): {violation}"


def _top(parsed: Sequence[Parsed]) -> Parsed:
    """The last certificate on the way up from the first, by names."""
    at, seen = parsed[0], {parsed[0].der}
    while at.subject != at.issuer:
        above = next((one for one in parsed if one.subject == at.issuer and one.der not in seen), None)
        if above is None:
            break
        seen.add(above.der)
        at = above
    return at


def _certificate(place: int, one: Parsed, all_of_them: Mapping[int, Parsed], at: datetime) -> Iterator[str]:
    marked = CROSS_INDICATION in one.access_methods
    # Only a root may put the mark there; as long as its issuer is not here, it is
    # nobody's word but the certificate's.
    cross = marked and any(
        other.subject == one.issuer and other.subject == other.issuer for other in all_of_them.values()
    )
    kind: Kind = (
        "root"
        if one.subject == one.issuer
        else "cross-certificate"
        if cross
        else "Sub-CA"
        if one.ca
        else "leaf"
    )
    role = guess_role(one) if kind == "leaf" else None
    yield f"{place}: {kind} {one.name}" + (f", {_WORDS[role]}" if role else "")
    if marked and not cross:
        yield "   it has the mark of a cross-certificate, and no root is here that has put it there"
    issuers = [n for n, other in all_of_them.items() if other.subject == one.issuer and other is not one]
    if kind != "root":
        yield f"   issued by {one.issuer_name}" + (
            f" (number {issuers[0]})" if issuers else ", which is not here"
        )
    state = "expired" if at > one.not_after else "not yet valid" if at < one.not_before else "valid"
    days = (one.not_after - at).days
    left = f"{days} days left" if days >= 0 else f"{-days} days ago"
    yield f"   {state}: {one.not_before:%Y-%m-%d} to {one.not_after:%Y-%m-%d}, {left}"
    usages = ", ".join(sorted(one.key_usage or ())) or "no key usage"
    extended = ", ".join(sorted(one.extended_key_usage or ()))
    yield f"   key {one.key}, signed with {one.signature}, {len(one.der)} octets; {usages}" + (
        f"; {extended}" if extended else ""
    )
    if one.ocsp_urls:
        yield f"   ask {one.ocsp_urls[0]} whether it is revoked"


def explain_ocsp_response(der: bytes, *, at: datetime, certificates: Sequence[bytes] = ()) -> Iterator[str]:
    """What a response says; with the certificates it is about and their issuers,
    also whether it may be believed.

    Raises PkiError if it is none.
    """
    try:
        response = ocsp.load_der_ocsp_response(der)
        status = response.response_status.name.lower()
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            yield f"OCSP response: {status}, {_UNSUCCESSFUL.get(status, 'so it says nothing')}"
            return
        yield "OCSP response"
        by = response.responder_name.rfc4514_string() if response.responder_name else "the key with hash "
        key = response.responder_key_hash.hex() if response.responder_key_hash else ""
        yield f"   from {by}{key}, made {response.produced_at_utc:%Y-%m-%d %H:%M} UTC"
        for one in response.certificates:
            yield f"   with the certificate of {one.subject.rfc4514_string()}"
        for single in response.responses:
            yield from _single(single, at)
        yield from _believed(der, response, at, certificates)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"no OCSP response: {error}") from error


def _single(single: ocsp.OCSPSingleResponse, at: datetime) -> Iterator[str]:
    until = single.next_update_utc
    fresh = "with no end named" if until is None else f"until {until:%Y-%m-%d %H:%M} UTC"
    state = " (stale)" if until is not None and until < at else ""
    status = single.certificate_status.name.lower()
    yield (
        f"   serial number {single.serial_number:x}: {status}, "
        f"from {single.this_update_utc:%Y-%m-%d %H:%M} UTC, {fresh}{state}"
    )
    yield f"   that is: {_STATUS[status]}"


def _believed(
    der: bytes, response: ocsp.OCSPResponse, at: datetime, certificates: Sequence[bytes]
) -> Iterator[str]:
    """The verdict on the response, about the certificate of its serial number."""
    known = []
    for one in certificates:
        try:
            known.append(parse(one))
        except UnreadableError:
            continue
    serials = {single.serial_number for single in response.responses}
    pairs = [
        (child, parent)
        for child in known
        if child.serial_number in serials
        for parent in known
        if parent.subject == child.issuer and parent.subject != child.subject
    ]
    if not pairs:
        yield "verdict: not judged; name the certificate it is about and the one of its issuer after it"
        return
    # Another CA may have the issuer's name: the one whose key signed the certificate is meant.
    child, parent = next((one for one in pairs if is_issued_by(*one)), pairs[0])
    verdict = judge(der, child, parent, at=at, place=None)
    yield f"verdict: {'to be believed' if verdict.status != 'invalid' else 'proves nothing'}, about {child.name}"
    for violation in verdict.violations:
        yield f"wrong ({violation.code}, {violation.level}): {violation}"


def explain_crl(der: bytes, *, at: datetime, certificates: Sequence[bytes] = ()) -> Iterator[str]:
    """What a revocation list says, and of ``certificates`` which it names. Raises PkiError if it is none."""
    try:
        listed = x509.load_der_x509_crl(der)
        until = listed.next_update_utc
        state = " (stale)" if until is None or until < at else ""
        yield f"revocation list of {listed.issuer.rfc4514_string()}, from {listed.last_update_utc:%Y-%m-%d}{state}"
        if until is not None:
            yield f"   the next one is due {until:%Y-%m-%d %H:%M} UTC"
        yield f"   {len(listed)} certificates revoked"
        for row in list(listed)[:20]:
            yield f"   serial number {row.serial_number:x} since {row.revocation_date_utc:%Y-%m-%d}"
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"no revocation list: {error}") from error
    for one in certificates:
        with suppress(UnreadableError):
            parsed = parse(one)
            if parsed.issuer == listed.issuer:
                found = listed.get_revoked_certificate_by_serial_number(parsed.serial_number) is not None
                yield f"   {parsed.name} is {'revoked' if found else 'not on it'}"
