"""``--schedule`` and ``--choice`` of ``iso15118 loopback``: which schedule is taken, what it
costs, and what cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import iso15118

PLAN = """
[[schedule]]
id = 4
entries = [{ minutes = 2, kw = 120 }, { minutes = 1, kw = 0 }, { minutes = 3, kw = 60 }]
[schedule.prices]
currency = "EUR"
stacks = [{ minutes = 3, fee = 0.50 }, { minutes = 3, fee = 0.250 }]
taxes = [{ percent = 20 }]

[[schedule]]
entries = [{ minutes = 6, kw = 22 }]
[schedule.prices]
currency = "EUR"
stacks = [{ minutes = 6, fee = 0.40 }]
"""
MEMORY = ("loopback", "--transport", "memory", "--battery-kwh", "2", "--json")


def run(tmp_path: Path, *options: str, plan: str = PLAN, status: int = 0) -> Any:
    path = tmp_path / "plan.toml"
    path.write_text(plan, encoding="utf-8")
    printed = iso15118(*MEMORY, "--schedule", str(path), *options)
    assert printed.status == status, printed.err
    return printed.data if not status else printed.err


@pytest.mark.parametrize(
    ("options", "schedule", "fee", "prices"),
    [
        ((), 4, 0.25 * 1.2, "unsigned"),
        (("--choice", "fastest"), 4, 0.5 * 1.2, "unsigned"),
        (("--auth", "pnc"), 4, 0.25 * 1.2, "verified"),
        (("--service", "dc-bpt"), 4, 0.25 * 1.2, "unsigned"),
        (("--service", "ac", "--soc-target", "40"), 4, 0.25 * 1.2, "unsigned"),
        (("--edition", "iso2", "--auth", "pnc"), 2, 0.4, "verified"),  # it takes its power at once
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_what_a_charge_costs(
    options: tuple[str, ...], schedule: int, fee: float, prices: str, tmp_path: Path
) -> None:
    summary = run(tmp_path, *options)
    cost = summary["cost"]
    assert (cost["schedule_id"], cost["prices"], cost["currency"]) == (schedule, prices, "EUR")
    assert cost["total"] == pytest.approx(summary["energy_charged_kwh"] * fee, abs=0.02)
    if cost["planned"] is not None:
        assert cost["planned"] == pytest.approx(cost["total"], abs=0.02)
    assert summary["result"] == "ok", summary["detail"]


def test_json_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"schedule": [{"entries": [{"minutes": 10, "kw": 30}]}]}', encoding="utf-8")
    summary = iso15118(*MEMORY, "--schedule", str(path)).data
    assert summary["cost"] == {
        "schedule_id": 1,
        "schedules": 1,
        "wish": "cheapest",
        "prices": "none",
    } | dict.fromkeys(
        ("currency", "total", "planned", "energy", "parking", "services", "overstay", "tax", "credit")
    )
    assert summary["peak_power_kw"] <= 30.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--transport", "tcp"), "hours pass on the virtual clock only"),
        (("--control", "dynamic"), "the station sets the power in Dynamic mode"),
        (("--edition", "din"), "DIN 70121 knows no schedules"),
        (("--choice", "dearest"), "did you mean"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_work_is_said(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, encoding="utf-8")
    base = ("loopback",) if "--transport" in options else MEMORY
    printed = iso15118(*base, "--schedule", str(path), *options)
    assert printed.status == 2
    assert words in printed.err


def test_a_wrong_file_is_named_with_its_key(tmp_path: Path) -> None:
    err = run(tmp_path, plan=PLAN.replace("kw = 22", "kW = 22"), status=2)
    assert "schedule[1].entries[0].kW" in err.replace("\n", "")
    assert "did you mean 'kw'" in err
