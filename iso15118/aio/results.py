"""What remains of a session: how it ended, what it went through, and what flowed.

``Tally`` is kept while it runs, ``SessionResult`` is what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from iso15118.session.actions import SessionEnded
from iso15118.session.events import HardwareFault
from iso15118.tls import TlsInfo

from .link import StreamEnd

if TYPE_CHECKING:
    from iso15118.session.events import InletMeasured, PowerMeasured
    from iso15118.session.ticket import EvccTicket, SeccTicket

__all__ = ["SessionResult", "Tally"]

_FLOWING_A = 1.0


class SessionResult(Struct, frozen=True, kw_only=True):
    """One session, seen from one end. Times are seconds of the event loop's clock."""

    role: str
    """"secc" or "evcc"."""
    ended: SessionEnded
    states: tuple[str, ...]
    """Every state entered, in order."""
    exchanges: int
    """Answers of the station: sent by the SECC, received by the EVCC."""
    charge_loops: int
    """Those of them that were charge-loop answers."""
    tls: TlsInfo | None
    """What TLS agreed on; None on a plain connection."""
    link: StreamEnd | None
    """How the connection ended; None while it is still kept for the peer to close it."""
    session_id: bytes
    peer: str
    """Address and port of the other side."""
    started: float
    finished: float
    energy_from: float | None
    """When more than 1 A flowed for the first time; None if it never did."""
    transfer_seconds: float
    """Time during which more than 1 A flowed, either way."""
    peak_power_kw: float
    """Greatest measured magnitude, either way; so is the current."""
    peak_current_a: float
    maximum_voltage_v: float
    charged_wh: float | None
    """By the station's meter, from the first reading to the last; None without a meter."""
    discharged_wh: float | None
    faults: tuple[HardwareFault, ...]
    """Every fault of the hardware, those after the end included."""
    safe: bool
    """After the end: current zero and contactors open were carried out, and the contactors show it."""
    evccid: str = ""
    """How the vehicle introduced itself."""
    emaid: str = ""
    """The contract that pays; empty with external identification."""
    contracts_installed: int = 0
    """Vehicle: contracts that it was given in the session."""
    refusals: tuple[str, ...] = ()
    """Why contracts were refused, for people."""
    error: Exception | None = None
    """What was raised in this software, if that ended the session."""
    ticket: SeccTicket | EvccTicket | None = None
    """If it was paused, and its hardware is safe: what a later session needs to go on with it."""


class Tally:
    """Counts and extremes of a session that runs."""

    __slots__ = (
        "_flowing_since",
        "began",
        "charge_loops",
        "exchanges",
        "maximum_voltage_v",
        "peak_current_a",
        "peak_power_w",
        "transfer_s",
    )

    def __init__(self) -> None:
        self.exchanges = 0
        self.charge_loops = 0
        self.transfer_s = 0.0
        self.peak_power_w = 0.0
        self.peak_current_a = 0.0
        self.maximum_voltage_v = 0.0
        self.began: float | None = None
        """When something flowed for the first time."""
        self._flowing_since: float | None = None

    def measured(self, values: PowerMeasured | InletMeasured, now: float) -> None:
        """Present values at ``now``."""
        voltage, current = values.voltage_v, abs(values.current_a)
        if voltage > self.maximum_voltage_v:
            self.maximum_voltage_v = voltage
        if current > self.peak_current_a:
            self.peak_current_a = current
        if voltage * current > self.peak_power_w:
            self.peak_power_w = voltage * current
        if current > _FLOWING_A:
            if self._flowing_since is None:
                self._flowing_since = now
                if self.began is None:
                    self.began = now
        elif self._flowing_since is not None:
            self.transfer_s += now - self._flowing_since
            self._flowing_since = None

    def over(self, now: float) -> None:
        """Nothing flows any more."""
        if self._flowing_since is not None:
            self.transfer_s += now - self._flowing_since
            self._flowing_since = None
