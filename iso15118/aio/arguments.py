"""What a server and a client are made with, looked at when they are made: what is of another kind would fail
when a peer comes, in the middle of its session.

Settings check themselves; here is what stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any, Final, Literal, NamedTuple

from iso15118.errors import ConfigError
from iso15118.ranges import MOST, is_number, shown
from iso15118.session.port_checks import not_to_be_told
from iso15118.session.ports import Station
from iso15118.session.ticket import SeccTicket

from .net.ending import StreamLimits, TlsSource
from .net.interface import Interface
from .ports.hardware import PortLimits

__all__ = ["check_arguments", "check_tls"]

_PORTS: Final = 0xFFFF


class _Rule(NamedTuple):
    legal: Callable[[Any], bool]
    wanted: str
    optional: bool = True


def _is_port(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _PORTS


def _is_address(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[0], IPv6Address)
        and _is_port(value[1])
        and value[1] > 0
    )


_FLAG = _Rule(lambda value: type(value) is bool, "True or False", optional=False)
_RULES: Final = {
    "interface": _Rule(lambda value: isinstance(value, (str, Interface)), "its name, such as eth0", False),
    "station": _Rule(_is_address, "an ipaddress.IPv6Address and a TCP port"),
    "sdp": _FLAG,
    "wait_for_interface": _FLAG,
    "sdp_port": _Rule(_is_port, f"a whole number from 0 to {_PORTS}", optional=False),
    "port": _Rule(_is_port, f"a whole number from 0 to {_PORTS}"),
    "port_limits": _Rule(lambda value: isinstance(value, PortLimits), "iso15118.aio.PortLimits(...)"),
    "stream_limits": _Rule(lambda value: isinstance(value, StreamLimits), "iso15118.aio.StreamLimits(...)"),
    "epoch": _Rule(
        lambda value: is_number(value, -MOST, MOST), "Unix time at the zero of the loop's clock, in s"
    ),
    "recorder": _Rule(lambda value: hasattr(value, "streams"), "iso15118.aio.Recorder(...)"),
    "tickets": _Rule(
        lambda value: all(isinstance(one, SeccTicket) for one in value), "SeccTicket of earlier sessions"
    ),
    "talks_with": _Rule(lambda value: isinstance(value, Station), "iso15118.Station(...)"),
    "wireless": _Rule(
        lambda value: type(value).__name__ == "WirelessSdpRequest",  # which a cable does not load
        "iso15118.sdp.wireless.WirelessSdpRequest(...)",
    ),
    "most_waiting": _Rule(
        lambda value: type(value) is int and value >= 0, "a whole number of octets, 0 or more", optional=False
    ),
    "retry_s": _Rule(
        lambda value: is_number(value, 0.001, 86_400.0), "a number from 0.001 to 86400, in s", optional=False
    ),
}
_CALLED: Final[dict[str, tuple[str, ...]]] = {
    "news": ("news",),
    "session_news": ("news",),
    "observer": ("at", "what"),
    "watch": ("event", "actions", "now"),
    "on_request": ("origin", "outcome"),
    "connections": ("event",),
    "listening": ("server",),
}
"""Functions of the application, and what they are called with: one that takes something else would be given
up at its first call, in the middle of a session."""


def check_arguments(**given: Any) -> None:
    """Raises ``ConfigError``, naming the argument, for the first that is of another kind."""
    for name, value in given.items():
        if name in _CALLED:
            values = _CALLED[name]
            if value is not None and (wrong := not_to_be_told(value, *values)) is not None:
                raise ConfigError(
                    name, wrong, f"a function, and no `async def`: `def {name}({', '.join(values)})`"
                )
            continue
        rule = _RULES[name]
        if not (value is None and rule.optional) and not rule.legal(value):
            raise ConfigError(name, f"{shown(value)} is none", rule.wanted)


def check_tls(tls: TlsSource | None, role: Literal["client", "server"], config: Any) -> None:
    """Raises ``ConfigError`` for a ``config`` that is none of this role, where there has to be TLS and is
    none, and for the other side's."""
    own = "SeccConfig" if role == "server" else "EvccConfig"
    if own not in [kind.__name__ for kind in type(config).__mro__]:  # neither role loads the other's
        raise ConfigError("config", f"{type(config).__name__} is no {own}", f"iso15118.{own}(...)")
    if tls is None:
        if not config.speaks_plain:
            raise ConfigError(
                "tls", "there is no TLS context", "give one, or set allow_plaintext for a laboratory"
            )
        return
    its = getattr(tls, "role", None)
    if its not in ("client", "server"):
        raise ConfigError("tls", f"{type(tls).__name__} is no TLS context", "iso15118.tls.TlsContext(...)")
    if its != role:
        raise ConfigError("tls", f"this is a {its}'s context", f"role={role!r}")
