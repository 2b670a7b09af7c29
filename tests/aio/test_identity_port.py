"""A terminal that wants to know what is proven of a vehicle is told; one that does not is asked as ever."""

from __future__ import annotations

import asyncio
from functools import partial

from iso15118.aio.ports.by_signature import ask_terminal
from iso15118.aio.ports.guard import Port
from iso15118.session import ports
from iso15118.session.actions import RequestAuthorization


class Plain:
    async def authorize(self, evccid: str) -> bool:
        return evccid == "SAID"


class Careful(Plain):
    async def authorize_vehicle(self, evccid: str, certificate_name: str) -> bool:
        return (evccid, certificate_name) == ("SAID", "PROVEN")


def test_a_terminal_gets_what_it_asks_for() -> None:
    for terminal, proven, allowed in (
        (Plain(), "PROVEN", True),
        (Careful(), "PROVEN", True),
        (Careful(), "", False),
    ):
        asked = partial(ask_terminal, Port(terminal, "authorizer"), RequestAuthorization("SAID", proven))
        assert asyncio.run(asked()) is allowed
    assert isinstance(Careful(), ports.VehicleAuthorizer)
    assert not isinstance(Plain(), ports.VehicleAuthorizer)
