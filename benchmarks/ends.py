"""Both ends in one process: a station and a vehicle over ``::1``, with mutual TLS 1.3 and the
certificates of the test PKI.

The drivers are those of ``iso15118.aio``, as an application would use them; the hardware behind their ports
is simulated, and runs ten times as fast as the clock, so that nobody has to wait for a cable check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from msgspec import Struct

from iso15118.aio.evcc import EvccClient
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.results import SessionResult
from iso15118.aio.secc import SeccServer
from iso15118.evcc import EvccConfig
from iso15118.pki import IssuedPki, issue_test_pki, peer_verifier
from iso15118.sdp import Security
from iso15118.secc import SeccConfig
from iso15118.session.services import ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.tls import ISO20, TlsContext

__all__ = ["Ends", "Trust"]

_TIME_SCALE = 10.0
_SERVICE = ServiceID.MCS


class Trust(Struct, frozen=True):
    """Certificates of both ends and the contexts made of them: once per process, as in a product."""

    pki: IssuedPki
    station: TlsContext
    vehicle: TlsContext

    @classmethod
    def make(cls) -> Trust:
        """A new PKI, on P-521."""
        pki = issue_test_pki(at=datetime.now(UTC))

        def clock() -> datetime:
            return datetime.now(UTC)

        checks_vehicle = peer_verifier(
            role="vehicle", anchors_der=[pki.oem_root], anchor_role="OEM", clock=clock, edition="iso20"
        )
        checks_station = peer_verifier(
            role="secc", anchors_der=[pki.v2g_root], anchor_role="V2G", clock=clock, edition="iso20"
        )
        return cls(
            pki,
            TlsContext(
                ISO20, role="server", identities=[pki.secc], anchors=[pki.oem_root], verify=checks_vehicle
            ),
            TlsContext(
                ISO20, role="client", identities=[pki.vehicle], anchors=[pki.v2g_root], verify=checks_station
            ),
        )


class _Watched(MessageStream):
    """The vehicle's connection, which shows what goes out."""

    def __init__(self, show: Callable[[Any], None], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._show = show

    def send(self, message: Any, **how: Any) -> None:
        self._show(message)
        super().send(message, **how)


class Ends:
    """A station that serves, and a vehicle for one session after another. Use it with ``async with``."""

    def __init__(self, trust: Trust, *, loop_interval_s: float) -> None:
        self._trust = trust
        self._loop_interval_s = loop_interval_s
        self._sessions = 0
        self._circuit = DcCircuit(time_scale=_TIME_SCALE)
        self._clock = asyncio.get_running_loop().time
        station = SimulatedStation(self._circuit, preset("mcs-gen1"))
        self._server = SeccServer(
            SeccConfig(services=(_SERVICE,)),
            station.ports(asyncio.sleep, self._clock),
            "lo",
            trust.station,
            sdp=False,
            sdp_port=0,  # so that another station of this machine is in nobody's way
        )

    async def __aenter__(self) -> Ends:
        await self._server.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._server.close()

    async def session(self, enough: Callable[[Any], bool]) -> SessionResult:
        """One session; ``enough`` is asked with each message of the vehicle, and says when it shall stop."""
        vehicle = SimulatedVehicle(self._circuit, Battery(soc=20.0, target_soc=80.0))

        def show(message: Any) -> None:
            if enough(message):
                client.stop("enough")

        client = EvccClient(
            EvccConfig(services=(_SERVICE,), loop_interval_s=self._loop_interval_s),
            vehicle.ports(asyncio.sleep, self._clock),
            "lo",
            self._trust.vehicle,
            station=(self._server.interface.address, self._server.ports[Security.TLS]),
            connection=partial(_Watched, show),
        )
        result = await client.run()
        self._sessions += 1
        await self._server.wait_finished(self._sessions)
        self._circuit.unplug(self._clock())
        if not (result.ended.reason.orderly and result.safe and result.tls is not None):
            raise RuntimeError(f"the session went wrong: {result.ended}, {result.link}, {result.faults}")
        return result
