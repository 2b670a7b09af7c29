"""What the editions say as tables: which request may follow which, within which time an answer is
due, and what a request means.

These rows are written beside those of our own ends, not made from them: they judge what other ends did.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from msgspec import Struct

from iso15118.timing import EVCC_MESSAGE_TIMEOUT, DinTiming, Iso2Timing, Timing

__all__ = [
    "BEGINNING",
    "LOOPS",
    "OFF_KEYS",
    "Limit",
    "answer_limit",
    "follows",
    "key_of",
    "poll_limit",
    "request_limit",
    "stem_of",
]

BEGINNING: Final = ""
"""What comes before the first request."""
LOOPS: Final = frozenset(
    ("DC_ChargeLoop", "AC_ChargeLoop", "WPT_ChargeLoop", "CurrentDemand", "ChargingStatus")
)
"""Exchanges in which energy flows."""
OFF_KEYS: Final = frozenset(
    (
        "PowerDelivery:Stop", "DC_WeldingDetection", "WeldingDetection", "ACDP_Disconnect",
        "SessionStop:Terminate", "SessionStop:Pause", "SessionStop",
    )
)  # fmt: skip
"""Requests of a session that is being ended."""


class Limit(Struct, frozen=True):
    """A timer by name, and its time in s. ``soft``: one that is not settled, or that depends on people."""

    name: str
    seconds: float
    soft: bool = False


def stem_of(message: str) -> str:
    """The exchange that a request or response belongs to."""
    return message[:-3] if message.endswith(("Req", "Res")) else message


def key_of(edition: str, message: str, body: Any) -> str:
    """A request with what it means, where that matters: ``PowerDelivery:Start``."""
    stem = stem_of(message)
    if stem == "PowerDelivery":
        if edition == "din":
            return "PowerDelivery:Start" if body.ready_to_charge_state else "PowerDelivery:Stop"
        progress = body.charge_progress.value
        processing = getattr(body, "ev_processing", None)
        if processing is not None and progress != "Stop" and processing.value != "Finished":
            return "PowerDelivery:Ongoing"
        return f"PowerDelivery:{progress}"
    if stem == "SessionStop" and edition != "din":
        return f"SessionStop:{body.charging_session.value}"
    return stem


# Sequences
# ---------------------------------------------------------------------------------------------------

_STOP: Final = "SessionStop SessionStop:Terminate SessionStop:Pause"
_POWER: Final = "PowerDelivery:Start PowerDelivery:Stop PowerDelivery:Standby PowerDelivery:Ongoing PowerDelivery:ScheduleRenegotiation"
_PARAMETERS: Final = (
    "DC_ChargeParameterDiscovery AC_ChargeParameterDiscovery WPT_FinePositioningSetup WPT_ChargeParameterDiscovery"
    " ACDP_VehiclePositioning"
)
_BEFORE_POWER: Final = "DC_CableCheck DC_PreCharge ACDP_Connect ACDP_VehiclePositioning WPT_AlignmentCheck"
_LOOP20: Final = "DC_ChargeLoop AC_ChargeLoop WPT_ChargeLoop"

_ISO20: Final[Mapping[str, str]] = {
    BEGINNING: "supportedAppProtocol",
    "supportedAppProtocol": "SessionSetup",
    # A paused session goes on where its choices had been made.
    "SessionSetup": f"AuthorizationSetup {_PARAMETERS}",
    "AuthorizationSetup": f"Authorization CertificateInstallation {_PARAMETERS}",
    "CertificateInstallation": "CertificateInstallation Authorization",
    "Authorization": "Authorization CertificateInstallation ServiceDiscovery",
    "ServiceDiscovery": "ServiceDetail ServiceSelection",
    "ServiceDetail": "ServiceDetail ServiceSelection",
    "ServiceSelection": _PARAMETERS,
    "WPT_FinePositioningSetup": f"WPT_FinePositioningSetup WPT_FinePositioning WPT_Pairing Authorization AuthorizationSetup {_PARAMETERS}",
    "WPT_FinePositioning": "WPT_FinePositioning WPT_FinePositioningSetup WPT_Pairing",
    "WPT_Pairing": "WPT_Pairing WPT_FinePositioningSetup WPT_ChargeParameterDiscovery AuthorizationSetup",
    "WPT_ChargeParameterDiscovery": "ScheduleExchange",
    "WPT_AlignmentCheck": f"WPT_AlignmentCheck {_POWER}",
    "ACDP_VehiclePositioning": f"ACDP_VehiclePositioning ACDP_Connect AuthorizationSetup {_PARAMETERS}",
    "ACDP_Connect": f"ACDP_Connect DC_CableCheck {_POWER}",
    "ACDP_Disconnect": "ACDP_Disconnect",
    "DC_ChargeParameterDiscovery": "ScheduleExchange ACDP_VehiclePositioning ACDP_Connect",
    "AC_ChargeParameterDiscovery": "ScheduleExchange",
    "ScheduleExchange": f"ScheduleExchange {_BEFORE_POWER} {_POWER}",
    "DC_CableCheck": "DC_CableCheck DC_PreCharge ACDP_Connect PowerDelivery:Stop PowerDelivery:Standby",
    "DC_PreCharge": f"DC_PreCharge ACDP_Connect {_POWER}",
    "PowerDelivery:Start": f"{_LOOP20} {_POWER}",
    "PowerDelivery:Ongoing": f"{_POWER} {_BEFORE_POWER}",
    "PowerDelivery:Standby": f"{_LOOP20} {_POWER} {_BEFORE_POWER}",
    "PowerDelivery:ScheduleRenegotiation": f"ScheduleExchange {_PARAMETERS} {_POWER}",
    "PowerDelivery:Stop": "DC_WeldingDetection ACDP_Disconnect SessionStop:ServiceRenegotiation",
    "DC_WeldingDetection": "DC_WeldingDetection ACDP_Disconnect",
    "DC_ChargeLoop": f"DC_ChargeLoop {_POWER}",
    "AC_ChargeLoop": f"AC_ChargeLoop {_POWER}",
    "WPT_ChargeLoop": f"WPT_ChargeLoop {_POWER}",
    "SessionStop:ServiceRenegotiation": "ServiceDiscovery",
    "SessionStop:Terminate": "",
    "SessionStop:Pause": "",
}
"""ISO 15118-20."""

_LOOP2: Final = "CurrentDemand ChargingStatus"
_ISO2: Final[Mapping[str, str]] = {
    BEGINNING: "supportedAppProtocol",
    "supportedAppProtocol": "SessionSetup",
    "SessionSetup": "ServiceDiscovery",
    "ServiceDiscovery": "ServiceDetail PaymentServiceSelection",
    "ServiceDetail": "ServiceDetail PaymentServiceSelection",
    "PaymentServiceSelection": "Authorization PaymentDetails CertificateInstallation CertificateUpdate",
    "CertificateInstallation": "PaymentDetails",
    "CertificateUpdate": "PaymentDetails",
    "PaymentDetails": "Authorization",
    "Authorization": "Authorization ChargeParameterDiscovery",
    "ChargeParameterDiscovery": "ChargeParameterDiscovery CableCheck PowerDelivery:Start PowerDelivery:Stop",
    "CableCheck": "CableCheck PreCharge PowerDelivery:Stop",
    "PreCharge": "PreCharge PowerDelivery:Start PowerDelivery:Stop",
    "PowerDelivery:Start": f"{_LOOP2} PowerDelivery:Stop PowerDelivery:Renegotiate",
    "PowerDelivery:Renegotiate": "ChargeParameterDiscovery PowerDelivery:Stop",
    "PowerDelivery:Stop": "WeldingDetection",
    "CurrentDemand": "CurrentDemand MeteringReceipt PowerDelivery:Stop PowerDelivery:Renegotiate",
    "ChargingStatus": "ChargingStatus MeteringReceipt PowerDelivery:Stop PowerDelivery:Renegotiate",
    "MeteringReceipt": f"{_LOOP2} PowerDelivery:Stop PowerDelivery:Renegotiate",
    "WeldingDetection": "WeldingDetection",
    "SessionStop:Terminate": "",
    "SessionStop:Pause": "",
}
"""ISO 15118-2."""

_DIN: Final[Mapping[str, str]] = {
    BEGINNING: "supportedAppProtocol",
    "supportedAppProtocol": "SessionSetup",
    "SessionSetup": "ServiceDiscovery",
    "ServiceDiscovery": "ServicePaymentSelection",
    "ServicePaymentSelection": "ContractAuthentication",
    "ContractAuthentication": "ContractAuthentication ChargeParameterDiscovery",
    "ChargeParameterDiscovery": "ChargeParameterDiscovery CableCheck PowerDelivery:Stop",
    "CableCheck": "CableCheck PreCharge PowerDelivery:Stop",
    "PreCharge": "PreCharge PowerDelivery:Start PowerDelivery:Stop",
    "PowerDelivery:Start": "CurrentDemand PowerDelivery:Stop",
    "PowerDelivery:Stop": "WeldingDetection",
    "CurrentDemand": "CurrentDemand PowerDelivery:Stop",
    "WeldingDetection": "WeldingDetection",
    "SessionStop": "",
}
"""DIN 70121."""

_ANYWHERE: Final = {"iso20": f"{_STOP} SessionStop:ServiceRenegotiation", "iso2": _STOP, "din": _STOP}
_BEFORE_SESSION: Final = frozenset((BEGINNING, "supportedAppProtocol"))
_TABLES: Final = {"iso20": _ISO20, "iso2": _ISO2, "din": _DIN}


@cache
def follows(edition: str, key: str) -> frozenset[str] | None:
    """The requests that may come next after an answered ``key``; None where the tables know nothing of it."""
    after = _TABLES.get(edition, {}).get(key)
    if after is None:
        return None
    more = "" if key in _BEFORE_SESSION or key.startswith("SessionStop") else _ANYWHERE[edition]
    return frozenset(f"{after} {more}".split())


# Times
# -------------------------------------------------------------------------------------------------------

_TIMINGS: Final[Mapping[str, Timing]] = {"iso20": Timing(), "iso2": Iso2Timing(), "din": DinTiming()}
_SLOW: Final = {
    "ServiceDetail": "message_timeout_long", "CertificateInstallation": "message_timeout_long",
    "CertificateUpdate": "message_timeout_long", "PaymentDetails": "message_timeout_long",
    "PowerDelivery": "message_timeout_power", "CurrentDemand": "message_timeout_loop",
}  # fmt: skip
"""Exchange of -2 -> field of its timing."""
_SLOW_DIN: Final = {"PowerDelivery": "message_timeout_power", "CurrentDemand": "message_timeout_loop"}
_POLLS: Final[Mapping[str, tuple[str, str, str]]] = {
    "Authorization": ("V2G_EVCC_Ongoing_Timeout of Authorization", "authorization_ongoing_timeout", "authorization_ongoing_timeout"),
    "ContractAuthentication": (
        "V2G_EVCC_Ongoing_Timeout of ContractAuthentication", "authorization_ongoing_timeout", "authorization_ongoing_timeout",
    ),
    "DC_CableCheck": ("V2G_EVCC_CableCheck_Timeout", "cable_check_timeout", "cable_check_performance"),
    "CableCheck": ("V2G_EVCC_CableCheck_Timeout", "cable_check_timeout", "cable_check_performance"),
    "DC_PreCharge": ("V2G_EVCC_PreCharge_Timeout", "pre_charge_timeout", "pre_charge_performance"),
    "PreCharge": ("V2G_EVCC_PreCharge_Timeout", "pre_charge_timeout", "pre_charge_performance"),
    "DC_WeldingDetection": ("welding detection", "welding_detection_timeout", "welding_detection_timeout"),
    "WeldingDetection": ("welding detection", "welding_detection_timeout", "welding_detection_timeout"),
    "ACDP_VehiclePositioning": ("positioning", "positioning_timeout", "positioning_timeout"),
    "WPT_FinePositioning": ("positioning", "positioning_timeout", "positioning_timeout"),
    "WPT_FinePositioningSetup": ("positioning", "positioning_timeout", "positioning_timeout"),
    "PowerDelivery": ("power delivery", "power_delivery_performance", "power_delivery_performance"),
}  # fmt: skip
_POLL: Final = ("V2G_EVCC_Ongoing_Timeout", "ongoing_timeout", "ongoing_performance")
_SOFT: Final = frozenset(
    ("authorization_ongoing_timeout", "positioning_timeout", "welding_detection_timeout")
)


@cache
def answer_limit(edition: str, stem: str) -> Limit:
    """How long the vehicle waits for the answer."""
    name = f"V2G_EVCC_Msg_Timeout of {stem}Req"
    if edition == "iso20" or edition not in _TIMINGS:
        field = EVCC_MESSAGE_TIMEOUT.get(stem.replace("_", "") + "Req", "message_timeout")
        return Limit(name, getattr(_TIMINGS["iso20"], field))
    table = _SLOW if edition == "iso2" else _SLOW_DIN
    seconds: float = getattr(_TIMINGS[edition], table.get(stem, "message_timeout"))
    return Limit(name, seconds)


@cache
def request_limit(edition: str, stem: str) -> Limit:
    """How long the station waits for the next request after its answer to ``stem``."""
    timing = _TIMINGS.get(edition, _TIMINGS["iso20"])
    seconds = timing.sequence_timeout_loop if stem in LOOPS else timing.sequence_timeout
    return Limit("V2G_SECC_Sequence_Timeout", seconds)


@cache
def poll_limit(edition: str, stem: str) -> tuple[Limit, float]:
    """How long an exchange may be repeated, and from which time in s a station may give it up."""
    timing = _TIMINGS.get(edition, _TIMINGS["iso20"])
    name, field, earlier = _POLLS.get(stem, _POLL)
    if isinstance(timing, Iso2Timing) and field == "authorization_ongoing_timeout":
        return Limit(name, timing.customer_wait, soft=True), timing.customer_wait
    return Limit(name, getattr(timing, field), field in _SOFT), getattr(timing, earlier)
