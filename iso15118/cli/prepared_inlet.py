"""One inlet of a vehicle's file, ready for its session: hardware, certificates, contracts, evidence and
the link."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from iso15118.aio.results import SessionResult
from iso15118.cli.configured import Asking
from iso15118.cli.link import link_of
from iso15118.cli.recorded import Kept, recorder_in, recording
from iso15118.cli.session import Secured, SessionSummary, summary_of, tls_of
from iso15118.evcc import EvccConfig
from iso15118.pki import Store
from iso15118.pki.status.evidence import Evidence
from iso15118.settings.contracts import store_of
from iso15118.settings.hardware import vehicle_of
from iso15118.settings.inlets import OneInlet
from iso15118.settings.trust import common_name
from iso15118.simulation import Battery, DcCircuit
from iso15118.simulation.meter import Meter

if TYPE_CHECKING:
    from iso15118.aio.plug.connector import LinkParts
    from iso15118.pnc.vehicle_contracts import HeldContracts, StoredContracts

__all__ = ["Contracts", "PreparedInlet"]

Contracts: TypeAlias = "dict[tuple[Struct, ...], HeldContracts | StoredContracts | None]"
"""The contracts of a vehicle, by the settings that they are of: inlets with the same ones have them together,
so that one that was installed at one inlet is there at the next."""


class PreparedInlet:
    """What a file says of one inlet, made; what has to be closed again is in ``stack``.

    ``battery``: the one behind it. Raises ``ConfigError`` for what the file names and cannot be used,
    ``LinkError`` for an interface behind a plug that does not exist.
    """

    def __init__(
        self,
        one: OneInlet,
        kept: Kept,
        stack: ExitStack,
        asking: Asking,
        *,
        battery: Battery,
        contracts: Contracts,
    ) -> None:
        settings = one.settings
        self.settings, self.name = settings, one.name
        self.vehicle, self.reported = vehicle_of(settings, battery)
        lists = settings.status.store
        self.recorder = recorder_in(kept.folder(one.name))
        stack.enter_context(recording(self.recorder))
        self.secured: Secured = stack.enter_context(
            tls_of(
                settings.tls,
                "evcc",
                kept.keylog,
                asking=asking,
                editions=settings.session.editions,
                evidence=None if lists is None else Evidence(Store(lists)),
                disclose=kept.keylog_udp,
                secret=None if self.recorder is None else self.recorder.secret,
            )
        )
        secured = self.secured
        key = settings.contracts, settings.tls
        if key not in contracts:
            contracts[key] = store_of(
                settings.contracts, settings.tls, secured.pki, secured.older_pki, asking
            )
        self.vehicle.contracts = contracts[key]
        self.session: EvccConfig = settings.session
        if secured.material is not None and self.session.evccid == EvccConfig().evccid:
            # Unless the file says otherwise the vehicle is who its certificate says it is [V2G20-2598].
            self.session = replace(self.session, evccid=common_name(secured.material))
        self.link: Callable[[], LinkParts] | None = link_of(settings.link, settings.interface, station=False)

    @property
    def words(self) -> str:
        """What stands before a line for people that is about this inlet."""
        return f"iso15118: {self.name}" if self.name else "iso15118"

    @property
    def counted(self) -> Meter:
        """What went through this inlet, whatever else the battery is joined to."""
        circuit = self.vehicle.circuit
        return circuit.inlet_meter if isinstance(circuit, DcCircuit) else circuit.meter

    def summary(
        self, result: SessionResult, *, soc: float, charged_wh: float, discharged_wh: float, stopped: bool
    ) -> SessionSummary:
        """A session that has ended at this inlet, which took and gave these energies from ``soc`` (percent)
        on. ``stopped``: by a signal, so that nobody misses the target."""
        battery, target = self.vehicle.battery, self.session.target_soc
        short = f"the session ended at {battery.soc:.2f} %, short of the target of {target} %"
        return summary_of(
            result,
            charged_wh=charged_wh,
            discharged_wh=discharged_wh,
            evccid=self.session.evccid,
            problem="" if battery.complete or stopped else short,
            soc=(soc, battery.soc),
            connector=self.name,
        )
