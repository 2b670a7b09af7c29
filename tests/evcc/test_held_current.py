"""A station that ends its current with PowerDelivery(Stop) only, as some do: to ask for nothing does not move
it."""

from __future__ import annotations

from typing import Any

import pytest

import tests.evcc.din.station as of_din
import tests.evcc.iso2.station as of_iso2
import tests.evcc.station as of_iso20
from iso15118.evcc import EvccConfig
from iso15118.messages import din, iso2
from iso15118.messages.iso20 import dc
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency

HANDS: dict[str, tuple[Any, str, type]] = {
    "iso20": (of_iso20, "DC_ChargeLoop", dc.DCChargeLoopReq),
    "iso2": (of_iso2, "CurrentDemand", iso2.CurrentDemandReq),
    "din": (of_din, "CurrentDemand", din.CurrentDemandReq),
}


@pytest.mark.parametrize("edition", HANDS)
@pytest.mark.parametrize("current_a", [20.0, 100.0])
def test_it_is_told_stop_in_order_and_before_an_emergency(edition: str, current_a: float) -> None:
    hand, state, loops = HANDS[edition]
    host = hand.Host(config=EvccConfig(editions=(edition,))).to(state, 3)
    host.measure(hand.BATTERY_V, current_a)
    host.tell(ev.StopRequested("driver"))
    began = host.book.now
    stops: list[Any] = []
    while isinstance(host.request, loops) and host.session.ended is None and host.book.now < began + 20.0:
        host.answer() if host.waiting else host.wait(0.1)
        host.measure(hand.BATTERY_V, current_a)
        stops += [one.urgency for one in host.book.actions if isinstance(one, act.StopPower)]
    assert host.session.ended is None
    assert Urgency.EMERGENCY not in stops
    assert type(host.request).__name__ == "PowerDeliveryReq"
    assert host.book.now - began < 3.6
