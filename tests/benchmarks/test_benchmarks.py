"""Every benchmark runs, and prints what its README says. Nothing here looks at how fast anything is."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

FIGURES = {
    "exi": {"exi-decode", "exi-encode"},
    "loop": {"charge-loop-pairs"},
    "network": {"tls-echo-pairs", "charge-loop-pairs", "charge-loop-to-echo", "session-cpu"},
    "currentdemand": {"current-demand-answer-p99"},
    "handshake": {"handshake-cpu", "handshake-cpu-ocsp", "connection-memory"},
    "memory": {"resident-memory"},
    "start": {"import", "import-and-first-decode", "station-listens"},
    "virtual": {"virtual-charge"},
    "size": {"wheel-size", "tables-size"},
    "decode": {"decode-messages"},
    "schedules": {"schedules"},
}
KEYS = {"figure", "case", "value", "unit", "aim", "aim_met", "more_is_better", "details", "machine"}
MACHINE = {"cpu", "cores", "system", "python", "openssl"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("part", FIGURES)
def test_each_part_prints_json_lines_with_the_documented_keys(part: str) -> None:
    done = run("--quick", part)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["figure"] for line in lines} == FIGURES[part]
    for line in lines:
        assert set(line) == KEYS
        assert set(line["machine"]) == MACHINE
        assert all(line["machine"].values())
        assert line["unit"]
        assert math.isfinite(line["value"])
        assert line["value"] > 0.0
        assert (line["aim"] is None) is (line["aim_met"] is None)
    assert "no measurement" in done.stderr


def test_all_parts_are_run_by_default() -> None:
    from benchmarks.__main__ import PARTS

    assert set(PARTS) == set(FIGURES)


def test_an_unknown_part_is_refused_by_name() -> None:
    done = run("nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_another_tree_is_compared_in_turns() -> None:
    done = run("compare", str(ROOT), "loop", "virtual", "--quick", "--turns", "2")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["figure"] for line in lines] == ["charge-loop-pairs", "virtual-charge"]
    for line in lines:
        assert line["turns"] == 2
        assert line["ratio"] > 0.0
        assert line["cpu_ratio"] > 0.0
    assert "no measurement" in done.stderr


def test_a_ratio_above_one_is_worse_whatever_the_figure() -> None:
    from benchmarks.compare import ratios

    def one(value: float, more_is_better: bool, **details: float) -> dict[str, Any]:
        return {"value": value, "unit": "x", "more_is_better": more_is_better, "details": details}

    rate, time, new = ("rate", ""), ("time", ""), ("new", "")
    theirs = [{rate: one(200.0, True, cpu_us=5.0), time: one(value, False)} for value in (1.0, 2.0, 4.0)]
    ours = [{rate: one(100.0, True, cpu_us=6.0), time: one(3.0, False), new: one(1.0, False)}] * 3
    told = {line["figure"]: line for line in ratios(theirs, ours)}
    assert set(told) == {"rate", "time"}
    assert (told["rate"]["ratio"], told["rate"]["cpu_ratio"]) == (2.0, 1.2)
    assert (told["time"]["ratio"], told["time"]["cpu_ratio"]) == (
        1.5,
        None,
    )  # the median of the turns, not of the values


def test_a_part_that_there_is_not_is_not_compared() -> None:
    done = run("compare", str(ROOT), "nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_messages_are_about_as_long_as_those_that_others_were_measured_with() -> None:
    """71, 50, 47, 2191, 28 and 673 octets; ours differ where a peer in the
    comparison insists on an element."""
    from benchmarks.messages import SAMPLES
    from iso15118 import exi

    lengths = {sample.name: len(exi.encode(sample.schema, sample.message)) for sample in SAMPLES}
    assert lengths == {
        "supportedAppProtocolReq": 71,
        "DC_ChargeLoopReq": 51,
        "DC_ChargeLoopRes": 47,
        "AuthorizationReq with PnC chain": 2191,
        "ServiceDiscoveryRes": 28,
        "ScheduleExchangeRes": 663,
        "AC_ChargeLoopReq": 49,
        "AC_ChargeLoopRes": 44,
    }
