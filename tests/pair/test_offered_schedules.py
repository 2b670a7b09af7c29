"""Both ends with schedules of an energy manager: waiting, gaps, ends, three of them, both directions, AC,
prices signed well and badly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.planning import Wish
from iso15118.energy.price import AbsolutePrices, PriceRule, PriceRuleStack, Prices
from iso15118.evcc.config import Identification
from iso15118.evcc.schedule_settings import BelievedPrices, ScheduleEvccSettings
from iso15118.messages.iso20 import ac, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import si
from iso15118.pki import issue_test_pki
from iso15118.pki.keys.signer import signer_of
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session.actions import EndReason, PriceTrust, ScheduleChosen
from iso15118.session.events import SchedulesGiven
from iso15118.session.services import ControlMode, Pricing, ServiceID
from iso15118.simulation import Timetable
from iso15118.testing import Pair
from tests.pair.ac_rig import ac_pair
from tests.pair.contracts import DAY, contract_pair, issued
from tests.pair.rig import pair

PRICED = {"schedules": ScheduleSeccSettings(pricing=Pricing.ABSOLUTE)}


def money(*fees: str, lasts: int = 300) -> AbsolutePrices:
    stacks = tuple(PriceRuleStack(lasts, (PriceRule(energy_fee=Decimal(fee)),)) for fee in fees)
    return AbsolutePrices(begins=0.0, stacks=stacks, currency="EUR")


def offer(*entries: tuple[float, float], prices: Prices | None = None, **more: Any) -> ScheduleOffer:
    return ScheduleOffer(charging=PowerOffer(entries=entries, prices=prices), **more)


class Log:
    """What went over the cable."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str, Any]] = []

    def __call__(self, sender: str, message: object, now: float) -> None:
        self.messages.append((now, sender, message))

    def of(self, kind: type) -> list[Any]:
        return [message for _, _, message in self.messages if type(message) is kind]

    def asked_w(self, rig: Pair) -> list[tuple[float, float]]:
        """Moments and the power that the vehicle asked for then."""
        volts = rig.vehicle.battery_state(rig.now).voltage_v
        asked: list[tuple[float, Any]] = [
            (now, message.cl_req_control_mode)
            for now, _, message in self.messages
            if type(message) is dc.DCChargeLoopReq
        ]
        return [(now, si(mode.ev_target_current) * volts) for now, mode in asked]


def scheduled(*offers: ScheduleOffer, log: Log | None = None, delay_s: float = 0.0, **options: Any) -> Pair:
    table = Timetable(offers, delay_s=delay_s)
    more: dict[str, Any] = {"secc": PRICED} | options
    return pair(station_options={"timetable": table}, on_message=log, **more)


def chosen(rig: Pair) -> ScheduleChosen:
    found = rig.evcc.schedule
    assert found is not None
    return found


def zero_of(rig: Pair) -> float:
    """When the energy manager was first asked."""
    table = rig.station.timetable
    assert table is not None
    assert table.zero is not None
    return table.zero


def test_the_cheapest_of_three_is_taken_its_gap_is_kept_and_its_cost_is_told() -> None:
    log = Log()
    rig = scheduled(
        offer((1800.0, 100_000.0), prices=money("0.9", "0.9", "0.9", "0.9", "0.9", "0.9")),
        offer(
            (300.0, 60_000.0),
            (300.0, 0.0),
            (1200.0, 60_000.0),
            prices=money("0.4", "0.4", "0.2", "0.3", "0.5", "0.5"),
            id=9,
        ),
        offer((1800.0, 4000.0), prices=money("0.1", "0.1", "0.1", "0.1", "0.1", "0.1")),
        log=log,
        evcc={"departure_time_s": 1800},
        battery={"target_soc": 44.0},
    )
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_EV
    assert (chosen(rig).schedule_id, chosen(rig).offered, chosen(rig).currency) == (9, 3, "EUR")
    assert chosen(rig).cost == Decimal("0.80"), "4 kWh at 0.20"
    assert rig.vehicle.battery.soc == pytest.approx(44.0, abs=0.1)
    begins = zero_of(rig)
    flowing = [now - begins for now, watts in log.asked_w(rig) if watts > 100.0]
    assert min(flowing) >= 600.0
    assert max(flowing) <= 901.0
    assert max(watts for _, watts in log.asked_w(rig)) <= 60_000.0 * 1.001


def test_the_vehicle_waits_while_the_energy_manager_thinks() -> None:
    log = Log()
    rig = scheduled(offer((1800.0, 50_000.0), id=4), log=log, delay_s=7.0)
    rig.run()
    said = [one.evse_processing for one in log.of(cm.ScheduleExchangeRes)]
    assert said[-1] is Processing.Finished
    assert said.count(Processing.Ongoing) >= 5
    assert chosen(rig).schedule_id == 4
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason.orderly


def test_an_energy_manager_that_fails_or_never_answers_holds_nobody_up() -> None:
    for never in (False, True):
        rig = scheduled(
            offer((1800.0, 50_000.0), id=4),
            secc={"schedules": ScheduleSeccSettings(wait_s=5.0)},
        )
        if never:
            rig.station.faults.never("schedules")
        else:
            rig.station.faults.raises("schedules")
        rig.run()
        assert chosen(rig).schedule_id == 1, "the limits of the station"
        assert rig.evcc.ended is not None
        assert rig.evcc.ended.reason.orderly


def test_a_schedule_that_ends_is_followed_by_another_exchange() -> None:
    log = Log()
    rig = scheduled(
        offer((1800.0, 60_000.0)),
        log=log,
        evcc={"departure_time_s": 200, "schedule_renegotiation_s": 60.0},
        battery={"capacity_wh": 100e3, "soc": 40.0, "target_soc": 42.0, "minimum_soc": 10.0},
    )
    rig.run(until=lambda: len(log.of(dc.DCChargeLoopReq)) > 20)
    # The energy manager changes its mind: less for a minute, then more.
    rig.tell_secc(SchedulesGiven((offer((60.0, 20_000.0), (1800.0, 80_000.0)),)))
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_EV
    assert (
        len([one for one in log.of(cm.ScheduleExchangeRes) if one.evse_processing is Processing.Finished])
        == 2
    )


def test_the_fastest_takes_what_there_is_and_the_first_is_the_default() -> None:
    thin, full = offer((1800.0, 20_000.0)), offer((1800.0, 90_000.0))
    for wish, number in ((Wish.FASTEST, 2), (Wish.FIRST, 1)):
        rig = scheduled(
            thin, full, evcc={"schedules": ScheduleEvccSettings(choice=wish), "departure_time_s": 1800}
        )
        rig.run()
        assert chosen(rig).schedule_id == number
        assert rig.vehicle.battery.soc == pytest.approx(45.0, abs=0.1)


def test_what_is_given_back_keeps_to_the_schedule_for_it() -> None:
    log = Log()
    one = ScheduleOffer(
        charging=PowerOffer(entries=((3600.0, 60_000.0),)),
        discharging=PowerOffer(entries=((3600.0, 15_000.0),)),
    )
    rig = scheduled(one, log=log, service=ServiceID.DC_BPT, discharge_wh=1000.0)
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason.orderly
    assert rig.station.meter.discharged_wh == pytest.approx(1000.0, rel=0.05)
    assert min(watts for _, watts in log.asked_w(rig)) >= -15_000.0 * 1.01


@pytest.mark.parametrize("service", [ServiceID.AC, ServiceID.AC_BPT])
def test_alternating_current_follows_gaps_and_prices_as_well(service: ServiceID) -> None:
    log = Log()
    table = Timetable(
        [
            offer(
                (300.0, 11_000.0),
                (120.0, 0.0),
                (1200.0, 6000.0),
                prices=money("0.3", "0.2", "0.2", "0.2", "0.2", "0.2"),
            ),
            offer((1800.0, 4500.0), prices=money("0.5", "0.5", "0.5", "0.5", "0.5", "0.5")),
        ]
    )
    rig = ac_pair(
        service,
        station_options={"timetable": table},
        secc=PRICED,
        evcc={"departure_time_s": 1600},
        on_message=log,
    )
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_EV
    assert chosen(rig).schedule_id == 1
    assert table.zero is not None
    for now, _, message in log.messages:
        if type(message) is ac.ACChargeLoopReq:
            watts = si(message.cl_req_control_mode.ev_present_active_power)
            at = now - table.zero
            most = (
                11_000.0 if at < 301.0 else 0.0 if 303.0 < at < 419.0 else 6000.0 if at > 421.0 else 11_000.0
            )
            assert watts <= most * 1.01 + 50.0, at


# -- whose prices they are


def with_contract(signers: tuple[Any, ...], *offers: ScheduleOffer, **options: Any) -> Pair:
    table = Timetable(offers, price_signers=signers)
    more: dict[str, Any] = {"evcc": {"departure_time_s": 1800}, "secc": PRICED} | options
    rig: Pair = contract_pair("p521", "contract-0", station_options={"timetable": table}, **more)
    return rig


TWO = (
    offer((1800.0, 60_000.0), prices=money(*["0.3"] * 6)),
    offer((1800.0, 60_000.0), prices=money(*["0.2"] * 6)),
)


def test_prices_of_the_contracts_provider_are_verified() -> None:
    rig = with_contract((signer_of(issued("p521").credential("mo-sub2")),), *TWO)
    rig.run()
    assert (chosen(rig).schedule_id, chosen(rig).trust) == (2, PriceTrust.VERIFIED)
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason.orderly


def test_prices_of_somebody_else_are_not_chosen_by_and_the_charge_goes_on() -> None:
    stranger = issue_test_pki("iso20", "p521", at=DAY)
    rig = with_contract((signer_of(stranger.credential("mo-sub2")),), *TWO)
    rig.run()
    assert (chosen(rig).schedule_id, chosen(rig).trust, chosen(rig).cost) == (1, PriceTrust.INVALID, None)
    assert rig.vehicle.battery.soc == pytest.approx(45.0, abs=0.1)


def test_without_a_contract_nobody_knows_whose_prices_they_are() -> None:
    signers = (signer_of(issued("p521").credential("mo-sub2")),)
    for believed, number in ((BelievedPrices.ANY, 2), (BelievedPrices.VERIFIED, 1)):
        rig = with_contract(
            signers,
            *TWO,
            evcc={
                "identification": (Identification.EIM,),
                "departure_time_s": 1800,
                "schedules": ScheduleEvccSettings(believed_prices=believed),
            },
        )
        rig.run()
        assert (chosen(rig).schedule_id, chosen(rig).trust) == (number, PriceTrust.UNVERIFIABLE)


@pytest.mark.parametrize(
    ("fee", "trust"),
    [("0.2", PriceTrust.VERIFIED), ("0.20", PriceTrust.INVALID), ("0.3", PriceTrust.INVALID)],
)
def test_a_backend_that_signs_brings_the_value_alone(fee: str, trust: PriceTrust) -> None:
    """As OCPP does: the station passes the digits on as they are, and one that is another spoils it."""
    from iso15118.pnc.prices import signed_prices
    from iso15118.session.price_wire import price_element
    from iso15118.testing.pair import EPOCH

    def signed(one: str) -> AbsolutePrices:
        return replace(money(*[one] * 6), id="price", anchor=int(EPOCH))

    value = signed_prices(
        [price_element(signed("0.2"), EPOCH)], signer_of(issued("p521").credential("mo-sub2"))
    ).signature_value.value
    rig = contract_pair("p521", "contract-0", secc=PRICED, evcc={"departure_time_s": 1800})
    rig.tell_secc(SchedulesGiven((offer((1800.0, 60_000.0), prices=signed(fee)),), 0, value))
    rig.run()
    assert chosen(rig).trust is trust
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason.orderly


def test_where_no_prices_are_promised_none_are_looked_at() -> None:
    rig = scheduled(*TWO, secc={}, evcc={"departure_time_s": 1800})
    rig.run()
    assert (chosen(rig).schedule_id, chosen(rig).trust) == (1, PriceTrust.NONE)


def test_in_dynamic_mode_nobody_is_asked_for_schedules() -> None:
    rig = scheduled(*TWO, mode=ControlMode.DYNAMIC)
    rig.run()
    assert rig.evcc.schedule is None
    assert rig.station.timetable is not None
    assert rig.station.timetable.zero is None


# -- ISO 15118-2


def test_the_older_edition_has_levels_and_waits_as_well() -> None:
    rig = pair(
        station_options={"timetable": Timetable(TWO, delay_s=3.0)},
        secc={"editions": ("iso2",), "services": (ServiceID.DC,)},
        evcc={"editions": ("iso2",), "departure_time_s": 1800},
    )
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason.orderly
    assert (chosen(rig).offered, chosen(rig).trust) == (2, PriceTrust.NONE), "no contract, no tariff"
