"""Parameter sets whose numbers no standard knows: the vehicle takes another set or leaves in order, and never
by a fault of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.testing import Pair
from tests.pair.ac_rig import ac_pair
from tests.pair.acdp_rig import pantograph_pair
from tests.pair.der_rig import der_pair
from tests.pair.rig import pair
from tests.pair.wpt_rig import pad_pair

NAMES = (
    "Connector",
    "ControlMode",
    "MobilityNeedsMode",
    "Pricing",
    "BPTChannel",
    "GeneratorMode",
    "GridCodeIslandingDetectionMethod",
    "EVSENominalVoltage",
    "DERControlFunctions",
)
NUMBERS = (-(2**31), -1, 0, 3, 7, 2**31 - 1)

MAKERS: dict[ServiceID, Callable[..., Pair]] = {
    ServiceID.DC: lambda **how: pair(ServiceID.DC, ControlMode.SCHEDULED, **how),
    ServiceID.MCS_BPT: lambda **how: pair(ServiceID.MCS_BPT, ControlMode.DYNAMIC, **how),
    ServiceID.AC: lambda **how: ac_pair(ServiceID.AC, ControlMode.SCHEDULED, **how),
    ServiceID.AC_BPT: lambda **how: ac_pair(ServiceID.AC_BPT, ControlMode.DYNAMIC, **how),
    ServiceID.AC_DER_IEC: lambda **how: der_pair(ServiceID.AC_DER_IEC, ControlMode.DYNAMIC, **how),
    ServiceID.DC_ACDP: lambda **how: pantograph_pair(ServiceID.DC_ACDP, ControlMode.SCHEDULED, **how),
    ServiceID.WPT: lambda **how: pad_pair(ControlMode.DYNAMIC, **how),
}


def with_value(message: cm.ServiceDetailRes, name: str, value: cm.Parameter | None) -> cm.ServiceDetailRes:
    """The same, with this parameter in each of its sets; None: without it."""
    sets = []
    for one in message.service_parameter_list.parameter_set:
        others = tuple(parameter for parameter in one.parameter if parameter.name != name)
        sets.append(msgspec.structs.replace(one, parameter=others if value is None else (*others, value)))
    told = cm.ServiceParameterList(parameter_set=tuple(sets))
    return msgspec.structs.replace(message, service_parameter_list=told)


@pytest.mark.parametrize("service", list(MAKERS), ids=lambda one: one.name)
@pytest.mark.parametrize("name", NAMES)
def test_a_number_that_nobody_knows(service: ServiceID, name: str) -> None:
    values: list[cm.Parameter | None] = [cm.Parameter(name=name, int_value=number) for number in NUMBERS]
    values += [None, cm.Parameter(name=name, finite_string="one"), cm.Parameter(name=name, bool_value=True)]
    for value in values:
        rig: Pair

        def meddle(sender: str, message: Any, now: float, value: cm.Parameter | None = value) -> bool:
            if not isinstance(message, cm.ServiceDetailRes) or sender != "secc":
                return True
            rig.to_evcc.send(with_value(message, name, value), now)  # noqa: B023 - of this turn
            return False

        rig = MAKERS[service](on_message=meddle)
        rig.run(until=lambda: rig.loops >= 2)  # noqa: B023 - as above
        assert rig.evcc.error is None, (value, rig.evcc.error)
        ended = rig.evcc.ended
        if ended is not None:
            assert ended.reason in (EndReason.PARAMETERS_NOT_ACCEPTED, EndReason.STOPPED_BY_STATION), (
                value,
                ended,
            )
