"""A plug-in begins anew without pulling the plug, for either role and on every link, and within a budget;
faults of the basic signalling are no unplug; the link waits for the session's hardware.
"""

from __future__ import annotations

import pytest

from iso15118.connector import ConnectorSettings, Phase
from iso15118.connector.news import PhaseEntered
from iso15118.errors import ConfigError
from iso15118.link.primitives import DLinkError, DLinkTerminate, LinkNote, Restart, SetPilot, ShowState
from iso15118.link.spe.signalling import CeState, IdState, SetS3
from iso15118.session.actions import EndReason
from iso15118.session.events import SignalState
from iso15118.simulation import SimulatedVehicle
from iso15118.simulation.cable import CcsCable, McsCable
from iso15118.testing.plugged import PluggedPair, Side, describe
from tests.connector.rig import charge, in_session, plugged

SIGNALLED = ("slac", "spe")
FINISHED = (Phase.FINISHED, Phase.FINISHED)
NIGHT_S = 8 * 3600.0


def over_night(link: str, settings: ConnectorSettings | None = None) -> PluggedPair:
    """Charged, and still plugged in the next morning, with room in the battery."""
    rig = plugged(link, wire=False, settings=settings)
    rig.run(1.0)
    charge(rig)
    rig.run(NIGHT_S)
    assert rig.phases() == FINISHED
    wants_more(rig)
    return rig


def wants_more(rig: PluggedPair) -> None:
    rig.vehicle.battery.target_soc = rig.vehicle.battery.soc + 0.2


def charges_again(rig: PluggedPair, within_s: float = 60.0) -> None:
    sessions = len(rig.pairs)
    done = rig.run(within_s, lambda: len(rig.pairs) > sessions and rig.phases() == FINISHED)
    assert done, (rig.phases(), [describe(side.journal[-8:]) for side in rig.sides])
    ended = rig.pairs[-1].secc.ended
    assert ended is not None
    assert ended.reason is EndReason.STOPPED_BY_EV, ended
    assert rig.safe


def side_of(rig: PluggedPair, name: str) -> Side:
    return rig.secc if name == "secc" else rig.evcc


def notes(side: Side) -> list[str]:
    return [action.text for _, action in side.journal if isinstance(action, LinkNote)]


@pytest.mark.parametrize("link", SIGNALLED)
@pytest.mark.parametrize("asks", ["secc", "evcc"])
def test_the_next_morning_either_application_begins_anew_and_the_other_side_follows(
    link: str, asks: str
) -> None:
    rig = over_night(link)
    rig.tell(side_of(rig, asks), Restart("preconditioning"))
    begun = rig.now
    charges_again(rig)
    session = next(t for t, a in rig.secc.journal if t >= begun and a == PhaseEntered(Phase.SESSION))
    assert session - begun < 8.0


@pytest.mark.parametrize("link", SIGNALLED)
def test_a_vehicle_that_shows_c_is_enough(link: str) -> None:
    rig = over_night(link)
    rig.cable.vehicle.show(ShowState(SignalState.C))
    rig.run(0.3)
    rig.cable.vehicle.show(ShowState(SignalState.B))
    charges_again(rig)


@pytest.mark.parametrize("link", SIGNALLED)
@pytest.mark.parametrize("asks", ["secc", "evcc"])
@pytest.mark.parametrize("moment", ["energy flows", "DC_CableCheck", "linked"])
def test_in_mid_session_it_ends_safely_first_and_then_charges_on(link: str, asks: str, moment: str) -> None:
    rig = plugged(link, wire=False)
    rig.run(1.0)
    rig.plug_in()
    conditions = {
        "energy flows": lambda: rig.station.circuit.current_a > 20.0,
        "DC_CableCheck": lambda: rig.pair is not None and rig.pair.secc.state == "DC_CableCheck",
        "linked": lambda: Phase.DISCOVERY in rig.phases(),
    }
    assert rig.run(60.0, conditions[moment])
    rig.tell(side_of(rig, asks), Restart("the user"))
    assert rig.run(5.0, lambda: rig.safe)
    charges_again(rig, 90.0)
    assert rig.vehicle.battery.complete


@pytest.mark.parametrize("link", SIGNALLED)
@pytest.mark.parametrize("request_", [DLinkTerminate(), DLinkError(), Restart("the user")])
@pytest.mark.parametrize("asks", ["secc", "evcc"])
def test_the_link_is_left_once_the_hardware_is_safe(
    link: str, request_: DLinkTerminate | DLinkError | Restart, asks: str
) -> None:
    rig = plugged(link, wire=False)
    rig.run(1.0)
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.station.circuit.current_a > 20.0)
    side = side_of(rig, asks)
    rig.tell(side, request_)
    asked = rig.now
    assert isinstance(rig.vehicle, SimulatedVehicle)
    closed = rig.station.outlet if asks == "secc" else rig.vehicle.inlet
    while closed.closed and rig.now < asked + 7.0:
        later = [a for t, a in side.journal if t >= asked and isinstance(a, SetPilot | SetS3 | ShowState)]
        assert [a for a in later if a != ShowState(SignalState.B)] == []
        rig.step()
    rig.run(1.0)
    assert rig.safe
    assert side.phase is not Phase.CLOSING


def test_a_vehicle_shows_b_when_its_session_is_over_whatever_ended_it() -> None:
    for link in SIGNALLED:
        for loss in ("unplugged", "cut", "disturbed"):
            rig = plugged(link, wire=False)
            rig.run(1.0)
            rig.plug_in()
            assert rig.run(60.0, lambda rig=rig: rig.station.circuit.current_a > 20.0)  # type: ignore[misc]
            lost = rig.now
            {
                "unplugged": rig.unplug,
                "cut": lambda rig=rig: rig.cable.cut(True),  # type: ignore[misc]
                "disturbed": lambda rig=rig: rig.cable.disturb(True),  # type: ignore[misc]
            }[loss]()
            rig.run(10.0)
            shown = [a.state for t, a in rig.evcc.journal if t >= lost and isinstance(a, ShowState)]
            assert shown, (link, loss)
            assert shown[-1] is SignalState.B, (link, loss)


# -- budgets


@pytest.mark.parametrize("link", SIGNALLED)
def test_a_side_that_is_started_again_and_again_refuses_at_last_and_after_a_rest_no_more(link: str) -> None:
    rig = over_night(link, ConnectorSettings(restarts=2))
    for _ in range(6):
        rig.tell(rig.secc, Restart("somebody plays with the button"))
        rig.run(9.0)
        rig.tell(rig.secc, DLinkTerminate())
        rig.run(3.0)
    refused = [n for n in notes(rig.evcc) if "which is refused" in n]
    assert refused
    rig.tell(rig.evcc, DLinkTerminate())
    rig.run(61.0)
    rig.tell(rig.secc, Restart("a tariff"))
    wants_more(rig)
    charges_again(rig)


@pytest.mark.parametrize("reason", [EndReason.HARDWARE_FAULT, EndReason.EMERGENCY])
def test_after_a_fault_of_its_own_a_station_begins_anew_for_its_application_only(reason: EndReason) -> None:
    rig = in_session("slac")
    rig.end(reason)
    rig.run(100.0)
    for _ in range(3):
        rig.cable.vehicle.show(ShowState(SignalState.C))
        rig.run(0.3)
        rig.cable.vehicle.show(ShowState(SignalState.B))
        rig.run(10.0)
    assert rig.secc.phase is Phase.FINISHED
    assert any("a fault of this side" in note for note in notes(rig.secc))
    for side in rig.sides:
        rig.tell(side, Restart("it is mended"))
    assert rig.run(15.0, lambda: rig.secc.phase is Phase.SESSION)


@pytest.mark.parametrize("link", SIGNALLED)
@pytest.mark.parametrize("asks", ["secc", "evcc"])
def test_following_can_be_turned_off(link: str, asks: str) -> None:
    rig = over_night(link, ConnectorSettings(start_again=False))
    other = side_of(rig, "evcc" if asks == "secc" else "secc")
    phases = len([a for _, a in other.journal if isinstance(a, PhaseEntered)])
    rig.tell(side_of(rig, asks), Restart())
    rig.run(10.0)
    assert len([a for _, a in other.journal if isinstance(a, PhaseEntered)]) == phases
    assert other.phase is Phase.FINISHED


def test_settings_of_starting_again_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"connection\.rest_s"):
        ConnectorSettings(rest_s=0.0)
    with pytest.raises(ConfigError, match=r"connection\.replug_s"):
        ConnectorSettings(replug_s=-1.0)
    with pytest.raises(ConfigError, match=r"connection\.assert_every"):
        ConnectorSettings(assert_every=-1.0)
    assert ConnectorSettings(assert_every=0.0).assert_every == 0.0


# -- faults are no unplug


@pytest.mark.parametrize(
    ("link", "fault"),
    [("slac", "E"), ("slac", "F"), ("spe", "E"), ("spe", "invalid"), ("spe", "EC"), ("spe", "ID")],
)
def test_20_ms_of_a_fault_end_the_session_safely_and_are_no_unplug(link: str, fault: str) -> None:
    rig = plugged(link, wire=False)
    rig.run(1.0)
    rig.plug_in()
    assert rig.run(60.0, lambda: rig.station.circuit.current_a > 20.0)
    begun = rig.now
    for disturbed in (True, False):
        if isinstance(rig.cable, CcsCable):
            rig.cable.plug.disturb(SignalState(fault) if disturbed else None)
        elif isinstance(rig.cable, McsCable) and fault == "ID":
            rig.cable.disturb_id(IdState.MATED)
            rig.cable.disturb_id(IdState.UNMATED if disturbed else IdState.MATED)
        elif isinstance(rig.cable, McsCable):
            rig.cable.plug.disturb(CeState(fault) if disturbed else None, rig.now)
        rig.run(0.02)
    for side in rig.sides:
        entered = [a.phase for t, a in side.journal if t >= begun and isinstance(a, PhaseEntered)]
        assert Phase.UNPLUGGED not in entered, side.name
    assert rig.run(5.0, lambda: rig.safe)
    charges_again(rig, 90.0)
    assert rig.vehicle.battery.complete
    closings = [t for t, a in rig.secc.journal if t >= begun and a == SetS3(True)]
    assert all(t - begun >= 3.0 for t in closings)
