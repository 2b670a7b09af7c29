"""``iso15118 exi decode``, ``encode`` and ``diff``: messages between hexadecimal digits, XML and JSON, and what two differ in.

The result goes to stdout and nothing else does; what cannot be decoded or encoded is one line on stderr that says where.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from iso15118 import exi
from iso15118.errors import ConfigError, ExiError
from iso15118.settings import choose

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Messages: decode and encode EXI.")

MAX_INPUT = 16 * 1024 * 1024
_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_HEADER = 0x80
"""The first octet of every EXI stream of charging; no text begins with it."""

Schema = Annotated[
    str,
    typer.Option(
        help=f"Schema set: {', '.join(exi.SCHEMAS)}; or a folder that iso15118 codegen wrote, which is imported."
    ),
]
Fragment = Annotated[
    bool, typer.Option("--fragment", help="A fragment: a single element, as signatures use it.")
]


@app.command()
def decode(
    source: Annotated[
        str, typer.Argument(metavar="HEX|FILE|-", help="Hexadecimal digits, a file, or - for stdin.")
    ],
    schema: Schema,
    fragment: Fragment = False,
    as_xml: Annotated[bool, typer.Option("--xml", help="Print XML (the default).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decode a message and print it as XML or JSON. A file may hold the octets themselves or hexadecimal digits."""
    if as_xml and as_json:
        raise ConfigError("--json", "--xml was given too", "choose one of them")
    name = _known(schema)
    message, notes = exi.decode_with_notes(name, _octets(source), fragment=fragment)
    for note in notes:
        print(f"iso15118 exi: {note}", file=sys.stderr)
    if as_json:
        print(exi.to_json(message, schema=name))
    else:
        print(exi.to_xml(message, schema=name, pretty=True), end="")


@app.command()
def encode(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="A file with XML or JSON, or - for stdin.")],
    schema: Schema,
    fragment: Fragment = False,
) -> None:
    """Encode a message from XML or JSON and print hexadecimal digits."""
    try:
        text = _read(source).decode()
    except UnicodeDecodeError as error:
        raise ConfigError("FILE", f"{source} is not UTF-8: {error.reason}") from None
    # JSON of a message is an object; no XML document begins with a brace.
    read = exi.from_json if text.lstrip().startswith("{") else exi.from_xml
    name = _known(schema)
    message = read(name, text, fragment=fragment)
    print(exi.encode(name, message, fragment=fragment).hex())


@app.command()
def diff(
    left: Annotated[str, typer.Argument(metavar="HEX|FILE|-", help="Digits, a file, or - for stdin.")],
    right: Annotated[str, typer.Argument(metavar="HEX|FILE|-", help="What to compare it with.")],
    schema: Schema,
    fragment: Fragment = False,
) -> None:
    """Decode two messages and print what they differ in, a line for each place. Exit status 1 if they differ."""
    name = _known(schema)
    pair = [exi.decode(name, _octets(source), fragment=fragment) for source in (left, right)]
    lines = exi.diff(*pair)
    for line in lines:
        print(line)
    if lines:
        raise typer.Exit(1)


def _known(schema: str) -> str:
    """The name of a schema set: one of ours, or that of the package in a folder."""
    if schema in exi.SCHEMAS or not os.path.isdir(schema):
        return choose("--schema", schema, exi.SCHEMAS)
    try:
        return exi.load_package(Path(schema))
    except ExiError as error:
        raise ConfigError("--schema", error.reason, error.expected) from None


def _octets(source: str) -> bytes:
    """The octets that an argument stands for: digits, or the content of a file, which may be digits itself."""
    if source != "-" and not os.path.exists(source):  # Path.exists raises on long digits
        return _digits(source.encode(errors="replace"), "HEX")
    content = _read(source)
    return content if content[:1] == bytes([_HEADER]) else _digits(content, source)


def _digits(text: bytes, name: str) -> bytes:
    digits = b"".join(text.split()).removeprefix(b"0x")
    if not digits or len(digits) % 2 or not _DIGITS.issuperset(digits):
        raise ConfigError(name, "neither a file nor an even number of hexadecimal digits")
    return bytes.fromhex(digits.decode())


def _read(source: str) -> bytes:
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
