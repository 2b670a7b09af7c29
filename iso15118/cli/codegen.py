"""``iso15118 codegen``: a schema of your own becomes a Python package with message
types and grammar tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iso15118.cli.terminal import echo, print_json
from iso15118.codegen.model import SchemaError
from iso15118.codegen.vendor import compile_package
from iso15118.errors import ConfigError

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="Message types and grammar tables from an XSD file."
)


@app.command()
def codegen(
    schema: Annotated[
        Path, typer.Argument(metavar="FILE.xsd", help="The schema; what it imports is read too.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The package to write; its name is the folder's.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the schema set (default: that of the file).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compile an XSD file with all it imports and includes into a Python package.

    Importing the package registers the schema set, and iso15118.exi decodes and encodes its messages. What
    the compiler does not support is refused with file and line.
    """
    try:
        files = compile_package(schema, out, name)
    except SchemaError as error:
        raise ConfigError(schema.name, str(error)) from None
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        echo(file)
