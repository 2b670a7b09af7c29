"""A station whose wish for another schedule never goes away: the vehicle follows it once, and charges."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus
from iso15118.session import actions as act
from iso15118.session.services import ControlMode, ServiceID
from tests.pair.watched import SCHEDULED, make
from tests.pair.wpt_rig import pad_pair

WISH = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.ScheduleRenegotiation)


def stands(rig: Any) -> None:
    """It is in every charge-loop answer from now on."""
    send = rig.to_evcc.send

    def with_wish(message: Any, now: float, *, beside: bool = False) -> None:
        loop = type(message).__name__.endswith("ChargeLoopRes") and message.evse_status is None
        send(replace(message, evse_status=WISH) if loop else message, now, beside=beside)

    rig.to_evcc.send = with_wish


@pytest.mark.parametrize("form", list(Renegotiation), ids=lambda one: one.name)
def test_a_wish_that_never_goes_away_leaves_time_to_charge(form: Renegotiation) -> None:
    watched = make(ServiceID.DC, SCHEDULED, battery={"capacity_wh": 20e3}, evcc={"renegotiation": form}).to(5)
    stands(watched.rig)
    began = watched.rig.now
    watched.charged()
    assert watched.rig.vehicle.battery.complete
    renegotiated = watched.of(act.ScheduleRenegotiated, "evcc")
    assert 1 <= len(renegotiated) <= 2 + (watched.rig.now - began) / 60.0
    assert all(one.agreed for one in renegotiated)


def test_over_a_pad_too() -> None:
    rig = pad_pair(ControlMode.SCHEDULED, battery={"capacity_wh": 2e3, "target_soc": 45.0})
    rig.run(until=lambda: rig.loops >= 5)
    stands(rig)
    rig.run()
    assert rig.vehicle.battery.complete
    assert list(rig.secc.states).count("ScheduleRenegotiation") <= 2
