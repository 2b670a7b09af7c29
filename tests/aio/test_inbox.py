"""What may be told, from which thread, and what is kept: wrong types are refused where they
come from, alarms never are."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from iso15118.aio.ports.guard import Port
from iso15118.aio.ports.inbox import ALARMS, Inbox, checked
from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.errors import HardwareError, MisuseError
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.coupling import DevicePosition, VehiclePosition
from iso15118.session.der import GridCondition
from iso15118.session.limits import StationLimits
from iso15118.session.services import ServiceID
from iso15118.session.value_added import Guidance
from iso15118.session.wireless import CoilDiagnosis, PadLimits
from iso15118.simulation import european

from .hostile import FloatLike, Lying, Unprintable

LIMITS = StationLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0)
FROM_THE_WIRE = (ev.Connected, ev.MessageReceived, ev.Undecodable)

GOOD: dict[Any, Any] = {
    "str": "text",
    "float": 1.5,
    "int": 2,
    "bool": True,
    "float | None": 2.5,
    "bytes | None": b"x",
    "Any": None,
    "SignalState": ev.SignalState.C,
    "TransportLoss": ev.TransportLoss.RESET,
    "StationLimits": LIMITS,
    "AcStationLimits": AcStationLimits.of(current_a=32.0),
    "AcVehicleLimits": AcVehicleLimits.of(current_a=16.0),
    "Phases": (1.0, 2.0, 3.0),
    "tuple[tuple[tuple[float, float], ...], ...]": (((3600.0, 11_040.0), (3600.0, 0.0)),),
    "tuple[ScheduleOffer, ...]": (
        ScheduleOffer(charging=PowerOffer(entries=((3600.0, 11_040.0),), begins=1.0)),
    ),
    "DsoSetPoint": DsoSetPoint(reactive_var=900.0),
    "GridCode | None": european(),
    "GridCondition": GridCondition(events=3),
    "Guidance": Guidance(parking_space=7),
    "CoilDiagnosis": CoilDiagnosis.OVERHEATED,
    "PadLimits": PadLimits(maximum_power_w=11_000.0),
    "DevicePosition": DevicePosition.MOVING,
    "VehiclePosition": VehiclePosition(x_cm=1.0),
    "Cost | None": ev.Cost(1.5, 0.5),
    "int | None": 50,
    "bool | None": True,
    "tuple[ServiceID, ...]": (ServiceID.DC,),
    "Exception | None": HardwareError("the token is gone"),
    "tuple[tuple[int, float], ...]": ((1, 0.5),),
    "Refusal | None": Refusal.NOT_AVAILABLE,
    "ContractClaim": ContractClaim(emaid="DE8AAA00000001", chain=(), evccid="02" * 6),
}
WRONG = {
    "a text": "50 kW",
    "bytes": b"50",
    "nothing": None,
    "a list": [50.0],
    "an object": object(),
    "one without a text": Unprintable(),
    "a complex number": 50j,
    "not a number": math.nan,
    "infinity": math.inf,
}
ANYTHING = {"Any"}


def kinds() -> list[type[ev.Event]]:
    found = [
        kind
        for _, kind in inspect.getmembers(ev, inspect.isclass)
        if issubclass(kind, ev.Event) and kind is not ev.Event
    ]
    return sorted(found, key=lambda kind: kind.__name__)


def values_of(kind: type[ev.Event]) -> dict[str, Any]:
    return {name: GOOD[kind.__annotations__[name]] for name in kind.__struct_fields__}


def told() -> list[type[ev.Event]]:
    return [kind for kind in kinds() if kind not in FROM_THE_WIRE]


def wrong_ones() -> Iterator[Any]:
    for kind in told():
        if kind in ALARMS:
            continue
        for name in kind.__struct_fields__:
            says = kind.__annotations__[name]
            for what, value in WRONG.items():
                fits = says in ANYTHING or ("None" in says and value is None)
                fits = fits or (kind, name, what) == (ev.InsulationMeasured, "resistance_ohm", "infinity")
                fits = fits or (says == "str" and isinstance(value, str))
                fits = fits or (says.startswith("bytes") and isinstance(value, bytes))
                if not fits:
                    yield pytest.param(kind, name, value, id=f"{kind.__name__}.{name}: {what}")


class Told:
    """An inbox, and what it delivered."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self.inbox = Inbox()
        self.inbox.open(asyncio.get_running_loop(), self.events.append)

    def kept(self) -> list[Any]:
        inbox = self.inbox
        return [
            what
            for what in (inbox.signal, inbox.set_point, inbox.plan, inbox.limits, inbox.alarm)
            if what is not None
        ]


@pytest.mark.parametrize("kind", told(), ids=lambda kind: kind.__name__)
async def test_what_fits_is_delivered(kind: type[ev.Event]) -> None:
    here = Told()
    event = kind(**values_of(kind))
    here.inbox.push(event)
    assert here.events == [event]


@pytest.mark.parametrize(("kind", "name", "value"), list(wrong_ones()))
async def test_a_wrong_type_is_refused_by_name_and_nothing_of_it_is_kept(
    kind: type[ev.Event], name: str, value: Any
) -> None:
    here = Told()
    event = kind(**(values_of(kind) | {name: value}))
    with pytest.raises(MisuseError, match=rf"{kind.__name__}\.{name}"):
        here.inbox.push(event)
    assert here.events == []
    assert here.kept() == []


@pytest.mark.parametrize("kind", FROM_THE_WIRE, ids=lambda kind: kind.__name__)
async def test_what_can_only_come_over_the_connection_is_refused(kind: type[ev.Event]) -> None:
    here = Told()
    event = kind(**dict.fromkeys(kind.__struct_fields__))
    with pytest.raises(MisuseError, match="cannot be told: it is no event"):
        here.inbox.push(event)
    assert here.events == []


@pytest.mark.parametrize(
    "what",
    [None, 1, "stop", object(), Unprintable(), ev.StopRequested, ev.Event()],
    ids=lambda what: type(what).__name__,
)
async def test_what_is_no_event_is_refused(what: Any) -> None:
    here = Told()
    with pytest.raises(MisuseError):
        here.inbox.push(what)
    assert here.events == []


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
async def test_an_alarm_is_never_refused_whatever_is_in_it(value: Any) -> None:
    here = Told()
    here.inbox.push(ev.HardwareFault(value, value))
    here.inbox.push(ev.EmergencyShutdown(value))
    assert [type(event) for event in here.events] == [ev.HardwareFault, ev.EmergencyShutdown]
    for event in here.events:
        assert all(type(getattr(event, name)) is str for name in event.__struct_fields__)


class Tripped(ev.HardwareFault, frozen=True):
    """A fault of an application's own class, as Python lets one make it."""

    breaker: Any = None


class Button(ev.EmergencyShutdown, frozen=True):
    """An emergency of one."""

    where: Any = None


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Tripped("power", "breaker 3"), ev.HardwareFault),
        (Tripped("power", "breaker 3", Decimal(3)), ev.HardwareFault),
        (Tripped("power", None, Unprintable()), ev.HardwareFault),  # type: ignore[arg-type]  # that is the test
        (Button("pressed", object()), ev.EmergencyShutdown),
    ],
    ids=["fault", "fault with a Decimal", "fault without a text", "emergency"],
)
async def test_an_alarm_of_a_class_of_the_applications_own_is_that_alarm(
    event: ev.Event, kind: type[ev.Event]
) -> None:
    here = Told()
    here.inbox.push(event)
    assert [type(told) for told in here.events] == [kind]


@pytest.mark.parametrize(
    "number",
    [FloatLike(5e4), Lying(5e4), Decimal(50_000), 50_000],
    ids=["float of a library", "one that lies", "Decimal", "int"],
)
async def test_numbers_of_a_numeric_library_become_plain_ones(number: Any) -> None:
    here = Told()
    here.inbox.push(ev.SetPointChanged(number))
    assert here.events == [ev.SetPointChanged(5e4)]
    assert type(here.events[0].power_w) is float  # type: ignore[attr-defined]  # of that type


@pytest.mark.parametrize("value", ["50 kW", Unprintable()], ids=["text", "without a text"])
async def test_another_thread_hears_of_it_there(value: Any) -> None:
    here = Told()
    raised: list[BaseException] = []

    def tell() -> None:
        try:
            here.inbox.push(ev.SetPointChanged(value))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=tell)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert [type(error) for error in raised] == [MisuseError]
    assert here.events == []
    assert here.kept() == []


async def test_another_thread_is_delivered_on_the_loop() -> None:
    here = Told()
    loop = asyncio.get_running_loop()
    thread: asyncio.Future[int] = loop.create_future()
    here.inbox.open(loop, lambda event: thread.set_result(threading.get_ident()))
    await asyncio.to_thread(here.inbox.push, ev.EmergencyShutdown("button"))
    assert await thread == threading.get_ident()


async def test_the_first_alarm_waits_for_somebody_to_hear_it() -> None:
    here = Told()
    here.inbox.close()
    await asyncio.to_thread(here.inbox.push, ev.EmergencyShutdown("button"))
    here.inbox.push(ev.HardwareFault("power", "later"))
    assert here.events == []
    assert here.inbox.alarm == ev.EmergencyShutdown("button")


def test_an_alarm_after_the_loop_is_closed_is_kept() -> None:
    kept: list[Inbox] = []

    async def main() -> None:
        kept.append(Told().inbox)

    asyncio.run(main())
    told = threading.Thread(target=kept[0].push, args=(ev.EmergencyShutdown("button"),))
    told.start()
    told.join()
    assert kept[0].alarm is not None or kept[0]._deliver is not None


async def test_standing_states_are_kept_for_the_next_session() -> None:
    here = Told()
    for event in (ev.SignalChanged(ev.SignalState.B), ev.SetPointChanged(None), ev.LimitsChanged(LIMITS)):
        here.inbox.push(event)
    assert here.inbox.latched() == [ev.SignalChanged(ev.SignalState.B), ev.SetPointChanged(None)]
    assert here.inbox.limits == ev.LimitsChanged(LIMITS)


async def test_a_plan_counts_from_the_moment_when_it_was_told() -> None:
    here = Told()
    plans = (((3600.0, 11_040.0),),)
    before = asyncio.get_running_loop().time()
    here.inbox.push(ev.PlanChanged(plans))
    (kept,) = here.inbox.latched()
    assert isinstance(kept, ev.PlanChanged)
    assert kept.plans == plans
    assert kept.begins is not None
    assert before <= kept.begins <= asyncio.get_running_loop().time()
    assert here.events == [kept]
    here.inbox.push(ev.PlanChanged(plans, 7.0))
    assert here.inbox.latched() == [ev.PlanChanged(plans, 7.0)]


async def test_limits_that_cannot_be_those_of_a_charger_are_refused() -> None:
    here = Told()
    broken = msgspec.structs.replace(LIMITS)
    msgspec.structs.force_setattr(broken, "maximum_voltage_v", "900")
    with pytest.raises(MisuseError, match="LimitsChanged"):
        here.inbox.push(ev.LimitsChanged(broken))
    assert here.kept() == []


async def test_a_port_is_given_a_listener_once_and_named_if_it_does_not_take_it() -> None:
    calls: list[Any] = []

    class Pushes:
        def listen(self, listener: Any) -> None:
            calls.append(listener)
            if len(calls) == 1:
                raise ValueError("not yet")

    inbox = Inbox()
    with pytest.raises(HardwareError, match=r"signal\.listen raised ValueError: not yet"):
        inbox.listen(Port(Pushes(), "signal"))
    port = Port(Pushes(), "signal")
    inbox.listen(port)
    inbox.listen(port)
    assert len(calls) == 2


def test_checking_gives_an_equal_event() -> None:
    event = ev.MeterRead("M1", 12.0, 3.0, b"signature")
    assert checked(event) == event


def test_an_insulation_beyond_what_its_monitor_can_measure_is_infinite() -> None:
    above = ev.InsulationMeasured(math.inf)
    assert checked(above) == above
    for wrong in (
        ev.InsulationMeasured(-math.inf),
        ev.InsulationMeasured(math.nan),
        ev.InsulationMeasured(1e6, to_earth_v=math.inf),
        ev.InsulationMeasured(1e6, at=math.inf),
        ev.SecondVoltageMeasured(math.inf),
    ):
        with pytest.raises(MisuseError, match="no finite number"):
            checked(wrong)
