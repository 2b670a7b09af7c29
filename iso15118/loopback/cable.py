"""What is below IP in a run with a link: the cable between both ends of one process, and the
link machines at its ends."""

from __future__ import annotations

from collections.abc import Callable

from iso15118.link.primitives import DataLink
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.spe.ev import EvSpe
from iso15118.link.spe.evse import EvseSpe
from iso15118.loopback.spec import LoopbackSpec
from iso15118.simulation import AcCircuit, DcCircuit
from iso15118.simulation.cable import STATION_MAC, VEHICLE_MAC, CcsCable, McsCable
from iso15118.simulation.modem import PowerLine

__all__ = ["cable_of", "links_of"]


def cable_of(
    order: LoopbackSpec, circuit: DcCircuit | AcCircuit, clock: Callable[[], float]
) -> CcsCable | McsCable:
    """The cable that fits the link of ``order``, unplugged, with the power contacts of
    ``circuit``: there is no MCS with AC."""
    if order.link == "spe" and isinstance(circuit, DcCircuit):
        return McsCable(clock, circuit)
    return CcsCable(clock, circuit, line=PowerLine(seed=order.seed or 0))


def links_of(order: LoopbackSpec) -> tuple[DataLink, DataLink]:
    """The station's and the vehicle's machine."""
    if order.link == "spe":
        return EvseSpe(), EvSpe()
    return EvseSlac(STATION_MAC), EvSlac(VEHICLE_MAC)
