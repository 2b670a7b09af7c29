"""Our station against contrary vehicles and our vehicle against contrary stations: one session per seed,
judged while it runs.

A session is its seed: ``python -m tests.pair.contrary --seed 17`` repeats one, ``--count 2000`` runs many and
prints how they ended. The judge computes by itself what both sides allow at a moment, from the numbers as
they were written.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from typing import Any

import msgspec

from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20 import dc
from iso15118.messages.values import TimeStampUnit
from iso15118.secc import SeccConfig
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.events import SetPointChanged, StopRequested
from iso15118.session.limits import StationLimits
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.testing import Pair
from iso15118.testing.contrary_mid_session import MindedStation, MindedVehicle
from iso15118.testing.contrary_station import ContraryStation
from iso15118.testing.contrary_vehicle import ContraryVehicle
from iso15118.testing.oddities import Hand
from iso15118.testing.pair import EPOCH

read = Hand.read
SERVICES = (ServiceID.DC, ServiceID.DC_BPT, ServiceID.MCS, ServiceID.MCS_BPT)
_NOISE = 1.0 + 1e-9
_LOSS = 0.985  # a minimum of power is looked at over the drop of the cable
_LATEST_S = 3000.0
_REFUSALS = (EndReason.PARAMETERS_NOT_ACCEPTED, EndReason.PRE_CHARGE_FAILED)


class ContraryError(AssertionError):
    """A session did what it must not do; the message names the seed."""


def decimals(rng: random.Random, low: float, high: float) -> float:
    """A number with as many decimals as it likes."""
    return round(rng.uniform(low, high), rng.choice((0, 1, 2, 3, 9)))


def station_limits(rng: random.Random) -> StationLimits:
    """What a station may be like: 30 kW to 3.75 MW, with minima or without."""
    amperes, watts = decimals(rng, 60.0, 3000.0), decimals(rng, 30_000.0, 3_750_000.0)
    back = rng.choice((0.0, 0.3, 1.0))
    minima = rng.random() < 0.5
    return StationLimits(
        maximum_charge_power_w=watts,
        maximum_charge_current_a=amperes,
        maximum_voltage_v=decimals(rng, 700.0, 1250.0),
        minimum_charge_power_w=decimals(rng, 0.0, 4000.0) if minima else 0.0,
        minimum_charge_current_a=decimals(rng, 0.0, 8.0) if minima else 0.0,
        minimum_voltage_v=decimals(rng, 0.0, 250.0),
        maximum_discharge_power_w=watts * back,
        maximum_discharge_current_a=amperes * back,
        minimum_discharge_power_w=decimals(rng, 0.0, 900.0) if minima and back else 0.0,
    )


def battery_of(rng: random.Random) -> Battery:
    """What a vehicle may be like; its voltages have two decimals."""
    full = round(rng.uniform(330.0, 950.0), 2)
    battery = Battery(
        capacity_wh=rng.uniform(2000.0, 60_000.0),
        soc=rng.uniform(10.0, 70.0),
        target_soc=80.0,
        minimum_soc=5.0,
        empty_v=round(full * 0.84, 2),
        full_v=full,
        maximum_charge_current_a=decimals(rng, 60.0, 3000.0),
        maximum_charge_power_w=decimals(rng, 20_000.0, 3_750_000.0),
        maximum_discharge_current_a=decimals(rng, 50.0, 900.0),
        maximum_discharge_power_w=decimals(rng, 20_000.0, 500_000.0),
    )
    if rng.random() < 0.5:
        battery._limits = msgspec.structs.replace(
            battery.limits,
            minimum_charge_power_w=decimals(rng, 0.0, 3000.0),
            minimum_charge_current_a=decimals(rng, 0.0, 6.0),
        )
    return battery


class Judge:
    """What both sides allow at a moment, learnt from messages and events alone."""

    def __init__(self, seed: int, hardware: StationLimits) -> None:
        self.seed = seed
        self.hardware = self.present = hardware
        self.set_point: float | None = None
        self.declared: Any = None
        self.wish: Any = None
        self.power: tuple[float, float, float] | None = None
        self.refused_rightly = False
        self.looked = 0

    def fail(self, what: str) -> None:
        raise ContraryError(f"seed {self.seed}: {what}")

    def within(self, value: float, limit: float, what: str) -> None:
        if value > limit * _NOISE + 1e-9:
            self.fail(f"{what}: {value!r} above {limit!r}")

    def vehicle(self, name: str) -> float:
        """A limit of the vehicle at this moment: declared, and tightened by its last request."""
        declared = abs(read(getattr(self.declared, f"ev_{name}")))
        repeated = getattr(self.wish, f"ev_{name}", None)
        if repeated is None:
            return declared
        both = (declared, abs(read(repeated)))
        return max(both) if name.startswith("minimum") else min(both)

    def secc(self, event: ev.Event | None, actions: list[act.Action]) -> None:
        """One call of our station."""
        match event:
            case ev.LimitsChanged(limits=limits):
                self.present = limits
            case ev.SetPointChanged(power_w=power):
                self.set_point = power
            case ev.MessageReceived(message=dc.DCChargeLoopReq() as message):
                self.wish = message.cl_req_control_mode
            case ev.MessageReceived(message=dc.DCChargeParameterDiscoveryReq() as message):
                self.declared = message.dc_cpd_req_energy_transfer_mode
                self.refused_rightly = self._hopeless()
            case ev.MessageReceived(message=dc.DCPreChargeReq() as message):
                # A battery above what the station can reach: the vehicle should not have come here.
                self.refused_rightly = read(message.ev_target_voltage) > self.hardware.maximum_voltage_v
        for action in actions:
            match action:
                case act.SetPower():
                    self.power = (action.voltage_v, action.current_a, action.power_w)
                case act.StopPower():
                    self.power = None
                case act.Send(message=message):
                    self._written(message)
        if self.power is not None and self.wish is not None:
            self._bounds(*self.power)

    def _hopeless(self) -> bool:
        """Energy can never flow between these two."""
        volts, least = read(self.declared.ev_maximum_voltage), read(self.declared.ev_minimum_voltage)
        hardware = self.hardware
        return (
            hardware.minimum_voltage_v + 0.11 > volts
            or hardware.maximum_voltage_v - 0.11 < least
            or hardware.minimum_charge_power_w * 1.001 > read(self.declared.ev_maximum_charge_power)
            or hardware.minimum_charge_current_a + 0.11 > read(self.declared.ev_maximum_charge_current)
        )

    def _bounds(self, volts: float, amperes: float, watts: float) -> None:
        self.looked += 1
        way = "discharge" if amperes < 0.0 else "charge"
        flowing = abs(amperes)
        for limits in (self.hardware, self.present):
            self.within(volts, limits.maximum_voltage_v, "voltage beyond the station")
            self.within(flowing, getattr(limits, f"maximum_{way}_current_a"), "current beyond the station")
            self.within(watts, getattr(limits, f"maximum_{way}_power_w"), "power beyond the station")
        self.within(volts, self.vehicle("maximum_voltage"), "voltage beyond the vehicle")
        self.within(flowing, self.vehicle(f"maximum_{way}_current"), "current beyond the vehicle")
        self.within(watts, self.vehicle(f"maximum_{way}_power"), "power beyond the vehicle")
        if self.set_point is not None and way == "charge":
            self.within(watts, max(self.set_point, 0.0), "power beyond the set-point")
        if flowing == 0.0 or watts == 0.0:
            return
        for limits in (self.hardware, self.present):
            self.within(
                getattr(limits, f"minimum_{way}_current_a"), flowing, "current below the station's minimum"
            )
            self.within(
                getattr(limits, f"minimum_{way}_power_w") * _LOSS, watts, "power below the station's minimum"
            )
        self.within(self.vehicle(f"minimum_{way}_power"), watts, "power below the vehicle's minimum")

    def _written(self, message: Any) -> None:
        """No minimum of ours above its maximum, in whatever message."""
        mode = getattr(message, "cl_res_control_mode", None) or getattr(
            message, "dc_cpd_res_energy_transfer_mode", None
        )
        if mode is not None:
            self._ordered(mode, "evse")

    def _ordered(self, mode: Any, role: str) -> None:
        for name in mode.__struct_fields__:
            least = getattr(mode, name)
            if name.startswith(f"{role}_minimum") and least is not None:
                most = getattr(mode, name.replace("minimum", "maximum"), None)
                if most is not None:
                    self.within(read(least), read(most), name)


class VehicleJudge(Judge):
    """The same for what our vehicle asks for."""

    def __init__(self, seed: int, station: ContraryStation, vehicle: SimulatedVehicle) -> None:
        super().__init__(seed, station.limits)
        self.station, self.battery = station, vehicle
        self.said = station.limits
        self._answered = False

    def evcc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """One call of our vehicle."""
        match event:
            case ev.MessageReceived(message=dc.DCChargeLoopRes()):
                self.said = self.station.present
            case ev.MessageReceived(message=dc.DCChargeParameterDiscoveryRes()):
                self.said = self.station.limits
                volts = self.battery.battery_state(now).voltage_v
                self.refused_rightly = self.refused_rightly or volts > self.said.maximum_voltage_v
        for action in actions:
            match action:
                case act.Send(message=dc.DCChargeParameterDiscoveryReq() as message):
                    self.declared = message.dc_cpd_req_energy_transfer_mode
                    self._ordered(self.declared, "ev")
                    self.refused_rightly = self._hopeless()
                case act.Send(message=dc.DCChargeLoopReq() as message):
                    self._asked(message.cl_req_control_mode, now)
                case act.Send(message=dc.DCPreChargeReq() as message):
                    most = read(self.declared.ev_maximum_voltage)
                    self.within(read(message.ev_target_voltage), most, "pre-charge beyond the own maximum")

    def _asked(self, mode: Any, now: float) -> None:
        self.looked += 1
        declared = self.declared
        self._ordered(mode, "ev")
        for name in mode.__struct_fields__:
            number = getattr(mode, name)
            if name.startswith("ev_maximum") and "energy" not in name and number is not None:
                self.within(read(number), read(getattr(declared, name)), name)
        if hasattr(mode, "ev_target_voltage"):
            self._target(mode, now)
            return
        least, target, most = (
            read(getattr(mode, f"ev_{which}_energy_request")) for which in ("minimum", "target", "maximum")
        )
        self.within(least, target, "minimum energy")
        self.within(target, most, "target energy")

    def _target(self, mode: Any, now: float) -> None:
        volts, amperes = read(mode.ev_target_voltage), read(mode.ev_target_current)
        self.within(volts, read(self.declared.ev_maximum_voltage), "target voltage")
        if amperes <= 0.0:
            self._given(-amperes, now)
            return
        self.within(amperes, read(self.declared.ev_maximum_charge_current), "target current")
        self.within(amperes, self.said.maximum_charge_current_a, "target current beyond the station")
        watts = amperes * self.battery.battery_state(now).voltage_v
        self.within(watts, read(self.declared.ev_maximum_charge_power) * 1.001, "power beyond the vehicle")
        self.within(watts, self.said.maximum_charge_power_w * 1.001, "power beyond the station")
        for least in (self.said.minimum_charge_current_a, read(self.declared.ev_minimum_charge_current)):
            self.within(least, amperes, "current below a minimum")
        for least in (self.said.minimum_charge_power_w, read(self.declared.ev_minimum_charge_power)):
            self.within(least * _LOSS, watts, "power below a minimum")
        # Header and anchor are written in whole seconds, and a slow station sends them
        # a while after it wrote them.
        room = 1.7 if self.station.habits.slow else 0.3
        scheduled = [
            power for begins, ends, power in self.station.schedule if begins - room <= now <= ends + room
        ]
        self.within(watts, max(scheduled, default=0.0) * 1.001, "power beyond the schedule")

    def _given(self, amperes: float, now: float) -> None:
        """A current in the other direction, as a magnitude."""
        if amperes == 0.0:
            return
        watts = amperes * self.battery.battery_state(now).voltage_v
        self.within(amperes, read(self.declared.ev_maximum_discharge_current), "discharge current")
        self.within(amperes, self.said.maximum_discharge_current_a, "discharge current beyond the station")
        self.within(watts, read(self.declared.ev_maximum_discharge_power) * 1.001, "discharge power")
        self.within(watts, self.said.maximum_discharge_power_w * 1.001, "discharge power beyond the station")


def station_session(seed: int, *, minds: bool = False) -> tuple[Pair, Judge, Any]:
    """Our station, a contrary vehicle, and somebody who changes limits and set-points meanwhile. ``minds``:
    it changes its mind, too."""
    rng = random.Random(f"session {seed}")
    circuit = DcCircuit()
    megawatt = rng.random() < 0.5
    limits = station_limits(rng)
    kind = msgspec.structs.replace(preset("mcs-max" if megawatt else "ccs2"), limits=limits)
    station = SimulatedStation(circuit, kind)
    vehicle = SimulatedVehicle(circuit, battery=battery_of(rng))
    # It says nothing of how much of it is full; half of what it declares has odd minima.
    make = MindedVehicle if minds else ContraryVehicle
    contrary = make(seed, vehicle.limits, tuple(int(one) for one in SERVICES), epoch=EPOCH)
    changes: dict[str, Any] = {}
    if minds:
        changes["service_renegotiation"] = True
        changes["renegotiation"] = RenegotiationSettings(
            beside_the_loop=seed % 5 > 0, standby=seed % 7 > 1, silence_s=4.0
        )
    config = SeccConfig(
        services=SERVICES,
        derate_offer=rng.random() < 0.5,
        time_stamp_unit=rng.choice(list(TimeStampUnit)),
        price_level_schedule=rng.random() < 0.5,
        **changes,
    )
    if rng.random() < 0.3:
        station.supply.derate(held_back(rng, limits))  # at plug-in already
    rig = Pair(config, EvccConfig(), station, vehicle, contrary_vehicle=contrary)
    judge = Judge(seed, limits)
    judge.present = station.limits
    _watch(rig, judge)
    moments = sorted(rng.uniform(3.0, 40.0) for _ in range(rng.randint(0, 12)))

    def meddle() -> bool:
        while moments and rig.now >= moments[0]:
            moments.pop(0)
            dice = rng.random()
            if dice < 0.4:
                rig.station.derate(held_back(rng, limits), rig.now)
                rig.hear_station()
            elif dice < 0.5:
                rig.station.derate(limits, rig.now)
                rig.hear_station()
            elif rig.secc.ended is None:
                rig.tell_secc(SetPointChanged(set_point(rng, limits)))
        return rig.now > _LATEST_S

    rig.run(until=meddle)
    return rig, judge, contrary


def held_back(rng: random.Random, limits: StationLimits) -> StationLimits:
    """Less than all, and sometimes nothing."""
    share = rng.choice((0.0, 0.02, 0.4, 0.77, 1.0))
    return msgspec.structs.replace(
        limits,
        maximum_charge_power_w=limits.maximum_charge_power_w * share,
        minimum_charge_power_w=min(limits.minimum_charge_power_w, limits.maximum_charge_power_w * share),
        maximum_discharge_power_w=limits.maximum_discharge_power_w * share,
        minimum_discharge_power_w=min(
            limits.minimum_discharge_power_w, limits.maximum_discharge_power_w * share
        ),
    )


def set_point(rng: random.Random, limits: StationLimits) -> float | None:
    """Any, in both directions."""
    dice = rng.random()
    if dice < 0.25:
        return None
    if dice < 0.4:
        return decimals(rng, 0.0, 2.0 * limits.minimum_charge_power_w + 1.0)
    most = limits.maximum_charge_power_w
    return decimals(rng, -most, 0.0) if dice < 0.6 else decimals(rng, 0.0, most)


def vehicle_session(seed: int, *, minds: bool = False) -> tuple[Pair, Judge, Any]:
    """Our vehicle and a contrary station; ``minds``: both change theirs."""
    rng = random.Random(f"session {seed}")
    circuit = DcCircuit()
    megawatt = rng.random() < 0.5
    limits = station_limits(rng)
    kind = msgspec.structs.replace(preset("mcs-max" if megawatt else "ccs2"), limits=limits)
    station = SimulatedStation(circuit, kind)
    vehicle = SimulatedVehicle(circuit, battery=battery_of(rng))
    services = (ServiceID.MCS_BPT, ServiceID.MCS) if megawatt else (ServiceID.DC_BPT, ServiceID.DC)
    wanted = services if rng.random() < 0.5 else services[1:]
    station_of = MindedStation if minds else ContraryStation
    contrary = station_of(seed, limits, tuple(int(one) for one in services), epoch=EPOCH)
    modes = list(ControlMode)
    rng.shuffle(modes)
    config = EvccConfig(
        services=wanted,
        control_modes=tuple(modes),
        departure_time_s=rng.choice((None, 30, 7200)),
        target_soc=rng.choice((70, 75, 80)),
        minimum_soc=5,
        no_power_s=120.0,
        below_minimum_s=20.0,
        pause_if_asked=rng.random() < 0.5,
        loop_interval_s=rng.choice((None, 0.1)),
        time_stamp_unit=rng.choice(list(TimeStampUnit)),
        renegotiation=Renegotiation.BESIDE if minds and seed % 3 else Renegotiation.STOP_AND_GO,
    )
    rig = Pair(SeccConfig(), config, station, vehicle, contrary_station=contrary)
    judge = VehicleJudge(seed, contrary, vehicle)
    _watch(rig, judge)
    enough = rng.randint(5, 120)
    wishes = _wishes(seed) if minds else []

    def stop() -> bool:
        while wishes and contrary.loops >= wishes[0][0] and rig.evcc.ended is None:
            rig.tell_evcc(wishes.pop(0)[1])
        if contrary.loops > enough and rig.evcc.ended is None:
            rig.tell_evcc(StopRequested("the test has seen enough"))
        return rig.now > _LATEST_S

    rig.run(until=stop)
    return rig, judge, contrary


def _wishes(seed: int) -> list[tuple[int, ev.Event]]:
    """What our vehicle is told, and after how many turns of the loop."""
    rng = random.Random(f"wishes {seed}")
    begun = rng.randint(2, 30)
    wishes: list[tuple[int, ev.Event]] = [
        (begun, ev.StandbyRequested("test")),
        (begun + rng.randint(1, 20), ev.StandbyRequested("test", wanted=False)),
        (rng.randint(1, 60), ev.ScheduleRenegotiationRequested("test")),
        (rng.randint(1, 60), ev.ScheduleRenegotiationRequested("test")),
        (rng.randint(1, 60), ev.ServiceRenegotiationRequested("test")),
        (rng.randint(1, 60), ev.NeedsChanged(departure_s=3000.0)),
    ]
    both = wishes[:2] if rng.random() < 0.5 else []
    return sorted([*both, *(one for one in wishes[2:] if rng.random() < 0.5)], key=lambda wish: wish[0])


def _watch(rig: Pair, judge: Judge) -> None:
    """The judge sees what the safety monitor sees."""
    monitor = rig.monitor
    secc, evcc = monitor.secc, monitor.evcc

    def of_secc(event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        if not isinstance(judge, VehicleJudge):
            judge.secc(event, actions)
        return secc(event, actions, now)

    def of_evcc(event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        if isinstance(judge, VehicleJudge):
            judge.evcc(event, actions, now)
        return evcc(event, actions, now)

    monitor.secc, monitor.evcc = of_secc, of_evcc  # type: ignore[method-assign] # a wire tap, not a mock


def run(seed: int, *, minds: bool = False) -> str:
    """One session; how it ended, in words. Raises ``ContraryError``, or ``SafetyViolation``."""
    rig, judge, contrary = (station_session if seed % 2 else vehicle_session)(seed, minds=minds)
    ours = "station" if seed % 2 else "vehicle"
    ended = rig.secc.ended if ours == "station" else rig.evcc.ended
    if ended is None:
        raise ContraryError(f"seed {seed}: no end; SECC {rig.secc.state}, EVCC {rig.evcc.state}")
    mode = contrary.habits.mode if ours == "station" else contrary.mode
    detail = f" ({ended.detail})" if ended.detail else ""
    said = f"our {ours}, {ControlMode(mode).name.lower()}: {ended.reason.name}"
    if not ended.reason.orderly:
        if ended.reason not in _REFUSALS or not judge.refused_rightly:
            judge.fail(f"{said}{detail}; {getattr(contrary, 'refused', '')}")
        said += " (the limits of the two leave nothing)"
    record = rig.station.circuit.record
    # A contrary vehicle may have rounded up what it can take; what it wrote is judged turn by turn.
    if record.beyond_station or (record.beyond_vehicle and ours == "vehicle"):
        judge.fail(
            f"beyond the station's limits {record.beyond_station} times, {record.beyond_vehicle} the vehicle's"
        )
    if ours == "station" and any(code.startswith("WARNING") for code in contrary.codes):
        judge.fail(f"a profile that was kept is called a violation: {set(contrary.codes)}")
    return said


def main() -> int:
    """Run and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--mid-session", action="store_true", help="peers that change their minds, too")
    asked = parser.parse_args()
    if asked.seed is not None:
        print(run(asked.seed, minds=asked.mid_session))
        return 0
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    began = time.monotonic()
    for seed in range(asked.first, asked.first + asked.count):
        try:
            ends[run(seed, minds=asked.mid_session)] += 1
        except Exception as error:  # whatever it is, it belongs to this seed
            wrong.append(f"seed {seed}: {type(error).__name__}: {error}")
    for end, count in sorted(ends.items(), key=lambda item: -item[1]):
        print(f"{count:6d}  {end}")
    print(f"{asked.count} sessions in {time.monotonic() - began:.0f} s, {len(wrong)} of them wrong")
    for line in wrong[:40]:
        print(line[:600])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
