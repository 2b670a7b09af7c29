"""Names of messages and states as they are written in scenario files, of every edition and family.

A state is named after the message that is waited for; the standard writes both with underscores,
the message classes without.
"""

from __future__ import annotations

from functools import cache

from iso15118.messages import app, din, iso2
from iso15118.messages.iso20 import ac, acdp, common_messages, dc, wpt
from iso15118.settings import choose

__all__ = ["check_message", "check_state", "plain"]

_BEFORE_AND_AFTER = ("Connecting", "Ended")


def plain(name: str) -> str:
    """A name as it is compared: without underscores, in small letters."""
    return name.replace("_", "").lower()


@cache
def _messages() -> tuple[str, ...]:
    modules = (app, din, iso2, common_messages, ac, dc, acdp, wpt)
    return tuple(
        dict.fromkeys(name for module in modules for name in module.__all__ if name.endswith(("Req", "Res")))
    )


def check_message(key: str, name: str) -> None:
    """Raises ``ConfigError`` about ``key`` for what is the name of no message."""
    choose(key, name, _messages())


def check_state(key: str, name: str) -> None:
    """Raises ``ConfigError`` about ``key`` for what is the name of no state."""
    stems = (*_BEFORE_AND_AFTER, *dict.fromkeys(message[:-3] for message in _messages()))
    if plain(name) not in {plain(stem) for stem in stems}:
        choose(key, name, stems)
