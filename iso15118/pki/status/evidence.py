"""What we know ourselves about revocation, now: OCSP responses by their certificate, and lists. It changes
while a station runs; policies made from it always see its present state.

No I/O but that of a certificate store, where there is one behind it.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from iso15118.errors import PkiError
from iso15118.pki.contents import State
from iso15118.pki.status.crl import LISTS_REMEMBERED, read_ahead
from iso15118.pki.status.ocsp import WEEK
from iso15118.pki.status.revocation import Demand, RevocationPolicy
from iso15118.pki.store import Store
from iso15118.pki.store_reading import state_of

__all__ = ["Evidence"]

_log = logging.getLogger(__name__)

_MOST_RESPONSES: Final = 1024
"""Beyond it the one that was asked for the longest time ago is forgotten: peers come and go, a few hundred
octets each."""


class Evidence:
    """Responses and lists, in memory. ``store``: where they come from at first, and again when it has changed
    (:meth:`refresh`).
    """

    def __init__(self, store: Store | None = None, *, most: int = _MOST_RESPONSES) -> None:
        self.store = store
        self._most = most
        self._responses: OrderedDict[str, bytes] = OrderedDict()
        self._stored: dict[str, bytes] = {}
        self._crls: tuple[bytes, ...] = ()
        self._fetched: dict[str, bytes] = {}
        self._state: State | None = None
        self.refresh()

    def __repr__(self) -> str:
        return f"Evidence({len(self._responses)} responses, {len(self.crls())} lists)"

    def refresh(self) -> None:
        """Takes what is new in the store. One that cannot be read now is said in the log, and what was known
        stays. Reads files and lists, so call it in a thread while an event loop runs.
        """
        if self.store is None:
            return
        try:
            if self._state is not None and self._state == state_of(self.store.directory):
                return
            contents = self.store.read(keys=False)
        except (PkiError, OSError) as error:
            _log.warning("no new evidence of revocation: %s", error)
            return
        for der in contents.crls:
            read_ahead(der)
        if len(contents.crls) > LISTS_REMEMBERED:
            _log.warning(
                "%d revocation lists, and %d are remembered: the others are read for each peer",
                len(contents.crls),
                LISTS_REMEMBERED,
            )
        self._state = contents.state
        self._crls = contents.crls
        for name, der in contents.responses.items():
            if self._stored.get(name) != der:
                self._keep(name, der)
        self._stored = dict(contents.responses)

    def crls(self) -> tuple[bytes, ...]:
        """The lists (DER) that we have."""
        return (*self._crls, *self._fetched.values())

    def responses(self, chain: Sequence[bytes]) -> tuple[bytes | None, ...]:
        """The response (DER) for each certificate of a chain (DER), as far as there is one; also a source of
        staples.
        """
        found: list[bytes | None] = []
        for der in chain:
            name = _name(der)
            if name in self._responses:
                self._responses.move_to_end(name)
            found.append(self._responses.get(name))
        return tuple(found)

    def add_response(self, certificate_der: bytes, der: bytes) -> None:
        """Know the response of a certificate from now on, in memory."""
        self._keep(_name(certificate_der), der)

    def add_list(self, name: str, der: bytes) -> None:
        """Know a list from now on, in memory, in place of the one that had this name. It is read at once, so
        call it in a thread while an event loop runs."""
        read_ahead(der)
        self._fetched = {**self._fetched, name: der}

    def policy(self, demand: Demand, *, longest: timedelta | None = WEEK) -> RevocationPolicy:
        """For a verifier of peers or contracts: what is known when it asks."""
        return RevocationPolicy(demand=demand, longest=longest, crls=self.crls, responses=self.responses)

    def _keep(self, name: str, der: bytes) -> None:
        self._responses[name] = der
        self._responses.move_to_end(name)
        while len(self._responses) > self._most:
            self._responses.popitem(last=False)


def _name(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()
