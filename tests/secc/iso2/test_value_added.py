"""Value-added services in ISO 15118-2: what is listed, described and chosen, and what cannot be offered."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio.ports.value_added import services_of
from iso15118.errors import ConfigError
from iso15118.messages import iso2
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session.value_added import ServiceParameters, ValueAddedService, WantedService, internet
from tests.secc.iso2.contracts import ContractDrive
from tests.secc.iso2.vehicle import Drive, selection

NET = ValueAddedService(id=3, name="Internet", category="Internet", scope="example.org")
DATA = ValueAddedService(
    id=61_000,
    name="BatteryData",
    free=False,
    parameter_sets=(
        ServiceParameters(id=31_000, values=(("Address", "fe80::1"), ("Port", 5000), ("Secure", True))),
        ServiceParameters(id=31_001, values=(("Port", -1),)),
    ),
)
BOTH = (NET, DATA)


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({}, [2, 3, 61_000]),
        ({"service_category": iso2.ServiceCategory.Internet}, [3]),
        ({"service_category": iso2.ServiceCategory.OtherCustom}, [61_000]),
        ({"service_category": iso2.ServiceCategory.EVCharging}, []),
        ({"service_scope": "example.org"}, [3]),
        ({"service_scope": "elsewhere.org"}, []),
        ({"service_scope": "example.org", "service_category": iso2.ServiceCategory.OtherCustom}, []),
    ],
)
def test_what_is_listed_by_scope_and_category(changes: dict[str, Any], listed: list[int]) -> None:
    drive = ContractDrive(installs=True, value_added=BOTH).to(State.SERVICE_DISCOVERY)
    found = drive.send(iso2.ServiceDiscoveryReq, **changes).service_list
    assert [one.service_id for one in (found.service if found else ())] == listed


def test_what_is_said_of_each() -> None:
    drive = Drive(value_added=BOTH).to(State.SERVICE_DISCOVERY)
    net, data = drive.send(iso2.ServiceDiscoveryReq).service_list.service
    assert (net.service_name, net.service_scope, net.free_service) == ("Internet", "example.org", True)
    assert (data.service_category, data.service_scope, data.free_service) == (
        iso2.ServiceCategory.OtherCustom,
        None,
        False,
    )
    assert drive.send(iso2.ServiceDetailReq, service_id=3).service_parameter_list is None
    one, other = drive.send(iso2.ServiceDetailReq, service_id=61_000).service_parameter_list.parameter_set
    assert (one.parameter_set_id, other.parameter_set_id) == (31_000, 31_001)
    assert [(p.name, p.string_value, p.int_value, p.bool_value) for p in one.parameter] == [
        ("Address", "fe80::1", None, None),
        ("Port", None, 5000, None),
        ("Secure", None, None, True),
    ]
    assert other.parameter[0].int_value == -1
    assert drive.send(iso2.ServiceDetailReq, service_id=4).response_code.value == "FAILED_ServiceIDInvalid"


@pytest.mark.parametrize("services", [(NET, internet()), (internet(), NET), (internet(),)])
def test_access_to_the_internet_is_offered_once(services: tuple[ValueAddedService, ...]) -> None:
    drive = Drive(value_added=services).to(State.SERVICE_DISCOVERY)
    (listed,) = drive.send(iso2.ServiceDiscoveryReq).service_list.service
    assert listed.service_id == 3
    assert listed.service_name == ("Internet" if NET in services else "InternetAccess")
    wanted = selection((1, None), (3, None if NET in services else 3))
    assert (
        drive.send(iso2.PaymentServiceSelectionReq, selected_service_list=wanted).response_code.value == "OK"
    )
    (news,) = [one.services for one in drive.book.actions if isinstance(one, act.ServicesSelected)]
    assert news == (((3, None),) if NET in services else ((65, 3),))


@pytest.mark.parametrize(
    ("services", "told"),
    [
        ((), None),
        (((3, None),), ((3, None),)),
        (((61_000, 31_001), (3, None)), ((61_000, 31_001), (3, None))),
        (((61_000, None),), "FAILED_ServiceSelectionInvalid"),
        (((61_000, 31_002),), "FAILED_ServiceSelectionInvalid"),
        (((3, 1),), "FAILED_ServiceSelectionInvalid"),
        (((4, None),), "FAILED_ServiceSelectionInvalid"),
        (((3, None), (3, None)), "FAILED_ServiceSelectionInvalid"),
        (((61_000, 31_001), (61_000, 31_000)), ((61_000, 31_001), (61_000, 31_000))),
    ],
)
def test_what_a_vehicle_chooses_is_told(services: Any, told: Any) -> None:
    drive = Drive(value_added=BOTH).to(State.PAYMENT_SERVICE_SELECTION)
    answer = drive.send(
        iso2.PaymentServiceSelectionReq, selected_service_list=selection((1, None), *services)
    )
    news = [one.services for one in drive.book.actions if isinstance(one, act.ServicesSelected)]
    if isinstance(told, str):
        assert (answer.response_code.value, news) == (told, [])
    else:
        assert (answer.response_code.value, news) == ("OK", [] if told is None else [told])


@pytest.mark.parametrize(
    "make",
    [
        lambda: ValueAddedService(id=2),
        lambda: ValueAddedService(id=65_536),
        lambda: ValueAddedService(id=3, name="n" * 33),
        lambda: ValueAddedService(id=3, scope="s" * 65),
        lambda: ValueAddedService(id=3, category="EVCharging"),  # type: ignore[arg-type]
        lambda: ValueAddedService(id=3, parameter_sets=(DATA.parameter_sets[0],) * 2),
        lambda: ServiceParameters(id=0, values=(("a", 1),)),
        lambda: ServiceParameters(id=1, values=()),
        lambda: ServiceParameters(id=1, values=(("", 1),)),
        lambda: ServiceParameters(id=1, values=(("a", 2**31),)),
        lambda: ServiceParameters(id=1, values=(("a", float("nan")),)),
        lambda: ServiceParameters(id=1, values=None),  # type: ignore[arg-type]
        lambda: ServiceParameters(id=1, values=("ab",)),  # type: ignore[arg-type]
        lambda: ValueAddedService(id=4, name=None),  # type: ignore[arg-type]
        lambda: ValueAddedService(id=4, scope=b"scope"),  # type: ignore[arg-type]
        lambda: ValueAddedService(id=4, free="no"),  # type: ignore[arg-type]
        lambda: ValueAddedService(id=4, parameter_sets=None),  # type: ignore[arg-type]
        lambda: ValueAddedService(id=4, parameter_sets=("a",)),  # type: ignore[arg-type]
        lambda: WantedService(id=65, values="ab"),  # type: ignore[arg-type]
        lambda: Drive(value_added=(NET, NET)),
        lambda: Drive(value_added=tuple(ValueAddedService(id=n) for n in range(100, 108))),
        lambda: Drive(value_added=("Internet",)),
        lambda: Drive(value_added=3),
    ],
)
def test_what_cannot_be_offered_is_refused_when_it_is_made(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


def test_seven_services_of_the_greatest_size_fit_the_message() -> None:
    sets = tuple(
        ServiceParameters(id=n, values=tuple((f"name-{m}", 2**31 - 1) for m in range(16)))
        for n in range(1, 256)
    )
    many = tuple(
        ValueAddedService(id=60_000 + n, name="n" * 32, scope="s" * 64, parameter_sets=sets) for n in range(7)
    )
    drive = ContractDrive(installs=True, value_added=many).to(State.SERVICE_DISCOVERY)
    assert len(drive.send(iso2.ServiceDiscoveryReq).service_list.service) == 8
    assert drive.send(iso2.ServiceDetailReq, service_id=60_006).response_code.value == "OK"


def test_a_port_that_cannot_be_read_offers_none(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        @property
        def services(self) -> Any:
            raise OSError("disk")

    class Good:
        services = BOTH

    class Wrong:
        services = (NET, "more")

    class Site:
        def __init__(self, port: Any) -> None:
            self.value_added = port

    site: Any = Site
    assert services_of(site(Good())) == BOTH
    assert services_of(site(None)) == services_of(site(Broken())) == services_of(site(Wrong())) == ()
