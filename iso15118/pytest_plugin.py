"""The pytest plugin: sessions, stations, vehicles and certificates as fixtures, requirements as a
marker, recordings of every test.

It is found by itself where the package is installed (entry point ``pytest11``), and loads nothing of the
stack before a fixture is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from iso15118.aio.background import BackgroundStation, BackgroundVehicle
    from iso15118.evcc import EvccConfig
    from iso15118.loopback import LoopbackSummary
    from iso15118.loopback.recording import SessionFolder
    from iso15118.pki import IssuedPki
    from iso15118.scenario import Outcome, Scenario
    from iso15118.secc import SeccConfig
    from iso15118.testing import Pair

_REQUIREMENT = re.compile(r"\[?([A-Z0-9]+(?:-[A-Z0-9]+)+)\]?")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--v2g-out``."""
    group = parser.getgroup("iso15118", "ISO 15118 sessions")
    group.addoption(
        "--v2g-out",
        metavar="DIR",
        type=Path,
        default=None,
        help="keep the session folder (messages, decrypted capture, report) of each test that runs a session here",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line(
        "markers",
        "requirement(*ids): what the test is about, as V2G20-1643; it goes into the JUnit report as properties",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Requirements go into the report of the test, also from the processes of xdist."""
    for item in items:
        for marker in reversed(list(item.iter_markers("requirement"))):
            for requirement in marker.args:
                found = _REQUIREMENT.fullmatch(str(requirement))
                if found is None or marker.kwargs:
                    raise pytest.UsageError(
                        f"{item.nodeid}: requirement({requirement!r}) is no requirement id, such as 'V2G20-1643'"
                    )
                item.user_properties.append(("requirement", found[1]))


class _Folders:
    """Session folders of one test, numbered where it has several."""

    def __init__(self, where: Path | None, name: str) -> None:
        self._where = None if where is None else where / re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")
        self._count = 0
        self._stack = ExitStack()

    def new(self, *, memory: bool) -> SessionFolder | None:
        """The next one; None where none is wanted."""
        from iso15118.loopback.recording import SessionFolder

        if self._where is None:
            return None
        self._count += 1
        folder = (
            self._where if self._count == 1 else self._where.with_name(f"{self._where.name}-{self._count}")
        )
        # A test that is run again leaves another folder beside the older one.
        return self._stack.enter_context(SessionFolder(folder, memory=memory, numbered=True))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def _v2g_folders(request: pytest.FixtureRequest) -> Iterator[_Folders]:
    folders = _Folders(request.config.getoption("--v2g-out"), request.node.nodeid)
    try:
        yield folders
    finally:
        folders.close()


# -- sessions in one process -------------------------------------------------------------------------------


@pytest.fixture
def v2g_pair(_v2g_folders: _Folders) -> Callable[..., Pair]:
    """Makes a car and a charger in memory, under a virtual clock and the safety monitor:
    ``v2g_pair(service="mcs", battery_kwh=100)``.

    Keys are those of ``iso15118.loopback.LoopbackSpec``. Run it with ``pair.run()``, or
    ``pair.run(until=...)`` and ``pair.tell_secc(...)``.
    """

    def make(**session: Any) -> Pair:
        from iso15118.loopback import LoopbackSpec
        from iso15118.loopback.memory import new_pair

        return new_pair(
            LoopbackSpec(**{"transport": "memory", **session}), folder=_v2g_folders.new(memory=True)
        )

    return make


@pytest.fixture
def v2g_loopback(_v2g_folders: _Folders) -> Callable[..., LoopbackSummary]:
    """Runs a session of a car and a charger over discovery, TCP and TLS on the loopback
    interface, and returns its summary."""

    def run_one(**session: Any) -> LoopbackSummary:
        from iso15118.loopback import LoopbackSpec, run

        spec = LoopbackSpec(**session)
        folder = _v2g_folders.new(memory=spec.transport == "memory")
        summary = run(spec, folder=folder)
        if folder is not None:
            folder.conclude(summary)
        return summary

    return run_one


@pytest.fixture
def v2g_scenario(_v2g_folders: _Folders, request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """Runs a scenario, with its faults: a file, a ``Scenario``, or steps (``v2g_scenario(Step(...),
    transport="tcp")``). Returns the outcome; ``outcome.verdict`` is to be asserted. Requirements of the
    scenario go into the report of the test."""

    def run_one(what: Path | str | Scenario | Any, *more: Any, expect: Any = None, **session: Any) -> Outcome:
        from iso15118.loopback import LoopbackSpec
        from iso15118.scenario import Expect, Scenario, read, run_scenario

        if isinstance(what, Scenario):
            scenario = what
        elif isinstance(what, str | Path):
            scenario = read(Path(what))
        else:
            spec = LoopbackSpec(**{"transport": "memory", **session})
            scenario = Scenario(
                name=request.node.name, session=spec, steps=(what, *more), expect=expect or Expect()
            )
        for requirement in scenario.requirements:
            request.node.user_properties.append(("requirement", requirement))
        folder = _v2g_folders.new(memory=scenario.session.transport == "memory")
        outcome = run_scenario(scenario, folder=folder)
        if folder is not None and outcome.summary is not None:
            folder.conclude(outcome.summary)
        return outcome

    return run_one


# -- one end, for the other one under test
# --------------------------------------------------------------------


@pytest.fixture(scope="session")
def v2g_pki() -> IssuedPki:
    """A test PKI of ISO 15118-20, made for this run; ``v2g_pki.write(folder)`` gives its files."""
    from iso15118.pki import issue_test_pki

    return issue_test_pki(at=datetime.now(UTC))


@pytest.fixture
def v2g_station(v2g_pki: IssuedPki) -> Iterator[Callable[..., BackgroundStation]]:
    """Starts a DC or MCS station with simulated hardware on ``::1``, over TLS 1.3 with ``v2g_pki``, in a
    thread: for a vehicle under test.

    ``config``: a ``SeccConfig``; by default it offers what its connector can. The other keys are those of
    ``[station]`` in the file of `iso15118 secc`, as ``preset`` and ``time_scale``. The station has
    ``address``, ``ports``, ``sdp_port``, ``tell`` and ``wait_finished``, and is closed after the test.
    """
    with ExitStack() as stack:

        def start(config: SeccConfig | None = None, **hardware: Any) -> BackgroundStation:
            from iso15118.loopback.one_end import station_end

            return stack.enter_context(station_end(v2g_pki, config, **hardware))

        yield start


@pytest.fixture
def v2g_vehicle(v2g_pki: IssuedPki) -> Iterator[Callable[..., BackgroundVehicle]]:
    """Makes a vehicle with a simulated battery, over TLS 1.3 with ``v2g_pki``, in a
    thread: for a station under test.

    ``config``: an ``EvccConfig``; the other keys are those of ``[vehicle]`` in the file of `iso15118
    evcc`, as ``battery_kwh``, ``soc`` and ``time_scale``. ``vehicle.run((address, port))`` is one
    session and gives its result.
    """
    with ExitStack() as stack:

        def start(config: EvccConfig | None = None, **hardware: Any) -> BackgroundVehicle:
            from iso15118.loopback.one_end import vehicle_end

            return stack.enter_context(vehicle_end(v2g_pki, config, **hardware))

        yield start
