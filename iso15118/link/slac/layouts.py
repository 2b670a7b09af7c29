"""How each message looks on the wire, declared with ``construct``: from the byte after FMI and FMSN, or
from the OUI of vendor messages.

``construct`` is imported when the first frame is read or built, so that a stack without SLAC never loads it.
Lengths are checked here and not left to the compiled parsers, which read short without complaint.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from . import messages as m
from .keys import NID_LENGTH, NMK_LENGTH
from .messages import MmType

__all__ = ["LARGEST_AMPLITUDE_MAP", "LUMISSIL", "QUALCOMM", "Layout", "layout_of", "mmtype_of"]

QUALCOMM = bytes.fromhex("00b052")
LUMISSIL = bytes.fromhex("0016e8")
MAC_LENGTH, RUN_ID_LENGTH = 6, 8
LARGEST_AMPLITUDE_MAP = 2986
"""Carriers whose entries fit into one frame."""


class Layout(NamedTuple):
    """The wire form of one message type: a fixed part of ``size`` bytes, and a tail whose
    length the fixed part tells."""

    message: type[m.Message]
    mmv: int
    oui: bytes
    """Empty for the standard's messages."""
    size: int
    tail_length: Callable[[bytes], int]
    codec: Any


def _no_tail(fixed: bytes) -> int:
    return 0


def _groups_before_last(fixed: bytes) -> int:
    return fixed[-2]


def _groups_last(fixed: bytes) -> int:
    return fixed[-1]


def _half_carriers(fixed: bytes) -> int:
    return (int.from_bytes(fixed, "little") + 1) // 2


_TYPES: dict[type[m.Message], MmType] = {
    m.SetKeyReq: MmType.SET_KEY_REQ,
    m.SetKeyCnf: MmType.SET_KEY_CNF,
    m.AmpMapReq: MmType.AMP_MAP_REQ,
    m.AmpMapCnf: MmType.AMP_MAP_CNF,
    m.SlacParmReq: MmType.SLAC_PARM_REQ,
    m.SlacParmCnf: MmType.SLAC_PARM_CNF,
    m.StartAttenCharInd: MmType.START_ATTEN_CHAR_IND,
    m.AttenCharInd: MmType.ATTEN_CHAR_IND,
    m.AttenCharRsp: MmType.ATTEN_CHAR_RSP,
    m.MnbcSoundInd: MmType.MNBC_SOUND_IND,
    m.ValidateReq: MmType.VALIDATE_REQ,
    m.ValidateCnf: MmType.VALIDATE_CNF,
    m.SlacMatchReq: MmType.SLAC_MATCH_REQ,
    m.SlacMatchCnf: MmType.SLAC_MATCH_CNF,
    m.AttenProfileInd: MmType.ATTEN_PROFILE_IND,
    m.QualcommResetReq: MmType.QUALCOMM_RESET_REQ,
    m.QualcommResetCnf: MmType.QUALCOMM_RESET_CNF,
    m.QualcommLinkStatusReq: MmType.QUALCOMM_LINK_STATUS_REQ,
    m.QualcommLinkStatusCnf: MmType.QUALCOMM_LINK_STATUS_CNF,
    m.LumissilResetReq: MmType.LUMISSIL_RESET_REQ,
    m.LumissilLinkStatusReq: MmType.LUMISSIL_LINK_STATUS_REQ,
    m.LumissilLinkStatusCnf: MmType.LUMISSIL_LINK_STATUS_CNF,
}


def mmtype_of(message: m.Message) -> int:
    """The type number of a message."""
    return message.mmtype if isinstance(message, m.Opaque) else _TYPES[type(message)]


def layout_of(mmtype: int) -> Layout | None:
    """The layout of a message type; None for types that are passed through as they are."""
    return _layouts().get(mmtype)


@cache
def _layouts() -> dict[int, Layout]:
    import construct as c  # type: ignore[import-untyped]

    byte, word, mac, run_id = c.Int8ub, c.Int16ul, c.Bytes(MAC_LENGTH), c.Bytes(RUN_ID_LENGTH)
    plain = c.Const(b"\x00\x00")  # APPLICATION_TYPE: matching of vehicle and station; SECURITY_TYPE: none
    no_station = c.Const(bytes(17))  # identifiers of vehicle and station are fixed to zero
    nonce, nid, nmk = c.Bytes(4), c.Bytes(NID_LENGTH), c.Bytes(NMK_LENGTH)
    groups, aag = "groups" / c.Rebuild(byte, c.len_(c.this.aag)), "aag" / c.Bytes(c.this.groups)
    found: dict[int, Layout] = {}

    def declare(
        message: type[m.Message],
        size: int,
        *fields: Any,
        tail: Callable[[bytes], int] = _no_tail,
        mmv: int = 1,
        oui: bytes = b"",
    ) -> None:
        found[_TYPES[message]] = Layout(message, mmv, oui, size, tail, c.Struct(*fields).compile())

    declare(m.SlacParmReq, 10, plain, "run_id" / run_id)
    declare(
        m.SlacParmCnf,
        25,
        "msound_target" / mac,
        "num_sounds" / byte,
        "time_out" / byte,
        "resp_type" / byte,
        "forwarding_sta" / mac,
        plain,
        "run_id" / run_id,
    )
    declare(
        m.StartAttenCharInd,
        19,
        plain,
        "num_sounds" / byte,
        "time_out" / byte,
        "resp_type" / byte,
        "forwarding_sta" / mac,
        "run_id" / run_id,
    )
    declare(
        m.MnbcSoundInd,
        52,
        plain,
        no_station,
        "remaining" / byte,
        "run_id" / run_id,
        "reserved" / c.Bytes(8),
        "random" / c.Bytes(16),
    )
    declare(m.AttenProfileInd, 8, "pev_mac" / mac, groups, "reserved" / byte, aag, tail=_groups_before_last)
    declare(
        m.AttenCharInd,
        52,
        plain,
        "source_address" / mac,
        "run_id" / run_id,
        no_station,
        no_station,
        "num_sounds" / byte,
        groups,
        aag,
        tail=_groups_last,
    )
    declare(
        m.AttenCharRsp,
        51,
        plain,
        "source_address" / mac,
        "run_id" / run_id,
        no_station,
        no_station,
        "result" / byte,
    )
    signal_type = c.Const(b"\x00")  # B-C-B toggles of the pilot
    declare(m.ValidateReq, 3, signal_type, "timer" / byte, "result" / byte)
    declare(m.ValidateCnf, 3, signal_type, "toggle_num" / byte, "result" / byte)
    parties = (
        no_station,
        "pev_mac" / mac,
        no_station,
        "evse_mac" / mac,
        "run_id" / run_id,
        "reserved" / c.Bytes(8),
    )
    declare(m.SlacMatchReq, 66, plain, c.Const(b"\x3e\x00"), *parties)
    declare(
        m.SlacMatchCnf,
        90,
        plain,
        c.Const(b"\x56\x00"),
        *parties,
        "nid" / nid,
        "reserved_nid" / byte,
        "nmk" / nmk,
    )
    declare(
        m.SetKeyReq,
        38,
        c.Const(b"\x01"),  # KeyType: NMK
        "my_nonce" / nonce,
        "your_nonce" / nonce,
        "pid" / byte,
        "prn" / word,
        "pmn" / byte,
        "cco_capability" / byte,
        "nid" / nid,
        c.Const(b"\x01"),  # NewEKS: NMK
        "new_key" / nmk,
    )
    declare(
        m.SetKeyCnf,
        14,
        "result" / byte,
        "my_nonce" / nonce,
        "your_nonce" / nonce,
        "pid" / byte,
        "prn" / word,
        "pmn" / byte,
        "cco_capability" / byte,
    )
    declare(
        m.AmpMapReq,
        2,
        "carriers" / word,
        "entries" / c.Bytes((c.this.carriers + 1) // 2),
        tail=_half_carriers,
    )
    declare(m.AmpMapCnf, 1, "result" / byte)

    header = "header" / c.Bytes(19)
    declare(m.QualcommResetReq, 0, mmv=0, oui=QUALCOMM)
    declare(m.QualcommResetCnf, 1, "status" / byte, mmv=0, oui=QUALCOMM)
    declare(m.QualcommLinkStatusReq, 0, mmv=0, oui=QUALCOMM)
    declare(m.QualcommLinkStatusCnf, 2, "reserved" / byte, "link_status" / byte, mmv=0, oui=QUALCOMM)
    declare(m.LumissilResetReq, 20, header, "mode" / byte, mmv=0, oui=LUMISSIL)
    declare(m.LumissilLinkStatusReq, 19, header, mmv=0, oui=LUMISSIL)
    declare(m.LumissilLinkStatusCnf, 20, header, "link_status" / byte, mmv=0, oui=LUMISSIL)
    return found
