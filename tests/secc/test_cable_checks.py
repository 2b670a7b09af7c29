"""One cable check after the other in one session: what is said about an earlier one says
nothing about a later one."""

from __future__ import annotations

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.vehicle import ALL_SERVICES, Drive

CONFIG = SeccConfig(services=ALL_SERVICES, service_renegotiation=True)


def asked(drive: Drive) -> int:
    """The number of the check that the last request asked for."""
    drive.send(dc.DCCableCheckReq)
    (start,) = drive.book.does(act.StartCableCheck)
    assert isinstance(start, act.StartCableCheck)
    return start.number


def again() -> tuple[Drive, int, int]:
    """A vehicle that stopped a check, chose a service anew, and waits for the next
    one; the numbers of the two."""
    drive = Drive(config=CONFIG).to(State.DC_CABLE_CHECK)
    first = asked(drive)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.ServiceRenegotiation)
    drive.book.waits_for(State.SERVICE_DISCOVERY.value)
    drive.to(State.DC_CABLE_CHECK)
    return drive, first, asked(drive)


@pytest.mark.parametrize("ok", [True, False])
def test_a_late_result_of_an_earlier_check_does_not_count(ok: bool) -> None:
    drive, first, second = again()
    assert 0 < first < second
    drive.book.tell(ev.CableCheckFinished(ok, "late", first))
    assert drive.send(dc.DCCableCheckReq).evse_processing is Processing.Ongoing
    drive.book.tell(ev.CableCheckFinished(True, "", second))
    assert drive.send(dc.DCCableCheckReq).evse_processing is Processing.Finished
    drive.book.tell(ev.CableCheckFinished(False, "late", first))
    assert not drive.session.ended
    drive.book.does()
    drive.book.tell(ev.CableCheckFinished(False, "80 kOhm", second))
    drive.book.does(act.StopPower, act.OpenContactors)


def test_the_result_of_a_check_that_was_stopped_is_not_its_failure() -> None:
    """The supply was told to stop in the middle of it, so it cannot be good: that
    says nothing about the cable."""
    drive = Drive(config=CONFIG).to(State.DC_CABLE_CHECK)
    number = asked(drive)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    for told in (number, 0):
        drive.book.tell(ev.CableCheckFinished(False, "stopped", told))
        drive.book.does()
    drive.send(cm.SessionStopReq)
    drive.book.ends(EndReason.STOPPED_BY_EV)
