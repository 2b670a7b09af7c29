"""Connectors for tests: a station and a vehicle with a cable of each kind, unplugged, in virtual time."""

from __future__ import annotations

import random
from typing import Any

from iso15118.connector import ConnectorSettings, Phase
from iso15118.connector.news import ConnectionClosed, ConnectionOpened, SessionFinished, SessionSetUp
from iso15118.evcc import EvccConfig
from iso15118.link.plain import PlainLink
from iso15118.link.primitives import DataLink
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.spe.ev import EvSpe
from iso15118.link.spe.evse import EvseSpe
from iso15118.secc import SeccConfig
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.simulation.cable import STATION_MAC, VEHICLE_MAC, CcsCable, McsCable, PlainCable
from iso15118.simulation.modem import PowerLine
from iso15118.testing.plugged import PluggedPair

LINKS = ("plain", "slac", "spe")
SERVICES = (ServiceID.DC, ServiceID.DC_BPT, ServiceID.MCS, ServiceID.MCS_BPT)


def links_of(kind: str) -> tuple[DataLink, DataLink]:
    if kind == "slac":
        return (
            EvseSlac(STATION_MAC, draw=random.Random(1).randbytes),
            EvSlac(VEHICLE_MAC, draw=random.Random(2).randbytes),
        )
    return (EvseSpe(), EvSpe()) if kind == "spe" else (PlainLink(), PlainLink())


def plugged(
    kind: str = "slac",
    service: ServiceID | None = None,
    *,
    target_soc: int = 41,
    attenuation_db: float = 15.0,
    line: PowerLine | None = None,
    settings: ConnectorSettings | None = None,
    secc: dict[str, Any] | None = None,
    evcc: dict[str, Any] | None = None,
    links: tuple[DataLink, DataLink] | None = None,
    rig: type[PluggedPair] = PluggedPair,
    **options: Any,
) -> PluggedPair:
    """By default a small battery that is charged from 40 to 41 %, which takes seconds."""
    if service is None:
        service = ServiceID.MCS if kind == "spe" else ServiceID.DC
    megawatt = service in (ServiceID.MCS, ServiceID.MCS_BPT)
    circuit = DcCircuit()
    station = SimulatedStation(circuit, preset("mcs-max" if megawatt else "ccs2"), cable_check_s=3.0)
    battery = Battery(capacity_wh=20e3, soc=40.0, target_soc=float(target_soc), minimum_soc=10.0)
    vehicle = SimulatedVehicle(circuit, battery=battery)

    def cable(clock: Any) -> Any:
        if kind == "slac":
            return CcsCable(clock, circuit, attenuation_db=attenuation_db, line=line)
        return McsCable(clock, circuit) if kind == "spe" else PlainCable(clock, circuit)

    wishes: dict[str, Any] = {
        "services": (service,),
        "control_modes": (ControlMode.SCHEDULED,),
        "target_soc": target_soc,
        "minimum_soc": 10,
    }
    return rig(
        SeccConfig(**({"services": SERVICES} | (secc or {}))),
        EvccConfig(**(wishes | (evcc or {}))),
        station,
        vehicle,
        cable,
        links or links_of(kind),
        settings=settings,
        **options,
    )


class WithoutSessions(PluggedPair):
    """Where a session would begin, both sides are told that it did; ``end`` ends it."""

    def _connect(self, number: int) -> None:
        self.secc.number += 1
        for side in self.sides:
            self._queue += [(side, ConnectionOpened(side.number)), (side, SessionSetUp(side.number))]

    def end(self, reason: EndReason) -> None:
        """The session is over on both sides, and its connection is closed: the vehicle's first."""
        for side in (self.evcc, self.secc):
            self.tell(side, SessionFinished(side.number, SessionEnded(reason)))
            self.tell(side, ConnectionClosed(side.number))


def in_session(kind: str) -> WithoutSessions:
    """Plugged in, and a session has begun."""
    rig = plugged(kind, rig=WithoutSessions)
    assert isinstance(rig, WithoutSessions)
    rig.run(1.0)
    rig.plug_in()
    both = (Phase.SESSION, Phase.SESSION)
    assert rig.run(5.0, lambda: rig.phases() == both), rig.phases()
    return rig


def charge(rig: PluggedPair, within_s: float = 120.0) -> None:
    """Plug in and charge to the end; both sides have finished, and it is still plugged in."""
    sessions = len(rig.pairs)
    rig.plug_in()
    over = rig.run(within_s, lambda: rig.phases() == (Phase.FINISHED, Phase.FINISHED))
    assert over, rig.phases()
    assert len(rig.pairs) > sessions
    pair = rig.pairs[-1]
    assert pair.secc.ended is not None
    assert pair.secc.ended.reason.orderly, pair.secc.ended
    assert pair.evcc.ended is not None
    assert pair.evcc.ended.reason.orderly, pair.evcc.ended
    assert rig.safe
