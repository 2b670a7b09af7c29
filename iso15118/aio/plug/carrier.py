"""Whether an interface can carry IP: carrier and a usable link-local address, watched over
rtnetlink (Linux, ``pyroute2``).

The carrier is IFF_LOWER_UP of RTM_NEWLINK, not the operational state. An address counts once
duplicate address detection is over, which takes about a second. ``pyroute2`` is optional and
loaded when watching begins.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from iso15118.aio.logs import Log
from iso15118.aio.net.interface import interface_index
from iso15118.aio.ports.guard import describe
from iso15118.errors import ConfigError, LinkError

__all__ = ["CarrierWatch", "Seen", "concerns", "seen_in"]

_log = Log(__name__)

_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_TENTATIVE, _DADFAILED = 0x40, 0x08
_LINK_SCOPE = 253
_AF_INET6 = 10
_RETRY_S: Final = 0.1
_PAUSE_S: Final = 0.02
"""Between two looks at the interface: what changes many times at once is looked at once."""

GROUPS: Final = 0x1 | 0x100
"""RTMGRP_LINK and RTMGRP_IPV6_IFADDR: of neighbours, routes and queues there are hundreds of news
a second in a busy place."""


class Seen(Struct, frozen=True):
    """What the kernel says of an interface. ``index`` is 0 where there is none; ``up``: it is switched on."""

    index: int = 0
    up: bool = False
    carrier: bool = False
    address: bool = False


class CarrierWatch:
    """``report(up)`` is called from the event loop with the first finding and every change, until ``close``.

    The interface may appear and vanish while it is watched, and may be another one of the same name then.
    ``address=False``: the carrier is enough. ``returned`` is called before the report when the interface is
    there again after it was gone, made anew or switched off: its PHY may have forgotten its settings. Raises
    ``ConfigError`` where ``pyroute2`` is not installed, ``LinkError`` where rtnetlink cannot be opened.
    """

    def __init__(
        self,
        interface: str,
        report: Callable[[bool], None],
        *,
        address: bool = True,
        returned: Callable[[], None] | None = None,
    ) -> None:
        self._interface, self._report, self._address = interface, report, address
        self._returned = returned
        self._up: bool | None = None
        self.seen = Seen()
        """The last finding."""
        self._ready_index: int | None = None
        """Index of the interface when it was switched on last; 0: it was off or gone
        since; None: not looked at yet."""
        self._task: asyncio.Task[None] | None = None
        self._sockets: tuple[Any, ...] = ()

    async def start(self) -> None:
        """Watch from now on; the first report has been made when this returns."""
        try:
            from pyroute2 import AsyncIPRoute  # type: ignore[import-untyped]
        except ImportError as error:
            raise ConfigError("link", "watching a carrier needs pyroute2", "pip install pyroute2") from error
        news: Any = AsyncIPRoute(groups=GROUPS)
        state: Any = AsyncIPRoute(groups=0)  # a socket of its own: answers and news do not mix
        self._sockets = (news, state)
        try:
            # The subscription comes first: what changes while the present state is read is seen afterwards.
            await news.bind(groups=GROUPS)
            await self._look(state)
        except BaseException as error:
            await self.close()
            if isinstance(error, OSError):
                raise LinkError(f"rtnetlink is not available: {error}") from error
            raise
        self._task = asyncio.create_task(self._follow(news, state), name=f"carrier of {self._interface}")
        self._task.add_done_callback(self._follows_no_more)

    async def close(self) -> None:
        """Stop watching. Closing twice is harmless."""
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        finally:
            sockets, self._sockets = self._sockets, ()
            for netlink in sockets:
                netlink.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _follows_no_more(self, task: asyncio.Task[None]) -> None:
        if task is self._task and task.cancelled():  # by somebody else than ``close``
            _log.error("the carrier of %s is watched no more: that was cancelled", self._interface)
            self._report(False)

    async def _follow(self, news: Any, state: Any) -> None:
        from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

        try:
            while True:
                try:
                    concerned = False
                    async for message in news.get():
                        concerned = concerned or concerns(message, self._interface, self.seen.index)
                    if concerned:
                        await self._look(state)
                        await asyncio.sleep(_PAUSE_S)
                except (OSError, NetlinkError):
                    # An overrun (ENOBUFS) among them: whatever was missed, the present state is what counts.
                    await asyncio.sleep(_RETRY_S)
                    with contextlib.suppress(OSError, NetlinkError):
                        await self._look(state)
        except Exception as error:
            # A link that nobody watches any more is no link.
            _log.error(
                "the carrier of %s is watched no more: %s", self._interface, describe(error), error=error
            )
            self._report(False)

    async def _look(self, netlink: Any) -> None:
        self.seen = seen = await self._see(netlink)
        if self._returned is not None and self._is_back(seen):
            self._returned()
        up = seen.carrier and (seen.address or not self._address)
        if up is not self._up:
            self._up = up
            self._report(up)

    def _is_back(self, seen: Seen) -> bool:
        before, self._ready_index = self._ready_index, seen.index if seen.up else 0
        return before is not None and seen.up and before != seen.index

    async def _see(self, netlink: Any) -> Seen:
        from pyroute2.netlink.exceptions import NetlinkError

        index = interface_index(self._interface)
        if not index:
            return Seen()
        try:
            links = list(await netlink.link("get", index=index))
        except NetlinkError:  # gone in the meantime; the news of that follows
            return Seen()
        addresses = []
        if self._address:
            addresses = [found async for found in await netlink.addr("dump", family=_AF_INET6, index=index)]
        return seen_in(index, links, addresses)


def seen_in(index: int, links: list[Any], addresses: list[Any]) -> Seen:
    """What RTM_NEWLINK and RTM_NEWADDR messages say of the interface with this index."""
    flags = next((link["flags"] for link in links if link["index"] == index), None)
    if flags is None:
        return Seen()
    usable = any(
        found["index"] == index
        and found["scope"] == _LINK_SCOPE
        and not (found.get("flags") | found["flags"]) & (_TENTATIVE | _DADFAILED)
        for found in addresses
    )
    return Seen(index, bool(flags & _IFF_UP), bool(flags & _IFF_LOWER_UP), usable)


def concerns(message: Any, interface: str, index: int) -> bool:
    """Whether this news is about the interface: by its index, and by its name where it has
    none yet or another one now."""
    if message["index"] == index:
        return True
    kind = message.get("event") or ""
    if not kind.endswith("LINK"):
        return False
    return not index or message.get("ifname") == interface
