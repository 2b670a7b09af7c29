"""Random walks of a vehicle and of the hardware: any request, any number, any event, in any order.

Whatever comes, the station never breaks, asks for nothing that is not allowed in that order, and leaves
the output safe when it ends.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso15118.messages import iso2
from iso15118.secc.iso2.machine import table_of
from iso15118.secc.iso2.replies import RESPONSES
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits
from tests.secc.iso2.outlet import OUTLET, AcDrive, ac_parameters
from tests.secc.iso2.test_matrix import MEANINGS
from tests.secc.iso2.vehicle import BATTERY_V, STATION, WAY_STATES, Drive, replace

_EVENTS: tuple[ev.Event, ...] = (
    ev.AuthorizationDecided(True),
    ev.AuthorizationDecided(False),
    ev.CableCheckFinished(True),
    ev.CableCheckFinished(False),
    ev.ContactorsChanged(True),
    ev.ContactorsChanged(False),
    ev.SignalChanged(ev.SignalState.B),
    ev.SignalChanged(ev.SignalState.C),
    ev.LimitsChanged(
        StationLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=500.0)
    ),
    ev.LimitsChanged(STATION),
    ev.SetPointChanged(-5000.0),
    ev.SetPointChanged(None),
    ev.PlanChanged((((10.0, 1000.0), (600.0, 50_000.0)),)),
    ev.PlanChanged(()),
    ev.MeterRead("M", 1000.0),
    ev.StopRequested("operator"),
    ev.PauseRequested("operator"),
    ev.AcLimitsChanged(replace(OUTLET, maximum_current_a=(6.0, 6.0, 6.0))),
)
_NUMBERS = st.sampled_from([-32768, -1, 0, 1, 10, 100, 400, 32767])
_STEP: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("legal"), st.integers(0, 9), st.just([])),
    st.tuples(st.just("legal"), st.integers(0, 9), st.lists(_NUMBERS, max_size=3)),
    st.tuples(st.just("request"), st.integers(0, len(MEANINGS) - 1), st.lists(_NUMBERS, max_size=3)),
    st.tuples(st.just("event"), st.integers(0, len(_EVENTS) - 1), st.just([])),
    st.tuples(st.just("wait"), st.integers(0, 3), st.just([])),
    st.tuples(st.just("output"), st.integers(0, 3), st.just([])),
)
_WAITS = (0.05, 1.0, 6.0, 40.0)
_OUTPUTS = ((0.0, 0.0), (BATTERY_V, 0.0), (BATTERY_V, 100.0), (30.0, 0.0))


def odd(value: Any, numbers: list[int]) -> Any:
    """The same element with the first numbers of its quantities changed."""
    left = list(numbers)

    def change(one: Any) -> Any:
        if isinstance(one, iso2.PhysicalValue):
            if not left:
                return one
            number = left.pop(0)
            return replace(one, value=number, multiplier=(number % 7) - 3)
        if isinstance(one, tuple):
            return tuple(change(part) for part in one)
        if isinstance(one, msgspec.Struct):
            return replace(one, **{name: change(getattr(one, name)) for name in one.__struct_fields__})
        return one

    return change(value)


def legal(drive: Drive, which: int) -> tuple[type, dict[str, Any]]:
    """One of the requests that the table lists now, but rather not the end."""
    table = table_of(drive.context.part)
    listed = next(rows for state, rows in table.items() if state.value == drive.session.state)
    keys = [key for key in listed if not (isinstance(key, tuple) and key[0] is iso2.SessionStopReq)]
    keys = keys or list(listed)
    key = keys[which % len(keys)]
    if not isinstance(key, tuple):
        return key, {}
    name = "charge_progress" if key[0] is iso2.PowerDeliveryReq else "charging_session"
    return key[0], {name: key[1]}


def walk(drive: Drive, steps: list[Any]) -> None:
    for kind, which, numbers in steps:
        if drive.session.ended is not None:
            break
        if kind == "wait":
            drive.book.wait(_WAITS[which])
        elif kind == "output":
            if isinstance(drive, AcDrive):
                drive.output = ev.AcMeasured(voltage_v=(230.0,) * 3, current_a=(float(which),) * 3)
            else:
                volts, amperes = _OUTPUTS[which]
                asked = drive.session._facts.power
                drive.measure(volts, 0.0 if asked is None else min(amperes, asked[1]))
        elif kind == "event":
            drive.book.tell(_EVENTS[which])
        else:
            request_type, changes = MEANINGS[which] if kind == "request" else legal(drive, which)
            fields = dict(changes)
            if request_type is iso2.ChargeParameterDiscoveryReq and isinstance(drive, AcDrive):
                fields["requested_energy_transfer_mode"] = iso2.EnergyTransferMode.AC_three_phase_core
                fields["ev_charge_parameter"] = ac_parameters()
            message = drive.request(request_type, **fields)
            element = odd(message.body.body_element, numbers)
            answer = drive.say(replace(message, body=iso2.Body(body_element=element)))
            drive.session_id = drive.session.session_id
            if answer is not None and not isinstance(answer, RESPONSES[request_type]):
                raise AssertionError(f"{type(answer).__name__} to {request_type.__name__}")
        facts = drive.session._facts
        if isinstance(drive.output, ev.PowerMeasured) and facts.power is None and drive.output.current_a:
            drive.measure(drive.output.voltage_v)  # hardware does what it is asked for
        for action in drive.book.actions:
            if isinstance(action, act.CloseContactors):
                # In which order a Drive sees to itself.
                assert "RequestAuthorization" in drive.done
                assert facts.authorized
                assert isinstance(drive, AcDrive) or facts.cable_check_ok
            if isinstance(action, (act.StartCableCheck, act.PreCharge)):
                assert facts.authorized
            if isinstance(action, act.SetPower):
                assert facts.contactors_closed
                assert 0.0 <= action.current_a <= STATION.maximum_charge_current_a
                assert 0.0 <= action.voltage_v <= STATION.maximum_voltage_v
                assert not action.takes_back
            if isinstance(action, act.SetAcPower):
                assert max(action.bounds.charge_a) <= 16.0
                assert not any(action.bounds.discharge_w)
    ended = drive.session.ended
    assert drive.session.error is None, drive.session.error
    if ended is not None:
        assert ended.reason is not EndReason.INTERNAL_ERROR
        assert not drive.session.energized


@pytest.mark.parametrize("ahead", range(len(WAY_STATES)))
@given(steps=st.lists(_STEP, max_size=25))
@settings(max_examples=60)
def test_a_dc_station(ahead: int, steps: list[Any]) -> None:
    walk(Drive().to(WAY_STATES[ahead]), steps)


@pytest.mark.parametrize("ahead", range(4))
@given(steps=st.lists(_STEP, max_size=25))
@settings(max_examples=60)
def test_an_ac_station(ahead: int, steps: list[Any]) -> None:
    drive = AcDrive()
    if ahead == 0:
        drive.to(WAY_STATES[3])
    elif ahead == 1:
        drive.discover()
    else:
        drive.charging().status()
        if ahead == 3:
            drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    walk(drive, steps)
