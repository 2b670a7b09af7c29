"""Pseudonyms for what identifies people, vehicles, stations and contracts: the same one for the
same value, of the same form.

A pseudonym is made with a secret key: without it nobody finds the value by trying all of them, which
for an address takes no time.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import fields

__all__ = ["Pseudonyms"]

_KEPT: Final = frozenset(
    (
        "algorithm", "currency", "language", "name", "price_algorithm", "protocol_namespace", "type", "ev_inverter_hw_version",
        "ev_inverter_sw_version",
    )
)  # fmt: skip
"""Text that says what something is, not who, where it has that form; all other text gets a pseudonym."""
_SERIALS: Final = frozenset(("x509_serial_number",))
_MEASURED: Final = re.compile(r"aag|attenuation|profile|groups")
"""Octets of SLAC that are measured."""
_GROUPS: Final = (b"\xff" * 6, b"\x33\x33", b"\x01\x00\x5e", b"\x01\x80\xc2")
"""How addresses of groups begin that are the same in every network."""
_KNOWN_URI: Final = ("http://www.w3.org/", "urn:iso:", "urn:din:")
_CODE: Final = re.compile(r"[A-Z]+(?:_[A-Z]+)*")
"""A termination code that is one, and no sentence."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z _-]*[0-9]{0,2}|[vV]?[0-9.]{1,12}")
"""Of a parameter, a currency, a language, a version."""
_LONGEST_NAME: Final = 64
_DEEPEST: Final = 32
_LETTERS: Final = (string.ascii_uppercase, string.ascii_lowercase, string.digits)


class Pseudonyms:
    """``key``: with the same one the pseudonyms are the same in several captures; without one they
    are those of this object alone.

    ``found`` counts what was replaced, by kind.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self.found: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._octets: dict[bytes, bytes] = {}
        self._hosts: dict[str, int] = {}

    def text(self, value: str) -> str:
        """Letters for letters of the same case, digits for digits; everything else stays."""
        known = self._texts.get(value)
        if known is None:
            stream = self._stream(value.encode("utf-8", "surrogatepass"), 2 * len(value))
            known = "".join(
                _like(letter, stream[2 * place] << 8 | stream[2 * place + 1])
                for place, letter in enumerate(value)
            )
            if len(self._texts) < _MOST:
                self._texts[value] = known
        return known

    def octets(self, value: bytes) -> bytes:
        """As many octets; zeros stay zeros, text stays text, and what may be a MAC address becomes
        one that nobody was given."""
        if not any(value):
            return value
        known = self._octets.get(value)
        if known is None:
            body = value.rstrip(b"\0")
            if len(body) > 6 and body.isascii() and body.decode("ascii").isprintable():
                known = self.text(body.decode("ascii")).encode("ascii").ljust(len(value), b"\0")
            else:
                known = self._stream(value, len(value))
                if len(value) == 6:
                    known = bytes((known[0] & 0xFC | 0x02,)) + known[1:]
            if len(self._octets) < _MOST:
                self._octets[value] = known
        return known

    def mac(self, value: bytes) -> bytes:
        """Of a MAC address; those of groups stay. One that only looks like a group's is a device's."""
        return value if value.startswith(_GROUPS) else self.octets(value)

    def host(self, value: str) -> int:
        """A number for an address, from 1 on."""
        return self._hosts.setdefault(value, len(self._hosts) + 1)

    def message(self, value: Any, depth: int = 0) -> Any:
        """The same message without identities."""
        if depth > _DEEPEST:
            return value
        if isinstance(value, Struct):
            return self._struct(value, depth)
        if isinstance(value, tuple):
            return tuple(self.message(one, depth + 1) for one in value)
        if isinstance(value, list):
            return [self.message(one, depth + 1) for one in value]
        if isinstance(value, bytes):
            return self._counted("octets", self.octets(value))
        return self._counted("text", self.text(value)) if type(value) is str else value

    def _struct(self, value: Struct, depth: int) -> Struct:
        new: dict[str, Any] = {}
        for name in _names(type(value)):
            old = getattr(value, name)
            if old is None or (name in _KEPT and not (isinstance(old, str) and _may_name(name, old))):
                continue
            if name == "ev_termination_code" and isinstance(old, str) and _CODE.fullmatch(old):
                continue
            if name in _SERIALS and type(old) is int:
                changed: Any = int.from_bytes(self._stream(str(old).encode(), 8)) >> 1
            elif name == "uri" and isinstance(old, str):  # a reference to an id of this message
                changed = f"#{self.text(old[1:])}" if old.startswith("#") else self.text(old)
            else:
                changed = self.message(old, depth + 1)
            if changed is not old:
                new[name] = changed
        return msgspec.structs.replace(value, **new) if new else value

    def slac(self, value: Any, depth: int = 0) -> Any:
        """The same SLAC message: addresses, keys and ids have pseudonyms, what was measured stays."""
        if not isinstance(value, Struct) or depth > _DEEPEST:
            return value
        new: dict[str, Any] = {}
        for name in _names(type(value)):
            old = getattr(value, name)
            if isinstance(old, bytes) and not _MEASURED.search(name):
                new[name] = self.mac(old) if len(old) == 6 else self.octets(old)
            elif isinstance(old, Struct):
                new[name] = self.slac(old, depth + 1)
            elif isinstance(old, tuple):
                new[name] = tuple(self.slac(one, depth + 1) for one in old)
        return msgspec.structs.replace(value, **new) if new else value

    def _counted(self, kind: str, value: Any) -> Any:
        self.found[kind] = self.found.get(kind, 0) + 1
        return value

    def _stream(self, value: bytes, length: int) -> bytes:
        parts, number = bytearray(), 0
        while len(parts) < length:
            parts += hmac.digest(self._key, number.to_bytes(4) + value, "sha256")
            number += 1
        return bytes(parts[:length])


_MOST: Final = 100_000
"""Values that are remembered; those behind them are made anew, and are the same."""


def _may_name(field: str, text: str) -> bool:
    """Text of a field that says what something is, which is none of what may stand there: a peer can write
    whatever it likes."""
    if field in ("algorithm", "price_algorithm", "protocol_namespace", "type"):
        return not text.startswith(_KNOWN_URI)
    return len(text) > _LONGEST_NAME or not _NAME.fullmatch(text)


def _like(letter: str, number: int) -> str:
    for letters in _LETTERS:
        if letter in letters:
            return letters[number % len(letters)]
    if letter.isalnum():
        return _LETTERS[0][number % 26]
    return letter


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(cls))
