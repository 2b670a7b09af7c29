"""The octets of a message as people have them: digits with any separators, base64, or a file with either or
with the octets themselves."""

from __future__ import annotations

import base64
import binascii
import os
import re
import sys
from pathlib import Path
from typing import Final

from iso15118.errors import ConfigError
from iso15118.trace.reading.fitting import AUTO, V2GTP, Decoded, decode_any, message_octets

__all__ = ["AUTO", "Decoded", "decode_any", "message_octets", "octets_of", "read_source"]

MAX_INPUT: Final = 16 * 1024 * 1024

_EXI, _V2GTP = b"\x80", V2GTP
"""First octets of every EXI stream of charging, and of every frame; no text begins with them."""
_SEPARATORS: Final = re.compile(rb"[\s:;,\-]+|\\?0?[xX](?=[0-9a-fA-F]{2})")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")


def read_source(source: str) -> bytes:
    """The content of a file, or of stdin for ``-``. Raises ``ConfigError``."""
    try:
        if source == "-":
            content = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(MAX_INPUT + 1)
    except OSError as error:
        raise ConfigError("FILE", f"{source}: {error.strerror}") from None
    if len(content) > MAX_INPUT:
        raise ConfigError("FILE", f"{source} is too long", f"at most {MAX_INPUT} octets")
    return content


def octets_of(source: str) -> bytes:
    """The octets that an argument stands for: digits or base64, or a file with the octets themselves or such
    text. Raises ``ConfigError``."""
    if source != "-" and not os.path.exists(source.replace("\0", "")):  # Path.exists raises on long digits
        return _text(source.encode(errors="replace"), "HEX")
    content = read_source(source)
    return content if content.startswith((_EXI, _V2GTP)) else _text(content, source)


def _text(text: bytes, name: str) -> bytes:
    digits = _SEPARATORS.sub(b"", text)
    if digits and len(digits) % 2 == 0 and not digits.strip(b"0123456789abcdefABCDEF"):
        return bytes.fromhex(digits.decode())
    packed = b"".join(text.split())
    if _BASE64.fullmatch(packed):
        standard = packed.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        try:
            found = base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
        except binascii.Error:
            found = b""
        if found.startswith((_EXI, _V2GTP)):
            return found
    raise ConfigError(
        name,
        "neither a file, nor an even number of hexadecimal digits, nor base64 of a message",
        "separators between octets may be spaces, ':' ',' '-' and 0x; a message begins with 80, a frame with 01fe",
    )
