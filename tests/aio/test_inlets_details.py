"""Several inlets in their details: which of their clients are open while the vehicle stands there, and who is
told of each attempt."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio.inlets import Attempt, SeveralInlets
from iso15118.errors import LinkError, MisuseError

from .test_inlets import Truck


async def test_the_hardware_of_every_inlet_is_looked_after_while_the_vehicle_stands_there() -> None:
    truck = Truck(())
    several = truck.drive()
    async with several:
        for client in truck.clients.values():
            with pytest.raises(MisuseError, match="open already"):
                await client.open()
    for client in truck.clients.values():
        async with client:
            pass


async def test_an_inlet_that_cannot_be_looked_after_leaves_no_other_one_open() -> None:
    truck = Truck(())
    several = truck.drive()
    first, second = truck.clients.values()
    async with second:
        with pytest.raises(MisuseError, match="open already"):
            async with several:
                pass
    async with first:
        pass


async def test_who_fails_at_one_attempt_is_told_of_the_next_one_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []

    def hears(attempt: Attempt) -> None:
        told.append(attempt.inlet)
        raise ValueError("not now")

    async def nobody(*_: Any, **__: Any) -> Any:
        raise LinkError("no station answered")

    truck = Truck(())
    truck.drive()
    for client in truck.clients.values():
        monkeypatch.setattr(client, "run", nobody)
    several = SeveralInlets(truck.arbiter, truck.clients, told=hears)
    attempts = await several.run()
    assert told == [one.inlet for one in attempts] == ["mcs", "ccs2"]
