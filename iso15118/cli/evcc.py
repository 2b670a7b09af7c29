"""``iso15118 evcc``: a vehicle with a simulated battery on a real interface; one session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from iso15118.aio.output import by_thread
from iso15118.aio.run import run_vehicle
from iso15118.cli.configured import SetsOfEvcc, evcc_settings
from iso15118.cli.ending import ExitStatus
from iso15118.cli.link import link_of, tell_link
from iso15118.cli.options import KeylogUdp, Record
from iso15118.cli.recorded import recorder_in, recording
from iso15118.cli.session import exit_status, listen_to, summary_of, tell, tls_of
from iso15118.cli.terminal import echo_soon, json_line
from iso15118.cli.told import ToldEnd
from iso15118.evcc import EvccConfig
from iso15118.pki import Store
from iso15118.pki.status.evidence import Evidence
from iso15118.settings.contracts import store_of
from iso15118.settings.hardware import vehicle_of
from iso15118.settings.trust import common_name
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
    """Be a vehicle: find a station, charge up to the target, print how it went."""
    settings = evcc_settings(config, sets)
    vehicle, reported = vehicle_of(settings)
    told = None if scenario is None else ToldEnd(scenario, "evcc", vehicle, linked=settings.link.plugged)
    session = settings.session
    lists = settings.status.store
    evidence = None if lists is None else Evidence(Store(lists))
    recorder = recorder_in(record)
    with (
        by_thread(),
        recording(recorder),
        tls_of(
            settings.tls,
            "evcc",
            keylog,
            editions=session.editions,
            evidence=evidence,
            disclose=keylog_udp,
            secret=None if recorder is None else recorder.secret,
        ) as secured,
    ):
        vehicle.contracts = store_of(settings.contracts, settings.tls, secured.pki, secured.older_pki)
        if secured.material is not None and session.evccid == EvccConfig().evccid:
            # Unless the file says otherwise the vehicle is who its certificate says it is [V2G20-2598].
            session = msgspec.structs.replace(session, evccid=common_name(secured.material))
        result, stopped = run_vehicle(
            session,
            vehicle.ports,
            settings.interface,
            secured.tls,
            sdp_port=settings.sdp_port,
            observer=listen_to(reported),
            link=link_of(settings.link, settings.interface, station=False),
            news=tell_link,
            director=None if told is None else told.ends,
            recorder=recorder,
            wireless=search_of(settings.wireless),
        )
    if result is None:
        raise typer.Exit(ExitStatus.INTERRUPTED)
    battery, target = vehicle.battery, session.target_soc
    short = f"the session ended at {battery.soc:.2f} %, short of the target of {target} %"
    summary = summary_of(
        result,
        charged_wh=battery.charged_wh,
        discharged_wh=battery.discharged_wh,
        evccid=session.evccid,
        problem="" if battery.complete or stopped else short,
        soc=(settings.vehicle.soc, battery.soc),
    )
    with by_thread():
        echo_soon(json_line(summary)) if as_json else tell(summary)
    status = exit_status(summary) if told is None else told.judged(as_json=as_json)
    if status:
        raise typer.Exit(status)
