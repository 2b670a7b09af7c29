"""Answers of stations in public captures lead our vehicle to the end of its session, and never to
a fault of this software."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118 import exi
from iso15118.messages import iso2
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason
from tests.evcc.iso2.replay import captures, play
from tests.evcc.iso2.station import STATES, Host
from tests.exi.reference import FOLDER, needs_vectors, octets, oracle

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
    "ISO-2_AC_DS5366.pcapng",
    "ISO-2_AC_PnC_TLS_Contract_MeteringReceipt_DS5366_RiseV2G.pcapng",
    "porsche-taycan-4s-driverside-ac-iso2.pcap",
    "porsche-taycan-4s-otherside-ac-iso2.pcap",
)
"""Captures that hold the answers of a whole session, but for those that another one holds as well."""


def test_no_station_leads_the_vehicle_astray() -> None:
    outcomes = [play(capture) for capture in captures()]
    assert len(outcomes) > 60
    for outcome in outcomes:
        assert outcome.reason not in (None, EndReason.INTERNAL_ERROR, EndReason.SEQUENCE_ERROR), outcome
        assert not outcome.closed, outcome.source
        if outcome.reason is EndReason.REFUSED:
            assert "FAILED" in outcome.detail, outcome


def test_a_tariff_whose_signature_is_empty_is_dropped_and_the_vehicle_charges() -> None:
    """The bytes of RISE-V2G, which codes an empty SignatureValue as the end of its element."""
    message: Any
    sent = bytes.fromhex((FOLDER / "cases" / "rise_cpdres.hex").read_text())
    message, notes = exi.decode_with_notes("iso2", sent)
    assert any(note.startswith("empty-by-end") for note in notes)
    alternating = isinstance(message.body.body_element.evse_charge_parameter, iso2.ACEVSEChargeParameter)
    charger = AcVehicleLimits.of(current_a=16.0) if alternating else None
    host = Host(charger=charger).to("ChargeParameterDiscovery")
    host.tell(ev.MessageReceived(host.message(message.body.body_element, message.header.signature)))
    assert host.noted("tariff")
    host.to("ChargingStatus" if alternating else "CurrentDemand")
    host.full()
    assert host.finish().reason is EndReason.STOPPED_BY_EV


@pytest.mark.parametrize("state", [*STATES, "ChargingStatus"])
def test_whatever_the_schema_allows_in_an_answer_is_no_fault_of_this_software(state: str) -> None:
    """Messages with every field at its least, at its most and at random, with a code that leads on."""
    charger = AcVehicleLimits.of(current_a=16.0) if state == "ChargingStatus" else None
    tried = 0
    for row in oracle("iso2"):
        if row["message"] != f"{state}Res" or row["fragment"] or row["exotic"]:
            continue
        message: Any = exi.decode("iso2", octets(row))
        body = msgspec.structs.replace(message.body.body_element, response_code=iso2.ResponseCode.OK)
        host = Host(charger=charger).to(state)
        host.tell(ev.MessageReceived(host.message(body)))
        assert host.ended is None or host.ended.reason is not EndReason.INTERNAL_ERROR, host.ended
        tried += 1
    assert tried >= 3


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_session_goes_to_its_end(name: str) -> None:
    (capture,) = [one for one in captures() if one.source.endswith(name)]
    outcome = play(capture)
    assert outcome.reason is EndReason.STOPPED_BY_EV, outcome.detail
    assert outcome.used >= (8 if capture.alternating else 10)
    assert ("ChargingStatus" if capture.alternating else "CurrentDemand") in outcome.states
    assert len(outcome.filled) <= 2
