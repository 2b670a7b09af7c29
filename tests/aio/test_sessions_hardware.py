"""A station's sessions and its hardware: the heartbeat, the look between sessions, and what a session is made
with. Hardware is a stand-in."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import secc_sessions as module
from iso15118.aio.lifecycle import Holders
from iso15118.aio.logs import flush
from iso15118.errors import ConfigError, MisuseError
from iso15118.session.limits import StationLimits
from iso15118.session.supervision import IdleSupervisor

from .site import Plant
from .test_sessions_kept import driver_of, sessions_of


async def test_the_heartbeat_stops_where_the_hardware_is_in_trouble_or_is_not_read() -> None:
    """For too long while energy may flow; without a session it is what the last look found."""
    sessions = sessions_of()
    assert sessions._why_unable() == ""
    sessions.service.hardware("warm")
    assert sessions._why_unable() == "warm"
    sessions.driver = driver_of()
    assert sessions._why_unable() == "warm"
    now = asyncio.get_running_loop().time()
    hardware = sessions.driver.hardware = SimpleNamespace(trouble="", live=True, measured_at=now - 1.5)
    sessions.driver.session = None
    assert sessions._why_unable() == ""
    hardware.measured_at = now - 1.75
    assert sessions._why_unable() == "no reading for 1.8 s"
    hardware.live = False
    assert sessions._why_unable() == ""
    hardware.trouble = "a call hangs"
    assert sessions._why_unable() == "a call hangs"


async def test_between_sessions_the_hardware_is_looked_at_until_nobody_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The heartbeat ends with the look; the voltage of an output is looked at, too."""
    made: list[Any] = []

    def supervisor(*what: Any, **how: Any) -> Any:
        made.append(how)
        return IdleSupervisor(*what, **how)

    monkeypatch.setattr(module, "IdleSupervisor", supervisor)
    plant = Plant()
    sessions = sessions_of(plant.secc)
    assert await sessions.settle_idle() is True
    done: list[Any] = []

    class Look:
        def __init__(self, *what: Any) -> None: ...

        def start(self, trouble: str) -> None:
            done.append(("start", trouble))

        async def settle(self) -> bool:
            return False

        def stop(self) -> None:
            done.append("stop")

    monkeypatch.setattr(module, "IdleLook", Look)
    sessions.open()
    assert made == [{}]
    assert await sessions.settle_idle() is False
    assert sessions.heartbeat.reason == ""
    sessions.close()
    assert sessions.heartbeat.reason == "the server is closed"
    assert done == [("start", ""), "stop"]
    sessions.close()
    assert len(done) == 2


async def test_a_port_that_another_server_left_behind_may_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop is closed; and a server stands in its own way never."""
    plant = Plant()
    left, sessions = sessions_of(plant.secc), sessions_of(plant.secc)
    holders = Holders[Any](lambda one: one._station, "close the other one")
    monkeypatch.setattr(module, "_HOLDERS", holders)

    async def leave() -> None:
        left.listen()

    await asyncio.to_thread(asyncio.run, leave())
    sessions.listen()
    sessions.listen()
    with pytest.raises(ConfigError, match="close the other one"):
        left.listen()
    sessions.close()
    left.listen()
    left.close()


async def test_certificates_are_looked_at_when_they_are_others_than_those_of_the_last_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where nobody looks they are not read."""
    held, seen = ["one"], list[Any]()
    monkeypatch.setattr(module, "held_by_station", lambda station: tuple(held))
    sessions = sessions_of(holds=seen.append)
    for _ in range(2):
        sessions._look_at_held()
    held.append("two")
    sessions._look_at_held()
    assert seen == [("one",), ("one", "two")]
    sessions = sessions_of()
    sessions._look_at_held()
    assert sessions._held == ()


@pytest.mark.parametrize("volts", [0.0, 500.0])
async def test_a_supply_whose_limits_have_no_voltage_is_said_in_each_session(
    volts: float, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a supply that has not been read yet."""
    plant = Plant()
    sessions = sessions_of(plant.secc)
    sessions._take_hardware(plant.secc, lambda event: None)
    limits = StationLimits(
        maximum_charge_power_w=volts, maximum_charge_current_a=volts, maximum_voltage_v=volts
    )
    for name in ("limits", "capabilities"):
        monkeypatch.setattr(sessions._hardware, name, lambda: limits)
    for _ in range(2):
        sessions._new_session()
    assert flush(60.0)
    said = [
        one.levelname for one in caplog.records if "power.limits.maximum_voltage_v is 0 V" in one.getMessage()
    ]
    assert said == (["WARNING"] * 2 if volts == 0.0 else [])


@pytest.mark.parametrize("epoch", [None, 5.0])
async def test_a_session_counts_its_time_from_the_clock_of_the_system_unless_it_is_told(
    epoch: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It installs contracts where the station has a service for them."""
    made: list[Any] = []

    def make(*what: Any, **how: Any) -> Any:
        made.append(how)
        return SimpleNamespace(without_voltage=False)

    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: 1e6))
    await asyncio.sleep(1.0)
    monkeypatch.setattr(module, "SeccSession", make)
    plant = Plant()
    sessions = sessions_of(plant.secc, epoch=epoch)
    with pytest.raises(MisuseError, match="needs hardware"):
        sessions._new_session()
    sessions._take_hardware(plant.secc, lambda event: None)
    monkeypatch.setattr(module, "trust_of", lambda station: None)
    for service in (None, SimpleNamespace()):
        sessions._talks_with = SimpleNamespace(**vars(plant.secc) | {"contract_certificates": service})
        sessions._new_session()
    assert [how["installs"] for how in made] == [False, True]
    wanted = 1e6 - asyncio.get_running_loop().time() if epoch is None else epoch
    assert math.isclose(made[0]["epoch"], wanted, abs_tol=0.5)


async def test_a_heartbeat_goes_to_the_port_that_there_is(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is missed where there is none."""
    beats: list[int] = []
    sessions = sessions_of(replace(Plant().secc, heartbeat=SimpleNamespace(beat=beats.append)))
    bare = sessions_of()
    for one in (sessions, bare):
        one.heartbeat.start()
        one.heartbeat.stop("enough")
    assert flush(60.0)
    assert beats == [1]
    assert "heartbeat.beat" not in caplog.text
