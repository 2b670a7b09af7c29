"""Charging cables on one machine: two network namespaces joined by a veth pair, or each with one to a modem,
and link-local addresses."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from iso15118.aio.plug.powerline import send_complete_frames
from iso15118.errors import LinkError

__all__ = ["INTERFACE", "Cable", "ModemCables", "cable", "modem_cables"]

INTERFACE = "v2g"
"""Name of the interface in either namespace."""

_SETTLED_S = 60.0


class Cable:
    """The names of its two ends, and how to run something there."""

    def __init__(self, secc: str, evcc: str) -> None:
        self.secc = secc
        self.evcc = evcc

    def at(self, namespace: str, command: list[str]) -> list[str]:
        """The command line that runs ``command`` at one end."""
        return ["ip", "netns", "exec", namespace, *command]


@contextmanager
def cable() -> Iterator[Cable]:
    """Lay one; it is gone afterwards, whatever happened. Raises ``OSError`` where this is not allowed."""
    ends = [f"iop{os.getpid()}{role}" for role in ("secc", "evcc")]
    made: list[str] = []
    try:
        for name in ends:
            _ip("netns", "add", name)
            made.append(name)
        pair = ["link", "add", INTERFACE, "type", "veth", "peer", "name", INTERFACE, "netns", ends[1]]
        _ip("-n", ends[0], *pair)
        for name in ends:
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", INTERFACE, "up")
        _settle(ends)
        yield Cable(*ends)
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


class ModemCables(Cable):
    """Two ends that share nothing but what passes their modems, whose interfaces are in
    this process's own namespace."""

    def __init__(self, secc: str, evcc: str, secc_modem: str, evcc_modem: str) -> None:
        super().__init__(secc, evcc)
        self.secc_modem, self.evcc_modem = secc_modem, evcc_modem

    def mac(self, namespace: str, interface: str = INTERFACE) -> bytes:
        """The address of a host's interface."""
        return bytes.fromhex(self._link(namespace, interface)["address"].replace(":", ""))

    def address(self, namespace: str, interface: str = INTERFACE) -> str:
        """Its link-local IPv6 address."""
        shown = json.loads(
            _ip("-n", namespace, "-json", "-6", "addr", "show", "dev", interface, "scope", "link")
        )
        return str(next(found["local"] for entry in shown for found in entry.get("addr_info", ())))

    def _link(self, namespace: str, interface: str) -> dict[str, str]:
        found: list[dict[str, str]] = json.loads(
            _ip("-n", namespace, "-json", "link", "show", "dev", interface)
        )
        return found[0]


@contextmanager
def modem_cables(interface: str = INTERFACE) -> Iterator[ModemCables]:
    """Lay two, one from each host to where its modem is emulated. Raises ``OSError``
    where this is not allowed."""
    process = os.getpid()
    ends = [f"iop{process}{role}" for role in ("secc", "evcc")]
    modems = [f"im{process}{role}" for role in "se"]
    made: list[str] = []
    try:
        for name, modem in zip(ends, modems, strict=True):
            _ip("netns", "add", name)
            made.append(name)
            near = f"{modem}n"
            _ip("link", "add", modem, "type", "veth", "peer", "name", near)
            try:
                send_complete_frames(near)
            except LinkError as error:
                _ip("link", "del", modem)
                raise OSError(str(error)) from error
            _ip("link", "set", near, "netns", name, "name", interface)
            _ip("link", "set", modem, "addrgenmode", "none")
            _ip("link", "set", modem, "up")
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", interface, "up")
        _settle(ends, interface)
        yield ModemCables(*ends, *modems)
    finally:
        for name in made:  # with their ends of the cables, and those with the other ends
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _settle(namespaces: list[str], interface: str = INTERFACE) -> None:
    deadline = time.monotonic() + _SETTLED_S
    while not all(_usable(name, interface) for name in namespaces):
        if time.monotonic() > deadline:
            raise OSError("the interfaces got no link-local addresses")
        time.sleep(0.1)


def _usable(namespace: str, interface: str = INTERFACE) -> bool:
    shown = _ip("-n", namespace, "-6", "addr", "show", "dev", interface)
    return "fe80:" in shown and "tentative" not in shown


def _ip(*arguments: str) -> str:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise OSError("the command ip (iproute2) is not there") from error
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
