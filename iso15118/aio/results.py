"""What remains of a session: how it ended, what it went through, and what flowed.

``Tally`` is kept while it runs, ``SessionResult`` is what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from iso15118.aio.net.ending import StreamEnd
from iso15118.aio.ports.coil_side import NONE_W
from iso15118.messages.values import NO_SESSION
from iso15118.session.actions import EndReason, ScheduleChosen, SessionEnded, VehicleDisplay, VehicleLeaves
from iso15118.session.causes import Cause, cause_of
from iso15118.session.events import HardwareFault, ReceiverMeasured
from iso15118.session.ticket import EvccTicket, SeccTicket
from iso15118.tls import TlsInfo

from .told_result import lines_of_result, summary_of_result

if TYPE_CHECKING:
    from iso15118.aio.net.stream import MessageStream
    from iso15118.aio.ports.hardware import Hardware
    from iso15118.session.events import AcMeasured, InletMeasured, PadMeasured, PowerMeasured

    from .finishing import Session

__all__ = ["LastMessage", "SessionResult", "Tally", "is_loop_answer", "last_message", "let_go", "summed_up"]

_FLOWING_A = 1.0


_ENVELOPE = "V2GMessage"
_LOOP_ANSWERS = frozenset(
    {"DCChargeLoopRes", "ACChargeLoopRes", "WPTChargeLoopRes", "CurrentDemandRes", "ChargingStatusRes"}
)
"""By the names of their classes: so nobody has to load an edition that is not spoken."""


def is_loop_answer(message: Any) -> bool:
    """What a station answers once in a turn of the charge loop, in any edition."""
    name = type(message).__name__
    return (type(message.body.body_element).__name__ if name == _ENVELOPE else name) in _LOOP_ANSWERS


class LastMessage(Struct, frozen=True):
    """One of the last messages before the end."""

    before_s: float
    """So long before the end, in s."""
    sender: str
    """``evcc`` or ``secc``."""
    message: str
    """The name of its class."""
    response_code: str = ""


class SessionResult(Struct, frozen=True, kw_only=True):
    """One session, seen from one end. Times are seconds of the event loop's clock."""

    role: str
    """"secc" or "evcc"."""
    ended: SessionEnded
    states: tuple[str, ...] = ()
    """Every state entered, in order."""
    exchanges: int
    """Answers of the station: sent by the SECC, received by the EVCC."""
    charge_loops: int
    """Those of them that were charge-loop answers."""
    tls: TlsInfo | None = None
    """What TLS agreed on; None on a plain connection."""
    link: StreamEnd | None = None
    """How the connection ended; None while it is still kept for the peer to close it."""
    session_id: bytes = NO_SESSION
    peer: str = ""
    """Address and port of the other side."""
    started: float
    finished: float
    energy_from: float | None = None
    """When more than 1 A flowed for the first time, or without a wire more than
    50 W; None if it never did."""
    transfer_seconds: float = 0.0
    """Time during which as much flowed, either way."""
    peak_power_kw: float = 0.0
    """Greatest measured magnitude, either way; so is the current."""
    peak_current_a: float = 0.0
    maximum_voltage_v: float = 0.0
    charged_wh: float | None = None
    """By the station's meter, from the first reading to the last; None without a meter."""
    discharged_wh: float | None = None
    faults: tuple[HardwareFault, ...] = ()
    """Every fault of the hardware, also what was told of it from outside, those after the end included."""
    safe: bool
    """After the end: current zero and contactors open (vehicle: readiness withdrawn) were carried
    out, nothing that was asked before may still have an effect, and the hardware shows it:
    contactors open, less than 5 A."""
    edition: str = ""
    """What was spoken, by its name in the settings ("iso20", "iso2", "din"); empty
    if nothing was agreed on."""
    evccid: str = ""
    """How the vehicle introduced itself."""
    emaid: str = ""
    """The contract that pays; empty with external identification."""
    contracts_installed: int = 0
    """Vehicle: contracts that it was given in the session."""
    refusals: tuple[str, ...] = ()
    """Human-readable reasons for refused contracts."""
    discovery: tuple[str, ...] = ()
    """What looked wrong when the two found each other, human-readable: an answer without TLS, a second
    station, a vehicle that came without the TLS that it had asked for."""
    display: VehicleDisplay | None = None
    """Station: what the vehicle last let it show."""
    leaving: VehicleLeaves | None = None
    """Station: why the vehicle ended or paused the session, in its own words."""
    error: Exception | None = None
    """What was raised in this software, if that ended the session."""
    schedule: ScheduleChosen | None = None
    """Vehicle: the schedule that it took last, with its profile and what that was to cost."""
    ticket: SeccTicket | EvccTicket | None = None
    """If it was paused, and its hardware is safe: what a later session needs to go on with it."""

    last_messages: tuple[LastMessage, ...] = ()
    """The last five before the end, in order."""

    @property
    def cause(self) -> Cause:
        """Why it ended, as the table of causes has it (docs/causes.md): code, timer,
        requirement, what to try."""
        return cause_of(self.ended.reason, self.ended.cause)

    @property
    def side(self) -> str:
        """Whom the cause points at: ``evcc``, ``secc`` or ``link``. Where to look first, and no verdict."""
        return self.cause.side.of(self.role)

    def summary(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return summary_of_result(self)

    def __str__(self) -> str:
        """The same in ten lines, for people."""
        return "\n".join(lines_of_result(self))


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
        self._see(voltage, current, voltage * current, current > _FLOWING_A, now)

    def alternating(self, values: AcMeasured, now: float) -> None:
        """The same of AC: the greatest voltage and current of a phase, and the power of all."""
        current = max(values.current_a)
        self._see(max(values.voltage_v), current, abs(values.total_w), current > _FLOWING_A, now)

    def wireless(self, values: PadMeasured | ReceiverMeasured, now: float) -> None:
        """The same without a wire: what a pad sends, or a coil gives to the battery; what circles in a coil
        is no current of that kind."""
        output = (values.voltage_v, values.current_a) if isinstance(values, ReceiverMeasured) else (0.0, 0.0)
        self._see(*output, values.power_w, values.power_w > NONE_W, now)

    def _see(self, voltage: float, current: float, power: float, flows: bool, now: float) -> None:
        self.maximum_voltage_v = max(self.maximum_voltage_v, voltage)
        self.peak_current_a = max(self.peak_current_a, current)
        self.peak_power_w = max(self.peak_power_w, power)
        if flows:
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


def summed_up(
    bare: SessionResult,
    session: Session | None,
    hardware: Hardware,
    stream: MessageStream | None,
    tally: Tally,
    remarks: Sequence[str] = (),
    told: Sequence[HardwareFault] = (),
) -> SessionResult:
    """``bare`` with all that session, hardware and connection have to say; ``told``:
    faults that somebody told."""
    energy = hardware.energy
    paused = bare.safe and bare.ended.reason is EndReason.PAUSED
    return msgspec.structs.replace(
        bare,
        states=tuple(session.states) if session is not None else (),
        tls=stream.tls_info if stream is not None else None,
        session_id=session.session_id if session is not None else NO_SESSION,
        peer=stream.peer if stream is not None else "",
        energy_from=tally.began,
        transfer_seconds=tally.transfer_s,
        peak_power_kw=tally.peak_power_w / 1000.0,
        peak_current_a=tally.peak_current_a,
        maximum_voltage_v=tally.maximum_voltage_v,
        charged_wh=energy[0] if energy is not None else None,
        discharged_wh=energy[1] if energy is not None else None,
        faults=(*hardware.faults, *(one for one in told if one not in hardware.faults)),
        evccid=getattr(session, "evccid", ""),
        edition=getattr(session, "edition", ""),
        emaid=getattr(session, "emaid", ""),
        contracts_installed=getattr(session, "installed", 0),
        refusals=getattr(session, "refusals", ()),
        schedule=getattr(session, "schedule", None),
        display=getattr(session, "display", None),
        leaving=getattr(session, "leaving", None),
        ticket=getattr(session, "ticket", None) if paused else None,
        discovery=tuple(remarks),
    )


def last_message(before_s: float, sender: str, message: object) -> LastMessage:
    """What is kept of a message."""
    body = getattr(getattr(message, "body", None), "body_element", None) or message
    code = getattr(body, "response_code", None)
    return LastMessage(before_s, sender, type(body).__name__, "" if code is None else str(code.value))


def let_go(result: SessionResult) -> SessionResult:
    """The result, to be kept for long: an exception in it holds on to no connection, driver or
    session by its traceback."""
    for error in (result.error, result.link.error if result.link is not None else None):
        known: set[int] = set()
        waiting: list[BaseException | None] = [error]
        while waiting:
            one = waiting.pop()
            if one is None or id(one) in known:
                continue
            known.add(id(one))
            one.__traceback__ = None
            waiting += [one.__cause__, one.__context__]
    return result
