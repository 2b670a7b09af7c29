"""Walks through the vehicle's session of ISO 15118-2 that mix legal, illegal and absurd steps, every one
under watch and safety monitor.

A walk is its seed: a failing one is repeated by ``walk(seed)``. ISO15118_WALKS sets the
number, as for the other editions.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import msgspec

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.evcc.iso2.settings import DcRenegotiation
from iso15118.messages import iso2
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason
from tests.evcc.iso2.station import (
    ANSWERS,
    BATTERY_V,
    CODE,
    NOTIFY,
    STATES,
    Host,
    ac_status,
    response_of,
    schedules,
    status,
)

WALKS = int(os.environ.get("ISO15118_WALKS", "20000")) // 10
STEPS = 60
OUTLET = ("ChargeParameterDiscovery", "PowerDelivery", "ChargingStatus")


def walk(seed: int) -> str:
    """One walk; returns how it ended."""
    rng = random.Random(seed)
    alternating = rng.random() < 0.3
    form = rng.choice(list(DcRenegotiation))
    host = Host(
        charger=AcVehicleLimits.of(current_a=16.0) if alternating else None,
        iso2={"dc_renegotiation": form, "renegotiation_interval_s": rng.choice((0.0, 5.0))},
    )
    # A walk that began at the beginning would rarely live to see the charge loop.
    start = rng.choice([None, *(OUTLET if alternating else STATES)])
    if start is not None:
        host.to(start)
    for _ in range(rng.randint(1, STEPS)):
        if host.ended is not None:
            break
        dice = rng.random()
        if dice < 0.62:
            host.step()
        elif dice < 0.66:
            body = host.response(rng.choice(ANSWERS))
            host.tell(ev.MessageReceived(host.message(body)))
        elif dice < 0.86:
            _odd_answer(host, rng)
        elif dice < 0.96:
            host.tell(_event(host, rng))
        else:
            host.wait(rng.choice((0.01, 0.1, 0.3, 2.0, 61.0)))
    if host.ended is None:
        host.tell(ev.TransportLost(rng.choice(list(ev.TransportLoss))))
    ended = host.ended
    assert ended is not None
    assert ended.reason is not EndReason.INTERNAL_ERROR, (seed, host.session.error)
    assert not host.session.energized
    assert not host.watch.told_closed
    assert host.session.deadline is None
    assert host.monitor.seen > 0
    return ended.reason.name


def _odd_answer(host: Host, rng: random.Random) -> None:
    """The right kind of answer, with contents that nobody means."""
    if not host.waiting or not host.messages or not isinstance(host.messages[-1], iso2.V2GMessage):
        host.step()
        return
    body = host.response(response_of(type(host.request)))
    for field in msgspec.structs.fields(type(body)):
        if rng.random() < 0.25:
            value = _odd(getattr(body, field.name), host, rng)
            body = msgspec.structs.replace(body, **{field.name: value})
    message = host.message(body)
    try:
        exi.encode("iso2", message)
    except ExiError:  # it could not come over the wire
        message = host.message(host.response(type(body)))
    host.tell(ev.MessageReceived(message))


def _odd(value: Any, host: Host, rng: random.Random) -> Any:
    match value:
        case iso2.ResponseCode():
            return rng.choice((CODE.OK, CODE.OK_OldSessionJoined, CODE.FAILED, CODE.FAILED_SequenceError))
        case iso2.EVSEProcessing():
            return rng.choice(list(iso2.EVSEProcessing))
        case iso2.DCEVSEStatus() | iso2.ACEVSEStatus():
            if rng.random() < 0.3:
                return ac_status(rng.choice(list(NOTIFY)), rng.choice((0, 10)))
            return status(
                rng.choice(list(iso2.DCEVSEStatusCode)),
                rng.choice(list(NOTIFY)),
                rng.choice([None, *iso2.IsolationLevel]),
                rng.choice((0, 10)),
            )
        case iso2.SAScheduleList():
            starts = sorted(rng.sample(range(100), rng.randint(1, 3)))
            entries = [(start, rng.choice((0.0, -5.0, 11_040.0, 90_000.0))) for start in starts]
            return rng.choice((None, schedules((rng.randint(1, 255), entries, rng.choice((None, 0, 30))))))
        case iso2.PhysicalValue():
            return msgspec.structs.replace(
                value, value=rng.choice((0, 1, -1, 32_767, -32_768)), multiplier=rng.choice((-3, 0, 3))
            )
        case bool():
            return not value
        case iso2.DCEVSEChargeParameter() | iso2.ACEVSEChargeParameter():
            field = rng.choice(msgspec.structs.fields(type(value))).name
            return msgspec.structs.replace(value, **{field: _odd(getattr(value, field), host, rng)})
        case _:
            return value


def _event(host: Host, rng: random.Random) -> ev.Event:
    """What hardware and application may tell at any time."""
    events: list[ev.Event] = [
        ev.StopRequested("enough"),
        ev.PauseRequested("later"),
        ev.ContactorsChanged(rng.random() < 0.5),
        ev.SignalChanged(rng.choice(list(ev.SignalState))),
        rng.choice((ev.EmergencyShutdown("button"), ev.HardwareFault("inlet", "hot"), ev.Undecodable("?"))),
        ev.TransportLost(ev.TransportLoss.RESET),
    ]
    if host.charger is None:
        volts = rng.choice((0.0, BATTERY_V, BATTERY_V, BATTERY_V - 25.0))
        events += [ev.InletMeasured(volts, rng.choice((0.0, 3.0)))] * 4
    return rng.choice(events)


def test_walks_of_the_vehicle() -> None:
    ends = Counter(walk(seed) for seed in range(WALKS))
    assert len(ends) >= 8, ends
    assert sum(ends.values()) == WALKS


def test_a_walk_is_its_seed() -> None:
    assert walk(4711) == walk(4711)
