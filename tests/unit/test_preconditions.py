"""What has to be there before a step, one thing at a time: each that is missing is found by itself, whatever
the others are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import workers
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc import editions as of_vehicle
from iso15118.evcc.contactors import pre_charged
from iso15118.secc import dc_output
from iso15118.secc import editions as of_station
from iso15118.secc.iso20 import der_part
from iso15118.session.checks import late_alarm
from iso15118.session.edition import Refused
from iso15118.session.events import EmergencyShutdown, HardwareFault
from iso15118.session.services import ServiceID

IEC = ServiceID.AC_DER_IEC


@pytest.mark.parametrize(("length", "good"), [(0, False), (1, True), (255, True), (256, False)])
def test_an_evccid_has_1_to_255_characters(length: int, good: bool) -> None:
    if good:
        assert len(EvccConfig(evccid="A" * length).evccid) == length
    else:
        with pytest.raises(ConfigError, match=r"evccid.*1 to 255"):
            EvccConfig(evccid="A" * length)


@pytest.mark.parametrize("missing", ["vehicle", "limits", "authorized"])
def test_no_cable_check_begins_without_a_vehicle_its_limits_and_an_authorization(missing: str) -> None:
    facts: Any = SimpleNamespace(**{"vehicle": 1, "limits": 1, "authorized": True} | {missing: None})
    refused = dc_output.start_cable_check(facts)
    assert isinstance(refused, Refused)
    assert "without its preconditions" in refused.detail


@pytest.mark.parametrize(("age_s", "fresh"), [(0.0, True), (1.0, True), (1.001, False)])
def test_contactors_close_by_a_battery_that_is_as_old_as_it_may_be_and_by_no_older_one(
    age_s: float, fresh: bool
) -> None:
    talk: Any = SimpleNamespace(
        now=1024.0,
        inlet=SimpleNamespace(voltage_v=800.0),
        battery=SimpleNamespace(voltage_v=800.0),
        inlet_is_fresh=True,
        supervisor=SimpleNamespace(
            battery_at=1024.0 - age_s,
            most_v=900.0,
            limits=SimpleNamespace(stale_s=1.0, beyond=lambda rule, value: value),
        ),
        config=SimpleNamespace(precharge_tolerance_v=20.0),
        stop_wanted="",
    )
    assert pre_charged(talk, 800.0) is fresh


@pytest.mark.parametrize(
    ("lacks", "why"),
    [
        ({}, "another reason"),
        ({"config": SimpleNamespace(services=(ServiceID.AC,))}, "without AC_DER_IEC"),
        ({"charger": None}, "without an inverter that gives energy back"),
        ({"inverter": None}, "without an inverter that gives energy back"),
        ({"charger": SimpleNamespace(bidirectional=False)}, "without an inverter that gives energy back"),
    ],
    ids=["nothing", "service", "charger", "inverter", "way back"],
)
def test_why_a_vehicle_speaks_no_energy_resources(
    lacks: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_vehicle, "_why_not_iso20", lambda talk: "another reason")
    whole = {
        "config": SimpleNamespace(services=(IEC,)),
        "charger": SimpleNamespace(bidirectional=True),
        "inverter": 1,
    }
    talk: Any = SimpleNamespace(**whole | lacks)
    assert of_vehicle._why_not_der(IEC)(talk) == why


@pytest.mark.parametrize(
    ("code", "other", "why"),
    [("no code", "too old", "no code"), ("no code", "", "no code"), ("", "too old", "too old"), ("", "", "")],
)
def test_why_a_station_speaks_no_energy_resources(
    code: str, other: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(der_part, "why_no_grid_code", lambda *what: code)
    monkeypatch.setattr(of_station, "_why_not_iso20", lambda facts: other)
    facts: Any = SimpleNamespace(config=SimpleNamespace(services=(IEC,)), grid_code=None, ac_hardware=None)
    assert of_station._why_not_der(IEC)(facts) == why


@pytest.mark.parametrize(("reason", "said"), [("the button", "the button"), ("", "an alarm")])
@pytest.mark.parametrize("closed", [True, False])
def test_why_a_late_alarm_cuts_a_ramp_short(reason: str, said: str, closed: bool) -> None:
    assert late_alarm(EmergencyShutdown(reason), closed) == said
    assert late_alarm(HardwareFault("cooling", reason), closed) == said


def test_how_long_workers_are_waited_for_is_what_the_oldest_has_left() -> None:
    def left(*ages: float) -> float | None:
        running: Any = {age: SimpleNamespace(busy=age > 0.0, age=age) for age in ages}
        return workers._patience(running, 10.0)

    assert left() is left(0.0) is None
    assert left(2.0, 5.0, 0.0) == pytest.approx(5.01)
    assert left(12.0) == 0.01
