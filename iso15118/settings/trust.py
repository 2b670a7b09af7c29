"""TLS contexts of both roles from a folder of certificates: who we are, whom we trust, and how a peer is judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import Credential, IssuedPki, load, peer_verifier
from iso15118.pki.evidence import Evidence
from iso15118.pki.revocation import Demand, RevocationPolicy
from iso15118.settings.staples import TestPkiStaples
from iso15118.tls import PROFILES, StapleSource, TlsContext, TlsPort

__all__ = ["Keylog", "common_name", "evcc_context", "read_pki", "secc_context", "secc_port"]

Keylog = Callable[[str], None]


def read_pki(folder: Path) -> IssuedPki:
    """What `iso15118 pki init` wrote. Raises ``PkiError`` if it is not usable."""
    if not folder.is_dir():
        raise PkiError(f"there is no folder {folder} (tls.pki): make one with `iso15118 pki init {folder}`")
    return load(folder)


def common_name(pki: IssuedPki, name: str) -> str:
    """Common name of one of its certificates: the SECCID of a station, the EVCCID of a vehicle."""
    certificate = x509.load_der_x509_certificate(_credential(pki, name).chain[0])
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def secc_context(
    pki: IssuedPki,
    *,
    profile: str = "iso20",
    keylog: Keylog | None = None,
    revocation: Demand | None = None,
    evidence: Evidence | None = None,
    refuse: Collection[str] = (),
) -> TlsContext:
    """A station: its own chain under the V2G root with OCSP responses, and vehicles under the OEM root (none in ``iso2``).

    ``revocation``: what must be known about a vehicle's chain in the handshake; by default nothing, since vehicles cannot
    staple. ``evidence``: what is known, also about our own chain. ``refuse``: see ``verify_chain``.
    Raises ``PkiError`` for a folder without what a station needs, ``TlsError`` for keys that the profile does not allow.
    """
    asks = PROFILES[profile].client_certificate != "none"
    anchors = [pki.oem_root] if asks else []
    return TlsContext(
        PROFILES[profile],
        role="server",
        identities=[_credential(pki, "secc")],
        roots=[pki.v2g_root],
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
        staples=_staples(pki, evidence),
        keylog=keylog,
    )


def secc_port(pki: IssuedPki, older: IssuedPki, *, keylog: Keylog | None = None) -> TlsPort:
    """A station for both editions behind one port: ``pki`` is of ``iso20``, ``older`` of ``iso2``. Raises as ``secc_context``."""
    return TlsPort([secc_context(pki, keylog=keylog), secc_context(older, profile="iso2", keylog=keylog)])


def evcc_context(
    pki: IssuedPki,
    *,
    profile: str = "iso20",
    keylog: Keylog | None = None,
    revocation: Demand | None = None,
    evidence: Evidence | None = None,
    refuse: Collection[str] = (),
) -> TlsContext:
    """A vehicle: its own chain under the OEM root (none in ``iso2``), and stations under the V2G root. Raises as ``secc_context``.

    ``revocation``: what must be known about a station's chain. By default every certificate below the root [V2G20-1240], in ``iso2`` the
    leaf, which is all that TLS 1.2 carries, and in ``lab`` nothing, since today's test peers staple nothing. ``refuse``: see
    ``verify_chain``.
    """
    anchors = [pki.v2g_root]
    return TlsContext(
        PROFILES[profile],
        role="client",
        identities=[] if profile == "iso2" else [_credential(pki, "vehicle")],
        anchors=anchors,
        verify=peer_verifier(
            role="secc",
            anchors_der=anchors,
            anchor_role="V2G",
            clock=_now,
            edition=profile,
            revocation=_policy(revocation or ("none" if profile == "lab" else "all"), evidence),
            refuse=refuse,
        ),
        keylog=keylog,
    )


def _policy(demand: Demand, evidence: Evidence | None) -> RevocationPolicy:
    return RevocationPolicy(demand=demand) if evidence is None else evidence.policy(demand)


def _staples(pki: IssuedPki, evidence: Evidence | None) -> StapleSource:
    """What a responder said, and where it said nothing, what a test PKI says of itself if it has the keys for that."""
    made = TestPkiStaples(pki)
    if evidence is None:
        return made

    def staples(chain: Sequence[bytes]) -> list[bytes | None]:
        return [own or other for own, other in zip(evidence.responses(chain), made(chain), strict=True)]

    return staples


def _credential(pki: IssuedPki, name: str) -> Credential:
    if name not in pki.certificates:
        raise ConfigError(
            "tls.pki", f"there is no certificate {name!r}", f"it has {', '.join(pki.certificates)}"
        )
    return pki.credential(name)


def _now() -> datetime:
    return datetime.now(UTC)
