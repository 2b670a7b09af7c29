"""``iso15118 secc``: a charging station with simulated power hardware on a real interface."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from iso15118.aio.net.stream import MessageStream
from iso15118.aio.output import by_thread
from iso15118.aio.results import SessionResult
from iso15118.aio.run import run_station
from iso15118.cli.configured import Asking, SetsOfSecc, secc_settings
from iso15118.cli.connectors import serve_connectors
from iso15118.cli.ending import ExitStatus
from iso15118.cli.link import tell_link
from iso15118.cli.options import KeylogUdp, Record
from iso15118.cli.prepared import PreparedConnector
from iso15118.cli.recorded import Kept
from iso15118.cli.session import exit_status, listen_to, tell
from iso15118.cli.terminal import echo_soon, json_line
from iso15118.cli.told import ToldEnd
from iso15118.errors import ConfigError
from iso15118.settings.wireless import place_of

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def secc(
    config: Annotated[Path, typer.Option("-c", "--config", help="The station's TOML file.")],
    sessions: Annotated[
        int | None, typer.Option(min=1, help="End after so many sessions (default: serve until a signal).")
    ] = None,
    keylog: Annotated[
        Path | None, typer.Option(help="Append the TLS secrets here: who has them reads the traffic.")
    ] = None,
    keylog_udp: KeylogUdp = None,
    record: Record = None,
    scenario: Annotated[
        Path | None,
        typer.Option(help="A scenario whose steps for the station are done in one session, and judged."),
    ] = None,
    sets: SetsOfSecc = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each session as one line of JSON.")] = False,
) -> None:
    """Be a charging station: wait for vehicles, charge them, print each session when it is over.

    A file with [[connector]] tables is a station of several connectors.
    """
    connectors = secc_settings(config, sets)
    kept = Kept(keylog, keylog_udp, record)
    if len(connectors) > 1 or connectors[0].name:
        if scenario is not None:
            raise ConfigError(
                "--scenario", "drives one connector", "a file of one connector, without [[connector]]"
            )
        status = serve_connectors(connectors, sessions=sessions, kept=kept, as_json=as_json)
        raise typer.Exit(status)
    settings = connectors[0].settings
    status = ExitStatus.OK
    with by_thread(), ExitStack() as stack:
        asking = Asking()
        one = PreparedConnector(settings, kept, stack, asking)
        asking.over()
        told = (
            None
            if scenario is None
            else ToldEnd(scenario, "secc", one.hardware, linked=settings.link.plugged)
        )
        if told is not None and one.connection is not MessageStream:
            raise ConfigError(
                "--scenario",
                "does not go together with online checks of vehicles",
                "status.online = false in the file",
            )

        def finished(result: SessionResult) -> None:
            nonlocal status
            summary = one.summary(result)
            status = exit_status(summary) or status
            echo_soon(json_line(summary)) if as_json else tell(summary)

        run_station(
            settings.session,
            one.ports,
            settings.interface,
            one.secured.tls,
            port=settings.port or None,
            sdp_port=settings.sdp_port,
            sessions=sessions if told is None else 1,
            listening=one.tell_listening,
            finished=finished,
            observer=listen_to(one.reported),
            link=one.link,
            news=tell_link,
            connection=one.connection,
            beside=one.beside,
            wait_for_interface=settings.wait_for_interface,
            director=None if told is None else told.ends,
            recorder=one.recorder,
            place=place_of(settings.wireless),
        )
    if told is not None:
        status = told.judged(as_json=as_json)
    if status:
        raise typer.Exit(status)
