"""What a vehicle tells of its battery in DIN 70121, as the driver is shown it, and the check of the station's
own table of messages.

Values that say nothing are left out and do not replace what was said before.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages import din
from iso15118.secc.din import sequence
from iso15118.secc.din.sequence import Row, State
from iso15118.session import actions as act
from iso15118.session.edition import Stage
from tests.secc.din.vehicle import READY, Drive, value

S = State


def shown(drive: Drive, **changes: Any) -> act.VehicleDisplay:
    """What is shown after a request of the loop, which may have values that no codec reads."""
    drive.receive(drive.request(din.CurrentDemandReq, **changes))
    display = drive.session.display
    assert display is not None
    return display


@pytest.mark.parametrize(
    ("percent", "told"), [(-1, None), (0, 0), (1, 1), (99, 99), (100, 100), (101, None), (130, None)]
)
def test_a_state_of_charge_is_a_percentage(percent: int, told: int | None) -> None:
    drive = Drive().to(S.CURRENT_DEMAND)
    assert shown(drive, dc_ev_status=replace(READY, evresssoc=percent)).present_soc == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0, 0), (0.5, 0), (1.0, 1), (900.9, 900), (-0.5, 60), (-1.0, 60)]
)
def test_a_time_below_zero_says_nothing_and_the_last_one_stays(seconds: float, told: int) -> None:
    drive = Drive().to(S.CURRENT_DEMAND)
    for name, field in (
        ("remaining_time_to_bulk_soc", "to_target_s"),
        ("remaining_time_to_full_soc", "to_maximum_s"),
    ):
        shown(drive, **{name: value(60.0, "s")})
        assert getattr(shown(drive, **{name: value(seconds, "s")}), field) == told
        assert getattr(shown(drive), field) == told


def test_what_one_message_does_not_tell_stays_as_another_told_it() -> None:
    drive = Drive().to(S.CURRENT_DEMAND)
    display = shown(drive, charging_complete=True, remaining_time_to_full_soc=value(60.0, "s"))
    assert display == act.VehicleDisplay(
        present_soc=40,
        target_soc=80,
        maximum_soc=100,
        to_maximum_s=60,
        charging_complete=True,
        capacity_wh=60_000.0,
    )


# -- the table of messages


def _row(*states: State) -> Row:
    return Row(frozenset(states), "a test")


def _table(*states: State) -> dict[State, dict[Any, Row]]:
    """The first state leads to all of them."""
    return {state: {} for state in states} | {S.SESSION_SETUP: {din.SessionSetupReq: _row(*states)}}


GOOD = _table(S.SERVICE_DISCOVERY, S.ENDED)


@pytest.mark.parametrize(
    ("table", "stages", "wrong"),
    [
        (GOOD, tuple(GOOD), ""),
        ({S.SESSION_SETUP: GOOD[S.SESSION_SETUP], S.ENDED: {}}, (), "a row leads nowhere"),
        ({S.SESSION_SETUP: GOOD[S.SESSION_SETUP]}, (), "a row leads nowhere"),
        (GOOD | {S.PRE_CHARGE: {}}, (*GOOD, S.PRE_CHARGE), "never reached: PreCharge"),
        (
            GOOD | {S.PRE_CHARGE: {din.PreChargeReq: _row(S.PRE_CHARGE)}},
            (*GOOD, S.PRE_CHARGE),
            "never reached: PreCharge",
        ),
        (GOOD, (S.SESSION_SETUP, S.ENDED), "a state without a stage"),
        (GOOD, (*GOOD, S.PRE_CHARGE), "a state without a stage"),
    ],
    ids=["good", "a state is missing", "both are", "an island", "an island of its own", "no stage", "no row"],
)
def test_a_table_of_messages_with_a_hole_is_found_when_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch, table: Any, stages: tuple[State, ...], wrong: str
) -> None:
    monkeypatch.setattr(sequence, "TABLE", table)
    monkeypatch.setattr(sequence, "STAGES", {state: Stage(name=state.value) for state in stages})
    if not wrong:
        sequence._check()
        return
    with pytest.raises(ValueError, match=wrong):
        sequence._check()


def test_every_state_that_any_way_leads_to_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, and round a circle."""
    table = {
        S.SESSION_SETUP: {din.SessionSetupReq: _row(S.SERVICE_DISCOVERY)},
        S.SERVICE_DISCOVERY: {din.ServiceDiscoveryReq: _row(S.CABLE_CHECK)},
        S.CABLE_CHECK: {din.CableCheckReq: _row(S.SERVICE_DISCOVERY, S.CABLE_CHECK, S.ENDED)},
        S.ENDED: {},
    }
    monkeypatch.setattr(sequence, "TABLE", table)
    monkeypatch.setattr(sequence, "STAGES", {state: Stage(name=state.value) for state in table})
    sequence._check()
    back = _table(S.SESSION_SETUP, S.ENDED)
    monkeypatch.setattr(sequence, "TABLE", back)
    monkeypatch.setattr(sequence, "STAGES", {state: Stage(name=state.value) for state in back})
    sequence._check()
