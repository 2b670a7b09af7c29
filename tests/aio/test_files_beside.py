"""What files say of the grid and of services beside energy, in whole sessions between a station and
a vehicle made from files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from iso15118.aio import EvccClient, SeccServer
from iso15118.channel import Received
from iso15118.messages.iso20 import ac
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from iso15118.settings.hardware import Reported, station_of, vehicle_of
from iso15118.settings.roles import load_evcc, load_secc
from tests.cli.rig import iso15118

PLAIN = 'tls.mode = "plaintext"\n'
CAR = (
    PLAIN
    + """
[session]
services = ["{service}"]
loop_interval_s = 0.02
target_soc = 51
[vehicle]
charger = "ac-11"
soc = 50
time_scale = 60
"""
)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


async def charge(secc: Path, evcc: Path) -> tuple[Any, list[act.Notify], list[object]]:
    """One session; the vehicle's result, the news of the station, and the messages that came to it."""
    there, here = load_secc(secc), load_evcc(evcc)
    station, heard = station_of(there.station)
    vehicle, told = vehicle_of(here)
    loop = asyncio.get_running_loop()
    news: list[act.Notify] = []
    seen: list[object] = []

    def observer(reported: Reported) -> Any:
        def observe(now: float, what: Any) -> None:
            if type(what) is Received:
                reported(what.message, now)
                if reported is heard:
                    seen.append(what.message)

        return observe

    server = SeccServer(
        there.session,
        station.ports(asyncio.sleep, loop.time),
        "lo",
        sdp_port=0,
        observer=observer(heard),
        news=news.append,
    )
    async with server:
        client = EvccClient(
            here.session,
            vehicle.ports(asyncio.sleep, loop.time),
            "lo",
            sdp_port=server.sdp_port,
            observer=observer(told),
        )
        result = await client.run()
        await server.wait_finished(1)
    return result, news, seen


@pytest.mark.parametrize(
    ("code", "service", "schema"),
    [("european", "ac-der-iec", "ac_der_iec"), ("north-american", "ac-der-sae", "ac_der_sae")],
)
async def test_a_car_that_supports_the_grid_charges_at_an_outlet_with_a_grid_code(
    tmp_path: Path, code: str, service: str, schema: str
) -> None:
    secc = written(
        tmp_path,
        "secc.toml",
        PLAIN + f'[station]\npreset = "ac-11"\ngrid_code = "{code}"\ntime_scale = 60\n',
    )
    evcc = written(tmp_path, "evcc.toml", CAR.format(service=service) + "inverter = true\n")
    result, _, seen = await charge(secc, evcc)
    assert result.ended.reason is EndReason.STOPPED_BY_EV, result.ended
    assert result.safe
    modes = [one.cl_req_control_mode for one in seen if isinstance(one, ac.ACChargeLoopReq)]
    assert modes
    assert all(type(one).__module__.endswith(schema) for one in modes)


async def test_a_car_takes_the_services_beside_energy_that_its_file_names(tmp_path: Path) -> None:
    secc = written(
        tmp_path,
        "secc.toml",
        PLAIN
        + '[station]\npreset = "ac-11"\ntime_scale = 60\nvalue_added = ["internet", "parking-status"]\n',
    )
    evcc = written(tmp_path, "evcc.toml", CAR.format(service="ac") + 'value_added = ["parking-status"]\n')
    result, news, _ = await charge(secc, evcc)
    assert result.ended.reason is EndReason.STOPPED_BY_EV, result.ended
    chosen = [one for one in news if type(one) is act.ServicesSelected]
    assert [[number for number, _ in one.services] for one in chosen][:1] == [[66]]


async def test_a_car_takes_the_variant_of_a_service_of_ones_own_that_its_file_names(tmp_path: Path) -> None:
    data = '[[station.own_services]]\nid = 60001\nname = "BatteryData"\n' + "".join(
        f'[[station.own_services.parameter_sets]]\nid = {number}\nvalues = ["Interval = {seconds}"]\n'
        for number, seconds in ((1, 60), (2, 5))
    )
    secc = written(tmp_path, "secc.toml", PLAIN + '[station]\npreset = "ac-11"\ntime_scale = 60\n' + data)
    wish = '[[vehicle.own_services]]\nid = 60001\nvalues = ["Interval = 5"]\n'
    evcc = written(tmp_path, "evcc.toml", CAR.format(service="ac") + wish)
    result, news, _ = await charge(secc, evcc)
    assert result.ended.reason is EndReason.STOPPED_BY_EV, result.ended
    chosen = [one for one in news if type(one) is act.ServicesSelected]
    assert [list(one.services) for one in chosen][:1] == [[(60001, 2)]]


@pytest.mark.parametrize(
    ("role", "text", "said"),
    [
        ("secc", '[station]\ngrid_code = "european"', ["station.grid_code", "has no AC outlet"]),
        (
            "secc",
            '[station]\npreset = "ac-11"\n[session]\nservices = ["ac-der-iec"]',
            ["session.services: AC_DER_IEC does not fit station.grid_code = 'none'"],
        ),
        (
            "secc",
            '[station]\npreset = "ac-11"\ngrid_code = "european"\n[session]\nservices = ["ac-der-sae"]',
            ["AC_DER_SAE does not fit station.grid_code = 'european'"],
        ),
        ("secc", '[station]\nvalue_added = ["wifi"]', ["station.value_added[0]: 'wifi'", "internet"]),
        (
            "evcc",
            '[vehicle]\ncharger = "ac-11"\n[session]\nservices = ["ac-der-iec"]',
            ["AC_DER_IEC needs an inverter", "vehicle.inverter"],
        ),
        ("evcc", "[vehicle]\ninverter = true", ["vehicle.inverter: there is no on-board charger"]),
        ("evcc", '[vehicle]\nvalue_added = ["internet", "internet"]', ["listed twice"]),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, role: str, text: str, said: list[str]) -> None:
    path = written(tmp_path, f"{role}.toml", PLAIN + text)
    refusal = iso15118("config", "validate", "--role", role, str(path)).refusal
    for words in said:
        assert words in refusal
