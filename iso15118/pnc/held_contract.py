"""One contract of a vehicle: what its chain says of it, and whether it can be used where the
vehicle is.

Why not is told in words, for whoever has to renew it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from iso15118.pki.chain.identifiers import is_emaid, normal_emaid
from iso15118.pki.chain.parsed import parse
from iso15118.pki.chain.profiles import Edition, load_profile
from iso15118.pki.keys.signer import Signer
from iso15118.printable import printable

__all__ = ["Contract", "Wanted", "contract_of", "name_of", "same_contract"]

_LONGEST_NAME: Final = 40
_LONGEST_LIST: Final = 60
"""Characters of the providers that a station names."""


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One contract of the vehicle."""

    emaid: str
    """14 capitals and digits."""
    signer: Signer
    not_before: datetime
    not_after: datetime


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a contract has to be in order to be used."""

    kinds: frozenset[str]
    """Of keys that the edition signs with."""
    standard: str
    """The edition, for people."""
    providers: tuple[str, ...]
    """Those that the station knows, such as ``DE8AA`` or ``8AA``; empty: anyone."""
    at: datetime | None
    """None: no clock is set, and validity is not judged."""

    @classmethod
    def of(cls, edition: Edition, providers: Sequence[str], at: datetime | None) -> Wanted:
        """By the profile of an edition, and what the station says it knows."""
        return cls(
            kinds=frozenset(row.key for row in load_profile(edition).algorithms.values()),
            standard="ISO 15118-2" if edition == "iso2" else "ISO 15118-20",
            providers=tuple(one.replace("-", "").upper() for one in providers),
            at=at,
        )

    def why_not(self, contract: Contract) -> str:
        """Why it cannot be used, in words; empty if it can."""
        at, kind = self.at, contract.signer.algorithm
        if kind not in self.kinds:
            known = " or ".join(sorted(self.kinds))
            return f"its key is of {printable(str(kind), _LONGEST_NAME)}, {self.standard} takes {known}"
        if at is not None and at > contract.not_after:
            return f"expired on {contract.not_after:%Y-%m-%d}"
        if at is not None and at < contract.not_before:
            return f"valid only from {contract.not_before:%Y-%m-%d}, by this clock it is {at:%Y-%m-%d}"
        if self.providers and not _of_provider(contract.emaid, self.providers):
            return (
                f"the station knows the providers {printable(', '.join(self.providers), _LONGEST_LIST)} only"
            )
        return ""


def contract_of(signer: Signer) -> Contract | None:
    """What the chain says; None for one that the messages cannot carry, or whose name is no EMAID, and for a
    signer that cannot say: a token may be gone."""
    try:
        if len(signer.chain) < 2 or not isinstance(signer.algorithm, str):
            return None
        leaf = parse(signer.chain[0])
    except Exception:  # the application's own signer, whatever it raises
        return None
    if len(leaf.common_names) != 1 or not is_emaid(leaf.common_names[0]):
        return None
    return Contract(
        emaid=normal_emaid(leaf.common_names[0]),
        signer=signer,
        not_before=leaf.not_before,
        not_after=leaf.not_after,
    )


def name_of(signer: Signer) -> str:
    """What the certificate of a signer is called, EMAID or not."""
    try:
        names = parse(signer.chain[0]).common_names if signer.chain else ()
    except Exception:  # as above
        return "a certificate that cannot be read"
    return printable(", ".join(names), _LONGEST_NAME) or "a certificate without a name"


def same_contract(one: Contract, other: Contract) -> bool:
    """The same contract for the same edition."""
    older = {contract.signer.algorithm == "secp256r1" for contract in (one, other)}
    return one.emaid == other.emaid and len(older) == 1


def _of_provider(emaid: str, known: Sequence[str]) -> bool:
    # With or without the country: how ProviderID is written is not settled by any public source.
    return any(one and (emaid.startswith(one) or emaid[2:5] == one) for one in known)
