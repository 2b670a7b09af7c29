"""A vehicle's program: the ports of this library on top of a battery system, its
own trust, several contracts.

The settings are a file as for `iso15118 evcc`, of which ``[vehicle]`` is not used: the battery is
here. The contracts are in a certificate store; those that are refused are passed over, and one
that is installed is kept there.

    python vehicle.py evcc.toml
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

from iso15118 import Vehicle, VehicleLimits
from iso15118.aio.identity import RenewableTls
from iso15118.aio.run import run_vehicle
from iso15118.channel import Received
from iso15118.errors import V2GError
from iso15118.messages.iso20 import dc
from iso15118.messages.values import si
from iso15118.session.actions import Urgency
from iso15118.session.events import BatteryChanged, InletMeasured
from iso15118.session.ports import ContractStore
from iso15118.settings.contracts import store_of
from iso15118.settings.identity import read_material
from iso15118.settings.roles import EvccSettings, load_evcc
from iso15118.settings.trust import common_name, evcc_source

LIMITS = VehicleLimits(
    maximum_charge_power_w=80_000.0,
    maximum_charge_current_a=200.0,
    maximum_voltage_v=460.0,
    minimum_voltage_v=300.0,
)


class Pack:
    """The battery system: ``BatteryPort``. Here a small pack of 2 kWh, so that a charge takes seconds."""

    limits = LIMITS
    CAPACITY_WH, OPEN_V, RESISTANCE_OHM = 2_000.0, 390.0, 0.05

    def __init__(self, target_soc: float) -> None:
        self.soc, self._target_soc = 20.0, target_soc

    def take(self, current_a: float, seconds: float) -> None:
        """So much current for so long."""
        self.soc += 100.0 * self.voltage_v(current_a) * current_a * seconds / 3600.0 / self.CAPACITY_WH

    def voltage_v(self, current_a: float) -> float:
        """At its terminals."""
        return self.OPEN_V + self.RESISTANCE_OHM * current_a

    @property
    def state(self) -> BatteryChanged:
        """What the battery management says now."""
        missing = (self._target_soc - self.soc) / 100.0 * self.CAPACITY_WH
        return BatteryChanged(
            soc=self.soc,
            voltage_v=self.OPEN_V,
            target_voltage_v=440.0,
            target_current_a=120.0 if missing > 0.0 else 0.0,
            maximum_charge_power_w=LIMITS.maximum_charge_power_w,
            maximum_charge_current_a=LIMITS.maximum_charge_current_a,
            maximum_voltage_v=LIMITS.maximum_voltage_v,
            minimum_voltage_v=LIMITS.minimum_voltage_v,
            energy_to_target_wh=missing,
            energy_to_maximum_wh=(100.0 - self.soc) / 100.0 * self.CAPACITY_WH,
            energy_to_minimum_wh=0.0,
            capacity_wh=self.CAPACITY_WH,
            complete=missing <= 0.0,
        )


class Contactors:
    """``ContactorPort``: those between inlet and battery."""

    closed = False

    async def close(self) -> bool:
        """They are mechanical."""
        await asyncio.sleep(0.05)
        self.closed = True
        return self.closed

    async def open(self, urgency: Urgency, reason: str) -> None:
        """At once, and harmless when they are open."""
        self.closed = False


class Inlet:
    """``InletPort``: your sensors before the contactors.

    Two programs on one machine have no cable between them. So this inlet shows what the station reports; with
    a cable ``believe`` goes away, and ``present`` is what is measured.
    """

    def __init__(self, pack: Pack, contactors: Contactors) -> None:
        self._pack, self._contactors = pack, contactors
        self._reported_v = self._reported_a = 0.0
        self._looked_at: float | None = None

    def believe(self, now: float, what: Any) -> None:
        """The observer of the session: every message that comes in, and more."""
        if isinstance(what, Received):
            message = what.message
            if isinstance(message, dc.DCPreChargeRes | dc.DCWeldingDetectionRes):
                self._reported_v = si(message.evse_present_voltage)
            elif isinstance(message, dc.DCChargeLoopRes):
                self._reported_a = si(message.evse_present_current)
            elif isinstance(message, dc.DCChargeParameterDiscoveryRes):
                self._reported_v = self._reported_a = 0.0

    @property
    def present(self) -> InletMeasured:
        """Voltage and current now."""
        now = asyncio.get_running_loop().time()
        if not self._contactors.closed:
            self._reported_a, self._looked_at = 0.0, None
            return InletMeasured(self._reported_v, 0.0, at=now)
        if self._looked_at is not None:
            self._pack.take(self._reported_a, now - self._looked_at)
        self._looked_at = now
        return InletMeasured(self._pack.voltage_v(self._reported_a), self._reported_a, at=now)


class Contracts:
    """``ContractStore``: the store of the file, with a word about what is installed."""

    def __init__(self, store: ContractStore) -> None:
        self._store = store

    @property
    def present(self) -> Any:
        """What there is now; read when a session begins."""
        return self._store.present

    async def store(self, contract: Any) -> None:
        """Keep one that was installed."""
        await self._store.store(contract)
        print("vehicle: a contract was installed")


def charge(settings: EvccSettings) -> int:
    """One session. Returns the exit status."""
    pack, contactors = Pack(settings.session.target_soc), Contactors()
    inlet = Inlet(pack, contactors)
    kept = store_of(settings.contracts, settings.tls, None)
    vehicle = Vehicle(
        battery=pack,
        contactors=contactors,
        inlet=inlet,
        contracts=None if kept is None else Contracts(kept),
    )
    # Who we are, and which roots we trust: from the files or the store that [tls] names.
    material = read_material(settings.tls, "evcc")
    tls = RenewableTls(
        evcc_source(material, None, profile=settings.tls.profile, revocation=settings.tls.revocation)
    )
    # The vehicle is who its certificate says it is.
    session = msgspec.structs.replace(settings.session, evccid=common_name(material))
    result, _ = run_vehicle(
        session,
        lambda sleep, clock: vehicle,
        settings.interface,
        tls,
        sdp_port=settings.sdp_port,
        observer=inlet.believe,
    )
    if result is None:
        return 1
    for refusal in result.refusals:
        print(f"vehicle: {refusal}")
    print(
        f"vehicle: {result.ended.reason.name} {result.ended.detail}, {pack.soc:.1f} %, "
        f"paid by {result.emaid or 'the driver'}, hardware {'safe' if result.safe else 'NOT SAFE'}"
    )
    return 0 if result.ended.reason.orderly and result.safe else 1


def main() -> int:
    """The command. A file or a certificate that cannot be used is said with the
    key and the way to mend it."""
    try:
        return charge(load_evcc(Path(sys.argv[1])))
    except (V2GError, OSError) as error:
        print(f"vehicle: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
