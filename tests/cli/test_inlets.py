"""``iso15118 evcc`` with a file of two inlets: at a megawatt hub, at a depot, where there are both, and
where there is nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import Printed, iso15118
from tests.cli.test_connectors import FAST, PLAIN, site
from tests.cli.test_connectors import station as serving
from tests.cli.test_two_processes import finish, process

PORTS = tuple(39_000 + 4 * (os.getpid() % 2_000) + one for one in range(4))
"""Discovery ports of the hub, of the depot, and two at which nobody is."""
HUB, DEPOT, NOBODY, NOBODY_ELSE = PORTS


@pytest.fixture(scope="module", autouse=True)
def _stations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One process with a connector of MCS and one of CCS2, each behind a discovery port of its own."""
    folder = tmp_path_factory.mktemp("site")
    path = site(folder, f"sdp_port = {HUB}\n", f"sdp_port = {DEPOT}\n")
    path.write_text(path.read_text().replace("time_scale = 50", "time_scale = 200"))
    with serving(path, 2):
        yield


def truck(
    folder: Path, mcs: int, ccs2: int, *, together: str = "", soc: float = 79.0, hardware: str = ""
) -> str:
    path = folder / "two_inlets.toml"
    path.write_text(f"""
{PLAIN}
[session]
loop_interval_s = 0.02
timing.sdp_requests = 1
[vehicle]
soc = {soc}
{hardware or FAST.replace("50", "200")}
{together}
[[inlet]]
name = "mcs"
maximum_current_a = 1500
maximum_power_kw = 1250
sdp_port = {mcs}
[inlet.session]
services = ["mcs"]
[[inlet]]
name = "ccs2"
maximum_current_a = 400
maximum_power_kw = 400
sdp_port = {ccs2}
[inlet.session]
services = ["dc"]
""")
    return str(path)


def lines(printed: Printed) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.out.splitlines()]


def gained_kwh(said: dict[str, Any]) -> float:
    """By the battery's state of charge; a little more went through the inlets, and is warmth."""
    return float(said["soc_end"] - said["soc_start"]) / 100.0 * 540.0


@pytest.mark.parametrize(
    ("ports", "tried", "most_kw"),
    [
        ((HUB, NOBODY), {"mcs": "ok"}, 1250.0),
        ((NOBODY, DEPOT), {"mcs": "none", "ccs2": "ok"}, 350.0),
        ((HUB, DEPOT), {"mcs": "ok"}, 1250.0),
    ],
    ids=["MCS hub", "CCS2 depot", "both"],
)
def test_the_preferred_inlet_charges_and_the_next_one_where_it_finds_nobody(
    tmp_path: Path, ports: tuple[int, int], tried: dict[str, str], most_kw: float
) -> None:
    printed = iso15118("evcc", "-c", truck(tmp_path, *ports), "--json")
    assert printed.status == 0, printed.err
    said = lines(printed)
    assert {one["connector"]: one["result"] for one in said} == tried
    charged = said[-1]
    assert (charged["end_reason"], charged["safe"]) == ("STOPPED_BY_EV", True)
    assert charged["soc_start"] == 79.0
    assert charged["soc_end"] > 79.99  # and a little more where the machine is slow: the hardware is fast
    assert charged["energy_charged_kwh"] == pytest.approx(gained_kwh(charged), rel=0.02)
    assert 100.0 < charged["peak_power_kw"] <= most_kw
    assert f"iso15118: {charged['connector']}: in the charge loop" in printed.err


def test_where_no_inlet_finds_a_station_each_is_named(tmp_path: Path) -> None:
    printed = iso15118("evcc", "-c", truck(tmp_path, NOBODY, NOBODY_ELSE), "--json")
    assert printed.status == 3
    *attempts, failed = lines(printed)
    assert [(one["connector"], one["result"]) for one in attempts] == [("mcs", "none"), ("ccs2", "none")]
    message = failed["error"]["message"]
    assert message.startswith("mcs: no station answered")
    assert "; ccs2: no station answered" in message


def test_both_charge_at_once_where_the_file_says_so_and_each_tells_its_own_energy(tmp_path: Path) -> None:
    path = truck(tmp_path, HUB, DEPOT, together="[inlets]\nseveral = true\n", soc=77.0)
    printed = iso15118("evcc", "-c", path, "--json")
    assert printed.status == 0, printed.err
    said = lines(printed)
    assert {one["connector"]: one["soc_start"] for one in said} == {"mcs": 77.0, "ccs2": 77.0}
    together = sum(one["energy_charged_kwh"] for one in said)
    assert together == pytest.approx(gained_kwh(max(said, key=lambda one: float(one["soc_end"]))), rel=0.02)
    alone = iso15118("evcc", "-c", path, "--set", "inlets.several=false", "--json")
    assert [one["connector"] for one in lines(alone)] == ["mcs"]


def test_a_signal_ends_the_visit_in_order_and_no_other_inlet_is_tried(tmp_path: Path) -> None:
    path = truck(tmp_path, HUB, DEPOT, soc=20.0, hardware="time_scale = 1\n")
    with process("evcc", Path(path)) as driving:
        assert driving.stderr is not None
        assert any("in the charge loop" in line for line in driving.stderr)
        driving.send_signal(signal.SIGTERM)
        status, [seen], _ = finish(driving)
    assert status == 0
    assert (seen["connector"], seen["end_reason"], seen["safe"]) == ("mcs", "STOPPED_BY_EV", True)


def test_a_scenario_drives_one_inlet(tmp_path: Path) -> None:
    path = truck(tmp_path, HUB, DEPOT)
    assert "drives one inlet" in iso15118("evcc", "-c", path, "--scenario", "x.toml").refusal
