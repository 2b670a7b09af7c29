"""A bundle of ports for tests of one of them: what it is not given, it does not have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

__all__ = ["Parts"]


class Parts(SimpleNamespace):
    """Stands for a ``Station`` or a ``Vehicle``; every port that is not named is absent."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return None
