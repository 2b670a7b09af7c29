"""TLS contexts of both roles from what their files name: who we are, whom we trust,
and how a peer is judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial

from iso15118.errors import ConfigError
from iso15118.pki import Credential, IssuedPki, peer_verifier
from iso15118.pki.chain.parsed import parse
from iso15118.pki.status.evidence import Evidence
from iso15118.pki.status.revocation import Demand, RevocationPolicy
from iso15118.settings.identity import OWN, Role, TlsMaterial, from_test_pki, read_pki
from iso15118.settings.staples import TestPkiStaples
from iso15118.tls import PROFILES, StapleSource, TlsContext, TlsPort

__all__ = [
    "Keylog",
    "common_name",
    "evcc_context",
    "evcc_source",
    "read_pki",
    "secc_context",
    "secc_port",
    "secc_source",
]

Keylog = Callable[[str], None]
"""Told each line of TLS secrets."""


def common_name(material: TlsMaterial) -> str:
    """Common name in our own certificate: the SECCID of a station, the EVCCID of a
    vehicle. Empty if there is none."""
    if material.own is None:
        return ""
    names = parse(material.own.chain[0]).common_names
    return names[0] if names else ""


def secc_context(
    pki: IssuedPki | TlsMaterial,
    *,
    profile: str = "iso20",
    keylog: Keylog | None = None,
    revocation: Demand | None = None,
    evidence: Evidence | None = None,
    refuse: Collection[str] = (),
) -> TlsContext:
    """A station: its own chain under the V2G root with OCSP responses, and vehicles under the OEM roots (none
    in ``iso2``). ``pki``: a test PKI, or what ``read_material`` read.

    ``revocation``: what must be known about a vehicle's chain in the handshake; by default nothing, since
    vehicles cannot staple. ``evidence``: what is known, also about our own chain. ``refuse``: see
    ``verify_chain``. Raises ``PkiError`` for a folder without what a station needs, ``TlsError`` for keys
    that the profile does not allow.
    """
    asks = PROFILES[profile].client_certificate != "none"
    material = _material(pki, "secc")
    anchors = list(material.anchors) if asks else []
    return TlsContext(
        PROFILES[profile],
        role="server",
        identities=[_own(material, "secc")],
        roots=material.roots,
        anchors=anchors,
        verify=peer_verifier(
            role="vehicle",
            anchors_der=anchors,
            anchor_role="OEM",
            clock=_now,
            edition=profile,
            revocation=_policy(revocation or "none", evidence),
            refuse=refuse,
        )
        if asks
        else None,
        staples=_staples(material.pki, evidence),
        keylog=keylog,
    )


def secc_source(
    newer: TlsMaterial | None,
    older: TlsMaterial | None,
    *,
    profile: str = "iso20",
    keylog: Keylog | None = None,
    revocation: Demand | None = None,
    evidence: Evidence | None = None,
    refuse: Collection[str] = (),
) -> TlsContext | TlsPort:
    """A station of one edition or both, as its files have it: ``newer`` is what ISO 15118-20 is served with,
    ``older`` ISO 15118-2. Raises as ``secc_context``. ``ConfigError`` where both are None."""
    own = partial(secc_context, keylog=keylog, revocation=revocation, evidence=evidence, refuse=refuse)
    if newer is None:
        if older is None:
            raise ConfigError("tls.pki", "is missing: TLS needs certificates", "tls.pki or tls.iso2.pki")
        return own(older, profile="iso2")
    context = own(newer, profile=profile)
    return context if older is None else TlsPort([context, own(older, profile="iso2")])


def evcc_source(
    newer: TlsMaterial | None,
    older: TlsMaterial | None,
    *,
    profile: str = "iso20",
    keylog: Keylog | None = None,
    revocation: Demand | None = None,
    evidence: Evidence | None = None,
    refuse: Collection[str] = (),
) -> TlsContext:
    """A vehicle of one edition or both, likewise: with both it takes stations of TLS 1.2 as well. Raises as
    ``evcc_context``. ``ConfigError`` where both are None."""
    own = partial(evcc_context, keylog=keylog, revocation=revocation, evidence=evidence, refuse=refuse)
    if newer is None:
        if older is None:
            raise ConfigError("tls.pki", "is missing: TLS needs certificates", "tls.pki or tls.iso2.pki")
        return own(older, profile="iso2")
    return own(newer, profile=profile) if older is None else own(newer, profile="dual", older=older)


def secc_port(pki: IssuedPki, older: IssuedPki, *, keylog: Keylog | None = None) -> TlsPort:
    """A station for both editions behind one port: ``pki`` is of ``iso20``, ``older`` of ``iso2``.
    Raises as ``secc_context``."""
    return TlsPort([secc_context(pki, keylog=keylog), secc_context(older, profile="iso2", keylog=keylog)])


def evcc_context(
    pki: IssuedPki | TlsMaterial,
    *,
    profile: str = "iso20",
    older: IssuedPki | TlsMaterial | None = None,
    keylog: Keylog | None = None,
    revocation: Demand | None = None,
    evidence: Evidence | None = None,
    refuse: Collection[str] = (),
) -> TlsContext:
    """A vehicle: its own chain under the OEM root (none in ``iso2``), and stations under the V2G roots.
    ``pki``, and what it raises: as for ``secc_context``. ``older``: of ``iso2``, with profile ``dual``: whose
    V2G roots stations of TLS 1.2 may come from.

    ``revocation``: what must be known about a station's chain. By default every certificate below the root
    [V2G20-1240], in ``iso2`` the leaf, which is all that TLS 1.2 carries, and in ``lab`` nothing, since
    today's test peers staple nothing. ``refuse``: see ``verify_chain``.
    """
    material = _material(pki, "evcc")
    anchors = list(material.anchors)
    if older is not None:
        anchors += _material(older, "evcc").anchors
    dual = profile == "dual"
    return TlsContext(
        PROFILES[profile],
        role="client",
        identities=[] if profile == "iso2" else [_own(material, "evcc")],
        anchors=anchors,
        verify=peer_verifier(
            role="secc",
            anchors_der=anchors,
            anchor_role="V2G",
            clock=_now,
            edition="iso20" if dual else profile,
            older_edition="iso2" if dual else None,
            revocation=_policy(revocation or ("none" if profile == "lab" else "all"), evidence),
            refuse=refuse,
        ),
        keylog=keylog,
    )


def _policy(demand: Demand, evidence: Evidence | None) -> RevocationPolicy:
    return RevocationPolicy(demand=demand) if evidence is None else evidence.policy(demand)


def _staples(pki: IssuedPki | None, evidence: Evidence | None) -> StapleSource | None:
    """What a responder said, and where it said nothing, what a test PKI says of itself if
    it has the keys for that."""
    if pki is None:
        return None if evidence is None else evidence.responses
    made = TestPkiStaples(pki)
    if evidence is None:
        return made

    def staples(chain: Sequence[bytes]) -> list[bytes | None]:
        return [own or other for own, other in zip(evidence.responses(chain), made(chain), strict=True)]

    return staples


def _material(source: IssuedPki | TlsMaterial, role: Role) -> TlsMaterial:
    return source if isinstance(source, TlsMaterial) else from_test_pki(source, role)


def _own(material: TlsMaterial, role: Role) -> Credential:
    if material.own is None:
        there = () if material.pki is None else material.pki.certificates
        raise ConfigError(
            "tls.pki", f"there is no certificate {OWN[role]!r}", f"it has {', '.join(there) or 'none'}"
        )
    return material.own


def _now() -> datetime:
    return datetime.now(UTC)
