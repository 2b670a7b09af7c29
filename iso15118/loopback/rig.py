"""The hardware and the two sides' settings that an order asks for: a car or a truck, its station,
and the cable between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Identification, Renegotiation
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.evcc.iso2.settings import Iso2EvccSettings
from iso15118.evcc.schedule_settings import ScheduleEvccSettings
from iso15118.loopback.spec import LoopbackSpec
from iso15118.secc import SeccConfig
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.der import GridCode
from iso15118.session.services import DER_SERVICES, ServiceID
from iso15118.settings.couplers import preset_connector
from iso15118.settings.schedule_file import pricing_of
from iso15118.simulation import (
    AcCircuit,
    Battery,
    Bay,
    DcCircuit,
    EnergyPlan,
    OnBoardCharger,
    PantographStation,
    PantographVehicle,
    SimulatedAcStation,
    SimulatedAcVehicle,
    SimulatedInverter,
    SimulatedStation,
    SimulatedVehicle,
    Timetable,
    WirelessCircuit,
    WirelessStation,
    WirelessVehicle,
    european,
    north_american,
)

if TYPE_CHECKING:
    from iso15118.loopback.contracts import BothContracts

__all__ = ["Rig", "evcc_config", "secc_config"]

_ROOM = 1.01  # a target of exactly the least is rounded below it
_JITTER = 0.1  # share by which durations of the hardware vary when a seed is given
_DISCHARGE_PER_HOUR = (
    12.0  # five minutes to give back what is wanted: a good many charge loops, so that it ends on the mark
)
_CAR_CURRENT_A = 500.0  # what a CCS inlet takes
_CAR_POWER_W = 400_000.0
_RESISTANCE_OHM = 0.00025
"""Of the pack, small on purpose: the subject is the protocol, and with little heat in the cells the gauge
agrees with the meter within 0.1 %."""


_CAR_PACK = {
    "empty_v": 330.0,
    "full_v": 420.0,
    "maximum_charge_current_a": 200.0,
    "maximum_charge_power_w": 80_000.0,
    "maximum_discharge_current_a": 200.0,
    "maximum_discharge_power_w": 80_000.0,
}
"""Of a car that charges with AC: the charger is what limits it."""


class Rig(Struct, frozen=True):
    """Everything simulated of one run. ``time_scale``: seconds of the hardware in one
    second of the protocol's clock."""

    order: LoopbackSpec
    circuit: DcCircuit | AcCircuit | WirelessCircuit
    station: SimulatedStation | SimulatedAcStation | WirelessStation
    vehicle: SimulatedVehicle | SimulatedAcVehicle | WirelessVehicle
    plan: EnergyPlan | None
    stored_at_start_wh: float

    @classmethod
    def build(
        cls,
        order: LoopbackSpec,
        *,
        time_scale: float = 1.0,
        loop_s: float = 0.25,
        contracts: BothContracts | None = None,
    ) -> Rig:
        """New hardware for one run, with a full record of its own; ``loop_s``: see ``DcCircuit``.
        ``contracts``: for Plug and Charge."""
        if order.alternating:
            return cls._alternating(order, time_scale, loop_s, contracts)
        if order.wireless:
            return cls._wireless(order, time_scale, loop_s, contracts)
        circuit = DcCircuit(time_scale=time_scale, loop_s=loop_s)
        plan = _plan(order)
        options: dict[str, Any] = {
            "plan": plan,
            "seed": order.seed,
            "jitter": _JITTER if order.seed is not None else 0.0,
            "contracts": None if contracts is None else contracts.backend,
            "timetable": _timetable(order, contracts),
        }
        battery, store = _battery(order), None if contracts is None else contracts.store
        station: SimulatedStation
        vehicle: SimulatedVehicle
        if order.pantograph:
            bay = Bay(circuit)
            station = PantographStation(circuit, order.kind, bay, **options)
            vehicle = PantographVehicle(circuit, bay, battery, contracts=store)
        else:
            station = SimulatedStation(circuit, order.kind, **options)
            vehicle = SimulatedVehicle(circuit, battery, contracts=store)
        return cls(order, circuit, station, vehicle, plan, battery.stored_wh)

    def wired(
        self,
    ) -> tuple[
        DcCircuit | AcCircuit, SimulatedStation | SimulatedAcStation, SimulatedVehicle | SimulatedAcVehicle
    ]:
        """The three with a plug, which a simulated link needs."""
        circuit, station, vehicle = self.circuit, self.station, self.vehicle
        if isinstance(circuit, WirelessCircuit) or isinstance(station, WirelessStation):
            raise ConfigError("link", f"service {self.order.service!r} has no plug", "use link none")
        if isinstance(vehicle, WirelessVehicle):
            raise ConfigError("link", f"service {self.order.service!r} has no plug", "use link none")
        return circuit, station, vehicle

    @classmethod
    def _wireless(
        cls, order: LoopbackSpec, time_scale: float, loop_s: float, contracts: BothContracts | None
    ) -> Rig:
        circuit, battery = WirelessCircuit(time_scale=time_scale, loop_s=loop_s), _battery(order)
        backend, store = (None, None) if contracts is None else (contracts.backend, contracts.store)
        station = WirelessStation(circuit, order.pad, contracts=backend)
        vehicle = WirelessVehicle(
            circuit, order.receiver, battery, reads=lambda: station.id_code, contracts=store
        )
        return cls(order, circuit, station, vehicle, None, battery.stored_wh)

    @classmethod
    def _alternating(
        cls, order: LoopbackSpec, time_scale: float, loop_s: float, contracts: BothContracts | None
    ) -> Rig:
        limits = order.outlet.limits
        circuit = AcCircuit(
            phases=limits.phases,
            voltage_v=limits.nominal_voltage_v,
            frequency_hz=limits.nominal_frequency_hz,
            time_scale=time_scale,
            loop_s=loop_s,
        )
        plan, battery = _plan(order), _battery(order)
        backend, store = (None, None) if contracts is None else (contracts.backend, contracts.store)
        station = SimulatedAcStation(
            circuit,
            limits,
            plan=plan,
            contracts=backend,
            timetable=_timetable(order, contracts),
            grid_code=_grid_code(order, limits),
        )
        charger = OnBoardCharger(order.charger)
        if order.energy_service.id in DER_SERVICES:
            charger = SimulatedInverter(order.charger, nominal_voltage_v=limits.nominal_voltage_v)
        vehicle = SimulatedAcVehicle(circuit, charger, battery, contracts=store)
        return cls(order, circuit, station, vehicle, plan, battery.stored_wh)


def _timetable(order: LoopbackSpec, contracts: BothContracts | None) -> Timetable | None:
    """What the energy manager answers; with contracts their provider signs the prices."""
    if order.schedule is None:
        return None
    return Timetable(order.offers, price_signers=() if contracts is None else contracts.price_signers)


def _plan(order: LoopbackSpec) -> EnergyPlan | None:
    if order.discharge_kwh is None:
        return None
    wanted_wh = order.discharge_kwh * 1000.0
    power_w = wanted_wh * _DISCHARGE_PER_HOUR
    if order.power_kw is not None:
        power_w = min(power_w, order.power_kw * 1000.0)
    if not order.alternating:
        return EnergyPlan(wanted_wh, power_w=power_w, turn=order.turn)
    charger = order.charger
    least_w = sum(charger.minimum_discharge_power_w) * _ROOM
    most_w = sum(charger.maximum_discharge_power_w)
    return EnergyPlan(wanted_wh, power_w=most_w, turn=order.turn, least_w=min(least_w, most_w))


def _grid_code(order: LoopbackSpec, outlet: AcStationLimits) -> GridCode | None:
    """What the site of this service asks for; a return to service that takes five minutes is left out."""
    volts, hertz = outlet.nominal_voltage_v, outlet.nominal_frequency_hz
    if order.energy_service.id is ServiceID.AC_DER_IEC:
        return european(volts, hertz)
    return north_american(volts, hertz) if order.energy_service.id is ServiceID.AC_DER_SAE else None


def _battery(order: LoopbackSpec) -> Battery:
    inlet: dict[str, Any] = {}
    if order.alternating or order.wireless:
        inlet = _CAR_PACK
    elif not order.service.startswith("mcs"):
        inlet = {
            "maximum_charge_current_a": _CAR_CURRENT_A,
            "maximum_charge_power_w": _CAR_POWER_W,
            "maximum_discharge_current_a": _CAR_CURRENT_A,
            "maximum_discharge_power_w": _CAR_POWER_W,
        }
    return Battery(
        capacity_wh=order.capacity_wh,
        soc=order.soc_start,
        target_soc=order.soc_target,
        minimum_soc=order.minimum_soc,
        resistance_ohm=_RESISTANCE_OHM,
        constant_power_w=None
        if order.power_kw is None or order.alternating or order.wireless
        else order.power_kw * 1000.0,
        **inlet,
    )


def secc_config(order: LoopbackSpec, *, allow_plaintext: bool) -> SeccConfig:
    """The station offers everything its connector can do; the vehicle picks."""
    megawatt = order.service.startswith("mcs")
    services: tuple[ServiceID, ...]
    services = (ServiceID.MCS, ServiceID.MCS_BPT) if megawatt else (ServiceID.DC, ServiceID.DC_BPT)
    if order.wireless:
        services = (ServiceID.WPT,)
    if order.pantograph:
        services = (ServiceID.DC_ACDP, ServiceID.DC_ACDP_BPT)
    if order.alternating:
        services = (ServiceID.AC, ServiceID.AC_BPT)
        if order.energy_service.id in DER_SERVICES:
            services = (*services, order.energy_service.id)
    editions = order.secc_editions or (order.edition,)
    return SeccConfig(
        services=services,
        connector=preset_connector(order.station or ""),
        editions=editions,
        allow_plaintext=allow_plaintext,
        schedules=ScheduleSeccSettings(pricing=pricing_of(order.offers)),
        service_renegotiation=order.renegotiate == "service",
    )


def evcc_config(order: LoopbackSpec, *, allow_plaintext: bool, **pace: float) -> EvccConfig:
    """The vehicle wants exactly the service that was ordered; ``pace``: intervals that
    differ from the standard's."""
    return EvccConfig(
        editions=order.evcc_editions or (order.edition,),
        services=(order.energy_service.id,),
        connectors=() if (own := preset_connector(order.station or "")) is None else (own,),
        identification=(Identification[order.auth.upper()],),
        control_modes=(order.control_mode,),
        minimum_soc=int(order.minimum_soc),
        target_soc=math.ceil(order.soc_target),
        # As long as the longest schedule lasts: a vehicle that waits for cheap times has them all.
        departure_time_s=int(
            (order.expected_s if order.schedule is not None else max(7200.0, 2.0 * order.expected_s))
            + 60.0 * (order.standby or 0.0)
        ),
        schedules=ScheduleEvccSettings(choice=order.wish),
        renegotiation=Renegotiation.BESIDE if order.renegotiate == "beside" else Renegotiation.STOP_AND_GO,
        allow_plaintext=allow_plaintext,
        **_older(pace),
        **pace,  # type: ignore[arg-type]
    )


def _older(pace: dict[str, float]) -> dict[str, Any]:
    """The same pace in the older editions, which have settings of their own for it."""
    loop_s = pace.get("loop_interval_s")
    if loop_s is None:
        return {}
    return {
        "iso2": Iso2EvccSettings(loop_interval_s=loop_s, ac_loop_interval_s=loop_s),
        "din": DinEvccSettings(loop_interval_s=loop_s),
    }
