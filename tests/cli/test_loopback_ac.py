"""``iso15118 loopback --service ac`` and ``ac-bpt``: in memory and over the loopback
interface, one phase and three."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.loopback import LoopbackSpec
from tests.cli.rig import iso15118

SHORT = ("--soc-start", "60", "--soc-target", "62")


def run(transport: str, *options: str) -> dict[str, Any]:
    printed = iso15118("loopback", "--transport", transport, "--json", *options)
    assert printed.status == 0, printed.err
    data: dict[str, Any] = printed.data
    return data


def check(summary: dict[str, Any], station: str, kilowatts: float) -> None:
    hardware = summary["hardware"]
    assert (summary["result"], summary["ended_by"], summary["station"]) == ("ok", "evcc", station)
    assert hardware["meter_charged_kwh"] == pytest.approx(hardware["battery_charged_kwh"], rel=1e-3)
    assert hardware["battery_stored_kwh"] == pytest.approx(
        hardware["meter_charged_kwh"] - hardware["meter_discharged_kwh"], rel=1e-3
    )
    assert summary["peak_power_kw"] == pytest.approx(kilowatts, rel=1e-3)
    assert summary["max_voltage_v"] == 230.0
    assert "AC_ChargeLoop" in summary["secc_states"]
    assert "AC_ChargeLoop" in summary["evcc_states"]
    assert summary["charge_loops"] > 20


@pytest.mark.parametrize("transport", ["memory", "tcp"])
@pytest.mark.parametrize("control", ["scheduled", "dynamic"])
@pytest.mark.parametrize(
    ("options", "station", "kilowatts"),
    [
        ((), "ac-22", 11.04),
        (("--station", "ac-11"), "ac-11", 11.04),
        (("--phases", "1"), "ac-7-single", 7.36),
        (("--phases", "1", "--station", "ac-22"), "ac-22", 3.68),
        (("--power-kw", "6"), "ac-22", 6.0),
    ],
)
def test_a_car_charges(
    transport: str, control: str, options: tuple[str, ...], station: str, kilowatts: float
) -> None:
    check(run(transport, "--service", "ac", "--control", control, *SHORT, *options), station, kilowatts)


@pytest.mark.parametrize("transport", ["memory", "tcp"])
@pytest.mark.parametrize("control", ["scheduled", "dynamic"])
@pytest.mark.parametrize(("phases", "kilowatts"), [("1", 7.36), ("3", 11.04)])
def test_a_car_gives_back_what_is_wanted(transport: str, control: str, phases: str, kilowatts: float) -> None:
    summary = run(
        transport,
        "--service",
        "ac-bpt",
        "--control",
        control,
        "--phases",
        phases,
        "--discharge-kwh",
        "0.5",
        *SHORT,
    )
    check(summary, "ac-7-single" if phases == "1" else "ac-22", kilowatts)
    assert summary["energy_discharged_kwh"] == pytest.approx(0.5, rel=0.1)
    assert summary["energy_discharged_kwh"] >= 0.4995
    assert summary["peak_discharge_power_kw"] == pytest.approx(kilowatts, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"service": "ac", "station": "ccs2"}, "station"),
        ({"service": "dc", "station": "ac-22"}, "station"),
        ({"service": "ac", "station": "ac-7-single", "phases": 3}, "phases"),
        ({"service": "ac", "phases": 2}, "phases"),
        ({"service": "dc", "phases": 1}, "phases"),
        ({"service": "ac", "link": "spe"}, "link"),
        ({"service": "ac", "discharge_kwh": 1.0}, "discharge_kwh"),
    ],
)
def test_what_cannot_work_is_refused_by_name(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        LoopbackSpec(transport="memory", **options)
    assert error.value.key == key
