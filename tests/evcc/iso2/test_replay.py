"""Answers of stations in public captures lead our vehicle to the end of its session, and never to a fault of this software."""

from __future__ import annotations

import pytest

from iso15118.session.actions import EndReason
from tests.evcc.iso2.replay import captures, play
from tests.exi.reference import needs_vectors

pytestmark = needs_vectors

WHOLE = (
    "audi-dc-iso2.pcap",
    "ISO-2_DC_DS5366.pcapng",
    "ISO-2_DC_BatteryDataExchange_DS5366_RiseV2G.pcapng",
    "ISO-2_DC_Pause_DS5366.pcapng",
    "ISO-2_DC_PnC_TLS_Contract_DS5366_RiseV2G.pcapng",
    "ISO-2_DC_PnC_TLS_CertInstallation_DS5366_RiseV2G.pcapng",
    "ISO-2_DC_PnC_TLS_CertUpdate_DS5366_RiseV2G.pcapng",
    "ISO-2_DC_Renegotiation_DS5366_RiseV2G.pcapng",
    "ISO-2_DC_SalesTariffSchedule_DS5366_RiseV2G.pcapng",
    "ISO-2_DC_multi_EVSE_SLAC_DS5366_Josev.pcapng",
)
"""Captures of direct current that hold the answers of a whole session, but for those that another one holds as well."""


def test_no_station_leads_the_vehicle_astray() -> None:
    outcomes = [play(capture) for capture in captures()]
    assert len(outcomes) > 60
    for outcome in outcomes:
        assert outcome.reason not in (None, EndReason.INTERNAL_ERROR, EndReason.SEQUENCE_ERROR), outcome
        assert not outcome.closed, outcome.source
        if outcome.reason is EndReason.REFUSED:
            assert "FAILED" in outcome.detail, outcome


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_session_goes_to_its_end(name: str) -> None:
    (capture,) = [one for one in captures() if one.source.endswith(name)]
    outcome = play(capture)
    assert outcome.reason is EndReason.STOPPED_BY_EV, outcome.detail
    assert outcome.used >= 10
    assert "CurrentDemand" in outcome.states
    assert len(outcome.filled) <= 2
