"""Network membership keys and identifiers: drawn from a CSPRNG, derived, compared, and never shown.

The NMK is the only secret of the link layer; everybody on the control pilot can read it in CM_SLAC_MATCH.CNF,
so it protects against accidents, and TLS against people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from msgspec import Struct

__all__ = ["Draw", "Network", "Nmk", "draw_network", "is_valid_nid", "nid_from_nmk", "nmk_from_password"]

Draw = Callable[[int], bytes]
"""Source of random bytes: ``secrets.token_bytes`` in the field, a seeded one in simulation."""

NMK_LENGTH, NID_LENGTH = 16, 7
_PASSWORD_SALT = bytes.fromhex("08856DAF7CF58186")


class Nmk(bytes):
    """A network membership key: 16 bytes that print as nothing. ``bytes(nmk)`` is the way to the wire."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Nmk(<hidden>)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


class Network(Struct, frozen=True):
    """A logical network (AVLN): its public identifier and its key."""

    nid: bytes
    nmk: Nmk


def nid_from_nmk(nmk: bytes, security_level: int = 0) -> bytes:
    """Default NID of a key (HomePlug AV 1.1, 4.4.3.1): SHA-256 five times; level 0 is
    Simple Connect, 1 Secure."""
    digest = bytes(nmk)
    for _ in range(5):
        digest = hashlib.sha256(digest).digest()
    return digest[:6] + bytes([(security_level & 0x3) << 4 | digest[6] >> 4])


def nmk_from_password(password: str) -> Nmk:
    """Key of a password as tools for home networks derive it (PBKDF1 with SHA-256). For the laboratory:
    a charger draws its keys."""
    digest = password.encode() + _PASSWORD_SALT
    for _ in range(1000):
        digest = hashlib.sha256(digest).digest()
    return Nmk(digest[:NMK_LENGTH])


def is_valid_nid(nid: bytes) -> bool:
    """Whether these are 7 bytes whose two top bits are zero, as the format wants."""
    return len(nid) == NID_LENGTH and nid[6] >> 6 == 0


def draw_network(draw: Draw) -> Network:
    """A network that nobody else has: fresh key, its derived NID."""
    nmk = Nmk(draw(NMK_LENGTH))
    return Network(nid_from_nmk(nmk), nmk)
