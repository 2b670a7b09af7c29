"""``iso15118 decode``: what a message, a log or a capture says, on every layer, in words, as JSON or as XML.

The result goes to stdout; what can be said of the input as a whole is on stderr.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from iso15118 import exi
from iso15118.cli.decoding.output import FOR_PEOPLE, JSON, XML, Output
from iso15118.cli.ending import InputError, of_the_input
from iso15118.cli.exi import known_schema
from iso15118.cli.options import choices
from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError
from iso15118.trace.reading.fitting import AUTO
from iso15118.trace.reading.secrets import Secrets
from iso15118.trace.reading.source import Source, open_source

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="Decode messages, logs and captures.")


@app.command()
def decode(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[INPUT|-]",
            help="Hex or base64 of a message, a text file with such lines, a pcap or pcapng file, or - for any of them from stdin.",
        ),
    ] = "-",
    schema: Annotated[
        str,
        typer.Option(
            help="auto: what supportedAppProtocol chose, else what fits best; or "
            f"{', '.join(exi.SCHEMAS)}; or a folder that iso15118 codegen wrote, which is imported.",
            autocompletion=choices(AUTO, *exi.SCHEMAS),
        ),
    ] = AUTO,
    keylog: Annotated[
        Path | None, typer.Option(help="A file with TLS secrets, as SSLKEYLOGFILE has them.")
    ] = None,
    as_xml: Annotated[bool, typer.Option("--xml", help="Print the messages as XML.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each thing that was found.")
    ] = False,
) -> None:
    """Show what a message, a log or a capture says: SLAC, discovery, TCP, TLS, V2GTP and messages of
    every edition, from both sides.

    TLS is opened with secrets from the capture (pcapng secrets, or datagrams that
    disclose them) or from --keylog.
    """
    if as_xml and as_json:
        raise ConfigError("--json", "--xml was given too", "choose one of them")
    name = known_schema(schema)
    secrets = Secrets()
    if keylog is not None:
        from iso15118.trace.reading.files import read_key_log

        read_key_log(keylog, secrets)
    with of_the_input(), open_source(source, secrets, name) as opened:
        output = Output(JSON if as_json else XML if as_xml else FOR_PEOPLE, live=opened.live, one=opened.one)
        try:
            _run(opened, output)
        except BrokenPipeError:  # whoever read it has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        for line in opened.summary():
            echo(f"iso15118: {line}", err=True)
    if not output.found:
        raise InputError("nothing was found that belongs to charging")


def _run(opened: Source, output: Output) -> None:
    try:
        for entries in opened.batches():
            output.show(entries)
    except KeyboardInterrupt:  # the way in which a live capture ends
        output.show(opened.ended())
    output.finish()
