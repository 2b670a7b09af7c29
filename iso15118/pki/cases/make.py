"""A negative case made: certificates with exactly that defect, what is sent and what is trusted.

Everything is issued as a good PKI is, from profiles in which the case changed a row.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.x509 import ocsp

from iso15118.errors import ConfigError
from iso15118.pki.cases import Case, ListRow, StatusRow, Variant
from iso15118.pki.chain.profiles import CertificateProfile, PkiProfile, load_profile
from iso15118.pki.chain.verify import verify_chain
from iso15118.pki.chain.violations import Verdict
from iso15118.pki.issuing.issue import IssuedPki, issue_leaf, issue_test_pki, load_key
from iso15118.pki.keys.credential import Credential
from iso15118.pki.status.crl import crl
from iso15118.pki.status.ocsp import ocsp_response
from iso15118.pki.status.revocation import Revocation

__all__ = ["ANCHOR_ROLES", "Broken", "judge", "make", "places"]

ANCHOR_ROLES = {"secc": "V2G", "vehicle": "OEM", "contract": "MO", "oemprov": "OEM", "cps": "V2G"}
"""The root that vouches for a role in a test PKI."""
_GARBAGE = b"this is no certificate"
_NONCE = bytes(range(16))


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A case made for one role, edition and algorithm."""

    variant: Variant
    pki: IssuedPki
    places: dict[str, str]
    """Names of the certificates by their places."""
    chain: tuple[bytes, ...]
    """As the peer sends it."""
    key: bytes
    anchors: tuple[bytes, ...]
    anchor_role: str
    at: datetime | None
    revocation: Revocation | None

    @property
    def credential(self) -> Credential:
        """What the peer presents in TLS."""
        return Credential(chain=self.chain, key=self.key)


def places(profile: PkiProfile, leaf: str) -> dict[str, str]:
    """Names of a leaf's certificate, its Sub-CAs and its root."""
    rows = profile.certificates
    found = {"leaf": leaf}
    for place in ("sub2", "sub1", "root"):
        issuer = rows[leaf].issuer
        if issuer is None:
            raise ConfigError("role", f"{found['leaf']} has no two Sub-CAs")
        found[place] = leaf = issuer
    return found


def make(variant: Variant, *, at: datetime, whole: bool = False) -> Broken:
    """Issue the certificates of a case. ``whole``: a complete PKI, and not just the branch in question."""
    case, profile = variant.case, load_profile(variant.edition)
    named = places(profile, case.present or variant.role)
    branch = profile if whole else _only(profile, tuple(named.values()))
    statuses = bool(case.status)
    pki = issue_test_pki(
        variant.edition,
        variant.algorithm,
        at=at,
        responders=statuses or whole,
        profile=_changed(branch, case, named),
    )
    if "sub3" in case.rows:
        named = {**named, "sub3": "sub3"}
    other = None
    if any("other" in one for one in (*(case.chain or ()), *case.anchors)) or _needs_other(case):
        other = issue_test_pki(
            variant.edition,
            variant.algorithm,
            at=at,
            responders=True,
            profile=_only(profile, tuple(named.values())),
        )
    sent = case.chain if case.chain is not None else ("leaf", "sub2", "sub1")
    return Broken(
        variant=variant,
        pki=pki,
        places=named,
        chain=tuple(_certificate(one, pki, other, named) for one in sent),
        key=pki.keys[named["leaf"]],
        anchors=tuple(_certificate(one, pki, other, named) for one in case.anchors),
        anchor_role=case.anchor_roles.get(variant.role, ANCHOR_ROLES[variant.role]),
        at=at if case.clock else None,
        revocation=_revocation(case, pki, other, named, at),
    )


def judge(broken: Broken) -> Verdict:
    """The verdict of the chain check."""
    variant = broken.variant
    return verify_chain(
        broken.chain,
        role=variant.role,
        anchors_der=broken.anchors,
        anchor_role=broken.anchor_role,
        at=broken.at,
        edition=variant.case.policy or variant.edition,
        revocation=broken.revocation,
    )


def _needs_other(case: Case) -> bool:
    return any(one.responder == "stranger" for one in case.status.values()) or any(
        one.signer == "other" for one in case.lists.values()
    )


def _only(profile: PkiProfile, names: tuple[str, ...]) -> PkiProfile:
    rows = {name: row for name, row in profile.certificates.items() if name in names}
    return msgspec.structs.replace(profile, certificates=rows)


def _changed(profile: PkiProfile, case: Case, named: dict[str, str]) -> PkiProfile:
    rows = dict(profile.certificates)
    for place, change in case.rows.items():
        name = named.get(place, place)
        like = named.get(change.get("like", place), name)
        rows[name] = _row(profile.certificates[like], change, named)
    if "sub3" in case.rows:
        # Rows are issued in their order: the leaf comes after whoever issues it.
        rows[named["leaf"]] = rows.pop(named["leaf"])
    return msgspec.structs.replace(profile, certificates=rows)


def _row(row: CertificateProfile, change: dict[str, Any], named: dict[str, str]) -> CertificateProfile:
    values = {**msgspec.to_builtins(row), **change}
    for key in values.pop("unset", ()):
        del values[key]
    values.pop("like", None)
    values["key_usage"] = (*values["key_usage"], *values.pop("more_key_usage", ()))
    if "issuer" in change:
        values["issuer"] = named.get(change["issuer"], change["issuer"])
    return msgspec.convert(values, CertificateProfile)


def _certificate(what: str, pki: IssuedPki, other: IssuedPki | None, named: dict[str, str]) -> bytes:
    if what == "garbage":
        return _GARBAGE
    if what == "empty":
        return b""
    if what.startswith("other-") and other is not None:
        return other.certificates[named[what.removeprefix("other-")]]
    return pki.certificates[named[what]]


def _revocation(
    case: Case, pki: IssuedPki, other: IssuedPki | None, named: dict[str, str], at: datetime
) -> Revocation | None:
    if not case.status and not case.lists:
        return None
    chain = ("leaf", "sub2", "sub1")
    issuers = {"leaf": "sub2", "sub2": "sub1", "sub1": "root"}
    if case.lists:
        lists = [_list(row, place, pki, other, named, at) for place, row in case.lists.items()]
        return Revocation(crls=tuple(lists))
    rows = {place: case.status.get(place, StatusRow()) for place in chain}  # type: ignore[call-overload]
    staples = [
        _staple(row, named[place], named[issuers[place]], pki, other, at) for place, row in rows.items()
    ]
    nonces = tuple(None if row.nonce == "none" else _NONCE for row in rows.values())
    return Revocation(staples=tuple(staples), nonces=nonces)


def _staple(
    row: StatusRow, name: str, issuer: str, pki: IssuedPki, other: IssuedPki | None, at: datetime
) -> bytes | None:
    if row.missing:
        return None
    if row.garbage:
        return _GARBAGE
    responder = pki.responder(issuer)
    match row.responder:
        case "issuer":
            responder = Credential(chain=(pki.certificates[issuer],), key=pki.keys[issuer])
        case "other-ca":
            responder = pki.responder(pki.issuers[issuer] or issuer)
        case "stranger" if other is not None:
            responder = other.responder(issuer)
        case "no-usage" | "expired":
            responder = _odd_responder(pki, issuer, at, expired=row.responder == "expired")
    made = ocsp_response(
        pki.certificates[issuer if row.about_another else name],
        pki.certificates[(pki.issuers[issuer] or issuer) if row.about_another else issuer],
        responder_der=responder.chain[0],
        key=load_key(responder.key),
        this_update=at + timedelta(days=row.from_days),
        next_update=None if row.no_next_update else at + timedelta(days=row.to_days or 0),
        status=row.status,
        nonce={"right": _NONCE, "wrong": _NONCE[::-1]}.get(row.nonce),
    )
    return _altered(made) if row.altered else made


def _odd_responder(pki: IssuedPki, issuer: str, at: datetime, *, expired: bool) -> Credential:
    row = CertificateProfile(
        issuer=issuer,
        common_name="OCSP of its own making",
        key_usage=("digitalSignature",),
        extended_key_usage=("OCSPSigning",) if expired else (),
        valid_days=-0.5 if expired else 30,
        ocsp=False,
    )
    made = issue_leaf(pki, issuer, "odd-responder", at=at, row=row)
    return Credential(chain=(made.certificates["odd-responder"],), key=made.keys["odd-responder"])


def _altered(response: bytes) -> bytes:
    """The lowest bit of the signature is another one."""
    signature = ocsp.load_der_ocsp_response(response).signature
    return response.replace(signature, signature[:-1] + bytes([signature[-1] ^ 1]))


def _list(
    row: ListRow, place: str, pki: IssuedPki, other: IssuedPki | None, named: dict[str, str], at: datetime
) -> bytes:
    if row.garbage:
        return _GARBAGE
    issuer = named[place]
    signer = (other or pki) if row.signer == "other" else pki
    return crl(
        pki.certificates[issuer],
        load_key(signer.keys[issuer]),
        last_update=at + timedelta(days=row.from_days),
        next_update=at + timedelta(days=row.to_days),
        revoked=[_serial(pki.certificates[named[one]]) for one in row.revoked],
    )


def _serial(certificate: bytes) -> int:
    return x509.load_der_x509_certificate(certificate).serial_number
