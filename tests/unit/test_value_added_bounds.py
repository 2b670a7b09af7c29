"""Value-added services and tickets at their bounds: ids, names, values, variants, and what each
edition can offer of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.errors import ConfigError, TicketError
from iso15118.session.services import ServiceID
from iso15118.session.ticket import EvccTicket, Iso2Choice
from iso15118.session.value_added import (
    Guidance,
    ServiceParameters,
    ValueAddedService,
    WantedService,
    check_value_added,
    check_wanted,
    internet,
    number_in_iso2,
    offered_in_iso2,
    offered_in_iso20,
    parking_status,
)

NAN, INF = math.nan, math.inf


def held(make: Callable[[Any], object], name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        make(value)
    for value in bad:
        with pytest.raises((ConfigError, TicketError)) as error:
            make(value)
        assert re.match(re.escape(name) + r"\b", str(error.value)), (value, str(error.value))


def variant(number: int = 1, *values: tuple[str, Any]) -> ServiceParameters:
    return ServiceParameters(id=number, values=values or (("Port", 80),))


def service(number: int = 60_001, **fields: Any) -> ValueAddedService:
    return ValueAddedService(id=number, **fields)


# -- one variant


def test_ids_and_values_of_a_variant() -> None:
    held(variant, "parameter_sets.id", [1, 2, 32_767], [0, -1, 32_768, 1.0, True, "1", None])
    name = "parameter_sets.values"
    held(lambda it: variant(1, *((f"n{one}", 1) for one in range(it))), name, [1, 2, 16], [17])
    held(lambda it: variant(1, (it, 1)), name, ["n", "n" * 32], ["", "n" * 33, 1, None])
    held(
        lambda it: variant(1, ("n", it)),
        name,
        [True, False, 0, -1, 2**31 - 1, 1 - 2**31, 0.5, -0.5, float(2**31 - 1), "", "t" * 64],
        [2**31, -(2**31), float(2**31), NAN, INF, "t" * 65, None, b"t", ("n",)],
    )
    held(
        lambda it: ServiceParameters(id=1, values=it),
        name,
        [(("n", 1),)],
        [(), [("n", 1)], None, (("n",),), (("n", 1, 1),), (["n", 1],), ((1, 1),)],
    )


# -- one service


def test_what_a_service_says_of_itself() -> None:
    held(service, "id", [3, 4, 64, 65_535], [2, 0, -1, 65_536, 60_001.0, True, "65", None])
    held(lambda it: service(name=it), "name", ["", "n" * 32], ["n" * 33, None, 1])
    held(lambda it: service(scope=it), "scope", ["", "s" * 64], [None, 1])
    held(lambda it: service(scope=it), "name", [], ["s" * 65])
    held(lambda it: service(free=it), "free", [True, False], [0, 1, None, "yes"])
    held(lambda it: service(category=it), "category", ["Internet", "OtherCustom"], ["Other", "", None])
    held(
        lambda it: service(parameter_sets=it),
        "parameter_sets",
        [(), (variant(),), (variant(1), variant(2))],
        [[variant()], None, (1,), (variant(), 1), (variant(1), variant(1))],
    )
    many = tuple(variant(number) for number in range(1, 257))
    assert len(service(parameter_sets=many[:255]).parameter_sets) == 255
    with pytest.raises(ConfigError, match="at most 255"):
        service(parameter_sets=many)


def test_variants_that_may_be_chosen() -> None:
    alone, some = service(), service(parameter_sets=(variant(2), variant(5)))
    assert alone.has(None)
    assert not alone.has(1)
    assert [some.has(number) for number in (1, 2, 3, 5, None)] == [False, True, False, True, False]


def test_how_many_services_a_session_has() -> None:
    services = [service(60_001 + number) for number in range(8)]
    assert check_value_added(services[:7]) == tuple(services[:7])
    assert check_value_added(()) == ()
    for wrong in (services, [services[0], services[0]], [1], [services[0], 1], None, services[0]):
        with pytest.raises(ConfigError, match=r"^value_added"):
            check_value_added(wrong)


# -- services of the standard


def test_variants_of_access_to_the_internet() -> None:
    every = internet("ftp20", "ftp21", "http", "https", free=False)
    assert (every.id, every.category, every.free) == (65, "Internet", False)
    assert [(one.id, dict(one.values)) for one in every.parameter_sets] == [
        (1, {"Protocol": "ftp", "Port": 20}),
        (2, {"Protocol": "ftp", "Port": 21}),
        (3, {"Protocol": "http", "Port": 80}),
        (4, {"Protocol": "https", "Port": 443}),
    ]
    assert internet() == internet("http", "https")
    with pytest.raises(ConfigError, match=r"^protocols"):
        internet("gopher")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_variants_of_parking_status(kind: Any) -> None:
    both = parking_status(status_type=kind)
    assert (both.id, both.category) == (66, "OtherCustom")
    assert [(one.id, dict(one.values)) for one in both.parameter_sets] == [
        (way, {"IntendedService": way, "ParkingStatusType": kind}) for way in (1, 2)
    ]
    assert [one.id for one in parking_status(check_out=False).parameter_sets] == [1]
    assert [one.id for one in parking_status(check_in=False).parameter_sets] == [2]
    wrongs: list[dict[str, Any]] = [
        {"status_type": 0},
        {"status_type": 5},
        {"check_in": False, "check_out": False},
    ]
    for wrong in wrongs:
        with pytest.raises(ConfigError, match=r"^status_type"):
            parking_status(**wrong)


# -- what each edition offers


def test_iso15118_20_offers_ids_from_64_on_with_at_most_32_variants() -> None:
    def many(count: int) -> ValueAddedService:
        return service(parameter_sets=tuple(variant(number + 1) for number in range(count)))

    low, first, full, long = service(63), service(64), many(32), many(33)
    assert offered_in_iso20((low, first, full, long)) == (first, full)


def test_iso15118_2_has_its_own_number_for_the_internet_and_none_for_parking() -> None:
    assert [number_in_iso2(number) for number in (3, 4, 65, 66, 60_001)] == [3, 4, 3, None, 60_001]
    old, new, parking, own = service(3), internet(), parking_status(), service()
    assert offered_in_iso2((new, parking, own)) == ((3, new), (60_001, own))
    assert offered_in_iso2((new, old)) == offered_in_iso2((old, new)) == ((3, old),)


# -- what a vehicle wants, and where it is to go


def test_what_a_vehicle_can_want() -> None:
    held(lambda it: WantedService(id=it), "value_added.id", [64, 65_535], [63, 65_536, 65.0, True, None])
    held(
        lambda it: WantedService(id=65, values=it),
        "value_added.values",
        [(), (("Port", 80),)],
        [[], None, (("Port",),), ((1, 80),)],
    )
    wishes = [WantedService(id=65)] * 17
    assert len(check_wanted(wishes[:16])) == 16
    for wrong in (wishes, [1], [wishes[0], 1], None, wishes[0]):
        with pytest.raises(ConfigError, match=r"^value_added"):
            check_wanted(wrong)


def test_a_variant_fits_if_it_says_all_that_is_wanted() -> None:
    wish = WantedService(id=65, values=(("Protocol", "http"), ("Port", 80)))
    assert wish.fits((("Port", 80), ("Protocol", "http"), ("More", 1)))
    assert not wish.fits((("Protocol", "http"),))
    assert not wish.fits((("Protocol", "http"), ("Port", 81)))
    assert WantedService(id=65).fits(())


@pytest.mark.parametrize("name", ["parking_space", "device_location", "target_distance_cm"])
def test_guidance_has_sixteen_bits(name: str) -> None:
    held(
        lambda it: Guidance(**{name: it}),
        name,
        [None, 0, -32_768, 32_767],
        [-32_769, 32_768, 1.0, True, "1"],
    )


# -- tickets


def choice(**fields: Any) -> Iso2Choice:
    plain: dict[str, Any] = {"mode": "DC_extended", "tuple_id": 1}
    return Iso2Choice(**(plain | fields))


def ticket(**fields: Any) -> EvccTicket:
    plain: dict[str, Any] = {
        "session_id": b"\x01" * 8,
        "evccid": "WVWV1",
        "edition": "iso2",
        "secure": False,
        "service": ServiceID.DC,
        "paused_at": 0.0,
        "iso2": choice(),
    }
    return EvccTicket(**(plain | fields))


def test_numbers_of_a_paused_session() -> None:
    held(lambda it: choice(tuple_id=it), "tuple_id", [1, 2, 255], [0, 256])
    held(lambda it: choice(schedule=((it, 1.0), (2.0, 1.0))), "schedule", [0.0, 1.0, -5.0], [NAN, INF])
    held(lambda it: choice(schedule=((1.0, it),)), "schedule", [0.0, -1.0], [NAN, -INF])
    for name in ("departure_at", "energy_wh"):
        for value in (None, 0.0, -5.0, 5.0):
            assert getattr(ticket(**{name: value}), name) == value
        with pytest.raises(TicketError, match=rf"^{name}"):
            ticket(**{name: NAN})


@pytest.mark.parametrize("length", range(11))
def test_a_session_id_has_eight_octets_or_in_the_older_edition_one_to_eight(length: int) -> None:
    good = {"iso2": 1 <= length <= 8, "iso20": length == 8}
    for edition, iso2 in (("iso2", choice()), ("iso20", None)):
        fields = {"session_id": b"\x01" * length, "edition": edition, "iso2": iso2}
        if good[edition]:
            assert len(ticket(**fields).session_id) == length
        else:
            with pytest.raises(TicketError, match=r"^session_id"):
                ticket(**fields)


def test_a_session_id_of_zeros_is_none() -> None:
    with pytest.raises(TicketError, match=r"^session_id"):
        ticket(session_id=bytes(8))
    assert ticket(session_id=bytes(7) + b"\x01").session_id[-1] == 1


@pytest.mark.parametrize(("length", "good"), [(0, False), (1, True), (255, True), (256, False)])
def test_a_ticket_names_its_vehicle(length: int, good: bool) -> None:
    if good:
        assert len(ticket(evccid="W" * length).evccid) == length
        return
    with pytest.raises(TicketError, match=r"^evccid"):
        ticket(evccid="W" * length)


@pytest.mark.parametrize(
    ("valid_s", "good"), [(0.0, False), (0.001, True), (999_999_999.0, True), (1e9, False), (NAN, False)]
)
def test_how_long_a_ticket_holds(valid_s: float, good: bool) -> None:
    if good:
        assert ticket(valid_s=valid_s).valid_s == valid_s
        return
    with pytest.raises(TicketError, match=r"^valid_s"):
        ticket(valid_s=valid_s)
