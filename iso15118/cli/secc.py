"""``iso15118 secc``: a charging station with simulated power hardware on a real interface."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from iso15118.aio.net.stream import MessageStream
from iso15118.aio.output import by_thread
from iso15118.aio.results import SessionResult
from iso15118.aio.run import run_station, side_by_side
from iso15118.aio.secc import SeccServer
from iso15118.cli.configured import SetsOfSecc, secc_settings
from iso15118.cli.contracts import followed_backend
from iso15118.cli.ending import ExitStatus
from iso15118.cli.link import link_of, tell_link
from iso15118.cli.session import exit_status, listen_to, summary_of, tell, tls_of
from iso15118.cli.status import StationStatus
from iso15118.cli.terminal import echo_soon, json_line
from iso15118.cli.told import ToldEnd
from iso15118.errors import ConfigError
from iso15118.settings.contracts import price_signers_of
from iso15118.settings.hardware import station_of

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
    scenario: Annotated[
        Path | None,
        typer.Option(help="A scenario whose steps for the station are done in one session, and judged."),
    ] = None,
    sets: SetsOfSecc = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each session as one line of JSON.")] = False,
) -> None:
    """Be a charging station: wait for vehicles, charge them, print each session when it is over."""
    settings = secc_settings(config, sets)
    station, reported = station_of(settings.station)
    meter = station.meter
    told = None if scenario is None else ToldEnd(scenario, "secc", station, linked=settings.link.plugged)
    counted = [0.0, 0.0]
    status: int = ExitStatus.OK

    def listening(server: SeccServer) -> None:
        if server.unreachable_because:
            echo_soon(f"iso15118: waiting: {server.unreachable_because}", err=True)
            return
        ports = ", ".join(f"{port} ({security.name})" for security, port in server.ports.items())
        where = f"[{server.interface.address}] on {server.interface.name}"
        discovery = f"UDP port {server.sdp_port}" if server.sdp_port else "once the link is ready"
        echo_soon(f"iso15118: listening at {where}, TCP port {ports}, discovery {discovery}", err=True)

    def finished(result: SessionResult) -> None:
        nonlocal status
        summary = summary_of(
            result,
            charged_wh=meter.charged_wh - counted[0],
            discharged_wh=meter.discharged_wh - counted[1],
        )
        counted[:] = meter.charged_wh, meter.discharged_wh
        status = exit_status(summary) or status
        echo_soon(json_line(summary)) if as_json else tell(summary)

    known = StationStatus(settings)
    made = tls_of(
        settings.tls,
        "secc",
        keylog,
        editions=settings.session.editions,
        evidence=known.evidence,
        demand=known.handshake_demand,
    )
    with by_thread(), made as secured:
        station.contracts, contracts = followed_backend(settings, secured, known)
        connection = known.connection(secured.tls)
        if told is not None and connection is not MessageStream:
            raise ConfigError(
                "--scenario",
                "does not go together with online checks of vehicles",
                "status.online = false in the file",
            )
        if station.timetable is not None and settings.station.sign_prices:
            station.timetable.price_signers = price_signers_of(secured.pki, secured.older_pki)
        run_station(
            settings.session,
            lambda sleep, clock: known.checked(station.ports(sleep, clock)),
            settings.interface,
            secured.tls,
            port=settings.port or None,
            sdp_port=settings.sdp_port,
            sessions=sessions if told is None else 1,
            listening=listening,
            finished=finished,
            observer=listen_to(reported),
            link=link_of(settings.link, settings.interface, station=True),
            news=tell_link,
            connection=connection,
            beside=partial(side_by_side, partial(known.keep, secured.tls), *secured.beside, *contracts),
            wait_for_interface=settings.wait_for_interface,
            director=None if told is None else told.ends,
        )
    if told is not None:
        status = told.judged(as_json=as_json)
    if status:
        raise typer.Exit(status)
