"""What a result says of its end, over a real loop: cause, side, timer, last messages, faults that were
told, a loop that was blocked."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from iso15118.aio import SessionResult
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.aio.site import Site, Stopper, site


def ended(
    then: Any, *, loops: int = 4, every: int = 0, **settings: Any
) -> tuple[SessionResult, SessionResult]:
    """A session in which this happens in the charge loop, once or again after ``every`` further loops:
    results of the station and of the vehicle."""

    async def run() -> tuple[SessionResult, SessionResult]:
        async with site(**settings) as place:

            def again(client: Any) -> None:
                stopper.left = every
                then(place, client)

            stopper = Stopper(loops, again)
            client = place.client(observer=stopper)
            stopper.client = client
            mine = await client.run()
            return await place.server.wait_finished(1), mine

    return asyncio.run(run())


def test_an_ordinary_end_has_all_of_it_as_json_and_in_ten_lines() -> None:
    ours, theirs = ended(lambda place, client: client.stop("enough"))
    for result in (ours, theirs):
        told = json.loads(json.dumps(result.summary()))
        assert (told["result"], told["cause"], told["side"]) == ("ok", "stopped-by-vehicle", "evcc")
        assert told["role"] == result.role
        assert told["timer"] == told["requirement"] == told["mrec"] == ""
        assert [one["message"] for one in told["last_messages"]][-2:] == ["SessionStopReq", "SessionStopRes"]
        assert len(told["last_messages"]) == 5
        befores = [one["before_s"] for one in told["last_messages"]]
        assert befores == sorted(befores, reverse=True)
        lines = str(result).splitlines()
        assert len(lines) == 10
        assert "STOPPED_BY_EV, stopped-by-vehicle" in lines[0]
        assert "SessionStopRes OK" in lines[8]
        assert all(len(line) <= 160 for line in lines)


def test_a_fault_that_is_told_from_outside_is_among_the_faults() -> None:
    fault = ev.HardwareFault("cooling", "the pump stands still")
    ours, theirs = ended(lambda place, client: place.server.tell(fault))
    assert ours.ended.reason is EndReason.HARDWARE_FAULT
    assert ours.faults == (fault,)
    assert (ours.cause.code, ours.side) == ("hardware-fault", "secc")
    assert "cooling: the pump stands still" in str(ours)
    assert (theirs.cause.code, theirs.side) == ("refused", "secc")
    assert theirs.last_messages[-1].response_code.startswith("FAILED")


def test_a_fault_that_is_told_twice_is_there_once() -> None:
    fault = ev.HardwareFault("cooling", "the pump stands still")

    def twice(place: Site, client: Any) -> None:
        place.server.tell(fault)
        place.server.tell(fault)

    assert ended(twice)[0].faults == (fault,)


def test_a_blocked_loop_is_named_as_the_cause() -> None:
    """Both ends are in one process: what blocks one blocks the other, and each would take its peer, or
    its readings, for the cause. Blocked while the vehicle waits to ask again, since an answer that is on its
    way is still read afterwards; and again where it asked before the block began."""

    def block(place: Site, client: Any) -> None:
        asyncio.get_running_loop().call_soon(time.sleep, 1.5)

    ours, theirs = ended(block, loops=10, every=5)
    blocked = [one for one in (ours, theirs) if one.cause.code == "loop-blocked"]
    assert blocked, (ours.ended, theirs.ended)
    for one in blocked:
        assert one.side == one.role
        assert "the event loop of this program did not turn for 1." in one.ended.detail
    assert ours in blocked or theirs in blocked


def test_a_session_that_the_program_drops_says_so() -> None:
    async def run() -> SessionResult:
        async with site() as place:
            drivers: list[Any] = []

            def drop(client: Any) -> None:
                drivers.append(client._driver)
                task.cancel()

            stopper = Stopper(4, drop)
            client = place.client(observer=stopper)
            stopper.client = client

            task = asyncio.ensure_future(client.run())
            await asyncio.wait((task,))
            assert task.cancelled()
            result: SessionResult = await drivers[0].result
            return result

    result = asyncio.run(run())
    assert (result.ended.reason, result.cause.code, result.side) == (
        EndReason.EMERGENCY,
        "program-ended",
        "evcc",
    )


def test_info_tells_session_states_decisions_and_end_and_debug_every_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from iso15118.aio import logs

    with caplog.at_level(logging.DEBUG, logger="iso15118"):
        ours, _ = ended(lambda place, client: client.stop("enough"))
        logs.flush(10.0)
    mine = [one for one in caplog.records if one.name == "iso15118.aio.story"]
    info = [one.getMessage() for one in mine if one.levelno == logging.INFO]
    assert any("secc with [" in line and "the session begins, TLSv1.3" in line for line in info)
    for state in ours.states[1:]:
        assert any(line.startswith("secc with [") and line.endswith(f"state {state}") for line in info), state
    assert any("told AuthorizationDecided(accepted=True" in line for line in info)
    assert any("asks for CloseContactors" in line for line in info)
    (end,) = (line for line in info if line.startswith("secc") and "the session ended" in line)
    assert "STOPPED_BY_EV (cause stopped-by-vehicle, points at evcc)" in end
    debug = [one.getMessage() for one in mine if one.levelno == logging.DEBUG]
    sent = [line for line in debug if line.startswith("secc") and ": sent " in line]
    assert len(sent) == ours.exchanges
    assert not any("sent" in line and "Res(" in line for line in info)
