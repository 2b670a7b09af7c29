"""From plug-in to unplug in virtual time: every link, several services, both roles, and
again with the next vehicle."""

from __future__ import annotations

import pytest

from iso15118.connector import Phase
from iso15118.connector.news import PhaseEntered, StartDiscovery, StartSession, StopDiscovery
from iso15118.link.primitives import DLinkReady, LinkState, Pilot, SetPilot
from iso15118.link.spe.signalling import CeState, SetPhy, SetS3
from iso15118.session.services import ServiceID
from iso15118.simulation.cable import CcsCable, McsCable
from iso15118.testing.plugged import PluggedPair, Side
from tests.connector.rig import LINKS, charge, plugged

UNPLUGGED = (Phase.UNPLUGGED, Phase.UNPLUGGED)


def phases_of(side: Side) -> list[Phase]:
    return [action.phase for _, action in side.journal if isinstance(action, PhaseEntered)]


def times(rig: PluggedPair) -> tuple[float, float]:
    """Plug-in to link on both sides, and to energy, in s."""
    begun = rig.secc.machine.plugged_at
    linked = [side.machine.linked_at for side in rig.sides]
    pair = rig.pair
    assert begun is not None
    assert pair is not None
    assert pair.first_energy_at is not None
    return max(at for at in linked if at is not None) - begun, pair.first_energy_at - begun


@pytest.mark.parametrize(
    ("link", "service"),
    [
        ("plain", ServiceID.DC),
        ("slac", ServiceID.DC),
        ("slac", ServiceID.DC_BPT),
        ("spe", ServiceID.MCS),
        ("spe", ServiceID.MCS_BPT),
        ("spe", ServiceID.DC),
    ],
)
def test_from_plug_in_to_unplug(link: str, service: ServiceID) -> None:
    rig = plugged(link, service)
    rig.run(1.0)
    assert rig.phases() == UNPLUGGED
    charge(rig)
    whole = [
        Phase.LINKING,
        Phase.DISCOVERY,
        Phase.SETTING_UP,
        Phase.SESSION,
        Phase.CLOSING,
        Phase.FINISHED,
    ]
    assert phases_of(rig.secc) == whole
    # The station may leave before the vehicle has heard that its connection is closed.
    assert [phase for phase in phases_of(rig.evcc) if phase is not Phase.CLOSING][:4] == whole[:4]
    assert phases_of(rig.evcc)[-1] is Phase.FINISHED
    pair = rig.pair
    assert pair is not None
    assert pair.monitor.seen > 100
    assert rig.vehicle.battery.complete
    rig.unplug()
    rig.run(0.1)
    assert rig.phases() == UNPLUGGED
    assert rig.safe


@pytest.mark.parametrize("link", LINKS)
def test_nothing_is_found_and_nothing_is_looked_for_before_the_link_is_ready(link: str) -> None:
    rig = plugged(link)
    charge(rig)
    for side in rig.sides:
        for time, action in side.journal:
            if isinstance(action, StartDiscovery | StartSession):
                ready = [
                    at
                    for at, other in side.journal
                    if isinstance(other, DLinkReady) and other.link and at <= time
                ]
                assert ready, (side.name, time, action)
    assert not any(isinstance(action, StartSession) for _, action in rig.secc.journal)
    assert rig.discovery.requests >= 1


@pytest.mark.parametrize("link", LINKS)
def test_the_next_plug_in_works_at_once_and_the_one_after_it(link: str) -> None:
    rig = plugged(link, target_soc=41)
    for target in (40.5, 40.75, 41.0):
        rig.vehicle.battery.target_soc = target
        charge(rig)
        rig.unplug()
        assert rig.phases() == UNPLUGGED
    assert len(rig.pairs) == 3


@pytest.mark.parametrize("attenuation_db", [8.0, 15.0, 25.0, 36.5])
def test_matching_takes_less_than_a_second_with_typical_attenuation(attenuation_db: float) -> None:
    rig = plugged("slac", attenuation_db=attenuation_db)
    rig.run(1.0)  # the station's modem has its key
    charge(rig)
    link_s, setup_s = times(rig)
    assert 0.4 < link_s < 1.0
    assert link_s + 3.0 < setup_s < link_s + 8.0, "cable check and pre-charge take their time"


def test_a_modem_that_takes_seconds_to_restart_is_waited_for() -> None:
    rig = plugged("slac")
    assert isinstance(rig.cable, CcsCable)
    for modem in rig.cable.modems:
        modem.boot_s = 5.0
    rig.run(10.0)
    charge(rig)
    assert 5.0 < times(rig)[0] < 7.0


def test_after_each_session_both_modems_have_keys_that_nobody_else_knows() -> None:
    rig = plugged("slac")
    assert isinstance(rig.cable, CcsCable)
    used = set()
    for target in (40.5, 41.0):
        rig.vehicle.battery.target_soc = target
        rig.run(1.0)
        before = [modem.network for modem in rig.cable.modems]
        rig.plug_in()
        assert rig.run(5.0, lambda: rig.secc.phase is Phase.SESSION)
        session = {modem.network for modem in rig.cable.modems}
        assert len(session) == 1
        assert rig.run(60.0, lambda: rig.phases() == (Phase.FINISHED, Phase.FINISHED))
        left_at = rig.now
        assert rig.run(1.0, lambda: not rig.cable.carries()), "TP_match_leave is 1 s"
        rig.run(left_at + 1.0 - rig.now)
        after = {modem.network for modem in rig.cable.modems}
        assert len(after) == 2
        assert not after & session
        used |= {network for network in (*before, *session, *after) if network is not None}
        rig.unplug()
    assert len(used) >= 6


def test_the_basic_signalling_of_ccs_is_put_back_after_the_session() -> None:
    rig = plugged("slac")
    charge(rig)
    assert isinstance(rig.cable, CcsCable)
    assert rig.cable.plug.pilot is Pilot.STEADY
    pilots = [action.pilot for _, action in rig.secc.journal if isinstance(action, SetPilot)]
    assert pilots == [Pilot.STEADY, Pilot.FIVE_PERCENT, Pilot.STEADY]


def test_s3_is_opened_after_the_session_and_both_transceivers_sleep_when_it_is_unplugged() -> None:
    rig = plugged("spe")
    charge(rig)
    assert isinstance(rig.cable, McsCable)
    assert rig.cable.plug.ce is CeState.B0
    assert [action.closed for _, action in rig.secc.journal if isinstance(action, SetS3)] == [
        False,
        True,
        False,
    ]
    assert not any(isinstance(action, SetPhy) for _, action in rig.secc.journal), "that is for the wire"
    rig.unplug()
    assert not rig.cable.carries()


def test_discovery_stops_with_the_session() -> None:
    rig = plugged("slac")
    charge(rig)
    last = [action for _, action in rig.secc.journal if isinstance(action, StartDiscovery | StopDiscovery)]
    assert isinstance(last[-1], StopDiscovery)
    assert rig.secc.machine.link.state is LinkState.UNMATCHED
