"""The keywords, called as Robot Framework calls them, with texts; and the project in
``examples/robot_project``, run by Robot Framework."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from iso15118.errors import ConfigError, MisuseError
from iso15118.robot_keywords import Charging

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "examples" / "robot_project"


@pytest.fixture
def keywords() -> Iterator[Charging]:
    library = Charging()
    yield library
    library.end_test(None, None)


def test_the_project_runs(tmp_path: Path) -> None:
    """By Robot Framework (extra ``robot``), as its README says."""
    run = subprocess.run(
        [sys.executable, "-m", "robot", "--outputdir", str(tmp_path), str(PROJECT)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600.0,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = {
        one.attrib["name"]: one.find("status")
        for one in ElementTree.parse(tmp_path / "output.xml").iter("test")
    }
    assert len(found) == 3
    assert {status.attrib["status"] for status in found.values() if status is not None} == {"PASS"}
    assert (tmp_path / "truck" / "session.jsonl").is_file()


def test_every_keyword_is_in_the_readme() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    names = [name for name in vars(Charging) if not name.startswith(("_", "ROBOT")) and name != "end_test"]
    assert [name for name in names if f"`{name.replace('_', ' ').title()}`" not in readme] == []


def test_wrong_keys_and_values_are_refused_by_name(keywords: Charging) -> None:
    with pytest.raises(ConfigError, match="sevice"):
        keywords.run_loopback(sevice="dc")
    with pytest.raises(ConfigError, match="soc_target"):
        keywords.run_loopback(soc_target="much")
    with pytest.raises(ConfigError, match=r"station\.present"):
        keywords.start_station(present="ccs2")
    with pytest.raises(ConfigError, match="time_scale"):
        keywords.start_station(time_scale="fast")
    with pytest.raises(ConfigError, match="nowhere"):
        keywords.run_scenario("nowhere.toml")


def test_keywords_out_of_turn_say_which_one_comes_first(keywords: Charging) -> None:
    for early in (keywords.wait_for_session, keywords.charge_vehicle, keywords.stop_session):
        with pytest.raises(MisuseError, match="first"):
            early()
    keywords.start_vehicle(battery_kwh="50")
    with pytest.raises(MisuseError, match="no station"):
        keywords.charge_vehicle()
    with pytest.raises(MisuseError, match="already"):
        keywords.start_vehicle()


def test_a_scenario_that_does_not_come_out_fails_the_test(keywords: Charging, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text((PROJECT / "stuck.toml").read_text().replace("CABLE_CHECK_FAILED", "STOPPED_BY_EV"))
    with pytest.raises(AssertionError, match="fail"):
        keywords.run_scenario(str(file), transport="memory")
    with pytest.raises(ConfigError, match="reason"):
        keywords.session_should_end_with(None, "HAPPILY")  # type: ignore[arg-type]
