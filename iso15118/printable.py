"""Text of a peer, made fit for a log, a terminal and a port: cut short, on one line, nothing in it that acts.

Names in certificates, reasons and ids in messages are chosen by whoever sends them, and a
terminal obeys what it is sent.
"""

from __future__ import annotations

__all__ = ["escaped", "printable"]

LONGEST = 300
"""Characters of a text that is shown in a message for people."""


def printable(text: str, longest: int = LONGEST) -> str:
    """The first ``longest`` characters, with a space for each that is not printed (controls, line ends, marks
    that turn the direction)."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:longest])


def escaped(text: str) -> str:
    r"""All of the text, on one line, with ``\x1b``, ``\u202e`` and the like for each character that is not
    printed, so that nothing of it is lost.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _named(letter) for letter in text)


def _named(letter: str) -> str:
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
