"""The result of a session as JSON values, and as ten lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iso15118.printable import escaped

if TYPE_CHECKING:
    from .results import SessionResult

__all__ = ["lines_of_result", "summary_of_result"]

_LONGEST = 160


def summary_of_result(result: SessionResult) -> dict[str, Any]:
    """JSON values: what a program wants to know, certificates and tickets left out. Energies in
    kWh by the station's meter."""
    ended, cause, tls = result.ended, result.cause, result.tls
    return {
        "role": result.role,
        "result": "ok" if ended.reason.orderly and result.safe else "failed",
        "end_reason": ended.reason.name,
        "detail": ended.detail,
        "rule": ended.rule,
        "cause": cause.code,
        "cause_meaning": cause.meaning,
        "side": result.side,
        "timer": cause.timer,
        "requirement": cause.requirement(result.edition),
        "mrec": cause.mrec,
        "hint": cause.hint,
        "last_messages": [
            {
                "before_s": round(one.before_s, 3),
                "from": one.sender,
                "message": one.message,
                "response_code": one.response_code or None,
            }
            for one in result.last_messages
        ],
        "edition": result.edition,
        "peer": result.peer,
        "session_id": result.session_id.hex(),
        "evccid": result.evccid,
        "emaid": result.emaid,
        "refusals": list(result.refusals),
        "discovery": list(result.discovery),
        "tls": None
        if tls is None
        else {
            "version": tls.version,
            "cipher": tls.cipher,
            "group": tls.group,
            "client_certificate": tls.client_certificate,
        },
        "link": None if result.link is None else str(result.link),
        "exchanges": result.exchanges,
        "charge_loops": result.charge_loops,
        "energy_charged_kwh": _kwh(result.charged_wh),
        "energy_discharged_kwh": _kwh(result.discharged_wh),
        "peak_power_kw": round(result.peak_power_kw, 4),
        "peak_current_a": round(result.peak_current_a, 1),
        "max_voltage_v": round(result.maximum_voltage_v, 1),
        "transfer_seconds": round(result.transfer_seconds, 3),
        "session_seconds": round(result.finished - result.started, 3),
        "states": list(result.states),
        "safe": result.safe,
        "faults": [f"{fault.port}: {fault.reason}" for fault in result.faults],
        "error": None if result.error is None else f"{type(result.error).__name__}: {result.error}",
    }


def _kwh(energy_wh: float | None) -> float | None:
    return None if energy_wh is None else round(energy_wh / 1000.0, 4)


def lines_of_result(result: SessionResult) -> list[str]:
    """Ten lines."""
    ended, cause, tls = result.ended, result.cause, result.tls
    who = {"evcc": "the vehicle", "secc": "the station", "link": "what lies between the two"}[result.side]
    timer = ", ".join(part for part in (cause.timer, cause.requirement(result.edition), cause.mrec) if part)
    charged = "no meter" if result.charged_wh is None else f"{result.charged_wh / 1000.0:.2f} kWh"
    if result.discharged_wh:
        charged += f", {result.discharged_wh / 1000.0:.2f} kWh given back"
    last = ", ".join(f"{one.message} {one.response_code}".rstrip() for one in result.last_messages)
    faults = ", ".join(f"{fault.port}: {fault.reason}" for fault in result.faults)
    lines = [
        f"{result.role} session with {result.peer or 'nobody'}: {ended.reason.name}, {cause.code}",
        f"  because     {cause.meaning}" + (f" ({ended.detail})" if ended.detail else ""),
        f"  points at   {who}" + (f" ({timer})" if timer else ""),
        f"  try         {cause.hint}",
        f"  spoke       {result.edition or 'no edition in common'}, {'plaintext' if tls is None else tls.version}, "
        f"{result.exchanges} exchanges, {result.charge_loops} charge loops",
        f"  vehicle     {result.evccid or 'unknown'}"
        + (f", contract {result.emaid}" if result.emaid else ""),
        f"  energy      {charged}; at most {result.peak_power_kw:.1f} kW, {result.peak_current_a:.1f} A, "
        f"{result.maximum_voltage_v:.1f} V",
        f"  time        {result.finished - result.started:.1f} s, energy for {result.transfer_seconds:.1f} s; "
        f"last state {result.states[-2] if len(result.states) > 1 else 'none'}",
        f"  last        {last or 'no message'}",
        f"  hardware    {'safe' if result.safe else 'NOT CONFIRMED SAFE'}"
        + (f"; {faults}" if faults else ""),
    ]
    return [escaped(line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}...") for line in lines]
