"""Discovery: the two messages, forty ways to get them wrong, the station's answers and the car's patience in
virtual time."""

from __future__ import annotations

from ipaddress import IPv6Address
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.errors import MisuseError, SdpError
from iso15118.sdp import (
    MULTICAST_GROUP,
    SDP_PORT,
    Answer,
    Conflict,
    Found,
    GaveUp,
    Ignored,
    Origin,
    Refused,
    SdpClient,
    SdpRequest,
    SdpResponse,
    SdpServer,
    Security,
    SendRequest,
)
from iso15118.timing import Timing

INTERFACE = 3
STATION = IPv6Address("fe80::1:2:3:4")
CAR = IPv6Address("fe80::aa:bb:cc:dd")
CAR_ORIGIN = Origin(CAR, 50000, INTERFACE)
STATION_ORIGIN = Origin(STATION, SDP_PORT, INTERFACE)
TLS_PORT, PLAIN_PORT = 61341, 61342


def datagram(payload_type: int, payload: bytes, *, length: int | None = None, version: int = 0x01FE) -> bytes:
    """Written without the code under test."""
    return pack(">HHI", version, payload_type, len(payload) if length is None else length) + payload


def request(security: int = 0x00, transport: int = 0x00) -> bytes:
    return datagram(0x9000, bytes([security, transport]))


def response(
    address: str = str(STATION), port: int = TLS_PORT, security: int = 0x00, transport: int = 0x00
) -> bytes:
    return datagram(0x9001, IPv6Address(address).packed + pack(">HBB", port, security, transport))


def server(**changes: object) -> SdpServer:
    settings: dict[str, object] = {
        "address": STATION,
        "ports": {Security.TLS: TLS_PORT, Security.NONE: PLAIN_PORT},
        "interface_index": INTERFACE,
    }
    return SdpServer(**(settings | changes))  # type: ignore[arg-type]


def client(**changes: object) -> SdpClient:
    return SdpClient(**({"interface_index": INTERFACE} | changes))  # type: ignore[arg-type]


# -- the two messages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", list(Security))
def test_a_request_is_ten_bytes(security: Security) -> None:
    wire = SdpRequest(security).to_bytes()
    assert wire == request(security)
    assert SdpRequest.parse(wire) == SdpRequest(security)


@pytest.mark.parametrize("security", list(Security))
def test_a_response_is_28_bytes(security: Security) -> None:
    wire = SdpResponse(STATION, TLS_PORT, security).to_bytes()
    assert wire == response(security=security)
    assert len(wire) == 28
    assert SdpResponse.parse(wire) == SdpResponse(STATION, TLS_PORT, security)


def test_a_response_known_from_the_wire() -> None:
    wire = bytes.fromhex("01fe9001 00000014 fe80000000000000082793fffe5d04f9 ef9d 10 00".replace(" ", ""))
    found = SdpResponse.parse(wire)
    assert (str(found.address), found.port, found.security) == (
        "fe80::827:93ff:fe5d:4f9",
        61341,
        Security.NONE,
    )


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_not_announced(port: int) -> None:
    with pytest.raises(MisuseError, match="no TCP port"):
        SdpResponse(STATION, port, Security.TLS).to_bytes()


# Bytes that no role may accept: name, datagram, what the refusal says.
BROKEN = [
    *((f"{n} bytes", request()[:n], "bytes are no discovery message") for n in range(8)),
    ("a header alone", datagram(0x9000, b""), "has 2 bytes; 0 are announced and 0 are there"),
    ("half a request", request()[:9], "has 2 bytes; 2 are announced and 1 are there"),
    ("three bytes of payload", datagram(0x9000, bytes(3)), "has 2 bytes; 3 are announced and 3"),
    ("trailing bytes", request() + b"\0", "has 2 bytes; 2 are announced and 3 are there"),
    ("length 0 announced", datagram(0x9000, bytes(2), length=0), "has 2 bytes; 0 are announced"),
    ("length 2^32 - 1 announced", datagram(0x9000, bytes(2), length=2**32 - 1), "4294967295 are announced"),
    ("length 2^32 - 8 announced", datagram(0x9000, bytes(2), length=2**32 - 8), "4294967288 are announced"),
    ("64 KiB", request() + bytes(65_507 - 10), "has 2 bytes; 2 are announced and 65499 are there"),
    ("version 2", datagram(0x9000, bytes(2), version=0x02FD), "0x02FD is no V2GTP version 1 header"),
    ("inverse wrong", datagram(0x9000, bytes(2), version=0x01FF), "0x01FF is no V2GTP"),
    ("version swapped", datagram(0x9000, bytes(2), version=0xFE01), "0xFE01 is no V2GTP"),
    ("security reserved 0x01", request(security=0x01), "security byte 0x01 is reserved"),
    ("security reserved 0xFF", request(security=0xFF), "security byte 0xFF is reserved"),
    ("transport UDP", request(transport=0x10), "transport byte 0x10 is not TCP"),
    ("transport reserved", request(transport=0x01), "transport byte 0x01 is not TCP"),
    ("wireless request", datagram(0x9002, bytes(62)), r"0x9002 \(SDP_REQUEST_WIRELESS\) is for other links"),
    (
        "wireless response",
        datagram(0x9003, bytes(59)),
        r"0x9003 \(SDP_RESPONSE_WIRELESS\) is for other links",
    ),
    ("EMSP request", datagram(0x9004, bytes(2)), r"0x9004 \(SDP_REQUEST_EMSP\) is for other links"),
    ("EMSP response", datagram(0x9005, bytes(2)), r"0x9005 \(SDP_RESPONSE_EMSP\) is for other links"),
    ("a message of the stream", datagram(0x8001, bytes(2)), r"0x8001 \(SAP\) where 0x9000"),
    ("a manufacturer's type", datagram(0xA000, bytes(2)), r"0xA000 \(manufacturer\) where"),
    ("a response", response(), r"0x9001 \(SDP_RESPONSE\) where 0x9000 \(SDP_REQUEST\) belongs"),
]
BROKEN_IDS = [name for name, _, _ in BROKEN]


@pytest.mark.parametrize(("wire", "reason"), [case[1:] for case in BROKEN], ids=BROKEN_IDS)
def test_a_station_ignores_what_is_no_request(wire: bytes, reason: str) -> None:
    with pytest.raises(SdpError, match=reason):
        SdpRequest.parse(wire)
    answer = server().answer(wire, CAR_ORIGIN, 0.0)
    assert isinstance(answer, Ignored)
    assert not answer.flood


BROKEN_RESPONSES = [
    *((f"{n} bytes", response()[:n], "are no discovery message") for n in (0, 1, 7)),
    ("cut", response()[:27], "has 20 bytes; 20 are announced and 19 are there"),
    ("trailing byte", response() + b"\0", "has 20 bytes; 20 are announced and 21 are there"),
    ("length 19", datagram(0x9001, bytes(19)), "has 20 bytes; 19 are announced"),
    ("length 21", datagram(0x9001, bytes(21)), "has 20 bytes; 21 are announced"),
    ("length 2^32 - 8", datagram(0x9001, response()[8:], length=2**32 - 8), "4294967288 are announced"),
    ("64 KiB", response() + bytes(65_000), "has 20 bytes"),
    ("a request", request(), r"0x9000 \(SDP_REQUEST\) where 0x9001"),
    ("wireless", datagram(0x9003, bytes(59)), r"SDP_RESPONSE_WIRELESS\) is for other links"),
    ("version", datagram(0x9001, bytes(20), version=0x01FD), "no V2GTP version 1 header"),
    ("port 0", response(port=0), "announces port 0"),
    ("IPv4-mapped", response("::ffff:192.168.1.1"), "announces ::ffff:.* an IPv4 address"),
    ("unspecified", response("::"), "the unspecified address"),
    ("multicast", response("ff02::1"), "a multicast address"),
    ("loopback", response("::1"), "the loopback address"),
    ("global", response("2001:db8::1"), "which is not link-local"),
    ("unique local", response("fd00::1"), "which is not link-local"),
    ("IPv4-compatible", response("::c0a8:1"), "which is not link-local"),
    ("security reserved", response(security=0x20), "security byte 0x20 is reserved"),
    ("transport UDP", response(transport=0x10), "transport byte 0x10 is not TCP"),
]


@pytest.mark.parametrize(
    ("wire", "reason"), [case[1:] for case in BROKEN_RESPONSES], ids=[case[0] for case in BROKEN_RESPONSES]
)
def test_a_car_refuses_what_is_no_response_and_goes_on(wire: bytes, reason: str) -> None:
    with pytest.raises(SdpError, match=reason):
        SdpResponse.parse(wire)
    search = client()
    search.start(0.0)
    (refused,) = search.handle(wire, STATION_ORIGIN, 0.1)
    assert isinstance(refused, Refused)
    assert search.deadline == 0.25
    assert isinstance(search.handle(response(), STATION_ORIGIN, 0.2)[0], Found)


@given(st.binary(max_size=80), st.booleans())
def test_any_datagram_is_a_message_or_an_sdp_error(wire: bytes, framed: bool) -> None:
    for parse, payload_type in ((SdpRequest.parse, 0x9000), (SdpResponse.parse, 0x9001)):
        data = datagram(payload_type, wire) if framed else wire
        try:
            message = parse(data)
        except SdpError:
            continue
        assert message.to_bytes() == data


# -- where a datagram comes from ----------------------------------------------------------------------------

WRONG_ORIGINS = [
    ("global", Origin(IPv6Address("2001:db8::1"), 50000, 0), "not link-local"),
    ("unique local", Origin(IPv6Address("fd00::2"), 50000, INTERFACE), "not link-local"),
    ("loopback", Origin(IPv6Address("::1"), 50000, 0), "the loopback address"),
    ("IPv4-mapped", Origin(IPv6Address("::ffff:10.0.0.1"), 50000, 0), "an IPv4 address"),
    ("multicast", Origin(IPv6Address("ff02::1"), 50000, INTERFACE), "a multicast address"),
    ("unspecified", Origin(IPv6Address("::"), 50000, 0), "the unspecified address"),
    ("another interface", Origin(CAR, 50000, INTERFACE + 1), "over interface 4, this is interface 3"),
    ("no scope", Origin(CAR, 50000, 0), "over interface 0, this is interface 3"),
    ("port 0", Origin(CAR, 0, INTERFACE), "from port 0"),
]


@pytest.mark.parametrize(
    ("origin", "reason"), [case[1:] for case in WRONG_ORIGINS], ids=[case[0] for case in WRONG_ORIGINS]
)
def test_datagrams_from_elsewhere_count_for_nothing(origin: Origin, reason: str) -> None:
    ignored = server().answer(request(), origin, 0.0)
    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason
    search = client()
    search.start(0.0)
    (refused,) = search.handle(response(), origin, 0.1)
    assert isinstance(refused, Refused)
    assert reason in refused.reason


def test_on_the_loopback_interface_only_the_loopback_address_counts() -> None:
    here = IPv6Address("::1")
    station = server(address=here, interface_index=1, loopback=True)
    answer = station.answer(request(), Origin(here, 40000), 0.0)
    assert isinstance(answer, Answer)
    assert isinstance(station.answer(request(), CAR_ORIGIN, 0.0), Ignored)
    search = client(interface_index=1, loopback=True)
    search.start(0.0)
    assert isinstance(search.handle(response(), Origin(here, SDP_PORT), 0.1)[0], Refused)
    assert search.handle(answer.data, Origin(here, SDP_PORT), 0.1) == [
        Found(SdpResponse(here, TLS_PORT, Security.TLS), Origin(here, SDP_PORT))
    ]


def test_an_origin_is_read_from_what_a_socket_gives() -> None:
    assert Origin.of_socket(("fe80::1%eth0", 15118, 0, 7)) == Origin(IPv6Address("fe80::1"), 15118, 7)
    assert Origin.of_socket(("::1", 15118)) == Origin(IPv6Address("::1"), 15118, 0)
    assert str(Origin.of_socket(("fe80::1", 15118, 0, 7))) == "[fe80::1%7]:15118"
    with pytest.raises(SdpError, match="no IPv6 address"):
        Origin.of_socket(("192.168.1.1", 15118))


# -- the station --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "ports", "security", "port"),
    [
        (Security.TLS, {Security.TLS: 1, Security.NONE: 2}, Security.TLS, 1),
        (Security.NONE, {Security.TLS: 1, Security.NONE: 2}, Security.NONE, 2),
        (Security.NONE, {Security.TLS: 1}, Security.TLS, 1),
        (Security.TLS, {Security.NONE: 2}, Security.NONE, 2),
    ],
    ids=["TLS of both", "none of both", "TLS is the only one", "none is the only one"],
)
def test_a_car_gets_the_security_it_asks_for_or_the_only_one(
    asked: Security, ports: dict[Security, int], security: Security, port: int
) -> None:
    answer = server(ports=ports).answer(request(asked), CAR_ORIGIN, 0.0)
    assert answer == Answer(
        SdpRequest(asked),
        SdpResponse(STATION, port, security),
        response(port=port, security=security),
        request(asked),
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": IPv6Address("::1")}, "cannot announce ::1"),
        ({"address": IPv6Address("2001:db8::1")}, "not link-local"),
        ({"address": STATION, "loopback": True}, "not on the loopback interface"),
        ({"ports": {}}, "at least one port"),
        ({"ports": {Security.TLS: 0}}, "no TCP port"),
    ],
)
def test_a_station_that_nobody_could_reach_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(MisuseError, match=reason):
        server(**changes)


# -- the car ------------------------------------------------------------------------------------------------


def run_to_end(search: SdpClient) -> tuple[list[float], GaveUp, float]:
    """Jump from deadline to deadline: when requests went out, how it ended and when."""
    now = 100.0
    sent: list[float] = []
    actions = search.start(now)
    while True:
        for action in actions:
            if isinstance(action, GaveUp):
                return sent, action, now
            assert action == SendRequest(request())
            sent.append(now)
        assert search.deadline is not None
        now = search.deadline
        actions = search.handle_timeout(now)


def test_fifty_requests_250_ms_apart_then_it_gives_up() -> None:
    search = client()
    sent, end, at = run_to_end(search)
    assert sent == [100.0 + 0.25 * n for n in range(50)]
    assert at == 112.5
    assert end == GaveUp("no station answered 50 discovery requests")
    assert search.deadline is None
    assert search.requests_sent == 50


def test_retry_and_tries_are_settings() -> None:
    sent, _, at = run_to_end(client(timing=Timing(sdp_retry=1.0, sdp_requests=3)))
    assert (sent, at) == ([100.0, 101.0, 102.0], 103.0)


def test_nothing_happens_before_the_deadline() -> None:
    search = client()
    search.start(0.0)
    assert search.handle_timeout(0.249) == []
    assert search.handle_timeout(0.25) == [SendRequest(request())]


def test_a_late_call_asks_once_and_not_for_every_try_missed() -> None:
    search = client()
    search.start(0.0)
    assert search.handle_timeout(5.0) == [SendRequest(request())]
    assert search.deadline == 5.25


def test_datagrams_do_not_prolong_the_wait() -> None:
    search = client()
    search.start(0.0)
    search.handle(b"garbage", STATION_ORIGIN, 0.2)
    assert search.deadline == 0.25


def test_the_first_answer_wins_and_later_ones_are_news_only() -> None:
    search = client()
    search.start(0.0)
    assert search.handle(response(), STATION_ORIGIN, 0.1) == [
        Found(SdpResponse(STATION, TLS_PORT, Security.TLS), STATION_ORIGIN)
    ]
    assert search.deadline is None
    assert search.handle_timeout(10.0) == []
    (late,) = search.handle(response(port=50001), STATION_ORIGIN, 0.1)
    chosen, other = (SdpResponse(STATION, port, Security.TLS) for port in (TLS_PORT, 50001))
    assert late == Conflict(other, STATION_ORIGIN, chosen)
    assert "50001" in late.reason
    assert str(TLS_PORT) in late.reason
    # The same again is no news, and neither is what was taken: it answers an earlier request.
    assert search.handle(response(port=50001), STATION_ORIGIN, 0.2) == []
    assert search.handle(response(), STATION_ORIGIN, 0.2) == []
    assert search.handle_timeout(10.0) == []


def test_conflicting_answers_are_told_a_few_times_however_many_come() -> None:
    search = client()
    search.start(0.0)
    search.handle(response(), STATION_ORIGIN, 0.1)
    told = [
        action
        for port in range(50000, 51000)
        for action in search.handle(response(port=port), STATION_ORIGIN, 0.2)
    ]
    assert 1 <= len(told) <= 10


def test_a_plain_offer_beside_the_tls_that_was_taken_is_a_conflict_that_names_both() -> None:
    search = client()
    search.start(0.0)
    search.handle(response(), STATION_ORIGIN, 0.1)
    (conflict,) = search.handle(response(security=0x10), STATION_ORIGIN, 0.2)
    assert isinstance(conflict, Conflict)
    assert "TLS" in conflict.reason
    assert "NONE" in conflict.reason


def test_an_answer_after_the_car_gave_up_is_refused() -> None:
    search = client()
    run_to_end(search)
    assert search.handle(response(), STATION_ORIGIN, 113.0) == [
        Refused("an answer to nothing: gave up", STATION_ORIGIN)
    ]


def test_an_answer_before_the_start_is_refused() -> None:
    search = client()
    assert search.handle(response(), STATION_ORIGIN, 0.0) == [
        Refused("an answer to nothing: not started", STATION_ORIGIN)
    ]
    assert isinstance(search.start(0.0)[0], SendRequest)
    with pytest.raises(MisuseError, match="started before"):
        search.start(0.0)


def test_nobody_talks_the_car_out_of_tls() -> None:
    search = client()
    search.start(0.0)
    (refused,) = search.handle(response(security=0x10), STATION_ORIGIN, 0.1)
    assert refused == Refused("asked for TLS, the station offers NONE", STATION_ORIGIN, downgrade=True)
    assert isinstance(search.handle(response(), STATION_ORIGIN, 0.2)[0], Found)


def test_the_end_names_the_refused_answer() -> None:
    search = client(timing=Timing(sdp_requests=1))
    search.start(0.0)
    search.handle(response(security=0x10), STATION_ORIGIN, 0.1)
    (end,) = search.handle_timeout(0.25)
    assert isinstance(end, GaveUp)
    assert end.reason.endswith(
        "1 discovery requests; the last answer was refused: asked for TLS, the station offers NONE"
    )


@pytest.mark.parametrize(
    ("asked", "accept", "offered", "taken"),
    [
        (Security.TLS, None, Security.TLS, True),
        (Security.TLS, None, Security.NONE, False),
        (Security.NONE, None, Security.TLS, False),
        (Security.NONE, None, Security.NONE, True),
        (Security.TLS, [Security.TLS, Security.NONE], Security.NONE, True),
        (Security.NONE, [Security.NONE, Security.TLS], Security.TLS, True),
    ],
)
def test_which_answers_a_car_takes_is_a_policy(
    asked: Security, accept: list[Security] | None, offered: Security, taken: bool
) -> None:
    search = client(security=asked, accept=accept)
    assert search.start(0.0) == [SendRequest(request(asked))]
    (action,) = search.handle(response(security=offered), STATION_ORIGIN, 0.1)
    assert isinstance(action, Found) is taken


def test_both_ends_find_each_other() -> None:
    search, station = client(), server()
    (ask,) = search.start(0.0)
    assert isinstance(ask, SendRequest)
    answer = station.answer(ask.data, CAR_ORIGIN, 0.0)
    assert isinstance(answer, Answer)
    (found,) = search.handle(answer.data, STATION_ORIGIN, 0.0)
    assert found == Found(SdpResponse(STATION, TLS_PORT, Security.TLS), STATION_ORIGIN)


def test_requests_go_to_all_nodes_on_port_15118() -> None:
    assert (str(MULTICAST_GROUP), SDP_PORT) == ("ff02::1", 15118)
