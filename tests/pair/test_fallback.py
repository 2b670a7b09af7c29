"""Which edition a vehicle and a station come to speak: every pair of lists on every kind of connection, each
to the end of its session."""

from __future__ import annotations

from pathlib import Path

import pytest

from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session.actions import EndReason
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.testing import Pair

PAGE = Path(__file__).parents[2] / "docs" / "fallback.md"
ALL = ("iso20", "iso2", "din")
SIDES = {"all": ALL, "-20": ("iso20",), "-2": ("iso2",), "DIN": ("din",)}

# Written by hand: vehicle, then what comes of it at a station of all, -20, -2,
# DIN; "" where they part at once.
EXPECTED = {
    "TLSv1.3": {
        "all": ("iso20", "iso20", "iso2", ""),
        "-20": ("iso20", "iso20", "", ""),
        "-2": ("iso2", "", "iso2", ""),
        "DIN": ("", "", "", ""),
    },
    "TLSv1.2": {
        "all": ("iso2", "", "iso2", ""),
        "-20": ("", "", "", ""),
        "-2": ("iso2", "", "iso2", ""),
        "DIN": ("", "", "", ""),
    },
    "plain": {
        "all": ("iso2", "", "iso2", "din"),
        "-20": ("", "", "", ""),
        "-2": ("iso2", "", "iso2", ""),
        "DIN": ("din", "", "", "din"),
    },
}
CELLS = [
    (connection, car, station, edition)
    for connection, rows in EXPECTED.items()
    for car, row in rows.items()
    for station, edition in zip(SIDES, row, strict=True)
]


def pair(car: tuple[str, ...], station: tuple[str, ...], connection: str) -> Pair:
    circuit = DcCircuit()
    return Pair(
        SeccConfig(editions=station),
        EvccConfig(editions=car, target_soc=21),
        SimulatedStation(circuit, preset("ccs2")),
        SimulatedVehicle(circuit, Battery(capacity_wh=60_000.0, soc=20.0, target_soc=21.0)),
        secure=connection != "plain",
        tls_version=connection,
    )


@pytest.mark.parametrize(("connection", "car", "station", "edition"), CELLS)
def test_what_is_spoken(connection: str, car: str, station: str, edition: str) -> None:
    rig = pair(SIDES[car], SIDES[station], connection)
    rig.run()
    secc, evcc = rig.secc.ended, rig.evcc.ended
    assert secc is not None
    assert evcc is not None
    assert rig.secc.edition == rig.evcc.edition == edition
    if edition:
        assert secc.reason is evcc.reason is EndReason.STOPPED_BY_EV
        assert rig.station.meter.charged_wh > 500.0
    else:
        assert evcc.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED
        assert rig.station.meter.charged_wh == 0.0


def test_both_say_what_was_offered_and_what_is_served() -> None:
    rig = pair(("iso2",), ("iso20",), "TLSv1.3")
    rig.run()
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    offered = "urn:iso:15118:2:2013:MsgDef 2.0"
    assert rig.secc.ended.detail == f"nothing in common: the vehicle offers {offered}; served here: iso20"
    assert rig.evcc.ended.detail == f"Failed_NoNegotiation: the station has nothing of {offered}"


def test_a_vehicle_keeps_its_order() -> None:
    rig = pair(("din", "iso2"), ALL, "plain")
    rig.run()
    assert rig.secc.edition == "din"


def test_the_page_of_runs_over_tcp_says_the_same() -> None:
    """With certificates the two agree on the newest TLS that both have, and
    without any common one on none."""
    rows = [
        [part.strip() for part in line.strip("|").split("|")][1:]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and "vehicle" not in line
    ]
    names = {
        "ISO 15118-20": "iso20",
        "ISO 15118-2": "iso2",
        "DIN 70121": "din",
        "-": "",
        "- (in laboratories only)": "",
    }
    told = [[names[one.partition(",")[0]] for one in row] for row in rows]
    expected = []
    for secured in (True, False):
        for car, offered in SIDES.items():
            row = []
            for place, served in enumerate(SIDES.values()):
                both = set(offered) & set(served)
                tls = "TLSv1.3" if "iso20" in both else "TLSv1.2" if "iso2" in both else "plain"
                row.append(EXPECTED[tls if secured else "plain"][car][place])
            expected.append(row)
    assert told == expected


@pytest.mark.parametrize("side", ["vehicle", "station"])
@pytest.mark.parametrize("edition", ["iso2", "din"])
def test_what_must_not_be_said_in_the_clear_is_not(side: str, edition: str) -> None:
    """Whoever drives a session by itself has no server that would have refused the connection."""
    editions = ("iso2", "din") if edition == "din" else ("iso2",)
    circuit = DcCircuit()
    rig = Pair(
        SeccConfig(editions=editions, forbid_plaintext=side == "station"),
        EvccConfig(editions=editions, target_soc=21, forbid_plaintext=side == "vehicle"),
        SimulatedStation(circuit, preset("ccs2")),
        SimulatedVehicle(circuit, Battery(capacity_wh=60_000.0, soc=20.0, target_soc=21.0)),
        secure=False,
    )
    rig.run()
    ended = (rig.evcc if side == "vehicle" else rig.secc).ended
    assert ended is not None
    assert ended.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED
    assert ("forbid_plaintext" if side == "vehicle" else "nothing on this connection") in ended.detail
    assert rig.loops == 0
