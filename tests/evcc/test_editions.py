"""What a vehicle offers in supportedAppProtocol: every edition with its version, and an inverter's services
only where there is such an inverter.

The request is read as the session sends it.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.der import InverterAbilities
from iso15118.session.limits import VehicleLimits
from iso15118.session.services import Namespace, ServiceID
from iso15118.session.wireless import ReceiverLimits
from tests.evcc.station import VEHICLE, battery

EVERYTHING = (
    ServiceID.DC,
    ServiceID.AC,
    ServiceID.AC_DER_IEC,
    ServiceID.AC_DER_SAE,
    ServiceID.DC_ACDP,
    ServiceID.WPT,
)
BOTH_WAYS = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0)
INVERTER = InverterAbilities(apparent_va=11_000.0, reactive_var=4_800.0)
DER = {Namespace.AC_DER_IEC.value, Namespace.AC_DER_SAE.value}


def offered(*services: ServiceID, **changes: Any) -> dict[str, tuple[int, int]]:
    """Namespaces with their versions, in the order of the request."""
    config = EvccConfig(
        services=services or EVERYTHING, editions=("iso20", "iso2", "din"), allow_plaintext=True
    )
    hardware: dict[str, Any] = {
        "charger": BOTH_WAYS,
        "inverter": INVERTER,
        "mobility": ev.MobilityChanged(stands=True, immobilized=False),
        "receiver": ReceiverLimits(maximum_power_w=11_000.0),
    }
    session = EvccSession(config, VEHICLE, battery(), **(hardware | changes))
    (sent,) = [one for one in session.handle(ev.Connected(secure=False), 0.0) if isinstance(one, act.Send)]
    return {
        one.protocol_namespace: (one.version_number_major, one.version_number_minor)
        for one in sent.message.app_protocol
    }


def test_every_edition_is_offered_with_its_version() -> None:
    """1.0 of each message set of ISO 15118-20, 2.0 of the older editions; no draft is offered."""
    found = offered()
    older = {Namespace.ISO2.value, Namespace.DIN.value}
    assert set(found) == {one.value for one in Namespace} - {Namespace.ISO2_2010.value}
    assert {found.pop(one) for one in older} == {(2, 0)}
    assert set(found.values()) == {(1, 0)}


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({}, True),
        ({"charger": None, "inverter": None}, False),
        ({"inverter": None}, False),
        ({"charger": AcVehicleLimits.of(current_a=16.0)}, False),
    ],
    ids=["an inverter", "no charger", "no inverter", "a charger that only charges"],
)
def test_the_services_of_an_inverter_are_offered_where_it_gives_energy_back(
    changes: dict[str, Any], there: bool
) -> None:
    assert DER.intersection(offered(**changes)) == (DER if there else set())


@pytest.mark.parametrize("service", [ServiceID.AC_DER_IEC, ServiceID.AC_DER_SAE])
def test_only_that_service_of_an_inverter_is_offered_that_the_vehicle_wants(service: ServiceID) -> None:
    wanted = f"urn:iso:std:iso:15118:-20:{service.name.replace('_', '-')}"
    assert [one for one in offered(ServiceID.DC, service) if one in DER] == [wanted]


@pytest.mark.parametrize("edition", ["iso20", "iso2", "din"])
def test_a_vehicle_whose_limits_have_no_voltage_offers_no_dc_and_says_why(edition: str) -> None:
    limits = VehicleLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0)
    config = EvccConfig(services=(ServiceID.DC,), editions=(edition,), allow_plaintext=True)
    session = EvccSession(config, limits, battery())
    session.handle(ev.Connected(secure=False), 0.0)
    assert session.ended is not None
    assert session.ended.cause == "nothing-to-offer"
    assert session.ended.detail == "nothing may be offered while battery.limits.maximum_voltage_v is 0 V"


@pytest.mark.parametrize("edition", ["iso20", "iso2", "din"])
def test_a_vehicle_without_a_dc_side_offers_no_dc_and_misses_no_voltage(edition: str) -> None:
    config = EvccConfig(services=(ServiceID.DC,), editions=(edition,), allow_plaintext=True)
    session = EvccSession(config, None, battery(), charger=BOTH_WAYS)
    session.handle(ev.Connected(secure=False), 0.0)
    assert session.ended is not None
    assert session.ended.cause == "nothing-to-offer"
    assert "battery.limits" not in session.ended.detail
