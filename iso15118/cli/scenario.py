"""``iso15118 scenario``: sessions in which something is done to either end, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from iso15118.cli.terminal import echo, echo_lines, json_line, print_json
from iso15118.cli.told import outcome_lines
from iso15118.errors import ConfigError
from iso15118.loopback.recording import SessionFolder
from iso15118.scenario import Scenario, read, run_scenario

if TYPE_CHECKING:
    from iso15118.scenario import Outcome
    from iso15118.trace.entries import Entry

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Scenarios: sessions that are told what to do.",
)

_AT_ONCE = 1 << 20
_WORST = ("pass", "inconclusive", "fail", "error")


@app.command()
def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenarios, as TOML.")],
    transport: Annotated[str | None, typer.Option(help="memory or tcp, whatever the file says.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write a session folder here; with several files one below it for each."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each outcome as one line of JSON.")] = False,
) -> None:
    """Run scenarios and judge them: exit status 0 if all pass, 1 a failure, 6 inconclusive, 2 an error."""
    read_all = [
        (file, _read(file, transport)) for file in files
    ]  # a file that is wrong costs no run of another
    worst = "pass"
    status = 0
    for file, scenario in read_all:
        outcome = _run(scenario, out if out is None or len(files) == 1 else out / file.stem)
        if as_json:
            echo(json_line(outcome))
        else:
            for line in outcome_lines(outcome):
                echo(line)
        if _WORST.index(outcome.verdict) > _WORST.index(worst):
            worst, status = outcome.verdict, outcome.exit_status
    if status:
        raise typer.Exit(status)


@app.command()
def from_capture(
    capture: Annotated[Path, typer.Argument(help="A pcap or pcapng file.")],
    keylog: Annotated[
        Path | None, typer.Option(help="TLS secrets, where they are not in the capture.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the scenario here (default: print it).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a scenario of the first session in a capture: its kind, what was done in it, and how it ended."""
    from iso15118.scenario.from_capture import NoSession, scenario_of

    try:
        text = scenario_of(_entries(capture, keylog), capture.stem)
    except NoSession as error:
        raise ConfigError(str(capture), str(error), "iso15118 decode shows what is in it") from error
    if out is not None:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError("--out", f"{out}: {error.strerror}", "a file that can be written") from error
    if as_json:
        print_json({"file": None if out is None else str(out), "scenario": text})
    elif out is None:
        echo_lines(text.rstrip())


def _entries(capture: Path, keylog: Path | None) -> Iterator[Entry]:
    from iso15118.trace.reading import CaptureReader, Secrets

    secrets = Secrets()
    if keylog is not None:
        from iso15118.trace.reading.files import read_key_log

        read_key_log(keylog, secrets)
    reader = CaptureReader(secrets=secrets)
    try:
        with capture.open("rb") as file:
            while data := file.read(_AT_ONCE):
                yield from reader.feed(data)
                if not reader.known:
                    raise ConfigError(str(capture), "is no capture", "a pcap or pcapng file")
    except OSError as error:
        raise ConfigError(
            str(capture), f"cannot be read: {error.strerror}", "name a file that can be read"
        ) from error
    yield from reader.finish()


def _read(file: Path, transport: str | None) -> Scenario:
    try:
        scenario = read(file)
        if transport is None:
            return scenario
        # TLS follows the transport, where the file does not say so itself.
        tls = scenario.session.tls if scenario.session.transport == transport else None
        return replace(scenario, session=replace(scenario.session, transport=transport, tls=tls))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error.key}", error.reason, error.hint) from error


def _run(scenario: Scenario, out: Path | None) -> Outcome:
    with ExitStack() as stack:
        folder = None
        if out is not None:
            folder = stack.enter_context(SessionFolder(out, memory=scenario.session.transport == "memory"))
        outcome = run_scenario(scenario, folder=folder)
        if folder is not None and outcome.summary is not None:
            folder.conclude(outcome.summary)
        return outcome
