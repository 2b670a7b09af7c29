"""One end of a cable as a process of its own: SLAC on the interface, the control pilot over a socket, then
discovery, TLS and a session.

``python -m tests.interop.end secc --pilot SOCKET -c secc.toml``; without a file the link
only, told as lines of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.media import PacketMedium, mac_of
from iso15118.aio.plug.slac import SlacDriver
from iso15118.aio.results import SessionResult
from iso15118.aio.run import run_station, run_vehicle
from iso15118.aio.secc import SeccServer
from iso15118.cli.ending import report
from iso15118.cli.link import tell_link
from iso15118.cli.session import SessionSummary, listen_to, summary_of, tls_of
from iso15118.cli.show import print_json
from iso15118.errors import V2GError
from iso15118.link.primitives import DataLink, DLinkReady, LinkNote, SetPilot, ShowState
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.session.actions import Action
from iso15118.settings.hardware import station_of, vehicle_of
from iso15118.settings.link import LinkSettings
from iso15118.settings.roles import load_evcc, load_secc
from tests.interop.namespaces import INTERFACE
from tests.interop.pilot import RemotePilot


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def out(value: object) -> None:
    print_json(value)
    sys.stdout.flush()


def machine(role: str, interface: str, link: LinkSettings) -> DataLink:
    kind = EvseSlac if role == "secc" else EvSlac
    return kind(mac_of(interface), settings=link.slac, timing=link.slac_timing)


def parts(role: str, interface: str, pilot: Path, link: LinkSettings) -> LinkParts:
    return LinkParts(
        link=machine(role, interface, link),
        medium=PacketMedium(interface),
        signalling=RemotePilot(pilot, "station" if role == "secc" else "vehicle"),
        settings=link.connection,
    )


def station(config: Path, pilot: Path, sessions: int) -> None:
    settings = load_secc(config)
    hardware, reported = station_of(settings.station)

    def listening(server: SeccServer) -> None:
        say(f"iso15118: listening on {server.interface.name}")

    def finished(result: SessionResult) -> None:
        meter = hardware.meter
        out(summary_of(result, charged_wh=meter.charged_wh, discharged_wh=meter.discharged_wh))

    with tls_of(settings.tls, "secc") as secured:
        run_station(
            settings.session,
            hardware.ports,
            settings.interface,
            secured.tls,
            sessions=sessions,
            listening=listening,
            finished=finished,
            observer=listen_to(reported),
            link=lambda: parts("secc", settings.interface, pilot, settings.link),
            news=tell_link,
        )


def vehicle(config: Path, pilot: Path) -> None:
    settings = load_evcc(config)
    hardware, reported = vehicle_of(settings)
    with tls_of(settings.tls, "evcc") as secured:
        result, _ = run_vehicle(
            settings.session,
            hardware.ports,
            settings.interface,
            secured.tls,
            observer=listen_to(reported),
            link=lambda: parts("evcc", settings.interface, pilot, settings.link),
            news=tell_link,
        )
    if result is None:
        return
    battery = hardware.battery
    summary: SessionSummary = summary_of(
        result,
        charged_wh=battery.charged_wh,
        discharged_wh=battery.discharged_wh,
        soc=(settings.vehicle.soc, battery.soc),
    )
    out(summary)


async def link_only(role: str, interface: str, pilot_path: Path) -> None:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, over.set_result, None)
    pilot = RemotePilot(pilot_path, "station" if role == "secc" else "vehicle")

    def act(action: Action) -> None:
        if isinstance(action, SetPilot | ShowState):
            pilot.show(action)
        elif isinstance(action, DLinkReady):
            out({"link": action.link})
        elif isinstance(action, LinkNote):
            out({"note": action.text})

    driver = SlacDriver(machine(role, interface, LinkSettings()), interface, act)
    pilot.listen(driver.tell)
    await over
    driver.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.end", description=__doc__)
    parser.add_argument("role", choices=["secc", "evcc"])
    parser.add_argument("--pilot", type=Path, required=True, help="socket of whoever holds the plug")
    parser.add_argument("-c", "--config", type=Path, help="the role's TOML file; without it the link only")
    parser.add_argument(
        "--interface", default=INTERFACE, help="where the link is, without a file (%(default)s)"
    )
    parser.add_argument("--sessions", type=int, default=1, help="a station's")
    asked = parser.parse_args()
    try:
        if asked.config is None:
            asyncio.run(link_only(asked.role, asked.interface, asked.pilot))
        elif asked.role == "secc":
            station(asked.config, asked.pilot, asked.sessions)
        else:
            vehicle(asked.config, asked.pilot)
    except V2GError as error:
        return int(report(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
