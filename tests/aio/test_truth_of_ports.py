"""Ports whose truth value or length says something else, or raises: nobody asks for it, in either role."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.session import events as ev
from iso15118.session.ports import Station, Vehicle
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.aio.test_port_checks import TABLES, good
from tests.aio.test_settling import Ports


class NoTruth(Ports):
    """As an array of a numeric library, or a switch whose truth is its level."""

    def __bool__(self) -> bool:
        raise RuntimeError("the truth of a relay is ambiguous")

    def __len__(self) -> int:
        raise RuntimeError("the poles that are closed")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    __hash__ = Ports.__hash__


class NoPoles(Ports):
    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("kind", [NoTruth, NoPoles])
@pytest.mark.parametrize("role", ["station", "vehicle"])
async def test_contactors_are_those_that_were_given(role: str, kind: type[Ports]) -> None:
    ports = kind()
    parts: Any
    hardware: Any
    if role == "station":
        parts = Parts(**dict.fromkeys(("power", "contactors", "cable_check", "authorizer"), ports))
        hardware = StationHardware(parts, QUICK_PORTS, lambda event: None)
    else:
        ports.present = ev.InletMeasured(0.0, 0.0)
        parts = Parts(**dict.fromkeys(("contactors", "inlet", "battery"), ports))
        hardware = VehicleHardware(parts, QUICK_PORTS, lambda event: None)
    ports.closed = True
    assert hardware.present()[1] is True
    hardware.make_safe("test")
    assert ports.opens() == 1
    ports.closed = False
    assert await hardware.settle()
    hardware.close()
    await asyncio.sleep(0.0)


@pytest.mark.parametrize(("name", "bundle"), [("Station", Station), ("Vehicle", Vehicle)])
def test_a_bundle_is_made_without_asking_for_the_truth_of_any_port(name: str, bundle: Any) -> None:
    ports = {}
    for port, attributes in TABLES[name][1].items():
        ports[port] = NoTruth()
        for attribute, kind in attributes.items():
            ports[port].__dict__[attribute] = good(kind)
    made = bundle(**ports)
    assert made.contactors is ports["contactors"]
