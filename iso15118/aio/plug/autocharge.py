"""Autocharge: what a vehicle says of itself, and the address it matched with, offered to the authorizer.

Weak identification: EVCCID and MAC address are sent in the clear, and anybody can send those of another
vehicle. Off unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from iso15118.errors import ConfigError
from iso15118.session.ports import AutochargeAuthorizer

if TYPE_CHECKING:
    from iso15118.session import ports

__all__ = ["Autocharge"]


class Autocharge:
    """An ``Authorizer`` in front of ``terminal``. ``mac``: the address that SLAC matched, as
    text; empty where there is none.

    Raises ``ConfigError`` if the terminal cannot be asked so.
    """

    def __init__(self, terminal: ports.Authorizer, mac: Callable[[], str]) -> None:
        if not isinstance(terminal, AutochargeAuthorizer):
            raise ConfigError(
                "authorizer",
                f"{type(terminal).__name__} has no authorize_autocharge, which link.connection.autocharge asks",
                "add it (see AutochargeAuthorizer), or leave autocharge off",
            )
        self._terminal, self._mac = terminal, mac

    async def authorize(self, evccid: str) -> bool:
        """See ``Authorizer``."""
        return await self._terminal.authorize_autocharge(evccid, "", self._mac())

    async def authorize_vehicle(self, evccid: str, certificate_name: str) -> bool:
        """See ``VehicleAuthorizer``."""
        return await self._terminal.authorize_autocharge(evccid, certificate_name, self._mac())
