"""A contract store whose writing does not hold up the event loop: disks and the encryption of keys take their
time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from iso15118.pki import Credential
    from iso15118.pki.vehicle_contracts import VehicleContracts

__all__ = ["ThreadedContracts"]


class _Keeping(Protocol):
    @property
    def present(self) -> VehicleContracts: ...

    def keep(self, contract: Credential) -> None: ...


class ThreadedContracts:
    """A ``session.ports.ContractStore`` over one that keeps contracts at once, such as ``StoredContracts``."""

    def __init__(self, behind: _Keeping) -> None:
        self.behind = behind
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"ThreadedContracts({self.behind!r})"

    @property
    def present(self) -> VehicleContracts:
        """What there is now."""
        return self.behind.present

    async def store(self, contract: Credential) -> None:
        """Keep a contract. Raises as the one behind it; whether it was kept is not known if this is
        cancelled.
        """
        async with self._turn:
            await asyncio.to_thread(self.behind.keep, contract)
