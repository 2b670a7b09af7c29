"""``iso15118 report``: what happened in a capture or a session folder, and why, as a page
of HTML, in words or as JSON.

The cause and what the capture cannot prove go to stdout, the page into a file; where that is, is on stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iso15118 import exi
from iso15118.cli.exi import known_schema
from iso15118.cli.terminal import echo, print_json
from iso15118.errors import ConfigError
from iso15118.files import write_whole
from iso15118.trace.reading.fitting import AUTO
from iso15118.trace.reading.secrets import Secrets
from iso15118.trace.reading.source import open_source
from iso15118.trace.report.building import ReportBuilder
from iso15118.trace.report.export import as_json
from iso15118.trace.report.files import report_of_folder
from iso15118.trace.report.model import Report, Verdict
from iso15118.trace.report.page import MARKER, page
from iso15118.trace.report.words import in_words

__all__ = ["app", "read_report"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="What happened in a capture, and why.")

_STATUS = {Verdict.OK: 0, Verdict.FAILED: 1, Verdict.UNDECIDABLE: 6}


@app.command()
def report(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CAPTURE|FOLDER",
            help="A capture, a text with messages, - for either from stdin, or the folder that a session was recorded into.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where the page goes; by default NAME.report.html in this folder.")
    ] = None,
    as_data: Annotated[
        bool, typer.Option("--json", help="Print JSON, and write a page only with --out.")
    ] = False,
    keylog: Annotated[
        Path | None, typer.Option(help="A file with TLS secrets, as SSLKEYLOGFILE has them.")
    ] = None,
    schema: Annotated[
        str,
        typer.Option(
            help=f"auto: what supportedAppProtocol chose, else what fits best; or {', '.join(exi.SCHEMAS)}."
        ),
    ] = AUTO,
) -> None:
    """Tell what happened in a charging session: who deviated first, from which rule, what
    was expected, and what to try.

    Exit status: 0 for a session that went well, 1 for one that failed, 6 where the capture does not say.
    """
    found = read_report(source, keylog=keylog, schema=schema)
    if as_data:
        print_json(as_json(found))
    else:
        for line in in_words(found):
            echo(line)
    if out is not None or not as_data:
        path = _written(found, source, out)
        echo(f"iso15118: written to {path}", err=True)
    raise typer.Exit(_STATUS[found.verdict])


def read_report(source: str, *, keylog: Path | None = None, schema: str = AUTO) -> Report:
    """The report of a capture, a text, or a session folder. Raises ``ConfigError``
    for what is none of them."""
    name = known_schema(schema)
    secrets = Secrets()
    if keylog is not None:
        from iso15118.trace.reading.files import read_key_log

        read_key_log(keylog, secrets)
    if _is_folder(source):
        return report_of_folder(Path(source), secrets=secrets, schema=name)
    builder = ReportBuilder()
    with open_source(source, secrets, name) as opened:
        try:
            for entries in opened.batches():
                builder.see(entries)
        except KeyboardInterrupt:  # the way in which a live capture ends
            builder.see(opened.ended())
    label = "stdin" if source == "-" else Path(source).name if _is_file(source) else "text"
    return builder.finish(label, opened.facts, opened.streams)


def _is_folder(source: str) -> bool:
    try:
        return source != "-" and Path(source).is_dir()
    except (OSError, ValueError):  # digits may be longer than any name
        return False


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):
        return False


def _written(found: Report, source: str, out: Path | None) -> Path:
    path = out
    if path is None:
        name = Path(source).resolve().name if _is_folder(source) else Path(found.source).name
        path = Path(f"{name or 'session'}.report.html")
        if path.exists() and not _is_ours(path):
            raise ConfigError("--out", f"{path} is there, and is no report", "name another file with --out")
    try:
        write_whole(path, page(found).encode(), durable=False)
    except OSError as error:
        raise ConfigError(
            "--out", f"{path}: {error.strerror}", "a file in a folder that can be written to"
        ) from None
    return path


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return MARKER.encode() in file.read(200)
    except OSError:
        return False
