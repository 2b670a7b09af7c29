"""V2GTP, the framing of everything between car and charger: an eight-byte header, then one message.

Frames in and out of bytes, in any segmentation. This module knows payload types and how long each may be; it
knows nothing of EXI, of discovery messages or of sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from struct import Struct as Layout
from struct import error as LayoutError  # noqa: N812 - it is a class
from typing import Final

from msgspec import Struct

from .errors import FrameError, MisuseError

__all__ = [
    "HEADER_LENGTH",
    "PAYLOAD_CAPS",
    "SAP_CAP",
    "SIDE_STREAMS",
    "SKIP_CAP",
    "Frame",
    "FrameReader",
    "PayloadType",
    "SkippedFrame",
    "encode_frame",
    "payload_type_name",
]


class PayloadType(IntEnum):
    """Payload types of the V2GTP header. 0xA000 to 0xFFFF are for manufacturers, whatever else is missing
    here is reserved."""

    SAP = 0x8001
    """supportedAppProtocol in every protocol, and every message of DIN 70121 and ISO 15118-2."""
    ISO20_MAIN = 0x8002
    ISO20_AC = 0x8003
    ISO20_DC = 0x8004
    """DC, DC_BPT, MCS and MCS_BPT."""
    ISO20_ACDP = 0x8005
    ISO20_WPT = 0x8006
    # The two values of Amendment 1 are known from one implementation only, hence unsettled.
    ISO20_AC_DER_IEC = 0x8010
    ISO20_AC_DER_SAE = 0x8011
    SCHEDULE_RENEGOTIATION = 0x8101
    """Side stream beside a running charge loop, like the three that follow."""
    METERING_CONFIRMATION = 0x8102
    ACDP_SYSTEM_STATUS = 0x8103
    PARKING_STATUS = 0x8104
    SDP_REQUEST = 0x9000
    SDP_RESPONSE = 0x9001
    SDP_REQUEST_WIRELESS = 0x9002
    SDP_RESPONSE_WIRELESS = 0x9003
    # Seen in one protocol analyser only, hence unsettled; named so that a refusal can name them.
    SDP_REQUEST_EMSP = 0x9004
    SDP_RESPONSE_EMSP = 0x9005


SIDE_STREAMS: Final = frozenset(
    {
        PayloadType.SCHEDULE_RENEGOTIATION,
        PayloadType.METERING_CONFIRMATION,
        PayloadType.ACDP_SYSTEM_STATUS,
        PayloadType.PARKING_STATUS,
    }
)
"""Payload types of conversations that run beside the main one of ISO 15118-20, each strictly
request and response by itself."""

HEADER_LENGTH: Final = 8
"""Octets of the header."""
VERSION: Final = 0x01
"""First octet of the header."""
INVERSE_VERSION: Final = 0xFE
"""Second octet: the first one inverted."""
_VERSION_PAIR: Final = VERSION << 8 | INVERSE_VERSION

_header = Layout(">HHI")  # version and its inverse as one number, payload type, payload length
_pack, _unpack_from = _header.pack, _header.unpack_from

_KIB: Final = 1024

SAP_CAP: Final = 8 * _KIB
"""Longest payload of 0x8001 before a protocol is chosen, in bytes: 20 entries, each a namespace of 100
characters and four numbers."""

PAYLOAD_CAPS: Final[Mapping[int, int]] = {
    # The longest message of -2 and DIN is a ChargeParameterDiscoveryRes with three schedules of 1024 entries
    # and their tariffs.
    PayloadType.SAP: 128 * _KIB,
    # A ScheduleExchangeRes may hold three tuples with 1024 power entries each way; certificate chains (4 x
    # 1600 bytes) are far shorter.
    PayloadType.ISO20_MAIN: 256 * _KIB,
    # Parameters and loop messages: limits, meter values, one receipt, at most one signature in the header.
    PayloadType.ISO20_AC: 16 * _KIB,
    PayloadType.ISO20_DC: 16 * _KIB,
    PayloadType.ISO20_ACDP: 16 * _KIB,
    # Fine positioning lists up to 255 sensors, twice, and their pulse order.
    PayloadType.ISO20_WPT: 64 * _KIB,
    # Grid codes: a dozen functions, each with its curve.
    PayloadType.ISO20_AC_DER_IEC: 64 * _KIB,
    PayloadType.ISO20_AC_DER_SAE: 64 * _KIB,
    # The same ScheduleExchange as on the main stream.
    PayloadType.SCHEDULE_RENEGOTIATION: 256 * _KIB,
    # One signed meter reading.
    PayloadType.METERING_CONFIRMATION: 16 * _KIB,
    PayloadType.ACDP_SYSTEM_STATUS: 16 * _KIB,
    PayloadType.PARKING_STATUS: 16 * _KIB,
}
"""Longest payload that is accepted for each type on a stream, in bytes. Discovery has fixed lengths of its
own and never runs on a stream.

The schemas allow more (1024 price rules of eight prices each), at the price of megabytes of one peer's memory
in the other; nobody sends that. A ``FrameReader`` takes another table where somebody does.
"""

SKIP_CAP: Final = 256 * _KIB
"""Longest payload of a type that is not accepted which is waited for and dropped, in bytes: as long as the
longest message we know."""


class Frame(Struct, frozen=True):
    """One complete V2GTP message: its payload type (a ``PayloadType`` or another 16-bit number) and its
    payload."""

    payload_type: int
    payload: bytes


class SkippedFrame(Struct, frozen=True):
    """A message of a payload type that is not accepted here: its payload of ``length`` bytes is dropped
    unread [V2G2-800].

    Reported as soon as the header is complete.
    """

    payload_type: int
    length: int


def payload_type_name(payload_type: int) -> str:
    """The payload type for people: ``"0x8004 (ISO20_DC)"``, ``"0xA000 (manufacturer)"``, ``"0x8FFF
    (reserved)"``."""
    try:
        name = PayloadType(payload_type).name
    except ValueError:
        name = "manufacturer" if payload_type >= 0xA000 else "reserved"
    return f"0x{payload_type:04X} ({name})"


def encode_frame(payload_type: int, payload: bytes) -> bytes:
    """The V2GTP message for this payload.

    Raises ``MisuseError`` for a type that is no 16-bit number and for a payload that no header can announce.
    """
    try:
        return _pack(_VERSION_PAIR, payload_type, len(payload)) + payload
    except LayoutError:  # the layout has 16 and 32 bits for the two
        if 0 <= payload_type <= 0xFFFF:
            raise MisuseError(
                f"a payload of {len(payload)} bytes does not fit into a V2GTP message"
            ) from None
        raise MisuseError(f"{payload_type} is no V2GTP payload type: it has 16 bits") from None


class FrameReader:
    """Takes the bytes of a stream as they come and gives the messages in them.

    ``caps`` says which payload types are accepted and how long each may be; it may be replaced between two
    calls. Everything else is skipped up to ``skip_cap`` bytes, and for ``most_skipped`` messages in a row
    (None: any number). Of a message not yet complete at most its cap is held in memory.
    """

    __slots__ = ("_between", "_broken", "_buffer", "_skipped", "_to_skip", "caps", "most_skipped", "skip_cap")

    def __init__(
        self,
        caps: Mapping[int, int] = PAYLOAD_CAPS,
        *,
        skip_cap: int = SKIP_CAP,
        most_skipped: int | None = None,
    ) -> None:
        self.caps = caps
        self.skip_cap = skip_cap
        self.most_skipped = most_skipped
        self._skipped = 0
        self._buffer = bytearray()
        self._to_skip = 0
        self._broken: FrameError | None = None
        self._between = True
        """Nothing is left over: what comes next begins with a header."""

    @property
    def buffered(self) -> int:
        """Bytes taken in that belong to a message not yet given out."""
        return len(self._buffer)

    @property
    def more(self) -> bool:
        """``receive_data(b"")`` may give something, or raise: bytes are left after a limit, or an error was
        held back."""
        return bool(self._buffer) or self._broken is not None

    def receive_data(self, data: bytes, limit: int | None = None) -> list[Frame | SkippedFrame]:
        """The messages that ``data`` completes, in order: at most ``limit`` if given, the rest stay for a
        call with ``b""``.

        Raises ``FrameError`` for a header that is none, a length over its cap, and too many skipped messages
        in a row. The stream is lost then:
        nothing behind that header can be found again, and every later call raises the same. Messages before
        it are returned first, the next call raises.
        """
        if limit != 0 and (one := self.whole(data)) is not None:
            return [Frame(*one)]
        try:
            return self._receive_any(data, limit)
        finally:
            self._between = not self._buffer and not self._to_skip and self._broken is None

    def whole(self, data: bytes) -> tuple[int, bytes] | None:
        """Payload type and payload, if ``data`` is exactly one message that is accepted, and nothing is left
        over from before: as almost always, and without a copy through the buffer. It is taken then. None says
        nothing, and nothing was taken."""
        if self._between and len(data) >= HEADER_LENGTH:
            version, payload_type, length = _unpack_from(data)
            if (
                version == _VERSION_PAIR
                and length == len(data) - HEADER_LENGTH
                and length <= self.caps.get(payload_type, -1)
            ):
                self._skipped = 0
                return payload_type, data[HEADER_LENGTH:]
        return None

    def _receive_any(self, data: bytes, limit: int | None) -> list[Frame | SkippedFrame]:
        if self._broken is not None:
            raise self._broken
        frames: list[Frame | SkippedFrame] = []
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while True:
                if self._to_skip:
                    step = min(self._to_skip, len(buffer) - at)
                    self._to_skip -= step
                    at += step
                if len(buffer) - at < HEADER_LENGTH or (limit is not None and len(frames) >= limit):
                    break
                version, payload_type, length = _unpack_from(buffer, at)
                if not self._accept(version, payload_type, length):
                    frames.append(SkippedFrame(payload_type, length))
                    self._to_skip = length
                    at += HEADER_LENGTH
                    continue
                end = at + HEADER_LENGTH + length
                if len(buffer) < end:
                    break
                frames.append(Frame(payload_type, bytes(buffer[at + HEADER_LENGTH : end])))
                at = end
        except FrameError as error:
            self._broken = error
            buffer.clear()
            if not frames:
                raise
            return frames
        del buffer[:at]
        return frames

    def _accept(self, version: int, payload_type: int, length: int) -> bool:
        """True for a message to collect, False for one to skip; ``FrameError`` for anything that loses the
        stream."""
        if version != _VERSION_PAIR:
            raise FrameError(f"0x{version:04X} is no V2GTP version 1 header (0x01FE)")
        cap = self.caps.get(payload_type)
        if length > (self.skip_cap if cap is None else cap):
            raise FrameError(
                f"payload of {length} bytes announced for type {payload_type_name(payload_type)}, "
                f"at most {self.skip_cap if cap is None else cap} are accepted"
            )
        if cap is not None:
            self._skipped = 0
            return True
        self._skipped += 1
        if self.most_skipped is not None and self._skipped > self.most_skipped:
            raise FrameError(
                f"more than {self.most_skipped} messages in a row of payload types that nobody reads here, "
                f"the last of {payload_type_name(payload_type)}"
            )
        return False
