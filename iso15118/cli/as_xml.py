"""A message as XML on a terminal, also where a peer put characters into it that XML does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118 import exi
from iso15118.cli.terminal import xml_text
from iso15118.errors import ExiError

if TYPE_CHECKING:
    from iso15118.exi import Message

__all__ = ["shown_as_xml"]


def shown_as_xml(message: Message, schema: str) -> tuple[str, list[str]]:
    """The text, and a note if it is not what the message is to the last character. Raises
    ``ExiError`` as ``exi.to_xml``."""
    try:
        return xml_text(exi.to_xml(message, schema=schema, pretty=True)), []
    except ExiError:
        text = exi.to_xml(message, schema=schema, pretty=True, for_people=True)
    return xml_text(text), [
        "the XML is for people: what its schema demands may be missing, and what XML cannot say is written as \\x01 and the like"
    ]
