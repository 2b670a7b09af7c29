"""Captures made up for tests: sessions in TLS of either version or in the clear, in
every file format and link type.

Packets are written by the package's own writer; scapy and tshark say elsewhere what they think of them.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv6Address

from iso15118 import exi
from iso15118.errors import TlsError
from iso15118.messages import app
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.sdp import SdpRequest, SdpResponse, Security
from iso15118.settings.trust import evcc_context, secc_context
from iso15118.trace import pcapng
from iso15118.trace.packets import Endpoint, TcpConversation, udp_packet
from iso15118.v2gtp import PayloadType, encode_frame
from tests.link.tapping import two_bays
from tests.sample_messages import LOOP, SAP_REQ, SAP_RES, SETUP

__all__ = [
    "EV",
    "SE",
    "Frames",
    "Made",
    "as_link",
    "din_frames",
    "iso20_frames",
    "pcap",
    "pcapng_file",
    "seeds",
]

Frames = list[tuple[float, bytes]]
"""Times in Unix seconds, and Ethernet frames."""

START = 1_790_000_000.0
EV, SE = Endpoint(IPv6Address("fe80::1"), 50_000, False), Endpoint(IPv6Address("fe80::2"), 61_000, True)
_SDP = Endpoint(IPv6Address("fe80::2"), 15118, True)


@cache
def test_pki(edition: str) -> IssuedPki:
    """Made once; ``p256`` for TLS 1.2."""
    return issue_test_pki(edition, "p521" if edition == "iso20" else "p256", at=datetime.now(UTC))


@cache
def foreign_pki(edition: str) -> IssuedPki:
    """One with other roots."""
    return issue_test_pki(
        edition, "p521" if edition == "iso20" else "p256", at=datetime.now(UTC), organization="Foreign"
    )


test_pki.__test__ = False  # type: ignore[attr-defined]


class Made:
    """A connection from its opening on; ``tls``: None, "TLSv1.3" or "TLSv1.2". ``frames`` are its
    packets, ``secrets`` its key log."""

    def __init__(
        self,
        tls: str | None = None,
        *,
        discovery: bool = True,
        step_s: float = 0.01,
        foreign: bool = False,
        flights: int = 100,
        asked: Security | None = None,
        announced: Security | None = None,
    ) -> None:
        """``foreign``: the station's chain is of a root that the vehicle does not have. ``flights``: of the
        handshake, that are sent. ``asked``, ``announced``: by the discovery, where that is not ``tls``."""
        self.frames: Frames = []
        self.secrets: list[str] = []
        self.agreed = ""
        """The cipher suite, where a test asked for one."""
        self.now = START
        self.step_s = step_s
        self.tcp = TcpConversation(EV, SE)
        if discovery:
            security = Security.NONE if tls is None else Security.TLS
            self.add([udp_packet(EV, _SDP, SdpRequest(security if asked is None else asked).to_bytes())])
            answer = SdpResponse(SE.address, SE.port, security if announced is None else announced)
            self.add([udp_packet(_SDP, EV, answer.to_bytes())])
        self.add(self.tcp.open())
        self.ends = None
        if tls is not None:
            edition = "iso20" if tls == "TLSv1.3" else "iso2"
            pki = test_pki(edition)
            vehicle = evcc_context(
                pki, profile=edition, revocation="none", keylog=self.secrets.append
            ).connect()
            theirs = foreign_pki(edition) if foreign else pki
            self.ends = vehicle, secc_context(theirs, profile=edition).connect()
            side = 0
            while flights and (data := self.ends[side].data_to_send()):
                flights -= 1
                self.add(self.tcp.data(side == 0, data))
                side = 1 - side
                with contextlib.suppress(TlsError):  # the alert is still to be sent
                    self.ends[side].receive_data(data)

    def add(self, frames: Sequence[bytes]) -> None:
        """Packets, now."""
        self.now += self.step_s
        self.frames += [(self.now, frame) for frame in frames]

    def say(self, from_vehicle: bool, data: bytes) -> None:
        """Octets of the application."""
        if self.ends is not None:
            one, other = self.ends if from_vehicle else (self.ends[1], self.ends[0])
            one.send_data(data)
            data = one.data_to_send()
            other.receive_data(data)
        self.add(self.tcp.data(from_vehicle, data))

    def update_keys(self, from_vehicle: bool) -> None:
        """New keys of one side, asked of the other side as well."""
        assert self.ends is not None
        one = self.ends[0 if from_vehicle else 1]
        one.update_keys(peer_too=True)
        for side in (0, 1, 0, 1):
            if data := self.ends[side].data_to_send():
                self.ends[1 - side].receive_data(data)
                self.add(self.tcp.data(side == 0, data))

    def close(self) -> None:
        """Both sides."""
        self.add(self.tcp.finish(True))
        self.add(self.tcp.finish(False))

    @property
    def key_log(self) -> bytes:
        """The lines of a key log."""
        return "".join(f"{line}\n" for line in self.secrets).encode()


def iso20_frames(loops: int = 3) -> list[tuple[bool, bytes]]:
    """Who sends it, and the frame: the beginning of a session of ISO 15118-20, and charge loops."""
    found = [
        (True, encode_frame(PayloadType.SAP, exi.encode("app", SAP_REQ))),
        (False, encode_frame(PayloadType.SAP, exi.encode("app", SAP_RES))),
        (True, encode_frame(PayloadType.ISO20_MAIN, exi.encode("iso20-common", SETUP))),
    ]
    for number in range(loops):
        volts = RationalNumber(exponent=-1, value=8000 + number)
        message = type(LOOP)(
            header=LOOP.header,
            meter_info_requested=False,
            ev_present_voltage=volts,
            cl_req_control_mode=LOOP.cl_req_control_mode,
        )
        found.append((True, encode_frame(PayloadType.ISO20_DC, exi.encode("iso20-dc", message))))
    return found


def din_frames() -> list[tuple[bool, bytes]]:
    """The same of DIN 70121: its negotiation, and a SessionSetupReq."""
    offer = app.SupportedAppProtocolReq(
        app_protocol=(
            app.AppProtocol(
                protocol_namespace="urn:din:70121:2012:MsgDef",
                version_number_major=2,
                version_number_minor=0,
                schema_id=7,
                priority=1,
            ),
        )
    )
    answer = app.SupportedAppProtocolRes(response_code=app.ResponseCode.OK_SuccessfulNegotiation, schema_id=7)
    return [
        (True, encode_frame(PayloadType.SAP, exi.encode("app", offer))),
        (False, encode_frame(PayloadType.SAP, exi.encode("app", answer))),
        (True, encode_frame(PayloadType.SAP, bytes.fromhex("809a004011d01800608c44000000"))),
    ]


def spoken(tls: str | None, frames: Sequence[tuple[bool, bytes]], *, discovery: bool = True) -> Made:
    """A connection in which these were said, and that was closed."""
    made = Made(tls, discovery=discovery)
    for from_vehicle, frame in frames:
        made.say(from_vehicle, frame)
    made.close()
    return made


# Files
# -------------------------------------------------------------------------------------------------------


def pcap(
    frames: Frames, *, link: int = 1, big: bool = False, nano: bool = False, snapshot: int = 1 << 18
) -> bytes:
    """A pcap file."""
    order = ">" if big else "<"
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snapshot, link)]
    for at, data in frames:
        seconds = int(at)
        part = round((at - seconds) * (1e9 if nano else 1e6))
        kept = data[:snapshot]
        parts.append(struct.pack(f"{order}IIII", seconds, part, len(kept), len(data)) + kept)
    return b"".join(parts)


def pcapng_file(frames: Frames, *, secrets: bytes = b"") -> bytes:
    """A pcapng file by our own writer, with the secrets before the packets."""
    parts = [pcapng.section("tests", "made up"), pcapng.interface("cable")]
    if secrets:
        parts.append(pcapng.tls_secrets(secrets))
    return b"".join(parts + [pcapng.packet(data, at) for at, data in frames])


def as_link(frames: Frames, link: int) -> Frames:
    """The same packets as another link type has them."""
    return [(at, _as_link(data, link)) for at, data in frames]


def _as_link(data: bytes, link: int) -> bytes:
    source, kind, packet = data[6:12], data[12:14], data[14:]
    match link:
        case 113:
            return bytes((0, 0, 0, 1, 0, 6)) + source + bytes(2) + kind + packet
        case 276:
            return kind + bytes(2) + (7).to_bytes(4, "big") + bytes((0, 1, 0, 6)) + source + bytes(2) + packet
        case 101 | 12 | 14 | 229:
            return packet
        case 0:
            return (24).to_bytes(4, "little") + packet
        case 108:
            return (24).to_bytes(4, "big") + packet
        case 1:
            return data
    raise ValueError(f"no packets of link type {link} are made here")


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """Inputs of every kind that are changed at random: what they are, and their octets."""
    new, old = spoken("TLSv1.3", iso20_frames()), spoken("TLSv1.2", din_frames())
    plain = spoken(None, iso20_frames(6))
    slac = [(START + at, data) for at, data in two_bays("CAR_1").tap]
    disclosed = [*old.frames[:4], (START, udp_packet(EV, SE, old.key_log)), *old.frames[4:]]
    text = "\n".join(
        [
            *(
                f"2026-11-29T04:00:00.{n:03} [INFO] evse_v2g: {frame.hex()}"
                for n, (_, frame) in enumerate(din_frames())
            ),
            "EXI message (ns=urn:din:70121:2012:MsgDef): gJoAQBHQGABgjEQAAAA=",
            *(":".join(f"{one:02x}" for one in frame) for _, frame in iso20_frames()),
            "0000  01 fe 80 01 00 00 00 0e 80 9a 00 40 11 d0 18 00  ................",
            "0010  60 8c 44 00 00 00  `.D...",
        ]
    )
    return (
        ("pcapng", pcapng_file(new.frames, secrets=new.key_log)),
        ("pcapng", pcapng_file(plain.frames)),
        ("pcap", pcap(disclosed)),
        ("pcap", pcap(old.frames, big=True, nano=True) + old.key_log),
        ("pcap", pcap(slac)),
        ("pcap", pcap(as_link(plain.frames, 276), link=276)),
        ("text", text.encode()),
    )
