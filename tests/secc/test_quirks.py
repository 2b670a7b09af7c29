"""Vehicles that the station's settings know: what is different for them, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import TimeStampUnit
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.sequence import State
from iso15118.secc.quirks import VehicleQuirk
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.settings.strictness import DEVIATIONS
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.vehicle import BATTERY_V, configured, settings
from tests.secc.iso2.vehicle import Drive as Iso2Drive
from tests.secc.vehicle import ALL_SERVICES, Drive

VW, OTHER = bytes.fromhex("007DFA0A0B0C"), bytes.fromhex("006A770A0B0C")
OURS = VehicleQuirk(name="the works cars", evccid=("00:7D:FA",), like="vw-group")


def strict(*quirks: VehicleQuirk) -> SeccConfig:
    """What a laboratory has, but for these vehicles."""
    return configured(
        settings(dc_renegotiation_short="refuse", session_stop_anywhere=False, send_loop_limits=False),
        quirks=quirks,
    )


def introduced(config: SeccConfig, mac: bytes) -> Iso2Drive:
    """A vehicle of this address in ISO 15118-2, up to its services."""
    drive = Iso2Drive(config=config)
    drive.connect()
    drive.send(iso2.SessionSetupReq, evccid=mac)
    drive.session_id = drive.session.session_id
    return drive


def news(drive: Any) -> list[act.QuirkApplied]:
    return [action for action in drive.book.actions if isinstance(action, act.QuirkApplied)]


def rest_of_the_way(drive: Iso2Drive) -> Iso2Drive:
    drive.send(iso2.ServiceDiscoveryReq)
    drive.send(iso2.PaymentServiceSelectionReq)
    drive.authorized()
    drive.send(iso2.ChargeParameterDiscoveryReq)
    drive.checked()
    drive.pre_charged()
    drive.started()
    drive.loop()
    return drive


def test_who_is_meant_is_told_once_with_what_holds_now() -> None:
    drive = introduced(strict(OURS), VW)
    assert news(drive) == [
        act.QuirkApplied(
            "the works cars",
            "007DFA0A0B0C",
            ("dc_renegotiation_short = accept", "session_stop_anywhere = True"),
        )
    ]
    assert drive.session.config.iso2.dc_renegotiation_short == "refuse", "what was configured is unchanged"
    assert news(introduced(strict(OURS), OTHER)) == []
    assert news(introduced(strict(OURS), b"")) == []


@pytest.mark.parametrize(("mac", "code"), [(VW, "OK"), (OTHER, "FAILED_SequenceError")])
def test_a_vehicle_that_stays_in_state_c_during_a_renegotiation(mac: bytes, code: str) -> None:
    drive = rest_of_the_way(introduced(strict(OURS), mac))
    drive.measure(BATTERY_V, 0.0)
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    opened = any(isinstance(action, act.OpenContactors) for action in drive.book.actions)
    assert opened is (code != "OK")
    if opened:
        drive.book.tell(ev.ContactorsChanged(False))
        drive.measure(0.0)
    drive.send(iso2.ChargeParameterDiscoveryReq)
    assert drive.send(iso2.PowerDeliveryReq).response_code.value == code


@pytest.mark.parametrize(("mac", "code"), [(VW, "OK"), (OTHER, "FAILED_SequenceError")])
def test_a_vehicle_that_leaves_from_the_middle_of_the_charge(mac: bytes, code: str) -> None:
    drive = rest_of_the_way(introduced(strict(OURS), mac))
    assert drive.send(iso2.SessionStopReq).response_code.value == code
    assert not drive.session.energized


@pytest.mark.parametrize(("mac", "told"), [(VW, True), (OTHER, False)])
def test_a_vehicle_that_wants_all_three_maxima(mac: bytes, told: bool) -> None:
    drive = rest_of_the_way(introduced(strict(VehicleQuirk(evccid=("007D",), like="tesla")), mac))
    answer = drive.loop()
    limits = (
        answer.evse_maximum_power_limit,
        answer.evse_maximum_current_limit,
        answer.evse_maximum_voltage_limit,
    )
    assert all(one is not None for one in limits) is told
    assert any(one is not None for one in limits) is told


@pytest.mark.parametrize(("mac", "isolation"), [(VW, None), (OTHER, iso2.IsolationLevel.Invalid)])
def test_a_vehicle_that_leaves_when_it_reads_invalid(mac: bytes, isolation: Any) -> None:
    quirk = VehicleQuirk(evccid=("007D",), like="leaves-on-invalid-isolation")
    config = configured(settings(cpd_isolation="invalid"), quirks=(quirk,))
    drive = introduced(config, mac)
    drive.send(iso2.ServiceDiscoveryReq)
    drive.send(iso2.PaymentServiceSelectionReq)
    drive.authorized()
    answer = drive.send(iso2.ChargeParameterDiscoveryReq)
    assert answer.evse_charge_parameter.dc_evse_status.evse_isolation_status is isolation


@pytest.mark.parametrize(("mac", "ends"), [(VW, False), (OTHER, True)])
def test_din_70121_knows_them_too(mac: bytes, ends: bool) -> None:
    quirk = VehicleQuirk(evccid=("007D",), eim_rejected="wait")
    drive = DinDrive(
        config=SeccConfig(editions=("din",), din=DinSeccSettings(eim_rejected="fail"), quirks=(quirk,))
    )
    drive.connect()
    drive.send(din.SessionSetupReq, evccid=mac)
    assert len(news(drive)) == (not ends)
    drive.session_id = drive.session.session_id
    drive.send(din.ServiceDiscoveryReq)
    drive.send(din.ServicePaymentSelectionReq)
    drive.send(din.ContractAuthenticationReq)
    drive.tell(ev.AuthorizationDecided(False))
    drive.send(din.ContractAuthenticationReq)
    assert (drive.session.ended is not None) is ends
    assert DinState.CONTRACT_AUTHENTICATION.value in drive.session.states


def test_iso_15118_20_knows_them_by_their_text() -> None:
    quirk = VehicleQuirk(evccid=("WVW-V",), time_stamp_unit=TimeStampUnit.MICROSECONDS)
    drive = Drive(config=SeccConfig(services=ALL_SERVICES, quirks=(quirk,)))
    drive.connect()
    answer = drive.send(cm.SessionSetupReq)
    assert answer.header.time_stamp > 10**15
    assert news(drive) == [
        act.QuirkApplied("WVW-V", "WVWV123456789ABCDEF7", ("time_stamp_unit = microseconds",))
    ]
    other = Drive(config=SeccConfig(services=ALL_SERVICES, quirks=(quirk,)))
    other.connect()
    assert other.send(cm.SessionSetupReq, evccid="WBA").header.time_stamp < 10**11
    assert State.AUTHORIZATION_SETUP.value == other.session.state


def test_what_a_name_says_changes_nothing_that_trust_or_safety_depend_on() -> None:
    """Anybody may call himself so."""
    never = {
        "verify_receipt",
        "resume_checks_evccid",
        "evccid_mismatch",
        "forbid_plaintext",
        "allow_plaintext",
    }
    never |= {"precharge_tolerance_v", "precharge_current_a", "authorization_attempts", "stop_delay_s"}
    assert not never & set(VehicleQuirk.__struct_fields__)


def test_each_tolerance_of_the_field_can_be_had_for_one_maker() -> None:
    of_files = {one.key.split(".")[-1] for one in DEVIATIONS["secc"]} - {"authorization_ongoing_timeout"}
    assert of_files <= set(VehicleQuirk.__struct_fields__)


def test_a_quirk_does_not_outlive_its_session_or_reach_the_way_out() -> None:
    drive = rest_of_the_way(introduced(strict(OURS), VW))
    drive.book.tell(ev.EmergencyShutdown("button"))
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.session.config == strict(OURS)
    drive.send(iso2.CurrentDemandReq)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.EMERGENCY
    assert Iso2State.CURRENT_DEMAND.value in drive.session.states
