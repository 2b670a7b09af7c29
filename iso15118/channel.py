"""Typed messages in and out of the bytes of a connection: V2GTP frames on one side, EXI messages on the
other.

Which schema reads a frame is decided by the negotiated edition and the frame's payload type, never by trying.
This module knows no session, no socket and no order of messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Protocol

from msgspec import Struct

from . import exi
from .errors import ExiError, MisuseError
from .v2gtp import (
    PAYLOAD_CAPS,
    SAP_CAP,
    SIDE_STREAMS,
    FrameReader,
    PayloadType,
    SkippedFrame,
    encode_frame,
    payload_type_name,
)

__all__ = ["EDITIONS", "Codec", "Item", "MessageChannel", "Received", "Skipped", "Stream", "Undecodable"]


class Received(Struct, frozen=True):
    """A message of the peer, with the payload it was read from. ``notes`` names what the peer does not do by
    the specification and was tolerated ("trailing-octets: 1")."""

    message: Any
    payload_type: int
    payload: bytes
    notes: tuple[str, ...] = ()

    @property
    def beside(self) -> bool:
        """It came on a stream of its own, beside the main conversation."""
        return self.payload_type in SIDE_STREAMS


class Undecodable(Struct, frozen=True):
    """A frame of an accepted payload type that is no message of its schema; ``error`` says where it went
    wrong."""

    error: ExiError
    payload_type: int
    payload: bytes


class Skipped(Struct, frozen=True):
    """A frame that nobody here reads: its payload type is unknown, or has no place in this edition
    [V2G2-800]."""

    payload_type: int
    length: int

    @property
    def reason(self) -> str:
        """For people."""
        what = payload_type_name(self.payload_type)
        text = f"{self.length} bytes of payload type {what} have no place in this protocol and were dropped [V2G2-800]"
        if self.payload_type == PayloadType.SAP:
            # Seen with vehicles that came before the final text of -20.
            text += "; in 0x8001 are supportedAppProtocol, DIN 70121 and ISO 15118-2, in 0x8002 and above is ISO 15118-20"
        return text


Item = Received | Undecodable | Skipped
"""What comes out of a channel: a message, octets that are none, or a frame that was passed over."""


_MESSAGES: Final = "iso15118.messages"
"""Where the modules of message classes are."""


class Guest(Struct, frozen=True):
    """An exchange of another schema set on a stream: ``roots`` are the event codes of its two documents, the
    first 6 bits after the EXI header, which no message of the stream's own set has that belongs there."""

    schema: str
    module: str
    exchange: str
    roots: tuple[int, int]

    @property
    def messages(self) -> ModuleType:
        """Where its message classes are."""
        return import_module(f"{_MESSAGES}.{self.module}")


class Stream(Struct, frozen=True):
    """One payload type of an edition: the schema set that reads it, where its message classes are and how
    long it may be (bytes). ``beside``: it is a stream of its own for the exchanges named there, beside the
    main one; ``guest``: and for one of another schema set."""

    payload_type: PayloadType
    schema: str
    module: str
    """Where its message classes are; loaded with the first channel that speaks the edition."""
    cap: int
    beside: tuple[str, ...] = ()
    guest: Guest | None = None

    @property
    def messages(self) -> ModuleType:
        """The module itself."""
        return import_module(f"{_MESSAGES}.{self.module}")

    @property
    def shared(self) -> bool:
        """Its exchanges run on the main stream as well: whoever sends one says where."""
        return self.payload_type is PayloadType.SCHEDULE_RENEGOTIATION

    @property
    def message_types(self) -> list[type]:
        """The requests and responses that travel on it; other classes of the module are parts of them."""
        if "V2GMessage" in self.messages.__all__:
            return [self.messages.V2GMessage]
        names = (name for name in self.messages.__all__ if name.endswith(("Req", "Res")))
        if self.beside:
            found = [getattr(self.messages, name) for name in names if name[:-3] in self.beside]
            if self.guest is not None:
                both = f"{self.guest.exchange}Req", f"{self.guest.exchange}Res"
                found += [getattr(self.guest.messages, name) for name in both]
            return found
        return [getattr(self.messages, name) for name in names if name[:-3] not in _BESIDE]


def _stream(
    payload_type: PayloadType,
    schema: str,
    module: str,
    cap: int | None = None,
    beside: tuple[str, ...] = (),
    guest: Guest | None = None,
) -> Stream:
    most = PAYLOAD_CAPS[payload_type] if cap is None else cap
    return Stream(payload_type, schema, module, most, beside, guest)


_COMMON: Final = "iso20.common_messages"


def _iso20(
    payload_type: PayloadType, schema: str, module: str, guest: Guest | None = None
) -> tuple[Stream, ...]:
    """The common messages, those of one family, and beside its loop the metering confirmation, check-in and
    check-out, and the schedule renegotiation, where ``guest`` are its charge parameters."""
    return (
        _stream(PayloadType.ISO20_MAIN, "iso20-common", _COMMON),
        _stream(payload_type, schema, module),
        _stream(
            PayloadType.METERING_CONFIRMATION,
            "iso20-common",
            _COMMON,
            beside=("MeteringConfirmation",),
        ),
        _stream(
            PayloadType.PARKING_STATUS,
            "iso20-common",
            _COMMON,
            beside=("VehicleCheckIn", "VehicleCheckOut"),
        ),
        _stream(
            PayloadType.SCHEDULE_RENEGOTIATION,
            "iso20-common",
            _COMMON,
            beside=("PowerDelivery", "ScheduleExchange"),
            guest=guest,
        ),
    )


_BESIDE: Final = frozenset({"MeteringConfirmation", "VehicleCheckIn", "VehicleCheckOut", "ACDPSystemStatus"})
"""Exchanges that run on a stream of their own only, beside the main one."""

_AC_PARAMETERS: Final = Guest("iso20-ac", "iso20.ac", "ACChargeParameterDiscovery", (4, 5))
_IEC_PARAMETERS: Final = Guest("iso20-ac-der-iec", "iso20.ac", "ACChargeParameterDiscovery", (4, 5))
_SAE_PARAMETERS: Final = Guest("iso20-ac-der-sae", "iso20.ac", "ACChargeParameterDiscovery", (4, 5))
_DC_PARAMETERS: Final = Guest("iso20-dc", "iso20.dc", "DCChargeParameterDiscovery", (15, 16))
_WPT_PARAMETERS: Final = Guest("iso20-wpt", "iso20.wpt", "WPTChargeParameterDiscovery", (29, 30))
_HEADER_AND_CODE: Final = 2
"""Octets: the EXI header, and the one that the code of the document stands in."""

_MOST_SKIPPED: Final = 256
"""Messages in a row that nobody reads. They are to be ignored [V2G2-800], but each costs time of a loop that
other sessions share, and the smallest are 8 octets: a peer that sends nothing else is no peer."""

NEGOTIATION: Final = "app"

EDITIONS: Final[Mapping[str, tuple[Stream, ...]]] = {
    # Until supportedAppProtocol has chosen there is nothing else, and nothing long.
    NEGOTIATION: (_stream(PayloadType.SAP, "app", "app", SAP_CAP),),
    "iso20-ac": _iso20(PayloadType.ISO20_AC, "iso20-ac", "iso20.ac", _AC_PARAMETERS),
    "iso20-dc": _iso20(PayloadType.ISO20_DC, "iso20-dc", "iso20.dc", _DC_PARAMETERS),
    # A pantograph's session has the messages of the device, and those of DC for the power.
    "iso20-acdp": (
        *_iso20(PayloadType.ISO20_ACDP, "iso20-acdp", "iso20.acdp", _DC_PARAMETERS),
        _stream(PayloadType.ISO20_DC, "iso20-dc", "iso20.dc"),
        _stream(PayloadType.ACDP_SYSTEM_STATUS, "iso20-acdp", "iso20.acdp", beside=("ACDPSystemStatus",)),
    ),
    "iso20-wpt": _iso20(PayloadType.ISO20_WPT, "iso20-wpt", "iso20.wpt", _WPT_PARAMETERS),
    # The messages are those of AC; their elements, and with them all event codes, are not.
    "iso20-ac-der-iec": _iso20(PayloadType.ISO20_AC_DER_IEC, "iso20-ac-der-iec", "iso20.ac", _IEC_PARAMETERS),
    "iso20-ac-der-sae": _iso20(PayloadType.ISO20_AC_DER_SAE, "iso20-ac-der-sae", "iso20.ac", _SAE_PARAMETERS),
    # One document element for all: what is said stands in its body.
    "iso2": (_stream(PayloadType.SAP, "iso2", "iso2"),),
    "din": (_stream(PayloadType.SAP, "din", "din"),),
}
"""The payload types of each edition, by the name of the schema set that supportedAppProtocol chooses."""


_SHARED: Final = int(PayloadType.SCHEDULE_RENEGOTIATION)


def _schema_of(stream: Stream, message_type: type) -> str:
    guest = stream.guest
    is_guest = guest is not None and message_type.__module__ == guest.messages.__name__
    return guest.schema if guest is not None and is_guest else stream.schema


class _Spoken(Struct, frozen=True):
    """The streams of an edition, as a channel asks for them."""

    schemas: Mapping[int, str]
    """Payload type -> schema set."""
    messages: Mapping[type, tuple[int, str]]
    """Message class -> payload type and schema set; ``beside``: the same on the stream of
    a schedule renegotiation."""
    beside: Mapping[type, tuple[int, str]]
    guest: Guest | None
    caps: Mapping[int, int]


@cache
def _spoken(edition: str) -> _Spoken:
    """Put together once: every connection asks twice."""
    streams = EDITIONS[edition]
    return _Spoken(
        schemas={int(stream.payload_type): stream.schema for stream in streams},
        messages={
            message_type: (int(stream.payload_type), stream.schema)
            for stream in streams
            for message_type in stream.message_types
            if not stream.shared
        },
        beside={
            message_type: (int(stream.payload_type), _schema_of(stream, message_type))
            for stream in streams
            for message_type in stream.message_types
            if stream.shared
        },
        guest=next((stream.guest for stream in streams if stream.guest is not None), None),
        caps={int(stream.payload_type): stream.cap for stream in streams},
    )


class Codec(Protocol):
    """What reads and writes EXI: ``iso15118.exi``, or something that stands in for it."""

    def decode_with_notes(self, schema: str, data: bytes) -> tuple[Any, list[str]]:
        """The message in ``data`` and the deviations tolerated; ``ExiError`` if there is none."""

    def encode(self, schema: str, message: Any) -> bytes:
        """The bytes of ``message``; ``ExiError`` if the schema does not allow it."""


def _only_keys(schema: str, message: Any) -> bool:
    """Nothing of the message is too long but keys that are judged by their length when they are used."""
    from iso15118.exi.key_lengths import at_schema_lengths

    whole = at_schema_lengths(schema, message)
    if whole is None:
        return False
    try:
        exi.encode(schema, whole)
    except ExiError:
        return False
    return True


def _has_all(schema: str, message: Any) -> bool:
    """What stood empty in its abstract form may be left out."""
    from iso15118.exi.left_out import has_all

    return has_all(schema, message)


class MessageChannel:
    """One end of a connection, above the transport. It begins with supportedAppProtocol; ``select`` switches
    to the edition chosen."""

    __slots__ = (
        "_beside",
        "_decode",
        "_edition",
        "_encode",
        "_guest",
        "_messages",
        "_one_by_one",
        "_reader",
        "_schemas",
    )

    def __init__(self, codec: Codec = exi) -> None:
        self._decode = codec.decode_with_notes
        self._encode = codec.encode
        self._reader = FrameReader(most_skipped=_MOST_SKIPPED)
        self.select(NEGOTIATION)

    @property
    def edition(self) -> str:
        """What the channel speaks now, a key of ``EDITIONS``."""
        return self._edition

    def select(self, edition: str) -> None:
        """Speak this edition from the next frame on, in both directions: send the answer to the negotiation
        first.

        Raises ``MisuseError`` for an edition that there is not.
        """
        if edition not in EDITIONS:
            raise MisuseError(f"there is no edition {edition!r}, only {', '.join(EDITIONS)}")
        self._edition = edition
        self._one_by_one = edition == NEGOTIATION
        spoken = _spoken(edition)
        self._schemas, self._messages, self._beside = spoken.schemas, spoken.messages, spoken.beside
        self._guest, self._reader.caps = spoken.guest, spoken.caps

    @property
    def more(self) -> bool:
        """There may be more to be had from what was taken in already: call ``receive_data(b"")``."""
        return self._reader.more

    def receive_data(self, data: bytes) -> list[Item]:
        """What ``data`` completes, in order. Call again with ``b""`` while ``more``, after dealing with what
        came.

        During the negotiation it is one at a time, because the first may change how the second is to be read.
        Raises ``FrameError`` when the stream is lost; whatever came before it has been returned by then.
        """
        one = self._reader.whole(data)
        if one is not None:
            return [self._item(*one)]
        return [
            Skipped(frame.payload_type, frame.length)
            if isinstance(frame, SkippedFrame)
            else self._item(frame.payload_type, frame.payload)
            for frame in self._reader.receive_data(data, 1 if self._one_by_one else None)
        ]

    def _item(self, payload_type: int, payload: bytes) -> Item:
        """What this payload of an accepted type is."""
        schema, entries = self._schemas[payload_type], self._messages
        if payload_type == _SHARED:
            entries, schema = self._beside, self._schema_beside(payload, schema)
        try:
            message, notes = self._decode(schema, payload)
        except ExiError as error:
            return Undecodable(error, payload_type, payload)
        entry = entries.get(type(message))
        if notes and any(note.startswith("long") for note in notes) and not _only_keys(schema, message):
            # Tools may want to read it all the same; a session relies on the lengths of its schema.
            what, expected = "a value is longer than its type", ""
        elif (
            notes
            and any(note.startswith("empty-abstract") for note in notes)
            and not _has_all(schema, message)
        ):
            what, expected = "an element that has to be there stands empty in its abstract form", ""
        elif entry is None or entry[0] != payload_type:
            # The schema set has more roots than messages: a signature alone is a well-formed document.
            what, expected = "the root is no message", "a request or a response"
        else:
            return Received(message, payload_type, payload, tuple(notes) if notes else ())
        wrong = ExiError(what, schema=schema, path=type(message).__name__, expected=expected)
        return Undecodable(wrong, payload_type, payload)

    def _schema_beside(self, payload: bytes, schema: str) -> str:
        """The payload type does not name the schema set here, but the code of the document tells the charge
        parameters of a family from the common messages."""
        guest = self._guest
        if guest is None or len(payload) < _HEADER_AND_CODE or payload[1] >> 2 not in guest.roots:
            return schema
        return guest.schema

    def encode(self, message: Any, *, beside: bool = False) -> bytes:
        """The bytes that carry ``message``; ``beside``: on the stream of a schedule renegotiation beside the
        charge loop, if it is a message that runs there too.

        Raises ``MisuseError`` for something that is no message of the edition, ``ExiError`` for one that its
        schema does not allow.
        """
        entry = self._beside.get(type(message)) if beside else None
        entry = entry or self._messages.get(type(message))
        if entry is None:
            raise MisuseError(f"{type(message).__name__} is no message of {self._edition}")
        payload_type, schema = entry
        return encode_frame(payload_type, self._encode(schema, message))
