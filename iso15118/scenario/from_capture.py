"""A scenario made of a capture: the same kind of session, what either side changed its
mind about, and how it ended.

It has what can be seen on the wire: why a backend refused, or what a battery was short of, is not in a
capture. What could not be taken over is said in comments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.scenario.director import LOOPS
from iso15118.session.services import SERVICES
from iso15118.trace.entries import EVCC, SECC, Entry, MessageEntry, TcpEntry, TcpEvent, TlsEntry

__all__ = ["NoSession", "scenario_of"]

_MOST_LIMITS: Final = 20
_CHANGED: Final = 0.02
"""A limit that changes by less is a matter of rounding."""


class NoSession(Exception):  # noqa: N818 - named for what was found
    """There is no session in the capture that a scenario could be made of; the text says what is missing."""


class _Seen(Struct):
    """What the messages say."""

    edition: str = ""
    service: str = ""
    auth: str = ""
    control: str = ""
    plain: bool = True
    loops: int = 0
    limit_kw: float | None = None
    first_kw: float | None = None
    goodbye: str = ""
    """What SessionStopReq says, or ``Stop`` where the edition says nothing."""
    over: bool = False
    """SessionStopRes was seen."""
    refused: str = ""
    """A code of the station that begins with FAILED, and its message."""
    told_to_stop: int | None = None
    """The turn of the loop in which the station asked the vehicle to stop."""
    gone: tuple[str, str] | None = None
    """Who went away without a word of the session, and how."""


def scenario_of(entries: Iterable[Entry], name: str) -> str:
    """The text of a scenario file. Raises ``NoSession``."""
    seen, remarks = _Seen(), Counter[str]()
    steps: list[dict[str, Any]] = []
    for entry in entries:
        if isinstance(entry, TlsEntry):
            seen.plain = False
            _alerted(entry, seen)
        elif isinstance(entry, TcpEntry):
            _gone(entry, seen)
        elif isinstance(entry, MessageEntry):
            if entry.message == "SessionSetupReq" and seen.edition:
                if not seen.over:
                    remarks["a further session begins in the capture and was left out"] += 1
                break
            steps += _message(entry, seen, remarks)
    if not seen.edition:
        raise NoSession(
            "no SessionSetupReq or SessionSetupRes was found: is it encrypted, or did it start late?"
        )
    return "\n".join([*_head(name, seen, remarks), *_steps(seen, steps), *_expected(seen)]) + "\n"


# -- reading -----------------------------------------------------------------------------------------------


def _message(entry: MessageEntry, seen: _Seen, remarks: Counter[str]) -> Iterator[dict[str, Any]]:
    body: Any = entry.body
    kind = type(body).__name__
    if entry.edition != "app" and not seen.edition:
        seen.edition = entry.edition
    if entry.response_code is not None and entry.response_code.startswith("FAILED") and not seen.refused:
        seen.refused = f"{kind}: {entry.response_code}"
    seen.loops += kind in LOOPS
    match kind:
        case "ServiceSelectionReq":
            number = body.selected_energy_transfer_service.service_id
            entries = {int(service.id): service.name for service in SERVICES.values()}
            seen.service = entries.get(int(number), "")
        case "ChargeParameterDiscoveryReq":
            mode = (
                getattr(body, "requested_energy_transfer_mode", None)
                or body.ev_requested_energy_transfer_type
            )
            seen.service = "ac" if str(mode.value).startswith("AC") else "dc"
        case "AuthorizationReq" if seen.edition == "iso20":
            seen.auth = "pnc" if str(body.selected_authorization_service.value).lower() == "pnc" else "eim"
        case "PaymentServiceSelectionReq":
            seen.auth = "pnc" if str(body.selected_payment_option.value) == "Contract" else "eim"
        case "ScheduleExchangeReq":
            control = type(body.se_req_control_mode).__name__ if hasattr(body, "se_req_control_mode") else ""
            seen.control = "dynamic" if control.startswith("Dynamic") else "scheduled"
        case "SessionStopReq":
            asked = getattr(body, "charging_session", None)
            seen.goodbye = "Terminate" if asked is None else str(asked.value)
            if seen.goodbye == "Pause":
                yield {"side": EVCC, "do": "pause", "when": {"loops": max(1, seen.loops)}}
        case "SessionStopRes":
            seen.over = True
        case _ if kind in LOOPS:
            yield from _in_the_loop(body, seen, remarks)
        case _:
            pass


def _in_the_loop(body: Any, seen: _Seen, remarks: Counter[str]) -> Iterator[dict[str, Any]]:
    status = _status(body)
    if status is not None and seen.told_to_stop is None:
        said = str(getattr(getattr(status, "evse_notification", None), "value", ""))
        code = str(getattr(getattr(status, "evse_status_code", None), "value", ""))
        if "Emergency" in code or "Malfunction" in code:
            seen.told_to_stop = seen.loops
            yield {"side": SECC, "do": "emergency", "when": {"loops": seen.loops}}
        elif said in (
            "StopCharging",
            "Terminate",
            "ExitStandby",
            "Pause",
            "ReNegotiation",
            "ScheduleRenegotiation",
        ):
            what = {"StopCharging": "stop", "Terminate": "stop", "Pause": "pause"}.get(said, "renegotiate")
            if said == "ExitStandby":
                remarks["the station asked the vehicle to leave standby, which is not taken over"] += 1
            elif what == "stop":
                seen.told_to_stop = seen.loops
                yield {"side": SECC, "do": "stop", "when": {"loops": seen.loops}}
            else:
                seen.told_to_stop = seen.loops if what == "pause" else None
                yield {"side": SECC, "do": what, "when": {"loops": seen.loops}}
    limit_w = _limit_w(body)
    if limit_w is None:
        return
    kilowatts = limit_w / 1000.0
    before = seen.limit_kw
    if before is None:
        seen.first_kw = seen.limit_kw = kilowatts
    elif abs(kilowatts - before) > _CHANGED * max(before, 1.0):
        seen.limit_kw = kilowatts
        yield {
            "side": SECC,
            "do": "limits",
            "power_kw": round(kilowatts, 3),
            "when": {"loops": seen.loops},
        }


def _status(body: Any) -> Any:
    for field in ("evse_status", "dc_evse_status", "ac_evse_status"):
        if (status := getattr(body, field, None)) is not None:
            return status
    return None


def _limit_w(body: Any) -> float | None:
    """The power that the station allows now, in W, where it says so."""
    for part in (body, getattr(body, "control_mode", None)):
        for field in (
            "evse_maximum_charge_power",
            "evse_maximum_power_limit",
            "evse_maximum_charge_power_l1",
        ):
            value = getattr(part, field, None)
            if isinstance(value, RationalNumber):
                return float(value.value * 10.0**value.exponent)
            if value is not None and hasattr(value, "multiplier"):
                return float(value.value * 10.0**value.multiplier)
    return None


def _alerted(entry: TlsEntry, seen: _Seen) -> None:
    alert = str(entry.content.get("description", ""))
    fatal = entry.message == "Alert" and alert not in ("", "close_notify")
    if fatal and seen.loops and not seen.goodbye and seen.gone is None and entry.sender in (EVCC, SECC):
        seen.gone = entry.sender, "alert"


def _gone(entry: TcpEntry, seen: _Seen) -> None:
    if (
        seen.gone is not None
        or seen.goodbye
        or seen.refused
        or not seen.edition
        or entry.sender not in (EVCC, SECC)
    ):
        return
    if entry.event is TcpEvent.RESET:
        seen.gone = entry.sender, "reset"
    elif entry.event is TcpEvent.CLOSED:
        seen.gone = entry.sender, "fin"


# -- writing -----------------------------------------------------------------------------------------------


def _head(name: str, seen: _Seen, remarks: Counter[str]) -> Iterator[str]:
    yield "# Made of a capture by `iso15118 scenario from-capture`: what was done in it, and how it ended."
    for remark in remarks:
        yield f"# {remark}"
    if seen.refused:
        yield f"# The station refused ({seen.refused}): why it did has to be brought about by a step."
    yield "[scenario]"
    yield f"name = {_text(name)}"
    yield ""
    yield "[session]"
    yield f"edition = {_text(seen.edition)}"
    yield f"service = {_text(seen.service or 'dc')}"
    if seen.auth == "pnc":
        yield 'auth = "pnc"'
    if seen.control == "dynamic":
        yield 'control = "dynamic"'


def _steps(seen: _Seen, steps: list[dict[str, Any]]) -> Iterator[str]:
    limits = [step for step in steps if step["do"] == "limits"]
    dropped = max(0, len(limits) - _MOST_LIMITS)
    if dropped:
        kept = limits[:: -(-len(limits) // _MOST_LIMITS)]
        steps = [step for step in steps if step["do"] != "limits" or step in kept]
        yield f"# The station changed its limits {len(limits)} times; {len(kept)} of the changes are taken over."
    if seen.gone is not None:
        side, how = seen.gone
        steps = [
            *steps,
            {"side": side, "do": "cut", "cut": how, "when": {"loops": seen.loops} if seen.loops else {}},
        ]
    elif seen.goodbye == "Terminate" and seen.told_to_stop is None and seen.loops:
        # Whoever was the reason, the vehicle ended it there.
        steps = [*steps, {"side": EVCC, "do": "stop", "when": {"loops": seen.loops}}]
    for step in steps:
        yield ""
        yield "[[step]]"
        for key, value in step.items():
            yield f"{key} = {_value(value)}"


def _expected(seen: _Seen) -> Iterator[str]:
    yield ""
    yield "[expect]"
    yield f"edition = {_text(seen.edition)}"
    if seen.gone is not None:
        side, _ = seen.gone
        yield f'{SECC if side == EVCC else EVCC} = ["PEER_VANISHED", "SIGNAL_LOST", "TIMEOUT"]'
    elif seen.goodbye == "Pause":
        yield 'evcc = ["PAUSED"]'
    elif seen.goodbye and seen.told_to_stop is not None:
        yield 'evcc = ["STOPPED_BY_STATION", "EMERGENCY", "REFUSED"]'
    elif seen.goodbye:
        yield 'evcc = ["STOPPED_BY_EV"]'


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
            if value
            else "{}"
        )
    return _text(value) if isinstance(value, str) else str(value)


def _text(text: str) -> str:
    """A TOML string of one line."""
    shown = "".join(one if one.isprintable() and one not in '"\\' else " " for one in text)
    return f'"{shown}"'
