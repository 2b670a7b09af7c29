"""What a vehicle's side passes on: where the station sees it, to whoever drives, and what takes its time to a
thread."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from iso15118.aio.ports.contract_store import ThreadedContracts, read_ahead
from iso15118.aio.ports.key_calls import KeyCalls
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.pnc.vehicle_contracts import StoredContracts
from iso15118.session import actions as act
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.aio.test_settling import Ports
from tests.aio.test_winding_up import Drive


class Files(StoredContracts):
    """Contracts in files; it notes by which thread it is looked at."""

    def __init__(self) -> None:
        self.read_by: list[threading.Thread] = []

    @property
    def present(self) -> Any:
        self.read_by.append(threading.current_thread())


class Remembered:
    """A store that has what it has, and is read by the session itself."""

    @property
    def present(self) -> Any:
        pytest.fail("nobody asked for it yet")


@pytest.mark.parametrize("threaded", [True, False])
async def test_contracts_in_files_are_read_by_a_thread_before_the_session(threaded: bool) -> None:
    files = Files()
    store: Any = ThreadedContracts(files) if threaded else files
    await read_ahead(store)
    (thread,) = files.read_by
    assert thread is not threading.current_thread()


@pytest.mark.parametrize("store", [Remembered(), None], ids=["remembered", "none"])
async def test_other_contracts_are_left_to_the_session(store: Any) -> None:
    await read_ahead(store)


@pytest.mark.parametrize("drives", [True, False])
async def test_whoever_drives_hears_where_the_station_sees_the_vehicle(drives: bool) -> None:
    class Guided(Drive):
        def guide(self, position: Any) -> None:
            self.done.append(position)

    drive = Guided()
    parts: Any = Parts(battery=Ports(), mobility=drive if drives else None)
    position: Any = object()
    VehicleHardware(parts, QUICK_PORTS, lambda event: None).do(act.GuideVehicle(position))
    assert drive.done == ([position] if drives else [])


async def test_a_key_that_hangs_keeps_no_program_from_ending() -> None:
    told = asyncio.Event()
    daemons: list[bool] = []
    loop = asyncio.get_running_loop()
    keys = KeyCalls(loop, lambda event: told.set())
    keys.use(act.UseKey("the test", lambda: daemons.append(threading.current_thread().daemon), 0.0, 1))
    await asyncio.wait_for(told.wait(), 30.0)
    assert daemons == [True]
