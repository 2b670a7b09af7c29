"""What the operator of a station decides before any vehicle comes: names, services and how strict to be.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.messages.values import DischargeLimitSign, TimeStampUnit
from iso15118.ranges import Duration, check_fields, listed_once
from iso15118.secc.din.settings import LONGEST_EVSE_ID, DinSeccSettings
from iso15118.secc.iso2.settings import Iso2SeccSettings
from iso15118.secc.quirks import PLACES, VehicleQuirk
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.discovery import Downgrade
from iso15118.session.quirks import changed, check_quirks
from iso15118.session.services import (
    OUTLET_SERVICES,
    SERVICES,
    ControlMode,
    MobilityNeedsMode,
    ParameterSet,
    ServiceID,
    ac_parameter_sets,
    parameter_sets,
)
from iso15118.session.supervision import SupervisionLimits
from iso15118.session.ticket import VALIDITY_S
from iso15118.timing import Timing

from .ac_settings import AcSeccSettings
from .acdp_settings import AcdpSeccSettings
from .renegotiation_settings import RenegotiationSettings
from .schedule_settings import ScheduleSeccSettings
from .wpt_settings import WptSeccSettings

__all__ = ["EDITIONS", "EvccidMismatch", "ProtocolPreference", "SeccConfig"]

_SHORTEST_EVSE_ID, _LONGEST_EVSE_ID = 7, 37
"""Characters of EVSEID in ISO 15118-2."""

EDITIONS: Final = ("iso20", "iso2", "din")
"""The names of the editions in settings."""


class ProtocolPreference(Enum):
    """Whose order counts when vehicle and station have several protocols in common."""

    EV = "the vehicle's priorities"
    STATION = "the order of editions"


class EvccidMismatch(Enum):
    """What comes of a vehicle that introduces itself by another EVCCID than its certificate has."""

    REFUSE = "the session ends"
    FLAG = "it goes on, and everybody is told both names"


class SeccConfig(Struct, frozen=True, kw_only=True):
    """Settings of the SECC of one connector. Raises ``ConfigError`` naming the key."""

    evse_id: str = "ZZ00000"
    """EVSEID told to the vehicle, at most 255 characters; "ZZ00000" where none is assigned [V2G20-192]."""
    services: tuple[ServiceID, ...] = (ServiceID.DC, ServiceID.DC_BPT)
    """Energy services in the order offered; MCS and MCS_BPT for a megawatt connector, AC and AC_BPT for an AC
    outlet, DC_ACDP and DC_ACDP_BPT for a pantograph, WPT for a pad."""
    control_modes: tuple[ControlMode, ...] = (ControlMode.SCHEDULED, ControlMode.DYNAMIC)
    """Both are required of a station [V2G20-2656]; a test bench may offer one."""
    connector: Annotated[int, Meta(ge=1, le=7)] | None = None
    """Connector parameter: DC 1 Core, 2 Extended, 3 Dual2, 4 Dual4 (default 2); MCS 1 to 7 (default 1)."""
    allow_plaintext: bool = False
    """Serve ISO 15118-20 without TLS 1.3. The standard forbids it [V2G20-2356]; laboratories ask for it."""
    forbid_plaintext: bool = False
    """Serve nothing without TLS, whatever the edition: DIN 70121, which knows no TLS, not at all, and
    ISO 15118-2 over TLS alone. By default both are served in the clear to vehicles that ask for it;
    there is no Plug and Charge then."""
    sdp_downgrade: Downgrade = Downgrade.ACCEPT
    """What comes of a vehicle that asked for TLS in discovery, was promised TLS, and connects without it.
    Accepted by default where something may be said in the clear: vehicles fall back when a handshake fails.
    Somebody on the link may have talked it out of TLS."""
    precharge_tolerance_v: Annotated[float, Meta(ge=0.1, le=100.0)] = 20.0
    """Output voltage and target may differ by this much when power delivery starts (IEC 61851-23, Annex CC;
    docs/sources.md)."""
    precharge_current_a: Annotated[float, Meta(ge=0.1, le=100.0)] = 2.0
    """Current limit of the pre-charge path, in A (IEC 61851-23, Annex CC; docs/sources.md)."""
    overvoltage_v: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.5
    """How far a vehicle's voltage target may exceed its own declared maximum before the session is ended, in
    V. Vehicles round the two apart: by a tenth of a volt, or by half a volt where they round to whole ones.
    The output is held below the maximum in any case."""
    stop_delay_s: Duration = 10.0
    """How long a vehicle may take to stop after EVSENotification Terminate before the station stops by
    itself, in s."""
    evccid_mismatch: EvccidMismatch = EvccidMismatch.REFUSE
    """A vehicle whose SessionSetupReq names another EVCCID than the certificate that it proved in TLS.
    Refused by default: the name in the certificate is the EVCCID [V2G20-2598], and whoever authorizes by it
    would charge one vehicle to the account of another. Where the certificate's name is no EVCCID, as with
    today's test peers, there is nothing to compare."""
    authorization_attempts: Annotated[int, Meta(ge=1, le=1000)] = 10
    """Contracts that a vehicle may try in one session, and questions about its driver that are asked; the
    standard names no number, and each one costs a check. So often, too, it may choose a way that is not
    offered. ``timing.authorization_ongoing_timeout`` for each, and ``timing.phase_performance``, are how long
    authorization may take in all."""
    most_service_details: Annotated[int, Meta(ge=8, le=100_000)] = 64
    """How often a vehicle may ask about services it was told of. The standard names no number; without one,
    somebody who asks once a minute keeps the station for ever, before anybody has been authorized."""
    authorization_pause_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 1.0
    """After a driver was refused: how long the next question to the backend waits, in s. The standard names
    no time; a vehicle that asks again at once would ask it hundreds of times a second."""
    metering_confirmation_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 0.0
    """Plug and Charge: have the vehicle sign a meter reading every so many s [V2G20-1083]; 0 never asks. Many
    vehicles do not know the message, hence off by default."""
    contract_expiry_days: Annotated[float, Meta(ge=0.0, le=3650.0)] = 21.0
    """A contract that ends within so many days is answered OK_CertificateExpiresSoon; the vehicle charges by
    it. The same number as in ISO 15118-2, which has a setting of its own."""
    meter_age_s: Duration = 1.0
    """A meter reading older than this is not told to a vehicle that asks for one, and not given to be signed,
    in s: the meter is read again. One second is what readings of a charger are commonly good for."""
    first_meter_reading: bool = True
    """Tell the meter's reading in the first answer of the charge loop unasked, as ISO 15118-20 wants it
    [V2G20-1833]. A vehicle with the PyPI package iso15118 has another name for BPT_DischargedEnergyReadingWh
    and leaves when it is told one; without this it is told none unless it asks."""
    time_stamp_unit: TimeStampUnit = TimeStampUnit.SECONDS
    """Unit of the time stamps sent: seconds as public stacks send them, or microseconds as one commercial
    station does. Both are read."""
    discharge_limit_sign: DischargeLimitSign = DischargeLimitSign.PLUS
    """Sign of the discharge limits sent in a bidirectional service: plus as public stacks have it, or minus
    as some vehicles send and expect it. Both are read."""
    schedule_overrun_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 60.0
    """How long the last power of a schedule goes on to hold behind its end, in s; then the vehicle gets none
    until there is a new one. The standard names no time; a minute is enough to agree on a new one."""
    schedule_renegotiation_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 300.0
    """Ask the vehicle for another schedule when there is more power than it says, or when it is over, but not
    more often than every so many s, because the power rests meanwhile; 0 never asks."""
    power_tolerance_w: Annotated[float, Meta(ge=0.0, le=1e7)] = 0.0
    """PowerTolerance of the schedules offered: how far off its profile the vehicle may be, in W; 0 names
    none."""
    profile_tolerance_w: Annotated[float, Meta(ge=0.0, le=1e7)] = 300.0
    """How far the measured power may exceed the vehicle's own profile before that counts as a violation, in
    W; never less than 3 % of it. No public source names a value."""
    profile_warning_s: Duration = 5.0
    """How long it may, in s, before the charge loop says WARNING_EVPowerProfileViolation [V2G20-1864]."""
    profile_failure_s: Duration = 60.0
    """How long it may, in s, before the session ends with FAILED_EVPowerProfileViolation."""
    tolerate_odd_values: bool = False
    """Take requests whose values contradict the standard where nothing here depends on them: MinimumSOC above
    TargetSOC [V2G20-1640], MaximumSupportingPoints outside 12 to 1024, an empty EVCCID. Otherwise they are
    refused with FAILED."""
    service_renegotiation: bool = False
    """Offer another service selection without a new authorization [V2G20-1477]."""
    mobility_needs_modes: tuple[MobilityNeedsMode, ...] = (MobilityNeedsMode.PROVIDED_BY_EVCC,)
    """Dynamic mode: who knows what the driver needs, each offered as parameter sets of its own. With
    provided-by-secc the station is told departure and states of charge (``MobilityNeedsChanged``) and tells
    them to the vehicle; public stacks offer the other one alone."""
    allow_pause: bool = True
    """Let a vehicle pause after PowerDelivery(Stop), to go on later without a new authorization. Granted by
    default: the output is safe either way, whereas FAILED_PauseNotAllowed ends the session as a fault, and a
    station that forgot it only begins anew."""
    pause_validity_s: Annotated[float, Meta(ge=0.001, le=31_536_000.0)] = VALIDITY_S
    """How long a paused session can be gone on with, in s. No public source names a time; a schedule without
    departure time covers a day [V2G20-1563]."""
    derate_offer: bool = True
    """MCS: offer at most what the vehicle declares, as IEC 61851-23-3 CC.5.6 checks it in one public stack
    (unsettled, hence a setting)."""
    accept_ongoing_pre_charge: bool = False
    """Take PowerDeliveryReq after a DC_PreChargeReq whose EVProcessing still was Ongoing. ISO 15118-20 wants
    Finished first [V2G20-2005, V2G20-2006], but vehicles with the PyPI package iso15118 leave it out. The
    voltages are compared before contactors close in either case."""
    price_level_schedule: bool = True
    """Put one flat price level beside each schedule offered. ISO 15118-20 wants prices or levels there
    [V2G20-2176]; many do without, but a vehicle with the PyPI package iso15118 refuses a schedule that has
    neither."""
    schedules: ScheduleSeccSettings = ScheduleSeccSettings()
    """What else is decided about schedules and prices."""
    editions: Annotated[tuple[str, ...], Meta(extra={"choices": EDITIONS})] = ("iso20",)
    """Editions that are spoken with vehicles, best first: "iso20", "iso2", "din"."""
    protocol_preference: ProtocolPreference = ProtocolPreference.EV
    """Whose order counts when the two have several editions in common: the vehicle's, as the standard has it
    [V2G20-169], or that of ``editions``. Some vehicles put DIN 70121 first although they know better."""
    ac: AcSeccSettings = AcSeccSettings()
    """What is decided about alternating current alone."""
    wpt: WptSeccSettings = WptSeccSettings()
    """What is decided about wireless power alone."""
    renegotiation: RenegotiationSettings = RenegotiationSettings()
    """What is decided about changes in mid-session, in ISO 15118-20 alone."""
    acdp: AcdpSeccSettings = AcdpSeccSettings()
    """What is decided about a connection device alone."""
    iso2: Iso2SeccSettings = Iso2SeccSettings()
    """What is decided about ISO 15118-2 alone."""
    din: DinSeccSettings = DinSeccSettings()
    """What is decided about DIN 70121 alone."""
    quirks: tuple[VehicleQuirk, ...] = ()
    """Vehicles that are treated otherwise than all others, by the beginning of their EVCCID."""
    timing: Timing = Timing()
    """Every timeout of the session in s."""
    supervision: SupervisionLimits = SupervisionLimits()
    """When measured values end the session."""

    @property
    def speaks_plain(self) -> bool:
        """Something may be said without TLS."""
        return self.allow_plaintext or (
            not self.forbid_plaintext and not {"iso2", "din"}.isdisjoint(self.editions)
        )

    @property
    def speaks_tls(self) -> bool:
        """Something may be said over TLS: in DIN 70121 nothing may."""
        return not {"iso20", "iso2"}.isdisjoint(self.editions)

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= len(self.evse_id) <= 255:
            raise ConfigError("evse_id", f"{len(self.evse_id)} characters", "1 to 255")
        if not self.editions or len(set(self.editions)) != len(self.editions):
            raise ConfigError(
                "editions", "none, or one twice", f"any of {', '.join(EDITIONS)}, the best first"
            )
        for edition in self.editions:
            if edition not in EDITIONS:
                raise ConfigError("editions", f"{edition!r} is none", f"any of {', '.join(EDITIONS)}")
        if self.forbid_plaintext and self.allow_plaintext:
            raise ConfigError("forbid_plaintext", "plaintext is allowed, too", "one of the two")
        if self.forbid_plaintext and not self.speaks_tls:
            raise ConfigError(
                "forbid_plaintext", "DIN 70121 knows no TLS", "false, or editions with iso20 or iso2"
            )
        if "iso2" in self.editions and not (
            self.evse_id.isascii() and _SHORTEST_EVSE_ID <= len(self.evse_id) <= _LONGEST_EVSE_ID
        ):
            raise ConfigError(
                "evse_id",
                f"{self.evse_id!r} does not fit ISO 15118-2",
                f"{_SHORTEST_EVSE_ID} to {_LONGEST_EVSE_ID} ASCII characters, or editions without iso2",
            )
        if "din" in self.editions and not (self.evse_id.isascii() and len(self.evse_id) <= LONGEST_EVSE_ID):
            raise ConfigError(
                "evse_id",
                f"{self.evse_id!r} does not fit DIN 70121",
                f"at most {LONGEST_EVSE_ID} ASCII characters, or editions without din",
            )
        if not self.services:
            raise ConfigError(
                "services",
                "no service is offered",
                "at least one of " + ", ".join(s.name for s in SERVICES.values()),
            )
        for service in self.services:
            if service not in SERVICES:
                raise ConfigError(
                    "services",
                    f"{getattr(service, 'name', service)} is not implemented",
                    "one of " + ", ".join(s.name for s in SERVICES.values()),
                )
            if service in OUTLET_SERVICES:
                continue  # there the connector follows from the phases
            if self.connector is not None and self.connector not in SERVICES[service].connectors:
                legal = SERVICES[service].connectors
                raise ConfigError(
                    "connector",
                    f"{self.connector} does not exist for {service.name}",
                    f"{legal[0]} to {legal[-1]}",
                )
        listed_once("services", self.services)
        if not self.control_modes:
            raise ConfigError("control_modes", "none is offered", "scheduled, dynamic or both")
        listed_once("control_modes", self.control_modes)
        check_quirks(self, self.quirks, lambda config, one: changed(config, one.changes, PLACES))
        if not self.mobility_needs_modes:
            raise ConfigError("mobility_needs_modes", "none is offered", "provided-by-evcc or both")
        listed_once("mobility_needs_modes", self.mobility_needs_modes)
        if MobilityNeedsMode.PROVIDED_BY_EVCC not in self.mobility_needs_modes and (
            ControlMode.SCHEDULED in self.control_modes
        ):  # [V2G20-2663]
            raise ConfigError(
                "mobility_needs_modes",
                "in Scheduled mode the vehicle knows its needs",
                "provided-by-evcc as well, or control_modes dynamic alone",
            )

    def parameter_sets(
        self, service: ServiceID, outlet: AcStationLimits | None = None, functions: int | None = None
    ) -> tuple[ParameterSet, ...]:
        """What ServiceDetailRes lists for this service; ``outlet``: what the AC outlet can do, for an AC
        service; ``functions``: those of the grid code, for AC_DER_IEC."""
        entry = SERVICES[service]
        if service in OUTLET_SERVICES:
            if outlet is None:
                return ()
            return ac_parameter_sets(
                entry,
                outlet,
                three_phase_connector=int(self.ac.three_phase_connector),
                control_modes=self.control_modes,
                generator_modes=self.ac.generator_modes,
                islanding=self.ac.islanding,
                der_functions=(self.ac.der_functions or (functions or 0,))
                if service is ServiceID.AC_DER_IEC
                else (None,),
                pricing=self.schedules.pricing,
                mobility_needs_modes=self.mobility_needs_modes,
            )
        default = 2 if 2 in entry.connectors and 7 not in entry.connectors else 1
        return parameter_sets(
            entry,
            connector=self.connector or default,
            control_modes=self.control_modes,
            pricing=self.schedules.pricing,
            mobility_needs_modes=self.mobility_needs_modes,
        )
