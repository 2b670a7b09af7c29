"""Named faults of the wire: what one side sends is dropped, late, doubled or wrong,
or the connection goes away.

Nothing here has a clock or a connection. ``WireFaults`` says what becomes of each message that a side sends;
who carries the octets (the link in memory, a stream over a socket) does it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from iso15118.errors import ConfigError, ExiError
from iso15118.messages import din, iso2
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.session.events import TransportLoss
from iso15118.testing.monitor.reading import name_of
from iso15118.v2gtp import HEADER_LENGTH, PayloadType

__all__ = ["Cut", "Sending", "WireFault", "WireFaultKind", "WireFaults"]

_LONGEST_S: Final = 3600.0
_GREATEST_FACTOR: Final = 100.0
_AGAIN_S: Final = 0.25
"""A vehicle that is stuck asks again after so long."""
_OTHER_ID: Final = bytes.fromhex("F00DF00DF00DF00D")
_TARGETS: Final = frozenset({
    "ev_target_current", "ev_maximum_charge_current", "ev_maximum_charge_power", "ev_target_active_power",
    "evse_present_current", "ev_present_active_power", "evse_maximum_charge_current", "evse_maximum_charge_power",
    "ev_maximum_current_limit", "ev_maximum_power_limit", "evse_maximum_current_limit", "evse_maximum_power_limit",
})  # fmt: skip
"""Currents and powers that one side asks for, measures or allows."""
_PROCESSING: Final = ("evse_processing", "ev_processing")


class Cut(Enum):
    """How a side goes away without a word of its session."""

    FIN = "it closes its direction of the TCP connection"
    RESET = "it resets the TCP connection"
    ALERT = "it sends a fatal TLS alert"
    SILENCE = "it sends nothing more, and the connection stays"

    @property
    def seen_as(self) -> TransportLoss | None:
        """What the other side's session is told; None: nothing."""
        return _SEEN_AS[self]


_SEEN_AS: Final = {
    Cut.FIN: TransportLoss.CLOSED,
    Cut.RESET: TransportLoss.RESET,
    Cut.ALERT: TransportLoss.TLS_ALERT,
    Cut.SILENCE: None,
}


class WireFaultKind(Enum):
    """What becomes of a message; the values are the names used in scenario files."""

    DROP = "drop"
    """It is not sent."""
    DELAY = "delay"
    """It is sent so many seconds later, and what follows after it."""
    DUPLICATE = "duplicate"
    """It is sent twice."""
    WRONG_SESSION_ID = "wrong-session-id"
    """Its header has the id of another session."""
    WRONG_SEQUENCE = "wrong-sequence"
    """Another message that this side has sent before is sent in its place."""
    TRUNCATED_EXI = "truncated-exi"
    """Half of its EXI stream is sent, in a frame that fits that."""
    WRONG_PAYLOAD_TYPE = "wrong-payload-type"
    """Its V2GTP header names another payload type."""
    STUCK_ONGOING = "stuck-ongoing"
    """It says Ongoing where it would say Finished, and again whenever the peer has answered, or asked again:
    the session of this side hears of that no more."""
    LIMITS_IGNORED = "limits-ignored"
    """Currents and powers in it are so many times what they should be."""
    FIN = "fin"
    RESET = "reset"
    ALERT = "alert"
    SILENCE = "silence"
    """These four: the side goes away instead of sending it, see ``Cut``."""

    @property
    def cut(self) -> Cut | None:
        """How the side goes away; None: it stays."""
        return Cut.__members__.get(self.name)


class Sending(Struct, frozen=True):
    """Octets to be sent, ``delay_s`` seconds later than they would have been."""

    data: bytes
    delay_s: float = 0.0


class WireFault(Struct, frozen=True, kw_only=True):
    """A fault of the messages named ``message`` (None: of all), from the ``nth`` of them on,
    ``times`` times (None: for ever).

    Names are the standard's without underscores, as in ``secc_states`` (``DCChargeLoopReq``,
    ``CurrentDemandRes``). A message that the fault cannot befall, as one without EVSEProcessing cannot be
    Ongoing, does not count. Raises ``ConfigError`` for what is no fault.
    """

    kind: WireFaultKind
    message: str | None = None
    nth: int = 1
    times: int | None = 1
    delay_s: float = 0.0
    """For ``DELAY``, in s."""
    factor: float = 2.0
    """For ``LIMITS_IGNORED``."""

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise ConfigError("nth", f"{self.nth} is no number of a message", "1 for the first one")
        if self.times is not None and self.times < 1:
            raise ConfigError("times", f"{self.times} times is no fault", "1 or more, or none for ever")
        if not 0.0 <= self.delay_s <= _LONGEST_S:
            raise ConfigError("delay_s", f"{self.delay_s!r} is out of range", f"0 to {_LONGEST_S:g} s")
        if self.kind is WireFaultKind.DELAY and self.delay_s == 0.0:
            raise ConfigError("delay_s", "a delay needs a time", "so many seconds")
        if not (math.isfinite(self.factor) and 0.0 < self.factor <= _GREATEST_FACTOR):
            raise ConfigError("factor", f"{self.factor!r} is out of range", f"up to {_GREATEST_FACTOR:g}")


class WireFaults:
    """The faults in force for what one side sends."""

    def __init__(self) -> None:
        self.done: list[str] = []
        """What has befallen which message, in order: "drop DCChargeLoopReq"."""
        self.silent = False
        """Nothing more is sent."""
        self._armed: list[_Armed] = []
        self._stuck: dict[str, bytes] = {}
        """By the name of what the peer says: what it is told again."""
        self._sent: dict[str, bytes] = {}

    def add(self, fault: WireFault) -> None:
        """From the next message on."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """What is sent is what was meant, from now on."""
        self._armed.clear()
        self._stuck.clear()

    @property
    def idle(self) -> list[WireFault]:
        """Faults in force that have befallen nothing so far."""
        return [armed.fault for armed in self._armed if armed.idle]

    def go_silent(self) -> None:
        """Nothing more is sent."""
        self.silent = True

    def sent(self, message: Any, encode: Callable[[Any], bytes]) -> list[Sending | Cut]:
        """What is to be done in place of sending ``message``, which ``encode`` writes as a frame."""
        if self.silent:
            return []
        name = name_of(message)
        for armed in self._armed:
            if armed.befalls(name) and (done := self._befall(armed.fault, name, message, encode)) is not None:
                self.done.append(f"{armed.fault.kind.value} {name}")
                if armed.used():
                    self._armed.remove(armed)
                return done
        data = encode(message)
        self._sent[name] = data
        return [Sending(data)]

    def received(self, message: Any) -> Sending | None:
        """What the peer has sent to this side: what is answered in place of this side's session;
        None: the session hears it."""
        data = self._stuck.get(name_of(message)) if self._stuck else None
        if data is None or self.silent:
            return None
        return Sending(data, _AGAIN_S if name_of(message).endswith("Res") else 0.0)

    def _befall(
        self, fault: WireFault, name: str, message: Any, encode: Callable[[Any], bytes]
    ) -> list[Sending | Cut] | None:
        """None: it cannot befall this message."""
        kind = fault.kind
        if kind.cut is not None:
            self.silent = True
            return [kind.cut]
        if kind is WireFaultKind.DROP:
            return []
        if kind is WireFaultKind.WRONG_SEQUENCE:
            earlier = [data for other, data in self._sent.items() if other != name]
            return [Sending(earlier[-1])] if earlier else None
        changed = _CHANGES[kind](message, fault) if kind in _CHANGES else message
        if changed is None:
            return None
        try:
            data = encode(changed)
        except ExiError:  # a factor that leaves the type
            return None
        self._sent[name] = data
        if kind is WireFaultKind.STUCK_ONGOING:
            self._stuck[name[:-3] + ("Req" if name.endswith("Res") else "Res")] = data
        if kind is WireFaultKind.DUPLICATE:
            return [Sending(data), Sending(data)]
        if kind is WireFaultKind.DELAY:
            return [Sending(data, fault.delay_s)]
        if kind is WireFaultKind.TRUNCATED_EXI:
            return [
                Sending(_framed(data, data[HEADER_LENGTH : HEADER_LENGTH + (len(data) - HEADER_LENGTH) // 2]))
            ]
        if kind is WireFaultKind.WRONG_PAYLOAD_TYPE:
            said = int.from_bytes(data[2:4], "big")
            other = PayloadType.ISO20_MAIN if said == PayloadType.SAP else PayloadType.SAP
            return [Sending(data[:2] + int(other).to_bytes(2, "big") + data[4:])]
        return [Sending(data)]


class _Armed:
    def __init__(self, fault: WireFault) -> None:
        self.fault = fault
        self._seen = 0
        self._left = fault.times
        self.idle = True

    def befalls(self, name: str) -> bool:
        """Counts the messages that it is about."""
        if self.fault.message not in (None, name):
            return False
        self._seen += 1
        return self._seen >= self.fault.nth

    def used(self) -> bool:
        """It has befallen one; whether that was the last."""
        self.idle = False
        if self._left is None:
            return False
        self._left -= 1
        return self._left == 0


def _framed(header: bytes, payload: bytes) -> bytes:
    return header[:4] + len(payload).to_bytes(4, "big") + payload


def _enveloped(message: Any) -> bool:
    return isinstance(message, iso2.V2GMessage | din.V2GMessage)


def _other_session(message: Any, fault: WireFault) -> Any:
    header = getattr(message, "header", None)
    if header is None:  # supportedAppProtocol
        return None
    # An id that looks like one of its kind: as long as that of the session.
    return replace(message, header=replace(header, session_id=_OTHER_ID))


def _in_body(message: Any, change: Callable[[Any], Any]) -> Any:
    """``message`` with its content changed, wherever that stands; None where nothing changes."""
    if not _enveloped(message):
        return change(message)
    content = change(message.body.body_element)
    return None if content is None else replace(message, body=replace(message.body, body_element=content))


def _ongoing(message: Any, fault: WireFault) -> Any:
    def change(content: Any) -> Any:
        for field in _PROCESSING:
            said = getattr(content, field, None)
            if said is not None and said.name != "Ongoing" and "Ongoing" in type(said).__members__:
                return replace(content, **{field: type(said)["Ongoing"]})
        return None

    return _in_body(message, change)


def _excessive(message: Any, fault: WireFault) -> Any:
    return _in_body(message, lambda content: _scaled(content, fault.factor))


def _scaled(part: Any, factor: float) -> Any:
    """``part`` with its currents and powers multiplied, at any depth; None where there are none."""
    changed: dict[str, Any] = {}
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        if field.name in _TARGETS and isinstance(
            value, RationalNumber | iso2.PhysicalValue | din.PhysicalValue
        ):
            changed[field.name] = replace(value, value=round(value.value * factor))
        elif (
            isinstance(value, Struct)
            and field.name != "header"
            and (inner := _scaled(value, factor)) is not None
        ):
            changed[field.name] = inner
    return replace(part, **changed) if changed else None


_CHANGES: Final[dict[WireFaultKind, Callable[[Any, WireFault], Any]]] = {
    WireFaultKind.WRONG_SESSION_ID: _other_session,
    WireFaultKind.STUCK_ONGOING: _ongoing,
    WireFaultKind.LIMITS_IGNORED: _excessive,
}
