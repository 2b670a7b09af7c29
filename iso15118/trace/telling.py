"""What an entry says, in words for people: values in V, A, W, kWh and %,
enumerations by name, times as times.

The names are the schema's. What is long (certificates, signatures) is named and not shown.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from iso15118.exi.content import content_of
from iso15118.messages.values import unix_time
from iso15118.trace.entries import (
    Entry,
    MessageEntry,
    SdpEntry,
    SlacEntry,
    TcpEntry,
    TcpEvent,
    TlsEntry,
    V2gtpEntry,
)
from iso15118.v2gtp import payload_type_name

__all__ = ["content", "name_of", "said", "values"]

_LONGEST_TEXT: Final = 80
_UNITS: Final = (
    (re.compile(r"Voltage|EVSENominalVoltage"), "V"),
    (re.compile(r"Current"), "A"),
    (re.compile(r"Power|PMax"), "W"),
    (re.compile(r"Energy|Capacity"), "Wh"),
    (re.compile(r"SOC|SoC"), "%"),
    (re.compile(r"Frequency"), "Hz"),
    (re.compile(r"Temperature"), "°C"),
)
_SECONDS: Final = re.compile(
    r"(?:Duration|DepartureTime|RemainingTime\w*|TimeTo\w+|start|duration|ReactionTime)$"
)
_WATT_HOURS: Final = re.compile(r"(?:ReadingWh|MeterReading)$")
_MOMENTS: Final = frozenset(
    ("TimeStamp", "TimeAnchor", "MeterTimestamp", "CheckOutTime", "TMeter", "EVSETimeStamp")
)
_SIGNED: Final = "Signature"
_TCP: Final = {
    TcpEvent.OPENED: "TCP opened",
    TcpEvent.JOINED: "TCP joined",
    TcpEvent.GAP: "TCP gap",
    TcpEvent.CLOSED: "TCP closed",
    TcpEvent.RESET: "TCP reset",
}


def name_of(entry: Entry) -> str:
    """What the entry is, in a few words."""
    if isinstance(entry, TlsEntry):
        return f"TLS {entry.message}"
    if isinstance(entry, TcpEntry):
        return _TCP[entry.event]
    if isinstance(entry, V2gtpEntry):
        return "V2GTP" if entry.payload_type is None else f"V2GTP {payload_type_name(entry.payload_type)}"
    return entry.message


def content(entry: Entry) -> dict[str, Any] | None:
    """What the entry says as JSON values; of a message what stands under its root element."""
    if isinstance(entry, MessageEntry):
        found: dict[str, Any] = content_of(entry.schema, entry.value)
        return found
    if isinstance(entry, TlsEntry):
        return entry.content
    if isinstance(entry, SlacEntry):
        return {"source": entry.source, "destination": entry.destination} | entry.content
    if isinstance(entry, SdpEntry):
        told: dict[str, Any] = {"security": entry.security, "transport": entry.transport}
        if entry.source.host:
            told |= {"source": str(entry.source), "destination": str(entry.destination)}
        if entry.offered is not None:
            told |= {"address": entry.offered.host, "port": entry.offered.port}
        return told
    if isinstance(entry, TcpEntry):
        facts = {
            "event": entry.event.value,
            "source": str(entry.source),
            "destination": str(entry.destination),
        }
        return facts | ({"missing": entry.missing} if entry.missing else {})
    return {"length": entry.length}


def said(entry: Entry) -> str:
    """The content on one line."""
    if isinstance(entry, MessageEntry):
        return ", ".join(f"{name} {text}" for name, text in values(entry))
    if isinstance(entry, SdpEntry):
        where = "" if entry.offered is None else f"{entry.offered}, "
        return f"{where}security {entry.security}, transport {entry.transport}"
    if isinstance(entry, TcpEntry):
        return f"{entry.source} -> {entry.destination}"
    if isinstance(entry, V2gtpEntry):
        return f"{entry.length} octets"
    if isinstance(entry, TlsEntry):
        return ", ".join(_tls(entry))
    return ", ".join(f"{name} {_plain(value)}" for name, value in entry.content.items())


def values(entry: MessageEntry) -> list[tuple[str, str]]:
    """Names and texts of all that a message says, without its header; what stands in a group is in
    one text, in parentheses."""
    found = content_of(entry.schema, entry.value)
    enveloped = entry.schema in ("din", "iso2") and isinstance(
        found, dict
    )  # what fits by chance may be a value alone
    body = found.get("Body", found) if enveloped else found
    if enveloped and isinstance(body, dict) and len(body) == 1:
        body = next(iter(body.values()))
    rows: list[tuple[str, str]] = []
    header = found.get("Header") if isinstance(found, dict) else None
    if isinstance(header, dict):
        if "Notification" in header:
            rows.append(("Notification", _group(header["Notification"])))
        if _SIGNED in header:
            rows.append((_SIGNED, "signed"))
    if not isinstance(body, dict):
        return [*rows, ("value", _value("value", body))]
    for name, value in body.items():
        if name != "Header":
            rows.append((name, _value(name, value)))
    return rows


def _value(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return _quantity(name, value) or _group(value)
    if isinstance(value, list):
        # Ten rules of a tariff say as much as a thousand.
        more = f"; and {len(value) - 10} more" if len(value) > 10 else ""
        return "[" + "; ".join(_value(name, one) for one in value[:10]) + more + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _whole(name, value)
    return _plain(value)


def _group(value: dict[str, Any]) -> str:
    return "(" + ", ".join(f"{name} {_value(name, one)}" for name, one in value.items()) + ")"


def _quantity(name: str, value: dict[str, Any]) -> str:
    """A RationalNumber, or a PhysicalValue with its unit."""
    if value.keys() == {"Exponent", "Value"}:
        return _measured(_scaled(value["Value"], value["Exponent"]), _unit(name))
    if value.keys() in ({"Multiplier", "Unit", "Value"}, {"Multiplier", "Value"}):
        return _measured(_scaled(value["Value"], value["Multiplier"]), value.get("Unit") or _unit(name))
    return ""


def _scaled(number: int, exponent: int) -> float:
    return number * 10.0**exponent if exponent >= 0 else number / 10.0**-exponent


def _unit(name: str) -> str:
    return next((unit for pattern, unit in _UNITS if pattern.search(name)), "")


def _measured(number: float, unit: str) -> str:
    if unit == "Wh":
        number, unit = number / 1000.0, "kWh"
    return f"{number:.10g} {unit}".rstrip()


def _whole(name: str, value: int) -> str:
    if name in _MOMENTS:
        try:
            return datetime.fromtimestamp(unix_time(value), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        except (OverflowError, ValueError, OSError):
            return str(value)
    if _WATT_HOURS.search(name):
        return _measured(float(value), "Wh")
    if re.search(r"SOC|SoC", name):
        return f"{value} %"
    if name == "PMax":
        return f"{value} W"
    if _SECONDS.search(name):
        return f"{value} s"
    return str(value)


def _plain(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:40]}... ({len(text)} characters)"


def _tls(entry: TlsEntry) -> list[str]:
    told: list[str] = []
    for name, value in entry.content.items():
        if name == "certificates" and isinstance(value, list):
            for place, one in enumerate(value):
                told.append(f"{place}: {_certificate(one)}")
        elif isinstance(value, list):
            if value:
                told.append(
                    f"{name} {' '.join(map(str, value))}"
                    if name != "certificate_authorities"
                    else f"{name} {'; '.join(value)}"
                )
        elif isinstance(value, bool):
            told.append(f"{name} {'yes' if value else 'no'}")
        else:
            told.append(f"{name} {value}")
    return told


def _certificate(one: dict[str, Any]) -> str:
    if "subject" not in one:
        return f"unreadable ({one.get('unreadable')})"
    return f"{one['subject']} by {one['issuer']} until {str(one['not_after'])[:10]}, {one['key']}"
