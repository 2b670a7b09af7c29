"""The drivers' numbers that nobody sets, at their own values, and what a call means that leaves a thing out:
bounds, pauses, and the kernel's flags. How each of them acts is tried elsewhere, by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from iso15118.aio.evcc import EvccClient
from iso15118.aio.net.faulty import FaultyStream
from iso15118.aio.net.handshakes import HandshakePool
from iso15118.aio.net.no_stream import NoStream
from iso15118.aio.net.online import CheckedStream
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.ports.calls import Call
from iso15118.aio.ports.port_calls import RANK
from iso15118.aio.ports.safe_calls import SafeCalls
from iso15118.session.actions import Urgency

NUMBERS: dict[str, dict[str, Any]] = {
    "aio.background": {"_OPENS_S": 30.0, "_CLOSES_S": 30.0, "_LAST_S": 2.0},
    "aio.idle": {"LOOK_S": 1.0, "LOOK_AGAIN_S": 0.2},
    "aio.net.handshakes": {
        "_ACCEPT_RETRY_S": 1.0,
        "MAX_OPENINGS": 128,
        "_SILENT_S": 0.1,
        "_ANSWERED_S": 3.0,
        "BUSY_OPENINGS": 4,
        "BUSY_WAITING": 4,
        "BUSY_RATE": (5.0, 5.0),
    },
    "aio.net.interface": {"_IFF_UP": 0x1, "_IFF_RUNNING": 0x40, "_DADFAILED": 0x08, "_TENTATIVE": 0x40},
    "aio.net.online": {"CHECK_S": 1.5},
    "aio.net.sdp": {"CONFLICT_S": 1.0},
    "aio.plug.carrier": {
        "_IFF_UP": 0x1,
        "_IFF_LOWER_UP": 0x10000,
        "_TENTATIVE": 0x40,
        "_DADFAILED": 0x08,
        "_LINK_SCOPE": 253,
        "_AF_INET6": 10,
        "_RETRY_S": 0.1,
        "_PAUSE_S": 0.02,
    },
    "aio.plug.plugged_secc": {"_REPLUG_S": 1.0, "_BASIC_RETRY_S": 0.05, "_CANCELLED_S": 2.0},
    "aio.ports.contract_calls": {"_LONGEST_ANSWER": 262_144},
    "aio.ports.readings": {"MOST_WH": 1e9, "MOST_METER_WH": 1e15, "MOST_S": 1e10},
    "evcc.iso2.value_added": {"_MOST_SELECTED": 16, "_LONGEST_NUMBER": 64},
}


@pytest.mark.parametrize("module", NUMBERS)
def test_a_number_is_what_it_was(module: str) -> None:
    there = import_module(f"iso15118.{module}")
    assert {name: getattr(there, name) for name in NUMBERS[module]} == NUMBERS[module]


def test_an_emergency_outranks_an_orderly_stop_and_none_is_beyond_it() -> None:
    assert RANK == {Urgency.ORDERLY: 0, Urgency.EMERGENCY: 1}


@pytest.mark.parametrize(
    ("call", "left_out"),
    [
        (FaultyStream.send, {"beside": False}),
        (NoStream.send, {"beside": False}),
        (NoStream.close, {"grace_s": 0.0}),
        (MessageStream.send, {"beside": False}),
        (CheckedStream, {"plain_too": False, "speaks_first": False}),
        (Call, {"insist": False}),
        (SafeCalls.ask, {"rank": 0, "anew": False}),
        (EvccClient.run_without_messages, {"number": 0}),
        (EvccClient.run, {"number": 0}),
    ],
    ids=lambda one: getattr(one, "__qualname__", ""),
)
def test_what_a_call_leaves_out_is_nothing(call: Callable[..., Any], left_out: dict[str, Any]) -> None:
    known = {name: one.default for name, one in inspect.signature(call).parameters.items()}
    assert {name: known[name] for name in left_out} == left_out


def test_a_vehicle_that_knocks_again_is_another_one_unless_it_is_said() -> None:
    same: Any = inspect.signature(HandshakePool).parameters["same"].default
    assert same(1, 1) is False


def test_what_has_no_stream_is_not_secure() -> None:
    assert NoStream.secure is False
