"""A part of the misuses, chosen by a seed, and what must hold of each; all of them are tried by ``python
-m tests.aio.misuse --all``.

They run in processes of their own: some want to end the program, and one that hung
would take the tests with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from iso15118.session import ports
from iso15118.session.port_checks import Kind

from .cases import NOT_HERE, all_cases, sample
from .families import TABLES, Family

SEED = int(os.environ.get("ISO15118_MISUSE_SEED", "20"))
AT_MOST_S = 600.0


def run(module: str, *arguments: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The counts, and what failed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--seed", str(SEED)],
        capture_output=True,
        text=True,
        timeout=AT_MOST_S,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return lines[-1], [line for line in lines if "failed" in line]


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_ports_and_callbacks_that_misbehave(role: str) -> None:
    said, failed = run("tests.aio.misuse", "--role", role, "--sample", "125")
    assert failed == []
    counts = said["counts"]
    assert counts["cases"] == 125
    assert counts["hit"] >= 75  # the others were not asked any more when they turned bad


@pytest.mark.parametrize(("role", "port"), [("secc", "ac"), ("evcc", "charger")])
def test_ports_of_alternating_current_that_misbehave(role: str, port: str) -> None:
    """With the coroutines, values and levels of the ports of DC, each in the phases of a session with AC."""
    said, failed = run("tests.aio.misuse", "--role", role, "--only", f"{role}:{port}.", "--sample", "60")
    assert failed == []
    counts = said["counts"]
    assert counts["cases"] == 60
    assert counts["hit"] >= 25


@pytest.mark.parametrize(("family", "count"), [("acdp", 24), ("wpt", 24), ("der", 12), ("schedules", 8)])
def test_ports_of_other_services_that_misbehave(family: str, count: int) -> None:
    """A connection device, a pad, a coil, an inverter and an energy manager with schedules, each
    in sessions that need it."""
    said, failed = run("tests.aio.misuse", "--family", family, "--sample", str(count))
    assert failed == []
    assert said["counts"]["cases"] == count
    assert said["counts"]["hit"] >= count // 3


@pytest.mark.parametrize("edition", ["iso2", "din"])
def test_ports_that_misbehave_in_sessions_of_an_older_edition(edition: str) -> None:
    said, failed = run("tests.aio.misuse", "--edition", edition, "--sample", "24")
    assert failed == []
    assert said["counts"]["cases"] == 24
    assert said["counts"]["hit"] >= 12


def test_a_pad_whose_stop_is_broken_between_sessions_sends_nothing_after_the_next() -> None:
    """There is no contactor behind it: it is told 0 W when its stop did not do its work."""
    said, failed = run(
        "tests.aio.misuse", "--family", "wpt", "--all", "--only", "pad.stop:raises ValueError when it is"
    )
    assert failed == []
    assert said["counts"]["cases"] >= 10
    assert said["counts"]["hit"] >= 5


LOOPS = ["asyncio", "uvloop", *(["eager"] if sys.version_info >= (3, 12) else [])]
"""Tasks that begin at once are of Python 3.12: ``--python 3.12`` runs this there."""


@pytest.mark.parametrize("loop", LOOPS)
def test_on_other_loops(loop: str) -> None:
    said, failed = run("tests.aio.misuse", "--sample", "16", "--loop", loop, "--jobs", "8")
    assert failed == []
    assert said["counts"]["cases"] == 16


def test_cancellations_at_random_points() -> None:
    counts, failed = run("tests.aio.misuse.cancel", "--count", "70")
    assert failed == []
    assert counts["cancellations"] == 70


def test_programs_that_end_at_random_moments() -> None:
    counts, failed = run("tests.aio.misuse.programs", "--count", "36")
    assert failed == []
    assert counts["programs"] == 36
    assert counts["had power"] >= 18


def test_every_port_and_method_is_among_the_cases() -> None:
    tried = {(case.role, case.place) for case in all_cases()}
    for role, table in TABLES.items():
        for port, attributes in table.items():
            for attribute in attributes:
                place = f"{port}.{attribute}"
                assert (role, place) in tried or place in NOT_HERE
    for role, table in (("secc", ports._STATION), ("evcc", ports._VEHICLE)):
        for port, attributes in table.items():
            assert TABLES[role][port].items() >= attributes.items()
    assert {case.family for case in all_cases()} == set(Family)


def test_a_sample_has_every_place_and_every_way_that_it_has_room_for() -> None:
    cases = list(all_cases())
    chosen = sample(cases, 250, SEED)
    assert len(set(chosen)) == 250
    assert {(case.role, case.place) for case in chosen} == {(case.role, case.place) for case in cases}
    assert {case.way.name for case in chosen if case.kind is Kind.ASKED} >= {
        "hangs",
        "is missing",
        "returns a task",
    }
    assert sample(cases, 250, SEED) == chosen
