"""What came of configuring or reading PLCA, and in which words: a kernel that is played octet by octet
answers everything that stands in the way."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any

import pytest

from iso15118.aio.net.ethtool import Negotiation, NegotiationOutcome
from iso15118.aio.plug.plca import COORDINATOR, Plca, PlcaOutcome, PlcaResult, configure_plca, read_plca
from iso15118.errors import ConfigError

pytest.importorskip("pyroute2")
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]
from pyroute2.netlink.generic import AsyncGenericNetlinkSocket  # type: ignore[import-untyped]

from tests.aio.test_ethtool import (
    AS_ASKED,
    LINKMODES_GET,
    PLCA,
    PLCA_GET,
    PLCA_SET,
    PLCA_STATUS,
    Family,
    Kernel,
    Operation,
    kernel,
    u8,
    u32,
)
from tests.aio.test_settling import now

__all__ = ["kernel"]

R = PlcaResult
FIELDS = {"node_id": (0, 254), "node_count": (1, 255), "to_timer": (0, 255), "burst_count": (0, 255)}
FIELDS["burst_timer"] = (0, 255)


@pytest.mark.parametrize("name", FIELDS)
def test_the_least_and_the_most_of_a_field_are_possible_and_nothing_beyond(name: str) -> None:
    low, high = FIELDS[name]
    rest: dict[str, Any] = {"node_id": 0, "node_count": 255}
    for value in (low, high):
        assert getattr(Plca(**rest | {name: value}), name) == value
    for wrong in (low - 1, high + 1, 1.0, True, "1", None):
        with pytest.raises(ConfigError, match=rf"plca\.{name}.*a whole number from {low} to {high}"):
            Plca(**rest | {name: wrong})


def test_a_node_says_what_it_is() -> None:
    assert str(Plca(node_id=COORDINATOR)) == (
        "PLCA node 0, coordinator of 8; opportunity 32 bit times, burst 0 within 128 bit times"
    )
    follower = Plca(node_id=1, to_timer=24, burst_count=2, burst_timer=64)
    assert str(follower) == (
        "PLCA node 1, follower; opportunity 24 bit times, burst 2 within 64 bit times"
    )  # fmt: skip
    assert str(Plca(node_id=0, enabled=False)) == "PLCA off"


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (PlcaOutcome(R.SET, "v2g0"), "v2g0: PLCA is configured"),
        (PlcaOutcome(R.SET, "v2g0", beacons=True), "v2g0: PLCA is configured, beacons"),
        (PlcaOutcome(R.SET, "v2g0", beacons=False), "v2g0: PLCA is configured, no beacons"),
        (PlcaOutcome(R.SET, "v2g0", present=Plca(node_id=0, enabled=False)), "v2g0: PLCA is configured: PLCA off"),
        (PlcaOutcome(R.FAILED, "v2g0", "why"), f"v2g0: {R.FAILED.value} (why)"),
        (
            PlcaOutcome(R.SET, "v2g0", negotiation=NegotiationOutcome(Negotiation.WAS_OFF, "x")),
            "v2g0: PLCA is configured",
        ),
        (
            PlcaOutcome(R.SET, "v2g0", negotiation=NegotiationOutcome(Negotiation.REFUSED, "busy")),
            "v2g0: PLCA is configured; auto-negotiation stays on: busy",
        ),
    ],
)  # fmt: skip
def test_an_outcome_in_words(outcome: PlcaOutcome, text: str) -> None:
    assert str(outcome) == text
    assert outcome.ok is (outcome.result is R.SET)


async def test_what_the_phy_has_is_read(kernel: Kernel) -> None:
    began = now()
    outcome = await read_plca("v2g0")
    assert now() - began < 0.1
    assert outcome == PlcaOutcome(R.PRESENT, "v2g0", present=PLCA, beacons=True)
    assert outcome.ok
    assert kernel.commands == [PLCA_GET, PLCA_STATUS], "reading configures nothing"
    kernel.answers |= {PLCA_GET: {5: u32(8)}, PLCA_STATUS: {4: u8(0)}}
    assert await read_plca("v2g0") == PlcaOutcome(R.PRESENT, "v2g0", beacons=False)
    kernel.answers |= {PLCA_GET: None, PLCA_STATUS: {}}
    assert await read_plca("v2g0") == PlcaOutcome(R.PRESENT, "v2g0")
    kernel.answers[PLCA_GET] = {3: u8(0), 6: u32(1)}
    assert (await read_plca("v2g0")).present == Plca(node_id=1, enabled=False)


async def test_plca_that_is_switched_off_leaves_the_negotiation_as_it_is(kernel: Kernel) -> None:
    kernel.answers[PLCA_GET] = AS_ASKED | {3: u8(0)}
    outcome = await configure_plca("v2g0", Plca(node_id=0, enabled=False))
    assert (outcome.result, outcome.negotiation) == (R.SET, None)
    assert LINKMODES_GET not in kernel.commands


async def test_a_phy_that_makes_something_else_of_it_has_refused_it(kernel: Kernel) -> None:
    kernel.answers[PLCA_GET] = AS_ASKED | {5: u32(4)}
    outcome = await configure_plca("v2g0", PLCA)
    assert outcome.result is R.REFUSED
    assert outcome.present == Plca(node_id=0, node_count=4)
    assert outcome.detail == f"asked for {PLCA}"
    assert not outcome.ok


@pytest.mark.parametrize("answer", [(errno.EOPNOTSUPP,), None], ids=["an error", "nothing"])
async def test_a_driver_that_can_be_configured_and_not_read_is_content(kernel: Kernel, answer: Any) -> None:
    kernel.answers[PLCA_GET] = answer
    outcome = await configure_plca("v2g0", PLCA)
    assert (outcome.result, outcome.detail, outcome.present) == (R.SET, "", None)


async def test_a_driver_that_does_not_say_whether_there_are_beacons_has_said_the_rest(kernel: Kernel) -> None:
    kernel.answers[PLCA_STATUS] = (errno.EOPNOTSUPP,)
    assert await read_plca("v2g0") == PlcaOutcome(R.PRESENT, "v2g0", present=PLCA)
    assert (await configure_plca("v2g0", PLCA)).result is R.SET


@pytest.mark.parametrize(
    ("number", "result", "detail"),
    [
        (errno.EOPNOTSUPP, R.NOT_OFFERED, ""),
        (errno.EPERM, R.NOT_PERMITTED, ""),
        (errno.EACCES, R.NOT_PERMITTED, ""),
        (errno.ENODEV, R.NO_INTERFACE, ""),
        (errno.EINVAL, R.REFUSED, ""),
        (errno.ERANGE, R.REFUSED, ""),
        (errno.ENOENT, R.FAILED, os.strerror(errno.ENOENT)),
        (errno.EBUSY, R.FAILED, os.strerror(errno.EBUSY)),
    ],
)
@pytest.mark.parametrize("command", [PLCA_SET, PLCA_GET])
async def test_what_the_kernel_answers_instead(
    kernel: Kernel, command: int, number: int, result: PlcaResult, detail: str
) -> None:
    kernel.answers[command] = (number,)
    outcome = await (configure_plca("v2g0", PLCA) if command == PLCA_SET else read_plca("v2g0"))
    assert outcome.result is result
    assert detail in outcome.detail
    assert bool(outcome.detail) is bool(detail)
    kernel.answers[command] = (number, "its own words.")
    outcome = await (configure_plca("v2g0", PLCA) if command == PLCA_SET else read_plca("v2g0"))
    assert (outcome.result, outcome.detail) == (result, "its own words")


@pytest.mark.parametrize("missing", [PLCA_GET, PLCA_SET])
async def test_a_kernel_without_the_commands_has_no_support(
    kernel: Kernel, missing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_attr(self: Any, name: str) -> Any:
        return [Operation(number) for number in range(1, 50) if number != missing]

    monkeypatch.setattr(Family, "get_attr", get_attr)
    for asked in (read_plca("v2g0"), configure_plca("v2g0", PLCA)):
        assert (await asked).result is R.NO_KERNEL_SUPPORT
    monkeypatch.setattr(Family, "get_attr", lambda self, name: None)
    assert (await read_plca("v2g0")).result is R.NO_KERNEL_SUPPORT


async def test_a_kernel_that_offers_just_these_has_support(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Family, "get_attr", lambda self, name: [Operation(PLCA_GET), Operation(PLCA_SET)])
    assert (await read_plca("v2g0")).result is R.PRESENT


@pytest.mark.parametrize(
    ("error", "result", "detail"),
    [
        ((errno.ENOENT,), R.NO_KERNEL_SUPPORT, ""),
        (OSError(errno.EMFILE, "too many"), R.FAILED, "netlink: too many"),
        (OSError("odd"), R.FAILED, "netlink: odd"),
    ],
    ids=["no such family", "an error of the system", "one without a number"],
)
async def test_a_conversation_that_does_not_begin(
    kernel: Kernel, error: Any, result: PlcaResult, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bind(self: Any, proto: str, kind: Any) -> None:
        raise error if isinstance(error, OSError) else NetlinkError(*error)

    monkeypatch.setattr(AsyncGenericNetlinkSocket, "bind", bind)
    outcome = await read_plca("v2g0")
    assert (outcome.result, outcome.detail) == (result, detail)


async def test_a_kernel_that_does_not_answer_is_waited_for_two_seconds(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def request(self: Any, message: Any, msg_type: int, msg_flags: int) -> Any:
        await asyncio.sleep(1000.0)

    monkeypatch.setattr(AsyncGenericNetlinkSocket, "nlm_request", request)
    began = now()
    outcome = await read_plca("v2g0")
    assert now() - began == pytest.approx(2.0, abs=0.1)
    assert (outcome.result, outcome.detail) == (R.FAILED, "the kernel did not answer within 2 s")
    outcome = await configure_plca("v2g0", PLCA)
    assert outcome.negotiation == NegotiationOutcome(
        Negotiation.REFUSED, "the kernel did not answer within 2 s"
    )


@pytest.mark.parametrize(
    ("name", "asked"),
    [("v2g0", True), ("v", True), ("x" * 127, True), ("x" * 128, False), ("", False), ("a\0b", False)],
)
async def test_a_name_that_no_interface_can_have_is_not_asked_about(
    kernel: Kernel, name: str, asked: bool
) -> None:
    for outcome in (await read_plca(name), await configure_plca(name, PLCA)):
        assert (outcome.result is not R.NO_INTERFACE) is asked
        assert outcome.interface == name
    assert bool(kernel.commands) is asked
