"""One of our two ends with what the files cannot say: TLS 1.2 of ISO 15118-2 and its
contracts, and simulated AC hardware.

``python -m tests.interop.edition_end secc -c secc.toml --pki FOLDER``; prints the
session as ``--json`` does there.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from iso15118.aio.run import run_station, run_vehicle
from iso15118.cli.ending import report
from iso15118.cli.session import listen_to, summary_of
from iso15118.errors import V2GError
from iso15118.evcc import EvccConfig
from iso15118.loopback.contracts import contracts_of
from iso15118.pki import IssuedPki
from iso15118.secc import SeccConfig
from iso15118.session.services import ServiceID
from iso15118.settings.hardware import AnyStation, AnyVehicle, station_of, vehicle_of
from iso15118.settings.roles import load_evcc, load_secc
from iso15118.settings.trust import evcc_context, read_pki, secc_context
from tests.interop.alternating import LoneAcStation, LoneAcVehicle
from tests.interop.end import out, say

_AC = (ServiceID.AC,)


def station(config: Path, pki: IssuedPki | None, contracts: bool, alternating: bool) -> None:
    settings = load_secc(config)
    session = settings.session
    hardware: LoneAcStation | AnyStation
    hardware, reported = station_of(settings.station)
    if alternating:
        hardware, session = LoneAcStation(), replace(session, services=_AC)
    if pki is not None and contracts:
        hardware.contracts = contracts_of(pki, install=False, clock=_now, older=pki).backend
    meter = hardware.meter
    run_station(
        _secured(session, pki),
        hardware.ports,
        settings.interface,
        None if pki is None else secc_context(pki, profile="iso2"),
        sessions=1,
        listening=lambda server: say(f"iso15118: listening on {server.interface.name}"),
        finished=lambda result: out(
            summary_of(result, charged_wh=meter.charged_wh, discharged_wh=meter.discharged_wh)
        ),
        observer=listen_to(reported),
    )


def vehicle(config: Path, pki: IssuedPki | None, contracts: bool, install: bool, alternating: bool) -> None:
    settings = load_evcc(config)
    session = settings.session
    hardware: LoneAcVehicle | AnyVehicle
    hardware, reported = vehicle_of(settings)
    if alternating:
        hardware, session = LoneAcVehicle(hardware.battery), replace(session, services=_AC)
    if pki is not None and contracts:
        hardware.contracts = contracts_of(pki, install=install, clock=_now, older=pki).store
    result, _ = run_vehicle(
        _secured(session, pki),
        hardware.ports,
        settings.interface,
        # The peers staple nothing.
        None if pki is None else evcc_context(pki, profile="iso2", revocation="none"),
        observer=listen_to(reported),
    )
    if result is None:
        return
    battery = hardware.battery
    out(
        summary_of(
            result,
            charged_wh=battery.charged_wh,
            discharged_wh=battery.discharged_wh,
            soc=(settings.vehicle.soc, battery.soc),
        )
    )


C = TypeVar("C", SeccConfig, EvccConfig)


def _secured(session: C, pki: IssuedPki | None) -> C:
    return session if pki is None else replace(session, allow_plaintext=False, forbid_plaintext=True)


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.edition_end", description=__doc__)
    parser.add_argument("role", choices=["secc", "evcc"])
    parser.add_argument("-c", "--config", type=Path, required=True, help="the role's TOML file, of plaintext")
    parser.add_argument("--pki", type=Path, help="test PKI of the edition iso2; without it there is no TLS")
    parser.add_argument(
        "--ac", action="store_true", help="an outlet or a vehicle of AC, in place of the file's"
    )
    parser.add_argument("--auth", choices=["eim", "pnc", "install"], default="eim")
    asked = parser.parse_args()
    try:
        pki = None if asked.pki is None else read_pki(asked.pki)
        if asked.role == "secc":
            station(asked.config, pki, asked.auth != "eim", asked.ac)
        else:
            vehicle(asked.config, pki, asked.auth != "eim", asked.auth == "install", asked.ac)
    except V2GError as error:
        return int(report(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
