"""A network interface and this machine's address on it, found by name; and where it cannot be
used, why not and what to type.

Names may be alternative ones. What is wrong is read from Linux's own tables; other
systems get a shorter answer.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from difflib import get_close_matches
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

from msgspec import Struct

from iso15118.errors import LinkError
from iso15118.sdp import MULTICAST_GROUP, SDP_PORT

__all__ = ["Interface", "find_interface", "interface_index", "require_interface", "words_of"]

_LOOPBACK_NAMES: Final = ("lo", "lo0")

# linux/if.h, linux/sockios.h, linux/if_addr.h
_SIOCGIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8913, 0x1, 0x40
_DADFAILED, _TENTATIVE = 0x08, 0x40
_LINK_SCOPE: Final = "20"

# linux/rtnetlink.h, linux/if_link.h
_RTM_NEWLINK, _RTM_GETLINK, _NLM_F_REQUEST, _IFLA_ALT_IFNAME = 16, 18, 1, 53
_SHORT_NAME, _LONGEST_NAME = 15, 127
_NETLINK_ANSWER_S: Final = 1.0


class Interface(Struct, frozen=True):
    """A network interface and this machine's address on it: link-local, or ``::1`` on the loopback
    interface. ``name`` is the system's, also where it was found by an alternative one."""

    name: str
    index: int
    address: IPv6Address
    loopback: bool = False

    @property
    def scope_id(self) -> int:
        """What a socket address needs beside the address; ``::1`` needs nothing."""
        return 0 if self.loopback else self.index


def interface_index(name: str) -> int:
    """The index of the interface of this name or alternative name; 0 if there is none."""
    encoded = name.encode(errors="replace")
    if not encoded or b"\0" in encoded or len(encoded) > _LONGEST_NAME:
        return 0
    if len(encoded) > _SHORT_NAME:
        return _index_of_long_name(encoded)
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def find_interface(name: str) -> Interface:
    """The interface of this name. Raises ``LinkError`` if there is none, or none with a link-local address in
    use; it says which of the reasons it is, and what to type."""
    index = interface_index(name)
    if not index:
        raise LinkError(_missing(name))
    try:
        system_name = socket.if_indextoname(index)
    except OSError:  # gone since
        raise LinkError(_missing(name)) from None
    if system_name in _LOOPBACK_NAMES:
        return Interface(system_name, index, IPv6Address("::1"), loopback=True)
    error: OSError | None = None
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            # Nothing is sent: the system is asked from which address it would.
            probe.connect((str(MULTICAST_GROUP), SDP_PORT, 0, index))
            address = IPv6Address(probe.getsockname()[0].partition("%")[0])
    except OSError as caught:
        error = caught
    else:
        if address.is_link_local:
            return Interface(system_name, index, address)
    raise LinkError(_why_unusable(system_name, error)) from error


def require_interface(name: str) -> None:
    """Raises ``LinkError`` if nobody has this name, with the names that there are: it may come later,
    but is more likely misspelt."""
    if not interface_index(name):
        raise LinkError(_missing(name))


def words_of(error: OSError) -> str:
    """The system's words for an error number."""
    return os.strerror(error.errno) if error.errno else str(error)


def _missing(name: str) -> str:
    names = [other for _, other in socket.if_nameindex()]
    near = get_close_matches(name, names, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no network interface {name!r}, only {', '.join(names)}{meant}"


def _why_unusable(name: str, error: OSError | None) -> str:
    """In the order in which things have to be in place: IPv6, the interface, its carrier, its address."""
    plain = f"interface {name} cannot be used with IPv6"
    if error is not None:
        plain += f": {words_of(error)}"
    if not sys.platform.startswith("linux"):
        return f"{plain} (is it up, and has it a link-local address?)"
    try:
        addresses = _link_local(name)
    except FileNotFoundError:
        return (
            f"interface {name} cannot be used: this system has no IPv6 (is it started with ipv6.disable=1?)"
        )
    except OSError:
        return plain
    if _sysctl(name, "disable_ipv6") == "1":
        key = f"net/ipv6/conf/{name}/disable_ipv6" if "." in name else f"net.ipv6.conf.{name}.disable_ipv6"
        return f"IPv6 is switched off on interface {name} ({key} = 1); type: sysctl -w {key}=0"
    flags = _flags(name)
    if flags is not None and not flags & _IFF_UP:
        return f"interface {name} is down; type: ip link set {name} up"
    if any(state & _DADFAILED for state in addresses.values()):
        taken = ", ".join(str(address) for address, state in addresses.items() if state & _DADFAILED)
        return (
            f"somebody else on the link of interface {name} uses its address {taken} (duplicate address detection "
            f"failed): are both ends the same machine image? type: ip link set {name} address with another MAC"
        )
    if flags is not None and not flags & _IFF_RUNNING:
        return f"interface {name} has no carrier: nothing is plugged in, or the other end is off"
    if any(state & _TENTATIVE for state in addresses.values()):
        return f"the address of interface {name} is not ready: duplicate address detection takes one to two seconds"
    if addresses:
        return plain
    return (
        f"interface {name} has no IPv6 link-local address; type: ip link set {name} addrgenmode eui64, and down and up "
        f"again, or: ip -6 address add fe80::1/64 dev {name}"
    )


def _link_local(name: str) -> dict[IPv6Address, int]:
    """Link-local addresses of the interface, with their flags."""
    found = {}
    for line in Path("/proc/net/if_inet6").read_text(encoding="ascii", errors="replace").splitlines():
        address, _, _, scope, flags, owner = line.split()
        if owner == name and scope == _LINK_SCOPE:
            found[IPv6Address(bytes.fromhex(address))] = int(flags, 16)
    return found


def _sysctl(name: str, key: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/sys/net/ipv6/conf/{name}/{key}").read_text(encoding="ascii").strip()
    return ""


def _flags(name: str) -> int | None:
    import fcntl

    request = struct.pack("16sh14x", name.encode()[:_SHORT_NAME], 0)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
        flags: int = struct.unpack_from("16xH", answer)[0]
        return flags
    return None


def _index_of_long_name(name: bytes) -> int:
    """Alternative names are up to 127 octets, which the old calls cannot take:
    one question over rtnetlink."""
    if not hasattr(socket, "AF_NETLINK"):
        return 0
    value = name + b"\0"
    attribute = struct.pack("=HH", 4 + len(value), _IFLA_ALT_IFNAME) + value + bytes(-len(value) % 4)
    body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attribute
    request = struct.pack("=IHHII", 16 + len(body), _RTM_GETLINK, _NLM_F_REQUEST, 1, 0) + body
    with (
        contextlib.suppress(OSError, struct.error),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink,
    ):
        netlink.settimeout(_NETLINK_ANSWER_S)
        netlink.sendto(request, (0, 0))
        answer = netlink.recv(65536)
        kind = struct.unpack_from("=4xH", answer)[0]
        index: int = struct.unpack_from("=16x4xi", answer)[0]
        return index if kind == _RTM_NEWLINK else 0
    return 0
