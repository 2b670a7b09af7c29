"""The station's contracts as a file has them, followed on the disk: a provider's root that is put there, or
taken away, counts for the next session."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

from iso15118.aio.identity import FOLLOW_S, follow
from iso15118.cli.session import Secured
from iso15118.cli.status import StationStatus
from iso15118.pki import IssuedPki
from iso15118.settings.contracts import backend_of, state_of_roots
from iso15118.settings.identity import read_pki
from iso15118.settings.roles import SeccSettings
from iso15118.simulation.backend import ContractBackend

__all__ = ["followed_backend"]

Beside: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


def followed_backend(
    settings: SeccSettings, secured: Secured, known: StationStatus, *, every_s: float = FOLLOW_S
) -> tuple[ContractBackend | None, tuple[Beside, ...]]:
    """The backend of a station that takes contracts, and what runs beside the station to keep it as its files
    are. Raises as ``backend_of``."""

    def state() -> object:
        return state_of_roots(settings.contracts, settings.tls)

    def made(pki: IssuedPki | None, older: IssuedPki | None) -> ContractBackend | None:
        return backend_of(
            settings.contracts,
            settings.tls,
            pki,
            older=older,
            evidence=known.evidence,
            demand=known.contract_demand,
        )

    began: object = None
    with suppress(OSError):  # what is missing is said by who reads it
        began = state()
    backend = made(secured.pki, secured.older_pki)
    if backend is None:
        return None, ()

    def again() -> ContractBackend | None:
        pki, older = settings.tls.pki, settings.tls.iso2.pki
        return made(
            None if secured.pki is None or pki is None else read_pki(pki, keys_when_used=True),
            None if secured.older_pki is None or older is None else read_pki(older, keys_when_used=True),
        )

    def take(other: ContractBackend | None) -> None:
        if other is not None:
            backend.renew(other)

    return backend, (lambda: follow(state, again, take, began_with=began, every_s=every_s),)
