"""A charger's program: the ports of this library on top of a power board, the real control
pilot, own TLS, a heartbeat.

The board is reached over a socket with lines of text (`board.py`); with another wire only
``Link`` changes. The settings are a file as for `iso15118 secc`, of which ``[station]`` is not
used: limits and hardware are here.

    python charger.py SOCKET secc.toml [SESSIONS]
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from iso15118 import Station, StationLimits
from iso15118.aio import LinkParts, SeccServer, SessionResult
from iso15118.aio.identity import RenewableTls
from iso15118.aio.plug.media import NoMedium
from iso15118.aio.run import run_station
from iso15118.connector.news import PhaseEntered
from iso15118.errors import MisuseError, V2GError
from iso15118.link.plain import PlainLink
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.session.actions import Urgency
from iso15118.session.events import (
    InsulationMeasured,
    MeterRead,
    PowerMeasured,
    SignalChanged,
    SignalState,
)
from iso15118.settings.identity import read_material
from iso15118.settings.roles import SeccSettings, load_secc
from iso15118.settings.trust import secc_source
from iso15118.vocabulary import Action, Event

LIMITS = StationLimits(
    maximum_charge_power_w=100_000.0,
    maximum_charge_current_a=200.0,
    maximum_voltage_v=1000.0,
    minimum_voltage_v=150.0,
)
WAIT_S = 0.01
TEST_TOLERANCE_V = 10.0
"""So far below the voltage of an insulation test its result still counts."""


class Link:
    """The wire to the board. What the board measured last is kept with the time at which it came: readings
    that are no longer renewed grow old, and the library ends the session for it."""

    def __init__(self, wire: socket.socket) -> None:
        wire.setblocking(False)
        self._wire, self._rest = wire, b""
        self._loop = asyncio.get_running_loop()
        self.measured = PowerMeasured(0.0, 0.0, at=self._loop.time())
        self.closed = False
        self.test, self.insulation_ohm, self.charged_wh = "", 0.0, 0.0
        self.highest_v = 0.0
        """Of the insulation test that ``test`` names."""
        self.signal = SignalState.A
        self.pilot_changed: list[Callable[[Event], None]] = []
        self.tell: Callable[[Event], None] | None = None
        """Who is told what the insulation monitor measures; there is nobody before the server stands."""
        self._loop.add_reader(wire, self._read)

    def say(self, line: str) -> None:
        """Send one command. Raises OSError where the board is gone or does not read: the call of
        the port fails, and says so."""
        self._wire.sendall(line.encode() + b"\n")

    def _read(self) -> None:
        data = b""
        with suppress(ConnectionError):
            data = self._wire.recv(4096)
        if not data:
            self._loop.remove_reader(self._wire)  # the readings grow old now
            return
        *lines, self._rest = (self._rest + data)[-4096:].split(b"\n")
        for line in lines:
            with suppress(ValueError, KeyError, MisuseError):  # a line that is garbled is no reading
                self._take(line.decode("ascii"))

    def _take(self, line: str) -> None:
        volts, amperes, closed, signal, test, ohm, energy = line.split()
        self.measured = PowerMeasured(float(volts), float(amperes), at=self._loop.time())
        same = test.partition(":")[0] == self.test.partition(":")[0]
        self.highest_v = max(self.highest_v if same else 0.0, self.measured.voltage_v)
        self.closed = closed == "1"
        self.test, self.insulation_ohm, self.charged_wh = test, float(ohm), float(energy)
        if self.tell is not None:  # judged while energy flows; the cable check asks by itself
            self.tell(InsulationMeasured(self.insulation_ohm, at=self.measured.at))
        state = SignalState[signal]
        if state is not self.signal:
            self.signal = state
            for tell in self.pilot_changed:
                tell(SignalChanged(state))


class Power:
    """``DcPowerPort``."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.limits = LIMITS

    @property
    def present(self) -> PowerMeasured:
        """What the board measured last, and when."""
        return self._link.measured

    async def pre_charge(self, voltage_v: float, current_a: float) -> None:
        """The supply ramps by itself: the library waits for the voltage that it measures."""
        self._link.say(f"pre-charge {voltage_v:.2f} {current_a:.2f}")

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        """Three bounds."""
        self._link.say(f"set {voltage_v:.2f} {current_a:.2f} {power_w:.0f}")

    async def stop(self, urgency: Urgency) -> None:
        """An emergency does not ramp."""
        self._link.say("cut" if urgency is Urgency.EMERGENCY else "stop")


class Contactors:
    """``ContactorPort``."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def closed(self) -> bool:
        """Their feedback."""
        return self._link.closed

    async def close(self) -> bool:
        """They take their time; the library cancels this when it is contradicted
        meanwhile, or takes too long."""
        self._link.say("close")
        while not self._link.closed:  # noqa: ASYNC110 - the board tells everything every 20 ms, and nothing else
            await asyncio.sleep(WAIT_S)
        return True

    async def open(self, urgency: Urgency, reason: str) -> None:
        """An orderly end waits for the current to fall; an emergency does not."""
        while urgency is Urgency.ORDERLY and abs(self._link.measured.current_a) > 5.0:  # noqa: ASYNC110
            await asyncio.sleep(WAIT_S)
        self._link.say("open")


class CableCheck:
    """``CableCheckPort``: the board has the insulation monitor and the supply, and does it alone."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._number = secrets.randbelow(1_000_000)  # not one of this program's last run

    async def run(self, voltage_v: float, insulation_ohm: float) -> bool | str:
        """Ask for the test, and wait for the output to be without voltage again. Only the answer that names
        this test counts: that of the test before may still be on its way. Nor does a result at another
        voltage than the one asked for."""
        self._number += 1
        self._link.say(f"test {self._number} {voltage_v:.2f}")
        ends = {f"{self._number}:{end}" for end in ("done", "failed")}
        while self._link.test not in ends:  # noqa: ASYNC110
            await asyncio.sleep(WAIT_S)
        if self._link.test.endswith("failed"):
            return "the board gave the test up"
        if self._link.highest_v < voltage_v - TEST_TOLERANCE_V:
            return f"{self._link.highest_v:.0f} V at most, {voltage_v:.0f} V asked for"
        measured = self._link.insulation_ohm
        return True if measured >= insulation_ohm else f"{measured:.0f} ohm"


class Meter:
    """``MeterPort``."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def read(self) -> MeterRead:
        """The board counts."""
        return MeterRead("BOARD-1", self._link.charged_wh, at=self._link.measured.at)


class Terminal:
    """``Authorizer``: your card reader or backend."""

    async def authorize(self, evccid: str) -> bool:
        """Everybody may charge at a test bench."""
        return True


class Heartbeat:
    """``HeartbeatPort``: the board opens when this stays away."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def beat(self, count: int) -> None:
        """One line; a toggled pin does as well."""
        self._link.say(f"beat {count}")


class ControlPilot:
    """``BasicSignalling``: the board measures the pilot's states and generates its duty cycle."""

    _PERCENT: ClassVar = {
        Pilot.STEADY: 100.0,
        Pilot.FIVE_PERCENT: 5.0,
        Pilot.STATE_E: -1.0,
        Pilot.STATE_F: -1.0,
    }

    def __init__(self, link: Link) -> None:
        self._link = link

    def listen(self, listener: Callable[[Event], None]) -> None:
        """The present state at once, and every change."""
        self._link.pilot_changed.append(listener)
        listener(SignalChanged(self._link.signal))

    def show(self, action: Action) -> None:
        """What the library wants on the pilot, again and again: it is a level."""
        if isinstance(action, SetPilot):
            self._link.say(f"pilot {self._PERCENT[action.pilot]:.0f}")


def charge(wire: socket.socket, settings: SeccSettings, sessions: int | None) -> int:
    """Serve until ``sessions`` have ended, or a signal comes. Returns how many ended badly."""
    link: Link | None = None
    bad = 0

    def hardware(_sleep: object, _clock: object) -> Station:
        nonlocal link
        link = Link(wire)
        return Station(
            power=Power(link),
            contactors=Contactors(link),
            cable_check=CableCheck(link),
            authorizer=Terminal(),
            meter=Meter(link),
            heartbeat=Heartbeat(link),
        )

    def plug() -> LinkParts:
        # A power-line modem instead: EvseSlac(mac_of("eth1"), settings=...), PacketMedium("eth1").
        if link is None:
            raise RuntimeError("the hardware comes first")
        return LinkParts(link=PlainLink(pilot=True), medium=NoMedium(), signalling=ControlPilot(link))

    def listening(server: SeccServer) -> None:
        if link is not None:
            link.tell = server.tell
        print("charger: listening", flush=True)

    def finished(result: SessionResult) -> None:
        nonlocal bad
        bad += not (result.ended.reason.orderly and result.safe)
        print(
            f"charger: {result.ended.reason.name} {result.ended.detail}, {result.peak_power_kw:.1f} kW at most, "
            f"{'TLS' if result.tls else 'no TLS'}, hardware {'safe' if result.safe else 'NOT SAFE'}",
            flush=True,
        )

    def phase(news: Action) -> None:
        if isinstance(news, PhaseEntered):
            print(f"charger: {news.phase.value}", flush=True)

    tls = None
    if settings.tls.mode != "plaintext":
        # Key, certificate and roots are the files' own: nobody else's key is needed.
        material = read_material(settings.tls, "secc")
        tls = RenewableTls(secc_source(material, None, profile=settings.tls.profile))
    run_station(
        settings.session,
        hardware,
        settings.interface,
        tls,
        sdp_port=settings.sdp_port,
        sessions=sessions,
        listening=listening,
        finished=finished,
        link=plug,
        news=phase,
    )
    return bad


def main() -> int:
    """The command. A file or a certificate that cannot be used is said with the
    key and the way to mend it."""
    path, config, *rest = sys.argv[1:]
    try:
        settings = load_secc(Path(config))
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(path)
            return 1 if charge(wire, settings, int(rest[0]) if rest else None) else 0
    except (V2GError, OSError) as error:
        print(f"charger: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
