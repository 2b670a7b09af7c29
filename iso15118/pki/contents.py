"""What a certificate store holds, as a value: anchors, chains of ours, contracts, evidence, and what could
not be used of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from iso15118.errors import ConfigError
from iso15118.pki.chain.profiles import AnchorRole
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.signer import SoftwareSigner, signer_of
from iso15118.pki.status.revocation import Revocation

__all__ = ["PURPOSES", "Contents", "Problem", "State"]

PURPOSES: dict[str, AnchorRole] = {"v2g": "V2G", "oem": "OEM", "mo": "MO", "cps": "CPS", "pe": "PE"}
"""Folders of anchors, and the kind of root that is in each."""

State: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
"""Name, size, time of change, inode and mode of each file and folder."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a store that is not used, or not as it should be."""

    path: Path
    reason: str
    """For people, with what mends it where that is known."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What was in the store when it was read; keys are hidden in its repr."""

    anchors: MappingProxyType[AnchorRole, tuple[bytes, ...]]
    """Roots (DER) by the kind of root they are."""
    own: MappingProxyType[str, Credential]
    contracts: MappingProxyType[str, Credential]
    """By EMAID: 14 capitals and digits."""
    crls: tuple[bytes, ...]
    """Revocation lists (DER)."""
    responses: MappingProxyType[str, bytes]
    """OCSP responses (DER) by the SHA-256 (hexadecimal) of the certificate."""
    state: State
    """Names, sizes, times of change, inodes and modes of what was looked at."""
    problems: tuple[Problem, ...] = ()
    """Files that are not used."""
    warnings: tuple[Problem, ...] = ()
    """Files that are used and should be mended."""

    def staples(self, chain: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The response for each certificate of a chain, as far as there is one."""
        return tuple(self.responses.get(hashlib.sha256(der).hexdigest()) for der in chain)

    def revocation(self, chain: Sequence[bytes], *, required: bool = True) -> Revocation:
        """What is known about a chain, for ``verify_chain`` and ``peer_verifier``."""
        return Revocation(staples=self.staples(chain), crls=self.crls, required=required)

    def signer(self, name: str) -> SoftwareSigner:
        """The signer of a chain of ours or, by its EMAID, of a contract. Raises
        ConfigError if there is none."""
        known = {**self.own, **self.contracts}
        if name not in known:
            raise ConfigError("name", f"{name!r} is not in the store", f"one of {', '.join(known) or 'none'}")
        return signer_of(known[name])
