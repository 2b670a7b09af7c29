"""Vehicles of public captures against our station: each request as it was sent, with the id of the new
session in place of the old one.

Nothing else of them is edited. The collection keeps each message once, whoever sent it, and sorted by kind:
the order is that of the protocol. Where a step is missing an ordinary request is filled in and counted; what
a vehicle repeated for its own station, or said again in a renegotiation, is left out and counted. ``python -m
tests.secc.iso2.replay`` prints how far each vehicle got, and why no further.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.messages import app, iso2
from iso15118.pnc.authorization import ContractTrust
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.iso2.ac_part import AC
from iso15118.secc.iso2.dc_part import DC
from iso15118.secc.iso2.machine import table_of
from iso15118.secc.iso2.replies import RESPONSES
from iso15118.secc.iso2.sequence import State, key_of
from iso15118.secc.iso2.settings import AC_MODES, Iso2SeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.limits import StationLimits
from iso15118.session.services import Namespace, ServiceID
from tests.exi.reference import VECTORS, vectors
from tests.secc.iso2.outlet import AcDrive, ac_parameters
from tests.secc.iso2.vehicle import Drive

__all__ = ["Outcome", "captured", "replay"]

Mode = iso2.EnergyTransferMode
_DC = tuple(mode for mode in Mode if mode not in AC_MODES)
_AC = (Mode.AC_three_phase_core, Mode.AC_single_phase_core)
_OUTPUT = StationLimits(
    maximum_charge_power_w=350_000.0, maximum_charge_current_a=500.0, maximum_voltage_v=1000.0
)
_OUTLET = AcStationLimits.of(current_a=32.0)
_MOST_REPEATS = 5


class Outcome(Struct, kw_only=True):
    """How far one vehicle got."""

    name: str
    requests: int
    taken: int = 0
    """Requests of the capture that were answered OK."""
    filled: int = 0
    """Ordinary requests in between, where the capture has none for a step."""
    left_out: int = 0
    states: tuple[str, ...] = ()
    code: str = ""
    """Of the last answer."""
    why: str = ""
    """How the session ended; empty if it still waits for the vehicle."""
    safe: bool = True
    """After the end nothing is asked of the hardware any more."""

    @property
    def whole(self) -> bool:
        """Every request was taken, or has no place of its own here."""
        return self.taken + self.left_out == self.requests


def captured() -> Iterator[tuple[str, list[iso2.V2GMessage]]]:
    """The requests of each session of each source, in the order in which the protocol has them."""
    found: dict[tuple[str, bytes], list[iso2.V2GMessage]] = {}
    opened: dict[str, iso2.V2GMessage] = {}
    for row in vectors("iso2"):
        if row["fragment"]:
            continue
        try:
            message: Any = exi.decode("iso2", bytes.fromhex(row["hex"]))
        except (ExiError, ValueError):
            continue  # tests/exi has them: some are cut off
        element = message.body.body_element if isinstance(message, iso2.V2GMessage) else None
        if isinstance(element, iso2.SessionSetupReq):
            opened.setdefault(row["source"], message)
        elif type(element) in RESPONSES:
            found.setdefault((row["source"], message.header.session_id), []).append(message)
    for (source, session_id), requests in found.items():
        if len(requests) > 2:
            begins = [opened[source]] if source in opened else []
            yield f"{source} {session_id.hex()}", [*begins, *sorted(requests, key=_place)]


_PLACES: dict[Any, int] = {
    key: place
    for place, key in enumerate(
        (
            iso2.SessionSetupReq,
            iso2.ServiceDiscoveryReq,
            iso2.ServiceDetailReq,
            iso2.PaymentServiceSelectionReq,
            iso2.CertificateInstallationReq,
            iso2.CertificateUpdateReq,
            iso2.PaymentDetailsReq,
            iso2.AuthorizationReq,
            iso2.ChargeParameterDiscoveryReq,
            iso2.CableCheckReq,
            iso2.PreChargeReq,
            iso2.ChargeProgress.Start,
            iso2.ChargingStatusReq,
            iso2.CurrentDemandReq,
            iso2.MeteringReceiptReq,
            iso2.ChargeProgress.Renegotiate,
            iso2.ChargeProgress.Stop,
            iso2.WeldingDetectionReq,
            iso2.SessionStopReq,
        )
    )
}


def _place(message: iso2.V2GMessage) -> int:
    element = message.body.body_element
    return _PLACES[element.charge_progress if isinstance(element, iso2.PowerDeliveryReq) else type(element)]


class _Station:
    """Our session, with hardware that does at once what it is asked for."""

    def __init__(self, mode: Mode | None) -> None:
        outlet = mode in AC_MODES
        config = SeccConfig(
            editions=("iso2",),
            services=(ServiceID.AC,) if outlet else (ServiceID.DC,),
            iso2=Iso2SeccSettings(energy_transfer_modes=_AC if outlet else _DC),
        )
        self.session = SeccSession(
            config,
            None if outlet else _OUTPUT,
            ac=_OUTLET if outlet else None,
            epoch=1.79e9,
            trust=ContractTrust(edition="iso2"),
            installs=True,
        )
        self.now = 0.0
        self.battery_v = 0.0
        self.sample: ev.Event = (
            ev.AcMeasured(voltage_v=(230.0,) * 3) if outlet else ev.PowerMeasured(0.0, 0.0)
        )
        self.answer: Any = None

    def tell(self, event: ev.Event) -> None:
        for action in self.session.handle(event, self.now):
            self._do(action)

    def _do(self, action: act.Action) -> None:
        match action:
            case act.Send(message=message):
                self.answer = getattr(getattr(message, "body", None), "body_element", message)
            case act.RequestAuthorization():
                self.tell(ev.AuthorizationDecided(True))
            case act.RequestContractAuthorization(claim=claim):
                self.tell(ev.ContractDecided(claim, None))
            case act.StartCableCheck(number=number):
                self.tell(ev.CableCheckFinished(True, number=number))
            case act.PreCharge(voltage_v=voltage):
                self.sample = ev.PowerMeasured(voltage, 0.0)
            case act.CloseContactors():
                self.tell(ev.ContactorsChanged(True))
            case act.SetPower(current_a=current):
                present = self.sample
                volts = present.voltage_v if isinstance(present, ev.PowerMeasured) else 0.0
                self.sample = ev.PowerMeasured(volts, current)
            case act.OpenContactors():
                if isinstance(self.sample, ev.PowerMeasured):
                    self.sample = ev.PowerMeasured(0.0, 0.0)
                self.tell(ev.ContactorsChanged(False))

    def connect(self) -> None:
        self.tell(ev.Connected(secure=True))
        entry = app.AppProtocol(
            protocol_namespace=Namespace.ISO2.value,
            version_number_major=2,
            version_number_minor=0,
            schema_id=0,
            priority=1,
        )
        self.tell(ev.MessageReceived(app.SupportedAppProtocolReq(app_protocol=(entry,))))

    def ask(self, message: iso2.V2GMessage) -> Any:
        """The answer to a request, which comes a tenth of a second after the one before."""
        self.now += 0.1
        self.tell(self.sample)
        self.answer = None
        self.tell(ev.MessageReceived(message))
        for _ in range(100):  # whatever holds the answer back
            if self.answer is not None or self.session.ended is not None or self.session.deadline is None:
                break
            self.now = max(self.now, self.session.deadline)
            self.tell(self.sample)
            for action in self.session.handle_timeout(self.now):
                self._do(action)
        return self.answer


def _mode(requests: list[iso2.V2GMessage]) -> Mode | None:
    for message in requests:
        element = message.body.body_element
        if isinstance(element, iso2.ChargeParameterDiscoveryReq):
            return element.requested_energy_transfer_mode
        if isinstance(element, iso2.ChargingStatusReq):
            return Mode.AC_three_phase_core
    return None


class _Filler:
    """The ordinary request of a state, for what a capture does not have."""

    def __init__(self, outlet: bool, contract: bool) -> None:
        drive = AcDrive() if outlet else Drive()
        changes: dict[State, tuple[type, dict[str, Any]]] = {
            State.SESSION_SETUP: (iso2.SessionSetupReq, {}),
            State.SERVICE_DISCOVERY: (iso2.ServiceDiscoveryReq, {}),
            State.PAYMENT_SERVICE_SELECTION: (iso2.PaymentServiceSelectionReq, {}),
            State.AUTHORIZATION: (iso2.AuthorizationReq, {}),
            State.CHARGE_PARAMETER_DISCOVERY: (iso2.ChargeParameterDiscoveryReq, {}),
            State.CABLE_CHECK: (iso2.CableCheckReq, {}),
            State.PRE_CHARGE: (iso2.PreChargeReq, {}),
            State.POWER_DELIVERY: (iso2.PowerDeliveryReq, {"charging_profile": None}),
        }
        if contract:
            changes[State.PAYMENT_SERVICE_SELECTION][1]["selected_payment_option"] = (
                iso2.PaymentOption.Contract
            )
        if outlet:
            changes[State.CHARGE_PARAMETER_DISCOVERY][1].update(
                requested_energy_transfer_mode=Mode.AC_three_phase_core, ev_charge_parameter=ac_parameters()
            )
        for loop in (State.CURRENT_DEMAND, State.CHARGING_STATUS):
            changes[loop] = iso2.PowerDeliveryReq, {"charge_progress": iso2.ChargeProgress.Stop}
        self._made = {state.value: drive.request(kind, **fields) for state, (kind, fields) in changes.items()}

    def of(self, state: str) -> iso2.V2GMessage | None:
        return self._made.get(state)


def replay(name: str, requests: list[iso2.V2GMessage]) -> Outcome:
    """One vehicle against a fresh station."""
    mode = _mode(requests)
    contract = any(isinstance(one.body.body_element, iso2.PaymentDetailsReq) for one in requests)
    station, filler = _Station(mode), _Filler(mode in AC_MODES, contract)
    station.connect()
    outcome, session = Outcome(name=name, requests=len(requests)), station.session
    table = {state.value: rows for state, rows in table_of(AC if mode in AC_MODES else DC).items()}
    for message in requests:
        key = key_of(message.body.body_element)
        filled: set[str] = set()
        while session.ended is None and key not in table[session.state]:
            missing = filler.of(session.state)
            if missing is None or session.state in filled or not _is_ahead(message, missing):
                break
            filled.add(session.state)
            outcome.filled += 1
            outcome.code = _said(station, missing)
        if not outcome.code.startswith("OK") and session.ended is not None:
            break
        if session.ended is not None or key not in table[session.state]:  # a pause was the end here
            outcome.left_out += 1
            continue
        outcome.code = _said(station, message)
        if not outcome.code.startswith("OK"):
            break
        outcome.taken += 1
    outcome.states = tuple(session.states)
    if session.ended is not None:
        outcome.why = f"{session.ended.reason.name}: {session.ended.detail}".rstrip(": ")
        outcome.safe = not session.energized
    return outcome


def _is_ahead(message: iso2.V2GMessage, missing: iso2.V2GMessage) -> bool:
    """What is missing comes before this request."""
    return _place(missing) < _place(message)


def _said(station: _Station, message: iso2.V2GMessage) -> str:
    """Send it, again while the station says Ongoing, and give the code of the last answer."""
    header = message.header
    if not isinstance(message.body.body_element, iso2.SessionSetupReq):
        header = replace(header, session_id=station.session.session_id)
    code = ""
    for _ in range(_MOST_REPEATS):
        answer = station.ask(replace(message, header=header))
        code = "no answer" if answer is None else answer.response_code.value
        ongoing = getattr(answer, "evse_processing", iso2.EVSEProcessing.Finished)
        if not code.startswith("OK") or ongoing is iso2.EVSEProcessing.Finished:
            break
    return code


def main() -> int:
    """Print a line for each vehicle."""
    if not VECTORS.exists():
        print(f"no captures at {VECTORS}", file=sys.stderr)
        return 2
    for name, requests in captured():
        outcome = replay(name, requests)
        print(
            f"{outcome.taken:3d} of {outcome.requests:3d} taken, {outcome.left_out:2d} left out, {outcome.filled:2d} filled in, "
            f"{outcome.states[-1]:28s} {outcome.code:32s} {outcome.why[:70]:70s} {outcome.name}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
