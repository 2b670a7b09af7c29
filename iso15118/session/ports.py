"""What a charger or vehicle team implements: small protocols of a few methods each, bundled in ``Station``
and ``Vehicle``.

Methods that take time are coroutines (any awaitable will do) and are given a deadline by the driver: one that
raises, or answers late, ends the session safely. What switches on (``close``, ``set_power``, ``pre_charge``,
``run``) is cancelled when it is contradicted, and the safe call is repeated when it has ended and when its
time is over, since cancelling does not stop a thread. A "yes" is an explicit True. Properties are read often
and must answer at once. All quantities are SI floats (V, A, W, Wh); current is positive towards the vehicle.
Hardware interlocks never depend on these calls: closing is a permission, and the hardware has the last word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, runtime_checkable

from iso15118.errors import ConfigError
from iso15118.pnc.contracts import ContractClaim, Refusal

from .ac_limits import AcBounds, AcStationLimits, AcVehicleLimits, ChargerBounds
from .actions import Urgency
from .coupling_ports import ConnectionDevicePort, MobilityPort, VehiclePositionPort
from .energy_ports import DisplayEnergyPort, EnergyPort, GridEnergyPort, Listener, SchedulingEnergyPort
from .events import AcMeasured, BatteryChanged, InletMeasured, MeterRead, PowerMeasured
from .grid_ports import InverterPort, WantedServices
from .limits import StationLimits, VehicleLimits
from .port_checks import Kind, check_ports
from .value_added import ValueAddedService
from .wireless_ports import PadPort, ReceiverPort

if TYPE_CHECKING:
    from iso15118.pki import Credential
    from iso15118.pnc.authorization import ContractTrust
    from iso15118.pnc.vehicle_contracts import VehicleContracts

__all__ = [
    "AcPowerPort",
    "Authorizer",
    "AutochargeAuthorizer",
    "BatteryPort",
    "CableCheckPort",
    "ConnectionDevicePort",
    "ContactorPort",
    "ContractAuthorizer",
    "ContractCertificateService",
    "ContractStore",
    "DcPowerPort",
    "DisplayEnergyPort",
    "EnergyPort",
    "GridEnergyPort",
    "HeartbeatPort",
    "InletPort",
    "InverterPort",
    "Listener",
    "MeterPort",
    "MobilityPort",
    "OnBoardChargerPort",
    "PadPort",
    "RatedAcPowerPort",
    "RatedPowerPort",
    "ReceiverPort",
    "SchedulingEnergyPort",
    "SignalPort",
    "Station",
    "Vehicle",
    "VehicleAuthorizer",
    "VehiclePositionPort",
    "capabilities_of",
]

_ASKED, _TOLD, _READ = Kind.ASKED, Kind.TOLD, Kind.READ

_STATION = {
    "power": {"pre_charge": _ASKED, "set_power": _ASKED, "stop": _ASKED, "limits": _READ, "present": _READ},
    "ac": {"set_power": _ASKED, "stop": _ASKED, "limits": _READ, "present": _READ},
    "contactors": {"close": _ASKED, "open": _ASKED, "closed": _READ},
    "cable_check": {"run": _ASKED},
    "authorizer": {"authorize": _ASKED},
    "connection_device": {"connect": _ASKED, "disconnect": _ASKED, "position": _READ},
    "vehicle_position": {"present": _READ},
    "pad": {"set_power": _ASKED, "stop": _ASKED, "limits": _READ, "id_code": _READ, "present": _READ},
    "meter": {"read": _ASKED},
    "energy": {"needs": _TOLD, "listen": _TOLD},
    "signal": {"listen": _TOLD},
    "contract_authorizer": {"trust": _READ, "authorize_contract": _ASKED},
    "contract_certificates": {"certificate_installation": _ASKED},
    "value_added": {"services": _READ},
    "heartbeat": {"beat": _TOLD},
}
_VEHICLE = {
    "battery": {"state": _READ, "limits": _READ},
    "charger": {"set_power": _ASKED, "stop": _ASKED, "limits": _READ, "present": _READ},
    "contactors": {"close": _ASKED, "open": _ASKED, "closed": _READ},
    "inlet": {"present": _READ},
    "receiver": {"set_power": _ASKED, "stop": _ASKED, "limits": _READ, "present": _READ},
    "mobility": {"guide": _TOLD, "immobilize": _ASKED, "present": _READ},
    "signal": {"listen": _TOLD, "set_ready": _ASKED},
    "contracts": {"present": _READ, "store": _ASKED},
    "inverter": {"abilities": _READ, "condition": _READ, "follow": _ASKED},
    "value_added": {"wanted": _READ},
    "heartbeat": {"beat": _TOLD},
}
"""What each port must have; a test compares this with the protocols below."""
_STATION_MAY = {
    "energy": {"schedules": _ASKED, "display": _TOLD},
    "authorizer": {"authorize_vehicle": _ASKED, "authorize_autocharge": _ASKED},
}
"""What a port of a station may have beside, and then has to be as it is wanted."""


@runtime_checkable
class ContactorPort(Protocol):
    """The main contactors of one side."""

    async def close(self) -> bool:
        """Close them; True when they are closed, False when they did not."""
        ...

    async def open(self, urgency: Urgency, reason: str) -> None:
        """Open them, waiting for the current to fall if ``urgency`` is orderly. Must be harmless when they
        are open, and while a closing is under way; it may be asked for again at any time. False, or a number
        below 0, says that it did not work; so does whatever it raises."""
        ...

    @property
    def closed(self) -> bool:
        """The level, as fed back by the hardware."""
        ...


@runtime_checkable
class DcPowerPort(Protocol):
    """The station's DC supply."""

    async def pre_charge(self, voltage_v: float, current_a: float) -> None:
        """Bring the output to ``voltage_v`` with at most ``current_a`` through the pre-charge path."""
        ...

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        """Hold all three bounds of ``SetPower`` at any time; called in every charge loop that changes them.
        ``voltage_v`` is the upper bound with a positive ``current_a`` (to the vehicle) and the lower bound
        with a negative one; with 0 A nothing may flow either way, whatever the voltage. The current is within
        the power at the present voltage, so that a supply without a power bound keeps to it, too."""
        ...

    async def stop(self, urgency: Urgency) -> None:
        """Current to zero. Must be harmless when none flows, and while another call is under way; it may be
        asked for again at any time. False, or a number below 0, says that it failed, as an error does."""
        ...

    @property
    def limits(self) -> StationLimits:
        """What the supply can give now."""
        ...

    @property
    def present(self) -> PowerMeasured:
        """Voltage and current at the output now."""
        ...


@runtime_checkable
class RatedPowerPort(DcPowerPort, Protocol):
    """A DC supply that also says what it could give at best. Then this is what a vehicle is offered, and a
    station that is held back when the vehicle is plugged in charges at full power once it is released."""

    @property
    def capabilities(self) -> StationLimits:
        """What the supply can give when nothing holds it back; read once when a session begins."""
        ...


@runtime_checkable
class AcPowerPort(Protocol):
    """The station's AC outlet: what its meter and its fuse know. The contactor is a
    ``ContactorPort`` as with DC."""

    async def set_power(self, bounds: AcBounds) -> None:
        """The vehicle was told this; called whenever it changes. ``bounds.phases`` is how many phases have to
        be connected, and is told with bounds of 0 before the contactors close."""
        ...

    async def stop(self, urgency: Urgency) -> None:
        """Nothing may flow any more. An outlet that can only open its contactor does nothing here. Must be
        harmless when nothing flows; False, or a number below 0, says that it failed, as an error does."""
        ...

    @property
    def limits(self) -> AcStationLimits:
        """What the outlet can give now."""
        ...

    @property
    def present(self) -> AcMeasured:
        """Voltage, current and power at the outlet now, of every phase."""
        ...


@runtime_checkable
class RatedAcPowerPort(AcPowerPort, Protocol):
    """An outlet that also says what it could give at best, as ``RatedPowerPort`` does."""

    @property
    def capabilities(self) -> AcStationLimits:
        """What the outlet can give when nothing holds it back; read once when a session begins."""
        ...


def capabilities_of(power: DcPowerPort) -> StationLimits | None:
    """For ``SeccSession(hardware=...)``: what this supply can give at best, None if it does not say."""
    return power.capabilities if isinstance(power, RatedPowerPort) else None


@runtime_checkable
class CableCheckPort(Protocol):
    """The cable check: below 60 V, test voltage, insulation, below 60 V again (IEC 61851-23 CC.4.1.2)."""

    async def run(self, voltage_v: float, insulation_ohm: float) -> bool | str:
        """Run it at ``voltage_v`` (V); the insulation resistance has to be ``insulation_ohm`` (ohm) at
        least, as the chosen service wants it. True when the cable is good, otherwise the reason why
        not. None is taken for True for one more release, with a warning, and a method without the
        second value is called without it."""
        ...


@runtime_checkable
class MeterPort(Protocol):
    """The station's energy meter."""

    async def read(self) -> MeterRead:
        """Present reading."""
        ...


@runtime_checkable
class Authorizer(Protocol):
    """Terminal or backend that decides about the driver (EIM)."""

    async def authorize(self, evccid: str) -> bool:
        """True if this vehicle may charge. ``evccid`` is its own word; see ``VehicleAuthorizer``."""
        ...


@runtime_checkable
class VehicleAuthorizer(Authorizer, Protocol):
    """An authorizer that wants to know what is proven of the vehicle, and not only what it says."""

    async def authorize_vehicle(self, evccid: str, certificate_name: str) -> bool:
        """Asked instead of ``authorize`` where it is there. ``certificate_name``: common name of
        the certificate that the vehicle proved in TLS, in ISO 15118-20 its EVCCID [V2G20-2598];
        empty if it has proven none."""
        ...


@runtime_checkable
class AutochargeAuthorizer(Authorizer, Protocol):
    """An authorizer that lets vehicles in by what they say of themselves (``ConnectorSettings.autocharge``).
    Weak identification: anybody can send the EVCCID and the MAC address of another vehicle."""

    async def authorize_autocharge(self, evccid: str, certificate_name: str, mac: str) -> bool:
        """Asked instead of the other two then. ``evccid``: as the vehicle introduced itself, by messages;
        empty where none were exchanged. ``certificate_name`` as in ``VehicleAuthorizer``. ``mac``: the
        address that the vehicle matched with (SLAC), "aa:bb:cc:dd:ee:ff"; empty without a match."""
        ...


@runtime_checkable
class ContractAuthorizer(Protocol):
    """Backend that decides about contracts (PnC), and the roots that the station
    itself checks them against."""

    @property
    def trust(self) -> ContractTrust:
        """Roots and policy; read when a session begins, so that it may change in between, and now and then
        to look for the end of the roots."""
        ...

    async def authorize_contract(self, claim: ContractClaim) -> bool | Refusal:
        """True if this contract pays, otherwise why not. None is taken for True for one
        more release, with a warning."""
        ...


@runtime_checkable
class ContractCertificateService(Protocol):
    """The way to the provisioning service that puts contracts into vehicles, such as
    OCPP's Get15118EVCertificate."""

    async def certificate_installation(self, request: bytes, schema: str) -> bytes | Refusal:
        """Pass on a CertificateInstallationReq as EXI of ``schema`` ("iso20-common", "iso2"; of the latter a
        CertificateUpdateReq as well), and return the signed response as EXI, or why there is none. Nothing in
        it is changed on the way but the header."""
        ...


@runtime_checkable
class ValueAddedServices(Protocol):
    """What the station offers beside energy. What a vehicle chose is told as ``ServicesSelected``; one that
    has ``selected`` is told it, too."""

    @property
    def services(self) -> tuple[ValueAddedService, ...]:
        """The services that there are now; read once when a session begins."""
        ...


@runtime_checkable
class ContractStore(Protocol):
    """Where the vehicle keeps its contracts, its provisioning certificate and the roots that go with them."""

    @property
    def present(self) -> VehicleContracts:
        """What there is now; read once when a session begins."""
        ...

    async def store(self, contract: Credential) -> None:
        """Keep a contract that was installed; it replaces an older one with the same EMAID."""
        ...


@runtime_checkable
class SignalPort(Protocol):
    """Control pilot of IEC 61851-1, or CE of MCS mapped onto its states; pushes ``SignalChanged``."""

    def listen(self, listener: Listener) -> None:
        """Push changes to ``listener`` from now on."""
        ...

    async def set_ready(self, ready: bool) -> None:
        """Vehicle side: show state C (True) or B (False). A station ignores it."""
        ...


@runtime_checkable
class BatteryPort(Protocol):
    """The vehicle's battery, as its management system shows it."""

    @property
    def state(self) -> BatteryChanged:
        """State of charge, and what the battery takes and gives now."""
        ...

    @property
    def limits(self) -> VehicleLimits:
        """What the vehicle declares before charging; it holds for the session."""
        ...


@runtime_checkable
class OnBoardChargerPort(Protocol):
    """The charger in the vehicle, which makes direct current for the battery out of
    AC, and perhaps the reverse."""

    async def set_power(self, bounds: ChargerBounds) -> None:
        """Take or give this from now on, per phase; called whenever it changes. Below what
        it can do it takes nothing."""
        ...

    async def stop(self, urgency: Urgency) -> None:
        """Current to zero. Must be harmless when none flows, and while another call is under way; it may be
        asked for again at any time. False, or a number below 0, says that it failed, as an error does."""
        ...

    @property
    def limits(self) -> AcVehicleLimits:
        """What it can take and give now; what it says first is declared, and holds for the session."""
        ...

    @property
    def present(self) -> AcMeasured:
        """Voltage, current and power at its input now."""
        ...


@runtime_checkable
class InletPort(Protocol):
    """Measurement at the vehicle's inlet, before its contactors."""

    @property
    def present(self) -> InletMeasured:
        """Voltage and current now."""
        ...


@runtime_checkable
class HeartbeatPort(Protocol):
    """A line or a frame by which firmware sees that this process is able to make its hardware safe."""

    def beat(self, count: int) -> None:
        """Called from the event loop ten times a second while it is so, with the number of the beat; answers
        at once (toggle a line, send a frame), and returns nothing that has to be awaited. Drop the contactors
        when it does not come for half a second.

        What it raises costs this beat: it is called again with the next one, ``HeartbeatMissed`` tells it,
        and so do ``heartbeat.reason`` and ``out_of_service_because``. Three in a row end a session that runs
        as a fault of this port, and no other begins before a beat is taken."""
        ...


@dataclass(frozen=True, kw_only=True)
class Station:
    """The hardware of one connector. What is None is not offered: no meter means no readings, no contract
    authorizer no Plug and Charge, no contract-certificate service no installation.

    Raises ``ConfigError`` naming port and method if one is missing, cannot be called, does not take the
    values that it will be called with, or is a plain function where a coroutine is wanted. ``power`` and
    ``cable_check`` are the DC output, ``ac`` is the AC outlet: one of the two has to be there.
    """

    power: DcPowerPort | None = None
    contactors: ContactorPort | None = None
    cable_check: CableCheckPort | None = None
    authorizer: Authorizer
    ac: AcPowerPort | None = None
    connection_device: ConnectionDevicePort | None = None
    vehicle_position: VehiclePositionPort | None = None
    pad: PadPort | None = None
    meter: MeterPort | None = None
    energy: EnergyPort | None = None
    signal: SignalPort | None = None
    contract_authorizer: ContractAuthorizer | None = None
    contract_certificates: ContractCertificateService | None = None
    value_added: ValueAddedServices | None = None
    heartbeat: HeartbeatPort | None = None

    def __post_init__(self) -> None:
        if self.power is None and self.ac is None and self.pad is None:
            hint = "give Station one, or ac for an AC outlet, or pad for wireless power"
            _missing("power", "this port is missing", hint)
        if self.contactors is None and not (self.power is None and self.ac is None):
            _missing("contactors", "this port is missing", "give Station one: only a pad does without")
        if self.power is not None and self.cable_check is None:
            _missing("cable_check", "this port is missing", "give Station one: no DC output without it")
        if self.power is None and self.cable_check is not None:
            _missing("power", "this port is missing", "give Station one: a cable check is for a DC output")
        if (self.connection_device is None) is not (self.vehicle_position is None):
            lacks = "connection_device" if self.connection_device is None else "vehicle_position"
            _missing(
                lacks,
                "this port is missing",
                "give Station both, or neither: the device moves by what is measured",
            )
        check_ports(self, _STATION, _STATION_MAY, _protocols(Station))


@dataclass(frozen=True, kw_only=True)
class Vehicle:
    """The hardware behind one inlet. Raises as ``Station`` does.

    ``contactors`` and ``inlet`` are the DC side, ``charger`` is the on-board charger: one of the
    two has to be there. Contactors are those to the battery, which stay open while the on-board
    charger works; it switches itself.
    """

    battery: BatteryPort
    contactors: ContactorPort | None = None
    inlet: InletPort | None = None
    charger: OnBoardChargerPort | None = None
    mobility: MobilityPort | None = None
    receiver: ReceiverPort | None = None
    signal: SignalPort | None = None
    contracts: ContractStore | None = None
    inverter: InverterPort | None = None
    value_added: WantedServices | None = None
    heartbeat: HeartbeatPort | None = None

    def __post_init__(self) -> None:
        direct = {"contactors": self.contactors, "inlet": self.inlet}
        alone = self.charger is not None or self.receiver is not None
        if not alone or any(port is not None for port in direct.values()):
            for name, port in direct.items():
                if port is None:
                    hint = (
                        "give Vehicle one"
                        if self.charger is not None
                        else "give Vehicle one, or a charger for AC"
                    )
                    _missing(name, "this port is missing", hint)
        check_ports(self, _VEHICLE, protocols=_protocols(Vehicle))


_MORE_OF: Final = {
    "energy": (SchedulingEnergyPort, DisplayEnergyPort),
    "authorizer": (VehicleAuthorizer, AutochargeAuthorizer),
}


@cache
def _protocols(bundle: type) -> dict[str, tuple[type, ...]]:
    """The protocols of each port: the one that the bundle names, and those that it may be of beside it."""
    found = {}
    for name, says in bundle.__annotations__.items():
        found[name] = (globals()[says.split(" ")[0]], *_MORE_OF.get(name, ()))
    return found


def _missing(name: str, reason: str, hint: str) -> NoReturn:
    raise ConfigError(name, reason, hint)
