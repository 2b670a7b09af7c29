"""What a matching ignored, in words: said at once, once each, and again at its end,
where it often is the cause.

Some vehicles put their modem's address where their own belongs; without a word the peer only sees time go by.
"""

from __future__ import annotations

from .frames import mac_text

__all__ = ["Ignored", "named_wrong"]

_MOST = 8  # different ones; a stranger could send any number


def named_wrong(message: str, source: bytes, who: str, there: bytes, wanted: bytes) -> str:
    """A sentence about a message of ``source`` that names ``there`` as ``who`` instead of ``wanted``."""
    return (
        f"{message} of {mac_text(source)} names {mac_text(there)} as the {who} instead of {mac_text(wanted)}"
    )


class Ignored:
    """Different oddities with how often each was seen."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def add(self, text: str) -> list[str]:
        """It was ignored for this reason; what to say about it, the first time."""
        if text not in self._seen and len(self._seen) >= _MOST:
            return []
        self._seen[text] = self._seen.get(text, 0) + 1
        return [f"ignored: {text}"] if self._seen[text] == 1 else []

    def told_with(self, reason: str) -> str:
        """The end of a matching, with what was ignored before it."""
        if not self._seen:
            return reason
        return f"{reason}; ignored: " + ", ".join(
            f"{text} ({count} times)" if count > 1 else text for text, count in self._seen.items()
        )
