"""Value-added services of ISO 15118-2 in the vehicle: what it asks about and selects, and stations whose
answers are odd or hostile."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import volts
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.value_added import WantedService
from tests.evcc.iso2.station import CODE, Host, charge_service

DATA = 61_000
NET = WantedService(id=65)


def listed(*numbers: int) -> iso2.ServiceList:
    return iso2.ServiceList(
        service=tuple(
            iso2.Service(
                service_id=number, service_category=iso2.ServiceCategory.OtherCustom, free_service=True
            )
            for number in numbers
        )
    )


def sets(*variants: tuple[int, dict[str, Any]]) -> iso2.ServiceParameterList:
    """Ids with the name of the one parameter "Value", and the kind of value that it has."""
    return iso2.ServiceParameterList(
        parameter_set=tuple(
            iso2.ParameterSet(parameter_set_id=number, parameter=(iso2.Parameter(name="Value", **value),))
            for number, value in variants
        )
    )


def asked(*wishes: WantedService, numbers: tuple[int, ...] = (3, DATA), **changes: Any) -> Host:
    """A vehicle with these wishes, right after a station has listed these services."""
    host = Host(wanted=wishes).to("ServiceDiscovery")
    host.answer(service_list=listed(*numbers), **changes)
    return host


def selected(host: Host) -> list[tuple[int, int | None]]:
    chosen = host.request.selected_service_list.selected_service
    return [(one.service_id, one.parameter_set_id) for one in chosen]


def told(host: Host) -> list[Any]:
    return [one.services for one in host.news if isinstance(one, act.ServicesSelected)]


def remarks(host: Host) -> list[str]:
    found = [one for one in host.news if isinstance(one, act.PeerDeviates) and one.name == "value-added"]
    return [one.detail for one in found]


@pytest.mark.parametrize(
    ("wishes", "numbers"),
    [
        ((), (3, DATA)),
        ((NET,), (65, 66, DATA)),
        ((WantedService(id=66),), (66, 3)),
        ((WantedService(id=99),), (3, DATA)),
    ],
)
def test_what_is_not_wanted_or_not_known_here_is_passed_over(
    wishes: tuple[WantedService, ...], numbers: tuple[int, ...]
) -> None:
    host = asked(*wishes, numbers=numbers)
    assert selected(host) == [(1, None)]
    host.full()
    host.finish()
    assert told(host) == remarks(host) == host.of(iso2.ServiceDetailReq) == []


def test_a_service_without_parameter_sets_is_selected_alone_and_told_once_it_is_taken() -> None:
    host = asked(NET)
    assert host.request == iso2.ServiceDetailReq(service_id=3)
    host.answer(service_id=3, service_parameter_list=None)
    assert selected(host) == [(1, None), (3, None)]
    assert told(host) == []
    host.answer()
    assert told(host) == [((65, None),)]
    host.full()
    host.finish()
    assert told(host) == [((65, None),), ()]


def test_a_selection_that_the_station_refuses_is_no_news() -> None:
    host = asked(NET)
    host.answer(service_id=3, service_parameter_list=None)
    host.answer(response_code=CODE.FAILED_ServiceSelectionInvalid)
    host.book.ends(EndReason.REFUSED)
    assert told(host) == []


@pytest.mark.parametrize(
    ("wanted", "said", "fits"),
    [
        (0.5, {"string_value": "0.5"}, True),
        (0.5, {"string_value": "5e-1"}, True),
        (0.5, {"physical_value": volts(0.5)}, True),
        (1, {"string_value": "1.0"}, True),
        (0.5, {"string_value": "0.25"}, False),
        (0.5, {"string_value": "half"}, False),
        (0.5, {"string_value": "0.5".ljust(64, "0")}, True),
        (0.5, {"string_value": "0.5".ljust(65, "0")}, False),
        (0.5, {"string_value": "0" * 10_000_000}, False),
        (0.5, {"string_value": "nan"}, False),
        ("0.5", {"string_value": "0.5"}, True),
        ("0.50", {"string_value": "0.5"}, False),
        ("json", {"string_value": "json"}, True),
        ("1", {"int_value": 1}, False),
        (70_000, {"int_value": 70_000}, True),
        (7, {"short_value": 7}, True),
        (7, {"byte_value": 7}, True),
        (7, {"byte_value": 8}, False),
        (False, {"bool_value": False}, True),
        (True, {"bool_value": False}, False),
        (7, {}, False),
    ],
)
def test_a_value_is_compared_whatever_kind_it_is_told_as(
    wanted: Any, said: dict[str, Any], fits: bool
) -> None:
    host = asked(WantedService(id=DATA, values=(("Value", wanted),)))
    host.answer(service_id=DATA, service_parameter_list=sets((4, said)))
    assert selected(host) == ([(1, None), (DATA, 4)] if fits else [(1, None)])
    assert len(remarks(host)) == (0 if fits else 1)


def test_a_service_is_asked_about_once_and_each_set_taken_once() -> None:
    wishes = (WantedService(id=DATA), WantedService(id=DATA), WantedService(id=DATA), NET)
    host = asked(*wishes)
    host.answer(service_id=DATA, service_parameter_list=sets((9, {"int_value": 1}), (-4, {"int_value": 2})))
    host.answer(service_id=3, service_parameter_list=None)
    assert selected(host) == [(1, None), (DATA, 9), (DATA, -4), (3, None)]
    assert len(remarks(host)) == 1


# -- odd and hostile answers


@pytest.mark.parametrize(
    ("answer", "remark"),
    [
        ({"service_id": 2}, "told about 2"),
        ({"service_id": 3, "service_parameter_list": None}, "told about 3"),
        ({"service_id": DATA, "service_parameter_list": None}, "no parameter set as wanted"),
        ({"service_id": DATA, "service_parameter_list": sets()}, "no parameter set as wanted"),
    ],
    ids=["another service", "another that is wanted", "no sets", "an empty list"],
)
def test_an_answer_that_is_of_no_use_costs_the_service_and_not_the_charge(
    answer: dict[str, Any], remark: str
) -> None:
    host = asked(WantedService(id=DATA, values=(("Value", 1),)), NET)
    host.answer(**answer)
    host.answer(service_id=3, service_parameter_list=None)
    assert selected(host) == [(1, None), (3, None)]
    assert remark in remarks(host)[0]
    host.full()
    assert host.finish().reason is EndReason.STOPPED_BY_EV


def test_lists_without_end_are_asked_about_no_more_than_the_vehicle_wants() -> None:
    wishes = tuple(WantedService(id=DATA + number) for number in range(2))
    host = asked(*wishes, numbers=tuple(range(2, 65_536)))
    endless = sets(*((number % 32_768, {"int_value": number}) for number in range(50_000)))
    for wish in wishes:
        host.answer(service_id=wish.id, service_parameter_list=endless)
    assert selected(host) == [(1, None), (DATA, 0), (DATA + 1, 0)]


def test_no_more_is_selected_than_fits_the_message() -> None:
    host = asked(*(WantedService(id=DATA),) * 16)
    host.answer(
        service_id=DATA,
        service_parameter_list=sets(*((number, {"int_value": number}) for number in range(1, 30))),
    )
    assert selected(host) == [(1, None), *((DATA, number) for number in range(1, 16))]
    host.answer()
    assert host.session.state == "Authorization"


def test_a_value_added_service_with_the_id_of_the_charge_service_is_none() -> None:
    host = asked(NET, charge_service=charge_service(iso2.EnergyTransferMode.DC_extended, number=3))
    assert selected(host) == [(3, None)]


def test_a_station_that_refuses_to_tell_ends_the_session() -> None:
    host = asked(NET)
    host.answer(service_id=3, response_code=CODE.FAILED_ServiceIDInvalid)
    host.book.ends(EndReason.REFUSED)


def test_a_station_that_does_not_tell_is_left_in_time() -> None:
    host = asked(NET)
    host.wait(5.0)
    host.book.ends(EndReason.TIMEOUT)


def test_a_wish_to_stop_is_followed_between_two_questions() -> None:
    host = asked(NET, WantedService(id=DATA))
    host.tell(ev.StopRequested("enough"))
    host.answer(service_id=3, service_parameter_list=None)
    assert isinstance(host.request, iso2.SessionStopReq)
    assert host.finish().reason is EndReason.STOPPED_BY_EV
    assert told(host) == []
