"""What the maker or driver of a vehicle decides before it is plugged in: identity, wishes and how strict to
be.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

import warnings
from enum import Enum
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from iso15118.errors import ConfigError
from iso15118.evcc.acdp_settings import AcdpEvccSettings
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.evcc.iso2.settings import Iso2EvccSettings
from iso15118.evcc.quirks import PLACES, StationQuirk
from iso15118.evcc.schedule_settings import ScheduleEvccSettings
from iso15118.evcc.wpt_settings import WptEvccSettings
from iso15118.messages.values import DischargeLimitSign, ReactiveSign, TimeStampUnit
from iso15118.ranges import Count, HowLong, check_fields, listed_once
from iso15118.session.discovery import Downgrade, SecondAnswer
from iso15118.session.quirks import changed, check_quirks
from iso15118.session.services import OUTLET_SERVICES, SERVICES, ControlMode, MobilityNeedsMode, ServiceID
from iso15118.session.supervision import SupervisionLimits
from iso15118.session.ticket import VALIDITY_S
from iso15118.timing import Timing

__all__ = ["EDITIONS", "EvccConfig", "Identification", "InstallContracts", "Renegotiation"]

EDITIONS: Final = ("iso20", "iso2", "din")
"""The names of the editions in settings."""


class Identification(Enum):
    """How the vehicle lets itself be identified."""

    PNC = "by contract"
    EIM = "at a terminal"


class InstallContracts(Enum):
    """When the vehicle asks for contracts in a session."""

    NEVER = "never"
    IF_NEEDED = "if it has none that could be used"
    ALWAYS = "in every session"


class Renegotiation(Enum):
    """How a vehicle agrees on another schedule in the charge loop of ISO 15118-20."""

    STOP_AND_GO = "with the power at rest"
    BESIDE = "beside the charge loop, where the station does that"


class EvccConfig(Struct, frozen=True, kw_only=True):
    """Settings of one charging inlet. Raises ``ConfigError`` naming the key."""

    evccid: str = "WVWV123456789ABCDEF7"
    """EVCCID told to the station, 1 to 255 characters; in a product the subject CN of the vehicle certificate
    [V2G20-2598]."""
    editions: Annotated[tuple[str, ...], Meta(extra={"choices": EDITIONS})] = ("iso20",)
    """Editions that are offered to the station, best first: "iso20", "iso2", "din"."""
    services: tuple[ServiceID, ...] = (ServiceID.DC,)
    """Acceptable services, best first: the vehicle's order counts, not the station's."""
    connectors: tuple[Annotated[int, Meta(ge=1, le=7)], ...] = ()
    """Values of the parameter Connector that the inlet fits: DC 1 Core, 2 Extended, 3 Dual2, 4 Dual4; MCS 1
    MCS, 2 ChaoJi, 3 UltraChaoJi, 4 rMCS, 5 xMCS, 6 Aviation, 7 Marine. Another one is not accepted, and with
    MCS services alone the vehicle takes no more than the coupler carries. Empty: whatever is offered."""
    identification: tuple[Identification, ...] = (Identification.PNC, Identification.EIM)
    """How to be identified, best first: by contract if the vehicle has a contract store, or at a terminal."""
    contract_preferences: tuple[str, ...] = ()
    """EMAIDs or their beginnings, such as a provider's "DE8AA", best first; others come after them."""
    contract_attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    """How many contracts are tried one after the other before the vehicle does something else."""
    install_contracts: InstallContracts = InstallContracts.IF_NEEDED
    """Ask the station for contracts when none can be used, in every session, or never."""
    maximum_contracts: Annotated[int, Meta(ge=1, le=255)] = 4
    """How many contracts the vehicle takes in one session."""
    key_use_s: Annotated[float, Meta(ge=0.01, le=55.0)] = 5.0
    """How long a private key of a contract, or of the provisioning certificate, may take to sign or
    to agree on a secret, in s: a token is slower than memory. It is used aside; what waits for it
    longer than this does without."""
    control_modes: tuple[ControlMode, ...] = (ControlMode.SCHEDULED, ControlMode.DYNAMIC)
    """Who may set the power, best first: the vehicle (Scheduled) or the station (Dynamic). Some stations
    offer one only."""
    control_mode: ControlMode | None = None
    """Deprecated: the only control mode. Use control_modes, which it replaces."""
    departure_time_s: Annotated[int, Meta(ge=0, le=4294967295)] | None = None
    """Time until the vehicle leaves, in s from the moment it is connected: it counts down in what is told to
    the station, and the session ends when it is over. Absent: nobody knows; where Dynamic mode requires a
    time, a day is told."""
    minimum_soc: Annotated[int, Meta(ge=0, le=100)] = 20
    """State of charge in percent below which nothing is given back, and to which a Dynamic station charges
    first."""
    target_soc: Annotated[int, Meta(ge=0, le=100)] = 80
    """State of charge in percent at which the vehicle stops."""
    least_energy_wh: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.05
    """A battery that lacks less than this has what it wants, in Wh: requests are rounded up to whole ones, so
    that less cannot be asked for."""
    least_current_a: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.1
    """So has one that asks for less than this and for more than nothing, in A: currents are asked for in
    tenths, so that a smaller one would be none."""
    no_power_s: Annotated[float, Meta(ge=0.001, le=31_536_000.0)] = 3600.0
    """How long a vehicle that wants power may be given none before it leaves, in s. Stations rest the power
    for minutes; for longer there is the pause."""
    schedule_renegotiation_s: Annotated[float, Meta(ge=0.0, le=31_536_000.0)] = 300.0
    """Ask the station for another schedule when the one that holds is over, and when it has no power until
    its end, but not for the same reason again within so many s, because the power rests meanwhile; a station
    that refused is not asked again either, whoever wants another one. 0 never asks of its own accord: the
    vehicle takes no power behind the end, and leaves after no_power_s."""
    renegotiation: Renegotiation = Renegotiation.STOP_AND_GO
    """How another schedule is agreed on in the charge loop. With the power at rest by default: no public
    station has the other form. One that does not answer beside the loop within timing.message_timeout, or has
    no schedule there, is asked the other way."""
    service_renegotiation: bool = True
    """Choose a service anew when the station asks for that and supports it; otherwise the
    vehicle ends the session."""
    mobility_needs: tuple[MobilityNeedsMode, ...] = (
        MobilityNeedsMode.PROVIDED_BY_EVCC,
        MobilityNeedsMode.PROVIDED_BY_SECC,
    )
    """Dynamic mode: who is to know what the driver needs, the best first; a set with the other
    one is taken where nothing else is offered. With provided-by-secc the station may say
    departure and states of charge."""
    adopt_station_needs: bool = True
    """Take over what the station was told about this charge (provided-by-secc) where the vehicle can: charge
    to that state of charge, until that departure. A target below minimum_soc is never taken over."""
    v2x_minimum_soc: Annotated[int, Meta(ge=0, le=100)] | None = None
    """Bidirectional services in Dynamic mode: from this state of charge on the station may cycle the battery,
    in percent, and up to v2x_maximum_soc. A vehicle with such a range stays at its target until departure.
    Absent: no range is told, and minimum_soc holds."""
    v2x_maximum_soc: Annotated[int, Meta(ge=0, le=100)] | None = None
    """The upper end of that range, at most target_soc: nothing is charged above the target."""
    below_minimum_s: Annotated[float, Meta(ge=0.001, le=31_536_000.0)] = 60.0
    """How long the battery may want less than the least that the two sides can charge with before the vehicle
    leaves, in s: at the end of a charge it never wants more again, and at its begin the battery has to warm
    up first."""
    schedules: ScheduleEvccSettings = ScheduleEvccSettings()
    """How a schedule of ISO 15118-20 is chosen and used."""
    allow_discharge: bool = True
    """Give energy back when the station's limits ask for it, in a bidirectional service."""
    confirm_power_tolerance: bool = False
    """Promise to stay near the power of a schedule that names a PowerTolerance. This stack keeps below it;
    how far below is up to the battery, hence no promise by default."""
    allow_plaintext: bool = False
    """Offer ISO 15118-20 without TLS 1.3. The standard forbids it [V2G20-1237]; laboratories ask for it."""
    forbid_plaintext: bool = False
    """Speak nothing without TLS, whatever the edition: DIN 70121, which knows no TLS, not at all, and ISO
    15118-2 over TLS alone. By default both are spoken in the clear where a station answers discovery that it
    has no TLS; that is told as ``sdp-no-tls``."""
    sdp_downgrade: Downgrade = Downgrade.ACCEPT
    """What comes of a station that answers without TLS though TLS was asked for. Accepted by default where
    something may be said in the clear (``forbid_plaintext``): stations without TLS are many. Somebody else on
    the link may say so as well."""
    sdp_second_answer: SecondAnswer = SecondAnswer.NOTE
    """What comes of a second, different answer to discovery: another station on the link, or
    somebody who plays one. Noted by default, as crosstalk between neighbouring outlets happens,
    and the first answer stands."""
    sdp_second_answer_s: HowLong = 0.25
    """With sdp_second_answer = "leave": how long a second answer is listened for before the vehicle connects,
    in s; one that comes within a second after that ends the session."""
    meter_info_every: Count = 20
    """Ask for the meter in every n-th charge loop; 0 never asks."""
    meter_tolerance_percent: Annotated[float, Meta(ge=0.0, le=100.0)] = 5.0
    """By how many percent of its own measurement a meter reading may differ from it for the vehicle to sign
    it. Meters of both sides, and the loss in the cable between them, stay well within 5 %."""
    meter_tolerance_wh: Annotated[float, Meta(ge=0.0, le=1e6)] = 100.0
    """And by how many Wh beside: what a meter counts in one step, and what flowed
    before the first reading."""
    meter_delay_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 10.0
    """And by what flows in so many s at the highest power of the session: a station reads its meter every few
    seconds, and tells the reading later still."""
    time_stamp_unit: TimeStampUnit = TimeStampUnit.SECONDS
    """Unit of the time stamps sent: seconds as public stacks send them, or microseconds as one commercial
    station does. Both are read."""
    discharge_limit_sign: DischargeLimitSign = DischargeLimitSign.PLUS
    """Sign of the discharge limits sent in a bidirectional service: plus as public stacks have it, or minus
    as some stations send and expect it. Both are read."""
    reactive_sign: ReactiveSign = ReactiveSign.ABSORBS
    """AC_DER_IEC and AC_DER_SAE: what a positive reactive power of a station's curves and set points means:
    what the vehicle absorbs, or injects. No public source settles it."""
    strict_evse_id: bool = False
    """Leave a station whose EVSEID is not formed as the standard says ("ZZ00000", or country, operator, "E"
    and outlet). Nothing depends on it, and stations in the field send other texts: off by default, it is only
    noted."""
    loop_interval_s: HowLong | None = None
    """From one charge-loop request to the next, in s. Absent: timing.sequence_performance_loop, which is what
    the standard asks for at most [V2G20-1499]. 0: as fast as it goes."""
    poll_interval_s: HowLong = 0.1
    """Pause before a request is repeated while the other side says Ongoing, in s."""
    precharge_tolerance_v: Annotated[float, Meta(ge=0.1, le=20.0)] = 20.0
    """Inlet and battery voltage may differ by this much when the contactors close (IEC 61851-23, Annex CC;
    docs/sources.md): more than 20 V is no matter of taste."""
    welding_voltage_v: Annotated[float, Meta(ge=1.0, le=120.0)] = 60.0
    """Welding detection is over when the inlet is below this, in V: touch-safe."""
    welding_detection_s: HowLong = 5.0
    """How long to wait for that, in s; a welded contactor is reported and the session ends all the same."""
    pause_if_asked: bool = False
    """Pause when the station asks for it (EVSENotification Pause) instead of ending the session. Off by
    default: somebody has to keep the ticket and wake the link up again, or the vehicle is never charged."""
    pause_validity_s: Annotated[float, Meta(ge=0.001, le=31_536_000.0)] = VALIDITY_S
    """How long the vehicle tries to go on with a session that it paused, in s; afterwards it begins anew."""
    wpt: WptEvccSettings = WptEvccSettings()
    """What is decided about wireless power alone."""
    acdp: AcdpEvccSettings = AcdpEvccSettings()
    """What is decided about a connection device alone."""
    din: DinEvccSettings = DinEvccSettings()
    """What is decided about DIN 70121 alone."""
    quirks: tuple[StationQuirk, ...] = ()
    """Stations that are treated otherwise than all others, by the beginning of their EVSEID."""
    timing: Timing = Timing()
    """Every timeout of the session in s."""
    iso2: Iso2EvccSettings = Iso2EvccSettings()
    """What is said of ISO 15118-2 alone."""
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
        if self.control_mode is not None:
            warnings.warn(
                "EvccConfig.control_mode is deprecated: use control_modes", DeprecationWarning, stacklevel=2
            )
            force_setattr(self, "control_modes", (self.control_mode,))
            force_setattr(self, "control_mode", None)
        if not self.control_modes:
            raise ConfigError("control_modes", "there is none", "scheduled, dynamic or both, the best first")
        if not 1 <= len(self.evccid) <= 255:
            raise ConfigError("evccid", f"{len(self.evccid)} characters", "1 to 255")
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
        if not self.services:
            raise ConfigError("services", "no service is acceptable", "at least one of " + _names())
        for service in self.services:
            if service not in SERVICES:
                raise ConfigError(
                    "services",
                    f"{getattr(service, 'name', service)} is not implemented",
                    "one of " + _names(),
                )
        for service in self.services:
            legal = SERVICES[service].connectors
            if service not in OUTLET_SERVICES and self.connectors and not set(self.connectors) & set(legal):
                raise ConfigError(
                    "connectors",
                    f"{service.name} has none of {', '.join(map(str, self.connectors))}",
                    f"{legal[0]} to {legal[-1]}, or empty",
                )
        if not self.identification:
            raise ConfigError("identification", "there is none", "pnc, eim or both, the best first")
        for key in (
            "services",
            "control_modes",
            "identification",
            "contract_preferences",
            "mobility_needs",
            "connectors",
        ):
            listed_once(key, getattr(self, key))
        if self.minimum_soc > self.target_soc:  # [V2G20-1640]
            raise ConfigError(
                "minimum_soc",
                f"{self.minimum_soc} is above target_soc = {self.target_soc}",
                "at most target_soc",
            )
        self._check_v2x()
        limit = self.timing.sequence_timeout_loop
        if self.loop_s >= limit:
            raise ConfigError(
                "loop_interval_s",
                f"{self.loop_s!r} would end every session",
                f"0 to below {limit:g}",
            )
        if self.poll_interval_s > self.timing.sequence_performance:
            raise ConfigError(
                "poll_interval_s",
                f"{self.poll_interval_s!r} is longer than a request may take",
                f"at most timing.sequence_performance = {self.timing.sequence_performance:g}",
            )
        check_quirks(self, self.quirks, lambda config, one: changed(config, one.changes, PLACES))

    def _check_v2x(self) -> None:
        least, most = self.v2x_minimum_soc, self.v2x_maximum_soc
        if (least is None) is not (most is None):
            missing = "v2x_minimum_soc" if least is None else "v2x_maximum_soc"
            raise ConfigError(
                missing,
                "the other end of the range is set",
                "both of v2x_minimum_soc and v2x_maximum_soc or neither",
            )
        if least is not None and most is not None and not self.minimum_soc <= least < most <= self.target_soc:
            raise ConfigError(
                "v2x_minimum_soc",
                f"{least} to {most} is no range within minimum_soc = {self.minimum_soc} and target_soc = {self.target_soc}",
                "minimum_soc <= v2x_minimum_soc < v2x_maximum_soc <= target_soc",
            )

    @property
    def loop_s(self) -> float:
        """``loop_interval_s``, or what stands for it."""
        return self.timing.sequence_performance_loop if self.loop_interval_s is None else self.loop_interval_s


def _names() -> str:
    return ", ".join(service.name for service in SERVICES.values())
