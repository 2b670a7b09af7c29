"""``iso15118 diff``: what two sessions said differently, aligned by message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from iso15118.cli.terminal import echo, print_json
from iso15118.errors import ConfigError
from iso15118.trace.diff import Difference, Kind, differences
from iso15118.trace.entries import MessageEntry
from iso15118.trace.reading.fitting import AUTO
from iso15118.trace.reading.secrets import Secrets
from iso15118.trace.reading.source import open_source
from iso15118.trace.recording.folders import CAPTURE, LINES

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="Compare two sessions.")

_MOST = 200_000
"""Messages of a session that are compared."""


@app.command()
def diff(
    a: Annotated[
        str, typer.Argument(metavar="A", help="A capture, a text with messages, or a session folder.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    keylog: Annotated[
        Path | None, typer.Option(help="A file with TLS secrets of both, as SSLKEYLOGFILE has them.")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also ids, times, signatures and measured values, which differ in every session."
        ),
    ] = False,
    as_data: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each difference.")
    ] = False,
) -> None:
    """Tell what two sessions said differently: messages that only one has, how often,
    and fields with other values.

    Exit status: 0 where nothing differs, 1 where something does.
    """
    secrets = Secrets()
    if keylog is not None:
        from iso15118.trace.reading.files import read_key_log

        read_key_log(keylog, secrets)
    left, right = list(_messages(a, secrets)), list(_messages(b, secrets))
    for key, source, found in (("A", a, left), ("B", b, right)):
        if not found:
            raise ConfigError(
                key, f"{source}: no message can be read in it", "give the secrets with --keylog if it is TLS"
            )
    count = 0
    for one in differences(left, right, everything=everything):
        count += 1
        if as_data:
            print_json(msgspec.to_builtins(one))
        else:
            echo(_line(one))
    if not as_data:
        echo(f"{count} differences" if count else f"no difference in {len(left)} messages", err=True)
    raise typer.Exit(1 if count else 0)


def _messages(source: str, secrets: Secrets) -> Iterator[MessageEntry]:
    path = Path(source)
    if source != "-" and len(source) < 4096 and path.is_dir():
        inside = [path / name for name in (CAPTURE, LINES) if (path / name).is_file()]
        if not inside:
            raise ConfigError(
                source, f"has neither {CAPTURE} nor {LINES}", "a folder that a session was recorded in"
            )
        source = str(inside[0])
    count = 0
    with open_source(source, secrets, AUTO) as opened:
        for entries in opened.batches():
            for one in entries:
                if isinstance(one, MessageEntry):
                    count += 1
                    if count > _MOST:
                        return
                    yield one


def _line(one: Difference) -> str:
    if one.kind == Kind.ONLY_A:
        return f"only in A  {one.message}: {_times(one.a)}, packet {one.number_a}"
    if one.kind == Kind.ONLY_B:
        return f"only in B  {one.message}: {_times(one.b)}, packet {one.number_b}"
    if one.kind == Kind.COUNT:
        return f"count      {one.message}: {one.a} | {one.b}"
    times = f" ({one.times} times)" if one.times > 1 else ""
    return f"differs    {one.message} {one.path}: {_value(one.a)} | {_value(one.b)}{times}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _value(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"
