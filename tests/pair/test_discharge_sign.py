"""The sign of discharge limits: each side sends the one that was set, in every message that has any, and
reads either by its magnitude."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import DischargeLimitSign
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from tests.pair.rig import pair

PLUS, MINUS = DischargeLimitSign.PLUS, DischargeLimitSign.MINUS
SERVICES = (ServiceID.DC_BPT, ServiceID.MCS_BPT)


def discharge_limits(message: Any) -> Iterator[tuple[str, RationalNumber]]:
    """Every limit of discharge in a message, wherever it stands."""
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if isinstance(value, RationalNumber):
            if "discharge" in name and ("maximum" in name or "minimum" in name):
                yield name, value
        elif isinstance(value, msgspec.Struct):
            yield from discharge_limits(value)


@cache
def session(
    service: ServiceID, mode: ControlMode, secc: DischargeLimitSign, evcc: DischargeLimitSign
) -> tuple[dict[str, list[tuple[str, int]]], tuple[Any, ...]]:
    """A charge that gives back in between: what each side sent, and what came of it."""
    sent: dict[str, list[tuple[str, int]]] = {"secc": [], "evcc": []}

    def watch(sender: str, message: object, now: float) -> None:
        sent[sender] += [(name, one.value) for name, one in discharge_limits(message) if one.value]

    rig = pair(
        service,
        mode,
        discharge_wh=3e3,
        secc={"discharge_limit_sign": secc},
        evcc={"discharge_limit_sign": evcc},
        on_message=watch,
    )
    rig.run()
    assert rig.evcc.ended is not None
    meter = rig.station.meter
    return sent, (
        rig.evcc.ended.reason,
        round(meter.charged_wh, 3),
        round(meter.discharged_wh, 3),
        rig.exchanges,
    )


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
@pytest.mark.parametrize("secc", [PLUS, MINUS], ids=lambda one: f"station {one.name}")
@pytest.mark.parametrize("evcc", [PLUS, MINUS], ids=lambda one: f"vehicle {one.name}")
def test_either_sign_comes_to_the_same(
    service: ServiceID, mode: ControlMode, secc: DischargeLimitSign, evcc: DischargeLimitSign
) -> None:
    sent, came_of_it = session(service, mode, secc, evcc)
    reason, charged_wh, discharged_wh, _ = came_of_it
    assert reason is EndReason.STOPPED_BY_EV
    assert discharged_wh == pytest.approx(3e3, rel=0.01)
    assert charged_wh > discharged_wh
    for side, sign in (("secc", secc), ("evcc", evcc)):
        assert {name for name, value in sent[side] if value * sign.value <= 0} == set()
        assert len({name for name, _ in sent[side]}) >= 2
        assert len(sent[side]) > 20, "in every turn of the loop"
    assert session(service, mode, PLUS, PLUS)[1] == came_of_it


def test_plus_is_the_default_and_zero_has_no_sign() -> None:
    for zero in (RationalNumber(exponent=0, value=0), RationalNumber(exponent=2, value=0)):
        assert MINUS.of(zero) == zero
    assert MINUS.of(RationalNumber(exponent=3, value=32767)) == RationalNumber(exponent=3, value=-32767)
    assert PLUS.of(RationalNumber(exponent=3, value=5)) == RationalNumber(exponent=3, value=5)
