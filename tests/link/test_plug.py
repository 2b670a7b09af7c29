"""The plug: who sees what when, with and without power contacts."""

from __future__ import annotations

from iso15118.link.primitives import DutyChanged, Pilot
from iso15118.session.events import Event, SignalChanged, SignalState
from iso15118.simulation.circuit import DcCircuit
from iso15118.simulation.plug import Plug


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
    circuit.signal_watch = lambda: looked.append(circuit.signal)
    watched = Watched(circuit)
    watched.plug.plug_in()
    watched.news()
    circuit.show_signal(SignalState.C)  # what the simulated vehicle does when it is ready
    c = SignalChanged(SignalState.C)
    assert watched.news() == ([c], [c])
    watched.plug.show(SignalState.B)
    watched.plug.unplug(1.0)
    assert not circuit.plugged
    assert looked == [SignalState.C, SignalState.B, SignalState.A]
