"""The vehicle signs what its own measurement bears out: readings that fit, never
fall, and are of this session."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Identification
from iso15118.evcc.metering import MeterReading, MeterWatch
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, MeterInfo
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests.evcc.station import Host
from tests.pair.contracts import held, issued

BY_CONTRACT = EvccConfig(identification=(Identification.PNC,))
STATUS = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.MeteringConfirmation)


def reading(charged_wh: float, **changes: Any) -> MeterReading:
    fields: dict[str, Any] = {"meter_id": "M1", "charged_wh": charged_wh} | changes
    return MeterReading(**fields)


def after(
    hours: float, power_w: float, config: EvccConfig = BY_CONTRACT, *, start: float = 5000.0
) -> MeterWatch:
    """A vehicle that saw the meter at ``start`` Wh, and has measured ``power_w`` for ``hours`` since."""
    watch = MeterWatch(config)
    watch.measured(ev.InletMeasured(400.0, power_w / 400.0), 0.0)
    watch.saw(reading(start))
    for step in range(1, 101):
        watch.measured(ev.InletMeasured(400.0, power_w / 400.0), step * hours * 36.0)
    return watch


def test_a_reading_that_fits_is_signed_and_one_that_does_not_is_not() -> None:
    # 100 kW for an hour: 100 kWh, with 5 %, 100 Wh, and what flows in 10 s (278 Wh) to either side.
    for charged_wh, fits in (
        (100_000.0, True),
        (105_300.0, True),
        (94_700.0, True),
        (105_500.0, False),
        (94_500.0, False),
        (200_000.0, False),
        (1.0, False),
    ):
        why = after(1.0, 100_000.0).why_not(reading(5000.0 + charged_wh))
        assert (why == "") is fits, (charged_wh, why)
        assert fits or "where the vehicle measured 100000 Wh" in why


def test_what_was_given_back_is_counted_apart() -> None:
    back = after(1.0, -50_000.0)
    assert back.why_not(reading(5000.0, discharged_wh=50_000.0)) == ""
    assert "given back" in after(1.0, -50_000.0).why_not(reading(5000.0, discharged_wh=10_000.0))
    assert "given back" in after(1.0, -50_000.0).why_not(reading(5000.0))
    assert "charged" in after(1.0, -50_000.0).why_not(reading(55_000.0, discharged_wh=50_000.0))


def test_a_reading_never_falls_and_stays_with_its_meter() -> None:
    watch = after(1.0, 100_000.0)
    assert watch.why_not(reading(105_000.0, at=2000.0)) == ""
    for other, said in (
        (reading(104_999.0, at=2001.0), "lower"),
        (reading(105_000.0, meter_id="M2", at=2001.0), "another meter"),
        (reading(105_001.0, at=1999.0), "older"),
    ):
        assert said in watch.why_not(other)
    assert watch.why_not(reading(105_000.0, at=2000.0)) == "", "the same again, as an answer may be repeated"


def test_a_first_reading_late_in_the_session_proves_nothing() -> None:
    watch = MeterWatch(BY_CONTRACT)
    for step in range(101):
        watch.measured(ev.InletMeasured(400.0, 250.0), step * 36.0)
    assert "not from the beginning" in watch.why_not(reading(1_000_000.0))


def test_counters_of_the_vehicle_count_more_than_voltage_times_current() -> None:
    watch = MeterWatch(BY_CONTRACT)
    watch.measured(ev.InletMeasured(400.0, 0.0, charged_wh=777.0, discharged_wh=5.0), 0.0)
    watch.saw(reading(0.0))
    watch.measured(ev.InletMeasured(400.0, 0.0, charged_wh=10_777.0, discharged_wh=5.0), 60.0)
    assert watch.why_not(reading(10_000.0)) == ""
    watch.measured(ev.InletMeasured(float("nan"), float("inf")), 61.0)
    assert watch.why_not(reading(10_001.0)) == ""


STRICT = EvccConfig(meter_tolerance_percent=0.0, meter_tolerance_wh=0.0, meter_delay_s=0.0)


def counted(*pairs: tuple[float | None, float | None], config: EvccConfig = STRICT) -> MeterWatch:
    """Counters of the vehicle, one measurement a second; the first reading is seen with the first of them."""
    watch = MeterWatch(config)
    for second, (charged, discharged) in enumerate(pairs):
        inlet = ev.InletMeasured(400.0, 0.0, charged_wh=charged, discharged_wh=discharged)
        watch.measured(inlet, float(second))
        if second == 0:
            watch.saw(reading(1000.0, discharged_wh=500.0))
    return watch


@pytest.mark.parametrize(
    ("pairs", "charged_wh", "discharged_wh"),
    [
        (((100.0, 10.0), (150.0, 14.0)), 1050.0, 504.0),
        (((100.0, None), (150.0, None)), 1050.0, 500.0),
        (((100.0, None), (150.0, 4.0)), 1050.0, 504.0),
        (((100.0, 10.0), (150.0, 14.0), (180.0, 20.0)), 1080.0, 510.0),
        (((100.0, 0.0), (150.0, 0.0), (None, None)), 1050.0, 500.0),
        (((100, 10), (150, 14)), 1050.0, 504.0),
    ],
)
def test_the_vehicles_own_counters_to_the_last_watt_hour(
    pairs: Any, charged_wh: float, discharged_wh: float
) -> None:
    for charged, discharged, fits in (
        (charged_wh, discharged_wh, True),
        (charged_wh + 1.0, discharged_wh, False),
        (charged_wh - 1.0, discharged_wh, False),
        (charged_wh, discharged_wh + 1.0, False),
    ):
        why = counted(*pairs).why_not(reading(charged, discharged_wh=discharged))
        assert (why == "") is fits, why


@pytest.mark.parametrize("wrong", [(float("nan"), 0.0), (0.0, float("inf")), ("100", 0.0), (0.0, "1")])
def test_a_counter_that_is_none_counts_nothing(wrong: Any) -> None:
    watch = counted((100.0, 10.0), (150.0, 14.0), wrong)
    assert watch.why_not(reading(1050.0, discharged_wh=504.0)) == ""


@pytest.mark.parametrize(
    ("samples", "charged_wh", "discharged_wh"),
    [
        # amperes at 400 V, told at, measured at
        (((9.0, 0.0, None), (9.0, 3600.0, None)), 3600.0, 0.0),
        (((0.0, 0.0, None), (9.0, 3600.0, None)), 1800.0, 0.0),
        (((-9.0, 0.0, None), (-9.0, 3600.0, None)), 0.0, 3600.0),
        (((9.0, 0.0, None), (9.0, 3600.0, 1800.0)), 1800.0, 0.0),
        (((9.0, 0.0, None), (9.0, 3600.0, 9999.0)), 3600.0, 0.0),
        (((9.0, 0.0, None), (9.0, 0.0, None), (9.0, 3600.0, None)), 3600.0, 0.0),
        (((9.0, 0.0, None), (9.0, 3600.0, None), (9.0, 3600.0, 1800.0), (9.0, 7200.0, None)), 9000.0, 0.0),
        (((0.001, 0.0, None), (0.001, 3600.0, None)), 0.4, 0.0),
    ],
)
def test_voltage_times_current_to_the_last_watt_hour(
    samples: Any, charged_wh: float, discharged_wh: float
) -> None:
    watch = MeterWatch(STRICT)
    for number, (amperes, now, at) in enumerate(samples):
        watch.measured(ev.InletMeasured(400.0, amperes, at=at), now)
        if number == 0:
            watch.saw(reading(0.0, discharged_wh=0.0))
    assert watch._charged_wh == pytest.approx(charged_wh)
    assert watch._discharged_wh == pytest.approx(discharged_wh)


def test_what_flows_while_a_reading_is_on_its_way_is_allowed() -> None:
    """3.6 kW for ten seconds are 10 Wh."""
    config = EvccConfig(meter_tolerance_percent=0.0, meter_tolerance_wh=0.0, meter_delay_s=10.0)
    for off_wh, fits in ((10.0, True), (10.5, False), (-10.0, True), (-10.5, False)):
        watch = MeterWatch(config)
        watch.measured(ev.InletMeasured(400.0, 9.0), 0.0)
        watch.saw(reading(0.0))
        watch.measured(ev.InletMeasured(400.0, 9.0), 3600.0)
        assert (watch.why_not(reading(3600.0 + off_wh)) == "") is fits


def test_what_was_given_back_before_the_first_reading_counts_against_it_too() -> None:
    watch = MeterWatch(STRICT)
    for second, (charged, discharged) in enumerate(((100.0, 10.0), (105.0, 10.0), (105.0, 15.0))):
        watch.measured(
            ev.InletMeasured(400.0, 0.0, charged_wh=charged, discharged_wh=discharged), float(second)
        )
    assert "not from the beginning" in watch.why_not(reading(0.0))
    assert MeterWatch(STRICT).why_not(reading(0.0)) == ""


def test_a_reading_without_what_was_given_back_has_given_nothing_back() -> None:
    watch = counted((0.0, 0.0), (10.0, 0.0))
    assert "lower" in watch.why_not(reading(1010.0))
    watch = MeterWatch(STRICT)
    watch.saw(reading(0.0))
    assert watch.why_not(reading(0.0, discharged_wh=0.0)) == ""
    assert watch.why_not(reading(0.0)) == ""
    assert "given back" in watch.why_not(reading(0.0, discharged_wh=0.5))


def test_what_flowed_before_the_first_reading_belongs_to_no_one() -> None:
    """With 16 Wh of tolerance a vehicle that has counted 8 and 6 Wh already sees the first
    reading, and counts from there."""
    config = EvccConfig(meter_tolerance_percent=0.0, meter_tolerance_wh=16.0, meter_delay_s=0.0)
    for charged_wh, discharged_wh, fits in (
        (84.0, 40.0, True),
        (83.0, 40.0, False),
        (116.0, 40.0, True),
        (117.0, 40.0, False),
        (100.0, 24.0, True),
        (100.0, 23.0, False),
        (100.0, 56.0, True),
        (100.0, 57.0, False),
    ):
        watch = MeterWatch(config)
        for second, (charged, discharged) in enumerate(((0.0, 0.0), (8.0, 6.0), (108.0, 46.0))):
            inlet = ev.InletMeasured(400.0, 0.0, charged_wh=charged, discharged_wh=discharged)
            watch.measured(inlet, float(second))
            if second == 1:
                watch.saw(reading(0.0, discharged_wh=0.0))
        why = watch.why_not(reading(charged_wh, discharged_wh=discharged_wh))
        assert (why == "") is fits, why


def test_less_given_back_than_before_by_half_a_watt_hour_is_less() -> None:
    watch = MeterWatch(EvccConfig())
    assert watch.why_not(reading(0.0, discharged_wh=0.5)) == ""
    assert "lower" in watch.why_not(reading(0.0))


def in_the_loop() -> Host:
    one = Host(config=BY_CONTRACT, contracts=held(issued("ed448"), "contract-0").present)
    return one.to("DC_ChargeLoop")


def shown(one: Host, wh: int) -> None:
    one.answer(evse_status=STATUS, meter_info=MeterInfo(meter_id="M1", charged_energy_reading_wh=wh))


def test_a_reading_that_does_not_fit_is_told_once_and_the_loop_goes_on() -> None:
    one = in_the_loop()
    one.answer(meter_info=MeterInfo(meter_id="M1", charged_energy_reading_wh=1000))
    refused: list[Any] = []
    for wh in (900_000, 900_001, 900_002):
        while not one.waiting:
            one.wait(0.25)
        shown(one, wh)
        refused += [action for action in one.book.actions if isinstance(action, act.MeteringRefused)]
        assert one.session.state == "DC_ChargeLoop"
        assert one.session.ended is None
    assert [type(sent) for sent in one.sent if type(sent) is cm.MeteringConfirmationReq] == []
    assert len(one.session.refusals) == 1
    assert "meter reading not signed: 899000 Wh charged" in one.session.refusals[0]
    assert len(refused) <= 1
    while not one.waiting:
        one.wait(0.25)
    shown(one, 1001)
    signed = [sent for sent in one.sent if type(sent) is cm.MeteringConfirmationReq]
    assert len(signed) == 1, "one that fits is signed after all"
    assert signed[0].signed_metering_data.meter_info.charged_energy_reading_wh == 1001


@pytest.mark.parametrize("key", ["meter_tolerance_percent", "meter_tolerance_wh", "meter_delay_s"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e9])
def test_a_tolerance_that_is_none(key: str, value: float) -> None:
    wrong: dict[str, Any] = {key: value}
    with pytest.raises(ConfigError, match=key):
        EvccConfig(**wrong)
