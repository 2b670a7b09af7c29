"""A vehicle of ISO 15118-2 made of messages: one valid request of every kind, and the way to bring a
station into any of its states.

The station's hardware is played by hand: every answer it gives is an event of the test. Each answer of the
station is encoded, so that nothing is said that its schema does not allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from iso15118 import exi
from iso15118.messages import app, iso2
from iso15118.messages.physical import amperes, quantity, volts, watts
from iso15118.messages.xmldsig import Signature, X509IssuerSerial
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.iso2.context import Context
from iso15118.secc.iso2.machine import Iso2
from iso15118.secc.iso2.sequence import State
from iso15118.secc.iso2.settings import Iso2SeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits
from iso15118.session.services import Namespace
from iso15118.session.ticket import SeccTicket
from iso15118.testing import SafetyMonitor
from tests.secc.checked import CheckedBook

CONNECTING = "Connecting"
ZERO = bytes(8)
STATION = StationLimits(
    maximum_charge_power_w=150_000.0,
    maximum_charge_current_a=400.0,
    maximum_voltage_v=920.0,
    minimum_voltage_v=150.0,
)
VEHICLE_V, VEHICLE_A, VEHICLE_W = 450.0, 300.0, 100_000.0
BATTERY_V = 400.0
MAC = bytes.fromhex("021122334455")

READY = iso2.DCEVStatus(ev_ready=True, ev_error_code=iso2.DCEVErrorCode.NO_ERROR, evresssoc=40)


def settings(**changes: Any) -> Iso2SeccSettings:
    """Settings of -2 with some of them changed."""
    return Iso2SeccSettings(**changes)


def configured(iso2_settings: Iso2SeccSettings | None = None, **changes: Any) -> SeccConfig:
    """A station that serves ISO 15118-2."""
    fields: dict[str, Any] = {"editions": ("iso20", "iso2"), "iso2": iso2_settings or Iso2SeccSettings()}
    return SeccConfig(**(fields | changes))


def decide(context: Context, settings: Iso2SeccSettings) -> None:
    """This is decided about ISO 15118-2 from now on."""
    context.facts.config = replace(context.facts.config, iso2=settings)


class Drive:
    """A station's session under a playbook, and a vehicle that knows its lines."""

    def __init__(
        self,
        iso2_settings: Iso2SeccSettings | None = None,
        *,
        config: SeccConfig | None = None,
        limits: StationLimits | None = STATION,
        secure: bool = False,
        **session: Any,
    ) -> None:
        self.config = config or configured(iso2_settings)
        self.session = SeccSession(self.config, limits, epoch=session.pop("epoch", 1.79e9), **session)
        self.output: ev.PowerMeasured | ev.AcMeasured | None = ev.PowerMeasured(0.0, 0.0)
        """What the output shows; None: nobody measures any more."""
        self.secure = secure
        resume = session.get("resume", ())
        paused = (resume,) if isinstance(resume, SeccTicket) else tuple(resume)
        # Of alternating current the monitor knows nothing; what is asked for is
        # looked at below in either case.
        self.monitor = None if limits is None else SafetyMonitor(self.config, limits, paused=paused)
        self.book = CheckedBook(
            self.session,
            watch=self._watch,
            sample=lambda: () if self.output is None else (self.output,),
        )
        self.session_id = ZERO
        self.signature: Signature | None = None
        self.done: list[str] = []
        """Every hardware action, by name."""

    def _watch(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """The order of hardware actions, whatever a test looks at."""
        if self.monitor is not None:
            self.monitor.secc(event, actions, now)
        for action in actions:
            if isinstance(action, act.HardwareAction):
                self.done.append(type(action).__name__)
            if isinstance(action, act.CloseContactors):
                before = self.done[: self.done.index("CloseContactors")]
                order = [step for step in before if step in ("StartCableCheck", "PreCharge")]
                alternating = "SetAcPower" in before
                if not alternating and ("StartCableCheck" not in order or order[-1] != "PreCharge"):
                    raise AssertionError(f"contactors close after {before}")
        for place, action in enumerate(actions):
            if isinstance(action, act.OpenContactors) and not any(
                isinstance(earlier, act.StopPower) for earlier in actions[:place]
            ):
                raise AssertionError(f"contactors open before current zero: {actions}")
            if isinstance(action, act.Send) and isinstance(action.message, iso2.V2GMessage):
                octets = exi.encode("iso2", action.message)
                assert exi.decode("iso2", octets) == action.message
        return actions

    @property
    def context(self) -> Context:
        """What the session has agreed on."""
        edition = self.session._edition
        if not isinstance(edition, Iso2):
            raise RuntimeError("ISO 15118-2 is not spoken yet")
        return edition.context

    # -- the station's hardware

    def measure(self, voltage_v: float, current_a: float = 0.0) -> None:
        """The output shows these values from now on."""
        self.output = ev.PowerMeasured(voltage_v, current_a)
        if self.monitor is not None:
            self.monitor.measured(self.output)
        self.book.tell(self.output)

    # -- the vehicle's messages

    def request(self, kind: type, **changes: Any) -> iso2.V2GMessage:
        """A valid request of this class, with some of its fields changed."""
        element = kind(**(_FIELDS[kind](self) | changes))
        header = iso2.MessageHeader(session_id=self.session_id, signature=self.signature)
        return iso2.V2GMessage(header=header, body=iso2.Body(body_element=element))

    def send(self, kind: type, **changes: Any) -> Any:
        """Send such a request; the element of the answer, if one was sent."""
        return self.say(self.request(kind, **changes))

    def say(self, message: Any) -> Any:
        """The same for a message that is there already."""
        if self.output is not None:
            self.book.tell(self.output)  # as a driver does before every message
        self.book.receive(message)
        return self.heard()

    def heard(self) -> Any:
        """What the last call sent."""
        sent = [action.message for action in self.book.actions if isinstance(action, act.Send)]
        return sent[0].body.body_element if sent else None

    def header(self) -> iso2.MessageHeader:
        """The header of it."""
        (header,) = [a.message.header for a in self.book.actions if isinstance(a, act.Send)]
        return header  # type: ignore[no-any-return]

    # -- the way to a state

    def to(self, state: State) -> Drive:
        """Bring the session there along the ordinary way."""
        passed = [CONNECTING, *(s.value for s in WAY_STATES)]
        for step in _WAY[passed.index(self.session.state) :]:
            if self.session.state == state.value:
                return self
            step(self)
        if self.session.state != state.value:
            raise RuntimeError(f"the ordinary way does not pass {state}, it ended in {self.session.state}")
        return self

    def connect(self) -> None:
        entry = app.AppProtocol(
            protocol_namespace=Namespace.ISO2.value,
            version_number_major=2,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        )
        self.book.tell(ev.Connected(secure=self.secure))
        self.book.receive(app.SupportedAppProtocolReq(app_protocol=(entry,)))

    def set_up(self) -> None:
        self.send(iso2.SessionSetupReq)
        self.session_id = self.session.session_id

    def authorized(self) -> None:
        self.send(iso2.AuthorizationReq)
        self.book.tell(ev.AuthorizationDecided(True))
        self.send(iso2.AuthorizationReq)

    def checked(self) -> None:
        self.send(iso2.CableCheckReq)
        self.book.tell(ev.CableCheckFinished(True))
        self.send(iso2.CableCheckReq)

    def pre_charged(self) -> None:
        self.send(iso2.PreChargeReq)
        self.measure(BATTERY_V)
        self.send(iso2.PreChargeReq)

    def started(self) -> None:
        self.send(iso2.PowerDeliveryReq)
        self.book.tell(ev.ContactorsChanged(True))

    def stopped(self) -> None:
        self.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
        self.book.tell(ev.ContactorsChanged(False))
        self.measure(0.0)

    def renegotiate(self) -> Any:
        """From the loop to the state in which cable check or power may follow."""
        self.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
        return self.send(iso2.ChargeParameterDiscoveryReq)

    def loop(self, current_a: float = 100.0, **changes: Any) -> Any:
        """One turn of the charge loop, after which the supply gives what it was told."""
        said = self.send(iso2.CurrentDemandReq, ev_target_current=amperes(current_a), **changes)
        for action in self.book.actions:
            if isinstance(action, act.SetPower):
                self.output = ev.PowerMeasured(BATTERY_V, action.current_a)
        return said


WAY_STATES = (
    State.SESSION_SETUP,
    State.SERVICE_DISCOVERY,
    State.PAYMENT_SERVICE_SELECTION,
    State.AUTHORIZATION,
    State.CHARGE_PARAMETER_DISCOVERY,
    State.CABLE_CHECK,
    State.PRE_CHARGE,
    State.POWER_DELIVERY,
    State.CURRENT_DEMAND,
    State.WELDING_DETECTION,
)
_WAY: tuple[Callable[[Drive], Any], ...] = (
    Drive.connect,
    Drive.set_up,
    lambda d: d.send(iso2.ServiceDiscoveryReq),
    lambda d: d.send(iso2.PaymentServiceSelectionReq),
    Drive.authorized,
    lambda d: d.send(iso2.ChargeParameterDiscoveryReq),
    Drive.checked,
    Drive.pre_charged,
    Drive.started,
    Drive.stopped,
)

ROOTS = iso2.ListOfRootCertificateIDs(
    root_certificate_id=(X509IssuerSerial(x509_issuer_name="CN=Root", x509_serial_number=1),)
)
CHAIN = iso2.CertificateChain(certificate=b"\x30\x00")


def dc_parameters(**changes: Any) -> iso2.DCEVChargeParameter:
    """The limits of the vehicle."""
    fields: dict[str, Any] = {
        "departure_time": 3600,
        "dc_ev_status": READY,
        "ev_maximum_current_limit": amperes(VEHICLE_A),
        "ev_maximum_power_limit": watts(VEHICLE_W),
        "ev_maximum_voltage_limit": volts(VEHICLE_V),
    }
    return iso2.DCEVChargeParameter(**(fields | changes))


def profile(*entries: tuple[int, float]) -> iso2.ChargingProfile:
    """A charging profile of starts in s and powers in W."""
    return iso2.ChargingProfile(
        profile_entry=tuple(
            iso2.ProfileEntry(
                charging_profile_entry_start=start, charging_profile_entry_max_power=watts(power)
            )
            for start, power in entries
        )
    )


def selection(*services: tuple[int, int | None]) -> iso2.SelectedServiceList:
    """Services by id and parameter set."""
    return iso2.SelectedServiceList(
        selected_service=tuple(
            iso2.SelectedService(service_id=number, parameter_set_id=parameters)
            for number, parameters in services
        )
    )


_FIELDS: dict[type, Callable[[Drive], dict[str, Any]]] = {
    iso2.SessionSetupReq: lambda d: {"evccid": MAC},
    iso2.ServiceDiscoveryReq: lambda d: {},
    iso2.ServiceDetailReq: lambda d: {"service_id": 1},
    iso2.PaymentServiceSelectionReq: lambda d: {
        "selected_payment_option": iso2.PaymentOption.ExternalPayment,
        "selected_service_list": selection((1, None)),
    },
    iso2.CertificateInstallationReq: lambda d: {
        "id": "id1",
        "oem_provisioning_cert": b"\x30\x00",
        "list_of_root_certificate_ids": ROOTS,
    },
    iso2.CertificateUpdateReq: lambda d: {
        "id": "id1",
        "contract_signature_cert_chain": CHAIN,
        "emaid": "DE8AAC12345678",
        "list_of_root_certificate_ids": ROOTS,
    },
    iso2.PaymentDetailsReq: lambda d: {"emaid": "DE8AAC12345678", "contract_signature_cert_chain": CHAIN},
    iso2.AuthorizationReq: lambda d: {},
    iso2.ChargeParameterDiscoveryReq: lambda d: {
        "requested_energy_transfer_mode": iso2.EnergyTransferMode.DC_extended,
        "ev_charge_parameter": dc_parameters(),
    },
    iso2.CableCheckReq: lambda d: {"dc_ev_status": READY},
    iso2.PreChargeReq: lambda d: {
        "dc_ev_status": READY,
        "ev_target_voltage": volts(BATTERY_V),
        "ev_target_current": amperes(1.0),
    },
    iso2.PowerDeliveryReq: lambda d: {
        "charge_progress": iso2.ChargeProgress.Start,
        "sa_schedule_tuple_id": 1,
        "charging_profile": profile((0, 50_000.0)),
    },
    iso2.CurrentDemandReq: lambda d: {
        "dc_ev_status": READY,
        "ev_target_current": amperes(100.0),
        "charging_complete": False,
        "ev_target_voltage": volts(430.0),
    },
    iso2.ChargingStatusReq: lambda d: {},
    iso2.MeteringReceiptReq: lambda d: {
        "id": "id1",
        "session_id": d.session_id,
        "sa_schedule_tuple_id": 1,
        "meter_info": iso2.MeterInfo(meter_id="M1", meter_reading=1),
    },
    iso2.WeldingDetectionReq: lambda d: {"dc_ev_status": READY},
    iso2.SessionStopReq: lambda d: {"charging_session": iso2.ChargingSession.Terminate},
}

REQUESTS = tuple(_FIELDS)
"""Every request class of the message set."""


def told(status: iso2.DCEVSEStatus) -> tuple[str, str | None, str, int]:
    """Code, isolation, notification and delay."""
    isolation = status.evse_isolation_status
    return (
        status.evse_status_code.value,
        None if isolation is None else isolation.value,
        status.evse_notification.value,
        status.notification_max_delay,
    )


__all__ = ["Drive", "decide", "quantity", "replace", "told"]
