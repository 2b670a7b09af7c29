"""ethtool's netlink family: a conversation with the kernel, its reason in words, and
auto-negotiation of an interface turned off.

``pyroute2`` is optional and loaded when a conversation begins.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from enum import Enum
from functools import cache
from types import TracebackType
from typing import Any, Final, Self

from msgspec import Struct

from iso15118.errors import ConfigError

__all__ = [
    "EthtoolSocket",
    "Negotiation",
    "NegotiationOutcome",
    "kernel_words",
    "need_pyroute2",
    "turn_negotiation_off",
]

FAMILY, VERSION = "ethtool", 1
LONGEST_NAME: Final = 127  # alternative names included
NESTED: Final = 0x8000
REPLY_S: Final = 2.0

# linux/ethtool_netlink.h, linux/ethtool.h
_LINKMODES_GET, _LINKMODES_SET = 4, 5
_SPEED_MBIT, _HALF_DUPLEX = 10, 0


class EthtoolSocket:
    """One socket with ``async with``; ``offered`` has the numbers of the commands that this kernel knows.

    ``message_type`` builds and reads messages. Raises ``ConfigError`` where ``pyroute2`` is not installed,
    and out of everything else ``NetlinkError`` of ``pyroute2`` and ``OSError``.
    """

    def __init__(self, message_type: Callable[[], Any]) -> None:
        need_pyroute2()
        from pyroute2.netlink.generic import AsyncGenericNetlinkSocket  # type: ignore[import-untyped]

        self._message_type = message_type
        self._netlink: Any = AsyncGenericNetlinkSocket(ext_ack=True)
        self.offered: frozenset[int] = frozenset()

    async def __aenter__(self) -> Self:
        netlink = self._netlink
        netlink.module_err_level = "debug"  # a kernel without the family is said by the result, not logged
        try:
            await netlink.bind(FAMILY, self._message_type)
            family = await netlink.discovery(FAMILY)
        except BaseException:
            await self._close()
            raise
        operations = family.get_attr("CTRL_ATTR_OPS") or ()
        self.offered = frozenset(operation.get_attr("CTRL_ATTR_OP_ID") for operation in operations)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def ask(self, message: Any) -> list[Any]:
        """Send a message and read all that the kernel answers."""
        from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST  # type: ignore[import-untyped]

        netlink = self._netlink
        replies = await netlink.nlm_request(
            message, msg_type=netlink.prid, msg_flags=NLM_F_REQUEST | NLM_F_ACK
        )
        return [reply async for reply in replies]

    async def _close(self) -> None:
        self._netlink.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn


def need_pyroute2() -> None:
    """Raises ``ConfigError`` where it is not installed."""
    try:
        import pyroute2  # type: ignore[import-untyped]  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ConfigError(
            "plca", "configuring PLCA needs pyroute2", "pip install 'iso15118-stack[mcs]'"
        ) from error


def kernel_words(error: Any) -> str:
    """The reason that the kernel gave with its refusal (extended acknowledgement); empty if there is
    none but the error number."""
    words = str(error.args[1]) if len(error.args) > 1 else ""
    return "" if words == os.strerror(error.code) else words.rstrip(".")


class Negotiation(Enum):
    """What came of turning it off; the names are stable, the words are human-readable."""

    WAS_OFF = "auto-negotiation is off"
    TURNED_OFF = "auto-negotiation was on and is off now"
    NOT_OFFERED = "the driver has no auto-negotiation to turn off"
    REFUSED = "auto-negotiation stays on"


class NegotiationOutcome(Struct, frozen=True):
    """``detail``: the kernel's reason, where it gave one."""

    result: Negotiation
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Nothing is negotiated on this interface."""
        return self.result is not Negotiation.REFUSED

    def __str__(self) -> str:
        return f"{self.result.value}: {self.detail}" if self.detail else self.result.value


async def turn_negotiation_off(interface: str) -> NegotiationOutcome:
    """10BASE-T1S negotiates nothing; a PHY that tries never gets a link [V2G10-019][V2G10-026].

    Speed and duplex are fixed together with it, to 10 Mbit/s and half duplex, since a PHY without a link
    knows neither. Raises ``ConfigError`` where ``pyroute2`` is not installed.
    """
    need_pyroute2()
    socket = EthtoolSocket(_linkmodes_type())
    from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

    asked = False
    try:
        async with asyncio.timeout(REPLY_S), socket:
            replies = await socket.ask(linkmodes_request(_LINKMODES_GET, interface))
            if not any(reply.get_attr("ETHTOOL_A_LINKMODES_AUTONEG") for reply in replies):
                return NegotiationOutcome(Negotiation.WAS_OFF)
            asked = True
            await socket.ask(linkmodes_request(_LINKMODES_SET, interface))
            return NegotiationOutcome(Negotiation.TURNED_OFF)
    except NetlinkError as error:
        if not asked and error.code == errno.EOPNOTSUPP:
            return NegotiationOutcome(Negotiation.NOT_OFFERED)
        return NegotiationOutcome(Negotiation.REFUSED, kernel_words(error) or os.strerror(error.code))
    except TimeoutError:
        return NegotiationOutcome(Negotiation.REFUSED, f"the kernel did not answer within {REPLY_S:g} s")
    except OSError as error:
        return NegotiationOutcome(Negotiation.REFUSED, f"netlink: {error.strerror or error}")


def linkmodes_request(command: int, interface: str) -> Any:
    """A netlink message as ``pyroute2`` builds it: to read the link modes, or to fix them."""
    message = _linkmodes_type()()
    message["cmd"], message["version"] = command, VERSION
    header = {"attrs": [("ETHTOOL_A_HEADER_DEV_NAME", interface)]}
    message["attrs"] = [("ETHTOOL_A_LINKMODES_HEADER", header)]
    if command == _LINKMODES_SET:
        message["attrs"] += [
            ("ETHTOOL_A_LINKMODES_AUTONEG", 0),
            ("ETHTOOL_A_LINKMODES_SPEED", _SPEED_MBIT),
            ("ETHTOOL_A_LINKMODES_DUPLEX", _HALF_DUPLEX),
        ]
    return message


@cache
def _linkmodes_type() -> Callable[[], Any]:
    from pyroute2.netlink.generic.ethtool import ethtool_linkmode_msg  # type: ignore[import-untyped]

    kind: Callable[[], Any] = ethtool_linkmode_msg
    return kind
