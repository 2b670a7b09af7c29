"""Contactors of a DC output close over a voltage that is measured to fit. A reading that does not, or that is
old, is no reason to refuse while there is time for a better one: supplies ramp, and many report twice a
second."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as OlderState
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.supervision import Rule
from tests.secc.ac_vehicle import AcDrive
from tests.secc.din.vehicle import BATTERY_V as DIN_V
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.vehicle import BATTERY_V as OLDER_V
from tests.secc.iso2.vehicle import Drive as OlderDrive
from tests.secc.vehicle import BATTERY_V, STATION, Drive

CASES: dict[str, tuple[Any, float, type, float]] = {
    "iso20": (lambda: Drive().to(State.POWER_DELIVERY), BATTERY_V, cm.PowerDeliveryReq, 1.4),
    "iso2": (lambda: OlderDrive().to(OlderState.POWER_DELIVERY), OLDER_V, iso2.PowerDeliveryReq, 3.0),
    "din": (lambda: DinDrive().to(DinState.POWER_DELIVERY), DIN_V, din.PowerDeliveryReq, 1.4),
}
SWITCHES_S = 0.5


def asked(edition: str, shown_v: float) -> tuple[Any, float, float, float]:
    """PowerDelivery(Start) while the output shows this: what follows, the target, and when it was."""
    make, target_v, request, answer_s = CASES[edition]
    drive = make()
    drive.measure(shown_v)
    assert drive.send(request) is None
    assert closes(drive) == []
    return drive, target_v, answer_s, drive.book.now


def closes(drive: Any) -> list[act.CloseContactors]:
    return [one for one in drive.book.actions if isinstance(one, act.CloseContactors)]


@pytest.mark.parametrize("edition", CASES)
def test_a_reading_that_fits_a_moment_later_closes_in_the_same_time(edition: str) -> None:
    drive, target_v, answer_s, began = asked(edition, 200.0)
    drive.book.wait(answer_s - SWITCHES_S - 0.01)
    assert closes(drive) == []
    drive.measure(target_v - 15.0)
    (close,) = closes(drive)
    assert close.deadline == pytest.approx(began + answer_s), "no longer than the vehicle waits anyway"
    drive.book.tell(ev.ContactorsChanged(True))
    assert [type(one) for one in drive.book.actions if isinstance(one, act.Send)] == [act.Send]
    assert drive.session.ended is None


@pytest.mark.parametrize("edition", CASES)
@pytest.mark.parametrize(("age_s", "waits"), [(0.0, False), (0.3, True)])
def test_what_is_above_the_target_now_does_not_come_down_by_itself(
    edition: str, age_s: float, waits: bool
) -> None:
    make, target_v, request, _ = CASES[edition]
    drive = make()
    drive.measure(target_v + 30.0)
    drive.output = None
    drive.book.wait(age_s)
    drive.book.receive(drive.request(request))
    assert closes(drive) == []
    assert (drive.session.ended is None) is waits


@pytest.mark.parametrize("edition", CASES)
def test_one_that_never_fits_is_refused_by_name(edition: str) -> None:
    drive, target_v, answer_s, _ = asked(edition, 200.0)
    drive.book.wait(answer_s - SWITCHES_S - 0.001)
    assert drive.session.ended is None
    drive.book.wait(0.002)
    drive.book.ends(EndReason.PRE_CHARGE_FAILED)
    (end,) = [one for one in drive.book.actions if isinstance(one, act.SessionEnded)]
    assert end.rule == Rule.CONTACTOR_VOLTAGE.value
    assert f"{target_v - 200.0:.0f} V off" in end.detail


@pytest.mark.parametrize("edition", CASES)
def test_contactors_that_then_do_not_close_are_a_fault_in_the_time_of_the_answer(edition: str) -> None:
    drive, target_v, answer_s, began = asked(edition, 200.0)
    drive.book.wait(0.5)
    drive.measure(target_v)
    assert closes(drive) != []
    drive.book.wait(began + answer_s - 0.01 - drive.book.now)
    assert drive.session.ended is None
    drive.book.wait(0.02)
    drive.book.ends(EndReason.CONTACTOR_FAILED)


@pytest.mark.parametrize("edition", CASES)
def test_a_limit_that_falls_meanwhile_is_not_waited_for(edition: str) -> None:
    drive, target_v, _, _ = asked(edition, 200.0)
    limits = drive.session._facts.limits
    drive.book.tell(ev.LimitsChanged(replace_v(limits, target_v - 50.0)))
    drive.measure(target_v)
    assert closes(drive) == []
    assert drive.session.ended is not None or drive.session._facts.abort_reason is not None


def replace_v(limits: Any, volts: float) -> Any:
    from msgspec.structs import replace

    least = min(limits.minimum_voltage_v, STATION.minimum_voltage_v, volts)
    return replace(limits, maximum_voltage_v=volts, minimum_voltage_v=least)


@pytest.mark.parametrize("edition", CASES)
@pytest.mark.parametrize("event", [ev.StopRequested("closing time"), ev.AuthorizationDecided(False)], ids=str)
def test_a_wish_to_stop_that_comes_meanwhile_closes_nothing(edition: str, event: ev.Event) -> None:
    drive, target_v, _, _ = asked(edition, 200.0)
    drive.book.tell(event)
    drive.measure(target_v)
    assert closes(drive) == []
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.STOPPED_BY_STATION
    assert not drive.session.energized


def test_nor_does_one_that_comes_while_an_outlet_waits_for_state_c() -> None:
    drive = AcDrive().to(State.POWER_DELIVERY)
    drive.book.tell(ev.SignalChanged(ev.SignalState.B))
    assert drive.send(cm.PowerDeliveryReq) is None
    drive.book.tell(ev.StopRequested("closing time"))
    drive.book.tell(ev.SignalChanged(ev.SignalState.C))
    assert closes(drive) == []
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.STOPPED_BY_STATION
