"""``iso15118 loopback --transport memory``: the figures of whole charges, and a summary that tells
the truth about failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iso15118.session.actions import EndReason, SessionEnded
from tests.cli.rig import iso15118

KEYS = [
    "result",
    "ended_by",
    "edition",
    "service",
    "auth",
    "control",
    "transport",
    "tls",
    "exchanges",
    "charge_loops",
    "soc_start",
    "soc_end",
    "energy_charged_kwh",
    "energy_discharged_kwh",
    "peak_power_kw",
    "peak_current_a",
    "max_voltage_v",
    "transfer_seconds",
    "session_seconds",
    "wall_seconds",
    "secc_states",
    "evcc_states",
]
FROM_EMPTY_TO_FULL = ("--soc-start", "0", "--soc-target", "100")


def memory(*options: str) -> dict[str, Any]:
    printed = iso15118("loopback", "--transport", "memory", "--json", *options)
    assert printed.status == 0, printed.err
    data: dict[str, Any] = printed.data
    return data


@pytest.mark.parametrize("control", ["scheduled", "dynamic"])
@pytest.mark.parametrize("service", ["dc", "dc-bpt", "mcs", "mcs-bpt"])
def test_every_service_charges_in_both_control_modes(service: str, control: str) -> None:
    summary = memory("--service", service, "--control", control, "--soc-start", "40", "--soc-target", "60")
    assert list(summary)[: len(KEYS)] == KEYS
    assert (summary["result"], summary["ended_by"]) == ("ok", "evcc")
    assert (summary["edition"], summary["service"], summary["control"]) == ("iso20", service, control)
    assert (summary["auth"], summary["transport"], summary["tls"]) == ("eim", "memory", None)
    assert summary["soc_end"] == pytest.approx(60.0, abs=0.01)
    energy = summary["energy_charged_kwh"]
    assert energy == pytest.approx(0.2 * (540.0 if "mcs" in service else 90.0), rel=0.002)
    assert summary["exchanges"] > summary["charge_loops"] > 100
    for states in (summary["secc_states"], summary["evcc_states"]):
        assert states[0] == "Connecting"
        assert states[-3:] == ["DC_WeldingDetection", "SessionStop", "Ended"]
        assert "DC_ChargeLoop" in states


@pytest.mark.parametrize(
    ("options", "minutes"),
    [
        (("--service", "mcs", "--station", "mcs-max", "--power-kw", "1000"), 32.4),
        (("--service", "mcs", "--station", "mcs-max", "--power-kw", "1500"), 21.6),
        (("--service", "dc", "--station", "ccs2", "--power-kw", "350"), 30.9),
    ],
)
def test_a_constant_power_charge_takes_as_long_as_it_must(options: tuple[str, ...], minutes: float) -> None:
    capacity_kwh = "540" if "mcs" in options else "180"
    summary = memory("--battery-kwh", capacity_kwh, *FROM_EMPTY_TO_FULL, *options)
    assert summary["transfer_seconds"] / 60.0 == pytest.approx(minutes, rel=0.02)
    assert summary["session_seconds"] > summary["transfer_seconds"]
    assert summary["peak_power_kw"] <= float(options[-1]) * 1.001
    hardware = summary["hardware"]
    assert hardware["beyond_station_limits"] == hardware["beyond_vehicle_limits"] == hardware["inrushes"] == 0


def test_a_vehicle_that_asks_for_more_than_the_station_has_gets_what_it_has() -> None:
    summary = memory("--service", "mcs", "--station", "mcs-gen1", "--power-kw", "3000", "--soc-target", "40")
    assert 990.0 < summary["peak_power_kw"] <= 1000.0
    assert summary["peak_current_a"] <= 1500.0


@pytest.mark.parametrize("control", ["scheduled", "dynamic"])
def test_energy_given_back_in_mid_session_is_accounted_for_on_both_sides(control: str) -> None:
    summary = memory("--service", "mcs-bpt", "--discharge-kwh", "50", "--control", control)
    charged, given = summary["energy_charged_kwh"], summary["energy_discharged_kwh"]
    hardware = summary["hardware"]
    assert given == pytest.approx(50.0, rel=0.001)
    assert (hardware["meter_charged_kwh"], hardware["meter_discharged_kwh"]) == (charged, given)
    assert hardware["battery_charged_kwh"] == pytest.approx(charged, rel=0.001)
    assert hardware["battery_discharged_kwh"] == pytest.approx(given, rel=0.001)
    gauge_kwh = (summary["soc_end"] - summary["soc_start"]) / 100.0 * 540.0
    assert charged - given == pytest.approx(gauge_kwh, rel=0.001)
    assert summary["soc_end"] == pytest.approx(80.0, abs=0.01)


def test_a_discharge_waits_until_the_battery_holds_enough() -> None:
    summary = memory(
        "--service", "dc-bpt", "--discharge-kwh", "40", "--soc-start", "10", "--soc-target", "80"
    )
    assert summary["energy_discharged_kwh"] == pytest.approx(40.0, rel=0.001)


def test_the_same_seed_makes_the_same_durations() -> None:
    def seconds(seed: str) -> float:
        found: float = memory("--soc-target", "25", "--seed", seed)["session_seconds"]
        return found

    assert seconds("1") == seconds("1") != seconds("2")


def test_without_tls_the_sessions_are_told_so() -> None:
    assert memory("--no-tls", "--soc-target", "25")["result"] == "ok"


def test_people_read_who_what_and_how_it_ended() -> None:
    printed = iso15118("loopback", "--transport", "memory", "--service", "mcs", "--soc-target", "25")
    assert printed.status == 0
    for words in (
        "mcs-gen1",
        "ISO 15118-20",
        "service mcs",
        "kWh charged",
        " kW",
        " V",
        "20.0 % to 25.0 %",
        "the vehicle",
    ):
        assert words in printed.out
    assert "\x1b" not in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--edition", "iso2", "--auth", "pnc"), "ISO 15118-2, service dc"),
        (
            ("--no-tls", "--evcc-editions", "iso20,din", "--secc-editions", "iso2,din"),
            "DIN 70121, service dc",
        ),
    ],
)
def test_people_read_what_was_spoken(options: tuple[str, ...], said: str) -> None:
    printed = iso15118("loopback", "--transport", "memory", "--soc-target", "20.5", *options)
    assert (printed.status, printed.err) == (0, "")
    assert said in printed.out


def test_a_session_folder_has_every_message_and_the_summary(tmp_path: Path) -> None:
    summary = memory("--soc-target", "25", "--out", str(tmp_path / "run"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "session.jsonl").read_text().splitlines()]
    lines = [line for line in lines if line["layer"] == "message"]
    assert len(lines) == 2 * summary["exchanges"]
    assert [line["message"] for line in lines[:2]] == ["supportedAppProtocolReq", "supportedAppProtocolRes"]
    assert lines[-1]["from"] == "secc"
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary


def test_a_session_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    printed = iso15118("loopback", "--transport", "memory", "--out", str(tmp_path / "file" / "x"))
    assert "--out" in printed.refusal


@pytest.mark.parametrize(
    ("secc", "evcc", "who", "status"),
    [
        (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_STATION, "secc", 1),
        (EndReason.PARAMETERS_NOT_ACCEPTED, EndReason.REFUSED, "secc", 1),
        (EndReason.PEER_VANISHED, EndReason.TIMEOUT, "evcc", 5),
        (EndReason.PEER_VANISHED, EndReason.PEER_VANISHED, "link", 3),
        (EndReason.STOPPED_BY_EV, EndReason.CONTACTOR_FAILED, "evcc", 1),
        (EndReason.HARDWARE_FAULT, EndReason.REFUSED, "secc", 1),
    ],
)
def test_a_session_that_ended_otherwise_is_a_failure_with_its_cause(
    secc: EndReason, evcc: EndReason, who: str, status: int
) -> None:
    from iso15118.loopback import LoopbackSpec
    from iso15118.loopback.rig import Rig
    from iso15118.loopback.summary import summarize

    summary = summarize(
        Rig.build(LoopbackSpec(transport="memory")),
        SessionEnded(secc),
        SessionEnded(evcc),
        edition="iso20",
        tls=None,
        exchanges=0,
        charge_loops=0,
        transfer_s=0.0,
        session_s=0.0,
        wall_s=0.0,
        secc_states=[],
        evcc_states=[],
    )
    assert summary.result == "failed"
    assert summary.detail
    assert (summary.ended_by, summary.exit_status) == (who, status)


def test_an_orderly_end_short_of_the_target_is_a_failure() -> None:
    from iso15118.loopback import LoopbackSpec
    from iso15118.loopback.rig import Rig
    from iso15118.loopback.summary import summarize

    end = SessionEnded(EndReason.STOPPED_BY_EV)
    summary = summarize(
        Rig.build(LoopbackSpec(transport="memory")),
        end,
        end,
        edition="iso20",
        tls=None,
        exchanges=0,
        charge_loops=0,
        transfer_s=0.0,
        session_s=0.0,
        wall_s=0.0,
        secc_states=[],
        evcc_states=[],
    )
    assert (summary.result, summary.exit_status) == ("failed", 1)
    assert "short of the target of 80 %" in summary.detail
