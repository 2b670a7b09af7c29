"""Certificates, OCSP responses and revocation lists in plain words: who trusts whom, for what, until when, and
what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp

from iso15118.errors import PkiError
from iso15118.pki.cases.make import ANCHOR_ROLES
from iso15118.pki.parsed import Parsed, UnreadableError, parse
from iso15118.pki.profiles import load_profile
from iso15118.pki.verify import verify_chain

__all__ = ["explain_certificates", "explain_crl", "explain_ocsp_response", "guess_edition", "guess_role"]

Kind = Literal["root", "Sub-CA", "leaf"]
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
    """A line or several for each certificate, then the verdict on the first as the leaf of a chain."""
    parsed: list[Parsed] = []
    for place, der in enumerate(ders):
        try:
            parsed.append(parse(der))
        except UnreadableError as error:
            yield f"{place}: not a certificate: {error}"
    for place, one in enumerate(parsed):
        yield from _certificate(place, one, parsed, at)
    if not parsed or parsed[0].ca:
        return
    role = guess_role(parsed[0])
    if role is None:
        yield "verdict: its domain component names no role, so it can be used for nothing"
        return
    chosen = edition or guess_edition(parsed[0])
    if role not in load_profile(chosen).roles:
        yield f"verdict: {chosen} has no role {role}"
        return
    roots = [one.der for one in parsed if one.subject == one.issuer]
    if not roots:
        yield "verdict: the root is not here, so the chain is judged without it"
    verdict = verify_chain(
        ders,
        role=role,
        anchors_der=roots,
        anchor_role=ANCHOR_ROLES[role],
        at=at,
        edition=chosen,
        tolerate=() if roots else ("issuer-unknown",),
    )
    if verdict.ok:
        yield f"verdict: good as {_WORDS[role]}, by the rules of {chosen}, if its root is trusted"
    for violation in verdict.violations:
        yield f"wrong ({violation.code}, {violation.level}): {violation}"


def _certificate(place: int, one: Parsed, all_of_them: Sequence[Parsed], at: datetime) -> Iterator[str]:
    kind: Kind = "root" if one.subject == one.issuer else "Sub-CA" if one.ca else "leaf"
    role = guess_role(one) if kind == "leaf" else None
    yield f"{place}: {kind} {one.name}" + (f", {_WORDS[role]}" if role else "")
    issuers = [n for n, other in enumerate(all_of_them) if other.subject == one.issuer and other is not one]
    if kind != "root":
        yield f"   issued by {one.issuer_name}" + (
            f" (number {issuers[0]})" if issuers else ", which is not here"
        )
    state = "expired" if at > one.not_after else "not yet valid" if at < one.not_before else "valid"
    yield f"   {state}: {one.not_before:%Y-%m-%d} to {one.not_after:%Y-%m-%d}, {(one.not_after - at).days} days left"
    usages = ", ".join(sorted(one.key_usage or ())) or "no key usage"
    extended = ", ".join(sorted(one.extended_key_usage or ()))
    yield f"   key {one.key}, signed with {one.signature}, {len(one.der)} octets; {usages}" + (
        f"; {extended}" if extended else ""
    )
    if one.ocsp_urls:
        yield f"   ask {one.ocsp_urls[0]} whether it is revoked"


def explain_ocsp_response(der: bytes, *, at: datetime) -> Iterator[str]:
    """What a response says. Raises PkiError if it is none."""
    try:
        response = ocsp.load_der_ocsp_response(der)
        yield f"OCSP response: {response.response_status.name.lower()}"
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return
        by = response.responder_name.rfc4514_string() if response.responder_name else "the key with hash "
        key = response.responder_key_hash.hex() if response.responder_key_hash else ""
        yield f"   from {by}{key}, made {response.produced_at_utc:%Y-%m-%d %H:%M} UTC"
        for single in response.responses:
            until = single.next_update_utc
            fresh = "no end named" if until is None else f"until {until:%Y-%m-%d %H:%M} UTC"
            state = " (stale)" if until is not None and until < at else ""
            yield (
                f"   serial number {single.serial_number:x}: {single.certificate_status.name.lower()}, "
                f"from {single.this_update_utc:%Y-%m-%d %H:%M} UTC, {fresh}{state}"
            )
        for one in response.certificates:
            yield f"   with the certificate of {one.subject.rfc4514_string()}"
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"no OCSP response: {error}") from error


def explain_crl(der: bytes, *, at: datetime) -> Iterator[str]:
    """What a revocation list says. Raises PkiError if it is none."""
    try:
        listed = x509.load_der_x509_crl(der)
        until = listed.next_update_utc
        state = " (stale)" if until is None or until < at else ""
        yield f"revocation list of {listed.issuer.rfc4514_string()}, from {listed.last_update_utc:%Y-%m-%d}{state}"
        yield f"   {len(listed)} certificates revoked"
        for row in list(listed)[:20]:
            yield f"   serial number {row.serial_number:x} since {row.revocation_date_utc:%Y-%m-%d}"
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"no revocation list: {error}") from error
