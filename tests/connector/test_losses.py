"""Whatever is lost, in whatever state: everything is safe at once, and the next plug-in charges.

What can be lost: the plug, the basic signalling (CP or CE), the station's readiness (E,
F, or EC), and the data link.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iso15118.connector import Phase
from iso15118.connector.news import DropConnection
from iso15118.link.primitives import LinkState
from iso15118.link.spe.signalling import CeState, IdState
from iso15118.session.actions import EndReason
from iso15118.session.events import SignalState
from iso15118.simulation import SimulatedStation
from iso15118.simulation.cable import CcsCable, McsCable
from iso15118.simulation.supply import Mode
from iso15118.testing.plugged import PluggedPair, describe
from tests.connector.rig import charge, plugged

SESSION_STATES = [
    "supportedAppProtocol",
    "SessionSetup",
    "AuthorizationSetup",
    "Authorization",
    "ServiceDiscovery",
    "ServiceDetail",
    "ServiceSelection",
    "DC_ChargeParameterDiscovery",
    "ScheduleExchange",
    "DC_CableCheck",
    "DC_PreCharge",
    "PowerDelivery",
    "DC_ChargeLoop",
    "DC_WeldingDetection",
    "SessionStop",
]
BEFORE = ["plugged in", "half way to the link", "linked"]
AFTER = ["closing", "finished"]
MOMENTS = [*BEFORE, *SESSION_STATES, "energy flows", *AFTER]

Loss = Callable[[PluggedPair], None]


def signal(state: SignalState | CeState) -> Loss:
    def lose(rig: PluggedPair) -> None:
        if isinstance(rig.cable, McsCable) and isinstance(state, CeState):
            rig.cable.plug.disturb(state, rig.now)
        elif isinstance(rig.cable, CcsCable) and isinstance(state, SignalState):
            rig.cable.plug.disturb(state)

    return lose


def show_id(rig: PluggedPair, state: IdState) -> None:
    assert isinstance(rig.cable, McsCable)
    rig.cable.disturb_id(state)


LOSSES: dict[str, dict[str, Loss]] = {
    "slac": {
        "unplug": lambda rig: rig.unplug(),
        "no pilot": signal(SignalState.E),
        "state F": signal(SignalState.F),
        "link": lambda rig: rig.cable.cut(True),
    },
    "spe": {
        "unplug": lambda rig: rig.unplug(),
        "no CE": signal(CeState.E),
        "CE invalid": signal(CeState.INVALID),
        "EC": signal(CeState.EC),
        "ID invalid": lambda rig: show_id(rig, IdState.INVALID),
        "ID open": lambda rig: show_id(rig, IdState.UNMATED),
        "link": lambda rig: rig.cable.cut(True),
    },
}
CASES = [(link, loss) for link, losses in LOSSES.items() for loss in losses]


def mend(rig: PluggedPair) -> None:
    rig.cable.cut(False)
    if isinstance(rig.cable, McsCable):
        rig.cable.plug.disturb(None, rig.now)
        rig.cable.disturb_id(IdState.MATED)
    elif isinstance(rig.cable, CcsCable):
        rig.cable.plug.disturb(None)


def safe(rig: PluggedPair) -> Callable[[], bool]:
    return lambda: rig.safe


def finished(rig: PluggedPair) -> Callable[[], bool]:
    return lambda: rig.phases() == (Phase.FINISHED, Phase.FINISHED)


def go_to(rig: PluggedPair, moment: str) -> None:
    """Plug in and run to this moment."""
    rig.run(1.0)
    rig.plug_in()
    if moment == "plugged in":
        return
    if moment == "half way to the link":
        rig.run(0.4)
        assert rig.phases() == (Phase.LINKING, Phase.LINKING)
        return
    if moment == "linked":
        assert rig.run(5.0, lambda: Phase.DISCOVERY in rig.phases())
        return
    if moment == "energy flows":
        reached = rig.run(60.0, lambda: rig.station.circuit.current_a > 20.0)
    elif moment == "closing":
        reached = rig.run(60.0, lambda: rig.secc.phase is Phase.CLOSING)
    elif moment == "finished":
        reached = rig.run(60.0, lambda: rig.phases() == (Phase.FINISHED, Phase.FINISHED))
    else:
        reached = rig.run(60.0, lambda: rig.pair is not None and rig.pair.secc.state == moment)
    assert reached, (moment, rig.phases())


@pytest.mark.parametrize(("link", "loss"), CASES)
def test_every_loss_in_every_state_ends_safely_and_the_next_plug_in_charges(link: str, loss: str) -> None:
    for moment in MOMENTS:
        rig = plugged(link, wire=False)
        go_to(rig, moment)
        lost_at = rig.now
        LOSSES[link][loss](rig)
        where = f"{loss} in {moment}: " + "\n".join(
            f"{side.name} {line}" for side in rig.sides for line in describe(side.journal[-8:])
        )
        # Unplug and signalling act at once, a carrier too. A modem is asked once a second, and has to say no
        # twice; a charge loop notices within half a second by itself.
        within = 0.2 if loss != "link" or link == "spe" else 0.8 if moment == "energy flows" else 3.2
        assert rig.run(within, safe(rig)), where
        rig.run(lost_at + 3.2 - rig.now)
        assert rig.safe, where
        over(rig, moment, loss, where)
        for side in rig.sides:
            assert side.phase not in (Phase.SETTING_UP, Phase.SESSION, Phase.CLOSING), where
        mend(rig)
        rig.unplug()
        assert rig.phases() == (Phase.UNPLUGGED, Phase.UNPLUGGED), where
        rig.vehicle.battery.target_soc = rig.vehicle.battery.soc + 0.2
        charge(rig)


def over(rig: PluggedPair, moment: str, loss: str, where: str) -> None:
    """Both sessions have ended, and say why."""
    if not rig.pairs or moment in AFTER:
        return
    secc, evcc = rig.pairs[0].secc.ended, rig.pairs[0].evcc.ended
    assert secc is not None, where
    assert evcc is not None, where
    if moment in ("SessionStop", "DC_WeldingDetection"):
        return  # the last messages may have been under way
    reasons = {secc.reason, evcc.reason}
    if loss == "link":
        assert reasons <= {EndReason.PEER_VANISHED, EndReason.TIMEOUT}, where
    else:
        assert reasons <= {EndReason.SIGNAL_LOST, EndReason.PEER_VANISHED}, where
        assert secc.reason is EndReason.SIGNAL_LOST, where


@pytest.mark.parametrize("link", ["slac", "spe"])
@pytest.mark.parametrize("moment", [*BEFORE, "ScheduleExchange", "DC_CableCheck", "energy flows"])
def test_a_link_that_comes_back_is_used_again_without_unplugging(link: str, moment: str) -> None:
    rig = plugged(link, wire=False)
    go_to(rig, moment)
    rig.cable.cut(True)
    rig.run(2.5 if rig.pairs else 1.5)  # TT_EV_link_detect is 4 s, and the wire itself needs its time
    assert rig.safe
    rig.cable.cut(False)
    assert rig.run(90.0, finished(rig)), rig.phases()
    last = rig.pairs[-1]
    assert last.evcc.ended is not None
    assert last.evcc.ended.reason is EndReason.STOPPED_BY_EV
    assert rig.vehicle.battery.complete


def test_a_pilot_that_comes_back_is_used_again_without_unplugging() -> None:
    for state in (SignalState.E, SignalState.F):
        rig = plugged("slac", wire=False)
        go_to(rig, "energy flows")
        signal(state)(rig)
        rig.run(1.0)
        assert rig.safe
        assert rig.phases() == (Phase.LINKING, Phase.LINKING)
        mend(rig)
        assert rig.run(60.0, finished(rig))
        assert rig.vehicle.battery.complete


@pytest.mark.parametrize("link", ["slac", "spe"])
def test_the_supply_is_told_to_stop_in_the_moment_of_the_loss_before_the_link_is_touched(link: str) -> None:
    for loss in LOSSES[link]:
        if (link, loss) == ("slac", "link"):
            continue  # nobody can know at once
        rig = plugged(link, wire=False)
        go_to(rig, "energy flows")
        LOSSES[link][loss](rig)
        rig.run(0.0)
        assert isinstance(rig.station, SimulatedStation)
        assert rig.station.supply.mode in (Mode.STOPPING, Mode.OFF), loss
        pair = rig.pair
        assert pair is not None
        assert pair.secc.ended is not None, loss
        assert pair.evcc.ended is not None, loss
        for side in rig.sides:
            lately = [action for at, action in side.journal if at == rig.now]
            assert isinstance(lately[0], DropConnection), describe(side.journal[-6:])
        assert rig.run(0.1, safe(rig)), loss


def test_a_flapping_carrier_leaves_nothing_behind() -> None:
    rig = plugged("spe", wire=False)
    go_to(rig, "energy flows")
    for _ in range(20):
        rig.cable.cut(True)
        rig.run(0.5)
        assert rig.safe
        rig.cable.cut(False)
        rig.run(0.5)
    rig.run(20.0)
    assert rig.safe
    assert rig.secc.machine.link.state is LinkState.UNMATCHED, "the budget of restarts is used up"
    rig.unplug()
    rig.vehicle.battery.target_soc = rig.vehicle.battery.soc + 0.2
    charge(rig)
