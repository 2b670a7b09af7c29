"""HomePlug Green PHY frames: Ethernet header, MME header, message, and whatever follows it, read and built.

Anything malformed raises ``SlacError``; types that SLAC does not need come as ``Opaque``. Bytes after the
message (padding, or a checksum left by a driver) are kept, so that a frame is built again as it came.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from iso15118.errors import MisuseError, SlacError

from .keys import Nmk, is_valid_nid
from .layouts import LARGEST_AMPLITUDE_MAP, MAC_LENGTH, Layout, layout_of, mmtype_of
from .messages import (
    AmpMapReq,
    Message,
    MmType,
    Opaque,
    SetKeyReq,
    SlacMatchCnf,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)

__all__ = ["BROADCAST", "ETHERTYPE", "Frame", "mac_text", "mmtype_in", "parse_frame"]

ETHERTYPE = 0x88E1
BROADCAST = b"\xff" * 6
SMALLEST, LARGEST = 60, 1522
"""Length of an Ethernet frame without its checksum, in bytes: what is padded to, and what is read at most
(with a VLAN tag and a checksum)."""

_ETHERTYPE = ETHERTYPE.to_bytes(2, "big")
_VLAN = b"\x81\x00"
_NO_FRAGMENT = b"\x00\x00"
_VENDOR = 0xA000


class Frame(Struct, frozen=True):
    """One frame. ``mmv`` is the version of the MME header: 1, or 0 for vendor messages of modems,
    which have no fragment fields.

    ``trailer`` follows the message; None pads with zeros to the smallest Ethernet frame. ``vlan`` is a 802.1Q
    tag of 4 bytes, which captures may have.
    """

    destination: bytes
    source: bytes
    message: Message
    mmv: int | None = None
    trailer: bytes | None = None
    vlan: bytes = b""

    @property
    def mmtype(self) -> int:
        """The message type's number."""
        return mmtype_of(self.message)

    def to_bytes(self) -> bytes:
        """The frame as it goes onto the wire, without checksum. Raises ``MisuseError`` for values
        that do not fit their fields."""
        if len(self.destination) != MAC_LENGTH or len(self.source) != MAC_LENGTH:
            raise MisuseError("a MAC address has 6 bytes")
        if isinstance(self.message, Opaque):
            mmv, body = 1 if self.mmv is None else self.mmv, self.message.body
        else:
            mmv, body = _body_of(self.message)
            mmv = mmv if self.mmv is None else self.mmv
        head = (
            self.destination
            + self.source
            + self.vlan
            + _ETHERTYPE
            + bytes([mmv])
            + self.mmtype.to_bytes(2, "little")
        )
        data = head + body
        if self.trailer is None:
            return data.ljust(SMALLEST, b"\x00")
        return data + self.trailer

    def __repr__(self) -> str:
        return f"Frame({mac_text(self.source)} -> {mac_text(self.destination)}: {self.message!r})"


def _body_of(message: Message) -> tuple[int, bytes]:
    layout = layout_of(mmtype_of(message))
    if layout is None:
        raise MisuseError(f"{type(message).__name__} has no layout")
    values = {name: getattr(message, name) for name in message.__struct_fields__}
    try:
        body: bytes = layout.codec.build(values)
    except Exception as error:  # construct and struct raise several kinds, all of them for a wrong value
        raise MisuseError(f"{type(message).__name__}: {type(error).__name__}") from None
    if len(body) != layout.size + layout.tail_length(body[: layout.size]):
        raise MisuseError(f"{type(message).__name__}: a field has the wrong length")
    return layout.mmv, layout.oui + body if layout.oui else _NO_FRAGMENT + body


def mmtype_in(data: bytes) -> int | None:
    """The message type of a frame, found without reading the rest: to drop foreign messages
    early. None if this is no MME."""
    at = 16 if data[12:14] == _VLAN else 12
    if data[at : at + 2] != _ETHERTYPE or len(data) < at + 5:
        return None
    return int.from_bytes(data[at + 3 : at + 5], "little")


def parse_frame(data: bytes) -> Frame:
    """Read one Ethernet frame, without its checksum or with it. Raises ``SlacError`` for anything
    malformed, and nothing else."""
    if len(data) > LARGEST:
        raise SlacError(f"{len(data)} bytes are more than an Ethernet frame has")
    data = bytes(data)
    at = 12
    vlan = b""
    if data[at : at + 2] == _VLAN:
        vlan, at = data[at : at + 4], at + 4
    if data[at : at + 2] != _ETHERTYPE:
        raise SlacError("not a HomePlug frame: another EtherType")
    if len(data) < at + 5:
        raise SlacError(f"truncated in the header: {len(data)} bytes")
    mmv = data[at + 2]
    mmtype = int.from_bytes(data[at + 3 : at + 5], "little")
    body = data[at + 5 :]
    if mmv not in (0, 1, 2):
        raise SlacError(f"unknown version {mmv} of the MME header")
    layout = layout_of(mmtype)
    destination, source = data[:6], data[6:12]
    if layout is None or (layout.oui and (mmv != layout.mmv or body[:3] != layout.oui)):
        # Nothing of ours, or another maker's message under the same number.
        return Frame(destination, source, Opaque(mmtype, body), mmv, b"", vlan)
    message, trailer = _message(layout, mmtype, mmv, body)
    return Frame(destination, source, message, mmv, trailer, vlan)


def _message(layout: Layout, mmtype: int, mmv: int, body: bytes) -> tuple[Message, bytes]:
    name = layout.message.__name__
    # HomePlug AV 2.0 has another header version for CM_AMP_MAP; the field sends 1.
    if mmv != layout.mmv and (mmv, mmtype & ~3) != (2, MmType.AMP_MAP_REQ):
        raise SlacError(f"{name}: version {mmv} of the MME header instead of {layout.mmv}")
    start = len(layout.oui) or 2
    if len(body) < start + layout.size:
        raise SlacError(f"{name}: truncated, {len(body) - start} bytes instead of {layout.size}")
    if not layout.oui and body[:2] != _NO_FRAGMENT:
        raise SlacError(f"{name}: fragments are not used by SLAC")
    length = layout.size + layout.tail_length(body[start : start + layout.size])
    if len(body) < start + length:
        raise SlacError(f"{name}: truncated, {len(body) - start} bytes of {length} announced")
    end = start + length
    values: dict[str, Any]
    try:
        values = layout.codec.parse(body[start:end])
    except Exception as error:  # the lengths fit, so this is a fixed field with another value
        raise SlacError(f"{name}: a fixed field is wrong ({type(error).__name__})") from None
    message = layout.message(**{field: values[field] for field in layout.message.__struct_fields__})
    return _checked(message, name), body[end:]


def _checked(message: Message, name: str) -> Message:
    """What a declaration cannot say."""
    if isinstance(message, ValidateReq):
        return ValidateReq(message.timer, _validate_result(message.result, name))
    if isinstance(message, ValidateCnf):
        return ValidateCnf(message.toggle_num, _validate_result(message.result, name))
    if isinstance(message, SlacMatchCnf):
        if not is_valid_nid(message.nid):
            raise SlacError(f"{name}: the top bits of the NID are not zero")
        return SlacMatchCnf(
            message.pev_mac,
            message.evse_mac,
            message.run_id,
            message.nid,
            Nmk(message.nmk),
            message.reserved,
            message.reserved_nid,
        )
    if isinstance(message, SetKeyReq):
        return SetKeyReq(
            message.my_nonce,
            message.nid,
            Nmk(message.new_key),
            message.your_nonce,
            message.pid,
            message.prn,
            message.pmn,
            message.cco_capability,
        )
    if isinstance(message, AmpMapReq) and not 0 < message.carriers <= LARGEST_AMPLITUDE_MAP:
        raise SlacError(f"{name}: {message.carriers} carriers are not possible")
    return message


def _validate_result(value: int, name: str) -> ValidateResult:
    try:
        return ValidateResult(value)
    except ValueError:
        raise SlacError(f"{name}: result {value} is reserved") from None


def mac_text(mac: bytes) -> str:
    """A MAC address as people write it."""
    return mac.hex(":")
