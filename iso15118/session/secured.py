"""What TLS agreed on, as a session has to know it: which edition may be spoken, and with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from iso15118.moved import renamed

__all__ = ["TlsPeer"]


class TlsPeer(Struct, frozen=True, kw_only=True):
    """The outcome of a TLS handshake; certificates and responses as DER."""

    version: str
    """``TLSv1.3`` or ``TLSv1.2``."""
    peer_chain: tuple[bytes, ...] = ()
    """The peer's verified certificates, leaf first and in order; empty for a vehicle that
    has none, as in ISO 15118-2."""
    anchor: bytes | None = None
    """The root that the peer's chain ends in."""
    staples: tuple[bytes, ...] = ()
    """The OCSP responses that came with it."""

    @property
    def allows_iso20(self) -> bool:
        """ISO 15118-20 is neither offered nor selected below TLS 1.3. [V2G20-1237, V2G20-2356]"""
        return self.version == "TLSv1.3"

    @property
    def peer_name(self) -> str:
        """Common name of the certificate that the peer proved: a vehicle's EVCCID [V2G20-2598], a station's
        SECCID. Empty if it has none, or several."""
        if not self.peer_chain:
            return ""
        from iso15118.pki.chain.parsed import (  # here: who does without TLS does without certificates
            UnreadableError,
            parse,
        )

        try:
            names = parse(self.peer_chain[0]).common_names
        except UnreadableError:
            return ""
        return names[0] if len(names) == 1 else ""


if not TYPE_CHECKING:  # old names, for one release
    __getattr__ = renamed(__name__, {"SecuredLink": "TlsPeer"})
