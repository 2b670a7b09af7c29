"""Names and words for frames: what each message type is called, what of a message may be
told, one line for each frame.

Keys are never told, and of messages that are not read (``Opaque``) nothing but their length, since
some of them carry keys too.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from iso15118.link.slac.frames import BROADCAST, Frame, mac_text
from iso15118.link.slac.keys import Nmk
from iso15118.link.slac.messages import Message, MmType, Opaque

__all__ = ["Kind", "Sentence", "fields_of", "frame_data", "message_name"]


class Kind(Enum):
    """What a sentence is about; the names are stable."""

    FRAME = "frame"
    REFUSED = "refused"
    """A frame that is malformed, or that whoever it is for has to ignore; the text says why."""
    SEARCH = "search"
    OFFER = "offer"
    SOUNDS = "sounds"
    ATTENUATION = "attenuation"
    NEAREST = "nearest"
    VALIDATION = "validation"
    CHOICE = "choice"
    MATCH = "match"
    KEY = "key"
    LINK = "link"
    OUTCOME = "outcome"
    SUMMARY = "summary"


class Sentence(Struct, frozen=True):
    """Something that happened at ``time``, in words and, in ``data``, as values that JSON can carry. ``time``
    is in s on the clock of the frames."""

    time: float
    kind: Kind
    text: str
    data: dict[str, object]


_ENDINGS = ("REQ", "CNF", "IND", "RSP")
_VENDOR_NAMES: dict[int, str] = {
    MmType.QUALCOMM_RESET_REQ: "VS_RS_DEV",
    MmType.QUALCOMM_LINK_STATUS_REQ: "VS_PL_LINK_STATUS",
    MmType.LUMISSIL_RESET_REQ: "NSCM_RESET_DEVICE",
    MmType.LUMISSIL_LINK_STATUS_REQ: "NSCM_GET_D_LINK_STATUS",
}
_OTHER_NAMES = {
    0x0014: "CC_DISCOVER_LIST",
    0x6004: "CM_ENCRYPTED_PAYLOAD",
    0x600C: "CM_GET_KEY",
    0x6020: "CM_BRG_INFO",
    0x6038: "CM_NW_INFO",
    0xA000: "VS_SW_VER",
    0xA038: "VS_NW_INFO",
    0xA068: "VS_OP_ATTRIBUTES",
    0xA0B0: "VS_MODULE_OPERATION",
    0xA14C: "VS_ATTENUATION_CHARACTERISTICS",
    0xAC6C: "NSCM_GET_VERSION",
}
_UNTOLD = {"random", "reserved", "reserved_nid", "header", "entries", "my_nonce", "your_nonce"}
_ADDRESSES = {"forwarding_sta", "msound_target", "pev_mac", "evse_mac", "source_address"}


def message_name(mmtype: int) -> str:
    """The standard's name of a message type, or its number."""
    base, ending = mmtype & ~3, _ENDINGS[mmtype & 3]
    for names in (_VENDOR_NAMES, _OTHER_NAMES):
        if base in names:
            return f"{names[base]}.{ending}"
    try:
        return f"CM_{MmType(mmtype).name.rpartition('_')[0]}.{ending}"
    except ValueError:
        return f"0x{mmtype:04x} ({ending})"


def fields_of(message: Message) -> dict[str, object]:
    """The fields of a message as JSON values, without keys, nonces and padding."""
    if isinstance(message, Opaque):
        return {"bytes": len(message.body)}
    told: dict[str, object] = {}
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if name in _UNTOLD or isinstance(value, Nmk):
            continue
        if isinstance(value, Enum):
            told[name] = value.name.lower()
        elif name == "aag":
            told[name] = list(value)
        elif isinstance(value, bytes):
            told[name] = mac_text(value) if name in _ADDRESSES else value.hex()
        else:
            told[name] = value
    return told


def frame_data(frame: Frame) -> dict[str, object]:
    """A frame as JSON values."""
    return {
        "from": mac_text(frame.source),
        "to": "broadcast" if frame.destination == BROADCAST else mac_text(frame.destination),
        "mmtype": f"0x{frame.mmtype:04x}",
        "message": message_name(frame.mmtype),
        **fields_of(frame.message),
    }
