"""A certificate chain with its private key, which never shows in a repr."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Credential"]


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are towards a peer: certificates and the key of the first one."""

    chain: tuple[bytes, ...]
    """Certificates as DER, leaf first, without the root."""
    key: bytes
    """Private key of the leaf: PKCS#8, as DER or PEM."""
    passphrase: bytes | None = None
    """What the key is encrypted with, if it is."""

    def __repr__(self) -> str:
        return f"Credential({len(self.chain)} certificates, key hidden)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("certificates", len(self.chain))]
