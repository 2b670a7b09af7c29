"""The machine a figure comes from: without it, the figure says nothing."""

from __future__ import annotations

import os
import platform
import ssl
from functools import cache
from pathlib import Path

from msgspec import Struct

__all__ = ["Machine", "machine"]


class Machine(Struct, frozen=True):
    """What made the figures."""

    cpu: str
    cores: int
    """Cores that this process may use."""
    system: str
    python: str
    openssl: str
    """Linked by this Python; the asyncio echo uses it, the package has its own."""


@cache
def machine() -> Machine:
    """This one."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {_release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        openssl=ssl.OPENSSL_VERSION,
    )


def _release() -> str:
    """Of the kernel, without what its builder appended."""
    return ".".join(platform.release().split(".")[:2])


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return ", ".join(sorted(names)) or platform.processor() or "unknown"
