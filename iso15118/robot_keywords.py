"""Keywords for Robot Framework: ``Library    iso15118.robot_keywords.Charging``. A thin layer over the
loopback, scenarios and one end in a thread; what a test has started is closed when the test is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from iso15118.aio.results import SessionResult
from iso15118.errors import ConfigError, MisuseError
from iso15118.loopback import LoopbackSpec, LoopbackSummary, run
from iso15118.loopback.one_end import station_end, vehicle_end
from iso15118.loopback.recording import SessionFolder
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.scenario import Outcome, read, run_scenario
from iso15118.sdp import Security
from iso15118.session.actions import EndReason
from iso15118.session.events import EmergencyShutdown, Event, PauseRequested, StopRequested
from iso15118.settings import choose

if TYPE_CHECKING:
    from iso15118.aio.background import BackgroundStation, BackgroundVehicle

__all__ = ["Charging"]


class Charging:
    """The library. Values may be texts, as Robot Framework has them. A keyword that fails
    raises AssertionError; one that is used wrongly raises ``ConfigError`` or ``MisuseError``
    with what to write instead."""

    ROBOT_LIBRARY_SCOPE = "TEST"
    ROBOT_LISTENER_API_VERSION = 3
    ROBOT_LIBRARY_DOC_FORMAT = "TEXT"

    _pki: IssuedPki | None = None
    """One for all tests of a run: it takes a second to make."""

    def __init__(self) -> None:
        self.ROBOT_LIBRARY_LISTENER = self
        self._stack = ExitStack()
        self._station: BackgroundStation | None = None
        self._vehicle: BackgroundVehicle | None = None

    def end_test(self, data: object, result: object) -> None:
        """Called by Robot Framework after each test: what was started is closed, hardware first."""
        self.close_all()

    def close_all(self) -> None:
        """Close the station and the vehicle of this test. Harmless where there is none."""
        self._station = self._vehicle = None
        stack, self._stack = self._stack, ExitStack()
        stack.close()

    # -- both ends -----------------------------------------------------------------------------------------

    def run_loopback(self, out: str | None = None, **session: Any) -> LoopbackSummary:
        """Run a session of a car and a charger, and give its summary. Keys are those of `iso15118 loopback`,
        as ``service=mcs``, ``transport=memory``; ``out``: a folder for the recording. Raises ``ConfigError``
        for a key that is not there."""
        spec = _spec(session)
        with _folder(spec, out) as folder:
            summary = run(spec, folder=folder)
            if folder is not None:
                folder.conclude(summary)
        return summary

    def run_scenario(self, path: str, transport: str | None = None, out: str | None = None) -> Outcome:
        """Run a scenario file, and give its outcome. ``transport``: memory or tcp, whatever the file says.
        Raises AssertionError unless the verdict is pass, ``ConfigError`` for a file that cannot be used."""
        scenario = read(Path(path))
        if transport is not None:
            tls = scenario.session.tls if scenario.session.transport == transport else None
            session = msgspec.structs.replace(scenario.session, transport=transport, tls=tls)
            scenario = msgspec.structs.replace(scenario, session=session)
        with _folder(scenario.session, out) as folder:
            outcome = run_scenario(scenario, folder=folder)
            if folder is not None and outcome.summary is not None:
                folder.conclude(outcome.summary)
        if outcome.verdict != "pass":
            raise AssertionError(f"{outcome.verdict}: {'; '.join(outcome.reasons)}")
        return outcome

    # -- one end, for the other one under test -------------------------------------------------------------

    def start_station(self, **hardware: Any) -> BackgroundStation:
        """Start a station over TLS 1.3 on ``::1``; keys are those of ``[station]`` in the file of `iso15118
        secc`. It has ``address`` and ``ports``. Raises ``ConfigError`` for a key that is not there,
        ``MisuseError`` where this test has a station already."""
        if self._station is not None:
            raise MisuseError("this test has a station already: use Close All first")
        self._station = self._stack.enter_context(station_end(self.test_pki(), **hardware))
        return self._station

    def start_vehicle(self, **hardware: Any) -> BackgroundVehicle:
        """Make a vehicle, which is told to charge by ``Charge Vehicle``; keys are those of ``[vehicle]`` in
        the file of `iso15118 evcc`. Raises as ``Start Station``."""
        if self._vehicle is not None:
            raise MisuseError("this test has a vehicle already: use Close All first")
        self._vehicle = self._stack.enter_context(vehicle_end(self.test_pki(), **hardware))
        return self._vehicle

    def charge_vehicle(
        self,
        address: str | IPv6Address | None = None,
        port: int | str | None = None,
        timeout_s: float | str = 300.0,
    ) -> SessionResult:
        """One session of this test's vehicle, at this address and TCP port, or at this test's station.
        ``timeout_s``: in s. Raises what ``EvccClient.run`` does, ``MisuseError`` where there is no
        vehicle or nothing to charge at."""
        if self._vehicle is None:
            raise MisuseError("there is no vehicle: use Start Vehicle first")
        if address is not None and port is not None:
            where = IPv6Address(str(address)), int(port)
        elif self._station is not None:
            where = self._station.address, self._station.ports[Security.TLS]
        else:
            raise MisuseError("there is no station: give its address and port, or use Start Station first")
        return self._vehicle.run(where, timeout_s=float(timeout_s))

    def wait_for_session(self, number: int | str = 1, timeout_s: float | str = 300.0) -> SessionResult:
        """The station's result of its first (or ``number``-th) session. Raises ``LinkTimeoutError`` after
        ``timeout_s`` s, ``MisuseError`` where there is no station."""
        if self._station is None:
            raise MisuseError("there is no station: use Start Station first")
        return self._station.wait_finished(int(number), timeout_s=float(timeout_s))

    def stop_session(self, reason: str = "the test wants it") -> None:
        """Ask for the end of the session at each end of this test."""
        self._tell(StopRequested(reason))

    def pause_session(self, reason: str = "the test wants it") -> None:
        """Ask for a pause at each end of this test."""
        self._tell(PauseRequested(reason))

    def shut_down(self, reason: str = "the test wants it") -> None:
        """An emergency shutdown at each end of this test."""
        self._tell(EmergencyShutdown(reason))

    def test_pki(self) -> IssuedPki:
        """The certificates of both ends; ``write`` puts them into a folder for a device under test."""
        if Charging._pki is None:
            Charging._pki = issue_test_pki(at=datetime.now(UTC))
        return Charging._pki

    # -- what came of it -----------------------------------------------------------------------------------

    def session_should_be_safe(self, result: SessionResult) -> None:
        """Raises AssertionError unless the hardware showed itself safe at the end."""
        if not result.safe:
            raise AssertionError(f"the hardware did not confirm that it is safe: {result.faults}")

    def session_should_end_with(self, result: SessionResult, *reasons: str) -> None:
        """Raises AssertionError unless the session ended for one of these reasons, as STOPPED_BY_EV;
        ``ConfigError`` for a word that is none."""
        for reason in reasons:
            choose("reason", reason, [one.name for one in EndReason])
        ended = result.ended
        if ended.reason.name not in reasons:
            raise AssertionError(
                f"ended with {ended.reason.name} and not {' or '.join(reasons)}: {ended.detail}"
            )

    def _tell(self, event: Event) -> None:
        if self._station is None and self._vehicle is None:
            raise MisuseError("there is nobody to tell: use Start Station or Start Vehicle first")
        for end in (self._station, self._vehicle):
            if end is not None:
                end.tell(event)


def _spec(session: dict[str, Any]) -> LoopbackSpec:
    for key in session:
        if key not in LoopbackSpec.__struct_fields__:
            raise ConfigError(key, "there is no such key", ", ".join(LoopbackSpec.__struct_fields__))
    try:
        return msgspec.convert(session, LoopbackSpec, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError("session", str(error), "`iso15118 loopback --help` has the values") from error


@contextmanager
def _folder(session: LoopbackSpec, out: str | None) -> Iterator[SessionFolder | None]:
    if out is None:
        yield None
        return
    with SessionFolder(Path(out), memory=session.transport == "memory") as folder:
        yield folder
