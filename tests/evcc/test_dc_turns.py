"""The DC charge loop of ISO 15118-20, turn by turn by hand: when the other channel is chosen, and what the
supervision is told to expect.

There is no session around it; what the inlet shows, the test says.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.schedule import Schedule
from iso15118.evcc import EvccConfig
from iso15118.evcc.iso20 import energy
from iso15118.evcc.iso20.plan import ChosenSchedule, Plan
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus
from iso15118.session.events import InletMeasured
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from tests.evcc.hand import Hand
from tests.evcc.station import BATTERY_V, STATION, Host, battery

NOW = 1_000.0
SCHEDULED = ControlMode.SCHEDULED


class Turns:
    """A vehicle that charges with 1000 A, and writes down what it tells its supervision."""

    def __init__(self, service: ServiceID = ServiceID.DC, **fields: Any) -> None:
        self.host = Host(service, SCHEDULED, config=EvccConfig(services=(service,), loop_interval_s=0.25))
        self.talk = self.host.session._talk
        self.talk.now, self.talk.battery = NOW, battery()
        self.flows(100.0)
        self.plan = Plan(
            service=SERVICES[service],
            control_mode=SCHEDULED,
            offer=STATION,
            station=STATION,
            power_delivered=True,
            schedule=ChosenSchedule(
                tuple_id=1,
                charging=Schedule.of(0.0, [(1e6, 1e6)]),
                discharging=None,
                anchor=0,
                names_tolerance=False,
            ),
            **fields,
        )
        self.expects: list[tuple[float, float]] = []
        setattr(self.talk, "asked", lambda charge_a, back_a: self.expects.append((charge_a, back_a)))  # noqa: B010

    def begin(self) -> Hand:
        self.hand = Hand(self.talk, energy.charge_loop(self.talk, self.plan))
        return self.hand

    def flows(self, amperes: float) -> None:
        self.talk.inlet = InletMeasured(BATTERY_V, amperes)

    def answer(self, kind: type, **changes: Any) -> None:
        self.hand.answer(self.host.response(kind, **changes))
        if self.hand.deadline is not None:
            self.hand.go_on()


@pytest.mark.parametrize(
    ("amperes", "turns"), [(0.0, True), (4.9, True), (-4.9, True), (5.0, False), (-5.0, False)]
)
def test_the_other_channel_is_chosen_once_hardly_anything_flows(amperes: float, turns: bool) -> None:
    vehicle = Turns(ServiceID.DC_BPT, separate_channels=True, ask_to_discharge_w=50_000.0)
    vehicle.flows(amperes)
    request = vehicle.begin().request
    assert isinstance(request, cm.PowerDeliveryReq) is turns
    assert isinstance(request, dc.DCChargeLoopReq) is not turns
    assert vehicle.plan.discharge_channel is turns
    if turns:
        assert request.bpt_channel_selection is cm.ChannelSelection.Discharge


def test_the_supervision_is_told_again_what_is_asked_for_after_a_rest() -> None:
    """It was told of the rest; the request behind it is the same as before, and no news by itself."""
    vehicle = Turns()
    vehicle.begin()
    assert vehicle.expects == [(1000.0, 0.0)]
    vehicle.answer(dc.DCChargeLoopRes)
    assert vehicle.expects == [(1000.0, 0.0)]
    wish = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.ScheduleRenegotiation)
    vehicle.answer(dc.DCChargeLoopRes, evse_status=wish)
    assert vehicle.expects == [(1000.0, 0.0), (0.0, 0.0)]
    vehicle.answer(cm.PowerDeliveryRes)
    vehicle.answer(cm.ScheduleExchangeRes)
    vehicle.answer(cm.PowerDeliveryRes)
    assert isinstance(vehicle.hand.request, dc.DCChargeLoopReq)
    assert vehicle.expects == [(1000.0, 0.0), (0.0, 0.0), (1000.0, 0.0)]
