"""The management messages (MMEs) of SLAC and of the modems it needs, as typed values; ``layouts``
says how they look on the wire.

Only what may differ is a field. What the standard fixes (APPLICATION_TYPE, SECURITY_TYPE, station
identifiers, MVFLength, SignalType) is checked when a frame is read and written when one is built. MACs
are 6 bytes, run identifiers 8.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from .keys import Nmk

__all__ = [
    "AmpMapCnf",
    "AmpMapReq",
    "AttenCharInd",
    "AttenCharRsp",
    "AttenProfileInd",
    "LumissilLinkStatusCnf",
    "LumissilLinkStatusReq",
    "LumissilResetReq",
    "Message",
    "MmType",
    "MnbcSoundInd",
    "Opaque",
    "QualcommLinkStatusCnf",
    "QualcommLinkStatusReq",
    "QualcommResetCnf",
    "QualcommResetReq",
    "SetKeyCnf",
    "SetKeyReq",
    "SlacMatchCnf",
    "SlacMatchReq",
    "SlacParmCnf",
    "SlacParmReq",
    "StartAttenCharInd",
    "ValidateCnf",
    "ValidateReq",
    "ValidateResult",
]


class MmType(IntEnum):
    """Message types that this stack reads and writes; the low two bits say REQ, CNF, IND or RSP."""

    SET_KEY_REQ = 0x6008
    SET_KEY_CNF = 0x6009
    AMP_MAP_REQ = 0x601C
    AMP_MAP_CNF = 0x601D
    SLAC_PARM_REQ = 0x6064
    SLAC_PARM_CNF = 0x6065
    START_ATTEN_CHAR_IND = 0x606A
    ATTEN_CHAR_IND = 0x606E
    ATTEN_CHAR_RSP = 0x606F
    MNBC_SOUND_IND = 0x6076
    VALIDATE_REQ = 0x6078
    VALIDATE_CNF = 0x6079
    SLAC_MATCH_REQ = 0x607C
    SLAC_MATCH_CNF = 0x607D
    ATTEN_PROFILE_IND = 0x6086
    QUALCOMM_RESET_REQ = 0xA01C
    QUALCOMM_RESET_CNF = 0xA01D
    QUALCOMM_LINK_STATUS_REQ = 0xA0B8
    QUALCOMM_LINK_STATUS_CNF = 0xA0B9
    LUMISSIL_RESET_REQ = 0xAC70
    LUMISSIL_LINK_STATUS_REQ = 0xAC9C
    LUMISSIL_LINK_STATUS_CNF = 0xAC9D


class ValidateResult(IntEnum):
    """Result field of CM_VALIDATE."""

    NOT_READY = 0
    READY = 1
    SUCCESS = 2
    FAILURE = 3
    NOT_REQUIRED = 4


class Message(Struct, frozen=True):
    """Base of all messages."""


class SlacParmReq(Message, frozen=True):
    """CM_SLAC_PARM.REQ: a vehicle looks for stations. Broadcast."""

    run_id: bytes


class SlacParmCnf(Message, frozen=True):
    """CM_SLAC_PARM.CNF: how a station wants to be sounded. ``time_out`` in units of 100 ms;
    ``forwarding_sta`` is the vehicle."""

    run_id: bytes
    forwarding_sta: bytes
    msound_target: bytes = b"\xff" * 6
    num_sounds: int = 10
    time_out: int = 6
    resp_type: int = 1


class StartAttenCharInd(Message, frozen=True):
    """CM_START_ATTEN_CHAR.IND: sounds follow. Broadcast, three times. ``time_out`` in units of 100 ms."""

    run_id: bytes
    forwarding_sta: bytes
    num_sounds: int = 10
    time_out: int = 6
    resp_type: int = 1


class MnbcSoundInd(Message, frozen=True):
    """CM_MNBC_SOUND.IND: one sound. Broadcast. ``remaining`` counts down to 0."""

    run_id: bytes
    remaining: int
    random: bytes
    reserved: bytes = bytes(8)


class AttenProfileInd(Message, frozen=True):
    """CM_ATTEN_PROFILE.IND: what the own modem measured of one sound, dB per carrier group. Comes from
    the modem, not from a peer."""

    pev_mac: bytes
    aag: bytes
    reserved: int = 0


class AttenCharInd(Message, frozen=True):
    """CM_ATTEN_CHAR.IND: the station's averages, dB per carrier group, over ``num_sounds`` sounds."""

    source_address: bytes
    run_id: bytes
    num_sounds: int
    aag: bytes


class AttenCharRsp(Message, frozen=True):
    """CM_ATTEN_CHAR.RSP: the vehicle has the averages; result 0 is success."""

    source_address: bytes
    run_id: bytes
    result: int = 0


class ValidateReq(Message, frozen=True):
    """CM_VALIDATE.REQ: count the B-C-B toggles of the pilot during ``(timer + 1) * 100`` ms. It
    carries no run identifier."""

    timer: int
    result: ValidateResult = ValidateResult.READY


class ValidateCnf(Message, frozen=True):
    """CM_VALIDATE.CNF: readiness, or how many toggles were seen."""

    toggle_num: int
    result: ValidateResult


class SlacMatchReq(Message, frozen=True):
    """CM_SLAC_MATCH.REQ: the vehicle has chosen this station."""

    pev_mac: bytes
    evse_mac: bytes
    run_id: bytes
    reserved: bytes = bytes(8)


class SlacMatchCnf(Message, frozen=True):
    """CM_SLAC_MATCH.CNF: the network to join, in clear text."""

    pev_mac: bytes
    evse_mac: bytes
    run_id: bytes
    nid: bytes
    nmk: Nmk
    reserved: bytes = bytes(8)
    reserved_nid: int = 0


class SetKeyReq(Message, frozen=True):
    """CM_SET_KEY.REQ to the own modem. Nonces are opaque: 4 bytes that come back as they are."""

    my_nonce: bytes
    nid: bytes
    new_key: Nmk
    your_nonce: bytes = bytes(4)
    pid: int = 4
    prn: int = 0
    pmn: int = 0
    cco_capability: int = 0


class SetKeyCnf(Message, frozen=True):
    """CM_SET_KEY.CNF of the own modem. What ``result`` means is a setting (``KeyAcceptance``)."""

    result: int
    my_nonce: bytes
    your_nonce: bytes
    pid: int = 4
    prn: int = 0
    pmn: int = 0
    cco_capability: int = 0


class AmpMapReq(Message, frozen=True):
    """CM_AMP_MAP.REQ: reduce the amplitude of ``carriers`` carriers; two 4-bit entries in each byte,
    the first in the low half."""

    carriers: int
    entries: bytes


class AmpMapCnf(Message, frozen=True):
    """CM_AMP_MAP.CNF: 0 means that the map is used."""

    result: int = 0


class QualcommResetReq(Message, frozen=True):
    """VS_RS_DEV.REQ: restart the modem."""


class QualcommResetCnf(Message, frozen=True):
    """VS_RS_DEV.CNF."""

    status: int = 0


class QualcommLinkStatusReq(Message, frozen=True):
    """VS_PL_LINK_STATUS.REQ: is another station in the network?"""


class QualcommLinkStatusCnf(Message, frozen=True):
    """VS_PL_LINK_STATUS.CNF: 1 if so."""

    link_status: int
    reserved: int = 0


class LumissilResetReq(Message, frozen=True):
    """NSCM_RESET_DEVICE.REQ: restart the modem (mode 0 is normal); nothing answers it."""

    mode: int = 0
    header: bytes = bytes(19)


class LumissilLinkStatusReq(Message, frozen=True):
    """NSCM_GET_D_LINK_STATUS.REQ."""

    header: bytes = bytes(19)


class LumissilLinkStatusCnf(Message, frozen=True):
    """NSCM_GET_D_LINK_STATUS.CNF: 1 if the link is there."""

    link_status: int
    header: bytes = bytes(19)


class Opaque(Message, frozen=True):
    """Any other MME: its type, and everything after it as it came. Some carry keys,
    so the bytes are not shown."""

    mmtype: int
    body: bytes

    def __repr__(self) -> str:
        return f"Opaque(mmtype=0x{self.mmtype:04x}, <{len(self.body)} bytes>)"
