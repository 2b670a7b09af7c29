"""What a program puts in the wrong place when it makes a session, a server or a client, or tells one
something, is named with the remedy.

A message that names neither field nor remedy costs whoever reads it an hour.
"""

from __future__ import annotations

import asyncio
import math
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118 import EvccClient, EvccConfig, EvccSession, SeccConfig, SeccServer, SeccSession, StationLimits
from iso15118.aio import PortLimits, Recorder, Site, StreamLimits
from iso15118.errors import ConfigError
from iso15118.session.actions import SessionEnded
from iso15118.session.events import Connected, MeterRead, PowerMeasured
from iso15118.simulation import DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.simulation.async_ports import StationPorts, VehiclePorts

LIMITS = StationLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0)
ANY: Any = object()


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: SeccSession(ANY, LIMITS), "config"),
        (lambda: SeccSession(SeccConfig(), ANY), "limits"),
        (lambda: EvccSession(ANY, ANY, ANY), "config"),
        (lambda: EvccSession(EvccConfig(), ANY, ANY), "limits"),
        (lambda: SeccServer(ANY, ANY, "lo"), "config"),
        (lambda: EvccClient(ANY, ANY, "lo"), "config"),
        (lambda: SeccServer(SeccConfig(allow_plaintext=True), ANY, "lo"), "station"),
        (lambda: SeccServer(SeccConfig(allow_plaintext=True), ANY, ANY), "interface"),
        (lambda: EvccClient(EvccConfig(allow_plaintext=True), ANY, "lo"), "vehicle"),
    ],
)
def test_an_argument_of_another_class_is_named(make: Any, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert refused.value.key == key
    assert refused.value.hint.startswith(("iso15118.", "its name"))


def server(**given: Any) -> SeccServer:
    plant = StationPorts(SimulatedStation(DcCircuit(), preset("ccs2")), asyncio.sleep, lambda: 0.0)
    return SeccServer(SeccConfig(allow_plaintext=True), plant.bundle(), "lo", **({"sdp_port": 0} | given))


def client(**given: Any) -> EvccClient:
    car = VehiclePorts(SimulatedVehicle(DcCircuit()), asyncio.sleep, lambda: 0.0)
    return EvccClient(EvccConfig(allow_plaintext=True), car.bundle(), "lo", **given)


BESIDE: dict[str, tuple[Any, ...]] = {
    "epoch": (math.nan, "0", 10**400, True),
    "sdp_port": (-1, 65536, "15118", True, None),
    "port_limits": ({}, 5.0),
    "stream_limits": ("slow",),
    "recorder": ("folder",),
    "news": ("print",),
    "observer": (5,),
    "watch": (5,),
    "connections": (5,),
    "tls": (b"certificate",),
}
OF_A_STATION: dict[str, tuple[Any, ...]] = {
    "port": (-1, 65536, True, "0"),
    "on_request": (5,),
    "sdp": ("no",),
    "wait_for_interface": ("no",),
    "talks_with": (5,),
    "tickets": (("ticket",),),
}
OF_A_VEHICLE: dict[str, tuple[Any, ...]] = {
    "station": ("::1", ("::1", 15118), (IPv6Address("::1"), 0), (IPv6Address("::1"), 15118.0))
}


@pytest.mark.parametrize(
    ("make", "key", "value"),
    [
        (make, key, value)
        for make, given in ((server, BESIDE | OF_A_STATION), (client, BESIDE | OF_A_VEHICLE))
        for key, values in given.items()
        for value in values
    ],
)
def test_what_stands_beside_the_settings_is_looked_at_before_anybody_comes(
    make: Any, key: str, value: Any
) -> None:
    with pytest.raises(ConfigError) as refused:
        make(**{key: value})
    assert refused.value.key == key
    assert refused.value.hint


def test_what_is_right_beside_the_settings_is_taken() -> None:
    assert (
        server(epoch=-5.0, port=0, port_limits=PortLimits(), tickets=iter(()), observer=print).sdp_port == 0
    )
    assert client(epoch=0, station=(IPv6Address("::1"), 15118), sdp_port=0, stream_limits=StreamLimits())


def test_a_number_that_is_none_is_refused_by_a_site_and_a_recorder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="retry_s"):
        Site({"left": server()}, retry_s=math.nan)
    with pytest.raises(ConfigError, match="most_waiting"):
        Recorder(tmp_path, most_waiting=-1)


@pytest.mark.parametrize("value", ["150000", None, [1.0]])
def test_a_limit_that_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        StationLimits(maximum_charge_power_w=value, maximum_charge_current_a=1.0, maximum_voltage_v=1.0)
    assert refused.value.key == "maximum_charge_power_w"


def test_a_reading_that_is_no_number_is_named_without_a_made_up_value() -> None:
    session = SeccSession(SeccConfig(), LIMITS)
    session.handle(Connected(secure=True), 0.0)
    ended = [
        one for one in session.handle(PowerMeasured(float("nan"), 0.0), 0.1) if isinstance(one, SessionEnded)
    ]
    assert [one.detail for one in ended] == [
        "unusable-readings: a field of PowerMeasured is no finite number"
    ]


def test_what_is_below_the_least_is_told_the_least() -> None:
    session = SeccSession(SeccConfig(), LIMITS)
    with pytest.raises(ConfigError, match="0 or more"):
        session.handle(MeterRead("meter", -1.0), 0.0)


@pytest.mark.parametrize("field", ["charged_wh", "discharged_wh"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 2e15, True, "5", None])
def test_a_meter_s_counter_that_is_none_is_named(field: str, value: Any) -> None:
    session = SeccSession(SeccConfig(), LIMITS)
    with pytest.raises(ConfigError) as refused:
        session.handle(replace(MeterRead("meter", 1.0, 1.0), **{field: value}), 0.0)
    assert refused.value.key == f"MeterRead.{field}"


def test_a_meter_may_count_in_whole_numbers() -> None:
    session = SeccSession(SeccConfig(), LIMITS)
    for reading in (MeterRead("meter", 1), MeterRead("meter", 1.0, 2), MeterRead("meter", 1e15, 0)):
        assert session.handle(reading, 0.0) == []
