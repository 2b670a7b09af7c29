"""EXI: messages from and to the bytes of the wire, XML and JSON. ``decode`` and ``encode``
are all that a session needs.

Importing this loads no tables, no XML and no JSON; each schema set is loaded when it is first used. Every bad
input is an ``iso15118.errors.ExiError``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .codec import SCHEMAS, Message, decode, decode_with_notes, encode, register

if TYPE_CHECKING:
    from .difference import diff
    from .json import from_json, to_json
    from .package import load_package
    from .xml import from_xml, to_xml

__all__ = [
    "SCHEMAS",
    "Message",
    "decode",
    "decode_with_notes",
    "diff",
    "encode",
    "from_json",
    "from_xml",
    "load_package",
    "register",
    "to_json",
    "to_xml",
]

_FOR_PEOPLE = {
    "diff": ".difference",
    "from_json": ".json",
    "from_xml": ".xml",
    "load_package": ".package",
    "to_json": ".json",
    "to_xml": ".xml",
}


def __getattr__(name: str) -> Any:
    """XML and JSON come with their first use: a session needs neither, and should not
    wait for them when it starts."""
    module = _FOR_PEOPLE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module, __name__), name)
