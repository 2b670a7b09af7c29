"""Prices that are being signed while the vehicle is told to wait: when it is told what, of both editions,
without a network or a clock."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import PkiError
from iso15118.messages import iso2
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.iso2 import judge_tariffs
from iso15118.secc.iso2.sequence import State
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.pair.contracts import issued as issued20
from tests.pair.test_offered_schedules import TWO, chosen, with_contract
from tests.secc.iso2.test_tariffs import ALWAYS, issued, money, offer
from tests.secc.iso2.vehicle import Drive, configured, dc_parameters

Processing = iso2.EVSEProcessing


# -- ISO 15118-2


def asked(key_use_s: float = 5.0) -> Drive:
    """A station that was asked for schedules whose tariffs it signs."""
    keys = (signer_of(issued().credential("mo-sub2")),)
    config = configured(ALWAYS, schedules=ScheduleSeccSettings(key_use_s=key_use_s))
    drive = Drive(config=config, price_signers=keys).to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.tell(ev.SchedulesGiven((offer(money("0.3")),)))
    assert discover(drive) is None
    return drive


def discover(drive: Drive, departure_s: int = 7200) -> Any:
    return drive.send(
        iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(departure_time=departure_s)
    )


def use(drive: Drive) -> act.UseKey:
    (found,) = (one for one in drive.book.actions if isinstance(one, act.UseKey))
    return found


def signed(drive: Drive) -> bool:
    (tariff,) = (one.sales_tariff for one in drive.heard().sa_schedules.sa_schedule_tuple)
    chain = signer_of(issued().credential("contract")).chain
    return judge_tariffs([tariff], drive.header().signature, chain).ok


def test_a_key_that_is_quick_costs_no_further_exchange() -> None:
    drive = asked()
    drive.book.tell(ev.KeyUsed.of(use(drive)))
    assert drive.heard().evse_processing is Processing.Finished
    assert signed(drive)


def test_a_key_that_takes_longer_has_the_vehicle_wait_and_the_schedule_begins_when_it_is_told() -> None:
    drive = asked()
    key = use(drive)
    began = drive.book.now
    drive.book.wait(1.2)
    assert drive.heard().evse_processing is Processing.Ongoing
    assert discover(drive) is None
    drive.book.wait(0.5)
    drive.book.tell(ev.KeyUsed.of(key))
    assert drive.heard().evse_processing is Processing.Finished
    assert signed(drive)
    (schedule,) = drive.context.schedules.values()
    assert schedule.begins == drive.book.now > began + 1.5


def test_a_key_that_never_answers_is_waited_for_as_long_as_is_set() -> None:
    drive = asked(key_use_s=3.0)
    began = drive.book.now
    answers: list[Any] = []
    while Processing.Finished not in answers:
        drive.book.wait(0.5)
        answer = drive.heard()
        while answer is not None and Processing.Finished not in answers:
            answers.append(answer.evse_processing)
            answer = None if answers[-1] is Processing.Finished else discover(drive)
    assert answers == [Processing.Ongoing] * (len(answers) - 1) + [Processing.Finished]
    assert len(answers) > 2
    assert 3.0 <= drive.book.now - began <= 4.1
    assert drive.header().signature is None
    assert any("key_use_s" in getattr(one, "detail", "") for one in drive.book.actions)


def test_another_wish_is_signed_anew_in_the_time_that_is_left() -> None:
    drive = asked()
    first = use(drive)
    drive.book.wait(1.2)
    assert discover(drive, 3600) is None
    second = use(drive)
    assert second.number == first.number + 1
    assert second.deadline == first.deadline
    drive.book.tell(ev.KeyUsed.of(first))
    assert drive.heard() is None  # what was signed is not offered any more
    drive.book.tell(ev.KeyUsed.of(second))
    assert signed(drive)


@pytest.mark.parametrize("result", [None, b"signed", "signed"])
def test_what_an_application_hands_over_in_place_of_a_signature_is_none(result: Any) -> None:
    drive = asked()
    drive.book.tell(ev.KeyUsed(use(drive).number, result))
    assert drive.heard().evse_processing is Processing.Finished
    assert drive.header().signature is None


def test_a_key_that_answers_twice_is_heard_once() -> None:
    drive = asked()
    key = use(drive)
    drive.book.tell(ev.KeyUsed(key.number, error=PkiError("gone")))
    assert drive.header().signature is None
    drive.book.tell(ev.KeyUsed.of(key))
    assert drive.heard() is None
    assert drive.session.ended is None


# -- ISO 15118-20


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("what", ["never", "raises", "late"])
def test_a_provider_s_key_that_fails_costs_the_signature_and_nothing_else(what: str, beside: bool) -> None:
    """In the first exchange and in one beside the loop."""
    signers = (signer_of(issued20("p521").credential("mo-sub2")),)
    rig = with_contract(signers, *TWO)
    faults = rig.station.faults
    if beside:
        rig.run(until=lambda: rig.evcc.state == "DC_ChargeLoop" and rig.now > 20.0)
        assert chosen(rig).trust.name == "VERIFIED"
        rig.tell_evcc(ev.ScheduleRenegotiationRequested("test"))
    {
        "never": lambda: faults.never("use_key", times=1),
        "raises": lambda: faults.raises("use_key", OSError("taken out"), times=1),
        "late": lambda: faults.late("use_key", 2.0, times=1),
    }[what]()
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_EV
    assert rig.vehicle.battery.complete
    assert (chosen(rig).trust.name == "VERIFIED") is (what == "late")
