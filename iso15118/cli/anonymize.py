"""``iso15118 anonymize``: a capture or a session folder that can be given away, with pseudonyms
in the place of identities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from iso15118.cli.terminal import echo, print_json
from iso15118.errors import ConfigError
from iso15118.files import make_folder, write_whole
from iso15118.trace.anonymize import Pseudonyms
from iso15118.trace.anonymized import Anonymizer
from iso15118.trace.entries import Entry, MessageEntry
from iso15118.trace.reading.fitting import AUTO
from iso15118.trace.reading.secrets import Secrets
from iso15118.trace.reading.source import open_source
from iso15118.trace.recording.folders import CAPTURE, LINES, REPORT, SUMMARY
from iso15118.trace.recording.lines import message_line, session_line
from iso15118.trace.recording.reread import entries_in, lines_of
from iso15118.trace.report.files import report_of_folder, summary_in
from iso15118.trace.report.page import page

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="Replace identities by pseudonyms.")

_NAMED: Final = (
    "result",
    "edition",
    "service",
    "control",
    "auth",
    "transport",
    "ended_by",
    "end_reason",
    "role",
)
"""Text of a summary that names no one."""


@app.command()
def anonymize(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="A capture, a text with messages, -, or a session folder.",
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="The new capture (pcapng), or the new folder; neither may exist."),
    ],
    keylog: Annotated[
        Path | None, typer.Option(help="A file with TLS secrets, as SSLKEYLOGFILE has them.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="A file with a secret: with the same one the pseudonyms are the same in every output."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a session anew that says nothing of who was there: EVCCID, EVSEID, EMAID, addresses,
    certificates, session and meter ids, signatures and free text have pseudonyms. Values, times and what went
    wrong stay; TLS is taken off."""
    if target.exists() or target.is_symlink():
        raise ConfigError(
            "OUT", f"{target} is there already", "name another file or folder, or delete that one"
        )
    secrets = Secrets()
    if keylog is not None:
        from iso15118.trace.reading.files import read_key_log

        read_key_log(keylog, secrets)
    anonymizer = Anonymizer(Pseudonyms(None if key is None else _key(key)))
    folder = Path(source) if source != "-" and len(source) < 4096 and Path(source).is_dir() else None
    try:
        if folder is None:
            write_whole(target, _capture(source, secrets, anonymizer), durable=False)
        else:
            _folder(folder, target, secrets, anonymizer)
    except OSError as error:
        raise ConfigError("OUT", f"{target}: {error.strerror}", "a place that can be written to") from None
    replaced = sum(anonymizer.pseudonyms.found.values())
    if as_json:
        print_json(
            {
                "target": str(target),
                "messages": anonymizer.messages,
                "replaced": replaced,
                "left_out": dict(sorted(anonymizer.left_out.items())),
            }
        )
    else:
        echo(f"{anonymizer.messages} messages written, {replaced} identifying values replaced: {target}")
    for kind, count in sorted(anonymizer.left_out.items()):
        echo(f"iso15118: left out: {count} {kind}", err=True)
    if not anonymizer.messages:
        echo(
            "iso15118: no message could be read: give the secrets with --keylog if it is TLS",
            err=True,
        )
        raise typer.Exit(1)


def _key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(4096)
    except OSError as error:
        raise ConfigError("--key", f"{path}: {error.strerror}") from None
    if len(found) < 16:
        raise ConfigError("--key", f"{path} has {len(found)} octets", "16 or more that nobody can guess")
    return found


def _capture(source: str, secrets: Secrets, anonymizer: Anonymizer) -> bytes:
    parts = [anonymizer.header]
    with open_source(source, secrets, AUTO) as opened:
        parts += [anonymizer.take(entries) for entries in opened.batches()]
    return b"".join(parts)


def _folder(folder: Path, target: Path, secrets: Secrets, anonymizer: Anonymizer) -> None:
    if not (folder / CAPTURE).is_file() and not (folder / LINES).is_file():
        raise ConfigError(
            str(folder), f"has neither {CAPTURE} nor {LINES}", "a folder that a session was recorded in"
        )
    make_folder(target, durable=False)
    if (folder / CAPTURE).is_file():
        write_whole(target / CAPTURE, _capture(str(folder / CAPTURE), secrets, anonymizer), durable=False)
    if (folder / LINES).is_file():
        write_whole(target / LINES, b"".join(_lines(folder, anonymizer)), durable=False)
    summary = _numbers(summary_in(folder))
    if summary:
        import msgspec

        write_whole(
            target / SUMMARY,
            msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n",
            durable=False,
        )
    write_whole(target / REPORT, page(report_of_folder(target)).encode(), durable=False)


def _lines(folder: Path, anonymizer: Anonymizer) -> Iterator[bytes]:
    """Messages, and the states that were entered; what a session told in words is left out."""
    messages: Iterator[Entry] = entries_in(folder)
    states: dict[str, str] = {}
    for line in lines_of(folder):
        role, state = str(line.get("role")), line.get("state")
        if role not in ("evcc", "secc"):
            role = "evcc"
        if isinstance(state, str):
            states[role] = state
        if line.get("layer") == "message" and isinstance(line.get("exi"), str):
            entry = next(messages, None)
            other = anonymizer.message(entry) if isinstance(entry, MessageEntry) else None
            if other is not None:
                yield message_line(
                    other, role=role, state=states.get(role, ""), latency_ms=_number(line.get("latency_ms"))
                )
        elif line.get("message") == "StateEntered":
            said = {"state": states.get(role, "")}
            yield session_line(float(line["t"]), role, states.get(role, ""), "StateEntered", said)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _numbers(summary: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """Of a summary what names no one: numbers, truth values, and a few words."""
    found: dict[str, Any] = {}
    for name, value in summary.items():
        if isinstance(value, dict) and depth < 8:
            found[name] = _numbers(value, depth + 1)
        elif (
            value is None
            or isinstance(value, bool | int | float)
            or (name in _NAMED and isinstance(value, str))
        ):
            found[name] = value
    return found
