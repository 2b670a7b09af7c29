"""Another service in the same session, and what comes before it: a stop, a pause, and the way out of
whatever was begun beside the loop.

Every message is that of a station which can choose anew.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from tests.evcc.station import BATTERY_V, Host


def in_the_loop(**settings: Any) -> Host:
    config = EvccConfig(
        services=(ServiceID.DC,), control_modes=(ControlMode.SCHEDULED,), pause_if_asked=True, **settings
    )
    host = Host(config=config).to("ServiceDiscovery")
    host.answer(service_renegotiation_supported=True)
    return host.to("DC_ChargeLoop", 2)


def at_stop(host: Host) -> cm.SessionStopReq:
    """On to where the session stops, or the service."""
    host.measure(BATTERY_V, 0.0)
    for _ in range(60):
        if isinstance(host.request, cm.SessionStopReq):
            return host.request
        host.step()
    raise RuntimeError(f"no stop; it is at {host.session.state}")


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (None, "ServiceRenegotiation"),
        (ev.StopRequested("driver"), "Terminate"),
        (ev.PauseRequested("later"), "Pause"),
    ],
    ids=["nothing else", "stop", "pause"],
)
def test_a_stop_and_a_pause_outweigh_another_service(wish: Any, said: str) -> None:
    host = in_the_loop()
    host.tell(ev.ServiceRenegotiationRequested("test"))
    host.answer()
    host.wait(0.25)
    if wish is not None:
        host.tell(wish)
    assert at_stop(host).charging_session.value == said


def test_the_service_is_chosen_anew_with_the_same_authorization() -> None:
    host = in_the_loop()
    for count in (1, 2):
        host.tell(ev.ServiceRenegotiationRequested("test"))
        host.answer()
        at_stop(host)
        host.answer()
        assert any(isinstance(one, act.ServiceRenegotiated) for one in host.book.actions)
        assert host.session.state == "ServiceDiscovery"
        assert host.session._talk.service_changes == count
        host.answer(service_renegotiation_supported=True)
        host.to("DC_ChargeLoop", 2)
        assert host.session.energized
    assert sum(isinstance(one, cm.AuthorizationReq) for one in host.sent) == 1


def test_a_vehicle_that_is_ready_for_the_next_service_is_made_safe_as_a_whole() -> None:
    """Its contactors are open and were told so; the pilot alone was taken back."""
    host = in_the_loop()
    host.tell(ev.ServiceRenegotiationRequested("test"))
    host.answer()
    at_stop(host)
    host.answer()
    host.answer(service_renegotiation_supported=True)
    host.to("DC_CableCheck")
    assert not host.session.energized
    actions = host.session._make_safe(act.Urgency.ORDERLY, "enough")
    assert [type(one) for one in actions] == [act.StopPower, act.SignalReady, act.OpenContactors]
    assert host.session._make_safe(act.Urgency.ORDERLY, "enough") == [], "once"


def test_what_goes_on_beside_the_loop_is_given_up_with_the_stop() -> None:
    host = in_the_loop(renegotiation=Renegotiation.BESIDE)
    host.measure(BATTERY_V, 0.0)
    host.tell(ev.ScheduleRenegotiationRequested("test"))
    beside: list[Any] = []
    for _ in range(3):
        host.answer() if host.waiting else host.wait(0.25)
        beside += [one for one in host.book.actions if isinstance(one, act.Send) and one.beside]
        if beside:
            break
    assert len(beside) == 1
    host.sent = [one for one in host.sent if not isinstance(one, cm.ScheduleExchangeReq)]
    host.tell(ev.StopRequested("driver"))
    for _ in range(20):
        if isinstance(host.request, cm.PowerDeliveryReq):
            break
        host.answer() if isinstance(host.request, dc.DCChargeLoopReq) and host.waiting else host.wait(0.25)
    assert host.request.charge_progress is cm.ChargeProgress.Stop
    host.tell(ev.MessageReceived(host.response(cm.ScheduleExchangeRes), beside=True))
    assert not any(isinstance(one, act.Send) for one in host.book.actions)
    host.waiting = True
    for _ in range(30):
        if host.session.ended is not None:
            break
        host.step()
    assert host.session.ended == act.SessionEnded(EndReason.STOPPED_BY_EV, "driver")
