"""One cable check after the other in one session: what is said about an earlier one says nothing about a
later one. And contactors that a check left closed, in every edition."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

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
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.supervision import Rule, SupervisionLimits
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
    drive.book.now += 200.0
    for age_s, begins in ((100.0, False), (1.1, False), (0.1, True)):
        drive.output = ev.PowerMeasured(0.0, 0.0, drive.book.now - age_s)
        drive.book.tell(drive.output)
        drive.send(request)
        drive.book.does(*([act.StartCableCheck] if begins else []))


# -- contactors that a cable check left closed


class Checked:
    """A cable check that left contactors closed, in any edition: what follows has one name here."""

    def __init__(self, edition: str, *, over: bool = True) -> None:
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
        if not over:
            return
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


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_insulation_is_the_business_of_the_check_until_pre_charge_begins(edition: str) -> None:
    """A monitor that settles, and one whose output is discharged behind the check, show less than there is,
    wherever the check leaves the contactors."""
    poor = ev.InsulationMeasured(20e3, 900.0)
    begun: Any = Checked(edition, over=False)
    for at in (0.1, 0.2):
        assert begun.drive.session.handle(poor, begun.drive.book.now + at) == []
    rig = Checked(edition)
    assert rig.drive.session.handle(poor, rig.drive.book.now) == []
    rig.pre_charge(over=False)
    done = rig.drive.session.handle(poor, rig.drive.book.now)
    assert {type(one) for one in done} >= {act.StopPower, act.OpenContactors}
    assert rig.drive.session._facts.abort_rule == Rule.INSULATION.value


# -- the voltage of the test


EDITIONS = {
    "din": (DinDrive, din.CableCheckReq, DinState.CABLE_CHECK),
    "iso2": (Iso2Drive, iso2.CableCheckReq, Iso2State.CABLE_CHECK),
    "iso20": (Drive, dc.DCCableCheckReq, State.DC_CABLE_CHECK),
}


def checked_at(edition: str, share: float, **limits: Any) -> tuple[Any, list[act.Action]]:
    """The port says that all is well after an output that came to this share of the test voltage; what
    the session does upon that."""
    made, request, state = EDITIONS[edition]
    usual: Any = made().config
    drive: Any = made(config=replace(usual, supervision=SupervisionLimits(**limits)))
    drive.to(state)
    drive.send(request)
    (check,) = [one for one in drive.book.actions if isinstance(one, act.StartCableCheck)]
    now = drive.book.now
    for volts in (share * check.voltage_v, 0.0):
        drive.session.handle(ev.PowerMeasured(volts, 0.0), now)
    return drive, drive.session.handle(ev.CableCheckFinished(True), now)


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize(("share", "good"), [(1.0, True), (0.9, True), (0.899, False), (0.0, False)])
def test_one_that_was_never_at_its_voltage_is_none(edition: str, share: float, good: bool) -> None:
    drive, actions = checked_at(edition, share)
    assert drive.session._facts.cable_check_ok is good
    if good:
        assert actions == []
        return
    stopped, opened = (one for one in actions if isinstance(one, act.StopPower | act.OpenContactors))
    assert (stopped.urgency, opened.urgency) == (Urgency.EMERGENCY, Urgency.EMERGENCY)
    facts = drive.session._facts
    assert (facts.abort_reason, facts.abort_rule) == (EndReason.CABLE_CHECK_FAILED, "cable-check-voltage")
    assert "V at most at the output during the cable check, at least " in facts.abort_detail


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("off", [{"off": (Rule.CABLE_CHECK_VOLTAGE,)}, {"cable_check_v": None}])
def test_that_rule_can_be_switched_off(edition: str, off: dict[str, Any]) -> None:
    drive, actions = checked_at(edition, 0.1, **off)
    assert drive.session._facts.cable_check_ok is True
    assert actions == []


def test_what_was_measured_in_an_earlier_check_does_not_count() -> None:
    drive, _, second = again()
    drive.session.handle(ev.CableCheckFinished(True, "", second), drive.book.now)
    assert drive.session._facts.cable_check_ok is False
