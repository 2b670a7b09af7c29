"""Events of our own application: the last value that is taken and the first that is refused, field
by field, and the class of each.

What is refused names event and field, so that whoever wrote the call finds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import force_setattr, replace

from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.errors import ConfigError
from iso15118.pnc.contracts import Refusal
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.checks import check_event
from iso15118.session.coupling import DevicePosition, VehiclePosition
from iso15118.session.der import GridCondition
from iso15118.session.services import ServiceID
from iso15118.session.value_added import Guidance
from iso15118.session.wireless import PadLimits

NAN, INF = float("nan"), float("inf")
GREATEST = 1e15
MONEY = 1e6

Make = Callable[[Any], ev.Event]


def refused(event: Any, name: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_event(event)
    assert re.match(re.escape(name) + r"\b", str(error.value)), str(error.value)


def held(make: Make, name: str, good: list[Any], bad: list[Any]) -> None:
    """Each value of ``good`` is taken; each of ``bad`` is refused by that name."""
    for value in good:
        check_event(make(value))
    for value in bad:
        refused(make(value), name)


NO_NUMBERS: list[Any] = [NAN, INF, -INF, "1", None, True, [1.0]]
NO_FLAGS: list[Any] = [0, 1, None, "yes", NAN]


# -- power over time


def plan(*entries: tuple[Any, ...]) -> ev.PlanChanged:
    return ev.PlanChanged((tuple(entries),))


def test_entries_of_a_plan() -> None:
    held(
        lambda it: plan((it, 5.0)),
        "PlanChanged.plans",
        [1.0, 1, 1.2, GREATEST],
        [0.9, 0.0, 1.1e15, *NO_NUMBERS],
    )
    held(
        lambda it: plan((60.0, it)), "PlanChanged.plans", [0.0, 0, 0.5, GREATEST], [-0.5, 1.1e15, *NO_NUMBERS]
    )
    for entry in ((60.0,), (60.0, 1.0, 1.0), [60.0, 1.0], 60.0):
        refused(ev.PlanChanged(((entry,),)), "PlanChanged.plans")  # type: ignore[arg-type]


def test_how_many_plans_and_how_long() -> None:
    one = ((60.0, 1.0),)
    many: Make = lambda count: ev.PlanChanged((one,) * count)  # noqa: E731 - as the others
    held(many, "PlanChanged.plans", [0, 1, 3], [4])
    long: Make = lambda count: ev.PlanChanged((one * count,))  # noqa: E731
    held(long, "PlanChanged.plans", [1, 2, 1024], [0, 1025])
    for plans in ([one], None, (list(one),)):
        refused(ev.PlanChanged(plans), "PlanChanged.plans")  # type: ignore[arg-type]


def test_when_a_plan_begins() -> None:
    held(
        lambda it: ev.PlanChanged((), it), "PlanChanged.begins", [None, -5.0, 0, 5.0], [NAN, INF, "now", True]
    )


def test_a_signature_of_prices_has_1_to_350_octets() -> None:
    held(
        lambda it: ev.SchedulesGiven((), signature=it),
        "SchedulesGiven.signature",
        [None, b"s", b"s" * 2, b"s" * 350],
        [b"", b"s" * 351, "s", 1],
    )


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda it: ev.SchedulesGiven((), number=it), "SchedulesGiven.number"),
        (ev.SchedulesMissing, "SchedulesMissing.number"),
    ],
)
def test_numbers_of_questions_about_schedules(make: Make, name: str) -> None:
    held(make, name, [0, 1, 7], [None, "1", 1.0, True])


def test_offers_are_a_tuple_of_offers() -> None:
    refused(ev.SchedulesGiven([]), "SchedulesGiven.offers")  # type: ignore[arg-type]
    refused(ev.SchedulesGiven((None,)), "SchedulesGiven.offers")  # type: ignore[arg-type]


# -- decisions


def test_numbers_of_decisions() -> None:
    held(
        lambda it: ev.AuthorizationDecided(True, number=it),
        "AuthorizationDecided.number",
        [0, 1],
        [-1, 1.0, None, True],
    )
    held(ev.AuthorizationDecided, "AuthorizationDecided.accepted", [True, False], NO_FLAGS)


def test_a_key_that_was_used_says_for_whom_and_what_went_wrong() -> None:
    make: Make = lambda it: ev.KeyUsed(it, None)  # noqa: E731
    held(make, "KeyUsed.number", [0, 1], [None, 1.0, True])
    held(
        lambda it: ev.KeyUsed(1, None, error=it),
        "KeyUsed.error",
        [None, ValueError()],
        ["no", ValueError, KeyboardInterrupt()],
    )


def test_a_refusal_is_one_or_none() -> None:
    held(
        lambda it: ev.ContractCertificateAnswered(None, it),
        "ContractCertificateAnswered.refusal",
        [None, next(iter(Refusal))],
        ["no", False],
    )
    refused(ev.ContractDecided(None, None), "ContractDecided.claim")  # type: ignore[arg-type]


def test_a_connection_is_secure_or_not() -> None:
    held(ev.Connected, "Connected.secure", [True, False], NO_FLAGS)


# -- the meter


def test_the_name_of_a_meter_is_a_text() -> None:
    held(lambda it: ev.MeterRead(it, 0.0), "MeterRead.meter_id", ["", "M"], [None, 1, b"M"])


@pytest.mark.parametrize("field", ["charged_wh", "discharged_wh"])
def test_registers_of_a_meter(field: str) -> None:
    def make(value: Any) -> ev.MeterRead:
        fields: dict[str, Any] = {"meter_id": "M", "charged_wh": 1.0, "discharged_wh": 2.0}
        return ev.MeterRead(**(fields | {field: value}))

    held(make, f"MeterRead.{field}", [0.0, 0, 0.5, 1, GREATEST], [-0.5, -1, 1.1e15, *NO_NUMBERS])


# -- power now


@pytest.mark.parametrize("field", ["power_w", "reactive_var"])
def test_set_points(field: str) -> None:
    held(
        lambda it: ev.SetPointChanged(**({"power_w": 1.0} | {field: it})),
        f"SetPointChanged.{field}",
        [None, 0, -GREATEST, GREATEST],
        [-1.1e15, 1.1e15, NAN, INF, "1", True],
    )


def ac_station() -> AcStationLimits:
    return AcStationLimits.of(current_a=16.0)


def ac_vehicle() -> AcVehicleLimits:
    return AcVehicleLimits.of(current_a=16.0)


def test_limits_of_another_kind() -> None:
    check_event(ev.AcLimitsChanged(ac_station()))
    check_event(ev.ChargerChanged(ac_vehicle()))
    nothing: list[Any] = [None, 16.0]
    for other in (ac_vehicle(), *nothing):
        refused(ev.AcLimitsChanged(other), "AcLimitsChanged.limits")
    for other in (ac_station(), *nothing):
        refused(ev.ChargerChanged(other), "ChargerChanged.limits")
    refused(ev.LimitsChanged(ac_station()), "LimitsChanged.limits")  # type: ignore[arg-type]
    check_event(ev.PadLimitsChanged(PadLimits(maximum_power_w=11e3)))
    refused(ev.PadLimitsChanged(ac_station()), "PadLimitsChanged.limits")  # type: ignore[arg-type]


def test_limits_that_were_changed_behind_their_constructor() -> None:
    told: list[tuple[Any, str]] = [
        (ev.AcLimitsChanged(ac_station()), "maximum_current_a"),
        (ev.ChargerChanged(ac_vehicle()), "maximum_charge_power_w"),
        (ev.PadLimitsChanged(PadLimits(maximum_power_w=11e3)), "maximum_power_w"),
    ]
    for event, field in told:
        limits = replace(event.limits)
        force_setattr(limits, field, NAN)
        with pytest.raises(ConfigError, match=field):
            check_event(type(event)(limits))


# -- places


@pytest.mark.parametrize("field", ["x_cm", "y_cm", "window_x_cm", "window_y_cm"])
def test_lengths_of_a_position(field: str) -> None:
    held(
        lambda it: ev.VehiclePositionMeasured(VehiclePosition(**{field: it})),
        f"VehiclePositionMeasured.position.{field}",
        [0, 1.5, -GREATEST, GREATEST],
        [-1.1e15, 1.1e15, *NO_NUMBERS],
    )


@pytest.mark.parametrize("field", ["in_position", "associated"])
def test_flags_of_a_position(field: str) -> None:
    held(
        lambda it: ev.VehiclePositionMeasured(VehiclePosition(**{field: it})),
        f"VehiclePositionMeasured.position.{field}",
        [True, False],
        NO_FLAGS,
    )


def test_positions_of_another_class() -> None:
    held(
        ev.VehiclePositionMeasured,
        "VehiclePositionMeasured.position",
        [VehiclePosition()],
        [None, DevicePosition.HOME, (0.0, 0.0)],
    )
    held(
        lambda it: ev.VehiclePositionMeasured(VehiclePosition(), at=it),
        "VehiclePositionMeasured.at",
        [None, 0.0, -1.0],
        [NAN, "now", True],
    )
    held(
        ev.ConnectionDeviceChanged,
        "ConnectionDeviceChanged.position",
        list(DevicePosition),
        [None, "HOME", VehiclePosition()],
    )


def test_a_drive_stands_and_is_locked_or_not() -> None:
    held(lambda it: ev.MobilityChanged(it, True), "MobilityChanged.stands", [True, False], NO_FLAGS)
    held(lambda it: ev.MobilityChanged(True, it), "MobilityChanged.immobilized", [True, False], NO_FLAGS)


# -- wishes


@pytest.mark.parametrize("kind", [ev.NeedsChanged, ev.MobilityNeedsChanged])
@pytest.mark.parametrize("field", ["minimum_soc", "target_soc"])
def test_states_of_charge_are_whole_percent(kind: Any, field: str) -> None:
    held(
        lambda it: kind(**{field: it}),
        f"{kind.__name__}.{field}",
        [None, 0, 1, 100],
        [-1, 101, 50.0, True, "50", NAN],
    )


@pytest.mark.parametrize("kind", [ev.NeedsChanged, ev.MobilityNeedsChanged])
def test_the_least_is_not_above_the_target(kind: Any) -> None:
    held(
        lambda it: kind(minimum_soc=it, target_soc=80), f"{kind.__name__}.minimum_soc", [0, 79, 80], [81, 100]
    )
    held(
        lambda it: kind(departure_s=it),
        f"{kind.__name__}.departure_s",
        [None, 0.0, 0, 1.0, GREATEST],
        [-0.5, 1.1e15, NAN, INF, "soon", True],
    )


def test_the_time_to_take_needs_over() -> None:
    held(
        lambda it: ev.MobilityNeedsChanged(ack_max_delay_s=it),
        "MobilityNeedsChanged.ack_max_delay_s",
        [0.0, 0, 0.5, 65_535.0],
        [-0.5, 65_535.5, None, NAN, INF, "1", True],
    )


@pytest.mark.parametrize(
    "kind",
    [
        ev.PauseRequested,
        ev.ScheduleRenegotiationRequested,
        ev.ServiceRenegotiationRequested,
        ev.StandbyRequested,
    ],
)
def test_reasons_are_texts(kind: Any) -> None:
    held(kind, f"{kind.__name__}.reason", ["", "why"], [None, 1, b"why", ValueError("why")])


def test_services_and_standby() -> None:
    held(
        lambda it: ev.ServiceRenegotiationRequested("why", it),
        "ServiceRenegotiationRequested.services",
        [(), (ServiceID.DC,), (ServiceID.DC, ServiceID.MCS)],
        [[ServiceID.DC], None, (2,), (ServiceID.DC, 2), ServiceID.DC],
    )
    held(lambda it: ev.StandbyRequested("why", it), "StandbyRequested.wanted", [True, False], NO_FLAGS)


# -- money


@pytest.mark.parametrize("item", ["energy", "occupancy", "services", "overstay"])
@pytest.mark.parametrize("field", ["amount", "per_unit"])
def test_sums_of_a_receipt(item: str, field: str) -> None:
    def receipt(cost: Any) -> ev.ReceiptIssued:
        items: dict[str, Any] = {item: cost}
        return ev.ReceiptIssued(**items)

    held(
        lambda it: receipt(ev.Cost(**({"amount": 1.0, "per_unit": 1.0} | {field: it}))),
        f"ReceiptIssued.{item}.{field}",
        [0, -1.5, MONEY, -MONEY],
        [MONEY + 1.0, -MONEY - 1.0, *NO_NUMBERS],
    )
    held(receipt, f"ReceiptIssued.{item}", [None], [1.0, (1.0, 1.0)])


def test_taxes_of_a_receipt() -> None:
    def one(tax: Any) -> ev.ReceiptIssued:
        return ev.ReceiptIssued(taxes=(tax,))

    name = "ReceiptIssued.taxes"
    held(lambda it: one((it, 1.0)), name, [1, 2, 2**32 - 1], [0, -1, 2**32, 1.0, "1", None, True])
    held(lambda it: one((1, it)), name, [0, 1.5, MONEY, -MONEY], [MONEY + 1.0, -MONEY - 1.0, *NO_NUMBERS])
    held(one, name, [(1, 1.0)], [(1,), (1, 1.0, 1.0), [1, 1.0], None, 1, ()])
    held(lambda it: ev.ReceiptIssued(taxes=((1, 1.0),) * it), name, [0, 1, 10], [11])
    refused(ev.ReceiptIssued(taxes=[(1, 1.0)]), name)  # type: ignore[arg-type]


# -- what is of another class


@pytest.mark.parametrize(
    ("make", "name", "good"),
    [
        (ev.GridCodeChanged, "GridCodeChanged.code", [None]),
        (ev.DsoSetPointChanged, "DsoSetPointChanged.set_point", [DsoSetPoint()]),
        (ev.GridConditionChanged, "GridConditionChanged.condition", [GridCondition()]),
        (ev.ParkingGuidance, "ParkingGuidance.guidance", [Guidance()]),
    ],
)
def test_other_classes_are_refused_by_name(make: Make, name: str, good: list[Any]) -> None:
    held(make, name, good, ["no", 1.0, object()])
