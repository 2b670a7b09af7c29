"""Ports that raise, answer late, never answer or answer nonsense: the session ends, the hardware is safe,
and the next session is served.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from iso15118.aio import SessionResult
from iso15118.aio.service import ServiceState
from iso15118.errors import ConfigError, HardwareError, LinkError
from iso15118.session.actions import EndReason
from iso15118.session.events import InletMeasured, MeterRead, PowerMeasured
from iso15118.simulation import ContactorFault
from iso15118.simulation.faults import Faults
from iso15118.timing import Timing

from .site import LOOPBACK, QUICK_PORTS, Plant, Site, Stopper, evcc_config, in_turn, secc_config, site

R = EndReason
RUNS_ON = {R.STOPPED_BY_EV}
FAULT = {R.HARDWARE_FAULT}

STATION = {
    # call -> why the station's session may end, and the port named in the fault (empty: a warning, no fault)
    "authorize": ({R.AUTHORIZATION_FAILED}, ""),
    "cable_check": (FAULT | {R.CABLE_CHECK_FAILED}, "cable check"),
    "pre_charge": (FAULT, "power"),
    "close_contactors": (FAULT | {R.CONTACTOR_FAILED}, "contactors"),
    "set_power": (FAULT, "power"),
    "read_meter": (RUNS_ON, ""),
    # asked for at an end that is in order already, which a late fault does not change
    "stop_power": (FAULT | RUNS_ON, "power"),
    "open_contactors": (FAULT | RUNS_ON | {R.CONTACTOR_FAILED}, "contactors"),
}
VEHICLE = {
    "close_contactors": (FAULT | {R.CONTACTOR_FAILED}, "contactors"),
    "open_contactors": (FAULT | RUNS_ON | {R.CONTACTOR_FAILED}, "contactors"),
    "signal": (FAULT, "signal"),
}

WAYS: dict[str, Callable[[Faults, str], None]] = {
    "raises once": lambda faults, call: faults.raises(call, times=1),
    "raises anything": lambda faults, call: faults.raises(call, ZeroDivisionError("not our doing"), times=1),
    "never answers": lambda faults, call: faults.never(call, times=1),
    "is late": lambda faults, call: faults.late(call, 1.4, times=1),
}


TIMING = Timing(cable_check_performance=0.5)


async def run(here: Site, loops: int = 40, **settings: Any) -> tuple[SessionResult, SessionResult]:
    """A session, however it ends: the vehicle's result and the station's."""
    stopper = Stopper(loops)
    client = here.client(observer=stopper, **settings)
    stopper.client = client
    before = here.server.finished
    mine = await client.run()
    return mine, await here.server.wait_finished(before + 1)


@pytest.mark.parametrize("call", STATION)
async def test_a_call_of_the_station_fails(call: str) -> None:
    await in_turn(WAYS, lambda way: a_call_of_the_station_fails(call, way))


async def a_call_of_the_station_fails(call: str, way: str) -> None:
    reasons, port = STATION[call]
    plant = Plant()
    async with site(plant, config=secc_config(timing=TIMING)) as here:
        WAYS[way](plant.station.faults, call)
        mine, theirs = await run(here)
        assert theirs.ended.reason in reasons, theirs.ended
        if theirs.ended.reason is R.CABLE_CHECK_FAILED:
            port = ""  # the session's own timer is the port's deadline
        assert [fault.port for fault in theirs.faults] == ([port] if port else [])
        assert theirs.error is None
        assert theirs.safe
        assert plant.station_safe
        assert mine.safe
        if call == "authorize":
            assert mine.ended.reason is R.AUTHORIZATION_FAILED
        elif call == "read_meter":
            assert mine.ended.reason is R.STOPPED_BY_EV
        plant.station.faults.clear()
        await here.charge()


@pytest.mark.parametrize("call", VEHICLE)
async def test_a_call_of_the_vehicle_fails(call: str) -> None:
    await in_turn(WAYS, lambda way: a_call_of_the_vehicle_fails(call, way))


async def a_call_of_the_vehicle_fails(call: str, way: str) -> None:
    reasons, port = VEHICLE[call]
    plant = Plant()
    async with site(plant) as here:
        WAYS[way](plant.vehicle.faults, call)
        mine, theirs = await run(here)
        assert mine.ended.reason in reasons, mine.ended
        assert [fault.port for fault in mine.faults] == [port]
        assert mine.error is None
        assert mine.safe
        assert plant.vehicle_safe
        assert theirs.safe
        plant.vehicle.faults.clear()
        await here.charge()


class Broken:
    """A port of which one attribute is replaced."""

    def __init__(self, port: Any, name: str, value: Any) -> None:
        self._port, self._name, self._value = port, name, value
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        if self.broken and name == self._name:
            return self._value() if name in ("present", "state", "limits", "closed") else self._value
        return getattr(self._port, name)


def raises() -> Any:
    raise ValueError("no reading")


NONSENSE = {
    # port, attribute, what it gives instead
    "power.present raises": ("power", "present", raises, "power"),
    "power.present is nothing": ("power", "present", lambda: None, "power"),
    "power.present is no number": ("power", "present", lambda: PowerMeasured(math.nan, 0.0), "power"),
    "power.present is infinite": ("power", "present", lambda: PowerMeasured(800.0, math.inf), "power"),
    "power.limits raises": ("power", "limits", raises, "power"),
    "power.limits are none": ("power", "limits", lambda: None, "power"),
    "contactors.closed raises": ("contactors", "closed", raises, "contactors"),
    "contactors.closed is nothing": ("contactors", "closed", lambda: None, "contactors"),
}


@pytest.mark.parametrize("case", NONSENSE)
async def test_the_station_answers_nonsense_in_the_charge_loop(case: str) -> None:
    name, attribute, value, port = NONSENSE[case]
    plant = Plant()
    broken = Broken(getattr(plant.secc, name), attribute, value)
    station = replace(plant.secc, **{name: broken})

    def break_it(client: Any) -> None:
        assert plant.current_a > 1.0
        broken.broken = True

    async with site(plant, station=station) as here:
        stopper = Stopper(5, break_it)
        client = stopper.client = here.client(observer=stopper)
        mine = await client.run()
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is R.HARDWARE_FAULT, theirs.ended
        assert [fault.port for fault in theirs.faults] == [port]
        # Open contactors and a current below 5 A have to be seen: what cannot be measured is not safe.
        assert theirs.safe is (attribute == "limits")
        await asyncio.sleep(
            0.1
        )  # the first look between sessions: nobody is invited to one that cannot begin
        assert here.server.state is ServiceState.OUT_OF_SERVICE
        assert plant.station_safe
        assert mine.ended.reason is R.REFUSED, mine.ended
        assert mine.safe
        broken.broken = False
        await here.charge()


async def test_a_plain_function_where_a_coroutine_is_wanted_is_named_when_the_station_is_made() -> None:
    plant = Plant()
    broken = Broken(plant.secc.power, "set_power", lambda *_: None)
    broken.broken = True
    with pytest.raises(ConfigError, match=r"power\.set_power: a plain function.*async def"):
        replace(plant.secc, power=cast("Any", broken))


class Silent:
    """Callable, and nobody can tell what comes of it before it is called."""

    def __call__(self, *_: object) -> None:
        return None


async def test_a_call_that_is_no_coroutine_is_a_fault() -> None:
    plant = Plant()
    broken = Broken(plant.secc.power, "set_power", Silent())
    broken.broken = True
    async with site(plant, station=replace(plant.secc, power=cast("Any", broken))) as here:
        _, theirs = await run(here)
        assert theirs.ended.reason is R.HARDWARE_FAULT
        assert [fault.port for fault in theirs.faults] == ["power"]
        assert theirs.safe


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("inlet", "present", raises),
        ("inlet", "present", lambda: InletMeasured(math.inf)),
        ("battery", "state", raises),
        ("battery", "state", lambda: None),
        ("contactors", "closed", raises),
    ],
)
async def test_the_vehicle_reads_nonsense_in_the_charge_loop(
    name: str, attribute: str, value: Callable[[], Any]
) -> None:
    plant = Plant()
    broken = Broken(getattr(plant.evcc, name), attribute, value)
    vehicle = replace(plant.evcc, **{name: broken})

    def break_it(client: Any) -> None:
        broken.broken = True

    async with site(plant) as here:
        stopper = Stopper(5, break_it)
        client = stopper.client = here.client(observer=stopper, vehicle=vehicle)
        mine = await client.run()
        theirs = await here.server.wait_finished(1)
        assert mine.ended.reason is R.HARDWARE_FAULT, mine.ended
        assert [fault.port for fault in mine.faults] == [name]
        assert plant.vehicle_safe
        assert theirs.safe
        broken.broken = False
        await here.charge()


@pytest.mark.parametrize(
    "reading", [MeterRead("M", math.nan), MeterRead("M", 1.0, math.inf), "12 kWh", None], ids=repr
)
async def test_a_meter_that_reads_nonsense_is_ignored(reading: object) -> None:
    async def read() -> Any:
        return reading

    plant = Plant()
    broken = Broken(plant.secc.meter, "read", read)
    broken.broken = True
    station = replace(plant.secc, meter=broken)
    async with site(plant, station=station) as here:
        result = await here.charge()
        assert result.charged_wh is None


@pytest.mark.parametrize("verdict", ["rejected", 1, None], ids=repr)
async def test_only_true_lets_a_vehicle_in(verdict: object) -> None:
    async def authorize(evccid: str) -> Any:
        return verdict

    plant = Plant()
    broken = Broken(plant.secc.authorizer, "authorize", authorize)
    broken.broken = True
    station = replace(plant.secc, authorizer=broken)
    async with site(plant, station=station) as here:
        mine, _ = await run(here)
        assert mine.ended.reason is R.AUTHORIZATION_FAILED


async def test_limits_that_cannot_be_read_leave_no_session() -> None:
    plant = Plant()
    async with site(plant) as here:
        plant.station.faults.raises("limits", times=1)
        mine, theirs = await run(here)
        assert theirs.ended.reason is R.HARDWARE_FAULT
        assert theirs.states == ()
        assert theirs.safe
        assert mine.ended.reason is R.PEER_VANISHED
        await here.charge()


async def test_a_battery_that_does_not_report_leaves_the_vehicle_unconnected() -> None:
    plant = Plant()
    async with site(plant) as here:
        plant.vehicle.faults.raises("battery", times=1)
        with pytest.raises(HardwareError, match="battery"):
            await here.client().run()
        await here.charge()


# -- the safe direction
# ---------------------------------------------------------------------------------------------


async def test_a_supply_that_cannot_be_stopped_is_taken_off_by_the_contactors() -> None:
    plant = Plant()
    async with site(plant) as here:

        def break_it(client: Any) -> None:
            plant.station.faults.raises("stop_power")
            here.server.emergency_shutdown("test")

        stopper = Stopper(5, break_it)
        stopper.client = client = here.client(observer=stopper)
        await client.run()
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is R.EMERGENCY
        assert [fault.port for fault in theirs.faults] == ["power"]
        assert not theirs.safe
        assert plant.station_safe
        plant.station.faults.clear()


@pytest.mark.parametrize("side", ["station", "vehicle"])
async def test_welded_contactors_are_reported_and_keep_the_next_session_away(side: str) -> None:
    plant = Plant()
    async with site(plant, safe_at_the_end=False) as here:
        contactors = plant.station.outlet if side == "station" else plant.vehicle.inlet

        def break_it(client: Any) -> None:
            contactors.fault = ContactorFault.WELDED
            client.stop("enough")

        stopper = Stopper(5, break_it)
        stopper.client = client = here.client(observer=stopper)
        results = await client.run(), await here.server.wait_finished(1)
        welded, other = results if side == "vehicle" else results[::-1]
        assert welded.ended.reason is R.CONTACTOR_FAILED, welded.ended
        assert not welded.safe
        assert other.safe
        assert plant.current_a == 0.0
        # The next one hears of it before anything else, and nothing is energised.
        at = next(iter(here.server.ports.values()))
        if side == "station":
            assert here.server.state is ServiceState.OUT_OF_SERVICE
            with pytest.raises(LinkError, match="no station answered"):
                await here.client(config=evcc_config(timing=Timing(sdp_requests=2))).run()
        again = await here.client().run((LOOPBACK.address, at)), await here.server.wait_finished(2)
        refused = again[0] if side == "vehicle" else again[1]
        assert refused.ended.reason is R.CONTACTOR_FAILED
        assert refused.exchanges == 0


async def test_contactors_that_open_by_themselves_end_the_session() -> None:
    plant = Plant()
    async with site(plant) as here:

        def break_it(client: Any) -> None:
            plant.station.outlet.request_open(plant.circuit.time, at_once=True)

        stopper = Stopper(5, break_it)
        stopper.client = client = here.client(observer=stopper)
        await client.run()
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is R.CONTACTOR_FAILED
        assert theirs.safe


async def test_contactors_that_close_too_late_are_opened_again() -> None:
    plant = Plant()
    plant.station.faults.late("close_contactors", 0.2, times=1)
    async with site(plant) as here:
        client = here.client()

        def stop_there(now: float, what: Any) -> None:
            if type(what).__name__ == "CloseContactors":
                here.server.emergency_shutdown("test")

        here.server.sessions._observer = stop_there
        await client.run()
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is R.EMERGENCY
        await asyncio.sleep(0.3)  # the late closing would have come by now
        assert plant.station_safe
        assert QUICK_PORTS.contactors_s > 0.2
