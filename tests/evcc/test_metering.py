"""The vehicle signs what its own measurement bears out: readings that fit, never fall, and are of this session."""

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
