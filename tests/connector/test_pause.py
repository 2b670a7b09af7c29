"""Pause and wake-up, machine against machine on a cable: sleeping, woken by either side, found
again, or lost meanwhile."""

from __future__ import annotations

import pytest

from iso15118.connector import Phase
from iso15118.connector.news import ConnectorTimer, TimerLate
from iso15118.link.primitives import LinkState, Pilot, ShowState, WakeUp
from iso15118.link.spe.signalling import CeState
from iso15118.session.actions import EndReason
from iso15118.session.events import SignalState
from iso15118.simulation.cable import CcsCable, McsCable
from iso15118.simulation.modem import PlcModem
from tests.connector.rig import WithoutSessions, in_session

PAUSED = (Phase.PAUSED, Phase.PAUSED)
SESSION = (Phase.SESSION, Phase.SESSION)
LINKS = ("slac", "spe", "plain")


def paused(link: str, seconds: float = 60.0) -> WithoutSessions:
    rig = in_session(link)
    rig.end(EndReason.PAUSED)
    rig.run(seconds)
    assert rig.phases() == PAUSED
    assert [side.machine.link.state for side in rig.sides] == [LinkState.MATCHED] * 2, "they stay matched"
    return rig


def shown(rig: WithoutSessions) -> list[tuple[float, SignalState]]:
    """The changes only: B is asserted often."""
    changes: list[tuple[float, SignalState]] = []
    last = SignalState.B
    for at, action in rig.evcc.journal:
        if isinstance(action, ShowState) and action.state is not last:
            last = action.state
            changes.append((at, last))
    return changes


def test_the_pilot_sleeps_and_the_network_is_kept() -> None:
    rig = paused("slac")
    assert isinstance(rig.cable, CcsCable)
    assert rig.cable.plug.pilot is Pilot.STEADY
    assert rig.cable.carries()


def test_s3_is_open_while_mcs_sleeps() -> None:
    rig = paused("spe")
    assert isinstance(rig.cable, McsCable)
    assert rig.cable.plug.ce is CeState.B0


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("seconds", [0.0, 5.0, 3600.0])
def test_the_vehicle_wakes_the_station_up(link: str, seconds: float) -> None:
    rig = paused(link, seconds)
    woken = rig.now
    rig.tell(rig.evcc, WakeUp())
    if link == "plain":
        rig.tell(rig.secc, WakeUp())  # nothing shows on a link without signalling of its own
    assert rig.run(6.0, lambda: rig.phases() == SESSION), rig.phases()
    assert rig.now - woken < 4.0, "T_conn_resume"
    assert not any(isinstance(action, TimerLate) for side in rig.sides for _, action in side.journal)
    assert (rig.secc.number, rig.evcc.number) == (2, 2)
    rig.run(1.0)
    if link == "slac":
        (c_at, c), (b_at, b) = shown(rig)
        assert (c, b) == (SignalState.C, SignalState.B)
        assert 0.2 <= b_at - c_at <= 0.4, "a B-C-B toggle"
    if link == "spe":
        assert SignalState.C in [state for _, state in shown(rig)], "a short C on CE"


@pytest.mark.parametrize("link", LINKS)
def test_the_station_wakes_the_vehicle_up(link: str) -> None:
    rig = paused(link)
    rig.tell(rig.secc, WakeUp())
    if link == "plain":
        rig.tell(rig.evcc, WakeUp())
    assert rig.run(6.0, lambda: rig.phases() == SESSION), rig.phases()
    assert shown(rig) == [], "the vehicle has nothing to show for it"


def test_nothing_is_matched_anew_after_a_pause() -> None:
    rig = in_session("slac")
    assert isinstance(rig.cable, CcsCable)
    keys = [modem.network for modem in rig.cable.modems]
    frames: list[bytes] = []

    def pass_on(data: bytes, sender: PlcModem, receiver: PlcModem) -> tuple[float, ...]:
        frames.append(data)
        return (0.0,)

    rig.cable.line.interference = pass_on
    rig.end(EndReason.PAUSED)
    rig.run(10.0)
    rig.tell(rig.evcc, WakeUp())
    assert rig.run(6.0, lambda: rig.phases() == SESSION)
    assert [modem.network for modem in rig.cable.modems] == keys
    assert frames == [], "no CM_SLAC_PARM, nor anything else"


@pytest.mark.parametrize("link", LINKS)
def test_twice(link: str) -> None:
    rig = in_session(link)
    for number in (2, 3):
        rig.end(EndReason.PAUSED)
        rig.run(20.0)
        assert rig.phases() == PAUSED
        for side in rig.sides if link == "plain" else (rig.evcc,):
            rig.tell(side, WakeUp())
        assert rig.run(6.0, lambda: rig.phases() == SESSION)
        assert rig.evcc.number == number
    rig.end(EndReason.STOPPED_BY_EV)
    rig.run(5.0)
    assert rig.phases() == (Phase.FINISHED, Phase.FINISHED)


@pytest.mark.parametrize("link", LINKS)
def test_unplugged_in_its_sleep(link: str) -> None:
    rig = paused(link)
    rig.unplug()
    rig.run(2.0)
    assert rig.phases() == (Phase.UNPLUGGED, Phase.UNPLUGGED)
    rig.plug_in()
    assert rig.run(5.0, lambda: rig.phases() == SESSION), rig.phases()


@pytest.mark.parametrize("link", ["slac", "spe"])
def test_a_carrier_that_goes_in_a_pause_means_nothing_if_it_is_back_for_the_wake_up(link: str) -> None:
    rig = in_session(link)
    rig.end(EndReason.PAUSED)
    rig.run(5.0)
    rig.cable.cut(True)
    rig.run(30.0)
    assert rig.phases() == PAUSED
    rig.cable.cut(False)
    rig.run(5.0)
    rig.tell(rig.evcc, WakeUp())
    assert rig.run(6.0, lambda: rig.phases() == SESSION), rig.phases()


@pytest.mark.parametrize("link", ["slac", "spe"])
def test_a_wire_that_is_gone_at_the_wake_up_is_told_late_and_used_when_it_is_back(link: str) -> None:
    rig = paused(link)
    rig.cable.cut(True)
    began = rig.now
    rig.tell(rig.evcc, WakeUp())
    rig.run(7.0)
    late = [
        (round(at - began, 3), action.timer)
        for at, action in rig.evcc.journal
        if isinstance(action, TimerLate)
    ]
    assert late == [(6.0, ConnectorTimer.RESUME)]
    assert Phase.SESSION not in rig.phases()
    rig.cable.cut(False)
    assert rig.run(90.0, lambda: rig.phases() == SESSION), rig.phases()


def test_a_wake_up_without_a_pause_is_nothing() -> None:
    rig = in_session("slac")
    for side in rig.sides:
        rig.tell(side, WakeUp())
    rig.run(5.0)
    assert rig.phases() == SESSION
    assert shown(rig) == []
