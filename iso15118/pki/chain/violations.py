"""What can be wrong with a certificate chain: one row per kind, with the rule it breaks and the TLS alert it
earns.

Levels: ``rfc5280`` for what breaks any X.509 path, ``profile`` for the certificate profiles of ISO 15118,
``policy`` for what the use at hand demands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from iso15118.printable import printable

__all__ = ["CODES", "Code", "Level", "Verdict", "Violation", "rule_of", "violation"]

Level = Literal["rfc5280", "profile", "policy"]


class Code(NamedTuple):
    """One kind of violation."""

    level: Level
    rule: str
    alert: str
    meaning: str


CODES: dict[str, Code] = {
    # The bytes.
    "malformed": Code("rfc5280", "RFC5280-4.1", "bad_certificate", "not a DER certificate"),
    "version": Code("rfc5280", "RFC5280-4.1.2.1", "bad_certificate", "not an X.509 v3 certificate"),
    "serial-number": Code(
        "rfc5280",
        "RFC5280-4.1.2.2",
        "bad_certificate",
        "serial number is not positive, or longer than 20 octets",
    ),
    "too-many-certificates": Code(
        "policy", "chain-depth", "bad_certificate", "more certificates than any chain has"
    ),
    "no-certificate": Code("policy", "V2G20-1264", "bad_certificate", "no certificate at all"),
    # The path.
    "issuer-unknown": Code(
        "rfc5280", "RFC5280-6.1", "unknown_ca", "no certificate and no anchor has the issuer's name"
    ),
    "root-mismatch": Code("rfc5280", "RFC5280-6.1", "unknown_ca", "not signed by the anchor of that name"),
    "signature": Code("rfc5280", "RFC5280-6.1.3", "bad_certificate", "signature does not verify"),
    "path-length": Code(
        "rfc5280", "RFC5280-4.2.1.9", "unknown_ca", "more Sub-CAs below than its path length allows"
    ),
    "not-a-ca": Code("rfc5280", "RFC5280-4.2.1.9", "unknown_ca", "issues certificates without being a CA"),
    "no-key-cert-sign": Code(
        "rfc5280", "RFC5280-4.2.1.3", "unknown_ca", "issues certificates without keyCertSign"
    ),
    "critical-extension": Code(
        "rfc5280", "RFC5280-4.2", "bad_certificate", "critical extension that is not understood"
    ),
    "expired": Code("rfc5280", "RFC5280-6.1.3", "certificate_expired", "past its validity"),
    "not-yet-valid": Code("rfc5280", "RFC5280-6.1.3", "certificate_expired", "before its validity"),
    "anchor-expired": Code("profile", "anchor-validity", "unknown_ca", "the anchor is outside its validity"),
    "anchor-not-a-ca": Code(
        "rfc5280", "RFC5280-4.2.1.9", "unknown_ca", "the anchor is no CA: it vouches for nobody"
    ),
    "anchor-not-self-signed": Code(
        "profile", "root-profile", "unknown_ca", "the anchor is no root: another one has issued it"
    ),
    "validity-not-nested": Code(
        "profile", "ISO15118-20-amd1", "bad_certificate", "valid at times when its issuer is not"
    ),
    "same-key": Code("policy", "one-key-one-role", "bad_certificate", "the key of another certificate"),
    "clock-not-set": Code(
        "policy", "clock", "certificate_unknown", "validity cannot be judged without a clock"
    ),
    # The use.
    "anchor-role": Code("policy", "anchor-kind", "unknown_ca", "the chain ends in a root of another kind"),
    "too-many-sub-cas": Code("profile", "chain-depth", "unknown_ca", "more Sub-CAs than the profile has"),
    "no-sub-ca": Code(
        "profile", "chain-depth", "unknown_ca", "leaf directly under the root of a public environment"
    ),
    # Revocation: OCSP (RFC 6960) and CRL.
    "revoked": Code("rfc5280", "RFC6960-2.2", "certificate_revoked", "revoked by its issuer"),
    "status-unknown": Code(
        "rfc5280", "RFC6960-2.2", "certificate_unknown", "its responder does not know the certificate"
    ),
    "status-missing": Code(
        "policy", "V2G20-1240", "certificate_unknown", "nothing says whether it is revoked"
    ),
    "ocsp-malformed": Code("rfc5280", "RFC6960-4.2.1", "bad_certificate", "not a successful OCSP response"),
    "ocsp-not-one": Code(
        "profile", "V2G20-2388", "bad_certificate", "an OCSP response speaks of just one certificate"
    ),
    "ocsp-certificate": Code(
        "rfc5280", "RFC6960-3.2", "bad_certificate", "OCSP response of another certificate"
    ),
    "ocsp-signature": Code(
        "rfc5280", "RFC6960-3.2", "bad_certificate", "OCSP response not signed as it says"
    ),
    "ocsp-responder": Code(
        "rfc5280",
        "RFC6960-4.2.2.2",
        "bad_certificate",
        "responder that the certificate's issuer has not appointed",
    ),
    "ocsp-responder-usage": Code(
        "rfc5280", "RFC6960-4.2.2.2", "bad_certificate", "responder's certificate without OCSPSigning"
    ),
    "ocsp-responder-expired": Code(
        "rfc5280", "RFC6960-4.2.2.2", "bad_certificate", "responder's certificate outside its validity"
    ),
    "ocsp-future": Code("rfc5280", "RFC6960-3.2", "bad_certificate", "OCSP response from the future"),
    "ocsp-stale": Code("rfc5280", "RFC6960-3.2", "bad_certificate", "OCSP response past its next update"),
    "ocsp-no-next-update": Code(
        "profile", "V2G20-2448", "bad_certificate", "OCSP response without next update"
    ),
    "ocsp-too-long": Code(
        "profile", "V2G20-2448", "bad_certificate", "OCSP response good for more than a week"
    ),
    "ocsp-nonce": Code(
        "rfc5280", "RFC8954-2.1", "bad_certificate", "OCSP response without the nonce that was sent"
    ),
    "crl-malformed": Code("rfc5280", "RFC5280-5.1", "bad_certificate", "not a certificate revocation list"),
    "crl-issuer": Code("rfc5280", "RFC5280-6.3.3", "bad_certificate", "revocation list of another issuer"),
    "crl-signature": Code(
        "rfc5280", "RFC5280-6.3.3", "bad_certificate", "revocation list not signed by the issuer"
    ),
    "crl-usage": Code("rfc5280", "RFC5280-6.3.3", "bad_certificate", "issuer may not sign revocation lists"),
    "crl-stale": Code("rfc5280", "RFC5280-6.3.3", "bad_certificate", "revocation list past its next update"),
    "crl-future": Code("rfc5280", "RFC5280-6.3.3", "bad_certificate", "revocation list from the future"),
    "crl-partial": Code(
        "rfc5280",
        "RFC5280-5.2",
        "bad_certificate",
        "revocation list with a critical extension: not of everything",
    ),
    # The profile of every certificate.
    "oversize": Code(
        "profile", "schema-certificateType", "bad_certificate", "more octets than a message may carry"
    ),
    "key-type": Code("profile", "V2G20-2674", "unsupported_certificate", "kind of key outside the profile"),
    "key-encoding": Code(
        "profile", "RFC5480-2.2", "unsupported_certificate", "not a named curve and an uncompressed point"
    ),
    "signature-algorithm": Code(
        "profile", "V2G20-2674", "unsupported_certificate", "not the algorithm of the issuer's key"
    ),
    "mixed-algorithms": Code(
        "profile", "V2G20-2319", "unsupported_certificate", "another kind of key than its issuer"
    ),
    "no-ocsp-url": Code("profile", "ocsp-url", "bad_certificate", "names no OCSP responder"),
    "no-subject-key-identifier": Code(
        "profile", "RFC5280-4.2.1.2", "bad_certificate", "CA without subject key identifier"
    ),
    "no-authority-key-identifier": Code(
        "profile", "RFC5280-4.2.1.1", "bad_certificate", "no authority key identifier"
    ),
    "authority-key-identifier": Code(
        "profile", "RFC5280-4.2.1.1", "bad_certificate", "not its issuer's key identifier"
    ),
    "basic-constraints-not-critical": Code(
        "profile", "RFC5280-4.2.1.9", "bad_certificate", "not marked critical"
    ),
    "name-length": Code(
        "profile", "X520-upper-bounds", "bad_certificate", "an attribute of the name is empty or too long"
    ),
    "name-string": Code(
        "profile", "name-encoding", "bad_certificate", "kind of string that the name may not have"
    ),
    "subject-key-identifier": Code(
        "profile", "RFC5280-4.2.1.2", "bad_certificate", "subject key identifier of a wrong length"
    ),
    "key-usage-missing": Code("profile", "RFC5280-4.2.1.3", "bad_certificate", "no key usage"),
    "key-usage-not-critical": Code("profile", "RFC5280-4.2.1.3", "bad_certificate", "not marked critical"),
    "sub-ca-extended-key-usage": Code(
        "profile", "vehicle-profile", "bad_certificate", "Sub-CA with extended key usage"
    ),
    "issuer-extended-key-usage": Code(
        "profile", "RFC5280-4.2.1.12", "unsupported_certificate", "Sub-CA for other usages than the role's"
    ),
    # The profile of the role.
    "leaf-is-ca": Code(
        "profile", "leaf-profile", "unsupported_certificate", "the leaf may issue certificates"
    ),
    "key-usage": Code(
        "profile", "leaf-profile", "unsupported_certificate", "a key usage of the role is missing"
    ),
    "extended-key-usage": Code(
        "profile", "leaf-profile", "unsupported_certificate", "an extended usage is missing"
    ),
    "extended-key-usage-not-critical": Code(
        "profile", "leaf-profile", "unsupported_certificate", "not marked critical"
    ),
    "extended-key-usage-of-another-role": Code(
        "profile", "leaf-profile", "unsupported_certificate", "an extended usage of another role"
    ),
    "subject": Code(
        "profile", "V2G20-2598", "bad_certificate", "the name has not just the attributes of the role"
    ),
    "domain-component": Code("profile", "V2G2-925", "bad_certificate", "domain component of another role"),
    "domain-component-unsettled": Code(
        "profile", "ISO15118-20-annex-B", "bad_certificate", "a domain component that is not settled"
    ),
    "no-domain-component": Code("profile", "V2G2-925", "bad_certificate", "no domain component"),
    "several-domain-components": Code(
        "profile", "leaf-profile", "bad_certificate", "more than one domain component"
    ),
    "organization": Code("profile", "leaf-profile", "bad_certificate", "not exactly one organization"),
    "common-name": Code("profile", "leaf-profile", "bad_certificate", "not exactly one common name"),
    "identifier": Code("profile", "V2G20-2598", "bad_certificate", "the common name is no such identifier"),
}
"""Every code there is. Rules: requirement ids, RFC sections, or a word for what several clauses say together.
"""

_ISO20_RULES = {
    "domain-component": "ISO15118-20-annex-B",
    "no-domain-component": "ISO15118-20-annex-B",
}
_ISO2_RULES = {
    "no-certificate": "ISO15118-2-annex-F",
    "status-missing": "V2G2-873",
    "ocsp-not-one": "RFC6066-8",
    "ocsp-no-next-update": "RFC6960-4.2.2.1",
    "ocsp-too-long": "RFC6960-4.2.2.1",
    "key-type": "ISO15118-2-annex-F",
    "signature-algorithm": "ISO15118-2-annex-F",
    "mixed-algorithms": "ISO15118-2-annex-F",
    "validity-not-nested": "RFC5280-4.1.2.5",
    "domain-component-unsettled": "ISO15118-2-annex-F",
    "subject": "ISO15118-2-annex-F",
    "identifier": "ISO15118-2-annex-H",
}
"""Where an edition has its rule elsewhere than the table says."""


def rule_of(code: str, edition: str) -> str:
    """The rule that a violation breaks, in the document of this edition (``iso2``; any
    other is of ISO 15118-20)."""
    own = _ISO2_RULES if edition == "iso2" else _ISO20_RULES
    return own.get(code, CODES[code].rule)


class Violation(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    code: str
    certificate: int | None
    """Place in the chain as it was given, 0 for the leaf; None for the anchor or the chain as a whole."""
    rule: str
    level: Level
    detail: str = ""

    @property
    def alert(self) -> str:
        """TLS alert to refuse the peer with."""
        return CODES[self.code].alert

    def __str__(self) -> str:
        which = "chain" if self.certificate is None else f"certificate {self.certificate}"
        said = f": {self.detail}" if self.detail else ""
        return f"{which}: {CODES[self.code].meaning}{said} [{self.rule}]"


_SAID = 32
"""Violations that a verdict's text names: a peer decides how long it gets, and it goes to logs."""


class Verdict(msgspec.Struct, frozen=True):
    """Result of a check: every violation found, the path's first."""

    violations: tuple[Violation, ...]
    tolerated: tuple[Violation, ...] = ()
    """Violations that the caller chose to accept; to be reported, not hidden."""
    path: tuple[int, ...] = ()
    """Places in the given chain of the certificates that were judged, from the leaf up: a path to the anchor,
    or without one the longest part of a path. Empty if the leaf cannot be read."""
    anchor: bytes | None = None
    """The root (DER) that the path ends in; None if it reaches none."""

    @property
    def ok(self) -> bool:
        """True if the chain may be used."""
        return not self.violations

    @property
    def verified(self) -> bool:
        """True if it may be used, and leads to a root that is trusted: what was
        tolerated may be the missing root."""
        return self.ok and self.anchor is not None

    def certificates(self, chain_der: Sequence[bytes]) -> tuple[bytes, ...]:
        """Those of the certificates that were given (DER) that are on the path, from the leaf up;
        the others prove nothing."""
        return tuple(chain_der[place] for place in self.path)

    def __repr__(self) -> str:
        return f"Verdict({self}, {len(self.tolerated)} tolerated, path {self.path})"

    def __str__(self) -> str:
        if self.ok:
            return "ok"
        said = "; ".join(map(str, self.violations[:_SAID]))
        more = len(self.violations) - _SAID
        return said if more <= 0 else f"{said}; and {more} more"


def violation(code: str, certificate: int | None, detail: str = "", *, rule: str = "") -> Violation:
    """A violation of this kind, with its rule and level from the table. ``detail`` may quote what a peer
    sent: it goes to logs and terminals, so it is cut short, and has nothing in it that is not printed.
    """
    return Violation(code, certificate, rule or CODES[code].rule, CODES[code].level, printable(detail))
