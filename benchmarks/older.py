"""Names of modules in older trees, so that these benchmarks can measure them, too:
``compare`` puts them there."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Final

__all__ = ["find"]

_OLDER: Final = {
    "iso15118.aio.net.network": "iso15118.aio.network",
    "iso15118.aio.net.stream": "iso15118.aio.stream",
    "iso15118.pki.keys.credential": "iso15118.pki.credential",
    "iso15118.pki.status.revocation": "iso15118.pki.revocation",
}
"""Name now -> name before."""


def find() -> None:
    """Let the names of now be found where there are only those of before."""
    for now, before in _OLDER.items():
        try:
            import_module(now)
        except ModuleNotFoundError:
            package = now.rpartition(".")[0]
            if package not in sys.modules:
                sys.modules[package] = ModuleType(package)
            sys.modules[now] = import_module(before)
