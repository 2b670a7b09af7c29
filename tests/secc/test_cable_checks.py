"""One cable check after the other in one session: what is said about an earlier one says nothing about a
later one. And contactors that a check left closed, in every edition."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.vehicle import Drive as Iso2Drive
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


# -- what the output shows before it


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_one_does_not_begin_by_an_old_reading_of_the_output(edition: str) -> None:
    drive: Any = {"din": DinDrive, "iso2": Iso2Drive, "iso20": Drive}[edition]()
    request, state = {
        "din": (din.CableCheckReq, DinState.CABLE_CHECK),
        "iso2": (iso2.CableCheckReq, Iso2State.CABLE_CHECK),
        "iso20": (dc.DCCableCheckReq, State.DC_CABLE_CHECK),
    }[edition]
    drive.to(state)
    for age_s, begins in ((100.0, False), (1.1, False), (0.1, True)):
        drive.output = ev.PowerMeasured(0.0, 0.0, drive.book.now - age_s)
        drive.book.tell(drive.output)
        drive.send(request)
        drive.book.does(*([act.StartCableCheck] if begins else []))


# -- contactors that a cable check left closed


class Checked:
    """A cable check that left contactors closed, in any edition: what follows has one name here."""

    def __init__(self, edition: str) -> None:
        self.drive: Any = {"din": DinDrive, "iso2": Iso2Drive, "iso20": Drive}[edition]()
        self._check, self._pre_charge, self._power, state = {
            "din": (din.CableCheckReq, din.PreChargeReq, din.PowerDeliveryReq, DinState.CABLE_CHECK),
            "iso2": (iso2.CableCheckReq, iso2.PreChargeReq, iso2.PowerDeliveryReq, Iso2State.CABLE_CHECK),
            "iso20": (dc.DCCableCheckReq, dc.DCPreChargeReq, cm.PowerDeliveryReq, State.DC_CABLE_CHECK),
        }[edition]
        self._volts = {"din": 380.0, "iso2": 400.0, "iso20": 800.0}[edition]
        self._more = {"ev_processing": Processing.Ongoing} if edition == "iso20" else {}
        self.drive.to(state)
        self.drive.send(self._check)
        self.drive.book.tell(ev.ContactorsChanged(True))
        self.drive.book.tell(ev.CableCheckFinished(True))
        self.drive.send(self._check)
        self.drive.book.now += 2.0  # pre-charge does not begin where the clock does

    def pre_charge(self, *, over: bool) -> Any:
        answer = self.drive.send(self._pre_charge, **({} if over else self._more))
        self.drive.measure(self._volts)
        return answer

    def opens(self) -> bool:
        """The contactors open; whether that ends the session."""
        self.drive.book.tell(ev.ContactorsChanged(False))
        return any(isinstance(one, act.StopPower) for one in self.drive.book.actions)

    def power(self) -> Any:
        return self.drive.send(self._power)


@pytest.mark.parametrize("over", [False, True], ids=["under way", "over"])
@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_they_may_not_open_once_pre_charge_began(edition: str, over: bool) -> None:
    """Closed again for power, they would join what nobody has pre-charged since."""
    rig = Checked(edition)
    rig.pre_charge(over=False)
    if over:
        rig.pre_charge(over=True)
    rig.drive.book.now += 1.01
    assert rig.opens()
    assert rig.power().response_code.value == "FAILED"
    assert rig.drive.session.ended.reason is EndReason.CONTACTOR_FAILED
    assert not any(isinstance(one, act.CloseContactors) for one in rig.drive.book.actions)


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_that_they_opened_before_may_be_told_up_to_a_second_later(edition: str) -> None:
    """What follows a contactor is late, and bounces: pre-charge begins anew, with the same target."""
    rig = Checked(edition)
    rig.pre_charge(over=False)
    rig.drive.book.now += 1.0
    assert not rig.opens()
    (again,) = [one for one in rig.drive.book.actions if isinstance(one, act.PreCharge)]
    assert again.voltage_v == rig.drive.session._facts.precharge_target_v > 0.0
    rig.pre_charge(over=True)
    assert rig.power() is None
    rig.drive.book.does(act.CloseContactors)


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_they_may_open_before_and_are_closed_for_power(edition: str) -> None:
    rig = Checked(edition)
    assert not rig.opens()
    rig.pre_charge(over=True)
    assert rig.power() is None
    rig.drive.book.does(act.CloseContactors)


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_they_may_stay_closed(edition: str) -> None:
    rig = Checked(edition)
    rig.pre_charge(over=True)
    assert rig.power().response_code.value == "OK"
