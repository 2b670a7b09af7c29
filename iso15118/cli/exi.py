"""``iso15118 exi decode``, ``encode`` and ``diff``: messages between hexadecimal digits, XML and
JSON, and what two differ in.

The result goes to stdout and nothing else does; what cannot be decoded or encoded is one
line on stderr that says where.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from iso15118 import exi
from iso15118.cli.as_xml import shown_as_xml
from iso15118.cli.ending import of_the_input
from iso15118.cli.octets import AUTO, decode_any, octets_of, read_source
from iso15118.cli.options import choices
from iso15118.cli.terminal import echo, echo_lines, json_text, print_json
from iso15118.errors import ConfigError, ExiError
from iso15118.settings import choose

__all__ = ["app", "known_schema"]

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Messages: decode and encode EXI."
)

Schema = Annotated[
    str,
    typer.Option(
        help=f"Schema set: {', '.join(exi.SCHEMAS)}; or a folder that iso15118 codegen wrote, which is imported.",
        autocompletion=choices(*exi.SCHEMAS),
    ),
]
AnySchema = Annotated[
    str,
    typer.Option(
        help=f"auto: what fits best; or {', '.join(exi.SCHEMAS)}; or a folder that iso15118 codegen wrote, which is imported.",
        autocompletion=choices(*exi.SCHEMAS),
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SOURCE = "HEX|BASE64|FILE|-"
Fragment = Annotated[
    bool, typer.Option("--fragment", help="A fragment: a single element, as signatures use it.")
]


@app.command()
def decode(
    source: Annotated[
        str,
        typer.Argument(metavar=_SOURCE, help="Digits with any separators, base64, a file, or - for stdin."),
    ],
    schema: AnySchema = AUTO,
    fragment: Fragment = False,
    as_xml: Annotated[bool, typer.Option("--xml", help="Print XML (the default).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decode a message and print it as XML or JSON. A file may hold the octets themselves or text; a
    V2GTP header is taken off."""
    if as_xml and as_json:
        raise ConfigError("--json", "--xml was given too", "choose one of them")
    with of_the_input():
        found = decode_any(octets_of(source), known_schema(schema), fragment=fragment)
    for note in found.notes:
        echo(f"iso15118: {note}", err=True)
    if as_json:
        echo(json_text(exi.to_json(found.message, schema=found.schema)))
    else:
        text, notes = shown_as_xml(found.message, found.schema)
        for note in notes:
            echo(f"iso15118: {note}", err=True)
        echo_lines(text)


@app.command()
def encode(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="A file with XML or JSON, or - for stdin.")],
    schema: Schema,
    fragment: Fragment = False,
    as_json: AsJson = False,
) -> None:
    """Encode a message from XML or JSON and print hexadecimal digits."""
    try:
        text = read_source(source).decode()
    except UnicodeDecodeError as error:
        raise ConfigError("FILE", f"{source} is not UTF-8: {error.reason}") from None
    # JSON of a message is an object; no XML document begins with a brace.
    read = exi.from_json if text.lstrip().startswith("{") else exi.from_xml
    name = choose("--schema", schema, exi.SCHEMAS) if schema == AUTO else known_schema(schema)
    with of_the_input():
        octets = exi.encode(name, read(name, text, fragment=fragment), fragment=fragment)
    if as_json:
        print_json({"schema": name, "exi": octets.hex()})
    else:
        echo(octets.hex())


@app.command()
def diff(
    left: Annotated[str, typer.Argument(metavar=_SOURCE, help="Digits, base64, a file, or - for stdin.")],
    right: Annotated[str, typer.Argument(metavar=_SOURCE, help="What to compare it with.")],
    schema: AnySchema = AUTO,
    fragment: Fragment = False,
    as_json: AsJson = False,
) -> None:
    """Decode two messages and print what they differ in, a line for each place.
    Exit status 1 if they differ."""
    name = known_schema(schema)
    with of_the_input():
        pair = [decode_any(octets_of(source), name, fragment=fragment).message for source in (left, right)]
    lines = exi.diff(*pair)
    if as_json:
        print_json({"same": not lines, "differences": list(lines)})
    else:
        for line in lines:
            echo(line)
    if lines:
        raise typer.Exit(1)


def known_schema(schema: str) -> str:
    """The name of a schema set: one of ours, or that of the package in a folder."""
    if schema == AUTO:
        return AUTO
    if schema in exi.SCHEMAS or not os.path.isdir(schema):
        return choose("--schema", schema, exi.SCHEMAS)
    try:
        return exi.load_package(Path(schema))
    except ExiError as error:
        raise ConfigError("--schema", error.reason, error.expected) from None
