"""Who is who in a session, and what was agreed: ids, contract, meter, service, control
mode, and the card of its TLS.

Whatever a peer says here is text of a peer: whoever shows it escapes it.
"""

from __future__ import annotations

from typing import Any, Final

from iso15118.printable import escaped
from iso15118.trace.entries import EVCC, SECC, MessageEntry, TlsEntry

from .editions import stem_of
from .model import Identity, Session

__all__ = ["Known", "tls_card"]

_MOST: Final = 32
_LONGEST: Final = 120
_LONGEST_NOTE: Final = 300
_SERVICES: Final = {
    1: "AC", 2: "DC", 3: "WPT", 4: "DC_ACDP", 5: "AC_BPT", 6: "DC_BPT", 7: "DC_ACDP_BPT", 8: "MCS", 9: "MCS_BPT", 10: "AC_DER_IEC",
    11: "AC_DER_SAE",
}  # fmt: skip
"""Service ids of ISO 15118-20 (Table 204) and its Amendment 1."""
_SHOWN: Final = (
    "ClientHello",
    "ServerHello",
    "CertificateRequest",
    "CertificateVerify",
    "ServerKeyExchange",
    "Alert",
)


class Known:
    """Takes from messages who somebody is."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen: set[tuple[str, str, str]] = set()

    def see(self, entry: MessageEntry) -> None:
        """What this one says."""
        body, stem = entry.body, stem_of(entry.message)
        if stem == "SessionSetup":
            self._add(EVCC, "EVCCID", getattr(body, "evccid", None))
            self._add(SECC, "EVSEID", getattr(body, "evseid", None))
        elif stem in ("PaymentDetails", "Authorization", "CertificateInstallation", "CertificateUpdate"):
            self._add(EVCC, "EMAID", getattr(body, "emaid", None))
        elif stem == "supportedAppProtocol" and not entry.request:
            for note in entry.notes:
                if note.startswith("chooses "):
                    self._add(SECC, "protocol", note.removeprefix("chooses "))
        elif stem in (
            "ServiceSelection",
            "PaymentServiceSelection",
            "ChargeParameterDiscovery",
            "PowerDelivery",
        ):
            self._agreed(body, stem)
        meter = getattr(body, "meter_info", None)
        if meter is not None:
            self._add(SECC, "meter", getattr(meter, "meter_id", None))
        for name, control in (("cl_req_control_mode", ""), ("control_mode", "")):
            mode = getattr(body, name, None)
            if mode is not None and not self._session.control:
                text = type(mode).__name__
                self._session.control = (
                    "Dynamic" if "Dynamic" in text else "Scheduled" if "Scheduled" in text else control
                )

    def _agreed(self, body: Any, stem: str) -> None:
        session = self._session
        selected = getattr(body, "selected_energy_transfer_service", None)
        if selected is not None:
            session.service = _SERVICES.get(selected.service_id, f"service {selected.service_id}")
        mode = getattr(body, "requested_energy_transfer_mode", None) or getattr(
            body, "ev_requested_energy_transfer_type", None
        )
        if mode is not None:
            session.service = mode.value
        payment = getattr(body, "selected_payment_option", None)
        if payment is not None:
            session.authorization = payment.value

    def _add(self, side: str, name: str, value: Any) -> None:
        if value is None or len(self._session.identities) >= _MOST:
            return
        text = escaped(_text(value)[:_LONGEST])
        if (side, name, text) not in self._seen:
            self._seen.add((side, name, text))
            self._session.identities.append(Identity(side, name, text))


def _text(value: Any) -> str:
    if not isinstance(value, bytes) and isinstance(inner := getattr(value, "value", None), str):
        value = inner  # an EMAID of ISO 15118-2 with its id
    if isinstance(value, bytes):
        ascii_text = value.rstrip(b"\0").decode("ascii", "replace")
        return ascii_text if ascii_text and ascii_text.isprintable() and ascii_text.isascii() else value.hex()
    return str(value)


def tls_card(session: Session, entry: TlsEntry) -> None:
    """What an entry adds to the card."""
    card = session.tls
    card.version = entry.version or card.version
    side = {EVCC: "vehicle", SECC: "station"}.get(entry.sender, entry.sender)
    for note in entry.notes:
        if len(card.notes) < _MOST:
            card.notes.append(escaped(f"{side}, {entry.message}: {note}"[:_LONGEST_NOTE]))
    if entry.message in _SHOWN and len(card.facts) < _MOST:
        for name, value in entry.content.items():
            if name != "certificates" and value not in ([], None, False):
                text = (
                    ", ".join(map(str, value))
                    if isinstance(value, list)
                    else "yes"
                    if value is True
                    else str(value)
                )
                card.facts.append((f"{entry.message} {name}", escaped(text[:_LONGEST_NOTE])))
    described = entry.content.get("certificates")
    if isinstance(described, list):
        for one in described:
            if len(card.certificates) < _MOST:
                card.certificates.append((entry.sender, one))
