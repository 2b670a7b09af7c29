"""Faults of CE and ID are faults, with a guard time and a budget, and no unplug; a set-up
that is late is tried again."""

from __future__ import annotations

import pytest

from iso15118.link.primitives import (
    DLinkReady,
    DLinkTerminate,
    LinkReported,
    LinkState,
    PowerOn,
    Restart,
    ShowState,
)
from iso15118.link.spe.ev import EvSpe
from iso15118.link.spe.evse import EvseSpe
from iso15118.link.spe.settings import SpeSettings
from iso15118.link.spe.signalling import CeChanged, CeState, SetS3
from iso15118.session.actions import Action
from iso15118.session.events import SignalState

from .test_spe import Mcs

FAULTS = [CeState.E, CeState.INVALID]


def s3(steps: list[tuple[float, list[Action]]]) -> list[tuple[float, bool]]:
    return [(round(at, 3), a.closed) for at, actions in steps for a in actions if isinstance(a, SetS3)]


def linked_station(settings: SpeSettings | None = None) -> EvseSpe:
    evse = EvseSpe(settings)
    evse.handle(PowerOn(), 0.0)
    evse.handle(CeChanged(CeState.B0), 0.0)
    evse.handle(CeChanged(CeState.B), 0.0)
    assert DLinkReady(True) in evse.handle(LinkReported(True), 0.1)
    return evse


def flap(evse: EvseSpe, fault: CeState, times: int, every_s: float) -> list[tuple[float, list[Action]]]:
    """CE shows the fault for 20 ms, again and again, and otherwise what S3 makes of it."""
    steps: list[tuple[float, list[Action]]] = []
    closed, now = True, 1.0
    for _ in range(times):
        for event, length in ((fault, 0.02), (None, every_s - 0.02)):
            state = event or (CeState.B if closed else CeState.B0)
            steps.append((now, evse.handle(CeChanged(state), now)))
            end = now + length
            while (due := evse.deadline) is not None and due <= end:
                steps.append((due, evse.handle_timeout(due)))
            closed = ([closed] + [c for _, c in s3(steps)])[-1]
            now = end
    return steps


@pytest.mark.parametrize("fault", FAULTS)
def test_a_flapping_contact_closes_s3_again_after_a_quiet_guard_time_only(fault: CeState) -> None:
    evse = linked_station()
    steps = flap(evse, fault, 20, 0.2)
    assert s3(steps) == [(1.0, False)], "20 faults in 4 s"
    now = 1.0 + 20 * 0.2
    steps = []
    while (due := evse.deadline) is not None and due < now + 3.5:
        steps.append((due, evse.handle_timeout(due)))
    assert s3(steps) == [(7.82, True)], "3 s after the last fault ended"


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_use_up_the_budget_of_a_plug_in(fault: CeState) -> None:
    mcs = Mcs()
    mcs.connect()
    for _ in range(3):
        mcs.plug.disturb(fault, mcs.now)
        assert not mcs.ready["station"], "at once"
        mcs.run(0.02)
        mcs.plug.disturb(None, mcs.now)
        begun = mcs.now
        assert mcs.run(10.0, lambda: mcs.linked)
        assert mcs.now - begun == pytest.approx(3.0)
    mcs.plug.disturb(fault, mcs.now)
    mcs.run(0.02)
    mcs.plug.disturb(None, mcs.now)
    assert not mcs.run(60.0, lambda: mcs.linked)
    assert any("no restart left after state" in note for note in mcs.notes())
    mcs.plug.unplug(mcs.now)
    mcs.run(0.1)
    assert mcs.connect() < 2.0, "the next plug-in is served as ever"


def test_a_fault_that_stays_keeps_s3_open_and_its_end_is_waited_for() -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.plug.disturb(CeState.E, mcs.now)
    mcs.run(600.0)
    assert mcs.plug._s3 is False
    mcs.plug.disturb(None, mcs.now)
    begun = mcs.now
    assert mcs.run(10.0, lambda: mcs.linked)
    assert mcs.now - begun == pytest.approx(3.0)


@pytest.mark.parametrize(("length_s", "restarted"), [(0.02, False), (0.049, False), (0.051, True)])
@pytest.mark.parametrize("fault", FAULTS)
def test_while_the_link_is_set_up_a_short_fault_is_a_bouncing_contact(
    fault: CeState, length_s: float, restarted: bool
) -> None:
    mcs = Mcs()
    mcs.plug.plug_in(0.0)
    mcs.run(0.5)
    mcs.plug.disturb(fault, mcs.now)
    mcs.run(length_s)
    mcs.plug.disturb(None, mcs.now)
    assert mcs.run(10.0, lambda: mcs.linked)
    assert (mcs.now > 2.0) is restarted


def test_a_plug_that_bounces_is_one_plug_in_and_s3_closes_after_the_guard_time() -> None:
    mcs = Mcs()
    for _ in range(20):
        mcs.plug.plug_in(mcs.now)
        mcs.run(0.01)
        mcs.plug.unplug(mcs.now)
        mcs.run(0.01)
    bounced = mcs.now
    mcs.plug.plug_in(mcs.now)
    assert mcs.run(10.0, lambda: mcs.linked)
    closings = [at for at, closed in mcs.switchings(0.0) if closed]
    assert closings == [0.0, pytest.approx(bounced + 3.0)]


def test_an_emergency_shutdown_is_followed_by_the_guard_time_once_v3_is_open() -> None:
    mcs = Mcs()
    mcs.connect()
    mcs.plug.set_v3(True, mcs.now)
    mcs.plug.set_s3(False, mcs.now)  # firmware
    mcs.run(60.0)
    assert not mcs.ready["station"], "the vehicle still shows that it is ready"
    mcs.plug.set_v3(False, mcs.now)
    begun = mcs.now
    assert mcs.run(10.0, lambda: mcs.linked)
    assert mcs.now - begun == pytest.approx(3.0)


# -- a set-up that is late


@pytest.mark.parametrize(("link_s", "within_s"), [(4.5, 7.1), (6.0, 7.1), (9.0, 14.1)])
def test_a_first_set_up_that_takes_longer_than_4_s_is_tried_again(link_s: float, within_s: float) -> None:
    mcs = Mcs(link_s=link_s)
    assert mcs.connect() < within_s
    assert "restart after a set-up without link" in mcs.notes()


def test_without_a_link_it_is_over_after_the_budget_and_nobody_believes_to_be_linked() -> None:
    mcs = Mcs(link_s=1e6)
    mcs.plug.plug_in(0.0)
    mcs.run(120.0)
    closings = [at for at, closed in mcs.switchings(0.0) if closed]
    assert closings == [0.0, 7.0, 14.0, 21.0]
    assert mcs.station.state is mcs.vehicle.state is LinkState.UNMATCHED
    assert not any(mcs.ready.values())


@pytest.mark.parametrize("retry", [True, False])
def test_a_vehicle_whose_link_came_too_late_for_the_station_is_not_linked(retry: bool) -> None:
    """Only the vehicle's interface has its address in time."""
    settings = SpeSettings(retry_setup=retry)
    station, vehicle = EvseSpe(settings), EvSpe(settings)
    for end in (station, vehicle):
        end.handle(PowerOn(), 0.0)
        end.handle(CeChanged(CeState.B0), 0.0)
        end.handle(CeChanged(CeState.B), 0.0)
    assert DLinkReady(True) in vehicle.handle(LinkReported(True), 3.9)
    out = station.handle_timeout(4.0)
    assert SetS3(False) in out
    vehicle.handle(CeChanged(CeState.B0), 4.0)
    station.handle(CeChanged(CeState.B0), 4.0)
    station.handle(LinkReported(True), 5.0)
    told = [a for t in (4.5,) for a in vehicle.handle_timeout(t) if isinstance(a, DLinkReady)]
    assert told == [DLinkReady(False)]
    assert vehicle.state is LinkState.UNMATCHED
    if not retry:
        assert station.state is LinkState.UNMATCHED
        return
    assert SetS3(True) in station.handle_timeout(7.0)
    assert DLinkReady(True) in station.handle(CeChanged(CeState.B), 7.0)
    assert DLinkReady(True) in vehicle.handle(CeChanged(CeState.B), 7.0)


# -- without pulling the plug


def finished() -> Mcs:
    mcs = Mcs()
    mcs.connect()
    mcs.both(DLinkTerminate())
    mcs.run(600.0)
    assert mcs.station.state is mcs.vehicle.state is LinkState.UNMATCHED
    return mcs


def test_the_station_starts_again_when_it_is_asked_and_the_vehicle_follows() -> None:
    mcs = finished()
    begun = mcs.now
    mcs.tell("station", Restart("a tariff"))
    assert mcs.run(4.0, lambda: mcs.linked)
    assert mcs.now - begun < 2.0, "S3 has been open for longer than the guard time"


def test_the_vehicle_wakes_the_station_up_with_v3() -> None:
    mcs = finished()
    begun = mcs.now
    mcs.tell("vehicle", Restart("preconditioning"))
    assert mcs.run(4.0, lambda: mcs.linked)
    assert mcs.now - begun < 2.0
    assert mcs.plug.ce is CeState.B, "the pulse is over"
    assert "the vehicle wakes the station up" in mcs.notes()


@pytest.mark.parametrize(("length_s", "woken"), [(0.05, False), (0.3, True)])
def test_a_glitch_of_v3_wakes_nobody_up(length_s: float, woken: bool) -> None:
    mcs = finished()
    mcs.plug.set_v3(True, mcs.now)
    mcs.run(length_s)
    mcs.plug.set_v3(False, mcs.now)
    mcs.run(1.0)
    assert (mcs.station.state is not LinkState.UNMATCHED) is woken


def test_a_station_that_does_not_wake_up_is_asked_three_times() -> None:
    vehicle = EvSpe()
    vehicle.handle(PowerOn(), 0.0)
    vehicle.handle(CeChanged(CeState.B0), 0.0)
    vehicle.handle(DLinkTerminate(), 1.0)
    steps = [(2.0, vehicle.handle(Restart(), 2.0))]
    while (due := vehicle.deadline) is not None:
        steps.append((due, vehicle.handle_timeout(due)))
    shown = [
        (round(t - 2.0, 3), a.state) for t, actions in steps for a in actions if isinstance(a, ShowState)
    ]
    pulses = [(t, state) for t, state in shown if t or state is SignalState.C]
    c, b = SignalState.C, SignalState.B
    assert pulses == [(0.0, c), (0.3, b), (4.0, c), (4.3, b), (8.0, c), (8.3, b)]
    assert "does not wake up" in repr(steps[-1])


@pytest.mark.parametrize("side", ["station", "vehicle"])
def test_matched_or_not_a_restart_begins_anew_and_unplugged_it_is_nothing(side: str) -> None:
    mcs = Mcs()
    mcs.tell(side, Restart())
    assert not mcs.run(10.0, lambda: any(mcs.ready.values()))
    mcs.connect()
    mcs.tell(side, Restart())
    assert mcs.run(10.0, lambda: mcs.linked)
