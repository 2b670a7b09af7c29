"""EXI: messages from and to the bytes of the wire, XML and JSON. ``decode`` and ``encode`` are all that a session needs.

Importing this loads no tables and no XML library; each schema set is loaded when it is first used. Every bad input is an
``iso15118.errors.ExiError``.
"""

from __future__ import annotations

from .codec import SCHEMAS, Message, decode, decode_with_notes, encode
from .json import from_json, to_json
from .xml import from_xml, to_xml

__all__ = [
    "SCHEMAS",
    "Message",
    "decode",
    "decode_with_notes",
    "encode",
    "from_json",
    "from_xml",
    "to_json",
    "to_xml",
]
