"""The lines of ``session.jsonl``: what ``iso15118 decode --json`` says of a message, and beside
it who recorded it, in which state, after how long, and its quantities in SI units; and what a
session told beside messages."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from iso15118.trace.as_json import json_object
from iso15118.trace.entries import MessageEntry, V2gtpEntry

__all__ = ["message_line", "quantities", "session_line"]

_UNITS: Final = (
    ("Voltage", "V"),
    ("Current", "A"),
    ("Power", "W"),
    ("PMax", "W"),
    ("Energy", "Wh"),
    ("Capacity", "Wh"),
    ("ReadingWh", "Wh"),
    ("SOC", "%"),
    ("Frequency", "Hz"),
)
_WHOLE: Final = ("SOC", "ReadingWh")
"""Fields that are plain integers with a unit."""
_DEEPEST: Final = 8
_MOST: Final = 64

_encoder: Final = msgspec.json.Encoder(enc_hook=str)


def message_line(
    entry: MessageEntry | V2gtpEntry, *, role: str, state: str, latency_ms: float | None
) -> bytes:
    """A message, or a frame without one. ``latency_ms``: since the last message of the other side."""
    line = json_object(entry)
    line |= {"role": role, "state": state or None, "latency_ms": latency_ms}
    line["si"] = quantities(line["content"]) if isinstance(entry, MessageEntry) else {}
    return _encoder.encode(line) + b"\n"


def session_line(t: float, role: str, state: str, name: str, said: Any) -> bytes:
    """What a session told: ``name`` is the class of the event, ``said`` the event itself
    or a dict of JSON values."""
    line = {
        "t": t,
        "from": role,
        "layer": "session",
        "message": name,
        "role": role,
        "state": state or None,
        "content": _plain(said),
    }
    return _encoder.encode(line) + b"\n"


def _plain(said: Any) -> Any:
    try:
        return msgspec.to_builtins(said, enc_hook=str, str_keys=True)
    except Exception:  # whatever an application put in: the line says that there was something
        return {"text": str(said)}


def quantities(content: Any) -> dict[str, list[Any]]:
    """Every physical quantity of a message by its path in it, as ``[value, unit]`` in V, A, W, Wh, Hz and %;
    those in lists are left out."""
    found: dict[str, list[Any]] = {}
    if isinstance(content, dict):
        _collect(_body(content), "", found, 0)
    return found


def _body(content: dict[str, Any]) -> dict[str, Any]:
    """Of DIN and ISO 15118-2 what stands in the body."""
    body = content.get("Body")
    if isinstance(body, dict) and len(body) == 1:
        inner = next(iter(body.values()))
        return inner if isinstance(inner, dict) else {}
    return content


def _collect(part: dict[str, Any], path: str, found: dict[str, list[Any]], depth: int) -> None:
    for name, value in part.items():
        if len(found) >= _MOST:
            return
        if name == "Header" and not depth:
            continue
        here = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            number = _scaled(value)
            if number is not None:
                found[here] = [number, value.get("Unit") or _unit(name)]
            elif depth < _DEEPEST:
                _collect(value, here, found, depth + 1)
        elif isinstance(value, int) and not isinstance(value, bool) and name.endswith(_WHOLE):
            found[here] = [value, _unit(name)]


def _scaled(value: dict[str, Any]) -> float | None:
    keys = value.keys()
    if "Value" not in keys or not keys <= {"Exponent", "Multiplier", "Unit", "Value"} or len(keys) < 2:
        return None
    number, power = value["Value"], value.get("Exponent", value.get("Multiplier", 0))
    if not isinstance(number, int) or not isinstance(power, int):
        return None
    # A division by an exact power of ten is correctly rounded; a multiplication by 10**-n is not.
    return float(number * 10**power) if power >= 0 else number / 10**-power


def _unit(name: str) -> str:
    return next((unit for word, unit in _UNITS if word in name), "")
