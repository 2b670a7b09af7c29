"""Whatever a session is told: it goes on, ends safely, or refuses it by name before anything of it is
kept. Nothing else comes out.

Every event, every field, every nonsense value, in several states of both roles; and faults of
this software, provoked inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from iso15118.errors import MisuseError
from iso15118.evcc import EvccSession
from iso15118.messages.iso20 import dc
from iso15118.pnc.contracts import ContractClaim
from iso15118.secc import SeccSession
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.limits import StationLimits
from tests.evcc.station import Host, battery
from tests.secc.vehicle import STATION, Drive


class Odd:
    """Everything that can be asked of it raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __format__ = __bool__ = __eq__ = __hash__ = __float__ = __repr__  # type: ignore[assignment]


def broken_limits() -> StationLimits:
    """Limits that got past their constructor."""
    limits = msgspec.structs.replace(STATION)
    msgspec.structs.force_setattr(limits, "maximum_charge_current_a", math.nan)
    return limits


NONSENSE: tuple[Any, ...] = (
    math.nan,
    math.inf,
    -math.inf,
    1e308,
    -1e308,
    10**400,
    -5.0,
    None,
    "x",
    "",
    b"\x00",
    (),
    [1.0],
    object(),
    Odd(),
    Decimal("5"),
    Decimal("NaN"),
    complex(1, 1),
    True,
    broken_limits(),
    EndReason.EMERGENCY,
)
EVENTS: tuple[ev.Event, ...] = (
    ev.Connected(True),
    ev.MessageReceived(None),
    ev.Undecodable("x"),
    ev.TransportLost(ev.TransportLoss.RESET),
    ev.SignalChanged(ev.SignalState.C),
    ev.CableCheckFinished(True),
    ev.ContactorsChanged(True),
    ev.PowerMeasured(800.0, 0.0),
    ev.InletMeasured(800.0),
    ev.InsulationMeasured(1e6),
    ev.SecondVoltageMeasured(800.0),
    ev.MeterRead("M1", 1.0),
    battery(),
    ev.HardwareFault("port", "why"),
    ev.AuthorizationDecided(True),
    ev.ContractDecided(ContractClaim(emaid="DEABC", chain=(), evccid="X")),
    ev.ContractCertificateAnswered(),
    ev.LimitsChanged(STATION),
    ev.SetPointChanged(1.0),
    ev.SchedulesGiven(()),
    ev.SchedulesMissing(1),
    ev.StopRequested("why"),
    ev.PauseRequested("why"),
    ev.EmergencyShutdown("why"),
)
ALWAYS_ACTS = (ev.HardwareFault, ev.EmergencyShutdown, ev.TransportLost, ev.Undecodable)

STATES: dict[str, Callable[[], Any]] = {
    "station connecting": lambda: Drive().session,
    "station authorizing": lambda: Drive().to(State.AUTHORIZATION).session,
    "station cable check": lambda: _checking().session,
    "station pre-charge": lambda: Drive().to(State.POWER_DELIVERY).session,
    "station charging": lambda: _charging().session,
    "station stopped": lambda: Drive().to(State.SESSION_STOP).session,
    "station ended": lambda: _ended(_charging()),
    "vehicle at the start": lambda: Host().to("SessionSetup").session,
    "vehicle cable check": lambda: Host().to("DC_CableCheck").session,
    "vehicle charging": lambda: Host().to("DC_ChargeLoop").session,
    "vehicle stopped": lambda: Host().to("SessionStop").session,
    "vehicle ended": lambda: _ended(Host().to("DC_ChargeLoop")),
}


def _checking() -> Drive:
    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.send(dc.DCCableCheckReq)
    return drive


def _charging() -> Drive:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    return drive


def _ended(side: Any) -> Any:
    side.book.tell(ev.TransportLost(ev.TransportLoss.RESET))
    return side.session


def made(event: ev.Event, field: str, value: Any) -> ev.Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**(fields | {field: value}))


def is_safe_first(actions: list[act.Action]) -> bool:
    """Current zero and contactors open come before anything that is said."""
    hardware = [one for one in actions if not isinstance(one, act.SignalReady)]
    return isinstance(hardware[0], act.StopPower) and isinstance(hardware[1], act.OpenContactors)


def told(session: SeccSession | EvccSession, event: ev.Event) -> list[act.Action] | MisuseError:
    """What the session says to it, or how it refuses it; anything else that it raises fails the test."""
    try:
        return session.handle(event, 100.0)
    except MisuseError as error:
        return error


def live(session: SeccSession | EvccSession) -> bool:
    return session.energized


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_field_of_every_event(event: ev.Event, state: str) -> None:
    for field in event.__struct_fields__:
        for value in NONSENSE:
            session = STATES[state]()
            was_live, was_over = live(session), session.ended is not None
            deadline = session.deadline
            actions = told(session, made(event, field, value))
            if isinstance(actions, MisuseError):
                assert not isinstance(event, ALWAYS_ACTS)
                assert f"{type(event).__name__}.{field}" in str(actions)
                assert (session.ended is not None, session.deadline) == (was_over, deadline), (
                    "nothing is kept"
                )
                continue
            if session.ended is not None and not was_over and was_live:
                assert is_safe_first(actions), (field, value)
                assert not live(session)
            if isinstance(event, ALWAYS_ACTS) and was_live:
                assert is_safe_first(actions)
            # Whatever it was, the session can still be brought to an end, and the output with it.
            session.handle(ev.TransportLost(ev.TransportLoss.RESET), 101.0)
            assert session.ended is not None
            assert not live(session)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "event",
    [None, "x", 3, object(), ev.PowerMeasured, (), math.nan],
    ids=["None", "text", "integer", "object", "class", "tuple", "NaN"],
)
def test_what_is_no_event(event: Any, state: str) -> None:
    session = STATES[state]()
    with pytest.raises(MisuseError, match="event"):
        session.handle(event, 1.0)


@pytest.mark.parametrize("state", [name for name in STATES if "charging" in name])
@pytest.mark.parametrize("now", [math.nan, math.inf, None, "x"], ids=repr)
def test_a_clock_that_shows_no_time(state: str, now: Any) -> None:
    for by_timer in (False, True):
        session = STATES[state]()
        actions = session.handle_timeout(now) if by_timer else session.handle(ev.StopRequested("x"), now)
        assert session.ended is not None
        assert session.ended.reason is EndReason.INTERNAL_ERROR
        assert is_safe_first(actions)
        assert isinstance(session.error, Exception)


@pytest.mark.parametrize("state", [name for name in STATES if "ended" not in name])
def test_a_fault_of_this_software(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = STATES[state]()

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError(Odd())

    monkeypatch.setattr(session, "_other", fail)
    actions = session.handle(ev.StopRequested("x"), 100.0)
    assert session.ended is not None
    assert session.ended.reason is EndReason.INTERNAL_ERROR
    assert is_safe_first(actions)
    stop, opened = actions[0], next(one for one in actions if isinstance(one, act.OpenContactors))
    assert isinstance(stop, act.StopPower)
    assert stop.urgency is opened.urgency is Urgency.EMERGENCY
    assert session.deadline is None
    assert session.handle(ev.StopRequested("x"), 101.0) == []


def test_a_refused_limit_is_named_and_not_kept() -> None:
    drive = _charging()
    with pytest.raises(MisuseError, match=r"LimitsChanged\.limits\.maximum_charge_current_a"):
        drive.session.handle(ev.LimitsChanged(broken_limits()), 1.0)
    assert drive.send(dc.DCChargeLoopReq).response_code.value == "OK"
