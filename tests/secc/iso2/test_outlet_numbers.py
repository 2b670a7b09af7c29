"""An AC outlet of ISO 15118-2 to the last digit: which parameters of a vehicle are just taken, which current
it is told, and what the loop wants to be there.

Currents are told in thousandths of an ampere, downwards.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity, volts, watt_hours
from iso15118.secc.iso2 import ac_parameters as parts
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import EndReason
from tests.secc.iso2.outlet import OUTLET, SIGNAL_C, AcDrive
from tests.secc.iso2.vehicle import replace, settings

AT_240 = AcStationLimits.of(current_a=16.0, nominal_voltage_v=240.0)


@pytest.mark.parametrize(
    ("most", "least", "works"),
    [(0.5, 0.5, True), (0.0, 0.0, False), (6.0, 6.0, True), (6.0, 6.1, False), (6.0, 0.0, True)],
)
def test_a_vehicle_may_have_one_current_alone(most: float, least: float, works: bool) -> None:
    drive = AcDrive()
    answer = drive.discover(ev_max_current=amperes(most), ev_min_current=amperes(least))
    assert answer.response_code.value == ("OK" if works else "FAILED_WrongChargeParameter")


@pytest.mark.parametrize(
    ("said", "kept"), [(32.0, 32.0), (999.9, 999.9), (1000.0, 1000.0), (20_000.0, 1000.0)]
)
def test_a_vehicle_that_names_more_than_any_connector_has_means_no_limit(said: float, kept: float) -> None:
    drive = AcDrive()
    drive.discover(ev_max_current=amperes(said))
    vehicle = drive.session._facts.ac_vehicle
    assert vehicle is not None
    assert (vehicle.maximum_current_a, vehicle.minimum_current_a) == ((kept,) * 3, 6.0)


@pytest.mark.parametrize(
    ("parameters", "odd"),
    [
        ({"ev_max_voltage": volts(216.0)}, False),
        ({"ev_max_voltage": volts(215.9)}, True),
        ({"ev_max_voltage": volts(264.0)}, False),
        ({"ev_max_voltage": volts(264.1)}, True),
        ({"e_amount": watt_hours(0.0)}, False),
        ({"e_amount": watt_hours(0.5)}, False),
        ({"e_amount": watt_hours(-0.1)}, True),
        ({"e_amount": watt_hours(200_000.0)}, False),
        ({"e_amount": watt_hours(200_010.0)}, True),
        ({"ev_max_current": amperes(400.0)}, False),
        ({"ev_max_current": amperes(400.1)}, True),
    ],
    ids=str,
)
def test_which_values_make_no_sense(parameters: dict[str, Any], odd: bool) -> None:
    strict = AcDrive(settings(plausibility="strict"), outlet=AT_240)
    answer = strict.discover(**({"ev_max_voltage": volts(240.0)} | parameters))
    assert answer.response_code.value == ("FAILED_WrongChargeParameter" if odd else "OK")


@pytest.mark.parametrize(("said", "wanted"), [(0.0, 0.0), (0.5, 0.5), (20_000.0, 20_000.0), (-1.0, 0.0)])
def test_what_the_vehicle_wants(said: float, wanted: float) -> None:
    drive = AcDrive()
    drive.discover(e_amount=watt_hours(said))
    (needs,) = [one for one in drive.book.actions if isinstance(one, act.ChargingNeeds)]
    assert (needs.target_wh, needs.maximum_wh) == (wanted, wanted)


# -- the current that is told

WEAK = AcStationLimits(phases=3, maximum_current_a=(16.0,) * 3, maximum_charge_power_w=(2300.0,) * 3)
COARSE = replace(OUTLET, minimum_charge_power_w=(1380.0, 2300.0, 1380.0))


@pytest.mark.parametrize(
    ("outlet", "parameters", "set_point_w", "told"),
    [
        (OUTLET, {}, None, 16.0),
        (OUTLET, {}, 6.0 * 690.0, 6.0),
        (OUTLET, {}, 5.9 * 690.0, 0.0),
        (OUTLET, {"ev_min_current": amperes(0.0)}, 0.5 * 690.0, 0.5),
        (OUTLET, {"ev_min_current": amperes(0.0)}, 0.0, 0.0),
        (OUTLET, {"ev_min_current": amperes(0.0)}, -500.0, 0.0),
        (WEAK, {}, None, 10.0),
        (COARSE, {}, 10.0 * 690.0, 10.0),
        (COARSE, {}, 9.9 * 690.0, 0.0),
        (COARSE, {"ev_min_current": amperes(12.0)}, 11.0 * 690.0, 0.0),
    ],
    ids=["all", "least", "less", "half", "none", "back", "weak", "coarse", "below coarse", "proud vehicle"],
)
def test_the_current_that_is_told_is_one_that_every_phase_and_both_sides_have(
    outlet: AcStationLimits, parameters: dict[str, Any], set_point_w: float | None, told: float
) -> None:
    drive = AcDrive(outlet=outlet).charging(**parameters)
    drive.book.tell(ev.SetPointChanged(set_point_w))
    assert quantity(drive.status().evse_max_current) == told


def test_nothing_is_told_before_limits_are_known() -> None:
    drive = AcDrive().charging()
    ctx = drive.context
    assert parts.present_a(ctx, 11_040.0) == 16.0
    assert parts.most_w(ctx, now=True) == parts.most_w(ctx, now=False) == 11_040.0
    for name in ("ac_vehicle", "ac_limits"):
        kept = getattr(ctx.facts, name)
        setattr(ctx.facts, name, None)
        assert parts.present_a(ctx, 11_040.0) == 0.0
        setattr(ctx.facts, name, kept)
    ctx.facts.ac_limits = ctx.facts.ac_offered = None
    assert parts.most_w(ctx, now=True) == parts.most_w(ctx, now=False) == 0.0


# -- what the loop wants to be there


@pytest.mark.parametrize(("name", "missing"), [("ac_limits", None), ("contactors_closed", False)])
def test_the_loop_without_one_of_its_preconditions_is_refused(name: str, missing: bool | None) -> None:
    drive = AcDrive().charging()
    setattr(drive.session._facts, name, missing)
    drive.book.receive(drive.request(iso2.ChargingStatusReq))
    assert drive.heard().response_code.value == "FAILED"
    drive.book.ends(EndReason.INTERNAL_ERROR)
    assert drive.session.error is None


def test_what_the_vehicle_may_take_holds_from_when_its_contactors_are_closed() -> None:
    """It draws then; its first request of the loop may come up to a minute later, and ended as an
    over-current before."""
    drive = AcDrive().charging()
    begins = drive.session._facts.ac_power
    assert begins is not None
    assert begins.charge_a == (16.0,) * 3
    drive.book.tell(ev.AcLimitsChanged(AcStationLimits.of(current_a=10.0)))
    (told,) = [one.bounds for one in drive.book.actions if isinstance(one, act.SetAcPower)]
    assert told.charge_a == (10.0,) * 3
    drive.status()
    assert not any(isinstance(one, act.SetAcPower) for one in drive.book.actions)
    drive.book.tell(ev.AcLimitsChanged(AcStationLimits.of(current_a=8.0)))
    (told,) = [one.bounds for one in drive.book.actions if isinstance(one, act.SetAcPower)]
    assert told.charge_a == (8.0,) * 3


@pytest.mark.parametrize("phases", [1, 3])
def test_the_outlet_connects_as_many_phases_as_were_chosen(phases: int) -> None:
    drive = AcDrive(outlet=AcStationLimits.of(current_a=16.0, phases=phases))
    drive.book.tell(SIGNAL_C)
    mode = (
        iso2.EnergyTransferMode.AC_three_phase_core
        if phases == 3
        else iso2.EnergyTransferMode.AC_single_phase_core
    )
    drive.discover(mode)
    drive.send(iso2.PowerDeliveryReq)
    (told,) = [one.bounds for one in drive.book.actions if isinstance(one, act.SetAcPower)]
    assert told.phases == phases
    assert drive.session.state == State.POWER_DELIVERY.value
