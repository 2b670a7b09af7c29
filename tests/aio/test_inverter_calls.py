"""An inverter that supports the grid: what it says it can do and sees, and its calls, of which the newest
functions count, and the end of a session is told in any case.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import structs

from iso15118.aio.logs import flush
from iso15118.aio.ports.inverter import abilities_of, grid_code_of
from iso15118.errors import HardwareError
from iso15118.session import events as ev
from iso15118.session.actions import FollowGrid
from iso15118.session.der import GridCondition, InverterAbilities
from iso15118.simulation.grid_codes import european, north_american
from tests.aio.parts import Parts
from tests.aio.test_coupling_calls import Bench

CODE, OVER = FollowGrid(european()), FollowGrid(None)


@pytest.mark.parametrize(
    ("asked", "fails", "made", "faults"),
    [
        ([CODE], False, ["code"], 0),
        ([CODE, CODE, CODE], False, ["code", "code"], 0),
        ([CODE, CODE, OVER], False, ["code", None], 0),
        ([CODE], True, ["code"], 1),
        ([CODE, CODE], True, ["code"], 1),
        ([CODE, OVER], True, ["code", None], 1),
        ([OVER], True, [None], 0),
        ([OVER, CODE], True, [None], 0),
    ],
)
async def test_an_inverter_is_told_the_newest_only_and_in_any_case_that_the_session_is_over(
    asked: list[FollowGrid], fails: bool, made: list[Any], faults: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    bench.port.takes["follow"] = 0.1
    if fails:
        bench.port.answers["follow"] = OSError("bus")
    inverter = bench.inverter()
    for action in asked:
        inverter.follow(action)
    await asyncio.sleep(1.0)
    assert bench.port.made == made
    assert bench.faults == [("inverter", "inverter.follow raised OSError: bus")] * faults
    assert flush(60.0)
    assert ("was not told that the session is over" in caplog.text) is (fails and made[-1] is None)
    inverter.close()


async def test_what_an_inverter_sees_of_the_grid_is_told_when_it_changes() -> None:
    bench = Bench()
    inverter = bench.inverter()
    quiet, trip = GridCondition(), GridCondition(events=1)
    seen: list[Any] = []
    for condition in (quiet, quiet, trip):
        bench.port.condition = condition
        seen.append(inverter.look())
    assert seen == [(ev.GridConditionChanged(quiet),), (), (ev.GridConditionChanged(trip),)]
    bench.port.condition = None
    (fault,) = inverter.look()
    assert isinstance(fault, ev.HardwareFault)
    assert (fault.port, fault.reason) == ("inverter", "inverter.condition is NoneType, and no GridCondition")
    assert inverter.look() == ()
    inverter.close()


async def test_an_inverter_is_not_asked_after_the_end() -> None:
    bench = Bench()
    bench.port.takes["follow"] = 0.1
    inverter = bench.inverter()
    inverter.follow(CODE)
    inverter.follow(CODE)
    await asyncio.sleep(0.01)
    inverter.close()
    await asyncio.sleep(1.0)
    assert bench.port.made == ["code"]
    assert bench.faults == [], "nobody wants to know of what was given up"


# -- what the ports say --------------------------------------------------------------------------------------


class Own(InverterAbilities, frozen=True, kw_only=True):
    """A class of somebody's own."""


def test_what_an_inverter_can_is_of_the_very_class_and_judged_once_more() -> None:
    able = InverterAbilities(apparent_va=11e3, reactive_var=4e3)
    nobody: Any = Parts()
    assert abilities_of(nobody) is None
    vehicle: Any = Parts(inverter=Parts(abilities=able))
    assert abilities_of(vehicle) == able
    spoilt = InverterAbilities(apparent_va=11e3, reactive_var=4e3)
    structs.force_setattr(spoilt, "apparent_va", float("nan"))
    for value in (Own(apparent_va=11e3, reactive_var=4e3), spoilt):
        vehicle.inverter.abilities = value
        with pytest.raises(HardwareError, match=r"inverter\.abilities"):
            abilities_of(vehicle)


def test_without_a_grid_code_no_energy_resource_is_offered(caplog: pytest.LogCaptureFixture) -> None:
    for energy in (None, object(), Parts(grid_code=None)):
        silent: Any = Parts(energy=energy)
        assert grid_code_of(silent) is None
    for code in (european(), north_american(230.0, 50.0)):
        knows: Any = Parts(energy=Parts(grid_code=code))
        assert grid_code_of(knows) == code
    assert flush(60.0)
    assert caplog.text == "", "a site without one is as good as any other"
    wrong: Any = Parts(energy=Parts(grid_code="european"))
    assert grid_code_of(wrong) is None
    assert flush(60.0)
    assert "energy.grid_code is str, and no IecGridCode, SaeGridCode or None" in caplog.text
