"""PLCA of a 10BASE-T1S interface through ethtool's netlink family (Linux, ``pyroute2``): who
coordinates, who is which node.

What comes of it is a value with its words, since many drivers offer no PLCA and work without. ``pyroute2`` is
optional and loaded when the kernel is asked.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from iso15118.aio.net.ethtool import (
    LONGEST_NAME,
    NESTED,
    REPLY_S,
    VERSION,
    EthtoolSocket,
    NegotiationOutcome,
    kernel_words,
    need_pyroute2,
    turn_negotiation_off,
)
from iso15118.errors import ConfigError

__all__ = [
    "COORDINATOR",
    "VEHICLE_NODE",
    "Plca",
    "PlcaOutcome",
    "PlcaResult",
    "configure_plca",
    "read_plca",
]

COORDINATOR, VEHICLE_NODE = 0, 1
"""Node of the station, which sends the beacons, and of the vehicle (ISO 15118-10 as public
implementations have it)."""

# linux/ethtool_netlink.h; since Linux 6.3.
_GET_CFG, _SET_CFG, _GET_STATUS = 39, 40, 41


class Plca(Struct, frozen=True, kw_only=True):
    """Configuration of one node. Raises ``ConfigError`` for what the kernel would refuse.

    ``node_count``: transmit opportunities in a cycle, 1 to 255, which only the coordinator needs; 8 is what
    the node numbers 0 to 7 of ISO 15118-10 fit into. ``to_timer``: length of an opportunity in bit times, the
    same at both ends; ``burst_count``: frames beyond the first in one opportunity; ``burst_timer``: wait for
    another frame of a burst in bit times. All of them 0 to 255. Unsettled: 32, 0 and 128 are what PHYs start
    with and not values of ISO 15118-10.
    """

    node_id: int
    node_count: int = 8
    to_timer: int = 32
    burst_count: int = 0
    burst_timer: int = 128
    enabled: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("node_id", 0, 254),  # 255 turns PLCA off in the register
            ("node_count", 1, 255),
            ("to_timer", 0, 255),
            ("burst_count", 0, 255),
            ("burst_timer", 0, 255),
        ):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ConfigError(
                    f"plca.{name}", f"{value!r} is not possible", f"a whole number from {low} to {high}"
                )
        if self.node_id >= self.node_count:
            raise ConfigError(
                "plca.node_id",
                f"node {self.node_id} has no opportunity among {self.node_count}",
                "a smaller number, or a larger node_count at both ends",
            )

    def command(self, interface: str) -> str:
        """The command that does the same by hand."""
        if not self.enabled:
            return f"ethtool --set-plca-cfg {interface} enable off"
        return (
            f"ethtool --set-plca-cfg {interface} enable on node-id {self.node_id} node-cnt {self.node_count} "
            f"to-tmr {self.to_timer} burst-cnt {self.burst_count} burst-tmr {self.burst_timer}"
        )

    def __str__(self) -> str:
        if not self.enabled:
            return "PLCA off"
        role = f"coordinator of {self.node_count}" if self.node_id == COORDINATOR else "follower"
        return (
            f"PLCA node {self.node_id}, {role}; opportunity {self.to_timer} bit times, "
            f"burst {self.burst_count} within {self.burst_timer} bit times"
        )


class PlcaResult(Enum):
    """What came of it; the names are stable, the words are human-readable."""

    SET = "PLCA is configured"
    PRESENT = "PLCA as the interface has it"
    NOT_OFFERED = "the driver of the interface offers no PLCA configuration"
    NO_KERNEL_SUPPORT = "this kernel knows no PLCA (Linux 6.3 or newer is needed)"
    NOT_PERMITTED = "configuring PLCA needs CAP_NET_ADMIN"
    NO_INTERFACE = "there is no such network interface"
    REFUSED = "the driver refuses this PLCA configuration"
    FAILED = "PLCA could not be configured"


_BY_ERRNO = {
    errno.EOPNOTSUPP: PlcaResult.NOT_OFFERED,
    errno.EPERM: PlcaResult.NOT_PERMITTED,
    errno.EACCES: PlcaResult.NOT_PERMITTED,
    errno.ENODEV: PlcaResult.NO_INTERFACE,
    errno.EINVAL: PlcaResult.REFUSED,
    errno.ERANGE: PlcaResult.REFUSED,
}


class PlcaOutcome(Struct, frozen=True):
    """``present``: what the interface has now, as far as it says. ``beacons``: whether the PHY sees (a
    follower) or sends (the coordinator) them, None if it does not say. On the coordinator that proves no
    peer. ``detail`` has the kernel's reason for a refusal, where it gave one. ``negotiation``: what came of
    turning auto-negotiation off before; None where nothing was to be configured."""

    result: PlcaResult
    interface: str
    detail: str = ""
    present: Plca | None = None
    beacons: bool | None = None
    negotiation: NegotiationOutcome | None = None

    @property
    def ok(self) -> bool:
        """Whether what was asked for is the case."""
        return self.result in (PlcaResult.SET, PlcaResult.PRESENT)

    def __str__(self) -> str:
        text = f"{self.interface}: {self.result.value}"
        if self.present is not None:
            text += f": {self.present}"
        if self.beacons is not None:
            text += ", beacons" if self.beacons else ", no beacons"
        if self.detail:
            text += f" ({self.detail})"
        if self.negotiation is not None and not self.negotiation.ok:
            text += f"; {self.negotiation}"
        return text


async def configure_plca(interface: str, plca: Plca) -> PlcaOutcome:
    """Turn auto-negotiation off, which 10BASE-T1S has not, configure the interface's PHY, and read back what
    it made of it. Anything that stands in the way is the outcome's ``result``.

    Raises ``ConfigError`` where ``pyroute2`` is not installed.
    """
    negotiation = None
    if plca.enabled and _possible(interface):
        negotiation = await turn_negotiation_off(interface)
    return replace(await _ask(interface, plca), negotiation=negotiation)


async def read_plca(interface: str) -> PlcaOutcome:
    """The present configuration. Raises ``ConfigError`` where ``pyroute2`` is not installed."""
    return await _ask(interface, None)


def request(command: int, interface: str, plca: Plca | None = None) -> Any:
    """A netlink message as ``pyroute2`` builds it: to read, or to set with ``plca``."""
    message = _message_type()()
    message["cmd"], message["version"] = command, VERSION
    attributes: list[tuple[str, Any]] = [("HEADER", {"attrs": [("DEV_NAME", interface)]})]
    if plca is not None:
        attributes += [
            ("ENABLED", int(plca.enabled)),
            ("NODE_CNT", plca.node_count),
            ("NODE_ID", plca.node_id),
            ("TO_TMR", plca.to_timer),
            ("BURST_CNT", plca.burst_count),
            ("BURST_TMR", plca.burst_timer),
        ]
    message["attrs"] = attributes
    return message


def configuration_in(reply: Any) -> Plca | None:
    """What a reply to ETHTOOL_MSG_PLCA_GET_CFG says; None without a node number. A driver leaves
    out what it does not know."""
    names = {
        "NODE_ID": "node_id",
        "NODE_CNT": "node_count",
        "TO_TMR": "to_timer",
        "BURST_CNT": "burst_count",
        "BURST_TMR": "burst_timer",
    }
    found = {ours: reply.get_attr(theirs) for theirs, ours in names.items()}
    known = {name: value for name, value in found.items() if value is not None}
    enabled = reply.get_attr("ENABLED")
    if "node_id" not in known:
        return None
    try:
        return Plca(**known, enabled=enabled is None or bool(enabled))
    except ConfigError:  # node 255, or a count of 0: as PHYs are before anybody configured them
        return None


def _possible(interface: str) -> bool:
    return 0 < len(interface.encode()) <= LONGEST_NAME and "\0" not in interface


async def _ask(interface: str, plca: Plca | None) -> PlcaOutcome:
    if not _possible(interface):
        return PlcaOutcome(PlcaResult.NO_INTERFACE, interface)
    need_pyroute2()
    message_type = _message_type()
    from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

    result, detail = PlcaResult.FAILED, ""
    present, beacons = None, None
    by_errno = {**_BY_ERRNO, errno.ENOENT: PlcaResult.NO_KERNEL_SUPPORT}  # there is no such family
    try:
        async with asyncio.timeout(REPLY_S), EthtoolSocket(message_type) as netlink:
            by_errno = _BY_ERRNO
            if not {_GET_CFG, _SET_CFG} <= netlink.offered:
                return PlcaOutcome(PlcaResult.NO_KERNEL_SUPPORT, interface)
            if plca is not None:
                await netlink.ask(request(_SET_CFG, interface, plca))
                result = PlcaResult.SET
            for reply in await netlink.ask(request(_GET_CFG, interface)):
                present = configuration_in(reply) or present
            if plca is None:
                result = PlcaResult.PRESENT
            for reply in await netlink.ask(request(_GET_STATUS, interface)):
                status = reply.get_attr("STATUS")
                beacons = beacons if status is None else bool(status)
    except NetlinkError as error:
        # A driver that can be configured and not read is content all the same; so is one without a status.
        if result not in (PlcaResult.SET, PlcaResult.PRESENT):
            result = by_errno.get(error.code, PlcaResult.FAILED)
            detail = kernel_words(error) or ("" if error.code in by_errno else str(error))
    except TimeoutError:
        result, detail = PlcaResult.FAILED, f"the kernel did not answer within {REPLY_S:g} s"
    except OSError as error:
        result, detail = PlcaResult.FAILED, f"netlink: {error.strerror or error}"
    if plca is not None and result is PlcaResult.SET and present not in (None, plca):
        result, detail = PlcaResult.REFUSED, f"asked for {plca}"
    return PlcaOutcome(result, interface, detail, present, beacons)


@cache
def _message_type() -> Callable[[], Any]:
    """ETHTOOL_A_PLCA_*: attribute numbers are places in the list."""
    from pyroute2.netlink import genlmsg, nla  # type: ignore[import-untyped]

    class Header(nla):  # type: ignore[misc]
        nla_flags = NESTED
        nla_map = (("UNSPEC", "none"), ("DEV_INDEX", "uint32"), ("DEV_NAME", "asciiz"), ("FLAGS", "uint32"))

    class PlcaMessage(genlmsg):  # type: ignore[misc]
        nla_map = (
            ("UNSPEC", "none"),
            ("HEADER", "header_nest"),
            ("VERSION", "uint16"),
            ("ENABLED", "uint8"),
            ("STATUS", "uint8"),
            ("NODE_CNT", "uint32"),
            ("NODE_ID", "uint32"),
            ("TO_TMR", "uint32"),
            ("BURST_CNT", "uint32"),
            ("BURST_TMR", "uint32"),
        )
        header_nest = Header

    return PlcaMessage
