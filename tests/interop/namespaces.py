"""A charging cable on one machine: two network namespaces joined by a veth pair, each with a link-local address."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["INTERFACE", "Cable", "cable"]

INTERFACE = "v2g"
"""Name of the interface in either namespace."""

_SETTLED_S = 15.0


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
        deadline = time.monotonic() + _SETTLED_S
        while not all(_usable(name) for name in ends):
            if time.monotonic() > deadline:
                raise OSError("the interfaces got no link-local addresses")
            time.sleep(0.1)
        yield Cable(*ends)
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _usable(namespace: str) -> bool:
    shown = _ip("-n", namespace, "-6", "addr", "show", "dev", INTERFACE)
    return "fe80:" in shown and "tentative" not in shown


def _ip(*arguments: str) -> str:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise OSError("the command ip (iproute2) is not there") from error
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
