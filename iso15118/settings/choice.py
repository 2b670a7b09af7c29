"""One name out of a known few: a wrong one is refused with the nearest right one.

Names that are known but not built yet get an answer of their own, so that nobody
looks for a spelling mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from iso15118.errors import ConfigError

__all__ = ["choose", "nearest", "shown"]

_SHOWN: Final = 60
"""Characters of a wrong value that are repeated to whoever wrote it."""
MANY_BITS: Final = 1024
"""Whole numbers beyond this fit no key, and are not even converted to text."""


def shown(value: Any) -> str:
    """A wrong value on one line, cut short."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, int) and value.bit_length() >= MANY_BITS:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, list) and any(isinstance(item, list | dict | int) for item in value):
        return f"a list of {len(value)}"  # whatever is in there may be as long or as deep as it likes
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def nearest(name: str, valid: Iterable[str]) -> str:
    """The valid name most like ``name``; empty if there is none at all."""
    found = get_close_matches(name[:_SHOWN].lower(), list(valid), n=1, cutoff=0.0)
    return found[0] if found else ""


def choose(key: str, name: str, valid: Iterable[str], *, planned: Iterable[str] = ()) -> str:
    """``name`` if it is valid. Raises ``ConfigError`` naming ``key``, the nearest valid name and all of them.

    ``planned``: names of the standard that this stack does not do yet.
    """
    names = list(valid)
    if name in names:
        return name
    reason = (
        f"{shown(name)} is not implemented yet"
        if name in planned
        else f"{shown(name)} is not one of its values"
    )
    what = f"one of {', '.join(names)}" if len(names) > 1 else f"today only {names[0]}"
    raise ConfigError(key, reason, f"did you mean {nearest(name, names)!r}? {what}")
