"""A truck and a megawatt charger in one process under a virtual clock: the whole session, message
by message, in half a second.

Nothing here sleeps, opens a socket or reads a clock. A safety monitor watches every step and raises if
either side does what it must not.
"""

from __future__ import annotations

from collections import Counter

from iso15118 import EvccConfig, SeccConfig, ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.testing import Pair


def main() -> None:
    circuit = DcCircuit()
    station = SimulatedStation(circuit, preset("mcs-gen1"))
    vehicle = SimulatedVehicle(circuit, Battery(capacity_wh=540_000.0, soc=20.0, target_soc=80.0))
    messages: Counter[str] = Counter()

    def watch(sender: str, message: object, now: float) -> None:
        name = type(message).__name__
        messages[name] += 1
        if messages[name] == 1:
            print(f"{now:8.2f} s  {sender} says {name}")

    pair = Pair(
        SeccConfig(services=(ServiceID.MCS,)),
        EvccConfig(services=(ServiceID.MCS,)),
        station,
        vehicle,
        on_message=watch,
    )
    pair.run()

    record = circuit.record
    print(f"ended: {pair.evcc.ended}")
    print(f"{station.meter.charged_wh / 1000.0:.1f} kWh in {pair.transfer_s / 60.0:.1f} min of virtual time")
    print(
        f"at most {record.peak_power_w / 1000.0:.0f} kW, {record.peak_current_a:.0f} A, {record.maximum_voltage_v:.0f} V"
    )
    print(f"{messages['DCChargeLoopReq']} charge loops, {messages.total()} messages")


if __name__ == "__main__":
    main()
