"""Value-added services between both ends: chosen by wish, told on both sides, forgotten where another
service is chosen, and in ISO 15118-20 checked in and out beside the charge."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.value_added import (
    Guidance,
    ServiceParameters,
    ValueAddedService,
    WantedService,
    internet,
    parking_status,
)
from iso15118.testing import AcPair, Pair
from tests.pair import test_iso2 as of_iso2
from tests.pair.ac_rig import ac_pair
from tests.pair.rig import pair

BATTERY = ValueAddedService(
    id=60_010,
    name="BatteryData",
    parameter_sets=(
        ServiceParameters(id=1, values=(("StateOfHealth", True), ("Interval", 60), ("Resolution", 0.5))),
        ServiceParameters(id=7, values=(("StateOfHealth", False), ("Interval", 600))),
    ),
)
SOON = {"battery": {"soc": 44.9, "target_soc": 45.0}}


class Heard:
    """What both sides told their applications, and the messages of one kind."""

    def __init__(self, rig: Pair) -> None:
        self.secc: list[Any] = []
        self.evcc: list[Any] = []
        for name in ("secc", "evcc"):
            self._listen(rig, name)

    def _listen(self, rig: Pair, name: str) -> None:
        inner = getattr(rig.monitor, name)

        def watch(event: Any, actions: list[act.Action], now: float) -> Any:
            getattr(self, name).extend(one for one in actions if isinstance(one, act.Notify))
            return inner(event, actions, now)

        setattr(rig.monitor, name, watch)

    def of(self, side: str, kind: type) -> list[Any]:
        return [one for one in getattr(self, side) if type(one) is kind]


def charged(rig: Pair) -> None:
    rig.run()
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    assert rig.secc.ended.reason is rig.evcc.ended.reason is EndReason.STOPPED_BY_EV, rig.secc.ended


def test_what_is_wanted_and_offered_is_chosen_and_everybody_is_told() -> None:
    wanted = (
        WantedService(id=65, values=(("Protocol", "https"),)),
        WantedService(id=60_010, values=(("Interval", 600),)),
        WantedService(id=60_999),
    )
    rig = pair(value_added=(internet("http", "https"), BATTERY), wanted=wanted, **SOON)  # type: ignore[arg-type]
    heard = Heard(rig)
    charged(rig)
    chosen = ((65, 4), (60_010, 7))
    for side in ("secc", "evcc"):
        assert [one.services for one in heard.of(side, act.ServicesSelected)] == [chosen, ()], side
    assert heard.of("evcc", act.PeerDeviates) == []


@pytest.mark.parametrize("value", [0.5, 1, "x"])
def test_a_number_with_an_exponent_is_compared_by_its_value(value: Any) -> None:
    wish = WantedService(id=60_010, values=(("Resolution", value),))
    rig = pair(value_added=(BATTERY,), wanted=(wish,), **SOON)  # type: ignore[arg-type]
    heard = Heard(rig)
    charged(rig)
    taken = [one.services for one in heard.of("secc", act.ServicesSelected)]
    assert taken == ([((60_010, 1),), ()] if value == 0.5 else [])
    assert [one.name for one in heard.of("evcc", act.PeerDeviates)] == (
        [] if value == 0.5 else ["value-added"]
    )


@pytest.mark.parametrize("offered", [(), (BATTERY, internet())])
@pytest.mark.parametrize("wanted", [(), (WantedService(id=99),)])
def test_unknown_and_unwanted_services_are_passed_over(
    offered: tuple[ValueAddedService, ...], wanted: tuple[WantedService, ...]
) -> None:
    details: list[int] = []

    def watch(sender: str, message: Any, now: float) -> None:
        if isinstance(message, cm.ServiceDetailReq):
            details.append(message.service_id)

    rig = pair(value_added=offered, wanted=wanted, on_message=watch, **SOON)  # type: ignore[arg-type]
    charged(rig)
    assert details == [2]


@pytest.mark.parametrize("alternating", [False, True])
def test_a_parking_space_is_checked_in_to_before_and_out_of_after_the_charge(alternating: bool) -> None:
    ways = tuple(WantedService(id=66, values=(("IntendedService", way),)) for way in (1, 2))
    steps: list[str] = []

    def watch(sender: str, message: Any, now: float) -> None:
        if sender == "evcc":
            name = type(message).__name__
            status = getattr(message, "ev_check_in_status", getattr(message, "ev_check_out_status", None))
            steps.append(name if status is None else f"{name} {status.value}")
            if name == "VehicleCheckOutReq":
                rig.tell_secc(ev.CheckOutGranted())
            if name == "VehicleCheckInReq":
                rig.tell_secc(ev.ParkingGuidance(Guidance(parking_space=7)))

    make: Any = ac_pair if alternating else pair
    cells = {"soc": 41.99, "target_soc": 42.0} if alternating else SOON["battery"]
    rig: Pair | AcPair = make(value_added=(parking_status(),), wanted=ways, on_message=watch, battery=cells)
    heard = Heard(rig)
    charged(rig)
    inside = [one for one in steps if one.startswith("VehicleCheckIn")]
    assert inside == [f"VehicleCheckInReq {one}" for one in ("CheckIn", "Processing", "Completed")]
    assert steps.index(inside[-1]) < next(i for i, one in enumerate(steps) if "ChargeParameter" in one)
    out = [i for i, one in enumerate(steps) if one.startswith("VehicleCheckOut")]
    assert len(out) >= 2
    last_stop = max(i for i, one in enumerate(steps) if one == "PowerDeliveryReq")
    assert last_stop < out[0] < out[-1] < steps.index("SessionStopReq")
    assert [one.status for one in heard.of("secc", act.VehicleChecksIn)] == [
        "CheckIn",
        "Processing",
        "Completed",
    ]
    assert heard.of("secc", act.VehicleChecksOut)[-1].status == "Completed"
    assert [one.guidance.parking_space for one in heard.of("evcc", act.ParkingSpaceShown)] == [7]


def test_a_space_that_never_lets_go_keeps_nobody_for_ever() -> None:
    wish = WantedService(id=66, values=(("IntendedService", 2),))
    rig = pair(value_added=(parking_status(),), wanted=(wish,), evcc={"poll_interval_s": 1.0}, **SOON)  # type: ignore[arg-type]
    charged(rig)


# -- another choice of service


@pytest.mark.parametrize("wanted_again", [False, True])
def test_what_was_chosen_is_over_where_a_service_is_chosen_anew(wanted_again: bool) -> None:
    """With it the parking space: nobody checks out of what is not selected any more."""
    wanted = (WantedService(id=65), WantedService(id=66, values=(("IntendedService", 2),)))
    out: list[str] = []

    def watch(sender: str, message: Any, now: float) -> None:
        if isinstance(message, cm.VehicleCheckOutReq):
            out.append(message.ev_check_out_status.value)
            rig.tell_secc(ev.CheckOutGranted())

    rig = pair(
        value_added=(internet("https"), parking_status()),
        wanted=wanted,
        secc={"service_renegotiation": True},
        on_message=watch,
    )
    heard = Heard(rig)
    rig.run(until=lambda: rig.loops >= 20)
    rig.evcc._talk.wanted = wanted if wanted_again else ()
    rig.tell_evcc(ev.ServiceRenegotiationRequested("another power"))
    rig.run(until=lambda: rig.loops >= 40)
    chosen = ((65, 4), (66, 2))
    so_far = [chosen, (), chosen] if wanted_again else [chosen, ()]
    for side in ("secc", "evcc"):
        assert [one.services for one in heard.of(side, act.ServicesSelected)] == so_far, side
    charged(rig)
    for side in ("secc", "evcc"):
        told = [one.services for one in heard.of(side, act.ServicesSelected)]
        assert told == ([*so_far, ()] if wanted_again else so_far), side
    assert bool(out) is wanted_again


def test_a_choice_that_the_station_refuses_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iso15118.secc.iso20.value_added.service", lambda ctx, number: None)
    rig = pair(value_added=(BATTERY,), wanted=(WantedService(id=60_010),))
    heard = Heard(rig)
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.REFUSED
    assert heard.of("evcc", act.ServicesSelected) == []


# -- ISO 15118-2

WASH = ValueAddedService(id=60_020, name="Wash")
WISHES = (
    WantedService(id=65, values=(("Protocol", "https"), ("Port", 443))),
    WantedService(id=66),
    WantedService(id=60_010, values=(("Resolution", 0.5), ("StateOfHealth", True))),
    WantedService(id=60_010, values=(("Interval", 600),)),
    WantedService(id=60_010, values=(("Interval", 601),)),
    WantedService(id=60_020),
    WantedService(id=60_021),
)
TAKEN = ((65, 4), (60_010, 1), (60_010, 7), (60_020, None))
IN_ISO2 = [(3, 4), *TAKEN[1:]]
OFFERS = (internet(), parking_status(), BATTERY, WASH)


def selected(heard: of_iso2.Heard) -> list[tuple[int, int | None]]:
    (request,) = heard.of(iso2.PaymentServiceSelectionReq)
    return [(one.service_id, one.parameter_set_id) for one in request.selected_service_list.selected_service]


@pytest.mark.parametrize("way", ["external", "contract", "installation"])
def test_a_vehicle_of_iso2_takes_what_it_wants(way: str) -> None:
    said = of_iso2.Heard()
    options: dict[str, Any] = {"value_added": OFFERS, "wanted": WISHES} | SOON
    if way == "external":
        rig = of_iso2.spoken(said, **options)
    else:
        names = ("contract-0",) if way == "contract" else ()
        rig = of_iso2.contracted(said, *names, installs=way == "installation", **options)
    heard = Heard(rig)
    charged(rig)
    own = [(1, None), (2, 1)] if way == "installation" else [(1, None)]
    assert selected(said) == own + IN_ISO2
    asked = [one.service_id for one in said.of(iso2.ServiceDetailReq)]
    assert asked == [*(number for number, _ in own[1:]), 3, 60_010, 60_020]
    for side in ("secc", "evcc"):
        assert [one.services for one in heard.of(side, act.ServicesSelected)] == [TAKEN, ()], side
    (remark,) = [one for one in heard.of("evcc", act.PeerDeviates) if one.name == "value-added"]
    assert "60010" in remark.detail
    assert said.refusals() == []


def test_a_paused_session_of_iso2_takes_them_again() -> None:
    options: dict[str, Any] = {"value_added": OFFERS, "wanted": WISHES}
    rig = of_iso2.spoken(of_iso2.Heard(), **options)
    rig.run(until=lambda: rig.loops >= 40)
    rig.tell_evcc(ev.PauseRequested("later"))
    rig.run()
    assert rig.secc.ticket is not None
    assert rig.evcc.ticket is not None
    said = of_iso2.Heard()
    tickets: dict[str, Any] = {"paused": (rig.secc.ticket,), "resume": rig.evcc.ticket}
    again = of_iso2.spoken(said, now=3600.0, **tickets, **options, **SOON)
    heard = Heard(again)
    charged(again)
    assert [body.response_code.value for body in said.of(iso2.SessionSetupRes)] == ["OK_OldSessionJoined"]
    assert selected(said) == [(1, None), *IN_ISO2]
    assert [one.services for one in heard.of("evcc", act.ServicesSelected)] == [TAKEN, ()]
