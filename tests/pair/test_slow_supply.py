"""A supply that comes down slowly: lowered bounds and an orderly stop are followed with a ramp, as chargers
in the field do. No contactor of either side opens under a load for that, and nobody is blamed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.testing import Pair

CASES = [
    ("iso20", "mcs-max", 250.0, None),  # from 3,000 A in 12 s
    ("iso20", "mcs-max", 150.0, None),  # in 20 s: as slowly as it may
    ("iso20", "ccs2", 25.0, None),
    ("iso20", "ccs2", 25.0, 1500.0),  # a vehicle that could take three times as much
    ("iso20", "ccs2", 100.0, None),
    ("iso2", "ccs2", 25.0, None),
    ("iso2", "ccs2", 25.0, 3000.0),
    ("din", "ccs2", 25.0, None),
    ("din", "ccs2", 100.0, 3000.0),
]


class Rig:
    """Both sides with such a supply, and what was asked of their contactors with the current of then."""

    def __init__(
        self, edition: str, name: str, rate: float, able_a: float | None, mode: ControlMode | None = None
    ) -> None:
        kind = replace(preset(name), ramp_a_per_s=rate, stop_ramp_a_per_s=rate, bound_ramp_a_per_s=rate)
        service = ServiceID.MCS if name.startswith("mcs") else ServiceID.DC
        amperes = able_a or kind.limits.maximum_charge_current_a
        self.circuit = DcCircuit()
        battery = Battery(
            soc=30.0, target_soc=80.0, maximum_charge_current_a=amperes, maximum_charge_power_w=5e6
        )
        modes: dict[str, Any] = {} if mode is None else {"control_modes": (mode,)}
        self.pair = Pair(
            SeccConfig(services=(service,), editions=(edition,), **modes),
            EvccConfig(services=(service,), editions=(edition,), **modes),
            SimulatedStation(self.circuit, kind),
            SimulatedVehicle(self.circuit, battery),
            secure=edition == "iso20",
            look_s=0.05,
        )
        self.opened: list[tuple[str, Urgency, float]] = []
        self.hastened: list[str] = []
        for side, hardware in (("station", self.pair.station), ("vehicle", self.pair.vehicle)):
            self._listen(side, hardware)
        self.pair.run(until=lambda: self.pair.loops > 30 + 4.5 * 3000.0 / rate / 3.0)

    def _listen(self, side: str, hardware: Any) -> None:
        perform = hardware.perform

        def performs(action: act.Action, now: float) -> Any:
            if type(action) is act.OpenContactors:
                self.opened.append((side, action.urgency, abs(self.circuit.current_a)))
            if type(action) is act.StopPower and action.urgency is Urgency.EMERGENCY:
                self.hastened.append(side)
            return perform(action, now)

        hardware.perform = performs

    def ends(self) -> tuple[EndReason, EndReason]:
        self.pair.run(max_s=self.pair.now + 120.0)
        secc, evcc = self.pair.secc.ended, self.pair.evcc.ended
        assert secc is not None
        assert evcc is not None
        return secc.reason, evcc.reason


@pytest.mark.parametrize("mode", [None, ControlMode.DYNAMIC])
@pytest.mark.parametrize(("edition", "name", "rate", "able_a"), CASES)
def test_a_driver_who_stops_opens_nothing_under_a_load(
    edition: str, name: str, rate: float, able_a: float | None, mode: ControlMode | None
) -> None:
    if mode is not None and edition != "iso20":
        mode = None
    rig = Rig(edition, name, rate, able_a, mode)
    assert rig.circuit.current_a > 100.0
    rig.pair.tell_evcc(ev.StopRequested("driver"))
    assert rig.ends() == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    assert [(side, urgency) for side, urgency, _ in rig.opened] == [
        ("station", Urgency.ORDERLY),
        ("vehicle", Urgency.ORDERLY),
    ]
    assert max(amperes for *_, amperes in rig.opened) < 5.01
    assert rig.hastened == []


@pytest.mark.parametrize(("edition", "name", "rate", "able_a"), CASES)
def test_a_station_that_stops_opens_nothing_under_a_load(
    edition: str, name: str, rate: float, able_a: float | None
) -> None:
    """What it leaves a vehicle for its answer may be less than a ramp: then the rest is taken away at once,
    and the contactors open behind that."""
    rig = Rig(edition, name, rate, able_a)
    assert rig.circuit.current_a > 100.0
    rig.pair.tell_secc(ev.StopRequested("site"))
    assert rig.ends() == (EndReason.STOPPED_BY_STATION, EndReason.STOPPED_BY_STATION)
    assert [(side, urgency) for side, urgency, _ in rig.opened] == [
        ("station", Urgency.ORDERLY),
        ("vehicle", Urgency.ORDERLY),
    ]
    vehicle_a = rig.opened[1][2]
    assert vehicle_a < 5.0
    assert set(rig.hastened) <= {"station"}
