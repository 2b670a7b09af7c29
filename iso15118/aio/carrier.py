"""Whether an interface can carry IP: carrier and a usable link-local address, watched over rtnetlink (Linux, ``pyroute2``).

The carrier is IFF_LOWER_UP of RTM_NEWLINK, not the operational state. An address counts once duplicate address detection is over, which
takes about a second. ``pyroute2`` is optional and loaded here and in ``plca`` only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from iso15118.errors import ConfigError, LinkError

__all__ = ["CarrierWatch"]

_IFF_LOWER_UP = 0x10000
_TENTATIVE, _DADFAILED = 0x40, 0x08
_LINK_SCOPE = 253
_AF_INET6 = 10
_RETRY_S = 0.1


class CarrierWatch:
    """``report(up)`` is called from the event loop with the first finding and every change, until ``close``.

    The interface may appear and vanish while it is watched. ``address=False``: the carrier is enough. Raises ``ConfigError`` where
    ``pyroute2`` is not installed, ``LinkError`` where rtnetlink cannot be opened.
    """

    def __init__(self, interface: str, report: Callable[[bool], None], *, address: bool = True) -> None:
        self._interface, self._report, self._address = interface, report, address
        self._up: bool | None = None
        self._task: asyncio.Task[None] | None = None
        self._sockets: tuple[Any, ...] = ()

    async def start(self) -> None:
        """Watch from now on; the first report has been made when this returns."""
        try:
            from pyroute2 import AsyncIPRoute  # type: ignore[import-untyped]
        except ImportError as error:
            raise ConfigError("link", "watching a carrier needs pyroute2", "pip install pyroute2") from error
        news: Any = AsyncIPRoute()
        state: Any = AsyncIPRoute()  # a socket of its own: answers and news do not mix
        self._sockets = (news, state)
        try:
            # The subscription comes first: what changes while the present state is read is seen afterwards.
            await news.bind()
            await self._look(state)
        except OSError as error:
            await self.close()
            raise LinkError(f"rtnetlink is not available: {error}") from error
        self._task = asyncio.create_task(self._follow(news, state), name=f"carrier of {self._interface}")

    async def close(self) -> None:
        """Stop watching. Closing twice is harmless."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        sockets, self._sockets = self._sockets, ()
        for netlink in sockets:
            netlink.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def _follow(self, news: Any, state: Any) -> None:
        from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

        try:
            while True:
                try:
                    # Whatever changed, the present state is what counts; this also mends an overrun (ENOBUFS).
                    async for _ in news.get():
                        pass
                    await self._look(state)
                except (OSError, NetlinkError):
                    await asyncio.sleep(_RETRY_S)
                    with contextlib.suppress(OSError, NetlinkError):
                        await self._look(state)
        except Exception:
            # A link that nobody watches any more is no link.
            self._report(False)
            raise

    async def _look(self, netlink: Any) -> None:
        up = await self._usable(netlink)
        if up is not self._up:
            self._up = up
            self._report(up)

    async def _usable(self, netlink: Any) -> bool:
        links = [link async for link in await netlink.link("dump")]
        index = next(
            (
                link["index"]
                for link in links
                if link.get("ifname") == self._interface and link["flags"] & _IFF_LOWER_UP
            ),
            None,
        )
        if index is None or not self._address:
            return index is not None
        async for found in await netlink.addr("dump", family=_AF_INET6):
            flags = found.get("flags") or found["flags"]
            if (
                found["index"] == index
                and found["scope"] == _LINK_SCOPE
                and not flags & (_TENTATIVE | _DADFAILED)
            ):
                return True
        return False
