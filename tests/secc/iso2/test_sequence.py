"""The table of ISO 15118-2 over DC, pinned state by state against a list that was written from the published
tables, not from the code."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages import iso2
from iso15118.secc.facts import Facts
from iso15118.secc.iso2.ac_part import AC
from iso15118.secc.iso2.dc_part import DC
from iso15118.secc.iso2.machine import Iso2, table_of
from iso15118.secc.iso2.sequence import Part, State, compose, row
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.services import ServiceID
from tests.secc.iso2.vehicle import STATION, configured

S = State
STOP = (iso2.SessionStopReq, iso2.ChargingSession.Terminate)
PAUSE = (iso2.SessionStopReq, iso2.ChargingSession.Pause)
LEAVE: dict[Any, set[State]] = {STOP: {S.ENDED}, PAUSE: {S.ENDED}}
OFF = (iso2.PowerDeliveryReq, iso2.ChargeProgress.Stop)
ON = (iso2.PowerDeliveryReq, iso2.ChargeProgress.Start)
ANEW = (iso2.PowerDeliveryReq, iso2.ChargeProgress.Renegotiate)

COMMON: dict[State, dict[Any, set[State]]] = {
    S.SESSION_SETUP: {iso2.SessionSetupReq: {S.SERVICE_DISCOVERY}},
    S.SERVICE_DISCOVERY: LEAVE | {iso2.ServiceDiscoveryReq: {S.PAYMENT_SERVICE_SELECTION}},
    S.PAYMENT_SERVICE_SELECTION: LEAVE | {
        iso2.ServiceDetailReq: {S.PAYMENT_SERVICE_SELECTION},
        iso2.PaymentServiceSelectionReq: {S.AUTHORIZATION, S.PAYMENT_DETAILS, S.CONTRACT_CERTIFICATE},
    },
    S.CONTRACT_CERTIFICATE: LEAVE | {
        iso2.CertificateInstallationReq: {S.PAYMENT_DETAILS},
        iso2.CertificateUpdateReq: {S.PAYMENT_DETAILS},
        iso2.PaymentDetailsReq: {S.AUTHORIZATION},
    },
    S.PAYMENT_DETAILS: LEAVE | {iso2.PaymentDetailsReq: {S.AUTHORIZATION}},
    S.AUTHORIZATION: LEAVE | {iso2.AuthorizationReq: {S.AUTHORIZATION, S.CHARGE_PARAMETER_DISCOVERY}},
    S.ENDED: {},
}  # fmt: skip
EXPECTED_DC: dict[State, dict[Any, set[State]]] = COMMON | {
    S.CHARGE_PARAMETER_DISCOVERY: LEAVE | {
        iso2.ChargeParameterDiscoveryReq: {S.CHARGE_PARAMETER_DISCOVERY, S.CABLE_CHECK},
    },
    S.CABLE_CHECK: LEAVE | {
        iso2.CableCheckReq: {S.CABLE_CHECK, S.PRE_CHARGE}, OFF: {S.WELDING_DETECTION},
    },
    S.PRE_CHARGE: LEAVE | {iso2.PreChargeReq: {S.POWER_DELIVERY}, OFF: {S.WELDING_DETECTION}},
    S.POWER_DELIVERY: LEAVE | {
        iso2.PreChargeReq: {S.POWER_DELIVERY}, ON: {S.CURRENT_DEMAND}, OFF: {S.WELDING_DETECTION},
    },
    S.CURRENT_DEMAND: LEAVE | {
        iso2.CurrentDemandReq: {S.CURRENT_DEMAND, S.METERING_RECEIPT},
        OFF: {S.WELDING_DETECTION},
        ANEW: {S.RENEGOTIATION},
    },
    S.METERING_RECEIPT: LEAVE | {iso2.MeteringReceiptReq: {S.CURRENT_DEMAND}},
    S.RENEGOTIATION: LEAVE | {
        iso2.ChargeParameterDiscoveryReq: {S.RENEGOTIATION, S.RENEGOTIATED}, OFF: {S.WELDING_DETECTION},
    },
    S.RENEGOTIATED: LEAVE | {
        iso2.CableCheckReq: {S.CABLE_CHECK, S.PRE_CHARGE},
        ON: {S.CURRENT_DEMAND},
        OFF: {S.WELDING_DETECTION},
    },
    S.WELDING_DETECTION: LEAVE | {iso2.WeldingDetectionReq: {S.WELDING_DETECTION}},
}  # fmt: skip


EXPECTED_AC: dict[State, dict[Any, set[State]]] = COMMON | {
    S.CHARGE_PARAMETER_DISCOVERY: LEAVE | {
        iso2.ChargeParameterDiscoveryReq: {S.CHARGE_PARAMETER_DISCOVERY, S.POWER_DELIVERY},
    },
    S.POWER_DELIVERY: LEAVE | {ON: {S.CHARGING_STATUS}, OFF: {S.SESSION_STOP}},
    S.CHARGING_STATUS: LEAVE | {
        iso2.ChargingStatusReq: {S.CHARGING_STATUS, S.METERING_RECEIPT},
        OFF: {S.SESSION_STOP},
        ANEW: {S.RENEGOTIATION},
    },
    S.METERING_RECEIPT: LEAVE | {iso2.MeteringReceiptReq: {S.CHARGING_STATUS}},
    S.RENEGOTIATION: LEAVE | {
        iso2.ChargeParameterDiscoveryReq: {S.RENEGOTIATION, S.POWER_DELIVERY}, OFF: {S.SESSION_STOP},
    },
    S.SESSION_STOP: LEAVE,
}  # fmt: skip


def listed(part: Part) -> dict[State, dict[Any, set[State]]]:
    return {
        state: {key: set(one.next) for key, one in rows.items()} for state, rows in table_of(part).items()
    }


def test_the_tables_are_the_published_ones() -> None:
    assert listed(DC) == EXPECTED_DC
    assert listed(AC) == EXPECTED_AC


@pytest.mark.parametrize("part", [DC, AC], ids=lambda part: part.name)
def test_every_row_names_its_source_and_every_state_has_a_stage_and_leads_to_the_end(part: Part) -> None:
    table = table_of(part)
    assert all(one.source for rows in table.values() for one in rows.values())
    reach = {S.ENDED}
    for _ in table:
        reach |= {s for s, rows in table.items() if any(one.next & reach for one in rows.values())}
    assert reach == set(table)
    outlet = part is AC
    config = configured(services=(ServiceID.AC,)) if outlet else configured()
    facts = Facts(config=config, timing=config.timing, hardware=STATION, capabilities=STATION)
    facts.ac_hardware = AcStationLimits.of(current_a=16.0) if outlet else None
    edition = Iso2(facts)
    assert edition.context.part is part
    assert [edition.stage(state).name for state in table] == [state.value for state in table]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({S.CURRENT_DEMAND: {OFF: row("x", S.WELDING_DETECTION)}}, "twice"),
        ({S.CURRENT_DEMAND: {iso2.WeldingDetectionReq: row("x")}}, "nowhere"),
        ({S.CHARGING_STATUS: {iso2.ChargingStatusReq: row("x", S.CHARGING_STATUS)}}, "never reached"),
    ],
)
def test_a_table_that_contradicts_itself_is_an_error_at_import(rows: dict, words: str) -> None:  # type: ignore[type-arg]
    merged = {state: dict(DC.rows.get(state, {})) | dict(rows.get(state, {})) for state in {*DC.rows, *rows}}
    with pytest.raises(ValueError, match=words):
        compose(replace(DC, rows=merged))
