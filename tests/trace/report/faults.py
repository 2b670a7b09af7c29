"""Two hundred seeded faults of sessions, each with the side that it is of and the rules that name it rightly.

Most are named faults of the wire, which befall a session between our two ends; the rest are written
into a session that went well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from iso15118 import exi
from iso15118.link.slac import parse_frame
from iso15118.link.slac.messages import AttenCharRsp, SetKeyReq, SlacMatchCnf, SlacMatchReq, SlacParmReq
from iso15118.loopback import LoopbackSpec
from iso15118.messages import app
from iso15118.sdp import SdpRequest, Security
from iso15118.testing.wire import WireFault, WireFaultKind
from iso15118.trace.packets import Endpoint, udp_packet
from iso15118.trace.reading.messages import Dialogue
from iso15118.trace.report.model import Report
from iso15118.v2gtp import HEADER_LENGTH, PayloadType, encode_frame
from tests.link.tapping import two_bays
from tests.trace.made import EV, SE, Made, iso20_frames

from .seeded import Spoken, captured, report_on, spoken_by

__all__ = ["EDITIONS", "Seeded", "discoveries", "faults", "session", "written"]

_SCHEMAS = {"iso20": "iso20-dc", "iso2": "iso2", "din": "din"}

OTHER = bytes(12) + b"\x88\xcc" + bytes(40)
"""Somebody else's packet, which shows that the capture went on."""
UNEXPECTED = bytes((0x15, 3, 3, 0, 2, 2, 10))
"""An alert of TLS, in the clear."""
K = WireFaultKind
EDITIONS = ("iso20", "iso2", "din")
TLS = {"iso20": "TLSv1.3", "iso2": "TLSv1.2", "din": None}
STAGES = {
    "iso20": (
        "AuthorizationSetup",
        "ServiceDiscovery",
        "DCChargeParameterDiscovery",
        "DCCableCheck",
        "DCPreCharge",
        "DCChargeLoop",
    ),
    "iso2": (
        "ServiceDiscovery",
        "Authorization",
        "ChargeParameterDiscovery",
        "CableCheck",
        "PreCharge",
        "CurrentDemand",
    ),
    "din": (
        "ServiceDiscovery",
        "ContractAuthentication",
        "ChargeParameterDiscovery",
        "CableCheck",
        "PreCharge",
        "CurrentDemand",
    ),
}
STUCK = {
    "iso20": ("DCCableCheckRes", "ScheduleExchangeRes", "AuthorizationRes"),
    "iso2": ("CableCheckRes", "ChargeParameterDiscoveryRes", "AuthorizationRes"),
    "din": ("CableCheckRes", "ChargeParameterDiscoveryRes", "ContractAuthenticationRes"),
}
LOOPS = {"iso20": "DCChargeLoop", "iso2": "CurrentDemand", "din": "CurrentDemand"}

GONE_SILENT = {"secc": {"no-answer"}, "evcc": {"no-request", "connection-closed"}}
"""A vehicle that lost its own request closes when it hears no answer: what is on
the wire is that it closes."""
RULES: dict[tuple[WireFaultKind, str], set[str]] = {
    **{(kind, side): rules for kind in (K.DROP, K.SILENCE) for side, rules in GONE_SILENT.items()},
    (K.DELAY, "secc"): {"late-answer", "no-answer"},
    (K.WRONG_SEQUENCE, "secc"): {"wrong-answer"},
    (K.WRONG_SEQUENCE, "evcc"): {"out-of-sequence"},
    **{(K.DUPLICATE, side): {"unexpected-message"} for side in ("secc", "evcc")},
    **{(K.WRONG_SESSION_ID, side): {"wrong-session-id"} for side in ("secc", "evcc")},
    **{(K.TRUNCATED_EXI, side): {"malformed-message"} for side in ("secc", "evcc")},
    **{(K.WRONG_PAYLOAD_TYPE, side): {"wrong-payload-type"} for side in ("secc", "evcc")},
    **{(K.FIN, side): {"connection-closed"} for side in ("secc", "evcc")},
    **{(K.RESET, side): {"connection-reset"} for side in ("secc", "evcc")},
    **{(K.ALERT, side): {"tls-alert"} for side in ("secc", "evcc")},
    **{(K.LIMITS_IGNORED, side): {"limit-ignored"} for side in ("secc", "evcc")},
    (K.STUCK_ONGOING, "secc"): {"ongoing-too-long"},
}


class Seeded(Struct, frozen=True):
    """A fault: what it is called, whose it is, which rules name it, and how its report is made."""

    name: str
    side: str
    rules: set[str]
    report: Callable[[], Report | None]
    """None: it befell nothing."""


def session(edition: str, **more: Any) -> LoopbackSpec:
    """A short charge."""
    return LoopbackSpec(
        transport="memory",
        edition=edition,
        **{"battery_kwh": 90.0, "soc_start": 20.0, "soc_target": 20.15, **more},
    )


def faults(edition: str) -> Iterator[Seeded]:
    """Those of one edition, the same ones each time."""
    dice = random.Random(f"faults of {edition}")
    for (kind, side), rules in RULES.items():
        if kind is K.ALERT and TLS[edition] is None:
            continue
        for stage in _stages(edition, kind, dice):
            suffix = "Res" if side == "secc" else "Req"
            message = stage if stage.endswith("Res") else stage + suffix
            nth = dice.randint(5, 12) if stage == LOOPS[edition] else 1
            more: dict[str, Any] = {}
            if kind is K.DELAY:
                more = {"delay_s": 6.0}
            elif kind is K.STUCK_ONGOING and "uth" in message:
                # The session behind the fault hears nothing any more, and closes before anybody has
                # waited for a driver too long.
                rules = rules | {"connection-closed"}
            elif kind is K.LIMITS_IGNORED:
                more = {"factor": 4.0, "times": None}
            fault = WireFault(kind=kind, message=message, nth=nth, **more)
            name = f"{edition} {side} {kind.value} {message} {nth}"
            yield Seeded(name, side, rules, partial(_befallen, edition, side, fault))


def _stages(edition: str, kind: WireFaultKind, dice: random.Random) -> list[str]:
    if kind is K.STUCK_ONGOING:
        return list(STUCK[edition])
    if kind is K.LIMITS_IGNORED:
        return [LOOPS[edition]]
    stages = list(STAGES[edition])
    if kind is K.WRONG_SEQUENCE:
        stages = stages[1:4]
    dice.shuffle(stages)
    return sorted(stages[:3])


def _befallen(edition: str, side: str, fault: WireFault) -> Report | None:
    also: list[tuple[str, WireFault]] = []
    if fault.kind is K.LIMITS_IGNORED:  # the other side has enough of it, and goes
        other, suffix = ("evcc", "Req") if side == "secc" else ("secc", "Res")
        later = 40 if edition == "iso20" else 75
        also = [(other, WireFault(kind=K.FIN, message=LOOPS[edition] + suffix, nth=later))]
    told = spoken_by(session(edition, soc_target=20.4), (side, fault), *also)
    if not told.befell:
        return None
    idle_s = 90.0 if fault.kind is K.SILENCE else 0.0
    tls = TLS[edition] if fault.kind is K.ALERT else None
    return report_on(captured(told, tls=tls, idle_s=idle_s))


# Written into what passed
# -------------------------------------------------------------------------------------


def written(edition: str) -> Iterator[Seeded]:
    """Faults that no wire makes: what a side says of itself, and what it does with the connection."""
    codes = ("FAILED", "FAILED_PowerDeliveryNotApplied", "FAILED_SequenceError", "FAILED_UnknownSession")
    for code, message in zip(
        codes,
        ("ServiceDiscoveryRes", "PowerDeliveryRes", "PowerDeliveryRes", "PowerDeliveryRes"),
        strict=True,
    ):
        yield _changed(edition, f"answers {code}", "secc", {"refused"}, message, {"response_code": code})
    if edition != "iso20":
        for code in ("FAILED_RESSTemperatureInhibit", "FAILED_ChargingVoltageOutOfRange"):
            status = {"dc_ev_status": {"ev_error_code": code}}
            yield _changed(edition, f"vehicle says {code}", "evcc", {"ev-fault"}, "CurrentDemandReq", status)
        for code in ("EVSE_EmergencyShutdown", "EVSE_Malfunction"):
            status = {"dc_evse_status": {"evse_status_code": code}}
            yield _changed(
                edition, f"station says {code}", "secc", {"evse-fault"}, "CurrentDemandRes", status
            )
    for place, message in enumerate(("SessionSetupRes", "ServiceDiscoveryRes")):
        name = f"{edition} vehicle silent after {message}, station closes"
        yield Seeded(name, "evcc", {"no-request"}, partial(_silent, edition, message, "fin", place))
    yield Seeded(f"{edition} refuses all protocols", "secc", {"sap-refused"}, partial(_no_protocol, edition))


def discoveries() -> Iterator[Seeded]:
    """Faults before a session."""
    yield Seeded("nobody answers the discovery", "secc", {"sdp-unanswered"}, _no_station)
    yield Seeded("the vehicle does not connect", "evcc", {"no-connection"}, _no_vehicle)
    for security in (Security.TLS, Security.NONE):
        side = "secc" if security is Security.TLS else "evcc"
        for again in (True, False):
            name = f"the vehicle asks for {security.name}, is offered the other, and {'asks again' if again else 'leaves'}"
            yield Seeded(name, side, {"sdp-security"}, partial(_other_security, security, again))
    for name, side, made in (
        ("TLS is agreed on, and the vehicle speaks without", "evcc", _plain_for_tls),
        ("no TLS is agreed on, and the vehicle speaks TLS", "evcc", _tls_for_plain),
        ("no TLS is agreed on, and the station speaks TLS", "secc", _alert_for_plain),
        ("TLS is agreed on, and the station answers without", "secc", _plain_answer),
    ):
        yield Seeded(name, side, {"security-mismatch"}, made)
    for name, side, rule, frames in (
        (
            "the vehicle's modem stands in CM_SLAC_MATCH.REQ",
            "evcc",
            "slac-names",
            partial(_matching, "pev_mac"),
        ),
        ("and in CM_ATTEN_CHAR.RSP", "evcc", "slac-names", partial(_matching, "source_address")),
        ("CM_SLAC_MATCH.REQ is not answered", "secc", "slac-unmatched", partial(_matching, "")),
        ("CM_SLAC_PARM.REQ is not answered", "secc", "slac-unanswered", partial(_matching, "alone")),
    ):
        yield Seeded(name, side, {rule}, frames)
    yield Seeded("the port is closed", "secc", {"tcp-refused"}, partial(_refused, True))
    yield Seeded("the port is deaf", "secc", {"tcp-refused"}, partial(_refused, False))
    for version in ("TLSv1.3", "TLSv1.2"):
        yield Seeded(
            f"{version} with a chain of another root", "secc", {"tls-alert"}, partial(_untrusted, version)
        )
        for side in ("evcc", "secc"):
            yield Seeded(
                f"{version} left by the {side}", side, {"tls-not-finished"}, partial(_left, version, side)
            )


_known: dict[str, Spoken] = {}


def good_session(edition: str) -> Spoken:
    if edition not in _known:
        _known[edition] = spoken_by(session(edition))
    return _known[edition]


def _changed(
    edition: str, name: str, side: str, rules: set[str], message: str, change: dict[str, Any]
) -> Seeded:
    return Seeded(f"{edition} {name}", side, rules, partial(_rewritten, edition, message, change))


def _rewritten(edition: str, message: str, change: dict[str, Any]) -> Report | None:
    """The session up to that message, which says something else, and closed by the vehicle."""
    events, schema = good_session(edition).events, _SCHEMAS[edition]
    for place, (at, from_vehicle, what) in enumerate(events):
        if not isinstance(what, bytes) or named(edition, what) != message:
            continue
        name = schema if int.from_bytes(what[2:4], "big") != PayloadType.ISO20_MAIN else "iso20-common"
        value = exi.decode(name, what[HEADER_LENGTH:])
        data = exi.encode(name, _with(value, change))
        frame = encode_frame(int.from_bytes(what[2:4], "big"), data)
        cut = [*events[:place], (at, from_vehicle, frame), (at + 0.1, True, "fin"), (at + 0.11, False, "fin")]
        return report_on(captured(Spoken(cut)))
    return None


def _with(part: Any, change: dict[str, Any]) -> Any:
    body = getattr(part, "body", None)
    if body is not None:
        name = next(one for one in body.__struct_fields__ if getattr(body, one) is not None)
        return replace(part, body=replace(body, **{name: _with(getattr(body, name), change)}))
    new: dict[str, Any] = {}
    for field, value in change.items():
        old = getattr(part, field)
        new[field] = (
            _with(old, value)
            if isinstance(value, dict)
            else next(one for one in type(old) if one.value == value)
        )
    return replace(part, **new)


def named(edition: str, frame: bytes) -> str:
    """The message in a frame, by the reader."""
    dialogue = Dialogue(_SCHEMAS[edition])
    entry = dialogue.entry(int.from_bytes(frame[2:4], "big"), frame[HEADER_LENGTH:], t=None, number=0)
    return getattr(entry, "message", "")


def _silent(edition: str, message: str, how: str, place: int) -> Report | None:
    events = good_session(edition).events
    for index, (at, _, what) in enumerate(events):
        if isinstance(what, bytes) and named(edition, what) == message:
            return report_on(captured(Spoken([*events[: index + 1], (at + 60.0 + place, False, how)])))
    return None


def _no_protocol(edition: str) -> Report | None:
    events = good_session(edition).events
    at = events[1][0]
    answer = app.SupportedAppProtocolRes(response_code=app.ResponseCode.Failed_NoNegotiation)
    frame = encode_frame(PayloadType.SAP, exi.encode("app", answer))
    return report_on(captured(Spoken([*events[:2], (at + 0.1, False, frame), (at + 0.2, True, "fin")])))


def _no_station() -> Report:
    made = Made(discovery=False)
    made.frames.clear()
    for _ in range(8):
        made.now += 0.25
        made.add(
            [udp_packet(EV, Endpoint(SE.address, 15118, station=True), SdpRequest(Security.TLS).to_bytes())]
        )
    return report_on(made)


def _no_vehicle() -> Report:
    made = Made("TLSv1.3")
    made.frames = [*made.frames[:2], (made.now + 25.0, OTHER)]
    return report_on(made)


def _other_security(asked: Security, again: bool) -> Report:
    announced = Security.NONE if asked is Security.TLS else Security.TLS
    made = Made(asked=asked, announced=announced)
    request, answer = made.frames[:2]
    made.frames = [
        (request[0] + 0.3 * n, one) for n in range(5 if again else 1) for one in (request[1], answer[1])
    ]
    if not again:
        made.frames.append((made.now + 25.0, OTHER))
    return report_on(made)


def _plain_for_tls() -> Report:
    made = Made(asked=Security.TLS, announced=Security.TLS)
    made.say(True, iso20_frames()[0][1])
    made.say(False, UNEXPECTED)
    made.close()
    return report_on(made)


def _tls_for_plain() -> Report:
    made = Made("TLSv1.3", announced=Security.NONE, flights=1)
    made.add(made.tcp.finish(False))
    made.add(made.tcp.finish(True))
    return report_on(made)


def _alert_for_plain() -> Report:
    made = Made()
    made.say(True, iso20_frames()[0][1])
    made.say(False, UNEXPECTED)
    made.close()
    return report_on(made)


def _plain_answer() -> Report:
    made = Made("TLSv1.3", flights=1)
    made.add(made.tcp.data(False, iso20_frames()[1][1]))
    made.close()
    return report_on(made)


def _matching(wrong: str) -> Report:
    """A SLAC that comes to nothing: ``wrong`` names the field with another address than the sender's."""
    modem = b"\x00\xb0\x52\x00\x00\x01"
    made = Made(discovery=False)
    made.frames.clear()
    for at, data in two_bays("CAR_1").tap:
        frame = parse_frame(data)
        message: Any = frame.message
        if isinstance(message, SlacMatchReq | AttenCharRsp) and wrong in message.__struct_fields__:
            data = replace(frame, message=replace(message, **{wrong: modem})).to_bytes()
        ends = isinstance(message, SlacMatchCnf | SetKeyReq)
        if not ends and (wrong != "alone" or isinstance(message, SlacParmReq)):
            made.frames.append((made.now + at, data))
    made.frames.append((made.now + 30.0, OTHER))
    return report_on(made)


def _refused(reset: bool) -> Report:
    made = Made()
    syn = made.frames[2]
    made.frames = made.frames[:3]
    if reset:
        made.frames.append((made.now, made.tcp.reset(False)[0]))
    else:
        made.frames += [(syn[0] + after, syn[1]) for after in (1.0, 3.0, 7.0)]
    return report_on(made)


def _untrusted(version: str) -> Report:
    made = Made(version, foreign=True)
    made.close()
    return report_on(made)


def _left(version: str, side: str) -> Report:
    made = Made(version, flights=1 if side == "secc" else 2)
    made.add(made.tcp.finish(side == "evcc"))
    made.add(made.tcp.finish(side != "evcc"))
    return report_on(made)
