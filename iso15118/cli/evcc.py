"""``iso15118 evcc``: a vehicle with a simulated battery on a real interface; one session."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from iso15118.aio.output import by_thread
from iso15118.aio.run import run_vehicle
from iso15118.cli.configured import Asking, SetsOfEvcc, evcc_settings
from iso15118.cli.ending import ExitStatus
from iso15118.cli.inlets import visit
from iso15118.cli.link import tell_link
from iso15118.cli.options import KeylogUdp, Record
from iso15118.cli.prepared_inlet import PreparedInlet
from iso15118.cli.recorded import Kept
from iso15118.cli.session import exit_status, listen_to, tell
from iso15118.cli.terminal import echo_soon, json_line
from iso15118.cli.told import ToldEnd
from iso15118.errors import ConfigError
from iso15118.settings.hardware import battery_of
from iso15118.settings.wireless import search_of

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def evcc(
    config: Annotated[Path, typer.Option("-c", "--config", help="The vehicle's TOML file.")],
    keylog: Annotated[
        Path | None, typer.Option(help="Append the TLS secrets here: who has them reads the traffic.")
    ] = None,
    keylog_udp: KeylogUdp = None,
    record: Record = None,
    scenario: Annotated[
        Path | None,
        typer.Option(help="A scenario whose steps for the vehicle are done in the session, and judged."),
    ] = None,
    sets: SetsOfEvcc = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Be a vehicle: find a station, charge up to the target, print how it went.

    A file with [[inlet]] tables is a vehicle of several inlets on one battery.
    """
    inlets = evcc_settings(config, sets)
    kept = Kept(keylog, keylog_udp, record)
    if inlets.several:
        if scenario is not None:
            raise ConfigError("--scenario", "drives one inlet", "a file of one inlet, without [[inlet]]")
        status = visit(inlets, kept=kept, as_json=as_json)
        raise typer.Exit(status)
    settings = inlets.inlets[0].settings
    battery = battery_of(settings)
    with by_thread(), ExitStack() as stack:
        asking = Asking()
        one = PreparedInlet(inlets.inlets[0], kept, stack, asking, battery=battery, contracts={})
        asking.over()
        linked = settings.link.plugged
        told = None if scenario is None else ToldEnd(scenario, "evcc", one.vehicle, linked=linked)
        result, stopped = run_vehicle(
            one.session,
            one.vehicle.ports,
            settings.interface,
            one.secured.tls,
            sdp_port=settings.sdp_port,
            observer=listen_to(one.reported),
            link=one.link,
            news=tell_link,
            director=None if told is None else told.ends,
            recorder=one.recorder,
            wireless=search_of(settings.wireless),
        )
    if result is None:
        raise typer.Exit(ExitStatus.INTERRUPTED)
    summary = one.summary(
        result,
        soc=settings.vehicle.soc,
        charged_wh=battery.charged_wh,
        discharged_wh=battery.discharged_wh,
        stopped=stopped,
    )
    with by_thread():
        echo_soon(json_line(summary)) if as_json else tell(summary)
    status = exit_status(summary) if told is None else told.judged(as_json=as_json)
    if status:
        raise typer.Exit(status)
