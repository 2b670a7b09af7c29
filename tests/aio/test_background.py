"""Stations and vehicles in threads of their own: driven from a program without an event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from iso15118.aio.background import BackgroundStation, BackgroundVehicle
from iso15118.channel import Received
from iso15118.errors import LinkError, LinkTimeoutError, MisuseError
from iso15118.evcc import EvccConfig
from iso15118.sdp import Security
from iso15118.secc import SeccConfig
from iso15118.session.actions import EndReason, StateEntered
from iso15118.session.events import EmergencyShutdown
from iso15118.session.services import ServiceID
from iso15118.settings.hardware import station_of, vehicle_of
from iso15118.settings.parts import StationSettings, VehicleSettings
from iso15118.settings.roles import EvccSettings
from tests.aio import site

PATIENCE_S = 300.0


def told(reported: Callable[[object, float], None], now: float, what: Any) -> None:
    if type(what) is Received:
        reported(what.message, now)


def station(time_scale: float = 200.0, **options: Any) -> BackgroundStation:
    hardware, reported = station_of(StationSettings(time_scale=time_scale))
    config = SeccConfig(services=(ServiceID.DC,))
    return BackgroundStation(
        config, hardware.ports, "lo", site.secc_tls(), sdp_port=0, observer=partial(told, reported), **options
    )


def vehicle(target_soc: int = 30, time_scale: float = 200.0, **options: Any) -> BackgroundVehicle:
    config = EvccConfig(services=(ServiceID.DC,), target_soc=target_soc)
    kind = VehicleSettings(battery_kwh=50.0, time_scale=time_scale)
    hardware, reported = vehicle_of(EvccSettings(session=config, vehicle=kind))
    return BackgroundVehicle(
        config, hardware.ports, "lo", site.evcc_tls(), observer=partial(told, reported), **options
    )


def test_a_session_between_two_threads() -> None:
    with station() as here, vehicle() as there:
        seen_by_vehicle = there.run((here.address, here.ports[Security.TLS]), timeout_s=PATIENCE_S)
        seen_by_station = here.wait_finished(timeout_s=PATIENCE_S)
    assert seen_by_vehicle.ended.reason is seen_by_station.ended.reason is EndReason.STOPPED_BY_EV
    assert seen_by_vehicle.safe
    assert seen_by_station.safe
    assert not [
        thread for thread in threading.enumerate() if thread.name in ("iso15118 station", "iso15118 vehicle")
    ]


def test_what_is_told_reaches_the_session() -> None:
    begun = threading.Event()

    def heard(news: Any) -> None:
        if type(news) is StateEntered:  # that a busy loop is late is news as well, before there is a session
            begun.set()

    with station(time_scale=1.0, news=heard) as here, vehicle(time_scale=1.0) as there:
        runs = threading.Thread(target=there.run, args=((here.address, here.ports[Security.TLS]),))
        runs.start()
        assert begun.wait(PATIENCE_S)
        here.tell(EmergencyShutdown("the red button"))
        result = here.wait_finished(timeout_s=PATIENCE_S)
        runs.join()
    assert result.ended.reason is EndReason.EMERGENCY
    assert result.safe


def test_waiting_is_bounded() -> None:
    with station() as here, pytest.raises(LinkTimeoutError, match=r"no end after 0\.05 s"):
        here.wait_finished(timeout_s=0.05)


def test_a_vehicle_without_a_station_says_so() -> None:
    with station() as here:
        where = here.address, here.ports[Security.TLS]
    with vehicle() as there, pytest.raises(LinkError):
        there.run(where)


def test_what_is_wrong_is_raised_where_it_is_begun() -> None:
    with station() as first, pytest.raises(LinkError), station(port=first.ports[Security.TLS]):
        pass
    assert not [
        thread for thread in threading.enumerate() if thread.name in ("iso15118 station", "iso15118 vehicle")
    ]


@pytest.mark.parametrize(
    "use", [lambda it: it.address, lambda it: it.wait_finished(), lambda it: it.tell(None)]
)
def test_outside_of_with_it_is_said_what_to_do(use: Callable[[BackgroundStation], object]) -> None:
    with pytest.raises(MisuseError, match="use it with 'with'"):
        use(station())


@pytest.mark.parametrize("role", ["station", "vehicle"])
def test_a_callback_that_ends_the_program_leaves_no_contactors_closed(role: str) -> None:
    """It takes the loop of its thread away, and the program goes on."""
    made: list[Any] = []
    ends = threading.Event()
    here, there = station(time_scale=1.0), vehicle(time_scale=1.0)
    one: Any = here if role == "station" else there
    make = one._make

    def make_with(clock: Any) -> Any:
        served: Any = make(clock)
        made.append(served.station if role == "station" else served.vehicle)
        watched: Any = served.sessions if role == "station" else served
        before = watched._observer

        def observer(now: float, what: Any) -> None:
            before(now, what)
            if type(what) is Received and type(what.message).__name__.startswith("DCChargeLoop"):
                ends.set()
                raise SystemExit("a callback ends the program")

        watched._observer = observer
        return served

    one._make = make_with
    told: list[BaseException] = []

    def runs() -> None:
        try:
            there.run((here.address, here.ports[Security.TLS]))
        except Exception as error:
            told.append(error)

    with here, there:
        running = threading.Thread(target=runs)
        running.start()
        assert ends.wait(60.0)
        one._loop._thread.join(60.0)
        assert not made[0].contactors.closed
        with pytest.raises(MisuseError, match="a callback ends the program"):
            one._loop.call(one._open, None)
        running.join(60.0)
        assert [type(error) for error in told] == ([MisuseError] if role == "vehicle" else [])


@pytest.mark.parametrize("make", [station, vehicle])
def test_what_is_open_is_not_entered_once_more(make: Callable[[], Any]) -> None:
    """What was opened first would be closed by nobody."""
    one = make()
    before = threading.active_count()
    for _ in range(2):
        with one:
            with pytest.raises(MisuseError, match="is open already"), one:
                pass
            assert threading.active_count() == before + 1
            (one.server if isinstance(one, BackgroundStation) else one.client).stop("it is there still")
        assert threading.active_count() == before
