"""EVSEStatus stands in every response of every family that has a place for it."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import msgspec
import pytest

from iso15118.messages.iso20 import ac, ac_der_iec, ac_der_sae, acdp, common_messages, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.session import events as ev
from iso15118.session.services import ServiceID
from tests.pair.watched import SCHEDULED, make

SETS: tuple[ModuleType, ...] = (ac, ac_der_iec, ac_der_sae, acdp, common_messages, dc, wpt)
OF_SERVICE: dict[ServiceID, set[type]] = {
    ServiceID.DC: {dc.DCChargeLoopRes, cm.PowerDeliveryRes},
    ServiceID.DC_ACDP: {dc.DCChargeLoopRes, cm.PowerDeliveryRes},
    ServiceID.AC: {ac.ACChargeLoopRes, cm.PowerDeliveryRes},
    ServiceID.AC_DER_IEC: {ac.ACChargeLoopRes, cm.PowerDeliveryRes},
    ServiceID.AC_DER_SAE: {
        ac_der_sae.DERACCPDResEnergyTransferMode,
        ac.ACChargeLoopRes,
        cm.PowerDeliveryRes,
    },
    ServiceID.WPT: {wpt.WPTChargeLoopRes, cm.PowerDeliveryRes},
}
FIRST = "ChargeParameterDiscovery"


def with_a_place() -> set[type]:
    """Every message, and every element of one, that has EVSEStatus."""
    kinds = [kind for one in SETS for kind in vars(one).values() if isinstance(kind, type)]
    return {
        kind for kind in kinds if issubclass(kind, msgspec.Struct) and "evse_status" in kind.__struct_fields__
    }


def telling(element: Any) -> Iterator[type]:
    """What of it says that the station wants something."""
    if not isinstance(element, msgspec.Struct):
        return
    if getattr(element, "evse_status", None) is not None:
        yield type(element)
    for name in element.__struct_fields__:
        yield from telling(getattr(element, name))


def test_nothing_with_a_place_for_it_is_left_out_here() -> None:
    assert set().union(*OF_SERVICE.values()) == with_a_place()


@pytest.mark.parametrize("service", list(OF_SERVICE), ids=lambda one: one.name)
def test_what_the_station_wants_stands_in_each(service: ServiceID) -> None:
    """A pause is wanted before the charge parameters are told, another schedule in the loop."""
    watched = make(service, SCHEDULED, evcc={"pause_if_asked": False})
    rig = watched.rig
    rig.run(until=lambda: rig.secc.state.endswith(FIRST))
    rig.tell_secc(ev.PauseRequested("a better price"))
    rig.run(until=lambda: rig.loops >= 1 or rig.done)
    told = {kind for who, one, _ in watched.messages if who == "secc" for kind in telling(one)}
    watched = make(service, SCHEDULED).to(5)
    watched.rig.tell_secc(ev.ScheduleRenegotiationRequested("a better price"))
    watched.to(30)
    told |= {kind for who, one, _ in watched.messages if who == "secc" for kind in telling(one)}
    assert told == OF_SERVICE[service]
