"""A pre-charge that fails names the output's voltage and the target: whoever reads it sees which of the two
is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import rational
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from tests.secc.vehicle import BATTERY_V, Drive, held_back


def failed(drive: Drive) -> str:
    """What the end says, which is one of pre-charge."""
    drive.book.ends(EndReason.PRE_CHARGE_FAILED)
    assert not any(isinstance(action, act.CloseContactors) for action in drive.book.actions)
    ended: Any = drive.session.ended
    detail: str = ended.detail
    return detail


@pytest.mark.parametrize("target", [951.0, 1251.0])
def test_of_a_target_beyond_the_limits(target: float) -> None:
    drive = Drive().to(State.DC_PRE_CHARGE)
    drive.measure(30.0)
    drive.send(dc.DCPreChargeReq, ev_target_voltage=rational(target))
    detail = failed(drive)
    assert detail.startswith(f"target {target:g} V is beyond the limits, ")
    assert detail.endswith("; the output is at 30.0 V")


@pytest.mark.parametrize("off", [21.0, -21.0])
def test_where_contactors_would_close_over_a_difference(off: float) -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.measure(BATTERY_V + off)
    held_back(drive, drive.send(cm.PowerDeliveryReq))
    assert failed(drive) == (
        f"contactor-voltage: output is at {BATTERY_V + off:.0f} V, "
        f"21 V off the pre-charge target of {BATTERY_V:g} V"
    )


def test_where_it_takes_too_long() -> None:
    drive = Drive().to(State.DC_PRE_CHARGE)
    for _ in range(500):
        drive.measure(BATTERY_V - 30.0)
        drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
        if drive.session.ended is not None:
            break
        drive.book.wait(1.0)
    stands = f"the output is at {BATTERY_V - 30.0:.1f} V, the target is {BATTERY_V:g} V"
    assert failed(drive) == f"pre-charge took too long: {stands}"
