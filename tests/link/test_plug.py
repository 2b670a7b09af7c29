"""The plug: who sees what when, with and without power contacts."""

from __future__ import annotations

from iso15118.link.primitives import DutyChanged, Pilot
from iso15118.session.actions import SignalReady
from iso15118.session.events import Event, SignalChanged, SignalState
from iso15118.simulation import DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.simulation.async_ports import StationPorts
from iso15118.simulation.ccs_plug import Plug


class Watched:
    def __init__(self, circuit: DcCircuit | None = None) -> None:
        self.plug = Plug(circuit)
        self.station: list[Event] = []
        self.vehicle: list[Event] = []
        self.plug.to_station = self.station.append
        self.plug.to_vehicle = self.vehicle.append

    def news(self) -> tuple[list[Event], list[Event]]:
        told = (list(self.station), list(self.vehicle))
        self.station.clear()
        self.vehicle.clear()
        return told


def test_nothing_passes_while_it_is_out() -> None:
    watched = Watched()
    watched.plug.set_pilot(Pilot.FIVE_PERCENT)
    watched.plug.show(SignalState.C)
    assert watched.news() == ([], [])
    assert watched.plug.signal is SignalState.A


def test_plugging_in_shows_b_to_both_and_the_duty_to_the_vehicle() -> None:
    watched = Watched()
    watched.plug.set_pilot(Pilot.FIVE_PERCENT)
    watched.plug.plug_in()
    b = SignalChanged(SignalState.B)
    assert watched.news() == ([b], [b, DutyChanged(5.0)])


def test_e_and_f_of_the_station_hide_what_the_vehicle_shows() -> None:
    watched = Watched()
    watched.plug.plug_in()
    watched.plug.show(SignalState.C)
    watched.news()
    watched.plug.set_pilot(Pilot.STATE_F)
    f, c = SignalChanged(SignalState.F), SignalChanged(SignalState.C)
    assert watched.news() == ([f], [f])
    watched.plug.set_pilot(Pilot.FIVE_PERCENT)
    assert watched.news() == ([c], [c, DutyChanged(5.0)])


def test_pulling_it_out_ends_the_duty_first() -> None:
    watched = Watched()
    watched.plug.set_pilot(Pilot.FIVE_PERCENT)
    watched.plug.plug_in()
    watched.news()
    watched.plug.unplug(1.0)
    a = SignalChanged(SignalState.A)
    assert watched.news() == ([a], [DutyChanged(None), a])


def test_the_contacts_for_power_follow_and_lead() -> None:
    circuit = DcCircuit()
    looked: list[SignalState] = []
    circuit.watch_signal(lambda: looked.append(circuit.signal))
    watched = Watched(circuit)
    watched.plug.plug_in()
    watched.news()
    circuit.vehicle_shows(SignalState.C)  # what the simulated vehicle does when it is ready
    c = SignalChanged(SignalState.C)
    assert watched.news() == ([c], [c])
    watched.plug.show(SignalState.B)
    watched.plug.unplug(1.0)
    assert not circuit.plugged
    assert looked == [SignalState(state) for state in "ABCBA"]


def test_what_the_vehicle_shows_under_e_or_f_of_the_station_shows_when_that_is_over() -> None:
    circuit = DcCircuit()
    watched = Watched(circuit)
    watched.plug.plug_in()
    watched.plug.set_pilot(Pilot.STATE_F)
    circuit.vehicle_shows(SignalState.C)
    seen = [circuit.signal]
    watched.plug.set_pilot(Pilot.STEADY)
    assert [*seen, circuit.signal] == [SignalState.F, SignalState.C]


def test_it_goes_in_again_with_the_same_vehicle_and_with_another_one() -> None:
    circuit = DcCircuit()
    first = SimulatedVehicle(circuit)
    plug = Plug(circuit)
    for vehicle in (first, first, None):
        if vehicle is None:
            SimulatedVehicle(circuit)
            assert not circuit.plugged, "another vehicle comes with the plug, not before"
        plug.plug_in(1.0)
        seen = [(circuit.plugged, circuit.signal)]
        plug.unplug(2.0)
        seen.append((circuit.plugged, circuit.signal))
        assert seen == [(True, SignalState.B), (False, SignalState.A)]


def test_ports_made_after_the_plug_do_not_take_its_place() -> None:
    circuit = DcCircuit()
    station = SimulatedStation(circuit, preset("ccs2"))
    vehicle = SimulatedVehicle(circuit)
    watched = Watched(circuit)
    ports = StationPorts(station, _no_sleep, lambda: 0.0)
    watched.plug.plug_in()
    watched.news()
    vehicle.perform(SignalReady(True), 0.0)
    c = SignalChanged(SignalState.C)
    assert watched.news() == ([c], [c])
    assert not circuit.signal_news, "the ports looked at once"
    assert ports.station is station


async def _no_sleep(seconds: float) -> None:
    """Nothing to wait for."""


def test_a_disturbed_pilot_shows_the_same_to_both_until_it_is_mended() -> None:
    watched = Watched()
    watched.plug.set_pilot(Pilot.FIVE_PERCENT)
    watched.plug.plug_in()
    watched.news()
    watched.plug.disturb(SignalState.E)
    e, b = SignalChanged(SignalState.E), SignalChanged(SignalState.B)
    assert watched.news() == ([e], [DutyChanged(None), e])
    watched.plug.disturb(None)
    assert watched.news() == ([b], [b, DutyChanged(5.0)])
