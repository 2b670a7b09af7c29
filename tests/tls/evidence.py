"""OCSP responses for test chains, good and bad ones by name, and checks that demand them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iso15118.pki import IssuedPki, peer_verifier
from iso15118.pki.status.ocsp import ocsp_request
from iso15118.pki.status.responder import OcspResponder
from iso15118.pki.status.revocation import RevocationPolicy
from iso15118.tls import PeerCheck

from .rig import NOW


class Stapler:
    """A staple source of ``TlsContext``: what the responder of a PKI says, by names of
    certificates; ``missing`` for nothing."""

    def __init__(self, pki: IssuedPki, script: Mapping[str, str] | None = None) -> None:
        said = {name: answer for name, answer in (script or {}).items() if answer != "missing"}
        self._missing = {name for name, answer in (script or {}).items() if answer == "missing"}
        self._pki = pki
        self._names = {der: name for name, der in pki.certificates.items()}
        self._responder = OcspResponder(pki, script=said)  # type: ignore[arg-type]
        self._made: dict[bytes, bytes | None] = {}
        self.asked = 0

    def __call__(self, chain: Sequence[bytes]) -> list[bytes | None]:
        self.asked += 1
        return [self._of(der) for der in chain]

    def _of(self, der: bytes) -> bytes | None:
        if der not in self._made:
            name = self._names[der]
            issuer = self._pki.certificates[self._pki.issuers[name] or name]
            missing = name in self._missing
            self._made[der] = None if missing else self._responder.respond(ocsp_request(der, issuer), NOW)
        return self._made[der]


def judge_stations(
    anchors: Sequence[bytes],
    *,
    edition: str = "iso20",
    older_edition: str | None = None,
    demand: str = "none",
    **policy: Any,
) -> PeerCheck:
    """A vehicle's check of a station that demands OCSP responses."""
    return peer_verifier(
        role="secc",
        anchors_der=anchors,
        anchor_role="V2G",
        clock=lambda: NOW,
        edition=edition,
        older_edition=older_edition,
        revocation=RevocationPolicy(demand=demand, **policy),  # type: ignore[arg-type]
    )
