"""The project in ``examples/pytest_project`` in an environment of its own: found by its entry
point, alone and under xdist."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment that has this package and pytest, as after an installation, and
    nothing of this project's tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "installed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    return folder / "bin" / "python"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples" / "pytest_project", tmp_path / "project"))


def run_project(python: Path, project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "COV"))
    }
    return subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500.0,
    )


def requirements(report: Path) -> dict[str, list[str]]:
    """By test."""
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {
        case.attrib["name"]: [
            one.attrib["value"] for one in case.iter("property") if one.attrib["name"] == "requirement"
        ]
        for case in cases
    }


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_its_tests_pass_and_say_what_they_are_about(
    python: Path, project: Path, processes: tuple[str, ...]
) -> None:
    run = run_project(python, project, *processes, "--junitxml", "report.xml", "--v2g-out", "recorded")
    assert run.returncode == 0, run.stdout + run.stderr
    found = requirements(project / "report.xml")
    assert len(found) == 7
    assert found["test_a_truck_is_charged_in_virtual_time"] == ["V2G20-1643"]
    assert found["test_a_faulty_station_is_left[reset]"] == ["V2G20-459", "V2G20-460"]
    assert found["test_a_car_is_charged_over_tls"] == []
    folders = sorted(path.name for path in (project / "recorded").iterdir())
    assert len(folders) == 6, "one for each test that ran a session itself"
    lines = (project / "recorded" / folders[0] / "session.jsonl").read_text().splitlines()
    assert json.loads(lines[0])


def test_a_requirement_that_is_none_is_refused(python: Path, project: Path) -> None:
    (project / "test_wrong.py").write_text(
        "import pytest\n\n\n@pytest.mark.requirement('the one about stopping')\ndef test_it():\n    pass\n"
    )
    run = run_project(python, project, "--collect-only")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "'the one about stopping'" in run.stderr + run.stdout
    assert "is no requirement id" in run.stderr + run.stdout


def test_nothing_of_the_stack_is_loaded_before_a_fixture_is_used(python: Path, project: Path) -> None:
    (project / "test_other.py").write_text(
        "import sys\n\n\ndef test_it():\n    assert not [name for name in sys.modules if name.startswith('iso15118.') and name not in "
        "('iso15118.pytest_plugin', 'iso15118.moved')]\n"
    )
    run = run_project(python, project, "test_other.py")
    assert run.returncode == 0, run.stdout
