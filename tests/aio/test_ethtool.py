"""Auto-negotiation and PLCA against a kernel that is played octet by octet: what is asked in which order,
and the reasons it gives."""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.net.ethtool import Negotiation, turn_negotiation_off
from iso15118.aio.plug import media
from iso15118.aio.plug.media import CarrierMedium
from iso15118.aio.plug.plca import COORDINATOR, Plca, PlcaOutcome, PlcaResult, configure_plca, read_plca

pytest.importorskip("pyroute2")
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]
from pyroute2.netlink.generic import AsyncGenericNetlinkSocket  # type: ignore[import-untyped]

LINKMODES_GET, LINKMODES_SET, PLCA_GET, PLCA_SET, PLCA_STATUS = 4, 5, 39, 40, 41
PLCA = Plca(node_id=COORDINATOR)


def u8(value: int) -> bytes:
    return bytes([value])


def u32(value: int) -> bytes:
    return struct.pack("=I", value)


AS_ASKED = {3: u8(1), 5: u32(8), 6: u32(0), 7: u32(32), 8: u32(0), 9: u32(128)}


def attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x7FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


class Kernel:
    """Answers by command: attributes, or an error number with the words of the extended acknowledgement."""

    def __init__(self) -> None:
        self.answers: dict[int, Any] = {
            LINKMODES_GET: {2: u8(0)},
            LINKMODES_SET: None,
            PLCA_SET: None,
            PLCA_GET: AS_ASKED,
            PLCA_STATUS: {4: u8(1)},
        }
        self.asked: list[tuple[int, dict[int, bytes]]] = []

    @property
    def commands(self) -> list[int]:
        return [command for command, _ in self.asked]

    def request(self, message: Any) -> AsyncIterator[Any]:
        message.encode()
        data = bytes(message.data)
        command = data[16]
        self.asked.append((command, attributes(data[20:])))
        answer = self.answers[command]
        if isinstance(answer, tuple):
            raise NetlinkError(*answer)
        return self._replies(type(message), command, answer)

    async def _replies(self, kind: Any, command: int, answer: dict[int, bytes] | None) -> AsyncIterator[Any]:
        if answer is None:
            return
        body = b"".join(
            (struct.pack("=HH", 4 + len(value), number) + value).ljust(4 + (len(value) + 3 & ~3), b"\0")
            for number, value in answer.items()
        )
        reply = kind(struct.pack("=IHHII", 20 + len(body), 21, 0, 1, 0) + bytes([command, 1, 0, 0]) + body)
        reply.decode()
        yield reply


class Family:
    def get_attr(self, name: str) -> Any:
        return [Operation(number) for number in range(1, 50)]


class Operation:
    def __init__(self, number: int) -> None:
        self.number = number

    def get_attr(self, name: str) -> int:
        return self.number


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    played = Kernel()

    async def bind(self: Any, proto: str, kind: Any) -> None:
        assert proto == "ethtool"
        self._prid = 21

    async def discovery(self: Any, proto: str) -> Family:
        return Family()

    async def request(self: Any, message: Any, msg_type: int, msg_flags: int) -> AsyncIterator[Any]:
        assert msg_type == 21
        return played.request(message)

    for name, method in (("bind", bind), ("discovery", discovery), ("nlm_request", request)):
        monkeypatch.setattr(AsyncGenericNetlinkSocket, name, method)
    return played


async def test_auto_negotiation_is_turned_off_before_plca_is_configured(kernel: Kernel) -> None:
    kernel.answers[LINKMODES_GET] = {2: u8(1)}
    outcome = await configure_plca("v2g0", PLCA)
    assert outcome.result is PlcaResult.SET
    assert outcome.negotiation is not None
    assert outcome.negotiation.result is Negotiation.TURNED_OFF
    assert kernel.commands == [LINKMODES_GET, LINKMODES_SET, PLCA_SET, PLCA_GET, PLCA_STATUS]
    _, asked = kernel.asked[1]
    assert attributes(asked.pop(1)) == {2: b"v2g0\0"}
    assert asked == {2: u8(0), 5: u32(10), 6: u8(0)}  # no negotiation, 10 Mbit/s, half duplex


async def test_auto_negotiation_that_is_off_is_left_alone(kernel: Kernel) -> None:
    assert (await turn_negotiation_off("v2g0")).result is Negotiation.WAS_OFF
    assert kernel.commands == [LINKMODES_GET]


async def test_a_driver_without_link_modes_is_no_obstacle(kernel: Kernel) -> None:
    kernel.answers[LINKMODES_GET] = (errno.EOPNOTSUPP,)
    outcome = await configure_plca("v2g0", PLCA)
    assert outcome.ok
    assert outcome.negotiation is not None
    assert outcome.negotiation.ok
    assert "negotiation" not in str(outcome)


async def test_auto_negotiation_that_stays_on_is_said_with_the_kernels_reason(kernel: Kernel) -> None:
    kernel.answers[LINKMODES_GET] = {2: u8(1)}
    kernel.answers[LINKMODES_SET] = (errno.EINVAL, "requested speed is not possible.")
    outcome = await configure_plca("v2g0", PLCA)
    assert outcome.result is PlcaResult.SET
    assert "auto-negotiation stays on" in str(outcome)
    assert "requested speed is not possible" in str(outcome)


@pytest.mark.parametrize(
    ("get", "set_", "result"),
    [
        ((errno.EOPNOTSUPP,), None, Negotiation.NOT_OFFERED),
        ((errno.EPERM,), None, Negotiation.REFUSED),
        ({2: u8(1)}, (errno.EOPNOTSUPP,), Negotiation.REFUSED),
        ({2: u8(1)}, (errno.EPERM,), Negotiation.REFUSED),
        ({2: u8(1)}, None, Negotiation.TURNED_OFF),
        ({}, None, Negotiation.WAS_OFF),
    ],
)
async def test_what_came_of_turning_it_off(kernel: Kernel, get: Any, set_: Any, result: Negotiation) -> None:
    kernel.answers |= {LINKMODES_GET: get, LINKMODES_SET: set_}
    outcome = await turn_negotiation_off("v2g0")
    assert outcome.result is result
    assert outcome.ok is (result is not Negotiation.REFUSED)
    number = next((one[0] for one in (get, set_) if isinstance(one, tuple)), 0)
    assert outcome.detail == (os.strerror(number) if result is Negotiation.REFUSED else "")
    assert str(outcome) == (f"{result.value}: {outcome.detail}" if outcome.detail else result.value)


async def test_the_kernel_is_asked_for_its_reasons(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    begin = AsyncGenericNetlinkSocket.__init__

    def noted(self: Any, **how: Any) -> None:
        asked.append(how)
        begin(self, **how)

    monkeypatch.setattr(AsyncGenericNetlinkSocket, "__init__", noted)
    await read_plca("v2g0")
    assert asked == [{"ext_ack": True}]


async def test_the_kernels_reason_for_refusing_plca_is_said_in_its_words(kernel: Kernel) -> None:
    kernel.answers[PLCA_SET] = (errno.EINVAL, "node ID is out of range for this PHY")
    outcome = await configure_plca("v2g0", PLCA)
    assert outcome.result is PlcaResult.REFUSED
    assert outcome.detail == "node ID is out of range for this PHY"


async def test_an_error_without_words_has_no_detail_but_its_own(kernel: Kernel) -> None:
    kernel.answers[PLCA_GET] = (errno.EOPNOTSUPP,)
    outcome = await read_plca("v2g0")
    assert (outcome.result, outcome.detail) == (PlcaResult.NOT_OFFERED, "")
    assert LINKMODES_SET not in kernel.commands


watches: list[Watch] = []


class Watch:
    """In place of the carrier's watch: says when the interface is back."""

    def __init__(
        self, interface: str, report: Callable[[bool], None], *, returned: Callable[[], None]
    ) -> None:
        self.returned = returned
        watches.append(self)

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def test_plca_is_configured_again_when_the_interface_is_back(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(media, "CarrierWatch", Watch)
    outcomes: asyncio.Queue[PlcaOutcome] = asyncio.Queue()
    medium = CarrierMedium("v2g0", PLCA, configured=outcomes.put_nowait)
    await medium.open(lambda event: None)
    assert outcomes.get_nowait().ok
    kernel.answers[PLCA_SET] = (errno.EBUSY, "the PHY is in reset")
    watches[-1].returned()
    again = await asyncio.wait_for(outcomes.get(), 5.0)
    assert not again.ok
    assert "the PHY is in reset" in again.detail
    assert flush(60.0)
    assert "back" in caplog.text
    await medium.close()
