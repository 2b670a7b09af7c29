"""What the station's funnel knows about each state of each edition, pinned without their tables: where
the pilot has to stay in C, where contactors may not open, which timer runs, and what a wish to stop does.

And the protocols of supportedAppProtocol with their versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from iso15118.secc import editions
from iso15118.secc.din import sequence as din
from iso15118.secc.iso2.ac_part import AC
from iso15118.secc.iso2.dc_part import DC
from iso15118.secc.iso2.machine import _STAGES
from iso15118.secc.iso20 import ac_part, acdp_part, dc_part, der_part, machine, wpt_part
from iso15118.session.edition import Stage

LIVE, HOLDS, LASTS = "live", "holds", "lasts"
"""The output may carry voltage; contactors stay as they are; energy flows as long as both want."""
TOLD = "told"
"""A wish to stop is not told by refusing."""
WELDING = (TOLD, "welding detection: welding_detection_performance")
ENERGY_OF_DC: dict[str, tuple[str, ...]] = {
    "DC_ChargeParameterDiscovery": (),
    "DC_CableCheck": (LIVE, "cable check"),
    "DC_PreCharge": (LIVE, "pre-charge"),
    "DC_ChargeLoop": (LIVE, HOLDS, LASTS),
    "DC_WeldingDetection": WELDING,
}
ENERGY_OF_AC: dict[str, tuple[str, ...]] = {
    "AC_ChargeParameterDiscovery": (),
    "AC_ChargeLoop": (LIVE, HOLDS, LASTS),
}

PINNED: dict[str, tuple[Mapping[Any, Stage], dict[str, tuple[str, ...]]]] = {
    "DIN 70121": (
        din.STAGES,
        {
            "SessionSetup": ("first",),
            "ServiceDiscovery": (),
            "ServicePaymentSelection": (),
            "ContractAuthentication": ("authorizing",),
            "ChargeParameterDiscovery": (),
            "CableCheck": (LIVE, "cable check"),
            "PreCharge": (LIVE, "pre-charge"),
            "PowerDelivery": (LIVE, "pre-charge: pre_charge_performance"),
            "CurrentDemand": (LIVE, HOLDS, LASTS),
            "WeldingDetection": WELDING,
            "Ended": (TOLD,),
        },
    ),
    "ISO 15118-2": (
        _STAGES,
        {
            "SessionSetup": ("first",),
            "ServiceDiscovery": (),
            "PaymentServiceSelection": (),
            "CertificateInstallation": (),
            "PaymentDetails": (),
            "Authorization": ("authorizing",),
            "ChargeParameterDiscovery": (),
            "Renegotiation": (LIVE, HOLDS),
            "MeteringReceipt": (LIVE, HOLDS),
            "SessionStop": (TOLD,),
            "Ended": (TOLD,),
        },
    ),
    "DC in it": (
        DC.stages,
        {
            "CableCheck": (LIVE, "cable check"),
            "PreCharge": (LIVE,),
            "PowerDelivery": (LIVE, "pre-charge: pre_charge_performance"),
            "CurrentDemand": (LIVE, HOLDS, LASTS),
            "Renegotiated": (LIVE, HOLDS),
            "WeldingDetection": WELDING,
        },
    ),
    "AC in it": (
        AC.stages,
        {"PowerDelivery": (LIVE, HOLDS), "ChargingStatus": (LIVE, HOLDS, LASTS)},
    ),
    "ISO 15118-20": (
        machine._STAGES,
        {
            "SessionSetup": ("first",),
            "AuthorizationSetup": (),
            "Authorization": ("authorizing",),
            "ServiceDiscovery": (),
            "ServiceDetail": (),
            "ServiceSelection": (),
            "ScheduleExchange": (),
            "PowerDelivery": (LIVE, HOLDS, "power delivery: power_delivery_performance"),
            "ScheduleRenegotiation": (LIVE, HOLDS),
            "SessionStop": (TOLD,),
            "Ended": (TOLD,),
        },
    ),
    "DC in ISO 15118-20": (dict(dc_part.DC.stages), ENERGY_OF_DC),
    "AC in ISO 15118-20": (dict(ac_part.AC.stages), ENERGY_OF_AC),
    "AC_DER_IEC": (dict(der_part.AC_DER_IEC.stages), ENERGY_OF_AC),
    "AC_DER_SAE": (dict(der_part.AC_DER_SAE.stages), ENERGY_OF_AC),
    "ACDP": (
        dict(acdp_part.ACDP.stages),
        ENERGY_OF_DC
        | {
            "ACDP_Connect": ("connection device",),
            "ACDP_Disconnect": (TOLD, "connection device: ongoing_performance"),
        },
    ),
    "WPT": (
        dict(wpt_part.WPT.stages),
        {
            "WPT_FinePositioningSetup": (),
            "WPT_FinePositioning": (),
            "WPT_Pairing": (),
            "WPT_ChargeParameterDiscovery": (),
            "WPT_AlignmentCheck": (LIVE,),
            "WPT_ChargeLoop": (LIVE, LASTS),
        },
    ),
}


def _said(stage: Stage) -> tuple[str, ...]:
    flags = [name for name in ("first", "authorizing", LIVE, HOLDS, LASTS) if getattr(stage, name)]
    flags += [] if stage.refuses else [TOLD]
    if stage.timer is not None:
        flags.append(f"{stage.timer.value}: {stage.limit}" if stage.limit else stage.timer.value)
    return tuple(flags)


@pytest.mark.parametrize("edition", PINNED)
def test_each_state_is_looked_after_as_it_is_pinned(edition: str) -> None:
    stages, pinned = PINNED[edition]
    assert {stage.name: _said(stage) for stage in stages.values()} == pinned
    assert [stage.name for stage in stages.values()] == [state.value for state in stages]


def test_power_is_switched_on_and_off_by_what_a_vehicle_is_ready_for() -> None:
    assert [key[1] for key in (din.ON, din.OFF)] == [True, False]


def test_the_protocols_that_a_station_can_speak_and_their_versions() -> None:
    assert [(one.edition, one.namespace, one.major, one.minor) for one in editions.SERVED] == [
        ("iso20", "urn:iso:std:iso:15118:-20:DC", 1, 0),
        ("iso20", "urn:iso:std:iso:15118:-20:AC", 1, 0),
        ("iso20", "urn:iso:std:iso:15118:-20:AC-DER-IEC", 1, 0),
        ("iso20", "urn:iso:std:iso:15118:-20:AC-DER-SAE", 1, 0),
        ("iso20", "urn:iso:std:iso:15118:-20:ACDP", 1, 0),
        ("iso20", "urn:iso:std:iso:15118:-20:WPT", 1, 0),
        ("din", "urn:din:70121:2012:MsgDef", 2, 0),
        ("din", "urn:iso:15118:2:2010:MsgDef", 1, 0),
        ("iso2", "urn:iso:15118:2:2013:MsgDef", 2, 0),
    ]
