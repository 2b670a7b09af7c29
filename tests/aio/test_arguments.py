"""What a server or a client is given is of its kind, or refused by the argument's name before anything
begins; and signals that ask a program to end, of which ``nohup`` keeps one away."""

from __future__ import annotations

import signal
from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import PortLimits, StreamLimits, find_interface
from iso15118.aio.arguments import check_arguments, check_tls
from iso15118.aio.asked import signals
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig

HERE = IPv6Address("fe80::1")


class Recorder:
    def streams(self) -> None: ...


LEGAL: dict[str, tuple[Any, ...]] = {
    "interface": ("eth0", find_interface("lo")),
    "station": (None, (HERE, 1), (HERE, 65535)),
    "sdp": (True, False),
    "wait_for_interface": (True, False),
    "sdp_port": (0, 1, 65535),
    "port": (None, 0, 65535),
    "port_limits": (None, PortLimits()),
    "stream_limits": (None, StreamLimits()),
    "epoch": (None, 0, -1.5, 1.8e9),
    "recorder": (None, Recorder()),
    "tickets": ((), None),
    "talks_with": (None,),
    "wireless": (None,),
    "most_waiting": (0, 10**9),
    "retry_s": (0.001, 1, 86_400.0),
    "news": (None, print),
    "observer": (None, print),
    "watch": (None, print),
    "on_request": (None, print),
    "connections": (None, print),
    "session_news": (None, print),
    "listening": (None, print, lambda server: None),
}
ILLEGAL: dict[str, tuple[Any, ...]] = {
    "interface": (None, 5, b"eth0"),
    "station": ((HERE, 0), (HERE, 65536), (HERE, True), (IPv4Address("1.2.3.4"), 5), ("fe80::1", 5), (HERE,), [HERE, 5], (HERE, 5, 0)),
    "sdp": (None, 0, "yes"),
    "wait_for_interface": (None, 1),
    "sdp_port": (None, -1, 65536, 1.0, True, "5"),
    "port": (-1, 65536, False),
    "port_limits": (StreamLimits(), {}),
    "stream_limits": (PortLimits(), 5),
    "epoch": (float("nan"), float("inf"), "now", True),
    "recorder": (5, "folder"),
    "tickets": (("ticket",),),
    "talks_with": (5,),
    "wireless": ("EVCC",),
    "most_waiting": (None, -1, 1.0, True),
    "retry_s": (None, 0.0, 0.0009, 86_401.0, float("nan")),
    "news": (5, "print", lambda: None, lambda at, what: None),
    "session_news": (5, lambda: None),
    "observer": (5, lambda what: None, [].append),
    "watch": (5, lambda event, actions: None),
    "on_request": (5, lambda origin: None),
    "connections": (5, lambda: None),
    "listening": (5, lambda: None),
}  # fmt: skip


@pytest.mark.parametrize("name", LEGAL)
def test_an_argument_is_of_its_kind_or_refused_by_its_name(name: str) -> None:
    for value in LEGAL[name]:
        check_arguments(**{name: value})
    for value in ILLEGAL[name]:
        with pytest.raises(ConfigError, match=f"^{name}: "):
            check_arguments(**{name: value})


def test_a_function_that_takes_something_else_is_refused_with_what_it_is_called_with() -> None:
    with pytest.raises(ConfigError) as raised:
        check_arguments(observer=lambda what: None)
    assert str(raised.value) == (
        "observer: it cannot be called with at, what alone (a function, and no `async def`: `def observer(at, what)`)"
    )


def test_of_several_the_first_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^port: 70000 is none"):
        check_arguments(sdp=True, port=70_000, sdp_port=-1)


@pytest.mark.parametrize(
    ("role", "own", "other"), [("server", SeccConfig, EvccConfig), ("client", EvccConfig, SeccConfig)]
)
def test_a_tls_context_is_of_the_same_role_and_there_where_it_has_to_be(
    role: Any, own: Any, other: Any
) -> None:
    mine: Any = SimpleNamespace(role=role)
    its = "client" if role == "server" else "server"
    check_tls(mine, role, own())
    check_tls(None, role, own(allow_plaintext=True))
    for tls, config, words in (
        (mine, other(), f"config: {other.__name__} is no {own.__name__}"),
        (None, own(), "tls: there is no TLS context"),
        (SimpleNamespace(role=its), own(), f"tls: this is a {its}'s context"),
        (SimpleNamespace(), own(), "tls: SimpleNamespace is no TLS context"),
        (SimpleNamespace(role="both"), own(), "tls: SimpleNamespace is no TLS context"),
    ):
        wrong: Any = tls
        with pytest.raises(ConfigError, match=words):
            check_tls(wrong, role, config)


@pytest.mark.parametrize("kept_away", [False, True])
async def test_a_terminal_that_goes_ends_a_program_unless_it_was_told_to_stay(kept_away: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if kept_away else signal.SIG_DFL)
    try:
        async with signals():
            assert (signal.getsignal(signal.SIGHUP) is signal.SIG_IGN) is kept_away
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        if not kept_away:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
