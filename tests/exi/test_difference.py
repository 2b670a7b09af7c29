"""The readable difference of two messages."""

from __future__ import annotations

import msgspec

from iso15118 import exi
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import common_types as ct
from tests.cli.rig import iso15118

HEADER = ct.MessageHeader(session_id=bytes(8), time_stamp=1)
SERVICE = cm.Service(service_id=2, free_service=True)
LEFT = cm.ServiceDiscoveryRes(
    header=HEADER,
    response_code=ct.ResponseCode.OK,
    service_renegotiation_supported=False,
    energy_transfer_service_list=cm.ServiceList(service=(SERVICE,)),
)


def test_equal_messages_do_not_differ() -> None:
    assert exi.diff(LEFT, exi.decode("iso20-common", exi.encode("iso20-common", LEFT))) == []


def test_every_place_is_a_line() -> None:
    other = msgspec.structs.replace(SERVICE, free_service=False)
    right = msgspec.structs.replace(
        LEFT,
        header=ct.MessageHeader(session_id=b"\x01" * 8, time_stamp=1),
        response_code=ct.ResponseCode.FAILED,
        energy_transfer_service_list=cm.ServiceList(service=(other, SERVICE)),
        vas_list=cm.ServiceList(service=(SERVICE,)),
    )
    assert exi.diff(LEFT, right) == [
        "header.session_id: 0000000000000000 -> 0101010101010101",
        "response_code: OK -> FAILED",
        "energy_transfer_service_list.service[0].free_service: True -> False",
        "energy_transfer_service_list.service[1]: absent -> Service(service_id=2, free_service=True)",
        "vas_list: absent -> ServiceList(service=[Service(service_id=2, free_service=True)])",
    ]
    printed = iso15118(
        "exi", "diff", "--schema", "iso20-common",
        exi.encode("iso20-common", LEFT).hex(), exi.encode("iso20-common", right).hex(),
    )  # fmt: skip
    assert (printed.status, printed.out.splitlines()) == (1, exi.diff(LEFT, right))


def test_messages_of_different_classes_and_long_values() -> None:
    request = cm.ServiceDiscoveryReq(header=HEADER)
    assert exi.diff(LEFT, request)[0].startswith("message: ServiceDiscoveryRes(")
    long = cm.AuthorizationSetupReq(header=msgspec.structs.replace(HEADER, session_id=b"\xff" * 100))
    line = exi.diff(long, cm.AuthorizationSetupReq(header=HEADER))[0]
    assert line == f"header.session_id: {'ff' * 64}... (100 octets) -> {'00' * 8}"
