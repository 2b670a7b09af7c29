"""A contract store whose writing does not hold up the event loop: disks and the encryption of keys take their
time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from iso15118.errors import PkiError

if TYPE_CHECKING:
    from iso15118.pki import Credential
    from iso15118.pnc.vehicle_contracts import VehicleContracts
    from iso15118.session import ports

__all__ = ["ThreadedContracts", "read_ahead", "unhurried"]


class _Keeping(Protocol):
    @property
    def present(self) -> VehicleContracts: ...

    def keep(self, contract: Credential) -> None: ...


class ThreadedContracts:
    """A ``session.ports.ContractStore`` over one that keeps contracts at once, such as ``StoredContracts``,
    which a driver takes in this way by itself."""

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
            await asyncio.to_thread(self._keep, contract)

    def _keep(self, contract: Credential) -> None:
        self.behind.keep(contract)
        # Read here what was written, so that the next session finds it known: opening a key
        # takes as long as encrypting it.
        with suppress(PkiError):
            _ = self.behind.present


async def read_ahead(store: ports.ContractStore | None) -> None:
    """Have a store that reads files look at them in a thread, so that the session which begins finds all of
    it known: opening an encrypted key takes its time. What is wrong with it shows when it is read."""
    from iso15118.pnc.vehicle_contracts import StoredContracts  # as below

    behind = store.behind if isinstance(store, ThreadedContracts) else store
    if isinstance(behind, StoredContracts):
        with suppress(PkiError):
            await asyncio.to_thread(lambda: behind.present)


def unhurried(store: ports.ContractStore | None) -> ports.ContractStore | None:
    """The store as a driver uses it: one that writes files at once is given a thread."""
    from iso15118.pnc.vehicle_contracts import StoredContracts  # here: only for vehicles with contracts

    return ThreadedContracts(store) if isinstance(store, StoredContracts) else store
