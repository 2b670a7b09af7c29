"""The rules that a cause card names: what each is, the requirement of each
edition behind it, and what to try.

Texts for people; which rule holds is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from .model import Finding

__all__ = ["OBJECTIONS", "RULES", "Rule", "advice_of", "requirement_of"]


class Rule(Struct, frozen=True):
    """``requirements``: by edition, ``""`` for all others. ``advice``: what to try, by side,
    ``""`` for whoever it is."""

    title: str
    requirements: Mapping[str, str]
    advice: Mapping[str, tuple[str, ...]]


_COMMON: Final = "look at the log of that side at this moment: the capture shows what it sent, not why"

RULES: Final[Mapping[str, Rule]] = {
    "slac-unanswered": Rule(
        "No answer to the SLAC of the vehicle",
        {"": "ISO 15118-3, matching"},
        {"": ("check that the station's modem is up and in the same band, and that the pilot shows B with 5 %",)},
    ),
    "slac-names": Rule(
        "A message of SLAC names another address than its sender's",
        {"": "ISO 15118-3, matching"},
        {"": ("the vehicle has to put the address there that its frames come from, not that of its modem: stations ignore it",)},
    ),
    "slac-unmatched": Rule(
        "The station that the vehicle chose does not answer CM_SLAC_MATCH.REQ",
        {"": "ISO 15118-3, matching"},
        {"": ("look at the log of the station: a matching that it had given up, or another vehicle at it",)},
    ),
    "sdp-unanswered": Rule(
        "Nobody answers the discovery",
        {"": "V2G2-159, V2G2-161"},
        {
            "": (
                "check that the station's process runs and listens on UDP port 15118 of this interface",
                "check that both ends have a link-local address, and that multicast ff02::1 passes the modem and the firewall",
            )
        },
    ),
    "sdp-security": Rule(
        "The discovery ends without a security that both have",
        {"": "V2G20-1238, V2G20-1235"},
        {
            "secc": (
                "switch TLS of the station on, with a chain that the vehicle trusts",
                "a vehicle that may do without TLS: allow it there to accept such an answer",
            ),
            "evcc": ("the station takes TLS alone: switch it on in the vehicle, with the root of the station",),
        },
    ),
    "security-mismatch": Rule(
        "What is spoken is not what the discovery agreed on",
        {"": "V2G2-158, V2G20-1238"},
        {
            "evcc": ("the security of the SDPResponse decides whether the connection begins with a ClientHello",),
            "secc": ("compare the port that the station announces with the one that it speaks TLS on",),
        },
    ),
    "no-connection": Rule(
        "The vehicle was answered and opens no connection",
        {"": "V2G2-446, V2G2-716"},
        {"": ("compare the address, port and security of the answer with what the vehicle can use",)},
    ),
    "tcp-refused": Rule(
        "The announced endpoint takes no connection",
        {"": "the endpoint of the SDP response"},
        {"": ("check that the station listens on the port that it announces, and for more than one session",)},
    ),
    "tls-alert": Rule(
        "TLS ends with an alert",
        {"iso20": "V2G20, TLS 1.3", "": "V2G2, TLS 1.2"},
        {
            "": (
                "look at the TLS card: chain, roots that the other side names, versions and groups",
                "iso15118 pki verify judges a chain with the reason for every violation",
            )
        },
    ),
    "tls-not-finished": Rule(
        "The TLS handshake is broken off",
        {"": "TLS handshake"},
        {"": ("look at the TLS card for what was offered, and at the log of the side that closed",)},
    ),
    "sap-refused": Rule(
        "The two have no protocol in common",
        {"": "V2G2-172"},
        {"": ("compare the offered namespaces and versions with what the station is configured to speak",)},
    ),
    "sap-schema-id": Rule(
        "The station chooses a protocol that was not offered",
        {"": "V2G2-172"},
        {"": ("the answer has to repeat the SchemaID of one of the offered protocols",)},
    ),
    "malformed-message": Rule(
        "A message that cannot be read",
        {"iso20": "V2G20, EXI grammar", "iso2": "V2G2, EXI grammar", "din": "V2G-DC, EXI grammar", "": "EXI grammar"},
        {"": ("iso15118 exi decode says at which bit and element it goes wrong", "check the EXI codec of that side")},
    ),
    "wrong-payload-type": Rule(
        "A message in a frame of another payload type",
        {"": "V2G2-800"},
        {"": ("a receiver drops such frames without a word: mend the payload type of the V2GTP header",)},
    ),
    "wrong-direction": Rule(
        "One side sends a message of the other",
        {"iso20": "V2G20-459", "iso2": "V2G2-538", "din": "V2G-DC-390"},
        {"": (_COMMON,)},
    ),
    "unexpected-message": Rule(
        "A message out of turn",
        {"iso20": "V2G20-459", "iso2": "V2G2-538", "din": "V2G-DC-390"},
        {"": ("each request has one answer, and the next request follows it: look for a message sent twice",)},
    ),
    "wrong-answer": Rule(
        "The answer belongs to another request",
        {"iso20": "V2G20-736", "iso2": "V2G2-736", "din": "V2G-DC-390"},
        {"": (_COMMON,)},
    ),
    "out-of-sequence": Rule(
        "A request that may not come here",
        {"iso20": "V2G20-459", "iso2": "V2G2-538", "din": "V2G-DC-390, V2G-DC-665"},
        {"": ("docs/states.md lists what may follow what", _COMMON)},
    ),
    "wrong-session-id": Rule(
        "A message with the id of another session",
        {"iso20": "V2G20-460", "iso2": "V2G2-460", "din": "V2G-DC-391"},
        {"": ("the id of SessionSetupRes has to stand in the header of every message that follows",)},
    ),
    "refused": Rule(
        "The station answers with a failure",
        {"iso20": "V2G20, response codes", "iso2": "V2G2, response codes", "din": "V2G-DC, response codes", "": "response codes"},
        {"": ("the response code says what the station objects to; its log should say why",)},
    ),
    "no-answer": Rule(
        "A request is not answered",
        {"iso20": "V2G20, Tables 215 to 218", "iso2": "V2G2, Table 109", "din": "V2G-DC, timers"},
        {"": ("look whether the station got the request (its log), and what it waited for",)},
    ),
    "late-answer": Rule(
        "An answer comes after the vehicle's time is over",
        {"iso20": "V2G20, Tables 215 to 218", "iso2": "V2G2, Table 109", "din": "V2G-DC, timers"},
        {"": ("find what the station waits for: hardware, backend or the driver; answer Ongoing meanwhile where the message has it",)},
    ),
    "no-request": Rule(
        "The vehicle sends nothing more",
        {"iso20": "V2G20-443, V2G20-1500", "iso2": "V2G2-443", "din": "V2G-DC, timers"},
        {"": ("look at the log of the vehicle behind the last answer: what in it did it not like",)},
    ),
    "late-request": Rule(
        "A request comes after the station's time is over",
        {"iso20": "V2G20-443, V2G20-1500", "iso2": "V2G2-443", "din": "V2G-DC, timers"},
        {"": ("find what the vehicle waits for between the answer and its next request",)},
    ),
    "ongoing-too-long": Rule(
        "Still not finished when the time is over",
        {"iso20": "V2G20, timers", "iso2": "V2G2, Table 109", "din": "V2G-DC, timers"},
        {
            "secc": ("look at what the station was doing: insulation test, supply, backend, or the driver at the terminal",),
            "evcc": ("look at what the vehicle was doing: contactors, battery, or its plan",),
        },
    ),
    "limit-ignored": Rule(
        "A value beyond the limit that the other side gave",
        {"iso20": "V2G20, limits", "iso2": "V2G2, limits", "din": "V2G-DC, limits"},
        {"": ("compare the set-points, values and limits in the charts at this moment",)},
    ),
    "evse-fault": Rule(
        "The station reports a fault",
        {"": "EVSE status"},
        {"": ("look at the station's hardware: the status names the kind of fault", _COMMON)},
    ),
    "ev-fault": Rule(
        "The vehicle reports a fault",
        {"": "EV status"},
        {"": ("look at the vehicle: its error code names the kind of fault", _COMMON)},
    ),
    "connection-closed": Rule(
        "One side closes the connection in mid-session",
        {"iso20": "V2G20-1643", "": "V2G2, session stop"},
        {"": ("nothing that was said explains it: look at the log of the side that closed, and at pilot and plug at this moment",)},
    ),
    "connection-reset": Rule(
        "One side drops the connection in mid-session",
        {"iso20": "V2G20-1643", "": "V2G2, session stop"},
        {"": ("a reset mostly means that the process of that side is gone: look for a crash or a restart",)},
    ),
}  # fmt: skip
"""By id."""

_BY_DETAIL: Final[Mapping[str, str]] = {
    "FAILED_SequenceError": "the station holds that this request may not come here: compare the messages before it",
    "FAILED_UnknownSession": "the station does not know the session id: was it restarted, or is it an old session that it forgot",
    "FAILED_ContactorError": "look at contactors, their feedback, and the voltage on both sides of them",
    "FAILED_PowerDeliveryNotApplied": "the station cannot deliver: look at its power stage and energy manager",
    "FAILED_WrongEnergyTransferMode": "compare the requested mode with those of ServiceDiscoveryRes",
    "FAILED_WrongEnergyTransferType": "compare the requested type with those of ServiceDiscoveryRes",
    "FAILED_WrongChargeParameter": "look at the limits that the vehicle declares: minima above maxima, voltages that do not fit",
    "FAILED_ChargingProfileInvalid": "compare the vehicle's profile with the schedule that it chose",
    "FAILED_EVPowerProfileInvalid": "compare the vehicle's power profile with the schedule that it chose",
    "FAILED_EVPowerProfileViolation": "the vehicle takes more than its power profile says",
    "FAILED_TariffSelectionInvalid": "the chosen schedule tuple is not one of those that were offered",
    "FAILED_ScheduleSelectionInvalid": "the chosen schedule tuple is not one of those that were offered",
    "FAILED_CertificateExpired": "renew the contract certificate, and check both clocks",
    "FAILED_CertificateRevoked": "the contract is revoked: ask its issuer",
    "FAILED_CertChainError": "iso15118 pki verify says what is wrong with the contract chain",
    "FAILED_SignatureError": "the signature does not fit the message: canonical EXI, digest, and the key behind the certificate",
    "FAILED_ChallengeInvalid": "the vehicle has to repeat the GenChallenge of the answer before",
    "unknown_ca": "the side that sent the alert does not have the root of the other's chain: compare it with the roots it names",
    "certificate_expired": "a certificate of the other side has expired, or a clock is wrong",
    "bad_certificate": "iso15118 pki verify says what is wrong with the chain of the other side",
    "handshake_failure": "no common cipher suite, group or signature scheme: compare ClientHello and ServerHello in the TLS card",
    "protocol_version": "no common TLS version: ISO 15118-20 has 1.3, ISO 15118-2 has 1.2",
    "no_application_protocol": "the other side names no protocol that is known",
    "certificate_required": "the other side showed no certificate, which ISO 15118-20 wants of a vehicle",
}


def requirement_of(finding: Finding, edition: str | None) -> str:
    """The requirement behind a finding, as ids or by name."""
    table = RULES[finding.rule].requirements
    return table.get(edition or "", table.get("", next(iter(table.values()))))


def advice_of(finding: Finding) -> list[str]:
    """What to try, the most specific first."""
    table = RULES[finding.rule].advice
    more = table.get(finding.side, table.get("", ()))
    special = _BY_DETAIL.get(finding.detail)
    return [special, *more] if special else list(more)


OBJECTIONS: Final = frozenset(
    (
        "FAILED_CertificateExpired", "FAILED_SignatureError", "FAILED_CertChainError", "FAILED_ChallengeInvalid",
        "FAILED_ContractCanceled", "FAILED_CertificateRevoked", "FAILED_WrongChargeParameter", "FAILED_ChargingProfileInvalid",
        "FAILED_EVPowerProfileInvalid", "FAILED_EVPowerProfileViolation", "FAILED_TariffSelectionInvalid",
        "FAILED_ScheduleSelectionInvalid", "FAILED_WrongEnergyTransferMode", "FAILED_WrongEnergyTransferType",
        "FAILED_ServiceIDInvalid", "FAILED_ServiceSelectionInvalid", "FAILED_PaymentSelectionInvalid",
        "FAILED_NoChargeServiceSelected", "FAILED_NoEnergyTransferServiceSelected", "FAILED_MeteringSignatureNotValid",
        "FAILED_PauseNotAllowed",
    )
)  # fmt: skip
"""Codes with which a station objects to what the vehicle said."""
