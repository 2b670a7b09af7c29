"""A mind that is changed in mid-session in the older editions: what ISO 15118-2 has words for is done, by
either side and for both kinds of current, and the rest is told to whoever asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.iso2.settings import Iso2EvccSettings
from iso15118.messages import iso2
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.services import ControlMode, ServiceID
from iso15118.testing import Pair
from tests.pair.ac_rig import ac_pair
from tests.pair.rig import pair


class Session:
    """One in its charge loop, with what was said and told. ``begun``: what the vehicle is told as soon as it
    is connected."""

    def __init__(
        self, edition: str, kind: str = "dc", *, begun: tuple[ev.Event, ...] = (), **options: Any
    ) -> None:
        self.said: list[Any] = []
        self.news: list[tuple[str, act.Notify]] = []
        spoken: dict[str, Any] = {
            "secc": {"editions": (edition,)},
            "evcc": {"editions": (edition,)},
            "secure": False,
        }
        spoken |= {"on_message": self._heard, "on_news": self._told} | options
        self.rig: Pair
        if kind == "dc":
            self.rig = pair(ServiceID.DC, ControlMode.SCHEDULED, **spoken)
        else:
            self.rig = ac_pair(ServiceID.AC, ControlMode.SCHEDULED, **spoken)
        self.rig.start()
        for event in begun:
            self.rig.tell_evcc(event)
        self.rig.run(until=lambda: self.rig.loops >= 20)

    def _heard(self, sender: str, message: Any, now: float) -> None:
        body = getattr(message, "body", None)
        if body is not None:
            self.said.append(body.body_element)

    def _told(self, role: str, news: act.Notify, now: float) -> None:
        self.news.append((role, news))

    def of(self, kind: type, role: str) -> list[Any]:
        return [one for who, one in self.news if who == role and isinstance(one, kind)]

    def progresses(self) -> list[str]:
        return [one.charge_progress.value for one in self.said if isinstance(one, iso2.PowerDeliveryReq)]

    def go_on(self, seconds: float = 60.0) -> None:
        until = self.rig.now + seconds
        self.rig.run(until=lambda: self.rig.now >= until)


kinds = pytest.mark.parametrize("kind", ["dc", "ac"])


@kinds
@pytest.mark.parametrize("asked_by", ["evcc", "secc"])
def test_another_schedule_is_agreed_on_once(kind: str, asked_by: str) -> None:
    one = Session("iso2", kind)
    tell = one.rig.tell_evcc if asked_by == "evcc" else one.rig.tell_secc
    tell(ev.ScheduleRenegotiationRequested("a better price"))
    one.go_on()
    assert one.progresses()[:3] == ["Start", "Renegotiate", "Start"]
    assert one.progresses().count("Renegotiate") == 1
    for role in ("secc", "evcc"):
        assert one.of(act.ScheduleRenegotiated, role) == [act.ScheduleRenegotiated(beside=False, agreed=True)]
    one.rig.run()


@kinds
def test_a_driver_who_changes_his_mind_has_another_schedule(kind: str) -> None:
    one = Session("iso2", kind)
    one.rig.tell_evcc(ev.NeedsChanged(departure_s=3600.0))
    one.go_on()
    assert one.progresses()[:3] == ["Start", "Renegotiate", "Start"]
    told = [body for body in one.said if isinstance(body, iso2.ChargeParameterDiscoveryReq)]
    assert told[0].ev_charge_parameter.departure_time is None
    assert 3590 <= (told[-1].ev_charge_parameter.departure_time or 0) <= 3600
    assert one.of(act.ChargingNeeds, "secc")[-1].departure_s == told[-1].ev_charge_parameter.departure_time


@kinds
def test_a_mind_that_is_changed_before_the_schedule_needs_no_other_one(kind: str) -> None:
    one = Session(
        "iso2", kind, begun=(ev.NeedsChanged(departure_s=7200.0), ev.ScheduleRenegotiationRequested("early"))
    )
    one.go_on()
    assert one.progresses()[:2] != ["Start", "Renegotiate"]


@kinds
def test_a_vehicle_that_does_not_follow_is_not_waited_for(kind: str) -> None:
    never = Iso2EvccSettings(most_renegotiations=0)
    one = Session("iso2", kind, evcc={"editions": ("iso2",), "iso2": never})
    one.rig.tell_secc(ev.ScheduleRenegotiationRequested("a better price"))
    one.go_on(40.0)
    (told,) = one.of(act.ScheduleRenegotiated, "secc")
    assert (told.agreed, told.reason) == (False, "the vehicle did not ask for another schedule in time")
    assert one.progresses() == ["Start"]


UNSAID = [
    ("iso2", "dc", "evcc", ev.StandbyRequested("later"), "standby"),
    ("iso2", "ac", "evcc", ev.ServiceRenegotiationRequested("x"), "service-renegotiation"),
    ("iso2", "dc", "secc", ev.ServiceRenegotiationRequested("x"), "service-renegotiation"),
    ("iso2", "ac", "secc", ev.PauseRequested("x"), "pause"),
    ("din", "dc", "evcc", ev.StandbyRequested("later"), "standby"),
    ("din", "dc", "evcc", ev.ScheduleRenegotiationRequested("x"), "schedule-renegotiation"),
    ("din", "dc", "secc", ev.ScheduleRenegotiationRequested("x"), "schedule-renegotiation"),
    ("din", "dc", "secc", ev.PauseRequested("x"), "pause"),
]


@pytest.mark.parametrize(("edition", "kind", "role", "event", "name"), UNSAID, ids=str)
def test_what_an_edition_has_no_words_for_is_told_to_who_asked(
    edition: str, kind: str, role: str, event: ev.Event, name: str
) -> None:
    one = Session(edition, kind)
    tell = one.rig.tell_evcc if role == "evcc" else one.rig.tell_secc
    for _ in range(2):
        tell(event)
        one.go_on(5.0)
    assert [told.name for told in one.of(act.PeerDeviates, role)] == [name]
    assert not one.rig.done


def test_who_leaves_from_a_negotiation_does_so_without_current() -> None:
    one = Session("iso2", "ac")
    one.rig.tell_evcc(ev.ScheduleRenegotiationRequested("a better price"))
    one.rig.run(until=lambda: "Renegotiate" in one.progresses())
    station: Any = one.rig.station
    assert station.measure(one.rig.now).total_w < 1_000.0
    one.rig.tell_evcc(ev.StopRequested("enough"))
    one.rig.run()
    one.rig.let_pass(3.0)
    assert not one.rig.station.outlet.closed


@kinds
def test_a_wish_has_all_of_its_time_whatever_was_asked_before(kind: str) -> None:
    never = Iso2EvccSettings(most_renegotiations=0)
    one = Session("iso2", kind, evcc={"editions": ("iso2",), "iso2": never})
    one.rig.tell_secc(ev.PlanChanged(plans=(((86_400.0, 9_000.0),),)))
    one.go_on(20.0)  # the station asks of itself
    one.rig.tell_secc(ev.ScheduleRenegotiationRequested("a better price"))
    one.go_on(20.0)
    assert one.of(act.ScheduleRenegotiated, "secc") == []
    one.go_on(20.0)
    assert [told.agreed for told in one.of(act.ScheduleRenegotiated, "secc")] == [False]
