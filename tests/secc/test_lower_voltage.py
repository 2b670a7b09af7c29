"""The station's limits change while voltage is asked for and no power yet: in cable check, in pre-charge, and
before the contactors close, in every edition with DC."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc import SeccConfig, dc_output
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as OlderState
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.edition import Fault, Refused
from iso15118.session.services import ServiceID
from tests.secc import vehicle as of_20
from tests.secc.din import vehicle as of_din
from tests.secc.iso2 import vehicle as of_2
from tests.secc.pantograph import PantographDrive

CHECK_V = {"iso20": 1045.0, "acdp": 1045.0, "iso2": 500.0, "din": 500.0}
"""Of the cable check, by IEC 61851-23 CC.4.1.2."""
STATIONS = {"iso20": of_20.STATION, "acdp": of_20.STATION, "iso2": of_2.STATION, "din": of_din.STATION}
BATTERY_V = {
    "iso20": of_20.BATTERY_V,
    "acdp": of_20.BATTERY_V,
    "iso2": of_2.BATTERY_V,
    "din": of_din.BATTERY_V,
}
EDITIONS = tuple(STATIONS)


def lower(edition: str, voltage_v: float, **changes: float) -> ev.LimitsChanged:
    """The station's limits, with this voltage at most."""
    station = STATIONS[edition]
    least_v = min(station.minimum_voltage_v, voltage_v)
    fields = {"maximum_voltage_v": voltage_v, "minimum_voltage_v": least_v} | changes
    return ev.LimitsChanged(replace(station, **fields))


def new(edition: str, **changes: Any) -> Any:
    match edition:
        case "iso20":
            return of_20.Drive(ServiceID.MCS, config=SeccConfig(services=of_20.ALL_SERVICES, **changes))
        case "acdp":
            return PantographDrive()
        case "iso2":
            return of_2.Drive(config=of_2.configured(**changes))
        case _:
            return of_din.Drive(config=SeccConfig(editions=("din",), **changes))


def checks(edition: str) -> Any:
    """In the cable check, whose voltage is at the output."""
    drive = new(edition)
    state, kind = {
        "iso2": (OlderState.CABLE_CHECK, iso2.CableCheckReq),
        "din": (DinState.CABLE_CHECK, din.CableCheckReq),
    }.get(edition, (State.DC_CABLE_CHECK, dc.DCCableCheckReq))
    drive.to(state)
    drive.send(kind)
    assert [one.voltage_v for one in asked(drive, act.StartCableCheck)] == [CHECK_V[edition]]
    drive.measure(CHECK_V[edition])
    return drive


def pre_charges(edition: str, **changes: Any) -> Any:
    """In pre-charge, whose voltage is reached."""
    drive = new(edition, **changes)
    if edition in ("iso20", "acdp"):
        drive.to(State.DC_PRE_CHARGE)
    else:
        drive.to(OlderState.PRE_CHARGE if edition == "iso2" else DinState.PRE_CHARGE)
    polls(drive, edition)
    drive.measure(BATTERY_V[edition])
    return drive


def polls(drive: Any, edition: str) -> None:
    """The vehicle asks for pre-charge once more."""
    if edition in ("iso20", "acdp"):
        drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
    else:
        drive.send({"iso2": iso2.PreChargeReq, "din": din.PreChargeReq}[edition])


def starts(drive: Any, edition: str) -> None:
    """PowerDelivery(Start), up to the question for closed contactors."""
    if edition in ("iso20", "acdp"):
        drive.send(dc.DCPreChargeReq)
        drive.send(cm.PowerDeliveryReq)
    else:
        drive.send({"iso2": iso2.PowerDeliveryReq, "din": din.PowerDeliveryReq}[edition])


def most_v(drive: Any) -> float:
    """The station's voltage limit that holds."""
    limits = drive.session._facts.limits
    assert limits is not None
    return float(limits.maximum_voltage_v)


def asked(drive: Any, kind: type = act.HardwareAction) -> list[Any]:
    return [one for one in drive.book.actions if isinstance(one, kind)]


def is_taken_back(drive: Any) -> None:
    """At once; the vehicle hears of it with its next request."""
    stop, opens = asked(drive)
    assert stop == act.StopPower(Urgency.ORDERLY)
    assert isinstance(opens, act.OpenContactors)
    assert opens.urgency is Urgency.ORDERLY
    assert opens.reason.startswith("the station's limit is ")
    assert not drive.session.energized


def ends(drive: Any) -> None:
    over = drive.session.ended
    assert over is not None
    assert over.reason is EndReason.STOPPED_BY_STATION
    assert over.cause == "voltage-limit-lowered"


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_cable_check_above_the_limit_is_taken_back(edition: str) -> None:
    drive = checks(edition)
    drive.book.tell(lower(edition, CHECK_V[edition]))
    assert not asked(drive)
    drive.book.tell(lower(edition, CHECK_V[edition] - 1.0))
    is_taken_back(drive)
    drive.measure(0.0)
    drive.book.wait(drive.config.stop_delay_s)
    ends(drive)


@pytest.mark.parametrize("edition", EDITIONS)
def test_pre_charge_above_the_limit_is_taken_back(edition: str) -> None:
    drive = pre_charges(edition)
    drive.book.tell(lower(edition, BATTERY_V[edition]))
    assert not asked(drive)
    drive.book.tell(lower(edition, BATTERY_V[edition] - 1.0))
    is_taken_back(drive)
    drive.measure(0.0)
    starts(drive, edition)
    ends(drive)
    assert not asked(drive, act.CloseContactors)


@pytest.mark.parametrize("edition", EDITIONS)
def test_so_is_one_whose_contactors_are_about_to_close(edition: str) -> None:
    drive = pre_charges(edition)
    starts(drive, edition)
    assert asked(drive, act.CloseContactors)
    drive.book.tell(lower(edition, BATTERY_V[edition] - 1.0))
    is_taken_back(drive)
    ends(drive)


def test_an_output_that_could_give_nothing_is_above_its_limit() -> None:
    drive = pre_charges("iso20")
    drive.book.tell(lower("iso20", 0.0))
    is_taken_back(drive)


def test_a_pre_charge_that_is_over_is_no_reason_to_end() -> None:
    drive = pre_charges("iso20")
    starts(drive, "iso20")
    drive.book.tell(ev.ContactorsChanged(True))
    drive.send(dc.DCChargeLoopReq)
    drive.book.tell(lower("iso20", of_20.BATTERY_V - 1.0))
    (bounds,) = asked(drive)
    assert isinstance(bounds, act.SetPower)
    assert bounds.voltage_v == of_20.BATTERY_V - 1.0
    assert drive.session._facts.abort_reason is None


def test_contactors_are_not_closed_for_a_pre_charge_above_the_limit() -> None:
    """Whoever let it come so far: the place that closes looks itself."""
    drive = pre_charges("iso20")
    facts = drive.session._facts
    facts.limits = lower("iso20", 500.0).limits
    refused = dc_output.close_contactors(facts, lambda: pytest.fail("closed"))
    assert isinstance(refused, Refused)
    assert (refused.fault, refused.end) == (Fault.NOT_APPLIED, EndReason.STOPPED_BY_STATION)
    assert refused.cause == "voltage-limit-lowered"


# -- what the cable was checked for


def test_a_limit_that_is_raised_later_is_not_what_the_cable_was_checked_for() -> None:
    drive = new("iso20").to(State.DC_CABLE_CHECK)
    drive.book.tell(lower("iso20", 750.0))
    drive.send(dc.DCCableCheckReq)
    assert [one.voltage_v for one in asked(drive, act.StartCableCheck)] == [750.0]
    drive.book.tell(ev.CableCheckFinished(True))
    drive.book.tell(ev.LimitsChanged(of_20.STATION))
    assert most_v(drive) == 750.0
    drive.send(dc.DCCableCheckReq)
    answer = drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
    assert answer.response_code.name == "FAILED"
    assert drive.session.ended.reason is EndReason.PRE_CHARGE_FAILED


@pytest.mark.parametrize(("least_v", "held_v"), [(250.0, 250.0), (750.0, 750.0), (800.0, 750.0)])
def test_the_least_voltage_of_a_raised_limit_is_within_it(least_v: float, held_v: float) -> None:
    drive = new("iso20").to(State.DC_CABLE_CHECK)
    drive.book.tell(lower("iso20", 750.0))
    drive.send(dc.DCCableCheckReq)
    drive.book.tell(ev.LimitsChanged(replace(of_20.STATION, minimum_voltage_v=least_v)))
    limits = drive.session._facts.limits
    assert limits is not None
    assert (limits.minimum_voltage_v, limits.maximum_voltage_v) == (held_v, 750.0)


def test_another_cable_check_is_for_what_holds_then() -> None:
    drive = of_2.Drive()
    drive.to(OlderState.CABLE_CHECK)
    drive.book.tell(lower("iso2", 450.0))
    drive.to(OlderState.CURRENT_DEMAND)
    drive.loop()
    drive.book.tell(ev.LimitsChanged(of_2.STATION))
    assert most_v(drive) == 450.0
    drive.renegotiate()
    drive.output = ev.PowerMeasured(of_2.BATTERY_V, 0.0)
    drive.send(iso2.CableCheckReq)
    drive.book.tell(ev.ContactorsChanged(False))
    drive.measure(0.0)
    drive.send(iso2.CableCheckReq)
    assert [one.voltage_v for one in asked(drive, act.StartCableCheck)] == [500.0]


# -- current


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_current_of_pre_charge_keeps_to_the_limit(edition: str) -> None:
    drive = pre_charges(edition)
    own_a = drive.config.precharge_current_a
    assert drive.session._facts.precharge_current_a == own_a
    station = STATIONS[edition].maximum_voltage_v
    for most_a, wanted in (
        (own_a, None), (0.5, 0.5), (0.5, None), (1.0, 1.0), (0.0, own_a), (1.0, 1.0), (100.0, own_a),
    ):  # fmt: skip
        drive.book.tell(lower(edition, station, maximum_charge_current_a=most_a))
        told = [] if wanted is None else [act.PreCharge(BATTERY_V[edition], wanted)]
        assert asked(drive) == told, most_a
        polls(drive, edition)
        assert not asked(drive)


def test_it_does_before_pre_charge_begins() -> None:
    drive = new("iso20").to(State.DC_PRE_CHARGE)
    drive.book.tell(lower("iso20", 1250.0, maximum_charge_current_a=1.5))
    polls(drive, "iso20")
    assert asked(drive) == [act.PreCharge(of_20.BATTERY_V, 1.5)]


def test_nothing_is_asked_of_pre_charge_behind_power_delivery() -> None:
    drive = pre_charges("iso20")
    starts(drive, "iso20")
    drive.book.tell(ev.ContactorsChanged(True))
    drive.book.tell(lower("iso20", 1250.0, maximum_charge_current_a=1.5))
    assert not asked(drive)
