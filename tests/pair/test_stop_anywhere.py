"""A wish to stop, at every message of a session in which much is changed: every state has a legal
way out, with safe hardware."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.config import Renegotiation
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from tests.pair.ac_rig import ac_pair
from tests.pair.rig import pair

PLAN = {
    4: ev.ScheduleRenegotiationRequested("test"),
    12: ev.StandbyRequested("test"),
    16: ev.StandbyRequested("test", wanted=False),
    20: ev.ServiceRenegotiationRequested("test"),
}
"""After so many turns of the loop the vehicle is told this."""
FIRST: dict[tuple[str, Any], int] = {
    ("evcc", ev.StopRequested): 0,
    ("evcc", ev.PauseRequested): 1,
    ("secc", ev.StopRequested): 2,
    ("secc", ev.PauseRequested): 3,
}
"""Together the cases see every message."""
OF_THE_STATION = (EndReason.STOPPED_BY_STATION, EndReason.REFUSED)


def session(
    service: ServiceID, form: Renegotiation, stop: int | None, role: str, wish: Any
) -> tuple[Any, int]:
    """A session that is told ``wish`` with its ``stop``-th message; and how many messages there were
    until the second service runs."""
    make: Any = ac_pair if service is ServiceID.AC else pair
    seen = 0

    def watch(sender: str, message: object, now: float) -> None:
        nonlocal seen
        seen += 1

    rig = make(
        service,
        ControlMode.SCHEDULED,
        secc={"service_renegotiation": True},
        evcc={"renegotiation": form, "pause_if_asked": True, "poll_interval_s": 1.0},
        delay_s=0.01,
        on_message=watch,
    )
    plan = dict(PLAN)

    def step() -> bool:
        for turn in [turn for turn in plan if rig.loops >= turn]:
            event = plan.pop(turn)
            if rig.evcc.ended is None:
                rig.tell_evcc(event)
        nonlocal stop
        if stop is not None and seen >= stop:
            stop = None
            session_ = rig.evcc if role == "evcc" else rig.secc
            if session_.ended is None:
                (rig.tell_evcc if role == "evcc" else rig.tell_secc)(wish)
        return stop is None and wish is None and rig.loops > 26

    rig.run(until=step)
    return rig, seen


@pytest.mark.parametrize("service", [ServiceID.DC, ServiceID.AC], ids=lambda one: one.name)
@pytest.mark.parametrize("form", list(Renegotiation), ids=lambda one: one.name)
@pytest.mark.parametrize("role", ["evcc", "secc"])
@pytest.mark.parametrize("wish", [ev.StopRequested("test"), ev.PauseRequested("test")], ids=["stop", "pause"])
def test_there_is_a_way_out_at_every_message(
    service: ServiceID, form: Renegotiation, role: str, wish: Any
) -> None:
    total = session(service, form, None, role, None)[1]
    assert total > 80
    for number in range(1 + FIRST[role, type(wish)], total, 4):
        rig, _ = session(service, form, number, role, wish)
        secc, evcc = rig.secc.ended, rig.evcc.ended
        where = f"message {number}: {secc}, {evcc}"
        rig.let_pass(1.0)  # contactors take their time
        assert not rig.station.outlet.closed, where
        assert not rig.secc.energized, where
        assert not rig.evcc.energized, where
        if role == "secc" and isinstance(wish, ev.StopRequested):
            assert secc.reason in (EndReason.STOPPED_BY_STATION, EndReason.STOPPED_BY_EV), where
            assert evcc.reason in (*OF_THE_STATION, EndReason.STOPPED_BY_EV), where
        else:
            assert secc.reason.orderly, where
            assert evcc.reason.orderly, where
