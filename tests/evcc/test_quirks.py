"""Stations that the vehicle's settings know: what is different for them, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.evcc.iso2.settings import DcRenegotiation, Iso2EvccSettings
from iso15118.evcc.quirks import StationQuirk
from iso15118.messages import din, iso2
from iso15118.messages.physical import quantity
from iso15118.messages.values import TimeStampUnit
from iso15118.session import actions as act
from tests.evcc.din.station import Host as DinHost
from tests.evcc.iso2.station import NOTIFY, configured, status
from tests.evcc.iso2.station import Host as Iso2Host
from tests.evcc.station import Host

QUIRK = StationQuirk(name="ours", evse_id=("DE*ABC",), dc_renegotiation=DcRenegotiation.SHORT)


def host(*quirks: StationQuirk) -> Iso2Host:
    made = configured()
    return Iso2Host(config=EvccConfig(editions=made.editions, iso2=Iso2EvccSettings(), quirks=quirks))


@pytest.mark.parametrize(
    ("evse_id", "following"), [("DE*ABC*E1", iso2.PowerDeliveryReq), ("FR*XYZ*E1", iso2.CableCheckReq)]
)
def test_a_station_that_goes_straight_on_after_a_renegotiation(evse_id: str, following: type) -> None:
    vehicle = host(QUIRK).to("SessionSetup")
    vehicle.answer(evseid=evse_id)
    vehicle.to("CurrentDemand", 2)
    vehicle.answer(dc_evse_status=status(notification=NOTIFY.ReNegotiation))
    for _ in range(60):
        if isinstance(vehicle.request, following) and len(vehicle.of(iso2.ChargeParameterDiscoveryReq)) == 2:
            break
        vehicle.step()
    assert isinstance(vehicle.request, following)
    assert len(vehicle.of(iso2.CableCheckReq)) == (1 if following is iso2.PowerDeliveryReq else 2)


def test_who_is_meant_is_told_with_what_holds_now() -> None:
    vehicle = host(QUIRK).to("SessionSetup")
    vehicle.answer()
    assert [one for one in vehicle.news if isinstance(one, act.QuirkApplied)] == [
        act.QuirkApplied("ours", "DE*ABC*E1", ("dc_renegotiation = short",))
    ]
    assert vehicle.session.config.iso2.dc_renegotiation is DcRenegotiation.FULL


@pytest.mark.parametrize(("evse_id", "asks"), [(b"DE*ABC*E1", False), (b"DE*XYZ*E1", True), (b"\x00", False)])
def test_a_station_that_does_not_answer_welding_detection_is_not_asked(evse_id: bytes, asks: bool) -> None:
    quirk = StationQuirk(evse_id=("DE*ABC", "00"), like="abb")
    vehicle = DinHost(EvccConfig(editions=("din",), quirks=(quirk,))).to("SessionSetup")
    vehicle.answer(evseid=evse_id)
    vehicle.to("CurrentDemand")
    vehicle.battery(energy_to_target_wh=0.0, complete=True)
    vehicle.finish()
    asked = [one for one in vehicle.sent if isinstance(_body(one), din.WeldingDetectionReq)]
    assert bool(asked) is asks


def _body(message: Any) -> Any:
    return message.body.body_element if isinstance(message, din.V2GMessage) else message


def test_the_distance_that_one_maker_wants_below_the_greatest_voltage() -> None:
    asked = {}
    for evse_id in ("DE*ABC*E1", "DE*XYZ*E1"):
        quirk = StationQuirk(evse_id=("DE*ABC",), like="tritium")
        vehicle = host(quirk).to("SessionSetup")
        vehicle.answer(evseid=evse_id)
        vehicle.to("CurrentDemand")
        vehicle.battery(target_voltage_v=470.0)
        vehicle.answer()
        vehicle.wait(0.2)
        asked[evse_id] = quantity(vehicle.request.ev_target_voltage)
    assert asked["DE*ABC*E1"] <= asked["DE*XYZ*E1"] - 9.0


@pytest.mark.parametrize(
    ("like", "before", "after"),
    [
        ("abb", {"welding_detection": True}, {"welding_detection": False}),
        ("tritium", {"voltage_headroom_v": 5.0}, {"voltage_headroom_v": 20.0}),
        ("supercharger", {"use_pmax": True}, {"use_pmax": False}),
    ],
)
def test_what_a_maker_is_known_for_holds_at_its_stations_alone(
    like: Any, before: dict[str, Any], after: dict[str, Any]
) -> None:
    quirks = (StationQuirk(evse_id=("DE*ABC",), like=like),)
    for evse_id, holds in (("DE*XYZ*E1", before), ("DE*ABC*E1", after)):
        config = EvccConfig(din=DinEvccSettings(**before), quirks=quirks)
        talk = Host(config=config).session._talk
        talk.know_station(evse_id)
        assert {name: getattr(talk.config.din, name) for name in holds} == holds


def test_a_station_of_iso_15118_20_is_known_as_well() -> None:
    quirk = StationQuirk(evse_id=("deabc",), time_stamp_unit=TimeStampUnit.MICROSECONDS)
    vehicle = Host(config=EvccConfig(quirks=(quirk,))).to("SessionSetup")
    assert vehicle.request.header.time_stamp < 10**11
    vehicle.answer()
    assert vehicle.request.header.time_stamp > 10**15
