"""Time: how long each side may take, and a table of named timers that run on whatever clock the caller has.

Durations are seconds, deadlines are points on the caller's monotonic clock. Nothing here sleeps or reads a
clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import fields

from .errors import ConfigError, MisuseError
from .ranges import Duration, check_fields

__all__ = [
    "EVCC_MESSAGE_TIMEOUT",
    "SECC_PERFORMANCE_TIME",
    "DinTiming",
    "Iso2Timing",
    "Timer",
    "TimerTable",
    "Timing",
]


class Timer(StrEnum):
    """The timers of both roles, in the order in which they fire when several are due at the same moment."""

    SETUP = "communication set-up"
    """Plug-in to the end of supportedAppProtocol and SessionSetup: V2G_*_CommunicationSetup."""
    MESSAGE = "message"
    """EVCC: response to the last request, V2G_EVCC_Msg_Timeout."""
    SEQUENCE = "sequence"
    """SECC: the next request, V2G_SECC_Sequence_Timeout [V2G20-443]."""
    SILENCE = "silence"
    """SECC: the next request while power was asked for, behind any answer but that of the charge loop; power
    ends then, and the session does not."""
    ANSWER = "answer"
    """SECC: an answer that waits for hardware or backend has to go out, V2G_SECC_Msg_Performance_Time."""
    PACE = "pace"
    """EVCC: the next request has to go out, V2G_EVCC_Sequence_Performance_Time."""
    CABLE_CHECK = "cable check"
    """SECC: the cable check is over, V2G_SECC_CableCheck_Performance_Time."""
    PRE_CHARGE = "pre-charge"
    """SECC: pre-charge is over, V2G_SECC_PreCharge_Performance_Time."""
    CONTROL_PILOT = "control pilot"
    """SECC: state C or D has to show on the control pilot [V2G20-847]. EVCC: it is shown, behind the
    request that announces it."""
    CONNECTION_DEVICE = "connection device"
    """SECC: the connection device is where it was asked to be, V2G_SECC_Ongoing_Performance_Time."""
    SYSTEM_STATUS = "system status"
    """SECC: the next ACDP_SystemStatusReq. EVCC: it has to go out, or its answer has to come."""
    STOP = "stop"
    """SECC: the vehicle has to stop after it was asked to; then the station does."""
    SCHEDULE = "schedule"
    """SECC: from then on the schedule has another power, whether or not the vehicle asks."""
    POWER_DELIVERY = "power delivery"
    """SECC: the vehicle may repeat PowerDeliveryReq with EVProcessing Ongoing until then."""
    WELDING_DETECTION = "welding detection"
    """Both: welding detection is over."""
    PHASE = "phase"
    """SECC: the vehicle has left a phase in which it may repeat itself."""
    BESIDE = "beside"
    """EVCC: the answer to a request beside the charge loop, or the next one."""
    ONGOING = "ongoing"
    """EVCC: the station may answer Ongoing until then; the vehicle does not wait for
    the next answer to notice."""


class Timing(Struct, frozen=True, kw_only=True):
    """Every duration of ISO 15118-20 that this stack keeps to, in seconds, each with its default.

    All are settings: laboratories stretch them, tests shrink them. Raises ``ConfigError`` for a value out
    of its range.
    """

    sdp_retry: Duration = 0.25
    """Wait for an answer to one discovery request [V2G2-159]."""
    sdp_requests: Annotated[int, Meta(ge=1, le=10000)] = 50
    """Discovery requests in a row before giving up [V2G2-161]."""

    communication_setup_timeout: Duration = 20.0
    """EVCC: from plug-in to SessionSetupRes [V2G2-446]. The value of -2; taken over for -20, where no source
    states it."""
    communication_setup_performance: Duration = 18.0
    """SECC: the same [V2G2-716], and likewise the value of -2."""

    message_timeout: Duration = 2.0
    """EVCC: wait for a response, all messages but those below (Tables 215 to 218)."""
    message_timeout_long: Duration = 5.0
    """EVCC: wait for ServiceDetailRes and CertificateInstallationRes."""
    message_timeout_loop: Duration = 0.5
    """EVCC: wait for a charge-loop response."""

    answer_time: Duration = 1.5
    """SECC: answer within, all messages but those below. Sourced for CableCheck, PreCharge, WeldingDetection
    and Authorization; the others are unsettled and follow them."""
    answer_time_long: Duration = 4.5
    """SECC: ServiceDetail and CertificateInstallation. Unsettled in -20: the value of -2, half a second below
    the EVCC's timeout."""
    answer_time_loop: Duration = 0.25
    """SECC: charge-loop answer; sourced for DC, taken over for AC and WPT."""

    sequence_timeout: Duration = 60.0
    """SECC: wait for the next request; the connection is closed after it [V2G20-443]."""
    sequence_timeout_loop: Duration = 0.5
    """SECC: wait for the next request after a charge-loop response [V2G20-1500] [V2G20-1502] [V2G20-5070]."""
    sequence_performance: Duration = 40.0
    """EVCC: next request out (Table 215)."""
    sequence_performance_loop: Duration = 0.25
    """EVCC: next charge-loop request out; a performance criterion, not an end [V2G20-1499] [V2G20-1501]
    [V2G20-5069]."""

    ongoing_timeout: Duration = 60.0
    """EVCC: how long the SECC may answer "Ongoing" to the same request."""
    ongoing_performance: Duration = 55.0
    """SECC: answer FAILED when it is still not finished."""
    positioning_timeout: Duration = 300.0
    """EVCC: the vehicle is in its place, under a connection device or over a pad. Unsettled: the 60 s of
    other polls are too short for a driver who has to move his vehicle."""
    positioning_performance: Duration = 305.0
    """SECC: the same; five seconds above the EVCC's timeout, since it is the vehicle that moves."""
    authorization_ongoing_timeout: Duration = 180.0
    """Waiting for the driver at the terminal. Unsettled: no source states a value for -20, the 60 s of -2 are
    too short in the field, and one running station uses 180 s."""
    cable_check_timeout: Duration = 40.0
    """EVCC: cable check over."""
    cable_check_performance: Duration = 38.0
    """SECC: cable check over."""
    pre_charge_timeout: Duration = 10.0
    """EVCC: pre-charge over. Unsettled: two implementations use 10 s for -20, -2 has 7 s."""
    pre_charge_performance: Duration = 8.0
    """SECC: pre-charge over. Unsettled: no source; two seconds below the EVCC's timeout, as in -2 (7 s and 5
    s)."""
    welding_detection_timeout: Duration = 60.0
    """EVCC: welding detection over. Policy of one running implementation, no requirement known."""
    welding_detection_performance: Duration = 65.0
    """SECC: the vehicle has ended welding detection. Unsettled: no source; five seconds above the EVCC's
    timeout, since the vehicle ends it."""
    power_delivery_performance: Duration = 60.0
    """SECC: the vehicle has made up its mind about power delivery (EVProcessing Ongoing). Unsettled: no
    source; as ``ongoing_timeout``."""
    phase_performance: Duration = 600.0
    """SECC: the vehicle has left the phase that it is in, any but authorization and the charge loop, whatever
    it asks there, or ``longest_phase`` if that is more. No source: a connector that is held without an end
    serves nobody."""

    control_pilot_change: Duration = 0.25
    """EVCC: state C or D after the first PowerDeliveryReq(Start), B after Stop [V2G20-847]."""
    contactor_close: Duration = 3.0
    """SECC: contactors closed after state C or D shows, otherwise FAILED_ContactorError [V2G20-860]
    [V2G20-862]."""
    contactor_answer: Duration = 1.4
    """SECC: how long a PowerDeliveryRes waits for the contactors. Unsettled: just below ``answer_time``, as
    one running station does."""
    certificate_answer: Duration = 4.0
    """SECC: how long a CertificateInstallationRes waits for the service before it says Ongoing. Unsettled:
    half a second below ``answer_time_long``."""
    close_wait: Duration = 5.0
    """SECC: keep the connection after SessionStopRes or FAILED for the EVCC to close it [V2G20-1643] (or
    -1633, sources differ)."""

    def __post_init__(self) -> None:
        check_fields(self, "timing")

    @property
    def longest_phase(self) -> float:
        """SECC: the longest of the times that a phase has anyway."""
        return max(
            self.ongoing_performance,
            self.positioning_performance,
            self.cable_check_performance,
            self.pre_charge_performance,
            self.power_delivery_performance,
            self.welding_detection_performance,
        )

    def message_timeout_of(self, request: str) -> float:
        """EVCC: how long to wait for the response to a request of this class name. Raises ``MisuseError`` for
        a name that is none."""
        return self._of(EVCC_MESSAGE_TIMEOUT, request)

    def answer_time_of(self, request: str) -> float:
        """SECC: within which time to answer a request of this class name. Raises ``MisuseError`` for a name
        that is none."""
        return self._of(SECC_PERFORMANCE_TIME, request)

    def _of(self, table: Mapping[str, str], request: str) -> float:
        field = table.get(request)
        if field is None:
            raise MisuseError(f"{request} is no request of ISO 15118-20")
        value: float = getattr(self, field)
        return value


class Iso2Timing(Timing, frozen=True, kw_only=True):
    """Every duration of ISO 15118-2, in seconds; the defaults are its own ones where they are others than in
    ISO 15118-20 (Tables 109 and 111; docs/sources.md)."""

    answer_time_loop: Duration = 0.025
    """SECC: CurrentDemandRes and ChargingStatusRes. Stations in the field take 100 ms:
    it is noted, and no fault."""
    message_timeout_loop: Duration = 0.25
    """EVCC: wait for CurrentDemandRes."""
    answer_time_power: Duration = 4.5
    """SECC: PowerDelivery."""
    message_timeout_power: Duration = 5.0
    """EVCC: wait for PowerDeliveryRes."""
    authorization_ongoing_timeout: Duration = 300.0
    """SECC: waiting for the driver at the terminal. Unsettled: the standard's 55 s
    are too short in the field."""
    customer_wait: Duration = 60.0
    """EVCC: how long the station may wait for the driver."""
    sequence_timeout_loop: Duration = 60.0
    """SECC: the next request after a loop response; -2 knows no shorter time there."""
    pre_charge_timeout: Duration = 7.0
    """EVCC: pre-charge over."""
    pre_charge_performance: Duration = 5.0
    """SECC: pre-charge over."""
    welding_detection_timeout: Duration = 10.0
    """EVCC: welding detection over. Unsettled: policy, then SessionStop."""
    contactor_answer: Duration = 3.0
    """SECC: how long a PowerDeliveryRes waits for the contactors."""
    control_pilot_error: Duration = 1.5
    """SECC: state C or B that did not show by then is an error;
    ``control_pilot_change`` is when it is due."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _without(self, _NOT_IN_ISO2)


class DinTiming(Iso2Timing, frozen=True, kw_only=True):
    """Every duration of DIN 70121, in seconds; the defaults are its own ones where they are others."""

    message_timeout_loop: Duration = 0.5
    """EVCC: wait for CurrentDemandRes. Unsettled: 0.25 s or 0.5 s, by the stack that is asked."""
    answer_time_loop: Duration = 0.1
    answer_time_power: Duration = 1.5
    message_timeout_power: Duration = 2.0
    contactor_answer: Duration = 1.4
    ready_to_charge: Duration = 150.0
    """EVCC: from plug-in to the first CurrentDemandReq."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _without(self, _NOT_IN_DIN)


_DISCOVERY: Final = ("sdp_retry", "sdp_requests")
_NOT_IN_ISO2: Final = (
    "positioning_timeout",
    "positioning_performance",
    "power_delivery_performance",
    "certificate_answer",
)
_NOT_IN_DIN: Final = ("message_timeout_long", "answer_time_long")
"""And what ISO 15118-2 is without."""


def _without(timing: Iso2Timing, names: tuple[str, ...]) -> None:
    """Raises ``ConfigError`` for a timer that was set and that nothing in this edition goes by."""
    for name, default in _defaults(type(timing), names):
        if getattr(timing, name) == default:
            continue
        hint = "leave it out"
        if name in _DISCOVERY:
            hint = "timing of the session itself: discovery comes before any edition"
        raise ConfigError(f"timing.{name}", "nothing in this edition goes by it", hint)


@cache
def _defaults(kind: type[Iso2Timing], names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Those timers with what they are anyway: ``fields`` evaluates the annotations of its class each time."""
    wanted = (*names, *_DISCOVERY)
    return tuple((one.name, one.default) for one in fields(kind) if one.name in wanted)


_LONG: Final = ("ServiceDetailReq", "CertificateInstallationReq")
_LOOP: Final = ("ACChargeLoopReq", "DCChargeLoopReq", "WPTChargeLoopReq")
_OTHERS: Final = (
    "SupportedAppProtocolReq",
    "SessionSetupReq",
    "AuthorizationSetupReq",
    "AuthorizationReq",
    "ServiceDiscoveryReq",
    "ServiceSelectionReq",
    "ScheduleExchangeReq",
    "PowerDeliveryReq",
    "MeteringConfirmationReq",
    "SessionStopReq",
    "VehicleCheckInReq",
    "VehicleCheckOutReq",
    "ACChargeParameterDiscoveryReq",
    "DCChargeParameterDiscoveryReq",
    "DCCableCheckReq",
    "DCPreChargeReq",
    "DCWeldingDetectionReq",
    "WPTFinePositioningSetupReq",
    "WPTFinePositioningReq",
    "WPTPairingReq",
    "WPTChargeParameterDiscoveryReq",
    "WPTAlignmentCheckReq",
    "ACDPVehiclePositioningReq",
    "ACDPConnectReq",
    "ACDPDisconnectReq",
    "ACDPSystemStatusReq",
)


def _table(others: str, long: str, loop: str) -> dict[str, str]:
    return dict.fromkeys(_OTHERS, others) | dict.fromkeys(_LONG, long) | dict.fromkeys(_LOOP, loop)


EVCC_MESSAGE_TIMEOUT: Final[Mapping[str, str]] = _table(
    "message_timeout", "message_timeout_long", "message_timeout_loop"
)
"""Request class name -> the field of ``Timing`` that says how long the EVCC waits for its response."""

SECC_PERFORMANCE_TIME: Final[Mapping[str, str]] = _table(
    "answer_time", "answer_time_long", "answer_time_loop"
)
"""Request class name -> the field of ``Timing`` that says within which time the SECC answers it."""


class TimerTable:
    """The timers that run now, each with its deadline. Setting one that runs moves it."""

    __slots__ = ("_deadlines", "_earliest", "_known")

    def __init__(self) -> None:
        self._deadlines: dict[Timer, float] = {}
        self._earliest: float | None = None
        self._known = (
            True  # the earliest is looked for when somebody asks, and not again until something changes
        )

    def set(self, timer: Timer, deadline: float) -> None:
        """Let ``timer`` fire at ``deadline``. Raises ``MisuseError`` for a deadline that is no finite
        number."""
        if not math.isfinite(deadline):
            raise MisuseError(f"{deadline!r} is no deadline for the timer {timer}")
        self._deadlines[timer] = deadline
        self._known = False

    def clear(self, timer: Timer) -> None:
        """Stop ``timer``; nothing happens if it does not run."""
        if self._deadlines.pop(timer, None) is not None:
            self._known = False

    def clear_all(self) -> None:
        """Stop every timer."""
        self._deadlines.clear()
        self._known = False

    def deadline_of(self, timer: Timer) -> float | None:
        """When ``timer`` fires, None if it does not run. In s on the clock of whoever started it."""
        return self._deadlines.get(timer)

    def __contains__(self, timer: object) -> bool:
        return timer in self._deadlines

    @property
    def deadline(self) -> float | None:
        """The earliest deadline, None if no timer runs. Call ``expired`` then."""
        if not self._known:
            self._earliest, self._known = min(self._deadlines.values(), default=None), True
        return self._earliest

    def expired(self, now: float) -> list[Timer]:
        """The timers due at ``now``, earliest first, those of one moment in the order of ``Timer``. They no
        longer run afterwards."""
        due = [timer for timer, deadline in self._deadlines.items() if deadline <= now]
        if len(due) > 1:
            due.sort(key=lambda timer: (self._deadlines[timer], _ORDER[timer]))
        for timer in due:
            del self._deadlines[timer]
        self._known = self._known and not due
        return due

    def __repr__(self) -> str:
        running = ", ".join(f"{timer}: {deadline:g}" for timer, deadline in self._deadlines.items())
        return f"TimerTable({running})"


_ORDER: Final = {timer: place for place, timer in enumerate(Timer)}
