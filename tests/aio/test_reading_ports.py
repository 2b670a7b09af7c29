"""A session that only reads what a vehicle says of itself: nothing that it works with can energise, and
whatever belongs to a real session is out of its reach."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest

from iso15118.aio.plug.reading import reading_config, reading_ports
from iso15118.errors import HardwareError
from iso15118.secc import SeccConfig
from iso15118.session import events as ev
from iso15118.session import ports
from iso15118.session.actions import Urgency
from iso15118.session.limits import StationLimits
from iso15118.session.services import ServiceID


class Contactors:
    """The outlet's own."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.closed: Any = False

    async def close(self) -> bool:
        self.made.append("close")
        return True

    async def open(self, urgency: Urgency, reason: str) -> None:
        self.made.append((urgency, reason))


def station(contactors: Any = None, **given: Any) -> ports.Station:
    """What a session that only reads works with, at an outlet with these ports."""
    return reading_ports(
        ports.Station(ac=MagicMock(), contactors=contactors or Contactors(), authorizer=MagicMock(), **given)
    )


async def test_nothing_energises() -> None:
    reads: Any = station()
    assert reads.ac is None
    for call in (reads.power.set_power(400.0, 10.0, 4e3), reads.power.pre_charge(400.0, 1.0)):
        with pytest.raises(HardwareError, match="this session only reads"):
            await call
    await reads.power.stop(Urgency.EMERGENCY)
    assert reads.power.present == ev.PowerMeasured(0.0, 0.0)
    assert await reads.cable_check.run(400.0, 100e3) == "this session only reads"
    assert await reads.authorizer.authorize("EVCC") is True


async def test_the_contactors_are_looked_at_and_opened_and_never_closed() -> None:
    real = Contactors()
    contactors: Any = station(real).contactors
    assert await contactors.close() is False
    assert real.made == []
    await contactors.open(Urgency.EMERGENCY, "why")
    assert real.made == [(Urgency.EMERGENCY, "why")]
    for level in (True, False, "broken"):
        real.closed = level
        assert contactors.closed is level


def test_what_belongs_to_a_real_session_is_out_of_reach() -> None:
    names = (
        "contract_authorizer", "contract_certificates", "value_added", "energy", "meter", "heartbeat"
    )  # fmt: skip
    signal = MagicMock()
    reads = station(signal=signal, **{name: MagicMock() for name in names})
    assert [getattr(reads, name) for name in names] == [None] * len(names)
    assert reads.signal is signal


def test_an_ordinary_station_of_50_kw_is_offered() -> None:
    reads: Any = station()
    assert reads.power.limits == StationLimits(
        maximum_voltage_v=500.0,
        minimum_voltage_v=150.0,
        maximum_charge_current_a=125.0,
        minimum_charge_current_a=0.0,
        maximum_charge_power_w=50_000.0,
        minimum_charge_power_w=0.0,
    )


def test_direct_current_alone_is_offered_since_there_a_vehicle_tells_its_state_of_charge() -> None:
    config = SeccConfig(services=(ServiceID.AC, ServiceID.AC_BPT), allow_plaintext=True)
    reads = reading_config(config)
    assert reads.services == (ServiceID.DC,)
    assert reads.allow_plaintext
    assert config.services == (ServiceID.AC, ServiceID.AC_BPT)
