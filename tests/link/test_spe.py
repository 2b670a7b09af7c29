"""Single-pair Ethernet of MCS: both ends with their plug in virtual time, budgets
and timers at their edges."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from iso15118.errors import ConfigError
from iso15118.link.primitives import (
    DataLink,
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    LinkNote,
    LinkReported,
    LinkState,
    PowerOn,
    ShowState,
    WakeUp,
)
from iso15118.link.spe.ev import EvSpe
from iso15118.link.spe.evse import EvseSpe
from iso15118.link.spe.settings import SpeSettings
from iso15118.link.spe.signalling import (
    CeAndId,
    CeChanged,
    CeState,
    IdChanged,
    IdState,
    SetPhy,
    SetS3,
    as_signal,
)
from iso15118.session.actions import Action
from iso15118.session.events import Event, SignalState
from iso15118.simulation.mcs_plug import CePlug


class Mcs:
    """A station and a vehicle with an MCS plug."""

    def __init__(self, *, link_s: float = 1.2, settings: SpeSettings | None = None) -> None:
        self.now = 0.0
        self.plug = CePlug(link_s=link_s)
        self.station, self.vehicle = EvseSpe(settings), EvSpe(settings)
        self.ready = {"station": False, "vehicle": False}
        self.journal: list[tuple[float, str, Action]] = []
        self._queue: deque[tuple[str, Event]] = deque()
        self._busy = False
        self.plug.to_station = lambda event: self.tell("station", event)
        self.plug.to_vehicle = lambda event: self.tell("vehicle", event)
        for side in self.ready:
            self.tell(side, PowerOn())

    def machine(self, side: str) -> EvseSpe | EvSpe:
        return self.station if side == "station" else self.vehicle

    def tell(self, side: str, event: Event) -> None:
        self._queue.append((side, event))
        if self._busy:
            return
        self._busy = True
        while self._queue:
            who, what = self._queue.popleft()
            self.perform(who, self.machine(who).handle(what, self.now))
        self._busy = False

    def both(self, event: Event) -> None:
        for side in self.ready:
            self.tell(side, event)

    def perform(self, side: str, actions: list[Action]) -> None:
        for action in actions:
            self.journal.append((round(self.now, 6), side, action))
            if isinstance(action, SetS3):
                self.plug.set_s3(action.closed, self.now)
            elif isinstance(action, SetPhy):
                self.plug.set_phy(side, action.up, self.now)
            elif isinstance(action, ShowState):
                self.plug.set_v3(action.state is SignalState.C, self.now)
            elif isinstance(action, DLinkReady):
                self.ready[side] = action.link

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        end = self.now + seconds
        while until is None or not until():
            times = [self.station.deadline, self.vehicle.deadline, self.plug.deadline]
            at = min((time for time in times if time is not None), default=None)
            if at is None or at > end:
                self.now = end
                return until is not None and until()
            self.now = max(self.now, at)
            self.plug.advance(self.now)
            for side in self.ready:
                due = self.machine(side).deadline
                if due is not None and due <= self.now:
                    self.perform(side, self.machine(side).handle_timeout(self.now))
        return True

    @property
    def linked(self) -> bool:
        return all(self.ready.values())

    def connect(self) -> float:
        start = self.now
        self.plug.plug_in(self.now)
        assert self.run(20.0, lambda: self.linked), self.notes()
        return self.now - start

    def notes(self) -> list[str]:
        return [action.text for _, _, action in self.journal if isinstance(action, LinkNote)]

    def switchings(self, since: float) -> list[tuple[float, bool]]:
        return [
            (round(at - since, 6), a.closed)
            for at, _, a in self.journal
            if isinstance(a, SetS3) and at >= since
        ]


def test_both_machines_are_data_links() -> None:
    assert isinstance(EvseSpe(), DataLink)
    assert isinstance(EvSpe(), DataLink)


def test_from_plug_in_to_ready() -> None:
    mcs = Mcs()
    assert mcs.connect() == pytest.approx(1.2)
    assert mcs.station.state is mcs.vehicle.state is LinkState.MATCHED
    assert mcs.plug.ce is CeState.B


@pytest.mark.parametrize("link_first", [True, False])
@pytest.mark.parametrize("machine", [EvseSpe, EvSpe])
def test_link_and_b_may_come_in_either_order(machine: type[EvseSpe | EvSpe], link_first: bool) -> None:
    end = machine()
    end.handle(PowerOn(), 0.0)
    end.handle(CeChanged(CeState.B0), 0.0)
    steps: list[Event] = [LinkReported(True), CeChanged(CeState.B)]
    first, second = steps if link_first else reversed(steps)
    assert DLinkReady(True) not in end.handle(first, 1.0)
    assert DLinkReady(True) in end.handle(second, 2.0)


def test_a_link_at_the_edge_of_tt_ev_link_detect() -> None:
    assert Mcs(link_s=3.999).connect() == pytest.approx(3.999)
    late = Mcs(link_s=4.001, settings=SpeSettings(retry_setup=False))
    late.plug.plug_in(0.0)
    assert not late.run(60.0, lambda: late.linked)
    assert late.station.state is late.vehicle.state is LinkState.UNMATCHED
    assert late.plug.ce is CeState.B0
    assert "no link within TT_EV_link_detect" in late.notes()


def test_a_shorter_detection_is_repeated_within_the_window() -> None:
    settings = SpeSettings(tt_ev_link_detect=1.5, retry_setup=False)
    evse = EvseSpe(settings)
    evse.handle(PowerOn(), 0.0)
    evse.handle(CeChanged(CeState.B0), 0.0)
    repeats = []
    while (at := evse.deadline) is not None:
        repeats.append((at, SetPhy(True) in evse.handle_timeout(at)))
    assert repeats == [(1.5, True), (3.0, True), (4.5, False)]
    assert evse.state is LinkState.UNMATCHED


@pytest.mark.parametrize(
    ("detect_s", "attempts"), [(2.0, [(2.0, True), (4.0, False)]), (3.999, [(3.999, True), (7.998, False)])]
)
def test_the_window_for_repetitions_is_tt_sync_repetition(
    detect_s: float, attempts: list[tuple[float, bool]]
) -> None:
    evse = EvseSpe(SpeSettings(tt_ev_link_detect=detect_s, retry_setup=False))
    evse.handle(PowerOn(), 0.0)
    evse.handle(CeChanged(CeState.B0), 0.0)
    seen = []
    while (at := evse.deadline) is not None:
        seen.append((at, SetPhy(True) in evse.handle_timeout(at)))
    assert seen == attempts


@pytest.mark.parametrize("back_s", [3.999, 4.001])
@pytest.mark.parametrize("machine", [EvseSpe, EvSpe])
def test_after_a_pause_the_link_is_waited_for_until_t_conn_resume(
    machine: type[EvseSpe | EvSpe], back_s: float
) -> None:
    end = machine()
    end.handle(PowerOn(), 0.0)
    for event in (
        CeChanged(CeState.B),
        LinkReported(True),
        DLinkPause(),
        LinkReported(False),
        CeChanged(CeState.B0),
    ):
        end.handle(event, 1.0)
    end.handle(WakeUp(), 100.0)
    end.handle(CeChanged(CeState.B), 100.0)
    late: list[Action] = []
    while (at := end.deadline) is not None and at <= 100.0 + back_s:
        late += end.handle_timeout(at)
    if back_s < 4.0:
        assert DLinkReady(True) in end.handle(LinkReported(True), 100.0 + back_s)
    else:
        assert any(
            "after a pause" in a.text or "after the pause" in a.text for a in late if isinstance(a, LinkNote)
        )
        assert DLinkReady(True) not in end.handle(LinkReported(True), 100.0 + back_s)


def test_a_lost_link_is_restarted_by_the_station_after_the_guard_time() -> None:
    mcs = Mcs()
    mcs.connect()
    lost = mcs.now
    mcs.plug.break_wires(lost)
    assert not any(mcs.ready.values())
    mcs.plug.break_wires(lost, mend=True)
    assert mcs.run(10.0, lambda: mcs.linked)
    assert mcs.switchings(lost) == [(0.0, False), (3.0, True)]


def test_the_budget_of_restarts_is_for_one_plug_in() -> None:
    mcs = Mcs()
    mcs.connect()
    for _ in range(3):
        mcs.plug.break_wires(mcs.now)
        mcs.plug.break_wires(mcs.now, mend=True)
        assert mcs.run(10.0, lambda: mcs.linked)
    mcs.plug.break_wires(mcs.now)
    mcs.plug.break_wires(mcs.now, mend=True)
    assert not mcs.run(60.0, lambda: mcs.linked)
    assert "no restart left after the loss of the link" in mcs.notes()
    mcs.plug.unplug(mcs.now)
    mcs.run(1.0)
    assert mcs.connect() < 2.0


def test_a_link_that_came_up_may_give_the_restarts_back() -> None:
    mcs = Mcs(settings=SpeSettings(refund_retries=True))
    mcs.connect()
    for _ in range(10):
        mcs.plug.break_wires(mcs.now)
        mcs.plug.break_wires(mcs.now, mend=True)
        assert mcs.run(10.0, lambda: mcs.linked)


def test_after_an_error_the_station_starts_again_and_the_vehicle_waits() -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.plug.set_v3(True, mcs.now)
    failed = round(mcs.now, 6)
    mcs.tell("vehicle", DLinkError())
    assert (failed, "vehicle", ShowState(SignalState.B)) in mcs.journal  # at once, within TP_sync_leave
    mcs.tell("station", DLinkError())
    assert not any(mcs.ready.values())
    assert mcs.run(10.0, lambda: mcs.linked)
    assert mcs.switchings(failed) == [(0.0, False), (3.0, True)]


def test_terminate_ends_it_until_the_next_plug_in() -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.both(DLinkTerminate())
    assert not mcs.run(120.0, lambda: any(mcs.ready.values()))
    mcs.plug.unplug(mcs.now)
    mcs.run(0.1)
    assert mcs.connect() < 2.0


@pytest.mark.parametrize("late_s", [0.0, 0.49])
def test_a_vehicle_may_ask_for_the_pause_after_the_station(late_s: float) -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.tell("station", DLinkPause())
    mcs.run(late_s)
    mcs.tell("vehicle", DLinkPause())
    mcs.run(60.0)
    assert mcs.vehicle.state is LinkState.MATCHED


def test_a_vehicle_that_does_not_pause_takes_an_open_s3_for_the_end_of_the_link() -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.tell("station", DLinkPause())
    mcs.run(0.49)
    assert mcs.ready["vehicle"]
    mcs.run(0.02)
    assert not mcs.ready["vehicle"]


@pytest.mark.parametrize("waker", ["station", "vehicle"])
def test_pause_survives_the_loss_of_the_carrier_and_either_side_wakes_up(waker: str) -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.both(DLinkPause())
    mcs.plug.break_wires(mcs.now)
    mcs.run(600.0)
    mcs.plug.break_wires(mcs.now, mend=True)
    assert mcs.station.state is mcs.vehicle.state is LinkState.MATCHED
    mcs.ready = {"station": False, "vehicle": False}
    woken = mcs.now
    mcs.tell(waker, WakeUp())
    assert mcs.run(4.0, lambda: mcs.linked), mcs.journal
    mcs.run(1.0)
    assert mcs.plug.ce is CeState.B
    pulses = [
        (round(at - woken, 6), a.state)
        for at, _, a in mcs.journal
        if isinstance(a, ShowState) and at >= woken
    ]
    assert pulses == ([(0.0, SignalState.C), (0.3, SignalState.B)] if waker == "vehicle" else [])


def test_a_link_that_does_not_come_back_after_a_pause_is_restarted() -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.both(DLinkPause())
    mcs.plug.break_wires(mcs.now)
    mcs.run(10.0)
    mcs.ready = {"station": False, "vehicle": False}
    mcs.tell("station", WakeUp())
    mcs.run(4.5)
    mcs.plug.break_wires(mcs.now, mend=True)
    assert mcs.run(10.0, lambda: mcs.linked), mcs.notes()


def test_an_emergency_shutdown_ends_the_link() -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.plug.set_v3(True, mcs.now)
    assert mcs.linked
    mcs.plug.set_s3(False, mcs.now)  # firmware, within 10 ms, without asking
    assert not any(mcs.ready.values())
    assert "emergency shutdown" in mcs.notes()


@pytest.mark.parametrize("step", range(25))
def test_unplugged_at_any_moment_both_are_free_and_connect_again(step: int) -> None:
    mcs = Mcs()
    mcs.plug.plug_in(0.0)
    mcs.run(step * 0.1)
    mcs.plug.unplug(mcs.now)
    mcs.run(0.1)
    assert mcs.station.state is mcs.vehicle.state is LinkState.UNMATCHED
    assert not any(mcs.ready.values())
    assert mcs.station.deadline is None
    assert mcs.vehicle.deadline is None
    assert mcs.connect() == pytest.approx(1.2)


@pytest.mark.parametrize("fault", [CeState.E, CeState.INVALID])
def test_a_fault_of_ce_ends_the_link_at_once_and_is_no_unplug(fault: CeState) -> None:
    for end in (EvseSpe(), EvSpe()):
        end.handle(PowerOn(), 0.0)
        end.handle(CeChanged(CeState.B), 0.0)
        assert DLinkReady(True) in end.handle(LinkReported(True), 0.1)
        actions = end.handle(CeChanged(fault), 1.0)
        assert DLinkReady(False) in actions
        assert SetPhy(False) not in actions
    assert SetPhy(False) in EvSpe().handle(PowerOn(), 0.0)


def test_upper_layers_see_ce_as_a_control_pilot() -> None:
    seen = {state.value: as_signal(state).value for state in CeState}
    assert seen == {
        "A": "A",
        "B0": "B",
        "B0_Aux": "B",
        "B": "B",
        "B_Aux": "B",
        "C": "C",
        "C_Aux": "C",
        "EC": "F",
        "EC_Aux": "F",
        "E": "E",
        "invalid": "E",
    }


def test_settings_that_cannot_work_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"spe\.c_conn_retry"):
        SpeSettings(c_conn_retry=4)
    with pytest.raises(ConfigError, match=r"spe\.restart_guard"):
        SpeSettings(restart_guard=0.0)


def test_ce_and_id_together_are_one_state_of_ce() -> None:
    both = CeAndId()
    assert both.changed(CeChanged(CeState.B)) == CeChanged(CeState.B), "nobody says anything about ID"
    assert both.changed(IdChanged(IdState.MATED)) is None
    assert both.changed(IdChanged(IdState.LIVE)) is None
    assert both.changed(IdChanged(IdState.INVALID)) == CeChanged(CeState.INVALID)
    assert both.changed(CeChanged(CeState.C)) is None, "still no contact to rely on"
    assert both.changed(IdChanged(IdState.AUX)) == CeChanged(CeState.C)
    assert both.changed(IdChanged(IdState.UNMATED)) == CeChanged(CeState.INVALID), "one contradicts the other"
    assert both.changed(CeChanged(CeState.E)) == CeChanged(CeState.E), "CE says more"
    assert both.changed(CeChanged(CeState.A)) == CeChanged(CeState.A)
    assert both.changed(IdChanged(IdState.NOT_PRESENT)) is None
    assert both.changed(CeChanged(CeState.B0)) is None, "a plug that goes in may have CE before ID"
    assert both.changed(IdChanged(IdState.MATED)) == CeChanged(CeState.B0)
