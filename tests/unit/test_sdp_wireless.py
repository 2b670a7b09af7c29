"""Discovery without a cable: the two messages octet by octet, ways to get them wrong,
and the station's answers."""

from __future__ import annotations

import contextlib
from ipaddress import IPv6Address
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.errors import MisuseError, SdpError
from iso15118.sdp import Origin, Security
from iso15118.sdp.wireless import (
    NOBODY,
    Coupling,
    DiagStatus,
    PairingAids,
    WirelessSdpRequest,
    WirelessSdpResponse,
    WirelessSdpServer,
)

STATION = IPv6Address("fe80::1:2:3:4")
BUS = Origin(IPv6Address("fe80::aa:bb:cc:dd"), 50000, 3)
EVSEID = "DE*ABC*E123"


def datagram(payload_type: int, payload: bytes, length: int | None = None) -> bytes:
    """Written without the code under test."""
    return pack(">HHI", 0x01FE, payload_type, len(payload) if length is None else length) + payload


def request(
    security: int = 0,
    transport: int = 0,
    aids: int = 0x0300,
    coupling: int = 1,
    evid: bytes = b"BUS1",
    evseid: bytes = b"ZZ00000",
) -> bytes:
    fixed = pack(">BBHB", security, transport, aids, coupling)
    return datagram(0x9002, fixed + evid.ljust(20, b"\0") + evseid.ljust(37, b"\0"))


def response(status: int = 1, coupling: int = 1, port: int = 61341, address: IPv6Address = STATION) -> bytes:
    fixed = address.packed + pack(">HBBBB", port, 0, 0, status, coupling)
    return datagram(0x9003, fixed + EVSEID.encode().ljust(37, b"\0"))


def test_a_request_octet_by_octet() -> None:
    wanted = WirelessSdpRequest(
        aids=PairingAids.PPD_INFRASTRUCTURE | PairingAids.PPD_EV, coupling=Coupling.PANTOGRAPH_1, evid="BUS1"
    )
    assert wanted.to_bytes() == request()
    assert len(request()) == 8 + 62
    assert WirelessSdpRequest.parse(request()) == wanted


def test_a_response_octet_by_octet() -> None:
    wanted = WirelessSdpResponse(
        address=STATION,
        port=61341,
        status=DiagStatus.FINISHED_WITH_EVSEID,
        coupling=Coupling.PANTOGRAPH_1,
        evseid=EVSEID,
    )
    assert wanted.to_bytes() == response()
    assert len(response()) == 8 + 59
    assert WirelessSdpResponse.parse(response()) == wanted


def test_an_id_that_is_one_character_shorter_is_read_too() -> None:
    short = datagram(0x9002, request()[8:-1])
    assert WirelessSdpRequest.parse(short).evseid == NOBODY
    assert WirelessSdpResponse.parse(datagram(0x9003, response()[8:-1])).evseid == EVSEID


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        request()[:7],
        b"\x01\xff" + request()[2:],
        datagram(0x9000, request()[8:]),
        datagram(0x9003, request()[8:]),
        datagram(0x9002, request()[8:-2]),
        datagram(0x9002, request()[8:] + b"\0"),
        datagram(0x9002, request()[8:], 61),
        request(security=1),
        request(transport=0x10),
        request(coupling=0x55),
        request(evid=b"B\xffS"),
        request(evseid=b"\x01"),
    ],
)
def test_what_is_no_request(wrong: bytes) -> None:
    with pytest.raises(SdpError):
        WirelessSdpRequest.parse(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        response(status=3),
        response(coupling=0x77),
        response(port=0),
        response(address=IPv6Address("2001:db8::1")),
    ],
)
def test_what_is_no_response(wrong: bytes) -> None:
    with pytest.raises(SdpError):
        WirelessSdpResponse.parse(wrong)


@pytest.mark.parametrize("evid", ["B" * 21, "Bü", "B\n"])
def test_an_id_that_does_not_fit_is_ours_to_mend(evid: str) -> None:
    with pytest.raises(MisuseError, match="evid"):
        WirelessSdpRequest(coupling=Coupling.WPT, evid=evid).to_bytes()


@given(st.binary(max_size=80))
def test_any_octets_are_a_message_or_an_sdp_error(data: bytes) -> None:
    for kind in (WirelessSdpRequest, WirelessSdpResponse):
        for octets in (data, datagram(0x9002, data), datagram(0x9003, data)):
            with contextlib.suppress(SdpError):
                kind.parse(octets)


@given(
    st.sampled_from(list(Coupling)),
    st.integers(0, 0xFFFF),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20),
    st.sampled_from(list(Security)),
)
def test_what_is_written_is_read(coupling: Coupling, aids: int, evid: str, security: Security) -> None:
    sent = WirelessSdpRequest(security=security, aids=PairingAids(aids), coupling=coupling, evid=evid)
    assert WirelessSdpRequest.parse(sent.to_bytes()) == sent


def server(known: bool | Exception | None = True) -> WirelessSdpServer:
    def knows(evid: str) -> bool | None:
        if isinstance(known, Exception):
            raise known
        return known

    return WirelessSdpServer(
        address=STATION,
        ports={Security.TLS: 61341},
        coupling=Coupling.PANTOGRAPH_1,
        evseid=EVSEID,
        interface_index=3,
        knows=knows,
    )


@pytest.mark.parametrize(
    ("known", "status", "evseid"),
    [
        (True, DiagStatus.FINISHED_WITH_EVSEID, EVSEID),
        (False, DiagStatus.FINISHED_WITHOUT_EVSEID, NOBODY),
        (None, DiagStatus.ONGOING, NOBODY),
        (RuntimeError("no"), DiagStatus.ERROR, NOBODY),
    ],
    ids=["known", "unknown", "looked at", "raises"],
)
def test_a_station_says_whether_it_knows_the_vehicle(
    known: bool | Exception | None, status: DiagStatus, evseid: str
) -> None:
    answer = server(known).answer(request(), BUS, 0.0)
    assert isinstance(answer, WirelessSdpResponse)
    assert (answer.status, answer.evseid, answer.port) == (status, evseid, 61341)
    assert WirelessSdpResponse.parse(answer.to_bytes()) == answer


@pytest.mark.parametrize(
    ("data", "origin"),
    [
        (request(coupling=0x10), BUS),
        (request(evseid=b"DE*OTHER*E1"), BUS),
        (b"nonsense", BUS),
        (request(), Origin(IPv6Address("2001:db8::1"), 50000, 3)),
        (request(), Origin(BUS.address, 50000, 4)),
    ],
    ids=["coupling", "place", "garbage", "not link-local", "interface"],
)
def test_who_means_somebody_else_gets_no_answer(data: bytes, origin: Origin) -> None:
    assert isinstance(server().answer(data, origin, 0.0), str)


def test_a_flood_is_not_answered_and_hinders_nobody_else() -> None:
    station = server()
    answers = [station.answer(request(), BUS, 0.0) for _ in range(100)]
    assert 0 < sum(isinstance(one, WirelessSdpResponse) for one in answers) < 50
    other = Origin(IPv6Address("fe80::9"), 50001, 3)
    assert isinstance(station.answer(request(), other, 0.0), WirelessSdpResponse)
