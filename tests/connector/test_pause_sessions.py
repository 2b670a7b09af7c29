"""A charge with a pause in it, from plug-in to unplug in virtual time: who may go on, who begins
anew, and nobody is stranded.

The pairs' safety monitors watch everything; messages travel as bytes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from iso15118.connector import Phase
from iso15118.link.primitives import DLinkReady, ShowState, WakeUp
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification
from iso15118.session.actions import EndReason
from iso15118.session.events import PauseRequested, StopRequested
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.ticket import EvccTicket, SeccTicket
from iso15118.testing.plugged import PluggedPair
from tests.connector.rig import plugged

PAUSED = (Phase.PAUSED, Phase.PAUSED)
SESSION = (Phase.SESSION, Phase.SESSION)
FINISHED = (Phase.FINISHED, Phase.FINISHED)
LINKS = ("slac", "spe")
BEFORE_ENERGY = [
    "AuthorizationSetup",
    "Authorization",
    "ServiceDiscovery",
    "ServiceDetail",
    "ServiceSelection",
]


class Log:
    """The messages that went over the line, in order."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def __call__(self, sender: str, message: object, now: float) -> None:
        self.messages.append(message)

    def last(self, kind: type) -> Any:
        return [message for message in self.messages if type(message) is kind][-1]


def ended(rig: PluggedPair) -> tuple[EndReason | None, EndReason | None]:
    pair = rig.pairs[-1]
    sides = (pair.secc.ended, pair.evcc.ended)
    return tuple(end.reason if end is not None else None for end in sides)  # type: ignore[return-value]


def paused(
    kind: str = "slac", *, loops: int = 20, secure: bool = True, **options: Any
) -> tuple[PluggedPair, Log]:
    """Plugged in, charged for a while, paused, and asleep for an hour."""
    log = Log()
    rig = plugged(kind, target_soc=60, on_message=log, secure=secure, **options)
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.pair is not None and rig.pair.loops >= loops), rig.phases()
    rig.pairs[-1].tell_evcc(PauseRequested("a better price"))
    assert rig.run(30.0, lambda: rig.phases() == PAUSED), rig.phases()
    assert ended(rig) == (EndReason.PAUSED, EndReason.PAUSED)
    assert rig.safe
    assert log.last(cm.SessionStopReq).charging_session is cm.ChargingSession.Pause
    rig.run(3600.0)
    assert rig.phases() == PAUSED
    assert rig.safe
    return rig, log


def go_on(rig: PluggedPair) -> None:
    """Wake up, charge to the end, and unplug."""
    sessions = len(rig.pairs)
    rig.tell(rig.evcc, WakeUp())
    assert rig.run(1800.0, lambda: rig.phases() == FINISHED), rig.phases()
    assert len(rig.pairs) == sessions + 1, "no second try"
    assert ended(rig)[1] is EndReason.STOPPED_BY_EV
    assert rig.pairs[-1].loops > 10
    assert rig.safe
    rig.unplug()
    rig.run(2.0)
    assert rig.phases() == (Phase.UNPLUGGED, Phase.UNPLUGGED)


def joined(rig: PluggedPair, log: Log, old: bytes) -> bool:
    """Whether the last pair went on with that session; both sides agree on it, and on what it means."""
    pair = rig.pairs[-1]
    code = log.last(cm.SessionSetupRes).response_code.value
    same = pair.secc.session_id == old
    assert pair.evcc.session_id == pair.secc.session_id != bytes(8)
    assert code == ("OK_OldSessionJoined" if same else "OK_NewSessionEstablished")
    for states in (pair.secc.states, pair.evcc.states):
        assert [state for state in BEFORE_ENERGY if state in states] == ([] if same else BEFORE_ENERGY)
    return same


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda mode: mode.name)
def test_charge_pause_wake_charge_and_unplug(kind: str, mode: ControlMode) -> None:
    rig, log = paused(kind, evcc={"control_modes": (mode,)})
    (ticket,) = rig.paused
    assert rig.resume is not None
    old = rig.pairs[0].secc.session_id
    assert ticket.session_id == rig.resume.session_id == old
    assert ticket.control_mode is rig.resume.control_mode is mode
    soc = rig.vehicle.battery_state(rig.now).soc
    go_on(rig)
    assert joined(rig, log, old)
    assert log.last(cm.SessionSetupReq).header.session_id == old
    assert rig.vehicle.battery_state(rig.now).soc > max(soc, 59.5)
    assert rig.pairs[-1].secc.used_tickets == (ticket,), "a ticket is good for one time"


def test_the_station_wakes_the_vehicle_up_and_the_tickets_come_from_a_file() -> None:
    rig, log = paused("slac")
    old = rig.pairs[0].secc.session_id
    assert rig.resume is not None
    rig.paused = [SeccTicket.from_bytes(ticket.to_bytes()) for ticket in rig.paused]
    rig.resume = EvccTicket.from_bytes(rig.resume.to_bytes())
    rig.tell(rig.secc, WakeUp())
    assert rig.run(1800.0, lambda: rig.phases() == FINISHED), rig.phases()
    assert joined(rig, log, old)
    assert ended(rig) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


@pytest.mark.parametrize("kind", LINKS)
def test_the_wake_up_is_over_before_the_vehicle_looks_for_the_station(kind: str) -> None:
    """The session is at the cable check within a tenth of a second, and the end of the wake-up
    must not take its C back."""
    rig, _ = paused(kind)
    told = len(rig.evcc.journal)
    rig.tell(rig.evcc, WakeUp())
    rig.run(1.0)
    news = [
        action.state.value if isinstance(action, ShowState) else "ready"
        for _, action in rig.evcc.journal[told:]
        if isinstance(action, ShowState) or (isinstance(action, DLinkReady) and action.link)
    ]
    assert news == ["C", "B", "ready"]
    assert rig.pairs[-1].evcc.state == "DC_CableCheck"


def test_three_pauses_in_one_plug_in() -> None:
    rig, log = paused("spe", loops=5)
    old = rig.pairs[0].secc.session_id
    for _ in range(2):
        rig.tell(rig.evcc, WakeUp())
        assert rig.run(
            60.0, lambda: rig.phases() == (Phase.SESSION, Phase.SESSION) and rig.pairs[-1].loops >= 5
        )
        rig.pairs[-1].tell_evcc(PauseRequested("again"))
        assert rig.run(30.0, lambda: rig.phases() == PAUSED)
        assert len(rig.paused) == 1, "the old ticket made room for the new one"
        assert joined(rig, log, old)
    go_on(rig)
    assert joined(rig, log, old)


def _other_vehicle(rig: PluggedPair) -> None:
    rig.leaves = (b"station", b"another vehicle")


def _other_station(rig: PluggedPair) -> None:
    rig.leaves = (b"another station", b"vehicle")


def _other_name(rig: PluggedPair) -> None:
    rig.paused = [msgspec.structs.replace(ticket, evccid="WVWV000000000000000") for ticket in rig.paused]


def _wrong_id(rig: PluggedPair) -> None:
    assert rig.resume is not None
    leaf = rig.leaves[0]
    from iso15118.session.secured import TlsPeer
    from iso15118.session.ticket import peer_binding

    wrong = b"\x77" * 8
    tied = peer_binding(wrong, TlsPeer(version="TLSv1.3", peer_chain=(leaf,)))
    rig.resume = msgspec.structs.replace(rig.resume, session_id=wrong, binding=tied)


def _forgot(rig: PluggedPair) -> None:
    rig.paused = []


def _vehicle_forgot(rig: PluggedPair) -> None:
    rig.resume = None


def _expired_there(rig: PluggedPair) -> None:
    rig.paused = [msgspec.structs.replace(ticket, valid_s=3599.0) for ticket in rig.paused]


def _expired_here(rig: PluggedPair) -> None:
    assert rig.resume is not None
    rig.resume = msgspec.structs.replace(rig.resume, valid_s=3599.0)


def _not_offered_any_more(rig: PluggedPair) -> None:
    sets = rig.paused[0].parameter_set
    assert sets is not None
    rig.paused = [
        msgspec.structs.replace(rig.paused[0], parameter_set=msgspec.structs.replace(sets, connector=4))
    ]


def _other_wishes(rig: PluggedPair) -> None:
    assert rig.resume is not None
    rig.resume = msgspec.structs.replace(rig.resume, control_mode=ControlMode.DYNAMIC)


def _without_its_contract(rig: PluggedPair) -> None:
    assert rig.resume is not None
    rig.resume = msgspec.structs.replace(rig.resume, emaid="DE8AAC123456789")


NAMED = (_other_vehicle, _other_name, _wrong_id, _forgot, _expired_there, _not_offered_any_more)
"""The vehicle names the old session, and the station does not join it."""
UNNAMED = (_other_station, _vehicle_forgot, _expired_here, _other_wishes, _without_its_contract)
"""The vehicle does not even name it."""
KEPT = (_other_vehicle, _other_name)
"""Strangers: they do not cost the one who paused his session."""


@pytest.mark.parametrize("change", NAMED + UNNAMED, ids=lambda change: change.__name__)
def test_who_cannot_go_on_begins_anew(change: Callable[[PluggedPair], None]) -> None:
    rig, log = paused("slac")
    old = rig.pairs[0].secc.session_id
    before = list(rig.paused)
    change(rig)
    tickets = list(rig.paused)
    named = rig.resume.session_id if rig.resume is not None else bytes(8)
    go_on(rig)
    assert not joined(rig, log, old)
    assert log.last(cm.SessionSetupReq).header.session_id == (named if change in NAMED else bytes(8))
    spent = rig.pairs[-1].secc.used_tickets
    assert spent == (() if change in KEPT else tuple(tickets))
    assert before


@pytest.mark.parametrize("takes", [True, False])
def test_a_station_asks_for_a_pause(takes: bool) -> None:
    log = Log()
    rig = plugged("slac", target_soc=60, on_message=log, evcc={"pause_if_asked": takes})
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.pair is not None and rig.pair.loops >= 5)
    rig.pairs[-1].tell_secc(PauseRequested("no power until eight"))
    assert rig.run(30.0, lambda: rig.phases() in (PAUSED, FINISHED))
    assert (rig.phases() == PAUSED) is takes
    asked = [message.evse_status for message in log.messages if type(message) is dc.DCChargeLoopRes]
    assert asked[-1] is not None
    assert asked[-1].evse_notification is EvseNotification.Pause
    assert asked[-1].notification_max_delay <= 60
    if takes:
        old = rig.pairs[0].secc.session_id
        rig.tell(rig.secc, WakeUp())
        assert rig.run(1800.0, lambda: rig.phases() == FINISHED)
        assert joined(rig, log, old)


def test_after_an_unplug_nothing_is_gone_on_with() -> None:
    rig, log = paused("slac")
    old = rig.pairs[0].secc.session_id
    rig.unplug()
    rig.run(5.0)
    rig.plug_in()
    assert rig.run(1800.0, lambda: rig.phases() == FINISHED), rig.phases()
    assert not joined(rig, log, old)


@pytest.mark.parametrize("kind", LINKS)
def test_a_pause_that_is_refused_ends_the_session_and_leaves_nothing(kind: str) -> None:
    log = Log()
    rig = plugged(kind, target_soc=60, on_message=log, secc={"allow_pause": False})
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.pair is not None and rig.pair.loops >= 5)
    rig.pairs[-1].tell_evcc(PauseRequested("a better price"))
    assert rig.run(60.0, lambda: Phase.SESSION not in rig.phases() and rig.pairs[-1].done)
    assert ended(rig) == (EndReason.REFUSED, EndReason.REFUSED)
    assert log.last(cm.SessionStopRes).response_code.value == "FAILED_PauseNotAllowed"
    assert rig.safe
    rig.run(60.0)
    assert (rig.paused, rig.resume, len(rig.pairs)) == ([], None, 1)


def test_without_tls_a_laboratory_goes_by_the_names() -> None:
    plain = {"allow_plaintext": True}
    rig, log = paused("slac", secure=False, secc=plain, evcc=plain)
    old = rig.pairs[0].secc.session_id
    assert rig.paused[0].binding == b""
    go_on(rig)
    assert joined(rig, log, old)


def test_what_was_paused_over_tls_is_not_gone_on_with_in_the_open() -> None:
    plain = {"allow_plaintext": True}
    rig, log = paused("slac", secc=plain, evcc=plain)
    old = rig.pairs[0].secc.session_id
    rig._secure = False
    go_on(rig)
    assert not joined(rig, log, old)


def test_a_wish_to_pause_before_power_needs_none() -> None:
    log = Log()
    rig = plugged("spe", target_soc=60, on_message=log)
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.pair is not None and rig.pair.evcc.state == "ServiceDetail")
    rig.pairs[-1].tell_evcc(PauseRequested("not yet"))
    assert rig.run(30.0, lambda: rig.phases() == PAUSED), rig.phases()
    assert "DC_CableCheck" not in rig.pairs[-1].evcc.states
    assert rig.pairs[-1].loops == 0
    old = rig.pairs[-1].secc.session_id
    rig.run(60.0)
    go_on(rig)
    assert joined(rig, log, old)


def test_a_wish_to_stop_outweighs_one_to_pause() -> None:
    rig = plugged("slac", target_soc=60)
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.pair is not None and rig.pair.loops >= 5)
    rig.pairs[-1].tell_evcc(PauseRequested("a better price"))
    rig.pairs[-1].tell_evcc(StopRequested("the driver leaves"))
    assert rig.run(60.0, lambda: rig.phases() == FINISHED), rig.phases()
    assert ended(rig) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    assert (rig.paused, rig.resume) == ([], None)


def test_a_station_that_ends_the_session_is_not_asked_for_a_pause() -> None:
    rig = plugged("slac", target_soc=60)
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.pair is not None and rig.pair.loops >= 5)
    rig.pairs[-1].tell_secc(StopRequested("closing time"))
    assert rig.run(10.0, lambda: rig.pairs[-1].evcc.state == "PowerDelivery")
    rig.pairs[-1].tell_evcc(PauseRequested("a better price"))
    assert rig.run(60.0, lambda: rig.phases() == FINISHED), rig.phases()
    assert ended(rig) == (EndReason.STOPPED_BY_STATION, EndReason.STOPPED_BY_STATION)


def test_a_bidirectional_session_goes_on_in_both_directions() -> None:
    rig, log = paused("spe", service=ServiceID.MCS_BPT)
    old = rig.pairs[0].secc.session_id
    rig.tell(rig.evcc, WakeUp())
    assert rig.run(60.0, lambda: rig.phases() == (Phase.SESSION, Phase.SESSION) and rig.pairs[-1].loops >= 5)
    from iso15118.session.events import SetPointChanged

    rig.pairs[-1].tell_secc(SetPointChanged(-50_000.0))
    assert rig.run(30.0, lambda: rig.station.circuit.current_a < -10.0)
    assert joined(rig, log, old)


@pytest.mark.parametrize("kind", LINKS)
def test_an_answer_that_is_lost_makes_no_pause_and_the_station_can_wake_the_vehicle_up(kind: str) -> None:
    def swallow(sender: str, message: object, now: float) -> bool:
        return type(message) is not cm.SessionStopRes

    rig = plugged(kind, target_soc=60, on_message=swallow)
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.pair is not None and rig.pair.loops >= 5)
    rig.pairs[-1].tell_evcc(PauseRequested("a better price"))
    rig.run(120.0)
    assert ended(rig) == (EndReason.PAUSED, EndReason.PEER_VANISHED)
    assert rig.safe
    assert rig.resume is None
    old = rig.pairs[0].secc.session_id
    rig.tell(rig.secc, WakeUp())
    assert rig.run(200.0, lambda: len(rig.pairs) > 1 and rig.pairs[-1].loops >= 5), rig.phases()
    assert rig.pairs[-1].secc.session_id != old


@pytest.mark.parametrize(("kind", "seed"), [("slac", 1), ("spe", 2)])
def test_pause_after_pause_with_tickets_that_are_stale_or_forgotten(kind: str, seed: int) -> None:
    """CYCLES=500 in the environment makes it a long run."""
    draw = random.Random(seed)
    log = Log()
    rig = plugged(kind, target_soc=100, on_message=log)
    rig.vehicle.battery.capacity_wh = 1e9
    rig.plug_in()
    old: list[EvccTicket] = []
    outcomes: set[bool] = set()
    for _ in range(int(os.environ.get("CYCLES", "20"))):
        assert rig.run(60.0, lambda: rig.phases() == SESSION and rig.pairs[-1].loops >= 3), rig.phases()
        log.messages.clear()
        rig.pairs[-1].tell_evcc(PauseRequested("again"))
        assert rig.run(30.0, lambda: rig.phases() == PAUSED), rig.phases()
        assert rig.safe
        assert len(rig.paused) == 1
        assert rig.resume is not None
        old.append(rig.resume)
        what = draw.choice(("keep", "stale", "forget"))
        if what == "stale":
            rig.resume = draw.choice(old)
        elif what == "forget":
            rig.paused = []
        named = rig.resume.session_id
        fits = named in [ticket.session_id for ticket in rig.paused]
        rig.run(draw.choice((0.0, 1.0, 600.0)))
        rig.tell(draw.choice(rig.sides), WakeUp())
        assert rig.run(60.0, lambda: rig.phases() == SESSION), rig.phases()
        assert (rig.pairs[-1].secc.session_id == named) is fits
        outcomes.add(fits)
    assert outcomes == {True, False}
