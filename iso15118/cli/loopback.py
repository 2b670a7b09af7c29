"""``iso15118 loopback``: a car and a charger against each other, and what happened.

Options and summary are a contract; what they mean is in ``iso15118.loopback``.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from iso15118.cli.keylog import keylog_of_environment, warn_of_keylog
from iso15118.cli.options import ConfigKeys, choices
from iso15118.cli.show import print_json, print_summary, progress_bar
from iso15118.loopback import LoopbackSpec, run
from iso15118.loopback.recording import SessionFolder
from iso15118.session.services import SERVICES as ALL_SERVICES
from iso15118.simulation import AC_PRESETS, PAD_PRESETS, PRESETS

__all__ = ["app"]

SERVICES = [entry.name for entry in ALL_SERVICES.values()]
STATIONS = [*PRESETS, *AC_PRESETS, *PAD_PRESETS]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def loopback(
    edition: Annotated[
        str,
        typer.Option(
            help="What both sides speak: iso20, iso2 or din.", autocompletion=choices("iso20", "iso2", "din")
        ),
    ] = "iso20",
    evcc_editions: Annotated[
        str | None, typer.Option(help="What the car speaks, best first: a list such as iso20,iso2,din.")
    ] = None,
    secc_editions: Annotated[
        str | None, typer.Option(help="What the charger speaks, likewise: together they show a fall-back.")
    ] = None,
    service: Annotated[
        str,
        typer.Option(
            help="dc, dc-bpt, mcs, mcs-bpt, ac or ac-bpt; also ac-der-iec, ac-der-sae, acdp, acdp-bpt or wpt.",
            autocompletion=choices(*SERVICES),
        ),
    ] = "dc",
    auth: Annotated[
        str,
        typer.Option(
            help="eim: at a terminal; pnc: by contract (Plug and Charge).",
            autocompletion=choices("eim", "pnc"),
        ),
    ] = "eim",
    install_contract: Annotated[
        bool, typer.Option("--install-contract", help="pnc: begin without contract and have it installed.")
    ] = False,
    control: Annotated[
        str,
        typer.Option(
            help="Who sets the power: scheduled or dynamic.", autocompletion=choices("scheduled", "dynamic")
        ),
    ] = "scheduled",
    link: Annotated[
        str,
        typer.Option(
            help="From plug-in to unplug: slac (CCS) or spe (10BASE-T1S, MCS); none: no plug.",
            autocompletion=choices("none", "slac", "spe"),
        ),
    ] = "none",
    transport: Annotated[
        str,
        typer.Option(
            help="tcp: real SDP, TCP and TLS on the loopback interface; memory: a virtual clock.",
            autocompletion=choices("tcp", "memory"),
        ),
    ] = "tcp",
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="TLS 1.3 with both certificates (default on tcp).")
    ] = None,
    station: Annotated[
        str | None,
        typer.Option(
            help="ccs2, mcs-gen1, mcs-gen2, mcs-max, ac-11, ac-22, ac-7-single, pantograph, wpt-3.7, wpt-7.7, wpt-11 or wpt-22 "
            "(default: to fit the service).",
            autocompletion=choices(*STATIONS),
        ),
    ] = None,
    phases: Annotated[
        int | None, typer.Option(help="ac: phases that the car uses, 1 or 3 (default: the station's).")
    ] = None,
    soc_start: Annotated[float, typer.Option(help="State of charge at the beginning, percent.")] = 20.0,
    soc_target: Annotated[float, typer.Option(help="State of charge wanted, percent.")] = 80.0,
    battery_kwh: Annotated[
        float | None, typer.Option(help="Capacity (default: 540 for mcs, 90 for dc, 40 for ac).")
    ] = None,
    power_kw: Annotated[float | None, typer.Option(help="The car asks for this constant power.")] = None,
    discharge_kwh: Annotated[
        float | None, typer.Option(help="Give back that much in mid-session (bpt services).")
    ] = None,
    schedule: Annotated[
        Path | None,
        typer.Option(
            help="memory: schedules and prices that the charger offers, TOML or JSON (docs/schedules.md)."
        ),
    ] = None,
    choice: Annotated[
        str,
        typer.Option(
            help="Which schedule the car takes: cheapest, fastest, greenest or first.",
            autocompletion=choices("cheapest", "fastest", "greenest", "first"),
        ),
    ] = "cheapest",
    pause: Annotated[
        float | None,
        typer.Option(
            help="Pause in mid-charge for so many minutes of the hardware, then go on with the ticket."
        ),
    ] = None,
    renegotiate: Annotated[
        str | None,
        typer.Option(
            help="stop-and-go or beside: another schedule in mid-charge; service: another choice of it."
        ),
    ] = None,
    standby: Annotated[
        float | None, typer.Option(help="Stand by in mid-charge for so many minutes of the hardware.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Vary durations of the hardware, repeatably.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a session folder here; its capture holds the TLS secrets.")
    ] = None,
    keylog: Annotated[
        Path | None, typer.Option(help="Append the TLS secrets here: who has them reads the traffic.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a car and a charger against each other and print what happened."""
    keys: dict[str, Any] = {
        "edition": edition,
        "evcc_editions": _list(evcc_editions),
        "secc_editions": _list(secc_editions),
        "service": service,
        "auth": auth,
        "install_contract": install_contract,
        "control": control,
        "link": link,
        "transport": transport,
        "tls": tls,
        "station": station,
        "phases": phases,
        "soc_start": soc_start,
        "soc_target": soc_target,
        "battery_kwh": battery_kwh,
        "power_kw": power_kw,
        "discharge_kwh": discharge_kwh,
        "schedule": schedule,
        "choice": choice,
        "pause": pause,
        "renegotiate": renegotiate,
        "standby": standby,
        "seed": seed,
    }
    with ConfigKeys(*keys, "out", "keylog"), ExitStack() as stack:
        order = LoopbackSpec(**keys)
        folder = (
            None if out is None else stack.enter_context(SessionFolder(out, memory=transport == "memory"))
        )
        progress = stack.enter_context(progress_bar(order.soc_start, order.soc_target, wanted=not as_json))
        if order.tls and order.transport == "tcp":
            keylog = keylog or keylog_of_environment()
            if keylog is not None:
                warn_of_keylog(keylog)
        summary = run(order, progress=progress, keylog=keylog, folder=folder)
        if folder is not None:
            folder.conclude(summary)
    if as_json:
        print_json(summary)
    else:
        print_summary(summary)
    if summary.exit_status:
        raise typer.Exit(summary.exit_status)


def _list(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())
