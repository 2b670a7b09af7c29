"""Discovery without a cable: the two messages octet by octet, ways to get them wrong,
and the station's answers."""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv6Address
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.errors import MisuseError, SdpError
from iso15118.sdp import (
    Answer,
    Conflict,
    Found,
    GaveUp,
    Ignored,
    Origin,
    Refused,
    SdpRequest,
    Security,
    SendRequest,
)
from iso15118.sdp.wireless import (
    NOBODY,
    Coupling,
    DiagStatus,
    PairingAids,
    WirelessSdpRequest,
    WirelessSdpResponse,
)
from iso15118.sdp.wireless_ends import WirelessPlace, WirelessSdpClient, WirelessSdpServer
from iso15118.timing import Timing

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


def server(known: bool | Exception | None = True, **settings: object) -> WirelessSdpServer:
    def knows(evid: str) -> bool | None:
        if isinstance(known, Exception):
            raise known
        return known

    return WirelessSdpServer(
        address=STATION,
        ports={Security.TLS: 61341},
        place=WirelessPlace(coupling=Coupling.PANTOGRAPH_1, knows=knows, evseid=EVSEID),
        interface_index=3,
        **settings,  # type: ignore[arg-type]
    )


def said(one: Answer | Ignored) -> WirelessSdpResponse:
    assert isinstance(one, Answer)
    assert isinstance(one.response, WirelessSdpResponse)
    return one.response


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
    outcome = server(known).answer(request(), BUS, 0.0)
    answer = said(outcome)
    assert (answer.status, answer.evseid, answer.port) == (status, evseid, 61341)
    assert isinstance(outcome, Answer)
    assert WirelessSdpResponse.parse(outcome.data) == answer
    assert outcome.asked == request(), "a recording has what came, also where an id is a character short"


def test_a_place_that_nobody_looks_at_claims_to_know_nobody() -> None:
    asked = WirelessPlace(coupling=Coupling.WPT).knows("BUS1")
    assert asked is False


@pytest.mark.parametrize(
    ("data", "origin"),
    [
        (request(coupling=0x10), BUS),
        (request(evseid=b"DE*OTHER*E1"), BUS),
        (b"nonsense", BUS),
        (SdpRequest(Security.TLS).to_bytes(), BUS),
        (request(), Origin(IPv6Address("2001:db8::1"), 50000, 3)),
        (request(), Origin(BUS.address, 50000, 4)),
    ],
    ids=["coupling", "place", "garbage", "of a cable", "not link-local", "interface"],
)
def test_who_means_somebody_else_gets_no_answer(data: bytes, origin: Origin) -> None:
    assert isinstance(server().answer(data, origin, 0.0), Ignored)


def test_nobody_is_invited_while_no_session_can_be_taken() -> None:
    outcome = server(may_answer=lambda origin: False).answer(request(), BUS, 0.0)
    assert isinstance(outcome, Ignored)
    assert outcome.busy


def test_a_flood_is_not_answered_and_hinders_nobody_else() -> None:
    station = server()
    answers = [station.answer(request(), BUS, 0.0) for _ in range(100)]
    assert 0 < sum(isinstance(one, Answer) for one in answers) < 50
    other = Origin(IPv6Address("fe80::9"), 50001, 3)
    said(station.answer(request(), other, 0.0))


@pytest.mark.parametrize(
    ("address", "ports", "evseid"),
    [
        ("2001:db8::1", {Security.TLS: 1}, EVSEID),
        ("fe80::1", {}, EVSEID),
        ("fe80::1", {Security.TLS: 0}, EVSEID),
        ("fe80::1", {Security.TLS: 1}, "X" * 38),
    ],
    ids=["address", "no port", "port 0", "EVSEID"],
)
def test_a_place_that_no_answer_can_carry_is_refused(
    address: str, ports: dict[Security, int], evseid: str
) -> None:
    with pytest.raises(MisuseError):
        WirelessSdpServer(
            address=IPv6Address(address),
            ports=ports,
            place=WirelessPlace(coupling=Coupling.WPT, evseid=evseid),
            interface_index=3,
        )


# -- the vehicle's search ----------------------------------------------------------------------------------

HERE, THERE = Origin(STATION, 15118, 3), Origin(IPv6Address("fe80::7"), 15118, 3)
RETRY = Timing().sdp_retry


def place(**settings: object) -> bytes:
    wanted = {
        "address": STATION,
        "port": 50_000,
        "status": DiagStatus.FINISHED_WITH_EVSEID,
        "coupling": Coupling.WPT,
        "evseid": EVSEID,
    }
    if settings.get("status", DiagStatus.FINISHED_WITH_EVSEID) is not DiagStatus.FINISHED_WITH_EVSEID:
        wanted["evseid"] = NOBODY
    return WirelessSdpResponse(**(wanted | settings)).to_bytes()  # type: ignore[arg-type]


def search(**settings: object) -> WirelessSdpClient:
    wanted: dict[str, object] = {"coupling": Coupling.WPT, "evid": "BUS1"}
    accept = settings.pop("accept", None)
    asks = WirelessSdpRequest(**(wanted | settings))  # type: ignore[arg-type]
    client = WirelessSdpClient(asks, interface_index=3, accept=accept)  # type: ignore[arg-type]
    assert client.start(0.0) == [SendRequest(asks.to_bytes())]
    return client


CANNOT_TELL = {"status": DiagStatus.FINISHED_WITHOUT_EVSEID}
ELSEWHERE: dict[str, object] = {"address": THERE.address, "port": 50_001}


def test_a_place_that_knows_the_vehicle_is_taken_at_once() -> None:
    client = search()
    [found] = client.handle(place(), HERE, 0.1)
    assert isinstance(found, Found)
    assert client.deadline is None


def test_who_knows_the_vehicle_is_taken_before_who_answered_first() -> None:
    client = search()
    assert client.handle(place(**CANNOT_TELL, **ELSEWHERE), THERE, 0.01) == []
    [found] = client.handle(place(), HERE, 0.1)
    assert isinstance(found, Found)
    assert found.response.address == STATION


def test_who_cannot_tell_is_taken_when_the_wait_is_over_and_another_one_is_said() -> None:
    client = search()
    assert client.handle(place(**CANNOT_TELL), HERE, 0.01) == []
    assert client.handle(place(**CANNOT_TELL), HERE, 0.02) == [], "a second answer of the same one"
    assert client.handle(place(**CANNOT_TELL, **ELSEWHERE), THERE, 0.03) == []
    assert client.handle_timeout(RETRY / 2) == []
    found, conflict = client.handle_timeout(RETRY)
    assert isinstance(found, Found)
    assert found.response.address == STATION
    assert isinstance(conflict, Conflict)
    assert conflict.response.address == THERE.address
    assert client.deadline is None


def test_candidates_are_bounded() -> None:
    client = search()
    for number in range(1000):
        client.handle(place(**CANNOT_TELL, port=50_000 + number), HERE, 0.01)
    assert 1 < len(client.handle_timeout(RETRY)) <= 9


def test_a_station_that_still_looks_is_asked_again() -> None:
    client = search()
    [waits] = client.handle(place(status=DiagStatus.ONGOING), HERE, 0.1)
    assert isinstance(waits, Refused)
    assert waits.waits
    [again] = client.handle_timeout(RETRY)
    assert isinstance(again, SendRequest)
    [found] = client.handle(place(), HERE, RETRY + 0.1)
    assert isinstance(found, Found)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (place(coupling=Coupling.SIDE), "the place has SIDE"),
        (place(status=DiagStatus.ERROR), "says ERROR"),
        (place(security=Security.NONE), "asked for TLS, the station offers NONE"),
        (place(evseid="DE*OTHER*E1"), "this is DE[*]OTHER[*]E1"),
        (place()[:-2], "bytes"),
    ],
    ids=["coupling", "error", "security", "place", "short"],
)
def test_an_answer_that_is_none_is_refused_and_named_at_the_end(answer: bytes, reason: str) -> None:
    client = search(evseid=EVSEID)
    [refused] = client.handle(answer, HERE, 0.1)
    assert isinstance(refused, Refused)
    assert re.search(reason, refused.reason)
    assert refused.downgrade is ("NONE" in reason)
    last = [one for number in range(1, 60) for one in client.handle_timeout(number * RETRY)][-1]
    assert isinstance(last, GaveUp)
    assert re.search(reason, last.reason)


@pytest.mark.parametrize(
    ("chosen", "second", "conflicts"),
    [
        ({}, {}, False),
        ({}, CANNOT_TELL | ELSEWHERE, False),
        ({}, {"status": DiagStatus.ONGOING, **ELSEWHERE}, False),
        ({}, {"coupling": Coupling.SIDE, **ELSEWHERE}, False),
        ({}, ELSEWHERE, True),
        ({}, {"evseid": "DE*OTHER*E1"}, True),
        (CANNOT_TELL, {}, False),
        (CANNOT_TELL, ELSEWHERE, True),
        (CANNOT_TELL, CANNOT_TELL | ELSEWHERE, True),
    ],
)
def test_only_another_place_that_takes_the_vehicle_for_its_own_is_a_conflict(
    chosen: dict[str, object], second: dict[str, object], conflicts: bool
) -> None:
    client = search()
    client.handle(place(**chosen), HERE, 0.1)
    client.handle_timeout(RETRY)
    told = client.handle(place(**second), THERE, RETRY + 0.1)
    assert [type(one) for one in told] == ([Conflict] if conflicts else [])


def test_both_ends_find_each_other() -> None:
    client = search(coupling=Coupling.PANTOGRAPH_1)
    answer = server().answer(request(coupling=0x01), BUS, 0.0)
    assert isinstance(answer, Answer)
    [found] = client.handle(answer.data, HERE, 0.1)
    assert isinstance(found, Found)
    assert found.response == answer.response
