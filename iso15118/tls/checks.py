"""What a TLS context is given by others: who we are, how a peer is judged, and
where OCSP responses come from.

Protocols only; ``iso15118.pki`` implements them, and anybody may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

__all__ = ["Identity", "PathCheck", "PathVerdict", "PeerCheck", "StapleSource"]


class PeerCheck(Protocol):
    """Judges the peer's certificates, in the handshake; e.g. an ``iso15118.pki.peer_verifier``."""

    def __call__(
        self, chain: list[bytes], staples: list[bytes] | None, version: str, /
    ) -> tuple[str, str] | None:
        """None accepts the certificates (DER, leaf first); a pair of alert name and reason refuses them.

        ``staples``: the OCSP responses (DER) that came with them, without gaps for certificates
        that have none. None if they are still to come: TLS 1.2 sends the leaf's after the
        certificates, and this is called again.

        Alerts that can be sent: bad_certificate, unsupported_certificate, certificate_revoked,
        certificate_expired, certificate_unknown, unknown_ca, decrypt_error, handshake_failure,
        internal_error. What is refused in the second call for TLS 1.2 gets
        bad_certificate_status_response, whatever is named. A check that raises, or returns anything else,
        refuses the peer with internal_error.

        Which certificates were verified is known only from a check that also is a :class:`PathCheck`.
        """


class PathVerdict(Protocol):
    """What a :class:`PathCheck` finds; e.g. an ``iso15118.pki.Verdict``."""

    @property
    def anchor(self) -> bytes | None:
        """The trust anchor (DER) that the path ends in."""

    def certificates(self, chain_der: Sequence[bytes], /) -> tuple[bytes, ...]:
        """Those of the certificates (DER) that are on the path, from the leaf up."""


class PathCheck(PeerCheck, Protocol):
    """A check that says which path it verified; ``iso15118.pki.PeerVerifier`` is one. It is
    asked by these two methods."""

    def verdict(self, chain: list[bytes], staples: list[bytes] | None, version: str, /) -> PathVerdict:
        """What is to be said about the certificates, as ``PeerCheck`` gets them."""

    def refusal(self, verdict: Any, /) -> tuple[str, str] | None:
        """What that means to the connection, as ``PeerCheck`` returns it."""


StapleSource = Callable[[Sequence[bytes]], Sequence[bytes | None]]
"""Gets a chain of ours (DER, leaf first), gives the OCSP response (DER) of each certificate by its place,
None where there is none; e.g. ``iso15118.pki.store.Contents.staples``. Asked in every handshake, so it may
answer differently after a refresh, and must not block."""


class Identity(Protocol):
    """A certificate chain and its private key, e.g. an ``iso15118.pki.Credential``."""

    @property
    def chain(self) -> Sequence[bytes]:
        """Certificates as DER, leaf first, without the root."""

    @property
    def key(self) -> bytes:
        """Private key of the leaf: PKCS#8, as DER or PEM."""

    @property
    def passphrase(self) -> bytes | None:
        """What the key is encrypted with, if it is."""
